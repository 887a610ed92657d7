/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/clock.h"
#include "vault/record.h"
#include "vault/vault_private.h"

/* What those who act on whole backups share (lease, audit, holds, tombstones, the sweep); for vault/ only. */

#define ACTING_PROGRAM "pishopfs " PISHOPFS_VERSION
#define ACTING_HEX 33u /* a writer or object id in hex, with NUL */

/* The server's clock as of that answer; a store that tells none has this machine's. */
static inline int64_t acting_now(const struct store_call *call)
{
	return call && call->server_date ? call->server_date : clock_wall_s();
}

/* This writer's id in hex. */
void acting_writer(struct vault *v, char out[ACTING_HEX]);
/* A call of its own for the next request: the caller's deadline (at most most_ms; 0: no such limit) and cancel flag. user may be NULL. */
struct store_call acting_call(struct vault *v, const struct store_call *user, uint32_t most_ms);
/* What the answer was, for the caller: error and the server's clock. user may be NULL. */
void acting_tell(struct store_call *user, const struct store_call *call);
/* ECANCELED where the caller wants no more requests; else 0. */
int acting_stopped(const struct store_call *user);

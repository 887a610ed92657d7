/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/record.h"

/* Who acts on a tenant's retention: control/lease, taken and renewed by conditional writes only, judged by the server's clock. Its epoch grows by one with
 * each new holder and is written into what the holder does (fencing). Not a lock: every action under it is also harmless when done twice. */
struct lease;

struct lease_holder { /* who has it */
	char writer[33];
	uint64_t epoch;
	int64_t until_s; /* server's clock */
};

/* Takes it where it is free, expired or ours. 0; EBUSY: somebody has it (*other); EOPNOTSUPP: this store honours no conditions: nobody may act; EACCES, EROFS;
 * or a store errno. ttl_s: seconds without renewal after which others may take it. BLOCKS. */
int lease_take(struct vault *v, const char *tenant, uint32_t ttl_s, struct lease **out, struct lease_holder *other, struct store_call *call);
/* Before each batch: still ours, for at least a third of the time (CLOCK_BOOTTIME since the last renewal was sent)? Renews where less is left. 0; ESTALE: lost, stop at
 * once; or a store errno: stop, too. */
int lease_check(struct lease *l, struct store_call *call);
uint64_t lease_epoch(const struct lease *l);
/* Gives it back, by a conditional write, and frees it. NULL is legal. */
void lease_release(struct lease *l);

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

/* Takes it where it is free, expired or ours. 0; EBUSY: somebody has it (*other, may be NULL), perhaps another thread of this vault; EOPNOTSUPP: this store
 * honours no conditions: nobody may act; EACCES, EROFS; EBADMSG: it is damaged; or a store errno. ttl_s: seconds without renewal after which others may take it;
 * 0: 300, at most a day. BLOCKS. */
int lease_take(struct vault *v, const char *tenant, uint32_t ttl_s, struct lease **out, struct lease_holder *other, struct store_call *call);
/* Before each batch: still ours, for at least two thirds of the time (CLOCK_BOOTTIME since the last renewal was sent)? Renews where less is left, so that a third is
 * left behind a request of lease_request_ms. 0; ESTALE: lost, stop at once; or a store errno: stop, too. */
int lease_check(struct lease *l, struct store_call *call);
/* The longest deadline that a request under the lease may have. */
uint32_t lease_request_ms(const struct lease *l);
uint64_t lease_epoch(const struct lease *l);
/* Gives it back, by a conditional write, and frees it. NULL is legal. */
void lease_release(struct lease *l);

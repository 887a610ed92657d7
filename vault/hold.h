/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/record.h"
#include "vault/stem.h"

/* Legal holds: control/holds, {"holds":1,"list":[{"backup","why","by","at"}]}. A backup on hold is never deleted, not even when its tombstone's grace is over. */
struct hold {
	char stem[STEM_CAP];
	char *why, *by; /* owned */
	int64_t at_s;
};
struct holds {
	struct hold *list; /* sorted by stem */
	size_t count;
	struct record_id record; /* etag "": there is no record yet */
};
void holds_free(struct holds *h);
DEFINE_AUTO(holds, holds_free)
/* 0 also where there is no record. Damaged: EBADMSG, and nothing may be deleted. */
int holds_read(struct vault *v, const char *tenant, struct holds *out, struct store_call *call);
bool holds_has(const struct holds *h, const char *stem);
/* By conditional write, tried again when somebody else changed it. EEXIST, ENOENT; EBUSY: the deletion of that
 * backup has begun, and it is not held. Audited. */
int hold_add(struct vault *v, const char *tenant, const char *stem, const char *why, const char *by, struct store_call *call);
int hold_remove(struct vault *v, const char *tenant, const char *stem, const char *by, struct store_call *call);

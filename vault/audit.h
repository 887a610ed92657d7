/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/record.h"

/* What happened to a tenant's backups, for good: JSON lines in segments .pishop/t/<tenant>/audit/<16 digits>, each segment written once by a conditional put and never
 * again. The digits are 9999999999999999 - number, so that the newest is listed first. Every line carries the SHA-256 of the line before it ("prev"), over
 * segments too; the first of all 64 zeros. docs/format.md §12. */

enum audit_event {
	AUDIT_COMMITTED,  /* a member was committed: lines are gathered, one for many */
	AUDIT_SEALED, AUDIT_REOPENED, AUDIT_REMOVED, AUDIT_TOMBSTONED, AUDIT_UNDELETED, AUDIT_DELETING, AUDIT_DELETED, AUDIT_RESTORED,
	AUDIT_POLICY, AUDIT_HOLD, AUDIT_UNHOLD, AUDIT_DAMAGE, AUDIT_VERIFIED, AUDIT_STOPPED, AUDIT_EVENTS
};
const char *audit_event_name(enum audit_event e); /* "committed", ... */

struct audit_line {
	enum audit_event event;
	int64_t at_s;
	const char *backup;   /* stem, NULL: none */
	const char *detail;   /* one sentence for people, NULL: none */
	const char *seal;     /* hex of the seal's object id, NULL */
	uint64_t epoch;       /* of the lease, 0: none */
	uint64_t objects, bytes; /* 0: not told */
};

struct audit; /* the log of one tenant; owned by the vault after audit_of */

/* Gathers a line: NOW. It goes to the log (stderr, syslog) at once, and to the bucket with the next audit_flush. */
void audit_note(struct vault *v, const char *tenant, const struct audit_line *line);
/* Writes what was gathered for a tenant (NULL: all) as one segment each. BLOCKS. 0; EACCES, EROFS: said once, nothing is kept; or a store errno: the lines stay for
 * the next flush. */
int audit_flush(struct vault *v, const char *tenant, struct store_call *call);
int audit_start(struct vault *v);
void audit_stop(struct vault *v); /* flushes */

/* Reads the log from the oldest line on; fn gets each line as it stands, without its line end. Checks the chain: EBADMSG with the place in why. */
typedef int audit_seen(void *arg, const char *line, size_t len); /* not 0: stop with that */
int audit_read(struct vault *v, const char *tenant, audit_seen *fn, void *arg, char *why, size_t cap, struct store_call *call);

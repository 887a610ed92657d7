/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "crypto/digest.h"
#include "vault/record.h"
#include "vault/stem.h"

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
	int64_t at_s;         /* 0: now */
	const char *backup;   /* stem, NULL: none */
	const char *detail;   /* one sentence for people, NULL: none */
	const char *seal;     /* hex of the seal's object id, NULL */
	uint64_t epoch;       /* of the lease, 0: none */
	uint64_t objects, bytes; /* 0: not told */
};

/* Gathers a line: NOW. It goes to the log (stderr, syslog) at once, and to the bucket with the next audit_flush, which the vault's thread calls within a minute.
 * Commits of one backup are gathered into one line. Any thread; never blocks on requests. at_s 0: now. */
void audit_note(struct vault *v, const char *tenant, const struct audit_line *line);
/* Writes what was gathered for a tenant (NULL: all) as one segment each. BLOCKS. 0; EACCES, EROFS: said once, nothing is kept; or a store errno: the lines stay for
 * the next flush. */
int audit_flush(struct vault *v, const char *tenant, struct store_call *call);
/* How far the log is: its newest segment's number (0: there is none) and the digest of its last line, as the next line's prev. EBADMSG: that segment is damaged; or a store
 * errno. */
int audit_tail(struct vault *v, const char *tenant, uint64_t *segment, char hash[DIGEST_HEX], struct store_call *call);
/* For vault.c, as in vault_private.h. */
int audit_start(struct vault *v);
void audit_stop(struct vault *v); /* flushes */

/* One line read. */
struct audit_entry {
	enum audit_event event;
	int64_t at_s;
	char backup[STEM_CAP];   /* "": none */
	char *detail;            /* owned; NULL: none */
	char seal[33];           /* "": none */
	uint64_t epoch, objects, bytes;
	char writer[33], program[64], prev[DIGEST_HEX];
};
/* Without its line end. 0; EBADMSG; EPROTONOSUPPORT; ENOMEM. *out is filled on 0 only. */
int audit_decode(const char *line, size_t len, struct audit_entry *out);
void audit_entry_free(struct audit_entry *e);
DEFINE_AUTO(audit_entry, audit_entry_free)

/* Reads the log from the oldest line on; fn gets each line as it stands, without its line end. Checks each line, the
 * chain, and that no number is missing: EBADMSG, EPROTONOSUPPORT with the place in why[cap]. */
typedef int audit_seen(void *arg, const char *line, size_t len); /* not 0: stop with that */
int audit_read(struct vault *v, const char *tenant, audit_seen *fn, void *arg, char *why, size_t cap, struct store_call *call);

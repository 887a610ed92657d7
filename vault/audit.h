/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "crypto/digest.h"
#include "vault/record.h"
#include "vault/stem.h"

/* What happened to a tenant's backups, for good: JSON lines in segments .pishop/t/<tenant>/audit/<16 digits>, each segment written once by a conditional put and never
 * again. The digits are 9999999999999999 - number, so that the newest is listed first. Every line carries the SHA-256 of the line before it ("prev"), over
 * segments too; the first of all 64 zeros. docs/format.md §12. */

enum audit_event {
	AUDIT_COMMITTED,  /* content of a member came to stand in the bucket: lines are gathered, one for many */
	AUDIT_SEALED, AUDIT_REOPENED,
	AUDIT_REMOVED,    /* with a seal: that backup went as a whole. Without: members of a sealed one were removed for good; gathered as well */
	AUDIT_TOMBSTONED, AUDIT_UNDELETED, AUDIT_DELETING, AUDIT_DELETED, AUDIT_RESTORED,
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

/* Gathers a line: NOW. It goes to the log (stderr, syslog) at once, and to the bucket with the next audit_flush: at the latest by audit_tick.
 * Commits, and removals of members, of one backup are gathered into one line, with the time and detail of the first and the sums of objects and bytes; that line goes to
 * the log when it is flushed. Any thread; never blocks on requests. at_s 0: now. */
void audit_note(struct vault *v, const char *tenant, const struct audit_line *line);
/* The content at that path of the vault, of so many bytes, came to stand in the bucket: AUDIT_COMMITTED of its backup. NOW, as audit_note. A path that is in no
 * backup is none. */
void audit_committed(struct vault *v, const char *path, uint64_t bytes);
/* Writes what was gathered for a tenant (NULL: all) as one segment each. BLOCKS. 0; EACCES, EROFS: said once, nothing is kept; or a store errno: the lines stay for
 * the next flush. */
int audit_flush(struct vault *v, const char *tenant, struct store_call *call);
/* How far the log is: its newest segment's number (0: there is none) and the digest of its last line, as the next line's prev. EBADMSG: that segment is damaged; or a store
 * errno. */
int audit_tail(struct vault *v, const char *tenant, uint64_t *segment, char hash[DIGEST_HEX], struct store_call *call);
/* For vault.c, as in vault_private.h. */
/* Flushes what has waited long enough, for the vault's thread, which calls it once a minute: commits wait for other lines, or GATHER_S. BLOCKS. */
#define GATHER_S 900
void audit_tick(struct vault *v, struct store_call *call);
int audit_start(struct vault *v);
void audit_stop(struct vault *v); /* flushes */

/* One line read. */
struct audit_entry {
	enum audit_event event;
	char tenant[PATH_CAP];
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
#define AUDIT_FROM_TRASH "from the trash" /* the detail of AUDIT_DELETED where what stands at the name is another */
/* Whether the line says that nothing is left of what stood at the backup's name: it was deleted there, or removed as a whole. */
bool audit_is_end(const struct audit_entry *e);

/* Reads the log from the oldest line on; fn gets each line as it stands, without its line end. Checks each line, that it is of this tenant's log, the
 * chain, and that no number is missing: EBADMSG, EPROTONOSUPPORT with the segment and the line in why[cap]. A log of which the newest segments were removed is whole
 * all the same: audit_verify. */
typedef int audit_seen(void *arg, const char *line, size_t len); /* not 0: stop with that */
int audit_read(struct vault *v, const char *tenant, audit_seen *fn, void *arg, char *why, size_t cap, struct store_call *call);
/* The same, and whether the log is still as long as it was when retention last ran, which remembers that in control/retention. Who may not read that, or where
 * no run was, is told no more than audit_read says. */
int audit_verify(struct vault *v, const char *tenant, audit_seen *fn, void *arg, char *why, size_t cap, struct store_call *call);

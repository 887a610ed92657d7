/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/backup.h"

/* Making a seal from what stands in the bucket: for the mount (release of an archive, drain, quiet folders) and `pishopctl seal`. */
struct sealer_options {
	enum seal_source source;
	/* Members that this process knows, so that they need no request. NULL: none. Gives a reference, or NULL. Any thread. */
	struct object *(*known)(void *arg, const char *path);
	void *arg;
	bool own_open;     /* members in state 0 and 4 that `known` gave are sealed: their last release was seen here */
	const char *mark;  /* completeness mark that must be at the top of each folder, committed after all other files ("metadata.json"); NULL: none is asked for */
};

enum sealer_answer {
	SEALER_DONE,       /* the seal stands */
	SEALER_SAME,       /* it stood already, and says the same */
	SEALER_NOTHING,    /* nothing to seal: no objects of ours. A seal of which nothing is left was removed, if the backup had been reopened; else reason */
	SEALER_UNMARKED,   /* no mark, something was closed after it, or is still open */
	SEALER_PARTIAL,    /* a failed path, an upload of a silent writer, a member that is damaged, foreign, or in state 2 or 3: reason */
	SEALER_OPEN        /* members in state 0 or 4 that another wrote are left out, and named in reason: the seal stands without them if anything is left (made is filled
			    * then); or a living writer sends a file of it, and nothing was sealed */
};

/* Lists the set, leaves scratch out, reads headers and trailers of what is not known, and writes the seal, replacing an older one; removes a reopen record; notes it
 * in the audit log. 0 and *answer, reason[cap]. Four requests, and one or two for each member that is neither known nor in the old seal
 * as it stands. EBADMSG: the old seal is damaged, which only SEAL_REQUEST replaces; ESTALE: the set changes again and again; or a store errno, logged. made: filled with DONE, SAME
 * and OPEN. BLOCKS. */
int sealer_run(struct vault *v, const char *tenant, const char *stem, const struct sealer_options *options, enum sealer_answer *answer, char *reason, size_t cap,
	       struct seal *made /* NULL, or empty: the seal, to be freed */, struct store_call *call);

/* The first change of a sealed backup: reopen/<stem>, before anything of it is changed. 0 also where it stands already. */
int sealer_reopen(struct vault *v, const char *tenant, const char *stem, const char *why, struct store_call *call);

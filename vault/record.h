/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/object.h"

/* Records below .pishop/t/<tenant>/: seals, tombstones, policy, lease, audit and the like. Ordinary objects of format v1 with text in them: whoever reads one knows
 * that somebody with the key wrote it. All calls block; call may be NULL. Errors are logged where they are not an answer (ENOENT, EEXIST, ESTALE). */
#define RECORD_MAX (64u << 20) /* bytes of the text: a seal of 200,000 files with long names */

/* Which version of a record: what a later write is conditional on. */
struct record_id {
	char etag[STORE_ETAG_MAX];
	uint8_t object[16];    /* object id: drawn anew with each version */
	int64_t committed_s;   /* the writer's clock, authenticated */
	int64_t server_date;   /* the server's clock when it answered, 0: not told */
};

/* The whole text, NUL behind its end; freed by the caller. 0; ENOENT; EBADMSG: damaged, replaced by something of another type, or foreign; ENOKEY: of another
 * key; EFBIG: over RECORD_MAX; or a store errno. id may be NULL. */
int record_read(struct vault *v, const char *key, char **text, size_t *len, struct record_id *id, struct store_call *call);
/* The first bytes only, at most one chunk, NUL behind their end: enough for a seal's envelope. *whole: that was all. One request; three where the text is over 1 MiB.
 * Errors as record_read; what follows is not looked at. */
int record_peek(struct vault *v, const char *key, char **text, size_t *len, bool *whole, struct record_id *id, struct store_call *call);

/* Writes it. old NULL: only where nothing stands, else EEXIST; else only over that version: ESTALE. A lost reply is resolved. *id (may be NULL): the new version.
 * EFBIG, EROFS, EACCES or a store errno. */
int record_write(struct vault *v, const char *key, const char *text, size_t len, const struct record_id *old, struct record_id *id, struct store_call *call);
/* Removes it, whatever stands there. Not conditional in any store: only for what nobody else writes, or under the lease. 0 also where nothing stood. */
int record_remove(struct vault *v, const char *key, struct store_call *call);

/* Names of all records of one kind ("seals", "tombstones", "reopen", "run"): what stands directly below, sorted by name. What has a further "/" in its name is left
 * out, as it is no record of that kind. */
struct record_name {
	char *name;
	char etag[STORE_ETAG_MAX];
	uint64_t length;  /* bytes in the bucket */
	int64_t modified; /* the server's clock */
};
struct record_names {
	struct record_name *names;
	size_t count;
};
/* *out is filled on 0 only; where there is none, empty. EBADMSG: the listing makes no sense; ENOMEM; or a store errno, logged. */
int record_list(struct vault *v, const char *tenant, const char *kind, struct record_names *out, struct store_call *call);
void record_names_free(struct record_names *n); /* what it holds; NULL is legal */
DEFINE_AUTO(record_names, record_names_free)
/* The one of that name, or NULL. */
const struct record_name *record_names_find(const struct record_names *n, const char *name);

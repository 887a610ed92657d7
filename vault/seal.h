/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/record.h"
#include "vault/stem.h"

/* What makes a backup count: an authenticated list of everything in it (docs/format.md §9). Text: one JSON object a line, first the envelope, then the entries in
 * ascending order of path. The pure part is seal_encode and seal_decode; the others make requests and block. */

enum seal_source { SEAL_ARCHIVE, SEAL_SINGLE, SEAL_MARKED, SEAL_SETTLED, SEAL_REQUEST }; /* "archive", "single", "marked", "settled", "request" */

struct seal_entry {
	char *path;               /* below the tenant, e.g. "NAME/db/c.bson.gz"; bytes; owned */
	enum entry_type type;
	uint32_t mode, uid, gid;
	struct timespec mtime;
	uint64_t size;            /* plain bytes; of a folder 0 */
	uint8_t object[16];       /* object id */
	uint8_t state;            /* trailer state when it was sealed */
	char etag[STORE_ETAG_MAX]; /* at that time: where it is still the same, nothing else need be looked at; copies have another */
};

struct seal {
	char tenant[PATH_CAP], stem[STEM_CAP];
	bool timed;              /* time_s is that of the backup */
	bool imported;           /* the name's time is over 26 h before the commit */
	int64_t time_s;          /* seconds; the name's */
	int64_t committed_s;     /* the latest commit time of its members */
	int64_t sealed_s;        /* when this seal was made */
	uint64_t bytes;          /* sum of the sizes */
	enum seal_source source;
	char writer[33];         /* hex of the sealer's writer id */
	char program[64];
	struct seal_entry *entries;
	size_t count;
};

/* Of another time than its commit: within SEAL_SKEW_S of the commit the name's time holds; an older one is imported; one in the future is no time at all. */
#define SEAL_SKEW_S (26 * 3600)
/* Sets timed, imported and time_s from stem and committed_s. */
void seal_set_time(struct seal *s, const struct stem *stem);

void seal_free(struct seal *s); /* what it holds; NULL is legal */
DEFINE_AUTO(seal, seal_free)
int seal_add(struct seal *s, const struct seal_entry *e); /* takes e->path over, also on failure. ENOMEM */
/* Sorts, fills bytes; text freed by the caller. EINVAL: two entries with one path, none at all, or what decoding would refuse; EFBIG; ENOMEM. */
int seal_encode(struct seal *s, char **text, size_t *len);
/* The whole text: every field checked, unknown versions refused, paths in order and of that stem, bytes and number as the envelope says.
 * 0; EPROTONOSUPPORT: newer; EBADMSG; ENOMEM. *out is filled on 0 only, else empty. */
int seal_decode(const char *text, size_t len, struct seal *out);
/* The envelope alone, from the text's first line; count is set, entries is NULL. */
int seal_decode_envelope(const char *text, size_t len, struct seal *out);
/* The entry of that path, or NULL. Only in a seal that was encoded or decoded: there the entries are sorted. */
const struct seal_entry *seal_find(const struct seal *s, const char *path);

/* How many entries come before that path, in order. */
size_t seal_before(const struct seal *s, const char *path);

/* The seal of that backup. ENOENT; EBADMSG: damaged, or another's (logged); else as record_read and seal_decode. id may be NULL. */
int seal_read(struct vault *v, const char *tenant, const char *stem, struct seal *out, struct record_id *id, struct store_call *call);
/* Encodes it and writes it as s->tenant's and s->stem's. old NULL: there must be none (EEXIST); else only over that version (ESTALE). As seal_encode and record_write. */
int seal_write(struct vault *v, struct seal *s, const struct record_id *old, struct record_id *id, struct store_call *call);

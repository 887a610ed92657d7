/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "crypto/chunks.h"
#include "crypto/digest.h"
#include "vault/acting.h"
#include "vault/hold.h"
#include "vault/verify.h"

#include <errno.h>

#define HASH_FUNCTION HASH_FNV /* the default one is written with fall-throughs, which clang takes for mistakes */
#define HASH_NONFATAL_OOM 1    /* an entry that could not be added has hh.tbl == NULL */
#include <uthash.h>

/* What the files that find out about backups share (backup.c, catalog_*.c, members.c, verify*.c); for them only. */

/* ---- members.c: the objects of one backup */
struct members {
	struct member *list; /* in order of key; keys owned */
	size_t count, cap;
	uint64_t bytes;      /* in the bucket */
	int64_t newest_s;    /* LastModified */
	uint8_t listed[DIGEST_BYTES];
};
/* 0; or what the listing answered, logged. */
int members_list(struct vault *v, const char *tenant, const char *stem, struct members *out, struct store_call *call);
void members_free(struct members *m);
/* One more object in the digest of a backup's listing. */
void listed_add(struct digest *d, uint8_t listed[DIGEST_BYTES], const struct store_object *o);

/* ---- catalog_scan.c: the tenant as it is listed, a row for each backup */
struct claim { /* what a writer's record says of a path that should be there */
	struct claim *next;
	char *key;       /* of the bucket; owned */
	int error;       /* 0: an upload; else the errno that a path failed with */
	int64_t since_s; /* writer's clock: a good object from after it settles this */
	bool live;       /* its writer is not silent */
};

struct row {
	struct backup b;      /* stem, objects, bytes (in the bucket), committed_s (LastModified), listed, seal_etag, held */
	struct claim *claims; /* owned */
	bool tombstone;       /* a record of that name stands */
	bool young;           /* changed less than settle_s ago */
	int64_t seal_modified_s;
	UT_hash_handle hh;    /* by stem */
};

struct scan {
	struct vault *v;
	const char *tenant, *only; /* borrowed; only: NULL, or the one stem */
	uint32_t settle_s;
	struct store_call *call;   /* the caller's, or NULL */
	const struct catalog_options *options; /* NULL: none */
	struct row *rows;
	bool exists;               /* something of that tenant stands */
	uint64_t objects;
	int64_t begun_s, server_s, skew_s;
	uint8_t (*live)[16];       /* ids of writers that are not silent */
	size_t live_count;
	bool live_unknown;         /* there is one whose record cannot be read */
};
/* v, tenant, only, settle_s, call are set. 0; or the first listing or record that could not be read. */
int scan_read(struct scan *s);
void scan_free(struct scan *s);
struct row *scan_find(const struct scan *s, const char *stem);
struct row *scan_row(struct scan *s, const char *stem); /* made where there is none; NULL: no memory */
bool scan_lives(const struct scan *s, const uint8_t writer[16]);

/* ---- catalog_writers.c */
int scan_writers(struct scan *s);

/* ---- catalog_sealed.c: a backup with a seal */
/* Whether a record of reopening stands that is of this backup. */
int reopened(struct scan *s, const char *stem, bool *yes);
/* Whether a text that was read as a record counts for nothing, for good: damaged, foreign, of another key, of a newer version, too long. */
static inline bool counts_for_nothing(int rc)
{
	return rc == EBADMSG || rc == ENOKEY || rc == EPROTONOSUPPORT || rc == EFBIG;
}
const char *seal_trouble(int rc); /* the same of a seal, for people */
/* Whether the seal that was read is the one that stands now. 0 or a store errno. */
int still_sealed_so(struct scan *s, const char *stem, const struct record_id *id, bool *yes);
/* SEALED, DAMAGED or OPEN. ENOENT: there is no seal any more. */
int decide_sealed(struct scan *s, struct row *r, unsigned threads);

/* ---- catalog_unsealed.c: a backup without one */
int decide_unsealed(struct scan *s, struct row *r, unsigned threads);
/* Whether that reason was found in the members themselves, so that it holds as long as they stand. */
bool reason_of_members(const char *reason);
void set_reason(struct backup *b, const char *text); /* one line of printable bytes, cut */
void set_time(struct backup *b);                     /* timed, imported, time_s from stem and committed_s */

/* ---- verify_faults.c: what was found, kept until it is sure that nobody was just at it */
struct fault {
	char *path, *detail; /* owned */
	enum verify_fault what;
};
struct faults {
	struct fault *list;
	size_t count, cap;
	bool failed; /* one is missing: no memory */
};
void faults_add(struct faults *f, const char *path, enum verify_fault what, const char *detail);
void faults_sort(struct faults *f); /* by path */
void faults_free(struct faults *f);
DEFINE_AUTO(faults, faults_free)

/* ---- verify_share.c: which bytes of a backup a sample decrypts */
#define PIECE_CHUNKS 64u /* 4 MiB: larger objects are shared out in pieces of this */
struct share {
	unsigned rounds; /* in so many runs, one behind the other, each piece has its turn once; 0: all have it always */
	unsigned turn;   /* of this run, below rounds */
};
struct share share_of(unsigned percent, uint64_t run);
uint64_t share_first(const struct share *s, const uint8_t object[16]); /* the first piece whose turn it is; it may be behind the object's end */
static inline uint64_t share_step(const struct share *s) /* from there to the next */
{
	return s->rounds ? s->rounds : 1;
}
static inline uint64_t share_pieces(uint64_t size) /* of an object of so many plain bytes: at least one */
{
	return (chunk_count(size) + PIECE_CHUNKS - 1) / PIECE_CHUNKS;
}

/* ---- verify_members.c */
struct meter { /* one for all that is verified by one call */
	const struct verify_config *config;
	pthread_mutex_t lock; /* progress; and held over the caller's functions */
	struct verify_progress progress;
};
struct verify_how { /* how one backup is looked at */
	bool decrypt;
	struct share share;    /* decrypt: of this part */
	unsigned threads;
	struct faults *faults; /* NULL: they are counted only */
};
struct verified {
	unsigned faults;
	uint64_t scratch; /* as in struct backup */
	int error;       /* what a member could not be read for: then nothing is known of it. 0: all could */
	char first[160]; /* the first fault, in order of path; "" */
};
/* tenant and stem are the seal's. 0; ECANCELED; ENOMEM. */
int verify_members(struct vault *v, const struct seal *seal, const struct member *members, size_t count, struct meter *meter, const struct verify_how *how, struct verified *out,
		   struct store_call *call);
void meter_faults(struct meter *m, const char *tenant, const char *stem, struct faults *f); /* tells them, sorted */
void meter_add(struct meter *m, unsigned backups, unsigned objects, uint64_t bytes);
/* Before the next step: lets the caller slow it down. ECANCELED: it is to stop. */
int meter_go_on(struct meter *m, const struct store_call *call);

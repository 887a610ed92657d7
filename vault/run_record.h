/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "s3/store.h"
#include "vault/path.h"

/* The content of a writer's record (run.h) in memory, and as JSON. Plain data structure: the owner locks.
 *
 *   {"writer":"<32 hex>","tenant":"acme","program":"pishopfs 0.1.0","started":"<RFC 3339>","refreshed":"<RFC 3339>",
 *    "ended":"<RFC 3339>",          only after an end that left something behind
 *    "taken_by":"<32 hex>",         only after another writer took it: then its first owner may publish nothing any more
 *    "uploads":[{"key":"<bucket key>","id":"<upload id>","since":"<RFC 3339>"}],
 *    "failed":[{"path":"acme/b/f","error":5}],   Linux errno
 *    "more_uploads":true,"more_failed":true}     only where the lists did not hold all
 *
 * Paths are bytes; what is not UTF-8 stands in the JSON as it is. A reader refuses members that it does not know: a later version adds one only
 * for something that must be cleaned up, and who does not know it must leave the record alone. */
#define RUN_JSON_MAX (1u << 20) /* bytes of the JSON: what a one-shot object holds */
#define RUN_FAILED_MAX 1000u    /* paths */
#define RUN_UPLOADS_MAX 1000u   /* named in the JSON; in memory there is no limit */
#define RUN_WRITER_HEX 33u      /* a writer id in hex, with NUL */
#define RUN_PROGRAM_MAX 64u     /* bytes with NUL */

struct run_upload {
	char *key, *id; /* owned */
	int64_t since;  /* seconds, writer's clock, as all times here */
};

struct run_failure {
	char *path; /* owned */
	int error;  /* errno */
};

struct run_record {
	char writer[RUN_WRITER_HEX];
	char tenant[PATH_CAP];
	char program[RUN_PROGRAM_MAX];
	int64_t started, refreshed;
	int64_t ended;                 /* 0: not ended */
	char taken_by[RUN_WRITER_HEX]; /* "": nobody */
	struct run_upload *uploads;
	size_t upload_count;
	struct run_failure *failed;
	size_t failed_count;
	bool more_uploads, more_failed; /* there were more than the lists hold */
};

/* Frees the lists; the record is then empty. NULL is legal. */
void run_record_free(struct run_record *r);

/* Adds one; ENOMEM. */
int run_record_add_upload(struct run_record *r, const char *key, const char *id, int64_t since);
bool run_record_drop_upload(struct run_record *r, const char *key, const char *id); /* false: it was not there */
void run_record_drop_uploads(struct run_record *r);                                 /* all of them */
/* Adds a path, or changes its error. Where the list is full, or memory is short, more_failed is set instead. */
void run_record_add_failed(struct run_record *r, const char *path, int error);
bool run_record_drop_failed(struct run_record *r, const char *path); /* false: it was not there */
/* Whether a path failed that nobody has written anew. */
bool run_record_has_failed(const struct run_record *r);

/* Appends the JSON to out (buf_init with RUN_JSON_MAX): 0 or ENOMEM. What does not fit is left out and told by the more_ members; uploads are kept
 * before paths. */
int run_record_encode(const struct run_record *r, struct buf *out);
/* 0; EBADMSG: not exactly such a record, within its limits; ENOMEM. *out is filled on 0 only, and to be freed. */
int run_record_decode(const void *json, size_t len, struct run_record *out);

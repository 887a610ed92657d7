/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "s3/store.h"

/* Constructors of every store and layer. All return 0 or an errno, and the store in *out. */

/* ---- mem_store.c: in memory, for tests; honours everything, limits can be made small. */
int mem_store_new(const struct store_limits *limits /* NULL: S3's */, struct store **out);
/* Switches versioning on for good: from now on every write makes a version and every remove a delete marker. What is there already is
 * version "null". Any thread. */
void mem_store_keep_versions(struct store *mem);
/* An object lock: no version whose key contains this can be removed, until the next call. Borrowed; NULL: none. */
void mem_store_lock(struct store *mem, const char *key_part);
/* One more of the rules that `rules` answers; nothing acts on it. 0 or ENOMEM. */
int mem_store_add_rule(struct store *mem, const struct store_rule *rule);

/* ---- dir_store.c: a local folder that exists, one file an object; crash-safe (temporary file, fsync, rename, fsync of the folder).
 * Same semantics as S3, conditions included, for all processes that use this store on the same folder (flock per key).
 * A folder that can only be read opens and is changed in nothing; writes then answer EACCES. An object under another object's name
 * ("a" and "a/b") is EINVAL; a symbolic link in the path is EACCES: none is followed. ENODEV: root is not a folder; EACCES: not readable. */
int dir_store_new(const char *root, struct store **out);

/* ---- s3_store.c */
enum s3_signing { S3_SIGN_AUTO, S3_SIGN_PAYLOAD, S3_SIGN_UNSIGNED }; /* auto: unsigned payload over TLS, signed over plain HTTP */

struct s3_config {
	const char *endpoint;    /* host[:port], without scheme */
	bool tls;
	const char *bucket;
	const char *region;      /* "us-east-1" where NULL */
	bool path_style;         /* true: host/bucket/key; false: bucket.host/key */
	const char *access_key, *secret_key, *session_token; /* copied, wiped when freed; token may be NULL */
	const char *ca_file;     /* PEM for a private CA, NULL: the system's */
	enum s3_signing signing;
	uint32_t connect_ms;     /* 0: 5000 */
	uint32_t data_stall_ms;  /* a data request fails after this long without a byte of progress; 0: 120000 */
	uint32_t meta_ms;        /* whole metadata request, retries apart; 0: 30000 */
	unsigned connections;    /* most at once; 0: 32 */
};
int s3_store_new(const struct s3_config *config, struct store **out);
/* New credentials for the requests that begin from now on (secret folders are rotated). */
int s3_store_set_credentials(struct store *s3, const char *access_key, const char *secret_key, const char *session_token);

/* ---- retry_store.c: repeats what is safe to repeat, with full jitter and a token budget, inside the call's deadline.
 * A first data try that failed after longer than data_ms, but not for want of an answer, was making progress and gets a second one.
 * A damaged reply is asked for five times at most; a write refused with 403 three times (MinIO says so beside a vanishing folder).
 * A conditional put or complete whose reply was lost and whose repetition answers ESTALE or ENODATA is returned as that error with
 * err.ambiguous = true: the vault then looks who stands there. Takes `below` over, also on failure. */
struct retry_config {
	uint32_t base_ms, cap_ms; /* backoff: uniform in 0..min(cap, base << try); 0: 100 and 20000 */
	uint32_t data_ms;         /* give up a data call after this long without success; 0: 120000 */
	uint32_t meta_ms;         /* the same for metadata calls; 0: 30000 */
	uint32_t tokens;          /* retry budget: a retry takes 5 (network errors 10), a success gives 1 back; without tokens the next try
	                             waits half of cap_ms or more, whichever try it is: only a deadline ends a call; 0: 500 */
};
int retry_store_new(struct store *below, const struct retry_config *config, struct store **out);

/* ---- stats_store.c: counts calls, errors and bytes by operation. */
enum store_op {
	STORE_GET, STORE_PUT, STORE_HEAD, STORE_LIST, STORE_REMOVE, STORE_COPY, STORE_BEGIN, STORE_PART, STORE_PART_COPY,
	STORE_COMPLETE, STORE_ABORT, STORE_LIST_PARTS, STORE_LIST_UPLOADS, STORE_VERSIONS, STORE_REMOVE_VERSIONS, STORE_RULES, STORE_PROBE,
	STORE_SPACE, STORE_OPS
};
struct store_counts {
	uint64_t calls[STORE_OPS], errors[STORE_OPS];
	uint64_t bytes_in, bytes_out; /* object bytes read, written */
};
const char *store_op_name(enum store_op op);
int stats_store_new(struct store *below, struct store **out);
void stats_store_read(struct store *stats, struct store_counts *out);

/* ---- limit_store.c: lets object bytes of get, put and part pass at bytes_per_s at most (0: unlimited), in all threads and both
 * directions together. A call waits before it begins until the calls before it are paid for, so the first of them goes at once; copies
 * inside the store are free. Waiting is no part of the call's time, so this layer stands above retry; call->cancel ends it (ECANCELED). */
int limit_store_new(struct store *below, uint64_t bytes_per_s, struct store **out);

/* ---- fault_store.c: for tests. Rules are tried in order; the first that matches a call acts. */
enum fault_action {
	FAULT_FAIL,        /* answer `error`, do nothing below */
	FAULT_LOSE_REPLY,  /* do it below, then answer `error` with err.ambiguous = true */
	FAULT_HOLD,        /* wait until fault_store_release (or call->cancel), then go on */
	FAULT_CALLBACK,    /* call fn before going below: to change the store behind the caller's back */
	FAULT_FLIP,        /* get: flip one bit of the answer */
	FAULT_CUT,         /* get: EBADMSG after half of the bytes */
	FAULT_NO_RANGE,    /* part_copy: the whole source becomes the part */
	FAULT_MIX_UP,      /* part and complete, one rule for each: parts 2 and 3 trade places */
	FAULT_ODD_ETAG     /* part and complete, one rule for each: the ETags of parts are not those which make the object's */
};
struct fault_rule {
	enum store_op op;
	const char *key_part; /* NULL: any key; else the key must contain it */
	unsigned skip;        /* let so many matching calls pass first */
	unsigned times;       /* act so often; 0: for ever */
	enum fault_action action;
	int error;
	void (*fn)(void *arg);
	void *arg;
};
int fault_store_new(struct store *below, struct store **out);
int fault_store_add(struct store *fault, const struct fault_rule *rule); /* copied; ENOMEM; EINVAL: a rule that cannot act */
void fault_store_clear(struct store *fault);                            /* also lets go of held calls */
void fault_store_release(struct store *fault);                          /* lets go of held calls; HOLD rules stay */
unsigned fault_store_hits(struct store *fault);                         /* how often any rule has acted */

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/auto.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* An object store: a flat map from keys to immutable byte strings, with the S3 semantics that the vault relies on.
 *
 * Implementations (s3, dir, mem) and layers (retry, fault, stats) are the same type and stack. A layer owns what is below it.
 * Every call blocks until it is answered or its deadline has passed; any thread; many calls at once.
 *
 * ASSUMPTIONS of the vault, checked by the conformance suite (tests/unit/s3) on every store:
 *   STORE-1  a put, copy or complete is atomic: readers see the old object or the new one, whole.
 *   STORE-2  a get, head or list after a successful put, copy, complete or remove sees it.
 *   STORE-3  conditions are decided atomically with the write that carries them (where `conditional` is true).
 *   STORE-4  list is in order of the keys' bytes; with delimiter "/", a common prefix ends in "/".
 *   STORE-5  the ETag changes whenever the bytes change.
 *
 * Keys are byte strings of 1..limits.key_max bytes without NUL, no segment empty, "." or "..", but for one trailing "/" (a folder
 * marker). Every function answers EINVAL for others, ENAMETOOLONG when a segment or the key is too long.
 *
 * Errors are positive errno values, each with one meaning:
 *   ENOENT        no such object
 *   ENODATA       no such multipart upload
 *   ESTALE        a condition did not hold (412), for get, put, copy and complete alike
 *   EACCES        the store says this identity may not (403 AccessDenied)
 *   EKEYREJECTED  the credentials are wrong (unknown key id, bad signature, expired token)
 *   ENODEV        no such bucket or root folder
 *   EHOSTUNREACH  no connection: DNS, refused, unreachable
 *   EPROTO        TLS failed: certificate not trusted or not for this host
 *   ETIMEDOUT     no answer, or no byte of progress, within the deadline
 *   EAGAIN        the store asks to slow down (503, 429, SlowDown)
 *   EREMOTEIO     the store failed (other 5xx)
 *   EBADMSG       a reply that cannot be parsed, is cut, or is not what was asked for
 *   EILSEQ        the store says the bytes it got have another checksum
 *   ENOSPC        the store is full or over its quota
 *   EFBIG         larger than the store takes
 *   EINVAL        the request is wrong (400, a bad key or argument)
 *   EOPNOTSUPP    the store cannot do that
 *   EPERM         an object lock keeps this version for now (remove_versions)
 *   ENOTRECOVERABLE  the clock is so far off that requests are refused, and correcting did not help
 *   ECANCELED     call->cancel was set
 *   ESHUTDOWN     store_end_by's moment has come
 *   ENOMEM, EIO   here, not there */

struct store;

#define STORE_ETAG_MAX 96   /* bytes with the NUL; the ETag is kept as the server gave it, without quotes */
#define STORE_UPLOAD_MAX 512 /* bytes of an upload id with the NUL */
#define STORE_COMMIT_HEX 33 /* a commit id in hex with the NUL: 16 bytes */

/* What went wrong, for the log and for messages; texts are "" where unknown. */
struct store_error {
	int code;              /* errno as above; 0: no error */
	int http_status;       /* 0: no reply */
	bool ambiguous;        /* the store may have done it all the same (the reply was lost, a 5xx after the body was sent, an error inside a 2xx) */
	char s3_code[64];      /* "NoSuchBucket", "SlowDown" ... */
	char message[256];     /* the server's or the library's words */
	char request_id[64];
	char key[256];         /* the key concerned, cut */
};

/* How one call is to be made, and how it went. NULL wherever it is taken: defaults, and details are not wanted. */
struct store_call {
	uint32_t timeout_ms;       /* whole call with its retries; 0: the store's default for that kind (data: no progress, meta: total) */
	const atomic_bool *cancel; /* checked between tries and a few times a second; may be NULL */
	struct store_error err;    /* out */
	int64_t server_date;       /* out: the server's clock in seconds (Date header), 0 where it did not tell */
};

/* A condition on what stands at the destination key. Empty strings: no condition. At most one of the two. if_match where nothing stands
 * is ESTALE like any other mismatch. After a complete that was refused so, the upload is still open. */
struct store_cond {
	bool if_none_match;               /* nothing may be there */
	char if_match[STORE_ETAG_MAX];    /* exactly this object must be there */
};

/* What the store knows of an object. */
struct store_meta {
	uint64_t size;                  /* bytes of the whole object */
	char etag[STORE_ETAG_MAX];
	char commit[STORE_COMMIT_HEX];  /* user metadata "pishop-commit", "" if none */
	int64_t modified;               /* LastModified, seconds since the epoch */
};

/* A range: offset >= 0: length bytes from there (0: to the end). offset < 0: the last -offset bytes; length is then ignored. */
struct store_range {
	int64_t offset;
	uint64_t length;
};

struct store_object {
	char *key;     /* whole key; a common prefix ends in "/" and has prefix = true */
	bool prefix;
	uint64_t size;
	char etag[STORE_ETAG_MAX];
	int64_t modified;
};

/* One page of a listing, in order of key. */
struct store_page {
	struct store_object *objects;
	size_t count;
	char *next; /* token of the following page, NULL: this was the last */
};

struct store_part {
	uint32_t number; /* 1..limits.parts_max */
	uint64_t size;
	char etag[STORE_ETAG_MAX];
	int64_t modified; /* out of list_parts */
};

struct store_parts {
	struct store_part *parts;
	size_t count;
};

struct store_uploads {
	char **ids;
	size_t count;
};

/* One version of a key in a bucket that keeps them. */
#define STORE_VERSION_MAX 128 /* bytes of a version id with the NUL */
struct store_version {
	char *key;
	char id[STORE_VERSION_MAX]; /* "null" for one from before versioning */
	bool marker;                /* a delete marker: it hides what is older */
	bool latest;
	uint64_t size;              /* bytes; a marker's is 0 */
	char etag[STORE_ETAG_MAX];
	int64_t modified;
};
struct store_versions {
	struct store_version *list;
	size_t count;
	char *next;                 /* token of the following page, NULL: this was the last */
};

/* What the bucket does by itself. */
struct store_rule {
	char id[64];
	char prefix[256];           /* keys it holds for */
	bool expires_current;       /* deletes, or hides, objects by age */
	uint32_t days;              /* 0: by date */
};
struct store_rules {
	struct store_rule *list;    /* only enabled ones */
	size_t count;
	bool versioning;            /* the bucket keeps versions */
};

/* Values, so that tests cross them with small ones. */
struct store_limits {
	uint64_t part_min;   /* bytes of the smallest part that is not the last */
	uint64_t part_max;
	uint32_t parts_max;  /* parts of one upload */
	uint64_t copy_max;   /* bytes that one copy or part copy takes */
	uint64_t put_max;    /* bytes of one put */
	uint64_t object_max; /* bytes of one object */
	uint32_t key_max;    /* bytes of a key, without NUL */
	uint32_t segment_max; /* bytes between two "/" */
	uint32_t delete_max; /* keys of one remove */
	uint32_t list_max;   /* keys of one page */
};

struct store_space {
	uint64_t total, free; /* bytes; 0, 0: the store does not tell */
};

struct store_ops {
	/* Reads a range into iov, in order. *got: bytes written. A range that begins at or after the end gives 0 and *got = 0 where
	 * offset is 0 (empty object), else EINVAL (416). The range never asks for more than iov holds; bytes beyond iov: EBADMSG.
	 * if_match (may be NULL): ESTALE when the object has another ETag. meta may be NULL. Fewer bytes than the object has in
	 * that range is EBADMSG, never success. */
	int (*get)(struct store *s, const char *key, struct store_range range, const char *if_match, const struct iovec *iov,
		   int iovcnt, size_t *got, struct store_meta *meta, struct store_call *call);
	/* Writes one whole object from iov (which stays the caller's and unchanged until the return, so that it can be sent again).
	 * commit: hex for the user metadata, or NULL. cond and meta may be NULL; meta gets etag and size. */
	int (*put)(struct store *s, const char *key, const struct iovec *iov, int iovcnt, const char *commit,
		   const struct store_cond *cond, struct store_meta *meta, struct store_call *call);
	int (*head)(struct store *s, const char *key, struct store_meta *meta, struct store_call *call);
	/* One page of keys that begin with prefix ("" : all). delimiter: '/' or 0. token: NULL or the previous page's next.
	 * max: 0 or up to limits.list_max. The page is the caller's: store_page_free. */
	int (*list)(struct store *s, const char *prefix, char delimiter, const char *token, uint32_t max, struct store_page *page,
		    struct store_call *call);
	/* Removes up to limits.delete_max keys; a key that is not there counts as removed. results[i]: 0 or an errno for keys[i].
	 * Returns 0 when every result is 0, else the first of them, or the error of the whole request (all results set to it). */
	int (*remove)(struct store *s, const char *const *keys, size_t count, int *results, struct store_call *call);
	/* Copies a whole object of up to limits.copy_max bytes inside the store, with a new commit id. src_etag: ESTALE unless src is
	 * that object (NULL: any). cond is on dst; where the server cannot do both, EOPNOTSUPP is answered and nothing done. meta gets the
	 * etag, and the size where the store tells (S3 does not: 0). */
	int (*copy)(struct store *s, const char *src, const char *src_etag, const char *dst, const char *commit,
		    const struct store_cond *cond, struct store_meta *meta, struct store_call *call);
	/* Multipart upload. begin: upload_id is out. part: meta of the part in *part (number in, size and etag out). */
	int (*begin)(struct store *s, const char *key, const char *commit, char upload_id[STORE_UPLOAD_MAX], struct store_call *call);
	int (*part)(struct store *s, const char *key, const char *upload_id, const struct iovec *iov, int iovcnt,
		    struct store_part *part, struct store_call *call);
	/* Bytes [offset, offset+length) of src, which must have src_etag (else ESTALE), become a part. length <= limits.copy_max. */
	int (*part_copy)(struct store *s, const char *key, const char *upload_id, const char *src, const char *src_etag,
			 uint64_t offset, uint64_t length, struct store_part *part, struct store_call *call);
	/* Joins the parts, given in ascending order of number. Fewer parts than were sent make a shorter object: the caller checks. */
	int (*complete)(struct store *s, const char *key, const char *upload_id, const struct store_part *parts, size_t count,
			const struct store_cond *cond, struct store_meta *meta, struct store_call *call);
	int (*abort)(struct store *s, const char *key, const char *upload_id, struct store_call *call); /* ENODATA: it was gone */
	int (*list_parts)(struct store *s, const char *key, const char *upload_id, struct store_parts *parts, struct store_call *call);
	/* Open uploads of exactly this key. */
	int (*list_uploads)(struct store *s, const char *key, struct store_uploads *uploads, struct store_call *call);
	/* Versions and delete markers of keys that begin with prefix: one page, by key, newest first. token: NULL or the previous page's next. EOPNOTSUPP: this
	 * store has none. In a bucket without versioning each object is its only version, "null". */
	int (*versions)(struct store *s, const char *prefix, const char *token, uint32_t max, struct store_versions *page, struct store_call *call);
	/* Removes exactly these versions for good (limits.delete_max); what is not there counts as removed. Results as remove. An object lock answers EPERM for
	 * its key: it cannot go yet. EOPNOTSUPP as above. */
	int (*remove_versions)(struct store *s, const struct store_version *versions, size_t count, int *results, struct store_call *call);
	/* Lifecycle rules and versioning. EOPNOTSUPP; EACCES: may not look. */
	int (*rules)(struct store *s, struct store_rules *out, struct store_call *call);
	/* One cheap request that proves endpoint, credentials and bucket: 0 or the distinct errors above. */
	int (*probe)(struct store *s, struct store_call *call);
	int (*space)(struct store *s, struct store_space *space, struct store_call *call);
	void (*free)(struct store *s); /* and what is below */
};

/* The head of every implementation's own struct. */
struct store {
	const struct store_ops *ops;
	struct store_limits limits;
	bool conditional; /* the store is believed to honour conditions on put and complete; vault's self-test may clear it */
	char name[96];    /* for messages: "s3://bucket at host:port", "dir:/path" */
	struct store *below;      /* of a layer: the store below it, owned; else NULL */
	_Atomic int64_t end_ms;   /* see store_end_by; 0: no end */
};

void store_free(struct store *s); /* NULL is legal */
DEFINE_AUTO(store, store_free)
/* From that moment on (clock_mono_ms; 0: no end, which can be taken back so) every call answers ESHUTDOWN: at once where it comes later, within
 * half a second where it is under way, and then ambiguous if it may have been done. Only what runs in the kernel of a folder store comes to its own
 * end first. For the end of a program, whose deadline no server can then outlast. Any thread; never blocks. */
void store_end_by(struct store *s, int64_t end_ms);
void store_page_free(struct store_page *page);
void store_parts_free(struct store_parts *parts);
void store_uploads_free(struct store_uploads *uploads);
void store_versions_free(struct store_versions *versions);
void store_rules_free(struct store_rules *rules);

/* Checks a key against the rules above and the limits: 0, EINVAL, ENAMETOOLONG. */
int store_key_check(const struct store_limits *limits, const char *key);
/* Fills call->err (call may be NULL) and returns code, for one-line error returns in implementations. */
int store_fail(struct store_call *call, int code, const char *key, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* One line for people: "key: message (NoSuchBucket, HTTP 404, request 17A...)". */
void store_error_text(const struct store_error *err, char *out, size_t cap);
size_t store_iov_bytes(const struct iovec *iov, int iovcnt);
/* The ETag that S3 gives to an object completed from these parts: md5(md5 of each part) "-" count. Where a part's ETag is not an
 * MD5 (encrypted buckets), 1 is returned and there is nothing to compare. */
int store_multipart_etag(const struct store_part *parts, size_t count, char out[STORE_ETAG_MAX]);

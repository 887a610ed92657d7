/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "s3/http.h"
#include "s3/sign.h"
#include "s3/store.h"
#include "s3/stores.h"

/* The S3 store's own contract between its files: s3_store.c (objects), s3_remove.c, s3_list.c, s3_multipart.c, s3_versions.c,
 * and s3_request.c, which makes their requests. */

#define S3_META_COMMIT "x-amz-meta-pishop-commit"
#define S3_CRC_TEXT 9     /* a CRC-32C in base64, with the NUL */
#define S3_QUOTED_MAX (STORE_ETAG_MAX + 2)
#define S3_NUMBER_MAX 24  /* a 64-bit number in decimal, with the NUL */
#define S3_PAIRS 8        /* query parameters, or headers, of one operation */
#define S3_TEXT_MAX (16u << 20) /* bytes of an XML answer: 1000 keys of 1024 bytes, each byte as "%XX" in several elements */

struct s3_store {
	struct store base;
	struct http_pool *http;
	struct signer *signer;
	char *origin;   /* "https://host:port" or "https://bucket.host:port" */
	char *host;     /* for the Host header */
	char *bucket;
	bool path_style;
	bool sign_payload; /* else UNSIGNED-PAYLOAD */
	uint32_t data_stall_ms, meta_ms;
	_Atomic int64_t skew;      /* seconds that the server's clock is ahead of ours, where that mattered */
	atomic_bool parts_by_md5;  /* this server refuses a CRC-32C on parts whose upload did not announce it (AWS does) */
};

static inline struct s3_store *s3_of(struct store *s)
{
	return (struct s3_store *)s;
}

/* One operation of the store in hand: what its requests share. */
struct s3_task {
	struct s3_store *store;
	struct store_call *call; /* never NULL */
	const char *key;         /* for messages too; "" : the bucket */
	bool data;               /* may last as long as it makes progress; else the whole task has a deadline */
	int64_t deadline;        /* clock_mono_ms, INT64_MAX: none */
	struct store_call unwanted; /* stands in for a call that the caller did not give */
};

/* One request. Texts and memory are borrowed. */
struct s3_request {
	const char *method;
	struct sign_pair query[S3_PAIRS];
	size_t query_count;
	struct sign_pair headers[S3_PAIRS];
	size_t header_count;
	const struct iovec *body;
	int body_count;
	const struct iovec *into;
	int into_count;
	bool to_bucket; /* and not to task->key */
	bool mutates;   /* a lost answer is ambiguous */
};

/* Begins an operation: resets call, checks the key (NULL: it is on the bucket). 0, or an error that is already told. */
int s3_task_begin(struct s3_task *task, struct store *s, const char *key, bool data, struct store_call *call);
/* A second key of the operation: 0, EINVAL, ENAMETOOLONG, told. */
int s3_check_key(struct s3_task *task, const char *key);

/* EINVAL for an empty upload id: a DELETE that names none would remove the object. */
int s3_check_upload(struct s3_task *task, const char *upload_id);

/* Adds one query parameter, plain. */
void s3_add_query(struct s3_request *request, const char *name, const char *value);
/* Adds one header, which will be signed; NULL or empty values are left out. */
void s3_add_header(struct s3_request *request, const char *name, const char *value);
/* "\"etag\"" into quoted; "" for NULL and "". */
void s3_quote(char quoted[S3_QUOTED_MAX], const char *etag);
/* The headers of a condition, into memory of the caller's. EINVAL: both conditions. */
int s3_add_condition(struct s3_task *task, struct s3_request *request, const struct store_cond *cond, char quoted[S3_QUOTED_MAX]);

/* Signs and sends the request and reads the whole answer; corrects a wrong clock and a wrong region once each. Fills *reply, which the
 * caller frees, and call->err. 0 for a 2xx without an <Error> in it, else an errno of store.h. */
int s3_send(struct s3_task *task, const struct s3_request *request, struct http_reply *reply);

/* An error after a good answer (it cannot be understood): fills call->err from reply, ambiguous where the request mutates. */
int s3_bad_reply(struct s3_task *task, const struct s3_request *request, const struct http_reply *reply, int code, const char *what);

/* The CRC-32C of iov for x-amz-checksum-crc32c. */
void s3_crc_text(char out[S3_CRC_TEXT], const struct iovec *iov, int iovcnt);
/* The ETag out of an answer's headers. EBADMSG: none, or not one. */
int s3_reply_etag(const struct http_reply *reply, char etag[STORE_ETAG_MAX]);

/* An answer may repeat the checksum, which is then that of the bytes that the server stored. */
bool s3_other_checksum(const struct http_reply *reply, const char *crc);
/* NULL, or an id of the form that store.h asks for. */
bool s3_good_commit(const char *commit);

/* Appends "/bucket/key", encoded, for x-amz-copy-source. */
int MUST_CHECK s3_copy_source(struct s3_store *s, struct buf *out, const char *key);

/* Operations of struct store_ops, by file. */
int s3_list(struct store *s, const char *prefix, char delimiter, const char *token, uint32_t max, struct store_page *page,
	    struct store_call *call);
int s3_remove(struct store *s, const char *const *keys, size_t count, int *results, struct store_call *call);
int s3_begin(struct store *s, const char *key, const char *commit, char upload_id[STORE_UPLOAD_MAX], struct store_call *call);
int s3_part(struct store *s, const char *key, const char *upload_id, const struct iovec *iov, int iovcnt, struct store_part *part,
	    struct store_call *call);
int s3_part_copy(struct store *s, const char *key, const char *upload_id, const char *src, const char *src_etag, uint64_t offset,
		 uint64_t length, struct store_part *part, struct store_call *call);
int s3_complete(struct store *s, const char *key, const char *upload_id, const struct store_part *parts, size_t count,
		const struct store_cond *cond, struct store_meta *meta, struct store_call *call);
int s3_abort(struct store *s, const char *key, const char *upload_id, struct store_call *call);
int s3_list_parts(struct store *s, const char *key, const char *upload_id, struct store_parts *parts, struct store_call *call);
int s3_list_uploads(struct store *s, const char *key, struct store_uploads *uploads, struct store_call *call);
int s3_versions(struct store *s, const char *prefix, const char *token, uint32_t max, struct store_versions *page, struct store_call *call);
int s3_remove_versions(struct store *s, const struct store_version *versions, size_t count, int *results, struct store_call *call);
int s3_rules(struct store *s, struct store_rules *out, struct store_call *call);

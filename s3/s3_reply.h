/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "s3/store.h"

/* The XML answers of S3, parsed strictly: pure functions over bytes that a hostile or broken server may have made.
 * All answer 0, ENOMEM, or EBADMSG where the document is not whole, is of another kind, or lacks or contradicts what it must say.
 * The memory of what they fill is the caller's, also on errors. */

struct s3_error_reply {
	char s3_code[64];
	char message[256]; /* cut where longer; so below */
	char request_id[64];
	char region[64];   /* where the bucket is, when the request went to a wrong one */
};
int s3_parse_error(const void *data, size_t len, struct s3_error_reply *error);

struct s3_result {
	char etag[STORE_ETAG_MAX];
	int64_t modified; /* 0: not told */
	char upload_id[STORE_UPLOAD_MAX];
};
/* root: "CopyObjectResult", "CopyPartResult", "CompleteMultipartUploadResult" (these must have an ETag) or
 * "InitiateMultipartUploadResult" (which must have an upload id). */
int s3_parse_result(const void *data, size_t len, const char *root, struct s3_result *result);

/* One page of ListObjectsV2. prefix: what was asked for; keys outside it are EBADMSG. The page is in order of key. */
int s3_parse_list(const void *data, size_t len, const char *prefix, struct store_page *page);

/* One page of ListParts, appended to parts. next: the marker of the following page, 0: this was the last. */
int s3_parse_parts(const void *data, size_t len, struct store_parts *parts, uint32_t *next);

/* One page of ListMultipartUploads: those of exactly this key are appended. next_key and next_id: markers of the following page,
 * "" : this was the last. */
struct s3_uploads_next {
	char *key, *id; /* NULL: the last page; freed by the caller */
};
int s3_parse_uploads(const void *data, size_t len, const char *key, struct store_uploads *uploads, struct s3_uploads_next *next);

/* One page of ListObjectVersions: prefix as above. By key, and newest first within one. page->next is the token of the following page, made
 * of the two markers of the answer. */
int s3_parse_versions(const void *data, size_t len, const char *prefix, struct store_versions *page);

/* VersioningConfiguration: whether versions are kept, or were until they were suspended: old ones are still there then. */
int s3_parse_versioning(const void *data, size_t len, bool *keeps);
/* LifecycleConfiguration: its enabled rules, into rules->list. What narrows a rule further than its prefix (tags, sizes) is not looked at,
 * and a prefix that is too long is cut: a rule may hold for less than is told, never for more. */
int s3_parse_lifecycle(const void *data, size_t len, struct store_rules *rules);

/* DeleteResult: fn is called for every key that could not be deleted; version: "" where none is told. */
typedef int (*s3_delete_error_fn)(void *arg, const char *key, const char *version, const struct s3_error_reply *error);
int s3_parse_delete(const void *data, size_t len, s3_delete_error_fn fn, void *arg);

/* An ETag as S3 sends it, in a header or in XML: the quotes go. EBADMSG: empty, too long, or with characters that no ETag has. */
int s3_take_etag(char etag[STORE_ETAG_MAX], const char *text);
/* "%2F" and "+" of encoding-type=url undone, in place: EBADMSG for a bad escape or a NUL. */
int s3_url_decode(char *text);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "s3/store_impl.h"

/* The memory store's own contract between mem_store.c (objects), mem_upload.c (multipart uploads) and mem_version.c (what it keeps of
 * old ones). */

struct mem_object {
	char *key;
	uint8_t *data;
	struct store_meta meta;
	char version[STORE_VERSION_MAX];
	bool marker;              /* a delete marker, without data */
	struct mem_object *older; /* the version before this one, owned */
};

struct mem_part {
	uint8_t *data;
	struct store_part part;
	struct mem_part *next; /* in order of number */
};

struct mem_upload {
	char id[STORE_UPLOAD_MAX];
	char *key;
	char commit[STORE_COMMIT_HEX];
	struct mem_part *parts;
	struct mem_upload *next;
};

struct mem_store {
	struct store base;
	pthread_mutex_t lock; /* everything below */
	struct mem_object **objects; /* the newest version of each key, in order of key */
	size_t count, cap;
	struct mem_upload *uploads;
	uint64_t uploads_ever; /* makes their ids */
	bool keeps_versions;
	uint64_t versions_ever;  /* makes their ids */
	const char *locked;      /* NULL, or part of the keys whose versions cannot go */
	struct store_rules rules;
};

static inline struct mem_store *mem_of(struct store *s)
{
	return (struct mem_store *)s;
}

void mem_object_free(struct mem_object *object); /* and what is older; NULL is legal; so below */
DEFINE_AUTO(mem_object, mem_object_free)
void mem_upload_free(struct mem_upload *upload);

/* Resets call and checks cancellation and key (NULL: none): 0 or an error that is already told. */
int mem_begin_call(struct mem_store *m, const char *key, struct store_call *call);
/* Index of the first object whose key is >= key; > key where `after`. */
size_t mem_lower_bound(const struct mem_store *m, const char *key, bool after);
/* Takes the object of that index out of the array, which may be the last thing that knows it. */
void mem_take_out(struct mem_store *m, size_t i);
/* A new object with room for size bytes, not yet in the store; NULL: no memory. */
struct mem_object *mem_object_new(const char *key, uint64_t size, const char *commit);
/* Moves *object in where cond allows it; *object is NULL after a success. The lock is held. */
int mem_install(struct mem_store *m, struct mem_object **object, const struct store_cond *cond, struct store_meta *meta,
		struct store_call *call);
/* Finds src for a copy: ENOENT, ESTALE. The lock is held, and *object is good until it is let go. */
int mem_find_source(struct mem_store *m, const char *src, const char *src_etag, const struct mem_object **object,
		    struct store_call *call);
void mem_gather(uint8_t *out, const struct iovec *iov, int iovcnt);
int mem_md5_etag(const struct iovec *iov, int iovcnt, char etag[STORE_ETAG_MAX]); /* 0 or EIO */

/* Operations of struct store_ops that mem_upload.c does. */
int mem_begin(struct store *s, const char *key, const char *commit, char upload_id[STORE_UPLOAD_MAX], struct store_call *call);
int mem_part(struct store *s, const char *key, const char *upload_id, const struct iovec *iov, int iovcnt, struct store_part *part,
	     struct store_call *call);
int mem_part_copy(struct store *s, const char *key, const char *upload_id, const char *src, const char *src_etag, uint64_t offset,
		  uint64_t length, struct store_part *part, struct store_call *call);
int mem_complete(struct store *s, const char *key, const char *upload_id, const struct store_part *parts, size_t count,
		 const struct store_cond *cond, struct store_meta *meta, struct store_call *call);
int mem_abort(struct store *s, const char *key, const char *upload_id, struct store_call *call);
int mem_list_parts(struct store *s, const char *key, const char *upload_id, struct store_parts *parts, struct store_call *call);
int mem_list_uploads(struct store *s, const char *key, struct store_uploads *uploads, struct store_call *call);

/* What mem_version.c does: makes *object the newest version in front of `there` (NULL: none), as the store's mode is. */
void mem_succeed(struct mem_store *m, struct mem_object *object, struct mem_object *there);
int mem_versions(struct store *s, const char *prefix, const char *token, uint32_t max, struct store_versions *page, struct store_call *call);
int mem_remove_versions(struct store *s, const struct store_version *versions, size_t count, int *results, struct store_call *call);
int mem_rules(struct store *s, struct store_rules *out, struct store_call *call);

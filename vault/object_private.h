/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/object.h"
#include "vault/vault_private.h"

/* What the files that make up object.h share; for vault/ only. */

struct object {
	_Atomic unsigned refs;
	bool foreign;
	uint64_t size;             /* plain bytes; of a foreign object its length */
	struct object_key keys;    /* all 0: foreign */
	pthread_mutex_t lock;      /* place, attrs, complained */
	struct object_place place;
	struct trailer attrs;
	bool complained;           /* a refused read of this foreign object was logged */
	pthread_mutex_t rewriting; /* held over a whole object_rewrite, by which place changes a moment after the bucket did */
	/* Under the cache's lock: */
	struct object_cache *cache; /* set once, when content was kept for the first time */
	struct slab *plain;         /* list: plain content, a chunk a slab; NULL: not kept */
	struct object *prev, *next; /* in the cache's list, while plain is there */
};

/* A new object with one reference; keys NULL: foreign. NULL: no memory. */
struct object *object_new(const char *key, const struct object_key *keys, uint64_t size, const struct trailer *attrs, const struct store_meta *meta);
/* From the bytes of a whole object (meta gives their number); content is not looked at. Errors and messages as object_load. */
int object_parse(struct vault *v, const char *key, const uint8_t *bytes, const struct store_meta *meta, struct object **out);

/* ---- object_cache.c */
/* A slab for content on its way, taken from the idlest cached object if need be; NULL: none. */
struct slab *object_cache_slab(struct vault *v);
/* Takes the list over as o's plain content, or gives it back where that is too much. */
void object_cache_keep(struct vault *v, struct object *o, struct slab *plain);
/* Copies plain bytes that lie inside the object: false if they are not kept. */
bool object_cache_read(struct object *o, uint64_t offset, size_t len, void *out);
void object_cache_drop(struct object *o);

/* ---- records.c: chunk records between bucket and memory */
struct record {
	uint8_t nonce[12], tag[16];
	uint8_t *data; /* len bytes */
	uint32_t len;  /* plain bytes of the chunk */
};
#define RECORDS_MAX 128u /* of one request */

/* The parts of records as one list, in the order of the bucket, with the records' len filled in; *count: entries, and there is room for one more. header may
 * be NULL. Freed by the caller; NULL: no memory. */
struct iovec *records_lay_out(uint64_t size, uint64_t first, struct record *records, unsigned n, uint8_t *header, int *count);
/* Fetches records first..first+count-1 of a file of that size, as they are in the bucket at that place, in one request. Their len is filled in; their
 * data must have room. header (HEADER_BYTES, may be NULL) comes along with record 0. A store errno, not logged: see *call. */
int records_fetch_at(struct vault *v, const struct object_place *place, uint64_t size, uint64_t first, struct record *records, unsigned count,
		     uint8_t *header, struct store_call *call);
/* Where o stands, and again where this process moved it meanwhile. */
int records_fetch(struct vault *v, struct object *o, uint64_t first, struct record *records, unsigned count, struct store_call *call);
/* Decrypts them in place: 0; EBADMSG with the number of the chunk in *bad; ENOMEM. */
int records_open(struct object *o, uint64_t first, struct record *records, unsigned count, uint64_t *bad);
/* Bytes from offset on, as they are in the bucket, into all of iov; retries as above. */
int object_fetch(struct vault *v, struct object *o, uint64_t offset, const struct iovec *iov, int iovcnt, struct store_call *call);

/* The log line for a chunk that does not open. again: it did not the second time either. */
void tell_damage(struct object *o, uint64_t chunk, bool again);

/* ---- object_put.c */
/* The condition to send with a write at key, made from what the caller wants (NULL: none) and from a removal that waited there (see
 * tree_claim_key). by_head: the store cannot decide it, so it is decided here, by HEAD, and nothing is sent. 0, ESTALE, or a store errno. */
int condition_prepare(struct vault *v, const char *key, const struct store_cond *want, bool by_head, struct store_cond *send, struct store_call *call);
/* What became of a put or copy that answered rc. Where the reply was lost, or says too little, it looks who stands there: 0 and meta: our commit, whole;
 * ESTALE: the condition did not hold; EBADMSG (logged): ours, but not whole; else rc. */
int write_truth(struct vault *v, const char *key, const uint8_t commit_id[16], uint64_t length, int rc, const struct store_call *call,
		struct store_meta *meta);
/* Puts one whole object: condition (claimed already), fallback for stores without conditions, lost replies. 0 and *meta; ESTALE; or a store errno, not
 * logged. */
int object_put_bytes(struct vault *v, const char *key, const struct iovec *iov, int iovcnt, const uint8_t commit_id[16], const struct store_cond *cond,
		     struct store_meta *meta, struct store_call *call);
/* Whether this process may change anything at that key: 0; EROFS; EIO (logged by the record). Keys under .pishop/ need no record. */
int key_may_publish(struct vault *v, const char *key);

/* ---- for all */
/* A call with the caller's deadline and cancel flag (user may be NULL); meta_ms: the deadline where the caller has none. */
struct store_call call_like(const struct store_call *user, uint32_t meta_ms);
/* One line about a failed request: "what: the store's words". */
void log_store(const char *topic, const char *key, const char *what, const struct store_call *call, int rc);

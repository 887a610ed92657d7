/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "s3/stores.h"

/* A layer is a store that does something around every call to the store below it. layer.c packs each call into one struct, so that
 * a layer is one function (`around`) instead of one for every operation. Private to s3/. */

/* The arguments of one call under the names of struct store_ops; those that `op` does not have are zero. */
struct layer_request {
	enum store_op op;
	const char *key;         /* key, destination of a copy, or prefix of a list; NULL: the operation has none, or many (removals) */
	struct store_call *call; /* never NULL: the caller's, or one that is dropped afterwards */
	struct store_range range;
	const char *if_match;
	const struct iovec *iov;
	int iovcnt;
	size_t *got;
	struct store_meta *meta;
	const char *commit;
	const struct store_cond *cond;
	char delimiter;
	const char *token;
	uint32_t max;
	struct store_page *page;
	const char *const *keys;
	size_t count;            /* of keys, versions or parts */
	int *results;
	const char *src, *src_etag;
	uint64_t offset, length;
	const char *upload_id;
	char *new_upload_id;     /* begin: STORE_UPLOAD_MAX bytes */
	struct store_part *part;
	const struct store_part *parts;
	struct store_parts *parts_out;
	struct store_uploads *uploads;
	struct store_versions *versions_out;
	const struct store_version *versions; /* remove_versions: `count` of them */
	struct store_rules *rules;
	struct store_space *space;
};

struct layer {
	struct store base; /* base.below is owned */
	/* Does the request, by layer_below or without it. Any thread, many at once. */
	int (*around)(struct layer *l, struct layer_request *r);
	void (*release)(struct layer *l); /* frees what the layer has besides itself; NULL: nothing */
};

/* Makes a layer of `size` zeroed bytes that begins with struct layer. Takes `below` over, also on failure (ENOMEM). */
int layer_new(size_t size, struct store *below, int (*around)(struct layer *, struct layer_request *), struct layer **out);
/* The request, done by the store below. */
int layer_below(struct layer *l, const struct layer_request *r);
/* Has it many keys, with a result for each? */
static inline bool layer_removes(enum store_op op)
{
	return op == STORE_REMOVE || op == STORE_REMOVE_VERSIONS;
}
/* The i-th key of a removal. */
static inline const char *layer_key(const struct layer_request *r, size_t i)
{
	return r->op == STORE_REMOVE ? r->keys[i] : r->versions[i].key;
}
/* Does this operation move object bytes, here or in the store? The others are metadata: small and quick. */
bool layer_moves_data(enum store_op op);

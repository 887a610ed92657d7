/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/layer.h"

#include <errno.h>

static int pack(struct store *s, struct layer_request *r, struct store_call *call)
{
	struct layer *l = (struct layer *)s;
	struct store_call own = { 0 };

	r->call = call ? call : &own;
	return l->around(l, r);
}

static int layer_get(struct store *s, const char *key, struct store_range range, const char *if_match, const struct iovec *iov, int iovcnt,
		     size_t *got, struct store_meta *meta, struct store_call *call)
{
	return pack(s, &(struct layer_request){ .op = STORE_GET, .key = key, .range = range, .if_match = if_match, .iov = iov,
						.iovcnt = iovcnt, .got = got, .meta = meta }, call);
}

static int layer_put(struct store *s, const char *key, const struct iovec *iov, int iovcnt, const char *commit, const struct store_cond *cond,
		     struct store_meta *meta, struct store_call *call)
{
	return pack(s, &(struct layer_request){ .op = STORE_PUT, .key = key, .iov = iov, .iovcnt = iovcnt, .commit = commit, .cond = cond,
						.meta = meta }, call);
}

static int layer_head(struct store *s, const char *key, struct store_meta *meta, struct store_call *call)
{
	return pack(s, &(struct layer_request){ .op = STORE_HEAD, .key = key, .meta = meta }, call);
}

static int layer_list(struct store *s, const char *prefix, char delimiter, const char *token, uint32_t max, struct store_page *page,
		      struct store_call *call)
{
	return pack(s, &(struct layer_request){ .op = STORE_LIST, .key = prefix, .delimiter = delimiter, .token = token, .max = max,
						.page = page }, call);
}

static int layer_remove(struct store *s, const char *const *keys, size_t count, int *results, struct store_call *call)
{
	return pack(s, &(struct layer_request){ .op = STORE_REMOVE, .keys = keys, .count = count, .results = results }, call);
}

static int layer_copy(struct store *s, const char *src, const char *src_etag, const char *dst, const char *commit,
		      const struct store_cond *cond, struct store_meta *meta, struct store_call *call)
{
	return pack(s, &(struct layer_request){ .op = STORE_COPY, .key = dst, .src = src, .src_etag = src_etag, .commit = commit,
						.cond = cond, .meta = meta }, call);
}

static int layer_begin(struct store *s, const char *key, const char *commit, char upload_id[STORE_UPLOAD_MAX], struct store_call *call)
{
	return pack(s, &(struct layer_request){ .op = STORE_BEGIN, .key = key, .commit = commit, .new_upload_id = upload_id }, call);
}

static int layer_part(struct store *s, const char *key, const char *upload_id, const struct iovec *iov, int iovcnt, struct store_part *part,
		      struct store_call *call)
{
	return pack(s, &(struct layer_request){ .op = STORE_PART, .key = key, .upload_id = upload_id, .iov = iov, .iovcnt = iovcnt,
						.part = part }, call);
}

static int layer_part_copy(struct store *s, const char *key, const char *upload_id, const char *src, const char *src_etag, uint64_t offset,
			   uint64_t length, struct store_part *part, struct store_call *call)
{
	return pack(s, &(struct layer_request){ .op = STORE_PART_COPY, .key = key, .upload_id = upload_id, .src = src, .src_etag = src_etag,
						.offset = offset, .length = length, .part = part }, call);
}

static int layer_complete(struct store *s, const char *key, const char *upload_id, const struct store_part *parts, size_t count,
			  const struct store_cond *cond, struct store_meta *meta, struct store_call *call)
{
	return pack(s, &(struct layer_request){ .op = STORE_COMPLETE, .key = key, .upload_id = upload_id, .parts = parts, .count = count,
						.cond = cond, .meta = meta }, call);
}

static int layer_abort(struct store *s, const char *key, const char *upload_id, struct store_call *call)
{
	return pack(s, &(struct layer_request){ .op = STORE_ABORT, .key = key, .upload_id = upload_id }, call);
}

static int layer_list_parts(struct store *s, const char *key, const char *upload_id, struct store_parts *parts, struct store_call *call)
{
	return pack(s, &(struct layer_request){ .op = STORE_LIST_PARTS, .key = key, .upload_id = upload_id, .parts_out = parts }, call);
}

static int layer_list_uploads(struct store *s, const char *key, struct store_uploads *uploads, struct store_call *call)
{
	return pack(s, &(struct layer_request){ .op = STORE_LIST_UPLOADS, .key = key, .uploads = uploads }, call);
}

static int layer_versions(struct store *s, const char *prefix, const char *token, uint32_t max, struct store_versions *page,
			  struct store_call *call)
{
	return pack(s, &(struct layer_request){ .op = STORE_VERSIONS, .key = prefix, .token = token, .max = max, .versions_out = page }, call);
}

static int layer_remove_versions(struct store *s, const struct store_version *versions, size_t count, int *results, struct store_call *call)
{
	return pack(s, &(struct layer_request){ .op = STORE_REMOVE_VERSIONS, .versions = versions, .count = count, .results = results }, call);
}

static int layer_rules(struct store *s, struct store_rules *out, struct store_call *call)
{
	return pack(s, &(struct layer_request){ .op = STORE_RULES, .rules = out }, call);
}

static int layer_probe(struct store *s, struct store_call *call)
{
	return pack(s, &(struct layer_request){ .op = STORE_PROBE }, call);
}

static int layer_space(struct store *s, struct store_space *space, struct store_call *call)
{
	return pack(s, &(struct layer_request){ .op = STORE_SPACE, .space = space }, call);
}

static void layer_free(struct store *s)
{
	struct layer *l = (struct layer *)s;

	if (l->release)
		l->release(l);
	store_free(l->base.below);
	free(l);
}

static const struct store_ops layer_ops = {
	.get = layer_get, .put = layer_put, .head = layer_head, .list = layer_list, .remove = layer_remove, .copy = layer_copy,
	.begin = layer_begin, .part = layer_part, .part_copy = layer_part_copy, .complete = layer_complete, .abort = layer_abort,
	.list_parts = layer_list_parts, .list_uploads = layer_list_uploads, .versions = layer_versions,
	.remove_versions = layer_remove_versions, .rules = layer_rules, .probe = layer_probe, .space = layer_space, .free = layer_free,
};

int layer_new(size_t size, struct store *below, int (*around)(struct layer *, struct layer_request *), struct layer **out)
{
	struct layer *l = calloc(1, size);

	if (!l) {
		store_free(below);
		return ENOMEM;
	}
	l->base = *below; /* limits, name and what it honours are those of below */
	l->base.ops = &layer_ops;
	l->base.below = below;
	l->around = around;
	*out = l;
	return 0;
}

int layer_below(struct layer *l, const struct layer_request *r)
{
	struct store *s = l->base.below;
	const struct store_ops *o = s->ops;

	switch (r->op) {
	case STORE_GET:
		return o->get(s, r->key, r->range, r->if_match, r->iov, r->iovcnt, r->got, r->meta, r->call);
	case STORE_PUT:
		return o->put(s, r->key, r->iov, r->iovcnt, r->commit, r->cond, r->meta, r->call);
	case STORE_HEAD:
		return o->head(s, r->key, r->meta, r->call);
	case STORE_LIST:
		return o->list(s, r->key, r->delimiter, r->token, r->max, r->page, r->call);
	case STORE_REMOVE:
		return o->remove(s, r->keys, r->count, r->results, r->call);
	case STORE_COPY:
		return o->copy(s, r->src, r->src_etag, r->key, r->commit, r->cond, r->meta, r->call);
	case STORE_BEGIN:
		return o->begin(s, r->key, r->commit, r->new_upload_id, r->call);
	case STORE_PART:
		return o->part(s, r->key, r->upload_id, r->iov, r->iovcnt, r->part, r->call);
	case STORE_PART_COPY:
		return o->part_copy(s, r->key, r->upload_id, r->src, r->src_etag, r->offset, r->length, r->part, r->call);
	case STORE_COMPLETE:
		return o->complete(s, r->key, r->upload_id, r->parts, r->count, r->cond, r->meta, r->call);
	case STORE_ABORT:
		return o->abort(s, r->key, r->upload_id, r->call);
	case STORE_LIST_PARTS:
		return o->list_parts(s, r->key, r->upload_id, r->parts_out, r->call);
	case STORE_LIST_UPLOADS:
		return o->list_uploads(s, r->key, r->uploads, r->call);
	case STORE_VERSIONS:
		return o->versions(s, r->key, r->token, r->max, r->versions_out, r->call);
	case STORE_REMOVE_VERSIONS:
		return o->remove_versions(s, r->versions, r->count, r->results, r->call);
	case STORE_RULES:
		return o->rules(s, r->rules, r->call);
	case STORE_PROBE:
		return o->probe(s, r->call);
	case STORE_SPACE:
		return o->space(s, r->space, r->call);
	case STORE_OPS:
		break;
	}
	return EINVAL;
}

bool layer_moves_data(enum store_op op)
{
	return op == STORE_GET || op == STORE_PUT || op == STORE_COPY || op == STORE_PART || op == STORE_PART_COPY || op == STORE_COMPLETE;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/tombstone_private.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/rand.h"
#include "crypto/header.h"
#include "crypto/trailer.h"
#include "vault/object_private.h"

#include <errno.h>

/* An object moved without being read: what is damaged, foreign or of another key goes along as it is. Header and trailer hold random ids and tags, so equal ones and an equal
 * length mean that it is the same object, and the same commit of it. */

struct copying {
	struct vault *v;
	const struct store_object *from;
	const char *to;
	const struct guard *g;
	char commit[STORE_COMMIT_HEX];
};

static struct store_call next_call(const struct copying *c)
{
	return acting_call(c->v, c->g->user, c->g->request_ms);
}

/* ---- are they the same? */

static int get_end(const struct copying *c, const char *key, const char *etag, struct store_range range, uint8_t *out, size_t n)
{
	struct store_call call = next_call(c);
	size_t got;
	int rc = c->v->store->ops->get(c->v->store, key, range, etag, &(struct iovec){ out, n }, 1, &got, NULL, &call);

	return rc ? rc : got == n ? 0 : EBADMSG;
}

static int same_bytes(const struct copying *c, const char *etag, struct store_range range, size_t n, bool *same)
{
	uint8_t a[HEADER_BYTES], b[HEADER_BYTES];
	int rc = n ? get_end(c, c->from->key, c->from->etag, range, a, n) : 0;

	if (!rc && n)
		rc = get_end(c, c->to, etag, range, b, n);
	*same = !rc && (!n || memcmp(a, b, n) == 0);
	return rc;
}

/* 0 and *there; *same only where something is there. */
static int compare(const struct copying *c, bool *there, bool *same)
{
	struct store_call call = next_call(c);
	struct store_meta meta;
	int rc = c->v->store->ops->head(c->v->store, c->to, &meta, &call);
	size_t head = (size_t)min_u64(c->from->size, HEADER_BYTES), tail = (size_t)min_u64(c->from->size, TRAILER_BYTES);

	*there = !rc;
	*same = false;
	if (rc || meta.size != c->from->size)
		return rc == ENOENT ? 0 : rc;
	*same = strcmp(meta.etag, c->from->etag) == 0;
	if (*same)
		return 0;
	rc = same_bytes(c, meta.etag, (struct store_range){ 0, head }, head, same);
	if (!rc && *same)
		rc = same_bytes(c, meta.etag, (struct store_range){ -(int64_t)tail, 0 }, tail, same);
	return rc;
}

/* ---- the ways */

static int copy_whole(const struct copying *c)
{
	struct store *s = c->v->store;
	struct store_cond cond = { .if_none_match = true };
	struct store_call call = next_call(c);
	struct store_meta meta;
	bool there, same;
	int rc = s->conditional ? s->ops->copy(s, c->from->key, c->from->etag, c->to, c->commit, &cond, &meta, &call) : EOPNOTSUPP;

	if (rc != EOPNOTSUPP)
		return rc;
	rc = compare(c, &there, &same); /* no condition on a copy here: looked at just before */
	if (!rc && there)
		rc = EEXIST;
	call = next_call(c);
	return rc ? rc : s->ops->copy(s, c->from->key, c->from->etag, c->to, c->commit, NULL, &meta, &call);
}

/* Uploads that an interrupted move left at that key. */
static void end_uploads(const struct copying *c)
{
	struct store *s = c->v->store;
	struct store_call call = next_call(c);
	struct store_uploads uploads = { 0 };

	if (s->ops->list_uploads(s, c->to, &uploads, &call))
		return; /* they cost, and harm nothing */
	for (size_t i = 0; i < uploads.count; i++) {
		call = next_call(c);
		s->ops->abort(s, c->to, uploads.ids[i], &call);
	}
	store_uploads_free(&uploads);
}

static uint64_t part_bytes(const struct copying *c)
{
	const struct store_limits *limits = &c->v->store->limits;
	uint64_t each = max_u64(limits->part_min, (c->from->size + limits->parts_max - 1) / limits->parts_max);

	return min_u64(max_u64(each, limits->copy_max / 8), limits->copy_max);
}

static int send_parts(const struct copying *c, const char *upload, struct store_part *parts, uint64_t each, size_t *count)
{
	struct store *s = c->v->store;
	int rc = 0;

	for (uint64_t at = 0; at < c->from->size && !rc; at += each) {
		struct store_call call = next_call(c);
		struct store_part *part = &parts[(*count)++];

		part->number = (uint32_t)*count;
		rc = guard_ask(c->g);
		if (!rc)
			rc = s->ops->part_copy(s, c->to, upload, c->from->key, c->from->etag, at, min_u64(each, c->from->size - at), part, &call);
	}
	return rc;
}

static int complete(const struct copying *c, const char *upload, const struct store_part *parts, size_t count)
{
	struct store *s = c->v->store;
	struct store_cond cond = { .if_none_match = s->conditional };
	struct store_call call = next_call(c);
	struct store_meta meta;
	int rc = s->ops->complete(s, c->to, upload, parts, count, &cond, &meta, &call);

	if (rc != EOPNOTSUPP)
		return rc;
	call = next_call(c);
	return s->ops->complete(s, c->to, upload, parts, count, NULL, &meta, &call);
}

static int copy_parts(const struct copying *c)
{
	struct store *s = c->v->store;
	uint64_t each = part_bytes(c);
	AUTO_FREE struct store_part *parts = calloc((size_t)(c->from->size / each) + 1, sizeof(*parts));
	char upload[STORE_UPLOAD_MAX];
	struct store_call call = next_call(c);
	size_t count = 0;
	int rc;

	if (!parts)
		return ENOMEM;
	end_uploads(c);
	rc = s->ops->begin(s, c->to, c->commit, upload, &call);
	if (rc)
		return rc;
	rc = send_parts(c, upload, parts, each, &count);
	if (!rc)
		rc = complete(c, upload, parts, count);
	call = next_call(c);
	if (rc)
		s->ops->abort(s, c->to, upload, &call);
	return rc;
}

/* A store that cannot copy parts: read and sent again. */
static int copy_through(const struct copying *c)
{
	AUTO(auto_object_unref) struct object *o = NULL;
	struct store_cond cond = { .if_none_match = true };
	struct store_call call = next_call(c);
	int rc = object_load(c->v, c->from->key, c->from->size, &o, &call);

	return rc ? rc : object_rewrite(c->v, o, c->to, NULL, &cond);
}

static int copy_any(const struct copying *c)
{
	int rc = c->from->size <= c->v->store->limits.copy_max ? copy_whole(c) : copy_parts(c);

	return rc == EOPNOTSUPP ? copy_through(c) : rc;
}

int copy_verbatim(struct vault *v, const struct store_object *from, const char *to, const struct guard *g)
{
	struct copying c = { .v = v, .from = from, .to = to, .g = g };
	uint8_t commit[16];
	bool there, same;
	int rc = guard_ask(g), copied;

	if (rc)
		return rc;
	rand_bytes(commit, sizeof(commit));
	hex_encode(c.commit, commit, sizeof(commit));
	copied = copy_any(&c);
	if (copied == ECANCELED)
		return copied;
	rc = compare(&c, &there, &same); /* whatever the answer was: what counts is what stands there */
	if (!rc && same)
		return 0;
	if (!rc && !copied) {
		log_path(LOG_ERROR, "backup", from->key, "its copy at %s is not what was copied; nothing was removed", to);
		return EIO;
	}
	if (!rc && there)
		return EEXIST;
	rc = copied ? copied : rc;
	if (rc == ENOENT)
		rc = ESTALE;
	if (rc != ESTALE)
		log_path(LOG_ERROR, "backup", from->key, "cannot be copied to %s: %s", to, strerror(rc));
	return rc;
}

int copy_stands(struct vault *v, const struct store_object *from, const char *to, const struct guard *g, bool *same)
{
	const struct copying c = { .v = v, .from = from, .to = to, .g = g };
	bool there;

	return compare(&c, &there, same);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/object_private.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>

struct object *object_new(const char *key, const struct object_key *keys, uint64_t size, const struct trailer *attrs, const struct store_meta *meta)
{
	struct object *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->refs = 1;
	o->foreign = !keys;
	o->size = size;
	if (keys)
		o->keys = *keys;
	if (attrs)
		o->attrs = *attrs;
	pthread_mutex_init(&o->lock, NULL);
	pthread_mutex_init(&o->rewriting, NULL);
	object_set_place(o, key, meta, NULL);
	return o;
}

struct object *object_made(struct vault *v, const char *key, const struct object_key *keys, const struct trailer *t, const struct store_meta *meta)
{
	return object_new(key, keys, t->size, t, meta);
}

struct object *object_ref(struct object *o)
{
	if (o)
		atomic_fetch_add(&o->refs, 1);
	return o;
}

void object_unref(struct object *o)
{
	if (!o || atomic_fetch_sub(&o->refs, 1) > 1)
		return;
	object_cache_drop(o);
	object_key_wipe(&o->keys);
	pthread_mutex_destroy(&o->lock);
	pthread_mutex_destroy(&o->rewriting);
	free(o);
}

bool object_foreign(const struct object *o)
{
	return o->foreign;
}

uint64_t object_size(const struct object *o)
{
	return o->size;
}

const struct object_key *object_keys(const struct object *o)
{
	return o->foreign ? NULL : &o->keys;
}

void object_attrs(struct object *o, struct trailer *out)
{
	pthread_mutex_lock(&o->lock);
	*out = o->attrs;
	pthread_mutex_unlock(&o->lock);
}

void object_place(struct object *o, struct object_place *out)
{
	pthread_mutex_lock(&o->lock);
	*out = o->place;
	pthread_mutex_unlock(&o->lock);
}

void object_set_place(struct object *o, const char *key, const struct store_meta *meta, const struct trailer *attrs)
{
	pthread_mutex_lock(&o->lock);
	if (key != o->place.key)
		copy_text(o->place.key, sizeof(o->place.key), key);
	memcpy(o->place.etag, meta->etag, sizeof(o->place.etag));
	o->place.length = o->foreign ? meta->size : object_length(o->size);
	o->place.seen_ms = clock_mono_ms();
	if (attrs)
		o->attrs = *attrs;
	pthread_mutex_unlock(&o->lock);
}

static void seen_now(struct object *o, const struct object_place *where)
{
	pthread_mutex_lock(&o->lock);
	if (strcmp(o->place.etag, where->etag) == 0)
		o->place.seen_ms = clock_mono_ms();
	pthread_mutex_unlock(&o->lock);
}

int object_confirm(struct vault *v, struct object *o, int64_t fresh_ms, struct store_call *user)
{
	struct store_call call = call_like(user, v->config.meta_timeout_ms);
	struct object_place place;
	struct store_meta meta;

	object_place(o, &place);
	if (clock_mono_ms() - place.seen_ms < fresh_ms)
		return 0;

	int rc = v->store->ops->head(v->store, place.key, &meta, &call);

	if (rc == ENOENT)
		return ENOENT;
	if (rc) {
		log_store("object", place.key, "cannot ask whether it is still there", &call, rc);
		return rc;
	}
	if (strcmp(meta.etag, place.etag) != 0 || meta.size != place.length)
		return ESTALE;
	seen_now(o, &place);
	return 0;
}

struct store_call call_like(const struct store_call *user, uint32_t meta_ms)
{
	struct store_call call = { .timeout_ms = meta_ms };

	if (user) {
		call.cancel = user->cancel;
		if (user->timeout_ms)
			call.timeout_ms = user->timeout_ms;
	}
	return call;
}

void log_store(const char *topic, const char *key, const char *what, const struct store_call *call, int rc)
{
	struct store_error err = call->err;
	char words[512];

	err.key[0] = '\0'; /* the line has it already */
	err.code = rc;
	store_error_text(&err, words, sizeof(words));
	log_path(LOG_ERROR, topic, key, "%s: %s", what, words);
}

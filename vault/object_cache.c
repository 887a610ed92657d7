/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/object_private.h"

#include <errno.h>
#include <utlist.h>

/* Plain content of small objects, kept with the object while memory allows: an untar or a copy of many small files costs one request each.
 *
 * INVARIANTS, under the lock: an object is in the list exactly while its `plain` is there; the list is in the order of last use, the idlest
 * first; `kept` is the number of slabs of all objects in it, at most `most`. */
struct object_cache {
	pthread_mutex_t lock;
	struct slabs *slabs;
	struct object *objects;
	uint32_t kept, most; /* slabs */
};

int object_cache_start(struct vault *v)
{
	struct object_cache *c = calloc(1, sizeof(*c));
	struct slab_stats stats;

	if (!c)
		return ENOMEM;
	slabs_stats(v->slabs, &stats);
	pthread_mutex_init(&c->lock, NULL);
	c->slabs = v->slabs;
	c->most = stats.floor[SLAB_READ] / 2; /* the other half is for reading windows */
	v->cache = c;
	return 0;
}

/* With the lock held. */
static struct slab *take_out(struct object_cache *c, struct object *o)
{
	struct slab *plain = o->plain;

	DL_DELETE(c->objects, o);
	for (const struct slab *s = plain; s; s = s->next)
		c->kept--;
	o->plain = NULL;
	return plain;
}

static bool drop_idlest(struct object_cache *c)
{
	struct slab *plain = NULL;

	pthread_mutex_lock(&c->lock);
	if (c->objects)
		plain = take_out(c, c->objects);
	pthread_mutex_unlock(&c->lock);
	slab_give_list(c->slabs, plain);
	return plain != NULL;
}

bool object_cache_shrink(struct vault *v)
{
	return v->cache && drop_idlest(v->cache);
}

void object_cache_stop(struct vault *v)
{
	if (!v->cache)
		return;
	while (drop_idlest(v->cache))
		continue;
	pthread_mutex_destroy(&v->cache->lock);
	free(v->cache);
	v->cache = NULL;
}

struct slab *object_cache_slab(struct vault *v)
{
	struct slab *slab = slab_take(v->slabs, SLAB_READ);

	while (!slab && object_cache_shrink(v))
		slab = slab_take(v->slabs, SLAB_READ);
	return slab;
}

void object_cache_keep(struct vault *v, struct object *o, struct slab *plain)
{
	struct object_cache *c = v->cache;
	uint32_t count = 0;

	for (const struct slab *s = plain; s; s = s->next)
		count++;
	if (count == 0 || count > c->most) {
		slab_give_list(c->slabs, plain);
		return;
	}

	struct slab *given_up = NULL;

	pthread_mutex_lock(&c->lock);
	while (c->kept + count > c->most) {
		struct slab *list = take_out(c, c->objects);

		LL_CONCAT(given_up, list);
	}
	o->cache = c;
	o->plain = plain;
	c->kept += count;
	DL_APPEND(c->objects, o);
	pthread_mutex_unlock(&c->lock);
	slab_give_list(c->slabs, given_up);
}

static void copy_out(const struct slab *s, uint64_t offset, size_t len, uint8_t *out)
{
	for (; offset >= SLAB_BYTES; offset -= SLAB_BYTES)
		s = s->next;
	while (len) {
		size_t n = min_size(len, SLAB_BYTES - offset);

		memcpy(out, s->data + offset, n);
		out += n;
		len -= n;
		offset = 0;
		s = s->next;
	}
}

bool object_cache_read(struct object *o, uint64_t offset, size_t len, void *out)
{
	struct object_cache *c = o->cache;
	bool there = false;

	if (!c)
		return false;
	pthread_mutex_lock(&c->lock);
	if (o->plain) {
		copy_out(o->plain, offset, len, out);
		DL_DELETE(c->objects, o);
		DL_APPEND(c->objects, o);
		there = true;
	}
	pthread_mutex_unlock(&c->lock);
	return there;
}

void object_cache_drop(struct object *o)
{
	struct object_cache *c = o->cache;
	struct slab *plain = NULL;

	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	if (o->plain)
		plain = take_out(c, o);
	pthread_mutex_unlock(&c->lock);
	slab_give_list(c->slabs, plain);
}

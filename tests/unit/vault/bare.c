/* SPDX-License-Identifier: Apache-2.0 */
#include "bare.h"

#include "base/rand.h"
#include "s3/layer.h"
#include "s3/mem_store.h"

#include <errno.h>

struct quirks {
	struct layer layer;
	struct bucket *bucket;
};

static int quirks_around(struct layer *l, struct layer_request *r)
{
	struct bucket *b = ((struct quirks *)l)->bucket;
	struct store_cond cond = r->cond ? *r->cond : (struct store_cond){ 0 };

	if (r->op == STORE_ABORT && b->sticky_aborts) {
		b->sticky_aborts--;
		return 0;
	}
	if (r->op != STORE_PUT)
		return layer_below(l, r);
	if (b->forbid_if_match && cond.if_match[0])
		return store_fail(r->call, EACCES, r->key, "not you");
	if (b->ignore_if_none_match)
		cond.if_none_match = false;
	if (b->ignore_if_match || (b->match_missing && !bucket_has(b, r->key)))
		cond.if_match[0] = '\0';

	struct layer_request changed = *r;

	changed.cond = &cond;
	return layer_below(l, &changed);
}

struct bucket *bucket_new(void)
{
	struct bucket *b = calloc(1, sizeof(*b));
	struct layer *quirks;

	assert_non_null(b);
	assert_int_equal(mem_store_new(NULL, &b->mem), 0);
	assert_int_equal(fault_store_new(b->mem, &b->fault), 0);
	assert_int_equal(layer_new(sizeof(struct quirks), b->fault, quirks_around, &quirks), 0);
	((struct quirks *)quirks)->bucket = b;
	assert_int_equal(stats_store_new(&quirks->base, &b->store), 0);
	return b;
}

void bucket_free(struct bucket *b)
{
	store_free(b->store);
	free(b);
}

uint64_t bucket_calls(struct bucket *b, enum store_op op)
{
	struct store_counts counts;

	stats_store_read(b->store, &counts);
	return counts.calls[op];
}

uint64_t bucket_calls_all(struct bucket *b)
{
	struct store_counts counts;
	uint64_t all = 0;

	stats_store_read(b->store, &counts);
	for (int op = 0; op < STORE_OPS; op++)
		all += counts.calls[op];
	return all;
}

void bucket_age(struct bucket *b, const char *key_part, int64_t seconds)
{
	struct mem_store *m = mem_of(b->mem);

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->count; i++)
		if (strstr(m->objects[i]->key, key_part))
			m->objects[i]->meta.modified -= seconds;
	for (struct mem_upload *u = m->uploads; u; u = u->next)
		for (struct mem_part *p = strstr(u->key, key_part) ? u->parts : NULL; p; p = p->next)
			p->part.modified -= seconds;
	pthread_mutex_unlock(&m->lock);
}

static struct mem_object *object_at(struct bucket *b, const char *key)
{
	struct mem_store *m = mem_of(b->mem);

	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->objects[i]->key, key) == 0)
			return m->objects[i];
	return NULL;
}

bool bucket_has(struct bucket *b, const char *key)
{
	struct mem_store *m = mem_of(b->mem);

	pthread_mutex_lock(&m->lock);
	bool there = object_at(b, key) != NULL;

	pthread_mutex_unlock(&m->lock);
	return there;
}

uint8_t *bucket_bytes(struct bucket *b, const char *key, uint64_t *len)
{
	struct mem_object *o = object_at(b, key);

	*len = o ? o->meta.size : 0;
	return o ? o->data : NULL;
}

bool bucket_has_upload(struct bucket *b, const char *key, const char *id)
{
	struct store_parts parts;
	int rc = b->mem->ops->list_parts(b->mem, key, id, &parts, NULL);

	store_parts_free(&parts);
	assert_true(rc == 0 || rc == ENODATA);
	return rc == 0;
}

struct vault *bare_vault(struct bucket *b, const struct bare_options *options)
{
	static const struct bare_options usual = { .slabs = 1024, .read_slabs = 256, .key = 'k' };
	const struct bare_options *o = options ? options : &usual;
	const uint32_t floor[SLAB_SIDES] = { [SLAB_READ] = o->read_slabs };
	struct vault *v = calloc(1, sizeof(*v));
	char key[65], error[256];

	assert_non_null(v);
	memset(key, 'a' + (o->key ? o->key : 'k') % 6, 64);
	v->config = (struct vault_config){ .prefix = "backups", .read_only = o->read_only, .foreign_read = o->foreign_read, .data_timeout_ms = 5000,
					   .meta_timeout_ms = 5000, .record_every_s = 120, .silent_after_s = 900, .part_bytes = 8u << 20 };
	v->rules = (struct path_rules){ "backups", b->store->limits.key_max, b->store->limits.segment_max };
	v->store = b->store;
	assert_int_equal(keyring_parse(key, 64, &v->keys, error, sizeof(error)), 0);
	v->slabs = slabs_new(o->slabs ? o->slabs : 1024, floor);
	v->commit_pool = pool_new("commit", 8);
	v->upload_pool = pool_new("upload", 8);
	assert_true(v->slabs && v->commit_pool && v->upload_pool);
	rand_bytes(v->writer_id, sizeof(v->writer_id));
	pthread_mutex_init(&v->lock, NULL);
	pthread_cond_init(&v->stop_wake, NULL);
	assert_int_equal(object_cache_start(v), 0);
	assert_int_equal(removals_start(v), 0);
	assert_int_equal(runs_start(v), 0);
	return v;
}

void bare_free(struct vault *v)
{
	struct slab_stats stats;

	runs_stop(v);
	removals_stop(v);
	pool_free(v->commit_pool);
	pool_free(v->upload_pool);
	object_cache_stop(v);
	slabs_stats(v->slabs, &stats);
	assert_int_equal(stats.used[SLAB_READ] + stats.used[SLAB_WRITE] + stats.used[SLAB_COMMIT], 0);
	slabs_free(v->slabs);
	keyring_free(v->keys);
	pthread_cond_destroy(&v->stop_wake);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

uint8_t bare_byte(uint64_t offset)
{
	return (uint8_t)(offset * 131 ^ offset >> 8 ^ offset >> 16 ^ offset >> 21);
}

void bare_put(struct vault *v, const char *key, uint64_t size, struct trailer *attrs)
{
	uint64_t length = object_length(size), chunks = chunk_count(size);
	uint8_t *bytes = malloc(length);
	struct object_key keys;
	struct trailer t;

	assert_non_null(bytes);
	if (attrs)
		t = *attrs;
	else
		trailer_fresh(v, &t, ENTRY_FILE, STATE_CLOSED, 0644, 0, 0);
	t.size = size;
	assert_int_equal(object_key_new(&keys), 0);
	assert_int_equal(header_make(v->keys, &keys, bytes), 0);
	for (uint64_t k = 0; k < chunks; k++) {
		uint8_t *record = bytes + chunk_offset(k);
		uint32_t n = chunk_plain_len(size, k);

		for (uint32_t i = 0; i < n; i++)
			record[12 + i] = bare_byte(k * CHUNK_BYTES + i);
		assert_int_equal(chunk_seal(&keys, k, k + 1 == chunks ? CHUNK_LAST : CHUNK_INNER, record, record + 12, n, record + 12 + n), 0);
	}
	assert_int_equal(trailer_seal(&keys, &t, bytes + trailer_offset(size)), 0);

	struct iovec iov = { bytes, length };
	struct store *mem = v->store;

	assert_int_equal(mem->ops->put(mem, key, &iov, 1, NULL, NULL, NULL, NULL), 0);
	object_key_wipe(&keys);
	free(bytes);
}

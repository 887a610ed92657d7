/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/mem_store.h"

#include "base/buf.h"
#include "base/clock.h"
#include "s3/stores.h"

#include <errno.h>

/* A store in memory. Objects stand in one array sorted by key, under one lock; an object is built outside the lock and moved in
 * under it, and readers copy out under it, so every call is atomic. ETags are S3's: MD5 of the bytes, or of the parts' MD5s. */

void mem_object_free(struct mem_object *object)
{
	while (object) {
		struct mem_object *older = object->older;

		free(object->key);
		free(object->data);
		free(object);
		object = older;
	}
}

int mem_begin_call(struct mem_store *m, const char *key, struct store_call *call)
{
	store_call_reset(call);
	if (call)
		call->server_date = clock_wall_s();

	int rc = store_over(&m->base, call, key);

	if (rc)
		return rc;
	rc = key ? store_key_check(&m->base.limits, key) : 0;

	return rc ? store_fail(call, rc, key, "not a legal key") : 0;
}

size_t mem_lower_bound(const struct mem_store *m, const char *key, bool after)
{
	size_t low = 0, high = m->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(m->objects[middle]->key, key);

		if (order < 0 || (after && order == 0))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Index, from i on, of the first object whose key does not begin with prefix; those that do stand together. */
static size_t skip_prefix(const struct mem_store *m, size_t i, const char *prefix)
{
	size_t n = strlen(prefix), low = i, high = m->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strncmp(m->objects[middle]->key, prefix, n) == 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* What stands at the key; a delete marker is nothing. */
static struct mem_object *find(const struct mem_store *m, const char *key)
{
	size_t i = mem_lower_bound(m, key, false);

	return i < m->count && strcmp(m->objects[i]->key, key) == 0 && !m->objects[i]->marker ? m->objects[i] : NULL;
}

void mem_gather(uint8_t *out, const struct iovec *iov, int iovcnt)
{
	for (int i = 0; i < iovcnt; i++) {
		if (iov[i].iov_len)
			memcpy(out, iov[i].iov_base, iov[i].iov_len);
		out += iov[i].iov_len;
	}
}

static void scatter(const struct iovec *iov, int iovcnt, const uint8_t *from, size_t length)
{
	for (int i = 0; i < iovcnt && length; i++) {
		size_t n = min_size(length, iov[i].iov_len);

		if (n)
			memcpy(iov[i].iov_base, from, n);
		from += n;
		length -= n;
	}
}

int mem_md5_etag(const struct iovec *iov, int iovcnt, char etag[STORE_ETAG_MAX])
{
	uint8_t sum[STORE_MD5_BYTES];

	if (store_md5(iov, iovcnt, sum))
		return EIO;
	hex_encode(etag, sum, sizeof(sum));
	return 0;
}

struct mem_object *mem_object_new(const char *key, uint64_t size, const char *commit)
{
	struct mem_object *object = calloc(1, sizeof(*object));

	if (!object)
		return NULL;
	object->key = strdup(key);
	object->data = malloc(size ? size : 1);
	object->meta.size = size;
	object->meta.modified = clock_wall_s();
	if (object->key && object->data && !copy_text(object->meta.commit, sizeof(object->meta.commit), commit ? commit : ""))
		return object;
	mem_object_free(object);
	return NULL;
}

int mem_install(struct mem_store *m, struct mem_object **object, const struct store_cond *cond, struct store_meta *meta,
		   struct store_call *call)
{
	const char *key = (*object)->key;
	size_t i = mem_lower_bound(m, key, false);
	bool there = i < m->count && strcmp(m->objects[i]->key, key) == 0;
	int rc = store_cond_check(cond, there && !m->objects[i]->marker ? m->objects[i]->meta.etag : NULL);

	if (rc)
		return store_fail(call, rc, key, "the condition does not hold");
	if (!there && m->count == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 64;
		struct mem_object **grown = realloc(m->objects, cap * sizeof(*grown));

		if (!grown)
			return store_fail(call, ENOMEM, key, "out of memory");
		m->objects = grown;
		m->cap = cap;
	}
	mem_succeed(m, *object, there ? m->objects[i] : NULL);
	if (!there) {
		memmove(m->objects + i + 1, m->objects + i, (m->count - i) * sizeof(*m->objects));
		m->count++;
	}
	m->objects[i] = *object;
	if (meta)
		*meta = (*object)->meta;
	*object = NULL;
	return 0;
}

static int mem_get(struct store *s, const char *key, struct store_range range, const char *if_match, const struct iovec *iov, int iovcnt,
		   size_t *got, struct store_meta *meta, struct store_call *call)
{
	struct mem_store *m = mem_of(s);
	uint64_t begin;
	size_t length;
	int rc = mem_begin_call(m, key, call);

	*got = 0;
	if (rc)
		return rc;
	STORE_LOCKED(&m->lock);

	const struct mem_object *object = find(m, key);

	if (!object)
		return store_fail(call, ENOENT, key, "no such object");
	if (if_match && if_match[0] && strcmp(object->meta.etag, if_match) != 0)
		return store_fail(call, ESTALE, key, "another object stands there now");
	rc = store_range_resolve(object->meta.size, range, store_iov_bytes(iov, iovcnt), &begin, &length);
	if (rc)
		return store_fail(call, rc, key, rc == EINVAL ? "the range begins after the end" : "more bytes than asked for");
	scatter(iov, iovcnt, object->data + begin, length);
	*got = length;
	if (meta)
		*meta = object->meta;
	return 0;
}

static int mem_put(struct store *s, const char *key, const struct iovec *iov, int iovcnt, const char *commit, const struct store_cond *cond,
		   struct store_meta *meta, struct store_call *call)
{
	struct mem_store *m = mem_of(s);
	uint64_t size = store_iov_bytes(iov, iovcnt);
	int rc = mem_begin_call(m, key, call);

	if (rc)
		return rc;
	if (commit && strlen(commit) >= STORE_COMMIT_HEX)
		return store_fail(call, EINVAL, key, "not a commit id");
	if (size > m->base.limits.put_max)
		return store_fail(call, EFBIG, key, "larger than one put takes");

	AUTO(auto_mem_object_free) struct mem_object *object = mem_object_new(key, size, commit);

	if (!object)
		return store_fail(call, ENOMEM, key, "out of memory");
	mem_gather(object->data, iov, iovcnt);
	if (mem_md5_etag(iov, iovcnt, object->meta.etag))
		return store_fail(call, EIO, key, "MD5 failed");
	STORE_LOCKED(&m->lock);
	return mem_install(m, &object, cond, meta, call);
}

static int mem_head(struct store *s, const char *key, struct store_meta *meta, struct store_call *call)
{
	struct mem_store *m = mem_of(s);
	int rc = mem_begin_call(m, key, call);

	if (rc)
		return rc;
	STORE_LOCKED(&m->lock);

	const struct mem_object *object = find(m, key);

	if (!object)
		return store_fail(call, ENOENT, key, "no such object");
	*meta = object->meta;
	return 0;
}

/* Adds object i, or the common prefix that it stands for; *next: the index to go on with. */
static int add_entry(const struct mem_store *m, size_t i, size_t prefix_length, char delimiter, struct store_page *page, size_t *next)
{
	const struct mem_object *object = m->objects[i];
	const char *end = delimiter ? strchr(object->key + prefix_length, delimiter) : NULL;
	struct store_object entry = { .key = object->key, .size = object->meta.size, .modified = object->meta.modified };

	if (!end) {
		memcpy(entry.etag, object->meta.etag, sizeof(entry.etag));
		*next = i + 1;
		return store_page_add(page, &entry);
	}

	AUTO_FREE char *common = strndup(object->key, (size_t)(end + 1 - object->key));

	if (!common)
		return ENOMEM;
	*next = skip_prefix(m, i, common);
	return store_page_add(page, &(struct store_object){ .key = common, .prefix = true });
}

static int fill_page(const struct mem_store *m, size_t i, const char *prefix, char delimiter, uint32_t max, struct store_page *page)
{
	size_t n = strlen(prefix);

	while (i < m->count && strncmp(m->objects[i]->key, prefix, n) == 0) {
		if (m->objects[i]->marker) {
			i++;
			continue;
		}
		if (page->count == max)
			return store_page_set_next(page);
		if (add_entry(m, i, n, delimiter, page, &i))
			return ENOMEM;
	}
	return 0;
}

static int mem_list(struct store *s, const char *prefix, char delimiter, const char *token, uint32_t max, struct store_page *page,
		    struct store_call *call)
{
	struct mem_store *m = mem_of(s);
	const char *after = NULL;
	bool after_is_prefix = false;
	int rc = mem_begin_call(m, NULL, call);

	*page = (struct store_page){ 0 };
	if (rc)
		return rc;
	if ((delimiter && delimiter != '/') || max > m->base.limits.list_max)
		return store_fail(call, EINVAL, prefix, "not a legal delimiter or page size");
	if (token && store_token_parse(token, &after, &after_is_prefix))
		return store_fail(call, EINVAL, prefix, "not a token of this store");
	STORE_LOCKED(&m->lock);

	size_t i = mem_lower_bound(m, prefix, false);

	if (after)
		i = max_size(i, mem_lower_bound(m, after, true));
	if (after_is_prefix)
		i = skip_prefix(m, i, after);
	if (!fill_page(m, i, prefix, delimiter, max ? max : m->base.limits.list_max, page))
		return 0;
	store_page_free(page);
	return store_fail(call, ENOMEM, prefix, "out of memory");
}

void mem_take_out(struct mem_store *m, size_t i)
{
	m->count--;
	memmove(m->objects + i, m->objects + i + 1, (m->count - i) * sizeof(*m->objects));
}

/* Where versions are kept, a marker is put there even if nothing was, as servers do. */
static int remove_one(struct mem_store *m, const char *key)
{
	size_t i = mem_lower_bound(m, key, false);

	if (m->keeps_versions) {
		AUTO(auto_mem_object_free) struct mem_object *marker = mem_object_new(key, 0, NULL);

		if (!marker)
			return ENOMEM;
		marker->marker = true;
		return mem_install(m, &marker, NULL, NULL, NULL);
	}
	if (i == m->count || strcmp(m->objects[i]->key, key) != 0)
		return 0;
	mem_object_free(m->objects[i]);
	mem_take_out(m, i);
	return 0;
}

static int mem_remove(struct store *s, const char *const *keys, size_t count, int *results, struct store_call *call)
{
	struct mem_store *m = mem_of(s);
	int first = mem_begin_call(m, NULL, call);

	if (!first && count > m->base.limits.delete_max)
		first = store_fail(call, EINVAL, NULL, "more keys than one remove takes");
	for (size_t i = 0; i < count; i++)
		results[i] = first;
	if (first)
		return first;
	STORE_LOCKED(&m->lock);
	for (size_t i = 0; i < count; i++) {
		results[i] = store_key_check(&m->base.limits, keys[i]);
		if (!results[i])
			results[i] = remove_one(m, keys[i]);
		if (results[i] && !first)
			first = store_fail(call, results[i], keys[i], results[i] == ENOMEM ? "out of memory" : "not a legal key");
	}
	return first;
}

int mem_find_source(struct mem_store *m, const char *src, const char *src_etag, const struct mem_object **object,
		       struct store_call *call)
{
	*object = find(m, src);
	if (!*object)
		return store_fail(call, ENOENT, src, "no such object");
	if (src_etag && src_etag[0] && strcmp((*object)->meta.etag, src_etag) != 0)
		return store_fail(call, ESTALE, src, "another object stands there now");
	return 0;
}

static int mem_copy(struct store *s, const char *src, const char *src_etag, const char *dst, const char *commit,
		    const struct store_cond *cond, struct store_meta *meta, struct store_call *call)
{
	struct mem_store *m = mem_of(s);
	const struct mem_object *from;
	int rc = mem_begin_call(m, src, call);

	if (!rc)
		rc = mem_begin_call(m, dst, call);
	if (!rc && commit && strlen(commit) >= STORE_COMMIT_HEX)
		rc = store_fail(call, EINVAL, dst, "not a commit id");
	if (rc)
		return rc;
	STORE_LOCKED(&m->lock);
	rc = mem_find_source(m, src, src_etag, &from, call);
	if (rc)
		return rc;
	if (from->meta.size > m->base.limits.copy_max)
		return store_fail(call, EFBIG, src, "larger than one copy takes");

	AUTO(auto_mem_object_free) struct mem_object *object = mem_object_new(dst, from->meta.size, commit);

	if (!object)
		return store_fail(call, ENOMEM, dst, "out of memory");
	memcpy(object->data, from->data, from->meta.size);
	if (mem_md5_etag(&(struct iovec){ object->data, object->meta.size }, 1, object->meta.etag))
		return store_fail(call, EIO, dst, "MD5 failed");
	return mem_install(m, &object, cond, meta, call);
}

static int mem_probe(struct store *s, struct store_call *call)
{
	return mem_begin_call(mem_of(s), NULL, call);
}

static int mem_space(struct store *s, struct store_space *space, struct store_call *call)
{
	*space = (struct store_space){ 0 };
	return mem_begin_call(mem_of(s), NULL, call);
}

static void mem_free(struct store *s)
{
	struct mem_store *m = mem_of(s);

	for (size_t i = 0; i < m->count; i++)
		mem_object_free(m->objects[i]);
	free(m->objects);
	store_rules_free(&m->rules);
	while (m->uploads) {
		struct mem_upload *upload = m->uploads;

		m->uploads = upload->next;
		mem_upload_free(upload);
	}
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static const struct store_ops mem_ops = {
	.get = mem_get, .put = mem_put, .head = mem_head, .list = mem_list, .remove = mem_remove, .copy = mem_copy, .begin = mem_begin,
	.part = mem_part, .part_copy = mem_part_copy, .complete = mem_complete, .abort = mem_abort, .list_parts = mem_list_parts,
	.list_uploads = mem_list_uploads, .versions = mem_versions, .remove_versions = mem_remove_versions, .rules = mem_rules,
	.probe = mem_probe, .space = mem_space, .free = mem_free,
};

int mem_store_new(const struct store_limits *limits, struct store **out)
{
	struct mem_store *m = calloc(1, sizeof(*m));

	if (!m)
		return ENOMEM;
	m->base = (struct store){ .ops = &mem_ops, .limits = limits ? *limits : store_limits_s3, .conditional = true, .name = "memory" };
	pthread_mutex_init(&m->lock, NULL);
	*out = &m->base;
	return 0;
}

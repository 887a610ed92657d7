/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/mem_store.h"

#include "s3/stores.h"

#include <errno.h>

/* Versions in the memory store. Each object knows the one it replaced; without versioning that chain is one long, and its id "null". */

#define ID_NONE "null"

void mem_succeed(struct mem_store *m, struct mem_object *object, struct mem_object *there)
{
	if (m->keeps_versions) {
		snprintf(object->version, sizeof(object->version), "v%016llx", (unsigned long long)++m->versions_ever);
		object->older = there;
		return;
	}
	copy_text(object->version, sizeof(object->version), ID_NONE);
	mem_object_free(there);
}

void mem_store_keep_versions(struct store *mem)
{
	struct mem_store *m = mem_of(mem);
	STORE_LOCKED(&m->lock);

	m->keeps_versions = true;
}

void mem_store_lock(struct store *mem, const char *key_part)
{
	struct mem_store *m = mem_of(mem);
	STORE_LOCKED(&m->lock);

	m->locked = key_part;
}

int mem_store_add_rule(struct store *mem, const struct store_rule *rule)
{
	struct mem_store *m = mem_of(mem);
	STORE_LOCKED(&m->lock);

	return store_rules_add(&m->rules, rule);
}

/* ---- listing */

static int add_version(struct store_versions *page, const struct mem_object *object, bool latest)
{
	struct store_version version = { .key = object->key, .marker = object->marker, .latest = latest, .size = object->meta.size,
					 .modified = object->meta.modified };

	memcpy(version.id, object->version, sizeof(version.id));
	memcpy(version.etag, object->meta.etag, sizeof(version.etag));
	return store_versions_add(page, &version);
}

/* The versions from `object` on, which is of the key that stands at `newest`. *full: the page was at its end before the key was. */
static int add_key(const struct mem_object *newest, const struct mem_object *object, uint32_t max, struct store_versions *page, bool *full)
{
	for (; object; object = object->older) {
		*full = page->count == max;
		if (*full)
			return 0;
		if (add_version(page, object, object == newest))
			return ENOMEM;
	}
	return 0;
}

/* The version behind the one with that id; all of them where it is gone. */
static const struct mem_object *behind(const struct mem_object *newest, const char *id)
{
	const struct mem_object *object = newest;

	while (object && strcmp(object->version, id) != 0)
		object = object->older;
	return object ? object->older : newest;
}

static int fill_versions(const struct mem_store *m, const char *prefix, const char *after, const char *id, uint32_t max,
			 struct store_versions *page)
{
	size_t n = strlen(prefix), i = max_size(mem_lower_bound(m, prefix, false), after ? mem_lower_bound(m, after, false) : 0);
	bool full = false;
	int rc = 0;

	for (; !rc && !full && i < m->count && strncmp(m->objects[i]->key, prefix, n) == 0; i++) {
		const struct mem_object *newest = m->objects[i];
		bool here = after && strcmp(newest->key, after) == 0;

		rc = add_key(newest, here ? behind(newest, id) : newest, max, page, &full);
	}
	if (rc || !full)
		return rc;
	return store_versions_set_next(page, page->list[page->count - 1].key, page->list[page->count - 1].id);
}

int mem_versions(struct store *s, const char *prefix, const char *token, uint32_t max, struct store_versions *page, struct store_call *call)
{
	struct mem_store *m = mem_of(s);
	char id[STORE_VERSION_MAX];
	const char *after = NULL;
	int rc = mem_begin_call(m, NULL, call);

	*page = (struct store_versions){ 0 };
	if (!rc && max > m->base.limits.list_max)
		rc = store_fail(call, EINVAL, prefix, "not a legal page size");
	if (!rc && token && store_versions_token(token, id, &after))
		rc = store_fail(call, EINVAL, prefix, "not a token of this store");
	if (rc)
		return rc;
	STORE_LOCKED(&m->lock);
	if (!fill_versions(m, prefix, after, id, max ? max : m->base.limits.list_max, page))
		return 0;
	store_versions_free(page);
	return store_fail(call, ENOMEM, prefix, "out of memory");
}

/* ---- removal for good */

static int remove_version(struct mem_store *m, const struct store_version *version, struct store_call *call)
{
	size_t i = mem_lower_bound(m, version->key, false);

	if (i == m->count || strcmp(m->objects[i]->key, version->key) != 0)
		return 0;

	struct mem_object **at = &m->objects[i];

	while (*at && strcmp((*at)->version, version->id) != 0)
		at = &(*at)->older;

	struct mem_object *gone = *at;

	if (!gone)
		return 0;
	if (m->locked && !gone->marker && strstr(gone->key, m->locked))
		return store_fail(call, EPERM, gone->key, "an object lock keeps this version");
	*at = gone->older;
	gone->older = NULL;
	mem_object_free(gone);
	if (!m->objects[i])
		mem_take_out(m, i);
	return 0;
}

int mem_remove_versions(struct store *s, const struct store_version *versions, size_t count, int *results, struct store_call *call)
{
	struct mem_store *m = mem_of(s);
	int first = mem_begin_call(m, NULL, call);
	struct store_error why = { 0 };

	if (!first && count > m->base.limits.delete_max)
		first = store_fail(call, EINVAL, NULL, "more versions than one removal takes");
	for (size_t i = 0; i < count; i++) {
		if (!first && (store_key_check(&m->base.limits, versions[i].key) || !versions[i].id[0]))
			first = store_fail(call, EINVAL, versions[i].key, "not a legal key, or no version");
	}
	for (size_t i = 0; i < count; i++)
		results[i] = first;
	if (first)
		return first;
	STORE_LOCKED(&m->lock);
	for (size_t i = 0; i < count; i++) {
		results[i] = remove_version(m, &versions[i], call);
		if (!results[i] || first)
			continue;
		first = results[i];
		why = call ? call->err : why;
	}
	if (first && call)
		call->err = why;
	return first;
}

/* ---- the bucket */

int mem_rules(struct store *s, struct store_rules *out, struct store_call *call)
{
	struct mem_store *m = mem_of(s);
	int rc = mem_begin_call(m, NULL, call);

	*out = (struct store_rules){ 0 };
	if (rc)
		return rc;
	STORE_LOCKED(&m->lock);
	out->versioning = m->keeps_versions;
	for (size_t i = 0; i < m->rules.count; i++)
		if (store_rules_add(out, &m->rules.list[i])) {
			store_rules_free(out);
			return store_fail(call, ENOMEM, NULL, "out of memory");
		}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/object_private.h"
#include "vault/sealer_private.h"

#include "base/log.h"
#include "base/pool.h"
#include "vault/pages.h"
#include "vault/removal.h"

#include <errno.h>
#include <stdio.h>

/* What stands in a set, and which of it is of the backup. */

#define LOADERS 8u
#define SMALL_BYTES (128u << 10) /* bytes in the bucket: larger ones are not read whole for their header and trailer */

/* ---- Listing */

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct sealer_member *)a)->path, ((const struct sealer_member *)b)->path);
}

static int find_path(const void *path, const void *member)
{
	return strcmp(path, ((const struct sealer_member *)member)->path);
}

struct sealer_member *sealer_find(struct sealing *s, const char *path)
{
	return s->count ? bsearch(path, s->members, s->count, sizeof(*s->members), find_path) : NULL;
}

void sealer_top(char out[PATH_CAP], const char *path)
{
	size_t n = min_size(strcspn(path, "/"), PATH_CAP - 1);

	memcpy(out, path, n);
	out[n] = '\0';
}

static bool of_the_set(const struct sealing *s, const char *path)
{
	char top[PATH_CAP];

	sealer_top(top, path);
	return stem_has(s->stem, top);
}

/* No component is empty, "." or "..". */
static bool is_path(const char *path)
{
	for (size_t n;; path += n + 1) {
		n = strcspn(path, "/");
		if (n == 0 || (path[0] == '.' && (n == 1 || (n == 2 && path[1] == '.'))))
			return false;
		if (!path[n])
			return true;
	}
}

/* path: below the tenant. */
static int add(struct sealing *s, const char *path, const struct store_object *o)
{
	size_t n = strlen(path);
	struct sealer_member m = { .length = o->size, .marker = n && path[n - 1] == '/' };

	m.path = strndup(path, m.marker ? n - 1 : n);
	if (!m.path)
		return ENOMEM;
	m.rc = is_path(m.path) ? 0 : EINVAL; /* not asked for: a store could take it for another name */
	memcpy(m.etag, o->etag, sizeof(m.etag));
	if ((s->count & (s->count - 1)) == 0) {
		struct sealer_member *grown = reallocarray(s->members, s->count ? 2 * s->count : 1, sizeof(*grown));

		if (!grown) {
			free(m.path);
			return ENOMEM;
		}
		s->members = grown;
	}
	s->members[s->count++] = m;
	return 0;
}

static int add_page(struct sealing *s, const struct store_page *page, size_t skip)
{
	int rc = 0;

	for (size_t i = 0; i < page->count && !rc; i++) {
		const struct store_object *o = &page->objects[i];

		if (!of_the_set(s, o->key + skip))
			continue;
		if (removal_hides(s->v, o->key))
			s->hidden = true;
		else
			rc = add(s, o->key + skip, o);
	}
	return rc;
}

/* All keys that begin with the stem, in the tenant's folder. */
static int list_pages(struct sealing *s, const char *folder, const char *prefix)
{
	AUTO(pages_free) struct pages pages = { .v = s->v, .prefix = prefix };
	int rc = 0;

	while (!rc && pages_left(&pages)) {
		struct store_call call = acting_call(s->v, s->user, 0);
		struct store_page page = { 0 };

		rc = acting_stopped(s->user);
		if (!rc) {
			rc = pages_next(&pages, &page, &call);
			acting_tell(s->user, &call);
			if (rc && rc != ECANCELED)
				log_store("seal", prefix, "cannot list what is to be sealed", &call, rc);
		}
		if (!rc)
			rc = add_page(s, &page, strlen(folder));
		store_page_free(&page);
	}
	return rc;
}

int sealer_list(struct sealing *s)
{
	char folder[PATH_CAP], prefix[PATH_CAP];
	int rc = path_key(&s->v->rules, folder, s->tenant, true);

	if (!rc && snprintf(prefix, sizeof(prefix), "%s%s", folder, s->stem) >= (int)sizeof(prefix))
		rc = ENAMETOOLONG;
	if (rc)
		return rc;
	removals_look_begin(s->v);
	rc = list_pages(s, folder, prefix);
	removals_look_end(s->v);
	if (!rc && s->count)
		qsort(s->members, s->count, sizeof(*s->members), by_path);
	return rc;
}

/* ---- Reading what is not known */

static void take(struct sealer_member *m, struct object *o)
{
	m->loaded = true;
	m->foreign = object_foreign(o);
	if (m->foreign)
		return;
	memcpy(m->object, object_keys(o)->id, sizeof(m->object));
	object_attrs(o, &m->attrs);
}

static bool stands_there(struct object *o, const struct sealer_member *m, const char *key)
{
	struct object_place place;

	object_place(o, &place);
	return strcmp(place.key, key) == 0 && strcmp(place.etag, m->etag) == 0 && place.length == m->length;
}

static int member_key(const struct sealing *s, const struct sealer_member *m, char key[PATH_CAP])
{
	char path[PATH_CAP];

	if (snprintf(path, sizeof(path), "%s/%s", s->tenant, m->path) >= (int)sizeof(path))
		return ENAMETOOLONG;
	return path_key(&s->v->rules, key, path, m->marker);
}

static bool take_known(struct sealing *s, struct sealer_member *m, const char *key)
{
	char path[PATH_CAP];
	AUTO(auto_object_unref) struct object *o = NULL;

	if (!s->options->known || snprintf(path, sizeof(path), "%s/%s", s->tenant, m->path) >= (int)sizeof(path))
		return false;
	o = s->options->known(s->options->arg, path);
	if (!o || !stands_there(o, m, key))
		return false;
	take(m, o);
	m->own = true;
	return true;
}

/* What the object is, whoever vouches for it. */
static int load(struct sealing *s, struct sealer_member *m)
{
	AUTO(auto_object_unref) struct object *o = NULL;
	struct store_call call = acting_call(s->v, s->user, 0);
	char key[PATH_CAP];
	int rc = member_key(s, m, key);

	if (rc || take_known(s, m, key))
		return rc;
	rc = object_load(s->v, key, m->length > SMALL_BYTES ? UINT64_MAX : m->length, &o, &call); /* over 1 MiB: header and trailer alone */
	if (rc == ENOENT || rc == ESTALE)
		return ESTALE;
	if (rc == EBADMSG || rc == ENOKEY || rc == EPROTONOSUPPORT) {
		m->rc = rc;
		return 0;
	}
	if (rc)
		return rc;
	if (!stands_there(o, m, key))
		return ESTALE;
	take(m, o);
	return 0;
}

int sealer_load_one(struct sealing *s, struct sealer_member *m)
{
	return m->loaded || m->rc ? 0 : load(s, m);
}

/* The same ETag under the same path: nothing was touched since it was sealed. Its commit time is not known then, which the mark's rule needs. */
static bool take_sealed(struct sealing *s, struct sealer_member *m)
{
	const struct seal_entry *e = s->options->mark ? NULL : seal_find(&s->old, m->path);

	if (!e || !e->etag[0] || strcmp(e->etag, m->etag) != 0 || object_length(e->size) != m->length || (e->type == ENTRY_FOLDER) != m->marker)
		return false;
	m->sealed = e;
	return true;
}

struct loading {
	struct sealing *s;
	_Atomic size_t next; /* member */
	_Atomic int rc;      /* the first that was not 0 */
};

static void load_some(void *arg)
{
	struct loading *l = arg;
	struct sealing *s = l->s;

	for (size_t i; !atomic_load(&l->rc) && (i = atomic_fetch_add(&l->next, 1)) < s->count;) {
		struct sealer_member *m = &s->members[i];
		int rc = 0, none = 0;

		if (m->scratch || m->loaded || m->rc || m->sealed)
			continue;
		rc = acting_stopped(s->user);
		if (!rc)
			rc = load(s, m);
		if (rc)
			atomic_compare_exchange_strong(&l->rc, &none, rc);
	}
}

static size_t still_unknown(const struct sealing *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct sealer_member *m = &s->members[i];

		n += !m->scratch && !m->loaded && !m->rc && !m->sealed;
	}
	return n;
}

/* All that are not scratch; in this thread and, where there are many, others. */
static int load_all(struct sealing *s)
{
	struct loading l = { .s = s };
	size_t unknown;

	for (size_t i = 0; i < s->count; i++)
		if (!s->members[i].scratch && !s->members[i].loaded && !s->members[i].rc)
			take_sealed(s, &s->members[i]);
	unknown = still_unknown(s);

	AUTO(auto_pool_free) struct pool *pool = unknown > 1 ? pool_new("seal", LOADERS) : NULL;

	for (unsigned i = 1; pool && i < LOADERS && i < unknown; i++)
		if (pool_submit(pool, load_some, &l))
			break; /* the others do it */
	load_some(&l);
	if (pool)
		pool_drain(pool, 0);
	return atomic_load(&l.rc);
}

/* ---- Scratch: a folder beside an archive of ours, of which the old seal lists nothing. docs/format.md §10. */

static bool old_lists(const struct sealing *s, const char *folder)
{
	for (size_t i = 0; s->old.entries && i < s->old.count; i++)
		if (path_inside(s->old.entries[i].path, folder))
			return true;
	return false;
}

bool sealer_is_scratch(const struct sealing *s, const char *path)
{
	char top[PATH_CAP];

	if (!s->archived || !strchr(path, '/'))
		return false;
	sealer_top(top, path);
	return !old_lists(s, top);
}

/* Sets scratch for all that is below folders. Those of one folder stand together, so that the seal is searched once for each. */
static void mark_scratch(struct sealing *s, bool scratch)
{
	char top[PATH_CAP], last[PATH_CAP] = "";
	bool listed = false;

	for (size_t i = 0; i < s->count; i++) {
		struct sealer_member *m = &s->members[i];

		if (!m->marker && !strchr(m->path, '/'))
			continue;
		sealer_top(top, m->path);
		if (strcmp(top, last) != 0) {
			memcpy(last, top, sizeof(last));
			listed = old_lists(s, top);
		}
		m->scratch = scratch && !listed;
	}
}

static bool is_archive(const struct sealer_member *m)
{
	return !m->marker && !strchr(m->path, '/') && stem_is_archive(m->path);
}

/* archived: whether the set has one, that is not known to be foreign. */
static bool has_archive(const struct sealing *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (is_archive(&s->members[i]) && !s->members[i].foreign)
			return true;
	return false;
}

int sealer_load(struct sealing *s)
{
	s->archived = has_archive(s);
	mark_scratch(s, s->archived);

	int rc = load_all(s);

	if (rc || !s->archived || has_archive(s))
		return rc;
	s->archived = false; /* anybody could have put that archive there: it makes no scratch of a folder */
	mark_scratch(s, false);
	return load_all(s);
}

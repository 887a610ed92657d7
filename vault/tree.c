/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/tree.h"
#include "vault/object_private.h"
#include "vault/pages.h"
#include "vault/removal.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>

#define RESERVED ".pishop" /* beside the tenants; path.h */
#define FIRST_ENTRIES 32

/* ---- listings */

struct listing {
	struct vault *v;
	struct tree_listing *out;
	const char *path;
	char key[PATH_CAP]; /* of the folder: every key of the listing begins with it */
	size_t cap;         /* entries allocated */
};

static void entry_free(struct tree_entry *e)
{
	free(e->name);
	free(e->etag);
}

void tree_listing_free(struct tree_listing *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->count; i++)
		entry_free(&l->entries[i]);
	free(l->entries);
	tally_trim(l->counted);
	tally_sub(l->tally, l->counted);
	*l = (struct tree_listing){ 0 };
}

void tree_listing_drop(struct tree_listing *l, bool (*drop)(void *arg, const struct tree_entry *e), void *arg)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++) {
		if (drop(arg, &l->entries[i]))
			entry_free(&l->entries[i]);
		else
			l->entries[kept++] = l->entries[i];
	}
	l->thinned |= kept < l->count;
	l->count = kept;
}

/* Room for one more entry; NULL: no memory. */
static struct tree_entry *add_entry(struct listing *l)
{
	struct tree_listing *out = l->out;

	if (out->count == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : FIRST_ENTRIES;
		struct tree_entry *grown = realloc(out->entries, cap * sizeof(*grown));

		if (!grown)
			return NULL;
		out->entries = grown;
		l->cap = cap;
	}
	return &out->entries[out->count];
}

static bool shown(const struct listing *l, const struct store_object *object, const char *name)
{
	if (l->path[0] == '\0' && strcmp(name, RESERVED) == 0)
		return false;
	if (path_check_name(&l->v->rules, name)) {
		log_path(LOG_WARN, "tree", object->key, "cannot be a file name, so it is not shown");
		return false;
	}
	return !removal_hides(l->v, object->key); /* of a folder: its marker, removed because nothing is left in it */
}

/* Before it is allocated. */
static int count_in(struct listing *l, const char *name, const char *etag)
{
	size_t bytes = sizeof(struct tree_entry) + tally_block(strlen(name) + 1) + (etag ? tally_block(strlen(etag) + 1) : 0) + TREE_LATER;
	int rc = etag ? tally_add(l->out->tally, bytes) : tally_try(l->out->tally, bytes); /* by a seal, with the caller's lock held */

	l->out->counted += rc ? 0 : bytes;
	return rc;
}

static int take_object(struct listing *l, const struct store_object *object)
{
	const char *rest = object->key + strlen(l->key);
	AUTO_FREE char *name = strndup(rest, strlen(rest) - (object->prefix ? 1 : 0));
	struct tree_entry *e;

	if (!name)
		return ENOMEM;
	if (!shown(l, object, name))
		return 0;
	if (count_in(l, name, object->etag))
		return ENOBUFS;
	e = add_entry(l);
	if (!e)
		return ENOMEM;
	*e = (struct tree_entry){ .name = name, .etag = strdup(object->etag), .folder = object->prefix };
	name = NULL;
	l->out->count++;
	if (!e->etag)
		return ENOMEM;
	if (e->folder)
		return 0;
	e->length = e->size = object->size;
	e->modified = object->modified;
	if (plain_size_of(object->size, &e->size))
		e->size = object->size;
	return 0;
}

static int take_page(struct listing *l, const struct store_page *page)
{
	int rc = 0;

	for (size_t i = 0; i < page->count && !rc; i++) {
		const struct store_object *object = &page->objects[i];

		if (strcmp(object->key, l->key) != 0) {
			rc = take_object(l, object);
		} else if (!removal_hides(l->v, object->key)) {
			l->out->marker = true;
			copy_text(l->out->marker_etag, sizeof(l->out->marker_etag), object->etag);
		}
	}
	return rc;
}

static int by_name(const void *a, const void *b)
{
	const struct tree_entry *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (int)y->folder - (int)x->folder;
}

/* Sorts, and leaves of a name that is both file and folder the folder only. */
static void tidy(struct listing *l)
{
	struct tree_entry *e = l->out->entries;
	size_t kept = 0;

	if (l->out->count)
		qsort(e, l->out->count, sizeof(*e), by_name);
	for (size_t i = 0; i < l->out->count; i++) {
		if (!kept || strcmp(e[kept - 1].name, e[i].name) != 0) {
			e[kept++] = e[i];
			continue;
		}
		log_path(LOG_WARN, "tree", e[i].name, "is both a file and a folder in \"%s\": only the folder is shown; move one of them away in the bucket",
			 l->path);
		entry_free(&e[i]);
	}
	l->out->count = kept;
}

static int list_pages(struct listing *l, struct store_call *call)
{
	AUTO(pages_free) struct pages pages = { .v = l->v, .prefix = l->key, .delimiter = '/' };

	while (pages_left(&pages)) {
		struct store_page page;
		int rc = pages_next(&pages, &page, call);

		if (rc)
			return rc;
		rc = take_page(l, &page);
		store_page_free(&page);
		if (rc == ENOBUFS)
			return store_fail(call, ENOMEM, l->key, "the folder has more than %zu entries, and the memory for names does not hold them: mount with more --memory",
					  l->out->count);
		if (rc)
			return store_fail(call, rc, l->key, "out of memory");
		pages.found = l->out->count;
	}
	return 0;
}

int tree_list(struct vault *v, const char *path, struct tree_listing *out, struct store_call *user)
{
	struct listing l = { .v = v, .out = out, .path = path };
	struct store_call call = call_like(user, v->config.meta_timeout_ms);
	int rc = path_key(&v->rules, l.key, path, true);

	*out = (struct tree_listing){ .tally = v->names };
	if (rc)
		return rc;
	removals_look_begin(v);
	rc = list_pages(&l, &call);
	removals_look_end(v);
	if (rc && rc != ECANCELED)
		log_store("tree", l.key, "cannot list", &call, rc);
	if (rc) {
		tree_listing_free(out);
		return rc;
	}
	tidy(&l);
	if (path[0] == '\0')
		out->marker = true;
	out->exists = out->marker || out->count;
	return 0;
}

/* rest: what stands behind the folder's path. A folder's name comes once for itself, and once for all that is below it. */
static int take_sealed(struct listing *l, const struct seal_entry *entry, const char *rest)
{
	size_t len = strcspn(rest, "/");
	bool deeper = rest[len] == '/';
	struct tree_entry *last = l->out->count ? &l->out->entries[l->out->count - 1] : NULL, *e;

	if (last && strlen(last->name) == len && memcmp(last->name, rest, len) == 0) {
		last->folder |= deeper;
		return 0;
	}

	AUTO_FREE char *name = strndup(rest, len);

	if (!name || path_check_name(&l->v->rules, name))
		return name ? 0 : ENOMEM;
	if (count_in(l, name, NULL))
		return ENOMEM;
	e = add_entry(l);
	if (!e)
		return ENOMEM;
	*e = (struct tree_entry){ .name = name, .folder = deeper || entry->type == ENTRY_FOLDER };
	name = NULL;
	l->out->count++;
	if (!e->folder) {
		e->size = entry->size;
		e->length = object_length(entry->size);
		e->modified = entry->mtime.tv_sec;
	}
	return 0;
}

/* Sorts, and leaves of each name one: "a", "a-b" and "a/c" come in this order. */
static void unite(struct listing *l)
{
	struct tree_entry *e = l->out->entries;
	size_t kept = 0;

	if (l->out->count)
		qsort(e, l->out->count, sizeof(*e), by_name);
	for (size_t i = 0; i < l->out->count; i++) {
		if (!kept || strcmp(e[kept - 1].name, e[i].name) != 0)
			e[kept++] = e[i];
		else
			entry_free(&e[i]);
	}
	l->out->count = kept;
}

int tree_list_sealed(struct vault *v, const struct seal *seal, const char *below, struct tree_listing *out)
{
	struct listing l = { .v = v, .out = out, .path = below };
	size_t len = strlen(below) + 1;
	int rc = 0;

	*out = (struct tree_listing){ .tally = v->names };
	if (len >= sizeof(l.key))
		return ENAMETOOLONG;
	snprintf(l.key, sizeof(l.key), "%s/", below);
	for (size_t i = seal_before(seal, l.key); i < seal->count && strncmp(seal->entries[i].path, l.key, len) == 0 && !rc; i++)
		rc = take_sealed(&l, &seal->entries[i], seal->entries[i].path + len);
	unite(&l);
	out->exists = out->marker = out->count > 0 || seal_find(seal, below);
	return rc;
}

/* ---- folders */

/* Whether one of two keys below a folder is not its marker and stays. */
static int any_below(struct vault *v, const char *key, bool *any, struct store_call *call)
{
	struct store_page page;
	int rc = v->store->ops->list(v->store, key, 0, NULL, 2, &page, call);

	if (rc)
		return rc;
	for (size_t i = 0; i < page.count; i++)
		*any = *any || strcmp(page.objects[i].key, key) != 0;
	store_page_free(&page);
	return 0;
}

/* The root: .pishop is not in it. */
static int root_empty(struct vault *v, bool *empty, struct store_call *call)
{
	struct tree_listing l;
	int rc = tree_list(v, "", &l, call);

	*empty = !rc && l.count == 0;
	if (!rc)
		tree_listing_free(&l);
	return rc;
}

int tree_empty(struct vault *v, const char *path, bool *empty, struct store_call *user)
{
	struct store_call call = call_like(user, v->config.meta_timeout_ms);
	char key[PATH_CAP];
	bool any = false;
	int rc = path_key(&v->rules, key, path, true);

	*empty = false;
	if (rc || path[0] == '\0')
		return rc ? rc : root_empty(v, empty, user);
	if (removals_below(v, path))
		rc = tree_send_removals(v, path); /* else the two keys could be ones that wait, with others behind them */
	if (rc)
		return rc;
	rc = any_below(v, key, &any, &call);
	if (rc && rc != ECANCELED)
		log_store("tree", key, "cannot see whether it is empty", &call, rc);
	*empty = !rc && !any;
	return rc;
}

int tree_make_folder(struct vault *v, const char *path, const struct trailer *attrs, struct object **out)
{
	struct store_cond cond = { .if_none_match = true };
	struct trailer t = *attrs;
	char key[PATH_CAP];
	int rc = path[0] == '\0' ? EEXIST : path_key(&v->rules, key, path, true);

	t.type = ENTRY_FOLDER;
	if (!rc)
		rc = object_put_small(v, key, NULL, 0, &t, &cond, out, NULL);
	if (rc)
		return rc;
	rc = tree_uncover(v, path);
	if (rc && out) {
		object_unref(*out);
		*out = NULL;
	}
	return rc;
}

int tree_load_folder(struct vault *v, const char *path, struct object **out, struct store_call *call)
{
	char key[PATH_CAP];
	int rc = path[0] == '\0' ? ENOENT : path_key(&v->rules, key, path, true);

	*out = NULL;
	if (!rc && tree_removal_waits(v, key))
		rc = ENOENT;
	return rc ? rc : object_load(v, key, object_length(0), out, call);
}

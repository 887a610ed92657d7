/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/removal_check.h"
#include "vault/pages.h"

#include "base/log.h"

#include <errno.h>

#define HEADS_MAX 2 /* keys of one folder that are looked at one by one */

/* The wants of one folder that are to be looked at, in order of key. */
struct group {
	struct removal_want **wants;
	size_t count;
};

/* Bytes of a key up to and with the "/" before its last name; a folder's marker lies in itself. */
static size_t folder_bytes(const char *key)
{
	const char *slash = strrchr(key, '/');

	return slash ? (size_t)(slash - key) + 1 : 0;
}

static int by_folder_and_key(const void *a, const void *b)
{
	const struct removal_want *x = *(struct removal_want *const *)a, *y = *(struct removal_want *const *)b;
	size_t n = folder_bytes(x->key), m = folder_bytes(y->key);
	int order = memcmp(x->key, y->key, min_size(n, m));

	if (order || n != m)
		return order ? order : n < m ? -1 : 1;
	return strcmp(x->key, y->key);
}

static bool same_folder(const struct removal_want *x, const struct removal_want *y)
{
	size_t n = folder_bytes(x->key);

	return n == folder_bytes(y->key) && memcmp(x->key, y->key, n) == 0;
}

static void found(struct removal_want *w, const char *etag)
{
	w->replaced = strcmp(w->etag, etag) != 0;
	if (w->replaced)
		log_path(LOG_WARN, "remove", w->path, "another writer replaced it after it was removed here: what it wrote stays");
}

static void look_at_each(struct vault *v, struct group g)
{
	for (size_t i = 0; i < g.count; i++) {
		struct store_call call = { .timeout_ms = v->config.meta_timeout_ms };
		struct store_meta meta;
		int rc = v->store->ops->head(v->store, g.wants[i]->key, &meta, &call);

		if (!rc)
			found(g.wants[i], meta.etag);
		else if (rc != ENOENT)
			g.wants[i]->error = rc;
	}
}

/* Both are in order of key. Returns how many of the wants lie before the end of the page. */
static size_t match(struct group g, const struct store_page *page)
{
	size_t w = 0;

	for (size_t i = 0; i < page->count && w < g.count; i++) {
		while (w < g.count && strcmp(g.wants[w]->key, page->objects[i].key) < 0)
			w++;
		if (w < g.count && strcmp(g.wants[w]->key, page->objects[i].key) == 0)
			found(g.wants[w++], page->objects[i].etag);
	}
	return w;
}

static void look_by_listing(struct vault *v, struct group g)
{
	AUTO_FREE char *prefix = strndup(g.wants[0]->key, folder_bytes(g.wants[0]->key));
	AUTO(pages_free) struct pages pages = { .v = v, .prefix = prefix, .delimiter = '/' };
	int rc = prefix ? 0 : ENOMEM;

	for (size_t asked = 0, most = g.count; !rc && g.count && pages_left(&pages); asked++) { /* behind the last page nothing stands */
		if (asked == most) { /* a folder of many others: from here on one request a key costs less */
			look_at_each(v, g);
			return;
		}

		struct store_call call = { .timeout_ms = v->config.meta_timeout_ms };
		struct store_page page;

		rc = pages_next(&pages, &page, &call);

		size_t done = rc ? 0 : match(g, &page);

		pages.found += page.count;
		g.wants += done;
		g.count -= done;
		store_page_free(&page);
	}
	for (size_t i = 0; i < g.count; i++)
		g.wants[i]->error = rc;
}

void removal_check(struct vault *v, struct removal_want *wants, size_t count)
{
	AUTO_FREE struct removal_want **order = calloc(count + 1, sizeof(struct removal_want *));
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		wants[i].replaced = false;
		if (wants[i].error || wants[i].etag[0] == '\0')
			continue;
		if (order)
			order[n++] = &wants[i];
		else
			wants[i].error = ENOMEM;
	}
	if (!n)
		return;
	qsort(order, n, sizeof(*order), by_folder_and_key);
	for (size_t begin = 0, end; begin < n; begin = end) {
		for (end = begin + 1; end < n && same_folder(order[begin], order[end]);)
			end++;

		struct group g = { order + begin, end - begin };

		if (g.count <= HEADS_MAX)
			look_at_each(v, g);
		else
			look_by_listing(v, g);
	}
}

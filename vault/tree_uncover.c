/* SPDX-License-Identifier: Apache-2.0 */
/* In a bucket that keeps versions, MinIO (2026-02) leaves everything below a key that has a delete marker out of every listing: a file was removed, a folder is made at its name, and
 * whatever comes into it can be read, but is never seen again. Other servers do not. */
#include "vault/tree.h"

#include "base/log.h"
#include "vault/object_private.h"

#include <errno.h>

enum { UNKNOWN, NONE, KEPT };

/* Whether the bucket keeps versions; where that may not be asked: perhaps. */
static bool keeps_versions(struct vault *v)
{
	struct store_call call = { .timeout_ms = v->config.meta_timeout_ms };
	struct store_rules rules = { 0 };
	int known = atomic_load(&v->versions);
	int rc;

	if (known != UNKNOWN)
		return known == KEPT;
	rc = v->store->ops->rules(v->store, &rules, &call);
	known = rc == EOPNOTSUPP || (!rc && !rules.versioning) ? NONE : KEPT;
	store_rules_free(&rules);
	if (!rc || rc == EOPNOTSUPP || rc == EACCES)
		atomic_store(&v->versions, known);
	return known == KEPT;
}

/* Those of a page that are of the key: they come first. */
static int remove_versions(struct vault *v, const char *key, const struct store_versions *page, size_t from, size_t to, struct store_call *call)
{
	struct store *s = v->store;
	AUTO_FREE int *results = calloc(page->count + 1, sizeof(*results));
	int rc = results ? 0 : ENOMEM;

	while (to > from && strcmp(page->list[to - 1].key, key) != 0)
		to--;
	for (size_t n; from < to && !rc; from += n) {
		n = min_size(to - from, s->limits.delete_max);
		rc = s->ops->remove_versions(s, page->list + from, n, results, call);
	}
	return rc;
}

/* Removes a page of the versions of exactly that key, which come first of all that begins with it. *left: there may be more. */
static int remove_hiding(struct vault *v, const char *key, bool *left)
{
	struct store_call call = { .timeout_ms = v->config.meta_timeout_ms };
	struct store_versions page = { 0 };
	int rc = v->store->ops->versions(v->store, key, NULL, 0, &page, &call);
	bool hides = !rc && page.count && strcmp(page.list[0].key, key) == 0;

	*left = hides && page.next && strcmp(page.list[page.count - 1].key, key) == 0;
	if (hides && !page.list[0].marker)
		rc = EEXIST; /* a file stands there */
	if (hides && !rc)
		rc = remove_versions(v, key, &page, 1, page.count, &call); /* the marker last, so that the file never comes back */
	if (hides && !rc && !*left)
		rc = remove_versions(v, key, &page, 0, 1, &call);
	if (hides && !rc)
		log_path(LOG_INFO, "tree", key, "what was left of a removed file, its versions, was removed for good: it would hide the folder of that name from every listing");
	store_versions_free(&page);
	if (rc && rc != EEXIST)
		log_store("tree", key, "cannot look whether versions of a removed file hide the folder, or remove them", &call, rc);
	return rc;
}

int tree_uncover(struct vault *v, const char *path)
{
	char key[PATH_CAP];
	bool left = true; /* each page removes what it has, so this ends */
	int rc = path_key(&v->rules, key, path, false);

	if (rc || !keeps_versions(v))
		return rc;
	while (!rc && left)
		rc = remove_hiding(v, key, &left);
	if (!rc)
		return 0;
	log_path(LOG_ERROR, "tree", path, "not made: where a file of that name was removed, its delete marker hides all that comes into a folder. Take another name, or remove that key's versions");
	tree_remove_now(v, path, true, NULL);
	return rc;
}

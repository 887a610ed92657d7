/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/tombstone_private.h"

#include "base/log.h"
#include "vault/object_private.h"
#include "vault/pages.h"

#include <errno.h>
#include <stdio.h>

/* The objects of one backup, wherever they are, and their end.
 *
 * In a bucket that keeps versions a removal only hides; so versions and markers are listed and removed by their ids. The one version of a key where nothing else ever
 * stood is left to the plain removal, which every server has: where the bucket keeps versions after all, the marker it leaves is found in the next round. */

#define ROUNDS 6u /* versions, plain, what the plain ones left; more only where somebody writes meanwhile */

/* ---- where */

int place_live(struct vault *v, const char *tenant, const char *stem, struct place *out)
{
	char key[PATH_CAP];
	int rc = path_key(&v->rules, key, tenant, true);

	*out = (struct place){ .v = v, .root = strlen(key) };
	if (rc || !stem[0] || copy_text(out->stem, sizeof(out->stem), stem))
		return rc ? rc : EINVAL;
	return snprintf(out->prefix, sizeof(out->prefix), "%s%s", key, stem) < (int)sizeof(out->prefix) ? 0 : ENAMETOOLONG;
}

int place_trash(struct vault *v, const char *tenant, const char *id, struct place *out)
{
	char key[PATH_CAP];
	int rc = path_record_key(&v->rules, key, tenant, "trash", id);

	*out = (struct place){ .v = v };
	if (rc || strlen(id) != ACTING_HEX - 1)
		return rc ? rc : EINVAL;
	if (snprintf(out->prefix, sizeof(out->prefix), "%s/data/", key) >= (int)sizeof(out->prefix))
		return ENAMETOOLONG;
	out->root = strlen(out->prefix);
	return 0;
}

bool place_has(const struct place *p, const char *key)
{
	char name[PATH_CAP];
	const char *path = key + p->root;
	size_t n;

	if (strncmp(key, p->prefix, strlen(p->prefix)) != 0)
		return false;
	n = strcspn(path, "/");
	if (!p->stem[0])
		return true;
	if (n >= sizeof(name))
		return false;
	memcpy(name, path, n);
	name[n] = '\0';
	return stem_has(p->stem, name);
}

int guard_ask(const struct guard *g)
{
	int rc = g ? acting_stopped(g->user) : 0;

	return !rc && g && g->ask ? g->ask(g->arg, g->user) : rc;
}

static struct store_call next_call(const struct place *p, const struct guard *g)
{
	return acting_call(p->v, g ? g->user : NULL, g ? g->request_ms : 0);
}

/* ---- looking */

static int give_page(const struct place *p, struct store_page *page, place_seen *fn, void *arg)
{
	AUTO_FREE struct store_object *mine = calloc(page->count + 1, sizeof(*mine));
	size_t count = 0;

	if (!mine)
		return ENOMEM;
	for (size_t i = 0; i < page->count; i++)
		if (place_has(p, page->objects[i].key))
			mine[count++] = page->objects[i];
	return count ? fn(arg, mine, count) : 0;
}

static int walk(const struct place *p, const struct guard *g, place_seen *fn, void *arg, int64_t *server_s)
{
	AUTO(pages_free) struct pages pages = { .v = p->v, .prefix = p->prefix };
	int rc = 0;

	while (!rc && pages_left(&pages)) {
		struct store_call call = next_call(p, g);
		struct store_page page = { 0 };

		rc = acting_stopped(g ? g->user : NULL);
		if (!rc)
			rc = pages_next(&pages, &page, &call);
		if (rc && rc != ECANCELED)
			log_store("backup", p->prefix, "cannot list its objects", &call, rc);
		*server_s = acting_now(&call);
		if (!rc)
			rc = give_page(p, &page, fn, arg);
		store_page_free(&page);
	}
	return rc;
}

int place_walk(const struct place *p, const struct guard *g, place_seen *fn, void *arg)
{
	int64_t server_s;

	return walk(p, g, fn, arg, &server_s);
}

static int add_up(void *arg, const struct store_object *objects, size_t count)
{
	struct place_sum *sum = arg;

	for (size_t i = 0; i < count; i++) {
		sum->objects++;
		sum->bytes += objects[i].size;
		if (objects[i].modified > sum->newest_s)
			sum->newest_s = objects[i].modified;
	}
	return 0;
}

int place_sum(const struct place *p, const struct guard *g, struct place_sum *out)
{
	int64_t server_s = 0;

	*out = (struct place_sum){ 0 };

	int rc = walk(p, g, add_up, out, &server_s);

	out->server_s = server_s;
	return rc;
}

/* ---- removing */

/* What is to go: keys, or versions. */
struct leaving {
	const char *const *keys;              /* NULL: versions */
	const struct store_version *versions;
};

static const char *key_of(const struct leaving *d, size_t i)
{
	return d->keys ? d->keys[i] : d->versions[i].key;
}

/* What a batch answered: the first that may not go decides, else the first error. */
static int judge(const struct leaving *d, size_t from, const int *results, size_t count, int rc, const struct store_call *call)
{
	for (size_t i = 0; i < count; i++) {
		if (results[i] != EPERM && results[i] != EACCES)
			continue;
		log_path(LOG_WARN, "backup", key_of(d, from + i), "cannot be removed: %s", results[i] == EPERM ? "an object lock keeps it" : "not allowed (403)");
		return EACCES;
	}
	if (rc && rc != ECANCELED)
		log_store("backup", count ? key_of(d, from) : "", "cannot remove objects", call, rc);
	return rc;
}

static int remove_leaving(const struct place *p, const struct guard *g, const struct leaving *d, size_t count)
{
	struct store *s = p->v->store;
	size_t most = s->limits.delete_max;
	AUTO_FREE int *results = calloc(most + 1, sizeof(*results));
	int rc = results ? 0 : ENOMEM;

	for (size_t i = 0; i < count && !rc; i += most) {
		struct store_call call = next_call(p, g);
		size_t n = min_size(count - i, most);

		rc = guard_ask(g);
		if (rc)
			break;
		rc = d->keys ? s->ops->remove(s, d->keys + i, n, results, &call) : s->ops->remove_versions(s, d->versions + i, n, results, &call);
		rc = judge(d, i, results, n, rc, &call);
	}
	return rc;
}

int place_remove(const struct place *p, const struct guard *g, const char *const *keys, size_t count)
{
	return remove_leaving(p, g, &(struct leaving){ .keys = keys }, count);
}

static int remove_versions(const struct place *p, const struct guard *g, const struct store_version *versions, size_t count)
{
	return remove_leaving(p, g, &(struct leaving){ .versions = versions }, count);
}

/* ---- versions */

/* Of keys on which nothing stands, the data goes before the markers that hide it: cut short, nothing comes to light again. */
enum versions_what { ALL_VERSIONS, HIDDEN_DATA, HIDDEN_MARKERS };

struct versions_pass {
	const struct place *p;
	const struct guard *g;
	enum versions_what what;
	const char *only;       /* NULL, or the one key */
	char alive[PATH_CAP];   /* not ALL_VERSIONS: a key on which an object stands */
	bool found;             /* something was there to be removed */
	bool versioned;         /* the bucket keeps versions, or did */
};

/* Whether this version is to be removed by its id. They come by key, newest first. */
static bool wanted(struct versions_pass *pass, const struct store_version *version)
{
	bool plain = version->latest && !version->marker;

	if (pass->only ? strcmp(version->key, pass->only) != 0 : !place_has(pass->p, version->key))
		return false;
	if (pass->what == ALL_VERSIONS && plain && strcmp(version->id, "null") == 0)
		return false;
	if (pass->what != ALL_VERSIONS && plain)
		copy_text(pass->alive, sizeof(pass->alive), version->key);
	if (pass->what != ALL_VERSIONS && (strcmp(pass->alive, version->key) == 0 || version->marker != (pass->what == HIDDEN_MARKERS)))
		return false;
	pass->versioned = true;
	return true;
}

static int versions_page(struct versions_pass *pass, const struct store_versions *page)
{
	AUTO_FREE struct store_version *list = calloc(page->count + 1, sizeof(*list));
	size_t count = 0;

	if (!list)
		return ENOMEM;
	for (size_t i = 0; i < page->count; i++)
		if (wanted(pass, &page->list[i]))
			list[count++] = page->list[i];
	pass->found |= count > 0;
	return count ? remove_versions(pass->p, pass->g, list, count) : 0;
}

/* 0 also where the store has no versions, or does not let us look at them. */
static int versions_pass(struct versions_pass *pass)
{
	struct store *s = pass->p->v->store;
	AUTO_FREE char *token = NULL;
	bool more = true;
	int rc = 0;

	while (more && !rc) {
		struct store_call call = next_call(pass->p, pass->g);
		struct store_versions page = { 0 };

		rc = acting_stopped(pass->g ? pass->g->user : NULL);
		if (!rc)
			rc = s->ops->versions(s, pass->only ? pass->only : pass->p->prefix, token, 0, &page, &call);
		if (rc == EOPNOTSUPP || rc == EACCES)
			return 0;
		if (rc && rc != ECANCELED)
			log_store("backup", pass->p->prefix, "cannot list its versions", &call, rc);
		if (!rc)
			rc = versions_page(pass, &page);
		free(token);
		token = rc ? NULL : page.next;
		if (!rc)
			page.next = NULL;
		more = token != NULL;
		store_versions_free(&page);
	}
	return rc;
}

int place_erase_hidden(const struct place *p, const struct guard *g, bool *versioned)
{
	struct versions_pass data = { .p = p, .g = g, .what = HIDDEN_DATA }, markers = { .p = p, .g = g, .what = HIDDEN_MARKERS };
	int rc = versions_pass(&data);

	if (!rc)
		rc = versions_pass(&markers);
	*versioned |= data.versioned || markers.versioned;
	return rc;
}

/* ---- all of it */

struct plain_pass {
	const struct place *p;
	const struct guard *g;
	bool found;
};

static int remove_page(void *arg, const struct store_object *objects, size_t count)
{
	struct plain_pass *pass = arg;
	AUTO_FREE const char **keys = calloc(count, sizeof(*keys));

	if (!keys)
		return ENOMEM;
	for (size_t i = 0; i < count; i++)
		keys[i] = objects[i].key;
	pass->found = true;
	return place_remove(pass->p, pass->g, keys, count);
}

int place_erase(const struct place *p, const struct guard *g, bool *versioned)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct versions_pass versions = { .p = p, .g = g };
		struct plain_pass plain = { .p = p, .g = g };
		int rc = versions_pass(&versions);

		if (!rc)
			rc = place_walk(p, g, remove_page, &plain);
		*versioned |= versions.versioned;
		if (rc)
			return rc;
		if (!versions.found && !plain.found)
			return 0; /* the listings of this round are the proof */
	}
	log_path(LOG_WARN, "backup", p->prefix, "objects are written there while they are removed: tried again later");
	return EBUSY;
}

int erase_record(struct vault *v, const struct guard *g, const char *key, bool versioned)
{
	struct place p = { .v = v };
	struct versions_pass pass = { .p = &p, .g = g, .only = key };
	struct store_call call = next_call(&p, g);
	int rc = guard_ask(g);

	if (!rc)
		rc = record_remove(v, key, &call);
	return rc || !versioned ? rc : versions_pass(&pass);
}

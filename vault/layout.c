/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/open.h"

#include "base/clock.h"
#include "base/log.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>

/* The layout marker. Prefixes must not stand inside one another, or a tenant of one would be a backup of the other, and be deleted as such. When a
 * marker is created, the level above and the level below are looked at; later starts look above only, since nobody creates one below
 * without looking up. */

#define MARKER ".pishop/layout"
#define MARKER_MAX 4096
#define LOOKERS 8 /* requests at once, when the children are looked at */

static int get_marker(struct opening *open, const char *key, char text[MARKER_MAX + 1], struct store_call *call)
{
	struct store *s = open->v->store;
	struct iovec iov = { text, MARKER_MAX };
	size_t got = 0;

	*call = opening_call(open);

	int rc = s->ops->get(s, key, (struct store_range){ .length = MARKER_MAX }, NULL, &iov, 1, &got, NULL, call);

	text[rc ? 0 : got] = '\0';
	return rc;
}

/* A number of the marker; -1: missing or not a whole number. */
static int field(const cJSON *json, const char *name)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, name);

	return cJSON_IsNumber(value) && value->valuedouble == (double)value->valueint ? value->valueint : -1;
}

static enum vault_failure check_marker(struct opening *open, const char *key, const char *text)
{
	cJSON *json = cJSON_Parse(text);
	int format = field(json, "format"), layout = field(json, "layout");

	cJSON_Delete(json);
	if (format < 1 || layout < 1)
		return opening_refused(open, VAULT_LAYOUT, key,
				       "is not a layout marker of this program; if it was damaged, put {\"format\": 1, \"layout\": 1} there");
	if (format > 1 || layout > 1)
		return opening_refused(open, VAULT_LAYOUT, key, "says format %d and layout %d, and this program knows 1 and 1: use a newer version of it",
				       format, layout);
	return VAULT_OK;
}

/* Refuses where a marker stands at key; not being allowed to look there is no reason to. next: what to do instead. */
static enum vault_failure refuse_marker(struct opening *open, const char *key, const char *where, const char *next)
{
	struct store *s = open->v->store;
	struct store_call call = opening_call(open);
	struct store_meta meta;
	int rc = s->ops->head(s, key, &meta, &call);

	if (rc == ENOENT)
		return VAULT_OK;
	if (rc == EACCES) {
		log_path(LOG_DEBUG, "layout", key, "these credentials may not look whether a marker stands %s the prefix", where);
		return VAULT_OK;
	}
	if (rc)
		return opening_failed(open, rc, &call, key, "looking for a marker");
	return opening_refused(open, VAULT_LAYOUT, key,
			       "a marker stands here, %s the prefix \"%s\": prefixes inside one another would take tenants for backups; %s",
			       where, open->v->rules.prefix, next);
}

static enum vault_failure look_above(struct opening *open)
{
	const char *prefix = open->v->rules.prefix;
	const char *slash = strrchr(prefix, '/');
	char key[PATH_CAP], next[2 * PATH_CAP + 64];
	int above = (int)(slash ? slash - prefix : 0);

	if (prefix[0] == '\0')
		return VAULT_OK;
	snprintf(key, sizeof(key), "%.*s%s" MARKER, above, prefix, slash ? "/" : "");
	snprintf(next, sizeof(next), "mount the prefix \"%.*s\" with --tenant=%s, or a prefix elsewhere", above, prefix, slash ? slash + 1 : prefix);
	return refuse_marker(open, key, "above", next);
}

/* The children that several threads look at. */
struct children {
	struct opening *open;
	const struct store_page *page;
	_Atomic size_t next;
	pthread_mutex_t lock;
	enum vault_failure why; /* the first refusal */
};

static void look_at_children(void *arg)
{
	struct children *c = arg;

	for (size_t i; (i = atomic_fetch_add(&c->next, 1)) < c->page->count;) {
		const struct store_object *child = &c->page->objects[i];
		char key[PATH_CAP], line[1024] = "";
		struct opening mine = { c->open->v, c->open->deadline, line, sizeof(line) };

		if (!child->prefix || snprintf(key, sizeof(key), "%s" MARKER, child->key) >= (int)sizeof(key))
			continue;

		enum vault_failure why = refuse_marker(&mine, key, "below", "mount that prefix, or one beside it");

		if (why == VAULT_OK)
			continue;
		pthread_mutex_lock(&c->lock);
		if (c->why == VAULT_OK) {
			c->why = why;
			snprintf(c->open->error, c->open->cap, "%s", line);
		}
		pthread_mutex_unlock(&c->lock);
		atomic_store(&c->next, c->page->count);
	}
}

/* Looks for markers one level below, in the first page of children. That is enough: who has more tenants than a page holds (1000) and no
 * marker yet is migrating from the tool before, whose bucket has no markers at all. */
static enum vault_failure look_below(struct opening *open)
{
	struct store *s = open->v->store;
	struct store_call call = opening_call(open);
	struct store_page page;
	char key[PATH_CAP];

	opening_key(open, key, "");

	int rc = s->ops->list(s, key, '/', NULL, 0, &page, &call);

	if (rc == EACCES)
		return VAULT_OK; /* credentials for one tenant */
	if (rc)
		return opening_failed(open, rc, &call, key, "listing");
	if (page.next)
		log_path(LOG_WARN, "layout", key, "only the first %zu folders were searched for markers of other mounts", page.count);

	struct children c = { .open = open, .page = &page };

	pthread_mutex_init(&c.lock, NULL);
	for (size_t i = 1; i < LOOKERS && i < page.count; i++)
		if (pool_submit(open->v->upload_pool, look_at_children, &c))
			break;
	look_at_children(&c);
	pool_drain(open->v->upload_pool, 0);
	pthread_mutex_destroy(&c.lock);
	store_page_free(&page);
	return c.why;
}

static int put_marker(struct opening *open, const char *key, bool with_cond, struct store_call *call)
{
	struct store *s = open->v->store;
	struct store_cond cond = { .if_none_match = with_cond && s->conditional };
	char text[128], when[24];
	struct store_meta meta;

	clock_format_utc(when, clock_wall_s());
	snprintf(text, sizeof(text), "{\"format\": 1, \"layout\": 1, \"created\": \"%s\"}\n", when);
	*call = opening_call(open);
	return s->ops->put(s, key, &(struct iovec){ text, strlen(text) }, 1, NULL, &cond, &meta, call);
}

/* Two first mounts at once write the same marker, so whoever comes second is content with what is there. */
static enum vault_failure create_marker(struct opening *open, const char *key)
{
	char text[MARKER_MAX + 1];
	struct store_call call;
	enum vault_failure why = look_below(open);

	if (why != VAULT_OK)
		return why;

	int rc = put_marker(open, key, true, &call);

	if (rc == EOPNOTSUPP)
		rc = put_marker(open, key, false, &call);
	if (rc == EACCES)
		return opening_refused(open, VAULT_CREDENTIALS, key,
				       "this access key may not write; allow it in the policy, or mount with --read-only");
	if (rc && rc != ESTALE && !call.err.ambiguous)
		return opening_failed(open, rc, &call, key, "creating the layout marker");
	if (!rc) {
		log_path(LOG_INFO, "layout", key, "created: the first mount of this prefix");
		return VAULT_OK;
	}
	rc = get_marker(open, key, text, &call);
	return rc ? opening_failed(open, rc, &call, key, "reading the layout marker") : check_marker(open, key, text);
}

enum vault_failure layout_check(struct opening *open)
{
	char key[PATH_CAP], text[MARKER_MAX + 1];
	struct store_call call;

	opening_key(open, key, MARKER);

	int rc = get_marker(open, key, text, &call);

	if (rc && rc != ENOENT)
		return opening_failed(open, rc, &call, key, "reading the layout marker");

	enum vault_failure why = rc ? VAULT_OK : check_marker(open, key, text);

	if (why == VAULT_OK)
		why = look_above(open);
	if (why != VAULT_OK || !rc)
		return why;
	if (open->v->config.must_exist)
		return opening_refused(open, VAULT_LAYOUT, key,
				       "there is no marker, so nothing was ever written below this prefix by this program; check the store's name");
	if (!open->v->config.read_only)
		return create_marker(open, key);
	log_path(LOG_WARN, "layout", key, "there is no marker: nothing was ever written here by this program");
	return VAULT_OK;
}

/* Asks as tree.c does, with the same prefix: the policy of a tenant's key may allow that one only. */
enum vault_failure list_check(struct opening *open)
{
	struct vault *v = open->v;
	struct store_call call = opening_call(open);
	struct store_page page = { 0 };
	char key[PATH_CAP];
	int rc = path_key(&v->rules, key, v->config.tenant ? v->config.tenant : "", true);

	if (rc)
		return opening_refused(open, VAULT_OTHER, "", "the tenant's name does not fit: %s", strerror(rc));
	rc = v->store->ops->list(v->store, key, '/', NULL, 1, &page, &call);
	store_page_free(&page);
	if (rc == EACCES)
		return opening_refused(open, VAULT_CREDENTIALS, key,
				       "this may not be listed: the policy of this access key must allow s3:ListBucket on the bucket, for this prefix at least; or, "
				       "of a local folder, its mode");
	return rc ? opening_failed(open, rc, &call, key, "listing") : VAULT_OK;
}

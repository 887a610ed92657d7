/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/pages.h"
#include "vault/run_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "vault/object.h"

#include <errno.h>
#include <stdio.h>

/* Cleaning up after writers that fell silent.
 *
 * A record is looked at when the bucket has not seen it change for silent_after_s by the server's clock. It is let go while the writer shows life in
 * another way: its own time in the record, or a part that arrived lately. Else it is taken: rewritten, if it is still the one that was read, with
 * our id in it, whereupon its writer, if it lives after all, publishes nothing any more. Only then are its uploads aborted, and what it has in
 * the staging area removed. Then it is removed itself, or, where paths failed, kept without uploads until each of them was written anew.
 *
 * INVARIANTS: no object of the tree is ever touched, and nothing that the record does not name or that has not the writer's id in its name. In doubt (an
 * error, a record that cannot be read) everything stays as it is; the next look is a few minutes away. The first write here makes our own record, as
 * every first write does. */

#define ABORT_TRIES 5u
#define ABORT_WAIT_MS 50 /* doubled with each try: a part under way may land after the abort */
#define ROUND_MS (10 * 60 * 1000) /* of a round that nobody limits: the next one goes on */
#define STAGED_PAGES 1000u /* of staging objects removed in one round */
#define MENDED_LOOKS 64u /* failed paths looked at in one round */

/* One round over one or all tenants. */
struct round {
	struct vault *v;
	struct store_call *user; /* may be NULL */
	int64_t deadline_ms;     /* clock_mono_ms */
	int64_t server_now;      /* seconds, as the listing said */
};

/* One record of another writer. */
struct case_file {
	struct round *round;
	const char *key; /* of the record */
	char etag[STORE_ETAG_MAX];
	struct run_record record;
};

static struct store_call next_call(const struct round *round)
{
	struct store_call call = { .timeout_ms = round->v->config.meta_timeout_ms };
	int64_t left = round->deadline_ms - clock_mono_ms();

	if (round->user)
		call.cancel = round->user->cancel;
	call.timeout_ms = left < 1 ? 1 : left < (int64_t)call.timeout_ms ? (uint32_t)left : call.timeout_ms;
	return call;
}

/* 0, ECANCELED, ETIMEDOUT. */
static int must_stop(const struct round *round)
{
	if (round->user && round->user->cancel && atomic_load(round->user->cancel))
		return ECANCELED;
	return clock_mono_ms() > round->deadline_ms ? ETIMEDOUT : 0;
}

static bool silent(const struct round *round, int64_t since)
{
	return round->server_now - since > (int64_t)round->v->config.silent_after_s;
}

/* ---- May it be taken? */

/* Where the uploads of a tenant's writers are: in its tree, or in its staging area. */
static bool key_of_tenant(const struct round *round, const char *key, const char *tenant)
{
	char tree[PATH_CAP], staging[PATH_CAP];

	if (path_key(&round->v->rules, tree, tenant, true) || path_record_key(&round->v->rules, staging, tenant, "staging", ""))
		return false;
	return strncmp(key, tree, strlen(tree)) == 0 || strncmp(key, staging, strlen(staging)) == 0;
}

/* A record names things of its own tenant only, and is the one of the writer and tenant where it stands: who moves records about shall gain
 * nothing. */
static bool in_its_place(const struct case_file *c)
{
	const struct run_record *r = &c->record;
	char key[PATH_CAP];

	if (path_record_key(&c->round->v->rules, key, r->tenant, "run", r->writer) || strcmp(key, c->key) != 0)
		return false;
	for (size_t i = 0; i < r->upload_count; i++)
		if (!key_of_tenant(c->round, r->uploads[i].key, r->tenant))
			return false;
	for (size_t i = 0; i < r->failed_count; i++)
		if (!path_inside(r->failed[i].path, r->tenant))
			return false;
	return true;
}

/* The writer's own time, as long as its clock is not nonsense. */
static bool refreshed_lately(const struct case_file *c)
{
	int64_t ahead = c->record.refreshed - c->round->server_now;

	return !silent(c->round, c->record.refreshed) && ahead <= (int64_t)c->round->v->config.silent_after_s;
}

/* Whether a part of this upload arrived lately; *there: the upload exists. */
static int look_at_upload(const struct case_file *c, const struct run_upload *u, bool *young, bool *there)
{
	struct store *store = c->round->v->store;
	struct store_call call = next_call(c->round);
	struct store_parts parts = { 0 };
	int rc = store->ops->list_parts(store, u->key, u->id, &parts, &call);

	*there = rc != ENODATA;
	for (size_t i = 0; i < parts.count; i++)
		*young |= !silent(c->round, parts.parts[i].modified);
	store_parts_free(&parts);
	return rc == ENODATA ? 0 : rc;
}

static int shows_life(const struct case_file *c, bool *alive)
{
	int rc = 0;

	*alive = refreshed_lately(c);
	for (size_t i = 0; i < c->record.upload_count && !*alive && !rc; i++) {
		bool there;

		rc = must_stop(c->round);
		if (!rc)
			rc = look_at_upload(c, &c->record.uploads[i], alive, &there);
	}
	return rc;
}

/* ---- Taking it and cleaning up */

/* Our own record comes first, and must still be ours. */
static int own_right(const struct case_file *c)
{
	struct run *own;
	int rc = run_of(c->round->v, c->record.tenant, &own);

	return rc ? rc : run_may_publish(own);
}

/* Puts the record as it is in memory over the one that was read. ESTALE: it is another's by now. */
static int rewrite(struct case_file *c)
{
	struct store_call call = next_call(c->round);
	struct buf json;
	int rc = own_right(c);

	if (rc)
		return rc;
	buf_init(&json, RUN_JSON_MAX);
	rc = run_record_encode(&c->record, &json);
	if (!rc)
		rc = run_put(c->round->v, c->key, &json, c->etag, c->etag, &call);
	buf_free(&json);
	return rc == ENOENT ? ESTALE : rc;
}

/* Aborts until the store says that the upload is gone. */
static int end_upload(const struct case_file *c, const struct run_upload *u)
{
	struct store *store = c->round->v->store;
	bool there = true, young = false;
	int rc = 0;

	for (unsigned i = 0; i < ABORT_TRIES && there; i++) {
		struct store_call call = next_call(c->round);

		if (i)
			clock_sleep_ms((int64_t)ABORT_WAIT_MS << (i - 1));
		rc = must_stop(c->round);
		if (!rc)
			rc = store->ops->abort(store, u->key, u->id, &call);
		if (!rc || rc == ENODATA)
			rc = look_at_upload(c, u, &young, &there);
		if (rc)
			return rc;
	}
	return there ? EBUSY : 0;
}

static int end_uploads(const struct case_file *c)
{
	int rc = 0;

	for (size_t i = 0; i < c->record.upload_count && !rc; i++) {
		const struct run_upload *u = &c->record.uploads[i];

		rc = end_upload(c, u);
		if (rc)
			log_path(LOG_WARN, "recovery", u->key, "an unfinished upload of a dead writer cannot be aborted (%s): tried again later", strerror(rc));
		run_tick(c->round->v); /* this may take long, and our own record must not grow old */
	}
	return rc;
}

static int remove_page(const struct case_file *c, const struct store_page *page)
{
	struct store *store = c->round->v->store;
	struct store_call call = next_call(c->round);
	AUTO_FREE const char **keys = calloc(page->count + 1, sizeof(*keys));
	AUTO_FREE int *results = calloc(page->count + 1, sizeof(*results));

	if (!keys || !results)
		return ENOMEM;
	for (size_t i = 0; i < page->count; i++)
		keys[i] = page->objects[i].key;
	return page->count ? store->ops->remove(store, keys, page->count, results, &call) : 0;
}

/* What it had put aside under its id: writer_stage.c. */
static int remove_staged(const struct case_file *c)
{
	struct vault *v = c->round->v;
	uint32_t most = (uint32_t)min_u64(v->store->limits.delete_max, v->store->limits.list_max);
	char name[RUN_WRITER_HEX + 1], prefix[PATH_CAP];
	bool more = true;
	int rc;

	snprintf(name, sizeof(name), "%s-", c->record.writer);
	rc = path_record_key(&v->rules, prefix, c->record.tenant, "staging", name);
	for (unsigned pages = 0; more && !rc && pages < STAGED_PAGES; pages++) {
		struct store_call call = next_call(c->round);
		struct store_page page = { 0 };

		rc = must_stop(c->round);
		if (!rc)
			rc = v->store->ops->list(v->store, prefix, 0, NULL, most, &page, &call);
		if (!rc)
			rc = remove_page(c, &page);
		more = page.next != NULL;
		store_page_free(&page);
		run_tick(v);
	}
	return rc;
}

static int remove_record(const struct case_file *c)
{
	struct store_call call = next_call(c->round);
	int rc = own_right(c);

	return rc ? rc : run_remove(c->round->v, c->key, &call);
}

/* Removed, or kept for its failed paths. */
static int finish(struct case_file *c)
{
	run_record_drop_uploads(&c->record);
	return run_record_has_failed(&c->record) ? rewrite(c) : remove_record(c);
}

static int take(struct case_file *c)
{
	size_t uploads = c->record.upload_count;

	hex_encode(c->record.taken_by, c->round->v->writer_id, sizeof(c->round->v->writer_id));

	int rc = rewrite(c);

	if (rc)
		return rc;
	rc = end_uploads(c);
	if (!rc)
		rc = remove_staged(c);
	if (!rc && (uploads || !run_record_has_failed(&c->record)))
		rc = finish(c);
	if (!rc)
		log_path(LOG_WARN, "recovery", c->key, "writer %s in tenant %s fell silent: %zu unfinished uploads ended, %zu failed paths%s noted", c->record.writer,
			 c->record.tenant, uploads, c->record.failed_count, c->record.more_failed ? " and more" : "");
	return rc;
}

/* ---- Failed paths that were written anew */

/* Whether a good object stands at the path that was committed after the record's writer had ended. Any error means no. */
static bool was_mended(const struct case_file *c, const char *path)
{
	struct store *store = c->round->v->store;
	struct store_call call = next_call(c->round);
	AUTO(auto_object_unref) struct object *o = NULL;
	int64_t end = c->record.ended ? c->record.ended : c->record.refreshed;
	struct store_meta meta;
	struct trailer attrs;
	char key[PATH_CAP];

	if (path_key(&c->round->v->rules, key, path, false) || store->ops->head(store, key, &meta, &call))
		return false;
	if (meta.modified < end || object_load(c->round->v, key, meta.size, &o, &call) || object_foreign(o))
		return false;
	object_attrs(o, &attrs);
	return attrs.committed.tv_sec > end && (attrs.state == STATE_CLOSED || attrs.state == STATE_UNKNOWN);
}

/* Takes out what was mended; removes the record with its last path. */
static int drop_mended(struct case_file *c)
{
	struct run_record *r = &c->record;
	bool changed = false;
	int rc = 0;

	for (size_t i = 0, looks = 0; i < r->failed_count && looks < MENDED_LOOKS && !rc; looks++) {
		rc = must_stop(c->round);
		if (!rc && was_mended(c, r->failed[i].path))
			changed |= run_record_drop_failed(r, r->failed[i].path); /* another is at i now */
		else
			i++;
	}
	if (rc || !changed)
		return rc;
	return run_record_has_failed(r) ? rewrite(c) : remove_record(c);
}

/* ---- Finding them */

/* What a record that cannot be used means for the operator. */
static void leave_alone(const char *key, const char *why)
{
	log_path(LOG_WARN, "recovery", key, "a silent writer's record is left as it is: %s", why);
}

static int read_case(struct case_file *c)
{
	struct store_call call = next_call(c->round);
	int rc = run_get(c->round->v, c->key, &c->record, c->etag, &call);

	if (rc == EBADMSG)
		leave_alone(c->key, "it is damaged, or of a newer version of this program");
	else if (rc == ENOKEY || rc == EPROTONOSUPPORT)
		leave_alone(c->key, "it was written with another key or in a newer format");
	else if (!rc && !in_its_place(c)) {
		leave_alone(c->key, "it does not belong where it stands");
		rc = EBADMSG;
	}
	return rc;
}

/* An error that concerns this record only: the others are looked at all the same. */
static bool harmless(int rc)
{
	return rc == ENOENT || rc == EBADMSG || rc == ENOKEY || rc == EPROTONOSUPPORT || rc == ESTALE || rc == EACCES || rc == EBUSY;
}

static int look_into(struct case_file *c)
{
	bool alive;
	int rc = read_case(c);

	if (rc)
		return rc;
	if (!c->record.upload_count && run_record_has_failed(&c->record) && (c->record.ended || c->record.taken_by[0]))
		return drop_mended(c);
	rc = shows_life(c, &alive);
	if (rc || alive)
		return rc;
	return take(c);
}

static bool is_ours(struct vault *v, const char *key)
{
	char own[RUN_WRITER_HEX];

	hex_encode(own, v->writer_id, sizeof(v->writer_id));
	return strcmp(path_name(key), own) == 0;
}

static int recover_page(struct round *round, const struct store_page *page)
{
	int rc = 0;

	for (size_t i = 0; i < page->count && !rc; i++) {
		struct case_file c = { .round = round, .key = page->objects[i].key };

		if (page->objects[i].prefix || is_ours(round->v, c.key) || !silent(round, page->objects[i].modified))
			continue;
		rc = must_stop(round);
		if (!rc)
			rc = look_into(&c);
		run_record_free(&c.record);
		if (rc == EACCES)
			leave_alone(page->objects[i].key, "this identity may not clean up after it (403)");
		if (harmless(rc))
			rc = 0;
		run_tick(round->v);
	}
	return rc;
}

/* All pages below prefix, each given to `each`. */
static int for_pages(struct round *round, const char *prefix, int (*each)(struct round *round, const struct store_page *page))
{
	AUTO(pages_free) struct pages pages = { .v = round->v, .prefix = prefix, .delimiter = '/' };
	int rc = 0;

	while (!rc && pages_left(&pages)) {
		struct store_call call = next_call(round);
		struct store_page page = { 0 };

		rc = must_stop(round);
		if (!rc)
			rc = pages_next(&pages, &page, &call);
		round->server_now = call.server_date ? call.server_date : clock_wall_s(); /* a local folder has this machine's clock */
		if (!rc)
			rc = each(round, &page);
		pages.found += page.count;
		store_page_free(&page);
		run_tick(round->v);
	}
	return rc;
}

static int recover_tenant(struct round *round, const char *tenant)
{
	char prefix[PATH_CAP];
	int rc = path_record_key(&round->v->rules, prefix, tenant, "run", "");

	if (!rc)
		rc = for_pages(round, prefix, recover_page);
	if (rc && rc != ECANCELED)
		log_path(LOG_WARN, "recovery", prefix, "cannot look for records of silent writers: %s", strerror(rc));
	return rc;
}

/* Each common prefix is a tenant's folder of records. */
static int recover_tenants(struct round *round, const struct store_page *page)
{
	int rc = 0;

	for (size_t i = 0; i < page->count && !rc; i++) {
		char *key = page->objects[i].key;

		if (!page->objects[i].prefix)
			continue;
		key[strlen(key) - 1] = '\0';
		rc = recover_tenant(round, path_name(key));
	}
	return rc;
}

int run_recover(struct vault *v, const char *tenant, struct store_call *call)
{
	struct round round = { .v = v, .user = call, .deadline_ms = clock_mono_ms() + ROUND_MS };
	char prefix[PATH_CAP];

	if (v->config.read_only)
		return 0;
	if (call && call->timeout_ms)
		round.deadline_ms = clock_mono_ms() + call->timeout_ms;
	if (!tenant)
		tenant = v->config.tenant;
	if (tenant)
		return recover_tenant(&round, tenant);
	if (snprintf(prefix, sizeof(prefix), "%s%s.pishop/t/", v->rules.prefix, v->rules.prefix[0] ? "/" : "") >= (int)sizeof(prefix))
		return ENAMETOOLONG;
	return for_pages(&round, prefix, recover_tenants);
}

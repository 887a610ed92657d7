/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/tombstone_private.h"

#include "base/log.h"
#include "vault/audit.h"
#include "vault/object_private.h"
#include "vault/pages.h"

#include <errno.h>
#include <stdio.h>

/* The deletion of many backups at once, for few requests: the steps of tombstone_delete.c, each taken with all of them before the next, so that what is one request for
 * a thousand objects is that for the objects of several backups too. Killed anywhere, each is what it would be had it been alone.
 *
 *   LOOK      all that stands of them is listed, with versions
 *   BEGIN     `deleting`, for each by its own conditional write; who is not as its tombstone says falls out
 *   HOLDS     are looked at once more, for all
 *   AUDIT     the lines `deleting` are in the bucket
 *   SEALS     go
 *   OBJECTS   go
 *   PROOF     a second listing; of whom something is left goes the long way, alone
 *   AUDIT     the lines `deleted` are in the bucket
 *   RECORDS   the tombstones go */

struct doomed { /* an object or version that stands there */
	char *key, *id; /* owned; id NULL: the plain object */
	size_t of;
};

struct end { /* of one backup */
	struct tombstone *t;
	int *result;
	struct place_sum sum; /* what stands there */
	uint64_t left;        /* the same in versions, at the last listing */
	bool going;           /* `deleting` stands, and nothing has come between */
};

struct many {
	struct vault *v;
	const char *tenant;
	const struct guard *g;
	struct lease *lease;
	char root[PATH_CAP];  /* key of the tenant's folder */
	uint64_t objects;     /* in it */
	struct end *ends;     /* sorted by stem */
	size_t count;
	struct doomed *list;
	size_t listed, cap;
	bool versioned;       /* there are versions, or may have been */
	bool keep;            /* what is listed is remembered */
};

static struct store_call next_call(const struct many *m)
{
	return acting_call(m->v, m->g->user, m->g->request_ms);
}

/* ---- LOOK, PROOF */

static int by_stem(const void *a, const void *b)
{
	return strcmp(((const struct end *)a)->t->stem, ((const struct end *)b)->t->stem);
}

static int is_stem(const void *stem, const void *end)
{
	return strcmp(stem, ((const struct end *)end)->t->stem);
}

/* Whose a key is; NULL: of none of them. */
static struct end *end_of(const struct many *m, const char *key)
{
	size_t skip = strlen(m->root), n;
	char name[PATH_CAP];
	struct stem stem;

	if (strncmp(key, m->root, skip) != 0)
		return NULL;
	n = strcspn(key + skip, "/");
	if (!n || n >= sizeof(name))
		return NULL;
	memcpy(name, key + skip, n);
	name[n] = '\0';
	stem_of(name, &stem);
	return bsearch(stem.text, m->ends, m->count, sizeof(*m->ends), is_stem);
}

static int remember(struct many *m, const struct end *end, const struct store_version *version)
{
	bool plain = version->latest && !version->marker && strcmp(version->id, "null") == 0;
	struct doomed *grown = m->list;

	if (m->listed == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 1024;
		grown = reallocarray(m->list, m->cap, sizeof(*grown));
	}
	if (!grown)
		return ENOMEM;
	m->list = grown;

	struct doomed *d = &grown[m->listed];

	*d = (struct doomed){ .key = strdup(version->key), .id = plain ? NULL : strdup(version->id), .of = (size_t)(end - m->ends) };
	m->listed++;
	return d->key && (plain || d->id) ? 0 : ENOMEM;
}

/* only: of this one alone; NULL: of all. */
static int see(struct many *m, const struct end *only, const struct store_version *version)
{
	struct end *end = end_of(m, version->key);

	if (!end || (only && end != only))
		return 0;
	end->left++;
	m->versioned |= version->marker || !version->latest || strcmp(version->id, "null") != 0;
	if (version->latest && !version->marker) {
		end->sum.objects++;
		end->sum.bytes += version->size;
		end->sum.newest_s = version->modified > end->sum.newest_s ? version->modified : end->sum.newest_s;
	}
	return m->keep ? remember(m, end, version) : 0;
}

/* Where the store has no versions, or does not let us look at them, an object is its only one. */
static int list_plain(struct many *m, const struct end *only, const char *prefix)
{
	AUTO(pages_free) struct pages pages = { .v = m->v, .prefix = prefix };
	int rc = 0;

	while (!rc && pages_left(&pages)) {
		struct store_call call = next_call(m);
		struct store_page page = { 0 };

		rc = acting_stopped(m->g->user);
		if (!rc)
			rc = pages_next(&pages, &page, &call);
		if (rc && rc != ECANCELED)
			log_store("backup", prefix, "cannot list objects that are to be removed", &call, rc);
		acting_tell(m->g->user, &call);
		for (size_t i = 0; i < page.count && !rc; i++) {
			const struct store_object *o = &page.objects[i];

			rc = see(m, only, &(struct store_version){ .key = o->key, .id = "null", .latest = true, .size = o->size, .modified = o->modified });
		}
		store_page_free(&page);
	}
	return rc;
}

static int list_prefix(struct many *m, const struct end *only, const char *prefix)
{
	struct store *s = m->v->store;
	AUTO_FREE char *token = NULL;
	bool more = true;
	int rc = 0;

	while (more && !rc) {
		struct store_call call = next_call(m);
		struct store_versions page = { 0 };

		rc = acting_stopped(m->g->user);
		if (!rc)
			rc = s->ops->versions(s, prefix, token, 0, &page, &call);
		if (!token && (rc == EOPNOTSUPP || rc == EACCES))
			return list_plain(m, only, prefix);
		if (rc && rc != ECANCELED)
			log_store("backup", prefix, "cannot list versions that are to be removed", &call, rc);
		acting_tell(m->g->user, &call);
		for (size_t i = 0; i < page.count && !rc; i++)
			rc = see(m, only, &page.list[i]);
		free(token);
		token = rc ? NULL : page.next;
		if (!rc)
			page.next = NULL;
		more = token != NULL;
		store_versions_free(&page);
	}
	return rc;
}

static int list_one(struct many *m, struct end *end)
{
	char prefix[PATH_CAP + STEM_CAP];

	snprintf(prefix, sizeof(prefix), "%s%s", m->root, end->t->stem);
	return list_prefix(m, end, prefix);
}

/* The whole folder at once, or one backup after the other: whichever takes fewer pages. expect: objects of the folder. */
static int list_all(struct many *m, uint64_t expect, bool keep)
{
	uint64_t page = m->v->store->limits.list_max ? m->v->store->limits.list_max : 1000, each = 0;
	int rc = 0;

	for (size_t i = 0; i < m->count; i++) {
		each += 1 + (keep ? m->ends[i].t->objects / page : 0);
		m->ends[i].sum = (struct place_sum){ 0 };
		m->ends[i].left = 0;
	}
	m->keep = keep;
	if (expect / page + 1 <= each)
		return list_prefix(m, NULL, m->root);
	for (size_t i = 0; i < m->count && !rc; i++)
		rc = list_one(m, &m->ends[i]);
	return rc;
}

/* ---- BEGIN, HOLDS */

/* What falls out alone; all else stops everything. */
static bool alone(int rc)
{
	return rc == EAGAIN || rc == ESTALE || rc == ENOENT || rc == EEXIST || rc == EACCES || rc == EBADMSG || rc == EBUSY;
}

/* Of an ESTALE it must be known whether it was the lease. */
static int settle(struct many *m, struct end *end, int rc)
{
	if (rc && !alone(rc))
		return rc;
	end->going = !rc;
	*end->result = rc == ENOENT || rc == EEXIST ? ESTALE : rc;
	return rc == ESTALE ? guard_ask(m->g) : 0;
}

static int begin_all(struct many *m)
{
	int rc = 0;

	for (size_t i = 0; i < m->count && !rc; i++) {
		struct end *end = &m->ends[i];
		char key[PATH_CAP];
		int one = tombstone_key(m->v, m->tenant, end->t, false, key);

		if (m->lease)
			end->t->epoch = lease_epoch(m->lease);
		if (!one && end->t->phase == TOMB_GRACE)
			one = tombstone_begin_due(m->v, m->tenant, key, end->t, &end->sum, acting_now(m->g->user), m->g);
		rc = settle(m, end, one);
	}
	return rc;
}

static int heed_holds(struct many *m)
{
	AUTO(holds_free) struct holds holds = { 0 };
	int rc = holds_read(m->v, m->tenant, &holds, m->g->user);

	for (size_t i = 0; i < m->count && !rc; i++) {
		struct end *end = &m->ends[i];
		char key[PATH_CAP];
		int one = end->going ? tombstone_key(m->v, m->tenant, end->t, false, key) : 0;

		if (!end->going)
			continue;
		if (!one)
			one = tombstone_held(m->v, m->tenant, key, end->t, &holds, &end->sum, m->g);
		rc = settle(m, end, one);
	}
	return rc;
}

/* ---- records of a kind: one for each backup that is going */

static int remove_kinds(struct many *m, const char *const *kinds, size_t count)
{
	AUTO_FREE char(*keys)[PATH_CAP] = calloc(m->count * count + 1, sizeof(*keys));
	AUTO_FREE const char **list = calloc(m->count * count + 1, sizeof(*list));
	const struct place p = { .v = m->v };
	size_t n = 0;
	int rc = keys && list ? 0 : ENOMEM;

	for (size_t i = 0; i < m->count; i++)
		for (size_t k = 0; k < count && m->ends[i].going && !rc; k++) {
			rc = path_record_key(&m->v->rules, keys[n], m->tenant, kinds[k], m->ends[i].t->stem);
			list[n] = keys[n];
			n++;
		}
	return rc ? rc : place_remove(&p, m->g, list, n);
}

/* ---- OBJECTS */

/* What a batch answered: who may not go falls out; else the first error. */
static int judge(struct many *m, const size_t *which, const int *results, size_t n, int rc, const struct store_call *call)
{
	bool refused = false;

	for (size_t i = 0; i < n; i++) {
		const struct doomed *d = &m->list[which[i]];

		if (results[i] != EPERM && results[i] != EACCES)
			continue;
		if (m->ends[d->of].going)
			log_path(LOG_WARN, "backup", d->key, "cannot be removed: %s", results[i] == EPERM ? "an object lock keeps it" : "not allowed (403)");
		m->ends[d->of].going = false;
		*m->ends[d->of].result = EACCES;
		refused = true;
	}
	if (rc && !refused && rc != ECANCELED)
		log_store("backup", n ? m->list[which[0]].key : "", "cannot remove objects", call, rc);
	return refused ? 0 : rc;
}

static int send(struct many *m, const size_t *which, size_t n, bool versions)
{
	struct store *s = m->v->store;
	struct store_call call = next_call(m);
	AUTO_FREE int *results = calloc(n + 1, sizeof(*results));
	AUTO_FREE const char **keys = calloc(n + 1, sizeof(*keys));
	AUTO_FREE struct store_version *list = versions ? calloc(n + 1, sizeof(*list)) : NULL;
	int rc = results && keys && (list || !versions) ? guard_ask(m->g) : ENOMEM;

	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++) {
		const struct doomed *d = &m->list[which[i]];

		keys[i] = d->key;
		if (!versions)
			continue;
		list[i].key = d->key;
		rc = copy_text(list[i].id, sizeof(list[i].id), d->id) ? EBADMSG : rc;
	}
	if (!rc)
		rc = versions ? s->ops->remove_versions(s, list, n, results, &call) : s->ops->remove(s, keys, n, results, &call);
	return judge(m, which, results, n, rc, &call);
}

/* What is remembered of those that are going: versions by their ids, the oldest of each key first, so that cut short nothing comes to light again; then plain objects. */
static int remove_listed(struct many *m)
{
	size_t most = m->v->store->limits.delete_max;
	AUTO_FREE size_t *which = calloc(most + 1, sizeof(*which));
	int rc = which ? 0 : ENOMEM;

	for (int plain = 0; plain < 2; plain++) {
		size_t n = 0;

		for (size_t i = m->listed; i-- > 0 && !rc;) {
			if ((m->list[i].id == NULL) != (plain == 1) || !m->ends[m->list[i].of].going)
				continue;
			which[n++] = i;
			if (n == most) {
				rc = send(m, which, n, !plain);
				n = 0;
			}
		}
		if (n && !rc)
			rc = send(m, which, n, !plain);
	}
	return rc;
}

static void forget_listed(struct many *m)
{
	for (size_t i = 0; i < m->listed; i++) {
		free(m->list[i].key);
		free(m->list[i].id);
	}
	free(m->list);
	m->list = NULL;
	m->listed = m->cap = 0;
}

/* Where versions are kept a removal only hides: all versions of the records go by their ids. */
static int remove_versions_of(struct many *m, const char *kind)
{
	struct many records = { .v = m->v, .tenant = m->tenant, .g = m->g, .ends = m->ends, .count = m->count, .keep = true };
	int rc = path_record_key(&m->v->rules, records.root, m->tenant, kind, "");

	if (!rc)
		rc = list_prefix(&records, NULL, records.root);
	if (!rc)
		rc = remove_listed(&records);
	forget_listed(&records);
	return rc;
}

/* ---- PROOF, AUDIT, RECORDS */

static bool any_going(const struct many *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->ends[i].going)
			return true;
	return false;
}

static int prove(struct many *m)
{
	uint64_t gone = 0;

	for (size_t i = 0; i < m->count; i++)
		gone += m->ends[i].going ? m->ends[i].t->objects : 0;

	int rc = list_all(m, m->objects > gone ? m->objects - gone : 0, false);

	for (size_t i = 0; i < m->count && !rc; i++) {
		struct end *end = &m->ends[i];

		if (!end->going || !end->left)
			continue;
		end->going = false;
		*end->result = ECANCELED;
		rc = settle(m, end, tombstone_finish(m->v, m->tenant, end->t, m->lease, m->g->user));
		end->going = false; /* all of it was done there */
	}
	return rc;
}

/* What cannot be written is in the program's log alone, and stops nothing; else the records stay as the trace until the lines stand. */
static int flush(struct many *m)
{
	int rc = audit_flush(m->v, m->tenant, m->g->user);

	return rc == EACCES || rc == EROFS ? 0 : rc;
}

static int tell(struct many *m)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct tombstone *t = m->ends[i].t;

		if (m->ends[i].going)
			audit_note(m->v, m->tenant, &(struct audit_line){ .event = AUDIT_DELETED, .backup = t->stem,
									      .detail = t->begun ? "begun by an earlier run" : NULL, .epoch = t->epoch, .objects = t->objects, .bytes = t->bytes });
	}
	return flush(m);
}

static int finish_all(struct many *m)
{
	static const char *const before[] = { "seals", "reopen" }, *const after[] = { "tombstones" };
	int rc = list_all(m, m->objects, true);

	if (!rc)
		rc = begin_all(m);
	if (!rc)
		rc = heed_holds(m);
	if (rc || !any_going(m))
		return rc;
	rc = flush(m); /* the log says `deleting` before anything goes */
	if (!rc)
		rc = remove_kinds(m, before, ARRAY_LEN(before));
	if (!rc)
		rc = remove_listed(m);
	forget_listed(m);
	if (!rc)
		rc = prove(m);
	for (size_t i = 0; i < ARRAY_LEN(before) && m->versioned && !rc; i++)
		rc = remove_versions_of(m, before[i]);
	if (rc || !any_going(m))
		return rc;
	rc = tell(m);
	if (rc)
		return rc;
	return m->versioned ? remove_versions_of(m, after[0]) : remove_kinds(m, after, ARRAY_LEN(after));
}

static int ask_lease(void *arg, struct store_call *call)
{
	return lease_check(arg, call);
}

int tombstone_finish_many(struct vault *v, const char *tenant, struct tombstone *list, size_t count, uint64_t objects, struct lease *lease, int *results, struct store_call *user)
{
	struct store_call call = acting_call(v, user, 0);
	struct guard g = { .ask = lease ? ask_lease : NULL, .arg = lease, .request_ms = lease ? lease_request_ms(lease) : 0, .user = &call };
	AUTO_FREE struct end *ends = calloc(count + 1, sizeof(*ends));
	struct many m = { .v = v, .tenant = tenant, .g = &g, .lease = lease, .objects = objects, .ends = ends, .count = count };
	int rc = v->config.read_only ? EROFS : ends ? path_key(&v->rules, m.root, tenant, true) : ENOMEM;

	for (size_t i = 0; i < count; i++)
		results[i] = ECANCELED;
	if (rc)
		return rc;
	for (size_t i = 0; i < count; i++) {
		ends[i] = (struct end){ .t = &list[i], .result = &results[i] };
		m.versioned |= list[i].begun;
	}
	qsort(ends, count, sizeof(*ends), by_stem);
	rc = finish_all(&m);
	for (size_t i = 0; i < count && rc; i++)
		if (ends[i].going)
			*ends[i].result = ECANCELED; /* not to its end */
	forget_listed(&m);
	acting_tell(user, &call);
	return rc;
}

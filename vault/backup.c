/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/catalog_private.h"

#include "vault/crew.h"
#include "vault/tombstone.h"

#include <errno.h>

/* The catalog of a tenant: what was listed, and for each backup the first of these that holds:
 *
 *   DELETED             a tombstone stands
 *   SEALED              what stands is what the seal lists, whatever records say
 *   OPEN, DAMAGED       it is not: with, or without, a record of reopening
 *   PARTIAL             a member in state 2 or 3; a path that failed, or an upload of a silent writer, without a good object since
 *   OPEN, SETTLING      a writer that lives has an upload there or a file not closed; or has committed lately
 *   UNSEALED            else
 *
 * INVARIANT: no state is given to a backup of which something could not be read. */

#define SETTLE_DEFAULT_S 900u
#define COMMIT_AHEAD_S 3600 /* a commit, which no zone shifts */

const char *backup_state_name(enum backup_state s)
{
	static const char *const names[] = {
		[BACKUP_OPEN] = "open",	      [BACKUP_SETTLING] = "settling", [BACKUP_SEALED] = "sealed",   [BACKUP_UNSEALED] = "unsealed",
		[BACKUP_PARTIAL] = "partial", [BACKUP_DAMAGED] = "damaged",   [BACKUP_DELETED] = "deleted",
	};

	return (size_t)s < ARRAY_LEN(names) ? names[s] : "?";
}

/* ---- what is remembered */

static int is_stem(const void *stem, const void *backup)
{
	return strcmp(stem, ((const struct backup *)backup)->stem);
}

static const struct backup *recall(const struct catalog_memory *m, const struct row *r)
{
	const struct backup *b = m && m->count ? bsearch(r->b.stem, m->known, m->count, sizeof(*m->known), is_stem) : NULL;

	return b && strcmp(b->seal_etag, r->b.seal_etag) == 0 && memcmp(b->listed, r->b.listed, sizeof(b->listed)) == 0 ? b : NULL;
}

/* Of a sealed one its good state alone, since a damaged one may have been reopened since; of another, what its members say, where no writer says more. */
static bool holds_still(const struct scan *s, const struct row *r, const struct backup *known)
{
	if (r->b.seal_etag[0])
		return known->state == BACKUP_SEALED;
	if (r->claims || (r->young && (s->live_count || s->live_unknown)))
		return false;
	return known->state == BACKUP_UNSEALED || (known->state == BACKUP_PARTIAL && reason_of_members(known->reason));
}

static bool remembered(const struct scan *s, const struct catalog_memory *m, struct row *r)
{
	const struct backup *known = r->tombstone ? NULL : recall(m, r);
	uint64_t stored = r->b.stored;
	bool held = r->b.held;

	if (!known || !holds_still(s, r, known))
		return false;
	r->b = *known;
	r->b.stored = stored;
	r->b.held = held;
	r->b.live_writer = false;
	r->b.deleted_until_s = 0;
	if (!r->b.timed)
		r->b.time_s = r->b.committed_s;
	return true;
}

/* ---- what is looked at */

struct deciding {
	struct scan *scan;
	struct row **rows;
	size_t count;
	unsigned threads; /* for one row */
};

/* ENOENT: it is not deleted any more. One whose record cannot be read stays hidden, and is deleted by nobody. */
static int decide_deleted(struct scan *s, struct row *r)
{
	AUTO(tombstone_free) struct tombstone t = { 0 };
	struct store_call call = acting_call(s->v, s->call, 0);
	int rc = tombstone_read(s->v, s->tenant, r->b.stem, &t, &call);

	if (rc && !counts_for_nothing(rc))
		return rc;
	r->b.state = BACKUP_DELETED;
	r->b.deleted_until_s = rc ? TOMBSTONE_FAR : t.until_s;
	r->b.sealed_s = r->seal_modified_s;
	set_time(&r->b);
	if (!rc && s->options && s->options->tombstone)
		s->options->tombstone(s->options->arg, &t);
	return 0;
}

static bool has_upload(const struct row *r)
{
	for (const struct claim *c = r->claims; c; c = c->next)
		if (c->live && !c->error)
			return true;
	return false;
}

static int decide(void *arg, size_t i)
{
	struct deciding *d = arg;
	struct row *r = d->rows[i];
	int rc = acting_stopped(d->scan->call);

	if (rc)
		return rc;
	rc = r->tombstone ? decide_deleted(d->scan, r) : ENOENT;
	if (rc == ENOENT && r->b.seal_etag[0])
		rc = decide_sealed(d->scan, r, d->threads);
	if (rc == ENOENT)
		rc = decide_unsealed(d->scan, r, d->threads);
	r->b.live_writer |= has_upload(r);
	return rc;
}

static int decide_all(struct scan *s, const struct catalog_options *options)
{
	AUTO_FREE struct row **rows = calloc(HASH_COUNT(s->rows) + 1, sizeof(*rows));
	struct deciding d = { .scan = s, .rows = rows };

	if (!rows)
		return ENOMEM;
	for (struct row *r = s->rows; r; r = r->hh.next)
		if (!remembered(s, options->memory, r))
			rows[d.count++] = r;
	d.threads = crew_share(options->threads, d.count);
	return crew_run(options->threads, d.count, decide, &d);
}

/* ---- the catalog */

static int newest_first(const void *a, const void *b)
{
	const struct backup *x = a, *y = b;

	return x->time_s != y->time_s ? (x->time_s < y->time_s ? 1 : -1) : strcmp(x->stem, y->stem);
}

/* Pods name in local time, so that a name may be a day ahead; commits tell the time. */
static bool is_ahead(const struct backup *b, int64_t server_s)
{
	struct stem stem;

	stem_of(b->stem, &stem);
	return b->committed_s > server_s + COMMIT_AHEAD_S || (stem.timed && stem.time_s > server_s + SEAL_SKEW_S);
}

/* A backup of which nothing stands, neither object nor record, is none: it went while it was looked at. */
static bool is_there(const struct row *r)
{
	return r->b.objects || r->b.seal_etag[0] || r->b.state == BACKUP_DELETED;
}

static int give(const struct scan *s, struct catalog *out)
{
	struct catalog c = { .objects = s->objects, .begun_s = s->begun_s, .server_s = s->server_s, .skew_s = s->skew_s };

	c.backups = calloc(HASH_COUNT(s->rows) + 1, sizeof(*c.backups));
	if (!c.backups)
		return ENOMEM;
	copy_text(c.tenant, sizeof(c.tenant), s->tenant);
	for (const struct row *r = s->rows; r; r = r->hh.next) {
		if (!is_there(r))
			continue;
		c.backups[c.count] = r->b;
		c.backups[c.count].future = is_ahead(&r->b, s->server_s);
		c.count++;
	}
	qsort(c.backups, c.count, sizeof(*c.backups), newest_first);
	*out = c;
	return 0;
}

int catalog_read(struct vault *v, const char *tenant, const struct catalog_options *options, struct catalog *out, struct store_call *call)
{
	static const struct catalog_options none;
	const struct catalog_options *o = options ? options : &none;
	AUTO(scan_free) struct scan s = { .v = v, .tenant = tenant, .only = o->only, .settle_s = o->settle_s ? o->settle_s : SETTLE_DEFAULT_S, .call = call,
				       .options = o };
	int rc;

	*out = (struct catalog){ 0 };
	rc = scan_read(&s);
	if (!rc && !s.exists && !s.rows && !s.only)
		rc = ENOENT;
	if (!rc)
		rc = decide_all(&s, o);
	return rc ? rc : give(&s, out);
}

void catalog_free(struct catalog *c)
{
	if (!c)
		return;
	free(c->backups);
	*c = (struct catalog){ 0 };
}

const struct backup *catalog_find(const struct catalog *c, const char *stem)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->backups[i].stem, stem) == 0)
			return &c->backups[i];
	return NULL;
}

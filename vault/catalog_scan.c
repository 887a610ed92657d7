/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/catalog_private.h"

#include "base/log.h"
#include "vault/object_private.h"
#include "vault/pages.h"

#include <errno.h>
#include <stdio.h>

/* A tenant's folder, listed once and flat, a page at a time: of each object no more is kept than what it adds to its backup's row. Then the records. What is listed first may be
 * older than what is listed later; where the two do not fit, the backup is looked at by itself. */

struct row *scan_find(const struct scan *s, const char *stem)
{
	struct row *r;

	HASH_FIND_STR(s->rows, stem, r);
	return r;
}

struct row *scan_row(struct scan *s, const char *stem)
{
	struct row *r = scan_find(s, stem);

	if (r)
		return r;
	r = calloc(1, sizeof(*r));
	if (!r || copy_text(r->b.stem, sizeof(r->b.stem), stem)) {
		free(r);
		return NULL;
	}
	HASH_ADD_STR(s->rows, b.stem, r);
	if (r->hh.tbl)
		return r;
	free(r);
	return NULL;
}

void scan_free(struct scan *s)
{
	struct row *r, *next;

	HASH_ITER(hh, s->rows, r, next) {
		HASH_DEL(s->rows, r);
		for (struct claim *c = r->claims, *after; c; c = after) {
			after = c->next;
			free(c->key);
			free(c);
		}
		free(r);
	}
	free(s->live);
	s->live = NULL;
}

bool scan_lives(const struct scan *s, const uint8_t writer[16])
{
	for (size_t i = 0; i < s->live_count; i++)
		if (memcmp(s->live[i], writer, sizeof(s->live[i])) == 0)
			return true;
	return false;
}

/* ---- objects */

struct listing {
	struct scan *scan;
	char root[PATH_CAP];   /* key of the tenant's folder */
	char prefix[PATH_CAP + STEM_CAP];
	char name[PATH_CAP];   /* of the last object's child of the tenant; row: its backup's */
	struct row *row;       /* NULL: it is of none that is asked for */
	struct digest *digest;
};

/* The backup of a direct child of the tenant. */
static int find_row(struct listing *l, const char *name, size_t n)
{
	struct stem stem;

	if (n >= sizeof(l->name))
		return EBADMSG;
	memcpy(l->name, name, n);
	l->name[n] = '\0';
	stem_of(l->name, &stem);
	l->row = NULL;
	if (l->scan->only && strcmp(l->scan->only, stem.text) != 0)
		return 0;
	l->row = scan_row(l->scan, stem.text);
	return l->row ? 0 : ENOMEM;
}

static int see_object(struct listing *l, const struct store_object *o)
{
	const char *name = o->key + strlen(l->root);
	size_t n = strcspn(name, "/");
	int rc = 0;

	l->scan->objects++;
	if (!n)
		return 0; /* the tenant's own marker */
	if (strncmp(l->name, name, n) != 0 || l->name[n])
		rc = find_row(l, name, n);
	if (rc || !l->row)
		return rc;

	struct backup *b = &l->row->b;

	b->objects++;
	b->bytes += o->size;
	b->stored += o->size;
	if (o->modified > b->committed_s)
		b->committed_s = o->modified;
	listed_add(l->digest, b->listed, o);
	return 0;
}

static int next_page(struct listing *l, struct pages *pages)
{
	struct scan *s = l->scan;
	struct store_call call = acting_call(s->v, s->call, 0);
	struct store_page page = { 0 };
	int rc = acting_stopped(s->call);

	if (!rc)
		rc = pages_next(pages, &page, &call);
	if (rc && rc != ECANCELED)
		log_store("backup", l->prefix, "cannot list its backups", &call, rc);
	acting_tell(s->call, &call);
	s->server_s = acting_now(&call);
	s->begun_s = s->begun_s ? s->begun_s : s->server_s;
	s->skew_s = clock_wall_s() - s->server_s;
	for (size_t i = 0; i < page.count && !rc; i++)
		rc = strncmp(page.objects[i].key, l->root, strlen(l->root)) == 0 ? see_object(l, &page.objects[i]) : EBADMSG;
	store_page_free(&page);
	return rc;
}

static int scan_objects(struct scan *s)
{
	struct listing l = { .scan = s };
	AUTO(pages_free) struct pages pages = { .v = s->v, .prefix = l.prefix };
	int rc = path_key(&s->v->rules, l.root, s->tenant, true);

	if (!rc && snprintf(l.prefix, sizeof(l.prefix), "%s%s", l.root, s->only ? s->only : "") >= (int)sizeof(l.prefix))
		rc = ENAMETOOLONG;
	if (!rc)
		rc = digest_new(&l.digest);
	while (!rc && pages_left(&pages))
		rc = next_page(&l, &pages);
	digest_free(l.digest);
	s->exists = s->objects > 0;
	return rc;
}

/* ---- records */

static void is_sealed(struct row *r, const struct record_name *name)
{
	memcpy(r->b.seal_etag, name->etag, sizeof(r->b.seal_etag));
	r->seal_modified_s = name->modified;
}

static void is_deleted(struct row *r, const struct record_name *name)
{
	r->tombstone = true;
}

/* Where no object of the backup stands the record gives it a row all the same: somebody must be told. */
static int scan_kind(struct scan *s, const char *kind, void (*note)(struct row *r, const struct record_name *name))
{
	AUTO(record_names_free) struct record_names names = { 0 };
	struct store_call call = acting_call(s->v, s->call, 0);
	int rc = record_list(s->v, s->tenant, kind, &names, &call);

	acting_tell(s->call, &call);
	for (size_t i = 0; i < names.count && !rc; i++) {
		const struct record_name *name = &names.names[i];
		struct stem stem;

		stem_of(name->name, &stem);
		if (strcmp(stem.text, name->name) != 0 || (s->only && strcmp(s->only, name->name) != 0))
			continue; /* the name of no backup */

		struct row *r = scan_row(s, name->name);

		if (r)
			note(r, name);
		rc = r ? 0 : ENOMEM;
	}
	return rc;
}

/* Holds that cannot be read hold everything. */
static int scan_holds(struct scan *s)
{
	AUTO(holds_free) struct holds holds = { 0 };
	struct store_call call = acting_call(s->v, s->call, 0);
	int rc = holds_read(s->v, s->tenant, &holds, &call);
	bool all = counts_for_nothing(rc);

	acting_tell(s->call, &call);
	if (all)
		log_msg(LOG_ERROR, "backup", "%s: its legal holds cannot be read, so that every backup counts as held", s->tenant);
	for (struct row *r = s->rows; r; r = r->hh.next)
		r->b.held = all || holds_has(&holds, r->b.stem);
	return all ? 0 : rc;
}

int scan_read(struct scan *s)
{
	int rc = scan_objects(s);

	if (!rc)
		rc = scan_writers(s);
	if (!rc)
		rc = scan_kind(s, "seals", is_sealed);
	if (!rc)
		rc = scan_kind(s, "tombstones", is_deleted);
	if (!rc)
		rc = scan_holds(s);
	for (struct row *r = s->rows; r; r = r->hh.next)
		r->young = s->server_s - r->b.committed_s < (int64_t)s->settle_s;
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/catalog_private.h"

#include "crypto/chunks.h"
#include "vault/json.h"

#include <errno.h>
#include <stdio.h>

/* A backup with a seal. What stands is compared with it; where the two differ, somebody may just be at it: who changes a sealed backup writes a record first, and who seals it anew
 * replaces the seal. Only where neither is so is it damaged. */

#define LOOKS 3u /* while its seal is replaced again and again */

static int decode_reopen(const char *text, size_t len, const char *stem)
{
	AUTO(json_free) struct json j = { 0 };
	char backup[STEM_CAP], writer[ACTING_HEX];
	const char *line;
	size_t at = 0, line_len;
	int64_t at_s;

	if (!json_line(text, len, &at, &line, &line_len) || at != len)
		return EBADMSG;
	json_parse(&j, line, line_len);
	json_get_version(&j, "reopen", 1);
	json_get_text(&j, "backup", backup, sizeof(backup));
	json_get_time(&j, "at", &at_s);
	json_get_hex_text(&j, "writer", writer, 16);
	json_get_string(&j, "why");
	return json_end(&j) ? EBADMSG : strcmp(backup, stem) == 0 ? 0 : EBADMSG;
}

int reopened(struct scan *s, const char *stem, bool *yes)
{
	struct store_call call = acting_call(s->v, s->call, 0);
	AUTO_FREE char *text = NULL;
	char key[PATH_CAP];
	size_t len;
	int rc = path_record_key(&s->v->rules, key, s->tenant, "reopen", stem);

	if (!rc)
		rc = record_read(s->v, key, &text, &len, NULL, &call);
	if (!rc)
		rc = decode_reopen(text, len, stem);
	*yes = rc == 0;
	return rc == ENOENT || counts_for_nothing(rc) ? 0 : rc;
}

const char *seal_trouble(int rc)
{
	return rc == ENOKEY ? "its seal was written with another key" : rc == EPROTONOSUPPORT ? "its seal is of a newer version of this program" : "its seal is damaged";
}

int still_sealed_so(struct scan *s, const char *stem, const struct record_id *id, bool *yes)
{
	struct store_call call = acting_call(s->v, s->call, 0);
	struct store_meta meta;
	char key[PATH_CAP];
	int rc = path_record_key(&s->v->rules, key, s->tenant, "seals", stem);

	if (!rc)
		rc = s->v->store->ops->head(s->v->store, key, &meta, &call);
	*yes = !rc && strcmp(meta.etag, id->etag) == 0;
	return rc == ENOENT ? 0 : rc;
}

static void take_seal(struct backup *b, const struct seal *seal, const struct record_id *id)
{
	b->timed = seal->timed;
	b->imported = seal->imported;
	b->time_s = seal->timed ? seal->time_s : seal->committed_s;
	b->committed_s = seal->committed_s;
	b->sealed_s = seal->sealed_s;
	memcpy(b->seal_etag, id->etag, sizeof(b->seal_etag));
}

static void take_sealed(struct row *r, const struct seal *seal, const struct record_id *id)
{
	take_seal(&r->b, seal, id);
	r->b.state = BACKUP_SEALED;
	r->b.bytes = seal->bytes;
}

static void take_members(struct backup *b, const struct members *m)
{
	b->objects = m->count;
	b->bytes = b->stored = m->bytes;
	memcpy(b->listed, m->listed, sizeof(b->listed));
}

/* ---- the listing that a seal stands for */

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct store_object *)a)->key, ((const struct store_object *)b)->key);
}

static int as_object(struct scan *s, const struct seal_entry *e, struct store_object *out)
{
	char path[PATH_CAP], key[PATH_CAP];
	bool folder = e->type == ENTRY_FOLDER;

	if (snprintf(path, sizeof(path), "%s/%s", s->tenant, e->path) >= (int)sizeof(path) || path_key(&s->v->rules, key, path, folder))
		return ENAMETOOLONG;
	*out = (struct store_object){ .key = strdup(key), .size = object_length(e->size) };
	memcpy(out->etag, e->etag, sizeof(out->etag));
	return out->key ? 0 : ENOMEM;
}

/* Whether what was listed of the tenant is, name by name, length by length and ETag by ETag, what the seal lists: then nothing else need be looked at. No is no
 * judgement: copies have other ETags, and scratch may stand beside it. */
static int listed_as_sealed(struct scan *s, const struct row *r, const struct seal *seal, bool *yes)
{
	struct store_object *list = r->b.objects == seal->count ? calloc(seal->count + 1, sizeof(*list)) : NULL;
	uint8_t listed[DIGEST_BYTES] = { 0 };
	struct digest *d = NULL;
	size_t count = 0;
	int rc = 0;

	*yes = false;
	if (!list)
		return r->b.objects == seal->count ? ENOMEM : 0;
	for (size_t i = 0; i < seal->count && !rc; i++, count += !rc)
		rc = as_object(s, &seal->entries[i], &list[i]);
	if (!rc)
		rc = digest_new(&d);
	if (!rc)
		qsort(list, count, sizeof(*list), by_key);
	for (size_t i = 0; i < count && !rc; i++)
		listed_add(d, listed, &list[i]);
	*yes = !rc && memcmp(listed, r->b.listed, sizeof(listed)) == 0;
	digest_free(d);
	while (count)
		free(list[--count].key);
	free(list);
	return rc == ENAMETOOLONG ? 0 : rc;
}

/* *found: what was found; *again: the seal was replaced meanwhile. */
static int compare(struct scan *s, struct row *r, const struct seal *seal, const struct record_id *id, unsigned threads, bool *again)
{
	struct verify_config config = { .stop = s->call ? s->call->cancel : NULL };
	struct meter meter = { .config = &config, .lock = PTHREAD_MUTEX_INITIALIZER };
	struct verify_how how = { .threads = threads };
	AUTO(members_free) struct members m = { 0 };
	struct verified found = { 0 };
	bool open = false, same = true;
	int rc = members_list(s->v, s->tenant, r->b.stem, &m, s->call);

	if (!rc)
		rc = verify_members(s->v, seal, m.list, m.count, &meter, &how, &found, s->call);
	if (!rc)
		rc = found.error;
	if (!rc && found.faults)
		rc = reopened(s, r->b.stem, &open);
	if (!rc && found.faults && !open)
		rc = still_sealed_so(s, r->b.stem, id, &same);
	if (rc)
		return rc;
	take_seal(&r->b, seal, id);
	take_members(&r->b, &m);
	r->b.scratch = found.scratch;
	r->b.state = !found.faults ? BACKUP_SEALED : open || !same ? BACKUP_OPEN : BACKUP_DAMAGED;
	if (r->b.state == BACKUP_SEALED)
		r->b.bytes = seal->bytes;
	set_reason(&r->b, r->b.state == BACKUP_DAMAGED ? found.first : "");
	*again = !same;
	return 0;
}

static int look_at(struct scan *s, struct row *r, const struct seal *seal, const struct record_id *id, unsigned threads, bool *again)
{
	bool same;
	int rc = listed_as_sealed(s, r, seal, &same);

	if (rc || !same)
		return rc ? rc : compare(s, r, seal, id, threads, again);
	take_sealed(r, seal, id);
	return 0;
}

static int read_and_compare(struct scan *s, struct row *r, unsigned threads, bool *again)
{
	AUTO(seal_free) struct seal seal = { 0 };
	struct store_call call = acting_call(s->v, s->call, 0);
	struct record_id id;
	int rc = seal_read(s->v, s->tenant, r->b.stem, &seal, &id, &call);

	*again = false;
	if (!rc)
		return look_at(s, r, &seal, &id, threads, again);
	if (!counts_for_nothing(rc))
		return rc;
	set_time(&r->b);
	r->b.sealed_s = r->seal_modified_s;
	r->b.state = BACKUP_DAMAGED;
	set_reason(&r->b, seal_trouble(rc));
	return 0;
}

int decide_sealed(struct scan *s, struct row *r, unsigned threads)
{
	bool again = true;
	int rc = 0;

	for (unsigned i = 0; i < LOOKS && !rc && again; i++)
		rc = read_and_compare(s, r, threads, &again);
	return rc;
}

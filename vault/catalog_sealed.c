/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/catalog_private.h"

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

/* Whether the seal that was read is the one that stands now. */
static int still_sealed_so(struct scan *s, const char *stem, const struct record_id *id, bool *yes)
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

static void take_members(struct backup *b, const struct members *m)
{
	b->objects = m->count;
	b->bytes = m->bytes;
	memcpy(b->listed, m->listed, sizeof(b->listed));
}

/* *found: what was found; *again: the seal was replaced meanwhile. */
static int compare(struct scan *s, struct row *r, const struct seal *seal, const struct record_id *id, unsigned threads, bool *again)
{
	struct verify_config config = { .stop = s->call ? s->call->cancel : NULL };
	struct meter meter = { .config = &config, .lock = PTHREAD_MUTEX_INITIALIZER };
	AUTO(members_free) struct members m = { 0 };
	struct verified found = { 0 };
	bool open = false, same = true;
	int rc = members_list(s->v, s->tenant, r->b.stem, &m, s->call);

	if (!rc)
		rc = verify_members(s->v, seal, m.list, m.count, &meter, threads, true, &found, s->call);
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

static int read_and_compare(struct scan *s, struct row *r, unsigned threads, bool *again)
{
	AUTO(seal_free) struct seal seal = { 0 };
	struct store_call call = acting_call(s->v, s->call, 0);
	struct record_id id;
	int rc = seal_read(s->v, s->tenant, r->b.stem, &seal, &id, &call);

	*again = false;
	if (!rc)
		return compare(s, r, &seal, &id, threads, again);
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/catalog_private.h"

#include "base/buf.h"
#include "base/log.h"
#include "vault/run_private.h"

#include <errno.h>

/* What the writers' records say of backups: who lives, what is being stored, and what failed. A record that cannot be read names nothing, and its writer counts as alive as long
 * as the record is young: nothing of a backup may then be taken for settled. */

static int add_claim(struct scan *s, const char *key, int error, int64_t since_s, bool live)
{
	char root[PATH_CAP], name[PATH_CAP];
	struct stem stem;
	struct row *r;
	struct claim *c;
	int rc = path_key(&s->v->rules, root, s->tenant, true);

	if (rc || strncmp(key, root, strlen(root)) != 0)
		return rc; /* staged: it has no name yet */
	if (copy_text(name, sizeof(name), key + strlen(root)))
		return EBADMSG;
	name[strcspn(name, "/")] = '\0';
	if (!name[0])
		return 0;
	stem_of(name, &stem);
	r = scan_find(s, stem.text);
	if (!r)
		return 0; /* nothing of it stands */
	c = calloc(1, sizeof(*c));
	if (!c)
		return ENOMEM;
	*c = (struct claim){ .next = r->claims, .key = strdup(key), .error = error, .since_s = since_s, .live = live };
	r->claims = c;
	return c->key ? 0 : ENOMEM;
}

static int note_claims(struct scan *s, const struct run_record *record, bool live)
{
	int rc = 0;

	for (size_t i = 0; i < record->upload_count && !rc; i++)
		rc = add_claim(s, record->uploads[i].key, 0, record->uploads[i].since, live);
	for (size_t i = 0; i < record->failed_count && !rc; i++) {
		char key[PATH_CAP];

		if (!path_key(&s->v->rules, key, record->failed[i].path, false))
			rc = add_claim(s, key, record->failed[i].error ? record->failed[i].error : EIO, record->ended ? record->ended : record->refreshed, live);
	}
	return rc;
}

static int note_live(struct scan *s, const struct run_record *record)
{
	uint8_t(*grown)[16] = reallocarray(s->live, s->live_count + 1, sizeof(*grown));

	if (!grown)
		return ENOMEM;
	s->live = grown;
	if (hex_decode(grown[s->live_count], 16, record->writer, strlen(record->writer)))
		return EBADMSG;
	s->live_count++;
	return 0;
}

static bool is_young(const struct scan *s, int64_t at_s)
{
	return s->server_s - at_s <= (int64_t)s->v->config.silent_after_s;
}

/* Somebody goes on with it. As run_recover.c judges: the server has seen the record change, or its writer's own clock, as long as that is not nonsense, says so. */
static bool lives(const struct scan *s, const struct run_record *r, int64_t modified)
{
	bool refreshed = is_young(s, r->refreshed) && r->refreshed - s->server_s <= (int64_t)s->v->config.silent_after_s;

	return !r->ended && !r->taken_by[0] && (is_young(s, modified) || refreshed);
}

static int read_one(struct scan *s, const struct record_name *name)
{
	AUTO(run_record_free) struct run_record record = { 0 };
	struct store_call call = acting_call(s->v, s->call, 0);
	char key[PATH_CAP], etag[STORE_ETAG_MAX];
	bool live;
	int rc = path_record_key(&s->v->rules, key, s->tenant, "run", name->name);

	if (!rc)
		rc = run_get(s->v, key, &record, etag, &call);
	acting_tell(s->call, &call);
	if (rc == ENOENT)
		return 0; /* it ended cleanly */
	if (!rc && (strcmp(record.writer, name->name) != 0 || strcmp(record.tenant, s->tenant) != 0))
		rc = EBADMSG;
	if (counts_for_nothing(rc)) {
		log_path(LOG_WARN, "backup", key, "a writer's record that cannot be read: what it says of backups is not known");
		s->live_unknown |= is_young(s, name->modified);
		return 0;
	}
	if (rc)
		return rc;
	live = lives(s, &record, name->modified);
	rc = live ? note_live(s, &record) : 0;
	return rc ? rc : note_claims(s, &record, live);
}

int scan_writers(struct scan *s)
{
	AUTO(record_names_free) struct record_names names = { 0 };
	struct store_call call = acting_call(s->v, s->call, 0);
	int rc = record_list(s->v, s->tenant, "run", &names, &call);

	acting_tell(s->call, &call);
	for (size_t i = 0; i < names.count && !rc; i++) {
		rc = acting_stopped(s->call);
		if (!rc)
			rc = read_one(s, &names.names[i]);
	}
	return rc;
}

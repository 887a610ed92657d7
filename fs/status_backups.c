/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/status_backups.h"

#include "base/clock.h"
#include "fs/sets.h"
#include "vault/backup.h"

#include <errno.h>

#define AGAIN_MS 10000 /* a look is as good as new for so long */

struct status_backups {
	struct catalog catalog;
	int64_t looked_ms, as_of_s; /* of the last good look; 0: none */
	size_t counted;             /* bytes, for the catalog */
	int64_t tried_ms;
	int error;                  /* of the last look */
	bool looking;
};

static bool is_due(const struct fs *f)
{
	const struct status_backups *b = f->status_backups;

	return f->config.tenant && (!b || (!b->looking && clock_mono_ms() - b->tried_ms >= AGAIN_MS));
}

bool status_backups_due(struct fs *f)
{
	bool due;

	fs_lock(f);
	due = is_due(f);
	fs_unlock(f);
	return due;
}

static int by_stem(const void *a, const void *b)
{
	return strcmp(((const struct backup *)a)->stem, ((const struct backup *)b)->stem);
}

/* Reads it with the help of the last one: what stands as it stood then needs no request of its own. No lock: whoever looks owns the catalog until it has the next. */
static int look(struct fs *f, const struct catalog *before, struct catalog *out, struct store_call *call)
{
	AUTO_FREE struct backup *known = calloc(before->count + 1, sizeof(*known));
	struct catalog_memory memory = { known, before->count };
	struct catalog_options options = { .memory = &memory };

	if (!known)
		return ENOMEM;
	if (before->count)
		memcpy(known, before->backups, before->count * sizeof(*known));
	qsort(known, before->count, sizeof(*known), by_stem);
	return catalog_read(f->vault, f->config.tenant, &options, out, call);
}

/* The lock is held. What is kept counts against the memory for names, in place of what was kept before. */
static int count(struct fs *f, struct status_backups *b, const struct catalog *now)
{
	size_t bytes = now->count * sizeof(now->backups[0]);

	if (tally_try(vault_names(f->vault), bytes))
		return ENOMEM;
	tally_sub(vault_names(f->vault), b->counted);
	b->counted = bytes;
	return 0;
}

void status_backups_look(struct fs *f, struct store_call *user)
{
	struct store_call call = { .timeout_ms = STATUS_LOOK_MS, .cancel = user->cancel };
	struct catalog now = { 0 }, old = { 0 };
	struct status_backups *b;
	int64_t began = clock_mono_ms();
	int rc;

	fs_lock(f);
	if (!is_due(f)) {
		fs_unlock(f);
		return;
	}
	b = f->status_backups ? f->status_backups : calloc(1, sizeof(*b));
	f->status_backups = b;
	if (b)
		b->looking = true;
	fs_unlock(f);
	if (!b)
		return;
	rc = look(f, &b->catalog, &now, &call); /* others only read b->catalog while looking is set */
	fs_lock(f);
	b->looking = false;
	b->tried_ms = clock_mono_ms();
	b->error = rc == ENOENT ? 0 : rc; /* nothing was ever written for the tenant */
	if (!b->error)
		b->error = count(f, b, &now);
	if (b->error) {
		old = now;
	} else {
		old = b->catalog;
		b->catalog = now;
		b->looked_ms = began;
		b->as_of_s = clock_wall_s();
	}
	fs_unlock(f);
	catalog_free(&old);
}

void status_backups_free(struct fs *f)
{
	if (f->status_backups) {
		catalog_free(&f->status_backups->catalog);
		tally_sub(vault_names(f->vault), f->status_backups->counted);
	}
	free(f->status_backups);
	f->status_backups = NULL;
}

/* ---- what is shown */

/* As this mount knows it; what of a plain one only the bucket can tell is "unsealed". */
static enum backup_state set_tells(const struct set *s)
{
	if (s->state == SET_DELETED)
		return BACKUP_DELETED;
	if (s->state == SET_SEALED)
		return BACKUP_SEALED;
	if (s->writers || s->state == SET_REOPENED)
		return BACKUP_OPEN;
	return s->due || s->sealing || s->touched ? BACKUP_SETTLING : BACKUP_UNSEALED;
}

/* Whether this mount has done something to it since that look. */
static bool is_newer(const struct set *s, int64_t looked_ms)
{
	return s->writers || s->due || s->sealing || (s->own && s->looked_ms >= looked_ms) || (s->touched && s->acted_ms >= looked_ms);
}

static cJSON *add_row(cJSON *list, const char *tenant, const char *stem, enum backup_state state)
{
	char key[PATH_CAP + STEM_CAP], printable[2 * sizeof(key)];
	cJSON *o = cJSON_CreateObject();

	snprintf(key, sizeof(key), "%s/%s", tenant, stem);
	log_escape(printable, sizeof(printable), key, false);
	cJSON_AddStringToObject(o, "backup", printable);
	cJSON_AddStringToObject(o, "state", backup_state_name(state));
	cJSON_AddItemToArray(list, o);
	return o;
}

static void add_known(struct fs *f, cJSON *list, const struct status_backups *known)
{
	for (size_t i = 0; i < known->catalog.count; i++) {
		const struct backup *b = &known->catalog.backups[i];
		char path[PATH_CAP + STEM_CAP], until[24];
		const struct set *s;
		bool newer;
		cJSON *o;

		snprintf(path, sizeof(path), "%s/%s", f->config.tenant, b->stem);
		HASH_FIND_STR(f->sets, path, s);
		newer = s && is_newer(s, known->looked_ms);
		o = add_row(list, f->config.tenant, b->stem, newer ? set_tells(s) : b->state);
		if (newer)
			continue;
		if (b->reason[0])
			cJSON_AddStringToObject(o, "reason", b->reason);
		if (b->state == BACKUP_DELETED) {
			clock_format_utc(until, b->deleted_until_s);
			cJSON_AddStringToObject(o, "deleted_until", until);
		}
	}
}

static void add_touched(struct fs *f, cJSON *list, const struct status_backups *known)
{
	struct set *s, *next;

	HASH_ITER(hh, f->sets, s, next)
		if (!known || (is_newer(s, known->looked_ms) && !catalog_find(&known->catalog, s->stem)))
			add_row(list, s->tenant, s->stem, set_tells(s));
}

void status_backups_add(struct fs *f, cJSON *to)
{
	cJSON *list = cJSON_AddArrayToObject(to, "backups");
	const struct status_backups *b;
	char text[24];

	fs_lock(f);
	b = f->status_backups && f->status_backups->looked_ms ? f->status_backups : NULL;
	if (b)
		add_known(f, list, b);
	add_touched(f, list, b);
	if (b) {
		clock_format_utc(text, b->as_of_s);
		cJSON_AddStringToObject(to, "backups_as_of", text);
	} else {
		cJSON_AddNullToObject(to, "backups_as_of");
	}
	if (f->status_backups && f->status_backups->error)
		cJSON_AddStringToObject(to, "backups_error", strerror(f->status_backups->error));
	else
		cJSON_AddNullToObject(to, "backups_error");
	fs_unlock(f);
}

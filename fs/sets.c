/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/sets_private.h"

#include "base/clock.h"
#include "fs/load.h"
#include "vault/tombstone.h"

#include <errno.h>

static void drop_seal(struct set *s);

void sets_stop(struct fs *f)
{
	struct set *s, *next;

	HASH_ITER(hh, f->sets, s, next) {
		HASH_DEL(f->sets, s);
		drop_seal(s);
		free(s);
	}
}

/* "tenant/name/more": the tenant, and where the name begins. False: it is not in any backup. */
static bool split(const char *path, char tenant[PATH_CAP], const char **top)
{
	const char *slash = strchr(path, '/');

	if (!slash || path[0] == '.')
		return false;
	snprintf(tenant, PATH_CAP, "%.*s", (int)(slash - path), path);
	*top = slash + 1;
	return **top != '\0';
}

static void first_name(const char *top, char out[STEM_CAP])
{
	snprintf(out, STEM_CAP, "%.*s", (int)strcspn(top, "/"), top);
}

struct set *sets_of(struct fs *f, const char *path, const char **top)
{
	char tenant[PATH_CAP], name[STEM_CAP], key[PATH_CAP + STEM_CAP];
	struct stem stem;
	struct set *s;

	if (!split(path, tenant, top))
		return NULL;
	first_name(*top, name);
	stem_of(name, &stem);
	snprintf(key, sizeof(key), "%s/%s", tenant, stem.text);
	HASH_FIND_STR(f->sets, key, s);
	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s || copy_text(s->key, sizeof(s->key), key)) {
		free(s);
		return NULL;
	}
	copy_text(s->tenant, sizeof(s->tenant), tenant);
	copy_text(s->stem, sizeof(s->stem), stem.text);
	s->timed = stem.timed;
	s->acted_ms = clock_mono_ms();
	HASH_ADD_STR(f->sets, key, s);
	return s;
}

bool set_lists(const struct set *s, const char *top)
{
	char name[STEM_CAP];

	first_name(top, name);
	for (unsigned i = 0; i < s->top_count; i++)
		if (strcmp(s->tops[i], name) == 0)
			return true;
	return s->more_tops;
}

bool set_archive_waits(const struct set *s)
{
	return s->archives || s->sealing || s->due;
}

void set_changed(struct set *s)
{
	s->touched = true;
	s->changes++;
	s->acted_ms = clock_mono_ms();
}

/* ---- what the store says of a set */

#define SEAL_ENTRIES_MOST 50000 /* of a seal that is kept for reads */

static void drop_seal(struct set *s)
{
	seal_free(s->seal);
	free(s->seal);
	s->seal = NULL;
}

static void take_tops(struct set *s, const struct seal *seal)
{
	s->top_count = 0;
	s->more_tops = false;
	for (size_t i = 0; i < seal->count; i++) {
		char name[STEM_CAP];

		first_name(seal->entries[i].path, name);
		if (s->top_count && strcmp(s->tops[s->top_count - 1], name) == 0)
			continue; /* entries come in order */
		if (s->top_count == ARRAY_LEN(s->tops)) {
			s->more_tops = true;
			return;
		}
		copy_text(s->tops[s->top_count++], STEM_CAP, name);
	}
}

void set_take_seal(struct set *s, struct seal *seal)
{
	take_tops(s, seal);
	s->by_file = seal->source == SEAL_ARCHIVE || seal->source == SEAL_SINGLE;
	drop_seal(s);
	if (!seal->count || seal->count > SEAL_ENTRIES_MOST)
		return;
	s->seal = malloc(sizeof(*s->seal));
	if (!s->seal)
		return; /* then nothing is compared, as without a seal */
	*s->seal = *seal;
	*seal = (struct seal){ 0 };
}

#define LOOKED_JUST_NOW_MS 2000

int sets_check(struct fs *f, struct node *node)
{
	const struct seal_entry *e;
	const struct object_key *keys;
	char path[PATH_CAP];
	const char *top;
	struct set *s;

	if (node->special || !node->object || node_path(&f->nodes, node, path))
		return 0;
	s = sets_of(f, path, &top);
	if (!s || s->state != SET_SEALED || !s->seal)
		return 0;
	e = seal_find(s->seal, top);
	keys = object_keys(node->object);
	if (e ? keys && memcmp(keys->id, e->object, sizeof(e->object)) == 0 && object_size(node->object) == e->size : !set_lists(s, top))
		return 0;
	if (clock_mono_ms() - s->looked_ms > LOOKED_JUST_NOW_MS) {
		s->own = false;
		s->looked_ms = 0;
		return ESTALE;
	}
	log_path(LOG_ERROR, "seal", path, e ? "it is not what the seal of its backup lists: replaced, or an older version; run pishopctl verify"
					    : "the seal of its backup does not list it: it was added; run pishopctl verify");
	return EIO;
}

/* What it is was decided here, and is being changed here: the store would tell an older state. */
static bool in_hand(const struct set *s)
{
	return s->own && (s->writers || s->sealing || s->due || s->touched);
}

bool set_known(const struct set *s)
{
	return in_hand(s) || (s->looked_ms && clock_mono_ms() - s->looked_ms < LOAD_FRESH_MS);
}

struct dir *sets_names(struct fs *f, const char *tenant)
{
	struct node *folder = f->nodes.root;
	struct dir_entry *e = NULL;

	if (f->nodes.root_path[0] == '\0') {
		if (folder->dir)
			dir_find(folder->dir, tenant, 0, &e);
		folder = e ? e->node : NULL;
	}
	return folder ? folder->dir : NULL;
}

#define NAMES_MOST 1000 /* that are looked through for one answer */

bool sets_new(struct fs *f, struct set *s)
{
	int64_t now = clock_mono_ms();
	const struct dir *names;

	if (s->state != SET_PLAIN)
		return false;
	if (s->touched && now - s->acted_ms < LOAD_FRESH_MS)
		return true;
	names = s->looked_ms ? NULL : sets_names(f, s->tenant);
	if (!names || !dir_whole(names, now) || dir_count(names) > NAMES_MOST || dir_matching(names, stem_has, s->stem))
		return false;
	s->looked_ms = now;
	return true;
}

/* Without the lock. *state and, where it is sealed, *seal. */
static int ask_store(struct fs *f, const char *tenant, const char *stem, enum set_state *state, struct seal *seal, struct store_call *call)
{
	AUTO(tombstone_free) struct tombstone tomb = { 0 };
	AUTO_FREE char *text = NULL;
	struct record_id id;
	char key[PATH_CAP];
	size_t len;
	bool whole;
	int rc = tombstone_read(f->vault, tenant, stem, &tomb, call);

	*state = rc == EACCES ? SET_PLAIN : SET_DELETED; /* who may not list is told 403 of what is not there: as before there were seals */
	if (rc == EACCES)
		log_path(LOG_DEBUG, "seal", stem, "whether it is sealed or deleted may not be looked at");
	if (rc != ENOENT)
		return rc == EACCES ? 0 : rc;
	*state = SET_PLAIN;
	rc = seal_read(f->vault, tenant, stem, seal, &id, call);
	if (rc)
		return rc == ENOENT || rc == EBADMSG || rc == ENOKEY || rc == EACCES ? 0 : rc; /* what is no seal protects nothing */
	*state = SET_SEALED;
	rc = path_record_key(vault_rules(f->vault), key, tenant, "reopen", stem);
	if (!rc)
		rc = record_peek(f->vault, key, &text, &len, &whole, NULL, call);
	if (rc == 0)
		*state = SET_REOPENED;
	return rc == ENOENT ? 0 : rc;
}

int sets_look(struct fs *f, const char *path, struct store_call *call)
{
	AUTO(seal_free) struct seal seal = { 0 };
	char tenant[PATH_CAP], stem[STEM_CAP];
	enum set_state state;
	const char *top;
	struct set *s;
	bool known;
	int rc;

	fs_lock(f);
	s = sets_of(f, path, &top);
	known = !s || set_known(s);
	if (s) {
		copy_text(tenant, sizeof(tenant), s->tenant);
		copy_text(stem, sizeof(stem), s->stem);
	}
	fs_unlock(f);
	if (known)
		return 0;
	rc = ask_store(f, tenant, stem, &state, &seal, call);
	if (rc)
		return rc;
	fs_lock(f);
	if (!in_hand(s)) {
		s->own = false;
		s->state = state;
		s->looked_ms = clock_mono_ms();
		set_take_seal(s, &seal);
	}
	fs_unlock(f);
	return 0;
}

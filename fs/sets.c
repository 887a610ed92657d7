/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/sets_private.h"

#include "base/clock.h"
#include "fs/load.h"
#include "vault/tombstone.h"

#include <errno.h>

#define SETS_IDLE 1024u /* that are remembered although nothing is to be done with them */

static void drop_seal(struct fs *f, struct set *s);

static void set_free(struct fs *f, struct set *s)
{
	HASH_DEL(f->sets, s);
	drop_seal(f, s);
	for (unsigned i = 0; i < s->top_count; i++)
		free(s->tops[i]);
	free(s->key);
	free(s);
}

void sets_stop(struct fs *f)
{
	struct set *s, *next;

	HASH_ITER(hh, f->sets, s, next)
		set_free(f, s);
	shelves_free(f);
}

/* Nothing points to it, and the store knows all of it. */
static bool is_idle(const struct set *s)
{
	return !s->pins && !s->asking && !s->sealing && !s->writers && !s->due && !s->touched;
}

static void forget_oldest(struct fs *f)
{
	enum { LOOK_AT = 16 };
	struct set *s, *next;
	unsigned looked = 0;

	HASH_ITER(hh, f->sets, s, next) {
		if (HASH_COUNT(f->sets) <= SETS_IDLE || looked++ == LOOK_AT)
			return;
		if (is_idle(s))
			set_free(f, s);
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

static struct set *set_new(const char *tenant, const char *stem)
{
	size_t first = strlen(tenant) + 1 + strlen(stem) + 1, size = first + strlen(tenant) + 1;
	struct set *s = calloc(1, sizeof(*s));

	if (s)
		s->key = malloc(size);
	if (!s || !s->key) {
		free(s);
		return NULL;
	}
	snprintf(s->key, first, "%s/%s", tenant, stem);
	s->stem = s->key + strlen(tenant) + 1;
	s->tenant = memcpy(s->key + first, tenant, size - first);
	s->acted_ms = clock_mono_ms();
	return s;
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
	if (s) {
		HASH_DEL(f->sets, s); /* to the end: the last used */
	} else {
		forget_oldest(f);
		s = set_new(tenant, stem.text);
		if (!s)
			return NULL;
		s->timed = stem.timed;
	}
	HASH_ADD_KEYPTR(hh, f->sets, s->key, strlen(s->key), s);
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

bool set_archive_stays(const struct set *s, const char *top)
{
	char name[STEM_CAP];

	first_name(top, name);
	for (unsigned i = 0; i < s->top_count; i++)
		if (stem_is_archive(s->tops[i]) && strcmp(s->tops[i], name) != 0)
			return true;
	return false;
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

#define SEAL_ENTRIES_MOST 50000u /* of a seal that is kept */

static void drop_seal(struct fs *f, struct set *s)
{
	seal_free(s->seal);
	free(s->seal);
	s->seal = NULL;
	tally_sub(vault_names(f->vault), s->seal_bytes);
	s->seal_bytes = 0;
}

static void add_top(struct set *s, const char *name)
{
	char *copy = s->top_count < ARRAY_LEN(s->tops) ? strdup(name) : NULL;

	if (copy)
		s->tops[s->top_count++] = copy;
	else
		s->more_tops = true;
}

static void take_tops(struct set *s, const struct seal *seal)
{
	while (s->top_count)
		free(s->tops[--s->top_count]);
	s->more_tops = false;
	for (size_t i = 0; i < seal->count && !s->more_tops; i++) {
		char name[STEM_CAP];

		first_name(seal->entries[i].path, name);
		if (!set_lists(s, name))
			add_top(s, name);
	}
}

static size_t seal_bytes(const struct seal *seal)
{
	size_t bytes = sizeof(*seal) + seal->count * sizeof(seal->entries[0]);

	for (size_t i = 0; i < seal->count; i++)
		bytes += tally_block(strlen(seal->entries[i].path) + 1);
	return bytes;
}

/* Room for a seal: those of sets that were not used for longest go first. */
static bool count_seal(struct fs *f, size_t bytes)
{
	struct set *s, *next;

	if (tally_try(vault_names(f->vault), bytes) == 0)
		return true;
	HASH_ITER(hh, f->sets, s, next) {
		if (!s->seal)
			continue;
		drop_seal(f, s);
		if (tally_try(vault_names(f->vault), bytes) == 0)
			return true;
	}
	return false;
}

void set_take_seal(struct fs *f, struct set *s, struct seal *seal, const char *etag)
{
	size_t bytes = seal_bytes(seal);

	take_tops(s, seal);
	s->by_file = seal->source == SEAL_ARCHIVE || seal->source == SEAL_SINGLE;
	copy_text(s->seal_etag, sizeof(s->seal_etag), etag);
	drop_seal(f, s);
	s->seal_large = seal->count > SEAL_ENTRIES_MOST || (seal->count && !count_seal(f, bytes));
	if (s->seal_large)
		log_path(LOG_INFO, "seal", s->key, "its seal of %zu entries is not kept in memory: what is read of it is not compared with it", seal->count);
	if (!seal->count || s->seal_large)
		return;
	s->seal_bytes = bytes;
	s->seal = malloc(sizeof(*s->seal));
	if (!s->seal) {
		drop_seal(f, s);
		return;
	}
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
		shelf_expire(f, s->tenant);
		return ESTALE;
	}
	log_path(LOG_ERROR, "seal", path, e ? "it is not what the seal of its backup lists: replaced, or an older version; run pishopctl verify"
					    : "the seal of its backup does not list it: it was added; run pishopctl verify");
	return EIO;
}

bool set_in_hand(const struct set *s)
{
	return s->own && (s->writers || s->sealing || s->due || s->touched);
}

bool set_known(const struct set *s)
{
	bool there = s->state != SET_SEALED || s->seal || s->seal_large;

	return set_in_hand(s) || (there && s->looked_ms && clock_mono_ms() - s->looked_ms < LOAD_FRESH_MS);
}

const struct seal *sets_seal(struct fs *f, const char *path, const char **top)
{
	const struct set *s = sets_of(f, path, top);

	return s && s->state == SET_SEALED && !s->touched && set_known(s) ? s->seal : NULL;
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


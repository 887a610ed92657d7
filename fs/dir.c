/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/dir.h"

#include <errno.h>

enum { AHEAD_FIRST = 8, AHEAD_MOST = 64 };

struct dir {
	struct dir_entry *entries; /* uthash by name */
	struct tally *tally;
	size_t counted;            /* bytes of the entries */
	size_t gone;               /* entries that are gone */
	uint64_t stamp;            /* counts changes made here */
	unsigned listings;         /* under way */
	bool made;                 /* by this run, and never in doubt since */
	bool listed;
	bool thinned;              /* the last listing had more names than were taken over */
	int64_t listed_ms;         /* clock_mono_ms when the last listing began */
	struct dir_names *recent;  /* last snapshot, for look-ahead */
	size_t next, window, loaded; /* look-ahead: position expected next, names ahead, end of what was asked to be loaded */
};

#define HASH_SHARE 8u /* bytes of the hash table for each entry */
#define ENTRY_BYTES ((sizeof(struct dir_entry) + 23) / 16 * 16 + HASH_SHARE) /* as tally_block says; its name comes on top */
_Static_assert(ENTRY_BYTES <= TREE_LATER, "what was listed and counted has room here");

struct dir *dir_new(struct tally *tally, bool made, int64_t now)
{
	struct dir *d = calloc(1, sizeof(*d));

	if (d) {
		d->tally = tally;
		d->made = d->listed = made;
		d->listed_ms = made ? now : 0;
	}
	return d;
}

static size_t entry_bytes(const struct dir_entry *e)
{
	return ENTRY_BYTES + tally_block(strlen(e->name) + 1);
}

static void entry_free(struct dir *d, struct dir_entry *e)
{
	size_t bytes = entry_bytes(e);

	HASH_DEL(d->entries, e);
	d->gone -= e->gone;
	free(e->name);
	free(e);
	d->counted -= bytes;
	tally_sub(d->tally, bytes);
}

void dir_free(struct dir *d)
{
	struct dir_entry *e, *next;

	if (!d)
		return;
	HASH_ITER(hh, d->entries, e, next)
		entry_free(d, e);
	dir_names_unref(d->recent);
	free(d);
}

static struct dir_entry *entry_of(struct dir *d, const char *name)
{
	struct dir_entry *e = NULL;

	HASH_FIND_STR(d->entries, name, e);
	return e;
}

/* The name becomes the entry's, unless there is no memory. What a listing brought was counted with it, and what this mount makes is never refused for want of
 * room for its name. */
static struct dir_entry *entry_add(struct dir *d, char *name)
{
	struct dir_entry *e = name ? calloc(1, sizeof(*e)) : NULL;

	if (!e)
		return NULL;
	e->name = name;
	HASH_ADD_KEYPTR(hh, d->entries, e->name, strlen(e->name), e);
	if (!e->hh.tbl) {
		free(e);
		return NULL;
	}
	d->counted += entry_bytes(e);
	tally_force(d->tally, entry_bytes(e));
	return e;
}

bool dir_fresh(const struct dir *d, int64_t now)
{
	return d->listed && now - d->listed_ms < DIR_FRESH_MS;
}

bool dir_readable(const struct dir *d, int64_t now)
{
	return d->made ? dir_fresh(d, now) : d->listed && now - d->listed_ms < DIR_READ_MS;
}

enum dir_answer dir_find(struct dir *d, const char *name, int64_t now, struct dir_entry **out)
{
	struct dir_entry *e = entry_of(d, name);

	*out = e && !e->gone ? e : NULL;
	if (!d->made && !dir_fresh(d, now))
		return DIR_ASK;
	return *out ? DIR_THERE : DIR_ABSENT;
}

size_t dir_count(const struct dir *d)
{
	return HASH_COUNT(d->entries) - d->gone;
}

bool dir_whole(const struct dir *d, int64_t now)
{
	return dir_fresh(d, now) && !d->thinned;
}

size_t dir_matching(const struct dir *d, bool (*match)(const char *pattern, const char *name), const char *pattern)
{
	size_t count = 0;

	for (const struct dir_entry *e = d->entries; e; e = e->hh.next)
		count += !e->gone && match(pattern, e->name);
	return count;
}

static void stop_ahead(struct dir *d)
{
	dir_names_unref(d->recent);
	d->recent = NULL;
}

struct dir_entry *dir_put(struct dir *d, const char *name, bool folder, struct node *node)
{
	struct dir_entry *e = entry_of(d, name);

	if (!e) {
		AUTO_FREE char *copy = strdup(name);

		e = entry_add(d, copy);
		if (!e)
			return NULL;
		copy = NULL;
	}
	d->gone -= e->gone;
	e->gone = false;
	e->folder = folder;
	e->node = node;
	e->size = e->length = 0;
	e->changed = ++d->stamp;
	return e;
}

void dir_drop(struct dir *d, const char *name)
{
	struct dir_entry *e = entry_of(d, name);

	if (!e)
		return;
	if (!d->listings) {
		entry_free(d, e);
		return;
	}
	d->gone += !e->gone;
	e->gone = true;
	e->node = NULL;
	e->changed = ++d->stamp;
}

void dir_touch(struct dir *d, const char *name)
{
	struct dir_entry *e = entry_of(d, name);

	if (!e || e->gone)
		return;
	e->changed = ++d->stamp;
	e->length = e->size = 0;
}

void dir_forget_node(struct dir *d, const char *name, const struct node *node)
{
	struct dir_entry *e = entry_of(d, name);

	if (e && e->node == node)
		e->node = NULL;
}

void dir_expire(struct dir *d)
{
	d->made = d->listed = false;
	stop_ahead(d);
}

size_t dir_shrink(struct dir *d, size_t made_most)
{
	size_t before = d->counted + (d->recent ? d->recent->counted : 0);
	struct dir_entry *e, *next;

	if (d->listings || (d->made && d->counted >= made_most))
		return 0;
	dir_expire(d);
	HASH_ITER(hh, d->entries, e, next)
		if (!e->node)
			entry_free(d, e);
	return before - d->counted;
}

uint64_t dir_list_begin(struct dir *d)
{
	d->listings++;
	return d->stamp;
}

static void drop_gone(struct dir *d)
{
	struct dir_entry *e, *next;

	if (d->listings || !d->gone)
		return;
	HASH_ITER(hh, d->entries, e, next)
		if (e->gone)
			entry_free(d, e);
}

void dir_list_failed(struct dir *d)
{
	d->listings--;
	drop_gone(d);
}

static int merge_one(struct dir *d, uint64_t stamp, struct tree_entry *listed, const struct dir_watch *watch)
{
	struct dir_entry *e = entry_of(d, listed->name);

	if (e && e->changed > stamp) {
		e->seen = true;
		return 0;
	}
	if (!e) {
		e = entry_add(d, listed->name);
		if (!e)
			return ENOMEM;
		listed->name = NULL;
	}
	if (e->node && !watch->same(e->node, listed)) {
		struct node *lost = e->node;

		e->node = NULL;
		watch->lost(watch->arg, lost);
	}
	d->gone -= e->gone;
	e->gone = false;
	e->seen = true;
	e->folder = listed->folder;
	e->size = listed->size;
	e->length = listed->length;
	e->modified = listed->modified;
	return 0;
}

static void drop_unseen(struct dir *d, uint64_t stamp, const struct dir_watch *watch)
{
	struct dir_entry *e, *next;

	HASH_ITER(hh, d->entries, e, next) {
		struct node *lost = e->node;

		if (e->seen || e->changed > stamp || (e->gone && d->listings) || (lost && watch->keep(lost)))
			continue;
		entry_free(d, e);
		if (lost)
			watch->lost(watch->arg, lost);
	}
}

int dir_merge(struct dir *d, uint64_t stamp, struct tree_listing *listing, int64_t now, const struct dir_watch *watch)
{
	int rc = 0;

	if (d->listed && now < d->listed_ms) { /* a younger one came back first */
		dir_list_failed(d);
		return 0;
	}
	for (struct dir_entry *e = d->entries; e; e = e->hh.next)
		e->seen = false;
	for (size_t i = 0; i < listing->count && !rc; i++)
		rc = merge_one(d, stamp, &listing->entries[i], watch);
	d->listings--;
	if (!rc) {
		drop_unseen(d, stamp, watch);
		d->listed = true;
		d->thinned = listing->thinned;
		d->listed_ms = now;
	}
	drop_gone(d);
	return rc;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct dir_name *)a)->name, ((const struct dir_name *)b)->name);
}

static size_t names_bytes(const struct dir *d)
{
	size_t bytes = sizeof(struct dir_names);

	for (const struct dir_entry *e = d->entries; e; e = e->hh.next)
		bytes += e->gone ? 0 : sizeof(struct dir_name) + tally_block(strlen(e->name) + 1);
	return bytes;
}

struct dir_names *dir_snapshot(struct dir *d)
{
	size_t bytes = names_bytes(d);
	struct dir_names *names;

	stop_ahead(d);
	if (tally_try(d->tally, bytes))
		return NULL;
	names = calloc(1, sizeof(*names) + dir_count(d) * sizeof(names->names[0]));
	if (!names) {
		tally_sub(d->tally, bytes);
		return NULL;
	}
	names->tally = d->tally;
	names->counted = bytes;
	names->refs = 2;
	for (struct dir_entry *e = d->entries; e; e = e->hh.next) {
		struct dir_name *n = &names->names[names->count];

		if (e->gone)
			continue;
		*n = (struct dir_name){ strdup(e->name), e->size, e->folder };
		names->count++;
		if (!n->name) {
			names->refs = 1;
			dir_names_unref(names);
			return NULL;
		}
	}
	qsort(names->names, names->count, sizeof(names->names[0]), by_name);
	d->recent = names;
	d->next = d->loaded = 0;
	d->window = AHEAD_FIRST;
	return names;
}

void dir_names_unref(struct dir_names *names)
{
	if (!names || --names->refs)
		return;
	for (size_t i = 0; i < names->count; i++)
		free(names->names[i].name);
	tally_sub(names->tally, names->counted);
	free(names);
}

size_t dir_names_find(const struct dir_names *names, const char *name)
{
	size_t low = 0, high = names->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(names->names[middle].name, name);

		if (order == 0)
			return middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return names->count;
}

struct dir_names *dir_ahead(struct dir *d, const char *name, size_t *from, size_t *to)
{
	size_t at = d->recent ? dir_names_find(d->recent, name) : 0;

	*from = *to = 0;
	if (!d->recent || at == d->recent->count)
		return NULL;
	if (at != d->next) {
		/* Folders and files whose attributes were known are not looked up: a small step ahead is still in order. */
		bool onward = at > d->next && at - d->next < AHEAD_FIRST;

		d->next = at + 1;
		if (!onward) {
			d->window = AHEAD_FIRST;
			d->loaded = at + 1;
			return NULL;
		}
	}
	d->next = at + 1;
	*from = max_size(d->loaded, at + 1);
	*to = min_size(at + 1 + d->window, d->recent->count);
	if (*from >= *to) {
		*from = *to = 0;
		return NULL;
	}
	d->loaded = *to;
	d->window = min_size(d->window * 2, AHEAD_MOST);
	return d->recent;
}

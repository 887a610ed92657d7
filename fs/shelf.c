/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/shelf.h"

#include "base/clock.h"
#include "base/sync.h"
#include "fs/load.h"

#include <errno.h>

enum { SHELVES_MOST = 16 };

struct shelf {
	UT_hash_handle hh;
	char *tenant;
	struct record_names seals, reopened, tombstones;
	size_t counted;
	int64_t since_ms; /* 0: not known */
	int64_t tried_ms;
	int error;        /* of the last try */
	bool asking;
	uint64_t expired; /* how often: what was listed meanwhile is old */
};

static void shelf_empty(struct fs *f, struct shelf *s)
{
	record_names_free(&s->seals);
	record_names_free(&s->reopened);
	record_names_free(&s->tombstones);
	tally_sub(vault_names(f->vault), s->counted);
	s->counted = 0;
	s->since_ms = 0;
}

static void shelf_free(struct fs *f, struct shelf *s)
{
	HASH_DEL(f->shelves, s);
	shelf_empty(f, s);
	free(s->tenant);
	free(s);
}

void shelves_free(struct fs *f)
{
	struct shelf *s, *next;

	HASH_ITER(hh, f->shelves, s, next)
		shelf_free(f, s);
}

static struct shelf *find(struct fs *f, const char *tenant)
{
	struct shelf *s;

	HASH_FIND_STR(f->shelves, tenant, s);
	return s;
}

static bool recent(int64_t ms)
{
	return ms && clock_mono_ms() - ms < LOAD_FRESH_MS;
}

bool shelf_find(struct fs *f, const char *tenant, const char *stem, struct shelf_says *out)
{
	struct shelf *s = find(f, tenant);
	const struct record_name *seal;

	*out = (struct shelf_says){ 0 };
	if (!s || !recent(s->since_ms))
		return false;
	seal = record_names_find(&s->seals, stem);
	out->since_ms = s->since_ms;
	out->deleted = record_names_find(&s->tombstones, stem) != NULL;
	out->reopened = record_names_find(&s->reopened, stem) != NULL;
	out->sealed = seal != NULL;
	if (seal)
		copy_text(out->etag, sizeof(out->etag), seal->etag);
	return true;
}

void shelf_expire(struct fs *f, const char *tenant)
{
	struct shelf *s = find(f, tenant);

	if (!s)
		return;
	s->since_ms = s->tried_ms = 0;
	s->expired++;
}

/* Room for one more: the first that nobody fills goes. */
static void make_room(struct fs *f)
{
	struct shelf *s, *next;

	HASH_ITER(hh, f->shelves, s, next) {
		if (HASH_COUNT(f->shelves) < SHELVES_MOST)
			return;
		if (!s->asking)
			shelf_free(f, s);
	}
}

static struct shelf *find_or_add(struct fs *f, const char *tenant)
{
	struct shelf *s = find(f, tenant);

	if (s)
		return s;
	make_room(f);
	s = calloc(1, sizeof(*s));
	if (s)
		s->tenant = strdup(tenant);
	if (!s || !s->tenant) {
		free(s);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, f->shelves, s->tenant, strlen(s->tenant), s);
	return s;
}

static size_t bytes_of(const struct record_names *n)
{
	size_t bytes = n->count * sizeof(n->names[0]);

	for (size_t i = 0; i < n->count; i++)
		bytes += tally_block(strlen(n->names[i].name) + 1);
	return bytes;
}

/* The lock is held, but not while it asks. The tombstones come last: a backup that is deleted in between is hidden, whatever else is known of it. */
static int fill(struct fs *f, struct shelf *s, struct store_call *call)
{
	struct record_names seals = { 0 }, reopened = { 0 }, tombstones = { 0 };
	int64_t now = clock_mono_ms();
	uint64_t expired = s->expired;
	size_t bytes;
	int rc;

	fs_unlock(f);
	rc = record_list(f->vault, s->tenant, "seals", &seals, call);
	if (!rc)
		rc = record_list(f->vault, s->tenant, "reopen", &reopened, call);
	if (!rc)
		rc = record_list(f->vault, s->tenant, "tombstones", &tombstones, call);
	fs_lock(f);
	shelf_empty(f, s);
	bytes = bytes_of(&seals) + bytes_of(&reopened) + bytes_of(&tombstones);
	if (!rc && tally_try(vault_names(f->vault), bytes))
		rc = ENOMEM;
	if (rc) {
		record_names_free(&seals);
		record_names_free(&reopened);
		record_names_free(&tombstones);
		return rc;
	}
	s->seals = seals;
	s->reopened = reopened;
	s->tombstones = tombstones;
	s->counted = bytes;
	s->since_ms = s->expired == expired ? now : 0;
	return 0;
}

int shelf_ask(struct fs *f, const char *tenant, struct store_call *call)
{
	struct shelf *s;
	int rc;

	fs_lock(f);
	s = find_or_add(f, tenant);
	while (s && s->asking) {
		cond_wait_until(&f->changed, &f->lock, clock_mono_ms() + 250);
		s = find_or_add(f, tenant);
	}
	if (!s) {
		fs_unlock(f);
		return ENOMEM;
	}
	if (recent(s->since_ms) || (recent(s->tried_ms) && (s->error == EACCES || s->error == ENOMEM))) {
		rc = recent(s->since_ms) ? 0 : s->error;
		fs_unlock(f);
		return rc;
	}
	s->asking = true;
	rc = fill(f, s, call);
	s->asking = false;
	s->error = rc;
	s->tried_ms = clock_mono_ms();
	pthread_cond_broadcast(&f->changed);
	fs_unlock(f);
	return rc;
}

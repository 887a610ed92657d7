/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the store what a backup is: sealed, being changed, deleted, or nothing of these. */
#include "fs/sets_private.h"

#include "base/clock.h"
#include "base/sync.h"
#include "fs/load.h"
#include "vault/tombstone.h"

#include <errno.h>

struct looked {
	enum set_state state;
	int64_t since_ms;
	struct seal seal;
	char etag[STORE_ETAG_MAX];
};

static int ask_tombstone(struct fs *f, const struct set *s, struct looked *out, struct store_call *call)
{
	AUTO(tombstone_free) struct tombstone tomb = { 0 };
	int rc = tombstone_read(f->vault, s->tenant, s->stem, &tomb, call);

	if (rc == EACCES) /* who may not list is told 403 of what is not there: as before there were seals */
		log_path(LOG_DEBUG, "seal", s->stem, "whether it is sealed or deleted may not be looked at");
	out->state = rc ? SET_PLAIN : SET_DELETED;
	return rc;
}

/* ENOENT: there is none, or what stands there is no seal and protects nothing. */
static int ask_seal(struct fs *f, const struct set *s, struct looked *out, struct store_call *call)
{
	struct record_id id;
	int rc = seal_read(f->vault, s->tenant, s->stem, &out->seal, &id, call);

	if (rc)
		return rc == EBADMSG || rc == ENOKEY || rc == EACCES ? ENOENT : rc;
	out->state = SET_SEALED;
	copy_text(out->etag, sizeof(out->etag), id.etag);
	return 0;
}

static int ask_reopened(struct fs *f, const struct set *s, struct looked *out, struct store_call *call)
{
	AUTO_FREE char *text = NULL;
	char key[PATH_CAP];
	size_t len;
	bool whole;
	int rc = path_record_key(vault_rules(f->vault), key, s->tenant, "reopen", s->stem);

	if (!rc)
		rc = record_peek(f->vault, key, &text, &len, &whole, NULL, call);
	if (rc == 0)
		out->state = SET_REOPENED;
	return rc;
}

/* One request for each record that it may have. */
static int ask_each(struct fs *f, const struct set *s, struct looked *out, struct store_call *call)
{
	int rc = ask_tombstone(f, s, out, call);

	if (rc == ENOENT)
		rc = ask_seal(f, s, out, call);
	else if (rc == 0 || rc == EACCES)
		return 0;
	if (!rc)
		rc = ask_reopened(f, s, out, call);
	return rc == ENOENT ? 0 : rc;
}

/* By what the tenant's records are: the seal is the only request, and none where it is the one that is in memory. */
static int ask_by_shelf(struct fs *f, const struct set *s, const struct shelf_says *says, bool have, struct looked *out, struct store_call *call)
{
	int rc;

	out->since_ms = says->since_ms;
	out->state = says->deleted ? SET_DELETED : says->sealed ? SET_SEALED : SET_PLAIN;
	if (out->state != SET_SEALED || have) {
		out->state = out->state == SET_SEALED && says->reopened ? SET_REOPENED : out->state;
		return 0;
	}
	out->state = SET_PLAIN;
	rc = ask_seal(f, s, out, call);
	if (!rc && says->reopened)
		out->state = SET_REOPENED;
	return rc == ENOENT ? 0 : rc;
}

/* The lock is held, but not while it asks. have: the seal in memory is the one that stands there. */
static int ask(struct fs *f, struct set *s, bool shelf, struct looked *out, bool *have, struct store_call *call)
{
	struct shelf_says says;
	bool found;
	int rc = 0;

	if (shelf) {
		fs_unlock(f);
		rc = shelf_ask(f, s->tenant, call);
		fs_lock(f);
	}
	found = shelf_find(f, s->tenant, s->stem, &says);
	*have = found && says.sealed && (s->seal || s->seal_large) && s->seal_etag[0] && strcmp(s->seal_etag, says.etag) == 0;
	fs_unlock(f);
	if (found)
		rc = ask_by_shelf(f, s, &says, *have, out, call);
	else if (!shelf || !rc)
		rc = ask_each(f, s, out, call);
	fs_lock(f);
	return rc;
}

static int look(struct fs *f, struct set *s, bool shelf, struct store_call *call)
{
	struct looked out = { .since_ms = clock_mono_ms() };
	bool have = false;
	int rc = ask(f, s, shelf, &out, &have, call);

	if (!rc && !set_in_hand(s)) {
		s->own = false;
		s->kept &= out.state == SET_REOPENED;
		s->state = out.state;
		s->looked_ms = out.since_ms;
		if (!have)
			set_take_seal(f, s, &out.seal, out.etag);
	}
	seal_free(&out.seal);
	return rc;
}

int sets_look(struct fs *f, const char *path, bool shelf, struct store_call *call)
{
	const char *top;
	struct set *s;
	int rc = 0;

	fs_lock(f);
	s = sets_of(f, path, &top);
	if (!s) {
		fs_unlock(f);
		return 0;
	}
	s->pins++;
	while (s->asking)
		cond_wait_until(&f->changed, &f->lock, clock_mono_ms() + 250);
	if (!set_known(s)) {
		s->asking = true;
		rc = look(f, s, shelf, call);
		s->asking = false;
		pthread_cond_broadcast(&f->changed);
	}
	s->pins--;
	fs_unlock(f);
	return rc;
}

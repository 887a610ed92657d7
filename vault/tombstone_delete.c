/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/tombstone_private.h"

#include "base/log.h"
#include "vault/audit.h"
#include "vault/hold.h"

#include <errno.h>
#include <stdio.h>

/* The deletion of a backup whose grace is over.
 *
 *   GRACE      nothing was written there since the tombstone, no hold stands
 *   DELETING   written by a conditional put, with the seal's text; then holds are looked at once more: one that came in between wins, and the grace is written back
 *   seal       goes first: what is half gone is no longer offered
 *   objects    versions and markers too, in batches, before each of which the lease is checked; until a listing is empty
 *   audit      the line `deleted` is in the bucket before
 *   record     the tombstone goes
 *
 * Each step finds done what was done before, so after a kill at any point the same call goes on. */

#define SAME_SECONDS 1 /* what was written in the second of the tombstone was written before it, and clocks of a server differ a little */

static int seal_keys(struct vault *v, const char *tenant, const char *stem, char seal[PATH_CAP], char reopen[PATH_CAP])
{
	int rc = path_record_key(&v->rules, seal, tenant, "seals", stem);

	return rc ? rc : path_record_key(&v->rules, reopen, tenant, "reopen", stem);
}

/* ---- may it begin? */

/* Writes after the tombstone mean that somebody uses the name. They cannot have gone through a mount that knows of it. */
static int untouched(struct vault *v, const char *tenant, const struct tombstone *t, const struct place_sum *sum)
{
	if (!sum->objects || (sum->objects == t->objects && sum->bytes == t->bytes && sum->newest_s <= t->at_s + SAME_SECONDS))
		return 0;
	log_msg(LOG_ERROR, "backup", "%s/%s was deleted, and then objects were written to it or taken from it: it is left as it is. Undelete it, or remove it again",
		tenant, t->stem);
	audit_note(v, tenant, &(struct audit_line){ .event = AUDIT_STOPPED, .backup = t->stem, .detail = "changed after it was deleted: not removed", .epoch = t->epoch });
	return ESTALE;
}

/* Its seal's text; NULL where there is none that can be read. */
static int keep_seal(struct vault *v, const char *tenant, struct tombstone *t, const struct guard *g)
{
	struct store_call call = acting_call(v, g->user, g->request_ms);
	char seal[PATH_CAP], reopen[PATH_CAP];
	size_t len;
	int rc = seal_keys(v, tenant, t->stem, seal, reopen);

	if (rc || t->seal)
		return rc;
	rc = record_read(v, seal, &t->seal, &len, NULL, &call);
	return rc == ENOENT || rc == EBADMSG || rc == ENOKEY || rc == EPROTONOSUPPORT ? 0 : rc;
}

int tombstone_begin(struct vault *v, const char *tenant, const char *key, struct tombstone *t, const char *why, const struct guard *g)
{
	struct store_call call = acting_call(v, g->user, g->request_ms);
	int rc = t->trashed ? 0 : keep_seal(v, tenant, t, g);

	if (!rc)
		rc = guard_ask(g);
	if (rc)
		return rc;
	t->phase = TOMB_DELETING;
	if (why) {
		free(t->why);
		t->why = strdup(why);
	}
	rc = tombstone_write(v, key, t, &call);
	acting_tell(g->user, &call);
	if (rc)
		t->phase = TOMB_GRACE;
	return rc;
}

/* The seal may be gone already, where an earlier look for holds failed. */
static int seal_back(struct vault *v, const char *tenant, const struct tombstone *t, const struct guard *g)
{
	struct store_call call = acting_call(v, g->user, g->request_ms);
	char seal[PATH_CAP], reopen[PATH_CAP];
	int rc = seal_keys(v, tenant, t->stem, seal, reopen);

	if (!rc && t->seal)
		rc = record_write(v, seal, t->seal, strlen(t->seal), NULL, NULL, &call);
	return rc == EEXIST ? 0 : rc;
}

static int back_to_grace(struct vault *v, const char *tenant, const char *key, struct tombstone *t, const struct guard *g)
{
	struct store_call call = acting_call(v, g->user, g->request_ms);
	int rc = t->in_trash ? 0 : seal_back(v, tenant, t, g);

	t->phase = TOMB_GRACE;
	if (!t->in_trash) {
		free(t->seal);
		t->seal = NULL;
	}
	return rc ? rc : tombstone_write(v, key, t, &call);
}

int tombstone_held(struct vault *v, const char *tenant, const char *key, struct tombstone *t, const struct holds *holds, const struct place_sum *sum, const struct guard *g)
{
	int rc;

	if (!holds_has(holds, t->stem) || sum->objects != t->objects)
		return 0;
	rc = back_to_grace(v, tenant, key, t, g);
	return rc ? rc : EAGAIN;
}

int tombstone_begin_due(struct vault *v, const char *tenant, const char *key, struct tombstone *t, const struct place_sum *sum, int64_t now_s, const struct guard *g)
{
	int rc = now_s < t->until_s || t->trashed != t->in_trash ? EAGAIN : 0;

	if (!rc && !t->in_trash)
		rc = untouched(v, tenant, t, sum);
	if (!rc)
		rc = tombstone_begin(v, tenant, key, t, NULL, g);
	if (!rc)
		audit_note(v, tenant, &(struct audit_line){ .event = AUDIT_DELETING, .backup = t->stem, .detail = t->why, .epoch = t->epoch, .objects = t->objects,
							    .bytes = t->bytes });
	return rc;
}

/* ---- the end */

static int drop_seal(struct vault *v, const char *tenant, const char *stem, bool versioned, const struct guard *g)
{
	char seal[PATH_CAP], reopen[PATH_CAP];
	int rc = seal_keys(v, tenant, stem, seal, reopen);

	if (!rc)
		rc = erase_record(v, g, seal, versioned);
	return rc ? rc : erase_record(v, g, reopen, versioned);
}

int tombstone_erase(struct vault *v, const char *tenant, const char *key, struct tombstone *t, bool in_trash, bool tell, const struct guard *g)
{
	struct place p;
	bool versioned = t->begun;
	int rc = in_trash ? place_trash(v, tenant, t->id, &p) : place_live(v, tenant, t->stem, &p);

	if (!rc && !in_trash)
		rc = drop_seal(v, tenant, t->stem, false, g);
	if (!rc)
		rc = place_erase(&p, g, &versioned);
	if (!rc && !in_trash && versioned)
		rc = drop_seal(v, tenant, t->stem, true, g);
	if (rc)
		return rc;
	if (tell) {
		audit_note(v, tenant, &(struct audit_line){ .event = AUDIT_DELETED, .backup = t->stem, .detail = in_trash ? AUDIT_FROM_TRASH : NULL,
							    .epoch = t->epoch, .objects = t->objects, .bytes = t->bytes });
		rc = audit_flush(v, tenant, g->user);
		if (rc && rc != EACCES && rc != EROFS)
			return rc; /* the record stays as the trace until the line stands */
	}
	return erase_record(v, g, key, versioned);
}

/* ---- under the lease */

static int ask_lease(void *arg, struct store_call *call)
{
	return lease_check(arg, call);
}

int tombstone_finish(struct vault *v, const char *tenant, const struct tombstone *named, struct lease *lease, struct store_call *user)
{
	struct store_call call = acting_call(v, user, 0);
	struct guard g = { .ask = lease ? ask_lease : NULL, .arg = lease, .request_ms = lease ? lease_request_ms(lease) : 0, .user = &call };
	AUTO(tombstone_free) struct tombstone t = { 0 };
	AUTO(holds_free) struct holds holds = { 0 };
	struct place_sum sum;
	struct place p;
	char key[PATH_CAP];
	bool in_trash = named->in_trash;
	int rc = v->config.read_only ? EROFS : tombstone_key(v, tenant, named, in_trash, key);

	if (!rc)
		rc = in_trash ? trash_read(v, tenant, named->id, &t, &call) : tombstone_read(v, tenant, named->stem, &t, &call);
	if (rc == ENOENT || (!rc && strcmp(t.id, named->id) != 0))
		rc = ESTALE;
	if (!rc && lease)
		t.epoch = lease_epoch(lease);
	if (!rc)
		rc = in_trash ? place_trash(v, tenant, t.id, &p) : place_live(v, tenant, t.stem, &p);
	if (!rc)
		rc = place_sum(&p, &g, &sum);
	if (!rc && t.phase == TOMB_GRACE)
		rc = tombstone_begin_due(v, tenant, key, &t, &sum, acting_now(&call), &g);
	if (!rc)
		rc = holds_read(v, tenant, &holds, &call);
	if (!rc)
		rc = tombstone_held(v, tenant, key, &t, &holds, &sum, &g);
	if (!rc)
		rc = tombstone_erase(v, tenant, key, &t, in_trash, true, &g);
	acting_tell(user, &call);
	return rc;
}

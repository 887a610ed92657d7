/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/tombstone_private.h"

#include "base/log.h"
#include "vault/audit.h"
#include "vault/pages.h"
#include "vault/removal_check.h"

#include <errno.h>
#include <stdio.h>

/* To the trash, when the name of a deleted backup is made anew. Copies first, removes what was copied, page by page; the record in place goes last, and so the name is
 * hidden, and its deletion held up, until then.
 *
 *   claim     the record in place is written with trashed = true: whoever did that moves, and writes it again every minute; all others wait, or take over when
 *             it was not written for CLAIM_S. Two movers at once must not be: what one removes late could be what the Job has written anew
 *   record    trash/<id>/record, with the seal's text
 *   objects   copied, compared, and removed where they are still what was copied
 *   seal      and the record of reopening, and then the tombstone itself */

#define CLAIM_S 180
#define CLAIM_AGAIN_MS 60000
#define WAIT_MS 250
#define MOVE_ROUNDS 4u

struct move {
	struct vault *v;
	const char *tenant;
	struct tombstone *t;     /* as in place, claimed */
	char key[PATH_CAP];      /* of the record in place */
	struct place from, to;
	struct guard g;
	int64_t claimed_ms;      /* clock_boot_ms before the last write of the claim */
	bool found;              /* in this round */
};

/* ---- the claim */

/* Writes the claim where it is old. ESTALE: another has taken over. */
static int keep_claim(void *arg, struct store_call *user)
{
	struct move *m = arg;
	int64_t now = clock_boot_ms();
	int rc;

	if (now - m->claimed_ms < CLAIM_AGAIN_MS)
		return 0;
	rc = tombstone_write(m->v, m->key, m->t, user);
	if (!rc)
		m->claimed_ms = now;
	return rc;
}

static int claim(struct move *m)
{
	m->claimed_ms = clock_boot_ms();
	m->t->trashed = true;
	tombstone_by(m->v, m->t->by, sizeof(m->t->by));
	return tombstone_write(m->v, m->key, m->t, m->g.user);
}

/* Whether whoever moves it has shown no life. ESTALE: the record changed just now. */
static int claim_is_old(struct move *m, bool *old)
{
	struct store_call call = acting_call(m->v, m->g.user, 0);
	struct store_meta meta;
	int rc = m->v->store->ops->head(m->v->store, m->key, &meta, &call);

	if (rc || strcmp(meta.etag, m->t->record.etag) != 0)
		return rc && rc != ENOENT ? rc : ESTALE;
	*old = acting_now(&call) - meta.modified > CLAIM_S;
	return 0;
}

/* ---- moving */

static int trash_record(struct move *m)
{
	AUTO(tombstone_free) struct tombstone there = { 0 };
	struct tombstone copy = *m->t;
	char key[PATH_CAP], seal[PATH_CAP];
	AUTO_FREE char *text = NULL;
	size_t len;
	int rc = path_record_key(&m->v->rules, seal, m->tenant, "seals", m->t->stem);

	if (!rc)
		rc = tombstone_key(m->v, m->tenant, m->t, true, key);
	if (!rc)
		rc = record_read(m->v, seal, &text, &len, NULL, m->g.user);
	if (rc && rc != ENOENT && rc != EBADMSG)
		return rc;
	copy.trashed = true;
	copy.seal = text;
	copy.record = (struct record_id){ 0 };
	rc = tombstone_write(m->v, key, &copy, m->g.user);
	return rc == EEXIST ? trash_read(m->v, m->tenant, m->t->id, &there, m->g.user) : rc; /* an earlier try wrote it */
}

static int copy_page(struct move *m, const struct store_object *objects, size_t count)
{
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++) {
		char to[PATH_CAP];

		if (snprintf(to, sizeof(to), "%s%s", m->to.prefix, objects[i].key + m->from.root) >= (int)sizeof(to))
			rc = ENAMETOOLONG;
		else
			rc = copy_verbatim(m->v, &objects[i], to, &m->g);
	}
	return rc;
}

/* Removes what was copied, but for what was written over meanwhile: that is copied in the next round, or told. */
static int remove_copied(struct move *m, const struct store_object *objects, size_t count)
{
	AUTO_FREE struct removal_want *wants = calloc(count, sizeof(*wants));
	AUTO_FREE const char **keys = calloc(count, sizeof(*keys));
	size_t skip = m->v->rules.prefix[0] ? strlen(m->v->rules.prefix) + 1 : 0, chosen = 0;

	if (!wants || !keys)
		return ENOMEM;
	for (size_t i = 0; i < count; i++)
		wants[i] = (struct removal_want){ .key = objects[i].key, .path = objects[i].key + skip, .etag = objects[i].etag };
	removal_check(m->v, wants, count);
	for (size_t i = 0; i < count; i++) {
		if (wants[i].error)
			return wants[i].error;
		if (!wants[i].replaced)
			keys[chosen++] = objects[i].key;
	}
	return place_remove(&m->from, &m->g, keys, chosen);
}

static int move_page(void *arg, const struct store_object *objects, size_t count)
{
	struct move *m = arg;
	int rc = copy_page(m, objects, count);

	m->found = true;
	return rc ? rc : remove_copied(m, objects, count);
}

static int move_objects(struct move *m)
{
	int rc = 0;

	m->found = true;
	for (unsigned i = 0; i < MOVE_ROUNDS && m->found && !rc; i++) {
		m->found = false;
		rc = place_walk(&m->from, &m->g, move_page, m);
	}
	return rc ? rc : m->found ? EBUSY : 0;
}

static int leave_place(struct move *m)
{
	char seal[PATH_CAP], reopen[PATH_CAP];
	bool versioned = false;
	int rc = place_erase_hidden(&m->from, &m->g, &versioned);

	if (!rc)
		rc = path_record_key(&m->v->rules, seal, m->tenant, "seals", m->t->stem);
	if (!rc)
		rc = path_record_key(&m->v->rules, reopen, m->tenant, "reopen", m->t->stem);
	if (!rc)
		rc = erase_record(m->v, &m->g, seal, versioned);
	if (!rc)
		rc = erase_record(m->v, &m->g, reopen, versioned);
	return rc ? rc : erase_record(m->v, &m->g, m->key, versioned);
}

static int move_all(struct move *m)
{
	char detail[96];
	int rc = trash_record(m);

	if (!rc)
		rc = move_objects(m);
	if (rc)
		return rc;
	/* Told first: a seal that is gone, and of which the log does not know why, is damage. */
	snprintf(detail, sizeof(detail), "to the trash as %s, since its name is made anew", m->t->id);
	audit_note(m->v, m->tenant, &(struct audit_line){ .event = AUDIT_TOMBSTONED, .backup = m->t->stem, .detail = detail, .objects = m->t->objects, .bytes = m->t->bytes });
	audit_flush(m->v, m->tenant, m->g.user);
	return leave_place(m);
}

/* ---- where it stands */

/* A deletion that has begun is finished, under the lease, so that nobody else's request can be under way behind us. EBUSY: somebody has the lease. */
static int finish_deletion(struct move *m)
{
	struct lease *lease = NULL;
	int rc = lease_take(m->v, m->tenant, 0, &lease, NULL, m->g.user);

	if (!rc)
		rc = tombstone_finish(m->v, m->tenant, m->t, lease, m->g.user);
	lease_release(lease);
	return rc;
}

/* One look, and what follows from it. EBUSY, ESTALE: to be looked at again. */
static int try_move(struct vault *v, const char *tenant, const char *stem, struct store_call *call)
{
	AUTO(tombstone_free) struct tombstone t = { 0 };
	struct move m = { .v = v, .tenant = tenant, .t = &t, .g = { .ask = keep_claim, .user = call } };
	bool old = true;
	int rc = tombstone_read(v, tenant, stem, &t, call);

	m.g.arg = &m;
	if (rc)
		return rc;
	if (t.phase == TOMB_DELETING)
		return finish_deletion(&m);
	rc = tombstone_key(v, tenant, &t, false, m.key);
	if (!rc)
		rc = place_live(v, tenant, stem, &m.from);
	if (!rc)
		rc = place_trash(v, tenant, t.id, &m.to);
	if (!rc && t.trashed)
		rc = claim_is_old(&m, &old);
	if (!rc && !old)
		rc = EBUSY;
	if (!rc)
		rc = claim(&m);
	return rc ? rc : move_all(&m);
}

int tombstone_to_trash(struct vault *v, const char *tenant, const char *stem, struct store_call *user)
{
	struct store_call call = acting_call(v, user, 0);
	int64_t deadline = clock_mono_ms() + call.timeout_ms;
	int rc = v->config.read_only ? EROFS : EBUSY;

	while (rc == EBUSY || rc == ESTALE) {
		rc = acting_stopped(&call);
		if (!rc)
			rc = try_move(v, tenant, stem, &call);
		if (rc != EBUSY && rc != ESTALE)
			break;
		if (clock_mono_ms() + WAIT_MS > deadline)
			return EBUSY;
		clock_sleep_ms(WAIT_MS);
	}
	acting_tell(user, &call);
	return rc == ENOENT ? 0 : rc;
}

/* ---- the list */

void trash_list_free(struct trash_list *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		tombstone_free(&t->items[i]);
	free(t->items);
	*t = (struct trash_list){ 0 };
}

/* id ends in "/" : a common prefix. A record that cannot be read leaves its trash where it is. */
static int take_item(struct vault *v, const char *tenant, const char *id, struct trash_list *out, struct store_call *user)
{
	struct tombstone t = { 0 };
	char name[ACTING_HEX];
	int rc;

	if (strlen(id) != ACTING_HEX)
		return 0;
	memcpy(name, id, ACTING_HEX - 1);
	name[ACTING_HEX - 1] = '\0';
	rc = trash_read(v, tenant, name, &t, user);
	if (rc == ENOENT) {
		out->unnamed++;
		memcpy(out->unnamed_id, name, sizeof(name));
	}
	if (rc == ENOENT || rc == EBADMSG || rc == EPROTONOSUPPORT || rc == EINVAL)
		return 0;
	if (rc)
		return rc;

	struct tombstone *grown = realloc(out->items, (out->count + 1) * sizeof(*grown));

	if (!grown) {
		tombstone_free(&t);
		return ENOMEM;
	}
	free(t.seal); /* long, and not asked for here */
	t.seal = NULL;
	out->items = grown;
	grown[out->count++] = t;
	return 0;
}

int trash_list(struct vault *v, const char *tenant, struct trash_list *out, struct store_call *user)
{
	char prefix[PATH_CAP];
	AUTO(pages_free) struct pages pages = { .v = v, .prefix = prefix, .delimiter = '/' };
	int rc = path_record_key(&v->rules, prefix, tenant, "trash", "");

	*out = (struct trash_list){ 0 };
	while (!rc && pages_left(&pages)) {
		struct store_call call = acting_call(v, user, 0);
		struct store_page page = { 0 };

		rc = pages_next(&pages, &page, &call);
		for (size_t i = 0; !rc && i < page.count; i++)
			if (page.objects[i].prefix)
				rc = take_item(v, tenant, page.objects[i].key + strlen(prefix), out, &call);
		acting_tell(user, &call);
		store_page_free(&page);
	}
	if (rc)
		trash_list_free(out);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/tombstone_private.h"

#include "base/buf.h"
#include "base/log.h"
#include "vault/audit.h"

#include <errno.h>
#include <stdio.h>

/* Taking a deletion back. First its record is written with `until` at the end of time, so that no deletion can begin any more; then
 *
 *   in place, same name   the record goes: everything is as it was
 *   else                  the objects are copied to their new names, the seal is written for these, and what is left at the old place goes the way of a deletion
 *
 * Interrupted, the same call goes on: what was copied is found to be the same. Undoing an undelete is deleting again. */

struct undelete {
	struct vault *v;
	const char *tenant;
	struct tombstone *t;
	char key[PATH_CAP];       /* of its record */
	const char *to;           /* stem it gets */
	struct place from, there; /* there: where it goes */
	struct guard g;
	char sealed[ACTING_HEX];  /* object id of the new seal; "": none */
};

/* ---- names */

/* Of an object at the old place the key at the new one. EINVAL: under that name it would be of another backup. */
static int new_key(const struct undelete *u, const char *key, char out[PATH_CAP])
{
	const char *path = key + u->from.root;

	if (snprintf(out, PATH_CAP, "%.*s%s%s", (int)u->there.root, u->there.prefix, u->to, path + strlen(u->t->stem)) >= (int)PATH_CAP)
		return ENAMETOOLONG;
	return place_has(&u->there, out) ? 0 : EINVAL;
}

/* ---- is the name free? */

/* What stands there already must be what an earlier try has copied. */
static int ours_page(void *arg, const struct store_object *objects, size_t count)
{
	struct undelete *u = arg;
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++) {
		struct store_call call = acting_call(u->v, u->g.user, 0);
		const char *path = objects[i].key + u->there.root;
		struct store_object from = { 0 };
		struct store_meta meta;
		char old[PATH_CAP];
		bool same = false;

		if (snprintf(old, sizeof(old), "%.*s%s%s", (int)u->from.root, u->from.prefix, u->t->stem, path + strlen(u->to)) >= (int)sizeof(old))
			return EEXIST;
		rc = u->v->store->ops->head(u->v->store, old, &meta, &call);
		if (!rc) {
			from.key = old;
			from.size = meta.size;
			copy_text(from.etag, sizeof(from.etag), meta.etag);
			rc = copy_stands(u->v, &from, objects[i].key, &u->g, &same);
		}
		if (rc == ENOENT || (!rc && !same))
			rc = EEXIST;
	}
	return rc;
}

/* ---- the seal */

static int rename_entry(const struct undelete *u, struct seal_entry *e)
{
	size_t skip = strlen(u->t->stem), n = strlen(u->to), rest;
	char *path;

	if (strncmp(e->path, u->t->stem, skip) != 0)
		return EBADMSG;
	rest = strlen(e->path + skip) + 1;
	path = malloc(n + rest);
	if (!path)
		return ENOMEM;
	memcpy(path, u->to, n);
	memcpy(path + n, e->path + skip, rest);
	free(e->path);
	e->path = path;
	return 0;
}

/* The seal's text for the new name. */
static int rename_seal(const struct undelete *u, const char *text, size_t len, char **out, size_t *out_len)
{
	AUTO(seal_free) struct seal s = { 0 };
	struct stem stem;
	int rc = seal_decode(text, len, &s);

	for (size_t i = 0; i < s.count && !rc; i++)
		rc = rename_entry(u, &s.entries[i]);
	if (!rc && copy_text(s.stem, sizeof(s.stem), u->to))
		rc = ENAMETOOLONG;
	if (rc)
		return rc;
	stem_of(u->to, &stem);
	seal_set_time(&s, &stem);
	return seal_encode(&s, out, out_len);
}

static int old_seal(const struct undelete *u, char **text, size_t *len)
{
	char key[PATH_CAP];
	int rc;

	if (u->t->in_trash) {
		*text = u->t->seal ? strdup(u->t->seal) : NULL;
		*len = *text ? strlen(*text) : 0;
		return u->t->seal && !*text ? ENOMEM : 0;
	}
	rc = path_record_key(&u->v->rules, key, u->tenant, "seals", u->t->stem);
	if (!rc)
		rc = record_read(u->v, key, text, len, NULL, u->g.user);
	return rc == ENOENT ? 0 : rc;
}

/* Writes it where nothing stands, or the same. */
static int put_seal(struct undelete *u, const char *key, const char *text, size_t len)
{
	AUTO_FREE char *there = NULL;
	struct record_id id;
	size_t there_len;
	int rc = record_write(u->v, key, text, len, NULL, &id, u->g.user);

	if (rc == EEXIST) {
		rc = record_read(u->v, key, &there, &there_len, &id, u->g.user);
		if (!rc && (there_len != len || memcmp(there, text, len) != 0))
			rc = EEXIST;
	}
	if (!rc)
		hex_encode(u->sealed, id.object, sizeof(id.object));
	return rc;
}

/* The text of the seal under the new name, and its key; *text NULL: there was none. */
static int new_seal(const struct undelete *u, char key[PATH_CAP], char **text, size_t *len)
{
	AUTO_FREE char *old = NULL;
	size_t old_len = 0;
	int rc = old_seal(u, &old, &old_len);

	*text = NULL;
	*len = old_len;
	if (!rc)
		rc = path_record_key(&u->v->rules, key, u->tenant, "seals", u->to);
	if (rc || !old)
		return rc;
	if (strcmp(u->to, u->t->stem) != 0)
		return rename_seal(u, old, old_len, text, len);
	*text = old;
	old = NULL;
	return 0;
}

/* A seal of another backup makes the name taken, whatever of it stands. */
static int seal_is_free(const struct undelete *u)
{
	AUTO_FREE char *text = NULL, *there = NULL;
	char key[PATH_CAP];
	size_t len, there_len;
	int rc = new_seal(u, key, &text, &len);

	if (!rc)
		rc = record_read(u->v, key, &there, &there_len, NULL, u->g.user);
	if (rc)
		return rc == ENOENT ? 0 : rc;
	return text && there_len == len && memcmp(there, text, len) == 0 ? 0 : EEXIST;
}

static int move_seal(struct undelete *u)
{
	AUTO_FREE char *text = NULL;
	char key[PATH_CAP];
	size_t len;
	int rc = new_seal(u, key, &text, &len);

	return rc || !text ? rc : put_seal(u, key, text, len);
}

static int name_is_free(struct undelete *u)
{
	AUTO(tombstone_free) struct tombstone other = { 0 };
	int rc = tombstone_read(u->v, u->tenant, u->to, &other, u->g.user);

	if (rc != ENOENT)
		return rc ? rc : EEXIST;
	rc = seal_is_free(u);
	return rc ? rc : place_walk(&u->there, &u->g, ours_page, u);
}

/* ---- the ways */

static int copy_page(void *arg, const struct store_object *objects, size_t count)
{
	struct undelete *u = arg;
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++) {
		char to[PATH_CAP];

		rc = new_key(u, objects[i].key, to);
		if (!rc)
			rc = copy_verbatim(u->v, &objects[i], to, &u->g);
	}
	return rc;
}

static void tell(const struct undelete *u)
{
	char detail[STEM_CAP + 64];

	snprintf(detail, sizeof(detail), "%s%s%s", u->t->in_trash ? "from the trash" : "in place", strcmp(u->to, u->t->stem) == 0 ? "" : ", as ",
		 strcmp(u->to, u->t->stem) == 0 ? "" : u->to);
	audit_note(u->v, u->tenant, &(struct audit_line){ .event = AUDIT_UNDELETED, .backup = u->t->stem, .detail = detail, .objects = u->t->objects, .bytes = u->t->bytes,
							  .seal = u->sealed[0] && strcmp(u->to, u->t->stem) == 0 ? u->sealed : NULL });
	if (strcmp(u->to, u->t->stem) != 0 && u->sealed[0])
		audit_note(u->v, u->tenant, &(struct audit_line){ .event = AUDIT_SEALED, .backup = u->to, .detail = "undeleted under this name", .seal = u->sealed,
								  .objects = u->t->objects, .bytes = u->t->bytes });
}

/* What is left at the old place; where it cannot be removed, whoever may does it. */
static int leave_old(struct undelete *u)
{
	char why[STEM_CAP + 32];
	int rc;

	snprintf(why, sizeof(why), "undeleted as %s", u->to);
	u->t->until_s = u->t->at_s; /* nothing more to wait for */
	rc = tombstone_begin(u->v, u->tenant, u->key, u->t, why, &u->g);
	if (!rc)
		rc = tombstone_erase(u->v, u->tenant, u->key, u->t, u->t->in_trash, false, &u->g);
	if (rc)
		log_msg(LOG_WARN, "backup", "%s/%s is back; what was copied is not all removed yet (%s): retention does it", u->tenant, u->to, strerror(rc));
	return 0;
}

static int check_names(void *arg, const struct store_object *objects, size_t count)
{
	char to[PATH_CAP];
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++)
		rc = new_key(arg, objects[i].key, to);
	return rc;
}

/* Nothing came of it: its deletion goes on as before. */
static int give_up(struct undelete *u, int64_t until_s, int rc)
{
	u->t->until_s = until_s;

	int back = tombstone_write(u->v, u->key, u->t, u->g.user);

	if (back)
		log_path(LOG_WARN, "backup", u->key, "an undelete failed, and its deletion cannot be set to go on: %s", strerror(back));
	return rc;
}

/* A hold goes along to another name: what it keeps is there then. */
static int hold_along(struct undelete *u)
{
	AUTO(holds_free) struct holds holds = { 0 };
	int rc = strcmp(u->to, u->t->stem) == 0 ? 0 : holds_read(u->v, u->tenant, &holds, u->g.user);

	for (size_t i = 0; i < holds.count && !rc; i++)
		if (strcmp(holds.list[i].stem, u->t->stem) == 0)
			rc = hold_add(u->v, u->tenant, u->to, holds.list[i].why, holds.list[i].by, u->g.user);
	return rc == EEXIST ? 0 : rc;
}

static int by_copy(struct undelete *u)
{
	int rc = place_live(u->v, u->tenant, u->to, &u->there);

	if (!rc)
		rc = name_is_free(u);
	if (!rc)
		rc = place_walk(&u->from, &u->g, check_names, u);
	if (!rc)
		rc = hold_along(u);
	if (!rc)
		rc = place_walk(&u->from, &u->g, copy_page, u);
	if (!rc)
		rc = place_walk(&u->there, &u->g, ours_page, u); /* did somebody begin to write there meanwhile? */
	if (!rc)
		rc = move_seal(u);
	if (rc)
		return rc;
	tell(u);
	return leave_old(u);
}

static int in_place(struct undelete *u)
{
	struct store_call call = acting_call(u->v, u->g.user, 0);
	int rc = record_remove(u->v, u->key, &call);

	if (!rc)
		tell(u);
	return rc;
}

/* No deletion begins any more. ESTALE: somebody was quicker. */
static int claim(struct undelete *u)
{
	if (u->t->phase == TOMB_DELETING)
		return EBUSY;
	if (!u->t->in_trash && u->t->trashed)
		return ENOTUNIQ; /* on its way to the trash */
	u->t->until_s = TOMBSTONE_FAR;
	tombstone_by(u->v, u->t->by, sizeof(u->t->by));
	return tombstone_write(u->v, u->key, u->t, u->g.user);
}

static int undelete_once(struct vault *v, const char *tenant, const char *stem, const char *id, const char *to, struct store_call *call)
{
	AUTO(tombstone_free) struct tombstone t = { 0 };
	struct undelete u = { .v = v, .tenant = tenant, .t = &t, .to = to ? to : stem, .g = { .user = call } };
	int64_t until_s;
	int rc = id ? trash_read(v, tenant, id, &t, call) : tombstone_read(v, tenant, stem, &t, call);

	if (!rc && strcmp(t.stem, stem) != 0)
		rc = ENOENT;
	if (!rc)
		rc = tombstone_key(v, tenant, &t, t.in_trash, u.key);
	if (!rc)
		rc = t.in_trash ? place_trash(v, tenant, t.id, &u.from) : place_live(v, tenant, stem, &u.from);
	until_s = t.until_s;
	if (!rc)
		rc = claim(&u);
	if (rc)
		return rc;
	rc = !t.in_trash && strcmp(u.to, stem) == 0 ? in_place(&u) : by_copy(&u);
	return rc ? give_up(&u, until_s, rc) : 0;
}

int tombstone_undelete(struct vault *v, const char *tenant, const char *stem, const char *id, const char *to, struct store_call *user)
{
	struct store_call call = acting_call(v, user, 0);
	int rc = v->config.read_only ? EROFS : ESTALE;

	if (to && (strlen(to) >= STEM_CAP || path_check_name(&v->rules, to)))
		return EINVAL;
	for (unsigned i = 0; i < 4 && rc == ESTALE; i++)
		rc = undelete_once(v, tenant, stem, id, to, &call);
	acting_tell(user, &call);
	return rc == ESTALE || rc == ENOTUNIQ ? EBUSY : rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/object_private.h"
#include "vault/sealer_private.h"

#include "base/log.h"
#include "vault/audit.h"
#include "vault/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* Making a seal.
 *
 * An attempt: read the old seal -> list the set -> tell scratch, read what is not known -> ask the writers' records -> decide -> write, on condition that the old seal
 * still stands -> remove the reopen record -> audit. Where the set or its seal changes meanwhile, everything is looked at again.
 *
 * INVARIANTS: no seal lists what was not there in full, closed and with our key when it was listed; nothing but the seal and the reopen record is written; in any error
 * the old seal stays. */

#define ATTEMPTS 4

static const char *const sources[] = { "an archive was closed", "a single file was closed", "it holds its completeness mark", "nobody used it any more", "on request" };

void sealer_say(struct sealing *s, const char *fmt, ...)
{
	va_list args;

	if (!s->cap || s->reason[0])
		return;
	va_start(args, fmt);
	vsnprintf(s->reason, s->cap, fmt, args);
	va_end(args);
}

void sealing_free(struct sealing *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->members[i].path);
	free(s->members);
	seal_free(&s->old);
	s->members = NULL;
	s->count = 0;
}

/* A damaged seal is replaced only by somebody who asked for it: it is what verification must find. */
static int read_old(struct sealing *s)
{
	struct store_call call = acting_call(s->v, s->user, 0);
	struct store_meta meta;
	char key[PATH_CAP];
	int rc = seal_read(s->v, s->tenant, s->stem, &s->old, &s->old_id, &call);

	acting_tell(s->user, &call);
	s->replaces = rc == 0;
	if (rc == ENOENT)
		return 0;
	if (rc != EBADMSG || s->options->source != SEAL_REQUEST)
		return rc;
	call = acting_call(s->v, s->user, 0);
	rc = path_record_key(&s->v->rules, key, s->tenant, "seals", s->stem);
	if (!rc)
		rc = s->v->store->ops->head(s->v->store, key, &meta, &call);
	if (rc)
		return rc == ENOENT ? ESTALE : rc;
	log_path(LOG_WARN, "seal", key, "a damaged seal is replaced, as was asked for");
	memcpy(s->old_id.etag, meta.etag, sizeof(s->old_id.etag));
	s->replaces = true;
	return 0;
}

/* ---- Deciding */

static bool is_open(const struct sealing *s, const struct sealer_member *m)
{
	return m->loaded && !m->sealed && (m->attrs.state == STATE_OPEN || m->attrs.state == STATE_UNKNOWN) && !(m->own && s->options->own_open);
}

/* To be listed. */
static bool counts(const struct sealing *s, const struct sealer_member *m)
{
	return m->sealed || (m->loaded && !m->scratch && !m->foreign && !is_open(s, m));
}

/* Why a member makes the backup partial; NULL: it does not. */
static const char *flaw(const struct sealer_member *m)
{
	if (m->rc == EINVAL)
		return "has a name that no file can have";
	if (m->rc)
		return m->rc == ENOKEY ? "was written with another key" : m->rc == EPROTONOSUPPORT ? "is of a newer format" : "is damaged";
	if (!m->loaded)
		return NULL;
	if (m->foreign)
		return "was not written by this program";
	if (m->attrs.state == STATE_KILLED)
		return "is cut: its writer was killed";
	if (m->attrs.state == STATE_FAILED)
		return "is cut: its writer failed";
	if (m->attrs.type == ENTRY_RECORD || (m->attrs.type == ENTRY_FOLDER) != m->marker)
		return "is damaged: another kind of object stands in its place";
	return NULL;
}

static bool ours(const struct sealer_member *m)
{
	return !m->scratch && !m->foreign;
}

static bool is_partial(struct sealing *s)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct sealer_member *m = &s->members[i];
		const char *why = m->scratch ? NULL : flaw(m);

		if (!why && i && ours(m) && ours(m - 1) && strcmp(m->path, m[-1].path) == 0)
			why = "is both a file and a folder";
		if (!why)
			continue;
		sealer_say(s, "%s %s", m->path, why);
		return true;
	}
	return false;
}

/* Nothing here is a backup of ours. */
static bool all_foreign(struct sealing *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (!s->members[i].foreign)
			return false;
	sealer_say(s, "%s was not written by this program", s->members[0].path);
	return true;
}

/* What another writer has not closed: left out, and named; of many the first, and how many. */
static bool tell_left_out(struct sealing *s)
{
	const char *first = NULL;
	size_t open = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct sealer_member *m = &s->members[i];

		if (!ours(m) || !is_open(s, m))
			continue;
		if (!open++)
			first = m->path;
	}
	if (open == 1)
		sealer_say(s, "%s was not closed by its writer, and is left out", first);
	else if (open)
		sealer_say(s, "%s and %zu more were not closed by their writers, and are left out", first, open - 1);
	return open != 0;
}

static bool later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/* Whether it is named as a mark, at the top of a folder. */
static bool is_mark(const struct sealing *s, const struct sealer_member *m)
{
	const char *slash = strchr(m->path, '/');

	return !m->marker && slash && strcmp(slash + 1, s->options->mark) == 0;
}

static bool good_mark(const struct sealing *s, const struct sealer_member *m)
{
	return is_mark(s, m) && counts(s, m) && m->attrs.type == ENTRY_FILE;
}

/* The mark of that folder, a direct child of the tenant's; NULL: it has none. */
static const struct sealer_member *mark_in(struct sealing *s, const char *folder)
{
	char path[PATH_CAP];
	const struct sealer_member *m;

	if (snprintf(path, sizeof(path), "%s/%s", folder, s->options->mark) >= (int)sizeof(path))
		return NULL;
	m = sealer_find(s, path);
	return m && good_mark(s, m) ? m : NULL;
}

/* The latest of all; NULL: there is none. */
static const struct sealer_member *last_mark(const struct sealing *s)
{
	const struct sealer_member *latest = NULL;

	for (size_t i = 0; i < s->count; i++) {
		const struct sealer_member *m = &s->members[i];

		if (good_mark(s, m) && (!latest || later(&m->attrs.committed, &latest->attrs.committed)))
			latest = m;
	}
	return latest;
}

/* One file or link; of one beside the folders the latest mark decides. */
static bool file_is_marked(struct sealing *s, const struct sealer_member *m, const struct sealer_member *latest)
{
	const struct sealer_member *mark = latest;
	char top[PATH_CAP];

	if (is_open(s, m) && !is_mark(s, m)) {
		sealer_say(s, "%s was not closed by its writer", m->path);
		return false;
	}
	sealer_top(top, m->path);
	if (strchr(m->path, '/'))
		mark = mark_in(s, top);
	if (!mark)
		sealer_say(s, "%s: %s is not there", m->path, s->options->mark);
	else if (m->attrs.type != ENTRY_SYMLINK && later(&m->attrs.committed, &mark->attrs.committed))
		sealer_say(s, "%s was written after %s", m->path, s->options->mark);
	else
		return true;
	return false;
}

/* Every folder has its mark, no file was committed after it, and none is open. Folders and links may change: tar and cp set their owners and times at the
 * end, and they are then stored anew. */
static bool is_marked(struct sealing *s)
{
	const struct sealer_member *latest = last_mark(s);

	for (size_t i = 0; i < s->count; i++) {
		const struct sealer_member *m = &s->members[i];

		if (!ours(m) || (m->marker && strchr(m->path, '/')))
			continue;
		if (!m->marker && !file_is_marked(s, m, latest))
			return false;
		if (m->marker && !mark_in(s, m->path)) {
			sealer_say(s, "%s/%s is not there", m->path, s->options->mark);
			return false;
		}
	}
	if (!latest)
		sealer_say(s, "%s is not there", s->options->mark);
	return latest != NULL;
}

/* ---- The seal */

static int add_entry(struct seal *seal, const struct sealer_member *m)
{
	struct seal_entry e = { .path = strdup(m->path) };

	if (!e.path)
		return ENOMEM;
	if (m->sealed) {
		char *path = e.path;

		e = *m->sealed;
		e.path = path;
		return seal_add(seal, &e);
	}
	e.type = (enum entry_type)m->attrs.type;
	e.mode = m->attrs.mode;
	e.uid = m->attrs.uid;
	e.gid = m->attrs.gid;
	e.mtime = m->attrs.mtime;
	e.size = m->attrs.size;
	e.state = m->attrs.state;
	memcpy(e.object, m->object, sizeof(e.object));
	memcpy(e.etag, m->etag, sizeof(e.etag));
	if (!seal->count || m->attrs.committed.tv_sec > seal->committed_s)
		seal->committed_s = m->attrs.committed.tv_sec;
	return seal_add(seal, &e);
}

/* Those that the old seal vouches for were committed before its time, all of them. */
static int build(const struct sealing *s, struct seal *seal)
{
	struct stem stem = { 0 };
	bool reused = false;
	int rc = 0;

	for (size_t i = 0; i < s->count && !rc; i++) {
		const struct sealer_member *m = &s->members[i];
		char top[PATH_CAP];

		if (!counts(s, m))
			continue;
		rc = add_entry(seal, m);
		reused |= m->sealed != NULL;
		sealer_top(top, m->path);
		stem_of(top, &stem); /* the same for all of the set */
	}
	if (reused && s->old.committed_s > seal->committed_s)
		seal->committed_s = s->old.committed_s;
	if (!rc && (copy_text(seal->tenant, sizeof(seal->tenant), s->tenant) || copy_text(seal->stem, sizeof(seal->stem), s->stem)))
		rc = ENAMETOOLONG;
	seal_set_time(seal, &stem);
	seal->sealed_s = clock_wall_s();
	seal->source = s->options->source;
	acting_writer(s->v, seal->writer);
	copy_text(seal->program, sizeof(seal->program), ACTING_PROGRAM);
	return rc;
}

static bool same_entry(const struct seal_entry *a, const struct seal_entry *b)
{
	return strcmp(a->path, b->path) == 0 && a->type == b->type && a->mode == b->mode && a->uid == b->uid && a->gid == b->gid && a->size == b->size &&
	       a->state == b->state && a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec &&
	       memcmp(a->object, b->object, sizeof(a->object)) == 0;
}

/* Both in order of path: the members are. */
static bool same_list(const struct seal *a, const struct seal *b)
{
	bool same = a->count == b->count;

	for (size_t i = 0; i < a->count && same; i++)
		same = same_entry(&a->entries[i], &b->entries[i]);
	return same;
}

static void note_sealed(const struct sealing *s, const struct seal *seal, const struct record_id *id)
{
	char hex[ACTING_HEX], detail[128];

	hex_encode(hex, id->object, sizeof(id->object));
	snprintf(detail, sizeof(detail), "%s%s", sources[seal->source], s->replaces ? ", in place of an older seal" : "");
	audit_note(s->v, s->tenant,
		   &(struct audit_line){ .event = AUDIT_SEALED, .backup = s->stem, .detail = detail, .seal = hex, .objects = seal->count, .bytes = seal->bytes });
}

/* While it stands, damage would look like a change. The seal counts all the same, so that a writer which may not delete (403) has done what it could. */
static int end_reopening(const struct sealing *s)
{
	struct store_call call = acting_call(s->v, s->user, 0);
	char key[PATH_CAP];
	int rc = path_record_key(&s->v->rules, key, s->tenant, "reopen", s->stem);

	if (!rc)
		rc = record_remove(s->v, key, &call);
	return rc == EACCES ? 0 : rc;
}

/* ESTALE: somebody else has sealed it meanwhile. */
static int write_seal(struct sealing *s, struct seal *seal)
{
	struct store_call call = acting_call(s->v, s->user, 0);
	struct record_id id;
	int rc;

	call.timeout_ms = s->user ? s->user->timeout_ms : 0;
	rc = seal_write(s->v, seal, s->replaces ? &s->old_id : NULL, &id, &call);
	acting_tell(s->user, &call);
	if (rc == EEXIST || rc == ESTALE)
		return ESTALE;
	if (!rc)
		note_sealed(s, seal, &id);
	return rc;
}

static int finish(struct sealing *s, enum sealer_answer *answer, struct seal *made)
{
	AUTO(seal_free) struct seal seal = { 0 };
	bool open = tell_left_out(s);
	int rc = build(s, &seal);

	if (rc)
		return rc;
	if (!seal.count) {
		*answer = open ? SEALER_OPEN : SEALER_NOTHING;
		return 0;
	}
	*answer = open ? SEALER_OPEN : SEALER_DONE;
	if (s->old.count && same_list(&seal, &s->old)) {
		if (!open)
			*answer = SEALER_SAME;
		seal_free(&seal);
		seal = s->old;
		s->old = (struct seal){ 0 };
	} else
		rc = write_seal(s, &seal);
	if (!rc && s->replaces) /* nobody reopens what has no seal */
		rc = end_reopening(s);
	if (rc || !made)
		return rc;
	*made = seal;
	seal = (struct seal){ 0 };
	return 0;
}

/* ---- A backup of which nothing is left */

/* 0: the one that was read; ESTALE: another, or none. */
static int confirm_old(struct sealing *s, const char *key)
{
	struct store_call call = acting_call(s->v, s->user, 0);
	struct store_meta meta;
	int rc = s->v->store->ops->head(s->v->store, key, &meta, &call);

	if (rc == ENOENT)
		return ESTALE;
	if (rc)
		log_store("seal", key, "cannot look at it", &call, rc);
	return !rc && strcmp(meta.etag, s->old_id.etag) != 0 ? ESTALE : rc;
}

/* Whether it was reopened: by whoever removed what it lists, through this program. */
static int was_reopened(struct sealing *s, bool *reopened)
{
	struct store_call call = acting_call(s->v, s->user, 0);
	struct store_meta meta;
	char key[PATH_CAP];
	int rc = path_record_key(&s->v->rules, key, s->tenant, "reopen", s->stem);

	if (!rc)
		rc = s->v->store->ops->head(s->v->store, key, &meta, &call);
	*reopened = rc == 0;
	if (rc && rc != ENOENT)
		log_store("seal", key, "cannot look at it", &call, rc);
	return rc == ENOENT ? 0 : rc;
}

/* Its seal goes as well, if it was reopened: else its objects were removed behind our back, and the seal is what tells. */
static int end_seal(struct sealing *s)
{
	struct store_call call = acting_call(s->v, s->user, 0);
	char key[PATH_CAP], hex[ACTING_HEX];
	bool reopened;
	int rc = was_reopened(s, &reopened);

	if (rc || !reopened) {
		sealer_say(s, "its seal stands, and nothing of what it lists: that was removed behind our back");
		return rc;
	}
	rc = path_record_key(&s->v->rules, key, s->tenant, "seals", s->stem);
	if (!rc)
		rc = confirm_old(s, key);
	if (rc)
		return rc;
	hex_encode(hex, s->old_id.object, sizeof(s->old_id.object));
	/* Told first: a seal that is gone, and of which the log does not know why, is damage. */
	audit_note(s->v, s->tenant, &(struct audit_line){ .event = AUDIT_REMOVED, .backup = s->stem, .detail = "nothing is left of it", .seal = hex,
							  .objects = s->old.count, .bytes = s->old.bytes });
	audit_flush(s->v, s->tenant, s->user);
	rc = record_remove(s->v, key, &call);
	return rc ? rc : end_reopening(s);
}

static int attempt(struct sealing *s, enum sealer_answer *answer, struct seal *made)
{
	enum sealer_answer found = SEALER_DONE;
	int rc = read_old(s);

	if (!rc)
		rc = sealer_list(s);
	if (!rc && !s->count) {
		*answer = SEALER_NOTHING;
		return s->replaces && !s->hidden ? end_seal(s) : 0; /* a removal that waits may fail */
	}
	if (!rc)
		rc = sealer_load(s);
	if (!rc && all_foreign(s)) {
		*answer = SEALER_NOTHING;
		return 0;
	}
	if (!rc && is_partial(s))
		found = SEALER_PARTIAL;
	if (!rc && found == SEALER_DONE)
		rc = sealer_ask_writers(s, &found);
	if (rc)
		return rc;
	if (found != SEALER_DONE)
		*answer = found;
	else if (s->options->mark && !is_marked(s))
		*answer = SEALER_UNMARKED;
	else
		rc = finish(s, answer, made);
	return rc;
}

int sealer_run(struct vault *v, const char *tenant, const char *stem, const struct sealer_options *options, enum sealer_answer *answer, char *reason, size_t cap,
	       struct seal *made, struct store_call *call)
{
	int rc = v->config.read_only ? EROFS : ESTALE;

	for (int i = 0; i < ATTEMPTS && rc == ESTALE; i++) {
		AUTO(sealing_free) struct sealing s = { .v = v, .tenant = tenant, .stem = stem, .options = options, .user = call, .reason = reason, .cap = cap };

		*answer = SEALER_NOTHING;
		if (cap)
			reason[0] = '\0';
		rc = acting_stopped(call);
		if (!rc)
			rc = attempt(&s, answer, made);
	}
	if (rc == ESTALE)
		log_path(LOG_ERROR, "seal", stem, "cannot be sealed: it changes again and again while it is looked at");
	return rc;
}

int sealer_reopen(struct vault *v, const char *tenant, const char *stem, const char *why, struct store_call *user)
{
	AUTO_FREE char *text = NULL;
	struct store_call call = acting_call(v, user, 0);
	char key[PATH_CAP], writer[ACTING_HEX];
	struct buf to;
	struct json_out o = { .to = &to };
	size_t len;
	int rc = path_record_key(&v->rules, key, tenant, "reopen", stem);

	acting_writer(v, writer);
	buf_init(&to, 1u << 16);
	json_begin(&o, NULL, '{');
	json_put_u64(&o, "reopen", 1);
	json_put_text(&o, "backup", stem);
	json_put_time(&o, "at", clock_wall_s());
	json_put_text(&o, "writer", writer);
	json_put_text(&o, "why", why);
	json_close(&o, '}');
	json_end_line(&o);
	if (!rc)
		rc = json_out_text(&o, &text, &len);
	else
		buf_free(&to);
	if (!rc)
		rc = record_write(v, key, text, len, NULL, NULL, &call);
	acting_tell(user, &call);
	if (!rc)
		audit_note(v, tenant, &(struct audit_line){ .event = AUDIT_REOPENED, .backup = stem, .detail = why });
	return rc == EEXIST ? 0 : rc;
}

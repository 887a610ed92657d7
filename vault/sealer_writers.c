/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/sealer_private.h"

#include "base/log.h"
#include "vault/run_private.h"

#include <errno.h>

/* What the writers' records say of a set. A path that failed makes the backup partial unless a good object stands there that was committed after the writer's last word.
 * An upload means the same where its writer is silent, unless a good object stands there that was committed after the upload began; where its writer lives, the backup is
 * open. Our own record is taken as it is in memory: what it names, failed, or is being sent.
 *
 * A record that cannot be read, or that could not hold all failed paths, may mean any backup that its writer could have been writing: one with a member from before
 * the record's last word. */

struct writer_look {
	bool own;   /* our record, in memory */
	bool lives; /* the bucket has seen its record change lately, and it did not end */
};

static bool good(const struct sealer_member *m, int64_t since)
{
	return m->loaded && !m->foreign && !m->scratch && m->attrs.committed.tv_sec > since &&
	       (m->attrs.state == STATE_CLOSED || m->attrs.state == STATE_UNKNOWN || (m->attrs.state == STATE_OPEN && m->own));
}

/* path: of the vault, with the tenant. Whether it is of the set; *below: behind the tenant. */
static bool concerns(const struct sealing *s, const char *path, const char **below)
{
	size_t n = strlen(s->tenant);
	char top[PATH_CAP];

	if (strncmp(path, s->tenant, n) != 0 || path[n] != '/')
		return false;
	*below = path + n + 1;
	sealer_top(top, *below);
	return stem_has(s->stem, top) && !sealer_is_scratch(s, *below);
}

/* What one record says; partial outweighs open. */
static bool tell(struct sealing *s, enum sealer_answer *found, enum sealer_answer answer)
{
	if (*found == SEALER_PARTIAL || *found == answer)
		return false;
	if (s->cap)
		s->reason[0] = '\0';
	*found = answer;
	return true;
}

/* Whether nothing good and newer stands there. since INT64_MAX: whatever stands there. */
static int still_bad(struct sealing *s, const char *below, int64_t since, bool *bad)
{
	struct sealer_member *m = since == INT64_MAX ? NULL : sealer_find(s, below);
	int rc = m ? sealer_load_one(s, m) : 0;

	*bad = !m || !good(m, since);
	return rc;
}

static int ask_paths(struct sealing *s, const struct run_record *r, int64_t since, enum sealer_answer *found)
{
	const char *below;
	bool bad = false;
	int rc = 0;

	for (size_t i = 0; i < r->failed_count && !rc && *found != SEALER_PARTIAL; i++) {
		if (!concerns(s, r->failed[i].path, &below))
			continue;
		rc = still_bad(s, below, since, &bad);
		if (!rc && bad && tell(s, found, SEALER_PARTIAL))
			sealer_say(s, "%s failed (%s) in writer %s", below, strerror(r->failed[i].error), r->writer);
	}
	return rc;
}

static int ask_uploads(struct sealing *s, const struct run_record *r, const struct writer_look *look, enum sealer_answer *found)
{
	size_t skip = strlen(s->v->rules.prefix);
	const char *below;
	bool bad = false;
	int rc = 0;

	skip += skip != 0;
	for (size_t i = 0; i < r->upload_count && !rc && *found != SEALER_PARTIAL; i++) {
		const struct run_upload *u = &r->uploads[i];

		if (strlen(u->key) < skip || !concerns(s, u->key + skip, &below))
			continue;
		rc = still_bad(s, below, look->own ? INT64_MAX : u->since, &bad);
		if (!rc && bad && tell(s, found, look->lives ? SEALER_OPEN : SEALER_PARTIAL))
			sealer_say(s, look->lives ? "%s is being written by writer %s" : "%s was never finished by writer %s", below, r->writer);
	}
	return rc;
}

/* A member from before that time: the writer of whom too little is known may have failed in this backup. */
static bool began_before(const struct sealing *s, int64_t since)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct sealer_member *m = &s->members[i];

		if (!m->scratch && !m->foreign && !m->marker && (!m->loaded || m->attrs.committed.tv_sec <= since))
			return true;
	}
	return false;
}

static int ask_record(struct sealing *s, const struct run_record *r, const struct writer_look *look, enum sealer_answer *found)
{
	int64_t end = look->own ? INT64_MAX : r->ended ? r->ended : r->refreshed;
	int rc = ask_paths(s, r, end, found);

	if (!rc)
		rc = ask_uploads(s, r, look, found);
	if (!rc && (r->more_failed || r->more_uploads) && began_before(s, end) && tell(s, found, SEALER_PARTIAL))
		sealer_say(s, "writer %s failed at more paths than its record holds", r->writer);
	return rc;
}

static int ask_own(struct sealing *s, enum sealer_answer *found)
{
	const struct writer_look look = { .own = true, .lives = true };
	struct run *r;
	int rc = 0;

	pthread_mutex_lock(&s->v->runs->lock);
	for (r = s->v->runs->first; r && strcmp(r->record.tenant, s->tenant) != 0;)
		r = r->next;
	pthread_mutex_unlock(&s->v->runs->lock);
	if (!r)
		return 0;
	pthread_mutex_lock(&r->lock);
	rc = ask_record(s, &r->record, &look, found); /* asks memory alone */
	pthread_mutex_unlock(&r->lock);
	return rc;
}

/* server_s: the server's clock. */
static int ask_other(struct sealing *s, const struct record_name *name, const char *key, int64_t server_s, enum sealer_answer *found)
{
	struct store_call call = acting_call(s->v, s->user, 0);
	struct run_record r = { 0 };
	char etag[STORE_ETAG_MAX];
	int rc = run_get(s->v, key, &r, etag, &call);

	if (!rc) {
		struct writer_look look = { .lives = !r.ended && !r.taken_by[0] && server_s - name->modified <= (int64_t)s->v->config.silent_after_s };

		rc = ask_record(s, &r, &look, found);
	} else if (rc == EBADMSG || rc == ENOKEY || rc == EPROTONOSUPPORT) {
		if (began_before(s, name->modified) && tell(s, found, SEALER_PARTIAL))
			sealer_say(s, "the record of writer %s cannot be read: it may have failed here", name->name);
		rc = 0;
	}
	run_record_free(&r);
	return rc == ENOENT ? 0 : rc; /* it ended cleanly meanwhile */
}

int sealer_ask_writers(struct sealing *s, enum sealer_answer *found)
{
	AUTO(record_names_free) struct record_names names = { 0 };
	char own[ACTING_HEX], key[PATH_CAP];
	struct store_call call = acting_call(s->v, s->user, 0);
	int rc = ask_own(s, found);

	acting_writer(s->v, own);
	if (!rc && *found != SEALER_PARTIAL) {
		rc = record_list(s->v, s->tenant, "run", &names, &call);
		acting_tell(s->user, &call);
	}
	for (size_t i = 0; i < names.count && !rc && *found != SEALER_PARTIAL; i++) {
		if (strcmp(names.names[i].name, own) == 0)
			continue;
		rc = acting_stopped(s->user);
		if (!rc)
			rc = path_record_key(&s->v->rules, key, s->tenant, "run", names.names[i].name);
		if (!rc)
			rc = ask_other(s, &names.names[i], key, acting_now(&call), found);
	}
	return rc;
}

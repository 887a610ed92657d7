/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/audit_private.h"

#include "base/log.h"
#include "vault/json.h"

#include <errno.h>
#include <stdio.h>

/* The audit log, written. Lines are kept as their fields until a flush, as the digest of the line before is known only when the segment before is: another mount or
 * tool may write one at any time. The end of the log is remembered; where the conditional put of the next segment finds that somebody was quicker, it is looked up.
 *
 * LOCKS: io (a flush; held over requests), then lock. Notes take lock only. */

#define SEGMENT_LINES 4000u
#define SEGMENT_BYTES (1u << 20)
#define PENDING_MOST 50000u /* lines of one tenant: a store that is not there must not cost all memory */
#define MERGE_BACK 64u      /* so far back a line of commits is looked for, that takes one more */
#define PUT_TRIES 6u

struct note { /* a line that waits */
	enum audit_event event;
	int64_t at_s;
	char *backup, *detail; /* owned, NULL: none */
	char seal[ACTING_HEX];
	uint64_t epoch, objects, bytes;
	bool told;           /* of what is gathered: the program's log has it */
};

struct audit { /* of one tenant */
	struct audit *next;  /* constant */
	char tenant[PATH_CAP]; /* constant */
	struct note *notes;  /* these, to refused, under audits.lock */
	size_t count, lost;
	size_t writing;      /* the first so many are on their way, and are changed no more */
	bool refused;        /* the store does not let us write here, and that was said */
	pthread_mutex_t io;  /* and for the next three */
	bool known;          /* segment and prev are the end of the log, for all we know */
	uint64_t segment;
	char prev[DIGEST_HEX];
};

struct audits {
	pthread_mutex_t lock;
	struct audit *first;
};

/* ---- the log of the program */

static void say(const char *tenant, enum audit_event event, const char *backup, const char *detail)
{
	enum log_level level = event == AUDIT_DAMAGE || event == AUDIT_STOPPED ? LOG_WARN : LOG_INFO;

	log_msg(level, "audit", "%s %s%s%s%s%s", tenant, audit_event_name(event), backup ? " " : "", backup ? backup : "", detail && detail[0] ? ": " : "",
		detail ? detail : "");
}

/* Many are one line: nothing was told of it before. */
static bool is_gathered(enum audit_event event, const char *seal)
{
	return event == AUDIT_COMMITTED || (event == AUDIT_REMOVED && !(seal && seal[0]));
}

static void say_gathered(const char *tenant, struct note *n)
{
	char detail[512];

	if (n->told || !is_gathered(n->event, n->seal))
		return;
	n->told = true;
	snprintf(detail, sizeof(detail), "%llu, %llu bytes%s%s", (unsigned long long)n->objects, (unsigned long long)n->bytes, n->detail ? "; " : "",
		 n->detail ? n->detail : "");
	say(tenant, n->event, n->backup, detail);
}

/* ---- notes */

static void note_free(struct note *n)
{
	free(n->backup);
	free(n->detail);
}

/* The first so many: they stand in the bucket, or never will. */
static void drop_notes(struct audit *a, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		say_gathered(a->tenant, &a->notes[i]);
		note_free(&a->notes[i]);
	}
	a->count -= count;
	if (a->count)
		memmove(a->notes, a->notes + count, a->count * sizeof(*a->notes));
}

/* With the lock held. NULL: no memory. */
static struct audit *audit_of(struct audits *all, const char *tenant)
{
	struct audit *a = all->first;

	while (a && strcmp(a->tenant, tenant) != 0)
		a = a->next;
	if (a || strlen(tenant) >= PATH_CAP)
		return a;
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	copy_text(a->tenant, sizeof(a->tenant), tenant);
	pthread_mutex_init(&a->io, NULL);
	a->next = all->first;
	all->first = a;
	return a;
}

static bool same_backup(const struct note *n, const char *backup)
{
	return n->backup && backup ? strcmp(n->backup, backup) == 0 : n->backup == backup;
}

/* One more of what is gathered, of a backup of which nothing else was noted since. */
static bool merged(struct audit *a, const struct audit_line *line)
{
	for (size_t i = a->count, looks = 0; is_gathered(line->event, line->seal) && i > a->writing && looks < MERGE_BACK; looks++) {
		struct note *n = &a->notes[--i];

		if (!same_backup(n, line->backup))
			continue;
		if (n->event != line->event || n->seal[0])
			return false;
		n->objects += line->objects;
		n->bytes += line->bytes;
		return true;
	}
	return false;
}

/* What was gathered of a backup is complete when something else is noted of it: the log of the program has both in the order of the bucket's. */
static void say_before(struct audit *a, const char *backup)
{
	for (size_t i = a->count, looks = 0; i > a->writing && looks < MERGE_BACK; looks++) {
		struct note *n = &a->notes[--i];

		if (!same_backup(n, backup))
			continue;
		say_gathered(a->tenant, n);
		return;
	}
}

static bool append(struct audit *a, const struct audit_line *line)
{
	struct note *grown = a->count < PENDING_MOST ? realloc(a->notes, (a->count + 1) * sizeof(*grown)) : NULL;

	if (!grown)
		return false;
	a->notes = grown;

	struct note n = { .event = line->event, .at_s = line->at_s ? line->at_s : clock_wall_s(), .epoch = line->epoch, .objects = line->objects,
			  .bytes = line->bytes, .backup = line->backup ? strdup(line->backup) : NULL, .detail = line->detail ? strdup(line->detail) : NULL };

	if ((line->backup && !n.backup) || (line->detail && !n.detail) || (line->seal && copy_text(n.seal, sizeof(n.seal), line->seal))) {
		note_free(&n);
		return false;
	}
	grown[a->count++] = n;
	return true;
}

static void say_refused(struct audit *a, const char *why)
{
	if (!a->refused)
		log_msg(LOG_WARN, "audit", "lines about %s go to this log only, not to the bucket: %s", a->tenant, why);
	a->refused = true;
	drop_notes(a, a->count);
}

/* With the lock held. */
static void take_note(struct vault *v, struct audit *a, const struct audit_line *line)
{
	bool gathered = is_gathered(line->event, line->seal);

	if (gathered && merged(a, line))
		return;
	say_before(a, line->backup);
	if (!gathered)
		say(a->tenant, line->event, line->backup, line->detail);
	if (v->config.read_only)
		say_refused(a, "it is open for reading only");
	if ((gathered || !a->refused) && !append(a, line) && !a->lost++)
		log_msg(LOG_ERROR, "audit", "lines about %s are lost to the bucket's log: too many wait, or no memory; they stand in this one", a->tenant);
}

void audit_note(struct vault *v, const char *tenant, const struct audit_line *line)
{
	struct audits *all = v->audits; /* NULL: at the very end of a vault */
	struct audit *a = NULL;

	if (all) {
		pthread_mutex_lock(&all->lock);
		a = audit_of(all, tenant);
		if (a)
			take_note(v, a, line);
		pthread_mutex_unlock(&all->lock);
	}
	if (!a)
		say(tenant, line->event, line->backup, line->detail);
}

void audit_committed(struct vault *v, const char *path, uint64_t bytes)
{
	const char *name = strchr(path, '/');
	char tenant[PATH_CAP], top[STEM_CAP];
	struct stem stem;

	if (!name || path[0] == '.')
		return;
	path_tenant(tenant, path);
	snprintf(top, sizeof(top), "%.*s", (int)strcspn(name + 1, "/"), name + 1);
	stem_of(top, &stem);
	audit_note(v, tenant, &(struct audit_line){ .event = AUDIT_COMMITTED, .backup = stem.text, .objects = 1, .bytes = bytes });
}

/* ---- a segment */

static void put_note(struct json_out *o, const struct note *n, const char *tenant, const char *writer, const char *prev)
{
	json_begin(o, NULL, '{');
	json_put_u64(o, "audit", 1);
	json_put_text(o, "tenant", tenant);
	json_put_time(o, "at", n->at_s);
	json_put_text(o, "event", audit_event_name(n->event));
	json_put_text(o, "backup", n->backup);
	json_put_text(o, "detail", n->detail);
	json_put_text(o, "seal", n->seal[0] ? n->seal : NULL);
	json_put_u64(o, "epoch", n->epoch);
	json_put_u64(o, "objects", n->objects);
	json_put_u64(o, "bytes", n->bytes);
	json_put_text(o, "writer", writer);
	json_put_text(o, "program", ACTING_PROGRAM);
	json_put_text(o, "prev", prev);
	json_close(o, '}');
	json_end_line(o);
}

/* The text of a segment behind prev, from the first notes; *count: how many went in; prev: digest of its last line. With io held. */
static int make_segment(struct vault *v, struct audit *a, char prev[DIGEST_HEX], struct buf *text, size_t *count)
{
	char writer[ACTING_HEX];
	struct json_out o = { .to = text };
	int rc = 0;

	acting_writer(v, writer);
	*count = 0;
	pthread_mutex_lock(&v->audits->lock);
	while (!rc && *count < a->count && *count < SEGMENT_LINES && text->len < SEGMENT_BYTES) {
		size_t begin = text->len;

		put_note(&o, &a->notes[*count], a->tenant, writer, prev);
		rc = o.rc;
		if (!rc)
			rc = audit_hash((const char *)text->data + begin, text->len - begin - 1, prev);
		if (!rc)
			++*count;
	}
	a->writing = *count;
	pthread_mutex_unlock(&v->audits->lock);
	return rc;
}

/* Where the log ends; a newest segment that cannot be read shall not end it: who reads it sees the break. */
static int look(struct vault *v, struct audit *a, struct store_call *call)
{
	int rc = audit_tail(v, a->tenant, &a->segment, a->prev, call);

	if (rc == EBADMSG || rc == ENOKEY || rc == EPROTONOSUPPORT) {
		log_msg(LOG_ERROR, "audit", "the newest segment of the log of %s is damaged or not ours: the log goes on behind it", a->tenant);
		rc = 0;
	}
	a->known = !rc;
	return rc;
}

/* One try. EEXIST: somebody was quicker. */
static int put_segment(struct vault *v, struct audit *a, size_t *count, struct store_call *call)
{
	char key[PATH_CAP], prev[DIGEST_HEX];
	AUTO(buf_free) struct buf text;
	int rc;

	buf_init(&text, 2 * SEGMENT_BYTES);
	memcpy(prev, a->prev, sizeof(prev));
	rc = a->segment >= AUDIT_MOST ? ENOSPC : audit_key(v, a->tenant, a->segment + 1, key);
	if (!rc)
		rc = make_segment(v, a, prev, &text, count);
	if (!rc && *count)
		rc = record_write(v, key, (const char *)text.data, text.len, NULL, NULL, call);
	if (rc || !*count)
		return rc;
	a->segment++;
	memcpy(a->prev, prev, sizeof(prev));
	return 0;
}

static int put_next(struct vault *v, struct audit *a, size_t *count, struct store_call *user)
{
	int rc = EEXIST;

	for (unsigned i = 0; i < PUT_TRIES && (rc == EEXIST || rc == ESTALE); i++) {
		struct store_call call = acting_call(v, user, 0);

		rc = acting_stopped(user);
		if (!rc && !a->known)
			rc = look(v, a, &call);
		if (!rc)
			rc = put_segment(v, a, count, &call);
		if (rc)
			a->known = false;
		acting_tell(user, &call);
	}
	return rc == EEXIST || rc == ESTALE ? EBUSY : rc;
}

/* How many wait. Where the store does not let us write here they are told, and let go. */
static size_t waiting(struct vault *v, struct audit *a)
{
	size_t count;

	pthread_mutex_lock(&v->audits->lock);
	if (a->refused)
		drop_notes(a, a->count);
	count = a->count;
	pthread_mutex_unlock(&v->audits->lock);
	return count;
}

static int flush_one(struct vault *v, struct audit *a, struct store_call *call)
{
	size_t count;
	int rc = 0;

	pthread_mutex_lock(&a->io);
	while (!rc && waiting(v, a)) {
		rc = put_next(v, a, &count, call);
		pthread_mutex_lock(&v->audits->lock);
		a->writing = 0;
		if (!rc)
			drop_notes(a, count);
		else if (rc == EACCES || rc == EROFS)
			say_refused(a, rc == EROFS ? "it is open for reading only" : "these credentials may not write it (403)");
		pthread_mutex_unlock(&v->audits->lock);
	}
	pthread_mutex_unlock(&a->io);
	return rc;
}

int audit_flush(struct vault *v, const char *tenant, struct store_call *call)
{
	int first = 0;

	if (!v->audits)
		return 0;
	pthread_mutex_lock(&v->audits->lock);

	struct audit *a = v->audits->first; /* new ones come before it; none ever goes */

	pthread_mutex_unlock(&v->audits->lock);
	for (; a; a = a->next) {
		int rc = tenant && strcmp(a->tenant, tenant) != 0 ? 0 : flush_one(v, a, call);

		first = first ? first : rc;
	}
	return first;
}

/* Commits wait for company: a mount that writes for years would make a segment a minute of it, and every verification reads them all. */
static bool is_due(const struct audit *a)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->notes[i].event != AUDIT_COMMITTED)
			return true;
	return a->count && clock_wall_s() - a->notes[0].at_s >= GATHER_S;
}

void audit_tick(struct vault *v, struct store_call *call)
{
	pthread_mutex_lock(&v->audits->lock);
	for (struct audit *a = v->audits->first; a; a = a->next) {
		if (!is_due(a))
			continue;
		pthread_mutex_unlock(&v->audits->lock);
		flush_one(v, a, call);
		pthread_mutex_lock(&v->audits->lock);
	}
	pthread_mutex_unlock(&v->audits->lock);
}

/* ---- life */

int audit_start(struct vault *v)
{
	v->audits = calloc(1, sizeof(*v->audits));
	if (!v->audits)
		return ENOMEM;
	pthread_mutex_init(&v->audits->lock, NULL);
	return 0;
}

void audit_stop(struct vault *v)
{
	struct audits *all = v->audits;

	if (!all)
		return;
	audit_flush(v, NULL, NULL);
	while (all->first) {
		struct audit *a = all->first;

		all->first = a->next;
		if (a->count)
			log_msg(LOG_ERROR, "audit", "%zu lines about %s did not reach the bucket's log; they stand in this one", a->count, a->tenant);
		drop_notes(a, a->count);
		free(a->notes);
		pthread_mutex_destroy(&a->io);
		free(a);
	}
	pthread_mutex_destroy(&all->lock);
	free(all);
	v->audits = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/catalog_private.h"

#include "vault/crew.h"
#include "vault/object_private.h"

#include <errno.h>
#include <stdio.h>

/* A backup without a seal. Its members' trailers say whether a writer died over one; writers' records, what else should be there. Nothing here makes it good: it is open,
 * settling, known to be partial, or unsealed. */

#define KILLED "its writer was killed while it wrote "
#define FAILED "its writer failed while it wrote "

bool reason_of_members(const char *reason)
{
	return strncmp(reason, KILLED, strlen(KILLED)) == 0 || strncmp(reason, FAILED, strlen(FAILED)) == 0;
}

/* The reason goes into records and onto terminals, and the names in it are anybody's bytes. */
void set_reason(struct backup *b, const char *text)
{
	snprintf(b->reason, sizeof(b->reason), "%s", text);
	for (char *c = b->reason; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
}

void set_time(struct backup *b)
{
	struct seal s = { .committed_s = b->committed_s };
	struct stem stem;

	stem_of(b->stem, &stem);
	seal_set_time(&s, &stem);
	b->timed = s.timed;
	b->imported = s.imported;
	b->time_s = s.timed ? s.time_s : b->committed_s;
}

struct look {
	struct scan *s;
	struct row *row;
	const struct members *members;
	size_t root;          /* bytes of a key before the path below the tenant */
	pthread_mutex_t lock; /* everything below, and the row's claims */
	size_t partial_at;    /* the first member that a writer died over; SIZE_MAX: none */
	uint8_t partial_state;
	bool foreign;
	bool open;            /* a writer that lives may go on with one */
	bool recent;          /* a writer that lives has committed one lately */
};

/* What stands there was committed after that; records are a moment behind. */
static void settle_claims(struct row *r, const char *key, int64_t committed_s)
{
	for (struct claim *c = r->claims; c; c = c->next)
		if (strcmp(c->key, key) == 0 && committed_s > c->since_s)
			c->key[0] = '\0';
}

static void see(struct look *l, size_t i, const struct trailer *t)
{
	const struct member *m = &l->members->list[i];
	bool lives = scan_lives(l->s, t->writer_id), recent = l->s->server_s - m->modified < (int64_t)l->s->settle_s;

	pthread_mutex_lock(&l->lock);
	if ((t->state == STATE_KILLED || t->state == STATE_FAILED) && i < l->partial_at) {
		l->partial_at = i;
		l->partial_state = t->state;
	}
	l->open |= lives && recent && t->state == STATE_OPEN;
	l->recent |= recent && (lives || l->s->live_unknown);
	settle_claims(l->row, m->key, t->committed.tv_sec);
	pthread_mutex_unlock(&l->lock);
}

static void see_foreign(struct look *l)
{
	pthread_mutex_lock(&l->lock);
	l->foreign = true;
	pthread_mutex_unlock(&l->lock);
}

static int look_at(void *arg, size_t i)
{
	struct look *l = arg;
	const struct member *m = &l->members->list[i];
	struct store_call call = acting_call(l->s->v, l->s->call, 0);
	AUTO(auto_object_unref) struct object *o = NULL;
	struct trailer t;
	int rc = acting_stopped(l->s->call);

	if (!rc)
		rc = object_load(l->s->v, m->key, m->length, &o, &call);
	if (rc == ENOENT || counts_for_nothing(rc))
		return 0; /* gone meanwhile; or logged: as it is not sealed, it is not good anyway */
	if (rc)
		return rc;
	if (object_foreign(o)) {
		see_foreign(l);
		return 0;
	}
	object_attrs(o, &t);
	see(l, i, &t);
	return 0;
}

/* The first claim that nothing settled, of a path that failed, or of an upload whose writer fell silent. */
static const struct claim *broken_promise(const struct row *r)
{
	for (const struct claim *c = r->claims; c; c = c->next)
		if (c->key[0] && (c->error || !c->live))
			return c;
	return NULL;
}

static bool is_claimed(const struct row *r, bool upload)
{
	for (const struct claim *c = r->claims; c; c = c->next)
		if (c->live && c->key[0] && (!upload || !c->error))
			return true;
	return false;
}

static void conclude(struct look *l)
{
	struct backup *b = &l->row->b;
	const struct claim *c = broken_promise(l->row);
	char text[PATH_CAP + 128] = "";

	b->foreign = l->foreign;
	b->live_writer = l->recent || is_claimed(l->row, false);
	if (l->partial_at != SIZE_MAX)
		snprintf(text, sizeof(text), "%s%s", l->partial_state == STATE_KILLED ? KILLED : FAILED, l->members->list[l->partial_at].key + l->root);
	else if (c && c->error)
		snprintf(text, sizeof(text), "writing failed (%s): %s", strerror(c->error), c->key + l->root);
	else if (c)
		snprintf(text, sizeof(text), "its writer fell silent while it stored %s", c->key + l->root);
	set_reason(b, text);
	b->state = text[0]						  ? BACKUP_PARTIAL
		   : l->open || is_claimed(l->row, true)		  ? BACKUP_OPEN
		   : l->recent						  ? BACKUP_SETTLING
									  : BACKUP_UNSEALED;
}

int decide_unsealed(struct scan *s, struct row *r, unsigned threads)
{
	AUTO(members_free) struct members m = { 0 };
	struct look l = { .s = s, .row = r, .members = &m, .lock = PTHREAD_MUTEX_INITIALIZER, .partial_at = SIZE_MAX };
	char root[PATH_CAP];
	int rc = path_key(&s->v->rules, root, s->tenant, true);

	l.root = strlen(root);
	if (!rc)
		rc = members_list(s->v, s->tenant, r->b.stem, &m, s->call);
	if (!rc)
		rc = crew_run(threads, m.count, look_at, &l);
	if (rc)
		return rc;
	r->b.objects = m.count;
	r->b.bytes = m.bytes;
	r->b.committed_s = m.newest_s;
	memcpy(r->b.listed, m.listed, sizeof(r->b.listed));
	r->b.seal_etag[0] = '\0';
	set_time(&r->b);
	conclude(&l);
	return 0;
}

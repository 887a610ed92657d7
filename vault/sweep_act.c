/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/sweep_private.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>

/* What a run does: tombstones for what the plan lets go, and the end of what was put under one long enough ago. */

#define GRACE_DEFAULT_S (72 * 3600)
#define MOVE_SILENT_S 900 /* a move to the trash that nobody goes on with */

#define BATCH_MOST 256u
#define BATCH_OBJECTS 60000u

struct batch { /* tombstones in place whose time has come */
	struct tombstone list[BATCH_MOST];
	int results[BATCH_MOST];
	size_t count;
	uint64_t objects;
};

/* ---- tombstones */

static int64_t grace_s(const struct sweep *s)
{
	return s->config->grace_s < 0 ? GRACE_DEFAULT_S : s->config->grace_s;
}

static void reasons_text(const struct plan_row *row, char *out, size_t cap)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; row->reasons[i] && at < cap; i++) {
		int n = snprintf(out + at, cap - at, "%s%s", i ? ", " : "", row->reasons[i]);

		at += n > 0 ? (size_t)n : 0;
	}
}

/* 0 also for what this identity may not do, and what somebody else did first. */
static int put_one(struct sweep *s, const struct plan_row *row)
{
	struct store_call call = acting_call(s->v, &s->call, lease_request_ms(s->lease));
	const struct catalog *c = &s->report->catalog;
	struct tombstone_listed listed = { .objects = row->backup->objects, .bytes = row->backup->stored, .at_s = c->begun_s, .now_s = clock_wall_s() - c->skew_s };
	char why[512];
	int rc;

	reasons_text(row, why, sizeof(why));
	rc = tombstone_put_listed(s->v, s->tenant, row->backup->stem, why, grace_s(s), lease_epoch(s->lease), &listed, &call);
	if (!rc)
		s->report->tombstoned++;
	if (rc == EACCES)
		s->report->may_not_delete = true;
	return rc == EEXIST || rc == ENOENT ? 0 : rc;
}

/* The oldest first, as many as are allowed. */
int sweep_put_tombstones(struct sweep *s)
{
	const struct plan *p = &s->report->plan;
	size_t left = s->allowed;

	for (size_t i = p->count; i-- > 0;) {
		if (p->rows[i].decision != DECIDE_DELETE)
			continue;
		if (!left) {
			s->report->capped++;
			continue;
		}
		left--;
		if (!s->lease)
			continue;

		int rc = sweep_go_on(s);

		if (!rc)
			rc = put_one(s, &p->rows[i]);
		if (rc)
			return rc == EACCES ? 0 : rc;
	}
	return 0;
}

/* ---- deletions */

static bool grace_is_over(const struct sweep *s, const struct backup *b)
{
	return b->state == BACKUP_DELETED && !b->held && b->deleted_until_s <= s->report->catalog.server_s;
}

size_t sweep_due(struct sweep *s)
{
	const struct catalog *c = &s->report->catalog;
	size_t due = 0;

	for (size_t i = 0; i < c->count; i++)
		due += grace_is_over(s, &c->backups[i]);
	return due;
}

/* What one deletion's answer means for the run: 0: on to the next. */
static int judge(struct sweep *s, const struct tombstone *t, int rc)
{
	switch (rc) {
	case 0:
		s->report->deleted++;
		s->report->objects_deleted += t->objects;
		s->report->bytes_deleted += t->bytes;
		return 0;
	case EAGAIN:
		s->report->waiting++;
		return 0;
	case EACCES:
		s->report->may_not_delete = true;
		return 0;
	case EBADMSG: /* its record; logged */
	case EBUSY:
		s->report->strays++;
		return 0;
	case ESTALE: /* undeleted, or changed; but not where it was the lease */
		rc = sweep_go_on(s);
		s->report->strays += !rc;
		return rc;
	default:
		return rc;
	}
}

static bool waits(const struct sweep *s, const struct tombstone *t)
{
	return t->phase == TOMB_GRACE && (holds_has(&s->holds, t->stem) || t->until_s > s->report->catalog.server_s);
}

static int let_wait(struct sweep *s, struct tombstone *t)
{
	struct store_call call = acting_call(s->v, &s->call, 0);
	int rc = tombstone_lapse(s->v, s->tenant, t, s->report->catalog.server_s, grace_s(s), &call);

	s->report->waiting++;
	return rc == EAGAIN || rc == ESTALE || rc == ENOENT ? 0 : rc;
}

static int finish(struct sweep *s, struct tombstone *t)
{
	struct store_call call = acting_call(s->v, &s->call, 0);

	return waits(s, t) ? let_wait(s, t) : judge(s, t, tombstone_finish(s->v, s->tenant, t, s->lease, &call));
}

/* ---- many at once */

static int batch_end(struct sweep *s, struct batch *b)
{
	struct store_call call = acting_call(s->v, &s->call, 0);
	int rc = b->count ? tombstone_finish_many(s->v, s->tenant, b->list, b->count, s->report->catalog.objects, s->lease, b->results, &call) : 0;

	acting_tell(&s->call, &call);
	for (size_t i = 0; i < b->count; i++) {
		int one = b->results[i] == ECANCELED ? 0 : judge(s, &b->list[i], b->results[i]);

		rc = rc ? rc : one;
		tombstone_free(&b->list[i]);
	}
	b->count = 0;
	b->objects = 0;
	return rc;
}

/* Takes *t over. One that is large costs few requests for each object anyway. */
static int batch_add(struct sweep *s, struct batch *b, struct tombstone *t)
{
	int rc;

	if (t->objects > BATCH_OBJECTS)
		return finish(s, t);
	if (waits(s, t))
		return let_wait(s, t);
	rc = b->count == BATCH_MOST || b->objects + t->objects > BATCH_OBJECTS ? batch_end(s, b) : 0;
	if (rc)
		return rc;
	b->objects += t->objects;
	b->list[b->count++] = *t;
	*t = (struct tombstone){ 0 };
	return 0;
}

/* Somebody began to move it to the trash, and does not go on. */
static int finish_move(struct sweep *s, const struct record_name *name)
{
	struct store_call call = acting_call(s->v, &s->call, 0);
	int rc;

	if (s->report->catalog.server_s - name->modified < MOVE_SILENT_S)
		return 0;
	rc = tombstone_to_trash(s->v, s->tenant, name->name, &call);
	return rc == EBUSY || rc == EACCES ? 0 : rc;
}

/* A tombstone that the catalog says nothing of hides no objects: it is looked at all the same. */
static int look_at(struct sweep *s, const struct record_name *name, struct batch *batch)
{
	const struct backup *b = sweep_find(s, name->name);
	AUTO(tombstone_free) struct tombstone t = { 0 };
	int rc;

	/* Never in the run that deleted it, however short its grace is: the next one sees it deleted. */
	if (b && (b->state != BACKUP_DELETED || (b->deleted_until_s > s->report->catalog.server_s && b->deleted_until_s != TOMBSTONE_FAR))) {
		s->report->waiting++;
		return 0;
	}
	rc = sweep_take_due(s, name->name, &t) ? 0 : tombstone_read(s->v, s->tenant, name->name, &t, &s->call);
	if (rc == ENOENT)
		return 0;
	if (rc == EBADMSG || rc == EPROTONOSUPPORT || rc == ENOKEY) {
		s->report->strays++;
		return 0;
	}
	if (!rc && t.phase == TOMB_GRACE && t.trashed)
		return finish_move(s, name);
	return rc ? rc : batch_add(s, batch, &t);
}

static int delete_in_place(struct sweep *s)
{
	AUTO(record_names_free) struct record_names names = { 0 };
	AUTO_FREE struct batch *batch = calloc(1, sizeof(*batch));
	int rc = batch ? record_list(s->v, s->tenant, "tombstones", &names, &s->call) : ENOMEM;

	for (size_t i = 0; i < names.count && !rc; i++) {
		rc = sweep_go_on(s);
		if (!rc)
			rc = look_at(s, &names.names[i], batch);
	}
	if (!rc)
		rc = batch_end(s, batch);
	for (size_t i = 0; batch && i < batch->count; i++)
		tombstone_free(&batch->list[i]);
	return rc;
}

static int delete_trash(struct sweep *s)
{
	AUTO(trash_list_free) struct trash_list trash = { 0 };
	int rc = trash_list(s->v, s->tenant, &trash, &s->call);

	/* Whether it is the rest of a copy or the only one cannot be told: it is left for somebody to look at. */
	if (!rc && trash.unnamed)
		log_path(LOG_WARN, "retention", s->tenant, "%zu in the trash without a record, as %s: a copy that was not ended, or its record is gone. Nothing is done with it: if no backup is missing, "
			 "remove it from the bucket by hand", trash.unnamed, trash.unnamed_id);
	s->report->strays += rc ? 0 : trash.unnamed;
	for (size_t i = 0; i < trash.count && !rc; i++) {
		rc = sweep_go_on(s);
		if (!rc)
			rc = finish(s, &trash.items[i]);
	}
	return rc;
}

int sweep_delete(struct sweep *s)
{
	int rc = delete_in_place(s);

	return rc ? rc : delete_trash(s);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Each rule of a run by itself, on a catalog that the test makes up: what stops it, what it leaves, and that it stops before anything is written. */
#include "kit.h"

#include "base/clock.h"
#include "crypto/chunks.h"
#include "s3/mem_store.h"
#include "vault/audit.h"
#include "vault/sweep_private.h"
#include "vault/tombstone_private.h"

#include <errno.h>
#include <stdio.h>

#define LIVE "backups/acme/"
#define RECORDS "backups/.pishop/t/acme/"
#define NAME "db-20260101-000000"
#define TOMB RECORDS "tombstones/" NAME
#define DAY 86400
#define MOST 12

struct world {
	struct kit *k;
	struct backup list[MOST];
	size_t count;
	int64_t ahead_s, skew_s;
	int error;
	unsigned asked;
	void (*meanwhile)(struct kit *k); /* behind the listing */
};

static int look(void *arg, struct vault *v, const char *tenant, const struct catalog_options *options, struct catalog *out, struct store_call *call)
{
	struct world *w = arg;

	(void)v;
	(void)tenant;
	(void)options;
	(void)call;
	w->asked++;
	*out = (struct catalog){ .server_s = clock_wall_s() + w->ahead_s, .skew_s = w->skew_s };
	if (w->error)
		return w->error;
	out->backups = calloc(MOST, sizeof(*out->backups));
	memcpy(out->backups, w->list, sizeof(w->list));
	out->count = w->count;
	if (w->meanwhile)
		w->meanwhile(w->k);
	return 0;
}

/* A backup that old; the first is the newest. */
static struct backup *add(struct world *w, const char *stem, int64_t age_s)
{
	struct backup *b = &w->list[w->count++];

	*b = (struct backup){ .state = BACKUP_SEALED, .timed = true, .time_s = clock_wall_s() - age_s, .committed_s = clock_wall_s() - age_s, .objects = 1, .bytes = 7 };
	copy_text(b->stem, sizeof(b->stem), stem);
	return b;
}

static void put_object(struct kit *k, const char *stem)
{
	char key[256];

	snprintf(key, sizeof(key), LIVE "%s/f", stem);
	kit_raw_put(k->bucket, key, "content", 7);
}

/* count of them, a day apart, each with an object. */
static void make(struct world *w, size_t count)
{
	char stem[64];

	for (size_t i = 0; i < count; i++) {
		snprintf(stem, sizeof(stem), "b%zu-20260101-000000", i);
		add(w, stem, (int64_t)(i + 1) * DAY);
		put_object(w->k, stem);
	}
}

static struct sweep_config keep(uint32_t last)
{
	struct sweep_config c = { .max_percent = 100, .grace_s = 0, .policy_settle_s = 0 };

	policy_default(&c.policy);
	c.policy.keep_last = last;
	c.policy.min_age_s = 0;
	return c;
}

static int sweep(struct world *w, const struct sweep_config *c, struct sweep_report *r)
{
	int rc;

	kit_log_begin();
	rc = sweep_run(w->k->v, "acme", c, r, look, w);
	free(kit_log_end());
	plan_free(&r->plan);
	free(r->catalog.backups);
	return rc;
}

static struct sweep_report run(struct world *w, const struct sweep_config *c)
{
	struct sweep_report r;
	int rc = sweep(w, c, &r);

	if (rc)
		fail_msg("%s: %s", strerror(rc), r.why);
	return r;
}

static void doubts(struct world *w, const struct sweep_config *c, enum sweep_doubt doubt, const char *why)
{
	struct sweep_report r = run(w, c);

	if (r.doubt != doubt || !strstr(r.why, why))
		fail_msg("%s: %s", sweep_doubt_name(r.doubt), r.why);
	assert_int_equal(kit_raw_count(w->k->bucket, RECORDS "tombstones/"), 0);
}

/* So long ago by the store's clock. */
static void grow_old(struct kit *k, const char *key, int64_t seconds)
{
	struct mem_store *m = mem_of(kit_bucket_raw(k->bucket));
	size_t i = mem_lower_bound(m, key, false);

	assert_true(i < m->count && strcmp(m->objects[i]->key, key) == 0);
	m->objects[i]->meta.modified -= seconds;
}

static bool stands(struct kit *k, const char *key)
{
	return kit_raw_head(k->bucket, key, NULL) == 0;
}

static unsigned found;

static int count_damage(void *arg, const char *line, size_t len)
{
	AUTO(audit_entry_free) struct audit_entry e = { 0 };

	(void)arg;
	assert_int_equal(audit_decode(line, len, &e), 0);
	found += e.event == AUDIT_DAMAGE;
	return 0;
}

static unsigned damage(struct kit *k)
{
	char why[256] = "";

	found = 0;
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	assert_int_equal(audit_read(k->v, "acme", count_damage, NULL, why, sizeof(why), NULL), 0);
	return found;
}

/* ---- doubts */

static void the_first_doubt_is_told(void **state)
{
	struct world w = { .k = *state, .skew_s = 301 };
	struct sweep_config c = keep(1);

	make(&w, 3);
	w.list[0].state = w.list[1].state = w.list[2].state = BACKUP_UNSEALED;
	c.expect_s = DAY;
	doubts(&w, &c, DOUBT_CLOCK, "clock");
}

static void what_is_asked_for_in_vain_is_not_listed(void **state)
{
	static const int errors[] = { EBADMSG, ENOKEY, EPROTONOSUPPORT, EFBIG };
	static const char *const records[] = { "control/policy", "control/holds", "control/retention" };
	struct world w = { .k = *state };
	struct sweep_config c = keep(1);

	make(&w, 3);
	for (size_t i = 0; i < ARRAY_LEN(errors); i++)
		for (size_t r = 0; r < ARRAY_LEN(records); r++) {
			kit_fault(w.k, STORE_GET, records[r], 0, 0, FAULT_FAIL, errors[i]);
			doubts(&w, &c, DOUBT_POLICY, records[r]);
			fault_store_clear(w.k->fault);
		}
	kit_raw_remove(w.k->bucket, "backups/.pishop/layout");
	doubts(&w, &c, DOUBT_LAYOUT, "layout");
	assert_int_equal(w.asked, 0); /* the first doubt ends it */
}

/* Somebody wants an end; the lease went; there is no such tenant. */
static void what_ends_a_look_without_a_doubt(void **state)
{
	static const int errors[] = { ECANCELED, ESTALE, ENOENT, ENOMEM };
	struct world w = { .k = *state };
	struct sweep_config c = keep(1);
	struct sweep_report r;

	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		w.error = errors[i];
		assert_int_equal(sweep(&w, &c, &r), errors[i]);
		assert_int_equal(r.doubt, DOUBT_NONE);
	}
}

static void the_highest_time_is_remembered(void **state)
{
	struct world w = { .k = *state, .ahead_s = 1000 };
	struct sweep_config all = keep(100), c = keep(1);

	make(&w, 3);
	run(&w, &all);
	w.ahead_s = 955; /* clocks differ a little */
	doubts(&w, &all, DOUBT_NONE, "");
	w.ahead_s = 920; /* near the last run, but not the highest */
	doubts(&w, &c, DOUBT_BACKWARDS, "behind");
}

static void how_old_the_newest_may_be(void **state)
{
	struct world w = { .k = *state };
	struct sweep_config c = keep(1);

	c.expect_s = DAY;
	assert_int_equal(run(&w, &c).doubt, DOUBT_NONE); /* nothing was ever there */
	add(&w, "a-20260101", 3600)->state = BACKUP_UNSEALED;
	doubts(&w, &c, DOUBT_OLD, "none of its backups is sealed");
	add(&w, "b-20260101", -3600)->future = true; /* of the future: says nothing */
	doubts(&w, &c, DOUBT_OLD, "none of its backups is sealed");
	add(&w, "c-20260101", DAY + 60);
	doubts(&w, &c, DOUBT_OLD, "24 hours old");
	add(&w, "d-20260101", DAY - 60);
	assert_int_equal(run(&w, &c).doubt, DOUBT_NONE);
}

static void what_is_not_due_counts_at_the_next_run(void **state)
{
	struct world w = { .k = *state };
	struct sweep_config c = keep(100);
	struct sweep_state s;

	make(&w, 4);
	w.list[1].state = w.list[2].state = w.list[3].state = BACKUP_DELETED;
	w.list[1].held = true;
	w.list[2].deleted_until_s = clock_wall_s() + 1000;
	run(&w, &c);
	assert_int_equal(sweep_state_read(w.k->v, "acme", &s, NULL), 0);
	assert_int_equal(s.backups, 3); /* all but the last, whose grace is over */
	sweep_state_free(&s);
}

/* ---- the policy */

static void a_stricter_one_settles_for_a_day(void **state)
{
	struct world w = { .k = *state };
	struct sweep_config c = keep(1);
	struct sweep_report r;
	int64_t since;

	make(&w, 3);
	c.policy_settle_s = -1;
	assert_true(run(&w, &c).policy_waits);
	w.ahead_s = DAY - 10;
	r = run(&w, &c);
	assert_true(r.policy_waits && r.tombstoned == 0);
	w.ahead_s = DAY + 10;
	r = run(&w, &c);
	assert_true(!r.policy_waits && r.tombstoned == 2);
	since = r.policy_from_s;
	w.ahead_s = 2 * DAY;
	assert_int_equal(run(&w, &c).policy_from_s, since);
}

static void nothing_is_asked_for_by_a_policy_without_a_floor(void **state)
{
	struct world w = { .k = *state };
	struct sweep_config c = keep(1);
	struct sweep_report r;
	uint64_t before = kit_all_calls(w.k);

	c.policy.min_keep = 0;
	assert_int_equal(sweep(&w, &c, &r), EINVAL);
	assert_int_equal(kit_all_calls(w.k), before);
}

/* ---- the lease */

static void steal_the_lease(struct kit *k)
{
	kit_raw_flip(k->bucket, RECORDS "control/lease", 600); /* another version of it stands there */
	clock_sleep_ms(1100);                                  /* a third of it: from now on it is asked for */
}

static void a_lost_lease_stops_at_once(void **state)
{
	struct world w = { .k = *state, .meanwhile = steal_the_lease };
	struct sweep_config c = keep(1);
	struct sweep_report r;

	make(&w, 3);
	c.lease_ttl_s = 3;
	assert_int_equal(sweep(&w, &c, &r), ESTALE);
	assert_int_equal(r.tombstoned, 0);
	assert_int_equal(kit_raw_count(w.k->bucket, RECORDS "tombstones/"), 0);
}

/* ---- what others do, and what may not be done */

static void bury_first(struct kit *k)
{
	if (!stands(k, RECORDS "tombstones/b1-20260101-000000"))
		assert_int_equal(tombstone_put(k->v, "acme", "b1-20260101-000000", "by hand", 1000, 0, NULL), 0);
}

static void somebody_else_deleted_it_first(void **state)
{
	struct world w = { .k = *state, .meanwhile = bury_first };
	struct sweep_config c = keep(1);

	make(&w, 3);
	c.grace_s = 1000;
	assert_int_equal(run(&w, &c).tombstoned, 1);
}

static void who_may_not_mark_leaves_it(void **state)
{
	struct world w = { .k = *state };
	struct sweep_config c = keep(1);
	struct sweep_report r;

	make(&w, 3);
	kit_fault(w.k, STORE_PUT, "tombstones/", 0, 0, FAULT_FAIL, EACCES);
	r = run(&w, &c);
	assert_true(r.may_not_delete && r.tombstoned == 0);
}

/* ---- deletions */

/* One that is deleted, its grace over by the catalog. */
static struct backup *buried(struct world *w, int64_t grace_s)
{
	struct backup *b = add(w, NAME, 30 * DAY);

	put_object(w->k, NAME);
	assert_int_equal(tombstone_put(w->k->v, "acme", NAME, "test", grace_s, 0, NULL), 0);
	b->state = BACKUP_DELETED;
	b->deleted_until_s = clock_wall_s() + grace_s;
	w->ahead_s = grace_s + 5;
	return b;
}

/* Nothing is written for it: no deletion is begun and taken back. */
static void a_held_one_is_not_touched(void **state)
{
	struct world w = { .k = *state };
	struct sweep_config c = keep(100);

	buried(&w, 0)->held = true;
	assert_int_equal(hold_add(w.k->v, "acme", NAME, "court", "me", NULL), 0);
	kit_fault(w.k, STORE_PUT, "tombstones/", 0, 0, FAULT_FAIL, EREMOTEIO);
	assert_int_equal(run(&w, &c).waiting, 1);
	assert_true(stands(w.k, LIVE NAME "/f"));
}

/* The catalog may be ahead of the server that is asked then. */
static void a_grace_that_is_not_over_waits(void **state)
{
	struct world w = { .k = *state };
	struct sweep_config c = keep(100);
	struct sweep_report r;

	buried(&w, 100);
	r = run(&w, &c);
	assert_true(r.waiting == 1 && r.deleted == 0);
	assert_true(stands(w.k, LIVE NAME "/f"));
}

static void deletions_that_fail_in_their_own_way(void **state)
{
	static const struct {
		enum store_op op;
		const char *key;
		unsigned skip;
		int error;
	} ways[] = { { STORE_PUT, "tombstones/" NAME, 0, EBUSY }, { STORE_REMOVE, LIVE NAME, 0, EACCES } };
	struct world w = { .k = *state };
	struct sweep_config c = keep(100);
	struct sweep_report r;

	buried(&w, 0);
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		kit_fault(w.k, ways[i].op, ways[i].key, ways[i].skip, 0, FAULT_FAIL, ways[i].error);
		r = run(&w, &c);
		fault_store_clear(w.k->fault);
		assert_int_equal(r.deleted, 0);
		assert_int_equal(r.may_not_delete, ways[i].error == EACCES);
		assert_int_equal(r.strays, ways[i].error != EACCES);
		assert_true(stands(w.k, LIVE NAME "/f"));
	}
	kit_fault(w.k, STORE_GET, "tombstones/" NAME, 0, 1, FAULT_FAIL, EREMOTEIO); /* but a store that fails ends the run */
	assert_int_equal(sweep(&w, &c, &r), EREMOTEIO);
	assert_int_equal(run(&w, &c).deleted, 1);
}

/* The rest of a copy that was not ended, or the only one of a backup whose record is gone: nobody can tell. */
static void trash_without_a_record_is_left(void **state)
{
	static const char key[] = RECORDS "trash/00112233445566778899aabbccddeeff/data/f";
	struct world w = { .k = *state };
	struct sweep_config c = keep(100);

	make(&w, 1);
	kit_raw_put(w.k->bucket, key, "x", 1);
	assert_int_equal(run(&w, &c).strays, 1);
	assert_true(stands(w.k, key));
}

static void what_was_written_to_since_is_left(void **state)
{
	struct world w = { .k = *state };
	struct sweep_config c = keep(100);

	buried(&w, 0);
	kit_raw_put(w.k->bucket, LIVE NAME "/new", "content", 7);
	assert_int_equal(run(&w, &c).strays, 1);
	assert_true(stands(w.k, LIVE NAME "/f") && stands(w.k, LIVE NAME "/new"));
}

static void a_damaged_tombstone_is_left(void **state)
{
	struct world w = { .k = *state };
	struct sweep_config c = keep(100);
	struct backup *b = buried(&w, 0);

	kit_raw_put(w.k->bucket, TOMB, "plain", 5);
	b->deleted_until_s = TOMBSTONE_FAR;
	assert_int_equal(run(&w, &c).strays, 1);
	assert_true(stands(w.k, LIVE NAME "/f") && stands(w.k, TOMB));
}

/* Somebody began to undelete it, and was killed. */
static void an_unfinished_undelete_lapses(void **state)
{
	AUTO(tombstone_free) struct tombstone t = { 0 };
	struct world w = { .k = *state };
	struct sweep_config c = keep(100);
	struct backup *b = buried(&w, 0);

	assert_int_equal(tombstone_read(w.k->v, "acme", NAME, &t, NULL), 0);
	t.until_s = b->deleted_until_s = TOMBSTONE_FAR;
	assert_int_equal(tombstone_write(w.k->v, TOMB, &t, NULL), 0);
	c.grace_s = 1000;
	w.ahead_s = DAY - 10;
	assert_int_equal(run(&w, &c).waiting, 1);
	tombstone_free(&t);
	assert_int_equal(tombstone_read(w.k->v, "acme", NAME, &t, NULL), 0);
	assert_int_equal(t.until_s, TOMBSTONE_FAR); /* it may still be at it */
	w.ahead_s = DAY + 10;
	assert_int_equal(run(&w, &c).waiting, 1);
	tombstone_free(&t);
	assert_int_equal(tombstone_read(w.k->v, "acme", NAME, &t, NULL), 0);
	assert_in_range(t.until_s, clock_wall_s() + DAY + 1000, clock_wall_s() + DAY + 1020);
	assert_true(stands(w.k, LIVE NAME "/f"));
}

/* A move to the trash whose mover was killed is ended; one whose mover may live is not. */
static void a_silent_move_is_finished(void **state)
{
	struct world w = { .k = *state };
	struct sweep_config c = keep(100);
	struct store_call call = { .timeout_ms = 300 };

	buried(&w, 10000);
	w.ahead_s = 0;
	w.count = 0; /* not of the catalog: whatever tombstone stands is looked at */
	kit_fault(w.k, STORE_COPY, "trash/", 0, 0, FAULT_FAIL, EACCES);
	kit_log_begin();
	assert_int_not_equal(tombstone_to_trash(w.k->v, "acme", NAME, &call), 0);
	free(kit_log_end());
	fault_store_clear(w.k->fault);
	grow_old(w.k, TOMB, 600);
	run(&w, &c);
	assert_true(stands(w.k, LIVE NAME "/f") && stands(w.k, TOMB));
	grow_old(w.k, TOMB, 600);
	run(&w, &c);
	assert_false(stands(w.k, LIVE NAME "/f") || stands(w.k, TOMB));
	assert_int_equal(kit_raw_count(w.k->bucket, RECORDS "trash/"), 2);
}

static void the_trash_is_emptied(void **state)
{
	struct world w = { .k = *state };
	struct sweep_config c = keep(100);

	put_object(w.k, NAME);
	assert_int_equal(trash_copy(w.k->v, "acme", NAME, "test", 0, NULL), 0);
	assert_int_equal(trash_copy(w.k->v, "acme", NAME, "test", 1000, NULL), 0);
	w.ahead_s = 5;
	assert_int_equal(run(&w, &c).deleted, 1);
	assert_int_equal(kit_raw_count(w.k->bucket, RECORDS "trash/"), 2); /* of the other */
	assert_true(stands(w.k, LIVE NAME "/f"));
}

/* ---- hygiene */

static void say(struct kit *k, enum audit_event event, const char *backup)
{
	audit_note(k->v, "acme", &(struct audit_line){ .event = event, .backup = backup });
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
}

static void which_seals_without_objects_go(void **state)
{
	struct world w = { .k = *state };
	struct sweep_config c = keep(100);

	assert_int_equal(record_write(w.k->v, RECORDS "seals/gone-20260101", "{}\n", 3, NULL, NULL, NULL), 0);
	assert_int_equal(record_write(w.k->v, RECORDS "seals/hidden-20260101", "{}\n", 3, NULL, NULL, NULL), 0);
	say(w.k, AUDIT_DELETED, "gone-20260101");
	say(w.k, AUDIT_DELETED, "hidden-20260101");
	*add(&w, "hidden-20260101", DAY) = (struct backup){ .stem = "hidden-20260101", .state = BACKUP_DELETED, .deleted_until_s = TOMBSTONE_FAR };
	run(&w, &c);
	assert_true(stands(w.k, RECORDS "seals/gone-20260101")); /* young: it may be somebody's work */
	w.ahead_s = 2 * DAY;
	run(&w, &c);
	assert_false(stands(w.k, RECORDS "seals/gone-20260101"));
	assert_true(stands(w.k, RECORDS "seals/hidden-20260101"));
}

static void a_log_that_cannot_be_read_tidies_nothing(void **state)
{
	struct world w = { .k = *state, .ahead_s = 2 * DAY };
	struct sweep_config c = keep(100);

	assert_int_equal(record_write(w.k->v, RECORDS "seals/gone-20260101", "{}\n", 3, NULL, NULL, NULL), 0);
	say(w.k, AUDIT_DELETED, "gone-20260101");
	say(w.k, AUDIT_SEALED, "other-20260101"); /* what came later cannot be known */
	kit_raw_flip(w.k->bucket, RECORDS "audit/9999999999999997", 600);
	run(&w, &c);
	assert_true(stands(w.k, RECORDS "seals/gone-20260101"));
}

static void which_markers_go(void **state)
{
	struct world w = { .k = *state };
	struct sweep_config c = keep(100);
	char marker[1024] = "";
	struct backup good = { .stem = NAME, .state = BACKUP_UNSEALED, .objects = 1, .bytes = object_length(0), .committed_s = clock_wall_s() - 8 * DAY }, *b = &w.list[0];

	kit_raw_put(w.k->bucket, LIVE NAME "/", marker, (size_t)object_length(0));
	say(w.k, AUDIT_DELETED, NAME);
	w.count = 1;
	for (int i = 0; i < 6; i++) {
		*b = good;
		b->state = i == 0 ? BACKUP_OPEN : b->state;
		b->bytes += i == 1;
		b->live_writer = i == 2;
		b->held = i == 3;
		b->foreign = i == 4;
		b->committed_s += i == 5 ? 2 * DAY : 0;
		run(&w, &c);
		if (!stands(w.k, LIVE NAME "/"))
			fail_msg("way %d", i);
	}
	*b = good;
	run(&w, &c);
	assert_false(stands(w.k, LIVE NAME "/"));
}

static void silent_writers_are_looked_for(void **state)
{
	struct world w = { .k = *state };
	struct sweep_config c = keep(100);
	struct sweep_report r;

	make(&w, 1);
	kit_fault(w.k, STORE_LIST, "/run/", 0, 0, FAULT_FAIL, EREMOTEIO);
	assert_int_equal(sweep(&w, &c, &r), EREMOTEIO);
}

/* As long as it was, and another. */
static void a_log_that_was_exchanged_is_noticed(void **state)
{
	struct world w = { .k = *state };
	struct sweep_config c = keep(100);
	struct kit other = { .bucket = w.k->bucket };
	struct vault_config config = kit_config();
	char last[128], hash[DIGEST_HEX];
	uint64_t segment, before;

	make(&w, 1);
	say(w.k, AUDIT_SEALED, "a");
	say(w.k, AUDIT_SEALED, "b");
	run(&w, &c);
	run(&w, &c);
	assert_int_equal(damage(w.k), 0);
	assert_int_equal(audit_tail(w.k->v, "acme", &before, hash, NULL), 0);
	snprintf(last, sizeof(last), RECORDS "audit/%016llu", 9999999999999999ull - (unsigned long long)before);
	kit_raw_remove(w.k->bucket, last);
	kit_open(&other, &config, KIT_KEY);
	say(&other, AUDIT_SEALED, "c");
	assert_int_equal(audit_tail(other.v, "acme", &segment, hash, NULL), 0);
	assert_int_equal(segment, before);
	w.k = &other;
	run(&w, &c);
	assert_int_equal(damage(&other), 1);
	kit_close(&other);
}

#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_first_doubt_is_told),
		T(what_is_asked_for_in_vain_is_not_listed),
		T(what_ends_a_look_without_a_doubt),
		T(the_highest_time_is_remembered),
		T(how_old_the_newest_may_be),
		T(what_is_not_due_counts_at_the_next_run),
		T(a_stricter_one_settles_for_a_day),
		T(nothing_is_asked_for_by_a_policy_without_a_floor),
		T(a_lost_lease_stops_at_once),
		T(somebody_else_deleted_it_first),
		T(who_may_not_mark_leaves_it),
		T(a_held_one_is_not_touched),
		T(a_grace_that_is_not_over_waits),
		T(deletions_that_fail_in_their_own_way),
		T(trash_without_a_record_is_left),
		T(what_was_written_to_since_is_left),
		T(a_damaged_tombstone_is_left),
		T(an_unfinished_undelete_lapses),
		T(a_silent_move_is_finished),
		T(the_trash_is_emptied),
		T(which_seals_without_objects_go),
		T(a_log_that_cannot_be_read_tidies_nothing),
		T(which_markers_go),
		T(silent_writers_are_looked_for),
		T(a_log_that_was_exchanged_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

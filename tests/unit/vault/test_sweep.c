/* SPDX-License-Identifier: Apache-2.0 */
#include "kit.h"

#include "base/clock.h"
#include "crypto/chunks.h"
#include "vault/audit.h"
#include "vault/sweep_private.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define LIVE "backups/acme/"
#define RECORDS "backups/.pishop/t/acme/"
#define DAY 86400

/* ---- a catalog of what stands in the bucket, without the program's own: a backup is sealed where there is a seal */

struct world {
	struct kit *k;
	int64_t ahead_s;  /* of the clock */
	int64_t skew_s;
	int error;        /* what reading the catalog answers */
	const char *partial; /* stem that is */
};

static int newest_first(const void *a, const void *b)
{
	const struct backup *x = a, *y = b;

	return x->time_s != y->time_s ? (x->time_s < y->time_s ? 1 : -1) : strcmp(x->stem, y->stem);
}

static struct backup *row(struct catalog *c, const struct stem *stem)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->backups[i].stem, stem->text) == 0)
			return &c->backups[i];
	c->backups = realloc(c->backups, (c->count + 1) * sizeof(*c->backups));
	c->backups[c->count] = (struct backup){ .timed = stem->timed, .time_s = stem->time_s, .committed_s = stem->time_s };
	copy_text(c->backups[c->count].stem, STEM_CAP, stem->text);
	return &c->backups[c->count++];
}

#define SEAL_ID "00112233445566778899aabbccddeeff"

static void count_objects(struct store *s, struct catalog *c)
{
	struct store_page page = { 0 };
	char *token = NULL;

	do {
		assert_int_equal(s->ops->list(s, LIVE, 0, token, 0, &page, NULL), 0);
		for (size_t i = 0; i < page.count; i++) {
			char name[256];
			struct stem stem;
			struct backup *b;

			snprintf(name, sizeof(name), "%s", page.objects[i].key + strlen(LIVE));
			name[strcspn(name, "/")] = '\0';
			stem_of(name, &stem);
			b = row(c, &stem);
			b->objects++;
			b->bytes += page.objects[i].size;
			b->stored += page.objects[i].size;
		}
		free(token);
		token = page.next;
		page.next = NULL;
		store_page_free(&page);
	} while (token);
}

static void decide(struct world *w, struct vault *v, struct backup *b)
{
	AUTO(tombstone_free) struct tombstone t = { 0 };
	char key[512];

	snprintf(key, sizeof(key), RECORDS "seals/%s", b->stem);
	b->state = kit_raw_head(w->k->bucket, key, NULL) == 0 ? BACKUP_SEALED : BACKUP_UNSEALED;
	if (w->partial && strcmp(w->partial, b->stem) == 0)
		b->state = BACKUP_PARTIAL;
	snprintf(key, sizeof(key), RECORDS "tombstones/%s", b->stem);
	if (kit_raw_head(w->k->bucket, key, NULL) || tombstone_read(v, "acme", b->stem, &t, NULL))
		return;
	b->state = BACKUP_DELETED;
	b->deleted_until_s = t.until_s;
}

static int look_around(void *arg, struct vault *v, const char *tenant, const struct catalog_options *options, struct catalog *out, struct store_call *call)
{
	struct world *w = arg;
	AUTO(holds_free) struct holds holds = { 0 };

	*out = (struct catalog){ .begun_s = clock_wall_s() + w->ahead_s, .server_s = clock_wall_s() + w->ahead_s, .skew_s = w->skew_s };
	if (w->error)
		return w->error;
	count_objects(kit_bucket_raw(w->k->bucket), out);
	if (holds_read(v, tenant, &holds, call))
		return EIO;
	for (size_t i = 0; i < out->count; i++) {
		decide(w, v, &out->backups[i]);
		out->backups[i].held = holds_has(&holds, out->backups[i].stem);
	}
	if (out->count)
		qsort(out->backups, out->count, sizeof(*out->backups), newest_first);
	return 0;
}

static void report_free(struct sweep_report *r)
{
	plan_free(&r->plan);
	free(r->catalog.backups);
}

/* ---- a tenant with a backup a day */

static void name_of(int days_ago, char out[64])
{
	struct tm tm;
	time_t at = clock_wall_s() / DAY * DAY - (int64_t)days_ago * DAY;

	gmtime_r(&at, &tm);
	strftime(out, 64, "db-%Y%m%d-000000", &tm);
}

static void make(struct kit *k, int days_ago, bool sealed)
{
	char name[64], key[512];

	name_of(days_ago, name);
	for (int i = 0; i < 3; i++) {
		snprintf(key, sizeof(key), LIVE "%s/f%d", name, i);
		kit_raw_put(k->bucket, key, "content", 7);
	}
	snprintf(key, sizeof(key), RECORDS "seals/%s", name);
	if (sealed)
		assert_int_equal(record_write(k->v, key, "{}\n", 3, NULL, NULL, NULL), 0);
}

static void make_days(struct kit *k, int count)
{
	for (int i = 1; i <= count; i++)
		make(k, i, true);
}

static bool stands(struct kit *k, int days_ago)
{
	char name[64], key[512];

	name_of(days_ago, name);
	snprintf(key, sizeof(key), LIVE "%s/f0", name);
	return kit_raw_head(k->bucket, key, NULL) == 0;
}

static bool hidden(struct kit *k, int days_ago)
{
	char name[64], key[512];

	name_of(days_ago, name);
	snprintf(key, sizeof(key), RECORDS "tombstones/%s", name);
	return kit_raw_head(k->bucket, key, NULL) == 0;
}

static struct sweep_config keep(uint32_t last)
{
	struct sweep_config c = { .max_percent = 100, .grace_s = 0, .policy_settle_s = 0 };

	policy_default(&c.policy);
	c.policy.keep_last = last;
	c.policy.min_age_s = 0;
	return c;
}

static int sweep(struct kit *k, struct world *w, const struct sweep_config *c, struct sweep_report *r)
{
	return sweep_run(k->v, "acme", c, r, look_around, w);
}

/* One run that must not fail; the report without its lists. */
static struct sweep_report run(struct kit *k, struct world *w, const struct sweep_config *c)
{
	struct sweep_report r;
	int rc = sweep(k, w, c, &r);

	if (rc)
		fail_msg("%s: %s", strerror(rc), r.why);
	report_free(&r);
	return r;
}

static void second(struct kit *k, struct kit *b)
{
	struct vault_config config = kit_config();

	*b = (struct kit){ .bucket = k->bucket };
	kit_open(b, &config, KIT_KEY);
}

static unsigned events[AUDIT_EVENTS];

static int see(void *arg, const char *line, size_t len)
{
	AUTO(audit_entry_free) struct audit_entry e = { 0 };

	assert_int_equal(audit_decode(line, len, &e), 0);
	events[e.event]++;
	return 0;
}

static void read_audit(struct kit *k)
{
	char why[256] = "";

	memset(events, 0, sizeof(events));
	if (audit_flush(k->v, NULL, NULL) || audit_read(k->v, "acme", see, NULL, why, sizeof(why), NULL))
		fail_msg("%s", why);
}

/* ---- the main way */

static void what_no_rule_keeps_goes(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(3);
	struct sweep_report r;

	make_days(k, 10);
	r = run(k, &w, &c);
	assert_int_equal(r.doubt, DOUBT_NONE);
	assert_int_equal(r.tombstoned, 7);
	w.ahead_s = 5;
	r = run(k, &w, &c);
	assert_int_equal(r.tombstoned, 0);
	for (int i = 1; i <= 10; i++) {
		assert_int_equal(stands(k, i), i <= 3);
		assert_false(hidden(k, i));
	}
	read_audit(k);
	assert_int_equal(events[AUDIT_TOMBSTONED], 7);
	assert_int_equal(events[AUDIT_DELETING], 7);
	assert_int_equal(events[AUDIT_DELETED], 7);
	r = run(k, &w, &c);
	assert_int_equal(r.tombstoned + r.deleted + r.waiting + r.strays, 0);
}

static void within_the_grace_all_stays(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(1);
	struct sweep_report r;

	make_days(k, 4);
	c.grace_s = 100;
	r = run(k, &w, &c);
	assert_int_equal(r.tombstoned, 3);
	assert_int_equal(r.deleted, 0);
	r = run(k, &w, &c);
	assert_int_equal(r.waiting, 3);
	for (int i = 1; i <= 4; i++)
		assert_true(stands(k, i) && hidden(k, i) == (i > 1));
}

static void an_empty_policy_removes_nothing(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(0);
	struct sweep_report r;

	make_days(k, 4);
	r = run(k, &w, &c);
	assert_int_equal(r.tombstoned, 0);
	c.policy.min_keep = 0;
	assert_int_equal(sweep(k, &w, &c, &r), EINVAL);
}

static void no_more_than_a_part_goes_at_once(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(1);
	struct sweep_report r;

	make_days(k, 10);
	c.max_percent = 0; /* 25 % of 10 */
	c.grace_s = 1000;
	r = run(k, &w, &c);
	assert_int_equal(r.tombstoned, 2);
	assert_int_equal(r.capped, 7);
	assert_true(hidden(k, 10) && hidden(k, 9) && !hidden(k, 8)); /* the oldest first */
	c.max_percent = 1;
	r = run(k, &w, &c);
	assert_int_equal(r.tombstoned, 1); /* but at least one */
}

static void a_hold_keeps(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(1);
	char name[64];

	make_days(k, 3);
	name_of(3, name);
	assert_int_equal(hold_add(k->v, "acme", name, "court", "me", NULL), 0);
	run(k, &w, &c);
	w.ahead_s = 5;
	run(k, &w, &c);
	assert_true(stands(k, 3) && !stands(k, 2));
	assert_int_equal(hold_remove(k->v, "acme", name, "me", NULL), 0);
	c.grace_s = 3;
	run(k, &w, &c);
	assert_int_equal(hold_add(k->v, "acme", name, "court", "me", NULL), 0); /* in its grace */
	w.ahead_s = 20;
	run(k, &w, &c);
	assert_true(stands(k, 3));
}

static void unsealed_ones_never_go_and_partial_ones_by_their_rule(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(1);
	char partial[64];

	make_days(k, 2);
	make(k, 30, false);
	make(k, 40, false);
	name_of(40, partial);
	w.partial = partial;
	run(k, &w, &c);
	w.ahead_s = 5;
	run(k, &w, &c);
	assert_true(stands(k, 1) && stands(k, 30));
	assert_false(stands(k, 2) || stands(k, 40));
}

static void a_dry_run_writes_nothing(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(1);
	struct sweep_report r;

	make_days(k, 4);
	c.dry_run = true;
	c.max_percent = 25;

	uint64_t writes = kit_calls(k, STORE_PUT) + kit_calls(k, STORE_REMOVE) + kit_calls(k, STORE_COPY) + kit_calls(k, STORE_REMOVE_VERSIONS);

	assert_int_equal(sweep(k, &w, &c, &r), 0);
	assert_int_equal(r.plan.remove, 3);
	assert_int_equal(r.capped, 2);
	report_free(&r);
	assert_int_equal(kit_calls(k, STORE_PUT) + kit_calls(k, STORE_REMOVE) + kit_calls(k, STORE_COPY) + kit_calls(k, STORE_REMOVE_VERSIONS), writes);
}

/* ---- the lease */

static void only_one_acts(void **state)
{
	struct kit *k = *state, b;
	struct world w = { .k = k };
	struct sweep_config c = keep(1);
	struct lease *l;
	struct sweep_report r;

	make_days(k, 4);
	second(k, &b);
	assert_int_equal(lease_take(b.v, "acme", 300, &l, NULL, NULL), 0);
	r = run(k, &w, &c);
	assert_true(r.busy);
	assert_int_equal(r.tombstoned, 0);
	lease_release(l);
	r = run(k, &w, &c);
	assert_false(r.busy);
	assert_int_equal(r.tombstoned, 3);
	kit_close(&b);
}

static void who_may_not_write_leaves_it(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(1);
	struct sweep_report r;

	make_days(k, 4);
	kit_log_begin();
	kit_fault(k, STORE_PUT, "control/lease", 0, 0, FAULT_FAIL, EACCES);
	r = run(k, &w, &c);
	free(kit_log_end());
	assert_true(r.may_not_delete);
	assert_int_equal(r.tombstoned, 0);
}

static void a_store_without_conditions_is_left_alone(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(1);
	struct sweep_report r;

	make_days(k, 4);
	k->stats->conditional = false;
	assert_int_equal(sweep(k, &w, &c, &r), EOPNOTSUPP);
	assert_non_null(strstr(r.why, "conditional"));
}

static void it_stops_when_asked(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(1);
	atomic_bool stop = true;
	struct sweep_report r;

	make_days(k, 4);
	c.stop = &stop;
	kit_log_begin();
	assert_int_equal(sweep(k, &w, &c, &r), ECANCELED);
	free(kit_log_end());
	assert_true(stands(k, 4) && !hidden(k, 4));
}

/* ---- doubts */

static void doubts(struct kit *k, struct world *w, const struct sweep_config *c, enum sweep_doubt doubt)
{
	struct sweep_report r;

	kit_log_begin();
	r = run(k, w, c);
	free(kit_log_end());
	if (r.doubt != doubt)
		fail_msg("%s, not %s", sweep_doubt_name(r.doubt), sweep_doubt_name(doubt));
	assert_int_equal(r.tombstoned + r.deleted, 0);
	assert_true(doubt == DOUBT_NONE || r.why[0]);
}

/* Doubt until accepted. */
static void may_be_accepted(struct kit *k, struct world *w, struct sweep_config *c, enum sweep_doubt doubt)
{
	struct sweep_report r;

	doubts(k, w, c, doubt);
	c->accept_doubt[doubt] = true;
	r = run(k, w, c);
	assert_int_equal(r.doubt, DOUBT_NONE);
	assert_true(r.tombstoned > 0);
}

static void a_listing_that_fails_stops_it(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k, .error = EREMOTEIO };
	struct sweep_config c = keep(1);

	make_days(k, 4);
	doubts(k, &w, &c, DOUBT_LISTING);
	w.error = EBADMSG;
	doubts(k, &w, &c, DOUBT_LISTING);
	read_audit(k);
	assert_int_equal(events[AUDIT_STOPPED], 2);
}

static void a_clock_that_differs_stops_it(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k, .skew_s = 301 };
	struct sweep_config c = keep(1);

	make_days(k, 4);
	doubts(k, &w, &c, DOUBT_CLOCK);
	w.skew_s = -301;
	c.accept_doubt[DOUBT_CLOCK] = true; /* not for anybody to accept */
	doubts(k, &w, &c, DOUBT_CLOCK);
	w.skew_s = -300;
	assert_int_equal(run(k, &w, &c).tombstoned, 3);
}

/* A first run with nothing to do, so that the next can be compared with it. */
static void run_before(struct kit *k, struct world *w)
{
	struct sweep_config all = keep(100);

	assert_int_equal(run(k, w, &all).doubt, DOUBT_NONE);
}

static void time_that_goes_backwards_stops_it(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k, .ahead_s = 1000 };
	struct sweep_config c = keep(1);

	make_days(k, 4);
	run_before(k, &w);
	w.ahead_s = 900;
	may_be_accepted(k, &w, &c, DOUBT_BACKWARDS);
	c.accept_doubt[DOUBT_BACKWARDS] = false;
	assert_int_equal(run(k, &w, &c).doubt, DOUBT_NONE); /* and is forgotten */
}

static void time_that_jumps_ahead_stops_it(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(1);

	make_days(k, 4);
	run_before(k, &w);
	w.ahead_s = 8 * DAY;
	c.interval_s = DAY;
	c.policy.keep_last = 100;
	doubts(k, &w, &c, DOUBT_NONE); /* ten intervals */
	run_before(k, &w);
	c.policy.keep_last = 1;
	c.interval_s = 3600;
	w.ahead_s = 16 * DAY;
	may_be_accepted(k, &w, &c, DOUBT_FORWARDS);
}

static void a_drop_stops_it(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(2);
	char name[64], key[512];

	make_days(k, 10);
	run_before(k, &w);
	for (int gone = 8; gone <= 10; gone++) {
		if (gone == 10) {
			c.policy.keep_last = 100;
			doubts(k, &w, &c, DOUBT_NONE); /* two of ten */
			c.policy.keep_last = 2;
			make(k, 8, false);
			make(k, 9, false);
			run_before(k, &w);
		}
		name_of(gone, name);
		for (int i = 0; i < 3; i++) {
			snprintf(key, sizeof(key), LIVE "%s/f%d", name, i);
			kit_raw_remove(k->bucket, key);
		}
	}
	for (int gone = 8; gone <= 9; gone++) {
		name_of(gone, name);
		for (int i = 0; i < 3; i++) {
			snprintf(key, sizeof(key), LIVE "%s/f%d", name, i);
			kit_raw_remove(k->bucket, key);
		}
	}
	may_be_accepted(k, &w, &c, DOUBT_DROP);
}

static void our_own_deletions_are_no_drop(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(1);

	make_days(k, 10);
	run(k, &w, &c);
	for (int i = 0; i < 3; i++) {
		w.ahead_s += 5;
		assert_int_equal(run(k, &w, &c).doubt, DOUBT_NONE);
	}
	assert_false(stands(k, 2));
}

static void a_newest_backup_too_old_stops_it(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(1);

	make(k, 3, true);
	make(k, 4, true);
	make(k, 1, false); /* does not count */
	c.expect_s = 2 * DAY;
	may_be_accepted(k, &w, &c, DOUBT_OLD);
}

static void without_a_layout_marker_nothing_happens(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(1);

	make_days(k, 4);
	kit_raw_remove(k->bucket, "backups/.pishop/layout");
	doubts(k, &w, &c, DOUBT_LAYOUT);
}

static void damaged_control_records_stop_it(void **state)
{
	static const char *const keys[] = { RECORDS "control/policy", RECORDS "control/holds", RECORDS "control/retention" };
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(1);

	make_days(k, 4);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		kit_raw_put(k->bucket, keys[i], "plain", 5);
		doubts(k, &w, &c, DOUBT_POLICY);
		kit_raw_remove(k->bucket, keys[i]);
		assert_int_equal(record_write(k->v, keys[i], "{\"policy\":2}\n", 13, NULL, NULL, NULL), 0);
		doubts(k, &w, &c, DOUBT_POLICY);
		kit_raw_remove(k->bucket, keys[i]);
	}
	assert_int_equal(run(k, &w, &c).tombstoned, 3);
}

/* ---- the policy */

static void put_policy(struct kit *k, uint32_t last)
{
	struct sweep_config c = keep(last);
	AUTO_FREE char *text = NULL;

	kit_raw_remove(k->bucket, RECORDS "control/policy");
	assert_int_equal(policy_encode(&c.policy, &text), 0);
	assert_int_equal(record_write(k->v, RECORDS "control/policy", text, strlen(text), NULL, NULL, NULL), 0);
}

static void the_tenants_own_goes_before_the_default(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(1);

	make_days(k, 4);
	put_policy(k, 3);
	assert_int_equal(run(k, &w, &c).tombstoned, 1);
	c.override_policy = true;
	assert_int_equal(run(k, &w, &c).tombstoned, 2);
}

static void a_stricter_one_must_be_seen_twice(void **state)
{
	struct kit *k = *state, b;
	struct world w = { .k = k };
	struct sweep_config c = keep(3);
	struct sweep_report r;

	make_days(k, 4);
	c.policy_settle_s = 1000;
	r = run(k, &w, &c);
	assert_true(r.policy_waits);
	assert_int_equal(r.tombstoned, 0);
	assert_in_range(r.policy_from_s, clock_wall_s() + 990, clock_wall_s() + 1001);
	w.ahead_s = 999;
	c.policy.keep_last = 2; /* another one begins anew */
	assert_true(run(k, &w, &c).policy_waits);
	w.ahead_s = 1500;
	assert_true(run(k, &w, &c).policy_waits);
	w.ahead_s = 2010;
	second(k, &b); /* another process */
	r = run(&b, &w, &c);
	assert_false(r.policy_waits);
	assert_int_equal(r.tombstoned, 2);
	kit_close(&b);
	c.policy.keep_last = 5; /* what keeps more holds at once */
	r = run(k, &w, &c);
	assert_false(r.policy_waits);
	read_audit(k);
	assert_int_equal(events[AUDIT_POLICY], 2);
}

/* ---- kills and others at the same time */

static void reopen(struct kit *k)
{
	struct vault_config config = kit_config();

	kit_close(k);
	kit_open(k, &config, KIT_KEY);
	kit_raw_remove(k->bucket, RECORDS "control/lease"); /* it has run out meanwhile */
}

static void after_a_kill_anywhere_the_next_run_ends_the_same(void **state)
{
	static const enum store_op ops[] = { STORE_GET, STORE_PUT, STORE_HEAD, STORE_LIST, STORE_REMOVE, STORE_VERSIONS };
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(2);
	struct sweep_report r;
	unsigned kills = 0;

	kit_log_begin();
	make_days(k, 2);
	for (size_t op = 0; op < 2 * ARRAY_LEN(ops); op++)
		for (unsigned n = 0, more = 1; more; n++) {
			make(k, 3, true);
			make(k, 4, true);
			if (op >= ARRAY_LEN(ops)) { /* killed while it deletes, else while it makes tombstones */
				run(k, &w, &c);
				w.ahead_s += 2;
			}
			kit_fault(k, ops[op % ARRAY_LEN(ops)], NULL, n, 0, FAULT_FAIL, EREMOTEIO);
			sweep(k, &w, &c, &r);
			report_free(&r);
			more = fault_store_hits(k->fault) > 0;
			kills += more;
			reopen(k);
			for (int i = 0; i < 3 && (stands(k, 3) || stands(k, 4) || hidden(k, 3) || hidden(k, 4)); i++) {
				w.ahead_s += 2;
				r = run(k, &w, &c);
				if (r.doubt != DOUBT_NONE) {
					free(kit_log_end());
					fail_msg("op %zu n %u: doubt %s: %s", op, n, sweep_doubt_name(r.doubt), r.why);
				}
			}
			assert_true(stands(k, 1) && stands(k, 2));
			assert_false(stands(k, 3) || stands(k, 4) || hidden(k, 3) || hidden(k, 4));
			assert_int_equal(kit_raw_count(k->bucket, RECORDS "seals/"), 2);
		}
	free(kit_log_end());
	assert_true(kills > 30);
}

struct sweeper {
	struct kit *kit;
	struct world *world;
	struct sweep_config config;
	pthread_t thread;
	size_t deleted;
	unsigned runs;
};

static void *sweep_often(void *arg)
{
	struct sweeper *s = arg;

	for (int i = 0; i < 25; i++) {
		struct sweep_report r;
		int rc = sweep(s->kit, s->world, &s->config, &r);

		s->runs += rc == 0 && !r.busy;
		s->deleted += r.deleted;
		report_free(&r);
	}
	return NULL;
}

static void two_at_once_do_nothing_twice(void **state)
{
	struct kit *k = *state, b;
	struct world w = { .k = k };
	struct sweeper sweepers[3];

	make_days(k, 12);
	second(k, &b);
	w.ahead_s = 3;
	kit_log_begin();
	for (int i = 0; i < 3; i++) {
		sweepers[i] = (struct sweeper){ .kit = i ? k : &b, .world = &w, .config = keep(2) };
		sweepers[i].config.max_percent = 20;
		assert_int_equal(pthread_create(&sweepers[i].thread, NULL, sweep_often, &sweepers[i]), 0);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(sweepers[i].thread, NULL);
	for (int i = 0; i < 12 && stands(k, 3); i++)
		sweep_often(&(struct sweeper){ .kit = k, .world = &w, .config = keep(2) });
	free(kit_log_end());
	kit_close(&b);
	assert_true(stands(k, 1) && stands(k, 2));
	for (int i = 3; i <= 12; i++)
		assert_false(stands(k, i));
	read_audit(k);
	assert_int_equal(events[AUDIT_TOMBSTONED], 10);
	assert_int_equal(events[AUDIT_DELETING], 10);
	assert_int_equal(events[AUDIT_DELETED], 10);
	assert_int_equal(events[AUDIT_STOPPED], 0);
}

/* ---- hygiene */

static void a_seal_without_objects_is_damage(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k, .ahead_s = 2 * DAY };
	struct sweep_config c = keep(100);
	struct sweep_report r;

	make_days(k, 2);
	assert_int_equal(record_write(k->v, RECORDS "seals/gone-20260101", "{}\n", 3, NULL, NULL, NULL), 0);
	kit_log_begin();
	r = run(k, &w, &c);

	char *log = kit_log_end();

	assert_non_null(strstr(log, "acme/gone-20260101: its seal is there"));
	free(log);
	assert_int_equal(r.strays, 1);
	assert_int_equal(kit_raw_head(k->bucket, RECORDS "seals/gone-20260101", NULL), 0);

	audit_note(k->v, "acme", &(struct audit_line){ .event = AUDIT_DELETED, .backup = "gone-20260101" });
	audit_note(k->v, "acme", &(struct audit_line){ .event = AUDIT_SEALED, .backup = "gone-20260101" });
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	kit_log_begin();
	run(k, &w, &c); /* deleted, and made again: damage as well */
	free(kit_log_end());
	assert_int_equal(kit_raw_head(k->bucket, RECORDS "seals/gone-20260101", NULL), 0);

	audit_note(k->v, "acme", &(struct audit_line){ .event = AUDIT_DELETED, .backup = "gone-20260101" });
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	run(k, &w, &c);
	assert_int_equal(kit_raw_head(k->bucket, RECORDS "seals/gone-20260101", NULL), ENOENT);
	assert_int_equal(kit_raw_count(k->bucket, RECORDS "seals/"), 2);
}

static void strays_go(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(100);
	char name[64], key[512];

	make_days(k, 2);
	name_of(1, name);
	snprintf(key, sizeof(key), RECORDS "reopen/%s", name);
	assert_int_equal(record_write(k->v, key, "{}\n", 3, NULL, NULL, NULL), 0);
	assert_int_equal(record_write(k->v, RECORDS "reopen/x", "{}\n", 3, NULL, NULL, NULL), 0);
	run(k, &w, &c);
	assert_int_equal(kit_raw_head(k->bucket, RECORDS "reopen/x", NULL), 0); /* young */
	w.ahead_s = 2 * DAY;
	run(k, &w, &c);
	assert_int_equal(kit_raw_head(k->bucket, RECORDS "reopen/x", NULL), ENOENT);
	assert_int_equal(kit_raw_head(k->bucket, key, NULL), 0); /* its seal stands */
}

static void markers_of_what_was_removed_go(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(100);
	static const char *const markers[] = { LIVE "a-20260101/", LIVE "a-20260101/x/", LIVE "b-20260101/", LIVE "c-20260101/", LIVE "c-20260101/empty" };
	char marker[1024] = "";

	make_days(k, 2);
	for (size_t i = 0; i < ARRAY_LEN(markers); i++)
		kit_raw_put(k->bucket, markers[i], marker, (size_t)object_length(0));
	audit_note(k->v, "acme", &(struct audit_line){ .event = AUDIT_REMOVED, .backup = "a-20260101", .seal = SEAL_ID });
	audit_note(k->v, "acme", &(struct audit_line){ .event = AUDIT_REMOVED, .backup = "b-20260101" }); /* some of it, not all */
	audit_note(k->v, "acme", &(struct audit_line){ .event = AUDIT_DELETED, .backup = "b-20260101", .detail = AUDIT_FROM_TRASH }); /* an older one */
	audit_note(k->v, "acme", &(struct audit_line){ .event = AUDIT_REMOVED, .backup = "c-20260101", .seal = SEAL_ID });
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	run(k, &w, &c);
	assert_int_equal(kit_raw_count(k->bucket, LIVE "a-"), 0);
	assert_int_equal(kit_raw_count(k->bucket, LIVE "b-"), 1); /* nobody removed that */
	assert_int_equal(kit_raw_count(k->bucket, LIVE "c-"), 2); /* a file is there */
}

static void rules_of_the_bucket_are_warned_of(void **state)
{
	struct kit *k = *state;
	struct world w = { .k = k };
	struct sweep_config c = keep(100);
	struct store_rule harmless = { .id = "uploads", .prefix = "" }, elsewhere = { .id = "logs", .prefix = "logs/", .expires_current = true },
			  ours = { .id = "old", .prefix = "backups/acme/", .expires_current = true, .days = 30 };
	struct sweep_report r;

	make_days(k, 2);
	assert_int_equal(mem_store_add_rule(kit_bucket_raw(k->bucket), &harmless), 0);
	assert_int_equal(mem_store_add_rule(kit_bucket_raw(k->bucket), &elsewhere), 0);
	assert_string_equal(run(k, &w, &c).lifecycle, "");
	assert_int_equal(mem_store_add_rule(kit_bucket_raw(k->bucket), &ours), 0);
	kit_log_begin();
	r = run(k, &w, &c);
	free(kit_log_end());
	assert_non_null(strstr(r.lifecycle, "\"old\""));
}

static void a_log_cut_short_is_noticed(void **state)
{
	struct kit *k = *state, b;
	struct world w = { .k = k };
	struct sweep_config c = keep(100);

	make_days(k, 2);
	for (int i = 0; i < 2; i++) {
		audit_note(k->v, "acme", &(struct audit_line){ .event = AUDIT_SEALED, .backup = "a" });
		assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	}
	run(k, &w, &c);
	run(k, &w, &c);
	read_audit(k);
	assert_int_equal(events[AUDIT_DAMAGE], 0);
	for (char last = '7'; last >= '0'; last--) { /* all but the first */
		char key[] = RECORDS "audit/999999999999999?";

		key[strlen(key) - 1] = last;
		kit_raw_remove(k->bucket, key);
	}
	second(k, &b);
	kit_log_begin();
	run(&b, &w, &c);
	free(kit_log_end());
	read_audit(&b);
	assert_int_equal(events[AUDIT_DAMAGE], 1);
	kit_close(&b);
}

/* ---- the record */

static void its_record_is_read_strictly(void **state)
{
	struct sweep_config c = keep(3);
	struct backup known[2] = { { .stem = "b", .state = BACKUP_PARTIAL, .reason = "why \"so\"", .timed = true, .time_s = 1700000000, .committed_s = 1700000001, .bytes = 5,
				     .objects = 3, .seal_etag = "e" },
				   { .stem = "a", .state = BACKUP_SEALED, .time_s = 1, .committed_s = 2, .sealed_s = 3, .scratch = 2, .foreign = true } };
	struct catalog catalog = { .backups = known, .count = 2 };
	struct sweep_state s = { .run_s = 1700000000, .high_s = 1700000001, .backups = 7, .policy = c.policy, .policy_since_s = 5, .has_next = true, .next = c.policy,
				 .next_since_s = 6, .audit = 9 };
	struct sweep_state back;
	AUTO_FREE char *text = NULL;
	size_t len;
	static const struct { const char *from, *to; int rc; } changes[] = {
		{ "\"retention\":1", "\"retention\":2", EPROTONOSUPPORT }, { "\"policy\":1", "\"policy\":2", EPROTONOSUPPORT }, { "\"run\":\"", "\"run\":\"x", EBADMSG },
		{ "\"backups\":7", "\"backups\":7,\"more\":1", EBADMSG }, { "\"backups\":7,", "", EBADMSG }, { "\"keep-last\":3", "\"keep-first\":3", EBADMSG },
		{ "\"partial\"", "\"party\"", EBADMSG }, { "\"backup\":\"b\"", "\"backup\":\"a\"", EBADMSG }, { "\"objects\":3", "\"objects\":3.5", EBADMSG },
		{ "\"scratch\":2", "\"scratch\":2,\"x\":2", EBADMSG },
	};

	memset(s.audit_hash, 'a', DIGEST_HEX - 1);
	s.next.keep_last = 2;
	assert_int_equal(sweep_state_encode(&s, &catalog, &text, &len), 0);
	assert_int_equal(sweep_state_decode(text, len, &back), 0);
	assert_int_equal(back.run_s, s.run_s);
	assert_int_equal(back.backups, 7);
	assert_true(policy_equal(&back.policy, &s.policy) && policy_equal(&back.next, &s.next) && back.has_next);
	assert_int_equal(back.next_since_s, 6);
	assert_string_equal(back.audit_hash, s.audit_hash);
	assert_int_equal(back.memory.count, 2);
	assert_string_equal(back.memory.known[0].stem, "a");
	assert_int_equal(back.memory.known[0].sealed_s, 3);
	assert_true(back.memory.known[0].foreign && back.memory.known[1].timed);
	assert_string_equal(back.memory.known[1].reason, "why \"so\"");
	assert_string_equal(back.memory.known[1].seal_etag, "e");
	sweep_state_free(&back);
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		char changed[4096];
		const char *at = strstr(text, changes[i].from);

		assert_non_null(at);
		snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, changes[i].to, at + strlen(changes[i].from));
		if (sweep_state_decode(changed, strlen(changed), &back) != changes[i].rc)
			fail_msg("%s", changed);
	}
	for (size_t n = 0; n < len; n++)
		if (n == 0 || text[n - 1] != '\n')
			assert_int_equal(sweep_state_decode(text, n, &back), EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
		T(what_no_rule_keeps_goes), T(within_the_grace_all_stays), T(an_empty_policy_removes_nothing), T(no_more_than_a_part_goes_at_once), T(a_hold_keeps),
		T(unsealed_ones_never_go_and_partial_ones_by_their_rule), T(a_dry_run_writes_nothing), T(only_one_acts), T(who_may_not_write_leaves_it),
		T(a_store_without_conditions_is_left_alone), T(it_stops_when_asked), T(a_listing_that_fails_stops_it), T(a_clock_that_differs_stops_it),
		T(time_that_goes_backwards_stops_it), T(time_that_jumps_ahead_stops_it), T(a_drop_stops_it), T(our_own_deletions_are_no_drop),
		T(a_newest_backup_too_old_stops_it), T(without_a_layout_marker_nothing_happens), T(damaged_control_records_stop_it),
		T(the_tenants_own_goes_before_the_default), T(a_stricter_one_must_be_seen_twice), T(after_a_kill_anywhere_the_next_run_ends_the_same),
		T(two_at_once_do_nothing_twice), T(a_seal_without_objects_is_damage), T(strays_go), T(markers_of_what_was_removed_go),
		T(rules_of_the_bucket_are_warned_of), T(a_log_cut_short_is_noticed), cmocka_unit_test(its_record_is_read_strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

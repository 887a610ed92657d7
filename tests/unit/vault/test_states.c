/* SPDX-License-Identifier: Apache-2.0 */
/* What decides the state of a backup in the cases that are rare: writers' records of every kind, what is remembered, what changes while it is looked at. */
#include "sealed.h"

#include "base/buf.h"
#include "base/clock.h"
#include "s3/mem_store.h"
#include "vault/backup.h"
#include "vault/run_private.h"

#include <errno.h>
#include <stdio.h>

#define STEM "db-20260101-000000"
#define HEX "01020300000000000000000000000000"
#define SILENT 100000 /* seconds: longer than any writer is silent */

static const uint8_t somebody[16] = { 1, 2, 3 };

/* ---- looking */

static struct backup look_with(struct kit *k, const struct catalog_memory *m)
{
	AUTO(catalog_free) struct catalog c = { 0 };
	struct catalog_options options = { .memory = m };

	kit_log_begin();
	assert_int_equal(catalog_read(k->v, "acme", &options, &c, NULL), 0);
	free(kit_log_end());
	assert_int_equal(c.count, 1);
	return c.backups[0];
}

static enum backup_state state_of(struct kit *k)
{
	return look_with(k, NULL).state;
}

/* ---- writers' records */

static struct run_record writer(int64_t refreshed_ago)
{
	struct run_record r = { .writer = HEX, .tenant = "acme", .program = "test", .started = clock_wall_s() - 2 * SILENT, .refreshed = clock_wall_s() - refreshed_ago };

	return r;
}

static void put_record(struct kit *k, struct run_record *r, const char *name)
{
	char key[PATH_CAP], etag[STORE_ETAG_MAX];
	struct buf json;

	buf_init(&json, RUN_JSON_MAX);
	assert_int_equal(run_record_encode(r, &json), 0);
	snprintf(key, sizeof(key), RECORDS "run/%s", name);
	kit_raw_remove(k->bucket, key);
	assert_int_equal(run_put(k->v, key, &json, NULL, etag, NULL), 0);
	buf_free(&json);
	run_record_free(r);
}

/* So long ago by the store's clock; before 0: ahead. */
static void grow_old(struct kit *k, const char *key, int64_t seconds)
{
	struct mem_store *m = mem_of(kit_bucket_raw(k->bucket));
	size_t i = mem_lower_bound(m, key, false);

	assert_true(i < m->count && strcmp(m->objects[i]->key, key) == 0);
	m->objects[i]->meta.modified -= seconds;
}

static void which_writers_live(void **state)
{
	struct kit *k = *state;
	struct run_record r;

	sealed_put_as(k, STEM "/a", "x", STATE_CLOSED, somebody);
	r = writer(0);
	put_record(k, &r, HEX);
	assert_int_equal(state_of(k), BACKUP_SETTLING);
	grow_old(k, RECORDS "run/" HEX, SILENT); /* the store's clock alone is wrong */
	assert_int_equal(state_of(k), BACKUP_SETTLING);

	r = writer(SILENT);
	put_record(k, &r, HEX);
	assert_int_equal(state_of(k), BACKUP_SETTLING); /* the writer's clock alone is wrong */
	grow_old(k, RECORDS "run/" HEX, SILENT);
	assert_int_equal(state_of(k), BACKUP_UNSEALED);

	r = writer(-SILENT); /* a clock that far ahead says nothing */
	put_record(k, &r, HEX);
	grow_old(k, RECORDS "run/" HEX, SILENT);
	assert_int_equal(state_of(k), BACKUP_UNSEALED);

	r = writer(0);
	r.ended = clock_wall_s();
	put_record(k, &r, HEX);
	assert_int_equal(state_of(k), BACKUP_UNSEALED);

	r = writer(0);
	copy_text(r.taken_by, sizeof(r.taken_by), "00000000000000000000000000000009");
	put_record(k, &r, HEX);
	assert_int_equal(state_of(k), BACKUP_UNSEALED);
}

/* A record that somebody moved, or that is another tenant's, is none: nothing is known of that writer, who lives while the record is young. */
static void records_that_are_not_what_they_seem(void **state)
{
	struct kit *k = *state;
	struct run_record r = writer(0);

	sealed_put(k, STEM "/a", "x", STATE_CLOSED);
	run_record_add_failed(&r, "acme/" STEM "/b", ENOSPC);
	put_record(k, &r, "0a020300000000000000000000000000");
	assert_int_equal(state_of(k), BACKUP_SETTLING);
	grow_old(k, RECORDS "run/0a020300000000000000000000000000", SILENT);
	assert_int_equal(state_of(k), BACKUP_UNSEALED);
	kit_raw_remove(k->bucket, RECORDS "run/0a020300000000000000000000000000");

	r = writer(0);
	copy_text(r.tenant, sizeof(r.tenant), "other");
	run_record_add_failed(&r, "acme/" STEM "/b", ENOSPC);
	put_record(k, &r, HEX);
	assert_int_equal(state_of(k), BACKUP_SETTLING);
	grow_old(k, RECORDS "run/" HEX, SILENT);
	assert_int_equal(state_of(k), BACKUP_UNSEALED);
}

/* It failed at a path and lives: known to be partial, and not to be removed under its hands. */
static void a_living_writer_that_failed(void **state)
{
	struct kit *k = *state;
	struct run_record r = writer(0);
	struct backup b;

	sealed_put(k, STEM "/a", "x", STATE_CLOSED);
	run_record_add_failed(&r, "acme/" STEM "/b", ENOSPC);
	put_record(k, &r, HEX);
	b = look_with(k, NULL);
	assert_int_equal(b.state, BACKUP_PARTIAL);
	assert_true(b.live_writer);
}

/* Something is added to what is sealed: it is what its seal lists until that stands there, and somebody is at it. */
static void an_upload_into_a_sealed_one(void **state)
{
	struct kit *k = *state;
	struct run_record r = writer(0);
	struct backup b;

	sealed_make(k, STEM);
	assert_int_equal(run_record_add_upload(&r, LIVE STEM "/more", "id", clock_wall_s()), 0);
	put_record(k, &r, HEX);
	b = look_with(k, NULL);
	assert_int_equal(b.state, BACKUP_SEALED);
	assert_true(b.live_writer);
}

static void it_settles_for_a_quarter_of_an_hour(void **state)
{
	struct kit *k = *state;
	struct run_record r = writer(0);

	sealed_put_as(k, STEM "/a", "x", STATE_CLOSED, somebody);
	put_record(k, &r, HEX);
	grow_old(k, LIVE STEM "/a", 880);
	assert_int_equal(state_of(k), BACKUP_SETTLING);
	grow_old(k, LIVE STEM "/a", 40);
	assert_int_equal(state_of(k), BACKUP_UNSEALED);
}

/* ---- times */

static void a_commit_ahead_is_of_the_future(void **state)
{
	struct kit *k = *state;

	sealed_put(k, STEM "/a", "x", STATE_CLOSED);
	grow_old(k, LIVE STEM "/a", -3500);
	assert_false(look_with(k, NULL).future);
	grow_old(k, LIVE STEM "/a", -300);
	assert_true(look_with(k, NULL).future);
}

/* ---- what is remembered */

static void damage_is_not_remembered(void **state)
{
	struct kit *k = *state;
	struct backup b;

	sealed_make(k, STEM);
	kit_raw_remove(k->bucket, sealed_key(STEM, "db/b"));
	b = look_with(k, NULL);
	assert_int_equal(b.state, BACKUP_DAMAGED);
	sealed_reopen(k, STEM, STEM); /* no object of it changed */
	assert_int_equal(look_with(k, &(struct catalog_memory){ &b, 1 }).state, BACKUP_OPEN);
}

static void a_writer_that_came_to_life_is_seen(void **state)
{
	struct kit *k = *state;
	struct run_record r = writer(0);
	struct backup b;

	sealed_put_as(k, STEM "/a", "x", STATE_CLOSED, somebody);
	b = look_with(k, NULL);
	assert_int_equal(b.state, BACKUP_UNSEALED);
	put_record(k, &r, HEX);
	assert_int_equal(look_with(k, &(struct catalog_memory){ &b, 1 }).state, BACKUP_SETTLING);
	kit_raw_put(k->bucket, RECORDS "run/" HEX, "plain", 5); /* or may be alive: nobody can tell */
	assert_int_equal(look_with(k, &(struct catalog_memory){ &b, 1 }).state, BACKUP_SETTLING);
}

static void a_writer_that_ended_is_forgotten(void **state)
{
	struct kit *k = *state;
	struct run_record r = writer(0);
	struct backup b;

	sealed_put_as(k, STEM "/a", "x", STATE_KILLED, somebody);
	put_record(k, &r, HEX);
	b = look_with(k, NULL);
	assert_true(b.state == BACKUP_PARTIAL && b.live_writer);
	kit_raw_remove(k->bucket, RECORDS "run/" HEX);
	b = look_with(k, &(struct catalog_memory){ &b, 1 });
	assert_true(b.state == BACKUP_PARTIAL && !b.live_writer);
}

/* ---- what changes while it is looked at */

static void drop_seal(void *arg)
{
	struct kit *k = arg;

	kit_raw_remove(k->bucket, RECORDS "seals/" STEM);
}

static void what_went_meanwhile_is_none(void **state)
{
	AUTO(catalog_free) struct catalog c = { 0 };
	struct kit *k = *state;

	sealed_make(k, "other-20260101");
	assert_int_equal(record_write(k->v, RECORDS "seals/" STEM, "{}\n", 3, NULL, NULL, NULL), 0);
	kit_callback(k, STORE_GET, "seals/" STEM, drop_seal, k);
	kit_log_begin();
	assert_int_equal(catalog_read(k->v, "acme", NULL, &c, NULL), 0);
	free(kit_log_end());
	assert_int_equal(c.count, 1);
	assert_null(catalog_find(&c, STEM));
}

struct resealing {
	struct kit *k;
	unsigned n;
};

/* Another seal that fits as little. */
static void seal_again(void *arg)
{
	struct resealing *s = arg;
	char path[64];
	struct kit other = { .bucket = s->k->bucket };
	struct vault_config config = kit_config();

	kit_open(&other, &config, KIT_KEY);
	snprintf(path, sizeof(path), STEM "/n%u", s->n++);
	sealed_put(&other, path, "x", STATE_CLOSED);
	sealed_seal(&other, STEM, STEM "/n");
	kit_close(&other);
}

/* Whoever replaces it is at work: nothing says that it is damaged. */
static void a_seal_that_never_rests_is_no_damage(void **state)
{
	struct kit *k = *state;
	struct resealing s = { .k = k };

	sealed_make(k, STEM);
	sealed_put(k, STEM "/n", "x", STATE_CLOSED);
	assert_int_equal(state_of(k), BACKUP_DAMAGED);
	assert_int_equal(fault_store_add(k->fault, &(struct fault_rule){ .op = STORE_HEAD, .key_part = "seals/", .action = FAULT_CALLBACK, .fn = seal_again, .arg = &s }), 0);
	assert_int_equal(state_of(k), BACKUP_OPEN);
	assert_int_equal(s.n, 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(which_writers_live),
		T(records_that_are_not_what_they_seem),
		T(a_living_writer_that_failed),
		T(an_upload_into_a_sealed_one),
		T(it_settles_for_a_quarter_of_an_hour),
		T(a_commit_ahead_is_of_the_future),
		T(damage_is_not_remembered),
		T(a_writer_that_came_to_life_is_seen),
		T(a_writer_that_ended_is_forgotten),
		T(what_went_meanwhile_is_none),
		T(a_seal_that_never_rests_is_no_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

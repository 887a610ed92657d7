/* SPDX-License-Identifier: Apache-2.0 */
#include "bare.h"

#include "base/clock.h"
#include "vault/object.h"
#include "vault/run_private.h"

#include <errno.h>
#include <stdio.h>

#define DEAD "00112233445566778899aabbccddeeff"
#define DEAD_KEY "backups/.pishop/t/acme/run/" DEAD
#define LONG_AGO 5000 /* seconds; a writer counts as silent after 900 */
#define BIG "backups/acme/b/big"

struct scene {
	struct bucket *b;
	struct vault *v;
	struct run_record dead; /* the record of a writer that fell silent long ago, as dead_writer puts it */
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	s->b = bucket_new();
	s->v = bare_vault(s->b, NULL);
	s->dead = (struct run_record){ .writer = DEAD, .tenant = "acme", .program = "pishopfs 0", .started = clock_wall_s() - LONG_AGO - 60,
				       .refreshed = clock_wall_s() - LONG_AGO };
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	run_end_all(s->v);
	bare_free(s->v);
	run_record_free(&s->dead);
	bucket_free(s->b);
	free(s);
	return 0;
}

static void put_record(struct vault *v, const char *key, const struct run_record *r)
{
	char etag[STORE_ETAG_MAX];
	struct buf json;

	buf_init(&json, RUN_JSON_MAX);
	assert_int_equal(run_record_encode(r, &json), 0);
	assert_int_equal(run_put(v, key, &json, NULL, etag, NULL), 0);
	buf_free(&json);
}

static void dead_writer(struct scene *s)
{
	put_record(s->v, DEAD_KEY, &s->dead);
	bucket_age(s->b, DEAD_KEY, LONG_AGO);
}

/* An upload with one part, named in the record. */
static void dead_upload(struct scene *s, const char *key, char id[STORE_UPLOAD_MAX])
{
	struct store *mem = s->b->mem;
	struct store_part part = { .number = 1 };
	struct iovec iov = { (void *)(uintptr_t)"part", 4 };

	assert_int_equal(mem->ops->begin(mem, key, NULL, id, NULL), 0);
	assert_int_equal(mem->ops->part(mem, key, id, &iov, 1, &part, NULL), 0);
	bucket_age(s->b, key, LONG_AGO);
	assert_int_equal(run_record_add_upload(&s->dead, key, id, s->dead.started), 0);
}

static void look(struct scene *s, struct run_record *out)
{
	char etag[STORE_ETAG_MAX];

	assert_int_equal(run_get(s->v, DEAD_KEY, out, etag, NULL), 0);
}

static void assert_untouched(struct scene *s)
{
	struct run_record there;

	look(s, &there);
	assert_string_equal(there.taken_by, s->dead.taken_by);
	assert_int_equal(there.upload_count, s->dead.upload_count);
	assert_int_equal(there.failed_count, s->dead.failed_count);
	run_record_free(&there);
}

static void recover(struct scene *s)
{
	assert_int_equal(run_recover(s->v, "acme", NULL), 0);
}

static void with_nobody_silent_it_is_one_request(void **state)
{
	struct scene *s = *state;
	struct run *r;

	recover(s);
	assert_int_equal(bucket_calls_all(s->b), 1);
	assert_int_equal(bucket_calls(s->b, STORE_LIST), 1);

	assert_int_equal(run_of(s->v, "acme", &r), 0); /* our own, however old, and a young one of another */
	bucket_age(s->b, r->key, LONG_AGO);
	put_record(s->v, DEAD_KEY, &s->dead);

	uint64_t before = bucket_calls_all(s->b);

	recover(s);
	assert_int_equal(bucket_calls_all(s->b), before + 1);
	assert_untouched(s);
}

static void an_empty_record_is_removed(void **state)
{
	struct scene *s = *state;

	dead_writer(s);
	recover(s);
	assert_false(bucket_has(s->b, DEAD_KEY));
}

static void uploads_are_ended_and_nothing_else(void **state)
{
	struct scene *s = *state;
	char first[STORE_UPLOAD_MAX], second[STORE_UPLOAD_MAX], other[STORE_UPLOAD_MAX];

	dead_upload(s, BIG, first);
	dead_upload(s, "backups/.pishop/t/acme/staging/x", second);
	assert_int_equal(s->b->mem->ops->begin(s->b->mem, BIG, NULL, other, NULL), 0); /* somebody else's at the same key */
	bare_put(s->v, BIG, 100, NULL);
	dead_writer(s);
	recover(s);
	assert_false(bucket_has_upload(s->b, BIG, first));
	assert_false(bucket_has_upload(s->b, "backups/.pishop/t/acme/staging/x", second));
	assert_true(bucket_has_upload(s->b, BIG, other));
	assert_true(bucket_has(s->b, BIG));
	assert_false(bucket_has(s->b, DEAD_KEY));
}

/* What the dead writer had put aside goes, over several pages; what others did, and names that only begin alike, stay. */
static void its_staging_objects_are_removed(void **state)
{
	static const char other[] = "backups/.pishop/t/acme/staging/" "ffffffffffffffffffffffffffffffff" "-1";
	struct scene *s = *state;
	struct store *mem = s->b->mem;
	const struct iovec iov = { (void *)(uintptr_t)"x", 1 };
	char key[128];

	dead_writer(s);
	for (int i = 0; i < 25; i++) {
		snprintf(key, sizeof(key), "backups/.pishop/t/acme/staging/" DEAD "-%d", i);
		assert_int_equal(mem->ops->put(mem, key, &iov, 1, NULL, NULL, NULL, NULL), 0);
	}
	assert_int_equal(mem->ops->put(mem, other, &iov, 1, NULL, NULL, NULL, NULL), 0);
	assert_int_equal(mem->ops->put(mem, "backups/acme/" DEAD "-1", &iov, 1, NULL, NULL, NULL, NULL), 0);
	recover(s);
	for (int i = 0; i < 25; i++) {
		snprintf(key, sizeof(key), "backups/.pishop/t/acme/staging/" DEAD "-%d", i);
		assert_false(bucket_has(s->b, key));
	}
	assert_true(bucket_has(s->b, other));
	assert_true(bucket_has(s->b, "backups/acme/" DEAD "-1"));
	assert_false(bucket_has(s->b, DEAD_KEY));
}

static void an_upload_that_is_gone_is_no_trouble(void **state)
{
	struct scene *s = *state;

	assert_int_equal(run_record_add_upload(&s->dead, BIG, "gone", 1), 0);
	dead_writer(s);
	recover(s);
	assert_false(bucket_has(s->b, DEAD_KEY));
}

/* A part may land while the upload is aborted. */
static void an_upload_is_aborted_until_it_is_gone(void **state)
{
	struct scene *s = *state;
	char id[STORE_UPLOAD_MAX];

	dead_upload(s, BIG, id);
	dead_writer(s);
	s->b->sticky_aborts = 2;
	recover(s);
	assert_false(bucket_has_upload(s->b, BIG, id));
	assert_false(bucket_has(s->b, DEAD_KEY));
	assert_int_equal(bucket_calls(s->b, STORE_ABORT), 3);
}

static void an_upload_that_does_not_go_away_stays_named(void **state)
{
	struct scene *s = *state;
	const struct fault_rule rule = { .op = STORE_ABORT, .action = FAULT_FAIL, .error = EACCES };
	struct run_record there;
	char id[STORE_UPLOAD_MAX];

	dead_upload(s, BIG, id);
	dead_writer(s);
	assert_int_equal(fault_store_add(s->b->fault, &rule), 0);
	recover(s);
	assert_true(bucket_has_upload(s->b, BIG, id));
	look(s, &there);
	assert_int_equal(there.upload_count, 1);
	assert_true(there.taken_by[0]);
	run_record_free(&there);

	recover(s); /* it was changed just now: not looked at */
	assert_int_equal(bucket_calls(s->b, STORE_ABORT), 1);
	fault_store_clear(s->b->fault);
	bucket_age(s->b, DEAD_KEY, LONG_AGO); /* somebody with more rights, later */
	recover(s);
	assert_false(bucket_has_upload(s->b, BIG, id));
	assert_false(bucket_has(s->b, DEAD_KEY));
}

static void an_upload_that_stays_although_aborted_stays_named(void **state)
{
	struct scene *s = *state;
	struct run_record there;
	char id[STORE_UPLOAD_MAX];

	dead_upload(s, BIG, id);
	dead_writer(s);
	s->b->sticky_aborts = 1000;
	recover(s);
	assert_true(bucket_calls(s->b, STORE_ABORT) < 10);
	look(s, &there);
	assert_int_equal(there.upload_count, 1);
	run_record_free(&there);
}

/* ---- signs of life */

static void a_young_part_is_a_sign_of_life(void **state)
{
	struct scene *s = *state;
	char old[STORE_UPLOAD_MAX], young[STORE_UPLOAD_MAX];

	dead_upload(s, BIG, old);
	dead_upload(s, "backups/acme/b/young", young);
	bucket_age(s->b, "b/young", 100 - LONG_AGO);
	dead_writer(s);
	recover(s);
	assert_true(bucket_has_upload(s->b, BIG, old));
	assert_true(bucket_has_upload(s->b, "backups/acme/b/young", young));
	assert_untouched(s);
	assert_int_equal(bucket_calls(s->b, STORE_ABORT), 0);

	bucket_age(s->b, "b/young", LONG_AGO);
	recover(s);
	assert_false(bucket_has_upload(s->b, BIG, old));
	assert_false(bucket_has_upload(s->b, "backups/acme/b/young", young));
}

static void its_own_time_is_a_sign_of_life(void **state)
{
	struct scene *s = *state;

	s->dead.refreshed = clock_wall_s() - 100;
	dead_writer(s);
	recover(s);
	assert_untouched(s);
}

static void a_clock_from_the_future_is_none(void **state)
{
	struct scene *s = *state;

	s->dead.refreshed = clock_wall_s() + 400 * 86400;
	dead_writer(s);
	recover(s);
	assert_false(bucket_has(s->b, DEAD_KEY));
}

/* The writer wakes up and refreshes its record, between our look and our hand. */
static void wakes_up(void *arg)
{
	struct scene *s = arg;
	char etag[STORE_ETAG_MAX];
	struct buf json;
	struct store *mem = s->b->mem;
	struct store_meta meta;

	buf_init(&json, RUN_JSON_MAX);
	assert_int_equal(run_record_encode(&s->dead, &json), 0);
	assert_int_equal(mem->ops->head(mem, DEAD_KEY, &meta, NULL), 0);
	assert_int_equal(run_put(s->v, DEAD_KEY, &json, meta.etag, etag, NULL), 0);
	buf_free(&json);
}

static void who_wakes_up_in_time_keeps_everything(void **state)
{
	struct scene *s = *state;
	const struct fault_rule rule = { .op = STORE_LIST_PARTS, .times = 1, .action = FAULT_CALLBACK, .fn = wakes_up, .arg = s };
	char id[STORE_UPLOAD_MAX];

	dead_upload(s, BIG, id);
	dead_writer(s);
	assert_int_equal(fault_store_add(s->b->fault, &rule), 0);
	recover(s);
	assert_true(bucket_has_upload(s->b, BIG, id));
	assert_untouched(s);
	assert_int_equal(bucket_calls(s->b, STORE_ABORT), 0);
}

/* Two whole vaults: the sleeper finds out. */
static void who_wakes_up_too_late_is_told(void **state)
{
	struct scene *s = *state;
	struct vault *sleeper = bare_vault(s->b, NULL);
	struct run *r;
	char id[STORE_UPLOAD_MAX];

	assert_int_equal(run_of(sleeper, "acme", &r), 0);
	assert_int_equal(s->b->mem->ops->begin(s->b->mem, BIG, NULL, id, NULL), 0);
	assert_int_equal(run_upload_begun(r, BIG, id), 0);
	s->v->config.silent_after_s = 0; /* a moment is long for this one */
	bucket_age(s->b, r->key, LONG_AGO);
	clock_sleep_ms(1100);
	recover(s);
	assert_false(bucket_has_upload(s->b, BIG, id));
	assert_false(bucket_has(s->b, r->key));
	r->owned_ms -= 301000;
	assert_int_equal(run_may_publish(r), EIO);
	assert_int_equal(run_end_all(sleeper), EIO);
	bare_free(sleeper);
}

/* ---- failed paths */

static void failed_paths_are_kept_without_uploads(void **state)
{
	struct scene *s = *state;
	struct run_record there;
	char id[STORE_UPLOAD_MAX], own[RUN_WRITER_HEX];

	dead_upload(s, BIG, id);
	run_record_add_failed(&s->dead, "acme/b/big", EIO);
	dead_writer(s);
	recover(s);
	assert_false(bucket_has_upload(s->b, BIG, id));
	look(s, &there);
	assert_int_equal(there.upload_count, 0);
	assert_int_equal(there.failed_count, 1);
	hex_encode(own, s->v->writer_id, 16);
	assert_string_equal(there.taken_by, own);
	run_record_free(&there);
}

static void attrs_of(struct scene *s, struct trailer *t, int64_t committed, enum trailer_state state)
{
	trailer_fresh(s->v, t, ENTRY_FILE, state, 0644, 0, 0);
	t->committed.tv_sec = committed;
}

static void ended_with_failure(struct scene *s, const char *path)
{
	s->dead.ended = s->dead.refreshed;
	run_record_add_failed(&s->dead, path, EIO);
	dead_writer(s);
}

static void a_path_written_anew_is_taken_off(void **state)
{
	struct scene *s = *state;
	struct run_record there;

	run_record_add_failed(&s->dead, "acme/b/first", EIO);
	ended_with_failure(s, "acme/b/second");
	bare_put(s->v, "backups/acme/b/first", 10, NULL);
	recover(s);
	look(s, &there);
	assert_int_equal(there.failed_count, 1);
	assert_string_equal(there.failed[0].path, "acme/b/second");
	run_record_free(&there);

	bare_put(s->v, "backups/acme/b/second", 200000, NULL);
	bucket_age(s->b, DEAD_KEY, LONG_AGO);
	recover(s);
	assert_false(bucket_has(s->b, DEAD_KEY));
}

static void what_stood_there_before_mends_nothing(void **state)
{
	struct scene *s = *state;
	struct trailer t;

	attrs_of(s, &t, s->dead.refreshed - 10, STATE_CLOSED);
	bare_put(s->v, "backups/acme/b/f", 10, &t);
	ended_with_failure(s, "acme/b/f");
	recover(s);
	assert_untouched(s);
	bucket_age(s->b, "backups/acme/b/f", 2 * LONG_AGO);
	recover(s);
	assert_untouched(s);
}

static void a_killed_writers_file_mends_nothing(void **state)
{
	struct scene *s = *state;
	enum trailer_state states[] = { STATE_KILLED, STATE_FAILED, STATE_OPEN };
	struct trailer t;

	ended_with_failure(s, "acme/b/f");
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		attrs_of(s, &t, clock_wall_s(), states[i]);
		bare_put(s->v, "backups/acme/b/f", 10, &t);
		recover(s);
		assert_untouched(s);
	}
	attrs_of(s, &t, clock_wall_s(), STATE_CLOSED); /* the same, closed */
	bare_put(s->v, "backups/acme/b/f", 10, &t);
	recover(s);
	assert_false(bucket_has(s->b, DEAD_KEY));
}

static void a_damaged_file_mends_nothing(void **state)
{
	struct scene *s = *state;
	uint64_t len;

	ended_with_failure(s, "acme/b/f");
	bare_put(s->v, "backups/acme/b/f", 10, NULL);
	bucket_bytes(s->b, "backups/acme/b/f", &len)[len - 20] ^= 1;
	recover(s);
	assert_untouched(s);
}

static void more_than_the_list_holds_is_never_mended(void **state)
{
	struct scene *s = *state;
	struct run_record there;

	s->dead.more_failed = true;
	ended_with_failure(s, "acme/b/f");
	bare_put(s->v, "backups/acme/b/f", 10, NULL);
	recover(s);
	look(s, &there);
	assert_int_equal(there.failed_count, 0);
	assert_true(there.more_failed);
	run_record_free(&there);
}

/* ---- records that are left alone */

static void a_damaged_record_is_left(void **state)
{
	struct scene *s = *state;
	char id[STORE_UPLOAD_MAX];
	uint64_t len;

	dead_upload(s, BIG, id);
	dead_writer(s);
	bucket_bytes(s->b, DEAD_KEY, &len)[600] ^= 1;
	recover(s);
	assert_true(bucket_has(s->b, DEAD_KEY));
	assert_true(bucket_has_upload(s->b, BIG, id));
}

static void another_keys_record_is_left(void **state)
{
	struct scene *s = *state;
	struct vault *other = bare_vault(s->b, &(struct bare_options){ .key = 'l' });

	put_record(other, DEAD_KEY, &s->dead);
	bucket_age(s->b, DEAD_KEY, LONG_AGO);
	recover(s);
	assert_true(bucket_has(s->b, DEAD_KEY));
	bare_free(other);
	s->b->mem->ops->remove(s->b->mem, (const char *const[]){ DEAD_KEY }, 1, (int[]){ 0 }, NULL);
	dead_writer(s); /* the same with our key */
	recover(s);
	assert_false(bucket_has(s->b, DEAD_KEY));
}

static void copy_object(struct scene *s, const char *from, const char *to)
{
	assert_int_equal(s->b->mem->ops->copy(s->b->mem, from, NULL, to, NULL, NULL, NULL, NULL), 0);
	bucket_age(s->b, to, LONG_AGO);
}

/* Somebody who can write to the bucket, but has no key, moves records about. */
static void a_record_elsewhere_is_left(void **state)
{
	struct scene *s = *state;
	static const char *const places[] = { "backups/.pishop/t/acme/run/ffffffffffffffffffffffffffffffff", "backups/.pishop/t/other/run/" DEAD };
	char id[STORE_UPLOAD_MAX];

	dead_upload(s, BIG, id);
	put_record(s->v, DEAD_KEY, &s->dead); /* young: it lives */
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		copy_object(s, DEAD_KEY, places[i]);
	recover(s);
	assert_int_equal(run_recover(s->v, "other", NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		assert_true(bucket_has(s->b, places[i]));
	assert_true(bucket_has_upload(s->b, BIG, id));
}

static void a_record_of_things_elsewhere_is_left(void **state)
{
	struct scene *s = *state;
	static const char *const keys[] = { "backups/other/b", "backups/acme", "elsewhere", "backups/.pishop/t/acme/control/lease", "backups/acmes/b" };
	char id[STORE_UPLOAD_MAX];

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		dead_upload(s, keys[i], id);
		dead_writer(s);
		recover(s);
		assert_untouched(s);
		assert_true(bucket_has_upload(s->b, keys[i], id));
		assert_true(run_record_drop_upload(&s->dead, keys[i], id));
		assert_int_equal(run_remove(s->v, DEAD_KEY, NULL), 0);
	}
	run_record_add_failed(&s->dead, "other/f", EIO);
	dead_writer(s);
	recover(s);
	assert_untouched(s);
}

static void a_foreign_object_is_left(void **state)
{
	struct scene *s = *state;
	struct iovec iov = { (void *)(uintptr_t)"{}", 2 };

	assert_int_equal(s->b->mem->ops->put(s->b->mem, DEAD_KEY, &iov, 1, NULL, NULL, NULL, NULL), 0);
	bare_put(s->v, "backups/.pishop/t/acme/run/file", 10, NULL); /* ours, but no record */
	bucket_age(s->b, "/run/", LONG_AGO);
	recover(s);
	assert_true(bucket_has(s->b, DEAD_KEY));
	assert_true(bucket_has(s->b, "backups/.pishop/t/acme/run/file"));
}

/* A record's text in a file of the tenant's, which somebody moved here. */
static void a_file_is_no_record(void **state)
{
	struct scene *s = *state;
	struct trailer attrs;
	struct buf json;

	buf_init(&json, RUN_JSON_MAX);
	assert_int_equal(run_record_encode(&s->dead, &json), 0);
	trailer_fresh(s->v, &attrs, ENTRY_FILE, STATE_CLOSED, 0600, 0, 0);
	assert_int_equal(object_put_small(s->v, DEAD_KEY, json.data, json.len, &attrs, NULL, NULL, NULL), 0);
	buf_free(&json);
	bucket_age(s->b, DEAD_KEY, LONG_AGO);
	recover(s);
	assert_true(bucket_has(s->b, DEAD_KEY));
}

/* ---- the whole prefix, and errors */

static void all_tenants_are_looked_at(void **state)
{
	struct scene *s = *state;

	dead_writer(s);
	copy_text(s->dead.tenant, sizeof(s->dead.tenant), "other");
	put_record(s->v, "backups/.pishop/t/other/run/" DEAD, &s->dead);
	bucket_age(s->b, "/other/run/", LONG_AGO);
	assert_int_equal(run_recover(s->v, NULL, NULL), 0);
	assert_false(bucket_has(s->b, DEAD_KEY));
	assert_false(bucket_has(s->b, "backups/.pishop/t/other/run/" DEAD));
}

static void only_the_configured_tenant_is_looked_at(void **state)
{
	struct scene *s = *state;

	dead_writer(s);
	s->v->config.tenant = "other";
	assert_int_equal(run_recover(s->v, NULL, NULL), 0);
	assert_true(bucket_has(s->b, DEAD_KEY));
	assert_int_equal(bucket_calls(s->b, STORE_LIST), 1);
	s->v->config.tenant = "acme";
	assert_int_equal(run_recover(s->v, NULL, NULL), 0);
	assert_false(bucket_has(s->b, DEAD_KEY));
}

static void errors_stop_it_and_nothing_is_lost(void **state)
{
	struct scene *s = *state;
	enum store_op ops[] = { STORE_LIST, STORE_GET, STORE_LIST_PARTS, STORE_PUT, STORE_ABORT, STORE_REMOVE };
	char id[STORE_UPLOAD_MAX];

	dead_upload(s, BIG, id);
	dead_writer(s);
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		const struct fault_rule rule = { .op = ops[i], .times = 1, .action = FAULT_FAIL, .error = EHOSTUNREACH };

		assert_int_equal(fault_store_add(s->b->fault, &rule), 0);
		assert_int_not_equal(run_recover(s->v, "acme", NULL), 0);
		assert_true(bucket_has(s->b, DEAD_KEY));
		bucket_age(s->b, DEAD_KEY, LONG_AGO);
	}
	recover(s); /* and then all goes well */
	assert_false(bucket_has_upload(s->b, BIG, id));
	assert_false(bucket_has(s->b, DEAD_KEY));
}

static void it_can_be_stopped(void **state)
{
	struct scene *s = *state;
	atomic_bool cancel = true;
	struct store_call call = { .cancel = &cancel };

	dead_writer(s);
	assert_int_equal(run_recover(s->v, "acme", &call), ECANCELED);
	assert_untouched(s);
	cancel = false;
	assert_int_equal(run_recover(s->v, "acme", &call), 0);
	assert_false(bucket_has(s->b, DEAD_KEY));
}

static void *recover_once(void *arg)
{
	return (void *)(intptr_t)run_recover(arg, "acme", NULL);
}

/* Several mounts find the same record in the same moment. */
static void many_hands_make_no_harm(void **state)
{
	struct scene *s = *state;
	struct vault *others[4];
	pthread_t threads[4];
	char id[STORE_UPLOAD_MAX];

	dead_upload(s, BIG, id);
	run_record_add_failed(&s->dead, "acme/b/big", EIO);
	dead_writer(s);
	for (int i = 0; i < 4; i++) {
		others[i] = bare_vault(s->b, NULL);
		assert_int_equal(pthread_create(&threads[i], NULL, recover_once, others[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		void *rc;

		assert_int_equal(pthread_join(threads[i], &rc), 0);
		assert_null(rc);
		run_end_all(others[i]);
		bare_free(others[i]);
	}

	struct run_record there;

	look(s, &there);
	assert_int_equal(there.upload_count, 0);
	assert_int_equal(there.failed_count, 1);
	run_record_free(&there);
	assert_false(bucket_has_upload(s->b, BIG, id));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(with_nobody_silent_it_is_one_request),
		TEST(an_empty_record_is_removed),
		TEST(uploads_are_ended_and_nothing_else),
		TEST(its_staging_objects_are_removed), TEST(an_upload_that_is_gone_is_no_trouble),
		TEST(an_upload_is_aborted_until_it_is_gone),
		TEST(an_upload_that_does_not_go_away_stays_named),
		TEST(an_upload_that_stays_although_aborted_stays_named),
		TEST(a_young_part_is_a_sign_of_life),
		TEST(its_own_time_is_a_sign_of_life),
		TEST(a_clock_from_the_future_is_none),
		TEST(who_wakes_up_in_time_keeps_everything),
		TEST(who_wakes_up_too_late_is_told),
		TEST(failed_paths_are_kept_without_uploads),
		TEST(a_path_written_anew_is_taken_off),
		TEST(what_stood_there_before_mends_nothing),
		TEST(a_killed_writers_file_mends_nothing),
		TEST(a_damaged_file_mends_nothing),
		TEST(more_than_the_list_holds_is_never_mended),
		TEST(a_damaged_record_is_left),
		TEST(another_keys_record_is_left),
		TEST(a_record_elsewhere_is_left),
		TEST(a_record_of_things_elsewhere_is_left),
		TEST(a_foreign_object_is_left),
		TEST(a_file_is_no_record),
		TEST(all_tenants_are_looked_at),
		TEST(only_the_configured_tenant_is_looked_at),
		TEST(errors_stop_it_and_nothing_is_lost),
		TEST(it_can_be_stopped),
		TEST(many_hands_make_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

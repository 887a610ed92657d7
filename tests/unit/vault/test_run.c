/* SPDX-License-Identifier: Apache-2.0 */
#include "bare.h"

#include "base/clock.h"
#include "vault/run_private.h"

#include <errno.h>

static int setup(void **state)
{
	*state = bucket_new();
	return 0;
}

static int teardown(void **state)
{
	bucket_free(*state);
	return 0;
}

static void fault(struct bucket *b, enum store_op op, enum fault_action action, int error, unsigned skip, unsigned times)
{
	const struct fault_rule rule = { .op = op, .key_part = "/run/", .skip = skip, .times = times, .action = action, .error = error };

	assert_int_equal(fault_store_add(b->fault, &rule), 0);
}

/* What stands in the bucket; the test fails where nothing does. */
static void look(struct run *r, struct run_record *out)
{
	char etag[STORE_ETAG_MAX];

	assert_int_equal(run_get(r->v, r->key, out, etag, NULL), 0);
}

/* Does to the record what another mount does that takes it. */
static void take_away(struct run *r, const char *by)
{
	struct run_record record;
	char etag[STORE_ETAG_MAX];
	struct buf json;

	assert_int_equal(run_get(r->v, r->key, &record, etag, NULL), 0);
	copy_text(record.taken_by, sizeof(record.taken_by), by);
	buf_init(&json, RUN_JSON_MAX);
	assert_int_equal(run_record_encode(&record, &json), 0);
	assert_int_equal(run_put(r->v, r->key, &json, etag, etag, NULL), 0);
	buf_free(&json);
	run_record_free(&record);
}

#define OTHER "ffeeddccbbaa99887766554433221100"

static void grow_old(struct run *r, int64_t ms)
{
	pthread_mutex_lock(&r->lock);
	r->owned_ms -= ms;
	pthread_mutex_unlock(&r->lock);
}

/* A Job with one multipart archive. */
static void a_job_costs_few_requests(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run_record there;
	struct run *r, *again;

	assert_int_equal(run_of(v, "acme", &r), 0);
	assert_int_equal(bucket_calls(b, STORE_PUT), 3); /* it and the two of the self-test */
	assert_int_equal(bucket_calls_all(b), 3);
	assert_true(b->store->conditional);
	assert_int_equal(run_of(v, "acme", &again), 0);
	assert_ptr_equal(r, again);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(run_may_publish(r), 0);
		run_tick(v);
	}
	assert_int_equal(bucket_calls_all(b), 3);

	assert_int_equal(run_upload_begun(r, "backups/acme/a.tar", "id"), 0);
	assert_int_equal(bucket_calls_all(b), 4);
	look(r, &there);
	assert_int_equal(there.upload_count, 1);
	assert_string_equal(there.uploads[0].key, "backups/acme/a.tar");
	assert_string_equal(there.uploads[0].id, "id");
	assert_string_equal(there.tenant, "acme");
	assert_true(there.refreshed >= clock_wall_s() - 5 && !there.ended && !there.taken_by[0]);
	run_record_free(&there);

	uint64_t before = bucket_calls_all(b);

	run_upload_ended(r, "backups/acme/a.tar", "id");
	run_tick(v);
	assert_int_equal(bucket_calls_all(b), before);
	assert_int_equal(run_end_all(v), 0);
	assert_int_equal(bucket_calls_all(b), before + 1);
	assert_int_equal(bucket_calls(b, STORE_REMOVE), 1);
	assert_false(bucket_has(b, r->key));
	assert_int_equal(run_of(v, "acme", &r), EIO); /* all is over */
	assert_int_equal(run_of(v, "other", &r), EIO);
	bare_free(v);
}

static void a_second_tenant_needs_no_self_test(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run *first, *second;

	assert_int_equal(run_of(v, "acme", &first), 0);
	assert_int_equal(run_of(v, "other", &second), 0);
	assert_ptr_not_equal(first, second);
	assert_int_equal(bucket_calls_all(b), 4);
	assert_true(bucket_has(b, first->key) && bucket_has(b, second->key));
	assert_int_equal(run_end_all(v), 0);
	bare_free(v);
}

static void read_only_writes_nothing(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, &(struct bare_options){ .read_only = true });
	struct run *r;

	assert_int_equal(run_of(v, "acme", &r), EROFS);
	run_tick(v);
	assert_int_equal(run_recover(v, NULL, NULL), 0);
	assert_int_equal(run_end_all(v), 0);
	assert_int_equal(bucket_calls_all(b), 0);
	bare_free(v);
}

/* ---- the self-test */

static void a_store_without_conditions_is_found_out(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run *r;

	b->ignore_if_none_match = b->ignore_if_match = true;
	assert_int_equal(run_of(v, "acme", &r), 0);
	assert_false(b->store->conditional);
	assert_int_equal(bucket_calls_all(b), 2); /* one look too many would be one too many */
	assert_int_equal(run_upload_begun(r, "backups/acme/a", "id"), 0); /* the ETag that the test changed is known */
	run_upload_ended(r, "backups/acme/a", "id");
	assert_int_equal(run_end_all(v), 0);
	bare_free(v);
}

static void a_store_that_ignores_if_match_only_is_found_out(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run *r;

	b->ignore_if_match = true;
	assert_int_equal(run_of(v, "acme", &r), 0);
	assert_false(b->store->conditional);
	assert_int_equal(bucket_calls_all(b), 3);
	assert_int_equal(run_upload_begun(r, "backups/acme/a", "id"), 0);
	run_upload_ended(r, "backups/acme/a", "id");
	assert_int_equal(run_end_all(v), 0);
	bare_free(v);
}

/* Without conditions the record is still not written over another's. */
static void a_store_without_conditions_is_asked_before(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run *r;

	b->ignore_if_none_match = b->ignore_if_match = true;
	assert_int_equal(run_of(v, "acme", &r), 0);
	take_away(r, OTHER);
	assert_int_equal(run_upload_begun(r, "backups/acme/a", "id"), EIO);
	assert_int_equal(run_may_publish(r), EIO);
	assert_int_equal(run_end_all(v), EIO);
	bare_free(v);
}

/* Nothing is concluded from a 403, and the writer goes on without refreshing. */
static void who_may_not_overwrite_goes_on(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run *r;

	b->forbid_if_match = true;
	assert_int_equal(run_of(v, "acme", &r), 0);
	assert_true(b->store->conditional);
	assert_int_equal(run_upload_begun(r, "backups/acme/a", "id"), 0);
	run_path_failed(r, "acme/x", EIO);

	uint64_t puts = bucket_calls(b, STORE_PUT), all = bucket_calls_all(b);

	assert_int_equal(run_upload_begun(r, "backups/acme/b", "id"), 0);
	run_tick(v);
	assert_int_equal(bucket_calls_all(b), all); /* it is not tried again and again */
	grow_old(r, 301000);
	assert_int_equal(run_may_publish(r), 0); /* by reading */
	assert_int_equal(bucket_calls(b, STORE_PUT), puts);
	b->forbid_if_match = false;
	take_away(r, OTHER);
	grow_old(r, 301000);
	assert_int_equal(run_may_publish(r), EIO);
	bare_free(v);
}

static void an_unfinished_self_test_is_made_again(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run *r;

	fault(b, STORE_PUT, FAULT_FAIL, EHOSTUNREACH, 1, 1);
	assert_int_equal(run_of(v, "acme", &r), EIO);
	assert_int_equal(run_of(v, "acme", &r), 0);
	assert_int_equal(bucket_calls(b, STORE_PUT), 4);
	b->ignore_if_match = true; /* proven once: not looked at again */
	assert_int_equal(run_of(v, "acme", &r), 0);
	assert_true(b->store->conditional);
	assert_int_equal(run_end_all(v), 0);
	bare_free(v);
}

/* ---- ownership */

static void taken(struct vault *v, struct run *r)
{
	struct run *again;

	assert_int_equal(run_may_publish(r), EIO);
	assert_int_equal(run_of(v, "acme", &again), EIO);
	assert_int_equal(run_upload_begun(r, "backups/acme/b", "id"), EIO);
	run_tick(v);
	assert_int_equal(run_may_publish(r), EIO);
	assert_int_equal(run_end_all(v), EIO);
}

static void who_was_taken_for_dead_publishes_nothing(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run *r;

	assert_int_equal(run_of(v, "acme", &r), 0);
	take_away(r, OTHER);
	assert_int_equal(run_may_publish(r), 0); /* not known yet: it was proven seconds ago */
	assert_int_equal(run_upload_begun(r, "backups/acme/a", "id"), EIO);
	taken(v, r);
	assert_true(bucket_has(b, r->key)); /* the taker's now */
	bare_free(v);
}

static void a_record_that_is_gone_is_lost(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run *r;

	assert_int_equal(run_of(v, "acme", &r), 0);
	assert_int_equal(run_remove(v, r->key, NULL), 0);
	assert_int_equal(run_upload_begun(r, "backups/acme/a", "id"), EIO);
	taken(v, r);
	assert_false(bucket_has(b, r->key)); /* and not made anew */
	bare_free(v);
}

static void a_record_that_is_rubbish_is_lost(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct iovec iov = { (void *)(uintptr_t)"rubbish", 7 };
	struct run *r;

	assert_int_equal(run_of(v, "acme", &r), 0);
	assert_int_equal(b->mem->ops->put(b->mem, r->key, &iov, 1, NULL, NULL, NULL, NULL), 0);
	assert_int_equal(run_upload_begun(r, "backups/acme/a", "id"), EIO);
	taken(v, r);
	bare_free(v);
}

static void after_a_long_silence_the_record_is_read_first(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run *r;

	assert_int_equal(run_of(v, "acme", &r), 0);

	uint64_t before = bucket_calls_all(b);

	grow_old(r, 299000);
	assert_int_equal(run_may_publish(r), 0);
	assert_int_equal(bucket_calls_all(b), before);
	grow_old(r, 2000);
	assert_int_equal(run_may_publish(r), 0);
	assert_int_equal(bucket_calls(b, STORE_GET), 1);
	assert_int_equal(bucket_calls(b, STORE_PUT), 4); /* and refreshed */
	assert_int_equal(run_may_publish(r), 0);
	assert_int_equal(bucket_calls_all(b), before + 2);

	take_away(r, OTHER);
	grow_old(r, 301000);
	taken(v, r);
	bare_free(v);
}

/* Some servers put where nothing stands although If-Match asks for something. */
static void a_lenient_server_does_not_bring_the_record_back(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run *r;

	b->match_missing = true;
	assert_int_equal(run_of(v, "acme", &r), 0);
	assert_int_equal(run_remove(v, r->key, NULL), 0);
	grow_old(r, 301000);
	taken(v, r);
	assert_false(bucket_has(b, r->key));
	bare_free(v);
}

static void without_network_nothing_is_lost_yet(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run *r;

	assert_int_equal(run_of(v, "acme", &r), 0);
	fault(b, STORE_GET, FAULT_FAIL, EHOSTUNREACH, 0, 0);
	fault(b, STORE_PUT, FAULT_FAIL, EHOSTUNREACH, 0, 0);
	assert_int_equal(run_may_publish(r), 0);
	assert_int_equal(run_upload_begun(r, "backups/acme/a", "id"), EHOSTUNREACH);
	assert_int_equal(run_may_publish(r), 0); /* others wait for longer than five minutes */
	grow_old(r, 301000);
	assert_int_equal(run_may_publish(r), EHOSTUNREACH);
	fault_store_clear(b->fault);
	assert_int_equal(run_may_publish(r), 0);

	struct run_record there;

	look(r, &there);
	assert_int_equal(there.upload_count, 1); /* the upload exists, though its first record failed */
	run_record_free(&there);
	run_upload_ended(r, "backups/acme/a", "id");
	assert_int_equal(run_end_all(v), 0);
	bare_free(v);
}

/* ---- lost replies */

static void a_lost_reply_is_looked_up(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run *r;

	assert_int_equal(run_of(v, "acme", &r), 0);
	fault(b, STORE_PUT, FAULT_LOSE_REPLY, ETIMEDOUT, 0, 1);
	assert_int_equal(run_upload_begun(r, "backups/acme/a", "id"), 0);
	run_upload_ended(r, "backups/acme/a", "id");
	assert_int_equal(run_end_all(v), 0);
	bare_free(v);
}

/* The record changed by our own hand, and nobody told us. */
static void our_own_change_is_recognised_later(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run_record there;
	struct run *r;

	v->config.data_timeout_ms = 1; /* one try */
	assert_int_equal(run_of(v, "acme", &r), 0);
	fault(b, STORE_PUT, FAULT_LOSE_REPLY, ETIMEDOUT, 0, 1);
	fault(b, STORE_HEAD, FAULT_FAIL, ETIMEDOUT, 0, 1);
	assert_int_equal(run_upload_begun(r, "backups/acme/a", "1"), ETIMEDOUT);
	assert_int_equal(run_upload_begun(r, "backups/acme/b", "2"), 0);
	look(r, &there);
	assert_int_equal(there.upload_count, 2);
	run_record_free(&there);
	bare_free(v);
}

static void our_own_first_put_is_recognised_later(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run *r;

	fault(b, STORE_PUT, FAULT_LOSE_REPLY, ETIMEDOUT, 0, 1);
	fault(b, STORE_HEAD, FAULT_FAIL, ETIMEDOUT, 0, 1);
	assert_int_equal(run_of(v, "acme", &r), EIO);
	assert_int_equal(run_of(v, "acme", &r), 0);
	assert_int_equal(run_end_all(v), 0);
	assert_false(bucket_has(b, r->key));
	bare_free(v);
}

static void what_cannot_be_written_is_an_error(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run *r;

	fault(b, STORE_PUT, FAULT_FAIL, EACCES, 0, 1);
	assert_int_equal(run_of(v, "acme", &r), EIO);
	assert_int_equal(bucket_calls_all(b), 1);
	assert_int_equal(run_end_all(v), 0); /* nothing to remove */
	assert_int_equal(bucket_calls_all(b), 1);
	bare_free(v);
}

/* ---- failed paths and the end */

static void failed_paths_stay(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run_record there;
	struct run *r;

	assert_int_equal(run_of(v, "acme", &r), 0);
	run_path_failed(r, "acme/b/f", ENOSPC);
	run_path_failed(r, "acme/b/g", EIO);
	run_tick(v); /* at once, not with the next refresh in two minutes */
	look(r, &there);
	assert_int_equal(there.failed_count, 2);
	run_record_free(&there);

	uint64_t puts = bucket_calls(b, STORE_PUT);

	run_tick(v);
	run_path_mended(r, "acme/b/g");
	run_tick(v);
	assert_int_equal(bucket_calls(b, STORE_PUT), puts);
	assert_int_equal(run_end_all(v), 0);
	look(r, &there);
	assert_int_equal(there.failed_count, 1);
	assert_string_equal(there.failed[0].path, "acme/b/f");
	assert_int_equal(there.failed[0].error, ENOSPC);
	assert_true(there.ended >= there.started && there.ended <= clock_wall_s());
	run_record_free(&there);
	bare_free(v);
}

static void mended_paths_leave_nothing(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run *r;

	assert_int_equal(run_of(v, "acme", &r), 0);
	run_path_failed(r, "acme/b/f", EIO);
	run_tick(v);
	run_path_mended(r, "acme/b/f");
	assert_int_equal(run_end_all(v), 0);
	assert_false(bucket_has(b, r->key));
	bare_free(v);
}

static void an_upload_that_could_not_be_aborted_stays_named(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run_record there;
	struct run *r;

	assert_int_equal(run_of(v, "acme", &r), 0);
	assert_int_equal(run_upload_begun(r, "backups/acme/a", "id"), 0);
	assert_int_equal(run_end_all(v), 0);
	look(r, &there);
	assert_int_equal(there.upload_count, 1);
	assert_true(there.ended > 0);
	run_record_free(&there);
	bare_free(v);
}

static void an_end_that_fails_is_told(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run *r;

	assert_int_equal(run_of(v, "acme", &r), 0);
	fault(b, STORE_REMOVE, FAULT_FAIL, EHOSTUNREACH, 0, 0);
	assert_int_equal(run_end_all(v), EHOSTUNREACH);
	bare_free(v);
}

/* A record that was taken meanwhile is not removed over the taker's head. */
static void after_a_long_silence_the_end_looks_first(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run *r;

	assert_int_equal(run_of(v, "acme", &r), 0);
	take_away(r, OTHER);
	grow_old(r, 301000);
	assert_int_equal(run_end_all(v), EIO);
	assert_true(bucket_has(b, r->key));
	bare_free(v);
}

/* ---- ticks */

static void the_tick_refreshes_what_is_due(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run *r;

	assert_int_equal(run_of(v, "acme", &r), 0);
	grow_old(r, 119000);
	run_tick(v);
	assert_int_equal(bucket_calls_all(b), 3);
	grow_old(r, 2000);
	run_tick(v);
	assert_int_equal(bucket_calls_all(b), 4);
	run_tick(v);
	assert_int_equal(bucket_calls_all(b), 4);

	fault(b, STORE_PUT, FAULT_FAIL, EHOSTUNREACH, 0, 0);
	grow_old(r, 121000);
	run_tick(v);
	assert_int_equal(bucket_calls_all(b), 5);
	run_tick(v); /* not every second on a dead store */
	assert_int_equal(bucket_calls_all(b), 5);
	bare_free(v);
}

/* ---- threads */

static void *one_end(void *arg)
{
	struct run *r = arg;

	return (void *)(uintptr_t)run_upload_begun(r, "backups/acme/held", "id");
}

static void wait_for_hits(struct bucket *b, unsigned hits)
{
	for (int i = 0; i < 2000 && fault_store_hits(b->fault) < hits; i++)
		clock_sleep_ms(1);
	assert_true(fault_store_hits(b->fault) >= hits);
}

static void failed_paths_never_wait_for_the_store(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run_record there;
	pthread_t thread;
	struct run *r;
	void *rc;

	assert_int_equal(run_of(v, "acme", &r), 0);
	fault(b, STORE_PUT, FAULT_HOLD, 0, 0, 1);
	assert_int_equal(pthread_create(&thread, NULL, one_end, r), 0);
	wait_for_hits(b, 1);
	run_path_failed(r, "acme/x", EIO); /* would hang here */
	run_path_mended(r, "acme/x");
	run_path_failed(r, "acme/y", EIO);
	run_tick(v);
	fault_store_release(b->fault);
	assert_int_equal(pthread_join(thread, &rc), 0);
	assert_null(rc);
	run_tick(v);
	look(r, &there); /* what came while it was being written came with the next */
	assert_int_equal(there.failed_count, 1);
	run_record_free(&there);
	bare_free(v);
}

enum { THREADS = 8, ROUNDS = 30 };

struct walker {
	struct vault *v;
	unsigned number;
};

static void *walk(void *arg)
{
	struct walker *w = arg;
	struct run *r;
	char key[64];

	for (unsigned i = 0; i < ROUNDS; i++) {
		assert_int_equal(run_of(w->v, i % 2 ? "acme" : "other", &r), 0);
		snprintf(key, sizeof(key), "backups/acme/%u-%u", w->number, i);
		assert_int_equal(run_upload_begun(r, key, "id"), 0);
		assert_int_equal(run_may_publish(r), 0);
		if (i % 3)
			run_upload_ended(r, key, "id");
		run_path_failed(r, key, EIO);
		run_path_mended(r, key);
		run_tick(w->v);
	}
	return NULL;
}

static void many_threads_share_one_record(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct walker walkers[THREADS];
	pthread_t threads[THREADS];
	struct run_record there;
	size_t left = 0;
	struct run *r;

	for (unsigned i = 0; i < THREADS; i++) {
		walkers[i] = (struct walker){ v, i };
		assert_int_equal(pthread_create(&threads[i], NULL, walk, &walkers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(run_of(v, i ? "acme" : "other", &r), 0);
		grow_old(r, 121000);
		run_tick(v);
		look(r, &there);
		assert_int_equal(there.failed_count, 0);
		left += there.upload_count;
		run_record_free(&there);
	}
	assert_int_equal(left, THREADS * ROUNDS / 3);
	bare_free(v);
}

/* Content outlives an outage that is longer than one try of the record, and shorter than its own deadline; names do not wait that long. */
static void content_waits_for_the_record(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	struct run *r;

	v->config.data_timeout_ms = 7000; /* and one try may take 5000 */
	fault(b, STORE_PUT, FAULT_FAIL, EHOSTUNREACH, 0, 1);
	assert_int_equal(run_of(v, "acme", &r), EIO);
	fault(b, STORE_PUT, FAULT_FAIL, EHOSTUNREACH, 0, 1);
	assert_int_equal(run_for_content(v, "acme", &r), 0);
	fault(b, STORE_PUT, FAULT_FAIL, EREMOTEIO, 0, 1);
	assert_int_equal(run_upload_begun(r, "backups/acme/a", "1"), 0);
	fault(b, STORE_PUT, FAULT_FAIL, EACCES, 0, 1); /* waiting would not help */
	assert_int_equal(run_upload_begun(r, "backups/acme/b", "2"), 0);
	bare_free(v);
}

static void content_does_not_wait_for_ever(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	int64_t begun = clock_mono_ms();
	struct run *r;

	v->config.data_timeout_ms = 7000;
	fault(b, STORE_PUT, FAULT_FAIL, EHOSTUNREACH, 0, 0);
	assert_int_equal(run_for_content(v, "acme", &r), EIO);
	assert_in_range(bucket_calls(b, STORE_PUT), 0, 5);
	assert_true(fault_store_hits(b->fault) >= 2);
	assert_true(clock_mono_ms() - begun < 7000);
	bare_free(v);
}

/* Twenty writers on a dead store wait for one deadline, not for twenty, one after the other. */
static void a_failure_is_shared_by_all_who_waited(void **state)
{
	struct bucket *b = *state;
	struct vault *v = bare_vault(b, NULL);
	pthread_t threads[THREADS];
	struct run *r;

	assert_int_equal(run_of(v, "acme", &r), 0);
	fault(b, STORE_PUT, FAULT_HOLD, 0, 0, 1);
	assert_int_equal(pthread_create(&threads[0], NULL, one_end, r), 0);
	wait_for_hits(b, 1);
	for (int i = 1; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, one_end, r), 0);
	clock_sleep_ms(50); /* all of them wait now */
	assert_int_equal(run_remove(v, r->key, NULL), 0);
	fault(b, STORE_GET, FAULT_FAIL, EHOSTUNREACH, 0, 0);
	fault_store_release(b->fault);
	for (int i = 0; i < THREADS; i++) {
		void *rc;

		assert_int_equal(pthread_join(threads[i], &rc), 0);
		assert_int_equal((uintptr_t)rc, EHOSTUNREACH);
	}
	assert_int_equal(bucket_calls(b, STORE_PUT), 4);
	assert_int_equal(bucket_calls(b, STORE_GET), 1);
	bare_free(v);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_job_costs_few_requests),
		TEST(content_waits_for_the_record),
		TEST(content_does_not_wait_for_ever),
		TEST(a_second_tenant_needs_no_self_test),
		TEST(read_only_writes_nothing),
		TEST(a_store_without_conditions_is_found_out),
		TEST(a_store_that_ignores_if_match_only_is_found_out),
		TEST(a_store_without_conditions_is_asked_before),
		TEST(who_may_not_overwrite_goes_on),
		TEST(an_unfinished_self_test_is_made_again),
		TEST(who_was_taken_for_dead_publishes_nothing),
		TEST(a_record_that_is_gone_is_lost),
		TEST(a_record_that_is_rubbish_is_lost),
		TEST(after_a_long_silence_the_record_is_read_first),
		TEST(a_lenient_server_does_not_bring_the_record_back),
		TEST(without_network_nothing_is_lost_yet),
		TEST(a_lost_reply_is_looked_up),
		TEST(our_own_change_is_recognised_later),
		TEST(our_own_first_put_is_recognised_later),
		TEST(what_cannot_be_written_is_an_error),
		TEST(failed_paths_stay),
		TEST(mended_paths_leave_nothing),
		TEST(an_upload_that_could_not_be_aborted_stays_named),
		TEST(an_end_that_fails_is_told),
		TEST(after_a_long_silence_the_end_looks_first),
		TEST(the_tick_refreshes_what_is_due),
		TEST(failed_paths_never_wait_for_the_store),
		TEST(many_threads_share_one_record),
		TEST(a_failure_is_shared_by_all_who_waited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

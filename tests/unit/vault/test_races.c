/* SPDX-License-Identifier: Apache-2.0 */
/* Deletion, undelete, the move to the trash and the lease against one another: which of them wins, and that the others then change nothing. */
#include "sealed.h"

#include "base/clock.h"
#include "s3/mem_store.h"
#include "vault/hold.h"
#include "vault/tombstone_private.h"

#include <errno.h>
#include <stdio.h>

#define STEM "db-20260101-000000"
#define TOMB RECORDS "tombstones/" STEM
#define SEAL RECORDS "seals/" STEM
#define HOLDS RECORDS "control/holds"
#define OBJECTS 5u

static void bury(struct kit *k, int64_t grace_s)
{
	sealed_make(k, STEM);
	assert_int_equal(tombstone_put(k->v, "acme", STEM, "test", grace_s, 0, NULL), 0);
}

static int finish_with(struct kit *k, const struct tombstone *t, struct lease *lease)
{
	int rc;

	kit_log_begin();
	rc = tombstone_finish(k->v, "acme", t, lease, NULL);
	free(kit_log_end());
	return rc;
}

static int finish(struct kit *k)
{
	AUTO(tombstone_free) struct tombstone t = { 0 };
	int rc = tombstone_read(k->v, "acme", STEM, &t, NULL);

	return rc ? rc : finish_with(k, &t, NULL);
}

static int undelete(struct kit *k, const char *id, const char *to)
{
	int rc;

	kit_log_begin();
	rc = tombstone_undelete(k->v, "acme", STEM, id, to, NULL);
	free(kit_log_end());
	return rc;
}

static enum tombstone_phase phase(struct kit *k)
{
	AUTO(tombstone_free) struct tombstone t = { 0 };

	assert_int_equal(tombstone_read(k->v, "acme", STEM, &t, NULL), 0);
	return t.phase;
}

static void stands(struct kit *k)
{
	assert_int_equal(kit_raw_count(k->bucket, LIVE STEM), OBJECTS);
	assert_int_equal(kit_raw_head(k->bucket, SEAL, NULL), 0);
}

static void gone(struct kit *k)
{
	assert_int_equal(kit_raw_count(k->bucket, LIVE STEM), 0);
	assert_int_equal(kit_raw_head(k->bucket, SEAL, NULL), ENOENT);
	assert_int_equal(kit_raw_head(k->bucket, TOMB, NULL), ENOENT);
}

static void grow_old(struct kit *k, const char *key, int64_t seconds)
{
	struct mem_store *m = mem_of(kit_bucket_raw(k->bucket));
	size_t i = mem_lower_bound(m, key, false);

	assert_true(i < m->count && strcmp(m->objects[i]->key, key) == 0);
	m->objects[i]->meta.modified -= seconds;
}

/* A record as somebody else would write it. */
static void rewrite(struct kit *k, const char *key, const struct tombstone *t)
{
	struct tombstone copy = *t;

	copy.record = (struct record_id){ 0 };
	kit_raw_remove(k->bucket, key);
	assert_int_equal(tombstone_write(k->v, key, &copy, NULL), 0);
}

/* ---- records that do not belong where they stand */

static void a_record_of_another_hides_and_deletes_nothing(void **state)
{
	AUTO(tombstone_free) struct tombstone t = { 0 }, back = { 0 };
	struct kit *k = *state;
	char key[256];

	bury(k, 0);
	assert_int_equal(tombstone_read(k->v, "acme", STEM, &t, NULL), 0);
	rewrite(k, RECORDS "tombstones/other-20260101", &t);
	kit_log_begin();
	assert_int_equal(tombstone_read(k->v, "acme", "other-20260101", &back, NULL), EBADMSG);
	snprintf(key, sizeof(key), RECORDS "trash/%s/record", t.id);
	rewrite(k, key, &t); /* not said to be in the trash */
	assert_int_equal(trash_read(k->v, "acme", t.id, &back, NULL), EBADMSG);
	t.trashed = true;
	rewrite(k, key, &t);
	assert_int_equal(trash_read(k->v, "acme", t.id, &back, NULL), 0);
	tombstone_free(&back);
	memcpy(t.id, "00000000000000000000000000000000", 33);
	rewrite(k, key, &t);
	t.id[0] = '\0';
	snprintf(t.id, sizeof(t.id), "%.32s", key + strlen(RECORDS "trash/"));
	assert_int_equal(trash_read(k->v, "acme", t.id, &back, NULL), EBADMSG);
	free(kit_log_end());
	assert_int_equal(tombstone_put(k->v, "acme", STEM, "why", -1, 0, NULL), EINVAL);
}

/* ---- what must not begin */

static void not_while_it_is_moved_to_the_trash(void **state)
{
	AUTO(tombstone_free) struct tombstone t = { 0 };
	struct kit *k = *state;

	bury(k, 0);
	assert_int_equal(tombstone_read(k->v, "acme", STEM, &t, NULL), 0);
	t.trashed = true;
	assert_int_equal(tombstone_write(k->v, TOMB, &t, NULL), 0);
	assert_int_equal(finish(k), EAGAIN);
	assert_int_equal(undelete(k, NULL, NULL), EBUSY);
	stands(k);
	assert_int_equal(phase(k), TOMB_GRACE);
}

/* Anything that was put there or taken away since, whatever its date. */
static void not_of_what_changed_since(void **state)
{
	struct kit *k = *state;

	bury(k, 0);
	kit_raw_put(k->bucket, LIVE STEM "/empty", "", 0);
	grow_old(k, LIVE STEM "/empty", 1000);
	assert_int_equal(finish(k), ESTALE); /* as many bytes */
	kit_raw_remove(k->bucket, LIVE STEM "/empty");
	kit_raw_put(k->bucket, LIVE STEM "/a", "shorter", 7);
	grow_old(k, LIVE STEM "/a", 1000);
	assert_int_equal(finish(k), ESTALE); /* as many objects */
	stands(k);
	assert_int_equal(phase(k), TOMB_GRACE);
}

static void not_of_another_deletion(void **state)
{
	AUTO(tombstone_free) struct tombstone t = { 0 };
	struct kit *k = *state;

	bury(k, 0);
	assert_int_equal(tombstone_read(k->v, "acme", STEM, &t, NULL), 0);
	assert_int_equal(undelete(k, NULL, NULL), 0);
	assert_int_equal(finish_with(k, &t, NULL), ESTALE); /* none any more */
	assert_int_equal(tombstone_put(k->v, "acme", STEM, "again", 0, 0, NULL), 0);
	assert_int_equal(finish_with(k, &t, NULL), ESTALE); /* a newer one, whose grace is its own */
	stands(k);
}

/* The word `deleting` cannot be taken back: it is not written by who has lost the lease. */
static void not_without_the_lease(void **state)
{
	AUTO(tombstone_free) struct tombstone t = { 0 };
	struct kit *k = *state;
	struct lease *lease;

	bury(k, 0);
	assert_int_equal(tombstone_read(k->v, "acme", STEM, &t, NULL), 0);
	assert_int_equal(lease_take(k->v, "acme", 3, &lease, NULL, NULL), 0);
	kit_raw_flip(k->bucket, RECORDS "control/lease", 600);
	clock_sleep_ms(1100);
	assert_int_equal(finish_with(k, &t, lease), ESTALE);
	assert_int_equal(phase(k), TOMB_GRACE);
	stands(k);
	kit_raw_flip(k->bucket, RECORDS "control/lease", 600); /* and it is lost for good, whatever stands there again */
	assert_int_equal(lease_check(lease, NULL), ESTALE);
	lease_release(lease);
}

static void lose_the_lease(void *arg)
{
	struct kit *k = arg;

	kit_raw_flip(k->bucket, RECORDS "control/lease", 600);
	clock_sleep_ms(1100);
}

/* Of many objects a batch goes; then the lease is lost, and no further one does. */
static void no_batch_without_the_lease(struct kit *k, enum store_op op)
{
	AUTO(tombstone_free) struct tombstone t = { 0 };
	struct lease *lease;
	char key[128];
	unsigned left = 0;

	sealed_make(k, STEM);
	for (int i = 0; i < 30; i++) {
		snprintf(key, sizeof(key), LIVE STEM "/%02d", i);
		kit_raw_put(k->bucket, key, "content", 7);
	}
	assert_int_equal(tombstone_put(k->v, "acme", STEM, "test", 0, 0, NULL), 0);
	assert_int_equal(tombstone_read(k->v, "acme", STEM, &t, NULL), 0);
	assert_int_equal(lease_take(k->v, "acme", 3, &lease, NULL, NULL), 0);
	kit_callback(k, op, LIVE STEM, lose_the_lease, k);
	assert_int_equal(finish_with(k, &t, lease), ESTALE);
	lease_release(lease);
	for (int i = 0; i < 30; i++) {
		snprintf(key, sizeof(key), LIVE STEM "/%02d", i);
		left += kit_raw_head(k->bucket, key, NULL) == 0;
	}
	assert_in_range(left, 15, 29);
}

static void no_further_batch_goes(void **state)
{
	no_batch_without_the_lease(*state, STORE_REMOVE);
}

static void no_further_batch_of_versions_goes(void **state)
{
	struct kit *k = *state;

	mem_store_keep_versions(kit_bucket_raw(k->bucket));
	no_batch_without_the_lease(k, STORE_REMOVE_VERSIONS);
}

/* Of a name that begins alike, in a bucket that keeps versions. */
static void versions_of_another_stay(void **state)
{
	struct kit *k = *state;

	mem_store_keep_versions(kit_bucket_raw(k->bucket));
	kit_raw_put(k->bucket, LIVE STEM "9/x", "another", 7);
	bury(k, 0);
	assert_int_equal(finish(k), 0);
	assert_int_equal(kit_raw_head(k->bucket, LIVE STEM "9/x", NULL), 0);
}

static void each_holder_has_its_number(void **state)
{
	struct kit *k = *state;
	struct lease *lease;

	for (uint64_t i = 1; i <= 4; i++) {
		assert_int_equal(lease_take(k->v, "acme", 0, &lease, NULL, NULL), 0);
		assert_int_equal(lease_epoch(lease), i);
		lease_release(lease);
	}
}

/* ---- what has begun */

static void the_word_keeps_what_the_seal_said(void **state)
{
	AUTO(tombstone_free) struct tombstone t = { 0 };
	AUTO_FREE char *text = NULL;
	struct kit *k = *state;
	struct record_id id;
	size_t len;

	bury(k, 0);
	assert_int_equal(record_read(k->v, SEAL, &text, &len, &id, NULL), 0);
	kit_fault(k, STORE_REMOVE, "/acme/", 0, 0, FAULT_FAIL, EREMOTEIO);
	assert_int_equal(finish(k), EREMOTEIO);
	assert_int_equal(tombstone_read(k->v, "acme", STEM, &t, NULL), 0);
	assert_int_equal(t.phase, TOMB_DELETING);
	assert_non_null(t.seal);
	assert_int_equal(strlen(t.seal), len);
	assert_memory_equal(t.seal, text, len);
	assert_int_equal(undelete(k, NULL, NULL), EBUSY);
}

/* A hold as it is written before the word stood, and seen after it. */
static uint8_t *hold_bytes(struct kit *k, size_t *len)
{
	uint8_t *data;

	assert_int_equal(hold_add(k->v, "acme", STEM, "court", "me", NULL), 0);
	*len = kit_raw_get(k->bucket, HOLDS, &data, NULL);
	assert_int_equal(hold_remove(k->v, "acme", STEM, "me", NULL), 0);
	return data;
}

static void a_hold_gets_all_of_it_back_with_its_seal(void **state)
{
	struct kit *k = *state;
	size_t len;
	AUTO_FREE uint8_t *hold = hold_bytes(k, &len);

	bury(k, 0);
	kit_fault(k, STORE_REMOVE, LIVE, 0, 0, FAULT_FAIL, EREMOTEIO);
	assert_int_equal(finish(k), EREMOTEIO);
	fault_store_clear(k->fault);
	assert_int_equal(kit_raw_head(k->bucket, SEAL, NULL), ENOENT); /* it went first */
	kit_raw_put(k->bucket, HOLDS, hold, len);
	assert_int_equal(finish(k), EAGAIN);
	assert_int_equal(phase(k), TOMB_GRACE);
	stands(k);
	assert_int_equal(undelete(k, NULL, NULL), 0);
}

/* What is half gone is no backup that a hold could keep. */
static void a_hold_does_not_keep_half_of_it(void **state)
{
	struct kit *k = *state;
	size_t len;
	AUTO_FREE uint8_t *hold = hold_bytes(k, &len);

	bury(k, 0);
	kit_fault(k, STORE_REMOVE, LIVE, 0, 0, FAULT_FAIL, EREMOTEIO);
	assert_int_equal(finish(k), EREMOTEIO);
	fault_store_clear(k->fault);
	kit_raw_remove(k->bucket, LIVE STEM "/a");
	kit_raw_put(k->bucket, HOLDS, hold, len);
	assert_int_equal(finish(k), 0);
	gone(k);
}

/* The record is the trace until the log has the line; who may not write the log deletes all the same. */
static void the_log_comes_before_the_end(void **state)
{
	struct kit *k = *state;

	bury(k, 0);
	kit_fault(k, STORE_PUT, "audit/", 0, 0, FAULT_FAIL, EREMOTEIO);
	assert_int_not_equal(finish(k), 0);
	assert_int_equal(kit_raw_head(k->bucket, TOMB, NULL), 0);
	fault_store_clear(k->fault);
	kit_fault(k, STORE_PUT, "audit/", 0, 0, FAULT_FAIL, EACCES);
	assert_int_equal(finish(k), 0);
	fault_store_clear(k->fault);
	gone(k);
}

/* ---- taking it back */

static void a_lapse_is_of_the_version_that_was_looked_at(void **state)
{
	AUTO(tombstone_free) struct tombstone t = { 0 }, newer = { 0 };
	struct kit *k = *state;

	bury(k, 0);
	assert_int_equal(tombstone_read(k->v, "acme", STEM, &t, NULL), 0);
	t.until_s = TOMBSTONE_FAR;
	assert_int_equal(tombstone_write(k->v, TOMB, &t, NULL), 0);
	assert_int_equal(tombstone_read(k->v, "acme", STEM, &newer, NULL), 0);
	assert_int_equal(tombstone_write(k->v, TOMB, &newer, NULL), 0); /* whoever undeletes it goes on */
	kit_log_begin();
	assert_int_equal(tombstone_lapse(k->v, "acme", &t, clock_wall_s() + 2 * 86400, 100, NULL), ESTALE);
	free(kit_log_end());
	tombstone_free(&newer);
	assert_int_equal(tombstone_read(k->v, "acme", STEM, &newer, NULL), 0);
	assert_int_equal(newer.until_s, TOMBSTONE_FAR);
}

static void names_that_are_none(void **state)
{
	static const char *const names[] = { "a/b", "..", "", "two.dots" };
	struct kit *k = *state;

	bury(k, 1000);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (undelete(k, NULL, names[i]) != EINVAL)
			fail_msg("%s", names[i]);
	stands(k);
	assert_int_equal(kit_raw_count(k->bucket, LIVE), OBJECTS);
	assert_int_equal(phase(k), TOMB_GRACE);
}

/* Somebody's seal stands there, though no object does: it tells what is missing, and is not written over. */
static void a_seal_that_stands_there_is_left(void **state)
{
	AUTO(trash_list_free) struct trash_list trash = { 0 };
	struct kit *k = *state;
	AUTO_FREE uint8_t *before = NULL, *after = NULL;
	size_t len;

	bury(k, 1000);
	assert_int_equal(tombstone_to_trash(k->v, "acme", STEM, NULL), 0);
	assert_int_equal(trash_list(k->v, "acme", &trash, NULL), 0);
	assert_int_equal(trash.count, 1);
	assert_int_equal(record_write(k->v, SEAL, "{}\n", 3, NULL, NULL, NULL), 0);
	len = kit_raw_get(k->bucket, SEAL, &before, NULL);
	assert_int_equal(undelete(k, trash.items[0].id, NULL), EEXIST);
	assert_int_equal(kit_raw_get(k->bucket, SEAL, &after, NULL), len);
	assert_memory_equal(before, after, len);
	kit_raw_remove(k->bucket, SEAL);
	assert_int_equal(undelete(k, trash.items[0].id, NULL), 0);
	stands(k);
}

/* ---- to the trash */

static void the_trash_has_all_that_was_said_of_it(void **state)
{
	AUTO(trash_list_free) struct trash_list trash = { 0 };
	AUTO(tombstone_free) struct tombstone t = { 0 };
	AUTO_FREE char *text = NULL;
	struct kit *k = *state;
	struct record_id id;
	size_t len;

	bury(k, 1000);
	sealed_reopen(k, STEM, STEM);
	assert_int_equal(record_read(k->v, SEAL, &text, &len, &id, NULL), 0);
	assert_int_equal(tombstone_to_trash(k->v, "acme", STEM, NULL), 0);
	gone(k);
	assert_int_equal(kit_raw_count(k->bucket, RECORDS "reopen/"), 0);
	assert_int_equal(trash_list(k->v, "acme", &trash, NULL), 0);
	assert_int_equal(trash_read(k->v, "acme", trash.items[0].id, &t, NULL), 0);
	assert_int_equal(strlen(t.seal), len);
	assert_memory_equal(t.seal, text, len);
	kit_raw_put(k->bucket, RECORDS "trash/00000000000000000000000000000000/record", "plain", 5); /* counts for nothing, and stops nobody */
	trash_list_free(&trash);
	kit_log_begin();
	assert_int_equal(trash_list(k->v, "acme", &trash, NULL), 0);
	free(kit_log_end());
	assert_int_equal(trash.count, 1);
}

static void what_cannot_be_looked_at_is_not_removed(void **state)
{
	struct store_call call = { .timeout_ms = 300 };
	struct kit *k = *state;

	bury(k, 1000);
	kit_fault(k, STORE_LIST, LIVE STEM "/", 0, 0, FAULT_FAIL, EACCES);
	kit_fault(k, STORE_HEAD, LIVE STEM, 0, 0, FAULT_FAIL, EACCES);
	kit_log_begin();
	assert_int_not_equal(tombstone_to_trash(k->v, "acme", STEM, &call), 0);
	free(kit_log_end());
	fault_store_clear(k->fault);
	stands(k);
	assert_int_equal(kit_raw_head(k->bucket, TOMB, NULL), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_record_of_another_hides_and_deletes_nothing),
		T(not_while_it_is_moved_to_the_trash),
		T(not_of_what_changed_since),
		T(not_of_another_deletion),
		T(not_without_the_lease),
		T(no_further_batch_goes),
		T(no_further_batch_of_versions_goes),
		T(versions_of_another_stay),
		T(each_holder_has_its_number),
		T(the_word_keeps_what_the_seal_said),
		T(a_hold_gets_all_of_it_back_with_its_seal),
		T(a_hold_does_not_keep_half_of_it),
		T(the_log_comes_before_the_end),
		T(a_lapse_is_of_the_version_that_was_looked_at),
		T(names_that_are_none),
		T(a_seal_that_stands_there_is_left),
		T(the_trash_has_all_that_was_said_of_it),
		T(what_cannot_be_looked_at_is_not_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "kit.h"

#include "base/buf.h"
#include "base/clock.h"
#include "vault/audit.h"
#include "vault/hold.h"
#include "vault/seal.h"
#include "vault/tombstone.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define LIVE "backups/acme/"
#define RECORDS "backups/.pishop/t/acme/"
#define NAME "db-20260101-000000"
#define OTHER "back-20260202-000000"
#define TOMB RECORDS "tombstones/" NAME
#define SEAL RECORDS "seals/" NAME
#define OBJECTS 7u

static void seal_it(struct kit *k)
{
	AUTO(seal_free) struct seal s = { .tenant = "acme", .stem = NAME, .committed_s = clock_wall_s(), .sealed_s = clock_wall_s(), .source = SEAL_REQUEST,
					  .writer = "00112233445566778899aabbccddeeff", .program = "x" };
	struct stem stem;
	char path[128];

	for (int i = 0; i < 6; i++) {
		struct seal_entry e = { .type = ENTRY_FILE, .mode = 0640, .size = 100 + (uint64_t)i, .object = { (uint8_t)(i + 1) }, .state = STATE_CLOSED, .etag = "e" };

		snprintf(path, sizeof(path), NAME "/f%02d", i);
		e.path = strdup(path);
		assert_int_equal(seal_add(&s, &e), 0);
	}
	stem_of(NAME, &stem);
	seal_set_time(&s, &stem);
	assert_int_equal(seal_write(k->v, &s, NULL, NULL, NULL), 0);
}

static void make_backup(struct kit *k)
{
	char key[256];

	for (int i = 0; i < 6; i++) {
		snprintf(key, sizeof(key), LIVE NAME "/f%02d", i);
		object_unref(kit_file(k, key, 100 + (uint64_t)i, (uint8_t)i));
	}
	object_unref(kit_file(k, LIVE NAME ".tar.gz", 700000, 7));
	seal_it(k);
}

static void check_content(struct kit *k, const char *key, uint64_t size, uint8_t seed)
{
	AUTO(auto_object_unref) struct object *o = NULL;
	AUTO_FREE uint8_t *data = malloc(size + 1);
	size_t got;

	assert_int_equal(object_load(k->v, key, 0, &o, NULL), 0);
	assert_int_equal(object_read(k->v, o, 0, size, data, &got), 0);
	assert_int_equal(got, size);
	kit_check(data, 0, size, seed);
}

static void stands_as(struct kit *k, const char *name)
{
	char key[256];

	for (int i = 0; i < 6; i++) {
		snprintf(key, sizeof(key), LIVE "%s/f%02d", name, i);
		check_content(k, key, 100 + (uint64_t)i, (uint8_t)i);
	}
	snprintf(key, sizeof(key), LIVE "%s.tar.gz", name);
	check_content(k, key, 700000, 7);
	snprintf(key, sizeof(key), LIVE "%s", name);
	assert_int_equal(kit_raw_count(k->bucket, key), OBJECTS);
	snprintf(key, sizeof(key), RECORDS "tombstones/%s", name);
	assert_int_equal(kit_raw_head(k->bucket, key, NULL), ENOENT);
}

static void sealed_as(struct kit *k, const char *name)
{
	AUTO(seal_free) struct seal s = { 0 };
	char path[128];

	assert_int_equal(seal_read(k->v, "acme", name, &s, NULL, NULL), 0);
	assert_int_equal(s.count, 6);
	snprintf(path, sizeof(path), "%s/f05", name);
	assert_non_null(seal_find(&s, path));
	assert_int_equal(seal_find(&s, path)->object[0], 6);
	assert_string_equal(s.stem, name);
}

static void nothing_of(struct kit *k, const char *name)
{
	char key[256];

	snprintf(key, sizeof(key), LIVE "%s", name);
	assert_int_equal(kit_raw_count(k->bucket, key), 0);
	snprintf(key, sizeof(key), RECORDS "seals/%s", name);
	assert_int_equal(kit_raw_head(k->bucket, key, NULL), ENOENT);
	snprintf(key, sizeof(key), RECORDS "tombstones/%s", name);
	assert_int_equal(kit_raw_head(k->bucket, key, NULL), ENOENT);
}

static void bury(struct kit *k, int64_t grace_s)
{
	assert_int_equal(tombstone_put(k->v, "acme", NAME, "test", grace_s, 0, NULL), 0);
}

static void bin(struct kit *k, char id[33])
{
	AUTO(tombstone_free) struct tombstone t = { 0 };

	bury(k, 1000);
	assert_int_equal(tombstone_read(k->v, "acme", NAME, &t, NULL), 0);
	memcpy(id, t.id, 33);
	assert_int_equal(tombstone_to_trash(k->v, "acme", NAME, NULL), 0);
	nothing_of(k, NAME);
}

static int undelete(struct kit *k, const char *id, const char *to)
{
	return tombstone_undelete(k->v, "acme", NAME, id, to, NULL);
}

static int trash_read_one(struct kit *k, const char *id, struct tombstone *out)
{
	struct trash_list trash;
	int rc = trash_list(k->v, "acme", &trash, NULL);

	assert_int_equal(rc, 0);
	assert_int_equal(trash.count, 1);
	assert_string_equal(trash.items[0].id, id);
	*out = trash.items[0];
	free(trash.items);
	return rc;
}

static int finish(struct kit *k)
{
	AUTO(tombstone_free) struct tombstone t = { 0 };
	struct lease *l = NULL;
	int rc = tombstone_read(k->v, "acme", NAME, &t, NULL);

	if (!rc)
		rc = lease_take(k->v, "acme", 300, &l, NULL, NULL);
	if (!rc)
		rc = tombstone_finish(k->v, "acme", &t, l, NULL);
	lease_release(l);
	return rc;
}

static void second(struct kit *k, struct kit *b)
{
	struct vault_config config = kit_config();

	*b = (struct kit){ .bucket = k->bucket };
	kit_open(b, &config, KIT_KEY);
}

static void reopen(struct kit *k)
{
	struct vault_config config = kit_config();

	kit_close(k);
	kit_open(k, &config, KIT_KEY);
	kit_raw_remove(k->bucket, RECORDS "control/lease");
}

/* ---- in place */

static void in_place_it_is_as_it_was(void **state)
{
	struct kit *k = *state;
	struct store_meta before, after;

	make_backup(k);
	assert_int_equal(undelete(k, NULL, NULL), ENOENT);
	kit_raw_head(k->bucket, SEAL, &before);
	bury(k, 0);
	assert_int_equal(undelete(k, NULL, NULL), 0);
	kit_raw_head(k->bucket, SEAL, &after);
	assert_string_equal(before.etag, after.etag);
	stands_as(k, NAME);
	sealed_as(k, NAME);
	assert_int_equal(finish(k), ENOENT);
}

static void what_is_being_deleted_stays_deleted(void **state)
{
	struct kit *k = *state;

	make_backup(k);
	bury(k, 0);
	kit_fault(k, STORE_REMOVE, NULL, 0, 0, FAULT_FAIL, EREMOTEIO);
	kit_log_begin();
	assert_int_equal(finish(k), EREMOTEIO);
	fault_store_clear(k->fault);
	free(kit_log_end());
	assert_int_equal(undelete(k, NULL, NULL), EBUSY);
	assert_int_equal(finish(k), 0);
	nothing_of(k, NAME);
}

static void undelete_now(void *arg)
{
	assert_int_equal(undelete(arg, NULL, NULL), 0);
}

static void finish_now(void *arg)
{
	assert_int_equal(finish(arg), 0);
}

static void an_undelete_before_the_word_wins(void **state)
{
	struct kit *k = *state, b;

	make_backup(k);
	bury(k, 0);
	second(k, &b);
	kit_callback(k, STORE_PUT, "/tombstones/", undelete_now, &b);
	assert_int_equal(finish(k), ESTALE);
	stands_as(k, NAME);
	sealed_as(k, NAME);
	kit_close(&b);
}

static void a_deletion_before_the_claim_wins(void **state)
{
	struct kit *k = *state, b;

	make_backup(k);
	bury(k, 0);
	second(k, &b);
	kit_callback(k, STORE_PUT, "/tombstones/", finish_now, &b);
	assert_int_equal(undelete(k, NULL, NULL), ENOENT);
	nothing_of(k, NAME);
	kit_close(&b);
}

struct racer {
	struct kit *k;
	bool deletes;
	pthread_t thread;
	int rc;
};

static void *race(void *arg)
{
	struct racer *r = arg;

	r->rc = r->deletes ? finish(r->k) : undelete(r->k, NULL, NULL);
	return NULL;
}

static void never_both(void **state)
{
	struct kit *k = *state, b;

	second(k, &b);
	kit_log_begin();
	for (int i = 0; i < 40; i++) {
		struct racer racers[2] = { { .k = k, .deletes = true }, { .k = &b } };

		if (kit_raw_head(k->bucket, LIVE NAME ".tar.gz", NULL))
			make_backup(k);
		bury(k, 0);
		for (int j = 0; j < 2; j++)
			assert_int_equal(pthread_create(&racers[j].thread, NULL, race, &racers[j]), 0);
		for (int j = 0; j < 2; j++)
			pthread_join(racers[j].thread, NULL);
		if (racers[1].rc == 0) {
			assert_true(racers[0].rc != 0);
			stands_as(k, NAME);
			sealed_as(k, NAME);
		} else {
			assert_int_equal(racers[0].rc, 0);
			nothing_of(k, NAME);
		}
	}
	free(kit_log_end());
	kit_close(&b);
}

/* ---- elsewhere */

static void from_the_trash_to_its_name(void **state)
{
	struct kit *k = *state;
	char id[33];

	make_backup(k);
	bin(k, id);
	assert_int_equal(undelete(k, "00112233445566778899aabbccddeeff", NULL), ENOENT);
	assert_int_equal(tombstone_undelete(k->v, "acme", "another", id, NULL, NULL), ENOENT);
	assert_int_equal(undelete(k, id, NULL), 0);
	stands_as(k, NAME);
	sealed_as(k, NAME);
	assert_int_equal(kit_raw_count(k->bucket, RECORDS "trash/"), 0);
}

static void a_taken_name_is_left_alone(void **state)
{
	struct kit *k = *state;
	AUTO(trash_list_free) struct trash_list trash = { 0 };
	char id[33];

	make_backup(k);
	bin(k, id);
	kit_raw_put(k->bucket, LIVE NAME "/new", "new", 3);
	assert_int_equal(undelete(k, id, NULL), EEXIST);
	assert_int_equal(kit_raw_count(k->bucket, LIVE NAME), 1);
	assert_int_equal(trash_list(k->v, "acme", &trash, NULL), 0);
	assert_true(trash.items[0].until_s < clock_wall_s() + 1001); /* and its deletion goes on */
	kit_raw_remove(k->bucket, LIVE NAME "/new");
	kit_raw_put(k->bucket, LIVE NAME "/f01", "of another size", 15);
	assert_int_equal(undelete(k, id, NULL), EEXIST);
	kit_raw_remove(k->bucket, LIVE NAME "/f01");
	assert_int_equal(undelete(k, id, NULL), 0);
	stands_as(k, NAME);
}

/* Of the same size, as archives often are: nothing of the old one is put beside it. */
static void a_namesake_of_the_same_size_is_left_alone(void **state)
{
	struct kit *k = *state;
	char id[33];

	make_backup(k);
	bin(k, id);
	object_unref(kit_file(k, LIVE NAME "/f05", 105, 99));
	assert_int_equal(undelete(k, id, NULL), EEXIST);
	assert_int_equal(kit_raw_count(k->bucket, LIVE NAME), 1);
	check_content(k, LIVE NAME "/f05", 105, 99);
}

/* Its objects may be on their way, or lost: a name with a seal is taken. */
static void a_name_with_a_seal_is_taken(void **state)
{
	struct kit *k = *state;
	char id[33];

	make_backup(k);
	bin(k, id);
	seal_it(k); /* of the same content but made at another time */
	AUTO(seal_free) struct seal s = { 0 };
	struct record_id record;

	assert_int_equal(seal_read(k->v, "acme", NAME, &s, &record, NULL), 0);
	s.sealed_s += 100;
	assert_int_equal(seal_write(k->v, &s, &record, NULL, NULL), 0);
	assert_int_equal(undelete(k, id, NULL), EEXIST);
	assert_int_equal(kit_raw_count(k->bucket, LIVE NAME), 0);
}

static void a_hold_goes_along(void **state)
{
	AUTO(holds_free) struct holds holds = { 0 };
	struct kit *k = *state;

	make_backup(k);
	assert_int_equal(hold_add(k->v, "acme", NAME, "a dispute", "ada", NULL), 0);
	bury(k, 1000);
	assert_int_equal(undelete(k, NULL, OTHER), 0);
	assert_int_equal(holds_read(k->v, "acme", &holds, NULL), 0);
	assert_true(holds_has(&holds, OTHER));
	stands_as(k, OTHER);
}

/* Where it cannot, the old place stays as it is. */
static void without_its_hold_it_stays(void **state)
{
	struct kit *k = *state;

	make_backup(k);
	assert_int_equal(hold_add(k->v, "acme", NAME, "a dispute", "ada", NULL), 0);
	bury(k, 1000);
	kit_log_begin();
	kit_fault(k, STORE_PUT, "control/holds", 0, 0, FAULT_FAIL, EACCES);
	assert_int_equal(undelete(k, NULL, OTHER), EACCES);
	free(kit_log_end());
	assert_int_equal(kit_raw_count(k->bucket, LIVE OTHER), 0);
	assert_int_equal(kit_raw_count(k->bucket, LIVE NAME), OBJECTS);
}

static void under_another_name_it_has_a_seal_of_its_own(void **state)
{
	struct kit *k = *state;
	char id[33];

	make_backup(k);
	bury(k, 1000);
	assert_int_equal(undelete(k, NULL, "a.b"), EINVAL); /* its files would be of "a" */
	assert_int_equal(undelete(k, NULL, "a/b"), EINVAL);
	assert_int_equal(kit_raw_count(k->bucket, LIVE "a"), 0);
	assert_int_equal(undelete(k, NULL, OTHER), 0);
	stands_as(k, OTHER);
	sealed_as(k, OTHER);
	nothing_of(k, NAME);

	make_backup(k);
	bin(k, id);
	assert_int_equal(undelete(k, id, OTHER), EEXIST);
	assert_int_equal(undelete(k, id, "third"), 0);
	stands_as(k, "third");
	sealed_as(k, "third");
	assert_int_equal(kit_raw_count(k->bucket, RECORDS "trash/"), 0);
}

static void one_that_nobody_goes_on_with_gets_a_new_grace(void **state)
{
	struct kit *k = *state;
	AUTO(tombstone_free) struct tombstone t = { 0 };
	char id[33];
	int64_t now = clock_wall_s();

	make_backup(k);
	bin(k, id);
	kit_fault(k, STORE_COPY, NULL, 2, 0, FAULT_FAIL, EREMOTEIO);
	kit_fault(k, STORE_PUT, "/record", 1, 0, FAULT_FAIL, EREMOTEIO); /* killed: it cannot even say that it gives up */
	kit_log_begin();
	assert_int_equal(undelete(k, id, NULL), EREMOTEIO);
	fault_store_clear(k->fault);
	free(kit_log_end());
	assert_int_equal(trash_read_one(k, id, &t), 0);
	assert_true(t.until_s > now + INT64_C(1000000000));
	assert_int_equal(tombstone_lapse(k->v, "acme", &t, now + 3600, 500, NULL), EAGAIN);
	kit_log_begin();
	assert_int_equal(tombstone_lapse(k->v, "acme", &t, now + 2 * 86400, 500, NULL), 0);
	free(kit_log_end());
	tombstone_free(&t);
	assert_int_equal(trash_read_one(k, id, &t), 0);
	assert_int_equal(t.until_s, now + 2 * 86400 + 500);
	assert_int_equal(tombstone_lapse(k->v, "acme", &t, now + 9 * 86400, 500, NULL), EAGAIN); /* nobody takes it back */
}

static void clear(struct kit *k)
{
	struct store *s = kit_bucket_raw(k->bucket);
	static const char *const prefixes[] = { LIVE, RECORDS "trash/", RECORDS "seals/", RECORDS "tombstones/" };

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		struct store_page page = { 0 };

		do {
			store_page_free(&page);
			assert_int_equal(s->ops->list(s, prefixes[i], 0, NULL, 0, &page, NULL), 0);
			for (size_t j = 0; j < page.count; j++)
				kit_raw_remove(k->bucket, page.objects[j].key);
		} while (page.count);
		store_page_free(&page);
	}
}

static bool finish_trash(struct kit *k)
{
	AUTO(trash_list_free) struct trash_list trash = { 0 };
	struct lease *l = NULL;

	assert_int_equal(trash_list(k->v, "acme", &trash, NULL), 0);
	if (!trash.count)
		return false;
	assert_int_equal(lease_take(k->v, "acme", 300, &l, NULL, NULL), 0);
	assert_int_equal(tombstone_finish(k->v, "acme", &trash.items[0], l, NULL), 0);
	lease_release(l);
	return true;
}

static void after_a_kill_anywhere_it_goes_on(void **state)
{
	static const enum store_op ops[] = { STORE_GET, STORE_PUT, STORE_HEAD, STORE_LIST, STORE_REMOVE, STORE_COPY, STORE_COMPLETE };
	struct kit *k = *state;
	unsigned kills = 0, left = 0;

	kit_log_begin();
	for (size_t op = 0; op < ARRAY_LEN(ops); op++)
		for (unsigned n = 0, more = 2; more; n++) {
			const char *to = n % 2 ? OTHER : NULL;
			char id[33];
			int rc;

			clear(k);
			make_backup(k);
			bin(k, id);
			kit_fault(k, ops[op], NULL, n / 2, 0, FAULT_FAIL, EREMOTEIO);
			undelete(k, id, to);
			kills += fault_store_hits(k->fault) > 0;
			more = fault_store_hits(k->fault) ? 2 : more - 1; /* both ways through */
			reopen(k);
			rc = undelete(k, id, to);
			if (rc && rc != ENOENT) /* gone, or all but the last steps had been done */
				assert_int_equal(rc, EBUSY);
			left += finish_trash(k);
			stands_as(k, to ? to : NAME);
			sealed_as(k, to ? to : NAME);
			assert_int_equal(kit_raw_count(k->bucket, RECORDS "trash/"), 0);
		}
	free(kit_log_end());
	assert_true(kills > 30);
	assert_true(left > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
		T(in_place_it_is_as_it_was), T(what_is_being_deleted_stays_deleted), T(an_undelete_before_the_word_wins), T(a_deletion_before_the_claim_wins),
		T(never_both), T(from_the_trash_to_its_name), T(a_taken_name_is_left_alone), T(a_namesake_of_the_same_size_is_left_alone), T(a_name_with_a_seal_is_taken), T(a_hold_goes_along),
		T(without_its_hold_it_stays), T(under_another_name_it_has_a_seal_of_its_own),
		T(one_that_nobody_goes_on_with_gets_a_new_grace), T(after_a_kill_anywhere_it_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

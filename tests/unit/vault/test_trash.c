/* SPDX-License-Identifier: Apache-2.0 */
#include "kit.h"

#include "base/clock.h"
#include "s3/mem_store.h"
#include "vault/audit.h"
#include "vault/tombstone.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define LIVE "backups/acme/"
#define RECORDS "backups/.pishop/t/acme/"
#define NAME "db-20260101-000000"
#define TOMB RECORDS "tombstones/" NAME
#define SEAL RECORDS "seals/" NAME
#define SEAL_TEXT "{\"seal\":1,\"tenant\":\"acme\"}\n"
#define BIG 900000u /* over one copy, and over one part */
#define OBJECTS 14u

static void make_backup(struct kit *k)
{
	char key[256];

	for (int i = 0; i < 12; i++) {
		snprintf(key, sizeof(key), LIVE NAME "/f%02d", i);
		object_unref(kit_file(k, key, 100 + (uint64_t)i, (uint8_t)i));
	}
	object_unref(kit_file(k, LIVE NAME ".tar.gz", BIG, 7));
	kit_raw_put(k->bucket, LIVE NAME "/foreign", "foreign", 7);
	if (kit_raw_head(k->bucket, SEAL, NULL))
		assert_int_equal(record_write(k->v, SEAL, SEAL_TEXT, strlen(SEAL_TEXT), NULL, NULL, NULL), 0);
}

static unsigned count(struct kit *k, const char *prefix)
{
	struct store *s = kit_bucket_raw(k->bucket);
	struct store_page page = { 0 };
	char *token = NULL;
	unsigned n = 0;

	do {
		assert_int_equal(s->ops->list(s, prefix, 0, token, 0, &page, NULL), 0);
		n += (unsigned)page.count;
		free(token);
		token = page.next;
		page.next = NULL;
		store_page_free(&page);
	} while (token);
	return n;
}

/* The claim of a mover that was killed, some minutes later. */
static void grow_old(struct kit *k)
{
	struct mem_store *m = mem_of(kit_bucket_raw(k->bucket));
	size_t i = mem_lower_bound(m, TOMB, false);

	if (i < m->count && strcmp(m->objects[i]->key, TOMB) == 0)
		m->objects[i]->meta.modified -= 1000;
}

/* So that the next round begins anew. */
static void empty_trash(struct kit *k)
{
	struct store *s = kit_bucket_raw(k->bucket);
	struct store_page page = { 0 };

	do {
		store_page_free(&page);
		assert_int_equal(s->ops->list(s, RECORDS "trash/", 0, NULL, 0, &page, NULL), 0);
		for (size_t i = 0; i < page.count; i++)
			kit_raw_remove(k->bucket, page.objects[i].key);
	} while (page.count);
	store_page_free(&page);
}

static void bury(struct kit *k, int64_t grace_s)
{
	assert_int_equal(tombstone_put(k->v, "acme", NAME, "test", grace_s, 0, NULL), 0);
}

static int move(struct kit *k)
{
	struct store_call call = { .timeout_ms = 300 };

	return tombstone_to_trash(k->v, "acme", NAME, &call);
}

/* Reads a moved file as the vault would. */
static void check_content(struct kit *k, const char *key, uint64_t size, uint8_t seed)
{
	AUTO(auto_object_unref) struct object *o = NULL;
	AUTO_FREE uint8_t *data = malloc(size + 1);
	size_t got;

	assert_int_equal(object_load(k->v, key, 0, &o, NULL), 0);
	assert_int_equal(object_size(o), size);
	assert_int_equal(object_read(k->v, o, 0, size, data, &got), 0);
	assert_int_equal(got, size);
	kit_check(data, 0, size, seed);
}

static void name_is_free(struct kit *k)
{
	assert_int_equal(count(k, LIVE NAME), 0);
	assert_int_equal(kit_raw_head(k->bucket, SEAL, NULL), ENOENT);
	assert_int_equal(kit_raw_head(k->bucket, TOMB, NULL), ENOENT);
}

static void in_trash(struct kit *k)
{
	AUTO(trash_list_free) struct trash_list trash = { 0 };
	char key[512];

	assert_int_equal(trash_list(k->v, "acme", &trash, NULL), 0);
	assert_int_equal(trash.count, 1);
	assert_string_equal(trash.items[0].stem, NAME);
	assert_true(trash.items[0].trashed && trash.items[0].in_trash);
	assert_int_equal(trash.items[0].objects, OBJECTS);
	snprintf(key, sizeof(key), RECORDS "trash/%s/data/", trash.items[0].id);
	assert_int_equal(count(k, key), OBJECTS);
	snprintf(key, sizeof(key), RECORDS "trash/%s/data/" NAME ".tar.gz", trash.items[0].id);
	check_content(k, key, BIG, 7);
	snprintf(key, sizeof(key), RECORDS "trash/%s/data/" NAME "/f03", trash.items[0].id);
	check_content(k, key, 103, 3);
}

static void reopen(struct kit *k)
{
	struct vault_config config = kit_config();

	kit_close(k);
	kit_open(k, &config, KIT_KEY);
	kit_raw_remove(k->bucket, RECORDS "control/lease");
}

static void second(struct kit *k, struct kit *b)
{
	struct vault_config config = kit_config();

	*b = (struct kit){ .bucket = k->bucket };
	kit_open(b, &config, KIT_KEY);
}

static void without_a_tombstone_nothing_moves(void **state)
{
	struct kit *k = *state;

	make_backup(k);
	assert_int_equal(move(k), 0);
	assert_int_equal(count(k, LIVE NAME), OBJECTS);
}

static void all_of_it_moves(void **state)
{
	struct kit *k = *state;

	make_backup(k);
	kit_raw_put(k->bucket, LIVE "db-20260101-000001", "another", 7);
	bury(k, 1000);
	assert_int_equal(move(k), 0);
	name_is_free(k);
	in_trash(k);
	assert_int_equal(kit_raw_head(k->bucket, LIVE "db-20260101-000001", NULL), 0);
	assert_int_equal(move(k), 0); /* nothing more to do */
}

static int see_trash(void *arg, const char *line, size_t len)
{
	AUTO(audit_entry_free) struct audit_entry e = { 0 };

	assert_int_equal(audit_decode(line, len, &e), 0);
	*(bool *)arg |= e.event == AUDIT_TOMBSTONED && e.detail && strstr(e.detail, "to the trash");
	return 0;
}

/* Whoever is killed between the two must not leave a seal that is gone for no reason. */
static void the_log_knows_before_the_seal_goes(void **state)
{
	struct kit *k = *state;
	bool told = false;
	char why[256];

	make_backup(k);
	bury(k, 1000);
	kit_fault(k, STORE_REMOVE, "seals/", 0, 1, FAULT_FAIL, EREMOTEIO);
	kit_log_begin();
	assert_int_equal(move(k), EREMOTEIO);
	free(kit_log_end());
	assert_int_equal(kit_raw_head(k->bucket, SEAL, NULL), 0);
	assert_int_equal(audit_read(k->v, "acme", see_trash, &told, why, sizeof(why), NULL), 0);
	assert_true(told);
}

static void its_grace_goes_on_there(void **state)
{
	struct kit *k = *state;
	AUTO(trash_list_free) struct trash_list trash = { 0 };
	struct lease *l;

	make_backup(k);
	bury(k, 2);
	assert_int_equal(move(k), 0);
	make_backup(k); /* the name made anew */
	assert_int_equal(trash_list(k->v, "acme", &trash, NULL), 0);
	assert_int_equal(lease_take(k->v, "acme", 300, &l, NULL, NULL), 0);
	assert_int_equal(tombstone_finish(k->v, "acme", &trash.items[0], l, NULL), EAGAIN);
	clock_sleep_ms(2100);
	assert_int_equal(tombstone_finish(k->v, "acme", &trash.items[0], l, NULL), 0);
	lease_release(l);
	assert_int_equal(count(k, RECORDS "trash/"), 0);
	assert_int_equal(count(k, LIVE NAME), OBJECTS);
	assert_int_equal(kit_raw_head(k->bucket, SEAL, NULL), 0); /* of the new one */
}

static void a_damaged_object_moves_as_it_is(void **state)
{
	struct kit *k = *state;

	make_backup(k);
	kit_raw_flip(k->bucket, LIVE NAME "/f05", 20);
	kit_raw_cut(k->bucket, LIVE NAME "/f06", 700);
	bury(k, 1000);
	assert_int_equal(move(k), 0);
	name_is_free(k);
	in_trash(k);
}

static void a_copy_that_is_not_the_same_removes_nothing(void **state)
{
	struct kit *k = *state;

	make_backup(k);
	bury(k, 1000);
	kit_fault(k, STORE_PART_COPY, NULL, 0, 0, FAULT_NO_RANGE, 0);
	kit_log_begin();
	assert_true(move(k) != 0);
	free(kit_log_end());
	assert_int_equal(kit_raw_head(k->bucket, LIVE NAME ".tar.gz", NULL), 0);
	check_content(k, LIVE NAME ".tar.gz", BIG, 7);
	assert_int_equal(kit_raw_head(k->bucket, TOMB, NULL), 0);
}

static void write_over(void *arg)
{
	struct kit *k = arg;

	kit_raw_put(k->bucket, LIVE NAME "/f03", "written meanwhile", 17);
}

/* It is copied, and then another mount, which knows nothing of the deletion, writes there. */
static void what_was_written_over_is_not_removed(void **state)
{
	struct kit *k = *state;

	make_backup(k);
	bury(k, 1000);
	kit_callback(k, STORE_HEAD, "/f03", write_over, k);
	kit_log_begin();
	assert_true(move(k) != 0);
	free(kit_log_end());

	struct store_meta meta;

	assert_int_equal(kit_raw_head(k->bucket, LIVE NAME "/f03", &meta), 0);
	assert_int_equal(meta.size, 17);
}

static void after_a_kill_anywhere_it_goes_on(void **state)
{
	static const enum store_op ops[] = { STORE_GET, STORE_PUT, STORE_HEAD, STORE_LIST, STORE_REMOVE, STORE_COPY, STORE_BEGIN, STORE_PART_COPY, STORE_COMPLETE,
					     STORE_VERSIONS };
	struct kit *k = *state;
	unsigned kills = 0;

	kit_log_begin();
	for (size_t op = 0; op < ARRAY_LEN(ops); op++)
		for (unsigned n = 0, more = 1; more; n++)
			for (int lost = 0; lost < 2; lost++) {
				struct store_call call = { .timeout_ms = 1 };

				empty_trash(k);
				make_backup(k);
				bury(k, 1000);
				kit_fault(k, ops[op], NULL, n, 0, lost ? FAULT_LOSE_REPLY : FAULT_FAIL, EREMOTEIO);
				tombstone_to_trash(k->v, "acme", NAME, &call);
				more = fault_store_hits(k->fault) > 0;
				kills += more;
				reopen(k);
				grow_old(k);
				assert_int_equal(move(k), 0);
				name_is_free(k);
				in_trash(k);
			}
	free(kit_log_end());
	assert_true(kills > 60);
}

/* ---- several at once */

static void a_mover_that_lives_is_waited_for(void **state)
{
	struct kit *k = *state, b;
	struct store_call call = { .timeout_ms = 1 };

	make_backup(k);
	bury(k, 1000);
	kit_fault(k, STORE_COPY, NULL, 3, 0, FAULT_FAIL, EREMOTEIO);
	kit_log_begin();
	assert_int_equal(tombstone_to_trash(k->v, "acme", NAME, &call), EREMOTEIO);
	free(kit_log_end());
	fault_store_clear(k->fault);
	second(k, &b);
	assert_int_equal(move(&b), EBUSY); /* it claimed it a moment ago */
	kit_close(&b);
}

struct mover {
	struct kit *k;
	pthread_t thread;
	int rc;
};

static void *move_it(void *arg)
{
	struct mover *m = arg;
	struct store_call call = { .timeout_ms = 20000 };

	m->rc = tombstone_to_trash(m->k->v, "acme", NAME, &call);
	if (m->rc == 0)
		kit_raw_put(m->k->bucket, LIVE NAME "/new", "new", 3); /* the Job goes on at once */
	return NULL;
}

static void of_two_movers_none_removes_what_is_new(void **state)
{
	struct kit *k = *state, b;

	second(k, &b);
	for (int round = 0; round < 3; round++) {
		struct mover movers[2] = { { .k = k }, { .k = &b } };

		empty_trash(k);
		make_backup(k);
		bury(k, 1000);
		for (int i = 0; i < 2; i++)
			assert_int_equal(pthread_create(&movers[i].thread, NULL, move_it, &movers[i]), 0);
		for (int i = 0; i < 2; i++)
			pthread_join(movers[i].thread, NULL);
		assert_int_equal(movers[0].rc, 0);
		assert_int_equal(movers[1].rc, 0);
		assert_int_equal(kit_raw_head(k->bucket, LIVE NAME "/new", NULL), 0);
		kit_raw_remove(k->bucket, LIVE NAME "/new");
		name_is_free(k);
		in_trash(k);
	}
	kit_close(&b);
}

static void a_deletion_that_has_begun_is_finished_first(void **state)
{
	struct kit *k = *state, b;
	AUTO(tombstone_free) struct tombstone t = { 0 };
	struct lease *l;

	make_backup(k);
	bury(k, 0);
	assert_int_equal(tombstone_read(k->v, "acme", NAME, &t, NULL), 0);
	assert_int_equal(lease_take(k->v, "acme", 300, &l, NULL, NULL), 0);
	kit_fault(k, STORE_REMOVE, LIVE, 0, 0, FAULT_FAIL, EREMOTEIO);
	kit_fault(k, STORE_LIST, LIVE, 2, 0, FAULT_FAIL, EREMOTEIO); /* behind the two pages that are counted */
	kit_log_begin();
	assert_int_equal(tombstone_finish(k->v, "acme", &t, l, NULL), EREMOTEIO);
	free(kit_log_end());
	fault_store_clear(k->fault);
	second(k, &b);
	assert_int_equal(move(&b), EBUSY); /* whoever deletes it has the lease */
	lease_release(l);
	assert_int_equal(move(&b), 0);
	name_is_free(k);
	assert_int_equal(count(k, RECORDS "trash/"), 0);
	kit_close(&b);
}

static void versions_do_not_stay_behind(void **state)
{
	struct kit *k = *state;
	struct store *s = kit_bucket_raw(k->bucket);
	struct store_versions page = { 0 };

	make_backup(k);
	mem_store_keep_versions(s);
	object_unref(kit_file(k, LIVE NAME "/f03", 103, 3));
	bury(k, 1000);
	assert_int_equal(move(k), 0);
	name_is_free(k);
	in_trash(k);
	assert_int_equal(s->ops->versions(s, LIVE NAME, NULL, 0, &page, NULL), 0);
	assert_int_equal(page.count, 0);
	store_versions_free(&page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
		T(without_a_tombstone_nothing_moves), T(all_of_it_moves), T(the_log_knows_before_the_seal_goes), T(its_grace_goes_on_there), T(a_damaged_object_moves_as_it_is),
		T(a_copy_that_is_not_the_same_removes_nothing), T(what_was_written_over_is_not_removed), T(after_a_kill_anywhere_it_goes_on),
		T(a_mover_that_lives_is_waited_for), T(of_two_movers_none_removes_what_is_new), T(a_deletion_that_has_begun_is_finished_first),
		T(versions_do_not_stay_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a sealed backup that is being written over: all of it, or nothing is said to be kept. */
#include "sealed.h"

#include "base/clock.h"
#include "vault/backup.h"
#include "vault/tombstone.h"

#include <errno.h>
#include <stdio.h>

#define STEM "db-20260101-000000"
#define BACK "back-20260101-000000"
#define GRACE 1000

static int copy(struct kit *k)
{
	return trash_copy(k->v, "acme", STEM, "a file was overwritten", GRACE, NULL);
}

static enum backup_state state_of(struct kit *k, const char *stem)
{
	AUTO(catalog_free) struct catalog c = { 0 };
	struct catalog_options options = { .only = stem };

	assert_int_equal(catalog_read(k->v, "acme", &options, &c, NULL), 0);
	assert_int_equal(c.count, 1);
	return c.backups[0].state;
}

static void as_it_was(struct kit *k)
{
	assert_int_equal(kit_raw_count(k->bucket, LIVE STEM), 6);
	assert_int_equal(state_of(k, STEM), BACKUP_SEALED);
	assert_int_equal(kit_raw_count(k->bucket, RECORDS "tombstones/"), 0);
}

/* All that is in the trash, by the records that name it. */
static size_t listed(struct kit *k, char id[33])
{
	AUTO(trash_list_free) struct trash_list t = { 0 };

	assert_int_equal(trash_list(k->v, "acme", &t, NULL), 0);
	for (size_t i = 0; i < t.count; i++) {
		assert_string_equal(t.items[i].stem, STEM);
		assert_int_equal(t.items[i].objects, 6);
		assert_in_range(t.items[i].until_s - t.items[i].at_s, GRACE, GRACE + 2); /* the listing began a little earlier */
		assert_true(t.items[i].trashed && t.items[i].at_s >= clock_wall_s() - 60);
		memcpy(id, t.items[i].id, 33);
	}
	return t.count;
}

static void restored(struct kit *k, const char *id)
{
	assert_int_equal(tombstone_undelete(k->v, "acme", STEM, id, BACK, NULL), 0);
	assert_int_equal(state_of(k, BACK), BACKUP_SEALED);
	assert_int_equal(kit_raw_count(k->bucket, LIVE BACK), 6);
}

static void make(struct kit *k)
{
	sealed_make(k, STEM);
	sealed_put(k, STEM "/large", "", STATE_CLOSED);
	object_unref(kit_file(k, LIVE STEM "/large", 350000, 7)); /* over one copy */
	sealed_seal(k, STEM, NULL);
}

static void all_of_it_is_kept(void **state)
{
	struct kit *k = *state;
	char id[33];

	make(k);
	sealed_make(k, "db-20260101-000001");
	assert_int_equal(copy(k), 0);
	as_it_was(k);
	assert_int_equal(listed(k, id), 1);
	kit_raw_remove(k->bucket, sealed_key(STEM, "a")); /* whatever becomes of the one in place */
	kit_raw_flip(k->bucket, RECORDS "seals/" STEM, 600);
	restored(k, id);
}

static void nothing_is_kept_of_nothing(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();

	assert_int_equal(copy(k), ENOENT);
	assert_int_equal(kit_raw_count(k->bucket, RECORDS "trash/"), 0);
	make(k);
	kit_close(k);
	config.read_only = true;
	kit_open(k, &config, KIT_KEY);
	assert_int_equal(copy(k), EROFS);
	assert_int_equal(kit_raw_count(k->bucket, RECORDS "trash/"), 0);
}

/* A seal that is damaged is no loss of this copy's; one that cannot be read is. */
static void without_its_seal(void **state)
{
	struct kit *k = *state;
	char id[33];

	make(k);
	kit_log_begin();
	kit_fault(k, STORE_GET, "seals/", 0, 1, FAULT_FAIL, EREMOTEIO);
	assert_int_equal(copy(k), EREMOTEIO);
	kit_fault(k, STORE_GET, "seals/", 0, 1, FAULT_FAIL, ENOKEY);
	assert_int_equal(copy(k), ENOKEY);
	assert_int_equal(kit_raw_count(k->bucket, RECORDS "trash/"), 0);
	kit_raw_flip(k->bucket, RECORDS "seals/" STEM, 600);
	assert_int_equal(copy(k), 0);
	free(kit_log_end());
	assert_int_equal(listed(k, id), 1);
}

/* Each request of it fails once, and for good: what is said to be kept is whole, what stands is as it was, and the next try does it. */
static void after_a_failure_anywhere(void **state)
{
	static const enum store_op ops[] = { STORE_GET, STORE_HEAD, STORE_LIST, STORE_PUT, STORE_COPY, STORE_BEGIN, STORE_PART_COPY, STORE_COMPLETE };
	static const enum fault_action actions[] = { FAULT_FAIL, FAULT_LOSE_REPLY };
	struct kit *k = *state;
	unsigned failures = 0;
	char id[33];

	make(k);
	assert_int_equal(copy(k), 0); /* the first write of this vault is over */
	assert_int_equal(listed(k, id), 1);
	for (size_t a = 0; a < ARRAY_LEN(actions); a++)
		for (size_t op = 0; op < ARRAY_LEN(ops); op++)
			for (unsigned n = 0;; n++) {
				size_t before = listed(k, id);
				size_t after;
				unsigned hits = fault_store_hits(k->fault);
				int rc;
				bool hit;

				if (actions[a] == FAULT_LOSE_REPLY && (ops[op] == STORE_GET || ops[op] == STORE_HEAD || ops[op] == STORE_LIST))
					break;
				kit_log_begin();
				kit_fault(k, ops[op], NULL, n, a == 0 ? 0 : 1, actions[a], EREMOTEIO);
				rc = copy(k);
				hit = fault_store_hits(k->fault) > hits;
				fault_store_clear(k->fault);
				free(kit_log_end());
				as_it_was(k);
				after = listed(k, id);
				assert_true(after == before + (rc == 0) || (rc && after == before + 1)); /* a reply that was lost */
				assert_true(rc == 0 || hit);
				failures += rc != 0;
				if (!hit)
					break;
			}
	assert_true(failures > 8);
	assert_int_equal(copy(k), 0);
	listed(k, id);
	restored(k, id);
}

/* An object that is replaced while it is copied is not what the seal lists: nothing is kept under its name. */
static void replace(void *arg)
{
	struct kit *k = arg;

	kit_raw_put(k->bucket, LIVE STEM "/db/b", "another", 7);
}

static void what_changes_meanwhile_is_not_kept(void **state)
{
	struct kit *k = *state;
	char id[33];

	make(k);
	kit_log_begin();
	kit_callback(k, STORE_COPY, "trash/", replace, k);
	assert_int_equal(copy(k), ESTALE);
	free(kit_log_end());
	assert_int_equal(listed(k, id), 0);
	assert_int_equal(kit_raw_count(k->bucket, RECORDS "trash/"), 0); /* what was copied is not left lying about */
}

#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(all_of_it_is_kept),
		T(nothing_is_kept_of_nothing),
		T(without_its_seal),
		T(after_a_failure_anywhere),
		T(what_changes_meanwhile_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

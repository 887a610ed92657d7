/* SPDX-License-Identifier: Apache-2.0 */
/* Names and attributes of a sealed backup come from its seal; where it says nothing, or may be old, from the store. */
#include "tests/unit/fs/drive.h"

#include "base/clock.h"
#include "fs/sets.h"
#include "fs/shelf.h"
#include "vault/sealer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define KEY(name) "backups/t/" name
#define NAME "x-20261101"

static const struct sealer_options ASKED = { .source = SEAL_REQUEST };

static void seal(struct drive *d)
{
	enum sealer_answer answer;
	char reason[200] = "";

	assert_int_equal(sealer_run(d->kit.v, "t", NAME, &ASKED, &answer, reason, sizeof(reason), NULL, NULL), 0);
	assert_int_equal(answer, SEALER_DONE);
}

/* x-20261101/{a/{b/1,link,nothing},a-b/1,empty/,two}, sealed, and seen by a mount that knows nothing. */
static void make_sealed(struct drive *d)
{
	struct stat st = { .st_mode = 0600, .st_uid = 5, .st_gid = 6 };
	uint64_t top, a, b;

	assert_int_equal(drive_mkdir(d, DRIVE_ROOT, NAME), 0);
	top = drive_id(d, DRIVE_ROOT, NAME);
	assert_int_equal(drive_mkdir(d, top, "a"), 0);
	assert_int_equal(drive_mkdir(d, top, "a-b"), 0);
	assert_int_equal(drive_mkdir(d, top, "empty"), 0);
	a = drive_id(d, top, "a");
	assert_int_equal(drive_mkdir(d, a, "b"), 0);
	b = drive_id(d, a, "b");
	assert_int_equal(drive_put(d, b, "1", "one"), 0);
	assert_int_equal(drive_put(d, a, "nothing", ""), 0);
	assert_int_equal(drive_symlink(d, a, "link", "b/1"), 0);
	assert_int_equal(drive_put(d, drive_id(d, top, "a-b"), "1", "another"), 0);
	assert_int_equal(drive_put(d, top, "two", "22"), 0);
	assert_int_equal(drive_setattr(d, drive_id(d, top, "two"), NULL, SET_MODE | SET_UID | SET_GID, &st), 0);
	assert_int_equal(settle_all(d->fs, clock_mono_ms() + 5000), 0);
	drive_again(d);
	seal(d);
	drive_again(d);
}

static uint64_t reads(struct drive *d)
{
	return kit_calls(&d->kit, STORE_GET);
}

static void one_get_a_backup(void **state)
{
	struct drive *d = *state;
	struct answer a;
	uint64_t top, inner;

	make_sealed(d);
	uint64_t before = reads(d), lists = kit_calls(&d->kit, STORE_LIST);

	drive_list(d, DRIVE_ROOT, false, &a);
	assert_string_equal(a.bytes, NAME "/\n");
	top = drive_id(d, DRIVE_ROOT, NAME);
	drive_list(d, top, false, &a);
	assert_string_equal(a.bytes, "a/\na-b/\nempty/\ntwo?\n");
	drive_lookup(d, top, "two", &a);
	assert_int_equal(a.st.st_mode, S_IFREG | 0600);
	assert_int_equal(a.st.st_uid, 5);
	assert_int_equal(a.st.st_gid, 6);
	assert_int_equal(a.st.st_size, 2);
	inner = drive_id(d, top, "a");
	drive_list(d, inner, false, &a);
	assert_string_equal(a.bytes, "b/\nlink?\nnothing?\n");
	drive_lookup(d, inner, "link", &a);
	assert_true(S_ISLNK(a.st.st_mode));
	drive_lookup(d, inner, "nothing", &a);
	assert_int_equal(a.st.st_size, 0);
	assert_false(drive_exists(d, inner, "c"));
	drive_list(d, drive_id(d, top, "empty"), false, &a);
	assert_string_equal(a.bytes, "");
	drive_lookup(d, drive_id(d, inner, "b"), "1", &a);
	assert_int_equal(a.st.st_size, 3);
	assert_int_equal(reads(d) - before, 1);
	assert_int_equal(kit_calls(&d->kit, STORE_LIST) - lists, 5); /* the tenant's folder and its tombstones; seals, reopened ones, tombstones */
}

static void what_is_read_is_loaded(void **state)
{
	struct drive *d = *state;
	struct answer a;
	uint64_t top, inner;
	struct stat st = { .st_mode = 0640 };

	make_sealed(d);
	top = drive_id(d, DRIVE_ROOT, NAME);
	inner = drive_id(d, top, "a");
	drive_get(d, drive_id(d, inner, "b"), "1", &a);
	assert_string_equal(a.bytes, "one");
	drive_readlink(d, drive_id(d, inner, "link"), &a);
	assert_string_equal(a.bytes, "b/1");
	assert_int_equal(sealer_reopen(d->kit.v, "t", NAME, "the gate does it", NULL), 0);
	assert_int_equal(drive_setattr(d, drive_id(d, top, "two"), NULL, SET_MODE, &st), 0);
	assert_int_equal(settle_all(d->fs, clock_mono_ms() + 5000), 0);
	drive_again(d);
	top = drive_id(d, DRIVE_ROOT, NAME);
	drive_lookup(d, top, "two", &a);
	assert_int_equal(a.st.st_mode, S_IFREG | 0640);
	assert_int_equal(a.st.st_uid, 5);
	assert_int_equal(drive_rename(d, top, "two", top, "three", 0), 0);
	drive_get(d, top, "three", &a);
	assert_string_equal(a.bytes, "22");
	assert_int_equal(drive_unlink(d, top, "three"), 0);
}

/* Another mount has begun to change it: its seal is no longer believed. */
static void a_reopened_one_is_asked_for(void **state)
{
	struct drive *d = *state;
	struct answer a;
	uint64_t top, before;

	make_sealed(d);
	assert_int_equal(sealer_reopen(d->kit.v, "t", NAME, "a test", NULL), 0);
	kit_raw_remove(d->kit.bucket, KEY(NAME "/a-b/1"));
	before = reads(d);
	top = drive_id(d, DRIVE_ROOT, NAME);
	drive_list(d, drive_id(d, top, "a-b"), false, &a);
	assert_string_equal(a.bytes, "");
	drive_lookup(d, top, "two", &a);
	assert_int_equal(a.st.st_size, 2);
	assert_true(reads(d) - before > 1);
}

static void records_that_may_not_be_listed(void **state)
{
	struct drive *d = *state;
	struct answer a;
	uint64_t top, lists;

	make_sealed(d);
	kit_fault(&d->kit, STORE_LIST, "/seals/", 0, 1000, FAULT_FAIL, EACCES);
	top = drive_id(d, DRIVE_ROOT, NAME);
	lists = kit_calls(&d->kit, STORE_LIST);
	drive_lookup(d, top, "two", &a);
	assert_int_equal(a.st.st_mode, S_IFREG | 0600);
	drive_lookup(d, top, "a", &a);
	assert_int_equal(a.error, 0);
	assert_true(kit_calls(&d->kit, STORE_LIST) - lists <= 1); /* of the folder itself: the other is not tried again */
}

static void what_is_gone_is_an_error_and_no_absence(void **state)
{
	struct drive *d = *state;
	struct answer a;
	uint64_t top;

	make_sealed(d);
	kit_raw_remove(d->kit.bucket, KEY(NAME "/two"));
	top = drive_id(d, DRIVE_ROOT, NAME);
	for (int i = 0; i < 2; i++) {
		drive_lookup(d, top, "two", &a);
		assert_int_equal(a.error, 0);
		assert_int_equal(a.st.st_size, 2);
		drive_open(d, a.id, O_RDONLY, 0, &a);
		assert_int_equal(a.error, EIO);
	}
}

static void what_was_replaced_is_an_error(void **state)
{
	struct drive *d = *state;
	struct answer a;
	uint8_t *other;
	size_t len;

	make_sealed(d);
	len = kit_raw_get(d->kit.bucket, KEY(NAME "/a/b/1"), &other, NULL);
	kit_raw_put(d->kit.bucket, KEY(NAME "/two"), other, len);
	free(other);
	uint64_t top = drive_id(d, DRIVE_ROOT, NAME);

	for (int i = 0; i < 2; i++) {
		drive_lookup(d, top, "two", &a);
		drive_open(d, a.id, O_RDONLY, 0, &a);
		if (a.error != ESTALE) /* the first time: the kernel would ask again */
			assert_int_equal(a.error, EIO);
	}
	assert_int_equal(a.error, EIO);
}

/* ---- the shelf */

static bool on_shelf(struct drive *d, struct shelf_says *says)
{
	bool found;

	fs_lock(d->fs);
	found = shelf_find(d->fs, "t", NAME, says);
	fs_unlock(d->fs);
	return found;
}

static void expire(void *arg)
{
	struct drive *d = arg;

	fs_lock(d->fs);
	shelf_expire(d->fs, "t");
	fs_unlock(d->fs);
}

static void a_shelf_is_asked_once(void **state)
{
	struct drive *d = *state;
	struct shelf_says says;
	uint64_t before;

	make_sealed(d);
	before = kit_calls(&d->kit, STORE_LIST);
	assert_false(on_shelf(d, &says));
	assert_int_equal(shelf_ask(d->fs, "t", NULL), 0);
	assert_int_equal(shelf_ask(d->fs, "t", NULL), 0);
	assert_int_equal(kit_calls(&d->kit, STORE_LIST) - before, 3);
	assert_true(on_shelf(d, &says));
	assert_true(says.sealed);
	assert_false(says.deleted);
	assert_false(says.reopened);
	expire(d);
	assert_false(on_shelf(d, &says));
	assert_int_equal(sealer_reopen(d->kit.v, "t", NAME, "a test", NULL), 0);
	assert_int_equal(shelf_ask(d->fs, "t", NULL), 0);
	assert_int_equal(kit_calls(&d->kit, STORE_LIST) - before, 6);
	assert_true(on_shelf(d, &says));
	assert_true(says.reopened);
}

/* A record that is written while the listings are under way may be missing in them. */
static void a_shelf_that_expired_meanwhile_is_not_believed(void **state)
{
	struct drive *d = *state;
	struct shelf_says says;

	make_sealed(d);
	kit_callback(&d->kit, STORE_LIST, "/reopen/", expire, d);
	assert_int_equal(shelf_ask(d->fs, "t", NULL), 0);
	assert_false(on_shelf(d, &says));
	assert_int_equal(shelf_ask(d->fs, "t", NULL), 0);
	assert_true(on_shelf(d, &says));
}

static void a_shelf_that_cannot_be_listed(void **state)
{
	struct drive *d = *state;
	struct shelf_says says;

	make_sealed(d);
	kit_fault(&d->kit, STORE_LIST, "/tombstones/", 0, 1, FAULT_FAIL, EPROTO);
	assert_int_equal(shelf_ask(d->fs, "t", NULL), EPROTO);
	assert_false(on_shelf(d, &says));
	assert_int_equal(shelf_ask(d->fs, "t", NULL), 0);
	assert_true(on_shelf(d, &says));
}

int main(void)
{
#define DRIVE_TEST(f) cmocka_unit_test_setup_teardown(f, drive_setup, drive_teardown)
	const struct CMUnitTest tests[] = {
		DRIVE_TEST(one_get_a_backup), DRIVE_TEST(what_is_read_is_loaded), DRIVE_TEST(a_reopened_one_is_asked_for), DRIVE_TEST(records_that_may_not_be_listed),
		DRIVE_TEST(what_is_gone_is_an_error_and_no_absence), DRIVE_TEST(what_was_replaced_is_an_error), DRIVE_TEST(a_shelf_is_asked_once),
		DRIVE_TEST(a_shelf_that_expired_meanwhile_is_not_believed), DRIVE_TEST(a_shelf_that_cannot_be_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fs/drive.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define KEY(name) "backups/t/" name

static int move(struct drive *d, const char *from, const char *to)
{
	return drive_rename(d, DRIVE_ROOT, from, DRIVE_ROOT, to, 0);
}

static void check_content(struct drive *d, const char *name, const char *want)
{
	struct answer a;

	drive_get(d, DRIVE_ROOT, name, &a);
	assert_int_equal(a.error, 0);
	assert_string_equal(a.bytes, want);
}

static void closed_files(void **state)
{
	struct drive *d = *state;
	uint64_t id, folder;

	drive_put(d, DRIVE_ROOT, "a", "content");
	drive_mkdir(d, DRIVE_ROOT, "d");
	id = drive_id(d, DRIVE_ROOT, "a");
	folder = drive_id(d, DRIVE_ROOT, "d");
	assert_int_equal(drive_rename(d, DRIVE_ROOT, "a", folder, "b", 0), 0);
	assert_false(drive_exists(d, DRIVE_ROOT, "a"));
	assert_int_equal(drive_id(d, folder, "b"), id); /* the same inode */
	assert_false(drive_stands(d, KEY("a")));
	assert_true(drive_stands(d, KEY("d/b")));
	assert_int_equal(drive_rename(d, folder, "b", folder, "b", 0), 0);
	drive_again(d);
	assert_int_equal(drive_rename(d, drive_id(d, DRIVE_ROOT, "d"), "b", DRIVE_ROOT, "c", 0), 0); /* not loaded yet */
	check_content(d, "c", "content");
}

static void over_another(void **state)
{
	struct drive *d = *state;
	uint64_t old;
	struct answer a;

	drive_put(d, DRIVE_ROOT, "a", "new");
	drive_put(d, DRIVE_ROOT, "b", "old");
	old = drive_id(d, DRIVE_ROOT, "b");
	assert_int_equal(drive_rename(d, DRIVE_ROOT, "a", DRIVE_ROOT, "b", RENAME_NOREPLACE), EEXIST);
	assert_int_equal(drive_rename(d, DRIVE_ROOT, "a", DRIVE_ROOT, "b", RENAME_EXCHANGE), EINVAL);
	assert_int_equal(move(d, "a", "b"), 0);
	check_content(d, "b", "new");
	assert_int_not_equal(drive_id(d, DRIVE_ROOT, "b"), old);
	drive_getattr(d, old, &a);
	assert_int_equal(a.st.st_nlink, 0);
	drive_again(d);
	check_content(d, "b", "new");
	assert_false(drive_exists(d, DRIVE_ROOT, "a"));
}

static void open_files(void **state)
{
	struct drive *d = *state;
	struct answer a;

	drive_create(d, DRIVE_ROOT, "tmp", getpid(), &a);
	drive_write(d, a.handle, 0, "first", 5);
	assert_int_equal(move(d, "tmp", "final"), 0);
	drive_write(d, a.handle, 5, " second", 7); /* data comes after the rename, too */
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
	drive_release(d, a.handle);
	assert_false(drive_stands(d, KEY("tmp")));
	drive_again(d);
	check_content(d, "final", "first second");
}

static void empty_and_open(void **state)
{
	struct drive *d = *state;
	struct answer a;

	drive_create(d, DRIVE_ROOT, "tmp", getpid(), &a);
	assert_int_equal(move(d, "tmp", "final"), 0);
	assert_true(drive_stands(d, KEY("final"))); /* a rename commits what holds no bytes yet */
	drive_release(d, a.handle);
	assert_false(drive_stands(d, KEY("tmp")));
}

static void over_an_open_one(void **state)
{
	struct drive *d = *state;
	struct answer a;

	drive_put(d, DRIVE_ROOT, "target", "old");
	drive_put(d, DRIVE_ROOT, "source", "new");
	drive_open(d, drive_id(d, DRIVE_ROOT, "target"), O_RDWR, getpid(), &a);
	drive_write(d, a.handle, 0, "dirty", 5);
	assert_int_equal(move(d, "source", "target"), 0);
	drive_write(d, a.handle, 5, " more", 5);
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0); /* of an inode that has no name any more */
	drive_release(d, a.handle);
	drive_again(d);
	check_content(d, "target", "new");
}

static void over_one_that_was_never_stored(void **state)
{
	struct drive *d = *state;
	struct answer a;

	drive_put(d, DRIVE_ROOT, "source", "new");
	drive_create(d, DRIVE_ROOT, "target", getpid(), &a);
	drive_write(d, a.handle, 0, "dirty", 5);
	assert_int_equal(move(d, "source", "target"), 0);
	drive_flush(d, a.handle, getpid());
	drive_release(d, a.handle);
	drive_again(d);
	check_content(d, "target", "new");
}

static void onto_a_name_whose_removal_waits(void **state)
{
	struct drive *d = *state;

	drive_put(d, DRIVE_ROOT, "old", "old");
	drive_put(d, DRIVE_ROOT, "new", "new");
	assert_int_equal(drive_unlink(d, DRIVE_ROOT, "old"), 0);
	assert_int_equal(move(d, "new", "old"), 0);
	assert_int_equal(tree_send_removals(d->kit.v, ""), 0);
	check_content(d, "old", "new");
	drive_again(d);
	check_content(d, "old", "new");
}

static void attributes_ride_along(void **state)
{
	struct drive *d = *state;
	struct stat st = { .st_mode = 0600, .st_mtim = { 1000000, 5 } };
	struct trailer t;

	drive_put(d, DRIVE_ROOT, ".tmp", "rsync");
	assert_int_equal(drive_setattr(d, drive_id(d, DRIVE_ROOT, ".tmp"), NULL, SET_MODE | SET_MTIME, &st), 0);
	assert_int_equal(move(d, ".tmp", "f"), 0);
	drive_trailer(d, KEY("f"), &t);
	assert_int_equal(t.mode, 0600);
	assert_int_equal(t.mtime.tv_sec, 1000000);
	assert_int_equal(t.mtime.tv_nsec, 5);
	assert_int_equal(settle_count(d->fs), 0);
}

static void folders(void **state)
{
	struct drive *d = *state;
	struct stat st = { .st_mode = 0711 };
	uint64_t id;

	drive_mkdir(d, DRIVE_ROOT, "empty");
	id = drive_id(d, DRIVE_ROOT, "empty");
	drive_setattr(d, id, NULL, SET_MODE, &st);
	drive_mkdir(d, DRIVE_ROOT, "full");
	drive_put(d, drive_id(d, DRIVE_ROOT, "full"), "f", "x");
	drive_put(d, DRIVE_ROOT, "file", "x");

	assert_int_equal(move(d, "full", "other"), EXDEV); /* mv copies */
	assert_int_equal(move(d, "empty", "full"), ENOTEMPTY);
	assert_int_equal(move(d, "empty", "file"), ENOTDIR);
	assert_int_equal(move(d, "file", "empty"), EISDIR);
	assert_int_equal(move(d, "empty", "moved"), 0);
	assert_false(drive_stands(d, KEY("empty/")));
	assert_int_equal(drive_id(d, DRIVE_ROOT, "moved"), id);
	assert_int_equal(drive_put(d, id, "f", "in the moved one"), 0);
	assert_true(drive_stands(d, KEY("moved/f")));
	drive_mkdir(d, DRIVE_ROOT, "a");
	drive_mkdir(d, DRIVE_ROOT, "b");
	assert_int_equal(move(d, "a", "b"), 0);
	drive_again(d);
	struct answer a;

	drive_lookup(d, DRIVE_ROOT, "moved", &a);
	assert_int_equal(a.st.st_mode & 07777, 0711);
	assert_false(drive_exists(d, DRIVE_ROOT, "a"));
	assert_true(drive_exists(d, DRIVE_ROOT, "b"));
}

static void symlinks(void **state)
{
	struct drive *d = *state;
	struct answer a;

	drive_symlink(d, DRIVE_ROOT, "l", "target");
	assert_int_equal(move(d, "l", "m"), 0);
	drive_again(d);
	drive_readlink(d, drive_id(d, DRIVE_ROOT, "m"), &a);
	assert_string_equal(a.bytes, "target");
}

static void replace_target(void *arg)
{
	struct drive *d = arg;
	struct store_meta meta;
	uint8_t *bytes;
	size_t n = kit_raw_get(d->kit.bucket, KEY("other"), &bytes, &meta);

	kit_raw_put(d->kit.bucket, KEY("target"), bytes, n);
	free(bytes);
}

static void somebody_else_was_there(void **state)
{
	struct drive *d = *state;

	drive_put(d, DRIVE_ROOT, "source", "mine");
	drive_put(d, DRIVE_ROOT, "other", "theirs");
	kit_callback(&d->kit, STORE_COPY, "target", replace_target, d);
	assert_int_equal(move(d, "source", "target"), ESTALE); /* the kernel looks again, and asks again */
	check_content(d, "source", "mine");
	check_content(d, "target", "theirs");
	assert_int_equal(move(d, "source", "target"), 0);
	drive_again(d);
	check_content(d, "target", "mine");
}

static void a_failed_move_changes_nothing(void **state)
{
	struct drive *d = *state;

	drive_put(d, DRIVE_ROOT, "source", "mine");
	drive_put(d, DRIVE_ROOT, "target", "old");
	kit_fault(&d->kit, STORE_COPY, "target", 0, 0, FAULT_FAIL, EACCES);
	kit_fault(&d->kit, STORE_PUT, "target", 0, 0, FAULT_FAIL, EACCES);
	assert_int_not_equal(move(d, "source", "target"), 0);
	fault_store_clear(d->kit.fault);
	check_content(d, "source", "mine");
	check_content(d, "target", "old");
	drive_again(d);
	check_content(d, "source", "mine");
	check_content(d, "target", "old");
}

/* ---- the old name cannot be removed: then the file stays there, whatever stands at the new name */

enum moved_as { CLOSED, OPEN_CLEAN, OPEN_DIRTY, OPEN_OVERWRITTEN, OPEN_TRUNCATED, WAYS };

/* Makes "source" hold "first" and opens it as said. */
static void ready(struct drive *d, enum moved_as how, struct answer *a)
{
	drive_put(d, DRIVE_ROOT, "source", "first");
	if (how == CLOSED)
		return;
	drive_open(d, drive_id(d, DRIVE_ROOT, "source"), how == OPEN_TRUNCATED ? O_RDWR | O_TRUNC : O_RDWR, getpid(), a);
	assert_int_equal(a->error, 0);
	if (how == OPEN_DIRTY)
		drive_write(d, a->handle, 5, " more", 5);
	if (how == OPEN_OVERWRITTEN || how == OPEN_TRUNCATED)
		drive_write(d, a->handle, 0, "FIRST", 5);
}

static const char *const after_move[] = { "first", "first", "first more", "FIRST", "FIRST" };

static void fail_to_remove(struct drive *d, const char *to)
{
	kit_fault(&d->kit, STORE_REMOVE, "source", 0, 0, FAULT_FAIL, EACCES);
	assert_int_equal(move(d, "source", to), EACCES);
	fault_store_clear(d->kit.fault);
}

static void stays_where_its_old_name_cannot_go(void **state)
{
	struct drive *d = *state;

	for (enum moved_as how = CLOSED; how < WAYS; how++) {
		struct answer a, b;

		drive_put(d, DRIVE_ROOT, "target", "old");
		ready(d, how, &a);
		fail_to_remove(d, "target");
		check_content(d, "source", after_move[how]);
		check_content(d, "target", after_move[how]); /* it was replaced */
		if (how != CLOSED) { /* what goes on in the open file goes on under its name */
			drive_write(d, a.handle, 0, "again", 5);
			assert_int_equal(drive_fsync(d, a.handle), 0);
			drive_release(d, a.handle);
		}
		drive_open(d, drive_id(d, DRIVE_ROOT, "source"), O_RDWR, getpid(), &b);
		drive_write(d, b.handle, 0, "AGAIN", 5);
		assert_int_equal(drive_flush(d, b.handle, getpid()), 0);
		drive_release(d, b.handle);
		drive_again(d);

		char want[16];

		snprintf(want, sizeof(want), "AGAIN%s", after_move[how] + 5);
		check_content(d, "source", want);
		check_content(d, "target", after_move[how]);
		assert_int_equal(drive_unlink(d, DRIVE_ROOT, "source"), 0);
		assert_int_equal(drive_unlink(d, DRIVE_ROOT, "target"), 0);
	}
}

static void a_second_try_moves_it(void **state)
{
	struct drive *d = *state;

	for (enum moved_as how = CLOSED; how < WAYS; how++) {
		struct answer a;

		ready(d, how, &a);
		fail_to_remove(d, "target");
		assert_int_equal(move(d, "source", "target"), 0);
		if (how != CLOSED) {
			assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
			drive_release(d, a.handle);
		}
		assert_false(drive_exists(d, DRIVE_ROOT, "source"));
		drive_again(d);
		assert_false(drive_exists(d, DRIVE_ROOT, "source"));
		check_content(d, "target", after_move[how]);
		assert_int_equal(drive_unlink(d, DRIVE_ROOT, "target"), 0);
	}
}

static void the_failed_removal_of_another_is_not_the_moves(void **state)
{
	struct drive *d = *state;

	drive_put(d, DRIVE_ROOT, "source", "mine");
	drive_put(d, DRIVE_ROOT, "other", "x");
	kit_fault(&d->kit, STORE_REMOVE, "other", 0, 0, FAULT_FAIL, EACCES);
	assert_int_equal(drive_unlink(d, DRIVE_ROOT, "other"), 0);
	while (fault_store_hits(d->kit.fault) == 0 || tree_removal_waits(d->kit.v, KEY("other")))
		clock_sleep_ms(2);
	fault_store_clear(d->kit.fault);
	assert_int_equal(move(d, "source", "target"), 0);
	assert_int_equal(drive_fsyncdir(d, DRIVE_ROOT), EIO); /* this is told */
	drive_again(d);
	check_content(d, "target", "mine");
	check_content(d, "other", "x");
	assert_false(drive_exists(d, DRIVE_ROOT, "source"));
}

static void a_folder_stays_too(void **state)
{
	struct drive *d = *state;
	uint64_t id;

	drive_mkdir(d, DRIVE_ROOT, "source");
	id = drive_id(d, DRIVE_ROOT, "source");
	fail_to_remove(d, "target");
	assert_int_equal(drive_id(d, DRIVE_ROOT, "source"), id);
	assert_int_equal(drive_put(d, id, "f", "in it"), 0);
	assert_true(drive_stands(d, KEY("source/f")));
	assert_true(drive_exists(d, DRIVE_ROOT, "target"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, drive_setup, drive_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(closed_files),
		TEST(over_another),
		TEST(open_files),
		TEST(empty_and_open),
		TEST(over_an_open_one),
		TEST(over_one_that_was_never_stored),
		TEST(onto_a_name_whose_removal_waits),
		TEST(attributes_ride_along),
		TEST(folders),
		TEST(symlinks),
		TEST(somebody_else_was_there),
		TEST(a_failed_move_changes_nothing),
		TEST(stays_where_its_old_name_cannot_go),
		TEST(a_second_try_moves_it),
		TEST(the_failed_removal_of_another_is_not_the_moves),
		TEST(a_folder_stays_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

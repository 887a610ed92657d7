/* SPDX-License-Identifier: Apache-2.0 */
/* Finding, making, removing and moving names. */
#include "tests/unit/fs/drive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define KEY(name) "backups/t/" name

static uint64_t lists(struct drive *d)
{
	return kit_calls(&d->kit, STORE_LIST);
}

static uint64_t all(struct drive *d)
{
	return kit_all_calls(&d->kit);
}

static void one_listing_answers_a_folder(void **state)
{
	struct drive *d = *state;
	uint64_t before;

	assert_false(drive_exists(d, DRIVE_ROOT, "a"));
	before = all(d);
	for (int i = 0; i < 10; i++)
		assert_false(drive_exists(d, DRIVE_ROOT, "b"));
	assert_int_equal(all(d), before);
	assert_int_equal(drive_put(d, DRIVE_ROOT, "a", "x"), 0);
	before = all(d);
	assert_true(drive_exists(d, DRIVE_ROOT, "a"));
	assert_int_equal(all(d), before);
}

static void a_made_folder_needs_no_listing(void **state)
{
	struct drive *d = *state;
	struct answer a;
	uint64_t folder, before, file;

	assert_int_equal(drive_mkdir(d, DRIVE_ROOT, "d"), 0);
	folder = drive_id(d, DRIVE_ROOT, "d");
	before = lists(d);
	assert_false(drive_exists(d, folder, "x"));
	assert_int_equal(drive_put(d, folder, "x", "1"), 0);
	drive_list(d, folder, false, &a);
	assert_string_equal(a.bytes, "x\n");
	file = drive_id(d, folder, "x");
	assert_int_equal(drive_rmdir(d, DRIVE_ROOT, "d"), ENOTEMPTY);
	assert_int_equal(drive_unlink(d, folder, "x"), 0);
	assert_int_equal(drive_rmdir(d, DRIVE_ROOT, "d"), 0);
	assert_int_equal(lists(d), before);
	assert_false(drive_stands(d, KEY("d/")));
	assert_false(drive_stands(d, KEY("d/x")));
	drive_getattr(d, file, &a); /* still held by the kernel */
	assert_int_equal(a.error, 0);
	assert_int_equal(a.st.st_nlink, 0);
}

static void removals_wait_and_are_sent_together(void **state)
{
	struct drive *d = *state;
	uint64_t folder, before;
	char name[16];

	drive_mkdir(d, DRIVE_ROOT, "d");
	folder = drive_id(d, DRIVE_ROOT, "d");
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		drive_put(d, folder, name, "x");
	}
	before = all(d);
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		assert_int_equal(drive_unlink(d, folder, name), 0);
		assert_false(drive_exists(d, folder, name));
	}
	assert_true(all(d) - before <= 1); /* or the clock has sent some */
	assert_int_equal(drive_rmdir(d, DRIVE_ROOT, "d"), 0);
	assert_true(all(d) - before <= 3);
}

static void a_failed_removal_is_told(void **state)
{
	struct drive *d = *state;
	uint64_t folder;

	drive_mkdir(d, DRIVE_ROOT, "d");
	folder = drive_id(d, DRIVE_ROOT, "d");
	drive_put(d, folder, "f", "x");
	kit_fault(&d->kit, STORE_REMOVE, NULL, 0, 0, FAULT_FAIL, EACCES);
	assert_int_equal(drive_unlink(d, folder, "f"), 0);
	assert_int_equal(drive_rmdir(d, DRIVE_ROOT, "d"), EACCES);
	fault_store_clear(d->kit.fault);
	assert_true(drive_exists(d, DRIVE_ROOT, "d"));
	assert_true(drive_exists(d, folder, "f")); /* names that could not be removed are there again */
	assert_int_equal(drive_unlink(d, folder, "f"), 0);
	assert_int_equal(drive_rmdir(d, DRIVE_ROOT, "d"), 0);
}

static void unlinking_what_was_never_stored_is_free(void **state)
{
	struct drive *d = *state;
	struct answer a;
	uint64_t before;

	drive_create(d, DRIVE_ROOT, "f", getpid(), &a);
	before = all(d);
	drive_write(d, a.handle, 0, "x", 1);
	assert_int_equal(drive_unlink(d, DRIVE_ROOT, "f"), 0);
	assert_int_equal(drive_write(d, a.handle, 1, "y", 1), 0);
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
	drive_release(d, a.handle);
	assert_int_equal(all(d), before);
	assert_false(drive_stands(d, KEY("f")));
}

static void unlinked_while_open_is_not_published(void **state)
{
	struct drive *d = *state;
	struct answer a, got;

	drive_put(d, DRIVE_ROOT, "f", "stored");
	drive_open(d, drive_id(d, DRIVE_ROOT, "f"), O_RDWR, getpid(), &a);
	drive_write(d, a.handle, 0, "S", 1);
	assert_int_equal(drive_unlink(d, DRIVE_ROOT, "f"), 0);
	drive_put(d, DRIVE_ROOT, "f", "another");
	drive_write(d, a.handle, 1, "T", 1);
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
	drive_release(d, a.handle);
	drive_again(d);
	drive_get(d, DRIVE_ROOT, "f", &got);
	assert_string_equal(got.bytes, "another");
}

static void links(void **state)
{
	struct drive *d = *state;
	struct answer a;
	char target[SYMLINK_MAX + 2];

	assert_int_equal(drive_symlink(d, DRIVE_ROOT, "l", "some/where"), 0);
	assert_int_equal(drive_symlink(d, DRIVE_ROOT, "l", "other"), EEXIST);
	drive_again(d);
	drive_lookup(d, DRIVE_ROOT, "l", &a);
	assert_true(S_ISLNK(a.st.st_mode));
	assert_int_equal(a.st.st_size, 10);
	drive_readlink(d, a.id, &a);
	assert_string_equal(a.bytes, "some/where");
	memset(target, 'x', sizeof(target) - 1);
	target[sizeof(target) - 1] = '\0';
	assert_int_equal(drive_symlink(d, DRIVE_ROOT, "long", target), ENAMETOOLONG);
}

static void listings_say_what_they_know(void **state)
{
	struct drive *d = *state;
	struct answer a;
	char big[5000];

	memset(big, 'b', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	drive_mkdir(d, DRIVE_ROOT, "folder");
	drive_put(d, DRIVE_ROOT, "big", big);
	drive_put(d, DRIVE_ROOT, "small", "x");
	drive_list(d, DRIVE_ROOT, true, &a);
	assert_string_equal(a.bytes, "big+\nfolder/+\nsmall+\n");
	drive_again(d);
	drive_list(d, DRIVE_ROOT, true, &a); /* names only; what is short might be a link */
	assert_string_equal(a.bytes, "big\nfolder/\nsmall?\n");
	drive_id(d, DRIVE_ROOT, "big"); /* the first in order: those behind it are loaded too */
	drive_quiet(d);
	drive_list(d, DRIVE_ROOT, true, &a);
	assert_string_equal(a.bytes, "big+\nfolder/+\nsmall+\n");
}

static void bad_names(void **state)
{
	struct drive *d = *state;
	char name[257];
	struct answer a;

	memset(name, 'n', 256);
	name[256] = '\0';
	drive_lookup(d, DRIVE_ROOT, name, &a);
	assert_int_equal(a.error, ENAMETOOLONG);
	assert_int_equal(drive_mkdir(d, DRIVE_ROOT, name), ENAMETOOLONG);
	assert_int_equal(drive_unlink(d, DRIVE_ROOT, "none"), ENOENT);
	assert_int_equal(drive_rmdir(d, DRIVE_ROOT, "none"), ENOENT);
	drive_put(d, DRIVE_ROOT, "f", "x");
	drive_mkdir(d, DRIVE_ROOT, "d");
	assert_int_equal(drive_rmdir(d, DRIVE_ROOT, "f"), ENOTDIR);
	assert_int_equal(drive_unlink(d, DRIVE_ROOT, "d"), EISDIR);
	assert_int_equal(drive_mkdir(d, DRIVE_ROOT, "d"), EEXIST);
	assert_int_equal(drive_mkdir(d, DRIVE_ROOT, "f"), EEXIST);
}

static void unreachable_is_not_absent(void **state)
{
	struct drive *d = *state;
	struct answer a;

	drive_put(d, DRIVE_ROOT, "f", "x");
	drive_again(d);
	kit_fault(&d->kit, STORE_LIST, NULL, 0, 1, FAULT_FAIL, EHOSTUNREACH);
	drive_lookup(d, DRIVE_ROOT, "f", &a);
	assert_int_equal(a.error, EIO);
	kit_fault(&d->kit, STORE_GET, NULL, 0, 1, FAULT_FAIL, ETIMEDOUT);
	drive_lookup(d, DRIVE_ROOT, "f", &a);
	assert_int_equal(a.error, ETIMEDOUT);
	assert_true(drive_exists(d, DRIVE_ROOT, "f"));
}

static void root_of_tenants(void **state)
{
	struct drive *d = *state;
	struct answer a;

	drive_create(d, DRIVE_ROOT, "file", getpid(), &a);
	assert_int_equal(a.error, EPERM);
	assert_int_equal(drive_symlink(d, DRIVE_ROOT, "link", "x"), EPERM);
	assert_int_equal(drive_mkdir(d, DRIVE_ROOT, ".pishop"), EPERM);
	assert_int_equal(drive_mkdir(d, DRIVE_ROOT, "acme"), 0);
	assert_int_equal(drive_put(d, drive_id(d, DRIVE_ROOT, "acme"), "f", "x"), 0);
	assert_int_equal(drive_rename(d, drive_id(d, DRIVE_ROOT, "acme"), "f", DRIVE_ROOT, "f", 0), EPERM);
	drive_again(d);
	drive_list(d, DRIVE_ROOT, false, &a);
	assert_string_equal(a.bytes, "acme/\n");
	assert_false(drive_exists(d, DRIVE_ROOT, ".pishop"));
	assert_int_equal(drive_setattr(d, DRIVE_ROOT, NULL, SET_MODE, &(struct stat){ .st_mode = 0700 }), EPERM);
}

static void the_hidden_folder(void **state)
{
	struct drive *d = *state;
	struct answer a, o;
	uint64_t folder = drive_id(d, DRIVE_ROOT, ".pishopfs"), file = drive_id(d, folder, "status.json");

	drive_list(d, DRIVE_ROOT, false, &a);
	assert_string_equal(a.bytes, "");
	drive_list(d, folder, false, &a);
	assert_string_equal(a.bytes, "status.json\n");
	drive_open(d, file, O_RDONLY, getpid(), &o);
	assert_true(o.handle->direct);
	drive_read(d, o.handle, 0, 60000, &a);
	assert_non_null(strstr(a.bytes, "\"state\":\t\"serving\""));
	assert_int_equal(a.bytes[a.len - 1], '\n');
	drive_read(d, o.handle, 1000000, 10, &a);
	assert_int_equal(a.len, 0);
	drive_release(d, o.handle);
	drive_open(d, file, O_WRONLY, getpid(), &o);
	assert_int_equal(o.error, EACCES);
	assert_int_equal(drive_unlink(d, folder, "status.json"), EPERM);
	assert_int_equal(drive_rmdir(d, DRIVE_ROOT, ".pishopfs"), EPERM);
	assert_int_equal(drive_mkdir(d, folder, "x"), EPERM);
	assert_int_equal(drive_mkdir(d, DRIVE_ROOT, ".pishopfs"), EEXIST);
	assert_int_equal(drive_rename(d, folder, "status.json", DRIVE_ROOT, "x", 0), EPERM);
	assert_int_equal(drive_setattr(d, file, NULL, SET_MODE, &(struct stat){ .st_mode = 0777 }), EPERM);
}

static void group_of_the_folder(void **state)
{
	struct drive *d = *state;
	struct stat st = { .st_mode = 02775, .st_gid = 77 };
	struct answer a;
	uint64_t folder;

	drive_mkdir(d, DRIVE_ROOT, "d");
	folder = drive_id(d, DRIVE_ROOT, "d");
	assert_int_equal(drive_setattr(d, folder, NULL, SET_MODE | SET_GID, &st), 0);
	drive_put(d, folder, "f", "x");
	drive_lookup(d, folder, "f", &a);
	assert_int_equal(a.st.st_gid, 77);
	drive_mkdir(d, folder, "sub");
	drive_lookup(d, folder, "sub", &a);
	assert_int_equal(a.st.st_gid, 77);
	assert_true(a.st.st_mode & S_ISGID);
}

static void implied_folders(void **state)
{
	struct drive *d = *state;
	struct answer a;
	uint8_t *bytes;
	struct store_meta meta;
	size_t n;

	drive_put(d, DRIVE_ROOT, "f", "x");
	n = kit_raw_get(d->kit.bucket, KEY("f"), &bytes, &meta);
	kit_raw_put(d->kit.bucket, KEY("implied/deep/f"), bytes, n); /* as from a copy by another tool: no markers */
	free(bytes);
	drive_again(d);
	drive_lookup(d, DRIVE_ROOT, "implied", &a);
	assert_true(S_ISDIR(a.st.st_mode));
	assert_int_equal(a.st.st_mode & 07777, 0755);
	assert_int_equal(a.st.st_uid, 7);
	drive_get(d, drive_id(d, a.id, "deep"), "f", &a);
	assert_string_equal(a.bytes, "x");
	assert_int_equal(drive_rmdir(d, DRIVE_ROOT, "implied"), ENOTEMPTY);
}

static void folder_in_the_place_of_a_file(void **state)
{
	struct drive *d = *state;

	drive_put(d, DRIVE_ROOT, "n", "x");
	assert_int_equal(drive_unlink(d, DRIVE_ROOT, "n"), 0);
	assert_int_equal(drive_mkdir(d, DRIVE_ROOT, "n"), 0); /* at once: the file's removal may not have been sent */
	assert_false(drive_stands(d, KEY("n")));
	assert_int_equal(drive_rmdir(d, DRIVE_ROOT, "n"), 0);
	assert_int_equal(drive_put(d, DRIVE_ROOT, "n", "file again"), 0);
	assert_false(drive_stands(d, KEY("n/")));
}

static void fill(struct drive *d, const char *folder, int count)
{
	char key[64];

	for (int i = 0; i < count; i++) {
		snprintf(key, sizeof(key), "backups/t/%s/f%03d", folder, i);
		kit_raw_put(d->kit.bucket, key, "x", 1);
	}
}

/* Where names are short of memory, folders that nobody is in are forgotten before one that is asked for is refused; what was forgotten is there when it is
 * asked for again. */
static void folders_make_room_for_each_other(void **state)
{
	struct drive *d = *state;
	struct answer a;
	struct tally *names = vault_names(d->kit.v);
	const size_t left = 8000;
	size_t others;
	uint64_t x, y, z, before;

	fill(d, "x", 60);
	fill(d, "y", 60);
	fill(d, "z", 400);
	x = drive_id(d, DRIVE_ROOT, "x");
	y = drive_id(d, DRIVE_ROOT, "y");
	z = drive_id(d, DRIVE_ROOT, "z");
	drive_list(d, x, false, &a);
	assert_int_equal(a.error, 0);
	others = tally_most(names) - tally_bytes(names) - left;
	tally_force(names, others);
	drive_list(d, y, false, &a); /* 60 times 264 bytes */
	assert_int_equal(a.error, 0);
	before = lists(d);
	assert_true(drive_exists(d, x, "f000"));
	assert_false(drive_exists(d, x, "absent"));
	assert_int_equal(lists(d) - before, 6); /* pages of ten, once */
	drive_list(d, z, false, &a);
	assert_int_equal(a.error, ENOMEM);
	drive_list(d, x, false, &a);
	assert_int_equal(a.error, 0);
	assert_int_equal(drive_put(d, x, "new", "text"), 0); /* what is made here is never refused */
	assert_true(drive_exists(d, x, "new"));
	tally_sub(names, others);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, drive_setup, drive_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_listing_answers_a_folder),
		TEST(a_made_folder_needs_no_listing),
		TEST(removals_wait_and_are_sent_together),
		TEST(a_failed_removal_is_told),
		TEST(unlinking_what_was_never_stored_is_free),
		TEST(unlinked_while_open_is_not_published),
		TEST(links),
		TEST(listings_say_what_they_know),
		TEST(bad_names),
		TEST(unreachable_is_not_absent),
		cmocka_unit_test_setup_teardown(root_of_tenants, drive_setup_tenants, drive_teardown),
		TEST(the_hidden_folder),
		TEST(group_of_the_folder),
		TEST(implied_folders),
		TEST(folder_in_the_place_of_a_file),
		TEST(folders_make_room_for_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

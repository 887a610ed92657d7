/* SPDX-License-Identifier: Apache-2.0 */
/* What a change of a sealed, or deleted, backup does first, and that nothing is changed where that cannot be done. */
#include "tests/unit/fs/backups.h"

#include "base/clock.h"
#include "fs/gate_policy.h"
#include "fs/shelf.h"
#include "vault/tombstone.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#define ARCHIVE SET ".tar.gz"
#define QUIET (16 * 60 * 1000)

/* A sealed folder. */
static uint64_t dumped(struct drive *d)
{
	backup_dump(d, SET, true);
	backup_rests(d, SET, QUIET);
	assert_true(drive_stands(d, SEAL));
	return drive_id(d, DRIVE_ROOT, SET);
}

/* The same to a mount that knows nothing of it. */
static uint64_t found(struct drive *d)
{
	dumped(d);
	backups_again(d);
	return drive_id(d, DRIVE_ROOT, SET);
}

static void as_it_was(struct drive *d)
{
	fault_store_clear(d->kit.fault);
	assert_int_equal(backup_state(d, SET), BACKUP_SEALED);
	assert_false(drive_stands(d, TOMBSTONE));
	backup_is(d, SET, SET "\n" SET "/a\n" SET "/metadata.json\n");
}

static size_t kept_copies(struct drive *d)
{
	AUTO(trash_list_free) struct trash_list trash = { 0 };

	assert_int_equal(trash_list(d->kit.v, "t", &trash, NULL), 0);
	return trash.count;
}

/* ---- scratch */

static void *release_later(void *arg)
{
	struct drive *d = arg;

	clock_sleep_ms(200);
	assert_true(drive_stands(d, KEY(SET "/a"))); /* nothing went meanwhile */
	fault_store_release(d->kit.fault);
	return NULL;
}

struct closer {
	struct drive *drive;
	struct handle *handle;
};

static void *let_go(void *arg)
{
	struct closer *c = arg;

	drive_release(c->drive, c->handle);
	return NULL;
}

/* rm -rf behind tar: from the archive's first byte to its seal. */
static void removal_waits_for_the_seal(void **state)
{
	struct drive *d = *state;
	struct closer c = { .drive = d };
	pthread_t close, release;
	struct answer a;
	uint64_t folder;

	backup_dump(d, SET, true);
	folder = drive_id(d, DRIVE_ROOT, SET);
	drive_create(d, DRIVE_ROOT, ARCHIVE, getpid(), &a);
	c.handle = a.handle;
	drive_write(d, a.handle, 0, "archive", 7);
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
	kit_fault(&d->kit, STORE_PUT, "seals/", 0, 1, FAULT_HOLD, 0);
	pthread_create(&close, NULL, let_go, &c);
	while (fault_store_hits(d->kit.fault) == 0)
		clock_sleep_ms(1);
	pthread_create(&release, NULL, release_later, d);
	assert_int_equal(drive_unlink(d, folder, "a"), 0);
	assert_true(drive_stands(d, SEAL));
	pthread_join(close, NULL);
	pthread_join(release, NULL);
	assert_int_equal(drive_unlink(d, folder, "metadata.json"), 0);
	assert_int_equal(drive_rmdir(d, DRIVE_ROOT, SET), 0);
	assert_int_equal(drive_fsyncdir(d, DRIVE_ROOT), 0);
	assert_int_equal(kit_raw_count(d->kit.bucket, KEY(SET "/")), 0);
	assert_false(drive_stands(d, TOMBSTONE));
	backup_is(d, SET, ARCHIVE "\n");
	assert_false(backup_set(d, SET)->touched); /* the seal is as good as it was */
}

/* A folder that is made beside a sealed archive is scratch from its first moment. */
static void scratch_reopens_nothing(void **state)
{
	struct drive *d = *state;

	assert_int_equal(drive_put(d, DRIVE_ROOT, ARCHIVE, "archive"), 0);
	backup_dump(d, SET, true);
	assert_false(drive_stands(d, REOPEN));
	assert_int_equal(backup_set(d, SET)->state, SET_SEALED);
	assert_int_equal(backup_state(d, SET), BACKUP_SEALED);
}

static int remove_all(struct drive *d, uint64_t folder)
{
	int rc;

	kit_log_begin();
	rc = drive_unlink(d, folder, "a");
	if (rc)
		assert_int_equal(drive_rmdir(d, DRIVE_ROOT, SET), rc);
	free(kit_log_end());
	return rc;
}

/* As long as the archive is being written, or its seal fails. */
static void then_it_is_busy(void **state)
{
	struct drive *d = *state;
	struct answer a;
	uint64_t folder;

	d->fs->config.meta_timeout_ms = 100;
	backup_dump(d, SET, true);
	folder = drive_id(d, DRIVE_ROOT, SET);
	drive_create(d, DRIVE_ROOT, ARCHIVE, getpid(), &a);
	assert_int_equal(remove_all(d, folder), EBUSY);
	drive_write(d, a.handle, 0, "archive", 7);
	drive_flush(d, a.handle, getpid());
	assert_int_equal(remove_all(d, folder), EBUSY);
	kit_log_begin();
	kit_fault(&d->kit, STORE_PUT, "seals/", 0, 1, FAULT_FAIL, EREMOTEIO);
	drive_release(d, a.handle);
	free(kit_log_end());
	assert_int_equal(remove_all(d, folder), EBUSY);
	assert_true(drive_stands(d, KEY(SET "/a")));
	assert_int_equal(drive_put(d, folder, "c", "written"), 0); /* only removal waits */
	assert_int_equal(drive_unlink(d, DRIVE_ROOT, ARCHIVE), 0); /* and not that of the archive itself */
	backup_rests(d, SET, 6000);
	assert_int_equal(remove_all(d, folder), 0); /* no archive is left to wait for */
}

/* A folder that its seal lists is no scratch, whatever archive is made beside it; and that archive does not vanish with it. */
static void a_sealed_folder_is_no_scratch(void **state)
{
	struct drive *d = *state;
	uint64_t folder = dumped(d);

	assert_int_equal(drive_put(d, DRIVE_ROOT, ARCHIVE, "archive"), 0);
	backup_is(d, SET, SET "\n" ARCHIVE "\n" SET "/a\n" SET "/metadata.json\n");
	assert_int_equal(remove_all(d, folder), 0);
	assert_false(drive_stands(d, TOMBSTONE));
	assert_int_equal(kept_copies(d), 1);
	assert_int_equal(tree_send_removals(d->kit.v, ""), 0);
	assert_int_equal(sets_seal_all(d->fs, clock_mono_ms() + 5000), 0);
	backup_is(d, SET, SET "\n" ARCHIVE "\n" SET "/metadata.json\n");
	assert_int_equal(backup_state(d, SET), BACKUP_SEALED);
}

/* ---- removal */

static void removal_hides_all_of_it(void **state)
{
	struct drive *d = *state;
	uint64_t folder = found(d);
	struct answer a;

	assert_int_equal(drive_unlink(d, folder, "a"), 0);
	assert_true(drive_stands(d, TOMBSTONE) && drive_stands(d, KEY(SET "/a")) && drive_stands(d, SEAL));
	assert_int_equal(drive_unlink(d, folder, "metadata.json"), 0); /* nothing to be done any more */
	assert_int_equal(drive_rmdir(d, DRIVE_ROOT, SET), 0);
	drive_list(d, DRIVE_ROOT, false, &a);
	assert_null(strstr(a.bytes, SET));
	assert_int_equal(kit_raw_count(d->kit.bucket, KEY(SET "/")), 3);
	assert_int_equal(backup_state(d, SET), BACKUP_DELETED);
	assert_int_equal(tombstone_undelete(d->kit.v, "t", SET, NULL, NULL, NULL), 0);
	as_it_was(d);
}

/* By another mount, or a tool, a moment ago. */
static void somebody_else_hid_it_first(void **state)
{
	struct drive *d = *state;
	uint64_t folder = dumped(d);

	assert_int_equal(tombstone_put(d->kit.v, "t", SET, "by hand", 1000, 0, NULL), 0);
	assert_int_equal(drive_unlink(d, folder, "a"), 0);
	assert_true(drive_stands(d, KEY(SET "/a")));
	assert_int_equal(backup_set(d, SET)->state, SET_DELETED);
}

static void what_changes_a_hidden_one_finds_nothing(void **state)
{
	struct drive *d = *state;
	uint64_t folder = dumped(d), file = drive_id(d, folder, "metadata.json");

	assert_int_equal(drive_unlink(d, folder, "a"), 0);
	assert_int_equal(drive_setattr(d, file, NULL, SET_MODE, &(struct stat){ .st_mode = 0600 }), ESTALE);
	assert_int_equal(drive_rename(d, folder, "metadata.json", folder, "other", 0), ESTALE);
	assert_true(drive_stands(d, TOMBSTONE) && drive_stands(d, KEY(SET "/metadata.json")));
}

static void removal_at_once_where_it_is_allowed(void **state)
{
	struct drive *d = *state;
	uint64_t folder = found(d);

	d->fs->config.on_remove = ON_REMOVE_ALLOW;
	assert_int_equal(drive_unlink(d, folder, "a"), 0);
	assert_int_equal(drive_unlink(d, folder, "metadata.json"), 0);
	assert_true(drive_stands(d, REOPEN));
	assert_int_equal(drive_rmdir(d, DRIVE_ROOT, SET), 0);
	assert_int_equal(drive_fsyncdir(d, DRIVE_ROOT), 0);
	assert_int_equal(kit_raw_count(d->kit.bucket, KEY(SET)), 0);
	assert_int_equal(kit_raw_count(d->kit.bucket, RECORD("tombstones/")), 0);
	backup_rests(d, SET, QUIET);
	assert_false(drive_stands(d, SEAL) || drive_stands(d, REOPEN)); /* nothing is left to be sealed */
}

static void refused(void **state)
{
	struct drive *d = *state;
	uint64_t folder = found(d);
	struct answer a;

	kit_log_begin();
	d->fs->config.on_remove = ON_REMOVE_REFUSE;
	assert_int_equal(drive_unlink(d, folder, "a"), EPERM);
	assert_int_equal(drive_rename(d, folder, "a", DRIVE_ROOT, "away", 0), EPERM);
	drive_open(d, drive_id(d, folder, "a"), O_WRONLY | O_TRUNC, getpid(), &a);
	assert_int_equal(a.error, EPERM);
	assert_int_equal(drive_setattr(d, drive_id(d, folder, "a"), NULL, SET_SIZE, &(struct stat){ 0 }), EPERM);
	free(kit_log_end());
	assert_false(drive_stands(d, REOPEN));
	as_it_was(d);
}

/* ---- writing */

static void reopened_before_the_first_byte(void **state)
{
	struct drive *d = *state;
	uint64_t folder = found(d);
	struct answer a;

	drive_open(d, drive_id(d, folder, "a"), O_WRONLY | O_APPEND, getpid(), &a);
	assert_true(drive_stands(d, REOPEN));
	assert_int_equal(backup_state(d, SET), BACKUP_SEALED); /* it is what its seal says, until then */
	drive_write(d, a.handle, 7, "C", 1);
	drive_flush(d, a.handle, getpid());
	drive_release(d, a.handle);
	assert_int_equal(backup_state(d, SET), BACKUP_OPEN);
	assert_int_equal(kit_raw_count(d->kit.bucket, TRASH), 0);
}

/* Whatever was changed before: what takes away of what was sealed keeps all of it, once, and it can be brought back. */
static void kept_by(struct drive *d, int (*act)(struct drive *d, uint64_t folder))
{
	AUTO(trash_list_free) struct trash_list trash = { 0 };
	uint64_t folder = found(d);
	struct answer text;

	assert_int_equal(drive_setattr(d, drive_id(d, folder, "a"), NULL, SET_MODE, &(struct stat){ .st_mode = 0600 }), 0);
	assert_int_equal(drive_put(d, folder, "new", "new"), 0);
	assert_int_equal(drive_put(d, folder, "newer", "newer"), 0);
	assert_int_equal(drive_unlink(d, folder, "newer"), 0); /* was never sealed */
	assert_int_equal(kept_copies(d), 0);
	assert_int_equal(act(d, folder), 0);
	assert_int_equal(trash_list(d->kit.v, "t", &trash, NULL), 0);
	assert_int_equal(trash.count, 1);
	assert_int_equal(tombstone_undelete(d->kit.v, "t", SET, trash.items[0].id, "again-20261101-000000", NULL), 0);
	fs_lock(d->fs);
	dir_expire(d->fs->nodes.root->dir); /* the tool has done it */
	fs_unlock(d->fs);
	drive_get(d, drive_id(d, DRIVE_ROOT, "again-20261101-000000"), "a", &text);
	assert_string_equal(text.bytes, "content");
}

static int unlink_it(struct drive *d, uint64_t folder)
{
	return drive_unlink(d, folder, "a");
}

static int write_into_it(struct drive *d, uint64_t folder)
{
	struct answer a;

	drive_open(d, drive_id(d, folder, "a"), O_WRONLY, getpid(), &a);
	if (!a.error)
		drive_release(d, a.handle);
	return a.error;
}

static int rename_over_it(struct drive *d, uint64_t folder)
{
	return drive_rename(d, folder, "new", folder, "a", 0);
}

static int rename_it(struct drive *d, uint64_t folder)
{
	return drive_rename(d, folder, "a", folder, "b", 0);
}

static int empty_it(struct drive *d, uint64_t folder)
{
	return drive_setattr(d, drive_id(d, folder, "a"), NULL, SET_SIZE, &(struct stat){ 0 });
}

static void kept_after_a_harmless_change(void **state)
{
	kept_by(*state, unlink_it);
}

static void kept_before_it_is_written_into(void **state)
{
	kept_by(*state, write_into_it);
}

static void kept_before_another_is_renamed_over_it(void **state)
{
	kept_by(*state, rename_over_it);
}

static void kept_before_it_is_renamed(void **state)
{
	kept_by(*state, rename_it);
}

static void kept_before_it_is_cut(void **state)
{
	kept_by(*state, empty_it);
}

static void readers_change_nothing(void **state)
{
	struct drive *d = *state;
	uint64_t folder = found(d);
	struct answer a;
	struct stat st = { .st_atim = { 1, 0 } };

	drive_get(d, folder, "a", &a);
	assert_string_equal(a.bytes, "content");
	assert_int_equal(drive_setattr(d, drive_id(d, folder, "a"), NULL, SET_ATIME, &st), 0);
	assert_false(drive_stands(d, REOPEN));
	as_it_was(d);
}

static void overwriting_keeps_a_copy(void **state)
{
	AUTO(trash_list_free) struct trash_list trash = { 0 };
	struct drive *d = *state;
	uint64_t folder = found(d);

	assert_int_equal(backup_rewrite(d, folder, "a", "new"), 0);
	assert_true(drive_stands(d, REOPEN));
	assert_int_equal(trash_list(d->kit.v, "t", &trash, NULL), 0);
	assert_int_equal(trash.count, 1);
	assert_int_equal(trash.items[0].objects, 3);
	assert_in_range(trash.items[0].until_s - trash.items[0].at_s, 72 * 3600, 72 * 3600 + 2);
	assert_int_equal(backup_rewrite(d, folder, "metadata.json", "new"), 0); /* once */
	trash_list_free(&trash);
	assert_int_equal(trash_list(d->kit.v, "t", &trash, NULL), 0);
	assert_int_equal(trash.count, 1);
	assert_int_equal(tombstone_undelete(d->kit.v, "t", SET, trash.items[0].id, "again-20261101-000000", NULL), 0);
	assert_int_equal(backup_state(d, "again-20261101-000000"), BACKUP_SEALED);
}

/* Its objects were removed behind the mount's back: there is nothing to be kept, and the Job that writes them anew goes on. */
static void nothing_is_kept_of_nothing(void **state)
{
	struct drive *d = *state;
	uint64_t folder = found(d);

	drive_id(d, folder, "a");
	kit_raw_remove(d->kit.bucket, KEY(SET "/a"));
	kit_raw_remove(d->kit.bucket, KEY(SET "/metadata.json"));
	kit_raw_remove(d->kit.bucket, KEY(SET "/"));
	assert_int_equal(drive_setattr(d, drive_id(d, folder, "a"), NULL, SET_SIZE, &(struct stat){ 0 }), ENOENT);
	assert_true(drive_stands(d, REOPEN));
	assert_int_equal(drive_put(d, folder, "a", "anew"), 0);
	assert_int_equal(kit_raw_count(d->kit.bucket, TRASH), 0);
}

static void read_only_asks_nothing(void **state)
{
	struct drive *d = *state;
	uint64_t folder = found(d), before;

	drive_id(d, folder, "a");
	d->fs->config.read_only = true;
	before = kit_all_calls(&d->kit);
	drive_unlink(d, folder, "a");
	assert_int_equal(kit_calls(&d->kit, STORE_PUT), 0);
	assert_true(kit_all_calls(&d->kit) <= before + 1);
	assert_false(drive_stands(d, TOMBSTONE));
	d->fs->config.read_only = false;
}

/* mv over a file of it is one, too; and mv of one away is a change of both. */
static void renames_are_two_steps(void **state)
{
	struct drive *d = *state;
	uint64_t folder = found(d);

	assert_int_equal(drive_put(d, DRIVE_ROOT, "c-20261102.sql", "new"), 0);
	assert_true(drive_stands(d, RECORD("seals/c-20261102")));
	assert_true(drive_exists(d, folder, "a"));
	assert_int_equal(drive_rename(d, DRIVE_ROOT, "c-20261102.sql", folder, "a", 0), 0);
	assert_true(drive_stands(d, RECORD("reopen/c-20261102")) && drive_stands(d, REOPEN));
	assert_true(kit_raw_count(d->kit.bucket, TRASH) > 0);
	assert_int_equal(backup_state(d, SET), BACKUP_OPEN);
}

/* ---- a hidden name is made anew */

static void made_anew_it_goes_to_the_trash(void **state)
{
	AUTO(trash_list_free) struct trash_list trash = { 0 };
	struct drive *d = *state;
	uint64_t folder = found(d);

	assert_int_equal(drive_unlink(d, folder, "a"), 0);
	assert_int_equal(drive_unlink(d, folder, "metadata.json"), 0);
	assert_int_equal(drive_rmdir(d, DRIVE_ROOT, SET), 0);
	backup_dump(d, SET, true);
	assert_false(drive_stands(d, TOMBSTONE) || drive_stands(d, SEAL));
	assert_int_equal(trash_list(d->kit.v, "t", &trash, NULL), 0);
	assert_int_equal(trash.count, 1);
	assert_int_equal(trash.items[0].objects, 3);
	backup_rests(d, SET, QUIET);
	as_it_was(d);
}

static void a_deleted_one_is_made_anew_by_another_mount(void **state)
{
	struct drive *d = *state;
	uint64_t folder = dumped(d);

	assert_int_equal(drive_unlink(d, folder, "a"), 0);
	backups_again(d);
	assert_false(drive_exists(d, DRIVE_ROOT, SET));
	backup_dump(d, SET, true);
	assert_int_equal(kit_raw_count(d->kit.bucket, KEY(SET "/")), 3);
	assert_true(kit_raw_count(d->kit.bucket, TRASH) >= 3);
}

/* ---- where the store fails, nothing is changed */

static void write_fails(struct drive *d, uint64_t folder, const char *name, int flags)
{
	struct answer a;

	kit_log_begin();
	drive_open(d, drive_id(d, folder, name), O_WRONLY | flags, getpid(), &a);
	free(kit_log_end());
	if (a.error == 0)
		drive_release(d, a.handle);
	assert_int_not_equal(a.error, 0);
}

static void without_its_record_nothing_is_written(void **state)
{
	struct drive *d = *state;
	uint64_t folder = found(d);

	kit_fault(&d->kit, STORE_PUT, "reopen/", 0, 0, FAULT_FAIL, EACCES);
	write_fails(d, folder, "a", 0);
	write_fails(d, folder, "a", O_TRUNC);
	kit_log_begin();
	assert_int_not_equal(drive_put(d, folder, "more", "x"), 0);
	assert_int_not_equal(drive_mkdir(d, folder, "folder"), 0);
	assert_int_not_equal(drive_symlink(d, folder, "link", "a"), 0);
	assert_int_not_equal(drive_rename(d, folder, "a", folder, "c", 0), 0);
	assert_int_not_equal(drive_setattr(d, drive_id(d, folder, "a"), NULL, SET_MODE, &(struct stat){ .st_mode = 0600 }), 0);
	free(kit_log_end());
	assert_int_equal(settle_count(d->fs), 0);
	as_it_was(d);
}

static void without_its_copy_nothing_is_overwritten(void **state)
{
	struct drive *d = *state;
	uint64_t folder = found(d);

	kit_fault(&d->kit, STORE_COPY, "trash/", 1, 0, FAULT_FAIL, EACCES);
	write_fails(d, folder, "a", O_TRUNC);
	assert_false(drive_stands(d, REOPEN));
	fault_store_clear(d->kit.fault);
	kit_fault(&d->kit, STORE_PUT, "trash/", 0, 0, FAULT_FAIL, EACCES);
	write_fails(d, folder, "a", O_TRUNC);
	assert_false(drive_stands(d, REOPEN));
	as_it_was(d);
}

static void without_its_tombstone_nothing_is_removed(void **state)
{
	struct drive *d = *state;
	uint64_t folder = found(d);

	kit_log_begin();
	kit_fault(&d->kit, STORE_PUT, "tombstones/", 0, 0, FAULT_FAIL, EREMOTEIO);
	assert_int_not_equal(drive_unlink(d, folder, "a"), 0);
	assert_int_not_equal(drive_rmdir(d, DRIVE_ROOT, SET), 0);
	free(kit_log_end());
	assert_int_equal(drive_fsyncdir(d, folder), 0);
	assert_int_equal(backup_set(d, SET)->state, SET_SEALED);
	as_it_was(d);
}

static void while_the_old_one_cannot_be_moved_nothing_is_made(void **state)
{
	struct drive *d = *state;
	uint64_t folder = found(d);

	assert_int_equal(drive_unlink(d, folder, "a"), 0);
	kit_log_begin();
	kit_fault(&d->kit, STORE_COPY, "trash/", 0, 0, FAULT_FAIL, EACCES);
	assert_int_not_equal(drive_put(d, DRIVE_ROOT, ARCHIVE, "archive"), 0);
	free(kit_log_end());
	assert_false(drive_stands(d, KEY(ARCHIVE)));
	assert_int_equal(kit_raw_count(d->kit.bucket, KEY(SET "/")), 3);
	assert_int_equal(backup_set(d, SET)->state, SET_DELETED);
}

/* What it is cannot be asked: not a seal, nor a tombstone. What would remove is stopped at once. */
static void forgotten(struct drive *d)
{
	backup_looked(d, SET, 3600000);
	fs_lock(d->fs);
	shelf_expire(d->fs, "t");
	fs_unlock(d->fs);
}

static void what_is_not_known_is_not_changed(void **state)
{
	static const char *const records[] = { "tombstones/", "seals/", "reopen/" };
	struct drive *d = *state;
	uint64_t folder = found(d), file = drive_id(d, folder, "a");

	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		int removed, changed;

		forgotten(d);
		kit_log_begin();
		kit_fault(&d->kit, STORE_GET, records[i], 0, 0, FAULT_FAIL, EREMOTEIO);
		removed = drive_unlink(d, folder, "a");
		changed = drive_setattr(d, file, NULL, SET_MODE, &(struct stat){ .st_mode = 0600 });
		free(kit_log_end());
		assert_int_not_equal(removed, 0);
		assert_int_not_equal(changed, 0);
		fault_store_clear(d->kit.fault);
	}
	as_it_was(d);
}

/* Content that waits to be written may wait; who may not look (403 of what is not there) works as before there were seals. */
static void writers_outlast_a_failure(void **state)
{
	struct drive *d = *state;
	uint64_t folder = found(d);

	kit_log_begin();
	kit_fault(&d->kit, STORE_GET, "tombstones/", 0, 2, FAULT_FAIL, EREMOTEIO);
	assert_int_equal(drive_put(d, folder, "more", "x"), 0);
	kit_fault(&d->kit, STORE_GET, ".pishop/t/t/", 0, 0, FAULT_FAIL, EACCES);
	assert_int_equal(drive_put(d, DRIVE_ROOT, "c-20261102.txt", "x"), 0);
	free(kit_log_end());
	assert_true(drive_stands(d, KEY("c-20261102.txt")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, backups_setup, drive_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(removal_waits_for_the_seal),
		TEST(scratch_reopens_nothing),
		TEST(then_it_is_busy),
		TEST(a_sealed_folder_is_no_scratch),
		TEST(removal_hides_all_of_it),
		TEST(somebody_else_hid_it_first),
		TEST(what_changes_a_hidden_one_finds_nothing),
		TEST(removal_at_once_where_it_is_allowed),
		TEST(refused),
		TEST(reopened_before_the_first_byte),
		TEST(kept_after_a_harmless_change),
		TEST(kept_before_it_is_written_into),
		TEST(kept_before_another_is_renamed_over_it),
		TEST(kept_before_it_is_renamed),
		TEST(kept_before_it_is_cut),
		TEST(readers_change_nothing),
		TEST(overwriting_keeps_a_copy),
		TEST(nothing_is_kept_of_nothing),
		TEST(read_only_asks_nothing),
		TEST(renames_are_two_steps),
		TEST(made_anew_it_goes_to_the_trash),
		TEST(a_deleted_one_is_made_anew_by_another_mount),
		TEST(without_its_record_nothing_is_written),
		TEST(without_its_copy_nothing_is_overwritten),
		TEST(without_its_tombstone_nothing_is_removed),
		TEST(while_the_old_one_cannot_be_moved_nothing_is_made),
		TEST(what_is_not_known_is_not_changed),
		TEST(writers_outlast_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

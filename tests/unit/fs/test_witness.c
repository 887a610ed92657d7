/* SPDX-License-Identifier: Apache-2.0 */
/* What the audit log is told of what a mount does: commits, restores, and removals for good. */
#include "tests/unit/fs/drive.h"

#include "fs/sets.h"
#include "vault/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define STEM "acme-20261123-231500"
#define ARCHIVE STEM ".tar.gz"
#define AUDIT "backups/.pishop/t/t/audit/"

/* The log as one text: "event stem objects bytes detail" a line. */
struct seen {
	char text[8192];
	size_t len;
};

static int see(void *arg, const char *line, size_t len)
{
	struct seen *s = arg;
	AUTO(audit_entry_free) struct audit_entry e;

	assert_int_equal(audit_decode(line, len, &e), 0);
	assert_string_equal(e.tenant, "t");
	s->len += (size_t)snprintf(s->text + s->len, sizeof(s->text) - s->len, "%s %s %u %u%s%s%s\n", audit_event_name(e.event), e.backup, (unsigned)e.objects,
				   (unsigned)e.bytes, e.seal[0] ? " seal" : "", e.detail ? " " : "", e.detail ? e.detail : "");
	assert_true(s->len < sizeof(s->text));
	return 0;
}

static void logged(struct drive *d, const char *wanted)
{
	struct seen s = { 0 };
	char why[256];

	drive_quiet(d);
	assert_int_equal(audit_flush(d->kit.v, NULL, NULL), 0);
	assert_int_equal(audit_read(d->kit.v, "t", see, &s, why, sizeof(why), NULL), 0);
	assert_string_equal(s.text, wanted);
}

static void read_it(struct drive *d, uint64_t parent, const char *name)
{
	uint64_t id = drive_id(d, parent, name);
	struct answer a, text;

	d->gated = true;
	drive_open(d, id, O_RDONLY, getpid(), &a);
	d->gated = false;
	assert_int_equal(a.error, 0);
	drive_read(d, a.handle, 0, 10, &text);
	assert_int_equal(text.error, 0);
	drive_release(d, a.handle);
}

static struct set *set_of_stem(struct drive *d)
{
	const char *top;
	struct set *s;

	fs_lock(d->fs);
	s = sets_of(d->fs, "t/" STEM, &top);
	fs_unlock(d->fs);
	assert_non_null(s);
	return s;
}

static void hour_later(struct drive *d)
{
	struct set *s = set_of_stem(d);

	fs_lock(d->fs);
	s->read_ms -= 3600 * 1000;
	fs_unlock(d->fs);
}

#define SEALED "committed " STEM " 1 3\nsealed " STEM " 1 3 seal an archive was closed\n"
#define READ "restored " STEM " 0 0 read through a mount by uid 1000, first " ARCHIVE "\n"

static void a_read_of_a_sealed_backup_is_one_line_an_hour(void **state)
{
	struct drive *d = *state;

	assert_int_equal(drive_put(d, DRIVE_ROOT, ARCHIVE, "one"), 0);
	logged(d, SEALED);
	read_it(d, DRIVE_ROOT, ARCHIVE);
	read_it(d, DRIVE_ROOT, ARCHIVE);
	logged(d, SEALED READ);
	hour_later(d);
	read_it(d, DRIVE_ROOT, ARCHIVE);
	read_it(d, DRIVE_ROOT, ARCHIVE);
	logged(d, SEALED READ READ);
	drive_again(d); /* another mount, which first asks what it is */
	read_it(d, DRIVE_ROOT, ARCHIVE);
	logged(d, SEALED READ READ READ);
}

static void what_is_not_sealed_is_read_without_a_word(void **state)
{
	struct drive *d = *state;
	uint64_t folder;

	assert_int_equal(drive_put(d, DRIVE_ROOT, "loose", "123"), 0);
	read_it(d, DRIVE_ROOT, "loose");
	assert_int_equal(drive_put(d, DRIVE_ROOT, ARCHIVE, "one"), 0);
	drive_quiet(d);
	assert_int_equal(drive_mkdir(d, DRIVE_ROOT, STEM), 0);
	folder = drive_id(d, DRIVE_ROOT, STEM);
	assert_int_equal(drive_put(d, folder, "scratch", "12345"), 0);
	read_it(d, folder, "scratch"); /* beside a sealed archive, and not of it */
	logged(d, "committed loose 1 3\n" SEALED "committed " STEM " 1 5\n");
}

static void files_links_and_renames_are_commits(void **state)
{
	struct drive *d = *state;
	uint64_t folder;
	struct answer a;

	assert_int_equal(drive_mkdir(d, DRIVE_ROOT, "dump"), 0);
	folder = drive_id(d, DRIVE_ROOT, "dump");
	assert_int_equal(drive_put(d, folder, "a", "12345"), 0);
	assert_int_equal(drive_put(d, folder, "b", "1234567"), 0);
	assert_int_equal(drive_symlink(d, folder, "link", "there"), 0);
	logged(d, "committed dump 3 17\n"); /* one line for all */
	assert_int_equal(drive_rename(d, folder, "a", DRIVE_ROOT, "closed", 0), 0);
	drive_create(d, folder, "open", getpid(), &a);
	assert_int_equal(drive_write(d, a.handle, 0, "xy", 2), 0);
	assert_int_equal(drive_rename(d, folder, "open", DRIVE_ROOT, "renamed", 0), 0); /* committed under its new name */
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
	drive_release(d, a.handle);
	logged(d, "committed dump 3 17\ncommitted closed 1 5\ncommitted renamed 1 2\n");
}

static void what_fails_is_no_commit(void **state)
{
	struct drive *d = *state;

	kit_log_begin();
	kit_fault(&d->kit, STORE_PUT, "bad", 0, 0, FAULT_FAIL, EACCES);
	assert_int_equal(drive_put(d, DRIVE_ROOT, "bad", "123"), EIO);
	free(kit_log_end());
	logged(d, "");
}

static void a_removal_for_good_is_told(void **state)
{
	struct drive *d = *state;
	uint64_t folder;

	d->fs->config.on_remove = ON_REMOVE_ALLOW;
	assert_int_equal(drive_mkdir(d, DRIVE_ROOT, STEM), 0);
	folder = drive_id(d, DRIVE_ROOT, STEM);
	assert_int_equal(drive_put(d, folder, "a", "1"), 0);
	assert_int_equal(drive_put(d, folder, "b", "12"), 0);
	assert_int_equal(drive_put(d, folder, "metadata.json", "{}"), 0);
	assert_int_equal(sets_seal_all(d->fs, INT64_MAX), 0);
	assert_int_equal(drive_put(d, folder, "later", "1"), 0); /* drive_put passes the gate by: it counts for nothing in what is sealed */
	d->gated = true;
	assert_int_equal(drive_unlink(d, folder, "a"), 0);
	assert_int_equal(drive_unlink(d, folder, "b"), 0);
	assert_int_equal(drive_unlink(d, folder, "later"), 0);
	assert_int_equal(drive_unlink(d, folder, "metadata.json"), 0);
	assert_int_equal(drive_rmdir(d, DRIVE_ROOT, STEM), 0);
	assert_int_equal(sets_seal_all(d->fs, INT64_MAX), 0);
	logged(d, "committed " STEM " 3 5\nsealed " STEM " 4 5 seal it holds its completeness mark\ncommitted " STEM " 1 1\n"
		  "reopened " STEM " 0 0 removed through the mount\n"
		  "removed " STEM " 4 5 removed through a mount by uid 1000, first " STEM "/a\nremoved " STEM " 4 5 seal nothing is left of it\n");
}

static void a_removal_that_hides_is_none(void **state)
{
	struct drive *d = *state;

	assert_int_equal(drive_put(d, DRIVE_ROOT, ARCHIVE, "one"), 0);
	drive_quiet(d);
	assert_int_equal(drive_put(d, DRIVE_ROOT, "loose", "123"), 0);
	d->gated = true;
	assert_int_equal(drive_unlink(d, DRIVE_ROOT, "loose"), 0);
	assert_int_equal(drive_unlink(d, DRIVE_ROOT, ARCHIVE), 0);
	logged(d, SEALED "committed loose 1 3\ntombstoned " STEM " 1 799 removed through the mount\n");
}

static void nothing_is_asked_of_the_store_for_it(void **state)
{
	struct drive *d = *state;
	uint64_t before;

	assert_int_equal(drive_put(d, DRIVE_ROOT, ARCHIVE, "one"), 0);
	logged(d, SEALED);
	assert_int_equal(drive_put(d, DRIVE_ROOT, "loose", "123"), 0);
	assert_int_equal(kit_raw_count(d->kit.bucket, AUDIT), 1);
	read_it(d, DRIVE_ROOT, ARCHIVE);
	assert_int_equal(kit_raw_count(d->kit.bucket, AUDIT), 1);
	before = kit_all_calls(&d->kit);
	assert_int_equal(audit_flush(d->kit.v, NULL, NULL), 0);
	assert_int_equal(kit_all_calls(&d->kit), before + 1); /* one put for both lines */
	assert_int_equal(kit_raw_count(d->kit.bucket, AUDIT), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_read_of_a_sealed_backup_is_one_line_an_hour, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(what_is_not_sealed_is_read_without_a_word, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(files_links_and_renames_are_commits, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(what_fails_is_no_commit, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(a_removal_for_good_is_told, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(a_removal_that_hides_is_none, drive_setup, drive_teardown),
		cmocka_unit_test_setup_teardown(nothing_is_asked_of_the_store_for_it, drive_setup, drive_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

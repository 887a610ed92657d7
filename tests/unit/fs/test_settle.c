/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes that change after the close; the end of a mount; requests that wait for memory. */
#include "tests/unit/fs/drive.h"

#include "base/clock.h"
#include "fs/drain.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#define KEY(name) "backups/t/" name

static const struct stat wanted = { .st_mode = 0640, .st_uid = 5, .st_gid = 6, .st_mtim = { 86400, 7 } };
enum { ALL = SET_MODE | SET_UID | SET_GID | SET_MTIME };

static void check_trailer(struct drive *d, const char *key)
{
	struct trailer t;

	drive_trailer(d, key, &t);
	assert_int_equal(t.mode, 0640);
	assert_int_equal(t.uid, 5);
	assert_int_equal(t.gid, 6);
	assert_int_equal(t.mtime.tv_sec, 86400);
	assert_int_equal(t.mtime.tv_nsec, 7);
}

static void answered_from_memory_stored_later(void **state)
{
	struct drive *d = *state;
	struct answer a;
	uint64_t id, before;

	drive_put(d, DRIVE_ROOT, "f", "content");
	id = drive_id(d, DRIVE_ROOT, "f");
	before = kit_all_calls(&d->kit);
	assert_int_equal(drive_setattr(d, id, NULL, SET_MODE, &wanted), 0);
	assert_int_equal(drive_setattr(d, id, NULL, SET_UID | SET_GID, &wanted), 0);
	assert_int_equal(drive_setattr(d, id, NULL, SET_MTIME, &wanted), 0);
	assert_int_equal(kit_all_calls(&d->kit), before);
	drive_getattr(d, id, &a);
	assert_int_equal(a.st.st_mode, S_IFREG | 0640);
	assert_int_equal(a.st.st_uid, 5);
	assert_int_equal(settle_count(d->fs), 1);
	assert_int_equal(settle_all(d->fs, clock_mono_ms() + 10000), 0);
	drive_quiet(d);
	check_trailer(d, KEY("f"));
	drive_get(d, DRIVE_ROOT, "f", &a);
	assert_string_equal(a.bytes, "content");
}

static void before_the_close_it_costs_nothing(void **state)
{
	struct drive *d = *state;
	struct answer a;
	uint64_t before;

	drive_put(d, DRIVE_ROOT, "first", "x"); /* before it, the writer's record is made and the store tried */
	drive_create(d, DRIVE_ROOT, "f", getpid(), &a);
	drive_write(d, a.handle, 0, "x", 1);
	assert_int_equal(drive_setattr(d, a.id, NULL, ALL, &wanted), 0);
	before = kit_calls(&d->kit, STORE_PUT);
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
	drive_release(d, a.handle);
	assert_int_equal(settle_count(d->fs), 0);
	assert_int_equal(kit_calls(&d->kit, STORE_PUT), before + 1);
	check_trailer(d, KEY("f"));
}

static void after_the_close_of_an_open_file(void **state)
{
	struct drive *d = *state;
	struct answer a;

	drive_create(d, DRIVE_ROOT, "f", getpid(), &a);
	drive_write(d, a.handle, 0, "x", 1);
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
	assert_int_equal(drive_setattr(d, a.id, NULL, ALL, &wanted), 0); /* rsync: between FLUSH and RELEASE */
	drive_release(d, a.handle);
	assert_int_equal(settle_count(d->fs), 1);
	assert_int_equal(settle_all(d->fs, clock_mono_ms() + 10000), 0);
	drive_quiet(d);
	check_trailer(d, KEY("f"));
}

static void fsync_makes_them_durable(void **state)
{
	struct drive *d = *state;
	struct answer a;
	uint64_t folder;

	drive_mkdir(d, DRIVE_ROOT, "d");
	folder = drive_id(d, DRIVE_ROOT, "d");
	drive_put(d, folder, "f", "x");
	assert_int_equal(drive_setattr(d, drive_id(d, folder, "f"), NULL, ALL, &wanted), 0);
	drive_open(d, drive_id(d, folder, "f"), O_RDONLY, getpid(), &a);
	assert_int_equal(drive_fsync(d, a.handle), 0);
	check_trailer(d, KEY("d/f"));
	drive_release(d, a.handle);

	drive_put(d, folder, "g", "x");
	drive_setattr(d, drive_id(d, folder, "g"), NULL, ALL, &wanted);
	drive_setattr(d, folder, NULL, ALL, &wanted);
	assert_int_equal(drive_fsyncdir(d, folder), 0);
	check_trailer(d, KEY("d/g"));
	check_trailer(d, KEY("d/"));

	drive_setattr(d, folder, NULL, SET_MODE, &(struct stat){ .st_mode = 0700 });
	kit_fault(&d->kit, STORE_PUT, "/d/", 0, 1, FAULT_FAIL, EACCES);
	assert_int_equal(drive_fsyncdir(d, folder), EIO);
	assert_int_equal(settle_count(d->fs), 1); /* tried again later */
	assert_int_equal(drive_fsyncdir(d, folder), 0);
}

static void an_open_takes_them_along(void **state)
{
	struct drive *d = *state;
	struct answer a;
	uint64_t id;

	drive_put(d, DRIVE_ROOT, "f", "x");
	id = drive_id(d, DRIVE_ROOT, "f");
	drive_setattr(d, id, NULL, ALL, &wanted);
	drive_open(d, id, O_WRONLY, getpid(), &a);
	assert_int_equal(settle_count(d->fs), 0);
	drive_release(d, a.handle); /* nothing was written: they are unsettled again */
	assert_int_equal(settle_count(d->fs), 1);
	drive_open(d, id, O_WRONLY, getpid(), &a);
	drive_write(d, a.handle, 1, "y", 1);
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
	drive_release(d, a.handle);
	assert_int_equal(settle_count(d->fs), 0);
	check_trailer(d, KEY("f"));
}

static void removal_forgets_them(void **state)
{
	struct drive *d = *state;
	uint64_t id, before;

	drive_put(d, DRIVE_ROOT, "f", "x");
	id = drive_id(d, DRIVE_ROOT, "f");
	drive_setattr(d, id, NULL, ALL, &wanted);
	assert_int_equal(drive_unlink(d, DRIVE_ROOT, "f"), 0);
	assert_int_equal(settle_count(d->fs), 0);
	before = kit_calls(&d->kit, STORE_PUT);
	/* the kernel sets times of removed files, and of moved ones without a change */
	assert_int_equal(drive_setattr(d, id, NULL, SET_MTIME | SET_CTIME, &wanted), 0);
	assert_int_equal(settle_count(d->fs), 0);
	assert_int_equal(kit_calls(&d->kit, STORE_PUT), before);
}

static void equal_values_change_nothing(void **state)
{
	struct drive *d = *state;
	struct answer a;

	drive_put(d, DRIVE_ROOT, "f", "x");
	drive_getattr(d, drive_id(d, DRIVE_ROOT, "f"), &a);
	assert_int_equal(drive_setattr(d, drive_id(d, DRIVE_ROOT, "f"), NULL, SET_MODE | SET_MTIME | SET_CTIME | SET_ATIME_NOW, &a.st), 0);
	assert_int_equal(settle_count(d->fs), 0);
}

static void folders_and_links(void **state)
{
	struct drive *d = *state;
	struct answer a;

	drive_mkdir(d, DRIVE_ROOT, "d");
	drive_symlink(d, DRIVE_ROOT, "l", "target");
	assert_int_equal(drive_setattr(d, drive_id(d, DRIVE_ROOT, "d"), NULL, ALL, &wanted), 0);
	assert_int_equal(drive_setattr(d, drive_id(d, DRIVE_ROOT, "l"), NULL, ALL, &wanted), 0);
	assert_int_equal(settle_all(d->fs, clock_mono_ms() + 10000), 0);
	drive_again(d);
	check_trailer(d, KEY("d/"));
	check_trailer(d, KEY("l"));
	drive_readlink(d, drive_id(d, DRIVE_ROOT, "l"), &a);
	assert_string_equal(a.bytes, "target");
}

static void remove_it(void *arg)
{
	struct drive *d = arg;

	kit_raw_remove(d->kit.bucket, KEY("f"));
}

static void dropped_where_another_stands(void **state)
{
	struct drive *d = *state;

	drive_put(d, DRIVE_ROOT, "f", "x");
	drive_setattr(d, drive_id(d, DRIVE_ROOT, "f"), NULL, ALL, &wanted);
	remove_it(d);
	assert_int_equal(settle_all(d->fs, clock_mono_ms() + 10000), 0); /* not an error: nobody's attributes were lost */
	drive_quiet(d);
	assert_int_equal(settle_count(d->fs), 0);
	assert_false(drive_stands(d, KEY("f")));
}

/* ---- drain */

static void drain_stores_what_is_open(void **state)
{
	struct drive *d = *state;
	struct answer a, b;
	struct trailer t;

	drive_put(d, DRIVE_ROOT, "old", "stays");
	drive_create(d, DRIVE_ROOT, "f", getpid(), &a);
	drive_write(d, a.handle, 0, "written", 7);
	drive_open(d, drive_id(d, DRIVE_ROOT, "old"), O_WRONLY | O_TRUNC, getpid(), &b); /* and nothing since */
	drive_put(d, DRIVE_ROOT, "g", "x");
	drive_setattr(d, drive_id(d, DRIVE_ROOT, "g"), NULL, ALL, &wanted);
	drive_unlink(d, DRIVE_ROOT, "none");
	assert_int_equal(drain(d->fs), 0);
	drive_trailer(d, KEY("f"), &t);
	assert_int_equal(t.state, STATE_OPEN);
	assert_int_equal(t.size, 7);
	check_trailer(d, KEY("g"));
	drive_trailer(d, KEY("old"), &t);
	assert_int_equal(t.size, 5);
}

static void drain_says_what_is_lost(void **state)
{
	struct drive *d = *state;
	struct answer a;
	char *log;

	drive_create(d, DRIVE_ROOT, "doomed", getpid(), &a);
	drive_write(d, a.handle, 0, "written", 7);
	kit_fault(&d->kit, STORE_PUT, "/doomed", 0, 0, FAULT_FAIL, ENOSPC);
	kit_log_begin();
	assert_int_equal(drain(d->fs), EIO);
	log = kit_log_end();
	assert_non_null(strstr(log, "path=\"t/doomed\""));
	free(log);
}

/* An open file whose put never ends, and a drain that may take 200 ms. The log is being kept. */
static void get_stuck(struct drive *d)
{
	struct answer a;

	drive_create(d, DRIVE_ROOT, "stuck", getpid(), &a);
	drive_write(d, a.handle, 0, "written", 7);
	d->fs->config.drain_ms = 200;
	kit_fault(&d->kit, STORE_PUT, "/stuck", 0, 0, FAULT_HOLD, 0);
	kit_log_begin();
}

static void drain_has_a_deadline(void **state)
{
	struct drive *d = *state;
	int64_t began = clock_mono_ms();
	char *log;

	get_stuck(d);
	assert_int_equal(drain(d->fs), EIO);
	log = kit_log_end();
	assert_in_range(clock_mono_ms() - began, 150, 5000);
	assert_non_null(strstr(log, "stuck"));
	assert_non_null(strstr(log, "the deadline has passed"));
	free(log);
}

/* A request that would never end is cut then, though nothing releases it; the record is written all the same, for who cleans up. */
static void the_deadline_cuts_what_is_under_way(void **state)
{
	struct drive *d = *state;
	int64_t began = clock_mono_ms();
	char *log;

	kit_fault(&d->kit, STORE_HEAD, "/stuck", 0, 0, FAULT_HOLD, 0);
	get_stuck(d);
	assert_int_equal(drain(d->fs), EIO);
	drive_again(d);
	log = kit_log_end();
	assert_in_range(clock_mono_ms() - began, 150, 3000);
	assert_non_null(strstr(log, "path=\"t/stuck\""));
	assert_non_null(strstr(log, "this writer leaves 1 failed paths"));
	assert_null(strstr(log, "record of this writer cannot be written"));
	free(log);
	assert_false(drive_stands(d, KEY("stuck")));
	assert_int_equal(drive_put(d, DRIVE_ROOT, "stuck", "again"), 0);
}

/* Removals have no call that waits for them: they are asked for by the drain itself. */
static void the_deadline_cuts_removals(void **state)
{
	struct drive *d = *state;
	int64_t began = clock_mono_ms();
	char *log;

	drive_put(d, DRIVE_ROOT, "gone", "x");
	drive_unlink(d, DRIVE_ROOT, "gone");
	d->fs->config.drain_ms = 200;
	kit_fault(&d->kit, STORE_REMOVE, NULL, 0, 1, FAULT_HOLD, 0);
	kit_log_begin();
	assert_int_equal(drain(d->fs), EIO);
	log = kit_log_end();
	assert_in_range(clock_mono_ms() - began, 150, 3000);
	assert_non_null(strstr(log, "removal"));
	free(log);
}

/* ---- memory */

static void *flush_thread(void *arg)
{
	struct drive **d = arg;
	struct answer a;

	drive_open(*d, drive_id(*d, DRIVE_ROOT, "f"), O_WRONLY, getpid(), &a);
	drive_write(*d, a.handle, 0, "X", 1);
	drive_flush(*d, a.handle, getpid());
	file_let_go((*d)->fs, a.handle);
	return NULL;
}

/* While a commit has the file, a write of it waits parked, and is taken when the commit is over. */
static void writes_wait_for_a_commit(void **state)
{
	struct drive *d = *state;
	struct answer a;
	pthread_t t;
	unsigned calls = 0;
	uint64_t bytes;

	drive_put(d, DRIVE_ROOT, "f", "content");
	drive_open(d, drive_id(d, DRIVE_ROOT, "f"), O_WRONLY, getpid(), &a);
	kit_fault(&d->kit, STORE_PUT, "s/t/f", 0, 1, FAULT_HOLD, 0);
	pthread_create(&t, NULL, flush_thread, &d);
	while (fault_store_hits(d->kit.fault) == 0)
		clock_sleep_ms(1);

	assert_int_equal(file_write_now(d->fs, a.handle, "Y", 1, 1), EAGAIN);
	parked_count(d->fs, &calls, &bytes);
	assert_int_equal(calls, 0);
	fault_store_release(d->kit.fault);
	assert_int_equal(drive_write(d, a.handle, 1, "Y", 1), 0);
	pthread_join(t, NULL);
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
	drive_release(d, a.handle);
	drive_again(d);
	drive_get(d, DRIVE_ROOT, "f", &a);
	assert_string_equal(a.bytes, "XYntent");
}

static void *release_later(void *arg)
{
	struct drive **d = arg;

	clock_sleep_ms(600);
	fault_store_release((*d)->kit.fault);
	return NULL;
}

static void waiting_has_a_deadline(void **state)
{
	struct drive *d = *state;
	struct answer a;
	pthread_t t, release;

	drive_put(d, DRIVE_ROOT, "f", "content");
	drive_open(d, drive_id(d, DRIVE_ROOT, "f"), O_WRONLY, getpid(), &a);
	kit_fault(&d->kit, STORE_PUT, "s/t/f", 0, 1, FAULT_HOLD, 0);
	pthread_create(&t, NULL, flush_thread, &d);
	while (fault_store_hits(d->kit.fault) == 0)
		clock_sleep_ms(1);
	d->fs->config.data_timeout_ms = 100;
	pthread_create(&release, NULL, release_later, &d); /* the answer waits for the latch, and the latch for the commit */
	assert_int_equal(drive_write(d, a.handle, 1, "Y", 1), EIO);
	pthread_join(t, NULL);
	pthread_join(release, NULL);
	assert_int_equal(drive_flush(d, a.handle, getpid()), EIO); /* latched: a file with a hole is not published */
	drive_release(d, a.handle);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, drive_setup, drive_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answered_from_memory_stored_later),
		TEST(before_the_close_it_costs_nothing),
		TEST(after_the_close_of_an_open_file),
		TEST(fsync_makes_them_durable),
		TEST(an_open_takes_them_along),
		TEST(removal_forgets_them),
		TEST(equal_values_change_nothing),
		TEST(folders_and_links),
		TEST(dropped_where_another_stands),
		TEST(drain_stores_what_is_open),
		TEST(drain_says_what_is_lost),
		TEST(drain_has_a_deadline),
		TEST(the_deadline_cuts_what_is_under_way),
		TEST(the_deadline_cuts_removals),
		TEST(writes_wait_for_a_commit),
		TEST(waiting_has_a_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

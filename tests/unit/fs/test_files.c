/* SPDX-License-Identifier: Apache-2.0 */
/* Opens, writes and closes: what is promised, what is latched, what is published. */
#include "tests/unit/fs/drive.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY(name) "backups/t/" name

static pid_t child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		clock_sleep_ms(60000);
		_exit(0);
	}
	return pid;
}

/* Ends like a writer in its last FLUSH: without memory, its exit code to be seen, nobody waiting for it yet. */
static void die(pid_t pid)
{
	siginfo_t info;

	kill(pid, SIGKILL);
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
}

static void close_tells_the_truth(void **state)
{
	struct drive *d = *state;
	struct answer a;
	struct trailer t;

	assert_int_equal(drive_put(d, DRIVE_ROOT, "f", "hello"), 0);
	assert_true(drive_stands(d, KEY("f")));
	drive_trailer(d, KEY("f"), &t);
	assert_int_equal(t.state, STATE_CLOSED);
	assert_int_equal(t.mode, 0644);
	assert_int_equal(t.uid, 1000);
	drive_get(d, DRIVE_ROOT, "f", &a);
	assert_string_equal(a.bytes, "hello");
	drive_again(d);
	drive_get(d, DRIVE_ROOT, "f", &a);
	assert_string_equal(a.bytes, "hello");

	fault_store_add(d->kit.fault, &(struct fault_rule){ .op = STORE_PUT, .key_part = "s/t/g", .action = FAULT_FAIL, .error = ENOSPC });
	assert_int_equal(drive_put(d, DRIVE_ROOT, "g", "hello"), ENOSPC);
	assert_false(drive_stands(d, KEY("g")));
}

static void a_failed_file_stays_visible(void **state)
{
	struct drive *d = *state;
	struct answer a, r;
	uint64_t id;

	assert_int_equal(drive_put(d, DRIVE_ROOT, "f", "old"), 0);
	id = drive_id(d, DRIVE_ROOT, "f");
	drive_open(d, id, O_RDONLY, getpid(), &r);
	drive_open(d, id, O_WRONLY, getpid(), &a);
	fault_store_add(d->kit.fault, &(struct fault_rule){ .op = STORE_PUT, .key_part = "s/t/f", .times = 1, .action = FAULT_FAIL, .error = ENOSPC });
	assert_int_equal(drive_write(d, a.handle, 0, "new", 3), 0);
	assert_int_equal(drive_flush(d, a.handle, getpid()), ENOSPC);
	assert_int_equal(drive_flush(d, r.handle, getpid()), EIO); /* whoever closes, closes with an error: it is never eaten */
	assert_int_equal(drive_flush(d, a.handle, getpid()), EIO);
	assert_int_equal(drive_fsync(d, a.handle), ENOSPC);
	assert_int_not_equal(drive_write(d, a.handle, 3, "more", 4), 0);
	drive_release(d, r.handle);
	drive_release(d, a.handle);

	assert_true(drive_exists(d, DRIVE_ROOT, "f"));
	drive_open(d, id, O_RDONLY, getpid(), &a);
	assert_int_equal(a.error, EIO);
	drive_open(d, id, O_WRONLY | O_APPEND, getpid(), &a);
	assert_int_equal(a.error, EIO);
	drive_open(d, id, O_WRONLY | O_TRUNC, getpid(), &a); /* content made anew */
	assert_int_equal(a.error, 0);
	assert_int_equal(drive_write(d, a.handle, 0, "anew", 4), 0);
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
	drive_release(d, a.handle);
	drive_get(d, DRIVE_ROOT, "f", &a);
	assert_string_equal(a.bytes, "anew");
}

static void a_failed_file_can_be_removed(void **state)
{
	struct drive *d = *state;

	fault_store_add(d->kit.fault, &(struct fault_rule){ .op = STORE_PUT, .key_part = "s/t/f", .times = 1, .action = FAULT_FAIL, .error = ENOSPC });
	assert_int_equal(drive_put(d, DRIVE_ROOT, "f", "x"), ENOSPC);
	assert_int_equal(drive_unlink(d, DRIVE_ROOT, "f"), 0);
	assert_false(drive_exists(d, DRIVE_ROOT, "f"));
	assert_int_equal(drive_put(d, DRIVE_ROOT, "f", "good"), 0);
}

static void empty_files_wait_for_their_release(void **state)
{
	struct drive *d = *state;
	struct answer a;
	uint64_t puts;

	drive_create(d, DRIVE_ROOT, "empty", getpid(), &a);
	drive_list(d, DRIVE_ROOT, false, &(struct answer){ 0 });
	puts = kit_calls(&d->kit, STORE_PUT);
	for (int i = 0; i < 5; i++)
		assert_int_equal(drive_flush(d, a.handle, getpid()), 0); /* a shell's redirect */
	assert_int_equal(kit_calls(&d->kit, STORE_PUT), puts);
	assert_false(drive_stands(d, KEY("empty")));
	drive_release(d, a.handle);
	assert_true(drive_stands(d, KEY("empty")));

	drive_create(d, DRIVE_ROOT, "synced", getpid(), &a);
	assert_int_equal(drive_fsync(d, a.handle), 0);
	assert_true(drive_stands(d, KEY("synced")));
	drive_release(d, a.handle);
}

static void truncation_keeps_the_old_file_until_the_commit(void **state)
{
	struct drive *d = *state;
	struct answer a;
	struct trailer t;

	drive_put(d, DRIVE_ROOT, "f", "old");
	drive_open(d, drive_id(d, DRIVE_ROOT, "f"), O_WRONLY | O_TRUNC, getpid(), &a);
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
	assert_int_equal(drive_write(d, a.handle, 0, "new content", 11), 0);
	drive_trailer(d, KEY("f"), &t);
	assert_int_equal(t.size, 3); /* still the old one in the bucket */
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
	drive_release(d, a.handle);
	drive_get(d, DRIVE_ROOT, "f", &a);
	assert_string_equal(a.bytes, "new content");
}

static void a_killed_writer_is_marked(void **state)
{
	struct drive *d = *state;
	struct answer a;
	struct trailer t;
	pid_t pid = child();

	drive_create(d, DRIVE_ROOT, "f", pid, &a);
	assert_int_equal(drive_write(d, a.handle, 0, "half", 4), 0);
	die(pid);
	drive_flush(d, a.handle, pid);
	drive_release(d, a.handle);
	waitpid(pid, NULL, 0);
	drive_trailer(d, KEY("f"), &t);
	assert_int_equal(t.state, STATE_KILLED);
	drive_get(d, DRIVE_ROOT, "f", &a);
	assert_string_equal(a.bytes, "half");
	assert_int_equal(d->fs->killed, 1);
}

static void a_killed_writer_does_not_replace(void **state)
{
	struct drive *d = *state;
	struct answer a;
	uint64_t old;
	pid_t pid = child();

	drive_put(d, DRIVE_ROOT, "f", "good old one");
	old = drive_id(d, DRIVE_ROOT, "f");
	drive_open(d, old, O_WRONLY | O_TRUNC, pid, &a);
	assert_int_equal(drive_write(d, a.handle, 0, "half", 4), 0);
	die(pid);
	drive_flush(d, a.handle, pid);
	drive_release(d, a.handle);
	waitpid(pid, NULL, 0);
	assert_int_not_equal(drive_id(d, DRIVE_ROOT, "f"), old); /* the kernel believes the size it knows: only a new node shows the old file */
	drive_get(d, DRIVE_ROOT, "f", &a);
	assert_string_equal(a.bytes, "good old one");
}

static void synced_then_killed_is_marked_too(void **state)
{
	struct drive *d = *state;
	struct answer a;
	struct trailer t;
	pid_t pid = child();

	drive_create(d, DRIVE_ROOT, "f", pid, &a);
	drive_write(d, a.handle, 0, "half", 4);
	assert_int_equal(drive_fsync(d, a.handle), 0);
	drive_trailer(d, KEY("f"), &t);
	assert_int_equal(t.state, STATE_OPEN);
	die(pid);
	drive_flush(d, a.handle, pid); /* nothing is dirty */
	drive_release(d, a.handle);
	waitpid(pid, NULL, 0);
	assert_int_equal(settle_all(d->fs, clock_mono_ms() + 10000), 0);
	drive_quiet(d);
	drive_trailer(d, KEY("f"), &t);
	assert_int_equal(t.state, STATE_KILLED);
}

static void a_childs_close_is_true_and_the_openers_ends_it(void **state)
{
	struct drive *d = *state;
	struct answer a;
	struct trailer t;
	pid_t gzip = child();

	drive_create(d, DRIVE_ROOT, "f", getpid(), &a);
	drive_write(d, a.handle, 0, "archive", 7);
	assert_int_equal(drive_flush(d, a.handle, gzip), 0);
	drive_trailer(d, KEY("f"), &t);
	assert_int_equal(t.state, STATE_OPEN);
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
	drive_release(d, a.handle);
	assert_int_equal(settle_all(d->fs, clock_mono_ms() + 10000), 0);
	drive_quiet(d);
	drive_trailer(d, KEY("f"), &t);
	assert_int_equal(t.state, STATE_CLOSED);
	die(gzip);
	waitpid(gzip, NULL, 0);
}

static void unseen_processes_are_said(void **state)
{
	struct drive *d = *state;
	struct answer a;
	struct trailer t;

	drive_create(d, DRIVE_ROOT, "f", 0, &a);
	drive_write(d, a.handle, 0, "x", 1);
	assert_int_equal(drive_flush(d, a.handle, 0), 0);
	drive_release(d, a.handle);
	drive_trailer(d, KEY("f"), &t);
	assert_int_equal(t.state, STATE_UNKNOWN);
	assert_true(d->fs->said_unseen);
}

static void mapped_stores_arrive_at_release(void **state)
{
	struct drive *d = *state;
	struct answer a;

	drive_create(d, DRIVE_ROOT, "f", getpid(), &a);
	drive_write(d, a.handle, 0, "one", 3);
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
	drive_write(d, a.handle, 3, "two", 3); /* after the close, no FLUSH will come */
	drive_release(d, a.handle);
	drive_again(d);
	drive_get(d, DRIVE_ROOT, "f", &a);
	assert_string_equal(a.bytes, "onetwo");
}

static void reads_what_is_written(void **state)
{
	struct drive *d = *state;
	struct answer a, r, got;

	drive_create(d, DRIVE_ROOT, "f", getpid(), &a);
	drive_write(d, a.handle, 4096, "tail", 4);
	drive_open(d, a.id, O_RDONLY, getpid(), &r);
	drive_read(d, r.handle, 4094, 100, &got);
	assert_int_equal(got.len, 6);
	assert_memory_equal(got.bytes, "\0\0tail", 6);
	drive_read(d, a.handle, 4096, 4, &got); /* the kernel asks on write-only handles too */
	assert_memory_equal(got.bytes, "tail", 4);
	drive_release(d, r.handle);
	drive_release(d, a.handle);
}

static void truncate_by_path_is_committed(void **state)
{
	struct drive *d = *state;
	struct answer a;
	struct stat st = { .st_size = 2 };
	uint64_t id;

	drive_put(d, DRIVE_ROOT, "f", "hello");
	id = drive_id(d, DRIVE_ROOT, "f");
	assert_int_equal(drive_setattr(d, id, NULL, SET_SIZE, &st), 0);
	assert_int_equal(d->fs->write_handles, 0);
	drive_again(d);
	drive_get(d, DRIVE_ROOT, "f", &a);
	assert_string_equal(a.bytes, "he");
	st.st_size = 0;
	assert_int_equal(drive_setattr(d, drive_id(d, DRIVE_ROOT, "f"), NULL, SET_SIZE, &st), 0);
	drive_again(d);
	drive_getattr(d, drive_id(d, DRIVE_ROOT, "f"), &a);
	assert_int_equal(a.st.st_size, 0);

	st.st_size = 10;
	fault_store_add(d->kit.fault, &(struct fault_rule){ .op = STORE_PUT, .key_part = "s/t/f", .times = 1, .action = FAULT_FAIL, .error = ENOSPC });
	assert_int_not_equal(drive_setattr(d, drive_id(d, DRIVE_ROOT, "f"), NULL, SET_SIZE, &st), 0);
}

static void truncate_by_handle(void **state)
{
	struct drive *d = *state;
	struct answer a;
	struct stat st = { .st_size = 3 };

	drive_create(d, DRIVE_ROOT, "f", getpid(), &a);
	drive_write(d, a.handle, 0, "hello", 5);
	assert_int_equal(drive_setattr(d, a.id, a.handle, SET_SIZE, &st), 0);
	assert_false(drive_stands(d, KEY("f"))); /* its close will do that */
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
	drive_release(d, a.handle);
	drive_get(d, DRIVE_ROOT, "f", &a);
	assert_string_equal(a.bytes, "hel");
}

static void replace(void *arg)
{
	struct drive *d = arg;
	uint8_t *bytes = NULL;
	struct store_meta meta;
	size_t n = kit_raw_get(d->kit.bucket, KEY("other"), &bytes, &meta);

	kit_raw_put(d->kit.bucket, KEY("f"), bytes, n);
	free(bytes);
}

/* Makes everything that was seen look as if it had been seen long ago. */
static void age(struct drive *d)
{
	struct node *node, *next;

	fs_lock(d->fs);
	HASH_ITER(hh, d->fs->nodes.by_id, node, next) {
		if (node->dir)
			dir_expire(node->dir);
		object_unref(node->object);
		node->object = NULL;
		node->known = node->type == ENTRY_FOLDER;
	}
	fs_unlock(d->fs);
}

static void replaced_behind_the_mount(void **state)
{
	struct drive *d = *state;
	struct answer a;
	uint64_t id;
	unsigned notices = drive_notices();

	drive_put(d, DRIVE_ROOT, "f", "mine");
	drive_put(d, DRIVE_ROOT, "other", "somebody else's");
	id = drive_id(d, DRIVE_ROOT, "f");
	replace(d);
	fs_lock(d->fs);
	dir_expire(d->fs->nodes.root->dir);
	fs_unlock(d->fs);
	assert_int_not_equal(drive_id(d, DRIVE_ROOT, "f"), id); /* a new listing shows another ETag */
	assert_true(drive_notices() > notices);
	drive_getattr(d, id, &a);
	assert_int_equal(a.error, ESTALE);
	drive_open(d, id, O_RDONLY, getpid(), &a);
	assert_int_equal(a.error, ESTALE);
	drive_get(d, DRIVE_ROOT, "f", &a);
	assert_string_equal(a.bytes, "somebody else's");
}

static void replaced_while_written(void **state)
{
	struct drive *d = *state;
	struct answer a;

	drive_put(d, DRIVE_ROOT, "f", "mine");
	drive_put(d, DRIVE_ROOT, "other", "somebody else's");
	drive_open(d, drive_id(d, DRIVE_ROOT, "f"), O_WRONLY, getpid(), &a);
	drive_write(d, a.handle, 0, "MINE", 4);
	kit_callback(&d->kit, STORE_PUT, "s/t/f", replace, d);
	assert_int_equal(drive_flush(d, a.handle, getpid()), EIO); /* and nobody's bytes were lost */
	drive_release(d, a.handle);
	age(d);
	drive_again(d);
	drive_get(d, DRIVE_ROOT, "f", &a);
	assert_string_equal(a.bytes, "somebody else's");
}

static void foreign_and_damaged(void **state)
{
	struct drive *d = *state;
	struct answer a;

	kit_raw_put(d->kit.bucket, KEY("plain"), "not ours", 8);
	drive_put(d, DRIVE_ROOT, "damaged", "content");
	kit_raw_flip(d->kit.bucket, KEY("damaged"), 485); /* the header's MAC */
	drive_again(d);
	drive_getattr(d, drive_id(d, DRIVE_ROOT, "plain"), &a);
	assert_int_equal(a.st.st_mode, S_IFREG);
	assert_int_equal(a.st.st_size, 8);
	drive_open(d, drive_id(d, DRIVE_ROOT, "plain"), O_RDONLY, getpid(), &a);
	assert_int_equal(a.error, EACCES);
	drive_getattr(d, drive_id(d, DRIVE_ROOT, "damaged"), &a);
	assert_int_equal(a.st.st_mode, S_IFREG);
	drive_open(d, drive_id(d, DRIVE_ROOT, "damaged"), O_RDONLY, getpid(), &a);
	assert_int_equal(a.error, EIO);
	assert_int_equal(drive_unlink(d, DRIVE_ROOT, "damaged"), 0); /* it can be removed */
	assert_int_equal(drive_unlink(d, DRIVE_ROOT, "plain"), 0);
}

static void no_new_writers_while_stopping(void **state)
{
	struct drive *d = *state;
	struct answer a, open;

	drive_put(d, DRIVE_ROOT, "f", "x");
	drive_open(d, drive_id(d, DRIVE_ROOT, "f"), O_WRONLY, getpid(), &open);
	atomic_store(&d->fs->stopping, true);
	drive_open(d, drive_id(d, DRIVE_ROOT, "f"), O_WRONLY, getpid(), &a);
	assert_int_equal(a.error, EROFS);
	drive_create(d, DRIVE_ROOT, "g", getpid(), &a);
	assert_int_equal(a.error, EROFS);
	drive_get(d, DRIVE_ROOT, "f", &a); /* reading goes on, and so does what is open */
	assert_string_equal(a.bytes, "x");
	assert_int_equal(drive_write(d, open.handle, 0, "y", 1), 0);
	assert_int_equal(drive_flush(d, open.handle, getpid()), 0);
	drive_release(d, open.handle);
}

static void unopened_truncation_counts_for_nothing(void **state)
{
	struct drive *d = *state;
	struct answer a;

	drive_put(d, DRIVE_ROOT, "f", "old");
	drive_open(d, drive_id(d, DRIVE_ROOT, "f"), O_WRONLY | O_TRUNC, getpid(), &a);
	file_unopened(d->fs, a.handle); /* as where the answer did not arrive */
	drive_quiet(d);
	drive_get(d, DRIVE_ROOT, "f", &a);
	assert_string_equal(a.bytes, "old");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, drive_setup, drive_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(close_tells_the_truth),
		TEST(a_failed_file_stays_visible),
		TEST(a_failed_file_can_be_removed),
		TEST(empty_files_wait_for_their_release),
		TEST(truncation_keeps_the_old_file_until_the_commit),
		TEST(a_killed_writer_is_marked),
		TEST(a_killed_writer_does_not_replace),
		TEST(synced_then_killed_is_marked_too),
		TEST(a_childs_close_is_true_and_the_openers_ends_it),
		TEST(unseen_processes_are_said),
		TEST(mapped_stores_arrive_at_release),
		TEST(reads_what_is_written),
		TEST(truncate_by_path_is_committed),
		TEST(truncate_by_handle),
		TEST(replaced_behind_the_mount),
		TEST(replaced_while_written),
		TEST(foreign_and_damaged),
		TEST(no_new_writers_while_stopping),
		TEST(unopened_truncation_counts_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

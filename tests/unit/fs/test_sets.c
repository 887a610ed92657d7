/* SPDX-License-Identifier: Apache-2.0 */
/* What is sealed when, and what happens where it cannot be; what is compared with a seal. */
#include "tests/unit/fs/backups.h"

#include "base/clock.h"
#include "fs/shelf.h"
#include "vault/sealer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARCHIVE SET ".tar.gz"
#define QUIET (16 * 60 * 1000)
#define RETRY 5100

/* Runs drain as the end of the mount does, and gives the log. */
static unsigned seal_all(struct drive *d)
{
	unsigned failed;

	drive_quiet(d);
	sets_quit(d->fs);
	kit_log_begin();
	failed = sets_seal_all(d->fs, clock_mono_ms() + 5000);
	free(kit_log_end());
	return failed;
}

/* ---- at the close */

static void an_archive_at_its_close(void **state)
{
	struct drive *d = *state;

	backup_dump(d, SET, true);
	assert_false(drive_stands(d, SEAL)); /* a folder is not sealed by a close */
	assert_int_equal(drive_put(d, DRIVE_ROOT, ARCHIVE, "archive"), 0);
	backup_is(d, SET, ARCHIVE "\n");
	assert_int_equal(backup_set(d, SET)->state, SET_SEALED);
	assert_false(backup_set(d, SET)->touched || backup_set(d, SET)->due);
	backup_rests(d, SET, QUIET);
	backup_is(d, SET, ARCHIVE "\n"); /* scratch stays scratch */
}

static void only_when_its_last_writer_is_gone(void **state)
{
	struct drive *d = *state;
	struct answer a, b;

	drive_create(d, DRIVE_ROOT, ARCHIVE, getpid(), &a);
	drive_open(d, a.id, O_WRONLY, getpid(), &b);
	drive_write(d, a.handle, 0, "archive", 7);
	drive_flush(d, a.handle, getpid());
	drive_release(d, a.handle);
	assert_false(drive_stands(d, SEAL));
	drive_release(d, b.handle);
	assert_true(drive_stands(d, SEAL));
}

static void two_archives_when_both_are_closed(void **state)
{
	struct drive *d = *state;
	struct answer a, b;

	drive_create(d, DRIVE_ROOT, ARCHIVE, getpid(), &a);
	drive_create(d, DRIVE_ROOT, SET ".zip", getpid(), &b);
	drive_write(d, a.handle, 0, "archive", 7);
	drive_flush(d, a.handle, getpid());
	drive_release(d, a.handle);
	assert_false(drive_stands(d, SEAL));
	drive_write(d, b.handle, 0, "archive", 7);
	drive_flush(d, b.handle, getpid());
	drive_release(d, b.handle);
	backup_is(d, SET, ARCHIVE "\n" SET ".zip\n");
}

static void a_lone_file_with_a_time(void **state)
{
	struct drive *d = *state;

	drive_put(d, DRIVE_ROOT, SET ".sql", "dump");
	backup_is(d, SET, SET ".sql\n");
	drive_put(d, DRIVE_ROOT, "notes.txt", "no time"); /* no backup by itself */
	assert_false(drive_stands(d, RECORD("seals/notes")));
	drive_put(d, DRIVE_ROOT, SET ".sql.sha256", "sum"); /* of a sealed one: it is reopened, and sealed with it */
	assert_false(drive_stands(d, REOPEN));
	backup_is(d, SET, SET ".sql\n" SET ".sql.sha256\n");
}

static void not_a_file_beside_others(void **state)
{
	struct drive *d = *state;

	backup_dump(d, SET, true);
	drive_put(d, DRIVE_ROOT, SET ".sql", "dump");
	assert_false(drive_stands(d, SEAL));
}

static void an_archive_in_a_folder_is_none(void **state)
{
	struct drive *d = *state;
	struct answer a;

	assert_int_equal(drive_mkdir(d, DRIVE_ROOT, SET), 0);
	drive_create(d, drive_id(d, DRIVE_ROOT, SET), "x.tar.gz", getpid(), &a);
	assert_int_equal(backup_set(d, SET)->archives, 0);
	assert_int_equal(backup_set(d, SET)->writers, 1);
	drive_write(d, a.handle, 0, "archive", 7);
	drive_flush(d, a.handle, getpid());
	drive_release(d, a.handle);
	assert_false(drive_stands(d, SEAL));
	assert_int_equal(drive_unlink(d, drive_id(d, DRIVE_ROOT, SET), "x.tar.gz"), 0); /* nothing to wait for */
}

/* By mv, as who writes beside and renames does. */
static void an_archive_that_comes_by_a_rename(void **state)
{
	struct drive *d = *state;
	struct answer a;

	drive_put(d, DRIVE_ROOT, "upload.part", "archive");
	assert_int_equal(drive_rename(d, DRIVE_ROOT, "upload.part", DRIVE_ROOT, ARCHIVE, 0), 0);
	drive_quiet(d);
	backup_is(d, SET, ARCHIVE "\n");
	drive_create(d, DRIVE_ROOT, "second.part", getpid(), &a);
	drive_write(d, a.handle, 0, "archive", 7);
	assert_int_equal(drive_rename(d, DRIVE_ROOT, "second.part", DRIVE_ROOT, "c-20261102.tar", 0), 0);
	drive_quiet(d);
	assert_false(drive_stands(d, RECORD("seals/c-20261102"))); /* it is still being written */
	drive_flush(d, a.handle, getpid());
	drive_release(d, a.handle);
	assert_true(drive_stands(d, RECORD("seals/c-20261102")));
}

/* tar sets the times and modes of what it made before it ends; they are of the seal. */
static void with_its_last_attributes(void **state)
{
	AUTO(seal_free) struct seal seal = { 0 };
	struct drive *d = *state;
	struct record_id id;
	struct answer a;

	drive_create(d, DRIVE_ROOT, ARCHIVE, getpid(), &a);
	drive_write(d, a.handle, 0, "archive", 7);
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
	assert_int_equal(drive_setattr(d, a.id, NULL, SET_MODE, &(struct stat){ .st_mode = 0600 }), 0);
	drive_release(d, a.handle);
	assert_int_equal(seal_read(d->kit.v, "t", SET, &seal, &id, NULL), 0);
	assert_int_equal(seal.entries[0].mode, 0600);
}

/* ---- never of a writer that was killed or failed */

static void killed_while_it_writes(struct drive *d, const char *name)
{
	struct answer a;
	siginfo_t info;
	pid_t pid = fork();

	if (pid == 0) {
		clock_sleep_ms(60000);
		_exit(0);
	}
	drive_create(d, DRIVE_ROOT, name, pid, &a);
	assert_int_equal(drive_write(d, a.handle, 0, "half", 4), 0);
	kill(pid, SIGKILL);
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT); /* as in its last FLUSH: nobody has waited for it yet */
	drive_flush(d, a.handle, pid);
	drive_release(d, a.handle);
	waitpid(pid, NULL, 0);
}

static void a_killed_writers_archive_never(void **state)
{
	struct drive *d = *state;

	killed_while_it_writes(d, ARCHIVE);
	assert_true(drive_stands(d, KEY(ARCHIVE)));
	assert_false(backup_set(d, SET)->due);
	backup_rests(d, SET, QUIET);
	assert_int_equal(seal_all(d), 0);
	assert_false(drive_stands(d, SEAL));
	assert_int_equal(backup_set(d, SET)->state, SET_PLAIN);
}

/* Its process cannot be seen, but its last release was. */
static void an_unknown_writers_archive_by_who_saw_its_release(void **state)
{
	struct drive *d = *state;
	struct answer a;
	struct trailer t;

	drive_create(d, DRIVE_ROOT, ARCHIVE, 0, &a);
	drive_write(d, a.handle, 0, "archive", 7);
	kit_log_begin();
	drive_flush(d, a.handle, 0);
	drive_release(d, a.handle);
	free(kit_log_end());
	drive_trailer(d, KEY(ARCHIVE), &t);
	assert_int_equal(t.state, STATE_UNKNOWN);
	backup_is(d, SET, ARCHIVE "\n");
}

static void a_failed_archive_never(void **state)
{
	struct drive *d = *state;
	char *log;

	kit_log_begin();
	kit_fault(&d->kit, STORE_PUT, "s/t/" ARCHIVE, 0, 1, FAULT_FAIL, ENOSPC);
	assert_int_equal(drive_put(d, DRIVE_ROOT, ARCHIVE, "archive"), ENOSPC);
	drive_put(d, DRIVE_ROOT, SET ".zip", "another"); /* good, but its set has a failed path */
	log = kit_log_end();
	assert_non_null(strstr(log, "partial"));
	free(log);
	assert_false(drive_stands(d, SEAL));
	backup_rewrite(d, DRIVE_ROOT, ARCHIVE, "archive"); /* made anew */
	backup_is(d, SET, ARCHIVE "\n" SET ".zip\n");
}

/* ---- when it is quiet, and at the end */

static void a_marked_folder_when_it_is_quiet(void **state)
{
	struct drive *d = *state;
	struct answer a;

	backup_dump(d, SET, true);
	backup_rests(d, SET, QUIET - 120000);
	assert_false(drive_stands(d, SEAL));
	drive_get(d, drive_id(d, DRIVE_ROOT, SET), "a", &a); /* readers use it, too */
	assert_true(clock_mono_ms() - backup_set(d, SET)->acted_ms < 5000);
	backup_rests(d, SET, QUIET);
	backup_is(d, SET, SET "\n" SET "/a\n" SET "/metadata.json\n");
}

static void not_while_somebody_writes(void **state)
{
	struct drive *d = *state;
	struct answer a;

	backup_dump(d, SET, true);
	drive_open(d, drive_id(d, drive_id(d, DRIVE_ROOT, SET), "a"), O_WRONLY, getpid(), &a);
	backup_rests(d, SET, QUIET);
	assert_false(drive_stands(d, SEAL));
	assert_int_equal(backup_set(d, SET)->writers, 1);
	drive_release(d, a.handle);
	backup_rests(d, SET, QUIET);
	assert_true(drive_stands(d, SEAL));
}

static void without_its_mark_never_by_itself(void **state)
{
	struct drive *d = *state;

	backup_dump(d, SET, false);
	backup_rests(d, SET, QUIET);
	assert_int_equal(seal_all(d), 0);
	assert_false(drive_stands(d, SEAL));
}

static void at_the_end_of_the_mount(void **state)
{
	struct drive *d = *state;

	backup_dump(d, SET, true);
	assert_int_equal(seal_all(d), 0);
	backup_is(d, SET, SET "\n" SET "/a\n" SET "/metadata.json\n");
}

static void the_end_tells_what_it_could_not_seal(void **state)
{
	struct drive *d = *state;

	backup_dump(d, SET, true);
	kit_fault(&d->kit, STORE_PUT, "seals/", 0, 0, FAULT_FAIL, EREMOTEIO);
	assert_int_equal(seal_all(d), 1);
	assert_false(drive_stands(d, SEAL));
}

static void no_time_is_left_at_the_end(void **state)
{
	struct drive *d = *state;

	backup_dump(d, SET, true);
	kit_fault(&d->kit, STORE_PUT, "seals/", 0, 1, FAULT_FAIL, EREMOTEIO);
	assert_int_equal(drive_put(d, DRIVE_ROOT, "c-20261102.tar", "archive"), 0);
	drive_quiet(d);
	sets_quit(d->fs);
	assert_int_equal(sets_seal_all(d->fs, clock_mono_ms()), 1); /* c is due */
	assert_false(drive_stands(d, SEAL));
}

/* What was sealed and is written again is sealed again by the rule that sealed it. */
static void a_reopened_one_is_sealed_again(void **state)
{
	struct drive *d = *state;
	uint64_t folder;

	backup_dump(d, SET, true);
	backup_rests(d, SET, QUIET);
	folder = drive_id(d, DRIVE_ROOT, SET);
	assert_int_equal(drive_put(d, folder, "late", "added"), 0);
	assert_true(drive_stands(d, REOPEN));
	backup_rests(d, SET, QUIET);
	assert_true(drive_stands(d, REOPEN)); /* what came after the mark is not sealed by itself */
	backup_rewrite(d, folder, "metadata.json", "CONTENT");
	assert_true(drive_stands(d, REOPEN)); /* a close of a file in a folder completes nothing */
	backup_rests(d, SET, QUIET);
	assert_false(drive_stands(d, REOPEN));
	backup_is(d, SET, SET "\n" SET "/a\n" SET "/late\n" SET "/metadata.json\n");
}

/* Its attributes change when it is closed: no file's close seals it again, and there is no mark to ask for. */
static void a_reopened_archive_is_sealed_again_when_quiet(void **state)
{
	struct drive *d = *state;

	drive_put(d, DRIVE_ROOT, ARCHIVE, "archive");
	assert_int_equal(drive_setattr(d, drive_id(d, DRIVE_ROOT, ARCHIVE), NULL, SET_MODE, &(struct stat){ .st_mode = 0600 }), 0);
	assert_true(drive_stands(d, REOPEN));
	assert_int_equal(settle_all(d->fs, clock_mono_ms() + 5000), 0);
	backup_rests(d, SET, QUIET);
	assert_false(drive_stands(d, REOPEN));
}

/* ---- what fails is tried again */

static void a_due_seal_is_tried_again(void **state)
{
	struct drive *d = *state;

	kit_log_begin();
	kit_fault(&d->kit, STORE_PUT, "seals/", 0, 2, FAULT_FAIL, EREMOTEIO);
	assert_int_equal(drive_put(d, DRIVE_ROOT, ARCHIVE, "archive"), 0); /* the file is good all the same */
	assert_true(backup_set(d, SET)->due && !backup_set(d, SET)->sealing);
	assert_int_not_equal(backup_set(d, SET)->state, SET_SEALED);
	backup_rests(d, SET, RETRY);
	assert_true(backup_set(d, SET)->due);
	backup_rests(d, SET, RETRY);
	free(kit_log_end());
	assert_false(backup_set(d, SET)->due);
	assert_int_equal(backup_set(d, SET)->state, SET_SEALED);
	backup_is(d, SET, ARCHIVE "\n");
}

/* Each request on the way to the seal fails once: in the end it stands, and lists the same. */
static void whatever_fails_it_is_sealed_in_the_end(void **state)
{
	static const enum store_op ops[] = { STORE_GET, STORE_HEAD, STORE_LIST, STORE_PUT };
	struct drive *d = *state;
	unsigned failures = 0;
	char name[64], stem[32], want[80];

	kit_log_begin();
	for (size_t op = 0; op < ARRAY_LEN(ops); op++)
		for (unsigned n = 0;; n++) {
			snprintf(stem, sizeof(stem), "s-202611%02u-0000%02u", (unsigned)op + 1, n);
			snprintf(name, sizeof(name), "%s.tar", stem);
			snprintf(want, sizeof(want), "%s\n", name);
			kit_fault(&d->kit, ops[op], "/.pishop/t/t/", n, 1, FAULT_FAIL, EREMOTEIO);
			assert_int_equal(drive_put(d, DRIVE_ROOT, name, "archive"), 0);

			bool hit = fault_store_hits(d->kit.fault) > 0;

			fault_store_clear(d->kit.fault);
			backup_rests(d, stem, RETRY);
			backup_is(d, stem, want);
			if (!hit)
				break;
			failures++;
			backups_again(d); /* its records are asked for anew */
		}
	free(kit_log_end());
	assert_true(failures > 3);
}

/* Whoever may makes it; what waits for it goes on. */
static void who_may_not_seal_does_not_wait(void **state)
{
	struct drive *d = *state;

	backup_dump(d, SET, true);
	kit_log_begin();
	kit_fault(&d->kit, STORE_PUT, "seals/", 0, 0, FAULT_FAIL, EACCES);
	assert_int_equal(drive_put(d, DRIVE_ROOT, ARCHIVE, "archive"), 0);
	free(kit_log_end());
	assert_false(backup_set(d, SET)->due);
	assert_int_equal(drive_unlink(d, drive_id(d, DRIVE_ROOT, SET), "a"), 0);
}

/* ---- what is done while it is being sealed */

struct chmod {
	struct drive *drive;
	uint64_t id;
};

static void chmod_meanwhile(void *arg)
{
	struct chmod *c = arg;

	assert_int_equal(drive_setattr(c->drive, c->id, NULL, SET_MODE, &(struct stat){ .st_mode = 0600 }), 0);
}

/* tar czf x.tar.gz d; chmod 600 x.tar.gz: the seal of the close is on its way. */
static void attributes_that_change_meanwhile_are_sealed(void **state)
{
	AUTO(seal_free) struct seal seal = { 0 };
	struct drive *d = *state;
	struct chmod c = { .drive = d };
	struct record_id id;
	struct answer a;

	drive_create(d, DRIVE_ROOT, ARCHIVE, getpid(), &a);
	c.id = a.id;
	drive_write(d, a.handle, 0, "archive", 7);
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
	backup_meanwhile(d, &(struct meanwhile){ chmod_meanwhile, &c });
	drive_release(d, a.handle); /* seals it once more, when the attributes have arrived */
	assert_int_equal(backup_state(d, SET), BACKUP_SEALED);
	assert_int_equal(seal_read(d->kit.v, "t", SET, &seal, &id, NULL), 0);
	assert_int_equal(seal.entries[0].mode, 0600);
	assert_false(drive_stands(d, REOPEN));
}

static void put_meanwhile(void *arg)
{
	struct drive *d = arg;
	struct answer a;

	drive_create(d, DRIVE_ROOT, ARCHIVE ".sha256", getpid(), &a);
	assert_int_equal(a.error, 0);
	assert_int_equal(drive_write(d, a.handle, 0, "sum", 3), 0);
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
	d->kept = a.handle;
}

/* tar czf x.tar.gz d; sha256sum x.tar.gz >x.tar.gz.sha256 */
static void a_file_that_comes_meanwhile_is_sealed(void **state)
{
	struct drive *d = *state;

	backup_meanwhile(d, &(struct meanwhile){ put_meanwhile, d });
	assert_int_equal(drive_put(d, DRIVE_ROOT, ARCHIVE, "archive"), 0);
	assert_int_equal(backup_state(d, SET), BACKUP_OPEN);
	drive_release(d, d->kept);
	backup_is(d, SET, ARCHIVE "\n" ARCHIVE ".sha256\n");
	assert_int_equal(backup_set(d, SET)->state, SET_SEALED);
	assert_int_equal(backup_state(d, SET), BACKUP_SEALED);
}

static void put_and_close_meanwhile(void *arg)
{
	struct drive *d = arg;

	put_meanwhile(d);
	file_let_go(d->fs, d->kept);
}

/* The same, and it is closed before the seal stands: nothing more comes that would seal it. */
static void a_file_that_came_and_went_meanwhile_is_sealed(void **state)
{
	struct drive *d = *state;

	backup_meanwhile(d, &(struct meanwhile){ put_and_close_meanwhile, d });
	assert_int_equal(drive_put(d, DRIVE_ROOT, ARCHIVE, "archive"), 0);
	assert_false(backup_set(d, SET)->due); /* it was sealed once more at once */
	backup_is(d, SET, ARCHIVE "\n" ARCHIVE ".sha256\n");
	assert_int_equal(backup_state(d, SET), BACKUP_SEALED);
}

/* tar cz d | tee >(sha256sum >x.tar.gz.sha256) >x.tar.gz: the one that was open before asks for no record later. */
static void a_file_that_is_open_meanwhile_is_sealed(void **state)
{
	struct drive *d = *state;
	struct answer a;

	drive_create(d, DRIVE_ROOT, ARCHIVE ".sha256", getpid(), &a);
	assert_int_equal(drive_put(d, DRIVE_ROOT, ARCHIVE, "archive"), 0);
	assert_true(drive_stands(d, SEAL) && drive_stands(d, REOPEN));
	assert_false(backup_set(d, SET)->due); /* nothing waits for it */
	assert_int_equal(drive_write(d, a.handle, 0, "sum", 3), 0);
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
	assert_int_equal(backup_state(d, SET), BACKUP_OPEN);
	drive_release(d, a.handle);
	backup_is(d, SET, ARCHIVE "\n" ARCHIVE ".sha256\n");
	assert_int_equal(backup_state(d, SET), BACKUP_SEALED);
}

/* A file of scratch that is still open makes no difference. */
static void what_is_open_in_scratch_is_not_waited_for(void **state)
{
	struct drive *d = *state;
	struct answer a;

	backup_dump(d, SET, true);
	drive_create(d, drive_id(d, DRIVE_ROOT, SET), "log", getpid(), &a);
	assert_int_equal(drive_put(d, DRIVE_ROOT, ARCHIVE, "archive"), 0);
	assert_false(drive_stands(d, REOPEN));
	assert_int_equal(backup_set(d, SET)->state, SET_SEALED);
	drive_write(d, a.handle, 0, "line", 4);
	drive_flush(d, a.handle, getpid());
	drive_release(d, a.handle);
	assert_int_equal(backup_state(d, SET), BACKUP_SEALED);
}

/* chmod 600 x.tar.gz; sha256sum x.tar.gz >x.tar.gz.sha256: the close of the second is before the attributes of the first are stored. */
static void attributes_on_their_way_are_waited_for(void **state)
{
	struct drive *d = *state;

	drive_put(d, DRIVE_ROOT, ARCHIVE, "archive");
	assert_int_equal(drive_setattr(d, drive_id(d, DRIVE_ROOT, ARCHIVE), NULL, SET_MODE, &(struct stat){ .st_mode = 0600 }), 0);
	drive_put(d, DRIVE_ROOT, ARCHIVE ".sha256", "sum");
	assert_true(drive_stands(d, REOPEN));
	assert_int_equal(settle_all(d->fs, clock_mono_ms() + 5000), 0);
	backup_rests(d, SET, RETRY);
	assert_int_equal(backup_state(d, SET), BACKUP_SEALED);
	backup_is(d, SET, ARCHIVE "\n" ARCHIVE ".sha256\n");
}

/* But not for those of another backup, nor for those of scratch. */
static void attributes_of_others_are_not_waited_for(void **state)
{
	struct drive *d = *state;

	drive_put(d, DRIVE_ROOT, "notes.txt", "x");
	assert_int_equal(drive_mkdir(d, DRIVE_ROOT, SET), 0);
	drive_put(d, drive_id(d, DRIVE_ROOT, SET), SET ".log", "x");
	assert_int_equal(drive_setattr(d, drive_id(d, DRIVE_ROOT, "notes.txt"), NULL, SET_MODE, &(struct stat){ .st_mode = 0600 }), 0);
	assert_int_equal(drive_setattr(d, drive_id(d, drive_id(d, DRIVE_ROOT, SET), SET ".log"), NULL, SET_MODE, &(struct stat){ .st_mode = 0600 }), 0);
	assert_int_equal(settle_count(d->fs), 2);
	drive_put(d, DRIVE_ROOT, ARCHIVE, "archive");
	backup_is(d, SET, ARCHIVE "\n");
}

/* ---- archives that somebody left behind */

static void what_a_dead_mount_left_is_sealed(void **state)
{
	struct drive *d = *state;
	int64_t deadline;

	kit_log_begin();
	kit_fault(&d->kit, STORE_PUT, "seals/", 0, 0, FAULT_FAIL, EACCES); /* as if it had been killed behind the close */
	drive_put(d, DRIVE_ROOT, ARCHIVE, "archive");
	killed_while_it_writes(d, "c-20261102.tar");
	drive_put(d, DRIVE_ROOT, "d-20261102.sql", "no archive");
	fault_store_clear(d->kit.fault);
	backups_again(d);
	deadline = clock_mono_ms() + 8000;
	while (!drive_stands(d, SEAL) && clock_mono_ms() < deadline)
		clock_sleep_ms(20);
	clock_sleep_ms(50);
	free(kit_log_end());
	backup_is(d, SET, ARCHIVE "\n");
	assert_int_equal(kit_raw_count(d->kit.bucket, RECORD("seals/")), 1);
}

/* ---- what is asked, and what is answered from memory */

static uint64_t looks(struct drive *d)
{
	return kit_calls(&d->kit, STORE_GET);
}

static void new_names_need_no_look(void **state)
{
	struct drive *d = *state;
	struct answer a;
	uint64_t before;

	drive_put(d, DRIVE_ROOT, "first", "x");
	drive_list(d, DRIVE_ROOT, false, &a);
	before = looks(d);
	assert_int_equal(drive_mkdir(d, DRIVE_ROOT, SET), 0); /* the folder was listed, and nothing of it stands there */
	assert_int_equal(looks(d), before);
	assert_int_equal(drive_put(d, drive_id(d, DRIVE_ROOT, SET), "a", "x"), 0);
	assert_int_equal(looks(d), before);

	backups_again(d);
	before = looks(d);
	assert_int_equal(drive_mkdir(d, DRIVE_ROOT, "c-20261102"), 0); /* not listed: asked */
	assert_true(looks(d) > before);
	drive_list(d, DRIVE_ROOT, false, &a);
	before = looks(d);
	assert_int_equal(drive_mkdir(d, DRIVE_ROOT, SET ".more"), 0); /* another name of it stands there */
	assert_true(looks(d) > before);
}

/* Not known is not new: it may be sealed, or deleted. */
static void names_of_known_ones_are_looked_at(void **state)
{
	struct drive *d = *state;

	backup_dump(d, SET, true);
	backup_rests(d, SET, QUIET);
	backups_again(d);
	assert_int_equal(drive_put(d, drive_id(d, DRIVE_ROOT, SET), "more", "x"), 0);
	assert_true(drive_stands(d, REOPEN));
	assert_int_equal(backup_set(d, SET)->state, SET_REOPENED);
}

static void what_was_asked_is_known_for_a_while(void **state)
{
	struct drive *d = *state;
	struct answer a;
	uint64_t before, folder;

	backup_dump(d, SET, true);
	backup_rests(d, SET, QUIET);
	backups_again(d);
	folder = drive_id(d, DRIVE_ROOT, SET);
	drive_get(d, folder, "a", &a);
	before = kit_calls(&d->kit, STORE_GET);
	drive_get(d, folder, "metadata.json", &a);
	assert_int_equal(kit_calls(&d->kit, STORE_GET), before + 1); /* the file alone */
	backup_looked(d, SET, 3600000);
	drive_get(d, folder, "metadata.json", &a);
	assert_int_equal(kit_calls(&d->kit, STORE_GET), before + 1); /* the same seal still stands, by the names of the records */
	fs_lock(d->fs);
	shelf_expire(d->fs, "t");
	fs_unlock(d->fs);
	backup_looked(d, SET, 3600000);
	drive_get(d, folder, "metadata.json", &a);
	assert_true(kit_calls(&d->kit, STORE_GET) > before + 2);
}

/* Its record says so, and this mount did not write it. */
static void another_mounts_reopening_is_seen(void **state)
{
	struct drive *d = *state;

	backup_dump(d, SET, true);
	backup_rests(d, SET, QUIET);
	assert_int_equal(sealer_reopen(d->kit.v, "t", SET, "by another", NULL), 0);
	backups_again(d);
	assert_int_equal(drive_unlink(d, drive_id(d, DRIVE_ROOT, SET), "a"), 0); /* plainly */
	assert_false(drive_stands(d, TOMBSTONE));
	assert_int_equal(backup_set(d, SET)->state, SET_REOPENED);
}

/* ---- compared with the seal */

static void copy_raw(struct drive *d, const char *from, const char *to)
{
	uint8_t *data;
	size_t len = kit_raw_get(d->kit.bucket, from, &data, NULL);

	kit_raw_put(d->kit.bucket, to, data, len);
	free(data);
}

static int open_error(struct drive *d, uint64_t folder, const char *name)
{
	struct answer a;

	kit_log_begin();
	drive_open(d, drive_id(d, folder, name), O_RDONLY, getpid(), &a);
	free(kit_log_end());
	if (!a.error)
		drive_release(d, a.handle);
	return a.error;
}

static void another_object_in_its_place_is_not_read(void **state)
{
	struct drive *d = *state;
	uint64_t folder;

	backup_dump(d, SET, true);
	drive_put(d, drive_id(d, DRIVE_ROOT, SET), "b", "CONTENT");
	backup_rewrite(d, drive_id(d, DRIVE_ROOT, SET), "metadata.json", "content");
	backup_rests(d, SET, QUIET);
	assert_true(drive_stands(d, SEAL));
	copy_raw(d, KEY(SET "/b"), KEY(SET "/a")); /* of the same size, and with a good key */
	copy_raw(d, KEY(SET "/b"), KEY(SET "/added"));
	backups_again(d);
	folder = drive_id(d, DRIVE_ROOT, SET);
	assert_int_equal(open_error(d, folder, "b"), 0);
	assert_int_equal(open_error(d, folder, "a"), EIO);
	assert_false(drive_exists(d, folder, "added")); /* the seal does not list it */
	backup_looked(d, SET, 30000); /* known, and not asked just now: then it is asked once more */
	assert_int_equal(open_error(d, folder, "a"), ESTALE);
	assert_int_equal(open_error(d, folder, "a"), EIO);
	assert_int_equal(open_error(d, folder, "b"), 0);
}

/* Its rest is as it was: the same object, and shorter. */
static void an_older_version_is_not_read(void **state)
{
	struct drive *d = *state;
	uint8_t *old;
	size_t len;
	struct answer a;
	uint64_t folder;

	backup_dump(d, SET, true);
	folder = drive_id(d, DRIVE_ROOT, SET);
	drive_create(d, folder, "grows", getpid(), &a);
	drive_write(d, a.handle, 0, "one", 3);
	assert_int_equal(drive_fsync(d, a.handle), 0);
	len = kit_raw_get(d->kit.bucket, KEY(SET "/grows"), &old, NULL);
	drive_write(d, a.handle, 3, "two", 3);
	drive_flush(d, a.handle, getpid());
	drive_release(d, a.handle);
	backup_rewrite(d, folder, "metadata.json", "content");
	backup_rests(d, SET, QUIET);
	kit_raw_put(d->kit.bucket, KEY(SET "/grows"), old, len);
	free(old);
	backups_again(d);
	assert_int_equal(open_error(d, drive_id(d, DRIVE_ROOT, SET), "grows"), EIO);
}

/* Another mount has changed it and sealed it again: the seal that is remembered is asked for once more before anything is refused. */
static void a_newer_seal_is_asked_for(void **state)
{
	struct drive *d = *state, other = { 0 };
	struct vault_config config = kit_config();
	struct sealer_options options = { .source = SEAL_REQUEST };
	enum sealer_answer answer;
	struct answer a;
	char reason[128];

	drive_put(d, DRIVE_ROOT, "x-20261102.sql", "CONTENT");
	backup_dump(d, SET, true);
	backup_rests(d, SET, QUIET);
	backups_again(d);

	uint64_t folder = drive_id(d, DRIVE_ROOT, SET);

	drive_get(d, folder, "metadata.json", &a); /* the seal is known from now on */
	copy_raw(d, KEY("x-20261102.sql"), KEY(SET "/a"));
	other.kit.bucket = d->kit.bucket;
	kit_open(&other.kit, &config, KIT_KEY);
	assert_int_equal(sealer_run(other.kit.v, "t", SET, &options, &answer, reason, sizeof(reason), NULL, NULL), 0);
	kit_close(&other.kit);
	backup_looked(d, SET, 3000);
	drive_open(d, drive_id(d, folder, "a"), O_RDONLY, getpid(), &a);
	assert_int_equal(a.error, ESTALE); /* the kernel asks again */
	drive_get(d, folder, "a", &a);
	assert_string_equal(a.bytes, "CONTENT");
}

/* What this mount has reopened is read as it is now, and no older word of the store counts while it is in hand. */
static void what_is_in_hand_is_not_asked_for(void **state)
{
	struct drive *d = *state;
	uint64_t folder;

	backup_dump(d, SET, true);
	backup_rests(d, SET, QUIET);
	folder = drive_id(d, DRIVE_ROOT, SET);
	assert_int_equal(drive_put(d, folder, "late", "added"), 0);
	assert_int_equal(open_error(d, folder, "late"), 0);
	backup_looked(d, SET, 3600000);
	kit_raw_remove(d->kit.bucket, REOPEN);
	assert_int_equal(drive_unlink(d, folder, "late"), 0);
	assert_false(drive_stands(d, TOMBSTONE));
	assert_int_equal(backup_set(d, SET)->state, SET_REOPENED);
}

static void scratch_is_compared_with_nothing(void **state)
{
	struct drive *d = *state;

	backup_pack(d);
	backups_again(d);
	assert_int_equal(open_error(d, drive_id(d, DRIVE_ROOT, SET), "a"), 0);
	assert_int_equal(open_error(d, DRIVE_ROOT, ARCHIVE), 0);
}

/* Every chunk is authenticated all the same. */
static void a_seal_that_cannot_be_asked_for_stops_no_reader(void **state)
{
	struct drive *d = *state;

	backup_dump(d, SET, true);
	backup_rests(d, SET, QUIET);
	backups_again(d);
	kit_fault(&d->kit, STORE_GET, "seals/", 0, 0, FAULT_FAIL, EREMOTEIO);
	assert_int_equal(open_error(d, drive_id(d, DRIVE_ROOT, SET), "a"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, backups_setup, drive_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_archive_at_its_close),
		TEST(only_when_its_last_writer_is_gone),
		TEST(two_archives_when_both_are_closed),
		TEST(a_lone_file_with_a_time),
		TEST(not_a_file_beside_others),
		TEST(an_archive_in_a_folder_is_none),
		TEST(an_archive_that_comes_by_a_rename),
		TEST(with_its_last_attributes),
		TEST(a_killed_writers_archive_never),
		TEST(an_unknown_writers_archive_by_who_saw_its_release),
		TEST(a_failed_archive_never),
		TEST(a_marked_folder_when_it_is_quiet),
		TEST(not_while_somebody_writes),
		TEST(without_its_mark_never_by_itself),
		TEST(at_the_end_of_the_mount),
		TEST(the_end_tells_what_it_could_not_seal),
		TEST(no_time_is_left_at_the_end),
		TEST(a_reopened_one_is_sealed_again),
		TEST(a_reopened_archive_is_sealed_again_when_quiet),
		TEST(a_due_seal_is_tried_again),
		TEST(whatever_fails_it_is_sealed_in_the_end),
		TEST(who_may_not_seal_does_not_wait),
		TEST(attributes_that_change_meanwhile_are_sealed),
		TEST(a_file_that_comes_meanwhile_is_sealed),
		TEST(a_file_that_came_and_went_meanwhile_is_sealed),
		TEST(a_file_that_is_open_meanwhile_is_sealed),
		TEST(what_is_open_in_scratch_is_not_waited_for),
		TEST(attributes_on_their_way_are_waited_for),
		TEST(attributes_of_others_are_not_waited_for),
		TEST(what_a_dead_mount_left_is_sealed),
		TEST(new_names_need_no_look),
		TEST(names_of_known_ones_are_looked_at),
		TEST(what_was_asked_is_known_for_a_while),
		TEST(another_mounts_reopening_is_seen),
		TEST(another_object_in_its_place_is_not_read),
		TEST(an_older_version_is_not_read),
		TEST(a_newer_seal_is_asked_for),
		TEST(what_is_in_hand_is_not_asked_for),
		TEST(scratch_is_compared_with_nothing),
		TEST(a_seal_that_cannot_be_asked_for_stops_no_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

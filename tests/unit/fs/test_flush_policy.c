/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fs/flush_policy.h"

#include <errno.h>

/* What the tables are written with. */
static const struct writer_look dirty = { .dirty = true, .has_bytes = true, .size = 10 };
static const struct writer_look clean = { .has_bytes = true, .size = 10 };
static const struct writer_look empty = { .dirty = true };
static const struct writer_look over = { .dirty = true, .has_bytes = true, .size = 10, .replaces = true };
static const struct writer_look broken = { .dirty = true, .has_bytes = true, .size = 10, .error = EIO };
static const struct writer_look gone = { .dirty = true, .has_bytes = true, .size = 10, .unlinked = true };
static const struct writer_look gone_clean = { .has_bytes = true, .size = 10, .unlinked = true };
static const struct caller opener = { .seen = true, .is_opener = true };
static const struct caller other = { .seen = true };
static const struct caller heir = { .seen = true, .opener_gone = true };
static const struct caller unseen = { .opener_gone = true };
static const struct caller exiting = { .seen = true, .is_opener = true, .end = CALLER_EXITS };
static const struct caller failing = { .seen = true, .is_opener = true, .end = CALLER_EXITS_BAD };
static const struct caller killed = { .seen = true, .is_opener = true, .end = CALLER_KILLED };
static const struct caller child_failing = { .seen = true, .end = CALLER_EXITS_BAD };
static const struct caller child_killed = { .seen = true, .end = CALLER_KILLED };
static const struct caller heir_killed = { .seen = true, .opener_gone = true, .end = CALLER_KILLED };
static const struct caller orphan = { .seen = true, .is_opener = true, .opener_orphaned = true };
static const struct caller orphans_child = { .seen = true, .opener_orphaned = true };

struct flush_row {
	const char *what;
	const struct writer_look *look;
	const struct caller *who;
	bool others;
	enum trailer_state mark;
	enum flush_action action;
	enum trailer_state state, marked;
	bool stands_open;
};

static const struct flush_row flush_rows[] = {
	{ "close by the opener", &dirty, &opener, false, 0, FLUSH_COMMIT, STATE_CLOSED, 0 },
	{ "exit(0) of the opener", &dirty, &exiting, false, 0, FLUSH_COMMIT, STATE_CLOSED, 0 },
	{ "close by the opener while others have it open", &dirty, &opener, true, 0, FLUSH_COMMIT, STATE_OPEN, 0 },
	{ "nothing to do", &clean, &opener, false, 0, FLUSH_NOTHING, STATE_CLOSED, 0 },
	{ "a shell's redirect of a file without bytes", &empty, &opener, false, 0, FLUSH_NOTHING, STATE_CLOSED, 0 },
	{ "latched", &broken, &opener, false, 0, FLUSH_FAIL, STATE_CLOSED, 0 },
	{ "latched, for a child too", &broken, &other, false, 0, FLUSH_FAIL, STATE_OPEN, 0 },
	{ "unlinked", &gone, &opener, false, 0, FLUSH_NOTHING, STATE_CLOSED, 0 },
	{ "gzip under tar", &dirty, &other, false, 0, FLUSH_SEND, STATE_OPEN, 0 },
	{ "a child, clean", &clean, &other, false, 0, FLUSH_NOTHING, STATE_OPEN, 0 },
	{ "grep that found nothing: the script goes on", &dirty, &child_failing, false, 0, FLUSH_SEND, STATE_OPEN, 0 },
	{ "a killed child: its parent will tell", &dirty, &child_killed, false, 0, FLUSH_SEND, STATE_OPEN, 0 },
	{ "the opener is gone, its heir closes", &dirty, &heir, false, 0, FLUSH_COMMIT, STATE_OPEN, 0 },
	{ "the opener is gone, its heir is killed", &dirty, &heir_killed, false, 0, FLUSH_COMMIT, STATE_KILLED, STATE_KILLED },
	{ "processes are not visible", &dirty, &unseen, false, 0, FLUSH_COMMIT, STATE_UNKNOWN, 0 },
	{ "kill -9", &dirty, &killed, false, 0, FLUSH_COMMIT, STATE_KILLED, STATE_KILLED },
	{ "exit(1)", &dirty, &failing, false, 0, FLUSH_COMMIT, STATE_FAILED, STATE_FAILED },
	{ "kill -9, all was synced before", &clean, &killed, false, 0, FLUSH_NOTHING, STATE_KILLED, STATE_KILLED },
	{ "kill -9 while replacing", &over, &killed, false, 0, FLUSH_FAIL, STATE_KILLED, STATE_KILLED },
	{ "exit(1) while replacing", &over, &failing, false, 0, FLUSH_FAIL, STATE_FAILED, STATE_FAILED },
	{ "good close while replacing", &over, &opener, false, 0, FLUSH_COMMIT, STATE_CLOSED, 0 },
	{ "the opener lost its parent", &dirty, &orphan, false, 0, FLUSH_COMMIT, STATE_KILLED, STATE_KILLED },
	{ "its child closes first", &dirty, &orphans_child, false, 0, FLUSH_COMMIT, STATE_KILLED, STATE_KILLED },
	{ "the opener lost its parent while replacing", &over, &orphan, false, 0, FLUSH_FAIL, STATE_KILLED, STATE_KILLED },
	{ "a child closes after a writer was killed", &dirty, &other, false, STATE_KILLED, FLUSH_COMMIT, STATE_KILLED, STATE_KILLED },
	{ "and while replacing", &over, &other, false, STATE_FAILED, FLUSH_FAIL, STATE_FAILED, STATE_FAILED },
	{ "the first mark stays", &dirty, &killed, false, STATE_FAILED, FLUSH_COMMIT, STATE_FAILED, STATE_FAILED },
	{ "the shell under tar, after gzip's close", &clean, &exiting, false, 0, FLUSH_CLOSE, STATE_CLOSED, 0, true },
	{ "the same while others have it open", &clean, &exiting, true, 0, FLUSH_NOTHING, STATE_OPEN, 0, true },
	{ "another child after gzip's close", &clean, &other, false, 0, FLUSH_NOTHING, STATE_OPEN, 0, true },
	{ "the shell was killed", &clean, &killed, false, 0, FLUSH_NOTHING, STATE_KILLED, STATE_KILLED, true },
	{ "bytes came after gzip's close", &dirty, &exiting, false, 0, FLUSH_COMMIT, STATE_CLOSED, 0, true },
	{ "gone after gzip's close", &gone_clean, &exiting, false, 0, FLUSH_NOTHING, STATE_CLOSED, 0, true },
};

static void flush_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(flush_rows); i++) {
		const struct flush_row *row = &flush_rows[i];
		const struct flush_input in = { *row->look, *row->who, row->others, row->stands_open, row->mark };
		struct flush_verdict v = flush_decide(&in);

		if (v.action != row->action || v.state != row->state || v.mark != row->marked || v.unseen != !row->who->seen)
			fail_msg("%s: action %d state %d mark %d", row->what, v.action, v.state, v.mark);
	}
}

struct release_row {
	const char *what;
	const struct writer_look *look;
	enum trailer_state mark;
	bool unseen;
	enum release_action action;
	enum trailer_state state;
};

static const struct release_row release_rows[] = {
	{ "all is there", &clean, 0, false, RELEASE_DONE, STATE_CLOSED },
	{ "mmap stores after close", &dirty, 0, false, RELEASE_COMMIT, STATE_CLOSED },
	{ "an empty file", &empty, 0, false, RELEASE_COMMIT, STATE_CLOSED },
	{ "an error is never published", &broken, 0, false, RELEASE_FAIL, STATE_CLOSED },
	{ "not a dead writer's either", &broken, STATE_KILLED, false, RELEASE_FAIL, STATE_KILLED },
	{ "unlinked", &gone, 0, false, RELEASE_DONE, STATE_CLOSED },
	{ "a dead writer's rest", &dirty, STATE_KILLED, false, RELEASE_COMMIT, STATE_KILLED },
	{ "a dead writer's, over an old file", &over, STATE_FAILED, false, RELEASE_ABANDON, STATE_FAILED },
	{ "synced by a dead writer", &clean, STATE_KILLED, false, RELEASE_DONE, STATE_KILLED },
	{ "over an old file", &over, 0, false, RELEASE_COMMIT, STATE_CLOSED },
	{ "by somebody unseen", &dirty, 0, true, RELEASE_COMMIT, STATE_UNKNOWN },
};

static void release_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(release_rows); i++) {
		const struct release_row *row = &release_rows[i];
		struct release_verdict v = release_decide(row->look, row->mark, row->unseen);

		if (v.action != row->action || v.state != row->state)
			fail_msg("%s: action %d state %d", row->what, v.action, v.state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(flush_table), cmocka_unit_test(release_table) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

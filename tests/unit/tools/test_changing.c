/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_vault.h"

#include <errno.h>

/* Verbs that change one backup: seal, hold, undelete. */

static void seals(void **state)
{
	static const struct { enum sealer_answer answer; int code; const char *words; bool err; } rows[] = {
		{ SEALER_DONE, TOOL_DONE, "acme/x: sealed, 37 entries", false }, { SEALER_SAME, TOOL_DONE, "was sealed", false },
		{ SEALER_OPEN, TOOL_PARTLY, "without what was never closed: the reason", true }, { SEALER_NOTHING, TOOL_FAILED, "nothing to seal", true },
		{ SEALER_UNMARKED, TOOL_FAILED, "completeness mark", true }, { SEALER_PARTIAL, TOOL_FAILED, "not complete: the reason", true },
	};

	fake_backup("x", fake.now_s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fake.answer = rows[i].answer;
		fake_run(rows[i].code, "seal", "acme/x", NULL);
		fake_says(rows[i].words, rows[i].err);
	}
	fake.rc[FAKE_SEALER] = EACCES;
	fake_run(TOOL_FAILED, "seal", "acme/x", NULL);
	assert_err("acme/x: sealing failed: these credentials may not");
}

/* What is being written would count as good. */
static void a_living_writer_is_let_be(void **state)
{
	fake_backup("x", fake.now_s)->live_writer = true;
	fake_run(TOOL_LOCKED, "seal", "acme/x", NULL);
	assert_err("somebody writes it");
	assert_calls("");
	fake_run(TOOL_DONE, "seal", "acme/x", "--force", NULL);
	assert_calls("seal acme/x request\n");
	fake_run(TOOL_FAILED, "seal", "acme/y", NULL);
	assert_err("acme/y: there is no such backup");
	fake.rc[FAKE_CATALOG] = ETIMEDOUT;
	fake_run(TOOL_NO_STORE, "seal", "acme/x", NULL);
	assert_calls("seal acme/x request\n");
}

static void several_seals(void **state)
{
	fake_backup("x", fake.now_s);
	fake_backup("y", fake.now_s);
	fake.rc[FAKE_SEALER] = EIO;
	fake.fails = "acme";
	fake_run(TOOL_PARTLY, "seal", "acme/x", "beta/y", NULL);
	assert_calls("seal acme/x request\nseal beta/y request\n");
	fake.stop_at = "acme";
	fake_run(TOOL_INTERRUPTED, "seal", "acme/x", "beta/y", NULL);
	assert_calls("seal acme/x request\nseal beta/y request\n");
}

static void holds(void **state)
{
	fake_backup("x", fake.now_s);
	fake_run(TOOL_DONE, "hold", "add", "acme/x", "--why", "case 7", NULL);
	assert_calls("hold acme/x case 7\n");
	assert_out("is on hold");
	fake_run(TOOL_FAILED, "hold", "add", "acme/typo", NULL);
	assert_err("there is no such backup");
	assert_calls("hold acme/x case 7\n");
	fake.rc[FAKE_HOLD_ADD] = EEXIST;
	fake_run(TOOL_DONE, "hold", "add", "acme/x", NULL);
	assert_out("was on hold already");
	fake.rc[FAKE_HOLD_ADD] = EBUSY;
	fake_run(TOOL_LOCKED, "hold", "add", "acme/x", NULL);
	assert_err("NOT held: its deletion has begun");
	fake.rc[FAKE_HOLD_ADD] = ESTALE;
	fake_run(TOOL_LOCKED, "hold", "add", "acme/x", NULL);
	fake.rc[FAKE_HOLD_REMOVE] = ENOENT;
	fake_run(TOOL_FAILED, "hold", "remove", "acme/x", "-y", NULL);
	assert_err("acme/x: is not on hold");
}

static void hold_lists(void **state)
{
	char why[] = "case 7", by[] = "ann@host";

	fake.holds[0] = (struct hold){ .stem = "x", .why = why, .by = by, .at_s = fake.now_s };
	fake.holds[1] = (struct hold){ .stem = "y", .why = why, .by = by, .at_s = fake.now_s };
	fake.hold_count = 2;
	fake_run(TOOL_DONE, "hold", "list", "acme", NULL);
	assert_out("acme   x      2026-11-25T12:00:00Z ann@host case 7\n");
	fake_run(TOOL_DONE, "hold", "list", "acme/y", "--json", NULL);
	assert_string_equal(fake_out, "{\"holds\":[{\"tenant\":\"acme\",\"backup\":\"y\",\"since\":\"2026-11-25T12:00:00Z\",\"by\":\"ann@host\",\"why\":\"case 7\"}]}\n");
	fake.rc[FAKE_HOLDS] = EBADMSG;
	fake_run(TOOL_FAILED, "hold", "list", "acme", NULL);
	assert_err("acme: reading its holds failed: it is damaged");
}

static void tomb(struct tombstone *t, const char *stem, const char *id, bool in_trash)
{
	static char why[] = "a mistake";

	*t = (struct tombstone){ .in_trash = in_trash, .trashed = in_trash, .at_s = fake.now_s, .until_s = fake.now_s + 3600, .why = why, .bytes = 1536 };
	copy_text(t->stem, sizeof(t->stem), stem);
	copy_text(t->id, sizeof(t->id), id);
}

static void undelete_in_place(void **state)
{
	tomb(&fake.tombs[0], "x", "a1", false);
	fake.tomb_count = 1;
	fake_run(TOOL_DONE, "undelete", "acme/x.tar.gz", NULL);
	assert_out("acme/x: is back\n");
	fake_run(TOOL_DONE, "undelete", "acme/x", "--as", "y", NULL);
	assert_out("acme/y: is back\n");
	assert_calls("undelete acme/x id none to none\nundelete acme/x id none to y\n");
	fake_run(TOOL_USAGE, "undelete", "acme/x", "--as", "y.tar", NULL);
	assert_err("write y");
	fake_run(TOOL_USAGE, "undelete", "acme/x", "--as", "beta/y", NULL);
	fake_run(TOOL_USAGE, "undelete", NULL);
	fake_run(TOOL_USAGE, "undelete", "acme/x", "--json", NULL);
	fake_run(TOOL_FAILED, "undelete", "acme/y", NULL);
	assert_err("acme/y: no such deleted backup");
	fake_run(TOOL_FAILED, "undelete", "acme/x", "--id=a2", NULL); /* another of that name is meant */
	assert_calls("undelete acme/x id none to none\nundelete acme/x id none to y\n");
}

static void undelete_from_the_trash(void **state)
{
	tomb(&fake.trash[0], "x", "a1", true);
	tomb(&fake.trash[1], "y", "a2", true);
	tomb(&fake.trash[2], "y", "a3", true);
	fake.trash_count = 3;
	fake_run(TOOL_DONE, "undelete", "acme/x", NULL);
	assert_calls("undelete acme/x id a1 to none\n");
	fake_run(TOOL_USAGE, "undelete", "acme/y", NULL);
	assert_err("2 deleted ones have that name; give --id=ID");
	fake_run(TOOL_DONE, "undelete", "acme/y", "--id=a3", "--as=z", NULL);
	assert_calls("undelete acme/x id a1 to none\nundelete acme/y id a3 to z\n");
	tomb(&fake.tombs[0], "y", "a4", false); /* the one in place is meant, unless an id says otherwise */
	fake.tomb_count = 1;
	fake_run(TOOL_DONE, "undelete", "acme/y", NULL);
	fake_run(TOOL_DONE, "undelete", "acme/y", "--id=a2", NULL);
	assert_calls("undelete acme/x id a1 to none\nundelete acme/y id a3 to z\nundelete acme/y id none to none\nundelete acme/y id a2 to none\n");
}

static void undelete_on_the_way_to_the_trash(void **state)
{
	tomb(&fake.tombs[0], "x", "a1", false);
	fake.tombs[0].trashed = true;
	fake.tomb_count = 1;
	fake.rc[FAKE_UNDELETE] = EBUSY;
	fake_run(TOOL_LOCKED, "undelete", "acme/x", NULL); /* not there yet */
	assert_err("just being moved to the trash");
	assert_calls("undelete acme/x id none to none\n");
	tomb(&fake.trash[0], "x", "a1", true);
	fake.trash_count = 1;
	fake.rc[FAKE_UNDELETE] = 0;
	fake_run(TOOL_DONE, "undelete", "acme/x", NULL);
	assert_calls("undelete acme/x id none to none\nundelete acme/x id a1 to none\n");
}

static void undelete_that_fails(void **state)
{
	static const struct { int rc, code; const char *words; } rows[] = {
		{ EBUSY, TOOL_LOCKED, "its deletion has begun" }, { EEXIST, TOOL_FAILED, "acme/x is there; give another name" },
		{ EINVAL, TOOL_USAGE, "not all of its names" }, { EACCES, TOOL_FAILED, "undeleting failed" },
	};

	tomb(&fake.tombs[0], "x", "a1", false);
	fake.tomb_count = 1;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fake.rc[FAKE_UNDELETE] = rows[i].rc;
		fake_run(rows[i].code, "undelete", "acme/x", NULL);
		assert_err(rows[i].words);
	}
	fake.rc[FAKE_TOMBSTONE_READ] = EBADMSG;
	fake_run(TOOL_FAILED, "undelete", "acme/x", NULL);
	assert_err("looking for it failed");
}

static void undelete_lists(void **state)
{
	fake_run(TOOL_DONE, "undelete", "--list", "acme", NULL);
	assert_err("nothing is deleted");
	tomb(&fake.tombs[0], "x", "a1", false);
	fake.tombs[0].phase = TOMB_DELETING;
	tomb(&fake.trash[0], "y", "a2", true);
	fake.tomb_count = fake.trash_count = 1;
	fake_run(TOOL_DONE, "undelete", "--list", "acme", NULL);
	assert_out("acme   x      a1 being deleted 2026-11-25T12:00:00Z 2026-11-25T13:00:00Z 1.5 KiB a mistake\n");
	assert_out("acme   y      a2 trash         2026");
	fake_run(TOOL_DONE, "undelete", "--list", "--json", NULL);
	assert_out("{\"deleted\":[{\"tenant\":\"acme\",\"backup\":\"x\",\"id\":\"a1\",\"phase\":\"deleting\",\"trash\":false,");
	assert_out("{\"tenant\":\"beta\",\"backup\":\"y\",\"id\":\"a2\",\"phase\":\"grace\",\"trash\":true,");
	fake.rc[FAKE_TRASH] = EHOSTUNREACH;
	fake_run(TOOL_NO_STORE, "undelete", "--list", "acme", NULL);
	assert_out("a1"); /* what is known is shown */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(seals, fake_setup), cmocka_unit_test_setup(a_living_writer_is_let_be, fake_setup),
		cmocka_unit_test_setup(several_seals, fake_setup), cmocka_unit_test_setup(holds, fake_setup), cmocka_unit_test_setup(hold_lists, fake_setup),
		cmocka_unit_test_setup(undelete_in_place, fake_setup), cmocka_unit_test_setup(undelete_from_the_trash, fake_setup),
		cmocka_unit_test_setup(undelete_on_the_way_to_the_trash, fake_setup), cmocka_unit_test_setup(undelete_that_fails, fake_setup), cmocka_unit_test_setup(undelete_lists, fake_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

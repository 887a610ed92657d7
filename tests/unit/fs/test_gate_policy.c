/* SPDX-License-Identifier: Apache-2.0 */
/* What a change does to the backup that it belongs to: every row of the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fs/gate_policy.h"

enum { KINDS = GATE_ATTRS + 1 };

static enum gate_verdict judge(enum set_state state, enum gate_kind kind, bool member, bool inside, bool waits, enum on_remove on_remove)
{
	return gate_decide(&(struct gate_input){ .state = state, .kind = kind, .member = member, .inside = inside, .archive_waits = waits, .on_remove = on_remove });
}

static void plain_ones_pass(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++)
		for (int on_remove = 0; on_remove <= ON_REMOVE_REFUSE; on_remove++)
			for (int inside = 0; inside < 2; inside++) {
				assert_int_equal(judge(SET_PLAIN, kind, false, inside, false, on_remove), GATE_PASS);
				assert_int_equal(judge(SET_REOPENED, kind, true, inside, false, on_remove), GATE_PASS); /* what its seal did not list */
			}
}

static void scratch_waits_for_its_archive(void **state)
{
	(void)state;
	assert_int_equal(judge(SET_PLAIN, GATE_REMOVE, false, true, true, 0), GATE_WAIT);
	assert_int_equal(judge(SET_SEALED, GATE_REMOVE, false, true, true, 0), GATE_WAIT); /* of a second archive */
	assert_int_equal(judge(SET_PLAIN, GATE_REMOVE, false, false, true, 0), GATE_PASS); /* the archive itself */
	assert_int_equal(judge(SET_PLAIN, GATE_WRITE, false, true, true, 0), GATE_PASS);
	assert_int_equal(judge(SET_SEALED, GATE_REMOVE, false, true, false, 0), GATE_PASS);
	assert_int_equal(judge(SET_SEALED, GATE_REPLACE, false, true, false, ON_REMOVE_REFUSE), GATE_PASS);
}

static void members_of_a_sealed_one(void **state)
{
	static const enum gate_verdict want[3][KINDS] = {
		/* make, write, append, replace, remove, move, attributes */
		[ON_REMOVE_TOMBSTONE] = { GATE_REOPEN, GATE_KEEP_COPY, GATE_REOPEN, GATE_KEEP_COPY, GATE_TOMBSTONE, GATE_KEEP_COPY, GATE_REOPEN },
		[ON_REMOVE_ALLOW] = { GATE_REOPEN, GATE_REOPEN, GATE_REOPEN, GATE_REOPEN, GATE_REOPEN, GATE_REOPEN, GATE_REOPEN },
		[ON_REMOVE_REFUSE] = { GATE_REOPEN, GATE_REFUSE, GATE_REOPEN, GATE_REFUSE, GATE_REFUSE, GATE_REFUSE, GATE_REOPEN },
	};

	(void)state;
	for (int on_remove = 0; on_remove < 3; on_remove++)
		for (int kind = 0; kind < KINDS; kind++)
			for (int inside = 0; inside < 2; inside++)
				assert_int_equal(judge(SET_SEALED, kind, true, inside, false, on_remove), want[on_remove][kind]);
}

static void a_further_file_of_a_sealed_one(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++)
		assert_int_equal(judge(SET_SEALED, kind, false, false, false, 0), kind == GATE_REMOVE || kind == GATE_MOVE ? GATE_PASS : GATE_REOPEN);
}

/* One file of several is removed: its archive must not vanish with it. */
static void beside_an_archive_that_stays(void **state)
{
	struct gate_input in = { .state = SET_SEALED, .kind = GATE_REMOVE, .member = true, .listed = true, .archive_stays = true };

	(void)state;
	assert_int_equal(gate_decide(&in), GATE_KEEP_COPY);
	in.on_remove = ON_REMOVE_REFUSE;
	assert_int_equal(gate_decide(&in), GATE_REFUSE);
	in.on_remove = ON_REMOVE_ALLOW;
	assert_int_equal(gate_decide(&in), GATE_REOPEN);
}

/* A chmod does not make what was sealed free for all. */
static void what_was_sealed_is_dear_until_it_is_kept(void **state)
{
	static const bool takes[KINDS] = { [GATE_WRITE] = true, [GATE_REPLACE] = true, [GATE_REMOVE] = true, [GATE_MOVE] = true };
	static const enum gate_verdict want[] = { GATE_KEEP_COPY, GATE_PASS, GATE_REFUSE };

	(void)state;
	for (int kind = 0; kind < KINDS; kind++)
		for (int on_remove = 0; on_remove < 3; on_remove++) {
			struct gate_input in = { .state = SET_REOPENED, .kind = kind, .member = true, .listed = true, .inside = true, .on_remove = on_remove };

			assert_int_equal(gate_decide(&in), takes[kind] ? want[on_remove] : GATE_PASS);
			in.kept = true;
			assert_int_equal(gate_decide(&in), GATE_PASS);
			in.archive_waits = true;
			assert_int_equal(gate_decide(&in), kind == GATE_REMOVE ? GATE_WAIT : GATE_PASS);
		}
}

static void hidden_ones(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		bool anew = kind == GATE_MAKE || kind == GATE_WRITE || kind == GATE_APPEND || kind == GATE_REPLACE;

		assert_int_equal(judge(SET_DELETED, kind, true, true, false, 0), anew ? GATE_TRASH : GATE_GONE);
		assert_int_equal(judge(SET_DELETED, kind, false, false, true, ON_REMOVE_ALLOW), anew ? GATE_TRASH : GATE_GONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_ones_pass),
		cmocka_unit_test(scratch_waits_for_its_archive),
		cmocka_unit_test(members_of_a_sealed_one),
		cmocka_unit_test(a_further_file_of_a_sealed_one),
		cmocka_unit_test(beside_an_archive_that_stays),
		cmocka_unit_test(what_was_sealed_is_dear_until_it_is_kept),
		cmocka_unit_test(hidden_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/auto.h"

struct thing {
	int released;
};

static void thing_free(struct thing *t)
{
	if (t)
		t->released++;
}
DEFINE_AUTO(thing, thing_free)

static int leave_early(struct thing *t, int early)
{
	AUTO(auto_thing_free) struct thing *held = t;

	if (early)
		return 1;
	held = NULL; /* handed on */
	return 0;
}

static void released_on_every_way_out(void **state)
{
	struct thing t = { 0 };

	assert_int_equal(leave_early(&t, 1), 1);
	assert_int_equal(t.released, 1);
	assert_int_equal(leave_early(&t, 0), 0);
	assert_int_equal(t.released, 1);
}

static void copy_text_fits_or_is_empty(void **state)
{
	char out[4] = "xyz";

	assert_int_equal(copy_text(out, sizeof(out), "abc"), 0);
	assert_string_equal(out, "abc");
	assert_int_equal(copy_text(out, sizeof(out), "abcd"), 1);
	assert_string_equal(out, "");
	out[0] = 'q';
	assert_int_equal(copy_text(out, 0, ""), 1);
	assert_int_equal(out[0], 'q');
}

static void smallest_and_largest(void **state)
{
	assert_int_equal(min_size(1, 2), 1);
	assert_int_equal(max_size(1, 2), 2);
	assert_true(min_u64(UINT64_MAX, 3) == 3);
	assert_true(max_u64(UINT64_MAX, 3) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(released_on_every_way_out),
		cmocka_unit_test(copy_text_fits_or_is_empty),
		cmocka_unit_test(smallest_and_largest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

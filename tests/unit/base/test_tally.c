/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/tally.h"

#include <errno.h>

#define MOST 4u

static const uint32_t floors[SLAB_SIDES] = { [SLAB_NAMES] = 2 };

static uint32_t used(struct slabs *s)
{
	struct slab_stats stats;

	slabs_stats(s, &stats);
	return stats.used[SLAB_NAMES];
}

static void counts_in_slabs(void **state)
{
	AUTO(auto_slabs_free) struct slabs *s = slabs_new(10, floors);
	struct tally *t = tally_new(s, SLAB_NAMES, MOST);

	assert_int_equal(tally_try(t, 1), 0);
	assert_int_equal(used(s), 1);
	assert_int_equal(tally_try(t, SLAB_BYTES - 1), 0);
	assert_int_equal(used(s), 1);
	assert_int_equal(tally_try(t, 1), 0);
	assert_int_equal(used(s), 2);
	assert_int_equal(tally_try(t, 3 * SLAB_BYTES), ENOMEM); /* one byte more than its most */
	assert_int_equal(tally_bytes(t), SLAB_BYTES + 1);
	assert_int_equal(tally_try(t, 3 * SLAB_BYTES - 1), 0);
	assert_int_equal(used(s), MOST);
	tally_sub(t, 4 * SLAB_BYTES);
	assert_int_equal(tally_bytes(t), 0);
	assert_int_equal(used(s), 1); /* for whoever counts around the edge */
	tally_free(t);
	assert_int_equal(used(s), 0);
}

static void others_leave_the_floor_only(void **state)
{
	AUTO(auto_slabs_free) struct slabs *s = slabs_new(10, floors);
	struct tally *t = tally_new(s, SLAB_NAMES, MOST);
	struct slab *list = NULL, *slab;

	while ((slab = slab_take(s, SLAB_WRITE))) {
		slab->next = list;
		list = slab;
	}
	assert_int_equal(tally_try(t, 2 * SLAB_BYTES + 1), ENOMEM);
	assert_int_equal(tally_try(t, 2 * SLAB_BYTES), 0);
	slab_give_list(s, list);
	assert_int_equal(tally_try(t, SLAB_BYTES), 0);
	tally_free(t);
}

/* What was in a slab's pages is not kept beside what is counted in its place. */
static void pages_go_back(void **state)
{
	AUTO(auto_slabs_free) struct slabs *s = slabs_new(1, (const uint32_t[SLAB_SIDES]){ 0 });
	struct tally *t = tally_new(s, SLAB_NAMES, MOST);
	struct slab *slab = slab_take(s, SLAB_READ);

	memset(slab->data, 0xff, SLAB_BYTES);
	slab_give(s, slab);
	assert_int_equal(tally_try(t, 1), 0);
	tally_free(t);
	slab = slab_take(s, SLAB_READ);
	for (size_t i = 0; i < SLAB_BYTES; i++)
		assert_int_equal(slab->data[i], 0);
	slab_give(s, slab);
}

static void forced_bytes_are_paid_first(void **state)
{
	AUTO(auto_slabs_free) struct slabs *s = slabs_new(10, floors);
	struct tally *t = tally_new(s, SLAB_NAMES, MOST);

	tally_force(t, 6 * SLAB_BYTES);
	assert_int_equal(used(s), MOST);
	assert_int_equal(tally_try(t, 1), ENOMEM);
	tally_sub(t, 2 * SLAB_BYTES);
	assert_int_equal(tally_try(t, 1), ENOMEM);
	tally_sub(t, 1);
	assert_int_equal(tally_try(t, 1), 0);
	tally_free(t);
}

struct helper {
	struct tally *t;
	unsigned calls;
	size_t gives;
};

static bool help(void *arg)
{
	struct helper *h = arg;

	h->calls++;
	tally_sub(h->t, h->gives);
	return h->gives > 0;
}

static void the_listener_makes_room(void **state)
{
	AUTO(auto_slabs_free) struct slabs *s = slabs_new(10, floors);
	struct tally *t = tally_new(s, SLAB_NAMES, MOST);
	struct helper h = { t, 0, 0 };

	tally_on_full(t, help, &h);
	assert_int_equal(tally_add(t, 4 * SLAB_BYTES), 0);
	assert_int_equal(h.calls, 0);
	assert_int_equal(tally_try(t, 1), ENOMEM);
	assert_int_equal(h.calls, 0);
	assert_int_equal(tally_add(t, 1), ENOMEM);
	assert_int_equal(h.calls, 1);
	h.gives = SLAB_BYTES;
	assert_int_equal(tally_add(t, 1), 0);
	assert_int_equal(tally_bytes(t), 3 * SLAB_BYTES + 1);
	tally_on_full(t, NULL, NULL);
	assert_int_equal(tally_add(t, SLAB_BYTES), ENOMEM);
	tally_free(t);
}

static void none_counts_nothing(void **state)
{
	assert_int_equal(tally_add(NULL, SIZE_MAX), 0);
	tally_force(NULL, 1);
	tally_sub(NULL, 7);
	tally_free(NULL);
	assert_int_equal(tally_bytes(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_in_slabs), cmocka_unit_test(others_leave_the_floor_only), cmocka_unit_test(pages_go_back),
		cmocka_unit_test(forced_bytes_are_paid_first), cmocka_unit_test(the_listener_makes_room), cmocka_unit_test(none_counts_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

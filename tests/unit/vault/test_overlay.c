/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/overlay.h"

#include "base/rand.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { MODEL = 4 * SLAB_BYTES };

struct model {
	uint8_t bytes[MODEL];
	bool covered[MODEL];
};

static struct slabs *arena(uint32_t total)
{
	const uint32_t floor[SLAB_SIDES] = { 0 };

	return slabs_new(total, floor);
}

static void check(const struct overlay *o, const struct model *m)
{
	static uint8_t out[MODEL];

	memset(out, 0xEE, sizeof(out));
	overlay_read(o, 0, MODEL, out);
	for (size_t i = 0; i < MODEL; i++)
		assert_int_equal(out[i], m->covered[i] ? m->bytes[i] : 0xEE);
}

/* Random writes, cuts and fills against a byte-wise model. */
static void model_walk(void **state)
{
	static struct model m;
	struct slabs *slabs = arena(4);
	struct overlay o;
	static uint8_t data[MODEL];

	overlay_init(&o, slabs);
	memset(&m, 0, sizeof(m));
	for (int round = 0; round < 400; round++) {
		uint64_t at = rand_below(MODEL - 1);
		size_t len = 1 + rand_below((uint32_t)min_size(round % 3 ? 9000 : 150000, MODEL - at));

		if (round % 17 == 16) {
			overlay_cut(&o, at);
			memset(m.covered + at, 0, MODEL - at);
		} else {
			memset(data, 1 + round % 200, len);

			int rc = overlay_write(&o, at, data, len);

			if (rc == ENOBUFS)
				continue;
			assert_int_equal(rc, 0);
			memcpy(m.bytes + at, data, len);
			memset(m.covered + at, 1, len);
		}
		check(&o, &m);

		uint64_t a = rand_below(MODEL - 1);
		size_t n = 1 + rand_below((uint32_t)(MODEL - a));

		assert_int_equal(overlay_covers(&o, a, n), memchr(m.covered + a, 0, n) == NULL);
	}
	overlay_clear(&o);
	slabs_free(slabs);
}

static void refused_write_takes_nothing(void **state)
{
	struct slabs *slabs = arena(2);
	struct overlay o;
	static uint8_t data[3 * SLAB_BYTES];
	struct slab_stats stats;

	overlay_init(&o, slabs);
	assert_int_equal(overlay_write(&o, 0, data, sizeof(data)), EAGAIN);
	assert_int_equal(o.count, 0);
	slabs_stats(slabs, &stats);
	assert_int_equal(stats.used[SLAB_WRITE], 0);
	assert_int_equal(overlay_write(&o, 100, data, SLAB_BYTES), 0);
	assert_int_equal(overlay_write(&o, 100, data, 2 * SLAB_BYTES), EAGAIN);
	assert_true(overlay_covers(&o, 100, SLAB_BYTES));
	assert_false(overlay_covers(&o, 100, SLAB_BYTES + 1));
	overlay_clear(&o);
	slabs_free(slabs);
}

static void too_many_spans_are_refused(void **state)
{
	struct slabs *slabs = arena(1);
	struct overlay o;

	overlay_init(&o, slabs);
	for (unsigned i = 0; i < OVERLAY_SPANS; i++)
		assert_int_equal(overlay_write(&o, i * 10, "x", 1), 0);
	assert_int_equal(overlay_write(&o, 1000, "x", 1), ENOBUFS);
	assert_int_equal(overlay_write(&o, 1, "yyyyyyyyy", 9), 0); /* joins two: fewer spans, never refused */
	assert_int_equal(overlay_write(&o, 1000, "x", 1), 0);
	overlay_clear(&o);
	slabs_free(slabs);
}

static void fill_takes_base_then_zeros(void **state)
{
	struct slabs *slabs = arena(1);
	struct overlay o;
	uint8_t base[20], out[40];

	overlay_init(&o, slabs);
	memset(base, 'b', sizeof(base));
	assert_int_equal(overlay_write(&o, 5, "NEW", 3), 0);
	assert_true(overlay_same(&o, 0, (const uint8_t *)"bbbbbNEW", 8));
	assert_true(overlay_same(&o, 0, (const uint8_t *)"bbbbbNEx", 7));
	assert_false(overlay_same(&o, 0, (const uint8_t *)"bbbbbNEx", 8));
	overlay_fill(&o, 0, 40, base, sizeof(base));
	assert_true(overlay_covers(&o, 0, 40));
	overlay_read(&o, 0, 40, out);
	assert_memory_equal(out, "bbbbbNEWbbbbbbbbbbbb", 20);
	for (int i = 20; i < 40; i++)
		assert_int_equal(out[i], 0);
	overlay_clear(&o);
	slabs_free(slabs);
}

static void clean_chunks_can_be_dropped_until_written(void **state)
{
	struct slabs *slabs = arena(2);
	struct overlay o;

	overlay_init(&o, slabs);
	assert_int_equal(overlay_attach_clean(&o, 0, slab_take(slabs, SLAB_WRITE), 10), 0);
	assert_int_equal(overlay_attach_clean(&o, 1, slab_take(slabs, SLAB_WRITE), SLAB_BYTES), 0);
	assert_int_equal(overlay_write(&o, 3, "x", 1), 0); /* dirty now */
	assert_int_equal(overlay_drop_clean(&o), 1);
	assert_true(overlay_has(&o, 0));
	assert_false(overlay_has(&o, 1));
	assert_int_equal(overlay_drop_clean(&o), 0);

	struct slab *mine = overlay_detach(&o, 0);

	assert_non_null(mine);
	assert_false(overlay_has(&o, 0));
	assert_null(overlay_detach(&o, 0));
	slab_give(slabs, mine);
	slabs_free(slabs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(model_walk),
		cmocka_unit_test(refused_write_takes_nothing),
		cmocka_unit_test(too_many_spans_are_refused),
		cmocka_unit_test(fill_takes_base_then_zeros),
		cmocka_unit_test(clean_chunks_can_be_dropped_until_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

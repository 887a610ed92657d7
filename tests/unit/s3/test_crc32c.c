/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/crc32c.h"

#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

typedef uint32_t (*crc_fn)(uint32_t crc, const void *data, size_t n);

static const crc_fn both[] = { crc32c, crc32c_portable };

/* RFC 3720, B.4, and the check value that every catalogue of CRCs gives. */
static void known_values(void **state)
{
	uint8_t zeros[32] = { 0 }, ones[32], up[32], down[32];

	for (int i = 0; i < 32; i++) {
		ones[i] = 0xff;
		up[i] = (uint8_t)i;
		down[i] = (uint8_t)(31 - i);
	}
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(both[i](0, "123456789", 9), 0xe3069283);
		assert_int_equal(both[i](0, zeros, 32), 0x8a9136aa);
		assert_int_equal(both[i](0, ones, 32), 0x62a8ab43);
		assert_int_equal(both[i](0, up, 32), 0x46dd794e);
		assert_int_equal(both[i](0, down, 32), 0x113fdb5c);
		assert_int_equal(both[i](0, NULL, 0), 0);
	}
}

static void both_forms_agree_at_every_length_and_alignment(void **state)
{
	uint8_t data[300];

	rand_bytes(data, sizeof(data));
	for (size_t at = 0; at < 9; at++)
		for (size_t n = 0; n + at <= sizeof(data); n++)
			assert_int_equal(crc32c(0, data + at, n), crc32c_portable(0, data + at, n));
}

static void pieces_make_the_whole(void **state)
{
	uint8_t data[257];

	rand_bytes(data, sizeof(data));
	for (size_t i = 0; i < 2; i++)
		for (size_t cut = 0; cut <= sizeof(data); cut++)
			assert_int_equal(both[i](both[i](0, data, cut), data + cut, sizeof(data) - cut), both[i](0, data, sizeof(data)));
}

static void every_flipped_bit_shows(void **state)
{
	uint8_t data[64];
	uint32_t good;

	rand_bytes(data, sizeof(data));
	good = crc32c(0, data, sizeof(data));
	for (size_t bit = 0; bit < 8 * sizeof(data); bit++) {
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(crc32c(0, data, sizeof(data)), good);
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_values),
		cmocka_unit_test(both_forms_agree_at_every_length_and_alignment),
		cmocka_unit_test(pieces_make_the_whole),
		cmocka_unit_test(every_flipped_bit_shows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/buf.h"

#include <errno.h>

static void integers_are_big_endian(void **state)
{
	static const uint8_t wanted[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f };
	AUTO(buf_free) struct buf b;

	buf_init(&b, 100);
	assert_int_equal(buf_put_u8(&b, 0x01), 0);
	assert_int_equal(buf_put_u16(&b, 0x0203), 0);
	assert_int_equal(buf_put_u32(&b, 0x04050607), 0);
	assert_int_equal(buf_put_u64(&b, 0x08090a0b0c0d0e0f), 0);
	assert_int_equal(b.len, sizeof(wanted));
	assert_memory_equal(b.data, wanted, sizeof(wanted));

	struct buf view;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;

	buf_view(&view, b.data, b.len);
	assert_int_equal(buf_get_u8(&view, &u8), 0);
	assert_int_equal(buf_get_u16(&view, &u16), 0);
	assert_int_equal(buf_get_u32(&view, &u32), 0);
	assert_int_equal(buf_get_u64(&view, &u64), 0);
	assert_int_equal(u8, 0x01);
	assert_int_equal(u16, 0x0203);
	assert_int_equal(u32, 0x04050607);
	assert_true(u64 == 0x08090a0b0c0d0e0f);
	assert_int_equal(buf_left(&view), 0);
}

/* One byte too few: nothing is read, the cursor stays. */
static void get_past_the_end(void **state)
{
	static const uint8_t seven[7] = { 1, 2, 3, 4, 5, 6, 7 };
	struct buf b;
	uint8_t out[8];
	uint64_t u64 = 42;
	uint32_t u32 = 42;
	uint16_t u16 = 42;
	uint8_t u8 = 42;

	buf_view(&b, seven, sizeof(seven));
	assert_int_equal(buf_get_u64(&b, &u64), EBADMSG);
	assert_true(u64 == 42);
	assert_int_equal(buf_get(&b, out, 8), EBADMSG);
	assert_int_equal(buf_get(&b, out, SIZE_MAX), EBADMSG);
	assert_int_equal(b.pos, 0);
	assert_int_equal(buf_get(&b, out, 4), 0);
	assert_int_equal(buf_get_u32(&b, &u32), EBADMSG);
	assert_int_equal(buf_get(&b, out, 2), 0);
	assert_int_equal(buf_get_u16(&b, &u16), EBADMSG);
	assert_int_equal(buf_get_u8(&b, &u8), 0);
	assert_int_equal(u8, 7);
	assert_int_equal(buf_get_u8(&b, &u8), EBADMSG);
	assert_int_equal(u32 + u16, 84);
	assert_int_equal(buf_get(&b, NULL, 0), 0);
}

static void zero_runs(void **state)
{
	static const uint8_t data[6] = { 0, 0, 0, 1, 0, 0 };
	struct buf b;

	buf_view(&b, data, sizeof(data));
	assert_int_equal(buf_get_zero(&b, 4), EBADMSG);
	assert_int_equal(b.pos, 0);
	assert_int_equal(buf_get_zero(&b, 3), 0);
	assert_int_equal(b.pos, 3);
	assert_int_equal(buf_get_zero(&b, 1), EBADMSG);
	assert_int_equal(buf_get_zero(&b, 4), EBADMSG);
	assert_int_equal(buf_get_zero(&b, 0), 0);
}

static void cap_is_hard(void **state)
{
	AUTO(buf_free) struct buf b;
	uint8_t block[100] = { 0 };

	buf_init(&b, 130);
	assert_int_equal(buf_put(&b, block, 100), 0);
	assert_int_equal(buf_put(&b, block, 31), ENOBUFS);
	assert_int_equal(buf_put(&b, block, SIZE_MAX), ENOBUFS);
	assert_int_equal(buf_fill(&b, 7, 31), ENOBUFS);
	assert_int_equal(b.len, 100);
	assert_int_equal(buf_fill(&b, 7, 29), 0);
	assert_int_equal(buf_put_u16(&b, 1), ENOBUFS);
	assert_int_equal(buf_put_u8(&b, 9), 0);
	assert_int_equal(b.len, 130);
	assert_in_range(b.cap, 130, 130);
	assert_int_equal(b.data[99], 0);
	assert_int_equal(b.data[128], 7);
	assert_int_equal(b.data[129], 9);
	assert_null(buf_text(&b)); /* no room for the NUL */
	assert_int_equal(buf_puts(&b, "x"), ENOBUFS);
	assert_int_equal(buf_puts(&b, ""), 0);
	assert_int_equal(buf_printf(&b, "%d", 1), ENOBUFS);
	assert_int_equal(b.len, 130);
}

static void text_and_printf(void **state)
{
	AUTO(buf_free) struct buf b;

	buf_init(&b, 1000);
	assert_string_equal(buf_text(&b), "");
	assert_int_equal(buf_puts(&b, "part "), 0);
	assert_int_equal(buf_printf(&b, "%d of %s", 3, "four"), 0);
	assert_string_equal(buf_text(&b), "part 3 of four");
	assert_int_equal(b.len, 14);
	assert_int_equal(buf_printf(&b, "%0300d", 0), 0); /* grows several times over */
	assert_int_equal(b.len, 314);
	assert_string_equal(buf_text(&b) + 312, "00");
}

static void views_are_read_only(void **state)
{
	struct buf b;

	buf_view(&b, "abc", 3);
	assert_int_equal(buf_put_u8(&b, 1), EROFS);
	assert_int_equal(buf_puts(&b, ""), EROFS);
	assert_int_equal(buf_fill(&b, 0, 1), EROFS);
	assert_null(buf_text(&b));
	b.pos = 2;
	buf_reset(&b);
	assert_int_equal(buf_left(&b), 3);
	buf_free(&b); /* does not touch what it borrowed */
	assert_int_equal(b.len, 0);
}

static void reset_and_free_reuse(void **state)
{
	AUTO(buf_free) struct buf b;
	uint8_t v;

	buf_init_secret(&b, 10);
	assert_int_equal(buf_puts(&b, "0123456789"), 0);
	assert_int_equal(buf_get_u8(&b, &v), 0);
	buf_reset(&b);
	assert_int_equal(b.len + b.pos, 0);
	assert_int_equal(buf_puts(&b, "0123456789"), 0);
	assert_int_equal(buf_printf(&b, "%s", "x"), ENOBUFS);
	buf_free(&b);
	assert_null(b.data);
	assert_true(b.secret);
	assert_int_equal(buf_puts(&b, "0123456789"), 0);
	assert_int_equal(buf_puts(&b, "x"), ENOBUFS);
	buf_free(&b);
	buf_free(&b);
	buf_free(NULL);
}

static void hex_both_ways(void **state)
{
	static const uint8_t bytes[3] = { 0x00, 0xaf, 0xf9 };
	char text[7];
	uint8_t out[3];

	hex_encode(text, bytes, 3);
	assert_string_equal(text, "00aff9");
	assert_int_equal(hex_decode(out, 3, "00aFF9", 6), 0);
	assert_memory_equal(out, bytes, 3);
	hex_encode(text, bytes, 0);
	assert_string_equal(text, "");
	assert_int_equal(hex_decode(out, 0, "", 0), 0);
}

static void hex_refused(void **state)
{
	static const char *const bad[] = { "00aff", "00aff99", "00afg9", "00af:9", "00af/9", "00af@9", "00af`9", "0x00af", " 0aff9", "" };
	uint8_t out[3];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(hex_decode(out, 3, bad[i], strlen(bad[i])), EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_big_endian),
		cmocka_unit_test(get_past_the_end),
		cmocka_unit_test(zero_runs),
		cmocka_unit_test(cap_is_hard),
		cmocka_unit_test(text_and_printf),
		cmocka_unit_test(views_are_read_only),
		cmocka_unit_test(reset_and_free_reuse),
		cmocka_unit_test(hex_both_ways),
		cmocka_unit_test(hex_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

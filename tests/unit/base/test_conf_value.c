/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/conf_private.h"

#include <errno.h>

#define ANY UINT64_MAX /* the text is refused */

struct row {
	const char *text;
	uint64_t wanted;
};

static void check_rows(enum conf_type type, const struct row *rows, size_t n)
{
	const struct conf_option o = { .name = "x", .type = type };

	for (size_t i = 0; i < n; i++) {
		char problem[256] = "";
		uint64_t number = 12345;
		int rc = conf_parse_value(&o, rows[i].text, &number, problem, sizeof(problem));

		if (rc != (rows[i].wanted == ANY ? EINVAL : 0) || (!rc && number != rows[i].wanted))
			fail_msg("%s: %d, %llu", rows[i].text, rc, (unsigned long long)number);
		assert_int_equal(problem[0] != '\0', rc != 0);
	}
}

static void sizes(void **state)
{
	static const struct row rows[] = {
		{ "0", 0 }, { "1", 1 }, { "512", 512 }, { "1K", 1024 }, { "1k", 1024 }, { "2M", 2 << 20 }, { "3G", 3ull << 30 }, { "1T", 1ull << 40 },
		{ "1KiB", 1024 }, { "1kib", 1024 }, { "2MiB", 2 << 20 }, { "3GiB", 3ull << 30 }, { "1TiB", 1ull << 40 }, { "7Mi", 7 << 20 },
		{ "16777215T", 16777215ull << 40 }, { "18446744073709551614", UINT64_MAX - 1 },
		{ "", ANY }, { "K", ANY }, { "1KB", ANY }, { "1 K", ANY }, { " 1", ANY }, { "1 ", ANY }, { "-1", ANY }, { "+1", ANY }, { "1.5G", ANY },
		{ "1e3", ANY }, { "0x10", ANY }, { "12Q", ANY }, { "1KiBs", ANY }, { "18446744073709551616", ANY }, { "16777216T", ANY },
		{ "99999999999999999999999G", ANY }, { "١", ANY },
	};

	check_rows(CONF_SIZE, rows, ARRAY_LEN(rows));
}

static void durations(void **state)
{
	static const struct row rows[] = {
		{ "0", 0 }, { "5", 5000 }, { "5s", 5000 }, { "250ms", 250 }, { "3m", 180000 }, { "2h", 7200000 }, { "1d", 86400000 },
		{ "", ANY }, { "s", ANY }, { "5 s", ANY }, { "-5s", ANY }, { "1.5s", ANY }, { "5w", ANY }, { "1h30m", ANY }, { "18446744073709551615s", ANY },
	};

	check_rows(CONF_DURATION, rows, ARRAY_LEN(rows));
}

static void counts_and_octals(void **state)
{
	static const struct row counts[] = {
		{ "0", 0 }, { "16", 16 }, { "0016", 16 }, { "", ANY }, { "-1", ANY }, { "1k", ANY }, { "0x1", ANY }, { "18446744073709551616", ANY },
	};
	static const struct row octals[] = {
		{ "0", 0 }, { "0022", 022 }, { "777", 0777 }, { "8", ANY }, { "0o22", ANY }, { "", ANY }, { "-7", ANY }, { "7777777777777777777777", ANY },
	};

	check_rows(CONF_COUNT, counts, ARRAY_LEN(counts));
	check_rows(CONF_OCTAL, octals, ARRAY_LEN(octals));
}

static void truths(void **state)
{
	static const struct row rows[] = {
		{ "true", 1 }, { "yes", 1 }, { "on", 1 }, { "1", 1 }, { "TRUE", 1 }, { "false", 0 }, { "no", 0 }, { "off", 0 }, { "0", 0 }, { "No", 0 },
		{ "", ANY }, { "2", ANY }, { "y", ANY }, { "truee", ANY }, { " true", ANY }, { "enabled", ANY },
	};

	check_rows(CONF_BOOL, rows, ARRAY_LEN(rows));
	check_rows(CONF_FLAG_ONLY, rows, ARRAY_LEN(rows));
}

static void choices(void **state)
{
	static const char *const colours[] = { "red", "green", NULL };
	const struct conf_option o = { .name = "x", .type = CONF_CHOICE, .choices = colours };
	char problem[256];
	uint64_t number;

	assert_int_equal(conf_parse_value(&o, "green", &number, problem, sizeof(problem)), 0);
	assert_int_equal(number, 1);
	assert_int_equal(conf_parse_value(&o, "Green", &number, problem, sizeof(problem)), EINVAL);
	assert_string_equal(problem, "not one of red, green");
	assert_int_equal(conf_parse_value(&o, "", &number, problem, 16), EINVAL);
	assert_string_equal(problem, "not one of red,");
}

static void limits_in_words(void **state)
{
	static const struct {
		struct conf_option o;
		const char *words;
	} rows[] = {
		{ { .type = CONF_SIZE }, "" },
		{ { .type = CONF_SIZE, .min = 1 << 20, .max = 1ull << 40 }, "1M to 1T" },
		{ { .type = CONF_SIZE, .min = 1025, .max = 1536 << 10 }, "1025 to 1536K" },
		{ { .type = CONF_SIZE, .min = 65536 }, "at least 64K" },
		{ { .type = CONF_DURATION, .max = 90000 }, "0 to 90s" },
		{ { .type = CONF_DURATION, .min = 1500, .max = 3 * 86400000 }, "1500ms to 3d" },
		{ { .type = CONF_DURATION, .min = 1, .max = 7200000 }, "1ms to 2h" },
		{ { .type = CONF_COUNT, .min = 1, .max = 64 }, "1 to 64" },
		{ { .type = CONF_OCTAL, .max = 0777 }, "0 to 0777" },
		{ { .type = CONF_TEXT, .min = 1, .max = 63 }, "1 to 63 bytes" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char words[64];

		conf_describe_limits(&rows[i].o, words, sizeof(words));
		assert_string_equal(words, rows[i].words);
	}
}

static void limits_are_inclusive(void **state)
{
	const struct conf_option o = { .name = "x", .type = CONF_SIZE, .min = 1024, .max = 2048 };
	static const struct {
		const char *text;
		int rc;
	} rows[] = { { "1023", EINVAL }, { "1024", 0 }, { "2K", 0 }, { "2049", EINVAL }, { "0", EINVAL }, { "99999999999999999999", EINVAL } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char problem[256];
		uint64_t number;

		assert_int_equal(conf_parse_value(&o, rows[i].text, &number, problem, sizeof(problem)), rows[i].rc);
		if (rows[i].rc)
			assert_string_equal(problem, "out of range; allowed: 1K to 2K");
	}
}

static void ways_in_words(void **state)
{
	const struct conf_option all = { .name = "x", .env = { "A", "B", "C", "D" }, .secret_file = "s" };
	const struct conf_option none = { .name = "x", .no_flag = true };
	char words[64];

	conf_describe_ways(&all, words, sizeof(words));
	assert_string_equal(words, "--x, A, B, C, D, secret file s");
	conf_describe_ways(&none, words, sizeof(words));
	assert_string_equal(words, "key x of the configuration file");
	conf_describe_ways(&all, words, 8);
	assert_string_equal(words, "--x, A,");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(durations),
		cmocka_unit_test(counts_and_octals),
		cmocka_unit_test(truths),
		cmocka_unit_test(choices),
		cmocka_unit_test(limits_in_words),
		cmocka_unit_test(limits_are_inclusive),
		cmocka_unit_test(ways_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

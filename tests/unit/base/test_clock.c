/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/auto.h"
#include "base/clock.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <sys/time.h>

static const struct {
	int64_t seconds;
	const char *utc, *http;
} known[] = {
	{ 784111777, "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 GMT" },
	{ 0, "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT" },
	{ -1, "1969-12-31T23:59:59Z", "Wed, 31 Dec 1969 23:59:59 GMT" },
	{ 951782400, "2000-02-29T00:00:00Z", "Tue, 29 Feb 2000 00:00:00 GMT" },
	{ 4294967296, "2106-02-07T06:28:16Z", "Sun, 07 Feb 2106 06:28:16 GMT" },
	{ 253402300799, "9999-12-31T23:59:59Z", "Fri, 31 Dec 9999 23:59:59 GMT" },
	{ -62167219200, "0000-01-01T00:00:00Z", "Sat, 01 Jan 0000 00:00:00 GMT" },
};

static void known_times(void **state)
{
	setlocale(LC_ALL, "de_DE.UTF-8"); /* where it exists, it must change nothing */
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		char out[24];
		int64_t seconds = 12345;

		clock_format_utc(out, known[i].seconds);
		assert_string_equal(out, known[i].utc);
		assert_int_equal(clock_parse_utc(&seconds, known[i].utc), 0);
		assert_true(seconds == known[i].seconds);
		seconds = 12345;
		assert_int_equal(clock_parse_http(&seconds, known[i].http), 0);
		assert_true(seconds == known[i].seconds);
	}
}

static void years_that_have_no_form(void **state)
{
	static const int64_t out_of_range[] = { 253402300800, -62167219201, INT64_MAX, INT64_MIN };

	for (size_t i = 0; i < ARRAY_LEN(out_of_range); i++) {
		char out[24];

		clock_format_utc(out, out_of_range[i]);
		assert_string_equal(out, "?");
	}
}

static void fractions_are_ignored(void **state)
{
	int64_t seconds;

	assert_int_equal(clock_parse_utc(&seconds, "1994-11-06T08:49:37.999999999Z"), 0);
	assert_true(seconds == 784111777);
}

static void bad_utc(void **state)
{
	static const char *const bad[] = {
		"", "1994-11-06", "1994-11-06T08:49:37", "1994-11-06 08:49:37Z", "1994-11-06T08:49:37.Z", "1994-11-06T08:49:37+01:00",
		"1994-11-06T08:49:37Zx", "1994-11-06T08:49:37.5", "1994-11-06t08:49:37Z", "94-11-06T08:49:37Z", "1994-1-06T08:49:37Z",
		"1994-13-06T08:49:37Z", "1994-00-06T08:49:37Z", "1994-11-31T08:49:37Z", "1994-11-00T08:49:37Z", "1995-02-29T08:49:37Z",
		"1994-11-06T24:49:37Z", "1994-11-06T08:60:37Z", "1994-11-06T08:49:60Z", "-994-11-06T08:49:37Z", "1994-11-06T08:49:+7Z",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int64_t seconds = 42;

		if (clock_parse_utc(&seconds, bad[i]) != EINVAL)
			fail_msg("taken: %s", bad[i]);
		assert_true(seconds == 42);
	}
}

static void bad_http(void **state)
{
	static const char *const bad[] = {
		"", "Sun", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 GMT ",
		"Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
		"Sun, 06 Foo 1994 08:49:37 GMT", "Xyz, 06 Nov 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 25:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMTx", "Sun  06 Nov 1994 08:49:37 GMT",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int64_t seconds = 42;

		if (clock_parse_http(&seconds, bad[i]) != EINVAL)
			fail_msg("taken: %s", bad[i]);
		assert_true(seconds == 42);
	}
}

static void clocks_go_on(void **state)
{
	int64_t mono = clock_mono_ms(), boot = clock_boot_ms(), slept;

	clock_sleep_ms(20);
	slept = clock_mono_ms() - mono;
	assert_true(slept >= 19 && slept < 2000);
	assert_true(clock_boot_ms() - boot >= 19);
	assert_true(clock_boot_ms() >= clock_mono_ms() - 1); /* the one counts suspend too */
	assert_true(clock_wall_s() > 1700000000);
	clock_sleep_ms(0);
	clock_sleep_ms(-5);
	assert_true(clock_mono_ms() - mono < 2000);
}

static void on_alarm(int sig)
{
}

static void signals_neither_shorten_nor_lengthen_a_sleep(void **state)
{
	struct itimerval every_5ms = { { 0, 5000 }, { 0, 5000 } }, off = { { 0, 0 }, { 0, 0 } };
	int64_t before = clock_mono_ms();

	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &every_5ms, NULL);
	clock_sleep_ms(60);
	setitimer(ITIMER_REAL, &off, NULL);
	assert_true(clock_mono_ms() - before >= 59);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_times),
		cmocka_unit_test(years_that_have_no_form),
		cmocka_unit_test(fractions_are_ignored),
		cmocka_unit_test(bad_utc),
		cmocka_unit_test(bad_http),
		cmocka_unit_test(clocks_go_on),
		cmocka_unit_test(signals_neither_shorten_nor_lengthen_a_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

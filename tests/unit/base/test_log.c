/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The last line that came to the system log; a macro makes __syslog_chk of syslog where sources are fortified. */
static int syslog_priority, syslog_lines;
static char syslog_line[4096];

void __wrap_openlog(const char *name, int option, int facility);
void __wrap_syslog(int priority, const char *fmt, ...) PRINTF_LIKE(2, 3);
void __wrap___syslog_chk(int priority, int flag, const char *fmt, ...) PRINTF_LIKE(3, 4);

void __wrap_openlog(const char *name, int option, int facility)
{
	assert_string_equal(name, "pishopfs");
}

void __wrap_syslog(int priority, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(syslog_line, sizeof(syslog_line), fmt, ap);
	va_end(ap);
	syslog_priority = priority;
	syslog_lines++;
}

void __wrap___syslog_chk(int priority, int flag, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(syslog_line, sizeof(syslog_line), fmt, ap);
	va_end(ap);
	syslog_priority = priority;
	syslog_lines++;
}

/* Standard error goes to a pipe in packet mode, where one read gives what one write wrote. */
static int pipe_fd[2] = { -1, -1 }, real_stderr = -1;

static int setup(void **state)
{
	real_stderr = dup(STDERR_FILENO);
	log_setup(LOG_INFO, LOG_TEXT);
	return pipe2(pipe_fd, O_DIRECT | O_NONBLOCK) || dup2(pipe_fd[1], STDERR_FILENO) < 0;
}

static int teardown(void **state)
{
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	return 0;
}

/* The next line without its time, which is checked; "" where nothing was written. */
static const char *next_line(void)
{
	static char line[8192];
	ssize_t n = read(pipe_fd[0], line, sizeof(line) - 1);
	int64_t then;

	line[n > 0 ? n : 0] = '\0';
	if (n <= 0)
		return line;
	assert_int_equal(line[n - 1], '\n');
	assert_null(memchr(line, '\n', (size_t)n - 1));

	char *time = line[0] == '{' ? line + strlen("{\"time\":\"") : line;

	assert_true(n > 30);
	line[n - 1] = '\0';
	assert_int_equal(time[19], '.');

	char after = time[24];

	time[24] = '\0';
	assert_int_equal(clock_parse_utc(&then, time), 0);
	assert_true(llabs(then - clock_wall_s()) < 5);
	time[24] = after;
	return time + 25;
}

static void text_lines(void **state)
{
	log_msg(LOG_WARN, "commit", "part %d of %s failed", 3, "x");
	assert_string_equal(next_line(), "warn commit: part 3 of x failed");
	log_path(LOG_ERROR, "s3", "/backup/a b", "lost \"%s\"", "it");
	assert_string_equal(next_line(), "error s3: lost \"it\" path=\"/backup/a b\"");
	assert_string_equal(next_line(), "");
}

static void json_lines(void **state)
{
	log_setup(LOG_INFO, LOG_JSON);
	log_msg(LOG_INFO, "commit", "said \"yes\" \\ no");
	assert_string_equal(next_line(), ",\"level\":\"info\",\"topic\":\"commit\",\"msg\":\"said \\\"yes\\\" \\\\ no\"}");
	log_path(LOG_WARN, "s3", "a\"\n", "m");
	assert_string_equal(next_line(), ",\"level\":\"warn\",\"topic\":\"s3\",\"msg\":\"m\",\"path\":\"a\\\"\\u000a\"}");
}

static void levels(void **state)
{
	log_msg(LOG_DEBUG, "t", "no");
	log_path(LOG_DEBUG, "t", "p", "no");
	assert_false(log_wants(LOG_DEBUG));
	log_setup(LOG_ERROR, LOG_TEXT);
	log_msg(LOG_WARN, "t", "no");
	assert_string_equal(next_line(), "");
	log_msg(LOG_ERROR, "t", "yes");
	assert_string_equal(next_line(), "error t: yes");
	log_setup(LOG_DEBUG, LOG_TEXT);
	assert_true(log_wants(LOG_DEBUG));
	log_msg(LOG_DEBUG, "t", "yes");
	assert_string_equal(next_line(), "debug t: yes");
}

/* A name cannot begin a line of its own, end its quotes, or move the terminal's cursor. */
static void forged_lines(void **state)
{
	static const char name[] = "x\n2026-11-25T00:00:00.000Z info seal: sealed\r\033[2K\" path=\"y\\";

	log_msg(LOG_INFO, "t", "open %s", name);
	assert_string_equal(next_line(), "info t: open x\\x0a2026-11-25T00:00:00.000Z info seal: sealed\\x0d\\x1b[2K\" path=\"y\\x5c");
	log_path(LOG_INFO, "t", name, "open");
	assert_string_equal(next_line(),
			    "info t: open path=\"x\\x0a2026-11-25T00:00:00.000Z info seal: sealed\\x0d\\x1b[2K\\x22 path=\\x22y\\x5c\"");
	assert_string_equal(next_line(), "");
}

static void errno_is_kept(void **state)
{
	errno = ENOENT;
	log_msg(LOG_INFO, "t", "%s", strerror(errno));
	assert_int_equal(errno, ENOENT);
	assert_string_equal(next_line(), "info t: No such file or directory");
	close(STDERR_FILENO);
	errno = EACCES;
	log_msg(LOG_INFO, "t", "into nothing");
	assert_int_equal(errno, EACCES);
}

static void long_lines_are_cut_and_stay_one_write(void **state)
{
	char *text = test_malloc(20000), *path = test_malloc(20000);

	memset(text, '\001', 19999);
	memset(path, '"', 19999);
	text[19999] = path[19999] = '\0';
	for (int json = 0; json < 2; json++) {
		log_setup(LOG_INFO, json ? LOG_JSON : LOG_TEXT);
		log_path(LOG_INFO, "t", path, "%s", text);
		size_t n = strlen(next_line());

		assert_in_range(n, 3500, 4096);
		assert_string_equal(next_line(), "");
	}
	test_free(text);
	test_free(path);
}

static void *writer(void *arg)
{
	for (int i = 0; i < 3; i++)
		log_msg(LOG_INFO, "t", "%0200d", 0);
	return NULL;
}

/* 12 lines: as a pipe holds 16 packets. */
static void threads_do_not_mix(void **state)
{
	pthread_t threads[4];

	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, writer, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 12; i++)
		assert_int_equal(strlen(next_line()), strlen("info t: ") + 200);
}

/* Last, as there is no way back from it. */
static void the_system_log_gets_every_line_too(void **state)
{
	log_msg(LOG_ERROR, "t", "before");
	assert_int_equal(syslog_lines, 0);
	log_also_syslog("pishopfs");
	log_msg(LOG_DEBUG, "t", "not wanted");
	log_path(LOG_ERROR, "t", "a\nb", "100%% %s", "%n");
	assert_int_equal(syslog_lines, 1);
	assert_int_equal(syslog_priority, 3 /* LOG_ERR of <syslog.h>, whose names clash with ours */);
	assert_non_null(strstr(syslog_line, "error t: 100% %n path=\"a\\x0ab\""));
	assert_string_equal(next_line(), "error t: before");
	assert_string_equal(next_line(), "error t: 100% %n path=\"a\\x0ab\"");
	log_msg(LOG_WARN, "t", "w");
	assert_int_equal(syslog_priority, 4);
}

static void escape_table(void **state)
{
	static const struct {
		const char *in, *text, *json;
	} rows[] = {
		{ "plain", "plain", "plain" },
		{ "", "", "" },
		{ "ä€😀", "ä€😀", "ä€😀" },
		{ "a\tb", "a\\x09b", "a\\u0009b" },
		{ "\"\\", "\\x22\\x5c", "\\\"\\\\" },
		{ "\x7f", "\\x7f", "\\u007f" },
		{ "\xc2\x9b", "\\xc2\\x9b", "\\u009b" },             /* C1: control sequence introducer */
		{ "\xe2\x80\xae", "\\xe2\\x80\\xae", "\\u202e" },    /* right-to-left override */
		{ "\xe2\x80\xa8", "\\xe2\\x80\\xa8", "\\u2028" },    /* line separator */
		{ "\xff", "\\xff", "\\\\xff" },                      /* no UTF-8 at all */
		{ "\xc3", "\\xc3", "\\\\xc3" },                      /* cut */
		{ "\xe2\x82", "\\xe2\\x82", "\\\\xe2\\\\x82" },
		{ "\xc0\xaf", "\\xc0\\xaf", "\\\\xc0\\\\xaf" },      /* overlong */
		{ "\xe0\x80\x8a", "\\xe0\\x80\\x8a", "\\\\xe0\\\\x80\\\\x8a" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80", "\\\\xed\\\\xa0\\\\x80" }, /* surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\\\\xf4\\\\x90\\\\x80\\\\x80" },
		{ "\x80z", "\\x80z", "\\\\x80z" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char out[64];

		log_escape(out, sizeof(out), rows[i].in, false);
		assert_string_equal(out, rows[i].text);
		log_escape(out, sizeof(out), rows[i].in, true);
		assert_string_equal(out, rows[i].json);
	}
}

static void quotes_stay_in_a_whole_line(void **state)
{
	char out[64];

	log_printable(out, sizeof(out), "the prefix \"a\"\n\xff\\");
	assert_string_equal(out, "the prefix \"a\"\\x0a\\xff\\x5c");
}

/* Never half an escape, never half a character. */
static void escape_is_cut_between_characters(void **state)
{
	char out[16] = "untouched";

	log_escape(out, 0, "abc", false);
	assert_string_equal(out, "untouched");
	log_escape(out, 1, "abc", false);
	assert_string_equal(out, "");
	log_escape(out, 3, "abc", false);
	assert_string_equal(out, "ab");
	log_escape(out, 6, "ab\n", false);
	assert_string_equal(out, "ab");
	log_escape(out, 7, "ab\n", false);
	assert_string_equal(out, "ab\\x0a");
	log_escape(out, 5, "ab€", false);
	assert_string_equal(out, "ab");
	log_escape(out, 6, "ab€", false);
	assert_string_equal(out, "ab€");
	log_escape(out, 8, "ab\n", true);
	assert_string_equal(out, "ab");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(text_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(json_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(levels, setup, teardown),
		cmocka_unit_test_setup_teardown(forged_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(errno_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(long_lines_are_cut_and_stay_one_write, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_do_not_mix, setup, teardown),
		cmocka_unit_test(escape_table),
		cmocka_unit_test(escape_is_cut_between_characters),
		cmocka_unit_test(quotes_stay_in_a_whole_line),
		cmocka_unit_test_setup_teardown(the_system_log_gets_every_line_too, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "conf_table.h"

#include <errno.h>

#define ARG(text) (char[]){ text }

static void every_form_of_a_flag(void **state)
{
	AUTO(auto_conf_free) struct conf *c = NULL;
	char error[512];

	assert_int_equal(load_with(&c, error, LIST(ARG("--endpoint=http://h:9000/?a=b"), ARG("--memory"), ARG("1G"), ARG("-t5"), ARG("-rf"), ARG("--timeout"), ARG("5")), NULL), 0);
	assert_string_equal(conf_text(c, "endpoint"), "http://h:9000/?a=b");
	assert_int_equal(conf_number(c, "memory"), 1 << 30);
	assert_int_equal(conf_number(c, "threads"), 5);
	assert_true(conf_bool(c, "read-only"));
	assert_true(conf_bool(c, "foreground"));
	assert_int_equal(conf_number(c, "timeout"), 5000);
	assert_int_equal(conf_argc(c), 0);
	assert_int_equal(conf_source(c, "threads"), CONF_FROM_FLAG);
	assert_string_equal(conf_where(c, "threads"), "--threads (command line)");
	assert_string_equal(conf_where(c, "memory"), "--memory (command line)");
}

static void flags_stand_among_arguments(void **state)
{
	AUTO(auto_conf_free) struct conf *c = NULL;
	char error[512];

	assert_int_equal(load_with(&c, error, LIST(ARG("s3://b"), ARG("-o"), ARG("ro,dev"), ARG("/mnt"), ARG("-rt"), ARG("7"), ARG("-"), ARG("--"), ARG("--memory=1"), ARG("-o")), NULL), 0);
	assert_int_equal(conf_argc(c), 5);
	assert_string_equal(conf_argv(c, 0), "s3://b");
	assert_string_equal(conf_argv(c, 1), "/mnt");
	assert_string_equal(conf_argv(c, 2), "-");
	assert_string_equal(conf_argv(c, 3), "--memory=1");
	assert_string_equal(conf_argv(c, 4), "-o");
	assert_null(conf_argv(c, 5));
	assert_string_equal(conf_text(c, "options"), "ro,dev");
	assert_int_equal(conf_number(c, "threads"), 7);
	assert_true(conf_bool(c, "read-only"));
}

static void repeated_flags(void **state)
{
	AUTO(auto_conf_free) struct conf *c = NULL;
	char error[512];

	assert_int_equal(load_with(&c, error, LIST(ARG("-oa,b"), ARG("--options"), ARG("c"), ARG("--options=d"), ARG("-t1"), ARG("--threads=2")), NULL), 0);
	assert_string_equal(conf_text(c, "options"), "a,b,c,d");
	assert_int_equal(conf_number(c, "threads"), 2); /* the last counts */
}

static void a_switch_can_be_taken_back(void **state)
{
	AUTO(auto_conf_free) struct conf *c = NULL;
	char error[512];

	assert_int_equal(load_with(&c, error, LIST(ARG("--read-only=false"), ARG("--use-ssl"), ARG("off"), ARG("--endpoint=")), LIST(ARG("READ_ONLY=1"))), 0);
	assert_false(conf_bool(c, "read-only"));
	assert_false(conf_bool(c, "use-ssl"));
	assert_true(conf_has(c, "endpoint")); /* an empty text is one, as a flag */
	assert_string_equal(conf_text(c, "endpoint"), "");
}

static void a_switch_takes_no_next_argument(void **state)
{
	AUTO(auto_conf_free) struct conf *c = NULL;
	char error[512];

	assert_int_equal(load_with(&c, error, LIST(ARG("--read-only"), ARG("false")), NULL), 0);
	assert_true(conf_bool(c, "read-only"));
	assert_string_equal(conf_argv(c, 0), "false");
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *first, *second, *error;
	} rows[] = {
		{ "--memmory=5M", NULL, "--memmory (command line): there is no such flag; did you mean --memory?" },
		{ "--readonly", NULL, "--readonly (command line): there is no such flag; did you mean --read-only?" },
		{ "--time-out", "5", "--time-out (command line): there is no such flag; did you mean --timeout?" },
		{ "--xyzzy", NULL, "--xyzzy (command line): there is no such flag; --help lists them" },
		{ "--=5", NULL, "-- (command line): there is no such flag; --help lists them" },
		{ "--secret-kay=hush", NULL, "--secret-kay (command line): there is no such flag; did you mean --secret-key?" },
		{ "--a\033[2Jb=hush", NULL, "--a\\x1b[2Jb (command line): there is no such flag; --help lists them" },
		{ "--tenant=t", NULL, "--tenant (command line): there is no such flag; --help lists them" },
		{ "--test-hoook", NULL, "--test-hoook (command line): there is no such flag; --help lists them" },
		{ "-x", NULL, "-x (command line): there is no such flag; --help lists them" },
		{ "-rx", NULL, "-x (command line): there is no such flag; --help lists them" },
		{ "--memory", NULL, "--memory (command line): needs a value: --memory=SIZE" },
		{ "--memory", "--read-only", "--memory (command line): needs a value: --memory=SIZE" },
		{ "-m", NULL, "--memory (command line): needs a value: --memory=SIZE" },
		{ "--memory=12Q", NULL, "--memory=12Q (command line): not a size; write for example 256M" },
		{ "--memory", "12Q", "--memory=12Q (command line): not a size; write for example 256M" },
		{ "-m12Q", NULL, "--memory=12Q (command line): not a size; write for example 256M" },
		{ "--read-only=maybe", NULL, "--read-only=maybe (command line): neither true nor false" },
		{ "--log-format=xml", NULL, "--log-format=xml (command line): not one of text, json" },
		{ "--timeout=10ms", NULL, "--timeout=10ms (command line): out of range; allowed: at least 1s" },
		{ "--config", "/nonexistent", "configuration file /nonexistent: No such file or directory" },
		{ "--secret-dir", "/nonexistent", "secret-dir: secret folder /nonexistent: No such file or directory" },
		{ "--secret-dir", "/dev/null", "secret-dir: secret folder /dev/null: Not a directory" },
		{ "--secret-dir", "/a\nb\033[2J\177", "secret-dir: secret folder /a?b?[2J?: No such file or directory" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct conf *c;
		char error[512], first[64], second[64];

		(void)copy_text(first, sizeof(first), rows[i].first);
		(void)copy_text(second, sizeof(second), rows[i].second ? rows[i].second : "");
		assert_int_not_equal(load_with(&c, error, LIST(first, rows[i].second ? second : NULL), NULL), 0);
		assert_string_equal(error, rows[i].error);
		assert_null(c);
	}
}

static void the_nearest_name_is_suggested(void **state)
{
	static const struct conf_option alike[] = { { .name = "parting" }, { .name = "porting" }, { .name = "sorting" } };
	char *argv[] = { ARG("x"), ARG("--portinf"), NULL };
	struct conf_input in = { .options = alike, .count = ARRAY_LEN(alike), .argc = 2, .argv = argv };
	char error[512];
	struct conf *c;

	assert_int_equal(conf_load(&in, &c, error, sizeof(error)), EINVAL);
	assert_string_equal(error, "--portinf (command line): there is no such flag; did you mean --porting?");
}

static void a_long_wrong_flag_is_cut(void **state)
{
	char flag[4096], error[512];
	struct conf *c;

	memset(flag, '\001', sizeof(flag) - 1);
	flag[0] = flag[1] = '-';
	flag[sizeof(flag) - 1] = '\0';
	assert_int_equal(load_with(&c, error, LIST(flag), NULL), EINVAL);
	assert_non_null(strstr(error, "there is no such flag; --help lists them"));
}

/* Neither by name nor in any form does a secret come from the command line, and its value is not repeated. */
static void secrets_are_no_flags(void **state)
{
	static const char *const forms[] = { "--secret-key=hush", "--secret-key" };

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct conf *c;
		char error[512], form[64];

		(void)copy_text(form, sizeof(form), forms[i]);
		assert_int_equal(load_with(&c, error, LIST(form, ARG("hush")), NULL), EINVAL);
		assert_string_equal(error, "--secret-key (command line): a secret is not taken from here, where everybody on this machine can read it; "
					   "use MINIO_SECRET_KEY, secret file secret-key");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_of_a_flag),
		cmocka_unit_test(flags_stand_among_arguments),
		cmocka_unit_test(repeated_flags),
		cmocka_unit_test(a_switch_can_be_taken_back),
		cmocka_unit_test(a_switch_takes_no_next_argument),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(the_nearest_name_is_suggested),
		cmocka_unit_test(a_long_wrong_flag_is_cut),
		cmocka_unit_test(secrets_are_no_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

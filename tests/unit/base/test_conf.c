/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "conf_table.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void defaults_only(void **state)
{
	AUTO(auto_conf_free) struct conf *c = NULL;
	char error[512] = "x";

	assert_int_equal(load_with(&c, error, NULL, NULL), 0);
	assert_string_equal(error, "");
	assert_false(conf_has(c, "endpoint"));
	assert_null(conf_text(c, "endpoint"));
	assert_int_equal(conf_number(c, "threads"), 0);
	assert_false(conf_bool(c, "read-only"));
	assert_true(conf_has(c, "memory"));
	assert_string_equal(conf_text(c, "memory"), "256M");
	assert_int_equal(conf_number(c, "memory"), 256 << 20);
	assert_int_equal(conf_number(c, "timeout"), 120000);
	assert_int_equal(conf_number(c, "log-format"), 0);
	assert_true(conf_bool(c, "use-ssl"));
	assert_int_equal(conf_source(c, "memory"), CONF_FROM_DEFAULT);
	assert_string_equal(conf_where(c, "memory"), "memory (default)");
	assert_string_equal(conf_where(c, "endpoint"), "--endpoint, MINIO_ENDPOINT, AWS_ENDPOINT_URL, secret file endpoint (not set)");
	assert_string_equal(conf_where(c, "secret-key"), "MINIO_SECRET_KEY, secret file secret-key (not set)");
	assert_string_equal(conf_where(c, "tenant"), "TENANT (not set)");
	assert_int_equal(conf_argc(c), 0);
	assert_null(conf_argv(c, 0));
	assert_null(conf_argv(c, -1));
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void remove_file(const char *dir, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

/* From the weakest source to the strongest, one more at each step. */
static void precedence(void **state)
{
	char dir[] = "/tmp/conf-test-XXXXXX", config[64], secrets[64], error[512];

	assert_non_null(mkdtemp(dir));
	snprintf(config, sizeof(config), "--config=%s/ini", dir);
	snprintf(secrets, sizeof(secrets), "--secret-dir=%s", dir);
	for (int step = 0; step < 5; step++) {
		AUTO(auto_conf_free) struct conf *c = NULL;
		static const int wanted[] = { 256, 2, 3, 4, 5 };
		char *flags[] = { config, secrets, (char[]){ "--memory=5M" }, NULL }, *env[] = { (char[]){ "PISHOP_MEMORY=4M" }, NULL };

		write_file(dir, "ini", step >= 1 ? "memory = 2M\n" : "");
		if (step >= 2)
			write_file(dir, "memory", "3M\n");
		if (step < 4)
			flags[2] = NULL;
		assert_int_equal(load_with(&c, error, flags, step >= 3 ? env : NULL), 0);
		assert_int_equal(conf_number(c, "memory") >> 20, wanted[step]);
		assert_int_equal(conf_source(c, "memory"), step);
	}
	remove_file(dir, "ini");
	remove_file(dir, "memory");
	rmdir(dir);
}

static void a_flag_helps_against_a_bad_environment(void **state)
{
	AUTO(auto_conf_free) struct conf *c = NULL;
	char error[512];

	assert_int_equal(load_with(&c, error, LIST((char[]){ "--threads=3" }), LIST((char[]){ "THREADS=many" })), 0);
	assert_int_equal(conf_number(c, "threads"), 3);
}

static void environment(void **state)
{
	AUTO(auto_conf_free) struct conf *c = NULL;
	char error[512];
	char *env[] = { (char[]){ "AWS_ENDPOINT_URL=second" }, (char[]){ "MINIO_ENDPOINT=first=with=signs" }, (char[]){ "MINIO_SECRET_KEY=hush" },
			(char[]){ "THREADS=" }, (char[]){ "READ_ONLY=Yes" }, (char[]){ "TENANT=t1" }, (char[]){ "NOISE" }, NULL };

	assert_int_equal(load_with(&c, error, NULL, env), 0);
	assert_string_equal(conf_text(c, "endpoint"), "first=with=signs");
	assert_string_equal(conf_where(c, "endpoint"), "MINIO_ENDPOINT (environment)");
	assert_string_equal(conf_text(c, "secret-key"), "hush");
	assert_false(conf_has(c, "threads"));
	assert_true(conf_bool(c, "read-only"));
	assert_string_equal(conf_text(c, "tenant"), "t1");
	assert_int_equal(conf_source(c, "tenant"), CONF_FROM_ENV);
}

static void an_empty_name_lets_the_next_one_speak(void **state)
{
	AUTO(auto_conf_free) struct conf *c = NULL;
	char error[512];

	assert_int_equal(load_with(&c, error, NULL, LIST((char[]){ "MINIO_ENDPOINT=" }, (char[]){ "AWS_ENDPOINT_URL=second" })), 0);
	assert_string_equal(conf_text(c, "endpoint"), "second");
	assert_string_equal(conf_where(c, "endpoint"), "AWS_ENDPOINT_URL (environment)");
}

static void one_line_says_what_is_wrong(void **state)
{
	static const struct {
		const char *env, *error;
	} rows[] = {
		{ "PISHOP_MEMORY=12Q", "PISHOP_MEMORY=12Q (environment): not a size; write for example 256M" },
		{ "PISHOP_MEMORY=5G", "PISHOP_MEMORY=5G (environment): out of range; allowed: 1M to 4G" },
		{ "THREADS=-1", "THREADS=-1 (environment): not a number; write for example 16" },
		{ "READ_ONLY=perhaps", "READ_ONLY=perhaps (environment): neither true nor false" },
		{ "THREADS=1\nforged", "THREADS=1\\x0aforged (environment): not a number; write for example 16" },
		{ "MINIO_SECRET_KEY=ab", "MINIO_SECRET_KEY (environment): wrong length; allowed: 3 to 40 bytes" }, /* without the value */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct conf *c;
		char error[512], env[128];

		(void)copy_text(env, sizeof(env), rows[i].env);
		assert_int_equal(load_with(&c, error, NULL, LIST(env)), EINVAL);
		assert_null(c);
		assert_string_equal(error, rows[i].error);
	}
}

static void a_short_error_buffer_is_enough(void **state)
{
	struct conf_option bad = { .name = "n", .type = CONF_COUNT, .fallback = "x" };
	struct conf_input in = { .options = &bad, .count = 1 };
	struct conf *c;
	char error[8];

	assert_int_equal(conf_load(&in, &c, error, sizeof(error)), EINVAL);
	assert_string_equal(error, "n=x (de");
	assert_int_equal(conf_load(&in, &c, NULL, 0), EINVAL);
	assert_null(c);
}

static void no_options_no_arguments(void **state)
{
	AUTO(auto_conf_free) struct conf *c = NULL;
	struct conf_input in = { 0 };
	char error[8];

	assert_int_equal(conf_load(&in, &c, error, sizeof(error)), 0);
	assert_int_equal(conf_argc(c), 0);
	conf_free(NULL);
}

/* Whether asking for that name in that way aborts, tried in a child. */
static bool aborts(const struct conf *c, const char *name, bool as_number)
{
	struct rlimit no_core = { 0, 0 };
	int status = 0;
	pid_t child = fork();

	if (!child) {
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGABRT, SIG_DFL);
		if (as_number)
			(void)conf_number(c, name);
		else
			(void)conf_text(c, name);
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void wrong_names_are_bugs(void **state)
{
	AUTO(auto_conf_free) struct conf *c = NULL;
	char error[512];

	assert_int_equal(load_with(&c, error, NULL, NULL), 0);
	assert_false(aborts(c, "memory", false));
	assert_false(aborts(c, "memory", true));
	assert_true(aborts(c, "memor", false));
	assert_true(aborts(c, "endpoint", true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_only),
		cmocka_unit_test(precedence),
		cmocka_unit_test(a_flag_helps_against_a_bad_environment),
		cmocka_unit_test(environment),
		cmocka_unit_test(an_empty_name_lets_the_next_one_speak),
		cmocka_unit_test(one_line_says_what_is_wrong),
		cmocka_unit_test(a_short_error_buffer_is_enough),
		cmocka_unit_test(no_options_no_arguments),
		cmocka_unit_test(wrong_names_are_bugs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

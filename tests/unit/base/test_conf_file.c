/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "conf_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char dir[64];

static int setup(void **state)
{
	(void)copy_text(dir, sizeof(dir), "/tmp/conf-test-XXXXXX");
	return !mkdtemp(dir);
}

static int teardown(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static void put(const char *name, const void *bytes, size_t n, mode_t mode)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int load_ini(struct conf **c, char error[512], const char *text, mode_t mode)
{
	char flag[128];

	put("ini", text, strlen(text), mode);
	snprintf(flag, sizeof(flag), "--config=%s/ini", dir);
	return load_with(c, error, LIST(flag), NULL);
}

static int load_secrets(struct conf **c, char error[512])
{
	char flag[128];

	snprintf(flag, sizeof(flag), "--secret-dir=%s", dir);
	return load_with(c, error, LIST(flag), NULL);
}

static void ini_forms(void **state)
{
	AUTO(auto_conf_free) struct conf *c = NULL;
	char error[512], where[128];

	assert_int_equal(load_ini(&c, error,
				  "\xef\xbb\xbf# a comment; and more\n"
				  "; another\r\n"
				  "\n"
				  "[server]\r\n"
				  "endpoint = http://host:9000/a;b\r\n"
				  "secret-key=hu=sh\n"
				  "\t  use-ssl : off\n" /* inih alone would add this to the secret */
				  "   # indented comment\n"
				  "[limits]\n"
				  "memory = 64M ; a comment behind a number\n"
				  "options = a\n"
				  "options = b,c\n"
				  "tenant = t1\n"
				  "read-only = yes", 0600), 0);
	assert_string_equal(conf_text(c, "endpoint"), "http://host:9000/a;b");
	assert_string_equal(conf_text(c, "secret-key"), "hu=sh");
	assert_false(conf_bool(c, "use-ssl"));
	assert_int_equal(conf_number(c, "memory"), 64 << 20);
	assert_string_equal(conf_text(c, "options"), "a,b,c");
	assert_string_equal(conf_text(c, "tenant"), "t1");
	assert_true(conf_bool(c, "read-only"));
	assert_int_equal(conf_source(c, "read-only"), CONF_FROM_FILE);
	snprintf(where, sizeof(where), "memory (%s/ini line 10)", dir);
	assert_string_equal(conf_where(c, "memory"), where);
}

static void ini_mistakes(void **state)
{
	static const struct {
		const char *text, *error; /* error begins behind the folder's name */
	} rows[] = {
		{ "memory = 1M\nmemmory = 1M\n", "/ini line 2: there is no key \"memmory\"; did you mean \"memory\"?" },
		{ "xyzzy = 1\n", "/ini line 1: there is no key \"xyzzy\"; keys are the long flags without --" },
		{ "x\033y = 1\n", "/ini line 1: there is no key \"x\\x1by\"; keys are the long flags without --" },
		{ "= 1\n", "/ini line 1: there is no key \"\"; keys are the long flags without --" },
		{ "--memory = 1M\n", "/ini line 1: there is no key \"--memory\"; did you mean \"memory\"?" },
		{ "\n\njust words\n", "/ini line 3: neither [section] nor key = value nor a comment" },
		{ "[section\nmemory = 1M\n", "/ini line 1: neither [section] nor key = value nor a comment" },
		{ "memory = 1M\nmemory = 2M\n", "/ini line 2): stands here twice" },
		{ "endpoint = a ; b\n", "/ini line 1): \" ;\" would begin a comment inside the value; put comments on lines of their own" },
		{ "endpoint = ;b\n", "/ini line 1): \" ;\" would begin a comment inside the value; put comments on lines of their own" },
		{ "endpoint = \"a\"\n", "/ini line 1): quotes would be part of the value; leave them out" },
		{ "memory = '1M'\n", "/ini line 1): quotes would be part of the value; leave them out" },
		{ "config = /other\n", "/ini line 1): a configuration file cannot name another one" },
		{ "\n# x\nmemory = 12Q\n", "/ini line 3): not a size; write for example 256M" },
		{ "memory =\n", "/ini line 1): not a size; write for example 256M" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char error[512];
		struct conf *c;

		assert_int_equal(load_ini(&c, error, rows[i].text, 0600), EINVAL);
		const char *found = strstr(error, dir);

		assert_non_null(found);
		assert_string_equal(found + strlen(dir), rows[i].error);
		assert_null(c);
	}
}

/* inih has a buffer of 200 bytes for a line; what is longer must neither be cut nor read on as another key. */
static void ini_long_lines(void **state)
{
	char text[400], error[512];
	struct conf *c;

	for (size_t n = 190; n <= 210; n++) {
		size_t used = (size_t)snprintf(text, sizeof(text), "endpoint=");

		memset(text + used, 'x', n - used);
		snprintf(text + n, sizeof(text) - n, "\nmemory=2M\n");
		int rc = load_ini(&c, error, text, 0600);

		if (rc) {
			assert_true(n > 197);
			assert_non_null(strstr(error, "/ini line 1: longer than 197 bytes"));
			continue;
		}
		assert_in_range(n, 190, 197);
		assert_int_equal(strlen(conf_text(c, "endpoint")), n - used);
		assert_int_equal(conf_number(c, "memory"), 2 << 20);
		conf_free(c);
	}
	memset(text, '#', 300);
	memset(text + 300, ' ', 50);
	memcpy(text + 350, "\n", 2);
	assert_int_equal(load_ini(&c, error, text, 0600), EINVAL);
	memset(text, ' ', 300); /* blanks at both ends do not count */
	memcpy(text, "memory=", 7);
	memcpy(text + 10, "2M", 2);
	memcpy(text + 300, "\n", 2);
	assert_int_equal(load_ini(&c, error, text, 0600), 0);
	conf_free(c);
}

static void ini_secrets_only_where_others_cannot_read(void **state)
{
	char error[512];
	struct conf *c;

	assert_int_equal(load_ini(&c, error, "secret-key = hush\n", 0604), EINVAL);
	assert_non_null(strstr(error, "/ini line 1): a secret, but others can read this file; take that away (chmod o-r) or use a secret file"));
	assert_null(strstr(error, "hush"));
	assert_int_equal(load_ini(&c, error, "memory = 1M\n", 0644), 0);
	conf_free(c);
	assert_int_equal(load_ini(&c, error, "secret-key = hush\n", 0640), 0);
	assert_string_equal(conf_text(c, "secret-key"), "hush");
	conf_free(c);
}

static void ini_that_is_no_text(void **state)
{
	static char big[70000];
	char error[512], flag[128];
	struct conf *c;

	snprintf(flag, sizeof(flag), "--config=%s/ini", dir);
	put("ini", "memory=1M\0\nuse-ssl=no", 21, 0600);
	assert_int_equal(load_with(&c, error, LIST(flag), NULL), EILSEQ);
	assert_non_null(strstr(error, "/ini: holds a NUL byte, so it is no text"));
	memset(big, '\n', sizeof(big));
	put("ini", big, 65536, 0600);
	assert_int_equal(load_with(&c, error, LIST(flag), NULL), 0);
	conf_free(c);
	put("ini", big, 65537, 0600);
	assert_int_equal(load_with(&c, error, LIST(flag), NULL), EFBIG);
	assert_non_null(strstr(error, "/ini: larger than 64 KiB"));
	put("ini", big, 0, 0600);
	assert_int_equal(load_with(&c, error, LIST(flag), NULL), 0);
	conf_free(c);
	snprintf(flag, sizeof(flag), "--config=%s", dir);
	assert_int_equal(load_with(&c, error, LIST(flag), NULL), EISDIR);
}

/* Nothing that is not a file may hold up the start or be read as settings. */
static void only_regular_files(void **state)
{
	static const char *const names[] = { "fifo", "socket", "null" };
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char error[512], flag[128], path[128], null[128];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct conf *c;

	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/socket", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	snprintf(null, sizeof(null), "%s/null", dir);
	assert_int_equal(symlink("/dev/null", null), 0);
	snprintf(path, sizeof(path), "%s/secret-key", dir);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(flag, sizeof(flag), "--config=%s/%s", dir, names[i]);
		assert_int_equal(load_with(&c, error, LIST(flag), NULL), ENOTSUP);
		assert_non_null(strstr(error, names[i]));
		assert_non_null(strstr(error, "a FIFO, socket or device; it must be a regular file"));
		assert_int_equal(symlink(names[i], path), 0);
		assert_int_equal(load_secrets(&c, error), ENOTSUP);
		assert_non_null(strstr(error, "/secret-key): a FIFO, socket or device; it must be a regular file"));
		unlink(path);
	}
	close(fd);
}

static void files_that_the_caller_names(void **state)
{
	AUTO(auto_conf_free) struct conf *c = NULL;
	char path[128], error[512];

	put("ini", "memory=3M\n", 10, 0600);
	put("endpoint", "e", 1, 0600);
	snprintf(path, sizeof(path), "%s/ini", dir);
	struct conf_input in = { .options = table, .count = ARRAY_LEN(table), .ini_file = path, .secret_dir = dir };

	assert_int_equal(conf_load(&in, &c, error, sizeof(error)), 0);
	assert_int_equal(conf_number(c, "memory"), 3 << 20);
	assert_string_equal(conf_text(c, "endpoint"), "e");

	struct conf *none;

	in.ini_file = "/nonexistent";
	assert_int_equal(conf_load(&in, &none, error, sizeof(error)), ENOENT);
	in.ini_file = NULL;
	in.secret_dir = "/nonexistent";
	assert_int_equal(conf_load(&in, &none, error, sizeof(error)), ENOENT);
}

static void the_ini_file_may_name_the_secret_folder(void **state)
{
	AUTO(auto_conf_free) struct conf *c = NULL;
	char text[128], error[512];

	snprintf(text, sizeof(text), "secret-dir = %s\n", dir);
	put("secret-key", "hush", 4, 0600);
	assert_int_equal(load_ini(&c, error, text, 0644), 0);
	assert_string_equal(conf_text(c, "secret-key"), "hush");
}

static void secret_files(void **state)
{
	static const struct {
		const char *text, *wanted;
	} rows[] = { { "hush", "hush" }, { "hush\n", "hush" }, { "hush\n\n", "hush\n" }, { "hush\r\n", "hush\r" }, { " hush \n", " hush " }, { "", NULL }, { "\n", NULL } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(auto_conf_free) struct conf *c = NULL;
		char error[512], where[128];

		put("secret-key", rows[i].text, strlen(rows[i].text), 0644);
		put("some-other-file", "x", 1, 0644);
		assert_int_equal(load_secrets(&c, error), 0);
		if (!rows[i].wanted) {
			assert_false(conf_has(c, "secret-key"));
			continue;
		}
		assert_string_equal(conf_text(c, "secret-key"), rows[i].wanted);
		assert_int_equal(conf_source(c, "secret-key"), CONF_FROM_SECRET);
		snprintf(where, sizeof(where), "secret-key (secret file %s/secret-key)", dir);
		assert_string_equal(conf_where(c, "secret-key"), where);
	}
}

static void bad_secret_files(void **state)
{
	static char big[70000];
	char error[512], path[128];
	struct conf *c;

	memset(big, 'x', sizeof(big));
	put("secret-key", big, 65537, 0600);
	assert_int_equal(load_secrets(&c, error), EFBIG);
	assert_non_null(strstr(error, "/secret-key): larger than 64 KiB"));
	put("secret-key", big, 65536, 0600);
	assert_int_equal(load_secrets(&c, error), EINVAL);
	assert_non_null(strstr(error, "/secret-key): wrong length; allowed: 3 to 40 bytes"));
	assert_null(strstr(error, "xxxxxxx")); /* longer than what a temporary name holds */
	put("secret-key", "hu\0sh", 5, 0600);
	assert_int_equal(load_secrets(&c, error), EILSEQ);
	put("secret-key", "hush", 4, 0600);
	put("memory", "1Q", 2, 0600);
	assert_int_equal(load_secrets(&c, error), EINVAL);
	assert_non_null(strstr(error, "/memory): not a size; write for example 256M"));
	assert_int_equal(strncmp(error, "memory=1Q (secret file /tmp/", 28), 0);
	snprintf(path, sizeof(path), "%s/memory", dir);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(load_secrets(&c, error), EISDIR);
	rmdir(path);
	assert_int_equal(symlink("memory", path), 0); /* to itself */
	assert_int_equal(load_secrets(&c, error), ELOOP);
}

/* As Kubernetes lays a secret out: names are links into ..data, which is a link to the version in force. */
static void kubernetes_layout(void **state)
{
	AUTO(auto_conf_free) struct conf *c = NULL;
	char path[128], error[512];

	snprintf(path, sizeof(path), "%s/..v1", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	put("..v1/secret-key", "hush\n", 5, 0644);
	put("..v1/endpoint", "one", 3, 0644);
	snprintf(path, sizeof(path), "%s/..data", dir);
	assert_int_equal(symlink("..v1", path), 0);
	snprintf(path, sizeof(path), "%s/secret-key", dir);
	assert_int_equal(symlink("..data/secret-key", path), 0);
	put("endpoint", "of another version", 18, 0644); /* never mixed in */
	assert_int_equal(load_secrets(&c, error), 0);
	assert_string_equal(conf_text(c, "secret-key"), "hush");
	assert_string_equal(conf_text(c, "endpoint"), "one");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ini_forms),
		TEST(ini_mistakes),
		TEST(ini_long_lines),
		TEST(ini_secrets_only_where_others_cannot_read),
		TEST(ini_that_is_no_text),
		TEST(only_regular_files),
		TEST(files_that_the_caller_names),
		TEST(the_ini_file_may_name_the_secret_folder),
		TEST(secret_files),
		TEST(bad_secret_files),
		TEST(kubernetes_layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

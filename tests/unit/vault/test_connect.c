/* SPDX-License-Identifier: Apache-2.0 */
/* From settings to a store: what cannot be one is refused before any request, with the setting's name and source, and without its value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "vault/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT(text) (char[]){ text }
#define GOOD TEXT("MINIO_ACCESS_KEY=id"), TEXT("MINIO_SECRET_KEY=hush-hush"), TEXT("MINIO_ENDPOINT=127.0.0.1:9")

static char error[512];

/* connect_store with one flag, which may be NULL, and an environment, whose first word counts. */
static int connect_with(char *flag, char *const *environment)
{
	char *argv[] = { TEXT("test"), flag };
	struct conf_input in = { .options = connect_options, .count = connect_option_count, .argc = flag ? 2 : 1, .argv = argv,
				 .environ_list = environment };
	AUTO(auto_conf_free) struct conf *conf = NULL;
	AUTO(auto_store_free) struct store *store = NULL;
	struct location at;

	if (conf_load(&in, &conf, error, sizeof(error)))
		fail_msg("%s", error);
	assert_int_equal(location_parse(conf, "s3://bucket", &at, error, sizeof(error)), 0);
	error[0] = '\0';
	return connect_store(conf, &at, &store, NULL, NULL, error, sizeof(error));
}

static int with_endpoint(const char *endpoint)
{
	char word[512];

	snprintf(word, sizeof(word), "MINIO_ENDPOINT=%s", endpoint);
	return connect_with(NULL, (char *[]){ word, TEXT("MINIO_ACCESS_KEY=id"), TEXT("MINIO_SECRET_KEY=hush-hush"), NULL });
}

static void good_endpoints(void **state)
{
	static const char *const good[] = {
		"minio", "minio:9000", "minio.example.org.", "under_score:1", "a-b.c-d", "127.0.0.1:65535", "[::1]", "[::1]:9000", "[2001:db8::1]:443",
		"http://minio", "https://minio:9000", "https://minio:9000/", "http://[::1]:9000/", "[::ffff:192.0.2.1]",
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (with_endpoint(good[i]))
			fail_msg("%s: %s", good[i], error);
}

static void bad_endpoints(void **state)
{
	static const struct {
		const char *endpoint, *words;
	} rows[] = {
		{ "[::1", "has no \"]\"" }, { "[::1:9000", "has no \"]\"" }, { "::1", "it has no good host name" }, { "1::1", "stands in brackets" },
		{ "[::1]:9000:1", "more than one \":\"" }, { "[::1]9000", "behind the \"]\"" }, { "[]", "no IPv6 address" }, { "[minio]", "no IPv6 address" },
		{ "[fe80::1%eth0]", "no IPv6 address" }, { "[1.2.3.4]", "no IPv6 address" }, { "host:1:2", "more than one \":\"" }, { "a]b", "a host name has" },
		{ "http://", "has no host" }, { "https:///", "has no host" }, { "http:///x", "has no host" }, { ":9000", "no good host name" },
		{ "host:", "the port is not a number" }, { "host:0", "the port" }, { "host:99999", "the port" }, { "host:+1", "the port" }, { "host:9x", "the port" },
		{ "host: 9", "the port" }, { "ho st", "a host name has" }, { " host", "a host name has" }, { "host ", "a host name has" }, { "host\n", "a host name has" },
		{ "h\xc3\xb6st", "a host name has" }, { "user:secret@host", "the port" }, { "host?x", "a host name has" }, { "host/path", "a path" },
		{ "ftp://host", "another scheme" }, { "http://http://host", "another scheme" }, { "-host", "no good host name" }, { ".", "no good host name" },
		{ "a..b", "no good host name" }, { "a,b", "a host name has" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (with_endpoint(rows[i].endpoint) != EINVAL)
			fail_msg("%s was taken", rows[i].endpoint);
		if (strncmp(error, "MINIO_ENDPOINT (environment): ", 30) != 0 || !strstr(error, rows[i].words) || !strstr(error, "http://host:port"))
			fail_msg("%s: %s", rows[i].endpoint, error);
		assert_null(strstr(error, "secret"));
	}

	char longest[400];

	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(with_endpoint(longest), EINVAL);
	longest[254] = '\0';
	assert_int_equal(with_endpoint(longest), EINVAL);
	longest[253] = '\0';
	assert_int_equal(with_endpoint(longest), 0);
}

static void credentials_are_one_line(void **state)
{
	static const char *const names[] = { "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "AWS_SESSION_TOKEN" };
	static const char *const bad[] = { "hidden\nvalue", "hidden\n", "hidden\r", "hid\tden", "hidden\x7f", "\x01hidden" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
			char word[64], start[64];

			snprintf(word, sizeof(word), "%s=%s", names[i], bad[k]);
			snprintf(start, sizeof(start), "%s (environment): holds a line break", names[i]);
			assert_int_equal(connect_with(NULL, (char *[]){ word, GOOD, NULL }), EINVAL);
			assert_int_equal(strncmp(error, start, strlen(start)), 0);
			assert_null(strstr(error, "hid"));
		}
	assert_int_equal(connect_with(NULL, (char *[]){ TEXT("MINIO_SECRET_KEY= \xc3\xa4/+="), GOOD, NULL }), 0);
}

static void other_settings(void **state)
{
	static const char *const regions[] = { "a b", "a\nb", "r/1", "0123456789012345678901234567890123456789012345678901234567890123" };

	for (size_t i = 0; i < ARRAY_LEN(regions); i++) {
		char word[128];

		snprintf(word, sizeof(word), "MINIO_REGION=%s", regions[i]);
		assert_int_equal(connect_with(NULL, (char *[]){ word, GOOD, NULL }), EINVAL);
		assert_int_equal(strncmp(error, "MINIO_REGION (environment): not a region", 40), 0);
	}
	assert_int_equal(connect_with(TEXT("--addressing=virtual"), (char *[]){ GOOD, NULL }), EINVAL);
	assert_int_equal(strncmp(error, "--addressing (command line): ", 29), 0);
	assert_int_equal(connect_with(TEXT("--addressing=virtual"), (char *[]){ TEXT("MINIO_ENDPOINT=minio:9"), GOOD, NULL }), 0);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* A CA file that is none would look like a server with a bad certificate; a FIFO would hold up the start. */
static void ca_files(void **state)
{
	char dir[] = "/tmp/connect-test-XXXXXX", flag[64], file[64];

	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/ca.crt", dir);
	for (int by_folder = 0; by_folder < 2; by_folder++) {
		const char *start = by_folder ? "--secret-dir (command line): " : "--ca-file (command line): ";

		snprintf(flag, sizeof(flag), by_folder ? "--secret-dir=%s" : "--ca-file=%s", by_folder ? dir : file);
		assert_int_equal(mkfifo(file, 0600), 0);
		assert_int_equal(connect_with(flag, (char *[]){ GOOD, NULL }), EINVAL);
		assert_int_equal(strncmp(error, start, strlen(start)), 0);
		assert_non_null(strstr(error, "/ca.crt cannot be read: a FIFO, socket or device"));
		unlink(file);
		put(file, "no certificate");
		assert_int_equal(connect_with(flag, (char *[]){ GOOD, NULL }), EINVAL);
		assert_non_null(strstr(error, "/ca.crt holds no certificate in PEM form"));
		put(file, "-----BEGIN CERTIFICATE-----\n");
		assert_int_equal(connect_with(flag, (char *[]){ GOOD, NULL }), 0);
		unlink(file);
		assert_int_equal(connect_with(flag, (char *[]){ GOOD, NULL }), by_folder ? 0 : EINVAL);
	}
	rmdir(dir);
}

static void locations(void **state)
{
	static const char *const good[] = { "s3://abc", "s3://a-b.c9/", "s3://abc/a b/c", "s3://abc/\xc3\xa4", "s3://abc/.pishop" };
	static const char *const bad[] = { "s3://", "s3://ab", "s3://-ab", "s3://ab-", "s3://a..b", "s3://...", "s3://ABC", "s3://a_b", "s3://abc//x", "s3://abc/a//b",
					   "s3://abc/..", "s3://abc/./x", "s3://abc/x/..", "s3://abc/\xff", "dir:x", "dir:", "abc", "" };
	char text[400] = "s3://abc/";
	struct location at;

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(location_parse(NULL, good[i], &at, error, sizeof(error)), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (location_parse(NULL, bad[i], &at, error, sizeof(error)) != EINVAL)
			fail_msg("%s was taken", bad[i]);
	memset(text + 9, 'a', 256);
	assert_int_equal(location_parse(NULL, text, &at, error, sizeof(error)), EINVAL);
	text[9 + 255] = '\0';
	assert_int_equal(location_parse(NULL, text, &at, error, sizeof(error)), 0);
	assert_true(location_takes(&at, "\xc3\xa4"));
	assert_false(location_takes(&at, "\xff"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_endpoints), cmocka_unit_test(bad_endpoints), cmocka_unit_test(credentials_are_one_line),
		cmocka_unit_test(other_settings), cmocka_unit_test(ca_files), cmocka_unit_test(locations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

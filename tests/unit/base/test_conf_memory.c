/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "conf_table.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET "a-secret-that-nobody-may-find"

static int leaks; /* freed pieces of memory with the secret in them */

/* The allocation with this number fails; counted while it is not 0. */
static int fail_at, count;

static bool fails(void)
{
	return fail_at && ++count == fail_at;
}

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
void __real_free(void *p);
void __wrap_free(void *p);
int __wrap_asprintf(char **out, const char *fmt, ...) PRINTF_LIKE(2, 3);
int __wrap___asprintf_chk(char **out, int flag, const char *fmt, ...) PRINTF_LIKE(3, 4);

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

void __wrap_free(void *p)
{
	leaks += p && memmem(p, malloc_usable_size(p), SECRET, strlen(SECRET));
	__real_free(p);
}

static PRINTF_LIKE(2, 0) int print(char **out, const char *fmt, va_list ap)
{
	if (!fails())
		return vasprintf(out, fmt, ap);
	*out = (char *)&fail_at; /* undefined after a failure: nobody may free it */
	return -1;
}

int __wrap_asprintf(char **out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = print(out, fmt, ap);

	va_end(ap);
	return n;
}

int __wrap___asprintf_chk(char **out, int flag, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = print(out, fmt, ap);

	va_end(ap);
	return n;
}

/* Every allocation fails once: always ENOMEM and a line that says so, and nothing leaks (the address sanitizer looks). */
static void every_allocation_may_fail(void **state)
{
	char ini[] = "/tmp/conf-test-XXXXXX", flag[64], error[512];
	int fd = mkstemp(ini), failures = 0, rc = ENOMEM;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "memory = 3M\noptions = a\noptions = b\n", 36), 36);
	close(fd);
	snprintf(flag, sizeof(flag), "--config=%s", ini);
	while (rc) {
		AUTO(auto_conf_free) struct conf *c = NULL;

		count = 0;
		fail_at = failures + 1;
		rc = load_with(&c, error, LIST(flag, (char[]){ "-ofoo" }, (char[]){ "x" }), LIST((char[]){ "MINIO_SECRET_KEY=hush" }));
		fail_at = 0;
		if (!rc)
			break;
		assert_int_equal(rc, ENOMEM);
		assert_null(c);
		assert_true(strstr(error, "out of memory") || strstr(error, "Cannot allocate memory"));
		failures++;
	}
	unlink(ini);
	assert_in_range(failures, 40, 200);
}

static void write_secret(const char *path, const char *before)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_true(dprintf(fd, "%s%s\n", before, SECRET) > 0);
	close(fd);
}

/* From wherever it came: the buffers of files, values that a stronger source replaced, and the value itself. */
static void freed_memory_holds_no_secret(void **state)
{
	char dir[] = "/tmp/conf-test-XXXXXX", path[64], config[64], secrets[64], error[512];
	struct conf *c;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/secret-key", dir);
	write_secret(path, "");
	snprintf(path, sizeof(path), "%s/ini", dir);
	write_secret(path, "secret-key=");
	snprintf(config, sizeof(config), "--config=%s/ini", dir);
	snprintf(secrets, sizeof(secrets), "--secret-dir=%s", dir);
	leaks = 0;
	assert_int_equal(load_with(&c, error, LIST(config, secrets), NULL), 0);
	assert_string_equal(conf_text(c, "secret-key"), SECRET);
	conf_free(c);
	assert_int_equal(load_with(&c, error, LIST(config, secrets), LIST((char[]){ "MINIO_SECRET_KEY=" SECRET })), 0);
	conf_free(c);
	write_secret(path, "threads=x\nsecret-key=");
	assert_int_equal(load_with(&c, error, LIST(config, secrets), NULL), EINVAL);
	assert_int_equal(leaks, 0);
	unlink(path);
	snprintf(path, sizeof(path), "%s/secret-key", dir);
	unlink(path);
	rmdir(dir);

	char *positive = strdup(SECRET); /* the search itself finds what is there */

	__wrap_free(positive);
	assert_int_equal(leaks, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(freed_memory_holds_no_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

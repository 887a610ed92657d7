/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "conf_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_allocation_may_fail) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

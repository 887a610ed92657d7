/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/plan.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

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

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

/* Lets each allocation of call() fail in turn: it must answer rc each time, until it needs no more of them. */
static void each_fails(int (*call)(void), int rc, int least)
{
	int failed = 0;

	for (int i = 1;; i++) {
		fail_at = i;
		count = 0;

		int got = call();
		bool reached = count >= fail_at;

		fail_at = 0;
		assert_int_equal(got, reached ? rc : 0);
		if (!reached)
			break;
		failed++;
	}
	assert_true(failed >= least);
}

static int make_plan(void)
{
	static const struct backup b[] = { { .stem = "a", .state = BACKUP_SEALED, .timed = true, .time_s = 1 }, { .stem = "b", .state = BACKUP_DELETED } };
	const struct policy p = { .keep_last = 1, .min_keep = 1 };
	struct plan plan;
	int rc = plan_make(b, ARRAY_LEN(b), &p, 1000, &plan);

	assert_int_equal(plan.count, rc ? 0 : 2);
	assert_true(!plan.rows == !!rc && !plan.texts == !!rc);
	plan_free(&plan);
	return rc;
}

static void no_memory_for_a_plan(void **state)
{
	each_fails(make_plan, ENOMEM, 3);
}

static int encode(void)
{
	const struct policy p = { .keep_last = 1, .min_keep = 1 };
	char *text = NULL;
	int rc = policy_encode(&p, &text);

	assert_true(!text == !!rc);
	free(text);
	return rc;
}

static int decode(void)
{
	static char *text; /* made once, while nothing fails */
	struct policy p = { .min_keep = 1 };
	int was = fail_at;

	fail_at = 0;
	if (!text)
		assert_int_equal(policy_encode(&p, &text), 0);
	fail_at = was;
	return policy_decode(text, strlen(text), &p);
}

/* The parser does not tell whether it was the text or the memory. */
static void no_memory_for_a_record(void **state)
{
	cJSON_Hooks hooks = { .malloc_fn = __wrap_malloc, .free_fn = free };

	cJSON_InitHooks(&hooks);
	each_fails(encode, ENOMEM, 12);
	each_fails(decode, EBADMSG, 12);
	cJSON_InitHooks(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(no_memory_for_a_plan), cmocka_unit_test(no_memory_for_a_record) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

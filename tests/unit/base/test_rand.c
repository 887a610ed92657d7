/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/auto.h"
#include "base/rand.h"

#include <errno.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the kernel shall do; the test is one thread. */
static enum { KERNEL_GOOD, KERNEL_SHORT, KERNEL_FAILS } kernel;
static int calls;

ssize_t __real_getrandom(void *out, size_t n, unsigned flags);
ssize_t __wrap_getrandom(void *out, size_t n, unsigned flags);

ssize_t __wrap_getrandom(void *out, size_t n, unsigned flags)
{
	calls++;
	if (kernel == KERNEL_SHORT && calls % 2) {
		errno = EINTR;
		return -1;
	}
	if (kernel == KERNEL_FAILS) {
		errno = ENOSYS;
		return -1;
	}
	return __real_getrandom(out, kernel == KERNEL_SHORT ? min_size(n, 3) : n, flags);
}

static int setup(void **state)
{
	kernel = KERNEL_GOOD;
	calls = 0;
	return 0;
}

static int zeros(const uint8_t *p, size_t n)
{
	int found = 0;

	for (size_t i = 0; i < n; i++)
		found += !p[i];
	return found;
}

static void fills_all_and_no_more(void **state)
{
	uint8_t out[4098] = { 0 };

	rand_bytes(out + 1, 4096);
	assert_int_equal(out[0], 0);
	assert_int_equal(out[4097], 0);
	assert_true(zeros(out + 1, 4096) < 100); /* 16 expected */
	rand_bytes(out, 0);
}

static void short_answers_and_signals(void **state)
{
	uint8_t out[100] = { 0 };

	kernel = KERNEL_SHORT;
	rand_bytes(out, sizeof(out));
	assert_int_equal(calls, 68);
	assert_true(zeros(out, sizeof(out)) < 20);
}

static void no_randomness_is_no_key(void **state)
{
	struct rlimit no_core = { 0, 0 };
	uint8_t out[32];
	int status;
	pid_t child = fork();

	if (!child) {
		kernel = KERNEL_FAILS;
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGABRT, SIG_DFL);
		rand_bytes(out, sizeof(out));
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void below_stays_below_and_reaches_all(void **state)
{
	unsigned seen[6] = { 0 };

	for (int i = 0; i < 6000; i++) {
		uint32_t v = rand_below(6);

		assert_true(v < 6);
		seen[v]++;
	}
	for (int i = 0; i < 6; i++)
		assert_in_range(seen[i], 800, 1200); /* 1000 expected, standard deviation 29 */
	/* 2^32 is a third more than this limit: by a mere remainder, half of the results would fall into its first third. */
	unsigned low = 0;

	for (int i = 0; i < 6000; i++)
		low += rand_below(3u << 30) < 1u << 30;
	assert_in_range(low, 1800, 2200); /* 2000 expected, standard deviation 37 */
	assert_int_equal(rand_below(1), 0);
	assert_true(rand_below(UINT32_MAX) < UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(fills_all_and_no_more, setup),
		cmocka_unit_test_setup(short_answers_and_signals, setup),
		cmocka_unit_test_setup(no_randomness_is_no_key, setup),
		cmocka_unit_test_setup(below_stays_below_and_reaches_all, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

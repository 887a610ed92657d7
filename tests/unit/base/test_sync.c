/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/clock.h"
#include "base/sync.h"

#include <errno.h>
#include <stdbool.h>

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t opened;
	bool open;
};

static void *open_it(void *arg)
{
	struct gate *g = arg;

	clock_sleep_ms(10);
	pthread_mutex_lock(&g->lock);
	g->open = true;
	pthread_cond_signal(&g->opened);
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

static int wait_open(struct gate *g, int64_t deadline_ms)
{
	int rc = 0;

	pthread_mutex_lock(&g->lock);
	while (!g->open && !rc)
		rc = cond_wait_until(&g->opened, &g->lock, deadline_ms);
	pthread_mutex_unlock(&g->lock);
	return rc;
}

static void wakes_or_times_out(void **state)
{
	struct gate g = { .lock = PTHREAD_MUTEX_INITIALIZER };
	int64_t before = clock_mono_ms();
	pthread_t thread;

	cond_init_mono(&g.opened);
	assert_int_equal(wait_open(&g, INT64_MIN), ETIMEDOUT);
	assert_int_equal(wait_open(&g, 0), ETIMEDOUT);
	assert_int_equal(wait_open(&g, before + 30), ETIMEDOUT);
	assert_true(clock_mono_ms() >= before + 30);
	for (int i = 0; i < 2; i++) {
		g.open = false;
		assert_int_equal(pthread_create(&thread, NULL, open_it, &g), 0);
		assert_int_equal(wait_open(&g, i ? INT64_MAX : clock_mono_ms() + 4000), 0);
		pthread_join(thread, NULL);
	}
	pthread_cond_destroy(&g.opened);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(wakes_or_times_out) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

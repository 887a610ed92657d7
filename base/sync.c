/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sync.h"

#include <time.h>

void cond_init_mono(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

int cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline_ms)
{
	if (deadline_ms == INT64_MAX)
		return pthread_cond_wait(cond, lock);
	if (deadline_ms < 0)
		deadline_ms = 0;

	struct timespec until = { .tv_sec = (time_t)(deadline_ms / 1000), .tv_nsec = (long)(deadline_ms % 1000) * 1000000 };

	return pthread_cond_timedwait(cond, lock, &until);
}

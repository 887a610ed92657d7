/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/rounds.h"

#include "base/clock.h"
#include "base/sync.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

struct rounds {
	int64_t first_ms, interval_ms;
	rounds_fn *fn;
	void *arg;
	atomic_bool stop;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
};

static void wait_until(struct rounds *r, int64_t end_ms)
{
	pthread_mutex_lock(&r->lock);
	while (!atomic_load(&r->stop) && clock_mono_ms() < end_ms)
		cond_wait_until(&r->wake, &r->lock, end_ms);
	pthread_mutex_unlock(&r->lock);
}

static void *rounds_main(void *arg)
{
	struct rounds *r = arg;
	int64_t next = clock_mono_ms() + r->first_ms;

	for (;;) {
		wait_until(r, next);
		if (atomic_load(&r->stop))
			return NULL;
		next = clock_mono_ms() + r->interval_ms;
		r->fn(r->arg, r);
	}
}

static void rounds_free(struct rounds *r)
{
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

int rounds_start(int64_t first_ms, int64_t interval_ms, rounds_fn *fn, void *arg, struct rounds **out)
{
	struct rounds *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return ENOMEM;
	r->first_ms = first_ms;
	r->interval_ms = interval_ms;
	r->fn = fn;
	r->arg = arg;
	pthread_mutex_init(&r->lock, NULL);
	cond_init_mono(&r->wake);
	rc = pthread_create(&r->thread, NULL, rounds_main, r);
	if (rc)
		rounds_free(r);
	else
		*out = r;
	return rc;
}

void rounds_stop(struct rounds *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	atomic_store(&r->stop, true);
	pthread_cond_broadcast(&r->wake);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	rounds_free(r);
}

const atomic_bool *rounds_stopping(const struct rounds *r)
{
	return &r->stop;
}

void rounds_wait(struct rounds *r, int64_t ms)
{
	wait_until(r, clock_mono_ms() + ms);
}

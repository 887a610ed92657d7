/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/crew.h"

#include "base/pool.h"

#include <errno.h>
#include <stdatomic.h>

#define CREW_THREADS 8u

struct crew {
	crew_job *job;
	void *arg;
	size_t count;
	atomic_size_t next;
	atomic_int rc; /* of the first that failed */
};

static void work(void *arg)
{
	struct crew *c = arg;

	while (!atomic_load(&c->rc)) {
		size_t i = atomic_fetch_add(&c->next, 1);
		int none = 0, rc;

		if (i >= c->count)
			return;
		rc = c->job(c->arg, i);
		if (rc)
			atomic_compare_exchange_strong(&c->rc, &none, rc);
	}
}

unsigned crew_share(unsigned threads, size_t count)
{
	threads = threads ? threads : CREW_THREADS;
	return count >= threads ? 1 : (unsigned)(threads / (count ? count : 1));
}

int crew_run(unsigned threads, size_t count, crew_job *job, void *arg)
{
	struct crew c = { .job = job, .arg = arg, .count = count };
	size_t helpers = min_size(threads ? threads : CREW_THREADS, count);
	struct pool *pool = helpers > 1 ? pool_new("look", (unsigned)helpers - 1) : NULL;

	for (size_t i = 1; pool && i < helpers; i++)
		if (pool_submit(pool, work, &c))
			break;
	work(&c);
	pool_free(pool);
	return atomic_load(&c.rc);
}

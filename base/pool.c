/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"
#include "base/clock.h"
#include "base/sync.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>

/* Invariants, under the lock:
 *   jobs queued  =>  threads > 0                 (a thread leaves only while the queue is empty)
 *   queued > idle  =>  threads == max, or the last attempt to start one failed
 *   threads that have left and are not joined yet: at most `left`; each that leaves joins the one before it, so that after pool_free
 *   no thread of the pool exists any more (their thread-local destructors have run). */

#define STACK_BYTES (256 * 1024)
#define IDLE_MS 2000

struct job {
	void (*fn)(void *arg);
	void *arg;
	struct job *next;
};

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t work;  /* a job came, or closing */
	pthread_cond_t quiet; /* nothing queued or running, or no thread left */
	struct job *first, **last;
	unsigned queued, running;   /* jobs */
	unsigned threads, idle, max; /* threads; idle: waiting for a job */
	bool closing;
	bool has_left;
	pthread_t left; /* the last thread that left, valid if has_left */
	char name[16];
};

struct pool *pool_new(const char *name, unsigned max_threads)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	cond_init_mono(&p->work);
	cond_init_mono(&p->quiet);
	p->last = &p->first;
	p->max = max_threads ? max_threads : 1;
	memcpy(p->name, name, min_size(strlen(name), sizeof(p->name) - 1));
	return p;
}

static struct job *next_job(struct pool *p)
{
	struct job *job = p->first;

	p->first = job->next;
	if (!p->first)
		p->last = &p->first;
	p->queued--;
	return job;
}

/* Called and returns with the lock held. */
static void run_jobs(struct pool *p)
{
	while (p->first) {
		struct job *job = next_job(p);

		p->running++;
		pthread_mutex_unlock(&p->lock);
		job->fn(job->arg);
		free(job);
		pthread_mutex_lock(&p->lock);
		p->running--;
		if (!p->running && !p->queued)
			pthread_cond_broadcast(&p->quiet);
	}
}

/* Waits for a job, with the lock held: false when there is none and this thread should leave. */
static bool wait_for_job(struct pool *p)
{
	int64_t until = clock_mono_ms() + IDLE_MS;
	int rc = 0;

	p->idle++;
	while (!p->first && !p->closing && rc != ETIMEDOUT)
		rc = cond_wait_until(&p->work, &p->lock, until);
	p->idle--;
	return p->first;
}

static void *worker(void *arg)
{
	struct pool *p = arg;

	pthread_setname_np(pthread_self(), p->name);
	pthread_mutex_lock(&p->lock);
	do
		run_jobs(p);
	while (wait_for_job(p));

	bool join = p->has_left;
	pthread_t before = p->left;

	p->left = pthread_self();
	p->has_left = true;
	if (!--p->threads)
		pthread_cond_broadcast(&p->quiet);
	pthread_mutex_unlock(&p->lock);
	if (join)
		pthread_join(before, NULL);
	return NULL;
}

/* Signals belong to the main thread. Those that a fault raises in this thread stay open, for the sanitizers' reports. */
static void block_signals(sigset_t *old)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		sigdelset(&set, faults[i]);
	pthread_sigmask(SIG_SETMASK, &set, old);
}

/* With the lock held, so that the count of threads is never wrong. */
static int start_thread(struct pool *p)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t old;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, max_size(STACK_BYTES, (size_t)PTHREAD_STACK_MIN));
	block_signals(&old); /* before it starts: it inherits the mask */
	int rc = pthread_create(&thread, &attr, worker, p);

	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (!rc)
		p->threads++;
	return rc;
}

int pool_submit(struct pool *p, void (*fn)(void *arg), void *arg)
{
	struct job *job = malloc(sizeof(*job));

	if (!job)
		return ENOMEM;
	*job = (struct job){ .fn = fn, .arg = arg };
	pthread_mutex_lock(&p->lock);
	/* An idle thread that was signalled but has not woken yet still counts as idle: it is spoken for by the queue. */
	if (p->queued >= p->idle && p->threads < p->max && start_thread(p) && !p->threads) {
		pthread_mutex_unlock(&p->lock);
		free(job);
		return EAGAIN;
	}
	*p->last = job;
	p->last = &job->next;
	p->queued++;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
	return 0;
}

int pool_drain(struct pool *p, long long deadline_ms)
{
	int rc = 0;

	pthread_mutex_lock(&p->lock);
	while ((p->queued || p->running) && rc != ETIMEDOUT)
		rc = cond_wait_until(&p->quiet, &p->lock, deadline_ms ? deadline_ms : INT64_MAX);
	rc = p->queued || p->running ? ETIMEDOUT : 0;
	pthread_mutex_unlock(&p->lock);
	return rc;
}

unsigned pool_load(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	unsigned load = p->queued + p->running;

	pthread_mutex_unlock(&p->lock);
	return load;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->closing = true;
	pthread_cond_broadcast(&p->work);
	while (p->threads)
		pthread_cond_wait(&p->quiet, &p->lock);
	pthread_mutex_unlock(&p->lock);
	if (p->has_left)
		pthread_join(p->left, NULL);
	pthread_cond_destroy(&p->quiet);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

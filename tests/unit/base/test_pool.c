/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/clock.h"
#include "base/pool.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#define SOON (clock_mono_ms() + 4000)

static atomic_bool refuse_threads, refuse_memory;
static atomic_int started, joined; /* threads */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
int __real_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_join(pthread_t thread, void **result);
void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	int rc = refuse_threads ? EAGAIN : __real_pthread_create(thread, attr, fn, arg);

	started += !rc;
	return rc;
}

int __wrap_pthread_join(pthread_t thread, void **result)
{
	joined++;
	return __real_pthread_join(thread, result);
}

void *__wrap_malloc(size_t n)
{
	return refuse_memory ? NULL : __real_malloc(n);
}

/* Jobs that wait at a gate, so that a test decides when they end. */
struct gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool open;
	int inside; /* jobs that came to the gate */
	int done;
	struct pool *pool;
};

static void gate_init(struct gate *g, const char *name, unsigned max_threads)
{
	*g = (struct gate){ .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
	g->pool = pool_new(name, max_threads);
	assert_non_null(g->pool);
}

static void pass_gate(void *arg)
{
	struct gate *g = arg;

	pthread_mutex_lock(&g->lock);
	g->inside++;
	pthread_cond_broadcast(&g->changed);
	while (!g->open)
		pthread_cond_wait(&g->changed, &g->lock);
	g->done++;
	pthread_mutex_unlock(&g->lock);
}

static void gate_wait_inside(struct gate *g, int n)
{
	pthread_mutex_lock(&g->lock);
	while (g->inside < n)
		pthread_cond_wait(&g->changed, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

static int gate_inside(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	int n = g->inside;

	pthread_mutex_unlock(&g->lock);
	return n;
}

static void gate_open(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->open = true;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

static void submit_many(struct gate *g, int n)
{
	while (n--)
		assert_int_equal(pool_submit(g->pool, pass_gate, g), 0);
}

/* Threads of this process with that name; sanitizers have some of their own. */
static int threads_named(const char *name)
{
	DIR *dir = opendir("/proc/self/task");
	int n = 0;

	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));) {
		char path[300], comm[32] = "";

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		FILE *file = fopen(path, "r");

		if (!file)
			continue;
		n += fgets(comm, sizeof(comm), file) && !strncmp(comm, name, strlen(name)) && comm[strlen(name)] == '\n';
		fclose(file);
	}
	closedir(dir);
	return n;
}

static void grows_to_its_limit_and_queues_the_rest(void **state)
{
	struct gate g;

	gate_init(&g, "limit", 4);
	assert_int_equal(threads_named("limit"), 0);
	submit_many(&g, 1);
	gate_wait_inside(&g, 1);
	assert_int_equal(threads_named("limit"), 1);
	submit_many(&g, 9);
	gate_wait_inside(&g, 4);
	clock_sleep_ms(20);
	assert_int_equal(gate_inside(&g), 4);
	assert_int_equal(threads_named("limit"), 4);
	assert_int_equal(pool_load(g.pool), 10);
	assert_int_equal(pool_drain(g.pool, clock_mono_ms() + 20), ETIMEDOUT);
	assert_int_equal(pool_drain(g.pool, -1), ETIMEDOUT);
	gate_open(&g);
	assert_int_equal(pool_drain(g.pool, SOON), 0);
	assert_int_equal(g.done, 10);
	assert_int_equal(pool_load(g.pool), 0);
	assert_int_equal(pool_drain(g.pool, 0), 0);
	pool_free(g.pool);
	assert_int_equal(threads_named("limit"), 0); /* gone, not going */
}

struct order {
	int next, mistakes;
	struct slot {
		struct order *order;
		int number;
	} slots[100];
};

static void check_turn(void *arg)
{
	struct slot *s = arg;

	s->order->mistakes += s->order->next++ != s->number;
}

static void one_thread_keeps_the_order(void **state)
{
	struct pool *p = pool_new("order", 1);
	struct order o = { 0 };

	for (int i = 0; i < 100; i++) {
		o.slots[i] = (struct slot){ &o, i };
		assert_int_equal(pool_submit(p, check_turn, &o.slots[i]), 0);
	}
	pool_free(p); /* runs all that was submitted */
	assert_int_equal(o.next, 100);
	assert_int_equal(o.mistakes, 0);
}

struct chain {
	struct pool *pool;
	atomic_int left;
};

static void submit_next(void *arg)
{
	struct chain *c = arg;

	if (atomic_fetch_sub(&c->left, 1) > 1 && pool_submit(c->pool, submit_next, c))
		abort();
}

static void free_waits_for_jobs_of_jobs(void **state)
{
	struct chain c = { .pool = pool_new("chain", 3), .left = 500 };

	assert_int_equal(pool_submit(c.pool, submit_next, &c), 0);
	pool_free(c.pool);
	assert_int_equal(c.left, 0);
	pool_free(NULL);
}

struct look {
	char name[16];
	sigset_t blocked;
	size_t stack;
};

static void look_at_thread(void *arg)
{
	struct look *l = arg;
	pthread_attr_t attr;

	pthread_getname_np(pthread_self(), l->name, sizeof(l->name));
	pthread_sigmask(SIG_BLOCK, NULL, &l->blocked);
	pthread_getattr_np(pthread_self(), &attr);
	pthread_attr_getstacksize(&attr, &l->stack);
	pthread_attr_destroy(&attr);
}

static void threads_are_named_small_and_deaf(void **state)
{
	struct pool *p = pool_new("a-name-of-more-than-fifteen", 0); /* no threads at all would be of no use: one */
	struct look l = { 0 };
	sigset_t mine;

	assert_int_equal(pool_submit(p, look_at_thread, &l), 0);
	pool_free(p);
	assert_string_equal(l.name, "a-name-of-more-");
	assert_true(sigismember(&l.blocked, SIGTERM) && sigismember(&l.blocked, SIGINT) && sigismember(&l.blocked, SIGHUP));
	assert_true(sigismember(&l.blocked, SIGUSR1) && sigismember(&l.blocked, SIGPIPE) && sigismember(&l.blocked, SIGCHLD));
	assert_false(sigismember(&l.blocked, SIGSEGV));
	assert_in_range(l.stack, 200 * 1024, 1024 * 1024); /* sanitizers add to it */
	pthread_sigmask(SIG_BLOCK, NULL, &mine);
	assert_false(sigismember(&mine, SIGTERM));
}

static void idle_threads_end_and_come_back(void **state)
{
	struct gate g;
	int64_t deadline;

	gate_init(&g, "idle", 4);
	submit_many(&g, 4);
	gate_wait_inside(&g, 4);
	gate_open(&g);
	assert_int_equal(pool_drain(g.pool, SOON), 0);
	assert_int_equal(threads_named("idle"), 4); /* not at once */
	for (deadline = SOON; threads_named("idle") && clock_mono_ms() < deadline;)
		clock_sleep_ms(20);
	assert_int_equal(threads_named("idle"), 0);
	submit_many(&g, 4);
	assert_int_equal(pool_drain(g.pool, SOON), 0);
	assert_int_equal(g.done, 8);
	pool_free(g.pool);
	assert_int_equal(threads_named("idle"), 0);
}

static void no_thread_is_eagain_only_without_any(void **state)
{
	struct gate g;

	gate_init(&g, "none", 4);
	refuse_threads = true;
	assert_int_equal(pool_submit(g.pool, pass_gate, &g), EAGAIN);
	assert_int_equal(pool_load(g.pool), 0);
	refuse_threads = false;
	submit_many(&g, 1);
	gate_wait_inside(&g, 1);
	refuse_threads = true;
	submit_many(&g, 2); /* that one thread will do them */
	refuse_threads = false;
	assert_int_equal(gate_inside(&g), 1);
	gate_open(&g);
	pool_free(g.pool);
	assert_int_equal(g.done, 3);
}

static void no_memory(void **state)
{
	struct gate g;

	gate_init(&g, "memory", 4);
	g.open = true;
	refuse_memory = true;
	int rc = pool_submit(g.pool, pass_gate, &g);

	refuse_memory = false;
	assert_int_equal(rc, ENOMEM);
	assert_int_equal(pool_load(g.pool), 0);
	pool_free(g.pool);
	assert_int_equal(g.inside, 0);
}

static void count_job(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

struct submitter {
	struct pool *pool;
	atomic_int *count;
};

static void *submit_from_thread(void *arg)
{
	struct submitter *s = arg;

	for (int i = 0; i < 2000; i++)
		if (pool_submit(s->pool, count_job, s->count))
			abort();
	return NULL;
}

static void many_submitters(void **state)
{
	atomic_int count = 0;
	struct submitter s = { pool_new("many", 8), &count };
	pthread_t threads[4];

	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, submit_from_thread, &s), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(pool_drain(s.pool, SOON), 0);
	assert_int_equal(count, 8000);
	pool_free(s.pool);
}

/* Threads that end by themselves are joined as well: a detached one might still run when the process tears down. */
static void every_thread_was_joined(void **state)
{
	assert_true(started > 20);
	assert_int_equal(started, joined);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_to_its_limit_and_queues_the_rest),
		cmocka_unit_test(one_thread_keeps_the_order),
		cmocka_unit_test(free_waits_for_jobs_of_jobs),
		cmocka_unit_test(threads_are_named_small_and_deaf),
		cmocka_unit_test(idle_threads_end_and_come_back),
		cmocka_unit_test(no_thread_is_eagain_only_without_any),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(many_submitters),
		cmocka_unit_test(every_thread_was_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

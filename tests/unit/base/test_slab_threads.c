/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/clock.h"
#include "base/rand.h"
#include "base/slab.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#define SOON (clock_mono_ms() + 4000)
#define TOTAL 40

static const uint32_t floors[SLAB_SIDES] = { 5, 5, 5 };

struct user {
	struct slabs *slabs;
	enum slab_side side;
	int mistakes;
};

/* Takes and gives at random; what it wrote into a slab must stay while it holds it, and its floor must never be refused to it. */
static void *take_and_give(void *arg)
{
	struct user *u = arg;
	struct slab *held[TOTAL];
	uint32_t n = 0;

	for (int i = 0; i < 3000; i++) {
		uint32_t dice = rand_below(100);

		if (dice < 55 && n < TOTAL) {
			struct slab *slab = slab_take(u->slabs, u->side);

			u->mistakes += !slab && n < floors[u->side];
			if (slab) {
				memset(slab->data, (int)u->side + 1, 64);
				held[n++] = slab;
			} else if (dice < 2) {
				(void)slab_wait(u->slabs, u->side, clock_mono_ms() + 1);
			}
		} else if (n) {
			uint32_t k = rand_below(n);

			u->mistakes += held[k]->data[rand_below(64)] != (int)u->side + 1;
			slab_give(u->slabs, held[k]);
			held[k] = held[--n];
		}
	}
	while (n)
		slab_give(u->slabs, held[--n]);
	return NULL;
}

static void count_call(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

static void three_sides_at_once(void **state)
{
	AUTO(auto_slabs_free) struct slabs *s = slabs_new(TOTAL, floors);
	struct user users[SLAB_SIDES];
	struct slab_stats stats;
	pthread_t threads[SLAB_SIDES];
	atomic_int calls = 0;

	slabs_on_free(s, count_call, &calls);
	for (int i = 0; i < SLAB_SIDES; i++) {
		users[i] = (struct user){ s, (enum slab_side)i, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &users[i]), 0);
	}
	for (int i = 0; i < SLAB_SIDES; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(users[i].mistakes, 0);
	}
	slabs_stats(s, &stats);
	assert_int_equal(stats.used[0] + stats.used[1] + stats.used[2], 0);
	assert_in_range(stats.peak, 1, TOTAL);
	assert_true((uint64_t)calls <= stats.refused);
}

struct giver {
	struct slabs *slabs;
	atomic_bool go; /* the other thread is about to wait */
};

static void *give_later(void *arg)
{
	struct giver *g = arg;
	struct slab *slab = slab_take(g->slabs, SLAB_READ);

	while (!g->go)
		clock_sleep_ms(1);
	clock_sleep_ms(10);
	slab_give(g->slabs, slab);
	return NULL;
}

static void a_giver_wakes_the_waiter(void **state)
{
	AUTO(auto_slabs_free) struct slabs *s = slabs_new(1, (const uint32_t[SLAB_SIDES]){ 0 });
	struct giver g = { .slabs = s };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, give_later, &g), 0);
	while (slab_wait(s, SLAB_WRITE, 0) == 0)
		clock_sleep_ms(1);
	g.go = true;

	int64_t deadline = SOON;

	assert_int_equal(slab_wait(s, SLAB_WRITE, deadline), 0);
	assert_true(clock_mono_ms() < deadline - 1000); /* by the giver, not by its deadline */
	struct slab *slab = slab_take(s, SLAB_WRITE);

	assert_non_null(slab);
	slab_give(s, slab);
	pthread_join(thread, NULL);
}

/* Threads that queue for the token one after another and note their turn. */
struct asker {
	struct slabs *slabs;
	atomic_int *turn;
	int64_t wait_ms;
	int rc, my_turn;
	pthread_t thread;
};

static void *ask(void *arg)
{
	struct asker *a = arg;

	a->rc = slab_commit_lock(a->slabs, clock_mono_ms() + a->wait_ms);
	if (a->rc)
		return NULL;
	a->my_turn = atomic_fetch_add(a->turn, 1);
	slab_commit_unlock(a->slabs);
	return NULL;
}

static void wait_for_waiters(struct slabs *s, uint32_t n)
{
	int64_t deadline = SOON;
	struct slab_stats stats;

	for (slabs_stats(s, &stats); stats.token_waiters != n; slabs_stats(s, &stats)) {
		assert_true(clock_mono_ms() < deadline);
		clock_sleep_ms(1);
	}
}

/* They come one after another; those with little patience give up, then the others are served in their order. */
static void run_askers(struct slabs *s, struct asker *askers, size_t n)
{
	atomic_int turn = 0;

	assert_int_equal(slab_commit_lock(s, 0), 0);
	for (size_t i = 0; i < n; i++) {
		askers[i].slabs = s;
		askers[i].turn = &turn;
		assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
		wait_for_waiters(s, (uint32_t)i + 1);
	}
	for (size_t i = 0; i < n; i++)
		if (askers[i].wait_ms < 1000) { /* gives up, with others before or behind it in the queue */
			pthread_join(askers[i].thread, NULL);
			assert_int_equal(askers[i].rc, ETIMEDOUT);
		}
	slab_commit_unlock(s);
	for (size_t i = 0, expected = 0; i < n; i++)
		if (askers[i].wait_ms >= 1000) {
			pthread_join(askers[i].thread, NULL);
			assert_int_equal(askers[i].rc, 0);
			assert_int_equal(askers[i].my_turn, expected++);
		}
	assert_int_equal(slab_commit_lock(s, 0), 0); /* free again */
	slab_commit_unlock(s);
}

static void the_token_goes_in_order(void **state)
{
	AUTO(auto_slabs_free) struct slabs *s = slabs_new(1, (const uint32_t[SLAB_SIDES]){ 0 });
	struct asker askers[6] = { { .wait_ms = 4000 }, { .wait_ms = 4000 }, { .wait_ms = 4000 }, { .wait_ms = 4000 }, { .wait_ms = 4000 }, { .wait_ms = 4000 } };

	run_askers(s, askers, ARRAY_LEN(askers));
}

static void whoever_gives_up_leaves_the_queue_whole(void **state)
{
	AUTO(auto_slabs_free) struct slabs *s = slabs_new(1, (const uint32_t[SLAB_SIDES]){ 0 });
	struct asker middle[5] = { { .wait_ms = 4000 }, { .wait_ms = 300 }, { .wait_ms = 4000 }, { .wait_ms = 300 }, { .wait_ms = 4000 } };
	struct asker ends[4] = { { .wait_ms = 300 }, { .wait_ms = 4000 }, { .wait_ms = 4000 }, { .wait_ms = 300 } };
	struct asker alone[1] = { { .wait_ms = 300 } };

	run_askers(s, middle, ARRAY_LEN(middle));
	run_askers(s, ends, ARRAY_LEN(ends));
	run_askers(s, alone, ARRAY_LEN(alone));
}

/* Who queues behind the place of one that gave up is not forgotten. */
static void the_queue_goes_on_after_the_last_one_left(void **state)
{
	AUTO(auto_slabs_free) struct slabs *s = slabs_new(1, (const uint32_t[SLAB_SIDES]){ 0 });
	struct asker later[1] = { { .wait_ms = 4000 } };
	atomic_int turn = 0;

	later[0].slabs = s;
	later[0].turn = &turn;
	assert_int_equal(slab_commit_lock(s, 0), 0);
	assert_int_equal(slab_commit_lock(s, clock_mono_ms() + 5), ETIMEDOUT);
	assert_int_equal(pthread_create(&later[0].thread, NULL, ask, &later[0]), 0);
	wait_for_waiters(s, 1);
	slab_commit_unlock(s);
	pthread_join(later[0].thread, NULL);
	assert_int_equal(later[0].rc, 0);
}

struct contender {
	struct slabs *slabs;
	int *inside, mistakes, got;
};

static void *contend(void *arg)
{
	struct contender *c = arg;

	for (int i = 0; i < 300; i++) {
		if (slab_commit_lock(c->slabs, clock_mono_ms() + rand_below(3)))
			continue;
		c->mistakes += (*c->inside)++ != 0; /* a race here would show in the thread sanitizer too */
		c->got++;
		(*c->inside)--;
		slab_commit_unlock(c->slabs);
	}
	return NULL;
}

static void one_holder_at_a_time(void **state)
{
	AUTO(auto_slabs_free) struct slabs *s = slabs_new(1, (const uint32_t[SLAB_SIDES]){ 0 });
	struct contender contenders[6];
	pthread_t threads[6];
	int inside = 0;

	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		contenders[i] = (struct contender){ .slabs = s, .inside = &inside };
		assert_int_equal(pthread_create(&threads[i], NULL, contend, &contenders[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(contenders[i].mistakes, 0);
		assert_true(contenders[i].got > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_sides_at_once),
		cmocka_unit_test(a_giver_wakes_the_waiter),
		cmocka_unit_test(the_token_goes_in_order),
		cmocka_unit_test(whoever_gives_up_leaves_the_queue_whole),
		cmocka_unit_test(the_queue_goes_on_after_the_last_one_left),
		cmocka_unit_test(one_holder_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

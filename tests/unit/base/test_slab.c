/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "base/clock.h"
#include "base/slab.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK_BYTES (4u << 20)

static bool refuse_maps;
static int maps;
static size_t mapped, dirty; /* bytes of blocks; bytes that were not wiped when they were unmapped */
static uint8_t *last_block;

/* mmap64: its name in a program that is built with 64-bit offsets */
void *__real_mmap64(void *at, size_t n, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t n, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t n);
int __wrap_munmap(void *at, size_t n);

void *__wrap_mmap64(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	if (refuse_maps)
		return MAP_FAILED;
	maps++;
	mapped += n;
	last_block = __real_mmap64(at, n, prot, flags, fd, offset);
	return last_block;
}

int __wrap_munmap(void *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dirty += ((uint8_t *)at)[i] != 0;
	mapped -= n;
	return __real_munmap(at, n);
}

static int setup(void **state)
{
	refuse_maps = false;
	maps = 0;
	mapped = dirty = 0;
	return 0;
}

/* Takes up to n slabs of a side into a list; *taken of them. */
static struct slab *take_list(struct slabs *s, enum slab_side side, int n, int *taken)
{
	struct slab *list = NULL, *slab;

	for (*taken = 0; *taken < n; (*taken)++) {
		slab = slab_take(s, side);
		if (!slab)
			break;
		assert_null(slab->next);
		assert_int_equal(slab->side, side);
		assert_int_equal((uintptr_t)slab->data % 4096, 0);
		slab->next = list;
		list = slab;
	}
	return list;
}

static void floors_hold_in_every_order(void **state)
{
	static const enum slab_side orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	const uint32_t floor[SLAB_SIDES] = { 3, 5, 7 };

	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		AUTO(auto_slabs_free) struct slabs *s = slabs_new(20, floor);
		struct slab *lists[3];
		int got[3];

		for (int k = 0; k < 3; k++)
			lists[k] = take_list(s, orders[i][k], 100, &got[k]);
		/* The first takes its floor and all that is spare; the others get exactly their floors. */
		assert_int_equal(got[0], (int)floor[orders[i][0]] + 5);
		assert_int_equal(got[1], floor[orders[i][1]]);
		assert_int_equal(got[2], floor[orders[i][2]]);
		for (int k = 0; k < 3; k++)
			slab_give_list(s, lists[k]);
	}
	assert_int_equal(mapped, 0);
}

static void stats_count(void **state)
{
	const uint32_t floor[SLAB_SIDES] = { 1, 2, 3 };
	AUTO(auto_slabs_free) struct slabs *s = slabs_new(8, floor);
	struct slab_stats stats;
	int got;
	struct slab *list = take_list(s, SLAB_READ, 100, &got);

	slabs_stats(s, &stats);
	assert_int_equal(stats.total, 8);
	assert_int_equal(stats.used[SLAB_READ], 4);
	assert_int_equal(stats.used[SLAB_WRITE] + stats.used[SLAB_COMMIT], 0);
	assert_int_equal(stats.floor[SLAB_COMMIT], 3);
	assert_int_equal(stats.refused, 1);
	slab_give_list(s, list);
	slab_give(s, NULL);
	slab_give_list(s, NULL);
	slabs_stats(s, &stats);
	assert_int_equal(stats.used[SLAB_READ], 0);
	assert_int_equal(stats.peak, 4);
}

static void last_given_is_taken_first(void **state)
{
	const uint32_t floor[SLAB_SIDES] = { 0 };
	AUTO(auto_slabs_free) struct slabs *s = slabs_new(3, floor);
	struct slab *a = slab_take(s, SLAB_WRITE), *b = slab_take(s, SLAB_WRITE), *again;

	slab_give(s, a);
	slab_give(s, b);
	again = slab_take(s, SLAB_READ);
	assert_ptr_equal(again, b);
	assert_int_equal(again->side, SLAB_READ);
	slab_give(s, again);
}

static void blocks_are_mapped_when_needed(void **state)
{
	const uint32_t floor[SLAB_SIDES] = { 0 };
	struct slabs *s = slabs_new(64 + 10, floor);
	int got;

	assert_int_equal(maps, 0);
	struct slab *first = slab_take(s, SLAB_WRITE);

	assert_int_equal(mapped, BLOCK_BYTES);
	struct slab *rest = take_list(s, SLAB_WRITE, 1000, &got);

	assert_int_equal(got, 73);
	assert_int_equal(mapped, 74 * SLAB_BYTES);
	for (struct slab *slab = rest; slab; slab = slab->next)
		memset(slab->data, 0xaa, SLAB_BYTES); /* all of them are writable and none overlaps the first */
	memset(first->data, 0xbb, SLAB_BYTES);
	for (struct slab *slab = rest; slab; slab = slab->next)
		for (size_t i = 0; i < SLAB_BYTES; i += 4095)
			assert_int_equal(slab->data[i], 0xaa);
	slab_give_list(s, rest);
	slab_give(s, first);
	slabs_free(s);
	assert_int_equal(mapped, 0);
	assert_int_equal(dirty, 0);
	slabs_free(NULL);
}

/* The flag dd of a mapping says that core dumps leave it out. */
static void core_dumps_leave_slabs_out(void **state)
{
	const uint32_t floor[SLAB_SIDES] = { 0 };
	AUTO(auto_slabs_free) struct slabs *s = slabs_new(64, floor);
	struct slab *slab = slab_take(s, SLAB_WRITE);
	FILE *smaps = fopen("/proc/self/smaps", "r");
	unsigned long from, to;
	bool inside = false, left_out = false;
	char line[512];

	assert_non_null(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = (uintptr_t)slab->data >= from && (uintptr_t)slab->data < to;
		left_out |= inside && !strncmp(line, "VmFlags:", 8) && strstr(line, " dd");
	}
	fclose(smaps);
	assert_true(left_out);
	slab_give(s, slab);
}

static void no_memory_is_refused_and_not_for_ever(void **state)
{
	const uint32_t floor[SLAB_SIDES] = { 0, 0, 10 };
	AUTO(auto_slabs_free) struct slabs *s = slabs_new(65, floor);
	struct slab_stats stats;
	int got;
	struct slab *list = take_list(s, SLAB_COMMIT, 64, &got);

	refuse_maps = true;
	assert_null(slab_take(s, SLAB_COMMIT));
	slabs_stats(s, &stats);
	assert_int_equal(stats.refused, 1);
	assert_int_equal(stats.used[SLAB_COMMIT], 64);
	/* The budget would allow it, but nobody can be served: waiting must not become a busy loop. */
	assert_int_equal(slab_wait(s, SLAB_COMMIT, clock_mono_ms() + 10), ETIMEDOUT);
	refuse_maps = false;
	struct slab *last = slab_take(s, SLAB_COMMIT);

	assert_non_null(last);
	slab_give(s, last);
	slab_give_list(s, list);
}

struct listener {
	struct slabs *slabs;
	int calls;
	struct slab *got;
};

static void on_free(void *arg)
{
	struct listener *l = arg;

	l->calls++;
	if (!l->got)
		l->got = slab_take(l->slabs, SLAB_WRITE); /* would deadlock under the lock */
}

static void listener_hears_only_what_was_refused(void **state)
{
	const uint32_t floor[SLAB_SIDES] = { 0 };
	AUTO(auto_slabs_free) struct slabs *s = slabs_new(3, floor);
	struct listener l = { .slabs = s };
	int got;

	slabs_on_free(s, on_free, &l);
	struct slab *list = take_list(s, SLAB_READ, 3, &got), *second = list->next;

	list->next = NULL;
	slab_give(s, list);
	assert_int_equal(l.calls, 0); /* nobody wants one */
	list = slab_take(s, SLAB_READ);
	assert_null(slab_take(s, SLAB_READ));
	assert_null(slab_take(s, SLAB_WRITE));
	slab_give(s, list);
	assert_int_equal(l.calls, 1);
	assert_ptr_equal(l.got, list);
	slab_give_list(s, second);
	assert_int_equal(l.calls, 1); /* nobody was refused since */
	slab_give(s, l.got);
	assert_int_equal(l.calls, 1);
	slabs_on_free(s, NULL, NULL);
	list = take_list(s, SLAB_READ, 4, &got);
	assert_int_equal(got, 3);
	slab_give_list(s, list);
	assert_int_equal(l.calls, 1);
}

static void wait_looks_first_and_ends_at_its_deadline(void **state)
{
	const uint32_t floor[SLAB_SIDES] = { 1, 1, 1 };
	AUTO(auto_slabs_free) struct slabs *s = slabs_new(3, floor);
	int64_t before = clock_mono_ms();

	assert_int_equal(slab_wait(s, SLAB_WRITE, 0), 0);
	struct slab *slab = slab_take(s, SLAB_WRITE);

	assert_int_equal(slab_wait(s, SLAB_WRITE, 0), ETIMEDOUT);
	assert_int_equal(slab_wait(s, SLAB_READ, 0), 0);
	assert_int_equal(slab_wait(s, SLAB_WRITE, before + 30), ETIMEDOUT);
	assert_true(clock_mono_ms() >= before + 30);
	slab_give(s, slab);
	assert_int_equal(slab_wait(s, SLAB_WRITE, 0), 0);
}

static void token_tries(void **state)
{
	const uint32_t floor[SLAB_SIDES] = { 0 };
	AUTO(auto_slabs_free) struct slabs *s = slabs_new(1, floor);

	assert_int_equal(slab_commit_lock(s, 0), 0);
	assert_int_equal(slab_commit_lock(s, 0), ETIMEDOUT);
	assert_int_equal(slab_commit_lock(s, clock_mono_ms() + 10), ETIMEDOUT);
	slab_commit_unlock(s);
	assert_int_equal(slab_commit_lock(s, 0), 0);
	slab_commit_unlock(s);
}

/* Whether fn(s) aborts, tried in a child. */
static bool aborts(void (*fn)(struct slabs *s))
{
	const uint32_t floor[SLAB_SIDES] = { 0 };
	struct rlimit no_core = { 0, 0 };
	int status = 0;
	pid_t child = fork();

	if (!child) {
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGABRT, SIG_DFL);
		fn(slabs_new(2, floor));
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void give_twice(struct slabs *s)
{
	struct slab *slab = slab_take(s, SLAB_WRITE);

	slab_give(s, slab);
	slab_give(s, slab);
}

static void free_with_a_slab_out(struct slabs *s)
{
	(void)slab_take(s, SLAB_WRITE);
	slabs_free(s);
}

static void unlock_what_is_not_locked(struct slabs *s)
{
	slab_commit_unlock(s);
}

static void floors_over_total(struct slabs *s)
{
	slabs_new(2, (const uint32_t[SLAB_SIDES]){ 1, 1, 1 });
}

static void no_mistake(struct slabs *s)
{
	slab_give(s, slab_take(s, SLAB_WRITE));
	slabs_free(s);
}

static void mistakes_abort(void **state)
{
	assert_false(aborts(no_mistake));
	assert_true(aborts(give_twice));
	assert_true(aborts(free_with_a_slab_out));
	assert_true(aborts(unlock_what_is_not_locked));
	assert_true(aborts(floors_over_total));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(floors_hold_in_every_order, setup),
		cmocka_unit_test_setup(stats_count, setup),
		cmocka_unit_test_setup(last_given_is_taken_first, setup),
		cmocka_unit_test_setup(blocks_are_mapped_when_needed, setup),
		cmocka_unit_test_setup(core_dumps_leave_slabs_out, setup),
		cmocka_unit_test_setup(no_memory_is_refused_and_not_for_ever, setup),
		cmocka_unit_test_setup(listener_hears_only_what_was_refused, setup),
		cmocka_unit_test_setup(wait_looks_first_and_ends_at_its_deadline, setup),
		cmocka_unit_test_setup(token_tries, setup),
		cmocka_unit_test_setup(mistakes_abort, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

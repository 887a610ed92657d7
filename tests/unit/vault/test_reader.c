/* SPDX-License-Identifier: Apache-2.0 */
#include "bare.h"

#include "base/clock.h"
#include "base/rand.h"
#include "vault/object.h"
#include "vault/reader.h"

#include <errno.h>

#define KEY "backups/acme/f"
#define KIB 1024u
#define MIB (1024u * KIB)
#define BIG (21u * MIB + 12345u) /* bytes; no whole number of chunks */

struct scene {
	struct bucket *b;
	struct vault *v;
	struct object *o;
	struct reader *r;
	uint64_t size;
	uint8_t *data; /* room for the whole file */
};

/* Opens a file of that size with nothing of it in memory. */
static struct scene *scene_with(const struct bare_options *options, uint64_t size)
{
	struct scene *s = calloc(1, sizeof(*s));

	s->b = bucket_new();
	s->v = bare_vault(s->b, options);
	s->size = size;
	s->data = malloc(size + 1);
	bare_put(s->v, KEY, size, NULL);
	assert_int_equal(object_load(s->v, KEY, object_length(size), &s->o, NULL), 0);
	while (object_cache_shrink(s->v))
		continue;
	assert_int_equal(reader_new(s->v, s->o, &s->r), 0);
	return s;
}

static void scene_end(struct scene *s)
{
	reader_free(s->r);
	object_unref(s->o);
	bare_free(s->v); /* every slab is back */
	bucket_free(s->b);
	free(s->data);
	free(s);
}

/* Another handle on the same file. */
static void reopen(struct scene *s)
{
	reader_free(s->r);
	assert_int_equal(reader_new(s->v, s->o, &s->r), 0);
}

static void check(const uint8_t *data, uint64_t offset, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != bare_byte(offset + i))
			fail_msg("byte %llu is wrong", (unsigned long long)(offset + i));
}

/* Into its own place of s->data, so that many threads may do it. */
static int read_at(struct scene *s, uint64_t offset, size_t len)
{
	uint8_t *out = s->data + min_u64(offset, s->size);
	size_t got = 12345, wanted = offset < s->size ? (size_t)min_u64(len, s->size - offset) : 0;
	int rc = reader_read(s->r, offset, len, out, &got);

	if (rc)
		return rc;
	assert_int_equal(got, wanted);
	check(out, offset, got);
	return 0;
}

static void must_read(struct scene *s, uint64_t offset, size_t len)
{
	assert_int_equal(read_at(s, offset, len), 0);
}

static uint64_t requests_of(struct scene *s)
{
	return bucket_calls(s->b, STORE_GET);
}

static uint64_t bytes_in(struct scene *s)
{
	struct store_counts counts;

	stats_store_read(s->b->store, &counts);
	return counts.bytes_in;
}

static void fault(struct scene *s, enum fault_action action, int error, unsigned skip, unsigned times)
{
	const struct fault_rule rule = { .op = STORE_GET, .skip = skip, .times = times, .action = action, .error = error };

	assert_int_equal(fault_store_add(s->b->fault, &rule), 0);
}

static void wait_for_hits(struct scene *s, unsigned hits)
{
	for (int i = 0; i < 3000 && fault_store_hits(s->b->fault) < hits; i++)
		clock_sleep_ms(1);
	assert_true(fault_store_hits(s->b->fault) >= hits);
}

static void settle(struct scene *s)
{
	assert_int_equal(pool_drain(s->v->upload_pool, clock_mono_ms() + 5000), 0);
}

/* ---- sequential */

static void a_stream_is_fetched_once_in_few_requests(void **state)
{
	static const size_t steps[] = { 128 * KIB, 10240, MIB, 100003, 12 * MIB };
	struct scene *s = scene_with(NULL, BIG);

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		uint64_t before = bytes_in(s), requests = requests_of(s);

		for (uint64_t at = 0; at < BIG; at += steps[i])
			must_read(s, at, steps[i]);
		settle(s);
		assert_true(bytes_in(s) - before <= object_length(BIG)); /* every chunk once */
		assert_true(requests_of(s) - requests <= 16);
		must_read(s, BIG, steps[i]);
		must_read(s, BIG + 5, steps[i]);
		reopen(s);
	}
	scene_end(s);
}

static void the_first_byte_costs_one_small_request(void **state)
{
	struct scene *s = scene_with(NULL, BIG);
	uint64_t before = bytes_in(s), requests = requests_of(s);

	must_read(s, 0, 4096);
	settle(s);
	assert_int_equal(requests_of(s) - requests, 1);
	assert_true(bytes_in(s) - before <= MIB + 140 * KIB);
	must_read(s, 4096, 128 * KIB);
	settle(s);
	assert_true(requests_of(s) - requests >= 2); /* a stream: it looks ahead now */
	scene_end(s);
}

/* What is ahead is on its way while the reader works on what it has. */
static void fetches_run_while_nobody_waits(void **state)
{
	struct scene *s = scene_with(NULL, BIG);

	must_read(s, 0, 128 * KIB);
	fault(s, FAULT_HOLD, 0, 0, 0);
	must_read(s, 128 * KIB, 128 * KIB);
	wait_for_hits(s, 1);
	must_read(s, 256 * KIB, 128 * KIB);
	must_read(s, 384 * KIB, 512 * KIB); /* all of the first range, although the second hangs */
	wait_for_hits(s, 2);                 /* several at once */
	fault_store_clear(s->b->fault);
	must_read(s, 896 * KIB, 8 * MIB);
	scene_end(s);
}

static void the_window_is_bounded(void **state)
{
	struct scene *s = scene_with(NULL, 36 * MIB);
	struct slab_stats stats;
	uint32_t most = 0;

	for (uint64_t at = 0; at < 36 * MIB; at += 128 * KIB) {
		must_read(s, at, 128 * KIB);
		slabs_stats(s->v->slabs, &stats);
		most = (uint32_t)max_size(most, stats.used[SLAB_READ]);
	}
	assert_true(most <= 256 + 32);
	assert_true(most >= 128);
	settle(s);
	slabs_stats(s->v->slabs, &stats);
	assert_true(stats.used[SLAB_READ] <= 8); /* at the end nothing is kept but a little to go back */
	scene_end(s);
}

/* ---- out of order */

static void the_kernels_disorder_costs_nothing(void **state)
{
	enum { STEP = 128 * 1024, GROUP = 4 };
	struct scene *s = scene_with(NULL, BIG);
	uint64_t before = bytes_in(s);

	for (uint64_t base = 0; base < BIG; base += GROUP * STEP) {
		unsigned order[GROUP] = { 0, 1, 2, 3 };

		for (unsigned i = GROUP - 1; i > 0; i--) {
			unsigned j = rand_below(i + 1), swap = order[i];

			order[i] = order[j];
			order[j] = swap;
		}
		for (unsigned i = 0; i < GROUP; i++)
			must_read(s, base + order[i] * STEP, STEP);
	}
	settle(s);
	assert_true(bytes_in(s) - before <= object_length(BIG) + object_length(BIG) / 20);
	scene_end(s);
}

struct stripe {
	struct scene *s;
	unsigned number, of;
	size_t step;
	int rc;
};

static void *read_stripe(void *arg)
{
	struct stripe *x = arg;

	for (uint64_t at = x->number * x->step; at < x->s->size && !x->rc; at += x->of * x->step)
		x->rc = read_at(x->s, at, x->step);
	return NULL;
}

static void many_threads_read_one_stream(void **state)
{
	enum { THREADS = 4 };
	struct scene *s = scene_with(NULL, BIG);
	struct stripe stripes[THREADS];
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		stripes[i] = (struct stripe){ .s = s, .number = i, .of = THREADS, .step = 128 * KIB };
		assert_int_equal(pthread_create(&threads[i], NULL, read_stripe, &stripes[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(stripes[i].rc, 0);
	}
	scene_end(s);
}

struct one_read {
	struct scene *s;
	uint64_t offset;
	size_t len;
	int rc;
};

static void *read_one(void *arg)
{
	struct one_read *x = arg;

	x->rc = read_at(x->s, x->offset, x->len);
	return NULL;
}

static void what_is_under_way_is_waited_for(void **state)
{
	struct scene *s = scene_with(NULL, BIG);
	struct one_read first = { s, 0, 128 * KIB, -1 }, second = { s, 128 * KIB, 128 * KIB, -1 };
	uint64_t before = bytes_in(s);
	pthread_t threads[2];

	fault(s, FAULT_HOLD, 0, 0, 1);
	assert_int_equal(pthread_create(&threads[0], NULL, read_one, &first), 0);
	wait_for_hits(s, 1);
	assert_int_equal(pthread_create(&threads[1], NULL, read_one, &second), 0);
	clock_sleep_ms(30);
	fault_store_release(s->b->fault);
	assert_int_equal(pthread_join(threads[0], NULL), 0);
	assert_int_equal(pthread_join(threads[1], NULL), 0);
	assert_int_equal(first.rc, 0);
	assert_int_equal(second.rc, 0);
	settle(s);
	assert_true(bytes_in(s) - before <= 3 * MIB); /* the second looked ahead, and fetched nothing twice */
	for (uint64_t at = 256 * KIB; at < BIG; at += MIB)
		must_read(s, at, MIB);
	settle(s);
	assert_true(bytes_in(s) - before <= object_length(BIG));
	scene_end(s);
}

/* ---- random */

static void random_reads_fetch_what_they_touch(void **state)
{
	struct scene *s = scene_with(NULL, BIG);

	for (int i = 0; i < 50; i++) {
		uint64_t at = (uint64_t)(i * 7 % 19 + 2) * MIB + 777, before = bytes_in(s); /* never near the last one, never at the start */

		must_read(s, at, 4096);
		assert_true(bytes_in(s) - before <= 2 * RECORD_BYTES);
	}

	uint64_t before = requests_of(s);

	for (int i = 0; i < 10; i++)
		must_read(s, 3 * MIB + 777 + (uint64_t)i, 100); /* the same chunk again and again */
	assert_true(requests_of(s) - before <= 2);
	scene_end(s);
}

static void two_places_in_turn_are_both_kept(void **state)
{
	struct scene *s = scene_with(NULL, BIG);
	uint64_t before = requests_of(s);

	for (unsigned i = 0; i < 20; i++)
		must_read(s, (i % 2 ? 5 : 15) * MIB + 1000 * i, 1000);
	assert_int_equal(requests_of(s) - before, 2);
	scene_end(s);
}

static void a_stream_survives_a_stray(void **state)
{
	struct scene *s = scene_with(NULL, BIG);
	uint64_t before = bytes_in(s);

	for (uint64_t at = 0; at < 8 * MIB; at += 128 * KIB)
		must_read(s, at, 128 * KIB);
	must_read(s, 20 * MIB, 4096); /* some index at the end */
	for (uint64_t at = 8 * MIB; at < BIG; at += 128 * KIB)
		must_read(s, at, 128 * KIB);
	settle(s);
	assert_true(bytes_in(s) - before <= object_length(BIG) + 2 * RECORD_BYTES);
	scene_end(s);
}

static void a_stream_may_begin_anywhere(void **state)
{
	struct scene *s = scene_with(NULL, BIG);
	uint64_t before = bytes_in(s), requests = requests_of(s);

	for (uint64_t at = 7 * MIB + 4096; at < BIG; at += 64 * KIB)
		must_read(s, at, 64 * KIB);
	settle(s);
	assert_true(bytes_in(s) - before <= object_length(BIG - 7 * MIB) + 4 * RECORD_BYTES);
	assert_true(requests_of(s) - requests <= 24);
	scene_end(s);
}

/* Whatever comes, the bytes are right. */
static void walk(struct scene *s, int steps)
{
	uint64_t at = 0;

	for (int i = 0; i < steps; i++) {
		size_t len = 1 + rand_below(rand_below(4) ? 4096 : 700 * KIB);

		switch (rand_below(8)) {
		case 0:
			at = rand_below((uint32_t)s->size + 1000);
			break;
		case 1:
			at += rand_below(600 * KIB);
			break;
		case 2:
			at -= min_u64(at, rand_below(600 * KIB));
			break;
		case 3:
			at = at / CHUNK_BYTES * CHUNK_BYTES;
			break;
		default:
			break;
		}
		must_read(s, at, len);
		at += len;
		if (rand_below(500) == 0)
			at = 0;
	}
}

static void any_pattern_gives_the_right_bytes(void **state)
{
	static const uint64_t sizes[] = { 0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, MIB, MIB + 1, 3 * MIB + 7, 9 * MIB };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct scene *s = scene_with(NULL, sizes[i]);

		walk(s, 120);
		scene_end(s);
	}
}

/* ---- little memory */

static void with_little_memory_the_bytes_are_right(void **state)
{
	static const uint32_t totals[] = { 1, 2, 5, 17, 20, 40 };

	for (size_t i = 0; i < ARRAY_LEN(totals); i++) {
		struct scene *s = scene_with(&(struct bare_options){ .slabs = totals[i] }, 5 * MIB + 3);

		for (uint64_t at = 0; at < s->size; at += 128 * KIB)
			must_read(s, at, 128 * KIB);
		walk(s, 100);
		scene_end(s);
	}
}

static void without_memory_reads_go_straight(void **state)
{
	struct scene *s = scene_with(&(struct bare_options){ .slabs = 20 }, 5 * MIB);
	struct slab *all = NULL, *slab;
	uint64_t before = requests_of(s);

	while ((slab = slab_take(s->v->slabs, SLAB_READ)) != NULL) {
		slab->next = all;
		all = slab;
	}
	for (uint64_t at = 0; at < s->size; at += 128 * KIB)
		must_read(s, at, 128 * KIB);
	assert_int_equal(requests_of(s) - before, 40); /* one each, and none in vain */
	slab_give_list(s->v->slabs, all);
	scene_end(s);
}

/* A window leaves something for the next reader. */
static void two_readers_share_the_memory(void **state)
{
	struct scene *s = scene_with(&(struct bare_options){ .slabs = 200 }, BIG);
	struct slab_stats stats;

	for (uint64_t at = 0; at < 16 * MIB; at += 128 * KIB) {
		must_read(s, at, 128 * KIB);
		slabs_stats(s->v->slabs, &stats);
		assert_true(stats.used[SLAB_READ] <= 150);
	}
	settle(s);

	uint64_t requests = requests_of(s);
	struct reader *first = s->r;

	assert_int_equal(reader_new(s->v, s->o, &s->r), 0);
	for (uint64_t at = 0; at < 8 * MIB; at += 64 * KIB)
		must_read(s, at, 64 * KIB);
	assert_true(requests_of(s) - requests <= 24);
	reader_free(first);
	scene_end(s);
}

/* Content that was kept makes room for what is being read. */
static void kept_content_gives_way(void **state)
{
	struct scene *s = scene_with(&(struct bare_options){ .slabs = 40, .read_slabs = 40 }, 5 * MIB);
	struct object *small[20];
	struct slab_stats stats;
	char key[32];

	for (int i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "backups/acme/s%d", i);
		bare_put(s->v, key, 60000, NULL);
		assert_int_equal(object_load(s->v, key, 0, &small[i], NULL), 0);
	}
	slabs_stats(s->v->slabs, &stats);
	assert_int_equal(stats.used[SLAB_READ], 20);

	uint64_t requests = requests_of(s);

	for (uint64_t at = 0; at < s->size; at += 64 * KIB)
		must_read(s, at, 64 * KIB);
	assert_true(requests_of(s) - requests < 40); /* 80 reads */
	for (int i = 0; i < 20; i++)
		object_unref(small[i]);
	scene_end(s);
}

static void content_in_memory_is_not_fetched(void **state)
{
	struct scene *s = scene_with(NULL, 300000);
	struct object *again;

	assert_int_equal(object_load(s->v, KEY, 0, &again, NULL), 0); /* keeps the content */
	reader_free(s->r);
	assert_int_equal(reader_new(s->v, again, &s->r), 0);
	object_unref(again);

	uint64_t before = requests_of(s);

	walk(s, 100);
	assert_int_equal(requests_of(s), before);
	while (object_cache_shrink(s->v))
		continue;
	for (uint64_t at = 0; at < s->size; at += 4096)
		must_read(s, at, 4096);
	assert_int_equal(requests_of(s), before + 1); /* dropped under pressure: whole, once */
	scene_end(s);
}

/* ---- the pool is busy */

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t open_now;
	bool open;
};

static void wait_at_gate(void *arg)
{
	struct gate *g = arg;

	pthread_mutex_lock(&g->lock);
	while (!g->open)
		pthread_cond_wait(&g->open_now, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

static void a_busy_pool_keeps_no_reader_waiting(void **state)
{
	struct scene *s = scene_with(NULL, BIG);
	struct gate gate = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false };
	uint64_t before = bytes_in(s);

	for (int i = 0; i < 8; i++)
		assert_int_equal(pool_submit(s->v->upload_pool, wait_at_gate, &gate), 0);
	for (uint64_t at = 0; at < BIG; at += 128 * KIB)
		must_read(s, at, 128 * KIB);
	assert_true(bytes_in(s) - before <= object_length(BIG));
	reopen(s); /* does not wait for its jobs, which never began */
	must_read(s, 0, 128 * KIB);
	must_read(s, 128 * KIB, 128 * KIB);
	reader_free(s->r);

	struct slab_stats stats;

	slabs_stats(s->v->slabs, &stats);
	assert_int_equal(stats.used[SLAB_READ], 0); /* nor hold they memory */
	pthread_mutex_lock(&gate.lock);
	gate.open = true;
	pthread_cond_broadcast(&gate.open_now);
	pthread_mutex_unlock(&gate.lock);
	settle(s);
	assert_int_equal(reader_new(s->v, s->o, &s->r), 0);
	scene_end(s);
}

static void *free_reader(void *arg)
{
	reader_free(arg);
	return NULL;
}

static void freeing_waits_for_fetches(void **state)
{
	struct scene *s = scene_with(NULL, BIG);
	pthread_t thread;

	must_read(s, 0, 128 * KIB);
	fault(s, FAULT_HOLD, 0, 0, 0);
	must_read(s, 128 * KIB, 128 * KIB);
	wait_for_hits(s, 1);
	assert_int_equal(pthread_create(&thread, NULL, free_reader, s->r), 0);
	clock_sleep_ms(30);
	assert_int_equal(pthread_tryjoin_np(thread, NULL), EBUSY);
	fault_store_clear(s->b->fault);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(reader_new(s->v, s->o, &s->r), 0);
	scene_end(s);
}

/* ---- errors */

/* One damaged chunk, whatever the reads around it are. */
static void only_reads_that_touch_damage_fail(void **state)
{
	static const size_t steps[] = { 4096, 64 * KIB, 100000, 128 * KIB, MIB };
	static const uint64_t bad_chunks[] = { 0, 5, 40, BIG / CHUNK_BYTES };
	struct scene *s = scene_with(NULL, BIG);

	for (size_t i = 0; i < ARRAY_LEN(steps) * ARRAY_LEN(bad_chunks); i++) {
		size_t step = steps[i / ARRAY_LEN(bad_chunks)];
		uint64_t bad = bad_chunks[i % ARRAY_LEN(bad_chunks)], len, from = bad * CHUNK_BYTES, to = from + chunk_plain_len(BIG, bad);
		uint8_t *flip = bucket_bytes(s->b, KEY, &len) + chunk_offset(bad) + 1000;
		unsigned failed = 0;
		uint64_t before = bytes_in(s);

		*flip ^= 4;
		for (uint64_t at = from > 2 * MIB ? from - 2 * MIB : 0; at < min_u64(BIG, to + MIB); at += step) {
			bool touches = at < to && at + step > from;

			assert_int_equal(read_at(s, at, step), touches ? EBADMSG : 0);
			failed += touches;
		}
		assert_true(failed >= 1);
		settle(s);
		/* 3 are read. A window of up to 16 ahead of the damage, and one anew behind it: not the same again and again, which would be hundreds. */
		assert_true(bytes_in(s) - before <= 40 * MIB);
		reopen(s);
		*flip ^= 4;
	}
	scene_end(s);
}

static void errors_do_not_stick(void **state)
{
	struct scene *s = scene_with(NULL, BIG);

	fault(s, FAULT_FAIL, ETIMEDOUT, 0, 1);
	assert_int_equal(read_at(s, 0, 128 * KIB), ETIMEDOUT);
	must_read(s, 0, 128 * KIB);
	must_read(s, 128 * KIB, 128 * KIB);
	settle(s);

	uint64_t before = bytes_in(s);

	fault_store_clear(s->b->fault);
	fault(s, FAULT_FAIL, EHOSTUNREACH, 0, 1); /* a fetch ahead fails, and nobody waits for it */
	for (uint64_t at = 256 * KIB; at < BIG; at += 128 * KIB) {
		int rc = read_at(s, at, 128 * KIB);

		assert_true(rc == 0 || rc == EHOSTUNREACH);
		if (rc)
			must_read(s, at, 128 * KIB);
	}
	settle(s);
	assert_int_equal(fault_store_hits(s->b->fault), 2);
	assert_true(bytes_in(s) - before <= object_length(BIG));
	scene_end(s);
}

/* What failed ahead of the reader is fetched anew as it would have been, and not by the read. */
static void a_failed_fetch_ahead_is_made_again(void **state)
{
	struct scene *s = scene_with(NULL, BIG);
	uint64_t requests = requests_of(s);

	fault(s, FAULT_FAIL, EHOSTUNREACH, 7, 1);
	for (uint64_t at = 0; at < BIG; at += 64 * KIB) {
		int rc = read_at(s, at, 64 * KIB);

		assert_true(rc == 0 || rc == EHOSTUNREACH);
		if (rc)
			must_read(s, at, 64 * KIB);
		settle(s);
	}
	assert_int_equal(fault_store_hits(s->b->fault), 1);
	assert_true(requests_of(s) - requests <= 18);
	scene_end(s);
}

static void everybody_who_waited_is_told(void **state)
{
	struct scene *s = scene_with(NULL, BIG);
	struct one_read reads[3] = { { s, 0, 4096, -1 }, { s, 64 * KIB, 4096, -1 }, { s, 900 * KIB, 4096, -1 } };
	const struct fault_rule hold = { .op = STORE_GET, .times = 1, .action = FAULT_HOLD };
	pthread_t threads[3];

	assert_int_equal(fault_store_add(s->b->fault, &hold), 0);
	assert_int_equal(pthread_create(&threads[0], NULL, read_one, &reads[0]), 0);
	wait_for_hits(s, 1);
	for (int i = 1; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_one, &reads[i]), 0);
	clock_sleep_ms(30);

	struct iovec iov = { (void *)(uintptr_t)"other", 5 };

	assert_int_equal(s->b->mem->ops->put(s->b->mem, KEY, &iov, 1, NULL, NULL, NULL, NULL), 0);
	fault_store_release(s->b->fault);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(reads[i].rc, ESTALE);
	}
	scene_end(s);
}

static void a_replaced_object_is_stale(void **state)
{
	struct scene *s = scene_with(NULL, BIG);

	must_read(s, 0, 128 * KIB);
	settle(s);
	bare_put(s->v, KEY, BIG, NULL); /* the same bytes, and yet another object */
	must_read(s, 128 * KIB, 128 * KIB); /* in memory already */
	assert_int_equal(read_at(s, 10 * MIB, 128 * KIB), ESTALE);
	assert_int_equal(read_at(s, 10 * MIB, 128 * KIB), ESTALE);
	assert_int_equal(bucket_calls(s->b, STORE_PUT), 2);
	scene_end(s);
}

static void a_removed_object_is_stale(void **state)
{
	struct scene *s = scene_with(NULL, BIG);
	const char *key = KEY;
	int result;

	assert_int_equal(s->b->mem->ops->remove(s->b->mem, &key, 1, &result, NULL), 0);
	assert_int_equal(read_at(s, 0, 4096), ESTALE);
	scene_end(s);
}

/* ---- foreign objects */

static void foreign_objects(bool allowed)
{
	struct bucket *b = bucket_new();
	struct vault *v = bare_vault(b, &(struct bare_options){ .foreign_read = allowed });
	uint8_t *bytes = malloc(5 * MIB), *out = malloc(MIB);
	struct object *o;
	struct reader *r;
	size_t got;

	for (size_t i = 0; i < 5 * MIB; i++)
		bytes[i] = bare_byte(i);
	assert_int_equal(b->mem->ops->put(b->mem, KEY, &(struct iovec){ bytes, 5 * MIB }, 1, NULL, NULL, NULL, NULL), 0);
	assert_int_equal(object_load(v, KEY, 5 * MIB, &o, NULL), 0);
	assert_true(object_foreign(o));
	assert_int_equal(reader_new(v, o, &r), 0);
	for (uint64_t at = 0; at < 5 * MIB; at += MIB) {
		int rc = reader_read(r, at, MIB, out, &got);

		assert_int_equal(rc, allowed ? 0 : EACCES);
		if (!rc)
			check(out, at, MIB);
	}
	reader_free(r);
	object_unref(o);
	bare_free(v);
	bucket_free(b);
	free(bytes);
	free(out);
}

static void foreign_objects_are_read_where_allowed(void **state)
{
	foreign_objects(true);
	foreign_objects(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_is_fetched_once_in_few_requests),
		cmocka_unit_test(the_first_byte_costs_one_small_request),
		cmocka_unit_test(fetches_run_while_nobody_waits),
		cmocka_unit_test(the_window_is_bounded),
		cmocka_unit_test(the_kernels_disorder_costs_nothing),
		cmocka_unit_test(many_threads_read_one_stream),
		cmocka_unit_test(what_is_under_way_is_waited_for),
		cmocka_unit_test(random_reads_fetch_what_they_touch),
		cmocka_unit_test(two_places_in_turn_are_both_kept),
		cmocka_unit_test(a_stream_survives_a_stray),
		cmocka_unit_test(a_stream_may_begin_anywhere),
		cmocka_unit_test(any_pattern_gives_the_right_bytes),
		cmocka_unit_test(with_little_memory_the_bytes_are_right),
		cmocka_unit_test(without_memory_reads_go_straight),
		cmocka_unit_test(two_readers_share_the_memory),
		cmocka_unit_test(kept_content_gives_way),
		cmocka_unit_test(content_in_memory_is_not_fetched),
		cmocka_unit_test(a_busy_pool_keeps_no_reader_waiting),
		cmocka_unit_test(freeing_waits_for_fetches),
		cmocka_unit_test(only_reads_that_touch_damage_fail),
		cmocka_unit_test(errors_do_not_stick),
		cmocka_unit_test(a_failed_fetch_ahead_is_made_again),
		cmocka_unit_test(everybody_who_waited_is_told),
		cmocka_unit_test(a_replaced_object_is_stale),
		cmocka_unit_test(a_removed_object_is_stale),
		cmocka_unit_test(foreign_objects_are_read_where_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Loading and reading committed objects: every size around a boundary, every kind of damage, replacement behind our back, memory pressure. */
#include "kit.h"

#include "base/clock.h"
#include "vault/vault_private.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#define KEY "backups/acme/file"
#define WHOLE (1u << 20) /* up to so many plain bytes come in one request */

static const uint64_t sizes[] = { 0, 1, 65535, 65536, 65537, 131072, 131073, WHOLE - 1, WHOLE, WHOLE + 1, 3 * WHOLE + 7 };

static void check_all(struct kit *k, struct object *o, uint64_t size, uint8_t seed)
{
	uint8_t *data = malloc(size + 10);
	size_t got = 99;

	assert_int_equal(object_read(k->v, o, 0, size + 10, data, &got), 0);
	assert_int_equal(got, size);
	kit_check(data, 0, got, seed);
	free(data);
}

/* Loads with a known and with an unknown length; counts the requests; reads everything. */
static void loads(void **state)
{
	struct kit *k = *state;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (int known = 0; known < 2; known++) {
			struct object *made = kit_file(k, KEY, sizes[i], 7), *o;
			struct object_place place;
			struct trailer t;
			uint64_t before = kit_calls(k, STORE_GET);

			assert_int_equal(object_load(k->v, KEY, known ? object_length(sizes[i]) : 0, &o, NULL), 0);
			assert_int_equal(kit_calls(k, STORE_GET) - before, sizes[i] <= WHOLE ? 1 : 2);
			assert_false(object_foreign(o));
			assert_int_equal(object_size(o), sizes[i]);
			assert_memory_equal(object_keys(o)->id, object_keys(made)->id, OBJECT_ID);
			object_attrs(o, &t);
			assert_int_equal(t.mode, 0640);
			assert_int_equal(t.uid, 10);
			assert_int_equal(t.gid, 20);
			assert_int_equal(t.size, sizes[i]);
			object_place(o, &place);
			assert_string_equal(place.key, KEY);
			assert_int_equal(place.length, object_length(sizes[i]));
			check_all(k, o, sizes[i], 7);
			/* what came whole is read again without a request */
			assert_true(kit_calls(k, STORE_GET) - before <= 3);
			if (sizes[i] <= WHOLE)
				assert_int_equal(kit_calls(k, STORE_GET) - before, 1);
			object_unref(o);
			object_unref(made);
		}
}

static void a_wrong_length_is_corrected(void **state)
{
	struct kit *k = *state;
	uint64_t told[] = { 796, object_length(5), object_length(2 * WHOLE), 17, 1u << 30 };

	for (size_t i = 0; i < ARRAY_LEN(told); i++)
		for (int big = 0; big < 2; big++) {
			uint64_t size = big ? 3 * WHOLE : 70000;
			struct object *made = kit_file(k, KEY, size, 9), *o;

			assert_int_equal(object_load(k->v, KEY, told[i], &o, NULL), 0);
			assert_int_equal(object_size(o), size);
			check_all(k, o, size, 9);
			object_unref(o);
			object_unref(made);
		}
}

static void reads_any_range(void **state)
{
	struct kit *k = *state;
	static const uint64_t at[] = { 0, 1, 65535, 65536, 65537, 131071, 196607, 199990, 199999, 200000, 200001, 1u << 30 };
	static const size_t lens[] = { 0, 1, 2, 65535, 65536, 65537, 131072, 200000, 300000 };
	struct object *o = kit_file(k, KEY, 200000, 3);
	uint8_t *data = malloc(300000 + 16);

	for (size_t i = 0; i < ARRAY_LEN(at); i++)
		for (size_t j = 0; j < ARRAY_LEN(lens); j++) {
			size_t want = at[i] >= 200000 ? 0 : (size_t)min_u64(lens[j], 200000 - at[i]), got;

			memset(data, 0xee, 300000 + 16);
			assert_int_equal(object_read(k->v, o, at[i], lens[j], data, &got), 0);
			assert_int_equal(got, want);
			kit_check(data, at[i], got, 3);
			for (size_t b = want; b < want + 16; b++)
				assert_int_equal(data[b], 0xee);
		}
	free(data);
	object_unref(o);
}

/* More chunks than one request takes. */
static void reads_long_ranges(void **state)
{
	struct kit *k = *state;
	uint64_t size = 300 * (uint64_t)CHUNK_BYTES + 5;
	struct object *o = kit_file(k, KEY, size, 4);
	uint64_t before = kit_calls(k, STORE_GET);

	check_all(k, o, size, 4);
	assert_int_equal(kit_calls(k, STORE_GET) - before, 3);
	object_unref(o);
}

static void reads_chunks(void **state)
{
	struct kit *k = *state;
	uint64_t size = 130 * (uint64_t)CHUNK_BYTES + 5;
	struct object *o = kit_file(k, KEY, size, 5);
	struct slab *slabs[129];

	for (size_t i = 0; i < ARRAY_LEN(slabs); i++) {
		slabs[i] = slab_take(vault_slabs(k->v), SLAB_READ);
		assert_non_null(slabs[i]);
	}
	uint64_t before = kit_calls(k, STORE_GET);

	assert_int_equal(object_read_chunks(k->v, o, 0, 128, slabs), 0);
	assert_int_equal(kit_calls(k, STORE_GET) - before, 1);
	for (unsigned i = 0; i < 128; i++)
		kit_check(slabs[i]->data, i * (uint64_t)CHUNK_BYTES, CHUNK_BYTES, 5);
	assert_int_equal(object_read_chunks(k->v, o, 129, 2, slabs), 0);
	kit_check(slabs[0]->data, 129 * (uint64_t)CHUNK_BYTES, CHUNK_BYTES, 5);
	kit_check(slabs[1]->data, 130 * (uint64_t)CHUNK_BYTES, 5, 5);
	assert_int_equal(object_read_chunks(k->v, o, 130, 2, slabs), EINVAL);
	assert_int_equal(object_read_chunks(k->v, o, 131, 1, slabs), EINVAL);
	assert_int_equal(object_read_chunks(k->v, o, UINT64_MAX, 1, slabs), EINVAL);
	assert_int_equal(object_read_chunks(k->v, o, 0, 129, slabs), EINVAL);
	assert_int_equal(object_read_chunks(k->v, o, 0, 0, slabs), EINVAL);
	for (size_t i = 0; i < ARRAY_LEN(slabs); i++)
		slab_give(vault_slabs(k->v), slabs[i]);
	object_unref(o);
}

/* ---- damage */

static void expect_load(struct kit *k, uint64_t length, int rc, const char *words)
{
	struct object *o;

	kit_log_begin();
	int answer = object_load(k->v, KEY, length, &o, NULL);
	char *log = kit_log_end();

	if (answer != rc)
		fail_msg("object_load gave %s, not %s; log: %s", strerror(answer), strerror(rc), log);
	if (words && !strstr(log, words))
		fail_msg("the log does not say \"%s\" but: %s", words, log);
	if (words && !strstr(log, KEY))
		fail_msg("the log does not name the object: %s", log);
	free(log);
	object_unref(o);
}

static void tells_kinds_of_damage(void **state)
{
	struct kit *k = *state;
	struct kit_bucket *b = k->bucket;

	expect_load(k, 0, ENOENT, NULL);
	for (int big = 0; big < 2; big++) {
		uint64_t size = big ? 2 * WHOLE : 100000, length = object_length(size);
		struct { size_t flip; int rc; const char *words; } flips[] = {
			{ 8, EPROTONOSUPPORT, "newer" }, { 9, EPROTONOSUPPORT, "newer" },   { 20, EBADMSG, "header" },
			{ 40, EBADMSG, "header" },       { 70, EBADMSG, "header" },         { 100, ENOKEY, "another key" },
			{ 150, EBADMSG, "header" },      { 490, EBADMSG, "header" },        { length - 1, EBADMSG, "trailer" },
			{ length - 200, EBADMSG, "trailer" }, { length - 256, EBADMSG, "trailer" },
		};

		for (size_t i = 0; i < ARRAY_LEN(flips); i++) {
			object_unref(kit_file(k, KEY, size, 1));
			kit_raw_flip(b, KEY, flips[i].flip);
			expect_load(k, 0, flips[i].rc, flips[i].words);
			expect_load(k, length, flips[i].rc, flips[i].words);
		}
		object_unref(kit_file(k, KEY, size, 1));
		kit_raw_cut(b, KEY, length - 1); /* a length that a file could have */
		expect_load(k, 0, EBADMSG, "trailer");
		object_unref(kit_file(k, KEY, size, 1));
		kit_raw_cut(b, KEY, 600); /* one that none has */
		expect_load(k, length, EBADMSG, "cut short");
	}
}

/* An attacker, or an old copy, puts a shorter version of the same file there: header and trailer are each genuine. */
static void refuses_a_trailer_of_another_length(void **state)
{
	struct kit *k = *state;
	uint8_t *longer, *shorter;
	size_t n, m;

	object_unref(kit_file(k, KEY, 100, 1));
	m = kit_raw_get(k->bucket, KEY, &shorter, NULL);
	object_unref(kit_file(k, KEY, 70000, 1));
	n = kit_raw_get(k->bucket, KEY, &longer, NULL);
	memcpy(longer + n - TRAILER_BYTES, shorter + m - TRAILER_BYTES, TRAILER_BYTES);
	kit_raw_put(k->bucket, KEY, longer, n);
	expect_load(k, 0, EBADMSG, "trailer");
	free(longer);
	free(shorter);
}

/* A damaged chunk: attributes are good, the read says which chunk it is, other chunks can be read. */
static void names_the_damaged_chunk(void **state)
{
	struct kit *k = *state;

	for (int big = 0; big < 2; big++) {
		uint64_t size = big ? 2 * WHOLE : 200000;
		struct object *o;
		uint8_t *data = malloc(size);
		size_t got;

		object_unref(kit_file(k, KEY, size, 1));
		kit_raw_flip(k->bucket, KEY, 512 + 65564 + 1000); /* chunk 1 */
		assert_int_equal(object_load(k->v, KEY, 0, &o, NULL), 0);
		kit_log_begin();
		int rc = object_read(k->v, o, 0, size, data, &got);
		char *log = kit_log_end();

		assert_int_equal(rc, EBADMSG);
		assert_int_equal(got, 0);
		assert_non_null(strstr(log, "chunk 1 (bytes 65536 to 131072) is damaged"));
		assert_non_null(strstr(log, KEY));
		free(log);
		assert_int_equal(object_read(k->v, o, 0, 65536, data, &got), 0);
		kit_check(data, 0, 65536, 1);
		assert_int_equal(object_read(k->v, o, 131072, size - 131072, data, &got), 0);
		kit_check(data, 131072, got, 1);
		assert_int_equal(object_read(k->v, o, 70000, 10, data, &got), EBADMSG);
		object_unref(o);
		free(data);
	}
}

/* One bit that flips on the way is no damage in the bucket. */
static void asks_again_for_what_came_damaged(void **state)
{
	struct kit *k = *state;
	struct object *o = kit_file(k, KEY, 2 * WHOLE, 1), *small;
	uint8_t data[1000];
	size_t got;

	kit_fault(k, STORE_GET, KEY, 0, 1, FAULT_FLIP, 0);
	assert_int_equal(object_read(k->v, o, 5000, sizeof(data), data, &got), 0);
	kit_check(data, 5000, got, 1);
	object_unref(o);

	o = kit_file(k, KEY, 1000, 2);
	kit_fault(k, STORE_GET, KEY, 0, 1, FAULT_FLIP, 0); /* the middle of the object is content: loaded without it */
	assert_int_equal(object_load(k->v, KEY, 0, &small, NULL), 0);
	assert_int_equal(object_read(k->v, small, 0, sizeof(data), data, &got), 0);
	kit_check(data, 0, got, 2);
	object_unref(small);
	object_unref(o);
}

static void passes_errors_of_the_store_on(void **state)
{
	static const int errors[] = { EACCES, ETIMEDOUT, EHOSTUNREACH, EREMOTEIO, EKEYREJECTED, EAGAIN };
	struct kit *k = *state;
	struct object *o = kit_file(k, KEY, 2 * WHOLE, 1), *loaded;
	uint8_t data[10];
	size_t got;

	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		kit_fault(k, STORE_GET, KEY, 0, 1, FAULT_FAIL, errors[i]);
		expect_load(k, 0, errors[i], "injected fault");
		kit_fault(k, STORE_GET, KEY, 1, 1, FAULT_FAIL, errors[i]); /* the trailer's request */
		expect_load(k, 0, errors[i], "trailer");
		kit_fault(k, STORE_GET, KEY, 0, 1, FAULT_FAIL, errors[i]);
		assert_int_equal(object_read(k->v, o, 0, 10, data, &got), errors[i]);
		fault_store_clear(k->fault);
	}
	kit_fault(k, STORE_GET, KEY, 0, 1, FAULT_CUT, 0);
	expect_load(k, 0, EBADMSG, "cannot read");
	kit_fault(k, STORE_GET, KEY, 0, 1, FAULT_CUT, 0);
	assert_int_equal(object_read(k->v, o, 0, 10, data, &got), EBADMSG);

	atomic_bool cancel = true;
	struct store_call call = { .cancel = &cancel };

	assert_int_equal(object_load(k->v, KEY, 0, &loaded, &call), ECANCELED);
	assert_null(loaded);
	object_unref(o);
}

/* ---- others change the bucket */

static void replace_file(void *arg)
{
	struct kit *k = arg;

	object_unref(kit_file(k, KEY, 2 * WHOLE + 5, 77));
}

static void load_begins_anew_when_replaced_between(void **state)
{
	struct kit *k = *state;
	struct object *o;

	object_unref(kit_file(k, KEY, 2 * WHOLE, 1));

	struct fault_rule rule = { .op = STORE_GET, .key_part = KEY, .skip = 1, .times = 1, .action = FAULT_CALLBACK, .fn = replace_file, .arg = k };

	assert_int_equal(fault_store_add(k->fault, &rule), 0);
	assert_int_equal(object_load(k->v, KEY, 0, &o, NULL), 0);
	assert_int_equal(object_size(o), 2 * WHOLE + 5);
	check_all(k, o, 2 * WHOLE + 5, 77);
	object_unref(o);
}

static void never_mixes_two_versions(void **state)
{
	struct kit *k = *state;
	struct object *o = kit_file(k, KEY, 2 * WHOLE, 1);
	uint8_t data[100];
	size_t got;

	kit_callback(k, STORE_GET, KEY, replace_file, k);
	assert_int_equal(object_read(k->v, o, 0, sizeof(data), data, &got), ESTALE);
	assert_int_equal(object_read(k->v, o, 0, sizeof(data), data, &got), ESTALE);
	kit_raw_remove(k->bucket, KEY);
	assert_int_equal(object_read(k->v, o, 0, sizeof(data), data, &got), ESTALE);
	object_unref(o);
}

struct mover {
	struct kit *k;
	struct object *o;
};

/* What a rename by this process does: the object is elsewhere, and the old key is gone. */
static void move_object(void *arg)
{
	struct mover *m = arg;
	uint8_t *bytes;
	struct store_meta meta;
	size_t n = kit_raw_get(m->k->bucket, KEY, &bytes, NULL);

	kit_raw_put(m->k->bucket, KEY "2", bytes, n);
	kit_raw_head(m->k->bucket, KEY "2", &meta);
	kit_raw_remove(m->k->bucket, KEY);
	object_set_place(m->o, KEY "2", &meta, NULL);
	free(bytes);
}

static void follows_our_own_rename(void **state)
{
	struct kit *k = *state;
	struct object *o = kit_file(k, KEY, 2 * WHOLE, 1);
	struct mover m = { k, o };
	uint8_t data[100];
	size_t got;

	kit_callback(k, STORE_GET, KEY, move_object, &m);
	assert_int_equal(object_read(k->v, o, 100, sizeof(data), data, &got), 0);
	kit_check(data, 100, got, 1);
	object_unref(o);
}

static void confirms(void **state)
{
	struct kit *k = *state;
	struct object *o = kit_file(k, KEY, 5, 1);
	uint64_t before = kit_calls(k, STORE_HEAD);

	assert_int_equal(object_confirm(k->v, o, 60000, NULL), 0);
	assert_int_equal(kit_calls(k, STORE_HEAD), before);
	assert_int_equal(object_confirm(k->v, o, 0, NULL), 0);
	assert_int_equal(kit_calls(k, STORE_HEAD), before + 1);
	kit_fault(k, STORE_HEAD, KEY, 0, 1, FAULT_FAIL, EACCES);
	assert_int_equal(object_confirm(k->v, o, 0, NULL), EACCES);
	object_unref(kit_file(k, KEY, 5, 2));
	assert_int_equal(object_confirm(k->v, o, 0, NULL), ESTALE);
	kit_raw_remove(k->bucket, KEY);
	assert_int_equal(object_confirm(k->v, o, 0, NULL), ENOENT);
	object_unref(o);
}

/* ---- not ours */

static void foreign_objects(void **state)
{
	struct kit *k = *state;
	static const size_t lens[] = { 0, 3, 511, 512, 70000, 3u << 20 };
	uint8_t *bytes = malloc(3u << 20), *data = malloc(3u << 20);
	struct slab *slab = slab_take(vault_slabs(k->v), SLAB_READ);
	size_t got;

	for (size_t i = 0; i < 3u << 20; i++)
		bytes[i] = kit_byte(i, 8);
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		struct object *o;

		kit_raw_put(k->bucket, KEY, bytes, lens[i]);
		assert_int_equal(object_load(k->v, KEY, i % 2 ? lens[i] : 0, &o, NULL), 0);
		assert_true(object_foreign(o));
		assert_null(object_keys(o));
		assert_int_equal(object_size(o), lens[i]);
		kit_log_begin();
		assert_int_equal(object_read(k->v, o, 0, 10, data, &got), EACCES);
		assert_int_equal(object_read(k->v, o, 0, 10, data, &got), EACCES);
		assert_int_equal(object_read_chunks(k->v, o, 0, 1, &slab), EACCES);
		char *log = kit_log_end();

		assert_non_null(strstr(log, "--foreign=read"));
		assert_null(strstr(strstr(log, "--foreign=read") + 1, "--foreign=read")); /* once an object */
		free(log);
		k->v->config.foreign_read = true;
		assert_int_equal(object_read(k->v, o, 1, lens[i] + 5, data, &got), 0);
		assert_int_equal(got, lens[i] ? lens[i] - 1 : 0);
		kit_check(data, 1, got, 8);
		assert_int_equal(object_read_chunks(k->v, o, 0, 1, &slab), 0);
		kit_check(slab->data, 0, min_size(lens[i], CHUNK_BYTES), 8);
		k->v->config.foreign_read = false;
		object_unref(o);
	}
	slab_give(vault_slabs(k->v), slab);
	free(bytes);
	free(data);
}

static void another_key(void **state)
{
	struct kit *k = *state;
	struct kit other = { .bucket = k->bucket };
	struct vault_config config = kit_config();

	config.accept_new_key = true;
	kit_open(&other, &config, KIT_OTHER_KEY);
	object_unref(kit_file(&other, KEY, 10, 1));
	expect_load(k, 0, ENOKEY, "another key (its id is ");
	kit_close(&other);
}

/* ---- memory */

static uint32_t reading_now(struct kit *k)
{
	struct slab_stats stats;

	slabs_stats(vault_slabs(k->v), &stats);
	return stats.used[SLAB_READ];
}

static void cache_gives_way(void **state)
{
	struct kit *k = *state;
	struct object *o[40];
	struct slab_stats stats;
	uint8_t data[10];
	size_t got;

	for (size_t i = 0; i < ARRAY_LEN(o); i++) {
		char key[64];

		snprintf(key, sizeof(key), "%s%zu", KEY, i);
		object_unref(kit_file(k, key, 300000, (uint8_t)i));
		assert_int_equal(object_load(k->v, key, 0, &o[i], NULL), 0);
	}
	slabs_stats(vault_slabs(k->v), &stats);
	assert_true(stats.used[SLAB_READ] <= stats.floor[SLAB_READ] / 2);
	assert_true(stats.used[SLAB_READ] > stats.floor[SLAB_READ] / 2 - 5);

	uint64_t before = kit_calls(k, STORE_GET);

	for (size_t i = 0; i < ARRAY_LEN(o); i++) { /* those that were loaded last are still there, all can be read */
		assert_int_equal(object_read(k->v, o[i], 299995, 10, data, &got), 0);
		assert_int_equal(got, 5);
		kit_check(data, 299995, got, (uint8_t)i);
	}
	assert_int_equal(kit_calls(k, STORE_GET) - before, ARRAY_LEN(o) - stats.used[SLAB_READ] / 5);
	uint32_t used = reading_now(k);

	assert_true(object_cache_shrink(k->v));
	assert_int_equal(reading_now(k), used - 5);
	while (object_cache_shrink(k->v))
		continue;
	assert_int_equal(reading_now(k), 0);
	assert_int_equal(object_read(k->v, o[39], 0, 10, data, &got), 0);
	for (size_t i = 0; i < ARRAY_LEN(o); i++)
		object_unref(o[i]);
}

/* Others hold all memory: loading and reading go on. */
static void works_without_memory(void **state)
{
	struct kit *k = *state;
	struct slab *held = NULL;
	struct slab *slab;

	while ((slab = slab_take(vault_slabs(k->v), SLAB_READ))) {
		slab->next = held;
		held = slab;
	}
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct object *o;

		object_unref(kit_file(k, KEY, sizes[i], 6));
		assert_int_equal(object_load(k->v, KEY, 0, &o, NULL), 0);
		check_all(k, o, sizes[i], 6);
		object_unref(o);
	}
	slab_give_list(vault_slabs(k->v), held);
}

/* ---- threads */

static char load_failed[] = "load failed", read_failed[] = "read failed", wrong_bytes[] = "wrong bytes";

static void *read_along(void *arg)
{
	struct mover *m = arg;

	for (unsigned i = 0; i < 100; i++) {
		uint64_t at = (i * 7919u) % 60000;
		uint8_t data[100];
		size_t got;
		struct object *o = NULL;

		if (i % 10 == 0 && object_load(m->k->v, KEY, 0, &o, NULL))
			return load_failed;
		if (object_read(m->k->v, o ? o : m->o, at, sizeof(data), data, &got) || got != sizeof(data))
			return read_failed;
		for (size_t b = 0; b < got; b++)
			if (data[b] != kit_byte(at + b, 1))
				return wrong_bytes;
		object_unref(o);
	}
	return NULL;
}

static void many_threads_read_one_object(void **state)
{
	struct kit *k = *state;
	pthread_t threads[4];
	struct object *made = kit_file(k, KEY, 70000, 1), *o;
	struct mover m = { k, NULL };

	assert_int_equal(object_load(k->v, KEY, 0, &o, NULL), 0);
	m.o = o;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_along, &m), 0);
	for (int i = 0; i < 50; i++)
		object_cache_shrink(k->v);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		void *answer;

		pthread_join(threads[i], &answer);
		if (answer)
			fail_msg("%s", (const char *)answer);
	}
	object_unref(o);
	object_unref(made);
}

int main(void)
{
#define KIT_TEST(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)
	const struct CMUnitTest tests[] = {
		KIT_TEST(loads), KIT_TEST(a_wrong_length_is_corrected), KIT_TEST(reads_any_range), KIT_TEST(reads_long_ranges), KIT_TEST(reads_chunks),
		KIT_TEST(tells_kinds_of_damage), KIT_TEST(refuses_a_trailer_of_another_length), KIT_TEST(names_the_damaged_chunk),
		KIT_TEST(asks_again_for_what_came_damaged), KIT_TEST(passes_errors_of_the_store_on), KIT_TEST(load_begins_anew_when_replaced_between),
		KIT_TEST(never_mixes_two_versions), KIT_TEST(follows_our_own_rename), KIT_TEST(confirms), KIT_TEST(foreign_objects),
		KIT_TEST(another_key), KIT_TEST(cache_gives_way), KIT_TEST(works_without_memory), KIT_TEST(many_threads_read_one_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "crypto/trailer.h"

#define BODY_BYTES (TRAILER_BYTES - RECORD_EXTRA)

static struct object_key key, other_key;

static int make_keys(void **state)
{
	return object_key_new(&key) || object_key_new(&other_key);
}

static struct trailer sample(void)
{
	struct trailer t = {
		.type = ENTRY_FILE,
		.state = STATE_FAILED,
		.mode = 04751,
		.uid = 0xfffffffe,
		.gid = 7,
		.mtime = { 1764039318, 999999999 },
		.size = 150000,
		.committed = { -3, 1 },
	};

	memset(t.commit_id, 0xc1, sizeof(t.commit_id));
	memset(t.writer_id, 0x3e, sizeof(t.writer_id));
	return t;
}

static void assert_same(const struct trailer *a, const struct trailer *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->uid, b->uid);
	assert_int_equal(a->gid, b->gid);
	assert_true(a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec);
	assert_true(a->committed.tv_sec == b->committed.tv_sec && a->committed.tv_nsec == b->committed.tv_nsec);
	assert_true(a->size == b->size);
	assert_memory_equal(a->commit_id, b->commit_id, sizeof(a->commit_id));
	assert_memory_equal(a->writer_id, b->writer_id, sizeof(a->writer_id));
}

static void assert_round_trip(const struct trailer *t)
{
	uint8_t bytes[TRAILER_BYTES];
	struct trailer got;

	assert_ok(trailer_seal(&key, t, bytes));
	assert_ok(trailer_open(&key, bytes, t->size, &got));
	assert_same(t, &got);
}

static void round_trips(void **state)
{
	const uint64_t sizes[] = { 0, 1, 65535, 65536, 65537, 131072, UINT64_C(5) << 40, PLAIN_SIZE_MAX };
	const time_t seconds[] = { 0, -1, INT64_MAX, INT64_MIN };
	struct trailer t = sample();

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		t.size = sizes[i];
		assert_round_trip(&t);
	}
	for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
		t.mtime.tv_sec = t.committed.tv_sec = seconds[i];
		assert_round_trip(&t);
	}
	for (uint8_t state_value = STATE_OPEN; state_value <= STATE_UNKNOWN; state_value++) {
		t.state = state_value;
		assert_round_trip(&t);
	}
	t.type = ENTRY_RECORD;
	assert_round_trip(&t);
	t.type = ENTRY_SYMLINK;
	t.size = SYMLINK_MAX;
	assert_round_trip(&t);
	t.type = ENTRY_FOLDER;
	t.size = 0;
	assert_round_trip(&t);
}

static void nonce_is_fresh(void **state)
{
	struct trailer t = sample();
	uint8_t a[TRAILER_BYTES], b[TRAILER_BYTES];

	assert_ok(trailer_seal(&key, &t, a));
	assert_ok(trailer_seal(&key, &t, b));
	assert_memory_not_equal(a, b, 12);
	assert_memory_not_equal(a + 12, b + 12, BODY_BYTES);
}

/* Opens nothing, and leaves *out alone. */
static void assert_refused(const struct object_key *k, const uint8_t *bytes, uint64_t size)
{
	struct trailer got;

	memset(&got, 0xee, sizeof(got));
	assert_int_equal(trailer_open(k, bytes, size, &got), EBADMSG);
	assert_all((const uint8_t *)&got, sizeof(got), 0xee);
}

static void every_bit(void **state)
{
	struct trailer t = sample(), got;
	uint8_t bytes[TRAILER_BYTES];

	assert_ok(trailer_seal(&key, &t, bytes));
	for (size_t bit = 0; bit < 8 * TRAILER_BYTES; bit++) {
		flip(bytes, bit);
		assert_refused(&key, bytes, t.size);
		flip(bytes, bit);
	}
	assert_ok(trailer_open(&key, bytes, t.size, &got));
}

static void of_another_object_or_length(void **state)
{
	struct trailer t = sample();
	uint8_t bytes[TRAILER_BYTES];

	assert_ok(trailer_seal(&key, &t, bytes));
	assert_refused(&other_key, bytes, t.size);
	assert_refused(&key, bytes, t.size - CHUNK_BYTES); /* another number of chunks */
	assert_refused(&key, bytes, t.size + CHUNK_BYTES);
	/* An older version of the same object, with as many chunks: it opens, but speaks of another size. */
	assert_refused(&key, bytes, t.size + 1);
	assert_refused(&key, bytes, t.size - 1);
}

/* A chunk can't pose as a trailer, nor a trailer as a chunk. */
static void roles_do_not_mix(void **state)
{
	struct trailer t = sample();
	uint8_t bytes[TRAILER_BYTES], copy[TRAILER_BYTES];
	uint64_t k = chunk_count(t.size);

	assert_ok(trailer_seal(&key, &t, bytes));
	memcpy(copy, bytes, sizeof(copy));
	assert_int_equal(chunk_open(&key, k, CHUNK_LAST, copy, copy + 12, BODY_BYTES, copy + 240), EBADMSG);
	memcpy(copy, bytes, sizeof(copy));
	assert_int_equal(chunk_open(&key, k, CHUNK_INNER, copy, copy + 12, BODY_BYTES, copy + 240), EBADMSG);
	memcpy(copy, bytes, sizeof(copy));
	assert_ok(chunk_open(&key, k, CHUNK_TRAILER, copy, copy + 12, BODY_BYTES, copy + 240));
	assert_ok(chunk_seal(&key, k, CHUNK_LAST, copy, copy + 12, BODY_BYTES, copy + 240));
	assert_refused(&key, copy, t.size);
}

/* Seals a good trailer with some of its plain bytes changed, as a faulty writer with the key might. */
static void assert_value_refused(size_t at, const uint8_t *value, size_t n)
{
	struct trailer t = sample(), got;
	uint8_t bytes[TRAILER_BYTES];
	uint64_t k = chunk_count(t.size);

	assert_ok(trailer_seal(&key, &t, bytes));
	assert_ok(chunk_open(&key, k, CHUNK_TRAILER, bytes, bytes + 12, BODY_BYTES, bytes + 240));
	memcpy(bytes + 12 + at, value, n);
	assert_ok(chunk_seal(&key, k, CHUNK_TRAILER, bytes, bytes + 12, BODY_BYTES, bytes + 240));
	if (trailer_open(&key, bytes, t.size, &got) != EBADMSG)
		fail_msg("a trailer with other bytes at %zu was taken", at);
}

static void forbidden_values(void **state)
{
	const struct {
		size_t at, n;
		uint8_t value[8];
	} bad[] = {
		{ 0, 1, { 0 } },                         { 0, 1, { 5 } },           { 0, 1, { 255 } },
		{ 0, 1, { ENTRY_FOLDER } },              { 0, 1, { ENTRY_SYMLINK } }, /* sizes that these can't have */
		{ 1, 1, { 5 } },                         { 1, 1, { 255 } },         { 4, 4, { 0, 0, 0x10, 0 } },
		{ 4, 4, { 0x80, 0, 0, 0 } },             { 24, 4, { 0x3b, 0x9a, 0xca, 0 } }, /* 10^9 ns */
		{ 48, 4, { 0x3b, 0x9a, 0xca, 0 } },      { 24, 4, { 255, 255, 255, 255 } },
		{ 32, 8, { 0, 0, 0, 0, 0, 2, 0x49, 0xf1 } }, { 32, 8, { 255, 255, 255, 255, 255, 255, 255, 255 } },
	};
	const uint8_t one = 1;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_value_refused(bad[i].at, bad[i].value, bad[i].n);
	for (size_t at = 0; at < BODY_BYTES; at++)
		if (at == 2 || at == 3 || (at >= 28 && at < 32) || (at >= 52 && at < 56) || at >= 88)
			assert_value_refused(at, &one, 1);
}

static void cannot_be_sealed(void **state)
{
	struct trailer bad[12];
	uint8_t bytes[TRAILER_BYTES];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		bad[i] = sample();
	bad[0].type = 0;
	bad[1].type = 5;
	bad[2].state = 5;
	bad[3].mode = 010000;
	bad[4].mtime.tv_nsec = 1000000000;
	bad[5].mtime.tv_nsec = -1;
	bad[6].committed.tv_nsec = 1000000000;
	bad[7].type = ENTRY_FOLDER;
	bad[8].type = ENTRY_SYMLINK;
	bad[9].type = ENTRY_SYMLINK;
	bad[9].size = 0;
	bad[10].size = PLAIN_SIZE_MAX + 1;
	bad[11].mode = UINT32_MAX;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(trailer_seal(&key, &bad[i], bytes), EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trips),	    cmocka_unit_test(nonce_is_fresh),
		cmocka_unit_test(every_bit),	    cmocka_unit_test(of_another_object_or_length),
		cmocka_unit_test(roles_do_not_mix), cmocka_unit_test(forbidden_values),
		cmocka_unit_test(cannot_be_sealed),
	};

	return cmocka_run_group_tests_name("trailer", tests, make_keys, NULL);
}

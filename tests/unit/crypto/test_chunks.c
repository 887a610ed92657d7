/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/rand.h"
#include "object_file.h"

static const uint64_t sizes[] = { 0, 1, 2, 255, 65535, 65536, 65537, 131071, 131072, 131073, 150000, 196608 };

/* Every length up to four records and a bit: valid exactly where some size has it, and then that size. */
static void lengths_exhaustive(void **state)
{
	const uint64_t limit = OBJECT_EXTRA + 4 * RECORD_BYTES + 100;
	AUTO_FREE uint32_t *size_plus_one = calloc(limit, sizeof(uint32_t));
	unsigned refused = 0;

	assert_non_null(size_plus_one);
	for (uint64_t p = 0; object_length(p) < limit; p++) {
		assert_int_equal(size_plus_one[object_length(p)], 0);
		size_plus_one[object_length(p)] = (uint32_t)p + 1;
	}
	for (uint64_t len = 0; len < limit; len++) {
		uint64_t p = 1234567;
		int rc = plain_size_of(len, &p);

		if (rc != (size_plus_one[len] ? 0 : EBADMSG) || p != (rc ? 1234567 : size_plus_one[len] - 1))
			fail_msg("length %llu: %d, size %llu", (unsigned long long)len, rc, (unsigned long long)p);
		refused += rc != 0;
	}
	assert_int_equal(refused, 796 + 4 * 28);
}

static void assert_length_fits(uint64_t p)
{
	uint64_t len = object_length(p), got;

	assert_ok(plain_size_of(len, &got));
	assert_true(got == p);
	assert_true(trailer_offset(p) == len - TRAILER_BYTES);
	assert_true(chunk_offset(chunk_count(p) - 1) + RECORD_EXTRA + chunk_plain_len(p, chunk_count(p) - 1) == trailer_offset(p));
}

static void lengths_large(void **state)
{
	uint64_t p;

	for (unsigned i = 0; i < 200000; i++) {
		rand_bytes(&p, sizeof(p));
		assert_length_fits(p >> (17 + i % 40));
	}
	for (unsigned shift = 0; shift <= 47; shift++)
		for (int d = -2; d <= 2; d++) {
			p = (UINT64_C(1) << shift) + (uint64_t)d;
			if (p <= PLAIN_SIZE_MAX)
				assert_length_fits(p);
		}
	assert_true(object_length(PLAIN_SIZE_MAX + 1) == 0);
	assert_true(object_length(UINT64_MAX) == 0);
	assert_int_equal(plain_size_of(object_length(PLAIN_SIZE_MAX) + 1, &p), EBADMSG);
	assert_int_equal(plain_size_of(object_length(PLAIN_SIZE_MAX) + 29, &p), EBADMSG); /* what one byte more would take */
	assert_int_equal(plain_size_of(UINT64_MAX, &p), EBADMSG);
}

static void refused_gaps(void **state)
{
	uint64_t p, j;

	for (unsigned i = 0; i < 1000; i++) {
		rand_bytes(&j, sizeof(j));
		j = 1 + (j >> 34);
		for (unsigned over = 1; over <= 28; over++)
			assert_int_equal(plain_size_of(OBJECT_EXTRA + j * RECORD_BYTES + over, &p), EBADMSG);
		assert_ok(plain_size_of(OBJECT_EXTRA + j * RECORD_BYTES, &p));
		assert_true(p == j * CHUNK_BYTES);
		assert_ok(plain_size_of(OBJECT_EXTRA + j * RECORD_BYTES + 29, &p));
		assert_true(p == j * CHUNK_BYTES + 1);
	}
}

static void chunks_cover_the_file(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		uint64_t sum = 0, count = chunk_count(sizes[i]);

		for (uint64_t k = 0; k < count; k++) {
			assert_true(k + 1 == count || chunk_plain_len(sizes[i], k) == CHUNK_BYTES);
			assert_true(chunk_plain_len(sizes[i], k) > 0 || sizes[i] == 0);
			sum += chunk_plain_len(sizes[i], k);
		}
		assert_true(sum == sizes[i]);
		assert_int_equal(chunk_plain_len(sizes[i], count), 0);
		assert_int_equal(chunk_plain_len(sizes[i], UINT64_MAX), 0);
	}
}

struct record {
	uint8_t nonce[12], data[CHUNK_BYTES], tag[16];
};

static void seal(const struct object_key *key, uint64_t k, enum chunk_kind kind, struct record *r, size_t len)
{
	memset(r->data, 0x5a, len);
	assert_ok(chunk_seal(key, k, kind, r->nonce, r->data, len, r->tag));
}

static void assert_refused(const struct object_key *key, uint64_t k, enum chunk_kind kind, const struct record *r, size_t len)
{
	struct record copy = *r;

	assert_int_equal(chunk_open(key, k, kind, copy.nonce, copy.data, len, copy.tag), EBADMSG);
	assert_all(copy.data, len, 0);
}

static void every_bit_of_a_record(void **state)
{
	struct object_key key;
	struct record r;
	const size_t len = 50;

	assert_ok(object_key_new(&key));
	seal(&key, 3, CHUNK_INNER, &r, len);
	for (size_t bit = 0; bit < 8 * sizeof(r); bit++) {
		size_t byte = bit / 8;

		if (byte >= sizeof(r.nonce) + len && byte < sizeof(r) - sizeof(r.tag))
			continue;
		flip((uint8_t *)&r, bit);
		assert_refused(&key, 3, CHUNK_INNER, &r, len);
		flip((uint8_t *)&r, bit);
	}
	assert_refused(&key, 3, CHUNK_INNER, &r, len - 1);
	assert_refused(&key, 3, CHUNK_INNER, &r, len + 1);
	assert_refused(&key, 3, CHUNK_INNER, &r, 0);
	assert_ok(chunk_open(&key, 3, CHUNK_INNER, r.nonce, r.data, len, r.tag));
	assert_all(r.data, len, 0x5a);
}

static void bound_to_place_role_and_object(void **state)
{
	struct object_key key, other, same_keys;
	const size_t lengths[] = { 0, 1, CHUNK_BYTES };

	assert_ok(object_key_new(&key));
	assert_ok(object_key_new(&other));
	same_keys = key;
	same_keys.id[15] ^= 1; /* the id counts even under the same content key */
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
		for (int kind = CHUNK_INNER; kind <= CHUNK_TRAILER; kind++) {
			struct record r;

			seal(&key, 7, (enum chunk_kind)kind, &r, lengths[i]);
			for (unsigned bit = 0; bit < 64; bit++)
				assert_refused(&key, 7 ^ UINT64_C(1) << bit, (enum chunk_kind)kind, &r, lengths[i]);
			for (int as = CHUNK_INNER; as <= CHUNK_TRAILER; as++)
				if (as != kind)
					assert_refused(&key, 7, (enum chunk_kind)as, &r, lengths[i]);
			assert_refused(&other, 7, (enum chunk_kind)kind, &r, lengths[i]);
			assert_refused(&same_keys, 7, (enum chunk_kind)kind, &r, lengths[i]);
			assert_ok(chunk_open(&key, 7, (enum chunk_kind)kind, r.nonce, r.data, lengths[i], r.tag));
		}
}

static void nonce_is_fresh(void **state)
{
	struct object_key key;
	struct record a, b;

	assert_ok(object_key_new(&key));
	seal(&key, 0, CHUNK_LAST, &a, 100);
	seal(&key, 0, CHUNK_LAST, &b, 100);
	assert_memory_not_equal(a.nonce, b.nonce, 12);
	assert_memory_not_equal(a.data, b.data, 100);
}

static void too_long(void **state)
{
	static uint8_t data[CHUNK_BYTES + 1];
	uint8_t nonce[12], tag[16];
	struct object_key key;

	assert_ok(object_key_new(&key));
	assert_int_equal(chunk_seal(&key, 0, CHUNK_LAST, nonce, data, sizeof(data), tag), EINVAL);
	assert_int_equal(chunk_open(&key, 0, CHUNK_LAST, nonce, data, sizeof(data), tag), EINVAL);
}

/* A whole object of that size. */
static void make_object(struct keyring *k, uint64_t size, struct buf *plain, struct buf *object)
{
	struct trailer t = { .type = ENTRY_FILE, .state = STATE_CLOSED };

	buf_init(plain, 1 << 20);
	buf_init(object, 1 << 21);
	assert_ok(buf_fill(plain, 0, size));
	if (size)
		rand_bytes(plain->data, size);
	assert_ok(object_write(k, &t, plain->data, size, object));
	assert_int_equal(object->len, object_length(size));
}

static enum finding find(struct keyring *k, const uint8_t *data, size_t len)
{
	AUTO(buf_free) struct buf content;
	struct trailer t;

	buf_init(&content, 1 << 20);
	return object_read(k, data, len, &t, &content);
}

static void whole_objects(void **state)
{
	AUTO(auto_keyring_free) struct keyring *k = parse_key(RAW_TEXT);

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		AUTO(buf_free) struct buf plain, object, got;
		struct trailer t;

		make_object(k, sizes[i], &plain, &object);
		buf_init(&got, 1 << 20);
		assert_int_equal(object_read(k, object.data, object.len, &t, &got), FOUND_GOOD);
		assert_true(t.size == sizes[i]);
		assert_int_equal(got.len, plain.len);
		if (plain.len)
			assert_memory_equal(got.data, plain.data, plain.len);
	}
}

/* Cut anywhere, by the end of each record and by the bytes around it: never taken for a whole file. */
static void cut_objects(void **state)
{
	AUTO(auto_keyring_free) struct keyring *k = parse_key(RAW_TEXT);
	AUTO(buf_free) struct buf plain, object;

	make_object(k, 150000, &plain, &object);
	for (size_t len = 0; len < object.len; len += len < 1200 ? 1 : 997)
		assert_int_equal(find(k, object.data, len), len < 8 ? FOUND_FOREIGN : FOUND_CUT);
	for (uint64_t at = 0; at <= 3; at++)
		for (int d = -30; d <= 30; d++) {
			assert_int_equal(find(k, object.data, HEADER_BYTES + at * RECORD_BYTES + (uint64_t)(d + 30)), FOUND_CUT);
			if (object.len - (uint64_t)(d + 31) > HEADER_BYTES)
				assert_int_equal(find(k, object.data, object.len - (uint64_t)(d + 31)), FOUND_CUT);
		}
	assert_int_equal(find(k, object.data, object.len), FOUND_GOOD);
}

/* An inner record that ends a file with a genuine trailer's place behind it, and a last record inside one. */
static void cut_and_spliced(void **state)
{
	AUTO(auto_keyring_free) struct keyring *k = parse_key(RAW_TEXT);
	AUTO(buf_free) struct buf plain, object, spliced;

	make_object(k, 131072, &plain, &object);
	buf_init(&spliced, 1 << 21);
	/* Records 0 | trailer: the trailer speaks of two records. */
	assert_ok(buf_put(&spliced, object.data, HEADER_BYTES + RECORD_BYTES));
	assert_ok(buf_put(&spliced, object.data + object.len - TRAILER_BYTES, TRAILER_BYTES));
	assert_int_equal(find(k, spliced.data, spliced.len), FOUND_CUT);
	/* Records 0, 1, 1 | trailer: the last one is repeated. */
	buf_reset(&spliced);
	assert_ok(buf_put(&spliced, object.data, object.len - TRAILER_BYTES));
	assert_ok(buf_put(&spliced, object.data + chunk_offset(1), RECORD_BYTES + TRAILER_BYTES));
	assert_int_equal(find(k, spliced.data, spliced.len), FOUND_CUT);
	/* Records 1, 0 | trailer: exchanged. */
	buf_reset(&spliced);
	assert_ok(buf_put(&spliced, object.data, HEADER_BYTES));
	assert_ok(buf_put(&spliced, object.data + chunk_offset(1), RECORD_BYTES));
	assert_ok(buf_put(&spliced, object.data + chunk_offset(0), RECORD_BYTES));
	assert_ok(buf_put(&spliced, object.data + object.len - TRAILER_BYTES, TRAILER_BYTES));
	assert_int_equal(find(k, spliced.data, spliced.len), FOUND_DAMAGED);
}

static void record_of_another_object(void **state)
{
	AUTO(auto_keyring_free) struct keyring *k = parse_key(RAW_TEXT);
	AUTO(buf_free) struct buf plain, object, plain2, object2;

	make_object(k, 131073, &plain, &object);
	make_object(k, 131073, &plain2, &object2);
	memcpy(object.data + chunk_offset(1), object2.data + chunk_offset(1), RECORD_BYTES);
	assert_int_equal(find(k, object.data, object.len), FOUND_DAMAGED);
	memcpy(object2.data, object.data, HEADER_BYTES); /* another object's header over good records */
	assert_int_equal(find(k, object2.data, object2.len), FOUND_CUT);
}

/* Two versions under one key, the second grown from the first, as INV-PREFIX allows: no mixture of them opens. */
static void versions_do_not_mix(void **state)
{
	AUTO(auto_keyring_free) struct keyring *k = parse_key(RAW_TEXT);
	struct object_key key;
	struct trailer t = { .type = ENTRY_FILE, .size = 10 };
	uint8_t old_object[HEADER_BYTES + 38 + TRAILER_BYTES], new_object[HEADER_BYTES + 39 + TRAILER_BYTES], *r;

	assert_ok(object_key_new(&key));
	assert_ok(header_make(k, &key, old_object));
	memcpy(new_object, old_object, HEADER_BYTES);
	r = old_object + HEADER_BYTES;
	memset(r + 12, 'a', 10);
	assert_ok(chunk_seal(&key, 0, CHUNK_LAST, r, r + 12, 10, r + 22));
	assert_ok(trailer_seal(&key, &t, r + 38));
	r = new_object + HEADER_BYTES;
	memset(r + 12, 'a', 11);
	t.size = 11;
	assert_ok(chunk_seal(&key, 0, CHUNK_LAST, r, r + 12, 11, r + 23));
	assert_ok(trailer_seal(&key, &t, r + 39));
	assert_int_equal(find(k, old_object, sizeof(old_object)), FOUND_GOOD);
	assert_int_equal(find(k, new_object, sizeof(new_object)), FOUND_GOOD);
	/* The new record under the old trailer, and the other way round: the trailer opens and speaks of another size. */
	memcpy(new_object + HEADER_BYTES + 39, old_object + HEADER_BYTES + 38, TRAILER_BYTES);
	assert_int_equal(find(k, new_object, sizeof(new_object)), FOUND_CUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_exhaustive),	cmocka_unit_test(lengths_large),
		cmocka_unit_test(refused_gaps),		cmocka_unit_test(chunks_cover_the_file),
		cmocka_unit_test(every_bit_of_a_record), cmocka_unit_test(bound_to_place_role_and_object),
		cmocka_unit_test(nonce_is_fresh),	cmocka_unit_test(too_long),
		cmocka_unit_test(whole_objects),	cmocka_unit_test(cut_objects),
		cmocka_unit_test(cut_and_spliced),	cmocka_unit_test(record_of_another_object),
		cmocka_unit_test(versions_do_not_mix),
	};

	return cmocka_run_group_tests_name("chunks", tests, NULL, NULL);
}

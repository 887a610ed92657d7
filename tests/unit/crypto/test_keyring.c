/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "fake_scrypt.h"

#include <pthread.h>

#define GOOD_KEPT 16

static const uint8_t object_id[16] = { 9, 8, 7 };
static const uint8_t dek[32] = { 1, 2, 3 };

static int reset(void **state)
{
	fake_scrypt_reset(0, 0);
	return 0;
}

static void set_salt(uint8_t salt[KEY_SALT], unsigned number)
{
	memset(salt, 0, KEY_SALT);
	salt[0] = (uint8_t)number;
	salt[31] = (uint8_t)(number >> 8);
}

/* A slot as a writer with PASS_TEXT and that salt would make it. */
static void make_slot(struct key_slot *slot, unsigned salt_number)
{
	AUTO(auto_keyring_free) struct keyring *writer = parse_key(PASS_TEXT);
	uint8_t salt[KEY_SALT];

	set_salt(salt, salt_number);
	assert_ok(keyring_use_salt(writer, salt));
	assert_ok(keyring_wrap(writer, 0, object_id, dek, slot));
}

static void raw_wraps(void **state)
{
	AUTO(auto_keyring_free) struct keyring *k = parse_key(RAW_TEXT);
	struct key_slot slot;
	uint8_t id[KEY_ID], got[32], salt[KEY_SALT] = { 1 }, want[KEY_ID];

	assert_int_equal(keyring_kind(k), KEY_RAW);
	assert_ok(keyring_write_id(k, id));
	unhex(want, sizeof(want), "ffd8756d86ae19e4");
	assert_memory_equal(id, want, KEY_ID);
	assert_ok(keyring_derive(k, salt, got));
	assert_memory_equal(id, got, KEY_ID);
	assert_int_equal(keyring_use_salt(k, salt), EINVAL);

	assert_ok(keyring_wrap(k, 2, object_id, dek, &slot));
	assert_int_equal(slot.kind, KEY_RAW);
	assert_memory_equal(slot.key_id, id, KEY_ID);
	assert_all(slot.salt, KEY_SALT, 0);
	assert_ok(keyring_unwrap(k, 2, object_id, &slot, got));
	assert_memory_equal(got, dek, 32);
	assert_int_equal(fake_scrypt_calls(), 0);
}

/* Every field of a slot, and what stands around it, counts. */
static void tampered_slots(struct keyring *k)
{
	struct key_slot slot, bad;
	uint8_t got[32] = { 77 }, other_id[16] = { 9, 8, 6 };

	assert_ok(keyring_wrap(k, 0, object_id, dek, &slot));
	assert_int_equal(keyring_unwrap(k, 1, object_id, &slot, got), EKEYREJECTED);
	assert_int_equal(keyring_unwrap(k, 0, other_id, &slot, got), EKEYREJECTED);
	for (size_t bit = 0; bit < 48 * 8; bit++) {
		bad = slot;
		flip(bad.wrapped, bit);
		assert_int_equal(keyring_unwrap(k, 0, object_id, &bad, got), EKEYREJECTED);
	}
	for (size_t bit = 0; bit < 8; bit++) {
		bad = slot;
		flip(&bad.kind, bit);
		assert_int_equal(keyring_unwrap(k, 0, object_id, &bad, got), ENOKEY);
	}
	for (size_t bit = 0; bit < 24; bit++) {
		bad = slot;
		flip(bad.params, bit);
		assert_int_equal(keyring_unwrap(k, 0, object_id, &bad, got), ENOKEY);
	}
	for (size_t bit = 0; bit < KEY_ID * 8; bit++) {
		bad = slot;
		flip(bad.key_id, bit);
		assert_int_equal(keyring_unwrap(k, 0, object_id, &bad, got), ENOKEY);
	}
	assert_int_equal(got[0], 77);
	assert_ok(keyring_unwrap(k, 0, object_id, &slot, got));
}

static void raw_tampered(void **state)
{
	AUTO(auto_keyring_free) struct keyring *k = parse_key(RAW_TEXT);

	tampered_slots(k);
}

static void passphrase_tampered(void **state)
{
	AUTO(auto_keyring_free) struct keyring *k = parse_key(PASS_TEXT);
	uint8_t salt[KEY_SALT] = { 1 };

	assert_ok(keyring_use_salt(k, salt));
	tampered_slots(k);
	assert_int_equal(fake_scrypt_calls(), 1); /* whatever the slots claimed */
}

static void wrong_keys(void **state)
{
	const char *texts[] = { RAW_TEXT, OTHER_TEXT, PASS_TEXT, PASS_TEXT "r" };
	struct keyring *keys[4];
	uint8_t salt[KEY_SALT] = { 1 }, got[32];

	for (int i = 0; i < 4; i++) {
		keys[i] = parse_key(texts[i]);
		if (keyring_kind(keys[i]) == KEY_PASSPHRASE)
			assert_ok(keyring_use_salt(keys[i], salt));
	}
	for (int writer = 0; writer < 4; writer++) {
		struct key_slot slot;

		assert_ok(keyring_wrap(keys[writer], 0, object_id, dek, &slot));
		for (int reader = 0; reader < 4; reader++)
			assert_int_equal(keyring_unwrap(keys[reader], 0, object_id, &slot, got), reader == writer ? 0 : ENOKEY);
	}
	for (int i = 0; i < 4; i++)
		keyring_free(keys[i]);
}

/* Our key id on another kind's slot is still not ours. */
static void kinds_do_not_mix(void **state)
{
	AUTO(auto_keyring_free) struct keyring *k = parse_key(RAW_TEXT);
	struct key_slot slot;
	uint8_t got[32];

	assert_ok(keyring_wrap(k, 0, object_id, dek, &slot));
	slot.kind = KEY_PASSPHRASE;
	memcpy(slot.params, (uint8_t[]){ 15, 8, 3 }, 3);
	assert_int_equal(keyring_unwrap(k, 0, object_id, &slot, got), ENOKEY);
}

static void no_salt_no_writing(void **state)
{
	AUTO(auto_keyring_free) struct keyring *k = parse_key(PASS_TEXT);
	uint8_t id[KEY_ID], salt[KEY_SALT] = { 1 };
	struct key_slot slot;

	assert_int_equal(keyring_kind(k), KEY_PASSPHRASE);
	assert_int_equal(keyring_write_id(k, id), EAGAIN);
	assert_int_equal(keyring_wrap(k, 0, object_id, dek, &slot), EAGAIN);
	assert_ok(keyring_derive(k, salt, id)); /* deriving is not choosing */
	assert_int_equal(keyring_write_id(k, id), EAGAIN);
	assert_ok(keyring_use_salt(k, salt));
	assert_ok(keyring_write_id(k, id));
	assert_ok(keyring_wrap(k, 0, object_id, dek, &slot));
	assert_memory_equal(slot.salt, salt, KEY_SALT);
	assert_memory_equal(slot.key_id, id, KEY_ID);
	assert_int_equal(fake_scrypt_calls(), 1);
}

static void derives_once(void **state)
{
	AUTO(auto_keyring_free) struct keyring *k = parse_key(PASS_TEXT);
	uint8_t salt[KEY_SALT], id[KEY_ID], again[KEY_ID];

	set_salt(salt, 1);
	assert_ok(keyring_derive(k, salt, id));
	assert_ok(keyring_derive(k, salt, again));
	assert_memory_equal(id, again, KEY_ID);
	assert_int_equal(fake_scrypt_calls(), 1);
	set_salt(salt, 2);
	assert_ok(keyring_derive(k, salt, again));
	assert_memory_not_equal(id, again, KEY_ID);
	assert_int_equal(fake_scrypt_calls(), 2);
}

/* A salt whose KEK opened something, or under which we write, outlives any number of others. */
static void good_salts_stay(void **state)
{
	AUTO(auto_keyring_free) struct keyring *k = parse_key(PASS_TEXT);
	uint8_t salt[KEY_SALT], id[KEY_ID], got[32];
	struct key_slot proven;

	make_slot(&proven, 1);
	assert_ok(keyring_unwrap(k, 0, object_id, &proven, got));
	set_salt(salt, 2);
	assert_ok(keyring_use_salt(k, salt));
	for (unsigned i = 100; i < 100 + 2 * GOOD_KEPT; i++) {
		set_salt(salt, i);
		assert_ok(keyring_derive(k, salt, id));
	}
	fake_scrypt_reset(0, 0);
	assert_ok(keyring_unwrap(k, 0, object_id, &proven, got));
	assert_ok(keyring_write_id(k, id));
	set_salt(salt, 2);
	assert_ok(keyring_derive(k, salt, id));
	set_salt(salt, 100 + 2 * GOOD_KEPT - 1); /* the newest of the others */
	assert_ok(keyring_derive(k, salt, id));
	assert_int_equal(fake_scrypt_calls(), 0);
	set_salt(salt, 100); /* the oldest is gone: derived again, the same */
	assert_ok(keyring_derive(k, salt, id));
	assert_int_equal(fake_scrypt_calls(), 1);
}

/* A header that claims a key id which its salt does not give costs one derivation, however often it is met. */
static void hostile_salt_costs_once(void **state)
{
	AUTO(auto_keyring_free) struct keyring *k = parse_key(PASS_TEXT);
	struct key_slot honest, hostile;
	uint8_t got[32];

	make_slot(&honest, 5);
	fake_scrypt_reset(0, 0);
	hostile = honest;
	hostile.key_id[0] ^= 1;
	for (int i = 0; i < 10; i++)
		assert_int_equal(keyring_unwrap(k, 0, object_id, &hostile, got), ENOKEY);
	assert_int_equal(fake_scrypt_calls(), 1);
	/* ... and does not shut out an honest object with the same salt. */
	assert_ok(keyring_unwrap(k, 0, object_id, &honest, got));
	assert_memory_equal(got, dek, 32);
	assert_int_equal(fake_scrypt_calls(), 2);
	assert_int_equal(keyring_unwrap(k, 0, object_id, &hostile, got), ENOKEY);
	assert_ok(keyring_unwrap(k, 0, object_id, &honest, got));
	assert_int_equal(fake_scrypt_calls(), 2);
}

static void forgotten_salt(void **state)
{
	AUTO(auto_keyring_free) struct keyring *k = parse_key(PASS_TEXT);
	uint8_t salt[KEY_SALT], id[KEY_ID], again[KEY_ID], got[32];
	struct key_slot slot;

	set_salt(salt, 6);
	assert_ok(keyring_derive(k, salt, id));
	keyring_forget_salt(k, salt);
	assert_ok(keyring_derive(k, salt, again)); /* the id is still known */
	assert_memory_equal(id, again, KEY_ID);
	assert_int_equal(fake_scrypt_calls(), 1);
	assert_ok(keyring_use_salt(k, salt)); /* needs the KEK again */
	assert_int_equal(fake_scrypt_calls(), 2);
	keyring_forget_salt(k, salt); /* never the one that we write under */
	assert_ok(keyring_wrap(k, 0, object_id, dek, &slot));
	assert_ok(keyring_unwrap(k, 0, object_id, &slot, got));
	assert_int_equal(fake_scrypt_calls(), 2);
}

/* No memory is no verdict on the slot, and nothing is remembered of it. */
static void no_memory(void **state)
{
	AUTO(auto_keyring_free) struct keyring *k = parse_key(PASS_TEXT);
	uint8_t salt[KEY_SALT], id[KEY_ID], got[32];
	struct key_slot slot;

	make_slot(&slot, 7);
	set_salt(salt, 7);
	fake_scrypt_reset(ENOMEM, 0);
	assert_int_equal(keyring_unwrap(k, 0, object_id, &slot, got), ENOMEM);
	assert_int_equal(keyring_derive(k, salt, id), ENOMEM);
	assert_int_equal(keyring_use_salt(k, salt), ENOMEM);
	fake_scrypt_reset(0, 0);
	assert_ok(keyring_unwrap(k, 0, object_id, &slot, got));
}

struct worker {
	struct keyring *k;
	struct key_slot slots[4];
	unsigned start;
	int rc;
};

static void *unwrap_all(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < 40; i++) {
		uint8_t got[32], id[KEY_ID], salt[KEY_SALT];
		struct key_slot bad = w->slots[(w->start + i) % 4];

		w->rc |= keyring_unwrap(w->k, 0, object_id, &bad, got) || memcmp(got, dek, 32);
		bad.key_id[7] ^= 1;
		w->rc |= keyring_unwrap(w->k, 0, object_id, &bad, got) != ENOKEY;
		set_salt(salt, w->start % 4);
		w->rc |= keyring_use_salt(w->k, salt) || keyring_write_id(w->k, id) || keyring_wrap(w->k, 0, object_id, dek, &bad);
		keyring_forget_salt(w->k, bad.salt);
	}
	return NULL;
}

/* Eight threads that read, write, choose salts and forget them: everything stays right, and two never derive at a time. */
static void threads_share(void **state)
{
	AUTO(auto_keyring_free) struct keyring *k = parse_key(PASS_TEXT);
	struct worker workers[8] = { 0 };
	struct key_slot slots[4];
	pthread_t threads[8];

	for (unsigned i = 0; i < 4; i++)
		make_slot(&slots[i], i);
	fake_scrypt_reset(0, 2000);
	for (unsigned i = 0; i < 8; i++) {
		memcpy(workers[i].slots, slots, sizeof(slots));
		workers[i].k = k;
		workers[i].start = i;
		assert_ok(pthread_create(&threads[i], NULL, unwrap_all, &workers[i]));
	}
	for (unsigned i = 0; i < 8; i++) {
		assert_ok(pthread_join(threads[i], NULL));
		assert_int_equal(workers[i].rc, 0);
	}
	assert_int_equal(fake_scrypt_overlap(), 1);
}

static void *derive_five(void *arg)
{
	uint8_t salt[KEY_SALT], id[KEY_ID];

	for (unsigned i = 0; i < 5; i++) {
		set_salt(salt, i);
		if (keyring_derive(arg, salt, id))
			return arg;
	}
	return NULL;
}

static void threads_derive_each_salt_once(void **state)
{
	AUTO(auto_keyring_free) struct keyring *k = parse_key(PASS_TEXT);
	pthread_t threads[8];

	fake_scrypt_reset(0, 2000);
	for (unsigned i = 0; i < 8; i++)
		assert_ok(pthread_create(&threads[i], NULL, derive_five, k));
	for (unsigned i = 0; i < 8; i++) {
		void *failed;

		assert_ok(pthread_join(threads[i], &failed));
		assert_null(failed);
	}
	assert_int_equal(fake_scrypt_calls(), 5);
	assert_int_equal(fake_scrypt_overlap(), 1);
}

/* The kernel's flags of the mapping that holds p, as in /proc/self/smaps. */
static void mapping_flags(const void *p, char out[200])
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long from, to;
	bool inside = false;
	char line[512];

	assert_non_null(f);
	out[0] = '\0';
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = (uintptr_t)p >= from && (uintptr_t)p < to;
		if (inside && strncmp(line, "VmFlags:", 8) == 0)
			snprintf(out, 200, "%.199s", line);
	}
	fclose(f);
}

static void kept_out_of_core_dumps(void **state)
{
	AUTO(auto_keyring_free) struct keyring *k = parse_key(RAW_TEXT);
	char flags[200];

	mapping_flags(k, flags);
	assert_non_null(strstr(flags, " dd "));
	mapping_flags(object_id, flags); /* the twin: other memory is dumped */
	assert_null(strstr(flags, " dd "));
}

static void free_of_nothing(void **state)
{
	keyring_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(raw_wraps, reset),
		cmocka_unit_test_setup(raw_tampered, reset),
		cmocka_unit_test_setup(passphrase_tampered, reset),
		cmocka_unit_test_setup(wrong_keys, reset),
		cmocka_unit_test_setup(kinds_do_not_mix, reset),
		cmocka_unit_test_setup(no_salt_no_writing, reset),
		cmocka_unit_test_setup(derives_once, reset),
		cmocka_unit_test_setup(good_salts_stay, reset),
		cmocka_unit_test_setup(hostile_salt_costs_once, reset),
		cmocka_unit_test_setup(forgotten_salt, reset),
		cmocka_unit_test_setup(no_memory, reset),
		cmocka_unit_test_setup(threads_share, reset),
		cmocka_unit_test_setup(threads_derive_each_salt_once, reset),
		cmocka_unit_test(kept_out_of_core_dumps),
		cmocka_unit_test(free_of_nothing),
	};

	return cmocka_run_group_tests_name("keyring", tests, NULL, NULL);
}

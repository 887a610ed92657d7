/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "fake_scrypt.h"

#include "crypto/aead.h"
#include "crypto/header.h"

#define MAC_AT 480u
#define COUNT_AT 11u
#define SLOT_AT(i) (96u + 96u * (i))

static int reset(void **state)
{
	fake_scrypt_reset(0, 0);
	return 0;
}

/* An object's key and its header, as its writer made them, and a reader. */
struct fixture {
	struct keyring *k;
	struct object_key key;
	uint8_t h[HEADER_BYTES];
};

static void release(struct fixture *f)
{
	keyring_free(f->k);
	object_key_wipe(&f->key);
}

static void make(struct fixture *f, const char *text)
{
	uint8_t salt[KEY_SALT] = { 4, 2 };

	f->k = parse_key(text);
	if (keyring_kind(f->k) == KEY_PASSPHRASE)
		assert_ok(keyring_use_salt(f->k, salt));
	assert_ok(object_key_new(&f->key));
	assert_ok(header_make(f->k, &f->key, f->h));
}

/* What only a faulty program with the key could do: a MAC over bytes that the format forbids. */
static void sign(struct fixture *f)
{
	static const char label[] = "pishopfs/v1/header-mac";
	uint8_t mac_key[32];

	assert_ok(hkdf_sha256(f->key.dek, 32, f->key.salt, 32, label, sizeof(label) - 1, mac_key, 32));
	assert_ok(hmac_sha256(mac_key, f->h, MAC_AT, f->h + MAC_AT));
}

/* Puts another slot for the fixture's key at that place. */
static void put_slot(struct fixture *f, unsigned index, struct keyring *writer)
{
	uint8_t *at = f->h + SLOT_AT(index);
	struct key_slot slot;

	assert_ok(keyring_wrap(writer, index, f->key.id, f->key.dek, &slot));
	at[0] = slot.kind;
	memcpy(at + 1, slot.params, 3);
	memcpy(at + 4, slot.key_id, KEY_ID);
	memcpy(at + 12, slot.salt, KEY_SALT);
	memcpy(at + 44, slot.wrapped, 48);
	memset(at + 92, 0, 4);
}

/* The verdict on the fixture's header; on anything but HEADER_OK the key must not have been touched. */
static enum header_verdict verdict(struct fixture *f)
{
	struct object_key got;

	memset(&got, 0xee, sizeof(got));
	enum header_verdict v = header_open(f->k, f->h, &got, NULL);

	if (v == HEADER_OK)
		assert_memory_equal(&got, &f->key, sizeof(got));
	else
		assert_all((const uint8_t *)&got, sizeof(got), 0xee);
	return v;
}

static void round_trip(const char *text)
{
	AUTO(release) struct fixture f;
	uint8_t again[HEADER_BYTES], id[KEY_ID], slot0[KEY_ID];
	struct object_key got;

	make(&f, text);
	assert_ok(header_make(f.k, &f.key, again));
	assert_memory_equal(f.h, again, sizeof(again));
	assert_int_equal(verdict(&f), HEADER_OK);
	assert_ok(keyring_write_id(f.k, id));
	assert_int_equal(header_open(f.k, f.h, &got, slot0), HEADER_OK);
	assert_memory_equal(slot0, id, KEY_ID);
}

static void round_trips(void **state)
{
	round_trip(RAW_TEXT);
	round_trip(PASS_TEXT);
}

static void keys_are_fresh(void **state)
{
	struct object_key a, b, c;

	assert_ok(object_key_new(&a));
	assert_ok(object_key_new(&b));
	assert_memory_not_equal(a.id, b.id, sizeof(a.id));
	assert_memory_not_equal(a.salt, b.salt, sizeof(a.salt));
	assert_memory_not_equal(a.dek, b.dek, sizeof(a.dek));
	assert_memory_not_equal(a.content, b.content, sizeof(a.content));
	assert_memory_not_equal(a.content, a.dek, sizeof(a.dek));
	assert_ok(object_key_from(a.id, a.salt, a.dek, &c));
	assert_memory_equal(&a, &c, sizeof(a));
	object_key_wipe(&a);
	assert_all((const uint8_t *)&a, sizeof(a), 0);
	object_key_wipe(NULL);
}

/* The verdict that format.md §2 gives for one flipped bit of a header with one slot. */
static enum header_verdict expected(unsigned byte, enum key_kind kind)
{
	if (byte < 8)
		return HEADER_FOREIGN;
	if (byte < COUNT_AT || byte == 12 || byte == 13)
		return HEADER_VERSION;
	if (byte >= SLOT_AT(0) && byte < SLOT_AT(0) + 12)
		return HEADER_NO_KEY; /* kind, parameters, key id: a slot for somebody else, as far as anyone can tell */
	if (kind == KEY_PASSPHRASE && byte >= SLOT_AT(0) + 12 && byte < SLOT_AT(0) + 44)
		return HEADER_NO_KEY; /* another salt gives another KEK and id */
	return HEADER_DAMAGED;
}

static void flip_all(const char *text)
{
	AUTO(release) struct fixture f;

	make(&f, text);
	for (unsigned bit = 0; bit < 8 * HEADER_BYTES; bit++) {
		flip(f.h, bit);
		enum header_verdict v = verdict(&f), want = expected(bit / 8, keyring_kind(f.k));

		if (v != want)
			fail_msg("bit %u of byte %u: verdict %d, not %d", bit % 8, bit / 8, v, want);
		flip(f.h, bit);
	}
	assert_int_equal(verdict(&f), HEADER_OK);
}

static void every_bit(void **state)
{
	flip_all(RAW_TEXT);
	flip_all(PASS_TEXT);
}

/* Bytes that must be 0, set under a good MAC. */
static void reserved_bytes(void **state)
{
	for (unsigned byte = 14; byte < MAC_AT; byte++) {
		bool slot_tail = byte >= SLOT_AT(0) + 92 && byte < SLOT_AT(1), raw_salt = byte >= SLOT_AT(0) + 12 && byte < SLOT_AT(0) + 44;

		if (byte > 15 && byte < SLOT_AT(1) && !slot_tail && !raw_salt)
			continue;
		AUTO(release) struct fixture f;

		make(&f, RAW_TEXT);
		f.h[byte] = 1;
		sign(&f);
		if (verdict(&f) != HEADER_DAMAGED)
			fail_msg("byte %u may be non-zero", byte);
		f.h[byte] = 0;
		sign(&f);
		assert_int_equal(verdict(&f), HEADER_OK);
	}
}

static void slot_counts(void **state)
{
	for (unsigned count = 0; count < 256; count++) {
		AUTO(release) struct fixture f;

		make(&f, RAW_TEXT);
		f.h[COUNT_AT] = (uint8_t)count;
		sign(&f); /* slots that are all 0 are of a kind nobody knows, and skipped */
		assert_int_equal(verdict(&f), count >= 1 && count <= 4 ? HEADER_OK : HEADER_DAMAGED);
	}
}

/* Slots of kinds and parameters that we don't know may hold anything. */
static void unknown_slots_are_skipped(void **state)
{
	AUTO(release) struct fixture f;
	AUTO(auto_keyring_free) struct keyring *other = parse_key(OTHER_TEXT);

	make(&f, RAW_TEXT);
	f.h[COUNT_AT] = 4;
	put_slot(&f, 3, f.k);
	put_slot(&f, 2, other);
	memset(f.h + SLOT_AT(0), 0xff, 96);
	memset(f.h + SLOT_AT(1), 0xff, 96);
	f.h[SLOT_AT(0)] = 3; /* X25519 */
	f.h[SLOT_AT(1)] = KEY_RAW; /* with unknown parameters */
	sign(&f);
	assert_int_equal(verdict(&f), HEADER_OK);
	f.h[SLOT_AT(2) + 95] = 1; /* somebody else's slot, but of a kind we know */
	sign(&f);
	assert_int_equal(verdict(&f), HEADER_DAMAGED);
	f.h[SLOT_AT(2) + 95] = 0;
	f.h[SLOT_AT(3)] = 3;
	sign(&f);
	assert_int_equal(verdict(&f), HEADER_NO_KEY);
}

/* A wrapped key belongs to its slot and its object. */
static void slots_do_not_move(void **state)
{
	AUTO(release) struct fixture f, g;
	uint8_t slot[96];

	make(&f, RAW_TEXT);
	make(&g, RAW_TEXT);
	memcpy(slot, f.h + SLOT_AT(0), 96);
	memset(f.h + SLOT_AT(0), 0, 96);
	memcpy(f.h + SLOT_AT(1), slot, 96);
	f.h[COUNT_AT] = 2;
	sign(&f);
	assert_int_equal(verdict(&f), HEADER_DAMAGED);
	memcpy(g.h + SLOT_AT(0), slot, 96);
	sign(&g);
	assert_int_equal(verdict(&g), HEADER_DAMAGED);
}

/* The first slot that is ours decides; a second one is no second chance. */
static void first_slot_decides(void **state)
{
	AUTO(release) struct fixture f;

	make(&f, RAW_TEXT);
	f.h[COUNT_AT] = 2;
	put_slot(&f, 1, f.k);
	sign(&f);
	assert_int_equal(verdict(&f), HEADER_OK);
	f.h[SLOT_AT(0) + 44] ^= 1;
	sign(&f);
	assert_int_equal(verdict(&f), HEADER_DAMAGED);
}

/* The commitment is looked at even where the MAC is good. */
static void commitment_alone(void **state)
{
	AUTO(release) struct fixture f;

	make(&f, RAW_TEXT);
	f.h[64] ^= 1;
	sign(&f);
	assert_int_equal(verdict(&f), HEADER_DAMAGED);
}

static void wrong_key(void **state)
{
	const char *texts[] = { RAW_TEXT, OTHER_TEXT, PASS_TEXT, PASS_TEXT "!" };

	for (unsigned writer = 0; writer < 4; writer++)
		for (unsigned reader = 0; reader < 4; reader++) {
			AUTO(release) struct fixture f;
			AUTO(auto_keyring_free) struct keyring *k = parse_key(texts[reader]);
			struct object_key got;
			uint8_t id[KEY_ID], slot0[KEY_ID];

			make(&f, texts[writer]);
			assert_ok(keyring_write_id(f.k, id));
			assert_int_equal(header_open(k, f.h, &got, slot0), reader == writer ? HEADER_OK : HEADER_NO_KEY);
			assert_memory_equal(slot0, id, KEY_ID);
		}
}

static void slot0_id_before_it_is_known(void **state)
{
	AUTO(release) struct fixture f;
	struct object_key got;
	uint8_t id[KEY_ID] = { 5 };

	make(&f, RAW_TEXT);
	f.h[8] = 2;
	assert_int_equal(header_open(f.k, f.h, &got, id), HEADER_VERSION);
	assert_all(id, KEY_ID, 0);
}

/* Out of memory is not damage. */
static void failed_is_not_damaged(void **state)
{
	AUTO(release) struct fixture f;
	AUTO(auto_keyring_free) struct keyring *reader = parse_key(PASS_TEXT);
	struct object_key got;

	make(&f, PASS_TEXT);
	fake_scrypt_reset(ENOMEM, 0);
	assert_int_equal(header_open(reader, f.h, &got, NULL), HEADER_FAILED);
	fake_scrypt_reset(0, 0);
	assert_int_equal(header_open(reader, f.h, &got, NULL), HEADER_OK);
}

static void no_salt_no_header(void **state)
{
	AUTO(auto_keyring_free) struct keyring *k = parse_key(PASS_TEXT);
	struct object_key key;
	uint8_t h[HEADER_BYTES];

	assert_ok(object_key_new(&key));
	assert_int_equal(header_make(k, &key, h), EAGAIN);
}

static void magic_only(void **state)
{
	AUTO(release) struct fixture f;

	make(&f, RAW_TEXT);
	assert_true(header_has_magic(f.h, sizeof(f.h)));
	assert_true(header_has_magic(f.h, 8));
	for (size_t len = 0; len < 8; len++)
		assert_false(header_has_magic(f.h, len));
	for (size_t bit = 0; bit < 64; bit++) {
		flip(f.h, bit);
		assert_false(header_has_magic(f.h, sizeof(f.h)));
		flip(f.h, bit);
	}
}

static void slots_without_a_key(void **state)
{
	AUTO(release) struct fixture f;
	struct key_slot slots[HEADER_SLOTS];
	uint8_t id[KEY_ID], salt[KEY_SALT] = { 4, 2 };
	unsigned count = 0;

	make(&f, PASS_TEXT);
	assert_ok(keyring_write_id(f.k, id));
	assert_ok(header_slots(f.h, slots, &count));
	assert_int_equal(count, 1);
	assert_int_equal(slots[0].kind, KEY_PASSPHRASE);
	assert_memory_equal(slots[0].key_id, id, KEY_ID);
	assert_memory_equal(slots[0].salt, salt, KEY_SALT);
	const unsigned bad[] = { 0, 8, 9, 10, COUNT_AT, 12, 13 };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		f.h[bad[i]] ^= 0x81;
		assert_int_equal(header_slots(f.h, slots, &count), EBADMSG);
		f.h[bad[i]] ^= 0x81;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(round_trips, reset),
		cmocka_unit_test_setup(keys_are_fresh, reset),
		cmocka_unit_test_setup(every_bit, reset),
		cmocka_unit_test_setup(reserved_bytes, reset),
		cmocka_unit_test_setup(slot_counts, reset),
		cmocka_unit_test_setup(unknown_slots_are_skipped, reset),
		cmocka_unit_test_setup(slots_do_not_move, reset),
		cmocka_unit_test_setup(first_slot_decides, reset),
		cmocka_unit_test_setup(commitment_alone, reset),
		cmocka_unit_test_setup(wrong_key, reset),
		cmocka_unit_test_setup(slot0_id_before_it_is_known, reset),
		cmocka_unit_test_setup(failed_is_not_damaged, reset),
		cmocka_unit_test_setup(no_salt_no_header, reset),
		cmocka_unit_test_setup(magic_only, reset),
		cmocka_unit_test_setup(slots_without_a_key, reset),
	};

	return cmocka_run_group_tests_name("header", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Input: one byte of switches, then a header (what is missing is 0). The switches make parts of it good again, so that the fuzzer gets behind
 * the checks that it could never pass by chance: the magic, a wrapped key, the commitment and the MAC. */
#include "crypto/aead.h"
#include "crypto/header.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIX_LEAD = 1, FIX_IDS = 2, FIX_SLOT = 4, FIX_COMMITMENT = 8, FIX_MAC = 16, PASSPHRASE = 32, SLOT_SHIFT = 6 };

static struct keyring *raw, *passphrase;
static struct object_key known;

static void setup(void)
{
	static const char hex[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", words[] = "correct horse battery staple";
	const uint8_t id[OBJECT_ID] = { 1 }, salt[32] = { 2 }, dek[32] = { 3 }, pass_salt[KEY_SALT] = { 4 };
	char error[200];

	if (raw)
		return;
	assert(keyring_parse(hex, strlen(hex), &raw, error, sizeof(error)) == 0);
	assert(keyring_parse(words, strlen(words), &passphrase, error, sizeof(error)) == 0);
	assert(keyring_use_salt(passphrase, pass_salt) == 0);
	assert(object_key_from(id, salt, dek, &known) == 0);
}

static void derive(const char *label, uint8_t out[32])
{
	assert(hkdf_sha256(known.dek, 32, known.salt, 32, label, strlen(label), out, 32) == 0);
}

static void put_slot(struct keyring *k, unsigned index, uint8_t *at)
{
	struct key_slot slot;

	assert(keyring_wrap(k, index, known.id, known.dek, &slot) == 0);
	at[0] = slot.kind;
	memcpy(at + 1, slot.params, 3);
	memcpy(at + 4, slot.key_id, KEY_ID);
	memcpy(at + 12, slot.salt, KEY_SALT);
	memcpy(at + 44, slot.wrapped, 48);
}

static void fix(uint8_t switches, struct keyring *k, uint8_t h[HEADER_BYTES])
{
	static const uint8_t lead[] = { 0x89, 'P', 'S', 'F', '\r', '\n', 0x1a, '\n', 1, 1, 16 };
	uint8_t mac_key[32];

	if (switches & FIX_LEAD) {
		memcpy(h, lead, sizeof(lead));
		h[12] = 2;
		h[13] = 0;
	}
	if (switches & FIX_IDS) {
		memcpy(h + 16, known.id, OBJECT_ID);
		memcpy(h + 32, known.salt, 32);
	}
	if (switches & FIX_SLOT)
		put_slot(k, switches >> SLOT_SHIFT, h + 96 + 96 * (switches >> SLOT_SHIFT));
	if (switches & FIX_COMMITMENT)
		derive("pishopfs/v1/commitment", h + 64);
	if (switches & FIX_MAC) {
		derive("pishopfs/v1/header-mac", mac_key);
		assert(hmac_sha256(mac_key, h, 480, h + 480) == 0);
	}
}

static int all_zero(const uint8_t *p, size_t n)
{
	while (n)
		if (p[--n])
			return 0;
	return 1;
}

/* What must be true of any header that was taken, read off the bytes in the plainest way. */
static void check_taken(struct keyring *k, uint8_t h[HEADER_BYTES], const struct object_key *got)
{
	struct object_key again;
	unsigned count = h[11];

	assert(memcmp(got->id, h + 16, OBJECT_ID) == 0 && memcmp(got->salt, h + 32, 32) == 0);
	assert(count >= 1 && count <= 4 && all_zero(h + 14, 2));
	assert(all_zero(h + 96 + 96 * count, 96 * (4 - count)));
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *s = h + 96 + 96 * i;

		if (s[0] == KEY_RAW && all_zero(s + 1, 3))
			assert(all_zero(s + 12, 32) && all_zero(s + 92, 4));
		if (s[0] == KEY_PASSPHRASE && s[1] == 15 && s[2] == 8 && s[3] == 3)
			assert(all_zero(s + 92, 4));
	}
	/* One bit anywhere, chosen by what the fuzzer varies, and it is taken no more. */
	unsigned bit = (h[500] << 8 | h[501]) % (8 * HEADER_BYTES);

	h[bit / 8] ^= (uint8_t)(1 << bit % 8);
	assert(header_open(k, h, &again, NULL) != HEADER_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t h[HEADER_BYTES] = { 0 }, slot0[KEY_ID];
	struct key_slot slots[HEADER_SLOTS];
	struct object_key got;
	unsigned count = 0;

	setup();
	if (!size)
		return 0;
	memcpy(h, data + 1, min_size(size - 1, sizeof(h)));
	struct keyring *k = data[0] & PASSPHRASE ? passphrase : raw;

	fix(data[0], k, h);
	int listed = header_slots(h, slots, &count);
	enum header_verdict verdict = header_open(k, h, &got, slot0);

	assert(verdict != HEADER_FAILED);
	assert((verdict == HEADER_FOREIGN) == !header_has_magic(h, sizeof(h)));
	if (verdict == HEADER_OK || verdict == HEADER_NO_KEY)
		assert(listed == 0 && count == h[11] && memcmp(slot0, h + 100, KEY_ID) == 0);
	if (verdict == HEADER_OK)
		check_taken(k, h, &got);
	return 0;
}

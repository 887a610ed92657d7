/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/header.h"

#include "base/rand.h"
#include "crypto/aead.h"
#include "crypto/secret.h"
#include "crypto/slot.h"

#include <errno.h>

#define CHUNK_LOG2 16u
#define MAC_OFFSET 480u

static const uint8_t magic[8] = { 0x89, 'P', 'S', 'F', '\r', '\n', 0x1a, '\n' };

/* A header's 512 bytes, decoded and not yet believed. */
struct image {
	uint8_t version, suite, chunk_log2, count;
	uint16_t length, reserved;
	uint8_t id[OBJECT_ID], salt[32], commitment[32], mac[32];
	struct slot_image slots[HEADER_SLOTS];
	bool unused_clean; /* all bytes of the slots from `count` on are 0 */
};

static int derive(const struct object_key *key, const char *label, uint8_t out[32])
{
	return hkdf_sha256(key->dek, sizeof(key->dek), key->salt, sizeof(key->salt), label, strlen(label), out, 32);
}

int object_key_from(const uint8_t id[OBJECT_ID], const uint8_t salt[32], const uint8_t dek[32], struct object_key *out)
{
	memcpy(out->id, id, OBJECT_ID);
	memcpy(out->salt, salt, sizeof(out->salt));
	memcpy(out->dek, dek, sizeof(out->dek));
	int rc = derive(out, "pishopfs/v1/content", out->content);

	if (rc)
		object_key_wipe(out);
	return rc;
}

int object_key_new(struct object_key *out)
{
	uint8_t id[OBJECT_ID], salt[32];
	SECRET(dek);

	rand_bytes(id, sizeof(id));
	rand_bytes(salt, sizeof(salt));
	rand_bytes(dek.b, sizeof(dek.b));
	return object_key_from(id, salt, dek.b, out);
}

void object_key_wipe(struct object_key *k)
{
	if (k)
		explicit_bzero(k, sizeof(*k));
}

static int make_mac(const struct object_key *key, const uint8_t *header, uint8_t out[32])
{
	SECRET(mac_key);
	int rc = derive(key, "pishopfs/v1/header-mac", mac_key.b);

	return rc ? rc : hmac_sha256(mac_key.b, header, MAC_OFFSET, out);
}

static int put_header(struct buf *b, const struct object_key *key, const uint8_t commitment[32], const struct key_slot *slot)
{
	bool failed = buf_put(b, magic, sizeof(magic)) || buf_put_u8(b, FORMAT_VERSION) || buf_put_u8(b, FORMAT_SUITE) ||
		      buf_put_u8(b, CHUNK_LOG2) || buf_put_u8(b, 1) || buf_put_u16(b, HEADER_BYTES) || buf_put_u16(b, 0) ||
		      buf_put(b, key->id, OBJECT_ID) || buf_put(b, key->salt, sizeof(key->salt)) || buf_put(b, commitment, 32) ||
		      slot_put(b, slot) || buf_fill(b, 0, MAC_OFFSET - b->len);

	return failed ? ENOMEM : 0;
}

int header_make(struct keyring *keys, const struct object_key *key, uint8_t out[HEADER_BYTES])
{
	AUTO(buf_free) struct buf b;
	struct key_slot slot;
	uint8_t commitment[32], mac[32];

	buf_init(&b, HEADER_BYTES);
	int rc = keyring_wrap(keys, 0, key->id, key->dek, &slot);

	if (!rc)
		rc = derive(key, "pishopfs/v1/commitment", commitment);
	if (!rc)
		rc = put_header(&b, key, commitment, &slot);
	if (!rc)
		rc = make_mac(key, b.data, mac);
	if (!rc)
		rc = buf_put(&b, mac, sizeof(mac));
	if (!rc)
		memcpy(out, b.data, HEADER_BYTES);
	return rc;
}

int header_has_magic(const uint8_t *in, size_t len)
{
	return len >= sizeof(magic) && memcmp(in, magic, sizeof(magic)) == 0;
}

static int get_slots(struct buf *b, struct image *h)
{
	h->unused_clean = true;
	for (unsigned i = 0; i < HEADER_SLOTS; i++) {
		struct buf raw = *b;

		if (slot_get(b, &h->slots[i]))
			return EBADMSG;
		if (i >= h->count && buf_get_zero(&raw, SLOT_BYTES))
			h->unused_clean = false;
	}
	return 0;
}

static int decode(const uint8_t in[HEADER_BYTES], struct image *h)
{
	struct buf b;
	uint8_t lead[sizeof(magic)];

	buf_view(&b, in, HEADER_BYTES);
	if (buf_get(&b, lead, sizeof(lead)) || buf_get_u8(&b, &h->version) || buf_get_u8(&b, &h->suite) || buf_get_u8(&b, &h->chunk_log2) ||
	    buf_get_u8(&b, &h->count) || buf_get_u16(&b, &h->length) || buf_get_u16(&b, &h->reserved) || buf_get(&b, h->id, OBJECT_ID) ||
	    buf_get(&b, h->salt, sizeof(h->salt)) || buf_get(&b, h->commitment, sizeof(h->commitment)) || get_slots(&b, h) ||
	    buf_get(&b, h->mac, sizeof(h->mac)))
		return EBADMSG;
	return 0;
}

/* What can be said without a key: HEADER_OK, or the first thing that does not fit. */
static enum header_verdict examine(const uint8_t in[HEADER_BYTES], struct image *h)
{
	if (!header_has_magic(in, HEADER_BYTES))
		return HEADER_FOREIGN;
	if (decode(in, h))
		return HEADER_DAMAGED;
	if (h->version != FORMAT_VERSION || h->suite != FORMAT_SUITE || h->chunk_log2 != CHUNK_LOG2 || h->length != HEADER_BYTES)
		return HEADER_VERSION;
	return h->count >= 1 && h->count <= HEADER_SLOTS ? HEADER_OK : HEADER_DAMAGED;
}

static enum header_verdict unwrap(struct keyring *keys, const struct image *h, struct object_key *out)
{
	SECRET(dek);
	int rc = ENOKEY;

	for (unsigned i = 0; i < h->count && rc == ENOKEY; i++)
		rc = keyring_unwrap(keys, i, h->id, &h->slots[i].slot, dek.b);
	if (rc == ENOKEY)
		return HEADER_NO_KEY;
	if (rc == EKEYREJECTED)
		return HEADER_DAMAGED;
	if (rc)
		return HEADER_FAILED;
	return object_key_from(h->id, h->salt, dek.b, out) ? HEADER_FAILED : HEADER_OK;
}

/* Whether the DEK is the one this header was made with, and the header as it was made. */
static enum header_verdict authenticate(const uint8_t in[HEADER_BYTES], const struct image *h, const struct object_key *key)
{
	uint8_t expected[32];

	if (derive(key, "pishopfs/v1/commitment", expected))
		return HEADER_FAILED;
	if (!crypto_equal(expected, h->commitment, sizeof(expected)))
		return HEADER_DAMAGED;
	if (make_mac(key, in, expected))
		return HEADER_FAILED;
	return crypto_equal(expected, h->mac, sizeof(expected)) ? HEADER_OK : HEADER_DAMAGED;
}

static bool reserved_clean(const struct image *h)
{
	for (unsigned i = 0; i < h->count; i++)
		if (!slot_is_clean(&h->slots[i]))
			return false;
	return h->reserved == 0 && h->unused_clean;
}

enum header_verdict header_open(struct keyring *keys, const uint8_t in[HEADER_BYTES], struct object_key *out, uint8_t slot0_id[KEY_ID])
{
	AUTO(object_key_wipe) struct object_key key = { 0 };
	struct image h = { 0 };
	enum header_verdict verdict = examine(in, &h);

	if (slot0_id)
		memset(slot0_id, 0, KEY_ID);
	if (verdict != HEADER_OK)
		return verdict;
	if (slot0_id)
		memcpy(slot0_id, h.slots[0].slot.key_id, KEY_ID);
	verdict = unwrap(keys, &h, &key);
	if (verdict == HEADER_OK)
		verdict = authenticate(in, &h, &key);
	if (verdict == HEADER_OK && !reserved_clean(&h))
		verdict = HEADER_DAMAGED;
	if (verdict == HEADER_OK)
		*out = key;
	return verdict;
}

int header_slots(const uint8_t in[HEADER_BYTES], struct key_slot slots[HEADER_SLOTS], unsigned *count)
{
	struct image h = { 0 };

	if (examine(in, &h) != HEADER_OK)
		return EBADMSG;
	for (unsigned i = 0; i < HEADER_SLOTS; i++)
		slots[i] = h.slots[i].slot;
	*count = h.count;
	return 0;
}

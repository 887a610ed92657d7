/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/chunks.h"

#include "base/rand.h"
#include "crypto/aead.h"

#include <errno.h>

uint64_t chunk_count(uint64_t plain_size)
{
	return plain_size ? (plain_size - 1) / CHUNK_BYTES + 1 : 1;
}

uint64_t object_length(uint64_t plain_size)
{
	if (plain_size > PLAIN_SIZE_MAX)
		return 0;
	return OBJECT_EXTRA + plain_size + RECORD_EXTRA * chunk_count(plain_size);
}

int plain_size_of(uint64_t object_len, uint64_t *plain_size)
{
	if (object_len < OBJECT_EXTRA + RECORD_EXTRA || object_len > object_length(PLAIN_SIZE_MAX))
		return EBADMSG;

	uint64_t records = object_len - OBJECT_EXTRA;
	uint64_t count = (records - 1) / RECORD_BYTES + 1;
	uint64_t last = records - (count - 1) * RECORD_BYTES; /* length of the last record, 1 .. RECORD_BYTES */

	if (last < RECORD_EXTRA || (last == RECORD_EXTRA && count > 1))
		return EBADMSG;
	*plain_size = records - count * RECORD_EXTRA;
	return 0;
}

uint64_t chunk_offset(uint64_t k)
{
	return HEADER_BYTES + k * RECORD_BYTES;
}

uint64_t trailer_offset(uint64_t plain_size)
{
	return HEADER_BYTES + plain_size + RECORD_EXTRA * chunk_count(plain_size);
}

uint32_t chunk_plain_len(uint64_t plain_size, uint64_t k)
{
	uint64_t count = chunk_count(plain_size);

	if (k >= count)
		return 0;
	return (uint32_t)(k < count - 1 ? CHUNK_BYTES : plain_size - k * CHUNK_BYTES);
}

#define AAD_BYTES (OBJECT_ID + 8 + 1)

/* What binds a record to its object, its place and its role. */
static void make_aad(uint8_t aad[AAD_BYTES], const struct object_key *key, uint64_t k, enum chunk_kind kind)
{
	memcpy(aad, key->id, OBJECT_ID);
	for (unsigned i = 0; i < 8; i++)
		aad[OBJECT_ID + i] = (uint8_t)(k >> (56 - 8 * i));
	aad[OBJECT_ID + 8] = (uint8_t)kind;
}

int chunk_seal(const struct object_key *key, uint64_t k, enum chunk_kind kind, uint8_t nonce[12], uint8_t *data, size_t len, uint8_t tag[16])
{
	uint8_t aad[AAD_BYTES];

	if (len > CHUNK_BYTES)
		return EINVAL;
	make_aad(aad, key, k, kind);
	rand_bytes(nonce, AEAD_NONCE);
	return aead_seal(key->content, nonce, aad, sizeof(aad), data, len, tag);
}

int chunk_open(const struct object_key *key, uint64_t k, enum chunk_kind kind, const uint8_t nonce[12], uint8_t *data, size_t len,
	       const uint8_t tag[16])
{
	uint8_t aad[AAD_BYTES];

	if (len > CHUNK_BYTES)
		return EINVAL;
	make_aad(aad, key, k, kind);
	return aead_open(key->content, nonce, aad, sizeof(aad), data, len, tag);
}

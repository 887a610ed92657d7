/* SPDX-License-Identifier: Apache-2.0 */
/* Input: one byte of switches, the plain size (8), then a trailer as it stands in an object, or its 228 plain bytes, which are then sealed
 * here, so that the fuzzer gets behind the tag. What is missing is 0. */
#include "base/buf.h"
#include "crypto/trailer.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEAL_BODY = 1, FIX_SIZE = 2 };
#define BODY_BYTES (TRAILER_BYTES - RECORD_EXTRA)

static struct object_key known;

static void seal(uint8_t switches, uint64_t plain_size, uint8_t bytes[TRAILER_BYTES])
{
	uint8_t *body = bytes + 12;

	memmove(body, bytes, BODY_BYTES);
	if (switches & FIX_SIZE)
		for (unsigned i = 0; i < 8; i++)
			body[32 + i] = (uint8_t)(plain_size >> (56 - 8 * i));
	assert(chunk_seal(&known, chunk_count(plain_size), CHUNK_TRAILER, bytes, body, BODY_BYTES, body + BODY_BYTES) == 0);
}

/* A trailer that was taken can be sealed again, and gives the same 228 bytes: no two of them mean the same. */
static void check_taken(const struct trailer *t, const uint8_t bytes[TRAILER_BYTES], uint64_t plain_size)
{
	uint8_t a[TRAILER_BYTES], b[TRAILER_BYTES];
	uint64_t k = chunk_count(plain_size);

	assert(t->size == plain_size && t->type >= 1 && t->type <= 4 && t->state <= 4 && t->mode <= 07777);
	memcpy(a, bytes, sizeof(a));
	assert(trailer_seal(&known, t, b) == 0);
	assert(chunk_open(&known, k, CHUNK_TRAILER, a, a + 12, BODY_BYTES, a + 12 + BODY_BYTES) == 0);
	assert(chunk_open(&known, k, CHUNK_TRAILER, b, b + 12, BODY_BYTES, b + 12 + BODY_BYTES) == 0);
	assert(memcmp(a + 12, b + 12, BODY_BYTES) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t id[OBJECT_ID] = { 1 }, salt[32] = { 2 }, dek[32] = { 3 };
	uint8_t bytes[TRAILER_BYTES] = { 0 };
	uint64_t plain_size;
	struct trailer t;
	struct buf in;

	assert(object_key_from(id, salt, dek, &known) == 0);
	buf_view(&in, data + (size ? 1 : 0), size ? size - 1 : 0);
	if (buf_get_u64(&in, &plain_size) || buf_get(&in, bytes, min_size(buf_left(&in), sizeof(bytes))))
		return 0;
	if (data[0] & SEAL_BODY)
		seal(data[0], plain_size, bytes);
	int rc = trailer_open(&known, bytes, plain_size, &t);

	assert(rc == 0 || rc == EBADMSG);
	if (rc == 0)
		check_taken(&t, bytes, plain_size);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "crypto/header.h"

#include <stdint.h>

/* Chunk records and the arithmetic of lengths. docs/format.md §4.
 *
 * A record is nonce 12, ciphertext of n bytes, tag 16. Chunk k holds plain bytes k*65536 .. and lies at chunk_offset(k). */
#define CHUNK_BYTES 65536u
#define RECORD_EXTRA 28u
#define RECORD_BYTES (CHUNK_BYTES + RECORD_EXTRA)
#define TRAILER_BYTES 256u
#define OBJECT_EXTRA (HEADER_BYTES + TRAILER_BYTES)
#define PLAIN_SIZE_MAX (UINT64_C(1) << 47) /* 128 TiB: keeps the records under one key below 2^32; format.md §4 */

enum chunk_kind { CHUNK_INNER = 0, CHUNK_LAST = 1, CHUNK_TRAILER = 2 };

/* Number of chunks of a file of that size: max(1, ceil(size/65536)). */
uint64_t chunk_count(uint64_t plain_size);
/* Length of the object of a file of that size; 0 for a size over PLAIN_SIZE_MAX, which no object can hold. */
uint64_t object_length(uint64_t plain_size);
/* Size of the file in an object of that length: 0, or EBADMSG where no file can have it. */
int plain_size_of(uint64_t object_len, uint64_t *plain_size);
/* Where record k begins in the object; where the trailer begins is chunk_offset of the last + its record. */
uint64_t chunk_offset(uint64_t k);
uint64_t trailer_offset(uint64_t plain_size);
/* Plain bytes of chunk k of a file of that size (0 for the one chunk of an empty file). */
uint32_t chunk_plain_len(uint64_t plain_size, uint64_t k);

/* Encrypts len <= 65536 bytes in place with a fresh random nonce. EINVAL over that; ENOMEM. */
int chunk_seal(const struct object_key *key, uint64_t k, enum chunk_kind kind, uint8_t nonce[12], uint8_t *data, size_t len, uint8_t tag[16]);
/* In place; EBADMSG: damaged, moved, or of another object or kind. ENOMEM and EINVAL (len) say nothing about the record. Data is zeros after
 * any error but EINVAL. */
int MUST_CHECK chunk_open(const struct object_key *key, uint64_t k, enum chunk_kind kind, const uint8_t nonce[12], uint8_t *data, size_t len,
			  const uint8_t tag[16]);

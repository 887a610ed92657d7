/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* SHA-256 of pieces, for digests that records compare: listings, lines of the audit log. Any thread; nothing blocks. */
#define DIGEST_BYTES 32u
#define DIGEST_HEX 65u /* lower case, with NUL */

struct digest; /* one computation */
int digest_new(struct digest **out); /* ENOMEM */
void digest_add(struct digest *d, const void *data, size_t len);
void digest_end(struct digest *d, uint8_t out[DIGEST_BYTES]); /* and begins anew */
void digest_free(struct digest *d); /* NULL is legal */

/* SHA-256(before ‖ data): a chain of one entry after the other without a context for each chain. before may be the same memory as out. ENOMEM. */
int digest_chain(uint8_t out[DIGEST_BYTES], const uint8_t before[DIGEST_BYTES], const void *data, size_t len);
void digest_hex(char out[DIGEST_HEX], const uint8_t digest[DIGEST_BYTES]);

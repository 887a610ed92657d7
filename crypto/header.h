/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "crypto/keyring.h"

/* The 512-byte header of an object, and the keys it gives. docs/format.md §2. */
#define HEADER_BYTES 512u
#define HEADER_SLOTS 4u
#define OBJECT_ID 16u

/* The keys of one object in RAM. DEK, salt and id were drawn together, once; copies of the struct are copies of the keys: wipe them
 * with object_key_wipe. Immutable after it was made; any thread may use it. */
struct object_key {
	uint8_t id[OBJECT_ID];
	uint8_t salt[32];
	uint8_t dek[32];
	uint8_t content[32]; /* AES-256-GCM key of chunks and trailer */
};

/* Draws a new DEK, salt and id. */
int object_key_new(struct object_key *out);
/* For vectors: the same from given bytes. */
int object_key_from(const uint8_t id[OBJECT_ID], const uint8_t salt[32], const uint8_t dek[32], struct object_key *out);
void object_key_wipe(struct object_key *k);

/* Writes a header with one slot for the keyring's write KEK. Two calls with the same key give the same bytes. EAGAIN: no salt chosen. */
int header_make(struct keyring *keys, const struct object_key *key, uint8_t out[HEADER_BYTES]);

enum header_verdict {
	HEADER_OK,
	HEADER_FOREIGN,   /* no magic of ours: not an object of this program */
	HEADER_VERSION,   /* ours, but of a version, suite or chunk size this program does not know */
	HEADER_NO_KEY,    /* ours, but no slot is for our key; key_id tells whose slot 0 is */
	HEADER_DAMAGED,   /* commitment, MAC, reserved bytes, slot count or wrap do not fit */
	HEADER_FAILED     /* could not look (no memory): says nothing about the object; EIO, and never "damaged" */
};

/* Checks in this order: magic, version/suite/chunk/length, slot count, unwrap, commitment, MAC, reserved bytes. *out is filled on
 * HEADER_OK only. slot0_id (may be NULL) is slot 0's key id on HEADER_OK, HEADER_NO_KEY and HEADER_DAMAGED, as it stands there (not
 * authenticated but on HEADER_OK), else zeros. May derive a key (0.3 s a slot) for a passphrase. */
enum header_verdict header_open(struct keyring *keys, const uint8_t in[HEADER_BYTES], struct object_key *out, uint8_t slot0_id[KEY_ID]);
/* Only the magic, for listings and tools: 1 when it is there. */
int header_has_magic(const uint8_t *in, size_t len);
/* Slots as written, without any key: 0 or EBADMSG (no magic, unknown version, bad count). Not authenticated. */
int header_slots(const uint8_t in[HEADER_BYTES], struct key_slot slots[HEADER_SLOTS], unsigned *count);

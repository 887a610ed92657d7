/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "crypto/keyring.h"

/* The 96 bytes of a slot; docs/format.md §3.2. Private to crypto/. */
#define SLOT_BYTES 96u
#define FORMAT_VERSION 1u
#define FORMAT_SUITE 1u /* AES-256-GCM, HKDF-SHA256, HMAC-SHA256 */

/* A slot as it stands in a header. */
struct slot_image {
	struct key_slot slot;
	uint32_t reserved; /* bytes 92..95, to be 0 in the kinds we know */
};

/* 0, ENOBUFS or ENOMEM, as buf_put. */
int MUST_CHECK slot_put(struct buf *out, const struct key_slot *slot);
/* Decodes any 96 bytes; EBADMSG when fewer are left. */
int MUST_CHECK slot_get(struct buf *in, struct slot_image *image);
/* Whether kind and parameters are of format v1 (X25519 is not yet): others are skipped. */
bool slot_is_known(const struct key_slot *slot);
/* Whether the reserved bytes of a known slot are 0; true for unknown ones, whose bytes are not ours to judge. */
bool slot_is_clean(const struct slot_image *image);
/* The parameters that go with a kind. */
void slot_set_kind(struct key_slot *slot, enum key_kind kind);

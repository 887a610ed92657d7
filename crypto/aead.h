/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/auto.h"

#include <stdint.h>

/* The few primitives the format uses, from OpenSSL 3 (EVP). Any thread; nothing blocks but crypto_scrypt. All return 0, ENOMEM, ENOSYS (as
 * crypto_setup, which they call by themselves), or what is said. OpenSSL's error queue is left as it was. Secrets are the caller's to wipe
 * (explicit_bzero); what lies in OpenSSL's memory is wiped before a call returns. */
#define AEAD_KEY 32u
#define AEAD_NONCE 12u
#define AEAD_TAG 16u

/* Fetches the algorithms once; 0, or ENOSYS with a log line where this OpenSSL lacks one. Call it early to fail early; idempotent. */
int crypto_setup(void);

/* AES-256-GCM in place: data becomes ciphertext of the same length, tag is out. */
int aead_seal(const uint8_t key[AEAD_KEY], const uint8_t nonce[AEAD_NONCE], const void *aad, size_t aad_len, uint8_t *data, size_t len,
	      uint8_t tag[AEAD_TAG]);
/* In place; EBADMSG when the tag does not fit: data is then wiped to zeros. */
int MUST_CHECK aead_open(const uint8_t key[AEAD_KEY], const uint8_t nonce[AEAD_NONCE], const void *aad, size_t aad_len, uint8_t *data,
			 size_t len, const uint8_t tag[AEAD_TAG]);
/* HKDF-SHA256 (RFC 5869), extract and expand. key_len > 0; salt may be NULL (zero salt). EINVAL for out_len > 255*32 or info_len > 1024. */
int hkdf_sha256(const uint8_t *key, size_t key_len, const uint8_t *salt, size_t salt_len, const void *info, size_t info_len, uint8_t *out,
		size_t out_len);
/* HMAC-SHA256 with a 32-byte key, not truncated. */
int hmac_sha256(const uint8_t key[32], const void *data, size_t len, uint8_t out[32]);
/* scrypt with N = 2^15, r = 8, p = 3 (32 MiB; about 0.3 s): the only parameters of format v1. */
int crypto_scrypt(const char *passphrase, size_t len, const uint8_t salt[32], uint8_t out[32]);
/* Constant time: 1 when equal. */
int crypto_equal(const void *a, const void *b, size_t len);

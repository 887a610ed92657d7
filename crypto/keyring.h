/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/auto.h"

#include <stdbool.h>
#include <stdint.h>

/* The key of a mount: a raw 32-byte key, or a passphrase together with the salts that were met so far. docs/format.md §3.
 *
 * A raw key is one KEK. A passphrase gives one KEK a salt: keyring_derive turns salt into KEK and remembers the last 16, good ones
 * first; one thread derives at a time (32 MiB), others wait. The *write* KEK wraps the DEKs of new objects: for a raw key itself,
 * for a passphrase that of the salt chosen with keyring_use_salt. Any thread, after keyring_parse. */
#define KEY_ID 8u
#define KEY_SALT 32u

enum key_kind { KEY_RAW = 1, KEY_PASSPHRASE = 2 }; /* the slot kinds of the format; 3 (X25519) is reserved */

struct keyring;

/* Takes what the operator gave (BACKUP_ENCRYPTION_KEY or the secret file): one trailing newline is dropped; 64 hex digits, or base64
 * of 32 bytes, is a raw key; else a passphrase of 12 to 1024 bytes without control characters. Near misses (63 or 65 hex digits; base64 of
 * 31 or 33 bytes, without its "=", of the URL alphabet; a key in quotes or blanks), short passphrases and empty input: EINVAL with the
 * reason in error[cap] (never the key). ENOMEM, ENOSYS: error says so. The text is copied, kept out of swap and core dumps where the
 * system lets us (the child of a fork is not kept out of swap: parse behind it), and wiped on free. */
int keyring_parse(const char *text, size_t len, struct keyring **out, char *error, size_t cap);
void keyring_free(struct keyring *k); /* wipes */
DEFINE_AUTO(keyring, keyring_free)

/* Raw or passphrase; never changes. */
enum key_kind keyring_kind(const struct keyring *k);
/* Derives (or finds) the KEK of a salt and its id. Raw keys ignore the salt. Blocks about 0.3 s where it must derive. ENOMEM. */
int keyring_derive(struct keyring *k, const uint8_t salt[KEY_SALT], uint8_t key_id[KEY_ID]);
/* The salt under which new objects are written from now on. EINVAL for a raw key. */
int keyring_use_salt(struct keyring *k, const uint8_t salt[KEY_SALT]);
/* Remembers that a salt gave a key id that was not wanted, so that a hostile header cannot make us derive it again and again: its KEK
 * is wiped, its id kept. keyring_unwrap does so by itself. Never forgets the salt of the write KEK. */
void keyring_forget_salt(struct keyring *k, const uint8_t salt[KEY_SALT]);
/* Id of the write KEK; EAGAIN for a passphrase without a chosen salt. */
int keyring_write_id(struct keyring *k, uint8_t key_id[KEY_ID]);

/* What a slot of a header says, decoded; format.md §3.2. */
struct key_slot {
	uint8_t kind;        /* enum key_kind, or one we do not know */
	uint8_t params[3];
	uint8_t key_id[KEY_ID];
	uint8_t salt[KEY_SALT];
	uint8_t wrapped[48]; /* DEK 32, tag 16 */
};

/* Wraps dek for the write KEK into slot number `index` of an object. EAGAIN as above. */
int keyring_wrap(struct keyring *k, unsigned index, const uint8_t object_id[16], const uint8_t dek[32], struct key_slot *out);
/* Unwraps: 0; ENOKEY when the slot is for another key (kind, parameters or key id are not ours); EKEYREJECTED when the id fits but
 * the wrap does not open (damaged or forged); ENOMEM, ENOSYS: could not look. May derive. */
int keyring_unwrap(struct keyring *k, unsigned index, const uint8_t object_id[16], const struct key_slot *slot, uint8_t dek[32]);

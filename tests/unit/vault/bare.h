/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A bucket in memory, with faults and counters, and vaults upon it without their thread and without a start: nothing happens in them but what
 * the test calls. */
#include "s3/stores.h"
#include "vault/object.h"
#include "vault/vault_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct bucket {
	struct store *mem, *fault, *store; /* store: on top of all; the bucket owns it */
	/* How this store is worse than others. */
	bool ignore_if_none_match, ignore_if_match;
	bool forbid_if_match;      /* 403 on puts that carry one */
	bool match_missing;        /* If-Match passes where nothing stands */
	unsigned sticky_aborts;    /* so many aborts do nothing and say 0 */
};

struct bucket *bucket_new(void);
void bucket_free(struct bucket *b);
uint64_t bucket_calls(struct bucket *b, enum store_op op);
uint64_t bucket_calls_all(struct bucket *b);
/* Makes every object and part whose key contains the text look older. */
void bucket_age(struct bucket *b, const char *key_part, int64_t seconds);
bool bucket_has(struct bucket *b, const char *key);
bool bucket_has_upload(struct bucket *b, const char *key, const char *id);
/* The bytes of the object, in place, for damaging; NULL: none. */
uint8_t *bucket_bytes(struct bucket *b, const char *key, uint64_t *len);

/* read_slabs: the floor of SLAB_READ, of `slabs` in all. key: one letter, from which 32 key bytes are made. */
struct bare_options {
	uint32_t slabs, read_slabs;
	char key;
	bool read_only, foreign_read;
};
struct vault *bare_vault(struct bucket *b, const struct bare_options *options /* NULL: 1024 slabs, 256 of them, key 'k' */);
void bare_free(struct vault *v); /* checks that every slab is back */

/* Puts an object of the size straight into the bucket, its content being bytes of bare_byte. */
void bare_put(struct vault *v, const char *key, uint64_t size, struct trailer *attrs /* NULL: a closed file */);
uint8_t bare_byte(uint64_t offset);

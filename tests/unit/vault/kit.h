/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the tests of vault/ share: a vault on a memory store with small limits, under a layer of faults and one that counts. cmocka's own headers first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/trailer.h"
#include "s3/stores.h"
#include "vault/object.h"

#define KIT_PART (2u * CHUNK_BYTES)
#define KIT_KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KIT_OTHER_KEY "f00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

extern const struct store_limits kit_limits; /* parts of 100000 bytes and more, copies of up to 300000, pages and batches of 10 */

/* A bucket that outlives vaults: stores made from it are views of the same memory, and closing them leaves it there. */
struct kit_bucket;
struct kit_bucket *kit_bucket_new(const struct store_limits *limits); /* NULL: kit_limits */
void kit_bucket_free(struct kit_bucket *b);
struct store *kit_bucket_raw(struct kit_bucket *b); /* the memory store, without faults; owned by the bucket */

struct kit {
	struct kit_bucket *bucket;
	struct store *fault; /* rules go here */
	struct store *stats; /* counts, above the faults */
	struct vault *v;
	char error[1024];    /* of the last kit_open */
};

/* Makes the layers of the next vault on the bucket, so that faults can be set before it opens. */
void kit_prepare(struct kit *k);
/* Opens a vault on the bucket; key: text of the key. */
enum vault_failure kit_try_open(struct kit *k, const struct vault_config *config, const char *key);
void kit_open(struct kit *k, const struct vault_config *config, const char *key); /* fails the test when it does not open */
struct vault_config kit_config(void);
void kit_close(struct kit *k); /* the bucket stays */
/* The usual fixture: a bucket and an open vault; *state is struct kit. */
int kit_setup(void **state);
int kit_teardown(void **state);

uint64_t kit_calls(struct kit *k, enum store_op op); /* so many calls were made since the vault's store was made */
uint64_t kit_all_calls(struct kit *k);
void kit_fault(struct kit *k, enum store_op op, const char *key_part, unsigned skip, unsigned times, enum fault_action action, int error);
/* Before the next matching call, fn(arg) changes the bucket behind the vault's back. */
void kit_callback(struct kit *k, enum store_op op, const char *key_part, void (*fn)(void *arg), void *arg);

/* Puts a file of size bytes with the pattern of that seed through a second, quick path (not the writer): built here from crypto/ alone. */
struct object *kit_file(struct kit *k, const char *key, uint64_t size, uint8_t seed);
uint8_t kit_byte(uint64_t at, uint8_t seed);
void kit_check(const uint8_t *data, uint64_t offset, size_t len, uint8_t seed);

/* Bytes of the bucket, without any layer. */
void kit_raw_put(struct kit_bucket *b, const char *key, const void *data, size_t len);
size_t kit_raw_get(struct kit_bucket *b, const char *key, uint8_t **data, struct store_meta *meta); /* fails the test where nothing stands */
int kit_raw_head(struct kit_bucket *b, const char *key, struct store_meta *meta);
void kit_raw_flip(struct kit_bucket *b, const char *key, size_t at); /* one bit of byte `at` */
void kit_raw_cut(struct kit_bucket *b, const char *key, size_t len);
void kit_raw_remove(struct kit_bucket *b, const char *key);
unsigned kit_raw_uploads(struct kit_bucket *b, const char *key);
unsigned kit_raw_count(struct kit_bucket *b, const char *prefix); /* keys that begin with it, up to a page */
/* The log: from kit_log_begin on what the program logs goes into a file; kit_log_end gives it back, to be freed. */
void kit_log_begin(void);
char *kit_log_end(void);

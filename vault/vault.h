/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/pool.h"
#include "base/tally.h"
#include "crypto/keyring.h"
#include "s3/store.h"
#include "vault/path.h"

/* One opened prefix of a bucket: the store, the keys, the memory and the threads that everything in vault/ works with. */

struct vault_config {
	const char *prefix;       /* see path.h; copied */
	const char *tenant;       /* only this tenant, or NULL */
	bool read_only;           /* nothing is ever written: no layout, no key object, no record */
	bool foreign_read;        /* objects that are not ours may be read as they are (migration) */
	bool must_exist;          /* no layout marker is made: where there is none, VAULT_LAYOUT (for what acts on what is there) */
	bool accept_new_key;      /* a key that never wrote here is accepted although others did */
	uint64_t memory;          /* bytes of all slabs; at least VAULT_MEMORY_MIN */
	uint32_t part_bytes;      /* plain bytes of the first parts, a multiple of 64 KiB; 0: 8 MiB. Small in tests with small store limits */
	uint32_t data_timeout_ms; /* without an acknowledged byte; 0: 120000 */
	uint32_t meta_timeout_ms; /* 0: 30000 */
	uint32_t start_timeout_ms; /* whole vault_open; 0: 15000 */
	uint32_t record_every_s;  /* refresh of the writer's record; 0: 120 */
	uint32_t silent_after_s;  /* a writer whose record and parts are older (server's clock) is taken for dead; 0: 900 */
	unsigned commit_threads, upload_threads; /* 0: 32 and 8 */
};
#define VAULT_MEMORY_MIN (24u << 20)
/* Whether parts of that size, a multiple of 64 KiB, fit into that memory. */
bool vault_memory_fits(uint64_t memory, uint64_t part_bytes);

enum vault_failure { /* why vault_open failed: one exit code each */
	VAULT_OK,
	VAULT_UNREACHABLE, /* DNS, refused, timeout, TLS */
	VAULT_CREDENTIALS, /* wrong or not allowed to read here */
	VAULT_NO_BUCKET,
	VAULT_WRONG_KEY,   /* others' keys wrote here, ours did not */
	VAULT_LAYOUT,      /* unknown layout, a marker above or below the prefix, or damaged */
	VAULT_OTHER
};

struct vault;

/* Opens: probe, layout (created by the first mount that may write), key check, silent writers' records. Takes over store and keys, on failure too.
 * error[cap]: one line for people with object, cause and next step. Blocks up to start_timeout_ms. */
enum vault_failure vault_open(const struct vault_config *config, struct store *store, struct keyring *keys, struct vault **out, char *error,
			      size_t cap);
/* The mount's end has a deadline: from that moment on (clock_mono_ms) every request to the store fails with ESHUTDOWN, those under way too. vault_close
 * has five seconds of its own after it. Any thread; never blocks. */
void vault_end_by(struct vault *v, int64_t end_ms);
/* Sends deferred removals, ends records, stops threads, frees. All readers and writers must be gone. 0, or EIO when something did
 * not arrive (it was logged). */
int vault_close(struct vault *v);

/* What the rest of vault/ and fs/ may use directly. All stay valid until vault_close. */
struct store *vault_store(struct vault *v);
struct keyring *vault_keys(struct vault *v);
struct slabs *vault_slabs(struct vault *v);
struct tally *vault_names(struct vault *v); /* what listings, and the folders that remember them, take */
const struct path_rules *vault_rules(struct vault *v);
const struct vault_config *vault_settings(struct vault *v);
struct pool *vault_commit_pool(struct vault *v); /* jobs that may wait for a whole commit */
struct pool *vault_upload_pool(struct vault *v); /* jobs that wait for one request at most */
const uint8_t *vault_writer_id(struct vault *v); /* 16 bytes, drawn at open */

/* Whether a request that failed so may be good when it is sent again later: for those who wait as long as content may (data_timeout_ms). */
bool vault_may_pass(int rc);

/* The clock of progress: data deadlines run from the last acknowledged byte of the whole mount, so that a healthy long close never
 * times out. */
void vault_progress(struct vault *v);
int64_t vault_last_progress(struct vault *v); /* clock_mono_ms */

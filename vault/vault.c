/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/vault.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/sync.h"
#include "vault/audit.h"
#include "vault/object_private.h"
#include "vault/open.h"
#include "vault/run.h"
#include "vault/tree.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* How the memory is shared out, in slabs of 64 KiB; P = slabs of one part (128 at 8 MiB), T = memory / 64 KiB:
 *   commit  P + 1                 a part is built, and one chunk beside it
 *   read    max(32, T / 4)        2 MiB at least, so that reading always goes on
 *   write   min(2P, what is left) one part fills while one is sent
 *   names   3T / 16, or less down to T / 8 where no more is left; of which the readers give half of theirs where nothing is. Up to T / 4 while others do
 *           not want it
 * What is then left goes to whoever asks first. At the least memory, 24 MiB, and 8 MiB parts: T = 384 = 129 + 96 + 159.
 * Refused: memory in which a part and a chunk for the writers, too, find no place beside commit and read. */
#define READ_FLOOR_MIN 32u
#define RECOVER_EVERY_MS (5 * 60 * 1000)
#define CLOSE_MS 5000 /* for the records, after the deadline of vault_end_by */
#define AUDIT_EVERY_MS (60 * 1000)

static void set_defaults(struct vault_config *c)
{
	c->part_bytes = c->part_bytes ? c->part_bytes : 8u << 20;
	c->data_timeout_ms = c->data_timeout_ms ? c->data_timeout_ms : 120000;
	c->meta_timeout_ms = c->meta_timeout_ms ? c->meta_timeout_ms : 30000;
	c->start_timeout_ms = c->start_timeout_ms ? c->start_timeout_ms : 15000;
	c->record_every_s = c->record_every_s ? c->record_every_s : 120;
	c->silent_after_s = c->silent_after_s ? c->silent_after_s : 900;
	c->commit_threads = c->commit_threads ? c->commit_threads : 32;
	c->upload_threads = c->upload_threads ? c->upload_threads : 8;
}

static struct vault *vault_alloc(const struct vault_config *config, struct store *store, struct keyring *keys)
{
	struct vault *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->config = *config;
	set_defaults(&v->config);
	v->config.prefix = strdup(config->prefix ? config->prefix : "");
	v->config.tenant = config->tenant ? strdup(config->tenant) : NULL;
	if (!v->config.prefix || (config->tenant && !v->config.tenant)) {
		free((void *)(uintptr_t)v->config.prefix);
		free((void *)(uintptr_t)v->config.tenant);
		free(v);
		return NULL;
	}
	v->rules = (struct path_rules){ v->config.prefix, store->limits.key_max, store->limits.segment_max };
	v->store = store;
	v->keys = keys;
	v->progress_ms = clock_mono_ms();
	rand_bytes(v->writer_id, sizeof(v->writer_id));
	pthread_mutex_init(&v->lock, NULL);
	cond_init_mono(&v->stop_wake);
	return v;
}

static void vault_release(struct vault *v)
{
	pool_free(v->commit_pool); /* first: the last jobs tell writers and runs what became of them */
	pool_free(v->upload_pool);
	if (v->writers)
		writers_stop(v);
	audit_stop(v);
	if (v->runs)
		runs_stop(v);
	removals_stop(v);
	object_cache_stop(v);
	tally_free(v->names);
	slabs_free(v->slabs);
	keyring_free(v->keys);
	store_free(v->store);
	pthread_cond_destroy(&v->stop_wake);
	pthread_mutex_destroy(&v->lock);
	free((void *)(uintptr_t)v->config.prefix);
	free((void *)(uintptr_t)v->config.tenant);
	free(v);
}

static uint64_t read_floor(uint64_t total)
{
	return max_u64(READ_FLOOR_MIN, total / 4);
}

bool vault_memory_fits(uint64_t memory, uint64_t part_bytes)
{
	uint64_t total = memory / SLAB_BYTES, part = part_bytes / SLAB_BYTES;

	return memory >= VAULT_MEMORY_MIN && total <= UINT32_MAX && 2 * (part + 1) + read_floor(total) <= total;
}

/* EINVAL: the part size is none this store takes, or does not fit into the memory. */
static int share_memory(struct vault *v)
{
	uint64_t total = v->config.memory / SLAB_BYTES, part = v->config.part_bytes / SLAB_BYTES;
	uint64_t commit = part + 1, read = read_floor(total);

	if (v->config.part_bytes % SLAB_BYTES || v->config.part_bytes < v->store->limits.part_min ||
	    !vault_memory_fits(v->config.memory, v->config.part_bytes))
		return EINVAL;

	uint64_t write = min_u64(2 * part, total - commit - read), left = total - commit - read - write;
	uint64_t names = min_u64(total / 16 * 3, max_u64(total / 8, left));

	if (names > left)
		read = max_u64(READ_FLOOR_MIN, read - names);
	names = min_u64(names, total - commit - read - write);

	const uint32_t floor[SLAB_SIDES] = {
		[SLAB_WRITE] = (uint32_t)write, [SLAB_READ] = (uint32_t)read, [SLAB_COMMIT] = (uint32_t)commit, [SLAB_NAMES] = (uint32_t)names,
	};

	v->slabs = slabs_new((uint32_t)total, floor);
	v->names = v->slabs ? tally_new(v->slabs, SLAB_NAMES, (uint32_t)max_u64(names, total / 4)) : NULL;
	return v->names ? 0 : ENOMEM;
}

/* What needs no network. */
static int start_parts(struct vault *v)
{
	int rc = share_memory(v);

	v->commit_pool = pool_new("commit", v->config.commit_threads);
	v->upload_pool = pool_new("upload", v->config.upload_threads);
	if (!rc && (!v->commit_pool || !v->upload_pool))
		rc = ENOMEM;
	if (!rc)
		rc = object_cache_start(v);
	if (!rc)
		rc = removals_start(v);
	if (!rc)
		rc = runs_start(v);
	if (!rc)
		rc = audit_start(v);
	return rc ? rc : writers_start(v);
}

/* Milliseconds until the thread should look again; 0 where it was poked. Waits so long, or until it was poked or is to end: false. */
static bool thread_wait(struct vault *v, int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;

	pthread_mutex_lock(&v->lock);
	while (!v->stop && !v->poked && clock_mono_ms() < until)
		cond_wait_until(&v->stop_wake, &v->lock, until);
	v->poked = false;

	bool go_on = !v->stop;

	pthread_mutex_unlock(&v->lock);
	return go_on;
}

/* The vault's thread: what is due by the clock. */
static void *thread_run(void *arg)
{
	struct vault *v = arg;
	int64_t now = clock_mono_ms(), next_tick = now + 1000, next_recover = now + RECOVER_EVERY_MS, next_audit = now + AUDIT_EVERY_MS;

	while (thread_wait(v, removals_tick(v))) {
		now = clock_mono_ms();
		if (now >= next_tick) {
			run_tick(v);
			next_tick = now + 1000;
		}

		struct store_call call = { .cancel = &v->ending };

		if (now >= next_audit) {
			audit_tick(v, &call);
			next_audit = clock_mono_ms() + AUDIT_EVERY_MS;
		}
		if (now >= next_recover) {
			run_recover(v, v->config.tenant, &call);
			next_recover = clock_mono_ms() + RECOVER_EVERY_MS;
		}
	}
	return NULL;
}

void vault_poke(struct vault *v)
{
	pthread_mutex_lock(&v->lock);
	v->poked = true;
	pthread_cond_broadcast(&v->stop_wake);
	pthread_mutex_unlock(&v->lock);
}

static void thread_end(struct vault *v)
{
	if (!v->thread_started)
		return;
	atomic_store(&v->ending, true);
	pthread_mutex_lock(&v->lock);
	v->stop = true;
	pthread_cond_broadcast(&v->stop_wake);
	pthread_mutex_unlock(&v->lock);
	pthread_join(v->thread, NULL);
	v->thread_started = false;
}

struct store_call opening_call(const struct opening *open)
{
	int64_t left = open->deadline - clock_mono_ms();

	return (struct store_call){ .timeout_ms = left > 1 ? (uint32_t)left : 1 };
}

void opening_key(const struct opening *open, char out[PATH_CAP], const char *name)
{
	const char *prefix = open->v->rules.prefix;

	snprintf(out, PATH_CAP, "%s%s%s", prefix, prefix[0] ? "/" : "", name);
}

enum vault_failure opening_refused(struct opening *open, enum vault_failure why, const char *key, const char *fmt, ...)
{
	int n = snprintf(open->error, open->cap, "%s: %s%s", open->v->store->name, key, key[0] ? ": " : "");
	va_list args;

	va_start(args, fmt);
	if (n >= 0 && (size_t)n < open->cap)
		vsnprintf(open->error + n, open->cap - (size_t)n, fmt, args);
	va_end(args);
	return why;
}

enum vault_failure opening_failed(struct opening *open, int rc, const struct store_call *call, const char *key, const char *doing)
{
	static const struct { int code; enum vault_failure why; const char *next; } table[] = {
		{ EHOSTUNREACH, VAULT_UNREACHABLE, "check the endpoint's name and port, and that this machine may reach it" },
		{ ETIMEDOUT, VAULT_UNREACHABLE, "check that the endpoint is up, and that no firewall drops the connection" },
		{ EPROTO, VAULT_UNREACHABLE, "check whether the endpoint speaks TLS, and give its CA's certificate where that is a private one" },
		{ EREMOTEIO, VAULT_UNREACHABLE, "the store itself is failing: look at its log" },
		{ EAGAIN, VAULT_UNREACHABLE, "the store is overloaded: try again later" },
		{ EKEYREJECTED, VAULT_CREDENTIALS, "check access key and secret key" },
		{ EACCES, VAULT_CREDENTIALS, "check the policy of this access key: it must allow s3:ListBucket on the bucket and s3:GetObject under the prefix" },
		{ ENOTRECOVERABLE, VAULT_CREDENTIALS, "set this machine's clock" },
		{ ENODEV, VAULT_NO_BUCKET, "check the bucket's name, or create it" },
		{ EBADMSG, VAULT_OTHER, "check that the endpoint is an S3 server" },
		{ EINVAL, VAULT_OTHER, "check the bucket's name, and whether the endpoint speaks TLS" },
	};
	struct store_error err = call->err;
	char words[512];
	const char *next = "see the log";
	enum vault_failure why = VAULT_OTHER;

	err.key[0] = '\0';
	err.code = rc;
	store_error_text(&err, words, sizeof(words));
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].code == rc) {
			why = table[i].why;
			next = table[i].next;
		}
	return opening_refused(open, why, key, "%s failed: %s; %s", doing, words, next);
}

static enum vault_failure start_failed(struct opening *open, int rc)
{
	const struct vault *v = open->v;

	if (rc == ENOMEM)
		return opening_refused(open, VAULT_OTHER, "", "not enough memory for a budget of %llu MiB; give a smaller one",
				       (unsigned long long)(v->config.memory >> 20));
	return opening_refused(open, VAULT_OTHER, "",
			       "parts of %u bytes do not fit: they must be a multiple of 65536, at least the store's smallest part of %llu bytes, and the "
			       "memory of %llu MiB must be at least %u MiB and hold two parts beside a quarter for reading",
			       v->config.part_bytes, (unsigned long long)v->store->limits.part_min, (unsigned long long)(v->config.memory >> 20),
			       VAULT_MEMORY_MIN >> 20);
}

static enum vault_failure open_checks(struct opening *open)
{
	struct vault *v = open->v;
	enum vault_failure why = layout_check(open);

	if (why == VAULT_OK)
		why = key_check(open);
	if (why == VAULT_OK)
		why = list_check(open);
	if (why != VAULT_OK || v->config.read_only)
		return why;

	struct store_call call = opening_call(open);

	run_recover(v, v->config.tenant, &call); /* what it could not do is logged, and done later: no reason to stay closed */
	if (pthread_create(&v->thread, NULL, thread_run, v))
		return opening_refused(open, VAULT_OTHER, "", "cannot start a thread; raise the limit of processes");
	v->thread_started = true;
	return VAULT_OK;
}

enum vault_failure vault_open(const struct vault_config *config, struct store *store, struct keyring *keys, struct vault **out, char *error,
			      size_t cap)
{
	struct vault *v = vault_alloc(config, store, keys);

	*out = NULL;
	if (cap)
		error[0] = '\0';
	if (!v) {
		snprintf(error, cap, "out of memory");
		keyring_free(keys);
		store_free(store);
		return VAULT_OTHER;
	}

	struct opening open = { v, clock_mono_ms() + v->config.start_timeout_ms, error, cap };
	int rc = start_parts(v);
	enum vault_failure why = rc ? start_failed(&open, rc) : open_checks(&open);

	if (why != VAULT_OK)
		vault_release(v);
	else
		*out = v;
	return why;
}

void vault_end_by(struct vault *v, int64_t end_ms)
{
	v->end_ms = end_ms;
	store_end_by(v->store, end_ms);
}

int vault_close(struct vault *v)
{
	if (!v)
		return 0;
	thread_end(v);
	if (v->end_ms) /* who cleans up after us is told at once of what failed, and need not wait until we count as dead */
		store_end_by(v->store, (int64_t)max_u64((uint64_t)v->end_ms, (uint64_t)clock_mono_ms() + CLOSE_MS));

	int removed = tree_send_removals(v, "");

	audit_stop(v);

	int ended = v->config.read_only ? 0 : run_end_all(v);

	vault_release(v);
	return removed || ended ? EIO : 0;
}

struct store *vault_store(struct vault *v)
{
	return v->store;
}

struct keyring *vault_keys(struct vault *v)
{
	return v->keys;
}

struct slabs *vault_slabs(struct vault *v)
{
	return v->slabs;
}

struct tally *vault_names(struct vault *v)
{
	return v->names;
}

const struct path_rules *vault_rules(struct vault *v)
{
	return &v->rules;
}

const struct vault_config *vault_settings(struct vault *v)
{
	return &v->config;
}

bool vault_may_pass(int rc)
{
	return rc == ETIMEDOUT || rc == EHOSTUNREACH || rc == EAGAIN || rc == EREMOTEIO;
}

struct pool *vault_commit_pool(struct vault *v)
{
	return v->commit_pool;
}

struct pool *vault_upload_pool(struct vault *v)
{
	return v->upload_pool;
}

const uint8_t *vault_writer_id(struct vault *v)
{
	return v->writer_id;
}

void vault_progress(struct vault *v)
{
	atomic_store(&v->progress_ms, clock_mono_ms());
}

int64_t vault_last_progress(struct vault *v)
{
	return atomic_load(&v->progress_ms);
}

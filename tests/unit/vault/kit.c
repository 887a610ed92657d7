/* SPDX-License-Identifier: Apache-2.0 */
#include "kit.h"

#include "base/rand.h"
#include "s3/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

const struct store_limits kit_limits = { .part_min = 100000, .part_max = 4u << 20, .parts_max = 60, .copy_max = 300000, .put_max = 4u << 20,
					 .object_max = 64u << 20, .key_max = 1024, .segment_max = 255, .delete_max = 10, .list_max = 10 };

/* ---- bucket */

struct kit_bucket {
	struct store *mem;
};

struct kit_bucket *kit_bucket_new(const struct store_limits *limits)
{
	struct kit_bucket *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	assert_int_equal(mem_store_new(limits ? limits : &kit_limits, &b->mem), 0);
	return b;
}

void kit_bucket_free(struct kit_bucket *b)
{
	store_free(b->mem);
	free(b);
}

struct store *kit_bucket_raw(struct kit_bucket *b)
{
	return b->mem;
}

static int pass(struct layer *l, struct layer_request *r)
{
	return layer_below(l, r);
}

static void keep_below(struct layer *l)
{
	struct store *nothing;

	assert_int_equal(mem_store_new(NULL, &nothing), 0);
	store_end_by(l->base.below, 0); /* an end is one vault's */
	l->base.below = nothing;        /* freed in place of the bucket */
}

static struct store *view(struct kit_bucket *b)
{
	struct layer *l;

	assert_int_equal(layer_new(sizeof(*l), b->mem, pass, &l), 0);
	l->release = keep_below;
	return &l->base;
}

/* ---- vault */

struct vault_config kit_config(void)
{
	return (struct vault_config){ .prefix = "backups", .memory = VAULT_MEMORY_MIN, .part_bytes = KIT_PART };
}

void kit_prepare(struct kit *k)
{
	if (!k->bucket)
		k->bucket = kit_bucket_new(NULL);
	if (k->fault)
		return;
	assert_int_equal(fault_store_new(view(k->bucket), &k->fault), 0);
	assert_int_equal(stats_store_new(k->fault, &k->stats), 0);
}

enum vault_failure kit_try_open(struct kit *k, const struct vault_config *config, const char *key)
{
	struct keyring *keys;
	char reason[256];

	kit_prepare(k);
	assert_int_equal(keyring_parse(key, strlen(key), &keys, reason, sizeof(reason)), 0);

	enum vault_failure why = vault_open(config, k->stats, keys, &k->v, k->error, sizeof(k->error));

	if (why != VAULT_OK)
		k->fault = k->stats = NULL;
	return why;
}

void kit_open(struct kit *k, const struct vault_config *config, const char *key)
{
	if (kit_try_open(k, config, key) != VAULT_OK)
		fail_msg("%s", k->error);
}

int kit_setup(void **state)
{
	struct kit *k = calloc(1, sizeof(*k));
	struct vault_config config = kit_config();

	kit_open(k, &config, KIT_KEY);
	*state = k;
	return 0;
}

void kit_close(struct kit *k)
{
	if (!k->v)
		return;
	fault_store_clear(k->fault);
	vault_close(k->v);
	k->v = NULL;
	k->fault = k->stats = NULL;
}

int kit_teardown(void **state)
{
	struct kit *k = *state;

	kit_close(k);
	kit_bucket_free(k->bucket);
	free(k);
	return 0;
}

uint64_t kit_calls(struct kit *k, enum store_op op)
{
	struct store_counts counts;

	stats_store_read(k->stats, &counts);
	return counts.calls[op];
}

uint64_t kit_all_calls(struct kit *k)
{
	struct store_counts counts;
	uint64_t sum = 0;

	stats_store_read(k->stats, &counts);
	for (int op = 0; op < STORE_OPS; op++)
		sum += counts.calls[op];
	return sum;
}

void kit_fault(struct kit *k, enum store_op op, const char *key_part, unsigned skip, unsigned times, enum fault_action action, int error)
{
	struct fault_rule rule = { .op = op, .key_part = key_part, .skip = skip, .times = times, .action = action, .error = error };

	assert_int_equal(fault_store_add(k->fault, &rule), 0);
}

void kit_callback(struct kit *k, enum store_op op, const char *key_part, void (*fn)(void *arg), void *arg)
{
	struct fault_rule rule = { .op = op, .key_part = key_part, .times = 1, .action = FAULT_CALLBACK, .fn = fn, .arg = arg };

	assert_int_equal(fault_store_add(k->fault, &rule), 0);
}

/* ---- content */

uint8_t kit_byte(uint64_t at, uint8_t seed)
{
	return (uint8_t)(at * 7 + at / 251 + at / 65536 * 13 + seed);
}

void kit_check(const uint8_t *data, uint64_t offset, size_t len, uint8_t seed)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != kit_byte(offset + i, seed))
			fail_msg("byte %llu is %u, not %u", (unsigned long long)(offset + i), data[i], kit_byte(offset + i, seed));
}

struct object *kit_file(struct kit *k, const char *key, uint64_t size, uint8_t seed)
{
	struct object_key keys;
	struct trailer t;
	struct store_meta meta;
	char commit[STORE_COMMIT_HEX];
	uint64_t chunks = chunk_count(size);
	uint8_t *bytes = calloc(1, object_length(size));
	struct store_limits *limits = &kit_bucket_raw(k->bucket)->limits;
	uint64_t put_max = limits->put_max;

	trailer_fresh(k->v, &t, ENTRY_FILE, STATE_CLOSED, 0640, 10, 20);
	t.size = size;
	assert_int_equal(object_key_new(&keys), 0);
	assert_int_equal(header_make(vault_keys(k->v), &keys, bytes), 0);
	for (uint64_t c = 0; c < chunks; c++) {
		uint8_t *record = bytes + chunk_offset(c);
		uint32_t n = chunk_plain_len(size, c);

		for (uint32_t i = 0; i < n; i++)
			record[12 + i] = kit_byte(c * CHUNK_BYTES + i, seed);
		assert_int_equal(chunk_seal(&keys, c, c + 1 == chunks ? CHUNK_LAST : CHUNK_INNER, record, record + 12, n, record + 12 + n), 0);
	}
	assert_int_equal(trailer_seal(&keys, &t, bytes + trailer_offset(size)), 0);
	snprintf(commit, sizeof(commit), "%032x", seed);
	limits->put_max = UINT64_MAX; /* the file may be larger than one put of the small limits */

	struct store *s = kit_bucket_raw(k->bucket);

	assert_int_equal(s->ops->put(s, key, &(struct iovec){ bytes, object_length(size) }, 1, commit, NULL, &meta, NULL), 0);
	limits->put_max = put_max;
	free(bytes);

	struct object *o = object_made(k->v, key, &keys, &t, &meta);

	object_key_wipe(&keys);
	assert_non_null(o);
	return o;
}

/* ---- the bucket, raw */

void kit_raw_put(struct kit_bucket *b, const char *key, const void *data, size_t len)
{
	struct iovec iov = { (void *)(uintptr_t)data, len };

	assert_int_equal(b->mem->ops->put(b->mem, key, &iov, 1, NULL, NULL, NULL, NULL), 0);
}

size_t kit_raw_get(struct kit_bucket *b, const char *key, uint8_t **data, struct store_meta *meta)
{
	struct store_meta mine;
	size_t got;

	assert_int_equal(b->mem->ops->head(b->mem, key, &mine, NULL), 0);
	*data = malloc(mine.size + 1);
	assert_int_equal(b->mem->ops->get(b->mem, key, (struct store_range){ 0 }, NULL, &(struct iovec){ *data, mine.size }, 1, &got, meta, NULL), 0);
	assert_int_equal(got, mine.size);
	return got;
}

int kit_raw_head(struct kit_bucket *b, const char *key, struct store_meta *meta)
{
	struct store_meta mine;

	return b->mem->ops->head(b->mem, key, meta ? meta : &mine, NULL);
}

void kit_raw_flip(struct kit_bucket *b, const char *key, size_t at)
{
	uint8_t *data;
	size_t n = kit_raw_get(b, key, &data, NULL);

	assert_true(at < n);
	data[at] ^= 0x10;
	kit_raw_put(b, key, data, n);
	free(data);
}

void kit_raw_cut(struct kit_bucket *b, const char *key, size_t len)
{
	uint8_t *data;
	size_t n = kit_raw_get(b, key, &data, NULL);

	assert_true(len <= n);
	kit_raw_put(b, key, data, len);
	free(data);
}

void kit_raw_remove(struct kit_bucket *b, const char *key)
{
	int result;

	assert_int_equal(b->mem->ops->remove(b->mem, &key, 1, &result, NULL), 0);
}

unsigned kit_raw_count(struct kit_bucket *b, const char *prefix)
{
	struct store_page page;

	assert_int_equal(b->mem->ops->list(b->mem, prefix, 0, NULL, 0, &page, NULL), 0);

	unsigned n = (unsigned)page.count;

	store_page_free(&page);
	return n;
}

unsigned kit_raw_uploads(struct kit_bucket *b, const char *key)
{
	struct store_uploads uploads;

	assert_int_equal(b->mem->ops->list_uploads(b->mem, key, &uploads, NULL), 0);

	unsigned n = (unsigned)uploads.count;

	store_uploads_free(&uploads);
	return n;
}

/* ---- the log */

static int saved_stderr = -1;
static FILE *log_file;

void kit_log_begin(void)
{
	log_file = tmpfile();
	assert_non_null(log_file);
	fflush(stderr);
	saved_stderr = dup(STDERR_FILENO);
	dup2(fileno(log_file), STDERR_FILENO);
}

char *kit_log_end(void)
{
	fflush(stderr);
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	saved_stderr = -1;

	off_t n = lseek(fileno(log_file), 0, SEEK_END);
	char *text = calloc(1, (size_t)n + 1);

	assert_int_equal(pread(fileno(log_file), text, (size_t)n, 0), n);
	fclose(log_file);
	return text;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a prefix: what stops a mount, with which words, and with how many requests it starts. */
#include "kit.h"

#include "base/clock.h"
#include "vault/tree.h"
#include "vault/vault_private.h"

#include <errno.h>
#include <stdio.h>

#define LAYOUT "backups/.pishop/layout"
#define MARKER "{\"format\": 1, \"layout\": 1, \"created\": \"2026-01-01T00:00:00Z\"}"
#define PASSPHRASE "correct horse battery"

static int bucket_setup(void **state)
{
	struct kit *k = calloc(1, sizeof(*k));

	k->bucket = kit_bucket_new(NULL);
	*state = k;
	return 0;
}

static void expect(struct kit *k, const struct vault_config *config, const char *key, enum vault_failure wanted, const char *words)
{
	enum vault_failure why = kit_try_open(k, config, key);

	if (why != wanted)
		fail_msg("vault_open gave %d, not %d: %s", (int)why, (int)wanted, k->error);
	if (words && !strstr(k->error, words))
		fail_msg("the line does not say \"%s\": %s", words, k->error);
	if (why != VAULT_OK && (strchr(k->error, '\n') || strncmp(k->error, "memory: ", 8) != 0))
		fail_msg("not one line that names the store: %s", k->error);
}

static void put_text(struct kit *k, const char *key, const char *text)
{
	kit_raw_put(k->bucket, key, text, strlen(text));
}

static void first_and_later_starts(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();
	uint8_t *text;

	expect(k, &config, KIT_KEY, VAULT_OK, NULL);
	kit_close(k);
	assert_int_equal(kit_raw_count(k->bucket, "backups/.pishop/keys/"), 1);
	assert_int_equal(kit_raw_count(k->bucket, ""), 2); /* layout and key, and nothing else */

	size_t n = kit_raw_get(k->bucket, LAYOUT, &text, NULL);

	text[n] = '\0';
	assert_non_null(strstr((char *)text, "\"format\": 1"));
	free(text);
	expect(k, &config, KIT_KEY, VAULT_OK, NULL);
	assert_int_equal(kit_calls(k, STORE_PUT), 0);
	assert_true(kit_all_calls(k) <= 6);
	kit_close(k);
}

static void passphrase_starts(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();
	struct object *o;

	expect(k, &config, PASSPHRASE, VAULT_OK, NULL);
	object_unref(kit_file(k, "backups/acme/f", 10, 1));
	kit_close(k);
	expect(k, &config, PASSPHRASE "\n", VAULT_OK, NULL);
	assert_int_equal(kit_calls(k, STORE_PUT), 0);
	assert_true(kit_all_calls(k) <= 6);
	assert_int_equal(object_load(k->v, "backups/acme/f", 0, &o, NULL), 0);
	object_unref(o);
	kit_close(k);
	assert_int_equal(kit_raw_count(k->bucket, "backups/.pishop/keys/"), 1);
	expect(k, &config, "another passphrase", VAULT_WRONG_KEY, "1 other key wrote here");
	expect(k, &config, KIT_KEY, VAULT_WRONG_KEY, "--accept-new-key");
	config.accept_new_key = true;
	expect(k, &config, "another passphrase", VAULT_OK, NULL);
	kit_close(k);
	config.accept_new_key = false;
	expect(k, &config, "another passphrase", VAULT_OK, NULL); /* its salt is found among two */
	kit_close(k);
	expect(k, &config, PASSPHRASE, VAULT_OK, NULL);
	kit_close(k);
	assert_int_equal(kit_raw_count(k->bucket, "backups/.pishop/keys/"), 2);
}

static void wrong_raw_key(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();

	expect(k, &config, KIT_KEY, VAULT_OK, NULL);
	kit_close(k);
	expect(k, &config, KIT_OTHER_KEY, VAULT_WRONG_KEY, "give the right key");
	assert_int_equal(kit_raw_count(k->bucket, "backups/.pishop/keys/"), 1);
	config.read_only = true;
	expect(k, &config, KIT_OTHER_KEY, VAULT_WRONG_KEY, "give the right key");
	config.accept_new_key = true;
	expect(k, &config, KIT_OTHER_KEY, VAULT_OK, NULL);
	kit_close(k);
	assert_int_equal(kit_raw_count(k->bucket, "backups/.pishop/keys/"), 1); /* read-only leaves nothing */
}

static void damaged_key_object(void **state)
{
	static const size_t flips[] = { 0, 8, 70, 100, 300, 490, 600, 790 };
	static const char *const keys[] = { KIT_KEY, PASSPHRASE };
	struct kit *k = *state;
	struct vault_config config = kit_config();

	for (size_t p = 0; p < ARRAY_LEN(keys); p++) {
		char name[PATH_CAP];
		uint8_t *good;
		struct store *s = kit_bucket_raw(k->bucket);
		struct store_page page;

		config.prefix = p ? "second" : "first";
		expect(k, &config, keys[p], VAULT_OK, NULL);
		kit_close(k);
		snprintf(name, sizeof(name), "%s/.pishop/keys/", config.prefix);
		assert_int_equal(s->ops->list(s, name, 0, NULL, 0, &page, NULL), 0);
		copy_text(name, sizeof(name), page.objects[0].key);
		store_page_free(&page);

		size_t n = kit_raw_get(k->bucket, name, &good, NULL);

		for (size_t i = p ? 5 : 0; i < ARRAY_LEN(flips); i++) { /* a passphrase takes its time */
			kit_raw_flip(k->bucket, name, flips[i]);
			if (kit_try_open(k, &config, keys[p]) == VAULT_OK)
				fail_msg("%s opened with a key object whose byte %zu is damaged", config.prefix, flips[i]);
			kit_raw_put(k->bucket, name, good, n);
		}
		kit_raw_cut(k->bucket, name, n - 1);
		assert_int_not_equal(kit_try_open(k, &config, keys[p]), VAULT_OK);
		kit_raw_put(k->bucket, name, good, n);
		expect(k, &config, keys[p], VAULT_OK, NULL);
		kit_close(k);
		free(good);
	}
}

/* The key object of another key under our name: a forgery. */
static void swapped_key_object(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();
	uint8_t *bytes;
	struct store *s = kit_bucket_raw(k->bucket);
	struct store_page page;

	expect(k, &config, KIT_KEY, VAULT_OK, NULL);
	kit_close(k);
	config.prefix = "else";
	expect(k, &config, KIT_OTHER_KEY, VAULT_OK, NULL);
	kit_close(k);
	assert_int_equal(s->ops->list(s, "else/.pishop/keys/", 0, NULL, 0, &page, NULL), 0);

	size_t n = kit_raw_get(k->bucket, page.objects[0].key, &bytes, NULL);

	store_page_free(&page);
	assert_int_equal(s->ops->list(s, "backups/.pishop/keys/", 0, NULL, 0, &page, NULL), 0);
	kit_raw_put(k->bucket, page.objects[0].key, bytes, n);
	store_page_free(&page);
	free(bytes);
	config.prefix = "backups";
	expect(k, &config, KIT_KEY, VAULT_LAYOUT, "cannot be checked");
}

static void distinct_failures(void **state)
{
	static const struct { int error; enum vault_failure why; const char *words; } table[] = {
		{ EHOSTUNREACH, VAULT_UNREACHABLE, "endpoint" }, { ETIMEDOUT, VAULT_UNREACHABLE, "endpoint" },
		{ EPROTO, VAULT_UNREACHABLE, "TLS" },            { EREMOTEIO, VAULT_UNREACHABLE, "store" },
		{ EKEYREJECTED, VAULT_CREDENTIALS, "secret key" }, { EACCES, VAULT_CREDENTIALS, "policy" },
		{ ENOTRECOVERABLE, VAULT_CREDENTIALS, "clock" }, { ENODEV, VAULT_NO_BUCKET, "bucket" },
		{ EBADMSG, VAULT_OTHER, "S3 server" },           { EINVAL, VAULT_OTHER, "TLS" },
		{ EIO, VAULT_OTHER, "log" },
	};
	struct kit *k = *state;
	struct vault_config config = kit_config();

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		kit_prepare(k);
		kit_fault(k, STORE_GET, LAYOUT, 0, 0, FAULT_FAIL, table[i].error);
		expect(k, &config, KIT_KEY, table[i].why, table[i].words);
		assert_non_null(strstr(k->error, "injected fault"));
		kit_prepare(k);
		kit_fault(k, STORE_GET, "/keys/", 0, 0, FAULT_FAIL, table[i].error);
		if (table[i].error != EBADMSG) /* there: a damaged proof */
			expect(k, &config, KIT_KEY, table[i].why, table[i].words);
		else
			expect(k, &config, KIT_KEY, VAULT_LAYOUT, NULL);
	}
}

static void markers(void **state)
{
	static const struct { const char *text, *words; } bad[] = {
		{ "", "not a layout marker" },
		{ "hello", "not a layout marker" },
		{ "{\"format\": 1}", "not a layout marker" },
		{ "{\"format\": 1.5, \"layout\": 1}", "not a layout marker" },
		{ "{\"format\": \"1\", \"layout\": 1}", "not a layout marker" },
		{ "{\"format\": 0, \"layout\": 1}", "not a layout marker" },
		{ "{\"format\": 2, \"layout\": 1}", "newer version" },
		{ "{\"format\": 1, \"layout\": 7}", "newer version" },
	};
	struct kit *k = *state;
	struct vault_config config = kit_config();

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		put_text(k, LAYOUT, bad[i].text);
		expect(k, &config, KIT_KEY, VAULT_LAYOUT, bad[i].words);
	}
	assert_int_equal(kit_raw_count(k->bucket, ""), 1);
	put_text(k, LAYOUT, MARKER);
	expect(k, &config, KIT_KEY, VAULT_OK, NULL);
	kit_close(k);
}

static void prefixes_inside_one_another(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();
	char key[64];

	put_text(k, ".pishop/layout", MARKER);
	expect(k, &config, KIT_KEY, VAULT_LAYOUT, "above the prefix \"backups\"");
	put_text(k, LAYOUT, MARKER);
	expect(k, &config, KIT_KEY, VAULT_LAYOUT, "above"); /* later starts too */
	kit_raw_remove(k->bucket, ".pishop/layout");
	config.prefix = "backups/site";
	expect(k, &config, KIT_KEY, VAULT_LAYOUT, "above");
	config.prefix = "";
	expect(k, &config, KIT_KEY, VAULT_LAYOUT, LAYOUT);
	kit_raw_remove(k->bucket, LAYOUT);
	for (int i = 0; i < 9; i++) { /* tenants of the tool before */
		snprintf(key, sizeof(key), "top/t%d/dump.gz", i);
		put_text(k, key, "x");
	}
	put_text(k, "top/file", "x");
	put_text(k, "top/t8/.pishop/layout", MARKER);
	config.prefix = "top";
	expect(k, &config, KIT_KEY, VAULT_LAYOUT, "top/t8/.pishop/layout: a marker stands here, below");
	assert_int_equal(kit_raw_count(k->bucket, "top/.pishop/"), 0);
	kit_raw_remove(k->bucket, "top/t8/.pishop/layout");
	expect(k, &config, KIT_KEY, VAULT_OK, NULL);
	kit_close(k);
	config.prefix = "top2"; /* beside it */
	expect(k, &config, KIT_KEY, VAULT_OK, NULL);
	kit_close(k);
}

static void the_bare_bucket(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();
	struct tree_listing l;

	config.prefix = "";
	expect(k, &config, KIT_KEY, VAULT_OK, NULL);
	kit_close(k);
	assert_int_equal(kit_raw_count(k->bucket, ".pishop/"), 2);
	expect(k, &config, KIT_KEY, VAULT_OK, NULL);
	put_text(k, "acme/x", "plain");
	assert_int_equal(tree_list(k->v, "", &l, NULL), 0);
	assert_int_equal(l.count, 1);
	assert_string_equal(l.entries[0].name, "acme");
	tree_listing_free(&l);
	kit_close(k);
}

static void read_only_leaves_nothing(void **state)
{
	static const char *const keys[] = { KIT_KEY, PASSPHRASE };
	struct kit *k = *state;
	struct vault_config config = kit_config();

	config.read_only = true;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct trailer t;
		struct object *o;

		expect(k, &config, keys[i], VAULT_OK, NULL);
		trailer_fresh(k->v, &t, ENTRY_FOLDER, STATE_CLOSED, 0755, 0, 0);
		assert_int_equal(tree_make_folder(k->v, "acme", &t, &o), EROFS);
		assert_int_equal(tree_remove_later(k->v, "acme", true), EROFS);
		assert_int_equal(kit_calls(k, STORE_PUT), 0);
		kit_close(k);
	}
	assert_int_equal(kit_raw_count(k->bucket, ""), 0);
}

/* Who acts on what is there makes no layout by a mistyped prefix. */
static void what_must_exist_is_not_made(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();

	config.must_exist = true;
	expect(k, &config, KIT_KEY, VAULT_LAYOUT, "there is no marker");
	assert_int_equal(kit_raw_count(k->bucket, ""), 0);
	config.must_exist = false;
	expect(k, &config, KIT_KEY, VAULT_OK, NULL);
	kit_close(k);
	config.must_exist = true;
	expect(k, &config, KIT_KEY, VAULT_OK, NULL);
	kit_close(k);
}

static void credentials_that_may_not_write(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();

	kit_prepare(k);
	kit_fault(k, STORE_PUT, NULL, 0, 0, FAULT_FAIL, EACCES);
	expect(k, &config, KIT_KEY, VAULT_CREDENTIALS, "--read-only");
	put_text(k, LAYOUT, MARKER);
	kit_prepare(k);
	kit_fault(k, STORE_PUT, NULL, 0, 0, FAULT_FAIL, EACCES);
	expect(k, &config, KIT_KEY, VAULT_CREDENTIALS, "--read-only");
}

/* Credentials for one tenant cannot look above, nor list beside. */
static void credentials_for_one_tenant(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();

	kit_prepare(k);
	kit_fault(k, STORE_HEAD, NULL, 0, 0, FAULT_FAIL, EACCES);
	kit_fault(k, STORE_LIST, "backups/", 0, 1, FAULT_FAIL, EACCES);
	config.tenant = "acme";
	expect(k, &config, KIT_KEY, VAULT_OK, NULL);
	kit_close(k);
}

/* A key that may read and write, but not list, would give a mount in which every name is refused. What is asked is what the mount will list. */
static void credentials_that_may_not_list(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();

	kit_open(k, &config, KIT_KEY);
	kit_close(k);
	for (int i = 0; i < 4; i++) {
		config.read_only = i & 1;
		config.tenant = i & 2 ? "acme" : NULL;
		kit_prepare(k);
		kit_fault(k, STORE_LIST, NULL, 0, 0, FAULT_FAIL, EACCES);
		expect(k, &config, KIT_KEY, VAULT_CREDENTIALS, "s3:ListBucket");
		assert_non_null(strstr(k->error, config.tenant ? "memory: backups/acme/: " : "memory: backups/: "));
		kit_prepare(k);
		kit_fault(k, STORE_LIST, "backups/.pishop", 0, 0, FAULT_FAIL, EACCES); /* of no matter for reading and writing */
		expect(k, &config, KIT_KEY, VAULT_OK, NULL);
		kit_close(k);
	}
}

struct race {
	struct kit *k;
	const char *key, *text;
};

static void race_layout(void *arg)
{
	struct race *r = arg;

	put_text(r->k, r->key, r->text);
}

static void race_key(void *arg)
{
	struct kit other = { .bucket = ((struct kit *)arg)->bucket };
	struct vault_config config = kit_config();

	expect(&other, &config, KIT_KEY, VAULT_OK, NULL);
	kit_close(&other);
}

static void two_first_mounts_at_once(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();
	struct race good = { k, LAYOUT, MARKER }, newer = { k, LAYOUT, "{\"format\": 9, \"layout\": 1}" };

	kit_prepare(k);
	kit_callback(k, STORE_PUT, LAYOUT, race_layout, &good);
	expect(k, &config, KIT_KEY, VAULT_OK, NULL);
	kit_close(k);
	kit_raw_remove(k->bucket, LAYOUT);
	kit_prepare(k);
	kit_callback(k, STORE_PUT, LAYOUT, race_layout, &newer);
	expect(k, &config, KIT_KEY, VAULT_LAYOUT, "newer");

	kit_bucket_free(k->bucket);
	k->bucket = kit_bucket_new(NULL);
	kit_prepare(k);
	kit_callback(k, STORE_PUT, "/keys/", race_key, k);
	expect(k, &config, KIT_KEY, VAULT_OK, NULL);
	kit_close(k);
	assert_int_equal(kit_raw_count(k->bucket, "backups/.pishop/keys/"), 1);
}

static void lost_replies_at_the_first_start(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();

	kit_prepare(k);
	kit_fault(k, STORE_PUT, LAYOUT, 0, 1, FAULT_LOSE_REPLY, ETIMEDOUT);
	kit_fault(k, STORE_PUT, "/keys/", 0, 1, FAULT_LOSE_REPLY, ETIMEDOUT);
	expect(k, &config, KIT_KEY, VAULT_OK, NULL);
	kit_close(k);
	assert_int_equal(kit_raw_count(k->bucket, "backups/.pishop/"), 2);
}

/* A store that refuses conditions altogether. */
static void stores_without_conditions(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();

	kit_prepare(k);
	kit_fault(k, STORE_PUT, LAYOUT, 0, 1, FAULT_FAIL, EOPNOTSUPP);
	kit_fault(k, STORE_PUT, "/keys/", 0, 1, FAULT_FAIL, EOPNOTSUPP);
	expect(k, &config, KIT_KEY, VAULT_OK, NULL);
	kit_close(k);
	assert_int_equal(kit_raw_count(k->bucket, "backups/.pishop/"), 2);
}

static void memory_that_does_not_fit(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();

	config.memory = VAULT_MEMORY_MIN - 1;
	expect(k, &config, KIT_KEY, VAULT_OTHER, "24 MiB");
	config = kit_config();
	config.part_bytes = 100001;
	expect(k, &config, KIT_KEY, VAULT_OTHER, "multiple of 65536");
	config.part_bytes = 65536; /* below the store's smallest part */
	expect(k, &config, KIT_KEY, VAULT_OTHER, "smallest part");
	config.part_bytes = 12u << 20;
	expect(k, &config, KIT_KEY, VAULT_OTHER, "two parts");
	config.part_bytes = 8u << 20;
	expect(k, &config, KIT_KEY, VAULT_OK, NULL);

	struct slab_stats stats;

	slabs_stats(vault_slabs(k->v), &stats);
	assert_int_equal(stats.total, 384);
	assert_int_equal(stats.floor[SLAB_COMMIT], 129);
	assert_int_equal(stats.floor[SLAB_READ], 48);
	assert_int_equal(stats.floor[SLAB_NAMES], 48);
	assert_int_equal(stats.floor[SLAB_WRITE], 159);
	kit_close(k);
	config.memory = 256u << 20;
	expect(k, &config, KIT_KEY, VAULT_OK, NULL);
	slabs_stats(vault_slabs(k->v), &stats);
	assert_int_equal(stats.floor[SLAB_COMMIT], 129);
	assert_int_equal(stats.floor[SLAB_READ], 1024);
	assert_int_equal(stats.floor[SLAB_NAMES], 768);
	assert_int_equal(stats.floor[SLAB_WRITE], 256);
	kit_close(k);
}

static void hold_nothing(void *arg)
{
	clock_sleep_ms(150);
}

static void start_timeout_is_kept(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();

	config.start_timeout_ms = 100;
	kit_prepare(k);
	kit_callback(k, STORE_GET, LAYOUT, hold_nothing, NULL);
	kit_fault(k, STORE_HEAD, NULL, 0, 0, FAULT_FAIL, ETIMEDOUT);
	expect(k, &config, KIT_KEY, VAULT_UNREACHABLE, "endpoint");
}

/* Every request of the start may take as long as the start has left, and no longer. */
static struct { const struct store_ops *real; uint32_t calls, longest, last; } watch;

static void watch_call(const struct store_call *call)
{
	watch.calls++;
	watch.last = call->timeout_ms;
	if (call->timeout_ms > watch.longest || call->timeout_ms == 0)
		watch.longest = call->timeout_ms ? call->timeout_ms : UINT32_MAX;
}

static int watched_get(struct store *s, const char *key, struct store_range range, const char *if_match, const struct iovec *iov, int iovcnt,
		       size_t *got, struct store_meta *meta, struct store_call *call)
{
	watch_call(call);
	clock_sleep_ms(20);
	return watch.real->get(s, key, range, if_match, iov, iovcnt, got, meta, call);
}

static int watched_put(struct store *s, const char *key, const struct iovec *iov, int iovcnt, const char *commit, const struct store_cond *cond,
		       struct store_meta *meta, struct store_call *call)
{
	watch_call(call);
	return watch.real->put(s, key, iov, iovcnt, commit, cond, meta, call);
}

static int watched_head(struct store *s, const char *key, struct store_meta *meta, struct store_call *call)
{
	watch_call(call);
	return watch.real->head(s, key, meta, call);
}

static int watched_list(struct store *s, const char *prefix, char delimiter, const char *token, uint32_t max, struct store_page *page,
			struct store_call *call)
{
	watch_call(call);
	return watch.real->list(s, prefix, delimiter, token, max, page, call);
}

static void requests_end_with_the_start(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();
	struct store_ops ops;

	config.start_timeout_ms = 5000;
	kit_prepare(k);
	ops = *k->stats->ops;
	watch.real = k->stats->ops;
	ops.get = watched_get;
	ops.put = watched_put;
	ops.head = watched_head;
	ops.list = watched_list;
	k->stats->ops = &ops;
	expect(k, &config, KIT_KEY, VAULT_OK, NULL);
	k->stats->ops = watch.real;
	kit_close(k);
	assert_true(watch.calls >= 6);
	assert_true(watch.longest <= 5000);
	assert_true(watch.last <= 4980);
}

static void accessors(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();

	kit_open(k, &config, KIT_KEY);
	assert_ptr_equal(vault_store(k->v), k->stats);
	assert_int_equal(vault_settings(k->v)->data_timeout_ms, 120000);
	assert_int_equal(vault_settings(k->v)->meta_timeout_ms, 30000);
	assert_int_equal(vault_settings(k->v)->record_every_s, 120);
	assert_string_equal(vault_rules(k->v)->prefix, "backups");
	assert_non_null(vault_commit_pool(k->v));
	assert_non_null(vault_upload_pool(k->v));
	int64_t before = vault_last_progress(k->v);

	clock_sleep_ms(2);
	vault_progress(k->v);
	assert_true(vault_last_progress(k->v) > before);
	kit_close(k);
	assert_int_equal(vault_close(NULL), 0);
}

/* A close that cannot send a removal says so, and is quick. */
static void close_tells_what_did_not_arrive(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();

	kit_open(k, &config, KIT_KEY);
	object_unref(kit_file(k, "backups/acme/f", 10, 1));
	assert_int_equal(tree_remove_later(k->v, "acme/f", false), 0);
	kit_fault(k, STORE_REMOVE, "acme/f", 0, 0, FAULT_FAIL, EACCES);

	int64_t start = clock_mono_ms();
	struct vault *v = k->v;

	k->v = NULL;
	k->fault = k->stats = NULL;
	assert_int_equal(vault_close(v), EIO);
	assert_true(clock_mono_ms() - start < 2000);
	assert_int_equal(kit_raw_head(k->bucket, "backups/acme/f", NULL), 0);

	kit_open(k, &config, KIT_KEY);
	assert_int_equal(tree_remove_later(k->v, "acme/f", false), 0);
	v = k->v;
	k->v = NULL;
	k->fault = k->stats = NULL;
	assert_int_equal(vault_close(v), 0);
	assert_int_equal(kit_raw_head(k->bucket, "backups/acme/f", NULL), ENOENT);
}

int main(void)
{
#define BUCKET_TEST(f) cmocka_unit_test_setup_teardown(f, bucket_setup, kit_teardown)
	const struct CMUnitTest tests[] = {
		BUCKET_TEST(first_and_later_starts), BUCKET_TEST(passphrase_starts), BUCKET_TEST(wrong_raw_key), BUCKET_TEST(damaged_key_object),
		BUCKET_TEST(swapped_key_object), BUCKET_TEST(distinct_failures), BUCKET_TEST(markers), BUCKET_TEST(prefixes_inside_one_another),
		BUCKET_TEST(the_bare_bucket), BUCKET_TEST(read_only_leaves_nothing), BUCKET_TEST(what_must_exist_is_not_made), BUCKET_TEST(credentials_that_may_not_write),
		BUCKET_TEST(credentials_for_one_tenant), BUCKET_TEST(credentials_that_may_not_list), BUCKET_TEST(two_first_mounts_at_once), BUCKET_TEST(lost_replies_at_the_first_start),
		BUCKET_TEST(stores_without_conditions), BUCKET_TEST(memory_that_does_not_fit), BUCKET_TEST(start_timeout_is_kept), BUCKET_TEST(requests_end_with_the_start),
		BUCKET_TEST(accessors), BUCKET_TEST(close_tells_what_did_not_arrive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

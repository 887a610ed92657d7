/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a prefix on stores that are not memory: a local folder, and the S3 server of PISHOP_TEST_S3 (host:port), _ACCESS, _SECRET, _BUCKET where
 * it is given. */
#include "kit.h"

#include "base/clock.h"
#include "base/rand.h"
#include "vault/tree.h"
#include "vault/upload.h"
#include "vault/vault_private.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

#define LARGE (11u << 20)

struct place {
	char dir[64], prefix[64];
	bool s3;
	uint32_t start_ms;           /* start_timeout_ms */
	const char *bucket, *access; /* S3: overrides, to be wrong */
};

static struct store *make_store(const struct place *p)
{
	struct s3_config config = {
		.endpoint = getenv("PISHOP_TEST_S3"),
		.bucket = p->bucket ? p->bucket : getenv("PISHOP_TEST_S3_BUCKET"),
		.access_key = p->access ? p->access : getenv("PISHOP_TEST_S3_ACCESS"),
		.secret_key = getenv("PISHOP_TEST_S3_SECRET"),
		.path_style = true,
	};
	struct retry_config retry = { .base_ms = 10, .cap_ms = 50 };
	struct store *below, *top;

	if (!p->s3)
		assert_int_equal(dir_store_new(p->dir, &below), 0);
	else
		assert_int_equal(s3_store_new(&config, &below), 0);
	assert_int_equal(retry_store_new(below, &retry, &top), 0);
	return top;
}

static enum vault_failure try_open(const struct place *p, const char *prefix, const char *key, struct vault **v, char error[512])
{
	struct vault_config config = { .prefix = prefix, .memory = VAULT_MEMORY_MIN, .part_bytes = 6u << 20, .start_timeout_ms = p->start_ms };
	struct keyring *keys;
	enum vault_failure why;

	assert_int_equal(keyring_parse(key, strlen(key), &keys, error, 512), 0);
	why = vault_open(&config, make_store(p), keys, v, error, 512);
	if (why != VAULT_OK)
		print_message("  refused: %s\n", error);
	return why;
}

static void must_open(const struct place *p, struct vault **v)
{
	char error[512];

	if (try_open(p, p->prefix, KIT_KEY, v, error) != VAULT_OK)
		fail_msg("%s", error);
}

/* A large file by multipart upload, as the writer does it. */
static struct object *large_file(struct vault *v, const char *path, const char *key)
{
	struct object_key keys;
	struct upload *u;
	struct trailer t;
	struct store_cond cond = { .if_none_match = true };
	struct store_meta meta;
	struct slab *slabs[128];
	uint64_t chunks = chunk_count(LARGE), first = 0;
	uint32_t number = 0;

	trailer_fresh(v, &t, ENTRY_FILE, STATE_CLOSED, 0640, 1, 2);
	t.size = LARGE;
	assert_int_equal(object_key_new(&keys), 0);
	assert_int_equal(upload_new(v, path, &keys, &u), 0);
	memcpy(t.commit_id, upload_commit_id(u), 16);
	assert_int_equal(upload_begin(u), 0);
	while (first < chunks) {
		uint32_t count = (uint32_t)min_u64(96, chunks - first);
		struct object_end end = { LARGE, &t };

		for (uint32_t i = 0; i < count; i++) {
			slabs[i] = slab_take(vault_slabs(v), SLAB_WRITE);
			assert_non_null(slabs[i]);
			for (uint32_t b = 0; b < CHUNK_BYTES; b++)
				slabs[i]->data[b] = kit_byte((first + i) * CHUNK_BYTES + b, 5);
		}
		assert_int_equal(upload_send(u, ++number, first, slabs, count, first + count == chunks ? &end : NULL), 0);
		for (uint32_t i = 0; i < count; i++)
			slab_give(vault_slabs(v), slabs[i]);
		first += count;
	}
	assert_int_equal(upload_complete(u, LARGE, &cond, NULL, NULL, &meta), 0);
	upload_free(u);

	struct object *o = object_made(v, key, &keys, &t, &meta);

	object_key_wipe(&keys);
	assert_non_null(o);
	return o;
}

static void expect_large(struct vault *v, const char *key, uint32_t mode)
{
	struct object *o;
	struct trailer t;
	uint8_t *data = malloc(LARGE);
	size_t got;

	assert_int_equal(object_load(v, key, 0, &o, NULL), 0);
	object_attrs(o, &t);
	assert_int_equal(t.mode, mode);
	assert_int_equal(object_read(v, o, 0, LARGE, data, &got), 0);
	assert_int_equal(got, LARGE);
	kit_check(data, 0, got, 5);
	free(data);
	object_unref(o);
}

static void full_key(char out[PATH_CAP], const struct place *p, const char *path)
{
	snprintf(out, PATH_CAP, "%s%s%s", p->prefix, p->prefix[0] ? "/" : "", path);
}

static void small_files(struct vault *v, const struct place *p)
{
	char key[PATH_CAP], to[PATH_CAP];
	struct trailer t;
	struct object *o, *again;
	struct store_cond none = { .if_none_match = true };
	uint8_t back[20];
	size_t got;

	trailer_fresh(v, &t, ENTRY_FOLDER, STATE_CLOSED, 0755, 1, 2);
	assert_int_equal(tree_make_folder(v, "acme", &t, NULL), 0);
	assert_int_equal(tree_make_folder(v, "acme", &t, NULL), EEXIST);
	assert_int_equal(tree_make_folder(v, "acme/d", &t, NULL), 0);
	t.type = ENTRY_FILE;
	full_key(key, p, "acme/d/a");
	full_key(to, p, "acme/d/b");
	assert_int_equal(object_put_small(v, key, "hello", 5, &t, &none, &o, NULL), 0);
	assert_int_equal(object_put_small(v, key, "other", 5, &t, &none, NULL, NULL), EEXIST);
	t.mode = 0600;
	assert_int_equal(object_rewrite(v, o, key, &t, NULL), 0);
	assert_int_equal(object_confirm(v, o, 0, NULL), 0);
	assert_int_equal(object_rewrite(v, o, to, NULL, &none), 0);
	assert_int_equal(object_rewrite(v, o, key, NULL, &none), ESTALE);
	assert_int_equal(object_load(v, to, 0, &again, NULL), 0);
	assert_int_equal(object_read(v, again, 0, 20, back, &got), 0);
	assert_int_equal(got, 5);
	assert_memory_equal(back, "hello", 5);
	object_unref(again);
	/* a stale handle changes nothing */
	assert_int_equal(object_put_small(v, to, "replaced", 8, &t, NULL, NULL, NULL), 0);
	assert_int_equal(object_rewrite(v, o, to, &t, NULL), ESTALE);
	assert_int_equal(object_read(v, o, 0, 5, back, &got), ESTALE);
	assert_int_equal(object_confirm(v, o, 0, NULL), ESTALE);
	object_unref(o);
}

static void large_files(struct vault *v, const struct place *p)
{
	char key[PATH_CAP], to[PATH_CAP];
	struct trailer t;
	struct store_cond none = { .if_none_match = true };

	full_key(key, p, "acme/large");
	full_key(to, p, "acme/moved");

	struct object *o = large_file(v, "acme/large", key);

	expect_large(v, key, 0640);
	object_attrs(o, &t);
	t.mode = 0600;
	assert_int_equal(object_rewrite(v, o, key, &t, NULL), 0);
	expect_large(v, key, 0600);
	assert_int_equal(object_rewrite(v, o, to, NULL, &none), 0);
	expect_large(v, to, 0600);
	assert_int_equal(object_rewrite(v, o, key, NULL, &none), ESTALE);
	t.mode = 0644;
	assert_int_equal(object_rewrite(v, o, key, &t, NULL), 0);
	expect_large(v, key, 0644);
	object_unref(o);
}

static void remove_all(struct vault *v)
{
	struct tree_listing l;
	bool empty;

	assert_int_equal(tree_list(v, "acme", &l, NULL), 0);
	assert_int_equal(l.count, 3);
	assert_string_equal(l.entries[0].name, "d");
	assert_true(l.entries[0].folder);
	assert_int_equal(l.entries[1].size, LARGE);
	tree_listing_free(&l);
	assert_int_equal(tree_empty(v, "acme/d", &empty, NULL), 0);
	assert_false(empty);
	assert_int_equal(tree_remove_later(v, "acme/d/a", false), 0);
	assert_int_equal(tree_remove_later(v, "acme/d/b", false), 0);
	assert_int_equal(tree_empty(v, "acme/d", &empty, NULL), 0);
	assert_true(empty);
	assert_int_equal(tree_remove_later(v, "acme/d", true), 0);
	assert_int_equal(tree_remove_later(v, "acme/large", false), 0);
	assert_int_equal(tree_remove_later(v, "acme/moved", false), 0);
	assert_int_equal(tree_remove_later(v, "acme", true), 0);
	assert_int_equal(tree_send_removals(v, ""), 0);
	assert_int_equal(tree_list(v, "acme", &l, NULL), 0);
	assert_false(l.exists);
	tree_listing_free(&l);
}

static void life(const struct place *p)
{
	struct vault *v;
	char error[512], nested[PATH_CAP];

	must_open(p, &v);
	small_files(v, p);
	large_files(v, p);
	assert_int_equal(vault_close(v), 0);
	assert_int_equal(try_open(p, p->prefix, KIT_OTHER_KEY, &v, error), VAULT_WRONG_KEY);
	full_key(nested, p, "acme");
	assert_int_equal(try_open(p, nested, KIT_KEY, &v, error), VAULT_LAYOUT);
	must_open(p, &v);
	remove_all(v);
	assert_int_equal(vault_close(v), 0);
}

static int unlink_it(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

static void local_folder(void **state)
{
	static const char *const prefixes[] = { "", "backups", "a/b" };

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		struct place p = { .dir = "/tmp/pishop-test-XXXXXX" };

		copy_text(p.prefix, sizeof(p.prefix), prefixes[i]);
		assert_non_null(mkdtemp(p.dir));
		life(&p);
		nftw(p.dir, unlink_it, 8, FTW_DEPTH | FTW_PHYS);
	}
}

static void s3_server(void **state)
{
	struct place p = { .s3 = true };
	struct vault *v;
	char error[512];
	int64_t start;

	snprintf(p.prefix, sizeof(p.prefix), "vault-%08x", rand_below(UINT32_MAX));
	life(&p);
	p.bucket = "no-such-bucket-here";
	assert_int_equal(try_open(&p, p.prefix, KIT_KEY, &v, error), VAULT_NO_BUCKET);
	p.bucket = NULL;
	p.access = "wrong";
	assert_int_equal(try_open(&p, p.prefix, KIT_KEY, &v, error), VAULT_CREDENTIALS);
	start = clock_mono_ms();
	p.start_ms = 500;
	setenv("PISHOP_TEST_S3", "127.0.0.1:9", 1);
	assert_int_equal(try_open(&p, p.prefix, KIT_KEY, &v, error), VAULT_UNREACHABLE);
	assert_true(clock_mono_ms() - start < 3000);
}

int main(void)
{
	const struct CMUnitTest local[] = { cmocka_unit_test(local_folder) };
	const struct CMUnitTest server[] = { cmocka_unit_test(s3_server) };

	/* The server is whoever runs this program's to start: tests/runner/conformance.py does. */
	return getenv("PISHOP_TEST_S3") ? cmocka_run_group_tests(server, NULL, NULL) : cmocka_run_group_tests(local, NULL, NULL);
}

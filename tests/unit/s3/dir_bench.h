/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "conformance.h"

#include <ftw.h>
#include <unistd.h>

/* A folder store in a folder of its own, for tests that look at its files. */
struct dir_bench {
	struct store *s;
	char root[128];
};

static inline int dir_bench_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static inline int dir_bench_set_up(void **state)
{
	static struct dir_bench bench;

	snprintf(bench.root, sizeof(bench.root), "%s/pishop-dir-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	if (!mkdtemp(bench.root) || dir_store_new(bench.root, &bench.s))
		return 1;
	*state = &bench;
	return 0;
}

static inline int dir_bench_tear_down(void **state)
{
	struct dir_bench *b = *state;

	store_free(b->s);
	return nftw(b->root, dir_bench_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void dir_bench_reopen(struct dir_bench *b)
{
	store_free(b->s);
	b->s = NULL;
	assert_int_equal(dir_store_new(b->root, &b->s), 0);
}

/* root + "/" + path; good until the next call. */
static inline const char *dir_bench_path(const struct dir_bench *b, const char *path)
{
	static char out[4096];

	snprintf(out, sizeof(out), "%s/%s", b->root, path);
	return out;
}

static inline int dir_bench_put(struct dir_bench *b, const char *k, const char *text, const struct store_cond *cond, struct store_meta *meta,
				struct store_call *call)
{
	char bytes[256];

	assert_int_equal(copy_text(bytes, sizeof(bytes), text), 0);
	return b->s->ops->put(b->s, k, &(struct iovec){ bytes, strlen(text) }, 1, NULL, cond, meta, call);
}

static inline int dir_bench_get(struct dir_bench *b, const char *k, char out[256], struct store_meta *meta)
{
	size_t n;
	int rc = b->s->ops->get(b->s, k, (struct store_range){ 0, 0 }, NULL, &(struct iovec){ out, 255 }, 1, &n, meta, NULL);

	out[rc ? 0 : n] = '\0';
	return rc;
}

static inline void dir_bench_expect(struct dir_bench *b, const char *k, const char *text)
{
	char out[256];

	assert_int_equal(dir_bench_get(b, k, out, NULL), 0);
	assert_string_equal(out, text);
}

/* Keys of everything, joined by spaces. */
static inline void dir_bench_expect_keys(struct dir_bench *b, const char *expected)
{
	struct store_page page;
	char keys[4096] = "";
	size_t used = 0;

	assert_int_equal(b->s->ops->list(b->s, "", 0, NULL, 0, &page, NULL), 0);
	for (size_t i = 0; i < page.count; i++)
		used += (size_t)snprintf(keys + used, sizeof(keys) - used, i ? " %s" : "%s", page.objects[i].key);
	store_page_free(&page);
	assert_string_equal(keys, expected);
}

/* Number of entries in a folder; 0 where there is none. */
static inline unsigned dir_bench_entries(const struct dir_bench *b, const char *path)
{
	char command[4200], line[32] = "0";
	FILE *f;

	snprintf(command, sizeof(command), "find '%s' -mindepth 1 2>/dev/null | wc -l", dir_bench_path(b, path));
	f = popen(command, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	pclose(f);
	return (unsigned)strtoul(line, NULL, 10);
}

#define DIR_TEST(f) cmocka_unit_test_setup_teardown(f, dir_bench_set_up, dir_bench_tear_down)

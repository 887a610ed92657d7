/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

#include "base/rand.h"

/* What a listing must be, from the sorted keys: the plainest possible reading of the contract. */
static void model(const char *const *sorted, size_t count, const char *prefix, char delimiter, struct store_page *out)
{
	size_t n = strlen(prefix);

	*out = (struct store_page){ 0 };
	for (size_t i = 0; i < count; i++) {
		if (strncmp(sorted[i], prefix, n) != 0)
			continue;

		const char *end = delimiter ? strchr(sorted[i] + n, delimiter) : NULL;
		AUTO_FREE char *name = strndup(sorted[i], end ? (size_t)(end + 1 - sorted[i]) : strlen(sorted[i]));

		if (!end || !out->count || strcmp(out->objects[out->count - 1].key, name) != 0)
			assert_int_equal(store_page_add(out, &(struct store_object){ .key = name, .prefix = end != NULL }), 0);
	}
}

static void expect_listing(struct bench *b, const char *const *sorted, size_t count, const char *prefix, char delimiter, uint32_t max)
{
	struct store_page expected, got;
	size_t cut = 0;

	model(sorted, count, prefix, delimiter, &expected);
	list_all(b, prefix, delimiter, max, &got);
	if (max == 1 && !b->local && got.count < expected.count) {
		differs("with pages of one key a list ends early behind a folder that has a marker (MinIO): never page by one");
		cut = expected.count - got.count;
	}
	if (got.count != expected.count - cut)
		print_message("listing %s, delimiter '%c', pages of %u\n", prefix, delimiter ? delimiter : '0', max);
	assert_int_equal(got.count, expected.count - cut);
	for (size_t i = 0; i < got.count; i++) {
		assert_string_equal(got.objects[i].key, expected.objects[i].key);
		assert_int_equal(got.objects[i].prefix, expected.objects[i].prefix);
	}
	store_page_free(&expected);
	store_page_free(&got);
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void order_prefixes_and_pages(void **state)
{
	static const char *const names[] = {
		"a-", "a.b", "a/b", "a/c/d", "a/c/e", "a/c.", "a/", "a0", "aa", "b/c/d", "b/c/", "Z", "z", "~", "\xc3\xa9", "e/f/g/h/i", "e/f-/x",
		"\x01", " ", "%", "a!/x", "a!",
	};
	static const char *const prefixes[] = { "", "a", "a/", "a/c", "a/c/", "b/", "b/c/d", "e/", "e/f", "absent", "a/b", "a/b/", "z", "a!", "a!/" };
	struct bench *b = *state;
	const char *sorted[ARRAY_LEN(names)];
	char store[ARRAY_LEN(names)][64];
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(names[i], "a!") == 0 || (b->no_controls && names[i][0] < 0x20)) /* tested in conf_keys.c */
			continue;
		snprintf(store[i], sizeof(store[i]), "%s%s", b->prefix, names[i]);
		put_text(b, store[i], names[i]);
		sorted[count++] = store[i];
	}
	qsort(sorted, count, sizeof(*sorted), by_bytes);
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		for (uint32_t max = 0; max < 6; max++) {
			expect_listing(b, sorted, count, key(b, prefixes[i]), 0, max);
			expect_listing(b, sorted, count, key(b, prefixes[i]), '/', max);
		}
}

/* Does one key stand under another? */
static bool collides(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), shorter = min_size(n, m);

	if (strncmp(a, b, shorter) != 0)
		return false;
	return n == m || (n < m ? b[n] : a[m]) == '/';
}

static void random_name(char out[16])
{
	static const char letters[] = "ab-.0/";
	size_t n = 1 + rand_below(9);

	for (size_t i = 0; i < n; i++)
		out[i] = letters[rand_below(sizeof(letters) - 1)];
	out[n] = '\0';
}

/* Could a key begin so, and is it one itself? */
static bool could_begin_a_key(struct bench *b, const char *prefix)
{
	char k[128];

	snprintf(k, sizeof(k), "%sx", prefix);
	return store_key_check(&b->s->limits, k) == 0 && store_key_check(&b->s->limits, prefix) == 0;
}

/* Trees nobody would think of, against the model. */
static void random_trees(void **state)
{
	enum { KEYS = 40, PREFIXES = 25 };
	struct bench *b = *state;
	char store[KEYS][64], name[16];
	const char *sorted[KEYS];
	size_t count = 0;

	while (count < KEYS) {
		bool good;

		random_name(name);
		snprintf(store[count], sizeof(store[count]), "%s%s", b->prefix, name);
		good = store_key_check(&b->s->limits, store[count]) == 0;
		for (size_t i = 0; i < count; i++)
			good = good && !collides(store[count], store[i]);
		if (!good)
			continue;
		put_text(b, store[count], name);
		sorted[count] = store[count];
		count++;
	}
	qsort(sorted, count, sizeof(*sorted), by_bytes);
	for (int i = 0; i < PREFIXES; i++) {
		uint32_t max = rand_below(8);

		random_name(name);
		name[rand_below(4)] = '\0';
		if (!could_begin_a_key(b, key(b, name)))
			continue; /* a server may call it a bad request */
		expect_listing(b, sorted, count, key(b, name), 0, max);
		expect_listing(b, sorted, count, key(b, name), '/', max);
	}
}

static void entries_tell_what_head_tells(void **state)
{
	struct bench *b = *state;
	struct store_page page;

	put_text(b, key(b, "one"), "1");
	put_text(b, key(b, "sub/two"), "22");
	put_text(b, key(b, "zero"), "");
	list_all(b, b->prefix, 0, 0, &page);
	assert_int_equal(page.count, 3);
	for (size_t i = 0; i < page.count; i++) {
		struct store_meta meta;

		assert_int_equal(b->s->ops->head(b->s, page.objects[i].key, &meta, NULL), 0);
		assert_int_equal(page.objects[i].size, meta.size);
		assert_string_equal(page.objects[i].etag, meta.etag);
		assert_int_equal(page.objects[i].modified, meta.modified);
		assert_false(page.objects[i].prefix);
	}
	store_page_free(&page);
}

static void nothing_there(void **state)
{
	struct bench *b = *state;
	struct store_page page = { .count = 77 };

	assert_int_equal(b->s->ops->list(b->s, key(b, "no/such/folder/"), '/', NULL, 0, &page, NULL), 0);
	assert_int_equal(page.count, 0);
	assert_null(page.next);
	store_page_free(&page);
	store_page_free(&page); /* twice is legal */
}

/* From the very root, and again: no position is kept from one call to the next. */
static void the_root_twice(void **state)
{
	struct bench *b = *state;
	struct store_page first, second;

	put_text(b, key(b, "x"), "x");
	assert_int_equal(b->s->ops->list(b->s, "", '/', NULL, 5, &first, NULL), 0);
	assert_int_equal(b->s->ops->list(b->s, "", '/', NULL, 5, &second, NULL), 0);
	assert_true(first.count > 0);
	assert_int_equal(first.count, second.count);
	assert_string_equal(first.objects[0].key, second.objects[0].key);
	store_page_free(&first);
	store_page_free(&second);
}

static void folders_vanish_with_their_last_object(void **state)
{
	struct bench *b = *state;
	struct store_page page;

	put_text(b, key(b, "a/b/c/d"), "d");
	put_text(b, key(b, "a/x"), "x");
	assert_int_equal(remove_key(b, key(b, "a/b/c/d")), 0);
	list_all(b, key(b, "a/"), '/', 0, &page);
	assert_int_equal(page.count, 1);
	assert_string_equal(page.objects[0].key, key(b, "a/x"));
	store_page_free(&page);
	assert_int_equal(remove_key(b, key(b, "a/x")), 0);
	list_all(b, b->prefix, '/', 0, &page);
	assert_int_equal(page.count, 0);
	store_page_free(&page);
}

/* More objects than a default page holds, where that is small enough; else pages of our own size. */
static void many_pages(void **state)
{
	struct bench *b = *state;
	uint32_t largest = b->s->limits.list_max;
	size_t objects = largest <= 1000 ? largest + 3 : 103;
	struct store_page page;
	char name[32];

	for (size_t i = 0; i < objects; i++) {
		snprintf(name, sizeof(name), "n/%04zu", i);
		put_text(b, key(b, name), "");
	}
	list_all(b, b->prefix, 0, 0, &page);
	assert_int_equal(page.count, objects);
	for (size_t i = 0; i < objects; i++) {
		snprintf(name, sizeof(name), "n/%04zu", i);
		assert_string_equal(page.objects[i].key, key(b, name));
	}
	store_page_free(&page);
	list_all(b, key(b, "n/"), '/', (uint32_t)min_size(25, largest), &page);
	assert_int_equal(page.count, objects);
	store_page_free(&page);
	list_all(b, b->prefix, '/', 0, &page);
	assert_int_equal(page.count, 1);
	store_page_free(&page);
}

/* A page's token stays good when the object it was made from is gone: a sweep removes while it lists. */
static void removing_between_pages(void **state)
{
	struct bench *b = *state;
	struct store_page page;
	char *token = NULL, name[32];
	size_t seen = 0;

	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "s/%d", i);
		put_text(b, key(b, name), "x");
	}
	do {
		assert_int_equal(b->s->ops->list(b->s, b->prefix, 0, token, 3, &page, NULL), 0);
		free(token);
		token = page.next ? strdup(page.next) : NULL;
		for (size_t i = 0; i < page.count; i++)
			assert_int_equal(remove_key(b, page.objects[i].key), 0);
		seen += page.count;
		store_page_free(&page);
	} while (token);
	assert_int_equal(seen, 10);
}

static void wrong_arguments(void **state)
{
	struct bench *b = *state;
	struct store_page page;

	static const char *const no_keys[] = { "/", "//", "./", "../", "x//", "x/../", "x/./y" };

	if (!b->local)
		return; /* what a server says of them is its own affair; the vault sends none */
	put_text(b, key(b, "x/y"), "y");
	for (size_t i = 0; i < ARRAY_LEN(no_keys); i++) {
		assert_int_equal(b->s->ops->list(b->s, no_keys[i], 0, NULL, 0, &page, NULL), 0);
		assert_int_equal(page.count, 0);
		assert_int_equal(b->s->ops->list(b->s, key(b, no_keys[i]), '/', NULL, 0, &page, NULL), 0);
		assert_int_equal(page.count, 0);
	}
	assert_int_equal(b->s->ops->list(b->s, b->prefix, '-', NULL, 0, &page, NULL), EINVAL);
	assert_int_equal(b->s->ops->list(b->s, b->prefix, 0, "nonsense", 0, &page, NULL), EINVAL);
	assert_int_equal(b->s->ops->list(b->s, b->prefix, 0, NULL, b->s->limits.list_max + 1, &page, NULL), EINVAL);
}

const struct CMUnitTest conf_list_tests[] = {
	CONF_TEST(order_prefixes_and_pages),
	CONF_TEST(random_trees),
	CONF_TEST(entries_tell_what_head_tells),
	CONF_TEST(nothing_there),
	CONF_TEST(the_root_twice),
	CONF_TEST(folders_vanish_with_their_last_object),
	CONF_TEST(many_pages),
	CONF_TEST(removing_between_pages),
	CONF_TEST(wrong_arguments),
};
const size_t conf_list_count = ARRAY_LEN(conf_list_tests);

/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

/* Names that break naive quoting, XML, URLs, terminals, and the folder store's own names. */
static const char *const hostile[] = {
	"new\nline", "carriage\rreturn", "tab\there", "ctrl\x01\x1f", "del\x7f", " leading", "trailing ", "two  spaces", "%41", "a%2Fb", "100%",
	"a+b", "a&amp;b", "<a>", "]]>", "\"quoted'", "back\\slash", "..\\up", "nfc-\xc3\xa9", "nfd-e\xcc\x81", "\xe6\x97\xa5\xe6\x9c\xac",
	"\xf0\x9f\x94\x92", "?query=1", "#fragment", "a;b", "a:b", "a|b", "a*b", "a,b=c", "~tilde", "$HOME", "`id`", "-rf", "..a", "a..", "...",
	".hidden", ".pishop=store", ".pishop=folder", ".pishop=", ".pishop==", ".pishop==store", "d/.pishop=store/tmp/x", "d/.pishop=folder/x",
	"UPPER", "upper", "\xe2\x80\xae" "rtl", "\xef\xbb\xbf" "bom", "nbsp\xc2\xa0",
};

static size_t index_of(const struct store_page *page, const char *k)
{
	size_t found = page->count;

	for (size_t i = 0; i < page->count; i++)
		if (strcmp(page->objects[i].key, k) == 0) {
			assert_int_equal(found, page->count); /* once */
			found = i;
		}
	return found;
}

static bool has_control(const char *name)
{
	for (; *name; name++)
		if ((unsigned char)*name < 0x20 || *name == 0x7f)
			return true;
	return false;
}

static void hostile_names_round_trip(void **state)
{
	struct bench *b = *state;
	struct store_page page;
	size_t refused = 0;

	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		char text[16];
		int rc;

		if (b->no_controls && has_control(hostile[i])) {
			refused++;
			continue;
		}
		snprintf(text, sizeof(text), "%zu", i);
		rc = put_bytes(b, key(b, hostile[i]), text, strlen(text), NULL, NULL);
		if (rc == EINVAL && !b->local) {
			print_message("[ DIFFERS  ] this server refuses the key %zu of the list\n", i);
			refused++;
			continue;
		}
		assert_int_equal(rc, 0);
	}
	list_all(b, b->prefix, 0, 0, &page);
	assert_int_equal(page.count, ARRAY_LEN(hostile) - refused);
	store_page_free(&page);
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		char text[16];
		struct store_meta meta;
		const char *k = key(b, hostile[i]);

		snprintf(text, sizeof(text), "%zu", i);
		if (b->s->ops->head(b->s, k, &meta, NULL))
			continue;
		expect_text(b, k, text); /* each its own: no two names fall together */
		list_all(b, k, 0, 0, &page);
		assert_int_not_equal(index_of(&page, k), page.count);
		store_page_free(&page);
		list_all(b, b->prefix, '/', 0, &page);
		if (!strchr(hostile[i], '/'))
			assert_int_not_equal(index_of(&page, k), page.count);
		store_page_free(&page);
		assert_int_equal(remove_key(b, k), 0);
		expect_absent(b, k);
	}
	list_all(b, b->prefix, 0, 0, &page);
	assert_int_equal(page.count, 0);
	store_page_free(&page);
}

/* A Linux file name is any bytes. A store takes them as they are, or refuses: it never changes them. */
static void names_that_are_not_utf8(void **state)
{
	struct bench *b = *state;
	const char *k = key(b, "latin1-\xe9");
	struct store_page page;
	int rc = put_bytes(b, k, "x", 1, NULL, NULL);

	if (rc == EINVAL && !b->local) {
		differs("this server refuses names that are not UTF-8");
		return;
	}
	assert_int_equal(rc, 0);
	expect_text(b, k, "x");
	list_all(b, b->prefix, 0, 0, &page);
	assert_int_equal(page.count, 1);
	assert_string_equal(page.objects[0].key, k);
	store_page_free(&page);
}

/* Every operation that takes a key, with one that is wrong. */
static void expect_refused(struct bench *b, const char *bad, int error)
{
	struct iovec iov = { (char[]){ "x" }, 1 };
	struct store_meta meta;
	struct store_part part = { .number = 1 };
	struct store_parts parts;
	struct store_uploads uploads;
	const struct store_ops *o = b->s->ops;
	char id[STORE_UPLOAD_MAX] = "0";
	size_t n;
	const char *good = key(b, "good");
	int result;

	assert_int_equal(o->put(b->s, bad, &iov, 1, NULL, NULL, NULL, NULL), error);
	assert_int_equal(o->get(b->s, bad, (struct store_range){ 0, 0 }, NULL, &iov, 1, &n, NULL, NULL), error);
	assert_int_equal(o->head(b->s, bad, &meta, NULL), error);
	assert_int_equal(o->remove(b->s, &bad, 1, &result, NULL), error);
	assert_int_equal(result, error);
	assert_int_equal(o->copy(b->s, bad, NULL, good, NULL, NULL, NULL, NULL), error);
	assert_int_equal(o->copy(b->s, good, NULL, bad, NULL, NULL, NULL, NULL), error);
	assert_int_equal(o->begin(b->s, bad, NULL, id, NULL), error);
	assert_int_equal(o->part(b->s, bad, "0", &iov, 1, &part, NULL), error);
	assert_int_equal(o->part_copy(b->s, bad, "0", good, NULL, 0, 1, &part, NULL), error);
	assert_int_equal(o->part_copy(b->s, good, "0", bad, NULL, 0, 1, &part, NULL), error);
	assert_int_equal(o->complete(b->s, bad, "0", &part, 1, NULL, NULL, NULL), error);
	assert_int_equal(o->abort(b->s, bad, "0", NULL), error);
	assert_int_equal(o->list_parts(b->s, bad, "0", &parts, NULL), error);
	assert_int_equal(o->list_uploads(b->s, bad, &uploads, NULL), error);
}

static void illegal_keys(void **state)
{
	static const char *const bad[] = { "", "/", "/a", "//", "a//b", "a//", ".", "..", "./a", "../a", "a/.", "a/..", "a/./b", "a/../b", "a/../" };
	struct bench *b = *state;

	put_text(b, key(b, "good"), "good");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		expect_refused(b, bad[i], EINVAL);
	expect_text(b, key(b, "good"), "good");
}

static void longest_names(void **state)
{
	struct bench *b = *state;
	uint32_t max = b->s->limits.segment_max;
	char name[1200];
	const char *text;
	struct store_page page;
	int rc;

	assert_true(max < sizeof(name) - 1);
	put_text(b, key(b, "good"), "good");
	memset(name, 'n', max + 1);
	name[max + 1] = '\0';
	expect_refused(b, key(b, name), ENAMETOOLONG);
	name[max] = '\0';
	put_text(b, key(b, name), "long");
	expect_text(b, key(b, name), "long");
	list_all(b, key(b, "nn"), 0, 0, &page);
	assert_int_equal(page.count, 1);
	assert_string_equal(page.objects[0].key, key(b, name));
	store_page_free(&page);
	memcpy(name, "mm", 2);
	name[max] = '/'; /* the marker of a folder whose name is that long */
	name[max + 1] = '\0';
	text = text_at(b, key(b, name), "marker");
	rc = put_bytes(b, key(b, name), text, strlen(text), NULL, NULL);
	if (rc == EINVAL && !b->local) {
		differs("markers of folders with the longest names are refused; those 9 bytes shorter are good (MinIO adds __XLDIR__)");
		memcpy(name + max - 9, "/", 2);
		rc = put_bytes(b, key(b, name), text, strlen(text), NULL, NULL);
	}
	assert_int_equal(rc, 0);
	expect_text(b, key(b, name), "marker");
}

static void longest_keys(void **state)
{
	struct bench *b = *state;
	uint32_t max = b->s->limits.key_max, at = (uint32_t)strlen(b->prefix);
	char k[4100];
	struct store_page page;

	assert_true(max + 2 < sizeof(k));
	memset(k, 'k', sizeof(k));
	memcpy(k, b->prefix, at);
	for (uint32_t i = at + 100; i < max - 1; i += 101)
		k[i] = '/';
	k[max] = '\0';
	put_text(b, k, "deep");
	expect_text(b, k, "deep");
	list_all(b, b->prefix, 0, 0, &page);
	assert_int_equal(page.count, 1);
	assert_string_equal(page.objects[0].key, k);
	store_page_free(&page);
	put_text(b, key(b, "good"), "good");
	k[max] = 'k';
	k[max + 1] = '\0';
	expect_refused(b, k, ENAMETOOLONG);
}

static void folder_markers(void **state)
{
	struct bench *b = *state;
	struct store_page page;
	int rc;

	put_text(b, key(b, "f/"), "attributes");
	put_text(b, key(b, "f/x"), "x");
	put_text(b, key(b, "f/g/"), "");
	expect_text(b, key(b, "f/"), "attributes");
	expect_text(b, key(b, "f/g/"), "");
	expect_absent(b, key(b, "f"));
	expect_absent(b, key(b, "f/x/"));
	list_all(b, b->prefix, '/', 0, &page);
	assert_int_equal(page.count, 1);
	assert_string_equal(page.objects[0].key, key(b, "f/"));
	assert_true(page.objects[0].prefix);
	store_page_free(&page);
	list_all(b, key(b, "f/"), '/', 0, &page);
	assert_int_equal(page.count, 3);
	assert_string_equal(page.objects[0].key, key(b, "f/"));
	assert_false(page.objects[0].prefix);
	assert_int_equal(page.objects[0].size, strlen(text_at(b, key(b, "f/"), "attributes")));
	assert_string_equal(page.objects[1].key, key(b, "f/g/"));
	assert_true(page.objects[1].prefix);
	assert_string_equal(page.objects[2].key, key(b, "f/x"));
	store_page_free(&page);
	assert_int_equal(remove_key(b, key(b, "f/")), 0);
	expect_absent(b, key(b, "f/"));
	expect_text(b, key(b, "f/x"), "x");
	assert_int_equal(remove_key(b, key(b, "f/x")), 0);
	expect_text(b, key(b, "f/g/"), ""); /* a marker outlives its folder's last child */
	rc = b->s->ops->copy(b->s, key(b, "f/g/"), NULL, key(b, "h/"), NULL, NULL, NULL, NULL);
	ASSERT_ANY(rc, 0, b->empty_markers ? EINVAL : 0); /* who has no markers but folders cannot copy them either */
	if (!rc)
		expect_text(b, key(b, "h/"), "");
}

/* An object a and an object a/b. The store keeps both, or refuses the second and leaves the first as it was. */
static void a_key_under_a_key(void **state)
{
	struct bench *b = *state;
	struct store_call call = { 0 };
	struct iovec iov = { (char[]){ "child" }, 5 };
	int rc;

	put_text(b, key(b, "a"), "parent");
	expect_absent(b, key(b, "a/b"));
	rc = b->s->ops->put(b->s, key(b, "a/b"), &iov, 1, NULL, NULL, NULL, &call);
	expect_text(b, key(b, "a"), "parent");
	if (b->real_folders) {
		assert_int_equal(rc, EINVAL);
		expect_absent(b, key(b, "a/b"));
		assert_int_equal(remove_key(b, key(b, "a/b")), 0);
		expect_text(b, key(b, "a"), "parent");
	} else {
		assert_int_equal(rc, 0);
		expect_text(b, key(b, "a/b"), "child");
		assert_int_equal(remove_key(b, key(b, "a")), 0); /* a server may hide a/b from lists while a is there: see the vault */
	}
	put_text(b, key(b, "c/d"), "child");
	expect_absent(b, key(b, "c"));
	assert_int_equal(remove_key(b, key(b, "c")), 0);
	iov = (struct iovec){ (char[]){ "parent" }, 6 };
	rc = b->s->ops->put(b->s, key(b, "c"), &iov, 1, NULL, NULL, NULL, &call);
	assert_int_equal(rc, b->real_folders ? EINVAL : 0);
	expect_text(b, key(b, "c/d"), "child");
	remove_key(b, key(b, "c"));
	expect_text(b, key(b, "c/d"), "child");
	assert_int_equal(remove_key(b, key(b, "c/d")), 0);
	put_text(b, key(b, "c"), "no folder stands in the way of a name"); /* nor an empty one that was left */
}

const struct CMUnitTest conf_key_tests[] = {
	CONF_TEST(hostile_names_round_trip),
	CONF_TEST(names_that_are_not_utf8),
	CONF_TEST(illegal_keys),
	CONF_TEST(longest_names),
	CONF_TEST(longest_keys),
	CONF_TEST(folder_markers),
	CONF_TEST(a_key_under_a_key),
};
const size_t conf_key_count = ARRAY_LEN(conf_key_tests);

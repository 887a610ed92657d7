/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

/* MD5 over the MD5s of "one" and "two", by another implementation. */
#define MULTIPART_OF_ONE_AND_TWO "1397b7ee3222e3980d0d20f23a871b02"

static void keys(void **state)
{
	static const struct {
		const char *key;
		int rc;
	} cases[] = {
		{ "a", 0 }, { "a/", 0 }, { "a/b", 0 }, { "a/b/", 0 }, { "...", 0 }, { "a/...", 0 }, { "..a/b..", 0 }, { ".a", 0 }, { " ", 0 },
		{ "\n", 0 }, { "\xff", 0 }, { "12345678/9", 0 }, { "12345678", 0 }, { "1234567890/1", 0 },
		{ "", EINVAL }, { "/", EINVAL }, { "/a", EINVAL }, { "a//b", EINVAL }, { "a//", EINVAL }, { "//", EINVAL }, { ".", EINVAL },
		{ "..", EINVAL }, { "./", EINVAL }, { "../a", EINVAL }, { "a/..", EINVAL }, { "a/../b", EINVAL }, { "a/./b", EINVAL },
		{ "a/b/.", EINVAL }, { "12345678901", ENAMETOOLONG }, { "a/12345678901/b", ENAMETOOLONG }, { "12345678901/", ENAMETOOLONG },
		{ "1234567/9012345/78901", ENAMETOOLONG },
	};
	struct store_limits limits = { .key_max = 20, .segment_max = 10 };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (store_key_check(&limits, cases[i].key) != cases[i].rc)
			fail_msg("key %s is not %d", cases[i].key, cases[i].rc);
}

static void ranges(void **state)
{
	static const struct {
		uint64_t size;
		struct store_range range;
		size_t room;
		int rc;
		uint64_t begin;
		size_t length;
	} cases[] = {
		{ 10, { 0, 0 }, 10, 0, 0, 10 }, { 10, { 2, 3 }, 3, 0, 2, 3 }, { 10, { 8, 9 }, 9, 0, 8, 2 }, { 10, { -4, 0 }, 4, 0, 6, 4 },
		{ 10, { -40, 0 }, 10, 0, 0, 10 }, { 10, { INT64_MIN, 0 }, 10, 0, 0, 10 }, { 10, { -4, 1 }, 4, 0, 6, 4 },
		{ 0, { 0, 0 }, 0, 0, 0, 0 }, { 0, { 0, 5 }, 5, 0, 0, 0 }, { 0, { -5, 0 }, 5, 0, 0, 0 }, { 10, { 0, UINT64_MAX }, 10, 0, 0, 10 },
		{ 10, { 10, 1 }, 10, EINVAL, 0, 0 }, { 10, { INT64_MAX, 1 }, 10, EINVAL, 0, 0 }, { 0, { 1, 0 }, 10, EINVAL, 0, 0 },
		{ 10, { 0, 0 }, 9, EBADMSG, 0, 0 }, { 10, { -4, 0 }, 3, EBADMSG, 0, 0 }, { UINT64_MAX, { 0, 0 }, 9, EBADMSG, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t begin = 99;
		size_t length = 99;

		assert_int_equal(store_range_resolve(cases[i].size, cases[i].range, cases[i].room, &begin, &length), cases[i].rc);
		if (cases[i].rc)
			continue;
		assert_int_equal(begin, cases[i].begin);
		assert_int_equal(length, cases[i].length);
	}
}

static void conditions(void **state)
{
	struct store_cond none = { 0 }, absent = { .if_none_match = true }, exact = { .if_match = "e" }, both = { true, "e" };

	assert_int_equal(store_cond_check(NULL, NULL), 0);
	assert_int_equal(store_cond_check(NULL, "e"), 0);
	assert_int_equal(store_cond_check(&none, NULL), 0);
	assert_int_equal(store_cond_check(&none, "e"), 0);
	assert_int_equal(store_cond_check(&absent, NULL), 0);
	assert_int_equal(store_cond_check(&absent, "e"), ESTALE);
	assert_int_equal(store_cond_check(&exact, "e"), 0);
	assert_int_equal(store_cond_check(&exact, "f"), ESTALE);
	assert_int_equal(store_cond_check(&exact, "ee"), ESTALE);
	assert_int_equal(store_cond_check(&exact, NULL), ESTALE);
	assert_int_equal(store_cond_check(&both, "e"), EINVAL);
}

static void multipart_etags(void **state)
{
	struct store_part parts[2] = { { .etag = "f97c5d29941bfb1b2fdab0874906ab82" }, { .etag = "b8a9f715dbb64fd5c56e7783c6820a61" } };
	char etag[STORE_ETAG_MAX];

	assert_int_equal(store_multipart_etag(parts, 2, etag), 0);
	assert_string_equal(etag, MULTIPART_OF_ONE_AND_TWO "-2");
	assert_int_equal(store_multipart_etag(parts, 1, etag), 0);
	assert_string_not_equal(etag, MULTIPART_OF_ONE_AND_TWO "-1");
	parts[1].etag[31] = '0'; /* another part, another ETag */
	assert_int_equal(store_multipart_etag(parts, 2, etag), 0);
	assert_string_not_equal(etag, MULTIPART_OF_ONE_AND_TWO "-2");
	parts[1].etag[31] = 'x';
	assert_int_equal(store_multipart_etag(parts, 2, etag), 1);
	parts[1].etag[31] = '\0';
	assert_int_equal(store_multipart_etag(parts, 2, etag), 1);
	snprintf(parts[1].etag, sizeof(parts[1].etag), "b8a9f715dbb64fd5c56e7783c6820a61-1");
	assert_int_equal(store_multipart_etag(parts, 2, etag), 1);
}

static void errors_in_words(void **state)
{
	struct store_error err = { .code = ENODEV, .http_status = 404, .s3_code = "NoSuchBucket", .message = "no bucket b", .request_id = "17A",
				   .key = "k" };
	char text[64], small[8];

	store_error_text(&err, text, sizeof(text));
	assert_string_equal(text, "k: no bucket b (NoSuchBucket, HTTP 404, request 17A)");
	store_error_text(&err, small, sizeof(small));
	assert_string_equal(small, "k: no b");
	store_error_text(&err, small, 0);
	err = (struct store_error){ .code = EHOSTUNREACH, .key = "a\nb\x1b[2J" };
	store_error_text(&err, text, sizeof(text));
	assert_string_equal(text, "a?b?[2J: no connection");
	err = (struct store_error){ .code = ESTALE, .http_status = 412 };
	store_error_text(&err, text, sizeof(text));
	assert_string_equal(text, "the object is not the one expected (HTTP 412)");
	err = (struct store_error){ .code = 12345 };
	store_error_text(&err, text, sizeof(text));
	assert_string_equal(text, "unknown error");
}

static void failing_tells(void **state)
{
	struct store_call call = { .err = { .ambiguous = true, .http_status = 500, .s3_code = "Old" } };
	char k[600];

	memset(k, 'k', sizeof(k) - 1);
	k[sizeof(k) - 1] = '\0';
	assert_int_equal(store_fail(NULL, ENOENT, k, "nobody hears"), ENOENT);
	assert_int_equal(store_fail(&call, ENOENT, k, "number %d", 7), ENOENT);
	assert_int_equal(call.err.code, ENOENT);
	assert_string_equal(call.err.message, "number 7");
	assert_int_equal(strlen(call.err.key), sizeof(call.err.key) - 1);
	assert_false(call.err.ambiguous);
	assert_int_equal(call.err.http_status, 0);
	assert_string_equal(call.err.s3_code, "");
	store_call_reset(&call);
	assert_int_equal(call.err.code, 0);
}

static void pages_grow(void **state)
{
	struct store_page page = { 0 };
	const char *after;
	bool is_prefix;

	for (int i = 0; i < 1000; i++) {
		char k[16];

		snprintf(k, sizeof(k), "%d", i);
		assert_int_equal(store_page_add(&page, &(struct store_object){ .key = k, .prefix = i == 999 }), 0);
	}
	assert_string_equal(page.objects[16].key, "16");
	assert_string_equal(page.objects[999].key, "999");
	assert_int_equal(store_page_set_next(&page), 0);
	assert_int_equal(store_token_parse(page.next, &after, &is_prefix), 0);
	assert_string_equal(after, "999");
	assert_true(is_prefix);
	assert_int_equal(store_token_parse("", &after, &is_prefix), EINVAL);
	assert_int_equal(store_token_parse("x999", &after, &is_prefix), EINVAL);
	store_page_free(&page);
	assert_int_equal(page.count, 0);
}

static void nothing_may_be_freed(void **state)
{
	store_free(NULL);
	store_page_free(NULL);
	store_parts_free(NULL);
	store_uploads_free(NULL);
	assert_int_equal(store_iov_bytes(NULL, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys),		   cmocka_unit_test(ranges),	    cmocka_unit_test(conditions),
		cmocka_unit_test(multipart_etags), cmocka_unit_test(errors_in_words), cmocka_unit_test(failing_tells),
		cmocka_unit_test(pages_grow),	   cmocka_unit_test(nothing_may_be_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

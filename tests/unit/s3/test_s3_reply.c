/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "s3/s3_reply.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- errors and results */

static void errors(void **state)
{
	const char text[] = "<Error><Code>NoSuchKey</Code><Message>gone</Message><RequestId>R1</RequestId><Region>eu-west-1</Region></Error>";
	struct s3_error_reply error;

	assert_int_equal(s3_parse_error(text, strlen(text), &error), 0);
	assert_string_equal(error.s3_code, "NoSuchKey");
	assert_string_equal(error.message, "gone");
	assert_string_equal(error.request_id, "R1");
	assert_string_equal(error.region, "eu-west-1");
}

static void what_is_no_error(void **state)
{
	static const char *const bad[] = { "", "<html><h1>404</h1></html>", "<Error></Error>", "<Error><Code></Code></Error>", "<Error><Code>X</Code>",
					   "<Errors><Code>X</Code></Errors>", "<E><Error><Code>X</Code></Error></E>" };
	struct s3_error_reply error;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(s3_parse_error(bad[i], strlen(bad[i]), &error), EBADMSG);
}

static void long_messages_are_cut(void **state)
{
	char text[2048];
	struct s3_error_reply error;

	snprintf(text, sizeof(text), "<Error><Code>%0200d</Code><Message>%01000d</Message></Error>", 1, 2);
	assert_int_equal(s3_parse_error(text, strlen(text), &error), 0);
	assert_int_equal(strlen(error.s3_code), sizeof(error.s3_code) - 1);
	assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
}

static int result_of(const char *text, const char *root, struct s3_result *result)
{
	return s3_parse_result(text, strlen(text), root, result);
}

static void results(void **state)
{
	struct s3_result result;

	assert_int_equal(result_of("  \n<CompleteMultipartUploadResult><Location>l</Location><ETag>&quot;abc-2&quot;</ETag></CompleteMultipartUploadResult>",
				   "CompleteMultipartUploadResult", &result), 0);
	assert_string_equal(result.etag, "abc-2");
	assert_int_equal(result_of("<CopyObjectResult><LastModified>2013-05-24T00:00:00.000Z</LastModified><ETag>\"d\"</ETag></CopyObjectResult>",
				   "CopyObjectResult", &result), 0);
	assert_string_equal(result.etag, "d");
	assert_int_equal(result.modified, 1369353600);
	assert_int_equal(result_of("<InitiateMultipartUploadResult><UploadId>u/+=</UploadId></InitiateMultipartUploadResult>",
				   "InitiateMultipartUploadResult", &result), 0);
	assert_string_equal(result.upload_id, "u/+=");
}

static void incomplete_results(void **state)
{
	static const char *const bad[] = {
		"", "<CopyObjectResult/>", "<CopyObjectResult><ETag></ETag></CopyObjectResult>", "<CopyObjectResult><ETag>\"a\"</ETag>",
		"<CopyPartResult><ETag>\"a\"</ETag></CopyPartResult>", "<Error><Code>InternalError</Code></Error>",
		"<CopyObjectResult><ETag>\"a\"</ETag><LastModified>yesterday</LastModified></CopyObjectResult>",
		"<CopyObjectResult><ETag>\"a\nb\"</ETag></CopyObjectResult>",
	};
	struct s3_result result;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(result_of(bad[i], "CopyObjectResult", &result), EBADMSG);
	assert_int_equal(result_of("<InitiateMultipartUploadResult><UploadId/></InitiateMultipartUploadResult>", "InitiateMultipartUploadResult",
				   &result), EBADMSG);
}

static void etags(void **state)
{
	static const char *const bad[] = { "", "\"\"", "\"", "a b", "W/\"x\"", "a\"b", "\"a\r\nx: y\"", "\x7f", "\xc3\xa9" };
	char etag[STORE_ETAG_MAX], text[STORE_ETAG_MAX + 3];

	assert_int_equal(s3_take_etag(etag, "\"abc-12\""), 0);
	assert_string_equal(etag, "abc-12");
	assert_int_equal(s3_take_etag(etag, "abc"), 0);
	assert_string_equal(etag, "abc");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(s3_take_etag(etag, bad[i]), EBADMSG);
	memset(text, 'e', sizeof(text));
	text[0] = '"';
	text[STORE_ETAG_MAX] = '"';
	text[STORE_ETAG_MAX + 1] = '\0';
	assert_int_equal(s3_take_etag(etag, text), 0); /* the longest */
	text[STORE_ETAG_MAX] = 'e';
	text[STORE_ETAG_MAX + 1] = '"';
	text[STORE_ETAG_MAX + 2] = '\0';
	assert_int_equal(s3_take_etag(etag, text), EBADMSG);
}

static void url_decoding(void **state)
{
	static const char *const bad[] = { "%", "%4", "%zz", "a%00b", "%2", "%%", "% 1", "%+1" };
	char text[64];

	snprintf(text, sizeof(text), "%s", "a%2Fb+c%2B%C3%a9%25");
	assert_int_equal(s3_url_decode(text), 0);
	assert_string_equal(text, "a/b c+\xc3\xa9%");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(text, sizeof(text), "%s", bad[i]);
		assert_int_equal(s3_url_decode(text), EBADMSG);
	}
}

/* ---- listings */

#define ENTRY(key, size) "<Contents><Key>" key "</Key><Size>" size "</Size><ETag>\"e\"</ETag><LastModified>2013-05-24T00:00:00Z</LastModified></Contents>"
#define LIST(inside) "<ListBucketResult>" inside "</ListBucketResult>"
#define LAST "<IsTruncated>false</IsTruncated>"
#define URL "<EncodingType>url</EncodingType>"

static int list_of(const char *text, const char *prefix, struct store_page *page)
{
	return s3_parse_list(text, strlen(text), prefix, page);
}

static void a_page(void **state)
{
	struct store_page page;

	assert_int_equal(list_of(LIST("<Prefix>p%2F</Prefix><IsTruncated>true</IsTruncated><NextContinuationToken>t==</NextContinuationToken>"
				      ENTRY("p%2Fz", "5") ENTRY("p%2Fb", "0")
				      "<CommonPrefixes><Prefix>p%2Fm+m%2F</Prefix></CommonPrefixes>" URL), "p/", &page), 0);
	assert_int_equal(page.count, 3);
	assert_string_equal(page.objects[0].key, "p/b");
	assert_string_equal(page.objects[1].key, "p/m m/");
	assert_true(page.objects[1].prefix);
	assert_string_equal(page.objects[2].key, "p/z");
	assert_int_equal(page.objects[2].size, 5);
	assert_string_equal(page.objects[2].etag, "e");
	assert_int_equal(page.objects[2].modified, 1369353600);
	assert_false(page.objects[2].prefix);
	assert_string_equal(page.next, "t==");
	store_page_free(&page);
}

static void keys_are_plain_where_the_server_does_not_encode(void **state)
{
	struct store_page page;

	assert_int_equal(list_of(LIST(LAST ENTRY("a%2Fb+c", "1")), "", &page), 0);
	assert_string_equal(page.objects[0].key, "a%2Fb+c");
	assert_null(page.next);
	store_page_free(&page);
	assert_int_equal(list_of(LIST(LAST "<NextContinuationToken/>"), "", &page), 0);
	assert_int_equal(page.count, 0);
	assert_null(page.next);
	store_page_free(&page);
}

static void bad_pages(void **state)
{
	static const char *const bad[] = {
		"", LIST(""), LIST(ENTRY("a", "1")), LIST("<IsTruncated>maybe</IsTruncated>"), LIST("<IsTruncated>true</IsTruncated>"),
		LIST("<IsTruncated>true</IsTruncated><NextContinuationToken/>"),
		LIST(LAST "<NextContinuationToken>t</NextContinuationToken>"),
		LIST(LAST ENTRY("", "1")), LIST(LAST ENTRY("a", "")), LIST(LAST ENTRY("a", "-1")), LIST(LAST ENTRY("a", "1x")),
		LIST(LAST ENTRY("a", "9223372036854775808")), LIST(LAST "<Contents><Key>a</Key></Contents>"),
		LIST(LAST "<Contents><Size>1</Size></Contents>"), LIST(LAST "<CommonPrefixes/>"), LIST(LAST "<CommonPrefixes><Prefix>ab</Prefix></CommonPrefixes>"), LIST(LAST URL ENTRY("a%0", "1")),
		LIST(LAST URL ENTRY("a%00", "1")), LIST(LAST "<EncodingType>rot13</EncodingType>"),
		LIST(LAST "<Contents><Key>a</Key><Size>1</Size><ETag>a b</ETag></Contents>"),
		LIST(LAST "<Contents><Key>a</Key><Size>1</Size><LastModified>now</LastModified></Contents>"),
		"<ListBucketResult>" LAST ENTRY("a", "1"), "<Error><Code>X</Code></Error>", "<html/>",
	};
	struct store_page page;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(list_of(bad[i], "", &page), EBADMSG);
		store_page_free(&page);
	}
	assert_int_equal(list_of(LIST(LAST ENTRY("other/a", "1")), "p/", &page), EBADMSG); /* outside what was asked for */
	store_page_free(&page);
	assert_int_equal(list_of(LIST(LAST ENTRY("a", "9223372036854775807")), "", &page), 0);
	store_page_free(&page);
}

/* A reply of 16 MiB could hold hundreds of thousands of short keys. */
static void a_page_of_too_many_keys(void **state)
{
	for (size_t count = 10000; count <= 10001; count++) {
		AUTO(buf_free) struct buf text;
		struct store_page page;

		buf_init(&text, 1u << 20);
		assert_int_equal(buf_puts(&text, "<ListBucketResult>" LAST), 0);
		for (size_t i = 0; i < count; i++)
			assert_int_equal(buf_printf(&text, "<Contents><Key>%05zu</Key><Size>1</Size></Contents>", i), 0);
		assert_int_equal(buf_puts(&text, "</ListBucketResult>"), 0);
		assert_int_equal(list_of(buf_text(&text), "", &page), count == 10000 ? 0 : EBADMSG);
		store_page_free(&page);
	}
}

/* ---- parts */

#define PART(number, size) "<Part><PartNumber>" number "</PartNumber><Size>" size "</Size><ETag>\"e" number "\"</ETag></Part>"
#define PARTS(inside) "<ListPartsResult>" inside "</ListPartsResult>"

static void parts_are_appended(void **state)
{
	static const char *const bad[] = {
		PARTS(LAST PART("2", "5")) /* not after 2 */, PARTS(LAST PART("0", "5")), PARTS(LAST PART("3", "")), PARTS(PART("3", "5")),
		PARTS("<IsTruncated>true</IsTruncated>" PART("3", "5")), PARTS(LAST "<Part><PartNumber>3</PartNumber><Size>1</Size></Part>"),
		PARTS(LAST PART("4294967296", "1")), PARTS(LAST "<Part><PartNumber>3</PartNumber><ETag>\"e\"</ETag></Part>"),
	};
	struct store_parts parts = { 0 };
	uint32_t next;
	const char *first = PARTS("<NextPartNumberMarker>2</NextPartNumberMarker><IsTruncated>true</IsTruncated>" PART("1", "7") PART("2", "8"));
	const char *second = PARTS(LAST "<NextPartNumberMarker>9</NextPartNumberMarker>" PART("9", "3"));

	assert_int_equal(s3_parse_parts(first, strlen(first), &parts, &next), 0);
	assert_int_equal(next, 2);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(s3_parse_parts(bad[i], strlen(bad[i]), &parts, &next), EBADMSG);
	store_parts_free(&parts);
	assert_int_equal(s3_parse_parts(first, strlen(first), &parts, &next), 0);
	assert_int_equal(s3_parse_parts(second, strlen(second), &parts, &next), 0);
	assert_int_equal(next, 0);
	assert_int_equal(parts.count, 3);
	assert_int_equal(parts.parts[1].size, 8);
	assert_int_equal(parts.parts[2].number, 9);
	assert_string_equal(parts.parts[2].etag, "e9");
	store_parts_free(&parts);
}

/* ---- uploads */

#define UPLOAD(key, id) "<Upload><Key>" key "</Key><UploadId>" id "</UploadId></Upload>"
#define UPLOADS(inside) "<ListMultipartUploadsResult>" inside "</ListMultipartUploadsResult>"

static int uploads_of(const char *text, const char *key, struct store_uploads *uploads, struct s3_uploads_next *next)
{
	return s3_parse_uploads(text, strlen(text), key, uploads, next);
}

static void uploads_of_exactly_the_key(void **state)
{
	struct store_uploads uploads = { 0 };
	struct s3_uploads_next next;

	assert_int_equal(uploads_of(UPLOADS("<IsTruncated>true</IsTruncated><NextKeyMarker>a%2Fb+c</NextKeyMarker>"
					    "<NextUploadIdMarker>3</NextUploadIdMarker>" UPLOAD("a%2Fb", "1") UPLOAD("a%2Fb", "2")
					    UPLOAD("a%2Fb+c", "3") URL), "a/b", &uploads, &next), 0);
	assert_int_equal(uploads.count, 2);
	assert_string_equal(uploads.ids[1], "2");
	assert_string_equal(next.key, "a/b c");
	assert_string_equal(next.id, "3");
	free(next.key);
	free(next.id);
	assert_int_equal(uploads_of(UPLOADS(LAST "<NextKeyMarker/>" UPLOAD("a/b", "4")), "a/b", &uploads, &next), 0);
	assert_int_equal(uploads.count, 3);
	assert_null(next.key);
	store_uploads_free(&uploads);
}

static void bad_uploads(void **state)
{
	static const char *const bad[] = {
		"", UPLOADS(""), UPLOADS("<IsTruncated>true</IsTruncated>"), UPLOADS(LAST UPLOAD("a", "")), UPLOADS(LAST URL UPLOAD("%", "1")),
		UPLOADS(LAST "<Upload><Key>a</Key></Upload>"), UPLOADS(LAST "<Upload><UploadId>1</UploadId></Upload>"),
		UPLOADS(URL "<IsTruncated>true</IsTruncated><NextKeyMarker>%1</NextKeyMarker>"),
	};
	struct store_uploads uploads = { 0 };
	struct s3_uploads_next next;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(uploads_of(bad[i], "a", &uploads, &next), EBADMSG);
		free(next.key);
		free(next.id);
	}
	store_uploads_free(&uploads);
}

/* ---- removals */

static int count_error(void *arg, const char *key, const char *version, const struct s3_error_reply *error)
{
	++*(int *)arg;
	assert_string_equal(key, "a&b");
	assert_string_equal(version, "");
	assert_string_equal(error->s3_code, "AccessDenied");
	assert_string_equal(error->message, "no");
	return 0;
}

static void errors_of_single_keys(void **state)
{
	const char *text = "<DeleteResult><Deleted><Key>x</Key></Deleted><Error><Key>a&amp;b</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>";
	static const char *const bad[] = { "", "<DeleteResult>", "<Error><Code>X</Code></Error>", "<DeleteResult><Error><Key>a</Key></Error></DeleteResult>",
					   "<DeleteResult><Error><Code>a</Code></Error></DeleteResult>" };
	int errors = 0;

	assert_int_equal(s3_parse_delete(text, strlen(text), count_error, &errors), 0);
	assert_int_equal(errors, 1);
	assert_int_equal(s3_parse_delete("<DeleteResult/>", 15, count_error, &errors), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(s3_parse_delete(bad[i], strlen(bad[i]), count_error, &errors), EBADMSG);
	assert_int_equal(errors, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors),
		cmocka_unit_test(what_is_no_error),
		cmocka_unit_test(long_messages_are_cut),
		cmocka_unit_test(results),
		cmocka_unit_test(incomplete_results),
		cmocka_unit_test(etags),
		cmocka_unit_test(url_decoding),
		cmocka_unit_test(a_page),
		cmocka_unit_test(keys_are_plain_where_the_server_does_not_encode),
		cmocka_unit_test(bad_pages), cmocka_unit_test(a_page_of_too_many_keys),
		cmocka_unit_test(parts_are_appended),
		cmocka_unit_test(uploads_of_exactly_the_key),
		cmocka_unit_test(bad_uploads),
		cmocka_unit_test(errors_of_single_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

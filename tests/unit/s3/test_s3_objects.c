/* SPDX-License-Identifier: Apache-2.0 */
#include "s3_fixture.h"

/* Put, get and head against a server that misbehaves: which errno each misbehaviour is, and whether it may have been done. */

/* ---- put */

static void a_put_on_the_wire(void **state)
{
	const char *head;

	start_one(ANSWER, NO_BODY("200 OK", ETAG "x-amz-checksum-crc32c: 4waSgw==\r\n"));
	assert_int_equal(put(), 0);
	assert_string_equal(meta.etag, "e1");
	assert_int_equal(meta.size, 9);
	assert_string_equal(meta.commit, COMMIT);
	assert_int_equal(call.err.code, 0);
	head = fault_head(server, 0);
	assert_non_null(strstr(head, "PUT /bucket/a%20b HTTP/1.1\r\n"));
	assert_non_null(strstr(head, "\r\nx-amz-checksum-crc32c: 4waSgw==\r\n"));
	assert_non_null(strstr(head, "\r\nx-amz-meta-pishop-commit: " COMMIT "\r\n"));
	assert_non_null(strstr(head, "\r\nx-amz-content-sha256: 15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225\r\n"));
	assert_non_null(strstr(head, "SignedHeaders=host;x-amz-checksum-crc32c;x-amz-content-sha256;x-amz-date;x-amz-meta-pishop-commit,"));
	assert_null(strstr(head, "if-"));
	assert_null(strstr(head, "secret"));
	assert_string_equal(fault_body(server, 0), "123456789");
	stop();
}

static void conditions_on_the_wire(void **state)
{
	const struct fault_answer answers[] = { { ANSWER, NO_BODY("200 OK", ETAG), 0 }, { ANSWER, NO_BODY("200 OK", ETAG), 0 } };
	struct store_cond both = { .if_none_match = true, .if_match = "e0" };

	start(answers, 2);
	assert_int_equal(put_if(&(struct store_cond){ .if_none_match = true }), 0);
	assert_int_equal(put_if(&(struct store_cond){ .if_match = "e0" }), 0);
	assert_non_null(strstr(fault_head(server, 0), "\r\nif-none-match: *\r\n"));
	assert_non_null(strstr(fault_head(server, 0), "SignedHeaders=host;if-none-match;"));
	assert_non_null(strstr(fault_head(server, 1), "\r\nif-match: \"e0\"\r\n"));
	assert_int_equal(put_if(&both), EINVAL);
	assert_int_equal(put_if(&(struct store_cond){ .if_match = "e\r\nx-amz-acl: public-read" }), EINVAL);
	assert_int_equal(fault_requests(server), 2);
	stop();
}

static void unsigned_payload(void **state)
{
	const struct fault_answer answers[] = { { ANSWER, NO_BODY("200 OK", ETAG), 0 } };

	start_with(answers, 1, (struct s3_config){ .signing = S3_SIGN_UNSIGNED });
	assert_int_equal(put(), 0);
	assert_non_null(strstr(fault_head(server, 0), "\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\n"));
	stop();
}

static void puts_that_fail(void **state)
{
	EXPECT(ANSWER, NO_BODY("200 OK", ""), put(), EBADMSG, true);
	EXPECT(ANSWER, NO_BODY("200 OK", "ETag: \"\"\r\n"), put(), EBADMSG, true);
	EXPECT(ANSWER, NO_BODY("200 OK", ETAG "x-amz-checksum-crc32c: AAAAAA==\r\n"), put(), EBADMSG, true);
	EXPECT(ANSWER_CLOSE, "HTTP/1.1 200 OK\r\nETag: \"e", put(), EBADMSG, true);
	EXPECT(ANSWER, NO_BODY("412 No", ""), put(), ESTALE, false);
	EXPECT(ANSWER, answer_with("403 No", "", ERROR_XML("AccessDenied")), put(), EACCES, false);
	EXPECT(ANSWER, answer_with("403 No", "", ERROR_XML("InvalidAccessKeyId")), put(), EKEYREJECTED, false);
	EXPECT(ANSWER, answer_with("404 No", "", ERROR_XML("NoSuchBucket")), put(), ENODEV, false);
	EXPECT(ANSWER, answer_with("503 Slow", "", ERROR_XML("SlowDown")), put(), EAGAIN, false);
	EXPECT(ANSWER, answer_with("500 Bad", "", ERROR_XML("InternalError")), put(), EREMOTEIO, true);
	EXPECT(ANSWER, NO_BODY("502 Bad", ""), put(), EREMOTEIO, true);
	EXPECT(ANSWER, answer_with("200 OK", ETAG, ERROR_XML("InternalError")), put(), EREMOTEIO, true);
	EXPECT(ANSWER, answer_with("200 OK", ETAG, ERROR_XML("SlowDown")), put(), EAGAIN, true);
	EXPECT(ANSWER, answer_with("200 OK", ETAG, ERROR_XML("PreconditionFailed")), put(), ESTALE, true);
	EXPECT(ANSWER, answer_with("200 OK", ETAG, ERROR_XML("NoSuchKey")), put_if(&(struct store_cond){ .if_match = "e0" }), ESTALE, true);
	EXPECT(ANSWER, answer_with("200 OK", ETAG, ERROR_XML("AccessDenied")), put(), EACCES, true);
	EXPECT(ANSWER, answer_with("200 OK", "", ERROR_XML("AccessDenied")), list(NULL), EACCES, false); /* which changes nothing */
	EXPECT(ANSWER, answer_with("400 Bad", "", ERROR_XML("XAmzContentChecksumMismatch")), put(), EILSEQ, false);
	EXPECT(ANSWER, answer_with("507 Full", "", ERROR_XML("XMinioStorageFull")), put(), ENOSPC, true);
	EXPECT(DROP, NULL, put(), EHOSTUNREACH, true);
	EXPECT(DROP_EARLY, NULL, put(), EHOSTUNREACH, true); /* nine bytes are gone with the head: nobody knows */
	EXPECT(STALL, NULL, put(), ETIMEDOUT, true);
	EXPECT(ANSWER, "HTTP/1.1 301 There\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n", put(), EBADMSG, false);
	EXPECT(ANSWER, "garbage\r\n\r\n", put(), EBADMSG, true);
}

static void errors_are_told_with_their_details(void **state)
{
	char text[512];

	start_one(ANSWER, answer_with("403 No", "", ERROR_XML("AccessDenied")));
	assert_int_equal(put(), EACCES);
	assert_int_equal(call.err.http_status, 403);
	assert_string_equal(call.err.s3_code, "AccessDenied");
	assert_string_equal(call.err.message, "words");
	assert_string_equal(call.err.request_id, "R1");
	assert_string_equal(call.err.key, "a b");
	store_error_text(&call.err, text, sizeof(text));
	assert_string_equal(text, "a b: words (AccessDenied, HTTP 403, request R1)");
	stop();
	start_one(ANSWER, "HTTP/1.1 301 There\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(put(), EBADMSG);
	assert_non_null(strstr(call.err.message, "http://elsewhere/"));
	stop();
}

/* A condition on an object that is gone does not hold; without the condition, "no such key" stays what it is. */
static void if_match_of_nothing(void **state)
{
	EXPECT(ANSWER, answer_with("404 No", "", ERROR_XML("NoSuchKey")), put_if(&(struct store_cond){ .if_match = "e0" }), ESTALE, false);
	EXPECT(ANSWER, answer_with("404 No", "", ERROR_XML("NoSuchKey")), put(), ENOENT, false);
	EXPECT(ANSWER, answer_with("404 No", "", ERROR_XML("NoSuchKey")), complete(&(struct store_cond){ .if_match = "e0" }), ESTALE, false);
}

/* The kept connection dies with the answer, curl sends again, and the condition now fails: perhaps on our own object. */
static void refused_at_the_second_sending(void **state)
{
	const struct fault_answer answers[] = { { ANSWER, NO_BODY("200 OK", ETAG), 0 }, { DROP, NULL, 0 }, { ANSWER, NO_BODY("412 No", ""), 0 },
						{ ANSWER, NO_BODY("412 No", ""), 0 } };
	const struct store_cond absent = { .if_none_match = true };

	start(answers, 4);
	assert_int_equal(put(), 0);
	assert_int_equal(put_if(&absent), ESTALE);
	assert_int_equal(fault_requests(server), 3);
	assert_true(call.err.ambiguous);
	assert_int_equal(put_if(&absent), ESTALE);
	assert_false(call.err.ambiguous);
	stop();
}

/* ---- get */

static void whole_objects_and_ranges(void **state)
{
	const struct fault_answer answers[] = {
		{ ANSWER, OBJECT("200 OK", "x-amz-meta-pishop-commit: " COMMIT "\r\n", "12345", "5"), 0 },
		{ ANSWER, OBJECT("206 Part", "Content-Range: bytes 2-4/100\r\n", "345", "3"), 0 },
		{ ANSWER, OBJECT("206 Part", "Content-Range: bytes 97-99/100\r\n", "xyz", "3"), 0 },
		{ ANSWER, OBJECT("206 Part", "Content-Range: bytes 98-99/100\r\n", "yz", "2"), 0 },
		{ ANSWER, OBJECT("200 OK", "", "12345", "5"), 0 },
		{ ANSWER, OBJECT("206 Part", "Content-Range: bytes 95-99/100\r\n", "vwxyz", "5"), 0 },
	};

	start(answers, 6);
	assert_int_equal(get_range(0, 0, NULL), 0);
	assert_int_equal(got, 5);
	assert_memory_equal(got_bytes, "12345", 5);
	assert_int_equal(meta.size, 5);
	assert_string_equal(meta.etag, "e1");
	assert_string_equal(meta.commit, COMMIT);
	assert_int_equal(meta.modified, 1369353600);
	assert_null(strstr(fault_head(server, 0), "range"));
	assert_int_equal(get_range(2, 3, "e1"), 0);
	assert_int_equal(got, 3);
	assert_int_equal(meta.size, 100);
	assert_non_null(strstr(fault_head(server, 1), "\r\nrange: bytes=2-4\r\n"));
	assert_non_null(strstr(fault_head(server, 1), "\r\nif-match: \"e1\"\r\n"));
	assert_int_equal(get_range(-3, 0, NULL), 0);
	assert_non_null(strstr(fault_head(server, 2), "\r\nrange: bytes=-3\r\n"));
	assert_int_equal(get_range(98, 10, NULL), 0); /* over the end */
	assert_int_equal(got, 2);
	assert_int_equal(get_range(-9, 0, NULL), 0); /* more than there is, of a server that then sends all */
	assert_int_equal(got, 5);
	assert_int_equal(get_range(95, 0, NULL), 0);
	assert_non_null(strstr(fault_head(server, 5), "\r\nrange: bytes=95-\r\n"));
	stop();
}

static void gets_that_fail(void **state)
{
	EXPECT(ANSWER_CLOSE, OBJECT("200 OK", "", "12", "5"), get_range(0, 0, NULL), EBADMSG, false);
	EXPECT(ANSWER_RESET, OBJECT("200 OK", "", "12", "5"), get_range(0, 0, NULL), EBADMSG, false);
	EXPECT(ANSWER, OBJECT("200 OK", "", "12345678901", "11"), get_range(0, 0, NULL), EBADMSG, false); /* more than the room */
	EXPECT(ANSWER_CLOSE, "HTTP/1.1 200 OK\r\n" ETAG "\r\n12345", get_range(0, 0, NULL), EBADMSG, false); /* of no told length */
	EXPECT(ANSWER, NO_BODY("200 OK", ""), get_range(0, 0, NULL), EBADMSG, false); /* no ETag */
	EXPECT(ANSWER, NO_BODY("204 None", ETAG), get_range(0, 0, NULL), EBADMSG, false);
	EXPECT(ANSWER, OBJECT("200 OK", "", "12345", "5"), get_range(0, 0, "other"), ESTALE, false); /* If-Match was not honoured */
	EXPECT(ANSWER, OBJECT("200 OK", "", "12345", "5"), get_range(2, 3, NULL), EBADMSG, false);   /* Range was not honoured */
	EXPECT(ANSWER, OBJECT("200 OK", "", "12345", "5"), get_range(0, 3, NULL), EBADMSG, false);
	EXPECT(ANSWER, answer_with("404 No", "", ERROR_XML("NoSuchKey")), get_range(0, 0, NULL), ENOENT, false);
	EXPECT(ANSWER, answer_with("404 No", "", "<html>nginx</html>"), get_range(0, 0, NULL), EBADMSG, false);
	EXPECT(ANSWER, NO_BODY("404 No", ""), get_range(0, 0, NULL), EBADMSG, false);
	EXPECT(ANSWER, answer_with("412 No", "", ERROR_XML("PreconditionFailed")), get_range(0, 0, "e0"), ESTALE, false);
	EXPECT(ANSWER, answer_with("500 No", "", ERROR_XML("InternalError")), get_range(0, 0, NULL), EREMOTEIO, false);
	EXPECT(ANSWER, answer_with("416 No", "", ERROR_XML("InvalidRange")), get_range(7, 3, NULL), EINVAL, false);
	EXPECT(STALL, NULL, get_range(0, 0, NULL), ETIMEDOUT, false);
	EXPECT(DROP, NULL, get_range(0, 0, NULL), EHOSTUNREACH, false);
}

static void content_ranges_that_lie(void **state)
{
	static const char *const lies[] = {
		"bytes 2-3/100", "bytes 3-5/100", "bytes 2-4/*", "bytes 2-4/4", "bytes 4-2/100", "2-4/100", "bytes 2-4", "bytes 2-4/100x",
		"bytes +2-4/100", "bytes  2-4/100", "bytes 2-4/99999999999999999999", "bytes 0--1/0", "items 2-4/100",
	};

	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		char answer[256];

		snprintf(answer, sizeof(answer), OBJECT("206 Part", "Content-Range: %s\r\n", "345", "3"), lies[i]);
		EXPECT(ANSWER, answer, get_range(2, 3, NULL), EBADMSG, false);
	}
	EXPECT(ANSWER, OBJECT("206 Part", "", "345", "3"), get_range(2, 3, NULL), EBADMSG, false);
	EXPECT(ANSWER, OBJECT("206 Part", "Content-Range: bytes 2-4/100\r\n", "3", "1"), get_range(2, 3, NULL), EBADMSG, false);
}

/* Servers refuse every range of an empty object; its ETag and commit are wanted all the same. */
static void an_empty_object_by_range(void **state)
{
	const struct fault_answer answers[] = { { ANSWER, NO_BODY("416 No", ""), 0 }, { ANSWER, OBJECT("200 OK", "", "", "0"), 0 },
						{ ANSWER, NO_BODY("416 No", ""), 0 }, { ANSWER, OBJECT("200 OK", "", "1", "1"), 0 },
						{ ANSWER, OBJECT("206 Part", "Content-Range: bytes 0--1/0\r\n", "", "0"), 0 } };

	start(answers, 5);
	assert_int_equal(get_range(0, 10, NULL), 0);
	assert_int_equal(got, 0);
	assert_string_equal(meta.etag, "e1");
	assert_null(strstr(fault_head(server, 1), "range"));
	assert_int_equal(get_range(0, 10, NULL), EBADMSG); /* it is not empty after all */
	assert_int_equal(get_range(-10, 0, NULL), 0); /* MinIO */
	stop();
}

/* ---- head */

static void heads(void **state)
{
	const struct fault_answer answers[] = { { ANSWER, "HTTP/1.1 200 OK\r\n" ETAG "Content-Length: 123\r\n\r\n", 0 } };

	start(answers, 1);
	assert_int_equal(head(), 0);
	assert_int_equal(meta.size, 123);
	stop();
	EXPECT(ANSWER, NO_BODY("404 No", ""), head(), ENOENT, false);
	EXPECT(ANSWER, NO_BODY("404 No", "x-minio-error-code: NoSuchBucket\r\n"), head(), ENODEV, false);
	EXPECT(ANSWER, NO_BODY("403 No", ""), head(), EACCES, false);
	EXPECT(ANSWER_CLOSE, "HTTP/1.1 200 OK\r\n" ETAG "Content-Length: 12", head(), EBADMSG, false); /* of perhaps 123 */
	EXPECT(ANSWER_CLOSE, "HTTP/1.1 200 OK\r\n" ETAG "\r\n", head(), EBADMSG, false);
	EXPECT(ANSWER, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", head(), EBADMSG, false);
	EXPECT(STALL, NULL, head(), ETIMEDOUT, false);
}

/* A bare 404 that shows no sign of S3 is asked again in a way that has a code. */
static void absence_must_be_certain(void **state)
{
	static const struct { const char *body; int code; } cases[] = {
		{ ERROR_XML("NoSuchKey"), ENOENT }, { ERROR_XML("NoSuchBucket"), ENODEV }, { "<html>nginx</html>", EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct fault_answer answers[] = { { ANSWER, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", 0 },
							{ ANSWER, answer_with("404 No", "", cases[i].body), 0 } };

		start(answers, 2);
		assert_int_equal(head(), cases[i].code);
		assert_non_null(strstr(fault_head(server, 1), "GET /bucket/k "));
		stop();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_put_on_the_wire),
		cmocka_unit_test(conditions_on_the_wire),
		cmocka_unit_test(unsigned_payload),
		cmocka_unit_test(puts_that_fail),
		cmocka_unit_test(errors_are_told_with_their_details),
		cmocka_unit_test(if_match_of_nothing),
		cmocka_unit_test(refused_at_the_second_sending),
		cmocka_unit_test(whole_objects_and_ranges),
		cmocka_unit_test(gets_that_fail),
		cmocka_unit_test(content_ranges_that_lie),
		cmocka_unit_test(an_empty_object_by_range),
		cmocka_unit_test(heads),
		cmocka_unit_test(absence_must_be_certain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "s3_fixture.h"

/* Listings, multipart uploads, copies and removals against a server that misbehaves. */

/* ---- lists */

static void lists(void **state)
{
	const char *good = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
	const char *again = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t=1</NextContinuationToken></ListBucketResult>";

	start_one(ANSWER, answer_with("200 OK", "", good));
	assert_int_equal(list("t=1"), 0);
	assert_non_null(strstr(fault_head(server, 0),
			       "GET /bucket?continuation-token=t%3D1&delimiter=%2F&encoding-type=url&list-type=2&max-keys=7&prefix=p%2F HTTP/1.1\r\n"));
	stop();
	EXPECT(ANSWER, answer_with("200 OK", "", again), list("t=1"), EBADMSG, false); /* the same page for ever */
	EXPECT(ANSWER, answer_with("200 OK", "", ""), list(NULL), EBADMSG, false);
	EXPECT(ANSWER, answer_with("200 OK", "", "<html/>"), list(NULL), EBADMSG, false);
	EXPECT(ANSWER, answer_with("200 OK", "", "<ListBucketResult><IsTr"), list(NULL), EBADMSG, false);
	EXPECT(ANSWER, answer_with("200 OK", "", ERROR_XML("InternalError")), list(NULL), EREMOTEIO, false);
	EXPECT(ANSWER, answer_with("404 No", "", ERROR_XML("NoSuchBucket")), list(NULL), ENODEV, false);
	EXPECT(STALL, NULL, list(NULL), ETIMEDOUT, false);
}

/* ---- multipart */

static struct store_part part = { .number = 2 };

static int send_part(void)
{
	struct iovec iov = { (char[]){ "123456789" }, 9 };

	return s->ops->part(s, "k", "u+/=", &iov, 1, &part, &call);
}

static void parts(void **state)
{
	start_one(ANSWER, NO_BODY("200 OK", ETAG));
	assert_int_equal(send_part(), 0);
	assert_int_equal(part.number, 2);
	assert_int_equal(part.size, 9);
	assert_string_equal(part.etag, "e1");
	assert_non_null(strstr(fault_head(server, 0), "PUT /bucket/k?partNumber=2&uploadId=u%2B%2F%3D HTTP/1.1\r\n"));
	assert_non_null(strstr(fault_head(server, 0), "\r\nx-amz-checksum-crc32c: 4waSgw==\r\n"));
	stop();
	EXPECT(ANSWER, answer_with("404 No", "", ERROR_XML("NoSuchUpload")), send_part(), ENODATA, false);
	EXPECT(ANSWER, NO_BODY("200 OK", ""), send_part(), EBADMSG, true);
	EXPECT(DROP, NULL, send_part(), EHOSTUNREACH, true);
}

/* AWS takes a CRC-32C on a part only where the upload announced it. */
static void parts_by_md5_where_the_server_insists(void **state)
{
	const char *refusal = "<Error><Code>InvalidRequest</Code><Message>Checksum Type mismatch occurred, expected checksum Type: null, "
			      "actual checksum Type: crc32c</Message></Error>";
	const struct fault_answer answers[] = { { ANSWER, answer_with("400 No", "", refusal), 0 }, { ANSWER, NO_BODY("200 OK", ETAG), 0 },
						{ ANSWER, NO_BODY("200 OK", ETAG), 0 } };

	start(answers, 3);
	assert_int_equal(send_part(), 0);
	assert_int_equal(send_part(), 0);
	assert_int_equal(fault_requests(server), 3);
	for (unsigned i = 1; i < 3; i++) {
		assert_non_null(strstr(fault_head(server, i), "\r\ncontent-md5: JfnnlDI7RTiF9RgfG2JNCw==\r\n"));
		assert_null(strstr(fault_head(server, i), "crc32c"));
	}
	stop();
	EXPECT(ANSWER, answer_with("400 No", "", ERROR_XML("InvalidRequest")), send_part(), EINVAL, false);
}

#define COMPLETED(inside) "<CompleteMultipartUploadResult>" inside "</CompleteMultipartUploadResult>"

static void completes(void **state)
{
	start_one(ANSWER, answer_with("200 OK", "", "  \n" COMPLETED("<ETag>&quot;abc-2&quot;</ETag>")));
	assert_int_equal(complete(&(struct store_cond){ .if_none_match = true }), 0);
	assert_string_equal(meta.etag, "abc-2");
	assert_int_equal(meta.size, 11);
	assert_non_null(strstr(fault_head(server, 0), "POST /bucket/k?uploadId=up HTTP/1.1\r\n"));
	assert_non_null(strstr(fault_head(server, 0), "\r\nif-none-match: *\r\n"));
	assert_non_null(strstr(fault_body(server, 0), "<Part><PartNumber>1</PartNumber><ETag>&quot;p1&quot;</ETag></Part>"
						      "<Part><PartNumber>3</PartNumber><ETag>&quot;p3&quot;</ETag></Part>"));
	stop();
}

static void completes_that_fail(void **state)
{
	EXPECT(ANSWER, answer_with("200 OK", "", ERROR_XML("InternalError")), complete(NULL), EREMOTEIO, true);
	EXPECT(ANSWER, answer_with("200 OK", "", "   " ERROR_XML("SlowDown")), complete(NULL), EAGAIN, true);
	EXPECT(ANSWER, answer_with("200 OK", "", ERROR_XML("NoSuchUpload")), complete(NULL), ENODATA, true);
	EXPECT(ANSWER, answer_with("200 OK", "", ERROR_XML("PreconditionFailed")), complete(NULL), ESTALE, true);
	EXPECT(ANSWER, answer_with("200 OK", "", ERROR_XML("ConditionalRequestConflict")), complete(NULL), ESTALE, true);
	EXPECT(ANSWER, answer_with("200 OK", "", COMPLETED("")), complete(NULL), EBADMSG, true);
	EXPECT(ANSWER, answer_with("200 OK", "", ""), complete(NULL), EBADMSG, true);
	EXPECT(ANSWER, answer_with("200 OK", "", "  "), complete(NULL), EBADMSG, true);
	EXPECT(ANSWER, answer_with("200 OK", "", "<CompleteMultipartUploadResult><ETag>\"a\"</ETag>"), complete(NULL), EBADMSG, true);
	EXPECT(ANSWER, NO_BODY("200 OK", ETAG), complete(NULL), EBADMSG, true);
	EXPECT(ANSWER, answer_with("404 No", "", ERROR_XML("NoSuchUpload")), complete(NULL), ENODATA, false);
	EXPECT(ANSWER, answer_with("412 No", "", ERROR_XML("PreconditionFailed")), complete(NULL), ESTALE, false);
	EXPECT(ANSWER, answer_with("409 No", "", ERROR_XML("ConditionalRequestConflict")), complete(NULL), ESTALE, false);
	EXPECT(ANSWER, answer_with("400 No", "", ERROR_XML("InvalidPart")), complete(NULL), EINVAL, false);
	EXPECT(DROP, NULL, complete(NULL), EHOSTUNREACH, true);
	EXPECT(STALL, NULL, complete(NULL), ETIMEDOUT, true);
}

/* Without an upload id these would be requests on the object itself; none may leave. */
static void no_upload_id(void **state)
{
	struct store_part one = { .number = 1, .etag = "x" };
	struct store_parts parts_out;
	struct iovec iov = { (char[]){ "x" }, 1 };

	start_one(ANSWER, NO_BODY("204 Gone", ""));
	assert_int_equal(s->ops->abort(s, "k", "", &call), EINVAL);
	assert_int_equal(s->ops->part(s, "k", "", &iov, 1, &one, &call), EINVAL);
	assert_int_equal(s->ops->complete(s, "k", "", &one, 1, NULL, NULL, &call), EINVAL);
	assert_int_equal(s->ops->list_parts(s, "k", "", &parts_out, &call), EINVAL);
	assert_int_equal(s->ops->complete(s, "k", "up", &one, 0, NULL, NULL, &call), EINVAL);
	assert_int_equal(fault_requests(server), 0);
	stop();
}

static void parts_are_listed_to_the_end(void **state)
{
	const char *first = "<ListPartsResult><NextPartNumberMarker>1</NextPartNumberMarker><IsTruncated>true</IsTruncated><Part><PartNumber>1"
			    "</PartNumber><Size>5</Size><ETag>\"a\"</ETag></Part></ListPartsResult>";
	const char *last = "<ListPartsResult><IsTruncated>false</IsTruncated><Part><PartNumber>2</PartNumber><Size>5</Size><ETag>\"b\"</ETag>"
			   "</Part></ListPartsResult>";
	const struct fault_answer good[] = { { ANSWER, answer_with("200 OK", "", first), 0 }, { ANSWER, answer_with("200 OK", "", last), 0 } };
	const char *nothing = "<ListPartsResult><NextPartNumberMarker>1</NextPartNumberMarker><IsTruncated>true</IsTruncated></ListPartsResult>";
	const struct fault_answer circle[] = { { ANSWER, answer_with("200 OK", "", first), 0 }, { ANSWER, answer_with("200 OK", "", nothing), 0 } };
	struct store_parts listed;

	start(good, 2);
	assert_int_equal(s->ops->list_parts(s, "k", "up", &listed, &call), 0);
	assert_int_equal(listed.count, 2);
	assert_non_null(strstr(fault_head(server, 1), "part-number-marker=1"));
	store_parts_free(&listed);
	stop();
	start(circle, 2);
	assert_int_equal(s->ops->list_parts(s, "k", "up", &listed, &call), EBADMSG);
	assert_null(listed.parts);
	stop();
}

/* Numbers that no upload can have: a list of them would take memory, or pages, without end. */
static void parts_beyond_the_last_are_refused(void **state)
{
	const char *part_10001 = "<ListPartsResult><IsTruncated>false</IsTruncated><Part><PartNumber>10001</PartNumber><Size>5</Size><ETag>\"a\"</ETag></Part>"
				 "</ListPartsResult>";
	const char *far = "<ListPartsResult><NextPartNumberMarker>10001</NextPartNumberMarker><IsTruncated>true</IsTruncated></ListPartsResult>";
	struct store_parts listed;

	EXPECT(ANSWER, answer_with("200 OK", "", part_10001), s->ops->list_parts(s, "k", "up", &listed, &call), EBADMSG, false);
	EXPECT(ANSWER, answer_with("200 OK", "", far), s->ops->list_parts(s, "k", "up", &listed, &call), EBADMSG, false);
}

/* Another marker with each page, and always another upload. */
static void uploads_without_an_end(void **state)
{
	enum { ANSWERS = 130 };
	static struct fault_answer answers[ANSWERS];
	static char texts[ANSWERS][600];
	struct store_uploads uploads;

	for (int i = 0; i < ANSWERS; i++) {
		char body[400];

		snprintf(body, sizeof(body),
			 "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>%03d</NextUploadIdMarker>"
			 "<Upload><Key>k</Key><UploadId>%03d</UploadId></Upload></ListMultipartUploadsResult>", i, i);
		snprintf(texts[i], sizeof(texts[i]), "%s", answer_with("200 OK", "", body));
		answers[i] = (struct fault_answer){ ANSWER, texts[i], 0 };
	}
	start(answers, ANSWERS);
	call.timeout_ms = 5000;
	assert_int_equal(s->ops->list_uploads(s, "k", &uploads, &call), EBADMSG);
	assert_int_equal(fault_requests(server), 100);
	assert_null(uploads.ids);
	call.timeout_ms = 0;
	stop();
}

/* ---- copy and remove */

static void copies(void **state)
{
	start_one(ANSWER, answer_with("200 OK", "", "<CopyObjectResult><ETag>\"c1\"</ETag></CopyObjectResult>"));
	assert_int_equal(s->ops->copy(s, "a/\xc3\xa9 +", "e0", "b", COMMIT, NULL, &meta, &call), 0);
	assert_string_equal(meta.etag, "c1");
	assert_non_null(strstr(fault_head(server, 0), "PUT /bucket/b HTTP/1.1\r\n"));
	assert_non_null(strstr(fault_head(server, 0), "\r\nx-amz-copy-source: /bucket/a/%C3%A9%20%2B\r\n"));
	assert_non_null(strstr(fault_head(server, 0), "\r\nx-amz-copy-source-if-match: \"e0\"\r\n"));
	assert_non_null(strstr(fault_head(server, 0), "\r\nx-amz-metadata-directive: REPLACE\r\n"));
	assert_int_equal(s->ops->copy(s, "a", NULL, "b", NULL, &(struct store_cond){ .if_none_match = true }, NULL, &call), EOPNOTSUPP);
	assert_int_equal(fault_requests(server), 1);
	stop();
	EXPECT(ANSWER, answer_with("200 OK", "", ERROR_XML("InternalError")), s->ops->copy(s, "a", NULL, "b", NULL, NULL, NULL, &call), EREMOTEIO, true);
	EXPECT(ANSWER, answer_with("200 OK", "", ERROR_XML("NoSuchKey")), s->ops->copy(s, "a", NULL, "b", NULL, NULL, NULL, &call), ENOENT, true);
	EXPECT(ANSWER, answer_with("200 OK", "", ""), s->ops->copy(s, "a", NULL, "b", NULL, NULL, NULL, &call), EBADMSG, true);
}

static const char *const three[] = { "a&b", "ctl\x01", "c" };
static int results[3];

static int remove_three(void)
{
	return s->ops->remove(s, three, 3, results, &call);
}

static void a_batch_of_keys(void **state)
{
	const struct fault_answer answers[] = {
		{ ANSWER, answer_with("200 OK", "", "<DeleteResult><Error><Key>a&amp;b</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
				      "<Error><Key>c</Key><Code>NoSuchKey</Code></Error></DeleteResult>"), 0 },
		{ ANSWER, NO_BODY("204 Gone", ""), 0 } };
	const char *head_text;

	start(answers, 2);
	assert_int_equal(remove_three(), EACCES);
	assert_int_equal(results[0], EACCES);
	assert_int_equal(results[1], 0);
	assert_int_equal(results[2], 0); /* not there: that was the aim */
	assert_string_equal(call.err.key, "a&b");
	assert_string_equal(call.err.s3_code, "AccessDenied");
	head_text = fault_head(server, 0);
	assert_non_null(strstr(head_text, "POST /bucket?delete= HTTP/1.1\r\n"));
	assert_non_null(strstr(head_text, "\r\ncontent-md5: "));
	assert_non_null(strstr(head_text, "\r\nx-amz-checksum-crc32c: "));
	assert_non_null(strstr(fault_body(server, 0), "<Object><Key>a&amp;b</Key></Object><Object><Key>c</Key></Object>"));
	assert_non_null(strstr(fault_head(server, 1), "DELETE /bucket/ctl%01 HTTP/1.1\r\n")); /* which XML cannot carry */
	stop();
}

static void batches_that_fail(void **state)
{
	const char *stranger = "<DeleteResult><Error><Key>other</Key><Code>AccessDenied</Code></Error></DeleteResult>";

	EXPECT(ANSWER, answer_with("503 No", "", ERROR_XML("SlowDown")), remove_three(), EAGAIN, false);
	for (int i = 0; i < 3; i++)
		assert_int_equal(results[i], EAGAIN);
	EXPECT(ANSWER, answer_with("200 OK", "", stranger), remove_three(), EBADMSG, true);
	EXPECT(ANSWER, answer_with("200 OK", "", ""), remove_three(), EBADMSG, true);
	EXPECT(ANSWER, answer_with("200 OK", "", ERROR_XML("InternalError")), remove_three(), EREMOTEIO, true);
	EXPECT(ANSWER, answer_with("200 OK", "", ERROR_XML("AccessDenied")), remove_three(), EACCES, true);
	EXPECT(ANSWER, answer_with("404 No", "", ERROR_XML("NoSuchBucket")), remove_three(), ENODEV, false);
	EXPECT(DROP, NULL, remove_three(), EHOSTUNREACH, true);
	assert_int_equal(results[2], EHOSTUNREACH);
}

static int remove_single(void)
{
	const char *one = "k";

	return s->ops->remove(s, &one, 1, results, &call);
}

static void a_single_key(void **state)
{
	start_one(ANSWER, answer_with("404 No", "", ERROR_XML("NoSuchKey")));
	assert_int_equal(remove_single(), 0);
	assert_int_equal(call.err.code, 0);
	assert_non_null(strstr(fault_head(server, 0), "DELETE /bucket/k HTTP/1.1\r\n"));
	stop();
	EXPECT(ANSWER, answer_with("404 No", "", "<html/>"), remove_single(), EBADMSG, false);
	EXPECT(ANSWER, answer_with("404 No", "", ERROR_XML("NoSuchBucket")), remove_single(), ENODEV, false);
	EXPECT(ANSWER, answer_with("403 No", "", ERROR_XML("AccessDenied")), remove_single(), EACCES, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(parts),
		cmocka_unit_test(parts_by_md5_where_the_server_insists),
		cmocka_unit_test(completes),
		cmocka_unit_test(completes_that_fail),
		cmocka_unit_test(no_upload_id),
		cmocka_unit_test(parts_are_listed_to_the_end),
		cmocka_unit_test(parts_beyond_the_last_are_refused),
		cmocka_unit_test(uploads_without_an_end),
		cmocka_unit_test(copies),
		cmocka_unit_test(a_batch_of_keys),
		cmocka_unit_test(batches_that_fail),
		cmocka_unit_test(a_single_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

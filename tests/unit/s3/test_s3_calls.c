/* SPDX-License-Identifier: Apache-2.0 */
#include "s3_fixture.h"

#include "base/buf.h"
#include "base/clock.h"

#include <pthread.h>

/* What all calls of the S3 store have in common: deadlines, cancelling, clock, region, probe, configuration. */

/* ---- deadlines and cancelling */

/* A metadata request has a deadline as a whole: dripping on does not help. */
static void a_dripping_list(void **state)
{
	const struct fault_answer answers[] = {
		{ ANSWER, answer_with("200 OK", "", "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"), 50 } };
	int64_t began = clock_mono_ms();

	start(answers, 1);
	assert_int_equal(list(NULL), ETIMEDOUT);
	assert_in_range(clock_mono_ms() - began, 350, 1500);
	stop();
}

#define TEN "1234567890"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static int get_two_hundred(void)
{
	char out[200];

	return s->ops->get(s, "k", (struct store_range){ 0 }, NULL, &(struct iovec){ out, sizeof(out) }, 1, &got, &meta, &call);
}

static void timeouts_of_a_call(void **state)
{
	const struct fault_answer answers[] = { { ANSWER, OBJECT("200 OK", "", HUNDRED HUNDRED, "200"), 10 },
						{ ANSWER, OBJECT("200 OK", "", HUNDRED HUNDRED, "200"), 10 },
						{ ANSWER, OBJECT("200 OK", "", HUNDRED HUNDRED, "200"), 50 } };

	start(answers, 3);
	assert_int_equal(get_two_hundred(), 0); /* slower than data_stall_ms in all */
	call.timeout_ms = 200;
	assert_int_equal(get_two_hundred(), ETIMEDOUT);
	call.timeout_ms = 0;
	assert_int_equal(get_two_hundred(), ETIMEDOUT); /* the head alone is slower */
	stop();
}

static void *cancel_soon(void *arg)
{
	clock_sleep_ms(80);
	atomic_store((atomic_bool *)arg, true);
	return NULL;
}

static void cancelled_calls(void **state)
{
	static const struct fault_answer answers[] = { { STALL, NULL, 0 } };
	atomic_bool cancel = false;
	pthread_t setter;

	start(answers, 1);
	call.cancel = &cancel;
	assert_int_equal(pthread_create(&setter, NULL, cancel_soon, &cancel), 0);
	assert_int_equal(put(), ECANCELED);
	assert_true(call.err.ambiguous);
	pthread_join(setter, NULL);
	assert_int_equal(put(), ECANCELED); /* it is still set: nothing is sent */
	assert_false(call.err.ambiguous);
	assert_int_equal(fault_requests(server), 1);
	stop();
}

static void *end_soon(void *arg)
{
	clock_sleep_ms(80);
	store_end_by(arg, clock_mono_ms() + 50);
	return NULL;
}

/* Lines that never end are cut by a deadline that is set while they come. */
static void the_end_of_a_store(void **state)
{
	const struct fault_answer answers[] = { { ANSWER, OBJECT("200 OK", "", HUNDRED HUNDRED, "200"), 100 }, { ANSWER, NO_BODY("200 OK", ETAG), 0 } };
	int64_t began = clock_mono_ms();
	pthread_t setter;

	start(answers, 2);
	assert_int_equal(pthread_create(&setter, NULL, end_soon, s), 0);
	assert_int_equal(put(), ESHUTDOWN);
	assert_in_range(clock_mono_ms() - began, 130, 700);
	assert_int_equal(call.err.code, ESHUTDOWN);
	assert_true(call.err.ambiguous);
	pthread_join(setter, NULL);
	assert_int_equal(put(), ESHUTDOWN);
	assert_false(call.err.ambiguous); /* nothing is sent */
	assert_int_equal(fault_requests(server), 1);
	store_end_by(s, clock_mono_ms() + 60000);
	assert_int_equal(put(), 0);
	stop();
}

/* ---- clock and region */

#define SKEWED ERROR_XML("RequestTimeTooSkewed")

static void a_wrong_clock_is_corrected_once(void **state)
{
	const struct fault_answer answers[] = { { ANSWER, answer_with("403 No", date_header(7200), SKEWED), 0 }, { ANSWER, NO_BODY("200 OK", ETAG), 0 },
						{ ANSWER, NO_BODY("200 OK", ETAG), 0 } };
	char hour[3][16];

	start(answers, 3);
	assert_int_equal(put(), 0);
	assert_int_equal(put(), 0);
	assert_int_equal(fault_requests(server), 3);
	for (unsigned i = 0; i < 3; i++)
		snprintf(hour[i], sizeof(hour[i]), "%.11s", strstr(fault_head(server, i), "x-amz-date: ") + 12);
	assert_string_not_equal(hour[0], hour[1]); /* signed two hours later */
	assert_string_equal(fault_body(server, 1), "123456789");
	stop();
}

/* The first may have been done all the same: what the second one meets is perhaps its work. */
static void doubt_outlives_the_correction(void **state)
{
	const struct fault_answer answers[] = { { ANSWER, answer_with("200 OK", date_header(7200), SKEWED), 0 }, { ANSWER, NO_BODY("412 No", ""), 0 },
						{ ANSWER, NO_BODY("412 No", ""), 0 } };

	start(answers, 3);
	assert_int_equal(put(), ESTALE);
	assert_int_equal(fault_requests(server), 2);
	assert_true(call.err.ambiguous);
	assert_int_equal(put(), ESTALE);
	assert_false(call.err.ambiguous);
	stop();
}

static void a_clock_that_cannot_be_corrected(void **state)
{
	const char *first = answer_with("403 No", date_header(7200), SKEWED);
	const struct fault_answer twice[] = { { ANSWER, first, 0 }, { ANSWER, answer_with("403 No", date_header(99999), SKEWED), 0 } };
	const struct fault_answer same[] = { { ANSWER, answer_with("403 No", date_header(0), SKEWED), 0 } };

	start(twice, 2);
	assert_int_equal(put(), ENOTRECOVERABLE);
	assert_int_equal(fault_requests(server), 2);
	stop();
	start(same, 1); /* the server's date is ours */
	assert_int_equal(put(), ENOTRECOVERABLE);
	assert_int_equal(fault_requests(server), 1);
	stop();
}

static void a_denial_that_may_come_from_the_clock(void **state)
{
	const struct fault_answer far[] = { { ANSWER, answer_with("403 No", date_header(-3600), ERROR_XML("AccessDenied")), 0 },
					    { ANSWER, NO_BODY("200 OK", ETAG), 0 } };
	const struct fault_answer near[] = { { ANSWER, answer_with("403 No", date_header(-100), ERROR_XML("AccessDenied")), 0 } };
	int64_t date;

	start(far, 2);
	assert_int_equal(put(), 0);
	stop();
	start(near, 1);
	assert_int_equal(put(), EACCES);
	date = clock_wall_s() - 100;
	assert_in_range(call.server_date, date - 5, date + 5);
	stop();
}

#define MALFORMED(region) "<Error><Code>AuthorizationHeaderMalformed</Code><Message>expecting</Message><Region>" region "</Region></Error>"

static void a_wrong_region_is_corrected_once(void **state)
{
	const struct fault_answer answers[] = { { ANSWER, answer_with("400 No", "", MALFORMED("eu-west-1")), 0 }, { ANSWER, NO_BODY("200 OK", ETAG), 0 },
						{ ANSWER, NO_BODY("200 OK", ETAG), 0 } };
	const struct fault_answer head_only[] = { { ANSWER, NO_BODY("301 There", "x-amz-bucket-region: eu-west-1\r\n"), 0 },
						  { ANSWER, NO_BODY("301 There", "x-amz-bucket-region: eu-west-2\r\n"), 0 } };

	start(answers, 3);
	assert_int_equal(put(), 0);
	assert_int_equal(put(), 0);
	assert_non_null(strstr(fault_head(server, 0), "/us-east-1/s3/aws4_request"));
	assert_non_null(strstr(fault_head(server, 1), "/eu-west-1/s3/aws4_request"));
	assert_non_null(strstr(fault_head(server, 2), "/eu-west-1/s3/aws4_request"));
	stop();
	start(head_only, 2);
	assert_int_equal(head(), EBADMSG); /* it goes on redirecting */
	assert_int_equal(fault_requests(server), 2);
	stop();
	EXPECT(ANSWER, answer_with("400 No", "", MALFORMED("us-east-1")), put(), EKEYREJECTED, false);
	EXPECT(ANSWER, answer_with("400 No", "", MALFORMED("../evil region")), put(), EKEYREJECTED, false);
}

/* ---- probe */

static void probes(void **state)
{
	const char *listing = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
	static const struct { const char *first, *second; int code; } cases[] = {
		{ "404 No", ERROR_XML("NoSuchBucket"), ENODEV }, { "403 No", ERROR_XML("AccessDenied"), EACCES },
		{ "403 No", ERROR_XML("InvalidAccessKeyId"), EKEYREJECTED }, { "400 No", ERROR_XML("ExpiredToken"), EKEYREJECTED },
	};

	EXPECT(ANSWER, NO_BODY("200 OK", ""), s->ops->probe(s, &call), 0, false);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char first[128];

		snprintf(first, sizeof(first), "HTTP/1.1 %s\r\nx-amz-request-id: R1\r\nContent-Length: 0\r\n\r\n", cases[i].first);

		const struct fault_answer answers[] = { { ANSWER, first, 0 }, { ANSWER, answer_with(cases[i].first, "", cases[i].second), 0 } };

		start(answers, 2);
		assert_int_equal(s->ops->probe(s, &call), cases[i].code);
		stop();
	}

	const struct fault_answer web[] = { { ANSWER, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0 }, { ANSWER, answer_with("200 OK", "", "<html/>"), 0 } };
	const struct fault_answer quiet[] = { { ANSWER, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0 }, { ANSWER, answer_with("200 OK", "", listing), 0 } };

	start(web, 2);
	assert_int_equal(s->ops->probe(s, &call), EBADMSG); /* any web server */
	stop();
	start(quiet, 2);
	assert_int_equal(s->ops->probe(s, &call), 0);
	stop();
}

/* ---- configuration */

static void configurations(void **state)
{
	static const char *const bad_endpoints[] = { "", "http://host", "host/path", "user@host", "host name", "host\r\nx", "h?a" };
	static const char *const bad_buckets[] = { "", "a/b", "..", ".", "a b", "a?b" };
	struct s3_config config = { .endpoint = "host:9000", .bucket = "b", .access_key = "a", .secret_key = "s" };
	struct store *store;

	assert_int_equal(s3_store_new(&config, &store), 0);
	assert_string_equal(store->name, "s3://b at host:9000");
	assert_true(store->conditional);
	assert_int_equal(s3_store_set_credentials(store, "", "s", NULL), EINVAL);
	assert_int_equal(s3_store_set_credentials(store, "a2", "s2", "t2"), 0);
	store_free(store);
	for (size_t i = 0; i < ARRAY_LEN(bad_endpoints); i++) {
		config.endpoint = bad_endpoints[i];
		assert_int_equal(s3_store_new(&config, &store), EINVAL);
		assert_null(store);
	}
	config.endpoint = "host";
	for (size_t i = 0; i < ARRAY_LEN(bad_buckets); i++) {
		config.bucket = bad_buckets[i];
		assert_int_equal(s3_store_new(&config, &store), EINVAL);
	}
	config.bucket = "b";
	config.access_key = NULL;
	assert_int_equal(s3_store_new(&config, &store), EINVAL);
}

static void a_refused_connection(void **state)
{
	struct s3_config config = { .endpoint = "127.0.0.1:1", .bucket = "b", .path_style = true, .access_key = "a", .secret_key = "s" };

	assert_int_equal(s3_store_new(&config, &s), 0);
	assert_int_equal(put(), EHOSTUNREACH);
	assert_false(call.err.ambiguous);
	assert_int_equal(call.err.http_status, 0);
	store_free(s);
	config.endpoint = "no-such-host.invalid";
	assert_int_equal(s3_store_new(&config, &s), 0);
	assert_int_equal(put(), EHOSTUNREACH);
	assert_non_null(strstr(call.err.message, "no-such-host.invalid"));
	store_free(s);
}

static void new_credentials_are_used_at_once(void **state)
{
	const struct fault_answer answers[] = { { ANSWER, NO_BODY("200 OK", ETAG), 0 }, { ANSWER, NO_BODY("200 OK", ETAG), 0 } };

	start(answers, 2);
	assert_int_equal(put(), 0);
	assert_int_equal(s3_store_set_credentials(s, "key2", "secret2", "token2"), 0);
	assert_int_equal(put(), 0);
	assert_non_null(strstr(fault_head(server, 0), "Credential=key/"));
	assert_non_null(strstr(fault_head(server, 1), "Credential=key2/"));
	assert_non_null(strstr(fault_head(server, 1), "\r\nx-amz-security-token: token2\r\n"));
	stop();
}

static void names_that_are_not_utf8_do_not_leave(void **state)
{
	start_one(ANSWER, NO_BODY("200 OK", ETAG));
	assert_int_equal(s->ops->head(s, "latin\xe9", &meta, &call), EINVAL);
	assert_int_equal(fault_requests(server), 0);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dripping_list),
		cmocka_unit_test(timeouts_of_a_call),
		cmocka_unit_test(cancelled_calls),
		cmocka_unit_test(the_end_of_a_store),
		cmocka_unit_test(a_wrong_clock_is_corrected_once),
		cmocka_unit_test(doubt_outlives_the_correction),
		cmocka_unit_test(a_clock_that_cannot_be_corrected),
		cmocka_unit_test(a_denial_that_may_come_from_the_clock),
		cmocka_unit_test(a_wrong_region_is_corrected_once),
		cmocka_unit_test(probes),
		cmocka_unit_test(configurations),
		cmocka_unit_test(a_refused_connection),
		cmocka_unit_test(new_credentials_are_used_at_once),
		cmocka_unit_test(names_that_are_not_utf8_do_not_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/http.h"

#include "base/clock.h"
#include "fault_server.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define OK(body, length) "HTTP/1.1 200 OK\r\nX-Name:  value \r\nContent-Length: " length "\r\n\r\n" body
#define BIG (16u << 20)

static struct fault_server *server;
static struct http_pool *pool;
static char url[64];

static void start(const struct fault_answer *answers, size_t count, unsigned connections)
{
	struct http_config config = { .connect_ms = 1000, .connections = connections };

	server = fault_start(answers, count, NULL);
	snprintf(url, sizeof(url), "http://%s/k", fault_endpoint(server));
	assert_int_equal(http_pool_new(&config, &pool), 0);
}

static void stop(void)
{
	http_pool_free(pool);
	fault_stop(server);
}

static struct http_request request_of(const char *method)
{
	return (struct http_request){ .method = method, .url = url, .text_max = 4096, .deadline = clock_mono_ms() + 3000, .stall_ms = 2000 };
}

static int get(struct http_reply *reply)
{
	struct http_request request = request_of("GET");

	return http_perform(pool, &request, reply);
}

/* A GET whose outcome alone matters. */
static int get_errno(void)
{
	struct http_reply reply;
	int rc = get(&reply);

	http_reply_free(&reply);
	return rc;
}

static void warm_connections_are_used_again(void **state)
{
	const struct fault_answer answers[] = { { ANSWER, OK("one", "3"), 0 }, { ANSWER, OK("two", "3"), 0 }, { ANSWER, OK("", "0"), 0 } };
	struct http_reply reply;
	char value[16];

	start(answers, 3, 4);
	assert_int_equal(get(&reply), 0);
	assert_int_equal(reply.status, 200);
	assert_int_equal(reply.got, 3);
	assert_int_equal(reply.content_length, 3);
	assert_memory_equal(reply.text.data, "one", 3);
	assert_int_equal(http_header(&reply, "x-NAME", value, sizeof(value)), 0);
	assert_string_equal(value, "value");
	assert_int_equal(http_header(&reply, "x-name", value, 5), ENAMETOOLONG);
	assert_int_equal(http_header(&reply, "name", value, sizeof(value)), ENOENT);
	assert_int_equal(reply.sends, 1);
	http_reply_free(&reply);
	assert_int_equal(get_errno(), 0);
	assert_int_equal(get_errno(), 0);
	assert_int_equal(fault_connections(server), 1);
	stop();
}

static void lines_go_out_as_given(void **state)
{
	const struct fault_answer answers[] = { { ANSWER, OK("", "0"), 0 }, { ANSWER, OK("", "0"), 0 } };
	struct http_request request;
	struct http_reply reply;
	struct iovec body[3] = { { (char[]){ "abc" }, 3 }, { NULL, 0 }, { (char[]){ "defg" }, 4 } };

	start(answers, 2, 1);
	request = request_of("PUT");
	request.lines = "Host: me\0x-a: 1";
	request.lines_len = sizeof("Host: me\0x-a: 1");
	request.body = body;
	request.body_count = 3;
	assert_int_equal(http_perform(pool, &request, &reply), 0);
	assert_true(reply.sent);
	http_reply_free(&reply);
	assert_non_null(strstr(fault_head(server, 0), "PUT /k HTTP/1.1\r\n"));
	assert_non_null(strstr(fault_head(server, 0), "\r\nHost: me\r\n"));
	assert_non_null(strstr(fault_head(server, 0), "\r\nx-a: 1\r\n"));
	assert_non_null(strstr(fault_head(server, 0), "\r\nContent-Length: 7\r\n"));
	assert_null(strstr(fault_head(server, 0), "Expect"));
	assert_null(strstr(fault_head(server, 0), "Content-Type"));
	assert_string_equal(fault_body(server, 0), "abcdefg");
	request.method = "POST";
	request.body_count = 0;
	assert_int_equal(http_perform(pool, &request, &reply), 0);
	http_reply_free(&reply);
	assert_non_null(strstr(fault_head(server, 1), "POST /k HTTP/1.1\r\n"));
	assert_non_null(strstr(fault_head(server, 1), "\r\nContent-Length: 0\r\n"));
	stop();
}

static void a_good_body_goes_where_it_was_asked_to(void **state)
{
	const struct fault_answer answers[] = { { ANSWER, OK("0123456789", "10"), 0 }, { ANSWER, OK("0123456789", "10"), 0 },
						{ ANSWER, "HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nnone", 0 } };
	char first[4], second[6];
	struct iovec into[2] = { { first, 4 }, { second, 6 } };
	struct http_request request;
	struct http_reply reply;

	start(answers, 3, 1);
	request = request_of("GET");
	request.into = into;
	request.into_count = 2;
	assert_int_equal(http_perform(pool, &request, &reply), 0);
	assert_memory_equal(first, "0123", 4);
	assert_memory_equal(second, "456789", 6);
	assert_int_equal(reply.text.len, 0);
	http_reply_free(&reply);
	into[1].iov_len = 5;
	assert_int_equal(http_perform(pool, &request, &reply), EBADMSG); /* more than there is room */
	http_reply_free(&reply);
	assert_int_equal(http_perform(pool, &request, &reply), 0); /* an error's body is text */
	assert_int_equal(reply.status, 404);
	assert_memory_equal(reply.text.data, "none", 4);
	http_reply_free(&reply);
	stop();
}

static void text_has_a_limit(void **state)
{
	const struct fault_answer answers[] = { { ANSWER, OK("0123456789", "10"), 0 },
						{ ANSWER, "HTTP/1.1 500 No\r\nContent-Length: 10\r\n\r\n0123456789", 0 } };
	struct http_request request;
	struct http_reply reply;

	start(answers, 2, 1);
	request = request_of("GET");
	request.text_max = 9;
	assert_int_equal(http_perform(pool, &request, &reply), EBADMSG);
	http_reply_free(&reply);
	assert_int_equal(http_perform(pool, &request, &reply), 0); /* of an error page the beginning is enough */
	assert_int_equal(reply.text.len, 9);
	http_reply_free(&reply);
	stop();
}

static void cut_and_broken_answers(void **state)
{
	static const char *const broken[] = {
		OK("half", "8"),                                                          /* shorter than announced */
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",    /* the last chunk is missing */
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",           /* no number of bytes */
		"HTTP/1.1 200 OK\r\nContent-Le",                                         /* inside the head */
		"SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1x\r\nA: b\r\n\r\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		const struct fault_answer answers[] = { { ANSWER_CLOSE, broken[i], 0 }, { ANSWER_CLOSE, broken[i], 0 } };
		int rc;

		start(answers, 2, 1);
		rc = get_errno();
		if (rc != EBADMSG)
			print_message("answer %zu: %d\n", i, rc);
		assert_int_equal(rc, EBADMSG);
		stop();
	}
}

static void a_reset_in_the_middle(void **state)
{
	const struct fault_answer answers[] = { { ANSWER_RESET, OK("half", "8"), 0 } };

	start(answers, 1, 1);
	assert_int_equal(get_errno(), EBADMSG);
	stop();
}

static void no_answer_at_all(void **state)
{
	const struct fault_answer answers[] = { { DROP, NULL, 0 }, { DROP_EARLY, NULL, 0 } };
	struct iovec body = { (char[]){ "abc" }, 3 };
	struct http_request request;
	struct http_reply reply;

	start(answers, 2, 1);
	request = request_of("PUT");
	request.body = &body;
	request.body_count = 1;
	assert_int_equal(http_perform(pool, &request, &reply), EHOSTUNREACH);
	assert_true(reply.sent); /* and it may have been done */
	assert_int_equal(reply.status, 0);
	assert_true(reply.message[0]);
	http_reply_free(&reply);
	assert_int_equal(get_errno(), EHOSTUNREACH);
	stop();
}

static void a_body_that_never_left_whole(void **state)
{
	const struct fault_answer answers[] = { { DROP_EARLY, NULL, 0 }, { STALL_EARLY, NULL, 0 } };
	struct iovec body = { calloc(1, BIG), BIG };
	struct http_request request;
	struct http_reply reply;

	start(answers, 2, 1);
	request = request_of("PUT");
	request.body = &body;
	request.body_count = 1;
	request.stall_ms = 400;
	assert_int_equal(http_perform(pool, &request, &reply), EHOSTUNREACH);
	assert_false(reply.sent);
	http_reply_free(&reply);
	assert_int_equal(http_perform(pool, &request, &reply), ETIMEDOUT);
	assert_false(reply.sent);
	http_reply_free(&reply);
	free(body.iov_base);
	stop();
}

static void an_early_answer_is_heard(void **state)
{
	const struct fault_answer answers[] = { { ANSWER_EARLY, "HTTP/1.1 403 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno", 0 } };
	struct iovec body = { calloc(1, BIG), BIG };
	struct http_request request;
	struct http_reply reply;

	start(answers, 1, 1);
	request = request_of("PUT");
	request.body = &body;
	request.body_count = 1;
	assert_int_equal(http_perform(pool, &request, &reply), 0);
	assert_int_equal(reply.status, 403);
	assert_false(reply.sent);
	http_reply_free(&reply);
	free(body.iov_base);
	stop();
}

static void stalls_and_deadlines(void **state)
{
	const struct fault_answer answers[] = { { STALL, NULL, 0 }, { STALL, NULL, 0 }, { ANSWER, OK("0123456789012345678901234567890123456789", "40"), 60 },
						{ ANSWER, OK("0123456789012345678901234567890123456789", "40"), 60 } };
	struct http_request request;
	struct http_reply reply;
	int64_t began;

	start(answers, 4, 1);
	request = request_of("GET");
	request.stall_ms = 300;
	request.deadline = INT64_MAX;
	began = clock_mono_ms();
	assert_int_equal(http_perform(pool, &request, &reply), ETIMEDOUT);
	assert_in_range(clock_mono_ms() - began, 300, 900);
	http_reply_free(&reply);
	request.stall_ms = 0;
	request.deadline = clock_mono_ms() + 200;
	began = clock_mono_ms();
	assert_int_equal(http_perform(pool, &request, &reply), ETIMEDOUT);
	assert_in_range(clock_mono_ms() - began, 200, 800);
	http_reply_free(&reply);
	request.stall_ms = 400; /* slower than that in all, but it never stands still */
	request.deadline = INT64_MAX;
	began = clock_mono_ms();
	assert_int_equal(http_perform(pool, &request, &reply), 0);
	assert_true(clock_mono_ms() - began > 500);
	http_reply_free(&reply);
	request.deadline = clock_mono_ms() + 300;
	assert_int_equal(http_perform(pool, &request, &reply), ETIMEDOUT);
	http_reply_free(&reply);
	stop();
}

#define INTERIM "HTTP/1.1 100 Continue\r\n\r\n"
#define FOUR(x) x x x x
#define LINE "X-Line: 1234567890\r\n"

/* Not a byte of a body comes: lines, or answers before the answer, are no progress, however long they go on. */
static void a_head_without_end(void **state)
{
	const struct fault_answer answers[] = { { ANSWER, "HTTP/1.1 200 OK\r\n" FOUR(FOUR(LINE)), 100 }, { ANSWER, FOUR(FOUR(INTERIM)), 100 },
						{ ANSWER, OK("0123456789", "10"), 20 } };
	struct iovec body = { (char[]){ "abc" }, 3 };
	struct http_request request;
	struct http_reply reply;

	start(answers, 3, 1);
	for (int i = 0; i < 2; i++) {
		int64_t began = clock_mono_ms();

		request = request_of("PUT");
		request.body = &body;
		request.body_count = 1;
		request.stall_ms = 300;
		request.deadline = INT64_MAX;
		assert_int_equal(http_perform(pool, &request, &reply), ETIMEDOUT);
		assert_in_range(clock_mono_ms() - began, 300, 900);
		assert_true(reply.sent);
		http_reply_free(&reply);
	}
	assert_int_equal(http_perform(pool, &request, &reply), 0); /* one that is whole in time is none the worse for dripping */
	http_reply_free(&reply);
	stop();
}

/* Blanks before an answer say that the server is at work, for a while. */
static void a_text_without_end(void **state)
{
	const struct fault_answer answers[] = {
		{ ANSWER, "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n" FOUR(FOUR(FOUR("        "))), 40 },
		{ ANSWER, "HTTP/1.1 500 Bad\r\nContent-Length: 4000\r\n\r\n" FOUR(FOUR(FOUR("        "))), 40 },
		{ ANSWER, "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n" FOUR("        ") "<done/>.", 40 } };
	char text[8];
	struct iovec into = { text, sizeof(text) };
	struct http_request request;
	struct http_reply reply;

	start(answers, 3, 1);
	for (int i = 0; i < 2; i++) {
		int64_t began = clock_mono_ms();

		request = request_of("GET");
		request.stall_ms = 200;
		request.deadline = INT64_MAX;
		if (i) { /* an error's text is text where bytes were asked for, too */
			request.into = &into;
			request.into_count = 1;
		}
		assert_int_equal(http_perform(pool, &request, &reply), ETIMEDOUT);
		assert_in_range(clock_mono_ms() - began, 800, 1500);
		http_reply_free(&reply);
	}
	request.into = NULL;
	assert_int_equal(http_perform(pool, &request, &reply), 0);
	assert_int_equal(reply.got, 40);
	http_reply_free(&reply);
	stop();
}

/* The whole body stands in the kernel's send queue at once, and leaves it slowly: that is progress too. */
static void a_peer_that_sips(void **state)
{
	const struct fault_answer answers[] = { { SIP, OK("", "0"), 40 } };
	struct iovec body = { calloc(1, 200000), 200000 };
	struct http_request request;
	struct http_reply reply;

	start(answers, 1, 1);
	request = request_of("PUT");
	request.body = &body;
	request.body_count = 1;
	request.stall_ms = 400;
	request.deadline = INT64_MAX;
	assert_int_equal(http_perform(pool, &request, &reply), 0);
	http_reply_free(&reply);
	free(body.iov_base);
	stop();
}

static void *set_soon(void *arg)
{
	clock_sleep_ms(100);
	atomic_store((atomic_bool *)arg, true);
	return NULL;
}

static void cancelling(void **state)
{
	const struct fault_answer answers[] = { { STALL, NULL, 0 } };
	struct http_request request;
	struct http_reply reply;
	atomic_bool cancel = false;
	pthread_t setter;
	int64_t began;

	start(answers, 1, 1);
	request = request_of("GET");
	request.cancel = &cancel;
	began = clock_mono_ms();
	assert_int_equal(pthread_create(&setter, NULL, set_soon, &cancel), 0);
	assert_int_equal(http_perform(pool, &request, &reply), ECANCELED);
	assert_in_range(clock_mono_ms() - began, 100, 500);
	http_reply_free(&reply);
	pthread_join(setter, NULL);
	stop();
}

static void *hold_a_connection(void *arg)
{
	return (void *)(intptr_t)get_errno();
}

/* One connection, which stalls: the second request waits for it, and gives up unsent. */
static void waiting_for_a_connection(void **state)
{
	const struct fault_answer answers[] = { { ANSWER, OK("0123456789012345678901234567890123456789", "40"), 100 }, { ANSWER, OK("", "0"), 0 } };
	struct http_request request;
	struct http_reply reply;
	atomic_bool cancel = true;
	pthread_t holder;
	void *held;

	start(answers, 2, 1);
	assert_int_equal(pthread_create(&holder, NULL, hold_a_connection, NULL), 0);
	while (fault_requests(server) == 0)
		clock_sleep_ms(5);
	request = request_of("GET");
	request.deadline = clock_mono_ms() + 100;
	assert_int_equal(http_perform(pool, &request, &reply), ETIMEDOUT);
	assert_int_equal(reply.sends, 0);
	assert_false(reply.sent);
	assert_non_null(strstr(reply.message, "free connection"));
	http_reply_free(&reply);
	request.deadline = INT64_MAX;
	request.stall_ms = 100;
	assert_int_equal(http_perform(pool, &request, &reply), ETIMEDOUT);
	http_reply_free(&reply);
	request.cancel = &cancel;
	assert_int_equal(http_perform(pool, &request, &reply), ECANCELED);
	http_reply_free(&reply);
	request.cancel = NULL;
	request.deadline = clock_mono_ms() - 1; /* over before it began */
	assert_int_equal(http_perform(pool, &request, &reply), ETIMEDOUT);
	http_reply_free(&reply);
	assert_int_equal(get_errno(), 0); /* one that waits long enough gets it */
	pthread_join(holder, &held);
	assert_int_equal((intptr_t)held, 0);
	assert_int_equal(fault_connections(server), 1);
	stop();
}

/* ASSUMPTION HTTP-1: what curl does when a kept connection turns out to be dead. */
static void a_resent_request_is_told(void **state)
{
	const struct fault_answer answers[] = { { ANSWER, OK("", "0"), 0 }, { DROP, NULL, 0 }, { ANSWER, OK("", "0"), 0 } };
	struct iovec body = { (char[]){ "abc" }, 3 };
	struct http_request request;
	struct http_reply reply;

	start(answers, 3, 1);
	assert_int_equal(get_errno(), 0);
	request = request_of("PUT");
	request.body = &body;
	request.body_count = 1;
	assert_int_equal(http_perform(pool, &request, &reply), 0);
	assert_int_equal(reply.sends, 2);
	assert_int_equal(fault_requests(server), 3);
	assert_string_equal(fault_body(server, 2), "abc");
	http_reply_free(&reply);
	stop();
}

static void redirects_are_not_followed(void **state)
{
	const struct fault_answer answers[] = { { ANSWER, "HTTP/1.1 307 There\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 0 } };
	struct http_reply reply;

	start(answers, 1, 1);
	assert_int_equal(get(&reply), 0);
	assert_int_equal(reply.status, 307);
	assert_int_equal(fault_requests(server), 1);
	http_reply_free(&reply);
	stop();
}

static void interim_answers_are_skipped(void **state)
{
	const struct fault_answer answers[] = { { ANSWER, "HTTP/1.1 100 Continue\r\nX-A: no\r\n\r\nHTTP/1.1 200 OK\r\nX-A: yes\r\nContent-Length: 0\r\n\r\n", 0 } };
	struct http_reply reply;
	char value[8];

	start(answers, 1, 1);
	assert_int_equal(get(&reply), 0);
	assert_int_equal(reply.status, 200);
	assert_int_equal(http_header(&reply, "x-a", value, sizeof(value)), 0);
	assert_string_equal(value, "yes");
	http_reply_free(&reply);
	stop();
}

static void nobody_listens(void **state)
{
	struct http_config config = { .connect_ms = 1000, .connections = 1 };
	struct http_request request;
	struct http_reply reply;

	assert_int_equal(http_pool_new(&config, &pool), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:1/");
	request = request_of("GET");
	assert_int_equal(http_perform(pool, &request, &reply), EHOSTUNREACH);
	assert_int_equal(reply.sends, 0);
	assert_true(reply.message[0]);
	http_reply_free(&reply);
	snprintf(url, sizeof(url), "https://127.0.0.1:1/"); /* the pool is for plain HTTP */
	assert_int_not_equal(http_perform(pool, &request, &reply), 0);
	assert_int_equal(reply.sends, 0);
	http_reply_free(&reply);
	http_pool_free(pool);
}

#define THREADS 8
#define EACH 20

static void *get_many(void *arg)
{
	for (int i = 0; i < EACH; i++)
		if (get_errno())
			return (void *)1;
	return NULL;
}

static void many_threads_share_few_connections(void **state)
{
	static struct fault_answer answers[THREADS * EACH];
	pthread_t threads[THREADS];

	for (size_t i = 0; i < THREADS * EACH; i++)
		answers[i] = (struct fault_answer){ ANSWER, OK("body", "4"), 0 };
	start(answers, THREADS * EACH, 3);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, get_many, NULL), 0);
	for (int i = 0; i < THREADS; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_true(fault_connections(server) <= 3);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(warm_connections_are_used_again),
		cmocka_unit_test(lines_go_out_as_given),
		cmocka_unit_test(a_good_body_goes_where_it_was_asked_to),
		cmocka_unit_test(text_has_a_limit),
		cmocka_unit_test(cut_and_broken_answers),
		cmocka_unit_test(a_reset_in_the_middle),
		cmocka_unit_test(no_answer_at_all),
		cmocka_unit_test(a_body_that_never_left_whole),
		cmocka_unit_test(an_early_answer_is_heard),
		cmocka_unit_test(stalls_and_deadlines),
		cmocka_unit_test(a_head_without_end),
		cmocka_unit_test(a_text_without_end),
		cmocka_unit_test(a_peer_that_sips),
		cmocka_unit_test(cancelling),
		cmocka_unit_test(waiting_for_a_connection),
		cmocka_unit_test(a_resent_request_is_told),
		cmocka_unit_test(redirects_are_not_followed),
		cmocka_unit_test(interim_answers_are_skipped),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(many_threads_share_few_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "s3/stores.h"

#include "fault_server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* The S3 store against a server that misbehaves: what the tests of it share. One server and one store at a time. */

#define COMMIT "00112233445566778899aabbccddeeff"
#define NO_BODY(status, headers) "HTTP/1.1 " status "\r\nx-amz-request-id: R1\r\n" headers "Content-Length: 0\r\n\r\n"
#define ETAG "ETag: \"e1\"\r\n"
#define OBJECT(status, headers, body, length) \
	"HTTP/1.1 " status "\r\n" ETAG "Last-Modified: Fri, 24 May 2013 00:00:00 GMT\r\n" headers "Content-Length: " length "\r\n\r\n" body
#define ERROR_XML(code) "<Error><Code>" code "</Code><Message>words</Message></Error>"

extern struct fault_server *server;
extern struct store *s;
extern struct store_call call;
extern struct store_meta meta; /* of the last put, get, head, copy or complete below */
extern char got_bytes[64];     /* of the last get_range */
extern size_t got;

/* An answer whose Content-Length is that of body; good until eight more were made. */
const char *answer_with(const char *status, const char *headers, const char *body);
/* "Date: ..." that many seconds from now; good until the next. */
const char *date_header(int64_t offset);

/* Starts the server and a store for it, with a stall of 250 ms and 350 ms for metadata. config: what is to differ. */
void start_with(const struct fault_answer *answers, size_t count, struct s3_config config);
void start(const struct fault_answer *answers, size_t count);
void start_one(enum fault_manner manner, const char *reply);
void stop(void);

/* The nine bytes "123456789" at "a b", with COMMIT. */
int put_if(const struct store_cond *cond);
int put(void);
int get_range(int64_t offset, uint64_t length, const char *if_match); /* of "k", into ten bytes */
int head(void);                                                       /* of "k" */
int list(const char *token);                                          /* of "p/" */
int complete(const struct store_cond *cond);                          /* of "k" from two parts */

/* Starts a server that gives this one answer, makes the call, and checks errno and doubt. */
#define EXPECT(manner, reply, what, expected, doubt)         \
	do {                                                 \
		start_one(manner, reply);                    \
		assert_int_equal(what, expected);            \
		assert_int_equal(call.err.code, expected);   \
		assert_int_equal(call.err.ambiguous, doubt); \
		stop();                                      \
	} while (0)

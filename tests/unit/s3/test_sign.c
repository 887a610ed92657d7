/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/sign.h"

#include "s3/s3_reply.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define VECTOR_PAIRS 16

/* ---- the public test suite: what a case's files say, and what our steps make of it */

struct vector {
	char request[4096], canonical[4096], string[1024], signature[128];
	cJSON *context;
	char *method, *path, *body;
	struct sign_pair query[VECTOR_PAIRS], headers[VECTOR_PAIRS];
	size_t query_count, header_count;
	char payload[SIGN_HEX];
};

static void read_file(const char *name, const char *file, char *out, size_t cap)
{
	char path[512];

	snprintf(path, sizeof(path), VECTORS "/%s/%s", name, file);

	FILE *in = fopen(path, "r");

	assert_non_null(in);

	size_t n = fread(out, 1, cap - 1, in);

	assert_true(n > 0 && n < cap - 1);
	out[n] = '\0';
	fclose(in);
}

static void split_query(struct vector *v, char *query)
{
	char *rest = query;

	for (char *one; (one = strsep(&rest, "&"));) {
		char *value = strchr(one, '=');

		if (value)
			*value++ = '\0';
		assert_int_equal(s3_url_decode(one), 0);
		if (value)
			assert_int_equal(s3_url_decode(value), 0);
		v->query[v->query_count++] = (struct sign_pair){ one, value ? value : "" };
	}
}

/* "GET /a path?query HTTP/1.1", then headers with lines that go on, then the body. */
static void split_request(struct vector *v)
{
	char *rest = v->request, *line = strsep(&rest, "\n"), *end = strstr(line, " HTTP/1.1");

	assert_non_null(end);
	*end = '\0';
	v->method = strsep(&line, " ");
	v->path = strsep(&line, "?");
	if (line)
		split_query(v, line);
	while ((line = strsep(&rest, "\n")) && *line) {
		char *name;

		if (*line == ' ') { /* the value before goes on: joined again as it was */
			line[-1] = '\n';
			continue;
		}
		name = strsep(&line, ":");
		v->headers[v->header_count++] = (struct sign_pair){ name, line };
	}
	v->body = rest ? rest : v->method + strlen(v->method); /* "" */
}

static const char *context_text(const struct vector *v, const char *name)
{
	const cJSON *at = cJSON_GetObjectItem(v->context, name);

	if (!at)
		at = cJSON_GetObjectItem(cJSON_GetObjectItem(v->context, "credentials"), name);
	return cJSON_GetStringValue(at);
}

static void load(struct vector *v, const char *name)
{
	char context[4096];

	*v = (struct vector){ 0 };
	read_file(name, "request.txt", v->request, sizeof(v->request));
	read_file(name, "header-canonical-request.txt", v->canonical, sizeof(v->canonical));
	read_file(name, "header-string-to-sign.txt", v->string, sizeof(v->string));
	read_file(name, "header-signature.txt", v->signature, sizeof(v->signature));
	read_file(name, "context.json", context, sizeof(context));
	v->context = cJSON_Parse(context);
	assert_non_null(v->context);
	split_request(v);
	assert_int_equal(sign_payload(v->payload, &(struct iovec){ v->body, strlen(v->body) }, 1), 0);
	v->headers[v->header_count++] = (struct sign_pair){ "X-Amz-Date", "20150830T123600Z" };
	if (context_text(v, "token"))
		v->headers[v->header_count++] = (struct sign_pair){ "X-Amz-Security-Token", context_text(v, "token") };
	if (cJSON_IsTrue(cJSON_GetObjectItem(v->context, "sign_body")))
		v->headers[v->header_count++] = (struct sign_pair){ "X-Amz-Content-Sha256", v->payload };
}

static void check_vector(const char *name)
{
	struct vector v;
	struct buf canonical, names, string;
	char scope[128], hex[SIGN_HEX];
	uint8_t key[32];

	load(&v, name);
	buf_init(&canonical, 65536);
	buf_init(&names, 65536);
	buf_init(&string, 65536);

	struct sign_request request = { v.method, v.path, v.query, v.query_count, v.headers, v.header_count, v.payload };

	assert_int_equal(sign_canonical(&canonical, &names, &request), 0);
	assert_string_equal(buf_text(&canonical), v.canonical);
	snprintf(scope, sizeof(scope), "20150830/%s/%s/aws4_request", context_text(&v, "region"), context_text(&v, "service"));
	assert_int_equal(sign_string(&string, "20150830T123600Z", scope, &canonical), 0);
	assert_string_equal(buf_text(&string), v.string);
	assert_int_equal(sign_key(key, context_text(&v, "secret_access_key"), "20150830", context_text(&v, "region"),
				  context_text(&v, "service")), 0);
	assert_int_equal(sign_hex(hex, key, &string), 0);
	assert_string_equal(hex, v.signature);
	buf_free(&canonical);
	buf_free(&names);
	buf_free(&string);
	cJSON_Delete(v.context);
}

static void public_test_suite(void **state)
{
	DIR *folder = opendir(VECTORS);
	int cases = 0;

	assert_non_null(folder);
	for (struct dirent *entry; (entry = readdir(folder));)
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
			check_vector(entry->d_name);
			cases++;
		}
	closedir(folder);
	assert_int_equal(cases, 21);
}

/* ---- the examples of the S3 documentation ("Signature Calculations for the Authorization Header") */

#define EXAMPLE_TIME 1369353600 /* 2013-05-24 00:00:00 UTC */

static struct signer *example_signer(const char *token)
{
	struct signer *s;

	assert_int_equal(signer_new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", token, "us-east-1", &s), 0);
	return s;
}

/* The line of that name among those that were made, or NULL. */
static const char *line_of(const struct buf *lines, const char *name)
{
	for (const char *at = (const char *)lines->data, *end = at + lines->len; at < end; at += strlen(at) + 1)
		if (strncasecmp(at, name, strlen(name)) == 0 && at[strlen(name)] == ':')
			return at + strlen(name) + 2;
	return NULL;
}

static void expect_signature(struct signer *s, const struct sign_request *request, const char *signature)
{
	struct buf lines;
	const char *authorization;

	buf_init_secret(&lines, 65536);
	assert_int_equal(signer_headers(s, request, EXAMPLE_TIME, &lines), 0);
	authorization = line_of(&lines, "Authorization");
	assert_non_null(authorization);
	assert_string_equal(strstr(authorization, "Signature=") + 10, signature);
	buf_free(&lines);
}

static void documented_examples(void **state)
{
	const struct sign_pair get[] = { { "Host", "examplebucket.s3.amazonaws.com" }, { "Range", "bytes=0-9" } };
	const struct sign_pair put[] = { { "Host", "examplebucket.s3.amazonaws.com" }, { "Date", "Fri, 24 May 2013 00:00:00 GMT" },
					 { "x-amz-storage-class", "REDUCED_REDUNDANCY" } };
	const struct sign_pair list[] = { { "max-keys", "2" }, { "prefix", "J" } };
	const struct sign_pair lifecycle[] = { { "lifecycle", "" } };
	struct signer *s = example_signer(NULL);
	char body[SIGN_HEX];

	expect_signature(s, &(struct sign_request){ "GET", "/test.txt", NULL, 0, get, 2, SIGN_EMPTY },
			 "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
	assert_int_equal(sign_payload(body, &(struct iovec){ (char[]){ "Welcome to Amazon S3." }, 21 }, 1), 0);
	expect_signature(s, &(struct sign_request){ "PUT", "/test$file.text", NULL, 0, put, 3, body },
			 "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
	expect_signature(s, &(struct sign_request){ "GET", "/", lifecycle, 1, get, 1, SIGN_EMPTY },
			 "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
	expect_signature(s, &(struct sign_request){ "GET", "/", list, 2, get, 1, SIGN_EMPTY },
			 "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
	signer_free(s);
}

/* ---- encoding */

static void expect_encoded(const char *text, bool keep_slash, const char *expected)
{
	struct buf out;

	buf_init(&out, 4096);
	assert_int_equal(sign_encode(&out, text, keep_slash), 0);
	assert_string_equal(buf_text(&out), expected);
	buf_free(&out);
}

static void encoding(void **state)
{
	expect_encoded("a/b", true, "a/b");
	expect_encoded("a/b", false, "a%2Fb");
	expect_encoded("AZaz09-._~", true, "AZaz09-._~");
	expect_encoded(" +&=?#%", true, "%20%2B%26%3D%3F%23%25");
	expect_encoded("\x01\x7f\xc3\xa9", true, "%01%7F%C3%A9");
	expect_encoded("a%20b", true, "a%2520b"); /* a key with a percent sign, and not one that is encoded already */
	expect_encoded("", true, "");
}

static void queries_are_sorted_as_encoded(void **state)
{
	const struct sign_pair query[] = { { "b", "" }, { "\xe1", "1" }, { "a-b", "2" }, { "a", "x y" }, { "B", "3" } };
	struct buf out;

	buf_init(&out, 4096);
	assert_int_equal(sign_query(&out, query, 5), 0);
	assert_string_equal(buf_text(&out), "%E1=1&B=3&a=x%20y&a-b=2&b=");
	buf_free(&out);
}

/* ---- the signer */

static const struct sign_pair host[] = { { "Host", "h" } };
static const struct sign_request simple = { "GET", "/k", NULL, 0, host, 1, SIGN_EMPTY };

static void token_is_sent_and_signed(void **state)
{
	struct signer *s = example_signer("TOKEN/+=");
	struct buf lines;

	buf_init_secret(&lines, 65536);
	assert_int_equal(signer_headers(s, &simple, EXAMPLE_TIME, &lines), 0);
	assert_string_equal(line_of(&lines, "x-amz-security-token"), "TOKEN/+=");
	assert_non_null(strstr(line_of(&lines, "Authorization"), "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"));
	assert_string_equal(line_of(&lines, "x-amz-date"), "20130524T000000Z");
	buf_free(&lines);
	signer_free(s);
}

/* The Authorization line at a time, copied into out. */
static void authorization_at(struct signer *s, int64_t now, char out[512])
{
	struct buf lines;

	buf_init_secret(&lines, 65536);
	assert_int_equal(signer_headers(s, &simple, now, &lines), 0);
	snprintf(out, 512, "%s", line_of(&lines, "Authorization"));
	buf_free(&lines);
}

static void the_kept_key_goes_with_day_region_and_identity(void **state)
{
	struct signer *s = example_signer(NULL);
	char first[512], other[512], again[512];

	authorization_at(s, EXAMPLE_TIME, first);
	authorization_at(s, EXAMPLE_TIME + 86400, other);
	assert_string_not_equal(first, other);
	assert_non_null(strstr(other, "/20130525/"));
	authorization_at(s, EXAMPLE_TIME, again);
	assert_string_equal(first, again);
	assert_int_equal(signer_set_region(s, "eu-west-1"), 0);
	authorization_at(s, EXAMPLE_TIME, other);
	assert_non_null(strstr(other, "/20130524/eu-west-1/s3/aws4_request"));
	assert_int_equal(signer_set_region(s, "us-east-1"), 0);
	authorization_at(s, EXAMPLE_TIME, again);
	assert_string_equal(first, again);
	assert_int_equal(signer_set_credentials(s, "AKIAIOSFODNN7EXAMPLE", "another", NULL), 0);
	authorization_at(s, EXAMPLE_TIME, other);
	assert_string_not_equal(first, other);
	signer_free(s);
}

static void credentials_leave_no_token_behind(void **state)
{
	struct signer *s = example_signer("OLD");
	struct buf lines;

	assert_int_equal(signer_set_credentials(s, "NEWKEY", "secret", ""), 0);
	buf_init_secret(&lines, 65536);
	assert_int_equal(signer_headers(s, &simple, EXAMPLE_TIME, &lines), 0);
	assert_null(line_of(&lines, "x-amz-security-token"));
	assert_non_null(strstr(line_of(&lines, "Authorization"), "Credential=NEWKEY/"));
	buf_free(&lines);
	signer_free(s);
}

static void what_cannot_be_signed(void **state)
{
	const struct sign_pair split[] = { { "Host", "h" }, { "x-amz-meta-a", "b\r\nx-amz-acl: public-read" } };
	struct sign_pair many[40];
	struct signer *s;
	struct buf lines;

	assert_int_equal(signer_new("", "secret", NULL, "r", &s), EINVAL);
	assert_null(s);
	assert_int_equal(signer_new("key", NULL, NULL, "r", &s), EINVAL);
	assert_int_equal(signer_new("key", "line\nbreak", NULL, "r", &s), EINVAL);
	assert_int_equal(signer_new("key", "secret", "line\nbreak", "r", &s), EINVAL);
	assert_int_equal(signer_new("key", "secret", NULL, "", &s), EINVAL);
	assert_int_equal(signer_new("key", "secret", NULL, "a/b", &s), EINVAL);
	s = example_signer(NULL);
	assert_int_equal(signer_set_region(s, "a b"), EINVAL);
	buf_init_secret(&lines, 65536);
	assert_int_equal(signer_headers(s, &(struct sign_request){ "GET", "/", NULL, 0, split, 2, SIGN_EMPTY }, 0, &lines), EINVAL);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = host[0];
	assert_int_equal(signer_headers(s, &(struct sign_request){ "GET", "/", NULL, 0, many, 40, SIGN_EMPTY }, 0, &lines), EINVAL);
	assert_int_equal(signer_headers(s, &(struct sign_request){ "GET", "/", many, 40, host, 1, SIGN_EMPTY }, 0, &lines), EINVAL);
	buf_free(&lines);
	signer_free(s);
	signer_free(NULL);
}

static void base64(void **state)
{
	char out[25];

	sign_base64(out, (const uint8_t *)"\0\0\0\0", 4);
	assert_string_equal(out, "AAAAAA==");
	sign_base64(out, (const uint8_t *)"\xe3\x06\x92\x83", 4);
	assert_string_equal(out, "4waSgw==");
	sign_base64(out, (const uint8_t *)"0123456789abcdef", 16);
	assert_string_equal(out, "MDEyMzQ1Njc4OWFiY2RlZg==");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(public_test_suite),
		cmocka_unit_test(documented_examples),
		cmocka_unit_test(encoding),
		cmocka_unit_test(queries_are_sorted_as_encoded),
		cmocka_unit_test(token_is_sent_and_signed),
		cmocka_unit_test(the_kept_key_goes_with_day_region_and_identity),
		cmocka_unit_test(credentials_leave_no_token_behind),
		cmocka_unit_test(what_cannot_be_signed),
		cmocka_unit_test(base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

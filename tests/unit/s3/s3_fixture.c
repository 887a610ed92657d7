/* SPDX-License-Identifier: Apache-2.0 */
#include "s3_fixture.h"

#include "base/clock.h"

struct fault_server *server;
struct store *s;
struct store_call call;
struct store_meta meta;
char got_bytes[64];
size_t got;

static char made[8][4096];
static size_t made_count;

const char *answer_with(const char *status, const char *headers, const char *body)
{
	char *out = made[made_count++ % ARRAY_LEN(made)];

	snprintf(out, sizeof(made[0]), "HTTP/1.1 %s\r\nx-amz-request-id: R1\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(body), body);
	return out;
}

/* "Date: ..." that many seconds from now. */
const char *date_header(int64_t offset)
{
	static char out[64];
	time_t when = (time_t)(clock_wall_s() + offset);
	struct tm tm;

	strftime(out, sizeof(out), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime_r(&when, &tm));
	return out;
}

void start_with(const struct fault_answer *answers, size_t count, struct s3_config config)
{
	server = fault_start(answers, count, NULL);
	config.endpoint = fault_endpoint(server);
	config.bucket = "bucket";
	config.path_style = true;
	config.access_key = "key";
	config.secret_key = "secret";
	config.data_stall_ms = 250;
	config.meta_ms = 350;
	assert_int_equal(s3_store_new(&config, &s), 0);
	call = (struct store_call){ 0 };
	meta = (struct store_meta){ 0 };
}

void start(const struct fault_answer *answers, size_t count)
{
	start_with(answers, count, (struct s3_config){ 0 });
}

void start_one(enum fault_manner manner, const char *reply)
{
	static struct fault_answer one;

	one = (struct fault_answer){ manner, reply, 0 };
	start(&one, 1);
}

void stop(void)
{
	store_free(s);
	fault_stop(server);
}

int put_if(const struct store_cond *cond)
{
	struct iovec iov = { (char[]){ "123456789" }, 9 };

	return s->ops->put(s, "a b", &iov, 1, COMMIT, cond, &meta, &call);
}

int put(void)
{
	return put_if(NULL);
}

int get_range(int64_t offset, uint64_t length, const char *if_match)
{
	struct iovec iov = { got_bytes, 10 };

	return s->ops->get(s, "k", (struct store_range){ offset, length }, if_match, &iov, 1, &got, &meta, &call);
}

int head(void)
{
	return s->ops->head(s, "k", &meta, &call);
}

int list(const char *token)
{
	struct store_page page;
	int rc = s->ops->list(s, "p/", '/', token, 7, &page, &call);

	store_page_free(&page);
	return rc;
}

int complete(const struct store_cond *cond)
{
	const struct store_part parts[] = { { .number = 1, .size = 5, .etag = "p1" }, { .number = 3, .size = 6, .etag = "p3" } };

	return s->ops->complete(s, "k", "up", parts, 2, cond, &meta, &call);
}

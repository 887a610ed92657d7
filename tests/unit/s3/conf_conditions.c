/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

#include "base/clock.h"

#define WRITERS 8
#define COUNTERS 4
#define INCREMENTS 15

static const struct store_cond absent = { .if_none_match = true };

static struct store_cond exactly(const char *etag)
{
	struct store_cond cond = { 0 };

	assert_int_equal(copy_text(cond.if_match, sizeof(cond.if_match), etag), 0);
	return cond;
}

/* A store that does not claim to honour conditions is not asked to: the vault looks with head instead. */
static bool honoured(struct bench *b)
{
	if (!b->s->conditional)
		differs("conditions are not honoured, and the store says so");
	return b->s->conditional;
}

static void put_if_none_match(void **state)
{
	struct bench *b = *state;
	struct store_call call = { 0 };
	struct iovec iov = { (char[]){ "two" }, 3 };
	const char *k = key(b, "object");

	if (!honoured(b))
		return;
	assert_int_equal(put_bytes(b, k, "one", 3, &absent, NULL), 0);
	assert_int_equal(b->s->ops->put(b->s, k, &iov, 1, NULL, &absent, NULL, &call), ESTALE);
	assert_int_equal(call.err.code, ESTALE);
	assert_false(call.err.ambiguous);
	expect_text(b, k, "one");
	assert_int_equal(remove_key(b, k), 0);
	assert_int_equal(put_bytes(b, k, "two", 3, &absent, NULL), 0);
	expect_text(b, k, "two");
}

static void put_if_match(void **state)
{
	struct bench *b = *state;
	struct store_meta one, two;
	struct store_cond cond;
	const char *k = key(b, "object");

	if (!honoured(b))
		return;
	assert_int_equal(put_bytes(b, k, "one", 3, NULL, &one), 0);
	cond = exactly(one.etag);
	assert_int_equal(put_bytes(b, k, "two", 3, &cond, &two), 0);
	assert_int_equal(put_bytes(b, k, "three", 5, &cond, NULL), ESTALE);
	expect_text(b, k, "two");
	cond = exactly(two.etag);
	assert_int_equal(put_bytes(b, key(b, "nothing there"), "x", 1, &cond, NULL), ESTALE);
	expect_absent(b, key(b, "nothing there"));
	assert_int_equal(remove_key(b, k), 0);
	assert_int_equal(put_bytes(b, k, "x", 1, &cond, NULL), ESTALE);
	expect_absent(b, k);
}

static void conditions_on_folder_markers(void **state)
{
	struct bench *b = *state;
	const char *k = key(b, "folder/");

	if (!honoured(b))
		return;
	put_text(b, key(b, "folder/child"), "x");
	assert_int_equal(put_bytes(b, k, "one", strlen(text_at(b, k, "one")), &absent, NULL), 0);
	assert_int_equal(put_bytes(b, k, "two", strlen(text_at(b, k, "two")), &absent, NULL), ESTALE);
	expect_text(b, k, "one");
}

static void both_conditions_are_refused(void **state)
{
	struct bench *b = *state;
	struct store_cond both = exactly("x");

	both.if_none_match = true;
	if (b->local)
		assert_int_equal(put_bytes(b, key(b, "object"), "x", 1, &both, NULL), EINVAL);
}

static void copy_conditions(void **state)
{
	struct bench *b = *state;
	struct store_meta one;
	const char *src = key(b, "src"), *dst = key(b, "dst");
	struct store_cond cond;
	int rc;

	if (!honoured(b))
		return;
	put_text(b, src, "new");
	assert_int_equal(put_bytes(b, dst, "old", 3, NULL, &one), 0);
	rc = b->s->ops->copy(b->s, src, NULL, dst, NULL, &absent, NULL, NULL);
	expect_text(b, dst, "old");
	if (rc == EOPNOTSUPP) {
		differs("copies cannot be conditional on their destination: EOPNOTSUPP and nothing done");
		return;
	}
	assert_int_equal(rc, ESTALE);
	cond = exactly(one.etag);
	assert_int_equal(b->s->ops->copy(b->s, src, NULL, key(b, "free"), NULL, &absent, NULL, NULL), 0);
	assert_int_equal(b->s->ops->copy(b->s, src, NULL, key(b, "none"), NULL, &cond, NULL, NULL), ESTALE);
	assert_int_equal(b->s->ops->copy(b->s, src, NULL, dst, NULL, &cond, NULL, NULL), 0);
	expect_text(b, dst, "new");
	assert_int_equal(b->s->ops->copy(b->s, src, NULL, dst, NULL, &cond, NULL, NULL), ESTALE);
}

static void send_one_part(struct bench *b, const char *k, const char *text, char id[STORE_UPLOAD_MAX], struct store_part *part)
{
	char bytes[64];
	struct iovec iov = { bytes, strlen(text) };

	memcpy(bytes, text, strlen(text));
	*part = (struct store_part){ .number = 1 };
	assert_int_equal(b->s->ops->begin(b->s, k, NULL, id, NULL), 0);
	assert_int_equal(b->s->ops->part(b->s, k, id, &iov, 1, part, NULL), 0);
}

static void complete_conditions(void **state)
{
	struct bench *b = *state;
	struct store_meta one;
	struct store_part part;
	struct store_cond cond;
	char id[STORE_UPLOAD_MAX];
	const char *k = key(b, "object");

	if (!honoured(b))
		return;
	send_one_part(b, k, "one", id, &part);
	assert_int_equal(b->s->ops->complete(b->s, k, id, &part, 1, &absent, &one, NULL), 0);
	expect_text(b, k, "one");
	send_one_part(b, k, "two", id, &part);
	assert_int_equal(b->s->ops->complete(b->s, k, id, &part, 1, &absent, NULL, NULL), ESTALE);
	expect_text(b, k, "one");
	cond = exactly(one.etag);
	assert_int_equal(b->s->ops->complete(b->s, k, id, &part, 1, &cond, NULL, NULL), 0); /* the upload outlived the refusal */
	expect_text(b, k, "two");
	send_one_part(b, k, "three", id, &part);
	assert_int_equal(b->s->ops->complete(b->s, k, id, &part, 1, &cond, NULL, NULL), ESTALE);
	ASSERT_ANY(b->s->ops->abort(b->s, k, id, NULL), 0, ENODATA);
	expect_text(b, k, "two");
	send_one_part(b, key(b, "nothing there"), "x", id, &part);
	assert_int_equal(b->s->ops->complete(b->s, key(b, "nothing there"), id, &part, 1, &cond, NULL, NULL), ESTALE);
	ASSERT_ANY(b->s->ops->abort(b->s, key(b, "nothing there"), id, NULL), 0, ENODATA);
	expect_absent(b, key(b, "nothing there"));
}

struct contender {
	struct store *s;
	const char *key;
	unsigned number;
	int rc;
	unsigned done, refused;
	bool gateway; /* to a file system */
	struct store_call call;
};

/* One attempt, said again where the server only asks to: its 409 in a race means that nothing was decided. */
static int contend(struct contender *c, const void *data, size_t n, const struct store_cond *cond)
{
	union {
		const void *in;
		void *out;
	} bytes = { .in = data };
	int rc, tries = 0;

	do {
		rc = c->s->ops->put(c->s, c->key, &(struct iovec){ bytes.out, n }, 1, NULL, cond, NULL, NULL);
		if (rc == EAGAIN)
			clock_sleep_ms(20);
	} while (rc == EAGAIN && ++tries < 100);
	return rc;
}

static void *create_once(void *arg)
{
	struct contender *c = arg;
	char text = (char)('A' + c->number);

	c->rc = contend(c, &text, 1, &absent);
	return NULL;
}

static void one_creator_wins(void **state)
{
	struct bench *b = *state;
	const char *k = key(b, "lock");
	struct contender c[WRITERS];
	char winner[2] = { 0 };

	if (!honoured(b))
		return;
	for (int round = 0; round < 5; round++) {
		unsigned wins = 0;

		for (unsigned i = 0; i < WRITERS; i++)
			c[i] = (struct contender){ .s = b->s, .key = k, .number = i };
		in_threads(WRITERS, create_once, c, sizeof(*c));
		for (unsigned i = 0; i < WRITERS; i++) {
			ASSERT_ANY(c[i].rc, 0, ESTALE);
			wins += c[i].rc == 0;
			if (c[i].rc == 0)
				winner[0] = (char)('A' + i);
		}
		assert_int_equal(wins, 1);
		expect_text(b, k, winner);
		assert_int_equal(remove_key(b, k), 0);
	}
}

static void *increment(void *arg)
{
	struct contender *c = arg;

	for (c->done = 0; c->done < INCREMENTS;) {
		char text[32] = { 0 };
		struct store_meta meta;
		struct store_cond cond = { 0 };
		size_t n;

		c->rc = c->s->ops->get(c->s, c->key, (struct store_range){ 0, 0 }, NULL, &(struct iovec){ text, sizeof(text) - 1 }, 1, &n, &meta,
				       NULL);
		if (c->rc)
			return NULL;
		memcpy(cond.if_match, meta.etag, sizeof(cond.if_match));
		snprintf(text, sizeof(text), "%ld", strtol(text, NULL, 10) + 1);
		c->rc = contend(c, text, strlen(text), &cond);
		if (c->rc == 0)
			c->done++;
		else if (c->rc != ESTALE)
			return NULL;
	}
	return NULL;
}

static long counter(struct bench *b)
{
	char text[32] = { 0 };

	get_all(b, key(b, "counter"), text, sizeof(text) - 1);
	return strtol(text, NULL, 10);
}

/* Compare and swap: no increment is lost. */
static void a_counter_counts(void **state)
{
	struct bench *b = *state;
	struct contender c[COUNTERS];
	char expected[16];

	if (!honoured(b))
		return;
	put_text(b, key(b, "counter"), "0");
	for (unsigned i = 0; i < COUNTERS; i++)
		c[i] = (struct contender){ .s = b->s, .key = key(b, "counter"), .number = i };
	in_threads(COUNTERS, increment, c, sizeof(*c));
	for (unsigned i = 0; i < COUNTERS; i++)
		assert_int_equal(c[i].done, INCREMENTS);
	snprintf(expected, sizeof(expected), "%d", COUNTERS * INCREMENTS);
	if (b->real_folders && !b->local && counter(b) < COUNTERS * INCREMENTS)
		differs("STORE-3 does not hold: a gateway to a file system looks and then writes; increments were lost (versitygw)");
	else
		expect_text(b, key(b, "counter"), expected);
}

#define OLD_BYTES 60000
#define NEW_BYTES 70001

struct replacing {
	struct bench *b;
	const char *key;
	bool writes;
	atomic_bool *stop;
	const char *wrong;
};

static void write_over_and_over(struct replacing *r)
{
	AUTO_FREE uint8_t *data = malloc(NEW_BYTES);

	for (int i = 0; i < 40 && data; i++) {
		bool fresh = i % 2;

		memset(data, fresh ? 'n' : 'o', NEW_BYTES);
		if (r->b->s->ops->put(r->b->s, r->key, &(struct iovec){ data, fresh ? NEW_BYTES : OLD_BYTES }, 1, NULL, NULL, NULL, NULL))
			r->wrong = "a put failed";
	}
	atomic_store(r->stop, true);
}

static void read_over_and_over(struct replacing *r)
{
	AUTO_FREE uint8_t *data = malloc(NEW_BYTES);

	while (data && !atomic_load(r->stop)) {
		struct store_meta meta;
		size_t n;

		if (r->b->s->ops->get(r->b->s, r->key, (struct store_range){ 0, 0 }, NULL, &(struct iovec){ data, NEW_BYTES }, 1, &n, &meta, NULL)) {
			r->wrong = "a get failed";
			return;
		}
		if (n != (data[0] == 'n' ? NEW_BYTES : OLD_BYTES) || meta.size != n || memcmp(data, data + 1, n - 1) != 0) {
			r->wrong = "an object was read that nobody wrote";
			return;
		}
	}
}

static void *replace_or_read(void *arg)
{
	struct replacing *r = arg;

	if (r->writes)
		write_over_and_over(r);
	else
		read_over_and_over(r);
	return NULL;
}

/* STORE-1: never a mix of old and new, never nothing. */
static void readers_see_whole_objects(void **state)
{
	struct bench *b = *state;
	atomic_bool stop = false;
	struct replacing r[3];
	AUTO_FREE uint8_t *data = malloc(OLD_BYTES);

	assert_non_null(data);
	memset(data, 'o', OLD_BYTES);
	assert_int_equal(put_bytes(b, key(b, "object"), data, OLD_BYTES, NULL, NULL), 0);
	for (unsigned i = 0; i < ARRAY_LEN(r); i++)
		r[i] = (struct replacing){ .b = b, .key = key(b, "object"), .writes = i == 0, .stop = &stop };
	in_threads(ARRAY_LEN(r), replace_or_read, r, sizeof(*r));
	for (unsigned i = 0; i < ARRAY_LEN(r); i++)
		if (r[i].wrong)
			fail_msg("%s", r[i].wrong);
}

/* What servers answer, now and then, to a put beside the removal of its folder's last object: MinIO as if it were forbidden (the retry
 * layer knows that), versitygw as if a folder stood there, or that it has failed. Without remedy below, the put is said again here. */
static bool beside_a_removal(const struct contender *c)
{
	int status = c->rc ? c->call.err.http_status : 0;

	return status == 403 || status == 409 || (status == 500 && c->gateway);
}

static void put_itself(struct contender *c, char *k)
{
	int tries = 0;

	do
		c->rc = c->s->ops->put(c->s, k, &(struct iovec){ k, strlen(k) }, 1, NULL, NULL, NULL, &c->call);
	while (beside_a_removal(c) && ++tries < 20);
	c->refused += (unsigned)tries;
}

static void *churn(void *arg)
{
	struct contender *c = arg;
	char k[128];
	const char *one = k;
	int result;

	snprintf(k, sizeof(k), "%sdeep/er/folder/%u", c->key, c->number);
	for (c->done = 0; c->done < 30; c->done++) {
		put_itself(c, k);
		if (!c->rc)
			c->rc = c->s->ops->remove(c->s, &one, 1, &result, &c->call);
		if (c->rc)
			return NULL;
	}
	put_itself(c, k);
	return NULL;
}

/* Objects come and go in one folder from many threads: none is lost, and none fails because its folder has just gone. */
static void folders_that_come_and_go(void **state)
{
	struct bench *b = *state;
	struct contender c[COUNTERS];
	struct store_page page;
	unsigned refused = 0;

	for (unsigned i = 0; i < COUNTERS; i++)
		c[i] = (struct contender){ .s = b->s, .key = b->prefix, .number = i, .gateway = b->real_folders && !b->local };
	in_threads(COUNTERS, churn, c, sizeof(*c));
	for (unsigned i = 0; i < COUNTERS; i++) {
		expect_success(c[i].rc, &c[i].call);
		refused += c[i].refused;
	}
	if (refused)
		differs("puts beside the removal of their folder's last object are refused with 403, 409 or 500, and good when said again");
	list_all(b, b->prefix, 0, 0, &page);
	assert_int_equal(page.count, COUNTERS);
	store_page_free(&page);
}

const struct CMUnitTest conf_condition_tests[] = {
	CONF_TEST(put_if_none_match),
	CONF_TEST(put_if_match),
	CONF_TEST(conditions_on_folder_markers),
	CONF_TEST(both_conditions_are_refused),
	CONF_TEST(copy_conditions),
	CONF_TEST(complete_conditions),
	CONF_TEST(one_creator_wins),
	CONF_TEST(a_counter_counts),
	CONF_TEST(readers_see_whole_objects),
	CONF_TEST(folders_that_come_and_go),
};
const size_t conf_condition_count = ARRAY_LEN(conf_condition_tests);

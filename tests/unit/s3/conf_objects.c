/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

#include "base/clock.h"

#define COMMIT_A "00112233445566778899aabbccddeeff"
#define COMMIT_B "ffeeddccbbaa99887766554433221100"

static struct iovec iov_of(void *data, size_t n)
{
	return (struct iovec){ data, n };
}

static void put_then_head_and_get_agree(void **state)
{
	struct bench *b = *state;
	struct store_call call = { 0 };
	struct store_meta put = { 0 }, head = { 0 }, got = { 0 };
	struct iovec iov = iov_of((char[]){ "content" }, 7);
	char out[16];
	size_t n;
	const char *k = key(b, "object");

	assert_int_equal(b->s->ops->put(b->s, k, &iov, 1, COMMIT_A, NULL, &put, &call), 0);
	assert_int_equal(call.err.code, 0);
	assert_int_equal(b->s->ops->head(b->s, k, &head, &call), 0);
	assert_true(call.server_date > clock_wall_s() - 86400 && call.server_date < clock_wall_s() + 86400);
	iov = iov_of(out, sizeof(out));
	assert_int_equal(b->s->ops->get(b->s, k, (struct store_range){ 0, 0 }, NULL, &iov, 1, &n, &got, &call), 0);
	assert_int_equal(n, 7);
	assert_memory_equal(out, "content", 7);
	assert_int_equal(put.size, 7);
	assert_int_equal(head.size, 7);
	assert_int_equal(got.size, 7);
	assert_true(put.etag[0] && put.etag[0] != '"');
	assert_string_equal(put.etag, head.etag);
	assert_string_equal(put.etag, got.etag);
	assert_true(head.modified > clock_wall_s() - 86400 && head.modified < clock_wall_s() + 86400);
	assert_int_equal(head.modified, got.modified);
	assert_string_equal(head.commit, got.commit);
	if (strcmp(head.commit, COMMIT_A) != 0) {
		assert_string_equal(head.commit, "");
		assert_false(strcmp(b->kind, "mem") == 0 || strcmp(b->kind, "s3") == 0);
		differs("commit ids are not kept: the file system has no user xattrs");
	}
}

static void optional_arguments_may_be_null(void **state)
{
	struct bench *b = *state;
	struct iovec iov = iov_of((char[]){ "x" }, 1);
	char id[STORE_UPLOAD_MAX];
	size_t n;
	const char *k = key(b, "object");

	assert_int_equal(b->s->ops->put(b->s, k, &iov, 1, NULL, NULL, NULL, NULL), 0);
	assert_int_equal(b->s->ops->get(b->s, k, (struct store_range){ 0, 1 }, NULL, &iov, 1, &n, NULL, NULL), 0);
	assert_int_equal(b->s->ops->copy(b->s, k, NULL, key(b, "copy"), NULL, NULL, NULL, NULL), 0);
	assert_int_equal(b->s->ops->begin(b->s, key(b, "upload"), NULL, id, NULL), 0);

	struct store_part part = { .number = 1 };

	assert_int_equal(b->s->ops->part(b->s, key(b, "upload"), id, &iov, 1, &part, NULL), 0);
	assert_int_equal(b->s->ops->complete(b->s, key(b, "upload"), id, &part, 1, NULL, NULL, NULL), 0);
	expect_text(b, key(b, "upload"), "x");
}

static void empty_object(void **state)
{
	struct bench *b = *state;
	struct store_meta meta;
	struct iovec iov = iov_of((char[8]){ 0 }, 8);
	size_t n = 99;
	const char *k = key(b, "empty");

	assert_int_equal(b->s->ops->put(b->s, k, NULL, 0, NULL, NULL, &meta, NULL), 0);
	assert_int_equal(meta.size, 0);
	assert_int_equal(b->s->ops->get(b->s, k, (struct store_range){ 0, 0 }, NULL, &iov, 1, &n, &meta, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(meta.size, 0);
	n = 99;
	assert_int_equal(b->s->ops->get(b->s, k, (struct store_range){ 0, 4 }, NULL, &iov, 1, &n, NULL, NULL), 0);
	assert_int_equal(n, 0);
	n = 99;
	assert_int_equal(b->s->ops->get(b->s, k, (struct store_range){ -4, 0 }, NULL, &iov, 1, &n, NULL, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(b->s->ops->get(b->s, k, (struct store_range){ 1, 0 }, NULL, &iov, 1, &n, NULL, NULL), EINVAL);
}

static void ranges(void **state)
{
	static const struct {
		int64_t offset;
		uint64_t length;
		int rc;
		const char *text;
	} cases[] = {
		{ 0, 4, 0, "0123" }, { 3, 3, 0, "345" }, { 9, 1, 0, "9" }, { 9, 7, 0, "9" }, { 0, 10, 0, "0123456789" },
		{ 0, 0, 0, "0123456789" }, { 3, 0, 0, "3456789" }, { -3, 0, 0, "789" }, { -10, 0, 0, "0123456789" },
		{ -12, 0, 0, "0123456789" }, { 10, 1, EINVAL, "" }, { 10, 0, EINVAL, "" }, { 1000000, 1, EINVAL, "" },
	};
	struct bench *b = *state;
	const char *k = key(b, "ten");

	put_text(b, k, "0123456789");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char out[12] = { 0 };
		struct iovec iov[] = { { out, 2 }, { out + 2, 0 }, { out + 2, 10 } };
		struct store_meta meta = { 0 };
		size_t n = 99;
		int rc = b->s->ops->get(b->s, k, (struct store_range){ cases[i].offset, cases[i].length }, NULL, iov, 3, &n, &meta, NULL);

		assert_int_equal(rc, cases[i].rc);
		if (rc)
			continue;
		assert_int_equal(n, strlen(cases[i].text));
		assert_string_equal(out, cases[i].text);
		assert_int_equal(meta.size, 10); /* of the whole object, not of the range */
	}
}

static void more_than_the_room_is_an_error(void **state)
{
	struct bench *b = *state;
	char out[16];
	size_t n;
	const char *k = key(b, "ten");

	put_text(b, k, "0123456789");
	memset(out, 'x', sizeof(out));
	assert_int_equal(b->s->ops->get(b->s, k, (struct store_range){ 0, 0 }, NULL, &(struct iovec){ out, 5 }, 1, &n, NULL, NULL), EBADMSG);
	assert_memory_equal(out + 5, "xxxxxxxxxxx", 11);
}

static void get_if_match(void **state)
{
	struct bench *b = *state;
	struct store_meta first, second;
	struct iovec iov = iov_of((char[8]){ 0 }, 8);
	size_t n;
	const char *k = key(b, "object");
	struct store_range whole = { 0, 0 };

	assert_int_equal(put_bytes(b, k, "one", 3, NULL, &first), 0);
	assert_int_equal(b->s->ops->get(b->s, k, whole, first.etag, &iov, 1, &n, NULL, NULL), 0);
	assert_int_equal(put_bytes(b, k, "two", 3, NULL, &second), 0);
	assert_string_not_equal(first.etag, second.etag);
	assert_int_equal(b->s->ops->get(b->s, k, whole, first.etag, &iov, 1, &n, NULL, NULL), ESTALE);
	assert_int_equal(b->s->ops->get(b->s, k, whole, second.etag, &iov, 1, &n, NULL, NULL), 0);
	assert_int_equal(b->s->ops->get(b->s, key(b, "absent"), whole, second.etag, &iov, 1, &n, NULL, NULL), ENOENT);
}

static void absent_object(void **state)
{
	struct bench *b = *state;
	struct store_call call = { 0 };
	struct store_meta meta;
	struct iovec iov = iov_of((char[8]){ 0 }, 8);
	size_t n;
	const char *k = key(b, "absent");

	assert_int_equal(b->s->ops->head(b->s, k, &meta, &call), ENOENT);
	assert_int_equal(call.err.code, ENOENT);
	assert_string_equal(call.err.key, k);
	assert_int_equal(b->s->ops->get(b->s, k, (struct store_range){ 0, 0 }, NULL, &iov, 1, &n, NULL, &call), ENOENT);
	assert_int_equal(b->s->ops->copy(b->s, k, NULL, key(b, "copy"), NULL, NULL, NULL, &call), ENOENT);
	expect_absent(b, key(b, "copy"));
	put_text(b, key(b, "there"), "x");
	assert_int_equal(b->s->ops->head(b->s, key(b, "there"), &meta, &call), 0);
	assert_int_equal(call.err.code, 0); /* an error does not outlive its call */
	expect_absent(b, key(b, "ther"));
	expect_absent(b, key(b, "there2"));
}

static void overwriting(void **state)
{
	static const char *const texts[] = { "a", "b", "", "a longer one", "a" };
	struct bench *b = *state;
	struct store_meta metas[ARRAY_LEN(texts)];
	const char *k = key(b, "object");

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(put_bytes(b, k, texts[i], strlen(texts[i]), NULL, &metas[i]), 0);
		expect_text(b, k, texts[i]);
		if (i)
			assert_string_not_equal(metas[i].etag, metas[i - 1].etag); /* STORE-5 */
	}
}

/* STORE-5 at speed: a store that makes ETags out of inode numbers and times must not give one twice. */
static void etags_differ_in_quick_succession(void **state)
{
	struct bench *b = *state;
	char seen[60][STORE_ETAG_MAX];
	const char *k = key(b, "object");

	for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
		char text[8];
		struct store_meta meta;

		snprintf(text, sizeof(text), "%04zu", i);
		assert_int_equal(put_bytes(b, k, text, 4, NULL, &meta), 0);
		memcpy(seen[i], meta.etag, STORE_ETAG_MAX);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(seen[i], seen[j]);
	}
}

static void all_bytes_and_many_buffers(void **state)
{
	enum { SIZE = 1024 * 1024 + 17, PIECE = 16411 };
	struct bench *b = *state;
	AUTO_FREE uint8_t *data = malloc(SIZE), *out = malloc(SIZE);
	struct iovec iov[SIZE / PIECE + 1];
	int pieces = 0;
	const char *k = key(b, "large");

	assert_true(data && out);
	fill_pattern(data, SIZE, 1);
	for (size_t at = 0; at < SIZE; at += PIECE)
		iov[pieces++] = iov_of(data + at, min_size(PIECE, SIZE - at));
	assert_int_equal(b->s->ops->put(b->s, k, iov, pieces, NULL, NULL, NULL, NULL), 0);
	assert_int_equal(get_all(b, k, out, SIZE), SIZE);
	assert_memory_equal(data, out, SIZE);
}

static void removing(void **state)
{
	struct bench *b = *state;
	const char *keys[] = { key(b, "a"), key(b, "absent"), key(b, "b/c"), key(b, "no/folder/either") };
	int results[4] = { -1, -1, -1, -1 };

	put_text(b, keys[0], "a");
	put_text(b, keys[2], "c");
	put_text(b, key(b, "b/d"), "d");
	assert_int_equal(b->s->ops->remove(b->s, keys, 4, results, NULL), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(results[i], 0);
		expect_absent(b, keys[i]);
	}
	expect_text(b, key(b, "b/d"), "d");
	assert_int_equal(b->s->ops->remove(b->s, NULL, 0, NULL, NULL), 0);
}

static void removing_a_batch_with_a_bad_key(void **state)
{
	struct bench *b = *state;
	struct store_call call = { 0 };
	const char *keys[] = { key(b, "a"), key(b, "x//y"), key(b, "c") };
	int results[3] = { -1, -1, -1 };

	put_text(b, keys[0], "a");
	put_text(b, keys[2], "c");
	assert_int_equal(b->s->ops->remove(b->s, keys, 3, results, &call), EINVAL);
	assert_int_equal(results[1], EINVAL);
	if (results[0] == EINVAL && results[2] == EINVAL) {
		differs("a batch with a bad key is refused as a whole");
		expect_text(b, keys[0], "a");
		return;
	}
	assert_int_equal(results[0], 0);
	assert_int_equal(results[2], 0);
	expect_absent(b, keys[0]);
	expect_absent(b, keys[2]);
}

static void removing_a_full_batch(void **state)
{
	struct bench *b = *state;
	size_t n = b->s->limits.delete_max;
	AUTO_FREE const char **keys = calloc(n + 1, sizeof(*keys));
	AUTO_FREE int *results = calloc(n + 1, sizeof(*results));
	AUTO_FREE char *names = calloc(n + 1, 64);

	assert_true(keys && results && names);
	for (size_t i = 0; i <= n; i++) {
		snprintf(names + 64 * i, 64, "%s%zu", b->prefix, i);
		keys[i] = names + 64 * i;
	}
	put_text(b, keys[0], "first");
	put_text(b, keys[n - 1], "last");
	assert_int_equal(b->s->ops->remove(b->s, keys, n + 1, results, NULL), EINVAL);
	assert_int_equal(results[0], EINVAL);
	assert_int_equal(results[n], EINVAL);
	expect_text(b, keys[0], "first");
	assert_int_equal(b->s->ops->remove(b->s, keys, n, results, NULL), 0);
	expect_absent(b, keys[0]);
	expect_absent(b, keys[n - 1]);
}

static void copying(void **state)
{
	struct bench *b = *state;
	struct store_meta src, dst, head;
	const char *from = key(b, "from"), *to = key(b, "deep/er/to");

	assert_int_equal(put_bytes(b, from, "bytes", 5, NULL, &src), 0);
	assert_int_equal(b->s->ops->copy(b->s, from, src.etag, to, COMMIT_B, NULL, &dst, NULL), 0);
	expect_text(b, to, "bytes");
	expect_text(b, from, "bytes");
	assert_int_equal(b->s->ops->head(b->s, to, &head, NULL), 0);
	assert_string_equal(head.etag, dst.etag);
	assert_true(dst.size == 5 || (dst.size == 0 && !b->local)); /* S3's answer to a copy has no size */
	assert_true(head.commit[0] == '\0' || strcmp(head.commit, COMMIT_B) == 0);
	assert_int_equal(b->s->ops->copy(b->s, from, "0123456789abcdef0123456789abcdef", key(b, "other"), NULL, NULL, NULL, NULL), ESTALE);
	expect_absent(b, key(b, "other"));
}

static void copying_onto_itself_changes_the_commit(void **state)
{
	struct bench *b = *state;
	struct store_meta first, head;
	struct iovec iov = iov_of((char[]){ "bytes" }, 5);
	const char *k = key(b, "object");

	assert_int_equal(b->s->ops->put(b->s, k, &iov, 1, COMMIT_A, NULL, &first, NULL), 0);
	assert_int_equal(b->s->ops->copy(b->s, k, first.etag, k, COMMIT_B, NULL, NULL, NULL), 0);
	expect_text(b, k, "bytes");
	assert_int_equal(b->s->ops->head(b->s, k, &head, NULL), 0);
	assert_string_not_equal(head.commit, COMMIT_A);
}

static void cancelled_calls(void **state)
{
	struct bench *b = *state;
	atomic_bool cancel = true;
	struct store_call call = { .cancel = &cancel };
	struct store_meta meta;
	struct store_page page;
	struct iovec iov = iov_of((char[8]){ 0 }, 8);
	const char *k = key(b, "object");
	int result = 0;
	size_t n;

	assert_int_equal(b->s->ops->put(b->s, k, &iov, 1, NULL, NULL, NULL, &call), ECANCELED);
	expect_absent(b, k);
	put_text(b, k, "x");
	assert_int_equal(b->s->ops->get(b->s, k, (struct store_range){ 0, 0 }, NULL, &iov, 1, &n, NULL, &call), ECANCELED);
	assert_int_equal(b->s->ops->head(b->s, k, &meta, &call), ECANCELED);
	assert_int_equal(b->s->ops->list(b->s, b->prefix, 0, NULL, 0, &page, &call), ECANCELED);
	assert_int_equal(page.count, 0);
	assert_int_equal(b->s->ops->remove(b->s, &k, 1, &result, &call), ECANCELED);
	assert_int_equal(result, ECANCELED);
	assert_int_equal(b->s->ops->copy(b->s, k, NULL, key(b, "copy"), NULL, NULL, NULL, &call), ECANCELED);
	assert_int_equal(call.err.code, ECANCELED);
	atomic_store(&cancel, false);
	assert_int_equal(b->s->ops->head(b->s, k, &meta, &call), 0);
}

static void probing(void **state)
{
	struct bench *b = *state;
	struct store_call call = { 0 };
	struct store_space space = { 1, 2 };

	assert_int_equal(b->s->ops->probe(b->s, &call), 0);
	assert_true(call.server_date > 0);
	assert_int_equal(b->s->ops->space(b->s, &space, NULL), 0);
	assert_true(space.free <= space.total);
	assert_true(b->s->name[0]);
}

/* Only where the limits are small enough to be crossed. */
static void larger_than_the_store_takes(void **state)
{
	struct bench *b = *state;
	uint64_t max = b->s->limits.put_max;

	if (max > 64 * 1024 * 1024) {
		differs("put_max is not crossed here: it is too large for a test");
		return;
	}

	AUTO_FREE uint8_t *data = calloc(1, max + 1);

	assert_non_null(data);
	assert_int_equal(put_bytes(b, key(b, "over"), data, max + 1, NULL, NULL), EFBIG);
	expect_absent(b, key(b, "over"));
	assert_int_equal(put_bytes(b, key(b, "exact"), data, max, NULL, NULL), 0);
}

const struct CMUnitTest conf_object_tests[] = {
	CONF_TEST(put_then_head_and_get_agree),
	CONF_TEST(optional_arguments_may_be_null),
	CONF_TEST(empty_object),
	CONF_TEST(ranges),
	CONF_TEST(more_than_the_room_is_an_error),
	CONF_TEST(get_if_match),
	CONF_TEST(absent_object),
	CONF_TEST(overwriting),
	CONF_TEST(etags_differ_in_quick_succession),
	CONF_TEST(all_bytes_and_many_buffers),
	CONF_TEST(removing),
	CONF_TEST(removing_a_batch_with_a_bad_key),
	CONF_TEST(removing_a_full_batch),
	CONF_TEST(copying),
	CONF_TEST(copying_onto_itself_changes_the_commit),
	CONF_TEST(cancelled_calls),
	CONF_TEST(probing),
	CONF_TEST(larger_than_the_store_takes),
};
const size_t conf_object_count = ARRAY_LEN(conf_object_tests);

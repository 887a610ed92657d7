/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

#define COMMIT "00112233445566778899aabbccddeeff"

/* An upload in hand: its key, its id, and bytes of parts as large as the store's smallest. */
struct upload {
	struct bench *b;
	char key[256];
	char id[STORE_UPLOAD_MAX];
	size_t part_bytes;
	uint8_t *data; /* room for one part */
};

static void upload_begin(struct bench *b, struct upload *u, const char *name)
{
	*u = (struct upload){ .b = b, .part_bytes = max_size(b->s->limits.part_min, 1000) };
	snprintf(u->key, sizeof(u->key), "%s%s", b->prefix, name);
	u->data = malloc(u->part_bytes);
	assert_non_null(u->data);
	assert_int_equal(b->s->ops->begin(b->s, u->key, COMMIT, u->id, NULL), 0);
}

static void upload_free(struct upload *u)
{
	free(u->data);
	u->data = NULL;
}

/* Sends n bytes of pattern `number` as part `number`. */
static int send(struct upload *u, uint32_t number, size_t n, struct store_part *part)
{
	fill_pattern(u->data, n, number);
	*part = (struct store_part){ .number = number };
	return u->b->s->ops->part(u->b->s, u->key, u->id, &(struct iovec){ u->data, n }, 1, part, NULL);
}

static int join(struct upload *u, const struct store_part *parts, size_t count)
{
	return u->b->s->ops->complete(u->b->s, u->key, u->id, parts, count, NULL, NULL, NULL);
}

static int give_up(struct upload *u)
{
	return u->b->s->ops->abort(u->b->s, u->key, u->id, NULL);
}

/* Asserts that bytes [at, at + n) of the object are pattern `seed`. */
static void expect_pattern(struct upload *u, uint64_t at, size_t n, unsigned seed)
{
	AUTO_FREE uint8_t *got = malloc(n), *expected = malloc(n);
	size_t length;

	assert_true(got && expected);
	fill_pattern(expected, n, seed);
	assert_int_equal(u->b->s->ops->get(u->b->s, u->key, (struct store_range){ (int64_t)at, n }, NULL, &(struct iovec){ got, n }, 1, &length,
					   NULL, NULL), 0);
	assert_int_equal(length, n);
	assert_memory_equal(got, expected, n);
}

static bool is_open(struct bench *b, const char *k, const char *id)
{
	struct store_uploads uploads;
	bool found = false;

	assert_int_equal(b->s->ops->list_uploads(b->s, k, &uploads, NULL), 0);
	for (size_t i = 0; i < uploads.count; i++)
		found = found || strcmp(uploads.ids[i], id) == 0;
	store_uploads_free(&uploads);
	return found;
}

static void parts_become_an_object(void **state)
{
	struct bench *b = *state;
	struct upload u;
	struct store_part parts[3];
	struct store_parts listed;
	struct store_meta meta, head;
	char etag[STORE_ETAG_MAX];

	upload_begin(b, &u, "object");
	assert_int_equal(send(&u, 3, 10, &parts[2]), 0); /* in any order */
	assert_int_equal(send(&u, 1, u.part_bytes, &parts[0]), 0);
	assert_int_equal(send(&u, 2, u.part_bytes, &parts[1]), 0);
	assert_int_equal(parts[1].size, u.part_bytes);
	expect_absent(b, u.key);
	assert_true(is_open(b, u.key, u.id));
	assert_int_equal(b->s->ops->list_parts(b->s, u.key, u.id, &listed, NULL), 0);
	assert_int_equal(listed.count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(listed.parts[i].number, i + 1);
		assert_int_equal(listed.parts[i].size, parts[i].size);
		assert_string_equal(listed.parts[i].etag, parts[i].etag);
		assert_true(listed.parts[i].modified > 0);
	}
	store_parts_free(&listed);
	assert_int_equal(b->s->ops->complete(b->s, u.key, u.id, parts, 3, NULL, &meta, NULL), 0);
	assert_int_equal(b->s->ops->head(b->s, u.key, &head, NULL), 0);
	assert_string_equal(head.etag, meta.etag);
	assert_int_equal(head.size, 2 * u.part_bytes + 10);
	assert_true(head.commit[0] == '\0' || strcmp(head.commit, COMMIT) == 0);
	if (store_multipart_etag(parts, 3, etag) == 0)
		assert_string_equal(head.etag, etag);
	else
		differs("ETags of parts are not MD5: there is nothing to compare");
	expect_pattern(&u, 0, u.part_bytes, 1);
	expect_pattern(&u, u.part_bytes, u.part_bytes, 2);
	expect_pattern(&u, 2 * u.part_bytes, 10, 3);
	assert_false(is_open(b, u.key, u.id));
	upload_free(&u);
}

static void the_last_of_a_number_counts(void **state)
{
	struct bench *b = *state;
	struct upload u;
	struct store_part first, second;
	struct store_parts listed;

	upload_begin(b, &u, "object");
	assert_int_equal(send(&u, 1, 20, &first), 0);
	fill_pattern(u.data, 30, 77);
	second = (struct store_part){ .number = 1 };
	assert_int_equal(b->s->ops->part(b->s, u.key, u.id, &(struct iovec){ u.data, 30 }, 1, &second, NULL), 0);
	assert_int_equal(b->s->ops->list_parts(b->s, u.key, u.id, &listed, NULL), 0);
	assert_int_equal(listed.count, 1);
	assert_int_equal(listed.parts[0].size, 30);
	store_parts_free(&listed);
	assert_int_equal(join(&u, &first, 1), EINVAL);
	assert_int_equal(join(&u, &second, 1), 0);
	expect_pattern(&u, 0, 30, 77);
	upload_free(&u);
}

static void an_empty_part(void **state)
{
	struct bench *b = *state;
	struct upload u;
	struct store_part part;
	struct store_meta meta;
	int rc;

	upload_begin(b, &u, "object");
	rc = send(&u, 1, 0, &part);
	if (rc == EINVAL && !b->local) {
		differs("this server refuses empty parts");
		ASSERT_ANY(give_up(&u), 0, ENODATA);
	} else {
		assert_int_equal(rc, 0);
		assert_int_equal(join(&u, &part, 1), 0);
		assert_int_equal(b->s->ops->head(b->s, u.key, &meta, NULL), 0);
		assert_int_equal(meta.size, 0);
	}
	upload_free(&u);
}

/* Every list that complete must refuse; and the upload is as good as before after each. */
static void wrong_lists_of_parts(void **state)
{
	struct bench *b = *state;
	struct upload u;
	struct store_part p[3], list[3];

	upload_begin(b, &u, "object");
	assert_int_equal(send(&u, 1, u.part_bytes, &p[0]), 0);
	assert_int_equal(send(&u, 2, u.part_bytes, &p[1]), 0);
	assert_int_equal(send(&u, 3, 5, &p[2]), 0);
	list[0] = p[1];
	list[1] = p[0];
	assert_int_equal(join(&u, list, 2), EINVAL); /* not ascending */
	list[0] = list[1] = p[0];
	assert_int_equal(join(&u, list, 2), EINVAL); /* twice the same */
	list[1] = p[1];
	list[2] = p[2];
	list[2].number = 4;
	assert_int_equal(join(&u, list, 3), EINVAL); /* never sent */
	list[2] = p[2];
	memcpy(list[1].etag, p[0].etag, sizeof(list[1].etag));
	assert_int_equal(join(&u, list, 3), EINVAL); /* another part's ETag */
	assert_int_equal(join(&u, list, 0), EINVAL); /* nothing */
	expect_absent(b, u.key);
	assert_true(is_open(b, u.key, u.id));
	assert_int_equal(join(&u, p, 3), 0);
	expect_pattern(&u, 2 * u.part_bytes, 5, 3);
	upload_free(&u);
}

static void a_small_part_in_the_middle(void **state)
{
	struct bench *b = *state;
	struct upload u;
	struct store_part p[2];
	int rc;

	if (b->s->limits.part_min < 2) {
		differs("parts may be of any size here");
		return;
	}
	upload_begin(b, &u, "object");
	assert_int_equal(send(&u, 1, (size_t)b->s->limits.part_min - 1, &p[0]), 0);
	assert_int_equal(send(&u, 2, 5, &p[1]), 0);
	rc = join(&u, p, 2);
	assert_int_equal(rc, EINVAL);
	expect_absent(b, u.key);
	ASSERT_ANY(give_up(&u), 0, ENODATA);
	upload_free(&u);
}

/* S3 makes a shorter object without a word: it is the caller who must count. */
static void fewer_parts_than_were_sent(void **state)
{
	struct bench *b = *state;
	struct upload u;
	struct store_part p[2];
	struct store_meta meta;

	upload_begin(b, &u, "object");
	assert_int_equal(send(&u, 1, u.part_bytes, &p[0]), 0);
	assert_int_equal(send(&u, 2, 5, &p[1]), 0);
	assert_int_equal(join(&u, &p[1], 1), 0);
	assert_int_equal(b->s->ops->head(b->s, u.key, &meta, NULL), 0);
	assert_int_equal(meta.size, 5);
	upload_free(&u);
}

static void completing_twice(void **state)
{
	struct bench *b = *state;
	struct upload u;
	struct store_part part;
	int rc;

	upload_begin(b, &u, "object");
	assert_int_equal(send(&u, 1, 9, &part), 0);
	assert_int_equal(join(&u, &part, 1), 0);
	rc = join(&u, &part, 1);
	ASSERT_ANY(rc, ENODATA, 0);
	if (rc == 0) {
		assert_false(b->local);
		differs("a repeated complete is answered as the first was");
	}
	expect_pattern(&u, 0, 9, 1);
	upload_free(&u);
}

static void after_an_abort(void **state)
{
	struct bench *b = *state;
	struct upload u;
	struct store_part part, again;
	struct store_parts listed;
	int rc;

	upload_begin(b, &u, "object");
	assert_int_equal(send(&u, 1, 9, &part), 0);
	assert_int_equal(give_up(&u), 0);
	assert_int_equal(send(&u, 2, 9, &again), ENODATA);
	assert_int_equal(join(&u, &part, 1), ENODATA);
	assert_int_equal(b->s->ops->list_parts(b->s, u.key, u.id, &listed, NULL), ENODATA);
	assert_int_equal(listed.count, 0);
	rc = give_up(&u);
	ASSERT_ANY(rc, ENODATA, 0);
	if (rc == 0) {
		assert_false(b->local);
		differs("a repeated abort is answered as the first was");
	}
	assert_false(is_open(b, u.key, u.id));
	expect_absent(b, u.key);
	upload_free(&u);
}

static void uploads_that_never_were(void **state)
{
	static const char *const ids[] = {
		"0", "none", "0000000000000000-00000000000000000000000000000000", "../../tmp", "a/b", "..", "."
	};
	struct bench *b = *state;
	struct upload u;
	struct store_part part = { .number = 1, .etag = "0123456789abcdef0123456789abcdef" };
	struct store_parts listed;
	const char *k = key(b, "object");

	for (size_t i = 0; i < (b->local ? ARRAY_LEN(ids) : 3); i++) { /* a server may call the others bad requests */
		struct store_part p = { .number = 1 };

		assert_int_equal(b->s->ops->part(b->s, k, ids[i], &(struct iovec){ &part, 1 }, 1, &p, NULL), ENODATA);
		assert_int_equal(b->s->ops->complete(b->s, k, ids[i], &part, 1, NULL, NULL, NULL), ENODATA);
		assert_int_equal(b->s->ops->list_parts(b->s, k, ids[i], &listed, NULL), ENODATA);
		ASSERT_ANY(b->s->ops->abort(b->s, k, ids[i], NULL), ENODATA, b->local ? ENODATA : 0);
	}
	upload_begin(b, &u, "object");
	assert_int_equal(b->s->ops->list_parts(b->s, key(b, "other"), u.id, &listed, NULL), ENODATA); /* an id belongs to its key */
	assert_int_equal(give_up(&u), 0);
	upload_free(&u);
}

static void numbers_out_of_range(void **state)
{
	struct bench *b = *state;
	struct upload u;
	struct store_part part;

	upload_begin(b, &u, "object");
	assert_int_equal(send(&u, 0, 9, &part), EINVAL);
	assert_int_equal(send(&u, b->s->limits.parts_max + 1, 9, &part), EINVAL);
	assert_int_equal(send(&u, b->s->limits.parts_max, 9, &part), 0);
	assert_int_equal(join(&u, &part, 1), 0);
	expect_pattern(&u, 0, 9, b->s->limits.parts_max);
	upload_free(&u);
}

static void uploads_are_listed_by_exact_key(void **state)
{
	struct bench *b = *state;
	struct upload one, two, longer, below;
	struct store_uploads uploads;

	upload_begin(b, &one, "k");
	upload_begin(b, &two, "k");
	upload_begin(b, &longer, "kk");
	upload_begin(b, &below, "k/k");
	assert_int_equal(b->s->ops->list_uploads(b->s, one.key, &uploads, NULL), 0);
	assert_int_equal(uploads.count, 2);
	store_uploads_free(&uploads);
	assert_true(is_open(b, one.key, one.id));
	assert_true(is_open(b, one.key, two.id));
	assert_string_not_equal(one.id, two.id);
	assert_int_equal(give_up(&two), 0);
	assert_int_equal(b->s->ops->list_uploads(b->s, one.key, &uploads, NULL), 0);
	assert_int_equal(uploads.count, 1);
	store_uploads_free(&uploads);
	assert_int_equal(b->s->ops->list_uploads(b->s, key(b, "none"), &uploads, NULL), 0);
	assert_int_equal(uploads.count, 0);
	store_uploads_free(&uploads);
	ASSERT_ANY(give_up(&one), 0);
	ASSERT_ANY(give_up(&longer), 0);
	ASSERT_ANY(give_up(&below), 0);
	upload_free(&one);
	upload_free(&two);
	upload_free(&longer);
	upload_free(&below);
}

static void uploads_are_not_objects(void **state)
{
	struct bench *b = *state;
	struct upload u;
	struct store_part part;
	struct store_page page;

	upload_begin(b, &u, "object");
	assert_int_equal(send(&u, 1, 9, &part), 0);
	list_all(b, "", '/', 0, &page);
	for (size_t i = 0; i < page.count; i++)
		assert_false(strncmp(page.objects[i].key, ".pishop=", 8) == 0);
	store_page_free(&page);
	list_all(b, b->prefix, 0, 0, &page);
	assert_int_equal(page.count, 0);
	store_page_free(&page);
	assert_int_equal(give_up(&u), 0);
	upload_free(&u);
}

static int copy_part(struct upload *u, uint32_t number, const char *src, const char *etag, uint64_t at, uint64_t n, struct store_part *part)
{
	*part = (struct store_part){ .number = number };
	return u->b->s->ops->part_copy(u->b->s, u->key, u->id, src, etag, at, n, part, NULL);
}

static void parts_by_copy(void **state)
{
	struct bench *b = *state;
	struct upload u;
	struct store_part parts[3];
	struct store_meta src, head;
	const char *from = key(b, "from");

	upload_begin(b, &u, "object");
	fill_pattern(u.data, u.part_bytes, 9);
	assert_int_equal(put_bytes(b, from, u.data, u.part_bytes, NULL, &src), 0);
	assert_int_equal(copy_part(&u, 1, from, src.etag, 0, u.part_bytes, &parts[0]), 0);
	assert_int_equal(parts[0].size, u.part_bytes);
	assert_true(parts[0].etag[0] != '\0');
	assert_int_equal(send(&u, 2, u.part_bytes, &parts[1]), 0);
	assert_int_equal(copy_part(&u, 3, from, src.etag, 0, 100, &parts[2]), 0);
	assert_int_equal(b->s->ops->complete(b->s, u.key, u.id, parts, 3, NULL, NULL, NULL), 0);
	assert_int_equal(b->s->ops->head(b->s, u.key, &head, NULL), 0);
	assert_int_equal(head.size, 2 * u.part_bytes + 100);
	expect_pattern(&u, 0, u.part_bytes, 9);
	expect_pattern(&u, u.part_bytes, u.part_bytes, 2);
	expect_pattern(&u, 2 * u.part_bytes, 100, 9);
	upload_free(&u);
}

static void copies_of_other_bytes_are_refused(void **state)
{
	struct bench *b = *state;
	struct upload u;
	struct store_part part;
	struct store_meta src;
	struct store_parts listed;
	const char *from = key(b, "from");

	upload_begin(b, &u, "object");
	fill_pattern(u.data, 1000, 9);
	assert_int_equal(put_bytes(b, from, u.data, 1000, NULL, &src), 0);
	assert_int_equal(copy_part(&u, 1, from, "0123456789abcdef0123456789abcdef", 0, 1000, &part), ESTALE);
	assert_int_equal(copy_part(&u, 1, key(b, "absent"), src.etag, 0, 1000, &part), ENOENT);
	assert_int_equal(copy_part(&u, 1, from, src.etag, 1, 1000, &part), EINVAL);
	assert_int_equal(copy_part(&u, 1, from, src.etag, 1000, 1, &part), EINVAL);
	assert_int_equal(copy_part(&u, 1, from, src.etag, 2000, 1, &part), EINVAL);
	assert_int_equal(copy_part(&u, 0, from, src.etag, 0, 1, &part), EINVAL);
	assert_int_equal(b->s->ops->list_parts(b->s, u.key, u.id, &listed, NULL), 0);
	assert_int_equal(listed.count, 0);
	store_parts_free(&listed);
	assert_int_equal(copy_part(&u, 1, from, src.etag, 990, 10, &part), 0);
	assert_int_equal(give_up(&u), 0);
	assert_int_equal(copy_part(&u, 1, from, src.etag, 990, 10, &part), ENODATA);
	upload_free(&u);
}

/* The shape of a real archive: parts of 5 MiB, whatever the store's own limits are, where they allow it. */
static void twelve_mebibytes(void **state)
{
	enum { PART = 5 * 1024 * 1024, LAST = 2 * 1024 * 1024 + 1 };
	struct bench *b = *state;
	struct upload u;
	struct store_part parts[3];
	struct store_meta head;

	if (b->s->limits.part_max < PART) {
		differs("parts of 5 MiB are over this store's limits");
		return;
	}
	upload_begin(b, &u, "archive");
	free(u.data);
	u.data = malloc(PART);
	assert_non_null(u.data);
	assert_int_equal(send(&u, 1, PART, &parts[0]), 0);
	assert_int_equal(send(&u, 2, PART, &parts[1]), 0);
	assert_int_equal(send(&u, 3, LAST, &parts[2]), 0);
	assert_int_equal(join(&u, parts, 3), 0);
	assert_int_equal(b->s->ops->head(b->s, u.key, &head, NULL), 0);
	assert_int_equal(head.size, 2 * PART + LAST);
	expect_pattern(&u, 0, PART, 1);
	expect_pattern(&u, PART, PART, 2);
	expect_pattern(&u, 2 * (uint64_t)PART, LAST, 3);
	upload_free(&u);
}

struct sender {
	struct upload *u;
	struct store_part part;
	int rc;
};

static void *send_in_thread(void *arg)
{
	struct sender *s = arg;
	size_t n = s->u->part_bytes;
	AUTO_FREE uint8_t *data = malloc(n);

	s->rc = ENOMEM;
	if (!data)
		return NULL;
	fill_pattern(data, n, s->part.number);
	s->rc = s->u->b->s->ops->part(s->u->b->s, s->u->key, s->u->id, &(struct iovec){ data, n }, 1, &s->part, NULL);
	return NULL;
}

static void parts_in_parallel(void **state)
{
	enum { PARTS = 4 };
	struct bench *b = *state;
	struct upload u;
	struct sender senders[PARTS];
	struct store_part parts[PARTS];

	upload_begin(b, &u, "object");
	for (unsigned i = 0; i < PARTS; i++)
		senders[i] = (struct sender){ .u = &u, .part = { .number = i + 1 } };
	in_threads(PARTS, send_in_thread, senders, sizeof(*senders));
	for (unsigned i = 0; i < PARTS; i++) {
		assert_int_equal(senders[i].rc, 0);
		parts[i] = senders[i].part;
	}
	assert_int_equal(join(&u, parts, PARTS), 0);
	for (unsigned i = 0; i < PARTS; i++)
		expect_pattern(&u, i * u.part_bytes, u.part_bytes, i + 1);
	upload_free(&u);
}

static void replacing_an_object(void **state)
{
	struct bench *b = *state;
	struct upload u;
	struct store_part part;

	put_text(b, key(b, "object"), "old");
	upload_begin(b, &u, "object");
	assert_int_equal(send(&u, 1, 9, &part), 0);
	expect_text(b, key(b, "object"), "old");
	assert_int_equal(join(&u, &part, 1), 0);
	expect_pattern(&u, 0, 9, 1);
	upload_free(&u);
}

/* Only where the limits are small enough to be crossed. */
static void larger_than_the_limits(void **state)
{
	struct bench *b = *state;
	const struct store_limits *l = &b->s->limits;
	struct upload u;
	struct store_part parts[8];
	size_t count = 0;

	if (l->object_max > 8 * l->part_max || l->part_max > 1024 * 1024) {
		differs("part_max and object_max are not crossed here: they are too large for a test");
		return;
	}
	upload_begin(b, &u, "object");
	free(u.data);
	u.data = malloc(l->part_max + 1);
	assert_non_null(u.data);
	assert_int_equal(send(&u, 1, l->part_max + 1, &parts[0]), EFBIG);
	while (count * l->part_max <= l->object_max) {
		assert_true(count < ARRAY_LEN(parts));
		assert_int_equal(send(&u, (uint32_t)count + 1, l->part_max, &parts[count]), 0);
		count++;
	}
	assert_int_equal(join(&u, parts, count), EFBIG);
	assert_int_equal(join(&u, parts, count - 1), 0);
	assert_true((count - 1) * l->part_max > l->copy_max);
	assert_int_equal(b->s->ops->copy(b->s, u.key, NULL, key(b, "copy"), NULL, NULL, NULL, NULL), EFBIG);
	upload_free(&u);
}

const struct CMUnitTest conf_upload_tests[] = {
	CONF_TEST(parts_become_an_object),
	CONF_TEST(the_last_of_a_number_counts),
	CONF_TEST(an_empty_part),
	CONF_TEST(wrong_lists_of_parts),
	CONF_TEST(a_small_part_in_the_middle),
	CONF_TEST(fewer_parts_than_were_sent),
	CONF_TEST(completing_twice),
	CONF_TEST(after_an_abort),
	CONF_TEST(uploads_that_never_were),
	CONF_TEST(numbers_out_of_range),
	CONF_TEST(uploads_are_listed_by_exact_key),
	CONF_TEST(uploads_are_not_objects),
	CONF_TEST(parts_by_copy),
	CONF_TEST(copies_of_other_bytes_are_refused),
	CONF_TEST(twelve_mebibytes),
	CONF_TEST(parts_in_parallel),
	CONF_TEST(replacing_an_object),
	CONF_TEST(larger_than_the_limits),
};
const size_t conf_upload_count = ARRAY_LEN(conf_upload_tests);

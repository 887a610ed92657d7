/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

#include <pthread.h>
#include <unistd.h>

int conf_setup(void **state)
{
	struct bench *b = *state;

	snprintf(b->prefix, sizeof(b->prefix), "%s/%03u/", b->run, ++b->tests);
	return 0;
}

int conf_teardown(void **state)
{
	struct bench *b = *state;
	struct store_page page;
	char last[1200] = "";
	int rc = 0;

	while (!rc) {
		if (b->s->ops->list(b->s, b->prefix, 0, NULL, 0, &page, NULL))
			return 1;
		if (page.count == 0)
			break;
		if (strcmp(last, page.objects[0].key) == 0)
			rc = 1; /* it will not go */
		copy_text(last, sizeof(last), page.objects[0].key);
		for (size_t i = 0; i < page.count; i++)
			remove_key(b, page.objects[i].key);
		store_page_free(&page);
	}
	store_page_free(&page);
	return rc;
}

static bool lists_control_characters(struct bench *b, const char *k)
{
	struct store_page page;
	bool good;

	if (put_bytes(b, k, "x", 1, NULL, NULL))
		return true; /* refused: that is honest */
	if (b->s->ops->list(b->s, b->prefix, 0, NULL, 0, &page, NULL))
		return false;
	good = page.count == 1 && strcmp(page.objects[0].key, k) == 0;
	store_page_free(&page);
	return good;
}

void conf_find_out(struct bench *b)
{
	char k[64];

	snprintf(b->prefix, sizeof(b->prefix), "%s/look/", b->run);
	if (b->local)
		return;
	snprintf(k, sizeof(k), "%s\x01", b->prefix);
	b->no_controls = !lists_control_characters(b, k);
	remove_key(b, k);
	if (b->no_controls)
		differs("names with control characters are damaged in lists: encoding-type=url is ignored (versitygw)");
	snprintf(k, sizeof(k), "%smarker/", b->prefix);
	b->empty_markers = put_bytes(b, k, "x", 1, NULL, NULL) == EINVAL;
	if (b->empty_markers)
		differs("folder markers must be empty (versitygw, rclone): folders with attributes cannot be kept there");
	remove_key(b, k);
	snprintf(k, sizeof(k), "%sparent", b->prefix);
	put_text(b, k, "x");
	snprintf(k, sizeof(k), "%sparent/child", b->prefix);
	b->real_folders = put_bytes(b, k, "x", 1, NULL, NULL) == EINVAL;
	if (b->real_folders)
		differs("a key cannot stand under another key: the server keeps real folders (versitygw)");
	conf_teardown((void *[]){ b });
}

const char *key(struct bench *b, const char *name)
{
	char *out = b->keys[b->next_key++ % ARRAY_LEN(b->keys)];

	snprintf(out, sizeof(b->keys[0]), "%s%s", b->prefix, name);
	return out;
}

void differs(const char *what)
{
	print_message("[ DIFFERS  ] %s\n", what);
}

void assert_any(int rc, const int *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (rc == values[i])
			return;
	fail_msg("%d (%s) is none of the %zu legitimate answers", rc, strerror(rc), count);
}

void expect_success(int rc, const struct store_call *call)
{
	char text[600];

	if (!rc)
		return;
	store_error_text(&call->err, text, sizeof(text));
	fail_msg("%d: %s", rc, text);
}

int put_bytes(struct bench *b, const char *k, const void *data, size_t n, const struct store_cond *cond, struct store_meta *meta)
{
	union {
		const void *in;
		void *out;
	} bytes = { .in = data }; /* a put does not write to its iov */

	return b->s->ops->put(b->s, k, &(struct iovec){ bytes.out, n }, 1, NULL, cond, meta, NULL);
}

const char *text_at(struct bench *b, const char *k, const char *text)
{
	return b->empty_markers && k[strlen(k) - 1] == '/' ? "" : text;
}

void put_text(struct bench *b, const char *k, const char *text)
{
	text = text_at(b, k, text);
	assert_int_equal(put_bytes(b, k, text, strlen(text), NULL, NULL), 0);
}

size_t get_all(struct bench *b, const char *k, void *out, size_t cap)
{
	size_t got = 0;
	struct store_meta meta;

	assert_int_equal(b->s->ops->get(b->s, k, (struct store_range){ 0, 0 }, NULL, &(struct iovec){ out, cap }, 1, &got, &meta, NULL), 0);
	assert_int_equal(meta.size, got);
	return got;
}

void expect_text(struct bench *b, const char *k, const char *text)
{
	char got[4096];
	size_t n = get_all(b, k, got, sizeof(got));

	text = text_at(b, k, text);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(got, text, n);
}

void expect_absent(struct bench *b, const char *k)
{
	struct store_meta meta;

	assert_int_equal(b->s->ops->head(b->s, k, &meta, NULL), ENOENT);
}

int remove_key(struct bench *b, const char *k)
{
	int result = -1, rc = b->s->ops->remove(b->s, &k, 1, &result, NULL);

	assert_int_equal(rc, result);
	return rc;
}

void fill_pattern(uint8_t *out, size_t n, unsigned seed)
{
	uint64_t x = 0x9e3779b97f4a7c15ull * (seed + 1);

	for (size_t i = 0; i < n; i++) {
		if (i % 8 == 0) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
		}
		out[i] = (uint8_t)(x >> (8 * (i % 8)));
	}
}

void list_all(struct bench *b, const char *prefix, char delimiter, uint32_t max, struct store_page *all)
{
	char *token = NULL;

	*all = (struct store_page){ 0 };
	do {
		struct store_page page;
		struct store_call call = { 0 };

		expect_success(b->s->ops->list(b->s, prefix, delimiter, token, max, &page, &call), &call);
		free(token);
		assert_true(!max || page.count <= max);
		for (size_t i = 0; i < page.count; i++) {
			if (all->count)
				assert_true(strcmp(all->objects[all->count - 1].key, page.objects[i].key) < 0);
			assert_int_equal(store_page_add(all, &page.objects[i]), 0);
		}
		token = page.next ? strdup(page.next) : NULL;
		store_page_free(&page);
	} while (token);
}

void in_threads(unsigned count, void *(*fn)(void *), void *args, size_t size)
{
	pthread_t threads[64];

	assert_true(count <= ARRAY_LEN(threads));
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fn, (char *)args + i * size), 0);
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "kit.h"

#include "vault/record.h"

#include <errno.h>
#include <stdio.h>

#define RECORDS "backups/.pishop/t/acme/"
#define KEY RECORDS "seals/a"

static void expect(struct kit *k, const char *key, const char *text)
{
	AUTO_FREE char *read = NULL;
	size_t len;

	assert_int_equal(record_read(k->v, key, &read, &len, NULL, NULL), 0);
	assert_int_equal(len, strlen(text));
	assert_string_equal(read, text);
}

static void written_by_condition(void **state)
{
	struct kit *k = *state;
	struct record_id first, second, old, gone = { .etag = "nothing" }, none = { 0 };

	assert_int_equal(record_write(k->v, KEY, "one\n", 4, NULL, &first, NULL), 0);
	assert_int_equal(record_write(k->v, KEY, "two\n", 4, NULL, NULL, NULL), EEXIST);
	expect(k, KEY, "one\n");
	assert_int_equal(record_write(k->v, KEY, "two\n", 4, &first, &second, NULL), 0);
	expect(k, KEY, "two\n");
	assert_int_equal(record_write(k->v, KEY, "three\n", 6, &first, NULL, NULL), ESTALE);
	expect(k, KEY, "two\n");
	assert_int_equal(record_write(k->v, RECORDS "seals/b", "x", 1, &gone, NULL, NULL), ESTALE);
	assert_int_equal(record_write(k->v, KEY, "x", 1, &none, NULL, NULL), EINVAL); /* it would be no condition at all */

	AUTO_FREE char *text = NULL;
	size_t len;

	assert_int_equal(record_read(k->v, KEY, &text, &len, &old, NULL), 0);
	assert_string_equal(old.etag, second.etag);
	assert_memory_equal(old.object, second.object, 16);
	assert_memory_not_equal(first.object, second.object, 16);
	assert_true(old.committed_s == second.committed_s && old.committed_s > 1700000000);
	assert_int_equal(record_remove(k->v, KEY, NULL), 0);
	assert_int_equal(record_remove(k->v, KEY, NULL), 0);
	text = (free(text), NULL);
	assert_int_equal(record_read(k->v, KEY, &text, &len, &old, NULL), ENOENT);
	assert_null(text);
}

static void an_empty_one(void **state)
{
	struct kit *k = *state;

	assert_int_equal(record_write(k->v, KEY, "", 0, NULL, NULL, NULL), 0);
	expect(k, KEY, "");
}

static void a_lost_reply_is_resolved(void **state)
{
	struct kit *k = *state;
	struct record_id id;

	kit_fault(k, STORE_PUT, "seals/a", 0, 1, FAULT_LOSE_REPLY, ETIMEDOUT);
	assert_int_equal(record_write(k->v, KEY, "one\n", 4, NULL, &id, NULL), 0);
	expect(k, KEY, "one\n");
	assert_int_equal(record_write(k->v, KEY, "two\n", 4, &id, NULL, NULL), 0);
}

static void errors_are_not_answers(void **state)
{
	struct kit *k = *state;
	char *text;
	size_t len;

	assert_int_equal(record_write(k->v, KEY, "one\n", 4, NULL, NULL, NULL), 0);
	kit_log_begin();
	kit_fault(k, STORE_GET, "seals/a", 0, 1, FAULT_FAIL, EREMOTEIO);
	assert_int_equal(record_read(k->v, KEY, &text, &len, NULL, NULL), EREMOTEIO);
	kit_fault(k, STORE_REMOVE, NULL, 0, 1, FAULT_FAIL, EACCES);
	assert_int_equal(record_remove(k->v, KEY, NULL), EACCES);
	kit_fault(k, STORE_LIST, NULL, 0, 1, FAULT_FAIL, EACCES);

	struct record_names names;

	assert_int_equal(record_list(k->v, "acme", "seals", &names, NULL), EACCES);
	assert_null(names.names);
	free(kit_log_end());
}

/* Larger than any other one-shot object. */
static void large_ones(void **state)
{
	struct kit *k = *state;
	size_t size = 3u << 20, len;
	AUTO_FREE char *text = malloc(size);
	AUTO_FREE char *read = NULL;
	AUTO_FREE char *begin = NULL;
	struct trailer file;
	struct record_id id;
	bool whole;

	assert_non_null(text);
	for (size_t i = 0; i < size; i++)
		text[i] = (char)('a' + i % 23 + (i >> 16) % 3);
	assert_int_equal(record_write(k->v, KEY, text, size, NULL, &id, NULL), 0);
	assert_int_equal(record_read(k->v, KEY, &read, &len, &id, NULL), 0);
	assert_int_equal(len, size);
	assert_memory_equal(read, text, size);
	assert_int_equal(record_peek(k->v, KEY, &begin, &len, &whole, &id, NULL), 0);
	assert_int_equal(len, CHUNK_BYTES);
	assert_false(whole);
	assert_memory_equal(begin, text, len);

	trailer_fresh(k->v, &file, ENTRY_SYMLINK, STATE_CLOSED, 0600, 0, 0);
	assert_int_equal(object_put_small(k->v, "backups/acme/f", text, size, &file, NULL, NULL, NULL), EFBIG);
	assert_int_equal(record_write(k->v, KEY, text, RECORD_MAX + (size_t)1, &id, NULL, NULL), EFBIG);
}

/* The least room that any mount has is enough for the longest. */
static void the_longest(void **state)
{
	struct store_limits limits = kit_limits;
	struct vault_config config = kit_config();
	struct kit k = { 0 };
	size_t len;
	AUTO_FREE char *text = calloc(1, RECORD_MAX);
	AUTO_FREE char *read = NULL;

	assert_non_null(text);
	memset(text, 'x', RECORD_MAX);
	limits.put_max = 2 * RECORD_MAX;
	limits.object_max = 2 * RECORD_MAX;
	k.bucket = kit_bucket_new(&limits);
	kit_open(&k, &config, KIT_KEY);
	assert_int_equal(record_write(k.v, KEY, text, RECORD_MAX, NULL, NULL, NULL), 0);
	assert_int_equal(record_read(k.v, KEY, &read, &len, NULL, NULL), 0);
	assert_int_equal(len, RECORD_MAX);
	assert_memory_equal(read, text, len);
	kit_close(&k);
	kit_bucket_free(k.bucket);
}

static void the_beginning_is_one_request(void **state)
{
	struct kit *k = *state;
	AUTO_FREE char *text = NULL;
	struct record_id id, written;
	bool whole = false;
	size_t len;

	assert_int_equal(record_write(k->v, KEY, "short\n", 6, NULL, &written, NULL), 0);

	uint64_t before = kit_all_calls(k);

	assert_int_equal(record_peek(k->v, KEY, &text, &len, &whole, &id, NULL), 0);
	assert_int_equal(kit_all_calls(k) - before, 1);
	assert_true(whole);
	assert_string_equal(text, "short\n");
	assert_string_equal(id.etag, written.etag);
}

/* Replaced between two requests: the new one, whole, and never a mixture. */
static void replace(void *arg)
{
	struct kit *k = arg;
	uint8_t *data;
	size_t n = kit_raw_get(k->bucket, RECORDS "seals/new", &data, NULL);

	kit_raw_put(k->bucket, KEY, data, n);
	free(data);
}

static void replaced_while_it_is_read(void **state)
{
	struct kit *k = *state;
	size_t size = 2u << 20, len;
	AUTO_FREE char *text = calloc(1, size + 1);
	AUTO_FREE char *read = NULL;
	struct fault_rule rule = { .op = STORE_GET, .key_part = "seals/a", .skip = 2, .times = 1, .action = FAULT_CALLBACK, .fn = replace, .arg = k };

	assert_non_null(text);
	memset(text, 'o', size);
	assert_int_equal(record_write(k->v, KEY, text, size, NULL, NULL, NULL), 0);
	memset(text, 'n', size);
	assert_int_equal(record_write(k->v, RECORDS "seals/new", text, size, NULL, NULL, NULL), 0);
	assert_int_equal(fault_store_add(k->fault, &rule), 0);
	kit_log_begin();
	assert_int_equal(record_read(k->v, KEY, &read, &len, NULL, NULL), 0);
	free(kit_log_end());
	assert_int_equal(len, size);
	assert_memory_equal(read, text, size);
}

static void what_is_no_record(void **state)
{
	struct kit *k = *state;
	char *text;
	size_t len;

	object_unref(kit_file(k, KEY, 100, 1));
	kit_raw_put(k->bucket, RECORDS "seals/b", "plain", 5);
	kit_log_begin();
	assert_int_equal(record_read(k->v, KEY, &text, &len, NULL, NULL), EBADMSG);
	assert_null(text);
	assert_int_equal(record_read(k->v, RECORDS "seals/b", &text, &len, NULL, NULL), EBADMSG);
	kit_raw_flip(k->bucket, KEY, 3 + 512);
	assert_int_equal(record_read(k->v, KEY, &text, &len, NULL, NULL), EBADMSG);
	free(kit_log_end());
}

static void of_another_key(void **state)
{
	struct kit *k = *state, other = { .bucket = k->bucket };
	struct vault_config config = kit_config();
	char *text;
	size_t len;

	assert_int_equal(record_write(k->v, KEY, "one\n", 4, NULL, NULL, NULL), 0);
	config.accept_new_key = true;
	kit_log_begin();
	kit_open(&other, &config, KIT_OTHER_KEY);
	assert_int_equal(record_read(other.v, KEY, &text, &len, NULL, NULL), ENOKEY);
	kit_close(&other);
	free(kit_log_end());
}

static void nothing_is_written_read_only(void **state)
{
	struct kit *k = *state, other = { .bucket = k->bucket };
	struct vault_config config = kit_config();

	assert_int_equal(record_write(k->v, KEY, "one\n", 4, NULL, NULL, NULL), 0);
	config.read_only = true;
	kit_open(&other, &config, KIT_KEY);
	expect(&other, KEY, "one\n");
	assert_int_equal(record_write(other.v, RECORDS "seals/b", "x", 1, NULL, NULL, NULL), EROFS);
	assert_int_equal(record_remove(other.v, KEY, NULL), EROFS);
	kit_close(&other);
	expect(k, KEY, "one\n");
}

static void names_are_listed(void **state)
{
	struct kit *k = *state;
	AUTO(record_names_free) struct record_names names = { 0 };
	struct record_id id;
	char key[128];

	assert_int_equal(record_list(k->v, "acme", "seals", &names, NULL), 0);
	assert_int_equal(names.count, 0);
	for (unsigned i = 0; i < 25; i++) { /* over two pages */
		snprintf(key, sizeof(key), RECORDS "seals/n%02u", 24 - i);
		assert_int_equal(record_write(k->v, key, "x", i % 2, NULL, &id, NULL), 0);
	}
	kit_raw_put(k->bucket, RECORDS "seals/n03/below", "x", 1);
	kit_raw_put(k->bucket, RECORDS "seals/folder/", "x", 1);
	kit_raw_put(k->bucket, RECORDS "seals/", "x", 1);
	kit_raw_put(k->bucket, RECORDS "seals2/x", "x", 1);
	kit_raw_put(k->bucket, "backups/.pishop/t/acme2/seals/x", "x", 1);
	assert_int_equal(record_list(k->v, "acme", "seals", &names, NULL), 0);
	assert_int_equal(names.count, 25);
	for (unsigned i = 0; i < 25; i++) {
		snprintf(key, sizeof(key), "n%02u", i);
		assert_string_equal(names.names[i].name, key);
		assert_ptr_equal(record_names_find(&names, key), &names.names[i]);
	}
	assert_string_equal(record_names_find(&names, "n00")->etag, id.etag);
	assert_true(record_names_find(&names, "n00")->length == object_length(0) && record_names_find(&names, "n00")->modified > 1700000000);
	assert_null(record_names_find(&names, "folder"));
	assert_null(record_names_find(&(struct record_names){ 0 }, "n00"));
}

#define T(test) cmocka_unit_test_setup_teardown(test, kit_setup, kit_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(written_by_condition), T(an_empty_one), T(a_lost_reply_is_resolved), T(errors_are_not_answers), T(large_ones), cmocka_unit_test(the_longest),
		T(the_beginning_is_one_request), T(replaced_while_it_is_read), T(what_is_no_record), T(of_another_key), T(nothing_is_written_read_only),
		T(names_are_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

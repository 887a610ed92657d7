/* SPDX-License-Identifier: Apache-2.0 */
/* Stores that do another thing than they were asked for and say that it is done. */
#include "kit.h"

#include "base/clock.h"
#include "vault/writer.h"

#include <errno.h>

#define PATH "acme/file"
#define KEY "backups/acme/file"

enum { BASE = 260000, GROWN = 1500000 }; /* copies of up to 300000 bytes, parts of two chunks */

static const struct trailer attrs = { .type = ENTRY_FILE, .mode = 0640, .uid = 5, .gid = 6, .mtime = { 1700000000, 0 } };

static struct writer *open_new(struct kit *k)
{
	struct writer *w;

	assert_int_equal(writer_new(k->v, PATH, NULL, false, &attrs, &w), 0);
	return w;
}

static void append(struct writer *w, size_t from, size_t to)
{
	uint8_t bytes[10000];

	while (from < to) {
		size_t n = to - from < sizeof(bytes) ? to - from : sizeof(bytes);
		int rc;

		for (size_t i = 0; i < n; i++)
			bytes[i] = kit_byte(from + i, 7);
		rc = writer_write(w, from, bytes, n);
		if (rc == EAGAIN) {
			clock_sleep_ms(1);
			continue;
		}
		assert_int_equal(rc, 0);
		from += n;
	}
}

/* What the bucket holds, as a new pod would see it. */
static void holds(struct kit *k, size_t size)
{
	static uint8_t out[GROWN];
	AUTO(auto_object_unref) struct object *o = NULL;
	size_t got;

	assert_int_equal(object_load(k->v, KEY, 0, &o, NULL), 0);
	assert_int_equal(object_size(o), size);
	assert_int_equal(object_read(k->v, o, 0, size, out, &got), 0);
	assert_int_equal(got, size);
	kit_check(out, 0, size, 7);
}

static void a_copy_without_its_range_is_noticed_by_growth(void **state)
{
	struct kit *k = *state;
	struct writer *w = open_new(k);

	append(w, 0, BASE);
	assert_int_equal(writer_commit(w, STATE_OPEN, WRITER_DROP), 0);
	kit_fault(k, STORE_PART_COPY, KEY, 0, 0, FAULT_NO_RANGE, 0);
	append(w, BASE, GROWN);
	assert_int_equal(writer_commit(w, STATE_CLOSED, WRITER_DROP), 0);
	assert_true(fault_store_hits(k->fault) > 0);
	holds(k, GROWN);
	writer_free(w);
	assert_int_equal(kit_raw_uploads(k->bucket, KEY), 0);
}

/* A chmod of a closed file, where the store does what the rules say. */
static void chmod_under_faults(struct kit *k)
{
	struct object *o = kit_file(k, KEY, BASE, 7);
	struct trailer t;

	object_attrs(o, &t);
	t.mode = 0400;
	assert_int_equal(object_rewrite(k->v, o, KEY, &t, NULL), 0);
	assert_true(fault_store_hits(k->fault) > 0);
	holds(k, BASE);
	object_unref(o);
	assert_int_equal(object_load(k->v, KEY, 0, &o, NULL), 0);
	object_attrs(o, &t);
	assert_int_equal(t.mode, 0400);
	object_unref(o);
	assert_int_equal(kit_raw_uploads(k->bucket, KEY), 0);
}

static void a_copy_without_its_range_is_noticed_by_chmod(void **state)
{
	struct kit *k = *state;

	kit_fault(k, STORE_PART_COPY, KEY, 0, 0, FAULT_NO_RANGE, 0);
	chmod_under_faults(k);
}

/* Without the right to list parts nobody can tell what was copied. */
static void copies_that_cannot_be_checked_are_not_trusted(void **state)
{
	struct kit *k = *state;

	kit_fault(k, STORE_LIST_PARTS, NULL, 0, 1, FAULT_FAIL, EACCES);
	kit_fault(k, STORE_PART_COPY, KEY, 0, 1, FAULT_NO_RANGE, 0);
	chmod_under_faults(k);
}

static void parts_joined_in_another_order_are_no_commit(void **state)
{
	struct kit *k = *state;
	struct writer *w = open_new(k);

	kit_fault(k, STORE_PART, KEY, 0, 0, FAULT_MIX_UP, 0);
	kit_fault(k, STORE_COMPLETE, KEY, 0, 0, FAULT_MIX_UP, 0);
	append(w, 0, GROWN);
	assert_int_equal(writer_commit(w, STATE_CLOSED, WRITER_DROP), EIO);
	writer_free(w);
}

/* Servers with ETags of their own kind: the parts are looked at, and they are right. */
static void odd_etags_are_looked_behind(void **state)
{
	struct kit *k = *state;
	struct writer *w = open_new(k);

	kit_fault(k, STORE_PART, KEY, 0, 0, FAULT_ODD_ETAG, 0);
	kit_fault(k, STORE_COMPLETE, KEY, 0, 0, FAULT_ODD_ETAG, 0);
	append(w, 0, GROWN);

	uint64_t before = kit_calls(k, STORE_GET);

	assert_int_equal(writer_commit(w, STATE_CLOSED, WRITER_DROP), 0);
	assert_true(kit_calls(k, STORE_GET) >= before + GROWN / KIT_PART); /* one of each part */
	writer_free(w);
	holds(k, GROWN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_copy_without_its_range_is_noticed_by_growth),
		TEST(a_copy_without_its_range_is_noticed_by_chmod),
		TEST(copies_that_cannot_be_checked_are_not_trusted),
		TEST(parts_joined_in_another_order_are_no_commit),
		TEST(odd_etags_are_looked_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Content in the staging area: put there when memory is short or the name is gone, never seen at the path, removed in the end. */
#include "kit.h"

#include "base/clock.h"
#include "vault/tree.h"
#include "vault/writer.h"

#include <errno.h>
#include <stdio.h>

#define PATH "acme/file"
#define KEY "backups/acme/file"
#define STAGING "backups/.pishop/t/acme/staging/"

enum { SMALL = 100000, LARGE = 1200000 }; /* less than a part of two chunks, and many parts */

static const uint8_t *pattern(uint8_t seed)
{
	static uint8_t p[LARGE];

	for (size_t i = 0; i < sizeof(p); i++)
		p[i] = kit_byte(i, seed);
	return p;
}

static struct trailer attrs(void)
{
	return (struct trailer){ .type = ENTRY_FILE, .mode = 0640, .uid = 5, .gid = 6, .mtime = { 1700000000, 0 } };
}

static struct writer *open_writer(struct kit *k, struct object *o, bool truncate)
{
	struct trailer a = attrs();
	struct writer *w;

	assert_int_equal(writer_new(k->v, PATH, o, truncate, &a, &w), 0);
	return w;
}

static void write_all(struct writer *w, uint8_t seed, size_t from, size_t to)
{
	const uint8_t *p = pattern(seed);

	while (from < to) {
		size_t n = to - from < 50000 ? to - from : 50000;
		int rc = writer_write(w, from, p + from, n);

		if (rc == EAGAIN) {
			clock_sleep_ms(1);
			continue;
		}
		assert_int_equal(rc, 0);
		from += n;
	}
}

static void reads(struct writer *w, uint8_t seed, size_t size)
{
	static uint8_t out[LARGE + 1];
	size_t got;

	assert_int_equal(writer_read(w, 0, size + 1, out, &got), 0);
	assert_int_equal(got, size);
	kit_check(out, 0, size, seed);
}

static unsigned staged(struct kit *k)
{
	return kit_raw_count(k->bucket, STAGING);
}

/* As when memory is short: the early commits of all that hold any, done when this returns. */
static void press(struct kit *k)
{
	uint64_t bytes;
	unsigned count;

	for (int i = 0; i < 2000; i++) {
		writers_relieve(k->v);
		writers_pending(k->v, &bytes, &count);
		if (!bytes)
			return;
		clock_sleep_ms(1);
	}
	fail_msg("%llu bytes stay in memory", (unsigned long long)bytes);
}

static void end(struct kit *k, struct writer *w)
{
	writer_free(w);
	assert_int_equal(tree_send_removals(k->v, ""), 0);
	assert_int_equal(staged(k), 0);
}

static void stored_is(struct kit *k, uint8_t seed, size_t size)
{
	AUTO(auto_object_unref) struct object *o = NULL;
	static uint8_t out[LARGE + 1];
	size_t got;

	assert_int_equal(object_load(k->v, KEY, 0, &o, NULL), 0);
	assert_int_equal(object_size(o), size);
	assert_int_equal(object_read(k->v, o, 0, size, out, &got), 0);
	assert_int_equal(got, size);
	kit_check(out, 0, size, seed);
}

static bool stands(struct kit *k)
{
	return kit_raw_head(k->bucket, KEY, NULL) == 0;
}

/* ---- memory is short */

static void a_new_file_is_not_seen_before_its_commit(void **state)
{
	struct kit *k = *state;
	struct writer *w = open_writer(k, NULL, false);

	write_all(w, 1, 0, SMALL);
	press(k);
	assert_int_equal(staged(k), 1);
	assert_false(stands(k));
	assert_null(writer_object(w));
	reads(w, 1, SMALL);
	write_all(w, 1, SMALL, SMALL + 5000);
	press(k);
	assert_int_equal(tree_send_removals(k->v, ""), 0);
	assert_int_equal(staged(k), 1); /* the second took the first one's place */
	assert_int_equal(writer_commit(w, STATE_CLOSED, WRITER_DROP), 0);
	stored_is(k, 1, SMALL + 5000);
	assert_int_equal(tree_send_removals(k->v, ""), 0);
	assert_int_equal(staged(k), 0);
	end(k, w);
	stored_is(k, 1, SMALL + 5000);
}

static void the_old_file_stays_until_the_commit(void **state)
{
	struct kit *k = *state;
	struct object *old = kit_file(k, KEY, SMALL, 7);

	for (int truncate = 0; truncate < 2; truncate++) {
		struct writer *w = open_writer(k, old, truncate);

		write_all(w, 8, 0, SMALL / 2);
		press(k);
		stored_is(k, 7, SMALL);

		struct object *seen = writer_object(w);

		assert_ptr_equal(seen, truncate ? NULL : old);
		object_unref(seen);
		writer_abandon(w, 0);
		if (!truncate)
			reads(w, 7, SMALL);
		end(k, w);
		stored_is(k, 7, SMALL);
	}

	struct writer *w = open_writer(k, old, true);

	write_all(w, 9, 0, SMALL);
	press(k);
	assert_int_equal(writer_commit(w, STATE_CLOSED, WRITER_DROP), 0);
	stored_is(k, 9, SMALL);
	end(k, w);
	object_unref(old);
}

static void content_made_anew_forgets_it(void **state)
{
	struct kit *k = *state;
	struct writer *w = open_writer(k, NULL, false);

	write_all(w, 1, 0, SMALL);
	press(k);
	assert_int_equal(writer_resize(w, 0), 0);
	write_all(w, 2, 0, 3000);
	assert_int_equal(tree_send_removals(k->v, ""), 0);
	assert_int_equal(staged(k), 0);
	assert_int_equal(writer_commit(w, STATE_CLOSED, WRITER_DROP), 0);
	stored_is(k, 2, 3000);
	end(k, w);
}

/* Growth over the first part: the piece in the staging area is carried, or read again, and ends up whole. */
static void it_grows_into_a_large_file(void **state)
{
	struct kit *k = *state;
	struct writer *w = open_writer(k, NULL, false);

	write_all(w, 3, 0, KIT_PART);
	press(k);
	assert_int_equal(staged(k), 1);
	write_all(w, 3, KIT_PART, LARGE);
	assert_int_equal(writer_commit(w, STATE_CLOSED, WRITER_DROP), 0);
	stored_is(k, 3, LARGE);
	end(k, w);
}

static void a_rename_publishes_it_there(void **state)
{
	struct kit *k = *state;
	struct writer *w = open_writer(k, NULL, false);

	write_all(w, 4, 0, SMALL);
	press(k);
	assert_int_equal(writer_rename(w, "acme/moved", NULL), 0);
	assert_false(stands(k));
	assert_int_equal(kit_raw_head(k->bucket, "backups/acme/moved", NULL), 0);
	end(k, w);
}

/* Another's younger object at the path is not replaced, however the content came about. */
static void a_younger_object_wins(void **state)
{
	struct kit *k = *state;
	struct object *old = kit_file(k, KEY, SMALL, 7);
	struct writer *w = open_writer(k, old, false);

	write_all(w, 7, SMALL, SMALL + 10);
	press(k);
	kit_raw_put(k->bucket, KEY, "other", 5);
	assert_int_equal(writer_commit(w, STATE_CLOSED, WRITER_DROP), EIO);
	end(k, w);
	object_unref(old);

	struct store_meta there;

	assert_int_equal(kit_raw_head(k->bucket, KEY, &there), 0);
	assert_int_equal(there.size, 5);
}

static void a_store_that_fails_latches(void **state)
{
	struct kit *k = *state;
	struct writer *w = open_writer(k, NULL, false);
	struct writer_look look;

	write_all(w, 5, 0, SMALL);
	kit_fault(k, STORE_PUT, "staging/", 0, 0, FAULT_FAIL, ENOSPC);
	press(k);
	writer_look(w, &look);
	assert_int_equal(look.error, ENOSPC);
	assert_int_equal(writer_commit(w, STATE_CLOSED, WRITER_DROP), ENOSPC);
	assert_false(stands(k));
	fault_store_clear(k->fault);
	end(k, w);
}

/* A file whose parts are on their way is not committed for lack of memory: its open end goes as a shorter part, and the file ends up whole. */
static void the_end_of_a_stream_goes_as_a_shorter_part(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();
	size_t at = 9 * CHUNK_BYTES;

	config.part_bytes = 8 * CHUNK_BYTES;
	kit_close(k);
	kit_open(k, &config, KIT_KEY);

	struct object *old = kit_file(k, KEY, SMALL, 7);
	struct writer *w = open_writer(k, old, true);

	write_all(w, 8, 0, at);
	for (int i = 0; i < 2000 && kit_calls(k, STORE_PART) == 0; i++)
		clock_sleep_ms(1);
	assert_int_equal(kit_calls(k, STORE_PART), 1);
	for (int round = 0; round < 3; round++) {
		uint64_t parts = kit_calls(k, STORE_PART);

		write_all(w, 8, at, at + 3 * CHUNK_BYTES + 100); /* the smallest part is less than two chunks */
		at += 3 * CHUNK_BYTES + 100;
		clock_sleep_ms(5);
		assert_int_equal(kit_calls(k, STORE_PART), parts); /* a part has eight */
		for (int i = 0; i < 500 && kit_calls(k, STORE_PART) == parts; i++) {
			writers_relieve(k->v);
			clock_sleep_ms(1);
		}
		assert_true(kit_calls(k, STORE_PART) > parts);
	}
	assert_int_equal(kit_calls(k, STORE_COMPLETE), 0);
	stored_is(k, 7, SMALL);
	write_all(w, 8, at, LARGE);
	assert_int_equal(writer_commit(w, STATE_CLOSED, WRITER_DROP), 0);
	stored_is(k, 8, LARGE);
	end(k, w);
	object_unref(old);
}

/* ---- the name is gone */

/* Small in RAM, large with parts under way, committed: read on, written on, pressed, and nothing stands at the path. */
static void readers_keep_what_was_unlinked(void **state)
{
	struct kit *k = *state;
	static const size_t sizes[] = { SMALL, LARGE, LARGE };

	for (int i = 0; i < 3; i++) {
		struct writer *w = open_writer(k, NULL, false);
		struct writer_look look;

		write_all(w, 6, 0, sizes[i]);
		if (i == 2)
			assert_int_equal(writer_commit(w, STATE_CLOSED, WRITER_DROP), 0);
		assert_int_equal(writer_unlink(w, true), 0);
		assert_int_equal(tree_send_removals(k->v, ""), 0);
		assert_false(stands(k));
		writer_look(w, &look);
		assert_true(look.unlinked && !look.error);
		reads(w, 6, sizes[i]);
		write_all(w, 6, sizes[i] - 5000, sizes[i]);
		press(k);
		reads(w, 6, sizes[i]);
		assert_int_equal(writer_commit(w, STATE_CLOSED, WRITER_DROP), 0);
		assert_false(stands(k));
		assert_int_equal(kit_raw_uploads(k->bucket, KEY), 0);
		end(k, w);
		assert_false(stands(k));
	}
}

/* Clean bytes in memory are no keeping: they may be dropped at any time, and then only the object has them. */
static void clean_bytes_do_not_keep_it(void **state)
{
	struct kit *k = *state;
	struct writer *w = open_writer(k, NULL, false);

	write_all(w, 6, 0, SMALL);
	assert_int_equal(writer_commit(w, STATE_CLOSED, WRITER_KEEP), 0);
	assert_int_equal(writer_unlink(w, true), 0);
	assert_int_equal(tree_send_removals(k->v, ""), 0);
	assert_false(stands(k));
	writers_relieve(k->v); /* drops what is clean */
	reads(w, 6, SMALL);
	end(k, w);
}

/* Nobody can read it: it costs nothing, and its writer hears of no error. */
static void what_nobody_reads_is_dropped(void **state)
{
	struct kit *k = *state;

	for (int sent = 0; sent < 2; sent++) {
		struct writer *w = open_writer(k, NULL, false);
		struct writer_look look;
		uint8_t byte;
		size_t got;

		write_all(w, 6, 0, sent ? LARGE : SMALL);
		assert_int_equal(writer_unlink(w, false), 0);
		write_all(w, 6, sent ? LARGE - 100000 : SMALL, LARGE);
		writer_look(w, &look);
		assert_int_equal(look.error, 0);
		assert_int_equal(look.size, LARGE);
		assert_int_equal(writer_resize(w, 10), 0);
		assert_int_equal(writer_commit(w, STATE_CLOSED, WRITER_DROP), 0);
		assert_int_equal(writer_read(w, 0, 1, &byte, &got), EIO); /* never other bytes than were written */
		assert_int_equal(staged(k), 0);
		end(k, w);
		assert_false(stands(k));
		assert_int_equal(kit_raw_uploads(k->bucket, KEY), 0);
	}
}

static void what_cannot_be_kept_is_an_error(void **state)
{
	struct kit *k = *state;
	struct object *old = kit_file(k, KEY, LARGE, 7);
	struct writer *w = open_writer(k, old, false);
	uint8_t byte;
	size_t got;

	kit_fault(k, STORE_COPY, NULL, 0, 0, FAULT_FAIL, EHOSTUNREACH);
	kit_fault(k, STORE_PUT, "staging/", 0, 0, FAULT_FAIL, EHOSTUNREACH);
	kit_fault(k, STORE_BEGIN, NULL, 0, 0, FAULT_FAIL, EHOSTUNREACH);
	assert_int_equal(writer_unlink(w, true), 0); /* the name goes all the same */
	assert_int_equal(writer_read(w, 0, 1, &byte, &got), EIO);
	fault_store_clear(k->fault);
	assert_int_equal(tree_send_removals(k->v, ""), 0);
	assert_false(stands(k));
	end(k, w);
	object_unref(old);
}

static void take_long(void *arg)
{
	*(bool *)arg = true;
	clock_sleep_ms(350); /* longer than removals wait for others */
}

/* The object stands at its path until its copy is made, however long that takes. */
static void a_slow_copy_is_waited_for(void **state)
{
	struct kit *k = *state;
	struct object *old = kit_file(k, KEY, LARGE, 7);
	struct writer *w = open_writer(k, old, false);
	bool called = false;

	kit_callback(k, STORE_PART_COPY, "staging/", take_long, &called);
	assert_int_equal(writer_unlink(w, true), 0);
	assert_true(called);
	reads(w, 7, LARGE);
	assert_int_equal(tree_send_removals(k->v, ""), 0);
	assert_false(stands(k));
	reads(w, 7, LARGE);
	end(k, w);
	object_unref(old);
}

/* What another mount wrote at the name after the removal was answered stays. */
static void a_removal_names_its_object(void **state)
{
	struct kit *k = *state;
	struct object *old = kit_file(k, KEY, LARGE, 7);
	struct writer *w = open_writer(k, old, false);

	assert_int_equal(writer_unlink(w, true), 0);
	kit_raw_put(k->bucket, KEY, "other", 5);
	end(k, w);
	assert_true(stands(k));
	object_unref(old);
}

int main(void)
{
#define KIT_TEST(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)
	const struct CMUnitTest tests[] = {
		KIT_TEST(a_new_file_is_not_seen_before_its_commit), KIT_TEST(the_old_file_stays_until_the_commit), KIT_TEST(content_made_anew_forgets_it),
		KIT_TEST(it_grows_into_a_large_file), KIT_TEST(a_rename_publishes_it_there), KIT_TEST(a_younger_object_wins), KIT_TEST(a_store_that_fails_latches),
		KIT_TEST(readers_keep_what_was_unlinked), KIT_TEST(clean_bytes_do_not_keep_it), KIT_TEST(what_nobody_reads_is_dropped), KIT_TEST(what_cannot_be_kept_is_an_error),
		KIT_TEST(a_removal_names_its_object), KIT_TEST(a_slow_copy_is_waited_for), KIT_TEST(the_end_of_a_stream_goes_as_a_shorter_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

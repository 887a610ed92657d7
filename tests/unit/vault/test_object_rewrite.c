/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes and renames of committed objects, over every way there is, with lost replies, races, and stores that cannot do this or that. */
#include "kit.h"

#include "base/clock.h"
#include "vault/tree.h"
#include "vault/vault_private.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#define KEY "backups/acme/file"
#define TO "backups/acme/moved"

/* Empty, one put with few slabs, the most that goes as one put, the least that goes by parts, several copies of 300000 bytes, more chunks than the
 * memory of one part. */
static const uint64_t sizes[] = { 0, 1, 70000, KIT_PART, KIT_PART + 1, 700000, 20 * KIT_PART + 3 };

static struct trailer changed(struct object *o)
{
	struct trailer t;

	object_attrs(o, &t);
	t.mode = 0600;
	t.uid = 77;
	t.mtime.tv_sec = 1234;
	return t;
}

/* What stands at key is o's content with those attributes; nothing is left of any upload. */
static void expect_object(struct kit *k, const char *key, uint64_t size, uint8_t seed, uint32_t mode)
{
	struct object *o;
	struct trailer t;
	struct store_meta meta;
	char hex[STORE_COMMIT_HEX];
	uint8_t *data = malloc(size + 1);
	size_t got;

	assert_int_equal(object_load(k->v, key, 0, &o, NULL), 0);
	object_attrs(o, &t);
	assert_int_equal(t.mode, mode);
	assert_int_equal(t.size, size);
	assert_int_equal(object_read(k->v, o, 0, size, data, &got), 0);
	assert_int_equal(got, size);
	kit_check(data, 0, got, seed);
	assert_int_equal(kit_raw_head(k->bucket, key, &meta), 0);
	for (int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", t.commit_id[i]);
	if (mode == 0600)
		assert_string_equal(meta.commit, hex);
	assert_int_equal(kit_raw_uploads(k->bucket, key), 0);
	object_unref(o);
	free(data);
}

/* The handle itself knows where it stands now. */
static void expect_handle(struct kit *k, struct object *o, const char *key, uint8_t seed)
{
	struct object_place place;
	struct store_meta meta;
	uint8_t data[100];
	size_t got;

	object_place(o, &place);
	assert_string_equal(place.key, key);
	assert_int_equal(kit_raw_head(k->bucket, key, &meta), 0);
	assert_string_equal(place.etag, meta.etag);
	assert_int_equal(place.length, meta.size);

	struct object *there;
	struct trailer mine, its;

	assert_int_equal(object_load(k->v, key, 0, &there, NULL), 0);
	object_attrs(o, &mine);
	object_attrs(there, &its);
	assert_memory_equal(mine.commit_id, its.commit_id, sizeof(mine.commit_id));
	assert_int_equal(mine.mode, its.mode);
	assert_int_equal(mine.mtime.tv_sec, its.mtime.tv_sec);
	object_unref(there);
	assert_int_equal(object_read(k->v, o, 0, sizeof(data), data, &got), 0);
	kit_check(data, 0, got, seed);
}

static void changes_attributes(void **state)
{
	struct kit *k = *state;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct object *o = kit_file(k, KEY, sizes[i], 3);
		struct trailer before, t = changed(o), after;
		uint8_t *old, *new;
		size_t n;

		object_attrs(o, &before);
		n = kit_raw_get(k->bucket, KEY, &old, NULL);
		t.committed.tv_sec = 5; /* not the caller's to say */
		t.type = ENTRY_SYMLINK;
		t.size = 9;
		assert_int_equal(object_rewrite(k->v, o, KEY, &t, NULL), 0);
		expect_object(k, KEY, sizes[i], 3, 0600);
		expect_handle(k, o, KEY, 3);
		object_attrs(o, &after);
		assert_int_equal(after.uid, 77);
		assert_int_equal(after.type, ENTRY_FILE);
		assert_int_equal(after.committed.tv_sec, before.committed.tv_sec);
		assert_memory_not_equal(after.commit_id, before.commit_id, 16);
		assert_int_equal(kit_raw_get(k->bucket, KEY, &new, NULL), n);
		assert_memory_equal(new, old, n - TRAILER_BYTES); /* header and records verbatim */
		assert_memory_not_equal(new + n - TRAILER_BYTES, old + n - TRAILER_BYTES, TRAILER_BYTES);
		free(old);
		free(new);
		object_unref(o);
	}
}

static void moves(void **state)
{
	struct kit *k = *state;
	struct store_cond none = { .if_none_match = true };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (int attrs = 0; attrs < 2; attrs++) {
			struct object *o = kit_file(k, KEY, sizes[i], 4);
			struct trailer t = changed(o);

			assert_int_equal(object_rewrite(k->v, o, TO, attrs ? &t : NULL, &none), 0);
			expect_object(k, TO, sizes[i], 4, attrs ? 0600 : 0640);
			expect_handle(k, o, TO, 4);
			assert_int_equal(kit_raw_head(k->bucket, KEY, NULL), 0); /* the old key stays */
			assert_int_equal(object_rewrite(k->v, o, KEY, attrs ? &t : NULL, &none), ESTALE);
			expect_handle(k, o, TO, 4);

			struct object *over = kit_file(k, KEY, 10, 9);
			struct object_place place;
			struct store_cond match = { 0 };

			object_place(over, &place);
			copy_text(match.if_match, sizeof(match.if_match), place.etag);
			assert_int_equal(object_rewrite(k->v, o, KEY, attrs ? &t : NULL, &match), 0);
			expect_object(k, KEY, sizes[i], 4, attrs ? 0600 : 0640);
			object_unref(over);
			object_unref(o);
			kit_raw_remove(k->bucket, TO);
		}
}

static void requests(void **state)
{
	struct kit *k = *state;
	struct object *o = kit_file(k, KEY, 1000, 1);
	struct trailer t = changed(o);

	assert_int_equal(object_rewrite(k->v, o, KEY, &t, NULL), 0); /* makes the tenant's record */

	uint64_t before = kit_all_calls(k);

	assert_int_equal(object_rewrite(k->v, o, KEY, &t, NULL), 0);
	assert_int_equal(kit_all_calls(k) - before, 2); /* get, put */
	before = kit_all_calls(k);
	assert_int_equal(object_rewrite(k->v, o, TO, NULL, NULL), 0);
	assert_int_equal(kit_all_calls(k) - before, 1); /* copy */
	object_unref(o);
}

/* ---- races */

struct other {
	struct kit *k;
	const char *key;
};

static void put_other(void *arg)
{
	struct other *other = arg;

	object_unref(kit_file(other->k, other->key, 33, 200));
}

static void source_changed(void **state)
{
	struct kit *k = *state;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (int to_other = 0; to_other < 3; to_other++) { /* 2: as it is */
			struct object *o = kit_file(k, KEY, sizes[i], 4);
			struct trailer t = changed(o);

			object_unref(kit_file(k, KEY, sizes[i], 5));
			assert_int_equal(object_rewrite(k->v, o, to_other ? TO : KEY, to_other == 2 ? NULL : &t, NULL), ESTALE);
			expect_object(k, KEY, sizes[i], 5, 0640);
			assert_int_equal(kit_raw_head(k->bucket, TO, NULL), ENOENT);
			assert_int_equal(kit_raw_uploads(k->bucket, TO), 0);
			kit_raw_remove(k->bucket, KEY);
			assert_int_equal(object_rewrite(k->v, o, to_other ? TO : KEY, to_other == 2 ? NULL : &t, NULL), ESTALE);
			assert_int_equal(kit_raw_head(k->bucket, KEY, NULL), ENOENT);
			object_unref(o);
		}
}

/* Replaced at the last moment, just before the request that writes. */
static void source_changed_at_the_end(void **state)
{
	struct kit *k = *state;
	struct other other = { k, KEY };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct object *o = kit_file(k, KEY, sizes[i], 4);
		struct trailer t = changed(o);

		kit_callback(k, sizes[i] <= KIT_PART ? STORE_PUT : STORE_COMPLETE, KEY, put_other, &other);
		assert_int_equal(object_rewrite(k->v, o, KEY, &t, NULL), ESTALE);
		expect_object(k, KEY, 33, 200, 0640);
		fault_store_clear(k->fault);
		object_unref(o);
	}
}

static void destination_taken_at_the_end(void **state)
{
	struct kit *k = *state;
	struct other other = { k, TO };
	struct store_cond none = { .if_none_match = true };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (int attrs = 0; attrs < 2; attrs++) {
			struct object *o = kit_file(k, KEY, sizes[i], 4);
			struct trailer t = changed(o);

			kit_callback(k, STORE_PUT, TO, put_other, &other);
			kit_callback(k, STORE_COPY, TO, put_other, &other);
			kit_callback(k, STORE_COMPLETE, TO, put_other, &other);
			assert_int_equal(object_rewrite(k->v, o, TO, attrs ? &t : NULL, &none), ESTALE);
			expect_object(k, TO, 33, 200, 0640);
			expect_handle(k, o, KEY, 4);
			fault_store_clear(k->fault);
			kit_raw_remove(k->bucket, TO);
			object_unref(o);
		}
}

/* ---- faults */

static void lost_replies(void **state)
{
	struct kit *k = *state;
	struct store_cond none = { .if_none_match = true };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (int attrs = 0; attrs < 2; attrs++)
			for (int stale = 0; stale < 2; stale++) {
				struct object *o = kit_file(k, KEY, sizes[i], 4);
				struct trailer t = changed(o);

				kit_fault(k, STORE_PUT, TO, 0, 1, FAULT_LOSE_REPLY, stale ? ESTALE : ETIMEDOUT);
				kit_fault(k, STORE_COPY, TO, 0, 1, FAULT_LOSE_REPLY, stale ? ESTALE : ETIMEDOUT);
				kit_fault(k, STORE_COMPLETE, TO, 0, 1, FAULT_LOSE_REPLY, stale ? ENODATA : ETIMEDOUT);
				assert_int_equal(object_rewrite(k->v, o, TO, attrs ? &t : NULL, &none), 0);
				expect_object(k, TO, sizes[i], 4, attrs ? 0600 : 0640);
				expect_handle(k, o, TO, 4);
				fault_store_clear(k->fault);
				kit_raw_remove(k->bucket, TO);
				object_unref(o);
			}
}

/* Whichever request fails: the old object stands, the handle is right, no upload is left. */
static void any_request_may_fail(void **state)
{
	static const enum store_op ops[] = { STORE_GET, STORE_PUT, STORE_COPY, STORE_BEGIN, STORE_PART_COPY, STORE_PART, STORE_COMPLETE };
	struct kit *k = *state;
	unsigned failed = 0;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (size_t op = 0; op < ARRAY_LEN(ops); op++)
			for (int attrs = 0; attrs < 2; attrs++) {
				struct object *o = kit_file(k, KEY, sizes[i], 4);
				struct trailer t = changed(o);

				kit_fault(k, ops[op], "acme/", 0, 1, FAULT_FAIL, ENOSPC);

				int rc = object_rewrite(k->v, o, TO, attrs ? &t : NULL, NULL);

				failed += rc != 0;
				assert_true(rc == 0 || rc == ENOSPC);
				fault_store_clear(k->fault);
				if (rc)
					assert_int_equal(kit_raw_head(k->bucket, TO, NULL), ENOENT);
				expect_object(k, rc ? KEY : TO, sizes[i], 4, rc || !attrs ? 0640 : 0600);
				expect_handle(k, o, rc ? KEY : TO, 4);
				assert_int_equal(kit_raw_uploads(k->bucket, TO), 0);
				kit_raw_remove(k->bucket, TO);
				object_unref(o);
			}
	assert_true(failed > 20);
}

static void damage_is_not_copied(void **state)
{
	static const size_t flips[] = { 20, 300, 490, 512, 512 + 40, 512 + 65536 + 20, 512 + 65564 + 100 };
	struct kit *k = *state;

	for (size_t i = 0; i < ARRAY_LEN(flips); i++) {
		struct object *o = kit_file(k, KEY, 70000, 4), *now;
		struct trailer t = changed(o);
		struct store_meta meta;

		kit_raw_flip(k->bucket, KEY, flips[i]);
		kit_raw_head(k->bucket, KEY, &meta);
		object_set_place(o, KEY, &meta, NULL); /* as if it had been so from the start */
		assert_int_equal(object_rewrite(k->v, o, TO, &t, NULL), EBADMSG);
		assert_int_equal(kit_raw_head(k->bucket, TO, NULL), ENOENT);
		object_unref(o);
		o = kit_file(k, KEY, 70000, 4);
		kit_fault(k, STORE_GET, KEY, 0, 1, FAULT_FLIP, 0); /* only on the way: asked for again */
		assert_int_equal(object_rewrite(k->v, o, KEY, &t, NULL), 0);
		expect_object(k, KEY, 70000, 4, 0600);
		assert_int_equal(object_load(k->v, KEY, 0, &now, NULL), 0);
		object_unref(now);
		object_unref(o);
	}
}

/* ---- stores that cannot do this or that */

static void without(struct kit *k, const enum store_op *ops, size_t count)
{
	for (size_t i = 0; i < count; i++)
		kit_fault(k, ops[i], "acme/", 0, 0, FAULT_FAIL, EOPNOTSUPP);
}

static void poorer_stores(void **state)
{
	static const enum store_op copy[] = { STORE_COPY }, part_copy[] = { STORE_PART_COPY }, both[] = { STORE_COPY, STORE_PART_COPY };
	static const struct { const enum store_op *ops; size_t count; } poor[] = { { copy, 1 }, { part_copy, 1 }, { both, 2 } };
	struct kit *k = *state;
	struct store_cond none = { .if_none_match = true };

	for (size_t p = 0; p < ARRAY_LEN(poor); p++)
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
			for (int attrs = 0; attrs < 2; attrs++) {
				struct object *o = kit_file(k, KEY, sizes[i], 4);
				struct trailer t = changed(o);

				without(k, poor[p].ops, poor[p].count);
				assert_int_equal(object_rewrite(k->v, o, TO, attrs ? &t : NULL, &none), 0);
				expect_object(k, TO, sizes[i], 4, attrs ? 0600 : 0640);
				expect_handle(k, o, TO, 4);
				assert_int_equal(object_rewrite(k->v, o, KEY, attrs ? &t : NULL, &none), ESTALE);
				fault_store_clear(k->fault);
				kit_raw_remove(k->bucket, TO);
				object_unref(o);
			}
}

/* Copies only without a condition, and no part copy: it looks first, then copies. */
static void copies_after_a_look(void **state)
{
	static const enum store_op part_copy[] = { STORE_PART_COPY };
	struct kit *k = *state;
	struct store_cond none = { .if_none_match = true };

	for (int taken = 0; taken < 2; taken++) {
		struct object *o = kit_file(k, KEY, KIT_PART + 1, 4);

		without(k, part_copy, 1);
		kit_fault(k, STORE_COPY, TO, 0, 1, FAULT_FAIL, EOPNOTSUPP);
		if (taken)
			object_unref(kit_file(k, TO, 33, 200));

		uint64_t heads = kit_calls(k, STORE_HEAD), parts = kit_calls(k, STORE_PART);

		assert_int_equal(object_rewrite(k->v, o, TO, NULL, &none), taken ? ESTALE : 0);
		assert_int_equal(kit_calls(k, STORE_HEAD) - heads, 1);
		assert_int_equal(kit_calls(k, STORE_PART), parts); /* no byte went through this machine */
		expect_object(k, TO, taken ? 33 : KIT_PART + 1, taken ? 200 : 4, 0640);
		fault_store_clear(k->fault);
		kit_raw_remove(k->bucket, TO);
		object_unref(o);
	}
}

static void stores_without_conditions(void **state)
{
	struct kit *k = *state;
	struct store_cond none = { .if_none_match = true };
	struct object *first = kit_file(k, KEY, 1, 1);
	struct trailer any = changed(first);

	assert_int_equal(object_rewrite(k->v, first, KEY, &any, NULL), 0);
	object_unref(first);
	vault_store(k->v)->conditional = false;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (int attrs = 0; attrs < 2; attrs++) {
			struct object *o = kit_file(k, KEY, sizes[i], 4);
			struct trailer t = changed(o);

			assert_int_equal(object_rewrite(k->v, o, TO, attrs ? &t : NULL, &none), 0);
			assert_int_equal(object_rewrite(k->v, o, KEY, attrs ? &t : NULL, &none), ESTALE);
			expect_object(k, TO, sizes[i], 4, attrs ? 0600 : 0640);
			object_unref(kit_file(k, TO, sizes[i], 5));
			assert_int_equal(object_rewrite(k->v, o, TO, &t, NULL), ESTALE);
			expect_object(k, TO, sizes[i], 5, 0640);
			kit_raw_remove(k->bucket, TO);
			object_unref(o);
		}
}

/* ---- removals, foreign objects, threads */

static void removals(void **state)
{
	struct kit *k = *state;
	struct store_cond none = { .if_none_match = true };
	struct object *o = kit_file(k, KEY, 100, 4);
	struct trailer t = changed(o);

	/* a change of what is as good as removed would bring it back */
	assert_int_equal(tree_remove_later(k->v, "acme/file", false), 0);
	assert_int_equal(object_rewrite(k->v, o, KEY, &t, NULL), ESTALE);
	assert_int_equal(tree_send_removals(k->v, ""), 0);
	assert_int_equal(kit_raw_head(k->bucket, KEY, NULL), ENOENT);
	object_unref(o);

	/* a removal that waits at the destination makes way */
	object_unref(kit_file(k, TO, 100, 5));
	o = kit_file(k, KEY, 100, 4);
	assert_int_equal(tree_remove_later(k->v, "acme/moved", false), 0);
	assert_int_equal(object_rewrite(k->v, o, TO, NULL, &none), 0);
	assert_int_equal(tree_send_removals(k->v, ""), 0);
	expect_object(k, TO, 100, 4, 0640);
	object_unref(o);
}

static void foreign(void **state)
{
	struct kit *k = *state;
	struct store_cond none = { .if_none_match = true };
	struct object *o;
	struct trailer t;
	uint8_t *bytes;

	kit_raw_put(k->bucket, KEY, "plain text", 10);
	assert_int_equal(object_load(k->v, KEY, 0, &o, NULL), 0);
	trailer_fresh(k->v, &t, ENTRY_FILE, STATE_CLOSED, 0600, 0, 0);
	assert_int_equal(object_rewrite(k->v, o, KEY, &t, NULL), EPERM);
	assert_int_equal(object_rewrite(k->v, o, TO, NULL, &none), 0);
	assert_int_equal(kit_raw_get(k->bucket, TO, &bytes, NULL), 10);
	assert_memory_equal(bytes, "plain text", 10);
	free(bytes);
	object_unref(o);
}

static void read_only(void **state)
{
	struct kit *k = *state;
	struct object *o = kit_file(k, KEY, 100, 4);
	struct trailer t = changed(o);

	k->v->config.read_only = true;
	assert_int_equal(object_rewrite(k->v, o, KEY, &t, NULL), EROFS);
	k->v->config.read_only = false;
	object_unref(o);
}

struct reader_args {
	struct kit *k;
	struct object *o;
	atomic_bool stop;
	unsigned reads;
	const char *wrong;
};

static void *read_meanwhile(void *arg)
{
	struct reader_args *r = arg;

	while (!atomic_load(&r->stop) || r->reads < 5) {
		uint8_t data[64];
		size_t got;
		int rc = object_read(r->k->v, r->o, 66000, sizeof(data), data, &got);

		if (rc) {
			r->wrong = strerror(rc);
			break;
		}
		for (size_t i = 0; i < got; i++)
			if (data[i] != kit_byte(66000 + i, 4))
				r->wrong = "wrong bytes";
		r->reads++;
	}
	return NULL;
}

/* Our own chmod and rename never look like a replacement to our own readers. */
static void readers_do_not_notice(void **state)
{
	struct kit *k = *state;

	for (int big = 0; big < 2; big++) {
		struct object *o = kit_file(k, KEY, big ? 700000 : 70000, 4);
		struct reader_args r = { .k = k, .o = o };
		pthread_t thread;
		struct trailer t = changed(o);

		assert_int_equal(pthread_create(&thread, NULL, read_meanwhile, &r), 0);
		for (int i = 0; i < 10; i++) {
			t.mtime.tv_sec = i;
			assert_int_equal(object_rewrite(k->v, o, i % 2 ? TO : KEY, i % 3 ? &t : NULL, NULL), 0);
			kit_raw_remove(k->bucket, i % 2 ? KEY : TO);
		}
		atomic_store(&r.stop, true);
		pthread_join(thread, NULL);
		if (r.wrong)
			fail_msg("%s", r.wrong);
		object_unref(o);
	}
}

/* Writers hold all memory but the commit side's: attributes can be changed all the same. */
static void works_when_memory_is_full(void **state)
{
	struct kit *k = *state;
	struct slab *held = NULL, *slab;

	for (int side = SLAB_WRITE; side <= SLAB_READ; side++)
		while ((slab = slab_take(vault_slabs(k->v), (enum slab_side)side))) {
			slab->next = held;
			held = slab;
		}
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct object *o = kit_file(k, KEY, sizes[i], 4);
		struct trailer t = changed(o);

		assert_int_equal(object_rewrite(k->v, o, KEY, &t, NULL), 0);
		expect_object(k, KEY, sizes[i], 4, 0600);
		object_unref(o);
	}
	slab_give_list(vault_slabs(k->v), held);
}

int main(void)
{
#define KIT_TEST(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)
	const struct CMUnitTest tests[] = {
		KIT_TEST(changes_attributes), KIT_TEST(moves), KIT_TEST(requests), KIT_TEST(source_changed), KIT_TEST(source_changed_at_the_end),
		KIT_TEST(destination_taken_at_the_end), KIT_TEST(lost_replies), KIT_TEST(any_request_may_fail), KIT_TEST(damage_is_not_copied),
		KIT_TEST(poorer_stores), KIT_TEST(copies_after_a_look), KIT_TEST(stores_without_conditions), KIT_TEST(removals), KIT_TEST(foreign), KIT_TEST(read_only),
		KIT_TEST(readers_do_not_notice), KIT_TEST(works_when_memory_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

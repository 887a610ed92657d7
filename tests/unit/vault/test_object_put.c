/* SPDX-License-Identifier: Apache-2.0 */
/* One-shot objects: conditions, lost replies, who stands at a key. */
#include "kit.h"

#include "base/buf.h"
#include "vault/tree.h"
#include "vault/vault_private.h"

#include <errno.h>
#include <stdio.h>

#define KEY "backups/acme/link"

static struct trailer link_attrs(struct kit *k)
{
	struct trailer t;

	trailer_fresh(k->v, &t, ENTRY_FILE, STATE_CLOSED, 0644, 1, 2);
	return t;
}

static int put(struct kit *k, const char *text, const struct store_cond *cond, struct object **out)
{
	struct trailer t = link_attrs(k);

	return object_put_small(k->v, KEY, text, strlen(text), &t, cond, out, NULL);
}

static void expect_content(struct kit *k, const char *text)
{
	struct object *o;
	char data[100];
	size_t got;

	assert_int_equal(object_load(k->v, KEY, 0, &o, NULL), 0);
	assert_int_equal(object_read(k->v, o, 0, sizeof(data), data, &got), 0);
	assert_int_equal(got, strlen(text));
	assert_memory_equal(data, text, got);
	object_unref(o);
}

static void fresh_trailers(void **state)
{
	struct kit *k = *state;
	struct trailer a, b;

	trailer_fresh(k->v, &a, ENTRY_SYMLINK, STATE_OPEN, 0100777, 3, 4);
	trailer_fresh(k->v, &b, ENTRY_SYMLINK, STATE_OPEN, 0777, 3, 4);
	assert_int_equal(a.type, ENTRY_SYMLINK);
	assert_int_equal(a.mode, 0777);
	assert_int_equal(a.size, 0);
	assert_true(a.mtime.tv_sec > 1700000000 && a.mtime.tv_sec == a.committed.tv_sec);
	assert_memory_equal(a.writer_id, vault_writer_id(k->v), 16);
	assert_memory_not_equal(a.commit_id, b.commit_id, 16);
}

static void sizes(void **state)
{
	static const size_t sizes[] = { 0, 1, 4095, 65536, 65537, 1u << 20 };
	struct kit *k = *state;
	uint8_t *data = malloc((1u << 20) + 1), *back = malloc(1u << 20);
	struct trailer t = link_attrs(k);

	for (size_t i = 0; i < (1u << 20) + 1; i++)
		data[i] = kit_byte(i, 1);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct object *made, *o;
		struct trailer attrs;
		struct store_meta meta;
		char hex[STORE_COMMIT_HEX];
		size_t got;

		assert_int_equal(object_put_small(k->v, KEY, data, sizes[i], &t, NULL, &made, NULL), 0);
		assert_int_equal(object_size(made), sizes[i]);
		assert_int_equal(object_load(k->v, KEY, 0, &o, NULL), 0);
		assert_int_equal(object_read(k->v, o, 0, 1u << 20, back, &got), 0);
		assert_int_equal(got, sizes[i]);
		assert_memory_equal(back, data, got);
		assert_int_equal(object_read(k->v, made, 0, 1u << 20, back, &got), 0);
		assert_int_equal(got, sizes[i]);
		object_attrs(o, &attrs);
		assert_memory_not_equal(attrs.commit_id, t.commit_id, 16);
		assert_int_equal(kit_raw_head(k->bucket, KEY, &meta), 0);
		hex_encode(hex, attrs.commit_id, 16);
		assert_string_equal(meta.commit, hex);
		object_unref(made);
		object_unref(o);
	}
	assert_int_equal(object_put_small(k->v, KEY, data, (1u << 20) + 1, &t, NULL, NULL, NULL), EFBIG);
	free(data);
	free(back);
}

static void conditions(void **state)
{
	struct kit *k = *state;
	struct store_cond none = { .if_none_match = true }, match = { 0 };
	struct object *first;
	struct object_place place;

	assert_int_equal(put(k, "one", &none, &first), 0);
	assert_int_equal(put(k, "two", &none, NULL), EEXIST);
	expect_content(k, "one");
	object_place(first, &place);
	copy_text(match.if_match, sizeof(match.if_match), place.etag);
	assert_int_equal(put(k, "three", &match, NULL), 0);
	assert_int_equal(put(k, "four", &match, NULL), ESTALE);
	expect_content(k, "three");
	assert_int_equal(put(k, "five", NULL, NULL), 0);
	expect_content(k, "five");
	kit_raw_remove(k->bucket, KEY);
	assert_int_equal(put(k, "six", &match, NULL), ESTALE);
	assert_int_equal(kit_raw_head(k->bucket, KEY, NULL), ENOENT);
	object_unref(first);
}

/* The same for a store that does not honour conditions: decided by HEAD. */
static void conditions_by_head(void **state)
{
	struct kit *k = *state;
	struct store_cond none = { .if_none_match = true };

	assert_int_equal(put(k, "zero", NULL, NULL), 0); /* the tenant's record is made */
	kit_raw_remove(k->bucket, KEY);
	vault_store(k->v)->conditional = false;
	conditions(state);
	kit_raw_remove(k->bucket, KEY);

	uint64_t heads = kit_calls(k, STORE_HEAD);

	assert_int_equal(put(k, "one", &none, NULL), 0);
	assert_int_equal(kit_calls(k, STORE_HEAD), heads + 1);
	kit_fault(k, STORE_HEAD, KEY, 0, 1, FAULT_FAIL, EACCES);
	assert_int_equal(put(k, "two", &none, NULL), EACCES); /* cannot look: nothing is written */
	expect_content(k, "one");
	vault_store(k->v)->conditional = true;
	kit_fault(k, STORE_PUT, KEY, 0, 1, FAULT_FAIL, EOPNOTSUPP);
	assert_int_equal(put(k, "three", &none, NULL), EEXIST);
	kit_raw_remove(k->bucket, KEY);
	fault_store_clear(k->fault);
	kit_fault(k, STORE_PUT, KEY, 0, 1, FAULT_FAIL, EOPNOTSUPP);
	assert_int_equal(put(k, "four", &none, NULL), 0);
	expect_content(k, "four");
}

static void put_another(void *arg)
{
	object_unref(kit_file(arg, KEY, 10, 200));
}

static void remove_it(void *arg)
{
	kit_raw_remove(((struct kit *)arg)->bucket, KEY);
}

static void lost_replies(void **state)
{
	struct kit *k = *state;
	struct store_cond none = { .if_none_match = true };
	struct object *o;
	struct object_place place;
	struct store_meta meta;

	for (int conditional = 0; conditional < 2; conditional++) {
		const struct store_cond *cond = conditional ? &none : NULL;

		if (conditional)
			kit_raw_remove(k->bucket, KEY);
		/* done, but not told */
		kit_fault(k, STORE_PUT, KEY, 0, 1, FAULT_LOSE_REPLY, ETIMEDOUT);
		assert_int_equal(put(k, "mine", cond, &o), 0);
		expect_content(k, "mine");
		object_place(o, &place);
		kit_raw_head(k->bucket, KEY, &meta);
		assert_string_equal(place.etag, meta.etag);
		object_unref(o);
		fault_store_clear(k->fault);
		/* the retry layer's second try met our own object */
		if (conditional)
			kit_raw_remove(k->bucket, KEY);
		kit_fault(k, STORE_PUT, KEY, 0, 1, FAULT_LOSE_REPLY, ESTALE);
		assert_int_equal(put(k, "mine", cond, NULL), 0);
		fault_store_clear(k->fault);
		/* not done */
		kit_raw_remove(k->bucket, KEY);
		kit_fault(k, STORE_PUT, KEY, 0, 1, FAULT_FAIL, ETIMEDOUT);
		assert_int_equal(put(k, "mine", cond, NULL), ETIMEDOUT);
		fault_store_clear(k->fault);
		/* done, and replaced by another before we look */
		kit_fault(k, STORE_PUT, KEY, 0, 1, FAULT_LOSE_REPLY, ETIMEDOUT);
		kit_callback(k, STORE_HEAD, KEY, put_another, k);
		assert_int_equal(put(k, "mine", cond, NULL), ETIMEDOUT);
		fault_store_clear(k->fault);
		/* cannot look */
		kit_raw_remove(k->bucket, KEY);
		kit_fault(k, STORE_PUT, KEY, 0, 1, FAULT_LOSE_REPLY, ETIMEDOUT);
		kit_fault(k, STORE_HEAD, KEY, 0, 1, FAULT_FAIL, EACCES);
		assert_int_equal(put(k, "mine", cond, NULL), ETIMEDOUT);
		fault_store_clear(k->fault);
	}
	/* another's create won */
	kit_raw_remove(k->bucket, KEY);
	kit_callback(k, STORE_PUT, KEY, put_another, k);
	assert_int_equal(put(k, "mine", &none, NULL), EEXIST);
}

/* A store that says "not there" of what it has replaced. */
static void absent_in_doubt(void **state)
{
	struct kit *k = *state;
	struct store_meta meta;
	struct store_cond cond = { 0 };

	assert_int_equal(put(k, "old", NULL, NULL), 0);
	kit_raw_head(k->bucket, KEY, &meta);
	copy_text(cond.if_match, sizeof(cond.if_match), meta.etag);
	kit_fault(k, STORE_PUT, KEY, 0, 1, FAULT_LOSE_REPLY, ENOENT);
	assert_int_equal(put(k, "new", &cond, NULL), 0);
	expect_content(k, "new");
	fault_store_clear(k->fault);
	kit_callback(k, STORE_HEAD, KEY, put_another, k); /* done, and then another's */
	kit_raw_head(k->bucket, KEY, &meta);
	copy_text(cond.if_match, sizeof(cond.if_match), meta.etag);
	kit_fault(k, STORE_PUT, KEY, 0, 1, FAULT_LOSE_REPLY, ENOENT);
	assert_int_equal(put(k, "newer", &cond, NULL), ESTALE);
}

static void resolves(void **state)
{
	struct kit *k = *state;
	struct object *o;
	struct trailer t;
	struct store_meta meta;
	uint8_t *bytes, other[16] = { 1 };

	assert_int_equal(put(k, "text", NULL, &o), 0);
	object_attrs(o, &t);
	assert_int_equal(object_resolve(k->v, KEY, t.commit_id, object_length(4), &meta), 0);
	assert_int_equal(meta.size, object_length(4));
	assert_int_equal(object_resolve(k->v, KEY, other, object_length(4), &meta), ESTALE);
	assert_int_equal(object_resolve(k->v, KEY, t.commit_id, object_length(5), &meta), EBADMSG); /* ours, but not whole */
	kit_fault(k, STORE_HEAD, KEY, 0, 1, FAULT_FAIL, EREMOTEIO);
	assert_int_equal(object_resolve(k->v, KEY, t.commit_id, object_length(4), &meta), EREMOTEIO);

	/* a store that keeps no user metadata: the trailer tells */
	size_t n = kit_raw_get(k->bucket, KEY, &bytes, NULL);

	kit_raw_put(k->bucket, KEY, bytes, n);
	assert_int_equal(object_resolve(k->v, KEY, t.commit_id, object_length(4), &meta), 0);
	assert_int_equal(object_resolve(k->v, KEY, other, object_length(4), &meta), ESTALE);
	assert_int_equal(object_resolve(k->v, KEY, t.commit_id, object_length(5), &meta), ESTALE);
	bytes[n - 1] ^= 1;
	kit_raw_put(k->bucket, KEY, bytes, n);
	assert_int_equal(object_resolve(k->v, KEY, t.commit_id, object_length(4), &meta), ESTALE);
	kit_raw_put(k->bucket, KEY, "plain", 5);
	assert_int_equal(object_resolve(k->v, KEY, t.commit_id, 5, &meta), ESTALE);
	kit_raw_remove(k->bucket, KEY);
	assert_int_equal(object_resolve(k->v, KEY, t.commit_id, object_length(4), &meta), ENOENT);
	free(bytes);
	object_unref(o);
}

/* A write at a key whose removal waits replaces what was to be removed, and nothing else. */
static void takes_the_place_of_a_removal(void **state)
{
	struct kit *k = *state;
	struct store_cond none = { .if_none_match = true };
	struct object *old;
	struct object_place place;

	assert_int_equal(put(k, "old", NULL, &old), 0);
	object_place(old, &place);
	assert_int_equal(tree_remove_known_later(k->v, "acme/link", false, place.etag), 0);
	assert_int_equal(put(k, "new", &none, NULL), 0);
	assert_int_equal(tree_send_removals(k->v, ""), 0);
	expect_content(k, "new");

	/* another wrote there after our unlink */
	object_unref(old);
	assert_int_equal(put(k, "old", NULL, &old), 0);
	object_place(old, &place);
	object_unref(old);
	assert_int_equal(tree_remove_known_later(k->v, "acme/link", false, place.etag), 0);
	put_another(k);
	assert_int_equal(put(k, "new", &none, NULL), EEXIST);

	/* and without an ETag it replaces whatever stands there */
	assert_int_equal(tree_remove_later(k->v, "acme/link", false), 0);
	assert_int_equal(put(k, "new", &none, NULL), 0);
	expect_content(k, "new");
	kit_callback(k, STORE_PUT, KEY, remove_it, k);
	assert_int_equal(put(k, "again", NULL, NULL), 0);
}

static void errors_are_told_once(void **state)
{
	struct kit *k = *state;

	assert_int_equal(put(k, "x", NULL, NULL), 0);
	kit_fault(k, STORE_PUT, KEY, 0, 1, FAULT_FAIL, ENOSPC);
	kit_log_begin();
	int rc = put(k, "y", NULL, NULL);
	char *log = kit_log_end();

	assert_int_equal(rc, ENOSPC);
	assert_non_null(strstr(log, KEY));
	assert_non_null(strstr(log, "cannot write it"));
	assert_ptr_equal(strchr(log, '\n'), strrchr(log, '\n'));
	free(log);
	expect_content(k, "x");
}

int main(void)
{
#define KIT_TEST(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)
	const struct CMUnitTest tests[] = {
		KIT_TEST(fresh_trailers), KIT_TEST(sizes), KIT_TEST(conditions), KIT_TEST(conditions_by_head), KIT_TEST(lost_replies),
		KIT_TEST(absent_in_doubt),
		KIT_TEST(resolves), KIT_TEST(takes_the_place_of_a_removal), KIT_TEST(errors_are_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

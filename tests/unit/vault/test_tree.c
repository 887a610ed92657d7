/* SPDX-License-Identifier: Apache-2.0 */
/* Names: listings over pages, odd keys, folders. */
#include "kit.h"

#include "vault/run.h"
#include "vault/tree.h"
#include "vault/vault_private.h"

#include <errno.h>
#include <stdio.h>

static void raw(struct kit *k, const char *key)
{
	kit_raw_put(k->bucket, key, "plain", 5);
}

static struct tree_listing list(struct kit *k, const char *path)
{
	struct tree_listing l;

	assert_int_equal(tree_list(k->v, path, &l, NULL), 0);
	return l;
}

static void expect_names(struct kit *k, const char *path, const char *wanted)
{
	struct tree_listing l = list(k, path);
	char names[2000] = "";

	for (size_t i = 0; i < l.count; i++) {
		size_t n = strlen(names);

		snprintf(names + n, sizeof(names) - n, "%s%s%s", i ? " " : "", l.entries[i].name, l.entries[i].folder ? "/" : "");
	}
	assert_string_equal(names, wanted);
	tree_listing_free(&l);
}

static struct trailer folder_attrs(struct kit *k)
{
	struct trailer t;

	trailer_fresh(k->v, &t, ENTRY_FOLDER, STATE_CLOSED, 0750, 5, 6);
	return t;
}

static void lists_one_level(void **state)
{
	struct kit *k = *state;
	struct tree_listing l;

	object_unref(kit_file(k, "backups/acme/a", 70000, 1));
	raw(k, "backups/acme/a.txt");
	raw(k, "backups/acme/a0/x/y/z");
	raw(k, "backups/acme/zz/1");
	raw(k, "backups/acme/zz/2");
	raw(k, "backups/acmex/other");
	expect_names(k, "acme", "a a.txt a0/ zz/");
	expect_names(k, "acme/a0", "x/");
	expect_names(k, "acme/zz", "1 2");
	expect_names(k, "", "acme/ acmex/"); /* .pishop is not shown */
	l = list(k, "acme");
	assert_true(l.exists);
	assert_false(l.marker);
	assert_int_equal(l.entries[0].size, 70000);
	assert_int_equal(l.entries[0].length, object_length(70000));
	assert_int_equal(strlen(l.entries[0].etag), 32);
	assert_true(l.entries[0].modified > 1700000000);
	assert_int_equal(l.entries[1].size, 5); /* no file of ours has that length */
	assert_int_equal(l.entries[2].length, 0);
	tree_listing_free(&l);
	l = list(k, "nothing/here");
	assert_false(l.exists);
	assert_int_equal(l.count, 0);
	tree_listing_free(&l);
	l = list(k, "");
	assert_true(l.exists && l.marker);
	tree_listing_free(&l);
}

static void lists_all_pages(void **state)
{
	struct kit *k = *state;
	struct tree_listing l;
	char key[64];

	for (int i = 0; i < 57; i++) { /* pages of 10 */
		snprintf(key, sizeof(key), i % 3 ? "backups/acme/d/%03d" : "backups/acme/d/%03d/x", i);
		raw(k, key);
	}
	l = list(k, "acme/d");
	assert_int_equal(l.count, 57);
	for (int i = 0; i < 57; i++) {
		snprintf(key, sizeof(key), "%03d", i);
		assert_string_equal(l.entries[i].name, key);
		assert_int_equal(l.entries[i].folder, i % 3 == 0);
	}
	tree_listing_free(&l);
	/* a page that fails leaves nothing, least of all half a listing */
	struct fault_rule rule = { .op = STORE_LIST, .skip = 3, .times = 1, .action = FAULT_FAIL, .error = EREMOTEIO };

	assert_int_equal(fault_store_add(k->fault, &rule), 0);
	assert_int_equal(tree_list(k->v, "acme/d", &l, NULL), EREMOTEIO);
	assert_null(l.entries);
	assert_int_equal(l.count, 0);
	assert_false(l.exists);
}

static void sorts_by_name(void **state)
{
	struct kit *k = *state;

	raw(k, "backups/acme/d-1"); /* "-" and "." sort before "/" in the store, and after the name's end here */
	raw(k, "backups/acme/d/x");
	raw(k, "backups/acme/d.tar");
	raw(k, "backups/acme/d0");
	expect_names(k, "acme", "d/ d-1 d.tar d0");
}

static void file_and_folder_of_one_name(void **state)
{
	struct kit *k = *state;

	raw(k, "backups/acme/n");
	raw(k, "backups/acme/n/x");
	raw(k, "backups/acme/n.z");
	raw(k, "backups/acme/o");
	kit_log_begin();
	expect_names(k, "acme", "n/ n.z o");
	char *log = kit_log_end();

	assert_non_null(strstr(log, "is both a file and a folder"));
	free(log);
}

/* A store behind which others write: keys that no path has. The memory store refuses them, so a layer makes them up. */
static int odd_list(struct store *s, const char *prefix, char delimiter, const char *token, uint32_t max, struct store_page *page,
		    struct store_call *call)
{
	static const char *const odd[] = { "backups/acme//", "backups/acme/../", "backups/acme/.", "backups/acme/..", "backups/acme/fine" };

	*page = (struct store_page){ .objects = calloc(ARRAY_LEN(odd), sizeof(struct store_object)), .count = ARRAY_LEN(odd) };
	for (size_t i = 0; i < page->count; i++) {
		page->objects[i].key = strdup(odd[i]);
		page->objects[i].prefix = i < 2;
	}
	return 0;
}

static void names_that_are_none(void **state)
{
	struct kit *k = *state;
	const struct store_ops *saved = k->v->store->ops;
	struct store_ops ops = *saved;

	ops.list = odd_list;
	k->v->store->ops = &ops;
	kit_log_begin();
	expect_names(k, "acme", "fine");
	char *log = kit_log_end();

	k->v->store->ops = saved;
	assert_non_null(strstr(log, "cannot be a file name"));
	free(log);
}

static void folders(void **state)
{
	struct kit *k = *state;
	struct trailer t = folder_attrs(k), back;
	struct object *o;
	struct tree_listing l;

	t.type = ENTRY_FILE; /* not the caller's to say */
	assert_int_equal(tree_make_folder(k->v, "acme", &t, &o), 0);
	object_unref(o);
	assert_int_equal(tree_make_folder(k->v, "acme", &t, NULL), EEXIST);
	assert_int_equal(tree_make_folder(k->v, "acme/x", &t, NULL), 0);
	assert_int_equal(tree_make_folder(k->v, "", &t, NULL), EEXIST);
	assert_int_equal(tree_load_folder(k->v, "acme/x", &o, NULL), 0);
	object_attrs(o, &back);
	assert_int_equal(back.type, ENTRY_FOLDER);
	assert_int_equal(back.mode, 0750);
	assert_int_equal(back.uid, 5);
	object_unref(o);
	assert_int_equal(tree_load_folder(k->v, "acme/y", &o, NULL), ENOENT);
	assert_null(o);
	assert_int_equal(tree_load_folder(k->v, "", &o, NULL), ENOENT);
	l = list(k, "acme/x");
	assert_true(l.marker && l.exists);
	assert_int_equal(l.count, 0);
	assert_int_equal(strlen(l.marker_etag), 32);
	tree_listing_free(&l);
	expect_names(k, "acme", "x/");
}

static void make_folder_lost_reply(void **state)
{
	struct kit *k = *state;
	struct trailer t = folder_attrs(k);

	kit_fault(k, STORE_PUT, "backups/acme/", 0, 0, FAULT_LOSE_REPLY, ETIMEDOUT);
	assert_int_equal(tree_make_folder(k->v, "acme", &t, NULL), 0);
}

static void emptiness(void **state)
{
	struct kit *k = *state;
	struct trailer t = folder_attrs(k);
	bool empty = false;

	assert_int_equal(tree_empty(k->v, "", &empty, NULL), 0);
	assert_true(empty); /* but for .pishop */
	assert_int_equal(tree_make_folder(k->v, "acme", &t, NULL), 0);
	assert_int_equal(tree_empty(k->v, "acme", &empty, NULL), 0);
	assert_true(empty);
	assert_int_equal(tree_empty(k->v, "", &empty, NULL), 0);
	assert_false(empty);
	raw(k, "backups/acme/x/y/z");
	raw(k, "backups/acmex");

	uint64_t before = kit_all_calls(k);

	assert_int_equal(tree_empty(k->v, "acme", &empty, NULL), 0);
	assert_false(empty);
	assert_int_equal(kit_all_calls(k) - before, 1);
	kit_raw_remove(k->bucket, "backups/acme/");
	assert_int_equal(tree_empty(k->v, "acme", &empty, NULL), 0); /* implied */
	assert_false(empty);
	kit_raw_remove(k->bucket, "backups/acme/x/y/z");
	assert_int_equal(tree_empty(k->v, "acme", &empty, NULL), 0);
	assert_true(empty);
	/* what cannot be seen is not empty */
	kit_fault(k, STORE_LIST, "acme", 0, 1, FAULT_FAIL, EACCES);
	empty = true;
	assert_int_equal(tree_empty(k->v, "acme", &empty, NULL), EACCES);
	assert_false(empty);
}

static void emptiness_and_waiting_removals(void **state)
{
	struct kit *k = *state;
	char path[64], key[80];
	bool empty;

	for (int i = 0; i < 13; i++) {
		snprintf(path, sizeof(path), "acme/d/%02d", i);
		snprintf(key, sizeof(key), "backups/%s", path);
		raw(k, key);
		if (i < 12)
			assert_int_equal(tree_remove_later(k->v, path, false), 0);
	}
	assert_int_equal(tree_empty(k->v, "acme/d", &empty, NULL), 0);
	assert_false(empty);
	assert_int_equal(tree_remove_later(k->v, "acme/d/12", false), 0);
	assert_int_equal(tree_empty(k->v, "acme/d", &empty, NULL), 0);
	assert_true(empty);
	/* a removal that fails leaves it full */
	raw(k, "backups/acme/d/x");
	assert_int_equal(tree_remove_later(k->v, "acme/d/x", false), 0);
	kit_fault(k, STORE_REMOVE, NULL, 0, 1, FAULT_FAIL, EACCES);
	empty = true;
	assert_int_equal(tree_empty(k->v, "acme/d", &empty, NULL), EACCES);
	assert_false(empty);
}

static void names_too_long(void **state)
{
	struct kit *k = *state;
	struct trailer t = folder_attrs(k);
	struct tree_listing l;
	struct object *o;
	char path[PATH_CAP];
	bool empty;

	memset(path, 'x', sizeof(path));
	for (size_t i = 100; i < sizeof(path); i += 100)
		path[i] = '/';
	path[1020] = '\0';
	assert_int_equal(tree_make_folder(k->v, path, &t, NULL), ENAMETOOLONG);
	assert_int_equal(tree_load_folder(k->v, path, &o, NULL), ENAMETOOLONG);
	assert_int_equal(tree_list(k->v, path, &l, NULL), ENAMETOOLONG);
	assert_int_equal(tree_empty(k->v, path, &empty, NULL), ENAMETOOLONG);
	assert_int_equal(tree_remove_later(k->v, path, false), ENAMETOOLONG);
}

/* ---- a server whose listing does not come to an end */

static const struct store_ops *real_ops;
static unsigned pages_asked;
static bool empty_pages;

/* Two tokens in turn, for ever. */
static int list_for_ever(struct store *s, const char *prefix, char delimiter, const char *token, uint32_t max, struct store_page *page,
			 struct store_call *call)
{
	int rc = real_ops->list(s, prefix, delimiter, NULL, 2, page, call);

	pages_asked++;
	if (rc)
		return rc;
	if (empty_pages)
		store_page_free(page);
	free(page->next);
	page->next = strdup(pages_asked % 2 ? "A" : "B");
	return 0;
}

static void a_listing_without_an_end_is_an_error(void **state)
{
	struct kit *k = *state;
	struct store *s = vault_store(k->v);
	struct store_ops ops = *s->ops;

	kit_raw_put(k->bucket, "backups/acme/d/a", "x", 1);
	kit_raw_put(k->bucket, "backups/acme/d/b", "x", 1);
	real_ops = s->ops;
	ops.list = list_for_ever;
	for (int i = 0; i < 2; i++) {
		struct tree_listing l;

		empty_pages = i;
		pages_asked = 0;
		s->ops = &ops;
		int rc = tree_list(k->v, "acme/d", &l, NULL);

		s->ops = real_ops;
		assert_int_equal(rc, EBADMSG);
		assert_true(pages_asked <= (i ? 1002 : 2));
	}
}

/* ---- a folder at the name of a removed file, in a bucket that keeps versions */

static size_t versions_of(struct kit *k, const char *prefix)
{
	struct store *raw_store = kit_bucket_raw(k->bucket);
	struct store_versions page = { 0 };
	struct store_call call = { 0 };

	assert_int_equal(raw_store->ops->versions(raw_store, prefix, NULL, 0, &page, &call), 0);
	size_t count = page.count;

	store_versions_free(&page);
	return count;
}

static void write_and_remove(struct kit *k, const char *key, int times)
{
	for (int i = 0; i < times; i++) {
		raw(k, key);
		kit_raw_remove(k->bucket, key);
	}
}

static void what_hides_a_folder_goes(void **state)
{
	struct kit *k = *state;
	struct trailer t = folder_attrs(k);

	mem_store_keep_versions(kit_bucket_raw(k->bucket));
	write_and_remove(k, "backups/acme/d", 13); /* more than a page of ten */
	write_and_remove(k, "backups/acme/d2", 1);
	raw(k, "backups/acme/d.txt");
	assert_int_equal(tree_make_folder(k->v, "acme/d", &t, NULL), 0);
	assert_int_equal(versions_of(k, "backups/acme/d"), 1 + 2 + 1);
	expect_names(k, "acme", "d/ d.txt");
}

static void what_hides_a_folder_and_may_not_go(void **state)
{
	struct kit *k = *state;
	struct trailer t = folder_attrs(k);

	mem_store_keep_versions(kit_bucket_raw(k->bucket));
	write_and_remove(k, "backups/acme/d", 1);
	kit_fault(k, STORE_REMOVE_VERSIONS, "", 0, 1, FAULT_FAIL, EACCES);
	assert_int_equal(tree_make_folder(k->v, "acme/d", &t, NULL), EACCES);
	expect_names(k, "acme", "");
	assert_int_equal(tree_make_folder(k->v, "acme/d", &t, NULL), 0);
	raw(k, "backups/acme/e");
	assert_int_equal(tree_make_folder(k->v, "acme/e", &t, NULL), EEXIST);
	expect_names(k, "acme", "d/ e");
}

static void no_versions_no_requests(void **state)
{
	struct kit *k = *state;
	struct trailer t = folder_attrs(k);
	uint64_t before;

	assert_int_equal(tree_make_folder(k->v, "acme/a", &t, NULL), 0);
	before = kit_all_calls(k);
	assert_int_equal(tree_make_folder(k->v, "acme/b", &t, NULL), 0);
	assert_int_equal(kit_all_calls(k) - before, 1);
}

int main(void)
{
#define KIT_TEST(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)
	const struct CMUnitTest tests[] = {
		KIT_TEST(lists_one_level), KIT_TEST(lists_all_pages), KIT_TEST(sorts_by_name), KIT_TEST(file_and_folder_of_one_name),
		KIT_TEST(names_that_are_none), KIT_TEST(folders), KIT_TEST(make_folder_lost_reply), KIT_TEST(emptiness),
		KIT_TEST(emptiness_and_waiting_removals), KIT_TEST(names_too_long), KIT_TEST(a_listing_without_an_end_is_an_error),
		KIT_TEST(what_hides_a_folder_goes), KIT_TEST(what_hides_a_folder_and_may_not_go), KIT_TEST(no_versions_no_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

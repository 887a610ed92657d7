/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fs/node.h"

#include <stdio.h>

/* Nodes here are only addresses. The first letter of an etag says what a node is: "same" compares it with the node's name. */
static struct node nodes[4];
static struct node *lost_nodes[8];
static size_t lost_count;

static bool same(const struct node *node, const struct tree_entry *listed)
{
	return node->name && node->name[0] == listed->etag[0];
}

static bool keep(const struct node *node)
{
	return node->content != NULL;
}

static void lost(void *arg, struct node *node)
{
	(void)arg;
	lost_nodes[lost_count++] = node;
}

static const struct dir_watch watch = { same, keep, lost, NULL };

static int setup(void **state)
{
	memset(nodes, 0, sizeof(nodes));
	lost_count = 0;
	*state = dir_new(NULL, false, 0);
	return *state == NULL;
}

static int teardown(void **state)
{
	dir_free(*state);
	return 0;
}

/* names: "a:x b/:y" - name, "/" for folders, etag. */
static void listing_of(const char *names, struct tree_listing *out)
{
	static struct tree_entry entries[8];
	static char texts[8][16];
	int used = 0;

	*out = (struct tree_listing){ .entries = entries, .exists = true };
	while (sscanf(names, " %15s%n", texts[out->count], &used) == 1) {
		struct tree_entry *e = &entries[out->count];
		char *colon = strchr(texts[out->count], ':');

		names += used;
		*e = (struct tree_entry){ .etag = colon + 1, .length = 1000, .size = 200, .modified = 7 };
		e->folder = colon[-1] == '/';
		colon[e->folder ? -1 : 0] = '\0';
		e->name = strdup(texts[out->count]); /* the merge takes it, or leaves it */
		out->count++;
	}
}

static void merge(struct dir *d, uint64_t stamp, const char *names, int64_t now)
{
	struct tree_listing l;

	listing_of(names, &l);
	assert_int_equal(dir_merge(d, stamp, &l, now, &watch), 0);
	for (size_t i = 0; i < l.count; i++)
		free(l.entries[i].name);
}

static enum dir_answer find(struct dir *d, const char *name, int64_t now)
{
	struct dir_entry *e;

	return dir_find(d, name, now, &e);
}

static void unknown_until_listed(void **state)
{
	struct dir *d = *state;

	assert_int_equal(find(d, "a", 1000), DIR_ASK);
	assert_false(dir_fresh(d, 1000));
	merge(d, dir_list_begin(d), "a:x b/:y", 1000);
	assert_int_equal(find(d, "a", 1000), DIR_THERE);
	assert_int_equal(find(d, "c", 1000 + DIR_FRESH_MS - 1), DIR_ABSENT);
	assert_int_equal(find(d, "c", 1000 + DIR_FRESH_MS), DIR_ASK);
	assert_int_equal(find(d, "a", 1000 + DIR_FRESH_MS), DIR_ASK);
	assert_int_equal(dir_count(d), 2);
	assert_true(dir_readable(d, 1000 + DIR_READ_MS - 1)); /* who reads all names sees those of others sooner */
	assert_false(dir_readable(d, 1000 + DIR_READ_MS));
	dir_expire(d);
	assert_int_equal(find(d, "a", 1001), DIR_ASK);
	assert_false(dir_readable(d, 1001));
}

/* Single names are known without limit; whether there are others, which another mount may have written, only for a while. */
static void made_is_known_without_limit(void **state)
{
	struct dir *d = dir_new(NULL, true, 1000);

	(void)state;
	assert_true(dir_fresh(d, 1000 + DIR_FRESH_MS - 1));
	assert_false(dir_fresh(d, 1000 + DIR_FRESH_MS));
	assert_true(dir_readable(d, 1000 + DIR_FRESH_MS - 1));
	assert_false(dir_readable(d, 1000 + DIR_FRESH_MS));
	assert_int_equal(find(d, "a", INT64_MAX), DIR_ABSENT);
	assert_int_equal(dir_count(d), 0);
	assert_non_null(dir_put(d, "a", false, NULL));
	assert_int_equal(find(d, "a", INT64_MAX), DIR_THERE);
	dir_drop(d, "a");
	assert_int_equal(find(d, "a", INT64_MAX), DIR_ABSENT);
	assert_int_equal(dir_count(d), 0);
	dir_expire(d);
	assert_int_equal(find(d, "a", 0), DIR_ASK);
	dir_free(d);
}

static void changes_win_over_a_listing_under_way(void **state)
{
	struct dir *d = *state;
	uint64_t stamp;

	merge(d, dir_list_begin(d), "old:x stays:x", 1000);
	stamp = dir_list_begin(d);
	dir_put(d, "new", false, NULL);      /* the listing may not have seen it */
	dir_drop(d, "old");                  /* or may still have seen this */
	assert_int_equal(dir_count(d), 2);
	merge(d, stamp, "old:x stays:x", 2000);
	assert_int_equal(find(d, "new", 2000), DIR_THERE);
	assert_int_equal(find(d, "old", 2000), DIR_ABSENT);
	assert_int_equal(dir_count(d), 2);

	merge(d, dir_list_begin(d), "old:x stays:x", 3000); /* but the next listing is believed */
	assert_int_equal(find(d, "new", 3000), DIR_ABSENT);
	assert_int_equal(find(d, "old", 3000), DIR_THERE);
}

static void a_failed_listing_changes_nothing(void **state)
{
	struct dir *d = *state;

	merge(d, dir_list_begin(d), "a:x b:x", 1000);
	dir_list_begin(d);
	dir_drop(d, "a");
	dir_list_failed(d);
	assert_int_equal(find(d, "a", 1001), DIR_ABSENT);
	assert_int_equal(find(d, "b", 1001), DIR_THERE);
	assert_int_equal(dir_count(d), 1);
}

static void two_listings_at_once(void **state)
{
	struct dir *d = *state;
	uint64_t first, second;

	merge(d, dir_list_begin(d), "a:x", 1000);
	first = dir_list_begin(d);
	dir_drop(d, "a");
	second = dir_list_begin(d);
	merge(d, second, "", 2000);
	merge(d, first, "a:x b:x", 1500); /* began before the removal, comes last: an older truth */
	assert_int_equal(find(d, "a", 2000), DIR_ABSENT);
	assert_int_equal(find(d, "b", 2000), DIR_ABSENT);
}

static void nodes_are_lost_and_kept(void **state)
{
	struct dir *d = *state;
	struct dir_entry *e;

	merge(d, dir_list_begin(d), "changed:x gone:x open:x same:x", 1000);
	for (int i = 0; i < 4; i++) {
		static const char *const names[] = { "changed", "gone", "open", "same" };
		static char x[] = "x";

		dir_find(d, names[i], 1000, &e);
		e->node = &nodes[i];
		nodes[i].name = x;
	}
	nodes[2].content = (struct content *)&nodes; /* open for writing: not in the bucket yet */
	merge(d, dir_list_begin(d), "changed:y same:x", 2000);
	assert_int_equal(lost_count, 2);
	assert_true((lost_nodes[0] == &nodes[0] && lost_nodes[1] == &nodes[1]) || (lost_nodes[0] == &nodes[1] && lost_nodes[1] == &nodes[0]));
	dir_find(d, "changed", 2000, &e);
	assert_null(e->node);
	dir_find(d, "same", 2000, &e);
	assert_ptr_equal(e->node, &nodes[3]);
	assert_int_equal(find(d, "gone", 2000), DIR_ABSENT);
	assert_int_equal(find(d, "open", 2000), DIR_THERE);
}

static void forgetting_a_node_keeps_the_name(void **state)
{
	struct dir *d = *state;
	struct dir_entry *e;

	merge(d, dir_list_begin(d), "a:x", 1000);
	dir_find(d, "a", 1000, &e);
	e->node = &nodes[0];
	dir_forget_node(d, "a", &nodes[1]); /* another's */
	assert_ptr_equal(e->node, &nodes[0]);
	dir_forget_node(d, "a", &nodes[0]);
	assert_null(e->node);
	assert_int_equal(find(d, "a", 1000), DIR_THERE);
	dir_touch(d, "a");
	assert_int_equal(e->length, 0);
}

static void snapshots_are_sorted_and_stay(void **state)
{
	struct dir *d = *state;
	struct dir_names *n;

	merge(d, dir_list_begin(d), "b/:x d:x", 1000);
	dir_put(d, "c", false, NULL);
	dir_put(d, "a", true, NULL);
	n = dir_snapshot(d);
	dir_drop(d, "c");
	dir_put(d, "e", false, NULL);
	assert_int_equal(n->count, 4);
	assert_string_equal(n->names[0].name, "a");
	assert_string_equal(n->names[1].name, "b");
	assert_true(n->names[1].folder);
	assert_string_equal(n->names[2].name, "c");
	assert_string_equal(n->names[3].name, "d");
	assert_int_equal(n->names[3].size, 200);
	assert_int_equal(dir_names_find(n, "d"), 3);
	assert_int_equal(dir_names_find(n, "a"), 0);
	assert_int_equal(dir_names_find(n, "bb"), n->count);
	dir_names_unref(n);
}

static void put_many(struct dir *d, int count)
{
	char name[16];

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "n%03d", i);
		dir_put(d, name, false, NULL);
	}
}

static void looking_ahead(void **state)
{
	struct dir *d = *state;
	size_t from, to, loaded = 0;
	char name[16];

	assert_null(dir_ahead(d, "n000", &from, &to)); /* never read */
	put_many(d, 300);
	dir_names_unref(dir_snapshot(d));
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "n%03d", i);
		if (!dir_ahead(d, name, &from, &to))
			continue;
		assert_true(from >= (size_t)i + 1);
		assert_true(to <= (size_t)i + 1 + 64);
		assert_true(from >= loaded && to > from); /* nothing twice */
		loaded = to;
	}
	assert_int_equal(loaded, 300);
	assert_null(dir_ahead(d, "nowhere", &from, &to));
}

static void not_ahead_at_random(void **state)
{
	struct dir *d = *state;
	size_t from, to;

	put_many(d, 300);
	dir_names_unref(dir_snapshot(d));
	assert_null(dir_ahead(d, "n150", &from, &to));
	assert_int_equal(to, 0);
	assert_null(dir_ahead(d, "n020", &from, &to));
	assert_non_null(dir_ahead(d, "n021", &from, &to)); /* the second in order */
	assert_int_equal(from, 22);
	assert_int_equal(to, 30);
	assert_non_null(dir_ahead(d, "n024", &from, &to)); /* two were known already */
	dir_expire(d);
	assert_null(dir_ahead(d, "n025", &from, &to));
}

/* ---- memory */

static void shrinks_to_what_is_in_use(void **state)
{
	struct dir *d = *state;
	struct dir_entry *e;
	uint64_t stamp;

	merge(d, dir_list_begin(d), "a:x b/:y c:z", 1000);
	dir_find(d, "b", 1000, &e);
	e->node = &nodes[0];
	nodes[0].name = (char[]){ "y" };
	stamp = dir_list_begin(d);
	assert_int_equal(dir_shrink(d, SIZE_MAX), 0); /* what it brings would be compared with nothing */
	merge(d, stamp, "a:x b/:y c:z", 1001);
	assert_true(dir_shrink(d, 0) > 2 * sizeof(struct dir_entry));
	assert_int_equal(dir_count(d), 1);
	assert_int_equal(find(d, "b", 1002), DIR_ASK);
	assert_int_equal(find(d, "a", 1002), DIR_ASK); /* never absent */
	assert_false(dir_fresh(d, 1002));
	assert_int_equal(dir_shrink(d, 0), 0);
}

static void what_was_made_here_stays_where_it_is_large(void **state)
{
	struct dir *d = dir_new(NULL, true, 1000);

	(void)state;
	put_many(d, 10);
	assert_int_equal(dir_shrink(d, 0), 0);
	assert_int_equal(dir_shrink(d, 10 * sizeof(struct dir_entry)), 0);
	assert_int_equal(find(d, "n001", 2000), DIR_THERE);
	assert_true(dir_shrink(d, 1u << 20) > 0);
	assert_int_equal(find(d, "n001", 2000), DIR_ASK);
	dir_free(d);
}

/* Everything that is counted is given back, and a snapshot for which there is no room is none. */
static void counts_what_it_holds(void **state)
{
	const uint32_t floors[SLAB_SIDES] = { 0 };
	struct slabs *s = slabs_new(2, floors);
	struct tally *t = tally_new(s, SLAB_NAMES, 2);
	struct dir *d = dir_new(t, true, 1000);
	struct dir_names *n;
	size_t before;

	(void)state;
	put_many(d, 500);
	before = tally_bytes(t);
	assert_true(before >= 500 * (sizeof(struct dir_entry) + 32));
	n = dir_snapshot(d);
	assert_non_null(n);
	assert_true(tally_bytes(t) >= before + 500 * sizeof(struct dir_name));
	dir_expire(d);
	dir_names_unref(n);
	assert_int_equal(tally_bytes(t), before);
	tally_force(t, 30000);
	assert_null(dir_snapshot(d));
	tally_sub(t, 30000);
	dir_drop(d, "n001");
	assert_true(tally_bytes(t) < before);
	dir_free(d);
	assert_int_equal(tally_bytes(t), 0);
	tally_free(t);
	slabs_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(unknown_until_listed, setup, teardown),
		cmocka_unit_test_setup_teardown(made_is_known_without_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(changes_win_over_a_listing_under_way, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failed_listing_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(two_listings_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(nodes_are_lost_and_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(forgetting_a_node_keeps_the_name, setup, teardown),
		cmocka_unit_test_setup_teardown(snapshots_are_sorted_and_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(looking_ahead, setup, teardown),
		cmocka_unit_test_setup_teardown(not_ahead_at_random, setup, teardown),
		cmocka_unit_test_setup_teardown(shrinks_to_what_is_in_use, setup, teardown),
		cmocka_unit_test(what_was_made_here_stays_where_it_is_large),
		cmocka_unit_test(counts_what_it_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

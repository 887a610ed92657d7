/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fs/node.h"

#include <errno.h>
#include <stdio.h>

static const struct path_rules rules = { .prefix = "backups", .key_max = 1024, .segment_max = 255 };
static struct node_table table;

static int setup(void **state)
{
	(void)state;
	return nodes_start(&table, &rules, NULL, "acme");
}

static int setup_tenants(void **state)
{
	(void)state;
	return nodes_start(&table, &rules, NULL, "");
}

static int teardown(void **state)
{
	(void)state;
	nodes_stop(&table);
	return 0;
}

static struct node *make(struct node *parent, const char *name, enum entry_type type)
{
	struct node *node = node_make(&table, parent, name, type);

	assert_non_null(node);
	return node_pin(node);
}

static void check_path(const struct node *node, const char *want)
{
	char path[PATH_CAP];

	assert_int_equal(node_path(&table, node, path), 0);
	assert_string_equal(path, want);
}

static void paths(void **state)
{
	struct node *d = make(table.root, "d", ENTRY_FOLDER), *e = make(d, "e", ENTRY_FOLDER), *f = make(e, "f", ENTRY_FILE);
	char path[PATH_CAP];

	(void)state;
	check_path(table.root, "acme");
	check_path(d, "acme/d");
	check_path(f, "acme/d/e/f");
	assert_int_equal(node_child_path(&table, e, "g", path), 0);
	assert_string_equal(path, "acme/d/e/g");
	assert_int_equal(node_child_path(&table, e, "a/b", path), EINVAL);
	node_detach(&table, f);
	assert_int_equal(node_path(&table, f, path), ESTALE);
}

static void paths_of_tenants(void **state)
{
	struct node *t = make(table.root, "t", ENTRY_FOLDER), *f = make(t, "f", ENTRY_FILE);
	char path[PATH_CAP];

	(void)state;
	check_path(table.root, "");
	check_path(t, "t");
	check_path(f, "t/f");
	assert_int_equal(node_child_path(&table, table.root, ".pishop", path), EPERM);
}

static void too_long(void **state)
{
	struct node *node = table.root;
	char name[201], path[PATH_CAP];
	int rc = 0;

	(void)state;
	memset(name, 'n', 200);
	name[200] = '\0';
	for (int i = 0; i < 8 && !rc; i++) {
		rc = node_child_path(&table, node, name, path);
		node = rc ? node : make(node, name, ENTRY_FOLDER);
	}
	assert_int_equal(rc, ENAMETOOLONG);
}

static void numbers(void **state)
{
	struct node *a = make(table.root, "a", ENTRY_FILE), *b, *c;
	uint64_t id = a->id, ino = a->ino;

	(void)state;
	assert_int_equal(table.root->id, 1);
	assert_ptr_equal(node_by_id(&table, id), a);
	assert_int_equal(node_ino_of(&table, table.root, "a"), ino);
	assert_int_equal(node_move(&table, a, table.root, "b"), 0);
	assert_int_equal(a->ino, ino);                 /* keeps its number when it moves */
	b = make(table.root, "a", ENTRY_FILE);         /* and nobody else has it meanwhile */
	assert_int_not_equal(b->ino, ino);
	assert_int_not_equal(b->id, id);
	node_detach(&table, a);
	node_unpin(&table, a);
	assert_null(node_by_id(&table, id));
	c = make(table.root, "b", ENTRY_FILE);
	assert_true(c->id > b->id);                    /* ids are never used again */
}

static void lives_while_used(void **state)
{
	struct node *a = make(table.root, "a", ENTRY_FILE);
	uint64_t id = a->id;

	(void)state;
	a->nlookup = 2;
	node_unpin(&table, a);
	assert_ptr_equal(node_by_id(&table, id), a);
	node_forget(&table, a, 1);
	assert_ptr_equal(node_by_id(&table, id), a);
	a->known = true;
	node_forget(&table, a, 5); /* more than it has: a kernel's mistake does no harm */
	assert_ptr_equal(node_by_id(&table, id), a); /* idle, and remembered */
	a->known = false;
	node_review(&table, a);
	assert_null(node_by_id(&table, id)); /* nothing to remember */
}

static void a_folder_lives_while_it_has_children(void **state)
{
	struct node *d = make(table.root, "d", ENTRY_FOLDER), *f = make(d, "f", ENTRY_FILE);
	uint64_t id = d->id;

	(void)state;
	node_unpin(&table, d);
	assert_ptr_equal(node_by_id(&table, id), d);
	check_path(f, "acme/d/f");
	node_detach(&table, f);
	assert_null(node_by_id(&table, id));
	node_unpin(&table, f);
}

static void remembers_so_many(void **state)
{
	struct node *pinned = NULL;
	struct dir_entry *e;
	char name[16];
	uint64_t first = 0;

	(void)state;
	for (unsigned i = 0; i < NODES_IDLE + 10; i++) {
		struct node *node;

		snprintf(name, sizeof(name), "%u", i);
		node = make(table.root, name, ENTRY_FILE);
		node->known = true;
		first = first ? first : node->id;
		node_unpin(&table, node);
		if (i == 1)
			pinned = node_pin(node); /* used again while it is in the list of idle ones */
	}
	assert_true(table.idle <= NODES_IDLE);
	assert_null(node_by_id(&table, first));
	assert_ptr_equal(node_by_id(&table, first + 1), pinned);
	dir_find(table.root->dir, "0", 0, &e);
	assert_null(e->node); /* the name stays */
	dir_find(table.root->dir, "1", 0, &e);
	assert_ptr_equal(e->node, pinned);
	node_unpin(&table, pinned);
}

static void moves(void **state)
{
	struct node *d = make(table.root, "d", ENTRY_FOLDER), *e = make(table.root, "e", ENTRY_FOLDER), *f = make(d, "f", ENTRY_FILE);
	struct dir_entry *entry;

	(void)state;
	assert_int_equal(node_move(&table, f, e, "g"), 0);
	check_path(f, "acme/e/g");
	assert_int_equal(dir_count(d->dir), 0);
	dir_find(e->dir, "g", 0, &entry);
	assert_ptr_equal(entry->node, f);
	assert_int_equal(node_move(&table, e, d, "sub"), 0); /* with all below it */
	check_path(f, "acme/d/sub/g");
	assert_int_equal(table.root->children, 1);
}

static void something_else_under_the_same_name(void **state)
{
	struct node *old = make(table.root, "a", ENTRY_FILE), *new;
	struct dir_entry *e;

	(void)state;
	new = make(table.root, "a", ENTRY_FOLDER);
	assert_true(old->stale);
	assert_null(old->parent);
	dir_find(table.root->dir, "a", 0, &e);
	assert_ptr_equal(e->node, new);
	node_unpin(&table, old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(paths, setup, teardown),
		cmocka_unit_test_setup_teardown(paths_of_tenants, setup_tenants, teardown),
		cmocka_unit_test_setup_teardown(too_long, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(lives_while_used, setup, teardown),
		cmocka_unit_test_setup_teardown(a_folder_lives_while_it_has_children, setup, teardown),
		cmocka_unit_test_setup_teardown(remembers_so_many, setup, teardown),
		cmocka_unit_test_setup_teardown(moves, setup, teardown),
		cmocka_unit_test_setup_teardown(something_else_under_the_same_name, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

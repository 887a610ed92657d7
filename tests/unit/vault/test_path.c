/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/path.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static const struct path_rules rules = { "backups", 1024, 255 }, bare = { "", 1024, 255 };

static void names(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/", "a/" };
	static const char *const good[] = { "a", "...", ".a", "..a", "a.", "\xff\xfe", "a b", "\n", ".pishopfs" };
	char longest[257];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(path_check_name(&rules, bad[i]), EINVAL);
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(path_check_name(&rules, good[i]), 0);
	memset(longest, 'n', sizeof(longest));
	longest[255] = '\0';
	assert_int_equal(path_check_name(&rules, longest), 0);
	longest[255] = 'n';
	longest[256] = '\0';
	assert_int_equal(path_check_name(&rules, longest), ENAMETOOLONG);
}

static void joins(void **state)
{
	char out[PATH_CAP];

	assert_int_equal(path_join(&rules, out, "", "acme"), 0);
	assert_string_equal(out, "acme");
	assert_int_equal(path_join(&rules, out, out, "b"), 0); /* out may be the parent */
	assert_string_equal(out, "acme/b");
	assert_int_equal(path_join(&rules, out, "", ".pishop"), EPERM);
	assert_int_equal(path_join(&rules, out, "acme", ".pishop"), 0);
	assert_int_equal(path_join(&rules, out, "", ".pishopfs"), 0);
	assert_int_equal(path_join(&rules, out, "acme", ".."), EINVAL);
}

/* The key of the folder, slash included, must fit. */
static void join_stops_at_the_longest_key(void **state)
{
	char parent[PATH_CAP], out[PATH_CAP];
	size_t room = 1024 - strlen("backups/") - strlen("/x/");

	memset(parent, 'p', sizeof(parent));
	for (size_t i = 200; i < room; i += 200)
		parent[i] = '/';
	parent[room] = '\0';
	assert_int_equal(path_join(&rules, out, parent, "x"), 0);
	assert_int_equal(path_join(&rules, out, parent, "xx"), ENAMETOOLONG);
	assert_int_equal(path_join(&bare, out, parent, "xxxxxxxxx"), 0); /* "backups/" longer */
	assert_int_equal(path_join(&bare, out, parent, "xxxxxxxxxx"), ENAMETOOLONG);

	struct path_rules wide = { "backups", 5000, 255 }; /* PATH_CAP binds */

	memset(parent, 'p', sizeof(parent));
	parent[PATH_CAP - 3] = '\0';
	assert_int_equal(path_join(&wide, out, parent, "x"), ENAMETOOLONG);
}

static void keys(void **state)
{
	char out[PATH_CAP];

	assert_int_equal(path_key(&rules, out, "acme/x", false), 0);
	assert_string_equal(out, "backups/acme/x");
	assert_int_equal(path_key(&rules, out, "acme/x", true), 0);
	assert_string_equal(out, "backups/acme/x/");
	assert_int_equal(path_key(&rules, out, "", true), 0);
	assert_string_equal(out, "backups/");
	assert_int_equal(path_key(&rules, out, "", false), EINVAL);
	assert_int_equal(path_key(&bare, out, "", true), 0);
	assert_string_equal(out, "");
	assert_int_equal(path_key(&bare, out, "acme/x", false), 0);
	assert_string_equal(out, "acme/x");
	assert_int_equal(path_record_key(&rules, out, "acme", "run", "00ff"), 0);
	assert_string_equal(out, "backups/.pishop/t/acme/run/00ff");
	assert_int_equal(path_record_key(&bare, out, "acme", "run", "00ff"), 0);
	assert_string_equal(out, ".pishop/t/acme/run/00ff");

	struct path_rules tight = { "backups", 20, 255 };

	assert_int_equal(path_record_key(&tight, out, "acme", "run", "00ff"), ENAMETOOLONG);
	assert_int_equal(path_key(&tight, out, "acme/1234567", false), 0);
	assert_int_equal(path_key(&tight, out, "acme/1234567", true), ENAMETOOLONG);
}

static void pieces(void **state)
{
	char out[PATH_CAP];

	path_tenant(out, "acme/b/c");
	assert_string_equal(out, "acme");
	path_tenant(out, "acme");
	assert_string_equal(out, "acme");
	path_tenant(out, "");
	assert_string_equal(out, "");
	assert_string_equal(path_name("acme/b/c"), "c");
	assert_string_equal(path_name("acme"), "acme");
	assert_string_equal(path_name(""), "");
	path_parent(out, "acme/b/c");
	assert_string_equal(out, "acme/b");
	path_parent(out, out);
	assert_string_equal(out, "acme");
	path_parent(out, out);
	assert_string_equal(out, "");
}

static void inside(void **state)
{
	assert_true(path_inside("a", ""));
	assert_true(path_inside("", ""));
	assert_true(path_inside("a/b", "a/b"));
	assert_true(path_inside("a/b/c", "a/b"));
	assert_false(path_inside("a/bc", "a/b"));
	assert_false(path_inside("a", "a/b"));
	assert_false(path_inside("", "a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names), cmocka_unit_test(joins), cmocka_unit_test(join_stops_at_the_longest_key),
		cmocka_unit_test(keys), cmocka_unit_test(pieces), cmocka_unit_test(inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

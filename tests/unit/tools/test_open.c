/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/options.h"

#include <ftw.h>
#include <unistd.h>

/* From settings to an open vault, with a folder as the store: which exit code each refusal has, and that looking leaves nothing behind. */

#define KEY "BACKUP_ENCRYPTION_KEY=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define OTHER_KEY "BACKUP_ENCRYPTION_KEY=f00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static char folder[64];
static atomic_bool stop;

static int setup(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/pishopctl-XXXXXX");
	return mkdtemp(folder) ? 0 : 1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

static int teardown(void **state)
{
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Opens for that verb with one more argument, and closes. What was said stays in said. */
static char *said;

static int open_for(const struct verb *verb, const char *key, const char *store, const char *more)
{
	static char program[] = "pishopctl";
	char flag[128], argument[128], setting[128];
	char *argv[] = { program, flag, argument, NULL }, *environ_list[] = { setting, NULL };
	size_t count, len;
	AUTO_FREE struct conf_option *table = options_table(verb, &count);
	struct conf_input input = { .options = table, .count = count, .argc = 3, .argv = argv, .environ_list = environ_list };
	char error[256];
	struct tool t = { .verb = verb, .in = stdin, .out = stdout, .stop = &stop };

	free(said);
	t.err = open_memstream(&said, &len);
	snprintf(flag, sizeof(flag), "--store=dir:%s", store);
	snprintf(argument, sizeof(argument), "%s", more);
	snprintf(setting, sizeof(setting), "%s", key);
	if (conf_load(&input, &t.conf, error, sizeof(error)))
		fail_msg("%s", error);

	int code = tool_open(&t);

	assert_true((code == TOOL_DONE) == (t.vault != NULL));
	assert_int_equal(vault_close(t.vault), 0);
	conf_free(t.conf);
	fclose(t.err);
	return code;
}

static void put_layout(void)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/.pishop", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/.pishop/layout", folder);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("{\"format\": 1, \"layout\": 1}\n", f);
	fclose(f);
}

static void refusals(void **state)
{
	assert_int_equal(open_for(&verb_list, "X=", folder, "acme"), TOOL_USAGE);
	assert_non_null(strstr(said, "no encryption key"));
	assert_int_equal(open_for(&verb_list, KEY, "not-absolute", "acme"), TOOL_USAGE);
	assert_int_equal(open_for(&verb_list, KEY, "/tmp/there-is-no-such-folder", "acme"), TOOL_NO_STORE);
	assert_non_null(strstr(said, "no such folder"));
}

/* Who would change something makes no layout by a mistyped name, and has the verb's own code for that. */
static void without_a_layout(void **state)
{
	assert_int_equal(open_for(&verb_list, KEY, folder, "acme"), TOOL_DONE);
	assert_int_equal(open_for(&verb_seal, KEY, folder, "acme/x"), TOOL_FAILED);
	assert_non_null(strstr(said, "there is no marker"));
	assert_int_equal(open_for(&verb_retention_apply, KEY, folder, "acme"), 27);
	assert_int_equal(open_for(&verb_retention_apply, KEY, folder, "--dry-run"), TOOL_DONE);
	assert_int_equal(rmdir(folder), 0); /* nothing was left */
	assert_int_equal(mkdir(folder, 0700), 0);
}

static void keys_and_limits(void **state)
{
	put_layout();
	assert_int_equal(open_for(&verb_seal, KEY, folder, "acme/x"), TOOL_DONE);
	assert_int_equal(open_for(&verb_list, KEY, folder, "--limit=1M"), TOOL_DONE);
	assert_int_equal(open_for(&verb_list, OTHER_KEY, folder, "acme"), TOOL_WRONG_KEY);
	assert_int_equal(open_for(&verb_seal, OTHER_KEY, folder, "acme/x"), TOOL_WRONG_KEY);
	assert_int_equal(open_for(&verb_seal, OTHER_KEY, folder, "--accept-new-key"), TOOL_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_layout, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_and_limits, setup, teardown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(said);
	return failed;
}

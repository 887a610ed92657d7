/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_vault.h"

#include "tools/options.h"
#include "tools/say.h"

#include <errno.h>
#include <unistd.h>

/* Finding verbs, checking arguments, help, exit codes of opening and closing. */

static void verbs_are_found_wherever_they_stand(void **state)
{
	fake_run(TOOL_DONE, "list", NULL);
	fake_run(TOOL_DONE, "--store", "dir:/x", "list", "acme", NULL);
	fake_run(TOOL_DONE, "--store=dir:/x", "-s", "dir:/y", "--log-level", "error", "list", "acme", NULL);
	fake_run(TOOL_DONE, "-sdir:/x", "retention", "plan", "acme", NULL);
	fake_run(TOOL_DONE, "retention", "plan", "--json", "acme", NULL);
	fake_run(TOOL_DONE, "--", "list", "acme", NULL);
}

static void what_is_no_verb_is_refused(void **state)
{
	fake_run(TOOL_USAGE, "lsit", NULL);
	assert_err("pishopctl: lsit: there is no such verb");
	fake_run(TOOL_USAGE, "retention", NULL);
	assert_err("retention: needs one of: plan, apply, policy");
	fake_run(TOOL_USAGE, "retention", "--json", NULL);
	assert_err("retention: needs one of");
	fake_run(TOOL_USAGE, "retention", "aply", NULL);
	assert_err("retention aply: there is no such verb; retention knows: plan, apply, policy");
	fake_run(TOOL_USAGE, NULL);
	assert_err("no verb is given");
	fake_run(TOOL_USAGE, "--json", NULL); /* only the verbs that have it take it */
	fake_run(TOOL_USAGE, "seal", NULL);
	assert_err("seal: too few arguments; usage: pishopctl seal [options] TENANT/BACKUP...");
	fake_run(TOOL_USAGE, "audit", "show", "acme", "beta", NULL);
	assert_err("too many");
	fake_run(TOOL_USAGE, "version", "now", NULL);
	fake_run(TOOL_USAGE, "list\033[2J", NULL);
	assert_no_err("\033");
}

/* A flag of another verb is none of this one. */
static void flags_belong_to_verbs(void **state)
{
	fake_run(TOOL_USAGE, "list", "--yes", NULL);
	assert_err("--yes (command line): there is no such flag");
	fake_run(TOOL_USAGE, "list", "-y", NULL);
	fake_run(TOOL_USAGE, "seal", "acme/x", "--keep-last=1", NULL);
	assert_err("--keep-last (command line): there is no such flag");
	fake_run(TOOL_USAGE, "verify", "--threads=0", NULL);
}

static void help_and_version(void **state)
{
	fake_run(TOOL_DONE, "--help", NULL);
	for (const struct verb *const *v = verbs; *v; v++)
		assert_out((*v)->name);
	assert_out("--endpoint");
	fake_run(TOOL_DONE, "help", NULL);
	assert_out("retention apply");
	fake_run(TOOL_DONE, "help", "retention", "apply", NULL);
	assert_out("Usage: pishopctl retention apply [options] [TENANT]...");
	assert_out("--max-percent");
	assert_out("--keep-daily");
	assert_no_out("Verification"); /* another verb's */
	fake_run(TOOL_DONE, "verify", "--help", "acme", NULL);
	assert_out("--threads");
	fake_run(TOOL_DONE, "seal", "-h", NULL); /* arguments are not missed */
	fake_run(TOOL_USAGE, "help", "nothing", NULL);
	fake_run(TOOL_USAGE, "help", "retention", NULL);
	assert_err("which one? plan, apply, policy");
	fake_run(TOOL_DONE, "version", NULL);
	assert_out("pishopctl " PISHOPFS_VERSION);
	fake_run(TOOL_DONE, "--version", NULL);
	assert_out("pishopctl " PISHOPFS_VERSION);
	assert_false(fake.wrote);
}

static void the_man_page_has_all(void **state)
{
	fake_run(TOOL_DONE, "--help-scdoc", NULL);
	for (const struct verb *const *v = verbs; *v; v++)
		assert_out((*v)->name);
	assert_out("# VERBS");
	assert_out("# OPTIONS");
	assert_out("*--accept*=_DOUBT_");
	assert_out("*--keep-last*");
	assert_out("the rules of a policy");

	const char *json = strstr(fake_out, "*--json*\n");

	assert_non_null(json);
	assert_null(strstr(json + 1, "*--json*\n")); /* once */
}

/* An option that two verbs have is the same in both; none has the name of one that all have. */
static void tables_agree(void **state)
{
	size_t all_count, count;
	struct conf_option *all = options_table(NULL, &all_count);

	for (size_t i = 0; i < all_count; i++)
		for (size_t k = i + 1; k < all_count; k++) {
			assert_string_not_equal(all[i].name, all[k].name);
			assert_true(!all[i].letter || all[i].letter != all[k].letter);
		}
	for (const struct verb *const *v = verbs; *v; v++) {
		struct conf_option *table = options_table(*v, &count);

		assert_int_equal(count, all_count);
		for (size_t i = 0; i < count; i++) {
			size_t k = 0;

			while (strcmp(all[k].name, table[i].name) != 0)
				assert_true(++k < all_count);
			assert_ptr_equal(table[i].help, all[k].help);
			assert_int_equal(table[i].type, all[k].type);
		}
		free(table);
	}
	free(all);
}

/* One INI file serves all verbs, and a misspelt key is none of them. */
static void one_ini_file_for_all(void **state)
{
	char name[] = "/tmp/pishopctl-XXXXXX", flag[64];
	int fd = mkstemp(name);
	static const char text[] = "store = dir:/x\nkeep-daily = 7\nthreads = 3\ngrace = 5h\n", wrong[] = "keep-dayly = 7\n";

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	snprintf(flag, sizeof(flag), "--config=%s", name);
	fake_run(TOOL_DONE, flag, "list", NULL);
	fake_run(TOOL_DONE, "retention", "apply", "--yes", flag, "acme", NULL);
	assert_int_equal(fake.sweep.policy.keep_daily, 7);
	assert_int_equal(fake.sweep.grace_s, 5 * 3600);
	assert_false(fake.sweep.override_policy); /* the tenant's own goes before it */
	fake_run(TOOL_DONE, "retention", "plan", flag, "acme", NULL);
	assert_out("acme: keep-daily 7 (of the settings)\n");

	struct policy own;
	AUTO_FREE char *stored = NULL;

	policy_default(&own);
	own.keep_last = 2;
	assert_int_equal(policy_encode(&own, &stored), 0);
	fake.policy = stored;
	fake_run(TOOL_DONE, "retention", "plan", flag, "acme", NULL);
	assert_out("acme: keep-last 2 (of the tenant)\n");
	assert_int_equal(write(fd, wrong, sizeof(wrong) - 1), sizeof(wrong) - 1);
	fake_run(TOOL_USAGE, flag, "list", NULL);
	assert_err("keep-dayly");
	close(fd);
	unlink(name);
}

static void opening_and_closing(void **state)
{
	static const int codes[] = { TOOL_NO_STORE, TOOL_WRONG_KEY, TOOL_FAILED };

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		fake.rc[FAKE_OPEN] = codes[i];
		fake_run(codes[i], "list", NULL);
		fake_run(TOOL_DONE, "help", NULL); /* needs none */
	}
	fake.rc[FAKE_OPEN] = 0;
	fake.rc[FAKE_CLOSE] = EIO;
	fake_run(TOOL_FAILED, "list", NULL);
	assert_err("something did not arrive");
	fake.rc[FAKE_CLOSE] = 0;
}

/* Verbs that only look open the store read-only. */
static void who_may_write(void **state)
{
	static const struct { const char *words[4]; bool writes; } rows[] = {
		{ { "list" }, false }, { { "verify" }, false }, { { "retention", "plan" }, false }, { { "hold", "list" }, false },
		{ { "audit", "show", "acme" }, false }, { { "audit", "verify", "acme" }, false }, { { "undelete", "--list" }, false },
		{ { "retention", "apply", "--dry-run" }, false }, { { "retention", "apply", "--yes" }, true }, { { "retention", "policy", "acme" }, false },
		{ { "retention", "policy", "acme", "--clear" }, true }, { { "retention", "policy", "acme", "--keep-last=3" }, true },
	};

	fake.audit[0] = "line";
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const *w = rows[i].words;

		fake_run(TOOL_DONE, w[0], w[1], w[1] ? w[2] : NULL, w[1] && w[2] ? w[3] : NULL, NULL);
		assert_int_equal(fake.wrote, rows[i].writes);
	}
}

static void a_full_disk_is_told(void **state)
{
	char *err = NULL;
	size_t len;
	char program[] = "pishopctl", word[] = "version";
	char *argv[] = { program, word, NULL };
	struct tool t = { .stop = &fake.stop, .in = stdin, .out = fopen("/dev/full", "w"), .err = open_memstream(&err, &len) };

	assert_non_null(t.out);
	assert_int_equal(tool_main(&t, 2, argv, NULL), TOOL_FAILED);
	fclose(t.out);
	fclose(t.err);
	assert_non_null(strstr(err, "could not be written"));
	free(err);
}

static void codes_combine(void **state)
{
	static const struct { int a, b, both; } rows[] = {
		{ SAY_NONE, TOOL_DONE, TOOL_DONE }, { SAY_NONE, 23, 23 }, { TOOL_DONE, TOOL_DONE, TOOL_DONE }, { TOOL_DONE, TOOL_FAILED, TOOL_PARTLY },
		{ TOOL_FAILED, TOOL_DONE, TOOL_PARTLY }, { TOOL_FAILED, TOOL_FAILED, TOOL_FAILED }, { 23, 23, 23 }, { 23, TOOL_LOCKED, 23 },
		{ TOOL_PARTLY, TOOL_FAILED, TOOL_PARTLY }, { TOOL_DONE, TOOL_INTERRUPTED, TOOL_INTERRUPTED }, { TOOL_INTERRUPTED, TOOL_DONE, TOOL_INTERRUPTED },
		{ 23, TOOL_PARTLY, TOOL_PARTLY },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(say_combine(rows[i].a, rows[i].b), rows[i].both);
}

/* An errno has its exit code and names what it is about, what was being done, the cause and the next step. */
static void errors_become_codes(void **state)
{
	static const struct { int rc, code; const char *words; } rows[] = {
		{ EHOSTUNREACH, TOOL_NO_STORE, "pishopctl: acme: listing failed: the store cannot be reached; check the endpoint" },
		{ ENODEV, TOOL_NO_STORE, "bucket or folder is gone" }, { ETIMEDOUT, TOOL_NO_STORE, "does not answer" }, { EPROTO, TOOL_NO_STORE, "TLS" },
		{ EBUSY, TOOL_LOCKED, "somebody else" }, { ESTALE, TOOL_LOCKED, "changed it meanwhile" }, { ENOKEY, TOOL_WRONG_KEY, "another key" },
		{ EACCES, TOOL_FAILED, "credentials" }, { EBADMSG, TOOL_FAILED, "damaged" }, { EPROTONOSUPPORT, TOOL_FAILED, "newer version" },
		{ E2BIG, TOOL_FAILED, "Argument list too long; see the log" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fake.rc[FAKE_CATALOG] = rows[i].rc;
		fake_run(rows[i].code, "list", "acme", NULL);
		assert_err(rows[i].words);
	}
	fake.rc[FAKE_CATALOG] = ECANCELED;
	fake_run(TOOL_INTERRUPTED, "list", "acme", NULL);
	assert_string_equal(fake_err, "");
}

static void targets(void **state)
{
	fake_backup("db-20261101-020000", fake.now_s);
	fake_run(TOOL_DONE, "seal", "acme/db-20261101-020000.tar.gz", NULL); /* any name of the set */
	assert_calls("seal acme/db-20261101-020000 request\n");
	fake_run(TOOL_DONE, "list", "acme/", NULL);
	fake_run(TOOL_DONE, "list", "acme/db-20261101-020000/", NULL);
	fake_run(TOOL_USAGE, "seal", "acme", NULL);
	assert_err("acme: no backup is named; write TENANT/BACKUP");
	fake_run(TOOL_USAGE, "seal", "acme/a/b", NULL);
	fake_run(TOOL_USAGE, "seal", "/x", NULL);
	fake_run(TOOL_USAGE, "seal", ".pishop/x", NULL);
	fake_run(TOOL_USAGE, "seal", "../x", NULL);
	fake_run(TOOL_USAGE, "seal", "acme/..", NULL);
	fake_run(TOOL_USAGE, "retention", "plan", "acme/x", NULL);
	assert_err("write TENANT");
	fake_run(TOOL_USAGE, "seal", "acme/db-20261101-020000", "acme", NULL); /* all are checked before the first is touched */
	assert_calls("seal acme/db-20261101-020000 request\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(verbs_are_found_wherever_they_stand, fake_setup), cmocka_unit_test_setup(what_is_no_verb_is_refused, fake_setup),
		cmocka_unit_test_setup(flags_belong_to_verbs, fake_setup), cmocka_unit_test_setup(help_and_version, fake_setup),
		cmocka_unit_test_setup(the_man_page_has_all, fake_setup), cmocka_unit_test_setup(tables_agree, fake_setup),
		cmocka_unit_test_setup(one_ini_file_for_all, fake_setup), cmocka_unit_test_setup(opening_and_closing, fake_setup),
		cmocka_unit_test_setup(who_may_write, fake_setup), cmocka_unit_test_setup(a_full_disk_is_told, fake_setup),
		cmocka_unit_test_setup(codes_combine, fake_setup), cmocka_unit_test_setup(errors_become_codes, fake_setup),
		cmocka_unit_test_setup(targets, fake_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

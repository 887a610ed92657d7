/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_vault.h"

#include <cjson/cJSON.h>
#include <errno.h>

/* Verbs that only look: list, verify, audit. */

static cJSON *parse(void)
{
	cJSON *json = cJSON_Parse(fake_out);

	if (!json)
		fail_msg("no JSON: %s", fake_out);
	return json;
}

static cJSON *at(cJSON *json, const char *list, int index)
{
	cJSON *item = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(json, list), index);

	assert_non_null(item);
	return item;
}

static void assert_text(cJSON *json, const char *name, const char *text)
{
	cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);

	assert_non_null(item);
	if (!text)
		assert_true(cJSON_IsNull(item));
	else
		assert_string_equal(cJSON_GetStringValue(item), text);
}

static void assert_number(cJSON *json, const char *name, double n)
{
	assert_true(cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, name)) == n);
}

/* ---- list */

static void list_for_people(void **state)
{
	fake_backup("good", fake.now_s);

	struct backup *b = fake_backup("bad", fake.now_s - 86400);

	b->state = BACKUP_DAMAGED;
	copy_text(b->reason, sizeof(b->reason), "x.bson is missing");
	b->held = true;
	b = fake_backup("gone", fake.now_s);
	b->state = BACKUP_DELETED;
	b->deleted_until_s = fake.now_s + 3600;
	fake_run(TOOL_DONE, "list", "acme", NULL);
	assert_out("TENANT BACKUP STATE   TIME                    SIZE OBJECTS NOTE\n");
	assert_out("acme   good   sealed  2026-11-25T12:00:00Z 1.5 KiB       3 -\n");
	assert_out("damaged 2026-11-24T12:00:00Z 1.5 KiB       3 x.bson is missing; held\n");
	assert_out("can be undeleted until 2026-11-25T13:00:00Z\n");
	fake_run(TOOL_DONE, "list", NULL); /* all tenants, in one table */
	assert_out("\nbeta   good");
}

static void list_for_programs(void **state)
{
	struct backup *b = fake_backup("n\xff", fake.now_s);

	b->held = true;
	fake_run(TOOL_DONE, "list", "acme", "--json", NULL);

	cJSON *json = parse(), *row = at(json, "backups", 0);

	assert_text(at(json, "tenants", 0), "tenant", "acme");
	assert_text(row, "backup", "n\\xff");
	assert_text(row, "state", "sealed");
	assert_text(row, "reason", NULL);
	assert_text(row, "time", "2026-11-25T12:00:00Z");
	assert_text(row, "deleted_until", NULL);
	assert_number(row, "bytes", 1536);
	assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(row, "held")));
	cJSON_Delete(json);
	fake_run(TOOL_DONE, "list", "--json", NULL);
	json = parse();
	assert_text(at(json, "tenants", 1), "tenant", "beta");
	assert_null(cJSON_GetObjectItemCaseSensitive(json, "backups"));
	cJSON_Delete(json);
}

static void list_that_fails(void **state)
{
	fake_backup("x", fake.now_s);
	fake_run(TOOL_FAILED, "list", "acme/y", NULL);
	assert_err("acme/y: there is no such backup");
	fake.rc[FAKE_CATALOG] = ENOENT;
	fake_run(TOOL_FAILED, "list", "nobody", NULL);
	assert_err("nobody: there is no such tenant");
	fake.rc[FAKE_CATALOG] = EACCES;
	fake.fails = "acme";
	fake_run(TOOL_PARTLY, "list", NULL); /* the other one is shown */
	assert_out("beta   x");
	fake.rc[FAKE_TENANTS] = EHOSTUNREACH;
	fake_run(TOOL_NO_STORE, "list", NULL);
	fake.rc[FAKE_TENANTS] = 0;
	fake.tenants[0] = NULL;
	fake_run(TOOL_DONE, "list", NULL);
	assert_err("there are no tenants");
	fake.tenants[0] = "acme";
	fake.stop_at = "acme";
	fake_run(TOOL_INTERRUPTED, "list", NULL);
	assert_no_out("beta");
}

/* ---- verify */

static void verify_what_is_good(void **state)
{
	fake.verified = (struct verify_result){ .sealed = 3, .good = 3, .unsealed = 1, .objects = 30, .bytes = 4096 };
	fake_run(TOOL_DONE, "verify", NULL);
	assert_out("quick: 6 sealed backups, 6 good, 0 bad; 2 not sealed, and not looked at; 60 objects, 8.0 KiB\n");
	assert_false(fake.verify.full);
	assert_int_equal(fake.verify.threads, 8);
	fake_run(TOOL_DONE, "verify", "--full", "--threads=3", "acme", "--json", NULL);
	assert_true(fake.verify.full);
	assert_int_equal(fake.verify.threads, 3);

	cJSON *json = parse();

	assert_text(json, "mode", "full");
	assert_number(json, "good", 3);
	assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "complete")));
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "faults")), 0);
	cJSON_Delete(json);
	fake_run(TOOL_USAGE, "verify", "--full", "--quick", NULL);
}

static void verify_a_part(void **state)
{
	static const char *const refused[] = { "0", "101", "x", "10x", "%", "10%%", "1000", "-1", "" };

	fake.verified = (struct verify_result){ .sealed = 3, .good = 3, .objects = 30, .bytes = 4096, .decrypted = 1024, .part = 2, .parts = 10 };
	fake_run(TOOL_DONE, "verify", "--sample=10%", "acme", NULL);
	assert_out("acme: part 2 of 10\nsample: 3 sealed backups, 3 good, 0 bad; 0 not sealed, and not looked at; 30 objects, 4.0 KiB, 1.0 KiB decrypted\n");
	assert_int_equal(fake.verify.sample, 10);
	assert_false(fake.verify.full);
	assert_true(fake.wrote);
	fake_run(TOOL_DONE, "verify", "--sample", "100", "acme", "--json", NULL);
	assert_int_equal(fake.verify.sample, 100);

	cJSON *json = parse();

	assert_text(json, "mode", "sample");
	assert_number(json, "decrypted", 1024);
	assert_number(at(json, "samples", 0), "part", 2);
	cJSON_Delete(json);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		fake_run(TOOL_USAGE, "verify", "--sample", refused[i], "acme", NULL);
	fake_run(TOOL_USAGE, "verify", "--sample=10", "--full", NULL);
	fake_run(TOOL_USAGE, "verify", "--sample=10", "acme/x", NULL); /* what is remembered is of whole tenants */
	fake_run(TOOL_USAGE, "verify", "--full", "--resume", "acme/x", NULL);
	fake_run(TOOL_USAGE, "verify", "--resume", NULL);
}

static void verify_that_goes_on(void **state)
{
	fake.verified = (struct verify_result){ .sealed = 3, .good = 3, .objects = 30, .bytes = 4096, .decrypted = 1024, .resumed = 2 };
	fake_run(TOOL_DONE, "verify", "--full", "--resume", "acme", NULL);
	assert_out(", 1.0 KiB decrypted; 2 were decrypted by the run before\n");
	assert_true(fake.verify.resume);
	assert_true(fake.wrote);
	fake_run(TOOL_DONE, "verify", "--full", "acme/", NULL);
	assert_true(fake.wrote);
	fake_run(TOOL_DONE, "verify", "--full", "acme/x", NULL); /* nothing is remembered of one backup alone */
	assert_false(fake.wrote);
	assert_false(fake.verify.resume);
	fake_run(TOOL_DONE, "verify", "acme", NULL);
	assert_false(fake.wrote);
}

static void verify_what_is_bad(void **state)
{
	fake.verified = (struct verify_result){ .sealed = 2, .good = 1, .bad = 1 };
	fake.faults[0] = (struct fake_fault){ "X/a\n.bson", VERIFY_MISSING, NULL };
	fake.faults[1] = (struct fake_fault){ "", VERIFY_SEAL_MISSING, "the audit log knows of one" };
	fake_run(TOOL_FAILED, "verify", "acme", NULL);
	assert_out("acme/X/a\\x0a.bson: missing\nacme/X: seal missing: the audit log knows of one\n");
	fake_run(TOOL_FAILED, "verify", "acme", "--json", NULL);

	cJSON *json = parse();

	assert_text(at(json, "faults", 0), "path", "X/a\n.bson");
	assert_text(at(json, "faults", 0), "fault", "missing");
	assert_text(at(json, "faults", 0), "detail", NULL);
	assert_text(at(json, "faults", 1), "path", NULL);
	assert_text(at(json, "faults", 1), "backup", "X");
	cJSON_Delete(json);
}

static void verify_what_is_not_known(void **state)
{
	fake.verified = (struct verify_result){ .unsealed = 1 };
	fake_run(TOOL_FAILED, "verify", "acme/x", NULL);
	assert_err("acme/x: has no seal");
	fake.rc[FAKE_VERIFY] = ETIMEDOUT;
	fake_run(TOOL_NO_STORE, "verify", "acme", NULL);
	assert_out("NOT all was looked at");
	fake.fails = "acme";
	fake_run(TOOL_PARTLY, "verify", NULL);
	fake.verified.bad = 1; /* of the other one: that is worse */
	fake_run(TOOL_FAILED, "verify", NULL);
	fake.stop_at = "beta";
	fake_run(TOOL_INTERRUPTED, "verify", "--json", NULL);

	cJSON *json = parse();

	assert_true(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(json, "complete")));
	cJSON_Delete(json);
}

/* ---- audit */

static void audit_logs(void **state)
{
	fake.audit[0] = "one";
	fake.audit[1] = "two\033";
	fake_run(TOOL_DONE, "audit", "show", "acme", NULL);
	assert_string_equal(fake_out, "2026-11-25T12:00:00Z  sealed      X  one\n2026-11-25T12:00:00Z  sealed      X  two\\x1b\n");
	fake_run(TOOL_DONE, "audit", "show", "acme", "--json", NULL);
	assert_out("{\"at\":\"2026-11-25T12:00:00Z\",\"event\":\"sealed\",\"backup\":\"X\",\"detail\":\"one\",\"seal\":null,");
	assert_out("\n{\"at\"");
	fake_run(TOOL_DONE, "audit", "verify", "acme", NULL);
	assert_string_equal(fake_out, "acme: the audit log is whole: 2 lines, each linked to the one before it\n");
	fake_run(TOOL_DONE, "audit", "verify", "acme", "--json", NULL);
	assert_string_equal(fake_out, "{\"tenant\":\"acme\",\"whole\":true,\"lines\":2,\"why\":null}\n");
	fake_run(TOOL_USAGE, "audit", "verify", NULL);
}

static void audit_logs_that_are_not_whole(void **state)
{
	fake.audit[0] = "one";
	fake.audit_why = "segment 2 is missing";
	fake.rc[FAKE_AUDIT_READ] = EBADMSG;
	fake_run(TOOL_FAILED, "audit", "verify", "acme", NULL);
	assert_err("acme: its audit log is not whole: segment 2 is missing");
	assert_string_equal(fake_out, "");
	fake_run(TOOL_FAILED, "audit", "verify", "acme", "--json", NULL);
	assert_string_equal(fake_out, "{\"tenant\":\"acme\",\"whole\":false,\"lines\":1,\"why\":\"segment 2 is missing\"}\n");
	fake_run(TOOL_FAILED, "audit", "show", "acme", NULL);
	assert_out("one"); /* what came before is shown */
	assert_err("segment 2 is missing");
	fake.rc[FAKE_AUDIT_READ] = EHOSTUNREACH;
	fake_run(TOOL_NO_STORE, "audit", "verify", "acme", "--json", NULL);
	assert_string_equal(fake_out, ""); /* nothing is known */
	fake.rc[FAKE_AUDIT_READ] = 0;
	atomic_store(&fake.stop, true);
	fake_run(TOOL_INTERRUPTED, "audit", "show", "acme", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(list_for_people, fake_setup), cmocka_unit_test_setup(list_for_programs, fake_setup),
		cmocka_unit_test_setup(list_that_fails, fake_setup), cmocka_unit_test_setup(verify_what_is_good, fake_setup),
		cmocka_unit_test_setup(verify_a_part, fake_setup), cmocka_unit_test_setup(verify_that_goes_on, fake_setup),
		cmocka_unit_test_setup(verify_what_is_bad, fake_setup), cmocka_unit_test_setup(verify_what_is_not_known, fake_setup),
		cmocka_unit_test_setup(audit_logs, fake_setup), cmocka_unit_test_setup(audit_logs_that_are_not_whole, fake_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

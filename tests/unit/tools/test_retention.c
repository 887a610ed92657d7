/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_vault.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>

#define DAY 86400

/* retention plan, apply, policy. */

static void three_days(void)
{
	fake_backup("d0", fake.now_s - 30 * DAY);
	fake_backup("d1", fake.now_s - 31 * DAY);
	fake_backup("d2", fake.now_s - 32 * DAY);
}

static char *stored(uint32_t keep_last)
{
	struct policy p;
	char *text = NULL;

	policy_default(&p);
	p.keep_last = keep_last;
	assert_int_equal(policy_encode(&p, &text), 0);
	return text;
}

/* ---- plan */

static void plan_for_people(void **state)
{
	three_days();
	fake_run(TOOL_DONE, "retention", "plan", "acme", NULL);
	assert_out("acme: nothing is ever removed (no policy is set)\n");
	assert_out("3 kept, 0 to be deleted, 0 on hold, 0 deleted already\n");
	fake_run(TOOL_DONE, "retention", "plan", "acme", "--keep-last=1", NULL);
	assert_out("acme: keep-last 1 (no policy is set, with rules given here)\n");
	assert_out("d0     sealed 2026-10-26T12:00:00Z 1.5 KiB keep     last 1");
	assert_out("d2     sealed 2026-10-24T12:00:00Z 1.5 KiB delete   no keep rule keeps it\n");
	assert_out("1 kept, 2 to be deleted, 0 on hold, 0 deleted already\n");
	fake.backups[1].future = true;
	fake_run(TOOL_DONE, "retention", "plan", "acme", NULL);
	assert_err("1 backups are dated in the future");
}

static void plan_for_programs(void **state)
{
	three_days();
	fake.backups[2].held = true;
	fake_run(TOOL_DONE, "retention", "plan", "acme", "--keep-last=1", "--json", NULL);

	cJSON *json = cJSON_Parse(fake_out), *rows = cJSON_GetObjectItemCaseSensitive(json, "rows"), *row = cJSON_GetArrayItem(rows, 2);

	assert_int_equal(cJSON_GetArraySize(rows), 3);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, "backup")), "d2");
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, "decision")), "hold");
	assert_string_equal(cJSON_GetStringValue(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(row, "reasons"), 0)), "legal hold");
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, "state")), "sealed");
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, "time")), "2026-10-24T12:00:00Z");
	rows = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(json, "tenants"), 0), "rows");
	assert_int_equal(cJSON_GetArraySize(rows), 3);
	cJSON_Delete(json);
	fake_run(TOOL_DONE, "retention", "plan", "--json", NULL);
	json = cJSON_Parse(fake_out);
	assert_null(cJSON_GetObjectItemCaseSensitive(json, "rows"));
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "tenants")), 2);
	cJSON_Delete(json);
}

static void the_tenants_policy_goes_first(void **state)
{
	AUTO_FREE char *text = stored(2);

	three_days();
	fake.policy = text;
	fake_run(TOOL_DONE, "retention", "plan", "acme", NULL);
	assert_out("acme: keep-last 2 (of the tenant)\n");
	assert_out("2 kept, 1 to be deleted");
	fake_run(TOOL_DONE, "retention", "plan", "acme", "--keep-daily=1", NULL); /* besides its own */
	assert_out("acme: keep-last 2, keep-daily 1 (of the tenant, with rules given here)\n");
	fake_run(TOOL_DONE, "retention", "plan", "acme", "--keep-last=3", NULL);
	assert_out("3 kept");
	fake.policy = "{\"policy\":2}\n";
	fake_run(TOOL_FAILED, "retention", "plan", "acme", NULL);
	assert_err("acme: reading its policy failed: it was written by a newer version");
	fake.policy = "{\"policy\":1}\n";
	fake_run(TOOL_FAILED, "retention", "plan", "acme", NULL);
	assert_err("it is damaged");
	fake.rc[FAKE_RECORD_READ] = EACCES;
	fake_run(TOOL_FAILED, "retention", "plan", "acme", NULL);
}

static void plans_that_cannot_be_meant(void **state)
{
	three_days();
	fake_run(TOOL_USAGE, "retention", "plan", "acme", "--max-age=30", NULL);
	fake_run(TOOL_USAGE, "retention", "plan", "acme", "--min-keep=0", NULL);
	fake.rc[FAKE_CATALOG] = ENOENT;
	fake_run(TOOL_FAILED, "retention", "plan", "nobody", NULL);
	assert_err("no such tenant");
	fake.rc[FAKE_CATALOG] = EHOSTUNREACH;
	fake_run(TOOL_NO_STORE, "retention", "plan", "acme", NULL);
}

/* ---- apply */

static void nothing_is_deleted_unasked(void **state)
{
	three_days();
	fake_run(TOOL_USAGE, "retention", "apply", "acme", NULL);
	assert_err("give --yes, --loop or --dry-run");
	assert_calls("");
	fake_run_typing("n\n", TOOL_FAILED, "retention", "apply", "acme", "--keep-last=1", NULL);
	assert_out("d2     sealed");
	assert_no_out("d0"); /* what stays is not shown */
	assert_err("Delete 2 backups, and for good the 0 whose grace is over, with such in the trash?");
	assert_err("nothing was done");
	assert_calls("sweep acme dry override\n");
	fake.calls[0] = '\0';
	fake_run_typing("y\n", TOOL_DONE, "retention", "apply", "acme", "--keep-last=1", NULL);
	assert_calls("sweep acme dry override\nsweep acme override\n");
	fake.calls[0] = '\0';
	fake_run_typing("", TOOL_DONE, "retention", "apply", "acme", "--yes", NULL);
	assert_calls("sweep acme\n");
	fake.calls[0] = '\0';
	fake_run(TOOL_DONE, "retention", "apply", "--dry-run", NULL);
	assert_calls("sweep acme dry\nsweep beta dry\n");
}

static void settings_of_a_run(void **state)
{
	AUTO_FREE char *text = stored(2);

	fake_run(TOOL_DONE, "retention", "apply", "acme", "--yes", NULL);
	assert_int_equal(fake.sweep.max_percent, 25);
	assert_int_equal(fake.sweep.grace_s, 72 * 3600);
	assert_int_equal(fake.sweep.policy_settle_s, DAY);
	assert_int_equal(fake.sweep.expect_s, 0);
	assert_int_equal(fake.sweep.interval_s, 0);
	assert_int_equal(fake.sweep.lease_ttl_s, 300);
	assert_ptr_equal(fake.sweep.stop, &fake.stop);
	for (size_t i = 0; i < DOUBT_COUNT; i++)
		assert_false(fake.sweep.accept_doubt[i]);
	fake_run(TOOL_DONE, "retention", "apply", "acme", "--yes", "--max-percent=60", "--grace=90m", "--policy-settle=0", "--expect=26h", "--accept=drop",
		 "--accept=old", NULL);
	assert_int_equal(fake.sweep.max_percent, 60);
	assert_int_equal(fake.sweep.grace_s, 5400);
	assert_int_equal(fake.sweep.policy_settle_s, 0);
	assert_int_equal(fake.sweep.expect_s, 26 * 3600);
	assert_true(fake.sweep.accept_doubt[DOUBT_DROP] && fake.sweep.accept_doubt[DOUBT_OLD]);
	assert_false(fake.sweep.accept_doubt[DOUBT_BACKWARDS] || fake.sweep.accept_doubt[DOUBT_CLOCK]);
	fake.policy = text; /* what the plan with the same flags shows is what is done */
	fake_run(TOOL_DONE, "retention", "apply", "acme", "--yes", "--keep-daily=3", NULL);
	assert_true(fake.sweep.override_policy);
	assert_int_equal(fake.sweep.policy.keep_last, 2);
	assert_int_equal(fake.sweep.policy.keep_daily, 3);
}

static void what_cannot_be_accepted(void **state)
{
	fake_run(TOOL_USAGE, "retention", "apply", "--yes", "--accept=clock", NULL);
	assert_err("only drop, old, backwards and forwards");
	fake_run(TOOL_USAGE, "retention", "apply", "--yes", "--accept=dro", NULL);
	fake_run(TOOL_USAGE, "retention", "apply", "--yes", "--accept=drop", "--loop=1h", NULL);
	fake_run(TOOL_USAGE, "retention", "apply", "--yes", "--max-percent=0", NULL);
	fake_run(TOOL_USAGE, "retention", "apply", "--yes", "--max-percent=101", NULL);
	fake_run(TOOL_USAGE, "retention", "apply", "--yes", "acme/x", NULL);
	fake_run(TOOL_USAGE, "retention", "apply", "--yes", "--max-age=30", NULL);
	assert_int_equal(fake.sweeps, 0);
}

static void each_doubt_has_its_code(void **state)
{
	for (int d = DOUBT_LISTING; d < DOUBT_COUNT; d++) {
		fake.swept = (struct sweep_report){ .doubt = (enum sweep_doubt)d, .why = "the cause" };
		fake_run(TOOL_DOUBT + d, "retention", "apply", "acme", "--yes", NULL);
		assert_err("acme: stopped in doubt (");
		assert_err("nothing was done: the cause");
		assert_string_equal(fake_out, "");
	}
	/* Nor is anything asked where nothing can be done. */
	fake_run_typing("y\n", TOOL_DOUBT + DOUBT_POLICY, "retention", "apply", NULL);
	assert_no_err("[y/N]");
	fake_run(TOOL_DOUBT + DOUBT_POLICY, "retention", "apply", "acme", "--yes", "--json", NULL);
	assert_out("\"doubt\":\"policy\",\"why\":\"the cause\"");
}

static void runs_that_leave_it_to_others(void **state)
{
	fake.swept = (struct sweep_report){ .busy = true, .why = "writer w has the lease" };
	fake_run(TOOL_LOCKED, "retention", "apply", "acme", "--yes", NULL);
	assert_err("acme: nothing was done: writer w has the lease");
	fake.swept = (struct sweep_report){ .may_not_delete = true };
	fake_run(TOOL_FAILED, "retention", "apply", "acme", "--yes", NULL);
	assert_err("may not delete");
	fake.rc[FAKE_SWEEP] = EOPNOTSUPP;
	fake_run(TOOL_FAILED, "retention", "apply", "acme", "--yes", NULL);
	assert_err("no conditional writes");
	fake.rc[FAKE_SWEEP] = EIO;
	fake.fails = "acme";
	fake.swept = (struct sweep_report){ 0 };
	fake_run(TOOL_PARTLY, "retention", "apply", "--yes", NULL);
	fake.stop_at = "acme";
	fake_run(TOOL_INTERRUPTED, "retention", "apply", "--yes", NULL);
}

static void what_a_run_tells(void **state)
{
	three_days();
	fake.swept = (struct sweep_report){ .tombstoned = 2, .deleted = 1, .waiting = 4, .capped = 5, .objects_deleted = 30, .bytes_deleted = 2048,
					    .policy_waits = true, .policy_from_s = fake.now_s, .lifecycle = "rule r deletes after 30 days" };
	fake_run(TOOL_DONE, "retention", "apply", "acme", "--yes", NULL);
	assert_out("acme: 2 deleted, to be undone within the grace; 1 gone for good (30 objects, 2.0 KiB); 4 in their grace; 3 kept, 0 on hold\n");
	assert_out("which holds until 2026-11-25T12:00:00Z");
	assert_out("5 more have to wait");
	assert_err("the bucket itself deletes objects: rule r");
	fake_run(TOOL_DONE, "retention", "apply", "acme", "--yes", "--json", NULL);

	cJSON *json = cJSON_Parse(fake_out), *o = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(json, "tenants"), 0);

	assert_true(cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(o, "tombstoned")) == 2);
	assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(o, "doubt")));
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "rows")), 3);
	cJSON_Delete(json);
}

/* What is under a tombstone is not kept; and the question is about what this run would do, not a later one. */
static void deleted_ones_are_not_kept(void **state)
{
	three_days();
	fake.backups[2].state = BACKUP_DELETED;
	fake.backups[2].deleted_until_s = fake.now_s + DAY;
	fake_run(TOOL_DONE, "retention", "plan", "acme", "--keep-last=1", NULL);
	assert_out("1 kept, 1 to be deleted, 0 on hold, 1 deleted already\n");
	fake_run(TOOL_DONE, "retention", "plan", "acme", "--keep-last=1", "--json", NULL);
	assert_out("\"keep\":1,\"delete\":1,\"hold\":0,\"deleted\":1,");
	fake_run(TOOL_DONE, "retention", "apply", "acme", "--yes", "--keep-last=1", NULL);
	assert_out("1 kept, 0 on hold\n");
	fake_run(TOOL_DONE, "retention", "apply", "acme", "--dry-run", "--keep-last=1", NULL);
	assert_out("acme: 1 to be deleted, 1 kept, 0 on hold; of those deleted earlier 0 go for good, 1 are in their grace\n");
	fake.swept = (struct sweep_report){ .due = 1, .capped = 1 };
	fake_run_typing("n\n", TOOL_FAILED, "retention", "apply", "acme", "--keep-last=1", NULL);
	assert_out("of those deleted earlier 1 go for good, 0 are in their grace\n");
	assert_err("Delete 0 backups, and for good the 1 whose grace is over");
	fake_run(TOOL_DONE, "retention", "apply", "acme", "--yes", "--json", NULL);
	assert_out("\"keep\":2,\"delete\":0,\"hold\":0,");
	assert_out("\"due\":1,");
}

static void *stop_soon(void *arg)
{
	while (fake.sweeps < 4)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	atomic_store(&fake.stop, true);
	return NULL;
}

/* Again and again, whatever fails, until a signal. */
static void runs_in_a_loop(void **state)
{
	pthread_t thread;

	fake.swept = (struct sweep_report){ .doubt = DOUBT_CLOCK, .why = "the cause" };
	assert_int_equal(pthread_create(&thread, NULL, stop_soon, NULL), 0);
	fake_run(TOOL_INTERRUPTED, "retention", "apply", "--loop=1s", NULL); /* no question without a terminal */
	pthread_join(thread, NULL);
	assert_int_equal(fake.sweeps, 4); /* two rounds of two tenants */
	assert_int_equal(fake.sweep.interval_s, 1);
	atomic_store(&fake.stop, false);
	fake.swept = (struct sweep_report){ 0 };
	fake.sweeps = 0;
	fake_run_typing("n\n", TOOL_FAILED, "retention", "apply", "--loop=1s", NULL);
	assert_int_equal(fake.sweeps, 2); /* the dry ones */
}

/* ---- policy */

static void policies_are_shown(void **state)
{
	AUTO_FREE char *text = stored(2);

	fake_run(TOOL_DONE, "retention", "policy", NULL);
	assert_string_equal(fake_out, "acme: nothing is ever removed (no policy is set)\nbeta: nothing is ever removed (no policy is set)\n");
	fake.policy = text;
	fake_run(TOOL_DONE, "retention", "policy", "acme", NULL);
	assert_string_equal(fake_out, "acme: keep-last 2 (of the tenant)\n");
	fake_run(TOOL_DONE, "retention", "policy", "acme", "--json", NULL);
	assert_out("{\"tenants\":[{\"tenant\":\"acme\",\"policy\":\"keep-last 2\",\"policy_from\":\"tenant\",\"keep_last\":2,\"keep_hourly\":0,");
	assert_out("\"min_age_s\":604800,\"min_keep\":1,");
	assert_calls("");
}

static void policies_are_set(void **state)
{
	AUTO_FREE char *text = stored(2);

	fake_run(TOOL_DONE, "retention", "policy", "acme", "--keep-daily=7", NULL);
	assert_non_null(strstr(fake.calls, "write backups/.pishop/t/acme/control/policy over nothing: {\"policy\":1,\"keep-last\":0,\"keep-hourly\":0,\"keep-daily\":7,"));
	assert_non_null(strstr(fake.calls, "audit acme policy policy: keep-daily 7\n"));
	assert_out("acme: keep-daily 7\n");
	fake.calls[0] = '\0';
	fake.policy = text; /* other rules stay */
	fake_run(TOOL_DONE, "retention", "policy", "acme", "--keep-daily=7", NULL);
	assert_non_null(strstr(fake.calls, "over e1: {\"policy\":1,\"keep-last\":2,\"keep-hourly\":0,\"keep-daily\":7,"));
	fake.calls[0] = '\0';
	fake_run(TOOL_DONE, "retention", "policy", "acme", "--clear", NULL);
	assert_string_equal(fake.calls, "remove backups/.pishop/t/acme/control/policy\naudit acme policy policy: removed\n");
}

static void policies_that_are_not_set(void **state)
{
	fake_run(TOOL_USAGE, "retention", "policy", "--keep-daily=7", NULL);
	assert_err("name its TENANT");
	fake_run(TOOL_USAGE, "retention", "policy", "--clear", NULL);
	fake_run(TOOL_USAGE, "retention", "policy", "acme", "--clear", "--keep-last=1", NULL);
	fake_run(TOOL_USAGE, "retention", "policy", "acme", "--max-age=30", NULL);
	fake_run(TOOL_USAGE, "retention", "policy", "acme", "beta", NULL);
	assert_calls("");
	fake.rc[FAKE_RECORD_WRITE] = ESTALE;
	fake_run(TOOL_LOCKED, "retention", "policy", "acme", "--keep-last=1", NULL);
	assert_err("somebody else changed it meanwhile");
	fake.rc[FAKE_RECORD_WRITE] = EEXIST; /* somebody was quicker with the first one */
	fake_run(TOOL_LOCKED, "retention", "policy", "acme", "--keep-last=1", NULL);
	assert_calls("");
	fake.policy = "broken";
	fake_run(TOOL_FAILED, "retention", "policy", "acme", "--keep-last=1", NULL);
	fake_run(TOOL_DONE, "retention", "policy", "acme", "--clear", NULL); /* the way out */
	fake.rc[FAKE_RECORD_REMOVE] = EACCES;
	fake_run(TOOL_FAILED, "retention", "policy", "acme", "--clear", NULL);
}

static void an_audit_log_that_cannot_be_written(void **state)
{
	fake.rc[FAKE_AUDIT_FLUSH] = EACCES; /* said by the log itself */
	fake_run(TOOL_DONE, "retention", "policy", "acme", "--keep-last=1", NULL);
	fake.rc[FAKE_AUDIT_FLUSH] = EHOSTUNREACH;
	fake_run(TOOL_NO_STORE, "retention", "policy", "acme", "--keep-last=1", NULL);
	assert_err("acme: writing the audit log failed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(plan_for_people, fake_setup), cmocka_unit_test_setup(plan_for_programs, fake_setup),
		cmocka_unit_test_setup(the_tenants_policy_goes_first, fake_setup), cmocka_unit_test_setup(plans_that_cannot_be_meant, fake_setup),
		cmocka_unit_test_setup(nothing_is_deleted_unasked, fake_setup), cmocka_unit_test_setup(settings_of_a_run, fake_setup),
		cmocka_unit_test_setup(what_cannot_be_accepted, fake_setup), cmocka_unit_test_setup(each_doubt_has_its_code, fake_setup),
		cmocka_unit_test_setup(runs_that_leave_it_to_others, fake_setup), cmocka_unit_test_setup(what_a_run_tells, fake_setup),
		cmocka_unit_test_setup(deleted_ones_are_not_kept, fake_setup), cmocka_unit_test_setup(runs_in_a_loop, fake_setup),
		cmocka_unit_test_setup(policies_are_shown, fake_setup),
		cmocka_unit_test_setup(policies_are_set, fake_setup), cmocka_unit_test_setup(policies_that_are_not_set, fake_setup),
		cmocka_unit_test_setup(an_audit_log_that_cannot_be_written, fake_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fs/drive.h"

#include "base/clock.h"
#include "fs/verification.h"
#include "vault/audit.h"
#include "vault/sealer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define NAME "db-20240101-000000.tar"
#define OTHER "db-20240102-000000.tar"
#define KEY "backups/t/" NAME

static void seal_in(struct drive *d, uint64_t parent, const char *name)
{
	static const struct sealer_options options = { .source = SEAL_REQUEST, .own_open = true };
	enum sealer_answer answer;
	char stem[64], reason[256];

	assert_int_equal(drive_put(d, parent, name, "content"), 0);
	drive_quiet(d);
	snprintf(stem, sizeof(stem), "%.*s", (int)strlen(name) - 4, name);
	assert_int_equal(sealer_run(d->kit.v, "t", stem, &options, &answer, reason, sizeof(reason), NULL, NULL), 0);
	assert_true(answer == SEALER_DONE || answer == SEALER_SAME);
	assert_int_equal(audit_flush(d->kit.v, "t", NULL), 0);
}

static void seal(struct drive *d, const char *name)
{
	seal_in(d, DRIVE_ROOT, name);
}

static void start(struct drive *d)
{
	d->fs->config.verify_interval_s = 1;
	assert_int_equal(verification_start(d->fs), 0);
}

static double number(const cJSON *o, const char *name)
{
	const cJSON *n = cJSON_GetObjectItemCaseSensitive(o, name);

	return cJSON_IsNumber(n) ? n->valuedouble : -1;
}

/* What the status says; to be deleted. *o: its member. */
static cJSON *status(struct drive *d, const cJSON **o)
{
	cJSON *all = cJSON_CreateObject();

	verification_status(d->fs, all);
	*o = cJSON_GetObjectItemCaseSensitive(all, "verification");
	assert_non_null(*o);
	return all;
}

/* Waits for a round that counts so many bad ones. */
static void wait_for_bad(struct drive *d, double bad)
{
	int64_t end = clock_mono_ms() + 10000;
	bool there = false;

	while (!there) {
		const cJSON *o;
		cJSON *all = status(d, &o);

		there = number(o, "bad") == bad;
		cJSON_Delete(all);
		assert_true(clock_mono_ms() < end);
		clock_sleep_ms(20);
	}
}

struct lines {
	unsigned damage, verified;
	char detail[256]; /* of the damage */
};

static int see(void *arg, const char *line, size_t len)
{
	struct lines *l = arg;
	AUTO(audit_entry_free) struct audit_entry e = { 0 };

	assert_int_equal(audit_decode(line, len, &e), 0);
	l->verified += e.event == AUDIT_VERIFIED;
	if (e.event == AUDIT_DAMAGE) {
		l->damage++;
		assert_string_equal(e.backup, "db-20240101-000000");
		snprintf(l->detail, sizeof(l->detail), "%s", e.detail);
	}
	return 0;
}

static struct lines audit(struct drive *d)
{
	struct lines l = { 0 };
	char why[256];

	assert_int_equal(audit_flush(d->kit.v, "t", NULL), 0);
	assert_int_equal(audit_read(d->kit.v, "t", see, &l, why, sizeof(why), NULL), 0);
	return l;
}

/* ---- tests */

static void off_unless_asked_for(void **state)
{
	struct drive *d = *state;
	cJSON *all = cJSON_CreateObject();

	assert_int_equal(verification_start(d->fs), 0);
	verification_status(d->fs, all);
	assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(all, "verification")));
	cJSON_Delete(all);
	verification_end(d->fs);
	verification_free(d->fs);
}

static void a_fault_is_told_everywhere(void **state)
{
	struct drive *d = *state;
	const cJSON *o, *fault;
	struct lines l;
	cJSON *all;
	char *log;

	seal(d, NAME);
	seal(d, OTHER);
	kit_log_begin();
	start(d);
	wait_for_bad(d, 0);
	kit_raw_remove(d->kit.bucket, KEY);
	wait_for_bad(d, 1);
	log = kit_log_end();
	assert_non_null(strstr(log, "error verify: missing path=\"t/" NAME "\""));
	free(log);
	all = status(d, &o);
	assert_int_equal((int)number(o, "interval_s"), 1);
	assert_int_equal((int)number(o, "sealed"), 2);
	assert_int_equal((int)number(o, "good"), 1);
	assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, "complete")));
	assert_true(cJSON_IsString(cJSON_GetObjectItemCaseSensitive(o, "last")));
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(o, "faults")), 1);
	fault = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(o, "faults"), 0);
	assert_string_equal(cJSON_GetObjectItemCaseSensitive(fault, "path")->valuestring, "t/" NAME);
	assert_string_equal(cJSON_GetObjectItemCaseSensitive(fault, "fault")->valuestring, "missing");
	cJSON_Delete(all);

	/* Told to the audit log when it changes, not in each round. */
	clock_sleep_ms(1050);
	verification_end(d->fs);
	l = audit(d);
	assert_int_equal(l.damage, 1);
	assert_int_equal(l.verified, 2);
	assert_string_equal(l.detail, "missing: " NAME);
	all = status(d, &o);
	assert_int_equal((int)number(o, "bad"), 1); /* what it found stays */
	cJSON_Delete(all);
}

/* The store does not answer: the mount's end does not wait for it. */
static void it_ends_at_once(void **state)
{
	struct drive *d = *state;
	int64_t begin;

	seal(d, NAME);
	kit_fault(&d->kit, STORE_GET, "seals/", 0, 1000, FAULT_HOLD, 0);
	start(d);
	clock_sleep_ms(1050);
	begin = clock_mono_ms();
	verification_end(d->fs);
	assert_true(clock_mono_ms() - begin < 1000);
	verification_end(d->fs);
	fault_store_clear(d->kit.fault);
}

/* A mount of all tenants looks at each of them. */
static void every_tenant(void **state)
{
	struct drive *d = *state;
	const cJSON *o;
	cJSON *all;

	assert_int_equal(drive_mkdir(d, DRIVE_ROOT, "s"), 0);
	assert_int_equal(drive_mkdir(d, DRIVE_ROOT, "t"), 0);
	seal_in(d, drive_id(d, DRIVE_ROOT, "t"), NAME);
	seal_in(d, drive_id(d, DRIVE_ROOT, "t"), OTHER);
	kit_raw_remove(d->kit.bucket, KEY);
	start(d);
	wait_for_bad(d, 1);
	verification_end(d->fs);
	all = status(d, &o);
	assert_int_equal((int)number(o, "good"), 1);
	cJSON_Delete(all);
}

/* What cannot be listed is no good news, nor a fault. */
static void what_cannot_be_looked_at(void **state)
{
	struct drive *d = *state;
	int64_t end = clock_mono_ms() + 10000;
	bool told = false;
	struct lines l;
	char *log;

	seal(d, NAME);
	kit_fault(&d->kit, STORE_GET, "seals/", 0, 1000, FAULT_FAIL, EREMOTEIO);
	kit_log_begin();
	start(d);
	while (!told) {
		const cJSON *o;
		cJSON *all = status(d, &o);

		told = cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(o, "complete"));
		cJSON_Delete(all);
		assert_true(clock_mono_ms() < end);
		clock_sleep_ms(20);
	}
	verification_end(d->fs);
	fault_store_clear(d->kit.fault);
	log = kit_log_end();
	assert_non_null(strstr(log, "not all could be verified"));
	free(log);
	l = audit(d);
	assert_int_equal(l.verified, 0);
}

/* While a Job writes: one step a second. */
static void a_job_comes_first(void **state)
{
	struct drive *d = *state;
	struct answer a;
	uint64_t before;
	char name[64];

	for (int i = 1; i < 20; i++) {
		snprintf(name, sizeof(name), "db-202401%02d-000000.tar", i);
		seal(d, name);
	}
	drive_create(d, DRIVE_ROOT, "job", getpid(), &a);
	before = kit_calls(&d->kit, STORE_GET);
	start(d);
	clock_sleep_ms(1100);
	assert_in_range(kit_calls(&d->kit, STORE_GET) - before, 0, 25); /* the log of 19 seals, and three steps at most */
	assert_int_equal(drive_flush(d, a.handle, getpid()), 0);
	drive_release(d, a.handle);
	wait_for_bad(d, 0);
	verification_end(d->fs);
}

#define T(f) cmocka_unit_test_setup_teardown(f, drive_setup, drive_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(off_unless_asked_for), T(a_fault_is_told_everywhere), T(it_ends_at_once), T(what_cannot_be_looked_at), T(a_job_comes_first),
		cmocka_unit_test_setup_teardown(every_tenant, drive_setup_tenants, drive_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

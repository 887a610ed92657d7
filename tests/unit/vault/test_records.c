/* SPDX-License-Identifier: Apache-2.0 */
/* The records of docs/format.md §11 to §13 as tests/format/make_vectors.py wrote them from that page: what is read of them, and what is refused. */
#include "kit.h"

#include "base/buf.h"
#include "vault/audit.h"
#include "vault/hold.h"
#include "vault/lease.h"
#include "vault/sweep_private.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>

#define RECORDS "backups/.pishop/t/acme/"
#define STEM "db-20251125-103000"

static cJSON *vectors;

static int load(void **state)
{
	FILE *f = fopen(VECTORS_DIR "/vectors.json", "rb");
	size_t most = 4u << 20;
	AUTO_FREE char *text = malloc(most);

	if (!f || !text)
		return -1;

	size_t n = fread(text, 1, most, f);

	fclose(f);
	vectors = cJSON_ParseWithLength(text, n);
	return vectors ? 0 : -1;
}

static int unload(void **state)
{
	cJSON_Delete(vectors);
	return 0;
}

/* ---- texts, each by its decoder, or put where it belongs and read there */

static int read_tombstone(struct kit *k, const char *text, size_t len)
{
	struct tombstone t;
	char *again;
	int rc = tombstone_decode(text, len, &t);

	if (rc)
		return rc;
	assert_int_equal(tombstone_encode(&t, &again), 0);
	tombstone_free(&t);
	assert_int_equal(tombstone_decode(again, strlen(again), &t), 0);
	tombstone_free(&t);
	free(again);
	return 0;
}

static int read_policy(struct kit *k, const char *text, size_t len)
{
	struct policy p;

	return policy_decode(text, len, &p);
}

static int read_retention(struct kit *k, const char *text, size_t len)
{
	struct sweep_state s;
	int rc = sweep_state_decode(text, len, &s);

	if (!rc)
		sweep_state_free(&s);
	return rc;
}

static int count_line(void *arg, const char *line, size_t len)
{
	++*(unsigned *)arg;
	return 0;
}

static int read_audit(struct kit *k, const char *text, size_t len)
{
	unsigned lines = 0;
	char why[256];

	assert_int_equal(record_write(k->v, RECORDS "audit/9999999999999998", text, len, NULL, NULL, NULL), 0);
	return audit_read(k->v, "acme", count_line, &lines, why, sizeof(why), NULL);
}

static int read_holds(struct kit *k, const char *text, size_t len)
{
	AUTO(holds_free) struct holds h = { 0 };

	assert_int_equal(record_write(k->v, RECORDS "control/holds", text, len, NULL, NULL, NULL), 0);
	return holds_read(k->v, "acme", &h, NULL);
}

static int read_lease(struct kit *k, const char *text, size_t len)
{
	struct lease_holder other;
	struct lease *l = NULL;
	int rc;

	assert_int_equal(record_write(k->v, RECORDS "control/lease", text, len, NULL, NULL, NULL), 0);
	rc = lease_take(k->v, "acme", 0, &l, &other, NULL);
	lease_release(l);
	return rc == EBUSY ? 0 : rc; /* somebody has it: it was read */
}

static const struct {
	const char *name, *key;
	int (*read)(struct kit *k, const char *text, size_t len);
} kinds[] = {
	{ "tombstone", NULL, read_tombstone }, { "policy", NULL, read_policy },
	{ "retention", NULL, read_retention }, { "audit", RECORDS "audit/9999999999999998", read_audit },
	{ "holds", RECORDS "control/holds", read_holds }, { "lease", RECORDS "control/lease", read_lease },
};

static void check_text(struct kit *k, const char *kind, const char *why, const char *hex, const char *finding)
{
	int expected = strcmp(finding, "good") == 0 ? 0 : strcmp(finding, "newer") == 0 ? EPROTONOSUPPORT : EBADMSG, rc;
	size_t len = strlen(hex) / 2, i = 0;
	AUTO_FREE char *text = malloc(len + 1);

	assert_int_equal(hex_decode((uint8_t *)text, len, hex, 2 * len), 0);
	text[len] = '\0';
	while (i < ARRAY_LEN(kinds) && strcmp(kinds[i].name, kind) != 0)
		i++;
	assert_true(i < ARRAY_LEN(kinds));
	kit_log_begin();
	rc = kinds[i].read(k, text, len);
	free(kit_log_end());
	if (kinds[i].key)
		kit_raw_remove(k->bucket, kinds[i].key);
	if (rc != expected)
		fail_msg("%s, %s: %d, and should be %s", kind, why, rc, finding);
}

static void texts_of_the_second_writer(void **state)
{
	const cJSON *item, *list = cJSON_GetObjectItemCaseSensitive(vectors, "records");
	unsigned count = 0;

	cJSON_ArrayForEach(item, list) {
		const char *part[4];

		for (int i = 0; i < 4; i++)
			part[i] = cJSON_GetStringValue(cJSON_GetArrayItem(item, i));
		check_text(*state, part[0], part[1], part[2], part[3]);
		count++;
	}
	assert_true(count > 250);
}

/* ---- objects, as they stand in a bucket */

static void put(struct kit *k, const char *name, const char *key)
{
	uint8_t data[8192];
	char path[1024];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), VECTORS_DIR "/%s.bin", name);
	f = fopen(path, "rb");
	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	n = fread(data, 1, sizeof(data), f);
	fclose(f);
	assert_in_range(n, 797, sizeof(data) - 1);
	kit_raw_put(k->bucket, key, data, n);
}

static void put_all(struct kit *k)
{
	put(k, "tombstone", RECORDS "tombstones/" STEM);
	put(k, "audit-1", RECORDS "audit/9999999999999998");
	put(k, "audit-2", RECORDS "audit/9999999999999997");
	put(k, "holds", RECORDS "control/holds");
	put(k, "retention", RECORDS "control/retention");
}

static int verify_log(struct kit *k, char why[256])
{
	unsigned lines = 0;
	int rc = audit_verify(k->v, "acme", count_line, &lines, why, 256, NULL);

	assert_true(rc || lines == 6);
	return rc;
}

static void objects_of_the_second_writer(void **state)
{
	struct kit *k = *state;
	AUTO(tombstone_free) struct tombstone t = { 0 };
	AUTO(holds_free) struct holds h = { 0 };
	AUTO(sweep_state_free) struct sweep_state s = { 0 };
	AUTO_FREE char *text = NULL;
	struct policy p;
	size_t len;
	char why[256];

	put_all(k);
	put(k, "policy", RECORDS "control/policy");
	assert_int_equal(tombstone_read(k->v, "acme", STEM, &t, NULL), 0);
	assert_string_equal(t.why, "removed \"by\" \xff\x01");
	assert_int_equal(t.until_s - t.at_s, 72 * 3600);
	assert_true(t.phase == TOMB_GRACE && !t.trashed && t.objects == 4 && t.bytes == 303000 && !t.seal);
	assert_int_equal(verify_log(k, why), 0);
	assert_int_equal(holds_read(k->v, "acme", &h, NULL), 0);
	assert_true(h.count == 2 && holds_has(&h, STEM) && holds_has(&h, "other"));
	assert_string_equal(h.list[0].why, "a dispute, \"7\"");
	assert_int_equal(sweep_state_read(k->v, "acme", &s, NULL), 0);
	assert_true(s.audit == 2 && s.memory.count == 1 && s.memory.known[0].state == BACKUP_SEALED);
	assert_int_equal(record_read(k->v, RECORDS "control/policy", &text, &len, NULL, NULL), 0);
	assert_int_equal(policy_decode(text, len, &p), 0);
	assert_true(policy_equal(&p, &s.policy));
	assert_true(p.keep_daily == 7 && p.keep_yearly == 1000000 && p.max_age_s == POLICY_AGE_MOST && p.untimed_by_commit);
}

static void a_log_is_judged_as_a_whole(void **state)
{
	struct kit *k = *state;
	char why[256];

	kit_log_begin();
	put_all(k);
	put(k, "audit-2", RECORDS "audit/9999999999999998");
	assert_int_equal(verify_log(k, why), EBADMSG);
	assert_non_null(strstr(why, "segment 1: line 1 does not follow"));
	put(k, "audit-1", RECORDS "audit/9999999999999997");
	assert_int_equal(verify_log(k, why), EBADMSG);
	put_all(k);
	kit_raw_cut(k->bucket, RECORDS "audit/9999999999999997", 1200);
	assert_int_equal(verify_log(k, why), EBADMSG);
	assert_non_null(strstr(why, "segment 2: damaged"));
	kit_raw_remove(k->bucket, RECORDS "audit/9999999999999997");
	assert_int_equal(verify_log(k, why), EBADMSG); /* by what retention remembers */
	assert_non_null(strstr(why, "segment 2: missing"));
	put(k, "seal", RECORDS "audit/9999999999999997");
	assert_int_equal(verify_log(k, why), EBADMSG);
	free(kit_log_end());
}

static void what_was_moved_about_counts_for_nothing(void **state)
{
	struct kit *k = *state;
	AUTO(tombstone_free) struct tombstone t = { 0 };
	AUTO(holds_free) struct holds h = { 0 };
	unsigned lines = 0;
	char why[256];

	kit_log_begin();
	put(k, "tombstone", RECORDS "tombstones/other");
	assert_int_equal(tombstone_read(k->v, "acme", "other", &t, NULL), EBADMSG);
	put(k, "tombstone", RECORDS "control/holds");
	assert_int_equal(holds_read(k->v, "acme", &h, NULL), EBADMSG);
	free(kit_log_end());
	kit_log_begin();
	put(k, "audit-1", "backups/.pishop/t/other/audit/9999999999999998");
	assert_int_equal(audit_read(k->v, "other", count_line, &lines, why, sizeof(why), NULL), EBADMSG);
	assert_non_null(strstr(why, "segment 1: line 1 is of the log of acme"));
	free(kit_log_end());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
		T(texts_of_the_second_writer), T(objects_of_the_second_writer), T(a_log_is_judged_as_a_whole), T(what_was_moved_about_counts_for_nothing),
	};

	return cmocka_run_group_tests(tests, load, unload);
}

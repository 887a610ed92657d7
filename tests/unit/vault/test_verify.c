/* SPDX-License-Identifier: Apache-2.0 */
#include "sealed.h"

#include "base/buf.h"
#include "base/clock.h"
#include "vault/audit.h"
#include "vault/verify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STEM "db-20240101-000000"
#define OTHER "db-20240102-000000"

/* ---- what is told */

struct told {
	unsigned faults;
	unsigned of[VERIFY_UNREADABLE + 1];
	char path[PATH_CAP], detail[256]; /* of the last */
	struct verify_progress progress;
	struct verify_result result;
};

static void on_fault(void *arg, const char *tenant, const char *stem, const char *path, enum verify_fault f, const char *detail)
{
	struct told *t = arg;

	assert_string_equal(tenant, "acme");
	assert_true(stem[0]);
	t->faults++;
	t->of[f]++;
	snprintf(t->path, sizeof(t->path), "%s", path);
	snprintf(t->detail, sizeof(t->detail), "%s", detail);
}

static void on_progress(void *arg, const struct verify_progress *p)
{
	((struct told *)arg)->progress = *p;
}

static int verify(struct kit *k, const char *stem, bool full, struct told *t)
{
	struct verify_config c = { .full = full, .fault = on_fault, .progress = on_progress, .arg = t };
	int rc;

	*t = (struct told){ 0 };
	kit_log_begin();
	rc = verify_tenant(k->v, "acme", stem, &c, &t->result, NULL);
	free(kit_log_end());
	return rc;
}

/* Exactly that one fault at that path, in a quick look as in a full one. */
static void finds(struct kit *k, enum verify_fault f, const char *path)
{
	for (int full = 0; full < 2; full++) {
		struct told t;

		assert_int_equal(verify(k, NULL, full, &t), 0);
		if (t.faults != 1 || !t.of[f] || strcmp(t.path, path) != 0)
			fail_msg("%u faults, the last %s (%s), looking for %s at %s", t.faults, t.path, t.detail, verify_fault_name(f), path);
		assert_int_equal(t.result.bad, 1);
	}
}

static void only_full_finds(struct kit *k, enum verify_fault f, const char *path)
{
	struct told t;

	assert_int_equal(verify(k, NULL, true, &t), 0);
	assert_int_equal(t.faults, 1);
	assert_int_equal(t.of[f], 1);
	assert_string_equal(t.path, path);
}

static void clean(struct kit *k, uint64_t sealed)
{
	for (int full = 0; full < 2; full++) {
		struct told t;

		assert_int_equal(verify(k, NULL, full, &t), 0);
		if (t.faults)
			fail_msg("%s: %s", t.path, t.detail);
		assert_int_equal(t.result.sealed, sealed);
		assert_int_equal(t.result.good, sealed);
	}
}

/* ---- tests */

static void nothing_in_a_clean_one(void **state)
{
	struct kit *k = *state;
	struct told t;
	char path[64];

	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), STEM "/f%d", i);
		sealed_put(k, path, path, STATE_CLOSED);
	}
	sealed_seal(k, STEM, NULL);

	uint64_t before = kit_calls(k, STORE_GET);

	assert_int_equal(verify(k, NULL, false, &t), 0);
	assert_int_equal(t.faults, 0);
	assert_true(kit_calls(k, STORE_GET) - before < 10); /* nothing of the objects */
	assert_int_equal(t.progress.objects, 1000);
	assert_int_equal(t.progress.objects_all, 1000);
	assert_int_equal(t.progress.backups, 1);
	assert_int_equal(verify(k, STEM, true, &t), 0);
	assert_int_equal(t.faults, 0);
	assert_int_equal(t.result.good, 1);
	assert_int_equal(t.result.objects, 1000);
	assert_int_equal(t.progress.bytes, t.result.bytes);
}

static void large_and_empty_files_are_read_whole(void **state)
{
	struct kit *k = *state;
	struct told t;

	object_unref(kit_file(k, sealed_key(STEM, "large"), 40 * CHUNK_BYTES + 5, 1));
	object_unref(kit_file(k, sealed_key(STEM, "empty"), 0, 1));
	sealed_seal(k, STEM, NULL);
	clean(k, 1);
	assert_int_equal(verify(k, NULL, true, &t), 0);
	assert_int_equal(t.progress.bytes, 40 * CHUNK_BYTES + 5);
	kit_raw_flip(k->bucket, sealed_key(STEM, "large"), chunk_offset(33) + 100);
	only_full_finds(k, VERIFY_DAMAGED, STEM "/large");
}

static void deleted(void **state)
{
	struct kit *k = *state;

	sealed_make(k, STEM);
	clean(k, 1);
	kit_raw_remove(k->bucket, sealed_key(STEM, "db/b"));
	finds(k, VERIFY_MISSING, STEM "/db/b");
}

static void replaced_by_an_older_version(void **state)
{
	struct kit *k = *state;
	uint8_t *bytes;
	size_t n;

	sealed_put(k, STEM "/a", "an older version", STATE_CLOSED);
	n = kit_raw_get(k->bucket, sealed_key(STEM, "a"), &bytes, NULL);
	sealed_make(k, STEM);
	kit_raw_put(k->bucket, sealed_key(STEM, "a"), bytes, n);
	free(bytes);
	finds(k, VERIFY_REPLACED, STEM "/a");
}

/* Of the same length as well, so that nothing but the object id tells. */
static void replaced_by_one_of_the_same_length(void **state)
{
	struct kit *k = *state;

	sealed_make(k, STEM);
	sealed_put(k, STEM "/a", STEM "/A", STATE_CLOSED);
	finds(k, VERIFY_REPLACED, STEM "/a");
}

static void two_swapped(void **state)
{
	struct kit *k = *state;
	uint8_t *b, *c;
	size_t nb, nc;
	struct told t;

	sealed_make(k, STEM);
	nb = kit_raw_get(k->bucket, sealed_key(STEM, "db/b"), &b, NULL);
	nc = kit_raw_get(k->bucket, sealed_key(STEM, "db/c"), &c, NULL);
	kit_raw_put(k->bucket, sealed_key(STEM, "db/b"), c, nc);
	kit_raw_put(k->bucket, sealed_key(STEM, "db/c"), b, nb);
	free(b);
	free(c);
	assert_int_equal(verify(k, NULL, false, &t), 0);
	assert_int_equal(t.faults, 2);
	assert_int_equal(t.of[VERIFY_REPLACED], 2);
}

/* The file as it was when it was shorter: the same object, since what is written under one key only grows. */
static void put_prefix(struct kit *k, const char *key, const struct object_key *keys, uint32_t size)
{
	uint8_t bytes[HEADER_BYTES + 12 + 100 + 16 + TRAILER_BYTES] = { 0 }, *record = bytes + HEADER_BYTES;
	struct trailer t;

	trailer_fresh(k->v, &t, ENTRY_FILE, STATE_CLOSED, 0640, 10, 20);
	t.mtime = (struct timespec){ 1 };
	t.size = size;
	assert_int_equal(header_make(vault_keys(k->v), keys, bytes), 0);
	assert_int_equal(chunk_seal(keys, 0, CHUNK_LAST, record, record + 12, size, record + 12 + size), 0);
	assert_int_equal(trailer_seal(keys, &t, bytes + trailer_offset(size)), 0);
	kit_raw_put(k->bucket, key, bytes, object_length(size));
}

static void an_earlier_version_of_the_same_object(void **state)
{
	struct kit *k = *state;
	struct object_key keys;

	assert_int_equal(object_key_new(&keys), 0);
	put_prefix(k, sealed_key(STEM, "a"), &keys, 100);
	sealed_seal(k, STEM, NULL);
	clean(k, 1);
	put_prefix(k, sealed_key(STEM, "a"), &keys, 60);
	finds(k, VERIFY_SIZE, STEM "/a");
	object_key_wipe(&keys);
}

static void seal_deleted(void **state)
{
	struct kit *k = *state;
	struct told t;

	sealed_make(k, STEM);
	kit_raw_remove(k->bucket, RECORDS "seals/" STEM);
	finds(k, VERIFY_SEAL_MISSING, "");
	/* Also where members of it were removed by leave, */
	audit_note(k->v, "acme", &(struct audit_line){ .event = AUDIT_REMOVED, .backup = STEM, .objects = 1 });
	assert_int_equal(audit_flush(k->v, "acme", NULL), 0);
	finds(k, VERIFY_SEAL_MISSING, "");
	/* or what went from the trash was an older one, */
	audit_note(k->v, "acme", &(struct audit_line){ .event = AUDIT_DELETING, .backup = STEM });
	audit_note(k->v, "acme", &(struct audit_line){ .event = AUDIT_DELETED, .backup = STEM, .detail = AUDIT_FROM_TRASH });
	assert_int_equal(audit_flush(k->v, "acme", NULL), 0);
	finds(k, VERIFY_SEAL_MISSING, "");
	/* but not where it was as a whole. */
	audit_note(k->v, "acme", &(struct audit_line){ .event = AUDIT_REMOVED, .backup = STEM, .seal = "00112233445566778899aabbccddeeff" });
	assert_int_equal(audit_flush(k->v, "acme", NULL), 0);
	assert_int_equal(verify(k, NULL, false, &t), 0);
	assert_int_equal(t.faults, 0);
	assert_int_equal(t.result.unsealed, 1);
}

static void everything_deleted(void **state)
{
	struct kit *k = *state;
	struct told t;

	sealed_make(k, OTHER);
	sealed_put(k, STEM ".tar", "archive", STATE_CLOSED);
	sealed_seal(k, STEM, NULL);
	kit_raw_remove(k->bucket, LIVE STEM ".tar");
	finds(k, VERIFY_MISSING, STEM ".tar");
	kit_raw_remove(k->bucket, RECORDS "seals/" STEM);
	finds(k, VERIFY_SEAL_MISSING, "");
	assert_int_equal(verify(k, STEM, false, &t), 0);
	assert_int_equal(t.faults, 1);
	assert_int_equal(verify(k, "none", false, &t), ENOENT);
}

static void seal_replaced_by_an_older_one(void **state)
{
	struct kit *k = *state;
	uint8_t *bytes;
	size_t n;
	struct told t;

	sealed_make(k, STEM);
	n = kit_raw_get(k->bucket, RECORDS "seals/" STEM, &bytes, NULL);
	sealed_seal(k, STEM, NULL);
	clean(k, 1);
	kit_raw_put(k->bucket, RECORDS "seals/" STEM, bytes, n);
	free(bytes);
	finds(k, VERIFY_SEAL_OLD, "");
	assert_int_equal(verify(k, NULL, false, &t), 0);
	assert_int_equal(t.result.good, 0);
}

static void seal_damaged(void **state)
{
	struct kit *k = *state;

	sealed_make(k, STEM);
	kit_raw_flip(k->bucket, RECORDS "seals/" STEM, 600);
	finds(k, VERIFY_SEAL_DAMAGED, "");
}

static void entries_added(void **state)
{
	struct kit *k = *state;
	struct told t;

	sealed_make(k, STEM);
	sealed_put(k, STEM "/db/more", "x", STATE_CLOSED);
	finds(k, VERIFY_EXTRA, STEM "/db/more");
	sealed_put(k, STEM "-x/f", "x", STATE_CLOSED); /* a folder beside it: without an archive there is no scratch */
	assert_int_equal(verify(k, NULL, false, &t), 0);
	assert_int_equal(t.of[VERIFY_EXTRA], 2);
	kit_raw_remove(k->bucket, LIVE STEM "-x/f");
	kit_raw_put(k->bucket, LIVE STEM ".sha256", "plain", 5); /* beside the folder, and plain */
	assert_int_equal(verify(k, NULL, false, &t), 0);
	assert_int_equal(t.of[VERIFY_EXTRA], 2);
}

/* A marker with the name of a file is another entry. */
static void a_folder_is_no_file(void **state)
{
	struct kit *k = *state;

	sealed_make(k, STEM);
	sealed_put(k, STEM "/a/", "", STATE_CLOSED);
	finds(k, VERIFY_EXTRA, STEM "/a");
}

static void byte_flipped(void **state)
{
	struct kit *k = *state;

	sealed_make(k, STEM);
	kit_raw_flip(k->bucket, sealed_key(STEM, "a"), chunk_offset(0) + 14); /* content: a quick look reads header and trailer */
	only_full_finds(k, VERIFY_DAMAGED, STEM "/a");
	kit_raw_flip(k->bucket, sealed_key(STEM, "a"), chunk_offset(0) + 14);
	clean(k, 1);
	kit_raw_flip(k->bucket, sealed_key(STEM, "a"), 40);
	finds(k, VERIFY_DAMAGED, STEM "/a");
}

static void object_cut(void **state)
{
	struct kit *k = *state;

	sealed_make(k, STEM);
	kit_raw_cut(k->bucket, sealed_key(STEM, "a"), 790);
	finds(k, VERIFY_SIZE, STEM "/a");
	kit_raw_cut(k->bucket, sealed_key(STEM, "a"), 600);
	finds(k, VERIFY_SIZE, STEM "/a");
}

static void replaced_by_a_plain_one(void **state)
{
	struct kit *k = *state;

	sealed_make(k, STEM);
	kit_raw_put(k->bucket, sealed_key(STEM, "a"), "plain", 5);
	finds(k, VERIFY_FOREIGN, STEM "/a");
}

static void other_attributes(void **state)
{
	struct kit *k = *state;
	struct object *o;
	struct trailer t;

	sealed_make(k, STEM);
	assert_int_equal(object_load(k->v, sealed_key(STEM, "a"), 0, &o, NULL), 0);
	object_attrs(o, &t);
	t.mode = 0777;
	assert_int_equal(object_rewrite(k->v, o, sealed_key(STEM, "a"), &t, NULL), 0);
	object_unref(o);
	finds(k, VERIFY_ATTRS, STEM "/a");
}

static void a_copy_is_the_same(void **state)
{
	struct kit *k = *state;
	struct object *o;

	sealed_make(k, STEM);
	assert_int_equal(object_load(k->v, sealed_key(STEM, "a"), 0, &o, NULL), 0);
	assert_int_equal(object_rewrite(k->v, o, sealed_key(STEM, "a"), NULL, NULL), 0); /* another ETag, nothing else */
	object_unref(o);
	clean(k, 1);
}

static void scratch_is_no_fault(void **state)
{
	struct kit *k = *state;

	sealed_put(k, STEM ".tar", "archive", STATE_CLOSED);
	sealed_seal(k, STEM, NULL);
	sealed_put(k, STEM "/", "", STATE_CLOSED);
	sealed_put(k, STEM "/dump", "x", STATE_CLOSED);
	kit_raw_put(k->bucket, LIVE STEM "/plain", "plain", 5);
	clean(k, 1);
	sealed_put(k, STEM ".tar.sha256", "x", STATE_CLOSED);
	finds(k, VERIFY_EXTRA, STEM ".tar.sha256");
}

/* A folder that the seal lists is no scratch, also with an archive beside it. */
static void a_sealed_folder_is_no_scratch(void **state)
{
	struct kit *k = *state;

	sealed_put(k, STEM "-x/a", "x", STATE_CLOSED);
	sealed_put(k, STEM ".tar", "archive", STATE_CLOSED);
	sealed_put(k, STEM "/a", "x", STATE_CLOSED);
	sealed_seal(k, STEM, NULL);
	sealed_put(k, STEM "/b", "x", STATE_CLOSED);
	finds(k, VERIFY_EXTRA, STEM "/b");
}

static void what_was_left_out_as_open_is_no_fault(void **state)
{
	struct kit *k = *state;

	sealed_put(k, STEM "/a", "x", STATE_CLOSED);
	sealed_put(k, STEM "/open", "x", STATE_OPEN);
	sealed_put(k, STEM "/unknown", "x", STATE_UNKNOWN);
	sealed_seal(k, STEM, STEM "/open");
	clean(k, 1);
	sealed_seal(k, STEM, STEM "/unknown");
	clean(k, 1);
	sealed_seal(k, STEM, STEM "/a"); /* but this was closed */
	finds(k, VERIFY_EXTRA, STEM "/a");
	sealed_seal(k, STEM, NULL);
	clock_sleep_ms(1100);
	sealed_put(k, STEM "/later", "x", STATE_OPEN);
	finds(k, VERIFY_EXTRA, STEM "/later");
}

static void one_that_is_being_changed_is_not_bad(void **state)
{
	struct kit *k = *state;
	struct told t;

	sealed_make(k, STEM);
	sealed_reopen(k, STEM, STEM);
	clean(k, 1);
	kit_raw_remove(k->bucket, sealed_key(STEM, "a"));
	assert_int_equal(verify(k, NULL, false, &t), 0);
	assert_int_equal(t.faults, 0);
	assert_int_equal(t.result.unsealed, 1);
	kit_raw_remove(k->bucket, RECORDS "reopen/" STEM);
	sealed_reopen(k, OTHER, STEM); /* another's, moved here */
	finds(k, VERIFY_MISSING, STEM "/a");
}

static void what_cannot_be_read_is_told_apart(void **state)
{
	struct kit *k = *state;
	struct told t;

	sealed_make(k, STEM);
	kit_fault(k, STORE_GET, "db/b", 0, 100, FAULT_FAIL, EREMOTEIO);
	assert_int_equal(verify(k, NULL, true, &t), 0);
	assert_int_equal(t.of[VERIFY_UNREADABLE], 1);
	fault_store_clear(k->fault);
	kit_fault(k, STORE_LIST, LIVE, 0, 1, FAULT_FAIL, EREMOTEIO);
	assert_int_equal(verify(k, NULL, false, &t), EREMOTEIO);
	kit_fault(k, STORE_GET, "seals/", 0, 1, FAULT_FAIL, ETIMEDOUT);
	assert_int_equal(verify(k, NULL, false, &t), ETIMEDOUT);
}

static void it_stops(void **state)
{
	struct kit *k = *state;
	atomic_bool stop = true;
	struct verify_config c = { .full = true, .stop = &stop };
	struct verify_result r = { 0 };

	sealed_make(k, STEM);
	assert_int_equal(verify_tenant(k->v, "acme", NULL, &c, &r, NULL), ECANCELED);
	assert_int_equal(r.good, 0);
}

static void a_damaged_log_is_no_silence(void **state)
{
	struct kit *k = *state;
	struct told t;

	sealed_make(k, STEM);
	kit_raw_flip(k->bucket, RECORDS "audit/9999999999999998", 600);
	assert_int_equal(verify(k, NULL, false, &t), EBADMSG);
	assert_int_equal(t.result.good, 1);
}

static void one_backup_by_itself(void **state)
{
	struct kit *k = *state;
	struct verify_config c = { 0 };
	struct member m = { .key = (char *)(uintptr_t)LIVE STEM "/x", .length = 5 };
	struct seal seal;
	char first[160];

	sealed_make(k, STEM);
	kit_raw_put(k->bucket, m.key, "plain", 5);
	assert_int_equal(seal_read(k->v, "acme", STEM, &seal, NULL, NULL), 0);
	assert_int_equal(verify_backup(k->v, &seal, &m, 1, &c, first, sizeof(first), NULL), seal.count + 1);
	assert_string_equal(first, "missing: " STEM);
	seal_free(&seal);
}

#define T(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_in_a_clean_one), T(large_and_empty_files_are_read_whole), T(deleted), T(replaced_by_an_older_version), T(replaced_by_one_of_the_same_length),
		T(an_earlier_version_of_the_same_object), T(two_swapped), T(seal_deleted), T(everything_deleted), T(seal_replaced_by_an_older_one), T(seal_damaged), T(entries_added), T(a_folder_is_no_file),
		T(byte_flipped), T(object_cut), T(replaced_by_a_plain_one), T(other_attributes), T(a_copy_is_the_same), T(scratch_is_no_fault),
		T(a_sealed_folder_is_no_scratch), T(what_was_left_out_as_open_is_no_fault), T(one_that_is_being_changed_is_not_bad), T(what_cannot_be_read_is_told_apart), T(it_stops),
		T(a_damaged_log_is_no_silence), T(one_backup_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "kit.h"

#include "base/buf.h"
#include "base/clock.h"
#include "vault/audit.h"
#include "vault/hold.h"
#include "vault/tombstone.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LIVE "backups/acme/"
#define RECORDS "backups/.pishop/t/acme/"
#define NAME "db-20260101-000000"
#define TOMB RECORDS "tombstones/" NAME
#define SEAL RECORDS "seals/" NAME
#define SEAL_TEXT "{\"seal\":1,\"tenant\":\"acme\"}\n"

/* A backup of 13 objects in a folder and two files beside it, with a seal, among others with names alike. */
static const char *const beside[] = { LIVE "db-20260101-000001.tar.gz", LIVE "db-20260102-000000/x", LIVE "db", LIVE "db-20260101-0000009", "backups/other/" NAME "/x",
				      RECORDS "seals/db-20260102-000000" };
#define OBJECTS 15u

static void put_seal(struct kit *k)
{
	assert_int_equal(record_write(k->v, SEAL, SEAL_TEXT, strlen(SEAL_TEXT), NULL, NULL, NULL), 0);
}

static void make_backup(struct kit *k)
{
	char key[256];

	for (int i = 0; i < 13; i++) {
		snprintf(key, sizeof(key), LIVE NAME "/f%02d", i);
		object_unref(kit_file(k, key, 100 + (uint64_t)i, (uint8_t)i));
	}
	object_unref(kit_file(k, LIVE NAME ".tar.gz", 350000, 7)); /* over one copy */
	kit_raw_put(k->bucket, LIVE NAME "/", "marker", 6);
	put_seal(k);
}

static void make_others(struct kit *k)
{
	for (size_t i = 0; i < ARRAY_LEN(beside); i++)
		kit_raw_put(k->bucket, beside[i], "others", 6);
}

static void make_all(struct kit *k)
{
	make_backup(k);
	make_others(k);
}

static void others_stand(struct kit *k)
{
	for (size_t i = 0; i < ARRAY_LEN(beside); i++)
		if (kit_raw_head(k->bucket, beside[i], NULL))
			fail_msg("%s is gone", beside[i]);
}

/* Keys that begin with prefix, all pages. */
static unsigned count(struct kit *k, const char *prefix)
{
	struct store *s = kit_bucket_raw(k->bucket);
	struct store_page page = { 0 };
	char *token = NULL;
	unsigned n = 0;

	do {
		assert_int_equal(s->ops->list(s, prefix, 0, token, 0, &page, NULL), 0);
		n += (unsigned)page.count;
		free(token);
		token = page.next;
		page.next = NULL;
		store_page_free(&page);
	} while (token);
	return n;
}

static unsigned versions(struct kit *k, const char *prefix)
{
	struct store *s = kit_bucket_raw(k->bucket);
	struct store_versions page = { 0 };
	char *token = NULL;
	unsigned n = 0;

	do {
		assert_int_equal(s->ops->versions(s, prefix, token, 0, &page, NULL), 0);
		n += (unsigned)page.count;
		free(token);
		token = page.next;
		page.next = NULL;
		store_versions_free(&page);
	} while (token);
	return n;
}

static void nothing_left(struct kit *k)
{
	assert_int_equal(count(k, LIVE NAME "/"), 0);
	assert_int_equal(count(k, LIVE NAME "."), 0);
	assert_int_equal(kit_raw_head(k->bucket, SEAL, NULL), ENOENT);
	assert_int_equal(kit_raw_head(k->bucket, TOMB, NULL), ENOENT);
	others_stand(k);
}

static void bury(struct kit *k, int64_t grace_s)
{
	assert_int_equal(tombstone_put(k->v, "acme", NAME, "test", grace_s, 0, NULL), 0);
}

static int finish(struct kit *k)
{
	AUTO(tombstone_free) struct tombstone t = { 0 };
	struct lease *l = NULL;
	int rc = tombstone_read(k->v, "acme", NAME, &t, NULL);

	if (!rc)
		rc = lease_take(k->v, "acme", 300, &l, NULL, NULL);
	if (!rc)
		rc = tombstone_finish(k->v, "acme", &t, l, NULL);
	lease_release(l);
	return rc;
}

static void reopen(struct kit *k)
{
	struct vault_config config = kit_config();

	kit_close(k);
	kit_open(k, &config, KIT_KEY);
	kit_raw_remove(k->bucket, RECORDS "control/lease"); /* it has run out meanwhile */
}

struct events {
	unsigned n[AUDIT_EVENTS];
};

static int see(void *arg, const char *line, size_t len)
{
	struct events *e = arg;
	AUTO(audit_entry_free) struct audit_entry entry = { 0 };

	assert_int_equal(audit_decode(line, len, &entry), 0);
	e->n[entry.event]++;
	return 0;
}

static struct events audit(struct kit *k)
{
	struct events e = { 0 };
	char why[256];

	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	assert_int_equal(audit_read(k->v, "acme", see, &e, why, sizeof(why), NULL), 0);
	return e;
}

/* ---- the text */

static void its_text_is_read_strictly(void **state)
{
	struct tombstone t = { .stem = NAME, .id = "00112233445566778899aabbccddeeff", .phase = TOMB_DELETING, .at_s = 1700000000, .until_s = 1700000100,
			       .why = (char[]){ "because \"so\"" }, .by = "me", .epoch = 3, .objects = 4, .bytes = 5, .seal = (char[]){ "{}\nb\n" } };
	static const struct { const char *from, *to; int rc; } changes[] = {
		{ "\"tombstone\":1", "\"tombstone\":2", EPROTONOSUPPORT }, { "\"deleting\"", "\"delete\"", EBADMSG }, { "0011", "00X1", EBADMSG },
		{ "\"trashed\":false", "\"trashed\":0", EBADMSG }, { "\"trashed\":false,", "", EBADMSG }, { "\"epoch\":3", "\"epoch\":3,\"epoch\":3", EBADMSG },
		{ "\"bytes\":5", "\"bytes\":5,\"more\":1", EBADMSG }, { "\"objects\":4", "\"objects\":-4", EBADMSG }, { "\"backup\":\"db", "\"backup\":5,\"x\":\"db", EBADMSG },
	};
	struct tombstone back;
	char *text;

	assert_int_equal(tombstone_encode(&t, &text), 0);
	assert_int_equal(tombstone_decode(text, strlen(text), &back), 0);
	assert_string_equal(back.stem, NAME);
	assert_string_equal(back.why, t.why);
	assert_string_equal(back.seal, t.seal);
	assert_int_equal(back.phase, TOMB_DELETING);
	assert_int_equal(back.until_s, t.until_s);
	tombstone_free(&back);
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		char changed[1024];
		const char *at = strstr(text, changes[i].from);

		assert_non_null(at);
		snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, changes[i].to, at + strlen(changes[i].from));
		if (tombstone_decode(changed, strlen(changed), &back) != changes[i].rc)
			fail_msg("%s", changed);
	}
	for (size_t n = 0; n < strlen(text); n++)
		assert_int_equal(tombstone_decode(text, n, &back), EBADMSG);
	free(text);
}

/* ---- the grace */

static void it_can_be_made_once(void **state)
{
	struct kit *k = *state;
	AUTO(tombstone_free) struct tombstone t = { 0 };

	make_all(k);
	assert_int_equal(tombstone_put(k->v, "acme", "nothing", "why", 100, 0, NULL), ENOENT);
	bury(k, 100);
	assert_int_equal(tombstone_put(k->v, "acme", NAME, "again", 0, 0, NULL), EEXIST);
	assert_int_equal(tombstone_read(k->v, "acme", NAME, &t, NULL), 0);
	assert_string_equal(t.why, "test");
	assert_int_equal(t.objects, OBJECTS);
	assert_in_range(t.until_s - t.at_s, 100, 102);
	assert_true(t.at_s >= clock_wall_s() - 5);
	assert_int_equal(count(k, LIVE NAME), OBJECTS + 1); /* and one with a longer name */
}

static void nothing_goes_within_the_grace(void **state)
{
	struct kit *k = *state;

	make_all(k);
	bury(k, 100);
	assert_int_equal(finish(k), EAGAIN);
	assert_int_equal(count(k, LIVE NAME), OBJECTS + 1);
	assert_int_equal(kit_raw_head(k->bucket, SEAL, NULL), 0);
}

static void all_goes_after_it_and_nothing_else(void **state)
{
	struct kit *k = *state;
	struct events e;

	make_all(k);
	bury(k, 0);
	assert_int_equal(finish(k), 0);
	nothing_left(k);
	e = audit(k);
	assert_int_equal(e.n[AUDIT_TOMBSTONED], 1);
	assert_int_equal(e.n[AUDIT_DELETING], 1);
	assert_int_equal(e.n[AUDIT_DELETED], 1);
	assert_int_equal(finish(k), ENOENT);
}

static void a_hold_stops_it(void **state)
{
	struct kit *k = *state;

	make_all(k);
	bury(k, 0);
	assert_int_equal(hold_add(k->v, "acme", NAME, "court", "me", NULL), 0);
	assert_int_equal(finish(k), EAGAIN);
	assert_int_equal(count(k, LIVE NAME), OBJECTS + 1);
	assert_int_equal(kit_raw_head(k->bucket, SEAL, NULL), 0);
	assert_int_equal(hold_remove(k->v, "acme", NAME, "me", NULL), 0);
	assert_int_equal(finish(k), 0);
	nothing_left(k);
}

static void hold_now(void *arg)
{
	struct kit *b = arg;

	assert_int_equal(hold_add(b->v, "acme", NAME, "court", "me", NULL), 0);
}

static void second(struct kit *k, struct kit *b)
{
	struct vault_config config = kit_config();

	*b = (struct kit){ .bucket = k->bucket };
	kit_open(b, &config, KIT_KEY);
}

/* The hold was granted just before the word `deleting` is written. */
static void a_hold_in_the_last_moment_stops_it(void **state)
{
	struct kit *k = *state, b;

	make_all(k);
	bury(k, 0);
	second(k, &b);
	kit_callback(k, STORE_PUT, "/tombstones/", hold_now, &b);
	assert_int_equal(finish(k), EAGAIN);
	assert_int_equal(count(k, LIVE NAME), OBJECTS + 1);
	assert_int_equal(kit_raw_head(k->bucket, SEAL, NULL), 0);
	kit_close(&b);
}

/* The same, and the way back to the grace fails the first time. */
static void a_granted_hold_wins_even_after_a_kill(void **state)
{
	struct kit *k = *state, b;

	make_all(k);
	bury(k, 0);
	second(k, &b);
	kit_callback(k, STORE_PUT, "/tombstones/", hold_now, &b);
	kit_fault(k, STORE_PUT, "/tombstones/", 0, 1, FAULT_FAIL, EREMOTEIO);
	kit_log_begin();
	assert_int_equal(finish(k), EREMOTEIO);
	free(kit_log_end());
	assert_int_equal(finish(k), EAGAIN);
	assert_int_equal(count(k, LIVE NAME), OBJECTS + 1);
	assert_int_equal(kit_raw_head(k->bucket, SEAL, NULL), 0);
	kit_close(&b);
}

static void a_hold_comes_too_late_for_a_begun_deletion(void **state)
{
	struct kit *k = *state;
	AUTO(holds_free) struct holds h = { 0 };

	make_all(k);
	bury(k, 0);
	kit_fault(k, STORE_REMOVE, "/acme/", 1, 0, FAULT_FAIL, EREMOTEIO);
	kit_log_begin();
	assert_int_equal(finish(k), EREMOTEIO);
	free(kit_log_end());
	fault_store_clear(k->fault);
	assert_int_equal(hold_add(k->v, "acme", NAME, "court", "me", NULL), EBUSY);
	assert_int_equal(holds_read(k->v, "acme", &h, NULL), 0);
	assert_false(holds_has(&h, NAME));
	assert_int_equal(finish(k), 0);
	nothing_left(k);
}

/* ---- somebody uses the name */

static void what_was_written_since_is_not_deleted(void **state)
{
	struct kit *k = *state;

	make_all(k);
	bury(k, 0);
	kit_raw_put(k->bucket, LIVE NAME "/new", "new", 3);
	kit_log_begin();
	assert_int_equal(finish(k), ESTALE);

	char *log = kit_log_end();

	assert_non_null(strstr(log, "then objects were written to it"));
	free(log);
	assert_int_equal(count(k, LIVE NAME), OBJECTS + 2);
	assert_int_equal(audit(k).n[AUDIT_STOPPED], 1);
}

static void what_was_replaced_since_is_not_deleted(void **state)
{
	struct kit *k = *state;

	make_all(k);
	bury(k, 0);
	clock_sleep_ms(2100);
	object_unref(kit_file(k, LIVE NAME "/f00", 100, 99)); /* as long as the old one */
	kit_log_begin();
	assert_int_equal(finish(k), ESTALE);
	free(kit_log_end());
	assert_int_equal(count(k, LIVE NAME), OBJECTS + 1);
}

/* ---- kills */

/* A failure at the n-th request of every kind, with the vault closed after it; then again. Ends where n is behind the last. */
static void after_a_kill_anywhere_it_goes_on(void **state)
{
	static const enum store_op ops[] = { STORE_GET, STORE_PUT, STORE_HEAD, STORE_LIST, STORE_REMOVE, STORE_VERSIONS, STORE_REMOVE_VERSIONS };
	struct kit *k = *state;
	unsigned kills = 0;

	make_others(k);
	for (size_t op = 0; op < ARRAY_LEN(ops); op++)
		for (unsigned n = 0, more = 1; more; n++)
			for (int lost = 0; lost < 2; lost++) {
				make_backup(k);
				bury(k, 0);
				kit_fault(k, ops[op], NULL, n, 0, lost ? FAULT_LOSE_REPLY : FAULT_FAIL, ETIMEDOUT);

				int rc = finish(k);

				more = fault_store_hits(k->fault) > 0;
				kills += more;
				reopen(k);
				others_stand(k);
				if (kit_raw_head(k->bucket, TOMB, NULL) == 0)
					assert_int_equal(finish(k), 0);
				else
					assert_true(rc == 0 || lost);
				nothing_left(k);
			}
	assert_true(kills > 20);
}

/* ---- versions */

static void every_version_goes(void **state)
{
	struct kit *k = *state;

	make_all(k);
	mem_store_keep_versions(kit_bucket_raw(k->bucket));
	for (int i = 0; i < 3; i++)
		object_unref(kit_file(k, LIVE NAME "/f00", 100, (uint8_t)(50 + i)));
	kit_raw_remove(k->bucket, LIVE NAME "/f01"); /* hidden */
	kit_raw_put(k->bucket, LIVE NAME "/gone", "x", 1);
	kit_raw_remove(k->bucket, LIVE NAME "/gone");
	clock_sleep_ms(10);
	bury(k, 0);
	assert_int_equal(finish(k), 0);
	nothing_left(k);
	assert_int_equal(versions(k, LIVE NAME "/"), 0);
	assert_int_equal(versions(k, LIVE NAME "."), 0);
	assert_int_equal(versions(k, SEAL), 0);
	assert_int_equal(versions(k, TOMB), 0);
	assert_true(versions(k, LIVE) >= 4); /* of others */
}

static void after_a_kill_anywhere_versions_go_on(void **state)
{
	static const enum store_op ops[] = { STORE_PUT, STORE_LIST, STORE_REMOVE, STORE_VERSIONS, STORE_REMOVE_VERSIONS };
	struct kit *k = *state;

	make_others(k);
	mem_store_keep_versions(kit_bucket_raw(k->bucket));
	for (size_t op = 0; op < ARRAY_LEN(ops); op++)
		for (unsigned n = 0, more = 1; more; n++) {
			make_backup(k);
			object_unref(kit_file(k, LIVE NAME "/f00", 100, 3));
			bury(k, 0);
			kit_fault(k, ops[op], NULL, n, 0, FAULT_FAIL, ETIMEDOUT);
			finish(k);
			more = fault_store_hits(k->fault) > 0;
			reopen(k);
			if (kit_raw_head(k->bucket, TOMB, NULL) == 0)
				assert_int_equal(finish(k), 0);
			nothing_left(k);
			assert_int_equal(versions(k, LIVE NAME "/"), 0);
		}
}

static void a_locked_version_waits(void **state)
{
	struct kit *k = *state;

	make_all(k);
	mem_store_keep_versions(kit_bucket_raw(k->bucket));
	object_unref(kit_file(k, LIVE NAME "/f00", 100, 3));
	mem_store_lock(kit_bucket_raw(k->bucket), "/f00");
	bury(k, 0);
	kit_log_begin();
	assert_int_equal(finish(k), EACCES);

	char *log = kit_log_end();

	assert_non_null(strstr(log, "an object lock keeps it"));
	free(log);
	assert_int_equal(kit_raw_head(k->bucket, TOMB, NULL), 0);
	mem_store_lock(kit_bucket_raw(k->bucket), NULL);
	assert_int_equal(finish(k), 0);
	nothing_left(k);
}

/* ---- the lease */

static void take_the_lease_away(void *arg)
{
	struct kit *b = arg;
	struct lease *l;

	clock_sleep_ms(2100);
	assert_int_equal(lease_take(b->v, "acme", 300, &l, NULL, NULL), 0);
	lease_release(l);
}

static void without_the_lease_nothing_more_goes(void **state)
{
	struct kit *k = *state, b;
	AUTO(tombstone_free) struct tombstone t = { 0 };
	struct lease *l;

	make_all(k);
	bury(k, 0);
	second(k, &b);
	assert_int_equal(tombstone_read(k->v, "acme", NAME, &t, NULL), 0);
	assert_int_equal(lease_take(k->v, "acme", 1, &l, NULL, NULL), 0);
	kit_callback(k, STORE_LIST, LIVE NAME, take_the_lease_away, &b);
	kit_log_begin();
	assert_int_equal(tombstone_finish(k->v, "acme", &t, l, NULL), ESTALE);
	free(kit_log_end());
	lease_release(l);
	assert_int_equal(count(k, LIVE NAME), OBJECTS + 1);
	kit_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
		cmocka_unit_test(its_text_is_read_strictly), T(it_can_be_made_once), T(nothing_goes_within_the_grace), T(all_goes_after_it_and_nothing_else),
		T(a_hold_stops_it), T(a_hold_in_the_last_moment_stops_it), T(a_granted_hold_wins_even_after_a_kill), T(a_hold_comes_too_late_for_a_begun_deletion),
		T(what_was_written_since_is_not_deleted), T(what_was_replaced_since_is_not_deleted), T(after_a_kill_anywhere_it_goes_on), T(every_version_goes),
		T(after_a_kill_anywhere_versions_go_on), T(a_locked_version_waits), T(without_the_lease_nothing_more_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

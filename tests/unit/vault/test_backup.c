/* SPDX-License-Identifier: Apache-2.0 */
#include "sealed.h"

#include "base/buf.h"
#include "base/clock.h"
#include "vault/backup.h"
#include "vault/hold.h"
#include "vault/run_private.h"
#include "vault/sealer.h"
#include "vault/sweep.h"
#include "vault/tombstone.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STEM "db-20240101-000000"
#define OTHER "db-20240102-000000"
#define DAY 86400

static const uint8_t somebody[16] = { 1, 2, 3 };

/* ---- looking */

static int read_with(struct kit *k, const struct catalog_options *options, struct catalog *c)
{
	int rc;

	kit_log_begin();
	rc = catalog_read(k->v, "acme", options, c, NULL);
	free(kit_log_end());
	return rc;
}

/* What is found of that backup; the catalog is gone, what is given is a copy. */
static struct backup look_with(struct kit *k, const struct catalog_options *options, const char *stem)
{
	AUTO(catalog_free) struct catalog c;
	const struct backup *b;

	assert_int_equal(read_with(k, options, &c), 0);
	b = catalog_find(&c, stem);
	if (!b)
		fail_msg("%s is not there", stem);
	return *b;
}

static struct backup look(struct kit *k, const char *stem)
{
	return look_with(k, NULL, stem);
}

static void is(struct kit *k, const char *stem, enum backup_state state, const char *reason)
{
	struct backup b = look(k, stem);

	if (b.state != state || strcmp(b.reason, reason) != 0)
		fail_msg("%s is %s: %s", stem, backup_state_name(b.state), b.reason);
}

/* A writer's record of another: alive, or ended with something left behind. */
static void record(struct kit *k, const uint8_t writer[16], bool ended, const char *upload, const char *failed, int64_t at_s)
{
	struct run_record r = { .started = at_s - 10, .refreshed = ended ? at_s : clock_wall_s(), .ended = ended ? at_s : 0 };
	char key[PATH_CAP], etag[STORE_ETAG_MAX];
	struct buf json;

	hex_encode(r.writer, writer, 16);
	copy_text(r.tenant, sizeof(r.tenant), "acme");
	copy_text(r.program, sizeof(r.program), "test");
	if (upload)
		assert_int_equal(run_record_add_upload(&r, upload, "id", at_s), 0);
	if (failed)
		run_record_add_failed(&r, failed, ENOSPC);
	buf_init(&json, RUN_JSON_MAX);
	assert_int_equal(run_record_encode(&r, &json), 0);
	snprintf(key, sizeof(key), RECORDS "run/%s", r.writer);
	kit_raw_remove(k->bucket, key);
	assert_int_equal(run_put(k->v, key, &json, NULL, etag, NULL), 0);
	buf_free(&json);
	run_record_free(&r);
}

static void name_in(int64_t seconds, char out[64])
{
	struct tm tm;
	time_t at = clock_wall_s() + seconds;

	gmtime_r(&at, &tm);
	strftime(out, 64, "db-%Y%m%d-%H%M%S", &tm);
}

/* ---- sealed */

static void sealed(void **state)
{
	struct kit *k = *state;
	char name[64];
	struct backup b;

	name_in(-60, name);
	sealed_make(k, name);
	b = look(k, name);
	assert_int_equal(b.state, BACKUP_SEALED);
	assert_string_equal(b.reason, "");
	assert_true(b.timed && !b.imported && !b.future && !b.foreign && !b.held && !b.live_writer);
	assert_int_equal(b.objects, 5);
	assert_int_equal(b.bytes, 3 * strlen(name) + strlen("/a") + 2 * strlen("/db/b"));
	assert_true(b.sealed_s >= b.committed_s && b.seal_etag[0]);
	assert_true(b.time_s < b.committed_s);
	sealed_make(k, STEM);
	b = look(k, STEM);
	assert_true(b.imported && b.timed);
	assert_int_equal(b.time_s, 1704067200);
}

static void damaged(void **state)
{
	struct kit *k = *state;

	sealed_make(k, STEM);
	kit_raw_remove(k->bucket, sealed_key(STEM, "db/b"));
	is(k, STEM, BACKUP_DAMAGED, "missing: " STEM "/db/b");
	sealed_reopen(k, OTHER, STEM); /* another's, moved here, excuses nothing */
	is(k, STEM, BACKUP_DAMAGED, "missing: " STEM "/db/b");
}

static void open_where_it_was_reopened(void **state)
{
	struct kit *k = *state;

	sealed_make(k, STEM);
	sealed_reopen(k, STEM, STEM);
	is(k, STEM, BACKUP_SEALED, ""); /* whatever records say */
	sealed_put(k, STEM "/new", "x", STATE_CLOSED);
	is(k, STEM, BACKUP_OPEN, "");
}

static void seal_of_no_use(void **state)
{
	struct kit *k = *state;
	uint8_t *bytes;
	size_t n;

	sealed_make(k, STEM);
	sealed_make(k, OTHER);
	n = kit_raw_get(k->bucket, RECORDS "seals/" OTHER, &bytes, NULL);
	kit_raw_put(k->bucket, RECORDS "seals/" STEM, bytes, n);
	free(bytes);
	is(k, STEM, BACKUP_DAMAGED, "its seal is damaged");
	kit_raw_put(k->bucket, RECORDS "seals/" STEM, "plain", 5);
	is(k, STEM, BACKUP_DAMAGED, "its seal is damaged");
	is(k, OTHER, BACKUP_SEALED, "");
}

static void a_seal_without_objects_is_damage(void **state)
{
	struct kit *k = *state;

	sealed_put(k, STEM ".tar", "x", STATE_CLOSED);
	sealed_seal(k, STEM, NULL);
	kit_raw_remove(k->bucket, LIVE STEM ".tar");
	is(k, STEM, BACKUP_DAMAGED, "missing: " STEM ".tar");
}

static void seal_anew(void *arg)
{
	sealed_seal(arg, STEM, NULL);
}

/* Between the reading of a seal and the comparison it is sealed anew. */
static void a_seal_that_is_replaced_meanwhile_is_read_again(void **state)
{
	struct kit *k = *state;

	sealed_make(k, STEM);
	sealed_put(k, STEM "/new", "x", STATE_CLOSED);
	kit_callback(k, STORE_GET, "reopen/" STEM, seal_anew, k);
	is(k, STEM, BACKUP_SEALED, "");
}

static void scratch(void **state)
{
	struct kit *k = *state;
	struct backup b;

	sealed_put(k, STEM ".tar", "archive", STATE_CLOSED);
	sealed_seal(k, STEM, NULL);
	sealed_put(k, STEM "/", "", STATE_CLOSED);
	sealed_put(k, STEM "/dump", "x", STATE_KILLED);
	b = look(k, STEM);
	assert_int_equal(b.state, BACKUP_SEALED);
	assert_int_equal(b.scratch, 2);
	assert_int_equal(b.objects, 3);
	assert_int_equal(b.bytes, 7);
}

static void a_name_is_no_line(void **state)
{
	struct kit *k = *state;

	sealed_put(k, STEM "/a\nb", "x", STATE_CLOSED);
	sealed_put(k, STEM "/z", "x", STATE_CLOSED);
	sealed_seal(k, STEM, STEM "/a");
	is(k, STEM, BACKUP_DAMAGED, "extra: " STEM "/a?b");
}

/* ---- deleted */

static void deleted(void **state)
{
	struct kit *k = *state;
	struct backup b;

	sealed_make(k, STEM);
	assert_int_equal(tombstone_put(k->v, "acme", STEM, "test", 1000, 0, NULL), 0);
	b = look(k, STEM);
	assert_int_equal(b.state, BACKUP_DELETED);
	assert_in_range(b.deleted_until_s, clock_wall_s() + 900, clock_wall_s() + 1000);
	kit_raw_flip(k->bucket, RECORDS "tombstones/" STEM, 600);
	b = look(k, STEM);
	assert_int_equal(b.state, BACKUP_DELETED);
	assert_int_equal(b.deleted_until_s, TOMBSTONE_FAR); /* nobody deletes it by that record */
}

/* ---- unsealed */

static void unsealed(void **state)
{
	struct kit *k = *state;
	struct backup b;

	sealed_put(k, STEM "/a", "x", STATE_CLOSED);
	sealed_put(k, STEM "/b", "x", STATE_OPEN);
	sealed_put(k, STEM ".log", "x", STATE_UNKNOWN);
	b = look(k, STEM);
	assert_int_equal(b.state, BACKUP_UNSEALED);
	assert_int_equal(b.objects, 3);
	assert_int_equal(b.bytes, 3 * object_length(1));
	assert_false(b.foreign || b.live_writer);
	kit_raw_put(k->bucket, LIVE STEM "/c", "plain", 5);
	assert_true(look(k, STEM).foreign);
	kit_raw_flip(k->bucket, LIVE STEM "/a", 40);
	is(k, STEM, BACKUP_UNSEALED, ""); /* a damaged one is not sealed, and so no backup that may go by itself */
}

static void partial_by_its_members(void **state)
{
	struct kit *k = *state;

	sealed_put(k, STEM "/a", "x", STATE_CLOSED);
	sealed_put(k, STEM "/b", "x", STATE_KILLED);
	sealed_put(k, STEM "/c", "x", STATE_FAILED);
	sealed_put(k, OTHER "/c", "x", STATE_FAILED);
	is(k, STEM, BACKUP_PARTIAL, "its writer was killed while it wrote " STEM "/b");
	is(k, OTHER, BACKUP_PARTIAL, "its writer failed while it wrote " OTHER "/c");
}

static void partial_by_a_failed_path(void **state)
{
	struct kit *k = *state;

	sealed_put(k, STEM "/a", "x", STATE_CLOSED);
	sealed_put(k, OTHER "/a", "x", STATE_CLOSED);
	record(k, somebody, true, NULL, "acme/" STEM "/b", clock_wall_s() - 5);
	is(k, STEM, BACKUP_PARTIAL, "writing failed (No space left on device): " STEM "/b");
	is(k, OTHER, BACKUP_UNSEALED, "");
	sealed_put(k, STEM "/b", "x", STATE_CLOSED); /* written anew after that writer's end */
	is(k, STEM, BACKUP_UNSEALED, "");
	record(k, somebody, true, NULL, "acme/" STEM "/b", clock_wall_s() + 5); /* what stands is older */
	is(k, STEM, BACKUP_PARTIAL, "writing failed (No space left on device): " STEM "/b");
}

static void a_seal_goes_before_records(void **state)
{
	struct kit *k = *state;

	sealed_make(k, STEM);
	record(k, somebody, true, LIVE STEM "/a", "acme/" STEM "/b", clock_wall_s() + 5);
	is(k, STEM, BACKUP_SEALED, "");
}

static void an_upload_says_open_or_partial(void **state)
{
	struct kit *k = *state;

	sealed_put(k, STEM "/a", "x", STATE_CLOSED);
	record(k, somebody, false, LIVE STEM "/b", NULL, clock_wall_s());
	is(k, STEM, BACKUP_OPEN, "");
	assert_true(look(k, STEM).live_writer);
	record(k, somebody, false, LIVE STEM "/a", NULL, clock_wall_s() - 5);
	is(k, STEM, BACKUP_UNSEALED, ""); /* it has arrived, and the record is behind */
	record(k, somebody, true, LIVE STEM "/b", NULL, clock_wall_s() - 5);
	is(k, STEM, BACKUP_PARTIAL, "its writer fell silent while it stored " STEM "/b");
	assert_false(look(k, STEM).live_writer);
}

static void a_live_writer_lets_it_settle(void **state)
{
	struct kit *k = *state;
	struct catalog_options soon = { .settle_s = 1 };

	sealed_put_as(k, STEM "/a", "x", STATE_CLOSED, somebody);
	is(k, STEM, BACKUP_UNSEALED, "");
	record(k, somebody, false, NULL, NULL, clock_wall_s());
	is(k, STEM, BACKUP_SETTLING, "");
	assert_true(look(k, STEM).live_writer);
	sealed_put_as(k, STEM "/b", "x", STATE_OPEN, somebody);
	is(k, STEM, BACKUP_OPEN, "");
	clock_sleep_ms(1100);
	assert_int_equal(look_with(k, &soon, STEM).state, BACKUP_UNSEALED);
	sealed_put_as(k, STEM "/c", "x", STATE_KILLED, somebody);
	is(k, STEM, BACKUP_PARTIAL, "its writer was killed while it wrote " STEM "/c");
}

/* Nobody knows what a writer does whose record cannot be read. */
static void an_unreadable_record_lets_it_settle(void **state)
{
	struct kit *k = *state;

	sealed_put(k, STEM "/a", "x", STATE_CLOSED);
	kit_raw_put(k->bucket, RECORDS "run/00000000000000000000000000000001", "plain", 5);
	is(k, STEM, BACKUP_SETTLING, "");
}

/* ---- times, holds */

static void times_ahead(void **state)
{
	struct kit *k = *state;
	char far[64], local[64];
	struct backup b;

	name_in(27 * 3600, far);
	name_in(14 * 3600, local);
	sealed_make(k, far);
	sealed_make(k, local);
	sealed_make(k, "untimed");
	b = look(k, far);
	assert_true(b.future && !b.timed);
	assert_int_equal(b.time_s, b.committed_s);
	b = look(k, local);
	assert_true(!b.future && b.timed);
	b = look(k, "untimed");
	assert_true(!b.future && !b.timed && !b.imported);
	assert_int_equal(b.time_s, b.committed_s);
}

static void held(void **state)
{
	struct kit *k = *state;

	sealed_make(k, STEM);
	sealed_make(k, OTHER);
	assert_int_equal(hold_add(k->v, "acme", STEM, "court", "me", NULL), 0);
	assert_true(look(k, STEM).held && !look(k, OTHER).held);
	kit_raw_flip(k->bucket, RECORDS "control/holds", 600);
	assert_true(look(k, STEM).held && look(k, OTHER).held);
}

/* ---- errors */

static void an_error_leaves_nothing(void **state)
{
	static const struct {
		enum store_op op;
		const char *key;
		unsigned skip;
	} ways[] = {
		{ STORE_LIST, LIVE, 0 }, { STORE_LIST, LIVE, 1 }, { STORE_LIST, LIVE "" OTHER, 0 }, { STORE_LIST, "seals", 0 }, { STORE_LIST, "tombstones", 0 },
		{ STORE_LIST, "run", 0 }, { STORE_GET, "control/holds", 0 }, { STORE_GET, "seals/" STEM, 0 }, { STORE_GET, "tombstones/", 0 }, { STORE_GET, OTHER "/a", 0 },
		{ STORE_GET, "run/", 0 }, { STORE_GET, "reopen/", 0 },
	};
	struct kit *k = *state;
	struct catalog c;
	char path[64];

	sealed_make(k, STEM);
	for (int i = 0; i < 12; i++) {
		snprintf(path, sizeof(path), OTHER "/%c", 'a' + i);
		sealed_put(k, path, "x", STATE_CLOSED);
	}
	sealed_make(k, "gone");
	sealed_make(k, "damaged");
	kit_raw_remove(k->bucket, LIVE "damaged/a");
	assert_int_equal(tombstone_put(k->v, "acme", "gone", "test", 1000, 0, NULL), 0);
	record(k, somebody, false, NULL, NULL, clock_wall_s());
	assert_int_equal(hold_add(k->v, "acme", STEM, "court", "me", NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		kit_fault(k, ways[i].op, ways[i].key, ways[i].skip, 1, FAULT_FAIL, EREMOTEIO);
		if (read_with(k, NULL, &c) != EREMOTEIO)
			fail_msg("%s, %u", ways[i].key, ways[i].skip);
		assert_int_equal(c.count, 0);
		assert_null(c.backups);
		fault_store_clear(k->fault);
	}
	assert_int_equal(read_with(k, NULL, &c), 0);
	assert_int_equal(c.count, 4);
	catalog_free(&c);
	assert_int_equal(catalog_read(k->v, "nobody", NULL, &c, NULL), ENOENT);
}

/* What could not be read of a sealed one is no damage. */
static void an_unreadable_member_is_no_damage(void **state)
{
	struct kit *k = *state;
	struct catalog c;

	sealed_make(k, STEM);
	sealed_put(k, STEM "/a", "x", STATE_CLOSED);
	kit_fault(k, STORE_GET, STEM "/a", 0, 1, FAULT_FAIL, ETIMEDOUT);
	assert_int_equal(read_with(k, NULL, &c), ETIMEDOUT);
}

static void it_stops(void **state)
{
	struct kit *k = *state;
	atomic_bool stop = true;
	struct store_call call = { .cancel = &stop };
	struct catalog c;

	sealed_make(k, STEM);
	assert_int_equal(catalog_read(k->v, "acme", NULL, &c, &call), ECANCELED);
}

/* ---- memory */

static uint64_t gets_of(struct kit *k, const struct catalog_memory *m, struct catalog *c)
{
	struct catalog_options options = { .memory = m };
	uint64_t before = kit_calls(k, STORE_GET) + kit_calls(k, STORE_HEAD);

	assert_int_equal(read_with(k, &options, c), 0);
	return kit_calls(k, STORE_GET) + kit_calls(k, STORE_HEAD) - before;
}

static void what_is_remembered_needs_no_request(void **state)
{
	struct kit *k = *state;
	AUTO(catalog_free) struct catalog first;
	struct catalog second;
	struct catalog_memory m;

	sealed_make(k, OTHER);
	sealed_make(k, STEM);
	sealed_put(k, "partial/a", "x", STATE_KILLED);
	sealed_put(k, "unsealed/a", "x", STATE_CLOSED);
	kit_raw_put(k->bucket, LIVE "unsealed/b", "plain", 5);
	assert_true(gets_of(k, NULL, &first) > 4);
	assert_int_equal(first.count, 4);
	qsort(first.backups, first.count, sizeof(*first.backups), (int (*)(const void *, const void *))strcmp); /* the stem is its first member */
	m = (struct catalog_memory){ first.backups, first.count };
	assert_int_equal(gets_of(k, &m, &second), 1); /* the holds */
	for (size_t i = 0; i < first.count; i++) {
		const struct backup *b = catalog_find(&second, first.backups[i].stem);

		assert_non_null(b);
		assert_memory_equal(b, &first.backups[i], sizeof(*b));
	}
	catalog_free(&second);
}

static uint64_t lists_of(struct kit *k, const struct catalog_memory *m)
{
	struct catalog_options options = { .memory = m };
	AUTO(catalog_free) struct catalog c;
	uint64_t before = kit_calls(k, STORE_LIST);

	assert_int_equal(read_with(k, &options, &c), 0);
	for (size_t i = 0; i < c.count; i++)
		assert_int_equal(c.backups[i].state, BACKUP_SEALED);
	return kit_calls(k, STORE_LIST) - before;
}

/* In order of key a folder comes behind its neighbours with "-" in place of "/", in a seal before them. */
static void what_its_seal_lists_needs_no_listing_of_its_own(void **state)
{
	static const char *const paths[] = { "/", "/a/", "/a/x", "/a-b", "/empty" };
	struct kit *k = *state;
	AUTO(catalog_free) struct catalog c;
	struct catalog_memory m;
	char path[64];

	sealed_make(k, OTHER);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		snprintf(path, sizeof(path), STEM "%s", paths[i]);
		sealed_put(k, path, paths[i][1] == 'a' && paths[i][2] != '/' ? "x" : "", STATE_CLOSED);
	}
	sealed_seal(k, STEM, NULL);
	assert_int_equal(read_with(k, NULL, &c), 0);
	assert_int_equal(c.count, 2);
	qsort(c.backups, c.count, sizeof(*c.backups), (int (*)(const void *, const void *))strcmp);
	m = (struct catalog_memory){ c.backups, c.count };
	assert_int_equal(lists_of(k, NULL), lists_of(k, &m));
	sealed_put(k, STEM "/scratch", "x", STATE_CLOSED); /* what the seal does not list is looked at */
	assert_int_equal(look(k, STEM).state, BACKUP_DAMAGED);
}

static void take(void *arg, struct tombstone *t)
{
	*(struct tombstone *)arg = *t;
	*t = (struct tombstone){ 0 };
}

static void tombstones_are_given_to_who_wants_them(void **state)
{
	struct kit *k = *state;
	AUTO(tombstone_free) struct tombstone t = { 0 };
	struct catalog_options options = { .tombstone = take, .arg = &t };

	sealed_make(k, STEM);
	sealed_make(k, OTHER);
	assert_int_equal(tombstone_put(k->v, "acme", STEM, "why", 3600, 0, NULL), 0);
	assert_int_equal(look_with(k, &options, STEM).state, BACKUP_DELETED);
	assert_string_equal(t.stem, STEM);
	assert_string_equal(t.why, "why");
	assert_int_equal(t.objects, 5);
	assert_true(t.record.etag[0]);
}

static void what_has_changed_is_looked_at(void **state)
{
	struct kit *k = *state;
	AUTO(catalog_free) struct catalog c;
	struct catalog_memory m;
	struct catalog_options options = { .memory = &m };

	sealed_make(k, STEM);
	assert_int_equal(read_with(k, NULL, &c), 0);
	m = (struct catalog_memory){ c.backups, c.count };
	sealed_put(k, STEM "/a", STEM "/A", STATE_CLOSED); /* another ETag, the same length */
	assert_int_equal(look_with(k, &options, STEM).state, BACKUP_DAMAGED);
	sealed_seal(k, STEM, NULL); /* another seal */
	assert_int_equal(look_with(k, &options, STEM).state, BACKUP_SEALED);
	catalog_free(&c);
	assert_int_equal(read_with(k, NULL, &c), 0);
	m = (struct catalog_memory){ c.backups, c.count };
	sealed_seal(k, STEM, STEM "/a"); /* another seal, and the same objects */
	assert_int_equal(look_with(k, &options, STEM).state, BACKUP_DAMAGED);
	kit_raw_remove(k->bucket, RECORDS "seals/" STEM);
	assert_int_equal(look_with(k, &options, STEM).state, BACKUP_UNSEALED);
}

/* A record of a writer changes what an unsealed one is, and leaves no object of it changed. */
static void records_go_before_memory(void **state)
{
	struct kit *k = *state;
	AUTO(catalog_free) struct catalog c, d;
	struct catalog_memory m;
	struct catalog_options options = { .memory = &m };
	char key[128] = RECORDS "run/", hex[33];

	sealed_put(k, STEM "/a", "x", STATE_CLOSED);
	assert_int_equal(read_with(k, NULL, &c), 0);
	m = (struct catalog_memory){ c.backups, c.count };
	record(k, somebody, true, NULL, "acme/" STEM "/b", clock_wall_s());
	assert_int_equal(read_with(k, &options, &d), 0);
	assert_int_equal(d.backups[0].state, BACKUP_PARTIAL);
	m = (struct catalog_memory){ d.backups, d.count };
	hex_encode(hex, somebody, 16);
	strncat(key, hex, sizeof(key) - strlen(key) - 1);
	kit_raw_remove(k->bucket, key);
	assert_int_equal(look_with(k, &options, STEM).state, BACKUP_UNSEALED);
	sealed_make(k, OTHER);
	catalog_free(&d);
	assert_int_equal(read_with(k, NULL, &d), 0);
	m = (struct catalog_memory){ d.backups, d.count };
	if (strcmp(d.backups[0].stem, OTHER) == 0) { /* newest first: memory is by stem */
		struct backup other = d.backups[0];

		d.backups[0] = d.backups[1];
		d.backups[1] = other;
	}
	assert_int_equal(hold_add(k->v, "acme", OTHER, "court", "me", NULL), 0);
	assert_true(look_with(k, &options, OTHER).held);
	assert_int_equal(look_with(k, &options, OTHER).state, BACKUP_SEALED);
	assert_int_equal(tombstone_put(k->v, "acme", OTHER, "test", 1000, 0, NULL), 0);
	assert_int_equal(look_with(k, &options, OTHER).state, BACKUP_DELETED);
}

/* ---- the list itself */

static void newest_first_and_all_of_them(void **state)
{
	struct kit *k = *state;
	AUTO(catalog_free) struct catalog c;
	struct catalog_options only = { .only = OTHER };

	sealed_put(k, STEM "/a", "x", STATE_CLOSED);
	sealed_put(k, OTHER "/a", "x", STATE_CLOSED);
	sealed_put(k, OTHER "-b/a", "x", STATE_CLOSED); /* between: still of that set */
	sealed_put(k, OTHER ".tar", "x", STATE_CLOSED);
	assert_int_equal(read_with(k, NULL, &c), 0);
	assert_int_equal(c.count, 2);
	assert_string_equal(c.backups[0].stem, OTHER);
	assert_int_equal(c.backups[0].objects, 3);
	assert_string_equal(c.tenant, "acme");
	assert_int_equal(c.objects, 4);
	assert_in_range(c.server_s, clock_wall_s() - 5, clock_wall_s());
	catalog_free(&c);
	assert_int_equal(read_with(k, &only, &c), 0);
	assert_int_equal(c.count, 1);
	assert_int_equal(c.backups[0].objects, 3);
	assert_null(catalog_find(&c, STEM));
}

static void tenants(void **state)
{
	struct kit *k = *state;
	AUTO(tenant_names_free) struct tenant_names n;

	sealed_make(k, STEM);
	kit_raw_put(k->bucket, "backups/acme-b/x", "x", 1);
	kit_raw_put(k->bucket, "backups/file", "x", 1);
	kit_raw_put(k->bucket, "backups/.pishop/t/gone/seals/db", "x", 1);
	kit_raw_put(k->bucket, "backups/.pishop/t/past/audit/1", "x", 1);
	assert_int_equal(tenants_list(k->v, &n, NULL), 0);
	assert_int_equal(n.count, 3);
	assert_string_equal(n.names[0], "acme");
	assert_string_equal(n.names[1], "acme-b");
	assert_string_equal(n.names[2], "gone");
	tenant_names_free(&n);
	kit_fault(k, STORE_LIST, "backups/", 0, 1, FAULT_FAIL, EREMOTEIO);
	kit_log_begin();
	assert_int_equal(tenants_list(k->v, &n, NULL), EREMOTEIO);
	free(kit_log_end());
	assert_int_equal(n.count, 0);
}

/* What the program itself seals and reopens. */
static void the_sealer_and_the_catalog_agree(void **state)
{
	struct kit *k = *state;
	struct sealer_options options = { .source = SEAL_REQUEST };
	enum sealer_answer answer;
	char reason[160] = "";

	sealed_put(k, STEM "/a", "x", STATE_CLOSED);
	sealed_put(k, STEM "/db/", "", STATE_CLOSED);
	sealed_put_as(k, STEM "/open", "x", STATE_OPEN, somebody);
	kit_log_begin();
	assert_int_equal(sealer_run(k->v, "acme", STEM, &options, &answer, reason, sizeof(reason), NULL, NULL), 0);
	free(kit_log_end());
	assert_int_equal(answer, SEALER_OPEN);
	is(k, STEM, BACKUP_SEALED, "");
	assert_int_equal(look(k, STEM).scratch, 1);
	assert_int_equal(sealer_reopen(k->v, "acme", STEM, "test", NULL), 0);
	sealed_put(k, STEM "/more", "x", STATE_CLOSED);
	is(k, STEM, BACKUP_OPEN, "");
	assert_int_equal(sealer_run(k->v, "acme", STEM, &options, &answer, reason, sizeof(reason), NULL, NULL), 0);
	is(k, STEM, BACKUP_SEALED, "");
	sealed_put(k, OTHER ".tar", "x", STATE_CLOSED);
	sealed_put(k, OTHER "/dump", "x", STATE_CLOSED);
	options.source = SEAL_ARCHIVE;
	assert_int_equal(sealer_run(k->v, "acme", OTHER, &options, &answer, reason, sizeof(reason), NULL, NULL), 0);
	is(k, OTHER, BACKUP_SEALED, "");
	assert_int_equal(look(k, OTHER).scratch, 1);
}

/* Retention over it, as it is. */
static void retention_stands_on_it(void **state)
{
	struct kit *k = *state;
	struct sweep_config c = { .max_percent = 100, .grace_s = 1000 };
	AUTO(sweep_report_free) struct sweep_report r;
	char name[64];

	for (int days = 1; days <= 3; days++) {
		name_in(-days * DAY, name);
		sealed_make(k, name);
	}
	policy_default(&c.policy);
	c.policy.keep_last = 2;
	c.policy.min_age_s = 0;
	assert_int_equal(sweep_tenant(k->v, "acme", &c, &r), 0);
	if (r.doubt != DOUBT_NONE)
		fail_msg("%s", r.why);
	assert_int_equal(r.tombstoned, 1);
	assert_int_equal(look(k, name).state, BACKUP_DELETED);
	sweep_report_free(&r);

	uint64_t before = kit_calls(k, STORE_GET);

	assert_int_equal(sweep_tenant(k->v, "acme", &c, &r), 0);
	assert_int_equal(r.tombstoned, 0);
	assert_int_equal(r.waiting, 1);
	assert_int_equal(r.catalog.count, 3);
	assert_true(kit_calls(k, STORE_GET) - before < 12);
}

#define T(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(sealed), T(damaged), T(open_where_it_was_reopened), T(seal_of_no_use), T(a_seal_without_objects_is_damage),
		T(a_seal_that_is_replaced_meanwhile_is_read_again), T(scratch), T(a_name_is_no_line), T(deleted), T(unsealed),
		T(partial_by_its_members), T(partial_by_a_failed_path), T(a_seal_goes_before_records), T(an_upload_says_open_or_partial), T(a_live_writer_lets_it_settle),
		T(an_unreadable_record_lets_it_settle), T(times_ahead), T(held), T(an_error_leaves_nothing), T(an_unreadable_member_is_no_damage), T(it_stops),
		T(what_is_remembered_needs_no_request), T(what_its_seal_lists_needs_no_listing_of_its_own), T(tombstones_are_given_to_who_wants_them), T(what_has_changed_is_looked_at), T(records_go_before_memory), T(newest_first_and_all_of_them), T(tenants), T(the_sealer_and_the_catalog_agree),
		T(retention_stands_on_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

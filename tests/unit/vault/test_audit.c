/* SPDX-License-Identifier: Apache-2.0 */
#include "kit.h"

#include "base/clock.h"
#include "vault/audit.h"
#include "vault/sweep_private.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define FOLDER "backups/.pishop/t/acme/audit/"
#define FIRST FOLDER "9999999999999998"
#define SECOND FOLDER "9999999999999997"

static void note(struct kit *k, enum audit_event event, const char *backup, const char *detail)
{
	audit_note(k->v, "acme", &(struct audit_line){ .event = event, .backup = backup, .detail = detail, .objects = 2, .bytes = 10 });
}

struct seen {
	char events[64][16], details[64][64];
	uint64_t objects[64];
	size_t count;
};

static int see(void *arg, const char *line, size_t len)
{
	struct seen *s = arg;
	AUTO(audit_entry_free) struct audit_entry e;

	assert_int_equal(audit_decode(line, len, &e), 0);
	if (s->count < 64) {
		snprintf(s->events[s->count], 16, "%s", audit_event_name(e.event));
		snprintf(s->details[s->count], 64, "%s", e.detail ? e.detail : "");
		s->objects[s->count] = e.objects;
	}
	s->count++;
	return 0;
}

static int read_all(struct kit *k, struct seen *s, char why[256])
{
	*s = (struct seen){ 0 };
	return audit_read(k->v, "acme", see, s, why, 256, NULL);
}

static void second(struct kit *k, struct kit *b)
{
	struct vault_config config = kit_config();

	*b = (struct kit){ .bucket = k->bucket };
	kit_open(b, &config, KIT_KEY);
}

static void lines_are_chained_over_segments_and_writers(void **state)
{
	struct kit *k = *state, b;
	struct seen s;
	char why[256];

	second(k, &b);
	note(k, AUDIT_SEALED, "a", "one \"quoted\"\n line");
	note(k, AUDIT_HOLD, "a", NULL);
	assert_int_equal(audit_flush(k->v, "acme", NULL), 0);
	note(&b, AUDIT_UNHOLD, "a", "two");
	assert_int_equal(audit_flush(b.v, NULL, NULL), 0);
	note(k, AUDIT_TOMBSTONED, "a", "three"); /* k believes that the first is the newest */
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	assert_int_equal(kit_raw_count(k->bucket, FOLDER), 3);
	assert_int_equal(read_all(k, &s, why), 0);
	assert_int_equal(s.count, 4);
	assert_string_equal(s.events[0], "sealed");
	assert_string_equal(s.details[0], "one \"quoted\"\n line");
	assert_string_equal(s.events[3], "tombstoned");
	assert_string_equal(s.details[2], "two");

	uint64_t segment;
	char hash[DIGEST_HEX];

	assert_int_equal(audit_tail(k->v, "acme", &segment, hash, NULL), 0);
	assert_int_equal(segment, 3);
	assert_int_equal(strlen(hash), 64);
	kit_close(&b);
}

static void it_costs_little(void **state)
{
	struct kit *k = *state;
	uint64_t before = kit_all_calls(k);

	note(k, AUDIT_SEALED, "a", NULL);
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	assert_int_equal(kit_all_calls(k), before + 2); /* a look, a put */
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	assert_int_equal(kit_all_calls(k), before + 2);
	note(k, AUDIT_SEALED, "b", NULL);
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	assert_int_equal(kit_all_calls(k), before + 3);
}

static void commits_of_a_backup_are_one_line(void **state)
{
	struct kit *k = *state;
	struct seen s;
	char why[256];

	kit_log_begin();
	for (int i = 0; i < 5; i++) {
		note(k, AUDIT_COMMITTED, "a", NULL);
		note(k, AUDIT_COMMITTED, "b", NULL);
	}
	note(k, AUDIT_SEALED, "a", NULL);
	note(k, AUDIT_COMMITTED, "a", NULL);
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);

	char *log = kit_log_end(), *sealed = strstr(log, "acme sealed a"), *first = strstr(log, "acme committed a: 10, 50 bytes");

	assert_true(sealed && first && first < sealed); /* in the program's log too, and once */
	assert_null(strstr(first + 1, "acme committed a: 10, 50 bytes"));
	assert_non_null(strstr(sealed, "acme committed b: 10, 50 bytes"));
	assert_non_null(strstr(sealed, "acme committed a: 2, 10 bytes"));
	free(log);
	assert_int_equal(read_all(k, &s, why), 0);
	assert_int_equal(s.count, 4);
	assert_int_equal(s.objects[0], 10);
	assert_int_equal(s.objects[1], 10);
	assert_string_equal(s.events[2], "sealed");
	assert_int_equal(s.objects[3], 2);
}

static void removals_of_members_are_one_line(void **state)
{
	struct kit *k = *state;
	struct seen s;
	char why[256];

	kit_log_begin();
	for (int i = 0; i < 5; i++)
		note(k, AUDIT_REMOVED, "a", i ? "another" : "first x");
	audit_note(k->v, "acme", &(struct audit_line){ .event = AUDIT_REMOVED, .backup = "a", .seal = "00112233445566778899aabbccddeeff" });
	note(k, AUDIT_REMOVED, "a", "first y"); /* not into the one that tells that all of it went */
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);

	char *log = kit_log_end(), *said = strstr(log, "acme removed a: 10, 50 bytes; first x");

	assert_non_null(said); /* once, with the sum */
	assert_null(strstr(log, "another"));
	free(log);
	assert_int_equal(read_all(k, &s, why), 0);
	assert_int_equal(s.count, 3);
	assert_int_equal(s.objects[0], 10);
	assert_string_equal(s.details[0], "first x");
	assert_int_equal(s.objects[1], 0);
	assert_string_equal(s.details[2], "first y");
}

static void commits_by_path(void **state)
{
	struct kit *k = *state;
	struct seen s;
	char why[256];

	audit_committed(k->v, "acme/x-20260101-000000.tar.gz", 5);
	audit_committed(k->v, "acme/x-20260101-000000/db/a", 6);
	audit_committed(k->v, "acme", 7);	       /* in no backup */
	audit_committed(k->v, ".pishop/t/acme/x", 8); /* nor this */
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	assert_int_equal(read_all(k, &s, why), 0);
	assert_int_equal(s.count, 1);
	assert_int_equal(s.objects[0], 2);
	assert_int_equal(kit_raw_count(k->bucket, "backups/.pishop/t/"), 1);
}

static void the_end_of_a_vault_flushes(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();
	struct seen s;
	char why[256];

	note(k, AUDIT_SEALED, "a", NULL);
	kit_close(k);
	kit_open(k, &config, KIT_KEY);
	assert_int_equal(read_all(k, &s, why), 0);
	assert_int_equal(s.count, 1);
}

static void many_lines_make_several_segments(void **state)
{
	struct kit *k = *state;
	struct seen s;
	char why[256], name[16];

	kit_log_begin();
	for (int i = 0; i < 4100; i++) {
		snprintf(name, sizeof(name), "b%d", i);
		note(k, AUDIT_SEALED, name, NULL);
	}
	free(kit_log_end());
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	assert_true(kit_raw_count(k->bucket, FOLDER) >= 2);
	assert_int_equal(read_all(k, &s, why), 0);
	assert_int_equal(s.count, 4100);
}

/* ---- faults */

static void a_lost_reply_makes_no_second_line(void **state)
{
	struct kit *k = *state;
	struct seen s;
	char why[256];

	note(k, AUDIT_SEALED, "a", NULL);
	kit_fault(k, STORE_PUT, "/audit/", 0, 1, FAULT_LOSE_REPLY, ETIMEDOUT);
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	note(k, AUDIT_SEALED, "b", NULL);
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	assert_int_equal(read_all(k, &s, why), 0);
	assert_int_equal(s.count, 2);
}

static void lines_wait_for_a_store_that_fails(void **state)
{
	static const enum store_op ops[] = { STORE_LIST, STORE_PUT };
	struct kit *k = *state;
	struct seen s;
	char why[256];

	kit_log_begin();
	note(k, AUDIT_SEALED, "a", NULL);
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		kit_fault(k, ops[i], "/audit/", 0, 1, FAULT_FAIL, EREMOTEIO);
		assert_int_equal(audit_flush(k->v, NULL, NULL), EREMOTEIO);
	}
	free(kit_log_end());
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	assert_int_equal(read_all(k, &s, why), 0);
	assert_int_equal(s.count, 1);
}

static void no_permission_is_said_once(void **state)
{
	struct kit *k = *state;

	kit_log_begin();
	kit_fault(k, STORE_PUT, "/audit/", 0, 0, FAULT_FAIL, EACCES);
	note(k, AUDIT_RESTORED, "a", "read back");
	assert_int_equal(audit_flush(k->v, NULL, NULL), EACCES);
	note(k, AUDIT_RESTORED, "b", NULL);
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0); /* nothing is kept */

	char *log = kit_log_end(), *said = strstr(log, "go to this log only");

	assert_non_null(said);
	assert_null(strstr(said + 1, "go to this log only"));
	assert_non_null(strstr(log, "acme restored a: read back"));
	assert_non_null(strstr(log, "acme restored b"));
	free(log);
	/* What is gathered is told all the same, with no request more. */
	uint64_t before = kit_all_calls(k);

	kit_log_begin();
	note(k, AUDIT_COMMITTED, "c", NULL);
	note(k, AUDIT_COMMITTED, "c", NULL);
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	log = kit_log_end();
	assert_non_null(strstr(log, "acme committed c: 4, 20 bytes"));
	free(log);
	assert_int_equal(kit_all_calls(k), before);
}

/* A mount that writes for years does not make a segment a minute. */
static void commits_wait_for_company(void **state)
{
	struct kit *k = *state;
	struct store_call call = { 0 };

	note(k, AUDIT_COMMITTED, "a", NULL);
	audit_tick(k->v, &call);
	assert_int_equal(kit_raw_count(k->bucket, FOLDER), 0);
	note(k, AUDIT_RESTORED, "b", NULL);
	audit_tick(k->v, &call);
	assert_int_equal(kit_raw_count(k->bucket, FOLDER), 1);
	audit_note(k->v, "acme", &(struct audit_line){ .event = AUDIT_COMMITTED, .backup = "c", .at_s = clock_wall_s() - GATHER_S });
	audit_tick(k->v, &call);
	assert_int_equal(kit_raw_count(k->bucket, FOLDER), 2);
	audit_tick(k->v, &call);
	assert_int_equal(kit_raw_count(k->bucket, FOLDER), 2);
}

static void read_only_keeps_nothing(void **state)
{
	struct kit *k = *state, b = { .bucket = k->bucket };
	struct vault_config config = kit_config();

	config.read_only = true;
	kit_log_begin();
	kit_open(&b, &config, KIT_KEY);
	note(&b, AUDIT_RESTORED, "a", NULL);
	assert_int_equal(audit_flush(b.v, NULL, NULL), 0);
	kit_close(&b);

	char *log = kit_log_end();

	assert_non_null(strstr(log, "open for reading only"));
	free(log);
	assert_int_equal(kit_raw_count(k->bucket, FOLDER), 0);
}

/* ---- what audit_read finds */

static void three_segments(struct kit *k)
{
	static const char *const names[] = { "a", "b", "c" };

	for (int i = 0; i < 3; i++) {
		note(k, AUDIT_SEALED, names[i], NULL);
		note(k, AUDIT_VERIFIED, names[i], NULL);
		assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	}
}

static void finds(struct kit *k, const char *text)
{
	struct seen s;
	char why[256];

	assert_int_equal(read_all(k, &s, why), EBADMSG);
	if (!strstr(why, text))
		fail_msg("\"%s\" is not in \"%s\"", text, why);
}

static void a_missing_segment_is_found(void **state)
{
	struct kit *k = *state;

	three_segments(k);
	kit_log_begin();
	kit_raw_remove(k->bucket, SECOND);
	finds(k, "segment 2: missing");
	free(kit_log_end());
}

static void a_missing_first_segment_is_found(void **state)
{
	struct kit *k = *state;

	three_segments(k);
	kit_raw_remove(k->bucket, FIRST);
	finds(k, "segment 1: missing");
}

static void a_flipped_byte_is_found(void **state)
{
	struct kit *k = *state;

	three_segments(k);
	kit_log_begin();
	kit_raw_flip(k->bucket, SECOND, 600);
	finds(k, "segment 2: damaged");
	free(kit_log_end());
}

/* What the last run of retention saw: that many segments, and the digest of the last line. */
static void remember(struct kit *k)
{
	struct sweep_state state;

	assert_int_equal(sweep_state_read(k->v, "acme", &state, NULL), 0);
	assert_int_equal(audit_tail(k->v, "acme", &state.audit, state.audit_hash, NULL), 0);
	state.high_s = state.policy_since_s = 1;
	assert_int_equal(sweep_state_write(k->v, "acme", &state, &(struct catalog){ 0 }, NULL), 0);
	sweep_state_free(&state);
}

static int verify_all(struct kit *k, struct seen *s, char why[256])
{
	*s = (struct seen){ 0 };
	return audit_verify(k->v, "acme", see, s, why, 256, NULL);
}

static void a_log_cut_short_is_found_by_what_was_seen(void **state)
{
	struct kit *k = *state;
	struct seen s;
	char why[256];

	three_segments(k);
	assert_int_equal(verify_all(k, &s, why), 0); /* nothing is remembered */
	remember(k);
	assert_int_equal(verify_all(k, &s, why), 0);
	note(k, AUDIT_SEALED, "d", NULL);
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	assert_int_equal(verify_all(k, &s, why), 0);
	assert_int_equal(s.count, 7);
	kit_raw_remove(k->bucket, FOLDER "9999999999999995"); /* what nobody remembers */
	assert_int_equal(verify_all(k, &s, why), 0);
	kit_raw_remove(k->bucket, FOLDER "9999999999999996");
	assert_int_equal(verify_all(k, &s, why), EBADMSG);
	assert_string_equal(why, "segment 3: missing, and all behind it: the last run of retention saw 3");
	assert_int_equal(read_all(k, &s, why), 0);
}

static void a_log_written_anew_is_found_by_what_was_seen(void **state)
{
	struct kit *k = *state, b;
	struct seen s;
	char why[256];

	three_segments(k);
	remember(k);
	kit_raw_remove(k->bucket, FOLDER "9999999999999996");
	second(k, &b);
	note(&b, AUDIT_SEALED, "other", NULL);
	assert_int_equal(audit_flush(b.v, NULL, NULL), 0);
	kit_close(&b);
	assert_int_equal(read_all(k, &s, why), 0);
	assert_int_equal(verify_all(k, &s, why), EBADMSG);
	assert_non_null(strstr(why, "segment 3: it is not the one"));
}

static void another_tenants_log_is_found(void **state)
{
	struct kit *k = *state;
	uint8_t *data;

	audit_note(k->v, "other", &(struct audit_line){ .event = AUDIT_SEALED, .backup = "a" });
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);

	size_t n = kit_raw_get(k->bucket, "backups/.pishop/t/other/audit/9999999999999998", &data, NULL);

	kit_raw_put(k->bucket, FIRST, data, n);
	free(data);
	finds(k, "segment 1: line 1 is of the log of other");
}

/* The same line at the same place, but of another log. */
static void a_segment_moved_about_is_found(void **state)
{
	struct kit *k = *state;
	uint8_t *data;

	three_segments(k);

	size_t n = kit_raw_get(k->bucket, FIRST, &data, NULL);

	kit_raw_put(k->bucket, SECOND, data, n);
	free(data);
	finds(k, "segment 2: line 1 does not follow");
}

static void a_changed_line_is_found(void **state)
{
	struct kit *k = *state;
	struct record_id id;
	char *text;
	size_t len;

	three_segments(k);
	assert_int_equal(record_read(k->v, FIRST, &text, &len, &id, NULL), 0);
	memcpy(strstr(text, "\"sealed\""), "\"policy\"", 8);
	assert_int_equal(record_write(k->v, FIRST, text, len, &id, &id, NULL), 0);
	finds(k, "segment 1: line 2 does not follow");
	assert_int_equal(record_write(k->v, FIRST, text, len - 1, &id, &id, NULL), 0);
	finds(k, "segment 1: ");
	assert_int_equal(record_write(k->v, FIRST, "", 0, &id, &id, NULL), 0);
	finds(k, "segment 1: it does not end");
	free(text);
}

static void something_else_among_them_is_found(void **state)
{
	struct kit *k = *state;

	three_segments(k);
	kit_raw_put(k->bucket, FOLDER "0note", "x", 1);
	finds(k, "stands among");

	note(k, AUDIT_SEALED, "d", NULL); /* and does not stop the log */
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	kit_raw_remove(k->bucket, FOLDER "0note");

	struct seen s;
	char why[256];

	assert_int_equal(read_all(k, &s, why), 0);
	assert_int_equal(s.count, 7);
}

static void a_damaged_end_does_not_stop_the_log(void **state)
{
	struct kit *k = *state, b;

	note(k, AUDIT_SEALED, "a", NULL);
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	kit_log_begin();
	kit_raw_flip(k->bucket, FIRST, 600);
	second(k, &b);
	note(&b, AUDIT_SEALED, "b", NULL);
	assert_int_equal(audit_flush(b.v, NULL, NULL), 0);
	assert_int_equal(kit_raw_count(k->bucket, FOLDER), 2);
	finds(k, "segment 1: damaged");
	kit_close(&b);
	free(kit_log_end());
}

static void lines_that_are_none_are_refused(void **state)
{
	static const char good[] = "{\"audit\":1,\"tenant\":\"acme\",\"at\":\"2026-11-25T00:00:00Z\",\"event\":\"sealed\",\"backup\":null,\"detail\":null,\"seal\":null,\"epoch\":0,"
				   "\"objects\":0,\"bytes\":0,\"writer\":\"00112233445566778899aabbccddeeff\",\"program\":\"x\","
				   "\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\"}";
	static const struct { const char *from, *to; int rc; } changes[] = {
		{ "\"audit\":1", "\"audit\":2", EPROTONOSUPPORT }, { "sealed", "saled", EBADMSG }, { "null,\"detail\"", "5,\"detail\"", EBADMSG },
		{ "\"epoch\":0", "\"epoch\":-1", EBADMSG }, { "\"bytes\":0,", "", EBADMSG }, { "0011", "001X", EBADMSG }, { "\"bytes\":0", "\"bytes\":0,\"bytes\":0", EBADMSG },
		{ "\"x\"", "\"x\",\"more\":1", EBADMSG }, { "0000\"}", "000\"}", EBADMSG }, { "T00:00:00Z", "T25:00:00Z", EBADMSG },
	};
	struct audit_entry e;

	assert_int_equal(audit_decode(good, strlen(good), &e), 0);
	audit_entry_free(&e);
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		char text[1024];
		const char *at = strstr(good, changes[i].from);

		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, changes[i].to, at + strlen(changes[i].from));
		if (audit_decode(text, strlen(text), &e) != changes[i].rc)
			fail_msg("%s", text);
	}
	for (size_t n = 0; n < strlen(good); n++)
		assert_int_equal(audit_decode(good, n, &e), EBADMSG);
}

/* ---- many at once */

static void *write_some(void *arg)
{
	struct kit *k = arg;

	for (int i = 0; i < 20; i++) {
		note(k, AUDIT_VERIFIED, "x", NULL);
		while (audit_flush(k->v, NULL, NULL) == EBUSY)
			;
	}
	return NULL;
}

static void writers_at_once_make_one_chain(void **state)
{
	struct kit *k = *state, b;
	pthread_t threads[3];
	struct seen s;
	char why[256];

	second(k, &b);
	kit_log_begin();
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_some, i ? k : &b), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	free(kit_log_end());
	if (read_all(k, &s, why))
		fail_msg("%s", why);
	assert_int_equal(s.count, 60);
	kit_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
		T(lines_are_chained_over_segments_and_writers), T(it_costs_little), T(commits_of_a_backup_are_one_line), T(removals_of_members_are_one_line), T(commits_by_path), T(the_end_of_a_vault_flushes),
		T(many_lines_make_several_segments), T(a_lost_reply_makes_no_second_line), T(lines_wait_for_a_store_that_fails),
		T(no_permission_is_said_once), T(read_only_keeps_nothing), T(commits_wait_for_company), T(a_missing_segment_is_found), T(a_missing_first_segment_is_found),
		T(a_log_cut_short_is_found_by_what_was_seen), T(a_log_written_anew_is_found_by_what_was_seen), T(another_tenants_log_is_found),
		T(a_flipped_byte_is_found), T(a_segment_moved_about_is_found), T(a_changed_line_is_found), T(something_else_among_them_is_found),
		T(a_damaged_end_does_not_stop_the_log), cmocka_unit_test(lines_that_are_none_are_refused), T(writers_at_once_make_one_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

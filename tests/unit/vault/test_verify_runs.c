/* SPDX-License-Identifier: Apache-2.0 */
#include "sealed.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/rand.h"
#include "vault/audit.h"
#include "vault/catalog_private.h"
#include "vault/verify_memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Verification that goes over several runs: samples, a run that was killed, and backups that change meanwhile. */

#define STEM "db-20240101-000000"
#define OTHER "db-20240102-000000"
#define MEMORY RECORDS "control/verify"
#define PIECE (PIECE_CHUNKS * (uint64_t)CHUNK_BYTES)

struct told {
	unsigned faults;
	char path[PATH_CAP];
	struct verify_result result;
	char *log; /* owned */
};

static void on_fault(void *arg, const char *tenant, const char *stem, const char *path, enum verify_fault f, const char *detail)
{
	struct told *t = arg;

	t->faults++;
	snprintf(t->path, sizeof(t->path), "%s: %s", path, verify_fault_name(f));
}

static void told_free(struct told *t)
{
	free(t->log);
}

static int verify(struct kit *k, struct verify_config c, struct told *t)
{
	int rc;

	*t = (struct told){ 0 };
	c.fault = on_fault;
	c.arg = t;
	c.threads = c.threads ? c.threads : 2;
	kit_log_begin();
	rc = verify_tenant(k->v, "acme", NULL, &c, &t->result, NULL);
	t->log = kit_log_end();
	return rc;
}

/* ---- shares */

/* Every piece of every object has its turn in exactly one of the runs of a rotation, wherever that begins, whatever comes and goes. */
static void all_bytes_in_so_many_runs(void **state)
{
	for (unsigned percent = 1; percent <= 100; percent++) {
		unsigned rounds = (100 + percent - 1) / percent;

		for (uint64_t object = 0; object < 40; object++) {
			uint64_t pieces = 1 + object * 7 % 23, first = object * 11 % 17; /* it comes in this run, and goes after a rotation */
			uint8_t id[16] = { [5] = (uint8_t)(object * 31), [7] = (uint8_t)(object * 97 + percent) };
			unsigned seen[64] = { 0 };

			for (uint64_t run = first; run < first + rounds; run++) {
				struct share s = share_of(percent, run);

				assert_int_equal(s.rounds, rounds);
				for (uint64_t p = share_first(&s, id); p < pieces; p += share_step(&s))
					seen[p]++;
			}
			for (uint64_t p = 0; p < pieces; p++)
				assert_int_equal(seen[p], 1);
		}
	}
}

static void a_run_takes_its_share(void **state)
{
	uint64_t taken = 0;

	for (uint64_t object = 0; object < 10000; object++) {
		struct share s = share_of(10, 3);
		uint8_t id[16];

		rand_bytes(id, sizeof(id));
		taken += share_first(&s, id) == 0;
	}
	assert_in_range(taken, 800, 1200);

	struct share s = share_of(10, 3);
	uint8_t id[16] = { 1, 2, 3 };
	uint64_t large = 0;

	for (uint64_t p = share_first(&s, id); p < 1000; p += share_step(&s))
		large++;
	assert_int_equal(large, 100);
}

static void without_a_sample_all_have_their_turn(void **state)
{
	struct share s = share_of(0, 7);

	assert_int_equal(s.rounds, 0);
	assert_int_equal(share_first(&s, (uint8_t[16]){ 9 }), 0);
	assert_int_equal(share_step(&s), 1);
	assert_int_equal(share_of(100, 7).rounds, 1);
	assert_int_equal(share_pieces(0), 1);
	assert_int_equal(share_pieces(PIECE), 1);
	assert_int_equal(share_pieces(PIECE + 1), 2);
}

/* ---- samples */

/* One flipped byte anywhere is found by the last run of a rotation at the latest, also when other backups come and go. */
static void a_rotation_finds_any_byte(void **state)
{
	static const uint64_t places[] = { 0, 1, 2 };
	struct kit *k = *state;
	struct told t;

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		unsigned found = 0;

		object_unref(kit_file(k, sealed_key(STEM, "large"), 2 * PIECE + 5, 1));
		sealed_seal(k, STEM, NULL);
		kit_raw_flip(k->bucket, sealed_key(STEM, "large"), chunk_offset(places[i] * PIECE_CHUNKS) + 100 * (places[i] < 2) + 14);
		for (unsigned run = 0; run < 4; run++) {
			assert_int_equal(verify(k, (struct verify_config){ .sample = 25 }, &t), 0);
			assert_int_equal(t.result.parts, 4);
			found += t.faults;
			if (t.faults)
				assert_string_equal(t.path, STEM "/large: damaged");
			if (run == 1)
				sealed_make(k, OTHER);
			told_free(&t);
		}
		assert_int_equal(found, 1);
	}
}

static void parts_take_turns(void **state)
{
	struct kit *k = *state;
	struct told t;
	uint64_t decrypted = 0;

	for (int i = 0; i < 40; i++) {
		char path[64];

		snprintf(path, sizeof(path), STEM "/f%d", i);
		sealed_put(k, path, "twelve bytes", STATE_CLOSED);
	}
	sealed_seal(k, STEM, NULL);
	for (unsigned run = 0; run < 6; run++) {
		assert_int_equal(verify(k, (struct verify_config){ .sample = 34 }, &t), 0); /* three parts */
		assert_int_equal(t.faults, 0);
		assert_int_equal(t.result.good, 1);
		assert_int_equal(t.result.parts, 3);
		assert_int_equal(t.result.part, run % 3 + 1);
		assert_true(t.result.decrypted < t.result.bytes);
		decrypted += t.result.decrypted;
		told_free(&t);
	}
	assert_int_equal(decrypted, 2 * 40 * 12);
	assert_int_equal(verify(k, (struct verify_config){ .full = true }, &t), 0); /* does not disturb it */
	told_free(&t);
	assert_int_equal(verify(k, (struct verify_config){ .sample = 34 }, &t), 0);
	assert_int_equal(t.result.part, 1);
	told_free(&t);
}

static uint64_t samples(struct kit *k)
{
	struct verify_memory m;
	uint64_t n;

	verify_memory_init(&m);
	assert_int_equal(verify_memory_read(k->v, "acme", &m, NULL), 0);
	n = m.samples;
	verify_memory_free(&m);
	return n;
}

/* Of a part that could not be read whole nobody may say that it was looked at. */
static void an_unreadable_part_has_its_turn_again(void **state)
{
	struct kit *k = *state;
	struct told t;

	sealed_make(k, STEM);
	kit_fault(k, STORE_GET, "acme/db", 0, 100, FAULT_FAIL, EREMOTEIO);
	assert_int_equal(verify(k, (struct verify_config){ .sample = 100 }, &t), 0);
	assert_true(t.faults > 0);
	told_free(&t);
	assert_int_equal(samples(k), 0);
	fault_store_clear(k->fault);
	kit_fault(k, STORE_LIST, LIVE, 0, 1, FAULT_FAIL, EREMOTEIO);
	assert_int_equal(verify(k, (struct verify_config){ .sample = 100 }, &t), EREMOTEIO);
	told_free(&t);
	assert_int_equal(samples(k), 0);
	assert_int_equal(verify(k, (struct verify_config){ .sample = 100 }, &t), 0);
	told_free(&t);
	assert_int_equal(samples(k), 1);
}

static void who_may_not_write_gets_any_part(void **state)
{
	struct kit *k = *state;
	bool seen[11] = { 0 };
	unsigned parts = 0;
	struct told t;

	sealed_make(k, STEM);
	kit_fault(k, STORE_PUT, "control/verify", 0, 1000, FAULT_FAIL, EACCES);
	for (unsigned run = 0; run < 60; run++) {
		assert_int_equal(verify(k, (struct verify_config){ .sample = 10 }, &t), 0);
		assert_non_null(strstr(t.log, "cannot be remembered"));
		assert_non_null(strstr(t.log, "drawn at random"));
		assert_in_range(t.result.part, 1, 10);
		seen[t.result.part] = true;
		told_free(&t);
	}
	for (unsigned i = 1; i <= 10; i++)
		parts += seen[i];
	assert_true(parts > 5); /* fewer: once in a billion */
	assert_int_equal(kit_raw_count(k->bucket, MEMORY), 0);
}

static void a_damaged_memory_is_made_anew(void **state)
{
	struct kit *k = *state;
	struct told t;

	sealed_make(k, STEM);
	kit_raw_put(k->bucket, MEMORY, "plain", 5);
	assert_int_equal(verify(k, (struct verify_config){ .sample = 50 }, &t), 0);
	assert_int_equal(t.result.part, 1);
	told_free(&t);
	assert_int_equal(verify(k, (struct verify_config){ .sample = 50 }, &t), 0);
	assert_int_equal(t.result.part, 2);
	assert_null(strstr(t.log, "random"));
	told_free(&t);
}

/* ---- a run that was killed */

static atomic_bool stop;
static unsigned steps_left;

static void stop_soon(void *arg)
{
	if (!steps_left || !--steps_left)
		atomic_store(&stop, true);
}

static uint64_t make_four(struct kit *k)
{
	for (int i = 1; i < 5; i++) {
		char stem[64];

		snprintf(stem, sizeof(stem), "db-2024010%d-000000", i);
		sealed_make(k, stem);
	}
	return 4;
}

/* Begins a full run that ends after the second backup. */
static void killed(struct kit *k, bool resume)
{
	struct told t;

	atomic_store(&stop, false);
	steps_left = 14; /* of each backup: one itself, five objects and four of their pieces at most */
	assert_int_equal(verify(k, (struct verify_config){ .full = true, .resume = resume, .stop = &stop, .pace = stop_soon, .threads = 1 }, &t), ECANCELED);
	assert_in_range(t.result.good, 1, 3);
	told_free(&t);
}

static void a_killed_run_goes_on(void **state)
{
	struct kit *k = *state;
	struct told t, all;

	make_four(k);
	assert_int_equal(verify(k, (struct verify_config){ .full = true }, &all), 0);
	told_free(&all);
	killed(k, false);
	assert_int_equal(verify(k, (struct verify_config){ .full = true, .resume = true }, &t), 0);
	assert_int_equal(t.result.good, 4);
	assert_in_range(t.result.resumed, 1, 3);
	assert_int_equal(t.result.decrypted, all.result.decrypted / 4 * (4 - t.result.resumed));
	told_free(&t);

	/* It came to its end: the next one begins anew. */
	assert_int_equal(verify(k, (struct verify_config){ .full = true, .resume = true }, &t), 0);
	assert_int_equal(t.result.resumed, 0);
	assert_int_equal(t.result.decrypted, all.result.decrypted);
	told_free(&t);
}

/* A backup that changes between the two is not taken for good: another seal is read, and what differs from the seal is found. */
static void what_changed_is_looked_at_again(void **state)
{
	struct kit *k = *state;
	struct told t;

	make_four(k);
	killed(k, false);
	for (int i = 1; i < 5; i++) {
		char stem[64];

		snprintf(stem, sizeof(stem), "db-2024010%d-000000", i);
		kit_raw_remove(k->bucket, sealed_key(stem, "a"));
	}
	assert_int_equal(verify(k, (struct verify_config){ .full = true, .resume = true }, &t), 0);
	assert_int_equal(t.result.bad, 4);
	told_free(&t);
	for (int i = 1; i < 5; i++) {
		char stem[64];

		snprintf(stem, sizeof(stem), "db-2024010%d-000000", i);
		sealed_seal(k, stem, NULL);
	}
	assert_int_equal(verify(k, (struct verify_config){ .full = true, .resume = true }, &t), 0);
	assert_int_equal(t.result.good, 4);
	assert_int_equal(t.result.resumed, 0);
	told_free(&t);
}

static void without_resume_all_is_read(void **state)
{
	struct kit *k = *state;
	struct told t;

	make_four(k);
	killed(k, false);
	assert_int_equal(verify(k, (struct verify_config){ .full = true }, &t), 0);
	assert_int_equal(t.result.resumed, 0);
	told_free(&t);
	assert_int_equal(verify(k, (struct verify_config){ .full = true, .resume = true }, &t), 0);
	assert_int_equal(t.result.resumed, 0); /* that one came to its end */
	assert_non_null(strstr(t.log, "no run to go on with"));
	told_free(&t);
}

static void set_since(struct kit *k, int64_t since_s)
{
	struct verify_memory m;

	verify_memory_init(&m);
	assert_int_equal(verify_memory_read(k->v, "acme", &m, NULL), 0);
	assert_true(m.count > 0);
	m.since_s = since_s;
	assert_int_equal(verify_memory_write(k->v, "acme", &m, NULL), 0);
	assert_false(m.unusable);
	verify_memory_free(&m);
}

static void an_old_run_is_not_gone_on_with(void **state)
{
	struct kit *k = *state;
	struct told t;

	make_four(k);
	killed(k, false);
	set_since(k, clock_wall_s() - VERIFY_RESUME_S + 60);
	killed(k, true);
	set_since(k, clock_wall_s() - VERIFY_RESUME_S - 60);
	assert_int_equal(verify(k, (struct verify_config){ .full = true, .resume = true }, &t), 0);
	assert_int_equal(t.result.resumed, 0);
	told_free(&t);
}

/* A damaged backup, and one that could not be read, are read again. */
static void only_good_ones_are_remembered(void **state)
{
	struct kit *k = *state;
	struct told t;

	make_four(k);
	kit_raw_flip(k->bucket, sealed_key(STEM, "a"), chunk_offset(0) + 14);
	kit_fault(k, STORE_GET, "db-20240104", 0, 100, FAULT_FAIL, EREMOTEIO);
	assert_int_equal(verify(k, (struct verify_config){ .full = true }, &t), EREMOTEIO); /* its seal cannot be read */
	told_free(&t);
	fault_store_clear(k->fault);
	assert_int_equal(verify(k, (struct verify_config){ .full = true, .resume = true }, &t), 0);
	assert_int_equal(t.result.bad, 1);
	assert_string_equal(t.path, STEM "/a: damaged");
	assert_in_range(t.result.resumed, 1, 2);
	told_free(&t);
}

static void somebody_writes(void *arg)
{
	struct kit *k = arg;

	kit_raw_put(k->bucket, MEMORY, "plain", 5);
}

static void two_at_once_do_no_harm(void **state)
{
	struct kit *k = *state;
	struct told t;

	make_four(k);
	kit_callback(k, STORE_GET, "db-20240103", somebody_writes, k);
	assert_int_equal(verify(k, (struct verify_config){ .full = true }, &t), 0);
	assert_int_equal(t.result.good, 4);
	assert_non_null(strstr(t.log, "another verification is going on"));
	told_free(&t);
}

static void quick_and_one_backup_write_nothing(void **state)
{
	struct kit *k = *state;
	struct told t;
	struct verify_result r = { 0 };
	struct verify_config c = { .full = true };

	sealed_make(k, STEM);
	assert_int_equal(verify(k, (struct verify_config){ 0 }, &t), 0);
	assert_int_equal(t.result.decrypted, 0);
	told_free(&t);
	assert_int_equal(verify_tenant(k->v, "acme", STEM, &c, &r, NULL), 0);
	assert_int_equal(kit_raw_count(k->bucket, MEMORY), 0);
}

/* ---- what changes meanwhile */

static void sealed_anew(void *arg)
{
	sealed_put(arg, STEM "/a", "another content", STATE_CLOSED);
	sealed_seal(arg, STEM, NULL);
}

static void a_backup_that_is_sealed_anew_is_good(void **state)
{
	struct kit *k = *state;
	struct told t;

	sealed_make(k, STEM);
	kit_callback(k, STORE_LIST, LIVE "db", sealed_anew, k);
	assert_int_equal(verify(k, (struct verify_config){ 0 }, &t), 0);
	assert_int_equal(t.faults, 0);
	assert_int_equal(t.result.good, 1);
	told_free(&t);
}

static void reopened_and_changed(void *arg)
{
	sealed_reopen(arg, STEM, STEM);
	sealed_put(arg, STEM "/a", "another content", STATE_CLOSED);
}

static void a_backup_that_is_reopened_is_not_bad(void **state)
{
	struct kit *k = *state;
	struct told t;

	sealed_make(k, STEM);
	kit_callback(k, STORE_LIST, LIVE "db", reopened_and_changed, k);
	assert_int_equal(verify(k, (struct verify_config){ 0 }, &t), 0);
	assert_int_equal(t.faults, 0);
	assert_int_equal(t.result.unsealed, 1);
	told_free(&t);
}

static void removed(void *arg)
{
	struct kit *k = arg;

	audit_note(k->v, "acme", &(struct audit_line){ .event = AUDIT_REMOVED, .backup = STEM, .seal = "00112233445566778899aabbccddeeff" });
	assert_int_equal(audit_flush(k->v, "acme", NULL), 0);
	kit_raw_remove(k->bucket, RECORDS "seals/" STEM);
	kit_raw_remove(k->bucket, sealed_key(STEM, "a"));
}

static void gone(void *arg)
{
	struct kit *k = arg;

	kit_raw_remove(k->bucket, RECORDS "seals/" STEM);
}

static void a_backup_that_is_removed_is_not_missing(void **state)
{
	struct kit *k = *state;
	struct told t;

	sealed_make(k, STEM);
	kit_callback(k, STORE_GET, "seals/", removed, k);
	assert_int_equal(verify(k, (struct verify_config){ 0 }, &t), 0);
	assert_int_equal(t.faults, 0);
	assert_int_equal(t.result.unsealed, 1);
	told_free(&t);

	/* But where the log knows of no reason, it is. */
	sealed_make(k, STEM);
	kit_callback(k, STORE_GET, "seals/", gone, k);
	assert_int_equal(verify(k, (struct verify_config){ 0 }, &t), 0);
	assert_int_equal(t.faults, 1);
	assert_string_equal(t.path, ": seal missing");
	assert_int_equal(t.result.bad, 1);
	told_free(&t);
}

/* ---- its text */

static void text_and_back(void **state)
{
	static const uint8_t ids[3][16] = { { 9 }, { 1 }, { 5 } };
	struct verify_memory m, back;
	AUTO_FREE char *text = NULL;
	size_t len;

	verify_memory_init(&m);
	m.samples = 7;
	verify_memory_restart(&m, 1700000000);
	for (int i = 0; i < 3; i++)
		assert_int_equal(verify_memory_add(NULL, "acme", (m.written_ms = clock_mono_ms(), &m), ids[i], NULL), 0);
	assert_int_equal(verify_memory_encode(&m, &text, &len), 0);
	assert_string_equal(text, "{\"verify\":1,\"samples\":7,\"since\":\"2023-11-14T22:13:20Z\"}\n{\"seal\":\"01000000000000000000000000000000\"}\n"
				  "{\"seal\":\"05000000000000000000000000000000\"}\n{\"seal\":\"09000000000000000000000000000000\"}\n");
	verify_memory_init(&back);
	assert_int_equal(verify_memory_decode(text, len, &back), 0);
	assert_int_equal(back.samples, 7);
	assert_int_equal(back.since_s, 1700000000);
	assert_int_equal(back.count, 3);
	for (int i = 0; i < 3; i++)
		assert_true(verify_memory_has(&back, ids[i]));
	assert_false(verify_memory_has(&back, (uint8_t[16]){ 2 }));
	verify_memory_restart(&back, 0);
	free(text);
	assert_int_equal(verify_memory_encode(&back, &text, &len), 0);
	assert_string_equal(text, "{\"verify\":1,\"samples\":7,\"since\":null}\n");
	verify_memory_free(&m);
	verify_memory_free(&back);
}

static void texts_that_are_none(void **state)
{
#define HEAD "{\"verify\":1,\"samples\":7,\"since\":\"2023-11-14T22:13:20Z\"}\n"
#define SEAL(c) "{\"seal\":\"" c "1000000000000000000000000000000\"}\n"
	static const struct {
		const char *text;
		int rc;
	} bad[] = {
		{ "", EBADMSG }, { "{}\n", EBADMSG }, { "{\"verify\":2}\n", EPROTONOSUPPORT }, { "{\"verify\":1,\"samples\":7}\n", EBADMSG },
		{ "{\"verify\":1,\"since\":null}\n", EBADMSG }, { "{\"verify\":1,\"samples\":7,\"since\":0}\n", EBADMSG },
		{ "{\"verify\":1,\"samples\":-1,\"since\":null}\n", EBADMSG }, { "{\"verify\":1,\"samples\":7,\"since\":null,\"x\":1}\n", EBADMSG },
		{ "{\"verify\":1,\"samples\":7,\"since\":null}\n" SEAL("1"), EBADMSG }, /* of no run */
		{ HEAD SEAL("2") SEAL("1"), EBADMSG }, { HEAD SEAL("1") SEAL("1"), EBADMSG }, { HEAD SEAL("A"), EBADMSG },
		{ HEAD "{\"seal\":\"01\"}\n", EBADMSG }, { HEAD "{\"seal\":\"01000000000000000000000000000000\"}", EBADMSG }, { HEAD "\n", EBADMSG },
	};
	struct verify_memory m;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		verify_memory_init(&m);
		if (verify_memory_decode(bad[i].text, strlen(bad[i].text), &m) != bad[i].rc)
			fail_msg("%s", bad[i].text);
		verify_memory_free(&m);
	}
	verify_memory_init(&m);
	assert_int_equal(verify_memory_decode(HEAD SEAL("1") SEAL("2"), strlen(HEAD SEAL("1") SEAL("2")), &m), 0);
	verify_memory_free(&m);
}

#define T(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)

/* With room for objects of several pieces. */
static int setup_large(void **state)
{
	struct kit *k = calloc(1, sizeof(*k));
	struct store_limits limits = kit_limits;
	struct vault_config config = kit_config();

	limits.put_max = limits.part_max = 64u << 20;
	k->bucket = kit_bucket_new(&limits);
	kit_open(k, &config, KIT_KEY);
	*state = k;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_bytes_in_so_many_runs), cmocka_unit_test(a_run_takes_its_share), cmocka_unit_test(without_a_sample_all_have_their_turn),
		cmocka_unit_test_setup_teardown(a_rotation_finds_any_byte, setup_large, kit_teardown), T(parts_take_turns), T(an_unreadable_part_has_its_turn_again), T(who_may_not_write_gets_any_part),
		T(a_damaged_memory_is_made_anew), T(a_killed_run_goes_on), T(what_changed_is_looked_at_again), T(without_resume_all_is_read),
		T(an_old_run_is_not_gone_on_with), T(only_good_ones_are_remembered), T(two_at_once_do_no_harm), T(quick_and_one_backup_write_nothing),
		T(a_backup_that_is_sealed_anew_is_good), T(a_backup_that_is_reopened_is_not_bad), T(a_backup_that_is_removed_is_not_missing),
		cmocka_unit_test(text_and_back), cmocka_unit_test(texts_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

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

/* The deletion of many backups at once. */

#define LIVE "backups/acme/"
#define RECORDS "backups/.pishop/t/acme/"
#define MANY 6u
#define EACH 7u

/* One is how all others begin. */
static void name_of(unsigned i, char out[64])
{
	if (i == MANY - 1)
		copy_text(out, 64, "db");
	else
		snprintf(out, 64, "db-2026010%u-000000", i + 1);
}

static void key_of(char key[256], const char *before, unsigned i, const char *behind)
{
	char name[64];

	name_of(i, name);
	snprintf(key, 256, "%s%s%s", before, name, behind);
}

/* Names alike stand between theirs. */
static void make(struct kit *k)
{
	char key[256];

	for (unsigned i = 0; i < MANY; i++) {
		for (unsigned f = 0; f < EACH; f++) {
			char file[16];

			snprintf(file, sizeof(file), "/f%u", f);
			key_of(key, LIVE, i, file);
			object_unref(kit_file(k, key, 100 + f, (uint8_t)i));
		}
		key_of(key, RECORDS "seals/", i, "");
		assert_int_equal(record_write(k->v, key, "{\"seal\":1}\n", 11, NULL, NULL, NULL), 0);
		key_of(key, LIVE, i, "1/x"); /* of another */
		if (kit_raw_head(k->bucket, key, NULL))
			kit_raw_put(k->bucket, key, "others", 6);
	}
}

struct many {
	struct tombstone list[MANY];
	int results[MANY];
	size_t count;
};

static void many_free(struct many *m)
{
	while (m->count)
		tombstone_free(&m->list[--m->count]);
}

/* Those whose records stand, the last first, as their order must not matter. */
static void read_all(struct kit *k, struct many *m)
{
	char name[64];

	m->count = 0;
	for (unsigned i = MANY; i-- > 0;) {
		int rc;

		name_of(i, name);
		rc = tombstone_read(k->v, "acme", name, &m->list[m->count], NULL);
		assert_true(!rc || rc == ENOENT);
		m->count += !rc;
	}
}

static void bury(struct kit *k, struct many *m)
{
	char name[64];

	for (unsigned i = 0; i < MANY; i++) {
		name_of(i, name);
		assert_int_equal(tombstone_put(k->v, "acme", name, "test", 0, 0, NULL), 0);
	}
	read_all(k, m);
	assert_int_equal(m->count, MANY);
}

static int finish(struct kit *k, struct many *m, uint64_t objects)
{
	struct lease *lease = NULL;
	int rc = lease_take(k->v, "acme", 0, &lease, NULL, NULL);

	for (size_t i = 0; i < m->count; i++)
		m->results[i] = ECANCELED;
	if (!rc)
		rc = tombstone_finish_many(k->v, "acme", m->list, m->count, objects, lease, m->results, NULL);
	lease_release(lease);
	return rc;
}

static unsigned versions(struct kit *k, const char *prefix, bool exactly)
{
	struct store *s = kit_bucket_raw(k->bucket);
	struct store_versions page = { 0 };
	char *token = NULL;
	unsigned n = 0;

	do {
		assert_int_equal(s->ops->versions(s, prefix, token, 0, &page, NULL), 0);
		for (size_t i = 0; i < page.count; i++)
			n += !exactly || strcmp(page.list[i].key, prefix) == 0;
		free(token);
		token = page.next;
		page.next = NULL;
		store_versions_free(&page);
	} while (token);
	return n;
}

/* Objects, records and versions of them; what belongs to others stands. */
static unsigned left_of(struct kit *k, unsigned i)
{
	char key[256];
	unsigned n = 0;

	key_of(key, LIVE, i, "1/x");
	assert_int_equal(kit_raw_head(k->bucket, key, NULL), 0);
	key_of(key, LIVE, i, "/");
	n += versions(k, key, false);
	key_of(key, RECORDS "seals/", i, "");
	n += versions(k, key, true);
	key_of(key, RECORDS "tombstones/", i, "");
	return n + versions(k, key, true);
}

static unsigned told[AUDIT_EVENTS];

static int see(void *arg, const char *line, size_t len)
{
	AUTO(audit_entry_free) struct audit_entry e = { 0 };

	assert_int_equal(audit_decode(line, len, &e), 0);
	told[e.event]++;
	return 0;
}

static void read_log(struct kit *k)
{
	char why[256];

	memset(told, 0, sizeof(told));
	assert_int_equal(audit_flush(k->v, "acme", NULL), 0);
	assert_int_equal(audit_read(k->v, "acme", see, NULL, why, sizeof(why), NULL), 0);
}

/* ---- */

static uint64_t needed(struct kit *k, uint64_t objects)
{
	struct many m;
	uint64_t before;

	make(k);
	bury(k, &m);
	before = kit_all_calls(k);
	assert_int_equal(finish(k, &m, objects), 0);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(m.results[i], 0);
		assert_int_equal(left_of(k, i), 0);
	}
	many_free(&m);
	return kit_all_calls(k) - before;
}

/* Two each for `deleting` and the seal it keeps; the rest is shared. Pages and batches of the test's store are of ten. */
static void all_go_for_few_requests(void **state)
{
	struct kit *k = *state;
	uint64_t flat = needed(k, MANY * (EACH + 1)), alone = needed(k, 1000000);

	assert_in_range(flat, 2 * MANY, 2 * MANY + 40);
	assert_in_range(alone, 2 * MANY, 2 * MANY + 50);
	read_log(k);
	assert_int_equal(told[AUDIT_DELETING], 2 * MANY);
	assert_int_equal(told[AUDIT_DELETED], 2 * MANY);
}

static void versions_go_too(void **state)
{
	struct kit *k = *state;

	mem_store_keep_versions(kit_bucket_raw(k->bucket));
	needed(k, MANY * (EACH + 1));
	needed(k, 1000000);
}

static void store_without_versions(void **state)
{
	struct kit *k = *state;

	kit_fault(k, STORE_VERSIONS, NULL, 0, 0, FAULT_FAIL, EOPNOTSUPP);
	needed(k, MANY * (EACH + 1));
	needed(k, 1000000);
}

/* One is held, one was written to, one was undeleted, one is locked: the others go. */
static void each_is_judged_alone(void **state)
{
	struct kit *k = *state;
	struct many m;
	char key[256], name[64];

	mem_store_keep_versions(kit_bucket_raw(k->bucket));
	make(k);
	bury(k, &m); /* m.list[i] is the one of MANY - 1 - i */
	kit_log_begin();
	name_of(0, name);
	assert_int_equal(hold_add(k->v, "acme", name, "a dispute", "me", NULL), 0);
	key_of(key, LIVE, 1, "/new");
	kit_raw_put(k->bucket, key, "new", 3);
	name_of(2, name);
	assert_int_equal(tombstone_undelete(k->v, "acme", name, NULL, NULL, NULL), 0);
	mem_store_lock(kit_bucket_raw(k->bucket), "20260104-000000/f3");
	assert_int_equal(finish(k, &m, MANY * (EACH + 1)), 0);
	free(kit_log_end());
	assert_int_equal(m.results[MANY - 1 - 0], EAGAIN);
	assert_int_equal(m.results[MANY - 1 - 1], ESTALE);
	assert_int_equal(m.results[MANY - 1 - 2], ESTALE);
	assert_int_equal(m.results[MANY - 1 - 3], EACCES);
	for (unsigned i = 4; i < MANY; i++) {
		assert_int_equal(m.results[MANY - 1 - i], 0);
		assert_int_equal(left_of(k, i), 0);
	}
	for (unsigned i = 0; i < 3; i++) {
		key_of(key, LIVE, i, "/f0");
		assert_int_equal(kit_raw_head(k->bucket, key, NULL), 0);
		key_of(key, RECORDS "seals/", i, "");
		assert_int_equal(kit_raw_head(k->bucket, key, NULL), 0);
	}
	key_of(key, RECORDS "tombstones/", 3, "");
	assert_int_equal(kit_raw_head(k->bucket, key, NULL), 0);
	many_free(&m);
}

static void write_more(void *arg)
{
	char key[256];

	key_of(key, LIVE, 0, "/late");
	kit_raw_put(arg, key, "late", 4);
}

/* What comes to light in the second listing goes the long way. */
static void what_is_written_meanwhile_goes_too(void **state)
{
	struct kit *k = *state;
	struct many m;

	make(k);
	bury(k, &m);
	kit_log_begin();
	kit_callback(k, STORE_REMOVE, "/f0", write_more, k->bucket);
	assert_int_equal(finish(k, &m, MANY * (EACH + 1)), 0);
	free(kit_log_end());
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(m.results[i], 0);
		assert_int_equal(left_of(k, i), 0);
	}
	many_free(&m);
	read_log(k);
	assert_int_equal(told[AUDIT_DELETED], MANY);
}

static void reopen(struct kit *k)
{
	struct vault_config config = kit_config();

	kit_close(k);
	kit_open(k, &config, KIT_KEY);
	kit_raw_remove(k->bucket, RECORDS "control/lease"); /* it has run out meanwhile */
}

/* Whichever request is the last that is answered: nobody is said to be gone who is not, and the next call ends it. */
static void after_a_kill_anywhere_it_goes_on(void **state)
{
	static const enum store_op ops[] = { STORE_GET, STORE_PUT, STORE_VERSIONS, STORE_REMOVE, STORE_REMOVE_VERSIONS };
	struct kit *k = *state;
	unsigned kills = 0;

	mem_store_keep_versions(kit_bucket_raw(k->bucket));
	kit_log_begin();
	for (size_t op = 0; op < ARRAY_LEN(ops); op++)
		for (unsigned n = 0, more = 1; more; n++) {
			struct many m;

			make(k);
			bury(k, &m);
			kit_fault(k, ops[op], NULL, n, 0, FAULT_FAIL, EREMOTEIO);
			finish(k, &m, n % 2 ? 1000000 : MANY * (EACH + 1));
			more = fault_store_hits(k->fault) > 0;
			kills += more;
			fault_store_clear(k->fault);
			for (unsigned i = 0; i < MANY; i++)
				if (!m.results[MANY - 1 - i] && left_of(k, i))
					fail_msg("op %zu n %u: %u is said to be gone", op, n, i);
			many_free(&m);
			reopen(k);
			read_all(k, &m);
			assert_int_equal(finish(k, &m, MANY), 0);
			many_free(&m);
			for (unsigned i = 0; i < MANY; i++)
				assert_int_equal(left_of(k, i), 0);
		}
	free(kit_log_end());
	assert_true(kills > 20);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
	const struct CMUnitTest tests[] = {
		T(all_go_for_few_requests), T(versions_go_too), T(store_without_versions), T(each_is_judged_alone), T(what_is_written_meanwhile_goes_too),
		T(after_a_kill_anywhere_it_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

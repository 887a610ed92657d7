/* SPDX-License-Identifier: Apache-2.0 */
#include "kit.h"

#include "base/clock.h"
#include "vault/lease.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEASE "backups/.pishop/t/acme/control/lease"

static int take(struct kit *k, uint32_t ttl_s, struct lease **l, struct lease_holder *other)
{
	return lease_take(k->v, "acme", ttl_s, l, other, NULL);
}

/* A second vault on the bucket of the first. */
static void second(struct kit *k, struct kit *b)
{
	struct vault_config config = kit_config();

	*b = (struct kit){ .bucket = k->bucket };
	kit_open(b, &config, KIT_KEY);
}

static void it_goes_from_one_to_the_next(void **state)
{
	struct kit *k = *state, b;
	struct lease *mine, *theirs;
	struct lease_holder other;

	second(k, &b);
	assert_int_equal(take(k, 300, &mine, &other), 0);
	assert_int_equal(lease_epoch(mine), 1);
	assert_int_equal(take(&b, 300, &theirs, &other), EBUSY);
	assert_null(theirs);
	assert_int_equal(other.epoch, 1);
	assert_int_equal(strlen(other.writer), 32);
	assert_in_range(other.until_s, clock_wall_s() + 290, clock_wall_s() + 301);
	assert_int_equal(lease_check(mine, NULL), 0);
	lease_release(mine);
	assert_int_equal(take(&b, 300, &theirs, NULL), 0);
	assert_int_equal(lease_epoch(theirs), 2);
	lease_release(theirs);
	kit_close(&b);
}

static void a_second_thread_of_one_vault_waits(void **state)
{
	struct kit *k = *state;
	struct lease *mine, *again;

	assert_int_equal(take(k, 300, &mine, NULL), 0);
	assert_int_equal(take(k, 300, &again, NULL), EBUSY);
	assert_int_equal(lease_take(k->v, "other", 300, &again, NULL, NULL), 0);
	lease_release(again);
	lease_release(mine);
	assert_int_equal(take(k, 300, &mine, NULL), 0);
	lease_release(mine);
}

static void an_expired_one_is_taken_and_its_holder_notices(void **state)
{
	struct kit *k = *state, b;
	struct lease *mine, *theirs;
	struct store_call call = { 0 };

	second(k, &b);
	assert_int_equal(take(k, 1, &mine, NULL), 0);
	assert_int_equal(take(&b, 1, &theirs, NULL), EBUSY); /* not yet */
	clock_sleep_ms(2100);
	assert_int_equal(take(&b, 300, &theirs, NULL), 0);
	assert_int_equal(lease_epoch(theirs), 2);
	assert_int_equal(lease_check(mine, &call), ESTALE);
	assert_int_equal(lease_check(mine, NULL), ESTALE); /* for good */

	uint64_t puts = kit_calls(k, STORE_PUT);

	lease_release(mine); /* takes nothing away from the new holder */
	assert_int_equal(kit_calls(k, STORE_PUT), puts);
	assert_int_equal(lease_check(theirs, NULL), 0);
	lease_release(theirs);
	kit_close(&b);
}

static void it_is_renewed_in_time(void **state)
{
	struct kit *k = *state;
	struct lease *mine;

	assert_int_equal(take(k, 1, &mine, NULL), 0);

	uint64_t puts = kit_calls(k, STORE_PUT);

	assert_int_equal(lease_check(mine, NULL), 0);
	assert_int_equal(kit_calls(k, STORE_PUT), puts);
	clock_sleep_ms(400);
	assert_int_equal(lease_check(mine, NULL), 0);
	assert_int_equal(kit_calls(k, STORE_PUT), puts + 1);
	assert_int_equal(lease_epoch(mine), 1);
	assert_in_range(lease_request_ms(mine), 300, 334);
	lease_release(mine);
}

/* Nobody took it: then it is still ours, however late we are. */
static void a_late_renewal_holds(void **state)
{
	struct kit *k = *state;
	struct lease *mine;

	assert_int_equal(take(k, 1, &mine, NULL), 0);
	clock_sleep_ms(1100);
	assert_int_equal(lease_check(mine, NULL), 0);
	lease_release(mine);
}

static void a_failed_renewal_stops_and_may_be_tried_again(void **state)
{
	struct kit *k = *state;
	struct lease *mine;

	assert_int_equal(take(k, 1, &mine, NULL), 0);
	clock_sleep_ms(400);
	kit_fault(k, STORE_PUT, LEASE, 0, 1, FAULT_FAIL, EREMOTEIO);
	kit_log_begin();
	assert_int_equal(lease_check(mine, NULL), EREMOTEIO);
	free(kit_log_end());
	assert_int_equal(lease_check(mine, NULL), 0);
	clock_sleep_ms(400);
	kit_fault(k, STORE_PUT, LEASE, 0, 1, FAULT_LOSE_REPLY, ETIMEDOUT); /* it arrived */
	assert_int_equal(lease_check(mine, NULL), 0);
	assert_int_equal(lease_check(mine, NULL), 0);
	lease_release(mine);
}

static void without_conditions_nobody_may_act(void **state)
{
	struct kit *k = *state;
	struct lease *mine;

	k->stats->conditional = false;
	assert_int_equal(take(k, 300, &mine, NULL), EOPNOTSUPP);
	assert_null(mine);
	assert_int_equal(kit_raw_head(k->bucket, LEASE, NULL), ENOENT);
}

static void read_only_takes_none(void **state)
{
	struct kit *k = *state, b = { .bucket = k->bucket };
	struct vault_config config = kit_config();
	struct lease *mine;

	config.read_only = true;
	kit_open(&b, &config, KIT_KEY);
	assert_int_equal(take(&b, 300, &mine, NULL), EROFS);
	kit_close(&b);
}

static void a_damaged_one_blocks(void **state)
{
	struct kit *k = *state;
	struct lease *mine;
	static const char *const texts[] = {
		"{\"lease\":1,\"writer\":null,\"epoch\":0,\"ttl\":5,\"renewed\":\"2026-11-25T00:00:00Z\"}\n",
		"{\"lease\":1,\"writer\":null,\"epoch\":3,\"ttl\":0,\"renewed\":\"2026-11-25T00:00:00Z\"}\n",
		"{\"lease\":1,\"writer\":null,\"epoch\":3,\"ttl\":86401,\"renewed\":\"2026-11-25T00:00:00Z\"}\n",
		"{\"lease\":1,\"writer\":\"xx\",\"epoch\":3,\"ttl\":5,\"renewed\":\"2026-11-25T00:00:00Z\"}\n",
		"{\"lease\":1,\"writer\":null,\"epoch\":3,\"ttl\":5}\n",
		"{\"lease\":1,\"writer\":null,\"epoch\":3,\"ttl\":5,\"renewed\":\"2026-11-25T00:00:00Z\",\"more\":1}\n",
		"{\"lease\":1,\"writer\":null,\"epoch\":3,\"ttl\":5,\"renewed\":\"2026-11-25T00:00:00Z\"}",
		"{\"lease\":1,\"writer\":null,\"epoch\":3,\"ttl\":5,\"renewed\":\"2026-11-25T00:00:00Z\"}\n{}\n",
	};

	kit_log_begin();
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(record_write(k->v, LEASE, texts[i], strlen(texts[i]), NULL, NULL, NULL), 0);
		assert_int_equal(take(k, 300, &mine, NULL), EBADMSG);
		kit_raw_remove(k->bucket, LEASE);
	}

	const char *newer = "{\"lease\":2,\"what\":1}\n";

	assert_int_equal(record_write(k->v, LEASE, newer, strlen(newer), NULL, NULL, NULL), 0);
	assert_int_equal(take(k, 300, &mine, NULL), EPROTONOSUPPORT);
	kit_raw_remove(k->bucket, LEASE);
	kit_raw_put(k->bucket, LEASE, "plain", 5);
	assert_int_equal(take(k, 300, &mine, NULL), EBADMSG);
	free(kit_log_end());
}

/* ---- a local folder */

static struct vault *open_folder(const char *root)
{
	struct vault_config config = kit_config();
	struct keyring *keys;
	struct store *store;
	struct vault *v;
	char reason[256];

	config.part_bytes = 0; /* of usual size: this store's limits are */
	config.memory = 64u << 20;
	assert_int_equal(dir_store_new(root, &store), 0);
	assert_int_equal(keyring_parse(KIT_KEY, strlen(KIT_KEY), &keys, reason, sizeof(reason)), 0);
	if (vault_open(&config, store, keys, &v, reason, sizeof(reason)) != VAULT_OK)
		fail_msg("%s", reason);
	return v;
}

static void a_local_folder_has_one_too(void **state)
{
	char root[] = "/tmp/pishop-lease-XXXXXX", command[64];
	struct lease *mine, *theirs;
	struct lease_holder other;
	struct vault *a, *b;

	assert_non_null(mkdtemp(root));
	a = open_folder(root);
	b = open_folder(root);
	assert_int_equal(lease_take(a, "acme", 1, &mine, NULL, NULL), 0);
	assert_int_equal(lease_take(b, "acme", 1, &theirs, &other, NULL), EBUSY);
	assert_int_equal(other.epoch, 1);
	lease_release(mine);
	assert_int_equal(lease_take(b, "acme", 300, &theirs, NULL, NULL), 0);
	assert_int_equal(lease_epoch(theirs), 2);
	assert_int_equal(lease_check(theirs, NULL), 0);
	lease_release(theirs);
	vault_close(a);
	vault_close(b);
	snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

/* ---- many at once */

struct racer {
	struct kit kit;
	pthread_t thread;
	_Atomic int *inside, *most;
	unsigned had;
};

static void *race(void *arg)
{
	struct racer *r = arg;

	for (int i = 0; i < 60; i++) {
		struct lease *l;

		if (take(&r->kit, 300, &l, NULL))
			continue;

		int now = atomic_fetch_add(r->inside, 1) + 1;

		if (now > 1)
			atomic_store(r->most, now);
		if (lease_check(l, NULL) == 0)
			r->had++;
		atomic_fetch_sub(r->inside, 1);
		lease_release(l);
	}
	return NULL;
}

static void of_many_only_one_has_it(void **state)
{
	struct kit *k = *state;
	struct racer racers[3] = { 0 };
	_Atomic int inside = 0, most = 1;

	for (int i = 0; i < 3; i++) {
		second(k, &racers[i].kit);
		racers[i].inside = &inside;
		racers[i].most = &most;
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(racers[i].thread, NULL);
	assert_int_equal(most, 1);

	unsigned had = 0;

	for (int i = 0; i < 3; i++) {
		had += racers[i].had;
		kit_close(&racers[i].kit);
	}
	assert_true(had > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
		T(it_goes_from_one_to_the_next), T(a_second_thread_of_one_vault_waits), T(an_expired_one_is_taken_and_its_holder_notices),
		T(it_is_renewed_in_time), T(a_late_renewal_holds), T(a_failed_renewal_stops_and_may_be_tried_again), T(without_conditions_nobody_may_act),
		T(read_only_takes_none), T(a_damaged_one_blocks), T(a_local_folder_has_one_too), T(of_many_only_one_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

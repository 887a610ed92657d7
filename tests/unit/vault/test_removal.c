/* SPDX-License-Identifier: Apache-2.0 */
/* The batch of removals: when it is sent, what commits and listings see of it, what failures tell. */
#include "kit.h"

#include "base/clock.h"
#include "vault/removal.h"
#include "vault/run.h"
#include "vault/tree.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

static void raw(struct kit *k, const char *key)
{
	kit_raw_put(k->bucket, key, "plain", 5);
}

static bool there(struct kit *k, const char *key)
{
	return kit_raw_head(k->bucket, key, NULL) == 0;
}

/* Makes the tenant's record, so that its requests do not count. */
static void warm(struct kit *k)
{
	struct run *run;

	assert_int_equal(run_of(k->v, "acme", &run), 0);
}

static bool listed(struct kit *k, const char *path, const char *name)
{
	struct tree_listing l;
	bool found = false;

	assert_int_equal(tree_list(k->v, path, &l, NULL), 0);
	for (size_t i = 0; i < l.count; i++)
		found = found || strcmp(l.entries[i].name, name) == 0;
	tree_listing_free(&l);
	return found;
}

static bool gone_within(struct kit *k, const char *key, int64_t ms)
{
	int64_t end = clock_mono_ms() + ms;

	while (there(k, key) && clock_mono_ms() < end)
		clock_sleep_ms(2);
	return !there(k, key);
}

static void waits_and_is_sent_together(void **state)
{
	struct kit *k = *state;
	char path[64], key[80];

	warm(k);
	for (int i = 0; i < 9; i++) {
		snprintf(path, sizeof(path), "acme/d/%d", i);
		snprintf(key, sizeof(key), "backups/%s", path);
		raw(k, key);
		assert_int_equal(tree_remove_later(k->v, path, false), 0);
		assert_true(tree_removal_waits(k->v, key));
	}
	raw(k, "backups/acme/d/");
	assert_int_equal(tree_remove_later(k->v, "acme/d", true), 0);
	assert_int_equal(tree_remove_later(k->v, "acme/d", true), 0); /* once more is once */

	uint64_t before = kit_all_calls(k);

	assert_int_equal(tree_send_removals(k->v, "acme/d"), 0);
	assert_true(kit_calls(k, STORE_REMOVE) <= 2); /* one, but for what the clock sent before on a slow machine */
	assert_true(kit_all_calls(k) - before <= 1);
	assert_false(there(k, key));
	assert_false(there(k, "backups/acme/d/"));
	assert_false(tree_removal_waits(k->v, key));
	before = kit_all_calls(k);
	assert_int_equal(tree_send_removals(k->v, ""), 0); /* nothing waits: no request */
	assert_int_equal(kit_all_calls(k), before);
}

static void only_what_is_under_the_folder(void **state)
{
	struct kit *k = *state;

	raw(k, "backups/acme/a/1");
	raw(k, "backups/acme/ab");
	kit_fault(k, STORE_REMOVE, "acme/ab", 0, 0, FAULT_FAIL, EACCES); /* would fail the call if it were sent along */
	assert_int_equal(tree_remove_later(k->v, "acme/ab", false), 0);
	assert_int_equal(tree_remove_later(k->v, "acme/a/1", false), 0);
	assert_true(removals_below(k->v, "acme/a"));
	assert_false(removals_below(k->v, "acme/a/1"));
	assert_false(removals_below(k->v, "other"));
	assert_int_equal(tree_send_removals(k->v, "acme/a"), 0);
	assert_false(there(k, "backups/acme/a/1"));
}

static void the_clock_sends(void **state)
{
	struct kit *k = *state;

	warm(k);
	raw(k, "backups/acme/f");

	int64_t start = clock_mono_ms();

	assert_int_equal(tree_remove_later(k->v, "acme/f", false), 0);
	assert_true(gone_within(k, "backups/acme/f", 3000));
	assert_true(clock_mono_ms() - start >= 150);
}

static void a_full_batch_is_sent_at_once(void **state)
{
	struct kit *k = *state;
	char path[64], key[80];

	warm(k);
	for (int i = 0; i < 30; i++) { /* ten a request */
		snprintf(path, sizeof(path), "acme/%d", i);
		snprintf(key, sizeof(key), "backups/%s", path);
		raw(k, key);
	}

	int64_t start = clock_mono_ms();

	for (int i = 0; i < 30; i++) {
		snprintf(path, sizeof(path), "acme/%d", i);
		assert_int_equal(tree_remove_later(k->v, path, false), 0);
	}
	while (kit_calls(k, STORE_REMOVE) < 1 && clock_mono_ms() - start < 3000)
		clock_sleep_ms(1);
	assert_int_equal(tree_send_removals(k->v, ""), 0);
	assert_false(there(k, key));
	assert_true(kit_calls(k, STORE_REMOVE) >= 3);
}

static void listings_do_not_show_them(void **state)
{
	struct kit *k = *state;

	kit_fault(k, STORE_REMOVE, NULL, 0, 0, FAULT_HOLD, 0);
	raw(k, "backups/acme/f");
	raw(k, "backups/acme/g");
	raw(k, "backups/acme/d/");
	assert_int_equal(tree_remove_later(k->v, "acme/f", false), 0);
	assert_int_equal(tree_remove_later(k->v, "acme/d", true), 0);
	assert_false(listed(k, "acme", "f"));
	assert_false(listed(k, "acme", "d"));
	assert_true(listed(k, "acme", "g"));

	struct tree_listing l;
	struct object *o;

	assert_int_equal(tree_list(k->v, "acme/d", &l, NULL), 0);
	assert_false(l.marker || l.exists);
	tree_listing_free(&l);
	assert_int_equal(tree_load_folder(k->v, "acme/d", &o, NULL), ENOENT);
}

struct during {
	struct kit *k;
	int rc;
};

static void send_during(void *arg)
{
	struct during *d = arg;

	d->rc = tree_send_removals(d->k->v, "");
}

/* A removal that ends while a listing is on its way: the old page must not bring the name back. The fault layer's callback runs before the page is made,
 * so the page is made here before the removal is let go. */
static struct { const struct store_ops *real; struct during d; } slow;

static int slow_list(struct store *s, const char *prefix, char delimiter, const char *token, uint32_t max, struct store_page *page,
		     struct store_call *call)
{
	int rc = slow.real->list(s, prefix, delimiter, token, max, page, call);

	send_during(&slow.d);
	return rc;
}

static void listings_under_way_do_not_bring_names_back(void **state)
{
	struct kit *k = *state;
	struct store *s = vault_store(k->v);
	struct store_ops ops = *s->ops;

	warm(k);
	raw(k, "backups/acme/f");
	assert_int_equal(tree_remove_later(k->v, "acme/f", false), 0);
	slow.real = s->ops;
	slow.d = (struct during){ k, -1 };
	ops.list = slow_list;
	s->ops = &ops;

	bool shown = listed(k, "acme", "f");

	s->ops = slow.real;
	assert_int_equal(slow.d.rc, 0);
	assert_false(there(k, "backups/acme/f"));
	assert_false(shown);
	assert_false(removal_hides(k->v, "backups/acme/f")); /* forgotten with the listing's end */
	raw(k, "backups/acme/f");
	assert_true(listed(k, "acme", "f"));
}

static void claims(void **state)
{
	struct kit *k = *state;
	struct store_cond cond = { .if_none_match = true };
	bool waited = true;

	warm(k);
	raw(k, "backups/acme/f");
	assert_int_equal(tree_claim_key(k->v, "backups/acme/f", &waited), 0);
	assert_false(waited);
	assert_int_equal(tree_claim_cond(k->v, "backups/acme/f", &cond), 0);
	assert_true(cond.if_none_match);
	assert_int_equal(tree_remove_later(k->v, "acme/f", false), 0);
	assert_int_equal(tree_claim_key(k->v, "backups/acme/f", &waited), 0);
	assert_true(waited);
	assert_false(tree_removal_waits(k->v, "backups/acme/f"));
	assert_int_equal(tree_send_removals(k->v, ""), 0);
	assert_true(there(k, "backups/acme/f")); /* it was taken out */
	assert_int_equal(tree_remove_known_later(k->v, "acme/f", false, "an-etag"), 0);
	assert_int_equal(tree_claim_cond(k->v, "backups/acme/f", &cond), 0);
	assert_false(cond.if_none_match);
	assert_string_equal(cond.if_match, "an-etag");
	/* a condition on an object stays what it is */
	assert_int_equal(tree_remove_known_later(k->v, "acme/f", false, "an-etag"), 0);
	cond = (struct store_cond){ .if_match = "mine" };
	assert_int_equal(tree_claim_cond(k->v, "backups/acme/f", &cond), 0);
	assert_string_equal(cond.if_match, "mine");
	assert_false(cond.if_none_match);
}

static void *claim_late(void *arg)
{
	struct during *d = arg;
	bool waited;

	d->rc = tree_claim_key(d->k->v, "backups/acme/f", &waited);
	if (waited)
		d->rc = EINVAL;
	return NULL;
}

static void a_claim_waits_for_a_removal_under_way(void **state)
{
	struct kit *k = *state;
	struct during sender = { k, -1 }, claimer = { k, -1 };
	pthread_t sending, claiming;

	warm(k);
	raw(k, "backups/acme/f");
	kit_fault(k, STORE_REMOVE, NULL, 0, 1, FAULT_HOLD, 0);
	assert_int_equal(tree_remove_later(k->v, "acme/f", false), 0);
	assert_int_equal(pthread_create(&sending, NULL, claim_late, &sender), 0);
	pthread_join(sending, NULL); /* took it out: put it in again, and let the clock send it */
	assert_int_equal(sender.rc, EINVAL);
	assert_int_equal(tree_remove_later(k->v, "acme/f", false), 0);
	while (fault_store_hits(k->fault) == 0)
		clock_sleep_ms(1);
	assert_true(tree_removal_waits(k->v, "backups/acme/f"));
	assert_int_equal(tree_remove_later(k->v, "acme/f", false), 0); /* it is on its way */
	assert_int_equal(pthread_create(&claiming, NULL, claim_late, &claimer), 0);
	clock_sleep_ms(20);
	assert_int_equal(claimer.rc, -1);
	fault_store_release(k->fault);
	pthread_join(claiming, NULL);
	assert_int_equal(claimer.rc, 0);
	assert_false(there(k, "backups/acme/f"));
}

static void failures_are_told(void **state)
{
	struct kit *k = *state;

	warm(k);
	raw(k, "backups/acme/f");
	kit_fault(k, STORE_REMOVE, "acme/f", 0, 1, FAULT_FAIL, EACCES);
	assert_int_equal(tree_remove_later(k->v, "acme/f", false), 0);
	kit_log_begin();
	int rc = tree_send_removals(k->v, "acme");
	char *log = kit_log_end();

	assert_int_equal(rc, EACCES);
	assert_non_null(strstr(log, "backups/acme/f"));
	assert_non_null(strstr(log, "was not removed"));
	free(log);
	assert_true(listed(k, "acme", "f")); /* the name exists again */
	assert_false(tree_removal_waits(k->v, "backups/acme/f"));
	assert_int_equal(tree_send_removals(k->v, ""), 0); /* told once */
	assert_int_equal(tree_remove_later(k->v, "acme/f", false), 0);
	assert_int_equal(tree_send_removals(k->v, ""), 0);
	assert_false(there(k, "backups/acme/f"));
}

static void failures_of_the_clock_are_told_later(void **state)
{
	struct kit *k = *state;

	warm(k);
	raw(k, "backups/acme/f");
	raw(k, "backups/acme/g");
	kit_fault(k, STORE_REMOVE, NULL, 0, 1, FAULT_FAIL, EREMOTEIO);
	assert_int_equal(tree_remove_later(k->v, "acme/f", false), 0);
	assert_int_equal(tree_remove_later(k->v, "acme/g", false), 0);
	while (fault_store_hits(k->fault) == 0)
		clock_sleep_ms(2);
	while (tree_removal_waits(k->v, "backups/acme/g"))
		clock_sleep_ms(2);
	assert_int_equal(tree_send_removals(k->v, "acme/f"), EREMOTEIO);
	assert_int_equal(tree_send_removals(k->v, "elsewhere"), 0);
	/* what failed and is written anew is no failure any more */
	struct store_cond cond = { .if_none_match = true };

	assert_int_equal(tree_claim_cond(k->v, "backups/acme/g", &cond), 0);
	assert_false(cond.if_none_match);
	assert_string_equal(cond.if_match, "");
	assert_int_equal(tree_send_removals(k->v, ""), 0);
}

/* Some keys of a request fail, the others are gone. */
static int remove_but_g(struct store *s, const char *const *keys, size_t count, int *results, struct store_call *call)
{
	int first = 0;

	for (size_t i = 0; i < count; i++) {
		results[i] = strstr(keys[i], "/g") ? EACCES : 0;
		if (results[i])
			first = EACCES;
		else
			assert_int_equal(slow.real->remove(s, &keys[i], 1, &results[i], call), 0);
	}
	return first;
}

static void one_of_many_fails(void **state)
{
	struct kit *k = *state;
	struct store *s = vault_store(k->v);
	struct store_ops ops = *s->ops;

	warm(k);
	raw(k, "backups/acme/f");
	raw(k, "backups/acme/g");
	raw(k, "backups/acme/h");
	slow.real = s->ops;
	ops.remove = remove_but_g;
	s->ops = &ops;
	assert_int_equal(tree_remove_later(k->v, "acme/f", false), 0);
	assert_int_equal(tree_remove_later(k->v, "acme/g", false), 0);
	assert_int_equal(tree_remove_later(k->v, "acme/h", false), 0);

	int rc = tree_send_removals(k->v, "");

	s->ops = slow.real;
	assert_int_equal(rc, EACCES);
	assert_false(there(k, "backups/acme/f"));
	assert_true(there(k, "backups/acme/g"));
	assert_false(there(k, "backups/acme/h"));
}

/* A store that is gone is asked once, not once for each batch. The clock's own request is held meanwhile, so that it does not send them as they come. */
static void a_dead_store_is_asked_once(void **state)
{
	struct kit *k = *state;
	char path[64];

	warm(k);
	kit_fault(k, STORE_REMOVE, NULL, 0, 1, FAULT_HOLD, 0);
	kit_fault(k, STORE_REMOVE, NULL, 0, 0, FAULT_FAIL, EHOSTUNREACH);
	assert_int_equal(tree_remove_later(k->v, "acme/first", false), 0);
	while (fault_store_hits(k->fault) == 0)
		clock_sleep_ms(2);
	raw(k, "backups/acme/0");
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "acme/%d", i);
		assert_int_equal(tree_remove_later(k->v, path, false), 0);
	}
	kit_log_begin();
	fault_store_release(k->fault);
	int rc = tree_send_removals(k->v, "");
	char *log = kit_log_end();

	assert_int_equal(rc, EHOSTUNREACH);
	assert_true(kit_calls(k, STORE_REMOVE) <= 3); /* the held one, ours, and perhaps one of the clock at the same time */
	assert_non_null(strstr(log, "not even tried"));
	free(log);
	assert_true(listed(k, "acme", "0"));
	assert_false(tree_removal_waits(k->v, "backups/acme/99"));
	fault_store_clear(k->fault);
	assert_int_equal(tree_remove_later(k->v, "acme/0", false), 0);
	assert_int_equal(tree_send_removals(k->v, ""), 0);
	assert_false(there(k, "backups/acme/0"));
}

/* A writer that was taken for dead removes nothing. */
static void not_ours_any_more(void **state)
{
	struct kit *k = *state;
	struct vault_config config = kit_config();
	struct run *run;

	warm(k);
	raw(k, "backups/acme/f");
	assert_int_equal(run_of(k->v, "acme", &run), 0);
	kit_close(k);
	kit_open(k, &config, KIT_KEY);
	kit_fault(k, STORE_PUT, ".pishop/t/acme/run/", 0, 0, FAULT_FAIL, EREMOTEIO); /* no record can be written */
	raw(k, "backups/other/f");
	assert_int_equal(tree_remove_later(k->v, "acme/f", false), 0);
	assert_int_equal(tree_remove_later(k->v, "other/f", false), 0);
	assert_int_not_equal(tree_send_removals(k->v, ""), 0);
	assert_true(there(k, "backups/acme/f"));
	assert_false(there(k, "backups/other/f")); /* its own record is fine */
}

static void *remove_many(void *arg)
{
	struct during *d = arg;

	for (int i = 0; i < 60; i++) {
		char path[64];

		snprintf(path, sizeof(path), "acme/t%d/%d", d->rc, i);
		if (tree_remove_later(d->k->v, path, false))
			return arg;
		if (i % 20 == 19 && tree_send_removals(d->k->v, i == 59 ? "" : "acme"))
			return arg;
	}
	return NULL;
}

static void many_threads(void **state)
{
	struct kit *k = *state;
	pthread_t threads[4];
	struct during d[4];
	char key[64];

	warm(k);
	for (int t = 0; t < 4; t++) {
		for (int i = 0; i < 60; i++) {
			snprintf(key, sizeof(key), "backups/acme/t%d/%d", t, i);
			raw(k, key);
		}
		d[t] = (struct during){ k, t };
		assert_int_equal(pthread_create(&threads[t], NULL, remove_many, &d[t]), 0);
	}
	for (int t = 0; t < 4; t++) {
		void *answer;

		pthread_join(threads[t], &answer);
		assert_null(answer);
	}
	assert_int_equal(tree_send_removals(k->v, ""), 0);

	struct tree_listing l;

	assert_int_equal(tree_list(k->v, "acme", &l, NULL), 0);
	assert_int_equal(l.count, 0);
	tree_listing_free(&l);
}

/* ---- what another mount wrote meanwhile */

/* Queues the removal of what stands at acme/d/NAME by its ETag; replaced: something else is written there before. */
static void remove_standing(struct kit *k, const char *name, bool replaced)
{
	struct store_meta meta;
	char path[64], key[80];

	snprintf(path, sizeof(path), "acme/d/%s", name);
	snprintf(key, sizeof(key), "backups/%s", path);
	assert_int_equal(kit_raw_head(k->bucket, key, &meta), 0);
	if (replaced)
		kit_raw_put(k->bucket, key, "other", 5);
	assert_int_equal(tree_remove_known_later(k->v, path, false, meta.etag), 0);
}

/* Few are looked at by HEAD, many by a listing of several pages (of 10 keys); what was replaced stays in both, and the rest goes. */
static void what_was_replaced_meanwhile_stays(void **state)
{
	struct kit *k = *state;
	char name[16], key[80];

	warm(k);
	for (int many = 0; many < 2; many++) {
		int count = many ? 25 : 2;

		for (int i = 0; i < 40; i++) {
			snprintf(key, sizeof(key), "backups/acme/d/%02d", i);
			raw(k, key);
		}
		raw(k, "backups/acme/d/03/below");
		kit_log_begin();
		for (int i = 0; i < count; i++) {
			snprintf(name, sizeof(name), "%02d", i);
			remove_standing(k, name, i == 1);
		}
		assert_int_equal(tree_send_removals(k->v, "acme/d"), 0);
		char *log = kit_log_end();

		assert_non_null(strstr(log, "another writer replaced it"));
		free(log);
		for (int i = 0; i < 40; i++) {
			snprintf(key, sizeof(key), "backups/acme/d/%02d", i);
			assert_int_equal(there(k, key), i == 1 || i >= count);
		}
		assert_true(listed(k, "acme/d", "01"));
	}
}

static void what_cannot_be_looked_at_is_not_removed(void **state)
{
	struct kit *k = *state;

	warm(k);
	for (int many = 0; many < 2; many++) {
		const char *names[] = { "a", "b", "c" };
		size_t count = many ? 3 : 2;

		for (size_t i = 0; i < count; i++) {
			char key[80];

			snprintf(key, sizeof(key), "backups/acme/d/%s", names[i]);
			raw(k, key);
			remove_standing(k, names[i], false);
		}
		kit_fault(k, many ? STORE_LIST : STORE_HEAD, NULL, 0, 0, FAULT_FAIL, EHOSTUNREACH);
		assert_int_equal(tree_send_removals(k->v, "acme/d"), EHOSTUNREACH);
		fault_store_clear(k->fault);
		assert_true(there(k, "backups/acme/d/a"));
		assert_true(there(k, "backups/acme/d/b"));
	}
}

/* One that is not there any more is removed all the same: its name may come back as a delete marker's. */
static void what_went_meanwhile_is_no_error(void **state)
{
	struct kit *k = *state;

	warm(k);
	raw(k, "backups/acme/d/a");
	remove_standing(k, "a", false);
	kit_raw_remove(k->bucket, "backups/acme/d/a");
	assert_int_equal(tree_send_removals(k->v, "acme/d"), 0);
	assert_false(there(k, "backups/acme/d/a"));
}

int main(void)
{
#define KIT_TEST(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)
	const struct CMUnitTest tests[] = {
		KIT_TEST(waits_and_is_sent_together), KIT_TEST(only_what_is_under_the_folder), KIT_TEST(the_clock_sends),
		KIT_TEST(a_full_batch_is_sent_at_once), KIT_TEST(listings_do_not_show_them),
		KIT_TEST(listings_under_way_do_not_bring_names_back), KIT_TEST(claims), KIT_TEST(a_claim_waits_for_a_removal_under_way),
		KIT_TEST(failures_are_told), KIT_TEST(failures_of_the_clock_are_told_later), KIT_TEST(one_of_many_fails), KIT_TEST(a_dead_store_is_asked_once), KIT_TEST(not_ours_any_more),
		KIT_TEST(many_threads), KIT_TEST(what_was_replaced_meanwhile_stays), KIT_TEST(what_cannot_be_looked_at_is_not_removed),
		KIT_TEST(what_went_meanwhile_is_no_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

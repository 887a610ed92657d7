/* SPDX-License-Identifier: Apache-2.0 */
/* Listings of a server that is broken or means ill: however it goes on, each comes to an end, within the memory for names. And large folders of honest ones,
 * also slow ones, are listed. */
#include "kit.h"

#include "base/clock.h"
#include "vault/pages.h"
#include "vault/run.h"
#include "vault/tree.h"

#include <errno.h>
#include <stdio.h>

/* Pages of ascending keys. */
static struct {
	unsigned asked, end; /* pages; the last one says so */
	size_t keys;         /* of each page */
	const char *name;    /* behind the prefix and before the number */
	int64_t pause_ms;
} g;

static int list(struct store *s, const char *prefix, char delimiter, const char *token, uint32_t max, struct store_page *page, struct store_call *call)
{
	char key[PATH_CAP];

	(void)s, (void)delimiter, (void)token, (void)max;
	if (g.pause_ms)
		clock_sleep_ms(g.pause_ms);
	call->server_date = clock_wall_s();
	*page = (struct store_page){ .objects = calloc(g.keys + 1, sizeof(struct store_object)) };
	for (; page->count < g.keys; page->count++) {
		struct store_object *o = &page->objects[page->count];

		snprintf(key, sizeof(key), "%s%s%09zu", prefix, g.name, g.asked * g.keys + page->count);
		*o = (struct store_object){ .key = strdup(key), .size = 900, .modified = clock_wall_s(), .etag = "0123456789abcdef0123456789abcdef" };
	}
	page->next = ++g.asked == g.end ? NULL : strdup("more");
	return 0;
}

static struct store_ops ops;
static const struct store_ops *real;

static void serve(struct kit *k, unsigned end, size_t keys, const char *name)
{
	struct store *s = vault_store(k->v);

	g.asked = 0;
	g.end = end;
	g.keys = keys;
	g.name = name;
	g.pause_ms = 0;
	if (s->ops != &ops)
		real = s->ops;
	ops = *real;
	ops.list = list;
	s->ops = &ops;
}

static int teardown(void **state)
{
	struct kit *k = *state;

	if (real)
		vault_store(k->v)->ops = real;
	real = NULL;
	return kit_teardown(state);
}

/* What a listing of acme/d comes to. */
static int look(struct kit *k, size_t *count)
{
	struct tree_listing l;
	int rc = tree_list(k->v, "acme/d", &l, NULL);

	*count = l.count;
	tree_listing_free(&l);
	assert_int_equal(tally_bytes(vault_names(k->v)), 0);
	return rc;
}

static void keys_for_ever_end_with_the_memory(void **state)
{
	struct kit *k = *state;
	struct slab_stats stats;
	size_t count;

	serve(k, 300, 1000, "k");
	kit_log_begin();
	assert_int_equal(look(k, &count), ENOMEM);
	char *log = kit_log_end();

	assert_non_null(strstr(log, "the folder has more than "));
	assert_non_null(strstr(log, "--memory"));
	assert_non_null(strstr(log, "acme/d"));
	free(log);
	assert_true(g.asked < 60);
	slabs_stats(vault_slabs(k->v), &stats);
	assert_true(stats.peak <= stats.total / 4);
	serve(k, 5, 1000, "k"); /* and the next folder finds room */
	assert_int_equal(look(k, &count), 0);
	assert_int_equal(count, 5000);
}

/* While writers hold whatever they can. */
static void lists_under_pressure(uint64_t memory, unsigned pages)
{
	struct kit k = { 0 };
	struct vault_config config = kit_config();
	struct slab *held = NULL, *slab;
	size_t count;

	config.memory = memory;
	config.part_bytes = 8u << 20;
	kit_open(&k, &config, KIT_KEY);
	while ((slab = slab_take(vault_slabs(k.v), SLAB_WRITE))) {
		slab->next = held;
		held = slab;
	}
	serve(&k, pages, 1000, "some-usual-name");
	assert_int_equal(look(&k, &count), 0);
	assert_int_equal(count, pages * 1000);
	slab_give_list(vault_slabs(k.v), held);
	vault_store(k.v)->ops = real;
	real = NULL;
	kit_close(&k);
	kit_bucket_free(k.bucket);
}

static void large_folders_fit(void **state)
{
	(void)state;
	lists_under_pressure(208u << 20, 100); /* --memory unset */
	lists_under_pressure(40u << 20, 10);   /* --memory 64M */
	lists_under_pressure(24u << 20, 5);    /* the least */
}

static void a_slow_server_with_much_to_tell_may_take_its_time(void **state)
{
	struct kit *k = *state;
	size_t count;

	serve(k, 15, 1000, "k");
	k->v->config.meta_timeout_ms = 60;
	g.pause_ms = 40;
	assert_int_equal(look(k, &count), 0);
	assert_int_equal(count, 15000);
}

static void a_trickle_is_given_up(void **state)
{
	struct kit *k = *state;
	size_t count;

	serve(k, 100, 1, "k");
	k->v->config.meta_timeout_ms = 60;
	g.pause_ms = 25;
	assert_int_equal(look(k, &count), ETIMEDOUT);
	assert_true(g.asked < 6);
}

static void names_that_are_not_shown_are_no_progress(void **state)
{
	struct kit *k = *state;
	char name[300] = "";
	size_t count;

	memset(name, 'x', sizeof(name) - 1);
	serve(k, 5000, 2, name);
	kit_log_begin();
	assert_int_equal(look(k, &count), EBADMSG);
	char *log = kit_log_end();

	assert_non_null(strstr(log, "does not come to an end"));
	free(log);
	assert_true(g.asked <= PAGES_IDLE_MOST + 1);
}

static void a_look_for_records_ends(void **state)
{
	struct kit *k = *state;

	serve(k, 30000, 1, "k"); /* all are young, so none is read */
	assert_int_equal(run_recover(k->v, "acme", NULL), EBADMSG);
	assert_true(g.asked <= PAGES_MOST);
}

/* Before the keys that are looked for come others without end. */
static void a_look_before_a_removal_ends(void **state)
{
	static const char *const names[] = { "x1", "x2", "x3", "x4" };
	struct kit *k = *state;
	char key[64], path[64];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct store_meta meta;

		snprintf(key, sizeof(key), "backups/acme/d/%s", names[i]);
		snprintf(path, sizeof(path), "acme/d/%s", names[i]);
		kit_raw_put(k->bucket, key, "x", 1);
		assert_int_equal(kit_raw_head(k->bucket, key, &meta), 0);
		assert_int_equal(tree_remove_known_later(k->v, path, false, i == 2 ? "another" : meta.etag), 0);
	}
	serve(k, 30000, 10, "a");
	assert_int_equal(tree_send_removals(k->v, "acme/d"), 0);
	assert_true(g.asked <= ARRAY_LEN(names));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct store_meta meta;

		snprintf(key, sizeof(key), "backups/acme/d/%s", names[i]);
		assert_int_equal(kit_raw_head(k->bucket, key, &meta), i == 2 ? 0 : ENOENT); /* another's stays */
	}
}

int main(void)
{
#define KIT_TEST(f) cmocka_unit_test_setup_teardown(f, kit_setup, teardown)
	const struct CMUnitTest tests[] = {
		KIT_TEST(keys_for_ever_end_with_the_memory), cmocka_unit_test(large_folders_fit), KIT_TEST(a_slow_server_with_much_to_tell_may_take_its_time),
		KIT_TEST(a_trickle_is_given_up), KIT_TEST(names_that_are_not_shown_are_no_progress), KIT_TEST(a_look_for_records_ends),
		KIT_TEST(a_look_before_a_removal_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "kit.h"

#include "vault/audit.h"
#include "vault/hold.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define KEY "backups/.pishop/t/acme/control/holds"

static void they_come_and_go(void **state)
{
	struct kit *k = *state;
	struct holds h;

	assert_int_equal(holds_read(k->v, "acme", &h, NULL), 0);
	assert_int_equal(h.count, 0);
	assert_string_equal(h.record.etag, "");
	assert_false(holds_has(&h, "b"));
	assert_int_equal(hold_add(k->v, "acme", "b", "court", "me", NULL), 0);
	assert_int_equal(hold_add(k->v, "acme", "a", NULL, NULL, NULL), 0);
	assert_int_equal(hold_add(k->v, "acme", "a", "x", "y", NULL), EEXIST);
	assert_int_equal(holds_read(k->v, "acme", &h, NULL), 0);
	assert_int_equal(h.count, 2);
	assert_string_equal(h.list[0].stem, "a");
	assert_string_equal(h.list[1].why, "court");
	assert_string_equal(h.list[1].by, "me");
	assert_true(holds_has(&h, "b") && !holds_has(&h, "c"));
	holds_free(&h);
	assert_int_equal(hold_remove(k->v, "acme", "c", "me", NULL), ENOENT);
	assert_int_equal(hold_remove(k->v, "acme", "a", "me", NULL), 0);
	assert_int_equal(holds_read(k->v, "acme", &h, NULL), 0);
	assert_int_equal(h.count, 1);
	holds_free(&h);
	assert_int_equal(hold_add(k->v, "acme", "", "x", "y", NULL), EINVAL);
}

static int count_line(void *arg, const char *line, size_t len)
{
	AUTO(audit_entry_free) struct audit_entry e = { 0 };
	unsigned *n = arg;

	assert_int_equal(audit_decode(line, len, &e), 0);
	*n += e.event == AUDIT_HOLD ? 1 : e.event == AUDIT_UNHOLD ? 100 : 0;
	return 0;
}

static void they_are_audited(void **state)
{
	struct kit *k = *state;
	unsigned n = 0;
	char why[128];

	assert_int_equal(hold_add(k->v, "acme", "b", "court", "me", NULL), 0);
	assert_int_equal(hold_remove(k->v, "acme", "b", "me", NULL), 0);
	assert_int_equal(audit_flush(k->v, NULL, NULL), 0);
	assert_int_equal(audit_read(k->v, "acme", count_line, &n, why, sizeof(why), NULL), 0);
	assert_int_equal(n, 101);
}

static void what_is_damaged_is_no_empty_list(void **state)
{
	struct kit *k = *state;
	static const struct { const char *text; int rc; } texts[] = {
		{ "{\"holds\":1,\"list\":[]}\n", 0 },
		{ "{\"holds\":1,\"list\":[]}", EBADMSG },
		{ "{\"holds\":1}\n", EBADMSG },
		{ "{\"holds\":1,\"list\":[],\"x\":1}\n", EBADMSG },
		{ "{\"holds\":1,\"list\":{}}\n", EBADMSG },
		{ "{\"holds\":1,\"list\":[{\"backup\":\"a\",\"why\":\"\",\"by\":\"\"}]}\n", EBADMSG },
		{ "{\"holds\":1,\"list\":[{\"backup\":\"a\",\"why\":\"\",\"by\":\"\",\"at\":\"2026-01-01T00:00:00Z\"},"
		  "{\"backup\":\"a\",\"why\":\"\",\"by\":\"\",\"at\":\"2026-01-01T00:00:00Z\"}]}\n", EBADMSG },
		{ "{\"holds\":1,\"list\":[{\"backup\":\"a\",\"why\":\"\",\"by\":\"\",\"at\":\"2026-01-01T00:00:00Z\",\"more\":1}]}\n", EBADMSG },
		{ "{\"holds\":2,\"list\":[]}\n", EPROTONOSUPPORT },
		{ "", EBADMSG },
	};

	kit_log_begin();
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct holds h;

		assert_int_equal(record_write(k->v, KEY, texts[i].text, strlen(texts[i].text), NULL, NULL, NULL), 0);
		if (holds_read(k->v, "acme", &h, NULL) != texts[i].rc)
			fail_msg("%s", texts[i].text);
		holds_free(&h);
		if (texts[i].rc)
			assert_int_equal(hold_add(k->v, "acme", "b", "", "", NULL), texts[i].rc);
		kit_raw_remove(k->bucket, KEY);
	}
	free(kit_log_end());
}

struct adder {
	struct kit *k;
	int number;
};

static void *add_some(void *arg)
{
	struct adder *a = arg;
	char name[32];

	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "b%d-%d", a->number, i);
		while (hold_add(a->k->v, "acme", name, "", "", NULL) == EBUSY)
			;
	}
	return NULL;
}

static void none_is_lost_when_several_add(void **state)
{
	struct kit *k = *state;
	struct adder adders[3];
	pthread_t threads[3];
	struct holds h;

	kit_log_begin();
	for (int i = 0; i < 3; i++) {
		adders[i] = (struct adder){ k, i };
		assert_int_equal(pthread_create(&threads[i], NULL, add_some, &adders[i]), 0);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	free(kit_log_end());
	assert_int_equal(holds_read(k->v, "acme", &h, NULL), 0);
	assert_int_equal(h.count, 30);
	holds_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
		T(they_come_and_go), T(they_are_audited), T(what_is_damaged_is_no_empty_list), T(none_is_lost_when_several_add),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

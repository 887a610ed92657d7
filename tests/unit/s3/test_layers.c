/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

#include "base/clock.h"

#include <pthread.h>

/* A memory store under a fault layer under a stats layer. */
struct stand {
	struct store *fault, *top;
};

static int set_up(void **state)
{
	static struct stand stand;
	struct store *mem;

	if (mem_store_new(NULL, &mem) || fault_store_new(mem, &stand.fault) || stats_store_new(stand.fault, &stand.top))
		return 1;
	*state = &stand;
	return 0;
}

static int tear_down(void **state)
{
	store_free(((struct stand *)*state)->top);
	return 0;
}

static int put(struct stand *t, const char *k, const char *text, struct store_call *call)
{
	char bytes[64];

	copy_text(bytes, sizeof(bytes), text);
	return t->top->ops->put(t->top, k, &(struct iovec){ bytes, strlen(text) }, 1, NULL, NULL, NULL, call);
}

static int get(struct stand *t, const char *k, char out[64], size_t *n, struct store_call *call)
{
	memset(out, 0, 64);
	return t->top->ops->get(t->top, k, (struct store_range){ 0, 0 }, NULL, (struct iovec[]){ { out, 3 }, { out + 3, 60 } }, 2, n, NULL, call);
}

static void rule(struct stand *t, const struct fault_rule *r)
{
	assert_int_equal(fault_store_add(t->fault, r), 0);
}

static void failing(void **state)
{
	struct stand *t = *state;
	struct store_call call = { 0 };
	struct store_meta meta;

	rule(t, &(struct fault_rule){ .op = STORE_PUT, .key_part = "b", .skip = 1, .times = 2, .action = FAULT_FAIL, .error = EAGAIN });
	assert_int_equal(put(t, "a", "1", &call), 0);
	assert_int_equal(put(t, "ab", "1", &call), 0); /* skipped */
	assert_int_equal(put(t, "b", "2", &call), EAGAIN);
	assert_int_equal(call.err.code, EAGAIN);
	assert_false(call.err.ambiguous);
	assert_int_equal(t->top->ops->head(t->top, "b", &meta, &call), ENOENT); /* nothing was done below */
	assert_int_equal(put(t, "a", "1", &call), 0);
	assert_int_equal(put(t, "b", "2", &call), EAGAIN);
	assert_int_equal(put(t, "b", "2", &call), 0); /* twice, and no more */
	assert_int_equal(fault_store_hits(t->fault), 2);
}

static void rules_in_order(void **state)
{
	struct stand *t = *state;

	rule(t, &(struct fault_rule){ .op = STORE_PUT, .times = 1, .action = FAULT_FAIL, .error = EAGAIN });
	rule(t, &(struct fault_rule){ .op = STORE_PUT, .action = FAULT_FAIL, .error = ENOSPC });
	assert_int_equal(put(t, "a", "1", NULL), EAGAIN);
	assert_int_equal(put(t, "a", "1", NULL), ENOSPC);
	assert_int_equal(put(t, "a", "1", NULL), ENOSPC); /* for ever */
	fault_store_clear(t->fault);
	assert_int_equal(put(t, "a", "1", NULL), 0);
	assert_int_equal(fault_store_hits(t->fault), 3);
}

static void rules_that_cannot_act(void **state)
{
	struct stand *t = *state;

	assert_int_equal(fault_store_add(t->fault, &(struct fault_rule){ .op = STORE_PUT, .action = FAULT_FAIL }), EINVAL);
	assert_int_equal(fault_store_add(t->fault, &(struct fault_rule){ .op = STORE_PUT, .action = FAULT_LOSE_REPLY }), EINVAL);
	assert_int_equal(fault_store_add(t->fault, &(struct fault_rule){ .op = STORE_PUT, .action = FAULT_FLIP }), EINVAL);
	assert_int_equal(fault_store_add(t->fault, &(struct fault_rule){ .op = STORE_PUT, .action = FAULT_CUT }), EINVAL);
	assert_int_equal(fault_store_add(t->fault, &(struct fault_rule){ .op = STORE_PUT, .action = FAULT_CALLBACK }), EINVAL);
	assert_int_equal(put(t, "a", "1", NULL), 0);
}

static void losing_replies(void **state)
{
	struct stand *t = *state;
	struct store_call call = { 0 };
	struct store_page page;
	char out[64], id[STORE_UPLOAD_MAX];
	struct store_uploads uploads;
	size_t n;

	for (int op = 0; op < STORE_OPS; op++)
		rule(t, &(struct fault_rule){ .op = (enum store_op)op, .times = 1, .action = FAULT_LOSE_REPLY, .error = EHOSTUNREACH });
	assert_int_equal(put(t, "a", "hello", &call), EHOSTUNREACH);
	assert_true(call.err.ambiguous);
	assert_int_equal(get(t, "a", out, &n, &call), EHOSTUNREACH);
	assert_int_equal(n, 0);
	assert_int_equal(get(t, "a", out, &n, &call), 0); /* it had been done */
	assert_string_equal(out, "hello");
	assert_int_equal(t->top->ops->list(t->top, "", 0, NULL, 0, &page, &call), EHOSTUNREACH);
	assert_int_equal(page.count, 0);
	assert_null(page.objects);
	assert_int_equal(t->top->ops->begin(t->top, "u", NULL, id, &call), EHOSTUNREACH);
	assert_string_equal(id, "");
	assert_int_equal(t->top->ops->list_uploads(t->top, "u", &uploads, &call), EHOSTUNREACH);
	assert_int_equal(uploads.count, 0);
	assert_int_equal(t->top->ops->list_uploads(t->top, "u", &uploads, &call), 0);
	assert_int_equal(uploads.count, 1);
	store_uploads_free(&uploads);
	assert_int_equal(fault_store_hits(t->fault), 5);
}

static void losing_a_refusal(void **state)
{
	struct stand *t = *state;
	struct store_call call = { 0 };
	struct store_cond absent = { .if_none_match = true };
	struct iovec iov = { (char[]){ "2" }, 1 };
	char out[64];
	size_t n;

	assert_int_equal(put(t, "a", "1", NULL), 0);
	rule(t, &(struct fault_rule){ .op = STORE_PUT, .times = 1, .action = FAULT_LOSE_REPLY, .error = EREMOTEIO });
	assert_int_equal(t->top->ops->put(t->top, "a", &iov, 1, NULL, &absent, NULL, &call), EREMOTEIO);
	assert_true(call.err.ambiguous); /* who lost the answer does not know which it was */
	assert_int_equal(get(t, "a", out, &n, NULL), 0);
	assert_string_equal(out, "1");
}

static void removals(void **state)
{
	struct stand *t = *state;
	const char *keys[] = { "a", "b" };
	int results[2] = { -1, -1 };

	rule(t, &(struct fault_rule){ .op = STORE_REMOVE, .key_part = "b", .times = 1, .action = FAULT_FAIL, .error = EAGAIN });
	assert_int_equal(t->top->ops->remove(t->top, keys, 1, results, NULL), 0);
	assert_int_equal(t->top->ops->remove(t->top, keys, 2, results, NULL), EAGAIN);
	assert_int_equal(results[0], EAGAIN);
	assert_int_equal(results[1], EAGAIN);
}

static void damaged_answers(void **state)
{
	struct stand *t = *state;
	struct store_call call = { 0 };
	char out[64];
	size_t n, wrong = 0;

	assert_int_equal(put(t, "a", "0123456789", NULL), 0);
	rule(t, &(struct fault_rule){ .op = STORE_GET, .times = 1, .action = FAULT_FLIP });
	rule(t, &(struct fault_rule){ .op = STORE_GET, .times = 1, .action = FAULT_CUT });
	assert_int_equal(get(t, "a", out, &n, &call), 0);
	assert_int_equal(n, 10);
	for (int i = 0; i < 10; i++)
		wrong += (size_t)__builtin_popcount((unsigned)(out[i] ^ "0123456789"[i]));
	assert_int_equal(wrong, 1);
	assert_int_equal(get(t, "a", out, &n, &call), EBADMSG);
	assert_int_equal(n, 5);
	assert_memory_equal(out, "01234", 5);
	assert_memory_not_equal(out + 5, "56789", 5);
	assert_int_equal(call.err.code, EBADMSG);
	assert_int_equal(get(t, "a", out, &n, &call), 0);
	assert_string_equal(out, "0123456789");
	assert_int_equal(get(t, "absent", out, &n, &call), ENOENT);
}

static void overwrite_behind_the_back(void *arg)
{
	struct stand *t = arg;

	put(t, "a", "theirs", NULL);
}

static void callbacks(void **state)
{
	struct stand *t = *state;
	char out[64];
	size_t n;

	assert_int_equal(put(t, "a", "ours", NULL), 0);
	rule(t, &(struct fault_rule){ .op = STORE_GET, .times = 1, .action = FAULT_CALLBACK, .fn = overwrite_behind_the_back, .arg = t });
	assert_int_equal(get(t, "a", out, &n, NULL), 0);
	assert_string_equal(out, "theirs");
}

struct held {
	struct stand *t;
	struct store_call call;
	int rc;
	atomic_bool done;
};

static void *put_in_thread(void *arg)
{
	struct held *h = arg;

	h->rc = put(h->t, "a", "1", &h->call);
	atomic_store(&h->done, true);
	return NULL;
}

static void wait_for_hits(struct stand *t, unsigned hits)
{
	for (int i = 0; i < 2000 && fault_store_hits(t->fault) < hits; i++)
		clock_sleep_ms(1);
	assert_int_equal(fault_store_hits(t->fault), hits);
}

static void holding(void **state)
{
	struct stand *t = *state;
	struct held h = { .t = t };
	pthread_t thread;

	rule(t, &(struct fault_rule){ .op = STORE_PUT, .action = FAULT_HOLD });
	for (unsigned round = 1; round <= 3; round++) {
		atomic_store(&h.done, false);
		assert_int_equal(pthread_create(&thread, NULL, put_in_thread, &h), 0);
		wait_for_hits(t, round);
		clock_sleep_ms(5);
		assert_false(atomic_load(&h.done));
		if (round < 3)
			fault_store_release(t->fault); /* the rule stays, and holds the next one */
		else
			fault_store_clear(t->fault);
		pthread_join(thread, NULL);
		assert_int_equal(h.rc, 0);
	}
	assert_int_equal(put(t, "a", "1", NULL), 0);
}

static void cancelling_a_held_call(void **state)
{
	struct stand *t = *state;
	atomic_bool cancel = false;
	struct held h = { .t = t, .call = { .cancel = &cancel } };
	pthread_t thread;

	rule(t, &(struct fault_rule){ .op = STORE_PUT, .action = FAULT_HOLD });
	assert_int_equal(pthread_create(&thread, NULL, put_in_thread, &h), 0);
	wait_for_hits(t, 1);
	atomic_store(&cancel, true);
	pthread_join(thread, NULL);
	assert_int_equal(h.rc, ECANCELED);
}

static void counting(void **state)
{
	struct stand *t = *state;
	struct store_counts c;
	struct store_meta meta;
	char out[64];
	size_t n;

	assert_int_equal(put(t, "a", "12345", NULL), 0);
	assert_int_equal(get(t, "a", out, &n, NULL), 0);
	assert_int_equal(get(t, "absent", out, &n, NULL), ENOENT);
	assert_int_equal(t->top->ops->head(t->top, "absent", &meta, NULL), ENOENT);
	stats_store_read(t->top, &c);
	assert_int_equal(c.calls[STORE_PUT], 1);
	assert_int_equal(c.calls[STORE_GET], 2);
	assert_int_equal(c.errors[STORE_GET], 1);
	assert_int_equal(c.errors[STORE_HEAD], 1);
	assert_int_equal(c.errors[STORE_PUT], 0);
	assert_int_equal(c.bytes_out, 5);
	assert_int_equal(c.bytes_in, 5);
	for (int op = 0; op < STORE_OPS; op++)
		assert_string_not_equal(store_op_name((enum store_op)op), "unknown");
	assert_string_equal(store_op_name(STORE_OPS), "unknown");
	assert_string_equal(store_op_name(STORE_LIST_UPLOADS), "list_uploads");
}

#define LAYER_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAYER_TEST(failing),	     LAYER_TEST(rules_in_order), LAYER_TEST(rules_that_cannot_act),
		LAYER_TEST(losing_replies),  LAYER_TEST(losing_a_refusal), LAYER_TEST(removals),
		LAYER_TEST(damaged_answers), LAYER_TEST(callbacks),	 LAYER_TEST(holding),
		LAYER_TEST(cancelling_a_held_call), LAYER_TEST(counting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

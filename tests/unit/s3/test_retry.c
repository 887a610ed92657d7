/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

#include "base/clock.h"
#include "s3/layer.h"

#include <pthread.h>

/* What a script says for each call in turn: the answer of the store below is replaced. */
struct script {
	struct layer layer;
	int answers[8];          /* errno for the first calls; 0: go below */
	int http_status;         /* with them */
	uint32_t sleep_ms;       /* before answering, while there are answers left */
	uint32_t timeouts[16];   /* what each call was given */
	atomic_uint calls;
	int (*by_key)(struct script *s, const char *key); /* remove: errno for one key */
	unsigned keys_seen[16];  /* keys of each remove */
};

static int script_remove(struct script *s, struct layer_request *r)
{
	int first = 0;

	for (size_t i = 0; i < r->count; i++) {
		r->results[i] = s->by_key(s, r->keys[i]);
		first = first ? first : r->results[i];
	}
	return first ? store_fail(r->call, first, NULL, "by key") : 0;
}

static int script_around(struct layer *l, struct layer_request *r)
{
	struct script *s = (struct script *)l;
	unsigned n = atomic_fetch_add(&s->calls, 1);

	if (n < ARRAY_LEN(s->timeouts)) { /* each slot has one writer */
		s->timeouts[n] = r->call->timeout_ms;
		s->keys_seen[n] = (unsigned)r->count;
	}
	if (r->op == STORE_REMOVE && s->by_key)
		return script_remove(s, r);
	if (n >= ARRAY_LEN(s->answers) || !s->answers[n])
		return layer_below(l, r);
	clock_sleep_ms(s->sleep_ms);
	store_fail(r->call, s->answers[n], r->key, "scripted");
	r->call->err.http_status = s->http_status;
	return s->answers[n];
}

/* retry over stats over fault over script over memory. */
struct stand {
	struct store *top, *stats, *fault, *mem;
	struct script *script;
};

static void build(struct stand *t, const struct retry_config *config)
{
	struct layer *l;

	assert_int_equal(mem_store_new(NULL, &t->mem), 0);
	assert_int_equal(layer_new(sizeof(struct script), t->mem, script_around, &l), 0);
	t->script = (struct script *)l;
	assert_int_equal(fault_store_new(&l->base, &t->fault), 0);
	assert_int_equal(stats_store_new(t->fault, &t->stats), 0);
	assert_int_equal(retry_store_new(t->stats, config, &t->top), 0);
}

static const struct retry_config quick = { .base_ms = 1, .cap_ms = 4, .data_ms = 2000, .meta_ms = 2000 };

static int set_up(void **state)
{
	static struct stand stand;

	stand = (struct stand){ 0 };
	*state = &stand;
	build(&stand, &quick);
	return 0;
}

static int tear_down(void **state)
{
	store_free(((struct stand *)*state)->top);
	return 0;
}

static void rebuild(struct stand *t, const struct retry_config *config)
{
	store_free(t->top);
	build(t, config);
}

static int put(struct stand *t, const char *text, const struct store_cond *cond, struct store_call *call)
{
	char bytes[64];

	copy_text(bytes, sizeof(bytes), text);
	return t->top->ops->put(t->top, "k", &(struct iovec){ bytes, strlen(text) }, 1, NULL, cond, NULL, call);
}

static int head(struct stand *t, struct store_call *call)
{
	struct store_meta meta;

	return t->top->ops->head(t->top, "k", &meta, call);
}

static unsigned calls(struct stand *t, enum store_op op)
{
	struct store_counts c;

	stats_store_read(t->stats, &c);
	return (unsigned)c.calls[op];
}

static void fail_put(struct stand *t, unsigned times, enum fault_action action, int error)
{
	assert_int_equal(fault_store_add(t->fault, &(struct fault_rule){ .op = STORE_PUT, .times = times, .action = action, .error = error }), 0);
}

static void expect_content(struct stand *t, const char *text)
{
	char out[64];
	size_t n;

	assert_int_equal(t->mem->ops->get(t->mem, "k", (struct store_range){ 0, 0 }, NULL, &(struct iovec){ out, 64 }, 1, &n, NULL, NULL), 0);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(out, text, n);
}

static const int transient[] = { EHOSTUNREACH, ETIMEDOUT, EAGAIN, EREMOTEIO, EBADMSG, EILSEQ };
static const int final[] = { ENOENT, ENODATA, ESTALE, EACCES, EKEYREJECTED, ENODEV, EPROTO, ENOSPC, EFBIG, EINVAL, EOPNOTSUPP,
			     ENOTRECOVERABLE, ENOMEM, EIO, ECANCELED };

static void transient_errors_pass(void **state)
{
	struct stand *t = *state;
	struct store_call call = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(transient); i++) {
		unsigned before = calls(t, STORE_PUT);

		fail_put(t, 3, FAULT_FAIL, transient[i]);
		assert_int_equal(put(t, "x", NULL, &call), 0);
		assert_int_equal(call.err.code, 0); /* no trace of the tries that failed */
		assert_false(call.err.ambiguous);
		assert_int_equal(calls(t, STORE_PUT), before + 4);
	}
	assert_int_equal(put(t, "x", NULL, NULL), 0); /* a call of NULL is legal */
}

static void final_errors_stay(void **state)
{
	struct stand *t = *state;
	struct store_call call = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(final); i++) {
		unsigned before = calls(t, STORE_PUT);

		fault_store_clear(t->fault);
		fail_put(t, 0, FAULT_FAIL, final[i]);
		assert_int_equal(put(t, "x", NULL, &call), final[i]);
		assert_int_equal(call.err.code, final[i]);
		assert_false(call.err.ambiguous);
		assert_int_equal(calls(t, STORE_PUT), before + 1);
	}
}

static void every_operation_is_repeated(void **state)
{
	struct stand *t = *state;
	const struct store_ops *o = t->top->ops;
	struct store *s = t->top;
	struct iovec iov = { (char[8]){ "x" }, 1 };
	struct store_meta meta;
	struct store_page page;
	struct store_part part = { .number = 1 };
	struct store_parts parts;
	struct store_uploads uploads;
	struct store_space space;
	struct store_versions versions;
	struct store_rules rules;
	const char *k = "k";
	char id[STORE_UPLOAD_MAX];
	size_t n;
	int result;

	for (int op = 0; op < STORE_OPS; op++)
		assert_int_equal(fault_store_add(t->fault, &(struct fault_rule){ .op = (enum store_op)op, .times = 1, .action = FAULT_FAIL,
										 .error = EREMOTEIO }), 0);
	assert_int_equal(o->put(s, k, &iov, 1, NULL, NULL, NULL, NULL), 0);
	assert_int_equal(o->get(s, k, (struct store_range){ 0, 0 }, NULL, &iov, 1, &n, NULL, NULL), 0);
	assert_int_equal(o->head(s, k, &meta, NULL), 0);
	assert_int_equal(o->list(s, "", 0, NULL, 0, &page, NULL), 0);
	assert_int_equal(page.count, 1);
	store_page_free(&page);
	assert_int_equal(o->copy(s, k, NULL, "copy", NULL, NULL, NULL, NULL), 0);
	assert_int_equal(o->begin(s, "u", NULL, id, NULL), 0);
	assert_int_equal(o->part(s, "u", id, &iov, 1, &part, NULL), 0);
	assert_int_equal(o->part_copy(s, "u", id, k, NULL, 0, 1, &part, NULL), 0);
	assert_int_equal(o->list_parts(s, "u", id, &parts, NULL), 0);
	store_parts_free(&parts);
	assert_int_equal(o->list_uploads(s, "u", &uploads, NULL), 0);
	store_uploads_free(&uploads);
	assert_int_equal(o->complete(s, "u", id, &part, 1, NULL, NULL, NULL), 0);
	assert_int_equal(o->begin(s, "u", NULL, id, NULL), 0);
	assert_int_equal(o->abort(s, "u", id, NULL), 0);
	assert_int_equal(o->versions(s, k, NULL, 0, &versions, NULL), 0);
	assert_int_equal(versions.count, 1);
	assert_int_equal(o->remove_versions(s, versions.list, 1, &result, NULL), 0);
	assert_int_equal(o->head(s, k, &meta, NULL), ENOENT);
	store_versions_free(&versions);
	assert_int_equal(o->rules(s, &rules, NULL), 0);
	store_rules_free(&rules);
	assert_int_equal(o->remove(s, &k, 1, &result, NULL), 0);
	assert_int_equal(o->probe(s, NULL), 0);
	assert_int_equal(o->space(s, &space, NULL), 0);
	assert_int_equal(fault_store_hits(t->fault), STORE_OPS);
}

static void the_deadline_ends_it(void **state)
{
	struct stand *t = *state;
	struct store_call call = { .timeout_ms = 60 };
	int64_t begin = clock_mono_ms(), took;

	fail_put(t, 0, FAULT_FAIL, EHOSTUNREACH);
	assert_int_equal(put(t, "x", NULL, &call), EHOSTUNREACH); /* the cause, not the deadline */
	took = clock_mono_ms() - begin;
	assert_true(took >= 40 && took < 1900);
	assert_non_null(strstr(call.err.message, "gave up after"));
	assert_int_equal(call.timeout_ms, 60); /* the caller's own */
	assert_true(calls(t, STORE_PUT) > 3);
}

static void the_default_deadlines(void **state)
{
	struct stand *t = *state;
	int64_t begin;

	rebuild(t, &(struct retry_config){ .base_ms = 1, .cap_ms = 2, .data_ms = 400, .meta_ms = 30 });
	for (int op = 0; op < STORE_OPS; op++)
		assert_int_equal(fault_store_add(t->fault, &(struct fault_rule){ .op = (enum store_op)op, .action = FAULT_FAIL, .error = EAGAIN }), 0);
	begin = clock_mono_ms();
	assert_int_equal(head(t, NULL), EAGAIN);
	assert_true(clock_mono_ms() - begin < 350);
	begin = clock_mono_ms();
	assert_int_equal(put(t, "x", NULL, NULL), EAGAIN);
	assert_true(clock_mono_ms() - begin >= 390);
}

static void a_lost_reply_to_a_plain_put(void **state)
{
	struct stand *t = *state;
	struct store_call call = { 0 };

	fail_put(t, 1, FAULT_LOSE_REPLY, EHOSTUNREACH);
	assert_int_equal(put(t, "x", NULL, &call), 0);
	assert_false(call.err.ambiguous);
	expect_content(t, "x");
}

static void a_lost_reply_to_a_conditional_put(void **state)
{
	struct stand *t = *state;
	struct store_call call = { 0 };
	struct store_cond absent = { .if_none_match = true };

	fail_put(t, 1, FAULT_LOSE_REPLY, ETIMEDOUT);
	assert_int_equal(put(t, "ours", &absent, &call), ESTALE);
	assert_true(call.err.ambiguous); /* it was our own first try that stands there */
	expect_content(t, "ours");
	assert_int_equal(put(t, "again", &absent, &call), ESTALE);
	assert_false(call.err.ambiguous); /* and here it was not */
	fail_put(t, 1, FAULT_FAIL, EHOSTUNREACH);
	assert_int_equal(put(t, "again", &absent, &call), ESTALE);
	assert_false(call.err.ambiguous); /* nor where the first try never arrived */
}

static void the_flag_survives_giving_up(void **state)
{
	struct stand *t = *state;
	struct store_call call = { .timeout_ms = 30 };

	fail_put(t, 1, FAULT_LOSE_REPLY, EREMOTEIO);
	fail_put(t, 0, FAULT_FAIL, EHOSTUNREACH);
	assert_int_equal(put(t, "x", NULL, &call), EHOSTUNREACH);
	assert_true(call.err.ambiguous);
}

static void lost_replies_of_uploads(void **state)
{
	struct stand *t = *state;
	const struct store_ops *o = t->top->ops;
	struct store_call call = { 0 };
	struct store_part part = { .number = 1 };
	struct store_uploads uploads;
	char id[STORE_UPLOAD_MAX], orphan[STORE_UPLOAD_MAX];
	struct iovec iov = { (char[]){ "x" }, 1 };
	static const enum store_op ops[] = { STORE_BEGIN, STORE_PART, STORE_COMPLETE, STORE_ABORT };

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		assert_int_equal(fault_store_add(t->fault, &(struct fault_rule){ .op = ops[i], .times = 1, .action = FAULT_LOSE_REPLY,
										 .error = EHOSTUNREACH }), 0);
	assert_int_equal(o->begin(t->top, "k", NULL, id, &call), 0);
	assert_int_equal(o->list_uploads(t->top, "k", &uploads, NULL), 0);
	assert_int_equal(uploads.count, 2); /* one that nobody knows of: recovery's affair */
	copy_text(orphan, sizeof(orphan), uploads.ids[strcmp(uploads.ids[0], id) == 0]);
	store_uploads_free(&uploads);
	assert_int_equal(o->part(t->top, "k", id, &iov, 1, &part, &call), 0);
	assert_int_equal(o->complete(t->top, "k", id, &part, 1, NULL, NULL, &call), ENODATA);
	assert_true(call.err.ambiguous);
	expect_content(t, "x");
	assert_int_equal(o->complete(t->top, "k", id, &part, 1, NULL, NULL, &call), ENODATA);
	assert_false(call.err.ambiguous);
	assert_int_equal(o->abort(t->top, "k", orphan, &call), 0); /* it is gone, as we wanted */
	assert_int_equal(call.err.code, 0);
	assert_int_equal(o->abort(t->top, "k", orphan, &call), ENODATA);
}

static void damaged_replies_are_not_asked_for_ever(void **state)
{
	struct stand *t = *state;

	fail_put(t, 0, FAULT_FAIL, EBADMSG);
	assert_int_equal(put(t, "x", NULL, NULL), EBADMSG);
	assert_int_equal(calls(t, STORE_PUT), 5);
}

static void refused_writes_are_tried_thrice(void **state)
{
	struct stand *t = *state;

	for (int i = 0; i < 2; i++)
		t->script->answers[i] = EACCES;
	t->script->http_status = 403;
	assert_int_equal(put(t, "x", NULL, NULL), 0); /* as MinIO does beside a vanishing folder */
	assert_int_equal(calls(t, STORE_PUT), 3);
	rebuild(t, &quick);
	for (int i = 0; i < 8; i++)
		t->script->answers[i] = EACCES;
	t->script->http_status = 403;
	assert_int_equal(put(t, "x", NULL, NULL), EACCES);
	assert_int_equal(calls(t, STORE_PUT), 3);
	assert_int_equal(head(t, NULL), EACCES); /* reads at once */
	assert_int_equal(calls(t, STORE_HEAD), 1);
}

static int by_last_letter(struct script *s, const char *key)
{
	char last = key[strlen(key) - 1];
	unsigned call = atomic_load(&s->calls);

	if (last == 'd')
		return EACCES;
	return (last == 'b' && call < 3) || (last == 'c' && call < 2) ? EAGAIN : 0;
}

static void batches_are_repeated_in_part(void **state)
{
	struct stand *t = *state;
	struct store_call call = { 0 };
	const char *keys[] = { "a", "b", "c", "d" };
	int results[4];

	t->script->by_key = by_last_letter;
	assert_int_equal(t->top->ops->remove(t->top, keys, 4, results, &call), EACCES);
	assert_int_equal(results[0], 0);
	assert_int_equal(results[1], 0);
	assert_int_equal(results[2], 0);
	assert_int_equal(results[3], EACCES);
	assert_int_equal(call.err.code, EACCES);
	assert_int_equal(atomic_load(&t->script->calls), 3);
	assert_int_equal(t->script->keys_seen[0], 4);
	assert_int_equal(t->script->keys_seen[1], 2);
	assert_int_equal(t->script->keys_seen[2], 1);
	assert_int_equal(t->top->ops->remove(t->top, keys, 3, results, &call), 0);
	assert_int_equal(t->top->ops->remove(t->top, NULL, 0, NULL, &call), 0);
}

static void an_empty_bucket_slows_down_and_does_not_fail(void **state)
{
	struct stand *t = *state;
	int64_t begin;

	rebuild(t, &(struct retry_config){ .base_ms = 1, .cap_ms = 400, .data_ms = 5000, .tokens = 10 });
	fail_put(t, 1, FAULT_FAIL, EHOSTUNREACH);
	begin = clock_mono_ms();
	assert_int_equal(put(t, "x", NULL, NULL), 0); /* takes all ten */
	assert_true(clock_mono_ms() - begin < 190);
	fault_store_clear(t->fault);
	fail_put(t, 1, FAULT_FAIL, EHOSTUNREACH);
	begin = clock_mono_ms();
	assert_int_equal(put(t, "x", NULL, NULL), 0);
	assert_true(clock_mono_ms() - begin >= 200);
	for (int i = 0; i < 12; i++)
		assert_int_equal(put(t, "x", NULL, NULL), 0); /* each gives one back */
	fault_store_clear(t->fault);
	fail_put(t, 1, FAULT_FAIL, EHOSTUNREACH);
	begin = clock_mono_ms();
	assert_int_equal(put(t, "x", NULL, NULL), 0);
	assert_true(clock_mono_ms() - begin < 190);
}

static void what_a_try_may_take(void **state)
{
	struct stand *t = *state;
	struct store_call call = { .timeout_ms = 1000 };
	uint32_t *given = t->script->timeouts;

	t->script->answers[0] = t->script->answers[2] = EREMOTEIO;
	assert_int_equal(head(t, NULL), ENOENT);
	assert_true(given[0] > 900 && given[0] <= 1000);  /* half of meta_ms: the first may have met a dead connection */
	assert_true(given[1] > 1800 && given[1] <= 2000); /* the rest */
	assert_int_equal(put(t, "x", NULL, NULL), 0);
	assert_int_equal(given[2], 0); /* data: as long as bytes move */
	assert_int_equal(given[3], 0);
	assert_int_equal(put(t, "x", NULL, &call), 0);
	assert_true(given[4] > 900 && given[4] <= 1000); /* unless the caller says so */
}

static void progress_earns_one_more_try(void **state)
{
	struct stand *t = *state;

	rebuild(t, &(struct retry_config){ .base_ms = 1, .cap_ms = 4, .data_ms = 40 });
	t->script->sleep_ms = 60;
	t->script->answers[0] = EREMOTEIO;
	assert_int_equal(put(t, "x", NULL, NULL), 0);
	rebuild(t, &(struct retry_config){ .base_ms = 1, .cap_ms = 4, .data_ms = 40 });
	t->script->sleep_ms = 60;
	t->script->answers[0] = ETIMEDOUT; /* that was no progress */
	assert_int_equal(put(t, "x", NULL, NULL), ETIMEDOUT);
	assert_int_equal(calls(t, STORE_PUT), 1);
	rebuild(t, &(struct retry_config){ .base_ms = 1, .cap_ms = 4, .data_ms = 40 });
	t->script->sleep_ms = 60;
	t->script->answers[0] = t->script->answers[1] = EREMOTEIO;
	assert_int_equal(put(t, "x", NULL, NULL), EREMOTEIO); /* one more, not for ever */
	assert_int_equal(calls(t, STORE_PUT), 2);
}

struct cancelling {
	struct stand *t;
	struct store_call call;
	int rc;
};

static void *put_in_thread(void *arg)
{
	struct cancelling *c = arg;

	c->rc = put(c->t, "x", NULL, &c->call);
	return NULL;
}

/* A put whose reply is lost waits for its second try; it is ended by its caller, or with the whole store. */
static void ended_between_tries(struct stand *t, bool whole)
{
	atomic_bool cancel = false;
	struct cancelling c = { .t = t, .call = { .cancel = &cancel } };
	pthread_t thread;
	int64_t begin;

	rebuild(t, &(struct retry_config){ .base_ms = 60000, .cap_ms = 60000, .data_ms = 100000 });
	fail_put(t, 1, FAULT_LOSE_REPLY, EHOSTUNREACH);
	assert_int_equal(pthread_create(&thread, NULL, put_in_thread, &c), 0);
	for (int i = 0; i < 2000 && !fault_store_hits(t->fault); i++)
		clock_sleep_ms(1);
	begin = clock_mono_ms();
	if (whole)
		store_end_by(t->top, begin);
	else
		atomic_store(&cancel, true);
	pthread_join(thread, NULL);
	assert_true(clock_mono_ms() - begin < 1000);
	assert_int_equal(c.rc, whole ? ESHUTDOWN : ECANCELED);
	assert_int_equal(c.call.err.code, c.rc);
	assert_true(c.call.err.ambiguous);
}

static void cancelling_between_tries(void **state)
{
	ended_between_tries(*state, false);
}

static void the_end_between_tries(void **state)
{
	struct stand *t = *state;
	struct store_call call = { 0 };
	const char *keys[] = { "a", "b" };
	int results[2];

	ended_between_tries(t, true);
	assert_int_equal(head(t, &call), ESHUTDOWN);
	assert_false(call.err.ambiguous);
	assert_int_equal(calls(t, STORE_HEAD), 1); /* and is not tried again */
	assert_int_equal(t->mem->ops->remove(t->mem, keys, 2, results, &call), ESHUTDOWN); /* the layers below know it too */
	assert_int_equal(t->top->ops->remove(t->top, keys, 2, results, &call), ESHUTDOWN);
	assert_int_equal(results[1], ESHUTDOWN);
	store_end_by(t->top, 0);
	assert_int_equal(head(t, &call), 0);
}

static void *many_puts(void *arg)
{
	struct cancelling *c = arg;

	for (int i = 0; i < 50 && !c->rc; i++)
		c->rc = put(c->t, "x", NULL, NULL);
	return NULL;
}

static void many_threads(void **state)
{
	struct stand *t = *state;
	struct cancelling c[8];

	fail_put(t, 200, FAULT_FAIL, EAGAIN);
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		c[i] = (struct cancelling){ .t = t };
	in_threads(ARRAY_LEN(c), many_puts, c, sizeof(*c));
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		assert_int_equal(c[i].rc, 0);
}

#define RETRY_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RETRY_TEST(transient_errors_pass),
		RETRY_TEST(final_errors_stay),
		RETRY_TEST(every_operation_is_repeated),
		RETRY_TEST(the_deadline_ends_it),
		RETRY_TEST(the_default_deadlines),
		RETRY_TEST(a_lost_reply_to_a_plain_put),
		RETRY_TEST(a_lost_reply_to_a_conditional_put),
		RETRY_TEST(the_flag_survives_giving_up),
		RETRY_TEST(lost_replies_of_uploads),
		RETRY_TEST(damaged_replies_are_not_asked_for_ever),
		RETRY_TEST(refused_writes_are_tried_thrice),
		RETRY_TEST(batches_are_repeated_in_part),
		RETRY_TEST(an_empty_bucket_slows_down_and_does_not_fail),
		RETRY_TEST(what_a_try_may_take),
		RETRY_TEST(progress_earns_one_more_try),
		RETRY_TEST(cancelling_between_tries),
		RETRY_TEST(the_end_between_tries),
		RETRY_TEST(many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

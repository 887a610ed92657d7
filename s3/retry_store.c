/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/layer.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/rand.h"
#include "s3/store_impl.h"

#include <errno.h>

/* Every operation may be repeated: reads and removals by nature; a part because its number names it; a put, copy or complete because
 * its bytes are the same. What a repetition can change is the answer: a condition that our own first try has made false, an upload
 * that our own first try has finished. Such answers are told with err.ambiguous, never hidden, as only the caller knows its commit id.
 * A begin that is repeated after a lost reply leaves an upload without parts behind: recovery finds and aborts it.
 *
 * A write that is refused with 403 is said twice more, quickly: MinIO (2026-02) answers AccessDenied, now and then, to a write beside
 * the removal of its folder's last object. Who really may not learns it a little later.
 *
 * An empty token bucket does not fail a call. The bucket is there so that many calls failing at once do not hammer a server that is
 * coming up; a backup must outlive that server's restart. So a retry without tokens waits long (cap_ms, with half of it jitter), and
 * only the deadline ends the call. */

#define COST 5           /* tokens of a retry */
#define COST_NETWORK 10  /* ... after no connection or no answer */
#define TOKENS_MAX 500
#define BROKEN_TRIES 5   /* a reply that is damaged so often in a row stays damaged: the object is, or a proxy */
#define REFUSED_TRIES 3
#define SLEEP_SLICE_MS 50 /* between looks at call->cancel */

struct retry_store {
	struct layer layer;
	struct retry_config config; /* without zeros */
	atomic_uint tokens;
};

/* One call with all its tries. */
struct run {
	int64_t start, deadline; /* clock_mono_ms */
	uint32_t allowed_ms;
	unsigned tries, broken, refused;
	bool ambiguous; /* some try may have done it */
};

static bool is_network(int code)
{
	return code == EHOSTUNREACH || code == ETIMEDOUT;
}

static bool is_broken(int code)
{
	return code == EBADMSG || code == EILSEQ;
}

static bool is_retryable(int code)
{
	return is_network(code) || is_broken(code) || code == EAGAIN || code == EREMOTEIO;
}

/* See the head of the file. */
static bool may_be_a_mistake(const struct run *run, const struct layer_request *r, int code)
{
	bool writes = r->op == STORE_PUT || r->op == STORE_COPY || r->op == STORE_BEGIN || r->op == STORE_COMPLETE;

	return code == EACCES && writes && r->call->err.http_status == 403 && run->refused < REFUSED_TRIES;
}

static bool take_tokens(struct retry_store *s, int code)
{
	unsigned cost = is_network(code) ? COST_NETWORK : COST, now = atomic_load(&s->tokens);

	while (now >= cost)
		if (atomic_compare_exchange_weak(&s->tokens, &now, now - cost))
			return true;
	return false;
}

static void give_token(struct retry_store *s)
{
	unsigned now = atomic_load(&s->tokens);

	while (now < s->config.tokens)
		if (atomic_compare_exchange_weak(&s->tokens, &now, now + 1))
			return;
}

/* What this try may take, for call->timeout_ms; 0: the store's own limit. Metadata is small, so a first try that takes half of the time
 * has met a dead connection: the rest is for another one. */
static uint32_t try_timeout(const struct run *run, const struct layer_request *r)
{
	int64_t left = run->deadline - clock_mono_ms();

	if (layer_moves_data(r->op))
		return r->call->timeout_ms ? (uint32_t)(left > 1 ? left : 1) : 0;
	if (run->tries == 1)
		left /= 2;
	return (uint32_t)(left > 1 ? left : 1);
}

/* One batch of those keys whose result so far is retryable. The answer is a retryable error while there is one. */
static int remove_pending(struct retry_store *s, const struct layer_request *r)
{
	AUTO_FREE const char **keys = calloc(r->count ? r->count : 1, sizeof(*keys));
	AUTO_FREE struct store_version *versions = calloc(r->count && r->versions ? r->count : 1, sizeof(*versions));
	AUTO_FREE int *results = calloc(r->count ? r->count : 1, sizeof(*results));
	struct layer_request batch = *r;
	int first = 0, again = 0;

	if (!keys || !versions || !results)
		return store_fail(r->call, ENOMEM, NULL, "out of memory");
	batch.keys = keys;
	batch.results = results;
	batch.versions = versions;
	batch.count = 0;
	for (size_t i = 0; i < r->count; i++) {
		if (!is_retryable(r->results[i]))
			continue;
		if (r->versions)
			versions[batch.count] = r->versions[i];
		keys[batch.count++] = layer_key(r, i);
	}
	layer_below(&s->layer, &batch);
	for (size_t i = 0, j = 0; i < r->count; i++) {
		if (is_retryable(r->results[i]))
			r->results[i] = results[j++];
		if (r->results[i] && !first)
			first = r->results[i];
		if (is_retryable(r->results[i]) && !again)
			again = r->results[i];
	}
	return again ? again : first;
}

static int try_once(struct retry_store *s, struct layer_request *r, struct run *run)
{
	struct store_call call = { .cancel = r->call->cancel };
	struct layer_request request = *r;

	run->tries++;
	call.timeout_ms = try_timeout(run, r);
	request.call = &call;

	int rc = layer_removes(r->op) && r->count ? remove_pending(s, &request) : layer_below(&s->layer, &request);

	if (rc && call.err.code != rc) /* a key's error from an earlier try of the batch */
		store_fail(&call, rc, r->key, "%s failed", store_op_name(r->op));
	run->ambiguous = run->ambiguous || (rc && call.err.ambiguous);
	run->broken = is_broken(rc) ? run->broken + 1 : 0;
	run->refused += rc == EACCES;
	r->call->err = call.err;
	r->call->server_date = call.server_date;
	return rc;
}

/* A first try that was moving bytes for longer than the whole time and then failed has earned a second one. */
static void extend_after_progress(struct run *run, const struct layer_request *r, int rc, int64_t now)
{
	if (run->tries == 1 && now >= run->deadline && rc != ETIMEDOUT && layer_moves_data(r->op) && !r->call->timeout_ms)
		run->deadline = now + run->allowed_ms;
}

static int64_t next_delay(struct retry_store *s, const struct run *run, int rc)
{
	uint32_t cap = s->config.cap_ms;
	unsigned doublings = run->tries - 1 < 31 ? run->tries - 1 : 31;
	uint64_t limit = min_u64(cap, (uint64_t)s->config.base_ms << doublings);

	if (!take_tokens(s, rc))
		return cap / 2 + rand_below(cap / 2 + 1);
	return rand_below((uint32_t)limit + 1);
}

static void log_retry(const struct layer_request *r, const struct run *run, int64_t delay)
{
	char text[512];

	if (!log_wants(LOG_DEBUG))
		return;
	store_error_text(&r->call->err, text, sizeof(text));
	log_msg(LOG_DEBUG, "s3", "%s: %s; try %u follows in %lld ms", store_op_name(r->op), text, run->tries + 1, (long long)delay);
}

/* Sleeps before the next try: 0; ETIMEDOUT: there is no time for one; ECANCELED, ESHUTDOWN: told. */
static int wait_for_next(struct retry_store *s, struct layer_request *r, struct run *run, int rc)
{
	int64_t now = clock_mono_ms();

	extend_after_progress(run, r, rc, now);

	int64_t delay = run->broken < BROKEN_TRIES ? next_delay(s, run, rc) : INT64_MAX;

	if (now >= run->deadline || delay >= run->deadline - now)
		return ETIMEDOUT;
	log_retry(r, run, delay);
	for (int64_t until = now + delay; now < until; now = clock_mono_ms()) {
		int over = store_over(&s->layer.base, r->call, r->key);

		if (over)
			return over;
		clock_sleep_ms((int64_t)min_u64(SLEEP_SLICE_MS, (uint64_t)(until - now)));
	}
	return store_over(&s->layer.base, r->call, r->key);
}

static void tell_giving_up(struct layer_request *r, const struct run *run)
{
	struct store_error *err = &r->call->err;
	size_t used = strlen(err->message);
	double seconds = (double)(clock_mono_ms() - run->start) / 1000;
	char text[512];

	snprintf(err->message + used, sizeof(err->message) - used, "; gave up after %u %s in %.1f s", run->tries,
		 run->tries == 1 ? "try" : "tries", seconds);
	store_error_text(err, text, sizeof(text));
	log_msg(LOG_WARN, "s3", "%s: %s", store_op_name(r->op), text);
}

/* A batch answers the first key's error; keys that were still to be tried again share the fate of the call. */
static int finish_remove(struct layer_request *r, int rc)
{
	for (size_t i = 0; i < r->count; i++)
		if ((rc == ECANCELED || rc == ESHUTDOWN) && is_retryable(r->results[i]))
			r->results[i] = rc;

	size_t first = 0;

	while (first < r->count && !r->results[first])
		first++;
	if (first == r->count || r->results[first] == rc)
		return rc;
	return store_fail(r->call, r->results[first], layer_key(r, first), "could not be removed");
}

/* The last word of a call that failed. */
static int finish(struct layer_request *r, const struct run *run, int rc)
{
	if (r->op == STORE_ABORT && rc == ENODATA && run->ambiguous) { /* our own first try has aborted it */
		r->call->err = (struct store_error){ 0 };
		return 0;
	}
	if (layer_removes(r->op))
		rc = finish_remove(r, rc);
	r->call->err.ambiguous = run->ambiguous;
	return rc;
}

static int retry_around(struct layer *l, struct layer_request *r)
{
	struct retry_store *s = (struct retry_store *)l;
	struct run run = { .start = clock_mono_ms() };
	int rc, next = 0;
	bool again;

	run.allowed_ms = r->call->timeout_ms	   ? r->call->timeout_ms
			 : layer_moves_data(r->op) ? s->config.data_ms
						   : s->config.meta_ms;
	run.deadline = run.start + run.allowed_ms;
	for (size_t i = 0; layer_removes(r->op) && i < r->count; i++)
		r->results[i] = EAGAIN; /* all are pending */
	do {
		rc = try_once(s, r, &run);
		if (!rc) {
			give_token(s);
			return 0;
		}
		again = is_retryable(rc) || may_be_a_mistake(&run, r, rc);
		if (again)
			next = wait_for_next(s, r, &run, rc);
	} while (again && !next);
	if (next == ECANCELED || next == ESHUTDOWN)
		return finish(r, &run, next);
	if (next)
		tell_giving_up(r, &run);
	return finish(r, &run, rc);
}

int retry_store_new(struct store *below, const struct retry_config *config, struct store **out)
{
	struct retry_config c = config ? *config : (struct retry_config){ 0 };
	struct layer *l;
	int rc = layer_new(sizeof(struct retry_store), below, retry_around, &l);

	if (rc)
		return rc;

	struct retry_store *s = (struct retry_store *)l;

	s->config.base_ms = c.base_ms ? c.base_ms : 100;
	s->config.cap_ms = c.cap_ms ? c.cap_ms : 20000;
	s->config.data_ms = c.data_ms ? c.data_ms : 120000;
	s->config.meta_ms = c.meta_ms ? c.meta_ms : 30000;
	s->config.tokens = c.tokens ? c.tokens : TOKENS_MAX;
	atomic_init(&s->tokens, s->config.tokens);
	*out = &l->base;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/layer.h"

#include "base/clock.h"
#include "s3/store_impl.h"

#include <errno.h>

/* A token bucket that may go into debt, kept as one number: the time at which all bytes let through so far are paid for. A call takes its
 * place behind that time at once and then waits for it, so threads queue in the order they came and none has to be woken. What a get
 * was reserved for and did not bring is given back. */

#define WAIT_SLICE_MS 50 /* between looks at call->cancel */
#define NS_PER_MS 1000000
#define NS_PER_S 1e9

struct limit_store {
	struct layer layer;
	uint64_t bytes_per_s; /* 0: no limit */
	pthread_mutex_t lock;
	int64_t paid_ns;      /* of clock_mono_ms's clock */
};

static int64_t price_ns(const struct limit_store *l, uint64_t bytes)
{
	return (int64_t)((double)bytes / (double)l->bytes_per_s * NS_PER_S);
}

/* Takes a place for that many bytes: when the call may begin, in ms. */
static int64_t reserve(struct limit_store *l, uint64_t bytes)
{
	int64_t now = clock_mono_ms() * NS_PER_MS, begin;
	STORE_LOCKED(&l->lock);

	begin = l->paid_ns > now ? l->paid_ns : now;
	l->paid_ns = begin + price_ns(l, bytes);
	return (begin + NS_PER_MS - 1) / NS_PER_MS;
}

static void give_back(struct limit_store *l, uint64_t bytes)
{
	STORE_LOCKED(&l->lock);

	l->paid_ns -= price_ns(l, bytes);
}

static int wait_until(int64_t begin, const struct store_call *call)
{
	for (int64_t now = clock_mono_ms(); now < begin; now = clock_mono_ms()) {
		if (store_cancelled(call))
			return ECANCELED;
		clock_sleep_ms(begin - now < WAIT_SLICE_MS ? begin - now : WAIT_SLICE_MS);
	}
	return store_cancelled(call) ? ECANCELED : 0;
}

/* Object bytes that the call will move, as far as that is known before. */
static uint64_t expected(const struct layer_request *r)
{
	uint64_t room = store_iov_bytes(r->iov, r->iovcnt);

	return r->op == STORE_GET && r->range.offset >= 0 && r->range.length ? min_u64(room, r->range.length) : room;
}

static int limit_around(struct layer *layer, struct layer_request *r)
{
	struct limit_store *l = (struct limit_store *)layer;

	if (!l->bytes_per_s || (r->op != STORE_GET && r->op != STORE_PUT && r->op != STORE_PART))
		return layer_below(layer, r);

	uint64_t bytes = expected(r);

	if (wait_until(reserve(l, bytes), r->call)) {
		give_back(l, bytes);
		store_call_reset(r->call);
		if (r->got)
			*r->got = 0;
		return store_fail(r->call, ECANCELED, r->key, "cancelled while it waited for its share of the bandwidth");
	}

	int rc = layer_below(layer, r);

	uint64_t moved = !rc && r->got ? *r->got : rc == ENOENT || rc == ESTALE ? 0 : bytes;

	if (moved < bytes)
		give_back(l, bytes - moved);
	return rc;
}

static void limit_release(struct layer *layer)
{
	pthread_mutex_destroy(&((struct limit_store *)layer)->lock);
}

int limit_store_new(struct store *below, uint64_t bytes_per_s, struct store **out)
{
	struct layer *layer;
	int rc = layer_new(sizeof(struct limit_store), below, limit_around, &layer);

	if (rc)
		return rc;

	struct limit_store *l = (struct limit_store *)layer;

	layer->release = limit_release;
	l->bytes_per_s = bytes_per_s;
	pthread_mutex_init(&l->lock, NULL);
	*out = &layer->base;
	return 0;
}

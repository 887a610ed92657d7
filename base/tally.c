/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tally.h"
#include "base/sync.h"

#include <errno.h>
#include <malloc.h>
#include <sys/mman.h>

/* INVARIANT, under the lock: held is the number of slabs in the list; it covers `bytes` but for what was forced, and exceeds it by SLACK at most
 * after something was given back. */
#define TRIM_FROM (1u << 20)
#define SLACK 1u /* slabs kept, so that who counts around the edge does not take and give one each time */

struct tally {
	pthread_mutex_t lock;
	struct slabs *slabs;
	enum slab_side side;
	uint32_t most, held;
	struct slab *list;
	size_t bytes;
	bool (*on_full)(void *arg);
	void *on_full_arg;
};

struct tally *tally_new(struct slabs *s, enum slab_side side, uint32_t most)
{
	struct tally *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	pthread_mutex_init(&t->lock, NULL);
	t->slabs = s;
	t->side = side;
	t->most = most;
	return t;
}

void tally_free(struct tally *t)
{
	if (!t)
		return;
	slab_give_list(t->slabs, t->list);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static uint32_t needed(const struct tally *t)
{
	return (uint32_t)min_u64((t->bytes + SLAB_BYTES - 1) / SLAB_BYTES, UINT32_MAX);
}

/* Takes slabs until they cover what is counted: false where that cannot be. */
static bool cover(struct tally *t)
{
	while (t->held < needed(t)) {
		struct slab *slab = t->held < t->most ? slab_take(t->slabs, t->side) : NULL;

		if (!slab)
			return false;
		(void)madvise(slab->data, SLAB_BYTES, MADV_DONTNEED); /* its pages are what the counted bytes take */
		slab->next = t->list;
		t->list = slab;
		t->held++;
	}
	return true;
}

int tally_try(struct tally *t, size_t bytes)
{
	bool fits;

	if (!t)
		return 0;
	pthread_mutex_lock(&t->lock);
	t->bytes += bytes;
	fits = cover(t);
	if (!fits)
		t->bytes -= bytes;
	pthread_mutex_unlock(&t->lock);
	return fits ? 0 : ENOMEM;
}

int tally_add(struct tally *t, size_t bytes)
{
	int rc = tally_try(t, bytes);
	bool (*fn)(void *arg);
	void *arg;

	if (!rc)
		return 0;
	pthread_mutex_lock(&t->lock);
	fn = t->on_full;
	arg = t->on_full_arg;
	pthread_mutex_unlock(&t->lock);
	return fn && fn(arg) ? tally_try(t, bytes) : rc;
}

void tally_force(struct tally *t, size_t bytes)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->bytes += bytes;
	cover(t);
	pthread_mutex_unlock(&t->lock);
}

void tally_sub(struct tally *t, size_t bytes)
{
	struct slab *spare = NULL;

	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	if (bytes > t->bytes)
		abort();
	t->bytes -= bytes;
	while (t->held > needed(t) + SLACK) {
		struct slab *slab = t->list;

		t->list = slab->next;
		t->held--;
		slab->next = spare;
		spare = slab;
	}
	pthread_mutex_unlock(&t->lock);
	slab_give_list(t->slabs, spare);
}

void tally_on_full(struct tally *t, bool (*fn)(void *arg), void *arg)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->on_full = fn;
	t->on_full_arg = arg;
	pthread_mutex_unlock(&t->lock);
}

void tally_trim(size_t bytes)
{
#ifdef __GLIBC__
	if (bytes >= TRIM_FROM)
		malloc_trim(0);
#else
	(void)bytes;
#endif
}

size_t tally_bytes(struct tally *t)
{
	size_t bytes = 0;

	if (!t)
		return 0;
	pthread_mutex_lock(&t->lock);
	bytes = t->bytes;
	pthread_mutex_unlock(&t->lock);
	return bytes;
}

size_t tally_most(struct tally *t)
{
	return t ? (size_t)t->most * SLAB_BYTES : SIZE_MAX;
}

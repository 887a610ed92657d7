/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slab.h"
#include "base/sync.h"

#include <errno.h>
#include <sys/mman.h>

/* Invariants, under the lock:
 *   used + what is missing to every side's floor <= total   (so a side below its floor is never refused)
 *   made <= total; slabs 0..made-1 are mapped, each either taken or in the free list. */

#define BLOCK_SLABS 64u /* one mmap: 4 MiB */
#define FREE SLAB_SIDES /* side of a slab that nobody holds */

struct waiter { /* for the commit token; on the waiting thread's stack */
	pthread_cond_t wake;
	bool granted;
	struct waiter *next;
};

struct slabs {
	pthread_mutex_t lock;
	pthread_cond_t freed;
	struct slab *slab;  /* total of them; slab i lies in block i / BLOCK_SLABS */
	struct slab *free;  /* last given first, as its pages are warm */
	uint32_t total, made, peak;
	uint32_t used[SLAB_SIDES], floor[SLAB_SIDES];
	uint64_t refused;
	bool refused_since; /* somebody was refused since the listener was last called */
	bool map_failed;    /* the kernel gave no memory: only a slab that is given back can help a waiter */
	void (*on_free)(void *arg);
	void *on_free_arg;
	bool token_held;
	struct waiter *token_first, **token_last;
	uint32_t token_waiters;
};

struct slabs *slabs_new(uint32_t total, const uint32_t floor[SLAB_SIDES])
{
	struct slabs *s = calloc(1, sizeof(*s));
	uint64_t floors = 0;

	for (int i = 0; i < SLAB_SIDES; i++)
		floors += floor[i];
	if (floors > total)
		abort();
	if (s)
		s->slab = calloc(max_size(total, 1), sizeof(*s->slab)); /* pages of it that are never used cost nothing */
	if (!s || !s->slab) {
		free(s);
		return NULL;
	}
	pthread_mutex_init(&s->lock, NULL);
	cond_init_mono(&s->freed);
	memcpy(s->floor, floor, sizeof(s->floor));
	s->total = total;
	s->token_last = &s->token_first;
	return s;
}

static uint32_t used_by_all(const struct slabs *s)
{
	uint32_t used = 0;

	for (int i = 0; i < SLAB_SIDES; i++)
		used += s->used[i];
	return used;
}

/* Whether one slab more for that side leaves every other side the rest of its floor. */
static bool within_budget(const struct slabs *s, enum slab_side side)
{
	uint64_t needed = used_by_all(s);

	for (int i = 0; i < SLAB_SIDES; i++)
		if (i != (int)side && s->used[i] < s->floor[i])
			needed += s->floor[i] - s->used[i];
	return needed < s->total;
}

/* Number of slabs in the block that begins at slab `first`: the last block may be smaller. */
static uint32_t block_slabs(const struct slabs *s, uint32_t first)
{
	return (uint32_t)min_size(BLOCK_SLABS, s->total - first);
}

/* Maps the block that begins at slab number `made`. */
static bool map_block(struct slabs *s)
{
	uint32_t n = block_slabs(s, s->made);
	size_t bytes = (size_t)n * SLAB_BYTES;
	uint8_t *data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	s->map_failed = data == MAP_FAILED;
	if (s->map_failed)
		return false;
	(void)madvise(data, bytes, MADV_DONTDUMP); /* plain text has no place in a core file */
	for (uint32_t i = 0; i < n; i++)
		s->slab[s->made + i] = (struct slab){ .data = data + (size_t)i * SLAB_BYTES, .side = FREE };
	return true;
}

/* A slab that nobody holds, or NULL when the kernel gives no more memory. */
static struct slab *pick(struct slabs *s)
{
	struct slab *slab = s->free;

	if (slab) {
		s->free = slab->next;
		return slab;
	}
	if (s->made % BLOCK_SLABS == 0 && !map_block(s))
		return NULL;
	return &s->slab[s->made++];
}

struct slab *slab_take(struct slabs *s, enum slab_side side)
{
	pthread_mutex_lock(&s->lock);
	struct slab *slab = within_budget(s, side) ? pick(s) : NULL;

	if (slab) {
		slab->next = NULL;
		slab->side = side;
		s->used[side]++;
		s->peak = (uint32_t)max_size(s->peak, used_by_all(s));
	} else {
		s->refused++;
		s->refused_since = true;
	}
	pthread_mutex_unlock(&s->lock);
	return slab;
}

void slab_give(struct slabs *s, struct slab *slab)
{
	if (!slab)
		return;
	slab->next = NULL;
	slab_give_list(s, slab);
}

void slab_give_list(struct slabs *s, struct slab *first)
{
	void (*tell)(void *arg) = NULL;
	void *arg = NULL;

	if (!first)
		return;
	pthread_mutex_lock(&s->lock);
	for (struct slab *slab = first, *next; slab; slab = next) {
		next = slab->next;
		if (slab->side >= FREE) /* given twice: two files would share it */
			abort();
		s->used[slab->side]--;
		slab->side = FREE;
		slab->next = s->free;
		s->free = slab;
	}
	if (s->refused_since && s->on_free) {
		s->refused_since = false;
		tell = s->on_free;
		arg = s->on_free_arg;
	}
	pthread_cond_broadcast(&s->freed);
	pthread_mutex_unlock(&s->lock);
	if (tell)
		tell(arg);
}

static bool may_take(const struct slabs *s, enum slab_side side)
{
	return within_budget(s, side) && (s->free || !s->map_failed);
}

int slab_wait(struct slabs *s, enum slab_side side, int64_t deadline_ms)
{
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	while (!may_take(s, side) && rc != ETIMEDOUT)
		rc = cond_wait_until(&s->freed, &s->lock, deadline_ms);
	rc = may_take(s, side) ? 0 : ETIMEDOUT;
	pthread_mutex_unlock(&s->lock);
	return rc;
}

void slabs_on_free(struct slabs *s, void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&s->lock);
	s->on_free = fn;
	s->on_free_arg = arg;
	pthread_mutex_unlock(&s->lock);
}

void slabs_stats(struct slabs *s, struct slab_stats *out)
{
	pthread_mutex_lock(&s->lock);
	*out = (struct slab_stats){ .total = s->total, .peak = s->peak, .refused = s->refused, .token_waiters = s->token_waiters };
	memcpy(out->used, s->used, sizeof(out->used));
	memcpy(out->floor, s->floor, sizeof(out->floor));
	pthread_mutex_unlock(&s->lock);
}

static void leave_queue(struct slabs *s, struct waiter *gone)
{
	struct waiter **link = &s->token_first;

	while (*link != gone)
		link = &(*link)->next;
	*link = gone->next;
	if (s->token_last == &gone->next)
		s->token_last = link;
}

/* Waits for the token in its turn; with the lock held. */
static int queue_for_token(struct slabs *s, int64_t deadline_ms)
{
	struct waiter me = { 0 };
	int rc = 0;

	cond_init_mono(&me.wake);
	*s->token_last = &me;
	s->token_last = &me.next;
	s->token_waiters++;
	while (!me.granted && rc != ETIMEDOUT)
		rc = cond_wait_until(&me.wake, &s->lock, deadline_ms);
	if (!me.granted)
		leave_queue(s, &me);
	s->token_waiters--;
	pthread_cond_destroy(&me.wake);
	return me.granted ? 0 : ETIMEDOUT;
}

int slab_commit_lock(struct slabs *s, int64_t deadline_ms)
{
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if (!s->token_held)
		s->token_held = true;
	else
		rc = queue_for_token(s, deadline_ms);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

void slab_commit_unlock(struct slabs *s)
{
	pthread_mutex_lock(&s->lock);
	struct waiter *next = s->token_first;

	if (!s->token_held)
		abort();
	if (next) { /* the token goes from hand to hand: a newcomer finds it held */
		s->token_first = next->next;
		if (!s->token_first)
			s->token_last = &s->token_first;
		next->granted = true;
		pthread_cond_signal(&next->wake);
	} else {
		s->token_held = false;
	}
	pthread_mutex_unlock(&s->lock);
}

void slabs_free(struct slabs *s)
{
	if (!s)
		return;
	if (used_by_all(s) || s->token_held)
		abort();
	for (uint32_t first = 0; first < s->made; first += BLOCK_SLABS) {
		uint8_t *data = s->slab[first].data;

		/* Only slabs that were ever taken have pages to wipe. */
		explicit_bzero(data, min_size(BLOCK_SLABS, s->made - first) * SLAB_BYTES);
		munmap(data, (size_t)block_slabs(s, first) * SLAB_BYTES);
	}
	explicit_bzero(s->slab, s->made * sizeof(*s->slab));
	free(s->slab);
	pthread_cond_destroy(&s->freed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

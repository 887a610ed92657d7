/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/parked.h"
#include "vault/writer.h"
#include "base/clock.h"

#include <errno.h>

enum { TICK_MS = 50, DATA_TIMEOUT_MS = 120000 };

struct parked {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct call *first, **last;
	unsigned count;
	uint64_t bytes;
	atomic_uint waiting; /* count, for parked_any */
	bool room;           /* the vault has called since the last round */
	bool stop;
};

static void room(void *arg)
{
	struct parked *p = arg;

	if (!atomic_load(&p->waiting))
		return;
	pthread_mutex_lock(&p->lock);
	p->room = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

void parked_add(struct call *c, const struct parked_how *how)
{
	struct parked *p = c->fs->parked;

	c->how = how;
	c->next = NULL;
	c->since_ms = clock_mono_ms();
	pthread_mutex_lock(&p->lock);
	*p->last = c;
	p->last = &c->next;
	p->count++;
	p->bytes += c->data ? c->size : 0;
	atomic_store(&p->waiting, p->count);
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

bool parked_any(const struct fs *f)
{
	return atomic_load(&f->parked->waiting) > 0;
}

void parked_count(struct fs *f, unsigned *calls, uint64_t *bytes)
{
	struct parked *p = f->parked;

	pthread_mutex_lock(&p->lock);
	*calls = p->count;
	*bytes = p->bytes;
	pthread_mutex_unlock(&p->lock);
}

int parked_drain(struct fs *f, int64_t deadline)
{
	while (parked_any(f)) {
		if (clock_mono_ms() >= deadline)
			return ETIMEDOUT;
		clock_sleep_ms(10);
	}
	return 0;
}

static bool expired(struct fs *f, const struct call *c)
{
	uint32_t limit = f->config.data_timeout_ms ? f->config.data_timeout_ms : DATA_TIMEOUT_MS;
	int64_t since = vault_last_progress(f->vault);

	if (since < c->since_ms)
		since = c->since_ms;
	return clock_mono_ms() - since > limit;
}

static void give_up(struct call *c, int error)
{
	log_msg(LOG_ERROR, "mount", "a request waited for memory without any progress; it is given up: %s", strerror(error));
	c->how->give_up(c, error);
}

/* One try. The call belongs to somebody else afterwards, unless true is returned. */
static bool still_waits(struct fs *f, struct call *c)
{
	if (c->how->attempt(c) != EAGAIN)
		return false;
	if (!expired(f, c))
		return true;
	give_up(c, ETIMEDOUT);
	return false;
}

/* EAGAIN has two reasons. Where a commit has the file, only time helps; committing others early for it would cost requests for nothing. */
static bool memory_is_short(struct fs *f)
{
	struct slab_stats s;
	uint64_t taken;

	slabs_stats(vault_slabs(f->vault), &s);
	taken = s.used[SLAB_WRITE];
	for (int side = SLAB_WRITE + 1; side < SLAB_SIDES; side++)
		taken += s.used[side] > s.floor[side] ? s.used[side] : s.floor[side];
	return taken + f->max_write / SLAB_BYTES + 1 >= s.total;
}

/* Tries every call once; the lock is held, and given up in between. Newcomers stay behind those that were here before. */
static void round_of_tries(struct fs *f, struct parked *p)
{
	struct call *todo = p->first, *kept = NULL, **last = &kept;

	p->first = NULL;
	p->last = &p->first;
	pthread_mutex_unlock(&p->lock);

	unsigned done = 0;
	uint64_t bytes = 0;

	while (todo) {
		struct call *c = todo;
		uint64_t size = c->data ? c->size : 0;

		todo = c->next;
		c->next = NULL;
		if (still_waits(f, c)) {
			*last = c;
			last = &c->next;
			continue;
		}
		done++;
		bytes += size;
	}
	if (kept && memory_is_short(f))
		writers_relieve(f->vault);

	pthread_mutex_lock(&p->lock);
	if (kept) {
		*last = p->first;
		if (!p->first)
			p->last = last;
		p->first = kept;
	}
	p->count -= done;
	p->bytes -= bytes;
	atomic_store(&p->waiting, p->count);
}

static void *parked_thread(void *arg)
{
	struct fs *f = arg;
	struct parked *p = f->parked;

	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		p->room = false; /* also where the last who waited has just been served */
		if (p->first)
			round_of_tries(f, p);

		int64_t until = p->count ? clock_mono_ms() + TICK_MS : INT64_MAX;
		unsigned before = p->count;

		while (!p->stop && !p->room && p->count == before && cond_wait_until(&p->wake, &p->lock, until) == 0)
			continue;
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int parked_start(struct fs *f)
{
	struct parked *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	cond_init_mono(&p->wake);
	p->last = &p->first;
	f->parked = p;
	vault_on_room(f->vault, room, p);
	rc = pthread_create(&p->thread, NULL, parked_thread, f);
	if (rc) {
		vault_on_room(f->vault, NULL, NULL);
		pthread_cond_destroy(&p->wake);
		pthread_mutex_destroy(&p->lock);
		free(p);
		f->parked = NULL;
	}
	return rc;
}

void parked_stop(struct fs *f)
{
	struct parked *p = f->parked;

	if (!p)
		return;
	vault_on_room(f->vault, NULL, NULL);
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	while (p->first) {
		struct call *c = p->first;

		p->first = c->next;
		give_up(c, EIO);
	}
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
	f->parked = NULL;
}

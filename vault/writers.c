/* SPDX-License-Identifier: Apache-2.0 */
/* All writers of a vault: who gives memory back when it is short, and who is told. */
#include "vault/writer_private.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <limits.h>

enum { EARLY_AT_ONCE = 4 };

void writers_room(struct vault *v)
{
	void (*fn)(void *) = NULL;
	void *arg = NULL;

	pthread_mutex_lock(&v->writers->room_lock);
	fn = v->writers->on_room;
	arg = v->writers->on_room_arg;
	pthread_mutex_unlock(&v->writers->room_lock);
	if (fn)
		fn(arg);
}

static void slabs_freed(void *arg)
{
	writers_room(arg);
}

int writers_start(struct vault *v)
{
	struct writers *all = calloc(1, sizeof(*all));

	if (!all)
		return ENOMEM;
	pthread_mutex_init(&all->lock, NULL);
	pthread_mutex_init(&all->room_lock, NULL);
	all->plan = part_plan_of(v);
	all->largest = part_plan_largest(v, &all->plan);
	v->writers = all;
	slabs_on_free(v->slabs, slabs_freed, v);
	return 0;
}

void writers_stop(struct vault *v)
{
	if (!v->writers)
		return;
	slabs_on_free(v->slabs, NULL, NULL);
	pthread_mutex_destroy(&v->writers->room_lock);
	pthread_mutex_destroy(&v->writers->lock);
	free(v->writers);
	v->writers = NULL;
}

void vault_on_room(struct vault *v, void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&v->writers->room_lock);
	v->writers->on_room = fn;
	v->writers->on_room_arg = arg;
	pthread_mutex_unlock(&v->writers->room_lock);
}

uint64_t writer_largest(struct vault *v)
{
	return v->writers->largest;
}

void writer_job_done(struct writer *w)
{
	w->jobs--;
	pthread_cond_broadcast(&w->changed);
}

static void early_job(void *arg)
{
	struct writer *w = arg;
	struct vault *v = w->v;

	pthread_mutex_lock(&w->lock);
	while (w->busy && !w->closing)
		pthread_cond_wait(&w->changed, &w->lock);
	w->early_queued = false;
	if (w->early_for_room && stream_cut(w)) {
		/* gives memory back when it has arrived */
	} else if (w->dirty && !w->error && !w->closing && !w->discard) {
		w->busy = true; /* an error is latched: the next caller hears it */
		if (stage_instead(w))
			writer_stage_busy(w);
		else
			writer_commit_busy(w, STATE_OPEN, WRITER_DROP);
		w->busy = false;
	} else if (!w->closing) {
		overlay_drop_clean(&w->over);
	}
	writer_job_done(w);
	pthread_mutex_unlock(&w->lock);

	atomic_fetch_sub(&v->writers->early, 1);
	writers_room(v);
}

void writer_queue_early(struct writer *w, bool for_room)
{
	w->early_for_room = for_room && (!w->early_queued || w->early_for_room);
	if (w->early_queued)
		return;
	atomic_fetch_add(&w->v->writers->early, 1);
	w->early_queued = true;
	w->jobs++;
	if (pool_submit(w->v->commit_pool, early_job, w) == 0)
		return;
	atomic_fetch_sub(&w->v->writers->early, 1);
	w->early_queued = false;
	w->jobs--;
}

/* What an early commit of this writer does to what others see. Little memory is no reason to put much content aside again and again. */
static int harm(const struct writer *w)
{
	enum { NONE, PIECE, OLD_FILE_GONE, WORTH_IT = 16 };
	bool hidden = stage_instead(w) || stream_cut_chunks(w);

	if (hidden && w->over.count - w->over.clean >= WORTH_IT)
		return NONE;
	return hidden || !w->replaces ? PIECE : OLD_FILE_GONE;
}

/* The writer that nobody has written to for the longest time, of those that do the least harm, among those whose memory only a commit, or a part
 * cut short, frees. */
static struct writer *idlest(struct writers *all)
{
	struct writer *best = NULL;
	int best_harm = INT_MAX;
	int64_t best_wrote = INT64_MAX;

	for (struct writer *w = all->first; w; w = w->next) {
		if (pthread_mutex_trylock(&w->lock) != 0)
			continue;

		bool fits = !w->busy && !w->early_queued && w->dirty && !w->error && (!w->unlinked || stage_instead(w)) && w->over.count > w->over.clean;
		int harms = fits ? harm(w) : INT_MAX;
		bool idler = harms == best_harm ? w->wrote_ms < best_wrote : harms < best_harm;

		if (fits && idler) {
			best = w;
			best_harm = harms;
			best_wrote = w->wrote_ms;
		}
		pthread_mutex_unlock(&w->lock);
	}
	return best;
}

static uint32_t drop_clean(struct writers *all, unsigned *sending)
{
	uint32_t dropped = 0;

	for (struct writer *w = all->first; w; w = w->next) {
		if (pthread_mutex_trylock(&w->lock) != 0)
			continue;
		if (!w->busy)
			dropped += overlay_drop_clean(&w->over);
		*sending += w->stream && w->stream->begun ? w->stream->jobs : 0;
		pthread_mutex_unlock(&w->lock);
	}
	return dropped;
}

void writers_relieve(struct vault *v)
{
	struct writers *all = v->writers;
	unsigned sending = 0;

	pthread_mutex_lock(&all->lock);
	if (!drop_clean(all, &sending) && !sending && atomic_load(&all->early) < EARLY_AT_ONCE) {
		struct writer *w = idlest(all);

		if (w) {
			pthread_mutex_lock(&w->lock);
			writer_queue_early(w, true);
			pthread_mutex_unlock(&w->lock);
		}
	}
	pthread_mutex_unlock(&all->lock);
	object_cache_shrink(v);
}

void writers_pending(struct vault *v, uint64_t *bytes, unsigned *count)
{
	*bytes = 0;
	*count = 0;
	pthread_mutex_lock(&v->writers->lock);
	for (struct writer *w = v->writers->first; w; w = w->next) {
		pthread_mutex_lock(&w->lock);
		if (w->dirty && !w->error && !w->unlinked) {
			*bytes += w->busy ? w->size : (uint64_t)(w->over.count - w->over.clean) * SLAB_BYTES;
			*count += 1;
		}
		pthread_mutex_unlock(&w->lock);
	}
	pthread_mutex_unlock(&v->writers->lock);
}

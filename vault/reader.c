/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/reader.h"

#include "vault/object_private.h"

#include <errno.h>

/* A reader holds ranges: runs of chunks that were fetched, or are being fetched, into slabs of SLAB_READ.
 *
 *   QUEUED -> RUNNING   a job of the upload pool began to fetch it, or a read that needs it did so itself: a pool that is busy with uploads
 *                       never keeps a reader waiting
 *   RUNNING -> READY    its slabs hold plain text
 *   RUNNING -> FAILED   it leaves the list at once; the reads that waited for it get the error, later ones fetch anew
 *
 * One sequential stream is followed: `pos` is where it has come to, ranges are made up to `ahead`, and `window` is how far that may be. Reads
 * elsewhere are strays: they get the chunks they touch and no more, and where two follow each other, the stream moves there. The kernel sends
 * the reads of one readahead window to several threads, so that they come a little out of order.
 *
 * INVARIANTS, under the lock: a range has slabs while it is in the list, RUNNING, or used; they are given back only while it is neither RUNNING nor
 * used. Nobody waits for a range that is QUEUED, and who fetches waits for nothing but the store. Slabs are given back without the lock. */

#define MIB_CHUNKS 16u
#define FIRST_CHUNKS 18u  /* of the first range from the start: what the kernel asks in one go is in it, so that no second request delays it */
#define WINDOW_MOST 256u  /* 16 MiB */
#define WINDOW_LEAST 4u   /* chunks; where a stream begins elsewhere */
#define RANGE_MOST 128u   /* chunks of one request */
#define BACK_CHUNKS 4u    /* kept behind the stream although they were read */
#define LATE_CHUNKS 16u   /* kept behind the stream where they were not read yet */
#define NEAR_BYTES (512u * 1024) /* how far out of order a read may come */
#define STRAYS_KEPT 2u
#define SMALL_BYTES (1u << 20)   /* objects whose content is kept by object.c */
#define NOWHERE UINT64_MAX

enum range_state { RANGE_QUEUED, RANGE_RUNNING, RANGE_READY, RANGE_FAILED };

struct range {
	struct reader *reader;
	struct range *next;
	uint64_t first;          /* chunk */
	unsigned count;          /* chunks */
	unsigned users;          /* reads that wait for it or copy from it */
	unsigned refs;           /* these, the list, and a job that has not run */
	enum range_state state;
	int error;
	bool listed, stray;
	struct slab *slab[RANGE_MOST];  /* NULL: given back */
	uint32_t given[RANGE_MOST];     /* plain bytes of the chunk that reads were given */
};

struct reader {
	struct vault *v;
	struct object *object;
	uint64_t size, chunks;
	pthread_mutex_t lock;    /* everything below */
	pthread_cond_t changed;  /* a range is RUNNING no more */
	struct range *ranges;    /* newest first */
	struct slab *trash;      /* to be given back once the lock is free */
	bool refused;            /* a slab was refused since then */
	unsigned refs;           /* the owner, and jobs that have not run */
	unsigned running;        /* ranges being fetched */
	unsigned held;           /* slabs in ranges */
	unsigned reads;          /* of the stream, since it began where it is */
	unsigned window;         /* chunks */
	uint64_t pos;            /* bytes: the furthest end of the stream's reads */
	uint64_t ahead;          /* the first chunk that no range of the stream was made for */
	uint64_t stray_end;      /* where the last stray ended; NOWHERE: the stream was read since */
};

static void reader_put(struct reader *r)
{
	pthread_mutex_lock(&r->lock);
	unsigned left = --r->refs;

	pthread_mutex_unlock(&r->lock);
	if (left)
		return;
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* Whoever waits for memory is told by the giver, so nothing may be locked here. */
static void unlock(struct reader *r)
{
	struct slab *trash = r->trash;
	bool refused = r->refused;

	r->trash = NULL;
	r->refused = false;
	pthread_mutex_unlock(&r->lock);
	slab_give_list(r->v->slabs, trash);
	for (unsigned i = 0; refused && i < MIB_CHUNKS; i++)
		refused = object_cache_shrink(r->v); /* for the next range: what is being read goes before what was */
}

/* ---- Ranges. All with the lock held. */

static void drop_slab(struct range *g, unsigned i)
{
	struct reader *r = g->reader;

	if (!g->slab[i])
		return;
	g->slab[i]->next = r->trash;
	r->trash = g->slab[i];
	g->slab[i] = NULL;
	r->held--;
}

static void drop_slabs(struct range *g)
{
	for (unsigned i = 0; i < g->count; i++)
		drop_slab(g, i);
}

static void range_put(struct range *g)
{
	if (--g->refs)
		return;
	drop_slabs(g);
	free(g);
}

static void range_use(struct range *g)
{
	g->users++;
	g->refs++;
}

/* The job of a range may come late: what nobody needs is not kept for it. */
static void drop_unneeded(struct range *g)
{
	if (!g->listed && !g->users && g->state != RANGE_RUNNING)
		drop_slabs(g);
}

static void range_leave(struct range *g)
{
	g->users--;
	drop_unneeded(g);
	range_put(g);
}

static void unlist(struct range *g)
{
	struct range **at = &g->reader->ranges;

	if (!g->listed)
		return;
	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	g->listed = false;
	drop_unneeded(g);
	range_put(g);
}

/* A range in the list with as many of the wanted chunks as there is memory for; NULL: for fewer than least. */
static struct range *range_new(struct reader *r, uint64_t first, unsigned wanted, unsigned least)
{
	struct range *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	*g = (struct range){ .reader = r, .first = first, .refs = 1 };
	while (g->count < wanted) {
		struct slab *slab = slab_take(r->v->slabs, SLAB_READ);

		if (!slab)
			break;
		g->slab[g->count++] = slab;
	}
	r->held += g->count;
	r->refused |= g->count < wanted;
	if (g->count < least) {
		range_put(g);
		return NULL;
	}
	g->next = r->ranges;
	g->listed = true;
	r->ranges = g;
	return g;
}

/* The range that holds the chunk or will. */
static struct range *find(const struct reader *r, uint64_t chunk)
{
	struct range *g = r->ranges;

	while (g && (chunk < g->first || chunk - g->first >= g->count || !g->slab[chunk - g->first]))
		g = g->next;
	return g;
}

/* How many of count chunks from first on, which is in no range, come before the next range. */
static unsigned gap(const struct reader *r, uint64_t first, uint64_t count)
{
	count = min_u64(count, r->chunks - first);
	for (const struct range *g = r->ranges; g; g = g->next)
		if (g->first > first)
			count = min_u64(count, g->first - first);
	return (unsigned)min_u64(count, RANGE_MOST);
}

static void skip_covered(struct reader *r)
{
	const struct range *g;

	while (r->ahead < r->chunks && (g = find(r, r->ahead)) != NULL)
		r->ahead = g->first + g->count;
}

/* ---- Fetching */

/* Fetches a RUNNING range; without the lock, which is held on return. */
static void fetch(struct range *g)
{
	struct reader *r = g->reader;
	int rc = object_read_chunks(r->v, r->object, g->first, g->count, g->slab);

	pthread_mutex_lock(&r->lock);
	r->running--;
	g->state = rc ? RANGE_FAILED : RANGE_READY;
	g->error = rc;
	if (rc == EBADMSG) {
		r->window = WINDOW_LEAST; /* behind what failed; in it, reads get the chunks they touch and no more */
		r->reads = 0;
	} else if (rc && g->listed && !g->stray) {
		r->ahead = min_u64(r->ahead, g->first); /* to be asked for anew */
	}
	if (rc)
		unlist(g);
	pthread_cond_broadcast(&r->changed);
}

static void start(struct range *g)
{
	g->state = RANGE_RUNNING;
	g->reader->running++;
}

/* Job of the upload pool. */
static void fetch_job(void *arg)
{
	struct range *g = arg;
	struct reader *r = g->reader;

	pthread_mutex_lock(&r->lock);
	if (g->state == RANGE_QUEUED && g->listed) {
		start(g);
		pthread_mutex_unlock(&r->lock);
		fetch(g);
	}
	range_put(g);
	unlock(r);
	reader_put(r);
}

/* ---- The stream. All with the lock held. */

/* Most chunks that this reader may hold: half of what the read side could still take, so that later readers find something too. */
static unsigned share(const struct reader *r)
{
	struct slab_stats s;
	uint64_t taken = 0;

	slabs_stats(r->v->slabs, &s);
	for (int i = 0; i < SLAB_SIDES; i++)
		taken += i == SLAB_READ ? s.used[i] : max_size(s.used[i], s.floor[i]);

	uint64_t free_now = taken < s.total ? s.total - taken : 0;

	return (unsigned)max_u64(WINDOW_LEAST, min_u64(WINDOW_MOST, (free_now + r->held) / 2));
}

/* Chunks of one range of a window: a quarter of it, so that several are under way at once. */
static unsigned range_chunks(unsigned window)
{
	if (window >= 4 * MIB_CHUNKS)
		return window / 4 / MIB_CHUNKS * MIB_CHUNKS;
	return (unsigned)min_size(MIB_CHUNKS, window / 2);
}

/* Cut, where that leaves something, so that the range ends on a whole MiB. */
static unsigned whole_mib(uint64_t first, unsigned count)
{
	unsigned over = (unsigned)((first + count) % MIB_CHUNKS);

	return count >= MIB_CHUNKS && over < count ? count - over : count;
}

/* Makes the next range of the stream, for the pool to fetch: false where there is nothing to fetch, or no memory. */
static bool fetch_ahead(struct reader *r, unsigned count)
{
	skip_covered(r);
	if (r->ahead >= r->chunks)
		return false;
	count = gap(r, r->ahead, whole_mib(r->ahead, count));

	struct range *g = range_new(r, r->ahead, count, (unsigned)min_size(count, MIB_CHUNKS));

	if (!g) {
		r->window = (unsigned)max_size(WINDOW_LEAST, r->window / 2);
		return false;
	}
	g->refs++;
	r->refs++;
	if (pool_submit(r->v->upload_pool, fetch_job, g)) {
		r->refs--;
		unlist(g);
		range_put(g);
		return false;
	}
	r->ahead = g->first + g->count;
	return true;
}

/* Keeps the window filled, and widens it as long as the stream goes on. */
static void look_ahead(struct reader *r)
{
	uint64_t at = r->pos / CHUNK_BYTES;

	r->ahead = max_u64(r->ahead, at);
	if (r->reads < 2 || r->ahead >= r->chunks)
		return;
	if (r->reads > 2 && r->ahead + range_chunks(r->window) > at + r->window)
		return;
	r->window = (unsigned)min_size(2 * (size_t)r->window, share(r));

	unsigned count = range_chunks(r->window);

	while (r->ahead + count <= at + r->window && fetch_ahead(r, count))
		continue;
}

static void move_stream(struct reader *r, uint64_t offset)
{
	for (struct range *g = r->ranges, *next; g; g = next) {
		next = g->next;
		if (!g->stray)
			unlist(g);
	}
	r->pos = offset;
	r->ahead = offset / CHUNK_BYTES;
	r->window = WINDOW_LEAST;
	r->reads = 0;
}

static bool near(uint64_t offset, uint64_t place, uint64_t before, uint64_t after)
{
	return offset <= place ? place - offset <= before : offset - place <= after;
}

/* Notes a read: whether it belongs to the stream. */
static bool follow(struct reader *r, uint64_t offset, uint64_t end)
{
	if (!near(offset, r->pos, NEAR_BYTES, NEAR_BYTES)) {
		bool goes_on = r->stray_end != NOWHERE && near(offset, r->stray_end, NEAR_BYTES / 4, NEAR_BYTES / 4);
		bool inside = offset > r->pos && offset / CHUNK_BYTES < r->ahead; /* it skipped something, and the window is still good */

		r->stray_end = end;
		if (!goes_on)
			return false;
		if (!inside)
			move_stream(r, offset);
	}
	r->stray_end = NOWHERE;
	r->pos = max_u64(r->pos, end);
	r->reads += r->reads < 3;
	return true;
}

/* Gives back what lies behind the stream, and old strays. */
static void trim(struct reader *r)
{
	uint64_t at = r->pos / CHUNK_BYTES;
	unsigned strays = 0;

	for (struct range *g = r->ranges, *next; g; g = next) {
		unsigned left = 0;

		next = g->next;
		strays += g->stray;
		if (g->state != RANGE_READY || g->users)
			continue;
		for (unsigned i = 0; i < g->count; i++) {
			uint64_t chunk = g->first + i, behind = at > chunk ? at - chunk : 0;
			bool read = g->given[i] >= chunk_plain_len(r->size, chunk);

			if (g->stray ? strays > STRAYS_KEPT : behind > LATE_CHUNKS || (behind > BACK_CHUNKS && read))
				drop_slab(g, i);
			left += g->slab[i] != NULL;
		}
		if (!left)
			unlist(g);
	}
}

/* ---- Reading */

struct reading {
	struct reader *r;
	uint64_t at, end; /* bytes wanted and not yet there */
	uint8_t *out;     /* where byte `at` goes */
	bool stream;
	bool careful;     /* a larger range was damaged: only the chunks that are wanted */
};

static void advance(struct reading *x, size_t n)
{
	x->at += n;
	x->out += n;
}

/* A new range that begins so that it holds the first chunk wanted; NULL: no memory. Chunks ahead of the stream bring their window along. */
static struct range *make(struct reading *x)
{
	struct reader *r = x->r;
	uint64_t chunk = x->at / CHUNK_BYTES, last = (x->end - 1) / CHUNK_BYTES, first = chunk, count = last + 1 - chunk;
	bool onward = x->stream && !x->careful && chunk >= r->ahead;

	if (onward) {
		unsigned window = r->reads < 2 ? r->window : range_chunks(r->window);

		skip_covered(r);
		if (chunk - r->ahead <= NEAR_BYTES / CHUNK_BYTES && gap(r, r->ahead, RANGE_MOST) > chunk - r->ahead)
			first = r->ahead; /* the reads of what lies between are on their way */
		count = max_u64(last + 1 - first, whole_mib(first, window));
	}

	struct range *g = range_new(r, first, gap(r, first, count), (unsigned)min_u64(last + 1 - first, gap(r, first, count)));

	if (onward)
		r->ahead = g ? g->first + g->count : last + 1;
	if (g)
		g->stray = !onward;
	return g;
}

/* The range for the first byte wanted, to be left again; *mine: it is RUNNING, and this thread is to fetch it. NULL: no memory. */
static struct range *claim(struct reading *x, bool *mine)
{
	struct range *g = find(x->r, x->at / CHUNK_BYTES);

	if (!g)
		g = make(x);
	*mine = g && g->state == RANGE_QUEUED;
	if (*mine)
		start(g);
	if (g)
		range_use(g);
	return g;
}

/* Copies what a READY range has of the bytes wanted, without the lock, which is held before and after. */
static void copy_from(struct reading *x, struct range *g)
{
	struct reader *r = x->r;
	struct reading to = *x;

	pthread_mutex_unlock(&r->lock);
	for (unsigned i = (unsigned)(x->at / CHUNK_BYTES - g->first); to.at < to.end && i < g->count && g->slab[i]; i++) {
		size_t skip = to.at % CHUNK_BYTES, n = (size_t)min_u64(CHUNK_BYTES - skip, to.end - to.at);

		memcpy(to.out, g->slab[i]->data + skip, n);
		advance(&to, n);
	}
	pthread_mutex_lock(&r->lock);
	while (x->at < to.at) {
		size_t n = (size_t)min_u64(CHUNK_BYTES - x->at % CHUNK_BYTES, to.at - x->at);

		g->given[x->at / CHUNK_BYTES - g->first] += (uint32_t)n;
		advance(x, n);
	}
}

/* Reads up to `until` without a range; the lock is held before and after. */
static int straight(struct reading *x, uint64_t until)
{
	struct reader *r = x->r;
	size_t n = (size_t)(min_u64(until, x->end) - x->at), got;

	unlock(r); /* gives memory back, which object_read may want */

	int rc = object_read(r->v, r->object, x->at, n, x->out, &got);

	if (!rc && got != n)
		rc = EBADMSG;
	advance(x, n);
	pthread_mutex_lock(&r->lock);
	return rc;
}

/* What a failed range means for a read: damage elsewhere in it is none of its business. 0: try again, with the chunks it wants alone. */
static int from_failed(struct reading *x, const struct range *g)
{
	uint64_t last = (x->end - 1) / CHUNK_BYTES;
	bool all_mine = g->first == x->at / CHUNK_BYTES && last - g->first + 1 >= g->count;

	if (g->error != EBADMSG || all_mine)
		return g->error;
	x->careful = true;
	return 0;
}

/* Some of the bytes wanted, or none where it is to be tried again; the lock is held before and after. */
static int read_some(struct reading *x)
{
	struct reader *r = x->r;
	bool mine;
	struct range *g = claim(x, &mine);
	int rc = 0;

	if (x->stream)
		look_ahead(r);
	if (!g)
		return straight(x, (x->at / CHUNK_BYTES + gap(r, x->at / CHUNK_BYTES, RANGE_MOST)) * CHUNK_BYTES);
	if (mine) {
		unlock(r);
		fetch(g);
	}
	while (g->state == RANGE_RUNNING)
		pthread_cond_wait(&r->changed, &r->lock);
	if (g->state == RANGE_READY)
		copy_from(x, g);
	else
		rc = from_failed(x, g);
	range_leave(g);
	return rc;
}

int reader_new(struct vault *v, struct object *o, struct reader **out)
{
	struct reader *r = calloc(1, sizeof(*r));

	if (!r)
		return ENOMEM;
	*r = (struct reader){ .v = v, .object = object_ref(o), .size = object_size(o), .refs = 1, .window = FIRST_CHUNKS, .stray_end = NOWHERE };
	r->chunks = r->size / CHUNK_BYTES + (r->size % CHUNK_BYTES != 0);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	*out = r;
	return 0;
}

void reader_free(struct reader *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	while (r->ranges)
		unlist(r->ranges); /* jobs that did not begin find them gone, and do nothing */
	while (r->running)
		pthread_cond_wait(&r->changed, &r->lock);
	unlock(r);
	object_unref(r->object);
	reader_put(r);
}

/* Content that is in memory already, or may not be read at all. */
static bool kept_elsewhere(const struct reader *r, uint64_t offset, size_t len, void *out)
{
	return r->size <= SMALL_BYTES && object_cache_read(r->object, offset, len, out);
}

int reader_read(struct reader *r, uint64_t offset, size_t len, void *out, size_t *got)
{
	if (offset >= r->size || len == 0 || (object_foreign(r->object) && !r->v->config.foreign_read))
		return object_read(r->v, r->object, offset, len, out, got); /* its answers for what needs no bytes */

	*got = 0;
	len = (size_t)min_u64(len, r->size - offset);
	if (kept_elsewhere(r, offset, len, out)) {
		*got = len;
		return 0;
	}

	struct reading x = { .r = r, .at = offset, .end = offset + len, .out = out };
	int rc = 0;

	pthread_mutex_lock(&r->lock);
	x.stream = follow(r, x.at, x.end);
	while (x.at < x.end && !rc)
		rc = read_some(&x);
	trim(r);
	unlock(r);
	if (!rc)
		*got = len;
	return rc;
}

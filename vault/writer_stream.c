/* SPDX-License-Identifier: Apache-2.0 */
/* Sending parts while the file is still being written.
 *
 * A part is sent when every byte of it has arrived and at least one more byte follows: so no full chunk is sent as inner that turns out to be the
 * last, and parts with a hole wait while later ones overtake them. The slabs of a part that is sent leave the overlay, are encrypted in place by the
 * job that sends them, and are given back when the store has acknowledged it: sending needs no memory. */
#include "vault/writer_private.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>

enum { RETRY_STREAM_MS = 2000 };

void stream_free(struct stream *s)
{
	if (!s)
		return;
	upload_free(s->upload);
	object_unref(s->carry);
	free(s->parts);
	free(s);
}

static uint64_t base_carry_length(const struct object *base)
{
	return chunk_offset(chunk_count(object_size(base)) - 1);
}

bool stream_may_grow(const struct writer *w)
{
	if (!w->base || !w->licence || w->touched || w->base_limit != object_size(w->base) || w->size <= w->base_limit)
		return false;
	return base_carry_length(w->base) >= w->v->store->limits.part_min;
}

int stream_new(struct writer *w, const char *path, bool grow)
{
	struct stream *s = calloc(1, sizeof(*s));
	struct object_key key;

	if (!s)
		return ENOMEM;

	int rc = 0;

	if (grow) {
		key = *object_keys(w->base);
		s->carry = object_ref(w->base);
		s->first_chunk = chunk_count(object_size(w->base)) - 1;
	} else {
		rc = object_key_new(&key);
	}
	if (!rc)
		rc = upload_new(w->v, path, &key, &s->upload);
	object_key_wipe(&key);
	if (rc) {
		stream_free(s);
		return rc;
	}
	w->stream = s;
	return 0;
}

static uint32_t carried_parts(const struct writer *w, const struct stream *s)
{
	return s->carry ? upload_carry_pieces(w->v, chunk_offset(s->first_chunk)) : 0;
}

int stream_plan_to(struct writer *w, struct stream *s, uint64_t chunk)
{
	const struct part_plan *plan = &w->v->writers->plan;

	for (;;) {
		struct stream_part *last = s->count ? &s->parts[s->count - 1] : NULL;

		if (last && chunk < last->first + last->count)
			return 0;

		uint32_t number = last ? last->number + 1 : carried_parts(w, s) + 1;

		if (number > plan->parts_max)
			return EFBIG;
		if (s->count % 64 == 0) {
			struct stream_part *grown = realloc(s->parts, (s->count + 64) * sizeof(*grown));

			if (!grown)
				return ENOMEM;
			s->parts = grown;
			last = s->count ? &s->parts[s->count - 1] : NULL;
		}
		s->parts[s->count++] = (struct stream_part){
			.number = number,
			.first = last ? last->first + last->count : s->first_chunk,
			.count = part_chunks(plan, number),
		};
	}
}

/* Index of the planned part with that chunk, or count. Parts are in order. */
static uint32_t part_index(const struct stream *s, uint64_t chunk)
{
	uint32_t lo = 0, hi = s->count;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (s->parts[mid].first + s->parts[mid].count <= chunk)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool stream_sent_any(const struct writer *w, uint64_t offset, size_t len)
{
	const struct stream *s = w->stream;
	uint64_t first = offset / CHUNK_BYTES, last = (offset + len - 1) / CHUNK_BYTES;

	if (!s || !len)
		return false;
	for (uint32_t i = part_index(s, first); i < s->count && s->parts[i].first <= last; i++)
		if (s->parts[i].state != PART_OPEN)
			return true;
	return false;
}

/* Bytes of the overlay below hw were sent as a provisional tail: the same bytes again are no change. */
static bool differs(const struct writer *w, uint64_t offset, const uint8_t *data, size_t len)
{
	uint8_t now[4096];

	while (len) {
		size_t n = min_size(len, sizeof(now));

		if (!overlay_covers(&w->over, offset, n))
			return true;
		overlay_read(&w->over, offset, n, now);
		if (memcmp(now, data, n) != 0)
			return true;
		offset += n;
		data += n;
		len -= n;
	}
	return false;
}

/* Whether the part of data that falls into [from, to) is other than what the overlay holds there. */
static bool changes(const struct writer *w, uint64_t from, uint64_t to, uint64_t offset, const uint8_t *data, size_t len)
{
	uint64_t lo = max_u64(from, offset), hi = min_u64(to, offset + len);

	return lo < hi && differs(w, lo, data + (lo - offset), (size_t)(hi - lo));
}

bool stream_conflict(const struct writer *w, uint64_t offset, const void *data, size_t len)
{
	const struct stream *s = w->stream;

	if (!s)
		return false;
	if (offset / CHUNK_BYTES < s->first_chunk || stream_sent_any(w, offset, len))
		return true;
	if (changes(w, s->tail_from, s->tail_to, offset, data, len))
		return true;
	/* The carried base's last chunk: absorb_tail compares what was written before; from then on it is in the overlay. */
	return s->absorbed && changes(w, s->first_chunk * CHUNK_BYTES, object_size(s->carry), offset, data, len);
}

uint64_t stream_sent_end(const struct writer *w)
{
	const struct stream *s = w->stream;
	uint64_t end = s ? s->tail_to : 0;

	for (uint32_t i = s ? s->count : 0; i-- > 0;)
		if (s->parts[i].state != PART_OPEN)
			return max_u64(end, (s->parts[i].first + s->parts[i].count) * CHUNK_BYTES);
	return s && s->carry ? max_u64(end, object_size(s->carry)) : end;
}

/* ---- ends */

struct stream_job {
	struct writer *w;
	struct stream *s;
	uint32_t index; /* of the part */
	uint32_t count; /* slabs */
	bool last;
	struct object_end end;
	struct trailer trailer;
	struct slab *slabs[];
};

static void abort_job(void *arg)
{
	struct stream_job *job = arg;
	struct writer *w = job->w;

	upload_abort(job->s->upload);
	stream_free(job->s);
	free(job);
	pthread_mutex_lock(&w->lock);
	writer_job_done(w);
	pthread_mutex_unlock(&w->lock);
}

/* The last who holds an orphan ends it, on a thread that may wait. If no thread can be had, the writer's record tells recovery. */
static void end_orphan(struct writer *w, struct stream *s)
{
	struct stream_job *job = calloc(1, sizeof(*job));

	if (job) {
		*job = (struct stream_job){ .w = w, .s = s };
		w->jobs++;
		if (pool_submit(w->v->upload_pool, abort_job, job) == 0)
			return;
		w->jobs--;
		free(job);
	}
	stream_free(s);
}

void stream_orphan(struct writer *w)
{
	struct stream *s = w->stream;

	if (!s)
		return;
	w->stream = NULL;
	s->orphan = true;
	if (!s->jobs)
		end_orphan(w, s);
}

/* A job has ended, the lock is held. */
static void job_ended(struct writer *w, struct stream *s, int rc)
{
	s->jobs--;
	if (rc && !s->error)
		s->error = rc;
	if (s->orphan) {
		if (!s->jobs)
			end_orphan(w, s);
	} else if (s->error && !w->busy) {
		writer_fail(w, s->error, "a part could not be stored");
	}
	writer_job_done(w);
}

/* ---- begin */

/* The carried base's last chunk in plain: compared with what was written over it (INV-2), and brought into the overlay, so that later writes are
 * compared too. A commit needs the comparison only: nobody writes meanwhile, and it gathers from the base. */
static int absorb_plain(struct writer *w, struct stream *s, bool compare_only, const uint8_t *tail, uint32_t len)
{
	uint64_t k = s->first_chunk;

	if (s->orphan)
		return ECANCELED;
	if (!overlay_same(&w->over, k, tail, len)) {
		w->touched = true;
		return EAGAIN;
	}
	if (compare_only)
		return 0;
	if (overlay_has(&w->over, k))
		overlay_fill(&w->over, k, len, tail, len);
	else if (overlay_write(&w->over, k * CHUNK_BYTES, tail, len))
		return EAGAIN;
	s->absorbed = true;
	return 0;
}

static int absorb_tail(struct writer *w, struct stream *s, bool compare_only)
{
	uint64_t k = s->first_chunk;
	size_t len = (size_t)(object_size(s->carry) - k * CHUNK_BYTES), got = 0;
	uint8_t *tail = malloc(CHUNK_BYTES);

	if (!tail)
		return EAGAIN;

	int rc = object_read(w->v, s->carry, k * CHUNK_BYTES, len, tail, &got);

	if (!rc && got != len)
		rc = EBADMSG;
	if (!rc) {
		pthread_mutex_lock(&w->lock);
		rc = absorb_plain(w, s, compare_only, tail, (uint32_t)len);
		pthread_mutex_unlock(&w->lock);
	}
	explicit_bzero(tail, CHUNK_BYTES);
	free(tail);
	return rc;
}

int stream_begin(struct writer *w, struct stream *s, bool commit)
{
	uint32_t copied = 0;
	int rc = s->carry ? absorb_tail(w, s, commit) : 0;

	if (!rc)
		rc = writer_run(w);
	if (!rc)
		rc = upload_begin(s->upload);
	if (!rc && s->carry)
		rc = upload_carry(s->upload, s->carry, chunk_offset(s->first_chunk), &copied);
	if (!rc && copied != carried_parts(w, s))
		rc = EIO;
	if (rc == EOPNOTSUPP && s->carry) { /* not by growth, then */
		pthread_mutex_lock(&w->lock);
		w->touched = true;
		pthread_mutex_unlock(&w->lock);
		rc = EAGAIN;
	}
	return rc;
}

static void begin_job(void *arg)
{
	struct stream_job *job = arg;
	struct writer *w = job->w;
	struct stream *s = job->s;
	struct vault *v = w->v;
	int rc = stream_begin(w, s, false);

	free(job);
	pthread_mutex_lock(&w->lock);
	if (!rc)
		s->begun = true;
	if (rc == EAGAIN && !s->orphan) { /* not now, or not by growth: the bytes stay in the overlay */
		w->no_stream_before_ms = clock_mono_ms() + RETRY_STREAM_MS;
		stream_orphan(w);
	}
	job_ended(w, s, rc == EAGAIN || rc == ECANCELED ? 0 : rc);
	stream_pump(w);
	pthread_mutex_unlock(&w->lock); /* from here on w may be gone */
	writers_room(v);
}

/* ---- parts */

int stream_send_now(struct writer *w, struct stream *s, uint32_t index, struct slab **slabs, uint32_t count, const struct object_end *end)
{
	const struct stream_part *part = &s->parts[index];

	return upload_send(s->upload, part->number, part->first, slabs, count, end);
}

static void part_job(void *arg)
{
	struct stream_job *job = arg;
	struct writer *w = job->w;
	struct stream *s = job->s;
	struct vault *v = w->v;

	pthread_mutex_lock(&w->lock);

	struct stream_part part = s->parts[job->index];
	bool wanted = !s->orphan && !s->error;

	pthread_mutex_unlock(&w->lock);

	int rc = wanted ? upload_send(s->upload, part.number, part.first, job->slabs, job->count, job->last ? &job->end : NULL) : 0;

	for (uint32_t i = 0; i < job->count; i++)
		slab_give(v->slabs, job->slabs[i]);
	pthread_mutex_lock(&w->lock);
	s->parts[job->index].state = PART_SENT;
	free(job);
	job_ended(w, s, rc);
	pthread_mutex_unlock(&w->lock);
	writers_room(v);
}

int stream_submit(struct writer *w, struct stream *s, uint32_t index, uint32_t count, const struct object_end *end)
{
	struct stream_part *part = &s->parts[index];
	struct stream_job *job = calloc(1, sizeof(*job) + count * sizeof(job->slabs[0]));

	if (!job)
		return ENOMEM;
	*job = (struct stream_job){ .w = w, .s = s, .index = index, .count = count, .last = end != NULL };
	if (end) {
		job->trailer = *end->trailer;
		job->end = (struct object_end){ end->size, &job->trailer };
	}
	for (uint32_t i = 0; i < count; i++)
		job->slabs[i] = overlay_detach(&w->over, part->first + i);
	part->state = PART_SENDING;
	w->jobs++;
	s->jobs++;
	if (pool_submit(w->v->upload_pool, part_job, job) == 0)
		return 0;
	for (uint32_t i = 0; i < count; i++)
		slab_give(w->v->slabs, job->slabs[i]);
	free(job);
	w->jobs--;
	s->jobs--;
	s->error = EAGAIN; /* bytes are lost: the file fails */
	return EAGAIN;
}

static bool part_complete(const struct writer *w, uint64_t first, uint32_t count)
{
	uint64_t end = (first + count) * CHUNK_BYTES;

	return w->size > end && overlay_covers(&w->over, first * CHUNK_BYTES, (size_t)count * CHUNK_BYTES);
}

/* The last planned part, if it is open and more than the smallest part of it has arrived, with more behind. */
uint32_t stream_cut_chunks(const struct writer *w)
{
	const struct stream *s = w->stream;
	const struct stream_part *part = s && s->count ? &s->parts[s->count - 1] : NULL;
	uint32_t n = 0;

	if (!part || !s->begun || s->error || part->state != PART_OPEN || w->error || w->unlinked)
		return 0;
	while (n < part->count && part_complete(w, part->first + n, 1))
		n++;
	return n * (uint64_t)CHUNK_BYTES >= w->v->store->limits.part_min ? n : 0;
}

bool stream_cut(struct writer *w)
{
	struct stream *s = w->stream;
	uint32_t n = stream_cut_chunks(w);

	if (!n)
		return false;
	s->parts[s->count - 1].count = n; /* the next one is planned behind it */
	stream_submit(w, s, s->count - 1, n, NULL);
	if (s->error)
		writer_fail(w, EIO, "no thread to send a part");
	return true;
}

/* A stream is worth beginning when its first part is complete; for growth the base's last chunk may still lack its old bytes. */
static bool may_start(const struct writer *w, bool grow)
{
	uint32_t chunks = w->v->writers->plan.chunks;

	if (!grow)
		return !w->base && part_complete(w, 0, chunks);

	uint64_t start = object_size(w->base), end = (chunk_count(start) - 1 + chunks) * CHUNK_BYTES;

	return w->size > end && overlay_covers(&w->over, start, (size_t)(end - start));
}

static void start(struct writer *w, bool grow)
{
	struct stream_job *job = calloc(1, sizeof(*job));

	if (!job || stream_new(w, w->path, grow)) {
		free(job);
		return; /* memory is short: the bytes stay, the next write tries again */
	}
	*job = (struct stream_job){ .w = w, .s = w->stream };
	w->jobs++;
	w->stream->jobs++;
	if (pool_submit(w->v->upload_pool, begin_job, job) == 0)
		return;
	w->jobs--;
	stream_free(w->stream);
	w->stream = NULL;
	free(job);
}

void stream_send_complete(struct writer *w)
{
	struct stream *s = w->stream;

	if (!s->begun || s->error || stream_plan_to(w, s, w->size / CHUNK_BYTES))
		return;
	for (uint32_t i = 0; i < s->count; i++) {
		struct stream_part *part = &s->parts[i];

		if (part->state == PART_OPEN && part_complete(w, part->first, part->count))
			stream_submit(w, s, i, part->count, NULL);
	}
	if (s->error)
		writer_fail(w, EIO, "no thread to send a part");
}

void stream_pump(struct writer *w)
{
	struct stream *s = w->stream;

	if (w->busy || w->error || w->unlinked)
		return;
	if (!s) {
		bool grow = stream_may_grow(w);

		if (clock_mono_ms() >= w->no_stream_before_ms && (grow || !w->base) && may_start(w, grow))
			start(w, grow);
		return;
	}
	stream_send_complete(w);
}

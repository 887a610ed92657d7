/* SPDX-License-Identifier: Apache-2.0 */
/* The content of one inode: design, write path.
 *
 * What the application sees is: overlay (bytes in RAM) over base (a committed object, up to base_limit) over zeros, cut at size.
 *
 * States, each a fact about the fields rather than one more field:
 *   clean       !dirty, no stream: base is the content, the overlay holds clean chunks at most
 *   dirty       dirty, no stream: bytes, the size, or the existence of the file are not in the bucket
 *   streaming   stream != NULL: a multipart upload runs; complete parts leave the overlay for it
 *   committing  busy: one thread makes it durable (or renames, or abandons it); NOW calls answer EAGAIN, others wait
 *   staged      dirty, staging != NULL: base is a piece of the content in the staging area; nothing of it stands at the path
 *   failed      error != 0: nothing is held, nothing will be published, every write, read and commit answers the error
 * clean -> dirty            writer_write, writer_resize, and writer_new for a name that does not exist yet
 * dirty -> streaming        stream_pump, when the first part is complete and more has followed
 * dirty, streaming -> clean writer_commit, by hand, early because memory is short, or because sent bytes are asked for or changed
 * dirty -> staged           memory is short, and the file is small; or its name was removed while somebody could still read it
 * any -> failed             a request failed for good, another's object stands there, the upload vanished, ownership was lost
 * failed -> dirty           only content made anew: writer_resize(0); the caller also makes a new writer for O_TRUNC and replacement
 *
 * INV-1  While a part is sending or sent, no byte of it changes or is read: stream_conflict and stream_sent_any stand before both.
 * INV-2  Under one DEK only prefixes of one another leave the process (INV-PREFIX): a stream sends each part once, from full chunks, but for the
 *        provisional tail of writer_send, whose bytes are compared on every later write; growth carries only an untouched base.
 * INV-3  A slab is owned by the overlay, by a part that is sending, or by a commit; never by two.
 * INV-4  stands is what the next commit replaces; it changes only by our own commits, renames and by content made anew. Where a rename could not remove the old name,
 *        base is what it left at the new one, until the next commit: then base differs from stands as when staged, and is never grown.
 * Lock order: vault's list of writers, then one writer. No request is made with a lock held. */
#include "vault/writer_private.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>

static void list_add(struct writer *w)
{
	struct writers *all = w->v->writers;

	pthread_mutex_lock(&all->lock);
	w->next = all->first;
	if (all->first)
		all->first->prev = w;
	all->first = w;
	pthread_mutex_unlock(&all->lock);
}

static void list_remove(struct writer *w)
{
	struct writers *all = w->v->writers;

	pthread_mutex_lock(&all->lock);
	if (w->prev)
		w->prev->next = w->next;
	else
		all->first = w->next;
	if (w->next)
		w->next->prev = w->prev;
	pthread_mutex_unlock(&all->lock);
}

int writer_new(struct vault *v, const char *path, struct object *object, bool truncate, const struct trailer *attrs, struct writer **out)
{
	struct writer *w = calloc(1, sizeof(*w));

	if (!w)
		return ENOMEM;
	w->v = v;
	w->path = strdup(path);
	if (!w->path) {
		free(w);
		return ENOMEM;
	}
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	overlay_init(&w->over, v->slabs);
	w->attrs = *attrs;
	w->opened_s = clock_wall_s();
	w->opened_boot_ms = clock_boot_ms();
	w->wrote_ms = clock_mono_ms();
	w->stands = object_ref(object);
	if (object && !truncate) {
		w->base = object_ref(object);
		w->size = w->base_limit = object_size(object);
		w->has_bytes = w->size > 0;
	} else {
		w->dirty = true;
		w->replaces = object != NULL;
	}
	list_add(w);
	*out = w;
	return 0;
}

void writer_take(struct writer *w)
{
	while (w->busy)
		pthread_cond_wait(&w->changed, &w->lock);
	w->busy = true;
}

void writer_give(struct writer *w)
{
	struct vault *v = w->v;

	w->busy = false;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	writers_room(v);
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	list_remove(w);
	pthread_mutex_lock(&w->lock);
	writer_take(w);
	w->closing = true;
	pthread_cond_broadcast(&w->changed); /* an early commit that waits for its turn gives up */
	writer_drop_content(w);
	while (w->jobs)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
	stage_drop(w);
	object_unref(w->base);
	object_unref(w->stands);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w->path);
	free(w);
}

/* A write that would change bytes the base holds: growth under its DEK is over when it is below the last chunk. The last chunk itself is compared
 * when it matters, as the kernel writes whole pages and repeats old bytes. */
static void note_touch(struct writer *w, uint64_t offset)
{
	if (w->base && offset / CHUNK_BYTES + 1 < chunk_count(object_size(w->base)))
		w->touched = true;
}

static int write_locked(struct writer *w, uint64_t offset, const void *data, size_t len)
{
	if (w->error)
		return w->error;
	if (w->busy)
		return EAGAIN;
	if (w->discard) {
		w->size = max_u64(w->size, offset + len);
		return 0;
	}
	if (offset > w->v->writers->largest || len > w->v->writers->largest - offset)
		return EFBIG;
	if (stream_conflict(w, offset, data, len)) {
		writer_queue_early(w, false);
		return EAGAIN;
	}

	int rc = overlay_write(&w->over, offset, data, len);

	if (rc == ENOBUFS) { /* too many holes in one chunk: a commit closes them */
		writer_queue_early(w, false);
		return EAGAIN;
	}
	if (rc)
		return rc == ENOMEM ? EAGAIN : rc;
	note_touch(w, offset);
	w->size = max_u64(w->size, offset + len);
	w->dirty = true;
	w->has_bytes = true;
	w->wrote_ms = clock_mono_ms();
	stream_pump(w);
	return 0;
}

int writer_write(struct writer *w, uint64_t offset, const void *data, size_t len)
{
	if (!len)
		return 0;
	pthread_mutex_lock(&w->lock);

	int rc = write_locked(w, offset, data, len);

	pthread_mutex_unlock(&w->lock);
	return rc;
}

/* Content made anew: whatever was, is no longer wanted, and neither is its error. */
static void start_anew(struct writer *w)
{
	writer_drop_all(w);
	w->size = 0;
	w->error = 0;
	w->licence = w->touched = w->has_bytes = false;
	w->replaces = w->stands != NULL;
	w->dirty = true;
}

static int resize_locked(struct writer *w, uint64_t size)
{
	if (w->busy)
		return EAGAIN;
	if (w->discard) {
		w->size = size;
		return 0;
	}
	if (!size) {
		start_anew(w);
		return 0;
	}
	if (w->error)
		return w->error;
	if (size > w->v->writers->largest)
		return EFBIG;
	if (size == w->size)
		return 0;
	if (size < w->size) {
		if (size <= stream_sent_end(w)) { /* also exactly there: what was sent as an inner chunk would be the last one */
			writer_queue_early(w, false);
			return EAGAIN;
		}
		overlay_cut(&w->over, size);
		if (w->base && size < object_size(w->base))
			w->touched = true;
		w->base_limit = min_u64(w->base_limit, size);
	}
	w->size = size;
	w->dirty = true;
	stream_pump(w);
	return 0;
}

int writer_resize(struct writer *w, uint64_t size)
{
	pthread_mutex_lock(&w->lock);

	int rc = resize_locked(w, size);

	pthread_mutex_unlock(&w->lock);
	return rc;
}

/* Base bytes of [offset, offset+len) into out, zeros where there are none. Without the lock. */
static int read_base(struct vault *v, struct object *base, uint64_t limit, uint64_t offset, size_t len, uint8_t *out)
{
	size_t want = offset < limit ? (size_t)min_u64(len, limit - offset) : 0, got = 0;
	int rc = want && base ? object_read(v, base, offset, want, out, &got) : 0;

	if (!rc && got < want && base)
		rc = EBADMSG;
	if (!rc)
		memset(out + got, 0, len - got);
	return rc;
}

/* One try: 0, or EAGAIN when a commit came in between and the pieces no longer fit. */
static int read_once(struct writer *w, uint64_t offset, size_t len, uint8_t *out)
{
	struct object *base = object_ref(w->base);
	uint64_t limit = w->base_limit;
	bool need_base = !overlay_covers(&w->over, offset, len);
	int rc = 0;

	if (need_base) {
		pthread_mutex_unlock(&w->lock);
		rc = read_base(w->v, base, limit, offset, len, out);
		pthread_mutex_lock(&w->lock);
	}

	bool same = base == w->base && limit == w->base_limit && !w->busy && !stream_sent_any(w, offset, len) && offset + len <= w->size;

	object_unref(base);
	if (!same)
		return w->error ? w->error : EAGAIN;
	if (rc == 0)
		overlay_read(&w->over, offset, len, out);
	return rc;
}

int writer_read(struct writer *w, uint64_t offset, size_t len, void *out, size_t *got)
{
	int rc = EAGAIN;

	*got = 0;
	pthread_mutex_lock(&w->lock);
	while (rc == EAGAIN) {
		size_t want;

		while (w->busy)
			pthread_cond_wait(&w->changed, &w->lock);
		rc = w->discard ? EIO : w->error;
		want = offset < w->size ? (size_t)min_u64(len, w->size - offset) : 0;
		if (rc || !want)
			break;
		if (stream_sent_any(w, offset, want)) { /* can't be read back before Complete: so complete it */
			w->busy = true;
			rc = w->unlinked ? EIO : writer_commit_busy(w, STATE_OPEN, WRITER_KEEP);
			w->busy = false;
			pthread_cond_broadcast(&w->changed);
			rc = rc ? rc : EAGAIN;
			continue;
		}
		rc = read_once(w, offset, want, out);
		if (!rc)
			*got = want;
	}
	pthread_mutex_unlock(&w->lock);
	return rc;
}

void writer_set_attrs(struct writer *w, const struct trailer *t)
{
	pthread_mutex_lock(&w->lock);
	if (t->mode != w->attrs.mode || t->uid != w->attrs.uid || t->gid != w->attrs.gid || t->mtime.tv_sec != w->attrs.mtime.tv_sec ||
	    t->mtime.tv_nsec != w->attrs.mtime.tv_nsec) {
		w->attrs.mode = t->mode;
		w->attrs.uid = t->uid;
		w->attrs.gid = t->gid;
		w->attrs.mtime = t->mtime;
		w->attrs_dirty = true;
	}
	pthread_mutex_unlock(&w->lock);
}

void writer_attrs(struct writer *w, struct trailer *out)
{
	pthread_mutex_lock(&w->lock);
	*out = w->attrs;
	out->size = w->size;
	pthread_mutex_unlock(&w->lock);
}

void writer_look(struct writer *w, struct writer_look *out)
{
	pthread_mutex_lock(&w->lock);
	*out = (struct writer_look){
		.size = w->size,
		.dirty = w->dirty,
		.has_bytes = w->has_bytes,
		.attrs_dirty = w->attrs_dirty,
		.error = w->error,
		.unlinked = w->unlinked,
		.replaces = w->replaces,
		.committed_size = w->committed_size,
	};
	pthread_mutex_unlock(&w->lock);
}

struct object *writer_object(struct writer *w)
{
	pthread_mutex_lock(&w->lock);

	/* While it replaces something, what stands there is still the old object, not a commit of this content. */
	struct object *o = object_ref(w->base == w->stands ? w->base : w->replaces ? NULL : w->stands);

	pthread_mutex_unlock(&w->lock);
	return o;
}

void writer_abandon(struct writer *w, int error)
{
	pthread_mutex_lock(&w->lock);
	writer_take(w);
	writer_drop_content(w);
	if (w->staging) {
		stage_drop(w);
		object_unref(w->base);
		w->base = w->replaces ? NULL : object_ref(w->stands);
		w->licence = false;
	}
	w->base_limit = w->size = w->base ? object_size(w->base) : 0;
	w->has_bytes = w->size > 0;
	w->dirty = w->attrs_dirty = w->touched = false;
	if (error)
		writer_fail(w, error, "what was written could not be kept");
	writer_give(w);
}

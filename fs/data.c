/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of open files: read, write, truncate. */
#include "fs/attrs.h"
#include "fs/file.h"
#include "fs/load.h"
#include "fs/parked.h"
#include "fs/reply.h"
#include "base/clock.h"

#include <errno.h>

#define SMALL_BYTES (1u << 20) /* objects up to this size are read whole by the vault: no prefetch */

/* ---- read */

static void source_put(struct handle *h, struct source *s)
{
	bool last;

	pthread_mutex_lock(&h->lock);
	last = --s->refs == 0;
	pthread_mutex_unlock(&h->lock);
	if (!last)
		return;
	reader_free(s->reader);
	object_unref(s->object);
	free(s);
}

static struct source *source_new(struct fs *f, struct object *o)
{
	struct source *s = calloc(1, sizeof(*s));

	if (s && reader_new(f->vault, o, &s->reader) == 0) {
		s->object = object_ref(o);
		s->refs = 2; /* the handle's and the caller's */
		return s;
	}
	free(s);
	return NULL;
}

/* The reader of this object through this handle; another one's is given up. */
static struct source *source_get(struct fs *f, struct handle *h, struct object *o)
{
	struct source *s, *old = NULL;

	pthread_mutex_lock(&h->lock);
	s = h->source;
	if (s && s->object == o) {
		s->refs++;
	} else {
		old = s;
		s = source_new(f, o);
		h->source = s;
	}
	pthread_mutex_unlock(&h->lock);
	if (old)
		source_put(h, old);
	return s;
}

static int read_object(struct fs *f, struct handle *h, struct object *o, const struct call *c, void *out, size_t *got)
{
	struct source *s;
	int rc;

	if (object_size(o) <= SMALL_BYTES)
		return object_read(f->vault, o, c->offset, c->size, out, got);
	s = source_get(f, h, o);
	if (!s)
		return ENOMEM;
	rc = reader_read(s->reader, c->offset, c->size, out, got);
	source_put(h, s);
	return rc;
}

/* What is written is read through the writer, but a file that is only open, and unchanged, through its object, which has a prefetch. */
static int read_content(struct fs *f, struct handle *h, struct content *content, const struct call *c, void *out, size_t *got)
{
	struct writer_look look;
	struct object *o = NULL;
	int rc;

	writer_look(content->writer, &look);
	if (look.error)
		return EIO;
	if (!look.dirty && !look.unlinked)
		o = writer_object(content->writer);
	rc = o ? read_object(f, h, o, c, out, got) : writer_read(content->writer, c->offset, c->size, out, got);
	object_unref(o);
	return rc;
}

/* Its object is no longer what stands there. */
static void read_stale(struct fs *f, struct node *node)
{
	char path[PATH_CAP];

	fs_lock(f);
	if (!node->unlinked && !node->stale && node->parent && !node->content) {
		if (node_path(&f->nodes, node, path) == 0)
			log_path(LOG_WARN, "mount", path, "it was replaced or removed by somebody else while it was read; its readers get ESTALE");
		dir_touch(node->parent->dir, node->name);
		load_lost(f, node);
	}
	fs_unlock(f);
}

static int read_node(struct call *c, void *out, size_t *got)
{
	struct fs *f = c->fs;
	struct node *node = c->node;
	struct content *content;
	struct object *o;
	bool stale;
	int rc;

	fs_lock(f);
	content = content_ref(node->content);
	o = object_ref(node->object);
	stale = node->stale;
	fs_unlock(f);
	if (stale && !content)
		rc = ESTALE;
	else if (content)
		rc = read_content(f, c->handle, content, c, out, got);
	else
		rc = o ? read_object(f, c->handle, o, c, out, got) : EIO;
	if ((rc == ESTALE || rc == ENOENT) && !content) {
		read_stale(f, node);
		rc = ESTALE;
	}
	object_unref(o);
	content_unref(content);
	return rc;
}

static void read_run(struct call *c)
{
	AUTO_FREE char *out = NULL;
	size_t got = 0;
	int rc = 0;

	if (atomic_load(&c->cancelled))
		rc = EINTR;
	if (!rc)
		out = malloc(c->size);
	if (!rc)
		rc = out ? read_node(c, out, &got) : ENOMEM;
	if (rc)
		reply_error(c, rc == ENOENT ? EIO : rc);
	else
		reply_bytes(c, out, got);
}

void file_read(struct call *c)
{
	struct handle *h = c->handle;

	if (h->text || c->size == 0) {
		size_t from = min_size(c->offset, h->text_len);

		reply_bytes(c, h->text ? h->text + from : NULL, min_size(c->size, h->text_len - from));
		return;
	}
	call_run(c, c->fs->read_pool, read_run);
}

/* ---- write */

int file_write_now(struct fs *f, struct handle *h, const void *data, size_t len, uint64_t offset)
{
	if (!h->content)
		return EBADF;
	if (parked_any(f))
		return EAGAIN; /* others came first */
	return writer_write(h->content->writer, offset, data, len);
}

static void latch_run(struct call *c)
{
	writer_abandon(c->handle->content->writer, (int)c->flags);
	reply_error(c, (int)c->flags);
}

void file_write_failed(struct call *c, int error)
{
	struct writer_look look;

	if (!c->handle->content) {
		reply_error(c, error);
		return;
	}
	writer_look(c->handle->content->writer, &look);
	if (look.error) {
		reply_error(c, error);
		return;
	}
	/* The kernel tells an error of a background write to whoever closes first, and never sends the bytes again: only what the inode remembers
	 * keeps a file with a hole from being published. */
	c->flags = (unsigned)error;
	call_run(c, vault_commit_pool(c->fs->vault), latch_run);
}

static int write_again(struct call *c)
{
	int rc = writer_write(c->handle->content->writer, c->offset, c->data, c->size);

	if (rc == EAGAIN)
		return rc;
	if (rc)
		file_write_failed(c, rc);
	else
		reply_written(c, c->size);
	return 0;
}

static void write_given_up(struct call *c, int error)
{
	file_write_failed(c, error == ETIMEDOUT ? EIO : error);
}

static const struct parked_how parked_write = { write_again, write_given_up };

void file_write_later(struct call *c)
{
	parked_add(c, &parked_write);
}

/* ---- truncate */

static void resized(struct call *c)
{
	if (!(c->which & (SET_MTIME | SET_MTIME_NOW)))
		c->which |= SET_MTIME_NOW;
	attrs_set_rest(c);
}

/* By path: whoever did it has no descriptor whose close could tell. */
static void commit_run(struct call *c)
{
	struct fs *f = c->fs;
	struct content *content;
	int rc = 0;

	fs_lock(f);
	content = content_ref(c->node->content);
	fs_unlock(f);
	if (content) {
		rc = writer_commit(content->writer, STATE_OPEN, WRITER_KEEP);
		file_committed(f, c->node, content);
		content_unref(content);
	}
	call_leave(f, c->node);
	if (rc)
		reply_error(c, EIO);
	else
		resized(c);
}

static int resize_again(struct call *c)
{
	struct fs *f = c->fs;
	struct content *content;
	int rc = ESTALE;

	fs_lock(f);
	content = content_ref(c->node->write_handles ? c->node->content : NULL);
	fs_unlock(f);
	if (content) {
		rc = writer_resize(content->writer, c->size);
		content_unref(content); /* never the last: a handle has one */
	}
	if (rc == EAGAIN)
		return rc;
	if (rc)
		reply_error(c, rc);
	else if (c->handle || c->size == 0)
		resized(c);
	else
		call_enter(c, c->node, vault_commit_pool(f->vault), commit_run);
	return 0;
}

static void resize_given_up(struct call *c, int error)
{
	reply_error(c, error);
}

static const struct parked_how parked_resize = { resize_again, resize_given_up };

/* On a pool thread: may wait for the writer. */
static int resize_waiting(struct fs *f, struct writer *w, uint64_t size)
{
	int64_t began = clock_mono_ms();
	uint32_t limit = f->config.data_timeout_ms ? f->config.data_timeout_ms : 120000;
	int rc;

	while ((rc = writer_resize(w, size)) == EAGAIN && clock_mono_ms() - began < limit) {
		writers_relieve(f->vault);
		clock_sleep_ms(20);
	}
	return rc == EAGAIN ? ETIMEDOUT : rc;
}

/* In the node's queue: a file that nobody has open for writing, or that failed, is opened, cut, committed and closed. */
static int truncate_closed(struct fs *f, struct call *c)
{
	struct node *node = c->node;
	struct content *content = NULL;
	bool alone;
	int rc = load_node(f, node, &c->store);

	if (rc)
		return rc;
	fs_lock(f);
	rc = file_begin(f, node, c->size == 0, true);
	if (!rc)
		content = content_ref(node->content);
	fs_unlock(f);
	if (rc)
		return rc;

	rc = resize_waiting(f, content->writer, c->size);
	fs_lock(f);
	if (!rc) {
		node->attrs.mtime = c->which & SET_MTIME ? c->attr.st_mtim : clock_wall();
		writer_set_attrs(content->writer, &node->attrs);
	}
	alone = --node->write_handles == 0;
	fs_unlock(f);

	int failed = 0;

	if (rc && alone) /* with another opener, what it wrote stays */
		writer_abandon(content->writer, 0);
	if (alone)
		failed = file_finish(f, node, false);
	else if (!rc)
		failed = writer_commit(content->writer, STATE_OPEN, WRITER_KEEP);
	file_closed(f, 1);
	content_unref(content);
	return rc ? rc : failed;
}

static void truncate_run(struct call *c)
{
	struct fs *f = c->fs;
	int rc = truncate_closed(f, c);

	call_leave(f, c->node);
	if (rc)
		reply_error(c, rc);
	else
		resized(c);
}

void file_resize(struct call *c)
{
	struct fs *f = c->fs;
	bool open;

	c->size = (uint64_t)c->attr.st_size;
	fs_lock(f);
	open = c->node->content && c->node->write_handles;
	fs_unlock(f);
	if (!open)
		call_enter(c, c->node, vault_commit_pool(f->vault), truncate_run);
	else if (resize_again(c) == EAGAIN)
		parked_add(c, &parked_resize);
}

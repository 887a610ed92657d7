/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/file.h"
#include "fs/attrs.h"
#include "fs/load.h"
#include "fs/names.h"
#include "fs/parked.h"
#include "fs/reply.h"
#include "fs/sets.h"
#include "fs/settle.h"
#include "fs/status.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>


struct content *content_new(struct writer *w)
{
	struct content *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->writer = w;
	atomic_init(&c->refs, 1);
	return c;
}

struct content *content_ref(struct content *c)
{
	if (c)
		atomic_fetch_add(&c->refs, 1);
	return c;
}

void content_unref(struct content *c)
{
	if (!c || atomic_fetch_sub(&c->refs, 1) > 1)
		return;
	writer_free(c->writer);
	free(c);
}

struct handle *handle_new(struct fs *f, struct node *node)
{
	struct handle *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	pthread_mutex_init(&h->lock, NULL);
	fs_lock(f);
	h->node = node_pin(node);
	h->next = f->handles;
	if (h->next)
		h->next->prev = h;
	f->handles = h;
	fs_unlock(f);
	return h;
}

bool handle_reads(const struct fs *f, const struct node *node)
{
	for (const struct handle *h = f->handles; h; h = h->next)
		if (h->node == node && h->readable)
			return true;
	return false;
}

void handle_free(struct fs *f, struct handle *h)
{
	if (!h)
		return;
	if (h->source) {
		reader_free(h->source->reader);
		object_unref(h->source->object);
		free(h->source);
	}
	content_unref(h->content);
	fs_lock(f);
	if (h->prev)
		h->prev->next = h->next;
	else
		f->handles = h->next;
	if (h->next)
		h->next->prev = h->prev;
	dir_names_unref(h->names);
	node_unpin(&f->nodes, h->node);
	fs_unlock(f);
	pthread_mutex_destroy(&h->lock);
	free(h->text);
	free(h);
}

void file_stop(struct fs *f)
{
	struct node *node, *next;

	while (f->handles)
		handle_free(f, f->handles);
	HASH_ITER(hh, f->nodes.by_id, node, next) {
		content_unref(node->content);
		node->content = NULL;
	}
}

/* ---- open */

static bool for_writing(const struct call *c)
{
	return (c->flags & O_ACCMODE) != O_RDONLY || (c->flags & O_TRUNC);
}

static bool fresh(struct object *o)
{
	struct object_place place;

	object_place(o, &place);
	return clock_mono_ms() - place.seen_ms < LOAD_FRESH_MS;
}

/* The lock is held. May the file be opened with what is known? 0; EBUSY: the store must be asked first, in the node's queue; else the errno
 * to answer. */
static int may_open(struct fs *f, struct node *node, bool confirmed)
{
	if (node->stale)
		return ESTALE;
	if (!node->known || (node->by_seal_ms && node->type != ENTRY_FOLDER))
		return EBUSY;
	if (node->type == ENTRY_FOLDER)
		return EISDIR;
	if (node->trouble)
		return confirmed ? node->trouble : EBUSY; /* perhaps it was mended */
	if (node->foreign && !f->config.foreign_read)
		return EACCES;
	if (!node->object)
		return ESTALE; /* it was removed before anything of it was stored */
	return confirmed || fresh(node->object) ? 0 : EBUSY;
}

static bool failed(struct content *content)
{
	struct writer_look look;

	writer_look(content->writer, &look);
	return look.error != 0;
}

/* The lock is held. A writer for a node that has none: its object becomes the base, or, with O_TRUNC, what the next commit replaces. */
static int begin_content(struct fs *f, struct node *node, bool truncate)
{
	char path[PATH_CAP];
	struct writer *w;
	int rc = node_path(&f->nodes, node, path);

	if (!rc)
		rc = writer_new(f->vault, path, node->object, truncate, &node->attrs, &w);
	if (rc)
		return rc;
	node->content = content_new(w);
	if (!node->content) {
		writer_free(w); /* nothing is in it: does not wait */
		return ENOMEM;
	}
	if (node->unsettled) { /* they ride on its next commit */
		struct trailer wanted = node->attrs, stored;

		object_attrs(node->object, &stored);
		writer_set_attrs(w, &stored);
		writer_set_attrs(w, &wanted);
		settle_cancel(f, node);
	}
	return 0;
}

int file_begin(struct fs *f, struct node *node, bool truncate, bool inside)
{
	int rc = 0;

	if (!inside && node->busy && !node->write_handles)
		return EBUSY; /* its last close is being finished, or it is being moved */
	if (!node->content) {
		rc = may_open(f, node, inside);
		if (!rc)
			rc = node->foreign ? EACCES : begin_content(f, node, truncate);
	} else if (truncate) {
		rc = writer_resize(node->content->writer, 0);
	} else if (failed(node->content)) {
		rc = EIO;
	}
	if (rc)
		return rc;
	node->write_handles++;
	f->write_handles++;
	sets_opened(f, node);
	return 0;
}

/* The lock is held. */
static int open_for_writing(struct fs *f, struct call *c, struct handle *h, bool inside)
{
	struct node *node = c->node;
	bool truncate = c->flags & O_TRUNC;
	int rc = file_begin(f, node, truncate, inside);

	if (rc)
		return rc;
	h->content = content_ref(node->content);
	if (truncate) {
		node->mark = STATE_OPEN;
		node->attrs.mtime = node->changed = clock_wall();
		writer_set_attrs(h->content->writer, &node->attrs);
	}
	return 0;
}

/* The lock is held. */
static int open_for_reading(struct fs *f, struct call *c, bool inside)
{
	struct node *node = c->node;

	int rc;

	if (node->content)
		return failed(node->content) ? EIO : 0;
	rc = may_open(f, node, inside);
	return rc ? rc : sets_check(f, node);
}

static void open_refused(struct call *c, int rc)
{
	struct fs *f = c->fs;
	struct node *node = c->node;
	char path[PATH_CAP];
	bool foreign;

	fs_lock(f);
	if (node_path(&f->nodes, node, path))
		path[0] = '\0';
	foreign = node->foreign;
	fs_unlock(f);
	if (rc == EACCES && foreign)
		log_path(LOG_WARN, "mount", path, "not opened: it was not written by pishopfs (--foreign=read shows such files as they are)");
	else if (rc == EIO)
		log_path(LOG_WARN, "mount", path, "not opened: what was last written to it could not be stored; write it anew or remove it");
	else if (rc != ESTALE && rc != EISDIR)
		log_path(LOG_WARN, "mount", path, "not opened: %s", strerror(rc));
	reply_error(c, rc);
}

static void open_ask(struct call *c);
static int open_again(struct call *c);
static void open_give_up(struct call *c, int error);

static const struct parked_how parked_open = { open_again, open_give_up };

/* Answers, or sends the call where it can wait. inside: it is in the node's queue, and the store was asked. */
static void open_try(struct call *c, bool inside)
{
	struct fs *f = c->fs;
	struct node *node = c->node;
	struct handle *h = handle_new(f, node);
	int rc = h ? 0 : ENOMEM;

	if (h && for_writing(c))
		caller_opens(c->pid, &h->opener);
	fs_lock(f);
	if (h)
		h->readable = (c->flags & O_ACCMODE) != O_WRONLY;
	if (!rc)
		rc = for_writing(c) ? open_for_writing(f, c, h, inside) : open_for_reading(f, c, inside);
	fs_unlock(f);
	if (inside)
		call_leave(f, node);
	if (!rc) {
		if (h->content && !h->opener.tgid)
			status_unseen(f);
		reply_open(c, h);
		return;
	}
	handle_free(f, h);
	if (rc == EAGAIN) /* O_TRUNC while a commit has the file */
		parked_add(c, &parked_open);
	else if (rc == EBUSY)
		call_enter(c, node, f->meta_pool, open_ask);
	else
		open_refused(c, rc);
}

static int open_again(struct call *c)
{
	open_try(c, false);
	return 0;
}

static void open_give_up(struct call *c, int error)
{
	reply_error(c, error);
}

/* In the node's queue. */
static void open_ask(struct call *c)
{
	struct fs *f = c->fs;
	int rc;

	fs_lock(f);
	if (c->node->trouble)
		c->node->known = false;
	fs_unlock(f);
	rc = load_node(f, c->node, &c->store);
	if (!rc)
		rc = load_confirm(f, c->node, &c->store);
	if (!rc) {
		open_try(c, true);
		return;
	}
	call_leave(f, c->node);
	reply_error(c, rc == ENOENT ? ESTALE : rc); /* ESTALE: the kernel looks the name up again */
}

void file_open(struct call *c)
{
	struct fs *f = c->fs;

	if (c->node->special)
		status_open(c);
	else if (for_writing(c) && (f->config.read_only || atomic_load(&f->stopping)))
		reply_refused(c, EROFS);
	else
		open_try(c, false);
}

/* ---- create */

/* The lock is held. A node with an empty file that is nowhere yet. */
static int make_file(struct fs *f, struct call *c, struct handle *h, const struct trailer *attrs)
{
	struct node *node = node_make(&f->nodes, c->node, c->name, ENTRY_FILE);
	int rc = ENOMEM;

	if (!node)
		return ENOMEM;
	node->attrs = *attrs;
	node->atime = node->changed = node->attrs.mtime;
	node->known = true;
	rc = begin_content(f, node, false);
	if (rc) {
		dir_drop(c->node->dir, c->name);
		node_detach(&f->nodes, node);
		node_review(&f->nodes, node);
		return rc;
	}
	h->node = c->other = node_pin(node);
	node_pin(node);
	h->content = content_ref(node->content);
	node->write_handles = 1;
	f->write_handles++;
	sets_opened(f, node);
	dir_put(c->node->dir, c->name, false, node);
	attrs_touch_folder(c->node);
	return 0;
}

void file_create(struct call *c)
{
	struct fs *f = c->fs;
	char path[PATH_CAP];
	struct trailer attrs;
	struct handle *h;
	int rc = names_may_create(c, path, file_create);

	if (rc == EAGAIN)
		return;
	if (rc) {
		/* Somebody else made it behind the kernel's back: ESTALE makes the kernel look again, and open it. */
		reply_refused(c, rc == EEXIST && !(c->flags & O_EXCL) ? ESTALE : rc);
		return;
	}
	h = handle_new(f, NULL);
	if (!h) {
		reply_error(c, ENOMEM);
		return;
	}
	caller_opens(c->pid, &h->opener);
	h->readable = (c->flags & O_ACCMODE) != O_WRONLY;
	names_new_attrs(c, ENTRY_FILE, &attrs);
	fs_lock(f);
	rc = make_file(f, c, h, &attrs);
	fs_unlock(f);
	if (rc) {
		handle_free(f, h);
		reply_error(c, rc);
		return;
	}
	if (!h->opener.tgid)
		status_unseen(f);
	reply_create(c, c->other, h);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Closes: flush, fsync, release. What each does is decided in flush_policy.c; here it is done. */
#include "fs/file.h"
#include "fs/flush_policy.h"
#include "fs/reply.h"
#include "fs/sets.h"
#include "fs/settle.h"

#include <errno.h>

static void path_for_log(struct fs *f, struct node *node, char out[PATH_CAP])
{
	fs_lock(f);
	if (node_path(&f->nodes, node, out))
		out[0] = '\0';
	fs_unlock(f);
}

void file_committed(struct fs *f, struct node *node, struct content *content)
{
	struct object *o = writer_object(content->writer);
	struct object *old = NULL;

	if (!o)
		return;
	fs_lock(f);
	if (o != node->object) {
		old = node->object;
		node->object = object_ref(o);
		node->publishing = true;
	}
	if (node->parent)
		dir_touch(node->parent->dir, node->name); /* also where its attributes alone were written */
	fs_unlock(f);
	object_unref(old);
	object_unref(o);
}

/* What an application can act on is told as it is; the log has the rest. */
static int told(int rc)
{
	return !rc || rc == ENOSPC || rc == EDQUOT || rc == EFBIG ? rc : EIO;
}

/* ---- flush */

/* The lock is held. A new trailer behind a large object makes the store copy all of it. That is worth it for the state of an archive whose compressor closed
 * it (tar ends a moment later, and whoever looks then must see that it is complete), not behind an fsync, which is often followed by more. */
static bool state_worth_it(const struct node *node)
{
	enum { ALWAYS = 64 << 20 };
	uint64_t size = object_size(node->object);

	return size <= ALWAYS || (node->by_close && size <= WRITER_STATE_MAX);
}

static void say_mark(struct fs *f, struct node *node, const struct flush_verdict *v)
{
	const char *how = v->mark == STATE_KILLED ? "its writer was killed, or lost its parent" : "its writer exited with an error without closing it";
	char path[PATH_CAP];

	path_for_log(f, node, path);
	if (v->action == FLUSH_FAIL)
		log_path(LOG_WARN, "commit", path, "%s: the file that it was to replace stays as it was", how);
	else
		log_path(LOG_WARN, "commit", path, "%s: kept, and marked as incomplete", how);
}

static struct flush_verdict decide(struct fs *f, struct call *c)
{
	struct handle *h = c->handle;
	struct node *node = c->node;
	struct flush_input in = { 0 };
	struct flush_verdict v;
	struct trailer stored;
	bool marked;

	caller_closes(c->pid, &h->opener, &in.who);
	writer_look(h->content->writer, &in.look);
	fs_lock(f);
	in.others = node->write_handles > 1;
	in.mark = node->mark;
	if (node->publishing && node->object) {
		object_attrs(node->object, &stored);
		in.stands_open = stored.state == STATE_OPEN && state_worth_it(node);
	}
	v = flush_decide(&in);
	marked = v.mark != node->mark;
	node->mark = v.mark;
	node->unseen |= v.unseen;
	f->killed += marked;
	fs_unlock(f);
	if (marked)
		say_mark(f, node, &v);
	return v;
}

/* The verdict travels in the call: flags is the action, mode the state. */
static void flush_run(struct call *c)
{
	struct fs *f = c->fs;
	struct content *content = c->handle->content;
	enum trailer_state state = c->mode;
	bool last = state != STATE_OPEN;
	int rc;

	if (c->flags == FLUSH_SEND)
		rc = writer_send(content->writer, state);
	else
		rc = writer_commit(content->writer, state, last ? WRITER_DROP : WRITER_KEEP);
	file_committed(f, c->node, content);
	if (c->flags == FLUSH_CLOSE)
		rc = 0; /* nothing is lost: settle.c tries again */
	fs_lock(f);
	c->node->by_close = !rc && !last;
	fs_unlock(f);
	call_leave(f, c->node);
	reply_error(c, told(rc));
}

/* A reader's close: it has nothing to save, but should know that what it may have read will not be there. */
static int reader_flush(struct fs *f, struct node *node)
{
	struct writer_look look = { 0 };

	fs_lock(f);
	if (node->content)
		writer_look(node->content->writer, &look);
	fs_unlock(f);
	return look.error ? EIO : 0;
}

void file_flush(struct call *c)
{
	struct fs *f = c->fs;
	struct flush_verdict v;

	if (!c->handle->content) {
		reply_error(c, reader_flush(f, c->node));
		return;
	}
	v = decide(f, c);
	if (v.action == FLUSH_NOTHING || v.action == FLUSH_FAIL) {
		reply_error(c, v.action == FLUSH_FAIL ? EIO : 0);
		return;
	}
	c->flags = v.action;
	c->mode = v.state;
	call_enter(c, c->node, vault_commit_pool(f->vault), flush_run);
}

/* ---- fsync */

static void fsync_run(struct call *c)
{
	struct fs *f = c->fs;
	struct content *content;
	enum trailer_state state;
	int rc;

	fs_lock(f);
	content = content_ref(c->node->content);
	state = c->node->mark ? c->node->mark : c->node->unseen ? STATE_UNKNOWN : STATE_OPEN;
	fs_unlock(f);
	if (content) {
		rc = writer_commit(content->writer, state, WRITER_KEEP);
		file_committed(f, c->node, content);
		content_unref(content);
		fs_lock(f);
		c->node->by_close = false;
		fs_unlock(f);
	} else {
		rc = settle_now(f, c->node);
	}
	call_leave(f, c->node);
	reply_error(c, told(rc));
}

void file_fsync(struct call *c)
{
	struct fs *f = c->fs;
	struct content *content;
	struct writer_look look = { 0 };
	bool needed;

	fs_lock(f);
	content = content_ref(c->node->content);
	needed = c->node->unsettled;
	fs_unlock(f);
	if (content) {
		writer_look(content->writer, &look);
		needed = look.error || look.dirty || look.attrs_dirty;
	}
	if (needed)
		call_enter(c, c->node, vault_commit_pool(f->vault), fsync_run);
	else
		reply_error(c, 0);
	content_unref(content);
}

/* ---- the end of writing */

/* The lock is held. The object is back to what it was before a dead writer opened it, but the kernel believes its own size: only a new node
 * shows the old file again. */
static void back_to_old(struct fs *f, struct node *node)
{
	if (!node->parent)
		return;
	node->stale = true;
	notice_name(f, node->parent, node->name);
	node_detach(&f->nodes, node);
}

/* The lock is held. What is not in the bucket yet of attributes and state is written a moment later. */
static void settle_rest(struct fs *f, struct node *node, const struct writer_look *look, enum trailer_state state)
{
	struct trailer stored;
	bool other_state = false;

	if (node->unlinked || !node->object || object_foreign(node->object))
		return;
	object_attrs(node->object, &stored);
	if (node->publishing && (look->attrs_dirty || state_worth_it(node)))
		other_state = stored.state != state;
	node->attrs.state = other_state ? state : stored.state;
	if (look->attrs_dirty || other_state)
		settle_later(f, node);
}

/* Takes the content off its node, unless it failed: then it stays, as the reason of every EIO. */
static void take_off(struct fs *f, struct node *node, struct content *content, const struct release_verdict *v)
{
	struct writer_look look;

	file_committed(f, node, content);
	writer_look(content->writer, &look);
	fs_lock(f);
	if (!look.error || look.unlinked) {
		node->content = NULL;
		node->size = node->object ? object_size(node->object) : 0;
		if (v->action == RELEASE_ABANDON)
			back_to_old(f, node);
		else
			settle_rest(f, node, &look, v->state);
	}
	node->mark = STATE_OPEN;
	node->unseen = node->publishing = node->by_close = false;
	look.error = node->content ? look.error : 0;
	fs_unlock(f);
	if (!look.error)
		content_unref(content);
}

static void say_end(struct fs *f, struct node *node, const struct release_verdict *v, int rc)
{
	char path[PATH_CAP];

	if (!rc && v->action != RELEASE_ABANDON)
		return;
	path_for_log(f, node, path);
	if (rc)
		log_path(LOG_ERROR, "commit", path, "not stored: %s; it cannot be opened until it is written anew or removed", strerror(rc));
	else
		log_path(LOG_WARN, "commit", path, "what its dead writer had written is dropped; the file that stood there is unchanged");
}

/* At drain the kernel is gone: an open file is not closed by anybody, and one that was only truncated so far was not meant to be empty. */
static void at_drain_verdict(struct release_verdict *v, const struct writer_look *look, bool open, bool unseen)
{
	if (v->action != RELEASE_COMMIT || !open)
		return;
	if (look->replaces && !look->has_bytes)
		v->action = RELEASE_ABANDON;
	else if (v->state == STATE_CLOSED)
		v->state = unseen ? STATE_UNKNOWN : STATE_OPEN;
}

static bool mark_bad(enum trailer_state state)
{
	return state == STATE_KILLED || state == STATE_FAILED;
}

int file_finish(struct fs *f, struct node *node, bool at_drain)
{
	struct content *content;
	struct writer_look look;
	struct release_verdict v;
	bool unseen, open;
	enum trailer_state mark;
	int rc = 0;

	fs_lock(f);
	content = content_ref(node->content);
	mark = node->mark;
	unseen = node->unseen;
	open = node->write_handles > 0;
	fs_unlock(f);
	if (!content)
		return 0;
	writer_look(content->writer, &look);
	v = release_decide(&look, mark, unseen);
	if (at_drain)
		at_drain_verdict(&v, &look, open, unseen);
	if (v.action == RELEASE_COMMIT)
		rc = writer_commit(content->writer, v.state, WRITER_DROP);
	else if (v.action == RELEASE_FAIL)
		rc = look.error;
	if (rc || v.action == RELEASE_ABANDON)
		writer_abandon(content->writer, rc);
	say_end(f, node, &v, rc);
	take_off(f, node, content, &v);
	content_unref(content);
	if (!open)
		sets_closed(f, node, !rc && !mark_bad(v.state) && (v.action == RELEASE_DONE || v.action == RELEASE_COMMIT));
	return rc;
}

void file_closed(struct fs *f, unsigned count)
{
	fs_lock(f);
	f->write_handles -= count;
	pthread_cond_broadcast(&f->changed);
	fs_unlock(f);
}

static void finish_run(struct call *c)
{
	struct fs *f = c->fs;
	bool last;

	fs_lock(f);
	last = c->node->write_handles == 0;
	fs_unlock(f);
	if (last)
		file_finish(f, c->node, false);
	handle_free(f, c->handle);
	call_leave(f, c->node);
	file_closed(f, 1);
	call_free(c);
}

static void free_run(struct call *c)
{
	handle_free(c->fs, c->handle);
	call_free(c);
}

void file_let_go(struct fs *f, struct handle *h)
{
	struct call *c;

	if (!h->content && !h->source) {
		handle_free(f, h); /* does not wait */
		return;
	}
	c = call_new(f, NULL, h->node);
	if (!c)
		return; /* no memory: the handle stays, and drain finishes its file */
	c->handle = h;
	if (!h->content) {
		call_run(c, f->read_pool, free_run);
		return;
	}
	fs_lock(f);
	h->node->write_handles--;
	fs_unlock(f);
	call_enter(c, h->node, vault_commit_pool(f->vault), finish_run);
}

void file_unopened(struct fs *f, struct handle *h)
{
	fs_lock(f);
	if (h->content && h->node->write_handles == 1)
		h->node->mark = STATE_KILLED;
	fs_unlock(f);
	file_let_go(f, h);
}

void file_release(struct call *c)
{
	struct fs *f = c->fs;
	struct handle *h = c->handle;

	file_let_go(f, h);
	reply_error(c, 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Removing names: unlink and rmdir. Removals of files may wait for a batch; those of folders send it. */
#include "fs/attrs.h"
#include "fs/file.h"
#include "fs/load.h"
#include "fs/names.h"
#include "fs/reply.h"
#include "fs/settle.h"
#include "fs/witness.h"
#include "base/clock.h"

#include <errno.h>

struct content *names_gone(struct fs *f, struct node *node)
{
	struct node *folder = node->parent;
	struct content *content = node->content;

	node->unlinked = true;
	settle_cancel(f, node);
	if (content)
		writer_unlinked(content->writer, handle_reads(f, node));
	if (folder) {
		attrs_touch_folder(folder);
		dir_drop(folder->dir, node->name);
		node_detach(&f->nodes, node);
	}
	if (node->write_handles)
		return NULL;
	node->content = NULL;
	return content;
}

/* Queues the removal of the file at path. Does not block. */
static int remove_file(struct fs *f, const char *path, struct object *o)
{
	struct object_place place;

	if (!o)
		return tree_remove_later(f->vault, path, false);
	object_place(o, &place);
	return tree_remove_known_later(f->vault, path, false, place.etag);
}

static void unlink_run(struct call *c)
{
	struct fs *f = c->fs;
	struct node *node = c->other;
	struct content *content, *drop = NULL;
	char path[PATH_CAP];
	bool readable;
	int rc;

	fs_lock(f);
	content = content_ref(node->content);
	readable = handle_reads(f, node);
	rc = node_path(&f->nodes, node, path);
	fs_unlock(f);
	if (!rc)
		rc = content ? writer_unlink(content->writer, readable) : remove_file(f, path, node->object);
	fs_lock(f);
	if (!rc) {
		witness_removed(c, node);
		drop = names_gone(f, node);
	}
	fs_unlock(f);
	content_unref(drop);
	content_unref(content);
	call_leave(f, node);
	reply_error(c, rc);
}

/* The lock is held. A closed file that nobody is busy with: EAGAIN where it is not. */
static int unlink_now(struct call *c, struct node *node)
{
	struct fs *f = c->fs;
	char path[PATH_CAP];
	int rc;

	if (node->content || !call_idle(node))
		return EAGAIN;
	rc = node_path(&f->nodes, node, path);
	if (!rc)
		rc = remove_file(f, path, node->object);
	if (rc)
		return rc;
	witness_removed(c, node);
	names_gone(f, node);
	return 0;
}

void names_unlink(struct call *c)
{
	struct fs *f = c->fs;
	struct node *node = NULL;
	enum found found;
	int rc = 0;

	fs_lock(f);
	found = names_find(f, c->node, c->name, c->listed, &node);
	if (found == NAME_FOUND) {
		c->other = node_pin(node);
		if (node->special)
			rc = EPERM;
		else
			rc = node->type == ENTRY_FOLDER ? EISDIR : unlink_now(c, node);
	}
	fs_unlock(f);
	if (found == NAME_ASK)
		names_ask(c, c->node, names_unlink);
	else if (found != NAME_FOUND)
		reply_refused(c, ENOENT);
	else if (rc == EAGAIN)
		call_enter(c, node, vault_commit_pool(f->vault), unlink_run);
	else
		reply_error(c, rc);
}

void names_vanish(struct call *c)
{
	struct fs *f = c->fs;
	struct dir_entry *e = NULL;
	struct content *drop = NULL;

	fs_lock(f);
	dir_find(c->node->dir, c->name, 0, &e);
	if (e && e->node)
		drop = names_gone(f, e->node);
	else
		dir_drop(c->node->dir, c->name);
	fs_unlock(f);
	content_unref(drop);
	reply_error(c, 0);
}

/* ---- rmdir */

int names_check_empty(struct fs *f, struct node *folder, struct store_call *call)
{
	bool fresh;
	size_t count;
	int rc;

	fs_lock(f);
	fresh = dir_fresh(folder->dir, clock_mono_ms());
	count = dir_count(folder->dir);
	fs_unlock(f);
	if (!fresh) {
		rc = load_names(f, folder, call);
		if (rc)
			return rc;
		fs_lock(f);
		count = dir_count(folder->dir);
		fs_unlock(f);
	}
	return count ? ENOTEMPTY : 0;
}

static void rmdir_run(struct call *c)
{
	struct fs *f = c->fs;
	struct node *node = c->other;
	char path[PATH_CAP];
	int rc = names_check_empty(f, node, &c->store), sent = 0;

	fs_lock(f);
	if (!rc)
		rc = node_path(&f->nodes, node, path);
	fs_unlock(f);
	if (!rc)
		rc = tree_remove_later(f->vault, path, true);
	if (!rc)
		sent = tree_send_removals(f->vault, path);
	fs_lock(f);
	if (!rc && !sent) {
		witness_removed(c, node);
		names_gone(f, node);
	} else if (sent) { /* some names exist again: which, only the store knows */
		dir_expire(node->dir);
		dir_expire(c->node->dir);
	}
	fs_unlock(f);
	call_leave(f, node);
	reply_error(c, rc ? rc : sent);
}

void names_rmdir(struct call *c)
{
	struct fs *f = c->fs;
	struct node *node = NULL;
	enum found found;
	int rc = 0;

	fs_lock(f);
	found = names_find(f, c->node, c->name, c->listed, &node);
	if (found == NAME_FOUND) {
		c->other = node_pin(node);
		rc = node->special ? EPERM : node->type == ENTRY_FOLDER ? 0 : ENOTDIR;
	}
	fs_unlock(f);
	if (found == NAME_ASK)
		names_ask(c, c->node, names_rmdir);
	else if (found != NAME_FOUND)
		reply_refused(c, ENOENT);
	else if (rc)
		reply_refused(c, rc);
	else
		call_enter(c, node, f->meta_pool, rmdir_run);
}

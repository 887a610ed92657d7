/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/folder.h"
#include "fs/attrs.h"
#include "fs/load.h"
#include "fs/reply.h"
#include "fs/settle.h"
#include "fs/status.h"
#include "base/clock.h"

#include <errno.h>

void folder_open(struct call *c)
{
	struct fs *f = c->fs;
	struct handle *h;
	bool stale;

	fs_lock(f);
	stale = c->node->stale;
	fs_unlock(f);
	if (stale) {
		reply_refused(c, ESTALE);
		return;
	}
	h = handle_new(f, c->node);
	if (h)
		reply_open(c, h);
	else
		reply_error(c, ENOMEM);
}

/* The lock is held. */
static int take_names(struct call *c)
{
	struct handle *h = c->handle;
	struct node_table *nodes = &c->fs->nodes;

	dir_names_unref(h->names);
	h->names = dir_snapshot(c->node->dir);
	if (!h->names && nodes_shrink(nodes))
		h->names = dir_snapshot(c->node->dir);
	if (h->names)
		return 0;
	log_path(LOG_ERROR, "mount", c->node->name, "cannot be listed: the memory for names does not hold its %zu entries once more: mount with more --memory",
		 dir_count(c->node->dir));
	return ENOMEM;
}

static void read_listed(struct call *c)
{
	struct fs *f = c->fs;
	int rc = load_names(f, c->node, &c->store);

	if (!rc) {
		fs_lock(f);
		rc = take_names(c);
		fs_unlock(f);
	}
	call_leave(f, c->node);
	if (rc)
		reply_error(c, rc);
	else
		reply_names(c);
}

void folder_read(struct call *c)
{
	struct fs *f = c->fs;
	bool ask = false;
	int rc = 0;

	fs_lock(f);
	if (!c->handle->names || c->offset == 0) {
		ask = !c->node->special && !c->node->unlinked && !dir_readable(c->node->dir, clock_mono_ms());
		if (ask && dir_fresh(c->node->dir, clock_mono_ms()))
			dir_expire(c->node->dir);
		if (!ask)
			rc = take_names(c);
	}
	fs_unlock(f);
	if (ask)
		call_enter(c, c->node, f->meta_pool, read_listed);
	else if (rc)
		reply_error(c, rc);
	else
		reply_names(c);
}

/* ---- one entry */

static void fill_known(struct fs *f, struct node *node, struct folder_item *item)
{
	attrs_stat(f, node, &item->st);
	item->node = node;
}

static void dots(struct fs *f, struct handle *h, uint64_t offset, struct folder_item *item)
{
	const struct node *node = h->node;

	fs_lock(f);
	if (offset == 1 && node->parent)
		node = node->parent;
	item->name = offset ? ".." : ".";
	item->st = (struct stat){ .st_ino = node->ino, .st_mode = S_IFDIR };
	fs_unlock(f);
}

/* What a listing says without a request: folders are folders, and what is too long for a link is a file. */
static mode_t likely_type(const struct dir_name *n)
{
	if (n->folder)
		return S_IFDIR;
	return n->size > SYMLINK_MAX ? S_IFREG : 0;
}

static mode_t node_type(const struct node *node)
{
	return node->type == ENTRY_SYMLINK ? S_IFLNK : node->type == ENTRY_FOLDER ? S_IFDIR : S_IFREG;
}

bool folder_item(struct fs *f, struct handle *h, uint64_t offset, bool plus, struct folder_item *item)
{
	struct dir_entry *e = NULL;
	struct node *node = NULL;
	const struct dir_name *n;
	bool known;

	*item = (struct folder_item){ 0 };
	if (offset < 2) {
		dots(f, h, offset, item);
		return true;
	}
	if (h->node->special && offset == 2 && status_item(f, item))
		return true;
	if (offset - 2 >= h->names->count)
		return false;
	n = &h->names->names[offset - 2];
	item->name = n->name;
	fs_lock(f);
	dir_find(h->node->dir, n->name, 0, &e);
	node = e ? node_pin(e->node) : NULL;
	known = node && node->known;
	item->st.st_ino = node ? node->ino : node_ino_of(&f->nodes, h->node, n->name);
	item->st.st_mode = known ? node_type(node) : likely_type(n);
	if (node && !(known && plus))
		node_unpin(&f->nodes, node);
	fs_unlock(f);
	if (known && plus)
		fill_known(f, node, item);
	return true;
}

void folder_item_end(struct fs *f, struct folder_item *item)
{
	fs_lock(f);
	node_unpin(&f->nodes, item->node);
	fs_unlock(f);
}

/* ---- fsync */

static void fsync_settled(struct call *c, int error)
{
	struct fs *f = c->fs;
	char path[PATH_CAP];
	int rc, sent = 0;

	fs_lock(f);
	rc = node_path(&f->nodes, c->node, path);
	fs_unlock(f);
	if (!rc)
		sent = tree_send_removals(f->vault, path);
	if (sent) {
		fs_lock(f);
		dir_expire(c->node->dir);
		fs_unlock(f);
	}
	reply_error(c, error || sent ? EIO : 0);
}

static void fsync_run(struct call *c)
{
	settle_folder(c, fsync_settled);
}

void folder_fsync(struct call *c)
{
	call_run(c, vault_commit_pool(c->fs->vault), fsync_run);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/attrs.h"
#include "fs/file.h"
#include "fs/load.h"
#include "fs/reply.h"
#include "fs/settle.h"
#include "fs/status.h"
#include "base/clock.h"

#include <errno.h>

#define BLOCK_SIZE 131072 /* st_blksize: what cp and stdio take as their buffer */

static mode_t type_bits(const struct node *node)
{
	if (node->type == ENTRY_FOLDER)
		return S_IFDIR;
	return node->type == ENTRY_SYMLINK ? S_IFLNK : S_IFREG;
}

void attrs_stat(struct fs *f, struct node *node, struct stat *out)
{
	struct content *content;
	struct writer_look look;
	uint64_t size;

	fs_lock(f);
	content = content_ref(node->content);
	size = node->type == ENTRY_FOLDER ? 0 : node->size;
	*out = (struct stat){
		.st_ino = node->ino,
		.st_mode = type_bits(node) | node->attrs.mode,
		.st_nlink = node->unlinked ? 0 : node->type == ENTRY_FOLDER ? 2 : 1,
		.st_uid = node->attrs.uid,
		.st_gid = node->attrs.gid,
		.st_atim = node->atime,
		.st_mtim = node->attrs.mtime,
		.st_ctim = node->changed,
		.st_blksize = BLOCK_SIZE,
	};
	fs_unlock(f);
	if (content) {
		writer_look(content->writer, &look);
		size = look.size;
		content_unref(content);
	}
	if (node->special && node->type == ENTRY_FILE)
		size = status_size(f);
	out->st_size = (off_t)size;
	out->st_blocks = (blkcnt_t)((size + 4095) / 4096 * 8);
}

void attrs_touch_folder(struct node *folder)
{
	if (folder->known)
		folder->attrs.mtime = folder->changed = clock_wall();
}

static void get_loaded(struct call *c)
{
	struct fs *f = c->fs;
	int rc = load_look(f, c->node, &c->store);

	call_leave(f, c->node);
	if (rc)
		reply_error(c, rc);
	else
		reply_attr(c, c->node);
}

void attrs_get(struct call *c)
{
	struct fs *f = c->fs;
	bool known, stale;

	fs_lock(f);
	known = load_looked(c->node);
	stale = c->node->stale;
	fs_unlock(f);
	if (stale)
		reply_error(c, ESTALE);
	else if (known)
		reply_attr(c, c->node);
	else
		call_enter(c, c->node, f->meta_pool, get_loaded);
}

/* ---- setattr */

static struct timespec pick(int which, int now_bit, struct timespec given)
{
	return which & now_bit ? clock_wall() : given;
}

static bool equal(const struct trailer *a, const struct trailer *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid && a->mtime.tv_sec == b->mtime.tv_sec &&
	       a->mtime.tv_nsec == b->mtime.tv_nsec;
}

static void merge_attrs(struct trailer *t, const struct call *c)
{
	if (c->which & SET_MODE)
		t->mode = c->attr.st_mode & 07777;
	if (c->which & SET_UID)
		t->uid = c->attr.st_uid;
	if (c->which & SET_GID)
		t->gid = c->attr.st_gid;
	if (c->which & (SET_MTIME | SET_MTIME_NOW))
		t->mtime = pick(c->which, SET_MTIME_NOW, c->attr.st_mtim);
}

static bool has_attributes(const struct fs *f, const struct node *node)
{
	return !node->foreign && !node->trouble && !(node == f->nodes.root && f->nodes.root_path[0] == '\0');
}

/* The lock is held. Who is open for writing takes them along; who is closed gets a new trailer a moment later; what has no place in the
 * bucket (any more) keeps them in memory. */
static void store_attrs(struct fs *f, struct node *node)
{
	if (node->unlinked || node->stale || !has_attributes(f, node))
		return;
	if (node->content)
		writer_set_attrs(node->content->writer, &node->attrs);
	else
		settle_later(f, node);
}

void attrs_set_rest(struct call *c)
{
	const int owner_bits = SET_MODE | SET_UID | SET_GID;
	struct fs *f = c->fs;
	struct node *node = c->node;
	struct trailer t;
	bool refused;

	fs_lock(f);
	t = node->attrs;
	merge_attrs(&t, c);
	refused = (c->which & owner_bits) && !has_attributes(f, node);
	if (!refused) {
		if (c->which & (SET_ATIME | SET_ATIME_NOW))
			node->atime = pick(c->which, SET_ATIME_NOW, c->attr.st_atim);
		node->changed = c->which & SET_CTIME ? c->attr.st_ctim : clock_wall();
		if (!equal(&t, &node->attrs)) {
			node->attrs = t;
			store_attrs(f, node);
		}
	}
	fs_unlock(f);
	if (refused)
		reply_refused(c, EPERM);
	else
		reply_attr(c, node);
}

static void set_loaded(struct call *c)
{
	struct fs *f = c->fs;
	int rc = load_node(f, c->node, &c->store);

	call_leave(f, c->node);
	if (rc)
		reply_error(c, rc);
	else
		attrs_set_rest(c);
}

void attrs_set(struct call *c)
{
	struct fs *f = c->fs;
	bool known;

	fs_lock(f);
	known = c->node->known && !c->node->by_seal_ms;
	fs_unlock(f);
	if (c->node->special)
		reply_refused(c, EPERM);
	else if (c->which & SET_SIZE)
		file_resize(c);
	else if (known)
		attrs_set_rest(c);
	else
		call_enter(c, c->node, f->meta_pool, set_loaded);
}

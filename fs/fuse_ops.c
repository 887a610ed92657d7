/* SPDX-License-Identifier: Apache-2.0 */
/* The FUSE edge: requests in, calls out; and the way back, answers in, replies out. No decisions are taken here.
 *
 * Operations that are missing on purpose: xattrs (an answer other than ENOSYS would cost a request at every write), lseek, fallocate, copy_file_range (the
 * kernel does right without them), link (answered EPERM), locks (the kernel's own are enough for one mount). */
#define FUSE_USE_VERSION 314

#include "fs/attrs.h"
#include "fs/edge.h"
#include "fs/folder.h"
#include "fs/gate.h"
#include "fs/names.h"
#include "fs/reply.h"
#include "fs/space.h"
#include "base/clock.h"

#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <unistd.h>

#define KNOWN_SECONDS 60.0  /* names and attributes, this mount's own and others' */
#define ABSENT_SECONDS 1.0

/* ---- requests */

static struct fs *fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* A call for a request about node `ino`; NULL: it was answered already. */
static struct call *take(fuse_req_t req, fuse_ino_t ino)
{
	struct fs *f = fs_of(req);
	const struct fuse_ctx *who = fuse_req_ctx(req);
	struct node *node;
	struct call *c;

	fs_lock(f);
	node = node_pin(node_by_id(&f->nodes, ino));
	fs_unlock(f);
	c = node ? call_new(f, req, node) : NULL;
	if (c) {
		c->pid = who->pid;
		c->uid = who->uid;
		c->gid = who->gid;
	} else {
		fuse_reply_err(req, node ? ENOMEM : ESTALE);
	}
	fs_lock(f);
	node_unpin(&f->nodes, node);
	fs_unlock(f);
	return c;
}

/* The same with a name, which is copied. */
static struct call *take_name(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct call *c = take(req, parent);

	if (!c)
		return NULL;
	c->name = strdup(name);
	if (c->name)
		return c;
	reply_error(c, ENOMEM);
	return NULL;
}

static struct call *take_handle(fuse_req_t req, fuse_ino_t ino, const struct fuse_file_info *fi)
{
	struct call *c = take(req, ino);

	if (c && fi)
		c->handle = (struct handle *)(uintptr_t)fi->fh;
	return c;
}

/* The process that waits got a signal: it is answered at once, and the work goes on, or not, without it. */
static void interrupted(fuse_req_t req, void *data)
{
	struct call *c = data;

	(void)req;
	atomic_store(&c->cancelled, true);
	req = call_take(c); /* from here on the call may be freed */
	if (req)
		fuse_reply_err(req, EINTR);
}

/* For calls that only look: nothing is lost when they end early. */
static void may_be_interrupted(struct call *c)
{
	fuse_req_t req = atomic_load(&c->request);

	fuse_req_interrupt_func(req, interrupted, c);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct call *c = take_name(req, parent, name);

	if (!c)
		return;
	may_be_interrupted(c);
	names_lookup(c);
}

static void forget(struct fs *f, fuse_ino_t ino, uint64_t count)
{
	struct node *node;

	fs_lock(f);
	node = node_by_id(&f->nodes, ino);
	if (node)
		node_forget(&f->nodes, node, count);
	fs_unlock(f);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	forget(fs_of(req), ino, count);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		forget(fs_of(req), forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct call *c = take_handle(req, ino, fi);

	if (!c)
		return;
	may_be_interrupted(c);
	attrs_get(c);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	struct call *c = take_handle(req, ino, fi);

	if (!c)
		return;
	c->attr = *attr;
	c->which = to_set;
	gate_attrs(c, attrs_set);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct call *c = take(req, ino);

	if (!c)
		return;
	may_be_interrupted(c);
	names_readlink(c);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	struct call *c = take_name(req, parent, name);

	(void)rdev;
	if (!c)
		return;
	c->mode = mode;
	gate_make(c, names_mknod);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct call *c = take_name(req, parent, name);

	if (!c)
		return;
	c->mode = mode;
	gate_make(c, names_mkdir);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct call *c = take_name(req, parent, name);

	if (c)
		gate_remove(c, names_unlink);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct call *c = take_name(req, parent, name);

	if (c)
		gate_remove(c, names_rmdir);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	struct call *c = take_name(req, parent, name);

	if (!c)
		return;
	c->to = strdup(target);
	if (c->to)
		gate_make(c, names_symlink);
	else
		reply_error(c, ENOMEM);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent, const char *newname, unsigned flags)
{
	struct call *c = take_name(req, parent, name);

	if (!c)
		return;
	c->flags = flags;
	c->to = strdup(newname);
	fs_lock(c->fs);
	c->other = node_pin(node_by_id(&c->fs->nodes, newparent));
	fs_unlock(c->fs);
	if (c->to && c->other)
		gate_rename(c, names_rename);
	else
		reply_error(c, c->other ? ENOMEM : ESTALE);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname)
{
	(void)ino;
	(void)newparent;
	(void)newname;
	fuse_reply_err(req, EPERM); /* a name is an object: two of them cannot be one */
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct call *c = take(req, ino);

	if (!c)
		return;
	c->flags = (unsigned)fi->flags;
	gate_open(c, file_open);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct call *c = take_name(req, parent, name);

	if (!c)
		return;
	c->mode = mode;
	c->flags = (unsigned)fi->flags;
	gate_make(c, file_create);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct call *c = take_handle(req, ino, fi);

	if (!c)
		return;
	c->size = size;
	c->offset = (uint64_t)off;
	may_be_interrupted(c);
	file_read(c);
}

/* The one request that usually needs no call: it is answered on the spot. */
static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct handle *h = (struct handle *)(uintptr_t)fi->fh;
	int rc = file_write_now(fs_of(req), h, data, size, (uint64_t)off);
	struct call *c;

	if (rc == 0) {
		fuse_reply_write(req, size);
		return;
	}
	c = take_handle(req, ino, fi);
	if (!c)
		return;
	c->size = size;
	c->offset = (uint64_t)off;
	if (rc == EAGAIN)
		c->data = malloc(size);
	if (c->data) {
		memcpy(c->data, data, size);
		file_write_later(c);
		return;
	}
	file_write_failed(c, rc == EAGAIN ? ENOMEM : rc);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct call *c = take_handle(req, ino, fi);

	if (c)
		file_flush(c);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct call *c = take_handle(req, ino, fi);

	if (c)
		file_release(c);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct call *c = take_handle(req, ino, fi);

	(void)datasync; /* attributes are in the same object */
	if (c)
		file_fsync(c);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct call *c = take(req, ino);

	(void)fi;
	if (c)
		folder_open(c);
}

static void read_folder(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi, unsigned flags)
{
	struct call *c = take_handle(req, ino, fi);

	if (!c)
		return;
	c->size = size;
	c->offset = (uint64_t)off;
	c->flags = flags;
	may_be_interrupted(c);
	folder_read(c);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	read_folder(req, ino, size, off, fi, 0);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	read_folder(req, ino, size, off, fi, FOLDER_PLUS);
}

static void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct call *c = take_handle(req, ino, fi);

	(void)datasync;
	if (c)
		folder_fsync(c);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct call *c = take(req, ino);

	if (!c)
		return;
	may_be_interrupted(c);
	space_get(c);
}

const struct fuse_lowlevel_ops edge_ops = {
	.init = edge_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = op_open,
	.create = op_create,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.release = op_release,
	.fsync = op_fsync,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.releasedir = op_release,
	.fsyncdir = op_fsyncdir,
	.statfs = op_statfs,
};

/* ---- answers */

/* The request, with the connection held open for sending, or NULL: nobody waits, or the connection is gone (then the request is freed here). After a
 * non-NULL answer, end_reply must follow. */
static fuse_req_t begin_reply(struct call *c)
{
	fuse_req_t req = call_take(c);

	if (!req)
		return NULL;
	fuse_req_interrupt_func(req, NULL, NULL);
	pthread_rwlock_rdlock(&c->fs->wire);
	if (!c->fs->cut)
		return req;
	pthread_rwlock_unlock(&c->fs->wire);
	fuse_reply_none(req);
	return NULL;
}

/* req: what begin_reply gave. */
static void end_reply(struct call *c, fuse_req_t req)
{
	if (req)
		pthread_rwlock_unlock(&c->fs->wire);
	call_free(c);
}

void reply_refused(struct call *c, int error)
{
	fuse_req_t req = begin_reply(c);

	if (req)
		fuse_reply_err(req, error);
	end_reply(c, req);
}

void reply_error(struct call *c, int error)
{
	reply_refused(c, edge_errno(error));
}

static void hold(struct fs *f, struct node *node)
{
	fs_lock(f);
	node->nlookup++;
	fs_unlock(f);
}

static void unhold(struct fs *f, struct node *node)
{
	fs_lock(f);
	node_forget(&f->nodes, node, 1);
	fs_unlock(f);
}

/* The kernel holds the node from here on; undone by unhold where the answer did not arrive. */
static void entry_of(struct fs *f, struct node *node, struct fuse_entry_param *e)
{
	*e = (struct fuse_entry_param){ .ino = node->id, .attr_timeout = node->special ? 0 : KNOWN_SECONDS, .entry_timeout = KNOWN_SECONDS };
	attrs_stat(f, node, &e->attr);
	hold(f, node);
}

void reply_entry(struct call *c, struct node *node)
{
	fuse_req_t req = begin_reply(c);
	struct fuse_entry_param e;

	if (req) {
		entry_of(c->fs, node, &e);
		if (fuse_reply_entry(req, &e))
			unhold(c->fs, node);
	}
	end_reply(c, req);
}

void reply_absent(struct call *c)
{
	fuse_req_t req = begin_reply(c);
	const struct fuse_entry_param e = { .entry_timeout = ABSENT_SECONDS };

	if (req)
		fuse_reply_entry(req, &e);
	end_reply(c, req);
}

void reply_attr(struct call *c, struct node *node)
{
	fuse_req_t req = begin_reply(c);
	struct stat st;

	if (req) {
		attrs_stat(c->fs, node, &st);
		fuse_reply_attr(req, &st, node->special ? 0 : KNOWN_SECONDS);
	}
	end_reply(c, req);
}

static void open_info(struct handle *h, struct fuse_file_info *fi)
{
	*fi = (struct fuse_file_info){ .fh = (uint64_t)(uintptr_t)h, .keep_cache = !h->direct, .direct_io = h->direct };
}

void reply_open(struct call *c, struct handle *handle)
{
	fuse_req_t req = begin_reply(c);
	struct fuse_file_info fi;
	bool arrived = false;

	open_info(handle, &fi);
	if (req)
		arrived = fuse_reply_open(req, &fi) == 0;
	if (!arrived)
		file_unopened(c->fs, handle);
	end_reply(c, req);
}

void reply_create(struct call *c, struct node *node, struct handle *handle)
{
	fuse_req_t req = begin_reply(c);
	struct fuse_file_info fi;
	struct fuse_entry_param e;
	bool arrived = false;

	open_info(handle, &fi);
	if (req) {
		entry_of(c->fs, node, &e);
		arrived = fuse_reply_create(req, &e, &fi) == 0;
		if (!arrived)
			unhold(c->fs, node);
	}
	if (!arrived)
		file_unopened(c->fs, handle);
	end_reply(c, req);
}

void reply_bytes(struct call *c, const void *data, size_t len)
{
	fuse_req_t req = begin_reply(c);

	if (req)
		fuse_reply_buf(req, data, len);
	end_reply(c, req);
}

void reply_written(struct call *c, size_t len)
{
	fuse_req_t req = begin_reply(c);

	if (req)
		fuse_reply_write(req, len);
	end_reply(c, req);
}

void reply_link(struct call *c, const char *target)
{
	fuse_req_t req = begin_reply(c);

	if (req)
		fuse_reply_readlink(req, target);
	end_reply(c, req);
}

void reply_space(struct call *c, const struct statvfs *space)
{
	fuse_req_t req = begin_reply(c);

	if (req)
		fuse_reply_statfs(req, space);
	end_reply(c, req);
}

/* Bytes of one entry in buf, 0: it does not fit. The kernel holds its node then, where it has one. */
static size_t add_item(struct call *c, fuse_req_t req, char *buf, size_t room, uint64_t offset, struct folder_item *item)
{
	struct fuse_entry_param e = { .attr = item->st };
	size_t n;

	if (!(c->flags & FOLDER_PLUS)) {
		n = fuse_add_direntry(req, buf, room, item->name, &item->st, (off_t)offset + 1);
		return n > room ? 0 : n;
	}
	if (item->node) {
		e.ino = item->node->id;
		e.attr_timeout = e.entry_timeout = KNOWN_SECONDS;
	}
	n = fuse_add_direntry_plus(req, buf, room, item->name, &e, (off_t)offset + 1);
	if (n > room)
		return 0;
	if (item->node)
		hold(c->fs, item->node);
	return n;
}

void reply_names(struct call *c)
{
	AUTO_FREE char *buf = malloc(c->size);
	struct folder_item item;
	size_t used = 0, n = 1;
	fuse_req_t req;

	if (!buf) {
		reply_error(c, ENOMEM);
		return;
	}
	req = begin_reply(c);
	for (uint64_t at = c->offset; req && n && folder_item(c->fs, c->handle, at, c->flags & FOLDER_PLUS, &item); at++) {
		n = add_item(c, req, buf + used, c->size - used, at, &item);
		used += n;
		folder_item_end(c->fs, &item);
	}
	if (req)
		fuse_reply_buf(req, buf, used);
	end_reply(c, req);
}

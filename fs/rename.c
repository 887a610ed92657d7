/* SPDX-License-Identifier: Apache-2.0 */
/* Renames of files, links and empty folders. A folder with something in it is EXDEV: mv then copies it, entry by entry, and tells the truth about each. */
#include "fs/attrs.h"
#include "fs/file.h"
#include "fs/load.h"
#include "fs/names.h"
#include "fs/reply.h"
#include "fs/sets.h"
#include "fs/settle.h"
#include "vault/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum { ASKED_FROM = 1, ASKED_TO = 2 }; /* bits of c->which: folders that were listed for this call */

struct move {
	char from[PATH_CAP], to[PATH_CAP];
	char to_key[PATH_CAP];
	struct object *over;   /* what stands at the target and is to be replaced */
	struct object *marker; /* folders: the new marker */
	bool attrs_went;       /* unsettled attributes were taken along */
};

/* The lock is held. What can be refused from memory; the kernel has checked most of it. */
static int may_rename(const struct fs *f, const struct call *c)
{
	const struct node *s = c->source, *t = c->target;
	bool folder = s->type == ENTRY_FOLDER;

	if (s->special || c->other->special || (t && t->special))
		return EPERM;
	if (c->other->stale)
		return ESTALE;
	if (!folder && c->other == f->nodes.root && f->nodes.root_path[0] == '\0')
		return EPERM;
	if (!t)
		return 0;
	if (c->flags & RENAME_NOREPLACE)
		return EEXIST;
	if (folder != (t->type == ENTRY_FOLDER))
		return folder ? ENOTDIR : EISDIR;
	return 0;
}

/* ---- folders */

static int move_folder(struct call *c, struct move *m)
{
	struct fs *f = c->fs;
	struct store_cond cond = { .if_none_match = true };
	struct trailer attrs;
	int rc = names_check_empty(f, c->source, &c->store);

	if (rc)
		return rc == ENOTEMPTY ? EXDEV : rc;
	rc = load_node(f, c->source, &c->store);
	if (!rc && c->target)
		rc = names_check_empty(f, c->target, &c->store);
	if (!rc && c->target)
		rc = load_node(f, c->target, &c->store);
	if (rc)
		return rc;
	trailer_fresh(f->vault, &attrs, ENTRY_FOLDER, STATE_CLOSED, 0, 0, 0);
	fs_lock(f);
	attrs.mode = c->source->attrs.mode;
	attrs.uid = c->source->attrs.uid;
	attrs.gid = c->source->attrs.gid;
	attrs.mtime = c->source->attrs.mtime;
	if (c->target && c->target->object) {
		struct object_place place;

		object_place(c->target->object, &place);
		cond.if_none_match = false;
		copy_text(cond.if_match, sizeof(cond.if_match), place.etag);
	}
	fs_unlock(f);
	m->attrs_went = true;
	rc = names_clear_file(f, m->to);
	if (rc)
		return rc;
	rc = object_put_small(f->vault, m->to_key, "", 0, &attrs, &cond, &m->marker, NULL);
	if (!rc)
		rc = tree_uncover(f->vault, m->to);
	return rc ? rc : tree_remove_now(f->vault, m->from, true, NULL);
}

/* ---- files and links */

/* What stands in the bucket under the node's name, as far as is known: a reference, or NULL. */
static struct object *standing(struct node *node, struct content *content)
{
	struct object *o = content ? writer_object(content->writer) : NULL;

	return o ? o : object_ref(node->object);
}

/* The target is replaced under the condition that it is what we know. One that cannot be read is taken away instead: a write to the key of a waiting removal
 * replaces whatever stands there. */
static int look_at_target(struct call *c, struct move *m)
{
	struct fs *f = c->fs;
	struct content *content;
	int rc = c->target ? load_node(f, c->target, &c->store) : 0;

	if (!c->target)
		return 0;
	if (rc)
		return rc;
	fs_lock(f);
	content = content_ref(c->target->content);
	fs_unlock(f);
	if (c->target->trouble)
		rc = tree_remove_later(f->vault, m->to, false);
	else
		m->over = standing(c->target, content);
	content_unref(content);
	return rc;
}

static int move_closed(struct call *c, struct move *m)
{
	struct fs *f = c->fs;
	struct node *node = c->source;
	struct store_cond cond = { .if_none_match = !m->over };
	struct object_place place;
	struct trailer attrs;
	int rc;

	if (!node->object || node->trouble || node->foreign)
		return node->trouble ? node->trouble : EACCES;
	if (m->over) {
		object_place(m->over, &place);
		copy_text(cond.if_match, sizeof(cond.if_match), place.etag);
	}
	object_attrs(node->object, &attrs);
	fs_lock(f);
	m->attrs_went = node->unsettled;
	attrs.mode = node->attrs.mode;
	attrs.uid = node->attrs.uid;
	attrs.gid = node->attrs.gid;
	attrs.mtime = node->attrs.mtime;
	attrs.state = node->attrs.state;
	fs_unlock(f);
	rc = object_move(f->vault, node->object, m->from, m->to_key, m->attrs_went ? &attrs : NULL, &cond);
	if (!rc)
		audit_committed(f->vault, m->to, attrs.size);
	return rc;
}

static int move_file(struct call *c, struct move *m)
{
	struct fs *f = c->fs;
	struct content *content;
	int rc = load_node(f, c->source, &c->store);

	if (!rc)
		rc = look_at_target(c, m);
	if (rc)
		return rc;
	fs_lock(f);
	content = content_ref(c->source->content);
	fs_unlock(f);
	if (!content)
		return move_closed(c, m);
	rc = writer_rename(content->writer, m->to, m->over);
	file_committed(f, c->source, content); /* also where the move failed: a commit may have come before it */
	content_unref(content);
	return rc;
}

/* ---- both */

/* The lock is held. Memory follows the bucket. */
static struct content *moved(struct call *c, struct move *m)
{
	struct fs *f = c->fs;
	struct content *drop = c->target ? names_gone(f, c->target) : NULL;

	if (m->attrs_went)
		settle_cancel(f, c->source);
	if (m->marker) {
		object_unref(c->source->object);
		c->source->object = object_ref(m->marker);
	}
	attrs_touch_folder(c->node);
	attrs_touch_folder(c->other);
	if (node_move(&f->nodes, c->source, c->other, c->to)) { /* no memory for the name: forget what is known of both folders */
		dir_expire(c->node->dir);
		dir_expire(c->other->dir);
		load_lost(f, c->source);
	}
	return drop;
}

static int paths_of(struct call *c, struct move *m)
{
	struct fs *f = c->fs;
	int rc;

	fs_lock(f);
	rc = node_path(&f->nodes, c->source, m->from);
	if (!rc)
		rc = node_child_path(&f->nodes, c->other, c->to, m->to);
	fs_unlock(f);
	return rc ? rc : path_key(vault_rules(f->vault), m->to_key, m->to, c->source->type == ENTRY_FOLDER);
}

/* The lock is held. It is not known any more what stands at the new name, and perhaps at the old one: the node stays where it was, and both are looked at
 * again. */
static void not_moved(struct call *c)
{
	dir_expire(c->node->dir);
	dir_expire(c->other->dir);
	notice_name(c->fs, c->other, c->to);
}

static int rename_now(struct call *c)
{
	struct fs *f = c->fs;
	struct move m = { 0 };
	struct content *drop = NULL;
	int rc = paths_of(c, &m);

	if (!rc)
		rc = c->source->type == ENTRY_FOLDER ? move_folder(c, &m) : move_file(c, &m);
	fs_lock(f);
	if (!rc)
		drop = moved(c, &m);
	else if (rc != EXDEV && rc != ENOTEMPTY)
		not_moved(c);
	fs_unlock(f);
	content_unref(drop);
	object_unref(m.over);
	object_unref(m.marker);
	if (!rc)
		sets_moved(f, c->source);
	return rc == ENOENT ? ESTALE : rc; /* somebody else was here */
}

static void rename_run(struct call *c)
{
	struct fs *f = c->fs;
	int rc = rename_now(c);

	if (c->target)
		call_leave(f, c->target);
	call_leave(f, c->source);
	if (rc == EXDEV || rc == ENOTEMPTY || rc == EEXIST)
		reply_refused(c, rc);
	else
		reply_error(c, rc);
}

static void rename_wait_target(struct call *c)
{
	if (c->target)
		call_enter(c, c->target, vault_commit_pool(c->fs->vault), rename_run);
	else
		rename_run(c);
}

/* The lock is held. Finds and pins source and target. NAME_ASK: *folder must be listed first. */
static enum found find_both(struct call *c, struct node **folder)
{
	struct fs *f = c->fs;
	struct node *s = NULL, *t = NULL;
	enum found from = names_find(f, c->node, c->name, c->which & ASKED_FROM, &s);
	enum found to = names_find(f, c->other, c->to, c->which & ASKED_TO, &t);

	*folder = from == NAME_ASK ? c->node : c->other;
	if (from == NAME_ASK || to == NAME_ASK) {
		c->which |= from == NAME_ASK ? ASKED_FROM : ASKED_TO;
		return NAME_ASK;
	}
	if (from == NAME_FOUND)
		c->source = node_pin(s);
	if (to == NAME_FOUND)
		c->target = node_pin(t);
	return from;
}

void names_rename(struct call *c)
{
	struct fs *f = c->fs;
	struct node *folder;
	enum found found;
	char path[PATH_CAP];
	int rc = c->flags & ~(unsigned)RENAME_NOREPLACE ? EINVAL : 0;

	if (rc) {
		reply_refused(c, rc);
		return;
	}
	fs_lock(f);
	found = find_both(c, &folder);
	if (found == NAME_FOUND)
		rc = may_rename(f, c);
	if (found == NAME_FOUND && !rc)
		rc = node_child_path(&f->nodes, c->other, c->to, path);
	fs_unlock(f);
	if (found == NAME_ASK)
		names_ask(c, folder, names_rename);
	else if (found != NAME_FOUND)
		reply_refused(c, ENOENT);
	else if (rc || c->source == c->target)
		reply_refused(c, rc);
	else
		call_enter(c, c->source, vault_commit_pool(f->vault), rename_wait_target);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/names.h"
#include "fs/attrs.h"
#include "fs/load.h"
#include "fs/reply.h"
#include "fs/status.h"
#include "base/clock.h"
#include "vault/audit.h"

#include <errno.h>

enum found names_find(struct fs *f, struct node *folder, const char *name, bool listed, struct node **node)
{
	struct dir_entry *e = NULL;
	enum dir_answer said;

	*node = status_find(f, folder, name);
	if (*node)
		return NAME_FOUND;
	if (!folder->dir || folder->special)
		return NAME_ABSENT;
	said = dir_find(folder->dir, name, clock_mono_ms(), &e);
	if (e && e->node && e->node->content) {
		*node = e->node; /* it is here, whatever the bucket says */
		return NAME_FOUND;
	}
	if (said == DIR_ASK && !listed)
		return NAME_ASK;
	if (!e)
		return NAME_ABSENT;
	*node = e->node ? e->node : node_make(&f->nodes, folder, name, e->folder ? ENTRY_FOLDER : 0);
	return *node ? NAME_FOUND : NAME_BAD;
}

static void ask_run(struct call *c)
{
	struct fs *f = c->fs;
	int rc = load_names(f, c->asked, &c->store);

	call_leave(f, c->asked);
	c->listed = true;
	if (rc)
		reply_error(c, rc);
	else
		c->again(c);
}

void names_ask(struct call *c, struct node *folder, void (*again)(struct call *c))
{
	c->asked = folder;
	c->again = again;
	call_enter(c, folder, c->fs->meta_pool, ask_run);
}

/* ---- lookup */

static void lookup_load(struct call *c)
{
	struct fs *f = c->fs;
	int rc = load_look(f, c->other, &c->store);

	call_leave(f, c->other);
	if (rc == ENOENT)
		reply_absent(c);
	else if (rc)
		reply_error(c, rc);
	else
		reply_entry(c, c->other);
}

void names_lookup(struct call *c)
{
	struct fs *f = c->fs;
	struct node *node;
	enum found found;
	bool known = false;

	if (path_check_name(vault_rules(f->vault), c->name) == ENAMETOOLONG) {
		reply_refused(c, ENAMETOOLONG); /* not just absent: that would be an invitation to make it */
		return;
	}
	fs_lock(f);
	found = names_find(f, c->node, c->name, c->listed, &node);
	if (found == NAME_FOUND) {
		c->other = node_pin(node);
		known = load_looked(node);
	}
	fs_unlock(f);
	if (found == NAME_ASK) {
		names_ask(c, c->node, names_lookup);
		return;
	}
	if (found == NAME_ABSENT) {
		reply_absent(c);
		return;
	}
	if (found == NAME_BAD) {
		reply_refused(c, ENAMETOOLONG);
		return;
	}
	load_ahead(f, c->node, c->name);
	if (known)
		reply_entry(c, node);
	else
		call_enter(c, node, f->meta_pool, lookup_load);
}

/* ---- making */

static bool is_tenants_root(const struct fs *f, const struct node *folder)
{
	return folder == f->nodes.root && f->nodes.root_path[0] == '\0';
}

int names_may_create(struct call *c, char path[PATH_CAP], void (*again)(struct call *c))
{
	struct fs *f = c->fs;
	struct node *node;
	enum found found = NAME_ABSENT;
	bool refused;
	int rc;

	if (f->config.read_only || atomic_load(&f->stopping))
		return EROFS;
	fs_lock(f);
	refused = c->node->special || (is_tenants_root(f, c->node) && again != names_mkdir);
	rc = c->node->stale ? ESTALE : node_child_path(&f->nodes, c->node, c->name, path);
	if (!refused && !rc)
		found = names_find(f, c->node, c->name, c->listed, &node);
	fs_unlock(f);
	if (refused && !c->node->special)
		log_path(LOG_WARN, "mount", c->name, "not made: this mount shows all tenants, and its root holds only their folders; use --tenant ID to mount one");
	if (refused)
		return EPERM;
	if (!rc && found == NAME_ASK) {
		names_ask(c, c->node, again);
		return EAGAIN;
	}
	return rc || found == NAME_ABSENT ? rc : EEXIST;
}

void names_new_attrs(struct call *c, enum entry_type type, struct trailer *out)
{
	struct fs *f = c->fs;
	uint32_t mode = c->mode & 07777, gid = c->gid;

	fs_lock(f);
	if (c->node->known && (c->node->attrs.mode & S_ISGID)) {
		gid = c->node->attrs.gid;
		if (type == ENTRY_FOLDER)
			mode |= S_ISGID;
	}
	fs_unlock(f);
	trailer_fresh(f->vault, out, type, STATE_CLOSED, type == ENTRY_SYMLINK ? 0777 : mode, c->uid, gid);
}

/* A new entry that already stands in the bucket. The object's reference is taken over. */
static void made(struct call *c, enum entry_type type, struct object *object)
{
	struct fs *f = c->fs;
	struct node *node;

	fs_lock(f);
	node = node_make(&f->nodes, c->node, c->name, type);
	if (node) {
		c->other = node_pin(node);
		load_take(f, node, object);
		node->type = type;
		if (type == ENTRY_FOLDER) {
			struct dir *empty = dir_new(f->nodes.names, true, clock_mono_ms());

			if (empty) {
				dir_free(node->dir);
				node->dir = empty;
			}
		}
		if (type == ENTRY_SYMLINK)
			node->link = strdup(c->to);
		dir_put(c->node->dir, c->name, type == ENTRY_FOLDER, node);
		attrs_touch_folder(c->node);
	}
	fs_unlock(f);
	if (node) {
		reply_entry(c, node);
		return;
	}
	object_unref(object);
	reply_error(c, ENOMEM);
}

/* It was there, though memory said it was not: the folder is listed again before the next answer. */
static void not_made(struct call *c, int rc)
{
	if (rc == EEXIST) {
		fs_lock(c->fs);
		dir_expire(c->node->dir);
		fs_unlock(c->fs);
	}
	reply_error(c, rc);
}

int names_clear_file(struct fs *f, const char *path)
{
	char key[PATH_CAP], folder[PATH_CAP];

	if (path_key(vault_rules(f->vault), key, path, false) || !tree_removal_waits(f->vault, key))
		return 0;
	path_parent(folder, path);
	return tree_send_removals(f->vault, folder);
}

/* MinIO keeps a folder's marker in a file whose name is so much longer, and calls a name that does not fit invalid. */
enum { MINIO_MARKER_EXTRA = 9 };

static void mkdir_run(struct call *c)
{
	char path[PATH_CAP];
	struct trailer attrs;
	struct object *o = NULL;
	int rc = names_may_create(c, path, names_mkdir);

	if (rc == EAGAIN)
		return;
	names_new_attrs(c, ENTRY_FOLDER, &attrs);
	if (!rc)
		rc = names_clear_file(c->fs, path);
	if (!rc)
		rc = tree_make_folder(c->fs->vault, path, &attrs, &o);
	if (rc == EINVAL && strlen(path_name(path)) > vault_rules(c->fs->vault)->segment_max - MINIO_MARKER_EXTRA)
		rc = ENAMETOOLONG;
	if (rc)
		not_made(c, rc);
	else
		made(c, ENTRY_FOLDER, o);
}

static void put_run(struct call *c, enum entry_type type, const char *content)
{
	const struct store_cond nothing = { .if_none_match = true };
	struct fs *f = c->fs;
	char path[PATH_CAP], key[PATH_CAP];
	struct trailer attrs;
	struct object *o = NULL;
	int rc = names_may_create(c, path, type == ENTRY_SYMLINK ? names_symlink : names_mknod);

	if (rc == EAGAIN)
		return;
	names_new_attrs(c, type, &attrs);
	if (!rc)
		rc = path_key(vault_rules(f->vault), key, path, false);
	if (!rc)
		rc = object_put_small(f->vault, key, content, strlen(content), &attrs, &nothing, &o, NULL);
	if (rc) {
		not_made(c, rc);
		return;
	}
	audit_committed(f->vault, path, strlen(content));
	made(c, type, o);
}

static void symlink_run(struct call *c)
{
	put_run(c, ENTRY_SYMLINK, c->to);
}

static void mknod_run(struct call *c)
{
	put_run(c, ENTRY_FILE, "");
}

void names_mkdir(struct call *c)
{
	call_run(c, c->fs->meta_pool, mkdir_run);
}

void names_symlink(struct call *c)
{
	if (strlen(c->to) > SYMLINK_MAX)
		reply_refused(c, ENAMETOOLONG);
	else
		call_run(c, c->fs->meta_pool, symlink_run);
}

void names_mknod(struct call *c)
{
	if (!S_ISREG(c->mode))
		reply_refused(c, EPERM);
	else
		call_run(c, c->fs->meta_pool, mknod_run);
}

/* ---- links */

static int read_link(struct fs *f, struct node *node, struct store_call *call)
{
	char target[SYMLINK_MAX + 1];
	struct object *o;
	size_t got = 0;
	int rc = load_node(f, node, call);

	if (rc)
		return rc;
	fs_lock(f);
	o = node->type == ENTRY_SYMLINK ? object_ref(node->object) : NULL;
	fs_unlock(f);
	if (!o)
		return EBADMSG;
	rc = object_read(f->vault, o, 0, SYMLINK_MAX, target, &got);
	object_unref(o);
	if (rc)
		return rc;
	target[got] = '\0';
	fs_lock(f);
	if (!node->link)
		node->link = strdup(target);
	rc = node->link ? 0 : ENOMEM;
	fs_unlock(f);
	return rc;
}

static void readlink_run(struct call *c)
{
	struct fs *f = c->fs;
	int rc = read_link(f, c->node, &c->store);

	call_leave(f, c->node);
	if (rc)
		reply_error(c, rc);
	else
		reply_link(c, c->node->link);
}

void names_readlink(struct call *c)
{
	struct fs *f = c->fs;
	bool have;

	fs_lock(f);
	have = c->node->link != NULL;
	fs_unlock(f);
	if (have)
		reply_link(c, c->node->link); /* never changes once it is there */
	else
		call_enter(c, c->node, f->meta_pool, readlink_run);
}

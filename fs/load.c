/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/load.h"
#include "fs/reply.h"
#include "fs/sets.h"
#include "vault/record.h"
#include "vault/stem.h"
#include "base/clock.h"

#include <errno.h>

void load_defaults(struct fs *f, struct node *node)
{
	bool folder = node->type == ENTRY_FOLDER;
	struct dir_entry *e = NULL;

	node->attrs = (struct trailer){
		.type = folder ? ENTRY_FOLDER : ENTRY_FILE,
		.mode = (folder ? 0755u : 0644u) & ~f->config.umask,
		.uid = f->uid,
		.gid = f->gid,
		.mtime = f->started,
	};
	if (node->parent && node->parent->dir)
		dir_find(node->parent->dir, node->name, 0, &e);
	if (e && !folder) {
		node->attrs.mtime = (struct timespec){ .tv_sec = e->modified };
		node->size = e->size;
	}
	node->type = node->attrs.type;
	node->atime = node->changed = node->attrs.mtime;
	node->known = true;
}

void load_take(struct fs *f, struct node *node, struct object *object)
{
	object_unref(node->object);
	node->object = object;
	node->by_seal_ms = 0;
	node->trouble = 0;
	node->foreign = object_foreign(object);
	if (node->foreign) {
		load_defaults(f, node);
		if (!f->config.foreign_read)
			node->attrs.mode = 0;
	} else {
		object_attrs(object, &node->attrs);
		node->type = node->attrs.type;
		node->atime = node->changed = node->attrs.mtime;
	}
	node->size = object_size(object);
	node->known = true;
}

/* Visible, so that it can be seen, told and removed, but not readable. */
static void in_trouble(struct fs *f, struct node *node, int trouble)
{
	load_defaults(f, node);
	node->by_seal_ms = 0;
	node->attrs.mode = 0;
	node->trouble = trouble;
}

void load_lost(struct fs *f, struct node *node)
{
	if (!node->parent)
		return;
	node_pin(node);
	node->stale = true;
	f->lost++;
	notice_name(f, node->parent, node->name);
	node_detach(&f->nodes, node);
	node_unpin(&f->nodes, node);
}

/* The store has nothing at its name. */
static void gone(struct fs *f, struct node *node)
{
	fs_lock(f);
	if (node->parent) {
		dir_drop(node->parent->dir, node->name);
		load_lost(f, node);
	}
	fs_unlock(f);
}

/* Where the object of a node is, and what is known of it. */
static int place_of(struct fs *f, struct node *node, char path[PATH_CAP], char key[PATH_CAP], uint64_t *length)
{
	struct dir_entry *e = NULL;
	int rc;

	fs_lock(f);
	rc = node_path(&f->nodes, node, path);
	if (!rc && node->parent)
		dir_find(node->parent->dir, node->name, 0, &e);
	*length = e ? e->length : 0;
	fs_unlock(f);
	return rc || path[0] == '\0' ? rc : path_key(vault_rules(f->vault), key, path, false);
}

/* MinIO lists a folder that a removal, or a crash of its own, left behind on its disk, although no key begins with it. */
static bool is_ghost(struct fs *f, const char *path, struct store_call *call)
{
	bool empty = false;

	return strchr(path, '/') && tree_empty(f->vault, path, &empty, call) == 0 && empty;
}

static int load_folder(struct fs *f, struct node *node, const char *path, struct store_call *call)
{
	struct object *o = NULL;
	int rc = path[0] ? tree_load_folder(f->vault, path, &o, call) : ENOENT;

	if (rc == ENOENT && is_ghost(f, path, call)) {
		gone(f, node);
		return ENOENT;
	}
	if (rc && rc != ENOENT && rc != EBADMSG && rc != ENOKEY && rc != EPROTONOSUPPORT)
		return rc;
	fs_lock(f);
	if (rc || object_foreign(o)) { /* no marker, or one that says nothing: the folder is there all the same */
		object_unref(o);
		load_defaults(f, node);
		node->by_seal_ms = 0;
	} else {
		load_take(f, node, o);
		node->type = ENTRY_FOLDER;
	}
	fs_unlock(f);
	return 0;
}

static bool is_entry(const struct object *o, const struct trailer *t)
{
	return object_foreign(o) || t->type == ENTRY_FILE || t->type == ENTRY_SYMLINK;
}

/* The seal of its backup lists it, and nobody is changing that. */
static bool is_sealed(struct fs *f, const char *path)
{
	const struct seal *seal;
	const char *top;
	bool yes;

	fs_lock(f);
	seal = sets_seal(f, path, &top);
	yes = seal && seal_find(seal, top);
	fs_unlock(f);
	return yes;
}

static int load_file(struct fs *f, struct node *node, const char *path, const char *key, uint64_t length, struct store_call *call)
{
	struct object *o = NULL;
	struct trailer t = { 0 };
	int rc = object_load(f->vault, key, length, &o, call);

	if (!rc)
		object_attrs(o, &t);
	if (!rc && !is_entry(o, &t)) {
		log_path(LOG_ERROR, "mount", path, "a folder marker or record stands where a file should be; it is shown, but cannot be opened");
		object_unref(o);
		rc = EBADMSG;
	}

	bool shown = !rc || rc == EBADMSG || rc == ENOKEY || rc == EPROTONOSUPPORT;

	if (rc == ENOENT && is_sealed(f, path)) {
		log_path(LOG_ERROR, "seal", path, "the seal of its backup lists it, and it is not there; run pishopctl verify");
		return EIO;
	}
	if (rc == ENOENT)
		gone(f, node);
	if (!shown)
		return rc;
	fs_lock(f);
	if (!rc)
		load_take(f, node, o);
	else
		in_trouble(f, node, rc);
	fs_unlock(f);
	return 0;
}

int load_node(struct fs *f, struct node *node, struct store_call *call)
{
	char path[PATH_CAP], key[PATH_CAP] = "";
	uint64_t length;
	bool known;
	int rc;

	fs_lock(f);
	known = node->known && !node->by_seal_ms;
	fs_unlock(f);
	if (known)
		return 0;
	rc = place_of(f, node, path, key, &length);
	if (rc)
		return rc;
	return node->type == ENTRY_FOLDER ? load_folder(f, node, path, call) : load_file(f, node, path, key, length, call);
}

/* ---- by the seal */

/* The lock is held. A folder without a marker is there because something is below it. */
static bool holds_more(const struct seal *seal, const char *top)
{
	size_t len = strlen(top), from;
	char below[PATH_CAP];

	if (len + 2 > sizeof(below))
		return false;
	snprintf(below, sizeof(below), "%s/", top);
	from = seal_before(seal, below);
	return from < seal->count && strncmp(seal->entries[from].path, below, len + 1) == 0;
}

/* The lock is held. Takes the attributes of a node over: false: it is not what the seal lists, so the store is asked. */
static bool take_sealed(struct fs *f, struct node *node, const struct seal *seal, const char *top)
{
	const struct seal_entry *e = seal_find(seal, top);
	bool folder = node->type == ENTRY_FOLDER;
	struct dir_entry *listed = NULL;

	if (node->parent && node->parent->dir)
		dir_find(node->parent->dir, node->name, 0, &listed);
	if (e ? (e->type == ENTRY_FOLDER) != folder || (!folder && listed && listed->size != e->size) : !folder || !holds_more(seal, top))
		return false;
	node->by_seal_ms = clock_mono_ms();
	if (!e) {
		load_defaults(f, node);
		return true;
	}
	node->attrs = (struct trailer){ .type = e->type, .mode = e->mode, .uid = e->uid, .gid = e->gid, .mtime = e->mtime, .size = e->size, .state = e->state };
	node->type = e->type;
	node->size = e->size;
	node->atime = node->changed = node->attrs.mtime;
	node->known = true;
	return true;
}

/* Whether the seal of its backup gave what is asked for. */
static bool by_seal(struct fs *f, struct node *node, struct store_call *call)
{
	const struct seal *seal;
	char path[PATH_CAP];
	const char *top;
	bool taken;
	int rc;

	fs_lock(f);
	rc = node->object || node->content || node->foreign || node->trouble ? EINVAL : node_path(&f->nodes, node, path);
	fs_unlock(f);
	if (rc || sets_look(f, path, true, call))
		return false;
	fs_lock(f);
	seal = sets_seal(f, path, &top);
	taken = seal && take_sealed(f, node, seal, top);
	fs_unlock(f);
	return taken;
}

bool load_looked(const struct node *node)
{
	return node->known && (!node->by_seal_ms || clock_mono_ms() - node->by_seal_ms < LOAD_FRESH_MS);
}

int load_look(struct fs *f, struct node *node, struct store_call *call)
{
	bool known;

	fs_lock(f);
	known = load_looked(node);
	fs_unlock(f);
	return known || by_seal(f, node, call) ? 0 : load_node(f, node, call);
}

/* The names of a folder in a sealed backup. False: the store has to be asked. */
static bool names_by_seal(struct fs *f, const char *path, struct tree_listing *listing)
{
	const struct seal *seal;
	const char *top;
	bool found;

	fs_lock(f);
	seal = strchr(path, '/') ? sets_seal(f, path, &top) : NULL;
	found = seal && tree_list_sealed(f->vault, seal, top, listing) == 0 && listing->exists;
	fs_unlock(f);
	if (!found)
		tree_listing_free(listing);
	return found;
}

/* ---- names */

static bool same(const struct node *node, const struct tree_entry *listed)
{
	struct object_place place;

	if ((node->type == ENTRY_FOLDER) != listed->folder)
		return false;
	if (node->type == ENTRY_FOLDER || node->content || !node->known)
		return true; /* what is open finds out when it commits */
	if (node->by_seal_ms || !listed->etag)
		return node->size == listed->size; /* the seal is asked again, or was; opening compares more */
	if (!node->object)
		return false;
	object_place(node->object, &place);
	return strcmp(place.etag, listed->etag) == 0;
}

static bool keep(const struct node *node)
{
	return node->content != NULL;
}

static void lost(void *arg, struct node *node)
{
	load_lost(arg, node);
}

static int merge(struct fs *f, struct node *folder, uint64_t stamp, struct tree_listing *listing, int64_t began)
{
	const struct dir_watch watch = { same, keep, lost, f };
	bool implied = folder->known && !folder->object && !folder->by_seal_ms;
	int rc = dir_merge(folder->dir, stamp, listing, began, &watch);

	if (rc)
		return rc;
	if (!listing->marker && !folder->known)
		load_defaults(f, folder);
	if (listing->exists || implied || dir_count(folder->dir) || !folder->parent)
		return 0; /* what was only implied by its files lasts as long as this memory of it */
	dir_drop(folder->parent->dir, folder->name);
	load_lost(f, folder);
	return ENOENT;
}

static bool is_deleted(void *arg, const struct tree_entry *e)
{
	struct stem stem;

	stem_of(e->name, &stem);
	return record_names_find(arg, stem.text);
}

/* Names in a tenant's folder whose backup has a tombstone are not there. */
static int hide_deleted(struct fs *f, const char *path, struct tree_listing *listing, struct store_call *call)
{
	AUTO(record_names_free) struct record_names tombs = { 0 };
	int rc = path[0] && !strchr(path, '/') && listing->count ? record_list(f->vault, path, "tombstones", &tombs, call) : 0;

	if (rc == EACCES) /* a policy for the tenant's folder alone: then hidden backups are shown */
		return 0;
	if (rc || !tombs.count)
		return rc;
	tree_listing_drop(listing, is_deleted, &tombs);
	return 0;
}

int load_names(struct fs *f, struct node *folder, struct store_call *call)
{
	struct tree_listing listing = { 0 };
	char path[PATH_CAP];
	int64_t began = clock_mono_ms();
	uint64_t stamp;
	int rc;

	fs_lock(f);
	rc = node_path(&f->nodes, folder, path);
	if (rc || dir_fresh(folder->dir, began)) {
		fs_unlock(f);
		return rc;
	}
	stamp = dir_list_begin(folder->dir);
	fs_unlock(f);

	rc = names_by_seal(f, path, &listing) ? 0 : tree_list(f->vault, path, &listing, call);
	if (!rc)
		rc = hide_deleted(f, path, &listing, call);

	fs_lock(f);
	if (rc)
		dir_list_failed(folder->dir);
	else
		rc = merge(f, folder, stamp, &listing, began);
	fs_unlock(f);
	tree_listing_free(&listing);
	return rc;
}

int load_confirm(struct fs *f, struct node *node, struct store_call *call)
{
	struct object *o;
	int rc;

	fs_lock(f);
	o = object_ref(node->content ? NULL : node->object);
	fs_unlock(f);
	if (!o)
		return 0;
	rc = object_confirm(f->vault, o, LOAD_FRESH_MS, call);
	object_unref(o);
	if (rc != ESTALE && rc != ENOENT)
		return rc;
	fs_lock(f);
	if (node->parent) {
		if (rc == ENOENT)
			dir_drop(node->parent->dir, node->name);
		else
			dir_touch(node->parent->dir, node->name);
	}
	load_lost(f, node);
	fs_unlock(f);
	return ESTALE;
}

/* ---- look-ahead */

static void ahead_run(struct call *c)
{
	struct fs *f = c->fs;

	load_look(f, c->node, &c->store); /* its error is told to whoever asks for the name */
	call_leave(f, c->node);
	call_free(c);
}

/* Pins the node of a name that is not loaded yet; NULL: nothing to do. */
static struct node *wanted(struct fs *f, struct node *folder, const char *name)
{
	struct dir_entry *e;
	struct node *node;

	dir_find(folder->dir, name, 0, &e);
	if (!e)
		return NULL;
	node = e->node ? e->node : node_make(&f->nodes, folder, name, e->folder ? ENTRY_FOLDER : 0);
	return node && !node->known && call_idle(node) ? node_pin(node) : NULL;
}

void load_ahead(struct fs *f, struct node *folder, const char *name)
{
	struct node *nodes[64];
	size_t count = 0, from = 0, to = 0;
	struct dir_names *names;

	fs_lock(f);
	names = folder->dir ? dir_ahead(folder->dir, name, &from, &to) : NULL;
	for (size_t i = from; names && i < to && count < ARRAY_LEN(nodes); i++) {
		nodes[count] = wanted(f, folder, names->names[i].name);
		count += nodes[count] != NULL;
	}
	fs_unlock(f);
	for (size_t i = 0; i < count; i++) {
		struct call *c = call_new(f, NULL, nodes[i]);

		if (c)
			call_enter(c, nodes[i], f->ahead_pool, ahead_run);
		fs_lock(f);
		node_unpin(&f->nodes, nodes[i]);
		fs_unlock(f);
	}
}

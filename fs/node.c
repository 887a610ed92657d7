/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/node.h"

#include <errno.h>

#define ROOT_ID 1u
#define MADE_SHARE 4u /* a folder that this run made is asked for again only where its listing takes no more of the memory for names */

/* FNV-1a with a final mix: equal paths give equal numbers as long as the mount lives. */
static uint64_t hash_text(uint64_t h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3u;
	return h;
}

static uint64_t ino_of_path(const char *parent, const char *name)
{
	uint64_t h = hash_text(hash_text(hash_text(0xcbf29ce484222325u, parent), "/"), name);

	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9u;
	h ^= h >> 32;
	return h > 255 ? h : h + 256; /* small numbers are the root's and other special ones' */
}

struct node *node_by_id(struct node_table *t, uint64_t id)
{
	struct node *node = NULL;

	HASH_FIND(hh, t->by_id, &id, sizeof(id), node);
	return node;
}

static bool ino_taken(struct node_table *t, uint64_t ino)
{
	struct node *node = NULL;

	HASH_FIND(hh_ino, t->by_ino, &ino, sizeof(ino), node);
	return node != NULL;
}

static int enter_tables(struct node_table *t, struct node *node, uint64_t ino)
{
	node->id = ++t->last_id;
	while (ino_taken(t, ino)) /* a node that was moved away still has the number of its old path */
		ino++;
	node->ino = ino;
	HASH_ADD(hh, t->by_id, id, sizeof(node->id), node);
	if (!node->hh.tbl)
		return ENOMEM;
	HASH_ADD(hh_ino, t->by_ino, ino, sizeof(node->ino), node);
	if (node->hh_ino.tbl)
		return 0;
	HASH_DELETE(hh, t->by_id, node);
	return ENOMEM;
}

static void release(struct node *node)
{
	object_unref(node->object);
	dir_free(node->dir);
	free(node->name);
	free(node->link);
	free(node);
}

static struct node *allocate(const struct node_table *t, const char *name, enum entry_type type)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	node->type = type;
	node->last = &node->first;
	node->name = strdup(name);
	if (type == ENTRY_FOLDER)
		node->dir = dir_new(t->names, false, 0);
	if (node->name && (type != ENTRY_FOLDER || node->dir))
		return node;
	release(node);
	return NULL;
}

int nodes_start(struct node_table *t, const struct path_rules *rules, struct tally *names, const char *root_path)
{
	*t = (struct node_table){ .rules = rules, .names = names, .last_id = ROOT_ID - 1 };
	if (copy_text(t->root_path, sizeof(t->root_path), root_path))
		return ENAMETOOLONG;
	t->root = allocate(t, "", ENTRY_FOLDER);
	if (!t->root)
		return ENOMEM;
	t->root->pins = 1;
	return enter_tables(t, t->root, ROOT_ID);
}

void nodes_stop(struct node_table *t)
{
	struct node *node, *next;

	HASH_CLEAR(hh_ino, t->by_ino);
	HASH_ITER(hh, t->by_id, node, next) {
		HASH_DELETE(hh, t->by_id, node);
		release(node);
	}
	*t = (struct node_table){ 0 };
}

/* ---- idle nodes */

static void leave_idle(struct node_table *t, struct node *node)
{
	if (!node->idle)
		return;
	node->idle = false;
	t->idle--;
	if (node->idle_prev)
		node->idle_prev->idle_next = node->idle_next;
	else
		t->idle_first = node->idle_next;
	if (node->idle_next)
		node->idle_next->idle_prev = node->idle_prev;
	else
		t->idle_last = node->idle_prev;
	node->idle_prev = node->idle_next = NULL;
}

static void become_idle(struct node_table *t, struct node *node)
{
	node->idle = true;
	node->idle_prev = t->idle_last;
	node->idle_next = NULL;
	if (t->idle_last)
		t->idle_last->idle_next = node;
	else
		t->idle_first = node;
	t->idle_last = node;
	t->idle++;
}

static bool in_use(const struct node *node)
{
	return node->nlookup || node->pins || node->children || node->content || node->unsettled || node->busy || node->special;
}

static void drop(struct node_table *t, struct node *node)
{
	leave_idle(t, node);
	HASH_DELETE(hh, t->by_id, node);
	HASH_DELETE(hh_ino, t->by_ino, node);
	release(node);
}

/* The nodes unused for the longest time go. Those that were pinned since they became idle only leave the list. */
static void drop_oldest(struct node_table *t)
{
	while (t->idle > NODES_IDLE) {
		struct node *oldest = t->idle_first;

		if (in_use(oldest)) {
			leave_idle(t, oldest);
			continue;
		}
		leave_idle(t, oldest);
		node_detach(t, oldest);
		drop(t, oldest);
	}
}

void node_review(struct node_table *t, struct node *node)
{
	if (in_use(node)) {
		leave_idle(t, node);
		return;
	}
	if (!node->parent || !node->known) {
		node_detach(t, node);
		drop(t, node);
		return;
	}
	if (!node->idle)
		become_idle(t, node);
	drop_oldest(t);
}

static size_t shrink_folders(struct node_table *t, size_t made_most)
{
	struct node *node, *next;
	size_t bytes = 0;

	HASH_ITER(hh, t->by_id, node, next)
		if (node->dir && node->pins == (node == t->root) && !node->busy)
			bytes += dir_shrink(node->dir, made_most);
	return bytes;
}

size_t nodes_shrink(struct node_table *t)
{
	size_t bytes = shrink_folders(t, 0);

	return bytes ? bytes : shrink_folders(t, tally_most(t->names) / MADE_SHARE);
}

struct node *node_pin(struct node *node)
{
	if (node)
		node->pins++;
	return node;
}

void node_unpin(struct node_table *t, struct node *node)
{
	if (!node)
		return;
	node->pins--;
	node_review(t, node);
}

void node_forget(struct node_table *t, struct node *node, uint64_t count)
{
	node->nlookup -= min_u64(count, node->nlookup);
	node_review(t, node);
}

/* ---- places */

static struct node *make(struct node_table *t, struct node *parent, const char *name, enum entry_type type)
{
	char path[PATH_CAP];
	struct node *node = node_path(t, parent, path) == 0 ? allocate(t, name, type) : NULL;

	if (!node)
		return NULL;
	if (enter_tables(t, node, ino_of_path(path, name))) {
		release(node);
		return NULL;
	}
	node->parent = parent;
	parent->children++;
	leave_idle(t, parent);
	return node;
}

struct node *node_make_special(struct node_table *t, struct node *parent, const char *name, enum entry_type type)
{
	struct node *node = make(t, parent, name, type);

	if (node)
		node->special = true;
	return node;
}

struct node *node_make(struct node_table *t, struct node *parent, const char *name, enum entry_type type)
{
	struct node *node = make(t, parent, name, type);
	struct dir_entry *e = NULL;

	if (!node)
		return NULL;
	dir_find(parent->dir, name, 0, &e);
	if (e && e->node) { /* what is made now is another thing under the same name */
		e->node->stale = true;
		node_detach(t, e->node);
	}
	if (e)
		e->node = node;
	else
		e = dir_put(parent->dir, name, type == ENTRY_FOLDER, node);
	if (e)
		return node;
	parent->children--;
	node->parent = NULL;
	drop(t, node);
	return NULL;
}

void node_detach(struct node_table *t, struct node *node)
{
	struct node *parent = node->parent;

	if (!parent)
		return;
	node->parent = NULL;
	if (parent->dir)
		dir_forget_node(parent->dir, node->name, node);
	parent->children--;
	node_review(t, parent);
}

int node_move(struct node_table *t, struct node *node, struct node *parent, const char *name)
{
	struct node *old = node->parent;
	char *copy = strdup(name);

	if (!copy || !dir_put(parent->dir, name, node->type == ENTRY_FOLDER, node)) {
		free(copy);
		return ENOMEM;
	}
	if (old)
		dir_drop(old->dir, node->name);
	parent->children++;
	leave_idle(t, parent);
	free(node->name);
	node->name = copy;
	node->parent = parent;
	if (old) {
		old->children--;
		node_review(t, old);
	}
	return 0;
}

int node_path(const struct node_table *t, const struct node *node, char out[PATH_CAP])
{
	char work[PATH_CAP];
	size_t at = sizeof(work) - 1;

	work[at] = '\0';
	for (; node != t->root; node = node->parent) {
		size_t n = node->parent ? strlen(node->name) : 0;

		if (!node->parent)
			return ESTALE;
		if (n + 1 > at)
			return ENAMETOOLONG;
		at -= n;
		memcpy(work + at, node->name, n);
		work[--at] = '/';
	}

	size_t root = strlen(t->root_path), rest = sizeof(work) - 1 - at;

	if (root == 0 && rest) { /* "/a/b" is "a/b" */
		at++;
		rest--;
	}
	if (root + rest + 1 > PATH_CAP)
		return ENAMETOOLONG;
	memcpy(out, t->root_path, root);
	memcpy(out + root, work + at, rest + 1);
	return 0;
}

int node_child_path(const struct node_table *t, const struct node *parent, const char *name, char out[PATH_CAP])
{
	char path[PATH_CAP];
	int rc = node_path(t, parent, path);

	return rc ? rc : path_join(t->rules, out, path, name);
}

uint64_t node_ino_of(const struct node_table *t, const struct node *parent, const char *name)
{
	char path[PATH_CAP];

	return node_path(t, parent, path) ? 0 : ino_of_path(path, name);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/settle.h"
#include "fs/load.h"
#include "base/clock.h"
#include "vault/stem.h"

#include <errno.h>

enum { DELAY_MS = 3000, RETRY_MS = 5000, RETRIES = 5, AT_ONCE = 32 };
#define QUEUED INT64_MAX /* settle_due_ms of a node whose call is under way */

struct settle {
	pthread_t thread;
	pthread_cond_t wake; /* with the file system's lock */
	bool stop;
	struct node *first;  /* unsettled nodes, newest first */
	unsigned count;
	unsigned lost;       /* given up after the last try */
};

void settle_later(struct fs *f, struct node *node)
{
	node->unsettled_seq++;
	if (node->unsettled)
		return;
	node->unsettled = true;
	node->settle_tries = 0;
	node->settle_due_ms = clock_mono_ms() + DELAY_MS;
	node->next_unsettled = f->settle->first;
	f->settle->first = node;
	f->settle->count++;
	pthread_cond_signal(&f->settle->wake);
}

void settle_cancel(struct fs *f, struct node *node)
{
	struct node **at = &f->settle->first;

	if (!node->unsettled)
		return;
	while (*at != node)
		at = &(*at)->next_unsettled;
	*at = node->next_unsettled;
	node->next_unsettled = NULL;
	node->unsettled = false;
	f->settle->count--;
	pthread_cond_broadcast(&f->changed);
}

unsigned settle_count(const struct fs *f)
{
	return f->settle->count;
}

bool settle_waits(const struct fs *f, const struct dir *names, const char *stem)
{
	for (const struct node *n = f->settle->first; n; n = n->next_unsettled)
		if (n->type == ENTRY_FILE && n->name && n->parent && n->parent->dir == names && stem_has(stem, n->name))
			return true;
	return false;
}

/* ---- one node */

struct wish {
	char path[PATH_CAP], key[PATH_CAP];
	struct object *object;
	struct trailer attrs;
	char *link;
	bool folder;
	uint64_t seq;
};

static void wish_end(struct wish *w)
{
	object_unref(w->object);
	free(w->link);
}

/* The lock is held. False: there is nothing to do. */
static bool wish_of(struct fs *f, struct node *node, struct wish *out)
{
	*out = (struct wish){ .seq = node->unsettled_seq, .folder = node->type == ENTRY_FOLDER };
	if (!node->unsettled)
		return false;
	if (node->content || node->unlinked || node->stale || node_path(&f->nodes, node, out->path) || out->path[0] == '\0' ||
	    path_key(vault_rules(f->vault), out->key, out->path, out->folder)) {
		settle_cancel(f, node);
		return false;
	}
	out->object = object_ref(node->object);
	if (out->object)
		object_attrs(out->object, &out->attrs);
	else
		out->attrs = node->attrs;
	out->attrs.mode = node->attrs.mode;
	out->attrs.uid = node->attrs.uid;
	out->attrs.gid = node->attrs.gid;
	out->attrs.mtime = node->attrs.mtime;
	out->attrs.state = node->attrs.state;
	out->link = node->type == ENTRY_SYMLINK && node->link ? strdup(node->link) : NULL;
	return true;
}

/* Folders and links are small enough to be put anew, in one request; *made is then the new object. */
static int rewrite(struct fs *f, const struct wish *w, struct object **made)
{
	struct store_cond cond = { .if_none_match = !w->object };
	struct object_place place;

	if (w->object) {
		object_place(w->object, &place);
		copy_text(cond.if_match, sizeof(cond.if_match), place.etag);
	}
	if (w->folder)
		return object_put_small(f->vault, w->key, "", 0, &w->attrs, &cond, made, NULL);
	if (w->link)
		return object_put_small(f->vault, w->key, w->link, strlen(w->link), &w->attrs, &cond, made, NULL);
	return w->object ? object_rewrite(f->vault, w->object, w->key, &w->attrs, NULL) : ENOENT;
}

/* The lock is held. */
static void settled(struct fs *f, struct node *node, const struct wish *w, int rc, struct object *made)
{
	bool dropped = rc == ESTALE || rc == ENOENT || rc == EEXIST;

	if (made) {
		object_unref(node->object);
		node->object = object_ref(made);
	}
	if (!rc && node->parent && node->parent->dir)
		dir_touch(node->parent->dir, node->name);
	if (!rc && node->unsettled_seq != w->seq) {
		node->settle_due_ms = clock_mono_ms() + DELAY_MS; /* changed again meanwhile */
		return;
	}
	if (rc && !dropped && ++node->settle_tries < RETRIES) {
		node->settle_due_ms = clock_mono_ms() + (RETRY_MS << node->settle_tries);
		return;
	}
	f->settle->lost += rc && !dropped;
	settle_cancel(f, node);
}

static void tell(const struct wish *w, int rc)
{
	if (rc == ESTALE || rc == ENOENT || rc == EEXIST)
		log_path(LOG_WARN, "attrs", w->path, "mode, owner or time not changed: something else stands there now");
	else if (rc)
		log_path(LOG_ERROR, "attrs", w->path, "mode, owner or time could not be stored: %s", strerror(rc));
}

int settle_now(struct fs *f, struct node *node)
{
	struct object *made = NULL;
	struct wish w;
	bool wanted;
	int rc;

	fs_lock(f);
	wanted = wish_of(f, node, &w);
	fs_unlock(f);
	if (!wanted) {
		wish_end(&w);
		return 0;
	}
	rc = rewrite(f, &w, &made);
	tell(&w, rc);
	fs_lock(f);
	settled(f, node, &w, rc, made);
	fs_unlock(f);
	object_unref(made);
	wish_end(&w);
	return rc == ESTALE || rc == ENOENT || rc == EEXIST ? 0 : rc;
}

static void settle_run(struct call *c)
{
	struct fs *f = c->fs;

	settle_now(f, c->node);
	call_leave(f, c->node);
	call_free(c);
}

/* ---- all that are due */

/* The lock is held; given up in between. */
static void start_due(struct fs *f, int64_t now)
{
	struct node *due[AT_ONCE];
	size_t count = 0;

	for (struct node *n = f->settle->first; n && count < AT_ONCE; n = n->next_unsettled) {
		if (n->settle_due_ms == QUEUED || n->settle_due_ms > now)
			continue;
		n->settle_due_ms = QUEUED;
		due[count++] = node_pin(n);
	}
	fs_unlock(f);
	for (size_t i = 0; i < count; i++) {
		struct call *c = call_new(f, NULL, due[i]);

		if (c)
			call_enter(c, due[i], vault_commit_pool(f->vault), settle_run);
		else
			due[i]->settle_due_ms = now + RETRY_MS;
	}
	fs_lock(f);
	for (size_t i = 0; i < count; i++)
		node_unpin(&f->nodes, due[i]);
}

static int64_t next_due(const struct fs *f, int64_t now)
{
	int64_t first = f->settle->first ? now + DELAY_MS : INT64_MAX;

	for (const struct node *n = f->settle->first; n; n = n->next_unsettled)
		if (n->settle_due_ms < first)
			first = n->settle_due_ms;
	return first;
}

static void *settle_thread(void *arg)
{
	struct fs *f = arg;

	fs_lock(f);
	while (!f->settle->stop) {
		int64_t now = clock_mono_ms(), due = next_due(f, now);

		if (due <= now)
			start_due(f, now);
		else
			cond_wait_until(&f->settle->wake, &f->lock, due);
	}
	fs_unlock(f);
	return NULL;
}

unsigned settle_all(struct fs *f, int64_t deadline)
{
	unsigned left;

	fs_lock(f);
	for (struct node *n = f->settle->first; n; n = n->next_unsettled) {
		if (n->settle_due_ms != QUEUED)
			n->settle_due_ms = 0;
		n->settle_tries = RETRIES - 1; /* the last */
	}
	pthread_cond_signal(&f->settle->wake);
	while (f->settle->count && cond_wait_until(&f->changed, &f->lock, deadline) == 0)
		continue;
	left = f->settle->count + f->settle->lost;
	fs_unlock(f);
	return left;
}

int settle_start(struct fs *f)
{
	struct settle *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return ENOMEM;
	cond_init_mono(&s->wake);
	f->settle = s;
	rc = pthread_create(&s->thread, NULL, settle_thread, f);
	if (rc) {
		pthread_cond_destroy(&s->wake);
		free(s);
		f->settle = NULL;
	}
	return rc;
}

void settle_stop(struct fs *f)
{
	if (!f->settle)
		return;
	fs_lock(f);
	f->settle->stop = true;
	pthread_cond_signal(&f->settle->wake);
	fs_unlock(f);
	pthread_join(f->settle->thread, NULL);
	pthread_cond_destroy(&f->settle->wake);
	free(f->settle);
	f->settle = NULL;
}

/* ---- a folder and what is in it, one after the other */

struct chain {
	struct node **nodes; /* pinned */
	size_t count, at;
	int error;
	void (*done)(struct call *c, int error);
};

static void chain_next(struct call *c);

static void chain_run(struct call *c)
{
	struct chain *chain = c->data;
	struct node *node = chain->nodes[chain->at++];
	int rc = settle_now(c->fs, node);

	if (!chain->error)
		chain->error = rc;
	call_leave(c->fs, node);
	chain_next(c);
}

static void chain_next(struct call *c)
{
	struct chain *chain = c->data;
	struct fs *f = c->fs;

	if (chain->at < chain->count) {
		call_enter(c, chain->nodes[chain->at], vault_commit_pool(f->vault), chain_run);
		return;
	}
	fs_lock(f);
	for (size_t i = 0; i < chain->count; i++)
		node_unpin(&f->nodes, chain->nodes[i]);
	fs_unlock(f);
	free(chain->nodes);
	chain->done(c, chain->error);
}

void settle_folder(struct call *c, void (*done)(struct call *c, int error))
{
	struct fs *f = c->fs;
	struct chain *chain = calloc(1, sizeof(*chain));

	if (!chain) {
		done(c, ENOMEM);
		return;
	}
	c->data = chain;
	chain->done = done;
	fs_lock(f);
	chain->nodes = calloc(f->settle->count + 1, sizeof(struct node *));
	for (struct node *n = f->settle->first; n && chain->nodes; n = n->next_unsettled)
		if (n == c->node || n->parent == c->node)
			chain->nodes[chain->count++] = node_pin(n);
	chain->error = chain->nodes ? 0 : ENOMEM;
	fs_unlock(f);
	chain_next(c);
}

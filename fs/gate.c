/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/gate.h"

#include "fs/attrs.h"

#include "base/clock.h"
#include "fs/load.h"
#include "fs/names.h"
#include "fs/reply.h"
#include "fs/sets.h"
#include "fs/shelf.h"
#include "fs/witness.h"
#include "vault/sealer.h"
#include "vault/tombstone.h"

#include <errno.h>
#include <fcntl.h>

/* What one request does at one name. A rename is two of them. */
struct step {
	char path[PATH_CAP];
	enum gate_kind kind;
};

/* It is done to c->node, and not to a name in it. */
static bool is_of_node(enum gate_kind kind)
{
	return kind == GATE_WRITE || kind == GATE_APPEND || kind == GATE_REPLACE || kind == GATE_ATTRS;
}

/* The lock is held. The steps of a call; how many. */
static unsigned steps_of(const struct call *c, struct step steps[2])
{
	const struct node_table *t = &c->fs->nodes;
	struct dir_entry *e = NULL;
	unsigned n = 0;

	steps[0].kind = c->gate;
	if (is_of_node(c->gate))
		return node_path(t, c->node, steps[0].path) == 0;
	n += node_child_path(t, c->node, c->name, steps[0].path) == 0;
	if (c->gate != GATE_MOVE || !n)
		return n;
	if (c->other->dir)
		dir_find(c->other->dir, c->to, 0, &e);
	steps[1].kind = e ? GATE_REPLACE : GATE_MAKE;
	return n + (node_child_path(t, c->other, c->to, steps[1].path) == 0);
}

/* The lock is held: is the path a folder that is a direct child of its tenant, or below one? */
static bool is_inside(const struct call *c, const char *top)
{
	const struct node *node = is_of_node(c->gate) ? c->node : NULL;
	struct dir_entry *e = NULL;

	if (strchr(top, '/') || c->gated == names_mkdir)
		return true;
	if (node)
		return node->type == ENTRY_FOLDER;
	if (c->node->dir && c->name)
		dir_find(c->node->dir, c->name, 0, &e);
	return e && e->folder;
}

/* The lock is held. *set: NULL: it is in no backup, and passes. */
static enum gate_verdict judge(struct call *c, const struct step *step, struct set **set)
{
	const char *top;
	struct set *s = *set = sets_of(c->fs, step->path, &top);

	if (!s)
		return GATE_PASS;
	return gate_decide(&(struct gate_input){
		.state = s->state,
		.kind = step->kind,
		.member = set_lists(s, top),
		.listed = s->seal ? seal_find(s->seal, top) != NULL : set_lists(s, top),
		.kept = s->kept,
		.archive_stays = set_archive_stays(s, top),
		.inside = is_inside(c, top),
		.archive_waits = set_archive_waits(s),
		.on_remove = c->fs->config.on_remove,
	});
}

/* ---- acting */

#define GATE_AGAIN (-1) /* no errno: a store says EAGAIN too */

static int64_t grace_s(const struct fs *f)
{
	return f->config.grace_s ? f->config.grace_s : 72 * 3600;
}

static const char *why(const struct step *step)
{
	static const char *const texts[] = { "a file was added",	 "a file was written",  "a file was appended to", "a file was overwritten", "removed through the mount",
					     "a file was renamed", "attributes were changed" };

	return texts[step->kind];
}

/* The lock is held. */
static void set_becomes(struct fs *f, struct set *s, enum set_state state)
{
	s->state = state;
	s->own = true;
	s->looked_ms = clock_mono_ms();
	set_changed(s);
	s->touched = state != SET_DELETED;
	shelf_expire(f, s->tenant);
	pthread_cond_broadcast(&f->changed);
}

/* The lock is held: names of the tenant's folder are asked for anew. */
static void look_again(struct fs *f, const char *tenant)
{
	struct dir *names = sets_names(f, tenant);

	if (names)
		dir_expire(names);
}

/* Waits for the archive's seal, without the lock. */
static int wait_for_seal(struct call *c, struct set *s)
{
	struct fs *f = c->fs;
	int64_t deadline = clock_mono_ms() + (f->config.meta_timeout_ms ? f->config.meta_timeout_ms : 30000);
	bool waits;

	fs_lock(f);
	while ((waits = set_archive_waits(s)) && clock_mono_ms() < deadline && !atomic_load(&c->cancelled))
		cond_wait_until(&f->changed, &f->lock, clock_mono_ms() + 250);
	fs_unlock(f);
	if (!waits)
		return 0;
	log_path(LOG_WARN, "seal", s->key, "nothing is removed beside an archive that is not sealed yet; try again");
	return EBUSY;
}

/* One verdict put into practice, without the lock. GATE_AGAIN: judge again; 0: pass; EEXIST: it is hidden. */
static int act(struct call *c, struct set *s, const struct step *step, enum gate_verdict verdict)
{
	struct fs *f = c->fs;
	int rc = 0;

	switch (verdict) {
	case GATE_PASS:
		return 0;
	case GATE_GONE:
		return EEXIST;
	case GATE_REFUSE:
		log_path(LOG_WARN, "seal", step->path, "refused: its backup is sealed, and --on-remove=refuse keeps it as it is");
		return EPERM;
	case GATE_WAIT:
		rc = wait_for_seal(c, s);
		return rc ? rc : GATE_AGAIN;
	case GATE_KEEP_COPY:
		rc = trash_copy(f->vault, s->tenant, s->stem, why(step), grace_s(f), &c->store);
		rc = rc == ENOENT ? 0 : rc; /* there is nothing to be kept */
		if (!rc)
			rc = sealer_reopen(f->vault, s->tenant, s->stem, why(step), &c->store);
		break;
	case GATE_REOPEN:
		rc = sealer_reopen(f->vault, s->tenant, s->stem, why(step), &c->store);
		break;
	case GATE_TRASH:
		rc = tombstone_to_trash(f->vault, s->tenant, s->stem, &c->store);
		break;
	case GATE_TOMBSTONE:
		rc = tombstone_put(f->vault, s->tenant, s->stem, why(step), grace_s(f), 0, &c->store);
		rc = rc == EEXIST ? 0 : rc;
		if (!rc)
			log_path(LOG_INFO, "seal", s->key, "it was sealed, and is removed as a whole: pishopctl undelete brings it back until the grace is over");
		break;
	}
	if (rc)
		return rc;
	fs_lock(f);
	set_becomes(f, s, verdict == GATE_TOMBSTONE ? SET_DELETED : verdict == GATE_TRASH ? SET_PLAIN : SET_REOPENED);
	s->kept |= verdict == GATE_KEEP_COPY;
	if (verdict == GATE_TRASH)
		look_again(f, s->tenant);
	fs_unlock(f);
	return GATE_AGAIN;
}

/* ---- the way through */

static void pass(struct call *c)
{
	struct fs *f = c->fs;
	struct step steps[2];
	struct set *s;
	unsigned n;

	fs_lock(f);
	n = steps_of(c, steps);
	for (unsigned i = 0; i < n; i++) {
		judge(c, &steps[i], &s);
		if (s && s->state == SET_SEALED)
			s->acted_ms = clock_mono_ms(); /* beside it: the seal stays as good as it was */
		else if (s)
			set_changed(s);
	}
	fs_unlock(f);
	c->gated(c);
}

static void stopped(struct call *c, int rc)
{
	if (rc == EPERM || rc == EBUSY)
		reply_refused(c, rc);
	else if (rc != EEXIST)
		reply_error(c, rc);
	else if (c->gate == GATE_REMOVE)
		names_vanish(c);
	else
		reply_error(c, ESTALE);
}

/* Content that waits to be written may wait for as long as it may later, on its way to the store. */
static bool tries_again(const struct call *c, int rc, int64_t since)
{
	const struct vault_config *v = vault_settings(c->fs->vault);
	bool content = c->gate == GATE_MAKE || c->gate == GATE_WRITE || c->gate == GATE_APPEND || c->gate == GATE_REPLACE;

	if (!content || !vault_may_pass(rc) || atomic_load(&c->cancelled) || clock_mono_ms() - since + v->meta_timeout_ms > v->data_timeout_ms)
		return false;
	clock_sleep_ms(250);
	return true;
}

/* One step: asks, acts and judges again until it passes (0) or is stopped. */
static int gate_step(struct call *c, const struct step *step)
{
	enum { ROUNDS = 8 };
	struct fs *f = c->fs;
	int64_t since = clock_mono_ms();
	unsigned round = 0;
	int rc;

	do {
		enum gate_verdict verdict = GATE_PASS;
		struct set *s = NULL;

		rc = sets_look(f, step->path, false, &c->store);
		if (rc)
			continue;
		fs_lock(f);
		verdict = judge(c, step, &s);
		if (s)
			s->pins++;
		fs_unlock(f);
		if (!s)
			return 0;
		rc = act(c, s, step, verdict);
		fs_lock(f);
		s->pins--;
		fs_unlock(f);
	} while (rc == GATE_AGAIN ? round++ < ROUNDS : tries_again(c, rc, since));
	return rc == GATE_AGAIN ? EIO : rc;
}

/* On a pool. */
static void gate_run(struct call *c)
{
	struct step steps[2];
	unsigned n = 1;
	int rc = 0;

	for (unsigned i = 0; i < n && !rc; i++) {
		fs_lock(c->fs);
		n = steps_of(c, steps); /* the first step may have changed what the second is */
		fs_unlock(c->fs);
		if (i < n)
			rc = gate_step(c, &steps[i]);
	}
	if (rc)
		stopped(c, rc);
	else
		pass(c);
}

/* Known sets, and plain ones at that, pass without another thread. */
static void gate(struct call *c, enum gate_kind kind, void (*next)(struct call *c))
{
	struct fs *f = c->fs;
	struct step steps[2];
	bool at_once = true, makes = kind == GATE_MAKE || kind == GATE_WRITE || kind == GATE_APPEND;
	unsigned n;

	c->gate = kind;
	c->gated = next;
	if (f->config.read_only) {
		next(c); /* which refuses */
		return;
	}
	fs_lock(f);
	n = steps_of(c, steps);
	for (unsigned i = 0; i < n; i++) {
		struct set *s;

		at_once &= judge(c, &steps[i], &s) == GATE_PASS && (!s || set_known(s) || (makes && sets_new(f, s)));
	}
	fs_unlock(f);
	if (at_once)
		pass(c);
	else
		call_run(c, f->gate_pool, gate_run);
}

void gate_make(struct call *c, void (*next)(struct call *c))
{
	gate(c, GATE_MAKE, next);
}

void gate_remove(struct call *c, void (*next)(struct call *c))
{
	gate(c, GATE_REMOVE, next);
}

void gate_rename(struct call *c, void (*next)(struct call *c))
{
	gate(c, GATE_MOVE, next);
}

/* On a pool: a reader's file is compared with its seal, if there is one. What cannot be asked is read all the same: every chunk is authenticated. */
static void read_run(struct call *c)
{
	struct step step;
	int rc;

	fs_lock(c->fs);
	rc = node_path(&c->fs->nodes, c->node, step.path);
	fs_unlock(c->fs);
	if (!rc)
		rc = sets_look(c->fs, step.path, false, &c->store);
	if (rc && rc != ESTALE)
		log_path(LOG_WARN, "seal", step.path, "its seal cannot be read, so it is not compared with it: %s", strerror(rc));
	witness_read(c);
	c->gated(c);
}

static void gate_read(struct call *c, void (*next)(struct call *c))
{
	struct fs *f = c->fs;
	struct set *s = NULL;
	char path[PATH_CAP];
	const char *top;
	bool ask;

	c->gated = next;
	fs_lock(f);
	if (node_path(&f->nodes, c->node, path) == 0)
		s = sets_of(f, path, &top);
	if (s)
		s->acted_ms = clock_mono_ms();
	ask = s && !set_known(s);
	fs_unlock(f);
	if (ask) {
		call_run(c, f->gate_pool, read_run);
		return;
	}
	witness_read(c);
	next(c);
}

void gate_open(struct call *c, void (*next)(struct call *c))
{
	bool writes = (c->flags & O_ACCMODE) != O_RDONLY || (c->flags & O_TRUNC);

	if (c->node->special) {
		next(c);
		return;
	}
	if (!writes) {
		gate_read(c, next);
		return;
	}
	gate(c, c->flags & O_TRUNC ? GATE_REPLACE : c->flags & O_APPEND ? GATE_APPEND : GATE_WRITE, next);
}

void gate_attrs(struct call *c, void (*next)(struct call *c))
{
	const int times = SET_ATIME | SET_ATIME_NOW;

	if (c->node->special || !(c->which & ~times))
		next(c);
	else
		gate(c, !(c->which & SET_SIZE) ? GATE_ATTRS : c->attr.st_size ? GATE_WRITE : GATE_REPLACE, next);
}

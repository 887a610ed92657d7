/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/dir.h"

#include <sys/stat.h>

/* The inodes of the mount. A node is what the kernel knows by one node id; numbers are never used twice, so an id that outlived its node is an
 * honest ESTALE. Everything here is guarded by the file system's lock and never blocks.
 *
 * A node lives while the kernel holds it (nlookup), calls or handles use it (pins), it has children, content or unsettled attributes. After that
 * it stays as a memory of its attributes, up to NODES_IDLE of them, the longest unused is dropped first.
 *
 * INV-NODE  A node has a parent and a name, and its parent's folder memory points to it, or it has neither: the root, and nodes whose name was removed
 *           (unlinked) or now belongs to something else (stale). */
#define NODES_IDLE 4096u

struct call;
struct content;

struct node {
	uint64_t id;            /* FUSE's */
	uint64_t ino;           /* st_ino: from the path at first sight */
	enum entry_type type;   /* 0: a file or a link, not looked at yet */
	struct node *parent;
	char *name;
	unsigned children;      /* nodes whose parent this is */
	uint64_t nlookup;       /* references of the kernel */
	unsigned pins;          /* calls and handles */
	bool special;           /* the hidden status folder and what is in it: not in any folder's memory */
	bool unlinked;          /* its name was removed, or replaced, by this mount */
	bool stale;             /* something else stands at its name: every call but forget and release is ESTALE */

	struct dir *dir;        /* folders */
	struct object *object;  /* committed object, or marker; NULL: none, or not loaded */
	struct content *content; /* open for writing, or failed: file.h */
	unsigned write_handles;
	bool known;             /* attrs and size are valid */
	int64_t by_seal_ms;     /* clock_mono_ms when they were taken from the seal of its backup, and the object is not loaded; 0: they were not */
	bool foreign;           /* not written by this program */
	int trouble;            /* why the object cannot be opened (EBADMSG, ENOKEY, EPROTONOSUPPORT); 0: it can */
	struct trailer attrs;   /* mode, owner, mtime as applications see them; state as committed */
	uint64_t size;          /* plain bytes, unless there is content */
	struct timespec atime, changed; /* changed: st_ctime */
	char *link;             /* target of a symbolic link, once it was read */

	/* How its writers ended; reset when it is opened again after the last close. commit.c */
	enum trailer_state mark; /* STATE_KILLED or STATE_FAILED: a writer died; else STATE_OPEN */
	bool unseen;            /* a writer's process could not be seen */
	bool draining;          /* the end of the mount has taken care of it */
	bool publishing;        /* something was committed since the first open for writing */
	bool by_close;          /* and it was last committed by a close that was not the last one, as gzip's is under tar; not by fsync */

	/* The backup that counts it among its writers, while it is open for writing; sets.c */
	struct set *set;
	bool set_file, set_archive;

	/* Attributes that are not in the bucket yet. settle.c */
	bool unsettled;
	uint64_t unsettled_seq;
	int64_t settle_due_ms;  /* clock_mono_ms */
	unsigned settle_tries;
	struct node *next_unsettled;

	/* Calls that must not overlap on this node run one after another. call.c */
	bool busy;
	struct call *first, **last;

	struct node *idle_prev, *idle_next;
	bool idle;
	UT_hash_handle hh, hh_ino;
};

struct node_table {
	struct node *by_id, *by_ino;
	struct node *root;
	struct node *idle_first, *idle_last; /* oldest first */
	unsigned idle;
	uint64_t last_id;
	char root_path[PATH_CAP];
	const struct path_rules *rules;
	struct tally *names; /* NULL: not counted */
};

/* Makes the root, a folder at this path of the vault. rules are borrowed, and names, which counts what folders remember. ENOMEM. */
int nodes_start(struct node_table *t, const struct path_rules *rules, struct tally *names, const char *root_path);
void nodes_stop(struct node_table *t); /* frees every node, whoever still uses it */

/* NULL: there is none. */
struct node *node_by_id(struct node_table *t, uint64_t id);
/* A new node at a name of a folder, entered into the folder's memory (dir_put is not called for names that are there already). NULL: no
 * memory, or the path is too long. It is not pinned: pin it before the lock is given back. */
struct node *node_make(struct node_table *t, struct node *parent, const char *name, enum entry_type type);
/* The same beside the folder's memory, for the hidden status folder. */
struct node *node_make_special(struct node_table *t, struct node *parent, const char *name, enum entry_type type);

struct node *node_pin(struct node *node); /* NULL is legal */
void node_unpin(struct node_table *t, struct node *node); /* NULL is legal; may free */
void node_forget(struct node_table *t, struct node *node, uint64_t count); /* may free */
/* Names are short of memory: forgets what folders that nobody is in remember, first those that can be asked for again at little cost. How many
 * bytes that gave back. */
size_t nodes_shrink(struct node_table *t);
/* To be called when content, unsettled attributes or the queue went away: may free. */
void node_review(struct node_table *t, struct node *node);

/* Takes the name away: the folder's memory no longer points to the node. */
void node_detach(struct node_table *t, struct node *node);
/* Gives it another place. The folders' memories are changed too. ENOMEM, ENAMETOOLONG: nothing was changed. */
int node_move(struct node_table *t, struct node *node, struct node *parent, const char *name);

/* Path in the vault. ESTALE: it has no name any more; ENAMETOOLONG. */
int node_path(const struct node_table *t, const struct node *node, char out[PATH_CAP]);
/* Path of a name in a folder: as path_join. */
int node_child_path(const struct node_table *t, const struct node *parent, const char *name, char out[PATH_CAP]);
/* The st_ino that a name would get that has no node yet, for directory entries. */
uint64_t node_ino_of(const struct node_table *t, const struct node *parent, const char *name);

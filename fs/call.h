/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/fs_private.h"

struct handle;
struct parked_how;
struct set;

/* One request of the kernel on its way through the mount, or a call of our own (then nobody waits for an answer). It is made by fuse_ops.c,
 * given from stage to stage, and ends in exactly one function of reply.h, which frees it. */
struct call {
	struct fs *fs;
	_Atomic(void *) request;  /* fuse_req_t; NULL: answered already (interrupted), or our own */
	atomic_bool cancelled;    /* the kernel no longer waits */
	struct store_call store;  /* for requests to the store; cancel points to cancelled */
	pid_t pid;                /* thread that asked, 0: not visible */
	uint32_t uid, gid;
	struct node *node, *other; /* pinned until the end */
	struct node *source, *target; /* of a rename; pinned too */
	struct handle *handle;    /* borrowed: the kernel holds it open */
	char *name, *to;          /* owned */
	uint64_t offset, size;
	unsigned flags, mode;
	struct stat attr;         /* setattr */
	int which;                /* setattr: SET_* of attrs.h */
	void *data;               /* owned, for whoever needs it */
	int64_t since_ms;         /* clock_mono_ms when it came */

	const struct parked_how *how; /* while it is parked */
	void (*run)(struct call *c); /* next stage, while it waits */
	struct pool *pool;
	struct call *next;        /* in a node's queue, or parked */
	struct node *asked;       /* folder that is being listed for this call, */
	void (*again)(struct call *c); /* which is then called again */
	bool listed;              /* that was done: memory is believed now */
	struct set *set;          /* that is being sealed, and not forgotten meanwhile */
	int gate;                 /* enum gate_kind of what it does at its first name; gate.c */
	void (*gated)(struct call *c); /* what comes behind the gate */
};

/* Made with its node pinned; NULL: no memory. request may be NULL. */
struct call *call_new(struct fs *f, void *request, struct node *node);
/* Frees a call without an answer: for calls of our own, and the last act of every reply. The lock must not be held. */
void call_free(struct call *c);
/* The request, for the one who answers: NULL when it was answered before. */
void *call_take(struct call *c);

/* Runs the next stage on a pool. Where no thread can be had it runs at once: a slow answer is better than none. */
void call_run(struct call *c, struct pool *pool, void (*run)(struct call *c));
/* The same when all calls that entered this node before have left it. The stage (or a later one) must call call_leave. */
void call_enter(struct call *c, struct node *node, struct pool *pool, void (*run)(struct call *c));
/* The lock is held: true when nobody is in the node's queue, so that something that does not block may be done now. */
bool call_idle(const struct node *node);
/* Lets the next call into the node, which may free it. The lock must not be held. */
void call_leave(struct fs *f, struct node *node);

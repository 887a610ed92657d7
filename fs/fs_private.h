/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/log.h"
#include "base/sync.h"
#include "fs/fs.h"
#include "fs/node.h"

#include <stdatomic.h>

struct handle;
struct parked;
struct set;
struct settle;
struct verification;

/* The inside of the mount, for fs/ only.
 *
 * Threads: FUSE workers take requests and do what needs neither network nor waiting; everything else runs on a pool: commits (and what must stay in order with them)
 * on the vault's commit pool, names and attributes on meta_pool, reads on read_pool, what asks for a backup's seal before a change on gate_pool. One thread retries parked requests (parked.c), one settles
 * attributes (settle.c), and notices to the kernel have a pool of one (notify.h), since the kernel may make it wait for our own answers.
 *
 * Lock order: lock, then a handle's or the vault's own locks. lock is never held over a call that blocks. */
struct fs {
	struct fs_config config;   /* texts owned */
	struct vault *vault;
	uint32_t uid, gid;         /* of entries without attributes */
	struct timespec started;
	char *mountpoint;          /* absolute, without links */
	char device[32];           /* of the mount, "0:57"; "" unknown */

	pthread_mutex_t lock;      /* nodes, folders' memories, and what is below */
	pthread_cond_t changed;    /* write_handles, calls, state */
	struct node_table nodes;
	struct handle *handles;    /* all that are open */
	unsigned write_handles;    /* not released, or still being finished */
	unsigned calls;            /* that exist: requests and our own */
	struct node *status_folder, *status_file;
	struct status_backups *status_backups; /* NULL: nobody has asked yet */
	bool said_unseen;          /* the log says that processes cannot be seen */
	unsigned drain_failed;     /* files that could not be stored at the end */
	uint64_t killed, lost;     /* files marked as a dead writer's; nodes replaced behind the mount: for status */
	int64_t space_ms;          /* clock_mono_ms of the last answer of the store about its space; 0: none */
	struct store_space space;

	struct pool *gate_pool, *meta_pool, *read_pool, *ahead_pool, *notify_pool;
	struct parked *parked;
	struct settle *settle;
	struct verification *verification; /* NULL: none is done */
	struct set *sets;          /* backups that this mount touched or looked at: sets.h */
	struct shelf *shelves;     /* what records tenants have: shelf.h */
	pthread_t sets_thread;     /* seals what is quiet */
	pthread_cond_t sets_wake;
	bool sets_running, sets_end;

	atomic_bool stopping;      /* no new opens for writing */
	atomic_bool stop_now;      /* the loop is to end whatever is open */
	void *session;             /* struct fuse_session, mount.c */
	pthread_rwlock_t wire;     /* read: somebody answers; write: the connection is being closed */
	bool cut;                  /* the connection is closed: nothing may be sent. Under wire */
	pthread_t server;          /* in fs_serve */
	bool serving;              /* under lock */
	bool stopper_started;      /* under lock */
	pthread_t stopper;
	unsigned max_write;        /* bytes, as agreed with the kernel */
};

static inline void fs_lock(struct fs *f)
{
	pthread_mutex_lock(&f->lock);
}

static inline void fs_unlock(struct fs *f)
{
	pthread_mutex_unlock(&f->lock);
}

/* What an error of the vault is called at the edge: only names that applications know, and never ENOENT for what is merely out of reach. */
int edge_errno(int error);

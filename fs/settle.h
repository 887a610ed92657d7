/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/call.h"

/* Attributes of closed files, folders and links that changed: written to the bucket a moment later, as one new trailer for all changes of that
 * moment. A rename takes them along, an open for writing too; fsync, drain and unmount wait for them, removal forgets them. */

int settle_start(struct fs *f); /* ENOMEM, EAGAIN */
void settle_stop(struct fs *f);  /* ends the thread; what is not settled stays in the nodes */

/* The lock is held; NOW. node->attrs (mode, owner, mtime, state) differ from what is in the bucket. */
void settle_later(struct fs *f, struct node *node);
/* The lock is held; NOW. Somebody else takes them along, or nobody wants them any more. The node may be freed at the next review. */
void settle_cancel(struct fs *f, struct node *node);
/* In the node's queue; BLOCKS. 0: they are in the bucket, or there is nothing to do, or another's object stands there now and they were
 * dropped (logged); else a store errno (logged; tried again later). */
int settle_now(struct fs *f, struct node *node);
/* Settles the folder and what is directly in it, then calls done(c, first error), on the commit pool. For fsync of a folder. */
void settle_folder(struct call *c, void (*done)(struct call *c, int error));
/* Settles everything, for drain: starts it all and waits until deadline (clock_mono_ms). The number of nodes whose attributes
 * are not in the bucket, those given up before included. */
unsigned settle_all(struct fs *f, int64_t deadline);
/* The lock is held. How many nodes are waiting. */
unsigned settle_count(const struct fs *f);
/* The lock is held. Whether those of a file are still to be stored that is directly in the folder of these names, and of that stem. */
bool settle_waits(const struct fs *f, const struct dir *names, const char *stem);

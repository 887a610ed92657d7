/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/call.h"

#include <sys/statvfs.h>

/* Answers. Each ends a call: sends what the kernel waits for, if it still does, and frees the call. The lock must not be held; nodes must be pinned (by the call or the caller). Implemented in fuse_ops.c; the unit tests have
 * their own. */
void reply_error(struct call *c, int error);                 /* of the vault: translated by edge_errno; 0: done, nothing to tell */
void reply_refused(struct call *c, int error);               /* of ours: as it is */
void reply_entry(struct call *c, struct node *node);         /* its attributes must be known; the kernel then holds it */
void reply_absent(struct call *c);                           /* lookup: no such name; the kernel may remember that for a second */
void reply_attr(struct call *c, struct node *node);
void reply_open(struct call *c, struct handle *handle);      /* the kernel then holds the handle; freed where it no longer waits */
/* Entries of c->handle (a folder with its names) from c->offset on, as many as c->size bytes hold. */
void reply_names(struct call *c);
void reply_create(struct call *c, struct node *node, struct handle *handle);
void reply_bytes(struct call *c, const void *data, size_t len);
void reply_written(struct call *c, size_t len);
void reply_link(struct call *c, const char *target);
void reply_space(struct call *c, const struct statvfs *space);

/* Forgets of kernel caches, for a name that somebody else changed. Queues; may be called with the lock held. */
void notice_name(struct fs *f, const struct node *parent, const char *name);

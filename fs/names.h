/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/call.h"

/* Names: finding, making and removing them. The kernel serialises everything that changes the names of one folder, so two of these calls never
 * concern the same name at the same time; other mounts and FLUSHes do. */

enum found { NAME_FOUND, NAME_ABSENT, NAME_ASK, NAME_BAD };
/* The lock is held; NOW. What memory says of a name: FOUND: *node (it may have to be loaded; pin it); ASK: the folder must be listed first; BAD: a node cannot
 * be made for it (ENAMETOOLONG or ENOMEM). listed: the folder was just listed, so memory is to be believed whatever its age. */
enum found names_find(struct fs *f, struct node *folder, const char *name, bool listed, struct node **node);
/* Lists a folder that the call has pinned, sets c->listed and calls again(c); answers the error where that fails. For NAME_ASK. */
void names_ask(struct call *c, struct node *folder, void (*again)(struct call *c));
/* May c->name be made in c->node? 0, and path is its path; EAGAIN: the folder is being listed, again(c) will be called; EEXIST; or why not: EROFS, EPERM (a file in
 * the root of a mount of all tenants), ENAMETOOLONG. */
int names_may_create(struct call *c, char path[PATH_CAP], void (*again)(struct call *c));
/* Attributes of a new entry: the caller's owner and mode; the folder's group where it is set-group-id. */
void names_new_attrs(struct call *c, enum entry_type type, struct trailer *out);
/* The lock is held, and the node's queue is ours or empty; NOW. Takes a removed, or replaced, node out of everything: its name, unsettled attributes, and
 * content that nobody has open (it failed): that is returned, for the caller to unref without the lock. What is open goes on in memory. */
struct content *names_gone(struct fs *f, struct node *node);
/* In the folder's queue; BLOCKS. 0: nothing is in it; ENOTEMPTY; or why that cannot be told. */
int names_check_empty(struct fs *f, struct node *folder, struct store_call *call);
/* BLOCKS. Before a folder is made at path: a removal of a file of that name, which may be waiting, is sent, since a local folder cannot hold both. */
int names_clear_file(struct fs *f, const char *path);

/* Requests. Any thread; answered at once or from a pool. c->node is the folder, c->name the name. */
void names_lookup(struct call *c);
void names_mkdir(struct call *c);
void names_mknod(struct call *c);   /* regular files only */
void names_symlink(struct call *c); /* c->to: the target */
void names_unlink(struct call *c);
void names_rmdir(struct call *c);
/* c->node, c->name: its backup is hidden by a tombstone: memory forgets the name, nothing is removed in the bucket. */
void names_vanish(struct call *c);
void names_readlink(struct call *c); /* c->node: the link */
/* rename.c: c->node and c->name to c->other and c->to; c->flags of renameat2. */
void names_rename(struct call *c);

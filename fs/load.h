/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/call.h"

/* Filling memory from the store: attributes of one node, names of one folder. All but what is marked block, on pool threads, in the queue of the
 * node concerned, so that two who ask for the same thing cost one request. */

#define LOAD_FRESH_MS 60000 /* an object seen within this time is taken as unchanged */

/* Makes the node's attributes known. 0, also for objects that cannot be opened (node->trouble says why; they are shown by what the listing said);
 * ENOENT: the name vanished behind the mount; ESTALE: the node has no name any more; or a store errno: nothing is known then. */
int load_node(struct fs *f, struct node *node, struct store_call *call);
/* The same for attributes alone: a file or folder of a sealed backup has them from its seal, and its object is not loaded (node->by_seal_ms): whoever needs that calls
 * load_node. EIO also where the seal lists what is not there. */
int load_look(struct fs *f, struct node *node, struct store_call *call);
/* The lock is held; NOW. Whether load_look has nothing to do. */
bool load_looked(const struct node *node);
/* Makes the folder's names known. Of a folder in a sealed backup they are those of its seal. 0; ENOENT: the folder vanished; ESTALE; or a store errno. */
int load_names(struct fs *f, struct node *folder, struct store_call *call);
/* Asks the store whether the node's object still stands there, unless that was seen within a minute. 0; ESTALE: no, and the node is stale now. */
int load_confirm(struct fs *f, struct node *node, struct store_call *call);

/* The lock is held; NOW. Takes what an object says about the node; the reference becomes the node's. */
void load_take(struct fs *f, struct node *node, struct object *object);
/* The lock is held; NOW. Shows the node with the attributes of entries that have none of their own. */
void load_defaults(struct fs *f, struct node *node);
/* The lock is held; NOW. Something else stands at the node's name, or nothing: the node keeps its handles, which get ESTALE, and the kernel is told. */
void load_lost(struct fs *f, struct node *node);
/* NOW. A name of the folder is looked up: loads those that will probably follow, in the background. */
void load_ahead(struct fs *f, struct node *folder, const char *name);

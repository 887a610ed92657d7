/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/file.h"

/* Reading folders. The names are taken once, at the first read of a handle (and again when it is rewound), so that what changes meanwhile neither hides
 * nor repeats an entry. Offsets: 0 is ".", 1 is "..", 2 + i the i-th name. */

/* A handle for reading c->node. NOW. */
void folder_open(struct call *c);
/* c->handle, c->offset, c->size, c->flags: FOLDER_PLUS. Makes sure the names are there, then reply_names takes them. */
void folder_read(struct call *c);
/* Attributes of the folder and of what is in it, and removals below it, are in the bucket when this is answered with 0. */
void folder_fsync(struct call *c);
enum { FOLDER_PLUS = 1 };

struct folder_item {
	const char *name;    /* valid while the handle is */
	struct stat st;      /* at least st_ino and the type bits of st_mode (0: not known) */
	struct node *node;   /* pinned, attributes known: may be handed to the kernel; NULL: name only */
};
/* The entry at an offset: false at the end. NOW; the lock must not be held. item->node must be unpinned by folder_item_end. */
bool folder_item(struct fs *f, struct handle *h, uint64_t offset, bool plus, struct folder_item *item);
void folder_item_end(struct fs *f, struct folder_item *item); /* see folder_item */

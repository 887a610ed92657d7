/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/call.h"

/* Attributes as applications see them. */

/* Which of call->attr count; the values are those of the FUSE protocol. */
enum {
	SET_MODE = 1 << 0,
	SET_UID = 1 << 1,
	SET_GID = 1 << 2,
	SET_SIZE = 1 << 3,
	SET_ATIME = 1 << 4,
	SET_MTIME = 1 << 5,
	SET_ATIME_NOW = 1 << 7,
	SET_MTIME_NOW = 1 << 8,
	SET_CTIME = 1 << 10
};

/* Fills a stat of a node whose attributes are known, or of a special one. The lock must not be held. NOW. */
void attrs_stat(struct fs *f, struct node *node, struct stat *out);
/* The lock is held; NOW. A folder's names changed: its mtime moves, in memory only. */
void attrs_touch_folder(struct node *folder);

/* Requests. Any thread; answered at once or from a pool. */
void attrs_get(struct call *c);
void attrs_set(struct call *c);
/* The same without the size, for whoever has dealt with that: applies and answers. NOW; the attributes must be known. */
void attrs_set_rest(struct call *c);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/folder.h"

/* The hidden folder .pishopfs at the mount's root: found by name, never listed, read-only. It holds status.json, made anew at each open: what a Job can
 * read without any tool. All NOW, but that status_open looks at the bucket first, where that was not done just now. */

int status_start(struct fs *f); /* makes its two nodes. ENOMEM */
/* The lock is held. The node of a hidden name, or NULL. */
struct node *status_find(struct fs *f, const struct node *folder, const char *name);
void status_open(struct call *c);
size_t status_size(struct fs *f); /* bytes that status.json would have now */
/* The one entry of the hidden folder, at offset 2. False where h is not that folder. */
bool status_item(struct fs *f, struct folder_item *item);
/* Says once that the processes that write cannot be seen, so that killed ones cannot be told from others. */
void status_unseen(struct fs *f);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/fs_private.h"

/* Between mount.c (the session) and fuse_ops.c (its requests): the only two files that know FUSE. */

struct fuse_lowlevel_ops;
/* The requests this file system serves; their userdata is a struct fs. */
extern const struct fuse_lowlevel_ops edge_ops;
/* Called once the kernel and we have agreed (INIT): limits that root can set are set, in the background. */
void edge_agreed(struct fs *f);

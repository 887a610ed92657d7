/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/fs_private.h"

/* Between mount.c (the session) and fuse_ops.c (its requests): the only two files that know FUSE. */

struct fuse_conn_info;
struct fuse_lowlevel_ops;
/* The requests this file system serves; their userdata is a struct fs. */
extern const struct fuse_lowlevel_ops edge_ops;
/* INIT: what we want of the kernel; limits that root can set are set in the background. userdata: struct fs. */
void edge_init(void *userdata, struct fuse_conn_info *conn);

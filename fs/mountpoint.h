/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* The folder to mount on: made where it is missing, refused where it cannot be used. 0; ENOTCONN: a dead mount is there; ENOTDIR, EACCES and others. One
 * line in error[cap] with the next step. A folder made here has mode 000 and the immutable flag where the file system has one, so that nothing is
 * written below while nothing is mounted; for a folder that was there, a warning tells how to do that when it would take files. */
int mountpoint_prepare(const char *path, char *error, size_t cap);

/* A local store and its mount point must not lie in one another, nor be the same folder, by their real paths; the mount point may be missing yet. 0, or
 * EINVAL with one line in error[cap]. A path that cannot be resolved is not refused here: whoever uses it says why. */
int mountpoint_apart(const char *path, const char *store, char *error, size_t cap);

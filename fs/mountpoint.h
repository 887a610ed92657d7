/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* The folder to mount on: made where it is missing, refused where it cannot be used. 0; ENOTCONN: a dead mount is there; ENOTDIR, EACCES and others. One
 * line in error[cap] with the next step. A folder made here has mode 000 and the immutable flag where the file system has one, so that nothing is
 * written below while nothing is mounted; for a folder that was there, a warning tells how to do that when it would take files. */
int mountpoint_prepare(const char *path, char *error, size_t cap);

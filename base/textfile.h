/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"

#include <sys/stat.h>

/* Small files that people give as settings. */

/* The whole of a regular file, terminated, into out, which must hold max + 1 bytes; st may be NULL. folder: open folder or AT_FDCWD. Never waits for
 * another process: a FIFO, socket, device or folder is refused without reading a byte of it.
 * 0; ENOENT and the like from opening; EISDIR; ENOTSUP: not a regular file; EFBIG: over max; EILSEQ: a NUL byte in it; ENOMEM. */
int textfile_read(int folder, const char *path, size_t max, struct buf *out, struct stat *st);
/* The reason for people, of what textfile_read answered: "larger than 64 KiB". Written to text[64]. */
const char *textfile_reason(int rc, size_t max, char text[64]);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The mount as the kernel's tables show it, and the limits that root can set on it. Any thread; files of /proc and /sys only. */

struct mount_seen {
	bool there;          /* something is mounted exactly here; the topmost is described */
	char device[32];     /* "0:57" */
	char type[64];       /* "fuse.pishopfs" */
};
/* path: absolute, without links. 0 or errno. */
int mount_look(const char *path, struct mount_seen *out);
/* The same from a mountinfo text, for tests. */
void mount_parse(const char *mountinfo, const char *path, struct mount_seen *out);

/* Sets, where that is allowed, how much dirty data the kernel may hold for this mount and how far it reads ahead. Best effort; what was reached is
 * a debug line. */
void mount_tune(const char *device, uint64_t dirty_bytes, unsigned read_ahead_kb);

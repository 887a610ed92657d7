/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/fs_private.h"

/* After the last request was taken: commits open files (state 0, or 4 where writers could not be seen), settles attributes, sends removals,
 * within config.drain_ms: requests that are still under way then are cut. Blocks. 0; EIO: something did not arrive, each path was logged. */
int drain(struct fs *f);

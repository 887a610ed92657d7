/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/fs_private.h"

/* Copies the configuration and starts pools, threads and the root. 0 or errno. */
int core_new(const struct fs_config *config, struct fs **out);
/* Ends every call, thread and pool, and frees nodes, handles and content. Nobody may send requests any more. BLOCKS. */
void core_stop(struct fs *f);
/* Frees the rest, after core_stop. */
void core_free(struct fs *f);

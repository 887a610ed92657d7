/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/conf.h"

/* The command line and settings of pishopfs, and what follows from them. */

/* The whole table: this program's own options and those of the connection. *count is set; the table is static. */
const struct conf_option *options_table(size_t *count);

/* How the memory of the mount is divided. All bytes. */
struct memory_plan {
	uint64_t total;   /* what was asked for, or taken from the cgroup's limit */
	uint64_t slabs;   /* file data in RAM */
	uint64_t in_hand; /* requests that wait with their data */
};

/* From --memory, or, unset, 60 % of the cgroup's limit but at most 256 MiB. EINVAL and one line where it is too small,
 * or too small for --part-size, with the values that would fit. */
int options_memory(const struct conf *conf, struct memory_plan *out, char *error, size_t cap);
/* The memory limit of this process's cgroup (v2 or v1), 0: none. */
uint64_t options_cgroup_limit(void);

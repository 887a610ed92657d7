/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tools/tool.h"
#include "vault/stem.h"

/* What a verb is asked to work on. */

struct target {
	char tenant[PATH_CAP];
	char stem[STEM_CAP];  /* "": the whole tenant */
	char shown[PATH_CAP + STEM_CAP]; /* "TENANT" or "TENANT/BACKUP" */
};

enum target_kind { TARGET_TENANT, TARGET_BACKUP, TARGET_EITHER };

/* "TENANT" or "TENANT/BACKUP"; BACKUP may be the name of anything in the backup ("NAME.tar.gz"). TOOL_DONE, or TOOL_USAGE and a line. */
int target_parse(const struct tool *t, const char *text, enum target_kind kind, struct target *out);
/* All arguments: checks them. TOOL_DONE or TOOL_USAGE. */
int target_check_all(const struct tool *t, enum target_kind kind);
/* The tenant that all arguments name; NULL: none is named, or several. Into out. */
const char *target_only_tenant(const struct conf *conf, char out[PATH_CAP]);

/* Calls fn for each argument, or, where there are none, for each tenant of the bucket, and combines its exit codes (say_combine). Stops at a signal. No tenant at all is
 * TOOL_DONE, and said. */
typedef int target_fn(struct tool *t, const struct target *target, void *arg);
int target_each(struct tool *t, enum target_kind kind, target_fn *fn, void *arg);

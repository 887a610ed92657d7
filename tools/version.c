/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/verbs.h"

static int run_version(struct tool *t)
{
	fprintf(t->out, "pishopctl %s (object format 1)\n", PISHOPFS_VERSION);
	return TOOL_DONE;
}

const struct verb verb_version = {
	.name = "version", .arguments = "", .access = VERB_NO_STORE, .run = run_version, .help = "Shows the version.",
};

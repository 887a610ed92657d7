/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/options.h"
#include "tools/say.h"

static int run_help(struct tool *t)
{
	const char *first = conf_argv(t->conf, 0), *second = conf_argv(t->conf, 1);
	const struct verb *verb = NULL;
	int words;

	if (first && !(verb = verb_find(first, second, &words))) {
		char seconds[128];

		verb_seconds(first, seconds, sizeof(seconds));
		if (!seconds[0] || second)
			return say_usage(t, "%s%s%s: there is no such verb; pishopctl help lists them", first, second ? " " : "", second ? second : "");
		return say_usage(t, "%s: which one? %s", first, seconds);
	}
	options_help(t->out, verb);
	return TOOL_DONE;
}

const struct verb verb_help = {
	.name = "help", .arguments = "[VERB]", .most = 2, .access = VERB_NO_STORE, .run = run_help, .help = "Shows what there is, or what a verb does.",
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/tool.h"

#include "base/log.h"
#include "tools/options.h"
#include "tools/say.h"

#include <errno.h>

bool tool_stopped(const struct tool *t)
{
	return atomic_load(t->stop);
}

struct store_call tool_call(const struct tool *t)
{
	return (struct store_call){ .cancel = t->stop };
}

/* ---- the verb, among the arguments */

/* Index of the first argument that is no flag, nor a flag's value; argc: there is none. */
static int first_word(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i];

		if (strcmp(arg, "--") == 0)
			return i + 1 < argc ? i + 1 : argc;
		if (arg[0] != '-' || !arg[1])
			return i;
		if (!strchr(arg, '=') && options_take_next(arg))
			i++;
	}
	return argc;
}

static int unknown(const struct tool *t, const char *first, const char *second)
{
	char seconds[128];

	verb_seconds(first, seconds, sizeof(seconds));
	if (seconds[0] && (!second || second[0] == '-'))
		return say_usage(t, "%s: needs one of: %s", first, seconds);
	if (seconds[0])
		return say_usage(t, "%s %s: there is no such verb; %s knows: %s", first, second, first, seconds);
	return say_usage(t, "%s: there is no such verb; pishopctl help lists them", first);
}

/* Finds the verb, and takes its words out of argv (argc is lessened). No word: t->verb stays NULL. */
static int find_verb(struct tool *t, int *argc, char **argv)
{
	int at = first_word(*argc, argv), words = 0;

	if (at >= *argc)
		return TOOL_DONE;

	const char *second = at + 1 < *argc ? argv[at + 1] : NULL;

	t->verb = verb_find(argv[at], second, &words);
	if (!t->verb)
		return unknown(t, argv[at], second);
	for (int i = at; i + words <= *argc; i++) /* the NULL behind the last, too */
		argv[i] = argv[i + words];
	*argc -= words;
	return TOOL_DONE;
}

/* ---- running it */

/* Help and version answer whatever else is asked for. */
static bool show_only(const struct tool *t)
{
	if (conf_bool(t->conf, "help"))
		options_help(t->out, t->verb);
	else if (conf_bool(t->conf, "version"))
		fprintf(t->out, "pishopctl %s (object format 1)\n", PISHOPFS_VERSION);
	else if (conf_bool(t->conf, "help-scdoc"))
		options_scdoc(t->out);
	else
		return false;
	return true;
}

static int check_arguments(const struct tool *t)
{
	const struct verb *v = t->verb;
	int n = conf_argc(t->conf);

	if (!v)
		return say_usage(t, "no verb is given; pishopctl help lists them");
	if (n < v->least || (v->most >= 0 && n > v->most))
		return say_usage(t, "%s: too %s arguments; usage: pishopctl %s [options] %s", v->name, n < v->least ? "few" : "many", v->name, v->arguments);
	return TOOL_DONE;
}

static int run_verb(struct tool *t)
{
	int code = check_arguments(t);

	if (code != TOOL_DONE)
		return code;
	log_setup((enum log_level)conf_number(t->conf, "log-level"), conf_number(t->conf, "log-format") ? LOG_JSON : LOG_TEXT);
	if (t->verb->access != VERB_NO_STORE)
		code = tool_open(t);
	if (code == TOOL_DONE)
		code = t->verb->run(t);
	if (vault_close(t->vault) && code == TOOL_DONE) {
		say(t, "%s: something did not arrive in the store; see the log", t->verb->name);
		code = TOOL_FAILED;
	}
	t->vault = NULL;
	return code;
}

/* What was printed must have arrived: a full disk under a listing must not look like a short one. */
static int flush_out(const struct tool *t, int code)
{
	if (!fflush(t->out) && !ferror(t->out))
		return code;
	say(t, "the output could not be written: %s", strerror(errno));
	return code == TOOL_DONE ? TOOL_FAILED : code;
}

int tool_main(struct tool *t, int argc, char **argv, char *const *environ_list)
{
	char error[1024];
	size_t count = 0;
	int code = find_verb(t, &argc, argv);

	if (code != TOOL_DONE)
		return code;

	AUTO_FREE struct conf_option *table = options_table(t->verb, &count);
	struct conf_input input = { .options = table, .count = count, .argc = argc, .argv = argv, .environ_list = environ_list };

	if (!table)
		return say_failed(t, "pishopctl", "starting", ENOMEM);
	if (conf_load(&input, &t->conf, error, sizeof(error)))
		return say_usage(t, "%s", error);

	if (!show_only(t))
		code = run_verb(t);
	conf_free(t->conf);
	t->conf = NULL;
	return flush_out(t, code);
}

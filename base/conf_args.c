/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf_private.h"
#include "base/log.h"

#include <errno.h>

/* The command line. Not getopt_long: it knows only that a flag is wrong; people want to be told which one was meant. */
struct args {
	struct conf *conf;
	int argc;
	char **argv;
	int next; /* index of the next argument */
};

static int refuse_secret(struct conf *c, const struct conf_option *o)
{
	struct conf_option rest = *o;
	char ways[256];

	rest.no_flag = true;
	conf_describe_ways(&rest, ways, sizeof(ways));
	return conf_fail(c, EINVAL, "--%s (command line): a secret is not taken from here, where everybody on this machine can read it; use %s", o->name, ways);
}

/* attached is the value that stood in the same argument, or NULL. */
static int take_flag(struct args *a, size_t index, const char *attached)
{
	struct conf *c = a->conf;
	const struct conf_option *o = &c->options[index];
	const char *text = attached;
	char label[80];

	if (o->secret)
		return refuse_secret(c, o);
	if (!text && o->type == CONF_FLAG_ONLY)
		text = "true";
	/* What looks like a flag is one: a forgotten value must not swallow it. */
	if (!text && a->next < a->argc && strncmp(a->argv[a->next], "--", 2))
		text = a->argv[a->next++];
	snprintf(label, sizeof(label), "--%s", o->name);
	if (!text)
		return conf_fail(c, EINVAL, "%s (command line): needs a value: %s=%s", label, label, o->value_name ? o->value_name : "VALUE");
	return conf_offer(c, index, CONF_FROM_FLAG, label, "command line", text);
}

static int unknown_flag(struct conf *c, const char *name, size_t len)
{
	const char *nearest = conf_nearest(c, name, len, true);
	char typed[64], shown[128];

	memcpy(typed, name, min_size(len, sizeof(typed) - 1)); /* without the value, which may be a secret */
	typed[min_size(len, sizeof(typed) - 1)] = '\0';
	log_escape(shown, sizeof(shown), typed, false);
	if (nearest)
		return conf_fail(c, EINVAL, "--%s (command line): there is no such flag; did you mean --%s?", shown, nearest);
	return conf_fail(c, EINVAL, "--%s (command line): there is no such flag; --help lists them", shown);
}

static int read_long(struct args *a, const char *text)
{
	size_t len = strcspn(text, "="), i = conf_find(a->conf, text, len);

	if (i == CONF_NONE || (a->conf->options[i].no_flag && !a->conf->options[i].secret))
		return unknown_flag(a->conf, text, len);
	return take_flag(a, i, text[len] ? text + len + 1 : NULL);
}

static size_t find_letter(const struct conf *c, char letter)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->options[i].letter == letter && !c->options[i].no_flag)
			return i;
	return CONF_NONE;
}

/* Switches may stand together; the first letter that takes a value takes the rest, or else the next argument. */
static int read_letters(struct args *a, const char *text)
{
	int rc = 0;

	for (const char *p = text; *p && !rc; p++) {
		size_t i = find_letter(a->conf, *p);
		char shown[16];

		if (i == CONF_NONE) {
			log_escape(shown, sizeof(shown), (char[]){ '-', *p, '\0' }, false);
			return conf_fail(a->conf, EINVAL, "%s (command line): there is no such flag; --help lists them", shown);
		}
		if (a->conf->options[i].type != CONF_FLAG_ONLY)
			return take_flag(a, i, p[1] ? p + 1 : NULL);
		rc = take_flag(a, i, NULL);
	}
	return rc;
}

int conf_read_args(struct conf *c, int argc, char **argv)
{
	struct args a = { .conf = c, .argc = argc, .argv = argv, .next = 1 };
	bool flags = true;
	int rc = 0;

	while (a.next < argc && !rc) {
		const char *arg = argv[a.next++];

		if (flags && !strcmp(arg, "--"))
			flags = false;
		else if (flags && !strncmp(arg, "--", 2))
			rc = read_long(&a, arg + 2);
		else if (flags && arg[0] == '-' && arg[1])
			rc = read_letters(&a, arg + 1);
		else
			c->positional[c->positional_count++] = arg;
	}
	return rc;
}

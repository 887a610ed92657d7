/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/options.h"

#include "vault/connect.h"

#include <ctype.h>

#define GENERAL "General"
#define LOGGING "Logging"

static const char *const levels[] = { "error", "warn", "info", "debug", NULL };
static const char *const formats[] = { "text", "json", NULL };

static const struct conf_option common[] = {
	{ .name = "help", .letter = 'h', .type = CONF_FLAG_ONLY, .group = GENERAL, .help = "Show this help; behind a verb, its own." },
	{ .name = "version", .letter = 'V', .type = CONF_FLAG_ONLY, .group = GENERAL, .help = "Show the version." },
	{ .name = "store", .letter = 's', .type = CONF_TEXT, .group = GENERAL, .value_name = "STORE", .env = { "PISHOPFS_STORE" },
	  .help = "s3://BUCKET (prefix \"backups\"), s3://BUCKET/PREFIX or dir:/path. Unset: the bucket of the settings, as for pishopfs." },
	{ .name = "limit", .type = CONF_SIZE, .group = GENERAL, .value_name = "RATE", .min = 1024, .max = 1ull << 40,
	  .help = "Most bytes of objects that are read and written in one second." },
	{ .name = "log-level", .type = CONF_CHOICE, .group = LOGGING, .value_name = "LEVEL", .choices = levels, .fallback = "info",
	  .help = "What is logged, to standard error." },
	{ .name = "log-format", .type = CONF_CHOICE, .group = LOGGING, .value_name = "FORMAT", .choices = formats, .fallback = "text",
	  .help = "One line of text or one JSON object an event." },
	{ .name = "help-scdoc", .type = CONF_FLAG_ONLY, .group = GENERAL, .hidden = true, .help = "Verbs and options as sections of a man page." },
};

/* ---- the table of a verb */

struct table {
	struct conf_option *list;
	size_t count, cap;
};

static struct conf_option *find(const struct table *t, const char *name)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->list[i].name, name) == 0)
			return &t->list[i];
	return NULL;
}

static void add(struct table *t, const struct conf_option *options, size_t count, bool shown)
{
	for (size_t i = 0; i < count; i++) {
		struct conf_option *there = find(t, options[i].name);

		if (there && !shown)
			continue;
		if (!there && t->count == t->cap)
			abort(); /* options_table counted them */
		if (!there)
			there = &t->list[t->count++];
		*there = options[i];
		there->hidden |= !shown;
		there->no_flag |= !shown;
		if (!shown)
			there->letter = '\0';
	}
}

/* The options of a verb, one table after the other. */
static void add_verb(struct table *t, const struct verb *verb, bool shown)
{
	for (size_t i = 0; i < VERB_TABLES && verb->options[i]; i++)
		add(t, verb->options[i]->table, *verb->options[i]->count, shown);
}

struct conf_option *options_table(const struct verb *verb, size_t *count)
{
	struct table t = { .cap = ARRAY_LEN(common) + connect_option_count };

	for (const struct verb *const *v = verbs; *v; v++)
		for (size_t i = 0; i < VERB_TABLES && (*v)->options[i]; i++)
			t.cap += *(*v)->options[i]->count;
	t.list = calloc(t.cap, sizeof(*t.list));
	if (!t.list)
		return NULL;
	add(&t, common, ARRAY_LEN(common), true);
	if (verb) {
		add_verb(&t, verb, true);
	} else { /* these stand in several verbs' tables: together, for their heading */
		add(&t, options_json.table, *options_json.count, true);
		add(&t, options_yes.table, *options_yes.count, true);
	}
	for (const struct verb *const *v = verbs; *v; v++)
		add_verb(&t, *v, !verb);
	add(&t, connect_options, connect_option_count, !verb || verb->access != VERB_NO_STORE);
	*count = t.count;
	return t.list;
}

static bool takes_value(const struct conf_option *options, size_t count, const char *name, char letter)
{
	for (size_t i = 0; i < count; i++)
		if (letter ? options[i].letter == letter : strcmp(options[i].name, name) == 0)
			return options[i].type != CONF_FLAG_ONLY;
	return false;
}

bool options_take_next(const char *arg)
{
	const char *name = arg[1] == '-' ? arg + 2 : "";
	char letter = arg[1] == '-' ? '\0' : arg[1];

	if (letter && arg[2]) /* -sSTORE */
		return false;
	return takes_value(common, ARRAY_LEN(common), name, letter) || takes_value(connect_options, connect_option_count, name, letter);
}

/* ---- help */

static const char outro[] =
	"Order of precedence: flag, environment, secret folder, INI file.\n"
	"Exit codes: 0 done; 1 failed; 2 usage; 3 partly; 10 store missing; 11 locked: somebody else is at it; 12 wrong key;\n"
	"20 and more: retention stopped in doubt (man page); 130 interrupted.";

static void program_help(FILE *out)
{
	struct table t = { .cap = ARRAY_LEN(common) + connect_option_count };

	fprintf(out, "Usage: pishopctl [options] VERB [options] [arguments]\nLooks after the backups in a bucket of pishopfs.\n\nVerbs:\n");
	for (const struct verb *const *v = verbs; *v; v++)
		fprintf(out, "  %-18s %s\n", (*v)->name, (*v)->help);
	fprintf(out, "\n`pishopctl help VERB` says more about one. Every verb takes these:\n");
	t.list = calloc(t.cap, sizeof(*t.list));
	if (!t.list)
		return;
	add(&t, common, ARRAY_LEN(common), true);
	add(&t, connect_options, connect_option_count, true);
	conf_print_help(out, t.list, t.count, NULL, outro, 0);
	free(t.list);
}

static void verb_help_text(FILE *out, const struct verb *verb)
{
	size_t count = 0;
	AUTO_FREE struct conf_option *table = options_table(verb, &count);

	fprintf(out, "Usage: pishopctl %s [options]%s%s\n%s\n%s%s", verb->name, verb->arguments[0] ? " " : "", verb->arguments, verb->help,
		verb->more ? verb->more : "", verb->more ? "\n" : "");
	if (table)
		conf_print_help(out, table, count, NULL, outro, 0);
}

void options_help(FILE *out, const struct verb *verb)
{
	if (verb)
		verb_help_text(out, verb);
	else
		program_help(out);
}

/* ---- man page */

/* Text for scdoc, where these mean something. */
static void print_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("\\_*#[]<>|", *text))
			fputc('\\', out);
		fputc(*text, out);
	}
}

/* "[TENANT]": words in capitals are underlined. */
static void print_arguments(FILE *out, const char *text)
{
	while (*text) {
		size_t n = 0;

		while (isupper((unsigned char)text[n]))
			n++;
		if (n) {
			fprintf(out, "_%.*s_", (int)n, text);
			text += n;
			continue;
		}
		print_text(out, (const char[]){ *text++, '\0' });
	}
}

/* The names of a verb's own options. */
static void print_names(FILE *out, const struct verb *verb)
{
	const char *between = "\tOptions: ";

	for (size_t i = 0; i < VERB_TABLES && verb->options[i]; i++) {
		if (verb->options[i] == &options_policy) {
			fprintf(out, "%sthe rules of a policy", between);
			between = ", ";
			continue;
		}
		for (size_t k = 0; k < *verb->options[i]->count; k++, between = ", ")
			fprintf(out, "%s*--%s*", between, verb->options[i]->table[k].name);
	}
	if (between[0] == ',')
		fprintf(out, ".\n\n");
}

void options_scdoc(FILE *out)
{
	size_t count = 0;
	AUTO_FREE struct conf_option *table = options_table(NULL, &count);

	fprintf(out, "# VERBS\n\n");
	for (const struct verb *const *v = verbs; *v; v++) {
		fprintf(out, "*%s* ", (*v)->name);
		print_arguments(out, (*v)->arguments);
		fprintf(out, "\n\t");
		print_text(out, (*v)->help);
		if ((*v)->more) {
			fprintf(out, "\n\n\t");
			for (const char *p = (*v)->more; *p; p++)
				if (*p == '\n')
					fputc(' ', out);
				else
					print_text(out, (const char[]){ *p, '\0' });
		}
		fprintf(out, "\n\n");
		print_names(out, *v);
	}
	fprintf(out, "# OPTIONS\n\n");
	if (table)
		conf_print_scdoc(out, table, count);
}

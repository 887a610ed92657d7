/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf_private.h"

#include <stdarg.h>

/* --help, the man page and the README's table, all from one description of an option. */

#define HELP_INDENT 28
#define HELP_WIDTH_MIN 48
#define TEXT_MAX_BYTES 2048

static bool has_flag(const struct conf_option *o)
{
	return !o->no_flag && !o->secret;
}

static PRINTF_LIKE(3, 4) void add(char *out, size_t cap, const char *fmt, ...)
{
	size_t used = strlen(out);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out + used, cap - used, fmt, ap);
	va_end(ap);
}

static void add_list(char *out, size_t cap, const char *title, const char *const *list, size_t max)
{
	for (size_t i = 0; i < max && list[i]; i++)
		add(out, cap, "%s%s", i ? ", " : title, list[i]);
	if (max && list[0])
		add(out, cap, ".");
}

/* Help and everything else about an option, as sentences. */
static void describe(const struct conf_option *o, char out[TEXT_MAX_BYTES])
{
	char limits[80];

	out[0] = '\0';
	add(out, TEXT_MAX_BYTES, "%s", o->help ? o->help : "");
	if (o->type == CONF_CHOICE)
		add_list(out, TEXT_MAX_BYTES, " One of ", o->choices, SIZE_MAX);
	conf_describe_limits(o, limits, sizeof(limits));
	if (limits[0])
		add(out, TEXT_MAX_BYTES, " Allowed: %s.", limits);
	if (o->repeat)
		add(out, TEXT_MAX_BYTES, " May be given many times.");
	if (o->fallback)
		add(out, TEXT_MAX_BYTES, " Default: %s.", o->fallback[0] ? o->fallback : "empty");
	add_list(out, TEXT_MAX_BYTES, " Environment: ", o->env, ARRAY_LEN(o->env));
	if (o->secret_file)
		add(out, TEXT_MAX_BYTES, " Secret file: %s.", o->secret_file);
}

/* "-o, --options=LIST"; for what has no flag, the first other way to set it. */
static void headline(const struct conf_option *o, char *out, size_t cap)
{
	const char *value = o->value_name ? o->value_name : "VALUE";

	out[0] = '\0';
	if (!has_flag(o)) {
		add(out, cap, "%s", o->env[0] ? o->env[0] : o->name);
		return;
	}
	if (o->letter)
		add(out, cap, "-%c, ", o->letter);
	add(out, cap, "--%s", o->name);
	if (o->type != CONF_FLAG_ONLY)
		add(out, cap, "=%s", value);
}

/* Columns of n bytes of UTF-8; wide characters do not occur in our help. */
static int columns(const char *text, size_t n)
{
	int wide = 0;

	for (size_t i = 0; i < n; i++)
		wide += (text[i] & 0xc0) != 0x80;
	return wide;
}

/* Text in lines up to width, each after indent blanks; the cursor stands at column `at`, on the first line. */
static void print_wrapped(FILE *out, const char *text, int indent, int at, int width)
{
	for (const char *p = text + strspn(text, " "); *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");
		int wide = columns(p, n);

		if (at > indent && at + 1 + wide > width) {
			fputc('\n', out);
			at = 0;
		}
		if (at < indent)
			at += fprintf(out, "%*s", indent - at, "");
		else
			at += fprintf(out, " ");
		fwrite(p, 1, n, out);
		at += wide;
		p += n;
	}
	fputc('\n', out);
}

/* Whether a heading stands before option i. */
static bool begins_group(const struct conf_option *options, size_t i, const char **last)
{
	const char *group = options[i].group ? options[i].group : "Options";

	if (*last && !strcmp(*last, group))
		return false;
	*last = group;
	return true;
}

void conf_print_help(FILE *out, const struct conf_option *options, size_t count, const char *intro, const char *outro, int width)
{
	char text[TEXT_MAX_BYTES], head[128];
	const char *group = NULL;

	if (!width)
		width = 80;
	if (width < HELP_WIDTH_MIN)
		width = HELP_WIDTH_MIN;
	if (intro)
		fprintf(out, "%s\n", intro);
	for (size_t i = 0; i < count; i++) {
		if (options[i].hidden)
			continue;
		if (begins_group(options, i, &group))
			fprintf(out, "\n%s:\n", group);
		headline(&options[i], head, sizeof(head));
		describe(&options[i], text);
		int at = fprintf(out, "  %s", head);

		if (at > HELP_INDENT - 2) {
			fputc('\n', out);
			at = 0;
		}
		print_wrapped(out, text, HELP_INDENT, at, width);
	}
	if (outro)
		fprintf(out, "\n%s\n", outro);
}

static void print_escaped(FILE *out, const char *text, const char *special)
{
	for (const char *p = text; *p; p++) {
		if (strchr(special, *p))
			fputc('\\', out);
		fputc(*p, out);
	}
}

#define SCDOC_SPECIAL "\\_*#[]|"

static void print_scdoc_head(FILE *out, const struct conf_option *o)
{
	if (has_flag(o) && o->letter)
		fprintf(out, "*-%c*, ", o->letter);
	fprintf(out, "*%s", has_flag(o) ? "--" : "");
	print_escaped(out, has_flag(o) || !o->env[0] ? o->name : o->env[0], SCDOC_SPECIAL);
	fprintf(out, "*");
	if (has_flag(o) && o->type != CONF_FLAG_ONLY) {
		fprintf(out, "=_");
		print_escaped(out, o->value_name ? o->value_name : "VALUE", SCDOC_SPECIAL);
		fprintf(out, "_");
	}
	fputc('\n', out);
}

void conf_print_scdoc(FILE *out, const struct conf_option *options, size_t count)
{
	char text[TEXT_MAX_BYTES];
	const char *group = NULL;

	for (size_t i = 0; i < count; i++) {
		if (options[i].hidden)
			continue;
		if (begins_group(options, i, &group))
			fprintf(out, "## %s\n\n", group);
		print_scdoc_head(out, &options[i]);
		describe(&options[i], text);
		fputc('\t', out);
		print_escaped(out, text, SCDOC_SPECIAL);
		fprintf(out, "\n\n");
	}
}

void conf_print_markdown(FILE *out, const struct conf_option *options, size_t count)
{
	char text[TEXT_MAX_BYTES], head[128];

	fprintf(out, "| Option | Meaning |\n|---|---|\n");
	for (size_t i = 0; i < count; i++) {
		if (options[i].hidden)
			continue;
		headline(&options[i], head, sizeof(head));
		describe(&options[i], text);
		fprintf(out, "| `%s` | ", head);
		print_escaped(out, text, "\\|<*_");
		fprintf(out, " |\n");
	}
}

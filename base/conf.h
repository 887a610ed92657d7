/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/auto.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Configuration from one table. Each option says its flag, environment names, secret file, INI key, type, limits, default and help
 * text; parsing, `--help` and the man page are made from it. Order of precedence: flag, environment, secret folder, INI file, default. */

enum conf_type {
	CONF_FLAG_ONLY, /* a switch without value: --read-only; INI and environment take true/false/yes/no/1/0/on/off */
	CONF_TEXT,      /* min..max: its length in bytes */
	CONF_BOOL,      /* --use-ssl=true */
	CONF_COUNT,     /* unsigned decimal, min..max */
	CONF_SIZE,      /* bytes with K, M, G, T (and KiB, MiB...; all binary), min..max */
	CONF_DURATION,  /* milliseconds; text with ms, s, m, h, d; a bare number is seconds; min..max */
	CONF_OCTAL,     /* 0022; min..max */
	CONF_CHOICE     /* one of `choices`; as a number: its index there */
};

enum conf_source { CONF_FROM_DEFAULT, CONF_FROM_FILE, CONF_FROM_SECRET, CONF_FROM_ENV, CONF_FROM_FLAG };

struct conf_option {
	const char *name;          /* long flag and INI key, e.g. "secret-dir"; unique */
	char letter;               /* short flag, 0: none */
	enum conf_type type;
	const char *group;         /* heading in --help; options of one group stand together in the table */
	const char *value_name;    /* "SIZE" in --help; NULL for switches */
	const char *help;          /* one or two sentences, plain text */
	const char *fallback;      /* default as text, NULL: unset */
	const char *env[4];        /* environment names, in order of precedence, NULL-terminated unless full */
	const char *secret_file;   /* file name in the secret folder, or NULL */
	const char *const *choices; /* CONF_CHOICE: NULL-terminated */
	uint64_t min, max;         /* max 0: no upper limit */
	bool secret;               /* value never shown, wiped when freed; refused as a flag (argv is public) and in an INI file that
	                              others can read */
	bool hidden;               /* not in --help (for tests) */
	bool no_flag;              /* no command-line form */
	bool repeat;               /* may be given many times (-o); values are joined with "," */
};

struct conf;

/* What main passes. Tables and texts are borrowed for the life of the conf. */
struct conf_input {
	const struct conf_option *options;
	size_t count;
	int argc;
	char **argv;
	char *const *environ_list;   /* "NAME=value" list, NULL: none */
	const char *secret_dir;      /* NULL: taken from option "secret-dir" if the table has it */
	const char *ini_file;        /* NULL: taken from option "config" if the table has it */
};

/* Reads every source. 0 and *out; else an errno, and one line for people in error[cap] naming the setting, where it came from and
 * what is allowed ("--memory=12Q (command line): not a size; write for example 256M"). It never shows a secret.
 *
 * Flags: --name=value, --name value, -xvalue, -x value, switches together as -ab; they may stand among the other arguments; "--" ends
 * them. The last of several counts, unless `repeat`. Environment: the first name in env[] with a value; an empty value is none.
 * Secret folder: a file loses one trailing newline; an empty file is none; other files are ignored; in a folder with a ..data link
 * (Kubernetes) all are read from one version of it. INI: [sections] are headings without meaning, a key may stand only once unless
 * `repeat`, lines are at most 197 bytes, values lose blanks at both ends. Files are read up to 64 KiB.
 * Unknown flags and INI keys are errors. A file or folder that only the default names may be absent.
 * Only values that no stronger source replaces are validated, so a flag helps against a bad environment. */
int conf_load(const struct conf_input *input, struct conf **out, char *error, size_t cap);
void conf_free(struct conf *c); /* wipes secrets */
DEFINE_AUTO(conf, conf_free)

/* Values by option name. A name that is not in the table aborts, as does the number of a text: bugs. Texts are owned by the conf. */
bool conf_has(const struct conf *c, const char *name);          /* set by any source, defaults included */
const char *conf_text(const struct conf *c, const char *name);  /* as it was given, any type; NULL: unset */
bool conf_bool(const struct conf *c, const char *name);         /* unset: false */
uint64_t conf_number(const struct conf *c, const char *name);   /* count, bytes, ms, octal value, index of the choice; unset: 0 */
enum conf_source conf_source(const struct conf *c, const char *name);
/* For error lines: "MINIO_ENDPOINT (environment)", "endpoint (secret file /run/secrets/endpoint)", "endpoint (pishop.ini line 3)";
 * where it is unset, how it could be set: "--endpoint, MINIO_ENDPOINT (not set)". */
const char *conf_where(const struct conf *c, const char *name);

/* Positional arguments after the flags. */
int conf_argc(const struct conf *c);
const char *conf_argv(const struct conf *c, int index);

/* Help in groups, wrapped to width columns (0: 80). intro and outro may be NULL. */
void conf_print_help(FILE *out, const struct conf_option *options, size_t count, const char *intro, const char *outro, int width);
/* The same table as scdoc source for the OPTIONS section of a man page, and as a Markdown table for the README. */
void conf_print_scdoc(FILE *out, const struct conf_option *options, size_t count);
void conf_print_markdown(FILE *out, const struct conf_option *options, size_t count);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tools/tool.h"

/* The verbs of pishopctl.
 *
 * A new one: write tools/<verb>.c with its `const struct verb verb_<name>`, name it here and in the list of verbs.c, and the file in tools/meson.build and docs/design.md §9.
 * Help, man page, INI file and the check of flags and arguments follow from the struct. What run() may rely on: t->conf holds the verb's options and those that all have
 * (an option that two verbs share is in one table, of verbs.h, or says the same in both); t->vault is open, as `access` says; as many arguments were given as allowed. It
 * says what goes wrong by say.h, prints by show.h, returns an exit code, and looks at tool_stopped() where it takes long. */

enum verb_access {
	VERB_NO_STORE,
	VERB_READS,  /* the vault is read-only: nothing can be written */
	VERB_WRITES  /* what stands there is changed; a layout must be there, none is made */
};

struct verb_options {
	const struct conf_option *table;
	const size_t *count;
};
#define VERB_TABLES 4

struct verb {
	const char *name;      /* "list", or two words: "retention plan" */
	const char *arguments; /* "[TENANT]", for usage lines; "" for none */
	int least, most;       /* arguments; most -1: any number */
	const char *help;      /* one line */
	const char *more;      /* a paragraph or NULL */
	enum verb_access access;
	bool (*writes)(const struct tool *t); /* VERB_WRITES that with some options only reads; NULL: always writes */
	const struct verb_options *options[VERB_TABLES]; /* NULL behind the last */
	int no_layout;         /* exit code where the layout marker is missing or unknown; 0: TOOL_FAILED */
	int (*run)(struct tool *t);
};

extern const struct verb verb_list, verb_seal, verb_verify, verb_retention_plan, verb_retention_apply, verb_retention_policy, verb_undelete, verb_hold_add,
	verb_hold_remove, verb_hold_list, verb_audit_show, verb_audit_verify, verb_help, verb_version;

extern const struct verb *const verbs[]; /* in the order of --help; NULL behind the last */

/* The verb of these two words (second may be NULL), and in *words how many of them it took. NULL: there is none. */
const struct verb *verb_find(const char *first, const char *second, int *words);
/* The second words of verbs that begin with that one: "plan, apply, policy"; "" where there are none. */
void verb_seconds(const char *first, char *out, size_t cap);

/* Tables that several verbs share. */
extern const struct verb_options options_json;   /* --json */
extern const struct verb_options options_yes;    /* --yes */
extern const struct verb_options options_policy; /* the rules of vault/policy.h */

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tools/verbs.h"

/* The settings of pishopctl: those of every verb, the connection's, and each verb's own. */

#define OPTIONS_OUTPUT "Output and questions" /* groups of --help */

/* The table for one verb; freed by the caller when the conf is gone. All options of all verbs are in it, each once, so that one INI file serves all verbs; those that are not
 * this verb's have no flag and are not shown. verb NULL: all are shown, for the man page. NULL: no memory. */
struct conf_option *options_table(const struct verb *verb, size_t *count);

/* Whether a flag of the command line takes the next argument as its value: only of those that every verb has, which may stand before the verb. */
bool options_take_next(const char *arg);

/* --help: of one verb, or of the program. */
void options_help(FILE *out, const struct verb *verb);
/* The sections of the man page that follow from the tables: VERBS and OPTIONS. */
void options_scdoc(FILE *out);

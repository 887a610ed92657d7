/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/conf.h"
#include "vault/vault.h"

#include <stdatomic.h>

/* One run of pishopctl: what every verb works with. */

/* Exit codes: the man page lists them. */
enum tool_exit {
	TOOL_DONE = 0,
	TOOL_FAILED = 1,
	TOOL_USAGE = 2,     /* bad usage or setting */
	TOOL_PARTLY = 3,    /* some of what was asked for */
	TOOL_NO_STORE = 10, /* unreachable, or no such bucket or folder */
	TOOL_LOCKED = 11,   /* somebody else is at it: the lease, or a writer */
	TOOL_WRONG_KEY = 12,
	TOOL_DOUBT = 20,    /* plus enum sweep_doubt */
	TOOL_INTERRUPTED = 130
};

struct verb;

struct tool {
	const struct verb *verb;
	struct conf *conf;
	struct vault *vault;  /* NULL: the verb needs no store */
	FILE *in, *out, *err; /* never NULL; tests give their own */
	bool out_terminal;    /* tables fit its width */
	bool err_terminal;    /* progress is shown */
	bool asks;            /* somebody is there to answer a question: in and err are a terminal */
	const atomic_bool *stop; /* set by SIGINT and SIGTERM */
};

/* The whole program but for the process: finds the verb, reads the settings, opens the store, runs the verb. argv as main's. t has the streams and stop;
 * the rest is filled here. An exit code. */
int tool_main(struct tool *t, int argc, char **argv, char *const *environ_list);

/* Opens the store and the vault of the settings into t->vault. TOOL_DONE; else a line was said. In a file of its own, so that tests have another. */
int tool_open(struct tool *t);

bool tool_stopped(const struct tool *t); /* whether a signal came */
/* A call that ends when a signal comes. */
struct store_call tool_call(const struct tool *t);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tools/tool.h"

/* Words for people on standard error, and the exit codes that go with them. */

/* One line "pishopctl: ...", made printable. */
void say(const struct tool *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same, and returns TOOL_USAGE. */
int say_usage(const struct tool *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* An errno of the vault: "what: doing failed: cause; next step", and its exit code. what: tenant or backup. Nothing is said of an interruption. */
int say_failed(const struct tool *t, const char *what, const char *doing, int rc);

/* The exit code of several objects: what all have in common; TOOL_PARTLY where only some were done; the first failure where none was. Begin with SAY_NONE. */
#define SAY_NONE (-1)
int say_combine(int so_far, int next);

/* Asks on standard error and takes "y" or "yes" for one. TOOL_DONE: yes; TOOL_FAILED: no; TOOL_USAGE: nobody is there to answer, and --yes is not given, which
 * is said; TOOL_INTERRUPTED. what: what is not done then, e.g. "retention apply". */
int say_ask(const struct tool *t, const char *what, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Progress on one line that is written over, at most a few times a second; only where standard error is a terminal. */
struct progress {
	const struct tool *t;
	int64_t next_ms; /* clock_mono_ms */
	bool shown;
};
void progress_show(struct progress *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
void progress_clear(struct progress *p); /* before anything else is written there */

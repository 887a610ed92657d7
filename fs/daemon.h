/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/* Being a process: background, readiness, signals. */

/* Exit codes of pishopfs: the man page and the README list them. */
enum exit_code {
	EXIT_OK = 0,
	EXIT_OTHER = 1,
	EXIT_CONFIG = 2,      /* bad usage or setting */
	EXIT_UNREACHABLE = 3, /* endpoint */
	EXIT_CREDENTIALS = 4,
	EXIT_BUCKET = 5,
	EXIT_KEY = 6,
	EXIT_UNSAVED = 7,     /* something did not arrive before the end */
	EXIT_MOUNTPOINT = 8
};

/* Background: forks; the parent waits and exits with what daemon_ready or the child's own exit tells, so that the shell continues only when the mount
 * answers. Returns in the child. keep_stderr: it is a log file, else it goes to /dev/null when ready. Must be called
 * before any thread is started. Foreground: returns at once. 0 or errno. */
int daemon_start(bool foreground, bool keep_stderr);
/* The mount answers. Foreground: prints "READY <text>" on standard output. Background: lets the parent exit 0, and closes the terminal. Once. */
void daemon_ready(const char *text);

/* Blocks SIGTERM, SIGINT, SIGHUP in this and all later threads, and ignores SIGPIPE. */
void daemon_block_signals(void);
/* Starts a thread that calls on_stop(arg) at each SIGTERM or SIGINT. SIGHUP is logged and otherwise ignored. 0 or errno. */
int daemon_watch_signals(void (*on_stop)(void *arg), void *arg);

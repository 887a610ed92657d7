/* SPDX-License-Identifier: Apache-2.0 */
/* pishopctl: looks after the backups in a bucket of pishopfs. The process; the rest is tool.c. */
#include "base/process.h"
#include "tools/tool.h"

#include <locale.h>
#include <signal.h>
#include <unistd.h>

extern char **environ;

static atomic_bool stop;

static void on_signal(int number)
{
	atomic_store(&stop, true);
}

/* The first signal asks for an end, the second one makes it. */
static void watch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART | (int)SA_RESETHAND };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
	bool err_terminal = isatty(STDERR_FILENO);
	struct tool t = {
		.in = stdin, .out = stdout, .err = stderr,
		.out_terminal = isatty(STDOUT_FILENO),
		.err_terminal = err_terminal,
		.asks = err_terminal && isatty(STDIN_FILENO),
		.stop = &stop,
	};

	process_harden();
	setlocale(LC_CTYPE, ""); /* how wide a character of a table is */
	watch_signals();
	return tool_main(&t, argc, argv, environ);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/daemon.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static bool detach_stderr; /* nobody reads it: the log goes elsewhere */
static int ready_pipe = -1; /* write end in the background child; -1: foreground */

/* The parent's end: one byte is the exit code; none means that the child died without a word. */
static void wait_for_child(int fd, pid_t child)
{
	unsigned char code = EXIT_OTHER;
	int status = 0;
	ssize_t n;

	do
		n = read(fd, &code, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(code);
	if (waitpid(child, &status, 0) == child && WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	_exit(EXIT_OTHER);
}

int daemon_start(bool foreground, bool keep_stderr)
{
	int ends[2];

	if (foreground)
		return 0;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return errno;
	fflush(NULL);

	pid_t child = fork();

	if (child < 0)
		return errno;
	if (child > 0) {
		close(ends[1]);
		wait_for_child(ends[0], child);
	}
	close(ends[0]);
	ready_pipe = ends[1];
	detach_stderr = !keep_stderr;
	setsid();
	return 0;
}

void daemon_ready(const char *text)
{
	const unsigned char ok = EXIT_OK;

	if (ready_pipe < 0) {
		printf("READY %s\n", text);
		fflush(stdout);
		return;
	}

	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		if (detach_stderr)
			dup2(null, STDERR_FILENO);
		close(null);
	}
	if (write(ready_pipe, &ok, 1) != 1)
		log_msg(LOG_WARN, "main", "nobody waits for this mount to be ready");
	close(ready_pipe);
	ready_pipe = -1;
}

static sigset_t stop_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return set;
}

void daemon_block_signals(void)
{
	sigset_t set = stop_signals();

	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

struct watch {
	void (*on_stop)(void *arg);
	void *arg;
};

static void *watch_thread(void *arg)
{
	struct watch *watch = arg;
	sigset_t set = stop_signals();
	int number;

	for (;;) {
		if (sigwait(&set, &number) != 0)
			continue;
		if (number == SIGHUP) {
			log_msg(LOG_INFO, "main", "SIGHUP: nothing to reload");
			continue;
		}
		log_msg(LOG_INFO, "main", "%s: storing what is open, then unmounting; again: at once", number == SIGTERM ? "SIGTERM" : "SIGINT");
		watch->on_stop(watch->arg);
	}
	return NULL;
}

int daemon_watch_signals(void (*on_stop)(void *arg), void *arg)
{
	static struct watch watch;
	pthread_t thread;

	watch = (struct watch){ on_stop, arg };

	int rc = pthread_create(&thread, NULL, watch_thread, &watch);

	if (!rc)
		pthread_detach(thread);
	return rc;
}

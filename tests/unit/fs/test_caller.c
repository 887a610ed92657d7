/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/auto.h"
#include "base/clock.h"
#include "fs/caller.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Real processes. One that has ended and was not waited for looks in /proc as it did in its last FLUSH: no memory, flags and exit code there. */

static pid_t start(void (*body)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		body();
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static void sleeps(void)
{
	clock_sleep_ms(60000);
}

static void succeeds(void)
{
}

static void fails(void)
{
	_exit(3);
}

static void crashes(void)
{
	signal(SIGSEGV, SIG_DFL);
	kill(getpid(), SIGSEGV);
	clock_sleep_ms(60000);
}

static void ended(pid_t pid)
{
	siginfo_t info;

	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static void bury(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void at_open(void **state)
{
	struct opener o;
	pid_t child = start(sleeps);

	(void)state;
	caller_opens(getpid(), &o);
	assert_int_equal(o.tgid, getpid());
	assert_int_equal(o.parent, getppid());
	caller_opens(child, &o);
	assert_int_equal(o.tgid, child);
	assert_int_equal(o.parent, getpid());
	bury(child);
	caller_opens(child, &o);
	assert_int_equal(o.tgid, 0);
	caller_opens(0, &o);
	assert_int_equal(o.tgid, 0);
}

static void *thread_opens(void *arg)
{
	caller_opens((pid_t)syscall(SYS_gettid), arg);
	return NULL;
}

static void a_thread_is_its_process(void **state)
{
	struct opener o;
	struct caller c;
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, thread_opens, &o), 0);
	pthread_join(t, NULL);
	assert_int_equal(o.tgid, getpid());
	caller_closes(getpid(), &o, &c);
	assert_true(c.seen && c.is_opener && !c.opener_orphaned && c.end == CALLER_LIVES);
}

static void check_end(void (*body)(void), int sig, enum caller_end want)
{
	struct opener o;
	struct caller c;
	pid_t child = start(body);

	caller_opens(child, &o); /* may be seen dead already: the parent is the same */
	if (sig)
		kill(child, sig);
	ended(child);
	caller_closes(child, &o, &c);
	assert_true(c.seen);
	assert_true(c.is_opener);
	assert_int_equal(c.end, want);
	bury(child);
}

static void ways_to_end(void **state)
{
	(void)state;
	check_end(succeeds, 0, CALLER_EXITS);
	check_end(fails, 0, CALLER_EXITS_BAD);
	check_end(crashes, 0, CALLER_KILLED);
	check_end(sleeps, SIGKILL, CALLER_KILLED);
	check_end(sleeps, SIGTERM, CALLER_KILLED);
}

static void other_process(void **state)
{
	struct opener o;
	struct caller c;
	pid_t child = start(sleeps);

	(void)state;
	caller_opens(getpid(), &o);
	caller_closes(child, &o, &c);
	assert_true(c.seen && !c.is_opener && !c.opener_gone && !c.opener_orphaned && c.end == CALLER_LIVES);

	caller_opens(child, &o);
	kill(child, SIGKILL);
	ended(child);
	caller_closes(getpid(), &o, &c); /* a zombie is gone */
	assert_true(c.seen && !c.is_opener && c.opener_gone);
	bury(child);
	caller_closes(getpid(), &o, &c);
	assert_true(c.opener_gone && !c.opener_orphaned);
}

static void not_visible(void **state)
{
	struct opener o = { 0 };
	struct caller c;

	(void)state;
	caller_closes(0, &o, &c);
	assert_false(c.seen);
	assert_false(c.is_opener);
	caller_closes(getpid(), &o, &c); /* only the opener was not visible */
	assert_true(c.seen && c.opener_gone && !c.is_opener);
}

/* A grandchild whose parent dies: tar was killed, gzip goes on. */
static void loses_its_parent(void **state)
{
	struct opener o;
	struct caller c;
	int fds[2];
	pid_t middle, child = 0;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	middle = fork();
	if (middle == 0) {
		pid_t grandchild = start(sleeps);

		if (write(fds[1], &grandchild, sizeof(grandchild)) < 0)
			_exit(1);
		sleeps();
	}
	assert_int_equal(read(fds[0], &child, sizeof(child)), sizeof(child));
	caller_opens(child, &o);
	assert_int_equal(o.parent, middle);
	caller_closes(child, &o, &c);
	assert_false(c.opener_orphaned);
	bury(middle);
	caller_closes(child, &o, &c);
	assert_true(c.is_opener && c.opener_orphaned && c.end == CALLER_LIVES);
	caller_closes(getpid(), &o, &c);
	assert_true(!c.is_opener && c.opener_orphaned && !c.opener_gone);
	bury(child);
	close(fds[0]);
	close(fds[1]);
}

/* A process may call itself what it likes. */
static void names_do_not_fool(void **state)
{
	struct opener o;
	char old[16];

	(void)state;
	prctl(PR_GET_NAME, old);
	prctl(PR_SET_NAME, "x\nTgid:\t1\n) 4 9");
	caller_opens(getpid(), &o);
	assert_int_equal(o.tgid, getpid());
	prctl(PR_SET_NAME, old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_open),
		cmocka_unit_test(a_thread_is_its_process),
		cmocka_unit_test(ways_to_end),
		cmocka_unit_test(other_process),
		cmocka_unit_test(not_visible),
		cmocka_unit_test(loses_its_parent),
		cmocka_unit_test(names_do_not_fool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

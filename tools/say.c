/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/say.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>

#define LINE_CAP 2048
#define PROGRESS_EVERY_MS 250

static PRINTF_LIKE(2, 0) void say_args(const struct tool *t, const char *fmt, va_list ap)
{
	char text[LINE_CAP], line[2 * LINE_CAP];

	vsnprintf(text, sizeof(text), fmt, ap);
	log_printable(line, sizeof(line), text);
	fprintf(t->err, "pishopctl: %s\n", line);
}

void say(const struct tool *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_args(t, fmt, ap);
	va_end(ap);
}

int say_usage(const struct tool *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_args(t, fmt, ap);
	va_end(ap);
	return TOOL_USAGE;
}

static const struct cause {
	int rc;
	enum tool_exit code;
	const char *cause, *next;
} causes[] = {
	{ EHOSTUNREACH, TOOL_NO_STORE, "the store cannot be reached", "check the endpoint, and try again" },
	{ ETIMEDOUT, TOOL_NO_STORE, "the store does not answer", "check that it is up, and try again" },
	{ EPROTO, TOOL_NO_STORE, "TLS to the store failed", "check its certificate, and --ca-file" },
	{ ENODEV, TOOL_NO_STORE, "the bucket or folder is gone", "check the store's name" },
	{ EAGAIN, TOOL_FAILED, "the store is overloaded", "try again later" },
	{ EREMOTEIO, TOOL_FAILED, "the store fails", "look at its log, and try again" },
	{ EKEYREJECTED, TOOL_FAILED, "the credentials are refused", "check access key and secret key" },
	{ EACCES, TOOL_FAILED, "these credentials may not do that", "use others, or allow it in their policy" },
	{ EPERM, TOOL_FAILED, "an object lock keeps it", "wait for its end" },
	{ EROFS, TOOL_FAILED, "nothing may be written here", "use credentials that may write" },
	{ ENOSPC, TOOL_FAILED, "the store is full", "make room" },
	{ EBUSY, TOOL_LOCKED, "somebody else is at it", "try again later" },
	{ ESTALE, TOOL_LOCKED, "somebody else changed it meanwhile", "look again, and repeat it" },
	{ ENOKEY, TOOL_WRONG_KEY, "it was written with another key", "give the key that wrote it" },
	{ EBADMSG, TOOL_FAILED, "it is damaged, or not of this program", "see the log, and run pishopctl verify" },
	{ EPROTONOSUPPORT, TOOL_FAILED, "it was written by a newer version", "use that version of pishopctl" },
	{ EOPNOTSUPP, TOOL_FAILED, "this store has no conditional writes, so two could do it at once", "use a store that has" },
	{ ENOENT, TOOL_FAILED, "there is no such thing", "pishopctl list shows what there is" },
	{ EEXIST, TOOL_FAILED, "it is there already", "take another name" },
	{ ENOMEM, TOOL_FAILED, "out of memory", "allow more" },
	{ ENOTRECOVERABLE, TOOL_FAILED, "this machine's clock is wrong", "set it" },
	{ ECANCELED, TOOL_INTERRUPTED, NULL, NULL },
};

int say_failed(const struct tool *t, const char *what, const char *doing, int rc)
{
	if (tool_stopped(t))
		return TOOL_INTERRUPTED; /* whatever came of it */
	for (size_t i = 0; i < ARRAY_LEN(causes); i++) {
		const struct cause *c = &causes[i];

		if (c->rc != rc)
			continue;
		if (c->cause)
			say(t, "%s: %s failed: %s; %s", what, doing, c->cause, c->next);
		return c->code;
	}
	say(t, "%s: %s failed: %s; see the log", what, doing, strerror(rc));
	return TOOL_FAILED;
}

int say_combine(int so_far, int next)
{
	if (so_far == SAY_NONE || so_far == next)
		return next;
	if (so_far == TOOL_INTERRUPTED || next == TOOL_INTERRUPTED)
		return TOOL_INTERRUPTED;
	if (so_far == TOOL_DONE || next == TOOL_DONE || so_far == TOOL_PARTLY || next == TOOL_PARTLY)
		return TOOL_PARTLY;
	return so_far;
}

/* Waits until a line can be read, so that a signal ends the waiting. A stream of a test has no descriptor. */
static bool wait_for_line(const struct tool *t)
{
	struct pollfd fd = { .fd = fileno(t->in), .events = POLLIN };

	while (fd.fd >= 0 && !tool_stopped(t))
		if (poll(&fd, 1, 200) > 0)
			return true;
	return !tool_stopped(t);
}

int say_ask(const struct tool *t, const char *what, const char *fmt, ...)
{
	char text[LINE_CAP], line[2 * LINE_CAP], answer[16] = "";
	va_list ap;

	if (conf_bool(t->conf, "yes"))
		return TOOL_DONE;
	if (!t->asks)
		return say_usage(t, "%s: nobody is there to be asked, as this is no terminal; give --yes", what);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_printable(line, sizeof(line), text);
	fprintf(t->err, "%s [y/N] ", line);
	fflush(t->err);
	if (!wait_for_line(t))
		return TOOL_INTERRUPTED;
	if (fgets(answer, sizeof(answer), t->in))
		answer[strcspn(answer, "\n")] = '\0';
	if (strcmp(answer, "y") == 0 || strcmp(answer, "yes") == 0)
		return TOOL_DONE;
	say(t, "%s: nothing was done", what);
	return TOOL_FAILED;
}

void progress_show(struct progress *p, const char *fmt, ...)
{
	int64_t now = clock_mono_ms();
	char text[160];
	va_list ap;

	if (!p->t->err_terminal || now < p->next_ms)
		return;
	p->next_ms = now + PROGRESS_EVERY_MS;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(p->t->err, "\r\033[K%s", text);
	fflush(p->t->err);
	p->shown = true;
}

void progress_clear(struct progress *p)
{
	if (p->shown)
		fprintf(p->t->err, "\r\033[K");
	p->shown = false;
}

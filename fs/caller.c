/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/caller.h"
#include "base/auto.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* From the kernel's include/linux/sched.h; part of /proc's interface since they are shown there. */
#define PF_EXITING 0x4u
#define PF_SIGNALED 0x400u

struct status {
	pid_t tgid, parent;
	bool memory; /* it has an address space: it has not begun to exit */
	bool zombie;
};

/* 0 or 1. out is terminated. */
static int read_proc(pid_t pid, const char *file, char *out, size_t cap)
{
	char path[64];
	size_t len = 0;
	ssize_t n = 1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 1;
	while (n > 0 && len < cap - 1) {
		n = read(fd, out + len, cap - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	out[len] = '\0';
	return len == 0;
}

/* The first character after "\nname:" and blanks, or NULL. Names are preceded by a line break since the process name, first in the file, is anybody's
 * (the kernel escapes line breaks in it). */
static const char *field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? at + strlen(name) + strspn(at + strlen(name), " \t") : NULL;
}

static pid_t number(const char *text)
{
	return text ? (pid_t)strtol(text, NULL, 10) : 0;
}

static bool look(pid_t pid, struct status *out)
{
	char text[2048];
	const char *state;

	if (pid <= 0 || read_proc(pid, "status", text, sizeof(text)))
		return false;
	state = field(text, "\nState:");
	*out = (struct status){
		.tgid = number(field(text, "\nTgid:")),
		.parent = number(field(text, "\nPPid:")),
		.memory = strstr(text, "\nVmSize:") != NULL,
		.zombie = state && (*state == 'Z' || *state == 'X'),
	};
	return out->tgid > 0;
}

/* Of a process without memory: how it ends. stat's fields after the name in parentheses: state is 3, flags 9, exit_code 52. */
static enum caller_end ending(pid_t tid)
{
	char text[2048];
	const char *at;
	unsigned long flags = 0;
	int code = 0;

	if (read_proc(tid, "stat", text, sizeof(text)))
		return CALLER_LIVES;
	at = strrchr(text, ')');
	for (int n = 2; at && n < 52; n++) {
		at = strchr(at + 1, ' ');
		if (at && n + 1 == 9)
			flags = strtoul(at + 1, NULL, 10);
		if (at && n + 1 == 52)
			code = (int)strtol(at + 1, NULL, 10);
	}
	if (!at || !(flags & PF_EXITING))
		return CALLER_LIVES;
	if ((flags & PF_SIGNALED) || (code & 0x7f))
		return CALLER_KILLED;
	return code ? CALLER_EXITS_BAD : CALLER_EXITS;
}

void caller_opens(pid_t tid, struct opener *out)
{
	struct status s;

	*out = (struct opener){ 0 };
	if (look(tid, &s))
		*out = (struct opener){ s.tgid, s.parent };
}

void caller_closes(pid_t tid, const struct opener *opener, struct caller *out)
{
	struct status s;

	*out = (struct caller){ .end = CALLER_LIVES };
	if (!look(tid, &s))
		return;
	out->seen = true;
	if (!s.memory)
		out->end = ending(tid);
	out->is_opener = opener->tgid == s.tgid;
	if (!opener->tgid) {
		out->opener_gone = true; /* nobody whose close could be waited for */
		return;
	}
	if (!out->is_opener) {
		struct status o;

		out->opener_gone = !look(opener->tgid, &o) || o.zombie;
		s.parent = out->opener_gone ? opener->parent : o.parent;
	}
	out->opener_orphaned = s.parent != opener->parent;
}

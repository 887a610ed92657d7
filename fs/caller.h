/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Who closes a file, and how its process ends: the kernel sends the same FLUSH for close(), exit(), exit(1), a crash and kill -9; only /proc
 * tells them apart. Reads of /proc: short, no network; FUSE workers may make them.
 *
 * NEVER read /proc/PID/stat of a process that has memory (VmSize in its status): FLUSH is sent from inside execve for close-on-exec descriptors, stat waits
 * for the end of the execve, and that waits for our answer. */

struct opener {
	pid_t tgid; /* process that opened; 0: not seen */
	pid_t parent;
};

enum caller_end { CALLER_LIVES, CALLER_EXITS, CALLER_EXITS_BAD, CALLER_KILLED };

struct caller {
	bool seen;            /* its process is visible to us */
	bool is_opener;
	bool opener_gone;     /* the process that opened exists no more (or is a zombie) */
	bool opener_orphaned; /* it lives, but its parent is another than when it opened */
	enum caller_end end;  /* of the caller */
};

/* At open: who is thread tid (0: unknown)? */
void caller_opens(pid_t tid, struct opener *out);
/* At FLUSH by thread tid: of a file that opener opened. */
void caller_closes(pid_t tid, const struct opener *opener, struct caller *out);

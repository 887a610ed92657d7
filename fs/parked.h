/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/call.h"

/* Calls that the vault could not take now (EAGAIN: no memory is free, or a commit has the file) wait here with what they carry, and no
 * thread waits with them. One thread tries all of them again, in the order they came, when the vault has room, and asks it to make some. A call whose
 * wait exceeds the data timeout, counted from the vault's last progress, is given up. */

int parked_start(struct fs *f); /* ENOMEM, EAGAIN */
void parked_stop(struct fs *f);  /* gives up what waits, ends the thread */

/* attempt: tries again; EAGAIN: still not; anything else: it has taken care of the call. give_up: ends the call with ETIMEDOUT or so. Both are
 * called by the parking thread without locks, and must not block. */
struct parked_how {
	int (*attempt)(struct call *c);
	void (*give_up)(struct call *c, int error);
};
void parked_add(struct call *c, const struct parked_how *how /* static */);
/* True while anything waits: newcomers that need memory queue up behind. NOW, without a lock. */
bool parked_any(const struct fs *f);
/* Calls that wait and the bytes they hold. */
void parked_count(struct fs *f, unsigned *calls, uint64_t *bytes);
/* Waits until nothing is parked or deadline (clock_mono_ms): 0 or ETIMEDOUT. */
int parked_drain(struct fs *f, int64_t deadline);

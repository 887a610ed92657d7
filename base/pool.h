/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/auto.h"

/* A pool of threads that grows on demand up to a limit and runs jobs in the order they came. A thread that finds nothing to do for
 * 2 s ends. Threads have 256 KiB of stack and block all signals but those of their own faults. */
struct pool;

/* name (up to 15 chars) shows in `top -H`. No thread is started until the first job. NULL: no memory. */
struct pool *pool_new(const char *name, unsigned max_threads);
/* Waits until every job that was submitted has run, then frees. NULL is legal. Must not be called from a job of the same pool. */
void pool_free(struct pool *p);
DEFINE_AUTO(pool, pool_free)

/* Runs fn(arg) on some thread of the pool; never blocks. Any thread. 0; ENOMEM (fn was not and will not be called); EAGAIN where
 * the pool has no thread and none could be started. */
int MUST_CHECK pool_submit(struct pool *p, void (*fn)(void *arg), void *arg);
/* Waits until nothing is queued or running, or until the deadline (clock_mono_ms; 0: none): 0 or ETIMEDOUT. */
int pool_drain(struct pool *p, long long deadline_ms);
/* Jobs queued and running now. */
unsigned pool_load(struct pool *p);

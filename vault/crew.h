/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* Many jobs of one kind, done by several threads of which the caller's is one. */

typedef int crew_job(void *arg, size_t i); /* 0; else no further job is begun */

/* Runs job(arg, 0) to job(arg, count - 1) on up to `threads` threads (0: 8), begun in that order; where no thread can be started, on the caller's alone. Returns when all that
 * were begun have ended: 0, or what the first that failed returned. BLOCKS. */
int crew_run(unsigned threads, size_t count, crew_job *job, void *arg);
/* How many of so many threads each of `count` jobs may have for itself, so that all of them together have no more. */
unsigned crew_share(unsigned threads, size_t count);

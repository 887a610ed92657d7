/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>
#include <stdint.h>

/* Condition variables whose deadlines are clock_mono_ms times, so that setting the wall clock moves none of them. */
void cond_init_mono(pthread_cond_t *cond);

/* Waits on a condition made by cond_init_mono; the caller holds the lock and checks its predicate again. 0 (also spuriously), or
 * ETIMEDOUT when deadline_ms (clock_mono_ms) has passed; INT64_MAX: no deadline. */
int cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline_ms);

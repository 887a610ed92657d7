/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/* A thread that does the same again and again, and ends at once: what a mount that lives long does in the background. */
struct rounds;
typedef void rounds_fn(void *arg, struct rounds *r);

/* The first round begins after first_ms, the next interval_ms after the one before it has begun, or when that has ended, where it took longer. ENOMEM, EAGAIN. */
int rounds_start(int64_t first_ms, int64_t interval_ms, rounds_fn *fn, void *arg, struct rounds **out);
/* Tells the round to end, waits for that, and frees. NULL is legal. */
void rounds_stop(struct rounds *r);

/* For the round itself: true when it is to end; and a wait that ends then. */
const atomic_bool *rounds_stopping(const struct rounds *r);
void rounds_wait(struct rounds *r, int64_t ms);

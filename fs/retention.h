/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/sweep.h"

/* Retention in a mount that lives long: one thread that sweeps its tenants again and again. It makes requests one after the other and holds no thread, memory or lock
 * that a Job could wait for. Pods that live for minutes leave it to `pishopctl retention apply --loop`. */
struct retention;

/* config is copied, but for its stop. tenant NULL: all. interval_s: between the begins of two rounds; the first begins one minute after the start, or one interval, where that is
 * less. ENOMEM, EAGAIN. */
int retention_start(struct vault *v, const char *tenant, const struct sweep_config *config, int64_t interval_s, struct retention **out);
/* Stops between two requests, waits for that, and frees. NULL is legal. */
void retention_stop(struct retention *r);

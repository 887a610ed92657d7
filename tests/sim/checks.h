/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "world.h"

/* What must hold for every plan. Each check prints what is wrong and ends the process: the world's seed and time name the place. */
void check_fail(const struct world *w, int64_t now, const struct backup *b, const char *what) __attribute__((noreturn));

/* Is it what the rules call good? Written anew here, from docs/retention.md, as all that judges the plan. */
bool check_is_good(const struct policy *p, const struct backup *b, int64_t now);

/* Nothing goes that is held, young, bad or of the newest min_keep; every row has a reason; the counts are right. */
void check_safety(const struct world *w, const struct plan *plan, int64_t now);
/* The same backups in another order: the same rows. */
void check_order(const struct world *w, const struct plan *plan, int64_t now, struct dice *d);
/* Without all that is not good, the good ones fare the same; with more of what is not good, everybody does; with imported ones, all that are not imported. */
void check_bad_ones(const struct world *w, const struct plan *plan, int64_t now, struct dice *d);
/* A policy that is said not to be stricter removes nothing more. */
void check_stricter(const struct world *w, const struct plan *plan, int64_t now, struct dice *d);
/* Who stays by the keep rules and max_age, found again with the C library's calendar and no cleverness. */
void check_oracle(const struct world *w, const struct plan *plan, int64_t now);
/* What was removed is removed: there are still as many good ones as the floor asks for, and a steady tenant has one of each of its last twelve months. */
void check_outcome(struct world *w, size_t good_before, int64_t now);

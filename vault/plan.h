/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/backup.h"
#include "vault/policy.h"

/* plan(backups, policy, now): what to keep, and why. Pure: the same for the thread, the tool and the simulation.
 *
 * Good are backups that are sealed, have a time (or untimed_by_commit) and are not in the future. restic's rules in UTC over the good ones, newest first: of each
 * hour, day, ISO week, month, year that has one its newest is kept, until the rule's number is used up; the oldest of all is kept while a number is left. An imported
 * one never takes the place of one that is not. Any keep rule keeps; what none keeps, or is older than max_age, goes, unless
 *   hold       a legal hold stands
 *   min-age    its commit is younger
 *   min-keep   it is one of the newest good ones, at least one
 * Partial ones go by partial_after_s, behind a newer good one and without a live writer. All others stay: open, settling, unsealed, damaged, foreign, future. */

enum decision { DECIDE_KEEP, DECIDE_DELETE, DECIDE_HOLD };
const char *decision_name(enum decision d); /* "keep", "delete", "hold" */

#define PLAN_REASONS 12
struct plan_row {
	const struct backup *backup; /* of the catalog */
	enum decision decision;
	const char *reasons[PLAN_REASONS + 1]; /* for people, NULL at the end: "daily", "newest", "no rule keeps it", ...; owned by the plan */
};

struct plan {
	struct plan_row *rows;     /* in the order of the catalog: newest first */
	size_t count;
	size_t keep, remove, hold; /* rows of each */
	size_t good;               /* good ones among all */
	size_t future;             /* ignored, to be alarmed */
	char *texts;
};

/* now_s: the server's clock. ENOMEM; EINVAL: a policy with min_keep 0. */
int plan_make(const struct backup *backups, size_t count, const struct policy *policy, int64_t now_s, struct plan *out);
void plan_free(struct plan *p);
DEFINE_AUTO(plan, plan_free)

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/backup.h"
#include "vault/policy.h"

/* plan(backups, policy, now): what to keep, and why. Pure: the same for the thread, the tool and the simulation, whatever the order of the backups.
 *
 * Good are backups that are sealed, have a time (or untimed_by_commit) and are not in the future. restic's rules in UTC over the good ones, newest first: of each
 * hour, day, ISO week, month, year that has one its newest is kept, until the rule's number is used up (as Debian 12's restic 0.14 does; later ones also keep the oldest
 * of all while a number is left). An imported one never takes the place of one that is not: every rule looks once at all and once at those not imported, and what
 * either keeps is kept. Any keep rule keeps; what none keeps (where the policy has one), or is older than max_age, goes, unless
 *   hold       a legal hold stands
 *   min-age    its commit is younger
 *   min-keep   it is one of the newest good ones, at least one
 * Partial ones go by partial_after_s, behind a newer good one and without a live writer; min-age and holds protect them too, and one whose name has no time stays as
 * a good one would. All others stay: open, settling, unsealed, damaged, foreign, future. An empty policy removes nothing at all.
 *
 * INV-PLAN-BAD: what is not good changes no decision about a good one. INV-PLAN-AGE: nothing goes whose commit is younger than min_age. INV-PLAN-FLOOR: the newest
 * min_keep good ones stay. INV-PLAN-HOLD: a held one never goes. INV-PLAN-IMPORT: imported ones change no decision about those that are not. */

enum decision { DECIDE_KEEP, DECIDE_DELETE, DECIDE_HOLD };
const char *decision_name(enum decision d); /* "keep", "delete", "hold" */

/* The reasons are these texts, so that programs can look for them; all that hold, in this order:
 *   "legal hold"                           decision hold, with what would hold without it behind
 *   "last 3" "hourly" "daily" "weekly" "monthly" "yearly" "within"        kept by that rule (the number is keep_last)
 *   "within max-age"                       the policy has no keep rule, and this is younger
 *   "no policy: nothing is removed"
 *   "newest" "min-keep" "min-age"          no rule keeps it, but this protects it
 *   "no keep rule keeps it" "older than max-age"                          why a good one goes; behind a protection or a hold: would go
 *   "partial: 12 days old, a newer sealed one exists"                     why a partial one goes; the same
 *   "partial: no rule for it" "partial: not old enough" "partial: no newer sealed one" "partial: somebody writes it"
 *   "open" "settling" "unsealed: never removed by itself" "damaged: never removed by itself" "deleted already: gone on 2026-11-25"
 *   "foreign" "no time in its name" "in the future: ignored" */
#define PLAN_REASONS 12
struct plan_row {
	const struct backup *backup; /* of the catalog */
	enum decision decision;      /* hold: wherever a hold stands, whether it would go or not */
	const char *reasons[PLAN_REASONS + 1]; /* see above, NULL at the end; owned by the plan */
};

struct plan {
	struct plan_row *rows;     /* in the order of the catalog: newest first, by time_s, then stem */
	size_t count;
	size_t keep, remove, hold; /* rows of each, without those that are deleted already */
	size_t deleted;            /* rows of backups that are deleted already, and in their grace */
	size_t good;               /* good ones among all */
	size_t future;             /* ignored, to be alarmed; those deleted already are not counted */
	char *texts;               /* behind reasons with numbers */
};

/* A backup is in the future when its flag says so, or its commit is more than this ahead of now. The time in its name may be a day ahead of both (pods write local time). */
#define PLAN_FUTURE_S 3600

/* now_s: the server's clock. The backups must outlive the plan. n log n. ENOMEM; EINVAL: a policy with min_keep 0; *out is then empty. */
int plan_make(const struct backup *backups, size_t count, const struct policy *policy, int64_t now_s, struct plan *out);
void plan_free(struct plan *p); /* what it holds; NULL is legal */
DEFINE_AUTO(plan, plan_free)

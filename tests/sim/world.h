/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/plan.h"

/* One tenant through the years: its jobs, their failures, its operator and those who wish it ill. Time passes an hour at a time; retention is the caller's. */

#define HOUR INT64_C(3600)
#define DAY INT64_C(86400)
#define GRACE (3 * DAY) /* between a tombstone and the end */
#define MONTHS 1200     /* since 1970: more than any simulation reaches */

struct dice {
	uint64_t state;
};
uint64_t dice_roll(struct dice *d, uint64_t sides); /* 0 .. sides-1 */
bool dice_chance(struct dice *d, double chance);
void dice_shuffle(struct dice *d, struct backup *list, size_t count);

struct world {
	struct dice dice;
	uint64_t seed;
	int64_t now;               /* the true time */
	struct backup *list;       /* every backup there is, in no order */
	size_t count, cap;
	struct policy policy;
	int zone;                  /* which clock its pods have */
	unsigned form;             /* how its names write the time */
	int64_t minute;            /* of the hour in which its jobs begin, give or take */
	bool hourly;               /* else daily */
	bool steady;               /* no attacks, no change of policy: then months are counted on */
	double failures;           /* chance of a run to fail */
	int64_t outage_until;      /* every run fails until then */
	bool good_month[MONTHS];   /* the checks have seen a good one of it */
	uint64_t made, attacks;    /* for the last line */
};

void world_begin(struct world *w, uint64_t seed, int64_t start);
void world_end(struct world *w);
/* What happens within the next hour; now is then an hour later. */
void world_hour(struct world *w);

/* A policy as operators write them, at times with every rule, at times with none. */
void random_policy(struct dice *d, bool hourly, struct policy *p);
/* What an attacker without the key can do to a listing (unsealed, damaged, half-written, foreign, dated ahead), or, if imported, somebody who brings old backups in. */
struct backup hostile(struct dice *d, int64_t now, bool imported);
unsigned month_of(int64_t time_s); /* since 1970-01 in UTC */
bool dated_ahead(const struct backup *b, int64_t now); /* as the catalog tells */

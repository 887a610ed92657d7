/* SPDX-License-Identifier: Apache-2.0 */
/* usage: sim [--tenants N] [--years N] [--seed N] [--jobs N]
 * Lets tenants back up and retention plan and act for years, and checks at every step what must always hold (checks.h). The same seed gives the same worlds; a tenant that
 * fails is run again alone with --tenants 1 and the seed that is printed with it. Then measures one plan over 20,000 backups. */
#include "checks.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define START INT64_C(1767225600) /* 2026-01-01; five years from it hold a leap day and an ISO year of 53 weeks */
#define CROWD 20000

static const struct conf_option options[] = {
	{ .name = "tenants", .type = CONF_COUNT, .group = "Simulation", .value_name = "N", .fallback = "10", .min = 1, .help = "So many, one behind the other." },
	{ .name = "years", .type = CONF_COUNT, .group = "Simulation", .value_name = "N", .fallback = "5", .min = 1, .max = 50, .help = "For each." },
	{ .name = "seed", .type = CONF_COUNT, .group = "Simulation", .value_name = "N", .fallback = "1", .help = "Of the first tenant; the next one has the next." },
	{ .name = "jobs", .type = CONF_COUNT, .group = "Simulation", .value_name = "N", .fallback = "1", .min = 1, .max = 64, .help = "Processes side by side." },
};

struct totals {
	uint64_t steps, backups, attacks, removed;
	size_t largest; /* backups in one plan */
};

/* What the planner takes for now: mostly the truth; at times a clock that is wrong by minutes or by years. */
static int64_t planners_clock(struct dice *d, int64_t now)
{
	static const int64_t jumps[] = { HOUR, DAY, 40 * DAY, 400 * DAY, 4000 * DAY };
	int64_t jump = jumps[dice_roll(d, ARRAY_LEN(jumps))];

	if (!dice_chance(d, 0.05))
		return now;
	return dice_chance(d, 0.5) ? now + jump : now - jump;
}

/* Deletes as retention does: first a tombstone. A clock that is ahead stops it, as in a sweep. */
static void act(struct world *w, const struct plan *plan, int64_t now, struct totals *t)
{
	for (size_t i = 0; i < plan->count && now <= w->now; i++) {
		struct backup *b = &w->list[plan->rows[i].backup - w->list];

		if (plan->rows[i].decision != DECIDE_DELETE)
			continue;
		b->state = BACKUP_DELETED;
		b->deleted_until_s = w->now + GRACE;
		t->removed++;
	}
}

static void step(struct world *w, struct dice *d, struct totals *t)
{
	int64_t now = planners_clock(d, w->now);
	struct plan plan;

	for (size_t i = 0; i < w->count; i++) {
		const struct backup *b = &w->list[i];

		w->list[i].future = dated_ahead(b, w->now);
		if (check_is_good(&w->policy, b, w->now))
			w->good_month[month_of(b->time_s)] = true;
	}
	if (plan_make(w->list, w->count, &w->policy, now, &plan))
		check_fail(w, now, NULL, "no plan");
	check_safety(w, &plan, now);
	check_order(w, &plan, now, d);
	check_bad_ones(w, &plan, now, d);
	check_stricter(w, &plan, now, d);
	if (dice_chance(d, 0.2))
		check_oracle(w, &plan, now);
	act(w, &plan, now, t);
	t->largest = max_size(t->largest, plan.count);
	t->steps++;
	check_outcome(w, plan.good, w->now);
	plan_free(&plan);
}

/* Five years of one tenant; retention looks about once a day, at any hour. */
static void live(uint64_t seed, int64_t years, struct totals *t)
{
	struct dice dice = { seed ^ UINT64_C(0x5eed) << 40 };
	struct world w;

	world_begin(&w, seed, START);
	while (w.now < START + years * 365 * DAY + DAY) {
		world_hour(&w);
		if (dice_chance(&dice, 1.0 / 24))
			step(&w, &dice, t);
	}
	t->backups += w.made;
	t->attacks += w.attacks;
	world_end(&w);
}

/* Every jobs-th tenant from `first` on. */
static void live_many(uint64_t seed, uint64_t first, uint64_t tenants, uint64_t jobs, int64_t years)
{
	struct totals t = { 0 };

	for (uint64_t i = first; i < tenants; i += jobs)
		live(seed + i, years, &t);
	printf("%" PRIu64 " backups made, %" PRIu64 " attacks, %" PRIu64 " plans and their variants checked, at most %zu backups in one, %" PRIu64 " removed\n", t.backups,
	       t.attacks, t.steps, t.largest, t.removed);
}

/* 0 where every process has ended well. */
static int live_side_by_side(uint64_t seed, uint64_t tenants, uint64_t jobs, int64_t years)
{
	int failed = 0, status;

	if (jobs == 1) {
		live_many(seed, 0, tenants, 1, years);
		return 0;
	}
	for (uint64_t i = 0; i < jobs; i++) {
		pid_t child = fork();

		if (child < 0)
			return 1;
		if (child == 0) {
			live_many(seed, i, tenants, jobs, years);
			fflush(stdout);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		failed |= status != 0;
	return failed;
}

/* One plan over many: ten hourly years' worth, of which a tenth is bad. */
static int measure(void)
{
	AUTO_FREE struct backup *list = calloc(CROWD, sizeof(*list));
	struct policy policy;
	struct plan plan;

	if (!list)
		return 1;
	policy_default(&policy);
	policy.keep_last = policy.keep_hourly = policy.keep_daily = policy.keep_weekly = policy.keep_monthly = policy.keep_yearly = 100;
	policy.keep_within_s = 30 * DAY;
	policy.max_age_s = 1000 * DAY;
	for (size_t i = 0; i < CROWD; i++) {
		int64_t at = START + (int64_t)(i * 7919 % CROWD) * HOUR;

		list[i] = (struct backup){ .state = i % 10 ? BACKUP_SEALED : BACKUP_PARTIAL, .timed = true, .time_s = at, .committed_s = at };
		snprintf(list[i].stem, sizeof(list[i].stem), "b-%zu", i);
	}

	int64_t begin = clock_mono_ms();
	int rc = plan_make(list, CROWD, &policy, START + CROWD * HOUR, &plan);
	int64_t ms = clock_mono_ms() - begin;

	printf("%d backups planned in %" PRId64 " ms: %zu keep, %zu delete\n", CROWD, ms, plan.keep, plan.remove);
	plan_free(&plan);
	return rc || ms > 1000;
}

int main(int argc, char **argv)
{
	AUTO(auto_conf_free) struct conf *conf = NULL;
	struct conf_input in = { .options = options, .count = ARRAY_LEN(options), .argc = argc, .argv = argv };
	char error[256];

	if (conf_load(&in, &conf, error, sizeof(error))) {
		fprintf(stderr, "sim: %s\n", error);
		return 2;
	}
	if (live_side_by_side(conf_number(conf, "seed"), conf_number(conf, "tenants"), conf_number(conf, "jobs"), (int64_t)conf_number(conf, "years")))
		return 1;
	return measure();
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "checks.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>

#define EXTRAS 12 /* backups that the checks add */

static const char *const why_bad[] = { "open", "settling", NULL, "unsealed", NULL, "damaged", "deleted" };

void check_fail(const struct world *w, int64_t now, const struct backup *b, const char *what)
{
	char text[256], time[24], planned[24];

	policy_text(&w->policy, text, sizeof(text));
	clock_format_utc(time, w->now);
	clock_format_utc(planned, now);
	fprintf(stderr, "sim: %s\n  backup: %s\n  policy: %s\n  seed %" PRIu64 ", true time %s, planned for %s\n", what, b ? b->stem : "-", text, w->seed, time, planned);
	exit(1);
}

static bool is_ahead(const struct backup *b, int64_t now)
{
	return b->future || b->committed_s > now + HOUR;
}

bool check_is_good(const struct policy *p, const struct backup *b, int64_t now)
{
	return b->state == BACKUP_SEALED && (b->timed || p->untimed_by_commit) && !is_ahead(b, now);
}

static struct plan plan_of(const struct world *w, const struct backup *list, size_t count, const struct policy *policy, int64_t now)
{
	struct plan plan;

	if (plan_make(list, count, policy, now, &plan))
		check_fail(w, now, NULL, "no plan");
	return plan;
}

/* ---- One plan */

static void check_deleted(const struct world *w, const struct plan_row *row, int64_t now)
{
	const struct backup *b = row->backup;

	if (b->held)
		check_fail(w, now, b, "a held one goes");
	if (now - b->committed_s < w->policy.min_age_s && w->policy.min_age_s) /* up to an hour ahead of now is now */
		check_fail(w, now, b, "one younger than min-age goes");
	if (why_bad[b->state])
		check_fail(w, now, b, why_bad[b->state]);
	if (is_ahead(b, now))
		check_fail(w, now, b, "one of the future goes");
	if (!b->timed && !w->policy.untimed_by_commit)
		check_fail(w, now, b, "one without a time goes");
	if (policy_empty(&w->policy))
		check_fail(w, now, b, "an empty policy removes");
	if (b->state == BACKUP_PARTIAL && (b->live_writer || !w->policy.partial_after_s || now - b->committed_s <= w->policy.partial_after_s))
		check_fail(w, now, b, "a partial one goes too early");
}

void check_safety(const struct world *w, const struct plan *plan, int64_t now)
{
	size_t newest = 0, deleted = 0, seen[3] = { 0 };

	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_row *row = &plan->rows[i];
		bool good = check_is_good(&w->policy, row->backup, now);

		deleted += row->backup->state == BACKUP_DELETED;
		seen[row->decision] += row->backup->state != BACKUP_DELETED;
		newest += good;
		if (!row->reasons[0])
			check_fail(w, now, row->backup, "no reason");
		if (row->backup->held != (row->decision == DECIDE_HOLD))
			check_fail(w, now, row->backup, "a hold is not told as one");
		if (row->decision != DECIDE_DELETE)
			continue;
		check_deleted(w, row, now);
		if (good && newest <= w->policy.min_keep)
			check_fail(w, now, row->backup, "one of the newest min-keep goes");
		if (row->backup->state == BACKUP_PARTIAL && !newest)
			check_fail(w, now, row->backup, "a partial one goes without a newer good one");
	}
	if (plan->keep != seen[DECIDE_KEEP] || plan->remove != seen[DECIDE_DELETE] || plan->hold != seen[DECIDE_HOLD] || plan->deleted != deleted || plan->good != newest || plan->count != w->count)
		check_fail(w, now, NULL, "the counts are wrong");
}

/* ---- Two plans */

static const struct plan_row *row_of(const struct plan *plan, const struct backup *b)
{
	size_t low = 0, high = plan->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct backup *m = plan->rows[middle].backup;

		if (m->time_s == b->time_s && strcmp(m->stem, b->stem) == 0)
			return &plan->rows[middle];
		if (m->time_s > b->time_s || (m->time_s == b->time_s && strcmp(m->stem, b->stem) < 0))
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static bool same_row(const struct plan_row *a, const struct plan_row *b)
{
	size_t i = 0;

	while (a->reasons[i] && b->reasons[i] && strcmp(a->reasons[i], b->reasons[i]) == 0)
		i++;
	return a->decision == b->decision && !a->reasons[i] && !b->reasons[i];
}

static struct backup *copy_list(const struct world *w)
{
	struct backup *list = calloc(w->count + EXTRAS, sizeof(*list));

	if (!list)
		abort();
	memcpy(list, w->list, w->count * sizeof(*list));
	return list;
}

void check_order(const struct world *w, const struct plan *plan, int64_t now, struct dice *d)
{
	AUTO_FREE struct backup *list = copy_list(w);

	dice_shuffle(d, list, w->count);

	struct plan other = plan_of(w, list, w->count, &w->policy, now);

	for (size_t i = 0; i < plan->count; i++)
		if (strcmp(plan->rows[i].backup->stem, other.rows[i].backup->stem) != 0 || !same_row(&plan->rows[i], &other.rows[i]))
			check_fail(w, now, plan->rows[i].backup, "the order of the list matters");
	plan_free(&other);
}

/* Every row of one that `matters` is the same in both plans. */
static void compare(const struct world *w, const struct plan *plan, const struct plan *other, int64_t now, bool (*matters)(const struct world *w, const struct backup *b, int64_t now),
		    const char *what)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct backup *b = plan->rows[i].backup;
		const struct plan_row *twin = matters(w, b, now) ? row_of(other, b) : &plan->rows[i];

		if (!twin || !same_row(&plan->rows[i], twin))
			check_fail(w, now, b, what);
	}
}

static bool if_good(const struct world *w, const struct backup *b, int64_t now)
{
	return check_is_good(&w->policy, b, now);
}

static bool if_any(const struct world *w, const struct backup *b, int64_t now)
{
	return true;
}

static bool if_own(const struct world *w, const struct backup *b, int64_t now)
{
	return !b->imported;
}

static void check_added(const struct world *w, const struct plan *plan, int64_t now, struct dice *d, bool imported)
{
	AUTO_FREE struct backup *list = copy_list(w);
	size_t count = w->count;

	for (size_t i = 0; i < EXTRAS; i++) {
		struct backup b = hostile(d, now, imported);

		b.stem[0] = 'e'; /* no backup of the world is called so */
		if (w->policy.untimed_by_commit && b.state == BACKUP_SEALED && !b.timed)
			continue; /* then it is a good one */
		list[count++] = b;
	}
	dice_shuffle(d, list, count);

	struct plan other = plan_of(w, list, count, &w->policy, now);

	if (imported)
		compare(w, plan, &other, now, if_own, "imported ones change what becomes of another");
	else
		compare(w, plan, &other, now, if_any, "bad ones change what becomes of another");
	plan_free(&other);
}

void check_bad_ones(const struct world *w, const struct plan *plan, int64_t now, struct dice *d)
{
	AUTO_FREE struct backup *list = copy_list(w);
	size_t count = 0;

	for (size_t i = 0; i < w->count; i++)
		if (check_is_good(&w->policy, &w->list[i], now))
			list[count++] = w->list[i];

	struct plan good = plan_of(w, list, count, &w->policy, now);

	compare(w, plan, &good, now, if_good, "bad ones push out or keep a good one");
	plan_free(&good);
	check_added(w, plan, now, d, false);
	check_added(w, plan, now, d, true);
}

void check_stricter(const struct world *w, const struct plan *plan, int64_t now, struct dice *d)
{
	struct policy other = w->policy;
	uint32_t *counts[] = { &other.keep_last, &other.keep_hourly, &other.keep_daily, &other.keep_weekly, &other.keep_monthly, &other.keep_yearly, &other.min_keep };
	int64_t *times[] = { &other.keep_within_s, &other.max_age_s, &other.min_age_s, &other.partial_after_s };

	if (dice_chance(d, 0.3))
		random_policy(d, w->hourly, &other);
	for (size_t i = dice_roll(d, 4); i > 0; i--) {
		*counts[dice_roll(d, ARRAY_LEN(counts))] += 1 + (uint32_t)dice_roll(d, 3);
		*times[dice_roll(d, ARRAY_LEN(times))] = (int64_t)dice_roll(d, 60) * DAY;
	}
	if (policy_stricter(&w->policy, &other))
		return;

	struct plan looser = plan_of(w, w->list, w->count, &other, now);

	for (size_t i = 0; i < plan->count; i++)
		if (looser.rows[i].decision == DECIDE_DELETE && plan->rows[i].decision != DECIDE_DELETE)
			check_fail(w, now, plan->rows[i].backup, "a policy that is not called stricter removes more");
	plan_free(&looser);
}

/* ---- The oracle */

enum span { EACH, AN_HOUR, A_DAY, A_WEEK, A_MONTH, A_YEAR };

/* One rule: whether b is the newest of its period, among the good ones from the newest down to b. */
struct period {
	enum span span;
	uint32_t left;
	char last[24];
};

static void name_period(enum span span, const struct tm *tm, size_t row, char name[24])
{
	switch (span) {
	case EACH:
		snprintf(name, 24, "%zu", row);
		break;
	case AN_HOUR:
		strftime(name, 24, "%Y%m%d%H", tm);
		break;
	case A_DAY:
		strftime(name, 24, "%Y%m%d", tm);
		break;
	case A_WEEK:
		strftime(name, 24, "%G-%V", tm);
		break;
	case A_MONTH:
		strftime(name, 24, "%Y-%m", tm);
		break;
	case A_YEAR:
		strftime(name, 24, "%Y", tm);
	}
}

static bool is_fresh(struct period *p, const struct tm *tm, size_t row)
{
	char name[24];

	name_period(p->span, tm, row, name);
	if (!p->left || strcmp(name, p->last) == 0)
		return false;
	p->left--;
	copy_text(p->last, sizeof(p->last), name);
	return true;
}

static void apply_rules(const struct world *w, const struct plan *plan, int64_t now, bool imported_too, bool *kept)
{
	const struct policy *p = &w->policy;
	struct period periods[] = { { EACH, p->keep_last, "" },	   { AN_HOUR, p->keep_hourly, "" },  { A_DAY, p->keep_daily, "" },
				    { A_WEEK, p->keep_weekly, "" }, { A_MONTH, p->keep_monthly, "" }, { A_YEAR, p->keep_yearly, "" } };
	int64_t newest = INT64_MIN;

	for (size_t i = 0; i < plan->count; i++) {
		const struct backup *b = plan->rows[i].backup;
		time_t t = b->time_s;
		struct tm tm;

		if (!check_is_good(p, b, now) || (b->imported && !imported_too))
			continue;
		newest = newest > b->time_s ? newest : b->time_s;
		gmtime_r(&t, &tm);
		for (size_t k = 0; k < ARRAY_LEN(periods); k++)
			kept[i] |= is_fresh(&periods[k], &tm, i);
		kept[i] |= p->keep_within_s && b->time_s > newest - p->keep_within_s;
	}
}

void check_oracle(const struct world *w, const struct plan *plan, int64_t now)
{
	const struct policy *p = &w->policy;
	AUTO_FREE bool *kept = calloc(plan->count + 1, sizeof(*kept));
	size_t newest = 0, own = 0;

	if (!kept)
		abort();
	apply_rules(w, plan, now, true, kept);
	apply_rules(w, plan, now, false, kept);
	for (size_t i = 0; i < plan->count; i++) {
		const struct backup *b = plan->rows[i].backup;

		if (!check_is_good(p, b, now))
			continue;
		newest++;
		own += !b->imported;

		bool guarded = newest <= p->min_keep || (!b->imported && own <= p->min_keep) || (p->min_age_s && now - b->committed_s < p->min_age_s) || b->held || policy_empty(p);
		bool stays = kept[i] || !policy_has_keep(p);

		stays = (stays && !(p->max_age_s && now - b->time_s > p->max_age_s)) || guarded;
		if (stays == (plan->rows[i].decision == DECIDE_DELETE))
			check_fail(w, now, b, stays ? "it goes, and should stay" : "it stays, and should go");
	}
}

/* ---- Afterwards */

/* One of each of the last twelve months that had a good one, this month's included. */
static void check_months(struct world *w, int64_t now)
{
	bool there[MONTHS] = { false };
	unsigned wanted = w->policy.keep_monthly;

	for (size_t i = 0; i < w->count; i++)
		if (check_is_good(&w->policy, &w->list[i], now))
			there[month_of(w->list[i].time_s)] = true;
	for (unsigned m = MONTHS; m-- > 0 && wanted > 0;) {
		wanted -= w->good_month[m];
		if (w->good_month[m] && !there[m])
			check_fail(w, now, NULL, "a month has lost its last good one");
	}
}

void check_outcome(struct world *w, size_t good_before, int64_t now)
{
	size_t good = 0;

	for (size_t i = 0; i < w->count; i++)
		good += check_is_good(&w->policy, &w->list[i], now);
	if (good < w->policy.min_keep && good < good_before)
		check_fail(w, now, NULL, "below the floor");
	if (w->steady)
		check_months(w, now);
}

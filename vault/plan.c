/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/plan.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>

#define TEXT_CAP 80u /* bytes of a reason with a number in it */
#define HOUR 3600
#define DAY 86400

/* Reasons as bits, in the order in which they are told. */
enum why {
	WHY_HOLD,
	WHY_LAST,
	WHY_HOURLY,
	WHY_DAILY,
	WHY_WEEKLY,
	WHY_MONTHLY,
	WHY_YEARLY,
	WHY_WITHIN,
	WHY_MAX_AGE_ONLY,
	WHY_EMPTY,
	WHY_NEWEST,
	WHY_MIN_KEEP,
	WHY_MIN_AGE,
	WHY_NO_RULE,
	WHY_TOO_OLD,
	WHY_PARTIAL,
	WHY_PARTIAL_NO_RULE,
	WHY_PARTIAL_YOUNG,
	WHY_PARTIAL_ALONE,
	WHY_PARTIAL_WRITER,
	WHY_OPEN,
	WHY_SETTLING,
	WHY_UNSEALED,
	WHY_DAMAGED,
	WHY_DELETED,
	WHY_FOREIGN,
	WHY_UNTIMED,
	WHY_FUTURE,
	WHY_COUNT
};

/* NULL: a number goes in, and the plan owns the text. */
static const char *const why_texts[WHY_COUNT] = {
	[WHY_HOLD] = "legal hold",
	[WHY_HOURLY] = "hourly",
	[WHY_DAILY] = "daily",
	[WHY_WEEKLY] = "weekly",
	[WHY_MONTHLY] = "monthly",
	[WHY_YEARLY] = "yearly",
	[WHY_WITHIN] = "within",
	[WHY_MAX_AGE_ONLY] = "within max-age",
	[WHY_EMPTY] = "no policy: nothing is removed",
	[WHY_NEWEST] = "newest",
	[WHY_MIN_KEEP] = "min-keep",
	[WHY_MIN_AGE] = "min-age",
	[WHY_NO_RULE] = "no keep rule keeps it",
	[WHY_TOO_OLD] = "older than max-age",
	[WHY_PARTIAL_NO_RULE] = "partial: no rule for it",
	[WHY_PARTIAL_YOUNG] = "partial: not old enough",
	[WHY_PARTIAL_ALONE] = "partial: no newer sealed one",
	[WHY_PARTIAL_WRITER] = "partial: somebody writes it",
	[WHY_OPEN] = "open",
	[WHY_SETTLING] = "settling",
	[WHY_UNSEALED] = "unsealed: never removed by itself",
	[WHY_DAMAGED] = "damaged: never removed by itself",
	[WHY_FOREIGN] = "foreign",
	[WHY_UNTIMED] = "no time in its name",
	[WHY_FUTURE] = "in the future: ignored",
};

#define BIT(why) (UINT32_C(1) << (why))
#define KEPT_BY_RULE (BIT(WHY_MAX_AGE_ONLY) - BIT(WHY_LAST)) /* the bits from LAST to WITHIN */
#define GOES (BIT(WHY_NO_RULE) | BIT(WHY_TOO_OLD) | BIT(WHY_PARTIAL))
#define PROTECTED (BIT(WHY_NEWEST) | BIT(WHY_MIN_KEEP) | BIT(WHY_MIN_AGE))

/* What is found out of one backup, newest first as the rows. */
struct mark {
	uint32_t why; /* BITs */
	bool good;
	bool floor; /* one of the newest min_keep good ones */
};

struct work {
	const struct policy *policy;
	int64_t now_s;
	struct plan *plan;
	struct mark *marks;             /* one for each row */
	const struct backup *newest[2]; /* good one: of all, of those not imported; NULL: none */
};

const char *decision_name(enum decision d)
{
	return d == DECIDE_DELETE ? "delete" : d == DECIDE_HOLD ? "hold" : "keep";
}

/* now - t for any two times: 0 where t is ahead. */
static uint64_t age(int64_t now_s, int64_t t)
{
	return t < now_s ? (uint64_t)now_s - (uint64_t)t : 0;
}

/* Not by the time in its name: pods write local time, and whoever made the backup has held that against its commit. */
static bool in_future(const struct work *w, const struct backup *b)
{
	return b->future || age(b->committed_s, w->now_s) > PLAN_FUTURE_S;
}

static bool has_time(const struct work *w, const struct backup *b)
{
	return b->timed || w->policy->untimed_by_commit;
}

/* ---- Keep rules */

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* The number of the hour, day, ISO week, month or year that t is in: equal for all times of one, and only for these. ISO weeks are those that begin on a Monday,
 * whatever their numbers; the epoch was a Thursday. */
static int64_t bucket_of(enum why rule, int64_t t)
{
	time_t seconds = t;
	struct tm tm = { 0 }; /* a time beyond every calendar gives one bucket for all such */

	switch (rule) {
	case WHY_HOURLY:
		return floor_div(t, HOUR);
	case WHY_DAILY:
		return floor_div(t, DAY);
	case WHY_WEEKLY:
		return floor_div(floor_div(t, DAY) + 3, 7);
	default:
		gmtime_r(&seconds, &tm);
		return rule == WHY_MONTHLY ? tm.tm_year * INT64_C(12) + tm.tm_mon : tm.tm_year;
	}
}

/* One rule that counts, on its way from the newest to the oldest. */
struct rule {
	enum why why;
	uint32_t left; /* how many it may still keep */
	int64_t last;  /* bucket of the one it kept last */
	bool any;      /* it has kept one */
};

/* Its bit where the rule keeps the backup as the newest of its bucket. */
static uint32_t apply_rule(struct rule *r, int64_t time_s)
{
	if (!r->left)
		return 0;

	int64_t bucket = r->why == WHY_LAST ? 0 : bucket_of(r->why, time_s);

	if (r->any && r->why != WHY_LAST && bucket == r->last)
		return 0;
	r->left--;
	r->last = bucket;
	r->any = true;
	return BIT(r->why);
}

static bool is_candidate(const struct work *w, size_t row, bool imported_too)
{
	return w->marks[row].good && (imported_too || !w->plan->rows[row].backup->imported);
}

/* All rules over all good ones, or over those that are not imported. */
static void apply_rules(struct work *w, bool imported_too)
{
	const struct policy *p = w->policy;
	struct rule rules[] = { { WHY_LAST, p->keep_last },	{ WHY_HOURLY, p->keep_hourly },	  { WHY_DAILY, p->keep_daily },
				{ WHY_WEEKLY, p->keep_weekly }, { WHY_MONTHLY, p->keep_monthly }, { WHY_YEARLY, p->keep_yearly } };
	const struct backup *newest = NULL;
	uint32_t floor = p->min_keep;

	for (size_t i = 0; i < w->plan->count; i++) {
		const struct backup *b = w->plan->rows[i].backup;
		struct mark *m = &w->marks[i];

		if (!is_candidate(w, i, imported_too))
			continue;
		newest = newest ? newest : b;
		for (size_t k = 0; k < ARRAY_LEN(rules); k++)
			m->why |= apply_rule(&rules[k], b->time_s);
		if (p->keep_within_s && age(newest->time_s, b->time_s) < (uint64_t)p->keep_within_s)
			m->why |= BIT(WHY_WITHIN);
		m->floor |= floor > 0;
		floor -= floor > 0;
	}
	w->newest[imported_too ? 0 : 1] = newest;
}

/* ---- Decisions */

/* A good one: what the rules have marked becomes the reasons why it stays or goes. */
static uint32_t judge_good(const struct work *w, const struct backup *b, const struct mark *m)
{
	const struct policy *p = w->policy;
	bool has_keep = policy_has_keep(p);
	uint32_t goes = 0, guard = 0;

	if (policy_empty(p))
		return BIT(WHY_EMPTY);
	if (has_keep && !(m->why & KEPT_BY_RULE))
		goes |= BIT(WHY_NO_RULE);
	if (p->max_age_s && age(w->now_s, b->time_s) > (uint64_t)p->max_age_s)
		goes |= BIT(WHY_TOO_OLD);
	if (!goes)
		return has_keep ? m->why : BIT(WHY_MAX_AGE_ONLY);
	if (m->floor)
		guard |= b == w->newest[0] || b == w->newest[1] ? BIT(WHY_NEWEST) : BIT(WHY_MIN_KEEP);
	if (age(w->now_s, b->committed_s) < (uint64_t)p->min_age_s)
		guard |= BIT(WHY_MIN_AGE);
	return goes | guard;
}

/* A partial one goes behind a good one that has more than it: not behind an imported one, unless it is imported itself. */
static uint32_t judge_partial(const struct work *w, const struct backup *b)
{
	const struct policy *p = w->policy;
	const struct backup *newest = w->newest[b->imported ? 0 : 1];
	uint64_t since = age(w->now_s, b->committed_s);

	if (policy_empty(p) || !p->partial_after_s)
		return BIT(WHY_PARTIAL_NO_RULE);
	if (b->live_writer)
		return BIT(WHY_PARTIAL_WRITER);
	if (in_future(w, b))
		return BIT(WHY_FUTURE);
	if (!has_time(w, b))
		return BIT(WHY_UNTIMED);
	if (since <= (uint64_t)p->partial_after_s)
		return BIT(WHY_PARTIAL_YOUNG);
	if (!newest || newest->time_s <= b->time_s)
		return BIT(WHY_PARTIAL_ALONE);
	return BIT(WHY_PARTIAL) | (since < (uint64_t)p->min_age_s ? BIT(WHY_MIN_AGE) : 0);
}

/* One that is not good: why it stays, whatever the policy says. */
static uint32_t judge_other(const struct work *w, const struct backup *b)
{
	static const enum why of_state[] = {
		[BACKUP_OPEN] = WHY_OPEN,	  [BACKUP_SETTLING] = WHY_SETTLING, [BACKUP_SEALED] = WHY_COUNT, [BACKUP_UNSEALED] = WHY_UNSEALED,
		[BACKUP_PARTIAL] = WHY_COUNT,	  [BACKUP_DAMAGED] = WHY_DAMAGED,   [BACKUP_DELETED] = WHY_DELETED,
	};
	uint32_t why = b->state == BACKUP_PARTIAL ? judge_partial(w, b) : b->state == BACKUP_SEALED ? 0 : BIT(of_state[b->state]);

	if (b->foreign)
		why |= BIT(WHY_FOREIGN);
	if (b->state == BACKUP_SEALED && !has_time(w, b))
		why |= BIT(WHY_UNTIMED);
	if (in_future(w, b) && b->state != BACKUP_DELETED)
		why |= BIT(WHY_FUTURE);
	return why;
}

static enum decision decide(uint32_t why)
{
	if (why & BIT(WHY_HOLD))
		return DECIDE_HOLD;
	return (why & GOES) && !(why & PROTECTED) ? DECIDE_DELETE : DECIDE_KEEP;
}

/* ---- The plan */

static bool needs_text(uint32_t why)
{
	return why & (BIT(WHY_PARTIAL) | BIT(WHY_DELETED));
}

static void write_text(const struct work *w, const struct backup *b, char text[TEXT_CAP])
{
	char until[24];

	if (b->state == BACKUP_PARTIAL) {
		snprintf(text, TEXT_CAP, "partial: %" PRIu64 " days old, a newer sealed one exists", age(w->now_s, b->committed_s) / DAY);
		return;
	}
	clock_format_utc(until, b->deleted_until_s);
	snprintf(text, TEXT_CAP, "deleted already: gone on %.10s", until);
}

/* Puts the bits of a row into words. last: "last N"; own: the text with a number of this row, or NULL. */
static void tell(struct plan_row *row, uint32_t why, const char *last, const char *own)
{
	size_t n = 0;

	for (unsigned i = 0; i < WHY_COUNT && n < PLAN_REASONS; i++)
		if (why & BIT(i))
			row->reasons[n++] = i == WHY_LAST ? last : why_texts[i] ? why_texts[i] : own;
}

/* Texts: first "last N", then one for each row that needs one. */
static int tell_all(struct work *w)
{
	struct plan *p = w->plan;
	size_t texts = 1;

	for (size_t i = 0; i < p->count; i++)
		texts += needs_text(w->marks[i].why);
	p->texts = malloc(texts * TEXT_CAP);
	if (!p->texts)
		return ENOMEM;

	char *next = p->texts + TEXT_CAP;

	snprintf(p->texts, TEXT_CAP, "last %" PRIu32, w->policy->keep_last);
	for (size_t i = 0; i < p->count; i++) {
		bool own = needs_text(w->marks[i].why);

		if (own)
			write_text(w, p->rows[i].backup, next);
		tell(&p->rows[i], w->marks[i].why, p->texts, next);
		next += own ? TEXT_CAP : 0;
	}
	return 0;
}

static void judge_all(struct work *w)
{
	struct plan *p = w->plan;

	for (size_t i = 0; i < p->count; i++) {
		const struct backup *b = p->rows[i].backup;
		struct mark *m = &w->marks[i];

		m->why = m->good ? judge_good(w, b, m) : judge_other(w, b);
		m->why |= b->held ? BIT(WHY_HOLD) : 0;
		p->rows[i].decision = decide(m->why);
		p->good += m->good;
		p->future += in_future(w, b) && b->state != BACKUP_DELETED;
		if (b->state == BACKUP_DELETED) {
			p->deleted++;
			continue;
		}
		p->keep += p->rows[i].decision == DECIDE_KEEP;
		p->remove += p->rows[i].decision == DECIDE_DELETE;
		p->hold += p->rows[i].decision == DECIDE_HOLD;
	}
}

static int newest_first(const void *a, const void *b)
{
	const struct backup *x = ((const struct plan_row *)a)->backup, *y = ((const struct plan_row *)b)->backup;

	if (x->time_s != y->time_s)
		return x->time_s > y->time_s ? -1 : 1;
	return strcmp(x->stem, y->stem);
}

static int make(struct work *w, const struct backup *backups)
{
	struct plan *p = w->plan;

	for (size_t i = 0; i < p->count; i++)
		p->rows[i].backup = &backups[i];
	qsort(p->rows, p->count, sizeof(p->rows[0]), newest_first);
	for (size_t i = 0; i < p->count; i++) {
		const struct backup *b = p->rows[i].backup;

		w->marks[i].good = b->state == BACKUP_SEALED && has_time(w, b) && !in_future(w, b);
	}
	apply_rules(w, false);
	apply_rules(w, true);
	judge_all(w);
	return tell_all(w);
}

int plan_make(const struct backup *backups, size_t count, const struct policy *policy, int64_t now_s, struct plan *out)
{
	*out = (struct plan){ .count = count };
	if (!policy->min_keep) {
		out->count = 0;
		return EINVAL;
	}

	AUTO_FREE struct mark *marks = calloc(count + 1, sizeof(*marks));
	struct work w = { .policy = policy, .now_s = now_s, .plan = out, .marks = marks };

	out->rows = calloc(count + 1, sizeof(*out->rows));

	int rc = marks && out->rows ? make(&w, backups) : ENOMEM;

	if (rc)
		plan_free(out);
	return rc;
}

void plan_free(struct plan *p)
{
	if (!p)
		return;
	free(p->rows);
	free(p->texts);
	*p = (struct plan){ 0 };
}

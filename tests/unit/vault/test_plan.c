/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/plan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define HOUR INT64_C(3600)
#define DAY INT64_C(86400)
#define NOW INT64_C(1782993600) /* Thursday 2026-07-02T12:00:00Z */
#define MOST 64

/* Sealed, its commit at its time. */
static struct backup sealed(const char *stem, int64_t time_s)
{
	struct backup b = { .state = BACKUP_SEALED, .timed = true, .time_s = time_s, .committed_s = time_s, .sealed_s = time_s };

	copy_text(b.stem, sizeof(b.stem), stem);
	return b;
}

static struct backup partial(const char *stem, int64_t time_s)
{
	struct backup b = sealed(stem, time_s);

	b.state = BACKUP_PARTIAL;
	b.sealed_s = 0;
	return b;
}

/* A policy without any protection but the floor of one. */
static struct policy bare(void)
{
	return (struct policy){ .min_keep = 1 };
}

/* "stem:decision:reason,reason stem:..." in the order of the rows. */
static const char *planned(const struct backup *backups, size_t count, const struct policy *policy)
{
	static char out[8192];
	size_t used = 0, deleted = 0, seen[3] = { 0 };
	struct plan p;

	out[0] = '\0';
	assert_int_equal(plan_make(backups, count, policy, NOW, &p), 0);
	assert_int_equal(p.count, count);
	for (size_t i = 0; i < p.count; i++) {
		used += (size_t)snprintf(out + used, sizeof(out) - used, "%s%s:%s", i ? " | " : "", p.rows[i].backup->stem, decision_name(p.rows[i].decision));
		assert_non_null(p.rows[i].reasons[0]);
		for (size_t k = 0; p.rows[i].reasons[k]; k++)
			used += (size_t)snprintf(out + used, sizeof(out) - used, "%c%s", k ? ',' : ':', p.rows[i].reasons[k]);
		if (p.rows[i].backup->state == BACKUP_DELETED)
			deleted++;
		else
			seen[p.rows[i].decision]++;
	}
	assert_int_equal(p.deleted, deleted);
	assert_true(p.keep == seen[DECIDE_KEEP] && p.remove == seen[DECIDE_DELETE] && p.hold == seen[DECIDE_HOLD]);
	plan_free(&p);
	return out;
}

static void nothing_to_plan(void **state)
{
	struct policy p = bare();
	struct plan plan;

	assert_string_equal(planned(NULL, 0, &p), "");
	p.min_keep = 0;
	assert_int_equal(plan_make(NULL, 0, &p, NOW, &plan), EINVAL);
	assert_null(plan.rows);
	plan_free(&plan);
	plan_free(NULL);
}

static void keep_last(void **state)
{
	struct policy p = bare();
	const struct backup b[] = { sealed("c", NOW - 3 * DAY), sealed("a", NOW - DAY), sealed("b", NOW - 2 * DAY) };

	p.keep_last = 2;
	assert_string_equal(planned(b, 3, &p), "a:keep:last 2 | b:keep:last 2 | c:delete:no keep rule keeps it");
}

/* Of each period its newest; periods without a backup do not count. */
static void periods(void **state)
{
	struct policy p = bare();
	const struct backup hours[] = { sealed("a", NOW - 1), sealed("b", NOW - HOUR), sealed("c", NOW - HOUR - 1), sealed("d", NOW - 40 * HOUR) };
	const struct backup weeks[] = { sealed("thu", NOW), sealed("mon", NOW - 3 * DAY - 12 * HOUR), sealed("sun", NOW - 3 * DAY - 12 * HOUR - 1), sealed("may", NOW - 40 * DAY) };

	p.keep_hourly = 3;
	assert_string_equal(planned(hours, 4, &p), "a:keep:hourly | b:delete:no keep rule keeps it | c:keep:hourly | d:keep:hourly");
	p = bare();
	p.keep_daily = 5;
	assert_string_equal(planned(weeks, 4, &p), "thu:keep:daily | mon:keep:daily | sun:keep:daily | may:keep:daily");
	p = bare();
	p.keep_weekly = 5;
	assert_string_equal(planned(weeks, 4, &p), "thu:keep:weekly | mon:delete:no keep rule keeps it | sun:keep:weekly | may:keep:weekly");
	p = bare();
	p.keep_monthly = 2;
	assert_string_equal(planned(weeks, 4, &p), "thu:keep:monthly | mon:keep:monthly | sun:delete:no keep rule keeps it | may:delete:no keep rule keeps it");
	p = bare();
	p.keep_yearly = 2;
	p.keep_daily = 1;
	assert_string_equal(planned(weeks, 4, &p),
			    "thu:keep:daily,yearly | mon:delete:no keep rule keeps it | sun:delete:no keep rule keeps it | may:delete:no keep rule keeps it");
}

/* 2026 has a week 53: 2027-01-03 is its last day, and 2027-01-04 the first of the next. 2024-12-30 is in week 1 of 2025. */
static void iso_years(void **state)
{
	struct policy p = bare();
	struct plan plan;
	const struct backup b[] = { sealed("2027-01-04", 1799020800), sealed("2027-01-03", 1799020799), sealed("2026-12-28", 1798416000), sealed("2026-12-27", 1798415999),
				    sealed("2024-12-30", 1735516800), sealed("2024-12-29", 1735516799) };
	static const enum decision wanted[] = { DECIDE_KEEP, DECIDE_KEEP, DECIDE_DELETE, DECIDE_KEEP, DECIDE_KEEP, DECIDE_KEEP };

	p.keep_weekly = 100;
	assert_int_equal(plan_make(b, ARRAY_LEN(b), &p, 1800000000, &plan), 0);
	for (size_t i = 0; i < ARRAY_LEN(b); i++)
		assert_int_equal(plan.rows[i].decision, wanted[i]);
	plan_free(&plan);
}

/* A period of one year is not the same one of another, and neither are those before and behind 1970. */
static void far_apart(void **state)
{
	const struct backup b[] = { sealed("a", NOW), sealed("b", NOW - 364 * DAY), sealed("c", NOW - 365 * DAY), sealed("d", NOW - 365 * DAY - 366 * DAY), sealed("e", 1), sealed("f", -1) };
	const size_t count = ARRAY_LEN(b);

	for (unsigned i = 0; i < 5; i++) {
		struct policy p = bare();
		struct plan plan;
		uint32_t *rules[] = { &p.keep_hourly, &p.keep_daily, &p.keep_weekly, &p.keep_monthly, &p.keep_yearly };

		*rules[i] = 100;
		assert_int_equal(plan_make(b, count, &p, NOW, &plan), 0);
		/* b and c are in one month of 2025; of all others each is alone, but that the week of the epoch holds both its sides. */
		assert_int_equal(plan.remove, i < 2 ? 0 : i == 2 ? 2 : 1);
		plan_free(&plan);
	}
}

/* Behind the newest good one, not behind now, and less than so much. */
static void within(void **state)
{
	struct policy p = bare();
	struct backup b[] = { sealed("a", NOW - 100 * DAY), sealed("b", NOW - 101 * DAY + 1), sealed("c", NOW - 101 * DAY), sealed("future", NOW + 2 * HOUR) }; /* by its commit */

	p.keep_within_s = DAY;
	assert_string_equal(planned(b, 4, &p), "future:keep:in the future: ignored | a:keep:within | b:keep:within | c:delete:no keep rule keeps it");
}

/* A limit over the keep rules; without them all that is younger stays. */
static void max_age(void **state)
{
	struct policy p = bare();
	const struct backup b[] = { sealed("a", NOW - DAY), sealed("b", NOW - 30 * DAY), sealed("c", NOW - 30 * DAY - 1) };

	p.max_age_s = 30 * DAY;
	assert_string_equal(planned(b, 3, &p), "a:keep:within max-age | b:keep:within max-age | c:delete:older than max-age");
	p.keep_last = 3;
	assert_string_equal(planned(b, 3, &p), "a:keep:last 3 | b:keep:last 3 | c:delete:older than max-age");
	p.keep_last = 2;
	assert_string_equal(planned(b, 3, &p), "a:keep:last 2 | b:keep:last 2 | c:delete:no keep rule keeps it,older than max-age");
}

/* The newest good ones stay, however old. */
static void the_floor(void **state)
{
	struct policy p = bare();
	const struct backup b[] = { sealed("a", NOW - 100 * DAY), sealed("b", NOW - 200 * DAY), sealed("c", NOW - 300 * DAY) };

	p.max_age_s = 30 * DAY;
	assert_string_equal(planned(b, 3, &p), "a:keep:newest,older than max-age | b:delete:older than max-age | c:delete:older than max-age");
	p.min_keep = 2;
	assert_string_equal(planned(b, 3, &p), "a:keep:newest,older than max-age | b:keep:min-keep,older than max-age | c:delete:older than max-age");
	p.min_keep = 100;
	assert_string_equal(planned(b, 3, &p),
			    "a:keep:newest,older than max-age | b:keep:min-keep,older than max-age | c:keep:min-keep,older than max-age");
}

/* Minimum age runs from the commit, whatever the name says. */
static void min_age(void **state)
{
	struct policy p = bare();
	struct backup b[] = { sealed("a", NOW - 1), sealed("b", NOW - 7 * DAY + 1), sealed("c", NOW - 7 * DAY), sealed("d", NOW - 90 * DAY), partial("e", NOW - 100 * DAY) };

	b[3].committed_s = NOW - DAY;
	b[3].imported = true;
	b[4].committed_s = NOW - 6 * DAY;
	p.keep_last = 1;
	p.min_age_s = 7 * DAY;
	p.partial_after_s = 5 * DAY;
	assert_string_equal(planned(b, 5, &p),
			    "a:keep:last 1 | b:keep:min-age,no keep rule keeps it | c:delete:no keep rule keeps it | d:keep:min-age,no keep rule keeps it | "
			    "e:keep:min-age,partial: 6 days old, a newer sealed one exists");
}

static void holds(void **state)
{
	struct policy p = bare();
	struct backup b[] = { sealed("a", NOW - DAY), sealed("b", NOW - 2 * DAY), partial("c", NOW - 90 * DAY), sealed("d", NOW - 90 * DAY) };

	for (size_t i = 0; i < ARRAY_LEN(b); i++)
		b[i].held = true;
	b[3].state = BACKUP_DELETED;
	b[3].deleted_until_s = NOW;
	p.keep_last = 1;
	p.partial_after_s = DAY;
	assert_string_equal(planned(b, 4, &p), "a:hold:legal hold,last 1 | b:hold:legal hold,no keep rule keeps it | "
					       "c:hold:legal hold,partial: 90 days old, a newer sealed one exists | d:hold:legal hold,deleted already: gone on 2026-07-02");
}

static void empty_policy(void **state)
{
	struct policy p;
	const struct backup b[] = { sealed("a", NOW - 1000 * DAY), sealed("b", NOW - 2000 * DAY), partial("c", NOW - 3000 * DAY) };

	policy_default(&p);
	assert_string_equal(planned(b, 3, &p), "a:keep:no policy: nothing is removed | b:keep:no policy: nothing is removed | c:keep:partial: no rule for it");
}

/* Each condition alone keeps a partial one. */
static void partial_ones(void **state)
{
	struct policy p = bare();
	struct backup b[] = { sealed("good", NOW - DAY), partial("p", NOW - 10 * DAY) };
	const struct backup was = b[1], good = b[0];

	p.keep_last = 5;
	assert_string_equal(planned(b, 2, &p), "good:keep:last 5 | p:keep:partial: no rule for it");
	p.partial_after_s = 9 * DAY;
	assert_string_equal(planned(b, 2, &p), "good:keep:last 5 | p:delete:partial: 10 days old, a newer sealed one exists");
	p.partial_after_s = 10 * DAY;
	assert_string_equal(planned(b, 2, &p), "good:keep:last 5 | p:keep:partial: not old enough");
	p.partial_after_s = 9 * DAY;
	b[1].live_writer = true;
	assert_string_equal(planned(b, 2, &p), "good:keep:last 5 | p:keep:partial: somebody writes it");
	b[1] = was;
	b[1].timed = false;
	assert_string_equal(planned(b, 2, &p), "good:keep:last 5 | p:keep:no time in its name");
	b[1] = was;
	b[1].future = true;
	assert_string_equal(planned(b, 2, &p), "good:keep:last 5 | p:keep:in the future: ignored");
	b[1] = was;
	b[0].time_s = NOW - 11 * DAY;
	assert_string_equal(planned(b, 2, &p), "p:keep:partial: no newer sealed one | good:keep:last 5");
	b[0] = good;
	b[0].imported = true;
	assert_string_equal(planned(b, 2, &p), "good:keep:last 5 | p:keep:partial: no newer sealed one");
	b[1].imported = true;
	assert_string_equal(planned(b, 2, &p), "good:keep:last 5 | p:delete:partial: 10 days old, a newer sealed one exists");
	b[0] = good;
	b[0].state = BACKUP_UNSEALED;
	assert_string_equal(planned(b, 2, &p), "good:keep:unsealed: never removed by itself | p:keep:partial: no newer sealed one");
}

/* They neither count nor go, however old, and whatever the policy. */
static void bad_ones(void **state)
{
	struct policy p = bare();
	struct backup b[] = { sealed("a", NOW - 9 * DAY),  sealed("b", NOW - 8 * DAY), sealed("c", NOW - 7 * DAY), sealed("d", NOW - 6 * DAY), sealed("e", NOW - 5 * DAY),
			      sealed("f", NOW - 4 * DAY), sealed("g", NOW - 3 * DAY), sealed("good", NOW - 20 * DAY), sealed("gone", NOW - 21 * DAY) };

	b[0].state = BACKUP_OPEN;
	b[1].state = BACKUP_SETTLING;
	b[2].state = BACKUP_UNSEALED;
	b[2].foreign = true;
	b[3].state = BACKUP_DAMAGED;
	b[4].state = BACKUP_DELETED;
	b[4].deleted_until_s = NOW + 2 * DAY;
	b[5].timed = false;
	b[6].future = true;
	p.keep_last = 1;
	p.max_age_s = 20 * DAY;
	assert_string_equal(planned(b, ARRAY_LEN(b), &p),
			    "g:keep:in the future: ignored | f:keep:no time in its name | e:keep:deleted already: gone on 2026-07-04 | "
			    "d:keep:damaged: never removed by itself | c:keep:unsealed: never removed by itself,foreign | b:keep:settling | a:keep:open | good:keep:last 1 | "
			    "gone:delete:no keep rule keeps it,older than max-age");
	p.untimed_by_commit = true;
	assert_non_null(strstr(planned(b, ARRAY_LEN(b), &p), "f:keep:last 1"));
}

/* By the flag, by its commit; up to an hour ahead is now. */
static void the_future(void **state)
{
	struct policy p = bare();
	struct backup b[] = { sealed("now", NOW + HOUR), sealed("ahead", NOW + 27 * HOUR), sealed("old", NOW - 2 * DAY), sealed("stamped", NOW - 3 * DAY) };
	struct plan plan;

	b[3].committed_s = NOW + HOUR + 1;
	b[1].committed_s = NOW;
	b[1].future = true;
	p.keep_last = 1;
	assert_string_equal(planned(b, 4, &p), "ahead:keep:in the future: ignored | now:keep:last 1 | old:delete:no keep rule keeps it | stamped:keep:in the future: ignored");
	assert_int_equal(plan_make(b, 4, &p, NOW, &plan), 0);
	assert_int_equal(plan.future, 2);
	assert_int_equal(plan.good, 2);
	plan_free(&plan);
	assert_int_equal(plan_make(b, 4, &p, NOW - 1000 * DAY, &plan), 0); /* a clock that is far behind removes nothing */
	assert_true(plan.future == 4 && plan.keep == 4);
	plan_free(&plan);
}

/* A pod whose clock shows UTC+2, or UTC+14, names what it makes now in the future. The newest is the newest all the same, at once. */
static void local_names(void **state)
{
	struct policy p = bare();
	struct backup b[] = { sealed("zone", NOW + 14 * HOUR), sealed("older", NOW - 10 * HOUR) };
	struct plan plan;

	b[0].committed_s = NOW - 60;
	p.keep_last = 1;
	assert_string_equal(planned(b, 2, &p), "zone:keep:last 1 | older:delete:no keep rule keeps it");
	b[1] = partial("older", NOW - 10 * HOUR);
	p.partial_after_s = HOUR;
	assert_string_equal(planned(b, 2, &p), "zone:keep:last 1 | older:delete:partial: 0 days old, a newer sealed one exists");
	b[0].state = BACKUP_PARTIAL;
	b[0].committed_s = NOW - 2 * HOUR;
	b[1].state = BACKUP_SEALED;
	assert_string_equal(planned(b, 2, &p), "zone:keep:partial: no newer sealed one | older:keep:last 1");
	assert_int_equal(plan_make(b, 2, &p, NOW, &plan), 0);
	assert_int_equal(plan.future, 0);
	plan_free(&plan);
}

/* An imported one is kept by the same rules, but takes nobody's place. */
static void imported_ones(void **state)
{
	struct policy p = bare();
	struct backup b[] = { sealed("in", NOW - 3 * DAY), sealed("own", NOW - 3 * DAY - HOUR), sealed("older", NOW - 9 * DAY) };

	b[0].imported = true;
	b[0].committed_s = NOW;
	p.keep_daily = 1;
	assert_string_equal(planned(b, 3, &p), "in:keep:daily | own:keep:daily | older:delete:no keep rule keeps it");
	b[0].imported = false;
	assert_string_equal(planned(b, 3, &p), "in:keep:daily | own:delete:no keep rule keeps it | older:delete:no keep rule keeps it");
	b[0].imported = true;
	p = bare();
	p.max_age_s = DAY;
	assert_string_equal(planned(b, 3, &p), "in:keep:newest,older than max-age | own:keep:newest,older than max-age | older:delete:older than max-age");
}

static void equal_times(void **state)
{
	struct policy p = bare();
	const struct backup b[] = { sealed("b", NOW), sealed("a", NOW), sealed("c", NOW) }, turned[] = { sealed("c", NOW), sealed("b", NOW), sealed("a", NOW) };
	const char *wanted = "a:keep:last 1 | b:delete:no keep rule keeps it | c:delete:no keep rule keeps it";

	p.keep_last = 1;
	assert_string_equal(planned(b, 3, &p), wanted);
	assert_string_equal(planned(turned, 3, &p), wanted);
}

/* Times that no calendar holds stop nothing, and overflow nothing. */
static void wild_times(void **state)
{
	struct policy p = bare();
	struct backup b[] = { sealed("max", INT64_MAX), sealed("now", NOW), sealed("min", INT64_MIN), sealed("low", INT64_MIN + 1) };

	p.keep_hourly = p.keep_weekly = p.keep_yearly = 1;
	p.keep_within_s = 1;
	p.max_age_s = 1;
	p.partial_after_s = 1;
	assert_string_equal(planned(b, 4, &p), "max:keep:in the future: ignored | now:keep:hourly,weekly,yearly,within | "
					       "low:delete:no keep rule keeps it,older than max-age | min:delete:no keep rule keeps it,older than max-age");
	b[2].state = BACKUP_PARTIAL;
	assert_non_null(strstr(planned(b, 4, &p), "min:delete:partial: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_to_plan), cmocka_unit_test(keep_last),    cmocka_unit_test(periods),	  cmocka_unit_test(iso_years), cmocka_unit_test(far_apart),
					    cmocka_unit_test(within),	       cmocka_unit_test(max_age),      cmocka_unit_test(the_floor),	  cmocka_unit_test(min_age),
					    cmocka_unit_test(holds),	       cmocka_unit_test(empty_policy), cmocka_unit_test(partial_ones), cmocka_unit_test(bad_ones),
					    cmocka_unit_test(the_future),      cmocka_unit_test(local_names),  cmocka_unit_test(imported_ones), cmocka_unit_test(equal_times), cmocka_unit_test(wild_times) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

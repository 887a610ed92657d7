/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "vault/seal.h"

#include <inttypes.h>

/* ---- Chance */

uint64_t dice_roll(struct dice *d, uint64_t sides)
{
	uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) % sides;
}

bool dice_chance(struct dice *d, double chance)
{
	return (double)dice_roll(d, 1u << 30) < chance * (1u << 30);
}

void dice_shuffle(struct dice *d, struct backup *list, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t k = dice_roll(d, i);
		struct backup swapped = list[k];

		list[k] = list[i - 1];
		list[i - 1] = swapped;
	}
}

/* ---- Names, in the time of the pod's zone */

/* Start of the last Sunday of that month at 01:00 UTC, when Europe turns its clocks. */
static int64_t last_sunday(int year, int month)
{
	struct tm tm = { .tm_year = year - 1900, .tm_mon = month, .tm_mday = 0, .tm_hour = 1 }; /* the day before the next month's first */
	int64_t t = timegm(&tm);

	return t - tm.tm_wday * DAY;
}

static int64_t zone_offset(int zone, int64_t t)
{
	static const int64_t fixed[] = { 0, 0, -5 * HOUR, 14 * HOUR, -12 * HOUR, 5 * HOUR + HOUR / 2 };
	time_t seconds = t;
	struct tm tm;

	gmtime_r(&seconds, &tm);
	bool summer = t >= last_sunday(tm.tm_year + 1900, 3) && t < last_sunday(tm.tm_year + 1900, 10);

	return zone == 1 ? (summer ? 2 : 1) * HOUR : fixed[zone] + (zone == 2 && summer ? HOUR : 0);
}
#define ZONES 6

static void write_name(unsigned form, int64_t local, char name[STEM_CAP])
{
	time_t t = local;
	struct tm tm;

	gmtime_r(&t, &tm);
	switch (form) {
	case 0:
		strftime(name, STEM_CAP, "acme-%Y%m%d-%H%M%S.tar.gz", &tm);
		break;
	case 1:
		strftime(name, STEM_CAP, "db_%Y-%m-%dT%H:%M:%SZ", &tm);
		break;
	case 2:
		strftime(name, STEM_CAP, "%Y%m%dT%H%M%SZ.tar.zst", &tm);
		break;
	case 3:
		strftime(name, STEM_CAP, "x%Y-%m-%d_%H-%M-%S", &tm);
		break;
	case 4:
		snprintf(name, STEM_CAP, "acme-%" PRId64 ".tar", local);
		break;
	default:
		strftime(name, STEM_CAP, "%Y%m%d%H%M%S", &tm);
	}
}
#define FORMS 6

/* What the catalog makes of a name and a commit (docs/format.md §9, §10). */
static void set_time(struct backup *b, const char *name, int64_t committed)
{
	struct stem stem;

	stem_of(name, &stem);
	memcpy(b->stem, stem.text, sizeof(b->stem));
	b->committed_s = committed;
	b->timed = stem.timed && stem.time_s <= committed + SEAL_SKEW_S;
	b->imported = stem.timed && stem.time_s < committed - SEAL_SKEW_S;
	b->time_s = b->timed ? stem.time_s : committed;
}

unsigned month_of(int64_t time_s)
{
	time_t t = time_s;
	struct tm tm;

	gmtime_r(&t, &tm);
	return (unsigned)((tm.tm_year - 70) * 12 + tm.tm_mon);
}

/* ---- What happens */

/* The same name made anew replaces what stands there. */
static void add(struct world *w, const struct backup *b)
{
	for (size_t i = 0; i < w->count; i++) {
		if (strcmp(w->list[i].stem, b->stem) == 0) {
			w->list[i] = *b;
			return;
		}
	}
	if (w->count == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 256;
		w->list = realloc(w->list, w->cap * sizeof(*w->list));
		if (!w->list)
			abort();
	}
	w->list[w->count++] = *b;
}

static enum backup_state outcome(struct world *w)
{
	static const enum backup_state failed[] = { BACKUP_PARTIAL, BACKUP_PARTIAL, BACKUP_PARTIAL, BACKUP_UNSEALED, BACKUP_DAMAGED };

	if (w->now >= w->outage_until && !dice_chance(&w->dice, w->failures))
		return BACKUP_SEALED;
	return failed[dice_roll(&w->dice, ARRAY_LEN(failed))];
}

static void run_job(struct world *w)
{
	int64_t at = w->now + w->minute * 60 + (int64_t)dice_roll(&w->dice, 600);
	struct backup b = { .state = outcome(w) };
	char name[STEM_CAP];

	if (!w->steady && dice_chance(&w->dice, 0.002))
		snprintf(name, sizeof(name), "by-hand-%u.tar", (unsigned)dice_roll(&w->dice, 1000));
	else
		write_name(w->form, at + zone_offset(w->zone, at), name);
	set_time(&b, name, at + (int64_t)dice_roll(&w->dice, 1800));
	b.sealed_s = b.state == BACKUP_SEALED ? b.committed_s : 0;
	b.live_writer = b.state == BACKUP_PARTIAL && dice_chance(&w->dice, 0.05);
	add(w, &b);
	w->made++;
}

bool dated_ahead(const struct backup *b, int64_t now)
{
	return b->time_s > now + SEAL_SKEW_S || b->committed_s > now + HOUR;
}

struct backup hostile(struct dice *d, int64_t now, bool imported)
{
	static const enum backup_state states[] = { BACKUP_OPEN, BACKUP_SETTLING, BACKUP_UNSEALED, BACKUP_DAMAGED, BACKUP_PARTIAL };
	struct backup b = { .state = BACKUP_SEALED };
	int64_t committed = now - (int64_t)dice_roll(d, 30 * DAY);
	char name[STEM_CAP];

	if (imported) {
		write_name(0, committed - SEAL_SKEW_S - 1 - (int64_t)dice_roll(d, 2000 * DAY), name);
	} else if (dice_chance(d, 0.4)) {
		committed += 31 * DAY; /* the clock of whoever wrote it is wrong */
		write_name(0, committed + (int64_t)dice_roll(d, DAY), name);
	} else {
		b.state = states[dice_roll(d, ARRAY_LEN(states))];
		write_name(0, committed - (int64_t)dice_roll(d, 400 * DAY) + 200 * DAY, name);
		b.foreign = b.state == BACKUP_UNSEALED && dice_chance(d, 0.5);
	}
	name[0] = 'z'; /* a name of its own: a stem is a set, and theirs is not ours */
	set_time(&b, name, committed);
	b.future = dated_ahead(&b, now);
	return b;
}

/* Somebody with the key: sealed ones of now, one a minute; else as hostile. */
static void attack(struct world *w)
{
	size_t blows = 1 + dice_roll(&w->dice, 20);
	unsigned kind = (unsigned)dice_roll(&w->dice, 3);

	for (size_t i = 0; i < blows; i++) {
		struct backup b = hostile(&w->dice, w->now, kind == 1);
		char name[STEM_CAP];

		if (kind == 2) {
			b = (struct backup){ .state = BACKUP_SEALED, .sealed_s = w->now };
			write_name(0, w->now + (int64_t)i * 60, name);
			name[0] = 'y';
			set_time(&b, name, w->now);
		}
		add(w, &b);
	}
	w->attacks++;
}

static void drop(struct world *w, size_t i)
{
	w->list[i] = w->list[--w->count];
}

/* Holds come and go, a person looks at what never goes by itself, and what is over its grace ends. */
static void housekeeping(struct world *w)
{
	for (size_t i = w->count; i-- > 0;) {
		struct backup *b = &w->list[i];
		bool litter = b->state != BACKUP_SEALED && b->state != BACKUP_DELETED && b->committed_s < w->now - 60 * DAY;

		b->future = dated_ahead(b, w->now);
		b->live_writer = b->live_writer && b->committed_s > w->now - DAY;
		if (dice_chance(&w->dice, b->held ? 0.02 : 0.0002))
			b->held = !b->held;
		if ((litter && dice_chance(&w->dice, 0.1)) || (b->state == BACKUP_DELETED && !b->held && b->deleted_until_s < w->now))
			drop(w, i);
		else if (!b->timed && !b->held && b->committed_s < w->now - 90 * DAY)
			drop(w, i);
	}
}

static void each_day(struct world *w)
{
	housekeeping(w);
	if (w->steady)
		return;
	if (dice_chance(&w->dice, 0.01))
		attack(w);
	if (dice_chance(&w->dice, policy_empty(&w->policy) ? 0.1 : 0.02))
		random_policy(&w->dice, w->hourly, &w->policy);
	if (dice_chance(&w->dice, 0.01))
		w->outage_until = w->now + (int64_t)dice_roll(&w->dice, 20) * DAY;
	if (dice_chance(&w->dice, 0.002))
		w->zone = (int)dice_roll(&w->dice, ZONES);
}

void world_hour(struct world *w)
{
	bool midnight = w->now / HOUR % 24 == 0;

	if (midnight)
		each_day(w);
	if (w->hourly || w->now / HOUR % 24 == 3)
		run_job(w);
	w->now += HOUR;
}

void random_policy(struct dice *d, bool hourly, struct policy *p)
{
	policy_default(p);
	if (dice_chance(d, 0.05))
		return;

	uint32_t *counts[] = { &p->keep_last, &p->keep_hourly, &p->keep_daily, &p->keep_weekly, &p->keep_monthly, &p->keep_yearly };

	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		if (dice_chance(d, 0.4))
			*counts[i] = 1 + (uint32_t)dice_roll(d, 24);
	if (dice_chance(d, 0.2))
		p->keep_within_s = (int64_t)dice_roll(d, 60 * DAY);
	if (dice_chance(d, 0.3) || !policy_has_keep(p))
		p->max_age_s = (hourly ? 10 : 30) * DAY + (int64_t)dice_roll(d, (hourly ? 30 : 300) * DAY);
	p->min_age_s = (int64_t)dice_roll(d, 15) * DAY;
	p->min_keep = 1 + (uint32_t)dice_roll(d, 5);
	p->partial_after_s = (int64_t)dice_roll(d, 20) * DAY;
	p->untimed_by_commit = dice_chance(d, 0.2);
}

void world_begin(struct world *w, uint64_t seed, int64_t start)
{
	*w = (struct world){ .dice = { seed }, .seed = seed, .now = start };
	w->hourly = dice_chance(&w->dice, 0.3);
	w->steady = dice_chance(&w->dice, 0.3);
	w->zone = (int)dice_roll(&w->dice, ZONES);
	w->form = (unsigned)dice_roll(&w->dice, FORMS);
	w->minute = (int64_t)dice_roll(&w->dice, 60);
	w->failures = dice_chance(&w->dice, 0.2) ? 0.5 : 0.05;
	random_policy(&w->dice, w->hourly, &w->policy);
	if (!w->steady)
		return;
	policy_default(&w->policy);
	w->policy.keep_daily = 7;
	w->policy.keep_weekly = 4;
	w->policy.keep_monthly = 12;
	w->policy.keep_yearly = 3;
}

void world_end(struct world *w)
{
	free(w->list);
	*w = (struct world){ 0 };
}

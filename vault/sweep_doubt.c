/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/sweep_private.h"

#include <errno.h>
#include <stdio.h>

/* The checks of which each stops a run before it has done anything. */

#define SKEW_MOST_S 300
#define BACK_MOST_S 60 /* clocks of the machines behind one endpoint differ */
#define AHEAD_MOST_S (7 * 86400)
#define AHEAD_INTERVALS 10
#define DROP_PERCENT 20

static const char *const names[DOUBT_COUNT] = { "none", "listing", "clock", "backwards", "forwards", "drop", "old", "layout", "policy" };

const char *sweep_doubt_name(enum sweep_doubt d)
{
	return (unsigned)d < DOUBT_COUNT ? names[d] : "?";
}

int sweep_check_layout(struct sweep *s)
{
	const char *prefix = s->v->rules.prefix;
	struct store_call call = acting_call(s->v, &s->call, 0);
	struct store_meta meta;
	char key[PATH_CAP];
	int rc = snprintf(key, sizeof(key), "%s%s.pishop/layout", prefix, prefix[0] ? "/" : "") >= (int)sizeof(key) ? ENAMETOOLONG : 0;

	if (!rc)
		rc = s->v->store->ops->head(s->v->store, key, &meta, &call);
	acting_tell(&s->call, &call);
	if (rc == ENOENT)
		return sweep_doubts(s, DOUBT_LAYOUT, "there is no layout marker at %s: retention acts only where this program keeps backups", key);
	return rc;
}

void sweep_check_clock(struct sweep *s)
{
	int64_t skew = s->report->catalog.skew_s;

	if (skew > SKEW_MOST_S || skew < -SKEW_MOST_S)
		sweep_doubts(s, DOUBT_CLOCK, "this machine's clock and the server's differ by %lld seconds", (long long)skew);
}

void sweep_check_time(struct sweep *s)
{
	int64_t now = s->report->catalog.server_s, most = (int64_t)max_u64(AHEAD_MOST_S, (uint64_t)(s->config->interval_s > 0 ? s->config->interval_s : 0) * AHEAD_INTERVALS);

	if (now < s->state.high_s - BACK_MOST_S && !s->config->accept_doubt[DOUBT_BACKWARDS])
		sweep_doubts(s, DOUBT_BACKWARDS, "the server's clock is %lld seconds behind where it was at an earlier run", (long long)(s->state.high_s - now));
	if (s->state.run_s && now - s->state.run_s > most && !s->config->accept_doubt[DOUBT_FORWARDS])
		sweep_doubts(s, DOUBT_FORWARDS, "the last run was %lld days ago by the server's clock, more than the %lld expected: it may have jumped",
			     (long long)((now - s->state.run_s) / 86400), (long long)(most / 86400));
}

void sweep_check_drop(struct sweep *s)
{
	uint64_t was = s->state.backups, is = s->report->catalog.count;

	if (is < was && (was - is) * 100 > was * DROP_PERCENT && !s->config->accept_doubt[DOUBT_DROP])
		sweep_doubts(s, DOUBT_DROP, "%llu backups are there, and %llu were after the last run", (unsigned long long)is, (unsigned long long)was);
}

void sweep_check_age(struct sweep *s)
{
	const struct catalog *c = &s->report->catalog;
	int64_t newest = 0;

	if (s->config->expect_s <= 0 || !c->count || s->config->accept_doubt[DOUBT_OLD])
		return;
	for (size_t i = 0; i < c->count; i++)
		if (c->backups[i].state == BACKUP_SEALED && !c->backups[i].future && c->backups[i].time_s > newest)
			newest = c->backups[i].time_s;
	if (!newest)
		sweep_doubts(s, DOUBT_OLD, "none of its backups is sealed");
	else if (c->server_s - newest > s->config->expect_s)
		sweep_doubts(s, DOUBT_OLD, "the newest sealed backup is %lld hours old, and one is expected every %lld", (long long)((c->server_s - newest) / 3600),
			     (long long)(s->config->expect_s / 3600));
}

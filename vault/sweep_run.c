/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/sweep_private.h"

#include "base/log.h"
#include "vault/audit.h"
#include "vault/run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* One run of retention. States, each left only forwards:
 *
 *   LOOK     layout marker, lease (not in a dry run), state, holds, policy, catalog: only reads but for the lease
 *   DOUBT    each check of sweep_doubt.c; any doubt ends the run here, having changed nothing
 *   PLAN     the policy in effect, the plan, and how many backups may go in one run
 *   COMMIT   control/retention is written, with as many backups as will be left: a run that is killed after this makes no drop for the next one to stumble over
 *   MARK     tombstones, the oldest backups first
 *   DELETE   what has been under its tombstone long enough
 *   TIDY     hygiene, audit log, and the lease goes back
 *
 * INVARIANTS: nothing is removed without the lease, and none of what the catalog could not read whole is ever acted on. A run that ends anywhere leaves nothing behind
 * that the next does not go on with. */

#define PERCENT_DEFAULT 25u
#define SETTLE_DEFAULT_S (24 * 3600)

/* ---- steps that others share */

int sweep_doubts(struct sweep *s, enum sweep_doubt doubt, const char *fmt, ...)
{
	va_list args;

	if (s->report->doubt != DOUBT_NONE)
		return 0; /* the first is told */
	s->report->doubt = doubt;
	va_start(args, fmt);
	vsnprintf(s->report->why, sizeof(s->report->why), fmt, args);
	va_end(args);
	return 0;
}

int sweep_go_on(struct sweep *s)
{
	int rc = acting_stopped(&s->call);

	return rc || !s->lease ? rc : lease_check(s->lease, &s->call);
}

static int by_stem(const void *a, const void *b)
{
	return strcmp((*(const struct backup *const *)a)->stem, (*(const struct backup *const *)b)->stem);
}

static int sort_by_stem(struct sweep *s)
{
	const struct catalog *c = &s->report->catalog;

	s->by_stem = calloc(c->count + 1, sizeof(*s->by_stem));
	if (!s->by_stem)
		return ENOMEM;
	for (size_t i = 0; i < c->count; i++)
		s->by_stem[i] = &c->backups[i];
	if (c->count)
		qsort(s->by_stem, c->count, sizeof(*s->by_stem), by_stem);
	return 0;
}

static int is_stem(const void *key, const void *item)
{
	return strcmp(key, (*(const struct backup *const *)item)->stem);
}

const struct backup *sweep_find(const struct sweep *s, const char *stem)
{
	const struct backup *const *found = s->report->catalog.count ? bsearch(stem, s->by_stem, s->report->catalog.count, sizeof(*s->by_stem), is_stem) : NULL;

	return found ? *found : NULL;
}

/* ---- LOOK */

/* Records that a tenant's retention rests on: what is damaged, or of a newer version, is a doubt; what cannot be had is an error. */
static int judge_record(struct sweep *s, int rc, const char *which)
{
	if (rc == EBADMSG || rc == ENOKEY || rc == EPROTONOSUPPORT || rc == EFBIG)
		return sweep_doubts(s, DOUBT_POLICY, "control/%s %s", which,
				    rc == EPROTONOSUPPORT ? "is of a newer version of this program" : rc == ENOKEY ? "was written with another key" : "is damaged");
	return rc;
}

static int read_policy(struct sweep *s)
{
	struct store_call call = acting_call(s->v, &s->call, 0);
	AUTO_FREE char *text = NULL;
	char key[PATH_CAP];
	size_t len;
	int rc = path_record_key(&s->v->rules, key, s->tenant, "control", "policy");

	s->policy = s->config->policy;
	if (rc || s->config->override_policy)
		return rc;
	rc = record_read(s->v, key, &text, &len, NULL, &call);
	if (!rc)
		rc = policy_decode(text, len, &s->policy);
	return rc == ENOENT ? 0 : rc;
}

/* ---- tombstones that the catalog reads anyway: those that will be acted on need not be read again. What is done with them is conditional on their ETag. */

#define SOON_S 300 /* our clock and the server's may differ so much */

static int due_by_stem(const void *a, const void *b)
{
	return strcmp(((const struct tombstone *)a)->stem, ((const struct tombstone *)b)->stem);
}

static void keep_due(void *arg, struct tombstone *t)
{
	struct sweep *s = arg;
	struct tombstone *grown;

	if (!s->lease || t->phase != TOMB_GRACE || t->trashed || t->until_s > clock_wall_s() + SOON_S)
		return;
	pthread_mutex_lock(&s->lock);
	grown = reallocarray(s->due, s->due_count + 1, sizeof(*grown));
	if (grown) {
		s->due = grown;
		grown[s->due_count++] = *t;
		*t = (struct tombstone){ 0 };
	}
	pthread_mutex_unlock(&s->lock);
}

bool sweep_take_due(struct sweep *s, const char *stem, struct tombstone *out)
{
	struct tombstone key, *found;

	copy_text(key.stem, sizeof(key.stem), stem);
	found = s->due_count ? bsearch(&key, s->due, s->due_count, sizeof(key), due_by_stem) : NULL;
	if (!found || !found->record.etag[0])
		return false;
	*out = *found;
	found->why = found->seal = NULL;
	found->record.etag[0] = '\0'; /* taken */
	return true;
}

static int look(struct sweep *s)
{
	int rc = judge_record(s, sweep_state_read(s->v, s->tenant, &s->state, &s->call), "retention");

	if (!rc)
		rc = judge_record(s, holds_read(s->v, s->tenant, &s->holds, &s->call), "holds");
	if (!rc)
		rc = judge_record(s, read_policy(s), "policy");
	if (!rc)
		rc = sweep_go_on(s);
	if (rc || s->report->doubt != DOUBT_NONE)
		return rc;

	struct catalog_options options = { .memory = &s->state.memory, .tombstone = keep_due, .arg = s };
	struct store_call call = acting_call(s->v, &s->call, 0);

	rc = s->read_catalog(s->arg, s->v, s->tenant, &options, &s->report->catalog, &call);
	acting_tell(&s->call, &call);
	if (s->due_count)
		qsort(s->due, s->due_count, sizeof(*s->due), due_by_stem);
	return rc ? rc : sort_by_stem(s);
}

/* An error while looking is doubt, too: but not that somebody wants an end, or took the lease. */
static int judge_look(struct sweep *s, int rc)
{
	if (!rc || rc == ECANCELED || rc == ESTALE || rc == ENOMEM || rc == ENOENT)
		return rc;
	return sweep_doubts(s, DOUBT_LISTING, "its backups cannot be read whole: %s", strerror(rc));
}

static void check(struct sweep *s)
{
	sweep_check_clock(s);
	sweep_check_time(s);
	sweep_check_drop(s);
	sweep_check_age(s);
}

/* ---- PLAN */

static void note_policy(struct sweep *s)
{
	char rules[384], detail[448];

	policy_text(&s->state.policy, rules, sizeof(rules));
	snprintf(detail, sizeof(detail), "in effect from now on: %s", rules);
	audit_note(s->v, s->tenant, &(struct audit_line){ .event = AUDIT_POLICY, .detail = detail, .epoch = lease_epoch(s->lease) });
}

static int make_plan(struct sweep *s)
{
	const struct sweep_config *config = s->config;
	struct sweep_report *out = s->report;
	int64_t settle = config->policy_settle_s < 0 ? SETTLE_DEFAULT_S : config->policy_settle_s, now = out->catalog.server_s;
	uint32_t percent = config->max_percent ? config->max_percent : PERCENT_DEFAULT;
	struct policy before = s->state.policy;

	out->policy_waits = sweep_state_settle(&s->state, &s->policy, now, settle);
	out->policy_from_s = out->policy_waits ? s->state.next_since_s + settle : s->state.policy_since_s;

	if (s->lease && !policy_equal(&before, &s->state.policy))
		note_policy(s);

	int rc = plan_make(out->catalog.backups, out->catalog.count, &s->state.policy, now, &out->plan);

	out->due = sweep_due(s);
	s->allowed = max_size(1, out->catalog.count * min_size(percent, 100) / 100);
	return rc;
}

/* ---- COMMIT */

static int commit(struct sweep *s)
{
	const struct catalog *c = &s->report->catalog;

	s->state.run_s = c->server_s;
	s->state.high_s = (int64_t)max_u64((uint64_t)s->state.high_s, (uint64_t)c->server_s);
	if (s->config->accept_doubt[DOUBT_BACKWARDS])
		s->state.high_s = c->server_s;
	s->state.backups = c->count - s->report->due;
	return sweep_state_write(s->v, s->tenant, &s->state, c, &s->call);
}

/* Where it may not be written, that was said. */
static int flush_log(struct sweep *s)
{
	int rc = audit_flush(s->v, s->tenant, &s->call);

	return rc == EACCES || rc == EROFS ? 0 : rc;
}

static int act(struct sweep *s)
{
	int rc = sweep_look_at_audit(s);

	if (!rc)
		rc = commit(s);
	if (!rc)
		rc = sweep_put_tombstones(s);
	if (!rc && s->report->tombstoned)
		rc = flush_log(s);
	if (!rc)
		rc = sweep_delete(s);
	return rc ? rc : sweep_hygiene(s);
}

/* ---- the whole */

static int steps(struct sweep *s)
{
	int rc = judge_look(s, sweep_check_layout(s));

	if (!rc && s->report->doubt == DOUBT_NONE)
		rc = judge_look(s, look(s));
	if (!rc && s->report->doubt == DOUBT_NONE)
		check(s);
	if (rc || s->report->doubt != DOUBT_NONE)
		return rc;
	sweep_look_at_rules(s);
	rc = make_plan(s);
	if (!rc && s->lease)
		return act(s);
	return rc ? rc : sweep_put_tombstones(s); /* counts what would be over the limit */
}

static void tell(struct sweep *s, int rc)
{
	const struct sweep_report *r = s->report;

	if (r->doubt != DOUBT_NONE && s->lease)
		audit_note(s->v, s->tenant, &(struct audit_line){ .event = AUDIT_STOPPED, .detail = r->why, .epoch = lease_epoch(s->lease) });
	else if (r->doubt != DOUBT_NONE)
		log_msg(LOG_WARN, "retention", "%s: stopped in doubt (%s): %s", s->tenant, sweep_doubt_name(r->doubt), r->why);
	else if (rc && rc != ECANCELED)
		log_msg(LOG_WARN, "retention", "%s: stopped: %s", s->tenant, strerror(rc));
	if (r->plan.future)
		log_msg(LOG_WARN, "retention", "%s: %zu backups are dated in the future and count for nothing", s->tenant, r->plan.future);
}

/* 0 and no lease: there is nothing to do for us; see the report. */
static int take_lease(struct sweep *s)
{
	struct lease_holder other;
	int rc = lease_take(s->v, s->tenant, s->config->lease_ttl_s, &s->lease, &other, &s->call);

	if (rc == EBUSY) {
		s->report->busy = true;
		snprintf(s->report->why, sizeof(s->report->why), "writer %s has the lease", other.writer);
		return 0;
	}
	if (rc == EACCES) {
		s->report->may_not_delete = true;
		snprintf(s->report->why, sizeof(s->report->why), "these credentials may not take the lease: left to whoever may");
		return 0;
	}
	if (rc == EOPNOTSUPP)
		snprintf(s->report->why, sizeof(s->report->why), "this store honours no conditional writes: two could act at once, so nobody does");
	return rc;
}

static int with_lease(struct sweep *s)
{
	int rc = s->config->dry_run ? 0 : take_lease(s), flushed;

	if (rc || (!s->config->dry_run && !s->lease))
		return rc;
	rc = steps(s);
	tell(s, rc);
	if (!s->lease)
		return rc;
	flushed = flush_log(s);
	lease_release(s->lease);
	return rc ? rc : flushed;
}

int sweep_run(struct vault *v, const char *tenant, const struct sweep_config *config, struct sweep_report *out, sweep_catalog *read_catalog, void *arg)
{
	struct sweep s = { .v = v, .tenant = tenant, .config = config, .report = out, .read_catalog = read_catalog, .arg = arg,
			   .call = { .cancel = config->stop }, .lock = PTHREAD_MUTEX_INITIALIZER };
	int rc;

	*out = (struct sweep_report){ 0 };
	if (config->policy.min_keep == 0)
		return EINVAL;
	rc = with_lease(&s);
	while (s.due_count)
		tombstone_free(&s.due[--s.due_count]);
	free(s.due);
	free(s.by_stem);
	sweep_state_free(&s.state);
	holds_free(&s.holds);
	return rc;
}

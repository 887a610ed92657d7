/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/plan_rows.h"
#include "tools/say.h"
#include "tools/target.h"
#include "tools/tenant_policy.h"
#include "tools/verbs.h"

#include "base/clock.h"
#include "vault/sweep.h"

#include <errno.h>

/* A run over the tenants, once or again and again. Before anything is done on a terminal, the same is done dry, shown, and asked about. */

#define RUN "Retention runs"

static const struct conf_option own[] = {
	{ .name = "loop", .type = CONF_DURATION, .group = RUN, .value_name = "INTERVAL", .min = 1000, .max = 366ull * 86400 * 1000,
	  .help = "Run again after INTERVAL, until SIGTERM. What fails is told and tried again." },
	{ .name = "dry-run", .letter = 'n', .type = CONF_FLAG_ONLY, .group = RUN, .help = "Do everything but act: nothing is written." },
	{ .name = "accept", .type = CONF_TEXT, .group = RUN, .value_name = "DOUBT", .repeat = true,
	  .help = "Go on in spite of a doubt that you have looked into: drop, old, backwards or forwards. Not with --loop." },
	{ .name = "max-percent", .type = CONF_COUNT, .group = RUN, .value_name = "N", .fallback = "25", .min = 1, .max = 100,
	  .help = "Delete at most so many of a hundred of a tenant's backups in one run, but at least one; the rest follows in the next." },
	{ .name = "grace", .type = CONF_DURATION, .group = RUN, .value_name = "TIME", .fallback = "72h", .max = 3650ull * 86400 * 1000,
	  .help = "How long a deleted backup can be undeleted." },
	{ .name = "policy-settle", .type = CONF_DURATION, .group = RUN, .value_name = "TIME", .fallback = "24h", .max = 3650ull * 86400 * 1000,
	  .help = "A stricter policy holds when an earlier run has seen it so long before." },
	{ .name = "expect", .type = CONF_DURATION, .group = RUN, .value_name = "TIME", .max = 3650ull * 86400 * 1000,
	  .help = "Stop where the newest sealed backup is older: backups do not come in any more. Unset: not looked at." },
	{ .name = "retention-lease", .type = CONF_DURATION, .group = RUN, .value_name = "TIME", .fallback = "5m", .min = 3000, .max = 86400000, .hidden = true,
	  .help = "How long others wait for one that died at its run, for tests." },
};
static const size_t own_count = ARRAY_LEN(own);
static const struct verb_options options = { own, &own_count };

struct applying {
	struct sweep_config config;
	bool json, dry, loop;
	bool preview;           /* a dry run for people, to be asked about */
	struct show_doc doc;
	cJSON *tenants;
	size_t planned, due;    /* backups that would be deleted in this run, and for good, of all tenants */
	struct progress progress;
};

/* ---- settings */

static int accept_one(const struct tool *t, const char *name, size_t len, struct sweep_config *config)
{
	static const enum sweep_doubt may[] = { DOUBT_DROP, DOUBT_OLD, DOUBT_BACKWARDS, DOUBT_FORWARDS };

	for (size_t i = 0; i < ARRAY_LEN(may); i++) {
		const char *known = sweep_doubt_name(may[i]);

		if (strlen(known) == len && memcmp(known, name, len) == 0) {
			config->accept_doubt[may[i]] = true;
			return TOOL_DONE;
		}
	}
	return say_usage(t, "--accept=%.*s: only drop, old, backwards and forwards can be accepted; others must be put right", (int)len, name);
}

static int accept_all(const struct tool *t, struct sweep_config *config)
{
	const char *list = conf_text(t->conf, "accept");
	int code = TOOL_DONE;

	while (list && *list && code == TOOL_DONE) {
		size_t n = strcspn(list, ",");

		code = accept_one(t, list, n, config);
		list += n + (list[n] == ',');
	}
	return code;
}

static int64_t seconds(const struct tool *t, const char *name)
{
	return (int64_t)((conf_number(t->conf, name) + 999) / 1000);
}

static int settings(const struct tool *t, struct applying *a)
{
	a->json = conf_bool(t->conf, "json");
	a->dry = conf_bool(t->conf, "dry-run");
	a->loop = conf_has(t->conf, "loop");
	a->config = (struct sweep_config){
		.max_percent = (uint32_t)conf_number(t->conf, "max-percent"),
		.grace_s = seconds(t, "grace"),
		.policy_settle_s = seconds(t, "policy-settle"),
		.expect_s = seconds(t, "expect"),
		.interval_s = seconds(t, "loop"),
		.lease_ttl_s = (uint32_t)seconds(t, "retention-lease"),
		.stop = t->stop,
	};
	if (a->loop && conf_has(t->conf, "accept"))
		return say_usage(t, "--accept with --loop: a doubt is accepted once, by somebody who has looked; run it without --loop");

	int code = tenant_policy_settings(t, &a->config.policy);

	if (code == TOOL_DONE)
		code = target_check_all(t, TARGET_TENANT);
	if (code == TOOL_DONE)
		code = accept_all(t, &a->config);
	return code;
}

/* ---- one tenant */

static void to_json(struct applying *a, const char *tenant, const struct sweep_report *r)
{
	cJSON *o = json_item(&a->doc, a->tenants);

	json_text(&a->doc, o, "tenant", tenant);
	json_text(&a->doc, o, "doubt", r->doubt ? sweep_doubt_name(r->doubt) : NULL);
	json_text(&a->doc, o, "why", r->why[0] ? r->why : NULL);
	json_bool(&a->doc, o, "busy", r->busy);
	json_bool(&a->doc, o, "may_not_delete", r->may_not_delete);
	json_bool(&a->doc, o, "policy_waits", r->policy_waits);
	json_time(&a->doc, o, "policy_from", r->policy_from_s);
	json_number(&a->doc, o, "keep", r->plan.keep);
	json_number(&a->doc, o, "delete", r->plan.remove);
	json_number(&a->doc, o, "hold", r->plan.hold);
	json_number(&a->doc, o, "tombstoned", r->tombstoned);
	json_number(&a->doc, o, "deleted", r->deleted);
	json_number(&a->doc, o, "waiting", r->waiting);
	json_number(&a->doc, o, "due", r->due);
	json_number(&a->doc, o, "capped", r->capped);
	json_number(&a->doc, o, "objects_deleted", r->objects_deleted);
	json_number(&a->doc, o, "bytes_deleted", r->bytes_deleted);
	json_number(&a->doc, o, "strays", r->strays);
	json_text(&a->doc, o, "lifecycle", r->lifecycle[0] ? r->lifecycle : NULL);
	plan_rows_json(&a->doc, o, &r->plan);
}

static int to_people(const struct tool *t, const struct applying *a, const char *tenant, const struct sweep_report *r)
{
	char text[SHOW_CAP];
	int rc = 0;

	if (a->preview || a->dry) {
		show_line(t, "%s: %zu to be deleted, %zu kept, %zu on hold; of those deleted earlier %zu go for good, %zu are in their grace", tenant, r->plan.remove,
			  r->plan.keep, r->plan.hold, r->due, r->plan.deleted - r->due);
		rc = plan_rows_print(t, &r->plan, true);
	} else {
		show_bytes(text, r->bytes_deleted);
		show_line(t, "%s: %zu deleted, to be undone within the grace; %zu gone for good (%llu objects, %s); %zu in their grace; %zu kept, %zu on hold", tenant,
			  r->tombstoned, r->deleted, (unsigned long long)r->objects_deleted, text, r->waiting, r->plan.keep, r->plan.hold);
	}
	if (r->policy_waits) {
		show_time(text, r->policy_from_s);
		show_line(t, "%s: the policy is stricter than that of earlier runs, which holds until %s", tenant, text);
	}
	if (r->capped)
		show_line(t, "%s: %zu more have to wait for the next run (--max-percent)", tenant, r->capped);
	if (r->lifecycle[0])
		say(t, "%s: the bucket itself deletes objects: %s; switch that rule off", tenant, r->lifecycle);
	return rc;
}

/* What a run says of itself where it did nothing. */
static int outcome(const struct tool *t, const char *tenant, const struct sweep_report *r)
{
	if (r->doubt) {
		say(t, "%s: stopped in doubt (%s), nothing was done: %s", tenant, sweep_doubt_name(r->doubt), r->why);
		return TOOL_DOUBT + (int)r->doubt;
	}
	if (r->busy) {
		say(t, "%s: nothing was done: %s; try again later", tenant, r->why);
		return TOOL_LOCKED;
	}
	if (r->may_not_delete) {
		say(t, "%s: not done: %s; run it with credentials that may delete", tenant, r->why[0] ? r->why : "these credentials may not delete here");
		return TOOL_FAILED;
	}
	return TOOL_DONE;
}

static int set_policy(struct tool *t, const char *tenant, struct sweep_config *config)
{
	struct tenant_policy policy;

	if (!tenant_policy_flags(t))
		return TOOL_DONE; /* the run itself reads the tenant's */

	int code = tenant_policy_read(t, tenant, &policy);

	config->policy = policy.policy;
	config->override_policy = true;
	return code;
}

static int apply_tenant(struct tool *t, const struct target *target, void *arg)
{
	struct applying *a = arg;
	struct sweep_config config = a->config;
	AUTO(sweep_report_free) struct sweep_report r = { 0 };
	int code = set_policy(t, target->tenant, &config);

	if (code != TOOL_DONE)
		return code;
	config.dry_run = a->dry || a->preview;
	progress_show(&a->progress, "%s", target->tenant);

	int rc = sweep_tenant(t->vault, target->tenant, &config, &r);

	progress_clear(&a->progress);
	if (rc == ENOENT) {
		say(t, "%s: there is no such tenant, or nothing is left of it; pishopctl list shows all, pishopctl undelete --list what can be brought back", target->tenant);
		return TOOL_FAILED;
	}
	if (rc)
		return say_failed(t, target->tenant, "retention", rc);
	code = outcome(t, target->tenant, &r);
	a->planned += r.plan.remove - r.capped;
	a->due += r.due;
	if (a->json && !a->preview)
		to_json(a, target->tenant, &r);
	else if (!r.doubt && !r.busy && to_people(t, a, target->tenant, &r))
		return TOOL_FAILED;
	return code;
}

/* ---- all */

static int apply_once(struct tool *t, struct applying *a)
{
	if (!a->json)
		return target_each(t, TARGET_TENANT, apply_tenant, a);
	show_doc_begin(&a->doc);
	json_bool(&a->doc, a->doc.root, "dry_run", a->dry);
	a->tenants = json_list(&a->doc, a->doc.root, "tenants");

	int code = target_each(t, TARGET_TENANT, apply_tenant, a), printed;

	if (conf_argc(t->conf) == 1 && cJSON_GetArraySize(a->tenants) == 1)
		json_copy_up(&a->doc, cJSON_GetArrayItem(a->tenants, 0), "rows");
	printed = show_json(t, &a->doc);
	return printed ? printed : code;
}

/* Shows what would be done, and asks. TOOL_DONE: go on. */
static int confirm(struct tool *t, struct applying *a)
{
	if (a->dry || conf_bool(t->conf, "yes") || (a->loop && !t->asks))
		return TOOL_DONE;
	if (!t->asks)
		return say_usage(t, "retention apply: nobody is there to be asked, as this is no terminal; give --yes, --loop or --dry-run");
	a->preview = true;

	int code = target_each(t, TARGET_TENANT, apply_tenant, a);

	a->preview = false;
	if (code == TOOL_INTERRUPTED || code == TOOL_USAGE || (code != TOOL_DONE && code != TOOL_PARTLY))
		return code; /* nowhere could anything be done */
	return say_ask(t, "retention apply", "Delete %zu backups, and for good the %zu whose grace is over, with such in the trash?", a->planned, a->due);
}

static bool sleep_until_next(const struct tool *t, int64_t ms)
{
	for (int64_t until = clock_mono_ms() + ms; !tool_stopped(t) && clock_mono_ms() < until;)
		clock_sleep_ms(min_u64(200, (uint64_t)(until - clock_mono_ms() > 0 ? until - clock_mono_ms() : 0)));
	return !tool_stopped(t);
}

static int run(struct tool *t)
{
	struct applying a = { .progress = { .t = t } };
	int code = settings(t, &a);

	if (code == TOOL_DONE)
		code = confirm(t, &a);
	if (code != TOOL_DONE)
		return code;
	if (!a.loop)
		return apply_once(t, &a);
	do {
		apply_once(t, &a); /* what failed was said */
		fflush(t->out);
	} while (sleep_until_next(t, (int64_t)conf_number(t->conf, "loop")));
	return TOOL_INTERRUPTED;
}

static bool writes(const struct tool *t)
{
	return !conf_bool(t->conf, "dry-run");
}

const struct verb verb_retention_apply = {
	.name = "retention apply", .arguments = "[TENANT]...", .most = -1, .access = VERB_WRITES, .writes = writes, .no_layout = TOOL_DOUBT + DOUBT_LAYOUT,
	.run = run, .options = { &options_json, &options_yes, &options, &options_policy },
	.help = "Deletes what the policy does not keep: hidden first, gone after the grace.",
	.more = "On a terminal the plan is shown and asked about. A run that finds anything doubtful does nothing, and says why by its exit code.\n"
		"Several may run at once, and beside mounts that do the same: one of them acts.",
};

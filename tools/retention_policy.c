/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/say.h"
#include "tools/show.h"
#include "tools/target.h"
#include "tools/tenant_policy.h"
#include "tools/verbs.h"

#include "vault/audit.h"

#include <errno.h>

static const struct conf_option own[] = {
	{ .name = "clear", .type = CONF_FLAG_ONLY, .group = "Policy of a tenant",
	  .help = "Remove the tenant's own policy: that of the settings of whoever acts holds again." },
};
static const size_t own_count = ARRAY_LEN(own);
static const struct verb_options options = { own, &own_count };

struct showing {
	bool json;
	struct show_doc doc;
	cJSON *tenants;
};

/* ---- showing */

static void to_json(struct showing *s, const char *tenant, const struct tenant_policy *p, const char *text)
{
	cJSON *o = json_item(&s->doc, s->tenants);

	json_text(&s->doc, o, "tenant", tenant);
	json_text(&s->doc, o, "policy", text);
	json_text(&s->doc, o, "policy_from", policy_origin_name(p->origin));
	json_number(&s->doc, o, "keep_last", p->policy.keep_last);
	json_number(&s->doc, o, "keep_hourly", p->policy.keep_hourly);
	json_number(&s->doc, o, "keep_daily", p->policy.keep_daily);
	json_number(&s->doc, o, "keep_weekly", p->policy.keep_weekly);
	json_number(&s->doc, o, "keep_monthly", p->policy.keep_monthly);
	json_number(&s->doc, o, "keep_yearly", p->policy.keep_yearly);
	json_number(&s->doc, o, "keep_within_s", (uint64_t)p->policy.keep_within_s);
	json_number(&s->doc, o, "max_age_s", (uint64_t)p->policy.max_age_s);
	json_number(&s->doc, o, "min_age_s", (uint64_t)p->policy.min_age_s);
	json_number(&s->doc, o, "min_keep", p->policy.min_keep);
	json_number(&s->doc, o, "partial_after_s", (uint64_t)p->policy.partial_after_s);
	json_bool(&s->doc, o, "untimed_by_commit", p->policy.untimed_by_commit);
}

static int show_tenant(struct tool *t, const struct target *target, void *arg)
{
	static const char *const from[] = { [POLICY_NONE] = "no policy is set", [POLICY_SETTINGS] = "of the settings", [POLICY_TENANT] = "of the tenant" };
	struct showing *s = arg;
	struct tenant_policy p;
	char text[512];
	int code = tenant_policy_read(t, target->tenant, &p);

	if (code != TOOL_DONE)
		return code;
	policy_text(&p.policy, text, sizeof(text));
	if (s->json)
		to_json(s, target->tenant, &p, text);
	else
		show_line(t, "%s: %s (%s)", target->tenant, text, from[p.origin]);
	return TOOL_DONE;
}

static int show_all(struct tool *t)
{
	struct showing s = { .json = conf_bool(t->conf, "json") };

	if (!s.json)
		return target_each(t, TARGET_TENANT, show_tenant, &s);
	show_doc_begin(&s.doc);
	s.tenants = json_list(&s.doc, s.doc.root, "tenants");

	int code = target_each(t, TARGET_TENANT, show_tenant, &s), printed = show_json(t, &s.doc);

	return printed ? printed : code;
}

/* ---- changing */

static int note(struct tool *t, const char *tenant, const char *text)
{
	struct store_call call = tool_call(t);
	char detail[600];

	snprintf(detail, sizeof(detail), "policy: %s", text);
	audit_note(t->vault, tenant, &(struct audit_line){ .event = AUDIT_POLICY, .detail = detail });

	int rc = audit_flush(t->vault, tenant, &call);

	return rc && rc != EACCES && rc != EROFS ? say_failed(t, tenant, "writing the audit log", rc) : TOOL_DONE;
}

/* What stands there is not read: a damaged one goes, too. */
static int clear(struct tool *t, const char *tenant)
{
	struct store_call call = tool_call(t);
	char key[PATH_CAP];
	int rc = tenant_policy_key(t, tenant, key);

	if (!rc)
		rc = record_remove(t->vault, key, &call);
	if (rc)
		return say_failed(t, tenant, "removing its policy", rc);
	show_line(t, "%s: has no policy of its own any more; that of the settings of whoever acts holds", tenant);
	return note(t, tenant, "removed");
}

static int write_record(struct tool *t, const char *tenant, const struct tenant_policy *old, const struct policy *p)
{
	struct store_call call = tool_call(t);
	AUTO_FREE char *text = NULL;
	char key[PATH_CAP];
	int rc = tenant_policy_key(t, tenant, key);

	if (!rc)
		rc = policy_encode(p, &text);
	if (!rc)
		rc = record_write(t->vault, key, text, strlen(text), old->record.etag[0] ? &old->record : NULL, NULL, &call);
	return rc == EEXIST ? ESTALE : rc; /* it was not there a moment ago */
}

/* Rules that are not given stay as the tenant has them; a tenant without a policy begins with none. */
static int set(struct tool *t, const char *tenant, const struct tenant_policy *old)
{
	struct policy p;
	char text[512], error[512];

	policy_default(&p);
	if (old->origin == POLICY_TENANT)
		p = old->policy;
	policy_override(t->conf, CONF_FROM_FLAG, &p);
	if (policy_check(&p, error, sizeof(error)))
		return say_usage(t, "%s: %s", tenant, error);

	int rc = write_record(t, tenant, old, &p);

	if (rc)
		return say_failed(t, tenant, "writing its policy", rc);
	policy_text(&p, text, sizeof(text));
	show_line(t, "%s: %s", tenant, text);
	if (!policy_empty(&p))
		show_line(t, "%s: where this deletes more than before, it holds from the first run of retention on that is --policy-settle after one that saw it", tenant);
	return note(t, tenant, text);
}

static int change(struct tool *t)
{
	bool removes = conf_bool(t->conf, "clear");
	struct target target;
	struct tenant_policy old;

	if (conf_argc(t->conf) != 1)
		return say_usage(t, "retention policy: to change one, name its TENANT");
	if (removes && tenant_policy_flags(t))
		return say_usage(t, "retention policy: --clear and rules: give one of them");

	int code = target_parse(t, conf_argv(t->conf, 0), TARGET_TENANT, &target);

	if (code == TOOL_DONE && removes)
		return clear(t, target.tenant);
	if (code == TOOL_DONE)
		code = tenant_policy_stored(t, target.tenant, &old);
	return code == TOOL_DONE ? set(t, target.tenant, &old) : code;
}

static bool changes(const struct tool *t)
{
	return conf_bool(t->conf, "clear") || tenant_policy_flags(t);
}

static int run(struct tool *t)
{
	return changes(t) ? change(t) : show_all(t);
}

const struct verb verb_retention_policy = {
	.name = "retention policy", .arguments = "[TENANT]", .most = 1, .access = VERB_WRITES, .writes = changes, .run = run,
	.options = { &options_json, &options, &options_policy },
	.help = "Shows the policies of tenants; with rules as flags it sets that of one.",
	.more = "A tenant's own policy is a record in the store, which goes before the settings of whoever acts. Rules that are not given stay as they are.",
};

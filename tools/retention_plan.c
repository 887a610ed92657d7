/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/plan_rows.h"
#include "tools/say.h"
#include "tools/target.h"
#include "tools/tenant_policy.h"
#include "tools/verbs.h"

#include <errno.h>

struct planning {
	bool json;
	struct show_doc doc;
	cJSON *tenants;
};

static void to_json(struct planning *p, const char *tenant, const struct tenant_policy *policy, const char *text, const struct plan *plan)
{
	cJSON *o = json_item(&p->doc, p->tenants);

	json_text(&p->doc, o, "tenant", tenant);
	json_text(&p->doc, o, "policy", text);
	json_text(&p->doc, o, "policy_from", policy_origin_name(policy->origin));
	json_bool(&p->doc, o, "policy_flags", policy->flags);
	json_number(&p->doc, o, "keep", plan->keep);
	json_number(&p->doc, o, "delete", plan->remove);
	json_number(&p->doc, o, "hold", plan->hold);
	json_number(&p->doc, o, "deleted", plan->deleted);
	json_number(&p->doc, o, "good", plan->good);
	json_number(&p->doc, o, "future", plan->future);
	plan_rows_json(&p->doc, o, plan);
}

static int to_people(const struct tool *t, const char *tenant, const struct tenant_policy *policy, const char *text, const struct plan *plan)
{
	static const char *const from[] = {
		[POLICY_NONE] = "no policy is set", [POLICY_SETTINGS] = "of the settings", [POLICY_TENANT] = "of the tenant",
	};

	show_line(t, "%s: %s (%s%s)", tenant, text, from[policy->origin], policy->flags ? ", with rules given here" : "");

	int rc = plan_rows_print(t, plan, false);

	show_line(t, "%zu kept, %zu to be deleted, %zu on hold, %zu deleted already", plan->keep, plan->remove, plan->hold, plan->deleted);
	if (plan->future)
		say(t, "%s: %zu backups are dated in the future and count for nothing: look at the clocks of those who wrote them", tenant, plan->future);
	return rc;
}

static int plan_tenant(struct tool *t, const struct target *target, void *arg)
{
	struct planning *p = arg;
	struct store_call call = tool_call(t);
	struct catalog_options options = { 0 };
	struct tenant_policy policy;
	AUTO(catalog_free) struct catalog catalog = { 0 };
	AUTO(plan_free) struct plan plan = { 0 };
	char text[512];
	int code = tenant_policy_read(t, target->tenant, &policy);

	if (code != TOOL_DONE)
		return code;

	int rc = catalog_read(t->vault, target->tenant, &options, &catalog, &call);

	if (rc == ENOENT) {
		say(t, "%s: there is no such tenant, or nothing is left of it; pishopctl list shows all, pishopctl undelete --list what can be brought back", target->tenant);
		return TOOL_FAILED;
	}
	if (!rc)
		rc = plan_make(catalog.backups, catalog.count, &policy.policy, catalog.server_s, &plan);
	if (rc)
		return say_failed(t, target->tenant, "planning", rc);
	policy_text(&policy.policy, text, sizeof(text));
	if (p->json)
		to_json(p, target->tenant, &policy, text, &plan);
	else
		rc = to_people(t, target->tenant, &policy, text, &plan);
	return rc ? say_failed(t, target->tenant, "printing its plan", rc) : TOOL_DONE;
}

static int run(struct tool *t)
{
	struct planning p = { .json = conf_bool(t->conf, "json") };
	int code = target_check_all(t, TARGET_TENANT);

	if (code != TOOL_DONE)
		return code;
	if (p.json) {
		show_doc_begin(&p.doc);
		p.tenants = json_list(&p.doc, p.doc.root, "tenants");
	}
	code = target_each(t, TARGET_TENANT, plan_tenant, &p);
	if (!p.json)
		return code;
	if (conf_argc(t->conf) == 1 && cJSON_GetArraySize(p.tenants) == 1)
		json_copy_up(&p.doc, cJSON_GetArrayItem(p.tenants, 0), "rows");

	int printed = show_json(t, &p.doc);

	return printed ? printed : code;
}

const struct verb verb_retention_plan = {
	.name = "retention plan", .arguments = "[TENANT]...", .most = -1, .access = VERB_READS, .run = run, .options = { &options_json, &options_policy },
	.help = "Shows what retention would keep and delete, and why. Nothing is changed.",
	.more = "By the tenant's own policy, else by that of the settings; rules given here replace those of either, for this plan.",
};

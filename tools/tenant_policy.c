/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/tenant_policy.h"

#include "tools/say.h"

#include <errno.h>

const char *policy_origin_name(enum policy_origin o)
{
	static const char *const names[] = { [POLICY_NONE] = "none", [POLICY_SETTINGS] = "settings", [POLICY_TENANT] = "tenant" };

	return names[o];
}

int tenant_policy_key(const struct tool *t, const char *tenant, char key[PATH_CAP])
{
	return path_record_key(vault_rules(t->vault), key, tenant, "control", "policy");
}

static bool any_rule(const struct tool *t, enum conf_source least, enum conf_source most)
{
	for (size_t i = 0; i < policy_option_count; i++) {
		const char *name = policy_options[i].name;

		if (conf_has(t->conf, name) && conf_source(t->conf, name) >= least && conf_source(t->conf, name) <= most)
			return true;
	}
	return false;
}

bool tenant_policy_flags(const struct tool *t)
{
	return any_rule(t, CONF_FROM_FLAG, CONF_FROM_FLAG);
}

int tenant_policy_settings(const struct tool *t, struct policy *out)
{
	char error[512];

	return policy_from_conf(t->conf, out, error, sizeof(error)) ? say_usage(t, "%s", error) : TOOL_DONE;
}

/* The tenant's own, where it has one. */
static int read_record(const struct tool *t, const char *tenant, struct tenant_policy *out)
{
	struct store_call call = tool_call(t);
	AUTO_FREE char *text = NULL;
	char key[PATH_CAP];
	size_t len;
	int rc = tenant_policy_key(t, tenant, key);

	if (!rc)
		rc = record_read(t->vault, key, &text, &len, &out->record, &call);
	if (!rc)
		rc = policy_decode(text, len, &out->policy);
	if (!rc)
		out->origin = POLICY_TENANT;
	if (rc == ENOENT)
		out->record = (struct record_id){ 0 };
	return rc == ENOENT ? 0 : rc;
}

int tenant_policy_stored(const struct tool *t, const char *tenant, struct tenant_policy *out)
{
	*out = (struct tenant_policy){ 0 };
	policy_default(&out->policy);

	int rc = read_record(t, tenant, out);

	return rc ? say_failed(t, tenant, "reading its policy", rc) : TOOL_DONE;
}

int tenant_policy_read(const struct tool *t, const char *tenant, struct tenant_policy *out)
{
	char error[512];
	int code = tenant_policy_stored(t, tenant, out);

	if (code != TOOL_DONE)
		return code;
	out->flags = tenant_policy_flags(t);
	if (out->origin == POLICY_NONE && any_rule(t, CONF_FROM_FILE, CONF_FROM_ENV))
		out->origin = POLICY_SETTINGS;
	/* Where the tenant has its own, only flags stand above it. */
	policy_override(t->conf, out->origin == POLICY_TENANT ? CONF_FROM_FLAG : CONF_FROM_FILE, &out->policy);
	if (policy_check(&out->policy, error, sizeof(error)))
		return say_usage(t, "%s: %s", tenant, error);
	return TOOL_DONE;
}

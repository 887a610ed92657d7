/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tools/tool.h"
#include "vault/policy.h"
#include "vault/record.h"

/* Which policy holds for a tenant: its own record (control/policy), else the settings; rules given as flags replace those of either. */

enum policy_origin { POLICY_NONE, POLICY_SETTINGS, POLICY_TENANT };
const char *policy_origin_name(enum policy_origin o); /* "none", "settings", "tenant" */

struct tenant_policy {
	struct policy policy;
	enum policy_origin origin; /* before flags */
	bool flags;                /* some rules came from flags */
	struct record_id record;   /* of the tenant's own; etag "": there is none */
};

/* TOOL_DONE, or a line was said. */
int tenant_policy_read(const struct tool *t, const char *tenant, struct tenant_policy *out);
/* The same without settings and flags: what the tenant has of its own. */
int tenant_policy_stored(const struct tool *t, const char *tenant, struct tenant_policy *out);
bool tenant_policy_flags(const struct tool *t); /* whether the command line gives any rule */
/* The policy of the settings and flags alone, for tenants without one of their own: TOOL_DONE or TOOL_USAGE. */
int tenant_policy_settings(const struct tool *t, struct policy *out);
int tenant_policy_key(const struct tool *t, const char *tenant, char key[PATH_CAP]); /* of the record: 0 or ENAMETOOLONG */

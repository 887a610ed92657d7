/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/target.h"

#include "tools/say.h"
#include "vault/backup.h"

#include <errno.h>

/* Before the store is opened its limits are not known: those of S3. */
static const struct path_rules rules = { .prefix = "", .key_max = 1024, .segment_max = 255 };

static const char *const wanted[] = { [TARGET_TENANT] = "TENANT", [TARGET_BACKUP] = "TENANT/BACKUP", [TARGET_EITHER] = "TENANT or TENANT/BACKUP" };

static int refuse(const struct tool *t, const char *text, enum target_kind kind, const char *why)
{
	return say_usage(t, "%s: %s; write %s", text, why, wanted[kind]);
}

static void set_shown(struct target *target)
{
	snprintf(target->shown, sizeof(target->shown), "%s%s%s", target->tenant, target->stem[0] ? "/" : "", target->stem);
}

int target_parse(const struct tool *t, const char *text, enum target_kind kind, struct target *out)
{
	size_t n = strcspn(text, "/"), len = strlen(text);
	char path[PATH_CAP], name[PATH_CAP];
	struct stem stem;

	*out = (struct target){ 0 };
	while (len > n && text[len - 1] == '/') /* as a shell completes it */
		len--;
	if (n >= sizeof(out->tenant) || len >= sizeof(name))
		return refuse(t, text, kind, "too long");
	memcpy(out->tenant, text, n);
	if (path_join(&rules, path, "", out->tenant))
		return refuse(t, text, kind, "this is no tenant's name");
	set_shown(out);
	if (len <= n + 1)
		return kind == TARGET_BACKUP ? refuse(t, text, kind, "no backup is named") : TOOL_DONE;
	if (kind == TARGET_TENANT)
		return refuse(t, text, kind, "this names more than a tenant");
	memcpy(name, text + n + 1, len - n - 1);
	name[len - n - 1] = '\0';
	if (path_check_name(&rules, name))
		return refuse(t, text, kind, "a backup is named by one name directly below its tenant");
	stem_of(name, &stem);
	copy_text(out->stem, sizeof(out->stem), stem.text);
	set_shown(out);
	return TOOL_DONE;
}

int target_check_all(const struct tool *t, enum target_kind kind)
{
	struct target target;
	int code = TOOL_DONE;

	for (int i = 0; i < conf_argc(t->conf) && code == TOOL_DONE; i++)
		code = target_parse(t, conf_argv(t->conf, i), kind, &target);
	return code;
}

const char *target_only_tenant(const struct conf *conf, char out[PATH_CAP])
{
	out[0] = '\0';
	for (int i = 0; i < conf_argc(conf); i++) {
		const char *text = conf_argv(conf, i);
		size_t n = strcspn(text, "/");

		if (!n || n >= PATH_CAP || (i && (strlen(out) != n || strncmp(out, text, n) != 0)))
			return NULL;
		memcpy(out, text, n);
		out[n] = '\0';
	}
	return out[0] ? out : NULL;
}

static int each_tenant(struct tool *t, target_fn *fn, void *arg)
{
	struct store_call call = tool_call(t);
	AUTO(tenant_names_free) struct tenant_names names = { 0 };
	int rc = tenants_list(t->vault, &names, &call), code = SAY_NONE;

	if (rc)
		return say_failed(t, "the store", "listing the tenants", rc);
	if (!names.count)
		say(t, "there are no tenants in this store");
	for (size_t i = 0; i < names.count && code != TOOL_INTERRUPTED; i++) {
		struct target target = { 0 };

		if (copy_text(target.tenant, sizeof(target.tenant), names.names[i]))
			continue; /* no such key can be made by us */
		set_shown(&target);
		code = say_combine(code, tool_stopped(t) ? TOOL_INTERRUPTED : fn(t, &target, arg));
	}
	return code == SAY_NONE ? TOOL_DONE : code;
}

int target_each(struct tool *t, enum target_kind kind, target_fn *fn, void *arg)
{
	int code = target_check_all(t, kind);

	if (code != TOOL_DONE)
		return code;
	if (!conf_argc(t->conf))
		return each_tenant(t, fn, arg);
	code = SAY_NONE;
	for (int i = 0; i < conf_argc(t->conf) && code != TOOL_INTERRUPTED; i++) {
		struct target target;

		target_parse(t, conf_argv(t->conf, i), kind, &target);
		code = say_combine(code, tool_stopped(t) ? TOOL_INTERRUPTED : fn(t, &target, arg));
	}
	return code;
}

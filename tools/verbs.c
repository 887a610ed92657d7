/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/verbs.h"

#include "tools/options.h"
#include "vault/policy.h"

const struct verb *const verbs[] = {
	&verb_list, &verb_seal, &verb_verify, &verb_retention_plan, &verb_retention_apply, &verb_retention_policy, &verb_undelete, &verb_hold_add,
	&verb_hold_remove, &verb_hold_list, &verb_audit_show, &verb_audit_verify, &verb_help, &verb_version, NULL,
};

static const struct conf_option json[] = {
	{ .name = "json", .type = CONF_FLAG_ONLY, .group = OPTIONS_OUTPUT, .help = "Print JSON, for programs." },
};
static const size_t json_count = ARRAY_LEN(json);
const struct verb_options options_json = { json, &json_count };

static const struct conf_option yes[] = {
	{ .name = "yes", .letter = 'y', .type = CONF_FLAG_ONLY, .group = OPTIONS_OUTPUT, .help = "Do not ask. Without a terminal nothing is done without it." },
};
static const size_t yes_count = ARRAY_LEN(yes);
const struct verb_options options_yes = { yes, &yes_count };

const struct verb_options options_policy = { policy_options, &policy_option_count };

/* What follows the first word in a name: "" where it has one word only, NULL where it is another's. */
static const char *behind(const struct verb *verb, const char *first)
{
	size_t n = strlen(first);

	if (strncmp(verb->name, first, n) != 0 || (verb->name[n] && verb->name[n] != ' '))
		return NULL;
	return verb->name[n] ? verb->name + n + 1 : "";
}

const struct verb *verb_find(const char *first, const char *second, int *words)
{
	for (const struct verb *const *v = verbs; *v; v++) {
		const char *rest = behind(*v, first);

		if (rest && (!rest[0] || (second && strcmp(rest, second) == 0))) {
			*words = rest[0] ? 2 : 1;
			return *v;
		}
	}
	return NULL;
}

void verb_seconds(const char *first, char *out, size_t cap)
{
	size_t used = 0;

	out[0] = '\0';
	for (const struct verb *const *v = verbs; *v && used < cap; v++) {
		const char *rest = behind(*v, first);

		if (rest && rest[0])
			used += (size_t)snprintf(out + used, cap - used, "%s%s", used ? ", " : "", rest);
	}
}

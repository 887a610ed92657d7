/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/say.h"
#include "tools/target.h"
#include "tools/verbs.h"
#include "vault/connect.h"

#include <errno.h>

#define MEMORY (64u << 20) /* of all slabs: objects are read in pieces, records whole */

static int connect_both(struct tool *t, struct location *at, struct store **store, struct keyring **keys, char *error, size_t cap)
{
	const struct conf *c = t->conf;
	int rc = location_parse(c, conf_text(c, "store"), at, error, cap);

	if (!rc)
		rc = connect_keys(c, keys, error, cap);
	if (!rc)
		rc = connect_store(c, at, store, NULL, NULL, error, cap);
	if (!rc && conf_has(c, "limit")) {
		rc = limit_store_new(*store, conf_number(c, "limit"), store);
		if (rc)
			snprintf(error, cap, "--limit: %s", strerror(rc));
	}
	return rc;
}

static int code_of(const struct tool *t, enum vault_failure why)
{
	switch (why) {
	case VAULT_OK:
		return TOOL_DONE;
	case VAULT_UNREACHABLE:
	case VAULT_NO_BUCKET:
		return TOOL_NO_STORE;
	case VAULT_WRONG_KEY:
		return TOOL_WRONG_KEY;
	case VAULT_LAYOUT:
		return t->verb->no_layout ? t->verb->no_layout : TOOL_FAILED;
	case VAULT_CREDENTIALS:
	case VAULT_OTHER:
		break;
	}
	return TOOL_FAILED;
}

int tool_open(struct tool *t)
{
	const struct conf *c = t->conf;
	const struct verb *verb = t->verb;
	bool writes = verb->access == VERB_WRITES && (!verb->writes || verb->writes(t));
	struct store *store = NULL;
	struct keyring *keys = NULL;
	struct location at;
	char error[1024] = "", tenant[PATH_CAP];
	int rc = connect_both(t, &at, &store, &keys, error, sizeof(error));

	if (rc) {
		keyring_free(keys);
		say(t, "%s", error);
		return rc == EINVAL ? TOOL_USAGE : rc == ENODEV ? TOOL_NO_STORE : TOOL_FAILED;
	}

	struct vault_config config = {
		.prefix = at.prefix,
		.tenant = target_only_tenant(c, tenant),
		.read_only = !writes,
		.must_exist = writes,
		.accept_new_key = conf_bool(c, "accept-new-key"),
		.memory = MEMORY,
		.data_timeout_ms = (uint32_t)conf_number(c, "data-timeout"),
		.meta_timeout_ms = (uint32_t)conf_number(c, "metadata-timeout"),
	};
	enum vault_failure why = vault_open(&config, store, keys, &t->vault, error, sizeof(error));

	if (why != VAULT_OK)
		say(t, "%s", error);
	return code_of(t, why);
}

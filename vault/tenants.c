/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/catalog_private.h"

#include "base/log.h"
#include "vault/object_private.h"
#include "vault/pages.h"

#include <errno.h>
#include <stdio.h>

/* The tenants of a bucket: the folders of its root. Whoever removed all of a tenant's objects has not made its seals go away: such a tenant is told, too. */

void tenant_names_free(struct tenant_names *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->count; i++)
		free(n->names[i]);
	free(n->names);
	*n = (struct tenant_names){ 0 };
}

static int add(struct tenant_names *n, const char *name, size_t len)
{
	char **grown = reallocarray(n->names, n->count + 1, sizeof(*grown));

	if (!grown)
		return ENOMEM;
	n->names = grown;
	grown[n->count] = strndup(name, len);
	return grown[n->count] && ++n->count ? 0 : ENOMEM;
}

static bool has(const struct tenant_names *n, const char *name, size_t len)
{
	for (size_t i = 0; i < n->count; i++)
		if (strlen(n->names[i]) == len && memcmp(n->names[i], name, len) == 0)
			return true;
	return false;
}

/* The folders directly below a prefix. */
static int list_folders(struct vault *v, const char *prefix, struct tenant_names *out, struct store_call *user)
{
	AUTO(pages_free) struct pages pages = { .v = v, .prefix = prefix, .delimiter = '/' };
	size_t root = strlen(prefix);
	int rc = 0;

	while (!rc && pages_left(&pages)) {
		struct store_call call = acting_call(v, user, 0);
		struct store_page page = { 0 };

		rc = acting_stopped(user);
		if (!rc)
			rc = pages_next(&pages, &page, &call);
		if (rc && rc != ECANCELED)
			log_store("backup", prefix, "cannot list the tenants", &call, rc);
		acting_tell(user, &call);
		for (size_t i = 0; i < page.count && !rc; i++) {
			const struct store_object *o = &page.objects[i];

			if (o->prefix && strlen(o->key) > root + 1 && strcmp(o->key + root, ".pishop/") != 0)
				rc = add(out, o->key + root, strlen(o->key) - root - 1);
		}
		store_page_free(&page);
	}
	return rc;
}

static int has_records(struct vault *v, const char *tenant, bool *yes, struct store_call *user)
{
	static const char *const kinds[] = { "seals", "tombstones" };
	int rc = 0;

	*yes = false;
	for (size_t i = 0; i < ARRAY_LEN(kinds) && !rc && !*yes; i++) {
		AUTO(record_names_free) struct record_names names = { 0 };
		struct store_call call = acting_call(v, user, 0);

		rc = record_list(v, tenant, kinds[i], &names, &call);
		*yes = !rc && names.count > 0;
	}
	return rc;
}

static int add_bare(struct vault *v, const char *prefix, struct tenant_names *out, struct store_call *call)
{
	AUTO(tenant_names_free) struct tenant_names recorded = { 0 };
	int rc = list_folders(v, prefix, &recorded, call);

	for (size_t i = 0; i < recorded.count && !rc; i++) {
		const char *name = recorded.names[i];
		bool yes = false;

		if (has(out, name, strlen(name)))
			continue;
		rc = has_records(v, name, &yes, call);
		if (!rc && yes)
			rc = add(out, name, strlen(name));
	}
	return rc;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int tenants_list(struct vault *v, struct tenant_names *out, struct store_call *call)
{
	char root[PATH_CAP], records[PATH_CAP + 16];
	int rc = path_key(&v->rules, root, "", true);

	*out = (struct tenant_names){ 0 };
	if (!rc && v->config.tenant)
		return add(out, v->config.tenant, strlen(v->config.tenant));
	snprintf(records, sizeof(records), "%s.pishop/t/", root);
	if (!rc)
		rc = list_folders(v, root, out, call);
	if (!rc)
		rc = add_bare(v, records, out, call);
	if (rc)
		tenant_names_free(out);
	else if (out->count)
		qsort(out->names, out->count, sizeof(*out->names), by_name);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/sweep_private.h"

/* Retention as others see it. */

static int from_bucket(void *arg, struct vault *v, const char *tenant, const struct catalog_options *options, struct catalog *out, struct store_call *call)
{
	return catalog_read(v, tenant, options, out, call);
}

int sweep_tenant(struct vault *v, const char *tenant, const struct sweep_config *config, struct sweep_report *out)
{
	return sweep_run(v, tenant, config, out, from_bucket, NULL);
}

void sweep_report_free(struct sweep_report *r)
{
	if (!r)
		return;
	plan_free(&r->plan);
	catalog_free(&r->catalog);
}

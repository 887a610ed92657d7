/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/retention.h"

#include "fs/rounds.h"
#include "base/log.h"
#include "vault/audit.h"

#include <errno.h>

#define FIRST_S 60

struct retention {
	struct vault *v;
	char *tenant;          /* NULL: all */
	struct sweep_config config;
	bool said_may_not;     /* that this identity may not delete */
	struct rounds *rounds;
};

static void tell(struct retention *r, const char *tenant, const struct sweep_report *report, int rc)
{
	if (rc == ECANCELED)
		return;
	if (rc)
		log_path(LOG_ERROR, "retention", tenant, "the run ended: %s; the next goes on", strerror(rc));
	else if (report->doubt)
		log_path(LOG_WARN, "retention", tenant, "nothing was removed, in doubt (%s): %s", sweep_doubt_name(report->doubt), report->why);
	else if (report->may_not_delete && !r->said_may_not)
		log_path(LOG_INFO, "retention", tenant, "this identity may not delete: retention is left to whoever may");
	else if (!report->busy && !report->may_not_delete)
		log_path(LOG_INFO, "retention", tenant, "%zu backups kept, %zu put under a tombstone, %zu in their grace, %zu deleted", report->plan.keep, report->tombstoned,
			 report->waiting, report->deleted);
	if (!rc && report->lifecycle[0])
		log_path(LOG_WARN, "retention", tenant, "a rule of the bucket would delete backups: %s", report->lifecycle);
	r->said_may_not |= !rc && report->may_not_delete;
}

static void sweep_one(struct retention *r, const char *tenant)
{
	AUTO(sweep_report_free) struct sweep_report report = { 0 };
	int rc = sweep_tenant(r->v, tenant, &r->config, &report);

	tell(r, tenant, &report, rc);
}

static void sweep_all(void *arg, struct rounds *rounds)
{
	struct retention *r = arg;
	AUTO(tenant_names_free) struct tenant_names names = { 0 };
	int rc = r->tenant ? 0 : tenants_list(r->v, &names, NULL);

	r->config.stop = rounds_stopping(rounds);
	if (rc)
		log_msg(LOG_ERROR, "retention", "the tenants cannot be listed: %s", strerror(rc));
	if (r->tenant)
		sweep_one(r, r->tenant);
	for (size_t i = 0; i < names.count && !atomic_load(rounds_stopping(rounds)); i++)
		sweep_one(r, names.names[i]);
}

int retention_start(struct vault *v, const char *tenant, const struct sweep_config *config, int64_t interval_s, struct retention **out)
{
	struct retention *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return ENOMEM;
	r->v = v;
	r->config = *config;
	r->config.interval_s = interval_s;
	r->tenant = tenant ? strdup(tenant) : NULL;
	rc = tenant && !r->tenant ? ENOMEM : rounds_start((interval_s < FIRST_S ? interval_s : FIRST_S) * 1000, interval_s * 1000, sweep_all, r, &r->rounds);
	if (rc) {
		free(r->tenant);
		free(r);
		return rc;
	}
	*out = r;
	return 0;
}

void retention_stop(struct retention *r)
{
	if (!r)
		return;
	rounds_stop(r->rounds);
	free(r->tenant);
	free(r);
}

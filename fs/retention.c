/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/retention.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sync.h"
#include "vault/audit.h"

#include <errno.h>

#define FIRST_S 60

struct retention {
	struct vault *v;
	char *tenant;          /* NULL: all */
	struct sweep_config config;
	int64_t interval_s;
	atomic_bool stop;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool said_may_not;     /* that this identity may not delete */
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

static void sweep_all(struct retention *r)
{
	AUTO(tenant_names_free) struct tenant_names names = { 0 };
	int rc = r->tenant ? 0 : tenants_list(r->v, &names, NULL);

	if (rc)
		log_msg(LOG_ERROR, "retention", "the tenants cannot be listed: %s", strerror(rc));
	if (r->tenant)
		sweep_one(r, r->tenant);
	for (size_t i = 0; i < names.count && !atomic_load(&r->stop); i++)
		sweep_one(r, names.names[i]);
}

static void *retention_main(void *arg)
{
	struct retention *r = arg;
	int64_t next = clock_mono_ms() + (r->interval_s < FIRST_S ? r->interval_s : FIRST_S) * 1000;

	while (!atomic_load(&r->stop)) {
		pthread_mutex_lock(&r->lock);
		while (!atomic_load(&r->stop) && clock_mono_ms() < next)
			cond_wait_until(&r->wake, &r->lock, next);
		pthread_mutex_unlock(&r->lock);
		if (atomic_load(&r->stop))
			break;
		next = clock_mono_ms() + r->interval_s * 1000;
		sweep_all(r);
	}
	return NULL;
}

static void retention_free(struct retention *r)
{
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r->tenant);
	free(r);
}

int retention_start(struct vault *v, const char *tenant, const struct sweep_config *config, int64_t interval_s, struct retention **out)
{
	struct retention *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return ENOMEM;
	r->v = v;
	r->config = *config;
	r->config.stop = &r->stop;
	r->config.interval_s = interval_s;
	r->interval_s = interval_s;
	pthread_mutex_init(&r->lock, NULL);
	cond_init_mono(&r->wake);
	r->tenant = tenant ? strdup(tenant) : NULL;
	rc = tenant && !r->tenant ? ENOMEM : pthread_create(&r->thread, NULL, retention_main, r);
	if (rc) {
		retention_free(r);
		return rc;
	}
	*out = r;
	return 0;
}

void retention_stop(struct retention *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	atomic_store(&r->stop, true);
	pthread_cond_broadcast(&r->wake);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	retention_free(r);
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "crypto/digest.h"
#include "vault/acting.h"
#include "vault/hold.h"
#include "vault/sweep.h"
#include "vault/tombstone.h"

/* What the sweep*.c files share; for them, and their tests, only. */

/* ---- sweep_state.c: control/retention */
struct sweep_state {
	int64_t run_s;            /* end of the last run that acted; 0: there was none */
	int64_t high_s;           /* the latest that the server's clock was ever seen at */
	uint64_t backups;         /* so many should be there at least, when nobody else takes any away */
	struct policy policy;     /* in effect */
	int64_t policy_since_s;
	bool has_next;            /* a stricter one was seen, and waits */
	struct policy next;
	int64_t next_since_s;
	uint64_t audit;           /* segments of the audit log */
	char audit_hash[DIGEST_HEX];
	struct catalog_memory memory; /* what was seen of each backup; owned */
	struct record_id record;  /* etag "": there is none */
};
void sweep_state_free(struct sweep_state *s); /* what it holds; NULL is legal */
int sweep_state_encode(const struct sweep_state *s, const struct catalog *catalog, char **text, size_t *len);
int sweep_state_decode(const char *text, size_t len, struct sweep_state *out); /* EBADMSG, EPROTONOSUPPORT, ENOMEM */
/* No record: 0 and an empty state, with a policy that removes nothing. */
int sweep_state_read(struct vault *v, const char *tenant, struct sweep_state *out, struct store_call *call);
int sweep_state_write(struct vault *v, const char *tenant, struct sweep_state *s, const struct catalog *catalog, struct store_call *call);
/* The policy to act by, given the one that is asked for now. True: what is asked for waits. */
bool sweep_state_settle(struct sweep_state *s, const struct policy *asked, int64_t now_s, int64_t settle_s);

/* ---- one run */
typedef int sweep_catalog(void *arg, struct vault *v, const char *tenant, const struct catalog_options *options, struct catalog *out, struct store_call *call);

struct sweep {
	struct vault *v;
	const char *tenant;
	const struct sweep_config *config;
	struct sweep_report *report;
	sweep_catalog *read_catalog;
	void *arg;
	struct store_call call;     /* with the cancel flag; its server_date is the last that was told */
	struct lease *lease;        /* NULL: dry run */
	struct sweep_state state;
	struct holds holds;
	struct policy policy;       /* asked for */
	const struct backup **by_stem; /* the catalog's, sorted */
	size_t allowed;             /* backups that may be put under a tombstone in this run */
	pthread_mutex_t lock;       /* of the next two, while the catalog is read */
	struct tombstone *due;      /* tombstones in place whose time has about come, as the catalog's threads have read them; then sorted by stem */
	size_t due_count;
};

/* sweep_run.c: sweep_tenant with a catalog of the caller's making. */
int sweep_run(struct vault *v, const char *tenant, const struct sweep_config *config, struct sweep_report *out, sweep_catalog *read_catalog, void *arg);
/* Stops the run in doubt. Returns 0, for one-line returns. */
int sweep_doubts(struct sweep *s, enum sweep_doubt doubt, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Asked before each step: 0; ECANCELED; ESTALE: the lease is lost; or why it could not be renewed. */
int sweep_go_on(struct sweep *s);
/* The tombstone of that backup as the catalog has read it; false: read it. *out is the caller's. */
bool sweep_take_due(struct sweep *s, const char *stem, struct tombstone *out);
const struct backup *sweep_find(const struct sweep *s, const char *stem);

/* ---- sweep_doubt.c: each sets report->doubt where it finds some. 0, or what stopped the looking. */
int sweep_check_layout(struct sweep *s);
void sweep_check_clock(struct sweep *s);
void sweep_check_time(struct sweep *s);
void sweep_check_drop(struct sweep *s);
void sweep_check_age(struct sweep *s);

/* ---- sweep_act.c */
size_t sweep_due(struct sweep *s); /* backups whose grace is over, as the catalog has it */
int sweep_put_tombstones(struct sweep *s);
int sweep_delete(struct sweep *s);

/* ---- sweep_hygiene.c */
int sweep_hygiene(struct sweep *s);
void sweep_look_at_rules(struct sweep *s);
/* Whether the audit log is as long as it was. */
int sweep_look_at_audit(struct sweep *s);

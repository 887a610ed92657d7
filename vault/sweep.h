/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/plan.h"

/* One run of retention over one tenant: catalog, doubt, plan, tombstones, deletions whose grace is over, hygiene. Used by the mount's thread and by
 * `pishopctl retention apply`. States of a run, written down at the head of sweep.c. */

enum sweep_doubt { /* why a run stopped before it did anything; each has a name and an exit code of its own (20 + value) */
	DOUBT_NONE,
	DOUBT_LISTING,   /* a listing or record could not be read whole */
	DOUBT_CLOCK,     /* ours and the server's differ by more than 5 minutes */
	DOUBT_BACKWARDS, /* the server's time is before the last run's */
	DOUBT_FORWARDS,  /* or further behind it than max(7 days, 10 intervals): time may have jumped */
	DOUBT_DROP,      /* over 20 % fewer backups than at the last run */
	DOUBT_OLD,       /* the newest sealed one is older than expected */
	DOUBT_LAYOUT,    /* no layout marker */
	DOUBT_POLICY,    /* the tenant's policy, holds or state cannot be read, or are of a newer version */
	DOUBT_COUNT
};
const char *sweep_doubt_name(enum sweep_doubt d);

struct sweep_config {
	struct policy policy;       /* the default; the tenant's control/policy goes before it */
	bool override_policy;       /* policy holds for every tenant (flags) */
	bool dry_run;               /* nothing is written, no lease is taken */
	bool accept_doubt[DOUBT_COUNT]; /* the operator has looked and says go on: DROP, OLD, BACKWARDS, FORWARDS only */
	uint32_t max_percent;       /* of a tenant's backups in one run, rounded down, but at least one; 0: 25 */
	int64_t grace_s;            /* between tombstone and deletion; -1: 72 h */
	int64_t policy_settle_s;    /* a stricter policy must have been seen so long before; -1: 24 h; 0: it holds at once */
	int64_t expect_s;           /* the newest sealed one should be younger; 0: not checked */
	int64_t interval_s;         /* between runs, for DOUBT_FORWARDS */
	uint32_t lease_ttl_s;       /* 0: 300 */
	const atomic_bool *stop;    /* looked at between requests; may be NULL */
};

struct sweep_report {
	enum sweep_doubt doubt;
	char why[256];              /* for people */
	bool busy;                  /* another has the lease: nothing was done */
	bool may_not_delete;        /* no permission, or locked: left to whoever may, or until then */
	bool policy_waits;          /* a stricter policy was seen, and takes effect after policy_settle_s */
	int64_t policy_from_s;
	struct plan plan;           /* rows point into catalog */
	struct catalog catalog;
	size_t tombstoned, deleted, waiting; /* backups: put under a tombstone, deleted for good, in their grace */
	size_t due;                 /* backups whose grace is over, the trash not counted: deleted for good in this run, or in a dry one what would be */
	size_t capped;              /* to be deleted, but over max_percent: next run */
	uint64_t objects_deleted, bytes_deleted;
	size_t strays;              /* hygiene: what belongs to nothing and was removed, or was left and logged */
	char lifecycle[160];        /* a rule of the bucket that would delete our objects; "": none is known */
};

/* 0 also where it stopped in doubt: see the report. EOPNOTSUPP: this store honours no conditions, and nobody may act; ECANCELED; ESTALE: the lease was lost. An errno where the run itself failed; what was done stays done, and the next run goes on. BLOCKS, long. */
int sweep_tenant(struct vault *v, const char *tenant, const struct sweep_config *config, struct sweep_report *out);
void sweep_report_free(struct sweep_report *r);
DEFINE_AUTO(sweep_report, sweep_report_free)

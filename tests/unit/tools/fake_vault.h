/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The vault as the verbs see it, answering from tables: no store, no key. What is pure (stems, policies, the plan) is the real thing. cmocka's own headers first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/tool.h"
#include "vault/audit.h"
#include "vault/hold.h"
#include "vault/sealer.h"
#include "vault/sweep.h"
#include "vault/tombstone.h"
#include "vault/verify.h"

enum fake_call {
	FAKE_OPEN, FAKE_CLOSE, FAKE_TENANTS, FAKE_CATALOG, FAKE_SEALER, FAKE_VERIFY, FAKE_SWEEP, FAKE_RECORD_READ, FAKE_RECORD_WRITE, FAKE_RECORD_REMOVE,
	FAKE_RECORD_LIST, FAKE_TOMBSTONE_READ, FAKE_TRASH, FAKE_UNDELETE, FAKE_HOLDS, FAKE_HOLD_ADD, FAKE_HOLD_REMOVE, FAKE_AUDIT_READ, FAKE_AUDIT_FLUSH,
	FAKE_CALLS
};

struct fake_fault {
	const char *path;
	enum verify_fault fault;
	const char *detail;
};

struct fake {
	int rc[FAKE_CALLS];            /* what a call answers instead of doing anything; of FAKE_OPEN an exit code */
	const char *stop_at;           /* a tenant: when it is looked at, a signal comes */
	const char *fails;             /* a tenant: rc holds for it only; NULL: for all */
	const char *tenants[8];        /* NULL behind the last */
	struct backup backups[8];      /* of each tenant */
	size_t backup_count;
	const char *policy;            /* text of control/policy, NULL: none */
	enum sealer_answer answer;
	struct fake_fault faults[8];   /* path NULL and detail NULL: the end */
	struct verify_result verified;
	struct sweep_report swept;     /* the plan is made from backups, by the policy that is given */
	struct tombstone tombs[4], trash[4];
	size_t tomb_count, trash_count;
	struct hold holds[4];
	size_t hold_count;
	const char *audit[8];          /* lines, NULL behind the last */
	const char *audit_why;
	int64_t now_s;                 /* the server's clock */

	/* what was asked */
	bool wrote;                    /* opened for writing */
	char calls[4096];              /* a line a call that changes something */
	struct sweep_config sweep;     /* of the last sweep_tenant */
	struct verify_config verify;
	_Atomic unsigned sweeps; /* read by a second thread */
	atomic_bool stop;
};
extern struct fake fake;

/* A fresh fake: tenants acme and beta; server's clock 2026-11-25T12:00:00Z. */
int fake_setup(void **state);
/* Adds a sealed backup of that stem and time. */
struct backup *fake_backup(const char *stem, int64_t time_s);

/* Runs pishopctl with these words (NULL at the end) and checks its exit code; what it printed is in fake_out and fake_err until the next run. */
void fake_run(int code, ...);
extern char *fake_out, *fake_err;
/* The same on a terminal, where this is what is typed. */
void fake_run_typing(const char *typed, int code, ...);

/* fake_out and fake_err must, or must not, contain that. */
void fake_says(const char *text, bool err);
void fake_does_not_say(const char *text, bool err);
#define assert_out(text) fake_says(text, false)
#define assert_err(text) fake_says(text, true)
#define assert_no_out(text) fake_does_not_say(text, false)
#define assert_no_err(text) fake_does_not_say(text, true)
#define assert_calls(text) assert_string_equal(fake.calls, text)

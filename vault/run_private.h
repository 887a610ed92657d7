/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/run.h"
#include "vault/run_record.h"
#include "vault/vault_private.h"

/* What run.c, run_recover.c and selftest.c share; for vault/ only. */

/* ---- selftest.c */
/* Proves that the store honours conditions on puts. key: a record of ours that stands there with this ETag and these bytes of JSON. Puts it again with
 * If-None-Match, then with an If-Match that is wrong: both must be refused. Where one is not, store->conditional is cleared and one line is
 * logged. Where this identity may not make such a request nothing is concluded. Two requests. etag: out, as a put that should have been
 * refused changes it. 0, or a store errno: nothing is known, ask again. */
int run_selftest(struct vault *v, const char *key, const struct buf *json, char etag[STORE_ETAG_MAX]);

/* ---- run_bucket.c */
/* Puts a record. if_match: ETag of what must stand there, NULL: nothing may. 0 and the new ETag; ESTALE, ENOENT (nothing to match), or an errno. */
int run_put(struct vault *v, const char *key, const struct buf *json, const char *if_match, char etag[STORE_ETAG_MAX], struct store_call *call);
/* Reads one: 0; ENOENT; EBADMSG: not a record; or as object_load. out is to be freed. */
int run_get(struct vault *v, const char *key, struct run_record *out, char etag[STORE_ETAG_MAX], struct store_call *call);
int run_remove(struct vault *v, const char *key, struct store_call *call); /* 0 also where nothing stood */

/* ---- run.c: this writer's records */
/* How long a writer goes on without having proven that it owns its record, ms. Far below the time after which others take it. */
int64_t run_fence_ms(const struct vault *v);

enum run_state {
	RUN_NEW,      /* not in the bucket yet */
	RUN_MADE,     /* it stands there; the store's conditions are not proven yet */
	RUN_STANDING, /* in use */
	RUN_LOST,     /* taken by another, or gone: nothing may be published any more, ever */
	RUN_ENDED     /* by vault_close */
};

/* Locks, in this order: io, then runs.proof, then lock. io is held over requests, lock never. */
struct run {
	struct vault *v;
	struct run *next; /* set before it can be seen, then constant */
	char key[PATH_CAP];
	pthread_mutex_t io; /* one request about this record at a time; and for the next two */
	char etag[STORE_ETAG_MAX];
	bool complained;   /* a failed write was logged, and none succeeded since */
	pthread_mutex_t lock; /* everything below */
	enum run_state state;
	struct run_record record;  /* writer, tenant and program never change: to be read without the lock */
	uint64_t changes, written; /* changes made to record, ever; those that stand in the bucket */
	bool hurry;                /* a change is not written that must not wait for the next refresh */
	bool frozen;               /* the store does not let us rewrite it (403): it stands as it was made */
	int64_t owned_ms;          /* clock_boot_ms before the last request that proved that it is ours */
	int64_t retry_ms;          /* clock_boot_ms before which the tick does not try again */
	unsigned tries;            /* finished attempts, for those who waited for one */
	int last_rc;               /* of the last attempt */
};

struct runs {
	pthread_mutex_t lock; /* first, ended */
	struct run *first;
	bool ended;
	pthread_mutex_t proof; /* proven; held over the self-test */
	bool proven;           /* the self-test was made, whatever it told */
};

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/vault.h"

#include <pthread.h>
#include <stdatomic.h>

struct removals; /* tree removal batch, vault/removal.c */
struct runs;     /* records by tenant, vault/run.c */
struct audits;   /* audit logs by tenant, vault/audit.c */
struct lease;    /* leases that this process holds, vault/lease.c */
struct writers;  /* list of all writers, vault/writer.c */

/* The inside of a vault, for vault/ only. Constructed and ended by vault.c, which calls each part's _start and _stop. */
struct vault {
	struct vault_config config; /* texts owned */
	struct path_rules rules;
	struct store *store;
	struct keyring *keys;
	struct slabs *slabs;
	struct tally *names;
	struct pool *commit_pool, *upload_pool;
	uint8_t writer_id[16];
	atomic_bool odd_etags;      /* the store's ETags of joined parts are of its own kind, and that was logged */
	atomic_int versions;        /* whether the bucket keeps versions, as far as tree_uncover.c knows */
	_Atomic int64_t progress_ms;
	struct removals *removals;
	struct runs *runs;
	struct writers *writers;
	struct audits *audits;
	struct lease *leases;       /* list, under lock */
	struct object_cache *cache; /* plain content of small objects, vault/object.c */
	pthread_t thread;           /* calls the ticks */
	pthread_mutex_t lock;
	pthread_cond_t stop_wake;
	bool stop, thread_started;
	bool poked;                 /* the thread is to look again now */
	atomic_bool ending;         /* cancel flag of the thread's own calls */
	int64_t end_ms;             /* set by vault_end_by; 0: no deadline */
};

/* Wakes the vault's thread, so that it looks again at what is due. Any thread; never blocks. */
void vault_poke(struct vault *v);

/* The parts of a vault: _start is called by vault_open (0 or an errno), _stop by vault_close and where vault_open fails; both without other threads. */
int removals_start(struct vault *v);
void removals_stop(struct vault *v);          /* sends what waits first */
int64_t removals_tick(struct vault *v);       /* sends what is due; milliseconds until the next is due, at most 1000 */
int runs_start(struct vault *v);
void runs_stop(struct vault *v);
int writers_start(struct vault *v);
void writers_stop(struct vault *v);
int object_cache_start(struct vault *v);
void object_cache_stop(struct vault *v);
/* Drops cached plain content until at least one slab was given back: true if it did. */
bool object_cache_shrink(struct vault *v);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/fs_private.h"
#include "vault/record.h"

/* Which records a tenant has: the names of its seals, reopen records and tombstones, for LOAD_FRESH_MS. Three listings answer for all of its backups what three requests
 * would ask for each, so that `ls -lR` costs the seals themselves and no more. Guarded by the file system's lock, but for what says BLOCKS. */
struct shelf;

struct shelf_says {
	bool deleted, sealed, reopened;
	char etag[STORE_ETAG_MAX]; /* of the seal's record, where it is sealed */
	int64_t since_ms;          /* clock_mono_ms when it was asked */
};

/* The lock is held. False: it is not known now. */
bool shelf_find(struct fs *f, const char *tenant, const char *stem, struct shelf_says *out);
/* BLOCKS. Lists them unless that was done a moment ago; one at a time, the others wait for it. 0; EACCES: they may not be listed; ENOMEM: there is no room for them;
 * or a store errno. */
int shelf_ask(struct fs *f, const char *tenant, struct store_call *call);
/* The lock is held. This mount wrote or removed a record: it is listed anew before it is believed again. */
void shelf_expire(struct fs *f, const char *tenant);
void shelves_free(struct fs *f);

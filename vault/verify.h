/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/backup.h"

/* Is a sealed backup what its seal says? Quick: the listing against the seal (missing, extra, of another length; another ETag: header and trailer are read, object
 * id, size and attributes compared). Full: besides, every chunk is decrypted. Never writes. */
enum verify_fault {
	VERIFY_MISSING,
	VERIFY_EXTRA,    /* no scratch, nor left open by another when it was sealed, and so left out */
	VERIFY_REPLACED, /* another object id */
	VERIFY_SIZE, VERIFY_DAMAGED, VERIFY_FOREIGN, VERIFY_ATTRS, VERIFY_KEY, /* of another key */
	VERIFY_SEAL_MISSING, /* the audit log knows of one */
	VERIFY_SEAL_OLD,     /* the audit log knows of a later one */
	VERIFY_SEAL_DAMAGED, VERIFY_UNREADABLE /* the store does not give it: nothing is known */
};
const char *verify_fault_name(enum verify_fault f);

struct verify_progress {
	uint64_t backups, backups_all, objects, objects_all, bytes, bytes_all; /* _all: 0 while unknown */
};
struct verify_config {
	bool full;
	unsigned threads;          /* 0: 8 */
	const atomic_bool *stop;
	/* Any thread, one at a time. May be NULL. path: below the tenant, bytes as in the bucket; "" where the seal itself is meant. */
	void (*fault)(void *arg, const char *tenant, const char *stem, const char *path, enum verify_fault f, const char *detail);
	void (*progress)(void *arg, const struct verify_progress *p);
	void *arg;
};
struct verify_result {
	uint64_t sealed, good, bad, unsealed, objects, bytes;
};
/* stem NULL: all of the tenant; deleted ones are left out. Adds to *out; one that is being changed (it is not what its seal lists, and a record of reopening stands) counts as unsealed,
 * without faults. 0: looked at all (bad may be > 0); ECANCELED; ENOENT: no such backup; EBADMSG: looked at all, but the audit log is not whole (logged), and nobody knows whether a seal
 * is missing; or the errno that ended it. BLOCKS. */
int verify_tenant(struct vault *v, const char *tenant, const char *stem, const struct verify_config *config, struct verify_result *out, struct store_call *call);

/* One backup: its objects as listed (sorted by key) against its seal. Used by the catalog, too. first: one line on the first fault, by path. Returns how many faults;
 * never 0 where not all of it could be looked at. */
struct member { /* an object that stands in a backup */
	char *key;
	uint64_t length;
	char etag[STORE_ETAG_MAX];
	int64_t modified;
};
unsigned verify_backup(struct vault *v, const struct seal *seal, const struct member *members, size_t count, const struct verify_config *config, char *first,
		       size_t cap, struct store_call *call);

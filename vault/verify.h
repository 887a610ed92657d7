/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/backup.h"

/* Is a sealed backup what its seal says? Quick: the listing against the seal (missing, extra, of another length; another ETag: header and trailer are read, object
 * id, size and attributes compared). Full: besides, every chunk is decrypted; a sample: those whose turn it is. Writes nothing but control/verify (verify_memory.h), and that only with full or
 * sample of a whole tenant. What differs from its seal is looked at again before it is told: somebody may just be changing it. */
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
	unsigned sample;           /* percent of the bytes, 1 to 100: in ⌈100/sample⌉ runs, one behind the other, every byte is decrypted once. 0: none. Not with full */
	bool resume;               /* with full: what an earlier full run, that did not come to its end, found good within VERIFY_RESUME_S is not decrypted again */
	unsigned threads;          /* 0: 8 */
	const atomic_bool *stop;
	/* Before each step (a backup, an object, a MiB), by the thread that takes it: may wait, and should look at stop. May be NULL. */
	void (*pace)(void *arg);
	/* Any thread, one at a time. May be NULL. path: below the tenant, bytes as in the bucket; "" where the seal itself is meant. Those of one backup come
	 * together, by path. */
	void (*fault)(void *arg, const char *tenant, const char *stem, const char *path, enum verify_fault f, const char *detail);
	void (*progress)(void *arg, const struct verify_progress *p);
	void *arg;
};
struct verify_result {
	uint64_t sealed, good, bad, unsealed, objects, bytes;
	uint64_t decrypted;        /* plain bytes that were read and decrypted */
	uint64_t resumed;          /* of good: decrypted by the run that is gone on with, and compared with the listing only */
	unsigned part, parts;      /* of the last sample: its turn, from 1 on, and how many there are; 0: none */
};
/* Adds the numbers of one to those of all; part and parts are of one tenant's sample, and stay. NOW. */
void verify_result_add(struct verify_result *all, const struct verify_result *one);
#define VERIFY_RESUME_S (7 * 86400)
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

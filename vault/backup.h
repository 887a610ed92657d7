/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/seal.h"

/* The backups of a tenant and what state each is in: what list, verify, the plan and the mount's status show alike. */

enum backup_state {
	BACKUP_OPEN,      /* somebody alive writes it, or it was sealed and is being changed */
	BACKUP_SETTLING,  /* all closed, by a writer that lives; it will seal it */
	BACKUP_SEALED,    /* what stands there is what its seal lists */
	BACKUP_UNSEALED,  /* nothing says that it is complete */
	BACKUP_PARTIAL,   /* known not to be: see reason */
	BACKUP_DAMAGED,   /* it is not what its seal lists: see reason */
	BACKUP_DELETED    /* a tombstone stands: hidden, and there until deleted_until_s */
};
const char *backup_state_name(enum backup_state s); /* "open" ... */

struct backup {
	char stem[STEM_CAP];
	enum backup_state state;
	char reason[160];         /* of partial and damaged: one line; else "" */
	bool timed, imported;
	bool future;              /* its commit is over an hour ahead of the server's clock, or its name's time over SEAL_SKEW_S (pods write local time): it counts for nothing */
	int64_t time_s;           /* the backup's time; where !timed, its commit */
	int64_t committed_s;      /* the latest commit of a member; of an unsealed one LastModified */
	int64_t sealed_s;         /* 0: no seal. Of a deleted one, or where the seal is damaged: the seal's LastModified */
	uint64_t bytes;           /* sealed: plain bytes; else bytes in the bucket */
	uint64_t stored;          /* bytes of all its objects in the bucket */
	uint64_t objects;         /* that stand there, scratch included */
	uint64_t scratch;         /* objects beside a sealed archive, or that were left out of the seal as somebody had them open: not of the backup */
	bool foreign;             /* an object without our magic was seen in it: only looked for where there is no seal */
	bool live_writer;         /* a writer that is not silent has committed in it lately, or names it in its record */
	bool held;                /* a legal hold */
	int64_t deleted_until_s;  /* of a deleted one: end of its grace */
	char seal_etag[STORE_ETAG_MAX]; /* "": none */
	uint8_t listed[32];       /* digest over key, length and ETag of all its objects, in order of key */
};

struct catalog {
	char tenant[PATH_CAP];
	struct backup *backups;   /* newest first: by time_s, then stem */
	size_t count;
	uint64_t objects;         /* in the tenant's folder */
	int64_t begun_s;          /* the server's clock at the beginning of the listing */
	int64_t server_s;         /* and at its end */
	int64_t skew_s;           /* our clock less the server's */
};

/* What an earlier look found (kept in control/retention): a good sealed backup whose seal's ETag and whose listing's digest are the same needs no request of its own; nor does an
 * unsealed one, or one whose members say that it is partial, unless a writer's record names it, or somebody alive may have written it lately. */
struct catalog_memory {
	struct backup *known;     /* sorted by stem */
	size_t count;
};

struct tombstone;

struct catalog_options {
	const struct catalog_memory *memory; /* NULL: none */
	uint32_t settle_s;        /* a live writer's commits are younger: settling; 0: 900 */
	unsigned threads;         /* for the reads of what is not in memory; 0: 8 */
	const char *only;         /* this stem alone, or NULL */
	void (*tombstone)(void *arg, struct tombstone *t); /* each that was read, by whichever thread did: what is taken out of it is the taker's; NULL: nobody wants them */
	void *arg;
};

/* Lists the tenant whole, its seals, tombstones, holds and writers, and decides. Requests: one a 1000 objects, five for the records, and for each backup that is
 * not in memory its seal (and, unsealed, its members' trailers). BLOCKS. 0; or the errno of the first listing or record that could not be read: then nothing
 * is known, and *out is empty. ENOENT: no such tenant. Damaged records keep rather than remove: a tombstone hides its backup without an end of its grace, holds hold every backup, and a
 * writer's record names nothing, but its writer counts as alive while it is young. */
int catalog_read(struct vault *v, const char *tenant, const struct catalog_options *options, struct catalog *out, struct store_call *call);
void catalog_free(struct catalog *c);
DEFINE_AUTO(catalog, catalog_free)
const struct backup *catalog_find(const struct catalog *c, const char *stem);

/* The tenants of the bucket, sorted, with those of whom nothing is left but seals or tombstones; freed by tenant_names_free. The one of the configuration where it names one. */
struct tenant_names {
	char **names;
	size_t count;
};
int tenants_list(struct vault *v, struct tenant_names *out, struct store_call *call);
void tenant_names_free(struct tenant_names *n);
DEFINE_AUTO(tenant_names, tenant_names_free)

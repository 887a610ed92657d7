/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/call.h"
#include "fs/gate_policy.h"
#include "vault/seal.h"

/* The backups that this mount touches: which are sealed, which wait for their seal, and the work that seals them. A set is known by tenant and stem; it is made when
 * something in it is first changed or looked at; those that nothing is to be done with are forgotten, the longest unused first. Everything is guarded by the file system's lock, but for what says BLOCKS.
 *
 * When a set is sealed by itself (design §7):
 *   at the last release of an archive, or of a file that is its only member and has a time in its name
 *   at drain, and 15 minutes after the last operation, where it holds its completeness mark, or an archive, or was sealed before */
struct set {
	UT_hash_handle hh;        /* by key; in order of last use */
	char *key;                /* "tenant/stem"; the next two are of the same block */
	const char *tenant, *stem;
	bool timed;               /* the stem has a time */
	enum set_state state;
	int64_t looked_ms;        /* when the store was last asked what it is; 0: never */
	bool own;                 /* the state is this mount's doing */
	char *tops[8];            /* direct children that the seal lists */
	unsigned top_count;
	bool more_tops;           /* there are more: every name counts as listed */
	struct seal *seal;        /* while it is sealed: what reads are compared with, and attributes are taken from. NULL: there was no room, or seal_large */
	size_t seal_bytes;        /* counted for it */
	bool seal_large;          /* more entries than are kept */
	char seal_etag[STORE_ETAG_MAX]; /* of the seal's record; "" not known */
	bool kept;                /* since it was sealed, this mount has put a copy of it into the trash */
	bool by_file;             /* its seal was made when an archive, or its only file, was closed: no mark is asked for */
	unsigned pins;            /* who uses it without the lock; so do sealing and writers */
	bool asking;              /* somebody asks the store what it is */

	bool touched;             /* changed by this mount since it was last sealed */
	bool inside;              /* something in a folder of it was written: it may hold a completeness mark */
	unsigned writers;         /* files of it that are open for writing, or being finished */
	unsigned files;           /* of these: direct children of the tenant, which are of the backup whatever is scratch */
	unsigned archives;        /* of these: archives */
	bool sealing;             /* a call of ours is on its way */
	bool due;                 /* to be sealed as soon as no writer is left */
	uint64_t changes;         /* counts what changed it, so that a seal made meanwhile is known to be old */
	int64_t acted_ms;         /* last operation */
	int64_t read_ms;          /* a file that its seal lists was last opened for reading, 0: never; witness.c */
};

int sets_start(struct fs *f); /* ENOMEM, EAGAIN */
void sets_quit(struct fs *f); /* ends the thread: nothing is sealed by itself any more */
void sets_stop(struct fs *f); /* frees */

/* The set of a path of the vault, made where it is new. NULL: the path is a tenant, the root, or internal; or no memory. *top: the direct child's name, inside path. */
struct set *sets_of(struct fs *f, const char *path, const char **top);
/* Whether what it is need not be asked for. */
bool set_known(const struct set *s);
/* The lock is held. Whether something may be made in a set that is not known, from memory alone: it is known to have no seal by this mount's work of the last minute, or
 * the tenant's folder was listed and has no name of it. A folder in which a file is being made is closed to everybody meanwhile (the kernel holds its lock), so
 * that a request on the way would stop every ls in it. */
bool sets_new(struct fs *f, struct set *s);
/* The lock is held. What is remembered of a tenant's folder; NULL: nothing. */
struct dir *sets_names(struct fs *f, const char *tenant);
/* Whether the seal lists that direct child. */
bool set_lists(const struct set *s, const char *top);
/* Whether it lists an archive other than that direct child, or what is below. */
bool set_archive_stays(const struct set *s, const char *top);
/* Whether an archive of it is being written or waits for its seal. */
bool set_archive_waits(const struct set *s);

/* Something of it is changed by this mount, now or soon. */
void set_changed(struct set *s);

/* A file was opened for writing where it was not before; and its last release is done. good: it stands in the bucket as its writer meant it. */
void sets_opened(struct fs *f, struct node *node);
void sets_closed(struct fs *f, struct node *node, bool good);
/* A file was renamed: an archive that came to its name so is as good as one that was closed there. */
void sets_moved(struct fs *f, struct node *node);

/* The lock is held. Is the object of that node, which is to be read, what the seal of its backup lists? 0; ESTALE: no, by a seal that is to be asked for once more;
 * EIO: no (logged). */
int sets_check(struct fs *f, struct node *node);

/* BLOCKS. Asks the store what the set is, unless that is known: 0 or a store errno. shelf: by what the tenant's records are, which are listed if need be: for who looks at
 * many; else that is taken only where it is at hand. */
int sets_look(struct fs *f, const char *path, bool shelf, struct store_call *call);
/* The lock is held. The seal of a path of the vault, where its set is known to be sealed, and nothing of it is being changed; NULL: it is not, or is not in memory. */
const struct seal *sets_seal(struct fs *f, const char *path, const char **top);
/* BLOCKS. Seals what can be sealed, until deadline: for drain. Returns how many sets that should have been sealed were not (each is logged). */
unsigned sets_seal_all(struct fs *f, int64_t deadline);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/lease.h"
#include "vault/seal.h"

/* Deleting a backup in two phases. tombstones/<stem> (docs/format.md §11):
 *   (none) -> GRACE      tombstone_put: the backup is hidden, its objects stay
 *   GRACE -> (none)      undelete; while it is under way `until` is TOMBSTONE_FAR, so that no deletion begins
 *   GRACE -> TRASH       its name is made anew: the objects move to trash/<id>/, and with them the record
 *   TRASH -> (none)      undelete, back to its name or to another; or deleted
 *   GRACE -> DELETING    by a conditional write, which also takes the seal's text in: nobody can undelete any more
 *   DELETING -> (none)   every object, version and marker is gone, and a listing proved it
 * All calls block; they are idempotent, and what was interrupted goes on with the same call. */
#define TOMBSTONE_FAR INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
enum tombstone_phase { TOMB_GRACE, TOMB_DELETING };

struct tombstone {
	char stem[STEM_CAP];
	char id[33];              /* drawn when it was made; names its trash */
	enum tombstone_phase phase;
	bool trashed;             /* its objects are in the trash, or, in a record that stands in place, on their way there */
	bool in_trash;            /* this is the record in the trash */
	bool begun;               /* it was read in phase DELETING: somebody did not come to the end, so that versions may be left of what is gone */
	int64_t at_s, until_s;    /* server's clock */
	char *why;                /* one line; owned */
	char by[128];             /* writer and program */
	uint64_t epoch;           /* 0: not by retention */
	uint64_t objects, bytes;
	char *seal;               /* phase DELETING, and in the trash: the seal's text; owned; NULL: there was none */
	struct record_id record;  /* of the version read */
};
void tombstone_free(struct tombstone *t);
DEFINE_AUTO(tombstone, tombstone_free)
int tombstone_encode(const struct tombstone *t, char **text);
int tombstone_decode(const char *text, size_t len, struct tombstone *out); /* EBADMSG, EPROTONOSUPPORT, ENOMEM */

/* In place: key tombstones/<stem>. ENOENT: none. */
int tombstone_read(struct vault *v, const char *tenant, const char *stem, struct tombstone *out, struct store_call *call);
/* Makes one: EEXIST: it is deleted already. grace_s: seconds from now by the server's clock. */
int tombstone_put(struct vault *v, const char *tenant, const char *stem, const char *why, int64_t grace_s, uint64_t epoch, struct store_call *call);
/* The same by what a listing has found, without another: the deletion will not begin where something else stands there, or what is younger than the listing. */
struct tombstone_listed {
	uint64_t objects, bytes; /* in the bucket */
	int64_t at_s;            /* the server's clock when the listing began */
	int64_t now_s;           /* and now */
};
int tombstone_put_listed(struct vault *v, const char *tenant, const char *stem, const char *why, int64_t grace_s, uint64_t epoch, const struct tombstone_listed *listed,
			 struct store_call *call);
/* Takes it back. to NULL: under its own name; else every member's stem is replaced by `to`, which must be free: EEXIST. A trashed one needs its id. ENOENT: no
 * tombstone; EBUSY: deletion has begun, or it is being moved to the trash; EINVAL: not all of its names would be of one backup under `to`. */
int tombstone_undelete(struct vault *v, const char *tenant, const char *stem, const char *id, const char *to, struct store_call *call);
/* Before the name is made anew: moves objects and seal of a deleted backup to the trash. 0 also where there is no tombstone. EBUSY: deletion has begun; it is then
 * finished first, or, where that takes too long, told. */
int tombstone_to_trash(struct vault *v, const char *tenant, const char *stem, struct store_call *call);
/* Before files of a sealed backup are written over: a copy of all of it goes to the trash, as if it had been deleted; the originals stay. ENOENT: nothing stands there. */
int trash_copy(struct vault *v, const char *tenant, const char *stem, const char *why, int64_t grace_s, struct store_call *call);
/* Deletes what its tombstone allows (grace over; the lease is checked before each batch): 0: nothing is left; EAGAIN: not yet, or held; ESTALE: undeleted meanwhile,
 * changed since it was deleted (logged), or lease lost; EBUSY: somebody writes there; EACCES: objects are locked or no permission; or a store errno. */
int tombstone_finish(struct vault *v, const char *tenant, const struct tombstone *t, struct lease *lease, struct store_call *call);

/* The same for many in place at once, of which none is in the trash, read as their records stand now: what costs a request each alone costs few for all. objects: about as many
 * stand in the tenant's folder. Memory: some 100 bytes and the key for each object of them. results[i]: 0, or why that one did not go, as above; ECANCELED: it was not
 * come to. What is returned stopped all of it: 0, or a store errno, ESTALE: the lease was lost, ECANCELED; the next call goes on. */
int tombstone_finish_many(struct vault *v, const char *tenant, struct tombstone *list, size_t count, uint64_t objects, struct lease *lease, int *results, struct store_call *call);

/* An undelete that somebody began a day ago or earlier, and did not end: the tombstone gets a new grace from now_s (server's clock) on, in which it can be taken back as before.
 * EAGAIN: it is none, or too young. Logged. */
int tombstone_lapse(struct vault *v, const char *tenant, struct tombstone *t, int64_t now_s, int64_t grace_s, struct store_call *call);

/* Everything in the trash; their seals' texts are left out. */
struct trash_list {
	struct tombstone *items;
	size_t count;
	size_t unnamed;           /* in the trash without a record: copies that were not ended, or whose record is gone */
	char unnamed_id[33];      /* of one of them */
};
int trash_list(struct vault *v, const char *tenant, struct trash_list *out, struct store_call *call);
void trash_list_free(struct trash_list *t);
DEFINE_AUTO(trash_list, trash_list_free)

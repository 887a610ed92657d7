/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/object.h"
#include "vault/seal.h"

/* The names: folders, listings, removal. Paths as in path.h. All calls block. What the mount remembers of them is fs/'s business, but for removals
 * that wait, which commits must see: those are kept here. */

struct tree_entry {
	char *name;
	bool folder;
	uint64_t length;            /* bytes in the bucket; folders: 0 */
	uint64_t size;              /* plain bytes if it is ours; length where no file of ours can have that length */
	char *etag;
	int64_t modified;
};

struct tree_listing {
	struct tree_entry *entries; /* sorted by name; a name that is both file and folder is given as the folder only, and logged */
	size_t count;
	bool marker;                /* the folder has its marker (or is the root) */
	bool exists;                /* marker, or at least one entry */
	bool thinned;               /* tree_listing_drop took some out */
	char marker_etag[STORE_ETAG_MAX];
	struct tally *tally;        /* where it is counted; the entries' memory and TREE_LATER each */
	size_t counted;             /* bytes */
};
/* An entry costs so much more in the memory of the folder that takes its name over (fs/dir.h), and is counted from the start: what could be listed can
 * be remembered. Checked there. */
#define TREE_LATER 136u

/* The direct children of a folder, all pages. ENOMEM: more than the memory for names holds (vault_names); the log says so. Removals that wait are left out. .pishop is left out of the root. ENOENT is never given:
 * look at `exists`. */
int tree_list(struct vault *v, const char *path, struct tree_listing *out, struct store_call *call);
void tree_listing_free(struct tree_listing *l);
/* The same by what a seal lists, without a request: below is the folder's path below the tenant. What tree_list cannot know: etag is NULL, and modified is the entry's own time. No
 * entry: exists is false, the seal knows of no such folder. ENOMEM. Never blocks. */
int tree_list_sealed(struct vault *v, const struct seal *seal, const char *below, struct tree_listing *out);
/* Takes out the entries for which drop is true. */
void tree_listing_drop(struct tree_listing *l, bool (*drop)(void *arg, const struct tree_entry *e), void *arg);
/* Whether anything is below a folder other than its marker: one request of two keys, after removals that wait below it were sent (their errors are
 * given, too: it is then not empty). */
int tree_empty(struct vault *v, const char *path, bool *empty, struct store_call *call);

/* Puts a folder's marker: EEXIST if it is there. As tree_uncover. */
int tree_make_folder(struct vault *v, const char *path, const struct trailer *attrs, struct object **out);
/* BLOCKS. A folder's marker was put. In a bucket that keeps versions, what is left of a removed file of its name is removed for good, by version ids, as its delete marker would hide all
 * that comes into the folder. 0; or the folder is removed again (logged): EEXIST: a file stands there; EACCES; EPERM (object lock); or a store errno. No request where the bucket keeps no
 * versions (two at the first call), else one or more. */
int tree_uncover(struct vault *v, const char *path);
/* Loads a folder's marker for its attributes: ENOENT: there is none (the folder is implied by its children). */
int tree_load_folder(struct vault *v, const char *path, struct object **out, struct store_call *call);

/* Removal that may wait: taken into the batch, sent with the next tree_send_removals, when the batch is full, or after 200 ms.
 * tree_remove_later never blocks. folder: the marker of that path. */
int tree_remove_later(struct vault *v, const char *path, bool folder);
/* The same, where the ETag of what is removed is known: a write that takes the place of the removal then replaces that object and no other. */
int tree_remove_known_later(struct vault *v, const char *path, bool folder, const char *etag);
/* Sends the removals that wait under folder ("" : all) and waits for the answers: 0, or the first errno (also of removals that were
 * sent by the clock and failed since the last call). Failed ones are logged; their names exist again. */
int tree_send_removals(struct vault *v, const char *folder);
/* BLOCKS. Removes it at once, along with what waits in the same folder (whose errors are told later): 0: it is gone, or what stands there is another's by
 * now (etag given); else its own errno, logged: the name exists again, or, where the answer was lost, may. */
int tree_remove_now(struct vault *v, const char *path, bool folder, const char *etag);
/* Before anything is written at a key: a removal that waits there is taken out of the batch (*was_waiting = true: the old object
 * still stands there, and may be replaced), one under way is waited for. */
int tree_claim_key(struct vault *v, const char *key, bool *was_waiting);
/* The same for a write under a condition: where a removal waited, "nothing may stand there" becomes "the object that was to be removed" if its ETag
 * is known, else no condition. 0. */
int tree_claim_cond(struct vault *v, const char *key, struct store_cond *cond);
/* True while a removal of this key waits or is under way. */
bool tree_removal_waits(struct vault *v, const char *key);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/acting.h"
#include "vault/hold.h"
#include "vault/tombstone.h"

/* What the tombstone*.c files share; for them only. */

/* ---- tombstone_objects.c: where the objects of a deleted backup are: in the tenant's folder, or in the trash */
struct place {
	struct vault *v;
	char prefix[PATH_CAP];  /* of all its keys, and perhaps of others' */
	size_t root;            /* bytes of a key before the path below the tenant */
	char stem[STEM_CAP];    /* of the keys below the prefix only those of this set; "": all */
};
int place_live(struct vault *v, const char *tenant, const char *stem, struct place *out);
int place_trash(struct vault *v, const char *tenant, const char *id, struct place *out);
bool place_has(const struct place *p, const char *key);

/* Asked before each request that changes something: 0, or what stops it. */
struct guard {
	int (*ask)(void *arg, struct store_call *call);
	void *arg;
	uint32_t request_ms;  /* longest deadline of a request; 0: the usual */
	struct store_call *user;
};
int guard_ask(const struct guard *g);

/* Gives the objects of the place, a page at a time, those of others left out. */
typedef int place_seen(void *arg, const struct store_object *objects, size_t count);
int place_walk(const struct place *p, const struct guard *g, place_seen *fn, void *arg);

struct place_sum {
	uint64_t objects, bytes;
	int64_t newest_s;  /* LastModified */
	int64_t server_s;  /* the server's clock at the end */
};
int place_sum(const struct place *p, const struct guard *g, struct place_sum *out);

/* Removes these objects by their keys in batches. EACCES: at least one may not go (logged). */
int place_remove(const struct place *p, const struct guard *g, const char *const *keys, size_t count);
/* Removes everything, versions and delete markers too, until a listing proves that nothing is left. *versioned: there were versions. EBUSY: more came while it went
 * on. */
int place_erase(const struct place *p, const struct guard *g, bool *versioned);
/* Removes versions and markers of those keys on which nothing stands any more. */
int place_erase_hidden(const struct place *p, const struct guard *g, bool *versioned);
/* Removes one record; where versions are kept, all of them. */
int erase_record(struct vault *v, const struct guard *g, const char *key, bool versioned);

/* ---- tombstone_copy.c */
/* The object, byte for byte, at another key where nothing stands; what stands there already is left when it is the same object. Checked: length, and ETag or header
 * and trailer. EEXIST: another object stands there; ESTALE: the source changed; or a store errno, logged. */
int copy_verbatim(struct vault *v, const struct store_object *from, const char *to, const struct guard *g);
/* Whether the same object stands at `to`, by ETag, else by header and trailer: 0 and *same; or a store errno. */
int copy_stands(struct vault *v, const struct store_object *from, const char *to, const struct guard *g, bool *same);

/* ---- tombstone.c */
int tombstone_key(struct vault *v, const char *tenant, const struct tombstone *t, bool in_trash, char key[PATH_CAP]);
int trash_read(struct vault *v, const char *tenant, const char *id, struct tombstone *out, struct store_call *call);
/* Writes it over the version that it was read as (record.etag ""  : where nothing stands), and sets that. ESTALE, EEXIST. */
int tombstone_write(struct vault *v, const char *key, struct tombstone *t, struct store_call *call);
void tombstone_by(struct vault *v, char *by, size_t cap);

/* ---- tombstone_delete.c */
/* GRACE -> DELETING, by a conditional write. seal: its text, where it was kept elsewhere. */
int tombstone_begin(struct vault *v, const char *tenant, const char *key, struct tombstone *t, const char *why, const struct guard *g);
/* The same where its grace is over and `sum`, which is what stands there, is what it was made for; the audit log is told. EAGAIN: not yet; ESTALE: changed (logged). */
int tombstone_begin_due(struct vault *v, const char *tenant, const char *key, struct tombstone *t, const struct place_sum *sum, int64_t now_s, const struct guard *g);
/* A hold that was written before the word `deleting` stood wins, as long as nothing is gone: EAGAIN, and the grace stands again. (hold_add takes one back that came later.)
 * 0: it goes on. */
int tombstone_held(struct vault *v, const char *tenant, const char *key, struct tombstone *t, const struct holds *holds, const struct place_sum *sum, const struct guard *g);
/* All of what a tombstone in phase DELETING stands for; the audit log is told of it where tell. */
int tombstone_erase(struct vault *v, const char *tenant, const char *key, struct tombstone *t, bool in_trash, bool tell, const struct guard *g);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/hash.h"
#include "vault/tree.h"

/* What is remembered of one folder's names: from a listing, from what this mount did, or both. It answers for DIR_FRESH_MS; one that this run made
 * answers which single names are there without limit, so that a dump of hours needs no listing for each file it makes. Plain data; the file
 * system's lock guards it, nothing blocks.
 *
 * INV-DIR  While a listing is under way, names that change here are stamped, and win over what the listing says; removed names stay as `gone` until it
 *          has come back. */
#define DIR_FRESH_MS 60000
#define DIR_READ_MS 200

struct node;

struct dir_entry {
	char *name;
	struct node *node;   /* NULL: nobody asked for it yet */
	uint64_t size, length; /* plain bytes and bytes in the bucket, as listed */
	int64_t modified;    /* seconds since the epoch, as listed */
	uint64_t changed;    /* stamp of the last change made here */
	bool folder;
	bool gone;           /* removed here while a listing is under way */
	bool seen;           /* scratch of dir_merge */
	UT_hash_handle hh;
};

struct dir;

/* An immutable list of a folder's names, sorted by bytes. Reference counted under the file system's lock. */
struct dir_names {
	unsigned refs;
	struct tally *tally;
	size_t counted; /* bytes */
	size_t count;
	struct dir_name {
		char *name;
		uint64_t size;
		bool folder;
	} names[];
};

/* tally: where its memory is counted, or NULL. made: this run has just made the folder (clock_mono_ms), so it is empty. NULL: no memory. */
struct dir *dir_new(struct tally *tally, bool made, int64_t now);
void dir_free(struct dir *d); /* NULL is legal; nodes of entries are not touched */

enum dir_answer { DIR_THERE, DIR_ABSENT, DIR_ASK };
/* What memory says of a name at `now` (clock_mono_ms). *out: the entry on DIR_THERE, and on DIR_ASK where an old one is remembered, else NULL. */
enum dir_answer dir_find(struct dir *d, const char *name, int64_t now, struct dir_entry **out);
/* True while all names, and emptiness, may be answered from memory. */
bool dir_fresh(const struct dir *d, int64_t now);
/* The same for whoever reads all names, as `ls` does: where others may write, that is of this very moment, or the Job that ends with `ls` fails for the scratch folder that
 * another mount's Job has just removed. What this run made it knows as long as any. */
bool dir_readable(const struct dir *d, int64_t now);
/* As dir_fresh, and no name that the store has is hidden here. */
bool dir_whole(const struct dir *d, int64_t now);
/* Names that are there (those gone are not counted). */
size_t dir_count(const struct dir *d);
/* How many of them match. Looks at each. */
size_t dir_matching(const struct dir *d, bool (*match)(const char *pattern, const char *name), const char *pattern);

/* A name appeared, or was written anew, by this mount. NULL: no memory. */
struct dir_entry *dir_put(struct dir *d, const char *name, bool folder, struct node *node);
/* A name went away by this mount. */
void dir_drop(struct dir *d, const char *name);
/* What the last listing said of the name no longer holds: this mount changed the object, or somebody else did. */
void dir_touch(struct dir *d, const char *name);
/* Nobody keeps the node any more; the name stays. */
void dir_forget_node(struct dir *d, const char *name, const struct node *node);
/* Memory is no longer to be trusted: the next question lists again. */
void dir_expire(struct dir *d);
/* The same, and what nobody uses is given back: every name without a node, and the last snapshot. How many bytes of the tally; 0 also while a listing is under
 * way. What this run made and what takes `made_most` bytes or more stays: a listing of it might not fit. Nobody may be between a listing and the look
 * at what it brought. */
size_t dir_shrink(struct dir *d, size_t made_most);

/* What a merge needs to know of nodes, and tells. */
struct dir_watch {
	bool (*same)(const struct node *node, const struct tree_entry *listed); /* is what was listed still what the node is? */
	bool (*keep)(const struct node *node); /* not in the bucket yet: stays although it was not listed */
	void (*lost)(void *arg, struct node *node); /* the node's entry was replaced, or vanished, behind the mount */
	void *arg;
};
/* Around tree_list: begin gives the stamp for merge, whose `now` is when it began. Every begin is followed by one merge or one dir_list_failed. */
uint64_t dir_list_begin(struct dir *d);
/* Takes the names that are new out of the listing. 0 or ENOMEM. */
int dir_merge(struct dir *d, uint64_t stamp, struct tree_listing *listing, int64_t now, const struct dir_watch *watch);
void dir_list_failed(struct dir *d);

/* The names that are there. NULL: no memory, or the tally has no room. The caller gives its reference back with dir_names_unref. The last snapshot is also kept for look-ahead. */
struct dir_names *dir_snapshot(struct dir *d);
void dir_names_unref(struct dir_names *names); /* NULL is legal */
/* Position of a name in a snapshot; count where it is not there. */
size_t dir_names_find(const struct dir_names *names, const char *name);

/* Look-ahead: names whose attributes will probably be asked for next. Called for each name that is looked up; gives the range [*from, *to) of the last
 * snapshot that should be loaded now. It is empty until names are looked up in order, and doubles from 8 to 64 while they are. */
struct dir_names *dir_ahead(struct dir *d, const char *name, size_t *from, size_t *to);

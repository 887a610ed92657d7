/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/auto.h"

#include <stdbool.h>
#include <stdint.h>

/* The memory budget of the mount, in slabs of one chunk each. Everything that holds file data (plain or encrypted) holds it in
 * slabs from here, so that the budget is a bound by construction. Slabs are mapped once and reused; their bytes are wiped (plain
 * text of somebody's database) when the arena is freed. Any thread.
 *
 * Four sides draw from one arena, and each has a floor that the others cannot take, so that neither starves the other:
 *   SLAB_WRITE    what writers hold            SLAB_READ  prefetch windows and cached small objects
 *   SLAB_COMMIT   chunks that a commit must build or fetch (holes, parts of a base); whoever holds the commit token (slab_commit_lock)
 *                 may take all of its floor, so a commit never waits for writers' memory
 *   SLAB_NAMES    what listings and remembered folders take; counted only, by tally.h */
#define SLAB_BYTES 65536u

enum slab_side { SLAB_WRITE, SLAB_READ, SLAB_COMMIT, SLAB_NAMES, SLAB_SIDES };

struct slab {
	uint8_t *data;     /* SLAB_BYTES, page aligned */
	struct slab *next; /* for the holder's lists; NULL when taken */
	uint8_t nonce[12]; /* of the record when data is encrypted in place */
	uint8_t tag[16];
	enum slab_side side;
};

struct slabs;

/* total: slabs in all; floor[side]: slabs kept for that side; the floors add up to total or less. NULL: no memory. */
struct slabs *slabs_new(uint32_t total, const uint32_t floor[SLAB_SIDES]);
void slabs_free(struct slabs *s); /* all slabs must have been given back, the commit token too; aborts otherwise */
DEFINE_AUTO(slabs, slabs_free)

/* One slab, not zeroed, or NULL when that side may take no more now. Never blocks. */
struct slab *slab_take(struct slabs *s, enum slab_side side);
/* Gives back one slab (NULL is legal; one that is free already aborts) or a list linked by next, and wakes the waiters. */
void slab_give(struct slabs *s, struct slab *slab);
void slab_give_list(struct slabs *s, struct slab *first);

/* Waits until memory may have become free for that side or until deadline (clock_mono_ms; one in the past only looks): 0 or
 * ETIMEDOUT. Spurious returns are legal. FUSE workers never call this. */
int slab_wait(struct slabs *s, enum slab_side side, int64_t deadline_ms);
/* Called (in the giver's thread, without locks held) after slabs were given back while somebody had been refused. One listener. */
void slabs_on_free(struct slabs *s, void (*fn)(void *arg), void *arg);

struct slab_stats {
	uint32_t total, used[SLAB_SIDES], floor[SLAB_SIDES], peak; /* slabs */
	uint64_t refused;                                          /* takes answered NULL, ever */
	uint32_t token_waiters;                                    /* threads that wait for the commit token now */
};
void slabs_stats(struct slabs *s, struct slab_stats *out);

/* The commit token: one holder at a time, given in the order of asking. Slabs of SLAB_COMMIT are taken only by its holder (and by
 * jobs that work for it), who therefore finds the whole floor of that side free. Not recursive; any thread may give it back.
 * 0, or ETIMEDOUT once deadline (clock_mono_ms; one in the past only tries) has passed. FUSE workers never call this. */
int MUST_CHECK slab_commit_lock(struct slabs *s, int64_t deadline_ms);
void slab_commit_unlock(struct slabs *s);

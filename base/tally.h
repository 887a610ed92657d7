/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/slab.h"

/* Memory that does not lie in slabs and yet counts against the budget (slab.h): whoever allocates it tells how many bytes. For each begun SLAB_BYTES one
 * slab is held whose pages the kernel gets back, so the sum of both stays within the budget. Any thread; never blocks but for its own lock. NULL counts
 * nothing and refuses nothing. */
struct tally;

/* Of that side; never more than `most` slabs. NULL: no memory. */
struct tally *tally_new(struct slabs *s, enum slab_side side, uint32_t most);
void tally_free(struct tally *t); /* NULL is legal; also where bytes are still counted */

/* 0; ENOMEM: there is no room, nothing was counted. tally_add asks the listener first, so that one's locks must not be held. */
int MUST_CHECK tally_try(struct tally *t, size_t bytes);
int MUST_CHECK tally_add(struct tally *t, size_t bytes);
/* Counts what is there already and cannot be refused: later ones are refused until it is paid. */
void tally_force(struct tally *t, size_t bytes);
void tally_sub(struct tally *t, size_t bytes); /* more than was counted aborts */

/* Called where room is wanted, without locks held: true when it has made some. One listener; NULL: none. */
void tally_on_full(struct tally *t, bool (*fn)(void *arg), void *arg);

/* To be called after much was freed, without locks: gives the kernel what malloc would keep. bytes: how much; little costs nothing here. */
void tally_trim(size_t bytes);

size_t tally_bytes(struct tally *t); /* what is counted now */
/* What it could count at most, were nothing else there. */
size_t tally_most(struct tally *t);

/* What malloc takes for so many bytes (glibc: 8 for itself, in steps of 16, 32 at least). */
static inline size_t tally_block(size_t bytes)
{
	size_t n = (bytes + 8 + 15) & ~(size_t)15;

	return n < 32 ? 32 : n;
}

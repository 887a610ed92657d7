/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/sets.h"
#include "fs/shelf.h"

/* Between sets.c, sets_look.c and sets_seal.c. */

/* The lock is held: what the seal lists is taken over; it is empty afterwards. etag: of its record, "" where that is not known. */
void set_take_seal(struct fs *f, struct set *s, struct seal *seal, const char *etag);
/* What it is was decided here, and is being changed here: the store would tell an older state. */
bool set_in_hand(const struct set *s);

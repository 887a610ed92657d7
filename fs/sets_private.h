/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/sets.h"

/* Between sets.c and sets_seal.c. */

/* The lock is held: what the seal lists is taken over; it is empty afterwards. */
void set_take_seal(struct set *s, struct seal *seal);

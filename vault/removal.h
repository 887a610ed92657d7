/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/vault_private.h"

/* What tree.c asks of the batch of removals (removal.c); tree.h has the public side. */

/* A listing that begins before removals are answered may show their names although they are answered before it ends. Between these two calls
 * removals that were done are still remembered, and hide. */
void removals_look_begin(struct vault *v);
void removals_look_end(struct vault *v);
bool removal_hides(struct vault *v, const char *key);
/* Whether any removal waits or is under way below that folder (its own marker does not count). */
bool removals_below(struct vault *v, const char *folder);

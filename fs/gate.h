/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/call.h"

/* Before anything is changed: what does it do to a sealed, or deleted, backup? Called for each request that changes something; goes on with next(c) at once
 * where nothing is to be done, else from a pool, when the reopen record, the tombstone or the seal stands that must stand first. Answers the call itself where
 * it is refused, or where the backup is hidden. */

void gate_make(struct call *c, void (*next)(struct call *c));   /* c->node, c->name */
void gate_remove(struct call *c, void (*next)(struct call *c)); /* c->node, c->name: unlink, rmdir */
void gate_rename(struct call *c, void (*next)(struct call *c)); /* also c->other, c->to */
void gate_open(struct call *c, void (*next)(struct call *c));   /* c->node, c->flags; readers pass */
void gate_attrs(struct call *c, void (*next)(struct call *c));  /* c->node, c->which */

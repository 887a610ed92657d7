/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/sets.h"

/* What requests do to sealed backups that no other record tells: who reads one back, and what is removed from one for good. For the audit log (vault/audit.h). */

/* The lock is not held. c->node is opened for reading, and its set was looked at: one line for each backup when it is first read, and again when nothing of it was opened
 * for an hour. NOW. */
void witness_read(struct call *c);
/* The lock is held. What that node stands for is removed for good, and its name is about to go: noted where it is what the seal of its backup lists. NOW. */
void witness_removed(struct call *c, const struct node *node);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/fs_private.h"

#include <cjson/cJSON.h>

/* Verification in a mount that lives long: one thread that compares every sealed backup of its tenants with its seal, again and again (vault/verify.h, quick). The first round begins at
 * a random moment of the first interval, so that many pods that start together do not verify together. It makes one request after the other, takes no lock that a Job waits
 * for, and while anything is open for writing, or a request is being answered, it looks at one backup or object a second at most.
 *
 * Faults are logged as errors by path, stand in the audit log (when they change, and once a day), and in status.json. */

int verification_start(struct fs *f); /* 0 also where the configuration asks for none; ENOMEM, EAGAIN */
/* Stops it, also in the middle of a request, and waits for that. What it found stays. Also where it was never started, and twice. */
void verification_end(struct fs *f);
void verification_free(struct fs *f); /* after verification_end */
/* The member "verification": interval, running, and of the last round that ended its time, numbers and the first hundred faults; null where none is done. */
void verification_status(struct fs *f, cJSON *to);

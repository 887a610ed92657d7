/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/fs_private.h"

#include <cjson/cJSON.h>

/* The backups that status.json shows: those of the mount's tenant, by the same look as `pishopctl list` takes, and on top what this mount is doing to them just now. Where the root holds
 * all tenants: only what this mount has touched. */

/* NOW. Whether what is known is old, and nobody is looking. */
bool status_backups_due(struct fs *f);
/* BLOCKS: looks, unless somebody else does; STATUS_LOOK_MS for each request. Where it fails, what was known stays. */
#define STATUS_LOOK_MS 3000
void status_backups_look(struct fs *f, struct store_call *call);
/* NOW. The members "backups", "backups_as_of" (null: never looked) and "backups_error" (null, or why the last look failed). */
void status_backups_add(struct fs *f, cJSON *to);
void status_backups_free(struct fs *f);

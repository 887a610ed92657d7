/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/auto.h"

#include <stdbool.h>
#include <stddef.h>

/* Paths of the vault: "<tenant>/<name>/<more>", without leading or trailing "/", "" is the root that holds the tenants.
 * A path maps to one key of the bucket: docs/format.md §6. Names are any bytes but "/" and NUL. */
#define PATH_CAP 1280u /* bytes that hold any path or key this program makes, with NUL */

struct path_rules {
	const char *prefix;    /* "" or "backups", no slash at either end */
	unsigned key_max;      /* bytes of a whole key */
	unsigned segment_max;  /* bytes of one name */
};

/* One name: 0; EINVAL for "", ".", "..", with "/" in it; ENAMETOOLONG. */
int path_check_name(const struct path_rules *rules, const char *name);
/* parent/name. ENAMETOOLONG when the key of a folder there would be too long; EPERM for ".pishop" directly in the root. */
int path_join(const struct path_rules *rules, char out[PATH_CAP], const char *parent, const char *name);
/* Keys: of a file or link; of a folder marker (ends in "/"; the root's is "<prefix>/" or ""); and of a record of the path's tenant. */
int path_key(const struct path_rules *rules, char out[PATH_CAP], const char *path, bool folder);
int path_record_key(const struct path_rules *rules, char out[PATH_CAP], const char *tenant, const char *kind, const char *name);
/* Path of an object in a tenant's staging area. It is below .pishop, so that no name of the tree maps there, but path_key and path_tenant take it as any. */
int path_staging(char out[PATH_CAP], const char *tenant, const char *name);
/* First component, or the tenant of a staging path, into out. "" for the root. */
void path_tenant(char out[PATH_CAP], const char *path);
const char *path_name(const char *path);            /* last component, inside path */
void path_parent(char out[PATH_CAP], const char *path);
bool path_inside(const char *path, const char *folder); /* path == folder or below it */

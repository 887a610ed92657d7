/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "kit.h"

#include "vault/seal.h"

/* Backups of the tenant acme with and without seals, for the tests of catalog and verification: made from parts, so that these do not rest on the sealer. */

#define LIVE "backups/acme/"
#define RECORDS "backups/.pishop/t/acme/"
#define ACME(path) LIVE path

/* A file with that content and trailer state, at the path below the tenant; a folder's marker where the path ends in "/". No writer's record comes of it. */
void sealed_put(struct kit *k, const char *path, const char *content, enum trailer_state state);
/* The same, in the name of another writer; hex of 16 bytes. */
void sealed_put_as(struct kit *k, const char *path, const char *content, enum trailer_state state, const uint8_t writer[16]);
/* Seals what stands, but for what has one of these prefixes (below the tenant; NULL: none is left out). Over the seal that stands, if any. The audit log is told. */
void sealed_seal(struct kit *k, const char *stem, const char *but);
/* A backup of three files in two folders, sealed. */
void sealed_make(struct kit *k, const char *stem);
/* A key of the path in that backup. */
const char *sealed_key(const char *stem, const char *path);
/* A reopen record of that backup, at the place of another or its own. */
void sealed_reopen(struct kit *k, const char *stem, const char *at);

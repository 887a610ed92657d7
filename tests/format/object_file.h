/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "crypto/trailer.h"

/* Whole objects in memory, with crypto/ alone: for tests. The findings are those of docs/format.md §7. */
enum finding { FOUND_GOOD, FOUND_FOREIGN, FOUND_NEWER, FOUND_OTHER, FOUND_DAMAGED, FOUND_CUT, FOUND_FAILED };

const char *finding_name(enum finding f); /* as in vectors.json: "good", "foreign", ... */

/* Decrypts a whole object; *t and *content (an initialised buf) are filled on FOUND_GOOD only. */
enum finding object_read(struct keyring *keys, const uint8_t *data, size_t len, struct trailer *t, struct buf *content);

/* Makes a whole object with a new key; t->size is set to len. 0 or an errno. */
int object_write(struct keyring *keys, struct trailer *t, const uint8_t *content, size_t len, struct buf *out);

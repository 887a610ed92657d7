/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/call.h"

/* statfs: the store's space where it tells, asked at most every SPACE_FRESH_MS; else one pebibyte, all of it free, so that df shows sane numbers and nobody
 * refuses to write. */
#define SPACE_FRESH_MS 10000

/* statfs. Answered from memory or from a pool. */
void space_get(struct call *c);

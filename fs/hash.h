/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* uthash as every file of fs/ must have it: tables are shared. */
#define HASH_FUNCTION HASH_FNV   /* the default one has fall-throughs that clang does not accept */
#define HASH_NONFATAL_OOM 1      /* an entry that could not be added has hh.tbl == NULL */
#include <uthash.h>

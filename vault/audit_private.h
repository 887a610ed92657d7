/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/acting.h"
#include "vault/audit.h"

/* Between audit.c and audit_read.c only. */

#define AUDIT_MOST UINT64_C(9999999999999998) /* number of the last segment there can be */
#define AUDIT_ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

/* The key of a segment: 0 or ENAMETOOLONG. */
int audit_key(struct vault *v, const char *tenant, uint64_t segment, char key[PATH_CAP]);
/* The number that a segment's name stands for; 0: it is none. */
uint64_t audit_number(const char *name);
/* SHA-256 of a line without its end, in hex: 0 or ENOMEM. */
int audit_hash(const char *line, size_t len, char hash[DIGEST_HEX]);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/audit.h"

/* What the audit log knows of seals: for verification only. */
struct known_seal {
	char stem[STEM_CAP];
	char seal[33];   /* hex of the object id of the last one that was told; "": not told */
	bool stands;     /* and nothing says that its backup went */
};
struct known_seals;

/* Reads the log whole. 0; or as audit_read, with what was read until then. */
int known_seals_read(struct vault *v, const char *tenant, struct known_seals **out, char *why, size_t cap, struct store_call *call);
void known_seals_free(struct known_seals *k); /* NULL is legal */
DEFINE_AUTO(known_seals, known_seals_free)
const struct known_seal *known_seals_find(const struct known_seals *k, const char *stem);
/* One after the other; NULL begins, and NULL ends. */
const struct known_seal *known_seals_next(const struct known_seals *k, const struct known_seal *before);
/* Whether another seal of that backup, told of before the last one, has that object id. */
bool known_seals_older(const struct known_seals *k, const char *stem, const char *seal);

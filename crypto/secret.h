/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/auto.h"

#include <stdint.h>

/* A 32-byte secret on the stack: SECRET(kek); it is wiped when the scope is left, whichever way. Private to crypto/. */
struct secret {
	uint8_t b[32];
};

static inline void secret_wipe(struct secret *s)
{
	explicit_bzero(s, sizeof(*s));
}

#define SECRET(name) AUTO(secret_wipe) struct secret name = { { 0 } }

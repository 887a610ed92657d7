/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Fills n bytes from getrandom(2). Never fails: if the kernel cannot give them the process aborts, as no key may be weak. */
void rand_bytes(void *out, size_t n);
/* Uniform in 0..limit-1; limit > 0. For jitter, not for keys. */
uint32_t rand_below(uint32_t limit);

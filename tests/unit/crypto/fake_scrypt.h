/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Stands in for crypto_scrypt where a test needs many derivations: HKDF instead of 32 MiB of work. Linked with --wrap=crypto_scrypt. */
int __wrap_crypto_scrypt(const char *passphrase, size_t len, const uint8_t salt[32], uint8_t out[32]);

unsigned fake_scrypt_calls(void);   /* since the last reset */
unsigned fake_scrypt_overlap(void); /* most calls at one time since the last reset */
/* Forgets the counts; from now on calls give `rc`, and take `delay_us`. */
void fake_scrypt_reset(int rc, unsigned delay_us);

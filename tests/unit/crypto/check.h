/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "base/buf.h"
#include "crypto/keyring.h"

/* What the tests of this room share. */
#define assert_ok(call) assert_int_equal((call), 0)

#define RAW_TEXT "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define OTHER_TEXT "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
#define PASS_TEXT "correct horse battery staple"

/* A keyring from a text that must be good; freed by the caller. */
static inline struct keyring *parse_key(const char *text)
{
	struct keyring *k = NULL;
	char error[200] = "";

	if (keyring_parse(text, strlen(text), &k, error, sizeof(error)))
		fail_msg("%s: %s", text, error);
	return k;
}

/* Bytes of a hexadecimal text into out[cap]; returns their number. */
static inline size_t unhex(uint8_t *out, size_t cap, const char *text)
{
	size_t n = strlen(text) / 2;

	assert_true(n <= cap);
	assert_ok(hex_decode(out, n, text, strlen(text)));
	return n;
}

static inline void flip(uint8_t *data, size_t bit)
{
	data[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static inline void assert_all(const uint8_t *data, size_t n, uint8_t value)
{
	for (size_t i = 0; i < n; i++)
		if (data[i] != value)
			fail_msg("byte %zu of %zu is %02x, not %02x", i, n, data[i], value);
}

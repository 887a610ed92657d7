/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "crypto/header.h"
#include "crypto/trailer.h"

static const char hex_key[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

static struct keyring *parse(const char *text)
{
	struct keyring *k = NULL;
	char error[200] = "";

	if (keyring_parse(text, strlen(text), &k, error, sizeof(error)))
		fail_msg("%s", error);
	return k;
}

static void raw_round_trip(void **state)
{
	AUTO(auto_keyring_free) struct keyring *k = parse(hex_key);
	struct object_key key, got;
	uint8_t h[HEADER_BYTES], again[HEADER_BYTES];

	assert_ok(object_key_new(&key));
	assert_ok(header_make(k, &key, h));
	assert_ok(header_make(k, &key, again));
	assert_memory_equal(h, again, sizeof(h));
	assert_int_equal(header_open(k, h, &got, NULL), HEADER_OK);
	assert_memory_equal(&got, &key, sizeof(key));
	for (unsigned bit = 0; bit < 8 * HEADER_BYTES; bit++) {
		h[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(header_open(k, h, &got, NULL), HEADER_OK);
		h[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(raw_round_trip) };

	return cmocka_run_group_tests_name("header", tests, NULL, NULL);
}

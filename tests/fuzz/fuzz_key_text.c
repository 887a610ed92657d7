/* SPDX-License-Identifier: Apache-2.0 */
/* Input: what an operator might give as a key. */
#include "base/buf.h"
#include "crypto/key_text.h"
#include "crypto/keyring.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_digit_of(const char *alphabet, uint8_t c)
{
	return c && strchr(alphabet, c);
}

/* A raw key is only ever one of two shapes, and a hexadecimal one says itself. */
static void check_raw(const char *text, size_t len, const uint8_t raw[32])
{
	uint8_t again[32];

	assert(len == 64 || len == 44);
	if (len == 64)
		assert(hex_decode(again, 32, text, 64) == 0 && memcmp(again, raw, 32) == 0);
	else
		assert(text[43] == '=');
}

/* No passphrase is a mistyped hexadecimal key, or holds what a line of text does not. */
static void check_passphrase(const uint8_t *text, size_t len)
{
	size_t hex = 0;

	assert(len >= PASSPHRASE_MIN && len <= PASSPHRASE_MAX);
	for (size_t i = 0; i < len; i++) {
		assert(text[i] >= 0x20 && text[i] != 0x7f);
		hex += is_digit_of("0123456789abcdefABCDEF", text[i]) ? 1 : 0;
	}
	assert(hex != len || (len != 63 && len != 64 && len != 65));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *reason = NULL;
	size_t len = key_text_length(text, size);
	AUTO(auto_keyring_free) struct keyring *k = NULL;
	uint8_t raw[32];
	char error[200] = "";

	assert(len <= size && size - len <= 2);
	enum key_text is = key_text_classify(text, len, raw, &reason);
	int rc = keyring_parse(text, size, &k, error, sizeof(error));

	assert(rc == (is == KEY_TEXT_REFUSED ? EINVAL : 0));
	assert((is == KEY_TEXT_REFUSED) == (reason != NULL) && (rc != 0) == (error[0] != '\0') && (rc != 0) == (k == NULL));
	if (is == KEY_TEXT_RAW)
		check_raw(text, len, raw);
	if (is == KEY_TEXT_PASSPHRASE)
		check_passphrase(data, len);
	return 0;
}

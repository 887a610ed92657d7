/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "crypto/key_text.h"

/* Many more texts stand in tests/format/vectors/vectors.json, which the Python reader is held against as well. */
static int parse(const char *text, size_t len, struct keyring **k, char error[200])
{
	memset(error, 0, 200);
	return keyring_parse(text, len, k, error, 200);
}

static void assert_refused(const char *text, const char *part)
{
	struct keyring *k = (struct keyring *)&k;
	char error[200];

	assert_int_equal(parse(text, strlen(text), &k, error), EINVAL);
	assert_null(k);
	if (!strstr(error, part))
		fail_msg("\"%s\": %s", text, error);
	/* Eight characters of a key in a log are a gift. */
	for (size_t i = 0; i + 8 <= strlen(text); i++) {
		char piece[9] = "";

		memcpy(piece, text + i, 8);
		if (strstr(error, piece))
			fail_msg("the reason tells the key: %s", error);
	}
}

static void assert_id(const char *text, const char *want)
{
	AUTO(auto_keyring_free) struct keyring *k = parse_key(text);
	uint8_t id[KEY_ID];
	char hex[2 * KEY_ID + 1];

	assert_int_equal(keyring_kind(k), KEY_RAW);
	assert_ok(keyring_write_id(k, id));
	hex_encode(hex, id, sizeof(id));
	assert_string_equal(hex, want);
}

/* The same key in every form it may be written in. */
static void forms_of_a_raw_key(void **state)
{
	static const char id[] = "ffd8756d86ae19e4";

	assert_id(RAW_TEXT, id);
	assert_id(RAW_TEXT "\n", id);
	assert_id(RAW_TEXT "\r\n", id);
	assert_id("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", id);
	assert_id("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", id);
	assert_id("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", id);
}

static void near_misses(void **state)
{
	assert_refused("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1", "63 hexadecimal digits");
	assert_refused(RAW_TEXT "0", "65 hexadecimal digits");
	assert_refused("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "'=' at its end is missing");
	assert_refused("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", "mistyped");
	assert_refused("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g", "33 bytes");
	assert_refused("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", "31 bytes");
	assert_refused("-_ECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "URL alphabet");
	assert_refused(RAW_TEXT "\n\n", "around the key");
	assert_refused(" " RAW_TEXT, "around the key");
	assert_refused("\"" RAW_TEXT "\"", "around the key");
}

static void passphrases(void **state)
{
	char text[PASSPHRASE_MAX + 2] = "";
	struct keyring *k = NULL;
	char error[200];

	assert_refused("", "empty");
	assert_refused("\n", "empty");
	assert_refused("eleven char", "at least 12");
	assert_refused("eleven char\n", "at least 12");
	assert_refused("eine Losung\nauf zwei Zeilen", "one line");
	memset(text, 'a', PASSPHRASE_MAX + 1);
	assert_refused(text, "at most 1024");
	assert_ok(parse(text, PASSPHRASE_MAX, &k, error));
	keyring_free(k);
	assert_ok(parse("twelve chars", 12, &k, error));
	assert_int_equal(keyring_kind(k), KEY_PASSPHRASE);
	keyring_free(k);
	assert_int_equal(parse("twelve\0chars", 12, &k, error), EINVAL);
}

/* What is dropped at the end, and what is not. */
static void one_line_end(void **state)
{
	assert_int_equal(key_text_length("a\n", 2), 1);
	assert_int_equal(key_text_length("a\r\n", 3), 1);
	assert_int_equal(key_text_length("a\n\n", 3), 2);
	assert_int_equal(key_text_length("a\r", 2), 2);
	assert_int_equal(key_text_length("a\n\r", 3), 3);
	assert_int_equal(key_text_length("\r\n", 2), 0);
	assert_int_equal(key_text_length("\n", 1), 0);
	assert_int_equal(key_text_length("", 0), 0);
}

/* One character more, less or wrong at any place never gives another raw key silently, and no cut text reads too far. */
static void slips(void **state)
{
	const char *texts[] = { RAW_TEXT, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" };

	for (size_t t = 0; t < ARRAY_LEN(texts); t++)
		for (size_t i = 0; i <= strlen(texts[t]); i++) {
			AUTO_FREE char *cut = malloc(i + 1); /* exactly as long as its text, so that ASan sees a read beyond it */
			uint8_t raw[32];
			const char *reason;

			assert_non_null(cut);
			memcpy(cut, texts[t], i);
			enum key_text is = key_text_classify(cut, i, raw, &reason);

			assert_int_equal(is == KEY_TEXT_RAW, i == strlen(texts[t]));
			if (i + 1 == strlen(texts[t]))
				assert_int_equal(is, KEY_TEXT_REFUSED);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_of_a_raw_key), cmocka_unit_test(near_misses),
		cmocka_unit_test(passphrases),	      cmocka_unit_test(one_line_end), cmocka_unit_test(slips),
	};

	return cmocka_run_group_tests_name("key text", tests, NULL, NULL);
}

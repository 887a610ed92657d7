/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/key_text.h"

#include "base/buf.h"

#include <openssl/evp.h>

#define HEX_CHARS 64u
#define BASE64_CHARS 44u /* of 32 bytes, with one '=' */

size_t key_text_length(const char *text, size_t len)
{
	if (len && text[len - 1] == '\n')
		len--;
	else
		return len;
	if (len && text[len - 1] == '\r')
		len--;
	return len;
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

static bool is_base64(char c)
{
	return is_alnum(c) || c == '+' || c == '/';
}

static bool is_any_base64(char c) /* RFC 4648's alphabet for URLs too */
{
	return is_base64(c) || c == '-' || c == '_';
}

/* How many characters from the start are of that class. */
static size_t span(const char *text, size_t len, bool (*of_class)(char))
{
	size_t n = 0;

	while (n < len && of_class(text[n]))
		n++;
	return n;
}

/* 43 characters of the alphabet and '=': false where bits beyond the 32nd byte are set, as no encoder writes them. */
static bool decode_base64(const char *text, uint8_t raw[32])
{
	uint8_t out[33];
	bool good = EVP_DecodeBlock(out, (const unsigned char *)text, (int)BASE64_CHARS) == (int)sizeof(out) && out[32] == 0;

	if (good)
		memcpy(raw, out, 32);
	explicit_bzero(out, sizeof(out));
	return good;
}

/* Why a text is a raw key with a slip of the hand in it; NULL where it isn't. */
static const char *near_miss(const char *text, size_t len)
{
	size_t hex = span(text, len, is_hex), plain = span(text, len, is_base64), any = span(text, len, is_any_base64);

	if (hex == len && (len == HEX_CHARS - 1 || len == HEX_CHARS + 1))
		return len < HEX_CHARS ? "63 hexadecimal digits: one is missing (a key has 64)"
				       : "65 hexadecimal digits: one too many (a key has 64)";
	if (any == len && len == BASE64_CHARS - 1)
		return "43 characters of base64: the '=' at its end is missing";
	if (plain == len && len == BASE64_CHARS)
		return "base64 of 33 bytes: a key has 32";
	if (len == BASE64_CHARS && plain == len - 2 && memcmp(text + plain, "==", 2) == 0)
		return "base64 of 31 bytes: a key has 32";
	if (len == BASE64_CHARS && any == len - 1 && text[any] == '=')
		return plain == any ? "base64 that no encoder writes: a character was mistyped"
				    : "base64 of the URL alphabet: write '+' for '-' and '/' for '_'";
	return NULL;
}

static bool decode_raw(const char *text, size_t len, uint8_t raw[32])
{
	if (len == HEX_CHARS && span(text, len, is_hex) == len)
		return hex_decode(raw, 32, text, len) == 0;
	if (len == BASE64_CHARS && span(text, len, is_base64) == len - 1 && text[len - 1] == '=')
		return decode_base64(text, raw);
	return false;
}

static bool is_wrapping(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '"' || c == '\'';
}

/* A key, or nearly one, between quotes or blanks: a slip in a YAML file or a shell line. */
static bool is_wrapped_key(const char *text, size_t len)
{
	size_t head = span(text, len, is_wrapping);
	uint8_t raw[32];

	text += head;
	len -= head;
	while (len && is_wrapping(text[len - 1]))
		len--;
	bool is_key = decode_raw(text, len, raw) || near_miss(text, len);

	explicit_bzero(raw, sizeof(raw));
	return is_key;
}

static bool has_control(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return true;
	return false;
}

enum key_text key_text_classify(const char *text, size_t len, uint8_t raw[32], const char **reason)
{
	if (decode_raw(text, len, raw))
		return KEY_TEXT_RAW;
	*reason = near_miss(text, len);
	if (*reason)
		return KEY_TEXT_REFUSED;
	if (len == 0)
		*reason = "it is empty";
	else if (is_wrapped_key(text, len))
		*reason = "quotes or blanks around the key";
	else if (len < PASSPHRASE_MIN)
		*reason = "a passphrase has at least 12 bytes";
	else if (len > PASSPHRASE_MAX)
		*reason = "a passphrase has at most 1024 bytes";
	else if (has_control(text, len))
		*reason = "a passphrase is one line without control characters; write a binary key as 64 hexadecimal digits";
	return *reason ? KEY_TEXT_REFUSED : KEY_TEXT_PASSPHRASE;
}

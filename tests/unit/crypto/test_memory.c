/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "fake_scrypt.h"

#include "crypto/aead.h"
#include "crypto/trailer.h"

#include <openssl/crypto.h>

/* Every allocation of ours and of OpenSSL's fails once, in turn: what could not be looked at must never be called damaged, and nothing that came out
 * wrong must be called good. */
void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);

static long fail_in = -1; /* allocations until the one that fails; -1: none */

static bool must_fail(void)
{
	return fail_in >= 0 && fail_in-- == 0;
}

void *__wrap_malloc(size_t n)
{
	return must_fail() ? NULL : __real_malloc(n);
}

static void *ssl_malloc(size_t n, const char *file, int line)
{
	return must_fail() ? NULL : malloc(n);
}

static void *ssl_realloc(void *old, size_t n, const char *file, int line)
{
	return must_fail() ? NULL : realloc(old, n);
}

static void ssl_free(void *old, const char *file, int line)
{
	free(old);
}

static struct keyring *raw, *passphrase;
static struct object_key key;
static uint8_t header[HEADER_BYTES], end[TRAILER_BYTES], nonce[12], tag[16], sealed[300];
static const struct trailer attrs = { .type = ENTRY_FILE, .size = 5, .mode = 0600 };
static const uint8_t salt[KEY_SALT] = { 1 };

static int setup(void **state)
{
	raw = parse_key(RAW_TEXT);
	passphrase = parse_key(PASS_TEXT);
	memset(sealed, 9, sizeof(sealed));
	return object_key_new(&key) || header_make(raw, &key, header) || trailer_seal(&key, &attrs, end) ||
	       chunk_seal(&key, 0, CHUNK_LAST, nonce, sealed, sizeof(sealed), tag);
}

static int teardown(void **state)
{
	keyring_free(raw);
	keyring_free(passphrase);
	return 0;
}

static int seal_chunk(void)
{
	uint8_t data[300] = { 7 }, n[12], t[16];
	int rc = chunk_seal(&key, 1, CHUNK_INNER, n, data, sizeof(data), t);

	if (!rc)
		assert_int_not_equal(chunk_open(&key, 1, CHUNK_INNER, n, data, sizeof(data), t), EBADMSG);
	return rc;
}

static int open_chunk(void)
{
	uint8_t data[300];

	memcpy(data, sealed, sizeof(data));
	int rc = chunk_open(&key, 0, CHUNK_LAST, nonce, data, sizeof(data), tag);

	assert_all(data, sizeof(data), rc ? 0 : 9);
	return rc;
}

static int make_header(void)
{
	uint8_t h[HEADER_BYTES];
	int rc = header_make(raw, &key, h);

	if (!rc)
		assert_memory_equal(h, header, sizeof(h));
	return rc;
}

static int open_header(void)
{
	struct object_key got;
	enum header_verdict v = header_open(raw, header, &got, NULL);

	assert_true(v == HEADER_OK || v == HEADER_FAILED);
	if (v == HEADER_OK)
		assert_memory_equal(&got, &key, sizeof(key));
	return v == HEADER_OK ? 0 : ENOMEM;
}

static int open_trailer(void)
{
	struct trailer got;
	int rc = trailer_open(&key, end, attrs.size, &got);

	if (!rc)
		assert_int_equal(got.mode, attrs.mode);
	return rc;
}

static int seal_trailer(void)
{
	uint8_t out[TRAILER_BYTES];

	return trailer_seal(&key, &attrs, out);
}

static int new_key(void)
{
	struct object_key k;

	return object_key_new(&k);
}

static int parse(void)
{
	AUTO(auto_keyring_free) struct keyring *k = NULL;
	char error[200] = "";
	int rc = keyring_parse(RAW_TEXT, 64, &k, error, sizeof(error));

	assert_true((rc == 0) == (k != NULL) && (rc == 0) == (error[0] == '\0'));
	return rc;
}

static int use_salt(void)
{
	uint8_t id[KEY_ID];
	int rc = keyring_use_salt(passphrase, salt);

	if (rc) /* neither chosen, nor remembered by half */
		assert_int_equal(keyring_write_id(passphrase, id), EAGAIN);
	return rc;
}

static int mac(void)
{
	uint8_t out[32];

	return hmac_sha256(key.dek, "x", 1, out);
}

static void every_allocation_fails_once(void **state)
{
	int (*const operations[])(void) = { seal_chunk,	  open_chunk, make_header, open_header, open_trailer,
					    seal_trailer, new_key,    parse,	   mac,		use_salt };

	for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
		long n = 0, failed = 0;

		for (;; n++) {
			fail_in = n;
			int rc = operations[i]();
			bool reached = fail_in < 0;

			fail_in = -1;
			if (rc && rc != ENOMEM)
				fail_msg("operation %zu, allocation %ld: %d", i, n, rc);
			failed += rc != 0;
			if (!reached)
				break;
		}
		assert_int_equal(operations[i](), 0);
		assert_true(n > 0 && failed > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_allocation_fails_once) };

	if (!CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free))
		return 1;
	fake_scrypt_reset(0, 0);
	return cmocka_run_group_tests_name("memory", tests, setup, teardown);
}

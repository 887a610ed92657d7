/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "wycheproof.h"

#include "crypto/aead.h"

#include <openssl/err.h>
#include <pthread.h>

struct gcm_case {
	uint8_t key[AEAD_KEY], nonce[AEAD_NONCE], aad[600], msg[300], ct[300], tag[AEAD_TAG];
	size_t aad_len, len;
};

static void load(struct gcm_case *c, size_t i)
{
	assert_int_equal(unhex(c->key, sizeof(c->key), wycheproof_gcm[i].key), AEAD_KEY);
	assert_int_equal(unhex(c->nonce, sizeof(c->nonce), wycheproof_gcm[i].iv), AEAD_NONCE);
	c->aad_len = unhex(c->aad, sizeof(c->aad), wycheproof_gcm[i].aad);
	c->len = unhex(c->msg, sizeof(c->msg), wycheproof_gcm[i].msg);
	assert_int_equal(unhex(c->ct, sizeof(c->ct), wycheproof_gcm[i].ct), c->len);
	assert_int_equal(unhex(c->tag, sizeof(c->tag), wycheproof_gcm[i].tag), AEAD_TAG);
}

static int open_case(const struct gcm_case *c, uint8_t out[300])
{
	memcpy(out, c->ct, c->len);
	return aead_open(c->key, c->nonce, c->aad, c->aad_len, out, c->len, c->tag);
}

static void gcm_known_answers(void **state)
{
	unsigned valid = 0, invalid = 0;

	for (size_t i = 0; i < ARRAY_LEN(wycheproof_gcm); i++) {
		struct gcm_case c;
		uint8_t data[300], tag[AEAD_TAG];

		load(&c, i);
		if (!wycheproof_gcm[i].valid) {
			assert_int_equal(open_case(&c, data), EBADMSG);
			assert_all(data, c.len, 0);
			invalid++;
			continue;
		}
		valid++;
		assert_ok(open_case(&c, data));
		assert_memory_equal(data, c.msg, c.len);
		assert_ok(aead_seal(c.key, c.nonce, c.aad, c.aad_len, data, c.len, tag));
		assert_memory_equal(data, c.ct, c.len);
		assert_memory_equal(tag, c.tag, AEAD_TAG);
	}
	assert_true(valid > 30 && invalid > 20);
}

/* Every bit of every input counts. */
static void gcm_flips(void **state)
{
	struct gcm_case c = { .aad_len = 25, .len = 40 };
	uint8_t data[300];

	memset(c.key, 1, sizeof(c.key));
	memset(c.ct, 2, c.len);
	assert_ok(aead_seal(c.key, c.nonce, c.aad, c.aad_len, c.ct, c.len, c.tag));
	assert_ok(open_case(&c, data));
	struct {
		uint8_t *at;
		size_t n;
	} inputs[] = { { c.key, AEAD_KEY }, { c.nonce, AEAD_NONCE }, { c.aad, c.aad_len }, { c.ct, c.len }, { c.tag, AEAD_TAG } };

	for (size_t i = 0; i < ARRAY_LEN(inputs); i++)
		for (size_t bit = 0; bit < inputs[i].n * 8; bit++) {
			flip(inputs[i].at, bit);
			assert_int_equal(open_case(&c, data), EBADMSG);
			assert_all(data, c.len, 0);
			flip(inputs[i].at, bit);
		}
	c.len--;
	assert_int_equal(open_case(&c, data), EBADMSG);
	c.len++;
	c.aad_len--;
	assert_int_equal(open_case(&c, data), EBADMSG);
}

/* curl's TLS uses the same thread's queue: what we do must neither add to it nor take from it. */
static void errors_of_others_stay(void **state)
{
	uint8_t key[AEAD_KEY] = { 0 }, nonce[AEAD_NONCE] = { 0 }, tag[AEAD_TAG] = { 0 }, data[1] = { 0 };

	ERR_clear_error();
	assert_int_equal(aead_open(key, nonce, NULL, 0, data, 1, tag), EBADMSG);
	assert_int_equal(ERR_peek_error(), 0);
	ERR_raise(ERR_LIB_USER, 7);
	unsigned long before = ERR_peek_last_error();

	assert_int_equal(aead_open(key, nonce, NULL, 0, data, 1, tag), EBADMSG);
	assert_ok(hkdf_sha256(key, sizeof(key), NULL, 0, "x", 1, key, sizeof(key)));
	assert_int_equal(ERR_peek_last_error(), before);
	ERR_clear_error();
}

static void *churn(void *arg)
{
	uint8_t key[AEAD_KEY] = { *(uint8_t *)arg }, nonce[AEAD_NONCE] = { 0 }, tag[AEAD_TAG], data[1000];

	for (unsigned i = 0; i < 300; i++) {
		memset(data, (int)i, sizeof(data));
		nonce[0] = (uint8_t)i;
		if (aead_seal(key, nonce, "aad", 3, data, sizeof(data), tag) || aead_open(key, nonce, "aad", 3, data, sizeof(data), tag) ||
		    data[999] != (uint8_t)i)
			return arg;
	}
	return NULL;
}

static void gcm_in_threads(void **state)
{
	pthread_t threads[8];
	uint8_t names[8];

	for (uint8_t i = 0; i < 8; i++) {
		names[i] = i;
		assert_ok(pthread_create(&threads[i], NULL, churn, &names[i]));
	}
	for (int i = 0; i < 8; i++) {
		void *failed;

		assert_ok(pthread_join(threads[i], &failed));
		assert_null(failed);
	}
}

static void check_hkdf(const char *ikm, const char *salt, const char *info, const char *okm)
{
	uint8_t in[100], s[100], i[200], want[100], got[100];
	size_t in_len = unhex(in, sizeof(in), ikm), salt_len = unhex(s, sizeof(s), salt), info_len = unhex(i, sizeof(i), info);
	size_t n = unhex(want, sizeof(want), okm);

	assert_ok(hkdf_sha256(in, in_len, salt_len ? s : NULL, salt_len, i, info_len, got, n));
	assert_memory_equal(got, want, n);
	if (!info_len)
		return;
	i[info_len - 1] ^= 1;
	assert_ok(hkdf_sha256(in, in_len, salt_len ? s : NULL, salt_len, i, info_len, got, n));
	assert_memory_not_equal(got, want, n);
}

/* RFC 5869, appendices A.1 to A.3, and Wycheproof. */
static void hkdf_known_answers(void **state)
{
	check_hkdf("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
		   "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
	check_hkdf("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d"
		   "3e3f404142434445464748494a4b4c4d4e4f",
		   "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d"
		   "9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
		   "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebeced"
		   "eeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
		   "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3"
		   "db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
	check_hkdf("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
		   "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
	for (size_t i = 0; i < ARRAY_LEN(wycheproof_hkdf); i++)
		check_hkdf(wycheproof_hkdf[i].ikm, wycheproof_hkdf[i].salt, wycheproof_hkdf[i].info, wycheproof_hkdf[i].okm);
}

static void hkdf_zero_salt_is_no_salt(void **state)
{
	const uint8_t key[32] = { 1 }, zeros[32] = { 0 };
	uint8_t a[32], b[32];

	assert_ok(hkdf_sha256(key, 32, NULL, 0, "x", 1, a, 32));
	assert_ok(hkdf_sha256(key, 32, zeros, 32, "x", 1, b, 32));
	assert_memory_equal(a, b, 32);
}

static void hkdf_limits(void **state)
{
	static uint8_t out[255 * 32 + 1], info[1025];
	const uint8_t key[32] = { 1 };

	assert_ok(hkdf_sha256(key, 32, NULL, 0, info, 1024, out, 255 * 32));
	assert_int_equal(hkdf_sha256(key, 32, NULL, 0, info, 1024, out, 255 * 32 + 1), EINVAL);
	assert_int_equal(hkdf_sha256(key, 32, NULL, 0, info, 1025, out, 32), EINVAL);
}

static void hmac_known_answers(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(wycheproof_hmac); i++) {
		uint8_t key[32], msg[200], want[32], got[32];
		size_t n = unhex(msg, sizeof(msg), wycheproof_hmac[i].msg);

		assert_int_equal(unhex(key, 32, wycheproof_hmac[i].key), 32);
		assert_int_equal(unhex(want, 32, wycheproof_hmac[i].tag), 32);
		assert_ok(hmac_sha256(key, msg, n, got));
		assert_memory_equal(got, want, 32);
		key[31] ^= 1;
		assert_ok(hmac_sha256(key, msg, n, got));
		assert_memory_not_equal(got, want, 32);
	}
}

/* The expected value was computed by a plain Python program written from RFC 7914, which gives that RFC's own vectors as well. */
static void scrypt_known_answer(void **state)
{
	uint8_t salt[32], out[32], want[32];

	for (uint8_t i = 0; i < 32; i++)
		salt[i] = i;
	unhex(want, 32, "15bd3ba4a383f14682f5b4b1e79792eb2f5f3c39d5d92d7783212e6a053f3ab2");
	assert_ok(crypto_scrypt(PASS_TEXT, strlen(PASS_TEXT), salt, out));
	assert_memory_equal(out, want, 32);
	salt[31] ^= 1;
	assert_ok(crypto_scrypt(PASS_TEXT, strlen(PASS_TEXT), salt, out));
	assert_memory_not_equal(out, want, 32);
}

static void equal(void **state)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 };

	assert_true(crypto_equal(a, b, 32));
	for (size_t bit = 0; bit < 256; bit++) {
		flip(b, bit);
		assert_false(crypto_equal(a, b, 32));
		flip(b, bit);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gcm_known_answers),  cmocka_unit_test(gcm_flips),
		cmocka_unit_test(errors_of_others_stay), cmocka_unit_test(gcm_in_threads),
		cmocka_unit_test(hkdf_known_answers), cmocka_unit_test(hkdf_zero_salt_is_no_salt),
		cmocka_unit_test(hkdf_limits),        cmocka_unit_test(hmac_known_answers),
		cmocka_unit_test(scrypt_known_answer), cmocka_unit_test(equal),
	};

	return cmocka_run_group_tests_name("aead", tests, NULL, NULL);
}

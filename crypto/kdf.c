/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/aead.h"
#include "crypto/algos.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <stdbool.h>

#define SCRYPT_N (UINT64_C(1) << 15)
#define SCRYPT_R 8u
#define SCRYPT_P 3u
#define SCRYPT_MAX_MEMORY (UINT64_C(64) << 20) /* 32 MiB and a little are needed; OpenSSL's own limit is 32 MiB sharp */

#define HKDF_MAX_OUT (255u * 32u) /* RFC 5869 */
#define HKDF_MAX_INFO 1024u       /* OpenSSL 3.0 */

/* OSSL_PARAM takes no const, though it only reads. */
static void *unconst(const void *in)
{
	union {
		const void *in;
		void *out;
	} borrowed = { .in = in };

	return borrowed.out;
}

static OSSL_PARAM octets(const char *name, const void *data, size_t len)
{
	return OSSL_PARAM_construct_octet_string(name, unconst(data), len);
}

static int derive(EVP_KDF *kdf, const OSSL_PARAM *params, uint8_t *out, size_t out_len)
{
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);

	if (!ctx)
		return ENOMEM;
	ERR_set_mark();
	int rc = EVP_KDF_derive(ctx, out, out_len, params) > 0 ? 0 : ENOMEM;

	EVP_KDF_CTX_free(ctx); /* wipes the key it copied */
	ERR_pop_to_mark();
	if (rc)
		explicit_bzero(out, out_len);
	return rc;
}

int hkdf_sha256(const uint8_t *key, size_t key_len, const uint8_t *salt, size_t salt_len, const void *info, size_t info_len, uint8_t *out,
		size_t out_len)
{
	const struct algos *a = crypto_algos();
	char digest[] = "SHA256";
	OSSL_PARAM params[5];
	size_t n = 0;

	if (out_len > HKDF_MAX_OUT || info_len > HKDF_MAX_INFO)
		return EINVAL;
	if (!a)
		return ENOSYS;
	params[n++] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
	params[n++] = octets(OSSL_KDF_PARAM_KEY, key, key_len);
	if (salt)
		params[n++] = octets(OSSL_KDF_PARAM_SALT, salt, salt_len);
	if (info_len)
		params[n++] = octets(OSSL_KDF_PARAM_INFO, info, info_len);
	params[n] = OSSL_PARAM_construct_end();
	return derive(a->hkdf, params, out, out_len);
}

int crypto_scrypt(const char *passphrase, size_t len, const uint8_t salt[32], uint8_t out[32])
{
	const struct algos *a = crypto_algos();
	uint64_t cost = SCRYPT_N, max_memory = SCRYPT_MAX_MEMORY;
	uint32_t r = SCRYPT_R, p = SCRYPT_P;

	if (!a)
		return ENOSYS;

	const OSSL_PARAM params[] = {
		octets(OSSL_KDF_PARAM_PASSWORD, passphrase, len),
		octets(OSSL_KDF_PARAM_SALT, salt, 32),
		OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &cost),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
		OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &max_memory),
		OSSL_PARAM_construct_end(),
	};
	return derive(a->scrypt, params, out, 32);
}

int hmac_sha256(const uint8_t key[32], const void *data, size_t len, uint8_t out[32])
{
	const struct algos *a = crypto_algos();
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end() };
	size_t n = 0;

	if (!a)
		return ENOSYS;

	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(a->hmac);

	if (!ctx)
		return ENOMEM;
	ERR_set_mark();
	bool good = EVP_MAC_init(ctx, key, 32, params) && EVP_MAC_update(ctx, data, len) && EVP_MAC_final(ctx, out, &n, 32);

	EVP_MAC_CTX_free(ctx);
	ERR_pop_to_mark();
	return good ? 0 : ENOMEM;
}

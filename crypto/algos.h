/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <openssl/evp.h>
#include <openssl/kdf.h>

/* OpenSSL's algorithms, fetched once for the life of the process: a fetch by name takes locks and searches, which would cost more than
 * a small record. Private to crypto/. */
struct algos {
	EVP_CIPHER *gcm;
	EVP_KDF *hkdf, *scrypt;
	EVP_MAC *hmac;
	EVP_MD *sha256;
};

/* Fetches on the first call. NULL where this OpenSSL lacks one (told once in the log). Any thread. */
const struct algos *crypto_algos(void);

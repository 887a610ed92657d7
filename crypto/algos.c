/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/algos.h"

#include "base/log.h"
#include "crypto/aead.h"

#include <errno.h>
#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct algos algos; /* written under `once`, read-only ever after; never freed: any thread may be in them at exit */

static void fetch(void)
{
	algos.gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	algos.hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	algos.scrypt = EVP_KDF_fetch(NULL, "SCRYPT", NULL);
	algos.hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	algos.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!algos.gcm)
		log_msg(LOG_ERROR, "key", "this OpenSSL has no AES-256-GCM");
	if (!algos.hkdf || !algos.scrypt)
		log_msg(LOG_ERROR, "key", "this OpenSSL has no %s", algos.hkdf ? "scrypt" : "HKDF");
	if (!algos.hmac || !algos.sha256)
		log_msg(LOG_ERROR, "key", "this OpenSSL has no %s", algos.hmac ? "SHA-256" : "HMAC");
}

const struct algos *crypto_algos(void)
{
	if (pthread_once(&once, fetch))
		return NULL;
	return algos.gcm && algos.hkdf && algos.scrypt && algos.hmac && algos.sha256 ? &algos : NULL;
}

int crypto_setup(void)
{
	return crypto_algos() ? 0 : ENOSYS;
}

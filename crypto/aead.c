/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/aead.h"

#include "crypto/algos.h"

#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <pthread.h>

/* One context a thread: making one costs as much as 4 KiB of AES. It is reset after each use, which wipes the key schedule in it. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_ctx;
static int no_thread_ctx; /* errno of pthread_key_create */

static void free_thread_ctx(void *ctx)
{
	EVP_CIPHER_CTX_free(ctx);
}

static void make_thread_key(void)
{
	no_thread_ctx = pthread_key_create(&thread_ctx, free_thread_ctx);
}

static EVP_CIPHER_CTX *get_thread_ctx(void)
{
	if (pthread_once(&once, make_thread_key) || no_thread_ctx)
		return NULL;

	EVP_CIPHER_CTX *ctx = pthread_getspecific(thread_ctx);

	if (ctx)
		return ctx;
	ctx = EVP_CIPHER_CTX_new();
	if (ctx && pthread_setspecific(thread_ctx, ctx)) {
		EVP_CIPHER_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

/* What one operation works on. */
struct gcm {
	const uint8_t *key, *nonce;
	const void *aad;
	size_t aad_len;
	uint8_t *data; /* in place */
	size_t len;
};

static int seal(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, const struct gcm *g, uint8_t *tag)
{
	int n;

	if (!EVP_EncryptInit_ex2(ctx, cipher, g->key, g->nonce, NULL))
		return ENOMEM;
	if (g->aad_len && !EVP_EncryptUpdate(ctx, NULL, &n, g->aad, (int)g->aad_len))
		return ENOMEM;
	if (g->len && !EVP_EncryptUpdate(ctx, g->data, &n, g->data, (int)g->len))
		return ENOMEM;
	if (!EVP_EncryptFinal_ex(ctx, tag, &n) || !EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG, tag))
		return ENOMEM;
	return 0;
}

static int open_sealed(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, const struct gcm *g, const uint8_t *tag)
{
	uint8_t expected[AEAD_TAG]; /* OpenSSL wants it writable */
	uint8_t none[AEAD_TAG];
	int n;

	memcpy(expected, tag, sizeof(expected));
	if (!EVP_DecryptInit_ex2(ctx, cipher, g->key, g->nonce, NULL))
		return ENOMEM;
	if (!EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG, expected))
		return ENOMEM;
	if (g->aad_len && !EVP_DecryptUpdate(ctx, NULL, &n, g->aad, (int)g->aad_len))
		return ENOMEM;
	if (g->len && !EVP_DecryptUpdate(ctx, g->data, &n, g->data, (int)g->len))
		return ENOMEM;
	return EVP_DecryptFinal_ex(ctx, none, &n) > 0 ? 0 : EBADMSG;
}

/* The thread's errors of OpenSSL are put back as they were: curl's TLS reads the same queue. */
static int run(const struct gcm *g, uint8_t *tag_out, const uint8_t *tag_in)
{
	const struct algos *a = crypto_algos();
	EVP_CIPHER_CTX *ctx = get_thread_ctx();

	if (g->len > INT_MAX || g->aad_len > INT_MAX)
		return EINVAL;
	if (!a)
		return ENOSYS;
	if (!ctx)
		return ENOMEM;
	ERR_set_mark();
	int rc = tag_out ? seal(ctx, a->gcm, g, tag_out) : open_sealed(ctx, a->gcm, g, tag_in);

	EVP_CIPHER_CTX_reset(ctx);
	ERR_pop_to_mark();
	return rc;
}

int aead_seal(const uint8_t key[AEAD_KEY], const uint8_t nonce[AEAD_NONCE], const void *aad, size_t aad_len, uint8_t *data, size_t len,
	      uint8_t tag[AEAD_TAG])
{
	return run(&(struct gcm){ key, nonce, aad, aad_len, data, len }, tag, NULL);
}

int aead_open(const uint8_t key[AEAD_KEY], const uint8_t nonce[AEAD_NONCE], const void *aad, size_t aad_len, uint8_t *data, size_t len,
	      const uint8_t tag[AEAD_TAG])
{
	int rc = run(&(struct gcm){ key, nonce, aad, aad_len, data, len }, NULL, tag);

	if (rc && len)
		explicit_bzero(data, len); /* plain text that nobody vouches for */
	return rc;
}

int crypto_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/digest.h"

#include "base/buf.h"
#include "crypto/algos.h"

#include <errno.h>
#include <openssl/err.h>

struct digest {
	EVP_MD_CTX *ctx;
	bool failed; /* since it began; OpenSSL refuses only where memory or the algorithm is missing */
};

/* What OpenSSL says of errors in this thread is left as it was: curl's TLS reads the same queue. */
static int begin(struct digest *d)
{
	const struct algos *a = crypto_algos();

	ERR_set_mark();
	d->failed = !a || !EVP_DigestInit_ex2(d->ctx, a->sha256, NULL);
	ERR_pop_to_mark();
	return d->failed ? ENOMEM : 0;
}

int digest_new(struct digest **out)
{
	struct digest *d = calloc(1, sizeof(*d));

	*out = NULL;
	if (!d)
		return ENOMEM;
	d->ctx = EVP_MD_CTX_new();
	if (!d->ctx || begin(d)) {
		digest_free(d);
		return ENOMEM;
	}
	*out = d;
	return 0;
}

void digest_add(struct digest *d, const void *data, size_t len)
{
	if (len && !d->failed)
		d->failed = !EVP_DigestUpdate(d->ctx, data, len);
}

/* A digest that could not be computed would be equal to another such one: there is no going on with it. */
void digest_end(struct digest *d, uint8_t out[DIGEST_BYTES])
{
	if (d->failed || !EVP_DigestFinal_ex(d->ctx, out, NULL) || begin(d))
		abort();
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

int digest_chain(uint8_t out[DIGEST_BYTES], const uint8_t before[DIGEST_BYTES], const void *data, size_t len)
{
	struct digest *d;
	int rc = digest_new(&d);

	if (rc)
		return rc;
	digest_add(d, before, DIGEST_BYTES);
	digest_add(d, data, len);
	digest_end(d, out);
	digest_free(d);
	return 0;
}

void digest_hex(char out[DIGEST_HEX], const uint8_t digest[DIGEST_BYTES])
{
	hex_encode(out, digest, DIGEST_BYTES);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_scrypt.h"

#include "crypto/aead.h"

#include <stdatomic.h>
#include <unistd.h>

static atomic_uint calls, running, overlap, delay;
static atomic_int result;

unsigned fake_scrypt_calls(void)
{
	return calls;
}

unsigned fake_scrypt_overlap(void)
{
	return overlap;
}

void fake_scrypt_reset(int rc, unsigned delay_us)
{
	calls = running = overlap = 0;
	result = rc;
	delay = delay_us;
}

int __wrap_crypto_scrypt(const char *passphrase, size_t len, const uint8_t salt[32], uint8_t out[32])
{
	unsigned now = ++running;

	calls++;
	if (now > overlap)
		overlap = now;
	if (delay)
		usleep(delay);
	int rc = result ? result : hkdf_sha256((const uint8_t *)passphrase, len, salt, 32, NULL, 0, out, 32);

	running--;
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rand.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void rand_bytes(void *out, size_t n)
{
	uint8_t *p = out;

	while (n) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort();
		p += got;
		n -= (size_t)got;
	}
}

uint32_t rand_below(uint32_t limit)
{
	uint32_t v, skip = -limit % limit; /* 2^32 mod limit: values below it would make some results likelier */

	do
		rand_bytes(&v, sizeof(v));
	while (v < skip);
	return v % limit;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* usage: bench_crypto [SECONDS]
 * What one core seals and opens, in GB of plain text a CPU second (not wall time: the machine may be shared), and what the small steps of an object
 * cost. Medians of slices of 0.1 s. */
#include "crypto/aead.h"
#include "crypto/trailer.h"

#include <stdint.h>
#include <stdio.h>

#define SLICE_NS 100000000
#define SLICES_MOST 200

static struct object_key key;
static struct keyring *keys;
static uint8_t data[CHUNK_BYTES], nonce[12], tag[16], header[HEADER_BYTES], trailer_bytes[TRAILER_BYTES];
static const struct trailer attrs = { .type = ENTRY_FILE, .size = 150000 };

static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Median of nanoseconds a call. */
static double measure(int (*call)(size_t len), size_t len, double seconds)
{
	double slice[SLICES_MOST];
	size_t n = 0, most = min_size(SLICES_MOST, (size_t)(seconds * 10) + 1);

	for (; n < most; n++) {
		int64_t start = cpu_ns(), now = start;
		unsigned calls = 0;

		while ((now = cpu_ns()) - start < SLICE_NS) {
			for (int i = 0; i < 8; i++)
				if (call(len))
					abort();
			calls += 8;
		}
		slice[n] = (double)(now - start) / calls;
	}
	qsort(slice, n, sizeof(slice[0]), compare);
	return slice[n / 2];
}

static int seal(size_t len)
{
	return chunk_seal(&key, 1, CHUNK_INNER, nonce, data, len, tag);
}

/* Opening needs a record to open, so each call pays for one sealing as well; the caller takes that off. */
static int seal_and_open(size_t len)
{
	return chunk_seal(&key, 1, CHUNK_INNER, nonce, data, len, tag) || chunk_open(&key, 1, CHUNK_INNER, nonce, data, len, tag);
}

static int new_object(size_t len)
{
	return object_key_new(&key) || header_make(keys, &key, header);
}

static int open_header(size_t len)
{
	struct object_key got;

	return header_open(keys, header, &got, NULL) != HEADER_OK;
}

static int seal_trailer(size_t len)
{
	return trailer_seal(&key, &attrs, trailer_bytes);
}

static int open_trailer(size_t len)
{
	struct trailer got;

	return trailer_open(&key, trailer_bytes, attrs.size, &got);
}

static void chunks(double seconds)
{
	static const size_t lengths[] = { 240, 4096, 16384, CHUNK_BYTES };

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		double one = measure(seal, lengths[i], seconds), both = measure(seal_and_open, lengths[i], seconds);

		printf("chunk of %5zu: seal %6.2f GB/s (%7.2f us)   open %6.2f GB/s (%7.2f us)\n", lengths[i], (double)lengths[i] / one, one / 1000,
		       (double)lengths[i] / (both - one), (both - one) / 1000);
	}
}

int main(int argc, char **argv)
{
	static const char text[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
	const uint8_t salt[32] = { 1 };
	uint8_t out[32];
	char error[200];

	if (keyring_parse(text, sizeof(text) - 1, &keys, error, sizeof(error)) || object_key_new(&key))
		return 1;
	chunks(seconds);
	printf("new object and header  %7.2f us\n", measure(new_object, 0, seconds) / 1000);
	printf("open a header          %7.2f us\n", measure(open_header, 0, seconds) / 1000);
	printf("seal a trailer         %7.2f us\n", measure(seal_trailer, 0, seconds) / 1000);
	printf("open a trailer         %7.2f us\n", measure(open_trailer, 0, seconds) / 1000);
	int64_t start = cpu_ns();

	if (crypto_scrypt("correct horse battery staple", 28, salt, out))
		return 1;
	printf("scrypt                 %7.0f ms\n", (double)(cpu_ns() - start) / 1e6);
	keyring_free(keys);
	return 0;
}

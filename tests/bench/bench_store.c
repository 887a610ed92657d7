/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "s3/stores.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>

/* What one S3 store does against a real server: requests a second, and the CPU that the client takes for each GiB.
 *
 *   bench_store put|get|head|list THREADS SIZE COUNT
 *
 * Server and credentials come from PISHOP_TEST_S3 (host:port), PISHOP_TEST_S3_ACCESS, _SECRET, _BUCKET, as in store_conformance. With
 * PISHOP_TEST_S3_UNSIGNED=1 the payload is not hashed, as over TLS. Every thread works on a key of its own. */

struct bench {
	struct store *store;
	size_t size;
	unsigned count; /* requests of each thread */
	int (*one)(struct bench *b, const char *key, struct iovec *iov);
};

struct worker {
	struct bench *bench;
	pthread_t thread;
	unsigned number;
	int rc;
};

static int one_put(struct bench *b, const char *key, struct iovec *iov)
{
	return b->store->ops->put(b->store, key, iov, 1, NULL, NULL, NULL, NULL);
}

static int one_get(struct bench *b, const char *key, struct iovec *iov)
{
	size_t got;

	return b->store->ops->get(b->store, key, (struct store_range){ 0, b->size }, NULL, iov, 1, &got, NULL, NULL);
}

static int one_head(struct bench *b, const char *key, struct iovec *iov)
{
	struct store_meta meta;

	return b->store->ops->head(b->store, key, &meta, NULL);
}

static int one_list(struct bench *b, const char *key, struct iovec *iov)
{
	struct store_page page;
	int rc = b->store->ops->list(b->store, "bench/", 0, NULL, 0, &page, NULL);

	store_page_free(&page);
	return rc;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct iovec iov = { malloc(w->bench->size + 1), w->bench->size };
	uint64_t x = w->number + 1;
	char key[64];

	for (size_t i = 0; i < w->bench->size; i += 8) { /* bytes that do not compress */
		x = x * 6364136223846793005u + 1442695040888963407u;
		memcpy((char *)iov.iov_base + i, &x, min_size(8, w->bench->size - i));
	}
	snprintf(key, sizeof(key), "bench/%u", w->number);
	for (unsigned i = 0; i < w->bench->count && !w->rc; i++)
		w->rc = w->bench->one(w->bench, key, &iov);
	free(iov.iov_base);
	return NULL;
}

static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int run(struct bench *b, unsigned threads)
{
	struct worker workers[64] = { 0 };
	double cpu = cpu_seconds();
	int64_t began = clock_mono_ms();
	int rc = 0;

	for (unsigned i = 0; i < threads; i++) {
		workers[i] = (struct worker){ .bench = b, .number = i };
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			return EAGAIN;
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
		rc = rc ? rc : workers[i].rc;
	}

	double wall = (double)(clock_mono_ms() - began) / 1e3, requests = (double)threads * b->count;
	double gib = requests * (double)b->size / (1 << 30);

	cpu = cpu_seconds() - cpu;
	printf("%.0f requests, %.2f s: %.0f/s, %.1f us CPU each", requests, wall, requests / wall, cpu / requests * 1e6);
	if (b->size >= 65536)
		printf("; %.0f MiB/s, %.2f CPU-s/GiB", gib * 1024 / wall, cpu / gib);
	printf("\n");
	return rc;
}

static int open_store(struct store **store)
{
	struct s3_config config = { .endpoint = getenv("PISHOP_TEST_S3"), .access_key = getenv("PISHOP_TEST_S3_ACCESS"),
				    .secret_key = getenv("PISHOP_TEST_S3_SECRET"), .bucket = getenv("PISHOP_TEST_S3_BUCKET"), .path_style = true,
				    .connections = 64 };

	if (getenv("PISHOP_TEST_S3_UNSIGNED"))
		config.signing = S3_SIGN_UNSIGNED;
	return s3_store_new(&config, store);
}

static const struct {
	const char *name;
	int (*one)(struct bench *b, const char *key, struct iovec *iov);
} verbs[] = { { "put", one_put }, { "get", one_get }, { "head", one_head }, { "list", one_list } };

int main(int argc, char **argv)
{
	struct bench b = { 0 };
	unsigned threads;

	for (size_t i = 0; argc == 5 && i < ARRAY_LEN(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			b.one = verbs[i].one;
	if (!b.one || open_store(&b.store)) {
		fprintf(stderr, "usage: bench_store put|get|head|list THREADS SIZE COUNT, with PISHOP_TEST_S3... set\n");
		return 2;
	}
	threads = (unsigned)min_size(strtoul(argv[2], NULL, 10), 64);
	b.size = strtoul(argv[3], NULL, 10);
	b.count = (unsigned)strtoul(argv[4], NULL, 10);

	int rc = run(&b, threads);

	if (rc)
		fprintf(stderr, "bench_store: %s\n", strerror(rc));
	store_free(b.store);
	return rc ? 1 : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_vault.h"

#include "base/buf.h"
#include "base/clock.h"
#include "crypto/digest.h"
#include "s3/stores.h"
#include "vault/backup.h"
#include "vault/catalog_private.h"
#include "vault/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

/* What retention takes to look at a large tenant and to plan: time and memory.
 *
 *   bench_catalog [BACKUPS] [OBJECTS_OF_EACH]     20000 and 50
 *   bench_catalog STORE TENANT                    what make_backups made there, by the settings of the environment
 *
 * The first on a store that makes its listing up as it is asked, so that the memory counted is the program's own and not the store's. Every backup is sealed, and remembered
 * from an earlier look, as it is in every run but the first. The second looks twice: the first time nothing is remembered, and every seal is read. */

#define ROOT "backups/acme/"
#define SEALS "backups/.pishop/t/acme/seals/"

struct made {
	struct store base;
	struct store *below; /* everything else */
	unsigned backups, each;
	uint64_t requests;
};

static void name_of(unsigned backup, char out[64])
{
	struct tm tm;
	time_t at = 1500000000 + (time_t)backup * 3600;

	gmtime_r(&at, &tm);
	strftime(out, 64, "db-%Y%m%d-%H%M%S", &tm);
}

static void make_object(struct store_object *o, const char *prefix, const char *name, unsigned number, bool member)
{
	char key[PATH_CAP];

	snprintf(key, sizeof(key), member ? "%s%s/dump/collection-%04u.bson.gz" : "%s%s", prefix, name, number);
	*o = (struct store_object){ .key = strdup(key), .size = object_length(1000000 + number), .modified = 1500000000 };
	snprintf(o->etag, sizeof(o->etag), "%032x", number);
}

/* All of the tenant's objects, or all of its seals, a page at a time; the token is the number of the next. */
static int list(struct store *s, const char *prefix, char delimiter, const char *token, uint32_t max, struct store_page *page, struct store_call *call)
{
	struct made *m = (struct made *)s;
	bool members = strcmp(prefix, ROOT) == 0;
	unsigned each = members ? m->each : 1, all = m->backups * each, from = token ? (unsigned)strtoul(token, NULL, 10) : 0;
	char name[64], next[16];

	m->requests++;
	if (!members && strcmp(prefix, SEALS) != 0)
		return m->below->ops->list(m->below, prefix, delimiter, token, max, page, call);
	*page = (struct store_page){ .objects = calloc(1000, sizeof(*page->objects)) };
	for (; page->count < 1000 && from < all; from++, page->count++) {
		name_of(from / each, name);
		make_object(&page->objects[page->count], members ? ROOT : SEALS, name, from % each, members);
	}
	snprintf(next, sizeof(next), "%u", from);
	page->next = from < all ? strdup(next) : NULL;
	if (call)
		call->server_date = clock_wall_s();
	return 0;
}

#define MADE(s) (((struct made *)(s))->below)

static int get(struct store *s, const char *key, struct store_range range, const char *if_match, const struct iovec *iov, int iovcnt, size_t *got, struct store_meta *meta,
	       struct store_call *call)
{
	((struct made *)s)->requests++;
	return MADE(s)->ops->get(MADE(s), key, range, if_match, iov, iovcnt, got, meta, call);
}

static int put(struct store *s, const char *key, const struct iovec *iov, int iovcnt, const char *commit, const struct store_cond *cond, struct store_meta *meta,
	       struct store_call *call)
{
	return MADE(s)->ops->put(MADE(s), key, iov, iovcnt, commit, cond, meta, call);
}

static int head(struct store *s, const char *key, struct store_meta *meta, struct store_call *call)
{
	((struct made *)s)->requests++;
	return MADE(s)->ops->head(MADE(s), key, meta, call);
}

static int probe(struct store *s, struct store_call *call)
{
	return MADE(s)->ops->probe(MADE(s), call);
}

static void drop(struct store *s)
{
	store_free(MADE(s));
	free(s);
}

static const struct store_ops ops = { .get = get, .put = put, .head = head, .list = list, .probe = probe, .free = drop };

static struct vault *open_vault(struct made *m)
{
	static const char key[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
	struct vault_config config = { .prefix = "backups", .memory = VAULT_MEMORY_MIN };
	struct keyring *keys;
	struct vault *v = NULL;
	char error[1024] = "no key";

	if (mem_store_new(NULL, &m->below))
		return NULL;
	m->base.ops = &ops;
	m->base.limits = m->below->limits;
	m->base.conditional = true;
	if (keyring_parse(key, strlen(key), &keys, error, sizeof(error)) || vault_open(&config, &m->base, keys, &v, error, sizeof(error)) != VAULT_OK)
		fprintf(stderr, "%s\n", error);
	return v;
}

static int by_stem(const void *a, const void *b)
{
	return strcmp(((const struct backup *)a)->stem, ((const struct backup *)b)->stem);
}

/* What an earlier look would have found. */
static int remember(struct made *m, struct catalog_memory *memory)
{
	struct digest *d;
	struct store_object o;

	memory->known = calloc(m->backups, sizeof(*memory->known));
	if (!memory->known || digest_new(&d))
		return 1;
	for (unsigned i = 0; i < m->backups; i++) {
		struct backup *b = &memory->known[memory->count++];

		name_of(i, b->stem);
		*b = (struct backup){ .state = BACKUP_SEALED, .timed = true, .time_s = 1500000000 + (int64_t)i * 3600, .committed_s = 1500000000 + (int64_t)i * 3600,
				      .sealed_s = 1500000000, .objects = m->each };
		name_of(i, b->stem);
		snprintf(b->seal_etag, sizeof(b->seal_etag), "%032x", 0u);
		for (unsigned k = 0; k < m->each; k++) {
			make_object(&o, ROOT, b->stem, k, true);
			listed_add(d, b->listed, &o);
			free(o.key);
		}
	}
	digest_free(d);
	qsort(memory->known, memory->count, sizeof(*memory->known), by_stem);
	return 0;
}

static long rss_kib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

/* One look and one plan; m NULL: a real store. */
static int look(struct vault *v, const char *tenant, const struct catalog_memory *memory, struct made *m, struct catalog *c)
{
	struct catalog_options options = { .memory = memory };
	AUTO(plan_free) struct plan plan = { 0 };
	struct policy policy;
	int64_t begin = clock_mono_ms(), listed;
	int rc = catalog_read(v, tenant, &options, c, NULL);

	policy_default(&policy);
	policy.keep_last = 100;
	policy.keep_daily = 30;
	policy.min_age_s = 0;
	listed = clock_mono_ms();
	if (!rc)
		rc = plan_make(c->backups, c->count, &policy, c->server_s, &plan);
	printf("%" PRIu64 " objects in %zu backups%s: listed in %lld ms", c->objects, c->count, memory ? ", remembered" : "", (long long)(listed - begin));
	if (m)
		printf(" with %" PRIu64 " requests", m->requests);
	printf(", planned in %lld ms (%zu to go), at most %ld MiB\n", (long long)(clock_mono_ms() - listed), plan.remove, rss_kib() / 1024);
	return rc;
}

static int look_made(struct made *m, struct vault *v)
{
	struct catalog_memory memory = { 0 };
	AUTO(catalog_free) struct catalog c = { 0 };
	int rc = remember(m, &memory);

	m->requests = 0;
	if (!rc)
		rc = look(v, "acme", &memory, m, &c);
	free(memory.known);
	return rc;
}

static int look_twice(const char *where, const char *tenant)
{
	AUTO(catalog_free) struct catalog first = { 0 }, second = { 0 };
	struct vault *v = bench_vault(where, tenant, true);
	int rc = v ? look(v, tenant, NULL, NULL, &first) : EIO;

	if (!rc) {
		qsort(first.backups, first.count, sizeof(*first.backups), by_stem);
		rc = look(v, tenant, &(struct catalog_memory){ first.backups, first.count }, NULL, &second);
	}
	if (v)
		vault_close(v);
	return rc;
}

int main(int argc, char **argv)
{
	struct made *m;
	struct vault *v;
	int rc;

	if (argc == 3 && strchr(argv[1], ':'))
		return look_twice(argv[1], argv[2]) != 0;
	m = calloc(1, sizeof(*m));
	if (!m)
		return 1;
	m->backups = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 20000;
	m->each = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 50;
	v = open_vault(m);
	if (!v)
		return 1;
	rc = look_made(m, v);
	vault_close(v);
	return rc != 0;
}

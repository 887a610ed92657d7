/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/catalog_private.h"

#include "vault/tombstone_private.h"

#include <errno.h>

/* SHA-256(before ‖ length, 8 bytes, lowest first ‖ key ‖ NUL ‖ ETag ‖ NUL): one piece for each object, in order of key, so that a listing of any length needs no more than the
 * digest so far. */
void listed_add(struct digest *d, uint8_t listed[DIGEST_BYTES], const struct store_object *o)
{
	uint8_t length[8];

	for (unsigned i = 0; i < sizeof(length); i++)
		length[i] = (uint8_t)(o->size >> 8 * i);
	digest_add(d, listed, DIGEST_BYTES);
	digest_add(d, length, sizeof(length));
	digest_add(d, o->key, strlen(o->key) + 1);
	digest_add(d, o->etag, strlen(o->etag) + 1);
	digest_end(d, listed);
}

void members_free(struct members *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->list[i].key);
	free(m->list);
	*m = (struct members){ 0 };
}

struct gathering {
	struct members *to;
	struct digest *digest;
};

static int grow(struct members *m, size_t more)
{
	size_t cap = max_size(m->cap + m->cap / 2, m->count + more);
	struct member *grown = m->count + more > m->cap ? reallocarray(m->list, cap, sizeof(*grown)) : m->list;

	if (!grown)
		return ENOMEM;
	m->cap = max_size(m->cap, m->count + more > m->cap ? cap : 0);
	m->list = grown;
	return 0;
}

static int gather(void *arg, const struct store_object *objects, size_t count)
{
	struct gathering *g = arg;
	struct members *m = g->to;
	int rc = grow(m, count);

	for (size_t i = 0; i < count && !rc; i++) {
		struct member *one = &m->list[m->count];

		*one = (struct member){ .key = strdup(objects[i].key), .length = objects[i].size, .modified = objects[i].modified };
		if (!one->key)
			return ENOMEM;
		memcpy(one->etag, objects[i].etag, sizeof(one->etag));
		m->count++;
		m->bytes += one->length;
		if (one->modified > m->newest_s)
			m->newest_s = one->modified;
		listed_add(g->digest, m->listed, &objects[i]);
	}
	return rc;
}

int members_list(struct vault *v, const char *tenant, const char *stem, struct members *out, struct store_call *call)
{
	struct gathering g = { .to = out };
	struct guard guard = { .user = call };
	struct place place;
	int rc = place_live(v, tenant, stem, &place);

	*out = (struct members){ 0 };
	if (!rc)
		rc = digest_new(&g.digest);
	if (!rc)
		rc = place_walk(&place, &guard, gather, &g);
	digest_free(g.digest);
	if (rc)
		members_free(out);
	return rc;
}

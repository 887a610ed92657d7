/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/object_private.h"

#include <errno.h>

#define FETCH_TRIES 4 /* as often as this process may move an object during one read */

/* Whether o stands elsewhere than *place, which then says where. A rewrite under way has perhaps done so in the bucket already: it is waited for. */
static bool moved(struct object *o, struct object_place *place)
{
	struct object_place now;

	pthread_mutex_lock(&o->rewriting);
	pthread_mutex_unlock(&o->rewriting);
	object_place(o, &now);

	bool differs = strcmp(now.key, place->key) != 0 || strcmp(now.etag, place->etag) != 0;

	*place = now;
	return differs;
}

static int fetch_at(struct vault *v, const struct object_place *place, uint64_t offset, const struct iovec *iov, int iovcnt, struct store_call *call)
{
	size_t wanted = store_iov_bytes(iov, iovcnt), got = 0;
	struct store_range range = { .offset = (int64_t)offset, .length = wanted };
	int rc = v->store->ops->get(v->store, place->key, range, place->etag, iov, iovcnt, &got, NULL, call);

	if (rc)
		return rc;
	vault_progress(v);
	return got == wanted ? 0 : store_fail(call, EBADMSG, place->key, "the store gave %zu of %zu bytes", got, wanted);
}

int object_fetch(struct vault *v, struct object *o, uint64_t offset, const struct iovec *iov, int iovcnt, struct store_call *call)
{
	struct object_place place;
	int rc = ESTALE;

	object_place(o, &place);
	for (int i = 0; i < FETCH_TRIES; i++) {
		rc = fetch_at(v, &place, offset, iov, iovcnt, call);
		if ((rc != ESTALE && rc != ENOENT) || !moved(o, &place))
			return rc;
	}
	return rc;
}

struct iovec *records_lay_out(uint64_t size, uint64_t first, struct record *records, unsigned n, uint8_t *header, int *count)
{
	struct iovec *iov = calloc(3 * (size_t)n + 2, sizeof(*iov));

	*count = 0;
	if (!iov)
		return NULL;
	if (header)
		iov[(*count)++] = (struct iovec){ header, HEADER_BYTES };
	for (unsigned i = 0; i < n; i++) {
		struct record *r = &records[i];

		r->len = chunk_plain_len(size, first + i);
		iov[(*count)++] = (struct iovec){ r->nonce, sizeof(r->nonce) };
		iov[(*count)++] = (struct iovec){ r->data, r->len };
		iov[(*count)++] = (struct iovec){ r->tag, sizeof(r->tag) };
	}
	return iov;
}

int records_fetch_at(struct vault *v, const struct object_place *place, uint64_t size, uint64_t first, struct record *records, unsigned count,
		     uint8_t *header, struct store_call *call)
{
	int entries;
	AUTO_FREE struct iovec *iov = records_lay_out(size, first, records, count, header, &entries);

	if (!iov)
		return store_fail(call, ENOMEM, place->key, "out of memory");
	return fetch_at(v, place, header ? 0 : chunk_offset(first), iov, entries, call);
}

int records_fetch(struct vault *v, struct object *o, uint64_t first, struct record *records, unsigned count, struct store_call *call)
{
	int entries;
	AUTO_FREE struct iovec *iov = records_lay_out(o->size, first, records, count, NULL, &entries);

	if (!iov)
		return store_fail(call, ENOMEM, NULL, "out of memory");
	return object_fetch(v, o, chunk_offset(first), iov, entries, call);
}

int records_open(struct object *o, uint64_t first, struct record *records, unsigned count, uint64_t *bad)
{
	uint64_t last = chunk_count(o->size) - 1;

	for (unsigned i = 0; i < count; i++) {
		struct record *r = &records[i];
		enum chunk_kind kind = first + i == last ? CHUNK_LAST : CHUNK_INNER;
		int rc = chunk_open(&o->keys, first + i, kind, r->nonce, r->data, r->len, r->tag);

		if (!rc)
			continue;
		*bad = first + i;
		return rc;
	}
	return 0;
}

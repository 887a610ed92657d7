/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/object_private.h"

#include "base/log.h"

#include <errno.h>

/* Reading of committed content. What comes damaged is asked for once more, since a flipped bit on the way is no damage in the bucket; the
 * log then names object, chunk and bytes. */

void tell_damage(struct object *o, uint64_t chunk, bool again)
{
	struct object_place place;
	unsigned long long begin = chunk * CHUNK_BYTES, end = begin + chunk_plain_len(o->size, chunk);

	object_place(o, &place);
	if (!again)
		log_path(LOG_WARN, "object", place.key, "chunk %llu (bytes %llu to %llu) came damaged; reading it once more", (unsigned long long)chunk,
			 begin, end);
	else
		log_path(LOG_ERROR, "object", place.key,
			 "chunk %llu (bytes %llu to %llu) is damaged in the bucket: it cannot be decrypted; take this file from another backup, "
			 "and have the store's disks checked",
			 (unsigned long long)chunk, begin, end);
}

static int tell_failed(struct object *o, const struct store_call *call, int rc)
{
	struct object_place place;

	object_place(o, &place);
	if (rc == ESTALE || rc == ENOENT) {
		log_path(LOG_WARN, "object", place.key, "reading failed: %s since it was opened; open it again",
			 rc == ESTALE ? "it was replaced" : "it was removed");
		return ESTALE;
	}
	log_store("object", place.key, "reading failed", call, rc);
	return rc;
}

/* Fetches and decrypts; *bad as records_open. */
static int read_records(struct vault *v, struct object *o, uint64_t first, struct record *records, unsigned count)
{
	for (int again = 0; again < 2; again++) {
		struct store_call call = { 0 };
		uint64_t bad = 0;
		int rc = records_fetch(v, o, first, records, count, &call);

		if (rc)
			return tell_failed(o, &call, rc);
		rc = records_open(o, first, records, count, &bad);
		if (rc != EBADMSG)
			return rc;
		tell_damage(o, bad, again);
	}
	return EBADMSG;
}

static int refuse_foreign(struct vault *v, struct object *o)
{
	if (!o->foreign || v->config.foreign_read)
		return 0;

	struct object_place place;

	object_place(o, &place);
	pthread_mutex_lock(&o->lock);

	bool told = o->complained;

	o->complained = true;
	pthread_mutex_unlock(&o->lock);
	if (!told)
		log_path(LOG_WARN, "object", place.key,
			 "not written by this program, so its content proves nothing and is not given out; --foreign=read reads such objects as they are");
	return EACCES;
}

static int read_foreign(struct vault *v, struct object *o, uint64_t offset, const struct iovec *iov, int iovcnt)
{
	struct store_call call = { 0 };
	int rc = object_fetch(v, o, offset, iov, iovcnt, &call);

	return rc ? tell_failed(o, &call, rc) : 0;
}

/* Room for a chunk that is wanted only in part: a slab, or plain memory where no slab is free. At most two a call, so that reads go on
 * when writers hold all memory. */
struct bounce {
	struct slabs *slabs;
	struct slab *slab;
	uint8_t *data;
};

static void bounce_free(struct bounce *b)
{
	if (b->slab)
		slab_give(b->slabs, b->slab);
	else
		free(b->data);
}

static uint8_t *bounce_get(struct vault *v, struct bounce *b)
{
	b->slabs = v->slabs;
	b->slab = slab_take(v->slabs, SLAB_READ);
	b->data = b->slab ? b->slab->data : malloc(CHUNK_BYTES);
	return b->data;
}

/* A read inside the object that touches at most RECORDS_MAX chunks. Whole chunks are decrypted where they are wanted; the first and the last are
 * copied out of a bounce where only a part is wanted. */
static int read_batch(struct vault *v, struct object *o, uint64_t offset, size_t len, uint8_t *out)
{
	uint64_t first = offset / CHUNK_BYTES, last = (offset + len - 1) / CHUNK_BYTES;
	unsigned count = (unsigned)(last - first + 1);
	size_t head = offset % CHUNK_BYTES, tail = (size_t)(offset + len - last * CHUNK_BYTES); /* bytes of the first not wanted, of the last wanted */
	bool head_cut = head != 0 || (count == 1 && tail < chunk_plain_len(o->size, first));
	bool tail_cut = count > 1 && tail < chunk_plain_len(o->size, last);
	AUTO(bounce_free) struct bounce at_head = { 0 };
	AUTO(bounce_free) struct bounce at_tail = { 0 };
	AUTO_FREE struct record *records = calloc(count, sizeof(*records));

	if (!records || (head_cut && !bounce_get(v, &at_head)) || (tail_cut && !bounce_get(v, &at_tail)))
		return ENOMEM;
	for (unsigned i = 0; i < count; i++)
		records[i].data = i == 0 ? out : out + (size_t)i * CHUNK_BYTES - head;
	if (head_cut)
		records[0].data = at_head.data;
	if (tail_cut)
		records[count - 1].data = at_tail.data;

	int rc = read_records(v, o, first, records, count);

	if (rc)
		return rc;
	if (head_cut)
		memcpy(out, at_head.data + head, min_size(len, CHUNK_BYTES - head));
	if (tail_cut)
		memcpy(out + len - tail, at_tail.data, tail);
	return 0;
}

int object_read(struct vault *v, struct object *o, uint64_t offset, size_t len, void *out, size_t *got)
{
	uint8_t *to = out;
	int rc = refuse_foreign(v, o);

	*got = 0;
	if (rc || offset >= o->size || len == 0)
		return rc;
	len = (size_t)min_u64(len, o->size - offset);
	if (o->foreign)
		rc = read_foreign(v, o, offset, &(struct iovec){ out, len }, 1);
	else if (!object_cache_read(o, offset, len, out))
		for (size_t done = 0; done < len && !rc;) {
			uint64_t end = ((offset + done) / CHUNK_BYTES + RECORDS_MAX) * CHUNK_BYTES;
			size_t n = (size_t)min_u64(len - done, end - (offset + done));

			rc = read_batch(v, o, offset + done, n, to + done);
			done += n;
		}
	if (!rc)
		*got = len;
	return rc;
}

/* Foreign objects in pieces of a chunk, so that readers need not know them. */
static int read_foreign_chunks(struct vault *v, struct object *o, uint64_t first, unsigned count, struct slab *const *slabs)
{
	struct iovec iov[RECORDS_MAX];

	for (unsigned i = 0; i < count; i++)
		iov[i] = (struct iovec){ slabs[i]->data, chunk_plain_len(o->size, first + i) };
	return read_foreign(v, o, first * CHUNK_BYTES, iov, (int)count);
}

int object_read_chunks(struct vault *v, struct object *o, uint64_t first, unsigned count, struct slab *const *slabs)
{
	uint64_t chunks = chunk_count(o->size);
	int rc = refuse_foreign(v, o);

	if (rc)
		return rc;
	if (count == 0 || count > RECORDS_MAX || first >= chunks || count > chunks - first)
		return EINVAL;
	if (o->foreign)
		return o->size ? read_foreign_chunks(v, o, first, count, slabs) : 0;

	AUTO_FREE struct record *records = calloc(count, sizeof(*records));

	if (!records)
		return ENOMEM;
	for (unsigned i = 0; i < count; i++)
		records[i].data = slabs[i]->data;
	return read_records(v, o, first, records, count);
}

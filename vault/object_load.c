/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/object_private.h"

#include "base/buf.h"
#include "base/log.h"

#include <errno.h>

/* Loading: the first bytes of an object come into a window that is cut like records, so that what was fetched whole is decrypted in place and
 * kept as content. Where the object does not end inside the window, its trailer is a second request, tied to the first by If-Match. */

#define WHOLE_CHUNKS 16u /* objects of up to 1 MiB are loaded whole */
#define TAIL_BYTES (RECORD_EXTRA + TRAILER_BYTES)
#define LOAD_TRIES 3 /* when others replace it between the two requests */

struct window {
	struct slabs *slabs;
	struct slab *slab[WHOLE_CHUNKS];
	unsigned count;                                /* slabs */
	uint8_t nonce[WHOLE_CHUNKS][12], tag[WHOLE_CHUNKS][16];
	uint8_t header[HEADER_BYTES], tail[TAIL_BYTES]; /* tail: enough for an empty chunk and the trailer */
	struct iovec iov[3 * WHOLE_CHUNKS + 2];
	int entries;
	size_t got;                                    /* bytes that came */
	struct store_meta meta;
};

static void window_free(struct window *w)
{
	for (unsigned i = 0; i < w->count; i++)
		slab_give(w->slabs, w->slab[i]);
}

static void window_add(struct window *w, void *data, size_t n)
{
	w->iov[w->entries++] = (struct iovec){ data, n };
}

/* Room for an object of that length (0: unknown), as far as memory allows; for header alone where it is too long to be loaded whole. */
static void window_prepare(struct vault *v, struct window *w, uint64_t length)
{
	uint64_t plain = (uint64_t)WHOLE_CHUNKS * CHUNK_BYTES;

	if (length && plain_size_of(length, &plain))
		plain = 0; /* not ours: the header will say so */
	window_add(w, w->header, HEADER_BYTES);
	if (plain > (uint64_t)WHOLE_CHUNKS * CHUNK_BYTES)
		return;
	w->slabs = v->slabs;
	for (unsigned wanted = plain ? (unsigned)chunk_count(plain) : 0; w->count < wanted;) {
		struct slab *slab = object_cache_slab(v);
		unsigned i = w->count;

		if (!slab)
			break;
		w->slab[w->count++] = slab;
		window_add(w, w->nonce[i], sizeof(w->nonce[i]));
		window_add(w, slab->data, CHUNK_BYTES);
		window_add(w, w->tag[i], sizeof(w->tag[i]));
	}
	window_add(w, w->tail, TAIL_BYTES);
}

/* n bytes that came, from position pos of the object. */
static void window_copy(const struct window *w, size_t pos, uint8_t *out, size_t n)
{
	for (int i = 0; n; i++) {
		const struct iovec *part = &w->iov[i];

		if (pos >= part->iov_len) {
			pos -= part->iov_len;
			continue;
		}

		size_t here = min_size(n, part->iov_len - pos);

		memcpy(out, (const uint8_t *)part->iov_base + pos, here);
		out += here;
		n -= here;
		pos = 0;
	}
}

static bool window_whole(const struct window *w)
{
	return w->got == w->meta.size;
}

static int tell(const char *key, int rc, const char *what)
{
	log_path(LOG_ERROR, "object", key, "%s", what);
	return rc;
}

static int open_header(struct vault *v, const char *key, const uint8_t header[HEADER_BYTES], struct object_key *keys)
{
	uint8_t id[KEY_ID];
	char hex[2 * KEY_ID + 1];

	switch (header_open(v->keys, header, keys, id)) {
	case HEADER_OK:
		return 0;
	case HEADER_NO_KEY:
		hex_encode(hex, id, KEY_ID);
		log_path(LOG_ERROR, "object", key, "written with another key (its id is %s): it can be read only with that key", hex);
		return ENOKEY;
	case HEADER_VERSION:
		return tell(key, EPROTONOSUPPORT, "written in a newer format: use a newer version of this program");
	case HEADER_FAILED:
		return tell(key, EIO, "cannot be looked at: no memory for its key");
	default:
		return tell(key, EBADMSG, "damaged: its header is not as it was written; take this file from another backup");
	}
}

/* Why a trailer did not open cannot be told apart: a byte changed, or the object was cut short or extended. */
static int open_trailer(const char *key, const struct object_key *keys, const uint8_t *bytes, uint64_t plain, struct trailer *out)
{
	int rc = trailer_open(keys, bytes, plain, out);

	if (rc == EBADMSG)
		tell(key, rc, "damaged: its trailer is not as it was written, or it was cut short or extended; take this file from another backup");
	return rc;
}

/* Fetches the trailer of an object that the window holds only the beginning of. */
static int fetch_trailer(struct vault *v, const char *key, const struct window *w, uint8_t out[TRAILER_BYTES], struct store_call *call)
{
	struct iovec iov = { out, TRAILER_BYTES };
	struct store_range range = { .offset = (int64_t)(w->meta.size - TRAILER_BYTES), .length = TRAILER_BYTES };
	size_t got;
	int rc = v->store->ops->get(v->store, key, range, w->meta.etag, &iov, 1, &got, NULL, call);

	if (!rc && got != TRAILER_BYTES)
		rc = store_fail(call, EBADMSG, key, "the store gave %zu of %u bytes", got, TRAILER_BYTES);
	if (rc && rc != ESTALE && rc != ENOENT && rc != ECANCELED)
		log_store("object", key, "cannot read its trailer", call, rc);
	return rc;
}

/* Decrypts the content that came whole and keeps it with the object. Content that does not open is left to object_read, which asks again and
 * tells; the attributes are good all the same. */
static void keep_content(struct vault *v, struct window *w, struct object *o)
{
	unsigned chunks = (unsigned)chunk_count(o->size);
	struct slab *plain = NULL;

	if (o->size == 0 || chunks > w->count)
		return;
	for (unsigned k = 0; k < chunks; k++) {
		uint32_t n = chunk_plain_len(o->size, k);
		uint8_t tag[16];

		window_copy(w, chunk_offset(k) + sizeof(w->nonce[k]) + n, tag, sizeof(tag));
		if (chunk_open(&o->keys, k, k + 1 == chunks ? CHUNK_LAST : CHUNK_INNER, w->nonce[k], w->slab[k]->data, n, tag))
			return;
	}
	while (w->count > chunks)
		slab_give(w->slabs, w->slab[--w->count]);
	while (w->count) {
		struct slab *slab = w->slab[--w->count];

		slab->next = plain;
		plain = slab;
	}
	object_cache_keep(v, o, plain);
}

/* From the window to an object. */
static int load_window(struct vault *v, const char *key, struct window *w, struct object **out, struct store_call *call)
{
	struct object_key keys;
	struct trailer t;
	uint8_t trailer[TRAILER_BYTES];
	uint64_t plain;

	if (!header_has_magic(w->header, min_size(w->got, HEADER_BYTES))) {
		*out = object_new(key, NULL, w->meta.size, NULL, &w->meta);
		return *out ? 0 : ENOMEM;
	}
	if (plain_size_of(w->meta.size, &plain))
		return tell(key, EBADMSG, "damaged: cut short or extended, its length is one that no file has; take this file from another backup");

	int rc = open_header(v, key, w->header, &keys);

	if (rc)
		return rc;
	if (window_whole(w))
		window_copy(w, (size_t)w->meta.size - TRAILER_BYTES, trailer, TRAILER_BYTES);
	else
		rc = fetch_trailer(v, key, w, trailer, call);
	if (!rc)
		rc = open_trailer(key, &keys, trailer, plain, &t);
	if (!rc) {
		*out = object_made(v, key, &keys, &t, &w->meta);
		rc = *out ? 0 : ENOMEM;
	}
	object_key_wipe(&keys);
	if (!rc && window_whole(w))
		keep_content(v, w, *out);
	return rc;
}

int object_parse(struct vault *v, const char *key, const uint8_t *bytes, const struct store_meta *meta, struct object **out)
{
	struct object_key keys;
	struct trailer t;
	uint64_t plain;

	if (plain_size_of(meta->size, &plain))
		return tell(key, EBADMSG, "damaged: cut short or extended, its length is one that no file has");

	int rc = open_header(v, key, bytes, &keys);

	if (rc)
		return rc;
	rc = open_trailer(key, &keys, bytes + meta->size - TRAILER_BYTES, plain, &t);
	if (!rc) {
		*out = object_made(v, key, &keys, &t, meta);
		rc = *out ? 0 : ENOMEM;
	}
	object_key_wipe(&keys);
	return rc;
}

static int load_once(struct vault *v, const char *key, uint64_t length, struct object **out, struct store_call *call)
{
	AUTO(window_free) struct window w = { 0 };

	window_prepare(v, &w, length);

	struct store_range range = { .offset = 0, .length = store_iov_bytes(w.iov, w.entries) };
	int rc = v->store->ops->get(v->store, key, range, NULL, w.iov, w.entries, &w.got, &w.meta, call);

	if (!rc && w.got != min_u64(w.meta.size, range.length))
		rc = store_fail(call, EBADMSG, key, "the store gave %zu bytes of an object of %llu", w.got, (unsigned long long)w.meta.size);
	if (rc && rc != ENOENT && rc != ECANCELED)
		log_store("object", key, "cannot read it", call, rc);
	return rc ? rc : load_window(v, key, &w, out, call);
}

int object_load(struct vault *v, const char *key, uint64_t length, struct object **out, struct store_call *user)
{
	int rc = ESTALE;
	struct store_call call = call_like(user, 0);

	*out = NULL;
	for (int i = 0; i < LOAD_TRIES && rc == ESTALE; i++)
		rc = load_once(v, key, length, out, &call);
	if (rc == ESTALE)
		log_path(LOG_ERROR, "object", key, "cannot read it: it is replaced again and again while it is read");
	if (user) {
		user->err = call.err;
		user->server_date = call.server_date;
	}
	return rc;
}

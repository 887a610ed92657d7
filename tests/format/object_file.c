/* SPDX-License-Identifier: Apache-2.0 */
#include "object_file.h"

#include <errno.h>

const char *finding_name(enum finding f)
{
	static const char *const names[] = { "good", "foreign", "newer", "other", "damaged", "cut", "failed" };

	return names[f];
}

static enum finding of_verdict(enum header_verdict v)
{
	switch (v) {
	case HEADER_OK:
		return FOUND_GOOD;
	case HEADER_FOREIGN:
		return FOUND_FOREIGN;
	case HEADER_VERSION:
		return FOUND_NEWER;
	case HEADER_NO_KEY:
		return FOUND_OTHER;
	case HEADER_DAMAGED:
		return FOUND_DAMAGED;
	default:
		return FOUND_FAILED;
	}
}

/* An object whose header and length are good. */
struct object {
	struct object_key key;
	const uint8_t *data;
	uint64_t size; /* plain */
};

static void object_wipe(struct object *o)
{
	object_key_wipe(&o->key);
}

static int open_chunk(const struct object *o, uint64_t k, uint8_t *plain, uint32_t *n)
{
	const uint8_t *record = o->data + chunk_offset(k);
	enum chunk_kind kind = k + 1 == chunk_count(o->size) ? CHUNK_LAST : CHUNK_INNER;

	*n = chunk_plain_len(o->size, k);
	memcpy(plain, record + 12, *n);
	return chunk_open(&o->key, k, kind, record, plain, *n, record + 12 + *n);
}

/* What a trailer that does not open means. */
static enum finding judge_end(const struct object *o)
{
	uint8_t plain[CHUNK_BYTES];
	uint32_t n;

	return open_chunk(o, chunk_count(o->size) - 1, plain, &n) ? FOUND_CUT : FOUND_DAMAGED;
}

/* trailer_open says EBADMSG for a wrong size too; §7 tells it apart, so look at the size that opens. */
static enum finding open_end(const struct object *o, const uint8_t *in, struct trailer *t)
{
	uint8_t body[TRAILER_BYTES];
	struct buf view;
	uint64_t size;

	if (trailer_open(&o->key, in, o->size, t) == 0)
		return FOUND_GOOD;
	memcpy(body, in, sizeof(body));
	if (chunk_open(&o->key, chunk_count(o->size), CHUNK_TRAILER, body, body + 12, TRAILER_BYTES - RECORD_EXTRA, body + TRAILER_BYTES - 16))
		return judge_end(o);
	buf_view(&view, body + 12 + 32, 8);
	return buf_get_u64(&view, &size) == 0 && size != o->size ? FOUND_CUT : FOUND_DAMAGED;
}

static enum finding read_content(const struct object *o, struct buf *content)
{
	uint8_t plain[CHUNK_BYTES];
	uint32_t n;

	for (uint64_t k = 0; k < chunk_count(o->size); k++) {
		if (open_chunk(o, k, plain, &n))
			return FOUND_DAMAGED;
		if (buf_put(content, plain, n))
			return FOUND_FAILED;
	}
	return FOUND_GOOD;
}

enum finding object_read(struct keyring *keys, const uint8_t *data, size_t len, struct trailer *t, struct buf *content)
{
	AUTO(object_wipe) struct object o = { .data = data };

	if (!header_has_magic(data, len))
		return FOUND_FOREIGN;
	if (len < HEADER_BYTES)
		return FOUND_CUT;

	enum finding f = of_verdict(header_open(keys, data, &o.key, NULL));

	if (f != FOUND_GOOD)
		return f;
	if (plain_size_of(len, &o.size))
		return FOUND_CUT;
	f = open_end(&o, data + len - TRAILER_BYTES, t);
	return f == FOUND_GOOD ? read_content(&o, content) : f;
}

static int put_chunk(const struct object_key *key, const uint8_t *content, size_t len, uint64_t k, struct buf *out)
{
	uint8_t nonce[12], tag[16], data[CHUNK_BYTES];
	uint32_t n = chunk_plain_len(len, k);

	if (n)
		memcpy(data, content + k * CHUNK_BYTES, n);
	int rc = chunk_seal(key, k, k + 1 == chunk_count(len) ? CHUNK_LAST : CHUNK_INNER, nonce, data, n, tag);

	if (!rc)
		rc = buf_put(out, nonce, sizeof(nonce));
	if (!rc)
		rc = buf_put(out, data, n);
	return rc ? rc : buf_put(out, tag, sizeof(tag));
}

int object_write(struct keyring *keys, struct trailer *t, const uint8_t *content, size_t len, struct buf *out)
{
	AUTO(object_key_wipe) struct object_key key = { 0 };
	uint8_t header[HEADER_BYTES], end[TRAILER_BYTES];
	int rc = object_key_new(&key);

	t->size = len;
	if (!rc)
		rc = header_make(keys, &key, header);
	if (!rc)
		rc = buf_put(out, header, sizeof(header));
	for (uint64_t k = 0; !rc && k < chunk_count(len); k++)
		rc = put_chunk(&key, content, len, k, out);
	if (!rc)
		rc = trailer_seal(&key, t, end);
	return rc ? rc : buf_put(out, end, sizeof(end));
}

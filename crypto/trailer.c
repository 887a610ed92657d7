/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/trailer.h"

#include "base/buf.h"
#include "crypto/aead.h"

#include <errno.h>

#define BODY_BYTES (TRAILER_BYTES - RECORD_EXTRA)
#define NANOSECONDS 1000000000

static bool time_fits(const struct timespec *t)
{
	return t->tv_nsec >= 0 && t->tv_nsec < NANOSECONDS;
}

/* The size that an entry of that type may have; format.md §5. */
static bool size_fits(uint8_t type, uint64_t size)
{
	if (type == ENTRY_FOLDER)
		return size == 0;
	if (type == ENTRY_SYMLINK)
		return size > 0 && size <= SYMLINK_MAX;
	return size <= PLAIN_SIZE_MAX;
}

static bool values_fit(const struct trailer *t)
{
	return t->type >= ENTRY_FILE && t->type <= ENTRY_RECORD && t->state <= STATE_UNKNOWN && t->mode <= 07777 && time_fits(&t->mtime) &&
	       time_fits(&t->committed) && size_fits(t->type, t->size);
}

static int put_time(struct buf *b, const struct timespec *t)
{
	return buf_put_u64(b, (uint64_t)t->tv_sec) || buf_put_u32(b, (uint32_t)t->tv_nsec) || buf_fill(b, 0, 4);
}

static int encode(struct buf *b, const struct trailer *t)
{
	bool failed = buf_put_u8(b, t->type) || buf_put_u8(b, t->state) || buf_fill(b, 0, 2) || buf_put_u32(b, t->mode) ||
		      buf_put_u32(b, t->uid) || buf_put_u32(b, t->gid) || put_time(b, &t->mtime) || buf_put_u64(b, t->size) ||
		      put_time(b, &t->committed) || buf_put(b, t->commit_id, sizeof(t->commit_id)) ||
		      buf_put(b, t->writer_id, sizeof(t->writer_id)) || buf_fill(b, 0, BODY_BYTES - b->len);

	return failed ? ENOMEM : 0;
}

static int get_time(struct buf *b, struct timespec *t)
{
	uint64_t seconds;
	uint32_t nanoseconds;

	if (buf_get_u64(b, &seconds) || buf_get_u32(b, &nanoseconds) || buf_get_zero(b, 4))
		return EBADMSG;
	*t = (struct timespec){ .tv_sec = (time_t)(int64_t)seconds, .tv_nsec = nanoseconds };
	return 0;
}

static int decode(struct buf *b, struct trailer *t)
{
	if (buf_get_u8(b, &t->type) || buf_get_u8(b, &t->state) || buf_get_zero(b, 2) || buf_get_u32(b, &t->mode) || buf_get_u32(b, &t->uid) ||
	    buf_get_u32(b, &t->gid) || get_time(b, &t->mtime) || buf_get_u64(b, &t->size) || get_time(b, &t->committed) ||
	    buf_get(b, t->commit_id, sizeof(t->commit_id)) || buf_get(b, t->writer_id, sizeof(t->writer_id)))
		return EBADMSG;
	if (buf_get_zero(b, buf_left(b)))
		return EBADMSG;
	return values_fit(t) ? 0 : EBADMSG;
}

int trailer_seal(const struct object_key *key, const struct trailer *t, uint8_t out[TRAILER_BYTES])
{
	AUTO(buf_free) struct buf body;
	uint8_t *data = out + AEAD_NONCE;

	buf_init_secret(&body, BODY_BYTES);
	if (!values_fit(t))
		return EINVAL;
	if (encode(&body, t))
		return ENOMEM;
	memcpy(data, body.data, BODY_BYTES);
	return chunk_seal(key, chunk_count(t->size), CHUNK_TRAILER, out, data, BODY_BYTES, data + BODY_BYTES);
}

int trailer_open(const struct object_key *key, const uint8_t in[TRAILER_BYTES], uint64_t plain_size, struct trailer *out)
{
	struct { /* the record's layout */
		uint8_t nonce[AEAD_NONCE], body[BODY_BYTES], tag[AEAD_TAG];
	} record;
	struct trailer t = { 0 };
	struct buf view;

	_Static_assert(sizeof(record) == TRAILER_BYTES, "bytes without holes");
	memcpy(&record, in, sizeof(record));
	int rc = chunk_open(key, chunk_count(plain_size), CHUNK_TRAILER, record.nonce, record.body, BODY_BYTES, record.tag);

	if (rc)
		return rc;
	buf_view(&view, record.body, BODY_BYTES);
	rc = decode(&view, &t);
	explicit_bzero(&record, sizeof(record));
	if (rc || t.size != plain_size)
		return EBADMSG;
	*out = t;
	return 0;
}

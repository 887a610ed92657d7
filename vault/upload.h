/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/slab.h"
#include "vault/object.h"

/* From plain chunks in slabs to one object in the bucket: as one put, or as a multipart upload. Bytes and requests only; when to do what is the
 * writer's business (writer.c). Nothing here locks: the owner makes sure that one part is sent by one thread, and that complete and abort
 * come when no part is under way. Slabs are encrypted in place; their plain bytes are gone afterwards. */

/* How plain chunks are laid over parts. Part numbers count from 1. The first 1000 parts have `chunks` chunks, then twice as many for each
 * further 1000, up to `cap` chunks. */
struct part_plan {
	uint32_t chunks, cap;
	uint32_t parts_max;
};
struct part_plan part_plan_of(struct vault *v);
uint32_t part_chunks(const struct part_plan *p, uint32_t number);
/* Plain bytes that fit when everything is uploaded from part 1 on; never above the store's largest object. */
uint64_t part_plan_largest(struct vault *v, const struct part_plan *p);

/* What ends an object. */
struct object_end {
	uint64_t size; /* plain bytes of the whole file */
	const struct trailer *trailer;
};

/* Asked when a condition did not hold: 0 and another condition: try once more; else an errno: leave it. Must answer 0 once at most. */
typedef int upload_second(void *arg, struct store_cond *cond);

/* One put: slabs[k] holds the plain bytes of chunk k of the file, all chunks. BLOCKS. 0 and meta; ESTALE: the condition did not hold (not our own
 * commit); or a store errno. Lost replies are resolved. second may be NULL. */
int upload_put(struct vault *v, const char *path, const struct object_key *key, struct slab *const *slabs, const struct object_end *end,
	       struct store_cond *cond, upload_second *second, void *arg, struct store_meta *meta);
/* After upload_put with all slabs: makes their bytes plain again, in place. EBADMSG cannot happen but in a broken machine. */
int upload_unseal(const struct object_key *key, struct slab *const *slabs, uint64_t size);

struct upload; /* one multipart upload */

/* NOW: allocates; commit_id is drawn. ENOMEM. */
int upload_new(struct vault *v, const char *path, const struct object_key *key, struct upload **out);
void upload_free(struct upload *u); /* frees the struct only: abort or complete first. NULL is legal */
const uint8_t *upload_commit_id(const struct upload *u);
const struct object_key *upload_key(const struct upload *u);

/* BLOCKS: begins at the path's key, and records it in the writer's record. */
int upload_begin(struct upload *u);
/* How many parts carrying that many bytes takes. */
uint32_t upload_carry_pieces(struct vault *v, uint64_t length);
/* BLOCKS: the first `length` bytes of an object in the bucket (header and full chunks) become the first parts, in even pieces; *copied: how many. The store is
 * asked how long they are. EOPNOTSUPP: it cannot copy ranges, or copies others than it was asked for. */
int upload_carry(struct upload *u, struct object *from, uint64_t length, uint32_t *copied);
/* BLOCKS: encrypts and sends chunks first .. first+count-1 as part `number`; chunk 0 brings the header along, `end` (NULL: more follows) the trailer.
 * May be sent again under the same number. vault_progress is told. */
int upload_send(struct upload *u, uint32_t number, uint64_t first, struct slab *const *slabs, uint32_t count, const struct object_end *end);
/* BLOCKS: completes from all parts sent and carried, verifies (by the ETag that it must have, else by one chunk of
 * each part), takes it off the record. 0; ESTALE: the condition did not hold, the upload
 * is still there and may be completed with another; or an errno. */
int upload_complete(struct upload *u, uint64_t size, struct store_cond *cond, upload_second *second, void *arg, struct store_meta *meta);
/* BLOCKS: ends it without an object; errors are logged (recovery comes later). */
void upload_abort(struct upload *u);

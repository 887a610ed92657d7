/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/slab.h"

#include <stdbool.h>
#include <stdint.h>

/* The bytes of an inode that arrived and are held in RAM: chunks of 64 KiB with the spans of each that are valid. Plain data structure; the
 * owner locks. Slabs come from SLAB_WRITE. What a chunk's spans do not cover is undefined memory until overlay_fill_* defines it. */
#define OVERLAY_SPANS 16u

struct overlay_span {
	uint32_t lo, hi; /* [lo, hi) inside the chunk */
};

struct overlay_chunk; /* opaque but for the accessors below */

struct overlay {
	struct slabs *slabs;
	struct overlay_chunk *chunks; /* hash by number */
	uint32_t count;               /* chunks held */
	uint32_t clean;               /* of these: covered by the committed object, may be dropped at any time */
};

void overlay_init(struct overlay *o, struct slabs *slabs);
void overlay_clear(struct overlay *o);

/* Takes all bytes or none: 0; EAGAIN: no slab is free; ENOBUFS: a chunk would have more than OVERLAY_SPANS spans; ENOMEM. */
int overlay_write(struct overlay *o, uint64_t offset, const void *data, size_t len);
/* Copies what is covered of [offset, offset+len) to out, leaves the rest of out untouched. */
void overlay_read(const struct overlay *o, uint64_t offset, size_t len, uint8_t *out);
/* Whether [offset, offset+len) is covered in full. */
bool overlay_covers(const struct overlay *o, uint64_t offset, size_t len);
/* Drops everything from size on. */
void overlay_cut(struct overlay *o, uint64_t size);
/* Whether chunk k is held at all. */
bool overlay_has(const struct overlay *o, uint64_t k);
/* Makes bytes [0, len) of a held chunk valid: uncovered ones are taken from base (base_len bytes of it; NULL: none) and zeros after that. */
void overlay_fill(struct overlay *o, uint64_t k, uint32_t len, const uint8_t *base, uint32_t base_len);
/* Whether the covered bytes of chunk k below len equal base's. */
bool overlay_same(const struct overlay *o, uint64_t k, const uint8_t *base, uint32_t len);
/* Takes the slab of chunk k out of the overlay: the caller's from now on. NULL: not held. */
struct slab *overlay_detach(struct overlay *o, uint64_t k);
/* Puts a slab in as a clean chunk whose first len bytes are valid (k must not be held). ENOMEM: the slab stays the caller's. */
int overlay_attach_clean(struct overlay *o, uint64_t k, struct slab *slab, uint32_t len);
/* Drops the clean chunks; how many. */
uint32_t overlay_drop_clean(struct overlay *o);

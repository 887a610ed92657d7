/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/overlay.h"

#include <errno.h>

#define HASH_FUNCTION HASH_FNV /* the default one has fall-throughs that clang does not accept */
#include <uthash.h>

struct overlay_chunk {
	uint64_t number;
	struct slab *slab;
	bool clean;
	unsigned count; /* spans, sorted, disjoint, not touching */
	struct overlay_span spans[OVERLAY_SPANS];
	UT_hash_handle hh;
};

/* A run of bytes inside one chunk. */
struct piece {
	uint64_t k;
	uint32_t lo, hi;
};

static struct piece first_piece(uint64_t offset, size_t len)
{
	struct piece p = { .k = offset / SLAB_BYTES, .lo = (uint32_t)(offset % SLAB_BYTES) };

	p.hi = (uint32_t)min_u64(SLAB_BYTES, p.lo + len);
	return p;
}

static struct overlay_chunk *find(const struct overlay *o, uint64_t k)
{
	struct overlay_chunk *c;

	HASH_FIND(hh, o->chunks, &k, sizeof(k), c);
	return c;
}

void overlay_init(struct overlay *o, struct slabs *slabs)
{
	*o = (struct overlay){ .slabs = slabs };
}

static void drop(struct overlay *o, struct overlay_chunk *c)
{
	HASH_DEL(o->chunks, c);
	o->count--;
	o->clean -= c->clean;
	slab_give(o->slabs, c->slab);
	free(c);
}

void overlay_clear(struct overlay *o)
{
	struct overlay_chunk *c, *next;

	HASH_ITER(hh, o->chunks, c, next)
		drop(o, c);
}

uint32_t overlay_drop_clean(struct overlay *o)
{
	struct overlay_chunk *c, *next;
	uint32_t dropped = 0;

	if (!o->clean)
		return 0;
	HASH_ITER(hh, o->chunks, c, next) {
		if (!c->clean)
			continue;
		drop(o, c);
		dropped++;
	}
	return dropped;
}

/* The spans of c with [lo, hi) added, into out[]; how many. out holds OVERLAY_SPANS + 1. */
static unsigned merge(const struct overlay_chunk *c, uint32_t lo, uint32_t hi, struct overlay_span *out)
{
	unsigned n = 0, i = 0;

	for (; i < c->count && c->spans[i].hi < lo; i++)
		out[n++] = c->spans[i];
	for (; i < c->count && c->spans[i].lo <= hi; i++) {
		lo = c->spans[i].lo < lo ? c->spans[i].lo : lo;
		hi = c->spans[i].hi > hi ? c->spans[i].hi : hi;
	}
	out[n++] = (struct overlay_span){ lo, hi };
	for (; i < c->count; i++)
		out[n++] = c->spans[i];
	return n;
}

static void cover(struct overlay_chunk *c, uint32_t lo, uint32_t hi)
{
	struct overlay_span merged[OVERLAY_SPANS + 1];

	c->count = merge(c, lo, hi, merged);
	memcpy(c->spans, merged, c->count * sizeof(merged[0]));
}

static struct overlay_chunk *insert(struct overlay *o, uint64_t k, struct slab *slab)
{
	struct overlay_chunk *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->number = k;
	c->slab = slab;
	HASH_ADD(hh, o->chunks, number, sizeof(c->number), c);
	o->count++;
	return c;
}

/* First pass of a write: every chunk it touches exists and has room for the span. Fresh chunks have no spans: harmless if the write is refused. */
static int prepare(struct overlay *o, uint64_t offset, size_t len)
{
	while (len) {
		struct piece p = first_piece(offset, len);
		struct overlay_chunk *c = find(o, p.k);
		struct overlay_span merged[OVERLAY_SPANS + 1];

		if (c && merge(c, p.lo, p.hi, merged) > OVERLAY_SPANS)
			return ENOBUFS;
		if (!c) {
			struct slab *slab = slab_take(o->slabs, SLAB_WRITE);

			if (!slab)
				return EAGAIN;
			if (!insert(o, p.k, slab)) {
				slab_give(o->slabs, slab);
				return ENOMEM;
			}
		}
		offset += p.hi - p.lo;
		len -= p.hi - p.lo;
	}
	return 0;
}

/* Chunks that a refused write made and nobody filled. */
static void drop_empty(struct overlay *o, uint64_t offset, size_t len)
{
	while (len) {
		struct piece p = first_piece(offset, len);
		struct overlay_chunk *c = find(o, p.k);

		if (c && !c->count)
			drop(o, c);
		offset += p.hi - p.lo;
		len -= p.hi - p.lo;
	}
}

int overlay_write(struct overlay *o, uint64_t offset, const void *data, size_t len)
{
	const uint8_t *in = data;
	int rc = prepare(o, offset, len);

	if (rc) {
		drop_empty(o, offset, len);
		return rc;
	}
	while (len) {
		struct piece p = first_piece(offset, len);
		struct overlay_chunk *c = find(o, p.k);
		uint32_t n = p.hi - p.lo;

		memcpy(c->slab->data + p.lo, in, n);
		cover(c, p.lo, p.hi);
		o->clean -= c->clean;
		c->clean = false;
		in += n;
		offset += n;
		len -= n;
	}
	return 0;
}

void overlay_read(const struct overlay *o, uint64_t offset, size_t len, uint8_t *out)
{
	while (len) {
		struct piece p = first_piece(offset, len);
		struct overlay_chunk *c = find(o, p.k);

		for (unsigned i = 0; c && i < c->count; i++) {
			uint32_t lo = c->spans[i].lo > p.lo ? c->spans[i].lo : p.lo;
			uint32_t hi = c->spans[i].hi < p.hi ? c->spans[i].hi : p.hi;

			if (lo < hi)
				memcpy(out + (lo - p.lo), c->slab->data + lo, hi - lo);
		}
		out += p.hi - p.lo;
		offset += p.hi - p.lo;
		len -= p.hi - p.lo;
	}
}

bool overlay_covers(const struct overlay *o, uint64_t offset, size_t len)
{
	while (len) {
		struct piece p = first_piece(offset, len);
		struct overlay_chunk *c = find(o, p.k);
		bool inside = false;

		for (unsigned i = 0; c && i < c->count; i++)
			inside |= c->spans[i].lo <= p.lo && p.hi <= c->spans[i].hi;
		if (!inside)
			return false;
		offset += p.hi - p.lo;
		len -= p.hi - p.lo;
	}
	return true;
}

void overlay_cut(struct overlay *o, uint64_t size)
{
	struct overlay_chunk *c, *next;

	HASH_ITER(hh, o->chunks, c, next) {
		uint64_t start = c->number * SLAB_BYTES;

		if (start >= size) {
			drop(o, c);
			continue;
		}
		uint32_t keep = (uint32_t)min_u64(SLAB_BYTES, size - start);

		while (c->count && c->spans[c->count - 1].lo >= keep)
			c->count--;
		if (c->count && c->spans[c->count - 1].hi > keep)
			c->spans[c->count - 1].hi = keep;
		if (!c->count)
			drop(o, c);
	}
}

bool overlay_has(const struct overlay *o, uint64_t k)
{
	return find(o, k) != NULL;
}

/* Defines the uncovered bytes [lo, hi) of a chunk. */
static void define(struct overlay_chunk *c, uint32_t lo, uint32_t hi, const uint8_t *base, uint32_t base_len)
{
	uint32_t from_base = lo < base_len ? (hi < base_len ? hi : base_len) - lo : 0;

	if (from_base)
		memcpy(c->slab->data + lo, base + lo, from_base);
	memset(c->slab->data + lo + from_base, 0, hi - lo - from_base);
}

void overlay_fill(struct overlay *o, uint64_t k, uint32_t len, const uint8_t *base, uint32_t base_len)
{
	struct overlay_chunk *c = find(o, k);
	uint32_t at = 0;

	if (!c)
		return;
	if (!base)
		base_len = 0;
	for (unsigned i = 0; i < c->count && at < len; i++) {
		uint32_t lo = c->spans[i].lo < len ? c->spans[i].lo : len;

		if (at < lo)
			define(c, at, lo, base, base_len);
		at = c->spans[i].hi;
	}
	if (at < len)
		define(c, at, len, base, base_len);
	cover(c, 0, len);
}

bool overlay_same(const struct overlay *o, uint64_t k, const uint8_t *base, uint32_t len)
{
	struct overlay_chunk *c = find(o, k);

	for (unsigned i = 0; c && i < c->count; i++) {
		uint32_t lo = c->spans[i].lo, hi = c->spans[i].hi < len ? c->spans[i].hi : len;

		if (lo < hi && memcmp(c->slab->data + lo, base + lo, hi - lo) != 0)
			return false;
	}
	return true;
}

struct slab *overlay_detach(struct overlay *o, uint64_t k)
{
	struct overlay_chunk *c = find(o, k);

	if (!c)
		return NULL;

	struct slab *slab = c->slab;

	c->slab = NULL;
	drop(o, c); /* slab_give(NULL) is legal */
	return slab;
}

int overlay_attach_clean(struct overlay *o, uint64_t k, struct slab *slab, uint32_t len)
{
	struct overlay_chunk *c = insert(o, k, slab);

	if (!c)
		return ENOMEM;
	c->clean = true;
	o->clean++;
	c->count = 1;
	c->spans[0] = (struct overlay_span){ 0, len };
	return 0;
}

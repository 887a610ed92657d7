/* SPDX-License-Identifier: Apache-2.0 */
/* Gathering the plain chunks of a file for a commit: from the overlay where it holds them, made whole in place; else from the base, or zeros, in scratch
 * slabs under the commit token, so that a commit never waits for writers' memory. */
#include "vault/writer_private.h"

#include "base/clock.h"

#include <errno.h>

void writer_ungather(struct writer *w, struct gathered *g)
{
	for (uint32_t i = 0; i < g->count; i++)
		slab_give(w->v->slabs, g->slabs[i]);
	free(g->slabs);
	if (g->token)
		slab_commit_unlock(w->v->slabs);
	*g = (struct gathered){ 0 };
}

/* Bytes of chunk k that the base still gives, of the len that the file has there. */
static uint32_t base_part(const struct writer *w, uint64_t k, uint32_t len)
{
	uint64_t start = k * CHUNK_BYTES;

	return w->base && start < w->base_limit ? (uint32_t)min_u64(len, w->base_limit - start) : 0;
}

static bool needs_scratch(const struct writer *w, uint64_t first, uint32_t count)
{
	for (uint64_t k = first; k < first + count; k++)
		if (!overlay_has(&w->over, k))
			return true;
	return false;
}

/* A deadline that moves while the mount makes progress. */
int writer_take_token(struct vault *v)
{
	for (;;) {
		int rc = slab_commit_lock(v->slabs, clock_mono_ms() + 1000);

		if (rc != ETIMEDOUT || clock_mono_ms() - vault_last_progress(v) > v->config.data_timeout_ms)
			return rc;
	}
}

struct slab *writer_take_scratch(struct vault *v)
{
	int64_t since = clock_mono_ms();

	for (;;) {
		struct slab *s = slab_take(v->slabs, SLAB_COMMIT);

		if (s || clock_mono_ms() - max_u64((uint64_t)since, (uint64_t)vault_last_progress(v)) > v->config.data_timeout_ms)
			return s;
		slab_wait(v->slabs, SLAB_COMMIT, clock_mono_ms() + 1000);
	}
}

/* A chunk the overlay holds, made whole in place. */
static int gather_held(struct writer *w, uint64_t k, uint32_t len, struct slab **out)
{
	AUTO_FREE uint8_t *old = NULL;
	uint32_t from_base = base_part(w, k, len);

	if (from_base && !overlay_covers(&w->over, k * CHUNK_BYTES, from_base)) {
		size_t got = 0;

		old = malloc(CHUNK_BYTES);
		if (!old)
			return ENOMEM;

		int rc = object_read(w->v, w->base, k * CHUNK_BYTES, from_base, old, &got);

		if (rc || got != from_base)
			return rc ? rc : EBADMSG;
	}
	overlay_fill(&w->over, k, len, old, old ? from_base : 0);
	if (old)
		explicit_bzero(old, CHUNK_BYTES);
	*out = overlay_detach(&w->over, k);
	return 0;
}

/* Chunks first.. that the overlay does not hold, as long as they follow each other: from the base in one request, or zeros. */
static int gather_missing(struct writer *w, uint64_t size, uint64_t first, uint32_t count, struct slab **out)
{
	uint32_t from_base = 0;

	for (uint32_t i = 0; i < count; i++) {
		out[i] = writer_take_scratch(w->v);
		if (!out[i])
			return ETIMEDOUT;
		if (base_part(w, first + i, CHUNK_BYTES))
			from_base = i + 1;
	}
	for (uint32_t at = 0; at < from_base; at += 128) {
		int rc = object_read_chunks(w->v, w->base, first + at, (unsigned)min_u64(128, from_base - at), out + at);

		if (rc)
			return rc;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t len = chunk_plain_len(size, first + i), valid = base_part(w, first + i, len);

		memset(out[i]->data + valid, 0, len - valid);
	}
	return 0;
}

int writer_gather(struct writer *w, uint64_t size, uint64_t first, uint32_t count, struct gathered *g)
{
	int rc = 0;

	*g = (struct gathered){ .slabs = calloc(count, sizeof(struct slab *)) };
	if (!g->slabs)
		return ENOMEM;
	if (needs_scratch(w, first, count)) {
		rc = writer_take_token(w->v);
		g->token = !rc;
	}
	while (!rc && g->count < count) {
		uint64_t k = first + g->count;
		uint32_t run = 0;

		while (g->count + run < count && !overlay_has(&w->over, k + run))
			run++;
		if (run) {
			rc = gather_missing(w, size, k, run, g->slabs + g->count);
			g->count += run; /* what could not be taken is NULL, and given back as such */
		} else {
			rc = gather_held(w, k, chunk_plain_len(size, k), &g->slabs[g->count]);
			g->count++;
		}
	}
	if (rc)
		writer_ungather(w, g);
	return rc;
}

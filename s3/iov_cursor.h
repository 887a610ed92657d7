/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/auto.h"

#include <sys/uio.h>

/* A place in an iovec list, which is borrowed. Begins as { .iov = list, .count = n }. */
struct iov_cursor {
	const struct iovec *iov;
	int count, at;
	size_t offset; /* within iov[at] */
	size_t done;   /* bytes before this place */
};

/* Advances by at most n > 0 bytes within one entry of the list: how many, and *piece where they stand. 0: the end of the list. */
static inline size_t iov_step(struct iov_cursor *c, size_t n, char **piece)
{
	while (c->at < c->count && c->offset == c->iov[c->at].iov_len) {
		c->at++;
		c->offset = 0;
	}
	if (c->at == c->count)
		return 0;

	size_t step = min_size(n, c->iov[c->at].iov_len - c->offset);

	*piece = (char *)c->iov[c->at].iov_base + c->offset;
	c->offset += step;
	c->done += step;
	return step;
}

/* Copies the next n bytes of the list to `to` (NULL: skips them); returns how many there were. */
static inline size_t iov_take(struct iov_cursor *c, char *to, size_t n)
{
	size_t moved = 0, step;
	char *piece;

	for (; moved < n && (step = iov_step(c, n - moved, &piece)); moved += step)
		if (to)
			memcpy(to + moved, piece, step);
	return moved;
}

/* Copies n bytes into the list's memory; returns how many had room. */
static inline size_t iov_give(struct iov_cursor *c, const char *from, size_t n)
{
	size_t moved = 0, step;
	char *piece;

	for (; moved < n && (step = iov_step(c, n - moved, &piece)); moved += step)
		memcpy(piece, from + moved, step);
	return moved;
}

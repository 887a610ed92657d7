/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/auto.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A byte buffer with a hard cap: all parsing and all building of bytes goes through it. Not thread-safe.
 *
 * Two uses: growing (buf_init, put...) owns its memory and never grows over `max`;
 * reading (buf_view, get...) borrows the caller's bytes, which must outlive it. Integers are big-endian. */
struct buf {
	uint8_t *data; /* bytes; owned unless `view` */
	size_t len;    /* bytes that are valid */
	size_t cap;    /* bytes allocated */
	size_t max;    /* bytes it may ever hold */
	size_t pos;    /* read cursor, <= len */
	bool view;     /* data is borrowed: put fails with EROFS */
	bool secret;   /* wiped when it grows and when it is freed */
};

void buf_init(struct buf *b, size_t max);
void buf_init_secret(struct buf *b, size_t max);
void buf_view(struct buf *b, const void *data, size_t len);
/* Frees what it owns; b is then empty and may be used again with the same max. NULL is legal. */
void buf_free(struct buf *b);
void buf_reset(struct buf *b); /* len = pos = 0, memory kept */

/* All put functions: 0, ENOBUFS over max, ENOMEM. On an error nothing was added. */
int MUST_CHECK buf_put(struct buf *b, const void *data, size_t n);
int MUST_CHECK buf_puts(struct buf *b, const char *text); /* without the NUL */
int MUST_CHECK buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
int MUST_CHECK buf_fill(struct buf *b, uint8_t byte, size_t n);
int MUST_CHECK buf_put_u8(struct buf *b, uint8_t v);
int MUST_CHECK buf_put_u16(struct buf *b, uint16_t v);
int MUST_CHECK buf_put_u32(struct buf *b, uint32_t v);
int MUST_CHECK buf_put_u64(struct buf *b, uint64_t v);
/* Adds a NUL that is not counted in len and returns the text, owned by b until the next call; NULL: no memory, or over max. */
const char *buf_text(struct buf *b);

/* All get functions advance pos; 0, or EBADMSG when fewer bytes are left (pos unchanged). */
int MUST_CHECK buf_get(struct buf *b, void *out, size_t n);
int MUST_CHECK buf_get_u8(struct buf *b, uint8_t *v);
int MUST_CHECK buf_get_u16(struct buf *b, uint16_t *v);
int MUST_CHECK buf_get_u32(struct buf *b, uint32_t *v);
int MUST_CHECK buf_get_u64(struct buf *b, uint64_t *v);
/* EBADMSG unless the next n bytes are all zero. */
int MUST_CHECK buf_get_zero(struct buf *b, size_t n);
size_t buf_left(const struct buf *b);

/* Lower-case hex of n bytes into out, which holds 2n+1 chars. */
void hex_encode(char *out, const uint8_t *data, size_t n);
/* Exactly n bytes from 2n hex digits of either case: 0 or EINVAL. */
int MUST_CHECK hex_decode(uint8_t *out, size_t n, const char *text, size_t text_len);

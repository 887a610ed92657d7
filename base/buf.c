/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_init_secret(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max, .secret = true };
}

void buf_view(struct buf *b, const void *data, size_t len)
{
	union {
		const void *in;
		uint8_t *out;
	} borrowed = { .in = data }; /* never written: every put looks at `view` first */

	*b = (struct buf){ .data = borrowed.out, .len = len, .cap = len, .max = len, .view = true };
}

static void release(struct buf *b)
{
	if (b->view || !b->data)
		return;
	if (b->secret)
		explicit_bzero(b->data, b->cap);
	free(b->data);
}

void buf_free(struct buf *b)
{
	if (!b)
		return;
	release(b);
	*b = (struct buf){ .max = b->max, .secret = b->secret };
}

void buf_reset(struct buf *b)
{
	b->pos = 0;
	if (!b->view)
		b->len = 0;
}

static int reserve(struct buf *b, size_t n)
{
	if (b->view)
		return EROFS;
	if (n > b->max || b->len > b->max - n)
		return ENOBUFS;
	if (b->len + n <= b->cap)
		return 0;

	size_t cap = min_size(max_size(max_size(64, b->cap * 2), b->len + n), b->max);
	uint8_t *grown = malloc(cap);

	if (!grown)
		return ENOMEM;
	if (b->len)
		memcpy(grown, b->data, b->len);
	release(b);
	b->data = grown;
	b->cap = cap;
	return 0;
}

int buf_put(struct buf *b, const void *data, size_t n)
{
	int rc = reserve(b, n);

	if (rc || !n)
		return rc;
	memcpy(b->data + b->len, data, n);
	b->len += n;
	return 0;
}

int buf_puts(struct buf *b, const char *text)
{
	return buf_put(b, text, strlen(text));
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return EINVAL;

	char *text = malloc((size_t)n + 1);

	if (!text)
		return ENOMEM;
	va_start(ap, fmt);
	vsnprintf(text, (size_t)n + 1, fmt, ap);
	va_end(ap);
	int rc = buf_put(b, text, (size_t)n);

	if (b->secret)
		explicit_bzero(text, (size_t)n);
	free(text);
	return rc;
}

int buf_fill(struct buf *b, uint8_t byte, size_t n)
{
	int rc = reserve(b, n);

	if (rc || !n)
		return rc;
	memset(b->data + b->len, byte, n);
	b->len += n;
	return 0;
}

int buf_put_u8(struct buf *b, uint8_t v)
{
	return buf_put(b, &v, 1);
}

int buf_put_u16(struct buf *b, uint16_t v)
{
	uint8_t out[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	return buf_put(b, out, sizeof(out));
}

int buf_put_u32(struct buf *b, uint32_t v)
{
	uint8_t out[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

	return buf_put(b, out, sizeof(out));
}

int buf_put_u64(struct buf *b, uint64_t v)
{
	uint8_t out[8];

	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(v >> (56 - 8 * i));
	return buf_put(b, out, sizeof(out));
}

const char *buf_text(struct buf *b)
{
	if (buf_put_u8(b, 0))
		return NULL;
	b->len--;
	return (const char *)b->data;
}

size_t buf_left(const struct buf *b)
{
	return b->len - b->pos;
}

int buf_get(struct buf *b, void *out, size_t n)
{
	if (buf_left(b) < n)
		return EBADMSG;
	if (n)
		memcpy(out, b->data + b->pos, n);
	b->pos += n;
	return 0;
}

static int get_be(struct buf *b, uint64_t *v, size_t n)
{
	uint8_t in[8];
	int rc = buf_get(b, in, n);

	if (rc)
		return rc;
	*v = 0;
	for (size_t i = 0; i < n; i++)
		*v = *v << 8 | in[i];
	return 0;
}

int buf_get_u8(struct buf *b, uint8_t *v)
{
	return buf_get(b, v, 1);
}

int buf_get_u16(struct buf *b, uint16_t *v)
{
	uint64_t wide;
	int rc = get_be(b, &wide, 2);

	if (!rc)
		*v = (uint16_t)wide;
	return rc;
}

int buf_get_u32(struct buf *b, uint32_t *v)
{
	uint64_t wide;
	int rc = get_be(b, &wide, 4);

	if (!rc)
		*v = (uint32_t)wide;
	return rc;
}

int buf_get_u64(struct buf *b, uint64_t *v)
{
	return get_be(b, v, 8);
}

int buf_get_zero(struct buf *b, size_t n)
{
	if (buf_left(b) < n)
		return EBADMSG;
	for (size_t i = 0; i < n; i++)
		if (b->data[b->pos + i])
			return EBADMSG;
	b->pos += n;
	return 0;
}

void hex_encode(char *out, const uint8_t *data, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[data[i] >> 4];
		out[2 * i + 1] = digits[data[i] & 15];
	}
	out[2 * n] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int hex_decode(uint8_t *out, size_t n, const char *text, size_t text_len)
{
	if (text_len != 2 * n)
		return EINVAL;
	for (size_t i = 0; i < n; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return EINVAL;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

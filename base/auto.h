/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdlib.h>
#include <string.h>

/* One cleanup idiom for locals: AUTO(f) runs f(&variable) when the scope is left, whichever way.
 * DEFINE_AUTO(type, release) makes the `auto_<release>` function for pointers to struct <type>; release(NULL) must be legal. */
#define AUTO(f) __attribute__((cleanup(f)))
#define DEFINE_AUTO(type, release)                                    \
	static inline void auto_##release(struct type **pointer)      \
	{                                                             \
		release(*pointer);                                    \
	}

static inline void auto_free(void *pointer)
{
	free(*(void **)pointer);
}

/* A local heap pointer of any type: AUTO_FREE char *s = NULL; */
#define AUTO_FREE AUTO(auto_free)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_CHECK __attribute__((warn_unused_result))

static inline size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline size_t max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

static inline unsigned long long min_u64(unsigned long long a, unsigned long long b)
{
	return a < b ? a : b;
}

static inline unsigned long long max_u64(unsigned long long a, unsigned long long b)
{
	return a > b ? a : b;
}

/* Copies src into dst of cap bytes, always terminated. Returns 0, or 1 if it did not fit (dst is then ""). */
static inline int copy_text(char *dst, size_t cap, const char *src)
{
	size_t n = strlen(src);

	if (n >= cap) {
		if (cap)
			dst[0] = '\0';
		return 1;
	}
	memcpy(dst, src, n + 1);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "base/clock.h"

#include <errno.h>

/* Texts of S3's XML answers as values: what s3_reply.c and s3_reply_versions.c share. All answer 0, ENOMEM, or EBADMSG for a text that is
 * not of its kind. */

static inline bool is(const char *path, const char *name)
{
	return strcmp(path, name) == 0;
}

/* The rest of path behind "root/", or "" for the root itself; NULL: another root. */
static inline const char *below(const char *path, const char *root)
{
	size_t n = strlen(root);

	if (strncmp(path, root, n) != 0)
		return NULL;
	if (path[n] == '\0')
		return path + n;
	return path[n] == '/' ? path + n + 1 : NULL;
}

static inline int take_number(uint64_t *out, const char *text, uint64_t max)
{
	uint64_t n = 0;

	if (!*text)
		return EBADMSG;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return EBADMSG;

		uint64_t digit = (uint64_t)(*text - '0');

		if (n > (max - digit) / 10)
			return EBADMSG;
		n = n * 10 + digit;
	}
	*out = n;
	return 0;
}

static inline int take_flag(bool *out, const char *text)
{
	*out = is(text, "true");
	return *out || is(text, "false") ? 0 : EBADMSG;
}

static inline int take_time(int64_t *out, const char *text)
{
	return clock_parse_utc(out, text) ? EBADMSG : 0;
}

/* Replaces *out by a copy of text. */
static inline int take_copy(char **out, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return ENOMEM;
	free(*out);
	*out = copy;
	return 0;
}

static inline void take_cut(char *out, size_t cap, const char *text)
{
	snprintf(out, cap, "%s", text);
}

struct paging {
	bool url_encoded;
	bool truncated, truncated_told;
};

/* Elements that every listing has: true where this was one of them (*rc is then set). */
static inline bool take_paging(struct paging *paging, const char *name, const char *text, int *rc)
{
	*rc = 0;
	if (is(name, "EncodingType")) {
		paging->url_encoded = is(text, "url");
		*rc = paging->url_encoded || !*text ? 0 : EBADMSG;
		return true;
	}
	if (is(name, "IsTruncated")) {
		paging->truncated_told = true;
		*rc = take_flag(&paging->truncated, text);
		return true;
	}
	return false;
}

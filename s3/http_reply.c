/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/http.h"

#include <errno.h>
#include <strings.h>

void http_reply_free(struct http_reply *reply)
{
	if (!reply)
		return;
	buf_free(&reply->text);
	buf_free(&reply->head);
}

int http_header(const struct http_reply *reply, const char *name, char *out, size_t cap)
{
	const char *at = (const char *)reply->head.data, *end = at + reply->head.len;
	size_t name_len = strlen(name);

	while (at && at < end) {
		const char *eol = memchr(at, '\n', (size_t)(end - at));
		const char *next = eol ? eol + 1 : end, *last = eol ? eol : end;

		if ((size_t)(last - at) > name_len && at[name_len] == ':' && strncasecmp(at, name, name_len) == 0) {
			const char *value = at + name_len + 1;

			while (value < last && (*value == ' ' || *value == '\t'))
				value++;
			while (last > value && (last[-1] == ' ' || last[-1] == '\t' || last[-1] == '\r'))
				last--;
			if ((size_t)(last - value) >= cap)
				return ENAMETOOLONG;
			memcpy(out, value, (size_t)(last - value));
			out[last - value] = '\0';
			return 0;
		}
		at = next;
	}
	return ENOENT;
}

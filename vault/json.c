/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/json.h"

#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

/* ---- What cJSON lets pass, and we do not: it would read 1.0, 1e3 and 007 as integers, skip any byte below 20 hex, and end a string at its NUL. */

struct scan {
	const char *at, *end;
};

/* Behind the opening quote; leaves it behind the closing one. */
static bool scan_string(struct scan *s)
{
	while (s->at < s->end) {
		unsigned char c = (unsigned char)*s->at++;

		if (c == '"')
			return true;
		if (c < 0x20)
			return false;
		if (c != '\\')
			continue;
		if (s->end - s->at >= 5 && memcmp(s->at, "u0000", 5) == 0)
			return false;
		if (s->at++ == s->end)
			return false;
	}
	return false;
}

/* Whole, in plain digits, without a zero in front. */
static bool scan_number(struct scan *s)
{
	const char *begin = s->at;

	while (s->at < s->end && isdigit((unsigned char)*s->at))
		s->at++;
	if (s->at - begin > 1 && *begin == '0')
		return false;
	return s->at == s->end || *s->at == ',' || *s->at == '}' || *s->at == ']' || *s->at == ' ';
}

static bool strict_bytes(const char *text, size_t len)
{
	struct scan s = { text, text + len };

	while (s.at < s.end) {
		unsigned char c = (unsigned char)*s.at;

		if (c < 0x20 || c == '-')
			return false;
		if (isdigit(c)) {
			if (!scan_number(&s))
				return false;
			continue;
		}
		s.at++;
		if (c == '"' && !scan_string(&s))
			return false;
	}
	return true;
}

/* ---- The cursor */

int json_fail(struct json *j)
{
	if (!j->rc)
		j->rc = EBADMSG;
	return j->rc;
}

void json_enter(struct json *j, const cJSON *object)
{
	*j = (struct json){ .object = object };
	if (!cJSON_IsObject(object))
		json_fail(j);
	else
		j->next = object->child;
}

int json_parse(struct json *j, const char *text, size_t len)
{
	const char *end = NULL;
	cJSON *root = strict_bytes(text, len) ? cJSON_ParseWithLengthOpts(text, len, &end, false) : NULL;

	json_enter(j, root);
	j->owned = root;
	while (root && end < text + len && *end == ' ')
		end++;
	if (root && end != text + len)
		json_fail(j);
	return j->rc;
}

void json_free(struct json *j)
{
	cJSON_Delete(j->owned);
	j->owned = NULL;
}

int json_end(const struct json *j)
{
	unsigned there = 0;
	const cJSON *member;

	if (j->rc)
		return j->rc;
	cJSON_ArrayForEach(member, j->object)
		there++;
	return there == j->taken ? 0 : EBADMSG;
}

static const cJSON *find(const struct json *j, const char *name)
{
	const cJSON *member;

	if (j->rc)
		return NULL;
	if (j->next && strcmp(j->next->string, name) == 0)
		return j->next;
	cJSON_ArrayForEach(member, j->object)
		if (strcmp(member->string, name) == 0)
			return member;
	return NULL;
}

/* NULL, and it has failed, where there is none. */
static const cJSON *take(struct json *j, const char *name)
{
	const cJSON *member = find(j, name);

	if (!member) {
		json_fail(j);
		return NULL;
	}
	j->next = member->next;
	j->taken++;
	return member;
}

bool json_has(const struct json *j, const char *name)
{
	return find(j, name) != NULL;
}

bool json_get_null(struct json *j, const char *name)
{
	if (!cJSON_IsNull(find(j, name)))
		return false;
	take(j, name);
	return true;
}

void json_get_u64(struct json *j, const char *name, uint64_t *out)
{
	const cJSON *member = take(j, name);

	if (!member)
		return;
	if (!cJSON_IsNumber(member) || member->valuedouble > (double)JSON_INT_MAX)
		json_fail(j);
	else
		*out = (uint64_t)member->valuedouble;
}

void json_get_u32(struct json *j, const char *name, uint64_t most, uint32_t *out)
{
	uint64_t n = 0;

	json_get_u64(j, name, &n);
	if (j->rc)
		return;
	if (n > most || n > UINT32_MAX)
		json_fail(j);
	else
		*out = (uint32_t)n;
}

void json_get_seconds(struct json *j, const char *name, int64_t *out)
{
	uint64_t n = 0;

	json_get_u64(j, name, &n);
	if (!j->rc)
		*out = (int64_t)n;
}

void json_get_version(struct json *j, const char *name, unsigned version)
{
	uint64_t n = 0;

	if (!j->rc && (!j->object->child || strcmp(j->object->child->string, name) != 0))
		json_fail(j);
	json_get_u64(j, name, &n);
	if (!j->rc && n != version)
		j->rc = EPROTONOSUPPORT;
}

const char *json_get_string(struct json *j, const char *name)
{
	const char *text = cJSON_GetStringValue(take(j, name));

	if (!text)
		json_fail(j);
	return text;
}

void json_get_string_copy(struct json *j, const char *name, char **out)
{
	const char *text = json_get_string(j, name);

	if (!text)
		return;
	*out = strdup(text);
	if (!*out)
		j->rc = ENOMEM;
}

void json_get_any_text(struct json *j, const char *name, char *out, size_t cap)
{
	const char *text = json_get_string(j, name);

	if (text && strlen(text) >= cap)
		json_fail(j);
	else if (text)
		copy_text(out, cap, text);
}

void json_get_text(struct json *j, const char *name, char *out, size_t cap)
{
	const char *text = json_get_string(j, name);

	if (text && (!text[0] || strlen(text) >= cap))
		json_fail(j);
	else if (text)
		copy_text(out, cap, text);
}

void json_get_bool(struct json *j, const char *name, bool *out)
{
	const cJSON *member = take(j, name);

	if (!member)
		return;
	if (cJSON_IsBool(member))
		*out = cJSON_IsTrue(member);
	else
		json_fail(j);
}

void json_get_time(struct json *j, const char *name, int64_t *out)
{
	const char *text = json_get_string(j, name);
	int64_t seconds;

	if (!text)
		return;
	if (strlen(text) != strlen("YYYY-MM-DDThh:mm:ssZ") || clock_parse_utc(&seconds, text))
		json_fail(j);
	else
		*out = seconds;
}

/* The text of so many bytes in the one form that is allowed; NULL: it is not. */
static const char *take_hex(struct json *j, const char *name, size_t bytes)
{
	const char *text = json_get_string(j, name);

	if (!text)
		return NULL;
	if (strlen(text) == 2 * bytes && strspn(text, "0123456789abcdef") == 2 * bytes)
		return text;
	json_fail(j);
	return NULL;
}

void json_get_hex(struct json *j, const char *name, uint8_t *out, size_t bytes)
{
	const char *text = take_hex(j, name, bytes);

	if (text && hex_decode(out, bytes, text, 2 * bytes))
		json_fail(j);
}

void json_get_hex_text(struct json *j, const char *name, char *out, size_t bytes)
{
	const char *text = take_hex(j, name, bytes);

	if (text)
		copy_text(out, 2 * bytes + 1, text);
}

void json_get_word(struct json *j, const char *name, const char *const *words, unsigned count, unsigned *out)
{
	const char *text = json_get_string(j, name);

	for (unsigned i = 0; text && i < count; i++) {
		if (strcmp(text, words[i]) != 0)
			continue;
		*out = i;
		return;
	}
	json_fail(j);
}

void json_get_object(struct json *j, const char *name, struct json *out)
{
	json_enter(out, take(j, name));
	if (out->rc)
		json_fail(j);
}

const cJSON *json_get_list(struct json *j, const char *name)
{
	const cJSON *member = take(j, name);

	if (cJSON_IsArray(member))
		return member;
	json_fail(j);
	return NULL;
}

bool json_line(const char *text, size_t len, size_t *at, const char **line, size_t *line_len)
{
	const char *begin = text + *at, *end = memchr(begin, '\n', len - *at);

	if (!end || end == begin)
		return false;
	*line = begin;
	*line_len = (size_t)(end - begin);
	*at += *line_len + 1;
	return true;
}

/* ---- Writing */

static void put(struct json_out *o, const void *data, size_t n)
{
	if (!o->rc)
		o->rc = buf_put(o->to, data, n);
}

/* Bytes as they are, but for what JSON wants escaped. */
static void put_escaped(struct json_out *o, const char *text, size_t len)
{
	size_t from = 0;
	char escape[8];

	put(o, "\"", 1);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		put(o, text + from, i - from);
		from = i + 1;
		if (c >= 0x20)
			put(o, (char[2]){ '\\', (char)c }, 2);
		else
			put(o, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", c));
	}
	put(o, text + from, len - from);
	put(o, "\"", 1);
}

/* The comma, and the name with its colon. */
static void put_name(struct json_out *o, const char *name)
{
	if (o->comma)
		put(o, ",", 1);
	o->comma = true;
	if (!name)
		return;
	put_escaped(o, name, strlen(name));
	put(o, ":", 1);
}

void json_begin(struct json_out *o, const char *name, char bracket)
{
	put_name(o, name);
	put(o, &bracket, 1);
	o->comma = false;
}

void json_close(struct json_out *o, char bracket)
{
	put(o, &bracket, 1);
	o->comma = true;
}

void json_end_line(struct json_out *o)
{
	put(o, "\n", 1);
	o->comma = false;
}

void json_put_bytes(struct json_out *o, const char *name, const char *text, size_t len)
{
	if (memchr(text, '\0', len))
		o->rc = o->rc ? o->rc : EINVAL;
	put_name(o, name);
	put_escaped(o, text, len);
}

void json_put_text(struct json_out *o, const char *name, const char *text)
{
	if (text) {
		json_put_bytes(o, name, text, strlen(text));
		return;
	}
	put_name(o, name);
	put(o, "null", 4);
}

void json_put_u64(struct json_out *o, const char *name, uint64_t n)
{
	char digits[24];

	if (n > JSON_INT_MAX)
		o->rc = o->rc ? o->rc : EINVAL;
	put_name(o, name);
	put(o, digits, (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n));
}

void json_put_bool(struct json_out *o, const char *name, bool b)
{
	put_name(o, name);
	put(o, b ? "true" : "false", b ? 4 : 5);
}

void json_put_time(struct json_out *o, const char *name, int64_t seconds)
{
	char text[24];

	clock_format_utc(text, seconds);
	if (text[0] == '?')
		o->rc = o->rc ? o->rc : EINVAL;
	json_put_text(o, name, text);
}

void json_put_hex(struct json_out *o, const char *name, const uint8_t *data, size_t bytes)
{
	static const char digits[] = "0123456789abcdef";

	put_name(o, name);
	put(o, "\"", 1);
	for (size_t i = 0; i < bytes; i++)
		put(o, (char[2]){ digits[data[i] >> 4], digits[data[i] & 15] }, 2);
	put(o, "\"", 1);
}

int json_out_text(struct json_out *o, char **text, size_t *len)
{
	int rc = o->rc ? o->rc : buf_put_u8(o->to, 0);

	*text = NULL;
	if (rc) {
		buf_free(o->to);
		return rc == ENOBUFS ? EFBIG : rc;
	}
	if (len)
		*len = o->to->len - 1;
	*text = (char *)o->to->data;
	buf_init(o->to, o->to->max);
	return 0;
}

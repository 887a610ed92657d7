/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"

#include <cjson/cJSON.h>

/* The JSON of our records (docs/format.md §9), strictly: one object a line, integers below 2^53, each member known and there once. Not thread-safe; nothing blocks.
 *
 * Reading: a cursor over one object. Each json_get_* takes one member; the first thing that is wrong stays in rc, later calls do nothing, and json_end says whether
 * all was right and nothing is left that nobody asked for. Values are filled on success only: give them defaults.
 *
 *	AUTO(json_free) struct json j = { 0 };
 *	json_parse(&j, line, len);
 *	json_get_version(&j, "hold", 1);
 *	json_get_text(&j, "backup", out->stem, sizeof(out->stem));
 *	rc = json_end(&j);
 *
 * Strings are bytes: what is not UTF-8 is taken as it is. */
struct json {
	cJSON *owned;          /* the whole line, of an outermost cursor; else NULL */
	const cJSON *object;   /* what this cursor walks over */
	const cJSON *next;     /* the member that is probably asked for next */
	unsigned taken;        /* members that were asked for */
	int rc;                /* 0; EBADMSG; EPROTONOSUPPORT; ENOMEM */
};

#define JSON_INT_MAX ((UINT64_C(1) << 53) - 1)

/* One line without its end. EBADMSG (in j->rc, too): not one object, bytes below 20 hex, a NUL in a string, numbers that are not plain digits. */
int json_parse(struct json *j, const char *text, size_t len);
/* A cursor over an object inside another, e.g. an item of a list. Borrows from it. */
void json_enter(struct json *j, const cJSON *object);
void json_free(struct json *j);
/* 0; or the first thing that was wrong, also a member that nobody asked for, or one that stands twice (EBADMSG). */
int json_end(const struct json *j);
int json_fail(struct json *j); /* what the caller found wrong: EBADMSG */

/* Members that every object of its kind must have, in any order, but for this one, which comes first and has the number: EPROTONOSUPPORT where it has another. */
void json_get_version(struct json *j, const char *name, unsigned version);
bool json_has(const struct json *j, const char *name); /* of members that may be missing */
bool json_get_null(struct json *j, const char *name);  /* true where it is null, which takes it; else a json_get_* must follow */
void json_get_text(struct json *j, const char *name, char *out, size_t cap); /* at least one byte, at most cap with the NUL */
void json_get_any_text(struct json *j, const char *name, char *out, size_t cap); /* may be "" */
const char *json_get_string(struct json *j, const char *name); /* of any length, may be ""; borrowed until json_free. NULL where it is wrong */
void json_get_string_copy(struct json *j, const char *name, char **out); /* the same; the caller's, who frees it whatever follows */
void json_get_u64(struct json *j, const char *name, uint64_t *out);
void json_get_u32(struct json *j, const char *name, uint64_t most, uint32_t *out);
void json_get_seconds(struct json *j, const char *name, int64_t *out); /* a number of seconds */
void json_get_bool(struct json *j, const char *name, bool *out);
void json_get_time(struct json *j, const char *name, int64_t *out); /* "YYYY-MM-DDThh:mm:ssZ", that and no other form */
void json_get_hex(struct json *j, const char *name, uint8_t *out, size_t bytes); /* 2·bytes lower-case digits */
void json_get_hex_text(struct json *j, const char *name, char *out, size_t bytes); /* the same, as text with NUL */
/* One of so many words: its number. */
void json_get_word(struct json *j, const char *name, const char *const *words, unsigned count, unsigned *out);
void json_get_object(struct json *j, const char *name, struct json *out); /* to be ended with json_end as well */
const cJSON *json_get_list(struct json *j, const char *name); /* into a variable first: cJSON_ArrayForEach, which walks it, asks for its list twice */

/* The lines of a text: each ends in 0A and is not empty. *at is 0 at first. True and the line (without its end), false at the end of the text; then *at == len, or the
 * text is not one of lines. */
bool json_line(const char *text, size_t len, size_t *at, const char **line, size_t *line_len);

/* Writing into a buffer with a cap. The first failure stays in rc: ENOBUFS over the cap, ENOMEM, EINVAL for what the format cannot hold.
 *
 *	struct json_out o = { .to = &buf };
 *	json_begin(&o, NULL, '{');
 *	json_put_u64(&o, "hold", 1);
 *	json_close(&o, '}');
 *	json_end_line(&o);
 */
struct json_out {
	struct buf *to;
	bool comma; /* something stands before in this object or list */
	int rc;
};
void json_begin(struct json_out *o, const char *name, char bracket);  /* '{' or '['; name NULL: outermost, or in a list */
void json_close(struct json_out *o, char bracket); /* '}' or ']' */
void json_end_line(struct json_out *o);
void json_put_text(struct json_out *o, const char *name, const char *text); /* NULL: null */
void json_put_bytes(struct json_out *o, const char *name, const char *text, size_t len);
void json_put_u64(struct json_out *o, const char *name, uint64_t n);
void json_put_bool(struct json_out *o, const char *name, bool b);
void json_put_time(struct json_out *o, const char *name, int64_t seconds);
void json_put_hex(struct json_out *o, const char *name, const uint8_t *data, size_t bytes);
/* The text, NUL behind its end, owned by the caller; the buffer is empty then. Or o->rc, with EFBIG for ENOBUFS; the buffer is freed then. */
int json_out_text(struct json_out *o, char **text, size_t *len /* may be NULL */);

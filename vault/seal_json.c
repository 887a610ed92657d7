/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/json.h"
#include "vault/seal.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>

/* The text of a seal: docs/format.md §10. */

#define ENTRIES_MOST (RECORD_MAX / 64) /* no line of an entry is shorter */

static const char *const sources[] = { "archive", "single", "marked", "settled", "request" };
static const char *const types[] = { "file", "folder", "link" }; /* as of ENTRY_FILE */
static const char no_previous[] = "0000000000000000000000000000000000000000000000000000000000000000";

/* ---- Encoding */

static void put_envelope(struct json_out *o, const struct seal *s)
{
	json_begin(o, NULL, '{');
	json_put_u64(o, "seal", 1);
	json_put_text(o, "tenant", s->tenant);
	json_put_text(o, "backup", s->stem);
	if (s->timed)
		json_put_time(o, "time", s->time_s);
	else
		json_put_text(o, "time", NULL);
	json_put_bool(o, "imported", s->imported);
	json_put_time(o, "committed", s->committed_s);
	json_put_time(o, "sealed", s->sealed_s);
	json_put_u64(o, "bytes", s->bytes);
	json_put_u64(o, "entries", s->count);
	json_put_text(o, "source", sources[s->source]);
	json_put_text(o, "writer", s->writer);
	json_put_text(o, "program", s->program);
	json_put_text(o, "previous", no_previous);
	json_close(o, '}');
	json_end_line(o);
}

static void put_entry(struct json_out *o, const struct seal_entry *e)
{
	char mtime[48];

	snprintf(mtime, sizeof(mtime), "%lld.%09ld", (long long)e->mtime.tv_sec, e->mtime.tv_nsec);
	json_begin(o, NULL, '{');
	json_put_text(o, "path", e->path);
	json_put_text(o, "type", types[e->type - ENTRY_FILE]);
	json_put_u64(o, "mode", e->mode);
	json_put_u64(o, "uid", e->uid);
	json_put_u64(o, "gid", e->gid);
	json_put_text(o, "mtime", mtime);
	json_put_u64(o, "size", e->size);
	json_put_hex(o, "id", e->object, sizeof(e->object));
	json_put_u64(o, "state", e->state);
	json_put_text(o, "etag", e->etag);
	json_close(o, '}');
	json_end_line(o);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct seal_entry *)a)->path, ((const struct seal_entry *)b)->path);
}

/* A path of the backup: its first component begins with the stem, and none is empty, "." or "..". */
static bool path_fits(const char *path, const char *stem)
{
	if (strncmp(path, stem, strlen(stem)) != 0 || strlen(path) >= PATH_CAP)
		return false;
	for (;;) {
		size_t n = strcspn(path, "/");

		if (n == 0 || (n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (!path[n])
			return true;
		path += n + 1;
	}
}

static bool size_fits(const struct seal_entry *e)
{
	if (e->type == ENTRY_FOLDER)
		return e->size == 0;
	if (e->type == ENTRY_SYMLINK)
		return e->size >= 1 && e->size <= SYMLINK_MAX;
	return e->size <= PLAIN_SIZE_MAX;
}

/* What decoding would refuse is not written. */
static bool entry_fits(const struct seal_entry *e, const char *stem)
{
	return e->type >= ENTRY_FILE && e->type <= ENTRY_SYMLINK && e->mode <= 07777 && e->state <= STATE_UNKNOWN && size_fits(e) && path_fits(e->path, stem) &&
	       e->mtime.tv_nsec >= 0 && e->mtime.tv_nsec <= 999999999;
}

static bool name_fits(const char *name)
{
	return name[0] && !strchr(name, '/');
}

static bool writer_fits(const char *writer)
{
	return strlen(writer) == 32 && strspn(writer, "0123456789abcdef") == 32;
}

/* Whether the times say of one another what format.md says. */
static bool times_fit(const struct seal *s)
{
	if (!s->timed)
		return !s->imported;
	return s->time_s <= s->committed_s + SEAL_SKEW_S && s->imported == (s->time_s < s->committed_s - SEAL_SKEW_S);
}

static int check(struct seal *s)
{
	if (!name_fits(s->tenant) || !name_fits(s->stem) || !writer_fits(s->writer) || !s->program[0] || !times_fit(s) || s->source > SEAL_REQUEST || !s->count)
		return EINVAL;
	s->bytes = 0;
	for (size_t i = 0; i < s->count; i++) {
		if (!entry_fits(&s->entries[i], s->stem) || (i && strcmp(s->entries[i - 1].path, s->entries[i].path) == 0))
			return EINVAL;
		s->bytes += s->entries[i].size;
		if (s->bytes > JSON_INT_MAX)
			return EFBIG;
	}
	return 0;
}

int seal_encode(struct seal *s, char **text, size_t *len)
{
	struct buf to;
	struct json_out o = { .to = &to };

	*text = NULL;
	if (s->count)
		qsort(s->entries, s->count, sizeof(*s->entries), by_path);
	o.rc = check(s);
	buf_init(&to, RECORD_MAX + 1); /* with its NUL */
	put_envelope(&o, s);
	for (size_t i = 0; i < s->count && !o.rc; i++)
		put_entry(&o, &s->entries[i]);
	return json_out_text(&o, text, len);
}

/* ---- Decoding */

static void get_envelope(struct json *j, struct seal *s)
{
	char previous[sizeof(no_previous)];
	uint64_t count = 0;
	unsigned source = 0;

	json_get_version(j, "seal", 1);
	json_get_text(j, "tenant", s->tenant, sizeof(s->tenant));
	json_get_text(j, "backup", s->stem, sizeof(s->stem));
	s->timed = !json_get_null(j, "time");
	if (s->timed)
		json_get_time(j, "time", &s->time_s);
	json_get_bool(j, "imported", &s->imported);
	json_get_time(j, "committed", &s->committed_s);
	json_get_time(j, "sealed", &s->sealed_s);
	json_get_u64(j, "bytes", &s->bytes);
	json_get_u64(j, "entries", &count);
	json_get_word(j, "source", sources, ARRAY_LEN(sources), &source);
	json_get_hex_text(j, "writer", s->writer, 16);
	json_get_text(j, "program", s->program, sizeof(s->program));
	json_get_hex_text(j, "previous", previous, 32);
	s->source = (enum seal_source)source;
	s->count = (size_t)count;
	if (!j->rc && (!count || count > ENTRIES_MOST || !name_fits(s->tenant) || !name_fits(s->stem) || !times_fit(s)))
		json_fail(j);
}

int seal_decode_envelope(const char *text, size_t len, struct seal *out)
{
	AUTO(json_free) struct json j = { 0 };
	struct seal s = { 0 };
	const char *line;
	size_t at = 0, line_len;

	*out = (struct seal){ 0 };
	if (!json_line(text, len, &at, &line, &line_len))
		return EBADMSG;
	json_parse(&j, line, line_len);
	get_envelope(&j, &s);

	int rc = json_end(&j);

	if (!rc)
		*out = s;
	return rc;
}

/* "<seconds>.<9 digits>", in the one form that put_entry gives. */
static void get_mtime(struct json *j, struct timespec *out)
{
	const char *text = json_get_string(j, "mtime");
	char again[48];
	long long seconds = 0;
	long ns = 0;

	if (!text)
		return;
	if (strlen(text) >= sizeof(again) || sscanf(text, "%lld.%9ld", &seconds, &ns) != 2 || ns < 0) {
		json_fail(j);
		return;
	}
	snprintf(again, sizeof(again), "%lld.%09ld", seconds, ns);
	if (strcmp(again, text) != 0)
		json_fail(j);
	*out = (struct timespec){ .tv_sec = (time_t)seconds, .tv_nsec = ns };
}

/* e->path is to be freed whatever comes out. */
static int get_entry(const char *line, size_t len, const char *stem, struct seal_entry *e)
{
	AUTO(json_free) struct json j = { 0 };
	uint32_t state = 0;
	unsigned type = 0;

	json_parse(&j, line, len);
	json_get_string_copy(&j, "path", &e->path);
	json_get_word(&j, "type", types, ARRAY_LEN(types), &type);
	json_get_u32(&j, "mode", 07777, &e->mode);
	json_get_u32(&j, "uid", UINT32_MAX, &e->uid);
	json_get_u32(&j, "gid", UINT32_MAX, &e->gid);
	get_mtime(&j, &e->mtime);
	json_get_u64(&j, "size", &e->size);
	json_get_hex(&j, "id", e->object, sizeof(e->object));
	json_get_u32(&j, "state", STATE_UNKNOWN, &state);
	json_get_any_text(&j, "etag", e->etag, sizeof(e->etag));
	e->type = (enum entry_type)(ENTRY_FILE + type);
	e->state = (uint8_t)state;
	if (!j.rc && !entry_fits(e, stem))
		json_fail(&j);
	return json_end(&j);
}

/* The lines behind the first, which begin at `at`, into s->entries, which has room for as many as the envelope says. */
static int get_entries(const char *text, size_t len, size_t at, struct seal *s, size_t expected)
{
	const char *line;
	size_t line_len;
	uint64_t bytes = 0;

	for (; json_line(text, len, &at, &line, &line_len); s->count++) {
		struct seal_entry *e = &s->entries[s->count];

		if (s->count == expected)
			return EBADMSG;

		int rc = get_entry(line, line_len, s->stem, e);

		if (!rc && s->count && strcmp(e[-1].path, e->path) >= 0)
			rc = EBADMSG;
		if (rc) {
			free(e->path);
			return rc;
		}
		bytes += e->size;
	}
	return at == len && s->count == expected && bytes == s->bytes ? 0 : EBADMSG;
}

/* As seal_add leaves it: a power of two, so that more can be added. */
static size_t room_for(size_t count)
{
	size_t room = 1;

	while (room < count)
		room *= 2;
	return room;
}

int seal_decode(const char *text, size_t len, struct seal *out)
{
	AUTO(seal_free) struct seal s = { 0 };
	const char *line;
	size_t at = 0, line_len, expected;
	int rc = len > RECORD_MAX ? EBADMSG : seal_decode_envelope(text, len, &s);

	*out = (struct seal){ 0 };
	expected = s.count;
	s.count = 0;
	if (!rc && expected > len / 64)
		rc = EBADMSG; /* the lines cannot all be there: nothing is allocated on its word */
	if (!rc)
		s.entries = calloc(room_for(expected), sizeof(*s.entries));
	if (!rc && !s.entries)
		rc = ENOMEM;
	if (!rc) {
		json_line(text, len, &at, &line, &line_len);
		rc = get_entries(text, len, at, &s, expected);
	}
	if (rc)
		return rc;
	*out = s;
	s = (struct seal){ 0 };
	return 0;
}

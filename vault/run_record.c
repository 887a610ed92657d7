/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/run_record.h"

#include "base/clock.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <errno.h>

#define ERRNO_MOST 4095

static void auto_json(cJSON **json)
{
	cJSON_Delete(*json);
}

void run_record_drop_uploads(struct run_record *r)
{
	for (size_t i = 0; i < r->upload_count; i++) {
		free(r->uploads[i].key);
		free(r->uploads[i].id);
	}
	free(r->uploads);
	r->uploads = NULL;
	r->upload_count = 0;
	r->more_uploads = false;
}

void run_record_free(struct run_record *r)
{
	if (!r)
		return;
	run_record_drop_uploads(r);
	for (size_t i = 0; i < r->failed_count; i++)
		free(r->failed[i].path);
	free(r->failed);
	*r = (struct run_record){ 0 };
}

int run_record_add_upload(struct run_record *r, const char *key, const char *id, int64_t since)
{
	struct run_upload *grown = realloc(r->uploads, (r->upload_count + 1) * sizeof(*grown));

	if (!grown)
		return ENOMEM;
	r->uploads = grown;

	struct run_upload fresh = { .key = strdup(key), .id = strdup(id), .since = since };

	if (!fresh.key || !fresh.id) {
		free(fresh.key);
		free(fresh.id);
		return ENOMEM;
	}
	r->uploads[r->upload_count++] = fresh;
	return 0;
}

bool run_record_drop_upload(struct run_record *r, const char *key, const char *id)
{
	for (size_t i = 0; i < r->upload_count; i++) {
		struct run_upload *at = &r->uploads[i];

		if (strcmp(at->key, key) != 0 || strcmp(at->id, id) != 0)
			continue;
		free(at->key);
		free(at->id);
		*at = r->uploads[--r->upload_count];
		return true;
	}
	return false;
}

static struct run_failure *find_failed(const struct run_record *r, const char *path)
{
	for (size_t i = 0; i < r->failed_count; i++)
		if (strcmp(r->failed[i].path, path) == 0)
			return &r->failed[i];
	return NULL;
}

/* 0, or what stopped it; the record is as before then. */
static int append_failed(struct run_record *r, const char *path, int error)
{
	if (r->failed_count == RUN_FAILED_MAX)
		return ENOBUFS;

	struct run_failure *grown = realloc(r->failed, (r->failed_count + 1) * sizeof(*grown));

	if (!grown)
		return ENOMEM;
	r->failed = grown;
	grown[r->failed_count] = (struct run_failure){ .path = strdup(path), .error = error };
	if (!grown[r->failed_count].path)
		return ENOMEM;
	r->failed_count++;
	return 0;
}

void run_record_add_failed(struct run_record *r, const char *path, int error)
{
	struct run_failure *there = find_failed(r, path);

	if (there)
		there->error = error;
	else if (append_failed(r, path, error))
		r->more_failed = true;
}

bool run_record_drop_failed(struct run_record *r, const char *path)
{
	struct run_failure *there = find_failed(r, path);

	if (!there)
		return false;
	free(there->path);
	*there = r->failed[--r->failed_count];
	return true;
}

bool run_record_has_failed(const struct run_record *r)
{
	return r->failed_count || r->more_failed;
}

/* ---- Encoding */

static bool put_time(cJSON *object, const char *name, int64_t seconds)
{
	char text[24];

	clock_format_utc(text, seconds);
	return cJSON_AddStringToObject(object, name, text);
}

/* Appends an empty object to the array: owned by it. NULL: no memory. */
static cJSON *put_item(cJSON *array)
{
	cJSON *item = cJSON_CreateObject();

	if (item && cJSON_AddItemToArray(array, item))
		return item;
	cJSON_Delete(item);
	return NULL;
}

static bool put_upload(cJSON *array, const struct run_upload *u)
{
	cJSON *item = put_item(array);

	return item && cJSON_AddStringToObject(item, "key", u->key) && cJSON_AddStringToObject(item, "id", u->id) && put_time(item, "since", u->since);
}

static bool put_failed(cJSON *array, const struct run_failure *f)
{
	cJSON *item = put_item(array);

	return item && cJSON_AddStringToObject(item, "path", f->path) && cJSON_AddNumberToObject(item, "error", f->error);
}

static bool put_head(cJSON *root, const struct run_record *r)
{
	return cJSON_AddStringToObject(root, "writer", r->writer) && cJSON_AddStringToObject(root, "tenant", r->tenant) &&
	       cJSON_AddStringToObject(root, "program", r->program) && put_time(root, "started", r->started) && put_time(root, "refreshed", r->refreshed) &&
	       (!r->ended || put_time(root, "ended", r->ended)) && (!r->taken_by[0] || cJSON_AddStringToObject(root, "taken_by", r->taken_by));
}

/* The text with only the first so many entries of each list; NULL: no memory. */
static char *print(const struct run_record *r, size_t uploads, size_t failed)
{
	AUTO(auto_json) cJSON *root = cJSON_CreateObject();
	bool good = root && put_head(root, r);
	cJSON *list = good ? cJSON_AddArrayToObject(root, "uploads") : NULL;

	good = list != NULL;
	for (size_t i = 0; good && i < uploads; i++)
		good = put_upload(list, &r->uploads[i]);
	list = good ? cJSON_AddArrayToObject(root, "failed") : NULL;
	good = list != NULL;
	for (size_t i = 0; good && i < failed; i++)
		good = put_failed(list, &r->failed[i]);
	if (good && (r->more_uploads || uploads < r->upload_count))
		good = cJSON_AddTrueToObject(root, "more_uploads");
	if (good && (r->more_failed || failed < r->failed_count))
		good = cJSON_AddTrueToObject(root, "more_failed");
	return good ? cJSON_PrintUnformatted(root) : NULL;
}

int run_record_encode(const struct run_record *r, struct buf *out)
{
	size_t uploads = min_size(r->upload_count, RUN_UPLOADS_MAX), failed = r->failed_count;

	for (;;) {
		char *text = print(r, uploads, failed);

		if (!text)
			return ENOMEM;

		int rc = buf_puts(out, text);

		cJSON_free(text);
		if (rc != ENOBUFS || (uploads == 0 && failed == 0))
			return rc;
		if (failed)
			failed /= 2;
		else
			uploads /= 2;
	}
}

/* ---- Decoding */

/* A NUL in a text would hide what follows from everybody who handles C strings. Backslashes pair up from the left. */
static bool has_nul(const char *json, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (json[i] == '\0')
			return true;
		if (json[i] != '\\')
			continue;
		if (len - i >= 6 && memcmp(json + i, "\\u0000", 6) == 0)
			return true;
		i++;
	}
	return false;
}

/* Every member of the object has one of the names, and no name comes twice. */
static bool only_members(const cJSON *object, const char *const *names, size_t count)
{
	const cJSON *member;
	unsigned seen = 0;

	if (!cJSON_IsObject(object))
		return false;
	cJSON_ArrayForEach(member, object) {
		size_t i = 0;

		while (i < count && strcmp(member->string, names[i]) != 0)
			i++;
		if (i == count || seen & 1u << i)
			return false;
		seen |= 1u << i;
	}
	return true;
}

static const char *get_text(const cJSON *object, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

	return text && text[0] ? text : NULL;
}

/* Not empty, and within cap bytes with its NUL. */
static int take_text(const cJSON *object, const char *name, char *out, size_t cap)
{
	const char *text = get_text(object, name);

	return text && !copy_text(out, cap, text) ? 0 : EBADMSG;
}

static int take_time(const cJSON *object, const char *name, int64_t *out)
{
	const char *text = get_text(object, name);

	return text && !clock_parse_utc(out, text) ? 0 : EBADMSG;
}

static int take_writer(const cJSON *object, const char *name, char out[RUN_WRITER_HEX])
{
	uint8_t id[(RUN_WRITER_HEX - 1) / 2];

	if (take_text(object, name, out, RUN_WRITER_HEX) || hex_decode(id, sizeof(id), out, strlen(out)))
		return EBADMSG;
	for (const char *p = out; *p; p++)
		if (isupper((unsigned char)*p)) /* one form only, as it is compared as text */
			return EBADMSG;
	return 0;
}

/* Present and true, or absent. */
static int take_flag(const cJSON *object, const char *name, bool *out)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	*out = item != NULL;
	return !item || cJSON_IsTrue(item) ? 0 : EBADMSG;
}

static int take_upload(const cJSON *item, struct run_record *r)
{
	static const char *const names[] = { "key", "id", "since" };
	const char *key = get_text(item, "key"), *id = get_text(item, "id");
	int64_t since;

	if (!only_members(item, names, ARRAY_LEN(names)) || !key || !id || take_time(item, "since", &since))
		return EBADMSG;
	if (strlen(key) >= PATH_CAP || strlen(id) >= STORE_UPLOAD_MAX)
		return EBADMSG;
	return run_record_add_upload(r, key, id, since);
}

static int take_failed(const cJSON *item, struct run_record *r)
{
	static const char *const names[] = { "path", "error" };
	const char *path = get_text(item, "path");
	const cJSON *error = cJSON_GetObjectItemCaseSensitive(item, "error");

	if (!only_members(item, names, ARRAY_LEN(names)) || !path || strlen(path) >= PATH_CAP || !cJSON_IsNumber(error))
		return EBADMSG;
	if (!(error->valuedouble >= 1 && error->valuedouble <= ERRNO_MOST) || error->valuedouble > error->valueint || find_failed(r, path))
		return EBADMSG;
	return append_failed(r, path, error->valueint) ? ENOMEM : 0;
}

static int take_list(const cJSON *root, const char *name, unsigned most, int (*take)(const cJSON *item, struct run_record *r), struct run_record *r)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, name), *item;
	int rc = cJSON_IsArray(list) ? 0 : EBADMSG;
	unsigned count = 0;

	cJSON_ArrayForEach(item, list) {
		if (!rc)
			rc = ++count > most ? EBADMSG : take(item, r);
	}
	return rc;
}

static int take_head(const cJSON *root, struct run_record *r)
{
	static const char *const names[] = { "writer", "tenant", "program", "started", "refreshed", "ended", "taken_by", "uploads", "failed", "more_uploads",
					     "more_failed" };

	if (!only_members(root, names, ARRAY_LEN(names)))
		return EBADMSG;
	if (take_writer(root, "writer", r->writer) || take_text(root, "tenant", r->tenant, sizeof(r->tenant)) || strchr(r->tenant, '/'))
		return EBADMSG;
	if (take_text(root, "program", r->program, sizeof(r->program)) || take_time(root, "started", &r->started) ||
	    take_time(root, "refreshed", &r->refreshed))
		return EBADMSG;
	if (cJSON_HasObjectItem(root, "ended") && take_time(root, "ended", &r->ended))
		return EBADMSG;
	if (cJSON_HasObjectItem(root, "taken_by") && take_writer(root, "taken_by", r->taken_by))
		return EBADMSG;
	return take_flag(root, "more_uploads", &r->more_uploads) || take_flag(root, "more_failed", &r->more_failed) ? EBADMSG : 0;
}

int run_record_decode(const void *json, size_t len, struct run_record *out)
{
	const char *end = NULL;

	if (len > RUN_JSON_MAX || has_nul(json, len))
		return EBADMSG;

	AUTO(auto_json) cJSON *root = cJSON_ParseWithLengthOpts(json, len, &end, false);
	struct run_record r = { 0 };

	if (!root || end != (const char *)json + len)
		return EBADMSG;

	int rc = take_head(root, &r);

	if (!rc)
		rc = take_list(root, "uploads", RUN_UPLOADS_MAX, take_upload, &r);
	if (!rc)
		rc = take_list(root, "failed", RUN_FAILED_MAX, take_failed, &r);
	if (rc) {
		run_record_free(&r);
		return rc;
	}
	*out = r;
	return 0;
}

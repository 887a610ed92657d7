/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/s3_reply.h"

#include "base/buf.h"
#include "s3/s3_take.h"
#include "s3/store_impl.h"
#include "s3/xml.h"

#include <errno.h>

/* Each answer has a struct of what was read so far, a function that xml_read calls for every element, and a check at the end. The
 * order of elements differs between servers (MinIO tells EncodingType last), so nothing is decoded before the document is whole. */

int s3_take_etag(char etag[STORE_ETAG_MAX], const char *text)
{
	size_t n = strlen(text);

	if (n >= 2 && text[0] == '"' && text[n - 1] == '"') {
		text++;
		n -= 2;
	}
	if (n == 0 || n >= STORE_ETAG_MAX)
		return EBADMSG;
	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] >= 0x7f || text[i] == '"')
			return EBADMSG; /* it goes into headers of ours */
	memcpy(etag, text, n);
	etag[n] = '\0';
	return 0;
}

int s3_url_decode(char *text)
{
	char *out = text;

	for (; *text; text++, out++) {
		uint8_t byte;

		if (*text != '%') {
			*out = *text == '+' ? ' ' : *text;
			continue;
		}
		if (!text[1] || hex_decode(&byte, 1, text + 1, 2) || byte == 0)
			return EBADMSG;
		*out = (char)byte;
		text += 2;
	}
	*out = '\0';
	return 0;
}

/* ---- errors and results */

static int on_error(void *arg, const char *path, const char *text)
{
	struct s3_error_reply *error = arg;
	const char *name = below(path, "Error");

	if (!name)
		return EBADMSG;
	if (is(name, "Code"))
		take_cut(error->s3_code, sizeof(error->s3_code), text);
	else if (is(name, "Message"))
		take_cut(error->message, sizeof(error->message), text);
	else if (is(name, "RequestId"))
		take_cut(error->request_id, sizeof(error->request_id), text);
	else if (is(name, "Region"))
		take_cut(error->region, sizeof(error->region), text);
	return 0;
}

int s3_parse_error(const void *data, size_t len, struct s3_error_reply *error)
{
	*error = (struct s3_error_reply){ 0 };

	int rc = xml_read(data, len, on_error, error);

	return rc ? rc : error->s3_code[0] ? 0 : EBADMSG;
}

struct result_reader {
	const char *root;
	struct s3_result *result;
};

static int on_result(void *arg, const char *path, const char *text)
{
	struct result_reader *reader = arg;
	struct s3_result *result = reader->result;
	const char *name = below(path, reader->root);

	if (!name)
		return EBADMSG;
	if (is(name, "ETag"))
		return s3_take_etag(result->etag, text);
	if (is(name, "LastModified"))
		return take_time(&result->modified, text);
	if (is(name, "UploadId"))
		return *text && !copy_text(result->upload_id, sizeof(result->upload_id), text) ? 0 : EBADMSG;
	return 0;
}

int s3_parse_result(const void *data, size_t len, const char *root, struct s3_result *result)
{
	struct result_reader reader = { root, result };

	*result = (struct s3_result){ 0 };

	int rc = xml_read(data, len, on_result, &reader);

	if (rc)
		return rc;
	return (is(root, "InitiateMultipartUploadResult") ? result->upload_id[0] : result->etag[0]) ? 0 : EBADMSG;
}

/* ---- ListObjectsV2 */

#define PAGE_KEYS_MAX 10000u /* 1000 are asked for; what a whole reply could hold beyond would be much memory */

struct list_reader {
	struct store_page *page;
	struct paging paging;
	char *key; /* of the element being read */
	bool size_told;
	struct store_object object;
};

static int add_object(struct list_reader *reader, bool prefix)
{
	struct store_object object = reader->object;

	object.key = reader->key;
	object.prefix = prefix;
	if (!object.key || !object.key[0] || (!prefix && !reader->size_told) || reader->page->count == PAGE_KEYS_MAX)
		return EBADMSG;

	int rc = store_page_add(reader->page, &object);

	free(reader->key);
	reader->key = NULL;
	reader->object = (struct store_object){ 0 };
	reader->size_told = false;
	return rc;
}

static int on_list(void *arg, const char *path, const char *text)
{
	struct list_reader *reader = arg;
	const char *name = below(path, "ListBucketResult");
	int rc;

	if (!name)
		return EBADMSG;
	if (take_paging(&reader->paging, name, text, &rc))
		return rc;
	if (is(name, "NextContinuationToken"))
		return take_copy(&reader->page->next, text);
	if (is(name, "Contents/Key") || is(name, "CommonPrefixes/Prefix"))
		return take_copy(&reader->key, text);
	if (is(name, "Contents/Size")) {
		reader->size_told = true;
		return take_number(&reader->object.size, text, INT64_MAX);
	}
	if (is(name, "Contents/ETag"))
		return s3_take_etag(reader->object.etag, text);
	if (is(name, "Contents/LastModified"))
		return take_time(&reader->object.modified, text);
	if (is(name, "Contents"))
		return add_object(reader, false);
	if (is(name, "CommonPrefixes"))
		return add_object(reader, true);
	return 0;
}

static int object_order(const void *left, const void *right)
{
	const struct store_object *a = left, *b = right;

	return strcmp(a->key, b->key);
}

/* Decodes the keys, checks them against what was asked for, and merges prefixes and objects, which S3 lists apart. */
static int finish_list(struct list_reader *reader, const char *prefix)
{
	struct store_page *page = reader->page;

	if (!reader->paging.truncated_told || reader->paging.truncated != (page->next && page->next[0]))
		return EBADMSG;
	for (size_t i = 0; i < page->count; i++) {
		if (reader->paging.url_encoded && s3_url_decode(page->objects[i].key))
			return EBADMSG;
		if (strncmp(page->objects[i].key, prefix, strlen(prefix)) != 0)
			return EBADMSG;
		if (page->objects[i].prefix && page->objects[i].key[strlen(page->objects[i].key) - 1] != '/')
			return EBADMSG; /* no other delimiter is ever asked for */
	}
	if (page->count)
		qsort(page->objects, page->count, sizeof(*page->objects), object_order);
	if (reader->paging.truncated)
		return 0;
	free(page->next); /* an empty element */
	page->next = NULL;
	return 0;
}

int s3_parse_list(const void *data, size_t len, const char *prefix, struct store_page *page)
{
	struct list_reader reader = { .page = page };

	*page = (struct store_page){ 0 };

	int rc = xml_read(data, len, on_list, &reader);

	free(reader.key);
	return rc ? rc : finish_list(&reader, prefix);
}

/* ---- ListParts */

struct parts_reader {
	struct store_parts *parts;
	struct paging paging;
	struct store_part part;
	bool size_told;
	uint64_t next;
};

static int add_part(struct parts_reader *reader)
{
	struct store_parts *parts = reader->parts;
	struct store_part *grown;

	if (!reader->part.number || !reader->part.etag[0] || !reader->size_told)
		return EBADMSG;
	if (parts->count && parts->parts[parts->count - 1].number >= reader->part.number)
		return EBADMSG;
	grown = reallocarray(parts->parts, parts->count + 1, sizeof(*grown));
	if (!grown)
		return ENOMEM;
	parts->parts = grown;
	parts->parts[parts->count++] = reader->part;
	reader->part = (struct store_part){ 0 };
	reader->size_told = false;
	return 0;
}

static int on_parts(void *arg, const char *path, const char *text)
{
	struct parts_reader *reader = arg;
	const char *name = below(path, "ListPartsResult");
	uint64_t number;
	int rc;

	if (!name)
		return EBADMSG;
	if (take_paging(&reader->paging, name, text, &rc))
		return rc;
	if (is(name, "NextPartNumberMarker"))
		return *text ? take_number(&reader->next, text, UINT32_MAX) : 0;
	if (is(name, "Part/PartNumber")) {
		rc = take_number(&number, text, UINT32_MAX);
		reader->part.number = rc ? 0 : (uint32_t)number;
		return rc;
	}
	if (is(name, "Part/Size")) {
		reader->size_told = true;
		return take_number(&reader->part.size, text, INT64_MAX);
	}
	if (is(name, "Part/ETag"))
		return s3_take_etag(reader->part.etag, text);
	if (is(name, "Part/LastModified"))
		return take_time(&reader->part.modified, text);
	return is(name, "Part") ? add_part(reader) : 0;
}

int s3_parse_parts(const void *data, size_t len, struct store_parts *parts, uint32_t *next)
{
	struct parts_reader reader = { .parts = parts };

	*next = 0;

	int rc = xml_read(data, len, on_parts, &reader);

	if (rc)
		return rc;
	if (!reader.paging.truncated_told || (reader.paging.truncated && !reader.next))
		return EBADMSG;
	*next = reader.paging.truncated ? (uint32_t)reader.next : 0;
	return 0;
}

/* ---- ListMultipartUploads */

struct upload_name {
	char *key, *id;
};

struct uploads_reader {
	struct paging paging;
	struct upload_name *names;
	size_t count;
	struct upload_name now; /* being read */
	struct s3_uploads_next *next;
};

static int add_upload(struct uploads_reader *reader)
{
	struct upload_name *grown;

	if (!reader->now.key || !reader->now.id || !reader->now.id[0] || strlen(reader->now.id) >= STORE_UPLOAD_MAX)
		return EBADMSG;
	grown = reallocarray(reader->names, reader->count + 1, sizeof(*grown));
	if (!grown)
		return ENOMEM;
	reader->names = grown;
	reader->names[reader->count++] = reader->now;
	reader->now = (struct upload_name){ 0 };
	return 0;
}

static int on_uploads(void *arg, const char *path, const char *text)
{
	struct uploads_reader *reader = arg;
	const char *name = below(path, "ListMultipartUploadsResult");
	int rc;

	if (!name)
		return EBADMSG;
	if (take_paging(&reader->paging, name, text, &rc))
		return rc;
	if (is(name, "NextKeyMarker"))
		return take_copy(&reader->next->key, text);
	if (is(name, "NextUploadIdMarker"))
		return take_copy(&reader->next->id, text);
	if (is(name, "Upload/Key"))
		return take_copy(&reader->now.key, text);
	if (is(name, "Upload/UploadId"))
		return take_copy(&reader->now.id, text);
	return is(name, "Upload") ? add_upload(reader) : 0;
}

/* Moves the ids of exactly this key into uploads. */
static int keep_uploads(struct uploads_reader *reader, const char *key, struct store_uploads *uploads)
{
	for (size_t i = 0; i < reader->count; i++) {
		if (reader->paging.url_encoded && s3_url_decode(reader->names[i].key))
			return EBADMSG;
		if (strcmp(reader->names[i].key, key) != 0)
			continue;

		char **grown = reallocarray(uploads->ids, uploads->count + 1, sizeof(*grown));

		if (!grown)
			return ENOMEM;
		uploads->ids = grown;
		uploads->ids[uploads->count++] = reader->names[i].id;
		reader->names[i].id = NULL;
	}
	return 0;
}

static int finish_uploads(struct uploads_reader *reader, const char *key, struct store_uploads *uploads)
{
	struct s3_uploads_next *next = reader->next;

	if (!reader->paging.truncated_told)
		return EBADMSG;
	if (!reader->paging.truncated) {
		free(next->key);
		free(next->id);
		*next = (struct s3_uploads_next){ 0 };
	} else if (!next->key || !next->key[0] || (reader->paging.url_encoded && s3_url_decode(next->key))) {
		return EBADMSG;
	}
	return keep_uploads(reader, key, uploads);
}

int s3_parse_uploads(const void *data, size_t len, const char *key, struct store_uploads *uploads, struct s3_uploads_next *next)
{
	struct uploads_reader reader = { .next = next };

	*next = (struct s3_uploads_next){ 0 };

	int rc = xml_read(data, len, on_uploads, &reader);

	if (!rc)
		rc = finish_uploads(&reader, key, uploads);
	for (size_t i = 0; i < reader.count; i++) {
		free(reader.names[i].key);
		free(reader.names[i].id);
	}
	free(reader.names);
	free(reader.now.key);
	free(reader.now.id);
	return rc;
}

/* ---- DeleteResult */

struct delete_reader {
	s3_delete_error_fn fn;
	void *arg;
	char *key, *version;
	struct s3_error_reply error;
};

static int on_delete(void *arg, const char *path, const char *text)
{
	struct delete_reader *reader = arg;
	const char *name = below(path, "DeleteResult");

	if (!name)
		return EBADMSG;
	if (is(name, "Error/Key"))
		return take_copy(&reader->key, text);
	if (is(name, "Error/VersionId"))
		return take_copy(&reader->version, text);
	if (!is(name, "Error"))
		return below(name, "Error") ? on_error(&reader->error, name, text) : 0;
	if (!reader->key || !reader->error.s3_code[0])
		return EBADMSG;

	int rc = reader->fn(reader->arg, reader->key, reader->version ? reader->version : "", &reader->error);

	free(reader->key);
	free(reader->version);
	reader->key = reader->version = NULL;
	reader->error = (struct s3_error_reply){ 0 };
	return rc;
}

int s3_parse_delete(const void *data, size_t len, s3_delete_error_fn fn, void *arg)
{
	struct delete_reader reader = { .fn = fn, .arg = arg };
	int rc = xml_read(data, len, on_delete, &reader);

	free(reader.key);
	free(reader.version);
	return rc;
}

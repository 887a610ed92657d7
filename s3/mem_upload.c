/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/mem_store.h"

#include "base/clock.h"

#include <errno.h>

/* Multipart uploads of the memory store: a list of uploads, each with its parts in order of number. */

static void mem_part_free(struct mem_part *part)
{
	if (!part)
		return;
	free(part->data);
	free(part);
}
DEFINE_AUTO(mem_part, mem_part_free)

void mem_upload_free(struct mem_upload *upload)
{
	if (!upload)
		return;
	while (upload->parts) {
		struct mem_part *part = upload->parts;

		upload->parts = part->next;
		mem_part_free(part);
	}
	free(upload->key);
	free(upload);
}

DEFINE_AUTO(mem_upload, mem_upload_free)

static struct mem_upload **find_upload(struct mem_store *m, const char *key, const char *upload_id)
{
	struct mem_upload **at = &m->uploads;

	while (*at && (strcmp((*at)->id, upload_id) != 0 || strcmp((*at)->key, key) != 0))
		at = &(*at)->next;
	return at;
}

int mem_begin(struct store *s, const char *key, const char *commit, char upload_id[STORE_UPLOAD_MAX], struct store_call *call)
{
	struct mem_store *m = mem_of(s);
	int rc = mem_begin_call(m, key, call);

	if (rc)
		return rc;

	AUTO(auto_mem_upload_free) struct mem_upload *upload = calloc(1, sizeof(*upload));

	if (upload)
		upload->key = strdup(key);
	if (!upload || !upload->key)
		return store_fail(call, ENOMEM, key, "out of memory");
	if (copy_text(upload->commit, sizeof(upload->commit), commit ? commit : ""))
		return store_fail(call, EINVAL, key, "not a commit id");
	STORE_LOCKED(&m->lock);
	snprintf(upload->id, sizeof(upload->id), "mem-%016llx", (unsigned long long)++m->uploads_ever);
	memcpy(upload_id, upload->id, sizeof(upload->id));
	upload->next = m->uploads;
	m->uploads = upload;
	upload = NULL;
	return 0;
}

/* What a part's number and size must be, before any byte is touched. */
static int part_check(const struct mem_store *m, const char *key, uint32_t number, uint64_t size, struct store_call *call)
{
	if (number < 1 || number > m->base.limits.parts_max)
		return store_fail(call, EINVAL, key, "part number %u is not in 1..%u", number, m->base.limits.parts_max);
	if (size > m->base.limits.part_max)
		return store_fail(call, EFBIG, key, "larger than a part may be");
	return 0;
}

static struct mem_part *part_new(uint32_t number, uint64_t size)
{
	struct mem_part *part = calloc(1, sizeof(*part));

	if (!part)
		return NULL;
	part->part = (struct store_part){ .number = number, .size = size, .modified = clock_wall_s() };
	part->data = malloc(size ? size : 1);
	if (part->data)
		return part;
	free(part);
	return NULL;
}

/* Moves *part into the upload, over one of the same number. The lock is held. */
static int install_part(struct mem_store *m, const char *key, const char *upload_id, struct mem_part **part, struct store_part *out,
			struct store_call *call)
{
	struct mem_upload *upload = *find_upload(m, key, upload_id);

	if (!upload)
		return store_fail(call, ENODATA, key, "no such upload");

	struct mem_part **at = &upload->parts;

	while (*at && (*at)->part.number < (*part)->part.number)
		at = &(*at)->next;
	(*part)->next = *at;
	if (*at && (*at)->part.number == (*part)->part.number) {
		(*part)->next = (*at)->next;
		mem_part_free(*at);
	}
	*at = *part;
	*out = (*part)->part;
	*part = NULL;
	return 0;
}

int mem_part(struct store *s, const char *key, const char *upload_id, const struct iovec *iov, int iovcnt, struct store_part *part,
		    struct store_call *call)
{
	struct mem_store *m = mem_of(s);
	uint64_t size = store_iov_bytes(iov, iovcnt);
	int rc = mem_begin_call(m, key, call);

	if (!rc)
		rc = part_check(m, key, part->number, size, call);
	if (rc)
		return rc;

	AUTO(auto_mem_part_free) struct mem_part *fresh = part_new(part->number, size);

	if (!fresh)
		return store_fail(call, ENOMEM, key, "out of memory");
	mem_gather(fresh->data, iov, iovcnt);
	if (mem_md5_etag(iov, iovcnt, fresh->part.etag))
		return store_fail(call, EIO, key, "MD5 failed");
	STORE_LOCKED(&m->lock);
	return install_part(m, key, upload_id, &fresh, part, call);
}

int mem_part_copy(struct store *s, const char *key, const char *upload_id, const char *src, const char *src_etag, uint64_t offset,
			 uint64_t length, struct store_part *part, struct store_call *call)
{
	struct mem_store *m = mem_of(s);
	const struct mem_object *from;
	int rc = mem_begin_call(m, src, call);

	if (!rc)
		rc = mem_begin_call(m, key, call);
	if (!rc)
		rc = part_check(m, key, part->number, length, call);
	if (rc)
		return rc;
	if (length > m->base.limits.copy_max)
		return store_fail(call, EFBIG, src, "larger than one copy takes");
	STORE_LOCKED(&m->lock);
	rc = mem_find_source(m, src, src_etag, &from, call);
	if (rc)
		return rc;
	if (length == 0 || offset > from->meta.size || length > from->meta.size - offset)
		return store_fail(call, EINVAL, src, "the range is not inside the object");

	AUTO(auto_mem_part_free) struct mem_part *fresh = part_new(part->number, length);

	if (!fresh)
		return store_fail(call, ENOMEM, key, "out of memory");
	memcpy(fresh->data, from->data + offset, length);
	if (mem_md5_etag(&(struct iovec){ fresh->data, length }, 1, fresh->part.etag))
		return store_fail(call, EIO, key, "MD5 failed");
	return install_part(m, key, upload_id, &fresh, part, call);
}

/* The upload's part that `wanted` names; NULL: there is none, or its bytes are others. from: where to look (numbers ascend). */
static const struct mem_part *named_part(const struct mem_part *from, const struct store_part *wanted)
{
	while (from && from->part.number < wanted->number)
		from = from->next;
	return from && from->part.number == wanted->number && strcmp(from->part.etag, wanted->etag) == 0 ? from : NULL;
}

/* Checks the list against the upload as S3 does; *size: bytes of the object it makes. */
static int check_parts(const struct mem_store *m, const struct mem_upload *upload, const struct store_part *parts, size_t count,
		       uint64_t *size, struct store_call *call)
{
	*size = 0;
	if (count == 0)
		return store_fail(call, EINVAL, upload->key, "no parts");
	for (size_t i = 0; i < count; i++) {
		const struct mem_part *part = named_part(upload->parts, &parts[i]);

		if (i && parts[i].number <= parts[i - 1].number)
			return store_fail(call, EINVAL, upload->key, "parts are not in ascending order");
		if (!part)
			return store_fail(call, EINVAL, upload->key, "part %u was not sent, or has another ETag", parts[i].number);
		if (i + 1 < count && part->part.size < m->base.limits.part_min)
			return store_fail(call, EINVAL, upload->key, "part %u is smaller than parts may be", parts[i].number);
		*size += part->part.size;
	}
	return *size > m->base.limits.object_max ? store_fail(call, EFBIG, upload->key, "larger than an object may be") : 0;
}

static void join_parts(struct mem_object *object, const struct mem_upload *upload, const struct store_part *parts, size_t count)
{
	uint8_t *out = object->data;

	for (size_t i = 0; i < count; i++) {
		const struct mem_part *part = named_part(upload->parts, &parts[i]);

		memcpy(out, part->data, part->part.size);
		out += part->part.size;
	}
}

int mem_complete(struct store *s, const char *key, const char *upload_id, const struct store_part *parts, size_t count,
			const struct store_cond *cond, struct store_meta *meta, struct store_call *call)
{
	struct mem_store *m = mem_of(s);
	uint64_t size;
	int rc = mem_begin_call(m, key, call);

	if (rc)
		return rc;
	STORE_LOCKED(&m->lock);

	struct mem_upload **at = find_upload(m, key, upload_id);

	if (!*at)
		return store_fail(call, ENODATA, key, "no such upload");
	rc = check_parts(m, *at, parts, count, &size, call);
	if (rc)
		return rc;

	AUTO(auto_mem_object_free) struct mem_object *object = mem_object_new(key, size, (*at)->commit);

	if (!object)
		return store_fail(call, ENOMEM, key, "out of memory");
	join_parts(object, *at, parts, count);
	if (store_multipart_etag(parts, count, object->meta.etag))
		return store_fail(call, EIO, key, "MD5 failed");
	rc = mem_install(m, &object, cond, meta, call);
	if (rc)
		return rc;

	struct mem_upload *done = *at;

	*at = done->next;
	mem_upload_free(done);
	return 0;
}

int mem_abort(struct store *s, const char *key, const char *upload_id, struct store_call *call)
{
	struct mem_store *m = mem_of(s);
	int rc = mem_begin_call(m, key, call);

	if (rc)
		return rc;
	STORE_LOCKED(&m->lock);

	struct mem_upload **at = find_upload(m, key, upload_id);
	struct mem_upload *gone = *at;

	if (!gone)
		return store_fail(call, ENODATA, key, "no such upload");
	*at = gone->next;
	mem_upload_free(gone);
	return 0;
}

int mem_list_parts(struct store *s, const char *key, const char *upload_id, struct store_parts *parts, struct store_call *call)
{
	struct mem_store *m = mem_of(s);
	int rc = mem_begin_call(m, key, call);

	*parts = (struct store_parts){ 0 };
	if (rc)
		return rc;
	STORE_LOCKED(&m->lock);

	const struct mem_upload *upload = *find_upload(m, key, upload_id);
	size_t count = 0;

	if (!upload)
		return store_fail(call, ENODATA, key, "no such upload");
	for (const struct mem_part *part = upload->parts; part; part = part->next)
		count++;
	parts->parts = calloc(count ? count : 1, sizeof(*parts->parts));
	if (!parts->parts)
		return store_fail(call, ENOMEM, key, "out of memory");
	for (const struct mem_part *part = upload->parts; part; part = part->next)
		parts->parts[parts->count++] = part->part;
	return 0;
}

int mem_list_uploads(struct store *s, const char *key, struct store_uploads *uploads, struct store_call *call)
{
	struct mem_store *m = mem_of(s);
	size_t count = 0;
	int rc = mem_begin_call(m, key, call);

	*uploads = (struct store_uploads){ 0 };
	if (rc)
		return rc;
	STORE_LOCKED(&m->lock);
	for (const struct mem_upload *upload = m->uploads; upload; upload = upload->next)
		count += strcmp(upload->key, key) == 0;
	uploads->ids = calloc(count ? count : 1, sizeof(*uploads->ids));
	for (const struct mem_upload *upload = m->uploads; uploads->ids && upload; upload = upload->next) {
		if (strcmp(upload->key, key) != 0)
			continue;
		uploads->ids[uploads->count] = strdup(upload->id);
		if (!uploads->ids[uploads->count])
			break;
		uploads->count++;
	}
	if (uploads->ids && uploads->count == count)
		return 0;
	store_uploads_free(uploads);
	return store_fail(call, ENOMEM, key, "out of memory");
}


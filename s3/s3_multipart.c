/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/s3_store.h"

#include "base/log.h"
#include "s3/s3_reply.h"
#include "s3/store_impl.h"
#include "s3/xml.h"

#include <errno.h>

/* Multipart uploads.
 *
 * Which checksum a part carries: CRC-32C, as every put. The upload does not announce an algorithm when it begins: MinIO then could not
 * take copied parts into it, and the list of parts would have to name every checksum. AWS refuses a CRC on a part of such an upload;
 * the store learns that from the refusal, sends the part again with Content-MD5, and keeps to that. */

#define COMPLETE_MAX (4u << 20) /* bytes of the list of 10,000 parts */

int s3_begin(struct store *s, const char *key, const char *commit, char upload_id[STORE_UPLOAD_MAX], struct store_call *call)
{
	struct s3_request request = { .method = "POST", .mutates = true };
	AUTO(http_reply_free) struct http_reply reply = { 0 };
	struct s3_result result;
	struct s3_task task;
	int rc = s3_task_begin(&task, s, key, false, call);

	upload_id[0] = '\0';
	if (!rc && !s3_good_commit(commit))
		rc = store_fail(task.call, EINVAL, key, "not a commit id");
	if (rc)
		return rc;
	s3_add_query(&request, "uploads", "");
	s3_add_header(&request, S3_META_COMMIT, commit);
	rc = s3_send(&task, &request, &reply);
	if (rc)
		return rc;
	if (s3_parse_result(reply.text.data, reply.text.len, "InitiateMultipartUploadResult", &result))
		return s3_bad_reply(&task, &request, &reply, EBADMSG, "the answer names no upload");
	memcpy(upload_id, result.upload_id, sizeof(result.upload_id));
	return 0;
}

int s3_check_upload(struct s3_task *task, const char *upload_id)
{
	return upload_id[0] ? 0 : store_fail(task->call, EINVAL, task->key, "no upload id");
}

static int check_part(struct s3_task *task, const char *upload_id, uint32_t number, uint64_t size)
{
	const struct store_limits *limits = &task->store->base.limits;
	int rc = s3_check_upload(task, upload_id);

	if (rc)
		return rc;
	if (number < 1 || number > limits->parts_max)
		return store_fail(task->call, EINVAL, task->key, "part number %u is not in 1..%u", number, limits->parts_max);
	if (size > limits->part_max)
		return store_fail(task->call, EFBIG, task->key, "larger than a part may be");
	return 0;
}

static void add_part_query(struct s3_request *request, char number_text[S3_NUMBER_MAX], uint32_t number, const char *upload_id)
{
	snprintf(number_text, S3_NUMBER_MAX, "%u", number);
	s3_add_query(request, "partNumber", number_text);
	s3_add_query(request, "uploadId", upload_id);
}

static int send_part(struct s3_task *task, const char *upload_id, const struct iovec *iov, int iovcnt, bool by_md5,
		     struct store_part *part)
{
	struct s3_request request = { .method = "PUT", .body = iov, .body_count = iovcnt, .mutates = true };
	AUTO(http_reply_free) struct http_reply reply;
	char number[S3_NUMBER_MAX], crc[S3_CRC_TEXT] = "", md5_text[25] = "";
	uint8_t md5[STORE_MD5_BYTES];

	add_part_query(&request, number, part->number, upload_id);
	if (by_md5 && store_md5(iov, iovcnt, md5) == 0)
		sign_base64(md5_text, md5, sizeof(md5));
	if (!by_md5)
		s3_crc_text(crc, iov, iovcnt);
	s3_add_header(&request, "content-md5", md5_text);
	s3_add_header(&request, "x-amz-checksum-crc32c", crc);

	int rc = s3_send(task, &request, &reply);

	if (rc)
		return rc;
	if (s3_reply_etag(&reply, part->etag) || (!by_md5 && s3_other_checksum(&reply, crc)))
		return s3_bad_reply(task, &request, &reply, EBADMSG, "an answer without a good ETag, or with another checksum");
	return 0;
}

static bool checksum_refused(const struct store_error *err)
{
	return err->code == EINVAL && err->http_status == 400 && strstr(err->message, "hecksum");
}

int s3_part(struct store *s, const char *key, const char *upload_id, const struct iovec *iov, int iovcnt, struct store_part *part,
	    struct store_call *call)
{
	struct store_part made = { .number = part->number, .size = store_iov_bytes(iov, iovcnt) };
	struct s3_task task;
	int rc = s3_task_begin(&task, s, key, true, call);

	if (!rc)
		rc = check_part(&task, upload_id, part->number, made.size);
	if (rc)
		return rc;

	bool by_md5 = atomic_load(&task.store->parts_by_md5);

	rc = send_part(&task, upload_id, iov, iovcnt, by_md5, &made);
	if (rc && !by_md5 && checksum_refused(&task.call->err)) {
		log_msg(LOG_INFO, "s3", "this server takes no CRC-32C on parts (%s); they carry an MD5 from now on", task.call->err.message);
		atomic_store(&task.store->parts_by_md5, true);
		task.call->err = (struct store_error){ 0 };
		rc = send_part(&task, upload_id, iov, iovcnt, true, &made);
	}
	if (rc)
		return rc;
	made.modified = task.call->server_date;
	*part = made;
	return 0;
}

int s3_part_copy(struct store *s, const char *key, const char *upload_id, const char *src, const char *src_etag, uint64_t offset,
		 uint64_t length, struct store_part *part, struct store_call *call)
{
	struct s3_request request = { .method = "PUT", .mutates = true };
	AUTO(http_reply_free) struct http_reply reply = { 0 };
	AUTO(buf_free) struct buf source;
	char number[S3_NUMBER_MAX], quoted[S3_QUOTED_MAX], range[64];
	struct s3_result result;
	struct s3_task task;
	int rc = s3_task_begin(&task, s, src, true, call);

	buf_init(&source, 8192);
	if (!rc && length > s->limits.copy_max)
		rc = store_fail(task.call, EFBIG, src, "larger than one copy takes");
	if (!rc && (length == 0 || offset > INT64_MAX))
		rc = store_fail(task.call, EINVAL, src, "an empty or impossible range");
	if (!rc)
		rc = s3_check_key(&task, key);
	if (!rc)
		rc = check_part(&task, upload_id, part->number, length);
	if (!rc && (s3_copy_source(task.store, &source, src) || !buf_text(&source)))
		rc = store_fail(task.call, ENOMEM, src, "out of memory");
	if (rc)
		return rc;
	task.key = key;
	snprintf(range, sizeof(range), "bytes=%llu-%llu", (unsigned long long)offset, (unsigned long long)(offset + length - 1));
	s3_quote(quoted, src_etag);
	add_part_query(&request, number, part->number, upload_id);
	s3_add_header(&request, "x-amz-copy-source", buf_text(&source));
	s3_add_header(&request, "x-amz-copy-source-range", range);
	s3_add_header(&request, "x-amz-copy-source-if-match", quoted);
	rc = s3_send(&task, &request, &reply);
	if (rc)
		return rc;
	if (s3_parse_result(reply.text.data, reply.text.len, "CopyPartResult", &result))
		return s3_bad_reply(&task, &request, &reply, EBADMSG, "the copy's result cannot be read");
	*part = (struct store_part){ .number = part->number, .size = length, .modified = result.modified };
	memcpy(part->etag, result.etag, sizeof(part->etag));
	return 0;
}

static int put_parts(struct buf *body, const struct store_part *parts, size_t count)
{
	int rc = count ? buf_puts(body, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">") : EINVAL;

	for (size_t i = 0; !rc && i < count; i++) {
		if (i && parts[i].number <= parts[i - 1].number)
			return EINVAL;
		rc = buf_printf(body, "<Part><PartNumber>%u</PartNumber><ETag>&quot;", parts[i].number);
		if (!rc)
			rc = xml_put(body, parts[i].etag);
		if (!rc)
			rc = buf_puts(body, "&quot;</ETag></Part>");
	}
	return rc ? rc : buf_puts(body, "</CompleteMultipartUpload>");
}

/* What the answer to a complete means beyond the table of errors. */
static int complete_errno(struct s3_task *task, const struct store_cond *cond, int rc)
{
	struct store_error *err = &task->call->err;

	/* Nothing stands there, so If-Match does not hold. */
	if (rc == ENOENT && cond && cond->if_match[0])
		rc = ESTALE;
	/* Somebody else wrote the key meanwhile. S3 has given the upload up then, so there is nothing to try again. */
	if (rc == EAGAIN && strcmp(err->s3_code, "ConditionalRequestConflict") == 0)
		rc = ESTALE;
	err->code = rc;
	return rc;
}

int s3_complete(struct store *s, const char *key, const char *upload_id, const struct store_part *parts, size_t count,
		const struct store_cond *cond, struct store_meta *meta, struct store_call *call)
{
	struct s3_request request = { .method = "POST", .body_count = 1, .mutates = true };
	AUTO(http_reply_free) struct http_reply reply = { 0 };
	AUTO(buf_free) struct buf body;
	char quoted[S3_QUOTED_MAX];
	struct s3_result result;
	struct s3_task task;
	int rc = s3_task_begin(&task, s, key, true, call);

	buf_init(&body, COMPLETE_MAX);
	if (!rc)
		rc = s3_check_upload(&task, upload_id);
	if (!rc && (rc = put_parts(&body, parts, count)))
		store_fail(task.call, rc, key, "no parts, or not in ascending order");
	if (!rc)
		rc = s3_add_condition(&task, &request, cond, quoted);
	if (rc)
		return rc;

	struct iovec bytes = { body.data, body.len };

	request.body = &bytes;
	s3_add_query(&request, "uploadId", upload_id);
	rc = s3_send(&task, &request, &reply);
	if (rc)
		return complete_errno(&task, cond, rc);
	if (s3_parse_result(reply.text.data, reply.text.len, "CompleteMultipartUploadResult", &result))
		return s3_bad_reply(&task, &request, &reply, EBADMSG, "the result of the upload cannot be read");
	if (!meta)
		return 0;
	*meta = (struct store_meta){ .modified = task.call->server_date };
	memcpy(meta->etag, result.etag, sizeof(meta->etag));
	for (size_t i = 0; i < count; i++)
		meta->size += parts[i].size;
	return 0;
}

int s3_abort(struct store *s, const char *key, const char *upload_id, struct store_call *call)
{
	struct s3_request request = { .method = "DELETE", .mutates = true };
	AUTO(http_reply_free) struct http_reply reply = { 0 };
	struct s3_task task;
	int rc = s3_task_begin(&task, s, key, false, call);

	if (!rc)
		rc = s3_check_upload(&task, upload_id);
	if (rc)
		return rc;
	s3_add_query(&request, "uploadId", upload_id);
	return s3_send(&task, &request, &reply);
}

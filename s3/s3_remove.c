/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/s3_store.h"

#include "s3/s3_error.h"
#include "s3/s3_reply.h"
#include "s3/store_impl.h"
#include "s3/xml.h"

#include <errno.h>

/* Many keys, or versions, go in one DeleteObjects. One alone, and keys that XML cannot carry, go by DELETE. */

#define BODY_MAX (8u << 20) /* 1000 keys of 1024 bytes, each byte escaped, and their versions */

/* One removal, and what the parser of its answer fills. */
struct batch {
	struct s3_task *task;
	const char *const *keys;              /* or */
	const struct store_version *versions; /* not NULL: for good */
	size_t count;
	int *results;
	int first; /* the first errno of any key */
	struct store_error why; /* and its details */
};

static const char *key_at(const struct batch *batch, size_t i)
{
	return batch->versions ? batch->versions[i].key : batch->keys[i];
}

/* "": the newest. */
static const char *version_at(const struct batch *batch, size_t i)
{
	return batch->versions ? batch->versions[i].id : "";
}

static int remove_one(struct s3_task *task, const char *version)
{
	struct s3_request request = { .method = "DELETE", .mutates = true };
	AUTO(http_reply_free) struct http_reply reply;

	if (*version)
		s3_add_query(&request, "versionId", version);

	int rc = s3_send(task, &request, &reply);

	if (*version && rc && s3_error_is_lock(task->call->err.s3_code, task->call->err.message))
		rc = task->call->err.code = EPERM;
	if (rc != ENOENT)
		return rc;
	task->call->err = (struct store_error){ 0 }; /* not there: that was the aim */
	return 0;
}

/* Every entry that the answer means: of that key, and of that version where it names one. */
static bool is_meant(const struct batch *batch, size_t i, const char *key, const char *version)
{
	if (strcmp(key_at(batch, i), key) != 0)
		return false;
	return !batch->versions || !*version || strcmp(version_at(batch, i), version) == 0;
}

static int on_key_error(void *arg, const char *key, const char *version, const struct s3_error_reply *error)
{
	struct batch *batch = arg;
	int code = s3_verdict(200, error->s3_code, true).code;
	bool known = false;

	if (batch->versions && s3_error_is_lock(error->s3_code, error->message))
		code = EPERM;
	for (size_t i = 0; i < batch->count; i++)
		if (is_meant(batch, i, key, version)) {
			batch->results[i] = code == ENOENT ? 0 : code;
			known = true;
		}
	if (!known)
		return EBADMSG; /* then it is not known which key is meant */
	if (code == ENOENT || batch->first)
		return 0;
	batch->first = store_fail(batch->task->call, code, key, "%s", error->message);
	batch->why = batch->task->call->err;
	snprintf(batch->why.s3_code, sizeof(batch->why.s3_code), "%s", error->s3_code);
	return 0;
}

static int put_entry(struct buf *body, const char *key, const char *version)
{
	int rc = buf_puts(body, "<Object><Key>");

	if (!rc)
		rc = xml_put(body, key);
	if (!rc)
		rc = buf_puts(body, "</Key>");
	if (!rc && *version)
		rc = buf_puts(body, "<VersionId>");
	if (!rc && *version)
		rc = xml_put(body, version);
	if (!rc && *version)
		rc = buf_puts(body, "</VersionId>");
	return rc ? rc : buf_puts(body, "</Object>");
}

/* *carried: how many keys the body names. */
static int put_body(struct buf *body, const struct batch *batch, size_t *carried)
{
	int rc = buf_puts(body, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");

	*carried = 0;
	for (size_t i = 0; !rc && i < batch->count; i++)
		if (xml_can_carry(key_at(batch, i))) {
			rc = put_entry(body, key_at(batch, i), version_at(batch, i));
			++*carried;
		}
	return rc ? rc : buf_puts(body, "</Delete>");
}

/* The request, and the results of its keys. An error is that of the whole request. */
static int send_batch(struct batch *batch, const struct iovec *body)
{
	struct s3_request request = { .method = "POST", .body = body, .body_count = 1, .mutates = true };
	AUTO(http_reply_free) struct http_reply reply;
	char crc[S3_CRC_TEXT], md5_text[25];
	uint8_t md5[STORE_MD5_BYTES];

	s3_crc_text(crc, body, 1);
	s3_add_query(&request, "delete", "");
	s3_add_header(&request, "x-amz-checksum-crc32c", crc);
	if (store_md5(body, 1, md5) == 0) { /* older servers insist on it */
		sign_base64(md5_text, md5, sizeof(md5));
		s3_add_header(&request, "content-md5", md5_text);
	}

	int rc = s3_send(batch->task, &request, &reply);

	if (rc)
		return rc;
	rc = s3_parse_delete(reply.text.data, reply.text.len, on_key_error, batch);
	if (rc)
		return s3_bad_reply(batch->task, &request, &reply, rc, "the result of the removal cannot be read");
	batch->why.http_status = reply.status;
	return 0;
}

static int remove_batch(struct batch *batch)
{
	AUTO(buf_free) struct buf body;
	size_t carried;

	buf_init(&body, BODY_MAX);

	int rc = put_body(&body, batch, &carried);

	if (rc)
		return store_fail(batch->task->call, rc, NULL, "the request cannot be made");
	return carried ? send_batch(batch, &(struct iovec){ body.data, body.len }) : 0;
}

static void remove_singly(struct batch *batch, bool all)
{
	for (size_t i = 0; i < batch->count; i++) {
		if (!all && xml_can_carry(key_at(batch, i)))
			continue;
		batch->task->key = key_at(batch, i);
		batch->results[i] = remove_one(batch->task, version_at(batch, i));
		if (!batch->results[i] || batch->first)
			continue;
		batch->first = batch->results[i];
		batch->why = batch->task->call->err;
	}
}

static int check_keys(struct batch *batch)
{
	if (batch->count > batch->task->store->base.limits.delete_max)
		return store_fail(batch->task->call, EINVAL, NULL, "more keys than one removal takes");
	for (size_t i = 0; i < batch->count; i++) {
		int rc = s3_check_key(batch->task, key_at(batch, i));

		if (!rc && batch->versions && !version_at(batch, i)[0])
			rc = store_fail(batch->task->call, EINVAL, key_at(batch, i), "no version: that would only hide it");
		if (rc)
			return rc;
	}
	return 0;
}

static int run(struct batch *batch, int rc)
{
	if (!rc)
		rc = check_keys(batch);
	for (size_t i = 0; i < batch->count; i++)
		batch->results[i] = 0;
	if (!rc && batch->count > 1)
		rc = remove_batch(batch);
	for (size_t i = 0; rc && i < batch->count; i++)
		batch->results[i] = rc;
	if (rc)
		return rc;
	remove_singly(batch, batch->count == 1);
	if (batch->first)
		batch->task->call->err = batch->why;
	return batch->first;
}

int s3_remove(struct store *s, const char *const *keys, size_t count, int *results, struct store_call *call)
{
	struct s3_task task;
	struct batch batch = { .task = &task, .keys = keys, .count = count, .results = results };

	return run(&batch, s3_task_begin(&task, s, NULL, false, call));
}

int s3_remove_versions(struct store *s, const struct store_version *versions, size_t count, int *results, struct store_call *call)
{
	struct s3_task task;
	struct batch batch = { .task = &task, .versions = versions, .count = count, .results = results };

	return run(&batch, s3_task_begin(&task, s, NULL, false, call));
}

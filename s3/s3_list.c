/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/s3_store.h"

#include "s3/s3_reply.h"
#include "s3/xml.h"

#include <errno.h>

/* Listings: of objects, of open uploads, of an upload's parts. */

#define PAGES_MAX 100 /* of uploads of one key: a server that does not come to an end is broken */

int s3_list(struct store *s, const char *prefix, char delimiter, const char *token, uint32_t max, struct store_page *page,
	    struct store_call *call)
{
	struct s3_request request = { .method = "GET" };
	AUTO(http_reply_free) struct http_reply reply = { 0 };
	char most[S3_NUMBER_MAX], delimiter_text[2] = { delimiter };
	struct s3_task task;
	int rc = s3_task_begin(&task, s, NULL, false, call);

	*page = (struct store_page){ 0 };
	if (!rc && (max > s->limits.list_max || !xml_is_utf8(prefix)))
		rc = store_fail(task.call, EINVAL, prefix, "more keys than one page takes, or a prefix that is not UTF-8");
	if (rc)
		return rc;
	snprintf(most, sizeof(most), "%u", max ? max : s->limits.list_max);
	s3_add_query(&request, "list-type", "2");
	s3_add_query(&request, "encoding-type", "url");
	s3_add_query(&request, "prefix", prefix);
	s3_add_query(&request, "max-keys", most);
	if (delimiter)
		s3_add_query(&request, "delimiter", delimiter_text);
	if (token)
		s3_add_query(&request, "continuation-token", token);
	rc = s3_send(&task, &request, &reply);
	if (rc)
		return rc;
	rc = s3_parse_list(reply.text.data, reply.text.len, prefix, page);
	if (!rc && page->next && token && strcmp(page->next, token) == 0)
		rc = EBADMSG; /* the same page again, for ever */
	if (!rc)
		return 0;
	store_page_free(page);
	return s3_bad_reply(&task, &request, &reply, rc, "the listing cannot be read");
}

static int parts_page(struct s3_task *task, const char *upload_id, uint32_t *marker, struct store_parts *parts)
{
	struct s3_request request = { .method = "GET" };
	AUTO(http_reply_free) struct http_reply reply;
	const uint32_t most = task->store->base.limits.parts_max;
	char after[S3_NUMBER_MAX];
	uint32_t next;

	snprintf(after, sizeof(after), "%u", *marker);
	s3_add_query(&request, "uploadId", upload_id);
	s3_add_query(&request, "max-parts", "1000");
	if (*marker)
		s3_add_query(&request, "part-number-marker", after);

	int rc = s3_send(task, &request, &reply);

	if (rc)
		return rc;
	rc = s3_parse_parts(reply.text.data, reply.text.len, parts, &next);
	if (!rc && next && (next <= *marker || next > most))
		rc = EBADMSG;
	if (!rc && parts->count && parts->parts[parts->count - 1].number > most) /* numbers ascend, so neither parts nor pages are more */
		rc = EBADMSG;
	*marker = next;
	return rc ? s3_bad_reply(task, &request, &reply, rc, "the list of parts cannot be read") : 0;
}

int s3_list_parts(struct store *s, const char *key, const char *upload_id, struct store_parts *parts, struct store_call *call)
{
	struct s3_task task;
	uint32_t marker = 0;
	int rc = s3_task_begin(&task, s, key, false, call);

	*parts = (struct store_parts){ 0 };
	if (!rc)
		rc = s3_check_upload(&task, upload_id);
	if (rc)
		return rc;
	do
		rc = parts_page(&task, upload_id, &marker, parts);
	while (!rc && marker);
	if (rc)
		store_parts_free(parts);
	return rc;
}

static void next_free(struct s3_uploads_next *next)
{
	free(next->key);
	free(next->id);
}

/* One page behind *next, which becomes the marker of the page after it. */
static int uploads_page(struct s3_task *task, struct s3_uploads_next *next, struct store_uploads *uploads)
{
	struct s3_request request = { .method = "GET", .to_bucket = true };
	AUTO(http_reply_free) struct http_reply reply;
	AUTO(next_free) struct s3_uploads_next after = { 0 };

	s3_add_query(&request, "uploads", "");
	s3_add_query(&request, "prefix", task->key); /* MinIO answers only for a prefix that is the whole key */
	s3_add_query(&request, "encoding-type", "url");
	s3_add_query(&request, "max-uploads", "1000");
	if (next->key)
		s3_add_query(&request, "key-marker", next->key);
	if (next->id)
		s3_add_query(&request, "upload-id-marker", next->id);

	int rc = s3_send(task, &request, &reply);

	if (rc)
		return rc;
	rc = s3_parse_uploads(reply.text.data, reply.text.len, task->key, uploads, &after);
	if (!rc && after.key && next->key && strcmp(after.key, next->key) == 0 && strcmp(after.id ? after.id : "", next->id ? next->id : "") == 0)
		rc = EBADMSG;
	if (rc)
		return s3_bad_reply(task, &request, &reply, rc, "the list of uploads cannot be read");
	next_free(next);
	*next = after;
	after = (struct s3_uploads_next){ 0 };
	return 0;
}

int s3_list_uploads(struct store *s, const char *key, struct store_uploads *uploads, struct store_call *call)
{
	AUTO(next_free) struct s3_uploads_next next = { 0 };
	struct s3_task task;
	int pages = 0, rc = s3_task_begin(&task, s, key, false, call);

	*uploads = (struct store_uploads){ 0 };
	if (rc)
		return rc;
	do
		rc = pages++ == PAGES_MAX ? store_fail(task.call, EBADMSG, key, "the list of uploads never ends") :
					    uploads_page(&task, &next, uploads);
	while (!rc && next.key && strcmp(next.key, key) <= 0); /* keys ascend, and ours is the first of its prefix */
	if (rc)
		store_uploads_free(uploads);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/s3_store.h"

#include "s3/s3_reply.h"
#include "s3/store_impl.h"
#include "s3/xml.h"

#include <errno.h>

/* Versions, and what the bucket does by itself. Their removal is in s3_remove.c. */

/* token: NULL or the previous page's. id is memory for its version id. */
static int add_markers(struct s3_request *request, const char *token, char id[STORE_VERSION_MAX])
{
	const char *key;

	if (!token)
		return 0;
	if (store_versions_token(token, id, &key))
		return EINVAL;
	s3_add_query(request, "key-marker", key);
	if (id[0])
		s3_add_query(request, "version-id-marker", id);
	return 0;
}

int s3_versions(struct store *s, const char *prefix, const char *token, uint32_t max, struct store_versions *page, struct store_call *call)
{
	struct s3_request request = { .method = "GET" };
	AUTO(http_reply_free) struct http_reply reply = { 0 };
	char most[S3_NUMBER_MAX], id[STORE_VERSION_MAX];
	struct s3_task task;
	int rc = s3_task_begin(&task, s, NULL, false, call);

	*page = (struct store_versions){ 0 };
	if (!rc && (max > s->limits.list_max || !xml_is_utf8(prefix) || add_markers(&request, token, id)))
		rc = store_fail(task.call, EINVAL, prefix, "more versions than one page takes, a prefix that is not UTF-8, or no token of this store");
	if (rc)
		return rc;
	snprintf(most, sizeof(most), "%u", max ? max : s->limits.list_max);
	s3_add_query(&request, "versions", "");
	s3_add_query(&request, "encoding-type", "url");
	s3_add_query(&request, "prefix", prefix);
	s3_add_query(&request, "max-keys", most);
	rc = s3_send(&task, &request, &reply);
	if (rc)
		return rc;
	rc = s3_parse_versions(reply.text.data, reply.text.len, prefix, page);
	if (!rc && page->next && token && strcmp(page->next, token) == 0)
		rc = EBADMSG; /* the same page again, for ever */
	if (!rc)
		return 0;
	store_versions_free(page);
	return s3_bad_reply(&task, &request, &reply, rc, "the list of versions cannot be read");
}

/* ---- rules */

/* EOPNOTSUPP, and nothing filled, where the server knows no versioning. */
static int ask_versioning(struct s3_task *task, bool *keeps)
{
	struct s3_request request = { .method = "GET" };
	AUTO(http_reply_free) struct http_reply reply;

	s3_add_query(&request, "versioning", "");

	int rc = s3_send(task, &request, &reply);

	if (!rc && s3_parse_versioning(reply.text.data, reply.text.len, keeps))
		rc = s3_bad_reply(task, &request, &reply, EBADMSG, "the versioning of the bucket cannot be read");
	return rc;
}

static int ask_lifecycle(struct s3_task *task, struct store_rules *rules)
{
	struct s3_request request = { .method = "GET" };
	AUTO(http_reply_free) struct http_reply reply;

	s3_add_query(&request, "lifecycle", "");

	int rc = s3_send(task, &request, &reply);

	if (rc && strcmp(task->call->err.s3_code, "NoSuchLifecycleConfiguration") == 0)
		return 0;
	if (rc)
		return rc;
	rc = s3_parse_lifecycle(reply.text.data, reply.text.len, rules);
	return rc ? s3_bad_reply(task, &request, &reply, rc, "the lifecycle rules cannot be read") : 0;
}

/* A server that knows neither is no help; one that knows versioning but no lifecycle has no rules. */
int s3_rules(struct store *s, struct store_rules *out, struct store_call *call)
{
	struct s3_task task;
	int rc = s3_task_begin(&task, s, NULL, false, call), versioning;

	*out = (struct store_rules){ 0 };
	if (rc)
		return rc;
	versioning = ask_versioning(&task, &out->versioning);
	if (versioning && versioning != EOPNOTSUPP)
		return versioning;
	rc = ask_lifecycle(&task, out);
	if (rc == EOPNOTSUPP && !versioning)
		rc = 0;
	if (!rc)
		task.call->err = (struct store_error){ 0 };
	else
		store_rules_free(out);
	return rc;
}

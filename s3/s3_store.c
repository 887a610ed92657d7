/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/s3_store.h"

#include "base/clock.h"
#include "s3/s3_reply.h"
#include "s3/store_impl.h"

#include <ctype.h>
#include <errno.h>

/* ---- what is known of an object from the headers of an answer */

static int take_meta(const struct http_reply *reply, struct store_meta *meta)
{
	char text[64];

	*meta = (struct store_meta){ 0 };
	if (s3_reply_etag(reply, meta->etag))
		return EBADMSG;
	if (http_header(reply, S3_META_COMMIT, meta->commit, sizeof(meta->commit)))
		meta->commit[0] = '\0';
	if (http_header(reply, "last-modified", text, sizeof(text)) == 0 && clock_parse_http(&meta->modified, text))
		return EBADMSG;
	return 0;
}

bool s3_good_commit(const char *commit)
{
	uint8_t id[(STORE_COMMIT_HEX - 1) / 2];

	return !commit || hex_decode(id, sizeof(id), commit, strlen(commit)) == 0;
}

/* ---- get */

/* Where the bytes of an answer stand in the object. */
struct span {
	uint64_t first, length, total;
};

/* The span that was asked for, in an object of total bytes. */
static struct span span_wanted(struct store_range range, uint64_t total)
{
	struct span span = { .total = total };
	size_t length;

	if (store_range_resolve(total, range, SIZE_MAX, &span.first, &length))
		return span;
	span.length = length;
	return span;
}

/* A decimal number and the text that must follow it; *at is advanced behind both. */
static int take_number(uint64_t *out, const char **at, const char *then)
{
	uint64_t n = 0;
	const char *c = *at;

	for (; *c >= '0' && *c <= '9' && n <= INT64_MAX / 10 - 1; c++)
		n = n * 10 + (uint64_t)(*c - '0');
	if (c == *at || strncmp(c, then, strlen(then)) != 0)
		return EBADMSG;
	*out = n;
	*at = c + strlen(then);
	return 0;
}

/* "bytes 0-99/1234" */
static int parse_content_range(const char *text, struct span *span)
{
	uint64_t first, last, total;

	if (strncmp(text, "bytes ", 6) != 0)
		return EBADMSG;
	text += 6;
	if (take_number(&first, &text, "-") || take_number(&last, &text, "/") || take_number(&total, &text, "") || *text)
		return EBADMSG;
	if (last < first || last >= total)
		return EBADMSG;
	*span = (struct span){ .first = first, .length = last - first + 1, .total = total };
	return 0;
}

/* Which bytes the server says it sent. */
static int span_sent(const struct http_reply *reply, struct span *span)
{
	char text[96];

	if (reply->status == 206 && http_header(reply, "content-range", text, sizeof(text)))
		return EBADMSG;
	if (reply->status == 206) {
		*span = (struct span){ 0 };
		return strcmp(text, "bytes 0--1/0") == 0 ? 0 : parse_content_range(text, span); /* MinIO, of an empty object */
	}
	if (reply->status != 200 || reply->content_length < 0)
		return EBADMSG;
	*span = (struct span){ .length = (uint64_t)reply->content_length, .total = (uint64_t)reply->content_length };
	return 0;
}

/* Exactly the bytes asked for, all of them: anything else is no success. */
static int check_span(const struct http_reply *reply, struct store_range range, uint64_t *total)
{
	struct span sent;

	if (span_sent(reply, &sent))
		return EBADMSG;

	struct span wanted = span_wanted(range, sent.total);

	*total = sent.total;
	return sent.first == wanted.first && sent.length == wanted.length && reply->got == sent.length ? 0 : EBADMSG;
}

static void range_text(char out[64], struct store_range range)
{
	out[0] = '\0';
	if (range.offset < 0)
		snprintf(out, 64, "bytes=-%llu", 0 - (unsigned long long)range.offset);
	else if (range.length)
		snprintf(out, 64, "bytes=%lld-%llu", (long long)range.offset, (unsigned long long)range.offset + range.length - 1);
	else if (range.offset)
		snprintf(out, 64, "bytes=%lld-", (long long)range.offset);
}

static int finish_get(struct s3_task *task, const struct s3_request *request, const struct http_reply *reply, struct store_range range,
		      const char *if_match, struct store_meta *meta)
{
	struct store_meta found;
	uint64_t total;

	if (take_meta(reply, &found))
		return s3_bad_reply(task, request, reply, EBADMSG, "an answer without a good ETag");
	if (if_match && *if_match && strcmp(found.etag, if_match) != 0)
		return s3_bad_reply(task, request, reply, ESTALE, "another object than the one asked for");
	if (check_span(reply, range, &total))
		return s3_bad_reply(task, request, reply, EBADMSG, "not the bytes that were asked for");
	found.size = total;
	if (meta)
		*meta = found;
	return 0;
}

/* `ranged`: whether to send the range at all. */
static int try_get(struct s3_task *task, struct store_range range, bool ranged, const char *if_match, const struct iovec *iov, int iovcnt,
		   size_t *got, struct store_meta *meta)
{
	struct s3_request request = { .method = "GET", .into = iov, .into_count = iovcnt };
	AUTO(http_reply_free) struct http_reply reply;
	char quoted[S3_QUOTED_MAX], bytes[64];

	range_text(bytes, range);
	s3_add_header(&request, "range", ranged ? bytes : NULL);
	s3_quote(quoted, if_match);
	s3_add_header(&request, "if-match", quoted);

	int rc = s3_send(task, &request, &reply);

	if (!rc)
		rc = finish_get(task, &request, &reply, range, if_match, meta);
	*got = rc ? 0 : reply.got;
	return rc;
}

static int s3_get(struct store *s, const char *key, struct store_range range, const char *if_match, const struct iovec *iov, int iovcnt,
		  size_t *got, struct store_meta *meta, struct store_call *call)
{
	struct s3_task task;
	const struct iovec nothing = { 0 };
	int rc = s3_task_begin(&task, s, key, true, call);

	*got = 0;
	if (!rc)
		rc = try_get(&task, range, true, if_match, iovcnt ? iov : &nothing, iovcnt, got, meta);
	/* An empty object has no first byte, so servers refuse every range of it: without one they answer, headers and all. */
	if (rc == EINVAL && task.call->err.http_status == 416 && range.offset <= 0)
		rc = try_get(&task, range, false, if_match, &nothing, 0, got, meta);
	return rc;
}

/* ---- head */

/* Servers of S3 tell "no such key" to HEAD by status alone. One that shows no sign of being one is asked again with GET, whose
 * answer has a code: absence must be certain. */
static int confirm_absent(struct s3_task *task)
{
	struct s3_request request = { .method = "GET" };
	AUTO(http_reply_free) struct http_reply reply;

	s3_add_header(&request, "range", "bytes=0-0");

	int rc = s3_send(task, &request, &reply);

	return rc ? rc : s3_bad_reply(task, &request, &reply, EBADMSG, "the server contradicts itself on whether the object is there");
}

static int s3_head(struct store *s, const char *key, struct store_meta *meta, struct store_call *call)
{
	struct s3_request request = { .method = "HEAD" };
	AUTO(http_reply_free) struct http_reply reply = { 0 };
	struct s3_task task;
	struct store_meta found;
	int rc = s3_task_begin(&task, s, key, false, call);

	if (!rc)
		rc = s3_send(&task, &request, &reply);
	if (rc == ENOENT && !task.call->err.s3_code[0] && !task.call->err.request_id[0])
		return confirm_absent(&task);
	if (rc)
		return rc;
	if (take_meta(&reply, &found) || reply.content_length < 0)
		return s3_bad_reply(&task, &request, &reply, EBADMSG, "an answer without a good ETag and length");
	found.size = (uint64_t)reply.content_length;
	if (meta)
		*meta = found;
	return 0;
}

/* ---- put */

bool s3_other_checksum(const struct http_reply *reply, const char *crc)
{
	char text[64];

	return http_header(reply, "x-amz-checksum-crc32c", text, sizeof(text)) == 0 && strcmp(text, crc) != 0;
}

static int s3_put(struct store *s, const char *key, const struct iovec *iov, int iovcnt, const char *commit, const struct store_cond *cond,
		  struct store_meta *meta, struct store_call *call)
{
	struct s3_request request = { .method = "PUT", .body = iov, .body_count = iovcnt, .mutates = true };
	AUTO(http_reply_free) struct http_reply reply = { 0 };
	struct store_meta made = { .size = store_iov_bytes(iov, iovcnt) };
	char crc[S3_CRC_TEXT], quoted[S3_QUOTED_MAX];
	struct s3_task task;
	int rc = s3_task_begin(&task, s, key, true, call);

	if (!rc && made.size > s->limits.put_max)
		rc = store_fail(task.call, EFBIG, key, "larger than one put takes");
	if (!rc && !s3_good_commit(commit))
		rc = store_fail(task.call, EINVAL, key, "not a commit id");
	if (!rc)
		rc = s3_add_condition(&task, &request, cond, quoted);
	if (rc)
		return rc;
	s3_crc_text(crc, iov, iovcnt);
	s3_add_header(&request, "x-amz-checksum-crc32c", crc);
	s3_add_header(&request, S3_META_COMMIT, commit);
	rc = s3_send(&task, &request, &reply);
	if (rc == ENOENT && cond && cond->if_match[0])
		rc = task.call->err.code = ESTALE; /* nothing stands there, so the condition does not hold */
	if (rc)
		return rc;
	if (s3_reply_etag(&reply, made.etag) || s3_other_checksum(&reply, crc))
		return s3_bad_reply(&task, &request, &reply, EBADMSG, "an answer without a good ETag, or with another checksum");
	snprintf(made.commit, sizeof(made.commit), "%s", commit ? commit : "");
	made.modified = task.call->server_date;
	if (meta)
		*meta = made;
	return 0;
}

/* ---- copy */

/* Conditions on the destination are refused here: MinIO, like most servers, ignores them on a copy and would replace what stands
 * there. The caller has part_copy and complete for that, whose conditions are honoured. */
static int copy_allowed(struct s3_task *task, const char *dst, const char *commit, const struct store_cond *cond)
{
	int rc = s3_check_key(task, dst);

	if (rc)
		return rc;
	if (cond && (cond->if_none_match || cond->if_match[0]))
		return store_fail(task->call, EOPNOTSUPP, dst, "S3 servers ignore conditions on the destination of a copy");
	return s3_good_commit(commit) ? 0 : store_fail(task->call, EINVAL, dst, "not a commit id");
}

static int s3_copy(struct store *s, const char *src, const char *src_etag, const char *dst, const char *commit,
		   const struct store_cond *cond, struct store_meta *meta, struct store_call *call)
{
	struct s3_request request = { .method = "PUT", .mutates = true };
	AUTO(http_reply_free) struct http_reply reply = { 0 };
	AUTO(buf_free) struct buf source;
	char quoted[S3_QUOTED_MAX];
	struct s3_result result;
	struct s3_task task;
	int rc = s3_task_begin(&task, s, src, true, call);

	buf_init(&source, 8192);
	if (!rc)
		rc = copy_allowed(&task, dst, commit, cond);
	if (rc)
		return rc;
	if (s3_copy_source(task.store, &source, src) || !buf_text(&source))
		return store_fail(task.call, ENOMEM, src, "out of memory");
	task.key = dst;
	s3_quote(quoted, src_etag);
	s3_add_header(&request, "x-amz-copy-source", buf_text(&source));
	s3_add_header(&request, "x-amz-copy-source-if-match", quoted);
	s3_add_header(&request, "x-amz-metadata-directive", "REPLACE");
	s3_add_header(&request, S3_META_COMMIT, commit);
	rc = s3_send(&task, &request, &reply);
	if (rc == ENOENT || rc == ESTALE) /* it is the source that these speak of */
		snprintf(task.call->err.key, sizeof(task.call->err.key), "%s", src);
	if (rc)
		return rc;
	if (s3_parse_result(reply.text.data, reply.text.len, "CopyObjectResult", &result))
		return s3_bad_reply(&task, &request, &reply, EBADMSG, "the copy's result cannot be read");
	if (!meta)
		return 0;
	*meta = (struct store_meta){ .modified = result.modified };
	memcpy(meta->etag, result.etag, sizeof(meta->etag));
	snprintf(meta->commit, sizeof(meta->commit), "%s", commit ? commit : "");
	return 0;
}

/* ---- the bucket */

static int list_one(struct s3_task *task)
{
	struct s3_request request = { .method = "GET" };
	AUTO(http_reply_free) struct http_reply reply;
	AUTO(store_page_free) struct store_page page = { 0 };

	s3_add_query(&request, "list-type", "2");
	s3_add_query(&request, "max-keys", "1");
	s3_add_query(&request, "encoding-type", "url");

	int rc = s3_send(task, &request, &reply);

	if (!rc && s3_parse_list(reply.text.data, reply.text.len, "", &page))
		rc = s3_bad_reply(task, &request, &reply, EBADMSG, "what answers there is not an S3 server");
	return rc;
}

/* HEAD is what every identity with access to the bucket may do, but its answers have no code: where it fails, or anything but an S3
 * server seems to answer, a listing tells why. */
static int s3_probe(struct store *s, struct store_call *call)
{
	struct s3_request request = { .method = "HEAD" };
	AUTO(http_reply_free) struct http_reply reply = { 0 };
	char id[64];
	struct s3_task task;
	int rc = s3_task_begin(&task, s, NULL, false, call);

	if (!rc)
		rc = s3_send(&task, &request, &reply);
	if (!rc && http_header(&reply, "x-amz-request-id", id, sizeof(id)))
		return list_one(&task);
	if (rc && reply.status >= 400 && reply.status < 500 && !task.call->err.s3_code[0])
		return list_one(&task);
	return rc;
}

static int s3_space(struct store *s, struct store_space *space, struct store_call *call)
{
	*space = (struct store_space){ 0 };
	store_call_reset(call);
	return 0;
}

/* ---- life */

static void s3_free(struct store *base)
{
	struct s3_store *s = s3_of(base);

	http_pool_free(s->http);
	signer_free(s->signer);
	free(s->origin);
	free(s->host);
	free(s->bucket);
	free(s);
}

static const struct store_ops s3_ops = {
	.get = s3_get, .put = s3_put, .head = s3_head, .list = s3_list, .remove = s3_remove, .copy = s3_copy, .begin = s3_begin,
	.part = s3_part, .part_copy = s3_part_copy, .complete = s3_complete, .abort = s3_abort, .list_parts = s3_list_parts,
	.list_uploads = s3_list_uploads, .versions = s3_versions, .remove_versions = s3_remove_versions, .rules = s3_rules,
	.probe = s3_probe, .space = s3_space, .free = s3_free,
};

static bool only_of(const char *text, const char *allowed)
{
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr(allowed, *text))
			return false;
	return true;
}

static bool good_config(const struct s3_config *c)
{
	return c->endpoint && c->endpoint[0] && strlen(c->endpoint) < 256 && only_of(c->endpoint, "-._:[]") && c->bucket && c->bucket[0] &&
	       strlen(c->bucket) < 64 && only_of(c->bucket, "-._") && strcmp(c->bucket, ".") != 0 && strcmp(c->bucket, "..") != 0;
}

/* The scheme's own port is not named in Host, and the signature is over what Host says. */
static size_t host_length(const char *endpoint, bool tls)
{
	const char *port = tls ? ":443" : ":80";
	size_t n = strlen(endpoint), suffix = strlen(port);

	return n > suffix && strcmp(endpoint + n - suffix, port) == 0 ? n - suffix : n;
}

static int set_names(struct s3_store *s, const struct s3_config *c)
{
	int n = (int)host_length(c->endpoint, c->tls);

	s->bucket = strdup(c->bucket);
	if (asprintf(&s->host, "%s%s%.*s", c->path_style ? "" : c->bucket, c->path_style ? "" : ".", n, c->endpoint) < 0)
		s->host = NULL;
	if (!s->bucket || !s->host || asprintf(&s->origin, "%s://%s", c->tls ? "https" : "http", s->host) < 0) {
		s->origin = NULL;
		return ENOMEM;
	}
	snprintf(s->base.name, sizeof(s->base.name), "s3://%s at %s", c->bucket, c->endpoint);
	return 0;
}

int s3_store_new(const struct s3_config *config, struct store **out)
{
	*out = NULL;
	if (!good_config(config))
		return EINVAL;

	struct s3_store *s = calloc(1, sizeof(*s));

	if (!s)
		return ENOMEM;
	s->base = (struct store){ .ops = &s3_ops, .limits = store_limits_s3, .conditional = true };
	s->path_style = config->path_style;
	s->sign_payload = config->signing == S3_SIGN_PAYLOAD || (config->signing == S3_SIGN_AUTO && !config->tls);
	s->data_stall_ms = config->data_stall_ms ? config->data_stall_ms : 120000;
	s->meta_ms = config->meta_ms ? config->meta_ms : 30000;

	struct http_config http = { .tls = config->tls, .ca_file = config->ca_file,
				    .connect_ms = config->connect_ms ? config->connect_ms : 5000,
				    .connections = config->connections ? config->connections : 32 };
	int rc = set_names(s, config);

	if (!rc)
		rc = signer_new(config->access_key, config->secret_key, config->session_token, config->region ? config->region : "us-east-1",
				&s->signer);
	if (!rc)
		rc = http_pool_new(&http, &s->http);
	if (rc) {
		s3_free(&s->base);
		return rc;
	}
	*out = &s->base;
	return 0;
}

int s3_store_set_credentials(struct store *s3, const char *access_key, const char *secret_key, const char *session_token)
{
	return signer_set_credentials(s3_of(s3)->signer, access_key, secret_key, session_token);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/s3_store.h"

#include "base/clock.h"
#include "base/log.h"
#include "s3/crc32c.h"
#include "s3/s3_error.h"
#include "s3/s3_reply.h"
#include "s3/store_impl.h"
#include "s3/xml.h"

#include <errno.h>

#define URL_MAX 32768
#define LINES_MAX 65536
#define SKEW_SURE_S 60   /* the server says that our clock is wrong, and it differs from ours by more than this: correct it */
#define SKEW_MAYBE_S 300 /* a 403 of another kind: its cause may be the clock, which S3 allows to differ by 15 minutes */

int s3_task_begin(struct s3_task *task, struct store *s, const char *key, bool data, struct store_call *call)
{
	*task = (struct s3_task){ .store = s3_of(s), .key = key ? key : "", .data = data, .deadline = INT64_MAX };
	task->call = call ? call : &task->unwanted;
	store_call_reset(task->call);
	if (task->call->timeout_ms)
		task->deadline = clock_mono_ms() + task->call->timeout_ms;
	else if (!data)
		task->deadline = clock_mono_ms() + task->store->meta_ms;

	int rc = store_over(s, task->call, key);

	return rc || !key ? rc : s3_check_key(task, key);
}

int s3_check_key(struct s3_task *task, const char *key)
{
	int rc = store_key_check(&task->store->base.limits, key);

	if (rc)
		return store_fail(task->call, rc, key, "not a legal key");
	/* S3's keys are Unicode: what a server makes of other bytes is anybody's guess (MinIO: a wrong signature). */
	return xml_is_utf8(key) ? 0 : store_fail(task->call, EINVAL, key, "S3 takes only names in UTF-8");
}

void s3_add_query(struct s3_request *request, const char *name, const char *value)
{
	if (request->query_count == S3_PAIRS)
		abort(); /* a bug: no operation has so many */
	request->query[request->query_count++] = (struct sign_pair){ name, value };
}

void s3_add_header(struct s3_request *request, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	if (request->header_count == S3_PAIRS)
		abort();
	request->headers[request->header_count++] = (struct sign_pair){ name, value };
}

void s3_quote(char quoted[S3_QUOTED_MAX], const char *etag)
{
	quoted[0] = '\0';
	if (etag && *etag)
		snprintf(quoted, S3_QUOTED_MAX, "\"%s\"", etag);
}

int s3_add_condition(struct s3_task *task, struct s3_request *request, const struct store_cond *cond, char quoted[S3_QUOTED_MAX])
{
	if (!cond)
		return 0;
	if (cond->if_none_match && cond->if_match[0])
		return store_fail(task->call, EINVAL, task->key, "two conditions");
	if (cond->if_none_match)
		s3_add_header(request, "if-none-match", "*");
	s3_quote(quoted, cond->if_match);
	s3_add_header(request, "if-match", quoted);
	return 0;
}

void s3_crc_text(char out[S3_CRC_TEXT], const struct iovec *iov, int iovcnt)
{
	uint32_t crc = 0;
	char text[25];

	for (int i = 0; i < iovcnt; i++)
		crc = crc32c(crc, iov[i].iov_base, iov[i].iov_len);
	sign_base64(text, (uint8_t[4]){ (uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8), (uint8_t)crc }, 4);
	memcpy(out, text, S3_CRC_TEXT);
}

int s3_reply_etag(const struct http_reply *reply, char etag[STORE_ETAG_MAX])
{
	char text[S3_QUOTED_MAX];

	return http_header(reply, "etag", text, sizeof(text)) ? EBADMSG : s3_take_etag(etag, text);
}

/* ---- one request on the wire */

/* "/bucket/key" or "/key", plain. */
static int put_path(const struct s3_store *s, struct buf *path, const char *key)
{
	int rc = s->path_style ? buf_printf(path, "/%s", s->bucket) : 0;

	if (!rc && (key[0] || !s->path_style))
		rc = buf_printf(path, "/%s", key);
	return rc;
}

int s3_copy_source(struct s3_store *s, struct buf *out, const char *key)
{
	int rc = buf_puts(out, "/");

	if (!rc)
		rc = sign_encode(out, s->bucket, true);
	if (!rc)
		rc = buf_puts(out, "/");
	return rc ? rc : sign_encode(out, key, true);
}

static int put_url(const struct s3_store *s, struct buf *url, const char *path, const struct s3_request *request)
{
	int rc = buf_puts(url, s->origin);

	if (!rc)
		rc = sign_encode(url, path, true);
	if (!rc && request->query_count)
		rc = buf_puts(url, "?");
	return rc ? rc : sign_query(url, request->query, request->query_count);
}

/* Everything that is built for one try. */
struct wire {
	struct buf path, url, lines;
};

static void wire_free(struct wire *wire)
{
	buf_free(&wire->path);
	buf_free(&wire->url);
	buf_free(&wire->lines);
}

static int wire_build(struct s3_store *s, struct wire *wire, const char *key, const struct s3_request *request, const char *payload)
{
	struct sign_pair headers[S3_PAIRS + 1] = { { "Host", s->host } };

	buf_init(&wire->path, URL_MAX);
	buf_init(&wire->url, URL_MAX);
	buf_init_secret(&wire->lines, LINES_MAX);

	int rc = put_path(s, &wire->path, key);
	const char *path = rc ? NULL : buf_text(&wire->path);

	if (!path)
		return rc ? rc : ENOMEM;
	rc = put_url(s, &wire->url, path, request);
	if (rc)
		return rc;
	memcpy(headers + 1, request->headers, request->header_count * sizeof(*headers));

	struct sign_request sign = { .method = request->method, .path = path, .query = request->query, .query_count = request->query_count,
				     .headers = headers, .header_count = request->header_count + 1, .payload = payload };

	return signer_headers(s->signer, &sign, clock_wall_s() + s->skew, &wire->lines);
}

static int send_once(struct s3_task *task, const struct s3_request *request, const char *payload, struct http_reply *reply)
{
	struct s3_store *s = task->store;
	AUTO(wire_free) struct wire wire = { 0 };
	int rc = wire_build(s, &wire, request->to_bucket ? "" : task->key, request, payload);
	const char *url = rc ? NULL : buf_text(&wire.url);

	if (!url) {
		snprintf(reply->message, sizeof(reply->message), "the request cannot be made");
		return rc == ENOBUFS ? EINVAL : rc ? rc : ENOMEM;
	}

	struct http_request http = {
		.method = request->method, .url = url, .lines = (const char *)wire.lines.data, .lines_len = wire.lines.len,
		.body = request->body, .body_count = request->body_count, .into = request->into, .into_count = request->into_count,
		.text_max = S3_TEXT_MAX, .deadline = task->deadline, .stall_ms = task->data ? s->data_stall_ms : 0,
		.cancel = task->call->cancel, .end_ms = &s->base.end_ms,
	};

	return http_perform(s->http, &http, reply);
}

static int payload_hash(const struct s3_store *s, const struct s3_request *request, char payload[SIGN_HEX])
{
	if (store_iov_bytes(request->body, request->body_count) == 0)
		return copy_text(payload, SIGN_HEX, SIGN_EMPTY);
	if (!s->sign_payload)
		return copy_text(payload, SIGN_HEX, SIGN_UNSIGNED);
	return sign_payload(payload, request->body, request->body_count);
}

/* ---- what the answer means */

static void note_answer(struct s3_task *task, const struct http_reply *reply)
{
	char date[64];
	int64_t seconds;

	if (http_header(reply, "date", date, sizeof(date)) == 0 && clock_parse_http(&seconds, date) == 0)
		task->call->server_date = seconds;
}

/* Completes call->err after store_fail. */
static void add_details(struct s3_task *task, const struct http_reply *reply, const struct s3_error_reply *error, bool ambiguous)
{
	struct store_error *err = &task->call->err;

	err->http_status = reply->status;
	err->ambiguous = ambiguous;
	if (error)
		snprintf(err->s3_code, sizeof(err->s3_code), "%s", error->s3_code);
	if (http_header(reply, "x-amz-request-id", err->request_id, sizeof(err->request_id)) && error)
		snprintf(err->request_id, sizeof(err->request_id), "%s", error->request_id);
}

/* Fills error from the body, else from the headers by which MinIO explains the answers to HEAD. */
static void read_error(const struct http_reply *reply, struct s3_error_reply *error)
{
	if (s3_parse_error(reply->text.data, reply->text.len, error) == 0)
		return;
	*error = (struct s3_error_reply){ 0 };
	http_header(reply, "x-minio-error-code", error->s3_code, sizeof(error->s3_code));
	http_header(reply, "x-minio-error-desc", error->message, sizeof(error->message));
}

static void explain(const struct http_reply *reply, struct s3_error_reply *error)
{
	char location[160];

	if (error->message[0])
		return;
	if (reply->status >= 300 && reply->status < 400 && http_header(reply, "location", location, sizeof(location)) == 0)
		snprintf(error->message, sizeof(error->message), "redirected to %s, which is not followed", location);
	else if (reply->status == 404 && !error->s3_code[0] && reply->text.len)
		snprintf(error->message, sizeof(error->message), "what answers there is not an S3 server");
}

/* The errno of a finished exchange, with call->err filled; *error is what the server said. */
static int judge(struct s3_task *task, const struct s3_request *request, const struct http_reply *reply, int rc,
		 struct s3_error_reply *error)
{
	bool twice = request->mutates && reply->sends > 1; /* the first one may have been done; this answers the second */

	*error = (struct s3_error_reply){ 0 };
	note_answer(task, reply);
	if (rc) {
		store_fail(task->call, rc, task->key, "%s", reply->message);
		add_details(task, reply, NULL, request->mutates && reply->sent);
		return rc;
	}
	if (reply->status >= 200 && reply->status < 300 && s3_parse_error(reply->text.data, reply->text.len, error))
		return 0;
	read_error(reply, error);
	explain(reply, error);

	struct s3_verdict verdict = s3_verdict(reply->status, error->s3_code, strcmp(request->method, "HEAD") != 0);

	store_fail(task->call, verdict.code, task->key, "%s", error->message);
	add_details(task, reply, error, twice || (request->mutates && reply->sent && !verdict.definite));
	return verdict.code;
}

int s3_bad_reply(struct s3_task *task, const struct s3_request *request, const struct http_reply *reply, int code, const char *what)
{
	store_fail(task->call, code, task->key, "%s", what);
	add_details(task, reply, NULL, request->mutates);
	return code;
}

/* ---- the two things that are put right here and not by whoever retries */

/* Whether the server's clock explains the refusal; our signatures then go by it. */
static bool correct_clock(struct s3_task *task, int rc)
{
	struct s3_store *s = task->store;
	int64_t theirs = task->call->server_date, ours = clock_wall_s() + s->skew;
	int64_t apart = theirs > ours ? theirs - ours : ours - theirs;

	if (!theirs || (rc != ENOTRECOVERABLE && task->call->err.http_status != 403))
		return false;
	if (apart <= (rc == ENOTRECOVERABLE ? SKEW_SURE_S : SKEW_MAYBE_S))
		return false;
	s->skew = theirs - clock_wall_s();
	log_msg(LOG_WARN, "s3", "this machine's clock differs from the server's by %lld s; requests are signed by the server's",
		(long long)s->skew);
	return true;
}

/* Whether the server named another region for the bucket, which is then ours. */
static bool correct_region(struct s3_task *task, const struct http_reply *reply, const struct s3_error_reply *error)
{
	char named[SIGN_REGION_MAX], ours[SIGN_REGION_MAX];
	int status = reply->status;

	if (status != 301 && status != 307 && status != 400 && status != 403)
		return false;
	if (copy_text(named, sizeof(named), error->region) || !named[0])
		if (http_header(reply, "x-amz-bucket-region", named, sizeof(named)))
			return false;
	signer_region(task->store->signer, ours);
	if (strcmp(named, ours) == 0 || signer_set_region(task->store->signer, named))
		return false;
	log_msg(LOG_WARN, "s3", "the bucket is in region %s, not %s; set the region to spare a request", named, ours);
	return true;
}

static void log_exchange(struct s3_task *task, const struct s3_request *request, const struct http_reply *reply, int64_t began)
{
	const struct store_error *err = &task->call->err;
	char id[64] = "-";

	if (!log_wants(LOG_DEBUG))
		return;
	http_header(reply, "x-amz-request-id", id, sizeof(id));
	log_path(LOG_DEBUG, "s3", task->key, "%s %d, %lld ms, %zu bytes out, %zu in, request %s%s%s", request->method, reply->status,
		 (long long)(clock_mono_ms() - began), store_iov_bytes(request->body, request->body_count), reply->got, id,
		 err->code ? ": " : "", err->code ? err->s3_code[0] ? err->s3_code : err->message : "");
}

int s3_send(struct s3_task *task, const struct s3_request *request, struct http_reply *reply)
{
	bool clock_tried = false, region_tried = false, doubt = false; /* doubt: an earlier sending may have done it */
	char payload[SIGN_HEX];

	*reply = (struct http_reply){ 0 };
	if (payload_hash(task->store, request, payload))
		return store_fail(task->call, EIO, task->key, "SHA-256 failed");
	for (;;) {
		struct s3_error_reply error;
		int64_t began = clock_mono_ms();
		int rc = send_once(task, request, payload, reply);

		rc = judge(task, request, reply, rc, &error);
		doubt = task->call->err.ambiguous = rc && (doubt || task->call->err.ambiguous);
		log_exchange(task, request, reply, began);
		if (rc && !clock_tried && correct_clock(task, rc))
			clock_tried = true;
		else if (rc && !region_tried && correct_region(task, reply, &error))
			region_tried = true;
		else
			return rc;
		http_reply_free(reply);
		task->call->err = (struct store_error){ 0 };
	}
}

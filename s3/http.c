/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/http.h"

#include "base/clock.h"
#include "base/sync.h"
#include "s3/iov_cursor.h"

#include <curl/curl.h>
#include <errno.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK_MS 150             /* how often cancel, deadline and progress are looked at */
#define HEAD_MAX 65536          /* bytes of header lines of one answer */
#define UPLOAD_BUFFER 262144L   /* larger ones spill out of the L2 cache, smaller ones cost system calls */
#define DOWNLOAD_BUFFER 131072L
#define ANSWER_STALLS 4         /* a text as answer may take this many stalls in all: servers send blanks while they work */
#define SOCKETS_MAX 4           /* sockets of one slot at a time: one, or two while IPv6 and IPv4 race */

/* A place for one connection. It has a multi handle of its own, which keeps the connection between requests and lets us look up
 * from the transfer every TICK_MS. */
struct slot {
	CURLM *multi;
	CURL *easy;
	int sockets[SOCKETS_MAX]; /* -1: none */
	struct slot *next;        /* in pool->idle */
};

struct http_pool {
	struct http_config config;
	char *ca_file;
	pthread_mutex_t lock; /* everything below */
	pthread_cond_t given; /* a slot came back */
	struct slot *idle;    /* last used first, so that few connections are kept warm */
	unsigned made;        /* slots that exist, idle or in use */
};

/* One request in hand: what curl's callbacks need. */
struct transfer {
	const struct http_request *request;
	struct http_reply *reply;
	struct slot *slot;
	struct iov_cursor body, into;
	size_t body_bytes;
	bool head_whole;     /* the empty line behind the head has come: curl does not insist on it */
	int failure;         /* errno that a callback found, 0: none */
	int64_t active_at;   /* clock_mono_ms of the last progress */
	int64_t sent_at;     /* ... of the request */
	int64_t looked_at;
	uint64_t up, got;    /* bytes of both bodies when last looked */
	uint64_t unacked;    /* bytes in the socket's send queue when last looked */
	char error[CURL_ERROR_SIZE];
};

static pthread_once_t global_once = PTHREAD_ONCE_INIT;
static CURLcode global_result;

static void global_start(void)
{
	struct sigaction pipe_action;

	if (!sigaction(SIGPIPE, NULL, &pipe_action) && pipe_action.sa_handler == SIG_DFL) {
		pipe_action.sa_handler = SIG_IGN;
		sigaction(SIGPIPE, &pipe_action, NULL);
	}
	global_result = curl_global_init(CURL_GLOBAL_ALL);
}

/* ---- bytes in and out */

static size_t on_read(char *out, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;

	return iov_take(&t->body, out, size * count);
}

/* curl rewinds when it has to send again. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct transfer *t = arg;

	if (origin != SEEK_SET || offset < 0 || (size_t)offset > t->body_bytes)
		return CURL_SEEKFUNC_FAIL;
	t->body = (struct iov_cursor){ .iov = t->request->body, .count = t->request->body_count };
	return iov_take(&t->body, NULL, (size_t)offset) == (size_t)offset ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static bool answer_is_good(const struct transfer *t)
{
	long status = 0;

	curl_easy_getinfo(t->slot->easy, CURLINFO_RESPONSE_CODE, &status);
	return status >= 200 && status < 300;
}

/* A 2xx answer must fit. Of an error page the beginning is enough. */
static size_t take_text(struct transfer *t, const char *data, size_t n, bool good)
{
	struct buf *text = &t->reply->text;
	size_t room = text->max - text->len, taken = min_size(n, room);

	if (good && taken < n) {
		t->failure = EBADMSG;
		return 0;
	}
	t->failure = buf_put(text, data, taken);
	return t->failure ? 0 : n;
}

static size_t on_write(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	size_t n = size * count;
	bool good = answer_is_good(t);

	t->reply->got += n;
	if (!good || !t->request->into)
		return take_text(t, data, n, good);
	if (iov_give(&t->into, data, n) == n)
		return n;
	t->failure = EBADMSG; /* more than was asked for */
	return 0;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	struct buf *head = &t->reply->head;
	size_t n = size * count;

	if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) { /* the answer before it was "100 Continue" or a proxy's */
		buf_reset(head);
		t->head_whole = false;
		return n;
	}
	if (n <= 2 && line[n - 1] == '\n')
		t->head_whole = true;
	if (buf_put(head, line, n) == 0)
		return n;
	t->failure = EBADMSG;
	return 0;
}

/* Called when a connection stands and the request is about to leave. */
static int on_begin(void *arg, char *peer, char *local, int peer_port, int local_port)
{
	struct transfer *t = arg;

	t->reply->sends++;
	return CURL_PREREQFUNC_OK;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct slot *slot = arg;
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);

	for (int i = 0; fd >= 0 && i < SOCKETS_MAX; i++)
		if (slot->sockets[i] < 0) {
			slot->sockets[i] = fd;
			break;
		}
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int on_close(void *arg, curl_socket_t fd)
{
	struct slot *slot = arg;

	for (int i = 0; i < SOCKETS_MAX; i++)
		if (slot->sockets[i] == fd)
			slot->sockets[i] = -1;
	return close(fd);
}

/* ---- slots */

static void slot_free(struct slot *slot)
{
	if (!slot)
		return;
	curl_easy_cleanup(slot->easy);
	curl_multi_cleanup(slot->multi); /* closes the connection, through on_close */
	free(slot);
}

static struct slot *slot_new(void)
{
	struct slot *slot = calloc(1, sizeof(*slot));

	if (!slot)
		return NULL;
	for (int i = 0; i < SOCKETS_MAX; i++)
		slot->sockets[i] = -1;
	slot->multi = curl_multi_init();
	slot->easy = curl_easy_init();
	if (!slot->multi || !slot->easy) {
		slot_free(slot);
		return NULL;
	}
	curl_multi_setopt(slot->multi, CURLMOPT_MAXCONNECTS, 1L);
	return slot;
}

/* 0; or why the request may not begin or go on, in *why. */
static int given_up(const struct http_request *request, int64_t now, int64_t give_up, const char **why)
{
	int64_t end = request->end_ms ? atomic_load(request->end_ms) : 0;

	*why = "cancelled";
	if (request->cancel && atomic_load(request->cancel))
		return ECANCELED;
	*why = "the program is ending, and its deadline has passed";
	if (end && now >= end)
		return ESHUTDOWN;
	*why = "no answer within the deadline";
	return now >= give_up ? ETIMEDOUT : 0;
}

/* An idle slot, or NULL where the caller may make one (*rc 0) or may not (*rc and *why set). */
static struct slot *slot_wait(struct http_pool *pool, const struct http_request *request, int *rc, const char **why)
{
	int64_t give_up = request->deadline;
	struct slot *slot = NULL;

	if (request->stall_ms)
		give_up = (int64_t)min_u64((uint64_t)give_up, (uint64_t)clock_mono_ms() + request->stall_ms);
	pthread_mutex_lock(&pool->lock);
	while (!(*rc = given_up(request, clock_mono_ms(), give_up, why)) && !pool->idle && pool->made >= pool->config.connections)
		cond_wait_until(&pool->given, &pool->lock, (int64_t)min_u64((uint64_t)give_up, (uint64_t)clock_mono_ms() + TICK_MS));
	if (!*rc && pool->idle) {
		slot = pool->idle;
		pool->idle = slot->next;
	} else if (!*rc) {
		pool->made++;
	}
	pthread_mutex_unlock(&pool->lock);
	return slot;
}

static void slot_give(struct http_pool *pool, struct slot *slot)
{
	pthread_mutex_lock(&pool->lock);
	if (slot) {
		slot->next = pool->idle;
		pool->idle = slot;
	} else {
		pool->made--; /* it could not be made */
	}
	pthread_cond_signal(&pool->given);
	pthread_mutex_unlock(&pool->lock);
}

static struct slot *slot_take(struct http_pool *pool, const struct http_request *request, struct http_reply *reply, int *rc)
{
	const char *why;
	struct slot *slot = slot_wait(pool, request, rc, &why);

	if (*rc)
		snprintf(reply->message, sizeof(reply->message), "%s, before there was a free connection", why);
	if (slot || *rc)
		return slot;
	slot = slot_new();
	if (slot)
		return slot;
	slot_give(pool, NULL);
	*rc = ENOMEM;
	return NULL;
}

/* ---- one transfer */

static void wipe_lines(struct curl_slist *list)
{
	for (struct curl_slist *line = list; line; line = line->next)
		explicit_bzero(line->data, strlen(line->data)); /* a session token may be among them */
	curl_slist_free_all(list);
}

static bool add_line(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer)
		*list = longer;
	return longer;
}

/* The request's lines, and two that switch off what curl would add: an Expect costs every part a round trip. NULL: no memory. */
static struct curl_slist *make_lines(const struct http_request *request)
{
	struct curl_slist *list = NULL;
	bool good = add_line(&list, "Expect:") && add_line(&list, "Content-Type:");

	for (size_t at = 0; good && at < request->lines_len; at += strlen(request->lines + at) + 1)
		good = add_line(&list, request->lines + at);
	if (good)
		return list;
	wipe_lines(list);
	return NULL;
}

static void set_callbacks(struct transfer *t)
{
	CURL *easy = t->slot->easy;

	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(easy, CURLOPT_READDATA, t);
	curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
	curl_easy_setopt(easy, CURLOPT_SEEKDATA, t);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_begin);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, t);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t->slot);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, t->slot);
}

static void set_connection(const struct http_pool *pool, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, pool->config.tls ? "https" : "http");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)pool->config.connect_ms);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, DOWNLOAD_BUFFER);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	if (pool->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, pool->ca_file);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "pishopfs/" PISHOPFS_VERSION);
}

static int set_request(struct transfer *t, struct curl_slist *lines)
{
	const struct http_request *request = t->request;
	CURL *easy = t->slot->easy;

	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* keys are not file names: nothing is to be normalized */
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines);
	if (curl_easy_setopt(easy, CURLOPT_URL, request->url))
		return ENOMEM;
	if (strcmp(request->method, "HEAD") == 0) {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
		return 0;
	}
	if (strcmp(request->method, "PUT") == 0 || strcmp(request->method, "POST") == 0) {
		curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)t->body_bytes);
	}
	return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) ? ENOMEM : 0;
}

/* Bytes of the bodies count as progress, and so do acknowledgements of what stands in the send queue: on a slow line the
 * queue alone takes minutes to leave. The answer's head does not: a server could send lines, or "100 Continue", for ever. */
static void look_for_progress(struct transfer *t, int64_t now)
{
	curl_off_t up = 0;
	uint64_t unacked = 0;

	curl_easy_getinfo(t->slot->easy, CURLINFO_SIZE_UPLOAD_T, &up);
	for (int i = 0; i < SOCKETS_MAX; i++) {
		int queued = 0;

		if (t->slot->sockets[i] >= 0 && ioctl(t->slot->sockets[i], SIOCOUTQ, &queued) == 0 && queued > 0)
			unacked += (uint64_t)queued;
	}

	if ((uint64_t)up != t->up || unacked < t->unacked)
		t->active_at = t->sent_at = now;
	if (t->reply->got != t->got)
		t->active_at = now;
	t->up = (uint64_t)up;
	t->got = t->reply->got;
	t->unacked = unacked;
}

static bool stalled(const struct transfer *t, int64_t now)
{
	int64_t stall = t->request->stall_ms;

	return stall && (now - t->active_at >= stall || (t->reply->text.len && now - t->sent_at >= ANSWER_STALLS * stall));
}

static int may_go_on(struct transfer *t, int64_t now)
{
	const struct http_request *request = t->request;
	const char *why;
	int rc = given_up(request, now, request->deadline, &why);

	if (rc) {
		snprintf(t->error, sizeof(t->error), "%s", why);
		return rc;
	}
	if (now - t->looked_at < TICK_MS)
		return 0;
	t->looked_at = now;
	look_for_progress(t, now);
	if (!stalled(t, now))
		return 0;
	snprintf(t->error, sizeof(t->error), "no byte of progress for %u ms", request->stall_ms);
	return ETIMEDOUT;
}

/* Runs the transfer to its end: 0 and *result, or an errno of our own making. */
static int drive(struct transfer *t, CURLcode *result)
{
	CURLM *multi = t->slot->multi;
	int rc = 0, running = 1;

	if (curl_multi_add_handle(multi, t->slot->easy))
		return ENOMEM;
	t->active_at = t->sent_at = t->looked_at = clock_mono_ms();
	while (!rc) {
		CURLMcode code = curl_multi_perform(multi, &running);
		int64_t now = clock_mono_ms();

		if (code)
			rc = EIO;
		if (code || !running)
			break;
		rc = may_go_on(t, now);
		if (!rc && curl_multi_poll(multi, NULL, 0, (int)min_u64(TICK_MS, (uint64_t)(t->request->deadline - now)), NULL))
			rc = EIO;
	}

	int left;
	const CURLMsg *message = rc ? NULL : curl_multi_info_read(multi, &left);

	*result = message ? message->data.result : CURLE_OK;
	if (!rc && !message)
		rc = EIO;
	curl_multi_remove_handle(multi, t->slot->easy); /* closes the connection where the transfer was cut short */
	return rc;
}

/* A handshake that the network cut is no verdict on the certificate; curl has one code for both. */
static bool handshake_was_cut(const char *error)
{
	return strstr(error, "SSL_ERROR_SYSCALL") || strstr(error, "reset by peer") || strstr(error, "Broken pipe");
}

static int result_errno(CURLcode result, const struct transfer *t)
{
	static const struct { CURLcode result; int code; } table[] = {
		{ CURLE_OK, 0 }, { CURLE_OPERATION_TIMEDOUT, ETIMEDOUT }, { CURLE_OUT_OF_MEMORY, ENOMEM }, { CURLE_URL_MALFORMAT, EINVAL },
		{ CURLE_COULDNT_RESOLVE_HOST, EHOSTUNREACH }, { CURLE_COULDNT_RESOLVE_PROXY, EHOSTUNREACH },
		{ CURLE_COULDNT_CONNECT, EHOSTUNREACH }, { CURLE_SEND_FAIL_REWIND, EHOSTUNREACH }, { CURLE_INTERFACE_FAILED, EHOSTUNREACH },
		{ CURLE_PROXY, EHOSTUNREACH },
		{ CURLE_PEER_FAILED_VERIFICATION, EPROTO }, { CURLE_SSL_ENGINE_NOTFOUND, EPROTO }, { CURLE_SSL_ENGINE_SETFAILED, EPROTO },
		{ CURLE_SSL_ENGINE_INITFAILED, EPROTO }, { CURLE_SSL_CERTPROBLEM, EPROTO }, { CURLE_SSL_CIPHER, EPROTO },
		{ CURLE_SSL_CACERT_BADFILE, EPROTO }, { CURLE_SSL_SHUTDOWN_FAILED, EPROTO }, { CURLE_SSL_CRL_BADFILE, EPROTO },
		{ CURLE_SSL_ISSUER_ERROR, EPROTO }, { CURLE_SSL_INVALIDCERTSTATUS, EPROTO }, { CURLE_USE_SSL_FAILED, EPROTO },
		{ CURLE_WRITE_ERROR, EBADMSG }, { CURLE_PARTIAL_FILE, EBADMSG }, { CURLE_WEIRD_SERVER_REPLY, EBADMSG },
		{ CURLE_UNSUPPORTED_PROTOCOL, EBADMSG }, /* an answer that is not HTTP/1: the URL's scheme is ours */
		{ CURLE_BAD_CONTENT_ENCODING, EBADMSG }, { CURLE_HTTP2, EBADMSG }, { CURLE_HTTP2_STREAM, EBADMSG },
	};

	if (result == CURLE_SEND_ERROR || result == CURLE_RECV_ERROR || result == CURLE_GOT_NOTHING)
		return t->reply->head.len ? EBADMSG : EHOSTUNREACH;
	if (result == CURLE_SSL_CONNECT_ERROR)
		return handshake_was_cut(t->error) ? EHOSTUNREACH : EPROTO;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].result == result)
			return table[i].code;
	return EIO;
}

static void finish(struct transfer *t, CURLcode result)
{
	struct http_reply *reply = t->reply;
	long status = 0;
	curl_off_t length = -1;

	curl_easy_getinfo(t->slot->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->slot->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	reply->status = (int)status;
	reply->content_length = length;
	reply->sent = reply->sends && t->body.done == t->body_bytes;
	if (t->failure == EBADMSG)
		snprintf(reply->message, sizeof(reply->message), "the answer is longer than what was asked for");
	else if (t->error[0])
		snprintf(reply->message, sizeof(reply->message), "%s", t->error);
	else if (result)
		snprintf(reply->message, sizeof(reply->message), "%s", curl_easy_strerror(result));
}

static int perform_on(struct http_pool *pool, struct slot *slot, const struct http_request *request, struct http_reply *reply)
{
	struct transfer t = { .request = request, .reply = reply, .slot = slot };
	CURLcode result = CURLE_OK;
	struct curl_slist *lines = make_lines(request);

	if (!lines)
		return ENOMEM;
	t.body = (struct iov_cursor){ .iov = request->body, .count = request->body_count };
	t.into = (struct iov_cursor){ .iov = request->into, .count = request->into_count };
	for (int i = 0; i < request->body_count; i++)
		t.body_bytes += request->body[i].iov_len;
	set_callbacks(&t);
	set_connection(pool, slot->easy);

	int rc = set_request(&t, lines);

	if (!rc)
		rc = drive(&t, &result);
	if (!rc)
		rc = t.failure ? t.failure : result_errno(result, &t);
	if (!rc && !t.head_whole) {
		rc = EBADMSG;
		snprintf(t.error, sizeof(t.error), "the answer was cut inside its head");
	}
	finish(&t, result);
	curl_easy_reset(slot->easy); /* nothing may point at our locals, or at the wiped lines */
	wipe_lines(lines);
	return rc;
}

int http_perform(struct http_pool *pool, const struct http_request *request, struct http_reply *reply)
{
	int rc;

	*reply = (struct http_reply){ .content_length = -1 };
	buf_init(&reply->text, request->text_max);
	buf_init(&reply->head, HEAD_MAX);

	struct slot *slot = slot_take(pool, request, reply, &rc);

	if (rc)
		return rc;
	rc = perform_on(pool, slot, request, reply);
	slot_give(pool, slot);
	return rc;
}

int http_pool_new(const struct http_config *config, struct http_pool **out)
{
	pthread_once(&global_once, global_start);
	*out = NULL;
	if (global_result)
		return EIO;

	struct http_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return ENOMEM;
	pool->config = *config;
	pool->config.ca_file = NULL;
	pthread_mutex_init(&pool->lock, NULL);
	cond_init_mono(&pool->given);
	*out = pool;
	if (!config->ca_file)
		return 0;
	pool->ca_file = strdup(config->ca_file);
	if (pool->ca_file)
		return 0;
	http_pool_free(pool);
	*out = NULL;
	return ENOMEM;
}

void http_pool_free(struct http_pool *pool)
{
	if (!pool)
		return;
	while (pool->idle) {
		struct slot *slot = pool->idle;

		pool->idle = slot->next;
		slot_free(slot);
	}
	free(pool->ca_file);
	pthread_cond_destroy(&pool->given);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

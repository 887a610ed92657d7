/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"

#include <stdatomic.h>
#include <sys/uio.h>

/* HTTP/1.1 requests over a few kept connections to one server. Knows nothing of S3; the only file of the program that includes curl.
 *
 * Redirects are never followed, certificates always checked, TLS is 1.2 or later. Proxies are taken from the environment
 * (https_proxy, http_proxy, no_proxy) as every curl program does. The first pool made sets SIGPIPE to be ignored where it was left
 * at its default: a connection that dies under a write must not end the program.
 *
 * ASSUMPTION HTTP-1: curl sends a request again by itself, on a fresh connection, when a kept one was closed before any byte of the
 * answer came. reply.sends counts that, so that callers can tell an answer to a repetition. */

struct http_pool;

struct http_config {
	bool tls;
	const char *ca_file;  /* PEM, NULL: the system's */
	uint32_t connect_ms;  /* name look-up, connection and TLS handshake together */
	unsigned connections; /* most at once, >= 1 */
};

struct http_request {
	const char *method; /* GET, HEAD, PUT, POST, DELETE */
	const char *url;
	const char *lines;  /* header lines "Name: value", each ended by a NUL; Host among them */
	size_t lines_len;
	const struct iovec *body; /* NULL: none (a PUT or POST then says Content-Length: 0) */
	int body_count;
	const struct iovec *into; /* where the body of a 2xx answer goes; NULL: into reply->text */
	int into_count;
	size_t text_max;    /* most bytes of reply->text; a longer body is EBADMSG where it is 2xx, else cut */
	int64_t deadline;   /* clock_mono_ms; INT64_MAX: none */
	uint32_t stall_ms;  /* most time without a byte of the body sent (acknowledged by the peer's kernel) or of the answer's body received, so
	                       that the head comes within it as a whole; an answer into reply->text: four times this in all; 0: no limit */
	const atomic_bool *cancel;      /* looked at a few times a second; may be NULL */
	const _Atomic int64_t *end_ms; /* a deadline of all requests, which may be set or moved meanwhile; 0: none; may be NULL */
};

struct http_reply {
	int status;              /* 0: no answer */
	struct buf text;         /* body, where it did not go into request->into */
	size_t got;              /* bytes of body received */
	int64_t content_length;  /* as announced; -1: not told */
	struct buf head;         /* header lines of the final answer, "Name: value\r\n" */
	unsigned sends;          /* how often the request was begun on a connection; 0: it surely never left */
	bool sent;               /* all of it (may have) reached the server */
	char message[256];       /* what went wrong, in curl's words */
};

/* Any thread; once for each server. 0, ENOMEM, EIO (curl cannot start). */
int http_pool_new(const struct http_config *config, struct http_pool **out);
/* No request may be running. NULL is legal. */
void http_pool_free(struct http_pool *pool);

/* Makes one request and waits for the whole answer, on the connection used last (a warm one) or a new one; waits for a connection
 * while all are in use. Fills *reply, which the caller frees, also on errors. Any thread.
 * 0: an answer of any status came, complete. Else:
 *   EHOSTUNREACH  no connection, or it was lost before the answer began    EPROTO   TLS
 *   ETIMEDOUT     deadline, stall, or connecting took too long             ECANCELED, ESHUTDOWN (end_ms)
 *   EBADMSG       not HTTP, cut, or more than fits                         EINVAL, ENOMEM, EIO */
int http_perform(struct http_pool *pool, const struct http_request *request, struct http_reply *reply);
void http_reply_free(struct http_reply *reply);

/* The value of the first header of that name (any case), without blanks around it: 0; ENOENT; ENAMETOOLONG where out is too small. */
int http_header(const struct http_reply *reply, const char *name, char *out, size_t cap);

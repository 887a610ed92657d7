/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

/* An HTTP server on 127.0.0.1 that answers a script, one answer a request in the order they come, from threads of its own. */

enum fault_manner {
	ANSWER,       /* read the whole request, answer, keep the connection */
	ANSWER_CLOSE, /* the same, then close */
	ANSWER_RESET, /* the same, then reset: bytes on their way are lost with it */
	ANSWER_EARLY, /* answer when the head has come, read nothing more, close */
	DROP,         /* read the whole request, close without an answer */
	DROP_EARLY,   /* reset when the head has come */
	STALL,        /* read the whole request, then nothing until the end of the test */
	STALL_EARLY,  /* read the head, then nothing more */
	SIP           /* as ANSWER, but read the body in 8 KiB with drip_ms between, through a small receive buffer */
};

struct fault_answer {
	enum fault_manner manner;
	const char *reply;      /* raw bytes: status line, headers, body */
	unsigned drip_ms;       /* pause before every 8 bytes of it (SIP: of the body read) */
};

struct fault_server;

/* answers are borrowed. Where the script is at its end, connections are closed. tls: NULL for plain HTTP; borrowed. */
struct fault_server *fault_start(const struct fault_answer *answers, size_t count, SSL_CTX *tls);
void fault_stop(struct fault_server *s); /* lets go of stalled connections and joins all threads */
const char *fault_endpoint(const struct fault_server *s); /* "127.0.0.1:port" */
unsigned fault_requests(struct fault_server *s);          /* whose head has come */
unsigned fault_connections(struct fault_server *s);
/* Head and body of the request of that number, as text; valid until fault_stop. "" where there is none. */
const char *fault_head(struct fault_server *s, unsigned number);
const char *fault_body(struct fault_server *s, unsigned number);

/* SPDX-License-Identifier: Apache-2.0 */
#include "fault_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUESTS_MAX 256
#define BODY_KEPT 65536

struct seen {
	char *head, *body;
};

struct fault_server {
	const struct fault_answer *answers;
	size_t count;
	SSL_CTX *tls;
	int listener, stop;
	char endpoint[32];
	pthread_t acceptor;
	pthread_mutex_t lock; /* everything below */
	pthread_t threads[REQUESTS_MAX];
	unsigned connections, requests;
	struct seen seen[REQUESTS_MAX];
};

struct peer {
	struct fault_server *server;
	int fd;
	SSL *ssl;
};

/* Whether fd may be read before the server is stopped. */
static bool readable(struct fault_server *s, int fd)
{
	struct pollfd fds[2] = { { .fd = fd, .events = POLLIN }, { .fd = s->stop, .events = POLLIN } };

	return poll(fds, 2, -1) > 0 && !fds[1].revents;
}

static ssize_t peer_read(struct peer *p, char *out, size_t n)
{
	if (p->ssl && SSL_pending(p->ssl))
		return SSL_read(p->ssl, out, (int)n);
	if (!readable(p->server, p->fd))
		return -1;
	return p->ssl ? SSL_read(p->ssl, out, (int)n) : recv(p->fd, out, n, 0);
}

static bool peer_write(struct peer *p, const char *bytes, size_t n)
{
	while (n) {
		ssize_t sent = p->ssl ? SSL_write(p->ssl, bytes, (int)n) : send(p->fd, bytes, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		bytes += sent;
		n -= (size_t)sent;
	}
	return true;
}

/* The head of the next request, byte by byte as tests are small; NULL: the peer is gone. */
static char *read_head(struct peer *p)
{
	char *head = calloc(1, 65536);

	for (size_t n = 0; head && n < 65535; n++) {
		if (peer_read(p, head + n, 1) != 1)
			break;
		if (n >= 3 && memcmp(head + n - 3, "\r\n\r\n", 4) == 0)
			return head;
	}
	free(head);
	return NULL;
}

/* pause_ms: before every 8 KiB, 0: none. */
static bool read_body(struct peer *p, const char *head, char *kept, unsigned pause_ms)
{
	const char *at = strcasestr(head, "\r\nContent-Length:");
	size_t left = at ? strtoul(at + 17, NULL, 10) : 0, n = 0;
	char block[65536];

	while (left) {
		size_t most = pause_ms ? 8192 : sizeof(block);
		ssize_t got;

		usleep(pause_ms * 1000);
		got = peer_read(p, block, left < most ? left : most);

		if (got <= 0)
			return false;
		for (ssize_t i = 0; i < got && n < BODY_KEPT; i++)
			kept[n++] = block[i];
		left -= (size_t)got;
	}
	return true;
}

/* Closes with a reset instead of an orderly end. */
static void make_reset(int fd)
{
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
}

static void stalled(struct peer *p)
{
	struct pollfd fd = { .fd = p->server->stop, .events = POLLIN };

	poll(&fd, 1, -1);
}

static bool send_reply(struct peer *p, const struct fault_answer *answer)
{
	size_t n = strlen(answer->reply);

	if (!answer->drip_ms)
		return peer_write(p, answer->reply, n);
	for (size_t at = 0; at < n; at += 8) {
		usleep(answer->drip_ms * 1000);
		if (!peer_write(p, answer->reply + at, n - at < 8 ? n - at : 8))
			return false;
	}
	return true;
}

/* Does what the script says with one request: false where the connection is to be closed. */
static bool act(struct peer *p, const struct fault_answer *answer, const char *head, char *body)
{
	bool early = answer->manner == ANSWER_EARLY || answer->manner == DROP_EARLY || answer->manner == STALL_EARLY;

	if (!early && !read_body(p, head, body, answer->manner == SIP ? answer->drip_ms : 0))
		return false;
	switch (answer->manner) {
	case SIP:
		return peer_write(p, answer->reply, strlen(answer->reply));
	case ANSWER:
		return send_reply(p, answer);
	case ANSWER_CLOSE:
		send_reply(p, answer);
		return false;
	case ANSWER_EARLY:
		send_reply(p, answer);
		shutdown(p->fd, SHUT_WR); /* closing with unread bytes would reset, and take the answer along */
		stalled(p);
		return false;
	case ANSWER_RESET:
		send_reply(p, answer);
		usleep(50000); /* the peer has read what came */
		make_reset(p->fd);
		return false;
	case DROP_EARLY:
		make_reset(p->fd);
		return false;
	case STALL:
	case STALL_EARLY:
		stalled(p);
		return false;
	case DROP:
		return false;
	}
	return false;
}

static void *serve(void *arg)
{
	struct peer *p = arg;
	struct fault_server *s = p->server;
	bool open = true;

	if (s->tls) {
		p->ssl = SSL_new(s->tls);
		SSL_set_fd(p->ssl, p->fd);
		open = SSL_accept(p->ssl) == 1;
	}
	while (open) {
		char *head = read_head(p), *body = head ? calloc(1, BODY_KEPT + 1) : NULL;
		unsigned number;

		if (!head)
			break;
		pthread_mutex_lock(&s->lock);
		number = s->requests;
		open = number < s->count && number < REQUESTS_MAX;
		if (open)
			s->seen[s->requests++] = (struct seen){ head, body };
		pthread_mutex_unlock(&s->lock);
		if (open) {
			open = act(p, &s->answers[number], head, body);
			continue;
		}
		free(head);
		free(body);
	}
	SSL_free(p->ssl);
	close(p->fd);
	free(p);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct fault_server *s = arg;

	while (readable(s, s->listener)) {
		struct peer *p = calloc(1, sizeof(*p));

		p->server = s;
		p->fd = accept(s->listener, NULL, NULL);
		pthread_mutex_lock(&s->lock);
		if (p->fd < 0 || s->connections == REQUESTS_MAX)
			abort();
		if (pthread_create(&s->threads[s->connections++], NULL, serve, p))
			abort();
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

struct fault_server *fault_start(const struct fault_answer *answers, size_t count, SSL_CTX *tls)
{
	struct fault_server *s = calloc(1, sizeof(*s));
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(address);

	s->answers = answers;
	s->count = count;
	s->tls = tls;
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	for (size_t i = 0; i < count; i++)
		if (answers[i].manner == SIP)
			setsockopt(s->listener, SOL_SOCKET, SO_RCVBUF, &(int){ 8192 }, sizeof(int));
	s->stop = eventfd(0, EFD_CLOEXEC);
	pthread_mutex_init(&s->lock, NULL);
	if (s->stop < 0 || bind(s->listener, (struct sockaddr *)&address, n) || listen(s->listener, 64) ||
	    getsockname(s->listener, (struct sockaddr *)&address, &n) || pthread_create(&s->acceptor, NULL, accept_all, s))
		abort();
	snprintf(s->endpoint, sizeof(s->endpoint), "127.0.0.1:%u", ntohs(address.sin_port));
	return s;
}

void fault_stop(struct fault_server *s)
{
	eventfd_write(s->stop, 1);
	pthread_join(s->acceptor, NULL);
	for (unsigned i = 0; i < s->connections; i++)
		pthread_join(s->threads[i], NULL);
	for (unsigned i = 0; i < s->requests; i++) {
		free(s->seen[i].head);
		free(s->seen[i].body);
	}
	close(s->listener);
	close(s->stop);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

const char *fault_endpoint(const struct fault_server *s)
{
	return s->endpoint;
}

unsigned fault_requests(struct fault_server *s)
{
	pthread_mutex_lock(&s->lock);

	unsigned n = s->requests;

	pthread_mutex_unlock(&s->lock);
	return n;
}

unsigned fault_connections(struct fault_server *s)
{
	pthread_mutex_lock(&s->lock);

	unsigned n = s->connections;

	pthread_mutex_unlock(&s->lock);
	return n;
}

const char *fault_head(struct fault_server *s, unsigned number)
{
	return number < fault_requests(s) ? s->seen[number].head : "";
}

const char *fault_body(struct fault_server *s, unsigned number)
{
	return number < fault_requests(s) ? s->seen[number].body : "";
}

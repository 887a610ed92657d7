/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/call.h"
#include "base/clock.h"

#include <errno.h>

struct call *call_new(struct fs *f, void *request, struct node *node)
{
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fs = f;
	atomic_init(&c->request, request);
	atomic_init(&c->cancelled, false);
	c->store.cancel = &c->cancelled;
	c->since_ms = clock_mono_ms();
	fs_lock(f);
	c->node = node_pin(node);
	f->calls++;
	fs_unlock(f);
	return c;
}

void call_free(struct call *c)
{
	struct fs *f = c->fs;

	free(c->name);
	free(c->to);
	free(c->data);
	fs_lock(f);
	node_unpin(&f->nodes, c->node);
	node_unpin(&f->nodes, c->other);
	node_unpin(&f->nodes, c->source);
	node_unpin(&f->nodes, c->target);
	f->calls--;
	pthread_cond_broadcast(&f->changed);
	fs_unlock(f);
	free(c);
}

void *call_take(struct call *c)
{
	return atomic_exchange(&c->request, NULL);
}

static void stage(void *arg)
{
	struct call *c = arg;

	c->run(c);
}

static void start(struct call *c)
{
	if (pool_submit(c->pool, stage, c) == 0)
		return;
	log_msg(LOG_WARN, "mount", "no thread can be started; a request is served by the thread that took it");
	c->run(c);
}

void call_run(struct call *c, struct pool *pool, void (*run)(struct call *c))
{
	c->pool = pool;
	c->run = run;
	start(c);
}

void call_enter(struct call *c, struct node *node, struct pool *pool, void (*run)(struct call *c))
{
	struct fs *f = c->fs;
	bool wait;

	c->pool = pool;
	c->run = run;
	c->next = NULL;
	fs_lock(f);
	wait = node->busy;
	node->busy = true;
	if (wait) {
		*node->last = c;
		node->last = &c->next;
	}
	fs_unlock(f);
	if (!wait)
		start(c);
}

bool call_idle(const struct node *node)
{
	return !node->busy;
}

void call_leave(struct fs *f, struct node *node)
{
	struct call *next;

	fs_lock(f);
	next = node->first;
	if (next) {
		node->first = next->next;
		if (!node->first)
			node->last = &node->first;
	} else {
		node->busy = false;
		node_review(&f->nodes, node);
	}
	fs_unlock(f);
	if (next)
		start(next);
}

int edge_errno(int error)
{
	switch (error) {
	case EBADMSG: /* damaged */
	case ENODATA: /* the upload vanished */
	case ENODEV: /* no such bucket */
	case EHOSTUNREACH:
	case EPROTO:
	case EAGAIN: /* the store asks to slow down, for longer than we wait */
	case EREMOTEIO:
	case EILSEQ:
	case EINVAL: /* the store thinks we are wrong */
	case EOPNOTSUPP:
	case EPROTONOSUPPORT:
	case ENOTRECOVERABLE:
	case ENOBUFS:
		return EIO;
	case ENOKEY:
	case EKEYREJECTED:
		return EACCES;
	case ECANCELED:
		return EINTR;
	default:
		return error;
	}
}

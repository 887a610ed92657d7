/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/pages.h"

#include "base/clock.h"

#include <errno.h>

void pages_free(struct pages *p)
{
	free(p->token);
	free(p->last);
	p->token = p->last = NULL;
}

/* The keys of a page are in order. */
static int check(struct pages *p, const struct store_page *page, struct store_call *call)
{
	char *last;

	if (!page->count)
		return 0;
	if (p->last && strcmp(page->objects[0].key, p->last) <= 0)
		return store_fail(call, EBADMSG, p->prefix, "the listing goes in circles, or is not in order");
	last = strdup(page->objects[page->count - 1].key);
	if (!last)
		return store_fail(call, ENOMEM, p->prefix, "out of memory");
	free(p->last);
	p->last = last;
	return 0;
}

/* Whether what came so far is worth going on. */
static int worth_it(struct pages *p, struct store_call *call)
{
	int64_t allowed = (int64_t)p->v->config.meta_timeout_ms * (int64_t)(1 + p->found / PAGES_FOUND_EACH);

	if (!p->count++)
		return 0;
	p->idle = p->found == p->found_before ? p->idle + 1 : 0;
	p->found_before = p->found;
	if (p->idle >= PAGES_IDLE_MOST || p->count > PAGES_MOST)
		return store_fail(call, EBADMSG, p->prefix, "the listing does not come to an end: %u pages, the last %u without anything new", p->count - 1, p->idle);
	if (p->spent_ms > allowed)
		return store_fail(call, ETIMEDOUT, p->prefix, "the listing brought only %zu entries in %lld s", p->found, (long long)p->spent_ms / 1000);
	return 0;
}

int pages_next(struct pages *p, struct store_page *page, struct store_call *call)
{
	int64_t began = clock_mono_ms();
	int rc = worth_it(p, call);

	*page = (struct store_page){ 0 };
	if (!rc)
		rc = p->v->store->ops->list(p->v->store, p->prefix, p->delimiter, p->token, 0, page, call);
	if (rc)
		return rc;
	p->spent_ms += clock_mono_ms() - began;
	free(p->token);
	p->token = page->next;
	page->next = NULL;
	rc = check(p, page, call);
	if (rc)
		store_page_free(page);
	return rc;
}

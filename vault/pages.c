/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/pages.h"

#include <errno.h>

#define EMPTY_MAX 1000u /* pages in a row: servers skip removed keys by them */

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
		return ++p->empty > EMPTY_MAX ? store_fail(call, EBADMSG, p->prefix, "the listing does not come to an end") : 0;
	p->empty = 0;
	if (p->last && strcmp(page->objects[0].key, p->last) <= 0)
		return store_fail(call, EBADMSG, p->prefix, "the listing goes in circles, or is not in order");
	last = strdup(page->objects[page->count - 1].key);
	if (!last)
		return store_fail(call, ENOMEM, p->prefix, "out of memory");
	free(p->last);
	p->last = last;
	return 0;
}

int pages_next(struct pages *p, struct store_page *page, struct store_call *call)
{
	int rc;

	*page = (struct store_page){ 0 };
	rc = p->v->store->ops->list(p->v->store, p->prefix, p->delimiter, p->token, 0, page, call);
	if (rc)
		return rc;
	p->begun = true;
	free(p->token);
	p->token = page->next;
	page->next = NULL;
	rc = check(p, page, call);
	if (rc)
		store_page_free(page);
	return rc;
}

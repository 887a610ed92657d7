/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/vault_private.h"

/* A listing of many requests, a page at a time. A server that does not come to an end is not followed for ever: keys must ascend from page to page
 * (STORE-4), and pages without any may not go on and on. */
struct pages {
	struct vault *v;
	const char *prefix;  /* borrowed */
	char delimiter;      /* '/' or 0 */
	bool begun;
	char *token;         /* of the next page; NULL: before the first, or behind the last */
	char *last;          /* the highest key so far */
	unsigned empty;      /* pages without keys, in a row */
};

static inline bool pages_left(const struct pages *p)
{
	return !p->begun || p->token;
}

/* Fetches the next page, to be freed by store_page_free; call pages_left before. 0; EBADMSG: the server goes in circles; ENOMEM; or a store errno. Blocks. */
int pages_next(struct pages *p, struct store_page *page, struct store_call *call);
void pages_free(struct pages *p); /* at the end, and wherever one stops: AUTO(pages_free) */

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/vault_private.h"

/* A listing of many requests, a page at a time. A server that does not come to an end is not followed for ever: keys must ascend from page to page
 * (STORE-4), pages that bring nothing may not go on and on, and all requests together may take one metadata timeout, and one more for each PAGES_FOUND_EACH entries: a
 * large folder on a slow server takes as long as it takes. */
#define PAGES_FOUND_EACH 1000u /* what a page usually holds */
#define PAGES_IDLE_MOST 1000u  /* in a row: servers skip removed keys by empty pages */
#define PAGES_MOST 10000u

struct pages {
	struct vault *v;
	const char *prefix;  /* borrowed */
	char delimiter;      /* '/' or 0 */
	size_t found;        /* by the caller, after each page: how much of what it is looking for came so far */
	unsigned count;      /* pages asked for */
	char *token;         /* of the next page; NULL: before the first, or behind the last */
	char *last;          /* the highest key so far */
	size_t found_before; /* at the page before */
	unsigned idle;       /* pages without anything found, in a row */
	int64_t spent_ms;    /* in requests */
};

static inline bool pages_left(const struct pages *p)
{
	return !p->count || p->token;
}

/* Fetches the next page, to be freed by store_page_free; call pages_left before. 0; EBADMSG: the server goes in circles, or on and on; ETIMEDOUT; ENOMEM; or
 * a store errno. Blocks. */
int pages_next(struct pages *p, struct store_page *page, struct store_call *call);
void pages_free(struct pages *p); /* at the end, and wherever one stops: AUTO(pages_free) */

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/vault_private.h"

#include <stdatomic.h>

/* The checks of vault_open, one file each; for vault.c only. Each returns VAULT_OK, or says why not in the opening's error line. */
struct opening {
	struct vault *v;
	int64_t deadline; /* clock_mono_ms of the end of all of vault_open */
	char *error;      /* one line for people */
	size_t cap;
};

/* A call that ends at the deadline. */
struct store_call opening_call(const struct opening *open);
/* A failed request: the line names endpoint, bucket and key, the store's words, and what to do next. */
enum vault_failure opening_failed(struct opening *open, int rc, const struct store_call *call, const char *key, const char *doing);
/* The same for what was found out here: "STORE: KEY: text". */
enum vault_failure opening_refused(struct opening *open, enum vault_failure why, const char *key, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* "<prefix>/<name>", or name alone where the prefix is "". */
void opening_key(const struct opening *open, char out[PATH_CAP], const char *name);

/* layout.c: the marker of the prefix. Its first request is also the probe of endpoint, credentials and bucket. */
enum vault_failure layout_check(struct opening *open);
/* key_check.c: the key is the one that wrote here. */
enum vault_failure key_check(struct opening *open);
/* layout.c: the folder that the mount will show may be listed. Without that right, every name would be refused after a good start. */
enum vault_failure list_check(struct opening *open);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/vault_private.h"

/* The look at the store just before a batch of removals is sent. An unlink was answered up to 200 ms ago, and S3 has no removal under a condition:
 * what another mount wrote at that name meanwhile would go, too. */

struct removal_want {
	const char *key;
	const char *path;
	const char *etag; /* of what is to go; "": not known, then nothing is looked at */
	bool replaced;    /* out: another object stands there */
	int error;        /* in: not 0: not looked at. out: why the store could not be asked */
};

/* For each folder one listing up to the last of its keys, or a HEAD a key where they are few. A key where nothing stands any more is not `replaced`.
 * Blocks; threads: any. Between the look and the removal some milliseconds stay. */
void removal_check(struct vault *v, struct removal_want *wants, size_t count);

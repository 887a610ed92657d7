/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "s3/store.h"

#include <pthread.h>

/* What the implementations of struct store share; nobody outside s3/ includes this. */

#define STORE_MD5_BYTES 16

extern const struct store_limits store_limits_s3; /* what every S3 server takes */

/* Begins a call: no error, no date. call may be NULL. */
void store_call_reset(struct store_call *call);
bool store_cancelled(const struct store_call *call);
/* Whether end_ms of a store has come. */
bool store_ended(const _Atomic int64_t *end_ms);
/* Why a call may not begin, or not go on: 0; ECANCELED; ESHUTDOWN; told in call->err (call may be NULL). */
int store_over(const struct store *s, struct store_call *call, const char *key);

/* Bytes [*begin, *begin + *length) that a get of this range reads out of an object of size bytes, into room bytes.
 * 0; EINVAL: begins after the end; EBADMSG: more than room. An empty object gives 0 bytes for any range that begins at its start. */
int store_range_resolve(uint64_t size, struct store_range range, size_t room, uint64_t *begin, size_t *length);
/* Decides a condition (NULL: none). there: ETag of what stands at the key, NULL: nothing. 0, ESTALE, EINVAL (both conditions). */
int store_cond_check(const struct store_cond *cond, const char *there);
/* MD5 over all of iov: 0, or EIO where the library has no MD5. */
int store_md5(const struct iovec *iov, int iovcnt, uint8_t out[STORE_MD5_BYTES]);
/* Appends to a page that began zeroed; object->key is copied. 0 or ENOMEM. */
int store_page_add(struct store_page *page, const struct store_object *object);
/* The same for versions and rules; version->key is copied. */
int store_versions_add(struct store_versions *versions, const struct store_version *version);
int store_rules_add(struct store_rules *rules, const struct store_rule *rule);
/* A token of versions: key and version id of the last entry seen; id may be "". Sets versions->next: 0 or ENOMEM. The parser fills id and
 * points *key into token: 0 or EINVAL. */
int store_versions_set_next(struct store_versions *versions, const char *key, const char *id);
int store_versions_token(const char *token, char id[STORE_VERSION_MAX], const char **key);
/* The token of the page after this one, made from its last entry: 0 or ENOMEM. store_token_parse gives back the key of that entry
 * (pointing into token) and whether it was a common prefix: 0 or EINVAL. */
int store_page_set_next(struct store_page *page);
int store_token_parse(const char *token, const char **after, bool *is_prefix);

/* Scoped lock: STORE_LOCKED(&x->lock); holds it until the end of the block. */
static inline pthread_mutex_t *store_lock(pthread_mutex_t *mutex)
{
	pthread_mutex_lock(mutex);
	return mutex;
}

static inline void store_unlock(pthread_mutex_t **mutex)
{
	pthread_mutex_unlock(*mutex);
}

#define STORE_LOCKED(mutex) AUTO(store_unlock) pthread_mutex_t *locked_until_end __attribute__((unused)) = store_lock(mutex)

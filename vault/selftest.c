/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/run_private.h"

#include "base/log.h"

#include <errno.h>

/* A store that ignores If-Match lets a stale mount put old bytes over new ones, and says "done". Some do, and some proxies drop the
 * headers; so it is tried, with the record, before anything relies on it. */

enum verdict { HONOURED, IGNORED, UNSUPPORTED, FORBIDDEN };

static int try_condition(struct vault *v, const char *key, const struct buf *json, const char *if_match, char etag[STORE_ETAG_MAX], enum verdict *out)
{
	struct store_call call = { .timeout_ms = v->config.meta_timeout_ms };
	int rc = run_put(v, key, json, if_match, etag, &call);

	switch (rc) {
	case 0:
		*out = IGNORED;
		return 0;
	case ESTALE:
		*out = HONOURED;
		return 0;
	case EACCES:
		*out = FORBIDDEN;
		return 0;
	case EOPNOTSUPP: /* 501 */
	case EINVAL:     /* 400: the same put without the condition was taken */
		*out = UNSUPPORTED;
		return 0;
	default:
		return rc;
	}
}

/* What the operator must know, once. */
static void conclude(struct vault *v, const char *condition, enum verdict verdict)
{
	if (verdict == HONOURED)
		return;
	if (verdict == FORBIDDEN) {
		log_msg(LOG_INFO, "store", "%s: whether it honours %s is unknown, as this identity may not overwrite its own record (403)", v->store->name,
			condition);
		return;
	}
	v->store->conditional = false;
	log_msg(LOG_WARN, "store",
		"%s %s conditional writes (%s): every commit looks with HEAD just before it instead, and two mounts that write one path in the same moment "
		"can overwrite each other",
		v->store->name, verdict == IGNORED ? "ignores" : "does not support", condition);
}

int run_selftest(struct vault *v, const char *key, const struct buf *json, char etag[STORE_ETAG_MAX])
{
	enum verdict verdict;
	int rc = try_condition(v, key, json, NULL, etag, &verdict);

	if (rc)
		return rc;
	conclude(v, "If-None-Match", verdict);
	if (!v->store->conditional)
		return 0;

	rc = try_condition(v, key, json, "00000000000000000000000000000000", etag, &verdict);
	if (rc)
		return rc;
	conclude(v, "If-Match", verdict);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/run_private.h"

#include "vault/object.h"

#include <errno.h>

/* Writers' records as objects in the bucket. */

int run_put(struct vault *v, const char *key, const struct buf *json, const char *if_match, char etag[STORE_ETAG_MAX], struct store_call *call)
{
	struct store_cond cond = { .if_none_match = !if_match };
	AUTO(auto_object_unref) struct object *put = NULL;
	struct object_place place;
	struct trailer attrs;

	if (if_match && copy_text(cond.if_match, sizeof(cond.if_match), if_match))
		return EINVAL;
	trailer_fresh(v, &attrs, ENTRY_RECORD, STATE_CLOSED, 0600, 0, 0);

	int rc = object_put_small(v, key, json->data, json->len, &attrs, &cond, &put, call);

	if (rc)
		return rc == EEXIST ? ESTALE : rc;
	object_place(put, &place);
	memcpy(etag, place.etag, sizeof(place.etag));
	return 0;
}

static int read_json(struct vault *v, struct object *o, struct run_record *out)
{
	uint64_t size = object_size(o);
	size_t got;
	int rc;

	if (size > RUN_JSON_MAX)
		return EBADMSG;

	AUTO_FREE uint8_t *json = malloc(size + 1);

	if (!json)
		return ENOMEM;
	rc = object_read(v, o, 0, size, json, &got);
	if (!rc && got != size)
		rc = EBADMSG;
	return rc ? rc : run_record_decode(json, size, out);
}

int run_get(struct vault *v, const char *key, struct run_record *out, char etag[STORE_ETAG_MAX], struct store_call *call)
{
	AUTO(auto_object_unref) struct object *o = NULL;
	struct object_place place;
	struct trailer attrs;
	int rc = object_load(v, key, 0, &o, call);

	if (rc)
		return rc;
	if (object_foreign(o))
		return EBADMSG;
	object_attrs(o, &attrs);
	object_place(o, &place);
	memcpy(etag, place.etag, sizeof(place.etag));
	return attrs.type == ENTRY_RECORD ? read_json(v, o, out) : EBADMSG;
}

int run_remove(struct vault *v, const char *key, struct store_call *call)
{
	int result;

	return v->store->ops->remove(v->store, &key, 1, &result, call);
}

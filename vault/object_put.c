/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/object_private.h"
#include "vault/record.h"
#include "vault/run.h"
#include "vault/tree.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rand.h"

#include <errno.h>
#include <stdio.h>

#define SMALL_MAX (1u << 20) /* plain bytes of a one-shot object that is no record */

void trailer_fresh(struct vault *v, struct trailer *t, enum entry_type type, enum trailer_state state, uint32_t mode, uint32_t uid, uint32_t gid)
{
	*t = (struct trailer){ .type = (uint8_t)type, .state = (uint8_t)state, .mode = mode & 07777, .uid = uid, .gid = gid };
	t->mtime = t->committed = clock_wall();
	rand_bytes(t->commit_id, sizeof(t->commit_id));
	memcpy(t->writer_id, v->writer_id, sizeof(t->writer_id));
}

int key_may_publish(struct vault *v, const char *key)
{
	size_t skip = strlen(v->rules.prefix);
	const char *path = key + skip + (skip ? 1 : 0);
	char tenant[PATH_CAP];
	struct run *run;

	if (v->config.read_only)
		return EROFS;
	if (strncmp(path, ".pishop/", 8) == 0)
		return 0;
	path_tenant(tenant, path);

	int rc = run_of(v, tenant, &run);

	return rc ? rc : run_may_publish(run);
}

static int stands_as_wanted(struct vault *v, const char *key, const struct store_cond *want, struct store_call *call)
{
	struct store_meta meta;
	int rc = v->store->ops->head(v->store, key, &meta, call);

	if (rc == ENOENT)
		return want->if_none_match ? 0 : ESTALE;
	if (rc)
		return rc;
	return !want->if_none_match && strcmp(meta.etag, want->if_match) == 0 ? 0 : ESTALE;
}

int condition_prepare(struct vault *v, const char *key, const struct store_cond *want, bool by_head, struct store_cond *send, struct store_call *call)
{
	*send = (struct store_cond){ 0 };
	if (!want || (!want->if_none_match && !want->if_match[0]))
		return 0;
	if (by_head || !v->store->conditional)
		return stands_as_wanted(v, key, want, call);
	*send = *want;
	return 0;
}

/* Whether a write that answered rc may have been done all the same. */
static bool uncertain(int rc, const struct store_call *call)
{
	/* Where a layer below did not say so: these are the errors of replies that were lost or cannot be read. */
	return call->err.ambiguous || rc == ETIMEDOUT || rc == EREMOTEIO || rc == EBADMSG || rc == ECANCELED;
}

/* Servers that take no user metadata give none back; the trailer has the commit id too. */
static int resolve_by_trailer(struct vault *v, const char *key, const uint8_t commit_id[16])
{
	AUTO(auto_object_unref) struct object *o = NULL;
	struct trailer t;
	int rc = object_load(v, key, 0, &o, NULL);

	if (rc == ENOKEY || rc == EBADMSG || rc == EPROTONOSUPPORT || (!rc && o->foreign))
		return ESTALE;
	if (rc)
		return rc;
	object_attrs(o, &t);
	return memcmp(t.commit_id, commit_id, sizeof(t.commit_id)) == 0 ? 0 : ESTALE;
}

int object_resolve(struct vault *v, const char *key, const uint8_t commit_id[16], uint64_t length, struct store_meta *meta)
{
	struct store_call call = { .timeout_ms = v->config.meta_timeout_ms };
	char hex[STORE_COMMIT_HEX];
	int rc = v->store->ops->head(v->store, key, meta, &call);

	if (rc == ENOENT)
		return ENOENT;
	if (rc) {
		log_store("object", key, "the reply to a write was lost, and what stands there cannot be asked", &call, rc);
		return rc;
	}
	hex_encode(hex, commit_id, 16);
	if (meta->commit[0] == '\0' && meta->size == length)
		return resolve_by_trailer(v, key, commit_id);
	if (strcmp(meta->commit, hex) != 0)
		return ESTALE;
	if (meta->size == length)
		return 0;
	log_path(LOG_ERROR, "object", key, "the store kept %llu of the %llu bytes that were sent; it is damaged",
		 (unsigned long long)meta->size, (unsigned long long)length);
	return EBADMSG;
}

int write_truth(struct vault *v, const char *key, const uint8_t commit_id[16], uint64_t length, int rc, const struct store_call *call,
		struct store_meta *meta)
{
	if (rc == 0 && meta->etag[0])
		return 0;

	int now = rc && !uncertain(rc, call) ? rc : object_resolve(v, key, commit_id, length, meta);

	if (now == 0 || now == EBADMSG)
		return now;
	if (rc == ENOENT)
		return ESTALE; /* If-Match where nothing stands */
	return rc ? rc : EIO;  /* the store said that it is done, and it is not */
}

int object_put_bytes(struct vault *v, const char *key, const struct iovec *iov, int iovcnt, const uint8_t commit_id[16], const struct store_cond *cond,
		     struct store_meta *meta, struct store_call *call)
{
	char hex[STORE_COMMIT_HEX];
	int rc = EOPNOTSUPP;

	hex_encode(hex, commit_id, 16);
	for (int by_head = 0; by_head < 2 && rc == EOPNOTSUPP; by_head++) {
		struct store_cond send;

		rc = condition_prepare(v, key, cond, by_head, &send, call);
		if (rc)
			return rc; /* nothing was written */
		rc = v->store->ops->put(v->store, key, iov, iovcnt, hex, &send, meta, call);
	}
	rc = write_truth(v, key, commit_id, store_iov_bytes(iov, iovcnt), rc, call, meta);
	if (!rc)
		vault_progress(v);
	return rc;
}

/* header, records and trailer of len plain bytes, into a new buffer of object_length(len) bytes. These are small records, not file data, and so do not
 * come out of the slabs. */
static int build(struct vault *v, const struct object_key *keys, const struct trailer *t, const uint8_t *data, size_t len, uint8_t **out)
{
	AUTO_FREE uint8_t *bytes = malloc(object_length(len));
	uint64_t chunks = chunk_count(len);

	if (!bytes)
		return ENOMEM;

	int rc = header_make(v->keys, keys, bytes);

	for (uint64_t k = 0; k < chunks && !rc; k++) {
		uint32_t n = chunk_plain_len(len, k);
		uint8_t *record = bytes + chunk_offset(k);

		if (n)
			memcpy(record + 12, data + k * CHUNK_BYTES, n);
		rc = chunk_seal(keys, k, k + 1 == chunks ? CHUNK_LAST : CHUNK_INNER, record, record + 12, n, record + 12 + n);
	}
	if (!rc)
		rc = trailer_seal(keys, t, bytes + trailer_offset(len));
	if (rc)
		return rc;
	*out = bytes;
	bytes = NULL;
	return 0;
}

/* Draws keys, builds, puts. Not logged. */
static int put_new(struct vault *v, const char *key, const void *data, const struct trailer *t, const struct store_cond *cond, struct object **out,
		   struct store_call *call)
{
	struct object_key keys;
	struct store_meta meta;
	AUTO_FREE uint8_t *bytes = NULL;
	int rc = object_key_new(&keys);

	if (!rc)
		rc = build(v, &keys, t, data, t->size, &bytes);
	if (rc)
		store_fail(call, rc, key, "cannot build the object");
	else
		rc = object_put_bytes(v, key, &(struct iovec){ bytes, object_length(t->size) }, 1, t->commit_id, cond, &meta, call);
	if (!rc && out) {
		*out = object_made(v, key, &keys, t, &meta);
		rc = *out ? 0 : store_fail(call, ENOMEM, key, "out of memory");
	}
	object_key_wipe(&keys);
	return rc;
}

int object_put_small(struct vault *v, const char *key, const void *data, size_t len, const struct trailer *attrs, const struct store_cond *cond,
		     struct object **out, struct store_call *user)
{
	struct store_call call = call_like(user, len > SMALL_MAX ? 0 : v->config.meta_timeout_ms); /* long ones: as long as they make progress */
	struct trailer t = *attrs;
	struct store_cond want = cond ? *cond : (struct store_cond){ 0 };
	int rc = len > (t.type == ENTRY_RECORD ? RECORD_MAX : SMALL_MAX) ? EFBIG : key_may_publish(v, key);

	if (!rc)
		rc = tree_claim_cond(v, key, &want);
	if (rc)
		return rc;
	t.size = len;
	t.committed = clock_wall();
	rand_bytes(t.commit_id, sizeof(t.commit_id)); /* one id a commit, or a lost reply of the second could be taken for the first */
	rc = put_new(v, key, data, &t, &want, out, &call);
	if (user) {
		user->err = call.err;
		user->server_date = call.server_date;
	}
	if (rc == ESTALE)
		return cond && cond->if_none_match ? EEXIST : ESTALE;
	if (rc && rc != ECANCELED)
		log_store("object", key, "cannot write it", &call, rc);
	return rc;
}

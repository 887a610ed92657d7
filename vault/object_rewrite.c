/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/object_private.h"
#include "vault/tree.h"
#include "vault/upload.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rand.h"

#include <errno.h>

/* The same content at another key, or with other attributes. Ways, of which the first that can be gone is taken:
 *   copy     attributes unchanged, and not over the largest copy: one request
 *   whole    up to one part: read and put, header and records verbatim, with a new trailer. What was read is checked first: a bit flipped on
 *            the way would otherwise replace a good object by a damaged one
 *   parts    the store copies all but the trailer into an upload, whose last part is a new trailer
 *   copy, having looked at the destination just before: for stores whose copy takes no condition, and who have no part copy
 *   stream   the same by reading and sending, for stores without part copy: the records are then encrypted anew, under the same keys
 *
 * LOCKS. Memory (the commit token) is taken before object.rewriting, never while it is held: who has the token may wait for a rewrite, in
 * records.c. */

#define SCRATCH 1u /* slab in which a record is opened to check it */
#define READ_SLABS 17u /* up to so many are borrowed from the readers' side, without the commit token */

struct rewrite {
	struct vault *v;
	struct object *o;
	const char *to;
	bool own;                  /* to is o's own key */
	bool attrs_given;
	struct trailer t;          /* as it will be */
	struct store_cond cond;    /* on what stands at to; own: filled in with the lock held */
	struct object_place from;  /* with the lock held */
	struct store_meta meta;    /* out */
	struct store_call call;
	struct slab **slabs;       /* memory for one part, or for the whole object */
	unsigned count;
	bool token;
	bool told;                 /* the reason of the failure was logged */
};

/* ---- memory */

static void memory_give(struct rewrite *r)
{
	while (r->count)
		slab_give(r->v->slabs, r->slabs[--r->count]);
	free(r->slabs);
	r->slabs = NULL;
	if (r->token)
		slab_commit_unlock(r->v->slabs);
	r->token = false;
}

static int wait_for_token(struct vault *v)
{
	int64_t since = clock_mono_ms();

	for (;;) {
		int rc = slab_commit_lock(v->slabs, clock_mono_ms() + 1000);
		int64_t progress = vault_last_progress(v);

		if (rc != ETIMEDOUT || clock_mono_ms() - (progress > since ? progress : since) > v->config.data_timeout_ms)
			return rc;
	}
}

static bool take_slabs(struct rewrite *r, unsigned wanted, bool token)
{
	while (r->count < wanted) {
		struct slab *slab = token ? slab_take(r->v->slabs, SLAB_COMMIT) : object_cache_slab(r->v);

		if (!slab)
			return false;
		r->slabs[r->count++] = slab;
	}
	return true;
}

/* Few slabs from the readers' side, where it has them; else those of the commit side. ENOBUFS: not even that is enough. */
static int memory_take(struct rewrite *r, unsigned wanted)
{
	r->slabs = calloc((size_t)wanted + 1, sizeof(struct slab *));
	if (!r->slabs)
		return ENOMEM;
	if (wanted <= READ_SLABS && take_slabs(r, wanted, false))
		return 0;
	while (r->count)
		slab_give(r->v->slabs, r->slabs[--r->count]);

	int rc = wait_for_token(r->v);

	if (rc)
		return rc;
	r->token = true;
	return take_slabs(r, wanted, true) ? 0 : ENOBUFS;
}

/* ---- one copy inside the store */

static int copy_once(struct rewrite *r, bool by_head)
{
	struct store *s = r->v->store;
	struct store_cond send;
	char commit[STORE_COMMIT_HEX];
	int rc = condition_prepare(r->v, r->to, &r->cond, by_head, &send, &r->call);

	if (rc)
		return rc;
	hex_encode(commit, r->t.commit_id, sizeof(r->t.commit_id));
	rc = s->ops->copy(s, r->from.key, r->from.etag, r->to, commit, &send, &r->meta, &r->call);
	return write_truth(r->v, r->to, r->t.commit_id, r->from.length, rc, &r->call, &r->meta);
}

static int way_copy(struct rewrite *r)
{
	return copy_once(r, false);
}

static int way_copy_by_head(struct rewrite *r)
{
	return copy_once(r, true);
}

/* ---- read and put */

static struct record *records_in(struct rewrite *r, unsigned count, uint8_t *nowhere)
{
	struct record *records = calloc(count, sizeof(*records));

	for (unsigned i = 0; records && i < count; i++)
		records[i].data = r->count ? r->slabs[i]->data : nowhere;
	return records;
}

/* Fetches records as they are. */
static int fetch(struct rewrite *r, uint64_t first, struct record *records, unsigned count, uint8_t *header)
{
	int rc = records_fetch_at(r->v, &r->from, r->o->size, first, records, count, header, &r->call);

	if (rc && rc != ESTALE && rc != ENOENT) {
		log_store("object", r->from.key, "cannot read it, to copy it or change its attributes", &r->call, rc);
		r->told = true;
	}
	return rc;
}

/* What is damaged stays where it is, as it is. */
static void tell(struct rewrite *r, bool header, uint64_t chunk, bool again)
{
	if (!header)
		tell_damage(r->o, chunk, again);
	else if (again)
		log_path(LOG_ERROR, "object", r->from.key, "damaged: its header is not as it was written; it cannot be moved or changed");
	r->told = true;
}

/* Opens a copy of each record, so that the ciphertext stays as it is. */
static int check_records(struct rewrite *r, const struct record *records, unsigned count, uint64_t *bad)
{
	uint8_t nothing[1];
	uint8_t *scratch = r->count ? r->slabs[r->count - SCRATCH]->data : nothing;

	for (unsigned i = 0; i < count; i++) {
		const struct record *record = &records[i];
		int rc;

		if (record->len)
			memcpy(scratch, record->data, record->len);
		rc = chunk_open(&r->o->keys, i, i + 1 == count ? CHUNK_LAST : CHUNK_INNER, record->nonce, scratch, record->len, record->tag);
		*bad = i;
		if (rc)
			return rc;
	}
	return 0;
}

static int check_header(struct rewrite *r, const uint8_t header[HEADER_BYTES])
{
	struct object_key keys;
	uint8_t id[KEY_ID];
	enum header_verdict verdict = header_open(r->v->keys, header, &keys, id);
	bool same = verdict == HEADER_OK && memcmp(keys.id, r->o->keys.id, OBJECT_ID) == 0;

	if (verdict == HEADER_OK)
		object_key_wipe(&keys);
	if (verdict == HEADER_FAILED)
		return EIO; /* could not look: no word about the object */
	return same ? 0 : EBADMSG;
}

/* Reads everything but the trailer, and checks it; what came damaged is asked for once more. */
static int read_checked(struct rewrite *r, struct record *records, unsigned count, uint8_t header[HEADER_BYTES])
{
	int rc = EBADMSG;

	for (int again = 0; again < 2 && rc == EBADMSG; again++) {
		uint64_t bad = 0;
		bool header_bad;

		rc = fetch(r, 0, records, count, header);
		if (rc)
			return rc;
		rc = check_header(r, header);
		header_bad = rc;
		if (!rc)
			rc = check_records(r, records, count, &bad);
		if (rc == EBADMSG)
			tell(r, header_bad, bad, again);
	}
	return rc;
}

static int way_whole(struct rewrite *r)
{
	unsigned count = (unsigned)chunk_count(r->o->size);
	uint8_t header[HEADER_BYTES], trailer[TRAILER_BYTES], nowhere[1];
	AUTO_FREE struct record *records = records_in(r, count, nowhere);

	if (!records)
		return ENOMEM;

	int rc = read_checked(r, records, count, header);

	if (!rc)
		rc = trailer_seal(&r->o->keys, &r->t, trailer);
	if (rc)
		return rc;

	int entries;
	AUTO_FREE struct iovec *iov = records_lay_out(r->o->size, 0, records, count, header, &entries);

	if (!iov)
		return ENOMEM;
	iov[entries++] = (struct iovec){ trailer, sizeof(trailer) };
	return object_put_bytes(r->v, r->to, iov, entries, r->t.commit_id, &r->cond, &r->meta, &r->call);
}

/* ---- an upload */

DEFINE_AUTO(upload, upload_free)

/* Completes; where the store takes no condition there, it is decided by a look just before. */
static int complete(struct rewrite *r, struct upload *u)
{
	struct store_cond none = { 0 };
	int rc = upload_complete(u, r->o->size, &r->cond, NULL, NULL, &r->meta);

	if (rc != EOPNOTSUPP)
		return rc;
	rc = condition_prepare(r->v, r->to, &r->cond, true, &none, &r->call);
	return rc ? rc : upload_complete(u, r->o->size, &none, NULL, NULL, &r->meta);
}

/* send: makes all the parts of a begun upload. */
static int by_upload(struct rewrite *r, int (*send)(struct rewrite *r, struct upload *u, const struct object_end *end))
{
	size_t skip = strlen(r->v->rules.prefix);
	AUTO(auto_upload_free) struct upload *u = NULL;
	int rc = upload_new(r->v, r->to + skip + (skip ? 1 : 0), &r->o->keys, &u);

	if (rc)
		return rc;
	memcpy(r->t.commit_id, upload_commit_id(u), sizeof(r->t.commit_id));
	rc = upload_begin(u);
	if (rc)
		return rc;
	rc = send(r, u, &(struct object_end){ r->o->size, &r->t });
	if (!rc)
		rc = complete(r, u);
	if (rc)
		upload_abort(u);
	return rc;
}

static int send_copies(struct rewrite *r, struct upload *u, const struct object_end *end)
{
	uint32_t copied;
	int rc = upload_carry(u, r->o, r->from.length - TRAILER_BYTES, &copied);

	return rc ? rc : upload_send(u, copied + 1, chunk_count(r->o->size), NULL, 0, end);
}

static int way_parts(struct rewrite *r)
{
	return by_upload(r, send_copies);
}

/* Chunks, decrypted, into the slabs from number at on. */
static int read_plain(struct rewrite *r, uint64_t first, unsigned at, unsigned count)
{
	AUTO_FREE struct record *records = calloc(count, sizeof(*records));
	int rc = records ? EBADMSG : ENOMEM;

	for (int again = 0; again < 2 && rc == EBADMSG; again++) {
		uint64_t bad = 0;

		for (unsigned i = 0; i < count; i++)
			records[i].data = r->slabs[at + i]->data;
		rc = fetch(r, first, records, count, NULL);
		if (rc)
			return rc;
		rc = records_open(r->o, first, records, count, &bad);
		if (rc == EBADMSG)
			tell(r, false, bad, again);
	}
	return rc;
}

static int send_contents(struct rewrite *r, struct upload *u, const struct object_end *end)
{
	uint64_t chunks = chunk_count(r->o->size);
	uint32_t number = 0;
	int rc = (chunks + r->count - 1) / r->count > r->v->store->limits.parts_max ? EFBIG : 0;

	for (uint64_t first = 0; first < chunks && !rc;) {
		unsigned count = (unsigned)min_u64(chunks - first, r->count);

		for (unsigned at = 0; at < count && !rc; at += RECORDS_MAX)
			rc = read_plain(r, first + at, at, (unsigned)min_size(count - at, RECORDS_MAX));
		if (!rc)
			rc = upload_send(u, ++number, first, r->slabs, count, first + count == chunks ? end : NULL);
		first += count;
	}
	return rc;
}

static int way_stream(struct rewrite *r)
{
	return by_upload(r, send_contents);
}

/* ---- which way */

/* Goes one way with the object locked, and says where it stands afterwards. */
static int go(struct rewrite *r, int (*way)(struct rewrite *r))
{
	pthread_mutex_lock(&r->o->rewriting);
	object_place(r->o, &r->from);
	if (r->own)
		copy_text(r->cond.if_match, sizeof(r->cond.if_match), r->from.etag);

	int rc = r->own && strcmp(r->to, r->from.key) != 0 ? ESTALE : way(r); /* somebody moved it meanwhile */

	if (!rc) {
		r->meta.size = r->from.length;
		object_set_place(r->o, r->to, &r->meta, way == way_copy || way == way_copy_by_head ? NULL : &r->t);
	}
	pthread_mutex_unlock(&r->o->rewriting);
	return rc;
}

static int go_with_memory(struct rewrite *r, unsigned slabs, int (*way)(struct rewrite *r))
{
	int rc = memory_take(r, slabs);

	if (!rc)
		rc = go(r, way);
	memory_give(r);
	return rc;
}

static bool not_that_way(int rc)
{
	return rc == EOPNOTSUPP || rc == ENOBUFS;
}

static int choose(struct rewrite *r)
{
	const struct store_limits *limits = &r->v->store->limits;
	const struct object *o = r->o;
	uint64_t length = o->foreign ? o->size : object_length(o->size);
	unsigned part = r->v->config.part_bytes / CHUNK_BYTES;
	bool may_copy = !r->attrs_given && length <= limits->copy_max;
	int rc = EOPNOTSUPP;

	if (may_copy)
		rc = go(r, way_copy);
	if (o->foreign)
		return rc == EOPNOTSUPP && may_copy ? go(r, way_copy_by_head) : rc;
	if (not_that_way(rc) && o->size <= r->v->config.part_bytes)
		rc = go_with_memory(r, o->size ? (unsigned)chunk_count(o->size) + SCRATCH : 0, way_whole);
	if (not_that_way(rc) && length - TRAILER_BYTES >= limits->part_min)
		rc = go(r, way_parts);
	if (not_that_way(rc) && may_copy)
		rc = go(r, way_copy_by_head);
	if (not_that_way(rc) && o->size > r->v->config.part_bytes)
		rc = go_with_memory(r, part, way_stream);
	return rc == ENOBUFS ? ENOMEM : rc;
}

static void prepare_trailer(struct rewrite *r, const struct trailer *attrs)
{
	struct trailer old;

	object_attrs(r->o, &old);
	r->t = attrs ? *attrs : old;
	r->t.type = old.type;
	r->t.size = r->o->size;
	r->t.committed = old.committed; /* of the content: a chmod or rename makes no backup younger */
	memcpy(r->t.writer_id, r->v->writer_id, sizeof(r->t.writer_id));
	rand_bytes(r->t.commit_id, sizeof(r->t.commit_id));
}

int object_rewrite(struct vault *v, struct object *o, const char *to, const struct trailer *attrs, const struct store_cond *cond)
{
	struct rewrite r = { .v = v, .o = o, .attrs_given = attrs };
	struct object_place now;
	char key[PATH_CAP]; /* to may point into what changes */
	int rc = copy_text(key, sizeof(key), to) ? ENAMETOOLONG : key_may_publish(v, key);

	if (rc)
		return rc;
	if (o->foreign && attrs)
		return EPERM;
	object_place(o, &now);
	r.to = key;
	r.own = !cond && strcmp(key, now.key) == 0;
	if (r.own && !attrs)
		return 0;
	if (r.own && tree_removal_waits(v, key))
		return ESTALE; /* it is as good as removed: writing would bring it back */
	if (cond)
		r.cond = *cond;
	prepare_trailer(&r, attrs);
	rc = r.own ? 0 : tree_claim_cond(v, key, &r.cond);
	if (!rc)
		rc = choose(&r);
	if (rc == ENOENT) /* the source is gone, or If-Match found nothing */
		rc = ESTALE;
	if (rc && rc != ESTALE && !r.told)
		log_store("object", now.key, "cannot copy it or change its attributes", &r.call, rc);
	return rc;
}

int object_move(struct vault *v, struct object *o, const char *path, const char *to, const struct trailer *attrs, const struct store_cond *cond)
{
	struct object_place old;
	struct trailer was;
	int rc;

	object_place(o, &old);
	object_attrs(o, &was);
	rc = object_rewrite(v, o, to, attrs, cond);
	if (rc)
		return rc;
	rc = tree_remove_now(v, path, false, old.etag);
	if (rc) {
		struct store_meta meta = { .size = old.length };

		memcpy(meta.etag, old.etag, sizeof(meta.etag));
		object_set_place(o, old.key, &meta, &was);
	}
	return rc;
}

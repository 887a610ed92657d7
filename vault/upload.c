/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/upload.h"

#include "base/clock.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/rand.h"
#include "vault/run.h"
#include "vault/tree.h"
#include "vault/vault_private.h"

#include <errno.h>

enum { PARTS_OF_ONE_SIZE = 1000, PART_TRIES_TO_ABORT = 5 };

struct part_plan part_plan_of(struct vault *v)
{
	struct slab_stats stats;
	uint32_t chunks = v->config.part_bytes / CHUNK_BYTES;

	slabs_stats(v->slabs, &stats);

	/* A part that grows must still leave room for others: a quarter of what writers may hold, and what the store takes. */
	uint32_t writers = stats.total - stats.floor[SLAB_READ] - stats.floor[SLAB_COMMIT];
	uint64_t store_cap = (min_u64(v->store->limits.part_max, v->store->limits.put_max) - OBJECT_EXTRA) / RECORD_BYTES;
	uint32_t cap = (uint32_t)min_u64(store_cap, max_size(chunks, writers / 4));

	return (struct part_plan){ .chunks = chunks, .cap = (uint32_t)min_u64(cap, 8ull * chunks), .parts_max = v->store->limits.parts_max };
}

uint32_t part_chunks(const struct part_plan *p, uint32_t number)
{
	uint32_t steps = (number - 1) / PARTS_OF_ONE_SIZE;
	uint32_t chunks = p->chunks;

	while (steps-- && chunks < p->cap)
		chunks *= 2;
	return chunks < p->cap ? chunks : p->cap;
}

uint64_t part_plan_largest(struct vault *v, const struct part_plan *p)
{
	uint64_t chunks = 0;

	for (uint32_t first = 1; first <= p->parts_max; first += PARTS_OF_ONE_SIZE) {
		uint32_t last = p->parts_max - first + 1 < PARTS_OF_ONE_SIZE ? p->parts_max - first + 1 : PARTS_OF_ONE_SIZE;

		chunks += (uint64_t)last * part_chunks(p, first);
	}
	return min_u64(chunks, (v->store->limits.object_max - OBJECT_EXTRA) / RECORD_BYTES) * CHUNK_BYTES;
}

/* Sealed chunks as the list of pieces that a request sends. */
struct body {
	struct iovec *iov;
	int count;
	uint8_t header[HEADER_BYTES], trailer[TRAILER_BYTES];
};

static void auto_body(struct body *b)
{
	free(b->iov);
}

static void body_add(struct body *b, void *data, size_t len)
{
	if (len)
		b->iov[b->count++] = (struct iovec){ data, len };
}

/* Encrypts in place and lists; the first chunk's number is `first`. */
static int body_make(struct body *b, struct vault *v, const struct object_key *key, uint64_t first, struct slab *const *slabs, uint32_t count,
		     const struct object_end *end)
{
	int rc = 0;

	b->count = 0;
	b->iov = calloc(3u * count + 2, sizeof(*b->iov));
	if (!b->iov)
		return ENOMEM;
	if (first == 0) {
		rc = header_make(v->keys, key, b->header);
		body_add(b, b->header, sizeof(b->header));
	}
	for (uint32_t i = 0; i < count && !rc; i++) {
		uint64_t k = first + i;
		bool last = end && k + 1 == chunk_count(end->size);
		size_t len = end ? chunk_plain_len(end->size, k) : CHUNK_BYTES;
		struct slab *s = slabs[i];

		rc = chunk_seal(key, k, last ? CHUNK_LAST : CHUNK_INNER, s->nonce, s->data, len, s->tag);
		body_add(b, s->nonce, sizeof(s->nonce));
		body_add(b, s->data, len);
		body_add(b, s->tag, sizeof(s->tag));
	}
	if (end && !rc) {
		rc = trailer_seal(key, end->trailer, b->trailer);
		body_add(b, b->trailer, sizeof(b->trailer));
	}
	return rc;
}

/* Where the server ignores conditions, a look just before is the best there is. */
static int look_before(struct vault *v, const char *key, const struct store_cond *cond)
{
	struct store_meta there;

	if (!cond || v->store->conditional || (!cond->if_none_match && !cond->if_match[0]))
		return 0;

	int rc = v->store->ops->head(v->store, key, &there, NULL);

	if (rc == ENOENT)
		return cond->if_none_match ? 0 : ESTALE;
	if (rc)
		return rc;
	return !cond->if_none_match && strcmp(there.etag, cond->if_match) == 0 ? 0 : ESTALE;
}

/* Whether an answer leaves open who stands at the key now. */
static bool uncertain(int rc, const struct store_call *call)
{
	return rc == ESTALE || rc == ENODATA || rc == ENOENT || rc == EBADMSG || rc == ETIMEDOUT || call->err.ambiguous;
}

/* One answer from the three that can come: ours stands there, another's (or nothing) does, or nobody knows. */
static int settle(struct vault *v, const char *key, const uint8_t commit_id[16], uint64_t length, int rc, const struct store_call *call,
		  struct store_meta *meta)
{
	char why[512];

	if (rc == 0 && meta->etag[0])
		return 0;
	if (rc && !uncertain(rc, call))
		return rc;
	store_error_text(&call->err, why, sizeof(why));

	int found = object_resolve(v, key, commit_id, length, meta);

	if (found == 0) {
		log_path(LOG_INFO, "commit", key, "the reply was lost (%s), but our commit stands there", why);
		return 0;
	}
	if (found != ESTALE && found != ENOENT)
		return found;
	return rc == ENOENT ? ESTALE : rc; /* If-Match where nothing stands any more */
}

static void commit_hex(char out[STORE_COMMIT_HEX], const uint8_t id[16])
{
	hex_encode(out, id, 16);
}

int upload_put(struct vault *v, const char *path, const struct object_key *key, struct slab *const *slabs, const struct object_end *end,
	       struct store_cond *cond, upload_second *second, void *arg, struct store_meta *meta)
{
	char bucket_key[PATH_CAP], commit[STORE_COMMIT_HEX];
	AUTO(auto_body) struct body body = { 0 };
	struct store_call call = { 0 };
	int rc = path_key(&v->rules, bucket_key, path, false);

	if (!rc)
		rc = body_make(&body, v, key, 0, slabs, (uint32_t)chunk_count(end->size), end);
	if (!rc)
		rc = look_before(v, bucket_key, cond);
	if (rc)
		return rc;
	commit_hex(commit, end->trailer->commit_id);
	do {
		call = (struct store_call){ 0 };
		rc = v->store->ops->put(v->store, bucket_key, body.iov, body.count, commit, cond, meta, &call);
		rc = settle(v, bucket_key, end->trailer->commit_id, object_length(end->size), rc, &call, meta);
	} while (rc == ESTALE && second && second(arg, cond) == 0);
	meta->size = object_length(end->size);
	if (!rc)
		vault_progress(v);
	return rc;
}

int upload_unseal(const struct object_key *key, struct slab *const *slabs, uint64_t size)
{
	uint64_t count = chunk_count(size);

	for (uint64_t k = 0; k < count; k++) {
		struct slab *s = slabs[k];
		int rc = chunk_open(key, k, k + 1 == count ? CHUNK_LAST : CHUNK_INNER, s->nonce, s->data, chunk_plain_len(size, k), s->tag);

		if (rc)
			return rc;
	}
	return 0;
}

struct upload {
	struct vault *v;
	struct run *run;
	struct object_key key;
	uint8_t commit_id[16];
	char path[PATH_CAP], bucket_key[PATH_CAP];
	char id[STORE_UPLOAD_MAX]; /* "" until begun */
	pthread_mutex_t lock;      /* of the list: parts are sent by several threads */
	struct store_part *parts;  /* by number - 1; number 0: not sent */
	uint32_t cap;
};

int upload_new(struct vault *v, const char *path, const struct object_key *key, struct upload **out)
{
	struct upload *u = calloc(1, sizeof(*u));

	if (!u)
		return ENOMEM;
	u->v = v;
	u->key = *key;
	rand_bytes(u->commit_id, sizeof(u->commit_id));
	pthread_mutex_init(&u->lock, NULL);

	int rc = copy_text(u->path, sizeof(u->path), path) ? ENAMETOOLONG : path_key(&v->rules, u->bucket_key, path, false);

	if (rc) {
		upload_free(u);
		return rc;
	}
	*out = u;
	return 0;
}

void upload_free(struct upload *u)
{
	if (!u)
		return;
	pthread_mutex_destroy(&u->lock);
	object_key_wipe(&u->key);
	free(u->parts);
	free(u);
}

const uint8_t *upload_commit_id(const struct upload *u)
{
	return u->commit_id;
}

const struct object_key *upload_key(const struct upload *u)
{
	return &u->key;
}

int upload_begin(struct upload *u)
{
	struct store_call call = { .timeout_ms = u->v->config.data_timeout_ms }; /* bytes wait for it */
	char tenant[PATH_CAP], commit[STORE_COMMIT_HEX];

	path_tenant(tenant, u->path);
	commit_hex(commit, u->commit_id);

	int rc = run_for_content(u->v, tenant, &u->run);

	if (!rc)
		rc = u->v->store->ops->begin(u->v->store, u->bucket_key, commit, u->id, &call);
	if (rc) {
		u->id[0] = '\0';
		return rc;
	}
	vault_progress(u->v);
	rc = run_upload_begun(u->run, u->bucket_key, u->id);
	if (rc)
		upload_abort(u);
	return rc;
}

static int note_part(struct upload *u, const struct store_part *part)
{
	int rc = 0;

	pthread_mutex_lock(&u->lock);
	if (part->number > u->cap) {
		uint32_t cap = (uint32_t)max_size(part->number, u->cap * 2 + 8);
		struct store_part *grown = realloc(u->parts, cap * sizeof(*grown));

		if (grown) {
			memset(grown + u->cap, 0, (cap - u->cap) * sizeof(*grown));
			u->parts = grown;
			u->cap = cap;
		} else {
			rc = ENOMEM;
		}
	}
	if (!rc)
		u->parts[part->number - 1] = *part;
	pthread_mutex_unlock(&u->lock);
	return rc;
}

/* A server copies in silence: a piece must be done well before it is taken for dead. */
#define CARRY_PIECE (256ull << 20)
enum { CARRY_PIECES_MAX = 1000 };

uint32_t upload_carry_pieces(struct vault *v, uint64_t length)
{
	uint64_t piece = min_u64(v->store->limits.copy_max, max_u64(CARRY_PIECE, length / CARRY_PIECES_MAX + 1));

	return (uint32_t)((length + piece - 1) / piece);
}

/* A server that does not know ranges of copies makes the whole source a part, and says 0. Parts 1..count must be as long as they should. */
static int check_copies(struct upload *u, uint32_t count)
{
	struct store_parts there = { 0 };
	struct store_call call = { 0 };
	int rc = u->v->store->ops->list_parts(u->v->store, u->bucket_key, u->id, &there, &call);
	uint32_t right = 0;

	for (size_t i = 0; i < there.count && !rc; i++)
		right += there.parts[i].number <= count && there.parts[i].size == u->parts[there.parts[i].number - 1].size;
	store_parts_free(&there);
	if (!rc && right != count) {
		log_path(LOG_WARN, "upload", u->path, "the store copied other bytes than it was asked for: they are sent from here");
		return EOPNOTSUPP;
	}
	return rc == EACCES ? EOPNOTSUPP : rc; /* who may not look may not trust either */
}

int upload_carry(struct upload *u, struct object *from, uint64_t length, uint32_t *copied)
{
	uint32_t pieces = upload_carry_pieces(u->v, length);
	struct object_place place;
	uint64_t at = 0;

	object_place(from, &place);
	for (*copied = 0; *copied < pieces; (*copied)++) {
		uint64_t n = (length - at) / (pieces - *copied); /* even, so that none is below the smallest part */
		struct store_part part = { .number = *copied + 1 };
		int rc = u->v->store->ops->part_copy(u->v->store, u->bucket_key, u->id, place.key, place.etag, at, n, &part, NULL);

		if (!rc) {
			part.size = n;
			rc = note_part(u, &part);
		}
		if (rc)
			return rc;
		vault_progress(u->v);
		at += n;
	}
	return check_copies(u, pieces);
}

int upload_send(struct upload *u, uint32_t number, uint64_t first, struct slab *const *slabs, uint32_t count, const struct object_end *end)
{
	AUTO(auto_body) struct body body = { 0 };
	struct store_part part = { .number = number };
	int rc = body_make(&body, u->v, &u->key, first, slabs, count, end);

	if (!rc)
		rc = u->v->store->ops->part(u->v->store, u->bucket_key, u->id, body.iov, body.count, &part, NULL);
	if (rc)
		return rc;
	part.size = store_iov_bytes(body.iov, body.count);
	vault_progress(u->v);
	return note_part(u, &part);
}

/* Parts 1..n without a gap, and their bytes add up: what Complete itself does not check. */
static int check_parts(const struct upload *u, uint64_t length, size_t *count)
{
	uint64_t bytes = 0;
	size_t n = 0;

	while (n < u->cap && u->parts[n].number) {
		bytes += u->parts[n].size;
		n++;
	}
	for (size_t i = n; i < u->cap; i++)
		if (u->parts[i].number)
			return EBADMSG;
	*count = n;
	return n && bytes == length ? 0 : EBADMSG;
}

/* The first chunk that lies wholly in the part which begins at that byte of the object. */
static uint64_t chunk_behind(uint64_t at)
{
	return at <= HEADER_BYTES ? 0 : (at - HEADER_BYTES + RECORD_BYTES - 1) / RECORD_BYTES;
}

/* What stands there is our commit, and as long. Its ETag should tell that the parts were joined as they were listed; where it does not, one chunk of each is
 * read back: none opens at another place than its own. */
static int read_back(struct upload *u, size_t count, uint64_t length, const struct store_meta *meta)
{
	AUTO(auto_object_unref) struct object *o = NULL;
	int rc = object_load(u->v, u->bucket_key, length, &o, NULL);
	uint64_t at = 0;
	struct object_place place;

	if (rc)
		return rc == ENOENT ? ESTALE : rc;
	object_place(o, &place);
	if (object_foreign(o) || object_length(object_size(o)) != length || memcmp(object_keys(o)->id, u->key.id, OBJECT_ID) != 0)
		return EBADMSG;
	if (strcmp(place.etag, meta->etag) != 0)
		return ESTALE; /* somebody was quick */
	for (size_t i = 0; i < count && !rc; i++) {
		uint64_t k = chunk_behind(at);
		uint8_t byte;
		size_t got;

		at += u->parts[i].size;
		if (k < chunk_count(object_size(o)))
			rc = object_read(u->v, o, k * CHUNK_BYTES, 1, &byte, &got);
	}
	return rc;
}

static int complete_once(struct upload *u, size_t count, uint64_t length, const struct store_cond *cond, struct store_meta *meta)
{
	char expected[STORE_ETAG_MAX], tenant[PATH_CAP];
	struct store_call call = { 0 };

	path_tenant(tenant, u->path);

	int rc = run_for_content(u->v, tenant, &u->run);

	if (!rc)
		rc = look_before(u->v, u->bucket_key, cond);
	if (rc)
		return rc;
	rc = u->v->store->ops->complete(u->v->store, u->bucket_key, u->id, u->parts, count, cond, meta, &call);
	rc = settle(u->v, u->bucket_key, u->commit_id, length, rc, &call, meta);
	if (rc || store_multipart_etag(u->parts, count, expected) != 0 || strcmp(expected, meta->etag) == 0)
		return rc;
	if (!atomic_exchange(&u->v->odd_etags, true))
		log_path(LOG_INFO, "commit", u->path, "the store gave ETag %s, %s was expected: one chunk of each part is read back", meta->etag, expected);
	rc = read_back(u, count, length, meta);
	if (rc)
		log_path(LOG_ERROR, "commit", u->path, "the store did not join the parts as they were sent: what stands there is damaged");
	return rc == EBADMSG || !rc ? rc : EIO;
}

int upload_complete(struct upload *u, uint64_t size, struct store_cond *cond, upload_second *second, void *arg, struct store_meta *meta)
{
	uint64_t length = object_length(size);
	size_t count;
	int rc = check_parts(u, length, &count);

	if (rc) {
		log_path(LOG_ERROR, "commit", u->path, "the parts that were sent do not add up to the file: not completed");
		return rc;
	}
	do {
		rc = complete_once(u, count, length, cond, meta);
	} while (rc == ESTALE && second && second(arg, cond) == 0);
	if (rc)
		return rc;
	meta->size = length;
	vault_progress(u->v);
	run_upload_ended(u->run, u->bucket_key, u->id);
	u->id[0] = '\0';
	return 0;
}

void upload_abort(struct upload *u)
{
	int rc = 0;

	if (!u->id[0])
		return;
	for (int i = 0; i < PART_TRIES_TO_ABORT; i++) {
		struct store_parts left = { 0 };

		rc = u->v->store->ops->abort(u->v->store, u->bucket_key, u->id, NULL);
		if (rc && rc != ENODATA)
			break;
		/* A part that was under way may land after the abort: look until nothing is left. */
		rc = u->v->store->ops->list_parts(u->v->store, u->bucket_key, u->id, &left, NULL);
		store_parts_free(&left);
		if (rc == ENODATA)
			break;
	}
	if (rc == ENODATA)
		run_upload_ended(u->run, u->bucket_key, u->id);
	else
		log_path(LOG_WARN, "upload", u->path, "an unfinished upload could not be ended (%s); recovery will", strerror(rc));
	u->id[0] = '\0';
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Making a file durable: which plan, what is gathered, what is published, and what is true afterwards.
 *
 * plan      when
 * attrs     nothing but attributes changed: a new trailer behind the same chunks
 * put       the file is at most one part and no upload runs: one request, a new DEK
 * finish    an upload runs: the parts that are left, then Complete
 * grow      more than a part, only growth since our own last commit: its full chunks are carried inside the store
 * rewrite   everything else: a new DEK, every part from overlay, base and zeros
 *
 * One thread owns the writer (busy) and makes all requests without the lock. */
#include "vault/writer_private.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/rand.h"
#include "vault/audit.h"
#include "vault/tree.h"

#include <errno.h>

void writer_drop_content(struct writer *w)
{
	overlay_clear(&w->over);
	stream_orphan(w);
}

void writer_drop_all(struct writer *w)
{
	writer_drop_content(w);
	stage_drop(w);
	object_unref(w->base);
	w->base = NULL;
	w->base_limit = 0;
}

void writer_fail(struct writer *w, int error, const char *what)
{
	if (w->error)
		return;
	if (w->unlinked) { /* nobody will miss it, but whoever still has it open */
		w->error = EIO;
		writer_drop_content(w);
		return;
	}
	w->error = error == ENOSPC || error == EFBIG || error == EDQUOT ? error : EIO;
	log_path(LOG_ERROR, "commit", w->path, "NOT SAVED: %s: %s; it stays an error until the file is written anew", what, strerror(error));
	writer_drop_content(w);
	if (w->run)
		run_path_failed(w->run, w->path, error);
}

int writer_run(struct writer *w)
{
	char tenant[PATH_CAP];
	struct run *run = NULL;
	int rc;

	path_tenant(tenant, w->path);
	rc = run_for_content(w->v, tenant, &run);
	pthread_mutex_lock(&w->lock);
	w->run = run ? run : w->run;
	pthread_mutex_unlock(&w->lock);
	return rc;
}

/* ---- publishing */

/* What this commit replaces; a removal that waits at its key is taken back, and its object replaced. */
static int condition(struct writer *w, const char *key, struct store_cond *cond)
{
	*cond = (struct store_cond){ .if_none_match = !w->stands };
	if (w->stands) {
		struct object_place place;

		object_place(w->stands, &place);
		copy_text(cond->if_match, sizeof(cond->if_match), place.etag);
	}
	return tree_claim_cond(w->v, key, cond);
}

/* Whether the store's object was there before our open, by the store's clock alone: ours may be minutes off. The time since the open is counted by two of our
 * clocks, and the longer one holds, so that one that stood still or was set back makes nothing look older. Whole seconds are rounded against the object. */
static bool there_before_open(const struct writer *w, const struct store_meta *there, int64_t server_now)
{
	int64_t by_boot = (clock_boot_ms() - w->opened_boot_ms + 999) / 1000, by_wall = clock_wall_s() - w->opened_s;

	return server_now && there->modified < server_now - (by_boot > by_wall ? by_boot : by_wall);
}

struct second_look {
	struct writer *w;
	char key[PATH_CAP];
	bool used;
};

/* Another's object stands there. Content that owes nothing to the old object may replace one that was there before our open. */
static int second_look(void *arg, struct store_cond *cond)
{
	struct second_look *look = arg;
	struct writer *w = look->w;
	struct store_call call = { 0 };
	struct store_meta there;

	bool derived = (w->stands && !w->replaces) || (w->base && !w->staging);

	if (look->used || derived)
		return ESTALE;
	look->used = true;

	int rc = w->v->store->ops->head(w->v->store, look->key, &there, &call);

	if (rc == ENOENT) {
		*cond = (struct store_cond){ .if_none_match = true };
		return 0;
	}
	if (rc || !there_before_open(w, &there, call.server_date))
		return ESTALE;
	*cond = (struct store_cond){ 0 };
	copy_text(cond->if_match, sizeof(cond->if_match), there.etag);
	return 0;
}

struct commit {
	const char *path; /* where to: the writer's, or one in the staging area */
	bool staged;
	struct trailer trailer;
	struct object_key key;
	struct store_cond cond;
	struct store_meta meta;
	struct second_look look;
	struct object_end end;
	uint64_t chunks;
};

static int commit_put(struct writer *w, struct commit *c, enum writer_keep keep)
{
	struct gathered g;
	int rc = writer_gather(w, c->end.size, 0, (uint32_t)c->chunks, &g);

	if (!rc)
		rc = object_key_new(&c->key);
	if (!rc)
		rc = upload_put(w->v, c->path, &c->key, g.slabs, &c->end, &c->cond, second_look, &c->look, &c->meta);
	if (!rc && keep == WRITER_KEEP && upload_unseal(&c->key, g.slabs, c->end.size) == 0) {
		for (uint32_t i = 0; i < g.count; i++) {
			uint32_t len = chunk_plain_len(c->end.size, i);

			if (len && g.slabs[i]->side == SLAB_WRITE && overlay_attach_clean(&w->over, i, g.slabs[i], len) == 0)
				g.slabs[i] = NULL;
		}
	}
	writer_ungather(w, &g);
	return rc;
}

/* Sends one part that is left: by the pool where the overlay holds all of it, here where it must be gathered. */
static int send_left(struct writer *w, struct stream *s, uint32_t index, const struct commit *c)
{
	struct stream_part *part = &s->parts[index];
	uint32_t count = (uint32_t)min_u64(part->count, c->chunks - part->first);
	bool last = part->first + count == c->chunks;
	const struct object_end *end = last ? &c->end : NULL;
	uint64_t bytes = min_u64(c->end.size, (part->first + count) * CHUNK_BYTES) - part->first * CHUNK_BYTES;
	int rc;

	if (bytes && overlay_covers(&w->over, part->first * CHUNK_BYTES, (size_t)bytes)) {
		pthread_mutex_lock(&w->lock);
		rc = stream_submit(w, s, index, count, end);
		pthread_mutex_unlock(&w->lock);
		return rc;
	}

	struct gathered g;

	rc = writer_gather(w, c->end.size, part->first, count, &g);
	if (!rc)
		rc = stream_send_now(w, s, index, g.slabs, count, end);
	writer_ungather(w, &g);
	pthread_mutex_lock(&w->lock);
	part->state = PART_SENT;
	pthread_mutex_unlock(&w->lock);
	return rc;
}

static int wait_jobs(struct writer *w, struct stream *s)
{
	int rc;

	pthread_mutex_lock(&w->lock);
	while (s->jobs)
		pthread_cond_wait(&w->changed, &w->lock);
	rc = s->error;
	pthread_mutex_unlock(&w->lock);
	return rc;
}

static int commit_parts(struct writer *w, struct stream *s, struct commit *c)
{
	int rc = stream_plan_to(w, s, c->chunks - 1);

	/* The trailer is encrypted with the commit id that the upload's metadata already carries. */
	memcpy(c->trailer.commit_id, upload_commit_id(s->upload), sizeof(c->trailer.commit_id));
	c->key = *upload_key(s->upload);
	for (uint32_t i = 0; i < s->count && !rc && s->parts[i].first < c->chunks; i++)
		if (s->parts[i].state == PART_OPEN)
			rc = send_left(w, s, i, c);

	int sent = wait_jobs(w, s);

	rc = rc ? rc : sent;
	return rc ? rc : upload_complete(s->upload, c->end.size, &c->cond, second_look, &c->look, &c->meta);
}

/* An upload for a file that has none yet. EAGAIN from growth means that it must be rewritten. */
static int begin_stream(struct writer *w, const char *path)
{
	bool grow = stream_may_grow(w);

	for (;;) {
		int rc;

		pthread_mutex_lock(&w->lock);
		rc = stream_new(w, path, grow);
		pthread_mutex_unlock(&w->lock);
		if (!rc)
			rc = stream_begin(w, w->stream, true);
		pthread_mutex_lock(&w->lock);
		if (w->stream)
			w->stream->begun = !rc;
		if (rc == EAGAIN && grow)
			stream_orphan(w);
		pthread_mutex_unlock(&w->lock);
		if (rc != EAGAIN || !grow)
			return rc;
		grow = false;
	}
}

static int commit_upload(struct writer *w, struct commit *c)
{
	int rc = w->stream ? 0 : begin_stream(w, c->path);

	return rc ? rc : commit_parts(w, w->stream, c);
}

/* ---- what is true afterwards */

/* What was made is the base of all that follows. */
static int stand_on(struct writer *w, struct commit *c)
{
	struct object *made = object_made(w->v, c->look.key, &c->key, &c->trailer, &c->meta);

	if (!made)
		return ENOMEM;
	if (w->stream) {
		stream_free(w->stream);
		w->stream = NULL;
		overlay_clear(&w->over);
	}
	stage_drop(w);
	object_unref(w->base);
	w->base = made;
	w->base_limit = c->end.size;
	w->licence = true;
	w->touched = false;
	return 0;
}

static int staged(struct writer *w, struct commit *c)
{
	char *path = strdup(c->path);
	int rc = path ? stand_on(w, c) : ENOMEM;

	if (rc) {
		tree_remove_later(w->v, c->path, false);
		free(path);
		return rc;
	}
	w->staging = path;
	return 0;
}

static int committed(struct writer *w, struct commit *c)
{
	int rc = stand_on(w, c);

	if (rc)
		return rc;
	object_unref(w->stands);
	w->stands = object_ref(w->base);
	w->committed_size = c->end.size;
	w->dirty = w->replaces = false;
	if (w->run)
		run_path_mended(w->run, w->path);
	if (w->unlinked) /* the name was removed while its last bytes were on their way */
		tree_remove_later(w->v, w->path, false);
	else
		audit_committed(w->v, w->path, c->end.size);
	return 0;
}

static int publish(struct writer *w, struct commit *c, enum writer_keep keep)
{
	int rc = writer_run(w);

	if (!rc)
		rc = path_key(&w->v->rules, c->look.key, c->path, false);
	if (!rc && c->staged)
		c->cond.if_none_match = true;
	else if (!rc)
		rc = condition(w, c->look.key, &c->cond);
	if (rc)
		return rc;
	if (!w->stream && c->end.size <= writer_one_part(w))
		return commit_put(w, c, keep);
	return commit_upload(w, c);
}

/* It was committed before its close, and nothing came after that: only the state is wrong. */
static bool only_closes(const struct writer *w, enum trailer_state state)
{
	struct trailer t;

	if (state != STATE_CLOSED || !w->licence || w->staging || object_size(w->base) > WRITER_STATE_MAX)
		return false;
	object_attrs(w->base, &t);
	return t.state == STATE_OPEN;
}

static int commit_attrs(struct writer *w, bool closes)
{
	struct object_place place;
	struct object *base = w->base;
	struct trailer t;

	object_attrs(base, &t);
	t.mode = w->attrs.mode;
	t.uid = w->attrs.uid;
	t.gid = w->attrs.gid;
	t.mtime = w->attrs.mtime;
	if (closes)
		t.state = STATE_CLOSED;
	w->attrs_dirty = false;
	pthread_mutex_unlock(&w->lock);
	object_place(base, &place);

	int rc = writer_run(w);

	if (!rc)
		rc = object_rewrite(w->v, base, place.key, &t, NULL);
	pthread_mutex_lock(&w->lock);
	if (rc == ESTALE || rc == ENOENT) {
		log_path(LOG_WARN, "attrs", w->path, "mode, owner or time not changed: another writer's file stands there now");
		return 0;
	}
	if (rc) {
		w->attrs_dirty = true;
		log_path(LOG_ERROR, "attrs", w->path, "mode, owner or time could not be stored: %s", strerror(rc));
	}
	return rc ? EIO : 0;
}

static void wait_for_parts(struct writer *w)
{
	while (w->stream && w->stream->jobs)
		pthread_cond_wait(&w->changed, &w->lock);
	if (w->stream && w->stream->error)
		writer_fail(w, w->stream->error, "a part could not be stored");
}

static int make_durable(struct writer *w, struct commit *c, enum trailer_state state, enum writer_keep keep)
{
	trailer_fresh(w->v, &c->trailer, w->attrs.type, state, w->attrs.mode, w->attrs.uid, w->attrs.gid);
	c->trailer.mtime = w->attrs.mtime;
	c->trailer.size = w->size;
	c->end = (struct object_end){ w->size, &c->trailer };
	c->chunks = chunk_count(w->size);
	if (!c->staged)
		w->attrs_dirty = false;
	pthread_mutex_unlock(&w->lock);

	int rc = publish(w, c, keep);

	pthread_mutex_lock(&w->lock);
	if (!rc)
		rc = c->staged ? staged(w, c) : committed(w, c);
	object_key_wipe(&c->key);
	if (rc)
		writer_fail(w, rc == ESTALE ? EIO : rc, rc == ESTALE ? "another writer's file stands there now" : "the store did not take it");
	return w->error;
}

int writer_commit_busy(struct writer *w, enum trailer_state state, enum writer_keep keep)
{
	struct commit c = { .path = w->path, .look = { .w = w } };

	wait_for_parts(w);
	if (w->unlinked)
		return 0;
	if (w->error)
		return w->error;
	if (!w->dirty) {
		bool closes = w->base && only_closes(w, state);

		return closes || (w->attrs_dirty && w->base) ? commit_attrs(w, closes) : 0;
	}
	return make_durable(w, &c, state, keep);
}

int writer_stage_busy(struct writer *w)
{
	char path[PATH_CAP];
	struct commit c = { .path = path, .staged = true, .look = { .w = w, .used = true } };
	int rc = stage_path(w, path);

	return rc ? rc : make_durable(w, &c, STATE_OPEN, WRITER_DROP);
}

int writer_commit(struct writer *w, enum trailer_state state, enum writer_keep keep)
{
	pthread_mutex_lock(&w->lock);
	writer_take(w);

	int rc = writer_commit_busy(w, state, keep);

	if (keep == WRITER_DROP && !w->dirty)
		overlay_drop_clean(&w->over);
	writer_give(w);
	return rc;
}

/* ---- the close of a process that is not the opener */

/* The part with the last of those chunks; one that begins behind them may be planned already, where the size is the end of a part. */
static uint32_t last_part(const struct stream *s, uint64_t chunks)
{
	uint32_t index = s->count - 1;

	while (index && s->parts[index].first >= chunks)
		index--;
	return index;
}

/* The tail that is no complete part yet goes as a provisional last part: its bytes are in the store and verified, and stay here in plain. */
static int send_tail(struct writer *w, struct stream *s, struct commit *c)
{
	uint32_t index = last_part(s, c->chunks);
	struct stream_part *part = &s->parts[index];
	uint32_t count = (uint32_t)(c->chunks - part->first);
	struct gathered g = { .slabs = calloc(count, sizeof(struct slab *)) };
	int rc = g.slabs ? writer_take_token(w->v) : ENOMEM;

	g.token = g.slabs && !rc;
	for (; !rc && g.count < count; g.count++) {
		uint64_t k = part->first + g.count;
		uint32_t len = chunk_plain_len(c->end.size, k);

		g.slabs[g.count] = writer_take_scratch(w->v);
		if (!g.slabs[g.count]) {
			rc = ETIMEDOUT;
			break;
		}
		memset(g.slabs[g.count]->data, 0, len);
		overlay_read(&w->over, k * CHUNK_BYTES, len, g.slabs[g.count]->data);
	}
	if (!rc)
		rc = stream_send_now(w, s, index, g.slabs, count, &c->end);
	writer_ungather(w, &g);
	return rc;
}

static int send_busy(struct writer *w, enum trailer_state state)
{
	struct stream *s = w->stream;
	struct commit c = { .look = { .w = w } };
	int rc = stream_plan_to(w, s, w->size / CHUNK_BYTES);

	if (rc)
		return rc;
	trailer_fresh(w->v, &c.trailer, w->attrs.type, state, w->attrs.mode, w->attrs.uid, w->attrs.gid);
	memcpy(c.trailer.commit_id, upload_commit_id(s->upload), sizeof(c.trailer.commit_id));
	c.trailer.mtime = w->attrs.mtime;
	c.trailer.size = w->size;
	c.end = (struct object_end){ w->size, &c.trailer };
	c.chunks = chunk_count(w->size);
	pthread_mutex_unlock(&w->lock);
	rc = send_tail(w, s, &c);
	pthread_mutex_lock(&w->lock);
	if (!rc) {
		s->tail_from = s->parts[last_part(s, c.chunks)].first * CHUNK_BYTES;
		s->tail_to = w->size;
	}
	return rc;
}

/* Every part but the last was sent: none waits for bytes that are a hole in the file. */
static bool all_but_tail_sent(const struct writer *w)
{
	const struct stream *s = w->stream;
	uint32_t last = s->count ? last_part(s, chunk_count(w->size)) : 0;

	for (uint32_t i = 0; i < last; i++)
		if (s->parts[i].state != PART_SENT)
			return false;
	return s->count > 0;
}

int writer_send(struct writer *w, enum trailer_state state)
{
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	writer_take(w);
	wait_for_parts(w);
	if (w->stream && !w->error) {
		stream_send_complete(w); /* nobody did while the upload began */
		wait_for_parts(w);
	}

	bool grown = w->size >= w->committed_size + w->committed_size / 2;

	if (w->error || !w->stream || !w->stream->begun || w->stream->error || grown || w->unlinked || !all_but_tail_sent(w))
		rc = writer_commit_busy(w, state, WRITER_KEEP);
	else if (w->stream->tail_to != w->size)
		rc = send_busy(w, state);
	if (rc && !w->error)
		writer_fail(w, rc, "a part could not be stored");
	rc = w->error;
	writer_give(w);
	return rc;
}

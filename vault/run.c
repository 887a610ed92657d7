/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/run_private.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>

/* A writer's record, from its first write to its end. States: enum run_state in run_private.h.
 *
 *   NEW -> MADE       the record was put, and nothing stood there
 *   MADE -> STANDING  the store's conditions are proven (once a vault)
 *   any -> LOST       another took the record, or it is gone
 *   any -> ENDED      vault_close
 *
 * INVARIANTS: only STANDING lets anything be published; LOST is never left. A request is made with io held and lock free, so that failed paths
 * can always be noted. Whoever waited for io while an attempt failed takes its answer instead of trying again: twenty writers on a dead
 * store wait one deadline, not twenty. */

#define FENCE_MOST_MS (5 * 60 * 1000)
#define RETRY_MS 20000
#define AGAIN_MS 1000 /* between two tries that content waits for */
#define OWN_TRIES 3 /* our record may have changed under us by our own lost replies, hardly more often */

int runs_start(struct vault *v)
{
	struct runs *runs = calloc(1, sizeof(*runs));

	if (!runs)
		return ENOMEM;
	pthread_mutex_init(&runs->lock, NULL);
	pthread_mutex_init(&runs->proof, NULL);
	v->runs = runs;
	return 0;
}

static void run_free(struct run *r)
{
	run_record_free(&r->record);
	pthread_mutex_destroy(&r->io);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void runs_stop(struct vault *v)
{
	struct runs *runs = v->runs;

	if (!runs)
		return;
	while (runs->first) {
		struct run *gone = runs->first;

		runs->first = gone->next;
		run_free(gone);
	}
	pthread_mutex_destroy(&runs->lock);
	pthread_mutex_destroy(&runs->proof);
	free(runs);
	v->runs = NULL;
}

int64_t run_fence_ms(const struct vault *v)
{
	int64_t third = (int64_t)v->config.silent_after_s * 1000 / 3;

	return third < FENCE_MOST_MS ? third : FENCE_MOST_MS;
}

/* ---- Ownership. All with io held. */

static void lose(struct run *r, const char *why)
{
	pthread_mutex_lock(&r->lock);
	bool first = r->state != RUN_LOST;

	r->state = RUN_LOST;
	pthread_mutex_unlock(&r->lock);
	if (first)
		log_path(LOG_ERROR, "record", r->key,
			 "this writer was taken for dead (%s): nothing more is written in tenant %s, its open files fail. It was silent for too long: "
			 "suspended, or without network. Mount again to go on",
			 why, r->record.tenant);
}

static void owned_since(struct run *r, int64_t ms)
{
	pthread_mutex_lock(&r->lock);
	r->owned_ms = ms;
	pthread_mutex_unlock(&r->lock);
}

/* Reads who stands there. 0: we do, etag is what it is now; EIO: ownership is lost; or why it could not be read. */
static int look_who(struct run *r)
{
	struct store_call call = { .timeout_ms = r->v->config.meta_timeout_ms };
	struct run_record there = { 0 };
	char etag[STORE_ETAG_MAX], why[RUN_WRITER_HEX + 32];
	int64_t asked = clock_boot_ms();
	int rc = run_get(r->v, r->key, &there, etag, &call);

	switch (rc) {
	case 0:
		break;
	case ENOENT:
		lose(r, "its record is gone");
		return EIO;
	case EBADMSG:
	case ENOKEY:
	case EPROTONOSUPPORT:
		lose(r, "something else stands where its record was");
		return EIO;
	default:
		return rc;
	}
	snprintf(why, sizeof(why), "by writer %s", there.taken_by);
	if (there.taken_by[0] || strcmp(there.writer, r->record.writer) != 0) {
		run_record_free(&there);
		lose(r, why);
		return EIO;
	}
	run_record_free(&there);
	memcpy(r->etag, etag, sizeof(r->etag));
	owned_since(r, asked);
	return 0;
}

/* The record as it is now, as JSON; *seq: the changes that are in it. */
static int snapshot(struct run *r, struct buf *json, uint64_t *seq)
{
	pthread_mutex_lock(&r->lock);
	r->record.refreshed = clock_wall_s();
	*seq = r->changes;

	int rc = run_record_encode(&r->record, json);

	pthread_mutex_unlock(&r->lock);
	return rc;
}

static void wrote(struct run *r, uint64_t seq, int64_t asked)
{
	r->complained = false;
	pthread_mutex_lock(&r->lock);
	r->written = seq;
	r->owned_ms = asked;
	if (r->changes == seq)
		r->hurry = false;
	pthread_mutex_unlock(&r->lock);
}

/* The store lets this identity make objects but not change them. Then the record cannot be refreshed, only read, and names no upload. */
static void freeze(struct run *r)
{
	pthread_mutex_lock(&r->lock);
	bool first = !r->frozen;

	r->frozen = true;
	pthread_mutex_unlock(&r->lock);
	if (first)
		log_path(LOG_WARN, "record", r->key,
			 "this identity may not rewrite its record (403): uploads that a crash leaves behind are not found by other mounts. Set a lifecycle rule "
			 "for incomplete uploads on the bucket, or allow overwriting below .pishop/");
}

/* Once, until it works again: the ticks try again and again. What the store said was logged already. */
static void complain(struct run *r)
{
	if (r->complained)
		return;
	r->complained = true;
	log_path(LOG_WARN, "record", r->key,
		 "the record of this writer cannot be written: where that goes on, nothing more is committed, as others will take this writer for dead");
}

static bool owned_within(struct run *r, int64_t ms)
{
	pthread_mutex_lock(&r->lock);
	bool fresh = clock_boot_ms() - r->owned_ms < ms;

	pthread_mutex_unlock(&r->lock);
	return fresh;
}

/* Puts the record, over nothing or over the one that we know. 0; EIO: ownership is lost; or a store errno. */
static int write_record(struct run *r, bool fresh)
{
	struct buf json;
	uint64_t seq;
	int rc = ESTALE;

	/* After a long silence it is read first: some servers let If-Match pass where nothing stands any more. */
	if (!fresh && !owned_within(r, run_fence_ms(r->v))) {
		rc = look_who(r);
		if (rc)
			return rc;
	}
	for (int i = 0; i < OWN_TRIES; i++) {
		struct store_call call = { .timeout_ms = r->v->config.meta_timeout_ms };
		int64_t asked = clock_boot_ms();

		buf_init(&json, RUN_JSON_MAX);
		rc = snapshot(r, &json, &seq);
		if (!rc)
			rc = run_put(r->v, r->key, &json, fresh ? NULL : r->etag, r->etag, &call);
		buf_free(&json);
		if (rc == 0) {
			wrote(r, seq, asked);
			return 0;
		}
		if (rc != ESTALE && rc != ENOENT) {
			if (fresh || rc != EACCES) /* refresh tells of that */
				complain(r);
			return rc;
		}
		rc = look_who(r);
		if (rc)
			return rc;
		fresh = false; /* an earlier put of ours arrived although its reply was lost */
	}
	return rc ? rc : EIO;
}

static int refresh(struct run *r)
{
	pthread_mutex_lock(&r->lock);
	bool frozen = r->frozen;

	pthread_mutex_unlock(&r->lock);
	if (frozen)
		return look_who(r);

	int rc = write_record(r, false);

	if (rc != EACCES)
		return rc;
	freeze(r);
	return look_who(r);
}

/* ---- Making it */

/* With runs.proof held. */
static int prove(struct run *r)
{
	struct buf json;
	uint64_t seq;
	int rc = 0;

	if (r->v->store->conditional) {
		buf_init(&json, RUN_JSON_MAX);
		rc = snapshot(r, &json, &seq);
		if (!rc)
			rc = run_selftest(r->v, r->key, &json, r->etag);
		buf_free(&json);
	}
	if (rc)
		log_path(LOG_WARN, "record", r->key, "cannot try whether the store honours conditions: %s", strerror(rc));
	else
		r->v->runs->proven = true;
	return rc;
}

static void enter(struct run *r, enum run_state from, enum run_state to)
{
	pthread_mutex_lock(&r->lock);
	if (r->state == from)
		r->state = to;
	pthread_mutex_unlock(&r->lock);
}

static enum run_state state_of(struct run *r)
{
	pthread_mutex_lock(&r->lock);
	enum run_state state = r->state;

	pthread_mutex_unlock(&r->lock);
	return state;
}

static int make(struct run *r)
{
	int rc = state_of(r) == RUN_NEW ? write_record(r, true) : 0;

	if (!rc)
		enter(r, RUN_NEW, RUN_MADE);
	return rc;
}

/* Until the store is proven, records of other tenants wait: what it can do must be known before they are made. */
static int make_and_prove(struct run *r)
{
	struct runs *runs = r->v->runs;
	int rc;

	pthread_mutex_lock(&runs->proof);
	if (runs->proven) {
		pthread_mutex_unlock(&runs->proof);
		rc = make(r);
	} else {
		rc = make(r);
		if (!rc)
			rc = prove(r);
		pthread_mutex_unlock(&runs->proof);
	}
	if (!rc)
		enter(r, RUN_MADE, RUN_STANDING);
	return rc;
}

/* Whatever is needed next: makes the record, proves the store, or refreshes. With io held. */
static int attempt(struct run *r)
{
	switch (state_of(r)) {
	case RUN_NEW:
	case RUN_MADE:
		return make_and_prove(r);
	case RUN_STANDING:
		return refresh(r);
	case RUN_LOST:
	case RUN_ENDED:
		break;
	}
	return EIO;
}

static int attempt_counted(struct run *r)
{
	int rc = attempt(r);

	pthread_mutex_lock(&r->lock);
	r->tries++;
	r->last_rc = rc;
	r->retry_ms = clock_boot_ms() + (rc ? RETRY_MS : 0);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

/* What somebody who waits for the record wants of it. */
struct wish {
	uint64_t changes;  /* these changes stand in the bucket (a frozen record never gets any) */
	int64_t owned_ms;  /* and it was ours at this time or later */
};

static bool fulfilled(const struct run *r, const struct wish *wish)
{
	return r->state == RUN_STANDING && (r->frozen || r->written >= wish->changes) && r->owned_ms >= wish->owned_ms;
}

static int await(struct run *r, const struct wish *wish)
{
	int rc = 0;

	pthread_mutex_lock(&r->lock);
	bool done = fulfilled(r, wish);
	unsigned seen = r->tries;

	pthread_mutex_unlock(&r->lock);
	if (done)
		return 0;
	pthread_mutex_lock(&r->io);
	pthread_mutex_lock(&r->lock);
	done = fulfilled(r, wish);
	bool failed_meanwhile = r->tries != seen && r->last_rc;

	if (failed_meanwhile)
		rc = r->last_rc;
	pthread_mutex_unlock(&r->lock);
	if (!done && !failed_meanwhile)
		rc = attempt_counted(r);
	pthread_mutex_unlock(&r->io);
	return done ? 0 : rc;
}

/* Content has a longer deadline than one try: it is tried again while another try ends within it. */
static int await_long(struct run *r, struct wish wish, bool fence)
{
	const struct vault_config *config = &r->v->config;
	int64_t since = clock_mono_ms();

	for (;;) {
		if (fence)
			wish.owned_ms = clock_boot_ms() - run_fence_ms(r->v);

		int64_t tried = clock_mono_ms();
		int rc = await(r, &wish);

		if (state_of(r) == RUN_LOST)
			return EIO;
		if (!vault_may_pass(rc) || clock_mono_ms() - since + config->meta_timeout_ms > config->data_timeout_ms)
			return rc;
		if (clock_mono_ms() - tried < AGAIN_MS)
			clock_sleep_ms(AGAIN_MS);
	}
}

/* ---- run.h */

static struct run *run_new(struct vault *v, const char *tenant)
{
	struct run *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->v = v;
	hex_encode(r->record.writer, v->writer_id, sizeof(v->writer_id));
	r->record.started = clock_wall_s();
	if (copy_text(r->record.tenant, sizeof(r->record.tenant), tenant) || copy_text(r->record.program, sizeof(r->record.program), "pishopfs " PISHOPFS_VERSION) ||
	    path_record_key(&v->rules, r->key, tenant, "run", r->record.writer)) {
		free(r);
		return NULL;
	}
	pthread_mutex_init(&r->io, NULL);
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

/* Finds or adds; NULL: no memory, no legal tenant, or all were ended. */
static struct run *find_run(struct runs *runs, struct vault *v, const char *tenant)
{
	struct run *r;

	pthread_mutex_lock(&runs->lock);
	for (r = runs->first; r; r = r->next)
		if (strcmp(r->record.tenant, tenant) == 0)
			break;
	if (!r && !runs->ended) {
		r = run_new(v, tenant);
		if (r) {
			r->next = runs->first;
			runs->first = r;
		}
	}
	pthread_mutex_unlock(&runs->lock);
	return r;
}

int run_of(struct vault *v, const char *tenant, struct run **out)
{
	if (v->config.read_only)
		return EROFS;

	struct run *r = find_run(v->runs, v, tenant);

	if (!r || await(r, &(struct wish){ 0 }))
		return EIO;
	*out = r;
	return 0;
}

int run_for_content(struct vault *v, const char *tenant, struct run **out)
{
	struct run *r = v->config.read_only ? NULL : find_run(v->runs, v, tenant);

	if (!r)
		return v->config.read_only ? EROFS : EIO;
	*out = r;

	int rc = await_long(r, (struct wish){ 0 }, true);

	return !rc || rc == ENOSPC || rc == EDQUOT ? rc : EIO;
}

int run_upload_begun(struct run *r, const char *key, const char *upload_id)
{
	pthread_mutex_lock(&r->lock);
	int rc = run_record_add_upload(&r->record, key, upload_id, clock_wall_s());
	struct wish wish = { .changes = ++r->changes };

	pthread_mutex_unlock(&r->lock);
	return rc ? rc : await_long(r, wish, false);
}

void run_upload_ended(struct run *r, const char *key, const char *upload_id)
{
	pthread_mutex_lock(&r->lock);
	if (run_record_drop_upload(&r->record, key, upload_id))
		r->changes++;
	pthread_mutex_unlock(&r->lock);
}

void run_path_failed(struct run *r, const char *path, int error)
{
	pthread_mutex_lock(&r->lock);
	run_record_add_failed(&r->record, path, error);
	r->changes++;
	r->hurry = true;
	pthread_mutex_unlock(&r->lock);
}

void run_path_mended(struct run *r, const char *path)
{
	pthread_mutex_lock(&r->lock);
	if (run_record_drop_failed(&r->record, path))
		r->changes++;
	pthread_mutex_unlock(&r->lock);
}

int run_may_publish(struct run *r)
{
	int rc = await(r, &(struct wish){ .owned_ms = clock_boot_ms() - run_fence_ms(r->v) });

	return state_of(r) == RUN_LOST ? EIO : rc;
}

/* ---- Ticks and the end */

static struct run *first_run(struct vault *v)
{
	pthread_mutex_lock(&v->runs->lock);
	struct run *r = v->runs->first;

	pthread_mutex_unlock(&v->runs->lock);
	return r;
}

static bool is_due(struct run *r)
{
	int64_t now = clock_boot_ms();

	pthread_mutex_lock(&r->lock);
	bool due = r->state == RUN_STANDING && now >= r->retry_ms &&
		   ((r->hurry && !r->frozen) || now - r->owned_ms >= (int64_t)r->v->config.record_every_s * 1000);

	pthread_mutex_unlock(&r->lock);
	return due;
}

void run_tick(struct vault *v)
{
	for (struct run *r = first_run(v); r; r = r->next) {
		if (!is_due(r) || pthread_mutex_trylock(&r->io))
			continue; /* whoever holds io is refreshing it now */
		attempt_counted(r);
		pthread_mutex_unlock(&r->io);
	}
}

/* Leaves the record behind for who cleans up: it says what is open and what failed. */
static int keep_ended(struct run *r)
{
	pthread_mutex_lock(&r->lock);
	r->record.ended = clock_wall_s();
	r->changes++;
	size_t uploads = r->record.upload_count, failed = r->record.failed_count;

	pthread_mutex_unlock(&r->lock);
	log_path(LOG_WARN, "record", r->key, "this writer leaves %zu failed paths and %zu unfinished uploads behind: its record stays", failed, uploads);
	return refresh(r);
}

static int remove_ended(struct run *r)
{
	struct store_call call = { .timeout_ms = r->v->config.meta_timeout_ms };
	int rc = owned_within(r, run_fence_ms(r->v)) ? 0 : look_who(r);

	if (rc)
		return rc;
	rc = run_remove(r->v, r->key, &call);
	if (rc)
		log_path(LOG_WARN, "record", r->key, "cannot remove the record (%s): the next mounts will take this writer for dead", strerror(rc));
	return rc;
}

static int end_run(struct run *r)
{
	int rc = 0;

	pthread_mutex_lock(&r->io);
	pthread_mutex_lock(&r->lock);
	enum run_state state = r->state;
	bool leaves = r->record.upload_count || run_record_has_failed(&r->record);

	pthread_mutex_unlock(&r->lock);
	if (state == RUN_LOST)
		rc = EIO;
	else if (state == RUN_MADE || state == RUN_STANDING)
		rc = leaves ? keep_ended(r) : remove_ended(r);
	enter(r, state, RUN_ENDED);
	pthread_mutex_unlock(&r->io);
	return rc;
}

int run_end_all(struct vault *v)
{
	int first = 0;

	pthread_mutex_lock(&v->runs->lock);
	v->runs->ended = true;
	pthread_mutex_unlock(&v->runs->lock);
	for (struct run *r = first_run(v); r; r = r->next) {
		int rc = end_run(r);

		first = first ? first : rc;
	}
	return first;
}

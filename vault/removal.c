/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/removal.h"
#include "vault/object_private.h"
#include "vault/removal_check.h"
#include "vault/tree.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sync.h"

#include <errno.h>
#include <stdio.h>

#define HASH_FUNCTION HASH_FNV /* the default one is written with fall-throughs, which clang takes for mistakes */
#include <uthash.h>

/* The batch of removals: `rm -r` of a thousand files is a few requests instead of a thousand.
 *
 * States of one key; none: nothing is known of it.
 *   WAITS      unlink was answered, nothing was sent         -> UNDER_WAY (sent), none (claimed by a write)
 *   UNDER_WAY  a request holds it                            -> none or GONE (done), FAILED
 *   GONE       done, remembered while somebody lists         -> none (the last listing ends, or claimed), WAITS (removed once more)
 *   FAILED     refused; its name exists again; not yet told  -> none (told by tree_send_removals, or claimed), WAITS (removed once more)
 * INVARIANTS, under the lock: `waiting` is the number of keys that are WAITS; GONE is there only while lookers > 0; a key that is UNDER_WAY belongs to the
 * one thread that sends it, and nobody else frees it. */

#define WAIT_MS 200
#define LOGGED_MAX 10 /* lines for failed keys of one request */

enum removal_state { WAITS, UNDER_WAY, GONE, FAILED };

struct removal {
	UT_hash_handle hh; /* by key, in the order of coming */
	enum removal_state state;
	bool asked;        /* tree_remove_now waits, and takes the answer itself */
	int error;         /* FAILED: errno */
	int64_t due_ms;    /* clock_mono_ms */
	char etag[STORE_ETAG_MAX]; /* of what is to go, "": not known */
	char *path;        /* of file or folder, behind the key */
	char key[];
};

struct removals {
	pthread_mutex_t lock;
	pthread_cond_t answered;
	struct removal *keys;
	size_t waiting;
	unsigned lookers; /* listings under way */
};

int removals_start(struct vault *v)
{
	struct removals *r = calloc(1, sizeof(*r));

	if (!r)
		return ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	cond_init_mono(&r->answered);
	v->removals = r;
	return 0;
}

static struct removal *find(struct removals *r, const char *key)
{
	struct removal *m;

	HASH_FIND_STR(r->keys, key, m);
	return m;
}

static void drop(struct removals *r, struct removal *m)
{
	if (m->state == WAITS)
		r->waiting--;
	HASH_DEL(r->keys, m);
	free(m);
}

static struct removal *removal_new(const char *key, const char *path, const char *etag)
{
	size_t key_bytes = strlen(key) + 1, path_bytes = strlen(path) + 1;
	struct removal *m = calloc(1, sizeof(*m) + key_bytes + path_bytes);

	if (!m)
		return NULL;
	memcpy(m->key, key, key_bytes);
	m->path = m->key + key_bytes;
	memcpy(m->path, path, path_bytes);
	if (etag)
		copy_text(m->etag, sizeof(m->etag), etag);
	m->due_ms = clock_mono_ms() + WAIT_MS;
	return m;
}

static int queue_removal(struct vault *v, const char *path, bool folder, const char *etag, bool asked)
{
	struct removals *r = v->removals;
	char key[PATH_CAP];
	int rc = v->config.read_only ? EROFS : path_key(&v->rules, key, path, folder);

	if (rc)
		return rc;

	struct removal *fresh = removal_new(key, path, etag);

	if (!fresh)
		return ENOMEM;
	pthread_mutex_lock(&r->lock);

	struct removal *old = find(r, key);
	bool on_its_way = old && (old->state == WAITS || old->state == UNDER_WAY);

	if (old && !on_its_way)
		drop(r, old);
	if (on_its_way) {
		old->asked |= asked;
	} else {
		fresh->asked = asked;
		HASH_ADD_STR(r->keys, key, fresh);
		r->waiting++;
		fresh = NULL;
	}

	bool poke = !asked && (r->waiting == 1 || r->waiting >= v->store->limits.delete_max);

	pthread_mutex_unlock(&r->lock);
	free(fresh);
	if (poke)
		vault_poke(v);
	return 0;
}

int tree_remove_known_later(struct vault *v, const char *path, bool folder, const char *etag)
{
	return queue_removal(v, path, folder, etag, false);
}

int tree_remove_later(struct vault *v, const char *path, bool folder)
{
	return tree_remove_known_later(v, path, folder, NULL);
}

/* Takes up to max of those that wait under folder, the oldest first. With the lock held. */
static size_t take_batch(struct removals *r, const char *folder, struct removal **batch, size_t max)
{
	size_t n = 0;

	for (struct removal *m = r->keys; m && n < max; m = m->hh.next) {
		if (m->state != WAITS || !path_inside(m->path, folder))
			continue;
		m->state = UNDER_WAY;
		r->waiting--;
		batch[n++] = m;
	}
	return n;
}

/* Asks for each tenant once whether it may still be changed by us: results[i] is 0 or the errno. */
static void ask_records(struct vault *v, struct removal *const *batch, size_t n, int *results)
{
	char last[PATH_CAP] = "", tenant[PATH_CAP];

	for (size_t i = 0; i < n; i++) {
		path_tenant(tenant, batch[i]->path);
		if (i == 0 || strcmp(tenant, last) != 0)
			results[i] = key_may_publish(v, batch[i]->key);
		else
			results[i] = results[i - 1];
		copy_text(last, sizeof(last), tenant);
	}
}

static void log_failures(struct removal *const *batch, size_t n, const int *results, const struct store_call *call)
{
	unsigned failed = 0;

	for (size_t i = 0; i < n; i++) {
		if (!results[i] || ++failed > LOGGED_MAX)
			continue;
		log_store("remove", batch[i]->key, "was not removed, and is there again", call, results[i]);
	}
	if (failed > LOGGED_MAX)
		log_msg(LOG_ERROR, "remove", "%u removals failed in all; only the first %u are named", failed, LOGGED_MAX);
}

/* The keys that are to be sent, into keys; results[i] is set for those that may not be. Of what was replaced meanwhile nothing is sent: as if the
 * removal had come first. Returns how many. */
static size_t choose_keys(struct vault *v, struct removal *const *batch, size_t n, int *results, const char **keys, struct removal_want *wants)
{
	size_t chosen = 0;

	ask_records(v, batch, n, results);
	for (size_t i = 0; i < n; i++)
		wants[i] = (struct removal_want){ .key = batch[i]->key, .path = batch[i]->path, .etag = batch[i]->etag, .error = results[i] };
	removal_check(v, wants, n);
	for (size_t i = 0; i < n; i++) {
		results[i] = wants[i].error;
		if (!results[i] && !wants[i].replaced)
			keys[chosen++] = batch[i]->key;
	}
	return chosen;
}

/* Sends what the records allow. results[i] for each of the batch. Returns the errno of the request where all of it failed. */
static int send_keys(struct vault *v, struct removal *const *batch, size_t n, int *results)
{
	AUTO_FREE const char **keys = calloc(n, sizeof(*keys));
	AUTO_FREE int *answers = calloc(n, sizeof(*answers));
	AUTO_FREE struct removal_want *wants = calloc(n, sizeof(*wants));
	struct store_call call = { .timeout_ms = v->config.meta_timeout_ms };
	size_t sent = 0;
	int rc = 0;

	if (!keys || !answers || !wants) {
		rc = store_fail(&call, ENOMEM, NULL, "out of memory");
		for (size_t i = 0; i < n; i++)
			results[i] = rc;
	} else {
		sent = choose_keys(v, batch, n, results, keys, wants);
		if (sent)
			rc = v->store->ops->remove(v->store, keys, sent, answers, &call);
		for (size_t i = 0, k = 0; i < n; i++)
			if (k < sent && keys[k] == batch[i]->key)
				results[i] = answers[k++];
	}
	log_failures(batch, n, results, &call);
	for (size_t i = 0; i < sent; i++)
		if (answers[i] != rc)
			return 0;
	return rc;
}

static void settle(struct removals *r, struct removal *m, int error)
{
	if (error) {
		m->state = FAILED;
		m->error = error;
	} else if (r->lookers) {
		m->state = GONE;
	} else {
		drop(r, m);
	}
}

/* A store that refused a full request is not asked again for each of the thousand batches behind it: they fail with it. With the lock held. */
static void fail_waiting(struct removals *r, const char *folder, int error)
{
	size_t before = r->waiting;

	for (struct removal *m = r->keys; m; m = m->hh.next) {
		if (m->state != WAITS || !path_inside(m->path, folder))
			continue;
		r->waiting--;
		settle(r, m, error);
	}
	if (before > r->waiting)
		log_msg(LOG_ERROR, "remove", "%zu more removals were not even tried; their names are there again", before - r->waiting);
}

/* Sends one batch of what waits under folder: false when nothing did, or no memory. With the lock held, which is let go meanwhile. */
static bool send_some(struct vault *v, const char *folder)
{
	struct removals *r = v->removals;
	size_t max = min_size(r->waiting, v->store->limits.delete_max);
	AUTO_FREE struct removal **batch = calloc(max + 1, sizeof(struct removal *));
	AUTO_FREE int *results = calloc(max + 1, sizeof(*results));

	if (!batch || !results)
		return false;

	size_t n = take_batch(r, folder, batch, max);

	if (n == 0)
		return false;
	pthread_mutex_unlock(&r->lock);

	int whole = send_keys(v, batch, n, results);

	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < n; i++)
		settle(r, batch[i], results[i]);
	if (whole && n == v->store->limits.delete_max)
		fail_waiting(r, folder, whole);
	pthread_cond_broadcast(&r->answered);
	return true;
}

/* The next of the list, from m on, in that state under folder; NULL: none. */
static struct removal *next_in(struct removal *m, enum removal_state state, const char *folder)
{
	while (m && (m->state != state || !path_inside(m->path, folder)))
		m = m->hh.next;
	return m;
}

/* The first errno of those that failed under folder; they are told by that, and forgotten. */
static int tell_failed(struct removals *r, const char *folder)
{
	int first = 0;

	for (struct removal *m = next_in(r->keys, FAILED, folder), *next; m; m = next_in(next, FAILED, folder)) {
		next = m->hh.next;
		if (m->asked)
			continue;
		if (!first)
			first = m->error;
		drop(r, m);
	}
	return first;
}

/* With the lock held. 0: nothing under folder waits or is under way any more; ENOMEM. */
static int send_all(struct vault *v, const char *folder)
{
	struct removals *r = v->removals;

	for (;;) {
		if (send_some(v, folder))
			continue;
		if (next_in(r->keys, WAITS, folder))
			return ENOMEM;
		if (!next_in(r->keys, UNDER_WAY, folder))
			return 0;
		cond_wait_until(&r->answered, &r->lock, INT64_MAX);
	}
}

int tree_send_removals(struct vault *v, const char *folder)
{
	struct removals *r = v->removals;
	int rc;

	pthread_mutex_lock(&r->lock);
	rc = send_all(v, folder);
	if (!rc)
		rc = tell_failed(r, folder);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

int tree_remove_now(struct vault *v, const char *path, bool folder, const char *etag)
{
	struct removals *r = v->removals;
	char key[PATH_CAP], above[PATH_CAP];
	struct removal *m;
	int rc = path_key(&v->rules, key, path, folder);

	if (!rc)
		rc = queue_removal(v, path, folder, etag, true);
	if (rc)
		return rc;
	path_parent(above, path);
	pthread_mutex_lock(&r->lock);
	rc = send_all(v, above);
	m = find(r, key);
	if (m && (m->state == FAILED || m->state == WAITS)) {
		rc = m->state == FAILED ? m->error : rc;
		drop(r, m);
	}
	pthread_mutex_unlock(&r->lock);
	return rc;
}

int64_t removals_tick(struct vault *v)
{
	struct removals *r = v->removals;

	pthread_mutex_lock(&r->lock);

	const struct removal *oldest = next_in(r->keys, WAITS, "");
	int64_t left = oldest ? oldest->due_ms - clock_mono_ms() : 1000;

	if (oldest && (left <= 0 || r->waiting >= v->store->limits.delete_max)) {
		bool sent = send_some(v, ""); /* one batch a call: other things are due as well */

		left = !r->waiting ? 1000 : sent ? 0 : WAIT_MS;
	}
	pthread_mutex_unlock(&r->lock);
	return left < 1000 ? left : 1000;
}

void removals_stop(struct vault *v)
{
	struct removals *r = v->removals;

	if (!r)
		return;
	tree_send_removals(v, "");
	while (r->keys)
		drop(r, r->keys);
	pthread_cond_destroy(&r->answered);
	pthread_mutex_destroy(&r->lock);
	free(r);
	v->removals = NULL;
}

/* What a claim found; with the lock held. */
static void claim_found(struct removals *r, struct removal *m, bool *was_waiting, char etag[STORE_ETAG_MAX])
{
	/* A removal that failed has been answered with success to the application, so a write there is to replace what is left. Whether that is
	 * still the object of the ETag is not known. */
	*was_waiting = m->state == WAITS || m->state == FAILED;
	if (m->state == WAITS)
		copy_text(etag, STORE_ETAG_MAX, m->etag);
	drop(r, m);
}

static void claim(struct vault *v, const char *key, bool *was_waiting, char etag[STORE_ETAG_MAX])
{
	struct removals *r = v->removals;
	struct removal *m;

	*was_waiting = false;
	etag[0] = '\0';
	pthread_mutex_lock(&r->lock);
	for (m = find(r, key); m && m->state == UNDER_WAY; m = find(r, key))
		cond_wait_until(&r->answered, &r->lock, INT64_MAX);
	if (m)
		claim_found(r, m, was_waiting, etag);
	pthread_mutex_unlock(&r->lock);
}

int tree_claim_key(struct vault *v, const char *key, bool *was_waiting)
{
	char etag[STORE_ETAG_MAX];

	claim(v, key, was_waiting, etag);
	return 0;
}

int tree_claim_cond(struct vault *v, const char *key, struct store_cond *cond)
{
	bool was_waiting;
	char etag[STORE_ETAG_MAX];

	claim(v, key, &was_waiting, etag);
	if (was_waiting && cond->if_none_match) {
		cond->if_none_match = false;
		copy_text(cond->if_match, sizeof(cond->if_match), etag);
	}
	return 0;
}

bool tree_removal_waits(struct vault *v, const char *key)
{
	struct removals *r = v->removals;

	pthread_mutex_lock(&r->lock);

	const struct removal *m = find(r, key);
	bool waits = m && (m->state == WAITS || m->state == UNDER_WAY);

	pthread_mutex_unlock(&r->lock);
	return waits;
}

void removals_look_begin(struct vault *v)
{
	pthread_mutex_lock(&v->removals->lock);
	v->removals->lookers++;
	pthread_mutex_unlock(&v->removals->lock);
}

void removals_look_end(struct vault *v)
{
	struct removals *r = v->removals;

	pthread_mutex_lock(&r->lock);
	if (--r->lookers == 0)
		for (struct removal *m = next_in(r->keys, GONE, ""), *next; m; m = next_in(next, GONE, "")) {
			next = m->hh.next;
			drop(r, m);
		}
	pthread_mutex_unlock(&r->lock);
}

bool removal_hides(struct vault *v, const char *key)
{
	struct removals *r = v->removals;

	pthread_mutex_lock(&r->lock);

	const struct removal *m = find(r, key);
	bool hides = m && m->state != FAILED;

	pthread_mutex_unlock(&r->lock);
	return hides;
}

bool removals_below(struct vault *v, const char *folder)
{
	struct removals *r = v->removals;
	bool found = false;

	pthread_mutex_lock(&r->lock);
	for (const struct removal *m = r->keys; m && !found; m = m->hh.next)
		found = (m->state == WAITS || m->state == UNDER_WAY) && strcmp(m->path, folder) != 0 && path_inside(m->path, folder);
	pthread_mutex_unlock(&r->lock);
	return found;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/lease.h"

#include "base/log.h"
#include "vault/acting.h"
#include "vault/json.h"
#include "vault/run.h"

#include <errno.h>

/* The lease of a tenant. States of one that somebody holds:
 *
 *   HELD -> HELD   lease_check, renewed by If-Match while that finds the version we wrote
 *   HELD -> LOST   somebody wrote over it, or it is gone: never left, nothing may be done any more
 *   HELD -> (none) lease_release: the record stays, with writer null, so that its epoch never goes back
 *
 * INVARIANTS: every write of the record is conditional on the version that was read or written before it, so of two who take it one fails. Inside a
 * process one struct lease is held per tenant at a time: two threads of a vault have one writer id, and would take each other's lease for their own.
 * A holder makes no request that could outlive its lease: a third of the time is left after lease_check, and lease_request_ms is no longer. */

#define TAKE_TRIES 4u /* others may write between our look and our write */
#define TTL_DEFAULT 300u
#define TTL_MOST 86400u
#define TEXT_MAX 4096u

struct lease {
	struct vault *v;
	struct lease *next; /* of v->leases, under v->lock */
	char tenant[PATH_CAP], key[PATH_CAP];
	char writer[ACTING_HEX];
	uint64_t epoch;
	uint32_t ttl_s;
	int64_t renewed_ms; /* clock_boot_ms before the last request that proved it ours */
	struct record_id id;
	bool lost;
};

/* What stands in the record. */
struct lease_text {
	char writer[ACTING_HEX]; /* "": free */
	uint64_t epoch;
	uint32_t ttl_s;
	int64_t renewed_s; /* the writer's clock: for people only */
};

/* ---- its text */

static int encode(const struct lease_text *t, char **text, size_t *len)
{
	struct buf buf;
	struct json_out o = { .to = &buf };

	buf_init(&buf, TEXT_MAX);
	json_begin(&o, NULL, '{');
	json_put_u64(&o, "lease", 1);
	json_put_text(&o, "writer", t->writer[0] ? t->writer : NULL);
	json_put_u64(&o, "epoch", t->epoch);
	json_put_u64(&o, "ttl", t->ttl_s);
	json_put_time(&o, "renewed", t->renewed_s);
	json_close(&o, '}');
	json_end_line(&o);
	return json_out_text(&o, text, len);
}

static int decode(const char *text, size_t len, struct lease_text *out)
{
	AUTO(json_free) struct json j = { 0 };
	struct lease_text t = { 0 };
	const char *line;
	size_t at = 0, line_len;

	if (!json_line(text, len, &at, &line, &line_len) || at != len)
		return EBADMSG;
	json_parse(&j, line, line_len);
	json_get_version(&j, "lease", 1);
	if (!json_get_null(&j, "writer"))
		json_get_hex_text(&j, "writer", t.writer, 16);
	json_get_u64(&j, "epoch", &t.epoch);
	json_get_u32(&j, "ttl", TTL_MOST, &t.ttl_s);
	json_get_time(&j, "renewed", &t.renewed_s);
	if (!t.epoch || !t.ttl_s)
		json_fail(&j);
	if (json_end(&j))
		return json_end(&j);
	*out = t;
	return 0;
}

/* ---- writing it */

/* Writes l's record over `old` (NULL: where none stands), with us as its holder or with nobody. */
static int write_text(struct lease *l, uint64_t epoch, bool held, const struct record_id *old, struct store_call *user)
{
	struct lease_text t = { .epoch = epoch, .ttl_s = l->ttl_s, .renewed_s = clock_wall_s() };
	struct store_call call = acting_call(l->v, user, lease_request_ms(l));
	AUTO_FREE char *text = NULL;
	struct record_id id;
	int64_t asked = clock_boot_ms();
	size_t len;
	int rc;

	if (held)
		memcpy(t.writer, l->writer, sizeof(t.writer));
	rc = encode(&t, &text, &len);
	if (!rc)
		rc = record_write(l->v, l->key, text, len, old, &id, &call);
	acting_tell(user, &call);
	if (rc)
		return rc;
	l->id = id;
	l->epoch = epoch;
	l->renewed_ms = asked;
	return 0;
}

/* ---- taking it */

/* What stands there, if anything. ENOENT. */
static int look(struct lease *l, struct lease_text *t, struct record_id *id, struct store_call *user)
{
	struct store_call call = acting_call(l->v, user, 0);
	AUTO_FREE char *text = NULL;
	size_t len;
	int rc = record_read(l->v, l->key, &text, &len, id, &call);

	if (!rc)
		rc = decode(text, len, t);
	if (rc == EBADMSG || rc == EPROTONOSUPPORT)
		log_path(LOG_ERROR, "lease", l->key, "%s: nobody acts on this tenant's backups. %s",
			 rc == EBADMSG ? "damaged" : "of a newer version of this program",
			 rc == EBADMSG ? "Where no other mount or tool is at work on it, remove this record" : "Use that version");
	acting_tell(user, &call);
	return rc;
}

/* Whether the lease of another has run out, by the server's clock alone: its answer's date against what it calls the object's age. */
static int expired(struct lease *l, const struct lease_text *t, const struct record_id *id, bool *out, int64_t *until_s, struct store_call *user)
{
	struct store_call call = acting_call(l->v, user, 0);
	struct store_meta meta;
	int rc = l->v->store->ops->head(l->v->store, l->key, &meta, &call);

	acting_tell(user, &call);
	if (rc)
		return rc == ENOENT ? ESTALE : rc;
	if (strcmp(meta.etag, id->etag) != 0)
		return ESTALE; /* renewed just now */
	*until_s = meta.modified + (int64_t)t->ttl_s;
	*out = acting_now(&call) > *until_s;
	return 0;
}

/* One look and, if it is to be had, one write. ESTALE: it changed meanwhile. */
static int try_take(struct lease *l, struct lease_holder *other, struct store_call *user)
{
	struct lease_text t;
	struct record_id id;
	bool over = true;
	int64_t until_s = 0;
	int rc = look(l, &t, &id, user);

	if (rc == ENOENT) {
		rc = write_text(l, 1, true, NULL, user);
		return rc == EEXIST ? ESTALE : rc;
	}
	if (!rc && t.writer[0] && strcmp(t.writer, l->writer) != 0)
		rc = expired(l, &t, &id, &over, &until_s, user);
	if (rc)
		return rc;
	if (over)
		return write_text(l, t.epoch + 1, true, &id, user);
	*other = (struct lease_holder){ .epoch = t.epoch, .until_s = until_s };
	memcpy(other->writer, t.writer, sizeof(other->writer));
	return EBUSY;
}

/* Into the list of those that this process holds, where no other of that tenant is. */
static bool enlist(struct lease *l)
{
	struct lease **at;

	pthread_mutex_lock(&l->v->lock);
	for (at = &l->v->leases; *at && strcmp((*at)->tenant, l->tenant) != 0; at = &(*at)->next)
		;

	bool free_place = !*at;

	if (free_place)
		*at = l;
	pthread_mutex_unlock(&l->v->lock);
	return free_place;
}

static void delist(struct lease *l)
{
	pthread_mutex_lock(&l->v->lock);
	for (struct lease **at = &l->v->leases; *at; at = &(*at)->next)
		if (*at == l) {
			*at = l->next;
			break;
		}
	pthread_mutex_unlock(&l->v->lock);
}

static struct lease *lease_new(struct vault *v, const char *tenant, uint32_t ttl_s)
{
	struct lease *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	*l = (struct lease){ .v = v, .ttl_s = ttl_s ? ttl_s : TTL_DEFAULT };
	acting_writer(v, l->writer);
	if (copy_text(l->tenant, sizeof(l->tenant), tenant) || path_record_key(&v->rules, l->key, tenant, "control", "lease")) {
		free(l);
		return NULL;
	}
	return l;
}

/* Our writer's record comes first, as with every first write: with it the store's conditions are proven. */
static int prove(struct vault *v, const char *tenant)
{
	struct run *run;
	int rc = run_of(v, tenant, &run);

	if (!rc)
		rc = run_may_publish(run);
	return rc ? rc : v->store->conditional ? 0 : EOPNOTSUPP;
}

static int take(struct lease *l, struct lease_holder *other, struct store_call *call)
{
	int rc = prove(l->v, l->tenant);

	if (rc)
		return rc;
	rc = ESTALE;
	for (unsigned i = 0; i < TAKE_TRIES && rc == ESTALE; i++)
		rc = try_take(l, other, call);
	return rc == ESTALE ? EBUSY : rc; /* it goes from hand to hand */
}

int lease_take(struct vault *v, const char *tenant, uint32_t ttl_s, struct lease **out, struct lease_holder *other, struct store_call *call)
{
	struct lease_holder nobody;

	other = other ? other : &nobody;
	*other = (struct lease_holder){ 0 };
	*out = NULL;
	if (ttl_s > TTL_MOST)
		return EINVAL;
	if (v->config.read_only)
		return EROFS;

	struct lease *l = lease_new(v, tenant, ttl_s);

	if (!l)
		return ENOMEM;
	if (!enlist(l)) {
		memcpy(other->writer, l->writer, sizeof(other->writer));
		free(l);
		return EBUSY;
	}

	int rc = take(l, other, call);

	if (rc) {
		delist(l);
		free(l);
		return rc;
	}
	*out = l;
	return 0;
}

/* ---- holding it */

uint32_t lease_request_ms(const struct lease *l)
{
	return l->ttl_s * 1000 / 3;
}

int lease_check(struct lease *l, struct store_call *call)
{
	int64_t left_ms = (int64_t)l->ttl_s * 1000 - (clock_boot_ms() - l->renewed_ms);

	if (l->lost)
		return ESTALE;
	if (left_ms > (int64_t)lease_request_ms(l) * 2) /* what is left after the next request is at least a third, too */
		return 0;

	int rc = write_text(l, l->epoch, true, &l->id, call);

	if (rc == ESTALE || rc == EEXIST) {
		l->lost = true;
		log_path(LOG_WARN, "lease", l->key, "taken by another mount or tool: nothing more is done here");
		return ESTALE;
	}
	return rc;
}

uint64_t lease_epoch(const struct lease *l)
{
	return l->epoch;
}

void lease_release(struct lease *l)
{
	if (!l)
		return;
	if (!l->lost)
		write_text(l, l->epoch, false, &l->id, NULL); /* where it fails, the lease runs out */
	delist(l);
	free(l);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/verification.h"

#include "base/clock.h"
#include "base/rand.h"
#include "fs/rounds.h"
#include "vault/audit.h"
#include "vault/verify.h"

#include <errno.h>
#include <stdio.h>

#define SHOWN 100u                /* faults in the status */
#define LOGGED 1000u              /* of one round */
#define STEP_BUSY_MS 1000
#define NOTE_AGAIN_MS (86400 * 1000) /* the audit log is read whole by every verification: a line for each round would make it long */
#define DETAIL_CAP 512u

struct damage { /* one backup that is not what its seal says */
	char stem[STEM_CAP];
	char first[DETAIL_CAP];
	uint64_t faults;
};

struct noted { /* what the audit log was told of a tenant */
	struct noted *next;
	char *tenant;
	uint64_t digest;  /* of all its faults */
	int64_t at_ms;
};

struct outcome { /* of a round */
	int64_t at_s;      /* 0: there was none */
	bool complete;
	struct verify_result result;
	uint64_t faults;
	cJSON *shown;      /* a list; owned */
};

struct verification {
	struct fs *fs;
	struct rounds *rounds; /* not for the thread, which may run before this is set */
	pthread_mutex_t lock;
	bool running;          /* these two under lock */
	struct outcome last;
	struct rounds *round;  /* the same; from here on all is the thread's own */
	struct outcome now;
	struct damage *damage; /* of the tenant at hand */
	size_t damaged, cap;
	uint64_t digest;
	struct noted *noted;
};

/* ---- what is found */

static void hash_text(uint64_t *digest, const char *text)
{
	for (; *text; text++)
		*digest = (*digest ^ (uint8_t)*text) * 0x100000001b3u;
	*digest = (*digest ^ 0xff) * 0x100000001b3u;
}

static struct damage *damage_of(struct verification *w, const char *stem)
{
	if (w->damaged && strcmp(w->damage[w->damaged - 1].stem, stem) == 0)
		return &w->damage[w->damaged - 1];
	if (w->damaged == w->cap) {
		size_t cap = w->cap ? 2 * w->cap : 8;
		struct damage *grown = reallocarray(w->damage, cap, sizeof(*grown));

		if (!grown)
			return NULL; /* it is logged all the same */
		w->damage = grown;
		w->cap = cap;
	}
	w->damage[w->damaged] = (struct damage){ 0 };
	copy_text(w->damage[w->damaged].stem, STEM_CAP, stem);
	return &w->damage[w->damaged++];
}

static void show(struct outcome *now, const char *path, const char *what, const char *detail)
{
	char printable[2 * PATH_CAP];
	cJSON *o;

	if (now->faults > SHOWN || !now->shown)
		return;
	o = cJSON_CreateObject();
	log_escape(printable, sizeof(printable), path, false);
	cJSON_AddStringToObject(o, "path", printable);
	cJSON_AddStringToObject(o, "fault", what);
	if (detail[0])
		cJSON_AddStringToObject(o, "detail", detail);
	cJSON_AddItemToArray(now->shown, o);
}

static void on_fault(void *arg, const char *tenant, const char *stem, const char *path, enum verify_fault f, const char *detail)
{
	struct verification *w = arg;
	const char *what = verify_fault_name(f), *more = detail && detail[0] ? detail : "";
	struct damage *d = damage_of(w, stem);
	char full[2 * PATH_CAP];

	snprintf(full, sizeof(full), "%s/%s", tenant, path[0] ? path : stem);
	if (++w->now.faults <= LOGGED)
		log_path(LOG_ERROR, "verify", full, "%s%s%s", what, more[0] ? ": " : "", more);
	show(&w->now, full, what, more);
	hash_text(&w->digest, full);
	hash_text(&w->digest, what);
	if (d && !d->faults++)
		snprintf(d->first, sizeof(d->first), "%s%s%s", what, path[0] ? ": " : "", path);
}

/* ---- what the audit log is told */

static struct noted *noted_of(struct verification *w, const char *tenant)
{
	struct noted *n = w->noted;

	while (n && strcmp(n->tenant, tenant) != 0)
		n = n->next;
	if (n)
		return n;
	n = calloc(1, sizeof(*n));
	if (n)
		n->tenant = strdup(tenant);
	if (!n || !n->tenant) {
		free(n);
		return NULL;
	}
	n->next = w->noted;
	w->noted = n;
	return n;
}

static void note_damage(struct verification *w, const char *tenant, const struct damage *d)
{
	char detail[DETAIL_CAP + 32];

	snprintf(detail, sizeof(detail), d->faults > 1 ? "%s, and %llu more" : "%s", d->first, (unsigned long long)d->faults - 1);
	audit_note(w->fs->vault, tenant, &(struct audit_line){ .event = AUDIT_DAMAGE, .backup = d->stem, .detail = detail, .objects = d->faults });
}

static void note(struct verification *w, const char *tenant, const struct verify_result *r)
{
	struct noted *n = noted_of(w, tenant);
	int64_t now = clock_mono_ms();
	char detail[128];

	if (n && n->at_ms && n->digest == w->digest && now - n->at_ms < NOTE_AGAIN_MS)
		return;
	for (size_t i = 0; i < w->damaged; i++)
		note_damage(w, tenant, &w->damage[i]);
	snprintf(detail, sizeof(detail), "quick: %llu sealed, %llu good, %llu bad", (unsigned long long)r->sealed, (unsigned long long)r->good, (unsigned long long)r->bad);
	audit_note(w->fs->vault, tenant, &(struct audit_line){ .event = AUDIT_VERIFIED, .detail = detail, .objects = r->objects, .bytes = r->bytes });
	if (!n)
		return;
	n->digest = w->digest;
	n->at_ms = now;
}

/* ---- a round */

static bool busy(struct fs *f)
{
	bool yes;

	fs_lock(f);
	yes = f->write_handles || f->calls;
	fs_unlock(f);
	return yes;
}

static void pace(void *arg)
{
	struct verification *w = arg;

	if (busy(w->fs))
		rounds_wait(w->round, STEP_BUSY_MS);
}

static void verify_one(struct verification *w, const char *tenant, struct rounds *rounds)
{
	struct verify_config config = { .threads = 1, .stop = rounds_stopping(rounds), .pace = pace, .fault = on_fault, .arg = w };
	struct store_call call = { .cancel = rounds_stopping(rounds) };
	struct verify_result one = { 0 };
	int rc;

	w->damaged = 0;
	w->digest = 0xcbf29ce484222325u;
	rc = verify_tenant(w->fs->vault, tenant, NULL, &config, &one, &call);
	verify_result_add(&w->now.result, &one);
	if (rc == ENOENT)
		return; /* nothing was ever written for it */
	w->now.complete &= !rc;
	if (!rc)
		note(w, tenant, &one);
	else if (rc != ECANCELED)
		log_path(LOG_ERROR, "verify", tenant, "not all could be verified: %s", strerror(rc));
}

static void publish(struct verification *w)
{
	const struct verify_result *r = &w->now.result;

	if (w->now.faults > LOGGED)
		log_msg(LOG_ERROR, "verify", "%llu more faults; pishopctl verify names them all", (unsigned long long)(w->now.faults - LOGGED));
	if (w->now.complete)
		log_msg(r->bad ? LOG_ERROR : LOG_INFO, "verify", "%llu sealed backups, %llu good, %llu bad; %llu not sealed", (unsigned long long)r->sealed,
			(unsigned long long)r->good, (unsigned long long)r->bad, (unsigned long long)r->unsealed);
	w->now.at_s = clock_wall_s();
	pthread_mutex_lock(&w->lock);
	cJSON_Delete(w->last.shown);
	w->last = w->now;
	w->running = false;
	pthread_mutex_unlock(&w->lock);
}

static void verify_all(void *arg, struct rounds *rounds)
{
	struct verification *w = arg;
	AUTO(tenant_names_free) struct tenant_names names = { 0 };
	struct store_call call = { .cancel = rounds_stopping(rounds) };
	const char *tenant = w->fs->config.tenant;
	int rc = tenant ? 0 : tenants_list(w->fs->vault, &names, &call);

	w->round = rounds;
	w->now = (struct outcome){ .complete = !rc, .shown = cJSON_CreateArray() };
	pthread_mutex_lock(&w->lock);
	w->running = true;
	pthread_mutex_unlock(&w->lock);
	if (rc && rc != ECANCELED)
		log_msg(LOG_ERROR, "verify", "the tenants cannot be listed: %s", strerror(rc));
	if (tenant)
		verify_one(w, tenant, rounds);
	for (size_t i = 0; i < names.count && !atomic_load(rounds_stopping(rounds)); i++)
		verify_one(w, names.names[i], rounds);
	publish(w);
}

/* ---- life */

int verification_start(struct fs *f)
{
	int64_t interval_ms = f->config.verify_interval_s * 1000;
	struct verification *w;
	int rc;

	if (!interval_ms)
		return 0;
	w = calloc(1, sizeof(*w));
	if (!w)
		return ENOMEM;
	w->fs = f;
	pthread_mutex_init(&w->lock, NULL);
	f->verification = w;
	rc = rounds_start((int64_t)rand_below((uint32_t)f->config.verify_interval_s) * 1000 + rand_below(1000), interval_ms, verify_all, w, &w->rounds);
	if (rc)
		verification_free(f);
	return rc;
}

void verification_end(struct fs *f)
{
	if (!f->verification)
		return;
	rounds_stop(f->verification->rounds);
	f->verification->rounds = NULL;
}

void verification_free(struct fs *f)
{
	struct verification *w = f->verification;

	if (!w)
		return;
	while (w->noted) {
		struct noted *n = w->noted;

		w->noted = n->next;
		free(n->tenant);
		free(n);
	}
	free(w->damage);
	cJSON_Delete(w->last.shown);
	pthread_mutex_destroy(&w->lock);
	free(w);
	f->verification = NULL;
}

/* ---- the status */

static void add_last(cJSON *o, const struct outcome *last)
{
	char at[24];

	clock_format_utc(at, last->at_s);
	cJSON_AddStringToObject(o, "last", at);
	cJSON_AddBoolToObject(o, "complete", last->complete);
	cJSON_AddNumberToObject(o, "sealed", (double)last->result.sealed);
	cJSON_AddNumberToObject(o, "good", (double)last->result.good);
	cJSON_AddNumberToObject(o, "bad", (double)last->result.bad);
	cJSON_AddNumberToObject(o, "unsealed", (double)last->result.unsealed);
	cJSON_AddItemToObject(o, "faults", cJSON_Duplicate(last->shown, true));
}

void verification_status(struct fs *f, cJSON *to)
{
	struct verification *w = f->verification;
	cJSON *o;

	if (!w) {
		cJSON_AddNullToObject(to, "verification");
		return;
	}
	o = cJSON_AddObjectToObject(to, "verification");
	cJSON_AddNumberToObject(o, "interval_s", (double)f->config.verify_interval_s);
	pthread_mutex_lock(&w->lock);
	cJSON_AddBoolToObject(o, "running", w->running);
	if (w->last.at_s)
		add_last(o, &w->last);
	else
		cJSON_AddNullToObject(o, "last");
	pthread_mutex_unlock(&w->lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/catalog_private.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/rand.h"
#include "vault/crew.h"
#include "vault/verify_audit.h"
#include "vault/verify_memory.h"

#include <errno.h>

/* Verification of a tenant: its rows as listed, each with a seal compared with what stands. What has no seal is judged by the audit log alone.
 * Backups change while this goes on: what looks wrong is told only when neither a record of reopening nor another seal says that somebody is at it; and a seal that the log knows
 * of, and that is not there, only when the log, read anew at the end, still does. */

#define LOOKS 3u /* while its seal is replaced again and again */

const char *verify_fault_name(enum verify_fault f)
{
	static const char *const names[] = {
		[VERIFY_MISSING] = "missing",		[VERIFY_EXTRA] = "extra",     [VERIFY_REPLACED] = "replaced",
		[VERIFY_SIZE] = "wrong size",		[VERIFY_DAMAGED] = "damaged", [VERIFY_FOREIGN] = "foreign",
		[VERIFY_ATTRS] = "other attributes",	[VERIFY_KEY] = "another key", [VERIFY_SEAL_MISSING] = "seal missing",
		[VERIFY_SEAL_OLD] = "seal rolled back", [VERIFY_SEAL_DAMAGED] = "seal damaged", [VERIFY_UNREADABLE] = "unreadable",
	};

	return (size_t)f < ARRAY_LEN(names) ? names[f] : "?";
}

struct verifying {
	struct scan scan;
	struct meter meter;
	struct known_seals *known;
	struct verify_memory memory;
	bool remembers;            /* memory is of use */
	struct share share;
	struct row **rows;
	size_t count;
	unsigned threads;          /* for one row */
	struct faults gone;        /* by stem: no seal, but the log says that there was one. Under the meter's lock */
	bool unreadable;           /* something could not be read. Under the meter's lock */
	struct verify_result *out; /* under the meter's lock */
};

enum verdict { GOOD, BAD, NOT_SEALED };

static void count(struct verifying *w, enum verdict verdict, uint64_t objects, uint64_t bytes)
{
	pthread_mutex_lock(&w->meter.lock);
	w->out->good += verdict == GOOD;
	w->out->bad += verdict == BAD;
	w->out->unsealed += verdict == NOT_SEALED;
	w->out->sealed += verdict != NOT_SEALED;
	w->out->objects += objects;
	w->out->bytes += bytes;
	pthread_mutex_unlock(&w->meter.lock);
	meter_add(&w->meter, 1, 0, 0);
}

/* Of the backup as a whole. */
static void tell(struct verifying *w, const char *stem, enum verify_fault f, const char *detail)
{
	AUTO(faults_free) struct faults one = { 0 };

	faults_add(&one, "", f, detail);
	meter_faults(&w->meter, w->scan.tenant, stem, &one);
}

/* ---- without a seal */

static void without_seal(struct verifying *w, const char *stem, uint64_t objects)
{
	const struct known_seal *k = known_seals_find(w->known, stem);

	if (!k || !k->stands) {
		count(w, NOT_SEALED, objects, 0);
		return;
	}
	pthread_mutex_lock(&w->meter.lock);
	faults_add(&w->gone, stem, VERIFY_SEAL_MISSING,
		   objects ? "the audit log says that it was sealed" : "the audit log says that it was sealed; none of its objects stands");
	w->out->objects += objects;
	pthread_mutex_unlock(&w->meter.lock);
}

/* What the log says was sealed, and of which neither seal nor object is left. */
static void look_for_gone(struct verifying *w)
{
	for (const struct known_seal *k = known_seals_next(w->known, NULL); k; k = known_seals_next(w->known, k))
		if (k->stands && !scan_find(&w->scan, k->stem) && (!w->scan.only || strcmp(w->scan.only, k->stem) == 0))
			without_seal(w, k->stem, 0);
}

/* Whether there is a seal or a tombstone by now. */
static int is_back(struct verifying *w, const char *stem, bool *yes)
{
	static const char *const kinds[] = { "seals", "tombstones" };
	int rc = ENOENT;

	for (size_t i = 0; i < ARRAY_LEN(kinds) && rc == ENOENT; i++) {
		struct store_call call = acting_call(w->scan.v, w->scan.call, 0);
		struct store_meta meta;
		char key[PATH_CAP];

		rc = path_record_key(&w->scan.v->rules, key, w->scan.tenant, kinds[i], stem);
		if (!rc)
			rc = w->scan.v->store->ops->head(w->scan.v->store, key, &meta, &call);
	}
	*yes = !rc;
	return rc == ENOENT ? 0 : rc;
}

/* The log of the beginning may have been behind: it is read anew. One that cannot be read whole now takes nothing back. */
static int judge_gone(struct verifying *w)
{
	AUTO(auto_known_seals_free) struct known_seals *now = NULL;
	char why[256];
	int rc;

	if (!w->gone.count)
		return w->gone.failed ? ENOMEM : 0;
	rc = known_seals_read(w->scan.v, w->scan.tenant, &now, why, sizeof(why), w->scan.call);
	if (rc && !counts_for_nothing(rc))
		return rc;
	for (size_t i = 0; i < w->gone.count; i++) {
		const struct fault *f = &w->gone.list[i];
		const struct known_seal *k = rc ? NULL : known_seals_find(now, f->path);
		bool back = false;
		int failed = rc || (k && k->stands) ? is_back(w, f->path, &back) : 0;
		bool missing = (rc || (k && k->stands)) && !back;

		if (failed)
			return failed;
		if (missing)
			tell(w, f->path, f->what, f->detail);
		count(w, missing ? BAD : NOT_SEALED, 0, 0);
	}
	return w->gone.failed ? ENOMEM : 0;
}

/* ---- with one */

/* The log is a minute behind: a seal that it has not heard of may be new; one that it knows as replaced is old. */
static bool is_old(const struct verifying *w, const char *stem, const struct record_id *id)
{
	char hex[ACTING_HEX];

	hex_encode(hex, id->object, sizeof(id->object));
	return known_seals_older(w->known, stem, hex);
}

static bool already_read(struct verifying *w, const struct record_id *id)
{
	return w->meter.config->resume && w->remembers && verify_memory_has(&w->memory, id->object);
}

struct found { /* of one backup */
	struct faults faults;
	struct verified verified;
	uint64_t objects;
	bool open; /* it is not what its seal lists, and somebody is changing it */
};

static int judge(struct verifying *w, const struct seal *seal, const struct record_id *id, bool resumed, struct found *f)
{
	bool old = is_old(w, seal->stem, id);
	enum verdict verdict = f->open ? NOT_SEALED : old || f->verified.faults ? BAD : GOOD;

	if (f->open)
		faults_free(&f->faults);
	if (old)
		faults_add(&f->faults, "", VERIFY_SEAL_OLD, "the audit log knows of a later one");
	meter_faults(&w->meter, w->scan.tenant, seal->stem, &f->faults);
	count(w, verdict, f->objects, seal->bytes);
	pthread_mutex_lock(&w->meter.lock);
	w->unreadable |= f->verified.error != 0;
	w->out->resumed += verdict == GOOD && resumed;
	pthread_mutex_unlock(&w->meter.lock);
	return verdict == GOOD && w->remembers && w->meter.config->full && !resumed ?
		       verify_memory_add(w->scan.v, w->scan.tenant, &w->memory, id->object, w->scan.call) :
		       0;
}

/* *again: its seal was replaced meanwhile, or went. */
static int compare(struct verifying *w, const struct seal *seal, const struct record_id *id, bool *again)
{
	AUTO(members_free) struct members m = { 0 };
	struct found f = { 0 };
	bool resumed = already_read(w, id), same = true;
	struct verify_how how = { .decrypt = (w->meter.config->full || w->meter.config->sample) && !resumed, .share = w->share, .threads = w->threads, .faults = &f.faults };
	int rc = members_list(w->scan.v, w->scan.tenant, seal->stem, &m, w->scan.call);

	f.objects = m.count;
	if (!rc)
		rc = verify_members(w->scan.v, seal, m.list, m.count, &w->meter, &how, &f.verified, w->scan.call);
	if (!rc && f.faults.failed)
		rc = ENOMEM;
	if (!rc && f.verified.faults)
		rc = reopened(&w->scan, seal->stem, &f.open);
	if (!rc && f.verified.faults && !f.open)
		rc = still_sealed_so(&w->scan, seal->stem, id, &same);
	*again = !same;
	if (!rc && same)
		rc = judge(w, seal, id, resumed, &f);
	faults_free(&f.faults);
	return rc;
}

/* ENOENT: there is no seal any more. */
static int with_seal(struct verifying *w, const struct row *r, bool *again)
{
	AUTO(seal_free) struct seal seal = { 0 };
	struct store_call call = acting_call(w->scan.v, w->scan.call, 0);
	struct record_id id;
	int rc = seal_read(w->scan.v, w->scan.tenant, r->b.stem, &seal, &id, &call);

	*again = false;
	if (!rc)
		return compare(w, &seal, &id, again);
	if (!counts_for_nothing(rc))
		return rc;
	tell(w, r->b.stem, rc == ENOKEY ? VERIFY_KEY : VERIFY_SEAL_DAMAGED, seal_trouble(rc));
	count(w, BAD, r->b.objects, 0);
	return 0;
}

static int verify_one(void *arg, size_t i)
{
	struct verifying *w = arg;
	const struct row *r = w->rows[i];
	bool again = true;
	int rc = meter_go_on(&w->meter, w->scan.call);

	if (rc)
		return rc;
	if (!r->b.seal_etag[0])
		rc = ENOENT;
	for (unsigned looks = 0; looks < LOOKS && !rc && again; looks++)
		rc = with_seal(w, r, &again);
	if (rc == ENOENT)
		without_seal(w, r->b.stem, r->b.objects);
	else if (!rc && again)
		count(w, NOT_SEALED, r->b.objects, 0); /* somebody seals it again and again */
	return rc == ENOENT ? 0 : rc;
}

/* ---- a tenant */

/* What progress is measured by, where bytes are decrypted. */
static uint64_t bytes_due(const struct verifying *w, uint64_t bytes)
{
	if (w->meter.config->full)
		return bytes;
	return w->share.rounds ? bytes / w->share.rounds : 0;
}

static int verify_rows(struct verifying *w)
{
	AUTO_FREE struct row **rows = calloc(HASH_COUNT(w->scan.rows) + 1, sizeof(*rows));
	int rc;

	if (!rows)
		return ENOMEM;
	for (struct row *r = w->scan.rows; r; r = r->hh.next) {
		if (r->tombstone)
			continue; /* deleted */
		rows[w->count++] = r;
		w->meter.progress.objects_all += r->b.objects;
		w->meter.progress.bytes_all += bytes_due(w, r->b.bytes);
	}
	w->rows = rows;
	w->meter.progress.backups_all = w->count;
	w->threads = crew_share(w->meter.config->threads, w->count);
	rc = crew_run(w->meter.config->threads, w->count, verify_one, w);
	if (!rc)
		look_for_gone(w);
	return rc ? rc : judge_gone(w);
}

/* A log that cannot be read whole is told, and fails the verification: but what can be verified is. This process's own lines go there first. */
static int read_log(struct verifying *w, int *damaged)
{
	char why[256] = "";
	int rc;

	audit_flush(w->scan.v, w->scan.tenant, w->scan.call);
	rc = known_seals_read(w->scan.v, w->scan.tenant, &w->known, why, sizeof(why), w->scan.call);
	*damaged = counts_for_nothing(rc) ? rc : 0;
	if (*damaged)
		log_msg(LOG_ERROR, "verify", "%s: its audit log is not whole (%s): whether all seals are there that should be cannot be told", w->scan.tenant, why);
	return *damaged ? 0 : rc;
}

/* ---- what is remembered */

static void begin_full(struct verifying *w)
{
	struct verify_memory *m = &w->memory;
	int64_t now_s = clock_wall_s();
	char since[24];

	if (w->meter.config->resume && m->since_s && now_s - m->since_s <= VERIFY_RESUME_S) {
		clock_format_utc(since, m->since_s);
		log_msg(LOG_INFO, "verify", "%s: going on with the run of %s: %zu backups are not decrypted again", w->scan.tenant, since, m->count);
		return;
	}
	if (w->meter.config->resume)
		log_msg(LOG_INFO, "verify", "%s: there is no run to go on with: everything is decrypted", w->scan.tenant);
	verify_memory_restart(m, now_s);
}

/* Which part of the bytes has its turn. Where nothing can be remembered it is drawn: then only chance covers all of them. */
static void begin_sample(struct verifying *w)
{
	uint64_t run = w->memory.samples;
	bool drawn = !w->remembers || w->memory.unusable;

	if (drawn)
		rand_bytes(&run, sizeof(run));
	w->share = share_of(w->meter.config->sample, run);
	w->out->part = w->share.turn + 1;
	w->out->parts = w->share.rounds;
	if (drawn)
		log_msg(LOG_WARN, "verify", "%s: a part drawn at random, %u of %u, is decrypted", w->scan.tenant, w->out->part, w->out->parts);
}

/* It is written at once: so that a run that is killed early is begun anew by the next, and that it is known now whether it can be written. */
static int begin(struct verifying *w)
{
	const struct verify_config *config = w->meter.config;
	int rc = 0;

	if (!config->full && !config->sample)
		return 0;
	w->remembers = !w->scan.only;
	if (w->remembers)
		rc = verify_memory_read(w->scan.v, w->scan.tenant, &w->memory, w->scan.call);
	if (!rc && w->remembers && config->full)
		begin_full(w);
	if (!rc && w->remembers)
		rc = verify_memory_write(w->scan.v, w->scan.tenant, &w->memory, w->scan.call);
	if (!rc && config->sample)
		begin_sample(w);
	return rc;
}

/* Also where it was stopped: what was found until then is not lost. A part of which something could not be read has its turn again. */
static void end(struct verifying *w, int rc)
{
	struct store_call call = { .timeout_ms = 5000 };
	bool complete = !rc && !w->unreadable;

	if (!w->remembers || w->memory.unusable || (rc && !w->meter.config->full))
		return;
	if (complete && w->meter.config->full)
		verify_memory_restart(&w->memory, 0);
	else if (complete)
		w->memory.samples++;
	verify_memory_write(w->scan.v, w->scan.tenant, &w->memory, &call);
}

int verify_tenant(struct vault *v, const char *tenant, const char *stem, const struct verify_config *config, struct verify_result *out, struct store_call *call)
{
	struct verify_result before = *out;
	struct verifying w = { .scan = { .v = v, .tenant = tenant, .only = stem, .call = call }, .meter = { .config = config, .lock = PTHREAD_MUTEX_INITIALIZER },
			       .out = out };
	int damaged = 0;
	int rc = scan_read(&w.scan);
	bool nothing = !rc && !w.scan.rows;

	verify_memory_init(&w.memory);
	if (!rc)
		rc = read_log(&w, &damaged);
	if (!rc && w.scan.rows)
		rc = begin(&w);
	if (!rc)
		rc = verify_rows(&w);
	end(&w, rc);
	if (!rc && nothing && memcmp(&before, out, sizeof(before)) == 0)
		rc = stem || !w.scan.exists ? ENOENT : 0;
	out->decrypted += w.meter.progress.bytes;
	verify_memory_free(&w.memory);
	faults_free(&w.gone);
	known_seals_free(w.known);
	scan_free(&w.scan);
	return rc ? rc : damaged;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/catalog_private.h"

#include "base/buf.h"
#include "base/log.h"
#include "vault/crew.h"
#include "vault/verify_audit.h"

#include <errno.h>

/* Verification of a tenant: its rows as listed, each with a seal compared with what stands. What has no seal is judged by the audit log alone. */

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
	struct row **rows;
	size_t count;
	unsigned threads;          /* for one row */
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

static void tell(struct verifying *w, const char *stem, enum verify_fault f, const char *detail)
{
	struct seal none = { 0 };

	copy_text(none.tenant, sizeof(none.tenant), w->scan.tenant);
	copy_text(none.stem, sizeof(none.stem), stem);
	meter_fault(&w->meter, &none, "", f, detail);
}

static void without_seal(struct verifying *w, const char *stem, uint64_t objects)
{
	const struct known_seal *k = known_seals_find(w->known, stem);
	bool missing = k && k->stands;

	if (missing)
		tell(w, stem, VERIFY_SEAL_MISSING, objects ? "the audit log says that it was sealed" : "the audit log says that it was sealed; none of its objects stands");
	count(w, missing ? BAD : NOT_SEALED, objects, 0);
}

/* The log is a minute behind: a seal that it has not heard of may be new; one that it knows as replaced is old. */
static bool is_old(const struct verifying *w, const char *stem, const struct record_id *id)
{
	char hex[ACTING_HEX];

	hex_encode(hex, id->object, sizeof(id->object));
	return known_seals_older(w->known, stem, hex);
}

/* Where it is being changed nothing is a fault: it is not sealed until it is sealed anew. */
static int compare(struct verifying *w, const struct seal *seal, bool old, bool open)
{
	AUTO(members_free) struct members m = { 0 };
	struct verified found = { 0 };
	int rc = members_list(w->scan.v, w->scan.tenant, seal->stem, &m, w->scan.call);

	if (!rc)
		rc = verify_members(w->scan.v, seal, m.list, m.count, &w->meter, w->threads, open, &found, w->scan.call);
	if (rc)
		return rc;
	if (old)
		tell(w, seal->stem, VERIFY_SEAL_OLD, "the audit log knows of a later one");
	count(w, open && found.faults ? NOT_SEALED : old || found.faults ? BAD : GOOD, m.count, seal->bytes);
	return 0;
}

static int with_seal(struct verifying *w, const struct row *r)
{
	AUTO(seal_free) struct seal seal = { 0 };
	struct store_call call = acting_call(w->scan.v, w->scan.call, 0);
	struct record_id id;
	bool open = false;
	int rc = seal_read(w->scan.v, w->scan.tenant, r->b.stem, &seal, &id, &call);

	if (counts_for_nothing(rc)) {
		tell(w, r->b.stem, rc == ENOKEY ? VERIFY_KEY : VERIFY_SEAL_DAMAGED, seal_trouble(rc));
		count(w, BAD, r->b.objects, 0);
		return 0;
	}
	if (!rc)
		rc = reopened(&w->scan, r->b.stem, &open);
	return rc ? rc : compare(w, &seal, is_old(w, r->b.stem, &id), open);
}

static int verify_one(void *arg, size_t i)
{
	struct verifying *w = arg;
	const struct row *r = w->rows[i];
	const atomic_bool *stop = w->meter.config->stop;
	int rc = stop && atomic_load(stop) ? ECANCELED : acting_stopped(w->scan.call);

	if (rc)
		return rc;
	if (r->b.seal_etag[0])
		rc = with_seal(w, r);
	if (rc == ENOENT || !r->b.seal_etag[0]) {
		without_seal(w, r->b.stem, r->b.objects);
		rc = 0;
	}
	return rc;
}

/* What the log says was sealed, and of which neither seal nor object is left. */
static void look_for_gone(struct verifying *w)
{
	for (const struct known_seal *k = known_seals_next(w->known, NULL); k; k = known_seals_next(w->known, k))
		if (k->stands && !scan_find(&w->scan, k->stem) && (!w->scan.only || strcmp(w->scan.only, k->stem) == 0))
			without_seal(w, k->stem, 0);
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
		w->meter.progress.bytes_all += r->b.bytes;
	}
	w->rows = rows;
	w->meter.progress.backups_all = w->count;
	w->threads = crew_share(w->meter.config->threads, w->count);
	rc = crew_run(w->meter.config->threads, w->count, verify_one, w);
	if (!rc)
		look_for_gone(w);
	return rc;
}

/* A log that cannot be read whole is told, and fails the verification: but what can be verified is. */
static int read_log(struct verifying *w, int *damaged)
{
	char why[256] = "";
	int rc = known_seals_read(w->scan.v, w->scan.tenant, &w->known, why, sizeof(why), w->scan.call);

	*damaged = counts_for_nothing(rc) ? rc : 0;
	if (*damaged)
		log_msg(LOG_ERROR, "verify", "%s: its audit log is not whole (%s): whether all seals are there that should be cannot be told", w->scan.tenant, why);
	return *damaged ? 0 : rc;
}

int verify_tenant(struct vault *v, const char *tenant, const char *stem, const struct verify_config *config, struct verify_result *out, struct store_call *call)
{
	struct verify_result before = *out;
	struct verifying w = { .scan = { .v = v, .tenant = tenant, .only = stem, .call = call }, .meter = { .config = config, .lock = PTHREAD_MUTEX_INITIALIZER },
			       .out = out };
	int damaged = 0;
	int rc = scan_read(&w.scan);

	if (!rc)
		rc = read_log(&w, &damaged);
	if (!rc)
		rc = verify_rows(&w);
	if (!rc && !w.scan.rows && memcmp(&before, out, sizeof(before)) == 0)
		rc = stem || !w.scan.exists ? ENOENT : 0;
	known_seals_free(w.known);
	scan_free(&w.scan);
	return rc ? rc : damaged;
}

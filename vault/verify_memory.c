/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/verify_memory.h"

#include "base/log.h"
#include "vault/acting.h"
#include "vault/catalog_private.h"
#include "vault/json.h"

#include <errno.h>

#define WRITE_EVERY_MS 10000 /* a run that is killed does so much again */

void verify_memory_init(struct verify_memory *m)
{
	*m = (struct verify_memory){ .lock = PTHREAD_MUTEX_INITIALIZER };
}

void verify_memory_free(struct verify_memory *m)
{
	free(m->good);
	pthread_mutex_destroy(&m->lock);
	verify_memory_init(m);
}

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

static int add(struct verify_memory *m, const uint8_t seal[16])
{
	if (m->count == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 64;
		uint8_t(*grown)[16] = reallocarray(m->good, cap, sizeof(*grown));

		if (!grown)
			return ENOMEM;
		m->good = grown;
		m->cap = cap;
	}
	memcpy(m->good[m->count++], seal, 16);
	return 0;
}

void verify_memory_restart(struct verify_memory *m, int64_t now_s)
{
	m->since_s = now_s;
	m->count = m->sorted = 0;
}

bool verify_memory_has(struct verify_memory *m, const uint8_t seal[16])
{
	bool has;

	pthread_mutex_lock(&m->lock);
	has = m->sorted && bsearch(seal, m->good, m->sorted, sizeof(*m->good), by_id);
	pthread_mutex_unlock(&m->lock);
	return has;
}

/* ---- its text */

int verify_memory_encode(struct verify_memory *m, char **text, size_t *len)
{
	struct buf buf;
	struct json_out o = { .to = &buf };

	if (m->count)
		qsort(m->good, m->count, sizeof(*m->good), by_id);
	m->sorted = m->count;
	buf_init(&buf, RECORD_MAX);
	json_begin(&o, NULL, '{');
	json_put_u64(&o, "verify", 1);
	json_put_u64(&o, "samples", m->samples);
	if (m->since_s)
		json_put_time(&o, "since", m->since_s);
	else
		json_put_text(&o, "since", NULL);
	json_close(&o, '}');
	json_end_line(&o);
	for (size_t i = 0; i < m->count && !o.rc; i++) {
		json_begin(&o, NULL, '{');
		json_put_hex(&o, "seal", m->good[i], sizeof(m->good[i]));
		json_close(&o, '}');
		json_end_line(&o);
	}
	return json_out_text(&o, text, len);
}

static int decode_head(const char *line, size_t len, struct verify_memory *m)
{
	AUTO(json_free) struct json j = { 0 };

	json_parse(&j, line, len);
	json_get_version(&j, "verify", 1);
	json_get_u64(&j, "samples", &m->samples);
	if (!json_get_null(&j, "since"))
		json_get_time(&j, "since", &m->since_s);
	return json_end(&j);
}

static int decode_good(const char *line, size_t len, struct verify_memory *m)
{
	AUTO(json_free) struct json j = { 0 };
	uint8_t seal[16];

	json_parse(&j, line, len);
	json_get_hex(&j, "seal", seal, sizeof(seal));
	if (json_end(&j))
		return json_end(&j);
	if (!m->since_s || (m->count && by_id(m->good[m->count - 1], seal) >= 0))
		return EBADMSG; /* of no run; or not as it is written: ascending, none twice */
	return add(m, seal);
}

int verify_memory_decode(const char *text, size_t len, struct verify_memory *m)
{
	size_t at = 0, line_len;
	const char *line;
	int rc = json_line(text, len, &at, &line, &line_len) ? decode_head(line, line_len, m) : EBADMSG;

	while (!rc && json_line(text, len, &at, &line, &line_len))
		rc = decode_good(line, line_len, m);
	m->sorted = m->count;
	return rc ? rc : at == len ? 0 : EBADMSG;
}

/* ---- the record */

/* Nothing of it counts. */
static void forget(struct verify_memory *m)
{
	m->samples = 0;
	m->since_s = 0;
	m->count = m->sorted = 0;
}

static void cannot(struct verify_memory *m, const char *tenant, const char *why, bool for_good)
{
	if (!m->unusable)
		log_msg(LOG_WARN, "verify", "%s: how far verification is cannot be remembered: %s", tenant, why);
	m->unusable |= for_good;
}

int verify_memory_read(struct vault *v, const char *tenant, struct verify_memory *m, struct store_call *user)
{
	struct store_call call = acting_call(v, user, 0);
	AUTO_FREE char *text = NULL;
	char key[PATH_CAP];
	size_t len;
	int rc = path_record_key(&v->rules, key, tenant, "control", "verify");

	if (!rc)
		rc = record_read(v, key, &text, &len, &m->id, &call);
	acting_tell(user, &call);
	if (rc == ENOENT)
		return 0;
	if (!rc)
		rc = verify_memory_decode(text, len, m);
	m->stands = true;
	if (!rc || !counts_for_nothing(rc))
		return rc;
	forget(m);
	m->damaged = rc == EBADMSG;
	if (!m->damaged)
		cannot(m, tenant, rc == ENOKEY ? "its record is of another key" : "its record is of a newer version of this program", true);
	return 0;
}

/* One that is damaged says nothing that could be lost. */
static int write_record(struct vault *v, const char *key, struct verify_memory *m, const char *text, size_t len, struct store_call *call)
{
	struct record_id id;
	int rc = m->damaged ? record_remove(v, key, call) : 0;

	if (!rc)
		rc = record_write(v, key, text, len, m->stands && !m->damaged ? &m->id : NULL, &id, call);
	if (rc)
		return rc;
	m->id = id;
	m->stands = true;
	m->damaged = false;
	return 0;
}

/* With the lock held. */
static int write_now(struct vault *v, const char *tenant, struct verify_memory *m, struct store_call *user)
{
	struct store_call call = acting_call(v, user, 0);
	AUTO_FREE char *text = NULL;
	char key[PATH_CAP];
	size_t len;
	int rc = m->unusable ? EROFS : path_record_key(&v->rules, key, tenant, "control", "verify");

	m->written_ms = clock_mono_ms();
	if (!rc)
		rc = verify_memory_encode(m, &text, &len);
	if (!rc)
		rc = write_record(v, key, m, text, len, &call);
	acting_tell(user, &call);
	if (!rc || rc == ECANCELED || rc == ENOMEM)
		return rc;
	cannot(m, tenant, rc == ESTALE || rc == EEXIST ? "another verification is going on" : strerror(rc), !vault_may_pass(rc));
	return 0;
}

int verify_memory_write(struct vault *v, const char *tenant, struct verify_memory *m, struct store_call *call)
{
	int rc;

	pthread_mutex_lock(&m->lock);
	rc = write_now(v, tenant, m, call);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

int verify_memory_add(struct vault *v, const char *tenant, struct verify_memory *m, const uint8_t seal[16], struct store_call *call)
{
	int rc = 0;

	pthread_mutex_lock(&m->lock);
	if (!m->unusable)
		rc = add(m, seal);
	if (!rc && !m->unusable && clock_mono_ms() - m->written_ms >= WRITE_EVERY_MS)
		rc = write_now(v, tenant, m, call);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

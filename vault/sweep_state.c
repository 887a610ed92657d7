/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/sweep_private.h"

#include "base/log.h"
#include "vault/json.h"

#include <errno.h>

/* What retention remembers from run to run (docs/format.md §13). No process lives long, so the bucket has it. The lines about backups spare requests; a reader needs none
 * of them. */

#define LINE_POLICY_MAX 1024u

static const char *const state_names[] = { "open", "settling", "sealed", "unsealed", "partial", "damaged", "deleted" };

void sweep_state_free(struct sweep_state *s)
{
	if (!s)
		return;
	free(s->memory.known);
	*s = (struct sweep_state){ 0 };
}

/* ---- writing */

/* The members of a policy's own record, within an object of that name. */
static void put_policy(struct json_out *o, const char *name, const struct policy *p)
{
	AUTO_FREE char *text = NULL;
	size_t len;

	if (!p) {
		json_put_text(o, name, NULL);
		return;
	}
	if (policy_encode(p, &text)) {
		o->rc = o->rc ? o->rc : ENOMEM;
		return;
	}
	len = strcspn(text, "\n");
	json_begin(o, name, '{');
	if (!o->rc && len >= 2)
		o->rc = buf_put(o->to, text + 1, len - 2);
	json_close(o, '}');
}

static void put_time(struct json_out *o, const char *name, int64_t s)
{
	if (s)
		json_put_time(o, name, s);
	else
		json_put_text(o, name, NULL);
}

static void put_head(struct json_out *o, const struct sweep_state *s)
{
	json_begin(o, NULL, '{');
	json_put_u64(o, "retention", 1);
	put_time(o, "run", s->run_s);
	json_put_time(o, "high", s->high_s);
	json_put_u64(o, "backups", s->backups);
	put_policy(o, "policy", &s->policy);
	json_put_time(o, "policy_since", s->policy_since_s);
	put_policy(o, "next", s->has_next ? &s->next : NULL);
	put_time(o, "next_since", s->has_next ? s->next_since_s : 0);
	json_put_u64(o, "audit", s->audit);
	json_put_text(o, "audit_hash", s->audit_hash);
	json_close(o, '}');
	json_end_line(o);
}

static void put_backup(struct json_out *o, const struct backup *b)
{
	json_begin(o, NULL, '{');
	json_put_text(o, "backup", b->stem);
	json_put_text(o, "seal", b->seal_etag);
	json_put_hex(o, "listed", b->listed, sizeof(b->listed));
	json_put_text(o, "state", state_names[b->state]);
	json_put_text(o, "reason", b->reason);
	json_put_bool(o, "timed", b->timed);
	json_put_bool(o, "imported", b->imported);
	json_put_bool(o, "foreign", b->foreign);
	json_put_time(o, "time", b->time_s);
	json_put_time(o, "committed", b->committed_s);
	put_time(o, "sealed", b->sealed_s);
	json_put_u64(o, "bytes", b->bytes);
	json_put_u64(o, "objects", b->objects);
	json_put_u64(o, "scratch", b->scratch);
	json_close(o, '}');
	json_end_line(o);
}

int sweep_state_encode(const struct sweep_state *s, const struct catalog *catalog, char **text, size_t *len)
{
	struct buf buf;
	struct json_out o = { .to = &buf };

	buf_init(&buf, RECORD_MAX);
	put_head(&o, s);
	/* Open and settling ones change without their objects: they are looked at anew anyway. */
	for (size_t i = 0; i < catalog->count && !o.rc; i++)
		if (catalog->backups[i].state != BACKUP_OPEN && catalog->backups[i].state != BACKUP_SETTLING && catalog->backups[i].state != BACKUP_DELETED)
			put_backup(&o, &catalog->backups[i]);
	return json_out_text(&o, text, len);
}

/* ---- reading */

static void get_time_or_null(struct json *j, const char *name, int64_t *out)
{
	if (!json_get_null(j, name))
		json_get_time(j, name, out);
}

/* The object under that name, read as a policy's own record. True: it was null. */
static bool get_policy(struct json *j, const char *name, struct policy *out)
{
	struct json inner;
	char *text;
	int rc;

	if (json_get_null(j, name))
		return true;
	json_get_object(j, name, &inner);
	if (j->rc)
		return false;
	text = cJSON_PrintUnformatted(inner.object);
	rc = text ? policy_decode(text, strlen(text), out) : ENOMEM;
	cJSON_free(text);
	if (rc)
		j->rc = rc;
	return false;
}

static int decode_head(const char *line, size_t len, struct sweep_state *s)
{
	AUTO(json_free) struct json j = { 0 };
	bool no_next;

	json_parse(&j, line, len);
	json_get_version(&j, "retention", 1);
	get_time_or_null(&j, "run", &s->run_s);
	json_get_time(&j, "high", &s->high_s);
	json_get_u64(&j, "backups", &s->backups);
	if (get_policy(&j, "policy", &s->policy))
		json_fail(&j);
	json_get_time(&j, "policy_since", &s->policy_since_s);
	no_next = get_policy(&j, "next", &s->next);
	get_time_or_null(&j, "next_since", &s->next_since_s);
	json_get_u64(&j, "audit", &s->audit);
	json_get_hex_text(&j, "audit_hash", s->audit_hash, DIGEST_BYTES);
	s->has_next = !no_next;
	if (s->has_next != (s->next_since_s != 0))
		json_fail(&j);
	return json_end(&j);
}

static int decode_backup(const char *line, size_t len, struct backup *b)
{
	AUTO(json_free) struct json j = { 0 };
	unsigned state = 0;

	json_parse(&j, line, len);
	json_get_text(&j, "backup", b->stem, sizeof(b->stem));
	json_get_any_text(&j, "seal", b->seal_etag, sizeof(b->seal_etag));
	json_get_hex(&j, "listed", b->listed, sizeof(b->listed));
	json_get_word(&j, "state", state_names, ARRAY_LEN(state_names), &state);
	json_get_any_text(&j, "reason", b->reason, sizeof(b->reason));
	json_get_bool(&j, "timed", &b->timed);
	json_get_bool(&j, "imported", &b->imported);
	json_get_bool(&j, "foreign", &b->foreign);
	json_get_time(&j, "time", &b->time_s);
	json_get_time(&j, "committed", &b->committed_s);
	get_time_or_null(&j, "sealed", &b->sealed_s);
	json_get_u64(&j, "bytes", &b->bytes);
	json_get_u64(&j, "objects", &b->objects);
	json_get_u64(&j, "scratch", &b->scratch);
	b->state = (enum backup_state)state;
	return json_end(&j);
}

static int by_stem(const void *a, const void *b)
{
	return strcmp(((const struct backup *)a)->stem, ((const struct backup *)b)->stem);
}

static int decode_backups(const char *text, size_t len, size_t at, struct catalog_memory *m)
{
	size_t cap = 0, line_len;
	const char *line;

	while (json_line(text, len, &at, &line, &line_len)) {
		if (m->count == cap) {
			cap = cap ? 2 * cap : 64;

			struct backup *grown = realloc(m->known, cap * sizeof(*grown));

			if (!grown)
				return ENOMEM;
			m->known = grown;
		}
		m->known[m->count] = (struct backup){ 0 };

		int rc = decode_backup(line, line_len, &m->known[m->count]);

		if (rc)
			return rc;
		m->count++;
	}
	if (m->count)
		qsort(m->known, m->count, sizeof(*m->known), by_stem);
	for (size_t i = 1; i < m->count; i++)
		if (by_stem(&m->known[i - 1], &m->known[i]) == 0)
			return EBADMSG;
	return at == len ? 0 : EBADMSG;
}

int sweep_state_decode(const char *text, size_t len, struct sweep_state *out)
{
	struct sweep_state s = { 0 };
	size_t at = 0, line_len;
	const char *line;
	int rc = json_line(text, len, &at, &line, &line_len) ? decode_head(line, line_len, &s) : EBADMSG;

	if (!rc)
		rc = decode_backups(text, len, at, &s.memory);
	if (rc) {
		sweep_state_free(&s);
		return rc;
	}
	*out = s;
	return 0;
}

/* ---- the record */

int sweep_state_read(struct vault *v, const char *tenant, struct sweep_state *out, struct store_call *user)
{
	struct store_call call = acting_call(v, user, 0);
	AUTO_FREE char *text = NULL;
	struct record_id id = { 0 };
	char key[PATH_CAP];
	size_t len;
	int rc = path_record_key(&v->rules, key, tenant, "control", "retention");

	*out = (struct sweep_state){ 0 };
	if (!rc)
		rc = record_read(v, key, &text, &len, &id, &call);
	acting_tell(user, &call);
	if (rc == ENOENT) {
		policy_default(&out->policy);
		memset(out->audit_hash, '0', DIGEST_HEX - 1);
		return 0;
	}
	if (!rc)
		rc = sweep_state_decode(text, len, out);
	if (!rc)
		out->record = id;
	return rc;
}

int sweep_state_write(struct vault *v, const char *tenant, struct sweep_state *s, const struct catalog *catalog, struct store_call *user)
{
	struct store_call call = acting_call(v, user, 0);
	AUTO_FREE char *text = NULL;
	struct record_id id;
	char key[PATH_CAP];
	size_t len;
	int rc = path_record_key(&v->rules, key, tenant, "control", "retention");

	if (!rc)
		rc = sweep_state_encode(s, catalog, &text, &len);
	if (rc == EFBIG)
		rc = sweep_state_encode(s, &(struct catalog){ 0 }, &text, &len); /* without the lines that only spare requests */
	if (!rc)
		rc = record_write(v, key, text, len, s->record.etag[0] ? &s->record : NULL, &id, &call);
	acting_tell(user, &call);
	if (!rc)
		s->record = id;
	return rc == EEXIST ? ESTALE : rc;
}

/* ---- the policy in effect */

bool sweep_state_settle(struct sweep_state *s, const struct policy *asked, int64_t now_s, int64_t settle_s)
{
	if (policy_equal(&s->policy, asked)) {
		s->has_next = false;
		return false;
	}
	if (!s->has_next || !policy_equal(&s->next, asked)) {
		s->has_next = true;
		s->next = *asked;
		s->next_since_s = now_s;
	}
	if (policy_stricter(&s->policy, asked) && settle_s > 0 && now_s - s->next_since_s < settle_s)
		return true;
	s->policy = *asked;
	s->policy_since_s = now_s;
	s->has_next = false;
	return false;
}

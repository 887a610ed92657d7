/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/tombstone_private.h"

#include "base/log.h"
#include "base/rand.h"
#include "vault/audit.h"
#include "vault/json.h"

#include <errno.h>
#include <stdio.h>

/* The record of a deleted backup (docs/format.md §11). Every change of it is conditional on the version that was read: undelete, the move to the trash and the deletion
 * each begin with such a write, so that only one of them goes on. */

#define TEXT_MAX RECORD_MAX
#define LAPSE_S 86400 /* nobody copies that long without a word */

static const char *const phases[] = { [TOMB_GRACE] = "grace", [TOMB_DELETING] = "deleting" };

void tombstone_free(struct tombstone *t)
{
	if (!t)
		return;
	free(t->why);
	free(t->seal);
	*t = (struct tombstone){ 0 };
}

/* ---- its text */

int tombstone_encode(const struct tombstone *t, char **text)
{
	struct buf buf;
	struct json_out o = { .to = &buf };

	buf_init(&buf, TEXT_MAX);
	json_begin(&o, NULL, '{');
	json_put_u64(&o, "tombstone", 1);
	json_put_text(&o, "backup", t->stem);
	json_put_text(&o, "id", t->id);
	json_put_text(&o, "phase", phases[t->phase]);
	json_put_bool(&o, "trashed", t->trashed);
	json_put_time(&o, "at", t->at_s);
	json_put_time(&o, "until", t->until_s);
	json_put_text(&o, "why", t->why ? t->why : "");
	json_put_text(&o, "by", t->by);
	json_put_u64(&o, "epoch", t->epoch);
	json_put_u64(&o, "objects", t->objects);
	json_put_u64(&o, "bytes", t->bytes);
	json_put_text(&o, "seal", t->seal);
	json_close(&o, '}');
	json_end_line(&o);
	return json_out_text(&o, text, NULL);
}

static int decode_line(const char *line, size_t len, struct tombstone *t)
{
	AUTO(json_free) struct json j = { 0 };
	unsigned phase = TOMB_GRACE;

	json_parse(&j, line, len);
	json_get_version(&j, "tombstone", 1);
	json_get_text(&j, "backup", t->stem, sizeof(t->stem));
	json_get_hex_text(&j, "id", t->id, 16);
	json_get_word(&j, "phase", phases, ARRAY_LEN(phases), &phase);
	json_get_bool(&j, "trashed", &t->trashed);
	json_get_time(&j, "at", &t->at_s);
	json_get_time(&j, "until", &t->until_s);
	json_get_string_copy(&j, "why", &t->why);
	json_get_any_text(&j, "by", t->by, sizeof(t->by));
	json_get_u64(&j, "epoch", &t->epoch);
	json_get_u64(&j, "objects", &t->objects);
	json_get_u64(&j, "bytes", &t->bytes);
	if (!json_get_null(&j, "seal"))
		json_get_string_copy(&j, "seal", &t->seal);
	t->phase = (enum tombstone_phase)phase;
	return json_end(&j);
}

int tombstone_decode(const char *text, size_t len, struct tombstone *out)
{
	struct tombstone t = { 0 };
	const char *line;
	size_t at = 0, line_len;
	int rc = EBADMSG;

	if (json_line(text, len, &at, &line, &line_len) && at == len)
		rc = decode_line(line, line_len, &t);
	if (rc) {
		tombstone_free(&t);
		return rc;
	}
	*out = t;
	return 0;
}

/* ---- the record */

int tombstone_key(struct vault *v, const char *tenant, const struct tombstone *t, bool in_trash, char key[PATH_CAP])
{
	char name[ACTING_HEX + sizeof("/record")];

	if (!in_trash)
		return path_record_key(&v->rules, key, tenant, "tombstones", t->stem);
	snprintf(name, sizeof(name), "%s/record", t->id);
	return path_record_key(&v->rules, key, tenant, "trash", name);
}

void tombstone_by(struct vault *v, char *by, size_t cap)
{
	char writer[ACTING_HEX];

	acting_writer(v, writer);
	snprintf(by, cap, "%s " ACTING_PROGRAM, writer);
}

static int read_at(struct vault *v, const char *key, struct tombstone *out, struct store_call *user)
{
	struct store_call call = acting_call(v, user, 0);
	struct record_id id;
	AUTO_FREE char *text = NULL;
	size_t len;
	int rc = record_read(v, key, &text, &len, &id, &call);

	*out = (struct tombstone){ 0 };
	acting_tell(user, &call);
	if (!rc)
		rc = tombstone_decode(text, len, out);
	if (rc == EBADMSG || rc == EPROTONOSUPPORT)
		log_path(LOG_ERROR, "backup", key, "the record of a deletion is %s; that backup stays as it is",
			 rc == EBADMSG ? "damaged" : "of a newer version of this program");
	if (!rc) {
		out->record = id;
		out->begun = out->phase == TOMB_DELETING;
	}
	return rc;
}

/* A record that does not belong where it stands says nothing. */
static int misplaced(struct tombstone *t, const char *key)
{
	log_path(LOG_ERROR, "backup", key, "the record of another deletion (of %s) stands here: somebody moved it; it counts for nothing", t->stem);
	tombstone_free(t);
	return EBADMSG;
}

int tombstone_read(struct vault *v, const char *tenant, const char *stem, struct tombstone *out, struct store_call *call)
{
	char key[PATH_CAP];
	int rc = path_record_key(&v->rules, key, tenant, "tombstones", stem);

	*out = (struct tombstone){ 0 };
	if (!rc)
		rc = read_at(v, key, out, call);
	return !rc && strcmp(out->stem, stem) != 0 ? misplaced(out, key) : rc;
}

int trash_read(struct vault *v, const char *tenant, const char *id, struct tombstone *out, struct store_call *call)
{
	struct tombstone named = { 0 };
	char key[PATH_CAP];

	*out = named;
	if (copy_text(named.id, sizeof(named.id), id) || strlen(id) != sizeof(named.id) - 1)
		return EINVAL;

	int rc = tombstone_key(v, tenant, &named, true, key);

	if (!rc)
		rc = read_at(v, key, out, call);
	if (!rc && (strcmp(out->id, id) != 0 || !out->trashed))
		return misplaced(out, key);
	out->in_trash = !rc;
	return rc;
}

/* A seal too long to be kept in here leaves its first line: what it was, without the list. */
static void shorten(struct tombstone *t)
{
	char *end = t->seal ? strchr(t->seal, '\n') : NULL;

	if (end)
		end[1] = '\0';
}

int tombstone_write(struct vault *v, const char *key, struct tombstone *t, struct store_call *user)
{
	AUTO_FREE char *text = NULL;
	struct record_id id;
	int rc = tombstone_encode(t, &text);

	if (rc == EFBIG && t->phase == TOMB_DELETING) {
		shorten(t);
		rc = tombstone_encode(t, &text);
	}
	if (rc)
		return rc;

	struct store_call call = acting_call(v, user, 0);

	rc = record_write(v, key, text, strlen(text), t->record.etag[0] ? &t->record : NULL, &id, &call);
	acting_tell(user, &call);
	if (!rc)
		t->record = id;
	return rc;
}

/* ---- making one */

static void draw_id(char id[ACTING_HEX])
{
	uint8_t bytes[16];

	rand_bytes(bytes, sizeof(bytes));
	hex_encode(id, bytes, sizeof(bytes));
}

int tombstone_put_listed(struct vault *v, const char *tenant, const char *stem, const char *why, int64_t grace_s, uint64_t epoch, const struct tombstone_listed *listed,
			 struct store_call *call)
{
	AUTO(tombstone_free) struct tombstone t = { .epoch = epoch, .objects = listed->objects, .bytes = listed->bytes, .at_s = listed->at_s };
	char key[PATH_CAP];
	int rc = v->config.read_only ? EROFS : grace_s < 0 || copy_text(t.stem, sizeof(t.stem), stem) ? EINVAL : tombstone_key(v, tenant, &t, false, key);

	if (rc)
		return rc;
	draw_id(t.id);
	t.until_s = listed->now_s + grace_s;
	t.why = strdup(why ? why : "");
	tombstone_by(v, t.by, sizeof(t.by));
	rc = t.why ? tombstone_write(v, key, &t, call) : ENOMEM;
	if (!rc)
		audit_note(v, tenant, &(struct audit_line){ .event = AUDIT_TOMBSTONED, .backup = stem, .detail = t.why, .epoch = epoch, .objects = t.objects,
							    .bytes = t.bytes });
	return rc;
}

int tombstone_put(struct vault *v, const char *tenant, const char *stem, const char *why, int64_t grace_s, uint64_t epoch, struct store_call *call)
{
	struct guard g = { .user = call };
	struct place_sum sum;
	struct place p;
	int rc = v->config.read_only ? EROFS : place_live(v, tenant, stem, &p);

	if (!rc)
		rc = place_sum(&p, &g, &sum);
	if (!rc && !sum.objects)
		rc = ENOENT;
	if (rc)
		return rc;

	struct tombstone_listed listed = { .objects = sum.objects, .bytes = sum.bytes, .at_s = sum.server_s, .now_s = sum.server_s };

	return tombstone_put_listed(v, tenant, stem, why, grace_s, epoch, &listed, call);
}

/* ---- an undelete that was not ended */

int tombstone_lapse(struct vault *v, const char *tenant, struct tombstone *named, int64_t now_s, int64_t grace_s, struct store_call *call)
{
	AUTO(tombstone_free) struct tombstone t = { 0 };
	char key[PATH_CAP];
	int rc;

	if (named->until_s != TOMBSTONE_FAR || now_s - named->record.committed_s <= LAPSE_S)
		return EAGAIN;
	rc = named->in_trash ? trash_read(v, tenant, named->id, &t, call) : tombstone_read(v, tenant, named->stem, &t, call); /* with its seal's text */
	if (!rc)
		rc = strcmp(t.record.etag, named->record.etag) != 0 ? ESTALE : tombstone_key(v, tenant, &t, t.in_trash, key);
	if (rc)
		return rc;
	t.until_s = now_s + grace_s;
	rc = tombstone_write(v, key, &t, call);
	if (!rc)
		log_msg(LOG_WARN, "backup", "%s/%s: somebody began to undelete it and did not end: it is deleted in %lld hours, unless it is undeleted", tenant, t.stem,
			(long long)(grace_s / 3600));
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/hold.h"

#include "base/log.h"
#include "vault/acting.h"
#include "vault/audit.h"
#include "vault/json.h"
#include "vault/tombstone.h"

#include <errno.h>
#include <stdio.h>

/* Legal holds. A hold and a deletion never both win: hold_add writes the hold and then looks for a deletion that has begun; who deletes writes that it begins and
 * then looks for holds (tombstone_delete.c). */

#define CHANGE_TRIES 8u
#define HOLDS_MOST 100000u
#define TEXT_MAX (16u << 20)

void holds_free(struct holds *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->count; i++) {
		free(h->list[i].why);
		free(h->list[i].by);
	}
	free(h->list);
	*h = (struct holds){ 0 };
}

static int by_stem(const void *a, const void *b)
{
	return strcmp(((const struct hold *)a)->stem, ((const struct hold *)b)->stem);
}

static const struct hold *find(const struct holds *h, const char *stem)
{
	struct hold wanted;

	if (!h->count || copy_text(wanted.stem, sizeof(wanted.stem), stem))
		return NULL;
	return bsearch(&wanted, h->list, h->count, sizeof(*h->list), by_stem);
}

bool holds_has(const struct holds *h, const char *stem)
{
	return find(h, stem) != NULL;
}

/* Takes over what `one` owns, also on failure. */
static int add(struct holds *h, const struct hold *one)
{
	struct hold *grown = one->why && one->by && h->count < HOLDS_MOST ? realloc(h->list, (h->count + 1) * sizeof(*grown)) : NULL;

	if (!grown) {
		free(one->why);
		free(one->by);
		return h->count < HOLDS_MOST ? ENOMEM : EFBIG;
	}
	h->list = grown;
	grown[h->count++] = *one;
	qsort(h->list, h->count, sizeof(*h->list), by_stem);
	return 0;
}

static void drop(struct holds *h, const char *stem)
{
	size_t i = (size_t)(find(h, stem) - h->list);

	free(h->list[i].why);
	free(h->list[i].by);
	h->count--;
	memmove(h->list + i, h->list + i + 1, (h->count - i) * sizeof(*h->list));
}

/* ---- its text */

static int encode(const struct holds *h, char **text, size_t *len)
{
	struct buf buf;
	struct json_out o = { .to = &buf };

	buf_init(&buf, TEXT_MAX);
	json_begin(&o, NULL, '{');
	json_put_u64(&o, "holds", 1);
	json_begin(&o, "list", '[');
	for (size_t i = 0; i < h->count; i++) {
		json_begin(&o, NULL, '{');
		json_put_text(&o, "backup", h->list[i].stem);
		json_put_text(&o, "why", h->list[i].why);
		json_put_text(&o, "by", h->list[i].by);
		json_put_time(&o, "at", h->list[i].at_s);
		json_close(&o, '}');
	}
	json_close(&o, ']');
	json_close(&o, '}');
	json_end_line(&o);
	return json_out_text(&o, text, len);
}

static int decode_one(const cJSON *item, struct holds *h)
{
	struct json j;
	struct hold one = { 0 };
	int rc;

	json_enter(&j, item);
	json_get_text(&j, "backup", one.stem, sizeof(one.stem));
	json_get_string_copy(&j, "why", &one.why);
	json_get_string_copy(&j, "by", &one.by);
	json_get_time(&j, "at", &one.at_s);
	rc = json_end(&j);
	if (rc) {
		free(one.why);
		free(one.by);
		return rc;
	}
	if (h->count && strcmp(h->list[h->count - 1].stem, one.stem) >= 0)
		rc = EBADMSG; /* sorted as it is written, and none twice */
	return add(h, &one) ? ENOMEM : rc;
}

static int decode(const char *text, size_t len, struct holds *out)
{
	AUTO(json_free) struct json j = { 0 };
	const cJSON *list, *item;
	const char *line;
	size_t at = 0, line_len;
	int rc = 0;

	if (!json_line(text, len, &at, &line, &line_len) || at != len)
		return EBADMSG;
	json_parse(&j, line, line_len);
	json_get_version(&j, "holds", 1);
	list = json_get_list(&j, "list");
	if (json_end(&j))
		return json_end(&j);
	cJSON_ArrayForEach(item, list) {
		if (!rc)
			rc = decode_one(item, out);
	}
	return rc;
}

int holds_read(struct vault *v, const char *tenant, struct holds *out, struct store_call *user)
{
	struct store_call call = acting_call(v, user, 0);
	AUTO_FREE char *text = NULL;
	char key[PATH_CAP];
	size_t len;
	int rc = path_record_key(&v->rules, key, tenant, "control", "holds");

	*out = (struct holds){ 0 };
	if (!rc)
		rc = record_read(v, key, &text, &len, &out->record, &call);
	acting_tell(user, &call);
	if (rc == ENOENT)
		return 0;
	if (!rc)
		rc = decode(text, len, out);
	if (rc)
		holds_free(out);
	if (rc == EBADMSG || rc == EPROTONOSUPPORT)
		log_path(LOG_ERROR, "hold", key, "%s: as long as that is so, none of this tenant's backups is deleted",
			 rc == EBADMSG ? "damaged" : "of a newer version of this program");
	return rc;
}

/* ---- changing it */

/* One change that is asked for. */
struct change {
	bool adds;
	const char *stem, *why, *by;
	int64_t at_s;
};

static int apply(struct holds *h, const struct change *c)
{
	bool there = holds_has(h, c->stem);

	if (there == c->adds)
		return there ? EEXIST : ENOENT;
	if (!c->adds) {
		drop(h, c->stem);
		return 0;
	}

	struct hold one = { .why = strdup(c->why ? c->why : ""), .by = strdup(c->by ? c->by : ""), .at_s = c->at_s };

	if (!copy_text(one.stem, sizeof(one.stem), c->stem))
		return add(h, &one);
	free(one.why);
	free(one.by);
	return ENAMETOOLONG;
}

static int change_once(struct vault *v, const char *tenant, const struct change *c, struct store_call *user)
{
	AUTO(holds_free) struct holds h = { 0 };
	AUTO_FREE char *text = NULL;
	char key[PATH_CAP];
	size_t len;
	int rc = holds_read(v, tenant, &h, user);

	if (!rc)
		rc = path_record_key(&v->rules, key, tenant, "control", "holds");
	if (!rc)
		rc = apply(&h, c);
	if (!rc)
		rc = encode(&h, &text, &len);
	if (rc)
		return rc;

	struct store_call call = acting_call(v, user, 0);

	rc = record_write(v, key, text, len, h.record.etag[0] ? &h.record : NULL, NULL, &call);
	acting_tell(user, &call);
	return rc == EEXIST ? ESTALE : rc;
}

static int change(struct vault *v, const char *tenant, const struct change *c, struct store_call *call)
{
	int rc = c->stem[0] ? ESTALE : EINVAL;

	for (unsigned i = 0; i < CHANGE_TRIES && rc == ESTALE; i++)
		rc = change_once(v, tenant, c, call);
	return rc == ESTALE ? EBUSY : rc;
}

static void note(struct vault *v, const char *tenant, const struct change *c)
{
	char detail[512];

	snprintf(detail, sizeof(detail), "%s%sby %s", c->why ? c->why : "", c->why && c->why[0] ? ", " : "", c->by && c->by[0] ? c->by : "somebody");
	audit_note(v, tenant, &(struct audit_line){ .event = c->adds ? AUDIT_HOLD : AUDIT_UNHOLD, .backup = c->stem, .detail = detail });
}

int hold_add(struct vault *v, const char *tenant, const char *stem, const char *why, const char *by, struct store_call *call)
{
	struct change c = { .adds = true, .stem = stem, .why = why, .by = by, .at_s = clock_wall_s() };
	AUTO(tombstone_free) struct tombstone t = { 0 };
	int rc = change(v, tenant, &c, call);

	if (rc)
		return rc;
	rc = tombstone_read(v, tenant, stem, &t, call);
	if (!rc && t.phase == TOMB_DELETING) {
		c.adds = false;
		change(v, tenant, &c, call); /* it holds nothing: what goes cannot be kept any more */
		return EBUSY;
	}
	note(v, tenant, &c);
	if (rc && rc != ENOENT)
		log_msg(LOG_WARN, "hold", "%s/%s is on hold; whether its deletion had begun before cannot be told: %s", tenant, stem, strerror(rc));
	return 0;
}

int hold_remove(struct vault *v, const char *tenant, const char *stem, const char *by, struct store_call *call)
{
	struct change c = { .stem = stem, .by = by };
	int rc = change(v, tenant, &c, call);

	if (!rc)
		note(v, tenant, &c);
	return rc;
}

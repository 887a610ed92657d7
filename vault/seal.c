/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/seal.h"

#include "base/clock.h"
#include "base/log.h"
#include "vault/vault_private.h"

#include <errno.h>

void seal_set_time(struct seal *s, const struct stem *stem)
{
	char text[24];

	clock_format_utc(text, stem->timed ? stem->time_s : 0);
	s->timed = stem->timed && stem->time_s <= s->committed_s + SEAL_SKEW_S && text[0] != '?'; /* the format has years of four digits */
	s->time_s = s->timed ? stem->time_s : 0;
	s->imported = s->timed && s->time_s < s->committed_s - SEAL_SKEW_S;
}

void seal_free(struct seal *s)
{
	if (!s)
		return;
	for (size_t i = 0; s->entries && i < s->count; i++)
		free(s->entries[i].path);
	free(s->entries);
	*s = (struct seal){ 0 };
}

/* Room grows by doubling, whenever the number is a power of two. */
int seal_add(struct seal *s, const struct seal_entry *e)
{
	if ((s->count & (s->count - 1)) == 0) {
		struct seal_entry *grown = reallocarray(s->entries, s->count ? 2 * s->count : 1, sizeof(*grown));

		if (!grown) {
			free(e->path);
			return ENOMEM;
		}
		s->entries = grown;
	}
	s->entries[s->count++] = *e;
	return 0;
}

static int by_path(const void *path, const void *entry)
{
	return strcmp(path, ((const struct seal_entry *)entry)->path);
}

const struct seal_entry *seal_find(const struct seal *s, const char *path)
{
	return s->entries ? bsearch(path, s->entries, s->count, sizeof(*s->entries), by_path) : NULL;
}

size_t seal_before(const struct seal *s, const char *path)
{
	size_t from = 0, to = s->entries ? s->count : 0;

	while (from < to) {
		size_t at = from + (to - from) / 2;

		if (strcmp(s->entries[at].path, path) < 0)
			from = at + 1;
		else
			to = at;
	}
	return from;
}

static int tell(const char *key, int rc)
{
	if (rc == EPROTONOSUPPORT)
		log_path(LOG_ERROR, "seal", key, "of a newer version: use a newer version of this program");
	else if (rc == EBADMSG)
		log_path(LOG_ERROR, "seal", key, "is not the seal of that backup: it is damaged, or stands in the place of another; it counts for nothing");
	return rc;
}

int seal_read(struct vault *v, const char *tenant, const char *stem, struct seal *out, struct record_id *id, struct store_call *call)
{
	AUTO_FREE char *text = NULL;
	char key[PATH_CAP];
	size_t len;
	int rc = path_record_key(&v->rules, key, tenant, "seals", stem);

	*out = (struct seal){ 0 };
	if (!rc)
		rc = record_read(v, key, &text, &len, id, call);
	if (rc)
		return rc;
	rc = seal_decode(text, len, out);
	if (!rc && (strcmp(out->tenant, tenant) != 0 || strcmp(out->stem, stem) != 0)) {
		seal_free(out);
		rc = EBADMSG; /* whoever moves seals about gains nothing */
	}
	return tell(key, rc);
}

int seal_write(struct vault *v, struct seal *s, const struct record_id *old, struct record_id *id, struct store_call *call)
{
	AUTO_FREE char *text = NULL;
	char key[PATH_CAP];
	size_t len;
	int rc = path_record_key(&v->rules, key, s->tenant, "seals", s->stem);

	if (!rc)
		rc = seal_encode(s, &text, &len);
	if (rc) {
		log_path(LOG_ERROR, "seal", s->stem, "cannot be sealed: %s", rc == EFBIG ? "its list would be too long" : strerror(rc));
		return rc;
	}
	return record_write(v, key, text, len, old, id, call);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/sweep_private.h"

#include "base/log.h"
#include "crypto/chunks.h"
#include "vault/audit.h"
#include "vault/pages.h"
#include "vault/run.h"

#include <errno.h>
#include <stdio.h>

/* What belongs to nothing. Only what is surely of no use goes: uploads and pieces of silent writers (run_recover), the record of a reopening without a seal, and the seals and
 * folder markers of backups of which the audit log says that they were deleted. A seal whose objects are gone without such a line is damage: it stays, as it tells
 * what is missing. */

#define STRAY_AFTER_S 86400      /* younger ones may be somebody's work */
#define MARKERS_AFTER_S (7 * 86400)

/* ---- what the audit log says of a backup */

struct fate {
	const char *stem;
	bool gone; /* the last word on it is that it was deleted or removed */
};

struct fates {
	struct fate *list; /* sorted by stem */
	size_t count;
};

static int by_stem(const void *a, const void *b)
{
	return strcmp(((const struct fate *)a)->stem, ((const struct fate *)b)->stem);
}

static int add_fate(struct fates *f, const char *stem)
{
	struct fate *grown = realloc(f->list, (f->count + 1) * sizeof(*grown));

	if (!grown)
		return ENOMEM;
	f->list = grown;
	grown[f->count++] = (struct fate){ .stem = stem };
	return 0;
}

static int see_line(void *arg, const char *line, size_t len)
{
	AUTO(audit_entry_free) struct audit_entry e = { 0 };
	struct fates *f = arg;
	int rc = audit_decode(line, len, &e);

	if (rc)
		return rc;

	struct fate *fate = bsearch(&(struct fate){ .stem = e.backup }, f->list, f->count, sizeof(*f->list), by_stem);

	if (!fate)
		return 0;
	if (audit_is_end(&e))
		fate->gone = true;
	if (e.event == AUDIT_COMMITTED || e.event == AUDIT_SEALED || e.event == AUDIT_UNDELETED)
		fate->gone = false;
	return 0;
}

/* Reads the whole log: only where there is something to be asked. A log that cannot be read says nothing. */
static int read_fates(struct sweep *s, struct fates *f)
{
	char why[256];
	int rc;

	qsort(f->list, f->count, sizeof(*f->list), by_stem);
	rc = audit_read(s->v, s->tenant, see_line, f, why, sizeof(why), &s->call);
	if (rc == ECANCELED || rc == ENOMEM || !rc)
		return rc;
	log_msg(LOG_WARN, "retention", "%s: the audit log cannot be read, so nothing is tidied by it: %s", s->tenant, why);
	for (size_t i = 0; i < f->count; i++)
		f->list[i].gone = false;
	return 0;
}

/* ---- seals without objects */

static void tell_damage(struct sweep *s, const char *stem)
{
	s->report->strays++;
	log_msg(LOG_ERROR, "retention", "%s/%s: its seal is there, its objects are not, and nobody deleted it: it was removed behind our back", s->tenant, stem);
}

static int remove_seal(struct sweep *s, const char *stem)
{
	struct store_call call = acting_call(s->v, &s->call, lease_request_ms(s->lease));
	char key[PATH_CAP];
	int rc = path_record_key(&s->v->rules, key, s->tenant, "seals", stem);

	if (!rc)
		rc = sweep_go_on(s);
	if (!rc)
		rc = record_remove(s->v, key, &call);
	s->report->strays += !rc;
	return rc;
}

static bool nothing_stands(const struct sweep *s, const char *stem)
{
	const struct backup *b = sweep_find(s, stem);

	return !b || (b->objects == 0 && b->state != BACKUP_DELETED);
}

static int tidy_seals(struct sweep *s, const struct record_names *seals)
{
	struct fates f = { 0 };
	int rc = 0;

	for (size_t i = 0; i < seals->count && !rc; i++)
		if (nothing_stands(s, seals->names[i].name) && s->report->catalog.server_s - seals->names[i].modified > STRAY_AFTER_S)
			rc = add_fate(&f, seals->names[i].name);
	if (!rc && f.count)
		rc = read_fates(s, &f);
	for (size_t i = 0; i < f.count && !rc; i++)
		if (f.list[i].gone)
			rc = remove_seal(s, f.list[i].stem);
		else
			tell_damage(s, f.list[i].stem);
	free(f.list);
	return rc;
}

/* ---- records of reopening without a seal */

static int tidy_reopened(struct sweep *s, const struct record_names *seals)
{
	AUTO(record_names_free) struct record_names reopened = { 0 };
	int rc = record_list(s->v, s->tenant, "reopen", &reopened, &s->call);

	for (size_t i = 0; i < reopened.count && !rc; i++) {
		struct store_call call = acting_call(s->v, &s->call, lease_request_ms(s->lease));
		const struct record_name *name = &reopened.names[i];
		char key[PATH_CAP];

		if (record_names_find(seals, name->name) || s->report->catalog.server_s - name->modified <= STRAY_AFTER_S)
			continue;
		rc = path_record_key(&s->v->rules, key, s->tenant, "reopen", name->name);
		if (!rc)
			rc = sweep_go_on(s);
		if (!rc)
			rc = record_remove(s->v, key, &call);
		s->report->strays += !rc;
	}
	return rc;
}

/* ---- folder markers that a removal left behind */

/* As long as so many markers: what else it could be is seen when its keys are. */
static bool may_be_markers(const struct sweep *s, const struct backup *b)
{
	return b->state == BACKUP_UNSEALED && b->objects && b->bytes == b->objects * object_length(0) && !b->live_writer && !b->held && !b->foreign &&
	       s->report->catalog.server_s - b->committed_s > MARKERS_AFTER_S;
}

struct markers {
	char **keys;
	size_t count;
	bool others; /* something else stands there */
};

static int see_keys(struct sweep *s, const char *stem, struct markers *m)
{
	char folder[PATH_CAP], prefix[PATH_CAP + STEM_CAP];
	AUTO(pages_free) struct pages pages = { .v = s->v, .prefix = prefix };
	int rc = path_key(&s->v->rules, folder, s->tenant, true);

	snprintf(prefix, sizeof(prefix), "%s%s", folder, stem);
	while (!rc && !m->others && pages_left(&pages)) {
		struct store_call call = acting_call(s->v, &s->call, 0);
		struct store_page page = { 0 };

		rc = pages_next(&pages, &page, &call);
		for (size_t i = 0; !rc && i < page.count; i++) {
			const char *name = page.objects[i].key + strlen(folder);
			char first[PATH_CAP];
			size_t n = min_size(strcspn(name, "/"), sizeof(first) - 1);
			char **grown;

			memcpy(first, name, n);
			first[n] = '\0';
			if (!stem_has(stem, first))
				continue;
			if (name[strlen(name) - 1] != '/' || page.objects[i].size != object_length(0)) {
				m->others = true;
				break;
			}
			grown = realloc(m->keys, (m->count + 1) * sizeof(*grown));
			if (grown)
				m->keys = grown;
			if (!grown || !(m->keys[m->count] = strdup(page.objects[i].key)))
				rc = ENOMEM;
			else
				m->count++;
		}
		store_page_free(&page);
	}
	return rc;
}

static int remove_markers(struct sweep *s, const char *stem)
{
	struct markers m = { 0 };
	int rc = see_keys(s, stem, &m);

	for (size_t i = m.count; i-- > 0 && !rc && !m.others;) { /* the innermost first */
		struct store_call call = acting_call(s->v, &s->call, lease_request_ms(s->lease));

		rc = sweep_go_on(s);
		if (!rc)
			rc = record_remove(s->v, m.keys[i], &call);
		s->report->strays += !rc;
	}
	while (m.count)
		free(m.keys[--m.count]);
	free(m.keys);
	return rc;
}

static int tidy_markers(struct sweep *s)
{
	const struct catalog *c = &s->report->catalog;
	struct fates f = { 0 };
	int rc = 0;

	for (size_t i = 0; i < c->count && !rc; i++)
		if (may_be_markers(s, &c->backups[i]))
			rc = add_fate(&f, c->backups[i].stem);
	if (!rc && f.count)
		rc = read_fates(s, &f);
	for (size_t i = 0; i < f.count && !rc; i++)
		if (f.list[i].gone)
			rc = remove_markers(s, f.list[i].stem);
	free(f.list);
	return rc;
}

int sweep_hygiene(struct sweep *s)
{
	AUTO(record_names_free) struct record_names seals = { 0 };
	struct store_call call = { .cancel = s->call.cancel };
	int rc = sweep_go_on(s);

	if (!rc)
		rc = run_recover(s->v, s->tenant, &call);
	if (!rc)
		rc = record_list(s->v, s->tenant, "seals", &seals, &s->call);
	if (!rc)
		rc = tidy_seals(s, &seals);
	if (!rc)
		rc = tidy_reopened(s, &seals);
	if (!rc)
		rc = tidy_markers(s);
	if (rc == EACCES)
		s->report->may_not_delete = true;
	return rc == EACCES ? 0 : rc;
}

/* ---- looks that change nothing */

static bool overlaps(const char *a, const char *b)
{
	return strncmp(a, b, min_size(strlen(a), strlen(b))) == 0;
}

void sweep_look_at_rules(struct sweep *s)
{
	struct store_call call = acting_call(s->v, &s->call, 0);
	struct store_rules rules = { 0 };
	char prefix[PATH_CAP];

	snprintf(prefix, sizeof(prefix), "%s%s", s->v->rules.prefix, s->v->rules.prefix[0] ? "/" : "");
	if (s->v->store->ops->rules(s->v->store, &rules, &call))
		return; /* not for us to see, or there are none */
	for (size_t i = 0; i < rules.count && !s->report->lifecycle[0]; i++)
		if (rules.list[i].expires_current && overlaps(rules.list[i].prefix, prefix))
			snprintf(s->report->lifecycle, sizeof(s->report->lifecycle), "rule \"%s\" of the bucket expires objects below \"%.40s\"%s", rules.list[i].id,
				 rules.list[i].prefix, rules.list[i].days ? " by age" : "");
	if (s->report->lifecycle[0])
		log_msg(LOG_WARN, "retention", "%s, and so deletes parts of backups behind our back: remove it, and leave only the one that ends unfinished uploads",
			s->report->lifecycle);
	store_rules_free(&rules);
}

int sweep_look_at_audit(struct sweep *s)
{
	char hash[DIGEST_HEX];
	uint64_t segment;
	int rc = audit_tail(s->v, s->tenant, &segment, hash, &s->call);

	if (rc == EACCES)
		return 0; /* not for us to see */
	if (rc && rc != EBADMSG && rc != ENOKEY && rc != EPROTONOSUPPORT)
		return rc;
	if (rc || segment < s->state.audit || (segment == s->state.audit && strcmp(hash, s->state.audit_hash) != 0))
		audit_note(s->v, s->tenant, &(struct audit_line){ .event = AUDIT_DAMAGE, .epoch = lease_epoch(s->lease),
								  .detail = rc ? "the newest segment of the audit log is damaged" : "the audit log was cut short, or changed" });
	if (!rc) {
		s->state.audit = segment;
		memcpy(s->state.audit_hash, hash, sizeof(hash));
	}
	return 0;
}

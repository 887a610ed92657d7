/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/audit_private.h"

#include "base/log.h"
#include "vault/json.h"
#include "vault/sweep_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* The audit log, read and checked. */

#define NAME_DIGITS 16u

static const char *const event_names[AUDIT_EVENTS] = { "committed", "sealed", "reopened", "removed", "tombstoned", "undeleted", "deleting", "deleted",
						       "restored", "policy", "hold", "unhold", "damage", "verified", "stopped" };

const char *audit_event_name(enum audit_event e)
{
	return (unsigned)e < AUDIT_EVENTS ? event_names[e] : "?";
}

/* ---- names */

int audit_key(struct vault *v, const char *tenant, uint64_t segment, char key[PATH_CAP])
{
	char name[24];

	snprintf(name, sizeof(name), "%016llu", (unsigned long long)(AUDIT_MOST + 1 - segment));
	return path_record_key(&v->rules, key, tenant, "audit", name);
}

uint64_t audit_number(const char *name)
{
	uint64_t n = 0;

	if (strlen(name) != NAME_DIGITS || strspn(name, "0123456789") != NAME_DIGITS)
		return 0;
	for (const char *p = name; *p; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	return AUDIT_MOST + 1 - n;
}

int audit_hash(const char *line, size_t len, char hash[DIGEST_HEX])
{
	uint8_t sum[DIGEST_BYTES];
	struct digest *d;

	if (digest_new(&d))
		return ENOMEM;
	digest_add(d, line, len);
	digest_end(d, sum);
	digest_free(d);
	digest_hex(hash, sum);
	return 0;
}

/* ---- one line */

void audit_entry_free(struct audit_entry *e)
{
	if (!e)
		return;
	free(e->detail);
	e->detail = NULL;
}

static void get_or_null(struct json *j, const char *name, char *out, size_t cap)
{
	if (!json_get_null(j, name))
		json_get_text(j, name, out, cap);
}

int audit_decode(const char *line, size_t len, struct audit_entry *out)
{
	AUTO(json_free) struct json j = { 0 };
	struct audit_entry e = { 0 };
	unsigned event = 0;
	int rc;

	json_parse(&j, line, len);
	json_get_version(&j, "audit", 1);
	json_get_text(&j, "tenant", e.tenant, sizeof(e.tenant));
	json_get_time(&j, "at", &e.at_s);
	json_get_word(&j, "event", event_names, AUDIT_EVENTS, &event);
	get_or_null(&j, "backup", e.backup, sizeof(e.backup));
	if (!json_get_null(&j, "detail"))
		json_get_string_copy(&j, "detail", &e.detail);
	if (!json_get_null(&j, "seal"))
		json_get_hex_text(&j, "seal", e.seal, 16);
	json_get_u64(&j, "epoch", &e.epoch);
	json_get_u64(&j, "objects", &e.objects);
	json_get_u64(&j, "bytes", &e.bytes);
	json_get_hex_text(&j, "writer", e.writer, 16);
	json_get_text(&j, "program", e.program, sizeof(e.program));
	json_get_hex_text(&j, "prev", e.prev, DIGEST_BYTES);
	rc = json_end(&j);
	if (rc) {
		audit_entry_free(&e);
		return rc;
	}
	e.event = (enum audit_event)event;
	*out = e;
	return 0;
}

bool audit_is_end(const struct audit_entry *e)
{
	if (e->event == AUDIT_DELETED)
		return !e->detail || strcmp(e->detail, AUDIT_FROM_TRASH) != 0;
	return e->event == AUDIT_REMOVED && e->seal[0];
}

/* ---- the newest segment */

/* Its number; 0: there is none. One request, of one key: names descend. */
static int newest(struct vault *v, const char *tenant, uint64_t *segment, struct store_call *call)
{
	char prefix[PATH_CAP];
	struct store_page page = { 0 };
	int rc = path_record_key(&v->rules, prefix, tenant, "audit", "");

	*segment = 0;
	if (!rc)
		rc = v->store->ops->list(v->store, prefix, '/', NULL, 1, &page, call);
	if (!rc && page.count)
		*segment = audit_number(page.objects[0].key + strlen(prefix));

	bool odd = !rc && page.count && !*segment; /* something else stands before it */

	store_page_free(&page);
	if (!odd)
		return rc;

	AUTO(record_names_free) struct record_names names = { 0 };

	rc = record_list(v, tenant, "audit", &names, call);
	for (size_t i = 0; i < names.count && !*segment; i++)
		*segment = audit_number(names.names[i].name);
	return rc;
}

/* The digest of the last line of a segment. */
static int last_hash(struct vault *v, const char *tenant, uint64_t segment, char hash[DIGEST_HEX], struct store_call *call)
{
	char key[PATH_CAP];
	AUTO_FREE char *text = NULL;
	const char *line = NULL;
	size_t len = 0, at = 0, line_len = 0;
	int rc = audit_key(v, tenant, segment, key);

	if (!rc)
		rc = record_read(v, key, &text, &len, NULL, call);
	if (rc)
		return rc;
	while (json_line(text, len, &at, &line, &line_len))
		;
	return line && at == len ? audit_hash(line, line_len, hash) : EBADMSG;
}

int audit_tail(struct vault *v, const char *tenant, uint64_t *segment, char hash[DIGEST_HEX], struct store_call *user)
{
	struct store_call call = acting_call(v, user, 0);
	int rc = newest(v, tenant, segment, &call);

	memcpy(hash, AUDIT_ZEROS, DIGEST_HEX);
	if (!rc && *segment)
		rc = last_hash(v, tenant, *segment, hash, &call);
	acting_tell(user, &call);
	return rc == ENOENT ? ESTALE : rc; /* gone between two requests */
}

/* ---- all of it */

struct reading {
	struct vault *v;
	const char *tenant;
	audit_seen *fn;
	void *arg;
	char *why;
	size_t cap;
	char prev[DIGEST_HEX];  /* digest of the line before */
	uint64_t segment;
	uint64_t known;         /* it had so many segments once, 0: not known, */
	char known_hash[DIGEST_HEX]; /* and the last line of these had this digest */
	struct store_call *user;
};

static int wrong(struct reading *r, int rc, const char *fmt, ...) PRINTF_LIKE(3, 4);

static int wrong(struct reading *r, int rc, const char *fmt, ...)
{
	int n = snprintf(r->why, r->cap, "segment %llu: ", (unsigned long long)r->segment);
	va_list args;

	va_start(args, fmt);
	if (n > 0 && (size_t)n < r->cap)
		vsnprintf(r->why + n, r->cap - (size_t)n, fmt, args);
	va_end(args);
	return rc;
}

static int read_line(struct reading *r, const char *line, size_t len, size_t number)
{
	AUTO(audit_entry_free) struct audit_entry e = { 0 };
	int rc = audit_decode(line, len, &e);

	if (rc == EPROTONOSUPPORT)
		return wrong(r, rc, "line %zu is of a newer version of this program", number);
	if (rc)
		return wrong(r, rc, "line %zu cannot be read: %s", number, rc == EBADMSG ? "it is none of ours" : strerror(rc));
	if (strcmp(e.tenant, r->tenant) != 0)
		return wrong(r, EBADMSG, "line %zu is of the log of %s: that was copied here", number, e.tenant);
	if (strcmp(e.prev, r->prev) != 0)
		return wrong(r, EBADMSG, "line %zu does not follow the one before it: lines were removed, or changed", number);
	rc = audit_hash(line, len, r->prev);
	return rc ? rc : r->fn(r->arg, line, len);
}

static int read_segment(struct reading *r)
{
	struct store_call call = acting_call(r->v, r->user, 0);
	char key[PATH_CAP];
	AUTO_FREE char *text = NULL;
	const char *line;
	size_t len = 0, at = 0, line_len, number = 0;
	int rc = acting_stopped(r->user);

	if (!rc)
		rc = audit_key(r->v, r->tenant, r->segment, key);
	if (!rc)
		rc = record_read(r->v, key, &text, &len, NULL, &call);
	acting_tell(r->user, &call);
	if (rc)
		return wrong(r, rc == ENOENT ? EBADMSG : rc, "%s", rc == ENOENT ? "it is gone" : rc == EBADMSG ? "damaged" : strerror(rc));
	while (!rc && json_line(text, len, &at, &line, &line_len))
		rc = read_line(r, line, line_len, ++number);
	if (!rc && (at != len || !number))
		rc = wrong(r, EBADMSG, "it does not end as it should");
	if (!rc && r->segment == r->known && strcmp(r->prev, r->known_hash) != 0)
		rc = wrong(r, EBADMSG, "it is not the one that the last run of retention saw: the log was written anew from here, or before");
	return rc;
}

static int read_all(struct reading *r)
{
	AUTO(record_names_free) struct record_names names = { 0 };
	int rc = record_list(r->v, r->tenant, "audit", &names, r->user);

	if (r->cap)
		r->why[0] = '\0';
	if (rc)
		snprintf(r->why, r->cap, "its segments cannot be listed: %s", strerror(rc));
	for (size_t i = names.count; i-- > 0 && !rc;) {
		uint64_t number = audit_number(names.names[i].name);

		r->segment++;
		if (number != r->segment)
			rc = number ? wrong(r, EBADMSG, "missing") : wrong(r, EBADMSG, "\"%s\" stands among the segments", names.names[i].name);
		else
			rc = read_segment(r);
	}
	if (rc || r->segment >= r->known)
		return rc;
	r->segment++;
	return wrong(r, EBADMSG, "missing, and all behind it: the last run of retention saw %llu", (unsigned long long)r->known);
}

int audit_read(struct vault *v, const char *tenant, audit_seen *fn, void *arg, char *why, size_t cap, struct store_call *call)
{
	struct reading r = { .v = v, .tenant = tenant, .fn = fn, .arg = arg, .why = why, .cap = cap, .prev = AUDIT_ZEROS, .user = call };

	return read_all(&r);
}

int audit_verify(struct vault *v, const char *tenant, audit_seen *fn, void *arg, char *why, size_t cap, struct store_call *call)
{
	struct reading r = { .v = v, .tenant = tenant, .fn = fn, .arg = arg, .why = why, .cap = cap, .prev = AUDIT_ZEROS, .user = call };
	AUTO(sweep_state_free) struct sweep_state state = { 0 };
	int rc = sweep_state_read(v, tenant, &state, call);

	if (rc == ECANCELED || rc == ENOMEM)
		return rc;
	if (rc)
		log_msg(LOG_WARN, "audit", "%s: what retention remembers of the log cannot be read, so it is not compared with that: %s", tenant, strerror(rc));
	r.known = state.audit;
	memcpy(r.known_hash, state.audit_hash, sizeof(r.known_hash));
	return read_all(&r);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_vault.h"

#include "base/clock.h"
#include "tools/say.h"
#include "tools/verbs.h"

#include <errno.h>

struct fake fake;
char *fake_out, *fake_err;

/* ---- what tests use */

int fake_setup(void **state)
{
	fake = (struct fake){ .tenants = { "acme", "beta" } };
	assert_int_equal(clock_parse_utc(&fake.now_s, "2026-11-25T12:00:00Z"), 0);
	return 0;
}

struct backup *fake_backup(const char *stem, int64_t time_s)
{
	struct backup *b = &fake.backups[fake.backup_count++];

	assert_true(fake.backup_count <= ARRAY_LEN(fake.backups));
	*b = (struct backup){ .state = BACKUP_SEALED, .timed = true, .time_s = time_s, .committed_s = time_s, .sealed_s = time_s, .bytes = 1536, .objects = 3 };
	copy_text(b->stem, sizeof(b->stem), stem);
	return b;
}

static PRINTF_LIKE(1, 2) void note(const char *fmt, ...)
{
	size_t used = strlen(fake.calls);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(fake.calls + used, sizeof(fake.calls) - used, fmt, ap);
	va_end(ap);
}

static void run(const char *typed, bool terminal, int code, va_list words)
{
	static char program[] = "pishopctl";
	char *argv[32] = { program };
	char *environ_list[] = { NULL };
	int argc = 1;
	size_t out_len, err_len;
	struct tool t = { .stop = &fake.stop, .asks = terminal, .err_terminal = terminal };

	free(fake_out);
	free(fake_err);
	for (const char *word; argc < 31 && (word = va_arg(words, const char *));)
		argv[argc++] = strdup(word);
	t.in = fmemopen((void *)(uintptr_t)typed, strlen(typed), "r");
	t.out = open_memstream(&fake_out, &out_len);
	t.err = open_memstream(&fake_err, &err_len);
	assert_non_null(t.in);

	char *copies[32];

	memcpy(copies, argv, sizeof(copies)); /* the program moves them */

	int got = tool_main(&t, argc, argv, environ_list);

	fclose(t.in);
	fclose(t.out);
	fclose(t.err);
	for (int i = 1; i < argc; i++)
		free(copies[i]);
	if (got != code)
		fail_msg("exit code %d, not %d; out: %s err: %s", got, code, fake_out, fake_err);
}

void fake_run(int code, ...)
{
	va_list words;

	va_start(words, code);
	run("\n", false, code, words);
	va_end(words);
}

void fake_run_typing(const char *typed, int code, ...)
{
	va_list words;

	va_start(words, code);
	run(typed, true, code, words);
	va_end(words);
}

void fake_says(const char *text, bool err)
{
	if (!strstr(err ? fake_err : fake_out, text))
		fail_msg("\"%s\" is not in: %s", text, err ? fake_err : fake_out);
}

void fake_does_not_say(const char *text, bool err)
{
	if (strstr(err ? fake_err : fake_out, text))
		fail_msg("\"%s\" is in: %s", text, err ? fake_err : fake_out);
}

/* The answer of a call about a tenant; 0: it is to be done. */
static int answer(enum fake_call call, const char *tenant)
{
	if (fake.stop_at && tenant && strcmp(tenant, fake.stop_at) == 0) {
		atomic_store(&fake.stop, true);
		return ECANCELED;
	}
	return fake.fails && tenant && strcmp(fake.fails, tenant) != 0 ? 0 : fake.rc[call];
}

/* ---- opening */

int tool_open(struct tool *t)
{
	const struct verb *verb = t->verb;

	fake.wrote = verb->access == VERB_WRITES && (!verb->writes || verb->writes(t));
	if (fake.rc[FAKE_OPEN])
		say(t, "the store does not open");
	return fake.rc[FAKE_OPEN];
}

int vault_close(struct vault *v)
{
	return fake.rc[FAKE_CLOSE];
}

const struct path_rules *vault_rules(struct vault *v)
{
	static const struct path_rules rules = { "backups", 1024, 255 };

	return &rules;
}

/* ---- backups */

const char *backup_state_name(enum backup_state s)
{
	static const char *const names[] = { "open", "settling", "sealed", "unsealed", "partial", "damaged", "deleted" };

	return names[s];
}

static int copy_backups(struct catalog *out, const char *only)
{
	out->backups = calloc(fake.backup_count + 1, sizeof(*out->backups));
	assert_non_null(out->backups);
	for (size_t i = 0; i < fake.backup_count; i++)
		if (!only || strcmp(only, fake.backups[i].stem) == 0)
			out->backups[out->count++] = fake.backups[i];
	out->server_s = fake.now_s;
	return 0;
}

int catalog_read(struct vault *v, const char *tenant, const struct catalog_options *options, struct catalog *out, struct store_call *call)
{
	int rc = answer(FAKE_CATALOG, tenant);

	return rc ? rc : copy_backups(out, options->only);
}

void catalog_free(struct catalog *c)
{
	free(c->backups);
}

const struct backup *catalog_find(const struct catalog *c, const char *stem)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->backups[i].stem, stem) == 0)
			return &c->backups[i];
	return NULL;
}

int tenants_list(struct vault *v, struct tenant_names *out, struct store_call *call)
{
	if (fake.rc[FAKE_TENANTS])
		return fake.rc[FAKE_TENANTS];
	out->names = calloc(ARRAY_LEN(fake.tenants) + 1, sizeof(*out->names));
	assert_non_null(out->names);
	while (out->count < ARRAY_LEN(fake.tenants) && fake.tenants[out->count]) {
		out->names[out->count] = strdup(fake.tenants[out->count]);
		out->count++;
	}
	return 0;
}

void tenant_names_free(struct tenant_names *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->names[i]);
	free(n->names);
}

/* ---- seals and verification */

int sealer_run(struct vault *v, const char *tenant, const char *stem, const struct sealer_options *options, enum sealer_answer *out, char *reason, size_t cap,
	       struct seal *made, struct store_call *call)
{
	note("seal %s/%s %s\n", tenant, stem, options->source == SEAL_REQUEST && !options->mark && !options->own_open ? "request" : "?");
	*out = fake.answer;
	snprintf(reason, cap, "the reason");
	made->count = 37;
	return answer(FAKE_SEALER, tenant);
}

void seal_free(struct seal *s)
{
}

const char *verify_fault_name(enum verify_fault f)
{
	return f == VERIFY_MISSING ? "missing" : f == VERIFY_SEAL_MISSING ? "seal missing" : "replaced";
}

int verify_tenant(struct vault *v, const char *tenant, const char *stem, const struct verify_config *config, struct verify_result *out, struct store_call *call)
{
	int rc = answer(FAKE_VERIFY, tenant);

	fake.verify = *config;
	if (rc)
		return rc;
	config->progress(config->arg, &(struct verify_progress){ .backups = 1, .backups_all = 2, .objects = 3, .bytes = 2048 });
	for (size_t i = 0; i < ARRAY_LEN(fake.faults) && (fake.faults[i].path || fake.faults[i].detail); i++)
		config->fault(config->arg, tenant, "X", fake.faults[i].path, fake.faults[i].fault, fake.faults[i].detail);
	*out = fake.verified;
	return 0;
}

/* ---- retention */

const char *sweep_doubt_name(enum sweep_doubt d)
{
	static const char *const names[] = { "none", "listing", "clock", "backwards", "forwards", "drop", "old", "layout", "policy" };

	return names[d];
}

int sweep_tenant(struct vault *v, const char *tenant, const struct sweep_config *config, struct sweep_report *out)
{
	int rc = answer(FAKE_SWEEP, tenant);

	fake.sweep = *config;
	fake.sweeps++;
	if (rc)
		return rc;
	note("sweep %s%s%s\n", tenant, config->dry_run ? " dry" : "", config->override_policy ? " override" : "");
	*out = fake.swept;
	if (out->doubt)
		return 0;
	copy_backups(&out->catalog, NULL);
	return plan_make(out->catalog.backups, out->catalog.count, &config->policy, fake.now_s, &out->plan);
}

void sweep_report_free(struct sweep_report *r)
{
	plan_free(&r->plan);
	catalog_free(&r->catalog);
}

/* ---- records: only control/policy, and the names of tombstones */

int record_read(struct vault *v, const char *key, char **text, size_t *len, struct record_id *id, struct store_call *call)
{
	if (fake.rc[FAKE_RECORD_READ])
		return fake.rc[FAKE_RECORD_READ];
	assert_int_equal(strncmp(key, "backups/.pishop/t/", 18), 0);
	assert_non_null(strstr(key, "/control/policy"));
	if (!fake.policy)
		return ENOENT;
	*text = strdup(fake.policy);
	*len = strlen(fake.policy);
	copy_text(id->etag, sizeof(id->etag), "e1");
	return 0;
}

int record_write(struct vault *v, const char *key, const char *text, size_t len, const struct record_id *old, struct record_id *id, struct store_call *call)
{
	if (!fake.rc[FAKE_RECORD_WRITE])
		note("write %s over %s: %.*s", key, old ? old->etag : "nothing", (int)len, text);
	return fake.rc[FAKE_RECORD_WRITE];
}

int record_remove(struct vault *v, const char *key, struct store_call *call)
{
	note("remove %s\n", key);
	return fake.rc[FAKE_RECORD_REMOVE];
}

int record_list(struct vault *v, const char *tenant, const char *kind, struct record_names *out, struct store_call *call)
{
	assert_string_equal(kind, "tombstones");
	if (answer(FAKE_RECORD_LIST, tenant))
		return answer(FAKE_RECORD_LIST, tenant);
	out->names = calloc(fake.tomb_count + 1, sizeof(*out->names));
	assert_non_null(out->names);
	for (; out->count < fake.tomb_count; out->count++)
		out->names[out->count].name = strdup(fake.tombs[out->count].stem);
	return 0;
}

void record_names_free(struct record_names *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->names[i].name);
	free(n->names);
}

/* ---- tombstones: their texts are the tests' */

int tombstone_read(struct vault *v, const char *tenant, const char *stem, struct tombstone *out, struct store_call *call)
{
	if (fake.rc[FAKE_TOMBSTONE_READ])
		return fake.rc[FAKE_TOMBSTONE_READ];
	for (size_t i = 0; i < fake.tomb_count; i++) {
		if (strcmp(stem, fake.tombs[i].stem) != 0)
			continue;
		*out = fake.tombs[i];
		return 0;
	}
	return ENOENT;
}

void tombstone_free(struct tombstone *t)
{
}

int tombstone_undelete(struct vault *v, const char *tenant, const char *stem, const char *id, const char *to, struct store_call *call)
{
	note("undelete %s/%s id %s to %s\n", tenant, stem, id ? id : "none", to ? to : "none");
	return fake.rc[FAKE_UNDELETE];
}

int trash_list(struct vault *v, const char *tenant, struct trash_list *out, struct store_call *call)
{
	*out = (struct trash_list){ fake.trash, fake.trash_count };
	return fake.rc[FAKE_TRASH];
}

void trash_list_free(struct trash_list *t)
{
}

/* ---- holds */

int holds_read(struct vault *v, const char *tenant, struct holds *out, struct store_call *call)
{
	*out = (struct holds){ .list = fake.holds, .count = fake.hold_count };
	return answer(FAKE_HOLDS, tenant);
}

void holds_free(struct holds *h)
{
}

int hold_add(struct vault *v, const char *tenant, const char *stem, const char *why, const char *by, struct store_call *call)
{
	assert_non_null(strchr(by, '@'));
	note("hold %s/%s %s\n", tenant, stem, why);
	return fake.rc[FAKE_HOLD_ADD];
}

int hold_remove(struct vault *v, const char *tenant, const char *stem, const char *by, struct store_call *call)
{
	assert_non_null(strchr(by, '@'));
	note("unhold %s/%s\n", tenant, stem);
	return fake.rc[FAKE_HOLD_REMOVE];
}

/* ---- audit log: a line is "event backup detail" */

const char *audit_event_name(enum audit_event e)
{
	return e == AUDIT_SEALED ? "sealed" : e == AUDIT_POLICY ? "policy" : "other";
}

void audit_note(struct vault *v, const char *tenant, const struct audit_line *line)
{
	note("audit %s %s %s\n", tenant, audit_event_name(line->event), line->detail);
}

int audit_flush(struct vault *v, const char *tenant, struct store_call *call)
{
	return fake.rc[FAKE_AUDIT_FLUSH];
}

int audit_decode(const char *line, size_t len, struct audit_entry *out)
{
	*out = (struct audit_entry){ .event = AUDIT_SEALED, .at_s = fake.now_s, .detail = strndup(line, len) };
	copy_text(out->backup, sizeof(out->backup), "X");
	copy_text(out->prev, sizeof(out->prev), "00");
	return 0;
}

void audit_entry_free(struct audit_entry *e)
{
	free(e->detail);
}

int audit_read(struct vault *v, const char *tenant, audit_seen *fn, void *arg, char *why, size_t cap, struct store_call *call)
{
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(fake.audit) && fake.audit[i] && !rc; i++)
		rc = fn(arg, fake.audit[i], strlen(fake.audit[i]));
	if (fake.audit_why)
		snprintf(why, cap, "%s", fake.audit_why);
	return rc ? rc : answer(FAKE_AUDIT_READ, tenant);
}

int audit_verify(struct vault *v, const char *tenant, audit_seen *fn, void *arg, char *why, size_t cap, struct store_call *call)
{
	note("audit verify %s\n", tenant);
	return audit_read(v, tenant, fn, arg, why, cap, call);
}

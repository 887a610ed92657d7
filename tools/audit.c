/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/audit.h"

#include "tools/say.h"
#include "tools/show.h"
#include "tools/target.h"
#include "tools/verbs.h"

#include <errno.h>

struct reading {
	struct tool *t;
	bool show, json;
	uint64_t lines;
};

/* As a line that any program can parse, where the log itself has names as bytes. */
static int line_json(const struct tool *t, const struct audit_entry *e)
{
	struct show_doc doc;

	show_doc_begin(&doc);
	json_time(&doc, doc.root, "at", e->at_s);
	json_text(&doc, doc.root, "event", audit_event_name(e->event));
	json_text(&doc, doc.root, "backup", e->backup[0] ? e->backup : NULL);
	json_text(&doc, doc.root, "detail", e->detail);
	json_text(&doc, doc.root, "seal", e->seal[0] ? e->seal : NULL);
	json_number(&doc, doc.root, "epoch", e->epoch);
	json_number(&doc, doc.root, "objects", e->objects);
	json_number(&doc, doc.root, "bytes", e->bytes);
	json_text(&doc, doc.root, "writer", e->writer);
	json_text(&doc, doc.root, "program", e->program);
	json_text(&doc, doc.root, "prev", e->prev);
	return show_json(t, &doc) ? ENOMEM : 0;
}

static void line_text(const struct tool *t, const struct audit_entry *e)
{
	char at[SHOW_CAP], bytes[SHOW_CAP], sum[64] = "";

	show_time(at, e->at_s);
	show_bytes(bytes, e->bytes);
	if (e->objects)
		snprintf(sum, sizeof(sum), "  (%llu, %s)", (unsigned long long)e->objects, bytes);
	show_line(t, "%s  %-10s  %s%s%s%s", at, audit_event_name(e->event), e->backup[0] ? e->backup : "-", e->detail ? "  " : "", e->detail ? e->detail : "", sum);
}

static int on_line(void *arg, const char *line, size_t len)
{
	struct reading *r = arg;
	AUTO(audit_entry_free) struct audit_entry e = { 0 };

	r->lines++;
	if (!r->show)
		return tool_stopped(r->t) ? ECANCELED : 0;

	int rc = audit_decode(line, len, &e);

	if (!rc && r->json)
		rc = line_json(r->t, &e);
	else if (!rc)
		line_text(r->t, &e);
	return rc ? rc : tool_stopped(r->t) ? ECANCELED : 0;
}

static int read_log(struct reading *r, char tenant[PATH_CAP], char *why, size_t cap, int *rc)
{
	struct store_call call = tool_call(r->t);
	struct target target;
	int code = target_parse(r->t, conf_argv(r->t->conf, 0), TARGET_TENANT, &target);

	if (code != TOOL_DONE)
		return code;
	copy_text(tenant, PATH_CAP, target.tenant);
	why[0] = '\0';
	*rc = (r->show ? audit_read : audit_verify)(r->t->vault, target.tenant, on_line, r, why, cap, &call);
	return TOOL_DONE;
}

static bool is_broken(int rc)
{
	return rc == EBADMSG || rc == EPROTONOSUPPORT;
}

static int broken(const struct tool *t, const char *tenant, const char *why)
{
	say(t, "%s: its audit log is not whole: %s; somebody changed it, or an object of it is damaged", tenant, why);
	return TOOL_FAILED;
}

static int run_show(struct tool *t)
{
	struct reading r = { .t = t, .show = true, .json = conf_bool(t->conf, "json") };
	char tenant[PATH_CAP], why[256];
	int rc = 0, code = read_log(&r, tenant, why, sizeof(why), &rc);

	if (code != TOOL_DONE || !rc)
		return code;
	return is_broken(rc) ? broken(t, tenant, why) : say_failed(t, tenant, "reading its audit log", rc);
}

static int run_verify(struct tool *t)
{
	struct reading r = { .t = t, .json = conf_bool(t->conf, "json") };
	char tenant[PATH_CAP], why[256];
	int rc = 0, code = read_log(&r, tenant, why, sizeof(why), &rc);

	if (code != TOOL_DONE)
		return code;
	if (rc && !is_broken(rc))
		return say_failed(t, tenant, "reading its audit log", rc);
	if (r.json) {
		struct show_doc doc;

		show_doc_begin(&doc);
		json_text(&doc, doc.root, "tenant", tenant);
		json_bool(&doc, doc.root, "whole", !rc);
		json_number(&doc, doc.root, "lines", r.lines);
		json_text(&doc, doc.root, "why", rc ? why : NULL);
		code = show_json(t, &doc);
		return code ? code : rc ? TOOL_FAILED : TOOL_DONE;
	}
	if (rc)
		return broken(t, tenant, why);
	show_line(t, "%s: the audit log is whole: %llu lines, each linked to the one before it", tenant, (unsigned long long)r.lines);
	return TOOL_DONE;
}

const struct verb verb_audit_show = {
	.name = "audit show", .arguments = "TENANT", .least = 1, .most = 1, .access = VERB_READS, .run = run_show, .options = { &options_json },
	.help = "Shows what happened to a tenant's backups, oldest first.",
};

const struct verb verb_audit_verify = {
	.name = "audit verify", .arguments = "TENANT", .least = 1, .most = 1, .access = VERB_READS, .run = run_verify, .options = { &options_json },
	.help = "Checks that no line of that log was changed, added or left out.",
	.more = "Each line holds the digest of the one before it. That newest segments were removed is told as well, as far as the last run of retention saw them.",
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/say.h"
#include "tools/show.h"
#include "tools/target.h"
#include "tools/verbs.h"
#include "vault/backup.h"

#include <errno.h>

static const struct show_column columns[] = {
	{ "TENANT" }, { "BACKUP" }, { "STATE" }, { "TIME" }, { "SIZE", .right = true }, { "OBJECTS", .right = true }, { "NOTE", .wrap = true },
};

struct listing {
	struct show_table *table; /* NULL: JSON */
	struct show_doc doc;
	cJSON *tenants;
};

static void add_note(char *out, size_t cap, const char *text)
{
	size_t used = strlen(out);

	snprintf(out + used, cap - used, "%s%s", used ? "; " : "", text);
}

static void note_of(const struct backup *b, char *out, size_t cap)
{
	const struct { bool yes; const char *text; } notes[] = {
		{ b->held, "held" }, { b->future, "dated in the future: counts for nothing" }, { b->imported, "imported" },
		{ b->foreign, "holds objects that are not ours" }, { b->live_writer, "a writer lives" }, { !b->timed, "no time in its name" },
	};
	char until[SHOW_CAP], text[64];

	out[0] = '\0';
	if (b->reason[0])
		add_note(out, cap, b->reason);
	if (b->state == BACKUP_DELETED) {
		show_time(until, b->deleted_until_s);
		snprintf(text, sizeof(text), "can be undeleted until %s", until);
		add_note(out, cap, text);
	}
	for (size_t i = 0; i < ARRAY_LEN(notes); i++)
		if (notes[i].yes)
			add_note(out, cap, notes[i].text);
}

static int add_row(struct show_table *table, const char *tenant, const struct backup *b)
{
	char time[SHOW_CAP], size[SHOW_CAP], objects[SHOW_CAP], note[512];

	show_time(time, b->time_s);
	show_bytes(size, b->bytes);
	snprintf(objects, sizeof(objects), "%llu", (unsigned long long)b->objects);
	note_of(b, note, sizeof(note));
	return show_row(table, (const char *const[]){ tenant, b->stem, backup_state_name(b->state), time, size, objects, note });
}

static void add_json(struct show_doc *doc, cJSON *list, const struct backup *b)
{
	cJSON *o = json_item(doc, list);

	json_text(doc, o, "backup", b->stem);
	json_text(doc, o, "state", backup_state_name(b->state));
	json_text(doc, o, "reason", b->reason[0] ? b->reason : NULL);
	json_time(doc, o, "time", b->time_s);
	json_bool(doc, o, "timed", b->timed);
	json_bool(doc, o, "imported", b->imported);
	json_bool(doc, o, "future", b->future);
	json_time(doc, o, "committed", b->committed_s);
	json_time(doc, o, "sealed", b->sealed_s);
	json_number(doc, o, "bytes", b->bytes);
	json_number(doc, o, "objects", b->objects);
	json_number(doc, o, "scratch", b->scratch);
	json_bool(doc, o, "foreign", b->foreign);
	json_bool(doc, o, "live_writer", b->live_writer);
	json_bool(doc, o, "held", b->held);
	json_time(doc, o, "deleted_until", b->deleted_until_s);
}

static int list_tenant(struct tool *t, const struct target *target, void *arg)
{
	struct listing *l = arg;
	struct store_call call = tool_call(t);
	struct catalog_options options = { .only = target->stem[0] ? target->stem : NULL };
	AUTO(catalog_free) struct catalog c = { 0 };
	int rc = catalog_read(t->vault, target->tenant, &options, &c, &call);

	if (rc == ENOENT) {
		say(t, "%s: there is no such tenant, or nothing is left of it; pishopctl list shows all, pishopctl undelete --list what can be brought back", target->tenant);
		return TOOL_FAILED;
	}
	if (rc)
		return say_failed(t, target->shown, "listing", rc);
	if (options.only && !c.count) {
		say(t, "%s: there is no such backup; pishopctl list %s shows what there is", target->shown, target->tenant);
		return TOOL_FAILED;
	}

	cJSON *tenant = l->table ? NULL : json_item(&l->doc, l->tenants), *list = NULL;

	if (!l->table) {
		json_text(&l->doc, tenant, "tenant", target->tenant);
		list = json_list(&l->doc, tenant, "backups");
	}
	for (size_t i = 0; i < c.count && !rc; i++) {
		if (l->table)
			rc = add_row(l->table, target->tenant, &c.backups[i]);
		else
			add_json(&l->doc, list, &c.backups[i]);
	}
	return rc ? say_failed(t, target->shown, "listing", rc) : TOOL_DONE;
}

static int run(struct tool *t)
{
	struct listing l = { 0 };
	AUTO(auto_show_table_free) struct show_table *table = NULL;
	bool json = conf_bool(t->conf, "json");

	if (!json && !(l.table = table = show_table_new(t, columns, ARRAY_LEN(columns))))
		return say_failed(t, "list", "making a table", ENOMEM);
	if (json) {
		show_doc_begin(&l.doc);
		l.tenants = json_list(&l.doc, l.doc.root, "tenants");
	}

	int code = target_each(t, TARGET_EITHER, list_tenant, &l);

	if (!json)
		return show_print(table) ? TOOL_FAILED : code;
	if (conf_argc(t->conf) == 1 && cJSON_GetArraySize(l.tenants) == 1)
		json_copy_up(&l.doc, cJSON_GetArrayItem(l.tenants, 0), "backups");

	int printed = show_json(t, &l.doc);

	return printed ? printed : code;
}

const struct verb verb_list = {
	.name = "list", .arguments = "[TENANT[/BACKUP]]...", .most = -1, .access = VERB_READS, .run = run, .options = { &options_json },
	.help = "Lists backups with their states, times and sizes.",
	.more = "States: open (being written), settling (closed, its writer will seal it), sealed (what stands there is what its seal lists),\n"
		"unsealed (nothing says that it is complete), partial (known to be incomplete), damaged (not what its seal lists), deleted.",
};

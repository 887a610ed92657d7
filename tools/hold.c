/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/hold.h"

#include "tools/say.h"
#include "tools/show.h"
#include "tools/target.h"
#include "tools/verbs.h"
#include "vault/backup.h"

#include <errno.h>
#include <pwd.h>
#include <unistd.h>

static const struct conf_option own[] = {
	{ .name = "why", .type = CONF_TEXT, .group = "Holds", .value_name = "TEXT", .max = 1000, .help = "The reason, for whoever looks at the hold later." },
};
static const size_t own_count = ARRAY_LEN(own);
static const struct verb_options options = { own, &own_count };

/* "user@host", as the record and the audit log name who it was. */
static void who(char *out, size_t cap)
{
	char host[128] = "", buffer[1024];
	struct passwd entry, *found = NULL;

	if (gethostname(host, sizeof(host) - 1))
		host[0] = '\0';
	if (getpwuid_r(geteuid(), &entry, buffer, sizeof(buffer), &found) || !found)
		snprintf(out, cap, "%u@%s", (unsigned)geteuid(), host);
	else
		snprintf(out, cap, "%s@%s", found->pw_name, host);
}

/* A hold on a mistyped name would protect nothing. */
static int check_there(struct tool *t, const struct target *target)
{
	struct store_call call = tool_call(t);
	struct catalog_options only = { .only = target->stem };
	AUTO(catalog_free) struct catalog c = { 0 };
	int rc = catalog_read(t->vault, target->tenant, &only, &c, &call);

	if (rc && rc != ENOENT)
		return say_failed(t, target->shown, "looking for it", rc);
	if (!rc && catalog_find(&c, target->stem))
		return TOOL_DONE;
	say(t, "%s: there is no such backup; pishopctl list %s shows what there is", target->shown, target->tenant);
	return TOOL_FAILED;
}

static int add_one(struct tool *t, const struct target *target, void *arg)
{
	struct store_call call = tool_call(t);
	const char *why = conf_text(t->conf, "why");
	char by[256];
	int code = check_there(t, target);

	if (code != TOOL_DONE)
		return code;
	who(by, sizeof(by));

	int rc = hold_add(t->vault, target->tenant, target->stem, why ? why : "", by, &call);

	if (rc == EBUSY) {
		say(t, "%s: NOT held: its deletion has begun already", target->shown);
		return TOOL_LOCKED;
	}
	if (rc && rc != EEXIST)
		return say_failed(t, target->shown, "holding it", rc);
	show_line(t, "%s: %s", target->shown, rc ? "was on hold already; that hold stays as it is" : "is on hold: it is not deleted");
	return TOOL_DONE;
}

static int remove_one(struct tool *t, const struct target *target, void *arg)
{
	struct store_call call = tool_call(t);
	char by[256];

	who(by, sizeof(by));

	int rc = hold_remove(t->vault, target->tenant, target->stem, by, &call);

	if (rc == ENOENT) {
		say(t, "%s: is not on hold; pishopctl hold list %s shows what is", target->shown, target->tenant);
		return TOOL_FAILED;
	}
	if (rc)
		return say_failed(t, target->shown, "ending its hold", rc);
	show_line(t, "%s: is not on hold any more; retention may delete it", target->shown);
	return TOOL_DONE;
}

/* ---- list */

static const struct show_column columns[] = { { "TENANT" }, { "BACKUP" }, { "SINCE" }, { "BY" }, { "WHY", .wrap = true } };

struct listing {
	struct show_table *table; /* NULL: JSON */
	struct show_doc doc;
	cJSON *list;
};

static int show_hold(struct listing *l, const char *tenant, const struct hold *h)
{
	char since[SHOW_CAP];

	if (!l->table) {
		cJSON *o = json_item(&l->doc, l->list);

		json_text(&l->doc, o, "tenant", tenant);
		json_text(&l->doc, o, "backup", h->stem);
		json_time(&l->doc, o, "since", h->at_s);
		json_text(&l->doc, o, "by", h->by);
		json_text(&l->doc, o, "why", h->why);
		return 0;
	}
	show_time(since, h->at_s);
	return show_row(l->table, (const char *const[]){ tenant, h->stem, since, h->by, h->why });
}

static int list_tenant(struct tool *t, const struct target *target, void *arg)
{
	struct store_call call = tool_call(t);
	AUTO(holds_free) struct holds holds = { 0 };
	int rc = holds_read(t->vault, target->tenant, &holds, &call);

	for (size_t i = 0; i < holds.count && !rc; i++)
		if (!target->stem[0] || strcmp(target->stem, holds.list[i].stem) == 0)
			rc = show_hold(arg, target->tenant, &holds.list[i]);
	return rc ? say_failed(t, target->tenant, "reading its holds", rc) : TOOL_DONE;
}

static int run_list(struct tool *t)
{
	struct listing l = { 0 };
	AUTO(auto_show_table_free) struct show_table *table = NULL;

	if (conf_bool(t->conf, "json")) {
		show_doc_begin(&l.doc);
		l.list = json_list(&l.doc, l.doc.root, "holds");

		int code = target_each(t, TARGET_EITHER, list_tenant, &l), printed = show_json(t, &l.doc);

		return printed ? printed : code;
	}
	l.table = table = show_table_new(t, columns, ARRAY_LEN(columns));
	if (!table)
		return say_failed(t, "hold list", "making a table", ENOMEM);

	int code = target_each(t, TARGET_EITHER, list_tenant, &l);

	return show_print(table) ? TOOL_FAILED : code;
}

static int run_add(struct tool *t)
{
	return target_each(t, TARGET_BACKUP, add_one, NULL);
}

static int run_remove(struct tool *t)
{
	int code = target_check_all(t, TARGET_BACKUP);

	if (code == TOOL_DONE)
		code = say_ask(t, "hold remove", "End the hold of %d backups, so that retention may delete them?", conf_argc(t->conf));
	return code == TOOL_DONE ? target_each(t, TARGET_BACKUP, remove_one, NULL) : code;
}

const struct verb verb_hold_add = {
	.name = "hold add", .arguments = "TENANT/BACKUP...", .least = 1, .most = -1, .access = VERB_WRITES, .run = run_add, .options = { &options },
	.help = "Puts backups on hold: they are never deleted until that ends.",
};

const struct verb verb_hold_remove = {
	.name = "hold remove", .arguments = "TENANT/BACKUP...", .least = 1, .most = -1, .access = VERB_WRITES, .run = run_remove,
	.options = { &options_yes }, .help = "Ends the hold of backups.",
};

const struct verb verb_hold_list = {
	.name = "hold list", .arguments = "[TENANT[/BACKUP]]...", .most = -1, .access = VERB_READS, .run = run_list, .options = { &options_json },
	.help = "Shows which backups are on hold, since when and why.",
};

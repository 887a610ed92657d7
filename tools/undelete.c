/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/say.h"
#include "tools/show.h"
#include "tools/target.h"
#include "tools/verbs.h"
#include "vault/tombstone.h"

#include <errno.h>

static const struct conf_option own[] = {
	{ .name = "as", .type = CONF_TEXT, .group = "Undeleting", .value_name = "NAME", .help = "Bring it back under this name, where its own is taken." },
	{ .name = "id", .type = CONF_TEXT, .group = "Undeleting", .value_name = "ID",
	  .help = "Which of several deleted ones of that name: --list shows their ids." },
	{ .name = "list", .type = CONF_FLAG_ONLY, .group = "Undeleting", .help = "Show what can be brought back, and until when." },
};
static const size_t own_count = ARRAY_LEN(own);
static const struct verb_options options = { own, &own_count };

/* ---- what is deleted */

static const struct show_column columns[] = {
	{ "TENANT" }, { "BACKUP" }, { "ID" }, { "WHERE" }, { "DELETED" }, { "UNTIL" }, { "SIZE", .right = true }, { "WHY", .wrap = true },
};

struct listing {
	struct show_table *table; /* NULL: JSON */
	struct show_doc doc;
	cJSON *list;
};

static const char *where(const struct tombstone *tomb)
{
	return tomb->phase == TOMB_DELETING ? "being deleted" : tomb->in_trash ? "trash" : "place";
}

static int add(struct listing *l, const char *tenant, const struct tombstone *tomb)
{
	if (!l->table) {
		cJSON *o = json_item(&l->doc, l->list);

		json_text(&l->doc, o, "tenant", tenant);
		json_text(&l->doc, o, "backup", tomb->stem);
		json_text(&l->doc, o, "id", tomb->id);
		json_text(&l->doc, o, "phase", tomb->phase == TOMB_DELETING ? "deleting" : "grace");
		json_bool(&l->doc, o, "trash", tomb->in_trash);
		json_time(&l->doc, o, "deleted", tomb->at_s);
		json_time(&l->doc, o, "until", tomb->until_s);
		json_text(&l->doc, o, "why", tomb->why);
		json_text(&l->doc, o, "by", tomb->by);
		json_number(&l->doc, o, "objects", tomb->objects);
		json_number(&l->doc, o, "bytes", tomb->bytes);
		return 0;
	}

	char at[SHOW_CAP], until[SHOW_CAP], size[SHOW_CAP];

	show_time(at, tomb->at_s);
	show_time(until, tomb->until_s);
	show_bytes(size, tomb->bytes);
	return show_row(l->table, (const char *const[]){ tenant, tomb->stem, tomb->id, where(tomb), at, until, size, tomb->why });
}

static int add_in_place(struct tool *t, struct listing *l, const char *tenant)
{
	struct store_call call = tool_call(t);
	AUTO(record_names_free) struct record_names names = { 0 };
	int rc = record_list(t->vault, tenant, "tombstones", &names, &call);

	for (size_t i = 0; i < names.count && !rc; i++) {
		AUTO(tombstone_free) struct tombstone tomb = { 0 };

		rc = tombstone_read(t->vault, tenant, names.names[i].name, &tomb, &call);
		if (!rc)
			rc = add(l, tenant, &tomb);
		if (rc == ENOENT) /* undeleted, or gone, since the listing */
			rc = 0;
	}
	return rc;
}

static int list_tenant(struct tool *t, const struct target *target, void *arg)
{
	struct store_call call = tool_call(t);
	AUTO(trash_list_free) struct trash_list trash = { 0 };
	int rc = add_in_place(t, arg, target->tenant);

	if (!rc)
		rc = trash_list(t->vault, target->tenant, &trash, &call);
	for (size_t i = 0; i < trash.count && !rc; i++)
		rc = add(arg, target->tenant, &trash.items[i]);
	return rc ? say_failed(t, target->tenant, "listing what is deleted", rc) : TOOL_DONE;
}

static int list(struct tool *t)
{
	struct listing l = { 0 };
	AUTO(auto_show_table_free) struct show_table *table = NULL;

	if (conf_bool(t->conf, "json")) {
		show_doc_begin(&l.doc);
		l.list = json_list(&l.doc, l.doc.root, "deleted");

		int code = target_each(t, TARGET_TENANT, list_tenant, &l), printed = show_json(t, &l.doc);

		return printed ? printed : code;
	}
	l.table = table = show_table_new(t, columns, ARRAY_LEN(columns));
	if (!table)
		return say_failed(t, "undelete", "making a table", ENOMEM);

	int code = target_each(t, TARGET_TENANT, list_tenant, &l);

	if (!show_rows(table) && code == TOOL_DONE)
		say(t, "nothing is deleted that could be brought back");
	return show_print(table) ? TOOL_FAILED : code;
}

/* ---- bringing back */

/* The id of the one that is meant, where it is in the trash; "": it is deleted in place. */
static int choose(struct tool *t, const struct target *target, char id[33])
{
	struct store_call call = tool_call(t);
	const char *given = conf_text(t->conf, "id");
	AUTO(trash_list_free) struct trash_list trash = { 0 };
	AUTO(tombstone_free) struct tombstone here = { 0 };
	size_t found = 0;
	int rc = tombstone_read(t->vault, target->tenant, target->stem, &here, &call);
	bool in_place = !rc && (!given || strcmp(given, here.id) == 0);

	id[0] = '\0';
	if (in_place && !here.trashed)
		return TOOL_DONE;
	if (!rc || rc == ENOENT)
		rc = trash_list(t->vault, target->tenant, &trash, &call);
	if (rc)
		return say_failed(t, target->shown, "looking for it", rc);
	for (size_t i = 0; i < trash.count; i++) {
		const struct tombstone *item = &trash.items[i];

		if (strcmp(item->stem, target->stem) != 0 || (given && strcmp(given, item->id) != 0))
			continue;
		copy_text(id, 33, item->id);
		found++;
	}
	if (found == 1 || (!found && in_place)) /* in place, but on its way to the trash: the undelete says so */
		return TOOL_DONE;
	if (found)
		return say_usage(t, "%s: %zu deleted ones have that name; give --id=ID (pishopctl undelete --list %s)", target->shown, found, target->tenant);
	say(t, "%s: no such deleted backup; pishopctl undelete --list %s shows what there is", target->shown, target->tenant);
	return TOOL_FAILED;
}

static int tell(const struct tool *t, const struct target *target, const char *as, int rc)
{
	const char *name = as ? as : target->stem;

	switch (rc) {
	case 0:
		show_line(t, "%s/%s: is back", target->tenant, name);
		return TOOL_DONE;
	case EBUSY:
		say(t, "%s: cannot be brought back now: its deletion has begun, or it is just being moved to the trash; in the second case try again", target->shown);
		return TOOL_LOCKED;
	case EEXIST:
		say(t, "%s: not brought back, as %s/%s is there; give another name: --as=NAME", target->shown, target->tenant, name);
		return TOOL_FAILED;
	case EINVAL:
		return say_usage(t, "%s: not all of its names would be of one backup under %s; take a name with the same form of time", target->shown, name);
	default:
		return say_failed(t, target->shown, "undeleting", rc);
	}
}

static int check_name(const struct tool *t, const char *as)
{
	const struct path_rules rules = { .prefix = "", .key_max = 1024, .segment_max = 255 };
	struct stem stem;

	if (!as)
		return TOOL_DONE;
	if (path_check_name(&rules, as))
		return say_usage(t, "--as=%s: this is no backup's name; write one name, without its tenant", as);
	stem_of(as, &stem);
	if (strcmp(stem.text, as) != 0)
		return say_usage(t, "--as=%s: a backup's name ends behind its time, or before its first dot; write %s", as, stem.text);
	return TOOL_DONE;
}

static int bring_back(struct tool *t)
{
	struct store_call call = tool_call(t);
	const char *as = conf_text(t->conf, "as");
	struct target target;
	char id[33];

	if (conf_argc(t->conf) != 1)
		return say_usage(t, "undelete: name one TENANT/BACKUP, or give --list");

	int code = check_name(t, as);

	if (code == TOOL_DONE)
		code = target_parse(t, conf_argv(t->conf, 0), TARGET_BACKUP, &target);
	if (code == TOOL_DONE)
		code = choose(t, &target, id);
	if (code != TOOL_DONE)
		return code;
	return tell(t, &target, as, tombstone_undelete(t->vault, target.tenant, target.stem, id[0] ? id : NULL, as, &call));
}

static bool writes(const struct tool *t)
{
	return !conf_bool(t->conf, "list");
}

static int run(struct tool *t)
{
	if (writes(t) && conf_bool(t->conf, "json"))
		return say_usage(t, "undelete: --json goes with --list");
	return writes(t) ? bring_back(t) : list(t);
}

const struct verb verb_undelete = {
	.name = "undelete", .arguments = "TENANT/BACKUP | --list [TENANT]", .most = 1, .access = VERB_WRITES, .writes = writes, .run = run,
	.options = { &options_json, &options },
	.help = "Brings a deleted backup back, as long as its grace lasts.",
};

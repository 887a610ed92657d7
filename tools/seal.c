/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/say.h"
#include "tools/show.h"
#include "tools/target.h"
#include "tools/verbs.h"
#include "vault/audit.h"
#include "vault/sealer.h"

#include <errno.h>

static const struct conf_option own[] = {
	{ .name = "force", .type = CONF_FLAG_ONLY, .group = "Sealing", .help = "Seal also where a writer lives: what it has open is left out." },
};
static const size_t own_count = ARRAY_LEN(own);
static const struct verb_options options = { own, &own_count };

static int answer_code(const struct tool *t, const struct target *target, enum sealer_answer answer, const char *reason, const struct seal *seal)
{
	switch (answer) {
	case SEALER_DONE:
		show_line(t, "%s: sealed, %zu entries", target->shown, seal->count);
		return TOOL_DONE;
	case SEALER_SAME:
		show_line(t, "%s: was sealed, and is what its seal says", target->shown);
		return TOOL_DONE;
	case SEALER_OPEN:
		say(t, seal->count ? "%s: sealed, but without what was never closed: %s" : "%s: not sealed: %s", target->shown, reason);
		return seal->count ? TOOL_PARTLY : TOOL_FAILED;
	case SEALER_NOTHING:
		say(t, "%s: there is nothing to seal; pishopctl list %s shows what there is", target->shown, target->tenant);
		break;
	case SEALER_UNMARKED:
		say(t, "%s: not sealed, as its completeness mark is missing or not the last: %s", target->shown, reason);
		break;
	case SEALER_PARTIAL:
		say(t, "%s: not sealed, as it is not complete: %s; write that anew, or remove it", target->shown, reason);
		break;
	}
	return TOOL_FAILED;
}

/* A backup that is being written would count as good, and push good ones out. */
static int check_writer(struct tool *t, const struct target *target)
{
	struct store_call call = tool_call(t);
	struct catalog_options only = { .only = target->stem };
	AUTO(catalog_free) struct catalog c = { 0 };

	if (conf_bool(t->conf, "force"))
		return TOOL_DONE;

	int rc = catalog_read(t->vault, target->tenant, &only, &c, &call);

	if (rc && rc != ENOENT)
		return say_failed(t, target->shown, "looking at it", rc);

	const struct backup *b = rc ? NULL : catalog_find(&c, target->stem);

	if (!b) {
		say(t, "%s: there is no such backup; pishopctl list %s shows what there is", target->shown, target->tenant);
		return TOOL_FAILED;
	}
	if (!b->live_writer)
		return TOOL_DONE;
	say(t, "%s: somebody writes it; wait for the end of that, or give --force", target->shown);
	return TOOL_LOCKED;
}

static int seal_one(struct tool *t, const struct target *target, void *arg)
{
	struct store_call call = tool_call(t);
	struct sealer_options how = { .source = SEAL_REQUEST };
	AUTO(seal_free) struct seal made = { 0 };
	enum sealer_answer answer;
	char reason[256] = "";
	int code = check_writer(t, target);

	if (code != TOOL_DONE)
		return code;

	int rc = sealer_run(t->vault, target->tenant, target->stem, &how, &answer, reason, sizeof(reason), &made, &call);

	return rc ? say_failed(t, target->shown, "sealing", rc) : answer_code(t, target, answer, reason, &made);
}

static int run(struct tool *t)
{
	return target_each(t, TARGET_BACKUP, seal_one, NULL);
}

const struct verb verb_seal = {
	.name = "seal", .arguments = "TENANT/BACKUP...", .least = 1, .most = -1, .access = VERB_WRITES, .run = run, .options = { &options },
	.help = "Seals backups: says that what stands there is complete.",
	.more = "Only sealed backups count for retention. Refused where a part of one failed, or where a writer lives.",
};

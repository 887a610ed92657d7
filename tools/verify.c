/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/say.h"
#include "tools/show.h"
#include "tools/target.h"
#include "tools/verbs.h"
#include "vault/verify.h"

#include <errno.h>

static const struct conf_option own[] = {
	{ .name = "quick", .type = CONF_FLAG_ONLY, .group = "Verification",
	  .help = "Compare the listing with the seal; headers and trailers are read only where something changed. This is what is done without --full." },
	{ .name = "full", .type = CONF_FLAG_ONLY, .group = "Verification", .help = "Read and decrypt every byte, too." },
	{ .name = "sample", .type = CONF_TEXT, .group = "Verification", .value_name = "N%",
	  .help = "Read and decrypt about N percent of the bytes, other ones in each run: with 10%, all of them in ten runs." },
	{ .name = "resume", .type = CONF_FLAG_ONLY, .group = "Verification",
	  .help = "With --full: go on where an earlier full run of the last seven days was stopped. What it found good is compared with the listing only." },
	{ .name = "threads", .type = CONF_COUNT, .group = "Verification", .value_name = "N", .fallback = "8", .min = 1, .max = 128,
	  .help = "So many reads at once." },
};
static const size_t own_count = ARRAY_LEN(own);
static const struct verb_options options = { own, &own_count };

struct verifying {
	struct tool *t;
	bool json;
	unsigned sample; /* percent; 0: none */
	struct show_doc doc;
	cJSON *faults, *samples;
	struct progress progress;
	struct verify_result all;
};

/* "10" or "10%": 1 to 100. 0: it is neither. */
static unsigned percent(const char *text)
{
	size_t n = strspn(text, "0123456789");
	unsigned long value = strtoul(text, NULL, 10);

	return n && n <= 3 && (!text[n] || strcmp(text + n, "%") == 0) && value <= 100 ? (unsigned)value : 0;
}

/* Called by many threads, but one at a time. */
static void on_fault(void *arg, const char *tenant, const char *stem, const char *path, enum verify_fault f, const char *detail)
{
	struct verifying *v = arg;
	bool more = detail && detail[0], whole = !path[0];

	if (v->json) {
		cJSON *o = json_item(&v->doc, v->faults);

		json_text(&v->doc, o, "tenant", tenant);
		json_text(&v->doc, o, "backup", stem);
		json_text(&v->doc, o, "path", whole ? NULL : path);
		json_text(&v->doc, o, "fault", verify_fault_name(f));
		json_text(&v->doc, o, "detail", more ? detail : NULL);
		return;
	}
	progress_clear(&v->progress);
	/* A path is below the tenant; what concerns the whole backup has none. */
	show_line(v->t, "%s/%s: %s%s%s", tenant, whole ? stem : path, verify_fault_name(f), more ? ": " : "", more ? detail : "");
}

static void on_progress(void *arg, const struct verify_progress *p)
{
	struct verifying *v = arg;
	bool read = p->bytes || p->bytes_all; /* not by a quick look */
	char bytes[SHOW_CAP], all[SHOW_CAP];

	show_bytes(bytes, p->bytes);
	show_bytes(all, p->bytes_all);
	progress_show(&v->progress, "%llu of %llu backups, %llu objects%s%s%s%s", (unsigned long long)p->backups, (unsigned long long)p->backups_all,
		      (unsigned long long)p->objects, read ? ", " : "", read ? bytes : "", p->bytes_all ? " of " : "", p->bytes_all ? all : "");
}

static void tell_part(struct verifying *v, const char *tenant, const struct verify_result *one)
{
	cJSON *o;

	if (!one->parts)
		return;
	if (!v->json) {
		show_line(v->t, "%s: part %u of %u", tenant, one->part, one->parts);
		return;
	}
	o = json_item(&v->doc, v->samples);
	json_text(&v->doc, o, "tenant", tenant);
	json_number(&v->doc, o, "part", one->part);
	json_number(&v->doc, o, "parts", one->parts);
}

static int verify_target(struct tool *t, const struct target *target, void *arg)
{
	struct verifying *v = arg;
	struct store_call call = tool_call(t);
	struct verify_result one = { 0 };
	struct verify_config config = {
		.full = conf_bool(t->conf, "full"), .sample = v->sample, .resume = conf_bool(t->conf, "resume"), .threads = (unsigned)conf_number(t->conf, "threads"), .stop = t->stop,
		.fault = on_fault, .progress = on_progress, .arg = v,
	};
	const char *stem = target->stem[0] ? target->stem : NULL;
	int rc = verify_tenant(t->vault, target->tenant, stem, &config, &one, &call);

	progress_clear(&v->progress);
	verify_result_add(&v->all, &one);
	tell_part(v, target->tenant, &one);
	if (rc)
		return say_failed(t, target->shown, "verifying", rc);
	if (stem && !one.sealed && !one.bad) {
		say(t, "%s: has no seal, so there is nothing to compare it with; pishopctl seal %s makes one", target->shown, target->shown);
		return TOOL_FAILED;
	}
	return TOOL_DONE;
}

static int tell_json(struct verifying *v, const char *mode, bool complete)
{
	const struct verify_result *r = &v->all;
	cJSON *o = v->doc.root;

	json_text(&v->doc, o, "mode", mode);
	json_bool(&v->doc, o, "complete", complete);
	json_number(&v->doc, o, "sealed", r->sealed);
	json_number(&v->doc, o, "good", r->good);
	json_number(&v->doc, o, "bad", r->bad);
	json_number(&v->doc, o, "unsealed", r->unsealed);
	json_number(&v->doc, o, "objects", r->objects);
	json_number(&v->doc, o, "bytes", r->bytes);
	json_number(&v->doc, o, "decrypted", r->decrypted);
	json_number(&v->doc, o, "resumed", r->resumed);
	return show_json(v->t, &v->doc);
}

static int tell(struct verifying *v, bool complete)
{
	const struct verify_result *r = &v->all;
	const char *mode = conf_bool(v->t->conf, "full") ? "full" : v->sample ? "sample" : "quick";
	char bytes[SHOW_CAP], decrypted[SHOW_CAP], read[SHOW_CAP + 16] = "", resumed[96] = "";

	if (v->json)
		return tell_json(v, mode, complete);
	show_bytes(bytes, r->bytes);
	show_bytes(decrypted, r->decrypted);
	if (v->sample || r->resumed)
		snprintf(read, sizeof(read), ", %s decrypted", decrypted);
	if (r->resumed)
		snprintf(resumed, sizeof(resumed), "; %llu were decrypted by the run before", (unsigned long long)r->resumed);
	show_line(v->t, "%s: %llu sealed backups, %llu good, %llu bad; %llu not sealed, and not looked at; %llu objects, %s%s%s%s", mode,
		  (unsigned long long)r->sealed, (unsigned long long)r->good, (unsigned long long)r->bad, (unsigned long long)r->unsealed,
		  (unsigned long long)r->objects, bytes, read, resumed, complete ? "" : "; NOT all was looked at");
	return TOOL_DONE;
}

/* TOOL_DONE, or a line was said. */
static int check(struct verifying *v)
{
	struct tool *t = v->t;
	const char *sample = conf_text(t->conf, "sample");
	int code = target_check_all(t, TARGET_EITHER);

	if (code != TOOL_DONE)
		return code;
	if (conf_bool(t->conf, "quick") + conf_bool(t->conf, "full") + !!sample > 1)
		return say_usage(t, "--quick, --full and --sample: give one of them");
	if (conf_bool(t->conf, "resume") && !conf_bool(t->conf, "full"))
		return say_usage(t, "--resume goes with --full");
	v->sample = sample ? percent(sample) : 0;
	if (sample && !v->sample)
		return say_usage(t, "--sample=%s: not 1%% to 100%%", sample);
	return v->sample || conf_bool(t->conf, "resume") ? target_check_all(t, TARGET_TENANT) : TOOL_DONE; /* what is remembered is of whole tenants */
}

static int run(struct tool *t)
{
	struct verifying v = { .t = t, .json = conf_bool(t->conf, "json"), .progress = { .t = t } };
	int code = check(&v), told;

	if (code != TOOL_DONE)
		return code;
	if (v.json) {
		show_doc_begin(&v.doc);
		v.faults = json_list(&v.doc, v.doc.root, "faults");
		v.samples = v.sample ? json_list(&v.doc, v.doc.root, "samples") : NULL;
	}
	code = target_each(t, TARGET_EITHER, verify_target, &v);
	told = tell(&v, code == TOOL_DONE);
	if (code == TOOL_INTERRUPTED)
		return code;
	return v.all.bad ? TOOL_FAILED : told ? told : code;
}

/* How far it is, is remembered of whole tenants. */
static bool writes(const struct tool *t)
{
	bool one = false;

	for (int i = 0; i < conf_argc(t->conf); i++) {
		const char *slash = strchr(conf_argv(t->conf, i), '/');

		one |= slash && slash[strspn(slash, "/")];
	}
	return (conf_bool(t->conf, "full") && !one) || conf_has(t->conf, "sample");
}

const struct verb verb_verify = {
	.name = "verify", .arguments = "[TENANT[/BACKUP]]...", .most = -1, .access = VERB_WRITES, .writes = writes, .run = run, .options = { &options_json, &options },
	.help = "Compares sealed backups with their seals.",
	.more = "Names each path and what is wrong with it; exit code 1 where anything is. Nothing is written, but for one record of how far a full run or a sample is.",
};

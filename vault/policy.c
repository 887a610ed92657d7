/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/policy.h"

#include "vault/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

#define RETENTION "Retention"
#define DAY INT64_C(86400)
#define AGE_MOST_MS ((uint64_t)POLICY_AGE_MOST * 1000)
#define VERSION 1
#define UNTIMED "untimed-by-commit" /* its name in the record */

static const char *const untimed_choices[] = { "ignore", "commit", NULL };

const struct conf_option policy_options[] = {
	{ .name = "keep-last", .type = CONF_COUNT, .group = RETENTION, .value_name = "N", .max = POLICY_COUNT_MOST,
	  .help = "Keep the newest N backups. Only sealed ones count, for this and for every keep rule. Without a keep rule and without max-age nothing is ever removed." },
	{ .name = "keep-hourly", .type = CONF_COUNT, .group = RETENTION, .value_name = "N", .max = POLICY_COUNT_MOST,
	  .help = "Keep the newest backup of each of the last N hours that have one; hours, days, weeks, months and years are those of UTC." },
	{ .name = "keep-daily", .type = CONF_COUNT, .group = RETENTION, .value_name = "N", .max = POLICY_COUNT_MOST,
	  .help = "The same for days." },
	{ .name = "keep-weekly", .type = CONF_COUNT, .group = RETENTION, .value_name = "N", .max = POLICY_COUNT_MOST,
	  .help = "The same for ISO weeks." },
	{ .name = "keep-monthly", .type = CONF_COUNT, .group = RETENTION, .value_name = "N", .max = POLICY_COUNT_MOST,
	  .help = "The same for months." },
	{ .name = "keep-yearly", .type = CONF_COUNT, .group = RETENTION, .value_name = "N", .max = POLICY_COUNT_MOST,
	  .help = "The same for years." },
	{ .name = "keep-within", .type = CONF_DURATION, .group = RETENTION, .value_name = "TIME", .max = AGE_MOST_MS,
	  .help = "Keep all that are less than TIME older than the newest one." },
	{ .name = "max-age", .type = CONF_DURATION, .group = RETENTION, .value_name = "TIME", .max = AGE_MOST_MS,
	  .help = "Remove what is older, whatever the keep rules say; write 30d for thirty days." },
	{ .name = "min-age", .type = CONF_DURATION, .group = RETENTION, .value_name = "TIME", .max = AGE_MOST_MS, .fallback = "7d",
	  .help = "Never remove a backup that was written less than TIME ago." },
	{ .name = "min-keep", .type = CONF_COUNT, .group = RETENTION, .value_name = "N", .min = 1, .max = POLICY_COUNT_MOST, .fallback = "1",
	  .help = "Never remove the newest N sealed backups." },
	{ .name = "partial-after", .type = CONF_DURATION, .group = RETENTION, .value_name = "TIME", .max = AGE_MOST_MS, .fallback = "7d",
	  .help = "Remove a backup that is known to be incomplete when it is older than TIME and a newer sealed one exists. 0: never." },
	{ .name = "untimed", .type = CONF_CHOICE, .group = RETENTION, .value_name = "HOW", .choices = untimed_choices, .fallback = "ignore",
	  .help = "Backups without a time in their names: ignore keeps them for ever; commit takes the time of their last write." },
};
const size_t policy_option_count = ARRAY_LEN(policy_options);

/* Every number of a policy, in the order of the record. */
struct rule {
	const char *name;
	size_t offset;
	bool time; /* seconds in an int64_t; else a count in a uint32_t */
	uint32_t least;
};

#define COUNT_RULE(text, field, low) { .name = text, .offset = offsetof(struct policy, field), .least = low }
#define TIME_RULE(text, field) { .name = text, .offset = offsetof(struct policy, field), .time = true }

static const struct rule rules[] = {
	COUNT_RULE("keep-last", keep_last, 0), COUNT_RULE("keep-hourly", keep_hourly, 0), COUNT_RULE("keep-daily", keep_daily, 0),
	COUNT_RULE("keep-weekly", keep_weekly, 0), COUNT_RULE("keep-monthly", keep_monthly, 0), COUNT_RULE("keep-yearly", keep_yearly, 0),
	TIME_RULE("keep-within", keep_within_s), TIME_RULE("max-age", max_age_s), TIME_RULE("min-age", min_age_s),
	COUNT_RULE("min-keep", min_keep, 1), TIME_RULE("partial-after", partial_after_s),
};
#define KEEP_RULES 7 /* the first of them: what one of these keeps, stays */

static int64_t get(const struct policy *p, const struct rule *r)
{
	uint32_t count = 0;
	int64_t time = 0;

	if (r->time)
		memcpy(&time, (const char *)p + r->offset, sizeof(time));
	else
		memcpy(&count, (const char *)p + r->offset, sizeof(count));
	return r->time ? time : count;
}

static void set(struct policy *p, const struct rule *r, int64_t value)
{
	uint32_t count = (uint32_t)value;

	if (r->time)
		memcpy((char *)p + r->offset, &value, sizeof(value));
	else
		memcpy((char *)p + r->offset, &count, sizeof(count));
}

void policy_default(struct policy *p)
{
	*p = (struct policy){ .min_age_s = 7 * DAY, .min_keep = 1, .partial_after_s = 7 * DAY };
}

bool policy_has_keep(const struct policy *p)
{
	for (size_t i = 0; i < KEEP_RULES; i++)
		if (get(p, &rules[i]))
			return true;
	return false;
}

bool policy_empty(const struct policy *p)
{
	return !policy_has_keep(p) && !p->max_age_s;
}

bool policy_equal(const struct policy *a, const struct policy *b)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (get(a, &rules[i]) != get(b, &rules[i]))
			return false;
	return a->untimed_by_commit == b->untimed_by_commit;
}

/* Whether b's limit on an age reaches what a's does not. 0: no limit. */
static bool reaches_further(int64_t a, int64_t b)
{
	return b && (!a || b < a);
}

/* Whether b, of which both have keep rules or only b has, keeps less by them. */
static bool keeps_less(const struct policy *a, const struct policy *b)
{
	if (!policy_has_keep(b))
		return false; /* without a keep rule only max_age removes */
	if (!policy_has_keep(a))
		return true;
	for (size_t i = 0; i < KEEP_RULES; i++)
		if (get(b, &rules[i]) < get(a, &rules[i]))
			return true;
	return false;
}

bool policy_stricter(const struct policy *a, const struct policy *b)
{
	if (policy_empty(b))
		return false;
	if (policy_empty(a))
		return true;
	return keeps_less(a, b) || reaches_further(a->max_age_s, b->max_age_s) || b->min_age_s < a->min_age_s || b->min_keep < a->min_keep ||
	       reaches_further(a->partial_after_s, b->partial_after_s) || (b->untimed_by_commit && !a->untimed_by_commit);
}

/* ---- Settings */

void policy_override(const struct conf *c, enum conf_source at_least, struct policy *p)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		const struct rule *r = &rules[i];

		if (!conf_has(c, r->name) || conf_source(c, r->name) < at_least)
			continue;

		uint64_t v = conf_number(c, r->name);

		set(p, r, (int64_t)(r->time ? v / 1000 + (v % 1000 != 0) : v));
	}
	if (conf_has(c, "untimed") && conf_source(c, "untimed") >= at_least)
		p->untimed_by_commit = conf_number(c, "untimed") == 1;
}

int policy_from_conf(const struct conf *c, struct policy *p, char *error, size_t cap)
{
	policy_default(p);
	policy_override(c, CONF_FROM_DEFAULT, p);
	return policy_check(p, error, cap);
}

/* In the largest unit that leaves nothing over. */
static void duration_text(char out[24], int64_t seconds)
{
	static const struct {
		int64_t seconds;
		char letter;
	} units[] = { { DAY, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	size_t i = 0;

	while (seconds % units[i].seconds)
		i++;
	snprintf(out, 24, "%" PRId64 "%c", seconds / units[i].seconds, units[i].letter);
}

int policy_check(const struct policy *p, char *error, size_t cap)
{
	char limit[24], other[24];

	if (!p->min_keep) {
		snprintf(error, cap, "min-keep is 0: at least one sealed backup always stays");
		return EINVAL;
	}
	if (p->max_age_s && p->max_age_s < DAY && p->max_age_s < p->min_age_s) {
		duration_text(limit, p->max_age_s);
		duration_text(other, p->min_age_s);
		snprintf(error, cap, "max-age %s is below a day and below min-age %s; thirty days are written 30d", limit, other);
		return EINVAL;
	}
	return 0;
}

void policy_text(const struct policy *p, char *out, size_t cap)
{
	struct policy base;
	char number[24];
	size_t used = 0;

	if (policy_empty(p)) {
		snprintf(out, cap, "nothing is ever removed");
		return;
	}
	policy_default(&base);
	for (size_t i = 0; i < ARRAY_LEN(rules) && used < cap; i++) {
		int64_t v = get(p, &rules[i]);

		if (v == get(&base, &rules[i]))
			continue;
		if (rules[i].time)
			duration_text(number, v);
		else
			snprintf(number, sizeof(number), "%" PRId64, v);
		used += (size_t)snprintf(out + used, cap - used, "%s%s %s", used ? ", " : "", rules[i].name, number);
	}
	if (p->untimed_by_commit && used < cap)
		snprintf(out + used, cap - used, "%suntimed commit", used ? ", " : "");
}

/* ---- Record */

static void auto_json(cJSON **json)
{
	cJSON_Delete(*json);
}

int policy_encode(const struct policy *p, char **text)
{
	AUTO(auto_json) cJSON *root = cJSON_CreateObject();
	bool good = root && cJSON_AddNumberToObject(root, "policy", VERSION);

	for (size_t i = 0; good && i < ARRAY_LEN(rules); i++)
		good = cJSON_AddNumberToObject(root, rules[i].name, (double)get(p, &rules[i]));
	good = good && cJSON_AddBoolToObject(root, UNTIMED, p->untimed_by_commit);

	char *line = good ? cJSON_PrintUnformatted(root) : NULL;
	int n = line ? asprintf(text, "%s\n", line) : -1;

	cJSON_free(line);
	return n < 0 ? ENOMEM : 0;
}

static const struct rule *find_rule(const char *name, size_t *index)
{
	for (*index = 0; *index < ARRAY_LEN(rules); ++*index)
		if (strcmp(rules[*index].name, name) == 0)
			return &rules[*index];
	return NULL;
}

static int take_number(const cJSON *item, const struct rule *r, struct policy *p)
{
	double v = item->valuedouble, most = r->time ? (double)POLICY_AGE_MOST : POLICY_COUNT_MOST;

	if (!cJSON_IsNumber(item) || !(v >= r->least && v <= most) || v > (double)(int64_t)v)
		return EBADMSG;
	set(p, r, (int64_t)v);
	return 0;
}

/* One member behind the version. seen: a bit for each that was there. */
static int take_member(const cJSON *item, struct policy *p, unsigned *seen)
{
	size_t index;
	const struct rule *r = find_rule(item->string, &index);
	bool untimed = strcmp(item->string, UNTIMED) == 0;

	if ((!r && !untimed) || *seen & 1u << index)
		return EBADMSG;
	*seen |= 1u << index;
	if (r)
		return take_number(item, r, p);
	p->untimed_by_commit = cJSON_IsTrue(item);
	return cJSON_IsBool(item) ? 0 : EBADMSG;
}

static int take_version(const cJSON *item)
{
	if (!item || !item->string || strcmp(item->string, "policy") != 0 || !cJSON_IsNumber(item))
		return EBADMSG;
	if (item->valuedouble > VERSION || item->valuedouble < VERSION)
		return EPROTONOSUPPORT;
	return 0;
}

int policy_decode(const char *text, size_t len, struct policy *out)
{
	struct policy p = { 0 };
	unsigned seen = 0;

	if (len && text[len - 1] == '\n')
		len--;
	/* No name here needs a backslash; one could hide a NUL, and with it the rest of a name. */
	if (!len || text[len - 1] != '}' || memchr(text, '\\', len) || memchr(text, '\0', len))
		return EBADMSG;

	AUTO(json_free) struct json j = { 0 };

	if (json_parse(&j, text, len))
		return EBADMSG;

	int rc = take_version(j.object->child);

	for (const cJSON *item = rc ? NULL : j.object->child->next; item && !rc; item = item->next)
		rc = take_member(item, &p, &seen);
	if (rc)
		return rc;
	if (seen != (1u << (ARRAY_LEN(rules) + 1)) - 1)
		return EBADMSG;
	*out = p;
	return 0;
}

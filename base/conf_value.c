/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf_private.h"

#include <errno.h>
#include <inttypes.h>
#include <strings.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* The first name of a factor is the one that is shown. */
static const struct unit size_units[] = {
	{ "T", 1ull << 40 }, { "G", 1ull << 30 }, { "M", 1ull << 20 }, { "K", 1ull << 10 }, { "", 1 },
	{ "TiB", 1ull << 40 }, { "GiB", 1ull << 30 }, { "MiB", 1ull << 20 }, { "KiB", 1ull << 10 },
	{ "Ti", 1ull << 40 }, { "Gi", 1ull << 30 }, { "Mi", 1ull << 20 }, { "Ki", 1ull << 10 }, /* as Kubernetes writes them */
	{ NULL, 0 },
};
static const struct unit time_units[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 }, { "", 1000 }, { NULL, 0 },
};

/* Digits of that base at text; *end behind them. EINVAL without one, ERANGE over 64 bits. */
static int parse_digits(const char *text, unsigned base, uint64_t *v, const char **end)
{
	const char *p = text;

	*v = 0;
	for (; *p >= '0' && (unsigned)(*p - '0') < base; p++)
		if (__builtin_mul_overflow(*v, base, v) || __builtin_add_overflow(*v, (unsigned)(*p - '0'), v))
			return ERANGE;
	*end = p;
	return p == text ? EINVAL : 0;
}

static int parse_plain(const char *text, unsigned base, uint64_t *v)
{
	const char *end;
	int rc = parse_digits(text, base, v, &end);

	return rc ? rc : *end ? EINVAL : 0;
}

static int parse_with_unit(const char *text, const struct unit *unit, uint64_t *v)
{
	const char *end;
	int rc = parse_digits(text, 10, v, &end);

	if (rc)
		return rc;
	for (; unit->name; unit++)
		if (!strcasecmp(unit->name, end))
			return __builtin_mul_overflow(*v, unit->factor, v) ? ERANGE : 0;
	return EINVAL;
}

static int parse_bool(const char *text, uint64_t *v)
{
	static const char *const words[] = { "false", "true", "no", "yes", "0", "1", "off", "on" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (!strcasecmp(text, words[i])) {
			*v = i & 1;
			return 0;
		}
	return EINVAL;
}

static int parse_choice(const char *text, const char *const *choices, uint64_t *v)
{
	for (*v = 0; choices[*v]; (*v)++)
		if (!strcmp(text, choices[*v]))
			return 0;
	return EINVAL;
}

static int parse(const struct conf_option *o, const char *text, uint64_t *v)
{
	switch (o->type) {
	case CONF_FLAG_ONLY:
	case CONF_BOOL:
		return parse_bool(text, v);
	case CONF_COUNT:
		return parse_plain(text, 10, v);
	case CONF_OCTAL:
		return parse_plain(text, 8, v);
	case CONF_SIZE:
		return parse_with_unit(text, size_units, v);
	case CONF_DURATION:
		return parse_with_unit(text, time_units, v);
	case CONF_CHOICE:
		return parse_choice(text, o->choices, v);
	case CONF_TEXT:
		*v = strlen(text); /* for the limits */
		return 0;
	}
	abort();
}

/* The number as one would write it, in the largest unit that divides it. */
static void format_number(const struct conf_option *o, uint64_t v, char out[32])
{
	const struct unit *unit = o->type == CONF_SIZE ? size_units : o->type == CONF_DURATION ? time_units : NULL;

	while (unit && v && v % unit->factor)
		unit++;
	if (unit && v)
		snprintf(out, 32, "%" PRIu64 "%s", v / unit->factor, unit->name);
	else
		snprintf(out, 32, o->type == CONF_OCTAL ? "%#" PRIo64 : "%" PRIu64, v);
}

void conf_describe_limits(const struct conf_option *o, char *out, size_t cap)
{
	const char *unit = o->type == CONF_TEXT ? " bytes" : "";
	char low[32], high[32];

	format_number(o, o->min, low);
	format_number(o, o->max, high);
	if (o->max)
		snprintf(out, cap, "%s to %s%s", low, high, unit);
	else if (o->min)
		snprintf(out, cap, "at least %s%s", low, unit);
	else
		(void)copy_text(out, cap, "");
}

static void list_choices(const char *const *choices, char *out, size_t cap)
{
	size_t used = (size_t)snprintf(out, cap, "not one of");

	for (size_t i = 0; choices[i] && used < cap; i++)
		used += (size_t)snprintf(out + used, cap - used, "%s %s", i ? "," : "", choices[i]);
}

static void describe_problem(const struct conf_option *o, char *out, size_t cap)
{
	static const char *const wanted[] = {
		[CONF_FLAG_ONLY] = "neither true nor false",
		[CONF_TEXT] = "not a text",
		[CONF_BOOL] = "neither true nor false",
		[CONF_COUNT] = "not a number; write for example 16",
		[CONF_SIZE] = "not a size; write for example 256M",
		[CONF_DURATION] = "not a duration; write for example 30s, 5m or 12h",
		[CONF_OCTAL] = "not an octal number; write for example 0022",
		[CONF_CHOICE] = "",
	};

	if (o->type == CONF_CHOICE)
		list_choices(o->choices, out, cap);
	else
		(void)copy_text(out, cap, wanted[o->type]);
}

int conf_parse_value(const struct conf_option *o, const char *text, uint64_t *number, char *problem, size_t cap)
{
	char limits[80];
	int rc = parse(o, text, number);

	if (rc == EINVAL) {
		describe_problem(o, problem, cap);
		return EINVAL;
	}
	if (!rc && *number >= o->min && (!o->max || *number <= o->max))
		return 0;
	conf_describe_limits(o, limits, sizeof(limits));
	snprintf(problem, cap, "%s; allowed: %s", o->type == CONF_TEXT ? "wrong length" : "out of range", limits[0] ? limits : "what fits 64 bits");
	return EINVAL;
}

void conf_describe_ways(const struct conf_option *o, char *out, size_t cap)
{
	size_t used = 0;

	out[0] = '\0';
	if (!o->no_flag && !o->secret)
		used += (size_t)snprintf(out, cap, "--%s", o->name);
	for (size_t i = 0; i < ARRAY_LEN(o->env) && o->env[i] && used < cap; i++)
		used += (size_t)snprintf(out + used, cap - used, "%s%s", used ? ", " : "", o->env[i]);
	if (o->secret_file && used < cap)
		used += (size_t)snprintf(out + used, cap - used, "%ssecret file %s", used ? ", " : "", o->secret_file);
	if (!used)
		snprintf(out, cap, "key %s of the configuration file", o->name);
}

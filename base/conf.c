/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf_private.h"
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>

int conf_fail(struct conf *c, int rc, const char *fmt, ...)
{
	va_list ap;

	if (!c->error_cap)
		return rc;
	va_start(ap, fmt);
	vsnprintf(c->error, c->error_cap, fmt, ap);
	va_end(ap);
	for (char *p = c->error; *p; p++) /* paths are shown as they are: it must stay one line */
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	return rc;
}

size_t conf_find(const struct conf *c, const char *name, size_t len)
{
	for (size_t i = 0; i < c->count; i++)
		if (strlen(c->options[i].name) == len && !memcmp(c->options[i].name, name, len))
			return i;
	return CONF_NONE;
}

/* Fewest insertions, deletions and replacements from a to b; both shorter than 64. */
static size_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t row[64];

	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t replaced = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = min_size(replaced, 1 + min_size(row[j], row[j - 1]));
		}
	}
	return row[b_len];
}

const char *conf_nearest(const struct conf *c, const char *name, size_t len, bool flags)
{
	const char *best = NULL;
	size_t limit = min_size(len / 3 + 1, 3); /* at this distance it is another word */

	if (len >= 64)
		return NULL;
	for (size_t i = 0; i < c->count; i++) {
		const struct conf_option *o = &c->options[i];
		size_t o_len = strlen(o->name), distance;

		if (o->hidden || o_len >= 64 || (flags && o->no_flag && !o->secret))
			continue;
		distance = edit_distance(name, len, o->name, o_len);
		if (distance < limit) {
			limit = distance;
			best = o->name;
		}
	}
	return best;
}

static void free_value(struct conf_value *v)
{
	if (v->text)
		explicit_bzero(v->text, strlen(v->text));
	free(v->text);
	free(v->label);
	free(v->place);
	free(v->where);
	*v = (struct conf_value){ 0 };
}

int conf_offer(struct conf *c, size_t index, enum conf_source source, const char *label, const char *place, const char *text)
{
	struct conf_value *v = &c->value[index], offered = { .source = source };
	bool join = v->text && v->source == source && c->options[index].repeat;

	if (v->text && v->source > source)
		return 0;
	if (asprintf(&offered.text, "%s%s%s", join ? v->text : "", join ? "," : "", text) < 0)
		offered.text = NULL;
	offered.label = strdup(label);
	offered.place = strdup(place);
	if (!offered.text || !offered.label || !offered.place) {
		free_value(&offered);
		return conf_fail(c, ENOMEM, "out of memory");
	}
	free_value(v);
	*v = offered;
	return 0;
}

static const char *find_env(char *const *list, const char *name)
{
	size_t len = strlen(name);

	for (; list && *list; list++)
		if (!strncmp(*list, name, len) && (*list)[len] == '=')
			return *list + len + 1;
	return NULL;
}

static int read_environment(struct conf *c, char *const *list)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct conf_option *o = &c->options[i];

		for (size_t k = 0; k < ARRAY_LEN(o->env) && o->env[k]; k++) {
			const char *text = find_env(list, o->env[k]);

			if (!text || !*text)
				continue;
			int rc = conf_offer(c, i, CONF_FROM_ENV, o->env[k], "environment", text);

			if (rc)
				return rc;
			break;
		}
	}
	return 0;
}

static int read_defaults(struct conf *c)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct conf_option *o = &c->options[i];
		int rc = o->fallback ? conf_offer(c, i, CONF_FROM_DEFAULT, o->name, "default", o->fallback) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

/* A path that the caller gives, or else the option of that name; *is_default where nobody has asked for it. */
static const char *path_of(const struct conf *c, const char *given, const char *option, bool *is_default)
{
	size_t i = conf_find(c, option, strlen(option));

	*is_default = false;
	if (given || i == CONF_NONE || !c->value[i].text || !c->value[i].text[0])
		return given;
	*is_default = c->value[i].source == CONF_FROM_DEFAULT;
	return c->value[i].text;
}

static int read_files(struct conf *c, const struct conf_input *in)
{
	bool is_default;
	const char *path = path_of(c, in->ini_file, "config", &is_default);
	int rc = path ? conf_read_ini(c, path, is_default) : 0;

	if (rc)
		return rc;
	path = path_of(c, in->secret_dir, "secret-dir", &is_default); /* may come from the INI file */
	return path ? conf_read_secrets(c, path, is_default) : 0;
}

static int parse_one(struct conf *c, size_t index)
{
	const struct conf_option *o = &c->options[index];
	struct conf_value *v = &c->value[index];
	char problem[256], shown[80];

	if (!v->text || !conf_parse_value(o, v->text, &v->number, problem, sizeof(problem)))
		return 0;
	log_escape(shown, sizeof(shown), v->text, false);
	return conf_fail(c, EINVAL, "%s%s%s (%s): %s", v->label, o->secret ? "" : "=", o->secret ? "" : shown, v->place, problem);
}

static int describe_where(struct conf *c, size_t index)
{
	struct conf_value *v = &c->value[index];
	char ways[256];
	int n;

	if (v->text) {
		n = asprintf(&v->where, "%s (%s)", v->label, v->place);
	} else {
		conf_describe_ways(&c->options[index], ways, sizeof(ways));
		n = asprintf(&v->where, "%s (not set)", ways);
	}
	if (n >= 0)
		return 0;
	v->where = NULL;
	return conf_fail(c, ENOMEM, "out of memory");
}

static int load(struct conf *c, const struct conf_input *in)
{
	int rc = read_defaults(c);

	if (!rc)
		rc = conf_read_args(c, in->argc, in->argv);
	if (!rc)
		rc = read_environment(c, in->environ_list);
	if (!rc)
		rc = read_files(c, in);
	for (size_t i = 0; i < c->count && !rc; i++) {
		rc = parse_one(c, i);
		if (!rc)
			rc = describe_where(c, i);
	}
	return rc;
}

int conf_load(const struct conf_input *input, struct conf **out, char *error, size_t cap)
{
	AUTO(auto_conf_free) struct conf *c = calloc(1, sizeof(*c));

	*out = NULL;
	if (cap)
		(void)copy_text(error, cap, "out of memory");
	if (!c)
		return ENOMEM;
	*c = (struct conf){ .options = input->options, .count = input->count, .error = error, .error_cap = cap };
	c->value = calloc(max_size(c->count, 1), sizeof(*c->value));
	c->positional = calloc((size_t)input->argc + 1, sizeof(*c->positional));
	if (!c->value || !c->positional)
		return ENOMEM;
	int rc = load(c, input);

	if (rc)
		return rc;
	if (cap)
		error[0] = '\0';
	c->error = NULL;
	c->error_cap = 0;
	*out = c;
	c = NULL;
	return 0;
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	for (size_t i = 0; c->value && i < c->count; i++)
		free_value(&c->value[i]);
	free(c->value);
	free(c->positional);
	free(c);
}

static size_t index_of(const struct conf *c, const char *name)
{
	size_t i = conf_find(c, name, strlen(name));

	if (i == CONF_NONE)
		abort();
	return i;
}

bool conf_has(const struct conf *c, const char *name)
{
	return c->value[index_of(c, name)].text;
}

const char *conf_text(const struct conf *c, const char *name)
{
	return c->value[index_of(c, name)].text;
}

bool conf_bool(const struct conf *c, const char *name)
{
	return conf_number(c, name);
}

uint64_t conf_number(const struct conf *c, const char *name)
{
	size_t i = index_of(c, name);

	if (c->options[i].type == CONF_TEXT)
		abort();
	return c->value[i].number;
}

enum conf_source conf_source(const struct conf *c, const char *name)
{
	return c->value[index_of(c, name)].source;
}

const char *conf_where(const struct conf *c, const char *name)
{
	return c->value[index_of(c, name)].where;
}

int conf_argc(const struct conf *c)
{
	return c->positional_count;
}

const char *conf_argv(const struct conf *c, int index)
{
	return index >= 0 && index < c->positional_count ? c->positional[index] : NULL;
}

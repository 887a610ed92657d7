/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Between the conf_*.c files only. */
#include "base/conf.h"

#define CONF_NONE ((size_t)-1)
#define CONF_FILE_MAX 65536 /* bytes of a secret or INI file */

struct conf_value {
	char *text; /* NULL: unset */
	uint64_t number;
	enum conf_source source;
	char *label; /* what people wrote: "--memory", "MINIO_PORT", "memory" */
	char *place; /* where: "command line", "environment", "secret file /run/secrets/port" */
	char *where; /* for conf_where; made when all is read */
};

struct conf {
	const struct conf_option *options;
	size_t count;
	struct conf_value *value; /* count of them */
	const char **positional;  /* borrowed texts */
	int positional_count;
	char *error; /* of the caller; valid while loading */
	size_t error_cap;
};

/* Writes the error line and returns rc. */
int conf_fail(struct conf *c, int rc, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Index of the option with that name (len bytes), or CONF_NONE. */
size_t conf_find(const struct conf *c, const char *name, size_t len);
/* The name most like that one, or NULL where none is near. flags: only what may be written as one, secrets too, whose
 * refusal says what to use. */
const char *conf_nearest(const struct conf *c, const char *name, size_t len, bool flags);

/* Takes a value unless a stronger source has given one; one of the same source is replaced, or joined where the option repeats. */
int conf_offer(struct conf *c, size_t index, enum conf_source source, const char *label, const char *place, const char *text);

/* The sources; each offers what it has. 0, or an errno with the error line written. */
int conf_read_args(struct conf *c, int argc, char **argv);
int conf_read_secrets(struct conf *c, const char *folder, bool may_be_absent);
int conf_read_ini(struct conf *c, const char *path, bool may_be_absent);

/* Text to number by the option's type, limits checked: 0, or EINVAL with the reason and what is allowed in problem[cap]. */
int conf_parse_value(const struct conf_option *o, const char *text, uint64_t *number, char *problem, size_t cap);
/* "1M to 4G", "at least 1"; "" where there is no limit. */
void conf_describe_limits(const struct conf_option *o, char *out, size_t cap);
/* "--endpoint, MINIO_ENDPOINT, secret file endpoint": every way but the INI file. */
void conf_describe_ways(const struct conf_option *o, char *out, size_t cap);

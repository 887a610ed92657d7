/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/path.h"

#include <errno.h>
#include <stdio.h>

#define RESERVED ".pishop"
#define RECORDS RESERVED "/t/"

static bool is_root(const char *path)
{
	return path[0] == '\0';
}

int path_check_name(const struct path_rules *rules, const char *name)
{
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strchr(name, '/'))
		return EINVAL;
	return strlen(name) > rules->segment_max ? ENAMETOOLONG : 0;
}

/* Cut texts are refused, never used: a cut key would name another object. */
static int fits(int printed, size_t limit)
{
	return printed < 0 || (size_t)printed > limit ? ENAMETOOLONG : 0;
}

static size_t key_limit(const struct path_rules *rules)
{
	return min_size(rules->key_max, PATH_CAP - 1);
}

int path_join(const struct path_rules *rules, char out[PATH_CAP], const char *parent, const char *name)
{
	char joined[PATH_CAP], key[PATH_CAP];
	int rc = path_check_name(rules, name);

	if (rc)
		return rc;
	if (is_root(parent) && strcmp(name, RESERVED) == 0)
		return EPERM;
	rc = fits(snprintf(joined, sizeof(joined), "%s%s%s", parent, is_root(parent) ? "" : "/", name), sizeof(joined) - 1);
	if (!rc)
		rc = path_key(rules, key, joined, true);
	if (!rc)
		copy_text(out, PATH_CAP, joined); /* last, as out may be parent */
	return rc;
}

int path_key(const struct path_rules *rules, char out[PATH_CAP], const char *path, bool folder)
{
	const char *between = rules->prefix[0] ? "/" : "";

	if (is_root(path) && !folder)
		return EINVAL;
	if (is_root(path))
		return fits(snprintf(out, PATH_CAP, "%s%s", rules->prefix, between), key_limit(rules));
	return fits(snprintf(out, PATH_CAP, "%s%s%s%s", rules->prefix, between, path, folder ? "/" : ""), key_limit(rules));
}

int path_record_key(const struct path_rules *rules, char out[PATH_CAP], const char *tenant, const char *kind, const char *name)
{
	const char *between = rules->prefix[0] ? "/" : "";

	return fits(snprintf(out, PATH_CAP, "%s%s" RECORDS "%s/%s/%s", rules->prefix, between, tenant, kind, name), key_limit(rules));
}

int path_staging(char out[PATH_CAP], const char *tenant, const char *name)
{
	return fits(snprintf(out, PATH_CAP, RECORDS "%s/staging/%s", tenant, name), PATH_CAP - 1);
}

void path_tenant(char out[PATH_CAP], const char *path)
{
	if (strncmp(path, RECORDS, strlen(RECORDS)) == 0)
		path += strlen(RECORDS);

	size_t n = min_size(strcspn(path, "/"), PATH_CAP - 1);

	memcpy(out, path, n);
	out[n] = '\0';
}

const char *path_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void path_parent(char out[PATH_CAP], const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? min_size((size_t)(slash - path), PATH_CAP - 1) : 0;

	memmove(out, path, n);
	out[n] = '\0';
}

bool path_inside(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	if (n == 0)
		return true;
	return strncmp(path, folder, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

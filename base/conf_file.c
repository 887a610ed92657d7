/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf_private.h"
#include "base/log.h"
#include "base/textfile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <unistd.h>

static void auto_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* One secret, where the folder has it. */
static int read_secret(struct conf *c, size_t index, int folder_fd, const char *folder)
{
	const struct conf_option *o = &c->options[index];
	AUTO(buf_free) struct buf text;
	char place[PATH_MAX], why[64];
	int rc;

	buf_init_secret(&text, CONF_FILE_MAX + 1);
	rc = textfile_read(folder_fd, o->secret_file, CONF_FILE_MAX, &text, NULL);
	if (rc == ENOENT)
		return 0;
	snprintf(place, sizeof(place), "secret file %s/%s", folder, o->secret_file);
	if (rc)
		return conf_fail(c, rc, "%s (%s): %s", o->name, place, textfile_reason(rc, CONF_FILE_MAX, why));
	if (text.len && text.data[text.len - 1] == '\n')
		text.data[--text.len] = '\0';
	if (!text.len)
		return 0;
	return conf_offer(c, index, CONF_FROM_SECRET, o->name, place, (const char *)text.data);
}

int conf_read_secrets(struct conf *c, const char *folder, bool may_be_absent)
{
	AUTO(auto_close) int outer = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (outer < 0 && errno == ENOENT && may_be_absent)
		return 0;
	if (outer < 0)
		return conf_fail(c, errno, "secret-dir: secret folder %s: %s", folder, strerror(errno));

	/* Kubernetes swaps the link ..data when a secret changes. Through it, all files are of one version: no new key with an old id. */
	AUTO(auto_close) int inner = openat(outer, "..data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	for (size_t i = 0; i < c->count && !rc; i++)
		if (c->options[i].secret_file)
			rc = read_secret(c, i, inner >= 0 ? inner : outer, folder);
	return rc;
}

struct ini {
	struct conf *conf;
	const char *path;
	const char *next; /* what is left of the text */
	char *seen;       /* by option: its key has stood here */
	int line;         /* number of the line that inih has now, from 1 */
	bool cut_comment; /* inih takes the end of this line for a comment */
	bool public;      /* others can read the file */
	int rc;
};

static bool is_blank(char c)
{
	return isspace((unsigned char)c);
}

/* inih cuts a value at a ';' behind a blank. */
static bool has_inline_comment(const char *line, size_t len)
{
	for (size_t i = 1; i < len; i++)
		if (line[i] == ';' && is_blank(line[i - 1]))
			return true;
	return false;
}

/* Gives inih its next line. Unlike fgets it never splits a long line, whose rest would be read as another key, and leaves out
 * blanks at the beginning, with which inih would add the line to the value before. */
static char *next_line(char *out, int cap, void *stream)
{
	struct ini *ini = stream;

	if (!*ini->next || ini->rc)
		return NULL;

	size_t len = strcspn(ini->next, "\n");
	const char *line = ini->next;

	ini->next += len + (line[len] == '\n');
	ini->line++;
	for (; len && is_blank(*line); line++)
		len--;
	while (len && is_blank(line[len - 1]))
		len--;
	ini->cut_comment = has_inline_comment(line, len);
	if (len + 3 > (size_t)cap) {
		ini->rc = conf_fail(ini->conf, EINVAL, "%s line %d: longer than %d bytes", ini->path, ini->line, cap - 3);
		return NULL;
	}
	memcpy(out, line, len);
	memcpy(out + len, "\n", 2);
	return out;
}

static int unknown_key(struct ini *ini, const char *key)
{
	const char *nearest = conf_nearest(ini->conf, key, strlen(key), false);
	char shown[128];

	log_escape(shown, sizeof(shown), key, false);
	if (nearest)
		return conf_fail(ini->conf, EINVAL, "%s line %d: there is no key \"%s\"; did you mean \"%s\"?", ini->path, ini->line, shown, nearest);
	return conf_fail(ini->conf, EINVAL, "%s line %d: there is no key \"%s\"; keys are the long flags without --", ini->path, ini->line, shown);
}

static bool is_quoted(const char *text)
{
	size_t n = strlen(text);

	return n > 1 && (text[0] == '"' || text[0] == '\'') && text[n - 1] == text[0];
}

/* What would not be taken as it was meant is refused. */
static const char *objection(const struct ini *ini, size_t index, const char *text)
{
	const struct conf_option *o = &ini->conf->options[index];

	if (!strcmp(o->name, "config"))
		return "a configuration file cannot name another one";
	if (ini->seen[index] && !o->repeat)
		return "stands here twice";
	if (o->secret && ini->public)
		return "a secret, but others can read this file; take that away (chmod o-r) or use a secret file";
	if (ini->cut_comment && o->type == CONF_TEXT)
		return "\" ;\" would begin a comment inside the value; put comments on lines of their own";
	if (is_quoted(text))
		return "quotes would be part of the value; leave them out";
	return NULL;
}

static int offer_key(struct ini *ini, const char *key, const char *text)
{
	size_t i = conf_find(ini->conf, key, strlen(key));

	if (i == CONF_NONE)
		return unknown_key(ini, key);

	const char *why_not = objection(ini, i, text);
	char place[PATH_MAX];

	if (why_not)
		return conf_fail(ini->conf, EINVAL, "%s (%s line %d): %s", key, ini->path, ini->line, why_not);
	ini->seen[i] = 1;
	snprintf(place, sizeof(place), "%s line %d", ini->path, ini->line);
	return conf_offer(ini->conf, i, CONF_FROM_FILE, key, place, text);
}

/* For inih: 0 is an error. text is NULL where a key stands alone and inih was built to allow it. */
static int on_key(void *user, const char *section, const char *key, const char *text)
{
	struct ini *ini = user;

	if (!ini->rc && text)
		ini->rc = offer_key(ini, key, text);
	return text && !ini->rc;
}

static int parse_ini(struct ini *ini)
{
	int line = ini_parse_stream(next_line, ini, on_key, ini);

	if (ini->rc)
		return ini->rc;
	if (line > 0)
		return conf_fail(ini->conf, EINVAL, "%s line %d: neither [section] nor key = value nor a comment", ini->path, line);
	return line ? conf_fail(ini->conf, ENOMEM, "out of memory") : 0;
}

int conf_read_ini(struct conf *c, const char *path, bool may_be_absent)
{
	AUTO_FREE char *seen = calloc(c->count + 1, 1);
	AUTO(buf_free) struct buf text;
	struct stat st;
	char why[64];

	buf_init_secret(&text, CONF_FILE_MAX + 1);

	int rc = textfile_read(AT_FDCWD, path, CONF_FILE_MAX, &text, &st);

	if (rc == ENOENT && may_be_absent)
		return 0;
	if (rc)
		return conf_fail(c, rc, "configuration file %s: %s", path, textfile_reason(rc, CONF_FILE_MAX, why));
	if (!seen)
		return conf_fail(c, ENOMEM, "out of memory");

	struct ini ini = { .conf = c, .path = path, .next = (const char *)text.data, .seen = seen, .public = st.st_mode & S_IROTH };

	return parse_ini(&ini);
}

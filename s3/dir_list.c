/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/dir_store.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

/* A listing is a walk in order of keys. In one folder the order is that of the names with "/" after those of folders ("a.b" before
 * "a/"), as no name holds a byte below "/" that could follow; the folder's own marker has the empty name and comes first. A walk
 * begins at the folder that the prefix names, and skips every subtree before the token. */

struct walk {
	struct dir_store *d;
	const char *prefix;
	const char *after;    /* the last key of the page before, NULL: none */
	bool after_is_prefix; /* ... with everything that begins with it */
	bool group;           /* by "/" */
	bool full;            /* the page is full and there is more */
	uint32_t max;
	struct store_page *page;
	char *path;           /* key of the folder we are in: "" or ends in "/"; room for a key and a segment */
	size_t path_cap;
};

/* The entries of one folder under the names that they are sorted by: the segment, with "/" for a folder; "" for the marker. */
struct entries {
	char **names;
	size_t count, cap;
};

static void entries_free(struct entries *e)
{
	for (size_t i = 0; i < e->count; i++)
		free(e->names[i]);
	free(e->names);
}

static int entries_add(struct entries *e, const char *segment, bool folder)
{
	size_t n = strlen(segment);

	if (e->count == e->cap) {
		size_t cap = e->cap ? 2 * e->cap : 64;
		char **grown = realloc(e->names, cap * sizeof(*grown));

		if (!grown)
			return ENOMEM;
		e->names = grown;
		e->cap = cap;
	}

	char *name = malloc(n + 2);

	if (!name)
		return ENOMEM;
	memcpy(name, segment, n + 1);
	if (folder)
		memcpy(name + n, "/", 2);
	e->names[e->count++] = name;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void warn_once(struct dir_store *d, const char *where, const char *name)
{
	if (!atomic_exchange(&d->warned, true))
		log_path(LOG_WARN, "s3", name, "%s, in %s of %s, is a link or special file: such are neither followed nor listed", name,
			 where[0] ? where : "the root", d->base.name);
}

/* What an entry is: DT_REG, DT_DIR, or another, which is none of ours; DT_UNKNOWN: it has gone. */
static unsigned char type_of(int folder, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type;
	if (fstatat(folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
		return DT_UNKNOWN;
	return S_ISREG(st.st_mode) ? DT_REG : S_ISDIR(st.st_mode) ? DT_DIR : DT_CHR;
}

/* Reads the next entry that is an object or a folder of ours into segment: 0 (with *folder), ENOENT: no more, or an errno. */
static int next_entry(struct dir_store *d, DIR *dir, const char *where, char segment[NAME_MAX + 1], bool *folder)
{
	for (;;) {
		errno = 0;

		struct dirent *e = readdir(dir);

		if (!e)
			return errno ? errno : ENOENT;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || !dir_segment_of(segment, e->d_name))
			continue;

		unsigned char type = type_of(dirfd(dir), e);

		*folder = type == DT_DIR;
		if (type == DT_REG || (type == DT_DIR && segment[0]))
			return 0;
		if (type != DT_UNKNOWN && type != DT_DIR)
			warn_once(d, where, e->d_name);
	}
}

static int read_folder(struct walk *w, DIR *dir, struct entries *out)
{
	char segment[NAME_MAX + 1];
	bool folder;
	int rc;

	while ((rc = next_entry(w->d, dir, w->path, segment, &folder)) == 0)
		if (entries_add(out, segment, folder))
			return ENOMEM;
	if (rc != ENOENT)
		return rc;
	if (out->count)
		qsort(out->names, out->count, sizeof(*out->names), by_name);
	return 0;
}

/* *dir NULL with 0: the folder has gone, or is none any more. */
static int open_folder(int parent, const char *name, DIR **dir)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), rc;

	*dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (*dir)
		return 0;
	rc = errno;
	dir_close(&fd);
	return rc == ENOENT || rc == ENOTDIR || rc == ELOOP ? 0 : rc;
}

/* *found: there is an object somewhere in the folder. A folder without any is nothing. */
static int has_object(struct dir_store *d, int parent, const char *name, bool *found)
{
	char segment[NAME_MAX + 1], below[NAME_MAX + 1];
	bool folder;
	DIR *dir;
	int rc = open_folder(parent, name, &dir);

	if (rc || !dir)
		return rc;
	while (!rc && !*found) {
		rc = next_entry(d, dir, name, segment, &folder);
		if (rc)
			break;
		if (!folder)
			*found = true;
		else if (!dir_name_of(below, segment, strlen(segment)))
			rc = has_object(d, dirfd(dir), below, found);
	}
	closedir(dir);
	return rc == ENOENT ? 0 : rc;
}

/* Adds an entry, or notes that the page is full. */
static int add(struct walk *w, const struct store_object *object)
{
	if (w->page->count < w->max)
		return store_page_add(w->page, object);
	w->full = true;
	return store_page_set_next(w->page);
}

static int add_object(struct walk *w, int folder, const char *name)
{
	char file[NAME_MAX + 1];
	struct store_object object = { .key = w->path };
	struct stat st;

	if (!name[0])
		copy_text(file, sizeof(file), DIR_MARKER);
	else if (dir_name_of(file, name, strlen(name)))
		return 0;
	if (fstatat(folder, file, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	object.size = (uint64_t)st.st_size;
	object.modified = st.st_mtim.tv_sec;
	dir_etag(&st, object.etag);
	return add(w, &object);
}

static bool begins_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* Is the key behind the token? */
static bool is_new(const struct walk *w, const char *key)
{
	if (!w->after)
		return true;
	return strcmp(key, w->after) > 0 && !(w->after_is_prefix && begins_with(key, w->after));
}

/* May the folder hold keys behind the token? */
static bool may_hold_new(const struct walk *w, const char *folder)
{
	if (!w->after || strcmp(folder, w->after) > 0)
		return !w->after || !w->after_is_prefix || !begins_with(folder, w->after);
	return begins_with(w->after, folder) && !(w->after_is_prefix && strcmp(w->after, folder) == 0);
}

static int walk_folder(struct walk *w, DIR *dir);

/* w->path is the key of the folder now. */
static int visit_folder(struct walk *w, int parent, const char *name)
{
	bool found = false, common = w->group && begins_with(w->path, w->prefix);
	char file[NAME_MAX + 1];
	DIR *dir;
	int rc;

	if (!common && !begins_with(w->path, w->prefix) && !begins_with(w->prefix, w->path))
		return 0;
	if (!may_hold_new(w, w->path) || dir_name_of(file, name, strlen(name) - 1))
		return 0;
	if (common) {
		rc = has_object(w->d, parent, file, &found);
		return rc || !found ? rc : add(w, &(struct store_object){ .key = w->path, .prefix = true });
	}
	rc = open_folder(parent, file, &dir);
	if (rc || !dir)
		return rc;
	rc = walk_folder(w, dir);
	closedir(dir);
	return rc;
}

static int walk_folder(struct walk *w, DIR *dir)
{
	AUTO(entries_free) struct entries entries = { 0 };
	size_t length = strlen(w->path);
	int rc = read_folder(w, dir, &entries);

	for (size_t i = 0; !rc && !w->full && i < entries.count; i++) {
		const char *name = entries.names[i];
		size_t n = strlen(name);

		if (copy_text(w->path + length, w->path_cap - length, name) || length + n > w->d->base.limits.key_max) {
			w->path[length] = '\0'; /* deeper than any key: nobody made it through us */
			continue;
		}
		if (n && name[n - 1] == '/')
			rc = visit_folder(w, dirfd(dir), name);
		else if (begins_with(w->path, w->prefix) && is_new(w, w->path))
			rc = add_object(w, dirfd(dir), name);
		w->path[length] = '\0';
	}
	return rc;
}

/* Could keys begin so? Not with an empty segment or one that leads elsewhere. */
static bool is_sound_folder(const char *prefix, size_t n)
{
	for (const char *segment = prefix; segment < prefix + n;) {
		size_t length = strcspn(segment, "/");

		if (length == 0 || length > NAME_MAX || (length == 1 && segment[0] == '.') ||
		    (length == 2 && segment[0] == '.' && segment[1] == '.'))
			return false;
		segment += length + 1;
	}
	return true;
}

static int list_from(struct walk *w)
{
	const char *slash = strrchr(w->prefix, '/');
	size_t n = slash ? (size_t)(slash + 1 - w->prefix) : 0;
	int fd, rc;
	DIR *dir;

	if (n > w->d->base.limits.key_max || !is_sound_folder(w->prefix, n))
		return 0;
	rc = dir_folder_open(w->d, w->prefix, n, false, &fd);
	if (rc)
		return rc == ENOENT || rc == ENOTDIR || rc == ENAMETOOLONG ? 0 : rc;
	dir = fdopendir(fd);
	if (!dir) {
		rc = errno;
		close(fd);
		return rc;
	}
	memcpy(w->path, w->prefix, n);
	w->path[n] = '\0';
	rc = walk_folder(w, dir);
	closedir(dir);
	return rc;
}

int dir_list(struct store *s, const char *prefix, char delimiter, const char *token, uint32_t max, struct store_page *page,
	     struct store_call *call)
{
	struct dir_store *d = dir_of(s);
	struct walk w = { .d = d, .prefix = prefix, .group = delimiter == '/', .max = max ? max : d->base.limits.list_max, .page = page };
	int rc = dir_begin_call(d, NULL, call);

	*page = (struct store_page){ 0 };
	if (rc)
		return rc;
	if ((delimiter && delimiter != '/') || max > d->base.limits.list_max)
		return store_fail(call, EINVAL, prefix, "not a legal delimiter or page size");
	if (token && store_token_parse(token, &w.after, &w.after_is_prefix))
		return store_fail(call, EINVAL, prefix, "not a token of this store");
	w.path_cap = d->base.limits.key_max + NAME_MAX + 2;

	AUTO_FREE char *path = malloc(w.path_cap);

	w.path = path;
	rc = path ? list_from(&w) : ENOMEM;
	if (!rc)
		return 0;
	store_page_free(page);
	return dir_fail(call, rc, prefix, "listing");
}

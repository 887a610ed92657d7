/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/dir_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

/* A segment is its own file name, unless it begins like a reserved name: then one more "=" is put in (".pishop=x" is ".pishop==x"),
 * which no reserved name has there. So the two never meet, and the way back is unique. */

#define RESERVED_LENGTH (sizeof(DIR_RESERVED) - 1)
#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

int dir_name_of(char out[NAME_MAX + 1], const char *segment, size_t n)
{
	size_t escape = n >= RESERVED_LENGTH && memcmp(segment, DIR_RESERVED, RESERVED_LENGTH) == 0;

	if (n + escape > NAME_MAX)
		return ENAMETOOLONG;
	if (escape) {
		memcpy(out, DIR_RESERVED "=", RESERVED_LENGTH + 1);
		memcpy(out + RESERVED_LENGTH + 1, segment + RESERVED_LENGTH, n - RESERVED_LENGTH);
	} else {
		memcpy(out, segment, n);
	}
	out[n + escape] = '\0';
	return 0;
}

bool dir_segment_of(char out[NAME_MAX + 1], const char *name)
{
	if (strncmp(name, DIR_RESERVED, RESERVED_LENGTH) != 0)
		return copy_text(out, NAME_MAX + 1, name) == 0;
	if (strcmp(name, DIR_MARKER) == 0) {
		out[0] = '\0';
		return true;
	}
	if (name[RESERVED_LENGTH] != '=')
		return false;
	snprintf(out, NAME_MAX + 1, DIR_RESERVED "%s", name + RESERVED_LENGTH + 1);
	return true;
}

/* Why name could not be opened as a folder: a link tells ENOTDIR as a file does, but it must not pass for one. */
static int not_a_folder(int at, const char *name, int error)
{
	struct stat st;

	if (error != ENOTDIR || fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW))
		return error;
	return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ? error : ELOOP;
}

/* One step down. A folder that is made is made durable at once: the objects in it will be said to be. */
static int step(int at, const char *name, bool create, int *next)
{
	*next = openat(at, name, FOLDER_FLAGS);
	if (*next >= 0)
		return 0;
	if (errno != ENOENT || !create)
		return not_a_folder(at, name, errno);
	if (mkdirat(at, name, 0777) && errno != EEXIST)
		return errno;
	if (fsync(at))
		return errno;
	*next = openat(at, name, FOLDER_FLAGS);
	return *next >= 0 ? 0 : not_a_folder(at, name, errno);
}

static int walk(const struct dir_store *d, const char *path, size_t n, bool create, int *fd)
{
	AUTO(dir_close) int at = openat(d->root, ".", FOLDER_FLAGS); /* not a dup: that would share the position of readdir */
	const char *segment = path;

	if (at < 0)
		return errno;
	while (segment < path + n) {
		char name[NAME_MAX + 1];
		size_t length = strcspn(segment, "/");
		int next, rc = dir_name_of(name, segment, length);

		if (!rc)
			rc = step(at, name, create, &next);
		if (rc)
			return rc;
		close(at);
		at = next;
		segment += length + 1;
	}
	*fd = at;
	at = -1;
	return 0;
}

int dir_folder_open(const struct dir_store *d, const char *path, size_t n, bool create, int *fd)
{
	int rc = ENOENT;

	/* Between two steps, somebody who removed the last object of a folder may remove the folder. */
	for (int i = 0; i < DIR_TRIES && rc == ENOENT; i++) {
		rc = walk(d, path, n, create, fd);
		if (!create)
			break;
	}
	return rc;
}

int dir_place_open(const struct dir_store *d, const char *key, bool create, struct dir_place *place)
{
	const char *slash = strrchr(key, '/');
	const char *last = slash ? slash + 1 : key;
	int rc = 0;

	if (*last)
		rc = dir_name_of(place->name, last, strlen(last));
	else
		copy_text(place->name, sizeof(place->name), DIR_MARKER);
	return rc ? rc : dir_folder_open(d, key, (size_t)(last - key), create, &place->parent);
}

void dir_place_close(struct dir_place *place)
{
	dir_close(&place->parent);
}

int dir_place_stat(const struct dir_place *place, struct stat *st)
{
	if (fstatat(place->parent, place->name, st, AT_SYMLINK_NOFOLLOW))
		return errno;
	if (S_ISREG(st->st_mode))
		return 0;
	return S_ISDIR(st->st_mode) ? ENOENT : ELOOP;
}

void dir_prune(const struct dir_store *d, const char *key)
{
	AUTO_FREE char *path = strdup(key);
	char *slash = path ? strrchr(path, '/') : NULL;

	while (slash) {
		AUTO(dir_place_close) struct dir_place place = { .parent = -1 };

		*slash = '\0'; /* path names the folder now */
		if (dir_place_open(d, path, false, &place) || unlinkat(place.parent, place.name, AT_REMOVEDIR))
			return;
		slash = strrchr(path, '/');
	}
}

/* Calls fn for every entry of folder `name` but "." and "..", until it answers an error. */
static int for_each_entry(int parent, const char *name, int (*fn)(int folder, const char *name))
{
	int fd = openat(parent, name, FOLDER_FLAGS), rc = 0;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (!dir) {
		rc = errno;
		dir_close(&fd);
		return rc;
	}
	while (!rc) {
		struct dirent *e = readdir(dir);

		if (!e)
			break;
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = fn(dirfd(dir), e->d_name);
	}
	closedir(dir);
	return rc;
}

int dir_remove_empty(int parent, const char *name)
{
	int rc;

	if (unlinkat(parent, name, AT_REMOVEDIR) == 0)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return errno;
	rc = for_each_entry(parent, name, dir_remove_empty); /* ENOTDIR for a file: that ends it */
	if (rc)
		return rc;
	return unlinkat(parent, name, AT_REMOVEDIR) ? errno : 0;
}

static int remove_entry(int parent, const char *name)
{
	dir_remove_tree(parent, name);
	return 0;
}

void dir_remove_tree(int parent, const char *name)
{
	if (unlinkat(parent, name, 0) == 0 || (errno != EISDIR && errno != EPERM))
		return;
	for_each_entry(parent, name, remove_entry);
	unlinkat(parent, name, AT_REMOVEDIR);
}

int dir_reserved_open(const struct dir_store *d, const char *name, bool create, int *fd)
{
	AUTO(dir_close) int reserved = -1;
	int rc = step(d->root, DIR_RESERVED_ROOT, create, &reserved);

	return rc ? rc : step(reserved, name, create, fd);
}

uint64_t dir_hash(const char *key)
{
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

	for (const unsigned char *p = (const unsigned char *)key; *p; p++)
		hash = (hash ^ *p) * 0x100000001b3u;
	return hash;
}

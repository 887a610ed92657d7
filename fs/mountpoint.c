/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/mountpoint.h"

#include "base/auto.h"
#include "base/log.h"
#include "vault/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool immutable(const char *path, bool set)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), flags = 0;
	bool is = false;

	if (fd < 0)
		return false;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		is = flags & FS_IMMUTABLE_FL;
		if (set && !is) {
			flags |= FS_IMMUTABLE_FL;
			is = ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
		}
	}
	close(fd);
	return is;
}

static int make(const char *path, char *error, size_t cap)
{
	if (mkdir(path, 0) != 0) {
		int rc = errno;

		snprintf(error, cap, "%s: cannot make the mount point: %s", path, strerror(rc));
		return rc;
	}
	if (!immutable(path, true))
		log_msg(LOG_DEBUG, "main", "%s: made with mode 000; this file system or user cannot make it immutable as well", path);
	return 0;
}

static bool empty(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	bool found = false;

	while (d && !found && (e = readdir(d)))
		found = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	if (d)
		closedir(d);
	return !found;
}

int mountpoint_prepare(const char *path, char *error, size_t cap)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		int rc = errno;

		if (rc == ENOENT)
			return make(path, error, cap);
		if (rc == ENOTCONN)
			snprintf(error, cap, "%s: a dead mount is here (its process has ended); clear it with: umount -l %s", path, path);
		else
			snprintf(error, cap, "%s: %s", path, strerror(rc));
		return rc;
	}
	if (!S_ISDIR(st.st_mode)) {
		snprintf(error, cap, "%s: not a folder", path);
		return ENOTDIR;
	}
	if (!empty(path)) {
		snprintf(error, cap, "%s: the folder is not empty; its files would be hidden below the mount: move them away", path);
		return ENOTEMPTY;
	}
	if (!immutable(path, false) && (st.st_mode & 0777))
		log_msg(LOG_WARN, "main", "%s: while nothing is mounted, this folder takes files that never reach the bucket; once: chmod 000 %s && chattr +i %s",
			path, path, path);
	return 0;
}

/* The real path; where only the last name is missing, as it will be when that is made. */
static int real_path(const char *path, char out[PATH_MAX])
{
	char parent[PATH_MAX], real[PATH_MAX];
	size_t n = strlen(path);

	if (realpath(path, out))
		return 0;
	if (errno != ENOENT || n >= sizeof(parent))
		return errno;
	while (n && path[n - 1] == '/')
		n--;

	size_t name = n;

	while (name && path[name - 1] != '/')
		name--;
	snprintf(parent, sizeof(parent), "%.*s.", (int)name, path);
	if (!realpath(parent, real))
		return errno;
	return snprintf(out, PATH_MAX, "%s/%.*s", strcmp(real, "/") ? real : "", (int)(n - name), path + name) < PATH_MAX ? 0 : ENAMETOOLONG;
}

/* Both are real paths. */
static bool inside(const char *path, const char *folder)
{
	return path_inside(path, strcmp(folder, "/") ? folder : "");
}

int mountpoint_apart(const char *path, const char *store, char *error, size_t cap)
{
	char at[PATH_MAX], folder[PATH_MAX];
	const char *how = NULL;

	if (real_path(path, at) || real_path(store, folder))
		return 0;
	if (strcmp(at, folder) == 0)
		how = "is the folder of the store itself";
	else if (inside(at, folder))
		how = "lies inside the folder of the store, which would then hold a view of itself";
	else if (inside(folder, at))
		how = "holds the folder of the store, which the mount would hide";
	if (!how)
		return 0;
	snprintf(error, cap, "mount point %s: it %s (dir:%s); give one outside of it", path, how, store);
	return EINVAL;
}

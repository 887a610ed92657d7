/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/mountpoint.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/dir_store.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/rand.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/xattr.h>

#define COMMIT_XATTR "user.pishop.commit"
#define LOCKS 256u                       /* lock files; keys share them by hash */
#define LOCK_DEFAULT_MS 30000
#define LOCK_POLL_MS 10                  /* longest sleep between looks at a lock that another holds */
#define IOV_BATCH 64
#define COPY_STEP (16u * 1024 * 1024)    /* bytes between looks at call->cancel */
#define COPY_BUFFER (256u * 1024)
#define COARSE_STEP_NS 2000000000        /* the coarsest time that a file system keeps: 2 s (FAT) */

static int code_of(int error)
{
	switch (error) {
	case ENOENT: /* of a folder of ours: the root was removed; that an object is not there is never told from here */
		return ENODEV;
	case ENOMEM:
	case ENAMETOOLONG:
	case EFBIG:
	case ENOSPC:
		return error;
	case EDQUOT:
		return ENOSPC;
	case EACCES:
	case EPERM:
	case EROFS:
		return EACCES;
	case ENOTDIR:
	case EISDIR:
		return EINVAL;
	default:
		return EIO; /* ESTALE of NFS among them: it is not a condition that failed */
	}
}

int dir_fail(struct store_call *call, int error, const char *key, const char *what)
{
	char words[64];

	if (error == ELOOP)
		return store_fail(call, EACCES, key, "%s: a symbolic link or special file is in the way; none is followed", what);
	return store_fail(call, code_of(error), key, "%s: %s", what, strerror_r(error, words, sizeof(words)));
}

static int64_t time_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

void dir_etag(const struct stat *st, char etag[STORE_ETAG_MAX])
{
	snprintf(etag, STORE_ETAG_MAX, "%llx-%llx-%llx", (unsigned long long)st->st_ino, (unsigned long long)time_ns(st),
		 (unsigned long long)st->st_size);
}

void dir_meta(int fd, const struct stat *st, struct store_meta *meta)
{
	ssize_t n = fgetxattr(fd, COMMIT_XATTR, meta->commit, sizeof(meta->commit) - 1);

	meta->commit[n > 0 ? n : 0] = '\0';
	meta->size = (uint64_t)st->st_size;
	meta->modified = st->st_mtim.tv_sec;
	dir_etag(st, meta->etag);
}

void dir_temp_name(char name[40])
{
	uint8_t random[16];

	rand_bytes(random, sizeof(random));
	hex_encode(name, random, sizeof(random));
}

int dir_temp_open(const struct dir_store *d, struct dir_temp *t, struct store_call *call)
{
	int rc = dir_reserved_open(d, "tmp", true, &t->folder);

	if (rc)
		return dir_fail(call, rc, NULL, "the folder for temporary files");
	dir_temp_name(t->name);
	t->fd = openat(t->folder, t->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (t->fd >= 0)
		return 0;
	rc = errno;
	t->name[0] = '\0';
	return dir_fail(call, rc, NULL, "a temporary file");
}

void dir_temp_close(struct dir_temp *t)
{
	dir_close(&t->fd);
	if (t->folder >= 0 && t->name[0])
		dir_remove_tree(t->folder, t->name);
	dir_close(&t->folder);
}

/* The next buffers from *i on, of which `skip` bytes are done, into batch; returns how many. */
static int next_batch(struct iovec batch[IOV_BATCH], const struct iovec *iov, int iovcnt, int i, size_t skip)
{
	int n = 0;

	for (; i < iovcnt && n < IOV_BATCH; i++, skip = 0)
		batch[n++] = (struct iovec){ (uint8_t *)iov[i].iov_base + skip, iov[i].iov_len - skip };
	return n;
}

int dir_temp_write(struct dir_temp *t, const char *key, const struct iovec *iov, int iovcnt, struct store_call *call)
{
	size_t left = store_iov_bytes(iov, iovcnt), skip = 0;
	int i = 0;

	while (left) {
		struct iovec batch[IOV_BATCH];
		ssize_t n;

		while (skip == iov[i].iov_len) { /* done, or empty */
			skip = 0;
			i++;
		}
		if (store_cancelled(call))
			return store_fail(call, ECANCELED, key, "cancelled");
		n = writev(t->fd, batch, next_batch(batch, iov, iovcnt, i, skip));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return dir_fail(call, n ? errno : EIO, key, "writing");
		left -= (size_t)n;
		for (size_t done = (size_t)n; done;) {
			size_t step = min_size(done, iov[i].iov_len - skip);

			skip += step;
			done -= step;
			if (skip == iov[i].iov_len && done) {
				skip = 0;
				i++;
			}
		}
	}
	return 0;
}

/* One piece through memory, for file systems that cannot copy by themselves. Returns like copy_file_range. */
static ssize_t copy_through_memory(int from, off_t *at, int to, size_t n)
{
	AUTO_FREE uint8_t *buffer = malloc(COPY_BUFFER);
	ssize_t got, put;

	if (!buffer) {
		errno = ENOMEM;
		return -1;
	}
	got = pread(from, buffer, min_size(n, COPY_BUFFER), *at);
	if (got <= 0)
		return got;
	put = write(to, buffer, (size_t)got);
	if (put > 0)
		*at += put;
	return put;
}

int dir_unchanged(int fd, const struct stat *st, const char *key, struct store_call *call)
{
	struct stat now;

	if (fstat(fd, &now))
		return dir_fail(call, errno, key, "looking at the file");
	if (now.st_size == st->st_size && time_ns(&now) == time_ns(st))
		return 0;
	return store_fail(call, EBADMSG, key, "the file was changed in place while it was read");
}

int dir_temp_copy(struct dir_temp *t, const char *key, int from, const struct stat *st, uint64_t at, uint64_t n, struct store_call *call)
{
	bool by_kernel = true;
	off_t position = (off_t)at;

	while (n) {
		size_t step = (size_t)min_u64(n, COPY_STEP);
		ssize_t done = by_kernel ? copy_file_range(from, &position, t->fd, NULL, step, 0)
					 : copy_through_memory(from, &position, t->fd, step);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && by_kernel && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
			by_kernel = false;
			continue;
		}
		if (done < 0)
			return dir_fail(call, errno, key, "copying");
		if (done == 0)
			return store_fail(call, EBADMSG, key, "the file became shorter while it was copied");
		n -= (uint64_t)done;
		if (store_cancelled(call))
			return store_fail(call, ECANCELED, key, "cancelled");
	}
	return dir_unchanged(from, st, key, call);
}

static int set_time(int fd, int64_t ns)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 } };

	return futimens(fd, times) ? errno : 0;
}

static int set_commit(int fd, const char *commit)
{
	if (!commit || !commit[0] || fsetxattr(fd, COMMIT_XATTR, commit, strlen(commit), 0) == 0)
		return 0;
	return errno == ENOSPC || errno == EDQUOT || errno == EIO ? errno : 0; /* else this file system has no user xattrs */
}

int dir_temp_seal(struct dir_temp *t, const char *key, const char *commit, struct store_call *call)
{
	struct timespec now = clock_wall();
	int rc;

	if (commit && strlen(commit) >= STORE_COMMIT_HEX)
		return store_fail(call, EINVAL, key, "not a commit id");
	rc = set_commit(t->fd, commit);
	if (!rc) /* the clock as it is: the kernel's own stamp may be 4 ms old, and the same for two files */
		rc = set_time(t->fd, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
	if (!rc && fsync(t->fd))
		rc = errno;
	return rc ? dir_fail(call, rc, key, "making the file durable") : 0;
}

/* Makes the file's time later than that of the one it replaces, so that its ETag is a new one even where the old inode number comes
 * back or the clock went back. 0 or an errno. */
static int outdate(struct dir_temp *t, const struct stat *old)
{
	struct stat st;
	int64_t step = 1;

	for (;;) {
		if (fstat(t->fd, &st))
			return errno;
		if (time_ns(&st) > time_ns(old))
			return step > 1 && fsync(t->fd) ? errno : 0;
		if (step > 2 * (int64_t)COARSE_STEP_NS)
			return EIO; /* this file system keeps no times */

		int rc = set_time(t->fd, time_ns(old) + step);

		if (rc)
			return rc;
		step = step == 1 ? COARSE_STEP_NS : 2 * step;
	}
}

int dir_lock(const struct dir_store *d, const char *key, int *fd, struct store_call *call)
{
	AUTO(dir_close) int folder = -1;
	char name[8];
	int64_t deadline = clock_mono_ms() + (call && call->timeout_ms ? call->timeout_ms : LOCK_DEFAULT_MS);
	int rc = dir_reserved_open(d, "lock", true, &folder);

	if (rc)
		return dir_fail(call, rc, key, "the folder for locks");
	snprintf(name, sizeof(name), "%02x", (unsigned)(dir_hash(key) % LOCKS));
	*fd = openat(folder, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (*fd < 0)
		return dir_fail(call, errno, key, "a lock file");
	for (int64_t pause = 1; flock(*fd, LOCK_EX | LOCK_NB); pause = pause < LOCK_POLL_MS ? 2 * pause : LOCK_POLL_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return dir_fail(call, errno, key, "locking"); /* the caller closes *fd */
		rc = store_over(&d->base, call, key);
		if (rc)
			return rc;
		if (clock_mono_ms() >= deadline)
			return store_fail(call, ETIMEDOUT, key, "another process holds the lock of this key");
		clock_sleep_ms(pause);
	}
	return 0;
}

/* One attempt to move the file to its place. ENOENT: the folder has vanished, or what was in the way is gone: once more. */
static int move_in(struct dir_temp *t, const struct dir_place *place)
{
	if (renameat(t->folder, t->name, place->parent, place->name) == 0) {
		t->name[0] = '\0';
		return 0;
	}
	if (errno != EISDIR && errno != ENOTEMPTY && errno != EEXIST)
		return errno;
	return dir_remove_empty(place->parent, place->name) ? EISDIR : ENOENT; /* S3 has no folders: an empty one is nothing */
}

/* What publish_once found besides an errno. */
struct outcome {
	bool refused;   /* the condition does not hold */
	int sync_error; /* moved in, but the folder could not be made durable */
};

static int publish_once(const struct dir_store *d, const char *key, struct dir_temp *t, const struct store_cond *cond, struct outcome *out)
{
	AUTO(dir_place_close) struct dir_place place = { .parent = -1 };
	char there[STORE_ETAG_MAX];
	struct stat old;
	int rc = dir_place_open(d, key, true, &place), looked;

	if (rc)
		return rc == ENOENT ? EIO : rc; /* it has made the folders DIR_TRIES times */
	looked = dir_place_stat(&place, &old);
	if (looked && looked != ENOENT)
		return looked;
	if (!looked)
		dir_etag(&old, there);
	out->refused = store_cond_check(cond, looked ? NULL : there) != 0;
	if (out->refused)
		return 0;
	if (!looked)
		rc = outdate(t, &old);
	if (!rc)
		rc = move_in(t, &place);
	if (!rc && fsync(place.parent))
		out->sync_error = errno;
	return rc;
}

int dir_publish(const struct dir_store *d, const char *key, struct dir_temp *t, const struct store_cond *cond, struct store_meta *meta,
		struct store_call *call)
{
	struct outcome out = { 0 };
	struct stat st;
	int rc = ENOENT;

	if (cond && cond->if_none_match && cond->if_match[0])
		return store_fail(call, EINVAL, key, "at most one condition");
	for (int i = 0; i < DIR_TRIES && rc == ENOENT; i++)
		rc = publish_once(d, key, t, cond, &out);
	if (rc == ENOTDIR || rc == EISDIR)
		return store_fail(call, EINVAL, key, "a folder cannot hold an object and others under the same name");
	if (rc)
		return dir_fail(call, rc == ENOENT ? EIO : rc, key, "publishing");
	if (out.refused)
		return store_fail(call, ESTALE, key, "the condition does not hold");
	if (out.sync_error) /* it is there, until a power cut: not ambiguous, as no look can tell that it will stay */
		return dir_fail(call, out.sync_error, key, "making the folder durable");
	if (meta && fstat(t->fd, &st))
		return dir_fail(call, errno, key, "looking at the new file");
	if (meta)
		dir_meta(t->fd, &st, meta);
	return 0;
}

int dir_object_open(const struct dir_store *d, const char *key, const char *if_match, int *fd, struct stat *st, struct store_call *call)
{
	AUTO(dir_place_close) struct dir_place place = { .parent = -1 };
	char etag[STORE_ETAG_MAX];
	int rc = dir_place_open(d, key, false, &place);

	if (!rc)
		rc = dir_place_stat(&place, st);
	if (!rc) { /* between the look and the open, somebody may put another thing there: the open file is what counts */
		*fd = openat(place.parent, place.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (*fd < 0 || fstat(*fd, st))
			rc = errno;
		else if (!S_ISREG(st->st_mode))
			rc = ENOENT;
	}
	if (rc == ENOENT || rc == ENOTDIR)
		return store_fail(call, ENOENT, key, "no such object");
	if (rc)
		return dir_fail(call, rc, key, "opening");
	dir_etag(st, etag);
	if (if_match && if_match[0] && strcmp(etag, if_match) != 0)
		return store_fail(call, ESTALE, key, "another object stands there now");
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/dir_store.h"

#include "base/clock.h"
#include "s3/stores.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>

/* A store in a local folder.
 *
 * LAYOUT. The object a/b/c is the file a/b/c under the root, byte for byte: `ls` shows the tree, and a copy of the folder into a bucket
 * is a bucket. Three kinds of names are ours (dir_name.c):
 *   a/.pishop=folder      the object "a/" (a folder marker)
 *   a/.pishop==x          the object "a/.pishop=x": a segment that looks reserved gets one "=" more (so it may have 254 bytes only)
 *   .pishop=store/        at the root: tmp/ (files not published yet), uploads/, lock/. Made by the first write, so a folder that can
 *                         only be read is opened and changed in nothing.
 * An object "a" and an object "a/b" cannot stand side by side: the second is refused with EINVAL. Symbolic links and special files are
 * not followed and not listed; a key that leads through one is EACCES. Modes are those of the process's umask.
 *
 * ETag: inode number, time of modification in ns, size. Every write makes a new file, so the inode number differs from that of the file
 * it replaces, and the time is set to be later than its (dir_file.c, outdate). Nothing is stored for it, and a file that is changed by
 * hand has another one. The commit id is the extended attribute user.pishop.commit; without such attributes it is "".
 *
 * CRASHES. A file is written and fsynced in tmp/, renamed to its place, and the folder fsynced; so at any moment the old object or the
 * new one is there, whole. What is left in the reserved folder is removed when the store is opened and it is old (dir_clean).
 * ASSUMPTION DIR-1: fsync of a folder makes durable that it exists, too (true of file systems with one journal: ext4, xfs, btrfs).
 *
 * CONDITIONS. Whoever changes a key holds its lock: flock on one of 256 files, chosen by hash. Readers hold none: an open file is one
 * object, whatever happens to its name.
 *
 * FOLDERS exist while an object is in them. Who removes the last one removes the folder, so whoever creates must be ready to see a
 * folder vanish between opening it and moving a file into it: the move then fails with ENOENT and begins again. */

#define LIST_MAX 10000
#define LARGEST (1ull << 50) /* of everything that this store does not bound itself */

int dir_begin_call(struct dir_store *d, const char *key, struct store_call *call)
{
	store_call_reset(call);
	if (call)
		call->server_date = clock_wall_s();

	int rc = store_over(&d->base, call, key);

	if (rc)
		return rc;
	rc = key ? store_key_check(&d->base.limits, key) : 0;

	return rc ? store_fail(call, rc, key, "not a legal key") : 0;
}

/* Reads length bytes from `begin` on into iov, and makes sure that they are bytes of one object. */
static int read_range(int fd, const char *key, const struct stat *st, uint64_t begin, size_t length, const struct iovec *iov,
		      struct store_call *call)
{
	off_t at = (off_t)begin;

	for (size_t left = length, done = 0; left;) {
		size_t n = min_size(left, iov->iov_len - done);
		ssize_t got = n ? pread(fd, (uint8_t *)iov->iov_base + done, n, at) : 0;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return dir_fail(call, errno, key, "reading");
		if (n && got == 0)
			return store_fail(call, EBADMSG, key, "the file became shorter while it was read");
		at += got;
		left -= (size_t)got;
		done += (size_t)got;
		if (done == iov->iov_len) {
			iov++;
			done = 0;
		}
		if (store_cancelled(call))
			return store_fail(call, ECANCELED, key, "cancelled");
	}
	return dir_unchanged(fd, st, key, call);
}

static int dir_get(struct store *s, const char *key, struct store_range range, const char *if_match, const struct iovec *iov, int iovcnt,
		   size_t *got, struct store_meta *meta, struct store_call *call)
{
	struct dir_store *d = dir_of(s);
	AUTO(dir_close) int fd = -1;
	struct stat st;
	uint64_t begin;
	size_t length;
	int rc = dir_begin_call(d, key, call);

	*got = 0;
	if (!rc)
		rc = dir_object_open(d, key, if_match, &fd, &st, call);
	if (rc)
		return rc;
	rc = store_range_resolve((uint64_t)st.st_size, range, store_iov_bytes(iov, iovcnt), &begin, &length);
	if (rc)
		return store_fail(call, rc, key, rc == EINVAL ? "the range begins after the end" : "more bytes than asked for");
	rc = read_range(fd, key, &st, begin, length, iov, call);
	if (rc)
		return rc;
	*got = length;
	if (meta)
		dir_meta(fd, &st, meta);
	return 0;
}

/* Seals and publishes under the key's lock. */
static int commit_temp(struct dir_store *d, const char *key, struct dir_temp *t, const char *commit, const struct store_cond *cond,
		       struct store_meta *meta, struct store_call *call)
{
	AUTO(dir_close) int lock = -1;
	int rc = dir_temp_seal(t, key, commit, call);

	if (!rc)
		rc = dir_lock(d, key, &lock, call);
	return rc ? rc : dir_publish(d, key, t, cond, meta, call);
}

static int dir_put(struct store *s, const char *key, const struct iovec *iov, int iovcnt, const char *commit, const struct store_cond *cond,
		   struct store_meta *meta, struct store_call *call)
{
	struct dir_store *d = dir_of(s);
	AUTO(dir_temp_close) struct dir_temp t = { .folder = -1, .fd = -1 };
	int rc = dir_begin_call(d, key, call);

	if (!rc && store_iov_bytes(iov, iovcnt) > d->base.limits.put_max)
		rc = store_fail(call, EFBIG, key, "larger than one put takes");
	if (!rc)
		rc = dir_temp_open(d, &t, call);
	if (!rc)
		rc = dir_temp_write(&t, key, iov, iovcnt, call);
	return rc ? rc : commit_temp(d, key, &t, commit, cond, meta, call);
}

static int dir_head(struct store *s, const char *key, struct store_meta *meta, struct store_call *call)
{
	struct dir_store *d = dir_of(s);
	AUTO(dir_close) int fd = -1;
	struct stat st;
	int rc = dir_begin_call(d, key, call);

	if (!rc)
		rc = dir_object_open(d, key, NULL, &fd, &st, call);
	if (!rc)
		dir_meta(fd, &st, meta);
	return rc;
}

/* The folder that was changed last and is not durable yet: keys of a batch mostly share one. */
struct unsynced {
	int folder;   /* -1: none */
	size_t first; /* the keys from this one on are waiting for it */
};

static void sync_now(struct unsynced *u, int *results, size_t end)
{
	if (u->folder >= 0 && fsync(u->folder))
		for (size_t i = u->first; i < end; i++)
			results[i] = results[i] ? results[i] : EIO;
	dir_close(&u->folder);
}

static bool same_folder(int a, int b)
{
	struct stat x, y;

	return a >= 0 && fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int remove_one(struct dir_store *d, const char *key, int *folder, struct store_call *call)
{
	AUTO(dir_place_close) struct dir_place place = { .parent = -1 };
	AUTO(dir_close) int lock = -1;
	struct stat st;
	int rc = store_key_check(&d->base.limits, key);

	if (rc)
		return store_fail(call, rc, key, "not a legal key");
	rc = dir_place_open(d, key, false, &place);
	if (!rc)
		rc = dir_place_stat(&place, &st); /* nothing there: no lock to take, nor to make */
	if (rc == ENOENT || rc == ENOTDIR)
		return 0;
	if (rc)
		return dir_fail(call, rc, key, "removing");
	rc = dir_lock(d, key, &lock, call);
	if (rc)
		return rc;
	if (unlinkat(place.parent, place.name, 0))
		return errno == ENOENT || errno == EISDIR ? 0 : dir_fail(call, errno, key, "removing");
	*folder = place.parent;
	place.parent = -1;
	return 0;
}

static int dir_remove(struct store *s, const char *const *keys, size_t count, int *results, struct store_call *call)
{
	struct dir_store *d = dir_of(s);
	struct unsynced waiting = { .folder = -1 };
	int first = dir_begin_call(d, NULL, call);

	if (!first && count > d->base.limits.delete_max)
		first = store_fail(call, EINVAL, NULL, "more keys than one remove takes");
	for (size_t i = 0; i < count; i++)
		results[i] = first;
	if (first)
		return first;
	for (size_t i = 0; i < count; i++) {
		int folder = -1;

		results[i] = remove_one(d, keys[i], &folder, call);
		if (folder < 0)
			continue;
		if (!same_folder(waiting.folder, folder)) {
			sync_now(&waiting, results, i);
			waiting = (struct unsynced){ .folder = folder, .first = i };
		} else {
			close(folder);
		}
		dir_prune(d, keys[i]);
	}
	sync_now(&waiting, results, count);
	for (size_t i = 0; i < count && !first; i++)
		first = results[i];
	if (first && call && call->err.code != first)
		store_fail(call, first, NULL, "not every object could be removed");
	return first;
}

static int dir_copy(struct store *s, const char *src, const char *src_etag, const char *dst, const char *commit,
		    const struct store_cond *cond, struct store_meta *meta, struct store_call *call)
{
	struct dir_store *d = dir_of(s);
	AUTO(dir_temp_close) struct dir_temp t = { .folder = -1, .fd = -1 };
	AUTO(dir_close) int from = -1;
	struct stat st;
	int rc = dir_begin_call(d, src, call);

	if (!rc)
		rc = dir_begin_call(d, dst, call);
	if (!rc)
		rc = dir_object_open(d, src, src_etag, &from, &st, call);
	if (!rc && (uint64_t)st.st_size > d->base.limits.copy_max)
		rc = store_fail(call, EFBIG, src, "larger than one copy takes");
	if (!rc)
		rc = dir_temp_open(d, &t, call);
	if (!rc)
		rc = dir_temp_copy(&t, dst, from, &st, 0, (uint64_t)st.st_size, call);
	return rc ? rc : commit_temp(d, dst, &t, commit, cond, meta, call);
}

static int dir_probe(struct store *s, struct store_call *call)
{
	struct dir_store *d = dir_of(s);
	struct stat st;
	int rc = dir_begin_call(d, NULL, call);

	if (rc)
		return rc;
	if (fstat(d->root, &st))
		return dir_fail(call, errno, NULL, "looking at the folder");
	if (st.st_nlink == 0)
		return store_fail(call, ENODEV, NULL, "the folder has been removed");
	if (faccessat(d->root, ".", R_OK | X_OK, AT_EACCESS))
		return dir_fail(call, errno, NULL, "reading the folder");
	return 0;
}

static int dir_space(struct store *s, struct store_space *space, struct store_call *call)
{
	struct dir_store *d = dir_of(s);
	struct statvfs fs;
	int rc = dir_begin_call(d, NULL, call);

	*space = (struct store_space){ 0 };
	if (rc)
		return rc;
	if (fstatvfs(d->root, &fs))
		return dir_fail(call, errno, NULL, "looking at the file system");
	space->total = (uint64_t)fs.f_blocks * fs.f_frsize;
	space->free = (uint64_t)fs.f_bavail * fs.f_frsize;
	return 0;
}

static void dir_free(struct store *s)
{
	struct dir_store *d = dir_of(s);

	dir_close(&d->root);
	free(d);
}

/* ---- versions: a folder keeps none, and does nothing by itself */

static int dir_versions(struct store *s, const char *prefix, const char *token, uint32_t max, struct store_versions *page,
			struct store_call *call)
{
	*page = (struct store_versions){ 0 };
	store_call_reset(call);
	return store_fail(call, EOPNOTSUPP, prefix, "a folder keeps no versions");
}

static int dir_remove_versions(struct store *s, const struct store_version *versions, size_t count, int *results, struct store_call *call)
{
	for (size_t i = 0; i < count; i++)
		results[i] = EOPNOTSUPP;
	store_call_reset(call);
	return store_fail(call, EOPNOTSUPP, NULL, "a folder keeps no versions");
}

static int dir_rules(struct store *s, struct store_rules *out, struct store_call *call)
{
	*out = (struct store_rules){ 0 };
	store_call_reset(call);
	return 0;
}

static const struct store_ops dir_ops = {
	.get = dir_get, .put = dir_put, .head = dir_head, .list = dir_list, .remove = dir_remove, .copy = dir_copy, .begin = dir_begin,
	.part = dir_part, .part_copy = dir_part_copy, .complete = dir_complete, .abort = dir_abort, .list_parts = dir_list_parts,
	.list_uploads = dir_list_uploads, .versions = dir_versions, .remove_versions = dir_remove_versions, .rules = dir_rules,
	.probe = dir_probe, .space = dir_space, .free = dir_free,
};

int dir_store_new(const char *root, struct store **out)
{
	struct dir_store *d = calloc(1, sizeof(*d));
	long name_max;

	if (!d)
		return ENOMEM;
	d->base = (struct store){ .ops = &dir_ops, .limits = store_limits_s3, .conditional = true };
	snprintf(d->base.name, sizeof(d->base.name), "dir:%s", root);
	d->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->root < 0) {
		int rc = errno == EACCES || errno == EPERM ? EACCES : errno == ENOMEM ? ENOMEM : ENODEV;

		free(d);
		return rc;
	}
	name_max = fpathconf(d->root, _PC_NAME_MAX);
	if (name_max > 0 && name_max < (long)d->base.limits.segment_max)
		d->base.limits.segment_max = (uint32_t)name_max;
	d->base.limits.part_min = 1;
	d->base.limits.part_max = d->base.limits.copy_max = d->base.limits.put_max = d->base.limits.object_max = LARGEST;
	d->base.limits.list_max = LIST_MAX;
	dir_clean(d);
	*out = &d->base;
	return 0;
}

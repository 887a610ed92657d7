/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/dir_store.h"

#include "base/clock.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

/* An upload is a folder .pishop=store/uploads/<hash of the key>-<random>, with a file `info` (commit id, newline, key) and one file a
 * part, named by its number in five digits. It appears whole by a rename and goes whole by a rename, so a crash leaves an upload or
 * none. Its parts are durable when they are answered: an error of the disk that came later would leave zeros behind, silently. */

#define INFO "info"
#define INFO_MAX (STORE_COMMIT_HEX + 1100)
#define ID_LENGTH (16 + 1 + 32)
#define HASH_LENGTH 17 /* of the id, with the "-" */
#define TEMP_AGE_S (24 * 3600)
#define UPLOAD_AGE_S (7 * 24 * 3600)

/* An upload that is there and is of the key that was named. */
struct dir_upload {
	int folder; /* -1: none */
	char commit[STORE_COMMIT_HEX];
};

static void dir_upload_close(struct dir_upload *u)
{
	dir_close(&u->folder);
}

/* Ids become paths: only what we have made ourselves may be one. */
static bool id_is_sound(const char *id)
{
	return strlen(id) == ID_LENGTH && strspn(id, "0123456789abcdef") == HASH_LENGTH - 1 && id[HASH_LENGTH - 1] == '-' &&
	       strspn(id + HASH_LENGTH, "0123456789abcdef") == ID_LENGTH - HASH_LENGTH;
}

/* Reads info: 0, or ENODATA where it is not that key's. */
static int read_info(int folder, const char *key, char commit[STORE_COMMIT_HEX])
{
	char text[INFO_MAX + 1];
	AUTO(dir_close) int fd = openat(folder, INFO, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, INFO_MAX) : -1;

	if (n < 0)
		return errno == ENOENT ? ENODATA : errno;
	text[n] = '\0';

	char *end = strchr(text, '\n');

	if (!end || strcmp(end + 1, key) != 0)
		return ENODATA;
	*end = '\0';
	return copy_text(commit, STORE_COMMIT_HEX, text) ? ENODATA : 0;
}

static int upload_open(const struct dir_store *d, const char *key, const char *id, struct dir_upload *u, struct store_call *call)
{
	AUTO(dir_close) int uploads = -1;
	int rc = id_is_sound(id) ? dir_reserved_open(d, "uploads", false, &uploads) : ENOENT;

	if (!rc) {
		u->folder = openat(uploads, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		rc = u->folder < 0 ? errno : read_info(u->folder, key, u->commit);
	}
	if (rc == ENOENT || rc == ENODATA)
		return store_fail(call, ENODATA, key, "no such upload");
	return rc ? dir_fail(call, rc, key, "opening the upload") : 0;
}

/* Takes an upload away at once; what it held follows. ENOENT: it was gone. */
static int upload_remove(const struct dir_store *d, const char *id)
{
	AUTO(dir_close) int uploads = -1;
	AUTO(dir_temp_close) struct dir_temp grave = { .folder = -1, .fd = -1 };
	int rc = dir_reserved_open(d, "uploads", false, &uploads);

	if (!rc)
		rc = dir_reserved_open(d, "tmp", true, &grave.folder);
	if (rc)
		return rc;
	dir_temp_name(grave.name);
	if (renameat(uploads, id, grave.folder, grave.name) == 0)
		return 0;
	grave.name[0] = '\0';
	return errno;
}

static int write_info(int folder, const char *key, const char *commit)
{
	char text[INFO_MAX + 1];
	AUTO(dir_close) int fd = openat(folder, INFO, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	int n = snprintf(text, sizeof(text), "%s\n%s", commit, key);
	ssize_t put = fd >= 0 ? write(fd, text, (size_t)n) : -1;

	if (put < 0)
		return errno;
	if (put != n)
		return ENOSPC;
	return fsync(fd) ? errno : 0;
}

int dir_begin(struct store *s, const char *key, const char *commit, char upload_id[STORE_UPLOAD_MAX], struct store_call *call)
{
	struct dir_store *d = dir_of(s);
	AUTO(dir_close) int uploads = -1;
	AUTO(dir_temp_close) struct dir_temp t = { .folder = -1, .fd = -1 };
	char random[40];
	int rc = dir_begin_call(d, key, call);

	if (rc)
		return rc;
	if (commit && strlen(commit) >= STORE_COMMIT_HEX)
		return store_fail(call, EINVAL, key, "not a commit id");
	rc = dir_reserved_open(d, "uploads", true, &uploads);
	if (!rc)
		rc = dir_reserved_open(d, "tmp", true, &t.folder);
	if (rc)
		return dir_fail(call, rc, key, "the folder for uploads");
	dir_temp_name(t.name);
	if (mkdirat(t.folder, t.name, 0777))
		return dir_fail(call, errno, key, "making an upload");
	t.fd = openat(t.folder, t.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	rc = t.fd < 0 ? errno : write_info(t.fd, key, commit ? commit : "");
	dir_temp_name(random);
	snprintf(upload_id, STORE_UPLOAD_MAX, "%016llx-%s", (unsigned long long)dir_hash(key), random);
	if (!rc && renameat(t.folder, t.name, uploads, upload_id))
		rc = errno;
	if (rc)
		return dir_fail(call, rc, key, "making an upload");
	t.name[0] = '\0';
	return 0;
}

static void part_name(char name[12], uint32_t number)
{
	snprintf(name, 12, "%05u", number);
}

static int part_check(const struct dir_store *d, const char *key, uint32_t number, uint64_t size, struct store_call *call)
{
	if (number < 1 || number > d->base.limits.parts_max)
		return store_fail(call, EINVAL, key, "part number %u is not in 1..%u", number, d->base.limits.parts_max);
	if (size > d->base.limits.part_max)
		return store_fail(call, EFBIG, key, "larger than a part may be");
	return 0;
}

static void fill_part(const struct stat *st, uint32_t number, struct store_part *part)
{
	*part = (struct store_part){ .number = number, .size = (uint64_t)st->st_size, .modified = st->st_mtim.tv_sec };
	dir_etag(st, part->etag);
}

/* Makes a file that has all its bytes the part; ENODATA where the upload has gone meanwhile. */
static int part_finish(struct dir_temp *t, const struct dir_upload *u, const char *key, struct store_part *part, struct store_call *call)
{
	char name[12];
	struct stat st;
	int rc = dir_temp_seal(t, key, NULL, call);

	if (rc)
		return rc;
	part_name(name, part->number);
	if (fstat(t->fd, &st))
		return dir_fail(call, errno, key, "looking at the part");
	if (renameat(t->folder, t->name, u->folder, name))
		return errno == ENOENT ? store_fail(call, ENODATA, key, "no such upload") : dir_fail(call, errno, key, "adding the part");
	t->name[0] = '\0';
	fill_part(&st, part->number, part);
	return 0;
}

int dir_part(struct store *s, const char *key, const char *upload_id, const struct iovec *iov, int iovcnt, struct store_part *part,
	     struct store_call *call)
{
	struct dir_store *d = dir_of(s);
	AUTO(dir_upload_close) struct dir_upload u = { .folder = -1 };
	AUTO(dir_temp_close) struct dir_temp t = { .folder = -1, .fd = -1 };
	int rc = dir_begin_call(d, key, call);

	if (!rc)
		rc = part_check(d, key, part->number, store_iov_bytes(iov, iovcnt), call);
	if (!rc)
		rc = upload_open(d, key, upload_id, &u, call);
	if (!rc)
		rc = dir_temp_open(d, &t, call);
	if (!rc)
		rc = dir_temp_write(&t, key, iov, iovcnt, call);
	return rc ? rc : part_finish(&t, &u, key, part, call);
}

int dir_part_copy(struct store *s, const char *key, const char *upload_id, const char *src, const char *src_etag, uint64_t offset,
		  uint64_t length, struct store_part *part, struct store_call *call)
{
	struct dir_store *d = dir_of(s);
	AUTO(dir_upload_close) struct dir_upload u = { .folder = -1 };
	AUTO(dir_temp_close) struct dir_temp t = { .folder = -1, .fd = -1 };
	AUTO(dir_close) int from = -1;
	struct stat st;
	int rc = dir_begin_call(d, src, call);

	if (!rc)
		rc = dir_begin_call(d, key, call);
	if (!rc)
		rc = part_check(d, key, part->number, length, call);
	if (!rc && length > d->base.limits.copy_max)
		rc = store_fail(call, EFBIG, src, "larger than one copy takes");
	if (!rc)
		rc = upload_open(d, key, upload_id, &u, call);
	if (!rc)
		rc = dir_object_open(d, src, src_etag, &from, &st, call);
	if (rc)
		return rc;
	if (length == 0 || offset > (uint64_t)st.st_size || length > (uint64_t)st.st_size - offset)
		return store_fail(call, EINVAL, src, "the range is not inside the object");
	rc = dir_temp_open(d, &t, call);
	if (!rc)
		rc = dir_temp_copy(&t, key, from, &st, offset, length, call);
	return rc ? rc : part_finish(&t, &u, key, part, call);
}

/* Opens the part that `wanted` names; *st tells its size. */
static int part_open(const struct dir_upload *u, const char *key, const struct store_part *wanted, int *fd, struct stat *st,
		     struct store_call *call)
{
	char name[12], etag[STORE_ETAG_MAX];

	part_name(name, wanted->number);
	*fd = openat(u->folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (*fd >= 0 && fstat(*fd, st))
		return dir_fail(call, errno, key, "looking at a part");
	if (*fd < 0 && errno != ENOENT)
		return dir_fail(call, errno, key, "opening a part");
	if (*fd >= 0)
		dir_etag(st, etag);
	if (*fd < 0 || strcmp(etag, wanted->etag) != 0)
		return store_fail(call, EINVAL, key, "part %u was not sent, or has another ETag", wanted->number);
	return 0;
}

/* Checks the whole list before a byte is copied. */
static int check_parts(const struct dir_store *d, const struct dir_upload *u, const char *key, const struct store_part *parts, size_t count,
		       struct store_call *call)
{
	const struct store_limits *l = &d->base.limits;
	uint64_t size = 0;

	if (count == 0)
		return store_fail(call, EINVAL, key, "no parts");
	for (size_t i = 0; i < count; i++) {
		AUTO(dir_close) int fd = -1;
		struct stat st;
		int rc;

		if (parts[i].number < 1 || parts[i].number > l->parts_max)
			return store_fail(call, EINVAL, key, "part number %u is not in 1..%u", parts[i].number, l->parts_max);
		if (i && parts[i].number <= parts[i - 1].number)
			return store_fail(call, EINVAL, key, "parts are not in ascending order");
		rc = part_open(u, key, &parts[i], &fd, &st, call);
		if (rc)
			return rc;
		if (i + 1 < count && (uint64_t)st.st_size < l->part_min)
			return store_fail(call, EINVAL, key, "part %u is smaller than parts may be", parts[i].number);
		size += (uint64_t)st.st_size;
	}
	return size > l->object_max ? store_fail(call, EFBIG, key, "larger than an object may be") : 0;
}

static int join_parts(struct dir_temp *t, const struct dir_upload *u, const char *key, const struct store_part *parts, size_t count,
		      struct store_call *call)
{
	for (size_t i = 0; i < count; i++) {
		AUTO(dir_close) int fd = -1;
		struct stat st;
		int rc = part_open(u, key, &parts[i], &fd, &st, call); /* again: it may have been sent anew */

		if (!rc)
			rc = dir_temp_copy(t, key, fd, &st, 0, (uint64_t)st.st_size, call);
		if (rc)
			return rc;
	}
	return 0;
}

int dir_complete(struct store *s, const char *key, const char *upload_id, const struct store_part *parts, size_t count,
		 const struct store_cond *cond, struct store_meta *meta, struct store_call *call)
{
	struct dir_store *d = dir_of(s);
	AUTO(dir_upload_close) struct dir_upload u = { .folder = -1 }, still = { .folder = -1 };
	AUTO(dir_temp_close) struct dir_temp t = { .folder = -1, .fd = -1 };
	AUTO(dir_close) int lock = -1;
	int rc = dir_begin_call(d, key, call);

	if (!rc)
		rc = upload_open(d, key, upload_id, &u, call);
	if (!rc)
		rc = check_parts(d, &u, key, parts, count, call);
	if (!rc)
		rc = dir_temp_open(d, &t, call);
	if (!rc)
		rc = join_parts(&t, &u, key, parts, count, call);
	if (!rc)
		rc = dir_temp_seal(&t, key, u.commit, call);
	if (!rc)
		rc = dir_lock(d, key, &lock, call);
	if (!rc) /* another may have completed or aborted it while we copied */
		rc = upload_open(d, key, upload_id, &still, call);
	if (!rc)
		rc = dir_publish(d, key, &t, cond, meta, call);
	if (!rc && upload_remove(d, upload_id)) /* the object is there: that is the answer; dir_clean takes the rest some day */
		log_path(LOG_WARN, "s3", key, "the upload's parts could not be removed after it was completed");
	return rc;
}

int dir_abort(struct store *s, const char *key, const char *upload_id, struct store_call *call)
{
	struct dir_store *d = dir_of(s);
	AUTO(dir_upload_close) struct dir_upload u = { .folder = -1 };
	AUTO(dir_close) int lock = -1;
	int rc = dir_begin_call(d, key, call);

	if (!rc)
		rc = upload_open(d, key, upload_id, &u, call);
	if (!rc) /* so that no complete in hand makes an object after this one said that there will be none */
		rc = dir_lock(d, key, &lock, call);
	if (rc)
		return rc;
	rc = upload_remove(d, upload_id);
	if (rc == ENOENT)
		return store_fail(call, ENODATA, key, "no such upload");
	return rc ? dir_fail(call, rc, key, "removing the upload") : 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = ((const struct store_part *)a)->number, y = ((const struct store_part *)b)->number;

	return (x > y) - (x < y);
}

static int parts_add(struct store_parts *parts, const struct stat *st, uint32_t number)
{
	struct store_part *grown = parts->parts;

	if (parts->count % 64 == 0)
		grown = realloc(grown, (parts->count + 64) * sizeof(*grown));
	if (!grown)
		return ENOMEM;
	parts->parts = grown;
	fill_part(st, number, &grown[parts->count++]);
	return 0;
}

/* A folder opened once more, to read its entries from the start. NULL: errno. */
static DIR *entries_of(int folder)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (!dir)
		dir_close(&fd);
	return dir;
}

static int read_parts(int folder, struct store_parts *parts)
{
	DIR *dir = entries_of(folder);
	int rc = 0;

	if (!dir)
		return errno;
	while (!rc) {
		struct dirent *e;
		struct stat st;

		errno = 0;
		e = readdir(dir);
		if (!e) {
			rc = errno;
			break;
		}
		if (strlen(e->d_name) != 5 || strspn(e->d_name, "0123456789") != 5)
			continue;
		if (fstatat(folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			rc = parts_add(parts, &st, (uint32_t)strtoul(e->d_name, NULL, 10));
	}
	closedir(dir);
	return rc;
}

int dir_list_parts(struct store *s, const char *key, const char *upload_id, struct store_parts *parts, struct store_call *call)
{
	struct dir_store *d = dir_of(s);
	AUTO(dir_upload_close) struct dir_upload u = { .folder = -1 };
	int rc = dir_begin_call(d, key, call);

	*parts = (struct store_parts){ 0 };
	if (!rc)
		rc = upload_open(d, key, upload_id, &u, call);
	if (rc)
		return rc;
	rc = read_parts(u.folder, parts);
	if (rc) {
		store_parts_free(parts);
		return dir_fail(call, rc, key, "listing parts");
	}
	if (parts->count)
		qsort(parts->parts, parts->count, sizeof(*parts->parts), by_number);
	return 0;
}

static int uploads_add(struct store_uploads *uploads, const char *id)
{
	char **grown = realloc(uploads->ids, (uploads->count + 1) * sizeof(*grown));

	if (!grown)
		return ENOMEM;
	uploads->ids = grown;
	grown[uploads->count] = strdup(id);
	if (!grown[uploads->count])
		return ENOMEM;
	uploads->count++;
	return 0;
}

static int read_uploads(int folder, const char *key, struct store_uploads *uploads)
{
	DIR *dir = entries_of(folder);
	char hash[HASH_LENGTH + 1];
	int rc = 0;

	if (!dir)
		return errno;
	snprintf(hash, sizeof(hash), "%016llx-", (unsigned long long)dir_hash(key));
	while (!rc) {
		AUTO(dir_close) int upload = -1;
		char commit[STORE_COMMIT_HEX];
		struct dirent *e;

		errno = 0;
		e = readdir(dir);
		if (!e) {
			rc = errno;
			break;
		}
		if (!id_is_sound(e->d_name) || strncmp(e->d_name, hash, HASH_LENGTH) != 0)
			continue;
		upload = openat(folder, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (upload >= 0 && read_info(upload, key, commit) == 0)
			rc = uploads_add(uploads, e->d_name);
	}
	closedir(dir);
	return rc;
}

int dir_list_uploads(struct store *s, const char *key, struct store_uploads *uploads, struct store_call *call)
{
	struct dir_store *d = dir_of(s);
	AUTO(dir_close) int folder = -1;
	int rc = dir_begin_call(d, key, call);

	*uploads = (struct store_uploads){ 0 };
	if (rc)
		return rc;
	rc = dir_reserved_open(d, "uploads", false, &folder);
	if (rc == ENOENT)
		return 0;
	if (!rc)
		rc = read_uploads(folder, key, uploads);
	if (!rc)
		return 0;
	store_uploads_free(uploads);
	return dir_fail(call, rc, key, "listing uploads");
}

static void clean_folder(const struct dir_store *d, const char *name, int64_t age)
{
	AUTO(dir_close) int folder = -1;
	int64_t limit = clock_wall_s() - age;
	DIR *dir = dir_reserved_open(d, name, false, &folder) ? NULL : entries_of(folder);

	if (!dir)
		return;
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		struct stat st;

		if (e->d_name[0] == '.' || fstatat(folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW) || st.st_ctim.tv_sec > limit)
			continue; /* the time of change: no call sets it, and each new part moves its folder's */
		log_msg(LOG_INFO, "s3", "removing %s %s, left behind long ago", name, e->d_name);
		if (strcmp(name, "uploads") == 0)
			upload_remove(d, e->d_name);
		else
			dir_remove_tree(folder, e->d_name);
	}
	closedir(dir);
}

void dir_clean(const struct dir_store *d)
{
	clean_folder(d, "tmp", TEMP_AGE_S);
	clean_folder(d, "uploads", UPLOAD_AGE_S);
}

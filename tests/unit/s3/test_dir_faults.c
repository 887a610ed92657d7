/* SPDX-License-Identifier: Apache-2.0 */
#include "dir_bench.h"

#include "base/clock.h"

#include <stdio.h>
#include <sys/xattr.h>

/* The folder store on a failing system: this program is linked with --wrap for the calls below, which then come here first. */

enum call { WRITEV, FSYNC_FILE, FSYNC_FOLDER, RENAME, MKDIR, COPY_RANGE, SET_XATTR, CALLS };

static struct {
	int error;      /* errno to fail with, 0: none */
	unsigned after; /* calls that pass first */
} faults[CALLS];
static char trace[4096]; /* F: fsync of a file, D: of a folder, R: rename, in order */
static size_t cut_writes;  /* most bytes that a write takes, 0: all */
static bool interrupt;     /* every second write is EINTR */
static int64_t clock_offset_s;
static bool clock_stands;
static void (*on_call)(void); /* runs once, inside the next fsync of a file or read of one: what others do meanwhile */
static void (*on_rename)(void); /* the same in the next rename */

ssize_t __real_pread64(int fd, void *out, size_t n, off64_t at);
ssize_t __real_writev(int fd, const struct iovec *iov, int iovcnt);
int __real_fsync(int fd);
int __real_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __real_mkdirat(int folder, const char *path, mode_t mode);
ssize_t __real_copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t n, unsigned flags);
int __real_fsetxattr(int fd, const char *name, const void *value, size_t n, int flags);
struct timespec __real_clock_wall(void);
int64_t __real_clock_wall_s(void);

ssize_t __wrap_pread64(int fd, void *out, size_t n, off64_t at);
ssize_t __wrap_writev(int fd, const struct iovec *iov, int iovcnt);
int __wrap_fsync(int fd);
int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __wrap_mkdirat(int folder, const char *path, mode_t mode);
ssize_t __wrap_copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t n, unsigned flags);
int __wrap_fsetxattr(int fd, const char *name, const void *value, size_t n, int flags);
struct timespec __wrap_clock_wall(void);
int64_t __wrap_clock_wall_s(void);

static bool fails(enum call c)
{
	if (!faults[c].error)
		return false;
	if (faults[c].after) {
		faults[c].after--;
		return false;
	}
	errno = faults[c].error;
	return true;
}

static void note(char what)
{
	size_t n = strlen(trace);

	if (n + 1 < sizeof(trace)) {
		trace[n] = what;
		trace[n + 1] = '\0';
	}
}

ssize_t __wrap_writev(int fd, const struct iovec *iov, int iovcnt)
{
	static unsigned turn;

	if (fails(WRITEV))
		return -1;
	if (interrupt && turn++ % 2) {
		errno = EINTR;
		return -1;
	}
	if (!cut_writes)
		return __real_writev(fd, iov, iovcnt);
	while (iovcnt > 1 && iov->iov_len == 0) {
		iov++;
		iovcnt--;
	}
	return write(fd, iov->iov_base, min_size(iov->iov_len, cut_writes));
}

static void meanwhile(void (**hook)(void))
{
	void (*fn)(void) = *hook;

	*hook = NULL;
	if (fn)
		fn();
}

ssize_t __wrap_pread64(int fd, void *out, size_t n, off64_t at)
{
	ssize_t got = __real_pread64(fd, out, n, at);

	meanwhile(&on_call);
	return got;
}

int __wrap_fsync(int fd)
{
	struct stat st;
	bool folder = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);

	if (fails(folder ? FSYNC_FOLDER : FSYNC_FILE))
		return -1;
	note(folder ? 'D' : 'F');
	if (!folder)
		meanwhile(&on_call);
	return __real_fsync(fd);
}

int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to)
{
	if (fails(RENAME))
		return -1;
	note('R');
	meanwhile(&on_rename);
	return __real_renameat(from_folder, from, to_folder, to);
}

int __wrap_mkdirat(int folder, const char *path, mode_t mode)
{
	return fails(MKDIR) ? -1 : __real_mkdirat(folder, path, mode);
}

ssize_t __wrap_copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t n, unsigned flags)
{
	return fails(COPY_RANGE) ? -1 : __real_copy_file_range(from, from_at, to, to_at, n, flags);
}

int __wrap_fsetxattr(int fd, const char *name, const void *value, size_t n, int flags)
{
	return fails(SET_XATTR) ? -1 : __real_fsetxattr(fd, name, value, n, flags);
}

struct timespec __wrap_clock_wall(void)
{
	struct timespec t = clock_stands ? (struct timespec){ .tv_sec = 1800000000 } : __real_clock_wall();

	t.tv_sec += clock_offset_s;
	return t;
}

int64_t __wrap_clock_wall_s(void)
{
	return __wrap_clock_wall().tv_sec;
}

static void heal(void)
{
	memset(faults, 0, sizeof(faults));
	trace[0] = '\0';
	cut_writes = 0;
	interrupt = false;
	clock_offset_s = 0;
	clock_stands = false;
	on_call = on_rename = NULL;
}

static void fail_with(enum call c, int error, unsigned after)
{
	heal();
	faults[c].error = error;
	faults[c].after = after;
}

static int set_up(void **state)
{
	heal();
	return dir_bench_set_up(state);
}

static int tear_down(void **state)
{
	heal();
	return dir_bench_tear_down(state);
}

#define FAULT_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static int upload(struct dir_bench *b, const char *k, const char *text, struct store_call *call)
{
	struct store_part part = { .number = 1 };
	char id[STORE_UPLOAD_MAX], bytes[64];
	int rc = b->s->ops->begin(b->s, k, NULL, id, call);

	copy_text(bytes, sizeof(bytes), text);
	if (!rc)
		rc = b->s->ops->part(b->s, k, id, &(struct iovec){ bytes, strlen(bytes) }, 1, &part, call);
	if (!rc)
		rc = b->s->ops->complete(b->s, k, id, &part, 1, NULL, NULL, call);
	return rc;
}

/* The bytes are durable before the name says so, and the name before the caller is told. */
static void order_of_a_put(void **state)
{
	struct dir_bench *b = *state;

	assert_int_equal(dir_bench_put(b, "a/x", "1", NULL, NULL, NULL), 0);
	heal();
	assert_int_equal(dir_bench_put(b, "a/x", "2", NULL, NULL, NULL), 0);
	assert_string_equal(trace, "FRD");
	heal();
	assert_int_equal(dir_bench_put(b, "a/y", "2", NULL, NULL, NULL), 0);
	assert_string_equal(trace, "FRD");
	heal();
	assert_int_equal(dir_bench_put(b, "n/m/x", "2", NULL, NULL, NULL), 0);
	assert_string_equal(trace, "FDDRD"); /* each new folder is made durable where it stands, too */
	heal();
	assert_int_equal(b->s->ops->copy(b->s, "a/x", NULL, "a/z", NULL, NULL, NULL, NULL), 0);
	assert_string_equal(trace, "FRD");
}

static void order_of_an_upload(void **state)
{
	struct dir_bench *b = *state;

	assert_int_equal(upload(b, "a/x", "1", NULL), 0);
	heal();
	assert_int_equal(upload(b, "a/x", "1", NULL), 0);
	assert_string_equal(trace, "FR" "FR" "FRDR"); /* begin; part; complete, and then its parts go */
}

static void order_of_a_removal(void **state)
{
	struct dir_bench *b = *state;
	const char *keys[] = { "a/x", "a/y", "b/x", "absent" };
	int results[4];

	for (int i = 0; i < 3; i++)
		assert_int_equal(dir_bench_put(b, keys[i], "1", NULL, NULL, NULL), 0);
	heal();
	assert_int_equal(b->s->ops->remove(b->s, keys, 4, results, NULL), 0);
	assert_string_equal(trace, "DD"); /* once a folder */
}

static const struct {
	int error, answer;
} errors[] = {
	{ ENOSPC, ENOSPC }, { EDQUOT, ENOSPC }, { EROFS, EACCES }, { EACCES, EACCES }, { EPERM, EACCES }, { EIO, EIO }, { ESTALE, EIO },
	{ EFBIG, EFBIG }, { EMFILE, EIO }, { ENOMEM, ENOMEM },
};

/* Whatever fails before the rename, the old object stands, and nothing is left lying about. */
static void failures_before_the_rename(void **state)
{
	static const enum call calls[] = { WRITEV, FSYNC_FILE, RENAME };
	struct dir_bench *b = *state;
	struct store_call call = { 0 };

	assert_int_equal(dir_bench_put(b, "x", "old", NULL, NULL, NULL), 0);
	for (size_t c = 0; c < ARRAY_LEN(calls); c++)
		for (size_t e = 0; e < ARRAY_LEN(errors); e++) {
			fail_with(calls[c], errors[e].error, 0);
			assert_int_equal(dir_bench_put(b, "x", "new", NULL, NULL, &call), errors[e].answer);
			assert_false(call.err.ambiguous);
			assert_true(call.err.message[0] != '\0');
			assert_int_equal(b->s->ops->copy(b->s, "x", NULL, "y", NULL, NULL, NULL, NULL), calls[c] == WRITEV ? 0 : errors[e].answer);
			heal();
			dir_bench_expect(b, "x", "old");
			assert_int_equal(dir_bench_entries(b, ".pishop=store/tmp"), 0);
		}
	assert_int_equal(dir_bench_put(b, "x", "new", NULL, NULL, NULL), 0);
}

static void failures_of_uploads(void **state)
{
	static const struct {
		enum call call;
		unsigned after;
	} points[] = { { WRITEV, 0 }, { FSYNC_FILE, 0 }, { FSYNC_FILE, 1 }, { FSYNC_FILE, 2 }, { RENAME, 0 }, { RENAME, 1 }, { RENAME, 2 },
		       { COPY_RANGE, 0 } };
	struct dir_bench *b = *state;

	assert_int_equal(dir_bench_put(b, "x", "old", NULL, NULL, NULL), 0);
	for (size_t p = 0; p < ARRAY_LEN(points); p++) {
		fail_with(points[p].call, ENOSPC, points[p].after);
		assert_int_equal(upload(b, "x", "new", NULL), ENOSPC);
		heal();
		dir_bench_expect(b, "x", "old");
		assert_int_equal(dir_bench_entries(b, ".pishop=store/tmp"), 0);
	}
	fail_with(RENAME, EIO, 3); /* only the parts could not be taken away: the object is there, and that is what was asked */
	assert_int_equal(upload(b, "x", "new", NULL), 0);
	dir_bench_expect(b, "x", "new");
}

static void a_folder_that_cannot_be_made_durable(void **state)
{
	struct dir_bench *b = *state;
	struct store_call call = { 0 };

	assert_int_equal(dir_bench_put(b, "x", "old", NULL, NULL, NULL), 0);
	fail_with(FSYNC_FOLDER, EIO, 0);
	assert_int_equal(dir_bench_put(b, "x", "new", NULL, NULL, &call), EIO);
	assert_false(call.err.ambiguous); /* it is there now, and after a power cut it may not be: a look would take it for done */
	fail_with(FSYNC_FOLDER, EIO, 0);

	const char *k = "x";
	int result;

	assert_int_equal(b->s->ops->remove(b->s, &k, 1, &result, &call), EIO);
	assert_int_equal(result, EIO);
	fail_with(MKDIR, ENOSPC, 0);
	assert_int_equal(dir_bench_put(b, "new/folder/x", "x", NULL, NULL, NULL), ENOSPC);
	heal();
	assert_int_equal(dir_bench_entries(b, ".pishop=store/tmp"), 0);
}

static void short_and_interrupted_writes(void **state)
{
	struct dir_bench *b = *state;
	char data[] = "0123456789abcdef";
	struct iovec iov[] = { { data, 0 }, { data, 5 }, { data + 5, 1 }, { data, 0 }, { data + 6, 10 }, { data, 0 } };

	for (cut_writes = 1; cut_writes < 8; cut_writes++) {
		interrupt = cut_writes % 2;
		assert_int_equal(b->s->ops->put(b->s, "x", iov, ARRAY_LEN(iov), NULL, NULL, NULL, NULL), 0);
		dir_bench_expect(b, "x", data);
	}
}

static void many_empty_buffers(void **state)
{
	struct dir_bench *b = *state;
	char data[] = "data", out[8];
	struct iovec iov[200] = { { NULL, 0 } };
	size_t n;

	iov[150] = (struct iovec){ data, 2 };
	iov[199] = (struct iovec){ data + 2, 2 };
	assert_int_equal(b->s->ops->put(b->s, "x", iov, ARRAY_LEN(iov), NULL, NULL, NULL, NULL), 0);
	dir_bench_expect(b, "x", data);
	iov[150].iov_base = out;
	iov[199].iov_base = out + 2;
	assert_int_equal(b->s->ops->get(b->s, "x", (struct store_range){ 0, 0 }, NULL, iov, ARRAY_LEN(iov), &n, NULL, NULL), 0);
	assert_memory_equal(out, data, 4);
}

static void file_systems_that_cannot_copy(void **state)
{
	static const int answers[] = { EXDEV, EOPNOTSUPP, ENOSYS, EINVAL };
	struct dir_bench *b = *state;

	assert_int_equal(dir_bench_put(b, "x", "bytes", NULL, NULL, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		fail_with(COPY_RANGE, answers[i], 0);
		assert_int_equal(b->s->ops->copy(b->s, "x", NULL, "y", NULL, NULL, NULL, NULL), 0);
		dir_bench_expect(b, "y", "bytes");
		assert_int_equal(upload(b, "z", "parts", NULL), 0);
		dir_bench_expect(b, "z", "parts");
	}
}

static void file_systems_without_attributes(void **state)
{
	struct dir_bench *b = *state;
	struct iovec iov = { (char[]){ "x" }, 1 };
	struct store_meta meta;

	fail_with(SET_XATTR, EOPNOTSUPP, 0);
	assert_int_equal(b->s->ops->put(b->s, "x", &iov, 1, "0123456789abcdef0123456789abcdef", NULL, &meta, NULL), 0);
	assert_string_equal(meta.commit, "");
	fail_with(SET_XATTR, ENOSPC, 0);
	assert_int_equal(b->s->ops->put(b->s, "x", &iov, 1, "0123456789abcdef0123456789abcdef", NULL, &meta, NULL), ENOSPC);
	heal();
	assert_int_equal(b->s->ops->put(b->s, "x", &iov, 1, "0123456789abcdef0123456789abcdef0", NULL, &meta, NULL), EINVAL);
}

/* A clock that stands still or goes back must not give one ETag to two objects (STORE-5). */
static void etags_and_clocks(void **state)
{
	struct dir_bench *b = *state;
	struct store_meta metas[20];

	clock_stands = true;
	for (size_t i = 0; i < ARRAY_LEN(metas); i++) {
		clock_offset_s = i >= 10 ? -3600 * (int64_t)i : 0;
		assert_int_equal(dir_bench_put(b, "x", i % 2 ? "odd" : "evn", NULL, &metas[i], NULL), 0);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(metas[i].etag, metas[j].etag);
		assert_true(i == 0 || metas[i].modified >= metas[i - 1].modified);
	}
}

static void old_leavings_are_removed(void **state)
{
	struct dir_bench *b = *state;
	char id[STORE_UPLOAD_MAX];
	struct store_uploads uploads;
	struct iovec iov = { (char[]){ "x" }, 1 };
	struct store_part part = { .number = 1 };

	assert_int_equal(dir_bench_put(b, "x", "x", NULL, NULL, NULL), 0);
	assert_int_equal(b->s->ops->begin(b->s, "u", NULL, id, NULL), 0);
	assert_int_equal(b->s->ops->part(b->s, "u", id, &iov, 1, &part, NULL), 0);
	assert_int_equal(mkdir(dir_bench_path(b, ".pishop=store/tmp/dead"), 0755), 0);
	assert_int_equal(mkdir(dir_bench_path(b, ".pishop=store/tmp/dead/upload"), 0755), 0);
	fclose(fopen(dir_bench_path(b, ".pishop=store/tmp/0123"), "w"));
	clock_offset_s = 23 * 3600;
	dir_bench_reopen(b);
	assert_int_equal(dir_bench_entries(b, ".pishop=store/tmp"), 3); /* may be in use */
	clock_offset_s = 25 * 3600;
	dir_bench_reopen(b);
	assert_int_equal(dir_bench_entries(b, ".pishop=store/tmp"), 0);
	assert_int_equal(b->s->ops->list_uploads(b->s, "u", &uploads, NULL), 0);
	assert_int_equal(uploads.count, 1); /* a slow archive */
	store_uploads_free(&uploads);
	clock_offset_s = 8 * 24 * 3600;
	dir_bench_reopen(b);
	assert_int_equal(b->s->ops->list_uploads(b->s, "u", &uploads, NULL), 0);
	assert_int_equal(uploads.count, 0);
	store_uploads_free(&uploads);
	assert_int_equal(dir_bench_entries(b, ".pishop=store/uploads"), 0);
	assert_int_equal(dir_bench_entries(b, ".pishop=store/tmp"), 0);
	dir_bench_expect_keys(b, "x");
}

/* What the hooks below work on. */
static struct {
	struct dir_bench *b;
	char id[STORE_UPLOAD_MAX];
	int rc;
} other;

static void abort_meanwhile(void)
{
	other.rc = other.b->s->ops->abort(other.b->s, "u", other.id, NULL);
}

static void an_upload_that_is_aborted_while_it_is_completed(void **state)
{
	struct dir_bench *b = *state;
	struct iovec iov = { (char[]){ "x" }, 1 };
	struct store_part part = { .number = 1 };
	struct store_meta meta;

	other.b = b;
	assert_int_equal(b->s->ops->begin(b->s, "u", NULL, other.id, NULL), 0);
	assert_int_equal(b->s->ops->part(b->s, "u", other.id, &iov, 1, &part, NULL), 0);
	on_call = abort_meanwhile;
	assert_int_equal(b->s->ops->complete(b->s, "u", other.id, &part, 1, NULL, NULL, NULL), ENODATA);
	assert_int_equal(other.rc, 0);
	assert_int_equal(b->s->ops->head(b->s, "u", &meta, NULL), ENOENT); /* as the one who aborted was told */
	assert_int_equal(dir_bench_entries(b, ".pishop=store/tmp"), 0);
}

static void abort_impatiently(void)
{
	struct store_call call = { .timeout_ms = 30 };

	other.rc = other.b->s->ops->abort(other.b->s, "u", other.id, &call);
}

static void an_abort_waits_for_a_complete_that_is_being_published(void **state)
{
	struct dir_bench *b = *state;
	struct iovec iov = { (char[]){ "x" }, 1 };
	struct store_part part = { .number = 1 };

	other.b = b;
	assert_int_equal(b->s->ops->begin(b->s, "u", NULL, other.id, NULL), 0);
	assert_int_equal(b->s->ops->part(b->s, "u", other.id, &iov, 1, &part, NULL), 0);
	on_rename = abort_impatiently;
	assert_int_equal(b->s->ops->complete(b->s, "u", other.id, &part, 1, NULL, NULL, NULL), 0);
	assert_int_equal(other.rc, ETIMEDOUT); /* it may not say "aborted" to an upload that becomes an object */
	assert_int_equal(b->s->ops->abort(b->s, "u", other.id, NULL), ENODATA);
}

static void an_id_is_no_path(void **state)
{
	struct dir_bench *b = *state;
	struct iovec iov = { (char[]){ "x" }, 1 };
	struct store_part part = { .number = 1 };
	struct store_parts parts;

	assert_int_equal(dir_bench_put(b, "evil/info", "\nu", NULL, NULL, NULL), 0);
	assert_int_equal(upload(b, "x", "makes the folder", NULL), 0);
	assert_int_equal(b->s->ops->list_parts(b->s, "u", "../../evil", &parts, NULL), ENODATA);
	assert_int_equal(b->s->ops->part(b->s, "u", "../../evil", &iov, 1, &part, NULL), ENODATA);
	assert_int_equal(b->s->ops->abort(b->s, "u", "../../evil", NULL), ENODATA);
	dir_bench_expect(b, "evil/info", "\nu");
}

static void write_in_place(void)
{
	FILE *f = fopen(dir_bench_path(other.b, "x"), "r+");

	fputs("changed", f);
	fclose(f);
}

static void a_file_that_is_changed_while_it_is_read(void **state)
{
	struct dir_bench *b = *state;
	char out[256];

	other.b = b;
	assert_int_equal(dir_bench_put(b, "x", "content", NULL, NULL, NULL), 0);
	clock_sleep_ms(12);
	on_call = write_in_place;
	assert_int_equal(dir_bench_get(b, "x", out, NULL), EBADMSG);
	dir_bench_expect(b, "x", "changed");
	assert_int_equal(dir_bench_put(b, "x", "content", NULL, NULL, NULL), 0);
	clock_sleep_ms(12);
	fail_with(COPY_RANGE, EXDEV, 0); /* so that it is read here */
	on_call = write_in_place;
	assert_int_equal(b->s->ops->copy(b->s, "x", NULL, "y", NULL, NULL, NULL, NULL), EBADMSG);
	heal();
	dir_bench_expect_keys(b, "x");
}

static void truncate_in_place(void)
{
	assert_int_equal(truncate(dir_bench_path(other.b, "x"), 0), 0);
}

static void a_file_that_becomes_shorter_while_it_is_copied(void **state)
{
	struct dir_bench *b = *state;
	AUTO_FREE char *data = calloc(1, 1000000);

	assert_non_null(data);
	other.b = b;
	assert_int_equal(b->s->ops->put(b->s, "x", &(struct iovec){ data, 1000000 }, 1, NULL, NULL, NULL, NULL), 0);
	fail_with(COPY_RANGE, EXDEV, 0); /* so that it goes through memory, in pieces */
	on_call = truncate_in_place;
	assert_int_equal(b->s->ops->copy(b->s, "x", NULL, "y", NULL, NULL, NULL, NULL), EBADMSG);
	heal();
	dir_bench_expect_keys(b, "x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULT_TEST(order_of_a_put),
		FAULT_TEST(order_of_an_upload),
		FAULT_TEST(order_of_a_removal),
		FAULT_TEST(failures_before_the_rename),
		FAULT_TEST(failures_of_uploads),
		FAULT_TEST(a_folder_that_cannot_be_made_durable),
		FAULT_TEST(short_and_interrupted_writes),
		FAULT_TEST(many_empty_buffers),
		FAULT_TEST(file_systems_that_cannot_copy),
		FAULT_TEST(file_systems_without_attributes),
		FAULT_TEST(etags_and_clocks),
		FAULT_TEST(old_leavings_are_removed),
		FAULT_TEST(an_upload_that_is_aborted_while_it_is_completed),
		FAULT_TEST(an_abort_waits_for_a_complete_that_is_being_published),
		FAULT_TEST(an_id_is_no_path),
		FAULT_TEST(a_file_that_is_changed_while_it_is_read),
		FAULT_TEST(a_file_that_becomes_shorter_while_it_is_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

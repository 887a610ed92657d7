/* SPDX-License-Identifier: Apache-2.0 */
#include "dir_bench.h"

#include "base/clock.h"
#include "base/rand.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void expect_file(struct dir_bench *b, const char *path, const char *text)
{
	char got[256] = { 0 };
	int fd = open(dir_bench_path(b, path), O_RDONLY | O_NOFOLLOW);

	assert_true(fd >= 0);
	assert_true(read(fd, got, sizeof(got) - 1) >= 0);
	close(fd);
	assert_string_equal(got, text);
}

static void write_file(struct dir_bench *b, const char *path, const char *text)
{
	int fd = open(dir_bench_path(b, path), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static bool exists(struct dir_bench *b, const char *path)
{
	struct stat st;

	return lstat(dir_bench_path(b, path), &st) == 0;
}

static void objects_are_plain_files(void **state)
{
	struct dir_bench *b = *state;

	assert_int_equal(dir_bench_put(b, "t/db-20261125/a.bson", "bytes", NULL, NULL, NULL), 0);
	assert_int_equal(dir_bench_put(b, "t/db-20261125/", "attributes", NULL, NULL, NULL), 0);
	assert_int_equal(dir_bench_put(b, "t/.pishop=x", "1", NULL, NULL, NULL), 0);
	assert_int_equal(dir_bench_put(b, ".pishop=store", "2", NULL, NULL, NULL), 0);
	assert_int_equal(dir_bench_put(b, "u/.pishop=folder", "3", NULL, NULL, NULL), 0);
	assert_int_equal(dir_bench_put(b, ".pishop/layout", "4", NULL, NULL, NULL), 0);
	expect_file(b, "t/db-20261125/a.bson", "bytes");
	expect_file(b, "t/db-20261125/.pishop=folder", "attributes");
	expect_file(b, "t/.pishop==x", "1");
	expect_file(b, ".pishop==store", "2");
	expect_file(b, "u/.pishop==folder", "3");
	expect_file(b, ".pishop/layout", "4");
	dir_bench_expect_keys(b, ".pishop/layout .pishop=store t/.pishop=x t/db-20261125/ t/db-20261125/a.bson u/.pishop=folder");
	assert_int_equal(dir_bench_entries(b, ".pishop=store/tmp"), 0);
}

static void a_reserved_looking_name_of_255_bytes(void **state)
{
	struct dir_bench *b = *state;
	char k[256];

	memset(k, 'x', 255);
	memcpy(k, ".pishop=", 8);
	k[255] = '\0';
	assert_int_equal(dir_bench_put(b, k, "x", NULL, NULL, NULL), ENAMETOOLONG); /* it needs one more */
	k[254] = '\0';
	assert_int_equal(dir_bench_put(b, k, "x", NULL, NULL, NULL), 0);
	dir_bench_expect(b, k, "x");
}

static void files_of_others(void **state)
{
	struct dir_bench *b = *state;
	struct store_meta meta;
	char out[256];

	assert_int_equal(mkdir(dir_bench_path(b, "old"), 0755), 0);
	assert_int_equal(mkdir(dir_bench_path(b, "old/empty"), 0755), 0);
	write_file(b, "old/dump.tar", "plain");
	write_file(b, ".pishop=other", "reserved, and unknown");
	dir_bench_expect_keys(b, "old/dump.tar");
	assert_int_equal(dir_bench_get(b, "old/dump.tar", out, &meta), 0);
	assert_string_equal(out, "plain");
	assert_string_equal(meta.commit, "");
	assert_int_equal(dir_bench_put(b, "old/dump.tar", "ours", &(struct store_cond){ .if_none_match = true }, NULL, NULL), ESTALE);
}

static void reading_changes_nothing(void **state)
{
	struct dir_bench *b = *state;
	struct store_page page;
	struct store_uploads uploads;
	struct store_meta meta;
	char out[256];

	write_file(b, "x", "content");
	dir_bench_reopen(b);
	assert_int_equal(b->s->ops->probe(b->s, NULL), 0);
	assert_int_equal(dir_bench_get(b, "x", out, NULL), 0);
	assert_int_equal(b->s->ops->head(b->s, "x", &meta, NULL), 0);
	assert_int_equal(b->s->ops->list(b->s, "", 0, NULL, 0, &page, NULL), 0);
	store_page_free(&page);
	assert_int_equal(b->s->ops->list_uploads(b->s, "x", &uploads, NULL), 0);
	store_uploads_free(&uploads);
	assert_int_equal(b->s->ops->remove(b->s, (const char *[]){ "absent" }, 1, (int[1]){ 0 }, NULL), 0);
	assert_int_equal(dir_bench_entries(b, ""), 1);
}

static void links_are_not_followed(void **state)
{
	struct dir_bench *b = *state;
	char out[256], outside[] = "/tmp/pishop-outside-XXXXXX";
	struct store_page page;
	struct store_call call = { 0 };
	const char *k;
	int result;

	assert_non_null(mkdtemp(outside));
	assert_int_equal(dir_bench_put(b, "real/x", "x", NULL, NULL, NULL), 0);
	assert_int_equal(symlink(outside, dir_bench_path(b, "away")), 0);
	assert_int_equal(symlink("real", dir_bench_path(b, "near")), 0);
	assert_int_equal(symlink("/etc/passwd", dir_bench_path(b, "real/link")), 0);
	assert_int_equal(mkfifo(dir_bench_path(b, "real/fifo"), 0600), 0);
	static const char *const keys[] = { "away/x", "near/x", "real/link", "real/fifo", "real/link/x" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		assert_int_equal(dir_bench_get(b, keys[i], out, NULL), EACCES); /* not "not there" */
		assert_int_equal(dir_bench_put(b, keys[i], "x", NULL, NULL, &call), EACCES);
		assert_non_null(strstr(call.err.message, "symbolic link"));
		k = keys[i];
		assert_int_equal(b->s->ops->remove(b->s, &k, 1, &result, NULL), EACCES);
		assert_int_equal(b->s->ops->copy(b->s, "real/x", NULL, keys[i], NULL, NULL, NULL, NULL), EACCES);
	}
	assert_int_equal(b->s->ops->list(b->s, "away/", '/', NULL, 0, &page, NULL), EACCES);
	dir_bench_expect_keys(b, "real/x");
	assert_int_equal(rmdir(outside), 0); /* nothing was put there */
	assert_true(exists(b, "real/link"));
}

static void a_reserved_folder_that_is_a_link(void **state)
{
	struct dir_bench *b = *state;
	char outside[] = "/tmp/pishop-outside-XXXXXX";

	assert_non_null(mkdtemp(outside));
	assert_int_equal(symlink(outside, dir_bench_path(b, ".pishop=store")), 0);
	assert_int_equal(dir_bench_put(b, "x", "x", NULL, NULL, NULL), EACCES);
	assert_int_equal(rmdir(outside), 0);
}

static void empty_folders_are_nothing(void **state)
{
	struct dir_bench *b = *state;
	struct store_page page;

	assert_int_equal(mkdir(dir_bench_path(b, "a"), 0755), 0);
	assert_int_equal(mkdir(dir_bench_path(b, "a/b"), 0755), 0);
	assert_int_equal(mkdir(dir_bench_path(b, "a/b/c"), 0755), 0);
	assert_int_equal(mkdir(dir_bench_path(b, "a/d"), 0755), 0);
	assert_int_equal(b->s->ops->list(b->s, "", '/', NULL, 0, &page, NULL), 0);
	assert_int_equal(page.count, 0);
	assert_int_equal(dir_bench_put(b, "a", "an object now", NULL, NULL, NULL), 0);
	dir_bench_expect(b, "a", "an object now");
}

static void removing_prunes(void **state)
{
	struct dir_bench *b = *state;
	const char *k = "a/b/c/d";
	int result;

	assert_int_equal(dir_bench_put(b, k, "x", NULL, NULL, NULL), 0);
	assert_int_equal(dir_bench_put(b, "a/x", "x", NULL, NULL, NULL), 0);
	assert_int_equal(b->s->ops->remove(b->s, &k, 1, &result, NULL), 0);
	assert_true(exists(b, "a"));
	assert_false(exists(b, "a/b"));
	k = "a/x";
	assert_int_equal(b->s->ops->remove(b->s, &k, 1, &result, NULL), 0);
	assert_false(exists(b, "a"));
}

static void a_tree_deeper_than_any_key(void **state)
{
	struct dir_bench *b = *state;
	char path[2048] = "";
	struct store_page page;
	int fd = open(b->root, O_RDONLY | O_DIRECTORY);

	for (int i = 0; i < 10; i++) {
		memset(path, 'd', 200);
		path[200] = '\0';
		assert_int_equal(mkdirat(fd, path, 0755), 0);

		close(openat(fd, path + 100, O_WRONLY | O_CREAT, 0644)); /* a file of 100 letters beside each */

		int next = openat(fd, path, O_RDONLY | O_DIRECTORY);

		close(fd);
		fd = next;
	}
	close(fd);
	assert_int_equal(b->s->ops->list(b->s, "", 0, NULL, 0, &page, NULL), 0);
	assert_int_equal(page.count, 5); /* at 100, 301 ... 904 bytes; the next would have 1105: no key, and no failure */
	assert_int_equal(strlen(page.objects[4].key), 4 * 201 + 100);
	store_page_free(&page);
}

static void roots(void **state)
{
	struct dir_bench *b = *state;
	struct store *other;
	char out[256];

	assert_int_equal(dir_store_new(dir_bench_path(b, "none"), &other), ENODEV);
	write_file(b, "file", "x");
	assert_int_equal(dir_store_new(dir_bench_path(b, "file"), &other), ENODEV);
	assert_int_equal(mkdir(dir_bench_path(b, "sub"), 0755), 0);
	assert_int_equal(symlink("sub", dir_bench_path(b, "link")), 0);
	assert_int_equal(dir_store_new(dir_bench_path(b, "link"), &other), 0); /* the operator's own choice */
	assert_int_equal(rmdir(dir_bench_path(b, "sub")), 0);
	assert_int_equal(other->ops->probe(other, NULL), ENODEV);
	assert_int_equal(other->ops->put(other, "x", &(struct iovec){ out, 0 }, 1, NULL, NULL, NULL, NULL), ENODEV);
	store_free(other);
}

static void a_change_by_hand_is_seen(void **state)
{
	struct dir_bench *b = *state;
	struct store_meta ours, theirs;
	char out[256];
	size_t n;

	assert_int_equal(dir_bench_put(b, "x", "ours", NULL, &ours, NULL), 0);
	clock_sleep_ms(12); /* the kernel's stamps are some ms apart */
	write_file(b, "x", "them");
	assert_int_equal(dir_bench_get(b, "x", out, &theirs), 0);
	assert_string_not_equal(ours.etag, theirs.etag);
	assert_int_equal(b->s->ops->get(b->s, "x", (struct store_range){ 0, 0 }, ours.etag, &(struct iovec){ out, 9 }, 1, &n, NULL, NULL), ESTALE);
}

static void a_lock_that_another_holds(void **state)
{
	struct dir_bench *b = *state;
	struct store_call call = { .timeout_ms = 60 };
	atomic_bool cancel = true;
	char name[64];
	int fds[256];
	int64_t begin;

	assert_int_equal(dir_bench_put(b, "x", "x", NULL, NULL, NULL), 0);
	for (unsigned i = 0; i < 256; i++) { /* whichever it is */
		snprintf(name, sizeof(name), ".pishop=store/lock/%02x", i);
		fds[i] = open(dir_bench_path(b, name), O_RDWR | O_CREAT, 0644);
		assert_int_equal(flock(fds[i], LOCK_EX), 0);
	}
	begin = clock_mono_ms();
	assert_int_equal(dir_bench_put(b, "x", "y", NULL, NULL, &call), ETIMEDOUT);
	assert_true(clock_mono_ms() - begin >= 60);
	dir_bench_expect(b, "x", "x"); /* readers need no lock */
	assert_int_equal(dir_bench_entries(b, ".pishop=store/tmp"), 0);
	call = (struct store_call){ .cancel = &cancel };
	assert_int_equal(dir_bench_put(b, "x", "y", NULL, NULL, &call), ECANCELED);
	for (unsigned i = 0; i < 256; i++)
		close(fds[i]);
	assert_int_equal(dir_bench_put(b, "x", "y", NULL, NULL, NULL), 0);
}

static int count_in_child(const char *root)
{
	struct store *s;

	if (dir_store_new(root, &s))
		return 1;
	for (int done = 0; done < 25;) {
		char text[32] = { 0 };
		struct store_meta meta;
		struct store_cond cond = { 0 };
		size_t n;

		if (s->ops->get(s, "n", (struct store_range){ 0, 0 }, NULL, &(struct iovec){ text, 31 }, 1, &n, &meta, NULL))
			return 2;
		memcpy(cond.if_match, meta.etag, sizeof(cond.if_match));
		snprintf(text, sizeof(text), "%ld", strtol(text, NULL, 10) + 1);

		int rc = s->ops->put(s, "n", &(struct iovec){ text, strlen(text) }, 1, NULL, &cond, NULL, NULL);

		if (rc && rc != ESTALE)
			return 3;
		done += rc == 0;
	}
	store_free(s);
	return 0;
}

static void conditions_hold_between_processes(void **state)
{
	struct dir_bench *b = *state;
	pid_t children[3];

	assert_int_equal(dir_bench_put(b, "n", "0", NULL, NULL, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(children); i++) {
		children[i] = fork();
		if (children[i] == 0)
			_exit(count_in_child(b->root));
	}
	for (size_t i = 0; i < ARRAY_LEN(children); i++) {
		int status;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	dir_bench_expect(b, "n", "75");
}

#define OBJECT_BYTES 3000000

/* Replaces x by objects of one letter, by put and by upload in turn, until it is killed. */
static void write_until_killed(const char *root)
{
	struct store *s;
	char *data = malloc(OBJECT_BYTES), id[STORE_UPLOAD_MAX];
	struct store_part part = { .number = 1 };

	if (!data || dir_store_new(root, &s))
		_exit(1);
	for (char letter = 'a';; letter = letter == 'z' ? 'a' : (char)(letter + 1)) {
		struct iovec iov = { data, OBJECT_BYTES };

		memset(data, letter, OBJECT_BYTES);
		if (s->ops->put(s, "d/x", &iov, 1, NULL, NULL, NULL, NULL))
			_exit(2);
		if (s->ops->begin(s, "d/x", NULL, id, NULL) || s->ops->part(s, "d/x", id, &iov, 1, &part, NULL) ||
		    s->ops->complete(s, "d/x", id, &part, 1, NULL, NULL, NULL))
			_exit(3);
	}
}

static void a_killed_writer_leaves_whole_objects(void **state)
{
	struct dir_bench *b = *state;
	AUTO_FREE char *data = malloc(OBJECT_BYTES);

	assert_non_null(data);
	memset(data, 'a', OBJECT_BYTES);
	assert_int_equal(b->s->ops->put(b->s, "d/x", &(struct iovec){ data, OBJECT_BYTES }, 1, NULL, NULL, NULL, NULL), 0);
	for (int round = 0; round < 12; round++) {
		size_t n = 0;
		pid_t child = fork();

		if (child == 0)
			write_until_killed(b->root);
		clock_sleep_ms(2 + rand_below(25));
		assert_int_equal(kill(child, SIGKILL), 0);
		waitpid(child, NULL, 0);
		dir_bench_expect_keys(b, "d/x");
		assert_int_equal(b->s->ops->get(b->s, "d/x", (struct store_range){ 0, 0 }, NULL, &(struct iovec){ data, OBJECT_BYTES }, 1, &n, NULL,
						NULL), 0);
		assert_int_equal(n, OBJECT_BYTES);
		assert_memory_equal(data, data + 1, OBJECT_BYTES - 1);
	}
}

static void the_space_of_the_file_system(void **state)
{
	struct dir_bench *b = *state;
	struct store_space space;

	assert_int_equal(b->s->ops->space(b->s, &space, NULL), 0);
	assert_true(space.total > 0 && space.free <= space.total);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DIR_TEST(objects_are_plain_files),
		DIR_TEST(a_reserved_looking_name_of_255_bytes),
		DIR_TEST(files_of_others),
		DIR_TEST(reading_changes_nothing),
		DIR_TEST(links_are_not_followed),
		DIR_TEST(a_reserved_folder_that_is_a_link),
		DIR_TEST(empty_folders_are_nothing),
		DIR_TEST(removing_prunes),
		DIR_TEST(a_tree_deeper_than_any_key),
		DIR_TEST(roots),
		DIR_TEST(a_change_by_hand_is_seen),
		DIR_TEST(a_lock_that_another_holds),
		DIR_TEST(conditions_hold_between_processes),
		DIR_TEST(a_killed_writer_leaves_whole_objects),
		DIR_TEST(the_space_of_the_file_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

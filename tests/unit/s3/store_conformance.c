/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

#include "base/buf.h"
#include "base/rand.h"

#include <ftw.h>
#include <unistd.h>

/* store_conformance mem|small|dir|s3 [stack]: runs the suite against one store; with `stack`, under retry, stats and fault layers that
 * have nothing to do, which must not show. The folder store gets a new folder in
 * $TMPDIR, else in /dev/shm, where fsync costs nothing, else in /tmp. */

#define NOT_RUN 77 /* meson's code for a skipped test */

/* Small enough that a test can cross each of them. */
static const struct store_limits small_limits = {
	.part_min = 100, .part_max = 4000, .parts_max = 50, .copy_max = 10000, .put_max = 2 * 1024 * 1024, .object_max = 20000, .key_max = 300,
	.segment_max = 100, .delete_max = 10, .list_max = 7,
};

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static struct store *make_dir(char path[256])
{
	const char *tmp = getenv("TMPDIR"), *fallback = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
	struct store *s;
	int rc;

	snprintf(path, 256, "%s/pishop-conformance-XXXXXX", tmp && strlen(tmp) < 200 ? tmp : fallback);
	if (!mkdtemp(path)) {
		perror(path);
		path[0] = '\0';
		return NULL;
	}
	rc = dir_store_new(path, &s);
	if (!rc)
		return s;
	fprintf(stderr, "%s: %s\n", path, strerror(rc));
	return NULL;
}

struct store *conf_make_store(const char *kind, char cleanup_path[256])
{
	struct store *s = NULL;

	cleanup_path[0] = '\0';
	if (strcmp(kind, "mem") == 0)
		return mem_store_new(NULL, &s) ? NULL : s;
	if (strcmp(kind, "small") == 0)
		return mem_store_new(&small_limits, &s) ? NULL : s;
	if (strcmp(kind, "dir") == 0)
		return make_dir(cleanup_path);
	if (strcmp(kind, "s3") == 0)
		return conf_make_s3();
	fprintf(stderr, "store_conformance mem|small|dir|s3 [stack]\n");
	return NULL;
}

static struct store *stack_on(struct store *s)
{
	struct retry_config patient = { .base_ms = 5, .cap_ms = 100 };

	if (s && fault_store_new(s, &s))
		return NULL;
	if (s && stats_store_new(s, &s))
		return NULL;
	if (s && retry_store_new(s, &patient, &s))
		return NULL;
	return s;
}

/* A store that does not answer at all fails at once and in its own words, not in sixty tests. */
static bool answers(struct store *s)
{
	struct store_call call = { .timeout_ms = 10000 };
	char text[600];

	if (!s->ops->probe(s, &call))
		return true;
	store_error_text(&call.err, text, sizeof(text));
	fprintf(stderr, "%s: %s\n", s->name, text);
	return false;
}

static struct bench bench;

static int group_setup(void **state)
{
	*state = &bench;
	return 0;
}

static int run_all(void)
{
	static const struct {
		const char *name;
		const struct CMUnitTest *tests;
		const size_t *count;
	} groups[] = {
		{ "objects", conf_object_tests, &conf_object_count },	       { "keys", conf_key_tests, &conf_key_count },
		{ "lists", conf_list_tests, &conf_list_count },		       { "conditions", conf_condition_tests, &conf_condition_count },
		{ "uploads", conf_upload_tests, &conf_upload_count },
	};
	int failed = 0;

	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		failed += _cmocka_run_group_tests(groups[i].name, groups[i].tests, *groups[i].count, group_setup, NULL);
	return failed;
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "";
	char path[256];
	uint8_t random[8];
	int failed;

	bench.s = conf_make_store(kind, path);
	if (argc > 2 && strcmp(argv[2], "stack") == 0)
		bench.s = stack_on(bench.s);
	if (!bench.s)
		return strcmp(kind, "s3") == 0 ? NOT_RUN : EXIT_FAILURE;
	bench.kind = kind;
	bench.real_folders = strcmp(kind, "dir") == 0;
	bench.local = strcmp(kind, "s3") != 0;
	rand_bytes(random, sizeof(random));
	memcpy(bench.run, "conf-", 5);
	hex_encode(bench.run + 5, random, sizeof(random));
	failed = 1;
	if (answers(bench.s)) {
		conf_find_out(&bench);
		failed = run_all();
	}
	store_free(bench.s);
	if (path[0])
		nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

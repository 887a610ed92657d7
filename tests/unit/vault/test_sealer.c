/* SPDX-License-Identifier: Apache-2.0 */
#include "kit.h"

#include "base/clock.h"
#include "base/rand.h"
#include "vault/audit.h"
#include "vault/run.h"
#include "vault/run_record.h"
#include "vault/sealer.h"
#include "vault/tree.h"

#include <errno.h>
#include <stdio.h>

#define NAME "db-20260102-030405"
#define LIVE "backups/acme/"
#define RECORDS "backups/.pishop/t/acme/"
#define SEAL RECORDS "seals/" NAME
#define BEGUN 1767323045 /* the name's time; members are committed so many seconds later */

/* ---- Objects as any writer could have left them */

struct made {
	enum entry_type type;
	enum trailer_state state;
	int64_t at;   /* committed, seconds after BEGUN */
	size_t size;
};

static void put_with(struct kit *k, struct keyring *keys, const char *path, struct made what)
{
	struct object_key key;
	struct trailer t;
	char name[PATH_CAP];
	AUTO_FREE uint8_t *bytes = calloc(1, object_length(what.size));
	uint8_t *record = bytes + HEADER_BYTES;

	assert_non_null(bytes);
	trailer_fresh(k->v, &t, what.type, what.state, what.type == ENTRY_FOLDER ? 0750 : 0640, 10, 20);
	t.size = what.size;
	t.committed = t.mtime = (struct timespec){ BEGUN + what.at, 500 };
	assert_int_equal(object_key_new(&key), 0);
	assert_int_equal(header_make(keys, &key, bytes), 0);
	memset(record + 12, 'x', what.size);
	assert_int_equal(chunk_seal(&key, 0, CHUNK_LAST, record, record + 12, what.size, record + 12 + what.size), 0);
	assert_int_equal(trailer_seal(&key, &t, bytes + trailer_offset(what.size)), 0);
	object_key_wipe(&key);
	snprintf(name, sizeof(name), LIVE "%s%s", path, what.type == ENTRY_FOLDER ? "/" : "");
	kit_raw_put(k->bucket, name, bytes, object_length(what.size));
}

static void put(struct kit *k, const char *path, struct made what)
{
	put_with(k, vault_keys(k->v), path, what);
}

static void file(struct kit *k, const char *path, int64_t at, size_t size)
{
	put(k, path, (struct made){ ENTRY_FILE, STATE_CLOSED, at, size });
}

static void folder(struct kit *k, const char *path, int64_t at)
{
	put(k, path, (struct made){ ENTRY_FOLDER, STATE_CLOSED, at, 0 });
}

/* Two folders, thirteen files over two pages, the mark last. */
static void dump(struct kit *k)
{
	char path[128];

	folder(k, NAME, 0);
	folder(k, NAME "/db", 1);
	for (int i = 0; i < 12; i++) {
		snprintf(path, sizeof(path), NAME "/db/c%02d.bson.gz", i);
		file(k, path, 2 + i, (size_t)(100 + i));
	}
	file(k, NAME "/metadata.json", 100, 50);
}

/* ---- Sealing */

struct result {
	int rc;
	enum sealer_answer answer;
	char reason[256];
	struct seal seal;
};

static void again(struct kit *k, const struct sealer_options *options, struct result *r)
{
	seal_free(&r->seal);
	r->rc = sealer_run(k->v, "acme", NAME, options, &r->answer, r->reason, sizeof(r->reason), &r->seal, NULL);
}

static struct result run(struct kit *k, const struct sealer_options *options)
{
	struct result r = { 0 };

	again(k, options, &r);
	return r;
}

static void expect_answer(struct kit *k, const struct sealer_options *options, enum sealer_answer answer, const char *reason)
{
	struct result r = run(k, options);

	assert_int_equal(r.rc, 0);
	if (r.answer != answer || (reason && !strstr(r.reason, reason)))
		fail_msg("answer %d (%s) instead of %d (%s)", (int)r.answer, r.reason, (int)answer, reason ? reason : "");
	seal_free(&r.seal);
}

static const struct sealer_options on_request = { .source = SEAL_REQUEST }, marked = { .source = SEAL_MARKED, .mark = "metadata.json" };

static bool sealed(struct kit *k)
{
	return kit_raw_head(k->bucket, SEAL, NULL) == 0;
}

static void a_dump_is_sealed(void **state)
{
	struct kit *k = *state;
	AUTO(seal_free) struct seal s = { 0 };
	struct result r;

	dump(k);
	file(k, "other-20260102-030405.tar", 1, 10);
	file(k, NAME "5/x", 1, 10); /* the digits go on: another backup */

	uint64_t before = kit_all_calls(k);

	r = run(k, &marked);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.answer, SEALER_DONE);
	assert_int_equal(kit_all_calls(k) - before, 1 + 2 + 15 + 1 + 1); /* old seal, two pages, members, writers, the seal */
	assert_int_equal(seal_read(k->v, "acme", NAME, &s, NULL, NULL), 0);
	assert_true(s.count == 15 && r.seal.count == 15 && s.source == SEAL_MARKED && s.timed && !s.imported);
	assert_true(s.time_s == BEGUN && s.committed_s == BEGUN + 100 && s.bytes == 12 * 100 + 66 + 50);

	const struct seal_entry *e = seal_find(&s, NAME "/db/c03.bson.gz");

	assert_true(e && e->size == 103 && e->mode == 0640 && e->uid == 10 && e->gid == 20 && e->mtime.tv_sec == BEGUN + 5 && e->mtime.tv_nsec == 500);
	assert_true(seal_find(&s, NAME "/db")->type == ENTRY_FOLDER && seal_find(&s, NAME)->mode == 0750);

	struct store_meta meta;

	assert_int_equal(kit_raw_head(k->bucket, LIVE NAME "/db/c03.bson.gz", &meta), 0);
	assert_string_equal(e->etag, meta.etag);
	seal_free(&r.seal);
	expect_answer(k, &marked, SEALER_SAME, NULL);
}

/* What is under the same ETag as in the old seal needs no request; what is new, or of another ETag, does. */
static void sealed_again(void **state)
{
	struct kit *k = *state;
	struct result r;

	dump(k);
	r = run(k, &on_request);
	assert_int_equal(r.answer, SEALER_DONE);

	uint64_t before = kit_calls(k, STORE_GET);

	again(k, &on_request, &r);
	assert_int_equal(r.answer, SEALER_SAME);
	assert_int_equal(r.seal.count, 15);
	assert_int_equal(kit_calls(k, STORE_GET) - before, 1);
	file(k, NAME "/db/c00.bson.gz", 50, 100);
	before = kit_calls(k, STORE_GET);
	again(k, &on_request, &r);
	assert_int_equal(r.answer, SEALER_DONE);
	assert_int_equal(kit_calls(k, STORE_GET) - before, 2);
	assert_true(r.seal.committed_s == BEGUN + 100 && r.seal.count == 15);
	kit_raw_remove(k->bucket, LIVE NAME "/db/c01.bson.gz");
	file(k, NAME "/late", 200, 1);
	again(k, &on_request, &r);
	assert_int_equal(r.answer, SEALER_DONE);
	assert_true(r.seal.committed_s == BEGUN + 200 && r.seal.count == 15 && !seal_find(&r.seal, NAME "/db/c01.bson.gz"));
	seal_free(&r.seal);
}

static void nothing_to_seal(void **state)
{
	struct kit *k = *state;

	expect_answer(k, &on_request, SEALER_NOTHING, NULL);
	file(k, "other", 1, 1);
	expect_answer(k, &on_request, SEALER_NOTHING, NULL);
	kit_raw_put(k->bucket, LIVE NAME "/plain", "x", 1);
	expect_answer(k, &on_request, SEALER_NOTHING, "not written by this program");
	assert_false(sealed(k));
}

/* ---- Scratch */

static void an_archive_makes_its_folder_scratch(void **state)
{
	struct kit *k = *state;
	struct result r;

	dump(k);
	file(k, NAME ".tar.gz", 200, 1000);
	file(k, NAME ".tar.gz.sha256", 201, 64);
	put(k, NAME "/db/cut", (struct made){ ENTRY_FILE, STATE_KILLED, 5, 3 }); /* of no meaning there */

	uint64_t before = kit_calls(k, STORE_GET);

	r = run(k, &(struct sealer_options){ .source = SEAL_ARCHIVE });
	assert_int_equal(r.answer, SEALER_DONE);
	assert_int_equal(r.seal.count, 2);
	assert_non_null(seal_find(&r.seal, NAME ".tar.gz"));
	assert_non_null(seal_find(&r.seal, NAME ".tar.gz.sha256"));
	assert_int_equal(kit_calls(k, STORE_GET) - before, 3);
	seal_free(&r.seal);
}

static void a_sealed_folder_is_never_scratch(void **state)
{
	struct kit *k = *state;
	struct result r;

	dump(k);
	r = run(k, &marked);
	assert_int_equal(r.answer, SEALER_DONE);
	file(k, NAME ".tar.gz", 200, 1000);
	folder(k, NAME ".d", 200); /* another folder of the set, which is not in the seal */
	file(k, NAME ".d/x", 200, 1);
	again(k, &(struct sealer_options){ .source = SEAL_ARCHIVE }, &r);
	assert_int_equal(r.answer, SEALER_DONE);
	assert_int_equal(r.seal.count, 16);
	assert_non_null(seal_find(&r.seal, NAME "/db/c00.bson.gz"));
	assert_null(seal_find(&r.seal, NAME ".d/x"));
	seal_free(&r.seal);
}

static void a_plain_archive_is_no_backup(void **state)
{
	struct kit *k = *state;
	struct result r;

	dump(k);
	kit_raw_put(k->bucket, LIVE NAME ".tar.gz", "anybody", 7);
	expect_answer(k, &marked, SEALER_PARTIAL, ".tar.gz was not written by this program");
	kit_raw_remove(k->bucket, LIVE NAME ".tar.gz");
	r = run(k, &marked);
	assert_int_equal(r.answer, SEALER_DONE);
	assert_int_equal(r.seal.count, 15);
	seal_free(&r.seal);
}

/* ---- The mark */

static void without_its_mark(void **state)
{
	struct kit *k = *state;

	dump(k);
	kit_raw_remove(k->bucket, LIVE NAME "/metadata.json");
	expect_answer(k, &marked, SEALER_UNMARKED, "metadata.json is not there");
	file(k, NAME "/db/metadata.json", 100, 1); /* not at the top */
	expect_answer(k, &marked, SEALER_UNMARKED, "metadata.json is not there");
	folder(k, NAME "/metadata.json", 100); /* a folder is no mark */
	expect_answer(k, &marked, SEALER_UNMARKED, "metadata.json is not there");
	assert_false(sealed(k));
	expect_answer(k, &on_request, SEALER_DONE, NULL); /* who does not ask for a mark seals without */
}

static void what_came_after_the_mark(void **state)
{
	struct kit *k = *state;

	dump(k);
	file(k, NAME "/db/late", 101, 1);
	expect_answer(k, &marked, SEALER_UNMARKED, "/db/late was written after metadata.json");
	kit_raw_remove(k->bucket, LIVE NAME "/db/late");
	file(k, NAME ".log", 101, 1); /* beside the folder */
	expect_answer(k, &marked, SEALER_UNMARKED, ".log was written after");
	file(k, NAME ".log", 100, 1); /* at the same time */
	folder(k, NAME "/db", 300);   /* folders get their times at the end */
	expect_answer(k, &marked, SEALER_DONE, NULL);
}

static void each_folder_has_its_mark(void **state)
{
	struct kit *k = *state;

	dump(k);
	file(k, NAME ".b/x", 10, 1); /* a folder without a marker */
	expect_answer(k, &marked, SEALER_UNMARKED, NAME ".b/x");
	file(k, NAME ".b/metadata.json", 11, 1); /* before the other folder's */
	expect_answer(k, &marked, SEALER_DONE, NULL);
	file(k, NAME ".b/x", 12, 1);
	expect_answer(k, &marked, SEALER_UNMARKED, NAME ".b/x was written after");
}

static void an_open_mark_is_none(void **state)
{
	struct kit *k = *state;

	dump(k);
	put(k, NAME "/metadata.json", (struct made){ ENTRY_FILE, STATE_OPEN, 100, 5 });
	expect_answer(k, &marked, SEALER_UNMARKED, "is not there");
}

/* A folder that is there and empty has none; and what is named so and is no file is none. */
static void every_folder_and_nothing_but_a_file(void **state)
{
	struct kit *k = *state;

	dump(k);
	folder(k, NAME ".d", 1);
	expect_answer(k, &marked, SEALER_UNMARKED, NAME ".d/metadata.json is not there");
	kit_raw_remove(k->bucket, LIVE NAME ".d/");
	put(k, NAME "/metadata.json", (struct made){ ENTRY_SYMLINK, STATE_CLOSED, 100, 5 });
	expect_answer(k, &marked, SEALER_UNMARKED, "is not there");
	assert_false(sealed(k));
}

/* ---- States */

/* What somebody put there by other means: a file's object under a folder's name. */
static void objects_in_a_wrong_place(void **state)
{
	struct kit *k = *state;
	uint8_t *bytes;
	size_t n;

	dump(k);
	n = kit_raw_get(k->bucket, LIVE NAME "/db/c00.bson.gz", &bytes, NULL);
	kit_raw_put(k->bucket, LIVE NAME "/db/", bytes, n);
	free(bytes);
	expect_answer(k, &on_request, SEALER_PARTIAL, "another kind of object");
	assert_false(sealed(k));
}

/* A folder that is named as an archive makes no scratch; and what scratch holds is not looked at. */
static void what_is_scratch_and_what_is_not(void **state)
{
	struct kit *k = *state;
	struct result r;

	dump(k);
	folder(k, NAME ".tar.gz", 1);
	r = run(k, &on_request);
	assert_int_equal(r.answer, SEALER_DONE);
	assert_int_equal(r.seal.count, 16);
	seal_free(&r.seal);
	kit_raw_remove(k->bucket, LIVE NAME ".tar.gz/");
	kit_raw_remove(k->bucket, SEAL);
	file(k, NAME ".tar", 200, 5);
	put(k, NAME "/db/cut", (struct made){ ENTRY_FILE, STATE_KILLED, 5, 3 });
	kit_raw_put(k->bucket, LIVE NAME "/db/odd", "anybody", 7);
	r = run(k, &on_request);
	assert_int_equal(r.answer, SEALER_DONE);
	assert_int_equal(r.seal.count, 1);
	seal_free(&r.seal);
}

static void cut_files_make_it_partial(void **state)
{
	struct kit *k = *state;

	dump(k);
	put(k, NAME "/db/cut", (struct made){ ENTRY_FILE, STATE_KILLED, 5, 3 });
	expect_answer(k, &on_request, SEALER_PARTIAL, NAME "/db/cut is cut: its writer was killed");
	put(k, NAME "/db/cut", (struct made){ ENTRY_FILE, STATE_FAILED, 5, 3 });
	expect_answer(k, &on_request, SEALER_PARTIAL, "its writer failed");
	assert_false(sealed(k));
	file(k, NAME "/db/cut", 6, 3); /* written anew */
	expect_answer(k, &on_request, SEALER_DONE, NULL);
}

static void open_files_are_left_out(void **state)
{
	struct kit *k = *state;
	AUTO(seal_free) struct seal s = { 0 };

	dump(k);
	put(k, NAME "/db/open", (struct made){ ENTRY_FILE, STATE_OPEN, 5, 3 });
	expect_answer(k, &marked, SEALER_UNMARKED, NAME "/db/open was not closed"); /* the mark was not the last */
	assert_false(sealed(k));
	expect_answer(k, &on_request, SEALER_OPEN, NAME "/db/open was not closed");
	assert_int_equal(seal_read(k->v, "acme", NAME, &s, NULL, NULL), 0);
	assert_int_equal(s.count, 15);
	expect_answer(k, &on_request, SEALER_OPEN, NAME "/db/open"); /* again */
	put(k, NAME "/db/open", (struct made){ ENTRY_FILE, STATE_UNKNOWN, 5, 3 });
	expect_answer(k, &on_request, SEALER_OPEN, NAME "/db/open");
	put(k, NAME "/db/open2", (struct made){ ENTRY_FILE, STATE_UNKNOWN, 5, 3 });
	expect_answer(k, &on_request, SEALER_OPEN, NAME "/db/open and 1 more");
	kit_raw_remove(k->bucket, LIVE NAME "/db/open2");
	file(k, NAME "/db/open", 6, 3);
	expect_answer(k, &marked, SEALER_DONE, NULL);
}

static void where_all_is_open_nothing_is_sealed(void **state)
{
	struct kit *k = *state;
	struct result r;

	put(k, NAME ".tar", (struct made){ ENTRY_FILE, STATE_OPEN, 5, 3 });
	r = run(k, &on_request);
	assert_int_equal(r.answer, SEALER_OPEN);
	assert_non_null(strstr(r.reason, NAME ".tar was not closed"));
	assert_true(!r.seal.entries && !sealed(k));
}

static const struct store_ops *real_ops;
static const char *other_name;

static int list_with_other_name(struct store *store, const char *prefix, char delimiter, const char *token, uint32_t most, struct store_page *page,
				struct store_call *call)
{
	int rc = real_ops->list(store, prefix, delimiter, token, most, page, call);

	for (size_t i = 0; !rc && i < page->count; i++)
		if (strcmp(page->objects[i].key, LIVE NAME "/db/c05.bson.gz") == 0) {
			free(page->objects[i].key);
			assert_true(asprintf(&page->objects[i].key, LIVE NAME "%s", other_name) > 0);
		}
	return rc;
}

/* What the test's store would not hold, S3 does. */
static void under_another_name(struct kit *k, const char *name)
{
	struct store *store = vault_store(k->v);
	struct store_ops ops = *store->ops;

	real_ops = store->ops;
	other_name = name;
	ops.list = list_with_other_name;
	store->ops = &ops;
	expect_answer(k, &on_request, SEALER_PARTIAL, "a name that no file can have");
	store->ops = real_ops;
}

static void names_that_no_file_has(void **state)
{
	struct kit *k = *state;

	dump(k);
	file(k, NAME "/..x", 5, 1); /* any file can */
	under_another_name(k, "/db//x");
	under_another_name(k, "/../x");
	under_another_name(k, "/db/.");
	expect_answer(k, &on_request, SEALER_DONE, NULL);
}

/* In a tenant's folder our own folder's name is a name as any other. */
static void a_backup_named_as_our_folder(void **state)
{
	struct kit *k = *state;
	AUTO(seal_free) struct seal s = { 0 };
	enum sealer_answer answer;

	file(k, ".pishop/t/x/y", 5, 1);
	file(k, ".pishop/z", 5, 1);
	assert_int_equal(sealer_run(k->v, "acme", ".pishop", &on_request, &answer, NULL, 0, &s, NULL), 0);
	assert_int_equal(answer, SEALER_DONE);
	assert_int_equal(s.count, 2);
}

/* ---- What the caller knows */

struct known {
	struct object *object;
	_Atomic unsigned asked;
};

static struct object *know(void *arg, const char *path)
{
	struct known *known = arg;

	known->asked++;
	assert_int_equal(strncmp(path, "acme/" NAME, strlen("acme/" NAME)), 0);
	return strcmp(path, "acme/" NAME "/db/open") == 0 ? object_ref(known->object) : NULL;
}

static void known_ones_need_no_request(void **state)
{
	struct kit *k = *state;
	struct known known = { 0 };
	struct sealer_options options = { .source = SEAL_MARKED, .mark = "metadata.json", .known = know, .arg = &known };
	struct result r;

	dump(k);
	put(k, NAME "/db/open", (struct made){ ENTRY_FILE, STATE_UNKNOWN, 5, 3 });
	assert_int_equal(object_load(k->v, LIVE NAME "/db/open", 0, &known.object, NULL), 0);
	expect_answer(k, &options, SEALER_UNMARKED, "/db/open"); /* known, but not one of ours that we saw closed */
	options.own_open = true;

	uint64_t before = kit_calls(k, STORE_GET);

	r = run(k, &options);
	assert_int_equal(r.answer, SEALER_DONE);
	assert_int_equal(r.seal.count, 16);
	assert_int_equal(kit_calls(k, STORE_GET) - before, 1 + 15);
	assert_true(known.asked >= 16);
	seal_free(&r.seal);

	/* Replaced by another: what is known of the old one is worth nothing. */
	put(k, NAME "/db/open", (struct made){ ENTRY_FILE, STATE_OPEN, 5, 3 });
	expect_answer(k, &options, SEALER_UNMARKED, "/db/open");
	object_unref(known.object);
}

static struct object *know_all(void *arg, const char *path)
{
	struct known *known = arg;

	return object_ref(known->object);
}

/* What a backup Job waits for at the end of its archive. */
static void one_known_archive_is_four_requests(void **state)
{
	struct kit *k = *state;
	struct known known = { 0 };
	struct sealer_options options = { .source = SEAL_ARCHIVE, .known = know_all, .arg = &known, .own_open = true };
	struct run *own;

	put(k, NAME ".tar.gz", (struct made){ ENTRY_FILE, STATE_OPEN, 5, 3 });
	assert_int_equal(object_load(k->v, LIVE NAME ".tar.gz", 0, &known.object, NULL), 0);
	assert_int_equal(run_of(k->v, "acme", &own), 0);

	uint64_t before = kit_all_calls(k);

	expect_answer(k, &options, SEALER_DONE, NULL);
	assert_int_equal(kit_all_calls(k) - before, 4); /* the old seal, the set, the writers, the seal */
	assert_true(sealed(k));
	object_unref(known.object);
}

/* ---- Damage */

static void damaged_members(void **state)
{
	struct kit *k = *state;

	dump(k);
	kit_log_begin();
	kit_raw_flip(k->bucket, LIVE NAME "/db/c05.bson.gz", 485); /* of the header's MAC */
	expect_answer(k, &on_request, SEALER_PARTIAL, NAME "/db/c05.bson.gz is damaged");
	kit_raw_put(k->bucket, LIVE NAME "/db/c05.bson.gz", "plain", 5);
	expect_answer(k, &on_request, SEALER_PARTIAL, NAME "/db/c05.bson.gz was not written by this program");
	file(k, NAME "/db/c05.bson.gz", 5, 5);
	folder(k, NAME "/db/c06.bson.gz", 1);
	expect_answer(k, &on_request, SEALER_PARTIAL, "is both a file and a folder");
	kit_raw_remove(k->bucket, LIVE NAME "/db/c06.bson.gz/");
	put(k, NAME "/db/c06.bson.gz", (struct made){ ENTRY_RECORD, STATE_CLOSED, 1, 4 });
	expect_answer(k, &on_request, SEALER_PARTIAL, "another kind of object");
	free(kit_log_end());
}

static void of_another_key(void **state)
{
	struct kit *k = *state;
	struct keyring *other;
	char reason[256];

	dump(k);
	assert_int_equal(keyring_parse(KIT_OTHER_KEY, strlen(KIT_OTHER_KEY), &other, reason, sizeof(reason)), 0);
	put_with(k, other, NAME "/db/c05.bson.gz", (struct made){ ENTRY_FILE, STATE_CLOSED, 1, 5 });
	kit_log_begin();
	expect_answer(k, &on_request, SEALER_PARTIAL, "written with another key");
	free(kit_log_end());
	keyring_free(other);
}

/* A seal that was damaged is to be found; it is replaced only by who asks for it. */
static void a_damaged_seal_stays(void **state)
{
	struct kit *k = *state;
	struct result r;

	dump(k);
	expect_answer(k, &marked, SEALER_DONE, NULL);
	kit_raw_flip(k->bucket, SEAL, 800);
	kit_log_begin();
	r = run(k, &marked);
	assert_int_equal(r.rc, EBADMSG);
	assert_null(r.seal.entries);
	r = run(k, &on_request);
	free(kit_log_end());
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.answer, SEALER_DONE);
	seal_free(&r.seal);
	expect_answer(k, &on_request, SEALER_SAME, NULL);
}

/* ---- Faults and others who act meanwhile */

static void errors_leave_nothing_behind(void **state)
{
	struct kit *k = *state;
	static const struct {
		enum store_op op;
		const char *key;
	} where[] = { { STORE_GET, "seals/" }, { STORE_LIST, "acme/" NAME }, { STORE_GET, "c07" }, { STORE_LIST, "run/" }, { STORE_PUT, "seals/" } };

	dump(k);
	kit_log_begin();
	for (size_t i = 0; i < ARRAY_LEN(where); i++) {
		kit_fault(k, where[i].op, where[i].key, 0, 0, FAULT_FAIL, EREMOTEIO);

		struct result r = run(k, &on_request);

		assert_int_equal(r.rc, EREMOTEIO);
		assert_null(r.seal.entries);
		assert_false(sealed(k));
		fault_store_clear(k->fault);
	}
	free(kit_log_end());
	expect_answer(k, &on_request, SEALER_DONE, NULL);
}

static void remove_one(void *arg)
{
	kit_raw_remove(((struct kit *)arg)->bucket, LIVE NAME "/db/c07.bson.gz");
}

static void replace_one(void *arg)
{
	file(arg, NAME "/db/c07.bson.gz", 60, 999);
}

static void what_changes_meanwhile_is_looked_at_again(void **state)
{
	struct kit *k = *state;
	struct result r;

	dump(k);
	kit_callback(k, STORE_GET, "c07", replace_one, k);
	r = run(k, &on_request);
	assert_int_equal(r.answer, SEALER_DONE);
	assert_int_equal(seal_find(&r.seal, NAME "/db/c07.bson.gz")->size, 999);
	file(k, NAME "/db/c07.bson.gz", 60, 998);
	kit_callback(k, STORE_GET, "c07", remove_one, k);
	again(k, &on_request, &r);
	assert_int_equal(r.answer, SEALER_DONE);
	assert_null(seal_find(&r.seal, NAME "/db/c07.bson.gz"));
	seal_free(&r.seal);
}

static void always_another(void *arg)
{
	struct kit *k = arg;

	file(k, NAME "/db/c07.bson.gz", 60, 500 + rand_below(100000) % 400);
	kit_callback(k, STORE_GET, "c07", always_another, k);
}

static void what_never_rests_is_not_sealed(void **state)
{
	struct kit *k = *state;
	struct result r;

	dump(k);
	kit_callback(k, STORE_GET, "c07", always_another, k);
	kit_log_begin();
	r = run(k, &on_request);
	free(kit_log_end());
	assert_int_equal(r.rc, ESTALE);
	assert_false(sealed(k));
}

static void seal_first(void *arg)
{
	struct kit *k = arg, other = { .bucket = k->bucket };
	struct vault_config config = kit_config();

	kit_open(&other, &config, KIT_KEY);
	expect_answer(&other, &on_request, SEALER_DONE, NULL);
	kit_close(&other);
}

static void two_at_once_leave_one_seal(void **state)
{
	struct kit *k = *state;

	dump(k);
	kit_callback(k, STORE_PUT, "seals/", seal_first, k);
	expect_answer(k, &on_request, SEALER_SAME, NULL);
}

static void a_lost_reply_is_no_failure(void **state)
{
	struct kit *k = *state;

	dump(k);
	kit_fault(k, STORE_PUT, "seals/", 0, 1, FAULT_LOSE_REPLY, ETIMEDOUT);
	expect_answer(k, &on_request, SEALER_DONE, NULL);
	expect_answer(k, &on_request, SEALER_SAME, NULL);
}

static void it_can_be_stopped(void **state)
{
	struct kit *k = *state;
	atomic_bool stop = true;
	struct store_call call = { .cancel = &stop };
	enum sealer_answer answer;

	dump(k);
	assert_int_equal(sealer_run(k->v, "acme", NAME, &on_request, &answer, NULL, 0, NULL, &call), ECANCELED);
	assert_false(sealed(k));
	stop = false;
	assert_int_equal(sealer_run(k->v, "acme", NAME, &on_request, &answer, NULL, 0, NULL, &call), 0);
	assert_int_equal(answer, SEALER_DONE);
}

static void what_waits_to_be_removed_is_not_sealed(void **state)
{
	struct kit *k = *state;
	struct result r;

	dump(k);
	kit_fault(k, STORE_REMOVE, "c07", 0, 1, FAULT_HOLD, 0);
	assert_int_equal(tree_remove_later(k->v, "acme/" NAME "/db/c07.bson.gz", false), 0);
	r = run(k, &on_request);
	assert_int_equal(r.answer, SEALER_DONE);
	assert_int_equal(r.seal.count, 14);
	assert_null(seal_find(&r.seal, NAME "/db/c07.bson.gz"));
	seal_free(&r.seal);
	fault_store_clear(k->fault);
	assert_int_equal(tree_send_removals(k->v, "acme"), 0);
}

static void nothing_is_sealed_read_only(void **state)
{
	struct kit *k = *state, other = { .bucket = k->bucket };
	struct vault_config config = kit_config();

	dump(k);
	config.read_only = true;
	kit_open(&other, &config, KIT_KEY);

	struct result r = run(&other, &on_request);

	assert_int_equal(r.rc, EROFS);
	assert_int_equal(sealer_reopen(other.v, "acme", NAME, "test", NULL), EROFS);
	kit_close(&other);
}

/* ---- Writers' records */

#define WRITER "ffeeddccbbaa99887766554433221100"

static void put_record(struct kit *k, const struct run_record *r)
{
	struct buf json;
	struct record_names names;
	char key[PATH_CAP];
	struct record_id id;
	char *old;
	size_t len;

	buf_init(&json, RUN_JSON_MAX);
	assert_int_equal(run_record_encode(r, &json), 0);
	snprintf(key, sizeof(key), RECORDS "run/%s", r->writer);

	int rc = record_read(k->v, key, &old, &len, &id, NULL);

	free(old);
	assert_int_equal(record_write(k->v, key, (const char *)json.data, json.len, rc ? NULL : &id, NULL, NULL), 0);
	buf_free(&json);
	assert_int_equal(record_list(k->v, "acme", "run", &names, NULL), 0);
	record_names_free(&names);
}

static struct run_record record_of(int64_t refreshed)
{
	return (struct run_record){ .writer = WRITER, .tenant = "acme", .program = "p", .started = BEGUN - 100, .refreshed = BEGUN + refreshed };
}

static void a_failed_path_makes_it_partial(void **state)
{
	struct kit *k = *state;
	struct run_record r = record_of(50);

	dump(k);
	run_record_add_failed(&r, "acme/" NAME "/db/gone", ENOSPC);
	run_record_add_failed(&r, "acme/other/x", EIO);
	put_record(k, &r);
	expect_answer(k, &marked, SEALER_PARTIAL, NAME "/db/gone failed (No space left");
	assert_false(sealed(k));

	file(k, NAME "/db/gone", 50, 1); /* not newer than the writer's last word */
	expect_answer(k, &marked, SEALER_PARTIAL, NAME "/db/gone");
	put(k, NAME "/db/gone", (struct made){ ENTRY_FILE, STATE_OPEN, 51, 1 });
	expect_answer(k, &marked, SEALER_PARTIAL, NAME "/db/gone");
	file(k, NAME "/db/gone", 51, 1);
	expect_answer(k, &marked, SEALER_DONE, NULL);

	r.ended = BEGUN + 60; /* its last word */
	put_record(k, &r);
	expect_answer(k, &on_request, SEALER_PARTIAL, NAME "/db/gone"); /* also where the old seal has it as it stands */
	run_record_free(&r);
}

static void a_failed_path_in_scratch_is_nothing(void **state)
{
	struct kit *k = *state;
	struct run_record r = record_of(50);

	dump(k);
	file(k, NAME ".tar.gz", 200, 10);
	run_record_add_failed(&r, "acme/" NAME "/db/gone", EIO);
	put_record(k, &r);
	expect_answer(k, &on_request, SEALER_DONE, NULL);
	run_record_add_failed(&r, "acme/" NAME ".sha256", EIO);
	put_record(k, &r);
	expect_answer(k, &on_request, SEALER_PARTIAL, NAME ".sha256");
	run_record_free(&r);
}

/* Our record was seen to change a moment ago: its writer lives until it says that it ended, or another took it. */
static void a_failed_path_in_a_sealed_folder_counts(void **state)
{
	struct kit *k = *state;
	struct run_record r = record_of(50);

	dump(k);
	expect_answer(k, &on_request, SEALER_DONE, NULL);
	file(k, NAME ".tar.gz", 200, 10); /* makes no scratch of it any more */
	run_record_add_failed(&r, "acme/" NAME "/db/gone", EIO);
	put_record(k, &r);
	expect_answer(k, &on_request, SEALER_PARTIAL, NAME "/db/gone failed");
	run_record_free(&r);
}

/* An open file that whoever saw its last release has sealed stays sealed, also where a writer's record makes us look at it. */
static void what_was_sealed_open_stays(void **state)
{
	struct kit *k = *state;
	struct known known = { 0 };
	struct sealer_options options = { .source = SEAL_SETTLED, .known = know, .arg = &known, .own_open = true };
	struct run_record r = record_of(1);

	dump(k);
	put(k, NAME "/db/open", (struct made){ ENTRY_FILE, STATE_UNKNOWN, 5, 3 });
	assert_int_equal(object_load(k->v, LIVE NAME "/db/open", 0, &known.object, NULL), 0);
	expect_answer(k, &options, SEALER_DONE, NULL);
	expect_answer(k, &on_request, SEALER_SAME, NULL);
	run_record_add_failed(&r, "acme/" NAME "/db/open", EIO); /* before it was written anew */
	put_record(k, &r);
	expect_answer(k, &on_request, SEALER_SAME, NULL);
	object_unref(known.object);
	run_record_free(&r);
}

static void an_upload_keeps_it_open_or_makes_it_partial(void **state)
{
	struct kit *k = *state;
	struct run_record r = record_of(50);

	dump(k);
	assert_int_equal(run_record_add_upload(&r, LIVE NAME "/db/big", "id", BEGUN + 20), 0);
	assert_int_equal(run_record_add_upload(&r, RECORDS "staging/" WRITER "-1", "id", BEGUN + 20), 0);
	put_record(k, &r);
	expect_answer(k, &on_request, SEALER_OPEN, NAME "/db/big is being written");
	assert_false(sealed(k));
	run_record_add_failed(&r, "acme/" NAME "/db/gone", EIO); /* outweighs it */
	put_record(k, &r);
	expect_answer(k, &on_request, SEALER_PARTIAL, NAME "/db/gone failed");
	assert_true(run_record_drop_failed(&r, "acme/" NAME "/db/gone"));
	r.ended = BEGUN + 60;
	put_record(k, &r);
	expect_answer(k, &on_request, SEALER_PARTIAL, NAME "/db/big was never finished");
	r.ended = 0;
	snprintf(r.taken_by, sizeof(r.taken_by), "00112233445566778899aabbccddeeff");
	put_record(k, &r);
	expect_answer(k, &on_request, SEALER_PARTIAL, NAME "/db/big was never finished");
	file(k, NAME "/db/big", 21, 1); /* it ended */
	expect_answer(k, &on_request, SEALER_DONE, NULL);
	run_record_free(&r);
}

static void a_silent_writers_upload_makes_it_partial(void **state)
{
	struct kit *k = *state, patient = { .bucket = k->bucket }, hasty = { .bucket = k->bucket };
	struct vault_config config = kit_config();
	struct run_record r = record_of(50);

	dump(k);
	assert_int_equal(run_record_add_upload(&r, LIVE NAME "/db/big", "id", BEGUN + 20), 0);
	kit_open(&patient, &config, KIT_KEY);
	config.silent_after_s = 1;
	kit_open(&hasty, &config, KIT_KEY);
	r.refreshed = clock_wall_s() + 5000; /* nobody takes it: by its own clock it lives */
	put_record(k, &r);
	clock_sleep_ms(2100);
	expect_answer(&patient, &on_request, SEALER_OPEN, NAME "/db/big is being written");
	expect_answer(&hasty, &on_request, SEALER_PARTIAL, NAME "/db/big was never finished");
	kit_close(&hasty);
	kit_close(&patient);
	run_record_free(&r);
}

static void our_own_uploads_keep_it_open(void **state)
{
	struct kit *k = *state;
	struct run *own;

	dump(k);
	assert_int_equal(run_of(k->v, "acme", &own), 0);
	assert_int_equal(run_upload_begun(own, LIVE NAME "/db/c01.bson.gz", "id"), 0);
	expect_answer(k, &on_request, SEALER_OPEN, NAME "/db/c01.bson.gz is being written");

	struct run_record r = record_of(50); /* of another: what failed outweighs what is being sent */

	run_record_add_failed(&r, "acme/" NAME "/db/gone", EIO);
	put_record(k, &r);
	expect_answer(k, &on_request, SEALER_PARTIAL, NAME "/db/gone failed");
	kit_raw_remove(k->bucket, RECORDS "run/" WRITER);
	run_record_free(&r);
	run_upload_ended(own, LIVE NAME "/db/c01.bson.gz", "id");
	expect_answer(k, &on_request, SEALER_DONE, NULL);
}

static void our_own_failures_count_at_once(void **state)
{
	struct kit *k = *state;
	struct run *own;

	dump(k);
	assert_int_equal(run_of(k->v, "acme", &own), 0);
	run_path_failed(own, "acme/" NAME "/db/c01.bson.gz", EIO);
	expect_answer(k, &on_request, SEALER_PARTIAL, NAME "/db/c01.bson.gz failed");
	run_path_mended(own, "acme/" NAME "/db/c01.bson.gz");
	expect_answer(k, &on_request, SEALER_DONE, NULL);
}

static void too_many_failed_paths(void **state)
{
	struct kit *k = *state;
	struct run_record r = record_of(10);

	dump(k);
	r.more_failed = true;
	put_record(k, &r);
	expect_answer(k, &on_request, SEALER_PARTIAL, "more paths than its record holds");
	r.refreshed = BEGUN + 1; /* before the first file here */
	put_record(k, &r);
	expect_answer(k, &on_request, SEALER_DONE, NULL);
	run_record_free(&r);
}

static void too_many_uploads(void **state)
{
	struct kit *k = *state;
	struct run_record r = record_of(10);

	dump(k);
	r.more_uploads = true;
	put_record(k, &r);
	expect_answer(k, &on_request, SEALER_PARTIAL, "more paths than its record holds");
	run_record_free(&r);
}

/* In a tenant whose name is as long. */
static void failures_of_other_tenants(void **state)
{
	struct kit *k = *state;
	struct run_record r = record_of(50);

	dump(k);
	run_record_add_failed(&r, "beta/" NAME "/db/gone", EIO);
	put_record(k, &r);
	expect_answer(k, &on_request, SEALER_DONE, NULL);
	run_record_free(&r);
}

/* Of ourselves we know what is true now, whatever the clock of who wrote there said. */
static void our_own_record_needs_no_clock(void **state)
{
	struct kit *k = *state;
	struct run *own;
	int64_t ahead = clock_wall_s() - BEGUN + 1000;

	dump(k);
	file(k, NAME "/db/c01.bson.gz", ahead, 5);
	assert_int_equal(run_of(k->v, "acme", &own), 0);
	assert_int_equal(run_upload_begun(own, LIVE NAME "/db/c01.bson.gz", "id"), 0);
	expect_answer(k, &on_request, SEALER_OPEN, NAME "/db/c01.bson.gz is being written");
	run_upload_ended(own, LIVE NAME "/db/c01.bson.gz", "id");
	run_path_failed(own, "acme/" NAME "/db/c01.bson.gz", EIO);
	expect_answer(k, &on_request, SEALER_PARTIAL, NAME "/db/c01.bson.gz failed");
	run_path_mended(own, "acme/" NAME "/db/c01.bson.gz");
	expect_answer(k, &on_request, SEALER_DONE, NULL);
}

/* A writer whose last word is older than all that stands here cannot have failed here. */
static void an_unreadable_record_from_before(void **state)
{
	struct kit *k = *state;

	file(k, NAME ".tar", clock_wall_s() - BEGUN + 1000, 5);
	kit_raw_put(k->bucket, RECORDS "run/" WRITER, "plain", 5);
	kit_log_begin();
	expect_answer(k, &on_request, SEALER_DONE, NULL);
	free(kit_log_end());
}

static void a_record_that_cannot_be_read(void **state)
{
	struct kit *k = *state;
	struct run_record r = record_of(10);

	dump(k);
	put_record(k, &r);
	kit_raw_flip(k->bucket, RECORDS "run/" WRITER, 700);
	kit_log_begin();
	expect_answer(k, &on_request, SEALER_PARTIAL, "the record of writer " WRITER " cannot be read");
	free(kit_log_end());
	assert_false(sealed(k));
	kit_raw_remove(k->bucket, RECORDS "run/" WRITER);
	expect_answer(k, &on_request, SEALER_DONE, NULL);
}

/* ---- Reopening and audit */

#define REOPEN RECORDS "reopen/" NAME

static void reopened_and_sealed_again(void **state)
{
	struct kit *k = *state;
	AUTO_FREE char *text = NULL;
	size_t len;

	dump(k);
	expect_answer(k, &on_request, SEALER_DONE, NULL);
	assert_int_equal(sealer_reopen(k->v, "acme", NAME, "a file is \"written\"", NULL), 0);
	assert_int_equal(record_read(k->v, REOPEN, &text, &len, NULL, NULL), 0);
	assert_non_null(strstr(text, "{\"reopen\":1,\"backup\":\"" NAME "\",\"at\":\"20"));
	assert_non_null(strstr(text, "\"why\":\"a file is \\\"written\\\"\"}\n"));
	assert_int_equal(sealer_reopen(k->v, "acme", NAME, "again", NULL), 0);
	file(k, NAME "/new", 300, 1);
	expect_answer(k, &on_request, SEALER_DONE, NULL);
	assert_int_equal(kit_raw_head(k->bucket, REOPEN, NULL), ENOENT);
	assert_int_equal(sealer_reopen(k->v, "acme", NAME, "for nothing", NULL), 0);
	expect_answer(k, &on_request, SEALER_SAME, NULL);
	assert_int_equal(kit_raw_head(k->bucket, REOPEN, NULL), ENOENT);

	/* Who may not delete seals all the same; any other error is told. */
	assert_int_equal(sealer_reopen(k->v, "acme", NAME, "no right", NULL), 0);
	kit_fault(k, STORE_REMOVE, "reopen/", 0, 1, FAULT_FAIL, EACCES);
	kit_log_begin();
	expect_answer(k, &on_request, SEALER_SAME, NULL);
	kit_fault(k, STORE_REMOVE, "reopen/", 0, 1, FAULT_FAIL, EREMOTEIO);

	struct result r = run(k, &on_request);

	free(kit_log_end());
	assert_int_equal(r.rc, EREMOTEIO);
	kit_fault(k, STORE_PUT, "reopen/", 0, 1, FAULT_FAIL, EREMOTEIO);
	kit_log_begin();
	kit_raw_remove(k->bucket, REOPEN);
	assert_int_equal(sealer_reopen(k->v, "acme", NAME, "x", NULL), EREMOTEIO);
	free(kit_log_end());
}

/* ---- Nothing is left */

static void remove_all(struct kit *k)
{
	char key[128];

	for (int i = 0; i < 12; i++) {
		snprintf(key, sizeof(key), LIVE NAME "/db/c%02d.bson.gz", i);
		kit_raw_remove(k->bucket, key);
	}
	kit_raw_remove(k->bucket, LIVE NAME "/db/");
	kit_raw_remove(k->bucket, LIVE NAME "/metadata.json");
	kit_raw_remove(k->bucket, LIVE NAME "/");
}

static void the_seal_of_what_was_removed_goes(void **state)
{
	struct kit *k = *state;
	char *log;

	dump(k);
	expect_answer(k, &on_request, SEALER_DONE, NULL);
	assert_int_equal(sealer_reopen(k->v, "acme", NAME, "rm", NULL), 0);
	remove_all(k);
	kit_fault(k, STORE_HEAD, "reopen/", 0, 1, FAULT_FAIL, EREMOTEIO);
	kit_log_begin();

	struct result r = run(k, &on_request);

	assert_int_equal(r.rc, EREMOTEIO);
	assert_true(sealed(k));
	expect_answer(k, &on_request, SEALER_NOTHING, "");
	log = kit_log_end();
	assert_non_null(strstr(log, "removed"));
	free(log);
	assert_false(sealed(k));
	assert_int_equal(kit_raw_head(k->bucket, REOPEN, NULL), ENOENT);
	expect_answer(k, &on_request, SEALER_NOTHING, NULL);
}

static int see_removed(void *arg, const char *line, size_t len)
{
	AUTO(audit_entry_free) struct audit_entry e = { 0 };

	assert_int_equal(audit_decode(line, len, &e), 0);
	*(bool *)arg |= e.event == AUDIT_REMOVED;
	return 0;
}

/* Whoever is killed between the two must not leave a seal that is gone for no reason. */
static void the_log_knows_before_the_seal_goes(void **state)
{
	struct kit *k = *state;
	bool removed = false;
	char why[256];

	dump(k);
	expect_answer(k, &on_request, SEALER_DONE, NULL);
	assert_int_equal(sealer_reopen(k->v, "acme", NAME, "rm", NULL), 0);
	remove_all(k);
	kit_fault(k, STORE_REMOVE, "seals/", 0, 1, FAULT_FAIL, EREMOTEIO);
	kit_log_begin();
	assert_int_equal(run(k, &on_request).rc, EREMOTEIO);
	free(kit_log_end());
	assert_true(sealed(k));
	assert_int_equal(audit_read(k->v, "acme", see_removed, &removed, why, sizeof(why), NULL), 0);
	assert_true(removed);
}

/* The seal tells that it was there. */
static void the_seal_of_what_vanished_stays(void **state)
{
	struct kit *k = *state;

	dump(k);
	expect_answer(k, &on_request, SEALER_DONE, NULL);
	remove_all(k);
	expect_answer(k, &on_request, SEALER_NOTHING, "behind our back");
	assert_true(sealed(k));
}

static void the_seal_stays_while_a_removal_waits(void **state)
{
	struct kit *k = *state;

	file(k, NAME ".tar", 1, 10);
	expect_answer(k, &on_request, SEALER_DONE, NULL);
	assert_int_equal(sealer_reopen(k->v, "acme", NAME, "rm", NULL), 0);
	kit_fault(k, STORE_REMOVE, ".tar", 0, 1, FAULT_HOLD, 0);
	assert_int_equal(tree_remove_later(k->v, "acme/" NAME ".tar", false), 0);
	expect_answer(k, &on_request, SEALER_NOTHING, NULL);
	assert_true(sealed(k));
	fault_store_clear(k->fault);
	assert_int_equal(tree_send_removals(k->v, "acme"), 0);
	expect_answer(k, &on_request, SEALER_NOTHING, NULL);
	assert_false(sealed(k));
}

static void seal_anew(void *arg)
{
	struct kit *k = arg;
	AUTO(seal_free) struct seal s = { 0 };
	struct record_id id;

	assert_int_equal(seal_read(k->v, "acme", NAME, &s, &id, NULL), 0);
	assert_int_equal(seal_write(k->v, &s, &id, NULL, NULL), 0);
	file(k, NAME ".tar", 2, 10);
}

/* Another mount makes the name anew, and seals it, between the listing and the removal. */
static void a_new_seal_is_not_removed(void **state)
{
	struct kit *k = *state;

	file(k, NAME ".tar", 1, 10);
	expect_answer(k, &on_request, SEALER_DONE, NULL);
	assert_int_equal(sealer_reopen(k->v, "acme", NAME, "rm", NULL), 0);
	kit_raw_remove(k->bucket, LIVE NAME ".tar");
	kit_callback(k, STORE_HEAD, "reopen/", seal_anew, k);
	expect_answer(k, &on_request, SEALER_DONE, NULL);
	assert_true(sealed(k));
}

struct seen {
	unsigned sealed, reopened;
	char seal[33];
};

static int see(void *arg, const char *line, size_t len)
{
	struct seen *seen = arg;
	AUTO(audit_entry_free) struct audit_entry e = { 0 };

	assert_int_equal(audit_decode(line, len, &e), 0);
	seen->sealed += e.event == AUDIT_SEALED;
	seen->reopened += e.event == AUDIT_REOPENED;
	assert_string_equal(e.backup, NAME);
	if (e.event == AUDIT_SEALED) {
		assert_true(e.objects >= 15 && e.bytes > 0);
		memcpy(seen->seal, e.seal, sizeof(seen->seal));
	}
	return 0;
}

static void the_audit_log_names_the_seal(void **state)
{
	struct kit *k = *state;
	AUTO(seal_free) struct seal s = { 0 };
	struct record_id id;
	struct seen seen = { 0 };
	char hex[33], why[128];

	dump(k);
	expect_answer(k, &on_request, SEALER_DONE, NULL);
	expect_answer(k, &on_request, SEALER_SAME, NULL);
	assert_int_equal(sealer_reopen(k->v, "acme", NAME, "x", NULL), 0);
	assert_int_equal(sealer_reopen(k->v, "acme", NAME, "x", NULL), 0);
	file(k, NAME "/new", 300, 1);
	expect_answer(k, &on_request, SEALER_DONE, NULL);
	assert_int_equal(seal_read(k->v, "acme", NAME, &s, &id, NULL), 0);
	assert_int_equal(audit_flush(k->v, "acme", NULL), 0);
	assert_int_equal(audit_read(k->v, "acme", see, &seen, why, sizeof(why), NULL), 0);
	assert_true(seen.sealed == 2 && seen.reopened == 1);
	hex_encode(hex, id.object, 16);
	assert_string_equal(seen.seal, hex);
}

#define T(test) cmocka_unit_test_setup_teardown(test, kit_setup, kit_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_dump_is_sealed), T(sealed_again), T(nothing_to_seal), T(an_archive_makes_its_folder_scratch), T(a_sealed_folder_is_never_scratch),
		T(a_plain_archive_is_no_backup), T(without_its_mark), T(what_came_after_the_mark), T(each_folder_has_its_mark), T(an_open_mark_is_none), T(every_folder_and_nothing_but_a_file), T(objects_in_a_wrong_place), T(what_is_scratch_and_what_is_not),
		T(cut_files_make_it_partial), T(open_files_are_left_out), T(known_ones_need_no_request), T(one_known_archive_is_four_requests),
		T(damaged_members), T(of_another_key), T(a_damaged_seal_stays),
		T(errors_leave_nothing_behind), T(what_changes_meanwhile_is_looked_at_again), T(what_never_rests_is_not_sealed), T(two_at_once_leave_one_seal),
		T(a_lost_reply_is_no_failure), T(it_can_be_stopped), T(what_waits_to_be_removed_is_not_sealed), T(nothing_is_sealed_read_only),
		T(a_failed_path_makes_it_partial), T(a_failed_path_in_scratch_is_nothing), T(a_failed_path_in_a_sealed_folder_counts), T(what_was_sealed_open_stays),
		T(an_upload_keeps_it_open_or_makes_it_partial),
		T(a_silent_writers_upload_makes_it_partial), T(our_own_uploads_keep_it_open),
		T(our_own_failures_count_at_once),
		T(too_many_failed_paths), T(too_many_uploads), T(failures_of_other_tenants), T(our_own_record_needs_no_clock), T(an_unreadable_record_from_before), T(a_record_that_cannot_be_read), T(reopened_and_sealed_again), T(the_audit_log_names_the_seal),
		T(where_all_is_open_nothing_is_sealed), T(names_that_no_file_has), T(a_backup_named_as_our_folder), T(the_seal_of_what_was_removed_goes), T(the_log_knows_before_the_seal_goes),
		T(the_seal_of_what_vanished_stays), T(the_seal_stays_while_a_removal_waits), T(a_new_seal_is_not_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

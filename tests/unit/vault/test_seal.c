/* SPDX-License-Identifier: Apache-2.0 */
#include "kit.h"

#include "base/buf.h"
#include "base/clock.h"
#include "vault/seal.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>

#define STEM "db-20260102-030405"
#define NAMED_S 1767323045
#define WRITER "00112233445566778899aabbccddeeff"

static void add(struct seal *s, const char *path, enum entry_type type, uint64_t size)
{
	struct seal_entry e = { .path = strdup(path), .type = type, .mode = 0640, .uid = 1000, .gid = UINT32_MAX, .mtime = { 1700000000, 5 }, .size = size,
				.state = STATE_CLOSED, .etag = "etag-1" };

	memset(e.object, (int)size, sizeof(e.object));
	assert_int_equal(seal_add(s, &e), 0);
}

static struct seal sample(void)
{
	struct seal s = { .tenant = "acme", .stem = STEM, .timed = true, .time_s = NAMED_S, .committed_s = NAMED_S + 60, .sealed_s = NAMED_S + 70, .source = SEAL_MARKED,
			  .writer = WRITER, .program = "pishopfs 0.1.0" };

	add(&s, STEM "/z", ENTRY_FILE, 7);
	add(&s, STEM "/\xff\xfe\"\\\n", ENTRY_FILE, 5);
	add(&s, STEM, ENTRY_FOLDER, 0);
	add(&s, STEM "/link", ENTRY_SYMLINK, 3);
	s.entries[3].mtime = (struct timespec){ -5, 999999999 };
	s.entries[3].state = STATE_OPEN;
	s.entries[3].etag[0] = '\0';
	return s;
}

static void assert_same(const struct seal *a, const struct seal *b)
{
	assert_string_equal(a->tenant, b->tenant);
	assert_string_equal(a->stem, b->stem);
	assert_string_equal(a->writer, b->writer);
	assert_string_equal(a->program, b->program);
	assert_true(a->timed == b->timed && a->imported == b->imported && a->time_s == b->time_s && a->committed_s == b->committed_s && a->sealed_s == b->sealed_s &&
		    a->bytes == b->bytes && a->source == b->source && a->count == b->count);
	for (size_t i = 0; a->entries && b->entries && i < a->count; i++) {
		const struct seal_entry *x = &a->entries[i], *y = &b->entries[i];

		assert_string_equal(x->path, y->path);
		assert_string_equal(x->etag, y->etag);
		assert_memory_equal(x->object, y->object, sizeof(x->object));
		assert_true(x->type == y->type && x->mode == y->mode && x->uid == y->uid && x->gid == y->gid && x->mtime.tv_sec == y->mtime.tv_sec &&
			    x->mtime.tv_nsec == y->mtime.tv_nsec && x->size == y->size && x->state == y->state);
	}
}

static void sample_text(char **text, size_t *len)
{
	AUTO(seal_free) struct seal s = sample();

	assert_int_equal(seal_encode(&s, text, len), 0);
}

static void what_was_written_is_read(void **state)
{
	AUTO(seal_free) struct seal s = sample(), back = { 0 };
	struct seal envelope;
	AUTO_FREE char *text = NULL;
	size_t len;

	assert_int_equal(seal_encode(&s, &text, &len), 0);
	assert_int_equal(strlen(text), len);
	assert_true(s.bytes == 15);
	assert_int_equal(seal_decode(text, len, &back), 0);
	assert_same(&s, &back);
	assert_int_equal(seal_decode_envelope(text, len, &envelope), 0);
	assert_null(envelope.entries);
	assert_same(&s, &envelope);
	assert_int_equal(seal_decode_envelope(text, (size_t)(strchr(text, '\n') - text) + 1, &envelope), 0); /* the first line is enough */
	assert_int_equal(seal_decode_envelope(text, (size_t)(strchr(text, '\n') - text), &envelope), EBADMSG);
	add(&back, STEM "/zz", ENTRY_FILE, 1); /* what was read can be added to */
	add(&back, STEM "/zzz", ENTRY_FILE, 1);
}

static void without_a_time(void **state)
{
	AUTO(seal_free) struct seal s = sample(), back = { 0 };
	AUTO_FREE char *text = NULL;
	size_t len;

	s.timed = false;
	s.time_s = 0;
	assert_int_equal(seal_encode(&s, &text, &len), 0);
	assert_non_null(strstr(text, "\"time\":null,"));
	assert_int_equal(seal_decode(text, len, &back), 0);
	assert_false(back.timed);
}

static void entries_are_found_by_path(void **state)
{
	AUTO(seal_free) struct seal s = { 0 };
	AUTO_FREE char *text = NULL;
	struct seal empty = { 0 };
	size_t len;

	sample_text(&text, &len);
	assert_int_equal(seal_decode(text, len, &s), 0);
	assert_true(seal_find(&s, STEM "/z")->size == 7);
	assert_true(seal_find(&s, STEM)->type == ENTRY_FOLDER);
	assert_true(seal_find(&s, STEM "/\xff\xfe\"\\\n")->size == 5);
	assert_null(seal_find(&s, STEM "/y"));
	assert_null(seal_find(&empty, STEM));
}

/* The text of the sample with `from` replaced by `to`, in its first place only. */
static int altered(const char *from, const char *to)
{
	size_t len;
	char *text, *at, *other = NULL;
	struct seal s;

	sample_text(&text, &len);
	at = strstr(text, from);
	assert_non_null(at);
	*at = '\0';
	assert_true(asprintf(&other, "%s%s%s", text, to, at + strlen(from)) > 0);

	int rc = seal_decode(other, strlen(other), &s);

	if (rc)
		assert_true(!s.entries && !s.count);
	seal_free(&s);
	free(text);
	free(other);
	return rc;
}

static void what_is_not_exactly_a_seal_is_refused(void **state)
{
	static const char *const cases[][2] = {
		{ "\"bytes\":15", "\"bytes\":16" },
		{ "\"entries\":4", "\"entries\":3" },
		{ "\"entries\":4", "\"entries\":5" },
		{ "\"entries\":4", "\"entries\":0" },
		{ "\"entries\":4", "\"entries\":9007199254740991" },
		{ "\"entries\":4,", "" },
		{ "\"entries\":4,", "\"entries\":4,\"entries\":4," },
		{ "\"entries\":4,", "\"entries\":4,\"new\":4," },
		{ "\"imported\":false", "\"imported\":true" },
		{ "\"time\":\"2026-01-02T03:04:05Z\"", "\"time\":\"2026-01-03T05:05:06Z\"" }, /* over 26 h ahead */
		{ "\"time\":\"2026-01-02T03:04:05Z\"", "\"time\":\"2026-01-01T01:05:04Z\"" }, /* over 26 h behind, and not imported */
		{ "\"marked\"", "\"guessed\"" },
		{ "\"tenant\":\"acme\"", "\"tenant\":\"acme/x\"" },
		{ "\"backup\":\"db-2026", "\"backup\":\"db-2027" }, /* the entries are not its own */
		{ WRITER, "00112233445566778899AABBCCDDEEFF" },
		{ "\"previous\":\"0", "\"previous\":\"" },
		{ "\"type\":\"folder\"", "\"type\":\"file\",\"type\":\"folder\"" },
		{ "\"type\":\"folder\"", "\"type\":\"record\"" },
		{ "\"type\":\"link\",", "" },
		{ "\"mode\":416", "\"mode\":4096" },
		{ "\"gid\":4294967295", "\"gid\":4294967296" },
		{ "\"mtime\":\"-5.999999999\"", "\"mtime\":\"-5.99999999\"" },
		{ "\"mtime\":\"-5.999999999\"", "\"mtime\":\"-5\"" },
		{ "\"mtime\":\"-5.999999999\"", "\"mtime\":\" -5.999999999\"" },
		{ "\"mtime\":\"-5.999999999\"", "\"mtime\":\"99999999999999999999.000000000\"" },
		{ "\"size\":3", "\"size\":0" },                  /* a link's */
		{ "\"size\":0", "\"size\":1" },                  /* a folder's */
		{ "\"size\":7", "\"size\":140737488355329" },
		{ "\"state\":1", "\"state\":5" },
		{ "\"id\":\"00", "\"id\":\"0" },
		{ "/link\"", "//link\"" },
		{ "/link\"", "/../link\"" },
		{ "/link\"", "/.\"" },
		{ "/link\"", "/link/\"" },
		{ "/link\"", "/zz\"" },                       /* not in order */
		{ "/link\"", "/z\"" },                        /* twice */
		{ "\"seal\":1", "\"seal\": \"1\"" },
		{ "}\n{\"path\"", "}{\"path\"" },
		{ "}\n{\"path\"", "}\n\n{\"path\"" },
		{ "}\n{\"path\"", "}\r\n{\"path\"" },
	};

	assert_int_equal(altered("acme", "acme"), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (altered(cases[i][0], cases[i][1]) != EBADMSG)
			fail_msg("%s instead of %s passes", cases[i][1], cases[i][0]);
	assert_int_equal(altered("\"seal\":1", "\"seal\":2"), EPROTONOSUPPORT);
	assert_int_equal(altered("\"previous\":\"0", "\"previous\":\"a"), 0); /* reserved: whatever stands there */
}

/* Cut anywhere, it is no seal. */
static void every_cut_is_seen(void **state)
{
	AUTO_FREE char *text = NULL;
	struct seal s;
	size_t len;

	sample_text(&text, &len);
	for (size_t n = 0; n < len; n++)
		if (seal_decode(text, n, &s) != EBADMSG)
			fail_msg("%zu of %zu bytes pass", n, len);
}

static void what_cannot_be_read_is_not_written(void **state)
{
	char *text;

	for (int i = 0; i < 10; i++) {
		AUTO(seal_free) struct seal s = sample();

		if (i == 0)
			add(&s, STEM "/z", ENTRY_FILE, 9); /* twice */
		if (i == 1)
			add(&s, "other/z", ENTRY_FILE, 9);
		if (i == 2)
			s.entries[0].type = ENTRY_RECORD;
		if (i == 3)
			s.entries[0].mode = 010000;
		if (i == 4)
			s.entries[2].size = 1; /* of a folder */
		if (i == 5)
			s.imported = true;
		if (i == 6)
			s.writer[0] = '\0';
		if (i == 7)
			s.entries[0].state = 5;
		if (i == 8)
			add(&s, STEM "/", ENTRY_FOLDER, 0);
		if (i == 9)
			s.tenant[0] = '\0';
		assert_int_equal(seal_encode(&s, &text, NULL), EINVAL);
		assert_null(text);
	}

	struct seal none = { .tenant = "acme", .stem = STEM, .writer = WRITER, .program = "p" };

	assert_int_equal(seal_encode(&none, &text, NULL), EINVAL);
}

static void a_seal_has_an_end(void **state)
{
	AUTO(seal_free) struct seal s = sample();
	char path[1200];
	char *text;

	memset(path, 'x', sizeof(path));
	memcpy(path, STEM "/", strlen(STEM) + 1);
	for (unsigned i = 0; i < RECORD_MAX / 1000; i++) {
		snprintf(path + 1000, sizeof(path) - 1000, "%u", i);
		add(&s, path, ENTRY_FILE, 1);
	}
	assert_int_equal(seal_encode(&s, &text, NULL), EFBIG);
	assert_null(text);
}

static void many_entries_are_fast(void **state)
{
	AUTO(seal_free) struct seal s = { .tenant = "acme", .stem = STEM, .writer = WRITER, .program = "p" }, back = { 0 };
	AUTO_FREE char *text = NULL;
	char path[128];
	size_t len;

	for (unsigned i = 0; i < 200000; i++) {
		snprintf(path, sizeof(path), STEM "/folder-%03u/collection-%06u.bson.gz", i % 317, i);
		add(&s, path, ENTRY_FILE, i);
	}

	int64_t begin = clock_mono_ms();

	assert_int_equal(seal_encode(&s, &text, &len), 0);

	int64_t middle = clock_mono_ms();

	assert_int_equal(seal_decode(text, len, &back), 0);
	print_message("%zu bytes written in %lld ms, read in %lld ms\n", len, (long long)(middle - begin), (long long)(clock_mono_ms() - middle));
	assert_true(back.count == 200000);
	assert_true(clock_mono_ms() - begin < 20000); /* a second on a quiet machine without sanitizers */
}

/* ---- What tests/format/make_vectors.py wrote from docs/format.md */

static cJSON *load_vectors(void)
{
	FILE *f = fopen(VECTORS_DIR "/vectors.json", "rb");
	size_t most = 4u << 20;
	AUTO_FREE char *text = malloc(most);

	if (!f || !text)
		fail_msg("%s/vectors.json: %s", VECTORS_DIR, strerror(errno));

	size_t n = fread(text, 1, most, f);
	cJSON *vectors = cJSON_ParseWithLength(text, n);

	fclose(f);
	assert_non_null(vectors);
	return vectors;
}

static void check_vector(const char *why, const char *hex, const char *finding)
{
	int expected = strcmp(finding, "good") == 0 ? 0 : strcmp(finding, "newer") == 0 ? EPROTONOSUPPORT : EBADMSG;
	size_t len = strlen(hex) / 2, again_len;
	AUTO_FREE uint8_t *bytes = malloc(len + 1);
	AUTO_FREE char *again = NULL;
	struct seal s;

	assert_int_equal(hex_decode(bytes, len, hex, 2 * len), 0);
	if (seal_decode((const char *)bytes, len, &s) != expected)
		fail_msg("%s: is not %s", why, finding);
	if (expected || strcmp(why, "a predecessor") == 0) {
		seal_free(&s);
		return;
	}
	assert_int_equal(seal_encode(&s, &again, &again_len), 0);
	assert_int_equal(again_len, len);
	assert_memory_equal(again, bytes, len);
	seal_free(&s);
}

static void seals_of_the_second_writer(void **state)
{
	cJSON *vectors = load_vectors();
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(vectors, "seals"), *item;
	unsigned count = 0;

	cJSON_ArrayForEach(item, list) {
		check_vector(cJSON_GetStringValue(cJSON_GetArrayItem(item, 0)), cJSON_GetStringValue(cJSON_GetArrayItem(item, 1)),
			     cJSON_GetStringValue(cJSON_GetArrayItem(item, 2)));
		count++;
	}
	assert_true(count > 30);
	cJSON_Delete(vectors);
}

static void times_from_names(void **state)
{
	struct seal s = { .committed_s = 1000000 };
	struct stem stem = { .timed = true, .time_s = 1000000 + SEAL_SKEW_S };

	seal_set_time(&s, &stem);
	assert_true(s.timed && !s.imported && s.time_s == stem.time_s);
	stem.time_s++; /* the future */
	seal_set_time(&s, &stem);
	assert_true(!s.timed && !s.imported && s.time_s == 0);
	stem.time_s = 1000000 - SEAL_SKEW_S;
	seal_set_time(&s, &stem);
	assert_true(s.timed && !s.imported && s.time_s == stem.time_s);
	stem.time_s--;
	seal_set_time(&s, &stem);
	assert_true(s.timed && s.imported && s.time_s == stem.time_s);
	stem.time_s = -INT64_C(62167219201); /* a second before the year 0 */
	seal_set_time(&s, &stem);
	assert_true(!s.timed && !s.imported);
	stem.timed = false;
	seal_set_time(&s, &stem);
	assert_true(!s.timed && !s.imported && s.time_s == 0);
}

/* ---- In the bucket */

#define SEALS "backups/.pishop/t/acme/seals/"

static void in_the_bucket(void **state)
{
	struct kit *k = *state;
	AUTO(seal_free) struct seal s = sample(), back = { 0 };
	struct record_id first, second, read;

	assert_int_equal(seal_read(k->v, "acme", STEM, &back, &read, NULL), ENOENT);
	assert_int_equal(seal_write(k->v, &s, NULL, &first, NULL), 0);
	assert_int_equal(seal_write(k->v, &s, NULL, NULL, NULL), EEXIST);
	assert_int_equal(seal_read(k->v, "acme", STEM, &back, &read, NULL), 0);
	assert_same(&s, &back);
	assert_string_equal(read.etag, first.etag);
	assert_memory_equal(read.object, first.object, 16);
	assert_int_equal(seal_write(k->v, &s, &first, &second, NULL), 0);
	assert_memory_not_equal(second.object, first.object, 16);
	assert_int_equal(seal_write(k->v, &s, &first, NULL, NULL), ESTALE);
}

static void copy_raw(struct kit *k, const char *from, const char *to)
{
	uint8_t *data;
	size_t n = kit_raw_get(k->bucket, from, &data, NULL);

	kit_raw_put(k->bucket, to, data, n);
	free(data);
}

/* A seal in another's place, a file in a seal's place, a foreign object, flipped, cut: none counts. */
static void tampering_is_seen(void **state)
{
	struct kit *k = *state;
	AUTO(seal_free) struct seal s = sample();
	struct seal back;

	assert_int_equal(seal_write(k->v, &s, NULL, NULL, NULL), 0);
	copy_raw(k, SEALS STEM, SEALS "other");
	copy_raw(k, SEALS STEM, "backups/.pishop/t/other/seals/" STEM);
	object_unref(kit_file(k, SEALS "file", 1000, 1));
	kit_raw_put(k->bucket, SEALS "plain", "{\"seal\":1}\n", 11);

	char *log;

	kit_log_begin();
	assert_int_equal(seal_read(k->v, "acme", "other", &back, NULL, NULL), EBADMSG);
	assert_null(back.entries);
	assert_int_equal(seal_read(k->v, "other", STEM, &back, NULL, NULL), EBADMSG);
	assert_int_equal(seal_read(k->v, "acme", "file", &back, NULL, NULL), EBADMSG);
	assert_int_equal(seal_read(k->v, "acme", "plain", &back, NULL, NULL), EBADMSG);
	kit_raw_flip(k->bucket, SEALS STEM, 700);
	assert_int_equal(seal_read(k->v, "acme", STEM, &back, NULL, NULL), EBADMSG);
	kit_raw_cut(k->bucket, SEALS STEM, 900);
	assert_int_equal(seal_read(k->v, "acme", STEM, &back, NULL, NULL), EBADMSG);
	log = kit_log_end();
	assert_non_null(strstr(log, "stands in the place of another"));
	assert_non_null(strstr(log, "moved it there"));
	assert_non_null(strstr(log, "not written by this program"));
	free(log);
}

#define IN_BUCKET(test) cmocka_unit_test_setup_teardown(test, kit_setup, kit_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(without_a_time),
		cmocka_unit_test(entries_are_found_by_path),
		cmocka_unit_test(what_is_not_exactly_a_seal_is_refused),
		cmocka_unit_test(every_cut_is_seen),
		cmocka_unit_test(what_cannot_be_read_is_not_written),
		cmocka_unit_test(a_seal_has_an_end),
		cmocka_unit_test(many_entries_are_fast),
		cmocka_unit_test(seals_of_the_second_writer),
		cmocka_unit_test(times_from_names),
		IN_BUCKET(in_the_bucket),
		IN_BUCKET(tampering_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

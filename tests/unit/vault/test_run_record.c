/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/run_record.h"

#include "base/rand.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define WRITER "00112233445566778899aabbccddeeff"

static struct run_record sample(void)
{
	struct run_record r = { .writer = WRITER, .tenant = "acme", .program = "pishopfs 1.2.3", .started = 1700000000, .refreshed = 1700000100 };

	assert_int_equal(run_record_add_upload(&r, "backups/acme/b/big", "id-1", 1700000050), 0);
	assert_int_equal(run_record_add_upload(&r, "backups/acme/b/\"odd\"\\\n\x7f", "id-2", 1700000060), 0);
	run_record_add_failed(&r, "acme/b/f", EIO);
	run_record_add_failed(&r, "acme/b/\xff\xfe no UTF-8", ENOSPC);
	return r;
}

static void assert_same(const struct run_record *a, const struct run_record *b)
{
	assert_string_equal(a->writer, b->writer);
	assert_string_equal(a->tenant, b->tenant);
	assert_string_equal(a->program, b->program);
	assert_string_equal(a->taken_by, b->taken_by);
	assert_true(a->started == b->started && a->refreshed == b->refreshed && a->ended == b->ended);
	assert_true(a->more_uploads == b->more_uploads && a->more_failed == b->more_failed);
	assert_int_equal(a->upload_count, b->upload_count);
	for (size_t i = 0; i < a->upload_count; i++) {
		assert_string_equal(a->uploads[i].key, b->uploads[i].key);
		assert_string_equal(a->uploads[i].id, b->uploads[i].id);
		assert_true(a->uploads[i].since == b->uploads[i].since);
	}
	assert_int_equal(a->failed_count, b->failed_count);
	for (size_t i = 0; i < a->failed_count; i++) {
		assert_string_equal(a->failed[i].path, b->failed[i].path);
		assert_int_equal(a->failed[i].error, b->failed[i].error);
	}
}

static void round_trip(const struct run_record *r)
{
	struct run_record back;
	struct buf json;

	buf_init(&json, RUN_JSON_MAX);
	assert_int_equal(run_record_encode(r, &json), 0);
	assert_int_equal(run_record_decode(json.data, json.len, &back), 0);
	assert_same(r, &back);
	run_record_free(&back);
	buf_free(&json);
}

static void what_was_written_is_read(void **state)
{
	struct run_record r = sample();

	round_trip(&r);
	r.ended = 1700000200;
	memcpy(r.taken_by, "ffeeddccbbaa99887766554433221100", sizeof(r.taken_by));
	r.more_failed = true;
	r.more_uploads = true;
	round_trip(&r);
	run_record_free(&r);
	assert_int_equal(r.upload_count + r.failed_count, 0);
}

static void lists_grow_and_shrink(void **state)
{
	struct run_record r = sample();

	assert_false(run_record_drop_upload(&r, "backups/acme/b/big", "id-2")); /* both must fit */
	assert_true(run_record_drop_upload(&r, "backups/acme/b/big", "id-1"));
	assert_false(run_record_drop_upload(&r, "backups/acme/b/big", "id-1"));
	assert_int_equal(r.upload_count, 1);
	assert_string_equal(r.uploads[0].id, "id-2");

	run_record_add_failed(&r, "acme/b/f", ENOSPC); /* known already */
	assert_int_equal(r.failed_count, 2);
	assert_int_equal(r.failed[0].error, ENOSPC);
	assert_true(run_record_drop_failed(&r, "acme/b/f"));
	assert_false(run_record_drop_failed(&r, "acme/b/f"));
	assert_true(run_record_has_failed(&r));
	assert_true(run_record_drop_failed(&r, "acme/b/\xff\xfe no UTF-8"));
	assert_false(run_record_has_failed(&r));
	run_record_free(&r);
}

static void too_many_failed_paths_are_told(void **state)
{
	struct run_record r = { .writer = WRITER, .tenant = "acme", .program = "p", .started = 1, .refreshed = 1 };
	char path[64];

	for (unsigned i = 0; i < RUN_FAILED_MAX; i++) {
		snprintf(path, sizeof(path), "acme/%u", i);
		run_record_add_failed(&r, path, EIO);
	}
	assert_false(r.more_failed);
	round_trip(&r);
	run_record_add_failed(&r, "acme/one more", EIO);
	assert_true(r.more_failed);
	assert_int_equal(r.failed_count, RUN_FAILED_MAX);
	round_trip(&r);
	for (unsigned i = 0; i < RUN_FAILED_MAX; i++) {
		snprintf(path, sizeof(path), "acme/%u", i);
		assert_true(run_record_drop_failed(&r, path));
	}
	assert_true(run_record_has_failed(&r)); /* the one more is not known by name, and still failed */
	run_record_free(&r);
}

/* What does not fit into one object is cut, and says so. */
static void a_record_never_outgrows_its_object(void **state)
{
	struct run_record r = { .writer = WRITER, .tenant = "acme", .program = "p", .started = 1, .refreshed = 1 }, back;
	char name[1100];
	struct buf json;

	memset(name, 'x', sizeof(name)); /* 2 MiB in all */
	memcpy(name, "acme/", 5);
	for (unsigned i = 0; i < RUN_UPLOADS_MAX + 10; i++) {
		snprintf(name + 1000, sizeof(name) - 1000, "%u", i);
		assert_int_equal(run_record_add_upload(&r, name, "id", 1), 0);
	}
	for (unsigned i = 0; i < RUN_FAILED_MAX; i++) {
		snprintf(name + 1000, sizeof(name) - 1000, "%u", i);
		run_record_add_failed(&r, name, EIO);
	}
	buf_init(&json, RUN_JSON_MAX);
	assert_int_equal(run_record_encode(&r, &json), 0);
	assert_true(json.len <= RUN_JSON_MAX);
	assert_int_equal(run_record_decode(json.data, json.len, &back), 0);
	assert_true(back.more_uploads && back.more_failed);
	assert_true(back.upload_count > 100 && back.failed_count < RUN_FAILED_MAX);
	run_record_free(&back);
	buf_free(&json);
	run_record_free(&r);
}

static void small_uploads_are_limited_too(void **state)
{
	struct run_record r = { .writer = WRITER, .tenant = "acme", .program = "p", .started = 1, .refreshed = 1 }, back;
	struct buf json;

	for (unsigned i = 0; i < RUN_UPLOADS_MAX + 1; i++)
		assert_int_equal(run_record_add_upload(&r, "k", "id", 1), 0);
	buf_init(&json, RUN_JSON_MAX);
	assert_int_equal(run_record_encode(&r, &json), 0);
	assert_int_equal(run_record_decode(json.data, json.len, &back), 0);
	assert_int_equal(back.upload_count, RUN_UPLOADS_MAX);
	assert_true(back.more_uploads);
	run_record_free(&back);
	buf_free(&json);
	run_record_free(&r);
}

#define HEAD "\"writer\":\"" WRITER "\",\"tenant\":\"acme\",\"program\":\"p\",\"started\":\"2026-01-02T03:04:05Z\",\"refreshed\":\"2026-01-02T03:04:05Z\""
#define LISTS ",\"uploads\":[],\"failed\":[]"

static int decode(const char *json)
{
	struct run_record r;
	int rc = run_record_decode(json, strlen(json), &r);

	if (!rc)
		run_record_free(&r);
	return rc;
}

static void only_exact_records_are_read(void **state)
{
	static const char *const bad[] = {
		"", "{}", "[]", "null", "\"x\"", "{" HEAD "}", "{" HEAD LISTS, "{" HEAD LISTS "} ", "{" HEAD LISTS "}{}", "{" HEAD LISTS ",}",
		"{" HEAD ",\"uploads\":[]}", "{" HEAD ",\"failed\":[]}", "{" HEAD ",\"uploads\":{},\"failed\":[]}", "{" HEAD ",\"uploads\":[],\"failed\":null}",
		"{" HEAD LISTS ",\"new\":1}",                        /* of a later version */
		"{" HEAD LISTS ",\"tenant\":\"other\"}",             /* twice */
		"{" HEAD LISTS ",\"Ended\":\"2026-01-02T03:04:05Z\"}", /* another case */
		"{" HEAD LISTS ",\"ended\":\"yesterday\"}", "{" HEAD LISTS ",\"ended\":5}", "{" HEAD LISTS ",\"ended\":\"2026-02-30T03:04:05Z\"}",
		"{" HEAD LISTS ",\"taken_by\":\"\"}", "{" HEAD LISTS ",\"taken_by\":\"00112233445566778899AABBCCDDEEFF\"}",
		"{" HEAD LISTS ",\"taken_by\":\"00112233445566778899aabbccddeef\"}", "{" HEAD LISTS ",\"taken_by\":\"00112233445566778899aabbccddeeff0\"}",
		"{" HEAD LISTS ",\"more_failed\":false}", "{" HEAD LISTS ",\"more_uploads\":1}",
		"{" HEAD ",\"uploads\":[{}],\"failed\":[]}", "{" HEAD ",\"uploads\":[1],\"failed\":[]}",
		"{" HEAD ",\"uploads\":[{\"key\":\"k\",\"id\":\"i\"}],\"failed\":[]}",
		"{" HEAD ",\"uploads\":[{\"key\":\"\",\"id\":\"i\",\"since\":\"2026-01-02T03:04:05Z\"}],\"failed\":[]}",
		"{" HEAD ",\"uploads\":[{\"key\":\"k\",\"id\":\"i\",\"since\":\"2026-01-02T03:04:05Z\",\"x\":1}],\"failed\":[]}",
		"{" HEAD ",\"uploads\":[{\"key\":\"k\",\"id\":5,\"since\":\"2026-01-02T03:04:05Z\"}],\"failed\":[]}",
		"{" HEAD ",\"uploads\":[],\"failed\":[{\"path\":\"p\"}]}", "{" HEAD ",\"uploads\":[],\"failed\":[{\"path\":\"p\",\"error\":0}]}",
		"{" HEAD ",\"uploads\":[],\"failed\":[{\"path\":\"p\",\"error\":5.5}]}", "{" HEAD ",\"uploads\":[],\"failed\":[{\"path\":\"p\",\"error\":1e9}]}",
		"{" HEAD ",\"uploads\":[],\"failed\":[{\"path\":\"p\",\"error\":\"5\"}]}",
		"{" HEAD ",\"uploads\":[],\"failed\":[{\"path\":\"p\",\"error\":5},{\"path\":\"p\",\"error\":5}]}",
		"{" HEAD ",\"uploads\":[],\"failed\":[{\"path\":\"p\\u0000q\",\"error\":5}]}", /* a hidden end */
		"{" HEAD ",\"uploads\":[],\"failed\":[{\"path\":\"p\\\\\\u0000q\",\"error\":5}]}",
	};
	static const char *const good[] = {
		"{" HEAD LISTS "}", "{" HEAD LISTS ",\"ended\":\"2026-01-02T03:04:05Z\",\"more_failed\":true}",
		"{" HEAD ",\"uploads\":[{\"key\":\"k\",\"id\":\"i\",\"since\":\"2026-01-02T03:04:05Z\"}],\"failed\":[{\"path\":\"p\",\"error\":5}]}",
		"{" HEAD ",\"uploads\":[],\"failed\":[{\"path\":\"p\\\\u0000q\",\"error\":5}]}", /* a backslash, and letters */
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (decode(bad[i]) != EBADMSG)
			fail_msg("was read: %s", bad[i]);
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (decode(good[i]))
			fail_msg("was not read: %s", good[i]);
}

static void heads_are_checked(void **state)
{
	static const char *const names[] = { "writer", "tenant", "program", "started", "refreshed" };
	static const char *const values[] = { "\"\"", "5", "null", "\"a/b\\u0000\"", "[]" };
	char json[1024];

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		for (size_t j = 0; j < ARRAY_LEN(values); j++) {
			size_t used = (size_t)snprintf(json, sizeof(json), "{\"%s\":%s", names[i], values[j]);

			for (size_t k = 0; k < ARRAY_LEN(names); k++)
				if (k != i)
					used += (size_t)snprintf(json + used, sizeof(json) - used, ",\"%s\":\"%s\"", names[k],
								 k == 0 ? WRITER : k < 3 ? "x" : "2026-01-02T03:04:05Z");
			snprintf(json + used, sizeof(json) - used, LISTS "}");
			assert_int_equal(decode(json), EBADMSG);
		}
	assert_int_equal(decode("{" HEAD LISTS "}"), 0);
	snprintf(json, sizeof(json), "{\"writer\":\"" WRITER "\",\"tenant\":\"a/b\",\"program\":\"p\",\"started\":\"2026-01-02T03:04:05Z\",\"refreshed\":"
				     "\"2026-01-02T03:04:05Z\"" LISTS "}");
	assert_int_equal(decode(json), EBADMSG);
}

/* Whatever is cut or changed, nothing worse than EBADMSG comes of it. */
static void damaged_records_do_no_harm(void **state)
{
	struct run_record r = sample(), back;
	struct buf json;

	buf_init(&json, RUN_JSON_MAX);
	assert_int_equal(run_record_encode(&r, &json), 0);
	for (size_t n = 0; n < json.len; n++)
		assert_int_equal(run_record_decode(json.data, n, &back), EBADMSG);
	for (int i = 0; i < 5000; i++) {
		size_t at = rand_below((uint32_t)json.len);
		uint8_t was = json.data[at];

		json.data[at] = (uint8_t)rand_below(256);

		int rc = run_record_decode(json.data, json.len, &back);

		assert_true(rc == 0 || rc == EBADMSG);
		if (!rc)
			run_record_free(&back);
		json.data[at] = was;
	}
	buf_free(&json);
	run_record_free(&r);
}

static void oversized_input_is_refused(void **state)
{
	char *json = malloc(RUN_JSON_MAX + 1);
	struct run_record r;

	memset(json, ' ', RUN_JSON_MAX + 1);
	memcpy(json + RUN_JSON_MAX + 1 - strlen("{" HEAD LISTS "}"), "{" HEAD LISTS "}", strlen("{" HEAD LISTS "}"));
	assert_int_equal(run_record_decode(json, RUN_JSON_MAX + 1, &r), EBADMSG);
	assert_int_equal(run_record_decode(json + 1, RUN_JSON_MAX, &r), 0); /* the same, within the limit */
	run_record_free(&r);
	free(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),     cmocka_unit_test(lists_grow_and_shrink),
		cmocka_unit_test(too_many_failed_paths_are_told), cmocka_unit_test(a_record_never_outgrows_its_object),
		cmocka_unit_test(small_uploads_are_limited_too), cmocka_unit_test(only_exact_records_are_read),
		cmocka_unit_test(heads_are_checked),            cmocka_unit_test(damaged_records_do_no_harm),
		cmocka_unit_test(oversized_input_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/run_record.h"

#include <errno.h>

/* Any bytes as a writer's record. They are refused, or else they say what the program itself would write: written again and read again they
 * are the same record, within its limits. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
	if (!condition)
		abort();
}

static bool same_lists(const struct run_record *a, const struct run_record *b)
{
	bool same = a->upload_count == b->upload_count && a->failed_count == b->failed_count;

	for (size_t i = 0; same && i < a->upload_count; i++)
		same = !strcmp(a->uploads[i].key, b->uploads[i].key) && !strcmp(a->uploads[i].id, b->uploads[i].id) && a->uploads[i].since == b->uploads[i].since;
	for (size_t i = 0; same && i < a->failed_count; i++)
		same = !strcmp(a->failed[i].path, b->failed[i].path) && a->failed[i].error == b->failed[i].error;
	return same;
}

static bool same_heads(const struct run_record *a, const struct run_record *b)
{
	return !strcmp(a->writer, b->writer) && !strcmp(a->tenant, b->tenant) && !strcmp(a->program, b->program) && !strcmp(a->taken_by, b->taken_by) &&
	       a->started == b->started && a->refreshed == b->refreshed && a->ended == b->ended && a->more_uploads == b->more_uploads &&
	       a->more_failed == b->more_failed;
}

static void expect_limits(const struct run_record *r)
{
	expect(strlen(r->writer) == RUN_WRITER_HEX - 1 && r->tenant[0] && r->program[0]);
	expect(r->upload_count <= RUN_UPLOADS_MAX && r->failed_count <= RUN_FAILED_MAX);
	for (size_t i = 0; i < r->upload_count; i++)
		expect(r->uploads[i].key[0] && strlen(r->uploads[i].key) < PATH_CAP && strlen(r->uploads[i].id) < STORE_UPLOAD_MAX);
	for (size_t i = 0; i < r->failed_count; i++)
		expect(r->failed[i].path[0] && strlen(r->failed[i].path) < PATH_CAP && r->failed[i].error > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run_record first, second;
	struct buf json;
	int rc = run_record_decode(data, size, &first);

	expect(rc == 0 || rc == EBADMSG);
	if (rc)
		return 0;
	expect_limits(&first);
	buf_init(&json, RUN_JSON_MAX);
	expect(run_record_encode(&first, &json) == 0);
	expect(run_record_decode(json.data, json.len, &second) == 0);
	expect(same_heads(&first, &second) && same_lists(&first, &second));
	run_record_free(&first);
	run_record_free(&second);
	buf_free(&json);
	return 0;
}

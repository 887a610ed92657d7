/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_vault.h"

#include "tools/say.h"
#include "tools/show.h"

/* Tables, sizes, JSON, questions and progress. */

static void sizes_for_people(void **state)
{
	static const struct { uint64_t bytes; const char *text; } rows[] = {
		{ 0, "0 B" }, { 1023, "1023 B" }, { 1024, "1.0 KiB" }, { 1536, "1.5 KiB" }, { 1048575, "1.0 MiB" }, { 5ull << 30, "5.0 GiB" },
		{ UINT64_MAX, "16.0 EiB" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char out[SHOW_CAP];

		show_bytes(out, rows[i].bytes);
		assert_string_equal(out, rows[i].text);
	}
}

static char *table_text(bool terminal)
{
	static const struct show_column columns[] = { { "NAME" }, { "SIZE", .right = true }, { "NOTE", .wrap = true } };
	char *out = NULL;
	size_t len;
	struct tool t = { .out = open_memstream(&out, &len), .out_terminal = terminal };
	AUTO(auto_show_table_free) struct show_table *table = show_table_new(&t, columns, ARRAY_LEN(columns));

	assert_int_equal(show_print(table), 0); /* no rows: nothing */
	assert_int_equal(show_row(table, (const char *const[]){ "a", "1 B", "" }), 0);
	assert_int_equal(show_row(table, (const char *const[]){ "long\033[31m\xff", "1234 B", "a note of some words, more of them than fit" }), 0);
	assert_int_equal(show_rows(table), 2);
	assert_int_equal(show_print(table), 0);
	fclose(t.out);
	return out;
}

static void tables_are_aligned_text(void **state)
{
	AUTO_FREE char *out = table_text(false);

	assert_string_equal(out, "NAME               SIZE NOTE\n"
				 "a                   1 B -\n"
				 "long\\x1b[31m\\xff 1234 B a note of some words, more of them than fit\n");
}

static void names_cannot_write_to_the_terminal(void **state)
{
	AUTO_FREE char *out = table_text(true);

	assert_null(strchr(out, '\033'));
	assert_non_null(strstr(out, " a note of some words, more of them than"));
	assert_null(strstr(out, "than fit")); /* a line of its own, broken between words */
	assert_non_null(strstr(out, "\\x1b[31m\\xff"));
}

static void json_is_always_json(void **state)
{
	char *out = NULL;
	size_t len;
	struct tool t = { .out = open_memstream(&out, &len), .err = stderr };
	struct show_doc doc;

	show_doc_begin(&doc);
	json_text(&doc, doc.root, "name", "a\"b\\c\n\xff\xe2\x82\xac");
	json_text(&doc, doc.root, "none", NULL);
	json_text(&doc, doc.root, "empty", "");
	json_number(&doc, doc.root, "big", (1ull << 53) - 1);
	json_time(&doc, doc.root, "never", 0);
	json_time(&doc, doc.root, "time", 1764072000);
	json_list_text(&doc, json_list(&doc, doc.root, "list"), "x");
	assert_int_equal(show_json(&t, &doc), TOOL_DONE);
	fclose(t.out);
	assert_string_equal(out, "{\"name\":\"a\\\"b\\\\c\\u000a\\\\xff\xe2\x82\xac\",\"none\":null,\"empty\":\"\",\"big\":9007199254740991,\"never\":null,"
				 "\"time\":\"2025-11-25T12:00:00Z\",\"list\":[\"x\"]}\n");

	cJSON *parsed = cJSON_Parse(out);

	assert_non_null(parsed);
	cJSON_Delete(parsed);
	free(out);
}

/* A document that lacks something is not printed. */
static void half_a_document_is_none(void **state)
{
	char *out = NULL, *err = NULL;
	size_t len;
	struct tool t = { .out = open_memstream(&out, &len), .err = open_memstream(&err, &len) };
	struct show_doc doc;

	show_doc_begin(&doc);
	json_text(&doc, NULL, "name", "value"); /* its parent was not made */
	assert_int_equal(show_json(&t, &doc), TOOL_FAILED);
	fclose(t.out);
	fclose(t.err);
	assert_string_equal(out, "");
	assert_non_null(strstr(err, "out of memory"));
	free(out);
	free(err);
}

static void answers(void **state)
{
	static const char *const yes[] = { "y\n", "yes\n", "yes" }, *const no[] = { "\n", "n\n", "Y?\n", "yesterday\n", "no\n" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		fake_run_typing(yes[i], TOOL_DONE, "hold", "remove", "acme/x", NULL);
	assert_calls("unhold acme/x\nunhold acme/x\nunhold acme/x\n");
	for (size_t i = 0; i < ARRAY_LEN(no); i++) {
		fake_run_typing(no[i], TOOL_FAILED, "hold", "remove", "acme/x", NULL);
		assert_err("[y/N]");
		assert_err("nothing was done");
	}
	fake_run(TOOL_USAGE, "hold", "remove", "acme/x", NULL); /* nobody is there */
	assert_err("give --yes");
	assert_calls("unhold acme/x\nunhold acme/x\nunhold acme/x\n");
	fake_run(TOOL_DONE, "hold", "remove", "acme/x", "--yes", NULL);
	atomic_store(&fake.stop, true);
	fake_run_typing("y\n", TOOL_INTERRUPTED, "hold", "remove", "acme/x", NULL);
	assert_calls("unhold acme/x\nunhold acme/x\nunhold acme/x\nunhold acme/x\n");
}

static void progress_is_for_terminals(void **state)
{
	fake_run_typing("\n", TOOL_DONE, "verify", "acme", NULL);
	assert_err("1 of 2 backups, 3 objects");
	fake_run(TOOL_DONE, "verify", "acme", NULL);
	assert_string_equal(fake_err, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_for_people), cmocka_unit_test(tables_are_aligned_text), cmocka_unit_test(names_cannot_write_to_the_terminal),
		cmocka_unit_test(json_is_always_json), cmocka_unit_test(half_a_document_is_none), cmocka_unit_test_setup(answers, fake_setup),
		cmocka_unit_test_setup(progress_is_for_terminals, fake_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

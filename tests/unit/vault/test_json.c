/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct sample {
	char text[16], any[16], hex[9];
	uint8_t id[4];
	uint64_t n;
	uint32_t small;
	int64_t time, seconds;
	bool flag, null;
	unsigned word;
};

static const char *const words[] = { "file", "folder" };

static int read_sample(const char *line, struct sample *s)
{
	AUTO(json_free) struct json j = { 0 };

	json_parse(&j, line, strlen(line));
	json_get_version(&j, "sample", 1);
	json_get_text(&j, "text", s->text, sizeof(s->text));
	json_get_any_text(&j, "any", s->any, sizeof(s->any));
	json_get_u64(&j, "n", &s->n);
	json_get_u32(&j, "small", 07777, &s->small);
	json_get_seconds(&j, "seconds", &s->seconds);
	json_get_time(&j, "time", &s->time);
	json_get_bool(&j, "flag", &s->flag);
	json_get_hex(&j, "id", s->id, sizeof(s->id));
	json_get_hex_text(&j, "hex", s->hex, 4);
	json_get_word(&j, "word", words, ARRAY_LEN(words), &s->word);
	s->null = json_get_null(&j, "null");
	return json_end(&j);
}

#define GOOD                                                                                                                             \
	"{\"sample\":1,\"text\":\"a\xff\\\"\\\\\\u0001\",\"any\":\"\",\"n\":9007199254740991,\"small\":511,\"seconds\":86400,"           \
	"\"time\":\"2026-01-02T03:04:05Z\",\"flag\":true,\"id\":\"0001feff\",\"hex\":\"89abcdef\",\"word\":\"folder\",\"null\":null}"

static void members_are_taken(void **state)
{
	struct sample s = { 0 };

	assert_int_equal(read_sample(GOOD, &s), 0);
	assert_string_equal(s.text, "a\xff\"\\\x01");
	assert_string_equal(s.any, "");
	assert_true(s.n == JSON_INT_MAX && s.small == 511 && s.seconds == 86400 && s.time == 1767323045);
	assert_true(s.flag && s.null && s.word == 1);
	assert_memory_equal(s.id, "\x00\x01\xfe\xff", 4);
	assert_string_equal(s.hex, "89abcdef");
}

/* GOOD with `from` replaced by `to` once. */
static int altered(const char *from, const char *to)
{
	static const char good[] = GOOD;
	const char *at = strstr(good, from);
	struct sample s = { 0 };
	char line[1024];

	assert_non_null(at);
	snprintf(line, sizeof(line), "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
	return read_sample(line, &s);
}

static void any_order_but_the_first(void **state)
{
	assert_int_equal(altered("\"flag\":true,", ""), EBADMSG);
	assert_int_equal(altered("\"sample\":1,\"text\":\"a\xff\\\"\\\\\\u0001\"", "\"text\":\"x\",\"sample\":1"), EBADMSG);
	assert_int_equal(altered("\"n\":9007199254740991,\"small\":511", "\"small\":511,\"n\":5"), 0);
	assert_int_equal(altered("\"null\":null", " \"null\" : null "), 0);
}

static void what_is_not_exactly_right_is_refused(void **state)
{
	static const char *const cases[][2] = {
		{ "\"null\":null", "\"null\":null,\"more\":1" },   /* unknown */
		{ "\"null\":null", "\"null\":null,\"flag\":true" }, /* twice */
		{ "\"null\":null", "\"null\":0" },
		{ "\"null\":null", "\"Null\":null" },
		{ "\"any\":\"\"", "\"any\":\"0123456789abcdef\"" },   /* too long by its NUL */
		{ "\"text\":\"a", "\"text\":\"0123456789ab" },
		{ "a\xff\\\"\\\\\\u0001", "" },
		{ "a\xff", "a\\u0000" },
		{ "a\xff", "a\t" },
		{ "9007199254740991", "9007199254740992" },
		{ "9007199254740991", "9007199254740993" },
		{ "9007199254740991", "1.0" },
		{ "9007199254740991", "1e3" },
		{ "9007199254740991", "-1" },
		{ "9007199254740991", "-0" },
		{ "9007199254740991", "+1" },
		{ "9007199254740991", "007" },
		{ "9007199254740991", "\"7\"" },
		{ "9007199254740991", "0x7" },
		{ "511", "4096" },
		{ "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.5Z" },
		{ "2026-01-02T03:04:05Z", "2026-02-30T03:04:05Z" },
		{ "2026-01-02T03:04:05Z", "2026-01-02 03:04:05Z" },
		{ "true", "1" },
		{ "0001feff", "0001FEFF" },
		{ "0001feff", "0001fef" },
		{ "89abcdef", "89abcdef0" },
		{ "\"folder\"", "\"Folder\"" },
		{ "null}", "null}}" },
		{ "null}", "null} x" },
		{ "null}", "null" },
		{ "null}", "null,}" },
		{ "{\"sample\"", "[{\"sample\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (altered(cases[i][0], cases[i][1]) != EBADMSG)
			fail_msg("%s instead of %s passes", cases[i][1], cases[i][0]);
	assert_int_equal(altered("\"sample\":1", "\"sample\":2"), EPROTONOSUPPORT);
	assert_int_equal(altered("\"sample\":1", "\"sample\":\"1\""), EBADMSG);
}

static void lists_and_objects_inside(void **state)
{
	const char *line = "{\"list\":[{\"a\":1},{\"a\":2},{\"b\":3}],\"in\":{\"a\":4}}";
	AUTO(json_free) struct json j = { 0 };
	struct json inner;
	const cJSON *item;
	uint64_t a = 0, sum = 0;
	unsigned bad = 0;

	assert_int_equal(json_parse(&j, line, strlen(line)), 0);

	const cJSON *list = json_get_list(&j, "list");

	cJSON_ArrayForEach(item, list) {
		json_enter(&inner, item);
		json_get_u64(&inner, "a", &a);
		sum += a;
		bad += json_end(&inner) != 0;
	}
	assert_int_equal(bad, 1);
	json_get_object(&j, "in", &inner);
	json_get_u64(&inner, "a", &a);
	assert_int_equal(json_end(&inner), 0);
	assert_true(a == 4 && sum == 5);
	assert_int_equal(json_end(&j), 0);
	assert_null(json_get_list(&j, "in"));
	assert_int_equal(json_end(&j), EBADMSG);
}

static void write(struct json_out *o)
{
	json_begin(o, NULL, '{');
	json_put_u64(o, "sample", 1);
	json_put_text(o, "text", "a\xff\"\\\x01");
	json_put_text(o, "none", NULL);
	json_begin(o, "list", '[');
	for (unsigned i = 0; i < 2; i++) {
		json_begin(o, NULL, '{');
		json_put_bool(o, "b", i);
		json_close(o, '}');
	}
	json_close(o, ']');
	json_put_time(o, "time", 1767323045);
	json_put_hex(o, "id", (const uint8_t *)"\x00\xfe", 2);
	json_close(o, '}');
	json_end_line(o);
}

static void what_is_written(void **state)
{
	struct buf b;
	struct json_out o = { .to = &b };
	size_t len;
	char *text;

	buf_init(&b, 4096);
	write(&o);
	write(&o);
	assert_int_equal(json_out_text(&o, &text, &len), 0);
	assert_int_equal(len, strlen(text));

	const char *expected = "{\"sample\":1,\"text\":\"a\xff\\\"\\\\\\u0001\",\"none\":null,\"list\":[{\"b\":false},{\"b\":true}],"
			       "\"time\":\"2026-01-02T03:04:05Z\",\"id\":\"00fe\"}\n";
	const char *line;
	size_t at = 0, line_len;
	unsigned lines = 0;

	while (json_line(text, len, &at, &line, &line_len)) {
		assert_int_equal(line_len + 1, strlen(expected));
		assert_memory_equal(line, expected, line_len + 1);
		lines++;
	}
	assert_true(lines == 2 && at == len);
	at = 0;
	assert_false(json_line("{}", 2, &at, &line, &line_len)); /* not ended */
	assert_false(json_line("\n", 1, &at, &line, &line_len)); /* empty */
	assert_int_equal(at, 0);
	free(text);
}

static void what_the_format_cannot_hold(void **state)
{
	struct buf b;
	struct json_out o = { .to = &b };
	char *text;

	buf_init(&b, 64);
	json_put_u64(&o, "n", JSON_INT_MAX + 1);
	assert_int_equal(json_out_text(&o, &text, NULL), EINVAL);
	assert_null(text);

	o = (struct json_out){ .to = &b };
	json_put_time(&o, "t", INT64_C(1) << 60);
	assert_int_equal(json_out_text(&o, &text, NULL), EINVAL);

	o = (struct json_out){ .to = &b };
	write(&o); /* longer than the cap */
	assert_int_equal(json_out_text(&o, &text, NULL), EFBIG);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_taken),
		cmocka_unit_test(any_order_but_the_first),
		cmocka_unit_test(what_is_not_exactly_right_is_refused),
		cmocka_unit_test(lists_and_objects_inside),
		cmocka_unit_test(what_is_written),
		cmocka_unit_test(what_the_format_cannot_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/xml.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Collects "path=text;" of every element. */
static int collect(void *arg, const char *path, const char *text)
{
	return buf_printf(arg, "%s=%s;", path, text);
}

static void expect_read(const char *document, const char *expected)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	assert_int_equal(xml_read(document, strlen(document), collect, &out), 0);
	assert_string_equal(buf_text(&out), expected);
	buf_free(&out);
}

static void elements_come_with_their_paths(void **state)
{
	expect_read("<a/>", "a=;");
	expect_read("<a><b>x</b><b>y</b></a>", "a/b=x;a/b=y;a=;");
	expect_read("<a>one<b>x</b>two</a>", "a/b=x;a=two;");
	expect_read("<?xml version=\"1.0\" encoding=\"UTF-8\"?><a xmlns=\"http://x\" b=\"c\"><d>e</d></a>", "a/d=e;a=;");
}

static void text_is_decoded(void **state)
{
	expect_read("<a>&quot;x&quot; &amp; &lt;&#13;&#x41;&gt;</a>", "a=\"x\" & <\rA>;");
	expect_read("<a><![CDATA[<b>&amp;]]></a>", "a=<b>&amp;;");
	expect_read("<a>\xc3\xa9<!-- c -->\xf0\x9f\x94\x92</a>", "a=\xc3\xa9\xf0\x9f\x94\x92;");
}

static void blanks_before_it_keep_a_connection_awake(void **state)
{
	expect_read("  \r\n\t <?xml version=\"1.0\"?>\n<a/>\n", "a=;");
}

static int read_all(const char *document, size_t n)
{
	struct buf out;
	int rc;

	buf_init(&out, 1 << 20);
	rc = xml_read(document, n, collect, &out);
	buf_free(&out);
	return rc;
}

static void broken_documents(void **state)
{
	static const char *const bad[] = {
		"", " ", "x", "<a>", "<a></b>", "<a/><b/>", "<a/>x", "<a>&unknown;</a>", "<a>\xff</a>", "<a>\x01</a>", "<a>&#1;</a>", "<a b=c/>",
		"<!DOCTYPE a><a/>", "<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>",
		"<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(read_all(bad[i], strlen(bad[i])), EBADMSG);
}

static void every_cut_is_found(void **state)
{
	const char whole[] = "<?xml version=\"1.0\"?><a><b>text</b><c/></a>";

	for (size_t n = 0; n < sizeof(whole) - 1; n++)
		assert_int_equal(read_all(whole, n), EBADMSG);
	assert_int_equal(read_all(whole, sizeof(whole) - 1), 0);
}

static void large_documents(void **state)
{
	struct buf document;

	buf_init(&document, 1 << 20);
	for (int i = 0; i < 16; i++)
		assert_int_equal(buf_puts(&document, "<a>"), 0);
	for (int i = 0; i < 16; i++)
		assert_int_equal(buf_puts(&document, "</a>"), 0);
	assert_int_equal(read_all((char *)document.data, document.len), 0);
	assert_int_equal(read_all("<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></a>", 115), EBADMSG);
	buf_reset(&document);
	assert_int_equal(buf_puts(&document, "<a>"), 0);
	assert_int_equal(buf_fill(&document, 'x', 16384), 0);
	assert_int_equal(buf_puts(&document, "</a>"), 0);
	assert_int_equal(read_all((char *)document.data, document.len), 0);
	buf_reset(&document);
	assert_int_equal(buf_puts(&document, "<a>"), 0);
	assert_int_equal(buf_fill(&document, 'x', 16385), 0);
	assert_int_equal(buf_puts(&document, "</a>"), 0);
	assert_int_equal(read_all((char *)document.data, document.len), EBADMSG);
	buf_reset(&document);
	assert_int_equal(buf_puts(&document, "<"), 0);
	assert_int_equal(buf_fill(&document, 'n', 256), 0);
	assert_int_equal(buf_puts(&document, "/>"), 0);
	assert_int_equal(read_all((char *)document.data, document.len), EBADMSG);
	buf_free(&document);
}

static int stop_at_b(void *arg, const char *path, const char *text)
{
	++*(int *)arg;
	return strcmp(path, "a/b") == 0 ? ERANGE : 0;
}

static void a_reader_may_stop(void **state)
{
	int calls = 0;

	assert_int_equal(xml_read("<a><b/><c/></a>", 15, stop_at_b, &calls), ERANGE);
	assert_int_equal(calls, 1);
}

static void what_xml_can_carry(void **state)
{
	static const char *const good[] = { "", "a", "tab\t", "line\nbreak\r", "\x7f", "\xc3\xa9", "\xef\xbf\xbd", "\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x01", "a\x1f", "\xef\xbf\xbe", "\xef\xbf\xbf", "\xc3", "\xe9", "\xc0\xaf", "\xed\xa0\x80",
					   "\xf4\x90\x80\x80", "\x80", "\xf0\x82\x82\xac", "a\xff" };
	static const char *const utf8_all_the_same[] = { "\x01", "\xef\xbf\xbf" };
	struct buf out;

	buf_init(&out, 1024);
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(xml_can_carry(good[i]) && xml_is_utf8(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(xml_can_carry(bad[i]));
		assert_int_equal(xml_put(&out, bad[i]), EINVAL);
	}
	for (size_t i = 0; i < ARRAY_LEN(utf8_all_the_same); i++)
		assert_true(xml_is_utf8(utf8_all_the_same[i]));
	assert_false(xml_is_utf8("\xc0\xaf"));
	assert_int_equal(out.len, 0);
	buf_free(&out);
}

static int keep_text(void *arg, const char *path, const char *text)
{
	return buf_puts(arg, text);
}

static void what_is_written_is_read_again(void **state)
{
	const char text[] = "<a b=\"c\" d='e'>&amp;]]>\t\r\n\r x\xc3\xa9";
	struct buf document, back;

	buf_init(&document, 4096);
	buf_init(&back, 4096);
	assert_int_equal(buf_puts(&document, "<t>"), 0);
	assert_int_equal(xml_put(&document, text), 0);
	assert_int_equal(buf_puts(&document, "</t>"), 0);
	assert_int_equal(xml_read(document.data, document.len, keep_text, &back), 0);
	assert_string_equal(buf_text(&back), text);
	buf_free(&document);
	buf_free(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_come_with_their_paths),
		cmocka_unit_test(text_is_decoded),
		cmocka_unit_test(blanks_before_it_keep_a_connection_awake),
		cmocka_unit_test(broken_documents),
		cmocka_unit_test(every_cut_is_found),
		cmocka_unit_test(large_documents),
		cmocka_unit_test(a_reader_may_stop),
		cmocka_unit_test(what_xml_can_carry),
		cmocka_unit_test(what_is_written_is_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

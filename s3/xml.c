/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/xml.h"

#include <errno.h>
#include <expat.h>

#define DEPTH_MAX 16
#define PATH_MAX_BYTES 256 /* with the NUL */
#define TEXT_MAX 16384

struct walk {
	XML_Parser parser;
	xml_fn fn;
	void *arg;
	char path[PATH_MAX_BYTES];
	size_t path_len;
	size_t ends[DEPTH_MAX]; /* path_len before each open element */
	int depth;
	struct buf text;
	int rc;
};

static void stop(struct walk *w, int rc)
{
	if (!w->rc)
		w->rc = rc;
	XML_StopParser(w->parser, XML_FALSE);
}

static void XMLCALL on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct walk *w = arg;
	size_t n = strlen(name);

	if (w->depth == DEPTH_MAX || w->path_len + 1 + n >= sizeof(w->path)) {
		stop(w, EBADMSG);
		return;
	}
	w->ends[w->depth++] = w->path_len;
	if (w->path_len)
		w->path[w->path_len++] = '/';
	memcpy(w->path + w->path_len, name, n + 1);
	w->path_len += n;
	buf_reset(&w->text);
}

static void XMLCALL on_text(void *arg, const XML_Char *text, int n)
{
	struct walk *w = arg;

	if (w->text.len + (size_t)n > TEXT_MAX)
		stop(w, EBADMSG);
	else if (buf_put(&w->text, text, (size_t)n))
		stop(w, ENOMEM);
}

static void XMLCALL on_end(void *arg, const XML_Char *name)
{
	struct walk *w = arg;
	const char *text = buf_text(&w->text);

	if (w->rc)
		return;
	if (!text) {
		stop(w, ENOMEM);
		return;
	}

	int rc = w->fn(w->arg, w->path, text);

	if (rc) {
		stop(w, rc);
		return;
	}
	w->path_len = w->ends[--w->depth];
	w->path[w->path_len] = '\0';
	buf_reset(&w->text);
}

/* No server has a reason to send one, and entities are how small documents become large. */
static void XMLCALL on_doctype(void *arg, const XML_Char *name, const XML_Char *system, const XML_Char *public, int internal)
{
	stop(arg, EBADMSG);
}

int xml_read(const void *data, size_t len, xml_fn fn, void *arg)
{
	const char *text = data;
	struct walk w = { .fn = fn, .arg = arg };

	while (len && (*text == ' ' || *text == '\t' || *text == '\r' || *text == '\n')) {
		text++;
		len--;
	}
	if (len == 0 || len > INT32_MAX)
		return EBADMSG;
	w.parser = XML_ParserCreate(NULL);
	if (!w.parser)
		return ENOMEM;
	buf_init(&w.text, TEXT_MAX + 1); /* and the NUL */
	XML_SetUserData(w.parser, &w);
	XML_SetElementHandler(w.parser, on_start, on_end);
	XML_SetCharacterDataHandler(w.parser, on_text);
	XML_SetStartDoctypeDeclHandler(w.parser, on_doctype);
	if (XML_Parse(w.parser, text, (int)len, 1) != XML_STATUS_OK && !w.rc)
		w.rc = XML_GetErrorCode(w.parser) == XML_ERROR_NO_MEMORY ? ENOMEM : EBADMSG;
	XML_ParserFree(w.parser);
	buf_free(&w.text);
	return w.rc;
}

/* The character at *at, which is advanced behind it; -1: not valid UTF-8. */
static long next_character(const unsigned char **at)
{
	static const long smallest[] = { 0, 0x80, 0x800, 0x10000 };
	unsigned char first = *(*at)++;
	int more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3; /* bytes that go on with it */

	if ((first >= 0x80 && first < 0xc0) || first >= 0xf8)
		return -1;

	long c = more == 0 ? first : first & (0x3f >> more);

	for (int i = 0; i < more; i++) {
		if ((**at & 0xc0) != 0x80)
			return -1;
		c = c << 6 | (*(*at)++ & 0x3f);
	}
	return c < smallest[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? -1 : c;
}

bool xml_is_utf8(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at)
		if (next_character(&at) < 0)
			return false;
	return true;
}

bool xml_can_carry(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		long c = next_character(&at);

		if (c < 0x20 ? c != '\t' && c != '\n' && c != '\r' : c == 0xfffe || c == 0xffff) /* < 0x20: also -1, not UTF-8 */
			return false;
	}
	return true;
}

static const char *escape(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&apos;";
	case '\t':
		return "&#9;"; /* written as references, they survive the reader's line end rules */
	case '\n':
		return "&#10;";
	case '\r':
		return "&#13;";
	default:
		return NULL;
	}
}

int xml_put(struct buf *out, const char *text)
{
	int rc = xml_can_carry(text) ? 0 : EINVAL;

	for (; !rc && *text; text++) {
		const char *escaped = escape(*text);

		rc = escaped ? buf_puts(out, escaped) : buf_put_u8(out, (uint8_t)*text);
	}
	return rc;
}

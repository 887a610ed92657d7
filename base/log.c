/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/clock.h"
#include "base/log_syslog.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

/* A line is at most PIPE_BUF long, so that one write(2) to a pipe never mixes with another thread's or process's. */
#define LINE_MAX_BYTES 4096
#define MESSAGE_MAX 2048 /* before escaping */
#define MESSAGE_OUT_MAX 2560
#define PATH_OUT_MAX 1280

static atomic_int wanted_level = LOG_INFO;
static atomic_int wanted_format = LOG_TEXT;
static atomic_bool to_syslog;

void log_setup(enum log_level level, enum log_format format)
{
	atomic_store(&wanted_level, (int)level);
	atomic_store(&wanted_format, (int)format);
}

void log_also_syslog(const char *name)
{
	log_syslog_open(name);
	atomic_store(&to_syslog, true);
}

bool log_wants(enum log_level level)
{
	return (int)level <= atomic_load(&wanted_level);
}

/* Length and code point of the UTF-8 sequence at p; 0 where it is none (overlong forms, surrogates and cut ones included). */
static size_t utf8_decode(const unsigned char *p, uint32_t *code)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;

	if (n < 2) {
		*code = p[0];
		return n;
	}
	*code = p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if (p[i] >> 6 != 2) /* the NUL at the end stops here too */
			return 0;
		*code = *code << 6 | (p[i] & 0x3fu);
	}
	if (*code < smallest[n] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff))
		return 0;
	return n;
}

/* C0, DEL and C1 move the cursor; the separators end lines in some viewers; the direction marks reorder what is read. */
static bool is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x061c || (code >= 0x200e && code <= 0x200f) ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

/* One escape for the n bytes at p, which are the character `code` (n > 0) or one invalid byte (n == 0). Returns its length. */
static size_t escape_one(char out[20], const unsigned char *p, size_t n, uint32_t code, bool json)
{
	size_t used = 0;

	if (json && n && (code == '"' || code == '\\'))
		return (size_t)snprintf(out, 20, "\\%c", (char)code);
	if (json && n)
		return (size_t)snprintf(out, 20, "\\u%04x", code);
	for (size_t i = 0; i < max_size(n, 1); i++)
		used += (size_t)snprintf(out + used, 20 - used, json ? "\\\\x%02x" : "\\x%02x", p[i]);
	return used;
}

/* keep_quotes: for text that does not stand between quotes. */
static size_t escape(char *out, size_t cap, const char *text, bool json, bool keep_quotes)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t used = 0;

	if (!cap)
		return 0;
	while (*p) {
		uint32_t code;
		size_t n = utf8_decode(p, &code), add = n;
		char escaped[20];
		bool plain = n && !is_control(code) && code != '\\' && (code != '"' || keep_quotes);

		if (!plain)
			add = escape_one(escaped, p, n, code, json);
		if (add >= cap - used)
			break;
		memcpy(out + used, plain ? (const void *)p : escaped, add);
		used += add;
		p += max_size(n, 1);
	}
	out[used] = '\0';
	return used;
}

void log_escape(char *out, size_t cap, const char *text, bool json)
{
	escape(out, cap, text, json, false);
}

void log_printable(char *out, size_t cap, const char *text)
{
	escape(out, cap, text, false, true);
}

/* YYYY-MM-DDThh:mm:ss.mmmZ */
static void format_now(char out[32])
{
	struct timespec now = clock_wall();
	char whole[24];

	clock_format_utc(whole, now.tv_sec);
	whole[strcspn(whole, "Z")] = '\0';
	snprintf(out, 32, "%s.%03dZ", whole, (int)(now.tv_nsec / 1000000));
}

/* Text and path are escaped already; path NULL: none. */
static int format_line(char line[LINE_MAX_BYTES], bool json, enum log_level level, const char *topic, const char *text, const char *path)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	const char *before = "", *after = "";
	char now[32];

	format_now(now);
	if (path) {
		before = json ? ",\"path\":\"" : " path=\"";
		after = "\"";
	}
	if (json)
		return snprintf(line, LINE_MAX_BYTES, "{\"time\":\"%s\",\"level\":\"%s\",\"topic\":\"%.32s\",\"msg\":\"%s\"%s%s%s}\n", now,
				names[level], topic, text, before, path ? path : "", after);
	return snprintf(line, LINE_MAX_BYTES, "%s %s %.32s: %s%s%s%s\n", now, names[level], topic, text, before, path ? path : "", after);
}

static void write_line(enum log_level level, const char *topic, const char *path, const char *message)
{
	bool json = atomic_load(&wanted_format) == LOG_JSON;
	char text[MESSAGE_OUT_MAX], where[PATH_OUT_MAX], line[LINE_MAX_BYTES];

	escape(text, sizeof(text), message, json, !json);
	if (path)
		escape(where, sizeof(where), path, json, false);

	int n = format_line(line, json, level, topic, text, path ? where : NULL);

	if (n < 0 || n >= LINE_MAX_BYTES)
		return;
	if (atomic_load(&to_syslog))
		log_syslog_line((int)level, line);
	while (write(STDERR_FILENO, line, (size_t)n) < 0 && errno == EINTR)
		;
}

static PRINTF_LIKE(4, 0) void log_args(enum log_level level, const char *topic, const char *path, const char *fmt, va_list ap)
{
	int saved = errno; /* callers go on to return it */
	char message[MESSAGE_MAX];

	if (vsnprintf(message, sizeof(message), fmt, ap) < 0)
		message[0] = '\0';
	write_line(level, topic, path, message);
	errno = saved;
}

void log_msg(enum log_level level, const char *topic, const char *fmt, ...)
{
	va_list ap;

	if (!log_wants(level))
		return;
	va_start(ap, fmt);
	log_args(level, topic, NULL, fmt, ap);
	va_end(ap);
}

void log_path(enum log_level level, const char *topic, const char *path, const char *fmt, ...)
{
	va_list ap;

	if (!log_wants(level))
		return;
	va_start(ap, fmt);
	log_args(level, topic, path, fmt, ap);
	va_end(ap);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/stem.h"

#include <strings.h>

#define EPOCH_LEAST 1000000000
#define EPOCH_MOST 4294967295

/* What one place of a name holds. */
struct stamp {
	size_t len; /* bytes; 0: no timestamp */
	bool clock; /* with a time of day */
	int64_t time_s;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t digits(const char *p)
{
	size_t n = 0;

	while (is_digit(p[n]))
		n++;
	return n;
}

/* The number that the next n bytes write, -1: not all of them are digits. */
static int64_t number(const char *p, size_t n)
{
	int64_t v = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_digit(p[i]))
			return -1;
		v = v * 10 + (p[i] - '0');
	}
	return v;
}

/* Seconds of YYYYMMDD at 00:00:00. A day that the month does not have comes back from the calendar in the next month. */
static bool date_seconds(int64_t year, int64_t month, int64_t day, int64_t *out)
{
	struct tm tm = { .tm_year = (int)year - 1900, .tm_mon = (int)month - 1, .tm_mday = (int)day }, back;

	if (year < 0 || month < 1 || month > 12 || day < 1 || day > 31)
		return false;

	time_t t = timegm(&tm);

	if (!gmtime_r(&t, &back) || back.tm_mon != month - 1)
		return false;
	*out = t;
	return true;
}

static bool clock_seconds(int64_t hour, int64_t minute, int64_t second, int64_t *out)
{
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
		return false;
	*out = hour * 3600 + minute * 60 + second;
	return true;
}

/* YYYYMMDD, or the first 8 of 14 digits. */
static bool packed_date(const char *p, int64_t *out)
{
	return date_seconds(number(p, 4), number(p + 4, 2), number(p + 6, 2), out);
}

/* hhmmss, six digits at p. */
static bool packed_clock(const char *p, int64_t *out)
{
	return clock_seconds(number(p, 2), number(p + 2, 2), number(p + 4, 2), out);
}

/* hh:mm:ss or hh-mm-ss. */
static bool split_clock(const char *p, int64_t *out)
{
	if (number(p, 2) < 0 || (p[2] != ':' && p[2] != '-') || number(p + 3, 2) < 0 || p[5] != p[2] || number(p + 6, 2) < 0 || is_digit(p[8]))
		return false;
	return clock_seconds(number(p, 2), number(p + 3, 2), number(p + 6, 2), out);
}

/* ".123" behind the seconds. With a letter behind it that is no Z it is a suffix, as .7z is. */
static size_t fraction(const char *p)
{
	size_t n = p[0] == '.' ? digits(p + 1) : 0;
	char next = n ? p[1 + n] : '\0';
	bool letter = (next >= 'a' && next <= 'z') || (next >= 'A' && next < 'Z');

	return n && !letter ? 1 + n : 0;
}

/* Z, +hh:mm or -hh:mm: its length, and in *east its seconds. */
static size_t zone(const char *p, int64_t *east)
{
	int64_t shift;

	*east = 0;
	if (p[0] == 'Z')
		return 1;
	if ((p[0] != '+' && p[0] != '-') || number(p + 1, 2) < 0 || (p[3] != ':' && p[3] != '-') || number(p + 4, 2) < 0 || is_digit(p[6]))
		return 0;
	if (!clock_seconds(number(p + 1, 2), number(p + 4, 2), 0, &shift))
		return 0;
	*east = p[0] == '+' ? shift : -shift;
	return 6;
}

/* Eight digits: YYYYMMDD, and perhaps a time of day behind. */
static struct stamp date8(const char *p)
{
	struct stamp s = { 0 };
	int64_t clock;

	if (!packed_date(p, &s.time_s))
		return s;
	s.len = 8;
	if (!p[8] || !strchr("-_T", p[8]) || digits(p + 9) != 6 || !packed_clock(p + 9, &clock))
		return s;
	return (struct stamp){ .len = p[8] == 'T' && p[15] == 'Z' ? 16 : 15, .clock = true, .time_s = s.time_s + clock };
}

static struct stamp date14(const char *p)
{
	int64_t date, clock;

	if (!packed_date(p, &date) || !packed_clock(p + 8, &clock))
		return (struct stamp){ 0 };
	return (struct stamp){ .len = 14, .clock = true, .time_s = date + clock };
}

/* Four digits: YYYY-MM-DD, and perhaps the rest of an RFC 3339 time. */
static struct stamp date10(const char *p)
{
	struct stamp s = { 0 };
	int64_t clock, east;

	if (p[4] != '-' || digits(p + 5) != 2 || p[7] != '-' || digits(p + 8) != 2)
		return s;
	if (!date_seconds(number(p, 4), number(p + 5, 2), number(p + 8, 2), &s.time_s))
		return s;
	s.len = 10;
	if (!p[10] || !strchr("T_- ", p[10]) || !split_clock(p + 11, &clock))
		return s;
	s.len = 19 + fraction(p + 19);
	s.len += zone(p + s.len, &east);
	s.clock = true;
	s.time_s += clock - east;
	return s;
}

static struct stamp epoch(const char *p)
{
	int64_t v = number(p, 10);

	return v >= EPOCH_LEAST && v <= EPOCH_MOST ? (struct stamp){ .len = 10, .clock = true, .time_s = v } : (struct stamp){ 0 };
}

/* What begins with the run of n digits at p. */
static struct stamp stamp_at(const char *p, size_t n)
{
	switch (n) {
	case 4:
		return date10(p);
	case 8:
		return date8(p);
	case 10:
		return epoch(p);
	case 14:
		return date14(p);
	default:
		return (struct stamp){ 0 };
	}
}

/* The timestamp that counts, and where it ends; len 0: there is none. */
static struct stamp find_stamp(const char *name, size_t *end)
{
	struct stamp found = { 0 };

	for (const char *p = name; *p && !found.clock;) {
		size_t n = digits(p);
		struct stamp s = stamp_at(p, n);

		if (s.len && (s.clock || !found.len)) {
			found = s;
			*end = (size_t)(p - name) + s.len;
		}
		p += s.len ? s.len : max_size(n, 1);
	}
	return found;
}

/* Bytes of the name's stem. */
static size_t measure(const char *name, struct stamp *stamp)
{
	size_t end = 0;

	*stamp = find_stamp(name, &end);
	if (stamp->len)
		return end;
	return name[0] ? 1 + strcspn(name + 1, ".") : 0;
}

void stem_of(const char *name, struct stem *out)
{
	struct stamp stamp;
	size_t len = min_size(measure(name, &stamp), STEM_CAP - 1);

	memset(out, 0, sizeof(*out));
	memcpy(out->text, name, len);
	out->timed = stamp.len != 0;
	out->time_s = stamp.time_s;
}

bool stem_has(const char *stem, const char *name)
{
	struct stamp stamp;
	size_t len = measure(name, &stamp);

	return strlen(stem) == len && memcmp(stem, name, len) == 0;
}

bool stem_is_archive(const char *name)
{
	static const char *const suffixes[] = { ".tar", ".tgz", ".tbz2", ".txz",  ".tzst",   ".zip",      ".7z",      ".archive", ".gz",    ".bz2",   ".xz",
						".zst", ".lz4", ".enc",  ".gpg",  ".age",    ".tar.lz",   ".tar.lzma", ".tar.lzo", ".tar.br", ".tar.z", ".tar.sz" };
	size_t len = strlen(name);

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		size_t n = strlen(suffixes[i]);

		if (len > n && strcasecmp(name + len - n, suffixes[i]) == 0)
			return true;
	}
	return false;
}

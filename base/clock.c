/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int64_t now_ms(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_mono_ms(void)
{
	return now_ms(CLOCK_MONOTONIC);
}

int64_t clock_boot_ms(void)
{
	return now_ms(CLOCK_BOOTTIME);
}

struct timespec clock_wall(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t;
}

int64_t clock_wall_s(void)
{
	return clock_wall().tv_sec;
}

void clock_sleep_ms(int64_t ms)
{
	struct timespec until;

	if (ms <= 0)
		return;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	/* An absolute time, so that signals do not make the sleep longer. */
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

void clock_format_utc(char out[24], int64_t seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || tm.tm_year < -1900 || tm.tm_year > 8099 ||
	    snprintf(out, 24, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec) != 20) {
		out[0] = '?';
		out[1] = '\0';
	}
}

/* Exactly n digits at *p, which then points behind them. */
static bool take_digits(const char **p, int n, int *out)
{
	*out = 0;
	for (int i = 0; i < n; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		*out = *out * 10 + (**p - '0');
	}
	return true;
}

static bool take_char(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

static bool take_time_of_day(const char **p, struct tm *tm)
{
	return take_digits(p, 2, &tm->tm_hour) && take_char(p, ':') && take_digits(p, 2, &tm->tm_min) && take_char(p, ':') &&
	       take_digits(p, 2, &tm->tm_sec);
}

/* Index of the three letters at *p in names ("JanFeb..."), or -1. */
static int take_name(const char **p, const char *names)
{
	for (int i = 0; names[3 * i]; i++)
		if (!strncmp(*p, names + 3 * i, 3)) {
			*p += 3;
			return i;
		}
	return -1;
}

/* tm has a full year and a month from 1. EINVAL for a date or time that does not exist, leap seconds among them. */
static int to_seconds(int64_t *seconds, const struct tm *in)
{
	struct tm tm = *in;

	tm.tm_year -= 1900;
	tm.tm_mon -= 1;

	struct tm wanted = tm;
	time_t t = timegm(&tm); /* brings 30 February to 2 March, which shows below */

	if (tm.tm_year != wanted.tm_year || tm.tm_mon != wanted.tm_mon || tm.tm_mday != wanted.tm_mday || tm.tm_hour != wanted.tm_hour ||
	    tm.tm_min != wanted.tm_min || tm.tm_sec != wanted.tm_sec)
		return EINVAL;
	*seconds = t;
	return 0;
}

int clock_parse_utc(int64_t *seconds, const char *text)
{
	struct tm tm = { 0 };
	const char *p = text;

	if (!take_digits(&p, 4, &tm.tm_year) || !take_char(&p, '-') || !take_digits(&p, 2, &tm.tm_mon) || !take_char(&p, '-') ||
	    !take_digits(&p, 2, &tm.tm_mday) || !take_char(&p, 'T') || !take_time_of_day(&p, &tm))
		return EINVAL;
	if (take_char(&p, '.')) {
		size_t n = strspn(p, "0123456789");

		if (!n)
			return EINVAL;
		p += n;
	}
	if (strcmp(p, "Z"))
		return EINVAL;
	return to_seconds(seconds, &tm);
}

int clock_parse_http(int64_t *seconds, const char *text)
{
	struct tm tm = { 0 };
	const char *p = text;

	if (take_name(&p, "MonTueWedThuFriSatSun") < 0 || !take_char(&p, ',') || !take_char(&p, ' ') || !take_digits(&p, 2, &tm.tm_mday) ||
	    !take_char(&p, ' '))
		return EINVAL;
	tm.tm_mon = 1 + take_name(&p, "JanFebMarAprMayJunJulAugSepOctNovDec");
	if (!take_char(&p, ' ') || !take_digits(&p, 4, &tm.tm_year) || !take_char(&p, ' ') || !take_time_of_day(&p, &tm) || strcmp(p, " GMT"))
		return EINVAL;
	return to_seconds(seconds, &tm);
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <time.h>

/* All times in the program come from here. Any thread; nothing blocks but clock_sleep_ms. */

int64_t clock_mono_ms(void);         /* CLOCK_MONOTONIC, milliseconds: deadlines */
int64_t clock_boot_ms(void);         /* CLOCK_BOOTTIME, milliseconds: counts suspend; leases and records */
struct timespec clock_wall(void);    /* CLOCK_REALTIME */
int64_t clock_wall_s(void);          /* CLOCK_REALTIME, seconds */
void clock_sleep_ms(int64_t ms);      /* 0 or less: returns at once */

/* Seconds since the epoch as YYYY-MM-DDThh:mm:ssZ (21 bytes with the NUL); years outside 0..9999 give "?". */
void clock_format_utc(char out[24], int64_t seconds);
/* Parses that form, with optional fraction (ignored): 0 or EINVAL, also for a date or time that does not exist. */
int clock_parse_utc(int64_t *seconds, const char *text);
/* Parses an HTTP date (RFC 9110 IMF-fixdate, e.g. "Sun, 06 Nov 1994 08:49:37 GMT"), whatever the locale: 0 or EINVAL. */
int clock_parse_http(int64_t *seconds, const char *text);

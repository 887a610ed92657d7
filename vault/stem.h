/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/auto.h"

#include <stdbool.h>
#include <stdint.h>

/* Which backup a name belongs to, and when that was taken. A backup is the set of direct children of a tenant's folder with one stem: the name through its
 * timestamp, else up to the first dot (a dot at the very beginning does not count). Pure; any thread.
 *
 * Timestamps, in UTC, each not next to a further digit:
 *   YYYYMMDD-HHMMSS  YYYYMMDD_HHMMSS  YYYYMMDDTHHMMSS[Z]  YYYYMMDDHHMMSS
 *   RFC 3339: YYYY-MM-DDTHH:MM:SS[.fraction](Z|±HH:MM), also with "_", " " or "-" in place of T, ":" written as "-" and without zone
 *   YYYYMMDD  YYYY-MM-DD  (00:00:00)
 *   epoch seconds: ten digits from 1000000000 to 4294967295
 * The first that has a time of day counts; without one, the first. A date that does not exist is no timestamp. A fraction with a letter other than Z behind it is
 * none: ".7z" is a suffix. */
#define STEM_CAP 256u /* bytes with NUL */

struct stem {
	char text[STEM_CAP];
	bool timed;     /* the name holds a timestamp */
	int64_t time_s; /* seconds since the epoch */
};

/* name: one component. Always gives a stem: at worst the whole name. A stem over 255 bytes is cut; then stem_has is false for every name. */
void stem_of(const char *name, struct stem *out);
/* Whether that name is of that set. */
bool stem_has(const char *stem, const char *name);
/* A file that holds a whole backup: by its suffix (.tar, .tgz, .tbz2, .txz, .tzst, .zip, .7z, .archive, .gz, .bz2, .xz, .zst, .lz4, .enc, .gpg, .age; .tar with .lz, .lzma,
 * .lzo, .br, .z, .sz behind it), in any case of letters. Checksums, signatures and pieces (.tar.gz.sha256, .tar.asc, .tar.aa) are none. */
bool stem_is_archive(const char *name);

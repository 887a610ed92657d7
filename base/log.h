/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/auto.h"

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

/* Where and how to log; may be called again. Before the first call: text, LOG_INFO, standard error. */
void log_setup(enum log_level level, enum log_format format);
/* From now on every line also goes to the system log under that name (borrowed), for a process whose standard error nobody reads. */
void log_also_syslog(const char *name);
bool log_wants(enum log_level level);

/* One line, one write(2), any thread. topic is one lower-case word (the room or subject: "s3", "commit", "key").
 * Text: "2026-11-25T02:55:18.123Z warn commit: message". JSON: {"time","level","topic","msg"}, escaped.
 * Control characters in the message are escaped in both forms, so that a hostile name cannot forge a line.
 * Never pass a secret. */
void log_msg(enum log_level level, const char *topic, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The same with a "path" field for the object or file concerned (text: appended as path="..."). */
void log_path(enum log_level level, const char *topic, const char *path, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* A text made printable: control characters, backslash, quotes and invalid UTF-8 as \xNN or JSON escapes. out holds cap bytes
 * and is always terminated; cut where it does not fit. */
void log_escape(char *out, size_t cap, const char *text, bool json);
/* The same for text that stands between no quotes: they stay as they are. */
void log_printable(char *out, size_t cap, const char *text);

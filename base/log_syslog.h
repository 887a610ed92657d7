/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The system log, apart from log.c because <syslog.h> takes the same names for its levels. Any thread. */
void log_syslog_open(const char *name);                 /* borrowed for the life of the process */
void log_syslog_line(int level, const char *line);      /* level: enum log_level */

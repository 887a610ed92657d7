/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_syslog.h"

#include <syslog.h>

void log_syslog_open(const char *name)
{
	openlog(name, LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void log_syslog_line(int level, const char *line)
{
	static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

	syslog(priorities[level], "%s", line);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/tune.h"
#include "base/auto.h"
#include "base/buf.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { MOUNTINFO_MOST = 16 << 20 };

/* mountinfo writes blank, tab, line break and backslash as \ooo. Decodes the word at text (up to a blank) into out. */
static void decode(const char *text, char *out, size_t cap)
{
	size_t n = 0;

	for (; *text && *text != ' ' && n < cap - 1; text++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] && text[3]) {
			out[n++] = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
			text += 3;
		} else {
			out[n++] = *text;
		}
	}
	out[n] = '\0';
}

/* The n-th word of a line, from 0; "" where there are fewer. */
static const char *word(const char *line, int n)
{
	for (; n > 0 && *line; n--) {
		line += strcspn(line, " ");
		line += *line == ' ';
	}
	return line;
}

void mount_parse(const char *mountinfo, const char *path, struct mount_seen *out)
{
	char line[8192], at[4096 + 1];

	*out = (struct mount_seen){ 0 };
	while (*mountinfo) {
		size_t n = strcspn(mountinfo, "\n");
		const char *dash;

		memcpy(line, mountinfo, min_size(n, sizeof(line) - 1));
		line[min_size(n, sizeof(line) - 1)] = '\0';
		mountinfo += n + (mountinfo[n] == '\n');
		decode(word(line, 4), at, sizeof(at));
		dash = strstr(line, " - ");
		if (!dash || strcmp(at, path) != 0)
			continue;
		out->there = true; /* later lines are mounted over earlier ones */
		decode(word(line, 2), out->device, sizeof(out->device));
		decode(dash + 3, out->type, sizeof(out->type));
	}
}

int mount_look(const char *path, struct mount_seen *out)
{
	struct buf text;
	char block[4096];
	const char *all;
	ssize_t n;
	int rc = 0, fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);

	*out = (struct mount_seen){ 0 };
	if (fd < 0)
		return errno;
	buf_init(&text, MOUNTINFO_MOST);
	while (!rc && (n = read(fd, block, sizeof(block))) > 0)
		rc = buf_put(&text, block, (size_t)n);
	close(fd);
	all = rc ? NULL : buf_text(&text);
	if (all)
		mount_parse(all, path, out);
	buf_free(&text);
	return rc ? rc : all ? 0 : ENOMEM;
}

static int write_number(const char *device, const char *name, uint64_t value, uint64_t *reached)
{
	char path[128], text[32] = "";
	int fd, rc = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/class/bdi/%s/%s", device, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return errno;
	n = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)value);
	if (write(fd, text, (size_t)n) < 0)
		rc = errno;
	memset(text, 0, sizeof(text));
	if (pread(fd, text, sizeof(text) - 1, 0) > 0)
		*reached = strtoull(text, NULL, 10);
	close(fd);
	return rc;
}

static void set(const char *device, const char *name, uint64_t value)
{
	uint64_t reached = 0;
	int rc = write_number(device, name, value, &reached);

	if (rc)
		log_msg(LOG_DEBUG, "mount", "the kernel's %s of this mount stays as it is: %s", name, strerror(rc));
	else
		log_msg(LOG_DEBUG, "mount", "the kernel's %s of this mount is %llu", name, (unsigned long long)reached);
}

void mount_tune(const char *device, uint64_t dirty_bytes, unsigned read_ahead_kb)
{
	set(device, "max_bytes", dirty_bytes);
	set(device, "read_ahead_kb", read_ahead_kb);
}

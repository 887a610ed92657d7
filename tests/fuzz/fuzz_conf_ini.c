/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit/base/conf_table.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Any bytes as a configuration file. They are refused with one printable line, or else every text stands in the file as a whole
 * value: a passphrase that is cut or changed on the way would encrypt backups that nobody can open. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
	if (!condition)
		abort();
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Whether text stands in a line, behind a '=' or ':' and blanks, with nothing but blanks until the line's end. */
static bool is_whole_value(const uint8_t *data, size_t size, const char *text)
{
	size_t n = strlen(text);

	for (size_t at = 1; at + n <= size; at++) {
		size_t before = at, after = at + n;

		if (memcmp(data + at, text, n))
			continue;
		while (before && data[before - 1] != '\n' && is_blank(data[before - 1]))
			before--;
		while (after < size && data[after] != '\n' && is_blank(data[after]))
			after++;
		if (before && (data[before - 1] == '=' || data[before - 1] == ':') && (after == size || data[after] == '\n'))
			return true;
	}
	return false;
}

static void check_values(const struct conf *c, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const char *name = table[i].name, *text = conf_text(c, name);

		expect(conf_where(c, name)[0]);
		if (table[i].type != CONF_TEXT) {
			uint64_t v = conf_number(c, name);

			expect(!text || (v >= table[i].min && (!table[i].max || v <= table[i].max)));
		} else if (text && conf_source(c, name) == CONF_FROM_FILE && !table[i].repeat) {
			expect(is_whole_value(data, size, text));
		}
	}
}

static void check_error(const char *error)
{
	expect(error[0]);
	for (const char *p = error; *p; p++)
		expect((unsigned char)*p >= 0x20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	AUTO(auto_conf_free) struct conf *c = NULL;
	char path[64], error[512];

	if (fd < 0)
		fd = memfd_create("ini", MFD_CLOEXEC);
	expect(!fchmod(fd, 0600) && !ftruncate(fd, 0) && pwrite(fd, data, size, 0) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

	struct conf_input in = { .options = table, .count = ARRAY_LEN(table), .ini_file = path };

	if (conf_load(&in, &c, error, sizeof(error)))
		check_error(error);
	else
		check_values(c, data, size);
	return 0;
}

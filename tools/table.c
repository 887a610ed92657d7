/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/show.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <libsmartcols.h>
#include <stdarg.h>

/* Tables, drawn by libsmartcols: it knows the width of terminals and of characters. */

struct show_table {
	struct libscols_table *table;
	const struct show_column *columns;
	size_t count;
	bool wraps;
};

#define WRAP_COLUMNS 40u /* libsmartcols would break words */

struct show_table *show_table_new(const struct tool *t, const struct show_column *columns, size_t count)
{
	AUTO(auto_show_table_free) struct show_table *out = calloc(1, sizeof(*out));

	if (!out || !(out->table = scols_new_table()))
		return NULL;
	out->columns = columns;
	out->count = count;
	out->wraps = t->out_terminal;
	scols_table_enable_noencoding(out->table, 1); /* cells are made printable here, and only once */
	scols_table_set_stream(out->table, t->out);
	scols_table_set_termforce(out->table, t->out_terminal ? SCOLS_TERMFORCE_AUTO : SCOLS_TERMFORCE_NEVER);
	for (size_t i = 0; i < count; i++) {
		bool wrap = columns[i].wrap && out->wraps;
		struct libscols_column *c = scols_table_new_column(out->table, columns[i].name, 0, (columns[i].right ? SCOLS_FL_RIGHT : 0) | (wrap ? SCOLS_FL_WRAP : 0));

		if (!c || (wrap && scols_column_set_wrapfunc(c, scols_wrapnl_chunksize, scols_wrapnl_nextchunk, NULL)))
			return NULL;
	}

	struct show_table *made = out;

	out = NULL;
	return made;
}

/* Blanks become line ends where a line would be too wide. */
static void break_lines(char *text)
{
	char *blank = NULL;
	size_t wide = 0;

	for (char *p = text; *p; p++) {
		if (*p == ' ')
			blank = p;
		wide += ((unsigned char)*p & 0xc0) != 0x80; /* one a character of UTF-8 */
		if (wide <= WRAP_COLUMNS || !blank)
			continue;
		*blank = '\n';
		wide = (size_t)(p - blank);
		blank = NULL;
	}
}

int show_row(struct show_table *table, const char *const *cells)
{
	struct libscols_line *line = scols_table_new_line(table->table, NULL);

	if (!line)
		return ENOMEM;
	for (size_t i = 0; i < table->count; i++) {
		const char *text = cells[i] && cells[i][0] ? cells[i] : "-";
		size_t cap = 6 * strlen(text) + 1;
		AUTO_FREE char *safe = malloc(cap);

		if (!safe)
			return ENOMEM;
		log_printable(safe, cap, text);
		if (table->wraps && table->columns[i].wrap)
			break_lines(safe);
		if (scols_line_set_data(line, i, safe))
			return ENOMEM;
	}
	return 0;
}

size_t show_rows(const struct show_table *table)
{
	return scols_table_get_nlines(table->table);
}

int show_print(struct show_table *table)
{
	int rc = show_rows(table) ? scols_print_table(table->table) : 0;

	return rc < 0 ? -rc : rc ? EIO : 0;
}

void show_table_free(struct show_table *table)
{
	if (!table)
		return;
	scols_unref_table(table->table);
	free(table);
}

void show_bytes(char out[SHOW_CAP], uint64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double n = (double)bytes;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(out, SHOW_CAP, "%u B", (unsigned)bytes);
		return;
	}
	for (n /= 1024; n >= 1023.95 && unit + 1 < ARRAY_LEN(units); n /= 1024)
		unit++;
	snprintf(out, SHOW_CAP, "%.1f %s", n, units[unit]);
}

void show_time(char out[SHOW_CAP], int64_t seconds)
{
	out[0] = '\0';
	if (seconds)
		clock_format_utc(out, seconds);
}

void show_line(const struct tool *t, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);

	size_t cap = text ? 6 * strlen(text) + 1 : 0;
	AUTO_FREE char *safe = text ? malloc(cap) : NULL;

	if (safe)
		log_printable(safe, cap, text);
	fprintf(t->out, "%s\n", safe ? safe : "(out of memory)");
}

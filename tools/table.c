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
	size_t columns;
};

struct show_table *show_table_new(const struct tool *t, const struct show_column *columns, size_t count)
{
	AUTO(auto_show_table_free) struct show_table *out = calloc(1, sizeof(*out));

	if (!out || !(out->table = scols_new_table()))
		return NULL;
	out->columns = count;
	scols_table_enable_noencoding(out->table, 1); /* cells are made printable here, and only once */
	scols_table_set_stream(out->table, t->out);
	scols_table_set_termforce(out->table, t->out_terminal ? SCOLS_TERMFORCE_AUTO : SCOLS_TERMFORCE_NEVER);
	for (size_t i = 0; i < count; i++) {
		int flags = (columns[i].right ? SCOLS_FL_RIGHT : 0) | (columns[i].wrap ? SCOLS_FL_WRAP : 0);

		if (!scols_table_new_column(out->table, columns[i].name, 0, flags))
			return NULL;
	}

	struct show_table *made = out;

	out = NULL;
	return made;
}

int show_row(struct show_table *table, const char *const *cells)
{
	struct libscols_line *line = scols_table_new_line(table->table, NULL);

	if (!line)
		return ENOMEM;
	for (size_t i = 0; i < table->columns; i++) {
		const char *text = cells[i] && cells[i][0] ? cells[i] : "-";
		size_t cap = 6 * strlen(text) + 1;
		AUTO_FREE char *safe = malloc(cap);

		if (!safe)
			return ENOMEM;
		log_printable(safe, cap, text);
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

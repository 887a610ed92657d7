/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/plan_rows.h"

#include <errno.h>

static const struct show_column columns[] = {
	{ "BACKUP" }, { "STATE" }, { "TIME" }, { "SIZE", .right = true }, { "DECISION" }, { "REASONS", .wrap = true },
};

static void join(const struct plan_row *row, char *out, size_t cap)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; row->reasons[i] && used < cap; i++)
		used += (size_t)snprintf(out + used, cap - used, "%s%s", i ? ", " : "", row->reasons[i]);
}

static int add_row(struct show_table *table, const struct plan_row *row)
{
	const struct backup *b = row->backup;
	char time[SHOW_CAP], size[SHOW_CAP], reasons[1024];

	show_time(time, b->time_s);
	show_bytes(size, b->bytes);
	join(row, reasons, sizeof(reasons));
	return show_row(table, (const char *const[]){ b->stem, backup_state_name(b->state), time, size, decision_name(row->decision), reasons });
}

int plan_rows_print(const struct tool *t, const struct plan *plan, bool only_deletions)
{
	AUTO(auto_show_table_free) struct show_table *table = show_table_new(t, columns, ARRAY_LEN(columns));
	int rc = table ? 0 : ENOMEM;

	for (size_t i = 0; i < plan->count && !rc; i++)
		if (!only_deletions || plan->rows[i].decision == DECIDE_DELETE)
			rc = add_row(table, &plan->rows[i]);
	return rc ? rc : show_print(table);
}

void plan_rows_json(struct show_doc *doc, cJSON *o, const struct plan *plan)
{
	cJSON *rows = json_list(doc, o, "rows");

	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_row *row = &plan->rows[i];
		cJSON *item = json_item(doc, rows), *reasons;

		json_text(doc, item, "backup", row->backup->stem);
		json_text(doc, item, "decision", decision_name(row->decision));
		reasons = json_list(doc, item, "reasons");
		for (size_t k = 0; row->reasons[k]; k++)
			json_list_text(doc, reasons, row->reasons[k]);
		json_text(doc, item, "state", backup_state_name(row->backup->state));
		json_time(doc, item, "time", row->backup->time_s);
		json_number(doc, item, "bytes", row->backup->bytes);
	}
}

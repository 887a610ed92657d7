/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tools/tool.h"

#include <cjson/cJSON.h>

/* Output: tables for people, JSON for programs. */

/* ---- tables: aligned text; on a terminal as wide as that is */
struct show_column {
	const char *name;
	bool right; /* numbers */
	bool wrap;  /* text that takes several lines on a terminal */
};
struct show_table;
/* columns borrowed. NULL: no memory. */
struct show_table *show_table_new(const struct tool *t, const struct show_column *columns, size_t count);
/* One text a column (copied); NULL or "" is shown as "-". ENOMEM. */
int show_row(struct show_table *table, const char *const *cells);
size_t show_rows(const struct show_table *table);
/* Prints it to t->out, with its heading; nothing where it has no rows. 0 or an errno. */
int show_print(struct show_table *table);
void show_table_free(struct show_table *table); /* NULL is legal */
DEFINE_AUTO(show_table, show_table_free)

#define SHOW_CAP 24u
void show_bytes(char out[SHOW_CAP], uint64_t bytes);  /* "734 B", "1.2 GiB" */
void show_time(char out[SHOW_CAP], int64_t seconds);  /* "2026-11-25T02:55:18Z"; "" for 0 */
/* One line of text on t->out, made printable. */
void show_line(const struct tool *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- JSON: one document a line. A failed allocation leaves members out, which show_json then tells. */
struct show_doc {
	cJSON *root;
	bool failed; /* out of memory */
};
void show_doc_begin(struct show_doc *doc); /* an object */
/* Adds to an object of the document; parent NULL (an earlier failure) is legal. Text that is not UTF-8, or moves the cursor, is escaped as in the log. */
void json_text(struct show_doc *doc, cJSON *parent, const char *name, const char *text); /* NULL: null */
void json_number(struct show_doc *doc, cJSON *parent, const char *name, uint64_t n);
void json_bool(struct show_doc *doc, cJSON *parent, const char *name, bool b);
void json_time(struct show_doc *doc, cJSON *parent, const char *name, int64_t seconds); /* 0: null */
cJSON *json_list(struct show_doc *doc, cJSON *parent, const char *name);
cJSON *json_item(struct show_doc *doc, cJSON *list); /* a new object at the list's end */
void json_list_text(struct show_doc *doc, cJSON *list, const char *text);
/* Puts a copy of the member `name` of `from` into the document's top. */
void json_copy_up(struct show_doc *doc, const cJSON *from, const char *name);
/* Prints the document on one line and frees it: TOOL_DONE, or TOOL_FAILED and a line. */
int show_json(const struct tool *t, struct show_doc *doc);

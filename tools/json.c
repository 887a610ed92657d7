/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/show.h"

#include "base/log.h"
#include "tools/say.h"

void show_doc_begin(struct show_doc *doc)
{
	*doc = (struct show_doc){ .root = cJSON_CreateObject() };
	doc->failed = !doc->root;
}

/* Takes the item over. */
static cJSON *put(struct show_doc *doc, cJSON *parent, const char *name, cJSON *item)
{
	if (item && parent && (name ? cJSON_AddItemToObject(parent, name, item) : cJSON_AddItemToArray(parent, item)))
		return item;
	cJSON_Delete(item);
	doc->failed = true;
	return NULL;
}

/* cJSON would write bytes that are not UTF-8 as they are, and nobody could parse them. */
static cJSON *text_item(const char *text)
{
	size_t cap = 6 * strlen(text) + 3;
	AUTO_FREE char *quoted = malloc(cap);

	if (!quoted)
		return NULL;
	quoted[0] = '"';
	log_escape(quoted + 1, cap - 2, text, true);

	size_t n = strlen(quoted);

	quoted[n] = '"';
	quoted[n + 1] = '\0';
	return cJSON_CreateRaw(quoted);
}

void json_text(struct show_doc *doc, cJSON *parent, const char *name, const char *text)
{
	put(doc, parent, name, text ? text_item(text) : cJSON_CreateNull());
}

void json_number(struct show_doc *doc, cJSON *parent, const char *name, uint64_t n)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n); /* cJSON writes 15 digits only */
	put(doc, parent, name, cJSON_CreateRaw(digits));
}

void json_bool(struct show_doc *doc, cJSON *parent, const char *name, bool b)
{
	put(doc, parent, name, cJSON_CreateBool(b));
}

void json_time(struct show_doc *doc, cJSON *parent, const char *name, int64_t seconds)
{
	char text[SHOW_CAP];

	show_time(text, seconds);
	json_text(doc, parent, name, seconds ? text : NULL);
}

cJSON *json_list(struct show_doc *doc, cJSON *parent, const char *name)
{
	return put(doc, parent, name, cJSON_CreateArray());
}

cJSON *json_item(struct show_doc *doc, cJSON *list)
{
	return put(doc, list, NULL, cJSON_CreateObject());
}

void json_list_text(struct show_doc *doc, cJSON *list, const char *text)
{
	put(doc, list, NULL, text_item(text));
}

void json_copy_up(struct show_doc *doc, const cJSON *from, const char *name)
{
	put(doc, doc->root, name, cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(from, name), true));
}

int show_json(const struct tool *t, struct show_doc *doc)
{
	char *text = doc->failed ? NULL : cJSON_PrintUnformatted(doc->root);

	if (text)
		fprintf(t->out, "%s\n", text);
	else
		say(t, "out of memory");
	cJSON_free(text);
	cJSON_Delete(doc->root);
	*doc = (struct show_doc){ 0 };
	return text ? TOOL_DONE : TOOL_FAILED;
}

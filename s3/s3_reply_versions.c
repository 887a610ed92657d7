/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/s3_reply.h"

#include "s3/s3_take.h"
#include "s3/store_impl.h"
#include "s3/xml.h"

/* The answers about versions and about what a bucket does by itself; read as those of s3_reply.c are. */

/* ---- ListObjectVersions */

struct versions_reader {
	struct store_versions *page;
	struct paging paging;
	char *next_key, *next_id;
	struct store_version version; /* being read */
	bool size_told, latest_told;
};

/* It goes into tokens, requests and messages. */
static int take_id(char id[STORE_VERSION_MAX], const char *text)
{
	size_t n = strlen(text);

	if (n == 0 || n >= STORE_VERSION_MAX)
		return EBADMSG;
	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] >= 0x7f)
			return EBADMSG;
	memcpy(id, text, n + 1);
	return 0;
}

static void reset_version(struct versions_reader *reader)
{
	free(reader->version.key);
	reader->version = (struct store_version){ 0 };
	reader->size_told = reader->latest_told = false;
}

static int add_version(struct versions_reader *reader, bool marker)
{
	struct store_version *version = &reader->version;

	if (!version->key || !version->key[0] || !version->id[0] || !reader->latest_told || (!marker && !reader->size_told))
		return EBADMSG;
	version->marker = marker;
	if (marker)
		version->size = 0;

	int rc = store_versions_add(reader->page, version);

	reset_version(reader);
	return rc;
}

/* name: behind "Version/" or "DeleteMarker/". */
static int on_version(struct versions_reader *reader, const char *name, const char *text)
{
	struct store_version *version = &reader->version;

	if (is(name, "Key"))
		return take_copy(&version->key, text);
	if (is(name, "VersionId"))
		return take_id(version->id, text);
	if (is(name, "LastModified"))
		return take_time(&version->modified, text);
	if (is(name, "ETag"))
		return *text ? s3_take_etag(version->etag, text) : 0; /* a marker's, of MinIO, is empty */
	if (is(name, "Size")) {
		reader->size_told = true;
		return take_number(&version->size, text, INT64_MAX);
	}
	if (is(name, "IsLatest")) {
		reader->latest_told = true;
		return take_flag(&version->latest, text);
	}
	return 0;
}

static int on_versions(void *arg, const char *path, const char *text)
{
	struct versions_reader *reader = arg;
	const char *name = below(path, "ListVersionsResult"), *inside;
	int rc;

	if (!name)
		return EBADMSG;
	if (take_paging(&reader->paging, name, text, &rc))
		return rc;
	if (is(name, "NextKeyMarker"))
		return take_copy(&reader->next_key, text);
	if (is(name, "NextVersionIdMarker"))
		return *text ? take_copy(&reader->next_id, text) : 0;
	if (is(name, "Version") || is(name, "DeleteMarker"))
		return add_version(reader, is(name, "DeleteMarker"));
	inside = below(name, "Version");
	if (!inside)
		inside = below(name, "DeleteMarker");
	return inside ? on_version(reader, inside, text) : 0;
}

/* Servers list versions and markers together or apart; equals stay as they came, which is what the addresses tell. */
static int version_order(const void *left, const void *right)
{
	const struct store_version *a = *(const struct store_version *const *)left, *b = *(const struct store_version *const *)right;
	int order = strcmp(a->key, b->key);

	if (order || a->latest != b->latest)
		return order ? order : b->latest - a->latest;
	if (a->modified != b->modified)
		return a->modified > b->modified ? -1 : 1;
	return a < b ? -1 : a > b;
}

static int sort_versions(struct store_versions *page)
{
	AUTO_FREE const struct store_version **order = calloc(page->count + 1, sizeof(*order));
	struct store_version *sorted = calloc(page->count + 1, sizeof(*sorted));

	if (!order || !sorted) {
		free(sorted);
		return ENOMEM;
	}
	for (size_t i = 0; i < page->count; i++)
		order[i] = &page->list[i];
	qsort(order, page->count, sizeof(*order), version_order);
	for (size_t i = 0; i < page->count; i++)
		sorted[i] = *order[i];
	free(page->list);
	page->list = sorted;
	return 0;
}

/* Decodes the keys and checks them against what was asked for. */
static int finish_versions(struct versions_reader *reader, const char *prefix)
{
	struct store_versions *page = reader->page;

	if (!reader->paging.truncated_told)
		return EBADMSG;
	for (size_t i = 0; i < page->count; i++) {
		if (reader->paging.url_encoded && s3_url_decode(page->list[i].key))
			return EBADMSG;
		if (strncmp(page->list[i].key, prefix, strlen(prefix)) != 0)
			return EBADMSG;
	}
	if (page->count && sort_versions(page))
		return ENOMEM;
	if (!reader->paging.truncated)
		return 0;
	if (!reader->next_key || !reader->next_key[0] || (reader->paging.url_encoded && s3_url_decode(reader->next_key)))
		return EBADMSG;
	if (reader->next_id && strpbrk(reader->next_id, " \t\r\n"))
		return EBADMSG; /* a token parts the two at a blank */
	return store_versions_set_next(page, reader->next_key, reader->next_id ? reader->next_id : "");
}

int s3_parse_versions(const void *data, size_t len, const char *prefix, struct store_versions *page)
{
	struct versions_reader reader = { .page = page };

	*page = (struct store_versions){ 0 };

	int rc = xml_read(data, len, on_versions, &reader);

	if (!rc)
		rc = finish_versions(&reader, prefix);
	reset_version(&reader);
	free(reader.next_key);
	free(reader.next_id);
	return rc;
}

/* ---- VersioningConfiguration */

static int on_versioning(void *arg, const char *path, const char *text)
{
	bool *keeps = arg;
	const char *name = below(path, "VersioningConfiguration");

	if (!name)
		return EBADMSG;
	if (!is(name, "Status"))
		return 0;
	*keeps = is(text, "Enabled") || is(text, "Suspended");
	return *keeps || !*text ? 0 : EBADMSG;
}

int s3_parse_versioning(const void *data, size_t len, bool *keeps)
{
	*keeps = false;
	return xml_read(data, len, on_versioning, keeps);
}

/* ---- LifecycleConfiguration */

struct rules_reader {
	struct store_rules *rules;
	struct store_rule rule; /* being read */
	bool status_told, enabled;
};

static int add_rule(struct rules_reader *reader)
{
	int rc = !reader->status_told ? EBADMSG : reader->enabled ? store_rules_add(reader->rules, &reader->rule) : 0;

	reader->rule = (struct store_rule){ 0 };
	reader->status_told = reader->enabled = false;
	return rc;
}

static int take_days(struct store_rule *rule, const char *text)
{
	uint64_t days;
	int rc = take_number(&days, text, UINT32_MAX);

	if (rc)
		return rc;
	rule->days = (uint32_t)days;
	rule->expires_current = true;
	return 0;
}

static int take_status(struct rules_reader *reader, const char *text)
{
	reader->status_told = true;
	reader->enabled = is(text, "Enabled");
	return reader->enabled || is(text, "Disabled") ? 0 : EBADMSG;
}

static int on_lifecycle(void *arg, const char *path, const char *text)
{
	struct rules_reader *reader = arg;
	struct store_rule *rule = &reader->rule;
	const char *name = below(path, "LifecycleConfiguration"), *inside;

	if (!name)
		return EBADMSG;
	inside = below(name, "Rule");
	if (!inside)
		return 0;
	if (is(inside, ""))
		return add_rule(reader);
	if (is(inside, "ID"))
		take_cut(rule->id, sizeof(rule->id), text);
	else if (is(inside, "Prefix") || is(inside, "Filter/Prefix") || is(inside, "Filter/And/Prefix"))
		take_cut(rule->prefix, sizeof(rule->prefix), text);
	else if (is(inside, "Status"))
		return take_status(reader, text);
	else if (is(inside, "Expiration/Days"))
		return take_days(rule, text);
	else if (is(inside, "Expiration/Date"))
		rule->expires_current = true;
	return 0;
}

int s3_parse_lifecycle(const void *data, size_t len, struct store_rules *rules)
{
	struct rules_reader reader = { .rules = rules };

	return xml_read(data, len, on_lifecycle, &reader);
}

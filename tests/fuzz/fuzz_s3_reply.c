/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/s3_reply.h"
#include "s3/store_impl.h"

/* The XML answers of a server: the first byte says which, the rest is the document. What is accepted must keep its promises. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static bool good_etag(const char *etag)
{
	for (; *etag; etag++)
		if (*etag <= ' ' || *etag == '"')
			return false;
	return true;
}

static void read_list(const uint8_t *data, size_t size)
{
	struct store_page page;

	if (s3_parse_list(data, size, "p/", &page) == 0) {
		for (size_t i = 0; i < page.count; i++) {
			require(strncmp(page.objects[i].key, "p/", 2) == 0 && good_etag(page.objects[i].etag));
			require(i == 0 || strcmp(page.objects[i - 1].key, page.objects[i].key) <= 0);
		}
		require(!page.next || page.next[0]);
	}
	store_page_free(&page);
}

static void read_parts(const uint8_t *data, size_t size)
{
	struct store_parts parts = { 0 };
	uint32_t next;

	if (s3_parse_parts(data, size, &parts, &next) == 0)
		for (size_t i = 0; i < parts.count; i++) {
			require(parts.parts[i].number && parts.parts[i].etag[0] && good_etag(parts.parts[i].etag));
			require(i == 0 || parts.parts[i - 1].number < parts.parts[i].number);
		}
	store_parts_free(&parts);
}

static void read_uploads(const uint8_t *data, size_t size)
{
	struct store_uploads uploads = { 0 };
	struct s3_uploads_next next;

	if (s3_parse_uploads(data, size, "k", &uploads, &next) == 0)
		for (size_t i = 0; i < uploads.count; i++)
			require(uploads.ids[i][0] && strlen(uploads.ids[i]) < STORE_UPLOAD_MAX);
	free(next.key);
	free(next.id);
	store_uploads_free(&uploads);
}

static bool good_id(const char *id)
{
	if (!*id)
		return false;
	for (; *id; id++)
		if (*id <= ' ' || *id >= 0x7f)
			return false;
	return true;
}

static void read_versions(const uint8_t *data, size_t size)
{
	struct store_versions page;
	char id[STORE_VERSION_MAX];
	const char *key;

	if (s3_parse_versions(data, size, "p/", &page) == 0) {
		for (size_t i = 0; i < page.count; i++) {
			require(strncmp(page.list[i].key, "p/", 2) == 0 && good_etag(page.list[i].etag) && good_id(page.list[i].id));
			require(i == 0 || strcmp(page.list[i - 1].key, page.list[i].key) <= 0);
			require(!page.list[i].marker || !page.list[i].size);
		}
		require(!page.next || (store_versions_token(page.next, id, &key) == 0 && key[0]));
	}
	store_versions_free(&page);
}

static void read_bucket(const uint8_t *data, size_t size)
{
	struct store_rules rules = { 0 };

	if (s3_parse_lifecycle(data, size, &rules) == 0)
		for (size_t i = 0; i < rules.count; i++)
			require(!rules.list[i].days || rules.list[i].expires_current);
	s3_parse_versioning(data, size, &rules.versioning);
	store_rules_free(&rules);
}

static void read_result(const uint8_t *data, size_t size, const char *root)
{
	struct s3_result result;

	if (s3_parse_result(data, size, root, &result) == 0)
		require((result.etag[0] || result.upload_id[0]) && good_etag(result.etag));
}

static void read_error(const uint8_t *data, size_t size)
{
	struct s3_error_reply error;

	require(s3_parse_error(data, size, &error) != 0 || error.s3_code[0]);
}

static int on_key(void *arg, const char *key, const char *version, const struct s3_error_reply *error)
{
	require(key && version && error->s3_code[0]);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	switch (data[0]) {
	case 'l':
		read_list(data + 1, size - 1);
		break;
	case 'p':
		read_parts(data + 1, size - 1);
		break;
	case 'u':
		read_uploads(data + 1, size - 1);
		break;
	case 'v':
		read_versions(data + 1, size - 1);
		break;
	case 'b':
		read_bucket(data + 1, size - 1);
		break;
	case 'c':
		read_result(data + 1, size - 1, "CompleteMultipartUploadResult");
		break;
	case 'i':
		read_result(data + 1, size - 1, "InitiateMultipartUploadResult");
		break;
	case 'd':
		s3_parse_delete(data + 1, size - 1, on_key, NULL);
		break;
	case 'e':
		read_error(data + 1, size - 1);
		break;
	}
	return 0;
}

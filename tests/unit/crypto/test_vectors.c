/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "crypto/aead.h"
#include "object_file.h"

#include <cjson/cJSON.h>
#include <openssl/evp.h>

/* Opens what tests/format/make_vectors.py wrote, an implementation that shares nothing with ours but docs/format.md. */
#define OBJECT_MOST (1 << 20)

static cJSON *vectors;
static struct keyring *keys[3];
static const char *const key_names[3] = { "raw", "passphrase", "other" };

static void load_file(const char *name, struct buf *out)
{
	char path[4096];
	uint8_t piece[4096];
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", VECTORS_DIR, name);
	FILE *f = fopen(path, "rb");

	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	buf_init(out, OBJECT_MOST);
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		assert_ok(buf_put(out, piece, n));
	fclose(f);
}

static const char *text(const cJSON *object, const char *field)
{
	const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, field));

	if (!value)
		fail_msg("no %s", field);
	return value;
}

static int64_t number(const cJSON *object, const char *field)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, field);

	if (!cJSON_IsNumber(item))
		fail_msg("no %s", field);
	return (int64_t)item->valuedouble; /* the vectors' numbers stay below 2^53 */
}

static struct keyring *key_of(const cJSON *item)
{
	for (int i = 0; i < 3; i++)
		if (strcmp(text(item, "key"), key_names[i]) == 0)
			return keys[i];
	fail_msg("no such key");
	return NULL;
}

static int load(void **state)
{
	AUTO(buf_free) struct buf json;

	load_file("vectors.json", &json);
	vectors = cJSON_Parse(buf_text(&json));
	assert_non_null(vectors);
	for (int i = 0; i < 3; i++)
		keys[i] = parse_key(text(cJSON_GetObjectItem(vectors, "keys"), key_names[i]));
	return 0;
}

static int unload(void **state)
{
	cJSON_Delete(vectors);
	for (int i = 0; i < 3; i++)
		keyring_free(keys[i]);
	return 0;
}

static void assert_hex(const uint8_t *data, size_t n, const char *want)
{
	char hex[2 * 64 + 1];

	assert_true(n <= 64);
	hex_encode(hex, data, n);
	assert_string_equal(hex, want);
}

static void assert_attrs(const struct trailer *t, const cJSON *want)
{
	assert_int_equal(t->type, number(want, "type"));
	assert_int_equal(t->state, number(want, "state"));
	assert_int_equal(t->mode, number(want, "mode"));
	assert_int_equal(t->uid, number(want, "uid"));
	assert_int_equal(t->gid, number(want, "gid"));
	assert_true(t->mtime.tv_sec == number(want, "mtime") && t->mtime.tv_nsec == number(want, "mtime_ns"));
	assert_true(t->committed.tv_sec == number(want, "committed") && t->committed.tv_nsec == number(want, "committed_ns"));
	assert_true(t->size == (uint64_t)number(want, "size"));
	assert_hex(t->commit_id, 16, text(want, "commit_id"));
	assert_hex(t->writer_id, 16, text(want, "writer_id"));
}

static void assert_sha256(const struct buf *content, const char *want)
{
	uint8_t digest[32];

	assert_true(EVP_Digest(content->data ? content->data : (const uint8_t *)"", content->len, digest, NULL, EVP_sha256(), NULL));
	assert_hex(digest, sizeof(digest), want);
}

static void objects(void **state)
{
	const cJSON *item;
	unsigned good = 0, bad = 0;

	cJSON_ArrayForEach(item, cJSON_GetObjectItem(vectors, "objects"))
	{
		AUTO(buf_free) struct buf object, content;
		struct trailer t;

		load_file(text(item, "file"), &object);
		buf_init(&content, OBJECT_MOST);
		enum finding f = object_read(key_of(item), object.data, object.len, &t, &content);

		if (strcmp(finding_name(f), text(item, "finding")))
			fail_msg("%s: %s, not %s", text(item, "file"), finding_name(f), text(item, "finding"));
		if (f != FOUND_GOOD) {
			bad++;
			continue;
		}
		good++;
		assert_attrs(&t, cJSON_GetObjectItem(item, "attrs"));
		assert_sha256(&content, text(item, "sha256"));
		assert_hex(object.data + 16, OBJECT_ID, text(item, "object_id"));
	}
	assert_true(good >= 13 && bad >= 18);
}

static void exchange(uint8_t *data, const cJSON *swap)
{
	uint8_t *a = data + cJSON_GetArrayItem(swap, 0)->valueint, *b = data + cJSON_GetArrayItem(swap, 1)->valueint;

	for (int i = 0; i < cJSON_GetArrayItem(swap, 2)->valueint; i++) {
		uint8_t byte = a[i];

		a[i] = b[i];
		b[i] = byte;
	}
}

/* Makes the alteration that the item describes; places below 0 count from the end. */
static void alter(struct buf *object, const cJSON *item)
{
	const cJSON *cut = cJSON_GetObjectItem(item, "cut"), *swap = cJSON_GetObjectItem(item, "swap"), *change;
	const char *append = text(item, "append");
	uint8_t more[300];

	cJSON_ArrayForEach(change, cJSON_GetObjectItem(item, "xor"))
	{
		int at = cJSON_GetArrayItem(change, 0)->valueint;

		object->data[at < 0 ? object->len + (size_t)at : (size_t)at] ^= (uint8_t)cJSON_GetArrayItem(change, 1)->valueint;
	}
	if (swap)
		exchange(object->data, swap);
	if (cJSON_IsNumber(cut))
		object->len = cut->valueint < 0 ? object->len + (size_t)cut->valueint : (size_t)cut->valueint;
	assert_ok(buf_put(object, more, unhex(more, sizeof(more), append)));
}

static void alterations(void **state)
{
	const cJSON *item;
	unsigned n = 0;

	cJSON_ArrayForEach(item, cJSON_GetObjectItem(vectors, "tampered"))
	{
		AUTO(buf_free) struct buf object, content;
		struct trailer t;

		load_file(text(item, "file"), &object);
		buf_init(&content, OBJECT_MOST);
		alter(&object, item);
		enum finding f = object_read(key_of(item), object.data, object.len, &t, &content);

		if (strcmp(finding_name(f), text(item, "finding")))
			fail_msg("%s: %s (alteration %u): %s, not %s", text(item, "file"), text(item, "why"), n, finding_name(f),
				 text(item, "finding"));
		n++;
	}
	assert_true(n >= 70);
}

static void key_texts(void **state)
{
	const cJSON *item;
	unsigned n = 0;

	cJSON_ArrayForEach(item, cJSON_GetObjectItem(vectors, "key_texts"))
	{
		const char *want = cJSON_GetStringValue(cJSON_GetArrayItem(item, 1));
		AUTO(auto_keyring_free) struct keyring *k = NULL;
		uint8_t given[1100];
		char error[200];
		size_t len = unhex(given, sizeof(given), cJSON_GetStringValue(cJSON_GetArrayItem(item, 0)));
		int rc = keyring_parse((const char *)given, len, &k, error, sizeof(error));
		const char *got = rc ? "refused" : keyring_kind(k) == KEY_RAW ? "raw" : "passphrase";

		if (strcmp(got, want))
			fail_msg("%.*s: %s, not %s", (int)len, (const char *)given, got, want);
		assert_true(!rc || rc == EINVAL);
		n++;
	}
	assert_true(n >= 50);
}

/* The steps from the key to the first record, one by one. */
static void derived(void **state)
{
	const cJSON *d = cJSON_GetObjectItem(vectors, "derived");
	uint8_t id[16], salt[32], dek[32], got[32], phrase_salt[32], key_id[KEY_ID], h[HEADER_BYTES];
	AUTO(buf_free) struct buf object;
	struct object_key key;

	unhex(id, sizeof(id), text(d, "object_id"));
	unhex(salt, sizeof(salt), text(d, "salt"));
	unhex(dek, sizeof(dek), text(d, "dek"));
	unhex(phrase_salt, sizeof(phrase_salt), text(d, "passphrase_salt"));
	assert_ok(object_key_from(id, salt, dek, &key));
	assert_hex(key.content, 32, text(d, "content_key"));
	assert_ok(crypto_scrypt(PASS_TEXT, strlen(PASS_TEXT), phrase_salt, got));
	assert_hex(got, 32, text(d, "passphrase_kek"));
	assert_ok(keyring_derive(keys[1], phrase_salt, key_id));
	assert_hex(key_id, KEY_ID, text(d, "passphrase_key_id"));
	assert_ok(keyring_write_id(keys[0], key_id));
	assert_hex(key_id, KEY_ID, text(d, "key_id"));
	/* The same key gives the same header, byte by byte. */
	load_file("raw-1.bin", &object);
	assert_ok(header_make(keys[0], &key, h));
	assert_memory_equal(h, object.data, HEADER_BYTES);
	assert_hex(h + 64, 32, text(d, "commitment"));
	assert_hex(h + 96 + 44, 48, text(d, "wrapped_dek"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(objects), cmocka_unit_test(alterations), cmocka_unit_test(key_texts),
					    cmocka_unit_test(derived) };

	return cmocka_run_group_tests_name("vectors", tests, load, unload);
}

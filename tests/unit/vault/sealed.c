/* SPDX-License-Identifier: Apache-2.0 */
#include "sealed.h"

#include "base/buf.h"
#include "base/clock.h"
#include "vault/audit.h"
#include "vault/catalog_private.h"

#include <stdio.h>
#include <string.h>

#define STAGED RECORDS "staging/test"

void sealed_put_as(struct kit *k, const char *path, const char *content, enum trailer_state state, const uint8_t writer[16])
{
	bool folder = path[strlen(path) - 1] == '/';
	char key[PATH_CAP];
	struct trailer t;
	uint8_t *bytes;
	size_t n;

	trailer_fresh(k->v, &t, folder ? ENTRY_FOLDER : ENTRY_FILE, state, folder ? 0750 : 0640, 10, 20);
	memcpy(t.writer_id, writer, sizeof(t.writer_id));
	assert_int_equal(object_put_small(k->v, STAGED, content, strlen(content), &t, NULL, NULL, NULL), 0);
	n = kit_raw_get(k->bucket, STAGED, &bytes, NULL);
	snprintf(key, sizeof(key), LIVE "%s", path);
	kit_raw_put(k->bucket, key, bytes, n);
	kit_raw_remove(k->bucket, STAGED);
	free(bytes);
}

void sealed_put(struct kit *k, const char *path, const char *content, enum trailer_state state)
{
	sealed_put_as(k, path, content, state, vault_writer_id(k->v));
}

const char *sealed_key(const char *stem, const char *path)
{
	static char key[PATH_CAP];

	snprintf(key, sizeof(key), LIVE "%s/%s", stem, path);
	return key;
}

static void add(struct kit *k, struct seal *s, const struct member *m)
{
	struct object *o;
	struct trailer t;
	struct seal_entry e = { 0 };

	assert_int_equal(object_load(k->v, m->key, m->length, &o, NULL), 0);
	object_attrs(o, &t);
	e = (struct seal_entry){ .path = strdup(m->key + strlen(LIVE)), .type = t.type, .mode = t.mode, .uid = t.uid, .gid = t.gid, .mtime = t.mtime,
				 .size = object_size(o), .state = t.state };
	if (t.type == ENTRY_FOLDER)
		e.path[strlen(e.path) - 1] = '\0';
	memcpy(e.object, object_keys(o)->id, sizeof(e.object));
	memcpy(e.etag, m->etag, sizeof(e.etag));
	if (t.committed.tv_sec > s->committed_s)
		s->committed_s = t.committed.tv_sec;
	object_unref(o);
	assert_int_equal(seal_add(s, &e), 0);
}

void sealed_seal(struct kit *k, const char *stem, const char *but)
{
	struct seal s = { .source = SEAL_REQUEST, .sealed_s = clock_wall_s() }, before;
	struct members m;
	struct stem parsed;
	struct record_id old, id;
	char hex[33], at[PATH_CAP];

	copy_text(s.tenant, sizeof(s.tenant), "acme");
	copy_text(s.stem, sizeof(s.stem), stem);
	copy_text(s.program, sizeof(s.program), "test");
	hex_encode(s.writer, vault_writer_id(k->v), 16);
	assert_int_equal(members_list(k->v, "acme", stem, &m, NULL), 0);
	for (size_t i = 0; i < m.count; i++)
		if (!but || strncmp(m.list[i].key + strlen(LIVE), but, strlen(but)) != 0)
			add(k, &s, &m.list[i]);
	members_free(&m);
	stem_of(stem, &parsed);
	seal_set_time(&s, &parsed);
	snprintf(at, sizeof(at), RECORDS "seals/%s", stem);
	if (kit_raw_head(k->bucket, at, NULL) == 0) {
		assert_int_equal(seal_read(k->v, "acme", stem, &before, &old, NULL), 0);
		seal_free(&before);
		assert_int_equal(seal_write(k->v, &s, &old, &id, NULL), 0);
	} else {
		assert_int_equal(seal_write(k->v, &s, NULL, &id, NULL), 0);
	}
	seal_free(&s);
	hex_encode(hex, id.object, 16);
	audit_note(k->v, "acme", &(struct audit_line){ .event = AUDIT_SEALED, .backup = stem, .seal = hex });
	assert_int_equal(audit_flush(k->v, "acme", NULL), 0);
}

void sealed_make(struct kit *k, const char *stem)
{
	static const char *const paths[] = { "", "a", "db/", "db/b", "db/c" };
	char path[PATH_CAP];

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		snprintf(path, sizeof(path), "%s/%s", stem, paths[i]);
		sealed_put(k, path, path[strlen(path) - 1] == '/' ? "" : path, STATE_CLOSED);
	}
	sealed_seal(k, stem, NULL);
}

void sealed_reopen(struct kit *k, const char *stem, const char *at)
{
	char key[PATH_CAP], text[PATH_CAP], now[24], writer[33];

	clock_format_utc(now, clock_wall_s());
	hex_encode(writer, vault_writer_id(k->v), 16);
	snprintf(key, sizeof(key), RECORDS "reopen/%s", at);
	snprintf(text, sizeof(text), "{\"reopen\":1,\"backup\":\"%s\",\"at\":\"%s\",\"writer\":\"%s\",\"why\":\"test\"}\n", stem, now, writer);
	assert_int_equal(record_write(k->v, key, text, strlen(text), NULL, NULL, NULL), 0);
}

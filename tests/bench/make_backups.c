/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_vault.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rand.h"
#include "vault/audit.h"
#include "vault/crew.h"
#include "vault/seal.h"

#include <errno.h>
#include <stdio.h>

/* Fills a bucket quickly: sealed backups of small files, one an hour, for runs of retention over many of them.
 *
 *   make_backups STORE TENANT BACKUPS LEAST MOST BYTES      each has LEAST to MOST objects of BYTES plain bytes
 *
 * The names are db-YYYYMMDD-HHMMSS, the newest two days old; their commits are of now. Connection and key come from the environment, as pishopfs takes them. */

#define THREADS 16u
#define NEWEST_AGE_S (2 * 86400)
#define BYTES_MOST (1u << 20)

struct making {
	struct vault *v;
	const char *tenant;
	size_t backups, least, most, bytes;
	int64_t now_s;
	uint8_t *content; /* random, so that nothing compresses it */
};

static size_t number(const char *text, size_t least, size_t most)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	if (*end || n < least || n > most) {
		fprintf(stderr, "make_backups: %s: not from %zu to %zu\n", text, least, most);
		exit(2);
	}
	return (size_t)n;
}

static void name_of(const struct making *m, size_t i, char out[STEM_CAP])
{
	time_t at = m->now_s - NEWEST_AGE_S - (time_t)i * 3600;
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(out, STEM_CAP, "db-%Y%m%d-%H%M%S", &tm);
}

/* path: below the tenant; a folder's without its slash. */
static int put(const struct making *m, struct seal *s, const char *path, enum entry_type type)
{
	AUTO(auto_object_unref) struct object *o = NULL;
	struct seal_entry e = { .path = strdup(path), .type = type };
	struct object_place place;
	char key[PATH_CAP], full[PATH_CAP];
	struct trailer t;
	size_t bytes = type == ENTRY_FILE ? m->bytes : 0;
	int rc = e.path ? 0 : ENOMEM;

	snprintf(full, sizeof(full), "%s/%s", m->tenant, path);
	trailer_fresh(m->v, &t, type, STATE_CLOSED, type == ENTRY_FILE ? 0640 : 0750, 0, 0);
	if (!rc)
		rc = path_key(vault_rules(m->v), key, full, type == ENTRY_FOLDER);
	if (!rc)
		rc = object_put_small(m->v, key, m->content, bytes, &t, &(struct store_cond){ .if_none_match = true }, &o, NULL);
	if (rc) {
		free(e.path);
		return rc;
	}
	object_attrs(o, &t);
	object_place(o, &place);
	e.mode = t.mode;
	e.mtime = t.mtime;
	e.size = bytes;
	e.state = STATE_CLOSED;
	memcpy(e.object, object_keys(o)->id, sizeof(e.object));
	memcpy(e.etag, place.etag, sizeof(e.etag));
	s->committed_s = t.committed.tv_sec > s->committed_s ? t.committed.tv_sec : s->committed_s;
	return seal_add(s, &e);
}

static int put_all(const struct making *m, struct seal *s, size_t objects)
{
	char path[PATH_CAP];
	int rc = put(m, s, s->stem, ENTRY_FOLDER);

	for (size_t k = 1; k < objects && !rc; k++) {
		snprintf(path, sizeof(path), "%s/collection-%04zu.bson.gz", s->stem, k);
		rc = put(m, s, path, ENTRY_FILE);
	}
	return rc;
}

static int make(void *arg, size_t i)
{
	struct making *m = arg;
	AUTO(seal_free) struct seal s = { .source = SEAL_REQUEST };
	struct record_id id;
	struct stem stem;
	char hex[33];
	int rc;

	name_of(m, i, s.stem);
	copy_text(s.tenant, sizeof(s.tenant), m->tenant);
	copy_text(s.program, sizeof(s.program), "make_backups");
	hex_encode(s.writer, vault_writer_id(m->v), 16);
	rc = put_all(m, &s, m->least + i * 7919 % (m->most - m->least + 1));
	s.sealed_s = clock_wall_s();
	stem_of(s.stem, &stem);
	seal_set_time(&s, &stem);
	if (!rc)
		rc = seal_write(m->v, &s, NULL, &id, NULL);
	if (rc) {
		fprintf(stderr, "make_backups: %s: %s\n", s.stem, strerror(rc));
		return rc;
	}
	hex_encode(hex, id.object, 16);
	audit_note(m->v, m->tenant, &(struct audit_line){ .event = AUDIT_SEALED, .backup = s.stem, .seal = hex, .objects = s.count, .bytes = s.bytes });
	return 0;
}

int main(int argc, char **argv)
{
	struct making m = { .now_s = clock_wall_s() };
	int rc;

	if (argc != 7) {
		fputs("usage: make_backups STORE TENANT BACKUPS LEAST MOST BYTES\n", stderr);
		return 2;
	}
	m.tenant = argv[2];
	m.backups = number(argv[3], 1, 200000);
	m.least = number(argv[4], 1, 100000);
	m.most = number(argv[5], m.least, 100000);
	m.bytes = number(argv[6], 0, BYTES_MOST);
	m.content = malloc(m.bytes + 1);
	if (!m.content)
		return 1;
	rand_bytes(m.content, m.bytes);
	log_setup(LOG_WARN, LOG_TEXT);
	m.v = bench_vault(argv[1], m.tenant, false);
	rc = m.v ? crew_run(THREADS, m.backups, make, &m) : EIO;
	if (m.v && vault_close(m.v) && !rc)
		rc = EIO;
	free(m.content);
	return rc ? 1 : 0;
}

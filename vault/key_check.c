/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/open.h"
#include "vault/object_private.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rand.h"

#include <errno.h>
#include <stdio.h>

/* The key check: one empty object under .pishop/keys/ for each key that ever wrote here, named by its id, is opened with our key. A typing error in the
 * key must stop the mount, before a night of backups is written that nobody can read.
 *
 * A raw key knows its id. A passphrase has one for each salt, and the salts are in the headers of the key objects: each is tried, at 0.2 s. */

#define KEYS_FOLDER ".pishop/keys/"
#define TRIED_MAX 32u /* passphrase keys that are tried */

enum { ID_HEX = 2 * KEY_ID };

static void key_object(const struct opening *open, char out[PATH_CAP], const uint8_t id[KEY_ID])
{
	char name[sizeof(KEYS_FOLDER) + ID_HEX] = KEYS_FOLDER;

	hex_encode(name + strlen(name), id, KEY_ID);
	opening_key(open, out, name);
}

/* What object_load says of a key object, as a reason to stay closed. The object's own fault was logged. */
static enum vault_failure judge(struct opening *open, const char *key, int rc, const struct object *o, const struct store_call *call)
{
	if (!rc && !object_foreign(o))
		return VAULT_OK;
	if (!rc || rc == EBADMSG || rc == ENOKEY || rc == EPROTONOSUPPORT)
		return opening_refused(open, VAULT_LAYOUT, key,
				       "the proof of this key is damaged, so the key cannot be checked; if older backups still open with it, remove this object");
	return opening_failed(open, rc, call, key, "checking the key");
}

/* Opens the key object of our id. *absent: there is none. */
static enum vault_failure open_own(struct opening *open, const char *key, bool *absent)
{
	struct store_call call = opening_call(open);
	AUTO(auto_object_unref) struct object *o = NULL;
	int rc = object_load(open->v, key, object_length(0), &o, &call);

	*absent = rc == ENOENT;
	return *absent ? VAULT_OK : judge(open, key, rc, o, &call);
}

static int put_own(struct opening *open, const char *key)
{
	struct store_call call = opening_call(open);
	struct store_cond cond = { .if_none_match = true };
	struct trailer t;
	int rc;

	trailer_fresh(open->v, &t, ENTRY_RECORD, STATE_CLOSED, 0600, 0, 0);
	rc = object_put_small(open->v, key, NULL, 0, &t, &cond, NULL, &call);
	return rc;
}

/* Creates the key object of our id; whoever was faster has the same key, which is then proven as ever. */
static enum vault_failure create_own(struct opening *open)
{
	uint8_t id[KEY_ID];
	char key[PATH_CAP];
	bool absent;
	int rc = keyring_write_id(open->v->keys, id);

	if (rc)
		return opening_refused(open, VAULT_OTHER, "", "the key cannot be used: %s", strerror(rc));
	key_object(open, key, id);
	rc = put_own(open, key);
	if (rc == EEXIST)
		return open_own(open, key, &absent);
	if (rc == EACCES)
		return opening_refused(open, VAULT_CREDENTIALS, key,
				       "this access key may not write; allow it in the policy, or mount with --read-only");
	if (rc) {
		struct store_call call = { 0 };

		return opening_failed(open, rc, &call, key, "recording the key");
	}
	log_path(LOG_INFO, "key", key, "recorded: the first time this key writes here");
	return VAULT_OK;
}

static enum vault_failure list_keys(struct opening *open, struct store_page *page)
{
	struct store *s = open->v->store;
	struct store_call call = opening_call(open);
	char folder[PATH_CAP];

	opening_key(open, folder, KEYS_FOLDER);

	int rc = s->ops->list(s, folder, '/', NULL, 0, page, &call);

	return rc ? opening_failed(open, rc, &call, folder, "listing the keys") : VAULT_OK;
}

/* Our key was not found: may it begin to write here? others: how many keys did before. */
static enum vault_failure begin_with(struct opening *open, size_t others)
{
	const struct vault_config *config = &open->v->config;
	uint8_t salt[KEY_SALT];
	char folder[PATH_CAP];

	opening_key(open, folder, KEYS_FOLDER);
	if (others && !config->accept_new_key)
		return opening_refused(open, VAULT_WRONG_KEY, folder,
				       "%zu other key%s wrote here, this one never did: give the right key, or --accept-new-key if a new one is meant", others,
				       others == 1 ? "" : "s");
	if (config->read_only)
		return VAULT_OK;
	if (keyring_kind(open->v->keys) == KEY_PASSPHRASE) {
		rand_bytes(salt, sizeof(salt));

		int rc = keyring_use_salt(open->v->keys, salt);

		if (rc)
			return opening_refused(open, VAULT_OTHER, "", "the key cannot be derived: %s", strerror(rc));
	}
	return create_own(open);
}

static enum vault_failure check_raw(struct opening *open)
{
	uint8_t id[KEY_ID];
	char key[PATH_CAP];
	bool absent;
	struct store_page page;
	int rc = keyring_write_id(open->v->keys, id);

	if (rc)
		return opening_refused(open, VAULT_OTHER, "", "the key cannot be used: %s", strerror(rc));
	key_object(open, key, id);

	enum vault_failure why = open_own(open, key, &absent);

	if (why != VAULT_OK || !absent)
		return why;
	why = list_keys(open, &page);
	if (why != VAULT_OK)
		return why;
	why = begin_with(open, page.count);
	store_page_free(&page);
	return why;
}

/* The salt of a passphrase slot that is named by the object's own name; whether any other slot is there does not matter. false: none. */
static bool salt_of(const uint8_t header[HEADER_BYTES], const char *name, uint8_t salt[KEY_SALT])
{
	struct key_slot slots[HEADER_SLOTS];
	unsigned count = 0;
	char hex[ID_HEX + 1];

	if (header_slots(header, slots, &count))
		return false;
	for (unsigned i = 0; i < count; i++) {
		hex_encode(hex, slots[i].key_id, KEY_ID);
		if (slots[i].kind != KEY_PASSPHRASE || strcmp(hex, name) != 0)
			continue;
		memcpy(salt, slots[i].salt, KEY_SALT);
		return true;
	}
	return false;
}

/* Tries one key object with our passphrase: VAULT_OK and *ours, or why not to go on. Objects that are of no use are passed over. */
static enum vault_failure try_key(struct opening *open, const char *key, bool *ours)
{
	struct store *s = open->v->store;
	struct store_call call = opening_call(open);
	struct store_meta meta;
	uint8_t bytes[HEADER_BYTES + RECORD_EXTRA + TRAILER_BYTES] = { 0 }, salt[KEY_SALT], id[KEY_ID];
	char hex[ID_HEX + 1];
	size_t got = 0;
	struct iovec iov = { bytes, sizeof(bytes) };

	int rc = s->ops->get(s, key, (struct store_range){ .length = sizeof(bytes) }, NULL, &iov, 1, &got, &meta, &call);

	if (rc)
		return rc == ENOENT ? VAULT_OK : opening_failed(open, rc, &call, key, "reading a key object");
	if (got < HEADER_BYTES || !salt_of(bytes, path_name(key), salt))
		return VAULT_OK;
	rc = keyring_derive(open->v->keys, salt, id);
	if (rc)
		return opening_refused(open, VAULT_OTHER, key, "the key cannot be derived: %s", strerror(rc));
	hex_encode(hex, id, KEY_ID);
	if (strcmp(hex, path_name(key)) != 0) {
		keyring_forget_salt(open->v->keys, salt);
		return VAULT_OK;
	}
	*ours = true;

	AUTO(auto_object_unref) struct object *o = NULL;

	rc = got == sizeof(bytes) && meta.size == got ? object_parse(open->v, key, bytes, &meta, &o) : EBADMSG;
	if (!rc)
		rc = keyring_use_salt(open->v->keys, salt);
	return judge(open, key, rc, o, &call);
}

static enum vault_failure check_passphrase(struct opening *open)
{
	struct store_page page;
	enum vault_failure why = list_keys(open, &page);
	bool ours = false;
	size_t tried = 0;

	if (why != VAULT_OK)
		return why;
	while (why == VAULT_OK && !ours && tried < page.count && tried < TRIED_MAX && clock_mono_ms() < open->deadline)
		why = try_key(open, page.objects[tried++].key, &ours);
	if (why == VAULT_OK && !ours && tried < page.count)
		why = opening_refused(open, VAULT_WRONG_KEY, "", "this passphrase is none of the first %zu of %zu keys that wrote here", tried, page.count);
	else if (why == VAULT_OK && !ours)
		why = begin_with(open, page.count);
	store_page_free(&page);
	return why;
}

enum vault_failure key_check(struct opening *open)
{
	return keyring_kind(open->v->keys) == KEY_RAW ? check_raw(open) : check_passphrase(open);
}

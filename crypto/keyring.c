/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/keyring.h"

#include "crypto/aead.h"
#include "crypto/key_text.h"
#include "crypto/secret.h"
#include "crypto/slot.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#define GOOD_MAX 16 /* KEKs kept */
#define SEEN_MAX 64 /* ids kept of salts whose KEK was of no use */

/* A key encryption key and what it is called. */
struct kek {
	uint8_t key[32];
	uint8_t id[KEY_ID];
	uint8_t salt[KEY_SALT]; /* passphrase only */
};

struct good {
	struct kek kek;
	uint64_t used; /* tick of the last use; 0: empty */
	bool proven;   /* it opened a wrap, or is the write KEK: evicted last */
};

/* The id that a salt gives with our passphrase. With the id at hand a header that claims another one is answered without scrypt, and one
 * that claims the right one still gets its KEK: a hostile header that was met first can't shut out an honest one with the same salt. */
struct seen {
	uint8_t salt[KEY_SALT];
	uint8_t id[KEY_ID];
	bool filled;
};

struct keyring {
	enum key_kind kind;             /* const after keyring_parse, like raw, pass and pass_len */
	struct kek raw;                 /* KEY_RAW */
	char pass[PASSPHRASE_MAX];      /* KEY_PASSPHRASE */
	size_t pass_len;
	pthread_mutex_t deriving;       /* one scrypt at a time; taken before `lock`, never while holding it */
	pthread_mutex_t lock;           /* guards all below; held for look-ups only */
	struct good good[GOOD_MAX];
	struct seen seen[SEEN_MAX];
	unsigned next_seen;             /* ring */
	uint64_t tick;
	bool can_write;
	struct kek write;               /* passphrase: the KEK of the chosen salt, whatever is evicted */
};

static void kek_wipe(struct kek *k)
{
	explicit_bzero(k, sizeof(*k));
}

static int make_id(struct kek *kek)
{
	static const char label[] = "pishopfs/v1/key-id";
	SECRET(out);
	int rc = hkdf_sha256(kek->key, sizeof(kek->key), NULL, 0, label, sizeof(label) - 1, out.b, sizeof(out.b));

	if (!rc)
		memcpy(kek->id, out.b, KEY_ID);
	return rc;
}

/* Pages of its own, kept out of swap and core dumps. Both are best effort: a container may forbid mlock. */
static struct keyring *alloc_keyring(void)
{
	void *pages = mmap(NULL, sizeof(struct keyring), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return NULL;
	(void)mlock(pages, sizeof(struct keyring));
	(void)madvise(pages, sizeof(struct keyring), MADV_DONTDUMP);
	return pages;
}

static int fill(struct keyring *k, const char *text, size_t len, const char **reason)
{
	switch (key_text_classify(text, len, k->raw.key, reason)) {
	case KEY_TEXT_RAW:
		k->kind = KEY_RAW;
		return make_id(&k->raw);
	case KEY_TEXT_PASSPHRASE:
		k->kind = KEY_PASSPHRASE;
		k->pass_len = len;
		memcpy(k->pass, text, len);
		return 0;
	default:
		return EINVAL;
	}
}

int keyring_parse(const char *text, size_t len, struct keyring **out, char *error, size_t cap)
{
	const char *reason = NULL;
	int rc = crypto_setup();
	struct keyring *k = rc ? NULL : alloc_keyring();

	*out = NULL;
	if (!rc)
		rc = k ? 0 : ENOMEM;
	if (!rc) {
		pthread_mutex_init(&k->deriving, NULL);
		pthread_mutex_init(&k->lock, NULL);
		rc = fill(k, text, key_text_length(text, len), &reason);
	}
	if (rc) {
		snprintf(error, cap, "%s", reason ? reason : strerror(rc));
		keyring_free(k);
		return rc;
	}
	*out = k;
	return 0;
}

void keyring_free(struct keyring *k)
{
	if (!k)
		return;
	pthread_mutex_destroy(&k->lock);
	pthread_mutex_destroy(&k->deriving);
	explicit_bzero(k, sizeof(*k));
	munmap(k, sizeof(*k));
}

enum key_kind keyring_kind(const struct keyring *k)
{
	return k->kind;
}

static struct good *find_good(struct keyring *k, const uint8_t salt[KEY_SALT])
{
	for (struct good *g = k->good; g < k->good + GOOD_MAX; g++)
		if (g->used && memcmp(g->kek.salt, salt, KEY_SALT) == 0)
			return g;
	return NULL;
}

static struct seen *find_seen(struct keyring *k, const uint8_t salt[KEY_SALT])
{
	for (struct seen *s = k->seen; s < k->seen + SEEN_MAX; s++)
		if (s->filled && memcmp(s->salt, salt, KEY_SALT) == 0)
			return s;
	return NULL;
}

/* Answers from memory: 0 and *out; ENOKEY: the salt is known to give another id than the wanted one; EAGAIN: must be derived.
 * wanted NULL: any id. */
static int look_up(struct keyring *k, const uint8_t salt[KEY_SALT], const uint8_t *wanted, struct kek *out)
{
	int rc = EAGAIN;

	pthread_mutex_lock(&k->lock);
	struct good *g = find_good(k, salt);
	struct seen *s = g ? NULL : find_seen(k, salt);

	if (g) {
		g->used = ++k->tick;
		*out = g->kek;
		rc = wanted && memcmp(wanted, g->kek.id, KEY_ID) ? ENOKEY : 0;
	} else if (s && wanted && memcmp(wanted, s->id, KEY_ID)) {
		rc = ENOKEY;
	}
	pthread_mutex_unlock(&k->lock);
	return rc;
}

/* Unproven before proven, then the one used longest ago. */
static struct good *pick_victim(struct keyring *k)
{
	struct good *victim = k->good;

	for (struct good *g = k->good; g < k->good + GOOD_MAX; g++) {
		if (!g->used)
			return g;
		if (g->proven != victim->proven ? victim->proven : g->used < victim->used)
			victim = g;
	}
	return victim;
}

static void note_seen(struct keyring *k, const struct kek *kek)
{
	struct seen *s = find_seen(k, kek->salt);

	if (!s)
		s = &k->seen[k->next_seen++ % SEEN_MAX];
	memcpy(s->salt, kek->salt, KEY_SALT);
	memcpy(s->id, kek->id, KEY_ID);
	s->filled = true;
}

static void remember(struct keyring *k, const struct kek *kek, const uint8_t *wanted)
{
	pthread_mutex_lock(&k->lock);
	if (wanted && memcmp(wanted, kek->id, KEY_ID))
		note_seen(k, kek);
	else
		*pick_victim(k) = (struct good){ .kek = *kek, .used = ++k->tick };
	pthread_mutex_unlock(&k->lock);
}

/* The KEK of a salt, whose id is to be `wanted` (NULL: any): 0, ENOKEY, ENOMEM. */
static int find_kek(struct keyring *k, const uint8_t salt[KEY_SALT], const uint8_t *wanted, struct kek *out)
{
	int rc = look_up(k, salt, wanted, out);

	if (rc != EAGAIN)
		return rc;
	pthread_mutex_lock(&k->deriving);
	rc = look_up(k, salt, wanted, out); /* somebody else may have derived it while we waited */
	if (rc == EAGAIN) {
		memcpy(out->salt, salt, KEY_SALT);
		rc = crypto_scrypt(k->pass, k->pass_len, salt, out->key);
		if (!rc)
			rc = make_id(out);
		if (!rc) {
			remember(k, out, wanted);
			rc = wanted && memcmp(wanted, out->id, KEY_ID) ? ENOKEY : 0;
		}
	}
	pthread_mutex_unlock(&k->deriving);
	return rc;
}

static void mark_proven(struct keyring *k, const uint8_t salt[KEY_SALT])
{
	pthread_mutex_lock(&k->lock);
	struct good *g = find_good(k, salt);

	if (g)
		g->proven = true;
	pthread_mutex_unlock(&k->lock);
}

int keyring_derive(struct keyring *k, const uint8_t salt[KEY_SALT], uint8_t key_id[KEY_ID])
{
	AUTO(kek_wipe) struct kek kek = { 0 };

	if (k->kind == KEY_RAW) {
		memcpy(key_id, k->raw.id, KEY_ID);
		return 0;
	}
	pthread_mutex_lock(&k->lock);
	struct seen *s = find_seen(k, salt);

	if (s)
		memcpy(key_id, s->id, KEY_ID);
	pthread_mutex_unlock(&k->lock);
	if (s)
		return 0;
	int rc = find_kek(k, salt, NULL, &kek);

	if (!rc)
		memcpy(key_id, kek.id, KEY_ID);
	return rc;
}

int keyring_use_salt(struct keyring *k, const uint8_t salt[KEY_SALT])
{
	AUTO(kek_wipe) struct kek kek = { 0 };

	if (k->kind == KEY_RAW)
		return EINVAL;
	int rc = find_kek(k, salt, NULL, &kek);

	if (rc)
		return rc;
	mark_proven(k, salt);
	pthread_mutex_lock(&k->lock);
	k->write = kek;
	k->can_write = true;
	pthread_mutex_unlock(&k->lock);
	return 0;
}

void keyring_forget_salt(struct keyring *k, const uint8_t salt[KEY_SALT])
{
	pthread_mutex_lock(&k->lock);
	struct good *g = find_good(k, salt);

	if (g && !(k->can_write && memcmp(k->write.salt, salt, KEY_SALT) == 0)) {
		note_seen(k, &g->kek);
		explicit_bzero(g, sizeof(*g));
	}
	pthread_mutex_unlock(&k->lock);
}

static int get_write_kek(struct keyring *k, struct kek *out)
{
	int rc = 0;

	if (k->kind == KEY_RAW) {
		*out = k->raw;
		return 0;
	}
	pthread_mutex_lock(&k->lock);
	if (k->can_write)
		*out = k->write;
	else
		rc = EAGAIN;
	pthread_mutex_unlock(&k->lock);
	return rc;
}

int keyring_write_id(struct keyring *k, uint8_t key_id[KEY_ID])
{
	AUTO(kek_wipe) struct kek kek = { 0 };
	int rc = get_write_kek(k, &kek);

	if (!rc)
		memcpy(key_id, kek.id, KEY_ID);
	return rc;
}

/* The key of one slot of one object; format.md §3.2. */
static int make_wrap_key(const struct kek *kek, enum key_kind kind, unsigned index, const uint8_t object_id[16], struct secret *out)
{
	AUTO(buf_free) struct buf info;

	buf_init(&info, 64);
	if (buf_puts(&info, "pishopfs/v1/wrap") || buf_put_u8(&info, FORMAT_VERSION) || buf_put_u8(&info, FORMAT_SUITE) ||
	    buf_put_u8(&info, (uint8_t)index) || buf_put_u8(&info, (uint8_t)kind) || buf_put(&info, kek->id, KEY_ID) ||
	    buf_put(&info, object_id, 16))
		return ENOMEM;
	return hkdf_sha256(kek->key, sizeof(kek->key), NULL, 0, info.data, info.len, out->b, sizeof(out->b));
}

static const uint8_t zero_nonce[AEAD_NONCE]; /* legal: a wrap key meets one DEK only */

int keyring_wrap(struct keyring *k, unsigned index, const uint8_t object_id[16], const uint8_t dek[32], struct key_slot *out)
{
	AUTO(kek_wipe) struct kek kek = { 0 };
	SECRET(wrap);
	int rc = get_write_kek(k, &kek);

	if (!rc)
		rc = make_wrap_key(&kek, k->kind, index, object_id, &wrap);
	if (rc)
		return rc;
	*out = (struct key_slot){ 0 };
	slot_set_kind(out, k->kind);
	memcpy(out->key_id, kek.id, KEY_ID);
	memcpy(out->salt, kek.salt, KEY_SALT);
	memcpy(out->wrapped, dek, 32);
	rc = aead_seal(wrap.b, zero_nonce, NULL, 0, out->wrapped, 32, out->wrapped + 32);
	if (rc)
		explicit_bzero(out, sizeof(*out));
	return rc;
}

/* The KEK that a slot of a kind we know names: 0, ENOKEY, ENOMEM. */
static int find_slot_kek(struct keyring *k, const struct key_slot *slot, struct kek *out)
{
	if (slot->kind != k->kind || !slot_is_known(slot))
		return ENOKEY;
	if (k->kind == KEY_PASSPHRASE)
		return find_kek(k, slot->salt, slot->key_id, out);
	*out = k->raw;
	return memcmp(slot->key_id, k->raw.id, KEY_ID) ? ENOKEY : 0;
}

int keyring_unwrap(struct keyring *k, unsigned index, const uint8_t object_id[16], const struct key_slot *slot, uint8_t dek[32])
{
	AUTO(kek_wipe) struct kek kek = { 0 };
	SECRET(wrap);
	SECRET(plain);
	int rc = find_slot_kek(k, slot, &kek);

	if (!rc)
		rc = make_wrap_key(&kek, k->kind, index, object_id, &wrap);
	if (rc)
		return rc;
	memcpy(plain.b, slot->wrapped, 32);
	rc = aead_open(wrap.b, zero_nonce, NULL, 0, plain.b, 32, slot->wrapped + 32);
	if (rc)
		return rc == EBADMSG ? EKEYREJECTED : rc;
	memcpy(dek, plain.b, 32);
	if (k->kind == KEY_PASSPHRASE)
		mark_proven(k, slot->salt);
	return 0;
}

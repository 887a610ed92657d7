/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "crypto/trailer.h"
#include "s3/store.h"
#include "vault/vault.h"

/* A committed object as this process knows it: its keys, attributes and place. Reference counted; any thread.
 *
 * key, size and type never change. Place (bucket key, ETag, length) and attributes change under a lock, when this process renames the
 * object or rewrites its trailer: take a copy with object_place. The content of an object never changes. */
struct object;

struct object_place {
	char key[PATH_CAP];          /* bucket key */
	char etag[STORE_ETAG_MAX];
	uint64_t length;             /* bytes in the bucket */
	int64_t seen_ms;             /* clock_mono_ms when the store last said, or accepted, that it stands there */
};

/* Fetches and checks header and trailer of the object at key: whole and in one request where length is at most 1 MiB or unknown (0), its plain
 * content is then kept for a while (SLAB_READ, dropped under pressure). Blocks. call may be NULL.
 * 0; ENOENT; EBADMSG damaged; ENOKEY written with another key; EPROTONOSUPPORT newer format; or a store errno: logged with the reason.
 * An object without our magic gives 0 and object_foreign() true. */
int object_load(struct vault *v, const char *key, uint64_t length, struct object **out, struct store_call *call);
/* For what this process has just committed. meta gives ETag and length. */
struct object *object_made(struct vault *v, const char *key, const struct object_key *keys, const struct trailer *t, const struct store_meta *meta);
struct object *object_ref(struct object *o); /* NULL is legal */
void object_unref(struct object *o);         /* NULL is legal */
DEFINE_AUTO(object, object_unref)

bool object_foreign(const struct object *o);                 /* without our magic: not written by this program */
uint64_t object_size(const struct object *o);               /* plain bytes; of a foreign object its length */
const struct object_key *object_keys(const struct object *o); /* NULL: foreign */
void object_attrs(struct object *o, struct trailer *out);
void object_place(struct object *o, struct object_place *out);
void object_set_place(struct object *o, const char *key, const struct store_meta *meta, const struct trailer *attrs /* NULL: as before */);
/* Asks the store (HEAD) whether the object still stands at its place unless that was seen less than fresh_ms ago: 0; ESTALE: another
 * stands there; ENOENT; or a store errno. */
int object_confirm(struct vault *v, struct object *o, int64_t fresh_ms, struct store_call *call);

/* Reads and decrypts plain bytes [offset, offset+len) into out, cut at the size; *got (0 on errors). Blocks; no prefetch: see reader.h.
 * EBADMSG (logged with chunk number) for damage, after a second request, as a bit may have flipped on the way only; ESTALE when another
 * object stands there, or none (where this process moved the object itself, it is followed); EACCES for foreign objects unless
 * foreign_read. All other errors are logged, too. */
int object_read(struct vault *v, struct object *o, uint64_t offset, size_t len, void *out, size_t *got);
/* Whole chunks first..first+count-1, decrypted into slabs[0..count-1]->data, in one request (count <= 128). */
int object_read_chunks(struct vault *v, struct object *o, uint64_t first, unsigned count, struct slab *const *slabs);

/* Makes the same content stand at `to` (a bucket key, which may be its own) with new attributes (NULL: unchanged): small objects are
 * read and put, large ones copied inside the store by parts with a new last one. Conditional on the source; cond is the condition
 * on what stands at `to` (for its own key: pass NULL, the source's ETag is taken). On success place and attributes of o are updated. The old
 * key, if another, is not removed. Type, size and commit time stay the content's own, so that no chmod or rename makes a backup younger.
 * Blocks; calls on one object wait for each other. ESTALE: the source or the destination changed, or a removal of the own key waits; nothing
 * was done. EPERM: attributes of a foreign object. EROFS. EBADMSG: the source is damaged and was not copied. Else a store errno. All but
 * ESTALE are logged. */
int object_rewrite(struct vault *v, struct object *o, const char *to, const struct trailer *attrs, const struct store_cond *cond);

/* object_rewrite to another key, then the removal of the old name, path, in its ETag. Where that fails, o is what it was before, at its old place, and
 * the copy stays at `to`. */
int object_move(struct vault *v, struct object *o, const char *path, const char *to, const struct trailer *attrs, const struct store_cond *cond);

/* One-shot objects: writes len plain bytes (up to 1 MiB, of records RECORD_MAX; EFBIG) to key with these attributes, but a commit id and commit time of its own.
 * cond may be NULL. For markers, links, records. The object, if wanted, in *out. EEXIST where if_none_match failed, ESTALE where if_match
 * did. A lost reply is resolved (HEAD, commit id). EROFS; EIO: this writer was taken for dead; or a store errno, logged. */
int object_put_small(struct vault *v, const char *key, const void *data, size_t len, const struct trailer *attrs, const struct store_cond *cond,
		     struct object **out, struct store_call *call);

/* After an uncertain put or complete: looks who stands at key. 0: our commit id (meta filled), ESTALE: not ours, ENOENT, EBADMSG (logged): ours,
 * but of another length, or a store errno. */
int object_resolve(struct vault *v, const char *key, const uint8_t commit_id[16], uint64_t length, struct store_meta *meta);

/* New trailer values with type, state, mode, owner, now as mtime and commit time, a new commit id, and the vault's writer id. */
void trailer_fresh(struct vault *v, struct trailer *t, enum entry_type type, enum trailer_state state, uint32_t mode, uint32_t uid, uint32_t gid);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/object.h"

/* The content of one inode that is, or was, open for writing: what arrived in RAM (the overlay) on top of the committed object (the base).
 * Keyed by inode: it lives from the first open for writing until its owner frees it, through renames. States, transitions and invariants are
 * at the head of writer.c.
 *
 * Threads: any. Calls marked NOW never wait for network or memory (a FUSE worker may make them); they answer EAGAIN where they would have to:
 * the caller keeps the request, and repeats it when `vault_on_room` fires. Calls marked BLOCKS belong on a pool. */
struct writer;

struct writer_look {
	uint64_t size;        /* bytes, as the application sees it */
	bool dirty;           /* something is not committed: bytes, size, or that the file exists at all */
	bool has_bytes;       /* bytes arrived since it was created or truncated to nothing, or a base holds some */
	bool attrs_dirty;     /* only attributes differ from the committed object */
	int error;            /* latched; 0: none */
	bool unlinked;
	bool replaces;        /* it was truncated over, or is to replace, an existing object, and nothing of its own was committed yet */
	uint64_t committed_size; /* size at the last commit by this writer, 0: none */
};

/* path: where it will be committed. object: what stands there (NULL: nothing): its content is the base unless truncate. attrs: type, mode, owner,
 * mtime of the next commit. NOW. ENOMEM. */
int writer_new(struct vault *v, const char *path, struct object *object, bool truncate, const struct trailer *attrs, struct writer **out);
/* Drops everything that is not committed, ends an upload, frees. BLOCKS until requests under way have ended. NULL is legal. */
void writer_free(struct writer *w);
DEFINE_AUTO(writer, writer_free)

/* NOW. Takes all bytes or none: 0; EAGAIN; EFBIG beyond the part plan; the latched error (EIO). */
int writer_write(struct writer *w, uint64_t offset, const void *data, size_t len);
/* NOW. Cut or extended with zeros; 0 drops the content, and with it a latched error: content made anew. 0, EAGAIN, EFBIG, EIO. */
int writer_resize(struct writer *w, uint64_t size);
/* BLOCKS. What the application sees, overlay over base; commits early where bytes were sent and not yet completed. EIO when it cannot tell. */
int writer_read(struct writer *w, uint64_t offset, size_t len, void *out, size_t *got);

/* NOW. Attributes of the next commit: mode, uid, gid and mtime of t (type, state, size, ids are ignored). They do not make it dirty by
 * themselves: attrs_dirty. */
void writer_set_attrs(struct writer *w, const struct trailer *t);
void writer_attrs(struct writer *w, struct trailer *out);
void writer_look(struct writer *w, struct writer_look *out); /* NOW */

/* A new trailer behind a large object makes the store copy all of it: for the state alone only up to this size. */
#define WRITER_STATE_MAX (4ull << 30)

enum writer_keep { WRITER_DROP, WRITER_KEEP }; /* after the commit: are the bytes kept in RAM for going on, as far as memory allows? */

/* BLOCKS. Makes everything that was written before the call stand in the bucket, complete, with trailer state `state`, conditional on what
 * stood there when it was opened or last committed. 0: it is there, verified. EIO (latched): it is not. Clean and not attrs_dirty: 0 at once; only attrs_dirty, or
 * state is closed and what this writer committed stands there as open: rewrites the trailer; a change behind our back then drops them (0, logged), and a
 * failure is EIO, not latched. Unlinked: 0, nothing is sent. */
int writer_commit(struct writer *w, enum trailer_state state, enum writer_keep keep);
/* BLOCKS. Sends every byte as verified parts without completing the object, for the close of a process that is not the opener. Commits where
 * the file is at most one part, has grown by half since its last commit, or has a hole before its last part. Errors as writer_commit. */
int writer_send(struct writer *w, enum trailer_state state);
/* BLOCKS. Commits (state 0) if needed, then makes the object stand at `to`, replacing `over` (NULL: nothing may stand there), and removes the old key. The
 * attributes ride along. */
int writer_rename(struct writer *w, const char *to, struct object *over);
/* BLOCKS. The name is removed: queues the removal of what stands at the path (tree.h), ends an upload; nothing is published any more. readable: somebody
 * can still read it, so the content is kept, in RAM or in the staging area (a large file is copied there inside the store) until writer_free; where that
 * fails its readers get EIO. Else it is dropped, and later writes are taken and forgotten. 0, ENOMEM, EROFS, or a path's errno. */
int writer_unlink(struct writer *w, bool readable);
/* NOW. Something else stands at its name: as writer_unlink, without a removal, but bytes that were already sent cannot be kept (EIO). */
void writer_unlinked(struct writer *w, bool readable);
/* BLOCKS. Drops all that is not committed, back to the committed object or to nothing; ends an upload. error != 0 is latched. */
void writer_abandon(struct writer *w, int error);
/* A new reference to the committed object, NULL: none. NOW. */
struct object *writer_object(struct writer *w);

/* fn is called (any thread, no locks held) when a call that answered EAGAIN may now succeed. One listener a vault. */
void vault_on_room(struct vault *v, void (*fn)(void *arg), void *arg);
/* Frees memory for those who wait: drops clean bytes, and where only that helps takes from the idlest: a file of at most one part goes to the staging
 * area, where nobody sees the piece; of a larger one the open end is sent as a shorter part, or it is committed early at its path. NOW; work goes to the commit pool.
 * Call it when a request has been waiting. */
void writers_relieve(struct vault *v);
/* Bytes not yet committed in all writers, and the number of writers that hold any: for drain and status. NOW. */
void writers_pending(struct vault *v, uint64_t *bytes, unsigned *count);
/* The largest file for this vault's part plan. */
uint64_t writer_largest(struct vault *v);

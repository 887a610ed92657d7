/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/caller.h"
#include "fs/call.h"
#include "vault/reader.h"
#include "vault/writer.h"

/* Open files. What is written belongs to the inode (content); a handle only says who opened it and how.
 *
 * content comes with the first open for writing, is shared by all handles that write, and goes when the last of them was released and everything is
 * committed (commit.c). A failed one stays with the node until the path is written anew or removed: it is what makes every open EIO. */
struct content {
	struct writer *writer;
	atomic_uint refs; /* the node's, each handle's, and those of calls that use it */
};

/* Takes the writer over. NULL: no memory, the writer is still the caller's. */
struct content *content_new(struct writer *w);
struct content *content_ref(struct content *c); /* NULL is legal */
void content_unref(struct content *c);          /* NULL is legal. The last one BLOCKS (writer_free) */

/* A committed object that is read through a handle, with its prefetch. */
struct source {
	struct reader *reader;
	struct object *object;
	unsigned refs; /* under the handle's lock */
};

struct handle {
	struct node *node;        /* pinned */
	struct content *content;  /* opened for writing; NULL: only for reading */
	struct opener opener;     /* who opened it for writing */
	pthread_mutex_t lock;     /* source */
	struct source *source;    /* the object that was read last */
	struct dir_names *names;  /* folders: what readdir goes through; NULL: not listed yet */
	char *text;               /* status file: what it said at open */
	size_t text_len;
	bool direct;              /* the kernel is not to keep its pages */
	bool readable;            /* files: not opened with O_WRONLY */
	struct handle *prev, *next; /* all handles, under the file system's lock */
};

/* Pins the node. NULL: no memory. */
struct handle *handle_new(struct fs *f, struct node *node);
/* The lock is held. Is the file open for reading somewhere? */
bool handle_reads(const struct fs *f, const struct node *node);
/* BLOCKS where it has a source (waits for prefetches). The lock must not be held. NULL is legal. */
void handle_free(struct fs *f, struct handle *h);

/* Frees every handle and content that is left, when no call runs any more. BLOCKS (writer_free). */
void file_stop(struct fs *f);

/* Requests; c->flags are open(2)'s, c->mode and the owner those of a new file. Any thread. */
void file_open(struct call *c);
void file_create(struct call *c);   /* c->node: the folder, c->name */
void file_read(struct call *c);     /* c->offset, c->size */
void file_resize(struct call *c);   /* setattr with a size; c->handle: by descriptor, else by path */
void file_flush(struct call *c);
void file_fsync(struct call *c);
void file_release(struct call *c);
/* NOW, without a call: 0; EAGAIN: make a call with a copy of the bytes (c->data, c->size, c->offset) and park it with file_write_later; else an errno
 * that file_write_failed must latch. */
int file_write_now(struct fs *f, struct handle *h, const void *data, size_t len, uint64_t offset);
void file_write_later(struct call *c);
void file_write_failed(struct call *c, int error);

/* The lock is held; NOW. One more that writes: makes the content where there is none. 0; EBUSY: only in the node's queue, after load_node and
 * load_confirm (inside: the caller is there); EAGAIN: park; or the errno to answer. */
int file_begin(struct fs *f, struct node *node, bool truncate, bool inside);
/* So many of them ended for good: a stop waits for that. The lock must not be held. */
void file_closed(struct fs *f, unsigned count);
/* The kernel does not hold the handle (any more): what RELEASE does, without a call. Never blocks. */
void file_let_go(struct fs *f, struct handle *h);
/* The kernel never got the answer to the open. The same, but a truncation that came with it counts for nothing: the old file stays. */
void file_unopened(struct fs *f, struct handle *h);

/* commit.c. In the node's queue; BLOCKS: the last handle for writing is gone, or the mount ends (then state says how open files are marked). Commits or drops what
 * is left as flush_policy.h says, and takes the content off the node unless it failed. 0, or the errno that was latched. */
int file_finish(struct fs *f, struct node *node, bool at_drain);
/* In the node's queue; NOW. What a commit changed: the node's object and the folder's memory. */
void file_committed(struct fs *f, struct node *node, struct content *content);

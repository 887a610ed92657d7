/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "s3/store_impl.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder store's own contract between its files:
 *   dir_store.c   the operations on objects          dir_name.c    keys and file names, walking without following links
 *   dir_file.c    temporary files, locks, publishing  dir_list.c    listing
 *   dir_upload.c  multipart uploads
 *
 * Functions that take a call tell their error there (store_fail) and return a store's errno. The others return the system's errno,
 * which dir_fail turns into a store's. */

#define DIR_RESERVED ".pishop="            /* file names that begin so are ours, wherever they stand */
#define DIR_RESERVED_ROOT ".pishop=store"  /* at the root: temporary files, uploads, locks */
#define DIR_MARKER ".pishop=folder"        /* the object "a/" is the file a/.pishop=folder */
#define DIR_TRIES 1000                     /* most times that a folder may vanish between being opened and being used */

struct dir_store {
	struct store base;
	int root;            /* never followed out of */
	atomic_bool warned;  /* of links and special files in the tree, once */
};

static inline struct dir_store *dir_of(struct store *s)
{
	return (struct dir_store *)s;
}

/* For AUTO(dir_close) int fd = -1; */
static inline void dir_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Maps the system's errno and tells it: "what: words of the system". */
int dir_fail(struct store_call *call, int error, const char *key, const char *what);
/* Resets call and checks cancellation and key (NULL: none): 0 or an error that is already told. */
int dir_begin_call(struct dir_store *d, const char *key, struct store_call *call);

/* ---- dir_name.c */

/* Where the file of a key stands. */
struct dir_place {
	int parent;              /* open folder, -1: none */
	char name[NAME_MAX + 1]; /* in it */
};
void dir_place_close(struct dir_place *place);

/* File name of one segment of n bytes: 0 or ENAMETOOLONG. */
int dir_name_of(char out[NAME_MAX + 1], const char *segment, size_t n);
/* Segment of a file name (the marker's is ""); false: a reserved name, which is no object. */
bool dir_segment_of(char out[NAME_MAX + 1], const char *name);
/* Opens the folder of the first n bytes of path, which are empty or end in "/". create: makes what is missing, durably.
 * ENOENT; ENOTDIR: an object is in the way; ELOOP: a link or special file is. */
int dir_folder_open(const struct dir_store *d, const char *path, size_t n, bool create, int *fd);
/* The same for the folder that holds key's file. */
int dir_place_open(const struct dir_store *d, const char *key, bool create, struct dir_place *place);
/* What stands at the place: 0 with *st of a regular file; ENOENT also where a folder stands; ELOOP: a link or special file. */
int dir_place_stat(const struct dir_place *place, struct stat *st);
/* Removes the folders above key that are empty now, from below. Races with their users are theirs to repair (DIR_TRIES). */
void dir_prune(const struct dir_store *d, const char *key);
/* Removes a folder if nothing but empty folders is in it: 0 or an errno. */
int dir_remove_empty(int parent, const char *name);
/* Removes what is at name, a file or a whole tree, as far as possible. */
void dir_remove_tree(int parent, const char *name);
/* A subfolder of the reserved folder, created if that is asked for: 0, ENOENT, ... */
int dir_reserved_open(const struct dir_store *d, const char *name, bool create, int *fd);
uint64_t dir_hash(const char *key); /* spreads keys over locks and upload ids; not secret */

/* ---- dir_file.c */

/* ETag: inode number, time of modification (ns) and size, which rewrites change (see dir_store.c). */
void dir_etag(const struct stat *st, char etag[STORE_ETAG_MAX]);
/* Everything that the store knows of an open object. */
void dir_meta(int fd, const struct stat *st, struct store_meta *meta);

/* A file or folder in the reserved folder that is not published yet; what is left of it is removed by dir_temp_close. */
struct dir_temp {
	int folder; /* -1: none */
	int fd;
	char name[40]; /* "": published */
};
void dir_temp_close(struct dir_temp *t);
int dir_temp_open(const struct dir_store *d, struct dir_temp *t, struct store_call *call);
void dir_temp_name(char name[40]); /* a fresh one */
/* Appends all of iov. */
int dir_temp_write(struct dir_temp *t, const char *key, const struct iovec *iov, int iovcnt, struct store_call *call);
/* Appends bytes [at, at + n) of another file, which has them according to *st. Shares them where the file system can (reflink).
 * EBADMSG where that file was changed meanwhile. */
int dir_temp_copy(struct dir_temp *t, const char *key, int from, const struct stat *st, uint64_t at, uint64_t n, struct store_call *call);
/* Is the open file as it was? 0 or EBADMSG: only somebody's hand changes a file in place. */
int dir_unchanged(int fd, const struct stat *st, const char *key, struct store_call *call);
/* Gives it its commit id (NULL or "": none) and its time, and makes it durable. */
int dir_temp_seal(struct dir_temp *t, const char *key, const char *commit, struct store_call *call);

/* The lock of a key against all processes; held until the descriptor is closed. */
int dir_lock(const struct dir_store *d, const char *key, int *fd, struct store_call *call);
/* Makes a sealed file the object, where cond allows it, durably. The key's lock is held. meta may be NULL. */
int dir_publish(const struct dir_store *d, const char *key, struct dir_temp *t, const struct store_cond *cond, struct store_meta *meta,
		struct store_call *call);
/* Opens an object for reading, with if_match (NULL or "": any) checked. */
int dir_object_open(const struct dir_store *d, const char *key, const char *if_match, int *fd, struct stat *st, struct store_call *call);

/* ---- dir_list.c */
int dir_list(struct store *s, const char *prefix, char delimiter, const char *token, uint32_t max, struct store_page *page,
	     struct store_call *call);

/* ---- dir_upload.c */
int dir_begin(struct store *s, const char *key, const char *commit, char upload_id[STORE_UPLOAD_MAX], struct store_call *call);
int dir_part(struct store *s, const char *key, const char *upload_id, const struct iovec *iov, int iovcnt, struct store_part *part,
	     struct store_call *call);
int dir_part_copy(struct store *s, const char *key, const char *upload_id, const char *src, const char *src_etag, uint64_t offset,
		  uint64_t length, struct store_part *part, struct store_call *call);
int dir_complete(struct store *s, const char *key, const char *upload_id, const struct store_part *parts, size_t count,
		 const struct store_cond *cond, struct store_meta *meta, struct store_call *call);
int dir_abort(struct store *s, const char *key, const char *upload_id, struct store_call *call);
int dir_list_parts(struct store *s, const char *key, const char *upload_id, struct store_parts *parts, struct store_call *call);
int dir_list_uploads(struct store *s, const char *key, struct store_uploads *uploads, struct store_call *call);
/* Removes temporary files and uploads that nobody has touched for long. Errors are of no consequence. */
void dir_clean(const struct dir_store *d);

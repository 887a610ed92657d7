/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The core of the mount without a kernel: requests as functions, answers as values. Upon a vault in memory with faults and counters (kit.h). */
#include "tests/unit/vault/kit.h"

#include "fs/attrs.h"
#include "fs/file.h"
#include "fs/folder.h"
#include "fs/names.h"
#include "fs/parked.h"
#include "fs/reply.h"
#include "fs/settle.h"

struct drive {
	struct kit kit;
	struct fs *fs;
	struct handle *kept; /* for a callback of the test */
	bool gated; /* requests that change something go through the gate, as they do from the kernel */
};

struct answer {
	int error;             /* as the kernel would get it; 0 */
	bool absent;           /* lookup: no such name */
	uint64_t id;           /* entry, create: node id; held once */
	struct stat st;        /* entry, attr, create */
	struct handle *handle; /* open, create, opendir */
	char bytes[70000];     /* read, readlink (terminated), names (one a line, with "/" behind folders and "?" behind unknown ones) */
	size_t len;
};

int drive_setup(void **state); /* *state is a struct drive: tenant "t" is the root */
int drive_setup_tenants(void **state); /* the same with the tenants' root */
int drive_teardown(void **state);
/* Ends mount and vault and begins new ones on the same bucket, as a new pod would. */
void drive_again(struct drive *d);
/* Waits until no call is left (releases go on after their answer). */
void drive_quiet(struct drive *d);

#define DRIVE_ROOT 1u
void drive_lookup(struct drive *d, uint64_t parent, const char *name, struct answer *a);
uint64_t drive_id(struct drive *d, uint64_t parent, const char *name); /* must be there */
bool drive_exists(struct drive *d, uint64_t parent, const char *name);
void drive_getattr(struct drive *d, uint64_t id, struct answer *a);
int drive_setattr(struct drive *d, uint64_t id, struct handle *h, int which, const struct stat *st);
int drive_mkdir(struct drive *d, uint64_t parent, const char *name);
int drive_symlink(struct drive *d, uint64_t parent, const char *name, const char *target);
void drive_readlink(struct drive *d, uint64_t id, struct answer *a);
int drive_unlink(struct drive *d, uint64_t parent, const char *name);
int drive_rmdir(struct drive *d, uint64_t parent, const char *name);
int drive_rename(struct drive *d, uint64_t from, const char *name, uint64_t to, const char *new_name, unsigned flags);
void drive_create(struct drive *d, uint64_t parent, const char *name, pid_t pid, struct answer *a);
void drive_open(struct drive *d, uint64_t id, int flags, pid_t pid, struct answer *a);
int drive_write(struct drive *d, struct handle *h, uint64_t offset, const void *data, size_t len);
void drive_read(struct drive *d, struct handle *h, uint64_t offset, size_t len, struct answer *a);
int drive_flush(struct drive *d, struct handle *h, pid_t pid);
int drive_fsync(struct drive *d, struct handle *h);
void drive_release(struct drive *d, struct handle *h); /* and drive_quiet */
void drive_list(struct drive *d, uint64_t id, bool plus, struct answer *a);
int drive_fsyncdir(struct drive *d, uint64_t id);
/* create, write, flush, release: the errno of the first that fails. */
int drive_put(struct drive *d, uint64_t parent, const char *name, const char *text);
/* The whole content of a file as text, through a handle of its own. */
void drive_get(struct drive *d, uint64_t parent, const char *name, struct answer *a);

/* Keys of the bucket, and what stands there. */
bool drive_stands(struct drive *d, const char *key);
void drive_trailer(struct drive *d, const char *key, struct trailer *out);
/* How many names the kernel was told to forget. */
unsigned drive_notices(void);

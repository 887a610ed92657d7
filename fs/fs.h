/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/vault.h"

#include <sys/types.h>

/* The mount, as main sees it. Life: fs_new, fs_mount, fs_serve (returns when unmounted or stopped), fs_drain, fs_free. */
struct fs;

struct fs_config {
	struct vault *vault;      /* borrowed; closed by the caller after fs_free */
	const char *tenant;       /* its folder is the root; NULL: the root holds the tenants */
	const char *mountpoint;
	const char *source;       /* shown in /proc/mounts: "s3://bucket", "dir:/path" */
	const char *fuse_options; /* what -o gave, comma-separated, or NULL; nosuid,nodev are always added */
	bool read_only, allow_other;
	int64_t uid, gid;         /* shown for entries without attributes of their own (the root, implied folders, foreign objects); -1: the mounting user's */
	unsigned umask;           /* taken from the permission bits of those entries */
	uint64_t in_hand_bytes;   /* budget for requests that wait with their data; bounds max_write x max_background and the kernel's dirty limit */
	uint32_t drain_ms;        /* deadline of fs_drain; 0: 300000 */
	uint32_t data_timeout_ms, meta_timeout_ms; /* 0: 120000 and 30000 */
	bool foreign_read;
	const char *seal_mark;    /* name of the completeness mark; NULL: metadata.json */
	bool seal_settled;        /* none is needed */
	int on_remove;            /* enum on_remove (gate_policy.h): what removing or overwriting a sealed backup does */
	int64_t grace_s;          /* how long a removed sealed backup can be brought back; 0: 72 hours */
	int64_t verify_interval_s; /* between two rounds of verification in the background; 0: none */
};

/* 0 or errno; error[cap] one line. Copies the texts. */
int fs_new(const struct fs_config *config, struct fs **out, char *error, size_t cap);
/* Mounts. EBUSY: something is mounted there; ENOTCONN: a dead mount is there; else errno. */
int fs_mount(struct fs *f, char *error, size_t cap);
/* Serves requests until the file system is unmounted or fs_stop was called. The calling thread must block SIGTERM, SIGINT, SIGHUP. */
int fs_serve(struct fs *f);
/* Asks fs_serve to return: no new opens for writing from now on (EROFS), what is open may go on until its close or the drain deadline; then it unmounts.
 * Any thread, not a signal handler. Called twice: stops at once. */
void fs_stop(struct fs *f);
/* After fs_serve: commits what is left (open files with state 0 or 4), deferred attributes and removals, within drain_ms. 0; EIO: something did not
 * arrive, each path was logged. */
int fs_drain(struct fs *f);
void fs_free(struct fs *f); /* NULL is legal; unmounts if still mounted */

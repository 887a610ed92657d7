/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Backups of the tenant t as the mount and the bucket have them, for the tests of seals and of the gate. */
#include "tests/unit/fs/drive.h"

#include "fs/sets.h"
#include "vault/backup.h"

#define SET "b-20261101-000000" /* a stem with a time */
#define KEY(name) "backups/t/" name
#define RECORD(name) "backups/.pishop/t/t/" name
#define SEAL RECORD("seals/" SET)
#define REOPEN RECORD("reopen/" SET)
#define TOMBSTONE RECORD("tombstones/" SET)
#define TRASH RECORD("trash/")

int backups_setup(void **state); /* drive_setup, through the gate */

/* What the mount knows of that backup; it must know something. */
struct set *backup_set(struct drive *d, const char *stem);
/* As if nothing had been done in it for that long; then whatever the mount's thread seals is done. */
void backup_rests(struct drive *d, const char *stem, int64_t ms);
/* As if it had last been asked for that much earlier. */
void backup_looked(struct drive *d, const char *stem, int64_t ms);
/* What state anybody else would find it in. */
enum backup_state backup_state(struct drive *d, const char *stem);
/* The paths that its seal lists, one a line ("" : no seal), to be freed. */
char *backup_seal(struct drive *d, const char *stem);
void backup_is(struct drive *d, const char *stem, const char *paths);
/* A folder with two files, the mark last if it has one. */
void backup_dump(struct drive *d, const char *name, bool mark);
/* What > does. */
int backup_rewrite(struct drive *d, uint64_t folder, const char *name, const char *text);
/* An archive and the folder that it was made from. */
void backup_pack(struct drive *d);
/* Before the seal is next written, fn(arg) is done: in a thread of its own, as answers are long for the stacks of pools. */
struct meanwhile {
	void (*fn)(void *arg);
	void *arg;
};
void backup_meanwhile(struct drive *d, struct meanwhile *m);
/* A mount that has forgotten everything. */
void backups_again(struct drive *d);

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fs/backups.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int backups_setup(void **state)
{
	int rc = drive_setup(state);

	((struct drive *)*state)->gated = true;
	return rc;
}

static void *in_thread(void *arg)
{
	struct meanwhile *m = arg;

	m->fn(m->arg);
	return NULL;
}

static void elsewhere(void *arg)
{
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, in_thread, arg), 0);
	pthread_join(t, NULL);
}

void backup_meanwhile(struct drive *d, struct meanwhile *m)
{
	kit_callback(&d->kit, STORE_PUT, "seals/", elsewhere, m);
}

void backups_again(struct drive *d)
{
	drive_again(d);
	d->gated = true;
}

struct set *backup_set(struct drive *d, const char *stem)
{
	char key[PATH_CAP];
	struct set *s;

	snprintf(key, sizeof(key), "t/%s", stem);
	fs_lock(d->fs);
	HASH_FIND_STR(d->fs->sets, key, s);
	fs_unlock(d->fs);
	assert_non_null(s);
	return s;
}

void backup_rests(struct drive *d, const char *stem, int64_t ms)
{
	struct set *s = backup_set(d, stem);
	int64_t deadline = clock_mono_ms() + 10000, acted;

	drive_quiet(d);
	fs_lock(d->fs);
	acted = s->acted_ms -= ms;
	pthread_cond_broadcast(&d->fs->sets_wake);
	while ((s->sealing || s->acted_ms == acted) && clock_mono_ms() < deadline) /* what was sealed has acted */
		if (cond_wait_until(&d->fs->changed, &d->fs->lock, clock_mono_ms() + 40) && !s->sealing)
			break; /* nothing to be done for it */
	fs_unlock(d->fs);
}

void backup_looked(struct drive *d, const char *stem, int64_t ms)
{
	struct set *s = backup_set(d, stem);

	fs_lock(d->fs);
	s->looked_ms -= ms;
	fs_unlock(d->fs);
}

enum backup_state backup_state(struct drive *d, const char *stem)
{
	AUTO(catalog_free) struct catalog c = { 0 };
	struct catalog_options options = { .only = stem };

	assert_int_equal(catalog_read(d->kit.v, "t", &options, &c, NULL), 0);
	assert_int_equal(c.count, 1);
	return c.backups[0].state;
}

char *backup_seal(struct drive *d, const char *stem)
{
	AUTO(seal_free) struct seal seal = { 0 };
	struct record_id id;
	char *out = calloc(1, 4096);
	int rc = seal_read(d->kit.v, "t", stem, &seal, &id, NULL);

	assert_true(rc == 0 || rc == ENOENT);
	for (size_t i = 0; i < seal.count; i++)
		snprintf(out + strlen(out), 4096 - strlen(out), "%s\n", seal.entries[i].path);
	return out;
}

void backup_is(struct drive *d, const char *stem, const char *paths)
{
	char *found = backup_seal(d, stem);

	assert_string_equal(found, paths);
	free(found);
}

void backup_dump(struct drive *d, const char *name, bool mark)
{
	uint64_t folder;

	assert_int_equal(drive_mkdir(d, DRIVE_ROOT, name), 0);
	folder = drive_id(d, DRIVE_ROOT, name);
	assert_int_equal(drive_put(d, folder, "a", "content"), 0);
	assert_int_equal(drive_put(d, folder, mark ? "metadata.json" : "b", "content"), 0);
}

int backup_rewrite(struct drive *d, uint64_t folder, const char *name, const char *text)
{
	struct answer a;
	int rc;

	drive_open(d, drive_id(d, folder, name), O_WRONLY | O_TRUNC, getpid(), &a);
	if (a.error)
		return a.error;
	rc = drive_write(d, a.handle, 0, text, strlen(text));
	if (!rc)
		rc = drive_flush(d, a.handle, getpid());
	drive_release(d, a.handle);
	return rc;
}

void backup_pack(struct drive *d)
{
	backup_dump(d, SET, true);
	assert_int_equal(drive_put(d, DRIVE_ROOT, SET ".tar.gz", "archive"), 0);
}

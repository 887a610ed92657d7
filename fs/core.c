/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a mount, without the kernel: what mount.c serves, and what the unit tests drive. */
#include "fs/core.h"
#include "fs/file.h"
#include "fs/parked.h"
#include "fs/sets.h"
#include "fs/settle.h"
#include "fs/status.h"
#include "fs/status_backups.h"
#include "fs/verification.h"
#include "base/clock.h"

#include <errno.h>
#include <unistd.h>

enum { GATE_THREADS = 64, META_THREADS = 32, READ_THREADS = 24, AHEAD_THREADS = 16 };

static char *copy_or_null(const char *text)
{
	return text ? strdup(text) : NULL;
}

static void free_texts(struct fs_config *c)
{
	free((void *)(uintptr_t)c->tenant);
	free((void *)(uintptr_t)c->mountpoint);
	free((void *)(uintptr_t)c->source);
	free((void *)(uintptr_t)c->fuse_options);
	free((void *)(uintptr_t)c->seal_mark);
}

static int copy_config(struct fs_config *to, const struct fs_config *from)
{
	*to = *from;
	to->tenant = copy_or_null(from->tenant);
	to->mountpoint = copy_or_null(from->mountpoint);
	to->source = strdup(from->source ? from->source : "pishopfs");
	to->fuse_options = copy_or_null(from->fuse_options);
	to->seal_mark = strdup(from->seal_mark ? from->seal_mark : "metadata.json");
	return !to->seal_mark || (from->tenant && !to->tenant) || !to->mountpoint || !to->source || (from->fuse_options && !to->fuse_options) ? ENOMEM : 0;
}

static unsigned read_threads(uint64_t in_hand)
{
	uint64_t n = in_hand ? in_hand >> 20 : READ_THREADS; /* one megabyte each */

	return (unsigned)(n < 4 ? 4 : n > READ_THREADS ? READ_THREADS : n);
}

static bool names_full(void *arg)
{
	struct fs *f = arg;
	size_t bytes;

	fs_lock(f);
	bytes = nodes_shrink(&f->nodes);
	fs_unlock(f);
	tally_trim(bytes);
	return bytes > 0;
}

static int start_parts(struct fs *f)
{
	int rc;

	f->gate_pool = pool_new("fs-gate", GATE_THREADS);
	f->meta_pool = pool_new("fs-meta", META_THREADS);
	f->read_pool = pool_new("fs-read", read_threads(f->config.in_hand_bytes));
	f->ahead_pool = pool_new("fs-ahead", AHEAD_THREADS);
	f->notify_pool = pool_new("fs-notify", 1);
	if (!f->gate_pool || !f->meta_pool || !f->read_pool || !f->ahead_pool || !f->notify_pool)
		return ENOMEM;
	rc = nodes_start(&f->nodes, vault_rules(f->vault), vault_names(f->vault), f->config.tenant ? f->config.tenant : "");
	tally_on_full(vault_names(f->vault), names_full, f);
	if (!rc)
		rc = status_start(f);
	if (!rc)
		rc = settle_start(f);
	if (!rc)
		rc = sets_start(f);
	if (!rc)
		rc = parked_start(f);
	return rc ? rc : verification_start(f);
}

int core_new(const struct fs_config *config, struct fs **out)
{
	struct fs *f = calloc(1, sizeof(*f));
	int rc;

	if (!f)
		return ENOMEM;
	pthread_mutex_init(&f->lock, NULL);
	cond_init_mono(&f->changed);
	cond_init_mono(&f->sets_wake);
	pthread_rwlock_init(&f->wire, NULL);
	f->vault = config->vault;
	f->uid = config->uid < 0 ? getuid() : (uint32_t)config->uid;
	f->gid = config->gid < 0 ? getgid() : (uint32_t)config->gid;
	f->started = clock_wall();
	f->max_write = 1u << 20;
	rc = copy_config(&f->config, config);
	if (!rc)
		f->mountpoint = realpath(config->mountpoint, NULL);
	if (!rc && !f->mountpoint)
		rc = errno;
	if (!rc)
		rc = start_parts(f);
	if (rc) {
		core_stop(f);
		core_free(f);
		return rc;
	}
	*out = f;
	return 0;
}

void core_stop(struct fs *f)
{
	verification_end(f);
	sets_quit(f);
	pool_free(f->notify_pool);
	vault_on_room(f->vault, NULL, NULL);
	pool_free(f->gate_pool);
	pool_free(f->ahead_pool);
	pool_free(f->read_pool);
	pool_free(f->meta_pool);
	pool_drain(vault_commit_pool(f->vault), 0); /* our calls, and callers of the listener that was just taken away */
	pool_drain(vault_upload_pool(f->vault), 0);
	tally_on_full(vault_names(f->vault), NULL, NULL);
	parked_stop(f);
	settle_stop(f);
	sets_stop(f);
	status_backups_free(f);
	file_stop(f);
	verification_free(f);
	nodes_stop(&f->nodes);
}

void core_free(struct fs *f)
{
	pthread_rwlock_destroy(&f->wire);
	pthread_cond_destroy(&f->sets_wake);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	free(f->mountpoint);
	free_texts(&f->config);
	free(f);
}

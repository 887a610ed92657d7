/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/space.h"
#include "fs/reply.h"
#include "base/clock.h"

#include <errno.h>

#define BLOCK 4096u
#define UNKNOWN_TOTAL (1ull << 50)
#define UNKNOWN_FILES (1ull << 32)

static void answer(struct call *c, const struct store_space *space)
{
	const bool told = space->total > 0;
	const uint64_t total = told ? space->total : UNKNOWN_TOTAL, left = told ? space->free : UNKNOWN_TOTAL;
	const struct statvfs st = {
		.f_bsize = BLOCK,
		.f_frsize = BLOCK,
		.f_blocks = total / BLOCK,
		.f_bfree = left / BLOCK,
		.f_bavail = left / BLOCK,
		.f_files = UNKNOWN_FILES,
		.f_ffree = UNKNOWN_FILES,
		.f_favail = UNKNOWN_FILES,
		.f_namemax = vault_rules(c->fs->vault)->segment_max,
	};

	reply_space(c, &st);
}

static bool remembered(struct fs *f, struct store_space *out)
{
	bool fresh;

	fs_lock(f);
	fresh = f->space_ms && clock_mono_ms() - f->space_ms < SPACE_FRESH_MS;
	*out = f->space;
	fs_unlock(f);
	return fresh;
}

static void ask_run(struct call *c)
{
	struct fs *f = c->fs;
	struct store *store = vault_store(f->vault);
	struct store_space space = { 0 };
	int rc = store->ops->space(store, &space, &c->store);

	if (rc && rc != EOPNOTSUPP)
		log_msg(LOG_DEBUG, "mount", "the store does not tell its space: %s", strerror(rc));
	fs_lock(f);
	if (!rc)
		f->space = space;
	f->space_ms = clock_mono_ms();
	space = f->space;
	fs_unlock(f);
	answer(c, &space);
}

void space_get(struct call *c)
{
	struct store_space space;

	if (remembered(c->fs, &space))
		answer(c, &space);
	else
		call_run(c, c->fs->meta_pool, ask_run);
}

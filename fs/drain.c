/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a mount: what is not in the bucket yet goes there, within a deadline, and what does not is named. */
#include "fs/drain.h"
#include "fs/file.h"
#include "fs/parked.h"
#include "fs/sets.h"
#include "fs/settle.h"
#include "fs/verification.h"
#include "base/clock.h"

#include <errno.h>

enum { DRAIN_MS = 300000, AT_ONCE = 256 };
enum { CUT_MS = 1000 }; /* in which calls that the deadline has cut come to their end, and name their files */

static void drain_run(struct call *c)
{
	struct fs *f = c->fs;
	int rc = file_finish(f, c->node, true);

	if (rc) {
		fs_lock(f);
		f->drain_failed++;
		fs_unlock(f);
	}
	call_leave(f, c->node);
	call_free(c);
}

/* Starts the commits of up to AT_ONCE nodes that were not started before; how many. */
static size_t start_some(struct fs *f)
{
	struct node *nodes[AT_ONCE], *node, *next;
	size_t count = 0;

	fs_lock(f);
	HASH_ITER(hh, f->nodes.by_id, node, next) {
		if (!node->content || node->draining || count == AT_ONCE)
			continue;
		node->draining = true;
		nodes[count++] = node_pin(node);
	}
	fs_unlock(f);
	for (size_t i = 0; i < count; i++) {
		struct call *c = call_new(f, NULL, nodes[i]);

		if (c)
			call_enter(c, nodes[i], vault_commit_pool(f->vault), drain_run);
		fs_lock(f);
		f->drain_failed += c == NULL;
		node_unpin(&f->nodes, nodes[i]);
		fs_unlock(f);
	}
	return count;
}

static bool wait_for_calls(struct fs *f, int64_t deadline)
{
	unsigned left;

	fs_lock(f);
	while (f->calls && cond_wait_until(&f->changed, &f->lock, deadline) == 0)
		continue;
	left = f->calls;
	fs_unlock(f);
	return left == 0;
}

/* After the deadline: what is still not there. */
static void name_the_rest(struct fs *f)
{
	struct node *node, *next;
	struct writer_look look;
	char path[PATH_CAP];

	fs_lock(f);
	HASH_ITER(hh, f->nodes.by_id, node, next) {
		if (!node->content && !node->unsettled)
			continue;
		look = (struct writer_look){ 0 };
		if (node->content)
			writer_look(node->content->writer, &look);
		if (node_path(&f->nodes, node, path) || look.unlinked || look.error)
			continue; /* said before */
		log_path(LOG_ERROR, "drain", path, "%s did not reach the store before the deadline", look.dirty ? "its content" : "its attributes");
	}
	fs_unlock(f);
}

int drain(struct fs *f)
{
	int64_t deadline = clock_mono_ms() + (f->config.drain_ms ? f->config.drain_ms : DRAIN_MS);
	unsigned unsettled, failed;
	bool all, late;
	int removed;

	verification_end(f);
	vault_end_by(f->vault, deadline);
	all = parked_drain(f, deadline) == 0;
	while (start_some(f))
		continue;
	all &= wait_for_calls(f, deadline + CUT_MS);
	unsettled = settle_all(f, deadline);
	all &= wait_for_calls(f, deadline + CUT_MS);
	late = clock_mono_ms() >= deadline;
	removed = late ? 0 : tree_send_removals(f->vault, ""); /* else vault_close tries */
	sets_quit(f);
	if (all && !late && !removed)
		sets_seal_all(f, deadline); /* names that are still to be removed would keep their seals */
	if (late)
		name_the_rest(f);
	if (removed)
		log_msg(LOG_ERROR, "drain", "some removals did not reach the store: %s", strerror(removed));
	fs_lock(f);
	failed = f->drain_failed;
	fs_unlock(f);
	if (!all || unsettled || failed || removed) {
		log_msg(LOG_ERROR, "drain", "not everything was stored: %u files failed, %u attributes%s", failed, unsettled,
			late ? ", and the deadline has passed" : "");
		return EIO;
	}
	return 0;
}

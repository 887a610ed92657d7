/* SPDX-License-Identifier: Apache-2.0 */
/* Content that must leave memory before it may stand at its path, or that has no path any more, goes to the tenant's staging area: as an object of our
 * own that nobody else sees, and that becomes the base. It is removed when the content is published, made anew or dropped; after a crash by recovery,
 * which knows it by the writer's id in its name. */
#include "vault/writer_private.h"

#include "base/buf.h"
#include "base/log.h"
#include "vault/tree.h"

#include <errno.h>
#include <stdio.h>

int stage_path(struct writer *w, char out[PATH_CAP])
{
	char tenant[PATH_CAP], id[2 * sizeof(w->v->writer_id) + 1], name[sizeof(id) + 16];

	path_tenant(tenant, w->path);
	hex_encode(id, w->v->writer_id, sizeof(w->v->writer_id));
	snprintf(name, sizeof(name), "%s-%u", id, atomic_fetch_add(&w->v->writers->staged, 1) + 1);
	return path_staging(out, tenant, name);
}

void stage_drop(struct writer *w)
{
	if (!w->staging)
		return;
	tree_remove_later(w->v, w->staging, false);
	free(w->staging);
	w->staging = NULL;
}

/* What is larger than a part would cross the wire twice more: it is committed early at its path, as fsync would do. */
bool stage_instead(const struct writer *w)
{
	return !w->stream && (w->unlinked || w->size <= writer_one_part(w));
}

/* ---- the name is gone */

static void discard(struct writer *w)
{
	writer_drop_all(w);
	w->discard = true;
}

/* The object at the path, which is about to be removed, also stands in the staging area from here on. The lock is given up. */
static int move_base(struct writer *w)
{
	const struct store_cond cond = { .if_none_match = true };
	struct object *base = object_ref(w->base);
	char path[PATH_CAP], key[PATH_CAP];
	int rc = stage_path(w, path);

	pthread_mutex_unlock(&w->lock);
	if (!rc)
		rc = path_key(&w->v->rules, key, path, false);
	if (!rc)
		rc = writer_run(w);
	if (!rc)
		rc = object_rewrite(w->v, base, key, NULL, &cond);
	pthread_mutex_lock(&w->lock);
	object_unref(base);
	if (!rc) {
		w->staging = strdup(path);
		rc = w->staging ? 0 : ENOMEM;
	}
	return rc;
}

/* For those who can still read it. */
static void keep_for_readers(struct writer *w)
{
	bool in_memory = !w->over.clean && overlay_covers(&w->over, 0, (size_t)w->base_limit); /* clean chunks may be dropped at any time */

	if (!w->base || w->staging || in_memory || !move_base(w))
		return;
	log_path(LOG_WARN, "remove", w->path, "it is open, and could not be kept for those who read it: they get EIO");
	w->error = EIO;
	writer_drop_content(w);
}

/* The lock is held, the writer is ours, and its name is about to go. Queues the removal of what stands at the path. */
static int unlink_busy(struct writer *w, bool readable)
{
	struct object_place standing = { .etag = "" };
	bool failed;

	if (readable && !w->error && stream_sent_end(w))
		writer_commit_busy(w, STATE_OPEN, WRITER_KEEP); /* bytes of sent parts can't be read before Complete; an error is latched */
	failed = w->error; /* of a failed commit nobody knows whether it arrived, nor its ETag */
	if (w->stands && !failed)
		object_place(w->stands, &standing);
	w->unlinked = true;
	if (failed && w->run)
		run_path_mended(w->run, w->path); /* nobody misses it any more */
	stream_orphan(w);
	if (!readable)
		discard(w);
	else if (!failed)
		keep_for_readers(w); /* may take long: the removal waits for it, as what is copied must stand there */
	return w->stands || failed ? tree_remove_known_later(w->v, w->path, false, standing.etag) : 0;
}

int writer_unlink(struct writer *w, bool readable)
{
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	writer_take(w);
	if (!w->unlinked)
		rc = unlink_busy(w, readable);
	else if (!readable)
		discard(w);
	writer_give(w);
	return rc;
}

void writer_unlinked(struct writer *w, bool readable)
{
	pthread_mutex_lock(&w->lock);
	if (!w->unlinked && w->error && w->run)
		run_path_mended(w->run, w->path);
	w->unlinked = true;
	if (w->busy) { /* whoever has it sees `unlinked` when it is done */
		pthread_mutex_unlock(&w->lock);
		return;
	}
	if (!readable) {
		discard(w);
	} else if (stream_sent_end(w)) {
		w->error = EIO; /* bytes that were already sent are gone with the upload */
		overlay_clear(&w->over);
	}
	stream_orphan(w);
	pthread_mutex_unlock(&w->lock);
}

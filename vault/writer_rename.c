/* SPDX-License-Identifier: Apache-2.0 */
/* Renaming a file that is open for writing. */
#include "vault/writer_private.h"

#include "vault/audit.h"
#include "vault/tree.h"

#include <errno.h>

/* Gives path to the writer, and the old one back. */
static char *swap_path(struct writer *w, char *path)
{
	char *old = w->path;

	w->path = path;
	return old;
}

/* The old name could not be removed: the file stays there. What was committed at the other name serves as its content until the next commit. */
static void stay(struct writer *w, struct object *old, bool replaces)
{
	object_unref(w->stands);
	w->stands = object_ref(old);
	w->replaces = replaces;
	w->committed_size = 0;
	w->licence = false;
	w->dirty = true;
}

/* Nothing was sent yet: the commit itself goes to the new name, and the old object, if any, is removed after it. */
static int commit_as(struct writer *w, const char *to, struct object *over)
{
	AUTO(auto_object_unref) struct object *old = object_ref(w->stands);
	AUTO_FREE char *other = strdup(to); /* the name that is not the writer's */
	bool replaces = w->replaces;
	struct object_place place;
	int rc;

	if (!other)
		return ENOMEM;
	if (old)
		object_place(old, &place);
	other = swap_path(w, other);
	object_unref(w->stands);
	w->stands = object_ref(over);
	rc = writer_commit_busy(w, STATE_OPEN, WRITER_KEEP);
	if (rc) {
		object_unref(w->stands);
		w->stands = object_ref(old);
		other = swap_path(w, other);
		if (w->run) {
			run_path_mended(w->run, other);
			run_path_failed(w->run, w->path, rc);
		}
		return rc;
	}
	if (!old)
		return 0;
	pthread_mutex_unlock(&w->lock);
	rc = tree_remove_now(w->v, other, false, place.etag); /* what another mount wrote there meanwhile stays */
	pthread_mutex_lock(&w->lock);
	if (rc) {
		other = swap_path(w, other);
		stay(w, old, replaces);
	}
	return rc;
}

static int move_object(struct writer *w, const char *to, struct object *over)
{
	struct object *o = object_ref(w->base);
	struct store_cond cond = { .if_none_match = !over };
	char key[PATH_CAP];
	struct object_place place;
	struct trailer t;
	int rc = path_key(&w->v->rules, key, to, false);
	AUTO_FREE char *path = strdup(to);
	bool attrs = w->attrs_dirty;

	rc = path ? rc : ENOMEM;
	object_attrs(o, &t);
	t.mode = w->attrs.mode;
	t.uid = w->attrs.uid;
	t.gid = w->attrs.gid;
	t.mtime = w->attrs.mtime;
	if (over) {
		object_place(over, &place);
		copy_text(cond.if_match, sizeof(cond.if_match), place.etag);
	}
	pthread_mutex_unlock(&w->lock);
	if (!rc)
		rc = writer_run(w);
	if (!rc)
		rc = tree_claim_cond(w->v, key, &cond);
	if (!rc)
		rc = object_move(w->v, o, w->path, key, attrs ? &t : NULL, &cond);
	pthread_mutex_lock(&w->lock);
	object_unref(o);
	if (!rc)
		path = swap_path(w, path);
	if (!rc && attrs)
		w->attrs_dirty = false;
	if (!rc)
		audit_committed(w->v, to, w->size);
	return rc;
}

int writer_rename(struct writer *w, const char *to, struct object *over)
{
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	writer_take(w);
	if (w->error) {
		rc = w->error;
	} else if (w->dirty && !w->stream) {
		rc = commit_as(w, to, over);
	} else {
		if (w->dirty)
			rc = writer_commit_busy(w, STATE_OPEN, WRITER_KEEP);
		if (!rc)
			rc = move_object(w, to, over);
	}
	writer_give(w);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Renaming a file that is open for writing. */
#include "vault/writer_private.h"

#include "vault/tree.h"

#include <errno.h>

static int set_path(struct writer *w, const char *to)
{
	char *path = strdup(to);

	if (!path)
		return ENOMEM;
	free(w->path);
	w->path = path;
	return 0;
}

/* Nothing was sent yet: the commit itself goes to the new name, and the old object, if any, is removed after it. */
static int commit_as(struct writer *w, const char *to, struct object *over)
{
	AUTO_FREE char *from = strdup(w->path);
	struct object *old = w->stands;
	int rc = from ? set_path(w, to) : ENOMEM;

	if (rc)
		return rc;
	w->stands = object_ref(over);
	rc = writer_commit_busy(w, STATE_OPEN, WRITER_KEEP);
	if (rc) {
		object_unref(w->stands);
		w->stands = old;
		if (w->run)
			run_path_mended(w->run, to);
		if (set_path(w, from) == 0 && w->run)
			run_path_failed(w->run, from, rc);
		return rc;
	}
	if (old) {
		struct object_place place;

		object_place(old, &place); /* what another mount wrote there meanwhile stays */
		rc = tree_remove_known_later(w->v, from, false, place.etag);
	}
	object_unref(old);
	return rc;
}

static int move_object(struct writer *w, const char *to, struct object *over)
{
	struct object *o = object_ref(w->base);
	struct store_cond cond = { .if_none_match = !over };
	char key[PATH_CAP];
	struct object_place place, from;
	struct trailer t;
	int rc = path_key(&w->v->rules, key, to, false);
	bool attrs = w->attrs_dirty;

	object_place(o, &from);
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
		rc = object_rewrite(w->v, o, key, attrs ? &t : NULL, &cond);
	if (!rc)
		rc = tree_remove_known_later(w->v, w->path, false, from.etag);
	pthread_mutex_lock(&w->lock);
	object_unref(o);
	if (!rc)
		rc = set_path(w, to);
	if (!rc && attrs)
		w->attrs_dirty = false;
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/witness.h"

#include "base/clock.h"
#include "vault/audit.h"

#include <stdio.h>

#define QUIET_MS (60 * 60 * 1000) /* nothing of it was opened for so long: the next is another restore */

/* Does its seal list that path? What was made since it was reopened is not in it. */
static bool is_sealed(const struct set *s, const char *top)
{
	if (s->state != SET_SEALED && s->state != SET_REOPENED)
		return false;
	return s->seal ? seal_find(s->seal, top) != NULL : set_lists(s, top);
}

/* The lock is held. The set of a member of a sealed backup, and its path below the tenant; NULL: it is none. */
static struct set *sealed_set(struct fs *f, const struct node *node, char path[PATH_CAP], const char **top)
{
	struct set *s = node->special || node_path(&f->nodes, node, path) ? NULL : sets_of(f, path, top);

	return s && is_sealed(s, *top) ? s : NULL;
}

void witness_read(struct call *c)
{
	struct fs *f = c->fs;
	char path[PATH_CAP], tenant[PATH_CAP], stem[STEM_CAP], detail[PATH_CAP + 64];
	int64_t now = clock_mono_ms();
	const char *top;
	struct set *s;
	bool first = false;

	fs_lock(f);
	s = sealed_set(f, c->node, path, &top);
	if (s) {
		first = !s->read_ms || now - s->read_ms >= QUIET_MS;
		s->read_ms = now;
		copy_text(tenant, sizeof(tenant), s->tenant);
		copy_text(stem, sizeof(stem), s->stem);
	}
	fs_unlock(f);
	if (!first)
		return;
	snprintf(detail, sizeof(detail), "read through a mount by uid %u, first %s", (unsigned)c->uid, top);
	audit_note(f->vault, tenant, &(struct audit_line){ .event = AUDIT_RESTORED, .backup = stem, .detail = detail });
}

void witness_removed(struct call *c, const struct node *node)
{
	struct fs *f = c->fs;
	char path[PATH_CAP], detail[PATH_CAP + 64];
	const char *top;
	struct set *s = sealed_set(f, node, path, &top);

	if (!s)
		return;
	snprintf(detail, sizeof(detail), "removed through a mount by uid %u, first %s", (unsigned)c->uid, top);
	audit_note(f->vault, s->tenant, &(struct audit_line){ .event = AUDIT_REMOVED, .backup = s->stem, .detail = detail, .objects = 1,
							      .bytes = node->size });
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing what is complete. A set is due when an archive, or a file that is alone in its set, was closed well; what holds a completeness mark, or was sealed before,
 * is sealed when it was quiet for long, or at the end of the mount. One call of ours a set at a time; whoever waits for an archive's seal waits on f->changed. */
#include "fs/sets_private.h"

#include "base/clock.h"
#include "fs/settle.h"
#include "vault/audit.h"
#include "vault/record.h"
#include "vault/sealer.h"
#include "vault/tree.h"

#include <errno.h>

#define TICK_MS 1000
#define QUIET_MS (15 * 60 * 1000)
#define RETRY_MS 5000
#define LEFT_BEHIND_MS 3000 /* behind the start: then archives that dead writers left without a seal are looked for */
enum { LEFT_BEHIND_MOST = 16 };

/* ---- what the vault may take from memory */

/* The lock is held. The node of a path below the root, if it is in memory. */
static struct node *node_at(struct fs *f, const char *path)
{
	size_t root = strlen(f->nodes.root_path);
	struct node *node = f->nodes.root;
	char name[STEM_CAP];

	path += root;
	while (node && *(path += *path == '/')) {
		struct dir_entry *e = NULL;
		size_t n = strcspn(path, "/");

		if (n >= sizeof(name) || !node->dir)
			return NULL;
		memcpy(name, path, n);
		name[n] = '\0';
		dir_find(node->dir, name, 0, &e);
		node = e ? e->node : NULL;
		path += n;
	}
	return node;
}

static struct object *known_object(void *arg, const char *path)
{
	struct fs *f = arg;
	struct object *o = NULL;
	struct node *node;

	fs_lock(f);
	node = node_at(f, path);
	if (node && node->known && !node->content && !node->trouble && !node->unsettled)
		o = object_ref(node->object);
	fs_unlock(f);
	return o;
}

/* ---- sealing one */

static void say(const struct set *s, enum sealer_answer answer, const char *reason, int rc)
{
	if (rc)
		log_path(LOG_ERROR, "seal", s->key, "not sealed: %s", strerror(rc));
	else if (answer == SEALER_PARTIAL)
		log_path(LOG_WARN, "seal", s->key, "not sealed, it is partial: %s", reason);
	else if (answer == SEALER_OPEN)
		log_path(LOG_WARN, "seal", s->key, "not sealed yet: %s", reason);
	else if (answer == SEALER_UNMARKED)
		log_path(LOG_INFO, "seal", s->key, "not sealed by itself: %s", reason);
}

/* The lock is held. open: a seal stands that may not list all that is there by now. */
static void sealed(struct fs *f, struct set *s, enum sealer_answer answer, struct seal *made, bool changed, bool open)
{
	s->due &= made->count ? changed : answer == SEALER_OPEN; /* or somebody else still writes a file of it */
	s->touched = changed; /* what cannot be sealed is looked at again when it has changed */
	if (!made->count) /* SEALER_OPEN may have sealed the rest */
		return;
	s->state = open ? SET_REOPENED : SET_SEALED;
	s->kept = false;
	s->own = true;
	s->looked_ms = clock_mono_ms();
	set_take_seal(f, s, made, "");
	shelf_expire(f, s->tenant);
}

/* The lock is held, and given up in between. What began before the seal stood did not ask for a record of reopening: it is written now, and the backup sealed once more
 * when that is over. Whether it is so. */
static bool reopen_late(struct fs *f, struct set *s, const struct seal *made, uint64_t before)
{
	if (!made->count || (s->changes == before && !s->files))
		return false;
	fs_unlock(f);
	sealer_reopen(f->vault, s->tenant, s->stem, "it was being changed when it was sealed", NULL); /* where that fails, it is told, and sealed once more all the same */
	fs_lock(f);
	return true;
}

/* The lock is held. Attributes of a file of it are on their way: a seal would be of the old ones. */
static bool attributes_wait(struct fs *f, const struct set *s)
{
	const struct dir *names = sets_names(f, s->tenant);

	return names && settle_waits(f, names, s->stem);
}

/* The lock is held. It is tried again soon. */
static int not_now(struct fs *f, struct set *s)
{
	s->sealing = false;
	s->due = true;
	s->acted_ms = clock_mono_ms();
	pthread_cond_broadcast(&f->changed);
	fs_unlock(f);
	return EAGAIN;
}

/* BLOCKS. s->sealing is ours. The source is what made it due; the sealer looks at what stands there. 0: there is nothing left to do now. */
static int seal_one(struct fs *f, struct set *s, enum seal_source source, bool asks_mark)
{
	struct sealer_options options = { .source = source, .known = known_object, .arg = f, .own_open = true, .mark = asks_mark ? f->config.seal_mark : NULL };
	AUTO(seal_free) struct seal made = { 0 };
	enum sealer_answer answer = SEALER_NOTHING;
	char reason[256] = "";
	uint64_t before;
	bool open;
	int rc;

	fs_lock(f);
	if (!asks_mark && attributes_wait(f, s))
		return not_now(f, s);
	before = s->changes;
	fs_unlock(f);
	rc = sealer_run(f->vault, s->tenant, s->stem, &options, &answer, reason, sizeof(reason), &made, NULL);
	say(s, answer, reason, rc);
	fs_lock(f);
	open = !rc && reopen_late(f, s, &made, before);
	s->sealing = false;
	s->acted_ms = clock_mono_ms();
	if (!rc)
		sealed(f, s, answer, &made, s->changes != before, open);
	else if (rc == EACCES || rc == EROFS)
		s->due = false; /* whoever may makes the seal */
	pthread_cond_broadcast(&f->changed);
	fs_unlock(f);
	if (!rc)
		rc = audit_flush(f->vault, s->tenant, NULL);
	return rc;
}

/* What was changed while it was sealed, and is not being written, is sealed again at once: nobody who waits for the seal needs to wait for the thread. */
static bool take_again(struct fs *f, struct set *s)
{
	bool again;

	fs_lock(f);
	again = s->due && s->touched && !s->sealing && !s->writers;
	s->sealing |= again;
	fs_unlock(f);
	return again;
}

static void seal_run(struct call *c)
{
	struct set *s = c->set;

	settle_now(c->fs, c->node); /* its attributes are of the seal */
	call_leave(c->fs, c->node);
	if (seal_one(c->fs, s, stem_is_archive(c->name) ? SEAL_ARCHIVE : SEAL_SINGLE, false) == 0 && take_again(c->fs, s))
		call_enter(c, c->node, vault_commit_pool(c->fs->vault), seal_run);
	else
		call_free(c);
}

/* The lock is held: the call that seals, or NULL: no memory, the thread tries again. */
static struct call *seal_call(struct fs *f, struct set *s, struct node *node)
{
	struct call *c;

	fs_unlock(f);
	c = call_new(f, NULL, node);
	fs_lock(f);
	if (!c)
		return NULL;
	c->name = strdup(node->name ? node->name : "");
	c->set = s;
	if (!c->name || s->sealing) {
		fs_unlock(f);
		call_free(c);
		fs_lock(f);
		return NULL;
	}
	s->sealing = true;
	return c;
}

/* ---- opens and closes */

void sets_opened(struct fs *f, struct node *node)
{
	char path[PATH_CAP];
	const char *top;

	if (node->set || node_path(&f->nodes, node, path))
		return;
	node->set = sets_of(f, path, &top);
	if (!node->set)
		return;
	node->set_file = !strchr(top, '/');
	node->set_archive = node->set_file && stem_is_archive(top);
	node->set->inside |= !node->set_file;
	node->set->writers++;
	node->set->files += node->set_file;
	node->set->archives += node->set_archive;
	set_changed(node->set);
}

/* The lock is held. Is that direct child the only one of its set, as far as this mount knows? */
static bool alone(struct node *folder, const struct set *s)
{
	return dir_matching(folder->dir, stem_has, s->stem) == 1;
}

/* The lock is held. Does the close of that node complete its set? A lone file without a time in its name is no backup by itself: it never counts. */
static bool completes(const struct node *node, struct set *s, const char *top)
{
	if (strchr(top, '/') || node->type != ENTRY_FILE || s->archives)
		return false;
	return stem_is_archive(top) || s->state == SET_REOPENED || (s->timed && alone(node->parent, s));
}

/* The lock is held, and given back: where the node completes its set, a call that seals it is sent. */
static void seal_if_complete(struct fs *f, struct node *node, bool good)
{
	struct call *c = NULL;
	char path[PATH_CAP];
	const char *top;
	struct set *s;

	s = node_path(&f->nodes, node, path) ? NULL : sets_of(f, path, &top);
	if (s)
		s->inside |= strchr(top, '/') != NULL;
	if (s && good && completes(node, s, top)) {
		s->due = true;
		set_changed(s); /* a seal that is on its way does not know of it */
		c = seal_call(f, s, node);
	}
	pthread_cond_broadcast(&f->changed);
	fs_unlock(f);
	if (c)
		call_enter(c, node, vault_commit_pool(f->vault), seal_run);
}

void sets_closed(struct fs *f, struct node *node, bool good)
{
	struct set *s;

	fs_lock(f);
	s = node->set;
	node->set = NULL;
	if (s) {
		s->writers--;
		s->files -= node->set_file;
		s->archives -= node->set_archive;
		set_changed(s);
	}
	seal_if_complete(f, node, good);
}

void sets_moved(struct fs *f, struct node *node)
{
	fs_lock(f);
	seal_if_complete(f, node, !node->set && !node->content);
}

/* ---- the quiet ones, and the end */

/* The lock is held. Takes one that is to be sealed now: its writers are gone, and something of it is newer than its seal. */
static struct set *take_quiet(struct fs *f, int64_t quiet_ms)
{
	int64_t now = clock_mono_ms();
	struct set *s, *next;

	HASH_ITER(hh, f->sets, s, next) {
		bool again = s->due && now - s->acted_ms >= RETRY_MS;

		if (s->sealing || s->archives || s->state == SET_DELETED || !(s->touched || s->due))
			continue;
		if (!again && (s->writers || now - s->acted_ms < quiet_ms))
			continue;
		if (!s->due && !s->inside && s->state != SET_REOPENED) {
			s->touched = false; /* loose files are never complete by themselves: ten thousand of them cost no request */
			continue;
		}
		s->sealing = true;
		return s;
	}
	return NULL;
}

/* One that take_quiet gave. */
static int seal_quiet(struct fs *f, struct set *s)
{
	bool by_file = s->due || (s->state == SET_REOPENED && s->by_file);

	if (by_file)
		return seal_one(f, s, SEAL_ARCHIVE, false);
	return f->config.seal_settled ? seal_one(f, s, SEAL_SETTLED, false) : seal_one(f, s, SEAL_MARKED, true);
}

unsigned sets_seal_all(struct fs *f, int64_t deadline)
{
	unsigned failed = 0;
	struct set *s, *next;

	if (f->config.read_only)
		return 0;
	for (;;) {
		fs_lock(f);
		s = clock_mono_ms() < deadline ? take_quiet(f, 0) : NULL;
		fs_unlock(f);
		if (!s)
			break;
		failed += seal_quiet(f, s) != 0;
		fs_lock(f);
		s->touched = s->due = false; /* once is enough now */
		fs_unlock(f);
	}
	fs_lock(f);
	HASH_ITER(hh, f->sets, s, next)
		failed += s->due || (s->sealing && s->archives == 0);
	fs_unlock(f);
	return failed;
}

/* ---- archives without a seal that somebody left behind */

/* The lock is held. A set that this mount has nothing to do with, so far. */
static struct set *untouched(struct fs *f, const char *tenant, const char *name)
{
	char path[PATH_CAP];
	const char *top;
	struct set *s;

	snprintf(path, sizeof(path), "%s/%s", tenant, name);
	s = sets_of(f, path, &top);
	if (!s || s->touched || s->own || s->sealing || s->writers)
		return NULL;
	s->sealing = true;
	return s;
}

static void seal_left_behind(struct fs *f, const char *tenant)
{
	AUTO(record_names_free) struct record_names seals = { 0 };
	struct tree_listing listing = { 0 };
	unsigned done = 0;

	if (tree_list(f->vault, tenant, &listing, NULL) || record_list(f->vault, tenant, "seals", &seals, NULL))
		goto end;
	for (size_t i = 0; i < listing.count && done < LEFT_BEHIND_MOST; i++) {
		const struct tree_entry *e = &listing.entries[i];
		struct stem stem;
		struct set *s;

		if (e->folder || !stem_is_archive(e->name))
			continue;
		stem_of(e->name, &stem);
		if (record_names_find(&seals, stem.text))
			continue;
		fs_lock(f);
		s = f->sets_end ? NULL : untouched(f, tenant, e->name);
		fs_unlock(f);
		if (!s)
			continue;
		seal_one(f, s, SEAL_ARCHIVE, false);
		done++;
	}
end:
	tree_listing_free(&listing);
}

/* ---- the thread */

static void *sets_main(void *arg)
{
	struct fs *f = arg;
	int64_t left_behind = clock_mono_ms() + LEFT_BEHIND_MS;

	fs_lock(f);
	while (!f->sets_end) {
		struct set *s = take_quiet(f, QUIET_MS);
		bool look = left_behind && clock_mono_ms() >= left_behind && f->config.tenant;

		if (!s && !look) {
			cond_wait_until(&f->sets_wake, &f->lock, clock_mono_ms() + TICK_MS);
			continue;
		}
		fs_unlock(f);
		if (s)
			seal_quiet(f, s);
		else
			seal_left_behind(f, f->config.tenant);
		fs_lock(f);
		if (look && !s)
			left_behind = 0;
	}
	fs_unlock(f);
	return NULL;
}

int sets_start(struct fs *f)
{
	if (f->config.read_only)
		return 0;
	f->sets_running = pthread_create(&f->sets_thread, NULL, sets_main, f) == 0;
	return f->sets_running ? 0 : EAGAIN;
}

void sets_quit(struct fs *f)
{
	if (!f->sets_running)
		return;
	fs_lock(f);
	f->sets_end = true;
	pthread_cond_broadcast(&f->sets_wake);
	fs_unlock(f);
	pthread_join(f->sets_thread, NULL);
	f->sets_running = false;
}

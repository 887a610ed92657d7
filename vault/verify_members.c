/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/catalog_private.h"

#include "vault/crew.h"
#include "vault/object_private.h"

#include <errno.h>
#include <stdio.h>

/* The objects of one backup against its seal. First the two lists, without any request: what is missing, what is extra, and what is to be looked at. Then each of these: its header
 * and trailer and, in a full look, every chunk, into as few slabs as there are. A fault is what the bucket says for sure; what it does not give is told apart. */

#define CHUNKS_AT_ONCE 16u /* 1 MiB */
#define MEMORY_WAIT_MS 100

struct check {
	struct vault *v;
	const struct seal *seal;
	const struct member *members;
	size_t count;
	size_t root;              /* bytes of a key before the path below the tenant */
	struct meter *meter;
	const struct verify_how *how;
	bool archive;             /* the seal lists an archive: folders beside it are scratch */
	struct store_call *call;
	size_t *todo;             /* members to be looked at */
	size_t todo_count;
	bool *seen;               /* of each entry: a member stands for it */
	pthread_mutex_t lock;     /* out, first_key */
	struct verified *out;
	char first_path[PATH_CAP]; /* of the fault in out->first */
};

/* ---- telling */

void meter_faults(struct meter *m, const char *tenant, const char *stem, struct faults *f)
{
	if (!m->config->fault)
		return;
	faults_sort(f);
	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < f->count; i++)
		m->config->fault(m->config->arg, tenant, stem, f->list[i].path, f->list[i].what, f->list[i].detail);
	pthread_mutex_unlock(&m->lock);
}

void meter_add(struct meter *m, unsigned backups, unsigned objects, uint64_t bytes)
{
	pthread_mutex_lock(&m->lock);
	m->progress.backups += backups;
	m->progress.objects += objects;
	m->progress.bytes += bytes;
	if (m->config->progress)
		m->config->progress(m->config->arg, &m->progress);
	pthread_mutex_unlock(&m->lock);
}

static void tell(struct check *c, const char *path, enum verify_fault f, const char *detail)
{
	pthread_mutex_lock(&c->lock);
	c->out->faults++;
	if (!c->out->first[0] || strcmp(path, c->first_path) < 0) {
		snprintf(c->out->first, sizeof(c->out->first), "%s: %s%s%s", verify_fault_name(f), path, detail[0] ? ": " : "", detail);
		copy_text(c->first_path, sizeof(c->first_path), path);
	}
	if (c->how->faults)
		faults_add(c->how->faults, path, f, detail);
	pthread_mutex_unlock(&c->lock);
}

static void unreadable(struct check *c, const char *path, int rc)
{
	pthread_mutex_lock(&c->lock);
	if (!c->out->error)
		c->out->error = rc;
	pthread_mutex_unlock(&c->lock);
	tell(c, path, VERIFY_UNREADABLE, strerror(rc));
}

int meter_go_on(struct meter *m, const struct store_call *call)
{
	const atomic_bool *stop = m->config->stop;

	if (m->config->pace)
		m->config->pace(m->config->arg);
	return stop && atomic_load(stop) ? ECANCELED : acting_stopped(call);
}

static int go_on(const struct check *c)
{
	return meter_go_on(c->meter, c->call);
}

/* ---- the two lists */

/* The path below the tenant, without the "/" of a folder's marker. True: it is one. EBADMSG as -1: it is none at all. */
static int path_of(const struct check *c, const struct member *m, char path[PATH_CAP])
{
	size_t n;

	if (strlen(m->key) <= c->root || copy_text(path, PATH_CAP, m->key + c->root))
		return -1;
	n = strlen(path);
	if (path[n - 1] != '/')
		return 0;
	path[n - 1] = '\0';
	return 1;
}

/* Whether the seal lists anything of that direct child of the tenant. */
static bool lists_child(const struct seal *seal, const char *path, size_t n)
{
	size_t low = 0, high = seal->count;

	/* Of the paths that begin with its name, the first; "NAME-x" stands between "NAME" and "NAME/x". */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strncmp(seal->entries[mid].path, path, n) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < seal->count && strncmp(seal->entries[low].path, path, n) == 0; low++)
		if (seal->entries[low].path[n] == '/' || seal->entries[low].path[n] == '\0')
			return true;
	return false;
}

static bool is_scratch(const struct check *c, const char *path, bool folder)
{
	size_t n = strcspn(path, "/");

	return c->archive && (folder || path[n]) && !lists_child(c->seal, path, n);
}

static bool has_archive(const struct seal *seal)
{
	for (size_t i = 0; i < seal->count; i++)
		if (seal->entries[i].type == ENTRY_FILE && !strchr(seal->entries[i].path, '/') && stem_is_archive(seal->entries[i].path))
			return true;
	return false;
}

static const struct seal_entry *entry_of(const struct check *c, const char *path, bool folder)
{
	const struct seal_entry *e = seal_find(c->seal, path);

	return e && (e->type == ENTRY_FOLDER) == folder ? e : NULL;
}

/* Whether any of its bytes is decrypted in this run. */
static bool has_turn(const struct check *c, const struct seal_entry *e)
{
	return c->how->decrypt && share_first(&c->how->share, e->object) < share_pieces(e->size);
}

/* True: it is to be looked at. */
static bool sort_member(struct check *c, const struct member *m)
{
	char path[PATH_CAP];
	int folder = path_of(c, m, path);
	const struct seal_entry *e = folder < 0 ? NULL : entry_of(c, path, folder);

	if (!e && folder >= 0 && is_scratch(c, path, folder)) {
		c->out->scratch++;
		return false;
	}
	if (!e)
		return true;
	c->seen[e - c->seal->entries] = true;
	return has_turn(c, e) || strcmp(m->etag, e->etag) != 0 || m->length != object_length(e->size);
}

static void compare_lists(struct check *c)
{
	unsigned fine = 0;

	for (size_t i = 0; i < c->count; i++) {
		if (sort_member(c, &c->members[i]))
			c->todo[c->todo_count++] = i;
		else
			fine++;
	}
	for (size_t i = 0; i < c->seal->count; i++)
		if (!c->seen[i])
			tell(c, c->seal->entries[i].path, VERIFY_MISSING, "");
	meter_add(c->meter, 0, fine, 0);
}

/* ---- one object */

/* What a failed read means. */
static void judge_error(struct check *c, const struct member *m, const struct seal_entry *e, int rc)
{
	char detail[96] = "";
	bool length = m->length != object_length(e->size);

	if (length)
		snprintf(detail, sizeof(detail), "%llu bytes in the bucket instead of %llu", (unsigned long long)m->length,
			 (unsigned long long)object_length(e->size));
	if (rc == ENOENT)
		tell(c, e->path, VERIFY_MISSING, "");
	else if (rc == EBADMSG)
		tell(c, e->path, length ? VERIFY_SIZE : VERIFY_DAMAGED, detail);
	else if (rc == ENOKEY)
		tell(c, e->path, VERIFY_KEY, "");
	else if (rc == EPROTONOSUPPORT)
		tell(c, e->path, VERIFY_REPLACED, "by one of a newer format");
	else if (rc == ESTALE)
		tell(c, e->path, VERIFY_REPLACED, "while it was read");
	else
		unreadable(c, e->path, rc);
}

static bool same_attrs(const struct trailer *t, const struct seal_entry *e)
{
	return t->type == e->type && t->mode == e->mode && t->uid == e->uid && t->gid == e->gid && t->mtime.tv_sec == e->mtime.tv_sec &&
	       t->mtime.tv_nsec == e->mtime.tv_nsec;
}

/* Whether its header and trailer are those that were sealed. */
static bool same_object(struct check *c, struct object *o, const struct seal_entry *e)
{
	char detail[96], when[24];
	struct trailer t;

	if (object_foreign(o)) {
		tell(c, e->path, VERIFY_FOREIGN, "");
		return false;
	}
	object_attrs(o, &t);
	clock_format_utc(when, t.committed.tv_sec);
	if (memcmp(object_keys(o)->id, e->object, sizeof(e->object)) != 0) {
		snprintf(detail, sizeof(detail), "another object, committed %s", when);
		tell(c, e->path, VERIFY_REPLACED, detail);
		return false;
	}
	if (object_size(o) != e->size) {
		snprintf(detail, sizeof(detail), "%llu bytes instead of %llu, committed %s", (unsigned long long)object_size(o), (unsigned long long)e->size, when);
		tell(c, e->path, VERIFY_SIZE, detail);
		return false;
	}
	if (!same_attrs(&t, e))
		tell(c, e->path, VERIFY_ATTRS, "");
	return same_attrs(&t, e);
}

struct room {
	struct slabs *slabs;
	struct slab *slab[CHUNKS_AT_ONCE];
	unsigned count;
};

static void room_free(struct room *r)
{
	while (r->count)
		slab_give(r->slabs, r->slab[--r->count]);
}

/* At least one slab, as many as are free, up to what is wanted. */
static int room_take(struct check *c, struct room *r, uint64_t wanted)
{
	r->slabs = c->v->slabs;
	while (!r->count) {
		int rc = go_on(c);

		if (rc)
			return rc;
		while (r->count < min_u64(wanted, CHUNKS_AT_ONCE) && (r->slab[r->count] = object_cache_slab(c->v)))
			r->count++;
		if (!r->count)
			slab_wait(c->v->slabs, SLAB_READ, clock_mono_ms() + MEMORY_WAIT_MS);
	}
	return 0;
}

/* The chunks from first to before end. */
static int read_range(struct check *c, struct object *o, struct room *room, uint64_t first, uint64_t end)
{
	int rc = 0;

	for (uint64_t k = first; k < end && !rc;) {
		unsigned n = (unsigned)min_u64(end - k, room->count);

		rc = go_on(c);
		if (!rc)
			rc = object_read_chunks(c->v, o, k, n, room->slab);
		k += n;
		if (!rc)
			meter_add(c->meter, 0, 0, min_u64(object_size(o), k * CHUNK_BYTES) - (k - n) * CHUNK_BYTES);
	}
	return rc;
}

/* Every chunk whose turn it is. What object_load found whole, and kept, is decrypted already. */
static int read_due(struct check *c, struct object *o)
{
	uint64_t chunks = chunk_count(object_size(o)), pieces = share_pieces(object_size(o));
	AUTO(room_free) struct room room = { 0 };
	uint8_t byte;
	int rc;

	if (object_size(o) && object_cache_read(o, 0, 1, &byte)) {
		meter_add(c->meter, 0, 0, object_size(o));
		return 0;
	}
	rc = room_take(c, &room, chunks);
	for (uint64_t p = share_first(&c->how->share, object_keys(o)->id); p < pieces && !rc; p += share_step(&c->how->share))
		rc = read_range(c, o, &room, p * PIECE_CHUNKS, min_u64(chunks, (p + 1) * PIECE_CHUNKS));
	return rc;
}

/* Who seals leaves out what another may still have open, and says so: that stands there by leave. It is of before the seal; nothing may come after it. */
static bool left_out(const struct check *c, struct object *o)
{
	struct trailer t;

	if (object_foreign(o))
		return false;
	object_attrs(o, &t);
	return (t.state == STATE_OPEN || t.state == STATE_UNKNOWN) && t.committed.tv_sec <= c->seal->sealed_s;
}

static int look_at_extra(struct check *c, const struct member *m, const char *path, struct store_call *call)
{
	AUTO(auto_object_unref) struct object *o = NULL;
	int rc = object_load(c->v, m->key, m->length, &o, call);

	if (rc == ECANCELED || rc == ENOMEM)
		return rc;
	if (!rc && left_out(c, o)) {
		pthread_mutex_lock(&c->lock);
		c->out->scratch++;
		pthread_mutex_unlock(&c->lock);
	} else if (!rc || counts_for_nothing(rc)) {
		tell(c, path, VERIFY_EXTRA, "");
	} else if (rc != ENOENT) {
		unreadable(c, path, rc);
	}
	return 0;
}

static int look_at_entry(struct check *c, const struct member *m, const struct seal_entry *e, struct store_call *call)
{
	AUTO(auto_object_unref) struct object *o = NULL;
	int rc = object_load(c->v, m->key, m->length, &o, call);

	if (!rc && same_object(c, o, e) && has_turn(c, e))
		rc = read_due(c, o);
	if (rc == ECANCELED || rc == ENOMEM)
		return rc;
	if (rc)
		judge_error(c, m, e, rc);
	return 0;
}

static int look_at(void *arg, size_t i)
{
	struct check *c = arg;
	const struct member *m = &c->members[c->todo[i]];
	struct store_call call = acting_call(c->v, c->call, 0);
	char path[PATH_CAP];
	int folder = path_of(c, m, path), rc = go_on(c);
	const struct seal_entry *e = folder < 0 ? NULL : entry_of(c, path, folder);

	if (!call.cancel)
		call.cancel = c->meter->config->stop;
	if (!rc)
		rc = e ? look_at_entry(c, m, e, &call) : look_at_extra(c, m, folder < 0 ? "" : path, &call);
	if (!rc)
		meter_add(c->meter, 0, 1, 0);
	return rc;
}

/* ---- the whole */

int verify_members(struct vault *v, const struct seal *seal, const struct member *members, size_t count, struct meter *meter, const struct verify_how *how, struct verified *out,
		   struct store_call *call)
{
	AUTO_FREE size_t *todo = calloc(count + 1, sizeof(*todo));
	AUTO_FREE bool *seen = calloc(seal->count + 1, sizeof(*seen));
	struct check c = { .v = v, .seal = seal, .members = members, .count = count, .meter = meter, .how = how, .archive = has_archive(seal), .call = call,
			   .todo = todo, .seen = seen, .lock = PTHREAD_MUTEX_INITIALIZER, .out = out };
	char root[PATH_CAP];
	int rc = path_key(&v->rules, root, seal->tenant, true);

	*out = (struct verified){ 0 };
	if (rc || !todo || !seen)
		return rc ? rc : ENOMEM;
	c.root = strlen(root);
	compare_lists(&c);
	return crew_run(how->threads, c.todo_count, look_at, &c);
}

unsigned verify_backup(struct vault *v, const struct seal *seal, const struct member *members, size_t count, const struct verify_config *config, char *first,
		       size_t cap, struct store_call *call)
{
	static const struct verify_config quick;
	struct meter meter = { .config = config ? config : &quick, .lock = PTHREAD_MUTEX_INITIALIZER };
	struct verify_how how = { .decrypt = meter.config->full, .threads = meter.config->threads };
	struct verified found;
	int rc = verify_members(v, seal, members, count, &meter, &how, &found, call);

	if (rc && !found.faults) {
		found.faults = 1; /* not looked at whole: not good */
		snprintf(found.first, sizeof(found.first), "%s", strerror(rc));
	}
	if (cap)
		snprintf(first, cap, "%s", found.first);
	return found.faults;
}

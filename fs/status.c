/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/status.h"
#include "fs/load.h"
#include "fs/parked.h"
#include "fs/reply.h"
#include "fs/settle.h"
#include "fs/status_backups.h"
#include "fs/verification.h"
#include "base/clock.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>

#define FOLDER_NAME ".pishopfs"
#define FILE_NAME "status.json"
enum { FAILED_MOST = 1000 }; /* paths that are listed */

static struct node *make(struct fs *f, struct node *parent, const char *name, enum entry_type type)
{
	struct node *node = node_make_special(&f->nodes, parent, name, type);

	if (!node)
		return NULL;
	load_defaults(f, node);
	node->type = type;
	node->attrs.mode = type == ENTRY_FOLDER ? 0555 : 0444;
	return node;
}

int status_start(struct fs *f)
{
	f->status_folder = make(f, f->nodes.root, FOLDER_NAME, ENTRY_FOLDER);
	if (f->status_folder)
		f->status_file = make(f, f->status_folder, FILE_NAME, ENTRY_FILE);
	return f->status_file ? 0 : ENOMEM;
}

struct node *status_find(struct fs *f, const struct node *folder, const char *name)
{
	if (folder == f->nodes.root && strcmp(name, FOLDER_NAME) == 0)
		return f->status_folder;
	if (folder == f->status_folder && strcmp(name, FILE_NAME) == 0)
		return f->status_file;
	return NULL;
}

/* ---- what it says */

static void add_number(cJSON *to, const char *name, uint64_t value)
{
	cJSON_AddNumberToObject(to, name, (double)value);
}

static void add_time(cJSON *to, const char *name, int64_t seconds)
{
	char text[24];

	clock_format_utc(text, seconds);
	cJSON_AddStringToObject(to, name, text);
}

static void add_pending(struct fs *f, cJSON *to)
{
	cJSON *pending = cJSON_AddObjectToObject(to, "pending");
	uint64_t bytes, parked_bytes;
	unsigned files, requests, unsettled;

	writers_pending(f->vault, &bytes, &files);
	parked_count(f, &requests, &parked_bytes);
	fs_lock(f);
	unsettled = settle_count(f);
	fs_unlock(f);
	add_number(pending, "files", files);
	add_number(pending, "bytes", bytes);
	add_number(pending, "waiting_requests", requests);
	add_number(pending, "waiting_bytes", parked_bytes);
	add_number(pending, "attributes", unsettled);
}

static void add_memory(struct fs *f, cJSON *to)
{
	cJSON *memory = cJSON_AddObjectToObject(to, "memory");
	struct slab_stats s;

	slabs_stats(vault_slabs(f->vault), &s);
	add_number(memory, "bytes", (uint64_t)s.total * SLAB_BYTES);
	add_number(memory, "writing", (uint64_t)s.used[SLAB_WRITE] * SLAB_BYTES);
	add_number(memory, "reading", (uint64_t)s.used[SLAB_READ] * SLAB_BYTES);
	add_number(memory, "committing", (uint64_t)s.used[SLAB_COMMIT] * SLAB_BYTES);
	add_number(memory, "names", (uint64_t)s.used[SLAB_NAMES] * SLAB_BYTES);
	add_number(memory, "peak", (uint64_t)s.peak * SLAB_BYTES);
}

/* The lock is held. */
static bool failed_path(struct fs *f, struct node *node, char path[PATH_CAP])
{
	struct writer_look look;

	if (!node->content)
		return false;
	writer_look(node->content->writer, &look);
	return look.error && !look.unlinked && node_path(&f->nodes, node, path) == 0;
}

static void add_failed(struct fs *f, cJSON *to)
{
	cJSON *failed = cJSON_AddArrayToObject(to, "failed");
	struct node *node, *next;
	char path[PATH_CAP], printable[2 * PATH_CAP];
	int count = 0;

	fs_lock(f);
	HASH_ITER(hh, f->nodes.by_id, node, next) {
		if (count >= FAILED_MOST || !failed_path(f, node, path))
			continue;
		log_escape(printable, sizeof(printable), path, false);
		cJSON_AddItemToArray(failed, cJSON_CreateString(printable));
		count++;
	}
	fs_unlock(f);
}

static char *build(struct fs *f)
{
	cJSON *o = cJSON_CreateObject();
	char *text;

	cJSON_AddStringToObject(o, "program", "pishopfs " PISHOPFS_VERSION);
	cJSON_AddStringToObject(o, "source", f->config.source);
	cJSON_AddStringToObject(o, "tenant", f->config.tenant ? f->config.tenant : "");
	cJSON_AddStringToObject(o, "state", atomic_load(&f->stopping) ? "stopping" : f->config.read_only ? "read-only" : "serving");
	add_time(o, "started", f->started.tv_sec);
	add_time(o, "now", clock_wall_s());
	add_pending(f, o);
	add_failed(f, o);
	status_backups_add(f, o);
	verification_status(f, o);
	fs_lock(f);
	add_number(o, "open_for_writing", f->write_handles);
	add_number(o, "killed_writers", f->killed);
	add_number(o, "replaced_by_others", f->lost);
	cJSON_AddBoolToObject(o, "processes_visible", !f->said_unseen);
	fs_unlock(f);
	add_memory(f, o);
	text = cJSON_Print(o);
	cJSON_Delete(o);
	return text;
}

/* With a line break at the end. NULL: no memory. */
static char *status_text(struct fs *f, size_t *len)
{
	char *text = build(f), *out;

	*len = text ? strlen(text) + 1 : 0;
	out = text ? malloc(*len) : NULL;
	if (out) {
		memcpy(out, text, *len - 1);
		out[*len - 1] = '\n';
	}
	cJSON_free(text);
	return out;
}

size_t status_size(struct fs *f)
{
	size_t len;

	free(status_text(f, &len));
	return len;
}

static void open_made(struct call *c)
{
	struct handle *h = handle_new(c->fs, c->node);

	if (h)
		h->text = status_text(c->fs, &h->text_len);
	if (!h || !h->text) {
		handle_free(c->fs, h);
		reply_error(c, ENOMEM);
		return;
	}
	h->direct = true;
	reply_open(c, h);
}

static void look_run(struct call *c)
{
	status_backups_look(c->fs, &c->store);
	open_made(c);
}

void status_open(struct call *c)
{
	if ((c->flags & O_ACCMODE) != O_RDONLY || (c->flags & O_TRUNC))
		reply_refused(c, EACCES);
	else if (c->node == c->fs->status_file && status_backups_due(c->fs))
		call_run(c, c->fs->gate_pool, look_run);
	else
		open_made(c);
}

bool status_item(struct fs *f, struct folder_item *item)
{
	fs_lock(f);
	item->name = f->status_file->name;
	item->st = (struct stat){ .st_ino = f->status_file->ino, .st_mode = S_IFREG };
	fs_unlock(f);
	return true;
}

void status_unseen(struct fs *f)
{
	bool said;

	fs_lock(f);
	said = f->said_unseen;
	f->said_unseen = true;
	fs_unlock(f);
	if (!said)
		log_msg(LOG_WARN, "mount", "the processes that write here cannot be seen (another pid namespace): files of killed writers cannot be told from "
					   "complete ones, and are marked \"unknown\". Give the mount the host's or the pod's pid namespace");
}

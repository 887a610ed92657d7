/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fs/drive.h"

#include "base/clock.h"
#include "fs/core.h"
#include "fs/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* What a call's request points to. */
struct pending {
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool is_done;
	struct answer *a;
};

static atomic_uint notices;

/* ---- answers */

static struct pending *take(struct call *c)
{
	return call_take(c);
}

static void done(struct call *c, struct pending *p)
{
	call_free(c); /* before the test goes on, so that it finds nothing pinned */
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->is_done = true;
	pthread_cond_signal(&p->done);
	pthread_mutex_unlock(&p->lock);
}

void reply_refused(struct call *c, int error)
{
	struct pending *p = take(c);

	if (p)
		p->a->error = error;
	done(c, p);
}

void reply_error(struct call *c, int error)
{
	reply_refused(c, edge_errno(error));
}

static void hold(struct fs *f, struct node *node, struct answer *a)
{
	attrs_stat(f, node, &a->st);
	fs_lock(f);
	a->id = node->id;
	node->nlookup++;
	fs_unlock(f);
}

void reply_entry(struct call *c, struct node *node)
{
	struct pending *p = take(c);

	if (p)
		hold(c->fs, node, p->a);
	done(c, p);
}

void reply_absent(struct call *c)
{
	struct pending *p = take(c);

	if (p)
		p->a->absent = true;
	done(c, p);
}

void reply_attr(struct call *c, struct node *node)
{
	struct pending *p = take(c);

	if (p)
		attrs_stat(c->fs, node, &p->a->st);
	done(c, p);
}

void reply_open(struct call *c, struct handle *handle)
{
	struct pending *p = take(c);

	if (p)
		p->a->handle = handle;
	else
		file_unopened(c->fs, handle);
	done(c, p);
}

void reply_create(struct call *c, struct node *node, struct handle *handle)
{
	struct pending *p = take(c);

	assert_non_null(p);
	hold(c->fs, node, p->a);
	p->a->handle = handle;
	done(c, p);
}

void reply_bytes(struct call *c, const void *data, size_t len)
{
	struct pending *p = take(c);

	if (p) {
		memcpy(p->a->bytes, data, min_size(len, sizeof(p->a->bytes) - 1));
		p->a->len = len;
	}
	done(c, p);
}

void reply_written(struct call *c, size_t len)
{
	struct pending *p = take(c);

	if (p)
		p->a->len = len;
	done(c, p);
}

void reply_link(struct call *c, const char *target)
{
	struct pending *p = take(c);

	if (p)
		p->a->len = (size_t)snprintf(p->a->bytes, sizeof(p->a->bytes), "%s", target);
	done(c, p);
}

void reply_space(struct call *c, const struct statvfs *space)
{
	(void)space;
	done(c, take(c));
}

void reply_names(struct call *c)
{
	struct pending *p = take(c);
	struct folder_item item;
	struct answer *a = p->a;

	for (uint64_t at = 2; folder_item(c->fs, c->handle, at, c->flags & FOLDER_PLUS, &item); at++) {
		const char *mark = S_ISDIR(item.st.st_mode) ? "/" : item.st.st_mode ? "" : "?";

		a->len += (size_t)snprintf(a->bytes + a->len, sizeof(a->bytes) - a->len, "%s%s%s\n", item.name, mark, item.node ? "+" : "");
		folder_item_end(c->fs, &item);
	}
	done(c, p);
}

void notice_name(struct fs *f, const struct node *parent, const char *name)
{
	(void)f;
	(void)parent;
	(void)name;
	atomic_fetch_add(&notices, 1);
}

unsigned drive_notices(void)
{
	return atomic_load(&notices);
}

/* ---- life */

static void begin(struct drive *d, const char *tenant)
{
	struct vault_config v = kit_config();
	struct fs_config config = { .tenant = tenant, .mountpoint = "/", .source = "test", .uid = 7, .gid = 8, .umask = 022, .drain_ms = 10000 };

	kit_prepare(&d->kit);
	kit_open(&d->kit, &v, KIT_KEY);
	config.vault = d->kit.v;
	assert_int_equal(core_new(&config, &d->fs), 0);
}

static void end(struct drive *d)
{
	drive_quiet(d);
	core_stop(d->fs);
	core_free(d->fs);
	kit_close(&d->kit);
}

static int setup(void **state, const char *tenant)
{
	struct drive *d = calloc(1, sizeof(*d));

	d->kit.bucket = kit_bucket_new(NULL);
	begin(d, tenant);
	*state = d;
	return 0;
}

int drive_setup(void **state)
{
	return setup(state, "t");
}

int drive_setup_tenants(void **state)
{
	return setup(state, NULL);
}

void drive_again(struct drive *d)
{
	char tenant[64];

	copy_text(tenant, sizeof(tenant), d->fs->config.tenant ? d->fs->config.tenant : "");
	end(d);
	begin(d, tenant[0] ? tenant : NULL);
}

int drive_teardown(void **state)
{
	struct drive *d = *state;

	fault_store_clear(d->kit.fault);
	end(d);
	kit_bucket_free(d->kit.bucket);
	free(d);
	return 0;
}

void drive_quiet(struct drive *d)
{
	int64_t deadline = clock_mono_ms() + 20000;

	fs_lock(d->fs);
	while (d->fs->calls && cond_wait_until(&d->fs->changed, &d->fs->lock, deadline) == 0)
		continue;
	assert_int_equal(d->fs->calls, 0);
	fs_unlock(d->fs);
}

/* ---- requests */

static struct call *ask(struct drive *d, struct pending *p, uint64_t id, struct answer *a)
{
	struct node *node;
	struct call *c;

	*p = (struct pending){ .a = a };
	pthread_mutex_init(&p->lock, NULL);
	cond_init_mono(&p->done);
	*a = (struct answer){ 0 };
	fs_lock(d->fs);
	node = node_by_id(&d->fs->nodes, id);
	fs_unlock(d->fs);
	assert_non_null(node);
	c = call_new(d->fs, p, node);
	assert_non_null(c);
	c->pid = getpid();
	c->uid = 1000;
	c->gid = 1001;
	return c;
}

static void wait_for(struct pending *p)
{
	pthread_mutex_lock(&p->lock);
	while (!p->is_done)
		assert_int_equal(cond_wait_until(&p->done, &p->lock, clock_mono_ms() + 20000), 0);
	pthread_mutex_unlock(&p->lock);
	pthread_cond_destroy(&p->done);
	pthread_mutex_destroy(&p->lock);
}

typedef void request_fn(struct call *c);
typedef void gate_fn(struct call *c, request_fn *next);

static void send_it(struct drive *d, struct call *c, gate_fn *gate, request_fn *request)
{
	if (d->gated && gate)
		gate(c, request);
	else
		request(c);
}

static int named(struct drive *d, gate_fn *gate, request_fn *request, uint64_t parent, const char *name, mode_t mode, struct answer *a)
{
	struct pending p;
	struct call *c = ask(d, &p, parent, a);

	c->name = strdup(name);
	c->mode = mode;
	send_it(d, c, gate, request);
	wait_for(&p);
	return a->error;
}

void drive_lookup(struct drive *d, uint64_t parent, const char *name, struct answer *a)
{
	named(d, NULL, names_lookup, parent, name, 0, a);
}

uint64_t drive_id(struct drive *d, uint64_t parent, const char *name)
{
	struct answer a;

	drive_lookup(d, parent, name, &a);
	assert_int_equal(a.error, 0);
	assert_false(a.absent);
	return a.id;
}

bool drive_exists(struct drive *d, uint64_t parent, const char *name)
{
	struct answer a;

	drive_lookup(d, parent, name, &a);
	assert_int_equal(a.error, 0);
	return !a.absent;
}

static int of_handle(struct drive *d, request_fn *request, struct handle *h, pid_t pid, uint64_t offset, size_t size, unsigned flags,
		     struct answer *a)
{
	struct pending p;
	struct call *c = ask(d, &p, h->node->id, a);

	c->handle = h;
	c->pid = pid;
	c->offset = offset;
	c->size = size;
	c->flags = flags;
	request(c);
	wait_for(&p);
	return a->error;
}

void drive_getattr(struct drive *d, uint64_t id, struct answer *a)
{
	struct pending p;

	attrs_get(ask(d, &p, id, a));
	wait_for(&p);
}

int drive_setattr(struct drive *d, uint64_t id, struct handle *h, int which, const struct stat *st)
{
	struct pending p;
	struct answer a;
	struct call *c = ask(d, &p, id, &a);

	c->handle = h;
	c->which = which;
	c->attr = *st;
	send_it(d, c, gate_attrs, attrs_set);
	wait_for(&p);
	return a.error;
}

int drive_mkdir(struct drive *d, uint64_t parent, const char *name)
{
	struct answer a;

	return named(d, gate_make, names_mkdir, parent, name, 0755, &a);
}

int drive_symlink(struct drive *d, uint64_t parent, const char *name, const char *target)
{
	struct pending p;
	struct answer a;
	struct call *c = ask(d, &p, parent, &a);

	c->name = strdup(name);
	c->to = strdup(target);
	send_it(d, c, gate_make, names_symlink);
	wait_for(&p);
	return a.error;
}

void drive_readlink(struct drive *d, uint64_t id, struct answer *a)
{
	struct pending p;

	names_readlink(ask(d, &p, id, a));
	wait_for(&p);
}

int drive_unlink(struct drive *d, uint64_t parent, const char *name)
{
	struct answer a;

	return named(d, gate_remove, names_unlink, parent, name, 0, &a);
}

int drive_rmdir(struct drive *d, uint64_t parent, const char *name)
{
	struct answer a;

	return named(d, gate_remove, names_rmdir, parent, name, 0, &a);
}

int drive_rename(struct drive *d, uint64_t from, const char *name, uint64_t to, const char *new_name, unsigned flags)
{
	struct pending p;
	struct answer a;
	struct call *c = ask(d, &p, from, &a);

	c->name = strdup(name);
	c->to = strdup(new_name);
	c->flags = flags;
	fs_lock(d->fs);
	c->other = node_pin(node_by_id(&d->fs->nodes, to));
	fs_unlock(d->fs);
	send_it(d, c, gate_rename, names_rename);
	wait_for(&p);
	return a.error;
}

void drive_create(struct drive *d, uint64_t parent, const char *name, pid_t pid, struct answer *a)
{
	struct pending p;
	struct call *c = ask(d, &p, parent, a);

	c->name = strdup(name);
	c->mode = 0644;
	c->flags = O_WRONLY | O_CREAT;
	c->pid = pid;
	send_it(d, c, gate_make, file_create);
	wait_for(&p);
}

void drive_open(struct drive *d, uint64_t id, int flags, pid_t pid, struct answer *a)
{
	struct pending p;
	struct call *c = ask(d, &p, id, a);

	c->flags = (unsigned)flags;
	c->pid = pid;
	send_it(d, c, gate_open, file_open);
	wait_for(&p);
}

int drive_write(struct drive *d, struct handle *h, uint64_t offset, const void *data, size_t len)
{
	int rc = file_write_now(d->fs, h, data, len, offset);
	struct pending p;
	struct answer a;
	struct call *c;

	if (!rc)
		return 0;
	c = ask(d, &p, h->node->id, &a);
	c->handle = h;
	c->offset = offset;
	c->size = len;
	if (rc == EAGAIN) {
		c->data = malloc(len);
		memcpy(c->data, data, len);
		file_write_later(c);
	} else {
		file_write_failed(c, rc);
	}
	wait_for(&p);
	return a.error;
}

void drive_read(struct drive *d, struct handle *h, uint64_t offset, size_t len, struct answer *a)
{
	of_handle(d, file_read, h, getpid(), offset, len, 0, a);
}

int drive_flush(struct drive *d, struct handle *h, pid_t pid)
{
	struct answer a;

	return of_handle(d, file_flush, h, pid, 0, 0, 0, &a);
}

int drive_fsync(struct drive *d, struct handle *h)
{
	struct answer a;

	return of_handle(d, file_fsync, h, getpid(), 0, 0, 0, &a);
}

void drive_release(struct drive *d, struct handle *h)
{
	struct answer a;

	of_handle(d, file_release, h, 0, 0, 0, 0, &a);
	drive_quiet(d);
}

void drive_list(struct drive *d, uint64_t id, bool plus, struct answer *a)
{
	struct pending p;
	struct handle *h;

	folder_open(ask(d, &p, id, a));
	wait_for(&p);
	assert_int_equal(a->error, 0);
	h = a->handle;
	of_handle(d, folder_read, h, getpid(), 0, 4096, plus ? FOLDER_PLUS : 0, a);
	file_let_go(d->fs, h);
}

int drive_fsyncdir(struct drive *d, uint64_t id)
{
	struct pending p;
	struct answer a;

	folder_fsync(ask(d, &p, id, &a));
	wait_for(&p);
	return a.error;
}

int drive_put(struct drive *d, uint64_t parent, const char *name, const char *text)
{
	struct answer a;
	int rc;

	drive_create(d, parent, name, getpid(), &a);
	if (a.error)
		return a.error;
	rc = drive_write(d, a.handle, 0, text, strlen(text));
	if (!rc)
		rc = drive_flush(d, a.handle, getpid());
	drive_release(d, a.handle);
	return rc;
}

void drive_get(struct drive *d, uint64_t parent, const char *name, struct answer *a)
{
	struct answer o;

	drive_open(d, drive_id(d, parent, name), O_RDONLY, getpid(), &o);
	assert_int_equal(o.error, 0);
	drive_read(d, o.handle, 0, sizeof(a->bytes) - 1, a);
	drive_release(d, o.handle);
}

/* ---- the bucket */

bool drive_stands(struct drive *d, const char *key)
{
	struct store_meta meta;

	return kit_raw_head(d->kit.bucket, key, &meta) == 0;
}

void drive_trailer(struct drive *d, const char *key, struct trailer *out)
{
	struct object *o = NULL;

	assert_int_equal(object_load(d->kit.v, key, 0, &o, NULL), 0);
	object_attrs(o, out);
	object_unref(o);
}

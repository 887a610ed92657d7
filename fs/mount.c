/* SPDX-License-Identifier: Apache-2.0 */
/* The life of the mount. Stopping: fs_stop starts a thread that waits until nothing is open for writing (or the drain deadline), asks the kernel for its dirty
 * pages, and takes the mount away; that ends the loop of fs_serve. After that nothing is sent to the kernel any more (wire, cut), since the number of the
 * closed descriptor may be somebody else's socket. */
#define FUSE_USE_VERSION 314

#include "fs/core.h"
#include "fs/drain.h"
#include "fs/edge.h"
#include "fs/reply.h"
#include "fs/tune.h"
#include "base/buf.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

enum { BACKGROUND = 64, WRITE_LEAST = 65536, WRITE_MOST = 1 << 20 };
enum { WORKERS = 8, SYNC_MS = 10000, NOTICE_MS = 2000, DRAIN_MS = 300000 };
#define DIRTY_MOST (32u << 20)
#define WAKE_SIGNAL (SIGRTMIN + 5) /* makes the serving thread look whether it should end */

/* ---- making and freeing */

static int say(char *error, size_t cap, int rc, const char *what)
{
	snprintf(error, cap, "%s: %s", what, strerror(rc));
	return rc;
}

int fs_new(const struct fs_config *config, struct fs **out, char *error, size_t cap)
{
	int rc = core_new(config, out);

	return rc ? say(error, cap, rc, config->mountpoint) : 0;
}

void fs_free(struct fs *f)
{
	if (!f)
		return;
	if (f->stopper_started)
		pthread_join(f->stopper, NULL);
	if (f->session)
		fuse_session_unmount(f->session);
	core_stop(f);
	if (f->session)
		fuse_session_destroy(f->session); /* requests that were never answered needed it */
	core_free(f);
}

/* ---- mounting */

/* A value inside of -o: commas and backslashes are escaped. */
static int put_value(struct buf *b, const char *value)
{
	int rc = 0;

	for (; *value && !rc; value++) {
		if (*value == ',' || *value == '\\')
			rc = buf_put_u8(b, '\\');
		if (!rc)
			rc = buf_put_u8(b, (uint8_t)*value);
	}
	return rc;
}

static int put_options(const struct fs *f, struct buf *b)
{
	const struct fs_config *c = &f->config;
	int rc = buf_puts(b, "subtype=pishopfs,default_permissions,fsname=");

	if (!rc)
		rc = put_value(b, c->source);
	if (!rc && c->allow_other)
		rc = buf_puts(b, ",allow_other");
	if (!rc && c->read_only)
		rc = buf_puts(b, ",ro");
	if (!rc && c->fuse_options && c->fuse_options[0])
		rc = buf_printf(b, ",%s", c->fuse_options);
	return rc ? rc : buf_puts(b, ",nosuid,nodev"); /* last: nobody's options undo it */
}

/* What libfuse says goes where everything else goes. */
static void PRINTF_LIKE(2, 0) say_fuse(enum fuse_log_level level, const char *fmt, va_list args)
{
	char line[1024];
	size_t n;

	vsnprintf(line, sizeof(line), fmt, args);
	n = strlen(line);
	if (n && line[n - 1] == '\n')
		line[n - 1] = '\0';
	log_msg(level <= FUSE_LOG_ERR ? LOG_ERROR : level <= FUSE_LOG_WARNING ? LOG_WARN : LOG_DEBUG, "fuse", "%s", line);
}

static int new_session(struct fs *f, char *error, size_t cap)
{
	const char *given = f->config.fuse_options;
	struct buf options;
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int rc;

	if (given && (strncmp(given, "max_read=", 9) == 0 || strstr(given, ",max_read="))) { /* libfuse would end the mount at its first request */
		snprintf(error, cap, "-o max_read: not taken, as the program chooses the sizes itself; leave it out");
		return EINVAL;
	}
	fuse_set_log_func(say_fuse);
	buf_init(&options, 65536);
	rc = put_options(f, &options);
	if (!rc && (fuse_opt_add_arg(&args, "pishopfs") || fuse_opt_add_arg(&args, "-o") || fuse_opt_add_arg(&args, buf_text(&options))))
		rc = ENOMEM;
	if (!rc)
		f->session = fuse_session_new(&args, &edge_ops, sizeof(edge_ops), f);
	if (!rc && !f->session)
		rc = EINVAL;
	fuse_opt_free_args(&args);
	buf_free(&options);
	return rc ? say(error, cap, rc, "-o: an option that FUSE does not know, or no memory") : 0;
}

static int may_mount_here(struct fs *f, char *error, size_t cap)
{
	struct mount_seen seen;
	int fd = open(f->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* asks whoever serves it; stat may be answered from the kernel's memory */

	if (fd < 0 && errno == ENOTCONN) {
		snprintf(error, cap, "%s: a dead mount is here (its process has ended); clear it with: umount -l %s", f->mountpoint, f->mountpoint);
		return ENOTCONN;
	}
	if (fd >= 0)
		close(fd);
	if (mount_look(f->mountpoint, &seen) == 0 && seen.there) {
		snprintf(error, cap, "%s: something is mounted here already (%s)", f->mountpoint, seen.type);
		return EBUSY;
	}
	return 0;
}

int fs_mount(struct fs *f, char *error, size_t cap)
{
	struct mount_seen seen;
	int rc = may_mount_here(f, error, cap);

	if (!rc)
		rc = new_session(f, error, cap);
	if (rc)
		return rc;
	errno = 0;
	if (fuse_session_mount(f->session, f->mountpoint)) {
		bool options = errno == EINVAL && f->config.fuse_options && f->config.fuse_options[0];

		fuse_session_destroy(f->session);
		f->session = NULL;
		snprintf(error, cap, options ? "%s: the kernel refused the mount: is one of the options of -o not for FUSE?" :
					       "%s: the kernel refused the mount (is /dev/fuse there, and may you mount?)", f->mountpoint);
		return options ? EINVAL : EPERM;
	}
	if (mount_look(f->mountpoint, &seen) == 0)
		copy_text(f->device, sizeof(f->device), seen.device);
	return 0;
}

static void tune_run(void *arg)
{
	struct fs *f = arg;
	uint64_t dirty = f->config.in_hand_bytes ? f->config.in_hand_bytes : DIRTY_MOST;

	clock_sleep_ms(50); /* the answer to INIT sets the kernel's read-ahead; ours comes after it */
	if (f->device[0])
		mount_tune(f->device, dirty < DIRTY_MOST ? dirty : DIRTY_MOST, 1024);
}

void edge_init(void *userdata, struct fuse_conn_info *conn)
{
	struct fs *f = userdata;
	uint64_t in_hand = f->config.in_hand_bytes ? f->config.in_hand_bytes : (uint64_t)BACKGROUND * WRITE_MOST;
	uint64_t each = in_hand / BACKGROUND / WRITE_LEAST * WRITE_LEAST;

	conn->want &= ~(unsigned)(FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_SPLICE_READ |
				  FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
	conn->want |= conn->capable & (FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS | FUSE_CAP_ASYNC_READ);
	f->max_write = (unsigned)(each < WRITE_LEAST ? WRITE_LEAST : each > WRITE_MOST ? WRITE_MOST : each);
	conn->max_write = f->max_write;
	conn->max_background = BACKGROUND;
	conn->congestion_threshold = BACKGROUND * 3 / 4;
	if (!(conn->capable & FUSE_CAP_WRITEBACK_CACHE))
		log_msg(LOG_WARN, "mount", "this kernel has no writeback cache for FUSE: small writes will be slow");
	if (pool_submit(f->notify_pool, tune_run, f))
		log_msg(LOG_DEBUG, "mount", "the kernel's limits of this mount stay as they are: no thread");
}

/* ---- notices */

struct notice {
	struct fs *fs;
	fuse_ino_t parent;
	char name[];
};

static void notice_run(void *arg)
{
	struct notice *n = arg;
	struct fs *f = n->fs;

	pthread_rwlock_rdlock(&f->wire);
	if (!f->cut && f->session)
		fuse_lowlevel_notify_inval_entry(f->session, n->parent, n->name, strlen(n->name));
	pthread_rwlock_unlock(&f->wire);
	free(n);
}

void notice_name(struct fs *f, const struct node *parent, const char *name)
{
	struct notice *n = malloc(sizeof(*n) + strlen(name) + 1);

	if (!n)
		return; /* the kernel asks again within a minute */
	n->fs = f;
	n->parent = parent->id;
	memcpy(n->name, name, strlen(name) + 1);
	if (pool_submit(f->notify_pool, notice_run, n))
		free(n);
}

/* ---- stopping */

static bool ours_on_top(const struct fs *f)
{
	struct mount_seen seen;

	return mount_look(f->mountpoint, &seen) == 0 && seen.there && strcmp(seen.device, f->device) == 0;
}

static bool wait_for_closes(struct fs *f, int64_t deadline)
{
	bool quiet;

	fs_lock(f);
	while (f->serving && f->write_handles && !atomic_load(&f->stop_now) && cond_wait_until(&f->changed, &f->lock, deadline) == 0)
		continue;
	quiet = f->write_handles == 0;
	fs_unlock(f);
	return quiet;
}

static void sync_run(void *arg)
{
	struct fs *f = arg;
	int fd = open(f->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	syncfs(fd); /* an error has been latched by whoever answered the write */
	close(fd);
}

/* The connection is aborted: whoever still waits for an answer gets ENOTCONN, and the loop ends. */
static void take_away(struct fs *f)
{
	pool_drain(f->notify_pool, clock_mono_ms() + NOTICE_MS); /* while somebody still answers whom the kernel makes them wait for */
	if (f->device[0] && ours_on_top(f))
		umount2(f->mountpoint, MNT_FORCE | MNT_DETACH);
	fuse_session_exit(f->session);
	for (;;) {
		fs_lock(f);
		if (f->serving)
			pthread_kill(f->server, WAKE_SIGNAL);

		bool serving = f->serving;

		fs_unlock(f);
		if (!serving)
			return;
		clock_sleep_ms(20);
	}
}

static void *stopper(void *arg)
{
	struct fs *f = arg;
	int64_t deadline = clock_mono_ms() + (f->config.drain_ms ? f->config.drain_ms : DRAIN_MS);

	if (!wait_for_closes(f, deadline)) {
		log_msg(LOG_WARN, "mount", "files are still open for writing; they are stored as far as they were written");
		if (ours_on_top(f) && pool_submit(f->notify_pool, sync_run, f) == 0)
			pool_drain(f->notify_pool, clock_mono_ms() + SYNC_MS);
	}
	take_away(f);
	return NULL;
}

/* The lock is held. */
static void start_stopper(struct fs *f)
{
	if (!f->stopper_started)
		f->stopper_started = pthread_create(&f->stopper, NULL, stopper, f) == 0;
}

void fs_stop(struct fs *f)
{
	bool again = atomic_exchange(&f->stopping, true);

	fs_lock(f);
	if (again)
		atomic_store(&f->stop_now, true);
	pthread_cond_broadcast(&f->changed);
	if (f->serving)
		start_stopper(f);
	fs_unlock(f);
}

/* ---- serving */

static void wake(int sig)
{
	(void)sig; /* its only effect is EINTR */
}

int fs_serve(struct fs *f)
{
	struct fuse_loop_config *loop = fuse_loop_cfg_create();
	struct sigaction act = { .sa_handler = wake };
	int rc;

	if (!loop)
		return ENOMEM;
	fuse_loop_cfg_set_max_threads(loop, WORKERS);
	sigemptyset(&act.sa_mask);
	sigaction(WAKE_SIGNAL, &act, NULL);
	fs_lock(f);
	f->server = pthread_self();
	f->serving = true;
	if (atomic_load(&f->stopping))
		start_stopper(f);
	fs_unlock(f);

	rc = fuse_session_loop_mt(f->session, loop);

	atomic_store(&f->stopping, true);
	fs_lock(f);
	f->serving = false;
	fs_unlock(f);
	fuse_loop_cfg_destroy(loop);
	pthread_rwlock_wrlock(&f->wire);
	f->cut = true;
	pthread_rwlock_unlock(&f->wire);
	fuse_session_unmount(f->session);
	return rc < 0 ? -rc : 0;
}

int fs_drain(struct fs *f)
{
	return drain(f);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* pishopfs: mounts a backup bucket. Settings, process, then vault and mount; every refusal is one line and one exit code. */
#include "base/log.h"
#include "base/process.h"
#include "base/slab.h"
#include "fs/daemon.h"
#include "fs/fs.h"
#include "fs/mountpoint.h"
#include "fs/options.h"
#include "fs/retention.h"
#include "vault/connect.h"
#include "vault/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static const char intro[] =
	"Usage: pishopfs [options] [STORE] MOUNTPOINT\n"
	"Mounts a backup bucket as a folder. Everything written is encrypted; close() returns 0 only when the bytes are in the bucket.\n"
	"\n"
	"STORE is s3://BUCKET (prefix \"backups\"), s3://BUCKET/PREFIX, or dir:/path (same format in a local folder).\n";
static const char outro[] =
	"Order of precedence: flag, environment, secret folder, INI file.\n"
	"Exit codes: 0 unmounted, all stored; 1 other error; 2 bad setting; 3 endpoint unreachable; 4 credentials refused; 5 no such bucket;\n"
	"6 wrong key; 7 something was not stored; 8 mount point cannot be used.\n"
	"Unmount: umount MOUNTPOINT (or fusermount3 -u MOUNTPOINT).\n";

struct program {
	struct conf *conf;
	struct location at;
	struct memory_plan memory;
	char mountpoint[PATH_MAX];
	struct vault *vault;
	struct fs *fs;
	struct policy policy;
	struct retention *retention;
	char error[1024];
};

static int complain(struct program *p, int code)
{
	/* Settings may be wrong before the log is set up: people and programs both get one line on standard error. */
	log_msg(LOG_ERROR, "main", "%s", p->error);
	return code;
}

static bool show_only(const struct conf *conf, const struct conf_option *table, size_t count)
{
	if (conf_bool(conf, "help"))
		conf_print_help(stdout, table, count, intro, outro, 0);
	else if (conf_bool(conf, "help-markdown"))
		conf_print_markdown(stdout, table, count);
	else if (conf_bool(conf, "help-scdoc"))
		conf_print_scdoc(stdout, table, count);
	else if (conf_bool(conf, "version"))
		printf("pishopfs %s (object format 1)\n", PISHOPFS_VERSION);
	else
		return false;
	return true;
}

static int open_log(struct program *p)
{
	const char *file = conf_text(p->conf, "log-file");

	log_setup((enum log_level)conf_number(p->conf, "log-level"), conf_number(p->conf, "log-format") ? LOG_JSON : LOG_TEXT);
	if (!file)
		return 0;

	int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);

	if (fd < 0) {
		snprintf(p->error, sizeof(p->error), "%s: %s: %s", conf_where(p->conf, "log-file"), file,
			 errno == ENXIO ? "a FIFO that nobody reads, or a socket; give a regular file" : strerror(errno));
		return EINVAL;
	}
	fcntl(fd, F_SETFL, O_APPEND); /* only the open must not wait */
	dup2(fd, STDERR_FILENO);
	close(fd);
	return 0;
}

/* [STORE] MOUNTPOINT */
static int arguments(struct program *p)
{
	int n = conf_argc(p->conf);
	const char *store = n == 2 ? conf_argv(p->conf, 0) : NULL;
	const char *mountpoint = n ? conf_argv(p->conf, n - 1) : NULL;

	if (n < 1 || n > 2 || !mountpoint[0]) {
		snprintf(p->error, sizeof(p->error), "%s; usage: pishopfs [options] [STORE] MOUNTPOINT", n > 2 ? "too many arguments" : "no mount point");
		return EINVAL;
	}
	if (location_parse(p->conf, store, &p->at, p->error, sizeof(p->error)))
		return EINVAL;
	if (mountpoint[0] != '/') { /* the background process must not depend on its working folder */
		char here[PATH_MAX];

		if (!getcwd(here, sizeof(here)) || snprintf(p->mountpoint, sizeof(p->mountpoint), "%s/%s", here, mountpoint) >= PATH_MAX) {
			snprintf(p->error, sizeof(p->error), "%s: cannot be made an absolute path", mountpoint);
			return EINVAL;
		}
		return 0;
	}
	return copy_text(p->mountpoint, sizeof(p->mountpoint), mountpoint) ? EINVAL : 0;
}

static int check_settings(struct program *p)
{
	struct path_rules rules = { .prefix = p->at.prefix, .key_max = 1024, .segment_max = 255 };
	const char *tenant = conf_text(p->conf, "tenant");
	char path[PATH_CAP];

	if (conf_number(p->conf, "part-size") % SLAB_BYTES) {
		snprintf(p->error, sizeof(p->error), "%s: not a multiple of 64K", conf_where(p->conf, "part-size"));
		return EINVAL;
	}
	if (tenant && (path_join(&rules, path, "", tenant) || !location_takes(&p->at, tenant))) {
		snprintf(p->error, sizeof(p->error), "%s: not a tenant's name: one folder name in UTF-8, without \"/\"", conf_where(p->conf, "tenant"));
		return EINVAL;
	}
	if (path_check_name(&rules, conf_text(p->conf, "seal-mark"))) {
		snprintf(p->error, sizeof(p->error), "%s: not the name of a file: one name in UTF-8, without \"/\"", conf_where(p->conf, "seal-mark"));
		return EINVAL;
	}
	if (p->at.kind == LOCATION_DIR && mountpoint_apart(p->mountpoint, p->at.folder, p->error, sizeof(p->error)))
		return EINVAL;
	if (policy_from_conf(p->conf, &p->policy, p->error, sizeof(p->error)))
		return EINVAL;
	return options_memory(p->conf, &p->memory, p->error, sizeof(p->error));
}

static int exit_code_of(enum vault_failure why)
{
	static const int codes[] = {
		[VAULT_OK] = EXIT_OK, [VAULT_UNREACHABLE] = EXIT_UNREACHABLE, [VAULT_CREDENTIALS] = EXIT_CREDENTIALS,
		[VAULT_NO_BUCKET] = EXIT_BUCKET, [VAULT_WRONG_KEY] = EXIT_KEY, [VAULT_LAYOUT] = EXIT_OTHER, [VAULT_OTHER] = EXIT_OTHER,
	};

	return codes[why];
}

static int open_vault(struct program *p)
{
	const struct conf *c = p->conf;
	struct vault_config config = {
		.prefix = p->at.prefix,
		.tenant = conf_text(c, "tenant"),
		.read_only = conf_bool(c, "read-only"),
		.foreign_read = conf_number(c, "foreign") == 1,
		.accept_new_key = conf_bool(c, "accept-new-key"),
		.memory = p->memory.slabs,
		.part_bytes = (uint32_t)conf_number(c, "part-size"),
		.data_timeout_ms = (uint32_t)conf_number(c, "data-timeout"),
		.meta_timeout_ms = (uint32_t)conf_number(c, "metadata-timeout"),
		.silent_after_s = (uint32_t)(conf_number(c, "recover-after") / 1000),
	};
	struct store *store = NULL;
	struct keyring *keys = NULL;
	int rc = connect_keys(c, &keys, p->error, sizeof(p->error));

	if (!rc)
		rc = connect_store(c, &p->at, &store, NULL, NULL, p->error, sizeof(p->error));
	if (rc) {
		keyring_free(keys);
		return complain(p, rc == EINVAL ? EXIT_CONFIG : rc == ENODEV ? EXIT_BUCKET : EXIT_OTHER);
	}

	enum vault_failure why = vault_open(&config, store, keys, &p->vault, p->error, sizeof(p->error));

	return why == VAULT_OK ? EXIT_OK : complain(p, exit_code_of(why));
}

static int open_mount(struct program *p)
{
	const struct conf *c = p->conf;
	struct fs_config config = {
		.vault = p->vault,
		.tenant = conf_text(c, "tenant"),
		.mountpoint = p->mountpoint,
		.source = p->at.shown,
		.fuse_options = conf_text(c, "options"),
		.read_only = conf_bool(c, "read-only"),
		.allow_other = conf_bool(c, "allow-other"),
		.uid = conf_has(c, "uid") ? (int64_t)conf_number(c, "uid") : -1,
		.gid = conf_has(c, "gid") ? (int64_t)conf_number(c, "gid") : -1,
		.umask = (unsigned)conf_number(c, "umask"),
		.in_hand_bytes = p->memory.in_hand,
		.drain_ms = (uint32_t)conf_number(c, "drain-timeout"),
		.data_timeout_ms = (uint32_t)conf_number(c, "data-timeout"),
		.meta_timeout_ms = (uint32_t)conf_number(c, "metadata-timeout"),
		.foreign_read = conf_number(c, "foreign") == 1,
		.seal_mark = conf_text(c, "seal-mark"),
		.seal_settled = conf_bool(c, "seal-settled"),
		.on_remove = (int)conf_number(c, "on-remove"),
		.grace_s = (int64_t)conf_number(c, "grace") / 1000,
		.verify_interval_s = ((int64_t)conf_number(c, "verify-interval") + 999) / 1000,
	};
	int rc = fs_new(&config, &p->fs, p->error, sizeof(p->error));

	if (!rc)
		rc = fs_mount(p->fs, p->error, sizeof(p->error));
	if (!rc)
		return EXIT_OK;
	return complain(p, rc == EINVAL ? EXIT_CONFIG : rc == EBUSY || rc == ENOTCONN ? EXIT_MOUNTPOINT : EXIT_OTHER);
}

/* The first answer to a question from outside is what "ready" means. Where a signal was quicker and nothing is mounted any more, the folder below
 * answers: it is of the device of its parent. */
static void *ready_thread(void *arg)
{
	struct program *p = arg;
	struct stat st, parent;
	char text[PATH_MAX + PATH_CAP + 8];

	snprintf(text, sizeof(text), "%s/..", p->mountpoint);
	if (stat(p->mountpoint, &st) == 0 && stat(text, &parent) == 0 && st.st_dev != parent.st_dev) {
		snprintf(text, sizeof(text), "%s on %s", p->at.shown, p->mountpoint);
		daemon_ready(text);
	}
	return NULL;
}

static void on_stop(void *arg)
{
	fs_stop(arg);
}

static int start_retention(struct program *p)
{
	struct sweep_config config = { .policy = p->policy, .policy_settle_s = -1, .grace_s = (int64_t)conf_number(p->conf, "grace") / 1000,
				       .lease_ttl_s = (uint32_t)conf_number(p->conf, "retention-lease") / 1000 };
	int rc;

	if (!conf_bool(p->conf, "retention") || conf_bool(p->conf, "read-only"))
		return 0;
	rc = retention_start(p->vault, conf_text(p->conf, "tenant"), &config, (int64_t)conf_number(p->conf, "retention-interval") / 1000, &p->retention);
	if (rc)
		snprintf(p->error, sizeof(p->error), "no thread for retention: %s", strerror(rc));
	return rc;
}

static int serve(struct program *p)
{
	pthread_t ready;
	int rc = daemon_watch_signals(on_stop, p->fs);

	if (!rc)
		rc = pthread_create(&ready, NULL, ready_thread, p);
	if (rc) {
		snprintf(p->error, sizeof(p->error), "no thread: %s", strerror(rc));
		return complain(p, EXIT_OTHER);
	}
	log_msg(LOG_INFO, "main", "pishopfs %s: %s on %s, memory %llu MiB, largest file %llu GiB", PISHOPFS_VERSION, p->at.shown, p->mountpoint,
		(unsigned long long)p->memory.total >> 20, (unsigned long long)(writer_largest(p->vault) >> 30));
	rc = start_retention(p);
	if (rc)
		return complain(p, EXIT_OTHER);
	rc = fs_serve(p->fs);
	retention_stop(p->retention);

	int drained = fs_drain(p->fs);

	pthread_join(ready, NULL);
	return drained ? EXIT_UNSAVED : rc ? EXIT_OTHER : EXIT_OK;
}

static int run(struct program *p)
{
	int code = open_vault(p);

	if (code == EXIT_OK)
		code = open_mount(p);
	if (code == EXIT_OK)
		code = serve(p);
	fs_free(p->fs);
	if (p->vault && vault_close(p->vault) && code == EXIT_OK)
		code = EXIT_UNSAVED;
	if (code == EXIT_OK)
		log_msg(LOG_INFO, "main", "unmounted; everything is stored");
	else if (code == EXIT_UNSAVED)
		log_msg(LOG_ERROR, "main", "unmounted, but something was NOT stored: see above");
	return code;
}

int main(int argc, char **argv)
{
	struct program p = { 0 };
	size_t count;
	const struct conf_option *table = options_table(&count);
	struct conf_input input = { .options = table, .count = count, .argc = argc, .argv = argv, .environ_list = environ };

	process_harden();
	if (conf_load(&input, &p.conf, p.error, sizeof(p.error)))
		return complain(&p, EXIT_CONFIG);

	AUTO(auto_conf_free) struct conf *conf = p.conf;
	bool foreground = conf_bool(conf, "foreground");

	if (show_only(conf, table, count))
		return EXIT_OK;
	if (open_log(&p) || arguments(&p) || check_settings(&p))
		return complain(&p, EXIT_CONFIG);
	if (mountpoint_prepare(p.mountpoint, p.error, sizeof(p.error)))
		return complain(&p, EXIT_MOUNTPOINT);
	if (daemon_start(foreground, conf_text(conf, "log-file") != NULL)) {
		snprintf(p.error, sizeof(p.error), "cannot go to the background: %s", strerror(errno));
		return complain(&p, EXIT_OTHER);
	}
	if (!foreground && !conf_text(conf, "log-file"))
		log_also_syslog("pishopfs");
	daemon_block_signals();
	return run(&p);
}

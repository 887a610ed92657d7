/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/options.h"

#include "vault/connect.h"
#include "vault/policy.h"
#include "vault/vault.h"

#include <errno.h>

#define GENERAL "General"
#define MOUNT "Mount"
#define BACKUPS "Backups"
#define LOGGING "Logging"

static const char *const levels[] = { "error", "warn", "info", "debug", NULL };
static const char *const formats[] = { "text", "json", NULL };

static const struct conf_option own[] = {
	{ .name = "help", .letter = 'h', .type = CONF_FLAG_ONLY, .group = GENERAL, .help = "Show this help." },
	{ .name = "version", .letter = 'V', .type = CONF_FLAG_ONLY, .group = GENERAL, .help = "Show the version." },
	{ .name = "foreground", .letter = 'f', .type = CONF_FLAG_ONLY, .group = GENERAL,
	  .help = "Stay in the foreground, log to standard error, and print one line beginning with READY when the mount answers." },
	{ .name = "options", .letter = 'o', .type = CONF_TEXT, .group = MOUNT, .value_name = "LIST", .repeat = true,
	  .help = "Mount options for the kernel, comma-separated. nosuid and nodev are always on." },
	{ .name = "tenant", .type = CONF_TEXT, .group = MOUNT, .value_name = "ID",
	  .help = "Make this tenant's folder the root: what its Job sees at /backup. Unset: the root holds one folder a tenant." },
	{ .name = "read-only", .type = CONF_FLAG_ONLY, .group = MOUNT, .help = "Never write anything, not even the layout marker." },
	{ .name = "foreign", .type = CONF_CHOICE, .group = MOUNT, .value_name = "HOW", .fallback = "refuse",
	  .choices = (const char *const[]){ "refuse", "read", NULL },
	  .help = "Objects that this program did not write: refuse shows them with mode 000; read lets them be read as they are, for a migration." },
	{ .name = "allow-other", .type = CONF_FLAG_ONLY, .group = MOUNT, .help = "Let other users in; their permissions are checked." },
	{ .name = "uid", .type = CONF_COUNT, .group = MOUNT, .value_name = "N", .max = 4294967294u,
	  .help = "Owner of entries that have none of their own. Unset: the mounting user." },
	{ .name = "gid", .type = CONF_COUNT, .group = MOUNT, .value_name = "N", .max = 4294967294u, .help = "Group of such entries." },
	{ .name = "umask", .type = CONF_OCTAL, .group = MOUNT, .value_name = "OCTAL", .fallback = "022", .max = 0777,
	  .help = "Permission bits taken from such entries." },
	{ .name = "memory", .type = CONF_SIZE, .group = MOUNT, .value_name = "SIZE", .min = 48u << 20, .max = 1ull << 40,
	  .help = "Memory of the whole process. Unset: 60 % of the cgroup's limit, at most 256M." },
	{ .name = "drain-timeout", .type = CONF_DURATION, .group = MOUNT, .value_name = "TIME", .fallback = "5m", .min = 1000, .max = 86400000,
	  .help = "How long SIGTERM and unmount wait for what is not stored yet." },
	{ .name = "recover-after", .type = CONF_DURATION, .group = MOUNT, .value_name = "TIME", .fallback = "15m", .min = 1000, .max = 86400000,
	  .help = "A writer that was silent for this long, by the server's clock, is taken for dead, and its unfinished uploads are ended." },
	{ .name = "part-size", .type = CONF_SIZE, .group = MOUNT, .value_name = "SIZE", .fallback = "8M", .min = 5u << 20, .max = 64u << 20,
	  .help = "Plain bytes of the first parts of a large file; parts grow with the file. A multiple of 64K." },
	{ .name = "seal-mark", .type = CONF_TEXT, .group = BACKUPS, .value_name = "NAME", .fallback = "metadata.json",
	  .help = "The file at the top of a backup's folder that says it is complete: written last. Such a folder is sealed when it was quiet for 15 minutes, and at the end." },
	{ .name = "seal-settled", .type = CONF_FLAG_ONLY, .group = BACKUPS,
	  .help = "Seal a backup's folder when it was quiet for 15 minutes, and at the end, without a mark, too: where whatever was closed well is complete." },
	{ .name = "on-remove", .type = CONF_CHOICE, .group = BACKUPS, .value_name = "HOW", .fallback = "tombstone",
	  .choices = (const char *const[]){ "tombstone", "allow", "refuse", NULL },
	  .help = "Removing or overwriting a sealed backup: tombstone hides it, or keeps a copy, until --grace is over, so that pishopctl undelete can bring it back; allow does "
		  "it at once; refuse is EPERM." },
	{ .name = "grace", .type = CONF_DURATION, .group = BACKUPS, .value_name = "TIME", .fallback = "72h", .min = 1000, .max = 31536000000,
	  .help = "How long a removed sealed backup can be brought back." },
	{ .name = "retention", .type = CONF_FLAG_ONLY, .group = BACKUPS,
	  .help = "Sweep old backups in the background, by each tenant's policy or by the rules below. For mounts that live long." },
	{ .name = "retention-interval", .type = CONF_DURATION, .group = BACKUPS, .value_name = "TIME", .fallback = "1h", .min = 1000, .max = 604800000,
	  .help = "Time between two rounds of retention." },
	{ .name = "retention-lease", .type = CONF_DURATION, .group = BACKUPS, .value_name = "TIME", .fallback = "5m", .min = 3000, .max = 86400000, .hidden = true,
	  .help = "How long others wait for one that died at its round, for tests." },
	{ .name = "verify-interval", .type = CONF_DURATION, .group = BACKUPS, .value_name = "TIME", .fallback = "0", .max = 31536000000,
	  .help = "Compare all sealed backups with their seals this often, in the background; what is wrong is logged, and stands in .pishopfs/status.json. For mounts that live "
		  "long; 24h is often enough. 0: never." },
	{ .name = "log-level", .type = CONF_CHOICE, .group = LOGGING, .value_name = "LEVEL", .choices = levels, .fallback = "info",
	  .help = "What is logged." },
	{ .name = "log-format", .type = CONF_CHOICE, .group = LOGGING, .value_name = "FORMAT", .choices = formats, .fallback = "text",
	  .help = "One line of text or one JSON object an event." },
	{ .name = "log-file", .type = CONF_TEXT, .group = LOGGING, .value_name = "FILE",
	  .help = "Append the log to this file. Unset: standard error in the foreground, the system log in the background." },
	{ .name = "help-markdown", .type = CONF_FLAG_ONLY, .group = GENERAL, .hidden = true, .help = "The options as a Markdown table." },
	{ .name = "help-scdoc", .type = CONF_FLAG_ONLY, .group = GENERAL, .hidden = true, .help = "The options as a section of a man page." },
};

const struct conf_option *options_table(size_t *count)
{
	static struct conf_option all[ARRAY_LEN(own) + 64];

	*count = ARRAY_LEN(own) + connect_option_count + policy_option_count;
	if (*count > ARRAY_LEN(all))
		abort();
	memcpy(all, own, sizeof(own));
	memcpy(all + ARRAY_LEN(own), connect_options, connect_option_count * sizeof(all[0]));
	memcpy(all + ARRAY_LEN(own) + connect_option_count, policy_options, policy_option_count * sizeof(all[0]));
	return all;
}

static uint64_t read_limit(const char *path)
{
	FILE *f = fopen(path, "re");
	unsigned long long v = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%llu", &v) != 1) /* "max" */
		v = 0;
	fclose(f);
	return v < 1ull << 60 ? v : 0; /* v1 says "no limit" with a huge number */
}

/* The limit of a group is the smallest of its own and its parents'. */
static uint64_t walk_up(const char *root, char *group, const char *file)
{
	uint64_t least = 0;

	for (;;) {
		char path[PATH_CAP];

		if ((size_t)snprintf(path, sizeof(path), "%s%s/%s", root, group, file) < sizeof(path)) {
			uint64_t v = read_limit(path);

			least = v && (!least || v < least) ? v : least;
		}

		char *slash = strrchr(group, '/');

		if (!slash || !group[0])
			return least;
		*slash = '\0';
	}
}

uint64_t options_cgroup_limit(void)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[1024];
	uint64_t least = 0;

	while (f && fgets(line, sizeof(line), f)) {
		uint64_t v = 0;
		char *group = strchr(line, ':') ? strchr(strchr(line, ':') + 1, ':') : NULL;

		line[strcspn(line, "\n")] = '\0';
		if (!group)
			continue;
		if (strncmp(line, "0::", 3) == 0)
			v = walk_up("/sys/fs/cgroup", group + 1, "memory.max");
		else if (strstr(line, ":memory:"))
			v = walk_up("/sys/fs/cgroup/memory", group + 1, "memory.limit_in_bytes");
		least = v && (!least || v < least) ? v : least;
	}
	if (f)
		fclose(f);
	return least;
}

/* Outside the slabs: code, threads, connections' buffers, inodes. Measured as the resident size of a mount that has done a whole Job,
 * less its slabs. */
#define FIXED_BYTES (16ull << 20)
#define DEFAULT_BYTES (256ull << 20)

static void divide(struct memory_plan *out, uint64_t total)
{
	out->total = total;
	out->in_hand = min_u64(64ull << 20, max_u64(8ull << 20, total / 8));
	out->slabs = total - FIXED_BYTES - out->in_hand;
}

static bool part_fits(uint64_t total, uint64_t part)
{
	struct memory_plan plan;

	divide(&plan, total);
	return vault_memory_fits(plan.slabs, part);
}

/* Says what would fit: parts of 8 MiB do in any memory that is allowed. */
static int refuse_part(const struct conf *conf, uint64_t total, char *error, size_t cap)
{
	const uint64_t mib = 1 << 20, part = conf_number(conf, "part-size");
	uint64_t most = part / mib * mib, least = total / mib * mib;

	while (most > 8 * mib && !part_fits(total, most))
		most -= mib;
	while (!part_fits(least, part))
		least += mib;
	snprintf(error, cap, "%s: parts of %s do not fit into a memory of %llu MiB, which is %s; with it, at most --part-size=%lluM; for them, at least --memory=%lluM",
		 conf_where(conf, "part-size"), conf_text(conf, "part-size"), (unsigned long long)(total / mib), conf_where(conf, "memory"),
		 (unsigned long long)(most / mib), (unsigned long long)(least / mib));
	return EINVAL;
}

int options_memory(const struct conf *conf, struct memory_plan *out, char *error, size_t cap)
{
	uint64_t limit = options_cgroup_limit(), smallest = FIXED_BYTES + VAULT_MEMORY_MIN + (8u << 20), total = conf_number(conf, "memory");

	if (!total)
		total = limit ? min_u64(DEFAULT_BYTES, limit / 10 * 6) : DEFAULT_BYTES;
	if (total < smallest) {
		snprintf(error, cap, "%s: %llu MiB of memory are too little; %llu MiB are the least", conf_where(conf, "memory"),
			 (unsigned long long)total >> 20, (unsigned long long)(smallest >> 20));
		return EINVAL;
	}
	if (!part_fits(total, conf_number(conf, "part-size")))
		return refuse_part(conf, total, error, cap);
	divide(out, total);
	return 0;
}

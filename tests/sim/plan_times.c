/* SPDX-License-Identifier: Apache-2.0 */
/* usage: plan_times [--keep-last N ...] [--now SECONDS] < TIMES
 * Plans over sealed backups made at the times on standard input (seconds since the epoch, one a line) and prints the times of those that stay, newest first.
 * The options are those of every program with a policy; now is an hour behind the newest time where it is not given. */
#include "vault/plan.h"

#include <inttypes.h>
#include <stdio.h>

#define TIMES_MOST 100000u
#define OPTIONS_MOST 32u

static const struct conf_option now_option = { .name = "now", .type = CONF_COUNT, .group = "Test", .value_name = "SECONDS", .help = "The time of the plan." };

static size_t read_times(struct backup *backups)
{
	size_t count = 0;
	int64_t t;

	while (count < TIMES_MOST && scanf("%" SCNd64, &t) == 1) {
		struct backup *b = &backups[count];

		*b = (struct backup){ .state = BACKUP_SEALED, .timed = true, .time_s = t, .committed_s = t, .sealed_s = t };
		snprintf(b->stem, sizeof(b->stem), "b-%08zu", count++);
	}
	return count;
}

static struct conf *settings(int argc, char **argv)
{
	static struct conf_option table[OPTIONS_MOST]; /* the conf borrows it */
	struct conf_input in = { .options = table, .count = policy_option_count + 1, .argc = argc, .argv = argv };
	struct conf *conf = NULL;
	char error[256];

	if (in.count > OPTIONS_MOST)
		abort();
	memcpy(table, policy_options, policy_option_count * sizeof(table[0]));
	table[policy_option_count] = now_option;
	if (conf_load(&in, &conf, error, sizeof(error)))
		fprintf(stderr, "plan_times: %s\n", error);
	return conf;
}

int main(int argc, char **argv)
{
	AUTO(auto_conf_free) struct conf *conf = settings(argc, argv);
	AUTO_FREE struct backup *backups = calloc(TIMES_MOST, sizeof(*backups));
	struct policy policy;
	struct plan plan;
	char error[256];

	if (!conf || !backups)
		return 2;
	if (policy_from_conf(conf, &policy, error, sizeof(error))) {
		fprintf(stderr, "plan_times: %s\n", error);
		return 2;
	}

	size_t count = read_times(backups);
	int64_t now = conf_has(conf, "now") ? (int64_t)conf_number(conf, "now") : 0;

	for (size_t i = 0; i < count && !conf_has(conf, "now"); i++)
		now = backups[i].time_s + 3600 > now ? backups[i].time_s + 3600 : now;
	if (plan_make(backups, count, &policy, now, &plan))
		return 1;
	for (size_t i = 0; i < plan.count; i++)
		if (plan.rows[i].decision != DECIDE_DELETE)
			printf("%" PRId64 "\n", plan.rows[i].backup->time_s);
	plan_free(&plan);
	return 0;
}

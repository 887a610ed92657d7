/* SPDX-License-Identifier: Apache-2.0 */
/* usage: plan_times [--keep-last N ...] [--now SECONDS] < TIMES
 * Plans over sealed backups made at the times on standard input (seconds since the epoch, one a line) and prints the times of those that stay, newest first.
 * A line with 0 ends a list and begins another tenant's; the answers are ended by 0 too. The options are those of every program with a policy; now is an hour
 * behind the newest time where it is not given. */
#include "vault/plan.h"

#include <inttypes.h>
#include <stdio.h>

#define TIMES_MOST 100000u
#define OPTIONS_MOST 32u

static const struct conf_option now_option = { .name = "now", .type = CONF_COUNT, .group = "Test", .value_name = "SECONDS", .help = "The time of the plan." };

/* One list; *more: it was ended by 0. */
static size_t read_times(struct backup *backups, bool *more)
{
	size_t count = 0;
	int64_t t = 0;

	*more = false;
	while (count < TIMES_MOST && scanf("%" SCNd64, &t) == 1) {
		struct backup *b = &backups[count];

		*more = t == 0;
		if (*more)
			break;
		*b = (struct backup){ .state = BACKUP_SEALED, .timed = true, .time_s = t, .committed_s = t, .sealed_s = t };
		snprintf(b->stem, sizeof(b->stem), "b-%08zu", count++);
	}
	return count;
}

static int answer(const struct backup *backups, size_t count, const struct policy *policy, int64_t now)
{
	struct plan plan;
	int64_t newest = 0;

	for (size_t i = 0; i < count; i++)
		newest = backups[i].time_s > newest ? backups[i].time_s : newest;
	if (plan_make(backups, count, policy, now ? now : newest + 3600, &plan))
		return 1;
	for (size_t i = 0; i < plan.count; i++)
		if (plan.rows[i].decision != DECIDE_DELETE)
			printf("%" PRId64 "\n", plan.rows[i].backup->time_s);
	puts("0");
	plan_free(&plan);
	return 0;
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
	char error[256];
	bool more;

	if (!conf || !backups)
		return 2;
	if (policy_from_conf(conf, &policy, error, sizeof(error))) {
		fprintf(stderr, "plan_times: %s\n", error);
		return 2;
	}
	do {
		size_t count = read_times(backups, &more);

		if (answer(backups, count, &policy, (int64_t)conf_number(conf, "now")))
			return 1;
	} while (more);
	return 0;
}

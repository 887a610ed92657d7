/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/conf.h"

/* What is kept. Pure. Rules and their reasons: docs/retention.md. */
struct policy {
	uint32_t keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_yearly; /* 0: no such rule */
	int64_t keep_within_s;   /* behind the newest that is not in the future; 0: no such rule */
	int64_t max_age_s;       /* none older remains, whatever keep rules say; 0: no such rule */
	int64_t min_age_s;       /* none younger goes, counted from its commit; default 7 days */
	uint32_t min_keep;       /* so many of the newest good ones always stay: at least 1 */
	int64_t partial_after_s; /* partial ones older than this go where a newer sealed one exists; 0: they stay. Default 7 days */
	bool untimed_by_commit;  /* names without a time count, by their commit */
};

/* The options that set one: --keep-last ... Put into a program's own table. */
extern const struct conf_option policy_options[];
extern const size_t policy_option_count;

void policy_default(struct policy *p); /* no rule: removes nothing */
/* From settings. EINVAL and a line: --min-keep=0 and the like are refused by the table already; here what does not fit together. */
int policy_from_conf(const struct conf *c, struct policy *p, char *error, size_t cap);
/* The rules given as settings (by flag, or all but defaults) replace those of p. */
void policy_override(const struct conf *c, enum conf_source at_least, struct policy *p);
bool policy_empty(const struct policy *p); /* no keep rule and no max_age: no good backup ever goes */
bool policy_equal(const struct policy *a, const struct policy *b);
/* Whether b could delete what a keeps. */
bool policy_stricter(const struct policy *a, const struct policy *b);

/* JSON of the record control/policy: {"policy":1,"keep-last":7,...}. Unknown members and versions are refused: EPROTONOSUPPORT; EBADMSG. */
int policy_encode(const struct policy *p, char **text);
int policy_decode(const char *text, size_t len, struct policy *out);
/* "keep-daily 7, keep-weekly 4, max-age 30d" for people; "nothing is ever removed". */
void policy_text(const struct policy *p, char *out, size_t cap);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/conf.h"

/* What is kept. Pure. Rules and their reasons: docs/retention.md. */
#define POLICY_COUNT_MOST 1000000u               /* of each number */
#define POLICY_AGE_MOST (INT64_C(36525) * 86400) /* seconds of each time: a hundred years */

struct policy {
	uint32_t keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_yearly; /* 0: no such rule */
	int64_t keep_within_s;   /* behind the newest that is not in the future; 0: no such rule */
	int64_t max_age_s;       /* none older remains, whatever keep rules say; 0: no such rule. Without a keep rule, all that is younger stays */
	int64_t min_age_s;       /* none younger goes, counted from its commit; default 7 days */
	uint32_t min_keep;       /* so many of the newest good ones always stay: at least 1 */
	int64_t partial_after_s; /* partial ones older than this go where a newer sealed one exists; 0: they stay. Default 7 days */
	bool untimed_by_commit;  /* names without a time count, by their commit */
};

/* The options that set one: --keep-last ... Put into a program's own table. */
extern const struct conf_option policy_options[];
extern const size_t policy_option_count;

void policy_default(struct policy *p); /* no rule: removes nothing */
/* What cannot be meant: min_keep 0, or a max_age below a day and below min_age ("--max-age=30" is 30 seconds). 0; EINVAL and a line for people. */
int policy_check(const struct policy *p, char *error, size_t cap);
/* From settings, and checked. EINVAL and a line. Parts of a second are rounded up. */
int policy_from_conf(const struct conf *c, struct policy *p, char *error, size_t cap);
/* The rules given as settings (by flag, or all but defaults) replace those of p, each its own. The caller checks the outcome. */
void policy_override(const struct conf *c, enum conf_source at_least, struct policy *p);
bool policy_has_keep(const struct policy *p); /* a rule that keeps: then what none keeps goes */
bool policy_empty(const struct policy *p); /* no keep rule and no max_age: nothing ever goes, partial ones neither */
bool policy_equal(const struct policy *a, const struct policy *b);
/* Whether b could delete what a keeps. False only where that is sure, whatever backups there are. */
bool policy_stricter(const struct policy *a, const struct policy *b);

/* JSON of the record control/policy (docs/format.md §13), ended by a newline; *text is freed by the caller. ENOMEM. */
int policy_encode(const struct policy *p, char **text);
/* The same back; the newline may be missing, as within another record. 0; EPROTONOSUPPORT: another version; EBADMSG: anything else that is not exactly such a
 * record, within the limits above (or the parser had no memory, which it does not tell). *out is filled on 0 only. */
int policy_decode(const char *text, size_t len, struct policy *out);
/* "keep-daily 7, keep-weekly 4, max-age 30d" for people, with what differs from the defaults; "nothing is ever removed". Cut at cap. */
void policy_text(const struct policy *p, char *out, size_t cap);

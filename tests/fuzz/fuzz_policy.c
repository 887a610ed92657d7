/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/policy.h"

#include <errno.h>

/* Any bytes as the record of a policy. They are refused, or they are a policy within its limits, which written again is read as the same; and comparing
 * it with itself and with none finds nothing odd. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
	if (!condition)
		abort();
}

static bool count_fits(uint32_t count)
{
	return count <= POLICY_COUNT_MOST;
}

static bool time_fits(int64_t seconds)
{
	return seconds >= 0 && seconds <= POLICY_AGE_MOST;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy p, again, none;
	char *text, shown[512];
	int rc = policy_decode((const char *)data, size, &p);

	expect(rc == 0 || rc == EBADMSG || rc == EPROTONOSUPPORT);
	if (rc)
		return 0;
	expect(count_fits(p.keep_last) && count_fits(p.keep_hourly) && count_fits(p.keep_daily) && count_fits(p.keep_weekly));
	expect(count_fits(p.keep_monthly) && count_fits(p.keep_yearly) && count_fits(p.min_keep) && p.min_keep > 0);
	expect(time_fits(p.keep_within_s) && time_fits(p.max_age_s) && time_fits(p.min_age_s) && time_fits(p.partial_after_s));
	expect(policy_encode(&p, &text) == 0);
	expect(policy_decode(text, strlen(text), &again) == 0);
	expect(policy_equal(&p, &again) && !policy_stricter(&p, &again));
	policy_default(&none);
	expect(!policy_stricter(&p, &none) && policy_stricter(&none, &p) == !policy_empty(&p));
	policy_text(&p, shown, sizeof(shown));
	expect(shown[0] != '\0');
	free(text);
	return 0;
}

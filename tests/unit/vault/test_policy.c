/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/policy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define DAY INT64_C(86400)
#define LIST(...) (const char *[]){ __VA_ARGS__, NULL }
#define GOOD                                                                                                                                                     \
	"{\"policy\":1,\"keep-last\":3,\"keep-hourly\":0,\"keep-daily\":7,\"keep-weekly\":4,\"keep-monthly\":12,\"keep-yearly\":1,\"keep-within\":86400,"       \
	"\"max-age\":315360000,\"min-age\":604800,\"min-keep\":2,\"partial-after\":604800,\"untimed-by-commit\":true}"

static const struct policy sample = { .keep_last = 3, .keep_daily = 7, .keep_weekly = 4, .keep_monthly = 12, .keep_yearly = 1, .keep_within_s = DAY, .max_age_s = 3650 * DAY,
				      .min_age_s = 7 * DAY, .min_keep = 2, .partial_after_s = 7 * DAY, .untimed_by_commit = true };

static int load(const char *const *args, struct conf **conf, char error[256])
{
	char texts[16][64] = { "test" }, *argv[16] = { texts[0] };
	int argc = 1;

	for (; args && args[argc - 1]; argc++) {
		argv[argc] = texts[argc];
		assert_false(copy_text(texts[argc], sizeof(texts[argc]), args[argc - 1]));
	}
	struct conf_input in = { .options = policy_options, .count = policy_option_count, .argc = argc, .argv = argv };

	return conf_load(&in, conf, error, 256);
}

static int from_args(const char *const *args, struct policy *p, char error[256])
{
	AUTO(auto_conf_free) struct conf *conf = NULL;
	int rc = load(args, &conf, error);

	return rc ? rc : policy_from_conf(conf, p, error, 256);
}

static void defaults(void **state)
{
	struct policy p, q;
	char error[256];

	policy_default(&p);
	assert_true(policy_empty(&p) && p.min_keep == 1 && p.min_age_s == 7 * DAY && p.partial_after_s == 7 * DAY && !p.untimed_by_commit);
	assert_int_equal(from_args(NULL, &q, error), 0);
	assert_true(policy_equal(&p, &q));
}

static void every_option(void **state)
{
	struct policy p, wanted = sample;
	char error[256];

	wanted.keep_hourly = 5;
	assert_int_equal(from_args(LIST("--keep-last=3", "--keep-hourly=5", "--keep-daily=7", "--keep-weekly=4", "--keep-monthly=12", "--keep-yearly=1", "--keep-within=24h",
					"--max-age=3650d", "--min-age=168h", "--min-keep=2", "--partial-after=7d", "--untimed=commit"),
				   &p, error),
			 0);
	assert_true(policy_equal(&p, &wanted));
	assert_int_equal(from_args(LIST("--keep-within=1500ms"), &p, error), 0);
	assert_int_equal(p.keep_within_s, 2);
	assert_int_equal(from_args(LIST("--partial-after=0", "--min-age=0"), &p, error), 0);
	assert_true(p.partial_after_s == 0 && p.min_age_s == 0);
}

static void refused_settings(void **state)
{
	static const char *const bad[] = { "--min-keep=0", "--keep-last=-1", "--keep-last=1000001", "--keep-daily=x", "--max-age=40000d", "--untimed=yes", "--max-age=30",
				     "--keep-last" };
	struct policy p;
	char error[256];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		error[0] = '\0';
		assert_int_equal(from_args(LIST(bad[i]), &p, error), EINVAL);
		assert_true(error[0] != '\0');
	}
	assert_int_equal(from_args(LIST("--max-age=30"), &p, error), EINVAL);
	assert_string_equal(error, "max-age 30s is below a day and below min-age 7d; thirty days are written 30d");
	assert_int_equal(from_args(LIST("--max-age=23h"), &p, error), EINVAL);
	assert_int_equal(from_args(LIST("--max-age=1d"), &p, error), 0);
	assert_int_equal(from_args(LIST("--max-age=30", "--min-age=30"), &p, error), 0);
	assert_int_equal(policy_check(&(struct policy){ 0 }, error, sizeof(error)), EINVAL);
}

/* Settings replace the stored policy one by one, defaults only where they are asked for. */
static void override(void **state)
{
	AUTO(auto_conf_free) struct conf *conf = NULL;
	struct policy p = sample, wanted = sample;
	char error[256];

	assert_int_equal(load(LIST("--keep-daily=9", "--untimed=ignore"), &conf, error), 0);
	policy_override(conf, CONF_FROM_FLAG, &p);
	wanted.keep_daily = 9;
	wanted.untimed_by_commit = false;
	assert_true(policy_equal(&p, &wanted));
	policy_override(conf, CONF_FROM_DEFAULT, &p);
	wanted.min_keep = 1;
	assert_true(policy_equal(&p, &wanted));
}

static void texts(void **state)
{
	struct policy p = { .keep_daily = 7, .keep_weekly = 4, .max_age_s = 30 * DAY };
	char text[256], error[256];

	assert_int_equal(from_args(LIST("--keep-daily=7", "--keep-weekly=4", "--max-age=30d"), &p, error), 0);
	policy_text(&p, text, sizeof(text));
	assert_string_equal(text, "keep-daily 7, keep-weekly 4, max-age 30d");
	p.min_age_s = 90;
	p.min_keep = 3;
	p.partial_after_s = 7200;
	p.untimed_by_commit = true;
	p.keep_within_s = 180;
	policy_text(&p, text, sizeof(text));
	assert_string_equal(text, "keep-daily 7, keep-weekly 4, keep-within 3m, max-age 30d, min-age 90s, min-keep 3, partial-after 2h, untimed commit");
	policy_text(&p, text, 20);
	assert_string_equal(text, "keep-daily 7, keep-");
	policy_default(&p);
	policy_text(&p, text, sizeof(text));
	assert_string_equal(text, "nothing is ever removed");
}

static void there_and_back(void **state)
{
	struct policy p, full = { .keep_last = POLICY_COUNT_MOST, .max_age_s = POLICY_AGE_MOST, .min_keep = POLICY_COUNT_MOST };
	AUTO_FREE char *text = NULL, *other = NULL;

	assert_int_equal(policy_encode(&sample, &text), 0);
	assert_string_equal(text, GOOD "\n");
	assert_int_equal(policy_decode(text, strlen(text), &p), 0);
	assert_true(policy_equal(&p, &sample));
	assert_int_equal(policy_decode(GOOD, strlen(GOOD), &p), 0);
	assert_int_equal(policy_encode(&full, &other), 0);
	assert_int_equal(policy_decode(other, strlen(other), &p), 0);
	assert_true(policy_equal(&p, &full));
}

/* GOOD with its first `from` replaced by `to`. */
static int decode_with(const char *from, const char *to)
{
	const char *at = strstr(GOOD, from);
	struct policy p;
	char text[1024];

	assert_non_null(at);
	int n = snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - GOOD), GOOD, to, at + strlen(from));

	return policy_decode(text, (size_t)n, &p);
}

static void refused_records(void **state)
{
	static const char *const bad[][2] = {
		{ "\"keep-last\":3,", "" },			      { "\"keep-last\":3", "\"keep-last\":3,\"keep-last\":3" },
		{ "\"keep-last\":3", "\"keep-first\":3" },	      { "\"keep-last\":3", "\"keep-last\":3,\"more\":1" },
		{ "\"keep-last\":3", "\"keep-last\":-1" },	      { "\"keep-last\":3", "\"keep-last\":1.5" },
		{ "\"keep-last\":3", "\"keep-last\":1000001" },	      { "\"keep-last\":3", "\"keep-last\":1e999" },
		{ "\"keep-last\":3", "\"keep-last\":\"3\"" },	      { "\"keep-last\":3", "\"keep-last\":null" },
		{ "\"keep-last\":3", "\"Keep-last\":3" },	      { "\"keep-last\"", "\"keep-last\\u0000x\"" },
		{ "\"max-age\":315360000", "\"max-age\":3155760001" }, { "\"max-age\":315360000", "\"max-age\":-1" },
		{ "\"min-keep\":2", "\"min-keep\":0" },		      { "\"untimed-by-commit\":true", "\"untimed-by-commit\":1" },
		{ ",\"untimed-by-commit\":true", "" },		      { "\"policy\":1,", "" },
		{ "\"policy\":1", "\"policy\":\"1\"" },		      { "\"policy\":1", "\"seal\":1" },
		{ "{\"policy\":1,", "{\"min-keep\":2,\"policy\":1," }, { "true}", "true} " },
		{ "true}", "true}x" },				      { "true}", "true}\n\n" },
		{ "true}", "true" },				      { "true}", "true}{}" },
	};
	struct policy p;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(decode_with(bad[i][0], bad[i][1]), EBADMSG);
	assert_int_equal(decode_with("\"policy\":1", "\"policy\":2"), EPROTONOSUPPORT);
	assert_int_equal(decode_with("\"policy\":1", "\"policy\":2,\"unheard-of\":{}"), EPROTONOSUPPORT);
	assert_int_equal(decode_with("true}", "true}\n"), 0);
	assert_int_equal(policy_decode("", 0, &p), EBADMSG);
	assert_int_equal(policy_decode("\n", 1, &p), EBADMSG);
	assert_int_equal(policy_decode("{}", 2, &p), EBADMSG);
	assert_int_equal(policy_decode("[1]", 3, &p), EBADMSG);
	assert_int_equal(policy_decode("1", 1, &p), EBADMSG);
	for (size_t i = 0; i < strlen(GOOD); i++)
		assert_int_equal(policy_decode(GOOD, i, &p), EBADMSG);
}

/* For each pair: is the second one stricter, is the first. */
static void stricter(void **state)
{
	static const struct {
		struct policy a, b;
		bool forth, back;
	} cases[] = {
		{ { .min_keep = 1 }, { .min_keep = 1 }, false, false },
		{ { .min_keep = 1 }, { .min_keep = 1, .keep_last = 1 }, true, false },
		{ { .min_keep = 5, .min_age_s = 9, .partial_after_s = 0 }, { .min_keep = 1, .partial_after_s = 1 }, false, false },
		{ { .min_keep = 1, .keep_last = 2 }, { .min_keep = 1, .keep_last = 3 }, false, true },
		{ { .min_keep = 1, .keep_last = 2 }, { .min_keep = 1, .keep_last = 2, .keep_daily = 1 }, false, true },
		{ { .min_keep = 1, .keep_last = 2 }, { .min_keep = 1, .keep_daily = 2 }, true, true },
		{ { .min_keep = 1, .keep_last = 2, .keep_within_s = 5 }, { .min_keep = 1, .keep_last = 2, .keep_within_s = 4 }, true, false },
		{ { .min_keep = 1, .max_age_s = 9 }, { .min_keep = 1, .max_age_s = 9, .keep_last = 1000 }, true, false },
		{ { .min_keep = 1, .max_age_s = 9 }, { .min_keep = 1, .max_age_s = 8 }, true, false },
		{ { .min_keep = 1, .keep_last = 9 }, { .min_keep = 1, .max_age_s = 8 }, true, true },
		{ { .min_keep = 1, .keep_last = 9 }, { .min_keep = 1, .keep_last = 9, .max_age_s = 8 }, true, false },
		{ { .min_keep = 2, .keep_last = 9 }, { .min_keep = 1, .keep_last = 9 }, true, false },
		{ { .min_keep = 1, .keep_last = 9, .min_age_s = 2 }, { .min_keep = 1, .keep_last = 9, .min_age_s = 1 }, true, false },
		{ { .min_keep = 1, .keep_last = 9 }, { .min_keep = 1, .keep_last = 9, .partial_after_s = 1 }, true, false },
		{ { .min_keep = 1, .keep_last = 9, .partial_after_s = 2 }, { .min_keep = 1, .keep_last = 9, .partial_after_s = 1 }, true, false },
		{ { .min_keep = 1, .keep_last = 9 }, { .min_keep = 1, .keep_last = 9, .untimed_by_commit = true }, true, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(policy_stricter(&cases[i].a, &cases[i].b), cases[i].forth);
		assert_int_equal(policy_stricter(&cases[i].b, &cases[i].a), cases[i].back);
		assert_int_equal(policy_equal(&cases[i].a, &cases[i].b), i == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(defaults),	      cmocka_unit_test(every_option),	 cmocka_unit_test(refused_settings),
					    cmocka_unit_test(override),	      cmocka_unit_test(texts),		 cmocka_unit_test(there_and_back),
					    cmocka_unit_test(refused_records), cmocka_unit_test(stricter) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

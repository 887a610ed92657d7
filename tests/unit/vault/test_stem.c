/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/stem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define NEVER INT64_MIN
#define NOON_2026 INT64_C(1782993600) /* 2026-07-02T12:00:00Z */
#define DAY_2026 INT64_C(1782950400)  /* 2026-07-02T00:00:00Z */

struct sample {
	const char *name, *stem;
	int64_t time_s; /* NEVER: no timestamp */
};

static void check(const struct sample *samples, size_t count)
{
	struct stem s, again;

	for (size_t i = 0; i < count; i++) {
		stem_of(samples[i].name, &s);
		assert_string_equal(s.text, samples[i].stem);
		assert_int_equal(s.timed, samples[i].time_s != NEVER);
		assert_int_equal(s.time_s, samples[i].time_s == NEVER ? 0 : samples[i].time_s);
		assert_true(stem_has(samples[i].stem, samples[i].name));
		stem_of(s.text, &again);
		assert_string_equal(again.text, s.text);
		assert_int_equal(again.time_s, s.time_s);
	}
}

static void every_form(void **state)
{
	static const struct sample samples[] = {
		{ "acme-20260702-120000.tar.gz", "acme-20260702-120000", NOON_2026 },
		{ "acme-20260702_120000", "acme-20260702_120000", NOON_2026 },
		{ "20260702T120000Z.tar", "20260702T120000Z", NOON_2026 },
		{ "20260702T120000.tar", "20260702T120000", NOON_2026 },
		{ "dump20260702120000x", "dump20260702120000", NOON_2026 },
		{ "2026-07-02T12:00:00Z", "2026-07-02T12:00:00Z", NOON_2026 },
		{ "a_2026-07-02T14:00:00+02:00.tar", "a_2026-07-02T14:00:00+02:00", NOON_2026 },
		{ "a_2026-07-02T06:30:00-05:30.tar", "a_2026-07-02T06:30:00-05:30", NOON_2026 },
		{ "2026-07-02_12-00-00.tar.zst", "2026-07-02_12-00-00", NOON_2026 },
		{ "2026-07-02 12:00:00", "2026-07-02 12:00:00", NOON_2026 },
		{ "2026-07-02-12-00-00", "2026-07-02-12-00-00", NOON_2026 },
		{ "2026-07-02T12:00:00.123456Z.tgz", "2026-07-02T12:00:00.123456Z", NOON_2026 },
		{ "2026-07-02T12:00:00.5+00:00", "2026-07-02T12:00:00.5+00:00", NOON_2026 },
		{ "db.2026-07-02.sql.gz", "db.2026-07-02", DAY_2026 },
		{ "db.20260702.sql.gz", "db.20260702", DAY_2026 },
		{ "1782993600.tar", "1782993600", NOON_2026 },
		{ "x-1000000000", "x-1000000000", 1000000000 },
		{ "x-4294967295", "x-4294967295", 4294967295 },
		{ "leap-20280229-000000", "leap-20280229-000000", 1835395200 },
		{ "leap-20280229", "leap-20280229", 1835395200 },
		{ "old-19691231-235959", "old-19691231-235959", -1 },
	};

	check(samples, ARRAY_LEN(samples));
}

/* Each is one step away from a timestamp. */
static void near_misses(void **state)
{
	static const struct sample samples[] = {
		{ "leap-20270229-000000.tar", "leap-20270229-000000", NEVER },
		{ "a-20261301", "a-20261301", NEVER },
		{ "a-20260700", "a-20260700", NEVER },
		{ "a-20260631.x", "a-20260631", NEVER },
		{ "a-20260702-240000", "a-20260702", DAY_2026 },
		{ "a-20260702-126000", "a-20260702", DAY_2026 },
		{ "a-20260702-120060", "a-20260702", DAY_2026 },
		{ "a-20260702-12000", "a-20260702", DAY_2026 },
		{ "a-20260702-1200001", "a-20260702", DAY_2026 },
		{ "a-20260702+120000", "a-20260702", DAY_2026 },
		{ "a-120260702.tar", "a-120260702", NEVER },
		{ "a-202607021.tar", "a-202607021", NEVER },
		{ "a-20260702120060", "a-20260702120060", NEVER },
		{ "a-120260702120000", "a-120260702120000", NEVER },
		{ "a-2026-7-02.tar", "a-2026-7-02", NEVER },
		{ "a-2026-07-021.tar", "a-2026-07-021", NEVER },
		{ "a-12026-07-02.tar", "a-12026-07-02", NEVER },
		{ "2026-07-02T12:00-00.x", "2026-07-02", DAY_2026 },
		{ "2026-07-02T12:00:001", "2026-07-02", DAY_2026 },
		{ "2026-07-02T12:00.tar", "2026-07-02", DAY_2026 },
		{ "2026-07-02T12:00:00+24:00", "2026-07-02T12:00:00", NOON_2026 },
		{ "2026-07-02T12:00:00+01:000", "2026-07-02T12:00:00", NOON_2026 },
		{ "2026-07-02T12:00:00.7z", "2026-07-02T12:00:00", NOON_2026 },
		{ "2026-07-02T12:00:00.", "2026-07-02T12:00:00", NOON_2026 },
		{ "a-0999999999.tar", "a-0999999999", NEVER },
		{ "a-4294967296.tar", "a-4294967296", NEVER },
		{ "a-1782993600000", "a-1782993600000", NEVER },
	};

	check(samples, ARRAY_LEN(samples));
}

static void which_one_counts(void **state)
{
	static const struct sample samples[] = {
		{ "20260101-x-20260702-120000-20270101-000000.tar", "20260101-x-20260702-120000", NOON_2026 },
		{ "20260702-x-20270101.tar", "20260702", DAY_2026 },
		{ "2026-07-02-1782993600.tar", "2026-07-02-1782993600", NOON_2026 },
		{ "v1.2.3-20260702-120000.tar", "v1.2.3-20260702-120000", NOON_2026 },
	};

	check(samples, ARRAY_LEN(samples));
}

static void no_time_at_all(void **state)
{
	static const struct sample samples[] = {
		{ "nightly.tar.gz", "nightly", NEVER }, { "nightly", "nightly", NEVER }, { ".hidden.tar", ".hidden", NEVER },
		{ "..x", ".", NEVER },			{ ".", ".", NEVER },		 { "", "", NEVER },
		{ "\xff\xfe.tar", "\xff\xfe", NEVER },	{ "a b.c", "a b", NEVER },
	};

	check(samples, ARRAY_LEN(samples));
}

/* One set: the folder, the archive, its checksum, its pieces. */
static void membership(void **state)
{
	static const char *const in[] = { "acme-20260702-120000", "acme-20260702-120000.tar.gz", "acme-20260702-120000.tar.gz.sha256", "acme-20260702-120000.tar.gz.aa",
					  "acme-20260702-120000-log" };
	static const char *const out[] = { "acme-20260702-12000", "acme-20260702-1200001", "acme-20260702-120001", "acme-20260702", "acm-20260702-120000",
					   "ACME-20260702-120000", "", "xacme-20260702-120000" };

	for (size_t i = 0; i < ARRAY_LEN(in); i++)
		assert_true(stem_has("acme-20260702-120000", in[i]));
	for (size_t i = 0; i < ARRAY_LEN(out); i++)
		assert_false(stem_has("acme-20260702-120000", out[i]));
	assert_true(stem_has("a", "a.b"));
	assert_false(stem_has("a.b", "a.b"));
}

static void longest_names(void **state)
{
	char name[400];
	struct stem s;

	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	stem_of(name, &s);
	assert_string_equal(s.text, name);
	assert_true(stem_has(s.text, name));
	name[255] = 'n';
	name[399] = '\0';
	stem_of(name, &s);
	assert_int_equal(strlen(s.text), 255);
	assert_false(stem_has(s.text, name));
	memcpy(name + 300, "20260702-120000", 16);
	stem_of(name, &s);
	assert_int_equal(s.time_s, NOON_2026);
	assert_false(stem_has(s.text, name));
}

static void archives(void **state)
{
	static const char *const yes[] = { "a.tar", "a.tgz", "a.tbz2", "a.txz", "a.tzst", "a.zip", "a.7z", "a.archive", "a.gz", "a.bz2", "a.xz", "a.zst", "a.lz4", "a.enc", "a.gpg",
					   "a.age", "a.TAR.GZ", "a.tar.lzma", "a.tar.Z", "a.tar.br", "a.tar.gz.enc", "x-2026-07-02T12:00:00.7z" };
	static const char *const no[] = { "a", "tar", ".tar", ".gz", "a.tar.gz.sha256", "a.tar.asc", "a.tar.aa", "a.tar.", "a.tarx", "atar", "a.br", "a.sha256", "a.json", "" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		assert_true(stem_is_archive(yes[i]));
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		assert_false(stem_is_archive(no[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_form),     cmocka_unit_test(near_misses), cmocka_unit_test(which_one_counts),
					    cmocka_unit_test(no_time_at_all), cmocka_unit_test(membership),  cmocka_unit_test(longest_names),
					    cmocka_unit_test(archives) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

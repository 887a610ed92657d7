/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/auto.h"
#include "fs/tune.h"

static const char info[] = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
			   "30 22 0:26 / /proc rw - proc proc rw\n"
			   "40 22 0:57 / /mnt/with\\040blank rw,nosuid,nodev - fuse.pishopfs s3://bucket rw,user_id=0\n"
			   "41 22 0:58 / /mnt/twice rw - tmpfs tmpfs rw\n"
			   "42 41 0:59 / /mnt/twice rw master:3 - fuse.pishopfs dir:/x rw\n"
			   "43 22 0:60 / /mnt/cut";

static void finds(void **state)
{
	struct mount_seen seen;

	(void)state;
	mount_parse(info, "/mnt/with blank", &seen);
	assert_true(seen.there);
	assert_string_equal(seen.device, "0:57");
	assert_string_equal(seen.type, "fuse.pishopfs");
	mount_parse(info, "/mnt/twice", &seen); /* the topmost */
	assert_string_equal(seen.device, "0:59");
	mount_parse(info, "/", &seen);
	assert_string_equal(seen.type, "ext4");
}

static void finds_nothing(void **state)
{
	static const char *const paths[] = { "/mnt", "/mnt/with\\040blank", "/mnt/twice/", "/mnt/cut", "" };
	struct mount_seen seen;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		mount_parse(info, paths[i], &seen);
		assert_false(seen.there);
	}
	mount_parse("", "/", &seen);
	assert_false(seen.there);
	mount_parse("\n \n - \n", "/", &seen);
	assert_false(seen.there);
}

static void looks(void **state)
{
	struct mount_seen seen;

	(void)state;
	assert_int_equal(mount_look("/proc", &seen), 0);
	assert_true(seen.there);
	assert_string_equal(seen.type, "proc");
	assert_int_equal(mount_look("/proc/self", &seen), 0);
	assert_false(seen.there);
	mount_tune("0:0", 1 << 20, 1024); /* no such mount: says so in the debug log, nothing else */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(finds), cmocka_unit_test(finds_nothing), cmocka_unit_test(looks) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

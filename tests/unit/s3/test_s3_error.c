/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/s3_error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The errnos of s3/store.h that an answer may mean. */
static bool known_errno(int code)
{
	static const int all[] = { ENOENT, ENODATA, ESTALE, EACCES, EKEYREJECTED, ENODEV, ETIMEDOUT, EAGAIN, EREMOTEIO, EBADMSG, EILSEQ,
				   ENOSPC, EFBIG, EINVAL, ENAMETOOLONG, EOPNOTSUPP, ENOTRECOVERABLE, EPERM };

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (all[i] == code)
			return true;
	return false;
}

static void every_row_is_found_and_once(void **state)
{
	for (size_t i = 0; i < s3_error_row_count; i++) {
		const struct s3_error_row *row = &s3_error_rows[i];

		assert_true(known_errno(row->verdict.code));
		assert_int_equal(s3_verdict(400, row->s3_code, true).code, row->verdict.code);
		assert_int_equal(s3_verdict(200, row->s3_code, true).code, row->verdict.code); /* an error inside a 200 */
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(row->s3_code, s3_error_rows[j].s3_code);
	}
}

static void no_status_is_without_a_verdict(void **state)
{
	for (int status = -1; status < 1000; status++) {
		assert_true(known_errno(s3_verdict(status, "", true).code));
		assert_true(known_errno(s3_verdict(status, "", false).code));
		assert_true(known_errno(s3_verdict(status, "SomethingNew", true).code));
	}
}

/* Each of these tells an operator something else; none may fall together with "not there". */
static void meanings_do_not_collapse(void **state)
{
	assert_int_equal(s3_verdict(404, "NoSuchKey", true).code, ENOENT);
	assert_int_equal(s3_verdict(404, "NoSuchUpload", true).code, ENODATA);
	assert_int_equal(s3_verdict(404, "NoSuchBucket", true).code, ENODEV);
	assert_int_equal(s3_verdict(404, "", true).code, EBADMSG);
	assert_int_equal(s3_verdict(404, "NoSuchThing", true).code, EBADMSG);
	assert_int_equal(s3_verdict(404, "", false).code, ENOENT); /* HEAD */
	assert_int_equal(s3_verdict(412, "PreconditionFailed", true).code, ESTALE);
	assert_int_equal(s3_verdict(412, "", false).code, ESTALE);
	assert_int_equal(s3_verdict(403, "AccessDenied", true).code, EACCES);
	assert_int_equal(s3_verdict(403, "", false).code, EACCES);
	assert_int_equal(s3_verdict(403, "SignatureDoesNotMatch", true).code, EKEYREJECTED);
	assert_int_equal(s3_verdict(403, "RequestTimeTooSkewed", true).code, ENOTRECOVERABLE);
	assert_int_equal(s3_verdict(503, "SlowDown", true).code, EAGAIN);
	assert_int_equal(s3_verdict(429, "", true).code, EAGAIN);
	assert_int_equal(s3_verdict(500, "InternalError", true).code, EREMOTEIO);
	assert_int_equal(s3_verdict(502, "", true).code, EREMOTEIO);
	assert_int_equal(s3_verdict(507, "XMinioStorageFull", true).code, ENOSPC);
	assert_int_equal(s3_verdict(400, "BadDigest", true).code, EILSEQ);
	assert_int_equal(s3_verdict(400, "EntityTooLarge", true).code, EFBIG);
	assert_int_equal(s3_verdict(400, "EntityTooSmall", true).code, EINVAL);
	assert_int_equal(s3_verdict(501, "NotImplemented", true).code, EOPNOTSUPP);
	assert_int_equal(s3_verdict(302, "", true).code, EBADMSG);
}

static void doubt(void **state)
{
	assert_false(s3_verdict(500, "InternalError", true).definite);
	assert_false(s3_verdict(200, "InternalError", true).definite);
	assert_false(s3_verdict(200, "SomethingNew", true).definite);
	for (size_t i = 0; i < s3_error_row_count; i++) /* who says that it is done and that it is not has said nothing */
		assert_false(s3_verdict(200, s3_error_rows[i].s3_code, true).definite);
	assert_false(s3_verdict(503, "", true).definite);
	assert_false(s3_verdict(503, "SlowDownWrite", true).definite);
	assert_false(s3_verdict(504, "", true).definite);
	assert_true(s3_verdict(503, "SlowDown", true).definite);
	assert_true(s3_verdict(412, "", true).definite);
	assert_true(s3_verdict(403, "AccessDenied", true).definite);
	assert_true(s3_verdict(400, "SomethingNew", true).definite);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_found_and_once),
		cmocka_unit_test(no_status_is_without_a_verdict),
		cmocka_unit_test(meanings_do_not_collapse),
		cmocka_unit_test(doubt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

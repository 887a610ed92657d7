/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What an S3 server's error answer means, as an errno of s3/store.h. Pure; any thread. */

struct s3_verdict {
	int code;     /* errno, never 0 */
	bool definite; /* the server refused: nothing was done. false: it may have been done all the same, as always with an error inside a 2xx */
};

/* s3_code: the <Code> of the answer, "" where there was none (HEAD, or not an S3 server). has_body: false for HEAD, whose answers
 * never carry a code; without it a bare 404 of any other web server is not taken for "no such object" (EBADMSG). */
struct s3_verdict s3_verdict(int http_status, const char *s3_code, bool has_body);

/* Whether the refusal to remove a version says that an object lock keeps it. There is no code of its own for that: AWS answers
 * AccessDenied, MinIO and versitygw InvalidRequest, and only the message tells the lock from a missing right. */
bool s3_error_is_lock(const char *s3_code, const char *message);

/* The table itself, for its test. */
struct s3_error_row {
	const char *s3_code;
	struct s3_verdict verdict;
};
extern const struct s3_error_row s3_error_rows[];
extern const size_t s3_error_row_count;

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "s3/http.h"
#include "s3/s3_error.h"
#include "s3/s3_reply.h"

/* An error answer as it comes: two bytes of status, a head, an empty line, a body. Whatever it is, there is one verdict, and it is
 * never success. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void look_up(const struct http_reply *reply)
{
	char value[64], etag[STORE_ETAG_MAX];
	int64_t date;

	if (http_header(reply, "etag", value, sizeof(value)) == 0 && s3_take_etag(etag, value) == 0)
		require(etag[0] && !strpbrk(etag, "\r\n\""));
	if (http_header(reply, "date", value, sizeof(value)) == 0)
		(void)clock_parse_http(&date, value);
	require(http_header(reply, "x", value, 1) != 0 || value[0] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end, *body;
	struct http_reply reply = { 0 };
	struct s3_error_reply error;

	if (size < 2)
		return 0;
	reply.status = data[0] << 8 | data[1];
	data += 2;
	size -= 2;
	end = memmem(data, size, "\r\n\r\n", 4);
	body = end ? end + 4 : data;
	buf_view(&reply.head, data, end ? (size_t)(end + 2 - data) : 0);
	look_up(&reply);
	if (s3_parse_error(body, size - (size_t)(body - data), &error))
		error.s3_code[0] = '\0';
	require(s3_verdict(reply.status, error.s3_code, true).code > 0);
	require(s3_verdict(reply.status, error.s3_code, false).code > 0);
	return 0;
}

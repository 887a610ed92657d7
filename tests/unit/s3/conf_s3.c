/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

struct store *conf_make_s3(void)
{
	const char *endpoint = getenv("PISHOP_TEST_S3"), *tls = getenv("PISHOP_TEST_S3_TLS");
	struct s3_config config = {
		.endpoint = endpoint,
		.tls = tls && strcmp(tls, "1") == 0,
		.bucket = getenv("PISHOP_TEST_S3_BUCKET"),
		.access_key = getenv("PISHOP_TEST_S3_ACCESS"),
		.secret_key = getenv("PISHOP_TEST_S3_SECRET"),
		.ca_file = getenv("PISHOP_TEST_S3_CA"),
		.path_style = true,
	};
	struct store *s;
	int rc;

	if (!endpoint || !config.bucket || !config.access_key || !config.secret_key) {
		fprintf(stderr, "PISHOP_TEST_S3, _ACCESS, _SECRET and _BUCKET name no server\n");
		return NULL;
	}
	rc = s3_store_new(&config, &s);
	if (!rc)
		return s;
	fprintf(stderr, "%s: %s\n", endpoint, strerror(rc));
	return NULL;
}

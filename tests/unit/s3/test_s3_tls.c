/* SPDX-License-Identifier: Apache-2.0 */
#include "s3_fixture.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

/* TLS with a private CA, made here: what is trusted, and how each distrust is told. */

struct identity {
	EVP_PKEY *key;
	X509 *cert;
};

#define DAY 86400L

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(extension);
	assert_int_equal(X509_add_ext(cert, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

/* A certificate for alt ("IP:127.0.0.1"; NULL: a CA) that is good from begin to end, seconds from now, signed by ca (NULL: itself). */
static struct identity make_identity(const char *alt, long begin, long end, const struct identity *ca)
{
	struct identity id = { EVP_EC_gen("P-256"), X509_new() };
	X509_NAME *name = X509_get_subject_name(id.cert);
	static long serial = 1;

	assert_non_null(id.key);
	X509_set_version(id.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(id.cert), serial++);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)(alt ? "server" : "test CA"), -1, -1, 0);
	X509_set_issuer_name(id.cert, X509_get_subject_name(ca ? ca->cert : id.cert));
	X509_gmtime_adj(X509_getm_notBefore(id.cert), begin);
	X509_gmtime_adj(X509_getm_notAfter(id.cert), end);
	X509_set_pubkey(id.cert, id.key);
	if (alt)
		add_extension(id.cert, NID_subject_alt_name, alt);
	else
		add_extension(id.cert, NID_basic_constraints, "critical,CA:TRUE");
	assert_true(X509_sign(id.cert, ca ? ca->key : id.key, EVP_sha256()) > 0);
	return id;
}

static void identity_free(struct identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
}

static struct identity ca;
static char ca_file[] = "/tmp/pishop-test-ca-XXXXXX";

static int make_ca(void **state)
{
	int fd = mkstemp(ca_file);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");

	if (!out)
		return -1;
	ca = make_identity(NULL, -DAY, DAY, NULL);
	PEM_write_X509(out, ca.cert);
	return fclose(out);
}

static int drop_ca(void **state)
{
	identity_free(&ca);
	return unlink(ca_file);
}

static SSL_CTX *server_context(const char *alt, long begin, long end)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	struct identity id = make_identity(alt, begin, end, &ca);

	assert_int_equal(SSL_CTX_use_certificate(ctx, id.cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, id.key), 1);
	identity_free(&id);
	return ctx;
}

static const struct fault_answer answers[] = { { ANSWER, NO_BODY("200 OK", ETAG), 0 }, { ANSWER, NO_BODY("200 OK", ETAG), 0 } };

/* One put to a server of that context (NULL: without TLS); its errno, with the details in call. */
static int put_to(SSL_CTX *ctx, struct s3_config config)
{
	int rc;

	server = fault_start(answers, 2, ctx);
	config.endpoint = fault_endpoint(server);
	config.bucket = "bucket";
	config.path_style = true;
	config.access_key = "key";
	config.secret_key = "secret";
	config.data_stall_ms = 1000;
	assert_int_equal(s3_store_new(&config, &s), 0);
	call = (struct store_call){ 0 };
	rc = put();
	store_free(s);
	return rc;
}

static void expect_distrust(SSL_CTX *ctx, struct s3_config config, const char *words)
{
	assert_int_equal(put_to(ctx, config), EPROTO);
	assert_false(call.err.ambiguous);
	if (!strstr(call.err.message, words))
		print_message("%s\n", call.err.message);
	assert_non_null(strstr(call.err.message, words));
	assert_int_equal(fault_requests(server), 0); /* nothing was said to it */
	fault_stop(server);
	SSL_CTX_free(ctx);
}

static void a_private_ca(void **state)
{
	SSL_CTX *ctx = server_context("IP:127.0.0.1", -DAY, DAY);

	assert_int_equal(put_to(ctx, (struct s3_config){ .tls = true, .ca_file = ca_file }), 0);
	assert_non_null(strstr(fault_head(server, 0), "\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\n"));
	assert_non_null(strstr(fault_head(server, 0), "\r\nx-amz-checksum-crc32c: 4waSgw==\r\n"));
	fault_stop(server);
	assert_int_equal(put_to(ctx, (struct s3_config){ .tls = true, .ca_file = ca_file, .signing = S3_SIGN_PAYLOAD }), 0);
	assert_null(strstr(fault_head(server, 0), "UNSIGNED-PAYLOAD"));
	fault_stop(server);
	SSL_CTX_free(ctx);
}

static void distrust(void **state)
{
	const struct s3_config with_ca = { .tls = true, .ca_file = ca_file };

	expect_distrust(server_context("IP:127.0.0.1", -DAY, DAY), (struct s3_config){ .tls = true }, "unable to get local issuer certificate");
	expect_distrust(server_context("DNS:elsewhere.example", -DAY, DAY), with_ca, "no alternative certificate subject name matches");
	expect_distrust(server_context("IP:127.0.0.1", -2 * DAY, -DAY), with_ca, "certificate has expired");
	expect_distrust(server_context("IP:127.0.0.1", DAY, 2 * DAY), with_ca, "certificate is not yet valid");
	expect_distrust(server_context("IP:127.0.0.1", -DAY, DAY), (struct s3_config){ .tls = true, .ca_file = "/nonexistent.pem" },
			"/nonexistent.pem");
}

static void old_versions(void **state)
{
	SSL_CTX *ctx = server_context("IP:127.0.0.1", -DAY, DAY);

	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
	SSL_CTX_set_security_level(ctx, 0);
	expect_distrust(ctx, (struct s3_config){ .tls = true, .ca_file = ca_file }, "protocol version");
}

static void tls_to_a_plain_server(void **state)
{
	int rc;

	server = NULL;
	rc = put_to(NULL, (struct s3_config){ .tls = true, .ca_file = ca_file, .connect_ms = 300 });
	assert_true(rc == EPROTO || rc == ETIMEDOUT); /* the server waits for the end of a request head */
	assert_false(call.err.ambiguous);
	fault_stop(server);
}

static void plain_to_a_tls_server(void **state)
{
	SSL_CTX *ctx = server_context("IP:127.0.0.1", -DAY, DAY);
	int rc = put_to(ctx, (struct s3_config){ .tls = false });

	assert_true(rc == EHOSTUNREACH || rc == EBADMSG);
	assert_int_equal(fault_requests(server), 0);
	fault_stop(server);
	SSL_CTX_free(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_private_ca),
		cmocka_unit_test(distrust),
		cmocka_unit_test(old_versions),
		cmocka_unit_test(tls_to_a_plain_server),
		cmocka_unit_test(plain_to_a_tls_server),
	};

	return cmocka_run_group_tests(tests, make_ca, drop_ca);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/connect.h"

#include "base/textfile.h"
#include "s3/sign.h"
#include "s3/xml.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#define CONNECTION "Connection"
#define KEY "Encryption"
#define CA_MAX (1u << 20) /* bytes of a file with certificates; the system's have 250 KiB */

static const char *const addressing[] = { "auto", "path", "virtual", NULL };
static const char *const signing[] = { "auto", "payload", "unsigned", NULL };

const struct conf_option connect_options[] = {
	{ .name = "endpoint", .type = CONF_TEXT, .group = CONNECTION, .value_name = "HOST[:PORT]", .env = { "MINIO_ENDPOINT" },
	  .secret_file = "endpoint", .help = "The S3 server: host, host:port, or a URL with http:// or https://." },
	{ .name = "use-ssl", .type = CONF_BOOL, .group = CONNECTION, .value_name = "BOOL", .env = { "MINIO_USE_SSL" }, .secret_file = "use-ssl",
	  .help = "TLS to the endpoint. Unset: as its URL says, else yes. Certificates are always verified." },
	{ .name = "ca-file", .type = CONF_TEXT, .group = CONNECTION, .value_name = "FILE",
	  .help = "Certificates (PEM) of a private authority, instead of the system's. Unset: ca.crt in the secret folder, if it is there." },
	{ .name = "bucket", .type = CONF_TEXT, .group = CONNECTION, .value_name = "NAME", .env = { "MINIO_BUCKET" }, .secret_file = "bucket-name",
	  .help = "The bucket, where STORE is not given." },
	{ .name = "region", .type = CONF_TEXT, .group = CONNECTION, .value_name = "NAME", .env = { "MINIO_REGION" }, .secret_file = "region",
	  .fallback = "us-east-1", .help = "The region that requests are signed for." },
	{ .name = "access-key", .type = CONF_TEXT, .group = CONNECTION, .value_name = "ID", .env = { "MINIO_ACCESS_KEY", "AWS_ACCESS_KEY_ID" },
	  .secret_file = "access-key-id", .no_flag = true, .help = "Access key id." },
	{ .name = "secret-key", .type = CONF_TEXT, .group = CONNECTION, .value_name = "SECRET",
	  .env = { "MINIO_SECRET_KEY", "AWS_SECRET_ACCESS_KEY" }, .secret_file = "secret-access-key", .secret = true, .help = "Secret access key." },
	{ .name = "session-token", .type = CONF_TEXT, .group = CONNECTION, .value_name = "TOKEN", .env = { "AWS_SESSION_TOKEN" }, .secret = true,
	  .help = "Session token of temporary credentials." },
	{ .name = "addressing", .type = CONF_CHOICE, .group = CONNECTION, .value_name = "STYLE", .choices = addressing, .fallback = "auto",
	  .help = "host/bucket/key (path) or bucket.host/key (virtual). auto: virtual for amazonaws.com, else path." },
	{ .name = "payload-signing", .type = CONF_CHOICE, .group = CONNECTION, .value_name = "HOW", .choices = signing, .fallback = "auto",
	  .help = "auto signs the payload over plain HTTP and leaves it to TLS otherwise. A CRC32C checksum is sent with every upload in any case." },
	{ .name = "connect-timeout", .type = CONF_DURATION, .group = CONNECTION, .value_name = "TIME", .fallback = "5s", .min = 100, .max = 60000,
	  .help = "For one connection to the endpoint." },
	{ .name = "data-timeout", .type = CONF_DURATION, .group = CONNECTION, .value_name = "TIME", .fallback = "120s", .min = 1000, .max = 3600000,
	  .help = "A read, write or close fails after this long without one acknowledged byte, retries included." },
	{ .name = "metadata-timeout", .type = CONF_DURATION, .group = CONNECTION, .value_name = "TIME", .fallback = "30s", .min = 1000, .max = 600000,
	  .help = "A metadata operation fails after this long, retries included." },
	{ .name = "connections", .type = CONF_COUNT, .group = CONNECTION, .value_name = "N", .fallback = "32", .min = 2, .max = 256,
	  .help = "Most connections to the endpoint at once." },
	{ .name = "secret-dir", .type = CONF_TEXT, .group = CONNECTION, .value_name = "DIR",
	  .help = "Folder of a mounted Kubernetes secret with the files endpoint, access-key-id, secret-access-key, use-ssl, bucket-name, region, and optionally encryption-key and ca.crt." },
	{ .name = "config", .type = CONF_TEXT, .group = CONNECTION, .value_name = "FILE",
	  .help = "INI file; its keys are the long names of these options." },
	{ .name = "encryption-key", .type = CONF_TEXT, .group = KEY, .value_name = "KEY", .env = { "BACKUP_ENCRYPTION_KEY" },
	  .secret_file = "encryption-key", .secret = true,
	  .help = "64 hex digits or base64 of 32 bytes (a raw key), or a passphrase of 12 characters or more. Without it nothing starts; without it nothing can be read again." },
	{ .name = "accept-new-key", .type = CONF_FLAG_ONLY, .group = KEY,
	  .help = "Write with this key although only other keys have written to this bucket so far." },
};
const size_t connect_option_count = ARRAY_LEN(connect_options);

static int refuse(char *error, size_t cap, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int refuse(char *error, size_t cap, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, cap, fmt, ap);
	va_end(ap);
	return EINVAL;
}

#define BUCKET_RULES "3 to 63 of a-z, 0-9, '.' and '-', with a letter or digit at both ends and no \"..\""

static int bucket_check(const char *name)
{
	size_t n = strlen(name);

	if (n < 3 || n > 63 || !isalnum((unsigned char)name[0]) || !isalnum((unsigned char)name[n - 1]) || strstr(name, ".."))
		return EINVAL;
	return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-")] ? EINVAL : 0;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

/* What every S3 server takes as the beginning of a key. */
static bool prefix_fits(const char *prefix)
{
	const struct path_rules names = { .segment_max = 255 };
	char name[PATH_CAP];

	for (const char *p = prefix; *prefix && p; p = p[0] == '/' ? p + 1 : NULL) {
		size_t n = strcspn(p, "/");

		snprintf(name, sizeof(name), "%.*s", (int)n, p);
		if (path_check_name(&names, name))
			return false;
		p += n;
	}
	return xml_is_utf8(prefix);
}

static int parse_s3(const char *rest, const char *whole, struct location *out, char *error, size_t cap)
{
	size_t n = strcspn(rest, "/");
	char bucket[sizeof(out->bucket)] = "";

	if (n < sizeof(bucket))
		memcpy(bucket, rest, n);
	if (n >= sizeof(bucket) || bucket_check(bucket))
		return refuse(error, cap, "%s: not a bucket name: " BUCKET_RULES, whole);
	copy_text(out->bucket, sizeof(out->bucket), bucket);

	/* "s3://BUCKET" means the prefix that the platform has always used; "s3://BUCKET/" means the bucket itself. */
	const char *prefix = rest[n] ? rest + n + 1 : "backups";
	size_t len = strlen(prefix);

	while (len && prefix[len - 1] == '/')
		len--;
	if (len >= sizeof(out->prefix) || len > 900)
		return refuse(error, cap, "%s: the prefix is too long", whole);
	memcpy(out->prefix, prefix, len);
	out->prefix[len] = '\0';
	if (!prefix_fits(out->prefix))
		return refuse(error, cap, "%s: not a prefix: names with \"/\" between them, none empty, \".\", \"..\" or over 255 bytes, in UTF-8",
			      whole);
	return 0;
}

int location_parse(const struct conf *conf, const char *text, struct location *out, char *error, size_t cap)
{
	char from_bucket[128];

	*out = (struct location){ 0 };
	if (!text) {
		const char *bucket = conf_text(conf, "bucket");

		if (!bucket)
			return refuse(error, cap, "no STORE is given and no bucket is set: give s3://BUCKET or dir:/path, or set %s",
				      conf_where(conf, "bucket"));
		if (bucket_check(bucket))
			return refuse(error, cap, "%s: not a bucket name: " BUCKET_RULES, conf_where(conf, "bucket"));
		snprintf(from_bucket, sizeof(from_bucket), "s3://%s", bucket);
		text = from_bucket;
	}
	if (copy_text(out->shown, sizeof(out->shown), text))
		return refuse(error, cap, "STORE is too long");
	if (strncmp(text, "s3://", 5) == 0) {
		out->kind = LOCATION_S3;
		return parse_s3(text + 5, text, out, error, cap);
	}
	if (strncmp(text, "dir:", 4) == 0 && text[4] == '/') {
		out->kind = LOCATION_DIR;
		copy_text(out->folder, sizeof(out->folder), text + 4);
		return 0;
	}
	return refuse(error, cap, "%s: not a store; write s3://BUCKET, s3://BUCKET/PREFIX or dir:/absolute/path", text);
}

bool location_takes(const struct location *at, const char *name)
{
	return at->kind != LOCATION_S3 || xml_is_utf8(name);
}

/* What is wrong with the text behind a host, which is to be nothing or ":port"; NULL: nothing. */
static const char *port_problem(const char *text)
{
	char *end;

	if (!*text)
		return NULL;
	if (*text != ':')
		return "something stands behind the \"]\"";
	if (strchr(text + 1, ':'))
		return "it has more than one \":\"; an IPv6 address stands in brackets, as in [::1]:9000";

	unsigned long port = strtoul(text + 1, &end, 10);

	return isdigit((unsigned char)text[1]) && !*end && port >= 1 && port <= 65535 ? NULL : "the port is not a number from 1 to 65535";
}

/* What is wrong with host[:port]; NULL: nothing. */
static const char *host_problem(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
	size_t n = strcspn(text, ":");
	struct in6_addr address;
	char inside[INET6_ADDRSTRLEN];

	if (text[0] == '[') {
		n = strcspn(text, "]");
		if (!text[n])
			return "its \"[\" has no \"]\"";
		if (n > sizeof(inside))
			return "in the brackets stands no IPv6 address";
		snprintf(inside, sizeof(inside), "%.*s", (int)n - 1, text + 1);
		return inet_pton(AF_INET6, inside, &address) == 1 ? port_problem(text + n + 1) : "in the brackets stands no IPv6 address";
	}
	if (!n || n > 253 || text[0] == '.' || text[0] == '-' || memmem(text, n, "..", 2))
		return "it has no good host name";
	if (strspn(text, letters) < n)
		return "a host name has letters, digits, '-', '.' and '_'";
	return port_problem(text + n);
}

/* The endpoint without its scheme, and whether TLS is used. */
static int endpoint_of(const struct conf *conf, char *host, size_t host_cap, bool *tls, char *error, size_t cap)
{
	const char *text = conf_text(conf, "endpoint");
	bool set = conf_has(conf, "use-ssl"), wanted = conf_bool(conf, "use-ssl");

	if (!text)
		return refuse(error, cap, "no endpoint: set %s to host:port or a URL", conf_where(conf, "endpoint"));
	*tls = set ? wanted : true;
	if (strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0) {
		bool https = text[4] == 's';

		if (set && wanted != https)
			return refuse(error, cap, "%s says %s, but %s says the other: change one", conf_where(conf, "endpoint"),
				      https ? "https" : "http", conf_where(conf, "use-ssl"));
		*tls = https;
		text += https ? 8 : 7;
	}

	size_t n = strcspn(text, "/");

	const char *problem = NULL;

	if (!n)
		problem = "it has no host";
	else if (n >= host_cap)
		problem = "it is too long";
	else if (text[n] && text[n + 1])
		problem = "it has a path or another scheme; the bucket and prefix stand in STORE";
	if (!problem) {
		snprintf(host, host_cap, "%.*s", (int)n, text);
		problem = host_problem(host);
	}
	if (!problem)
		return 0;
	return refuse(error, cap, "%s: not an endpoint: %s; write host, host:port, http://host:port or https://host:port", conf_where(conf, "endpoint"),
		      problem);
}

static bool path_style(const struct conf *conf, const char *host)
{
	const char *style = conf_text(conf, "addressing");

	if (strcmp(style, "auto") != 0)
		return strcmp(style, "path") == 0;
	return !strstr(host, ".amazonaws.com");
}

/* Any name is looked up, but no bucket can stand before an address. */
static bool is_address(const char *host)
{
	struct in_addr address;
	char name[300];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(host, ":"), host);
	return host[0] == '[' || inet_pton(AF_INET, name, &address) == 1;
}

/* The CA file of the settings, else the secret folder's; NULL in *out: neither. What is in it must look like certificates: later it would
 * seem to be the server's fault. */
static int ca_file(const struct conf *conf, bool tls, char buffer[PATH_CAP], const char **out, char *error, size_t cap)
{
	const char *file = conf_text(conf, "ca-file"), *dir = conf_text(conf, "secret-dir");
	AUTO(buf_free) struct buf text;
	char why[64];

	buf_init(&text, CA_MAX + 1);
	*out = file;
	if (!file && tls && dir && dir[0] && (size_t)snprintf(buffer, PATH_CAP, "%s/ca.crt", dir) < PATH_CAP && access(buffer, F_OK) == 0)
		*out = buffer;
	if (!*out)
		return 0;

	int rc = textfile_read(AT_FDCWD, *out, CA_MAX, &text, NULL);

	if (rc)
		return refuse(error, cap, "%s: %s cannot be read: %s", conf_where(conf, file ? "ca-file" : "secret-dir"), *out,
			      textfile_reason(rc, CA_MAX, why));
	if (!strstr((const char *)text.data, "-----BEGIN "))
		return refuse(error, cap, "%s: %s holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)",
			      conf_where(conf, file ? "ca-file" : "secret-dir"), *out);
	return 0;
}

/* Credentials go into header lines and signatures. The value is never shown. */
static int check_credentials(const struct conf *conf, char *error, size_t cap)
{
	static const char *const names[] = { "access-key", "secret-key", "session-token" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *text = conf_text(conf, names[i]);

		if (i < 2 && (!text || !*text))
			return refuse(error, cap, "no %s key: set %s", i ? "secret" : "access", conf_where(conf, names[i]));
		if (text && has_control(text))
			return refuse(error, cap, "%s: holds a line break or another control character; a key is one line, and only a secret file may end in a line break",
				      conf_where(conf, names[i]));
	}
	return 0;
}

static int check_names(const struct conf *conf, const struct location *at, const char *host, bool path_style, char *error, size_t cap)
{
	if (!sign_region_fits(conf_text(conf, "region")))
		return refuse(error, cap, "%s: not a region: letters, digits, '-', '.' and '_', at most %d", conf_where(conf, "region"), SIGN_REGION_MAX - 1);
	if (!path_style && is_address(host))
		return refuse(error, cap, "%s: %s.%s is no host name: with an address as endpoint, write --addressing=path", conf_where(conf, "addressing"),
			      at->bucket, host);
	return 0;
}

static int connect_s3(const struct conf *conf, const struct location *at, struct store **out, char *error, size_t cap)
{
	char host[256], ca[PATH_CAP];
	struct s3_config config = { 0 };
	const char *how = conf_text(conf, "payload-signing");
	int rc = endpoint_of(conf, host, sizeof(host), &config.tls, error, cap);

	if (rc)
		return rc;
	config.endpoint = host;
	config.bucket = at->bucket;
	config.region = conf_text(conf, "region");
	config.path_style = path_style(conf, host);
	config.access_key = conf_text(conf, "access-key");
	config.secret_key = conf_text(conf, "secret-key");
	config.session_token = conf_text(conf, "session-token");
	config.signing = strcmp(how, "payload") == 0 ? S3_SIGN_PAYLOAD : strcmp(how, "unsigned") == 0 ? S3_SIGN_UNSIGNED : S3_SIGN_AUTO;
	config.connect_ms = (uint32_t)conf_number(conf, "connect-timeout");
	/* One stalled connection must leave time for others. */
	config.data_stall_ms = (uint32_t)max_u64(1000, conf_number(conf, "data-timeout") / 4);
	config.meta_ms = (uint32_t)conf_number(conf, "metadata-timeout");
	config.connections = (unsigned)conf_number(conf, "connections");
	rc = check_credentials(conf, error, cap);
	if (!rc)
		rc = check_names(conf, at, host, config.path_style, error, cap);
	if (!rc)
		rc = ca_file(conf, config.tls, ca, &config.ca_file, error, cap);
	if (rc)
		return rc;
	rc = s3_store_new(&config, out);
	if (rc)
		snprintf(error, cap, "%s: %s", at->shown, strerror(rc));
	return rc;
}

static int connect_dir(const struct location *at, struct store **out, char *error, size_t cap)
{
	int rc = dir_store_new(at->folder, out);

	if (rc == ENODEV)
		snprintf(error, cap, "%s: no such folder; create it, or correct the path", at->folder);
	else if (rc)
		snprintf(error, cap, "%s: %s", at->folder, strerror(rc));
	return rc;
}

int connect_store(const struct conf *conf, const struct location *at, struct store **out, struct store **stats, struct store **s3, char *error,
		  size_t cap)
{
	struct retry_config retry = {
		.data_ms = (uint32_t)conf_number(conf, "data-timeout"),
		.meta_ms = (uint32_t)conf_number(conf, "metadata-timeout"),
	};
	struct store *bottom = NULL, *counted = NULL;
	int rc = at->kind == LOCATION_S3 ? connect_s3(conf, at, &bottom, error, cap) : connect_dir(at, &bottom, error, cap);

	if (rc)
		return rc;
	if (s3)
		*s3 = at->kind == LOCATION_S3 ? bottom : NULL;
	rc = stats_store_new(bottom, &counted);
	if (!rc && stats)
		*stats = counted;
	if (!rc)
		rc = retry_store_new(counted, &retry, out);
	if (rc)
		snprintf(error, cap, "%s: %s", at->shown, strerror(rc));
	return rc;
}

int connect_keys(const struct conf *conf, struct keyring **out, char *error, size_t cap)
{
	const char *text = conf_text(conf, "encryption-key");
	char why[200];

	if (!text)
		return refuse(error, cap, "no encryption key: set %s; pishopfs never writes without one", conf_where(conf, "encryption-key"));
	if (keyring_parse(text, strlen(text), out, why, sizeof(why)) == 0)
		return 0;
	return refuse(error, cap, "%s: %s", conf_where(conf, "encryption-key"), why);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/sign.h"

#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <strings.h>

#define PAIRS_MAX 32        /* headers, or query parameters, of one request */
#define CANONICAL_MAX 65536 /* bytes of a canonical request */
#define SERVICE "s3"
#define ALGORITHM "AWS4-HMAC-SHA256"

static bool unreserved(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

int sign_encode(struct buf *out, const char *text, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";

	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		char encoded[3] = { '%', digits[*c >> 4], digits[*c & 15] };
		bool plain = unreserved(*c) || (keep_slash && *c == '/');
		int rc = plain ? buf_put_u8(out, *c) : buf_put(out, encoded, sizeof(encoded));

		if (rc)
			return rc;
	}
	return 0;
}

/* The order of two texts once they are encoded: "%" stands before every unreserved character. */
static int encoded_order(const struct sign_pair *left, const struct sign_pair *right)
{
	const unsigned char *a = (const unsigned char *)left->name, *b = (const unsigned char *)right->name;

	for (; *a && *a == *b; a++, b++)
		;
	return (*a + (unreserved(*a) ? 256 : 0)) - (*b + (unreserved(*b) ? 256 : 0));
}

static int header_order(const struct sign_pair *left, const struct sign_pair *right)
{
	return strcasecmp(left->name, right->name);
}

/* A stable sort into `sorted`: values of equal names keep their order. */
static int sort_pairs(struct sign_pair sorted[PAIRS_MAX], const struct sign_pair *pairs, size_t count,
		      int (*order)(const struct sign_pair *, const struct sign_pair *))
{
	if (count > PAIRS_MAX)
		return EINVAL;
	for (size_t i = 0; i < count; i++) {
		size_t at = i;

		for (; at && order(&sorted[at - 1], &pairs[i]) > 0; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = pairs[i];
	}
	return 0;
}

int sign_query(struct buf *out, const struct sign_pair *query, size_t count)
{
	struct sign_pair sorted[PAIRS_MAX];
	int rc = sort_pairs(sorted, query, count, encoded_order);

	for (size_t i = 0; !rc && i < count; i++) {
		rc = i ? buf_puts(out, "&") : 0;
		if (!rc)
			rc = sign_encode(out, sorted[i].name, false);
		if (!rc)
			rc = buf_puts(out, "=");
		if (!rc)
			rc = sign_encode(out, sorted[i].value, false);
	}
	return rc;
}

static int put_lower(struct buf *out, const char *name)
{
	int rc = 0;

	for (; !rc && *name; name++)
		rc = buf_put_u8(out, (uint8_t)tolower((unsigned char)*name));
	return rc;
}

/* A header's value with the blanks around it dropped and those inside made one. */
static int put_trimmed(struct buf *out, const char *value)
{
	bool begun = false, gap = false;
	int rc = 0;

	for (; !rc && *value; value++) {
		if (*value == ' ' || *value == '\t' || *value == '\n' || *value == '\r') {
			gap = begun;
			continue;
		}
		if (gap)
			rc = buf_puts(out, " ");
		if (!rc)
			rc = buf_put_u8(out, (uint8_t)*value);
		begun = true;
		gap = false;
	}
	return rc;
}

/* "name:value\n" for each header, equal names joined by commas; names: "a;b". */
static int put_headers(struct buf *out, struct buf *names, const struct sign_pair *sorted, size_t count)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < count; i++) {
		bool again = i && header_order(&sorted[i - 1], &sorted[i]) == 0;

		if (again) {
			rc = buf_puts(out, ",");
		} else {
			rc = i ? buf_puts(out, "\n") : 0;
			if (!rc)
				rc = put_lower(out, sorted[i].name);
			if (!rc)
				rc = buf_puts(out, ":");
			if (!rc && i)
				rc = buf_puts(names, ";");
			if (!rc)
				rc = put_lower(names, sorted[i].name);
		}
		if (!rc)
			rc = put_trimmed(out, sorted[i].value);
	}
	return rc ? rc : buf_puts(out, "\n");
}

int sign_canonical(struct buf *out, struct buf *names, const struct sign_request *request)
{
	struct sign_pair sorted[PAIRS_MAX];
	size_t names_at = names->len;
	int rc = request->header_count ? sort_pairs(sorted, request->headers, request->header_count, header_order) : EINVAL;

	if (!rc)
		rc = buf_printf(out, "%s\n", request->method);
	if (!rc)
		rc = sign_encode(out, request->path, true);
	if (!rc)
		rc = buf_puts(out, "\n");
	if (!rc)
		rc = sign_query(out, request->query, request->query_count);
	if (!rc)
		rc = buf_puts(out, "\n");
	if (!rc)
		rc = put_headers(out, names, sorted, request->header_count);
	if (!rc)
		rc = buf_puts(out, "\n");
	if (!rc)
		rc = buf_put(out, names->data + names_at, names->len - names_at);
	return rc ? rc : buf_printf(out, "\n%s", request->payload);
}

int sign_payload(char hex[SIGN_HEX], const struct iovec *iov, int iovcnt)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t sum[32];
	bool good = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;

	for (int i = 0; good && i < iovcnt; i++)
		good = EVP_DigestUpdate(ctx, iov[i].iov_base, iov[i].iov_len) == 1;
	good = good && EVP_DigestFinal_ex(ctx, sum, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	if (!good)
		return EIO;
	hex_encode(hex, sum, sizeof(sum));
	return 0;
}

int sign_string(struct buf *out, const char *date, const char *scope, const struct buf *canonical)
{
	char hex[SIGN_HEX];
	int rc = sign_payload(hex, &(struct iovec){ canonical->data, canonical->len }, 1);

	return rc ? rc : buf_printf(out, ALGORITHM "\n%s\n%s\n%s", date, scope, hex);
}

static int hmac(uint8_t out[32], const void *key, size_t key_len, const void *data, size_t n)
{
	unsigned length = 32;

	return HMAC(EVP_sha256(), key, (int)key_len, data, n, out, &length) && length == 32 ? 0 : EIO;
}

int sign_key(uint8_t key[32], const char *secret, const char *day, const char *region, const char *service)
{
	const char *const steps[] = { region, service, "aws4_request" };
	struct buf first;

	buf_init_secret(&first, CANONICAL_MAX);

	int rc = buf_printf(&first, "AWS4%s", secret);

	if (!rc)
		rc = hmac(key, first.data, first.len, day, strlen(day));
	for (size_t i = 0; !rc && i < ARRAY_LEN(steps); i++)
		rc = hmac(key, key, 32, steps[i], strlen(steps[i]));
	buf_free(&first);
	return rc;
}

int sign_hex(char hex[SIGN_HEX], const uint8_t key[32], const struct buf *string_to_sign)
{
	uint8_t sum[32];
	int rc = hmac(sum, key, 32, string_to_sign->data, string_to_sign->len);

	if (!rc)
		hex_encode(hex, sum, sizeof(sum));
	return rc;
}

void sign_base64(char out[25], const uint8_t *data, size_t n)
{
	EVP_EncodeBlock((unsigned char *)out, data, (int)min_size(n, 16));
}

/* ---- one identity */

struct signer {
	pthread_mutex_t lock; /* everything below */
	char *access_key, *secret_key, *token; /* token: NULL where there is none */
	char region[SIGN_REGION_MAX];
	char day[9];      /* of the key below, "" : none yet */
	uint8_t key[32];  /* made once a day: it costs four times a signature */
};

static void wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static bool printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

bool sign_region_fits(const char *region)
{
	size_t n = strlen(region);

	return n && n < SIGN_REGION_MAX && strspn(region, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n;
}

int signer_set_credentials(struct signer *s, const char *access_key, const char *secret_key, const char *token)
{
	if (!access_key || !secret_key || !*access_key || !*secret_key || !printable(access_key) || !printable(secret_key) ||
	    (token && !printable(token)))
		return EINVAL;

	char *access_copy = strdup(access_key), *secret_copy = strdup(secret_key);
	char *token_copy = token && *token ? strdup(token) : NULL;

	if (!access_copy || !secret_copy || (token && *token && !token_copy)) {
		wipe(access_copy);
		wipe(secret_copy);
		wipe(token_copy);
		return ENOMEM;
	}
	pthread_mutex_lock(&s->lock);
	wipe(s->access_key);
	wipe(s->secret_key);
	wipe(s->token);
	s->access_key = access_copy;
	s->secret_key = secret_copy;
	s->token = token_copy;
	s->day[0] = '\0';
	pthread_mutex_unlock(&s->lock);
	return 0;
}

int signer_set_region(struct signer *s, const char *region)
{
	if (!sign_region_fits(region))
		return EINVAL;
	pthread_mutex_lock(&s->lock);
	snprintf(s->region, sizeof(s->region), "%s", region);
	s->day[0] = '\0';
	pthread_mutex_unlock(&s->lock);
	return 0;
}

void signer_region(struct signer *s, char out[SIGN_REGION_MAX])
{
	pthread_mutex_lock(&s->lock);
	memcpy(out, s->region, SIGN_REGION_MAX);
	pthread_mutex_unlock(&s->lock);
}

int signer_new(const char *access_key, const char *secret_key, const char *token, const char *region, struct signer **out)
{
	struct signer *s = calloc(1, sizeof(*s));

	*out = NULL;
	if (!s)
		return ENOMEM;
	pthread_mutex_init(&s->lock, NULL);

	int rc = signer_set_credentials(s, access_key, secret_key, token);

	if (!rc)
		rc = signer_set_region(s, region);
	if (rc)
		signer_free(s);
	else
		*out = s;
	return rc;
}

void signer_free(struct signer *s)
{
	if (!s)
		return;
	wipe(s->access_key);
	wipe(s->secret_key);
	wipe(s->token);
	pthread_mutex_destroy(&s->lock);
	explicit_bzero(s, sizeof(*s));
	free(s);
}

/* YYYYMMDDThhmmssZ */
static void amz_date(char out[17], int64_t now)
{
	char utc[24];
	size_t n = 0;

	clock_format_utc(utc, now);
	for (const char *c = utc; *c && n < 16; c++)
		if (*c != '-' && *c != ':')
			out[n++] = *c;
	out[n] = '\0';
}

static int put_lines(struct buf *lines, const struct sign_pair *headers, size_t count)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < count; i++) {
		if (!printable(headers[i].name) || !printable(headers[i].value))
			return EINVAL; /* a line break would make a header of its own */
		rc = buf_printf(lines, "%s: %s", headers[i].name, headers[i].value);
		if (!rc)
			rc = buf_put_u8(lines, 0);
	}
	return rc;
}

/* What one signature is made from; the scope names day, region and service. */
struct signing {
	char date[17], day[9];
	char scope[SIGN_REGION_MAX + 32];
	struct buf canonical, names, text;
};

/* The Authorization line. The lock is held. */
static int authorize(struct signer *s, const struct sign_request *request, struct signing *g, struct buf *lines)
{
	char signature[SIGN_HEX];
	int rc = 0;

	snprintf(g->scope, sizeof(g->scope), "%s/%s/" SERVICE "/aws4_request", g->day, s->region);
	if (strcmp(s->day, g->day) != 0)
		rc = sign_key(s->key, s->secret_key, g->day, s->region, SERVICE);
	if (rc)
		return rc;
	memcpy(s->day, g->day, sizeof(s->day));
	rc = sign_canonical(&g->canonical, &g->names, request);
	if (!rc)
		rc = sign_string(&g->text, g->date, g->scope, &g->canonical);
	if (!rc)
		rc = sign_hex(signature, s->key, &g->text);
	if (rc)
		return rc;

	const char *names = buf_text(&g->names);

	if (!names)
		return ENOMEM;
	rc = buf_printf(lines, "Authorization: " ALGORITHM " Credential=%s/%s, SignedHeaders=%s, Signature=%s", s->access_key, g->scope,
			names, signature);
	return rc ? rc : buf_put_u8(lines, 0);
}

int signer_headers(struct signer *s, const struct sign_request *request, int64_t now, struct buf *lines)
{
	struct sign_pair all[PAIRS_MAX];
	struct sign_request whole = *request;
	struct signing g = { 0 };

	if (request->header_count > PAIRS_MAX - 3)
		return EINVAL;
	amz_date(g.date, now);
	memcpy(g.day, g.date, 8);
	buf_init_secret(&g.canonical, CANONICAL_MAX);
	buf_init(&g.names, CANONICAL_MAX);
	buf_init(&g.text, CANONICAL_MAX);
	memcpy(all, request->headers, request->header_count * sizeof(*all));
	whole.headers = all;
	all[whole.header_count++] = (struct sign_pair){ "x-amz-date", g.date };
	all[whole.header_count++] = (struct sign_pair){ "x-amz-content-sha256", request->payload };

	pthread_mutex_lock(&s->lock);
	if (s->token)
		all[whole.header_count++] = (struct sign_pair){ "x-amz-security-token", s->token };

	int rc = put_lines(lines, all, whole.header_count);

	if (!rc)
		rc = authorize(s, &whole, &g, lines);
	pthread_mutex_unlock(&s->lock);
	buf_free(&g.canonical);
	buf_free(&g.names);
	buf_free(&g.text);
	return rc;
}

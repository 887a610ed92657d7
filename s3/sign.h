/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"

#include <sys/uio.h>

/* AWS Signature Version 4 as S3 wants it: the path is encoded once and never normalized. Every header given is signed.
 * The steps are functions of their own so that they can be held against the public test suite; requests use signer_headers(). */

#define SIGN_HEX 65       /* a SHA-256 in hex, with the NUL */
#define SIGN_REGION_MAX 64 /* bytes of a region's name with the NUL */
#define SIGN_UNSIGNED "UNSIGNED-PAYLOAD"
#define SIGN_EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" /* SHA-256 of nothing */

struct sign_pair {
	const char *name, *value;
};

/* A request before it is signed. All texts are plain (not encoded) and borrowed. */
struct sign_request {
	const char *method;
	const char *path; /* begins with "/" */
	const struct sign_pair *query;
	size_t query_count;
	const struct sign_pair *headers; /* "host" must be among them; names of any case */
	size_t header_count;
	const char *payload; /* SHA-256 of the body in hex, or SIGN_UNSIGNED */
};

/* Percent-encodes all but A-Z a-z 0-9 - . _ ~ (and "/" where keep_slash). 0, ENOBUFS, ENOMEM. */
int MUST_CHECK sign_encode(struct buf *out, const char *text, bool keep_slash);
/* "a=1&b=" encoded and sorted: the canonical query, which is also what goes into the URL. */
int MUST_CHECK sign_query(struct buf *out, const struct sign_pair *query, size_t count);
/* The canonical request; names: gets the list of signed headers ("host;range"). EINVAL: no headers, or too many. */
int MUST_CHECK sign_canonical(struct buf *out, struct buf *names, const struct sign_request *request);
/* date: YYYYMMDDThhmmssZ; scope: "20150830/us-east-1/s3/aws4_request". */
int MUST_CHECK sign_string(struct buf *out, const char *date, const char *scope, const struct buf *canonical);
/* The signing key of one day (YYYYMMDD), region and service. 0 or EIO. */
int MUST_CHECK sign_key(uint8_t key[32], const char *secret, const char *day, const char *region, const char *service);
/* The signature in hex. 0 or EIO. */
int MUST_CHECK sign_hex(char hex[SIGN_HEX], const uint8_t key[32], const struct buf *string_to_sign);

/* SHA-256 over all of iov in hex. 0 or EIO. */
int MUST_CHECK sign_payload(char hex[SIGN_HEX], const struct iovec *iov, int iovcnt);
/* Base64 of n <= 16 bytes (a checksum for a header), with the NUL. */
void sign_base64(char out[25], const uint8_t *data, size_t n);

/* Holds one identity, which may be changed while others sign. Any thread. */
struct signer;

/* All texts are copied, and wiped by signer_free. token may be NULL. 0, EINVAL (empty, or with control characters), ENOMEM. */
int signer_new(const char *access_key, const char *secret_key, const char *token, const char *region, struct signer **out);
void signer_free(struct signer *s);
DEFINE_AUTO(signer, signer_free)
/* Takes effect for the requests signed from now on; on an error the old ones stay. */
int signer_set_credentials(struct signer *s, const char *access_key, const char *secret_key, const char *token);
int signer_set_region(struct signer *s, const char *region);
/* Whether a signer takes it: letters, digits, "-", "." and "_", shorter than SIGN_REGION_MAX. */
bool sign_region_fits(const char *region);
void signer_region(struct signer *s, char out[SIGN_REGION_MAX]);

/* Appends to `lines` the header lines, each ended by a NUL, of a signed request: those given, x-amz-date, x-amz-content-sha256, the
 * session token where there is one, and Authorization. now: seconds since the epoch by the server's clock. `lines` should be a
 * secret buf. 0, EINVAL (a header with control characters, too many), ENOBUFS, ENOMEM, EIO (the library refused). */
int MUST_CHECK signer_headers(struct signer *s, const struct sign_request *request, int64_t now, struct buf *lines);

/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/s3_error.h"

#include "base/auto.h"

#include <errno.h>

#define REFUSED(code) { code, true }
#define IN_DOUBT(code) { code, false }

/* By code first: it says more than the status, and stands in answers with status 200 too. Codes of S3 itself, and those of MinIO
 * (XMinio..., SlowDownRead...), versitygw and Ceph that say something of their own. */
const struct s3_error_row s3_error_rows[] = {
	{ "NoSuchKey", REFUSED(ENOENT) },
	{ "NoSuchVersion", REFUSED(ENOENT) },
	{ "NoSuchLifecycleConfiguration", REFUSED(ENOENT) },
	{ "NoSuchUpload", REFUSED(ENODATA) },
	{ "NoSuchBucket", REFUSED(ENODEV) },
	{ "InvalidBucketName", REFUSED(ENODEV) },
	{ "PreconditionFailed", REFUSED(ESTALE) },

	{ "ObjectLocked", REFUSED(EPERM) },

	{ "AccessDenied", REFUSED(EACCES) },
	{ "AccessForbidden", REFUSED(EACCES) },
	{ "UnauthorizedAccess", REFUSED(EACCES) },
	{ "AllAccessDisabled", REFUSED(EACCES) },
	{ "AccountProblem", REFUSED(EACCES) },
	{ "InvalidAccessKeyId", REFUSED(EKEYREJECTED) },
	{ "SignatureDoesNotMatch", REFUSED(EKEYREJECTED) },
	{ "AuthorizationHeaderMalformed", REFUSED(EKEYREJECTED) },
	{ "ExpiredToken", REFUSED(EKEYREJECTED) },
	{ "InvalidToken", REFUSED(EKEYREJECTED) },
	{ "InvalidTokenId", REFUSED(EKEYREJECTED) },
	{ "TokenRefreshRequired", REFUSED(EKEYREJECTED) },
	{ "InvalidSecurity", REFUSED(EKEYREJECTED) },
	{ "MissingSecurityHeader", REFUSED(EKEYREJECTED) },
	{ "NotSignedUp", REFUSED(EKEYREJECTED) },
	{ "XAdminUserNotFound", REFUSED(EKEYREJECTED) }, /* versitygw, with 404 */
	{ "RequestTimeTooSkewed", REFUSED(ENOTRECOVERABLE) },
	{ "RequestExpired", REFUSED(ENOTRECOVERABLE) },

	{ "SlowDown", REFUSED(EAGAIN) },
	{ "SlowDownRead", IN_DOUBT(EAGAIN) },  /* MinIO: no read quorum */
	{ "SlowDownWrite", IN_DOUBT(EAGAIN) }, /* MinIO: no write quorum, some drives may have it */
	{ "ServiceUnavailable", IN_DOUBT(EAGAIN) },
	{ "ServerBusy", REFUSED(EAGAIN) },
	{ "Busy", REFUSED(EAGAIN) },
	{ "TooManyRequests", REFUSED(EAGAIN) },
	{ "RequestLimitExceeded", REFUSED(EAGAIN) },
	{ "Throttling", REFUSED(EAGAIN) },
	{ "ThrottlingException", REFUSED(EAGAIN) },
	{ "BandwidthLimitExceeded", REFUSED(EAGAIN) },
	{ "OperationAborted", REFUSED(EAGAIN) },
	{ "ConditionalRequestConflict", REFUSED(EAGAIN) },
	{ "ObjectSerializationConflict", REFUSED(EAGAIN) },
	{ "TemporaryRedirect", REFUSED(EAGAIN) },
	{ "XMinioServerNotInitialized", REFUSED(EAGAIN) },
	{ "XMinioIAMNotInitialized", REFUSED(EAGAIN) },
	{ "XMinioBucketMetadataNotInitialized", REFUSED(EAGAIN) },
	{ "RequestTimeout", REFUSED(ETIMEDOUT) }, /* the server waited for our bytes */

	{ "InternalError", IN_DOUBT(EREMOTEIO) },
	{ "XMinioBackendDown", IN_DOUBT(EREMOTEIO) },
	{ "XMinioObjectTampered", REFUSED(EREMOTEIO) },

	{ "BadDigest", REFUSED(EILSEQ) },
	{ "XAmzContentChecksumMismatch", REFUSED(EILSEQ) },
	{ "XAmzContentSHA256Mismatch", REFUSED(EILSEQ) },
	{ "IncompleteBody", REFUSED(EILSEQ) },

	{ "EntityTooLarge", REFUSED(EFBIG) },
	{ "MaxMessageLengthExceeded", REFUSED(EFBIG) },
	{ "QuotaExceeded", REFUSED(ENOSPC) },
	{ "InsufficientStorage", REFUSED(ENOSPC) },
	{ "StorageFull", REFUSED(ENOSPC) },
	{ "XMinioStorageFull", IN_DOUBT(ENOSPC) },
	{ "XMinioAdminBucketQuotaExceeded", REFUSED(ENOSPC) },

	{ "NotImplemented", REFUSED(EOPNOTSUPP) },
	{ "MethodNotAllowed", REFUSED(EOPNOTSUPP) },
	{ "InvalidObjectState", REFUSED(EOPNOTSUPP) }, /* it lies in an archive tier */
	{ "KeyTooLongError", REFUSED(ENAMETOOLONG) },

	{ "PermanentRedirect", REFUSED(EINVAL) },
	{ "InvalidRange", REFUSED(EINVAL) },
	{ "XMinioObjectExistsAsDirectory", REFUSED(EINVAL) }, /* 409, but waiting does not help */
	{ "ExistingObjectIsDirectory", REFUSED(EINVAL) },
	{ "ObjectParentIsFile", REFUSED(EINVAL) },
	{ "DirectoryObjectContainsData", REFUSED(EINVAL) },
	{ "InvalidBucketState", REFUSED(EINVAL) },
};
const size_t s3_error_row_count = ARRAY_LEN(s3_error_rows);

static const struct {
	int status;
	struct s3_verdict verdict;
} by_status[] = {
	{ 401, REFUSED(EKEYREJECTED) },
	{ 403, REFUSED(EACCES) },
	{ 405, REFUSED(EOPNOTSUPP) },
	{ 407, REFUSED(EACCES) },
	{ 408, REFUSED(ETIMEDOUT) },
	{ 409, REFUSED(EAGAIN) },
	{ 412, REFUSED(ESTALE) },
	{ 413, REFUSED(EFBIG) },
	{ 414, REFUSED(ENAMETOOLONG) },
	{ 429, REFUSED(EAGAIN) },
	{ 501, REFUSED(EOPNOTSUPP) },
	{ 503, IN_DOUBT(EAGAIN) },
	{ 507, IN_DOUBT(ENOSPC) },
	{ 509, REFUSED(EAGAIN) },
};

struct s3_verdict s3_verdict(int http_status, const char *s3_code, bool has_body)
{
	bool good = http_status >= 200 && http_status < 300;

	for (size_t i = 0; i < s3_error_row_count; i++)
		if (strcmp(s3_error_rows[i].s3_code, s3_code) == 0)
			return (struct s3_verdict){ s3_error_rows[i].verdict.code, s3_error_rows[i].verdict.definite && !good };
	for (size_t i = 0; i < ARRAY_LEN(by_status); i++)
		if (by_status[i].status == http_status)
			return by_status[i].verdict;
	if (http_status == 404)
		return (struct s3_verdict)REFUSED(has_body ? EBADMSG : ENOENT);
	if (http_status >= 400 && http_status < 500)
		return (struct s3_verdict)REFUSED(EINVAL);
	if (http_status >= 500 || (good && s3_code[0])) /* an error inside a 200 is a late 500 */
		return (struct s3_verdict)IN_DOUBT(EREMOTEIO);
	if (http_status >= 300)
		return (struct s3_verdict)REFUSED(EBADMSG);
	return (struct s3_verdict)IN_DOUBT(EBADMSG);
}

bool s3_error_is_lock(const char *s3_code, const char *message)
{
	if (strcmp(s3_code, "ObjectLocked") == 0)
		return true;
	if (strcmp(s3_code, "AccessDenied") != 0 && strcmp(s3_code, "InvalidRequest") != 0)
		return false;
	return strstr(message, "WORM protected") || strstr(message, "by object lock"); /* a refusal of rights may name the key */
}

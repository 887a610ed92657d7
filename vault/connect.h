/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/conf.h"
#include "crypto/keyring.h"
#include "s3/stores.h"
#include "vault/path.h"

/* From settings to a store and a key: shared by every program that opens a bucket, so that all take the same settings. */

/* The settings of a connection; a program puts them into its own table (conf.h). */
extern const struct conf_option connect_options[];
extern const size_t connect_option_count;

enum location_kind { LOCATION_S3, LOCATION_DIR };

/* "s3://BUCKET", "s3://BUCKET/PREFIX", "dir:/path". */
struct location {
	enum location_kind kind;
	char bucket[64];        /* S3 */
	char prefix[PATH_CAP];  /* "backups" where S3 names none; "" for dir */
	char folder[PATH_CAP];  /* dir */
	char shown[PATH_CAP];   /* for messages and /proc/mounts */
};

/* text NULL: the bucket of the settings. EINVAL with one line in error. */
int location_parse(const struct conf *conf, const char *text, struct location *out, char *error, size_t cap);

/* Whether the store can hold a name of these bytes: S3 takes only UTF-8. */
bool location_takes(const struct location *at, const char *name);

/* The store at that place under its layers (statistics, retries). stats, if wanted: the statistics layer, owned by the store. s3, if wanted: the S3
 * store itself, for new credentials; NULL for dir. 0; EINVAL: a setting is missing or wrong, one line in error; else errno. No request is made. */
int connect_store(const struct conf *conf, const struct location *at, struct store **out, struct store **stats, struct store **s3, char *error,
		  size_t cap);
/* The key of the settings: EINVAL and one line naming the setting where it is missing or refused. */
int connect_keys(const struct conf *conf, struct keyring **out, char *error, size_t cap);

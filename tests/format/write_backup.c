/* SPDX-License-Identifier: Apache-2.0 */
/* usage: write_backup KEYFILE STORE SOURCE TENANT NAME: puts the tree SOURCE (small files, folders, links) into the local store as TENANT/NAME and seals it, for the
 * check of restore.py. Again: seals what stands there now.
 * write_backup KEYFILE STORE --records TENANT NAME: writes every other kind of record about the sealed backup NAME, for the check of records.py; NAME is deleted in the end. */
#include "base/buf.h"
#include "s3/stores.h"
#include "vault/audit.h"
#include "vault/hold.h"
#include "vault/object.h"
#include "vault/policy.h"
#include "vault/sealer.h"
#include "vault/sweep.h"
#include "vault/tombstone.h"
#include "vault/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MOST (1u << 20)

/* nftw gives its callback nothing of ours. */
static struct vault *vault;
static const char *source, *target; /* of the vault: "tenant/name" */

static int slurp(const char *path, struct buf *out)
{
	uint8_t piece[4096];
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = fd < 0 ? errno : 0;

	while (!rc && (n = read(fd, piece, sizeof(piece))) > 0)
		rc = buf_put(out, piece, (size_t)n);
	if (fd >= 0)
		close(fd);
	return rc ? rc : n < 0 ? EIO : 0;
}

static int put_content(const char *key, const struct trailer *t, const void *data, size_t len)
{
	int rc = object_put_small(vault, key, data, len, t, &(struct store_cond){ .if_none_match = true }, NULL, NULL);

	return rc == EEXIST ? 0 : rc;
}

static int put_entry(const char *from, const struct stat *st)
{
	AUTO(buf_free) struct buf content;
	char path[PATH_CAP], key[PATH_CAP], link[PATH_CAP];
	struct trailer t;
	enum entry_type type = S_ISDIR(st->st_mode) ? ENTRY_FOLDER : S_ISLNK(st->st_mode) ? ENTRY_SYMLINK : ENTRY_FILE;
	int rc;

	buf_init(&content, FILE_MOST);
	if (snprintf(path, sizeof(path), "%s%s", target, from + strlen(source)) >= (int)sizeof(path))
		return ENAMETOOLONG;
	trailer_fresh(vault, &t, type, STATE_CLOSED, st->st_mode & 07777, st->st_uid, st->st_gid);
	t.mtime = st->st_mtim;
	if (type == ENTRY_FOLDER) {
		rc = strchr(path, '/') ? tree_make_folder(vault, path, &t, NULL) : 0; /* not the tenant's own */
		return rc == EEXIST ? 0 : rc;
	}
	rc = path_key(vault_rules(vault), key, path, false);
	if (!rc && type == ENTRY_SYMLINK) {
		ssize_t n = readlink(from, link, sizeof(link));

		rc = n < 0 ? errno : buf_put(&content, link, (size_t)n);
	} else if (!rc)
		rc = slurp(from, &content);
	return rc ? rc : put_content(key, &t, content.data, content.len);
}

static int visit(const char *from, const struct stat *st, int kind, struct FTW *at)
{
	int rc = kind == FTW_DNR || kind == FTW_NS ? EACCES : put_entry(from, st);

	if (rc)
		fprintf(stderr, "%s: %s\n", from, strerror(rc));
	return rc;
}

static int seal(const char *tenant, const char *stem)
{
	struct sealer_options options = { .source = SEAL_REQUEST };
	enum sealer_answer answer;
	char reason[256];
	int rc = sealer_run(vault, tenant, stem, &options, &answer, reason, sizeof(reason), NULL, NULL);

	if (!rc && answer != SEALER_DONE && answer != SEALER_SAME) {
		fprintf(stderr, "not sealed: %d %s\n", (int)answer, reason);
		rc = EIO;
	}
	return rc;
}

static int write_tree(const char *tenant, const char *stem)
{
	int rc = nftw(source, visit, 16, FTW_PHYS);

	return rc ? rc : seal(tenant, stem);
}

static int put_policy(const char *tenant)
{
	struct policy p;
	AUTO_FREE char *text = NULL;
	char key[PATH_CAP];
	int rc = path_record_key(vault_rules(vault), key, tenant, "control", "policy");

	policy_default(&p);
	p.keep_last = 3;
	p.max_age_s = 3650 * INT64_C(86400);
	if (!rc)
		rc = policy_encode(&p, &text);
	return rc ? rc : record_write(vault, key, text, strlen(text), NULL, NULL, NULL);
}

/* A run, which remembers what it saw, and leaves its lease behind. */
static int run_retention(const char *tenant)
{
	AUTO(sweep_report_free) struct sweep_report report = { 0 };
	struct sweep_config config = { .grace_s = -1, .policy_settle_s = -1 };
	int rc;

	policy_default(&config.policy);
	rc = sweep_tenant(vault, tenant, &config, &report);
	if (!rc && report.doubt != DOUBT_NONE) {
		fprintf(stderr, "retention stopped: %s\n", report.why);
		rc = EIO;
	}
	return rc;
}

static int write_records(const char *tenant, const char *stem)
{
	int rc = put_policy(tenant);

	if (!rc)
		rc = hold_add(vault, tenant, "held-20250101", "a \"dispute\", \xff", "the check", NULL);
	if (!rc)
		rc = trash_copy(vault, tenant, stem, "a file was overwritten", 3600, NULL);
	if (!rc)
		rc = sealer_reopen(vault, tenant, stem, "a file was overwritten", NULL);
	audit_note(vault, tenant, &(struct audit_line){ .event = AUDIT_RESTORED, .backup = stem, .detail = "read \"by\" \xfe\n" });
	if (!rc)
		rc = audit_flush(vault, tenant, NULL);
	if (!rc)
		rc = run_retention(tenant);
	if (!rc)
		rc = tombstone_put(vault, tenant, stem, "no longer needed \xfd", 3600, 7, NULL);
	return rc;
}

static int open_vault(const char *keyfile, const char *root)
{
	AUTO(buf_free) struct buf text;
	struct vault_config config = { .prefix = "backups", .memory = VAULT_MEMORY_MIN };
	struct keyring *keys;
	struct store *store;
	char error[1024];
	int rc;

	buf_init_secret(&text, 4096);
	rc = slurp(keyfile, &text);
	if (rc || keyring_parse((const char *)text.data, text.len, &keys, error, sizeof(error)))
		return EINVAL;
	rc = dir_store_new(root, &store);
	if (rc) {
		keyring_free(keys);
		return rc;
	}
	if (vault_open(&config, store, keys, &vault, error, sizeof(error)) == VAULT_OK)
		return 0;
	fprintf(stderr, "%s\n", error);
	return EIO;
}

int main(int argc, char **argv)
{
	char path[PATH_CAP];
	struct stem stem;
	int rc;

	if (argc != 6) {
		fputs("usage: write_backup KEYFILE STORE SOURCE|--records TENANT NAME\n", stderr);
		return 2;
	}
	source = argv[3];
	target = path;
	snprintf(path, sizeof(path), "%s/%s", argv[4], argv[5]);
	stem_of(argv[5], &stem);
	rc = open_vault(argv[1], argv[2]);
	if (!rc)
		rc = strcmp(source, "--records") == 0 ? write_records(argv[4], stem.text) : write_tree(argv[4], stem.text);
	if (vault && vault_close(vault) && !rc)
		rc = EIO;
	if (rc)
		fprintf(stderr, "write_backup: %s\n", strerror(rc));
	return rc ? 1 : 0;
}

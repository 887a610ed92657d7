/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_vault.h"

#include "vault/connect.h"

extern char **environ;

static int connect_all(const char *where, struct location *at, struct store **store, struct keyring **keys, char *error, size_t cap)
{
	char name[] = "bench", *words[] = { name, NULL };
	struct conf_input input = { .options = connect_options, .count = connect_option_count, .argc = 1, .argv = words, .environ_list = environ };
	AUTO(auto_conf_free) struct conf *conf = NULL;
	int rc = conf_load(&input, &conf, error, cap);

	if (!rc)
		rc = location_parse(conf, where, at, error, cap);
	if (!rc)
		rc = connect_keys(conf, keys, error, cap);
	return rc ? rc : connect_store(conf, at, store, NULL, NULL, error, cap);
}

struct vault *bench_vault(const char *where, const char *tenant, bool read_only)
{
	struct vault_config config = { .tenant = tenant, .read_only = read_only, .memory = VAULT_MEMORY_MIN };
	struct keyring *keys = NULL;
	struct store *store = NULL;
	struct vault *v = NULL;
	struct location at;
	char error[1024] = "";
	int rc = connect_all(where, &at, &store, &keys, error, sizeof(error));

	if (rc) {
		keyring_free(keys);
	} else {
		config.prefix = at.prefix;
		rc = vault_open(&config, store, keys, &v, error, sizeof(error)) != VAULT_OK;
	}
	if (rc)
		fprintf(stderr, "%s: %s\n", where, error);
	return v;
}

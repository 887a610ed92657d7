/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/tombstone_private.h"

#include "base/buf.h"
#include "base/rand.h"
#include "vault/audit.h"

#include <errno.h>
#include <stdio.h>

/* A sealed backup is written over by a Job that runs again under the same name: what it was goes to the trash as a copy. The record is written last, so a
 * trash without one is a copy that was not ended, and nobody's backup. */

struct keeping {
	struct place *to;
	size_t root;
	const struct guard *g;
};

static int copy_page(void *arg, const struct store_object *objects, size_t count)
{
	struct keeping *k = arg;
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++) {
		char to[PATH_CAP];

		if (snprintf(to, sizeof(to), "%s%s", k->to->prefix, objects[i].key + k->root) >= (int)sizeof(to))
			rc = ENAMETOOLONG;
		else
			rc = copy_verbatim(k->to->v, &objects[i], to, k->g);
	}
	return rc;
}

static int read_seal_text(struct vault *v, const char *tenant, const char *stem, char **text, struct store_call *call)
{
	char key[PATH_CAP];
	size_t len;
	int rc = path_record_key(&v->rules, key, tenant, "seals", stem);

	if (!rc)
		rc = record_read(v, key, text, &len, NULL, call);
	return rc == ENOENT || rc == EBADMSG ? 0 : rc;
}

/* Nobody will end it: whoever tries again begins anew. What cannot be removed now is nobody's backup, and stays until somebody looks. */
static void give_up(const struct place *to, struct store_call *user)
{
	struct store_call call = acting_call(to->v, user, 0);
	struct guard g = { .user = &call };
	bool versioned = false;

	call.cancel = NULL; /* it is the more to be tidied */
	place_erase(to, &g, &versioned);
}

int trash_copy(struct vault *v, const char *tenant, const char *stem, const char *why, int64_t grace_s, struct store_call *call)
{
	AUTO(tombstone_free) struct tombstone t = { .trashed = true };
	struct guard g = { .user = call };
	struct place from, to;
	struct place_sum sum;
	char key[PATH_CAP];
	uint8_t id[16];
	int rc = v->config.read_only ? EROFS : copy_text(t.stem, sizeof(t.stem), stem) ? EINVAL : place_live(v, tenant, stem, &from);

	rand_bytes(id, sizeof(id));
	hex_encode(t.id, id, sizeof(id));
	if (!rc)
		rc = place_trash(v, tenant, t.id, &to);
	if (!rc)
		rc = tombstone_key(v, tenant, &t, true, key);
	if (!rc)
		rc = place_sum(&from, &g, &sum);
	if (!rc && !sum.objects)
		rc = ENOENT;
	if (rc)
		return rc;
	rc = place_walk(&from, &g, copy_page, &(struct keeping){ &to, from.root, &g });
	if (!rc)
		rc = read_seal_text(v, tenant, stem, &t.seal, call);
	if (rc) {
		give_up(&to, call);
		return rc;
	}
	t.at_s = sum.server_s;
	t.until_s = sum.server_s + grace_s;
	t.objects = sum.objects;
	t.bytes = sum.bytes;
	t.why = strdup(why ? why : "");
	tombstone_by(v, t.by, sizeof(t.by));
	rc = t.why ? tombstone_write(v, key, &t, call) : ENOMEM;
	if (!rc)
		audit_note(v, tenant, &(struct audit_line){ .event = AUDIT_TOMBSTONED, .backup = stem, .detail = "a copy in the trash: its files are being written over",
							    .objects = t.objects, .bytes = t.bytes });
	else if (rc != EREMOTEIO && rc != ETIMEDOUT)
		give_up(&to, call); /* else the record may have been written */
	return rc;
}

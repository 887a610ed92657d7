/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/verify_audit.h"

#include "vault/catalog_private.h"

#include <errno.h>

/* A seal that is not there any more says nothing of itself. The audit log does: its lines are chained, and say of each backup whether its seal should stand, and which. */

struct entry {
	struct known_seal known; /* first: entries are given out by it */
	char (*older)[33];       /* owned: those told of before known.seal */
	size_t older_count;
	UT_hash_handle hh;       /* by known.stem */
};

struct known_seals {
	struct entry *entries;
};

static struct entry *find(const struct known_seals *k, const char *stem)
{
	struct entry *e;

	HASH_FIND_STR(k->entries, stem, e);
	return e;
}

static struct entry *find_or_add(struct known_seals *k, const char *stem)
{
	struct entry *e = find(k, stem);

	if (e)
		return e;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	copy_text(e->known.stem, sizeof(e->known.stem), stem);
	HASH_ADD_STR(k->entries, known.stem, e);
	if (e->hh.tbl)
		return e;
	free(e);
	return NULL;
}

void known_seals_free(struct known_seals *k)
{
	struct entry *e, *next;

	if (!k)
		return;
	HASH_ITER(hh, k->entries, e, next) {
		HASH_DEL(k->entries, e);
		free(e->older);
		free(e);
	}
	free(k);
}

const struct known_seal *known_seals_find(const struct known_seals *k, const char *stem)
{
	struct entry *e = find(k, stem);

	return e ? &e->known : NULL;
}

const struct known_seal *known_seals_next(const struct known_seals *k, const struct known_seal *before)
{
	struct entry *e = before ? find(k, before->stem) : NULL;

	e = before ? (e ? e->hh.next : NULL) : k->entries;
	return e ? &e->known : NULL;
}

bool known_seals_older(const struct known_seals *k, const char *stem, const char *seal)
{
	struct entry *e = find(k, stem);

	for (size_t i = 0; e && i < e->older_count; i++)
		if (strcmp(e->older[i], seal) == 0)
			return true;
	return false;
}

/* ---- reading */

static int sealed(struct entry *e, const char *seal)
{
	if (e->known.seal[0] && strcmp(e->known.seal, seal) != 0) {
		char(*grown)[33] = reallocarray(e->older, e->older_count + 1, sizeof(*grown));

		if (!grown)
			return ENOMEM;
		e->older = grown;
		memcpy(grown[e->older_count++], e->known.seal, sizeof(e->known.seal));
	}
	copy_text(e->known.seal, sizeof(e->known.seal), seal);
	e->known.stands = true;
	return 0;
}

/* Undeleted under its own name: with a seal made anew (told), or in place, where nothing but the tombstone went. Under another name, that one is told of as sealed. */
static int undeleted(struct entry *e, const struct audit_entry *line)
{
	if (line->seal[0])
		return sealed(e, line->seal);
	e->known.stands = e->known.seal[0] && line->detail && strcmp(line->detail, "in place") == 0;
	return 0;
}

static int take(struct known_seals *k, const struct audit_entry *line)
{
	bool of_seals = line->event == AUDIT_SEALED || line->event == AUDIT_TOMBSTONED || line->event == AUDIT_UNDELETED || audit_is_end(line);
	struct entry *e = of_seals && line->backup[0] ? find_or_add(k, line->backup) : NULL;

	if (!e)
		return of_seals && line->backup[0] ? ENOMEM : 0;
	if (line->event == AUDIT_SEALED)
		return sealed(e, line->seal);
	if (line->event == AUDIT_UNDELETED)
		return undeleted(e, line);
	e->known.stands = false;
	return 0;
}

static int see(void *arg, const char *text, size_t len)
{
	AUTO(audit_entry_free) struct audit_entry line = { 0 };
	int rc = audit_decode(text, len, &line);

	return rc ? rc : take(arg, &line);
}

int known_seals_read(struct vault *v, const char *tenant, struct known_seals **out, char *why, size_t cap, struct store_call *call)
{
	*out = calloc(1, sizeof(**out));
	return *out ? audit_read(v, tenant, see, *out, why, cap, call) : ENOMEM;
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/acting.h"
#include "vault/run_record.h"
#include "vault/sealer.h"

/* What the sealer's files share; for vault/ only. */

struct sealer_member { /* one object of the set, as listed */
	char *path;        /* below the tenant, without "/" at its end; owned */
	bool marker;       /* its key ends in "/" */
	bool scratch;      /* not of the backup */
	bool foreign;      /* loaded, and not ours */
	bool own;          /* the caller knew it, as it stands there */
	bool loaded;       /* trailer and id are known, or it is foreign */
	const struct seal_entry *sealed; /* it is what the old seal has under that path, and was not loaded */
	int rc;            /* why it could not be loaded: EBADMSG, ENOKEY, EPROTONOSUPPORT; EINVAL: its name is none of a file */
	uint64_t length;   /* bytes in the bucket */
	char etag[STORE_ETAG_MAX];
	uint8_t object[16];
	struct trailer attrs;
};

struct sealing { /* one attempt */
	struct vault *v;
	const char *tenant, *stem;
	const struct sealer_options *options;
	struct store_call *user;
	struct seal old;           /* empty: there is none */
	struct record_id old_id;
	bool replaces;             /* something stands where the seal goes: old_id says what */
	struct sealer_member *members; /* sorted by path */
	size_t count;
	bool hidden;               /* something of it stands there, and waits to be removed */
	bool archived;             /* the set has an archive of ours */
	char *reason;
	size_t cap;
};
void sealing_free(struct sealing *s);

/* Lists the set: what waits to be removed is not in it. */
int sealer_list(struct sealing *s);
/* Tells scratch, and reads what is not known of the rest. 0; ESTALE: it changed since it was listed; or a store errno. Members that are damaged or of another key
 * have that as their rc. */
int sealer_load(struct sealing *s);
/* Loads one that the old seal vouched for. As sealer_load. */
int sealer_load_one(struct sealing *s, struct sealer_member *m);
/* The first component of a path below the tenant. */
void sealer_top(char out[PATH_CAP], const char *path);
struct sealer_member *sealer_find(struct sealing *s, const char *path);
/* Whether a path of the set, below the tenant, is below a folder that is scratch. */
bool sealer_is_scratch(const struct sealing *s, const char *path);

/* Looks into the writers' records, *found being SEALER_DONE: SEALER_PARTIAL, and then the reason, where a path of the set failed, or the upload of a silent writer was
 * never finished, and nothing newer stands there; else SEALER_OPEN where a living one sends a file of it. Errors: nothing is known. */
int sealer_ask_writers(struct sealing *s, enum sealer_answer *found);

/* Says why, once: the first reason stays. */
void sealer_say(struct sealing *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

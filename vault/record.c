/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/record.h"

#include "base/log.h"
#include "vault/object_private.h"
#include "vault/pages.h"

#include <errno.h>

#define READ_TRIES 3 /* when others replace it between two requests */

/* ---- Reading */

static int check_kind(struct object *o, const char *key)
{
	struct trailer attrs;

	if (object_foreign(o)) {
		log_path(LOG_ERROR, "record", key, "not written by this program: somebody put it there, and it counts for nothing");
		return EBADMSG;
	}
	object_attrs(o, &attrs);
	if (attrs.type == ENTRY_RECORD)
		return 0;
	log_path(LOG_ERROR, "record", key, "a file stands in the place of a record: somebody moved it there, and it counts for nothing");
	return EBADMSG;
}

static void identify(struct object *o, const struct store_call *call, struct record_id *id)
{
	struct object_place place;
	struct trailer attrs;

	object_place(o, &place);
	object_attrs(o, &attrs);
	*id = (struct record_id){ .committed_s = attrs.committed.tv_sec, .server_date = call->server_date };
	memcpy(id->etag, place.etag, sizeof(id->etag));
	memcpy(id->object, object_keys(o)->id, sizeof(id->object));
}

/* At most `most` bytes from the beginning. */
static int read_text(struct vault *v, struct object *o, uint64_t most, char **text, size_t *len)
{
	size_t n = (size_t)min_u64(object_size(o), most), got = 0;
	AUTO_FREE char *bytes = malloc(n + 1);
	int rc = bytes ? object_read(v, o, 0, n, bytes, &got) : ENOMEM;

	if (!rc && got != n)
		rc = EBADMSG;
	if (rc)
		return rc;
	bytes[n] = '\0';
	*text = bytes;
	*len = n;
	bytes = NULL;
	return 0;
}

static int read_once(struct vault *v, const char *key, uint64_t most, bool cut, char **text, size_t *len, bool *whole, struct record_id *id,
		     struct store_call *call)
{
	AUTO(auto_object_unref) struct object *o = NULL;
	int rc = object_load(v, key, 0, &o, call);

	if (!rc)
		rc = check_kind(o, key);
	if (!rc && !cut && object_size(o) > most) {
		log_path(LOG_ERROR, "record", key, "too long to be read: %llu bytes", (unsigned long long)object_size(o));
		rc = EFBIG;
	}
	if (!rc)
		rc = read_text(v, o, most, text, len);
	if (rc)
		return rc;
	if (whole)
		*whole = object_size(o) <= most;
	if (id)
		identify(o, call, id);
	return 0;
}

static int read_begin(struct vault *v, const char *key, uint64_t most, bool cut, char **text, size_t *len, bool *whole, struct record_id *id,
		      struct store_call *user)
{
	struct store_call call = call_like(user, 0);
	int rc = ESTALE;

	*text = NULL;
	*len = 0;
	for (int i = 0; i < READ_TRIES && rc == ESTALE; i++)
		rc = read_once(v, key, most, cut, text, len, whole, id, &call);
	if (user) {
		user->err = call.err;
		user->server_date = call.server_date;
	}
	return rc;
}

int record_read(struct vault *v, const char *key, char **text, size_t *len, struct record_id *id, struct store_call *call)
{
	return read_begin(v, key, RECORD_MAX, false, text, len, NULL, id, call);
}

int record_peek(struct vault *v, const char *key, char **text, size_t *len, bool *whole, struct record_id *id, struct store_call *call)
{
	return read_begin(v, key, CHUNK_BYTES, true, text, len, whole, id, call);
}

/* ---- Writing */

int record_write(struct vault *v, const char *key, const char *text, size_t len, const struct record_id *old, struct record_id *id, struct store_call *user)
{
	struct store_call call = call_like(user, 0);
	struct store_cond cond = { .if_none_match = !old };
	AUTO(auto_object_unref) struct object *made = NULL;
	struct trailer attrs;

	if (old && copy_text(cond.if_match, sizeof(cond.if_match), old->etag))
		return EINVAL;
	if (old && !old->etag[0])
		return EINVAL; /* no condition at all */
	trailer_fresh(v, &attrs, ENTRY_RECORD, STATE_CLOSED, 0600, 0, 0);

	int rc = object_put_small(v, key, text, len, &attrs, &cond, &made, &call);

	if (user) {
		user->err = call.err;
		user->server_date = call.server_date;
	}
	if (!rc && id)
		identify(made, &call, id);
	return rc;
}

int record_remove(struct vault *v, const char *key, struct store_call *user)
{
	struct store_call call = call_like(user, v->config.meta_timeout_ms);
	int result, rc = v->config.read_only ? EROFS : v->store->ops->remove(v->store, &key, 1, &result, &call);

	if (rc && rc != EROFS && rc != ECANCELED)
		log_store("record", key, "cannot remove it", &call, rc);
	if (user) {
		user->err = call.err;
		user->server_date = call.server_date;
	}
	return rc;
}

/* ---- Listing */

void record_names_free(struct record_names *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->count; i++)
		free(n->names[i].name);
	free(n->names);
	*n = (struct record_names){ 0 };
}

/* Takes the names of a page over. skip: bytes of the keys before the name. */
static int take_page(struct record_names *all, const struct store_page *page, size_t skip)
{
	struct record_name *grown = realloc(all->names, (all->count + page->count + 1) * sizeof(*grown));

	if (!grown)
		return ENOMEM;
	all->names = grown;
	for (size_t i = 0; i < page->count; i++) {
		const struct store_object *o = &page->objects[i];

		if (o->prefix || !o->key[skip])
			continue;

		struct record_name *name = &grown[all->count];

		*name = (struct record_name){ .name = strdup(o->key + skip), .length = o->size, .modified = o->modified };
		if (!name->name)
			return ENOMEM;
		memcpy(name->etag, o->etag, sizeof(name->etag));
		all->count++;
	}
	return 0;
}

int record_list(struct vault *v, const char *tenant, const char *kind, struct record_names *out, struct store_call *user)
{
	char prefix[PATH_CAP];
	AUTO(pages_free) struct pages pages = { .v = v, .prefix = prefix, .delimiter = '/' };
	AUTO(record_names_free) struct record_names all = { 0 };
	int rc = path_record_key(&v->rules, prefix, tenant, kind, "");

	*out = (struct record_names){ 0 };
	while (!rc && pages_left(&pages)) {
		struct store_call call = call_like(user, v->config.meta_timeout_ms);
		struct store_page page = { 0 };

		rc = pages_next(&pages, &page, &call);
		if (rc && rc != ECANCELED)
			log_store("record", prefix, "cannot list the records", &call, rc);
		if (!rc)
			rc = take_page(&all, &page, strlen(prefix));
		store_page_free(&page);
		if (user) {
			user->err = call.err;
			user->server_date = call.server_date;
		}
	}
	if (rc || !all.count)
		return rc;
	*out = all;
	all = (struct record_names){ 0 };
	return 0;
}

static int by_name(const void *key, const void *item)
{
	return strcmp(key, ((const struct record_name *)item)->name);
}

const struct record_name *record_names_find(const struct record_names *n, const char *name)
{
	return n->count ? bsearch(name, n->names, n->count, sizeof(*n->names), by_name) : NULL;
}

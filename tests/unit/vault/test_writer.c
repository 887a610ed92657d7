/* SPDX-License-Identifier: Apache-2.0 */
/* The writer against a model: random writes, cuts, commits, sends and early commits on a store whose parts are two chunks; and every ciphertext that
 * leaves the process is opened again to check INV-PREFIX. */
#include "vault/writer.h"

#include "base/clock.h"
#include "base/rand.h"
#include "crypto/header.h"
#include "s3/layer.h"
#include "vault/tree.h"
#include "vault/vault_private.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define PATH "acme/file"
#define KEY "backups/acme/file"

/* ---- a layer that keeps every body of a put or part */

struct sent {
	uint8_t *bytes;
	size_t len;
	char upload[64]; /* its id, "" for a put */
	struct sent *next;
};

struct spy {
	struct layer layer;
	pthread_mutex_t lock;
	struct sent *first;
};

static int spy_around(struct layer *l, struct layer_request *r)
{
	struct spy *spy = (struct spy *)l;

	if ((r->op == STORE_PUT || r->op == STORE_PART) && strstr(r->key, KEY)) {
		struct sent *s = calloc(1, sizeof(*s));

		s->bytes = malloc(store_iov_bytes(r->iov, r->iovcnt) + 1);
		for (int i = 0; i < r->iovcnt; i++) {
			memcpy(s->bytes + s->len, r->iov[i].iov_base, r->iov[i].iov_len);
			s->len += r->iov[i].iov_len;
		}
		snprintf(s->upload, sizeof(s->upload), "%s", r->op == STORE_PART ? r->upload_id : "");
		pthread_mutex_lock(&spy->lock);
		s->next = spy->first;
		spy->first = s;
		pthread_mutex_unlock(&spy->lock);
	}
	return layer_below(l, r);
}

struct world {
	struct store *fault;
	struct spy *spy;
	struct vault *v;
	struct writer *w;
};

static int setup(void **state)
{
	static const char key_text[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
	const struct store_limits limits = { .part_min = 100000, .part_max = 4u << 20, .parts_max = 200, .copy_max = 300000, .put_max = 4u << 20,
					     .object_max = 64u << 20, .key_max = 1024, .segment_max = 255, .delete_max = 10, .list_max = 10 };
	struct vault_config config = { .prefix = "backups", .memory = VAULT_MEMORY_MIN, .part_bytes = 2 * CHUNK_BYTES };
	struct world *t = calloc(1, sizeof(*t));
	struct store *mem, *fault;
	struct layer *layer;
	struct keyring *keys;
	char error[512];

	assert_int_equal(mem_store_new(&limits, &mem), 0);
	assert_int_equal(fault_store_new(mem, &fault), 0);
	t->fault = fault;
	assert_int_equal(layer_new(sizeof(struct spy), fault, spy_around, &layer), 0);
	t->spy = (struct spy *)layer;
	pthread_mutex_init(&t->spy->lock, NULL);
	assert_int_equal(keyring_parse(key_text, strlen(key_text), &keys, error, sizeof(error)), 0);
	if (vault_open(&config, &layer->base, keys, &t->v, error, sizeof(error)) != VAULT_OK)
		fail_msg("%s", error);
	*state = t;
	return 0;
}

static void forget_sent(struct world *t)
{
	while (t->spy->first) {
		struct sent *s = t->spy->first;

		t->spy->first = s->next;
		free(s->bytes);
		free(s);
	}
}

static int teardown(void **state)
{
	struct world *t = *state;

	fault_store_clear(t->fault);
	writer_free(t->w);
	forget_sent(t);
	vault_close(t->v);
	free(t);
	return 0;
}

static struct trailer attrs(void)
{
	return (struct trailer){ .type = ENTRY_FILE, .mode = 0640, .uid = 5, .gid = 6, .mtime = { 1700000000, 123456789 } };
}

static void make(struct world *t, struct object *object, bool truncate)
{
	struct trailer a = attrs();

	writer_free(t->w);
	t->w = NULL;
	assert_int_equal(writer_new(t->v, PATH, object, truncate, &a, &t->w), 0);
}

/* As the mount does: a refused request waits and asks for relief. */
static int patient_write(struct world *t, uint64_t at, const void *data, size_t len)
{
	int rc;

	for (int i = 0; (rc = writer_write(t->w, at, data, len)) == EAGAIN && i < 5000; i++) {
		writers_relieve(t->v);
		clock_sleep_ms(1);
	}
	return rc;
}

static int patient_resize(struct world *t, uint64_t size)
{
	int rc;

	for (int i = 0; (rc = writer_resize(t->w, size)) == EAGAIN && i < 5000; i++)
		clock_sleep_ms(1);
	return rc;
}

static struct object *stored(struct world *t)
{
	struct object *o = NULL;

	assert_int_equal(object_load(t->v, KEY, 0, &o, NULL), 0);
	return o;
}

enum { ANY_STATE = 99 };

static void check_stored(struct world *t, const uint8_t *model, size_t size, int want)
{
	AUTO(auto_object_unref) struct object *o = stored(t);
	AUTO_FREE uint8_t *out = malloc(size + 1);
	struct trailer a;
	size_t got;

	assert_int_equal(object_size(o), size);
	assert_int_equal(object_read(t->v, o, 0, size + 1, out, &got), 0);
	assert_int_equal(got, size);
	assert_memory_equal(out, model, size);
	object_attrs(o, &a);
	if (want != ANY_STATE)
		assert_int_equal(a.state, want);
	assert_int_equal(a.mode, 0640);
	assert_int_equal(a.mtime.tv_nsec, 123456789);
}

/* ---- INV-PREFIX over everything that was sent */

struct seen {
	uint8_t id[16];
	uint64_t k;
	size_t len;
	uint8_t *plain;
};

struct seen_list {
	struct seen *items;
	size_t count;
};

static void saw(struct seen_list *l, const uint8_t id[16], uint64_t k, const uint8_t *plain, size_t len)
{
	for (size_t i = 0; i < l->count; i++) {
		struct seen *s = &l->items[i];

		if (memcmp(s->id, id, 16) == 0 && s->k == k)
			assert_memory_equal(s->plain, plain, min_size(len, s->len));
	}
	l->items = realloc(l->items, (l->count + 1) * sizeof(*l->items));
	l->items[l->count] = (struct seen){ .k = k, .len = len, .plain = malloc(len + 1) };
	memcpy(l->items[l->count].id, id, 16);
	memcpy(l->items[l->count].plain, plain, len);
	l->count++;
}

enum { MOST_CHUNKS = 26 };

/* Opens a record by trying chunk numbers and both kinds. */
static bool open_record(const struct object_key *key, const uint8_t *in, size_t len, uint64_t hint, uint8_t *plain, uint64_t *k)
{
	for (uint64_t i = 0; i < MOST_CHUNKS; i++) {
		*k = (hint + i) % MOST_CHUNKS;
		for (int kind = CHUNK_INNER; kind <= CHUNK_LAST; kind++) {
			memcpy(plain, in + 12, len - 28);
			if (chunk_open(key, *k, kind, in, plain, len - 28, in + len - 16) == 0)
				return true;
		}
	}
	return false;
}

/* Every record of a body under one key: false when the first does not open, so it is not that key. */
static bool open_body(const struct object_key *key, const struct sent *s, size_t at, struct seen_list *list)
{
	static uint8_t plain[CHUNK_BYTES];
	uint64_t k = 0;
	bool first = true;

	while (s->len - at > TRAILER_BYTES) {
		size_t left = s->len - at, len = left >= RECORD_BYTES ? RECORD_BYTES : left - TRAILER_BYTES;
		bool opened = open_record(key, s->bytes + at, len, first ? 0 : k + 1, plain, &k);

		if (!opened && left >= RECORD_BYTES && left < RECORD_BYTES + TRAILER_BYTES) {
			len = left - TRAILER_BYTES; /* so long a last chunk that with its trailer it looks like a full one */
			opened = open_record(key, s->bytes + at, len, first ? 0 : k + 1, plain, &k);
		}
		if (!opened && first)
			return false;
		assert_true(opened);
		saw(list, key->id, k, plain, len - RECORD_EXTRA);
		first = false;
		at += len;
	}
	return true;
}

/* Parts of one upload come one after the other: the key that opened the last one. */
struct known {
	const char *upload;
	const struct object_key *key;
};

/* The key of an upload whose first part brought no header (growth): that of some object before. */
static void open_headless(struct object_key *const *keys, const struct sent *s, struct known *last, struct seen_list *list)
{
	if (strcmp(last->upload, s->upload) == 0 && open_body(last->key, s, 0, list))
		return;
	for (size_t i = 0; keys[i]; i++) {
		if (!open_body(keys[i], s, 0, list))
			continue;
		*last = (struct known){ s->upload, keys[i] };
		return;
	}
	fail_msg("a part of %zu bytes opens under no key", s->len);
}

static void check_prefixes(struct world *t)
{
	struct object_key **keys = calloc(1, sizeof(*keys));
	struct seen_list list = { 0 };
	struct known last = { "", NULL };
	size_t count = 0;

	for (struct sent *s = t->spy->first; s; s = s->next) {
		if (!header_has_magic(s->bytes, s->len))
			continue;
		keys = realloc(keys, (count + 2) * sizeof(*keys));
		keys[count] = malloc(sizeof(**keys));
		assert_int_equal(header_open(vault_keys(t->v), s->bytes, keys[count], NULL), HEADER_OK);
		assert_true(open_body(keys[count], s, HEADER_BYTES, &list));
		keys[++count] = NULL;
	}
	for (struct sent *s = t->spy->first; s; s = s->next)
		if (!header_has_magic(s->bytes, s->len))
			open_headless(keys, s, &last, &list);
	for (size_t i = 0; i < list.count; i++)
		free(list.items[i].plain);
	for (size_t i = 0; i < count; i++)
		free(keys[i]);
	free(list.items);
	free(keys);
}

/* ---- the walk */

enum { LARGEST = 1500000 };

struct walk {
	uint8_t bytes[LARGEST];
	size_t size;
};

static void walk_write(struct world *t, struct walk *m)
{
	static uint8_t data[300000];
	size_t at = m->size, len = 1 + rand_below(150000);

	switch (rand_below(8)) {
	case 0: /* anywhere */
		at = rand_below((uint32_t)m->size + 1);
		break;
	case 1: /* beyond the end: a hole */
		at = m->size + rand_below(100000);
		break;
	case 2: /* short */
		len = 1 + rand_below(300);
		break;
	default: /* as the kernel does: the tail's page again, then on */
		at = m->size & ~(size_t)4095;
		break;
	}
	if (at >= LARGEST)
		return;
	len = min_size(len + (m->size > at ? m->size - at : 0), min_size(sizeof(data), LARGEST - at));

	uint8_t seed = (uint8_t)rand_below(256);
	bool tail = at == (m->size & ~(size_t)4095);

	for (size_t i = 0; i < len; i++)
		data[i] = tail && at + i < m->size ? m->bytes[at + i] : (uint8_t)(seed + i * 7 + (i >> 9));
	assert_int_equal(patient_write(t, at, data, len), 0);
	if (at > m->size)
		memset(m->bytes + m->size, 0, at - m->size);
	memcpy(m->bytes + at, data, len);
	m->size = max_size(m->size, at + len);
}

static void walk_resize(struct world *t, struct walk *m)
{
	size_t size = rand_below(4) ? rand_below((uint32_t)m->size + 50000) : 0;

	size = min_size(size, LARGEST);
	assert_int_equal(patient_resize(t, size), 0);
	if (size > m->size)
		memset(m->bytes + m->size, 0, size - m->size);
	m->size = size;
}

static void walk_read(struct world *t, struct walk *m)
{
	static uint8_t out[LARGEST];
	size_t at = rand_below((uint32_t)m->size + 1), len = 1 + rand_below(200000), got;

	assert_int_equal(writer_read(t->w, at, len, out, &got), 0);
	assert_int_equal(got, min_size(len, m->size - at));
	assert_memory_equal(out, m->bytes + at, got);
}

static void walk_step(struct world *t, struct walk *m)
{
	struct object *o;

	switch (rand_below(20)) {
	case 0:
		walk_resize(t, m);
		break;
	case 1:
	case 2:
		walk_read(t, m);
		break;
	case 3:
	case 4: /* what was committed early and did not change since keeps its state */
		assert_int_equal(writer_commit(t->w, STATE_CLOSED, rand_below(2) ? WRITER_DROP : WRITER_KEEP), 0);
		check_stored(t, m->bytes, m->size, ANY_STATE);
		break;
	case 5:
		assert_int_equal(writer_send(t->w, STATE_CLOSED), 0);
		break;
	case 6:
		writers_relieve(t->v);
		break;
	case 7: /* closed and opened again: no licence to grow */
		assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), 0);
		o = stored(t);
		make(t, o, false);
		object_unref(o);
		break;
	default:
		walk_write(t, m);
	}
}

static void random_walk(void **state)
{
	static struct walk m;
	struct world *t = *state;
	const char *more = getenv("WRITER_WALK_STEPS");
	int steps = more ? (int)strtol(more, NULL, 10) : 250;

	m.size = 0;
	make(t, NULL, false);
	for (int i = 0; i < steps; i++)
		walk_step(t, &m);
	assert_int_equal(writer_commit(t->w, STATE_KILLED, WRITER_DROP), 0);
	writer_free(t->w);
	t->w = NULL;
	check_prefixes(t);
}

/* ---- single promises */

static const uint8_t *pattern(size_t len)
{
	static uint8_t p[2000000];

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 31 + (i >> 11));
	return p;
}

static void append(struct world *t, size_t from, size_t to, size_t step)
{
	const uint8_t *p = pattern(to);

	for (size_t at = from; at < to; at += step)
		assert_int_equal(patient_write(t, at, p + at, min_size(step, to - at)), 0);
}

static void a_stream_is_one_object(void **state)
{
	struct world *t = *state;

	make(t, NULL, false);
	append(t, 0, 1200000, 10240);
	assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), 0);
	check_stored(t, pattern(1200000), 1200000, STATE_CLOSED);
}

static void a_hole_keeps_its_part_back(void **state)
{
	struct world *t = *state;
	const uint8_t *p = pattern(1200000);

	make(t, NULL, false);
	assert_int_equal(patient_write(t, 0, p, 2048), 0); /* the cut tail page */
	for (size_t at = 4096; at < 1200000; at += 65536)
		assert_int_equal(patient_write(t, at, p + at, min_size(65536, 1200000 - at)), 0);
	assert_int_equal(patient_write(t, 0, p, 4096), 0); /* its next pass, much later */
	assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), 0);
	check_stored(t, p, 1200000, STATE_CLOSED);
	check_prefixes(t);
}

static void growth_keeps_the_object_id_and_change_does_not(void **state)
{
	struct world *t = *state;

	make(t, NULL, false);
	append(t, 0, 700000, 50000);
	assert_int_equal(writer_commit(t->w, STATE_OPEN, WRITER_DROP), 0);

	AUTO(auto_object_unref) struct object *first = stored(t);

	append(t, 700000, 1400000, 50000);
	assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), 0);

	AUTO(auto_object_unref) struct object *grown = stored(t);

	check_stored(t, pattern(1400000), 1400000, STATE_CLOSED);
	assert_memory_equal(object_keys(first)->id, object_keys(grown)->id, 16);
	assert_int_equal(patient_write(t, 10, "X", 1), 0);
	assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), 0);

	AUTO(auto_object_unref) struct object *changed = stored(t);

	assert_memory_not_equal(object_keys(first)->id, object_keys(changed)->id, 16);
	check_prefixes(t);
}

static void failed_part_latches(void **state)
{
	struct world *t = *state;
	struct writer_look look;
	struct object *o = NULL;

	make(t, NULL, false);
	fault_store_add(t->fault, &(struct fault_rule){ .op = STORE_PART, .skip = 2, .times = 1, .action = FAULT_FAIL, .error = EREMOTEIO });
	for (size_t at = 0; at < 1200000; at += 10000)
		patient_write(t, at, pattern(1200000) + at, 10000);
	assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), EIO);
	assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), EIO); /* for every closer */
	assert_int_equal(writer_write(t->w, 0, "x", 1), EIO);
	writer_look(t->w, &look);
	assert_int_equal(look.error, EIO);
	assert_int_equal(object_load(t->v, KEY, 0, &o, NULL), ENOENT); /* never a shorter object */
	assert_int_equal(patient_resize(t, 0), 0);
	append(t, 0, 300000, 10000);
	assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), 0);
	check_stored(t, pattern(300000), 300000, STATE_CLOSED);
}

static void lost_replies_are_resolved(void **state)
{
	struct world *t = *state;

	make(t, NULL, false);
	append(t, 0, 5000, 5000);
	fault_store_add(t->fault, &(struct fault_rule){ .op = STORE_PUT, .key_part = KEY, .times = 1, .action = FAULT_LOSE_REPLY, .error = ETIMEDOUT });
	assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), 0);
	check_stored(t, pattern(5000), 5000, STATE_CLOSED);
	append(t, 5000, 900000, 10000);
	fault_store_add(t->fault, &(struct fault_rule){ .op = STORE_COMPLETE, .times = 1, .action = FAULT_LOSE_REPLY, .error = ENODATA });
	assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), 0);
	check_stored(t, pattern(900000), 900000, STATE_CLOSED);
}

static void refused_put_is_not_saved(void **state)
{
	struct world *t = *state;
	struct object *o = NULL;

	make(t, NULL, false);
	append(t, 0, 5000, 5000);
	fault_store_add(t->fault, &(struct fault_rule){ .op = STORE_PUT, .key_part = KEY, .times = 1, .action = FAULT_FAIL, .error = ENOSPC });
	assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), ENOSPC);
	assert_int_equal(object_load(t->v, KEY, 0, &o, NULL), ENOENT);
}

/* Another mount's writer on the same path. */
static void another_writer(void *arg)
{
	struct world *t = arg;
	struct trailer a = attrs();

	a.mtime.tv_sec = 1;
	assert_int_equal(object_put_small(t->v, KEY, "other", 5, &a, NULL, NULL, NULL), 0);
}

static void a_younger_object_is_never_replaced(void **state)
{
	struct world *t = *state;

	make(t, NULL, false);
	append(t, 0, 5000, 5000);
	fault_store_add(t->fault, &(struct fault_rule){ .op = STORE_PUT, .key_part = KEY, .times = 1, .action = FAULT_CALLBACK, .fn = another_writer, .arg = t });
	assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), EIO);

	AUTO(auto_object_unref) struct object *o = stored(t);

	assert_int_equal(object_size(o), 5);
}

static void an_older_object_is_replaced_once(void **state)
{
	struct world *t = *state;

	another_writer(t);
	clock_sleep_ms(2050); /* times of objects have whole seconds, and so has the store's clock */
	make(t, NULL, false); /* believes that nothing stands there */
	append(t, 0, 5000, 5000);
	assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), 0);
	check_stored(t, pattern(5000), 5000, STATE_CLOSED);
}

static const struct store_ops *true_ops;

/* A server whose clock is five minutes behind ours. */
static int head_behind(struct store *s, const char *key, struct store_meta *meta, struct store_call *call)
{
	struct store_call own = { 0 };
	int rc = true_ops->head(s, key, meta, call ? call : &own);

	meta->modified -= 300;
	if (call)
		call->server_date -= 300;
	return rc;
}

static void younger_by_the_stores_clock_is_younger(void **state)
{
	struct world *t = *state;
	struct store *s = vault_store(t->v);
	struct store_ops ops = *s->ops;

	make(t, NULL, false);
	append(t, 0, 5000, 5000);
	fault_store_add(t->fault, &(struct fault_rule){ .op = STORE_PUT, .key_part = KEY, .times = 1, .action = FAULT_CALLBACK, .fn = another_writer, .arg = t });
	true_ops = s->ops;
	ops.head = head_behind;
	s->ops = &ops;

	int rc = writer_commit(t->w, STATE_CLOSED, WRITER_DROP);

	s->ops = true_ops;
	assert_int_equal(rc, EIO);

	AUTO(auto_object_unref) struct object *o = stored(t);

	assert_int_equal(object_size(o), 5);
}

static void append_to_a_replaced_object_fails(void **state)
{
	struct world *t = *state;

	make(t, NULL, false);
	append(t, 0, 5000, 5000);
	assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), 0);

	AUTO(auto_object_unref) struct object *o = stored(t);

	make(t, o, false);
	another_writer(t);
	append(t, 5000, 6000, 1000);
	assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), EIO);

	AUTO(auto_object_unref) struct object *there = stored(t);

	assert_int_equal(object_size(there), 5);
}

static void unlinked_is_never_sent(void **state)
{
	struct world *t = *state;
	struct object *o = NULL;

	make(t, NULL, false);
	append(t, 0, 1200000, 50000);
	writer_unlinked(t->w, true);
	assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), 0);
	assert_int_equal(object_load(t->v, KEY, 0, &o, NULL), ENOENT);
	writer_free(t->w);
	t->w = NULL;

	struct store_uploads left = { 0 };

	assert_int_equal(vault_store(t->v)->ops->list_uploads(vault_store(t->v), KEY, &left, NULL), 0);
	assert_int_equal(left.count, 0);
	store_uploads_free(&left);
}

static void rename_before_during_and_after(void **state)
{
	struct world *t = *state;
	struct object *o = NULL;
	const char *to = "backups/acme/moved";

	for (int round = 0; round < 3; round++) {
		size_t size = round == 1 ? 1200000 : 5000;

		make(t, NULL, false);
		append(t, 0, size, 50000);
		if (round == 2)
			assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), 0);
		assert_int_equal(writer_rename(t->w, "acme/moved", NULL), 0);
		assert_int_equal(tree_send_removals(t->v, ""), 0);
		append(t, size, size + 1000, 1000);
		assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), 0);
		assert_int_equal(object_load(t->v, KEY, 0, &o, NULL), ENOENT);
		assert_int_equal(object_load(t->v, to, 0, &o, NULL), 0);
		assert_int_equal(object_size(o), size + 1000);
		object_unref(o);
		o = NULL;
		assert_int_equal(tree_remove_later(t->v, "acme/moved", false), 0);
		assert_int_equal(tree_send_removals(t->v, ""), 0);
	}
}

static void attributes_alone_rewrite_the_trailer(void **state)
{
	struct world *t = *state;
	struct trailer a;
	struct writer_look look;

	make(t, NULL, false);
	append(t, 0, 600000, 50000);
	assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), 0);
	a = attrs();
	a.mode = 0444;
	writer_set_attrs(t->w, &a);
	writer_look(t->w, &look);
	assert_true(look.attrs_dirty && !look.dirty);
	assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), 0);

	AUTO(auto_object_unref) struct object *o = stored(t);

	object_attrs(o, &a);
	assert_int_equal(a.mode, 0444);
	assert_int_equal(object_size(o), 600000);
}

static void the_largest_file_is_a_clear_error(void **state)
{
	struct world *t = *state;

	make(t, NULL, false);
	assert_int_equal(writer_write(t->w, writer_largest(t->v), "x", 1), EFBIG);
	assert_int_equal(writer_resize(t->w, writer_largest(t->v) + 1), EFBIG);
	assert_int_equal(writer_write(t->w, 0, "x", 1), 0);
}

/* One thread, many files, more bytes than memory: nobody waits for himself. */
static void many_files_in_turn(void **state)
{
	struct world *t = *state;
	enum { FILES = 30, BYTES = 1500000, STEP = 50000 };
	struct writer *all[FILES];
	const uint8_t *p = pattern(BYTES);
	struct trailer a = attrs();
	char path[64];

	for (int i = 0; i < FILES; i++) {
		snprintf(path, sizeof(path), "acme/many-%d", i);
		assert_int_equal(writer_new(t->v, path, NULL, false, &a, &all[i]), 0);
	}
	for (size_t at = 0; at < BYTES; at += STEP)
		for (int i = 0; i < FILES; i++) {
			t->w = all[i];
			assert_int_equal(patient_write(t, at, p + at, STEP), 0);
		}
	t->w = NULL;
	for (int i = 0; i < FILES; i++) {
		struct object *o;
		static uint8_t out[BYTES];
		size_t got;

		assert_int_equal(writer_commit(all[i], STATE_CLOSED, WRITER_DROP), 0);
		o = writer_object(all[i]);
		assert_int_equal(object_read(t->v, o, 0, BYTES, out, &got), 0);
		assert_int_equal(got, BYTES);
		assert_memory_equal(out, p, BYTES);
		object_unref(o);
		writer_free(all[i]);
	}
}

/* What another mount wrote at the old name before the rename stays. */
static void a_rename_spares_anothers_file(void **state)
{
	struct world *t = *state;

	make(t, NULL, false);
	append(t, 0, 5000, 5000);
	assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), 0);

	AUTO(auto_object_unref) struct object *o = stored(t);

	make(t, o, true);
	append(t, 0, 3000, 3000);
	another_writer(t);
	assert_int_equal(writer_rename(t->w, "acme/moved", NULL), 0);
	assert_int_equal(tree_send_removals(t->v, ""), 0);

	AUTO(auto_object_unref) struct object *there = stored(t);

	assert_int_equal(object_size(there), 5);
}

/* A child's close where the file ends exactly with a part of a grown upload: the next part is planned, and empty. */
static void a_childs_close_at_the_end_of_a_part(void **state)
{
	struct world *t = *state;

	for (size_t chunks = 18; chunks < 22; chunks++) {
		make(t, NULL, false);
		append(t, 0, 16 * CHUNK_BYTES, 50000);
		assert_int_equal(writer_commit(t->w, STATE_OPEN, WRITER_DROP), 0);
		append(t, 16 * CHUNK_BYTES, chunks * CHUNK_BYTES, 50000);
		assert_int_equal(writer_send(t->w, STATE_OPEN), 0);
		assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), 0);
		check_stored(t, pattern(chunks * CHUNK_BYTES), chunks * CHUNK_BYTES, ANY_STATE);
		assert_int_equal(tree_remove_later(t->v, PATH, false), 0);
		assert_int_equal(tree_send_removals(t->v, ""), 0);
	}
}

/* The last chunk left was sent as an inner one: it must not end the object. */
static void cut_where_a_part_ends(void **state)
{
	struct world *t = *state;

	for (unsigned extra = 0; extra < 3; extra++) {
		make(t, NULL, false);
		append(t, 0, 4 * CHUNK_BYTES + 1, 50000);
		clock_sleep_ms(50); /* both parts are sent by now, most of the time */
		if (extra == 1)
			assert_int_equal(writer_send(t->w, STATE_CLOSED), 0);
		assert_int_equal(patient_resize(t, 4 * CHUNK_BYTES), 0);
		if (extra == 2)
			append(t, 4 * CHUNK_BYTES, 5 * CHUNK_BYTES, 50000);
		assert_int_equal(writer_commit(t->w, STATE_CLOSED, WRITER_DROP), 0);
		check_stored(t, pattern(5 * CHUNK_BYTES), (extra == 2 ? 5 : 4) * CHUNK_BYTES, ANY_STATE);
		assert_int_equal(tree_remove_later(t->v, PATH, false), 0);
		assert_int_equal(tree_send_removals(t->v, ""), 0);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(random_walk), T(a_stream_is_one_object), T(a_hole_keeps_its_part_back), T(growth_keeps_the_object_id_and_change_does_not),
		T(failed_part_latches), T(lost_replies_are_resolved), T(refused_put_is_not_saved), T(a_younger_object_is_never_replaced),
		T(an_older_object_is_replaced_once), T(younger_by_the_stores_clock_is_younger), T(append_to_a_replaced_object_fails), T(unlinked_is_never_sent),
		T(rename_before_during_and_after), T(attributes_alone_rewrite_the_trailer), T(the_largest_file_is_a_clear_error),
		T(many_files_in_turn), T(cut_where_a_part_ends), T(a_rename_spares_anothers_file), T(a_childs_close_at_the_end_of_a_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/layer.h"

/* Counters only grow, each by itself: a reader may see a call counted and its bytes not yet. */
struct stats_store {
	struct layer layer;
	atomic_uint_fast64_t calls[STORE_OPS], errors[STORE_OPS];
	atomic_uint_fast64_t bytes_in, bytes_out;
};

const char *store_op_name(enum store_op op)
{
	static const char *const names[STORE_OPS] = {
		[STORE_GET] = "get", [STORE_PUT] = "put", [STORE_HEAD] = "head", [STORE_LIST] = "list", [STORE_REMOVE] = "remove",
		[STORE_COPY] = "copy", [STORE_BEGIN] = "begin", [STORE_PART] = "part", [STORE_PART_COPY] = "part_copy",
		[STORE_COMPLETE] = "complete", [STORE_ABORT] = "abort", [STORE_LIST_PARTS] = "list_parts",
		[STORE_LIST_UPLOADS] = "list_uploads", [STORE_VERSIONS] = "versions", [STORE_REMOVE_VERSIONS] = "remove_versions",
		[STORE_RULES] = "rules", [STORE_PROBE] = "probe", [STORE_SPACE] = "space",
	};

	return (unsigned)op < STORE_OPS ? names[op] : "unknown";
}

static int stats_around(struct layer *l, struct layer_request *r)
{
	struct stats_store *stats = (struct stats_store *)l;
	int rc = layer_below(l, r);

	atomic_fetch_add(&stats->calls[r->op], 1);
	if (rc)
		atomic_fetch_add(&stats->errors[r->op], 1);
	else if (r->op == STORE_GET)
		atomic_fetch_add(&stats->bytes_in, *r->got);
	else if (r->op == STORE_PUT || r->op == STORE_PART)
		atomic_fetch_add(&stats->bytes_out, store_iov_bytes(r->iov, r->iovcnt));
	return rc;
}

int stats_store_new(struct store *below, struct store **out)
{
	struct layer *l;
	int rc = layer_new(sizeof(struct stats_store), below, stats_around, &l);

	if (rc)
		return rc;
	*out = &l->base;
	return 0;
}

void stats_store_read(struct store *stats, struct store_counts *out)
{
	struct stats_store *s = (struct stats_store *)stats;

	for (int op = 0; op < STORE_OPS; op++) {
		out->calls[op] = atomic_load(&s->calls[op]);
		out->errors[op] = atomic_load(&s->errors[op]);
	}
	out->bytes_in = atomic_load(&s->bytes_in);
	out->bytes_out = atomic_load(&s->bytes_out);
}

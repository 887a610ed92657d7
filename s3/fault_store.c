/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/layer.h"

#include "base/clock.h"
#include "base/sync.h"
#include "s3/store_impl.h"

#include <errno.h>

#define CANCEL_LOOK_MS 20 /* how often a held call looks at call->cancel */

struct active_rule {
	struct fault_rule rule;
	unsigned skipped, acted;
	struct active_rule *next; /* in the order they were added */
};

struct fault_store {
	struct layer layer;
	pthread_mutex_t lock; /* everything below */
	pthread_cond_t released;
	struct active_rule *rules;
	uint64_t release_round; /* grows with every release: a held call waits for the next */
	unsigned hits;
};

static bool key_matches(const struct fault_rule *rule, const struct layer_request *r)
{
	if (!rule->key_part)
		return true;
	if (r->key)
		return strstr(r->key, rule->key_part) != NULL;
	for (size_t i = 0; layer_removes(r->op) && i < r->count; i++)
		if (strstr(layer_key(r, i), rule->key_part))
			return true;
	return false;
}

/* Takes the rule that acts on this request, if any; counts it. *round: for hold. */
static bool choose(struct fault_store *f, const struct layer_request *r, struct fault_rule *chosen, uint64_t *round)
{
	STORE_LOCKED(&f->lock);
	*round = f->release_round;
	for (struct active_rule *at = f->rules; at; at = at->next) {
		if (at->rule.op != r->op || !key_matches(&at->rule, r))
			continue;
		if (at->skipped < at->rule.skip) {
			at->skipped++;
			continue;
		}
		if (at->rule.times && at->acted == at->rule.times)
			continue;
		at->acted++;
		f->hits++;
		*chosen = at->rule;
		return true;
	}
	return false;
}

static void hold(struct fault_store *f, uint64_t round, struct store_call *call)
{
	STORE_LOCKED(&f->lock);
	while (f->release_round == round && !store_over(&f->layer.base, call, NULL))
		cond_wait_until(&f->released, &f->lock, clock_mono_ms() + CANCEL_LOOK_MS);
}

/* Sets what the caller gets to nothing, whatever stood there before. */
static void no_answer(struct layer_request *r)
{
	if (r->got)
		*r->got = 0;
	if (r->meta)
		*r->meta = (struct store_meta){ 0 };
	if (r->page)
		*r->page = (struct store_page){ 0 };
	if (r->parts_out)
		*r->parts_out = (struct store_parts){ 0 };
	if (r->uploads)
		*r->uploads = (struct store_uploads){ 0 };
	if (r->versions_out)
		*r->versions_out = (struct store_versions){ 0 };
	if (r->rules)
		*r->rules = (struct store_rules){ 0 };
	if (r->new_upload_id)
		r->new_upload_id[0] = '\0';
	if (r->space)
		*r->space = (struct store_space){ 0 };
}

static int injected(struct layer_request *r, int error, bool ambiguous)
{
	for (size_t i = 0; layer_removes(r->op) && i < r->count; i++)
		r->results[i] = error;
	store_fail(r->call, error, r->key, "injected fault");
	r->call->err.ambiguous = ambiguous;
	return error;
}

static int fail(struct layer_request *r, int error)
{
	store_call_reset(r->call);
	no_answer(r);
	return injected(r, error, false);
}

/* Whatever the store below answers, good or bad, the caller never learns. */
static int lose_reply(struct layer *l, struct layer_request *r, int error)
{
	struct store_part before = r->part ? *r->part : (struct store_part){ 0 };

	no_answer(r);
	layer_below(l, r);
	store_page_free(r->page);
	store_parts_free(r->parts_out);
	store_uploads_free(r->uploads);
	store_versions_free(r->versions_out);
	store_rules_free(r->rules);
	no_answer(r);
	if (r->part)
		*r->part = before;
	return injected(r, error, true);
}

static int flip(struct layer *l, struct layer_request *r)
{
	int rc = layer_below(l, r);

	if (rc || *r->got == 0)
		return rc;

	size_t at = *r->got / 2;
	int i = 0;

	for (; at >= r->iov[i].iov_len; i++)
		at -= r->iov[i].iov_len;
	((uint8_t *)r->iov[i].iov_base)[at] ^= 0x10;
	return 0;
}

static int cut(struct layer *l, struct layer_request *r)
{
	int rc = layer_below(l, r);

	if (rc)
		return rc;

	size_t keep = *r->got / 2, skip = keep;

	for (int i = 0; i < r->iovcnt; i++) { /* the bytes that never came must not be there to be used by mistake */
		size_t untouched = min_size(skip, r->iov[i].iov_len);

		if (r->iov[i].iov_len > untouched)
			memset((uint8_t *)r->iov[i].iov_base + untouched, 0xaa, r->iov[i].iov_len - untouched);
		skip -= untouched;
	}
	*r->got = keep;
	return injected(r, EBADMSG, false);
}

/* What a server does that does not know the header of the range. */
static int ignore_range(struct layer *l, struct layer_request *r)
{
	struct store_meta whole;
	int rc = l->base.below->ops->head(l->base.below, r->src, &whole, r->call);

	if (rc)
		return rc;
	r->offset = 0;
	r->length = whole.size;
	return layer_below(l, r);
}

static uint32_t other_number(uint32_t number)
{
	return number == 2 || number == 3 ? number ^ 1 : number;
}

static int mix_up_part(struct layer *l, struct layer_request *r)
{
	r->part->number = other_number(r->part->number);

	int rc = layer_below(l, r);

	r->part->number = other_number(r->part->number);
	return rc;
}

/* Completes with a list that was changed, so that the store below finds the ETags that it gave. */
static int complete_changed(struct layer *l, struct layer_request *r, void (*change)(struct store_part *parts, size_t count))
{
	AUTO_FREE struct store_part *parts = calloc(r->count, sizeof(*parts));

	if (!parts)
		return ENOMEM;
	for (size_t i = 0; i < r->count; i++)
		parts[i] = r->parts[i];
	change(parts, r->count);
	r->parts = parts;
	return layer_below(l, r);
}

static void mix_up(struct store_part *parts, size_t count)
{
	struct store_part second;

	if (count < 3)
		return;
	second = parts[1];
	parts[1] = parts[2];
	parts[2] = second;
	parts[1].number = 2;
	parts[2].number = 3;
}

/* Its halves trade places: still the form of an MD5, and undone by doing it again. */
static void odd_etag(struct store_part *part)
{
	char half[16];

	memcpy(half, part->etag, sizeof(half));
	memcpy(part->etag, part->etag + sizeof(half), sizeof(half));
	memcpy(part->etag + sizeof(half), half, sizeof(half));
}

static int odd_part(struct layer *l, struct layer_request *r)
{
	int rc = layer_below(l, r);

	odd_etag(r->part);
	return rc;
}

static void odd_etags(struct store_part *parts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		odd_etag(&parts[i]);
}

static int fault_around(struct layer *l, struct layer_request *r)
{
	struct fault_store *f = (struct fault_store *)l;
	struct fault_rule rule;
	uint64_t round;

	if (!choose(f, r, &rule, &round))
		return layer_below(l, r);
	switch (rule.action) {
	case FAULT_FAIL:
		return fail(r, rule.error);
	case FAULT_LOSE_REPLY:
		return lose_reply(l, r, rule.error);
	case FAULT_HOLD:
		hold(f, round, r->call);
		break;
	case FAULT_CALLBACK:
		rule.fn(rule.arg);
		break;
	case FAULT_FLIP:
		return flip(l, r);
	case FAULT_CUT:
		return cut(l, r);
	case FAULT_NO_RANGE:
		return ignore_range(l, r);
	case FAULT_MIX_UP:
		return r->op == STORE_PART ? mix_up_part(l, r) : complete_changed(l, r, mix_up);
	case FAULT_ODD_ETAG:
		return r->op == STORE_PART ? odd_part(l, r) : complete_changed(l, r, odd_etags);
	}
	return layer_below(l, r);
}

static void free_rules(struct active_rule *rules)
{
	while (rules) {
		struct active_rule *gone = rules;

		rules = gone->next;
		free(gone);
	}
}

static void fault_release(struct layer *l)
{
	struct fault_store *f = (struct fault_store *)l;

	free_rules(f->rules);
	pthread_cond_destroy(&f->released);
	pthread_mutex_destroy(&f->lock);
}

int fault_store_new(struct store *below, struct store **out)
{
	struct layer *l;
	int rc = layer_new(sizeof(struct fault_store), below, fault_around, &l);

	if (rc)
		return rc;

	struct fault_store *f = (struct fault_store *)l;

	l->release = fault_release;
	pthread_mutex_init(&f->lock, NULL);
	cond_init_mono(&f->released);
	*out = &l->base;
	return 0;
}

static bool rule_is_sound(const struct fault_rule *rule)
{
	switch (rule->action) {
	case FAULT_FAIL:
	case FAULT_LOSE_REPLY:
		return rule->error > 0;
	case FAULT_CALLBACK:
		return rule->fn != NULL;
	case FAULT_FLIP:
	case FAULT_CUT:
		return rule->op == STORE_GET;
	case FAULT_NO_RANGE:
		return rule->op == STORE_PART_COPY;
	case FAULT_MIX_UP:
	case FAULT_ODD_ETAG:
		return rule->op == STORE_PART || rule->op == STORE_COMPLETE;
	case FAULT_HOLD:
		return true;
	}
	return false;
}

int fault_store_add(struct store *fault, const struct fault_rule *rule)
{
	struct fault_store *f = (struct fault_store *)fault;

	if (!rule_is_sound(rule))
		return EINVAL;

	struct active_rule *fresh = calloc(1, sizeof(*fresh));

	if (!fresh)
		return ENOMEM;
	fresh->rule = *rule;
	STORE_LOCKED(&f->lock);

	struct active_rule **at = &f->rules;

	while (*at)
		at = &(*at)->next;
	*at = fresh;
	return 0;
}

void fault_store_clear(struct store *fault)
{
	struct fault_store *f = (struct fault_store *)fault;
	STORE_LOCKED(&f->lock);

	free_rules(f->rules);
	f->rules = NULL;
	f->release_round++;
	pthread_cond_broadcast(&f->released);
}

void fault_store_release(struct store *fault)
{
	struct fault_store *f = (struct fault_store *)fault;
	STORE_LOCKED(&f->lock);

	f->release_round++;
	pthread_cond_broadcast(&f->released);
}

unsigned fault_store_hits(struct store *fault)
{
	struct fault_store *f = (struct fault_store *)fault;
	STORE_LOCKED(&f->lock);

	return f->hits;
}

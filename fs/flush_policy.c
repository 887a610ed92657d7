/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/flush_policy.h"

/* The opener died, or its parent did: then what it wrote is not what it wanted to write. A child that ends badly while the opener lives says nothing: grep
 * finds nothing and exits 1, and the script goes on. */
static enum trailer_state mark_of(const struct flush_input *in)
{
	const struct caller *who = &in->who;
	bool decides = who->seen && (who->is_opener || who->opener_gone);

	if (in->mark != STATE_OPEN)
		return in->mark;
	if (decides && who->end == CALLER_KILLED)
		return STATE_KILLED;
	if (decides && who->end == CALLER_EXITS_BAD)
		return STATE_FAILED;
	if (who->seen && who->opener_orphaned)
		return STATE_KILLED;
	return STATE_OPEN;
}

static enum trailer_state state_of(const struct flush_input *in, enum trailer_state mark)
{
	if (mark != STATE_OPEN)
		return mark;
	if (!in->who.seen)
		return STATE_UNKNOWN;
	return in->who.is_opener && !in->others ? STATE_CLOSED : STATE_OPEN;
}

struct flush_verdict flush_decide(const struct flush_input *in)
{
	const struct writer_look *look = &in->look;
	enum trailer_state mark = mark_of(in);
	struct flush_verdict v = { FLUSH_NOTHING, state_of(in, mark), mark, !in->who.seen };

	if (look->error)
		v.action = FLUSH_FAIL;
	else if (!look->unlinked && !look->dirty && in->stands_open && v.state == STATE_CLOSED)
		v.action = FLUSH_CLOSE;
	else if (look->unlinked || !look->dirty || !look->has_bytes)
		v.action = FLUSH_NOTHING;
	else if (mark != STATE_OPEN && look->replaces)
		v.action = FLUSH_FAIL;
	else if (mark != STATE_OPEN || !in->who.seen || in->who.is_opener || in->who.opener_gone)
		v.action = FLUSH_COMMIT;
	else
		v.action = FLUSH_SEND;
	return v;
}

struct release_verdict release_decide(const struct writer_look *look, enum trailer_state mark, bool unseen)
{
	struct release_verdict v = { RELEASE_DONE, STATE_CLOSED };

	if (mark != STATE_OPEN)
		v.state = mark;
	else if (unseen)
		v.state = STATE_UNKNOWN;
	if (look->unlinked || (!look->error && !look->dirty))
		return v;
	if (look->error)
		v.action = RELEASE_FAIL;
	else if (mark != STATE_OPEN && look->replaces)
		v.action = RELEASE_ABANDON;
	else
		v.action = RELEASE_COMMIT;
	return v;
}

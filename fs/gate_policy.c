/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/gate_policy.h"

/* What was sealed may be lost by it. A file that is renamed away can be removed under its new name by whoever comes then. */
static bool takes_away(enum gate_kind kind)
{
	return kind == GATE_REMOVE || kind == GATE_REPLACE || kind == GATE_WRITE || kind == GATE_MOVE;
}

/* Of a sealed backup: what is in its seal. It is hidden as a whole where nothing of it is meant to stay: not while there is another archive in it. */
static enum gate_verdict of_member(const struct gate_input *in)
{
	if (!takes_away(in->kind) || in->on_remove == ON_REMOVE_ALLOW)
		return GATE_REOPEN;
	if (in->on_remove == ON_REMOVE_REFUSE)
		return GATE_REFUSE;
	return in->kind == GATE_REMOVE && !in->archive_stays ? GATE_TOMBSTONE : GATE_KEEP_COPY;
}

/* Of one that was sealed, and has been changed since: what was sealed is as dear as before, until a copy of it is in the trash. Hidden as a whole it would take along what is new. */
static enum gate_verdict of_reopened(const struct gate_input *in)
{
	if (!in->listed || in->kept || !takes_away(in->kind) || in->on_remove == ON_REMOVE_ALLOW)
		return GATE_PASS;
	return in->on_remove == ON_REMOVE_REFUSE ? GATE_REFUSE : GATE_KEEP_COPY;
}

/* Beside a sealed backup: a folder is scratch, a further file will be of it. */
static enum gate_verdict of_other(const struct gate_input *in)
{
	if (in->inside)
		return GATE_PASS;
	return in->kind == GATE_REMOVE || in->kind == GATE_MOVE ? GATE_PASS : GATE_REOPEN;
}

enum gate_verdict gate_decide(const struct gate_input *in)
{
	bool scratch_waits = in->kind == GATE_REMOVE && in->inside && in->archive_waits;

	switch (in->state) {
	case SET_SEALED:
		if (in->member)
			return of_member(in);
		return scratch_waits ? GATE_WAIT : of_other(in);
	case SET_DELETED:
		return in->kind == GATE_MAKE || in->kind == GATE_WRITE || in->kind == GATE_APPEND || in->kind == GATE_REPLACE ? GATE_TRASH : GATE_GONE;
	case SET_REOPENED:
		return scratch_waits ? GATE_WAIT : of_reopened(in);
	case SET_PLAIN:
		break;
	}
	return scratch_waits ? GATE_WAIT : GATE_PASS;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/gate_policy.h"

/* Of a sealed backup: what is in its seal. */
static enum gate_verdict of_member(const struct gate_input *in)
{
	bool takes_away = in->kind == GATE_REMOVE || in->kind == GATE_REPLACE;

	if (in->on_remove == ON_REMOVE_REFUSE && (takes_away || in->kind == GATE_MOVE))
		return GATE_REFUSE;
	if (!takes_away || in->on_remove == ON_REMOVE_ALLOW)
		return GATE_REOPEN;
	return in->kind == GATE_REMOVE ? GATE_TOMBSTONE : GATE_KEEP_COPY;
}

/* Beside a sealed backup: a folder is scratch, a further file will be of it. */
static enum gate_verdict of_other(const struct gate_input *in)
{
	if (in->inside)
		return in->kind == GATE_REMOVE && in->archive_waits ? GATE_WAIT : GATE_PASS;
	return in->kind == GATE_REMOVE || in->kind == GATE_MOVE ? GATE_PASS : GATE_REOPEN;
}

enum gate_verdict gate_decide(const struct gate_input *in)
{
	switch (in->state) {
	case SET_SEALED:
		return in->member ? of_member(in) : of_other(in);
	case SET_DELETED:
		return in->kind == GATE_MAKE || in->kind == GATE_WRITE || in->kind == GATE_REPLACE ? GATE_TRASH : GATE_GONE;
	case SET_PLAIN:
	case SET_REOPENED:
		break;
	}
	return in->kind == GATE_REMOVE && in->inside && in->archive_waits ? GATE_WAIT : GATE_PASS;
}

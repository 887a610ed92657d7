/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/* What a change of a name or file does to the backup that it belongs to: pure, a table. docs/retention.md has it for people. */

enum on_remove { ON_REMOVE_TOMBSTONE, ON_REMOVE_ALLOW, ON_REMOVE_REFUSE };

enum set_state {
	SET_PLAIN,    /* no seal: open, unsealed, partial */
	SET_SEALED,
	SET_REOPENED, /* it was sealed, and its record says that it is being changed */
	SET_DELETED   /* a tombstone hides it */
};

enum gate_kind {
	GATE_MAKE,    /* a new name */
	GATE_WRITE,   /* opened for writing, or cut: old bytes may go */
	GATE_APPEND,  /* opened for writing at its end alone */
	GATE_REPLACE, /* truncated to nothing, or another is renamed over it */
	GATE_REMOVE,
	GATE_MOVE,    /* renamed away */
	GATE_ATTRS
};

struct gate_input {
	enum set_state state;
	enum gate_kind kind;
	bool member;          /* the seal lists the direct child of the tenant that this is, or is below */
	bool listed;          /* the seal lists it itself, as far as is known */
	bool kept;            /* since it was sealed last, a copy of it went to the trash */
	bool archive_stays;   /* the seal lists an archive that is another direct child */
	bool inside;          /* it is a folder that is a direct child, or below one */
	bool archive_waits;   /* an archive of the set is being written, or is on its way to its seal */
	enum on_remove on_remove;
};

enum gate_verdict {
	GATE_PASS,
	GATE_REOPEN,    /* write the reopen record, then pass */
	GATE_KEEP_COPY, /* copy the backup to the trash, write the reopen record, then pass */
	GATE_TRASH,     /* move the deleted backup to the trash, then pass */
	GATE_TOMBSTONE, /* the whole backup is hidden; then as GATE_GONE */
	GATE_GONE,      /* it is hidden: what removes it has nothing to do, what changes it finds nothing */
	GATE_WAIT,      /* until the archive is sealed */
	GATE_REFUSE     /* EPERM */
};

enum gate_verdict gate_decide(const struct gate_input *in);

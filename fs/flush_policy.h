/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "fs/caller.h"
#include "vault/writer.h"

/* What a close does: pure decisions, no effects (design, write path: "What FLUSH does"). */

struct flush_input {
	struct writer_look look;
	struct caller who;
	bool others;             /* other handles are open for writing */
	bool stands_open;        /* all that was written stands in the bucket, but as open: committed by fsync, or by a child's close; and that is worth a request */
	enum trailer_state mark; /* of the inode so far: STATE_KILLED, STATE_FAILED, else STATE_OPEN */
};

enum flush_action {
	FLUSH_NOTHING, /* answer 0 */
	FLUSH_FAIL,    /* answer EIO: the error is latched, or what was written is not going to be kept */
	FLUSH_COMMIT,  /* make it durable, then answer */
	FLUSH_CLOSE,   /* it is durable: say there that it is complete, then answer 0 */
	FLUSH_SEND     /* send every byte, leave Complete to the opener where that is dear; then answer */
};

struct flush_verdict {
	enum flush_action action;
	enum trailer_state state; /* of the commit */
	enum trailer_state mark;  /* of the inode from now on */
	bool unseen;              /* its process could not be seen */
};

/* FLUSH of a handle that was opened for writing. */
struct flush_verdict flush_decide(const struct flush_input *in);

enum release_action {
	RELEASE_DONE,    /* everything is committed, or nobody wants it */
	RELEASE_COMMIT,  /* what FLUSH did not see: mmap stores, empty files, bytes that were sent only */
	RELEASE_ABANDON, /* a dead writer's, which was to replace an existing object: that one stays */
	RELEASE_FAIL     /* latched: never published */
};

struct release_verdict {
	enum release_action action;
	enum trailer_state state; /* which the object is to have in the end */
};

/* The last handle for writing was released. */
struct release_verdict release_decide(const struct writer_look *look, enum trailer_state mark, bool unseen);

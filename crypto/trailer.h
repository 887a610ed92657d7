/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "crypto/chunks.h"

#include <time.h>

/* The trailer: attributes and state of an object, encrypted and bound to its number of chunks. docs/format.md §5. */
enum entry_type { ENTRY_FILE = 1, ENTRY_FOLDER = 2, ENTRY_SYMLINK = 3, ENTRY_RECORD = 4 };

#define SYMLINK_MAX 4095u /* bytes of a symbolic link's target; at least 1 */

enum trailer_state {
	STATE_OPEN = 0,     /* committed early; others may go on */
	STATE_CLOSED = 1,   /* closed by its opener */
	STATE_KILLED = 2,   /* its writer was killed */
	STATE_FAILED = 3,   /* its writer exited non-zero without closing */
	STATE_UNKNOWN = 4   /* its process could not be seen */
};

struct trailer {
	uint8_t type;            /* enum entry_type */
	uint8_t state;           /* enum trailer_state */
	uint32_t mode;           /* permission bits, 07777 */
	uint32_t uid, gid;
	struct timespec mtime;
	uint64_t size;           /* plain bytes; must be that of the object's length */
	struct timespec committed; /* when this version was committed, writer's clock */
	uint8_t commit_id[16];
	uint8_t writer_id[16];
};

/* Encrypts to the 256 bytes that end an object. EINVAL for values the format cannot hold: an unknown type or state, mode bits over 07777,
 * nanoseconds outside 0..999999999, a folder with content, a link's target of 0 or over 4095 bytes. ENOMEM. */
int trailer_seal(const struct object_key *key, const struct trailer *t, uint8_t out[TRAILER_BYTES]);
/* EBADMSG: does not open (damaged, of another object, of another number of chunks), or holds values or reserved bytes that v1 forbids,
 * or a size other than plain_size. ENOMEM. *out is filled on 0 only. */
int MUST_CHECK trailer_open(const struct object_key *key, const uint8_t in[TRAILER_BYTES], uint64_t plain_size, struct trailer *out);

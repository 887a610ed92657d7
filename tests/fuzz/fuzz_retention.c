/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/audit.h"
#include "vault/sweep_private.h"
#include "vault/tombstone.h"

#include <stdlib.h>

/* The records of retention: the first byte says which. What is taken must be the same after it was written and read again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

static void fuzz_tombstone(const char *text, size_t len)
{
	struct tombstone t, again;
	char *written;

	if (tombstone_decode(text, len, &t))
		return;
	check(tombstone_encode(&t, &written) == 0);
	check(tombstone_decode(written, strlen(written), &again) == 0);
	check(strcmp(t.stem, again.stem) == 0 && t.phase == again.phase && t.until_s == again.until_s && (t.seal != NULL) == (again.seal != NULL));
	free(written);
	tombstone_free(&t);
	tombstone_free(&again);
}

static void fuzz_audit(const char *text, size_t len)
{
	struct audit_entry e;

	if (audit_decode(text, len, &e))
		return;
	check(strlen(e.prev) == 64 && strlen(e.writer) == 32 && (unsigned)e.event < AUDIT_EVENTS);
	audit_entry_free(&e);
}

static void fuzz_state(const char *text, size_t len)
{
	struct sweep_state s, again;
	char *written;
	size_t n;

	if (sweep_state_decode(text, len, &s))
		return;

	struct catalog catalog = { .backups = s.memory.known, .count = s.memory.count };

	check(sweep_state_encode(&s, &catalog, &written, &n) == 0);
	check(sweep_state_decode(written, n, &again) == 0);
	check(policy_equal(&s.policy, &again.policy) && s.has_next == again.has_next && s.high_s == again.high_s && again.memory.count <= s.memory.count);
	free(written);
	sweep_state_free(&s);
	sweep_state_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;

	const char *text = (const char *)data + 1;

	switch (data[0] % 3) {
	case 0:
		fuzz_tombstone(text, size - 1);
		break;
	case 1:
		fuzz_audit(text, size - 1);
		break;
	default:
		fuzz_state(text, size - 1);
	}
	return 0;
}

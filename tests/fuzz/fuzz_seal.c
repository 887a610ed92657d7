/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/seal.h"

#include <errno.h>

/* Any bytes as the text of a seal. They are refused, or they are a seal that holds together: in order, of its stem, with the sum and number that it says; and what is
 * written of it is read as the same. The envelope alone never says another thing than the whole. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
	if (!condition)
		abort();
}

static void check_entries(const struct seal *s)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct seal_entry *e = &s->entries[i];

		expect(strncmp(e->path, s->stem, strlen(s->stem)) == 0 && !strstr(e->path, "//") && !strstr(e->path, "/../"));
		expect(i == 0 || strcmp(e[-1].path, e->path) < 0);
		expect(seal_find(s, e->path) == e);
		bytes += e->size;
	}
	expect(bytes == s->bytes && s->count > 0);
}

static void check_again(struct seal *s)
{
	AUTO(seal_free) struct seal again = { 0 };
	AUTO_FREE char *text = NULL;
	size_t len;
	int rc = seal_encode(s, &text, &len);

	expect(rc == 0 && seal_decode(text, len, &again) == 0);
	expect(again.count == s->count && again.bytes == s->bytes && again.time_s == s->time_s && again.committed_s == s->committed_s);
	for (size_t i = 0; i < s->count; i++) {
		const struct seal_entry *a = &s->entries[i], *b = &again.entries[i];

		expect(strcmp(a->path, b->path) == 0 && strcmp(a->etag, b->etag) == 0 && memcmp(a->object, b->object, sizeof(a->object)) == 0);
		expect(a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec && a->state == b->state && a->mode == b->mode);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(seal_free) struct seal s = { 0 };
	struct seal envelope;
	int rc = seal_decode((const char *)data, size, &s);
	int rc_envelope = seal_decode_envelope((const char *)data, size, &envelope);

	expect(rc == 0 || rc == EBADMSG || rc == EPROTONOSUPPORT);
	expect(!envelope.entries && (rc_envelope == 0 || rc_envelope == EBADMSG || rc_envelope == EPROTONOSUPPORT));
	if (rc) {
		expect(!s.entries && !s.count);
		return 0;
	}
	expect(rc_envelope == 0 && envelope.count == s.count && strcmp(envelope.stem, s.stem) == 0 && envelope.bytes == s.bytes);
	check_entries(&s);
	check_again(&s);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/stem.h"

#include "base/clock.h"

/* Any bytes as a name. Its stem begins the name, holds no more than it, is its own stem with the same time, and the name is of it. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stem s, again;
	char *name = malloc(size + 1);

	expect(name != NULL);
	memcpy(name, data, size);
	name[size] = '\0';
	stem_of(name, &s);

	size_t len = strlen(s.text);
	char when[24];

	expect(len <= strlen(name) && memcmp(s.text, name, len) == 0);
	expect((len > 0) == (name[0] != '\0'));
	expect(s.timed || s.time_s == 0);
	clock_format_utc(when, s.time_s);
	expect(when[0] != '?' || s.time_s < -62167219200 + 86400 || s.time_s >= 253402300800); /* a zone may carry it out of the years with four digits */
	expect(stem_has(s.text, name) || len == STEM_CAP - 1);
	if (len < STEM_CAP - 1) {
		stem_of(s.text, &again);
		expect(strcmp(again.text, s.text) == 0 && again.timed == s.timed && again.time_s == s.time_s);
	}
	(void)stem_is_archive(name);
	free(name);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <string.h>

/* FIPS 180-2, appendix B. */
#define OF_NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define OF_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define TWO_BLOCKS "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
#define OF_TWO_BLOCKS "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"

static void end_is(struct digest *d, const char *hex)
{
	uint8_t out[DIGEST_BYTES];
	char text[DIGEST_HEX];

	digest_end(d, out);
	digest_hex(text, out);
	assert_string_equal(text, hex);
}

static void known_digests(void **state)
{
	struct digest *d;

	assert_int_equal(digest_new(&d), 0);
	end_is(d, OF_NOTHING);
	digest_add(d, "abc", 3);
	end_is(d, OF_ABC);
	digest_add(d, TWO_BLOCKS, strlen(TWO_BLOCKS));
	end_is(d, OF_TWO_BLOCKS); /* it begins anew after each */
	digest_free(d);
	digest_free(NULL);
}

static void pieces_are_one_text(void **state)
{
	struct digest *d;

	assert_int_equal(digest_new(&d), 0);
	for (const char *p = TWO_BLOCKS; *p; p++) {
		digest_add(d, p, 1);
		digest_add(d, NULL, 0);
	}
	end_is(d, OF_TWO_BLOCKS);
	digest_free(d);
}

static void a_chain_takes_in_what_was_before(void **state)
{
	uint8_t at[DIGEST_BYTES] = { 0 }, other[DIGEST_BYTES], zeros[DIGEST_BYTES] = { 0 };
	struct digest *d;
	char hex[DIGEST_HEX];

	assert_int_equal(digest_chain(at, at, "one", 3), 0); /* in place */
	assert_int_equal(digest_new(&d), 0);
	digest_add(d, zeros, sizeof(zeros));
	digest_add(d, "one", 3);
	digest_hex(hex, at);
	end_is(d, hex);
	digest_free(d);

	assert_int_equal(digest_chain(other, at, "two", 3), 0);
	assert_int_equal(digest_chain(at, zeros, "two", 3), 0);
	assert_memory_not_equal(other, at, sizeof(at));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_digests),
		cmocka_unit_test(pieces_are_one_text),
		cmocka_unit_test(a_chain_takes_in_what_was_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/catalog_private.h"

/* A sample of N percent shares the bytes out over R = ⌈100 / N⌉ runs. Piece p of an object has its turn in run r where (id + p + r) mod R is 0, id being the first eight bytes of its
 * object id. In R runs that follow one another r takes each value mod R once, so each piece that stands through all of them has its turn in exactly one, whatever comes and goes
 * beside it. Object ids are random, so small objects are spread evenly; the pieces of a large one take their turns one after the other. */

struct share share_of(unsigned percent, uint64_t run)
{
	unsigned rounds = percent ? (100 + percent - 1) / percent : 0;

	return (struct share){ .rounds = rounds, .turn = rounds ? (unsigned)(run % rounds) : 0 };
}

uint64_t share_first(const struct share *s, const uint8_t object[16])
{
	uint64_t id = 0;

	if (!s->rounds)
		return 0;
	for (unsigned i = 0; i < 8; i++)
		id = id << 8 | object[i];
	return (s->rounds - (id % s->rounds + s->turn) % s->rounds) % s->rounds;
}

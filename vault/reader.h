/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/object.h"

/* Reading one committed object through one open handle, with prefetch. The window grows on sequential reads (1 MiB, doubling up to what
 * SLAB_READ allows, 16 MiB at most), fetched in ranges of 1 to 8 MiB, several at once on the upload pool, and falls back to small ranges for
 * random readers. Memory is taken from SLAB_READ; where none is free the read goes straight through. Any thread; calls on one reader may overlap. */
struct reader;

int reader_new(struct vault *v, struct object *o /* takes a reference */, struct reader **out);
void reader_free(struct reader *r); /* waits for its fetches */
DEFINE_AUTO(reader, reader_free)
/* As object_read. Blocks. */
int reader_read(struct reader *r, uint64_t offset, size_t len, void *out, size_t *got);

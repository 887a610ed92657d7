/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/record.h"

#include <pthread.h>

/* What verification remembers from run to run, since no process lives long: the record control/verify of a tenant (docs/format.md §13). For verification only. Whoever may not
 * write there, or finds that another run has written meanwhile, goes on without, and the log says so once. */
struct verify_memory {
	uint64_t samples;      /* sample runs that came to their end: the next one's turn */
	int64_t since_s;       /* when the full run began that has not come to its end; 0: there is none */
	uint8_t (*good)[16];   /* object ids of the seals that it found good; owned; the first `sorted` ascending */
	size_t count, cap, sorted;
	bool unusable;         /* it cannot be written: nobody can rely on it */
	bool stands, damaged;  /* there is a record; it can only be removed */
	struct record_id id;   /* of the version that stands */
	int64_t written_ms;    /* clock_mono_ms */
	pthread_mutex_t lock;
};

/* Begins without any. Not copied afterwards. */
void verify_memory_init(struct verify_memory *m);
void verify_memory_free(struct verify_memory *m);
/* 0: also where there is none, where it is damaged (logged), and where this vault does not write; ECANCELED, or what the store answered. BLOCKS. */
int verify_memory_read(struct vault *v, const char *tenant, struct verify_memory *m, struct store_call *call);
/* Writes what it says now. 0: also where that is not allowed, or another run was quicker: unusable is set; ECANCELED or ENOMEM. BLOCKS. */
int verify_memory_write(struct vault *v, const char *tenant, struct verify_memory *m, struct store_call *call);

/* A new full run, of which nothing is good yet. */
void verify_memory_restart(struct verify_memory *m, int64_t now_s);
/* Whether the full run that was read has found that seal's backup good. */
bool verify_memory_has(struct verify_memory *m, const uint8_t seal[16]);
/* One more; written at once where the last time is ten seconds ago. Any thread. As verify_memory_write. */
int verify_memory_add(struct vault *v, const char *tenant, struct verify_memory *m, const uint8_t seal[16], struct store_call *call);

/* The text of the record. ENOMEM; EFBIG. Sorts. */
int verify_memory_encode(struct verify_memory *m, char **text, size_t *len);
/* Into one that was made by verify_memory_init: 0; EBADMSG; EPROTONOSUPPORT; ENOMEM. */
int verify_memory_decode(const char *text, size_t len, struct verify_memory *m);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/overlay.h"
#include "vault/run.h"
#include "vault/upload.h"
#include "vault/vault_private.h"
#include "vault/writer.h"

/* The inside of a writer, for writer*.c only. The states are described at the head of writer.c. */

enum part_state { PART_OPEN, PART_SENDING, PART_SENT };

struct stream_part {
	uint32_t number;
	uint64_t first; /* chunk */
	uint32_t count; /* chunks by the plan; the last part of a file may have fewer */
	enum part_state state;
};

/* A multipart upload that runs while the file is being written. Changed under the writer's lock. */
struct stream {
	struct upload *upload;
	struct object *carry;   /* growth: the base whose full chunks become the first parts; NULL: a new object */
	uint64_t first_chunk;   /* chunks below are carried */
	uint64_t tail_from, tail_to; /* plain bytes of the open tail that were sent provisionally (writer_send); equal: none */
	bool absorbed;          /* growth: the carried base's last chunk is in the overlay, compared */
	bool begun;             /* parts may be sent */
	bool orphan;            /* nobody wants it any more: the last job ends it */
	unsigned jobs;          /* pool jobs that hold it */
	int error;
	struct stream_part *parts;
	uint32_t count;
};

struct writer {
	struct vault *v;
	struct writer *next, *prev; /* list of the vault's writers, under its lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;     /* busy ended, a job ended */
	char *path;
	struct overlay over;
	struct object *base;        /* committed object the content stands on, NULL: none */
	char *staging;              /* path of base, where that is not what stands at path but an object of ours in the staging area; else NULL */
	uint64_t base_limit;        /* bytes of base that are still part of the content */
	struct object *stands;      /* object at path that a commit replaces, NULL: nothing stands there */
	struct stream *stream;
	struct run *run;            /* the tenant's record, once it was needed */
	struct trailer attrs;
	uint64_t size;              /* bytes, as the application sees it */
	uint64_t committed_size;
	int64_t opened_s, opened_boot_ms; /* when this writer began, by two clocks of this machine: younger objects at the path are never replaced */
	int64_t wrote_ms;           /* clock_mono_ms of the last write: the idlest commits early */
	int64_t no_stream_before_ms; /* after a stream could not start: clock_mono_ms */
	unsigned jobs;              /* pool jobs that hold this writer, of orphaned streams too */
	int error;                  /* latched errno */
	bool busy;                  /* a commit, rename or abandon has it: NOW calls answer EAGAIN */
	bool dirty, attrs_dirty;
	bool licence;               /* this writer drew base's DEK: it may grow under it */
	bool touched;               /* bytes below base's last chunk changed: growth would break INV-PREFIX */
	bool has_bytes, unlinked, replaces;
	bool discard;               /* unlinked, and nobody can read it: writes are taken and forgotten */
	bool early_queued;          /* a job that commits early is on its way */
	bool early_for_room;        /* only because memory is short: a part cut short does as well */
	bool closing;               /* writer_free waits for the jobs */
};

struct writers {
	pthread_mutex_t lock;
	struct writer *first;
	atomic_uint early;          /* early commits queued or running */
	atomic_uint staged;         /* staging objects so far: their names */
	struct part_plan plan;
	uint64_t largest;
	pthread_mutex_t room_lock;  /* innermost: slabs are given back with other locks held */
	void (*on_room)(void *arg);
	void *on_room_arg;
};

/* writers.c */
void writers_room(struct vault *v);             /* tells the listener; no locks held */
/* Lock held: commit early on the commit pool, or put aside, unless that is queued. for_room: only to free memory, a part cut short does as well. */
void writer_queue_early(struct writer *w, bool for_room);
void writer_job_done(struct writer *w);         /* lock held: jobs-- */

/* writer_stream.c; the lock is held, and given up for a while only where said */
void stream_pump(struct writer *w);             /* starts an upload and sends parts that are complete */
void stream_send_complete(struct writer *w);    /* only the parts, also for who has w->busy; w->stream is there */
uint32_t stream_cut_chunks(const struct writer *w); /* so many chunks of the open end could go as a part of their own; 0: none */
bool stream_cut(struct writer *w);              /* sends them; false: there are none */
bool stream_conflict(const struct writer *w, uint64_t offset, const void *data, size_t len); /* would it change what was sent? */
bool stream_sent_any(const struct writer *w, uint64_t offset, size_t len);                   /* are bytes there only in sent parts? */
uint64_t stream_sent_end(const struct writer *w); /* end of the highest byte that left the process in this upload, 0: none */
void stream_orphan(struct writer *w);           /* drops the upload without waiting */
int stream_new(struct writer *w, const char *path, bool grow); /* makes w->stream, not begun. ENOMEM, ENAMETOOLONG */
bool stream_may_grow(const struct writer *w);   /* INV-PREFIX and part sizes allow to carry the base */
int stream_begin(struct writer *w, struct stream *s, bool commit); /* commit: it is ours, nobody writes; without the lock. EAGAIN: the base's last chunk does not fit or no memory */
int stream_plan_to(struct writer *w, struct stream *s, uint64_t chunk); /* parts up to the one with that chunk. EFBIG, ENOMEM */
int stream_send_now(struct writer *w, struct stream *s, uint32_t index, struct slab **slabs, uint32_t count, const struct object_end *end); /* without the lock */
int stream_submit(struct writer *w, struct stream *s, uint32_t index, uint32_t count, const struct object_end *end); /* slabs are detached here; end is copied */
void stream_free(struct stream *s);             /* no jobs; aborts nothing */

int writer_run(struct writer *w); /* without the lock, BLOCKS: sets w->run */

/* writer_commit.c; the lock is held, given up while requests are under way; w->busy must be ours */
int writer_commit_busy(struct writer *w, enum trailer_state state, enum writer_keep keep);
int writer_stage_busy(struct writer *w); /* the content goes to the staging area, and stays dirty */
void writer_fail(struct writer *w, int error, const char *what); /* latches, drops everything */
void writer_drop_content(struct writer *w);     /* overlay and upload; base stays */
void writer_drop_all(struct writer *w);         /* and the base, with its staging object */
/* Bytes of what goes in one put. */
static inline uint64_t writer_one_part(const struct writer *w)
{
	return (uint64_t)w->v->writers->plan.chunks * CHUNK_BYTES;
}

/* writer_stage.c; the lock is held */
int stage_path(struct writer *w, char out[PATH_CAP]); /* a new one */
void stage_drop(struct writer *w);        /* removes the staging object, later; base is the caller's business */
bool stage_instead(const struct writer *w); /* may, and should, an early commit go to the staging area? */
/* writer_gather.c; without the lock, BLOCK; w->busy must be ours */
struct gathered {
	struct slab **slabs;
	uint32_t count;
	bool token; /* the commit token is held: scratch slabs are taken from SLAB_COMMIT */
};

/* Chunks first .. first+count-1 of a file of that size, in plain: 0 and g, to be given to writer_ungather; ETIMEDOUT: no scratch memory; or a read error. */
int writer_gather(struct writer *w, uint64_t size, uint64_t first, uint32_t count, struct gathered *g);
void writer_ungather(struct writer *w, struct gathered *g); /* gives back slabs that are left, and the token */
int writer_take_token(struct vault *v);               /* the commit token; ETIMEDOUT: no progress in the mount for the data deadline */
struct slab *writer_take_scratch(struct vault *v);    /* a slab of SLAB_COMMIT; NULL: the same */

/* writer.c */
void writer_take(struct writer *w);             /* waits until nobody is busy, then it is ours */
void writer_give(struct writer *w);             /* lets go, unlocks, tells those who wait for room */

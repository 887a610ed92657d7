/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/vault.h"

/* The writer's record: what this process has open in a tenant, for whoever must clean up after it (design: write path).
 *
 * One authenticated object .pishop/t/<tenant>/run/<writer id>, JSON:
 *   {"writer","tenant","program","started","refreshed","uploads":[{"key","id","since"}],"failed":[{"path","error"}]}
 * Written before the first write into a tenant (where the store's conditions are proven at the same time), rewritten by If-Match every record_every_s
 * and at each begin and end of a multipart upload; removed at a clean end without failed paths. Any thread; all calls may block on
 * requests, but for run_path_failed and run_path_mended, which are written with the next rewrite. */
struct run;

/* The record of a tenant, created on first use. Owned by the vault. EIO: this writer was taken for dead (ownership lost) or the record cannot be written. */
int run_of(struct vault *v, const char *tenant, struct run **out); /* EROFS: mounted read-only */
/* run_of and run_may_publish for content: an outage that ends within the data deadline is waited for. 0; ENOSPC, EDQUOT: the record finds no room; or as
 * those. */
int run_for_content(struct vault *v, const char *tenant, struct run **out);
/* Before the first part is sent. Waits as run_for_content. Returns when the record names the upload. On an error the upload stays named: abort it, and then call
 * run_upload_ended. */
int run_upload_begun(struct run *r, const char *key, const char *upload_id);
/* When it was completed, or is known to be gone. Written with the next refresh: to name an upload that is gone does no harm. */
void run_upload_ended(struct run *r, const char *key, const char *upload_id);
void run_path_failed(struct run *r, const char *path, int error); /* written within a second or two */
/* The path was written anew, or removed, by this writer. For paths that another, dead writer failed on, this is not needed: run_recover takes
 * them off that writer's record when it finds a good object there, committed after that writer's end. */
void run_path_mended(struct run *r, const char *path);
/* Asked before anything is completed, copied or removed in that tenant: 0; EIO when ownership was lost. Reads the record first where it could
 * not be refreshed for 5 minutes (CLOCK_BOOTTIME; a third of silent_after_s, where that is less): a store errno where that fails. */
int run_may_publish(struct run *r);

/* Called by vault_open, and every few minutes by the vault's thread: takes the records of silent writers and cleans up after them.
 * tenant NULL: all tenants, or the one of the configuration. One listing a tenant where nobody is silent. call (may be NULL): its timeout_ms
 * is the deadline of all, between requests. 0; or what stopped it (logged): nothing depends on it, as the next call goes on. */
int run_recover(struct vault *v, const char *tenant, struct store_call *call);
/* Refreshes what is due; called by the vault's thread about once a second. */
void run_tick(struct vault *v);
/* Ends all records (vault_close): 0 or the first errno. */
int run_end_all(struct vault *v);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "s3/store_impl.h"
#include "s3/stores.h"

/* The conformance suite: what every store must do, whatever it is made of. Each test works under a prefix of its own, which is emptied
 * afterwards. Where real servers legitimately differ, the test accepts each of the legitimate answers, checks what follows from it, and
 * says which one it met with differs(). */

struct bench {
	struct store *s;
	const char *kind;     /* "mem", "small" (memory with tiny limits), "dir", "s3" */
	bool real_folders;    /* a key cannot stand under another key */
	bool local;           /* arguments are checked here, not by a server */
	bool empty_markers;   /* found out: keys that end in "/" must be empty (put_text and expect_text see to it) */
	bool no_controls;     /* found out: names with control characters cannot be listed */
	char run[24];         /* prefix of this run */
	char prefix[40];      /* prefix of this test: ends in "/" */
	unsigned tests;
	char keys[16][1200];  /* what key() returns, in turn */
	unsigned next_key;
};

/* A store to test; NULL where it cannot be made (told on standard error). *cleanup_path: a folder to remove afterwards, or "". */
struct store *conf_make_store(const char *kind, char cleanup_path[256]);
/* The S3 endpoint that PISHOP_TEST_S3 and its fellows name; NULL: they do not. */
struct store *conf_make_s3(void);

/* Finds out what a server cannot do that others can, and says so. A local store is not asked. */
void conf_find_out(struct bench *b);
int conf_setup(void **state);    /* a fresh prefix */
int conf_teardown(void **state); /* removes every object under it */

#define CONF_TEST(f) cmocka_unit_test_setup_teardown(f, conf_setup, conf_teardown)

/* prefix + name; good until 16 more calls. */
const char *key(struct bench *b, const char *name);
void differs(const char *what);
/* Fails unless rc is one of the `count` values. */
void assert_any(int rc, const int *values, size_t count);
#define ASSERT_ANY(rc, ...) assert_any(rc, (const int[]){ __VA_ARGS__ }, sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))

void expect_success(int rc, const struct store_call *call); /* else fails with the call's own words */
int put_bytes(struct bench *b, const char *k, const void *data, size_t n, const struct store_cond *cond, struct store_meta *meta);
void put_text(struct bench *b, const char *k, const char *text); /* must succeed */
const char *text_at(struct bench *b, const char *k, const char *text); /* what put_text really puts */
/* Reads the whole object, up to cap bytes, and asserts success. Returns its length. */
size_t get_all(struct bench *b, const char *k, void *out, size_t cap);
void expect_text(struct bench *b, const char *k, const char *text);
void expect_absent(struct bench *b, const char *k);
int remove_key(struct bench *b, const char *k);
/* n bytes that can be told from others: a function of seed and position. */
void fill_pattern(uint8_t *out, size_t n, unsigned seed);
/* Every entry under prefix, over pages of at most max; asserts strictly ascending order and that no page is too long. */
void list_all(struct bench *b, const char *prefix, char delimiter, uint32_t max, struct store_page *all);
/* Runs fn(arg of each) in `count` threads and waits; each arg is `size` bytes after the one before. */
void in_threads(unsigned count, void *(*fn)(void *), void *args, size_t size);

struct CMUnitTest;
extern const struct CMUnitTest conf_object_tests[], conf_key_tests[], conf_list_tests[], conf_condition_tests[], conf_upload_tests[];
extern const size_t conf_object_count, conf_key_count, conf_list_count, conf_condition_count, conf_upload_count;

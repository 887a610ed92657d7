/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/store.h"

#include "base/buf.h"
#include "base/clock.h"
#include "s3/store_impl.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdarg.h>

#define MIB (1024ull * 1024)
#define GIB (1024ull * MIB)
#define PAGE_FIRST 16 /* entries of a page's first allocation; a power of two */

const struct store_limits store_limits_s3 = {
	.part_min = 5 * MIB, .part_max = 5 * GIB, .parts_max = 10000, .copy_max = 5 * GIB, .put_max = 5 * GIB, .object_max = 5 * 1024 * GIB,
	.key_max = 1024, .segment_max = 255, .delete_max = 1000, .list_max = 1000,
};

void store_free(struct store *s)
{
	if (s)
		s->ops->free(s);
}

void store_page_free(struct store_page *page)
{
	if (!page)
		return;
	for (size_t i = 0; i < page->count; i++)
		free(page->objects[i].key);
	free(page->objects);
	free(page->next);
	*page = (struct store_page){ 0 };
}

void store_parts_free(struct store_parts *parts)
{
	if (!parts)
		return;
	free(parts->parts);
	*parts = (struct store_parts){ 0 };
}

void store_uploads_free(struct store_uploads *uploads)
{
	if (!uploads)
		return;
	for (size_t i = 0; i < uploads->count; i++)
		free(uploads->ids[i]);
	free(uploads->ids);
	*uploads = (struct store_uploads){ 0 };
}

void store_versions_free(struct store_versions *versions)
{
	if (!versions)
		return;
	for (size_t i = 0; i < versions->count; i++)
		free(versions->list[i].key);
	free(versions->list);
	free(versions->next);
	*versions = (struct store_versions){ 0 };
}

void store_rules_free(struct store_rules *rules)
{
	if (!rules)
		return;
	free(rules->list);
	*rules = (struct store_rules){ 0 };
}

static int segment_check(const struct store_limits *limits, const char *segment, size_t n)
{
	if (n == 0 || (n == 1 && segment[0] == '.') || (n == 2 && segment[0] == '.' && segment[1] == '.'))
		return EINVAL;
	return n > limits->segment_max ? ENAMETOOLONG : 0;
}

int store_key_check(const struct store_limits *limits, const char *key)
{
	size_t n = strlen(key);

	if (n > limits->key_max)
		return ENAMETOOLONG;

	const char *segment = key;

	for (;;) {
		size_t length = strcspn(segment, "/");
		int rc = segment_check(limits, segment, length);

		if (rc)
			return rc;
		segment += length;
		if (*segment == '\0' || segment[1] == '\0') /* the end, or the one trailing "/" of a folder marker */
			return 0;
		segment++;
	}
}

void store_call_reset(struct store_call *call)
{
	if (!call)
		return;
	call->err = (struct store_error){ 0 };
	call->server_date = 0;
}

bool store_cancelled(const struct store_call *call)
{
	return call && call->cancel && atomic_load(call->cancel);
}

void store_end_by(struct store *s, int64_t end_ms)
{
	for (; s; s = s->below)
		atomic_store(&s->end_ms, end_ms);
}

bool store_ended(const _Atomic int64_t *end_ms)
{
	int64_t end = atomic_load(end_ms);

	return end && clock_mono_ms() >= end;
}

int store_over(const struct store *s, struct store_call *call, const char *key)
{
	if (store_cancelled(call))
		return store_fail(call, ECANCELED, key, "cancelled");
	return store_ended(&s->end_ms) ? store_fail(call, ESHUTDOWN, key, "the program is ending, and its deadline has passed") : 0;
}

int store_fail(struct store_call *call, int code, const char *key, const char *fmt, ...)
{
	if (!call)
		return code;
	call->err = (struct store_error){ .code = code };
	snprintf(call->err.key, sizeof(call->err.key), "%s", key ? key : "");

	va_list args;

	va_start(args, fmt);
	vsnprintf(call->err.message, sizeof(call->err.message), fmt, args);
	va_end(args);
	return code;
}

/* The words of the list at the head of store.h. */
static const char *code_words(int code)
{
	static const struct { int code; const char *words; } table[] = {
		{ 0, "no error" },
		{ ENOENT, "no such object" },
		{ ENODATA, "no such upload" },
		{ ESTALE, "the object is not the one expected" },
		{ EACCES, "access denied" },
		{ EKEYREJECTED, "the credentials are wrong" },
		{ ENODEV, "no such bucket or folder" },
		{ EHOSTUNREACH, "no connection" },
		{ EPROTO, "TLS failed" },
		{ ETIMEDOUT, "no answer in time" },
		{ EAGAIN, "the store asks to slow down" },
		{ EREMOTEIO, "the store failed" },
		{ EBADMSG, "the reply is damaged" },
		{ EILSEQ, "the store received other bytes than were sent" },
		{ ENOSPC, "the store is full or over its quota" },
		{ EFBIG, "larger than the store takes" },
		{ EINVAL, "the request is wrong" },
		{ ENAMETOOLONG, "the name is too long" },
		{ EOPNOTSUPP, "the store cannot do that" },
		{ EPERM, "an object lock keeps it" },
		{ ENOTRECOVERABLE, "this machine's clock is too far off" },
		{ ECANCELED, "cancelled" },
		{ ENOMEM, "out of memory" },
		{ EIO, "input/output error" },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].code == code)
			return table[i].words;
	return "unknown error";
}

/* Appends " (a, b, c)" of what is known. */
static int put_details(struct buf *b, const struct store_error *err)
{
	const char *before = " (";

	if (err->s3_code[0]) {
		if (buf_puts(b, before) || buf_puts(b, err->s3_code))
			return ENOBUFS;
		before = ", ";
	}
	if (err->http_status) {
		if (buf_printf(b, "%sHTTP %d", before, err->http_status))
			return ENOBUFS;
		before = ", ";
	}
	if (err->request_id[0]) {
		if (buf_printf(b, "%srequest %s", before, err->request_id))
			return ENOBUFS;
		before = ", ";
	}
	return before[0] == ',' ? buf_puts(b, ")") : 0;
}

void store_error_text(const struct store_error *err, char *out, size_t cap)
{
	struct buf b;

	if (cap == 0)
		return;
	buf_init(&b, 2048); /* more than all the fields together */

	int rc = err->key[0] ? buf_printf(&b, "%s: ", err->key) : 0;

	if (!rc)
		rc = buf_puts(&b, err->message[0] ? err->message : code_words(err->code));
	if (!rc)
		rc = put_details(&b, err);

	size_t n = min_size(b.len, cap - 1);

	for (size_t i = 0; i < n; i++) /* a hostile key must not make a second line, nor drive a terminal */
		out[i] = b.data[i] < 0x20 || b.data[i] == 0x7f ? '?' : (char)b.data[i];
	out[n] = '\0';
	buf_free(&b);
}

size_t store_iov_bytes(const struct iovec *iov, int iovcnt)
{
	size_t bytes = 0;

	for (int i = 0; i < iovcnt; i++)
		bytes += iov[i].iov_len;
	return bytes;
}

int store_range_resolve(uint64_t size, struct store_range range, size_t room, uint64_t *begin, size_t *length)
{
	bool suffix = range.offset < 0;
	uint64_t last = suffix ? 0 - (uint64_t)range.offset : 0; /* right for INT64_MIN too */

	*begin = suffix ? (size > last ? size - last : 0) : (uint64_t)range.offset;
	*length = 0;
	if (*begin >= size)
		return *begin == 0 ? 0 : EINVAL;

	uint64_t wanted = size - *begin;

	if (!suffix && range.length)
		wanted = min_u64(wanted, range.length);
	if (wanted > room)
		return EBADMSG;
	*length = (size_t)wanted;
	return 0;
}

int store_cond_check(const struct store_cond *cond, const char *there)
{
	if (!cond)
		return 0;
	if (cond->if_none_match && cond->if_match[0])
		return EINVAL;
	if (cond->if_none_match)
		return there ? ESTALE : 0;
	if (cond->if_match[0])
		return there && strcmp(there, cond->if_match) == 0 ? 0 : ESTALE;
	return 0;
}

int store_md5(const struct iovec *iov, int iovcnt, uint8_t out[STORE_MD5_BYTES])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx && EVP_DigestInit_ex(ctx, EVP_md5(), NULL) == 1;

	for (int i = 0; good && i < iovcnt; i++)
		good = EVP_DigestUpdate(ctx, iov[i].iov_base, iov[i].iov_len) == 1;
	good = good && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return good ? 0 : EIO;
}

int store_multipart_etag(const struct store_part *parts, size_t count, char out[STORE_ETAG_MAX])
{
	AUTO_FREE uint8_t *sums = calloc(count ? count : 1, STORE_MD5_BYTES);
	uint8_t sum[STORE_MD5_BYTES];

	if (!sums)
		return 1;
	for (size_t i = 0; i < count; i++)
		if (hex_decode(sums + i * STORE_MD5_BYTES, STORE_MD5_BYTES, parts[i].etag, strlen(parts[i].etag)))
			return 1;
	if (store_md5(&(struct iovec){ sums, count * STORE_MD5_BYTES }, 1, sum))
		return 1;
	hex_encode(out, sum, STORE_MD5_BYTES);
	snprintf(out + 2 * STORE_MD5_BYTES, STORE_ETAG_MAX - 2 * STORE_MD5_BYTES, "-%zu", count);
	return 0;
}

/* Room for one more of `size` bytes in a list that began empty. Capacity is PAGE_FIRST, then the next power of two. */
static int grow(void *list_at, size_t count, size_t size)
{
	void *list;

	if (count && (count < PAGE_FIRST || (count & (count - 1))))
		return 0;
	memcpy(&list, list_at, sizeof(list));
	list = reallocarray(list, count ? 2 * count : PAGE_FIRST, size);
	if (!list)
		return ENOMEM;
	memcpy(list_at, &list, sizeof(list));
	return 0;
}

int store_page_add(struct store_page *page, const struct store_object *object)
{
	if (grow(&page->objects, page->count, sizeof(*page->objects)))
		return ENOMEM;

	char *key = strdup(object->key);

	if (!key)
		return ENOMEM;
	page->objects[page->count] = *object;
	page->objects[page->count].key = key;
	page->count++;
	return 0;
}

int store_versions_add(struct store_versions *versions, const struct store_version *version)
{
	if (grow(&versions->list, versions->count, sizeof(*versions->list)))
		return ENOMEM;

	char *key = strdup(version->key);

	if (!key)
		return ENOMEM;
	versions->list[versions->count] = *version;
	versions->list[versions->count].key = key;
	versions->count++;
	return 0;
}

int store_rules_add(struct store_rules *rules, const struct store_rule *rule)
{
	if (grow(&rules->list, rules->count, sizeof(*rules->list)))
		return ENOMEM;
	rules->list[rules->count++] = *rule;
	return 0;
}

int store_page_set_next(struct store_page *page)
{
	const struct store_object *last = &page->objects[page->count - 1];
	size_t n = strlen(last->key);

	page->next = malloc(n + 2);
	if (!page->next)
		return ENOMEM;
	page->next[0] = last->prefix ? 'p' : 'k';
	memcpy(page->next + 1, last->key, n + 1);
	return 0;
}

int store_token_parse(const char *token, const char **after, bool *is_prefix)
{
	if (token[0] != 'p' && token[0] != 'k')
		return EINVAL;
	*is_prefix = token[0] == 'p';
	*after = token + 1;
	return 0;
}

int store_versions_set_next(struct store_versions *versions, const char *key, const char *id)
{
	char *next;

	if (asprintf(&next, "%s %s", id, key) < 0)
		return ENOMEM;
	free(versions->next);
	versions->next = next;
	return 0;
}

int store_versions_token(const char *token, char id[STORE_VERSION_MAX], const char **key)
{
	size_t n = strcspn(token, " "); /* no id has a blank in it */

	if (n >= STORE_VERSION_MAX || !token[n] || !token[n + 1])
		return EINVAL;
	memcpy(id, token, n);
	id[n] = '\0';
	*key = token + n + 1;
	return 0;
}

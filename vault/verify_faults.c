/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/catalog_private.h"

void faults_add(struct faults *f, const char *path, enum verify_fault what, const char *detail)
{
	struct fault one = { .path = strdup(path), .detail = strdup(detail), .what = what };

	if (f->count == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 16;
		struct fault *grown = reallocarray(f->list, cap, sizeof(*grown));

		f->list = grown ? grown : f->list;
		f->cap = grown ? cap : f->cap;
	}
	if (!one.path || !one.detail || f->count == f->cap) {
		free(one.path);
		free(one.detail);
		f->failed = true;
		return;
	}
	f->list[f->count++] = one;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct fault *)a)->path, ((const struct fault *)b)->path);
}

void faults_sort(struct faults *f)
{
	if (f->count)
		qsort(f->list, f->count, sizeof(*f->list), by_path);
}

void faults_free(struct faults *f)
{
	for (size_t i = 0; i < f->count; i++) {
		free(f->list[i].path);
		free(f->list[i].detail);
	}
	free(f->list);
	*f = (struct faults){ 0 };
}

void verify_result_add(struct verify_result *all, const struct verify_result *one)
{
	all->sealed += one->sealed;
	all->good += one->good;
	all->bad += one->bad;
	all->unsealed += one->unsealed;
	all->objects += one->objects;
	all->bytes += one->bytes;
	all->decrypted += one->decrypted;
	all->resumed += one->resumed;
}

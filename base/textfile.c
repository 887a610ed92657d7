/* SPDX-License-Identifier: Apache-2.0 */
#include "base/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Reads fd to its end; EFBIG over max. What was on the stack may have been a secret. */
static int read_all(int fd, size_t max, struct buf *out)
{
	char piece[4096];
	ssize_t n;
	int rc = 0;

	while (!rc && (n = read(fd, piece, sizeof(piece)))) {
		if (n < 0 && errno == EINTR)
			continue;
		rc = n < 0 ? errno : buf_put(out, piece, (size_t)n);
	}
	explicit_bzero(piece, sizeof(piece));
	if (rc == ENOBUFS || (!rc && out->len > max))
		return EFBIG;
	if (rc)
		return rc;
	if (out->len && memchr(out->data, 0, out->len))
		return EILSEQ; /* the rest would be lost in a C text */
	return buf_text(out) ? 0 : ENOMEM;
}

int textfile_read(int folder, const char *path, size_t max, struct buf *out, struct stat *st)
{
	/* Without O_NONBLOCK the open of a FIFO would wait for a writer. */
	int fd = openat(folder, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat own;
	int rc = 0;

	if (fd < 0)
		return errno == ENXIO ? ENOTSUP : errno; /* a socket */
	st = st ? st : &own;
	if (fstat(fd, st))
		rc = errno;
	else if (!S_ISREG(st->st_mode))
		rc = S_ISDIR(st->st_mode) ? EISDIR : ENOTSUP;
	if (!rc)
		rc = read_all(fd, max, out);
	close(fd);
	return rc;
}

const char *textfile_reason(int rc, size_t max, char text[64])
{
	switch (rc) {
	case EISDIR:
		return "a folder; it must be a regular file";
	case ENOTSUP:
		return "a FIFO, socket or device; it must be a regular file";
	case EFBIG:
		snprintf(text, 64, "larger than %zu KiB", max >> 10);
		return text;
	case EILSEQ:
		return "holds a NUL byte, so it is no text";
	default:
		return strerror(rc);
	}
}

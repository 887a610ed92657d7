/* SPDX-License-Identifier: Apache-2.0 */
/* usage: write_object KEYFILE OBJECT <content: writes an object with the C code, for the cross-check with the Python reader.
 *        write_object --read KEYFILE OBJECT: prints the content of one; exit status as reader.py. */
#include "object_file.h"

#include "base/rand.h"

#include <errno.h>
#include <time.h>

#define MOST (UINT64_C(1) << 30)

static int slurp(FILE *in, struct buf *out)
{
	uint8_t piece[65536];
	size_t n;
	int rc = in ? 0 : errno;

	while (!rc && (n = fread(piece, 1, sizeof(piece), in)) > 0)
		rc = buf_put(out, piece, n);
	if (in && in != stdin)
		fclose(in);
	return rc;
}

static struct keyring *load_key(const char *path)
{
	AUTO(buf_free) struct buf text;
	struct keyring *keys = NULL;
	char error[200];

	buf_init_secret(&text, 4096);
	if (slurp(fopen(path, "rb"), &text))
		fprintf(stderr, "%s: cannot read\n", path);
	else if (keyring_parse((const char *)text.data, text.len, &keys, error, sizeof(error)))
		fprintf(stderr, "%s: %s\n", path, error);
	return keys;
}

static int write_one(struct keyring *keys, FILE *out)
{
	AUTO(buf_free) struct buf content, object;
	struct trailer t = { .type = ENTRY_FILE, .state = STATE_CLOSED, .mode = 0644, .uid = 1, .gid = 2 };
	uint8_t salt[KEY_SALT];

	buf_init(&content, MOST);
	buf_init(&object, MOST + (MOST >> 10));
	rand_bytes(salt, sizeof(salt));
	rand_bytes(t.commit_id, sizeof(t.commit_id));
	clock_gettime(CLOCK_REALTIME, &t.mtime);
	t.committed = t.mtime;
	if (keyring_kind(keys) == KEY_PASSPHRASE && keyring_use_salt(keys, salt))
		return ENOMEM;
	int rc = slurp(stdin, &content);

	if (!rc)
		rc = object_write(keys, &t, content.data, content.len, &object);
	if (!rc && fwrite(object.data, 1, object.len, out) != object.len)
		rc = EIO;
	return rc;
}

static int read_one(struct keyring *keys, FILE *in)
{
	static const int codes[] = { 0, 10, 11, 12, 13, 14, 1 };
	AUTO(buf_free) struct buf content, object;
	struct trailer t;

	buf_init(&content, MOST);
	buf_init(&object, MOST + (MOST >> 10));
	if (slurp(in, &object))
		return 1;
	enum finding f = object_read(keys, object.data, object.len, &t, &content);

	if (f != FOUND_GOOD)
		fprintf(stderr, "%s\n", finding_name(f));
	else if (content.len && fwrite(content.data, 1, content.len, stdout) != content.len)
		return 1;
	return codes[f];
}

int main(int argc, char **argv)
{
	bool reading = argc == 4 && strcmp(argv[1], "--read") == 0;
	AUTO(auto_keyring_free) struct keyring *keys = NULL;

	if (argc != 3 && !reading) {
		fputs("usage: write_object KEYFILE OBJECT <content | write_object --read KEYFILE OBJECT\n", stderr);
		return 2;
	}
	keys = load_key(argv[argc - 2]);
	if (!keys)
		return 2;
	if (reading)
		return read_one(keys, fopen(argv[3], "rb"));
	FILE *out = fopen(argv[2], "wb");

	if (!out) {
		perror(argv[2]);
		return 1;
	}
	int rc = write_one(keys, out);

	if (fclose(out) || rc) {
		fprintf(stderr, "write_object: %s\n", strerror(rc ? rc : EIO));
		return 1;
	}
	return 0;
}

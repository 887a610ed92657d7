/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/slot.h"

#include <errno.h>

static const uint8_t raw_params[3] = { 0, 0, 0 };
static const uint8_t passphrase_params[3] = { 15, 8, 3 }; /* scrypt: log2 N, r, p */

static const uint8_t *params_of(uint8_t kind)
{
	if (kind == KEY_RAW)
		return raw_params;
	return kind == KEY_PASSPHRASE ? passphrase_params : NULL;
}

int slot_put(struct buf *out, const struct key_slot *slot)
{
	int rc = buf_put_u8(out, slot->kind);

	if (!rc)
		rc = buf_put(out, slot->params, sizeof(slot->params));
	if (!rc)
		rc = buf_put(out, slot->key_id, KEY_ID);
	if (!rc)
		rc = buf_put(out, slot->salt, KEY_SALT);
	if (!rc)
		rc = buf_put(out, slot->wrapped, sizeof(slot->wrapped));
	return rc ? rc : buf_fill(out, 0, 4);
}

int slot_get(struct buf *in, struct slot_image *image)
{
	struct key_slot *slot = &image->slot;

	if (buf_get_u8(in, &slot->kind) || buf_get(in, slot->params, sizeof(slot->params)) || buf_get(in, slot->key_id, KEY_ID) ||
	    buf_get(in, slot->salt, KEY_SALT) || buf_get(in, slot->wrapped, sizeof(slot->wrapped)) || buf_get_u32(in, &image->reserved))
		return EBADMSG;
	return 0;
}

bool slot_is_known(const struct key_slot *slot)
{
	const uint8_t *params = params_of(slot->kind);

	return params && memcmp(params, slot->params, sizeof(slot->params)) == 0;
}

bool slot_is_clean(const struct slot_image *image)
{
	static const uint8_t no_salt[KEY_SALT];

	if (!slot_is_known(&image->slot))
		return true;
	if (image->reserved)
		return false;
	return image->slot.kind != KEY_RAW || memcmp(image->slot.salt, no_salt, KEY_SALT) == 0;
}

void slot_set_kind(struct key_slot *slot, enum key_kind kind)
{
	slot->kind = (uint8_t)kind;
	memcpy(slot->params, params_of(slot->kind), sizeof(slot->params));
}

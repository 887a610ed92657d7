/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/acting.h"

#include "base/buf.h"
#include "vault/object_private.h"

#include <errno.h>

void acting_writer(struct vault *v, char out[ACTING_HEX])
{
	hex_encode(out, v->writer_id, sizeof(v->writer_id));
}

struct store_call acting_call(struct vault *v, const struct store_call *user, uint32_t most_ms)
{
	struct store_call call = call_like(user, v->config.meta_timeout_ms);

	if (most_ms && call.timeout_ms > most_ms)
		call.timeout_ms = most_ms;
	return call;
}

void acting_tell(struct store_call *user, const struct store_call *call)
{
	if (!user || user == call)
		return;
	user->err = call->err;
	if (call->server_date)
		user->server_date = call->server_date;
}

int acting_stopped(const struct store_call *user)
{
	return user && user->cancel && atomic_load(user->cancel) ? ECANCELED : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* No core dumps, no debugger, no other user's look at our memory: it holds keys. For main, before anything else. */
void process_harden(void);

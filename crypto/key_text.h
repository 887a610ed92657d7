/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/auto.h"

#include <stdint.h>

/* What kind of key a text is; docs/format.md §3.1. Private to crypto/. */
#define PASSPHRASE_MIN 12u
#define PASSPHRASE_MAX 1024u

enum key_text { KEY_TEXT_RAW, KEY_TEXT_PASSPHRASE, KEY_TEXT_REFUSED };

/* len without one trailing LF or CR LF. */
size_t key_text_length(const char *text, size_t len);
/* For a text without that ending: raw[32] is filled on KEY_TEXT_RAW, *reason (static text, never the key) on KEY_TEXT_REFUSED. */
enum key_text key_text_classify(const char *text, size_t len, uint8_t raw[32], const char **reason);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"

/* XML as S3 speaks it, by expat: a document is small, whole in memory, without a document type. */

/* Called when an element ends. path: the names from the root, "ListBucketResult/Contents/Key"; text: its characters since its last
 * child ended, decoded. Both are good only during the call. 0, or an errno that stops the parser. */
typedef int (*xml_fn)(void *arg, const char *path, const char *text);

/* Reads a whole document; blanks before it are skipped (servers send them to keep a connection awake).
 * 0; EBADMSG: not well-formed, cut, or not small (deeper than 16, a path over 255 bytes, a text over 16 KiB), or it has a DOCTYPE;
 * ENOMEM; or what fn answered. */
int xml_read(const void *data, size_t len, xml_fn fn, void *arg);

/* Whether the text is valid UTF-8: shortest forms, no surrogates. */
bool xml_is_utf8(const char *text);
/* Whether XML 1.0 can carry the text: valid UTF-8 without the control characters and non-characters that it forbids. */
bool xml_can_carry(const char *text);
/* Appends text with & < > " ' and line ends escaped. EINVAL where !xml_can_carry. */
int MUST_CHECK xml_put(struct buf *out, const char *text);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli), the checksum that S3 takes as x-amz-checksum-crc32c. It finds damage on the way, not tampering: that is the
 * signature's work. Any thread.
 *
 * crc32c(0, data, n) is the checksum of n bytes; crc32c(crc32c(0, a, n), b, m) that of a followed by b. */
uint32_t crc32c(uint32_t crc, const void *data, size_t n);

/* The same by tables only, for machines without SSE4.2 and for the test that compares both. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t n);

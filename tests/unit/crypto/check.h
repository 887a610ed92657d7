/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* cmocka wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#define assert_ok(call) assert_int_equal((call), 0)

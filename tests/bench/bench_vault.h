/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "vault/vault.h"

/* A vault at STORE ("dir:/path", "s3://BUCKET"), by the settings of the environment that pishopfs takes. NULL: the reason was printed. */
struct vault *bench_vault(const char *where, const char *tenant, bool read_only);

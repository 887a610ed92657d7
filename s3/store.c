/* SPDX-License-Identifier: Apache-2.0 */
#include "s3/store.h"

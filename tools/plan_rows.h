/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tools/show.h"
#include "vault/plan.h"

/* The rows of a plan, as `retention plan` and `retention apply` show them. */

/* A table; only_deletions leaves out what stays. 0 or an errno. */
int plan_rows_print(const struct tool *t, const struct plan *plan, bool only_deletions);
/* {"backup","decision","reasons":[…],"state","time"} for each row, as the member "rows" of o. */
void plan_rows_json(struct show_doc *doc, cJSON *o, const struct plan *plan);

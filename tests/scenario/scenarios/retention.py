# SPDX-License-Identifier: Apache-2.0
"""Retention by pishopctl on a real store: what the plan says happens, after the grace, and nothing else."""
import json
import time

from harness import expect, scenario
from harness.failure import expect_equal
from harness.registry import DIR, S3

DAYS = range(1, 9)
POLICY = ("--keep-last=3", "--min-age=0")
DOUBT_DROP = 25  # 20 and the number of the doubt
AT_ONCE = (*POLICY, "--policy-settle=0", "--grace=1", "--max-percent=100", "--yes")


def name(day):
    return f"acme-backup-202611{day:02}"


def run_of(fx, *words):
    """The document of a run."""
    text = fx.ctl("retention", "apply", "acme", "--json", *AT_ONCE, *words)
    return json.loads(text[text.rindex('{"dry_run"'):])


def told_of(run):
    return {key: run["tenants"][0][key] for key in ("keep", "delete", "hold", "tombstoned", "deleted", "due")}


@scenario(stores=(DIR, S3))
def a_policy_deletes_what_it_says(fx):
    """Eight sealed backups, keep-last 3: plan, tombstones, undelete of one, a hold on another, and deletion of the rest; verify and audit find nothing wrong."""
    for day in DAYS:
        fx.sh(f"head -c 50000 /dev/urandom >{name(day)}.tar.gz")
    fx.sh("echo x >loose")
    fx.remount()
    rows = json.loads(fx.ctl("retention", "plan", "acme", "--json", *POLICY))["rows"]
    told = {row["backup"]: row["decision"] for row in rows}
    expect_equal({day: told[name(day)] for day in DAYS}, {day: "keep" if day > 5 else "delete" for day in DAYS}, "the plan")
    expect_equal(told["loose"], "keep", "what is not sealed")

    fx.ctl("hold", "add", f"acme/{name(1)}", "--why", "a dispute")
    fx.ctl("retention", "apply", "acme", *AT_ONCE[:-1], code=2)  # nobody is there to be asked
    dry = run_of(fx, "--dry-run")
    expect_equal((dry["dry_run"], told_of(dry)), (True, {"keep": 4, "delete": 4, "hold": 1, "tombstoned": 0, "deleted": 0, "due": 0}), "the dry run")
    expect_equal(set(fx.states().values()), {"sealed", "unsealed"}, "states after a dry run")
    text = fx.ctl("retention", "apply", "acme", *AT_ONCE)
    expect("4 deleted, to be undone within the grace; 0 gone for good" in text and "4 kept, 1 on hold" in text, f"the run says: {text}")
    expect_equal({day: fx.states()[name(day)] for day in DAYS}, {day: "sealed" if day > 5 or day == 1 else "deleted" for day in DAYS}, "states in the grace")
    fx.ctl("undelete", f"acme/{name(2)}")
    fx.ctl("hold", "add", f"acme/{name(2)}", "--why", "needed")
    time.sleep(2)
    expect_equal(told_of(run_of(fx, "--dry-run")), {"keep": 4, "delete": 0, "hold": 2, "tombstoned": 0, "deleted": 0, "due": 3}, "what a dry run tells in the grace")
    expect_equal(told_of(run_of(fx)), {"keep": 4, "delete": 0, "hold": 2, "tombstoned": 0, "deleted": 3, "due": 3}, "the second run")
    expect_equal(sorted(fx.states()), sorted(["loose"] + [name(day) for day in DAYS if day > 5 or day < 3]), "what is left")
    fx.ctl("verify", "--full", "acme")
    fx.ctl("audit", "verify", "acme")
    fx.remount()
    expect_equal(fx.sh("ls").split(), [f"{name(day)}.tar.gz" for day in DAYS if day > 5 or day < 3] + ["loose"], "names in the mount")


@scenario(stores=(DIR, S3))
def an_empty_policy_and_a_doubt_delete_nothing(fx):
    """Without a rule nothing goes; and a tenant that lost most of its backups is not touched until somebody has looked."""
    for day in DAYS:
        fx.sh(f"head -c 5000 /dev/urandom >{name(day)}.tar.gz")
    fx.remount()
    fx.ctl("retention", "apply", "acme", "--min-age=0", "--policy-settle=0", "--yes")
    expect_equal(set(fx.states().values()), {"sealed"}, "states after a run without a rule")
    fx.remount("--on-remove=allow")
    fx.sh(f"rm {name(1)}.tar.gz {name(2)}.tar.gz {name(3)}.tar.gz {name(4)}.tar.gz")
    fx.remount()
    keep_one = ("--keep-last=1", "--min-age=0", "--policy-settle=0", "--max-percent=100", "--yes")
    text = fx.ctl("retention", "apply", "acme", *keep_one, code=DOUBT_DROP)
    expect("backups" in text, f"the doubt is not explained: {text}")
    expect_equal(set(fx.states().values()), {"sealed"}, "states after a run in doubt")
    fx.ctl("retention", "apply", "acme", "--accept=drop", *keep_one)
    expect_equal({day: fx.states()[name(day)] for day in (5, 6, 7, 8)}, {5: "deleted", 6: "deleted", 7: "deleted", 8: "sealed"}, "states after the doubt was accepted")

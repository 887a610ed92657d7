# SPDX-License-Identifier: Apache-2.0
"""Seals: what a Job leaves is known to be good, and a mistake can be taken back."""
import time

from harness import expect, scenario
from harness.failure import expect_equal
from harness.registry import DIR, S3

NAME = "tenant-acme-20261123-231500"
DUMP = f"mkdir -p {NAME}/db; for i in 1 2 3; do head -c 300000 /dev/urandom >{NAME}/db/$i.bson.gz; done; echo '{{}}' >{NAME}/metadata.json"
PACK = f"tar -czf {NAME}.tar.gz {NAME}; rm -rf {NAME}"


def wait_for(what, check, seconds=20):
    end = time.monotonic() + seconds
    while not check():
        expect(time.monotonic() < end, f"after {seconds} s still not: {what}")
        time.sleep(0.2)


@scenario(stores=(DIR, S3))
def a_job_leaves_one_sealed_backup(fx):
    """The backup Job's steps leave exactly one sealed backup; the scratch folder is gone; verify finds nothing."""
    fx.sh(f"{DUMP}; {PACK}; test ! -e {NAME}")
    expect_equal(fx.states(), {NAME: "sealed"}, "states while mounted")
    fx.remount()
    expect_equal(fx.states(), {NAME: "sealed"}, "states in a new mount")
    fx.sh(f"tar -xzf {NAME}.tar.gz; test -s {NAME}/db/3.bson.gz; rm -rf {NAME}")  # the restore Job: scratch beside a sealed archive
    expect_equal(fx.states(), {NAME: "sealed"}, "states after a restore")
    fx.ctl("verify", "acme")
    fx.ctl("verify", "--full", "acme")


@scenario(stores=(DIR, S3))
def killed_between_tar_and_seal(fx):
    """kill -9 of the mount at some moment behind tar: either nothing of the dump was removed, or the seal is there; the next mount makes the seal."""
    for pause in (0, 0.02, 0.2):
        fx.sh(f"rm -rf {NAME}*; {DUMP}; tar -czf {NAME}.tar.gz {NAME}; (rm -rf {NAME} &) ; sleep {pause}")
        mount = fx.mounts.pop()
        mount.kill()
        fx.mount()
        wait_for("sealed", lambda: fx.states().get(NAME) == "sealed")
        fx.sh(f"tar -tzf {NAME}.tar.gz >$W/list; grep -q db/3.bson.gz $W/list")


@scenario(stores=(DIR, S3))
def removed_and_brought_back(fx):
    """rm of a sealed archive hides it; undelete brings it back, byte for byte."""
    fx.sh(f"{DUMP}; {PACK}; sha256sum {NAME}.tar.gz >$W/sum; rm {NAME}.tar.gz; test ! -e {NAME}.tar.gz; ! ls | grep -q {NAME}")
    expect_equal(fx.states(), {NAME: "deleted"}, "states after rm")
    fx.remount()
    fx.sh(f"! ls | grep -q {NAME}; test ! -e {NAME}.tar.gz")
    fx.ctl("undelete", f"acme/{NAME}")
    fx.remount()
    fx.sh("sha256sum -c $W/sum")
    expect_equal(fx.states(), {NAME: "sealed"}, "states after undelete")


@scenario(stores=(DIR, S3))
def a_sealed_folder_is_removed_as_a_whole(fx):
    """A folder with its mark is sealed at the end of the mount; rm -rf hides all of it, and undelete brings all of it back."""
    fx.sh(f"{DUMP}; sha256sum {NAME}/db/* {NAME}/metadata.json >$W/sum")
    fx.remount()
    expect_equal(fx.states(), {NAME: "sealed"}, "states after the end of the mount")
    fx.sh(f"sha256sum -c $W/sum; rm -rf {NAME}; test ! -e {NAME}")
    fx.remount()
    fx.sh(f"test ! -e {NAME}")
    expect_equal(fx.states(), {NAME: "deleted"}, "states after rm -rf")
    fx.ctl("undelete", f"acme/{NAME}")
    fx.remount()
    fx.sh("sha256sum -c $W/sum")


@scenario(stores=(DIR, S3))
def made_anew(fx):
    """The same Job again: over a sealed archive, whose copy goes to the trash; and after it was removed: its objects go there."""
    fx.sh(f"{DUMP}; {PACK}; {DUMP}; {PACK}; tar -tzf {NAME}.tar.gz >/dev/null")
    expect_equal(fx.states(), {NAME: "sealed"}, "states after a second run")
    expect(NAME in fx.ctl("undelete", "--list"), "the first run's backup is not in the trash")
    fx.sh(f"rm {NAME}.tar.gz; {DUMP}; {PACK}; tar -tzf {NAME}.tar.gz >/dev/null")
    expect_equal(fx.states(), {NAME: "sealed"}, "states after a third run")
    fx.ctl("verify", "--full", "acme")


@scenario(stores=(DIR, S3))
def what_is_not_complete_is_not_sealed(fx):
    """A killed tar, and a folder without its mark, are never sealed by themselves."""
    fx.sh(f"mkdir {NAME}; echo x >{NAME}/f; cp {NAME}/f loose; bash -c 'exec 3>{NAME}.tar.gz; echo partial >&3; kill -9 $$' || true")
    fx.remount()
    states = fx.states()
    expect(states[NAME] == "partial", f"states: {states}")
    expect("sealed" not in states.values(), f"states: {states}")


@scenario(stores=(DIR, S3))
def remove_refused_or_plain(fx):
    """--on-remove=refuse is EPERM, --on-remove=allow removes at once."""
    fx.sh(f"{DUMP}; {PACK}")
    fx.remount("--on-remove=refuse")
    fx.sh(f"fails 'Operation not permitted' rm {NAME}.tar.gz; fails 'not permitted' bash -c '>{NAME}.tar.gz'; tar -tzf {NAME}.tar.gz >/dev/null")
    fx.remount("--on-remove=allow")
    fx.sh(f"echo x >other; rm {NAME}.tar.gz")
    fx.unmount()
    expect(NAME not in fx.states(), "a removed backup is still told of")
    fx.mount()

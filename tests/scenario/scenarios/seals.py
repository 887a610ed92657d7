# SPDX-License-Identifier: Apache-2.0
"""Seals: what a Job leaves is known to be good, and a mistake can be taken back."""
import json
import time

from harness import expect, scenario
from harness.failure import expect_equal
from harness.objects import objects
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
def what_comes_behind_tar_is_sealed(fx):
    """Modes and checksums that are written while the archive is being sealed, or were open before, are of the backup that is sealed in the end."""
    steps = {
        "behind it": f"tar -czf {NAME}.tar.gz {NAME}; chmod 600 {NAME}.tar.gz; sha256sum {NAME}.tar.gz >{NAME}.tar.gz.sha256",
        "beside it": f"tar -cz {NAME} | tee {NAME}.tar.gz | sha256sum >{NAME}.tar.gz.sha256",
        "modes alone": f"tar -czf {NAME}.tar.gz {NAME}; chmod 600 {NAME}.tar.gz",
    }
    for how, step in steps.items():
        fx.sh(f"rm -rf {NAME}*; {DUMP}; {step}; rm -rf {NAME}")
        fx.remount()
        expect_equal(fx.states(), {NAME: "sealed"}, f"states where it was written {how}")
        fx.ctl("verify", "--full", "acme")


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


SIX = range(6)
LOOK = r"find . -mindepth 1 \( -type d -printf '%p %y %m %U %G\n' -o -printf '%p %y %m %U %G %s %T@ %l\n' \) | sort"  # a folder's own time is kept in memory only


def make_archives_and_folders(fx):
    fx.sh(f"""
        for i in {' '.join(map(str, SIX))}; do
            head -c ${{i}}000000 /dev/urandom >acme-2026110$i.tar.gz; chmod 640 acme-2026110$i.tar.gz; touch -d 2026-11-0$((i + 1)) acme-2026110$i.tar.gz
            d=acme-2026112$i; mkdir -p $d/a/b $d/a-b $d/empty; for n in 1 2 3 4 5; do echo $i$n >$d/a/b/$n; echo x >$d/a-b/$n; done; : >$d/a/nothing; ln -s b/1 $d/a/link; chown -h 5:6 $d/a/link
            chmod 600 $d/a/b/3; chown 5:6 $d/a/b/4; touch -d 2026-01-0$((i + 1)) $d/a/b/5; chmod 750 $d/a; echo '{{}}' >$d/metadata.json
        done""")


@scenario(stores=(DIR, S3), alone=True)
def a_sealed_backup_is_listed_by_its_seal(fx):
    """ls -lR of a cold mount: names and attributes are those that were written, for one GET a backup and link; what is read afterwards is right, too."""
    make_archives_and_folders(fx)
    written = fx.sh(LOOK)
    sums = fx.sh("find . -type f -print0 | sort -z | xargs -0 sha256sum")
    fx.remount()
    expect_equal(set(fx.states().values()), {"sealed"}, "states")
    before = fx.requests()
    expect_equal(fx.sh(LOOK), written, "names and attributes by the seal")
    after = fx.requests()
    asked = {api: after[api] - before.get(api, 0) for api in after if after[api] != before.get(api, 0)}
    fx.measure("S3 requests of a cold ls -lR over 12 backups", asked)
    backups, links = 2 * len(SIX), len(SIX)  # where a link points to is its content
    expect(asked.get("getobject", 0) <= backups + links, f"more than one GET a backup: {asked}")
    expect(sum(asked.values()) <= backups + links + 5, f"more requests than the seals and five listings: {asked}")
    expect_equal(fx.sh("find . -type f -print0 | sort -z | xargs -0 sha256sum"), sums, "what is read afterwards")
    expect_equal(fx.sh("readlink acme-20261123/a/link; ls acme-20261123/empty acme-20261123/a-b"), "b/1\nacme-20261123/a-b:\n1\n2\n3\n4\n5\n\nacme-20261123/empty:\n", "links and folders")


@scenario(stores=(DIR, S3))
def what_a_seal_does_not_list(fx):
    """Beside and after the seal: scratch is seen, what another mount changed is seen after it, a removed object is an error and no absence, a replaced one is an error."""
    make_archives_and_folders(fx)
    fx.remount()
    fx.sh("mkdir acme-20261101; echo x >acme-20261101/scratch; chmod 600 acme-20261124/metadata.json; rm acme-20261105.tar.gz")
    here = fx.sh(LOOK)
    fx.remount()
    expect_equal(fx.sh(LOOK), here, "what a new mount sees")
    fx.sh("rm -rf acme-20261101")
    fx.unmount()
    store = objects(fx)
    store.remove(store.find("acme-20261122/a/b/1"))
    store.put(store.find("acme-20261121/a/b/1"), store.get(store.find("acme-20261123/a/b/1")))
    fx.mount()
    fx.sh("ls -lR . >/dev/null; cat acme-20261122/a/b/2")
    fx.sh("fails 'Input/output error' cat acme-20261122/a/b/1; fails 'Input/output error' cat acme-20261122/a/b/1; fails 'Input/output error' cat acme-20261121/a/b/1")
    expect(fx.logged("acme-20261122/a/b/1", "not there"), "the log does not name the object that is missing")
    expect(fx.logged("acme-20261121/a/b/1", "not what the seal"), "the log does not name the object that was replaced")


@scenario(stores=(S3,))
def a_folder_at_the_name_of_a_removed_file(fx):
    """In a bucket that keeps versions a file is removed and a folder made at its name: what comes into it is seen by the next mount, and the file does not come back."""
    objects(fx).keep_versions()
    fx.sh("echo old >d; echo older >e; sleep 0.5; rm d e; mkdir f; sleep 0.5; mkdir d d/e; echo new >d/x; mv f e; echo y >e/y")
    fx.remount()
    expect_equal(fx.sh("ls -R d e; cat d/x e/y"), "d:\ne\nx\n\nd/e:\n\ne:\ny\nnew\ny\n", "what the next mount sees")


@scenario(stores=(DIR, S3))
def another_mark_or_none(fx):
    """--seal-mark names the file that says a folder is complete; --seal-settled needs none. Loose files are sealed by neither, and cost nothing at the end."""
    fx.remount("--seal-mark=DONE")
    fx.sh("mkdir a-20261101 b-20261102; echo x >a-20261101/f; echo {} >a-20261101/metadata.json; echo x >b-20261102/f; : >b-20261102/DONE; for i in $(seq 40); do echo x >loose-$i; done")
    before = sum(fx.requests().values())
    fx.unmount()
    used = sum(fx.requests().values()) - before
    fx.measure("S3 requests of an unmount with one folder to be sealed and forty loose files", used)
    expect(used <= 30, f"loose files cost requests at the end: {used}")
    states = fx.states()
    expect_equal({name: states[name] for name in ("a-20261101", "b-20261102", "loose-7")}, {"a-20261101": "unsealed", "b-20261102": "sealed", "loose-7": "unsealed"}, "states")
    fx.mount("--seal-settled")
    fx.sh("echo y >a-20261101/g")
    fx.remount()
    expect_equal(fx.states()["a-20261101"], "sealed", "the folder without its mark")


def told_by_status(fx):
    status = json.loads((fx.mnt / ".pishopfs/status.json").read_text())
    return status, {row["backup"].removeprefix("acme/"): row for row in status["backups"]}


@scenario(stores=(DIR, S3))
def states_are_told_alike(fx):
    """status.json shows the backups as pishopctl list does: unsealed, partial with its reason, sealed, deleted until when, damaged, open; and what it knew where the store is silent."""
    fx.sh(f"mkdir u; echo x >u/f; {DUMP}; {PACK}; echo x >d-20261101.tar.gz; echo y >g-20261102.tar.gz; bash -c 'exec 3>p-20261103.tar.gz; echo partial >&3; kill -9 $$' || true")
    fx.remount()
    fx.sh("rm d-20261101.tar.gz")
    fx.unmount()
    store = objects(fx)
    store.remove(store.find("g-20261102.tar.gz"))
    fx.mount()
    status, rows = told_by_status(fx)
    wanted = {"u": "unsealed", NAME: "sealed", "d-20261101": "deleted", "g-20261102": "damaged", "p-20261103": "partial"}
    expect_equal({name: row["state"] for name, row in rows.items()}, wanted, "states in status.json")
    expect_equal(fx.states(), wanted, "states by pishopctl list")
    expect("killed" in rows["p-20261103"]["reason"] and rows["g-20261102"]["reason"], f"reasons: {rows}")
    expect(rows["d-20261101"]["deleted_until"] > status["now"], f"until when: {rows}")
    fx.sh("exec 3>new-20261104.tar.gz; echo x >&3; grep -A1 new-20261104 .pishopfs/status.json | grep -q open")
    wait_for("what this mount has just written is sealed", lambda: told_by_status(fx)[1]["new-20261104"]["state"] == "sealed")
    if fx.store == S3:
        fx.minio.freeze()
        time.sleep(10)
        began = time.monotonic()
        status, rows = told_by_status(fx)
        fx.minio.thaw()
        expect(time.monotonic() - began < 20, "status.json waits for a store that is silent")
        expect(status["backups_error"] and rows[NAME]["state"] == "sealed", f"what was known before: {status}")


@scenario(stores=(DIR, S3))
def a_harmless_change_protects_all_the_same(fx):
    """A sealed folder is touched, and a file added; then it is changed by sed -i, by rsync, by rm -rf: what was sealed can be brought back each time. --on-remove=refuse refuses."""
    for number, destroy in enumerate(("sed -i s/sealed/broken/ $d/f", "echo other >$W/f; rsync -a --inplace $W/f $d/f", "chmod -R u+w $d; rm -rf $d", "mv $d/f $d/g; rm $d/g", "cp -f $W/f $d/f")):
        folder = f"n{number}-20261101"
        fx.sh(f"d={folder}; mkdir $d; echo sealed >$d/f; echo {{}} >$d/metadata.json; echo x >$W/f")
        fx.remount()
        expect_equal(fx.states()[folder], "sealed", "before")
        fx.sh(f"d={folder}; touch $d/f; echo new >$d/new; {destroy}; ! grep -q sealed $d/f")
        trash = fx.ctl("undelete", "--list")
        expect(folder in trash, f"nothing of {folder} is in the trash after: {destroy}")
        fx.ctl("undelete", f"acme/{folder}", "--as", f"back{number}-20261101")
        fx.remount()
        expect_equal(fx.sh(f"cat back{number}-20261101/f"), "sealed\n", f"what came back after: {destroy}")
    fx.remount("--on-remove=refuse")
    folder = "back0-20261101"
    fx.sh(f"touch {folder}/f; fails 'not permitted' sed -i s/sealed/broken/ {folder}/f; fails 'not permitted' rm -rf {folder}; grep -q sealed {folder}/f; echo more >>{folder}/f")


@scenario(stores=(DIR, S3))
def a_file_beside_the_archive_is_removed(fx):
    """A checksum, and the sealed folder that an archive was made of, are removed: the archive stays where it is, and sealed."""
    fx.sh(f"{DUMP}")
    fx.remount()
    expect_equal(fx.states(), {NAME: "sealed"}, "the folder")
    fx.sh(f"tar -czf {NAME}.tar.gz {NAME}; sha256sum {NAME}.tar.gz >{NAME}.tar.gz.sha256")
    wait_for("both are sealed", lambda: fx.states() == {NAME: "sealed"})
    fx.sh(f"rm -rf {NAME}; test -s {NAME}.tar.gz; rm {NAME}.tar.gz.sha256; ls | grep -q {NAME}.tar.gz")
    fx.remount()
    expect_equal(fx.states(), {NAME: "sealed"}, "after the removal of what stood beside it")
    expect_equal(fx.sh("ls"), f"{NAME}.tar.gz\n", "what is left")
    expect(NAME in fx.ctl("undelete", "--list"), "what was removed is not in the trash")
    fx.ctl("verify", "--full", "acme")

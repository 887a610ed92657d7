# SPDX-License-Identifier: Apache-2.0
"""What Jobs leave, however they meet: two at once, one on each of two mounts, one that is run again, one that is killed."""
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

from harness import expect, scenario
from harness.failure import expect_equal
from harness.fixture import JOBS, MNT
from harness.registry import DIR, S3

NAMES = ("tenant-acme-20261123-231500", "tenant-acme-20261123-231501")
OTHER = Path("/mnt/other")


class JobRun(threading.Thread):
    """The backup Job against the mount at that place, which it sees at /backup; begun at once."""

    def __init__(self, fx, server, name, at=MNT):
        super().__init__()
        bind = "" if at == MNT else f"mount --bind {at} /backup; "
        self.command = ["unshare", "--mount", "--propagation", "private", "bash", "-ec", f"{bind}cd /; exec bash -e {JOBS / 'backup.sh'}"]
        self.env = {**os.environ, "LC_ALL": "C.UTF-8", **fx.job_environment(server, name)}
        self.code, self.output = None, ""
        self.start()

    def run(self):
        done = subprocess.run(self.command, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=100, check=False)
        self.code, self.output = done.returncode, done.stdout

    def end(self, beside=()):
        """beside: scratch folders of other Jobs. Its last step, ls -l, may see one that is removed before it is looked at, as on any disk: exit code 1 of ls."""
        self.join()
        missed = any(f"ls: cannot access '/backup/{name}': No such file or directory" in self.output for name in beside)
        if self.code == 1 and missed:
            return
        expect_equal(self.code, 0, f"exit code of the Job, which said:\n{self.output[-3000:]}\n")


def in_the_trash(fx):
    """Names of the backups there, one for each copy."""
    text = fx.ctl("undelete", "--list", "acme", "--json")
    return sorted(item["backup"] for item in json.loads(text[text.index("{"):])["deleted"])


def sealed_and_nothing_else(fx, names, trash=()):
    """Each name is one sealed backup, whole, and its archive is all that the mount shows."""
    expect_equal(fx.states(), {name: "sealed" for name in names}, "states")
    expect_equal(sorted(path.name for path in MNT.iterdir()), sorted(f"{name}.tar.gz" for name in names), "names in the mount")
    expect_equal(in_the_trash(fx), sorted(trash), "the trash")
    for name in names:
        expect("/shop/" in fx.sh(f"tar -tzf {name}.tar.gz"), f"{name}.tar.gz holds no dump")
    fx.ctl("verify", "--full", "acme")
    fx.ctl("audit", "verify", "acme")


@scenario(stores=(DIR, S3), asan=False)
def two_jobs_at_once(fx):
    """Two Jobs at once in one mount leave two sealed backups; run again at once with the same names, one each, and the first ones in the trash."""
    source = fx.mongo(3)
    for trash in ((), NAMES):
        jobs = [JobRun(fx, source, name) for name in NAMES]
        for job in jobs:
            job.end()
        sealed_and_nothing_else(fx, NAMES, trash)
    fx.remount()
    sealed_and_nothing_else(fx, NAMES, NAMES)


@scenario(stores=(DIR, S3), asan=False)
def a_job_on_each_of_two_mounts(fx):
    """One Job on each of two mounts of a tenant, at once, leave two sealed backups; each run again with the same name by a new pod at
    the other's place, one each, and the trash."""
    source = fx.mongo(3)
    first, second = NAMES
    fx.unmount()
    for trash, pairs in (((), ((first, MNT), (second, OTHER))), (NAMES, ((first, OTHER), (second, MNT)))):
        mounts = [fx.mount(at=at) for _, at in pairs]
        jobs = [JobRun(fx, source, name, at) for name, at in pairs]
        for job in jobs:
            job.end(beside=NAMES)
        expect_equal(fx.states(), {name: "sealed" for name in NAMES}, "states while both are mounted")
        expect_equal(in_the_trash(fx), sorted(trash), "the trash")
        for mount in mounts:
            fx.unmount(mount)
    fx.mount()
    sealed_and_nothing_else(fx, NAMES, NAMES)


# ---- killed

DUMP = """mkdir -p $NAME/db; for i in $(seq 40); do head -c 20000 /dev/urandom >$NAME/db/$i.bson.gz; done; echo '{}' >$NAME/metadata.json; sha256sum $NAME/db/* >$W/sum-$NAME
touch $W/begun-$NAME; tar -czf $NAME.tar.gz $NAME; touch $W/packed-$NAME; rm -rf $NAME; touch $W/removed-$NAME"""


class KilledJob:
    """A Job of its own name, whose processes and mount are killed at some moment of its tar and rm."""

    def __init__(self, fx, number):
        self.fx, self.name = fx, f"tenant-acme-20261123-{number:06}"
        self.process = subprocess.Popen(["bash", "-eu", "-c", DUMP], cwd=MNT, env={**os.environ, "W": str(fx.work), "NAME": self.name}, start_new_session=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait_for(self, step):
        """The time at which that step was seen."""
        mark, end = self.fx.work / f"{step}-{self.name}", time.monotonic() + 60
        while not mark.exists():
            expect(time.monotonic() < end, f"{self.name}: not {step} within 60 s")
            time.sleep(0.001)
        return time.monotonic()

    def steps(self):
        """Seconds that tar and rm take, undisturbed."""
        times = [self.wait_for(step) for step in ("begun", "packed", "removed")]
        expect_equal(self.process.wait(), 0, "exit code of the undisturbed Job")
        return times[1] - times[0], times[2] - times[1]

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.fx.mounts.pop().kill()
        self.process.wait()


def judge(fx, name, by_tool):
    """After a kill: one sealed backup whose archive holds all; or no removal had begun, and the dump is whole."""
    whole = f"cd $W; rm -rf out; mkdir out; tar -xzf {MNT}/{name}.tar.gz -C out; cd out; sha256sum -c --quiet $W/sum-{name}; test -s {name}/metadata.json"
    packed = (fx.work / f"packed-{name}").exists()
    if by_tool and packed and fx.states().get(name) != "sealed":
        fx.ctl("seal", "--force", f"acme/{name}")  # its writer is not known to be dead yet
    fx.mount()
    end = time.monotonic() + (20 if packed else 3)
    while fx.states().get(name) != "sealed" and time.monotonic() < end:
        time.sleep(0.3)
    if fx.states().get(name) == "sealed":
        fx.sh(whole)
        return "sealed"
    expect(not packed, f"{name}: tar had ended well, and there is no seal: {fx.states()}")
    fx.sh(f"sha256sum -c --quiet $W/sum-{name}; test -s {name}/metadata.json")
    return "dump whole"


@scenario(stores=(DIR, S3), limit=300, asan=False)
def killed_at_any_moment_of_tar_and_rm(fx):
    """kill -9 of the mount and of the Job at moments spread from before tar's end to behind rm's: the next mount, or the tool, has exactly one sealed backup of it, or the
    removal had not begun and the dump is whole."""
    tar, rm = KilledJob(fx, 999999).steps()
    early, late = (4, 8) if fx.long else (2, 3)
    moments = [("begun", tar * (0.6 + 0.4 * i / early)) for i in range(early)] + [("packed", rm * 1.2 * i / (late - 1)) for i in range(late)]
    found = []
    for i, (step, seconds) in enumerate(moments):
        job = KilledJob(fx, i)
        at = job.wait_for(step) + seconds
        time.sleep(max(0, at - time.monotonic()))
        job.kill()
        found.append(judge(fx, job.name, by_tool=i % 3 == 2))
        expect_equal(in_the_trash(fx), [], "the trash")
    fx.measure("tar and rm, seconds", f"{tar:.2f} {rm:.2f}; {found}")
    expect("sealed" in found, f"no moment was late enough to be sealed: {found}")
    fx.ctl("verify", "--full", "acme")
    fx.ctl("audit", "verify", "acme")

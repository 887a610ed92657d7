# SPDX-License-Identifier: Apache-2.0
"""Retention over many objects, beside Jobs, killed, and in three places at once."""
import json
import os
import random
import subprocess
import threading
import time
from pathlib import Path

from harness import expect, scenario
from harness.failure import expect_equal
from harness.objects import objects
from harness.registry import S3

BACKUPS, LEAST, MOST, KEPT = 72, 400, 1000, 10  # about 50,000 objects
LEASE = 9
POLICY = (f"--keep-last={KEPT}", "--min-age=0")
APPLY = ("retention", "apply", "acme", "--policy-settle=0", "--grace=1", "--max-percent=100", f"--retention-lease={LEASE}", "--yes")
JOB = "mkdir $N; for i in 1 2 3 4; do head -c 30000 /dev/urandom >$N/$i.bson.gz; done; echo '{}' >$N/metadata.json; tar -czf $N.tar.gz $N; rm -rf $N; tar -tzf $N.tar.gz >/dev/null"


class JobLoop(threading.Thread):
    """Jobs, one after the other, whose backups have no time in their names: no rule counts them, and none may go."""

    def __init__(self, fx, series, pause=0.5):
        super().__init__(daemon=True)
        self.fx, self.series, self.pause, self.names, self.failure = fx, series, pause, [], None
        self.end = threading.Event()
        self.start()

    def run(self):
        while not self.end.wait(self.pause):
            name = f"job-{self.series}-{len(self.names)}"
            try:
                self.fx.sh(JOB, env={"N": name})
            except Exception as failure:  # for the scenario's own thread
                self.failure = failure
                return
            self.names.append(name)

    def stop(self):
        """The names of all its backups; each of its Jobs must have ended well."""
        self.end.set()
        self.join()
        if self.failure:
            raise self.failure
        return self.names


def audit(fx):
    """All lines of the log, which must be whole."""
    fx.ctl("audit", "verify", "acme")
    return [json.loads(line) for line in fx.ctl("audit", "show", "acme", "--json").splitlines() if line.startswith("{")]


def told_once(lines, event):
    """The backups of which the log tells that, each once."""
    told = [line["backup"] for line in lines if line["event"] == event]
    twice = sorted({name for name in told if told.count(name) > 1})
    expect(not twice, f"{event} twice: {twice}")
    return set(told)


def rows(fx):
    text = fx.ctl("list", "acme", "--json")
    return {row["backup"]: row for row in json.loads(text[text.index("{"):])["backups"]}


def many(fx, versions):
    """The bucket; names of what must stay and of what must go, and the number of objects."""
    if versions:
        fx.minio
        objects(fx).keep_versions()
    fx.bench("make_backups", "acme", str(BACKUPS), str(LEAST), str(MOST), "100")
    found = rows(fx)
    fx.ctl("retention", "policy", "acme", *POLICY)
    names = sorted(found)
    return set(names[-KEPT:]), set(names[:-KEPT]), sum(row["objects"] for row in found.values())


def ended_well(fx, stay, go, jobs, versions):
    """All that should stay is whole, all that should go is gone without a trace but in the log."""
    expect_equal(fx.states(), {name: "sealed" for name in stay | set(jobs)}, "states at the end")
    fx.ctl("verify", "--full", "acme", timeout=300)
    lines = audit(fx)
    expect(not told_once(lines, "deleting") - go, "the log tells of a deletion that should not be")  # killed between its word and its line, the line is missing
    expect_equal({line["backup"] for line in lines if line["event"] == "deleted"}, go, "what the log says is gone")
    expect(not {line["backup"] for line in lines if line["event"] == "tombstoned"} - go, "the log tells of a tombstone that should not be")
    store = objects(fx)
    left = [key for key in (version["Key"] for version in store.versions("")) if any(name in key for name in go)] if versions else \
        [key for key in store.keys() if any(name in key for name in go)]
    expect(not left, f"{len(left)} objects of what is gone are there: {left[:5]}")


def sweep(fx, versions):
    stay, go, count = many(fx, versions)
    fx.mount()
    jobs = []
    job = beside_jobs(fx, jobs, "alone", lambda: time.sleep(15))[1]
    counted = []
    for step in ("mark", "sweep"):
        seconds, ours, used = beside_jobs(fx, jobs, step, lambda: fx.ctl(*APPLY, timeout=300), job)
        counted.append(ours)
        fx.measure(f"{step}: {count} objects in {BACKUPS} backups, {len(go)} to go", f"{ours:.0f} requests ({ours / count:.4f} for each object), {seconds:.1f} s; with Jobs of "
                   f"{job:.1f} each {used}")
        time.sleep(2)
    fx.ctl(*APPLY)
    ended_well(fx, stay, go, jobs, versions)
    expect(max(counted) < count / 100, f"{counted} requests for {count} objects")


def beside_jobs(fx, jobs, step, work, each=None):
    """Does that while Jobs run: (seconds of the work, requests, all by kind): those of the work, where it is known what a Job takes, else those of one Job."""
    before, loop, begun = fx.requests(), JobLoop(fx, step, pause=1.5), time.monotonic()
    work()
    seconds = time.monotonic() - begun
    names, after = loop.stop(), fx.requests()
    jobs += names
    used = {api: after[api] - before.get(api, 0) for api in after if after[api] != before.get(api, 0)}
    return seconds, sum(used.values()) / len(names) if each is None else sum(used.values()) - each * len(names), used


@scenario(stores=(S3,), long=True, alone=True, limit=900, mounted=False)
def sweep_of_50000_objects(fx):
    """A sweep of 50,000 objects takes less than 0.01 requests for each, while Jobs write; what is to go is gone, nothing else is."""
    sweep(fx, versions=False)


@scenario(stores=(S3,), long=True, alone=True, limit=900, mounted=False)
def sweep_of_50000_versions(fx):
    """The same in a bucket that keeps versions: none of what is gone is left."""
    sweep(fx, versions=True)


# ---- killed

def killed(fx, versions):
    stay, go, _ = many(fx, versions)
    fx.mount()
    loop, rng, cut = JobLoop(fx, "killed", pause=3), random.Random(), []
    seed = int(os.environ.get("PISHOPFS_TEST_SEED", rng.randrange(1 << 30)))
    print(f"PISHOPFS_TEST_SEED={seed}")
    rng.seed(seed)
    begun = time.monotonic()
    fx.ctl(*APPLY, "--max-percent=3")
    whole = time.monotonic() - begun  # of a run, on this machine today
    while len([one for one in cut if "ended" not in one]) < 30 and set(fx.states()) & go:
        with open(fx.work / "apply.log", "ab") as log:
            share = f"--max-percent={rng.choice((3, 8))}"  # so that the last kills still meet work
            run = subprocess.Popen(fx.ctl_command(*APPLY, share), env=fx.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        moment = rng.uniform(0.2, 1.3) * whole
        try:
            run.wait(moment)
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
        left = len(set(fx.states()) & go)
        cut.append(f"{moment:.2f} s, {left} left" if run.returncode == -9 else f"ended with {run.returncode}, {left} left")
        time.sleep(LEASE + 1 if run.returncode == -9 else 1)
    end = time.monotonic() + 300
    while set(fx.states()) & go:
        expect(time.monotonic() < end, f"still there: {set(fx.states()) & go}")
        fx.ctl(*APPLY, code=None, timeout=300)
        time.sleep(1.5)
    fx.ctl(*APPLY, timeout=300)
    fx.measure("killed after", cut)
    expect(len(cut) >= 30, "too little was left to do for 30 kills")
    ended_well(fx, stay, go, loop.stop(), versions)


@scenario(stores=(S3,), long=True, alone=True, limit=1800, mounted=False)
def sweep_killed_30_times(fx):
    """Retention killed (kill -9) at 30 random moments of a sweep of 50,000 objects, while Jobs write, ends as if it had not been; nothing that should stay is touched."""
    killed(fx, versions=False)


@scenario(stores=(S3,), long=True, alone=True, limit=1800, mounted=False)
def sweep_of_versions_killed_30_times(fx):
    """The same in a bucket that keeps versions."""
    killed(fx, versions=True)


# ---- three at once

THREE = 5  # kept


class Actor:
    """One of those that act: a mount with --retention, or the tool in a loop. Each of its runs that came to its end is a line of its log."""

    def __init__(self, fx, name):
        self.fx, self.name, self.mount, self.process = fx, name, None, None
        self.log = fx.work / f"mount-actor-{name}.log"

    def start(self):
        if self.name == "tool":
            command = self.fx.ctl_command("retention", "apply", "acme", "--loop=1s", "--grace=2s", f"--retention-lease={LEASE}")
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(command, env=self.fx.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            return
        self.mount = self.fx.new_mount("--retention", "--retention-interval=1s", "--grace=2s", f"--retention-lease={LEASE}", at=Path(f"/mnt/{self.name}"))
        self.mount.log = self.log
        self.mount.start()

    def kill(self):
        if self.mount:
            self.mount.kill()
        else:
            self.process.kill()
            self.process.wait()

    def stop(self):
        if self.mount:
            self.mount.stop()
        else:
            self.process.terminate()
            expect_equal(self.process.wait(60), 130, "exit code of the loop after SIGTERM")

    def runs(self):
        text = self.log.read_text(errors="replace")
        expect("in doubt" not in text, f"{self.name} stopped in doubt:\n{text[-2000:]}")
        return text.count(" kept")


class Writer(threading.Thread):
    """A new backup every second or so, named by its time."""

    def __init__(self, fx):
        super().__init__(daemon=True)
        self.fx, self.names, self.failure = fx, [], None
        self.end = threading.Event()
        self.start()

    def run(self):
        while not self.end.wait(1.1):
            name = time.strftime("acme-%Y%m%d-%H%M%S", time.gmtime())
            try:
                self.fx.sh(f"mkdir {name}; head -c 30000 /dev/urandom >{name}/a.gz; tar -czf {name}.tar.gz {name}; rm -rf {name}")
            except Exception as failure:  # for the scenario's own thread
                self.failure = failure
                return
            self.names.append(name)

    def stop(self):
        self.end.set()
        self.join()
        if self.failure:
            raise self.failure
        return self.names


class Watch:
    """The runs of all, and the longest time in which nobody acted."""

    def __init__(self, actors):
        self.actors, self.last, self.count, self.gap = actors, time.monotonic(), 0, 0.0

    def look(self):
        """Has somebody come to the end of a run since the last look?"""
        count, now = sum(actor.runs() for actor in self.actors), time.monotonic()
        expect(now - self.last < LEASE + 8, f"nobody has acted for {now - self.last:.0f} s, with a lease of {LEASE} s")
        if count == self.count:
            return False
        self.gap, self.last, self.count = max(self.gap, now - self.last), now, count
        return True

    def wait(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look()
            time.sleep(0.1)

    def next_run(self):
        while not self.look():
            time.sleep(0.1)


def lease_moves(store):
    """Returns when the lease has just been taken, or given back: a kill then is likely to meet one who has it."""
    key = store.find("/control/lease")
    before = store.s3.head_object(Bucket=store.bucket, Key=key)["ETag"]
    while store.s3.head_object(Bucket=store.bucket, Key=key)["ETag"] == before:
        time.sleep(0.005)


def three(fx, versions):
    seconds = int(os.environ.get("PISHOPFS_TEST_SECONDS", "60"))
    fx.minio
    if versions:
        objects(fx).keep_versions()
    fx.mount()
    fx.sh("mkdir acme-20200101-000000; echo x >acme-20200101-000000/f; tar -cf acme-20200101-000000.tar acme-20200101-000000; rm -rf acme-20200101-000000")
    fx.ctl("retention", "policy", "acme", f"--keep-last={THREE}", "--min-age=0")
    fx.ctl("retention", "apply", "acme", "--policy-settle=0", "--grace=2s", "--yes")
    actors = [Actor(fx, name) for name in ("a", "b", "tool")]
    for actor in actors:
        actor.start()
    writer, watch, rng, kills = Writer(fx), Watch(actors), random.Random(), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        watch.wait(rng.uniform(1, 4))
        lease_moves(objects(fx))
        actors[kills % 3].kill()
        watch.next_run()
        watch.next_run()
        actors[kills % 3].start()
        kills += 1
    names = writer.stop()
    watch.wait(LEASE + 20)
    runs = [actor.runs() for actor in actors]
    for actor in actors:
        actor.stop()
    expect_equal(fx.states(), {name: "sealed" for name in sorted(names)[-THREE:]}, "states at the end")
    fx.ctl("verify", "--full", "acme")
    lines = audit(fx)
    gone = set(names[:-THREE]) | {"acme-20200101-000000"}
    told_once(lines, "tombstoned")
    expect_equal(told_once(lines, "deleting"), gone, "what the log says was deleted")
    expect_equal({line["backup"] for line in lines if line["event"] == "deleted"}, gone, "what the log says is gone")
    expect_equal(told_once([line for line in lines if line.get("detail") != "begun by an earlier run"], "deleted") - gone, set(), "gone, and should not be")
    epochs = {line["epoch"] for line in lines if line["epoch"]}
    fx.measure(f"{seconds} s, {len(names)} backups", f"runs of a, b and the tool {runs}, {len(epochs)} leases that acted, {kills} kills, at most {watch.gap:.1f} s without a run")


@scenario(stores=(S3,), long=True, alone=True, limit=1200, mounted=False)
def retention_in_three_places(fx):
    """Two mounts with --retention and the tool in a loop act on one tenant while backups come in, and each is killed (kill -9) and started again: nothing is deleted twice,
    nothing is lost, and after a kill another one acts as soon as the lease has run out. PISHOPFS_TEST_SECONDS: how long (60)."""
    three(fx, versions=False)


@scenario(stores=(S3,), long=True, alone=True, limit=1200, mounted=False)
def retention_in_three_places_with_versions(fx):
    """The same in a bucket that keeps versions."""
    three(fx, versions=True)

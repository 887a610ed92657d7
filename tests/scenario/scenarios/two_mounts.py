# SPDX-License-Identifier: Apache-2.0
"""Two mounts that disagree about the same files. What each close() promised is judged by the versions that the bucket kept, read by the second
reader: a promise that was true at its moment is the end of some version, whatever stands there now."""
import random
import re
import sys
import threading
import time
from pathlib import Path

from harness import expect, scenario
from harness.failure import expect_equal
from harness.mount import KEY
from harness.objects import objects
from harness.registry import MOUNTS, S3

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "format"))

HEAD = re.compile(rb"<([01])-(\d+):(\d+)>")


def block(mount, number):
    """A piece that says whose it is and how long: its bytes follow from its name."""
    rng = random.Random(f"{mount}-{number}")
    size = rng.choice([10, 300, 5_000, 70_000]) if rng.random() < 0.98 else 9_000_000
    return b"<%d-%d:%d>" % (mount, number, size) + rng.randbytes(size)


def blocks_of(content, where):
    """The names of the blocks that a content consists of; anything else than whole blocks is a failure."""
    names, at = [], 0
    while at < len(content):
        head = HEAD.match(content, at, at + 60)
        expect(head, f"{where}: no block begins at byte {at} of {len(content)}")
        mount, number = int(head[1]), int(head[2])
        body = block(mount, number)
        expect(content[at:at + len(body)] == body, f"{where}: block {mount}-{number} at byte {at} is not whole")
        names.append((mount, number))
        at += len(body)
    return names


class Disagreement(threading.Thread):
    """Writes, appends and removes in one mount; keeps what close() promised."""

    def __init__(self, folder, mount, seconds):
        super().__init__()
        self.folder, self.mount, self.seconds = folder, mount, seconds
        self.promised, self.told = [], 0

    def run(self):
        rng, end, number = random.Random(self.mount), time.monotonic() + self.seconds, 0
        while time.monotonic() < end:
            name, number = f"file-{rng.randrange(4)}", number + 1
            try:
                if rng.random() < 0.15:
                    (self.folder / name).unlink(missing_ok=True)
                    continue
                with open(self.folder / name, rng.choice(["wb", "ab"]), buffering=0) as file:
                    body = memoryview(block(self.mount, number))
                    while body:
                        body = body[file.write(body):]
                self.promised.append((name, (self.mount, number)))
            except OSError:
                self.told += 1  # an error is no lie


def plain_versions(fx, store):
    """(file name, content) of every version that the bucket kept of the fought-over files."""
    from reader import Key, Object
    key, copy = Key(KEY.encode()), fx.work / "version"
    for version in store.versions("backups/acme/file-"):
        copy.write_bytes(store.get_version(version))
        with copy.open("rb") as file:
            yield version["Key"].rsplit("/", 1)[1], b"".join(Object(key, file).content())


def judge(fx, store, sides):
    ends, count = set(), 0
    for name, content in plain_versions(fx, store):
        count += 1
        names = blocks_of(content, f"a version of {name}")
        if names:
            ends.add((name, names[-1]))
    lies = [promise for side in sides for promise in side.promised if promise not in ends]
    fx.measure("versions read", count)
    expect(not lies, f"{len(lies)} closes returned 0 and no version ends with what they wrote, the first: {lies[:3]}")


def two_mounts(fx, seconds):
    if fx.store == S3:
        objects(fx).keep_versions()
    other = fx.work / "other"
    second = fx.mount(at=other)
    sides = [Disagreement(folder, mount, seconds) for mount, folder in enumerate((fx.mnt, other))]
    for side in sides:
        side.start()
    for side in sides:
        side.join()
    fx.unmount(second, code=None)
    fx.unmount(code=None)
    fx.mount()
    for path in sorted(fx.mnt.iterdir()):
        blocks_of(path.read_bytes(), path.name)
    for side in sides:
        fx.measure(f"mount {side.mount}", f"{len(side.promised)} closes kept, {side.told} errors told")
        expect(len(side.promised) > seconds / 2, "hardly any close succeeded: this proves nothing")
    if fx.store == S3:
        judge(fx, objects(fx), sides)


@scenario(stores=MOUNTS)
def two_mounts_briefly(fx):
    """Two mounts write, append to and remove the same paths: each file opens and consists of whole blocks, and in a versioned bucket each close() that
    returned 0 is the end of a version."""
    two_mounts(fx, 10)


@scenario(stores=MOUNTS, long=True, limit=1500, asan=False)
def two_mounts_ten_minutes(fx):
    """The same for ten minutes."""
    two_mounts(fx, 600)


@scenario(stores=MOUNTS)
def late_removal_spares_what_came_after(fx):
    """Removals wait a moment for others. What another mount writes at that name meanwhile, and was promised, stays."""
    fx.unmount()
    one, two = fx.mount(at=fx.work / "one"), fx.mount(at=fx.work / "two")
    names = [f"file-{i}" for i in range(12)]
    for name in names:
        (one.at / name).write_bytes(b"old")
    fx.sh("ls -l two; rm one/file-*", cwd=fx.work)
    promised = {}
    for name in names:
        try:
            (two.at / name).write_bytes(b"new")
            promised[name] = b"new"
        except OSError:
            pass  # a promise that was not given
    time.sleep(1)
    for mount in (one, two):
        fx.unmount(mount, code=None)
    fx.mount()
    expect(len(promised) > 2, f"hardly any write succeeded: {promised}")
    expect_equal({name: (fx.mnt / name).read_bytes() for name in promised if (fx.mnt / name).exists()}, promised, "what the second mount wrote")

# SPDX-License-Identifier: Apache-2.0
"""Ways of writing: in place, sparse, appended, mapped, read while written, many at once."""
import concurrent.futures
import contextlib
import errno
import mmap
import os
import random
import subprocess
import sys
import time
import zlib

from harness import expect, scenario, trees
from harness.failure import expect_equal
from harness.objects import objects
from harness.registry import PLAIN


@scenario(notices=("bytes",))
def overwrite_in_place(fx):
    """dd conv=notrunc into the middle, the start, the end and over the end of a 20 MB file, open or closed, in several mounts."""
    (fx.work / "disk").write_bytes(fx.bytes(20_000_000))
    (fx.work / "patch").write_bytes(fx.bytes(100_000))
    fx.sh("cp $W/disk file")
    for seek, size in ((7_777_777, 1), (0, 10), (65536 * 30, 65536), (65536 * 40 - 5, 11), (19_999_990, 100), (12_345_678, 100_000), (3, 65536)):
        for target in ("file", "$W/disk"):
            fx.sh(f"dd if=$W/patch of={target} bs={size} count=1 oflag=seek_bytes seek={seek} conv=notrunc status=none")
        fx.sh("cmp file $W/disk")
    fx.remount()
    fx.sh("cmp file $W/disk")
    for target in ("file", "$W/disk"):
        fx.sh(f"dd if=$W/patch of={target} bs=1000 seek=15000 conv=notrunc status=none; printf x >>{target}; truncate -s 21000001 {target}")
    fx.sh("cmp file $W/disk")
    fx.remount()
    fx.sh("cmp file $W/disk")


@scenario(notices=("bytes",))
def sparse_file(fx):
    """Holes read as zeros: made by truncate, by seeking over the end, at the start, and filled later."""
    script = """truncate -s 50M holes; printf middle | dd of=holes oflag=seek_bytes seek=30000000 conv=notrunc status=none
printf far | dd of=seek oflag=seek_bytes seek=12345678 status=none; truncate -s 3M zeros
cp --sparse=always $W/mixed mixed; cp holes copied"""
    (fx.work / "mixed").write_bytes(fx.bytes(100_000) + bytes(500_000) + fx.bytes(10) + bytes(70_000))
    (fx.work / "disk").mkdir()
    fx.sh(script, cwd=fx.work / "disk")
    fx.sh(script)
    fx.sh("diff -r . $W/disk")
    fx.remount()
    fx.sh("diff -r . $W/disk")


@scenario(notices=("bytes",))
def append_in_new_mounts(fx):
    """>> to the same file from four mounts, each time across the border of a chunk."""
    for turn in range(4):
        (fx.work / "more").write_bytes(fx.bytes(50_000 + turn))
        fx.sh("cat $W/more >>log; cat $W/more >>$W/log; cmp log $W/log")
        fx.remount()
        fx.sh("cmp log $W/log")


@scenario()
def mapped(fx):
    """Shared memory maps: stores before and behind close are there, msync too."""
    content = bytearray(fx.bytes(300_000))
    with open("/backup/map", "wb") as file:
        file.write(content)
    descriptor = os.open("/backup/map", os.O_RDWR)
    view = mmap.mmap(descriptor, len(content))
    view[100:105] = content[100:105] = b"first"
    view.flush()
    os.close(descriptor)
    view[200_000:200_006] = content[200_000:200_006] = b"second"
    view.close()
    with open("/backup/map", "rb") as file:
        expect(file.read() == content, "read in the same mount")
    fx.remount()
    with open("/backup/map", "rb") as file:
        expect(file.read() == content, "read in a new mount")


@scenario()
def read_while_written(fx):
    """Another process that opens the file while it is written sees every byte written so far, whatever the caches do."""
    content, descriptor = b"", os.open("/backup/growing", os.O_CREAT | os.O_WRONLY)
    for turn in range(30):
        piece = fx.bytes(random.Random(turn).randrange(1, 200_000))
        os.write(descriptor, piece)
        content += piece
        if turn % 10 == 5:
            fx.sh("sync; echo 3 >/proc/sys/vm/drop_caches || true")
        seen = fx.sh("sha256sum <growing; stat -c %s growing; tail -c 1000 growing | sha256sum").split()
        (fx.work / "now").write_bytes(content)
        expect_equal(seen, fx.sh("sha256sum <now; stat -c %s now; tail -c 1000 now | sha256sum", cwd=fx.work).split(), f"what a reader sees in turn {turn}")
    os.close(descriptor)
    fx.remount()
    expect_equal(trees.digest("/backup/growing"), trees.digest(fx.work / "now"), "in a new mount")


@scenario()
def open_while_renamed_and_removed(fx):
    """A file renamed while open keeps its content under the new name; one removed while open can be read and written to its last
    close and is then gone; one replaced while open stays readable."""
    one, two, three = (os.open(f"/backup/{name}", os.O_CREAT | os.O_RDWR) for name in ("one", "two", "three"))
    content = fx.bytes(150_000)
    for descriptor in (one, two, three):
        os.write(descriptor, content)
    os.rename("/backup/one", "/backup/uno")
    os.unlink("/backup/two")
    fx.sh("echo other >x; mv x three")
    for descriptor in (one, two, three):
        os.write(descriptor, b"later")
        expect(os.pread(descriptor, 200_000, 0) == content + b"later", "read back through the open descriptor")
        os.close(descriptor)
    large = os.open("/backup/large", os.O_CREAT | os.O_RDWR)  # many parts: most of it was sent when the name goes
    only_written = os.open("/backup/only-written", os.O_CREAT | os.O_WRONLY)
    content_large = fx.bytes(30_000_000)
    for descriptor, name in ((large, "large"), (only_written, "only-written")):
        written = 0
        while written < len(content_large):
            written += os.write(descriptor, content_large[written:])
        os.unlink(f"/backup/{name}")
        os.write(descriptor, b"later")
    os.pwrite(large, b"in the midst", 15_000_000)
    changed = content_large[:15_000_000] + b"in the midst" + content_large[15_000_012:] + b"later"
    expect(os.pread(large, 40_000_000, 0) == changed, "a large file read back after its removal")
    os.close(only_written)
    os.close(large)
    fx.remount()
    expect_equal(sorted(os.listdir("/backup")), ["three", "uno"], "names")
    if fx.store != PLAIN:
        expect(not [key for key in objects(fx).keys() if "/staging/" in key], "something is left in the staging area")
    with open("/backup/uno", "rb") as file:
        expect(file.read() == content + b"later", "content under the new name")
    expect_equal(fx.sh("cat three"), "other\n", "the file that replaced the open one")


@scenario()
def opened_again_after_removal(fx):
    """A file that was removed before anything of it was stored is gone for whoever still holds it without having it open: an error or an
    empty file, and the mount lives on."""
    for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_TRUNC):
        writer = os.open("/backup/brief", os.O_CREAT | os.O_WRONLY)
        held = os.open("/backup/brief", os.O_PATH)
        os.unlink("/backup/brief")
        os.close(writer)
        time.sleep(0.3)  # until the last close was finished
        for use in (lambda: os.close(os.open(f"/proc/self/fd/{held}", flags)), lambda: os.truncate(f"/proc/self/fd/{held}", 5),
                    lambda: os.chmod(f"/proc/self/fd/{held}", 0o600), lambda: os.utime(f"/proc/self/fd/{held}", (1, 1))):
            with contextlib.suppress(OSError):
                use()
        os.close(held)
    fx.sh("test ! -e brief; echo alive >other; cat other")


@scenario()
def fsync_and_dsync(fx):
    """fsync in the middle, dd oflag=dsync, fsync of folders, and writing on behind them."""
    content, descriptor = b"", os.open("/backup/synced", os.O_CREAT | os.O_WRONLY)
    for turn in range(6):
        piece = fx.bytes(40_000 * turn + 17)
        os.write(descriptor, piece)
        os.fsync(descriptor)
        content += piece
    os.close(descriptor)
    (fx.work / "synced").write_bytes(content)
    fx.sh("cmp synced $W/synced; dd if=$W/synced of=dsync bs=100000 oflag=dsync status=none; sync dsync; sync; mkdir d; sync d")
    fx.remount()
    fx.sh("cmp synced $W/synced; cmp dsync $W/synced; test -d d")


@scenario()
def open_flags(fx):
    """O_EXCL, O_TRUNC, missing files and folders, and links: the errors of a disk."""
    fx.sh("echo old >there; mkdir folder")
    expected = [
        ("O_EXCL over a file", lambda: os.open("/backup/there", os.O_CREAT | os.O_EXCL | os.O_WRONLY), errno.EEXIST),
        ("O_EXCL over a folder", lambda: os.open("/backup/folder", os.O_CREAT | os.O_EXCL | os.O_WRONLY), errno.EEXIST),
        ("open of nothing", lambda: os.open("/backup/nothing", os.O_RDONLY), errno.ENOENT),
        ("writing a folder", lambda: os.open("/backup/folder", os.O_WRONLY), errno.EISDIR),
        ("unlink of nothing", lambda: os.unlink("/backup/nothing"), errno.ENOENT),
        ("rename of nothing", lambda: os.rename("/backup/nothing", "/backup/x"), errno.ENOENT),
        ("rename of a file over a folder", lambda: os.rename("/backup/there", "/backup/folder"), errno.EISDIR),
        ("rename of a folder over a file", lambda: os.rename("/backup/folder", "/backup/there"), errno.ENOTDIR),
        ("mkdir below a file", lambda: os.mkdir("/backup/there/x"), errno.ENOTDIR),
        ("rmdir of nothing", lambda: os.rmdir("/backup/nothing"), errno.ENOENT),
    ]
    for what, call, code in expected:
        try:
            call()
        except OSError as error:
            expect_equal(error.errno, code, what)
            continue
        expect(False, f"{what} succeeded")
    os.close(os.open("/backup/there", os.O_WRONLY | os.O_TRUNC))
    expect_equal(os.stat("/backup/there").st_size, 0, "size after O_TRUNC")


GZIP_WRITER = """
import random, sys, zlib
path, seed, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
data = random.Random(seed).randbytes(size)
with open(path, "wb", buffering=0) as file:
    for at in range(0, size, 240):
        file.write(data[at:at + 240])
print(zlib.crc32(data))
"""


def small_writers(fx, count, size):
    """`count` processes at once, each writing `size` bytes in pieces of 240, as mongodump --gzip does; returns {path: CRC}."""
    def write(number):
        path = f"/backup/dump-{number}.bson.gz"
        done = subprocess.run([sys.executable, "-c", GZIP_WRITER, path, str(number), str(size)], stdout=subprocess.PIPE, check=True, timeout=300)
        return path, int(done.stdout)
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return dict(pool.map(write, range(count)))


def crc(path):
    with open(path, "rb") as file:
        return zlib.crc32(file.read())


@scenario(limit=240)
def twenty_writers_at_once(fx):
    """Twenty mongodump-like writers at once inside --memory 64M: no error, every byte right."""
    fx.remount("--memory", "64M")
    sums = small_writers(fx, 20, 10_000_000 if fx.long else 4_000_000)
    fx.remount("--memory", "64M")
    for path, wanted in sums.items():
        expect_equal(crc(path), wanted, f"CRC of {path}")


@scenario(limit=240, notices=("bytes",))
def thirty_files_in_turn(fx):
    """One thread writes thirty files in turn, more than the memory of the mount in all, before it closes any: no deadlock, bytes right."""
    fx.remount("--memory", "64M")
    files = [open(f"/backup/turn-{number}", "wb", buffering=0) for number in range(30)]
    sums = [0] * len(files)
    for _ in range(8):
        for number, file in enumerate(files):
            piece = fx.bytes(500_000)
            file.write(piece)
            sums[number] = zlib.crc32(piece, sums[number])
    for file in files:
        file.close()
    fx.remount("--memory", "64M")
    expect_equal([crc(f"/backup/turn-{number}") for number in range(30)], sums, "CRCs")


@scenario(limit=300, asan=False, notices=("bytes",))
def large_file(fx):
    """300 MB written through cp, in many parts; read back whole, from the middle and backwards in a new mount."""
    with open(fx.work / "large", "wb") as file:
        for _ in range(30):
            file.write(fx.bytes(10_000_000))
    fx.sh("cp $W/large large")
    fx.remount()
    fx.sh("cmp large $W/large")
    for at in range(299_000_000, 0, -23_456_789):
        fx.sh(f"cmp -n 70000 -i {at} large $W/large")
    fx.sh("rm large")


class Model:
    """Random operations, done to the mount and to a plain folder alike; every result, errors included, must be the same."""

    def __init__(self, fx, seed):
        self.rng, self.real, self.model = random.Random(seed), b"/backup/r/", os.fsencode(fx.work / "model") + b"/"
        os.makedirs(self.real)
        os.makedirs(self.model)
        self.names = [b"a", b"b", b"c", b"d/x", b"d/y", b"d", b"e", b"e/f", b"e/f/g"]

    def step(self):
        name, other = self.rng.choice(self.names), self.rng.choice(self.names)
        size, at = self.rng.choice([0, 1, 4096, 65536, 70_000, 200_000]), self.rng.choice([0, 1, 4095, 65536, 100_000, 300_001])
        data = self.rng.randbytes(size)
        operation = self.rng.choice([
            lambda base: self.write(base + name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0, data), lambda base: self.write(base + name, os.O_WRONLY, at, data),
            lambda base: self.write(base + name, os.O_CREAT | os.O_WRONLY | os.O_APPEND, None, data), lambda base: os.truncate(base + name, at),
            lambda base: os.unlink(base + name), lambda base: os.mkdir(base + name), lambda base: os.rmdir(base + name), lambda base: os.chmod(base + name, 0o600 + size % 64),
            lambda base: os.utime(base + name, ns=(at * 10**9, at * 10**9 + 7)), lambda base: os.symlink(b"target", base + name), lambda base: self.read(base + name),
            lambda base: self.rename(base, name, other), lambda base: sorted(os.listdir(base + b"d")), lambda base: os.lstat(base + name).st_mode,
        ])
        results = [self.attempt(operation, base) for base in (self.model, self.real)]
        expect_equal(results[1], results[0], f"operation on {name!r} ({other!r}, size {size}, at {at})")

    @staticmethod
    def attempt(operation, base):
        try:
            return operation(base)
        except OSError as error:
            return errno.errorcode[error.errno]

    @staticmethod
    def write(path, flags, at, data):
        descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o644)
        try:
            return os.write(descriptor, data) if at is None else os.pwrite(descriptor, data, at)
        finally:
            os.close(descriptor)

    @staticmethod
    def read(path):
        with open(path, "rb") as file:
            return zlib.crc32(file.read())

    @staticmethod
    def rename(base, name, other):
        """Full folders are left out: their rename is answered with EXDEV, and mv then copies."""
        if os.path.isdir(base + name) and os.listdir(base + name):
            return "full"
        return os.rename(base + name, base + other)


@scenario(limit=300, notices=("bytes", "loss"))
def random_operations(fx):
    """Hundreds of random operations give the same answers, errors and trees as on a disk, new mounts in between."""
    model = Model(fx, seed=20261123)
    for _ in range(8 if fx.long else 3):
        for _ in range(250):
            model.step()
        trees.same(trees.snapshot("/backup/r", times=False), trees.snapshot(fx.work / "model", times=False), "trees in the same mount")
        fx.remount()
        trees.same(trees.snapshot("/backup/r", times=False), trees.snapshot(fx.work / "model", times=False), "trees in a new mount")

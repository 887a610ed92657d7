# SPDX-License-Identifier: Apache-2.0
"""Memory and time that the mount may take."""
import os
import subprocess
import sys
import time

from harness import expect, scenario
from harness.failure import expect_equal
from harness.limits import MemoryLimit
from harness.registry import DIR, PLAIN, S3

from .jobs import NAME, restore_and_compare
from .writes import crc, small_writers


@scenario(stores=(S3,), alone=True, limit=600)
def job_within_256_mib(fx):
    """The Jobs with a dump of 100 MiB (500 with --long) inside a memory cgroup of 256 MiB for the mount, without a kill."""
    mebibytes = 500 if fx.long else 100
    limit = MemoryLimit(256 << 20)
    fx.unmount()
    mount = fx.mount(prefix=limit.prefix)
    source = fx.mongo(mebibytes)
    fx.job("backup.sh", source, NAME)
    source.stop()
    restore_and_compare(fx, mebibytes, NAME)
    fx.measure("peak resident memory of the mount", f"{mount.peak() / 2**20:.0f} MiB")
    expect(mount.peak() < 256 << 20, f"peak of {mount.peak()} bytes")
    fx.unmount()
    expect_equal(limit.killed(), 0, "processes killed for memory")
    limit.remove()


@scenario(stores=(PLAIN, DIR, S3), alone=True)
def writes_of_240_bytes(fx):
    """64 MiB written in 240-byte writes, what mongodump --gzip does, take at most ten times as long as on a folder in memory."""
    bench = os.path.join(os.path.dirname(__file__), "../../bench/write240")
    times = {}
    for where in (str(fx.work), "/backup"):
        runs = []
        for _ in range(3):
            done = subprocess.run([sys.executable, "-B", bench, f"{where}/w240", "64"], stdout=subprocess.PIPE, text=True, check=True, timeout=100)
            runs.append(float(done.stdout.split()[0]))
        times[where] = min(runs)
    factor = times["/backup"] / times[str(fx.work)]
    fx.measure("64 MiB in writes of 240 bytes", f"{times['/backup']:.2f} s, {factor:.1f} times a folder in memory")
    expect(factor <= 10, f"{factor:.1f} times a folder in memory")


@scenario(stores=(S3,), alone=True, limit=300)
def twenty_writers_within_memory(fx):
    """Twenty mongodump-like writers inside --memory 64M: the process stays below 160 MiB."""
    fx.unmount()
    mount = fx.mount("--memory", "64M")
    sums = small_writers(fx, 20, 6_000_000)
    fx.measure("peak resident memory with --memory 64M and twenty writers", f"{mount.peak() / 2**20:.0f} MiB")
    expect(mount.peak() < 160 << 20, f"peak of {mount.peak()} bytes")
    fx.unmount()
    fx.mount()
    for path, wanted in sums.items():
        expect_equal(crc(path), wanted, f"CRC of {path}")


@scenario(stores=(PLAIN, S3), alone=True)
def start_and_end_are_quick(fx):
    """A mount is ready in 2 s (a key from a passphrase included) and gone 2 s after an umount with nothing left to do."""
    fx.unmount()
    start = time.monotonic()
    fx.mount()
    ready = time.monotonic() - start
    start = time.monotonic()
    fx.unmount()
    gone = time.monotonic() - start
    fx.measure("seconds until READY and until the end", f"{ready:.2f}, {gone:.2f}")
    expect(ready < 2 and gone < 3, "too slow")

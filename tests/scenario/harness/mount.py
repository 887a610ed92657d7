# SPDX-License-Identifier: Apache-2.0
"""A mounted store: the program on `dir:` or `s3:`, or, as the oracle, a plain folder bound to the same place."""
import os
import select
import signal
import subprocess
import time
from pathlib import Path

from . import sabotage
from .failure import Failure, expect_equal

KEY = "correct horse battery staple"


def drop_caches():
    """Clean pages go, so that what is read next comes from the store."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3\n")
    except OSError:
        pass  # not allowed in some containers; a remount empties the mount's own cache anyway


def unmount(at):
    """umount, with patience for killed processes that are still ending."""
    for _ in range(50):
        done = subprocess.run(["umount", str(at)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode == 0:
            return
        time.sleep(0.1)
    raise Failure(f"umount: {done.stdout}")


class PlainMount:
    """The oracle: a folder in memory, bound to the mount point. Takes the same calls as Mount."""

    pid = None

    def __init__(self, folder: Path, at: Path, sabotages=()):
        self.folder, self.at, self.sabotages = folder, at, sabotages

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in self.sabotages:
            sabotage.apply(name, self.folder)
        subprocess.run(["mount", "--bind", str(self.folder), str(self.at)], check=True)
        return self

    def stop(self, code=0, seconds=90):
        unmount(self.at)
        drop_caches()

    def peak(self):
        return 0


class Mount:
    """The program under test, in the foreground."""

    def __init__(self, command, at: Path, env, log: Path):
        self.command, self.at, self.env, self.log = [str(word) for word in command], at, env, log
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    def launch(self):
        """Starts the program without waiting for READY."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        return self

    def start(self, seconds=20):
        """Starts the program and returns when it says READY."""
        self.launch()
        end, line = time.monotonic() + seconds, b""
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            byte = os.read(self.process.stdout.fileno(), 1) if readable else b""
            if not byte:
                raise Failure(f"no READY line within {seconds} s; exit code {self.process.poll()}; log:\n{self.tail()}")
            line += byte
        if not line.startswith(b"READY"):
            raise Failure(f"the first line is not READY: {line!r}")
        if not os.path.ismount(self.at):
            raise Failure("READY, but nothing is mounted")
        return self

    def wait(self, seconds):
        """The exit code; a Failure where the program does not end in time."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"the program did not end within {seconds} s; log:\n{self.tail()}") from None

    def stop(self, code=0, seconds=90):
        """Unmounts, waits for the end and compares the exit code; None: any."""
        unmount(self.at)
        got = self.wait(seconds)
        if code is not None and got != code:
            raise Failure(f"exit code after unmount: wanted {code}, got {got}; log:\n{self.tail()}")
        drop_caches()

    def kill(self):
        """kill -9, and the dead mount is taken away, as a new pod would find it."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        subprocess.run(["umount", "-l", str(self.at)], check=False, stderr=subprocess.DEVNULL)

    def terminate(self, code=0, seconds=90):
        """SIGTERM, the wait for the drain, and the exit code."""
        self.process.terminate()
        expect_equal(self.wait(seconds), code, "exit code after SIGTERM")

    def peak(self):
        """Peak resident memory so far, bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return 0

    def tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

# SPDX-License-Identifier: Apache-2.0
"""A memory limit for one process, by cgroup (version 1 or 2), as Kubernetes sets it."""
import os
from pathlib import Path

from .failure import Skip

V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


class MemoryLimit:
    """`prefix` goes before a command and puts it into a group of at most `size` bytes."""

    def __init__(self, size):
        name = f"pishopfs-test-{os.getpid()}-{os.urandom(4).hex()}"
        if (V1 / "memory.limit_in_bytes").exists():
            self.group, self.most, self.events = V1 / name, "memory.limit_in_bytes", "memory.oom_control"
        elif "memory" in (V2 / "cgroup.controllers").read_text().split() if (V2 / "cgroup.controllers").exists() else False:
            self.group, self.most, self.events = V2 / name, "memory.max", "memory.events"
        else:
            raise Skip("no memory cgroup on this machine")
        try:
            self.group.mkdir()
            (self.group / self.most).write_text(str(size))
        except OSError as error:
            raise Skip(f"cannot make a memory cgroup: {error}") from None
        self.prefix = ["sh", "-c", f'echo $$ >{self.group}/cgroup.procs && exec "$@"', "sh"]

    def killed(self):
        """How many processes the kernel has killed in this group."""
        for line in (self.group / self.events).read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
        return 0

    def remove(self):
        try:
            self.group.rmdir()
        except OSError:
            pass  # a process is still ending in it; an empty group costs nothing

# SPDX-License-Identifier: Apache-2.0
"""Collects results, prints them as they come, and decides the exit code."""
import re
import threading
from pathlib import Path


class Report:
    """Results of one run. Any thread may add."""

    def __init__(self, logs: Path, only: str = ""):
        self.logs = logs
        self.only = re.compile(only)
        self.count = {"ok": 0, "FAIL": 0, "skip": 0}
        self.failed = []
        self.lock = threading.Lock()
        logs.mkdir(parents=True, exist_ok=True)

    def wants(self, name: str) -> bool:
        return bool(self.only.search(name))

    def add(self, name: str, state: str, seconds: float, reason: str = "", output: str = ""):
        """state: ok, FAIL or skip. output is shown where the test failed, and always kept in the log folder."""
        if output:
            self.log_file(name).write_text(output, errors="surrogateescape")
        with self.lock:
            self.count[state] += 1
            print(f"{state:4} {seconds:7.1f}s  {name}{f'  ({reason})' if reason else ''}", flush=True)
            if state == "FAIL":
                self.failed.append(name)
                tail = output.splitlines()[-30:]
                print("\n".join("      | " + line[:300] for line in tail), flush=True)

    def log_file(self, name: str) -> Path:
        return self.logs / (re.sub(r"[^A-Za-z0-9._-]+", "_", name) + ".log")

    def finish(self) -> int:
        """Prints the closing line; the exit code of the whole run."""
        for name in self.failed:
            print(f"failed: {name}  (log: {self.log_file(name)})")
        print(f"logs: {self.logs}")
        print(f"{self.count['ok']} passed, {self.count['FAIL']} failed, {self.count['skip']} skipped", flush=True)
        return 1 if self.count["FAIL"] or not self.count["ok"] else 0

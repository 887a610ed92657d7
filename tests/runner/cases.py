# SPDX-License-Identifier: Apache-2.0
"""Runs the scenarios of tests/scenario: two side by side, each in namespaces of its own."""
import json
import os
import re
import shutil
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from process import run
from builds import SANITIZER

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scenario"))
from harness.registry import DIR, PLAIN, load  # noqa: E402

# A private view of mounts and processes: whatever a scenario leaves behind ends with it, and nothing of it is seen outside.
# bash is the namespace's first process, because it buries the orphans that it inherits.
ALONE = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc", "--", "bash", "-c", '"$@"; exit $?', "first"]
SIDE_BY_SIDE = 2


@dataclass(frozen=True)
class Case:
    """One scenario on one store."""
    title: str
    scenario: object
    store: str
    build: str = "gcc"
    sabotages: tuple = ()  # not empty: the scenario must fail


class Scenarios:
    def __init__(self, root, folder, report, args):
        self.root, self.report, self.args = root, report, args
        self.port = int(os.environ.get("PISHOPFS_TEST_PORT", "9500"))
        self.all = load()

    def cases(self):
        """Every case of this run, whether wanted or not. The oracle comes first: a scenario that is wrong there is wrong."""
        for scenario in self.all.values():
            if scenario.long and not self.args.long:
                continue
            for store in scenario.stores:
                yield Case(f"scenario/{scenario.name}[{store}]", scenario, store)
            for kind in scenario.notices:
                yield Case(f"sabotage/{scenario.name}[{kind}]", scenario, PLAIN, sabotages=(kind,))
            for store in scenario.stores if scenario.asan else ():
                if store != PLAIN and (store == DIR or self.args.long):
                    yield Case(f"asan-scenario/{scenario.name}[{store}]", scenario, store, build="asan")

    def names(self):
        return [case.title for case in self.cases()]

    def wanted(self):
        return [case for case in self.cases() if self.report.wants(case.title)]

    def run(self, cache, builds):
        """Runs what is wanted: in pairs, then one by one those that measure."""
        self.cache = cache
        wanted = self.wanted()
        self.programs = {build: self._program(builds, build) for build in {case.build for case in wanted if case.store != PLAIN}}
        made = not Path("/backup").exists()
        Path("/backup").mkdir(exist_ok=True)
        base = scratch_folder()
        (base / "datasets").mkdir()
        print(f"scenarios work in {base}", flush=True)
        try:
            together = iter([case for case in wanted if not case.scenario.alone])
            lock = threading.Lock()
            threads = [threading.Thread(target=self._worker, args=(together, lock, slot, base), daemon=True) for slot in range(SIDE_BY_SIDE)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self._worker(iter([case for case in wanted if case.scenario.alone]), lock, 0, base)
        finally:
            if made:
                Path("/backup").rmdir()
            shutil.rmtree(base / "datasets", ignore_errors=True)
            if not any(base.iterdir()):
                base.rmdir()

    @staticmethod
    def _program(builds, build):
        if os.environ.get("PISHOPFS"):
            return os.environ["PISHOPFS"]
        return builds.target(build, "pishopfs") if builds.make(build) else None

    def _worker(self, cases, lock, slot, base):
        while True:
            with lock:
                case = next(cases, None)
            if case is None:
                return
            self._run(case, slot, base)

    def _run(self, case, slot, base):
        program = self.programs.get(case.build)
        if case.store != PLAIN and not program:
            self.report.add(case.title, "skip", 0, reason=f"the build {case.build} makes no pishopfs")
            return
        work = base / re.sub(r"\W+", "-", case.title).strip("-")  # no brackets: FerretDB takes them for a pattern
        work.mkdir()
        config = {"scenario": case.scenario.name, "store": case.store, "work": str(work), "tools": str(self.cache / "bin"), "program": program,
                  "port": self.port + 20 * (slot + 1), "sabotages": case.sabotages, "datasets": str(base / "datasets"), "long": self.args.long}
        factor = 3 if case.build == "asan" else 1
        command = [*ALONE, str(self.cache / "venv/bin/python"), "-B", str(self.root / "tests/scenario/worker.py"), json.dumps(config)]
        result = run(command, case.scenario.limit * factor, cwd="/", env=SANITIZER)
        state, reason = judge(case, result)
        self.report.add(case.title, state, result.seconds, reason, result.output)
        for line in result.output.splitlines():
            if line.startswith("measured: ") and state == "ok":
                print(f"                 {line}", flush=True)
        if state != "FAIL" and not self.args.keep:
            run(["chattr", "-R", "-f", "-i", str(work)], 60)  # mount points that the program made
            shutil.rmtree(work, ignore_errors=True)


def judge(case, result):
    """(state, reason) of a case that has ended."""
    if result.code == 77:
        return "skip", (result.output.splitlines() or [""])[-1]
    if case.sabotages:
        noticed = result.code == 1 and "FAILED at" in result.output and "sabotage: " in result.output
        return ("ok", "noticed") if noticed else ("FAIL", f"did not notice the sabotage: {', '.join(case.sabotages)}")
    return ("ok" if result.code == 0 else "FAIL"), ""


def scratch_folder():
    """In memory where there is room for it, so that the disk is not what the tests wait for."""
    wanted = os.environ.get("PISHOPFS_TEST_TMP")
    if not wanted:
        wanted = "/dev/shm" if shutil.disk_usage("/dev/shm").free > 6 * 2**30 else "/var/tmp"
    return Path(tempfile.mkdtemp(prefix="pishopfs-tests-", dir=wanted))

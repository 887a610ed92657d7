# SPDX-License-Identifier: Apache-2.0
"""The builds, and the unit tests in them."""
import json
import re
import time

from process import run

SANITIZER = {
    "ASAN_OPTIONS": "halt_on_error=1:abort_on_error=0:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}

# name: (compiler, meson options). Sanitizers make gcc warn of what can't happen, so there warnings are no errors.
BUILDS = {
    "gcc": ("gcc", []),
    "clang": ("clang", []),
    "asan": ("gcc", ["-Db_sanitize=address,undefined", "-Dc_args=-fno-sanitize-recover=undefined", "-Dwerror=false"]),
    "tsan": ("gcc", ["-Db_sanitize=thread", "-Dwerror=false"]),
    "fuzz": ("clang", ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dfuzz=true"]),
}


class Builds:
    def __init__(self, root, folder, report):
        self.root, self.folder, self.report = root, folder, report
        self.ready = {}

    def path(self, name):
        return self.folder / name

    def make(self, name) -> bool:
        """Configures and builds, once; reported as build/NAME. Warnings are errors (meson.build)."""
        if name not in self.ready:
            self.ready[name] = self._make(name)
        return self.ready[name]

    def _make(self, name):
        compiler, options = BUILDS[name]
        start, output = time.monotonic(), ""
        stamp, wanted = self.path(name) / "made-with", " ".join([compiler, *options])
        fresh = not stamp.exists() or stamp.read_text() != wanted
        setup = ["meson", "setup", *(["--wipe"] if self.path(name).exists() else []), *options, str(self.path(name)), str(self.root)]
        for command in ([setup] if fresh else []) + [["ninja", "-C", str(self.path(name))]]:
            result = run(command + (self._fuzz_targets() if name == "fuzz" and command[0] == "ninja" else []), 900, env={"CC": compiler})
            output += result.output
            if result.code != 0:
                self.report.add(f"build/{name}", "FAIL", time.monotonic() - start, output=output)
                return False
        stamp.write_text(wanted)
        self.report.add(f"build/{name}", "ok", time.monotonic() - start, output=output)
        return True

    def _fuzz_targets(self):
        """The fuzz build makes its fuzz targets only: the rest of the tree is built often enough."""
        text = run(["ninja", "-C", str(self.path("fuzz")), "-t", "targets", "all"], 60).output
        return re.findall(r"^(tests/fuzz/fuzz_\w+): ", text, re.M)

    def target(self, build, name):
        """Path of an executable that the build defines, None where it defines none of that name."""
        result = run(["meson", "introspect", "--targets", str(self.path(build))], 60)
        for target in json.loads(result.output):
            if target["name"] == name and target["type"] == "executable":
                return target["filename"][0]
        return None

    def unit_tests(self, build, prefix):
        """Runs the meson tests of a build and reports each cmocka test as PREFIX/<program>: <test>."""
        programs = [t["name"] for t in json.loads(run(["meson", "introspect", "--tests", str(self.path(build))], 60).output)]
        wanted = [p for p in programs if self.report.wants(f"{prefix}/{p}")]
        if not wanted:
            return
        # TSan of gcc 12 cannot map its shadow under the address randomisation of newer kernels.
        wrapper = ["--wrapper", "setarch -R"] if build == "tsan" else []
        slow = {"asan": "3", "tsan": "6"}.get(build, "1")
        log = self.path(build) / f"meson-logs/testlog{'-setarch' if wrapper else ''}.json"
        log.unlink(missing_ok=True)
        result = run(["meson", "test", "--no-rebuild", "-t", slow, *wrapper, *wanted], 900, cwd=self.path(build), env=SANITIZER)
        if result.code is None or not log.exists():
            self.report.add(prefix, "FAIL", result.seconds, output=result.output)
            return
        for line in log.read_text(errors="replace").splitlines():
            self._report_program(prefix, json.loads(line))

    def _report_program(self, prefix, entry):
        program = f"{prefix}/{entry['name'].split(' / ')[-1].split(':')[-1]}"
        text = (entry.get("stdout") or "") + (entry.get("stderr") or "")
        tests = cmocka_results(text)
        good = entry["result"] == "OK"
        for name, state in tests:
            self.report.add(f"{program}: {name}", state, entry["duration"] / len(tests), output=text if state == "FAIL" else "")
        if not good and not any(state == "FAIL" for _, state in tests):
            self.report.add(program, "FAIL", entry["duration"], reason=f"{entry['result']}, exit {entry.get('returncode')}", output=text)
        elif good and not tests:
            self.report.add(program, "ok", entry["duration"])


def cmocka_results(text):
    """(test, ok|FAIL|skip) for each test in cmocka's standard output. A test that began and never ended is a FAIL."""
    states, word = {}, {"RUN": "FAIL", "OK": "ok", "FAILED": "FAIL", "SKIPPED": "skip"}
    for mark, name in re.findall(r"^\[ +(RUN|OK|FAILED|SKIPPED) +\] (\w+)$", text, re.M):
        states[name] = word[mark]
    return list(states.items())

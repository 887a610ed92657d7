# SPDX-License-Identifier: Apache-2.0
"""Short libFuzzer runs: every committed corpus must pass, and a few seconds of new inputs beside it."""
import os
import tempfile
from pathlib import Path

from process import run


def targets(build: Path):
    folder = build / "tests/fuzz"
    return sorted(f for f in folder.glob("fuzz_*") if f.is_file() and os.access(f, os.X_OK)) if folder.exists() else []


def corpus(root: Path, target: Path):
    name = target.name.removeprefix("fuzz_")
    for folder in (root / "tests/fuzz/corpus" / name, root / "tests/fuzz/corpus" / target.name):
        if folder.is_dir():
            return folder
    return None


def fuzz(root: Path, build: Path, report, seconds: int):
    for target in targets(build):
        name = f"fuzz/{target.name.removeprefix('fuzz_')}"
        if not report.wants(name):
            continue
        seeds = corpus(root, target)
        if seeds is None:
            report.add(name, "FAIL", 0, reason="no corpus is committed", output=f"expected tests/fuzz/corpus/{target.name[5:]}/")
            continue
        with tempfile.TemporaryDirectory() as new:
            result = run([str(target), f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", f"-artifact_prefix={report.logs}/",
                          new, str(seeds)], seconds + 120)
        report.add(name, "ok" if result.code == 0 else "FAIL", result.seconds, output=result.output)

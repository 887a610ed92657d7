# SPDX-License-Identifier: Apache-2.0
"""tests/run's second half: the order of things. Each step reports its tests by name; nothing here knows what a test does."""
import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from builds import BUILDS, Builds
from cases import Scenarios
from conformance import NAMES as CONFORMANCE, conformance, two_readers
from fuzzing import fuzz
from process import run
from report import Report

ROOT = Path(__file__).resolve().parents[2]
LAWS = ["includes", "headers", "banned", "sizes", "texts", "docs", "selftest"]
LONG_SIMULATION = "sim/thousand-tenants"


def arguments():
    parser = argparse.ArgumentParser(prog="tests/run", description="Builds everything and runs every test.")
    parser.add_argument("--long", action="store_true", help="also the slow tests")
    parser.add_argument("--only", default="", metavar="PATTERN", help="only tests whose name holds this regular expression")
    parser.add_argument("--keep", action="store_true", help="keep the folders of scenarios that passed")
    parser.add_argument("--list", action="store_true", help="print the names of groups and scenarios and stop")
    return parser.parse_args()


def laws(report):
    for law in LAWS:
        name = f"law/{law}"
        if report.wants(name):
            result = run([sys.executable, "-B", str(ROOT / f"tests/laws/{law}.py")], 120)
            if law == "sizes" and result.code == 0:
                print(result.output, end="")
            report.add(name, "ok" if result.code == 0 else "FAIL", result.seconds, output=result.output)


def units(builds, report, maybe):
    for build, prefix in (("gcc", "unit"), ("asan", "asan"), ("tsan", "tsan")):
        if maybe(prefix) and builds.make(build):
            builds.unit_tests(build, prefix)


def simulation(builds, report):
    """Five years of retention for a thousand tenants; the short form is among the unit tests."""
    if not report.wants(LONG_SIMULATION) or not builds.make("gcc"):
        return
    result = run([builds.target("gcc", "sim"), "--tenants", "1000", "--jobs", str(os.cpu_count())], 3600)
    report.add(LONG_SIMULATION, "ok" if result.code == 0 else "FAIL", result.seconds, output=result.output)


def guesser(report, known):
    """A question: may a test PREFIX/... be wanted? The names of unit tests and fuzz targets are not known before the build, so
    where the pattern holds for no name that is known, any of them may be meant."""
    unknown = not any(report.wants(name) for name in known)
    return lambda prefix: unknown or report.wants(f"{prefix}/")


def servers(report):
    """The real servers, made once. False, with a FAIL, where they could not be made."""
    start = time.monotonic()
    cache = Path(os.environ.get("PISHOPFS_TEST_CACHE", "/var/cache/pishopfs-tests"))
    print(f"servers: {cache} (the first time this takes some minutes)", flush=True)
    done = subprocess.run([str(ROOT / "tests/servers"), str(cache)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        report.add("servers", "FAIL", time.monotonic() - start, output=done.stdout)
    return cache if done.returncode == 0 else None


def main():
    args = arguments()
    folder = Path(os.environ.get("PISHOPFS_BUILD", ROOT / "build-tests")).resolve()
    report = Report(folder / "logs", args.only)
    builds = Builds(ROOT, folder, report)
    scenarios = Scenarios(ROOT, folder, report, args)
    known = ["build/" + name for name in BUILDS] + ["law/" + law for law in LAWS] + CONFORMANCE + ["format/cross_check"] + ([LONG_SIMULATION] if args.long else [])
    if args.list:
        print("\n".join(known + ["unit/", "asan/", "tsan/", "fuzz/"]))
        print("\n".join(scenarios.names()))
        return 0

    maybe = guesser(report, known + scenarios.names())
    laws(report)
    units(builds, report, maybe)
    for name in BUILDS:
        if report.wants(f"build/{name}"):
            builds.make(name)
    if maybe("fuzz") and builds.make("fuzz"):
        fuzz(ROOT, builds.path("fuzz"), report, 60 if args.long else 5)
    if args.long:
        simulation(builds, report)
    real = scenarios.wanted() or any(report.wants(name) for name in CONFORMANCE + ["format/cross_check"])
    cache = servers(report) if real else None
    if cache:
        two_readers(ROOT, cache, builds, report)
        conformance(cache / "bin", builds, report, scenarios.port)
        scenarios.run(cache, builds)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())

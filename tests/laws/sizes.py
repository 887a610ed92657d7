#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Law: functions and files stay small. Prints how we stand against our aims, and fails only over the hard limits."""
import json
import subprocess

from tree import root, sources, tracked, verdict

FUNCTION_AIM, FUNCTION_MOST = 80, 120
FILE_AIM, FILE_MOST = 600, 800


def functions(top):
    """(lines, "file:line name") of every function of the product."""
    files = [str(path) for _, path in sources(top, ".c", ".h")]
    if not files:
        return
    found = subprocess.run(["ctags", "--languages=C", "--langmap=C:.c.h", "--kinds-C=f", "--fields=+ne", "--output-format=json", "-o", "-", *files],
                           check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in found.splitlines():
        tag = json.loads(line)
        if "end" in tag:
            yield tag["end"] - tag["line"] + 1, f"{tag['path'].removeprefix(f'{top}/')}:{tag['line']} {tag['name']}"


def length(path):
    return len(path.read_text(errors="replace").splitlines())


def check(top):
    sizes = sorted(functions(top))
    files = sorted((length(path), str(path.relative_to(top))) for _, path in sources(top, ".c", ".h"))
    if sizes:
        p50, p95 = sizes[len(sizes) // 2][0], sizes[len(sizes) * 95 // 100][0]
        print(f"functions: {len(sizes)}; lines p50 {p50}, p95 {p95}, longest {sizes[-1][0]} ({sizes[-1][1]}); aims 15, 45, {FUNCTION_AIM}")
    if files:
        print(f"files: {len(files)}; longest {files[-1][0]} ({files[-1][1]}); aim {FILE_AIM}")
    product = sum(lines for lines, _ in files)
    tests = sum(length(path) for path in tracked(top) if path.relative_to(top).parts[0] == "tests" and path.suffix in (".c", ".h", ".py", ".sh", ""))
    print(f"lines: product {product}, tests {tests} ({'as many or more' if tests >= product else 'FEWER than the product'})")
    for lines, name in sizes:
        if lines > FUNCTION_AIM:
            print(f"over our aim: {name}: {lines} lines")
        if lines > FUNCTION_MOST:
            yield f"too long: {name}: {lines} lines, at most {FUNCTION_MOST}"
    for lines, name in files:
        if lines > FILE_AIM:
            print(f"over our aim: {name}: {lines} lines")
        if lines > FILE_MOST:
            yield f"too long: {name}: {lines} lines, at most {FILE_MOST}"


if __name__ == "__main__":
    verdict(list(check(root())))

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Law: every function that a header declares is explained there. A comment speaks for the declarations that follow it up to the next
empty line, and for the line it ends; that of a struct also for the functions right behind the struct."""
import json
import subprocess

from tree import root, sources, verdict


def prototypes(path):
    """(line, name) of each function that the header declares; small inline ones speak for themselves."""
    found = subprocess.run(["ctags", "--languages=C", "--langmap=C:.c.h", "--kinds-C=p", "--fields=+n", "--output-format=json", "-o", "-",
                            "-I", "DEFINE_AUTO+", str(path)], check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in found.splitlines():
        tag = json.loads(line)
        yield tag["line"], tag["name"]


def paragraph(lines, number):
    """First line of the paragraph that holds line `number`; lines count from 1."""
    while number > 1 and lines[number - 2].strip():
        number -= 1
    return number


def explained(lines, number):
    """Does a comment stand above line `number` (from 1) in its paragraph, or on the lines of the declaration?"""
    end = number
    while end < len(lines) and ";" not in lines[end - 1] and "{" not in lines[end - 1]:
        end += 1
    start = paragraph(lines, number)
    if start > 2 and lines[start - 3].startswith("}"):
        start = paragraph(lines, start - 2)
    return any("/*" in line or "*/" in line or "//" in line for line in lines[start - 1:end])


def check(top):
    for _, path in sources(top, ".h"):
        lines = path.read_text(errors="replace").splitlines()
        for number, name in prototypes(path):
            if not explained(lines, number):
                yield f"{path.relative_to(top)}:{number}: {name} has no comment"


if __name__ == "__main__":
    verdict(list(check(root())))

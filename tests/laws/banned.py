#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Law: the banned calls really are compile errors, in gcc and clang, and no file gets around it."""
import re
import subprocess

from tree import root, sources, verdict

MUST_BE_BANNED = ["strcpy", "strcat", "sprintf", "gmtime", "localtime", "strtok", "atoi", "alloca"]


def compiles(compiler, header, body):
    source = f"int f(char *a);\nint f(char *a) {{ {body}; return a != 0; }}\n"
    return subprocess.run([compiler, "-std=gnu11", "-D_GNU_SOURCE", "-include", str(header), "-fsyntax-only", "-xc", "-"], input=source.encode(),
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def check(top):
    header = top / "base/banned.h"
    for compiler in ("gcc", "clang"):
        if not compiles(compiler, header, "(void)strlen(a)"):
            yield f"{compiler}: base/banned.h refuses a harmless file"
        for name in MUST_BE_BANNED:
            if compiles(compiler, header, f"(void){name}"):
                yield f"{compiler}: base/banned.h lets {name} through"
    if "base/banned.h" not in (top / "meson.build").read_text():
        yield "meson.build: does not include base/banned.h before every file"
    for _, path in sources(top, ".c", ".h"):
        if path != header and re.search(r"#\s*pragma\s+(GCC|clang)\s+(poison|diagnostic\s+ignored)", path.read_text(errors="replace")):
            yield f"{path.relative_to(top)}: switches warnings or poison by a pragma"


if __name__ == "__main__":
    verdict(list(check(root())))

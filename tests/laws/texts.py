#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Law: nothing in the repository names a developer's own machine, nothing is left to do, and every source says its licence."""
import re

from tree import root, tracked, verdict

# Put together from pieces, so that this file keeps its own law.
PRIVATE = re.compile(r"(?<![\w.$}/-])/(" + "work" + r"|root|home/[a-z][\w-]*|Users)/[\w.]")
LEFT = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
CODE = {".c", ".h", ".py", ".sh", ".go"}


def check(top):
    for path in tracked(top):
        name, data = str(path.relative_to(top)), path.read_bytes()
        if b"\0" in data[:8000]:
            continue
        text = data.decode(errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            if PRIVATE.search(line):
                yield f"{name}:{number}: names a folder of somebody's machine: {line.strip()[:100]}"
            if path.suffix in CODE and LEFT.search(line):
                yield f"{name}:{number}: something is left to do: {line.strip()[:100]}"
        script = text.startswith("#!")
        if (path.suffix in CODE or script or path.name == "meson.build") and "SPDX-License-Identifier: Apache-2.0" not in text[:300]:
            yield f"{name}: no SPDX line"


if __name__ == "__main__":
    verdict(list(check(root())))
